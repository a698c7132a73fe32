"""Head direction: rate by direction, mean vector, and whether direction matters beyond place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.shift_tests import (
    AllShifts,
    amount,
    check_nulls,
    least_shift,
    p_among,
    without_place,
)
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

DIRECTION_BINS = 36
BIN_DEG = 360.0 / DIRECTION_BINS
DIRECTIONS_DEG = (np.arange(DIRECTION_BINS) + 0.5) * BIN_DEG
SMOOTHING_DEG = 10.0
# An animal that hardly moves has no movement direction.
WINDOW_S, SLOWEST_M_S = 0.4, 0.02


@dataclass(frozen=True)
class DirectionTuning:
    """Tuning of each unit to direction; NaN where it could not be measured.

    Attributes:
        curve: (unit, direction) rate at DIRECTIONS_DEG: spikes per second, or the activity's unit;
            NaN where the animal never looked.
        mean_vector_length: (unit,) 0 for no tuning, 1 for activity in one direction alone.
        preferred_direction_deg: (unit,) direction of the mean vector, 0 to 360, anticlockwise from
            the x axis.
        p_value: (unit,) against circular shifts, what place explains left out.
        reason: (unit,) why the numbers are missing, or "".
    """

    curve: Float[np.ndarray, "unit direction"]
    mean_vector_length: Float[np.ndarray, " unit"]
    preferred_direction_deg: Float[np.ndarray, " unit"]
    p_value: Float[np.ndarray, " unit"]
    reason: tuple[str, ...]


@takes_arrays
def mean_vectors(
    curves: Float[np.ndarray, "unit direction"],
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    r"""Length and direction of the mean vector of tuning curves.

    $$ R e^{i \varphi} = \sum_b r_b e^{i \theta_b} / \sum_b r_b $$

    Args:
        curves: rate in bins of equal width round the circle from 0 degrees, anticlockwise; NaN in
            any bin makes both results NaN.

    Returns:
        Lengths (unit,), and directions (unit,) in degrees from 0 to 360, NaN for length 0.

    Raises:
        InputError: negative rates.

    Source: Mardia and Jupp 2000; for head direction cells Taube et al. 1990.
    """
    rates = curves.astype(np.float64, copy=False)
    if (rates < 0).any():
        raise InputError("a mean vector needs rates of 0 or more: count them from their lowest")
    bins = rates.shape[1]
    total = rates.sum(axis=1)
    vector = rates @ np.exp(2j * np.pi * (np.arange(bins) + 0.5) / bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        vector = np.where(total > 0, vector / total, np.nan)
    # Equal rates leave a vector of rounding errors, which points nowhere.
    length = np.where(np.abs(vector) < 1e-12, 0.0 * np.abs(vector), np.abs(vector))
    angle = np.degrees(np.angle(vector)) % 360.0
    return length, np.where(length > 0, angle, np.nan)


@takes_arrays
def movement_directions(
    positions_m: Float[np.ndarray, "time 2"], time_s: Float[np.ndarray, " time"]
) -> Float[np.ndarray, " time"]:
    """Direction of movement over 0.4 s, degrees from 0 to 360; NaN below 0.02 m/s and in gaps.

    Where the head was not tracked it can stand in for head direction, but is not the same: animals
    look about while they run (Raudies et al. 2015).

    Args:
        positions_m: (time, 2) x and y in metres.
        time_s: (time,) seconds, increasing.
    """
    if len(time_s) < 2 or not (np.diff(time_s) > 0).all():
        raise InputError("time_s must hold two times or more, all known, and increase")
    reach = max(1, round(WINDOW_S / 2 / float(np.median(np.diff(time_s)))))
    at = np.arange(len(time_s))
    before, after = np.maximum(at - reach, 0), np.minimum(at + reach, len(at) - 1)
    step, took = positions_m[after] - positions_m[before], time_s[after] - time_s[before]
    usual = 2.0 * reach * float(np.median(np.diff(time_s)))
    known = (np.hypot(*step.T) >= SLOWEST_M_S * took) & (took <= 2.0 * usual)
    return np.where(known, np.degrees(np.arctan2(step[:, 1], step[:, 0])) % 360.0, np.nan)


@takes_arrays
def direction_tuning(
    path: BinnedPath, direction_deg: Float[np.ndarray, " time"], *, nulls: int = 500
) -> DirectionTuning:
    r"""Rate by direction, mean vector and p-value of each unit.

    $$ r_b = \frac{\sum_{b'} K_{b - b'} n_{b'}}{\sum_{b'} K_{b - b'} T_{b'}} $$

    with $n$ the spikes and $T$ the seconds in 36 bins of 10 degrees and $K$ a circular Gaussian
    with a standard deviation of 10 degrees.

    The p-value is of the same mean vector after the part that place explains is taken out, against
    all circular shifts of the activity from 20 s on: each spike counts with the vector of its
    direction minus the mean vector of its place. Otherwise a place cell whose field is crossed in
    some directions more often than in others would pass.

    Args:
        path: from `bin_path`.
        direction_deg: of each sample of the path, degrees anticlockwise from the x axis; NaN where
            unknown.
        nulls: shifts that count as separate ones, see `shift_tests.p_among`.

    Raises:
        InputError: directions of another length, or a recording of fewer than 20 samples.

    Source: Taube et al. 1990; head direction cells of entorhinal cortex: Sargolini et al. 2006;
    place as a cause of apparent tuning: Muller et al. 1994.
    """
    check_nulls(nulls)
    samples, least = len(path.bin_index), least_shift(path)
    if len(direction_deg) != samples:
        raise InputError(f"{len(direction_deg)} directions do not fit a path of {samples} samples")
    known = np.isfinite(direction_deg)
    bin_ = np.floor(direction_deg[known] % 360.0 / BIN_DEG).astype(np.intp) % DIRECTION_BINS
    time = np.bincount(bin_, path.seconds[known], minlength=DIRECTION_BINS)
    kernel = _circular_kernel()
    smoothed_time = kernel @ time
    curve = np.full((path.units, DIRECTION_BINS), np.nan)
    p_value = np.full(path.units, np.nan)
    whole = bool((time > 0).all())
    if whole:
        # The vector of each sample: the smoothed, occupancy-normalised curve is linear in spikes.
        vector = (np.exp(1j * np.radians(DIRECTIONS_DEG)) / smoothed_time) @ kernel
        weights = np.full((2, samples), np.nan)
        weights[:, known] = vector.real[bin_], vector.imag[bin_]
        shifted = AllShifts(fft.rfft(without_place(path, weights)), samples)
    for u in range(path.units):
        activity = amount(path, u)
        count = kernel @ np.bincount(bin_, activity[known], minlength=DIRECTION_BINS)
        curve[u] = np.where(time > 0, count / np.where(time > 0, smoothed_time, 1.0), np.nan)
        if whole and activity.min() < activity.max():
            sums = np.hypot(*shifted(activity))
            p_value[u] = p_among(sums[least : samples - least + 1], float(sums[0]), nulls=nulls)
    length, preferred = mean_vectors(curve)
    # A unit without activity, or with the same at all times, has no direction.
    missing = np.isnan(p_value)
    where = f"only {int((time > 0).sum())} of {DIRECTION_BINS} directions were visited"
    return DirectionTuning(
        curve=curve,
        mean_vector_length=np.where(missing, np.nan, length),
        preferred_direction_deg=np.where(missing, np.nan, preferred),
        p_value=p_value,
        reason=tuple(("constant" if whole else where) if m else "" for m in missing),
    )


def _circular_kernel() -> Float[np.ndarray, "bin bin"]:
    apart = np.abs(np.subtract.outer(np.arange(DIRECTION_BINS), np.arange(DIRECTION_BINS)))
    apart = np.minimum(apart, DIRECTION_BINS - apart) * BIN_DEG
    weights = np.exp(-0.5 * (apart / SMOOTHING_DEG) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)
