"""Who finds grid cells at the same rate of false positives? Planted ones, and 29 of mice.

    OMP_NUM_THREADS=1 python experiments/roc/roc.py experiments/roc docs/images/roc.png

Negatives have the number of bins of the positives: seven families of noise, place cells and border
cells (`planted.py`). All but the recorded cells are Poisson spikes along a simulated walk of 20
minutes, maps smoothed by 3.75 cm. Detectors:

- `lattice p`, `grid score p`: gridcode's, against its null maps.
- the scores of other tools with one threshold for all cells, from the negatives.
- `..., shifts`: their p-value among maps of the spikes shifted along the path, the usual shuffle
  (Langston et al. 2010, Wills et al. 2010).
- `..., random phases`: their p-value among gridcode's random-phase maps.
- `lattice z, shifts`: gridcode's strengths among circular shifts.

`gridcode.analysis.cells.definitions` gives those scores as the packages do, to 1e-12
(benchmarks/cross_check). Unvisited bins, which they read as 0, get their nearest neighbour's rate.

Writes `power.csv` (share of the positives found at 1% and 5% false positives, with the exact
binomial 95% interval of that share), `nominal.csv` (share with p <= 0.05) and `curves.csv`. Seeds
are fixed.
"""

import argparse
import csv
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from figure import draw
from planted import FAMILIES, ROWS, lattice, session
from scipy import ndimage, stats

from gridcode.analysis.cells.autocorrelogram import smooth
from gridcode.analysis.cells.binning import rebin
from gridcode.analysis.cells.definitions import grid_score
from gridcode.analysis.cells.nulls import random_phase_maps
from gridcode.analysis.cells.shift_tests import spread_shifts
from gridcode.analysis.cells.significance import significance, tail
from gridcode.analysis.cells.waves import strengths
from gridcode.recordings.examples import example_cells

DEFINITIONS = ("deepmind", "deepmind_minmax", "opexebo", "spatial_maps")
# Compared with nulls as well; the second differs from the first as opexebo's does.
WITH_NULLS = ("deepmind", "opexebo", "spatial_maps")
SHIFTS, PHASES = 200, 100
BATCH, ENOUGH_ABOVE = 10, 5  # a score that so many nulls reach needs no more of them
RATES = np.geomspace(0.002, 1, 60)  # of false positives, in curves.csv
BASE = {"periods": 3, "bins": 40, "spikes": 200}
# What differs from BASE. Peers are compared with their nulls on the conditions of FEW_SPIKES.
CONDITIONS = {
    "1.4 periods": {"periods": 1.4},
    "2 periods": {"periods": 2},
    "3 periods, 200 spikes": {},
    "5 periods": {"periods": 5},
    "20 bins": {"bins": 20},
    "80 bins": {"bins": 80},
    "50 spikes": {"spikes": 50},
    "100 spikes": {"spikes": 100},
    "300 spikes": {"spikes": 300},
    "half of the spikes anywhere": {"background": 0.5},
    "three quarters anywhere": {"background": 0.75},
    "axis ratio 0.8": {"axis_ratio": 0.8},
    "axis ratio 0.6": {"axis_ratio": 0.6},
    "square": {"square": True},
    "drift by half a period": {"drift_m": 0.5 / (3 * ROWS)},
    "fields off by 0.15 of the spacing": {"jitter": 0.15},
}
FEW_SPIKES = ("50 spikes", "100 spikes", "3 periods, 200 spikes")
REAL_BINS = 32


def visited(maps):
    """Unvisited bins get the rate of the nearest visited one."""
    out = maps.copy()
    for one in out:
        unknown = np.isnan(one)
        if unknown.any():
            nearest = ndimage.distance_transform_edt(
                unknown, return_distances=False, return_indices=True
            )
            one[:] = one[tuple(nearest)]
    return out


def p_values(rate_map, draw_nulls, count):
    """For each definition its p-value; `draw_nulls(first, last)` gives null maps."""
    observed = {d: grid_score(rate_map, definition=d)[0] for d in WITH_NULLS}
    null = {d: [] for d in WITH_NULLS}
    open_ = [d for d in WITH_NULLS if np.isfinite(observed[d])]
    for first in range(0, count, BATCH):
        maps = visited(draw_nulls(first, first + BATCH)) if open_ else None
        for d in open_:
            null[d] += np.nan_to_num(grid_score(maps, definition=d), nan=-np.inf).tolist()
        open_ = [d for d in open_ if (np.array(null[d]) >= observed[d]).sum() < ENOUGH_ABOVE]
    return {d: p_of(observed[d], np.array(null[d])) for d in WITH_NULLS}


def p_of(observed, null):
    """p-value of a score, from the tail beyond all nulls, as gridcode's own."""
    if not np.isfinite(observed):
        return np.nan
    above = int((null >= observed).sum())
    p = (1 + above) / (1 + len(null))
    finite = np.sort(null[np.isfinite(null)])
    return p if above else min(p, float(tail(finite, np.array([observed]))[0]))


def lattice_among_shifts(path, unit, shifted):
    maps = rebin(path, np.append(0, shifted), units=[unit] * (len(shifted) + 1))
    forms = strengths(maps).forms()
    z = ((forms - forms.mean(axis=1, keepdims=True)) / forms.std(axis=1, keepdims=True)).max(axis=0)
    return p_of(z[0], z[1:])


def measure(maps, *, seed, path=None, nulls=0):
    """Every detector of each map, larger for a lattice.

    Args:
        maps: (unit, y, x), smoothed.
        seed: of the null maps.
        path: to shift spikes along.
        nulls: of the first so many units the scores of others are compared with nulls.
    """
    found = significance(maps, seed=seed, smoothing_bins=0.0, workers=1)
    out = {"lattice p": -found.lattice_p_value, "grid score p": -found.grid_score_p_value}
    filled = visited(maps)
    for d in DEFINITIONS:
        out[d] = grid_score(filled, definition=d)
    if path is not None:
        shifted = spread_shifts(path, SHIFTS)
        own = [lattice_among_shifts(path, u, shifted) for u in range(len(maps))]
        out["lattice z, shifts"] = -np.array(own)
    if not nulls:
        return out
    generator = np.random.default_rng([seed, 1])
    some = range(min(nulls, len(maps)))
    among = [
        p_values(
            filled[u],
            lambda a, b, u=u: random_phase_maps(filled[u], b - a, generator=generator),
            PHASES,
        )
        for u in some
    ]
    out |= {f"{d}, random phases": np.array([-p[d] for p in among]) for d in WITH_NULLS}
    if path is not None:
        among = [
            p_values(
                filled[u], lambda a, b, u=u: rebin(path, shifted[a:b], units=[u] * (b - a)), SHIFTS
            )
            for u in some
        ]
        out |= {f"{d}, shifts": np.array([-p[d] for p in among]) for d in WITH_NULLS}
    return out


def planted(name, cells, nulls):
    """Detectors of the planted cells of a condition."""
    generator = np.random.default_rng([1, list(CONDITIONS).index(name)])
    settings = BASE | CONDITIONS[name]
    bins, spikes = settings.pop("bins"), settings.pop("spikes")
    how = {k: settings.pop(k) for k in ("background", "drift_m") if k in settings}
    rates = np.array([lattice(generator, **settings) for _ in range(cells)])
    path = session(rates, np.full(cells, spikes), generator, bins=bins, **how)
    few = nulls if name in FEW_SPIKES else 0
    return bins, measure(rebin(path), seed=0, path=path if name in FEW_SPIKES else None, nulls=few)


def negatives(family, bins, cells, nulls):
    """Detectors of cells without a lattice, of 50 to 1,000 spikes."""
    generator = np.random.default_rng([2, list(FAMILIES).index(family), bins])
    spikes = np.exp(generator.uniform(np.log(50), np.log(1000), cells))
    path = session(FAMILIES[family](cells, generator), spikes, generator, bins=bins)
    few = nulls if bins in (REAL_BINS, BASE["bins"]) else 0
    shifting = path if bins == BASE["bins"] else None
    return measure(rebin(path), seed=0, path=shifting, nulls=few)


def recorded(nulls):
    maps = smooth(example_cells().maps, 1.0)
    return measure(maps, seed=0, nulls=nulls)


def roc(positive, negative):
    """False-positive and true-positive rates at every threshold; NaN is never found."""
    positive, negative = (np.sort(np.nan_to_num(x, nan=-np.inf)) for x in (positive, negative))
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    rates = [1 - np.searchsorted(x, levels) / len(x) for x in (negative, positive)]
    false, first = np.unique(rates[0][::-1], return_index=True)
    return np.append(0, false), np.append(0, rates[1][::-1][first])


def power(positive, negative):
    """Shares found at 1% and 5% false positives, with intervals."""
    row = {"positives": len(positive), "negatives": len(negative)}
    for level in (0.01, 0.05):
        share = float(np.interp(level, *roc(positive, negative)))
        test = stats.binomtest(round(share * len(positive)), len(positive)).proportion_ci(0.95)
        values = (share, test.low, test.high)
        row |= {
            f"{n}{level:g}": round(v, 3)
            for n, v in zip(("at_", "low_", "high_"), values, strict=True)
        }
    return row


def nominal(groups, none):
    """Share of cells at p <= 0.05: those without a lattice, which should be 5%, and the others."""
    rows = []
    for (bins, d), values in none.items():
        if np.nanmax(values) > 0:  # a score, no p-value
            continue
        row = {"bins": bins, "detector": d, "negatives": len(values)}
        row["false_0.05"] = round(float((values >= -0.05).mean()), 3)
        found = [g[d] for name, (b, g) in groups.items() if b == bins and d in g]
        row["found_0.05"] = round(float((np.concatenate(found) >= -0.05).mean()), 3)
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("plot", type=Path)
    parser.add_argument("--cells", type=int, default=20, help="of each planted condition")
    parser.add_argument("--negatives", type=int, default=30, help="of each family, at 32, 40 bins")
    parser.add_argument("--with-nulls", type=int, default=15, help="of each, others' scores' nulls")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    few = arguments.with_nulls
    start = time.perf_counter()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.workers) as pool:
        real = pool.submit(recorded, 29 if few else 0)
        positive = {name: pool.submit(planted, name, arguments.cells, few) for name in CONDITIONS}
        without = {
            (bins, family): pool.submit(
                negatives,
                family,
                bins,
                arguments.negatives if bins in (32, 40) else arguments.negatives * 2 // 3,
                few,
            )
            for bins in (REAL_BINS, 40, 20, 80)
            for family in FAMILIES
        }
        groups = {name: job.result() for name, job in positive.items()}
        groups["29 cells of mice"] = (REAL_BINS, real.result())
        none = {}
        for (bins, _), job in without.items():
            for d, values in job.result().items():
                none.setdefault((bins, d), []).append(values)
    none = {key: np.concatenate(values) for key, values in none.items()}
    rows = [
        {"condition": name, "bins": bins, "detector": d} | power(values, none[bins, d])
        for name, (bins, found) in groups.items()
        for d, values in found.items()
    ]
    write(arguments.out / "power.csv", rows)
    write(arguments.out / "nominal.csv", nominal(groups, none))
    curves = []
    for title, names in SETS.items():
        for d in [d for d in groups[names[-1]][1] if all(d in groups[n][1] for n in names)]:
            # Each condition has its negatives; the curves are their mean.
            found = [np.interp(RATES, *roc(g[1][d], none[g[0], d])) for g in map(groups.get, names)]
            curves += [
                {
                    "cells": title,
                    "detector": d,
                    "false": round(float(f), 5),
                    "found": round(float(t), 4),
                }
                for f, t in zip(RATES, np.mean(found, axis=0), strict=True)
            ]
    write(arguments.out / "curves.csv", curves)
    draw(curves, rows, arguments.plot)
    print(f"{time.perf_counter() - start:.0f} s, {arguments.workers} processes")


SETS = {
    "29 grid cells of mice": ["29 cells of mice"],
    "planted grid cells, 16 conditions": list(CONDITIONS),
    "planted grid cells, 50 to 200 spikes": list(FEW_SPIKES),
}


def write(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)
    main()
