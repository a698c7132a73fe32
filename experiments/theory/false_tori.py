"""How often is a torus claimed where there is none, and missed where there is one?

    OMP_NUM_THREADS=1 python experiments/theory/false_tori.py experiments/theory/false_tori.csv
    [--draws 50] [--family NAME ...]

Populations of known shape, 4,000 places in an arena of 4 m, each measured with 19 shuffles at the
level of 0.05. Shuffles can only take counts away from what the largest gaps say, so that draws
whose gaps do not look like a torus are not shuffled. Where there is a torus, two fifths of the
draws are made. `expected` says what the states lie on.
"""

import argparse
import csv
import multiprocessing
import time

import numpy as np
from scipy import stats

from gridcode.analysis.synthetic import (
    band_cell,
    ideal_grid_code,
    lattice_cell,
    place_code,
    random_code,
)
from gridcode.analysis.topology.betti import count_by_gap, gap_p_value, measure_topology, shuffled
from gridcode.analysis.topology.persistence import (
    choose_landmarks,
    persistence,
    principal_components,
)

PLACES, SIDE_M, NULLS = 4000, 4.0, 19


def ideal(spacings, units, x, rng, **settings):
    return ideal_grid_code(
        spacings, units_per_module=units, phases="random", generator=rng, **settings
    )(x)


def tiled_places(width_m):
    return lambda x, _: (place_code(arena_m=SIDE_M, units=64, width_m=width_m)(x), 0.05)


def random_fields(correlation_m):
    return lambda x, rng: (
        random_code(units=64, correlation_m=correlation_m, generator=rng)(x),
        0.05,
    )


def module(units, noise, **settings):
    return lambda x, rng: (ideal([1.0], units, x, rng, **settings), noise)


def modules(spacings, units, noise=0.1, turns=None):
    return lambda x, rng: (ideal(spacings, units, x, rng, orientations_deg=turns), noise)


def bands(directions):
    def make(x, rng):
        turns, phases = (
            rng.choice(directions, 64) if directions else rng.uniform(0, 180, 64),
            rng.uniform(0, 1, 64),
        )
        return np.stack(
            [
                band_cell(x, spacing_m=1.0, orientation_deg=t, phase_m=p)
                for t, p in zip(turns, phases, strict=True)
            ],
            axis=1,
        ), 0.1

    return make


def lattices(turn_deg, spread):
    """Cells of one spacing whose lattices differ by this much."""

    def make(x, rng):
        cells = [
            lattice_cell(
                x,
                spacing_m=1 + spread * rng.standard_normal(),
                orientation_deg=turn_deg * rng.standard_normal(),
                phase_m=tuple(rng.uniform(-1, 1, 2)),
            )
            for _ in range(64)
        ]
        return np.stack(cells, axis=1), 0.1

    return make


def scattered_places(x, rng):
    centres = rng.uniform(-SIDE_M / 2, SIDE_M / 2, (64, 2))
    return np.exp(-((x[:, None] - centres) ** 2).sum(-1) / (2 * 0.3**2)), 0.05


def uneven_modules(x, rng):
    return np.concatenate([ideal([1.0], 48, x, rng), ideal([0.71], 16, x, rng)], axis=1), 0.1


FAMILIES = {
    "one module, 64 cells, noise 0.3": (True, module(64, 0.3)),
    "one module, 64 cells, noise 1.0": (True, module(64, 1.0)),
    "one module, 32 cells, noise 0.3": (True, module(32, 0.3)),
    "one module, 16 cells, noise 0.1": (True, module(16, 0.1)),
    "one module, 12 cells, noise 0.1": (True, module(12, 0.1)),
    "square module, 64 cells, noise 0.1": (True, module(64, 0.1, angle_deg=90.0)),
    "sheared module, 64 cells, noise 0.1": (True, module(64, 0.1, angle_deg=75.0, ratio=1.2)),
    "module with 3% and 3 deg of scatter": (True, lattices(3.0, 0.03)),
    "bands in three directions": (True, bands([0.0, 60.0, 120.0])),
    "shuffled module": (False, lambda x, rng: (shuffled(ideal([1.0], 64, x, rng), rng), 0.1)),
    "Gaussian noise": (False, lambda x, rng: (rng.standard_normal((len(x), 64)), 0.0)),
    "two modules, ratio 0.71": (False, modules([1.0, 0.71], 32)),
    "two modules, ratio 0.71, no noise": (False, modules([1.0, 0.71], 32, noise=0.0)),
    "two modules, ratio 0.5": (False, modules([1.0, 0.5], 32)),
    "two modules, ratio 0.71, 48 and 16 cells": (False, uneven_modules),
    "two modules, ratio 0.9, turned by 17 deg": (False, modules([1.0, 0.9], 32, turns=[0.0, 17.0])),
    "two modules, ratio 0.9, not turned": (False, modules([1.0, 0.9], 32, turns=[0.0, 0.0])),
    "three modules": (False, modules([1.0, 0.7, 0.5], 24)),
    "lattices of one spacing, turned at random": (False, lattices(60.0, 0.0)),
    "place cells, tiled, 0.2 m": (False, tiled_places(0.2)),
    "place cells, tiled, 0.4 m": (False, tiled_places(0.4)),
    "place cells, scattered, 0.3 m": (False, scattered_places),
    "smooth random fields, 0.3 m": (False, random_fields(0.3)),
    "smooth random fields, 0.6 m": (False, random_fields(0.6)),
    "bands in one direction": (False, bands([0.0])),
    "bands in all directions": (False, bands([])),
    "one module, 32 cells, noise 0.8": (True, module(32, 0.8)),
    "one module, 32 cells, noise 1.2": (True, module(32, 1.2)),
}


def draw(job):
    family, seed = job
    rng = np.random.default_rng([list(FAMILIES).index(family), seed])
    x = rng.uniform(-SIDE_M / 2, SIDE_M / 2, (PLACES, 2))
    states, noise = FAMILIES[family][1](x, rng)
    states = states + noise * states.std() * rng.standard_normal(states.shape)
    diagram = persistence(choose_landmarks(principal_components(states))[0])
    shape = []
    for dimension in (1, 2):
        lifetimes = diagram.lifetimes(dimension)
        count = count_by_gap(lifetimes)[0]
        shape.append(count if gap_p_value(lifetimes, count) <= 0.05 else 0)
    if shape != [2, 1]:
        return family, False, False
    return family, True, measure_topology(states, generator=rng, nulls=NULLS).torus


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--family", action="append")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    families = options.family or list(FAMILIES)
    # Where there is a torus every draw needs its shuffles, which is slow.
    draws = {
        family: max(1, round(options.draws * (0.4 if FAMILIES[family][0] else 1.0)))
        for family in families
    }
    jobs = [(family, seed) for family in families for seed in range(draws[family])]
    began = time.perf_counter()
    rows = {family: [0, 0] for family in families}
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for (family, seed), (_, looks, torus) in zip(jobs, pool.imap(draw, jobs), strict=True):
            rows[family][0] += looks
            rows[family][1] += torus
            if seed == draws[family] - 1:
                seconds, tori = time.perf_counter() - began, rows[family][1]
                print(f"{seconds:.0f} s: {family}: {tori} of {draws[family]} tori", flush=True)
    with open(options.out, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "family",
                "expected",
                "draws",
                "gaps_of_a_torus",
                "torus",
                "share",
                "low_95",
                "high_95",
            ]
        )
        for family, (looks, torus) in rows.items():
            interval = stats.binomtest(torus, draws[family]).proportion_ci()
            expected = "torus" if FAMILIES[family][0] else "none"
            shares = [
                round(torus / draws[family], 3),
                round(interval.low, 3),
                round(interval.high, 3),
            ]
            writer.writerow([family, expected, draws[family], looks, torus, *shares])


if __name__ == "__main__":
    main()
