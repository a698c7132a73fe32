"""Local measures of trained networks: a row for each network, planted change and disc.

    python experiments/rewards/measure.py CONDITION SEED RUN [--planted]

Adds to places.csv, networks.csv and maps.csv beside this script; what has its rows is skipped.
`--planted` adds the same network read with fields drawn into the goal by a known amount: what the
measures can detect. `direct`: states on short paths from the origin; `long`: after 50 to 110 steps
of a smooth walk. About 12 CPU-s.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from goals import GOAL_M, RADIUS_M
from local import HEXAGON, Code, Phases, largest_module, local_map, measure_places, read
from scipy import ndimage

import gridcode
from gridcode.analysis.cells.lattice import shape_of
from gridcode.analysis.navigation.decoding import integrate_paths, window_for
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.analysis.system import along
from gridcode.world.walks import smooth_walk

HERE = Path(__file__).parent
ARENA_M, BIN_M, WALK_M = 4.0, 0.05, 2.0
PLANTED = (0.025, 0.05, 0.1, 0.2)
SHOWN = 0.1  # whose map is kept
WALKERS, HORIZONS = 400, (40, 60, 80, 100)
LONG, LONG_WALKERS = (50, 110), 500


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


def done(condition, seed, planted):
    """Whether a network has its rows, planted ones or others."""
    path = HERE / "places.csv"
    if not path.exists():
        return False
    with path.open(newline="") as file:
        return any(
            (r["condition"], r["seed"], r["planted"] != "0") == (condition, seed, planted)
            for r in csv.DictReader(file)
        )


def along_walks(system, reference, code, vectors_m):
    """Errors of the tracked place in the goal and mirrored, and whether the goal is remembered.

    Walkers in the goal are asked whether their state is nearer to the state of their place on a
    direct path than to that of a place one lattice vector away (`goal_5` to `goal_50`, from that
    step on for ten steps); walkers in the aliases, than to that of the goal (`alias_5` and so on).
    Shares; 0.5 is chance.
    """
    walk = smooth_walk(
        arena_m=WALK_M,
        steps=HORIZONS[-1],
        walkers=WALKERS,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(1),
    )
    kept = np.zeros((len(walk.positions), WALKERS, system.units), dtype=np.float32)

    def observe(t, state):
        kept[t] = state

    alias = nearest_alias_m(reference, generator=np.random.default_rng(2))
    window = window_for(alias, max_step_m=system.max_step_m, bin_size_m=reference.bin_size_m)
    found = integrate_paths(
        system, walk, reference, window_m=window, horizons=HORIZONS, observe=observe
    )
    error, true = found.tracked_m, walk.positions[list(HORIZONS)]
    mirror = np.array([-GOAL_M[0], GOAL_M[1]])
    row = {
        "error_goal_m": float(np.median(error[near(true, np.array(GOAL_M))])),
        "error_mirror_m": float(np.median(error[near(true, mirror)])),
        "error_all_m": float(np.median(error)),
    }
    for first in (5, 20, 50):
        some = slice(first, first + 10)
        places = walk.positions[some].reshape(-1, 2)
        shares = told(code, kept[some].reshape(len(places), -1), places, vectors_m)
        row |= {f"goal_{first}": shares[0], f"alias_{first}": shares[1]}
    return row


def near(places, centre_m):
    """Which places lie in a disc."""
    return np.linalg.norm(places - centre_m, axis=-1) < RADIUS_M


def told(code, states, places, vectors_m):
    """Shares of walkers in the goal, and in its aliases, who know which of them they are in."""
    goal, here, there = np.array(GOAL_M), [], []
    for a in HEXAGON @ vectors_m:
        in_map = (np.abs(places + a) < ARENA_M / 2 - BIN_M).all(axis=1)
        for kept, disc in ((here, goal), (there, goal - a)):
            some = near(places, disc) & in_map
            own, other = (
                ((states[some] - read(code, x)) ** 2).sum(axis=1)
                for x in (places[some], places[some] + a)
            )
            kept.append(own < other)
    return tuple(float(np.concatenate(k).mean()) for k in (here, there))


def walked(system):
    """The code as it is after walks: mean states of steps 50 to 110 on smooth walks, smoothed."""
    walk = smooth_walk(
        arena_m=ARENA_M,
        steps=LONG[1],
        walkers=LONG_WALKERS,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(3),
    )
    side = round(ARENA_M / BIN_M) + 1
    total, count = np.zeros((side, side, system.units)), np.zeros((side, side, 1))
    for t, state in enumerate(along(system, walk)):
        if t >= LONG[0]:
            y, x = np.rint(walk.positions[t] / BIN_M + (side - 1) / 2).astype(int).T[::-1]
            np.add.at(total, (y, x), state)
            np.add.at(count, (y, x), 1)
    total, count = (ndimage.gaussian_filter(a, (1, 1, 0)) for a in (total, count))
    return Code(total / np.maximum(count, 1e-9), BIN_M)


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
        **along_walks(system, reference, code, vectors_m),
    }


def local_rows(head, code, mapped):
    """Add the local measures of a code to places.csv and, where wanted, its map to maps.csv."""
    lattice, scores = largest_module(code)
    if lattice is None:
        print(f"{head}: no module")
        return None
    phases = Phases(code, lattice)
    if mapped:
        rows = [{k: f"{v:.3f}" for k, v in row.items()} for row in local_map(phases)]
        append("maps.csv", [{**head, **row} for row in rows])
    append("places.csv", [{**head, **row} for row in measure_places(code, phases, lattice)])
    return lattice, scores, phases.vectors_m


def measure(condition, seed, folder, planted):
    """Add the rows of a network."""
    system = gridcode.load_system(folder)
    reference = build_reference_map(
        system, arena_m=ARENA_M, bin_size_m=BIN_M, generator=np.random.default_rng(0)
    )
    code = Code(reference.vectors, BIN_M)
    head = {"condition": condition, "seed": seed}
    if planted:
        for density in PLANTED:
            row = {**head, "paths": "direct", "planted": density}
            local_rows(row, code.warped(density), density == SHOWN)
        return
    last = json.loads((Path(folder) / "metrics.jsonl").read_text().splitlines()[-1])
    found = local_rows({**head, "paths": "direct", "planted": 0.0}, code, True)
    if found:
        numbers = whole(system, reference, code, *found)
        append("networks.csv", [{**head, "steps": last["step"], **numbers}])
        shown = condition == "separation"
        local_rows({**head, "paths": "long", "planted": 0.0}, walked(system), shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("condition")
    parser.add_argument("seed")
    parser.add_argument("run")
    parser.add_argument("--planted", action="store_true")
    given = parser.parse_args()
    if not done(given.condition, given.seed, given.planted):
        measure(given.condition, given.seed, given.run, given.planted)


if __name__ == "__main__":
    main()
