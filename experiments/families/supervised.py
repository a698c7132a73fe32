"""Supervised networks against their targets: width of the place cells, and shuffled places.

    OMP_NUM_THREADS=1 python experiments/families/supervised.py supervised
    experiments/families/supervised.csv --updates 4000

A row for each width of the place cells, and for targets shuffled between places: error of the
position that is read out after the last step of a training sequence (mean of the last tenth of the
log; shuffled targets: distance from the place whose target it is), units on lattices (at a
false-discovery rate of 5%), and the median spacing of these and of all units that have one.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np

from gridcode.analysis.evaluate import map_arena
from gridcode.analysis.population import analyse_population
from gridcode.baselines import load_recipe, making

WIDTHS_M = (0.08, 0.12, 0.16, 0.20)


def measured(name, settings, seed):
    """One network, made and mapped."""
    chosen = load_recipe(name, settings)
    with tempfile.TemporaryDirectory() as folder:
        run = making.make(chosen, Path(folder) / "run", seed=seed)
        log = list(run.metrics())
        system, _, _ = making.system_of(run)
        cpu = run.manifest["cpu_seconds"]
    config = chosen.evaluation()
    maps = map_arena(system, walk="smooth", arena_m=chosen.arena_m, config=config)
    found = analyse_population(maps, smoothing_bins=1.0, silent_below=1e-3, nulls=200).data
    last = log[-max(1, len(log) // 10) :]
    on_lattice = found["periodic"].values
    spacing = found["spacing_m"].values

    def median(values):
        return f"{np.nanmedian(values):.3f}" if np.isfinite(values).any() else ""

    return {
        "model": name,
        "width_m": chosen.width_m,
        "shuffled": chosen.shuffled,
        "seed": seed,
        "updates": chosen.updates,
        "cpu_seconds": round(cpu),
        "path_error_m": f"{np.mean([row['path_error_m'] for row in last]):.3f}",
        "divergence": f"{np.mean([row['divergence'] for row in last]):.4f}",
        "units": system.units,
        "on_lattices": int(on_lattice.sum()),
        "spacing_on_lattices_m": median(spacing[on_lattice]),
        "spacing_m": median(spacing),
    }


parser = argparse.ArgumentParser()
parser.add_argument("model", choices=("supervised", "lstm"))
parser.add_argument("table")
parser.add_argument("--updates", type=int, default=4000)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
variants = [{"width_m": width} for width in WIDTHS_M] + [{"shuffled": True}]
with open(options.table, "w", newline="", encoding="utf-8") as file:
    writer = None
    for variant in variants:
        row = measured(options.model, {**variant, "updates": options.updates}, options.seed)
        writer = writer or csv.DictWriter(file, list(row))
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        print(row, flush=True)
