"""Remapping: trained networks from random start states. Do modules shift, each as a whole?

    python experiments/deformed/remapping.py --runs RUNS --networks modules-192 quick-seed0 ...

Each start is a random positive state of every population that then takes a random walk of `--relax`
steps. Maps of the same walk from two starts are compared; the reference is the network's own start.
Adds rows to remapping.csv, one a module and start; networks that have theirs are skipped.
Expectation: see README.md.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from networks import Known, from_start, load
from rescaling import add_rows

from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.phases import spatial_phases
from gridcode.analysis.system import System, roll_rate_maps
from gridcode.world.walks import smooth_walk

TABLE = Path(__file__).with_name("remapping.csv")
STARTS, ARENA_M, BIN_M = 20, 4.0, 0.1
NULLS = 200


def random_starts(known: Known, relax: int, generator: np.random.Generator) -> np.ndarray:
    """Relaxed random states (start, unit)."""
    raw = generator.random((STARTS, len(known.system.start)))
    parts = np.split(raw, np.cumsum(known.sizes)[:-1], axis=1)
    states = np.concatenate(
        [p / np.linalg.norm(p, axis=1, keepdims=True) for p in parts], axis=1
    ) / np.sqrt(len(parts))
    for _ in range(relax):
        v = known.system.max_step_m * generator.uniform(-1, 1, (STARTS, 2))
        states = known.system.step(states, v)
    return states


def maps_from(system: System) -> np.ndarray:
    """Rate maps (unit, y, x) of one and the same walk."""
    walk = smooth_walk(
        arena_m=ARENA_M,
        steps=150,
        walkers=96,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(7),
    )
    return roll_rate_maps(system, walk, bin_size_m=BIN_M)["rate"].values


def coherence(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean resultant of the units' phase shifts over the two axes, and the mean shift (2,)."""
    mean = np.exp(2j * np.pi * (second - first)).mean(axis=0)
    return float(np.abs(mean).mean()), np.mod(np.angle(mean) / (2 * np.pi), 1.0)


def rows_of(known: Known, relax: int) -> list[dict]:
    """A row a start and module."""
    generator = np.random.default_rng([known.seed, 17])
    own = maps_from(known.system)
    rows = []
    for index, start in enumerate(random_starts(known, relax, generator)):
        moved = maps_from(from_start(known.system, start))
        for number, module in enumerate(known.modules):
            rows.append(
                {"network": known.name, "seed": known.seed, "relax_steps": relax}
                | {"start": index, "module": number}
                | compared(own[module.units], moved[module.units], module, generator)
            )
    return rows


def compared(own: np.ndarray, moved: np.ndarray, module, generator) -> dict:
    """Two sets of maps of the units of a module."""
    first, second = (
        spatial_phases(maps, bin_size_m=BIN_M, vectors_m=module.vectors_m) for maps in (own, moved)
    )
    known = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    first, second = first[known], second[known]
    found, shift = coherence(first, second)
    nulls = [coherence(first, generator.permutation(second))[0] for _ in range(NULLS)]
    before, after = (score_maps(maps, bin_size_m=BIN_M) for maps in (own, moved))
    visited = np.isfinite(own[0]) & np.isfinite(moved[0])
    flat = [maps[:, visited] for maps in (own, moved)]
    same = [np.corrcoef(a, b)[0, 1] for a, b in zip(*flat, strict=True) if a.std() and b.std()]
    return {
        "units": len(module.units),
        "units_with_phase": int(known.sum()),
        "spacing_m": module.spacing_m,
        "coherence": found,
        "coherence_null_95": float(np.quantile(nulls, 0.95)),
        "coherence_null_median": float(np.median(nulls)),
        "shift_1": shift[0],
        "shift_2": shift[1],
        "map_correlation": float(np.median(same)) if same else float("nan"),
        "grid_score_own": float(np.nanmedian(before.grid_score)),
        "grid_score_moved": float(np.nanmedian(after.grid_score)),
        "spacing_ratio": float(np.nanmedian(after.spacing_m / before.spacing_m)),
    }


def measured() -> set[tuple[str, int]]:
    """Networks and steps of relaxation that have rows."""
    if not TABLE.exists():
        return set()
    with TABLE.open(encoding="utf-8") as file:
        return {(row["network"], int(row["relax_steps"])) for row in csv.DictReader(file)}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--networks", nargs="+", required=True)
    parser.add_argument("--relax", type=int, default=50)
    options = parser.parse_args()
    for name in options.networks:
        if (name, options.relax) not in measured():
            add_rows(TABLE, rows_of(load(options.runs, name), options.relax))
            print(name, flush=True)


if __name__ == "__main__":
    main()
