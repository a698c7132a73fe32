r"""Periods of cells on a line.

A cell with period P fires alike one, two, ... periods further on. Its *similarity of periods* is
the mean correlation of all pairs of its periods,

$$ S(P) = \frac{\sum_k (L - kP) \, \rho(kP)}{\sum_k (L - kP)} $$

with the autocorrelation $\rho$ of the rate over a line of length L, so that any shape of field
counts, wide or narrow. The period is the shortest whose similarity is nearly the highest.

On a line the power spectrum is the period itself: a null with the same spectrum would keep it. Null
lines hold the cell's own fields in other places instead: hard rods, as long as a field is wide, in
any arrangement with equal probability.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, signal

from gridcode.analysis.cells.significance import check_nulls
from gridcode.analysis.dimensions.rates import filled
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FEWEST_FIELDS = 3
LEAST_SIMILARITY = 0.5  # of a cell that is called periodic: a ramp with noise stays below
SHORTEST_BINS = 5.0  # a period of fewer bins cannot be told from noise between bins
MOST_OF_LINE = 1 / 3  # three whole periods, or it is no repetition
NEARLY = 0.9  # of the highest similarity: 2 P is as similar as P
PROMINENCE = 0.25  # of the range of a unit's rates, as for fields in the plane


@dataclass(frozen=True)
class Periods:
    """Periods of cells on a line.

    Attributes:
        period_m: (unit,) best period, metres; NaN for constant units.
        similarity: (unit,) mean correlation of its periods, at most 1.
        p_value: (unit,) share of null lines (one added) whose highest similarity reaches the
            unit's; NaN for units of fewer than three fields, which show no period.
        fields: (unit,) number of firing fields.
        width_m: (unit,) median width of fields at half prominence, metres; NaN without fields.
    """

    period_m: Float[np.ndarray, " unit"]
    similarity: Float[np.ndarray, " unit"]
    p_value: Float[np.ndarray, " unit"]
    fields: Int[np.ndarray, " unit"]
    width_m: Float[np.ndarray, " unit"]

    def periodic(self, significance: float = 0.01) -> Bool[np.ndarray, " unit"]:
        """Whether a unit has a period: beyond its null lines, and its periods are alike."""
        return (self.p_value <= significance) & (self.similarity >= LEAST_SIMILARITY)


@takes_arrays
def find_periods(
    rates: Float[np.ndarray, "unit bin"],
    *,
    bin_size_m: float,
    nulls: int = 199,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Periods:
    """Period of every unit, compared with lines that hold its fields in other places.

    Args:
        rates: (unit, bin) activity along the line; NaN marks unvisited bins.
        bin_size_m: length of a bin, metres.
        nulls: null lines a unit.
        seed: of the null lines.
        progress: called with units done and all units.

    Raises:
        InputError: fewer than 30 bins, too few nulls, or bins without length.
    """
    check_nulls(nulls)
    if rates.shape[1] < 3 * 2 * SHORTEST_BINS or not bin_size_m > 0:
        raise InputError(
            f"periods need 30 bins or more of some length, not {rates.shape[1]} of {bin_size_m} m"
        )
    rates = filled(rates)
    candidates, weights = _candidates(rates.shape[1])
    similarity = _similarity(rates, weights)
    best = similarity.max(axis=1)
    first = (similarity >= NEARLY * best[:, None]).argmax(axis=1)
    which = np.array([_climb(s, int(w)) for s, w in zip(similarity, first, strict=True)])
    p, count, width = np.full((3, len(rates)), np.nan)
    for unit, rate in enumerate(rates):
        centres, wide = _fields(rate)
        count[unit] = len(centres)
        if len(centres):
            width[unit] = np.median(wide) * bin_size_m
        if len(centres) >= FEWEST_FIELDS:
            drawn = _shuffled(rate, centres, wide, nulls, np.random.default_rng([seed, unit]))
            p[unit] = (1 + (_similarity(drawn, weights).max(axis=1) >= best[unit]).sum()) / (
                1 + nulls
            )
        if progress:
            progress(unit + 1, len(rates))
    period = np.where(np.isfinite(best), candidates[which] * bin_size_m, np.nan)
    at = np.take_along_axis(similarity, which[:, None], axis=1)[:, 0]
    return Periods(period, at, p, count.astype(np.int64), width)


@takes_arrays
def shuffled_lines(
    rate: Float[np.ndarray, " bin"], count: int, *, generator: np.random.Generator
) -> Float[np.ndarray, "line bin"]:
    """Lines that hold the fields of a line, each with its own shape and rate, in other places.

    Args:
        rate: (bin,) activity along the line, without gaps.
        count: number of lines.
        generator: source of randomness.

    Raises:
        InputError: a line without fields.
    """
    centres, widths = _fields(rate)
    if not len(centres):
        raise InputError("a line without fields has none to shuffle")
    return _shuffled(rate, centres, widths, count, generator)


def _candidates(bins: int) -> tuple[Float[np.ndarray, " period"], Float[np.ndarray, "lag period"]]:
    """Periods in bins, and what turns sums over pairs of bins into similarities."""
    periods = np.arange(SHORTEST_BINS, bins * MOST_OF_LINE, 0.25)
    weights = np.zeros((bins, len(periods)))
    for column, period in enumerate(periods):
        lags = period * np.arange(1, int((bins - 1) / period) + 1)
        whole = np.floor(lags).astype(np.intp)
        rest = lags - whole
        np.add.at(weights[:, column], whole, 1 - rest)
        np.add.at(weights[:, column], np.minimum(whole + 1, bins - 1), rest)
        weights[:, column] /= (bins - lags).sum()
    return periods, weights


def _similarity(
    lines: Float[np.ndarray, "line bin"], weights: Float[np.ndarray, "lag period"]
) -> Float[np.ndarray, "line period"]:
    z = lines - lines.mean(axis=1, keepdims=True)
    variance = (z**2).mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(z, 2 * z.shape[1], axis=1)) ** 2
    pairs = np.fft.irfft(power, axis=1)[:, : z.shape[1]]
    varies = variance > 1e-12 * np.maximum((lines**2).mean(axis=1, keepdims=True), 1e-300)
    return np.divide(
        pairs @ weights, variance, out=np.full((len(z), weights.shape[1]), np.nan), where=varies
    )


def _climb(similarity: Float[np.ndarray, " period"], at: int) -> int:
    """The local maximum that is reached from a candidate."""
    while at + 1 < len(similarity) and similarity[at + 1] > similarity[at]:
        at += 1
    return int(at)


def _fields(rate: Float[np.ndarray, " bin"]) -> tuple[np.ndarray, np.ndarray]:
    """Bins and widths in bins of the fields, those at the ends included."""
    smooth = ndimage.gaussian_filter1d(rate, 1.0, mode="nearest")
    low = float(np.quantile(smooth, 0.05))
    height = float(smooth.max()) - low
    if not height > 1e-6 * max(abs(float(smooth.max())), 1e-300):
        return np.zeros(0, dtype=np.intp), np.zeros(0)
    padded = np.concatenate([[low], smooth, [low]])
    peaks, _ = signal.find_peaks(padded, prominence=PROMINENCE * height)
    return peaks - 1, signal.peak_widths(padded, peaks, rel_height=0.5)[0]


def _shuffled(
    rate: np.ndarray,
    centres: np.ndarray,
    widths: np.ndarray,
    count: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "line bin"]:
    bins, fields = len(rate), len(centres)
    # Rods fit side by side, whatever their width.
    rod = min(float(np.median(widths)), (bins - 1) / fields)
    free = np.sort(generator.uniform(0, bins - fields * rod, (count, fields)), axis=1)
    places = np.rint(free + rod * (np.arange(fields) + 0.5) - 0.5).astype(np.intp)
    places = generator.permuted(places, axis=1)
    low = float(np.quantile(rate, 0.05))
    plane = np.full((count, 3 * bins), low)
    edges = np.concatenate([[0], (centres[1:] + centres[:-1]) // 2 + 1, [bins]])
    every = np.arange(count)[:, None]
    for k, centre in enumerate(centres):
        own = np.arange(edges[k], edges[k + 1])
        to = bins + places[:, k, None] + own[None] - centre
        plane[every, to] = np.maximum(plane[every, to], rate[own])
    return plane[:, bins : 2 * bins]
