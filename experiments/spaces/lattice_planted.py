"""Planted codes and noise: how many of each are found on a line and in a volume.

    python experiments/spaces/lattice_planted.py OUT.csv [NAME ...]

A row for each kind: units of it, and how many of them `find_periods`, `find_waves` and
`local_order` call periodic, a lattice, columns, planes or locally ordered at the level of 0.01.
Expected of noise: one unit in a hundred.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from gridcode.analysis.dimensions.line import find_periods
from gridcode.analysis.dimensions.order import hard_spheres, local_order
from gridcode.analysis.dimensions.waves import find_waves

BIN_M = 0.04
LINE = (np.arange(300) + 0.5) * BIN_M - 6
SIDE_M, BINS = 2.4, 24
MIDDLES = (np.arange(BINS) + 0.5) * SIDE_M / BINS - SIDE_M / 2
CUBE = np.stack(np.meshgrid(MIDDLES, MIDDLES, MIDDLES, indexing="ij"), axis=-1)
ON_LINE, IN_VOLUME = 200, 20
FCC = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / 0.9
BCC = np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]) / 0.7
COLUMNS = np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]]) / 0.55


def ring(rng, *, period, width):
    away = (LINE - rng.uniform(0, period) + period / 2) % period - period / 2
    return np.exp(-(away**2) / (2 * width**2)) + 0.05 * rng.standard_normal(len(LINE))


def random_fields(rng):
    places = rng.uniform(-6, 6, rng.integers(4, 14))
    rates = np.exp(-((LINE[:, None] - places) ** 2) / (2 * 0.15**2))
    return rates @ rng.uniform(0.5, 1, len(places)) + 0.05 * rng.standard_normal(len(LINE))


def smooth_line(rng):
    noise = ndimage.gaussian_filter1d(rng.standard_normal(len(LINE)), rng.uniform(4, 15))
    return np.maximum(noise, 0)


def waves(rng, *, vectors, noise=0.2):
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    phases = (CUBE - rng.uniform(-1, 1, 3)) @ (vectors @ turn.T).T
    rates = np.exp(3 * np.cos(2 * np.pi * phases).mean(axis=-1) - 3)
    return rates + noise * rng.standard_normal(rates.shape)


def shell(rng, *, low=3.0, high=4.0):
    k = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(BINS, 1 / BINS)] * 3)), axis=0)
    field = np.fft.fftn(rng.standard_normal((BINS,) * 3)) * ((k >= low) & (k <= high))
    return np.maximum(np.fft.ifftn(field).real, 0)


def smooth_volume(rng):
    return np.maximum(ndimage.gaussian_filter(rng.standard_normal((BINS,) * 3), 2), 0)


def spheres(rng, *, count, apart):
    centres = hard_spheres(count, apart, side_m=SIDE_M, arrangements=1, generator=rng)[0]
    rates = np.exp(-((CUBE[..., None, :] - centres) ** 2).sum(axis=-1) / (2 * 0.13**2)).sum(axis=-1)
    return rates + 0.02 * rng.standard_normal(rates.shape)


LINES = {
    "ring of 0.5 m": lambda rng: ring(rng, period=0.5, width=0.1),
    "ring of 0.9 m": lambda rng: ring(rng, period=0.9, width=0.2),
    "ring of 3 m": lambda rng: ring(rng, period=3.0, width=0.3),
    "random fields": random_fields,
    "smooth noise on a line": smooth_line,
    "ramp with noise": lambda rng: LINE * rng.choice([-1, 1]) + rng.standard_normal(len(LINE)),
}
VOLUMES = {
    "face-centred cubic": lambda rng: waves(rng, vectors=FCC),
    "body-centred cubic": lambda rng: waves(rng, vectors=BCC),
    "columns": lambda rng: waves(rng, vectors=COLUMNS),
    "planes": lambda rng: waves(rng, vectors=COLUMNS[:1]),
    "fields apart by 0.56 m": lambda rng: spheres(rng, count=40, apart=0.56),
    "fields anywhere": lambda rng: spheres(rng, count=25, apart=0.0),
    "fields apart by their diameter": lambda rng: spheres(rng, count=30, apart=0.3),
    "random field of one scale": shell,
    "smooth noise in a volume": smooth_volume,
}


def row_of(name):
    rng = np.random.default_rng(list(name.encode()))
    if name in LINES:
        rates = np.array([LINES[name](rng) for _ in range(ON_LINE)])
        found = find_periods(rates, bin_size_m=BIN_M, nulls=199)
        return {"units": ON_LINE, "periodic": int(found.periodic().sum())}
    volumes = np.array([VOLUMES[name](rng) for _ in range(IN_VOLUME)])
    rank = find_waves(volumes, nulls=99).rank
    order = local_order(volumes, side_m=SIDE_M, nulls=99)
    counts = {word: int((rank == r).sum()) for r, word in ((3, "lattice"), (2, "columns"))}
    counts |= {
        "planes": int((rank == 1).sum()),
        "local_order": int((order.p_hard_spheres <= 0.01).sum()),
    }
    return {"units": IN_VOLUME} | counts


def main():
    out, *names = sys.argv[1:]
    columns = ("code", "units", "periodic", "lattice", "columns", "planes", "local_order")
    path = Path(out)
    done = path.read_text() if path.is_file() else ""
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        if not done:
            writer.writeheader()
        for name in names or [*LINES, *VOLUMES]:
            if f"\n{name}," not in done:
                writer.writerow({"code": name} | row_of(name))
                file.flush()


if __name__ == "__main__":
    main()
