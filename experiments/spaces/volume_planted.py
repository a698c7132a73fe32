"""What `returns` of volume_trained.py says of planted codes and of noise, a row a code.

    python experiments/spaces/volume_planted.py experiments/spaces/volume_planted.csv

States of 64 units in the cube of 2.15 m that paths of 40 steps cover: the planted codes of
imitation.py, and smooth noise (rectified Gaussian fields of four widths), five seeds each.
Expected: 1 for lattices, whose states return exactly but for the bins; below 0.3 for noise and for
one field a unit.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from imitation import PLANTED, planted_states
from lattice_measure import write
from scipy import ndimage
from volume_trained import BINS, returns, similarity

SIDE_M, UNITS = 2.15, 64
WIDTHS_M = (0.1, 0.2, 0.3, 0.5)


def planted(code):
    """Maps of a planted code, (unit, x, y, z)."""
    bins = BINS[3]
    middles = (np.arange(bins) + 0.5) * SIDE_M / bins - SIDE_M / 2
    places = np.stack(np.meshgrid(*(middles,) * 3, indexing="ij"), axis=-1)
    states = planted_states(torch.tensor(places, dtype=torch.float32), code=code, units=UNITS)
    return np.moveaxis(states.numpy().astype(np.float64), -1, 0)


def noise(width_m, seed):
    """Maps of smooth noise, rectified, with states of length 1."""
    bins, sigma = BINS[3], width_m * BINS[3] / SIDE_M
    drawn = np.random.default_rng(seed).standard_normal((UNITS, *(bins + 24,) * 3))
    smooth = ndimage.gaussian_filter(drawn, (0, sigma, sigma, sigma))[:, 12:-12, 12:-12, 12:-12]
    rates = np.maximum(smooth, 0)
    return rates / np.maximum(np.linalg.norm(rates, axis=0), 1e-12)


def main():
    out = Path(sys.argv[1])
    out.unlink(missing_ok=True)
    for code in PLANTED:
        write(
            out,
            {
                "code": code,
                "seed": 0,
                "returns": returns(*similarity(planted(code), side_m=SIDE_M)),
            },
        )
    for width in WIDTHS_M:
        for seed in range(5):
            found = returns(*similarity(noise(width, seed), side_m=SIDE_M))
            write(out, {"code": f"noise {width} m", "seed": seed, "returns": found})


if __name__ == "__main__":
    main()
