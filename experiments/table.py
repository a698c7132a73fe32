"""Train one recipe over seeds and settings, score each network, and write a table.

    python experiments/table.py OUT.csv --preset quick --seeds 0-4 --variant recipe --variant
    square:world.velocities=square

A variant is NAME or NAME:KEY=VALUE;KEY=VALUE. Runs go to --runs (not committed) and are picked up
where they were left; the table holds a row per variant and seed, scored on the smooth walk in one
arena.
"""

import argparse
import csv
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import gridcode
from gridcode.analysis.evaluate import group_name, map_arena, summarise
from gridcode.analysis.system import System

COLUMNS = (
    *(
        "variant",
        "seed",
        "overrides",
        "active_units",
        "units",
        "hexagonal_share",
        "lattice_share",
        "square_share",
    ),
    *(
        "grid_score_median",
        "corrected_median",
        "axis_ratio_median",
        "spacing_m_median",
        "loss_last10",
        "invariance_last10",
    ),
    *("zero_states", "cpu_seconds", "arena_m", "config_hash"),
)


def train_and_score(job: tuple[str, str, int, dict[str, str], str, float]) -> dict[str, object]:
    preset, variant, seed, overrides, runs, arena_m = job
    torch.set_num_threads(1)
    config = gridcode.load_config(preset).override(
        {**overrides, "training.seed": seed, "training.threads": 1}
    )
    folder = Path(runs) / f"{preset}-{variant}-s{seed}"
    run = gridcode.train(None if (folder / "config.toml").exists() else config, out=folder)
    step, start = gridcode.load_network(run).as_system()
    data = map_arena(
        System(step, start, run.config.world.max_velocity_m),
        walk="smooth",
        arena_m=arena_m,
        config=run.config.evaluation,
    )
    scores = summarise(
        data, group_name("smooth", arena_m), threshold=run.config.evaluation.score_threshold
    ).model_dump()
    last = run.metrics()[-10:]
    row: dict[str, object] = {k: scores[k] for k in ("active_units", "units")}
    row |= {k: round(scores[k], 3) for k in ("hexagonal_share", "lattice_share", "square_share")}
    row |= {
        f"{k}_median": round(scores[f"{k}_quartiles"][1], 3) if scores[f"{k}_quartiles"] else ""
        for k in ("grid_score", "corrected", "axis_ratio", "spacing_m")
    }
    row |= {
        f"{k}_last10": round(statistics.mean(r[k] for r in last), 4) for k in ("loss", "invariance")
    }
    return row | {
        "variant": variant,
        "seed": seed,
        "overrides": " ".join(f"{k}={v}" for k, v in overrides.items()),
        "zero_states": last[-1]["zero_states"],
        "cpu_seconds": round(run.manifest["cpu_seconds"]),
        "arena_m": arena_m,
        "config_hash": run.config.content_hash,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seeds", default="0-4", help="such as 0-4 or 1,3")
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        help="NAME or NAME:KEY=VALUE;KEY=VALUE; several times",
    )
    parser.add_argument("--arena", type=float, default=4.0)
    parser.add_argument("--runs", default="runs/table")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    seeds = (
        range(int(options.seeds.split("-")[0]), int(options.seeds.split("-")[1]) + 1)
        if "-" in options.seeds
        else map(int, options.seeds.split(","))
    )
    variants = []
    for text in options.variant or ["recipe"]:
        name, _, settings = text.partition(":")
        variants.append((name, dict(item.split("=", 1) for item in settings.split(";") if item)))
    jobs = [
        (options.preset, name, seed, overrides, options.runs, options.arena)
        for seed in seeds
        for name, overrides in variants
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.workers) as pool, options.out.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for row in pool.map(train_and_score, jobs):
            table.writerow(row)
            file.flush()
            print(
                row["variant"],
                row["seed"],
                row["active_units"],
                row["hexagonal_share"],
                row["lattice_share"],
                row["loss_last10"],
                flush=True,
            )


if __name__ == "__main__":
    main()
