"""Confusion matrix of the cell types of planted cells at several noise levels.

    OMP_NUM_THREADS=1 python experiments/celltypes/confusion.py experiments/celltypes/confusion.csv

Each population: 12 cells of every type in one arena, white noise of the given standard deviation
(of the peak rate) added to every bin. Spacings 0.15 to 0.4 of the arena; sheared: vectors at 75
degrees, lengths 1 : 1.1; place cells 0.06 to 0.12 of the arena wide; other spatial: white noise
smoothed by 2 to 5 bins; non-spatial: nothing but the noise.
"""

import argparse
import csv
from collections import Counter

import numpy as np
import xarray as xr

from gridcode.analysis.cells.celltypes import TYPES
from gridcode.analysis.population import analyse_population
from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell

ARENAS = ((4.0, 0.05), (2.2, 0.05), (1.0, 0.025))
NOISE = (0.05, 0.3, 0.6)
CELLS = 12


def plant(arena_m, bin_size_m, noise, generator):
    """Maps and the type that each was made as."""
    points = bin_centres(arena_m, bin_size_m)
    uniform = generator.uniform
    maps, truth = [], []
    for _ in range(CELLS):
        lattice = {
            "spacing_m": uniform(0.15, 0.4) * arena_m,
            "orientation_deg": uniform(0, 60),
            "phase_m": tuple(uniform(-1, 1, 2) * arena_m),
        }
        smooth = noise_maps(1, len(points), correlation_bins=uniform(2, 5), generator=generator)[0]
        made = {
            "hexagonal": lattice_cell(points, **lattice),
            "sheared hexagonal": lattice_cell(points, angle_deg=75, ratio=1.1, **lattice),
            "square": lattice_cell(points, angle_deg=90, **lattice),
            "band": band_cell(
                points,
                spacing_m=lattice["spacing_m"],
                orientation_deg=uniform(0, 180),
                phase_m=uniform(0, 1),
            ),
            "place-like": place_cell(
                points,
                centre_m=tuple(uniform(-0.35, 0.35, 2) * arena_m),
                width_m=uniform(0.06, 0.12) * arena_m,
            ),
            "other spatial": smooth / smooth.max(),
            "non-spatial": np.zeros(points.shape[:2]),
            "silent": np.full(points.shape[:2], -np.inf),
        }
        for kind, one in made.items():
            # Offset, so that all but the silent cells are active somewhere.
            maps.append(np.maximum(2 + one + noise * generator.standard_normal(one.shape), 0.0))
            truth.append(kind)
    return np.array(maps), truth


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    arguments = parser.parse_args()
    rows = []
    for index, (arena, size) in enumerate(ARENAS):
        for noise in NOISE:
            maps, truth = plant(
                arena, size, noise, np.random.default_rng([index, round(100 * noise)])
            )
            found = analyse_population(
                xr.Dataset({"rate": (("unit", "y", "x"), maps)}, attrs={"bin_size_m": size})
            )
            named = found.data["type"].values
            for kind in TYPES:
                counts = Counter(
                    str(named[u]) for u, planted in enumerate(truth) if planted == kind
                )
                rows.append(
                    {"arena_m": arena, "bin_size_m": size, "noise": noise, "planted": kind}
                    | {name: counts[name] for name in TYPES}
                )
                print(rows[-1], flush=True)
    with open(arguments.out, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
