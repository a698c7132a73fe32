"""Does a lattice relax after the gain of its velocity input changed? Trained networks trained on.

    python experiments/deformed/training_on.py --runs RUNS --out MORE_RUNS --seeds 0-4

Starts from the runs `quick-seedN` in RUNS, with the first layer's weights for the x component
multiplied by the gain: from then on the network is told 1.4 m where it moves by 1 m, and its
lattice is 1.4 times as fine along x. The objective sees true places. Constant rate, fresh moments
of the optimiser, other batches than before. Adds rows to training_on.csv, one a snapshot; networks
that have theirs are skipped. Expectation: see README.md.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from rescaling import add_rows

import gridcode
from gridcode.analysis.cells.lattice import reduced, shape_of
from gridcode.analysis.evaluate import map_arena
from gridcode.analysis.modules.strain import mean_lattice, strain
from gridcode.analysis.system import System
from gridcode.runs import snapshots
from gridcode.runs.run import Run
from gridcode.training import checkpoint
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

TABLE = Path(__file__).with_name("training_on.csv")
STEPS, SNAPSHOTS = 600, 6
ARENA_M, LEAST_SCORE, FEWEST_UNITS = 4.0, 0.5, 10
# Name: gain of x, overrides of the configuration.
VARIANTS = {
    "gain 1.4": (1.4, {}),
    "gain 1": (1.0, {}),
    "gain 1/1.4": (1 / 1.4, {}),
    "gain 1.4, no isometry": (1.4, {"isometry": 0}),
    "gain 1, no isometry": (1.0, {"isometry": 0}),
}
FIRST_LAYER = "transition.mlp.0.weight"


def train_on(before: Run, folder: Path, gain: float, changes: dict) -> Run:
    """A run that starts from the weights of another, with another gain."""
    seed = before.config.training.seed
    config = before.config.override(
        {
            "training.steps": STEPS,
            "training.seed": seed + 100,
            "training.snapshots": SNAPSHOTS,
            "training.schedule": "constant",
            "training.learning_rate": 3e-4,
            "training.warmup_steps": 50,
            "training.threads": 1,
            "training.log_every": 10,
            "loss.isometry_ramp": [0, 0],
            **changes,
        }
    )
    if not (folder / "config.toml").exists():
        run = Run.create(folder, config)
        weights = gridcode.load_network(before).state_dict()
        weights[FIRST_LAYER] = weights[FIRST_LAYER] * torch.tensor([gain, 1.0])
        start = Snapshot(weights, {}, 0, 0, Plateau(), config.training_hash)
        checkpoint.save(start, run.checkpoint_path(0))
        snapshots.save(run.snapshot_path(0), weights, step=0, training_hash=config.training_hash)
    return gridcode.train(out=folder)


def lattice(network, config) -> tuple[np.ndarray | None, dict]:
    """The mean lattice of the units that have one, and numbers about it."""
    system = System(*network.as_system(), config.world.max_velocity_m)
    maps = map_arena(system, walk="smooth", arena_m=ARENA_M, config=config.evaluation)
    on = (maps["corrected"].values > LEAST_SCORE) & np.isfinite(maps["vectors_m"].values).all(
        axis=(1, 2)
    )
    told = {"units_on_lattice": int(on.sum()), "silent": int(maps["silent"].values.sum())}
    if on.sum() < FEWEST_UNITS:
        return None, told
    mean = reduced(mean_lattice(maps["vectors_m"].values[on])[None])
    shape = shape_of(mean)
    told |= {
        "spacing_m": float(shape.spacing[0]),
        "orientation_deg": float(shape.orientation_deg[0]),
        "axis_ratio": float(shape.axis_ratio[0]),
    }
    return mean[0], told


def rows_of(name: str, run: Run, before: Run) -> list[dict]:
    """A row a snapshot; strains are those from the lattice before."""
    first, _ = lattice(gridcode.load_network(before), before.config)
    gain = VARIANTS[name][0]
    losses = {row["step"]: row for row in run.metrics()}
    rows = []
    for step, path in run.snapshots():
        now, told = lattice(snapshots.load_network(path, run.config), run.config)
        row = {"variant": name, "seed": before.config.training.seed, "gain": gain, "step": step}
        row |= dict.fromkeys(("spacing_m", "orientation_deg", "axis_ratio"), "") | told
        row |= dict.fromkeys(("scale", "shear", "rotation_deg"), "")
        if first is not None and now is not None:
            change = strain(first, now)
            row |= {
                "scale": float(change.scale),
                "shear": float(change.shear),
                "rotation_deg": float(np.degrees(change.rotation)),
            }
        last = losses.get(max((s for s in losses if s <= step), default=0), {})
        row |= {k: last.get(k, "") for k in ("loss", "separation", "invariance", "isometry")}
        rows.append(row)
    return rows


def done() -> set[tuple[str, str]]:
    """Variant and seed of the rows that are there."""
    if not TABLE.exists():
        return set()
    with TABLE.open(encoding="utf-8") as file:
        return {(row["variant"], row["seed"]) for row in csv.DictReader(file)}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("runs/deformed"))
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        before = Run(options.runs / f"quick-seed{seed}")
        for name in options.only:
            if (name, str(seed)) in done():
                continue
            gain, changes = VARIANTS[name]
            folder = options.out / f"{name.replace('/', ' over ').replace(' ', '_')}-s{seed}"
            run = train_on(before, folder, gain, changes)
            add_rows(TABLE, rows_of(name, run, before))
            print(name, seed, flush=True)


if __name__ == "__main__":
    main()
