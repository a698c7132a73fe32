"""How well trained networks represent space, in training, in larger arenas and on other walks.

    python experiments/space/space.py RUN [RUN ...] > experiments/space/space.csv

A row for each run, walk and arena; columns as in
`gridcode.analysis.navigation.out_of_distribution.generalise`, with a column for each path length
and horizon. Errors in metres, medians over 64 walkers. The table beside this script: `dense` seeds
0 and 1, `quick` seeds 0 to 4. 20 CPU-s for 64 units, 47 for 128.
"""

import csv
import sys
import time
from pathlib import Path

import gridcode
from gridcode.analysis.navigation.neural_distance import predicted_plateau
from gridcode.analysis.navigation.out_of_distribution import generalise
from gridcode.analysis.system import System
from gridcode.runs.run import Run
from gridcode.world.walks import training_extent_m

HORIZONS = (1, 10, 100, 1_000, 10_000)


def flat(row):
    """A row of `generalise` as one line of a table."""
    line = {
        name: getattr(row, name)
        for name in (
            "walk",
            "arena_m",
            "arena_over_training",
            "plateau",
            "decorrelation_m",
            "same_place",
            "slope_per_m",
        )
    }
    line |= {
        name: getattr(row, name)
        for name in (
            "nearest_alias_m",
            "window_m",
            "noise_m",
            "growth_exponent",
            "unrelated_square",
        )
    }
    line |= {f"invariance_{i.steps}": i.square for i in row.invariance}
    line |= {f"invariance_fraction_{i.steps}": i.fraction for i in row.invariance}
    at = {d.steps: d for d in row.decoding}
    for name in ("tracked", "dead_reckoning", "anywhere"):
        line |= {
            f"{name}_m_{n}": getattr(at[n], f"{name}_m")[1] if n in at else None for n in HORIZONS
        }
    for name in ("common_m", "scatter_m", "chance_m", "match", "lost_share"):
        line |= {f"{name}_{n}": getattr(at[n], name) if n in at else None for n in HORIZONS}
    return line


def main(folders):
    if not folders:
        sys.exit(__doc__)
    table = None
    for folder in folders:
        config = Run(folder).config
        step, start = gridcode.load_network(folder).as_system()
        longest = config.world.max_velocity_m
        began = time.process_time()
        extent = training_extent_m(longest, config.world.steps)
        rows = generalise(System(step, start, longest, extent_m=extent))
        seconds = time.process_time() - began
        predicted = predicted_plateau(
            sigma_g=config.loss.sigma_g,
            capacity=config.loss.capacity,
            separation=config.loss.separation,
        )
        for row in rows:
            line = {
                "run": Path(folder).name,
                "units": config.model.units,
                "predicted_plateau": round(predicted, 4),
            } | flat(row)
            if table is None:
                table = csv.DictWriter(sys.stdout, list(line), lineterminator="\n")
                table.writeheader()
            table.writerow(line)
        print(f"{folder}: {seconds:.0f} CPU-s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
