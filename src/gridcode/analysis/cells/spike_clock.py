"""Spikes and positions on one clock: which sample each spike belongs to, and what may be wrong."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

Times = Float[np.ndarray, " time"]

UNITS = {1e3: "milliseconds: divide by 1000", 1e6: "microseconds: divide by 1,000,000"}
# Usual sampling rates of recording systems, in hertz.
SAMPLING_HZ = (20000, 24000, 24414.0625, 25000, 30000, 32000, 32556, 40000, 48000, 96000)
# A silence at an end of the recording is named if it lasts this share of the recording and this
# many times the longest pause elsewhere.
QUIET_SHARE, QUIET_PAUSES = 0.05, 2.0
FEWEST_SPIKES = 20


@takes_arrays
def on_position_clock(spikes: Sequence[np.ndarray], clock: tuple[float, float]) -> list[np.ndarray]:
    """Spike times in seconds of the positions' clock, offset + rate * t.

    Args:
        spikes: spike times t of each unit on their own clock, in any unit.
        clock: (offset, rate): the positions' time, in seconds, when the spikes' clock shows 0; and
            the seconds that pass in one unit of the spikes' clock.

    Raises:
        InputError: not two finite numbers, or a rate that is not positive.
    """
    pair = doubles(clock, "spike_clock").reshape(-1)
    if len(pair) != 2 or not np.isfinite(pair).all() or not pair[1] > 0:
        raise InputError("spike_clock must be (offset in seconds, rate above 0)")
    return [pair[0] + pair[1] * times.reshape(-1).astype(np.float64) for times in spikes]


@takes_arrays
def spike_samples(
    spikes_s: Sequence[np.ndarray],
    left: Times,
    right: Times,
    kept: Bool[np.ndarray, " time"],
    notes: list[str],
) -> tuple[Int[np.ndarray, " spike"], Int[np.ndarray, " start"]]:
    """Among the samples kept, the nearest in time to every spike, and where each unit begins.

    Args:
        spikes_s: spike times of each unit, in any order.
        left: (time,) when each sample begins.
        right: (time,) when each sample ends.
        kept: (time,) samples of the maps.
        notes: what was left out is added to it.

    Raises:
        InputError: most spikes lie outside of the recording.
    """
    if not len(left):
        raise InputError("the path has no samples")
    if not len(spikes_s):
        raise InputError("there are no units")
    each = [spikes.astype(np.float64, copy=False).reshape(-1) for spikes in spikes_s]
    counts, spikes = np.array([len(unit) for unit in each]), np.concatenate(each)
    unit = np.repeat(np.arange(len(each)), counts)
    total, begin, end = len(spikes), float(left[0]), float(right[-1])
    outside = ~((spikes >= begin) & (spikes < end))
    out = int(outside.sum())
    if 2 * out > total:
        raise InputError(
            f"{out} of {total} spikes lie outside of the recording ({begin:g} to {end:g} s): "
            + _likely_clock(spikes, begin, end)
        )
    if out:
        notes.append(f"{out} of {total} spikes left out: before or after the recording")
    spikes, unit = spikes[~outside], unit[~outside]
    notes += _quiet_ends(spikes, begin, end)
    nearest = np.clip(np.searchsorted(left, spikes, side="right") - 1, 0, len(left) - 1)
    good = kept[nearest] & (spikes < right[nearest])
    if not good.all():
        notes.append(
            f"{int((~good).sum())} of {total} spikes left out: "
            "at samples left out or in gaps of the path"
        )
    sample = (np.cumsum(kept) - 1)[nearest[good]]
    return sample, np.append(0, np.cumsum(np.bincount(unit[good], minlength=len(each))))


def _likely_clock(spikes: np.ndarray, begin: float, end: float) -> str:
    """What spikes that mostly lie outside were probably measured in."""
    first, last = np.quantile(spikes, [0.001, 0.999])
    span = {by: (last - first) / by / (end - begin) for by in (1.0, *UNITS, *SAMPLING_HZ)}
    # Of the units that put the spikes into the recording, the one with which they fill it best.
    fits = {
        by: share
        for by, share in span.items()
        if share > 0.3 and np.mean((spikes / by >= begin) & (spikes / by < end)) > 0.95
    }
    if fits:
        by = max(fits, key=lambda by: fits[by])
        unit = UNITS.get(by, f"sample numbers (at about {by:g} Hz): divide by the sampling rate")
        return f"spike_times_s look like {unit}"
    elsewhere = [by for by in (1.0, *UNITS) if 0.5 < span[by] < 1.02]
    if elsewhere:
        by = elsewhere[0]
        unit = "s" if by == 1.0 else UNITS[by].split(":")[0]
        return (
            f"they run from {first:.10g} to {last:.10g} {unit}, about as long as the recording: "
            "do the clocks of spikes and positions start at one time?"
        )
    return "spikes and positions need one clock, in seconds; leave out spikes of other sessions"


def _quiet_ends(spikes: np.ndarray, begin: float, end: float) -> list[str]:
    """Notes on long silences before the first or after the last spike."""
    if len(spikes) < FEWEST_SPIKES:
        return []
    inside = np.sort(spikes)
    least = max(QUIET_SHARE * (end - begin), QUIET_PAUSES * float(np.diff(inside).max()))
    quiet = {"first": inside[0] - begin, "last": end - inside[-1]}
    return [
        f"no spikes in the {which} {length:.3g} s of the recording ({end - begin:.4g} s): "
        "do the clocks of spikes and positions agree?"
        for which, length in quiet.items()
        if length > least
    ]
