"""What a path must be before it is cut into bins: its arrays, its gaps and its arena."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

Positions = Float[np.ndarray, "time 2"]
Times = Float[np.ndarray, " time"]

# More bins a side than any recording fills: the positions are in another unit than metres.
MOST_BINS = 1000


@takes_arrays
def count_left_out(notes: list[str], out: Bool[np.ndarray, " time"], what: str) -> None:
    """Add a line on the samples left out, if there are any."""
    if out.any():
        notes.append(f"{int(out.sum())} of {len(out)} samples left out: {what}")


@takes_arrays
def checked_path(positions_m: np.ndarray, time_s: np.ndarray) -> tuple[Positions, Times]:
    """A path's arrays in double precision; both coordinates are NaN where one is."""
    positions, time = (a.astype(np.float64, copy=False) for a in (positions_m, time_s))
    if time.ndim == 2 and 1 in time.shape:
        time = time.reshape(-1)
    if time.ndim != 1:
        raise InputError(f"time_s must be (time,), not {time.shape}")
    if positions.ndim != 2 or positions.shape[1] != 2:
        hint = "; transpose it" if positions.ndim == 2 and positions.shape[0] == 2 else ""
        raise InputError(f"positions_m must be (time, 2), not {positions.shape}{hint}")
    if len(positions) != len(time):
        raise InputError(f"positions_m has {len(positions)} samples but time_s has {len(time)}")
    if len(time) < 2:
        raise InputError(f"a path needs at least 2 samples, not {len(time)}")
    if not np.isfinite(time).all():
        raise InputError(f"time_s holds {int((~np.isfinite(time)).sum())} NaN or infinite values")
    back = np.flatnonzero(np.diff(time) <= 0)
    if len(back):
        i = int(back[0]) + 1
        raise InputError(
            f"time_s must increase, but sample {i} ({time[i]:g} s) does not come after "
            f"sample {i - 1} ({time[i - 1]:g} s)"
        )
    # A position with one coordinate is not known.
    lost = np.isnan(positions).any(axis=1, keepdims=True)
    return np.where(lost, np.nan, positions), time


@takes_arrays
def checked_activity(activity: np.ndarray, samples: int) -> Float[np.ndarray, "time unit"]:
    """Activity along a path as (time, unit), of units that are known at some time."""
    values = activity.astype(np.float64, copy=False)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise InputError(f"activity must be (time, unit), not {values.shape}")
    if len(values) != samples:
        hint = "; transpose it" if values.shape[1] == samples else ""
        raise InputError(f"activity has {len(values)} samples but time_s has {samples}{hint}")
    if values.shape[1] == 0:
        raise InputError("activity has no units")
    empty = np.flatnonzero(np.isnan(values).all(axis=0))
    if len(empty):
        raise InputError(f"activity of unit {int(empty[0])} is NaN throughout: leave the unit out")
    return values


@takes_arrays
def sample_spans(time: Times, interval: float, notes: list[str]) -> tuple[Times, Times]:
    """Begin and end of each sample; longer than four usual intervals between two is a gap."""
    between = np.diff(time)
    gap = between > 4.0 * interval
    if gap.any():
        notes.append(
            f"{int(gap.sum())} gaps in time_s, {between[gap].sum():g} s in all, belong to no bin"
        )
    half = np.where(gap, interval, between) / 2
    return time - np.append(interval / 2, half), time + np.append(half, interval / 2)


@takes_arrays
def bins_of_arena(
    positions: Positions, bin_size_m: float, arena_m: float | Sequence[float] | None
) -> tuple[Float[np.ndarray, " 2"], tuple[int, int]]:
    """Lower left corner of the bins, and (rows, columns)."""
    positions = positions[np.isfinite(positions).all(axis=1)]
    if not len(positions):
        raise InputError("no position of the path is known")
    # Far beyond the outermost thousandth, positions are errors of the tracking.
    low, high = np.quantile(positions, [0.001, 0.999], axis=0)
    margin = 0.1 * (high - low)
    near = ((positions >= low - margin) & (positions <= high + margin)).all(axis=1)
    low, high = positions[near].min(axis=0), positions[near].max(axis=0)
    centre, side = (low + high) / 2, high - low
    if arena_m is not None:
        given = doubles(arena_m, "arena_m").reshape(-1)
        if len(given) not in (1, 2, 4) or not np.isfinite(given).all():
            raise InputError(
                "arena_m must be a side, (width, height) or (x_min, x_max, y_min, y_max)"
            )
        if len(given) == 4:
            centre, side = (given[::2] + given[1::2]) / 2, given[1::2] - given[::2]
        else:
            side = np.broadcast_to(given, 2)
            if (np.abs(np.stack([low, high])) <= side / 2 + bin_size_m / 2).all():
                centre = np.zeros(2)
        if not (side > 0).all():
            raise InputError(
                f"the sides of the arena must be positive, not {side[0]:g} x {side[1]:g} m"
            )
    bins = np.ceil(side / bin_size_m - 1e-6)
    what = f"{side[0]:g} x {side[1]:g} m" + (" (the extent of the path)" if arena_m is None else "")
    if bins.min() < 3:
        raise InputError(f"an arena of {what} has fewer than 3 bins of {bin_size_m:g} m a side")
    if bins.max() > MOST_BINS:
        raise InputError(
            f"an arena of {what} has more than {MOST_BINS} bins of {bin_size_m:g} m a side: "
            "are positions_m in metres?"
        )
    return centre - bins * bin_size_m / 2, (int(bins[1]), int(bins[0]))


@takes_arrays
def checked_intervals(intervals_s: np.ndarray, time: Times) -> Bool[np.ndarray, " time"]:
    """Which samples lie in any of the intervals (interval, 2), both ends included."""
    given = doubles(intervals_s, "intervals_s")
    given = given[None] if given.shape == (2,) else given
    if given.ndim != 2 or given.shape[1] != 2 or not len(given):
        raise InputError(f"intervals_s must be (interval, 2), not {given.shape}")
    if not (given[:, 0] < given[:, 1]).all():
        raise InputError("each of intervals_s must begin before it ends")
    inside = np.zeros(len(time), dtype=bool)
    for begin, end in given:
        inside |= (time >= begin) & (time <= end)
    if not inside.any():
        raise InputError(
            f"intervals_s hold no sample of the recording ({time[0]:g} to {time[-1]:g} s)"
        )
    return inside
