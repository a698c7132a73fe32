"""Measures of the networks of `lattice_runs.py`, a row a network.

    python experiments/spaces/lattice_measure.py line.csv volume.csv ends.csv RUN [RUN ...]

Skips a run whose name has its row. On a line and in a volume: `gridcode.evaluate_dimensions`, the
volume of 3 m in bins of 0.12 m. On the line with ends: held-out walks of the velocities of the
training, half of the walkers as a library of states, the place of the others read from the nearest
state in it.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
import torch
from lattice_runs import CONDITIONS, LINE_M

import gridcode
from gridcode.analysis.dimensions.evaluate import evaluate_line, evaluate_volume
from gridcode.analysis.dimensions.line import find_periods
from gridcode.analysis.dimensions.rates import BinnedRates, filled
from gridcode.analysis.dimensions.reading import path_errors
from gridcode.analysis.system import roll
from gridcode.world.spaces import Line
from gridcode.world.walks import Walk, smooth_walk

VOLUME_BIN_M = 0.12
VOLUMES = [name for name in CONDITIONS if name.startswith("volume")]
WALKERS, STEPS = 600, 200
END_M = 0.1  # what counts as near an end: two tenths of the line in all


def line_row(system):
    """Periods and their groups."""
    found = evaluate_line(system)
    groups = sorted(found.groups, key=lambda group: -group.units)
    return {
        "active": found.active,
        "periodic": found.periodic,
        "groups": len(groups),
        "period_m": " ".join(f"{group.period_m:.3f}" for group in groups),
        "units": " ".join(str(group.units) for group in groups),
        "ratios": " ".join(
            f"{r.ratio:.3f}={r.numerator}/{r.denominator}(chance {r.chance:.2f})"
            for r in found.ratios
        ),
        "fields_per_period": _fields_per_period(found),
        "width_m": found.width_m[1],
        "stability": found.stability[1],
        "path_error_m": found.path_error_m,
        "error_in_period_m": _error_in_period(system, groups),
    }


def _error_in_period(system, groups):
    """Path error after 60 steps of walkers that end within the one period around the origin."""
    if not groups:
        return None
    walk = smooth_walk(
        arena_m=system.extent_m,
        steps=60,
        walkers=400,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(3),
        dimensions=1,
    )
    off = path_errors(system, walk, side_m=groups[0].period_m, bins=60)
    return float(np.median(np.minimum(off, groups[0].period_m - off)))


def _fields_per_period(found):
    counts = [
        u.fields * u.period_m / found.side_m for u in found.units if u.periodic and u.period_m
    ]
    return float(np.median(counts)) if counts else None


def volume_row(system):
    """Global and local order."""
    found = evaluate_volume(system, bin_size_m=VOLUME_BIN_M)
    active = [unit for unit in found.units if not unit.silent]

    def median(name):
        known = [getattr(unit, name) for unit in active if getattr(unit, name) is not None]
        return float(np.median(known)) if known else None

    lattice = found.shared_lattice
    lengths = np.linalg.norm(lattice.vectors_m, axis=1) if lattice else []
    return {
        "active": found.active,
        "lattice": found.lattice,
        "columns": found.columns,
        "planes": found.planes,
        "local_order": found.local_order,
        "waves_per_unit": float(np.mean([unit.waves for unit in active])),
        "strongest_wave": median("strongest_wave"),
        "shared_waves": found.shared_waves,
        "vectors_m": " ".join(f"{v:.2f}" for v in lengths),
        "packing": lattice.packing if lattice else None,
        "explained": lattice.explained if lattice else None,
        "chance": lattice.chance if lattice else None,
        "fields": median("fields"),
        "diameter_m": median("diameter_m"),
        "nearest_m": median("distance_m"),
        "variation": median("variation"),
        "hard_spheres": median("hard_spheres"),
        "stability": found.stability[1],
        "path_error_m": found.path_error_m,
    }


def ends_row(system, *, length_m=LINE_M):
    """Reading of the place, fields near the ends, and distance of states, on the line with ends."""
    generator = np.random.default_rng(7)
    velocities = generator.uniform(-1, 1, (STEPS, WALKERS, 1)) * system.max_step_m
    positions = Line(length_m).path(torch.from_numpy(velocities)).numpy()
    walk = Walk(velocities, positions, arena_m=length_m, kind="a line with ends")
    states = roll(system, walk)
    half = WALKERS // 2
    library, where = _flat(states[1:60, :half]), _flat(positions[1:60, :half])[:, 0]
    row = {
        f"error_{t}_m": float(
            np.median(np.abs(where[_nearest(states[t, half:], library)] - positions[t, half:, 0]))
        )
        for t in (10, 30, 60, 200)
    }
    rates = BinnedRates(side_m=length_m, bin_size_m=0.02, dimensions=1, units=states.shape[2])
    rates.add(_flat(positions[1:60]), _flat(states[1:60]))
    maps = filled(rates.rates())
    maps = maps[maps.max(axis=1) > 1e-3]
    middles = (np.arange(maps.shape[1]) + 0.5) * length_m / maps.shape[1] - length_m / 2
    near = np.abs(middles) > length_m / 2 - END_M
    slope = np.linalg.norm(np.diff(maps, axis=1), axis=0) / (length_m / maps.shape[1])
    inner = near[1:] | near[:-1]
    periods = find_periods(maps, bin_size_m=length_m / maps.shape[1], nulls=199)
    unit = maps / np.linalg.norm(maps, axis=0)
    return {
        "active": len(maps),
        **row,
        "peaks_near_ends": float(near[maps.argmax(axis=1)].mean()),
        "slope_ends": float(slope[inner].mean()),
        "slope_middle": float(slope[~inner].mean()),
        "distance_of_ends": float(np.linalg.norm(unit[:, 0] - unit[:, -1])),
        "fields": float(np.median(periods.fields)),
        "periodic": int(periods.periodic().sum()),
    }


def _flat(values):
    return values.reshape(-1, values.shape[-1])


def _nearest(states, library):
    # States of length 1: the nearest has the largest product.
    return (states @ library.T).argmax(axis=1)


def write(path, row):
    """Add a row to a table."""
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def has(path, network):
    """Whether a table has the row of a network."""
    return path.is_file() and any(
        line.split(",")[0] == network for line in path.read_text().splitlines()
    )


def main():
    line, volume, ends, *folders = map(Path, sys.argv[1:])
    for folder in folders:
        run = gridcode.Run(folder)
        condition, seed = folder.name.rsplit("-seed", 1)
        system = gridcode.load_system(run)
        tables = {name: [(volume, volume_row)] for name in VOLUMES}
        tables |= {"ends": [(ends, ends_row)], "line": [(line, line_row), (ends, ends_row)]}
        for path, measure in tables.get(condition, [(line, line_row)]):
            if has(path, folder.name):
                continue
            began = time.process_time()
            row = measure(system)
            head = {
                "network": folder.name,
                "condition": condition,
                "seed": seed,
                "units_in_all": run.config.model.units,
                "steps": run.config.training.steps,
                "loss": float(run.metrics()[-1]["loss"]),
            }
            write(path, head | row | {"cpu_s": round(time.process_time() - began, 1)})
            print(folder.name, row, flush=True)


if __name__ == "__main__":
    main()
