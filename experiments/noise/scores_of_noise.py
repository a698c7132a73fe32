"""How often do maps without any lattice pass the conventional threshold?

    python experiments/noise/scores_of_noise.py > experiments/noise/scores_of_noise.csv

White noise smoothed by a Gaussian of 2, 4 or 6 bins (0.1, 0.2, 0.3 m), 500 maps of 80 x 80 bins
each, seed 0, scored as `gridcode evaluate` does.
"""

import csv
import sys

import numpy as np

from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.synthetic import noise_maps

table = csv.writer(sys.stdout, lineterminator="\n")
table.writerow(
    ["correlation_bins", "maps", "score", "share_above_0.5", "median", "quantile_95", "quantile_99"]
)
generator = np.random.default_rng(0)
for correlation in (2.0, 4.0, 6.0):
    scores = score_maps(
        noise_maps(500, 80, correlation_bins=correlation, generator=generator), bin_size_m=0.05
    )
    for name in ("grid_score", "mean60", "square", "corrected"):
        values = getattr(scores, name)
        passed = np.mean(np.nan_to_num(values, nan=-np.inf) > 0.5)
        table.writerow(
            [
                correlation,
                500,
                name,
                round(passed, 3),
                *np.nanquantile(values, [0.5, 0.95, 0.99]).round(3),
            ]
        )
