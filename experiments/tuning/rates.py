"""How often are head direction, speed and borders found: in cells that have them, and in others?

    OMP_NUM_THREADS=1 python experiments/tuning/rates.py experiments/tuning/rates.csv --cells 500

Sessions of 10 minutes at 50 Hz in a box of 1 m, on a walk that fills it and on one that circles.
A row for each kind of cell, walk and test: the share of cells with p at or below 0.01 and 0.05,
the same without taking place out first ("plain"), the share of border scores that are 0.5 or more
beside a p at or below 0.01, the median score, and CPU milliseconds a cell.
"""

import argparse
import csv
import time
from dataclasses import replace

import numpy as np
from scipy import ndimage

from gridcode.analysis.cells.binning import bin_path, rebin
from gridcode.analysis.cells.border import (
    border_p_values_by_phase,
    border_p_values_by_shift,
    border_scores,
)
from gridcode.analysis.cells.direction import direction_tuning
from gridcode.analysis.cells.speed import speed_tuning
from gridcode.analysis.synthetic import lattice_cell, place_cell

RATE_HZ, SECONDS, BIN_M = 50.0, 600.0, 0.025
SAMPLES = int(RATE_HZ * SECONDS)
TIME_S = np.arange(SAMPLES) / RATE_HZ


def smooth_noise(rng, seconds, size=1):
    noise = ndimage.gaussian_filter1d(rng.standard_normal((size, SAMPLES)), seconds * RATE_HZ)
    return noise / noise.std(axis=1, keepdims=True)


class Walk:
    """Positions, speed and head direction of one session."""

    def __init__(self, rng, *, circling):
        if circling:
            radius = 0.33 + 0.08 * smooth_noise(rng, 2.0)[0]
            angle = np.cumsum(0.6 + 0.5 * smooth_noise(rng, 1.0)[0]) / RATE_HZ
            unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            self.positions = 0.5 + radius[:, None] * unit
        else:
            along = np.cumsum(0.12 * smooth_noise(rng, 0.8, 2) / RATE_HZ, axis=1) + 0.3
            self.positions = np.abs(along.T % 2.0 - 1.0)
        velocity = np.gradient(self.positions, axis=0) * RATE_HZ
        self.speed = np.hypot(*velocity.T)
        heading = np.degrees(np.arctan2(velocity[:, 1], velocity[:, 0]))
        self.direction = (heading + 40.0 * smooth_noise(rng, 1.0)[0]) % 360.0

    def head(self, kappa, rng):
        """Rate of a head direction cell, at a random preferred direction."""
        return np.exp(kappa * np.cos(np.radians(self.direction - rng.uniform(0, 360))))

    def grid(self, rng):
        """Rate of a grid cell of random spacing, orientation and phase."""
        return 0.02 + lattice_cell(
            self.positions,
            spacing_m=rng.uniform(0.3, 0.6),
            orientation_deg=rng.uniform(0, 60),
            phase_m=tuple(rng.uniform(-0.5, 0.5, 2)),
        )

    def place(self, rng):
        """Rate of a place cell at a random place of the walk."""
        centre = self.positions[rng.integers(SAMPLES)]
        return 0.02 + place_cell(self.positions, centre_m=(float(centre[0]), float(centre[1])))

    def wall(self, width_m):
        """Rate of a border cell of the left wall."""
        return 0.02 + np.exp(-(self.positions[:, 0] ** 2) / (2 * width_m**2))


# Rate along the walk of a cell of each kind.
CELLS = {
    "bursts, drifting rate": lambda _, rng: np.exp(
        rng.choice([0.0, 0.7, 1.5]) * smooth_noise(rng, rng.choice([0.2, 1.0, 5.0, 20.0]))[0]
    ),
    "place": lambda w, rng: w.place(rng),
    "grid": lambda w, rng: w.grid(rng),
    "head direction, kappa 0.2": lambda w, rng: w.head(0.2, rng),
    "head direction, kappa 0.4": lambda w, rng: w.head(0.4, rng),
    "grid x head direction, kappa 0.4": lambda w, rng: w.grid(rng) * w.head(0.4, rng),
    "grid x head direction, kappa 1": lambda w, rng: w.grid(rng) * w.head(1.0, rng),
    "rate doubles from 0 to 0.2 m/s": lambda w, _: 0.2 + w.speed,
    "grid x the same": lambda w, rng: w.grid(rng) * (0.2 + w.speed),
    "wall, within 5 cm": lambda w, _: w.wall(0.05),
    "wall, within 10 cm": lambda w, _: w.wall(0.1),
}


def spikes(rate, rng, bursts):
    count = rng.poisson(rate / rate.mean() * 2.0 / RATE_HZ / (1 + bursts))
    times = np.repeat(TIME_S, count)
    late = rng.exponential(0.01, (bursts, len(times))).cumsum(axis=0)
    return np.concatenate([times, (times + late).ravel()])


def rows(kind, walk_name, walk, cells, rng):
    bursts = 2 if kind.startswith("bursts") else 0
    trains = [spikes(CELLS[kind](walk, rng), rng, bursts) for _ in range(cells)]
    path = bin_path(walk.positions, TIME_S, spikes_s=trains, bin_size_m=BIN_M)
    # All samples at one place: nothing is taken out.
    plain = replace(path, bin_index=np.zeros_like(path.bin_index))
    maps = rebin(path)
    border = border_scores(maps, bin_size_m=BIN_M).score

    def direction(path):
        found = direction_tuning(path, walk.direction)
        return found.p_value, found.mean_vector_length

    def speed(path):
        found = speed_tuning(path)
        return found.p_value, found.score

    tests = {"head direction": (direction, True), "speed": (speed, True)}
    if walk_name == "fills the box":
        tests |= {
            "border": (lambda p: (border_p_values_by_shift(p), border), False),
            "border, map alone": (
                lambda _: (border_p_values_by_phase(maps, bin_size_m=BIN_M, seed=0), border),
                False,
            ),
        }
    for test, (measure, has_plain) in tests.items():
        start = time.process_time()
        p, score = measure(path)
        cost = 1000 * (time.process_time() - start) / cells
        of_plain = measure(plain)[0] if has_plain else None
        yield {
            "cells": kind,
            "walk": walk_name,
            "test": test,
            "n": cells,
            "median score": f"{np.nanmedian(score):.3f}",
            "at 0.01": f"{(p <= 0.01).mean():.3f}",
            "at 0.05": f"{(p <= 0.05).mean():.3f}",
            "and score 0.5": "" if has_plain else f"{((p <= 0.01) & (score >= 0.5)).mean():.3f}",
            "plain at 0.01": "" if of_plain is None else f"{(of_plain <= 0.01).mean():.3f}",
            "plain at 0.05": "" if of_plain is None else f"{(of_plain <= 0.05).mean():.3f}",
            "CPU ms": f"{cost:.1f}",
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--cells", type=int, default=500)
    options = parser.parse_args()
    rng = np.random.default_rng(18)
    walks = {"fills the box": Walk(rng, circling=False), "circles": Walk(rng, circling=True)}
    with open(options.out, "w", newline="") as file:
        table = None
        for walk_name, walk in walks.items():
            for kind in CELLS:
                if walk_name == "circles" and kind.startswith("wall"):
                    continue
                for row in rows(kind, walk_name, walk, options.cells, rng):
                    table = table or csv.DictWriter(file, list(row), lineterminator="\n")
                    if not file.tell():
                        table.writeheader()
                    table.writerow(row)
                    file.flush()
                    print(*row.values(), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
