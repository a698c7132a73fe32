"""Circular shifts, all at once: what a cell would show if its activity were not tied to behaviour.

A sum over samples of activity times a fixed weight is, at every shift of the activity against the
weight, one cross-correlation: the Fourier transform gives all shifts in the time of a few. The
p-value then needs no random numbers, and is the same whenever it is computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex, Float, Int
from scipy import fft

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.significance import tail
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Activity and behaviour stay in step at shorter shifts: 20 s, or a tenth of a short recording.
LEAST_SHIFT_S, LEAST_SHARE, FEWEST_SAMPLES = 20.0, 0.1, 20
SMALLEST_P = 1e-12  # no test is as sure as the far tail of its distribution says
# Places are compared in bins of a twentieth of the arena's shorter side, 5 cm in a box of 1 m.
PLACES_A_SIDE = 20
# A test is stopped once this many nulls were at least as high (Besag and Clifford 1991).
ENOUGH_ABOVE, BATCH = 20, 50
GOLDEN = (5**0.5 - 1) / 2


def least_shift(path: BinnedPath) -> int:
    """Samples that activity is shifted at least, either way.

    Raises:
        InputError: fewer than 20 samples.
    """
    samples = len(path.bin_index)
    if samples < FEWEST_SAMPLES:
        raise InputError(f"a recording of {samples} samples is too short to be shifted")
    sample_s = path.duration_s / samples
    return max(1, min(round(LEAST_SHIFT_S / sample_s), int(samples * LEAST_SHARE)))


def spread_shifts(path: BinnedPath, count: int) -> Int[np.ndarray, " shift"]:
    """Shifts in samples that fill the range evenly, however many of the first are taken."""
    samples, least = len(path.bin_index), least_shift(path)
    place = (0.5 + GOLDEN * np.arange(count)) % 1.0
    return least + np.floor(place * (samples - 2 * least + 1)).astype(np.int64)


def amount(path: BinnedPath, unit: int) -> Float[np.ndarray, " time"]:
    """Spikes of a unit in each sample, or its activity times seconds, counted from its lowest."""
    if path.activity is None:
        spikes = path.spike_sample[path.spike_start[unit] : path.spike_start[unit + 1]]
        return np.bincount(spikes, minlength=len(path.bin_index)).astype(np.float64)
    activity = path.activity[:, unit]
    return (activity - min(float(activity.min()), 0.0)) * path.seconds


@takes_arrays
def without_place(path: BinnedPath, values: Float[np.ndarray, "row time"]) -> np.ndarray:
    """Values minus their mean at each place, in the bins of `in_larger_bins`.

    A sum of activity times such values is 0 for a cell that depends on place alone, also where
    some places are crossed in one direction or at one speed.

    Args:
        path: the path.
        values: of each sample, in rows; NaN is not known and becomes 0.

    Raises:
        InputError: values of another length than the path.
    """
    place = in_larger_bins(path).bin_index
    if values.shape[1] != len(place):
        raise InputError(f"{values.shape[1]} values do not fit a path of {len(place)} samples")
    out = np.zeros_like(values)
    for row, value in zip(out, values, strict=True):
        known = np.isfinite(value)
        count = np.bincount(place[known], minlength=place.max() + 1)
        mean = np.bincount(place[known], value[known], minlength=len(count)) / np.maximum(count, 1)
        row[known] = value[known] - mean[place[known]]
    return out


def in_larger_bins(path: BinnedPath) -> BinnedPath:
    """The same path in bins of a twentieth of the arena's shorter side, or its own if larger."""
    factor = max(1, min(path.shape) // PLACES_A_SIDE)
    if factor == 1:
        return path
    rows, columns = (-(-n // factor) for n in path.shape)
    y, x = np.divmod(path.bin_index, path.shape[1])
    index = (y // factor) * columns + x // factor
    time = np.bincount(index, path.seconds, minlength=rows * columns).reshape(rows, columns)
    return replace(
        path,
        bin_index=index,
        shape=(rows, columns),
        bin_size_m=path.bin_size_m * factor,
        occupancy_s=time,
        smoothing_bins=path.smoothing_bins / factor,
    )


@dataclass(frozen=True)
class AllShifts:
    r"""Sums of activity times weights at every circular shift, $\sum_t a_t w_{t + s}$.

    Attributes:
        spectra: (row, frequency) `scipy.fft.rfft` of the weights.
        samples: length of the recording.
    """

    spectra: Complex[np.ndarray, "row frequency"]
    samples: int

    @takes_arrays
    def __call__(self, activity: Float[np.ndarray, " time"]) -> Float[np.ndarray, "row shift"]:
        """The sums for the activity of a unit in each sample; shift 0 first."""
        if len(activity) != self.samples:
            raise InputError(f"activity has {len(activity)} samples, the path {self.samples}")
        spectrum = fft.rfft(activity.astype(np.float64, copy=False))
        return fft.irfft(np.conj(spectrum) * self.spectra, self.samples)


@takes_arrays
def p_among(null: Float[np.ndarray, " shift"], observed: float, *, nulls: int) -> float:
    r"""p-value of a statistic among those of all shifts, at the resolution of some of them.

    $$ p = (1 + m f) / (1 + m) $$

    with $f$ the share of shifts that are at least as high and $m$ the number of shifts that count
    as separate: shifts that differ by a sample are hardly two. It is the mean of what $m$ shifts
    drawn at random would give. Beyond all shifts p comes from an exponential tail fitted to the
    highest tenth, as for grid scores.

    Args:
        null: statistic at each shift.
        observed: of the unit.
        nulls: m.
    """
    null = null[np.isfinite(null)]
    if not np.isfinite(observed) or not len(null):
        return float("nan")
    above = float((null >= observed - 1e-12 * abs(observed)).mean())
    p = (1 + nulls * above) / (1 + nulls)
    return p if above else min(p, _beyond(null, observed))


def p_in_turn(
    observed: float, draw: Callable[[int, int], Float[np.ndarray, " null"]], *, nulls: int
) -> float:
    """p-value against nulls drawn a batch at a time, until the answer is plainly no.

    Args:
        observed: statistic of the unit.
        draw: statistics of the nulls from one number to another; NaN counts as lower.
        nulls: the most that are drawn.

    Source: Besag and Clifford 1991.
    """
    if not np.isfinite(observed):
        return float("nan")
    null = np.zeros(0)
    while len(null) < nulls:
        more = draw(len(null), min(len(null) + BATCH, nulls))
        null = np.append(null, np.where(np.isfinite(more), more, -np.inf))
        above = int((null >= observed - 1e-9).sum())
        if above >= ENOUGH_ABOVE:
            break
    p = (1 + above) / (1 + len(null))
    return p if above else min(p, _beyond(null, observed))


def _beyond(null: Float[np.ndarray, " null"], observed: float) -> float:
    """Probability of a statistic beyond all nulls."""
    known = np.sort(null[np.isfinite(null)])
    return max(float(tail(known, np.array([observed]))[0]), SMALLEST_P)
