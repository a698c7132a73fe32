"""Local measures of trained networks: a row for each network, planted change and disc.

    python experiments/rewards/measure.py CONDITION SEED RUN [--planted]

Adds to places.csv, networks.csv and maps.csv beside this script; what has its rows is skipped.
`--planted` adds the same network read with fields drawn into the goal by a known amount: what the
measures can detect. About 10 CPU-s.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from cue import cued_system
from goals import GOAL_M, RADIUS_M
from local import Code, Phases, density_map, largest_module, measure_places

import gridcode
from gridcode.analysis.cells.lattice import shape_of
from gridcode.analysis.navigation.decoding import integrate_paths, window_for
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.world.walks import smooth_walk

HERE = Path(__file__).parent
ARENA_M, BIN_M, WALK_M = 4.0, 0.05, 2.0
PLANTED = (0.025, 0.05, 0.1, 0.2)
SHOWN = 0.1  # whose map is kept
WALKERS, HORIZONS = 512, (20, 40, 60, 80, 100)


def append(name, rows):
    path = HERE / name
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(
            {k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def done(name, condition, seed):
    path = HERE / name
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["condition"], r["seed"]) == (condition, seed)]
    return {r.get("planted", "0") for r in rows}


def path_errors(system, reference):
    """Median error of the tracked place, metres, where the walker is in the goal and mirrored."""
    walk = smooth_walk(
        arena_m=WALK_M,
        steps=HORIZONS[-1],
        walkers=WALKERS,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(1),
    )
    alias = nearest_alias_m(reference, generator=np.random.default_rng(2))
    window = window_for(alias, max_step_m=system.max_step_m, bin_size_m=reference.bin_size_m)
    found = integrate_paths(system, walk, reference, window_m=window, horizons=HORIZONS)
    true = walk.positions[list(HORIZONS)]

    def error(centre):
        inside = np.linalg.norm(true - np.array(centre), axis=-1) < RADIUS_M
        return float(np.median(found.tracked_m[inside]))

    return {
        "error_goal_m": error(GOAL_M),
        "error_mirror_m": error((-GOAL_M[0], GOAL_M[1])),
        "error_all_m": float(np.median(found.tracked_m)),
    }


def whole(system, reference, code, lattice, scores, vectors_m):
    """One row of the whole network."""
    shape = shape_of(vectors_m[None])
    on = np.nan_to_num(scores.corrected) > 0.5
    return {
        "active": int((np.abs(code.states).max(axis=(0, 1)) > 1e-3).sum()),
        "on_lattice": int(on.sum()),
        "module_units": len(lattice.units),
        "grid_score": float(np.median(scores.grid_score[lattice.units])),
        "spacing_m": float(shape.spacing[0]),
        "axis_ratio": float(shape.axis_ratio[0]),
        "cell_area_m2": float(abs(np.linalg.det(vectors_m))),
        **path_errors(system, reference),
    }


def measure(condition, seed, folder, planted):
    """Add the rows of a network that are missing."""
    system = cued_system(folder) if condition == "cue" else gridcode.load_system(folder)
    reference = build_reference_map(
        system, arena_m=ARENA_M, bin_size_m=BIN_M, generator=np.random.default_rng(0)
    )
    code = Code(reference.vectors, BIN_M)
    known = done("places.csv", condition, seed)
    for density in (0.0, *(PLANTED if planted else ())):
        if f"{density:.5g}" in known:
            continue
        here = code.warped(density) if density else code
        lattice, scores = largest_module(here)
        if lattice is None:
            print(f"{condition} {seed}: no module")
            return
        phases = Phases(here, lattice)
        head = {"condition": condition, "seed": seed}
        if density == 0:
            last = json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])
            losses = {k: last[k] for k in ("loss", "separation", "invariance", "capacity")}
            numbers = whole(system, reference, here, lattice, scores, phases.vectors_m)
            append("networks.csv", [{**head, "steps": last["step"], **numbers, **losses}])
        head["planted"] = density
        if density in (0.0, SHOWN):
            names = ("x_m", "y_m", "density")
            mapped = [dict(zip(names, row, strict=True)) for row in density_map(phases)]
            append("maps.csv", [{**head, **row} for row in mapped])
        rows = measure_places(here, phases, lattice)
        append("places.csv", [{**head, **row} for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("condition")
    parser.add_argument("seed")
    parser.add_argument("run")
    parser.add_argument("--planted", action="store_true")
    given = parser.parse_args()
    measure(given.condition, given.seed, given.run, given.planted)


if __name__ == "__main__":
    main()
