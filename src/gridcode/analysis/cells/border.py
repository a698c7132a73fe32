"""Border score: does a cell fire along a wall?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps
from gridcode.analysis.cells.binning import BinnedPath, rebin
from gridcode.analysis.cells.nulls import random_phase_maps
from gridcode.analysis.cells.shift_tests import (
    PLACES_A_SIDE,
    in_larger_bins,
    p_in_turn,
    spread_shifts,
)
from gridcode.analysis.cells.significance import check_nulls
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FIELD_SHARE, LEAST_FIELD_M2 = 0.3, 0.02
# A wall is known where the visited bins come within a tenth of the shorter side of it, along most
# of its length. In a circle they do so along 0.6 of each side of its box.
WALL_REACH, WALL_SHARE = 0.1, 0.8


@dataclass(frozen=True)
class BorderScores:
    """Border score of each unit; NaN where it could not be measured.

    Attributes:
        score: (unit,) -1 for small fields in the middle to 1 for a line along a whole wall.
        coverage: (unit,) largest share of one wall that one field touches.
        distance: (unit,) mean distance of firing from the nearest wall, of half the shorter side.
        reason: (unit,) why they are missing, or "".
    """

    score: Float[np.ndarray, " unit"]
    coverage: Float[np.ndarray, " unit"]
    distance: Float[np.ndarray, " unit"]
    reason: tuple[str, ...]


@takes_arrays
def border_scores(
    rate_maps: np.ndarray, *, bin_size_m: float, min_field_m2: float = LEAST_FIELD_M2
) -> BorderScores:
    r"""Border score of every rate map of a rectangular arena.

    $$ b = (c_M - d_M) / (c_M + d_M) $$

    Fields are connected bins (sharing a side) above 0.3 of the map's peak, of 200 cm^2 or more.
    $c_M$ is the largest share of the bins along one wall that belong to one field; $d_M$ the mean
    distance from the nearest wall of all bins in fields, weighted by rate, over half the shorter
    side of the arena. Walls are the edges of the map; where the outermost bins were not visited the
    next visited ones count as lying along the wall.

    Args:
        rate_maps: (unit, y, x) or (y, x), smoothed; NaN marks unvisited bins. Maps with negative
            values are counted from their lowest.
        bin_size_m: side of a bin, metres.
        min_field_m2: smaller fields are left out.

    Raises:
        InputError: wrong shape, infinities, or a setting out of its range.

    Source: Solstad et al. 2008.
    """
    if not (bin_size_m > 0 and np.isfinite(bin_size_m)):
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    if not (min_field_m2 >= 0 and np.isfinite(min_field_m2)):
        raise InputError(f"min_field_m2 must be 0 or more, not {min_field_m2}")
    maps = as_maps(rate_maps).astype(np.float64, copy=False)
    visited = np.isfinite(maps)
    lowest = np.where(visited, maps, np.inf).min(axis=(1, 2), initial=0.0, keepdims=True)
    rate = np.where(visited, maps - lowest, 0.0)
    labels, of_map = _fields(rate, bin_size_m, min_field_m2)
    coverage = np.zeros(len(maps))
    walls_known = np.full(len(maps), True)
    for turn in range(4):
        along, known = _along_wall(np.rot90(labels, turn, (1, 2)), np.rot90(visited, turn, (1, 2)))
        walls_known &= known.mean(axis=1) >= WALL_SHARE
        touched = np.bincount(along[known], minlength=len(of_map))
        share = touched / np.maximum(known.sum(axis=1), 1)[of_map]
        share[0] = 0.0  # no field
        np.maximum.at(coverage, of_map, share)
    inside = np.where(labels > 0, rate, 0.0)
    total = inside.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = (inside * _wall_distance(maps.shape[1:])).sum(axis=(1, 2)) / total
        score = (coverage - distance) / (coverage + distance)
    flat = rate.max(axis=(1, 2), initial=0.0) <= 0
    reasons = np.select(
        [~walls_known, flat, ~(total > 0)],
        [
            "the visited bins do not fill a rectangle: its walls are not known",
            "no activity above its lowest",
            f"no field of {min_field_m2:g} m2 or more",
        ],
        "",
    )
    missing = reasons != ""
    score, coverage, distance = (np.where(missing, np.nan, a) for a in (score, coverage, distance))
    return BorderScores(score, coverage, distance, tuple(reasons.tolist()))


def border_p_values_by_shift(
    path: BinnedPath, *, nulls: int = 500, progress: Callable[[int, int], None] | None = None
) -> Float[np.ndarray, " unit"]:
    """p-value of each unit's border score against its activity shifted circularly along the path.

    Unit and null are compared on maps in bins of a twentieth of the arena's shorter side. Shifts
    fill the range from 20 s on evenly; a test ends early once 20 shifted maps scored as high.

    Args:
        path: from `bin_path`.
        nulls: shifts at most.
        progress: called with (units done, units).

    Raises:
        InputError: a recording of fewer than 20 samples.
    """
    check_nulls(nulls)
    coarse = in_larger_bins(path)
    shifts = spread_shifts(path, nulls)
    observed = border_scores(rebin(coarse), bin_size_m=coarse.bin_size_m).score

    def p_value(unit: int) -> float:
        def draw(first: int, last: int) -> Float[np.ndarray, " null"]:
            maps = rebin(coarse, shifts[first:last], units=np.full(last - first, unit))
            return border_scores(maps, bin_size_m=coarse.bin_size_m).score

        return p_in_turn(float(observed[unit]), draw, nulls=nulls)

    return _each(p_value, path.units, progress)


@takes_arrays
def border_p_values_by_phase(
    rate_maps: np.ndarray,
    *,
    bin_size_m: float,
    seed: int,
    nulls: int = 500,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, " unit"]:
    """p-value of each map's border score against random-phase maps with its spectrum.

    For maps without a path. They are compared in bins of a twentieth of the shorter side; a test
    ends early once 20 null maps scored as high. A map's p-value does not depend on the others.

    Args:
        rate_maps: (unit, y, x), smoothed; NaN marks unvisited bins.
        bin_size_m: side of a bin, metres.
        seed: of the null maps.
        nulls: null maps at most.
        progress: called with (units done, units).

    Raises:
        InputError: wrong shape, or infinities.
    """
    check_nulls(nulls)
    maps = as_maps(rate_maps)
    factor = max(1, min(maps.shape[1:]) // PLACES_A_SIDE)
    maps, size = _block_means(maps, factor), bin_size_m * factor
    observed = border_scores(maps, bin_size_m=size).score

    def p_value(unit: int) -> float:
        rate, score = maps[unit], float(observed[unit])
        known = rate[np.isfinite(rate)]
        if not np.isfinite(score) or len(known) < 9 or known.min() == known.max():
            return float("nan")
        generator = np.random.default_rng([seed, 31])

        def draw(first: int, last: int) -> Float[np.ndarray, " null"]:
            null = random_phase_maps(rate, last - first, generator=generator)
            return border_scores(null, bin_size_m=size).score

        return p_in_turn(score, draw, nulls=nulls)

    return _each(p_value, len(maps), progress)


def _each(
    p_value: Callable[[int], float], units: int, progress: Callable[[int, int], None] | None
) -> Float[np.ndarray, " unit"]:
    found = np.full(units, np.nan)
    for unit in range(units):
        found[unit] = p_value(unit)
        if progress:
            progress(unit + 1, units)
    return found


def _fields(
    rate: Maps, bin_size_m: float, min_field_m2: float
) -> tuple[Int[np.ndarray, "unit y x"], Int[np.ndarray, " field"]]:
    """Number of the field of each bin, 0 for none, all maps counted through; map of each field."""
    peak = rate.max(axis=(1, 2), initial=0.0, keepdims=True)
    sides = np.zeros((3, 3, 3), dtype=bool)
    sides[1] = ndimage.generate_binary_structure(2, 1)
    labels, count = ndimage.label((rate > FIELD_SHARE * peak) & (peak > 0), sides)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    large = size * bin_size_m**2 >= min_field_m2 * (1 - 1e-9)
    large[0] = False
    of_map = np.zeros(count + 1, dtype=np.intp)
    which = np.broadcast_to(np.arange(len(rate))[:, None, None], labels.shape)
    of_map[labels.ravel()] = which.ravel()
    return np.where(large[labels], labels, 0), of_map


def _along_wall(
    labels: Int[np.ndarray, "unit y x"], visited: Bool[np.ndarray, "unit y x"]
) -> tuple[Int[np.ndarray, "unit x"], Bool[np.ndarray, "unit x"]]:
    """Field of the visited bin nearest to the first row in each column, and whether one is near."""
    reach = max(1, round(WALL_REACH * min(labels.shape[1:]))) + 1
    first = visited.argmax(axis=1)
    along = np.take_along_axis(labels, first[:, None], axis=1)[:, 0]
    return along, np.asarray(visited[:, :reach].any(axis=1))


def _wall_distance(shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    """Distance of each bin's centre from the nearest wall, of half the shorter side."""
    y, x = (np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) for n in shape)
    return np.minimum(y[:, None], x) / (min(shape) / 2)


def _block_means(maps: Maps, factor: int) -> Float[np.ndarray, "unit rows columns"]:
    """Means over the visited bins of blocks; the last ones may be smaller."""
    pad = [(0, -n % factor) for n in maps.shape[1:]]
    full = np.pad(maps, [(0, 0), *pad], constant_values=np.nan)
    split = full.reshape(
        len(maps), full.shape[1] // factor, factor, full.shape[2] // factor, factor
    )
    known = np.isfinite(split)
    total, count = np.where(known, split, 0.0).sum(axis=(2, 4)), known.sum(axis=(2, 4))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
