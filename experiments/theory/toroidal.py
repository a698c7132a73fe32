"""Are toroidal coordinates, found without any position, the phases of the planted lattice?

    OMP_NUM_THREADS=1 python experiments/theory/toroidal.py experiments/theory/toroidal.csv

Ideal modules, 5,000 places in 4 m, 300 landmarks; ten draws of each kind. Correlation: Fisher and
Lee's circular correlation of each coordinate with its whole-number combination of phases, of the
landmarks and of all samples; the smaller of the two coordinates.
"""

import csv
import sys

import numpy as np

from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.topology.circular_coordinates import (
    extend_coordinates,
    match_phases,
    toroidal_coordinates,
)
from gridcode.analysis.topology.persistence import (
    choose_landmarks,
    loop_scale,
    persistence,
    principal_components,
)
from gridcode.errors import InputError

SHAPES = {"hexagonal": (60.0, 1.0), "square": (90.0, 1.0), "sheared": (75.0, 1.2)}
CASES = [
    ("tiled", 64, 0.0),
    ("tiled", 64, 0.2),
    ("tiled", 64, 0.5),
    ("tiled", 16, 0.0),
    ("random", 64, 0.0),
    ("random", 64, 0.5),
    ("random", 24, 0.1),
]
DRAWS = 10


def measure(shape, phases, units, noise, seed):
    rng = np.random.default_rng(seed)
    angle, ratio = SHAPES[shape]
    code = ideal_grid_code(
        [1.0], units_per_module=units, phases=phases, angle_deg=angle, ratio=ratio, generator=rng
    )
    x = rng.uniform(-2, 2, (5000, 2))
    states = code(x)
    components = principal_components(
        states + noise * states.std() * rng.standard_normal(states.shape)
    )
    points, samples = choose_landmarks(components)
    truth = code.module_phases(x)[:, 0] % 1
    theta = toroidal_coordinates(points, scale=loop_scale(persistence(points)))
    found = match_phases(theta, truth[samples])
    everywhere = match_phases(extend_coordinates(points, theta, components), truth)
    return found.unimodular, np.abs(found.correlation).min(), np.abs(everywhere.correlation).min()


def main():
    with open(sys.argv[1], "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "lattice",
                "phases",
                "units",
                "noise",
                "draws",
                "found",
                "unimodular",
                "correlation_median",
                "correlation_worst",
                "all_samples_median",
            ]
        )
        for shape in SHAPES:
            for phases, units, noise in CASES:
                found = []
                for seed in range(DRAWS):
                    try:
                        found.append(measure(shape, phases, units, noise, seed))
                    except InputError as error:
                        print(shape, phases, units, noise, seed, error)
                values = np.array(found, dtype=float).reshape(-1, 3)
                numbers = (
                    [
                        round(float(v), 4)
                        for v in (
                            np.median(values[:, 1]),
                            values[:, 1].min(),
                            np.median(values[:, 2]),
                        )
                    ]
                    if len(values)
                    else [""] * 3
                )
                row = [
                    shape,
                    phases,
                    units,
                    noise,
                    DRAWS,
                    len(values),
                    int(values[:, 0].sum()),
                    *numbers,
                ]
                writer.writerow(row)
                print(row, flush=True)


if __name__ == "__main__":
    main()
