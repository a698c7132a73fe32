"""How much does activity depend on place? Information, coherence, stability, a spatial test."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps
from gridcode.analysis.cells.gridness import unscorable
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

MIN_COMMON_BINS = 10


@dataclass(frozen=True)
class Information:
    """Dependence on place of each unit; NaN where it cannot be computed, with the reason.

    Attributes:
        bits_per_spike: Skaggs information per spike; it does not change when activity is scaled.
        bits_per_second: Skaggs information rate, for maps in spikes per second; for activations
            bits times the maps' unit.
        sparsity: share of the arena in which a unit is active: 1 if the same everywhere, near 0 if
            in one bin only.
        selectivity: peak over mean rate.
        mean_rate: mean over time (over bins where occupancy is not known), in the maps' unit.
        reason: why a unit's numbers are missing, or "".
    """

    bits_per_spike: Float[np.ndarray, " unit"]
    bits_per_second: Float[np.ndarray, " unit"]
    sparsity: Float[np.ndarray, " unit"]
    selectivity: Float[np.ndarray, " unit"]
    mean_rate: Float[np.ndarray, " unit"]
    reason: tuple[str, ...]


@dataclass(frozen=True)
class SpatialTest:
    """Is each map smoother than its bins in random order? NaN where untestable, with the reason.

    Attributes:
        morans_i: autocorrelation of neighbouring bins; near 0 without order, 1 if smooth.
        z: its distance from the mean over all permutations of the bins, in standard deviations.
        p_value: one-sided probability of an I this high if the bins were in random order.
        is_bound: the p-value is an upper bound, since few bins carry most of the activity.
        reason: why a unit's test is missing, or "".
    """

    morans_i: Float[np.ndarray, " unit"]
    z: Float[np.ndarray, " unit"]
    p_value: Float[np.ndarray, " unit"]
    is_bound: Bool[np.ndarray, " unit"]
    reason: tuple[str, ...]


@takes_arrays
def spatial_information(
    rate_maps: np.ndarray, *, occupancy: np.ndarray | None = None
) -> Information:
    r"""Skaggs information, sparsity and selectivity of every unit.

    $$ I_{spike} = \sum_i p_i \frac{r_i}{\bar r} \log_2 \frac{r_i}{\bar r}, \quad I_{second} = \bar
    r\, I_{spike}, \quad \text{sparsity} = \frac{(\sum_i p_i r_i)^2}{\sum_i p_i r_i^2}, \quad
    \text{selectivity} = \frac{\max_i r_i}{\bar r} $$

    with $p_i$ the share of time in bin $i$ and $\bar r = \sum_i p_i r_i$. Bins below the mean count
    with negative terms, as in pynapple; opexebo leaves these out and gets larger numbers.

    Args:
        rate_maps: (unit, y, x), 0 or more; NaN marks unvisited bins. Smoothing lowers information.
        occupancy: (y, x) or (unit, y, x) time or samples in each bin, in any unit. Without it every
            visited bin counts the same.

    Returns:
        Information, biased upwards: by about (bins - 1) / (2 ln 2 spikes) bits per spike (Panzeri &
        Treves 1996). Compare units with shuffled maps.

    Raises:
        InputError: wrong shapes, or an occupancy that is negative or not a number.

    Source: Skaggs et al. 1993 (information); Skaggs et al. 1996 (sparsity, selectivity).
    """
    maps = as_maps(rate_maps)
    weight = _weights(maps, occupancy)
    rate = np.where(weight > 0, maps, 0.0)
    total = weight.sum(axis=(1, 2))
    share = weight / np.maximum(total, 1e-300)[:, None, None]
    mean = (share * rate).sum(axis=(1, 2))
    negative = (rate < 0).any(axis=(1, 2))
    known = (total > 0) & (mean > 0) & ~negative
    ratio = np.where(known[:, None, None], rate / np.where(known, mean, 1.0)[:, None, None], 0.0)
    # Guards against rounding: the information of a constant map is 0, not -1e-17.
    bits = np.maximum((share * special.xlogy(ratio, ratio)).sum(axis=(1, 2)), 0.0) / math.log(2)
    square = (share * ratio**2).sum(axis=(1, 2))
    why = {"no visited bin": total == 0, "negative activity": negative, "silent": ~known}
    return Information(
        bits_per_spike=np.where(known, bits, np.nan),
        bits_per_second=np.where(known, bits * mean, np.nan),
        sparsity=np.where(known, np.minimum(1 / np.where(known, square, 1.0), 1.0), np.nan),
        selectivity=np.where(known, ratio.max(axis=(1, 2)), np.nan),
        mean_rate=np.where(total > 0, mean, np.nan),
        reason=tuple(np.select([*why.values()], [*why], "").tolist()),
    )


def _weights(maps: Maps, occupancy: np.ndarray | None) -> Float[np.ndarray, "unit y x"]:
    """Time in each bin, 0 where unvisited."""
    visited = np.isfinite(maps)
    if occupancy is None:
        return visited.astype(np.float64)
    time = occupancy.astype(np.float64, copy=False)
    if time.shape not in (maps.shape, maps.shape[1:]):
        raise InputError(f"occupancy must be {maps.shape[1:]} or {maps.shape}, not {time.shape}")
    # Unvisited bins may be NaN here, too.
    if not (np.isfinite(time) | ~visited).all() or (visited & (time < 0)).any():
        raise InputError("occupancy must be 0 or more in every visited bin")
    return np.where(visited, time, 0.0)


def _neighbour_sum(maps: Maps) -> Maps:
    """Sum over the up to eight neighbours of every bin."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] - maps


def _correlations(
    a: Maps, b: Maps, used: Bool[np.ndarray, "unit y x"]
) -> Float[np.ndarray, " unit"]:
    """Pearson correlation of two maps of each unit over the bins in use; NaN where undefined."""
    count = used.sum(axis=(1, 2))
    deviations, varies = [], count >= MIN_COMMON_BINS
    for values in (np.where(used, a, 0.0), np.where(used, b, 0.0)):
        mean = values.sum(axis=(1, 2)) / np.maximum(count, 1)
        deviation = np.where(used, values - mean[:, None, None], 0.0)
        largest = np.abs(deviation).max(axis=(1, 2))
        varies &= largest > 1e-9 * np.abs(values).max(axis=(1, 2))
        deviations.append(deviation / np.where(varies, largest, 1.0)[:, None, None])
    one, two = deviations
    scale = np.sqrt((one**2).sum(axis=(1, 2)) * (two**2).sum(axis=(1, 2)))
    r = (one * two).sum(axis=(1, 2)) / np.where(varies, scale, 1.0)
    return np.where(varies, np.clip(r, -1.0, 1.0), np.nan)


@takes_arrays
def spatial_coherence(
    rate_maps: np.ndarray, *, fisher_z: bool = False
) -> Float[np.ndarray, " unit"]:
    """Correlation of the rate in each bin with the mean rate of its eight neighbours.

    Args:
        rate_maps: (unit, y, x), unsmoothed: smoothing makes every map coherent. NaN marks unvisited
            bins, which are left out of the means; bins without a visited neighbour are left out.
        fisher_z: return artanh of the correlation, as in the source.

    Returns:
        Coherence of each unit; NaN for silent, constant and unvisited maps, and fewer than 10 bins.

    Source: Muller & Kubie 1989; Kubie, Muller & Bostock 1990.
    """
    maps = as_maps(rate_maps)
    visited = np.isfinite(maps)
    neighbours = _neighbour_sum(visited.astype(np.float64))
    mean = _neighbour_sum(np.where(visited, maps, 0.0)) / np.maximum(neighbours, 1)
    coherence = _correlations(maps, mean, visited & (neighbours > 0))
    if fisher_z:
        with np.errstate(divide="ignore"):
            return np.arctanh(coherence)
    return coherence


@takes_arrays
def split_half_stability(maps_a: np.ndarray, maps_b: np.ndarray) -> Float[np.ndarray, " unit"]:
    """Pearson correlation of the maps of two halves of a recording, over the bins visited in both.

    Args:
        maps_a: (unit, y, x) maps of one half; NaN marks unvisited bins.
        maps_b: (unit, y, x) maps of the other half, on the same bins.

    Returns:
        Stability of each unit, -1 to 1; NaN with fewer than 10 common bins or a constant half.

    Raises:
        InputError: the two do not have the same shape.

    Source: for example Langston et al. 2010.
    """
    a, b = as_maps(maps_a), as_maps(maps_b)
    if a.shape != b.shape:
        raise InputError(
            f"the two halves must have the same units and bins, not {a.shape} and {b.shape}"
        )
    return _correlations(a, b, np.isfinite(a) & np.isfinite(b))


@takes_arrays
def spatial_test(rate_maps: np.ndarray) -> SpatialTest:
    r"""Test from the map alone whether neighbouring bins agree more than bins in random order.

    $$ I = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} (r_i - \bar r)(r_j - \bar r)}{\sum_i
    (r_i - \bar r)^2} $$

    (Moran's I) with $w_{ij} = 1$ for the eight neighbours. Mean and variance over all permutations
    of the map's bins are exact, the skewness to leading order; the p-value is the upper tail at z =
    (I - mean) / sd of the gamma distribution with all three. Where fewer than 10 bins deviate from
    the mean, counted as $(\sum d^2)^2 / \sum d^4$, it is the one-sided Chebyshev bound 1 / (1 +
    z^2) instead, which holds for any distribution.

    Args:
        rate_maps: (unit, y, x), UNSMOOTHED; NaN marks unvisited bins. Smoothing, and activity that
            lasts longer than the animal stays in a bin, make neighbouring bins alike in any map.
            Where time is known, circular shifts along the path or two halves are the better test.

    Source: Moran 1950; moments over permutations from Cliff & Ord 1981.
    """
    maps = as_maps(rate_maps)
    visited = np.isfinite(maps)
    weight = visited.astype(np.float64)
    degree = weight * _neighbour_sum(weight)
    n = weight.sum(axis=(1, 2))
    s0, s2 = degree.sum(axis=(1, 2)), 4 * (degree**2).sum(axis=(1, 2))
    s1 = 2 * s0
    reasons = np.array(unscorable(maps), dtype=object)
    reasons[(reasons == "") & ((n < MIN_COMMON_BINS) | (s0 == 0))] = "too few neighbouring bins"
    usable = reasons == ""
    n, s0 = np.where(usable, n, 10.0), np.where(usable, s0, 1.0)
    mean = np.where(visited, maps, 0.0).sum(axis=(1, 2)) / n
    deviation = maps - mean[:, None, None]
    deviation = np.where(visited & usable[:, None, None], deviation, 0.0)
    deviation /= np.where(usable, np.abs(deviation).max(axis=(1, 2)), 1.0)[:, None, None]
    second = np.where(usable, (deviation**2).sum(axis=(1, 2)), 1.0)
    fourth = np.where(usable, (deviation**4).sum(axis=(1, 2)), 1.0)
    morans_i = n / s0 * (deviation * _neighbour_sum(deviation)).sum(axis=(1, 2)) / second
    kurtosis = n * fourth / second**2
    mean = -1 / (n - 1)
    squared = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2)
    squared = squared - kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2)
    variance = squared / ((n - 1) * (n - 2) * (n - 3) * s0**2) - mean**2
    z = (morans_i - mean) / np.sqrt(np.maximum(variance, 1e-300))
    # Skewness of the sum over P neighbouring pairs and T triangles of neighbours: (P g^2 + 6 T) /
    # P^(3/2), g the skewness of the map. A gamma distribution has this tail, a normal one not.
    third = (deviation**3).sum(axis=(1, 2))
    pairs, triangles = s0 / 2, _triangles(weight)
    skewness = (pairs * n * third**2 / second**3 + 6 * triangles) / pairs**1.5
    shape = 4 / np.maximum(skewness, 1e-4) ** 2
    # With few active bins Moran's I takes few values, and no smooth distribution fits it.
    few = second**2 / fourth < 10.0
    tail = special.gammaincc(shape, np.maximum(shape + z * np.sqrt(shape), 0.0))
    p_value = np.where(few, 1 / (1 + np.maximum(z, 0.0) ** 2), tail)
    return SpatialTest(
        morans_i=np.where(usable, morans_i, np.nan),
        z=np.where(usable, z, np.nan),
        p_value=np.where(usable, p_value, np.nan),
        is_bound=few & usable,
        reason=tuple(reasons.tolist()),
    )


def _triangles(weight: Float[np.ndarray, "unit y x"]) -> Float[np.ndarray, " unit"]:
    """Triples of visited bins that all neighbour each other: each lies in a two by two square."""
    square = weight[:, :-1, :-1] + weight[:, :-1, 1:] + weight[:, 1:, :-1] + weight[:, 1:, 1:]
    return 4.0 * (square == 4).sum(axis=(1, 2)) + (square == 3).sum(axis=(1, 2))
