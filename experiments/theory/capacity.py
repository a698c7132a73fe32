"""Number of distinguishable places against units, for ideal grid and place cells and theory.

    OMP_NUM_THREADS=1 python experiments/theory/capacity.py experiments/theory/capacity.csv

Ideal grid code: modules of 12 units at ratios of 1.42, in an area of 10^6 km^2, more than the code
ever fills; place cells: tiled over an arena of 4 m, fields as wide as 0.75 of their distance. Noise
of 0.15 in every unit, whatever the number of units (relative to one module, or to the place code,
of length 1). Three draws each; expected: exponential for the one, linear for the other.
"""

import csv
import sys

import numpy as np

from gridcode.analysis.coding.capacity import capacity, collision_distance, expected_capacity
from gridcode.analysis.coding.capacity_scaling import capacity_scaling
from gridcode.analysis.coding.codes import sample_states
from gridcode.analysis.synthetic import ideal_grid_code, place_code

SIGMA, PLACES, DRAWS = 0.15, 20_000, 3
FAR_M, ARENA_M = 1e6, 4.0


def grid(modules, generator):
    code = ideal_grid_code(
        [1.42**-k for k in range(modules)], units_per_module=12, generator=generator
    )
    # Every module as long as it is alone: a module more adds to the state and takes nothing from
    # the others.
    grown = np.sqrt(modules)
    expected = expected_capacity(
        code.metric * modules, code.cell_area_m2, delta=collision_distance(SIGMA), area_m2=FAR_M**2
    )
    return (lambda x: grown * code(x)), FAR_M, expected


def places(units, _):
    return (
        place_code(arena_m=ARENA_M, units=units, width_m=0.75 * ARENA_M / np.sqrt(units)),
        ARENA_M,
        float("nan"),
    )


def main():
    rows = []
    for name, sizes, make, each in (
        ("ideal grid", (1, 2, 3, 4, 5, 6), grid, 12),
        ("place cells", (100, 196, 400, 784), places, 1),
    ):
        for seed in range(DRAWS):
            generator = np.random.default_rng(seed)
            found = []
            for size in sizes:
                code, side, expected = make(size, generator)
                _, states = sample_states(code, side_m=side, places=PLACES, generator=generator)
                found.append(capacity(states, delta=collision_distance(SIGMA), side_m=side))
                rows.append(
                    [
                        name,
                        seed,
                        size * each,
                        found[-1].capacity,
                        found[-1].low,
                        found[-1].high,
                        found[-1].collisions,
                        expected,
                    ]
                )
                print(rows[-1], flush=True)
            growth = capacity_scaling(found, sizes=[size * each for size in sizes])
            print(name, seed, growth.verdict, growth.rate, growth.exponent, flush=True)
            rows.append(
                [name, seed, "growth", growth.verdict, growth.rate, growth.exponent, "", ""]
            )
    with open(sys.argv[1], "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["code", "draw", "units", "capacity", "low_95", "high_95", "collisions", "expected"]
        )
        writer.writerows([[f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows])


if __name__ == "__main__":
    main()
