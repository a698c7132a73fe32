"""`modules` on many seeds: trained as one program on the GPU, then measured on the CPU's cores.

    python benchmarks/gpu_modules.py train FOLDER [--seeds 32]
    python benchmarks/gpu_modules.py measure FOLDER OUT.csv [--jobs 16]

Measured is what costs little: maps of one arena with 99 null maps a unit, the units' types, their
modules and the relations of these, as in experiments/scales. The table is written row by row, and a
second call adds the seeds that it lacks.
"""

import argparse
import csv
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "experiments" / "scales"))
ARENA_M = 6.0
TINY = {
    "world.steps": 4,
    "world.trajectories": 8,
    "world.joint_steps": 6,
    "world.joint_trajectories": 6,
    "model.populations": [8, 8],
    "model.hidden_widths": [8],
    "loss.sampled_states": 30,
    "training.steps": 6,
    "training.separate_steps": 2,
    "training.checkpoint_every": 6,
}


def train(folder: Path, seeds: int, *, rehearse: bool) -> None:
    import gridcode

    config = gridcode.load_config("modules")
    # On a GPU a checkpoint of 32 networks takes as long as many steps.
    changes = TINY if rehearse else {"training.checkpoint_every": config.training.steps}
    configs = gridcode.variants(config.override(changes), name="modules", seeds=range(seeds))
    began = time.perf_counter()
    gridcode.train_many(configs, out=folder)
    print(f"trained {seeds} networks in {time.perf_counter() - began:.1f} s", flush=True)


def row_of(task: tuple[str, bool]) -> dict[str, Any]:
    """What the table has of one run."""
    import torch
    from measure import measure

    import gridcode

    folder, rehearse = task
    torch.set_num_threads(1)
    run = gridcode.Run(folder)
    last, manifest = run.metrics()[-1], run.manifest
    small = {"arena_m": 1.0, "nulls": 99} if rehearse else {"arena_m": ARENA_M, "nulls": 99}
    told = {
        "seed": run.config.training.seed,
        "steps": manifest["step"],
        "loss": round(last["loss"], 4),
        "networks_together": manifest["networks_together"],
        "train_wall_s": round(manifest["wall_seconds"], 1),
        "device": manifest["device"],
    }
    return told | measure(gridcode.load_network(run), run.config, paths=False, **small)


def measure_all(folder: Path, out: Path, *, jobs: int, rehearse: bool) -> None:
    done: list[dict[str, Any]] = []
    if out.exists():
        with out.open(newline="", encoding="utf-8") as file:
            done = list(csv.DictReader(file))
    seen = {f"modules-seed{row['seed']}" for row in done}
    runs = sorted(folder.glob("modules-seed*"), key=lambda path: int(path.name.split("seed")[1]))
    tasks = [(str(path), rehearse) for path in runs if path.name not in seen]
    if not tasks:
        return
    # The workers need no GPU, and one thread each.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with (
        multiprocessing.get_context("spawn").Pool(min(jobs, len(tasks))) as pool,
        out.open("a", newline="", encoding="utf-8") as file,
    ):
        table = None
        for row in pool.imap_unordered(row_of, tasks):
            if table is None:
                table = csv.DictWriter(file, row)
                if not done:
                    table.writeheader()
            table.writerow(row)
            file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "measure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?", help="the table, of `measure`")
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU")
    options = parser.parse_args()
    if options.what == "train":
        train(options.folder, options.seeds, rehearse=options.rehearse)
    elif options.out:
        measure_all(options.folder, options.out, jobs=options.jobs, rehearse=options.rehearse)
    else:
        parser.error("name the table to write, .csv")


if __name__ == "__main__":
    main()
