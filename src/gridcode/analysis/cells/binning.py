"""From a path and the activity along it to rate maps, fast enough for hundreds of shuffles."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

Positions = Float[np.ndarray, "time 2"]
Times = Float[np.ndarray, " time"]
RateMaps = Float[np.ndarray, "unit y x"]

# More bins a side than any recording fills: the positions are in another unit than metres.
MOST_BINS = 1000
# Far beyond any bin, rate or activity; squares of larger or smaller values leave the floats.
BIN_SIZES_M, LARGEST_VALUE, SMALLEST_VALUE = (1e-6, 1e6), 1e30, 1e-30


@dataclass(frozen=True)
class BinnedPath:
    """A path cut into bins, with the activity along it: all that maps and circular shifts need.

    Samples without a known position, or too slow, are left out; the rest follow without gaps.

    Attributes:
        bin_index: (time,) bin of each sample, y * columns + x.
        seconds: (time,) duration of each sample.
        positions_m: (time, 2) x and y of each sample, in the recording's coordinates.
        time_s: (time,) time of each sample.
        speed_m_s: (time,) running speed, over 0.4 s.
        head_direction_deg: (time,) anticlockwise from the x axis, NaN where unknown; None where the
            recording does not have it.
        shape: (rows, columns).
        bin_size_m: side of a bin, metres.
        centre_m: (x, y) of the arena's centre in the coordinates of the positions.
        occupancy_s: (y, x) seconds in each bin, unsmoothed.
        smoothing_bins: width of the Gaussian that maps are smoothed with, in bins.
        min_occupancy_s: bins with less time than this, or none, are NaN.
        activity: (time, unit), or None for spikes.
        spike_sample: sample of every spike, unit after unit; empty for activity.
        spike_start: (unit + 1,) where each unit's spikes begin; empty for activity.
        notes: what was left out, each in one line.
    """

    bin_index: Int[np.ndarray, " time"]
    seconds: Float[np.ndarray, " time"]
    positions_m: Positions
    time_s: Times
    speed_m_s: Times
    head_direction_deg: Times | None
    shape: tuple[int, int]
    bin_size_m: float
    centre_m: tuple[float, float]
    occupancy_s: Float[np.ndarray, "y x"]
    smoothing_bins: float
    min_occupancy_s: float
    activity: Float[np.ndarray, "time unit"] | None
    spike_sample: Int[np.ndarray, " spike"]
    spike_start: Int[np.ndarray, " start"]
    notes: tuple[str, ...]

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.spike_start) - 1 if self.activity is None else self.activity.shape[1]

    @property
    def spikes(self) -> Int[np.ndarray, " unit"] | None:
        """Spikes of each unit that are in the maps; None for activity."""
        return np.diff(self.spike_start) if self.activity is None else None

    @property
    def duration_s(self) -> float:
        """Seconds in the maps."""
        return float(self.seconds.sum())

    @functools.cached_property
    def by_bin(self) -> tuple[Int[np.ndarray, " time"], Int[np.ndarray, " row"]]:
        """Samples in the order of their bins, and where in that order each bin begins."""
        count = np.bincount(self.bin_index, minlength=self.occupancy_s.size)
        return np.argsort(self.bin_index, kind="stable"), np.append(0, np.cumsum(count))


@takes_arrays
def bin_path(
    positions_m: np.ndarray,
    time_s: np.ndarray,
    *,
    activity: np.ndarray | None = None,
    spikes_s: Sequence[np.ndarray] | None = None,
    head_direction_deg: np.ndarray | None = None,
    bin_size_m: float = 0.025,
    arena_m: float | Sequence[float] | None = None,
    smoothing_bins: float = 1.5,
    min_occupancy_s: float = 0.0,
    min_speed_m_s: float = 0.0,
) -> BinnedPath:
    """Cut a path into bins and lay activity or spikes along it.

    A sample lasts half way to its neighbours, and a spike belongs to the nearest sample in time.
    Next to a gap (more than 4 usual intervals) a sample lasts half a usual interval on that side;
    spikes in the gap are left out.

    Args:
        positions_m: (time, 2) x and y in metres; NaN where tracking was lost.
        time_s: (time,) seconds, increasing.
        activity: (time, unit), any unit; samples where a unit is NaN are left out.
        spikes_s: for each unit its spike times in seconds, in any order. Give this or `activity`.
        head_direction_deg: (time,) anticlockwise from the x axis, NaN where unknown.
        bin_size_m: side of a bin.
        arena_m: side of a square arena, (width, height), or its edges (x_min, x_max, y_min, y_max).
            Without edges it is centred on the origin if the path fits there, else on the middle of
            the path. Default: the box that the path fills, without single stray positions.
        smoothing_bins: width of the Gaussian for sums and time, in bins; 0 for none.
        min_occupancy_s: bins with less time are NaN; bins without any always are.
        min_speed_m_s: slower samples, by the distance covered in 0.4 s, are left out.

    Returns:
        The binned path; `rebin` makes maps of it, `split_halves` the maps of two halves.

    Raises:
        InputError: mismatched lengths, times that do not increase, too few or too many bins, no
            samples left, no spike in the recording.
    """
    positions, time = _checked(positions_m, time_s)
    check_bin_size(bin_size_m)
    settings = {"smoothing_bins": smoothing_bins, "min_occupancy_s": min_occupancy_s}
    for name, value in {**settings, "min_speed_m_s": min_speed_m_s}.items():
        if not (value >= 0 and math.isfinite(value)):
            raise InputError(f"{name} must be 0 or more, not {value}")
    if (activity is None) == (spikes_s is None):
        raise InputError("give either activity or spike times along the path")
    notes: list[str] = []
    interval = float(np.median(np.diff(time)))
    if interval > 1.0:
        notes.append(f"samples are {interval:g} s apart: time_s must be in seconds")
    left, right = _spans(time, interval, notes)

    kept = np.isfinite(positions).all(axis=1)
    _count(notes, ~kept, "without a position (tracking lost)")
    if not kept.any():
        raise InputError("no position of the path is known: all are NaN")
    values = None
    if activity is not None:
        given = _checked_activity(activity, len(time))
        values = without_extremes(given, "values of activity", notes, axis=0)
        known = np.isfinite(values).all(axis=1)
        _count(notes, kept & ~known, "with NaN activity")
        kept &= known
    direction = None
    if head_direction_deg is not None:
        direction = head_direction_deg.astype(np.float64, copy=False).reshape(-1)
        if len(direction) != len(time):
            raise InputError(
                f"head_direction_deg has {len(direction)} samples but time_s has {len(time)}"
            )
    with np.errstate(invalid="ignore"):
        speed = speeds(positions, time)
    if min_speed_m_s > 0:
        fast = speed >= min_speed_m_s
        _count(notes, kept & ~fast, f"slower than {min_speed_m_s:g} m/s")
        kept &= fast
    if not kept.any():
        raise InputError(
            "no sample of the path is left: all lack a position or activity, or are too slow"
        )
    origin, shape = _arena(positions[kept], bin_size_m, arena_m)
    place, bins = (positions - origin) / bin_size_m, np.array(shape[::-1])
    # The far walls belong to the last bins; positions beside a wall by rounding stand on it.
    cell = np.where(np.abs(place - bins) < 1e-6, bins - 1, np.floor(place + 1e-6))
    inside = ((cell >= 0) & (cell < bins)).all(axis=1)
    _count(notes, kept & ~inside, "outside of the arena")
    kept &= inside
    if not kept.any():
        raise InputError("no position of the path lies inside the arena")

    centre = origin + bins * bin_size_m / 2
    seconds = (right - left)[kept]
    index = (cell[kept, 1] * shape[1] + cell[kept, 0]).astype(np.int64)
    sample, start = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if spikes_s is not None:
        sample, start = _spike_samples(spikes_s, left, right, kept, notes)
    return BinnedPath(
        bin_index=index,
        seconds=seconds,
        positions_m=positions[kept],
        time_s=time[kept],
        speed_m_s=speed[kept],
        head_direction_deg=None if direction is None else direction[kept] % 360.0,
        shape=shape,
        bin_size_m=bin_size_m,
        centre_m=(float(centre[0]), float(centre[1])),
        occupancy_s=np.bincount(index, seconds, minlength=shape[0] * shape[1]).reshape(shape),
        smoothing_bins=smoothing_bins,
        min_occupancy_s=min_occupancy_s,
        activity=None if values is None else values[kept],
        spike_sample=sample,
        spike_start=start,
        notes=tuple(notes),
    )


def check_bin_size(bin_size_m: float) -> None:
    """Raise an InputError for a bin size that cannot be in metres."""
    low, high = BIN_SIZES_M
    if not low <= bin_size_m <= high:
        raise InputError(
            f"bin_size_m must be positive, between {low:g} and {high:g} m, not {bin_size_m:g}"
        )


@takes_arrays
def without_extremes(
    values: np.ndarray, name: str, notes: list[str], *, axis: int | tuple[int, ...]
) -> np.ndarray:
    """Values whose squares are floats: units that stay below 1e-30 are set to 0, with a note.

    Args:
        values: of all units, NaN where unknown. Not changed.
        name: of the values, for the error.
        notes: a line is added to it.
        axis: all axes but that of the units.

    Raises:
        InputError: a value beyond 1e30.
    """
    peak = np.fmax.reduce(np.abs(values), axis=axis, initial=0.0, keepdims=True)
    if peak.max(initial=0.0) > LARGEST_VALUE:
        raise InputError(
            f"{name} reach {peak.max():.3g}, beyond {LARGEST_VALUE:g}: give them in another unit"
        )
    faint = (peak > 0) & (peak < SMALLEST_VALUE)
    if not faint.any():
        return values
    notes.append(f"{int(faint.sum())} units stay below {SMALLEST_VALUE:g} and count as silent")
    return np.where(faint, 0.0 * values, values)


@takes_arrays
def rebin(
    path: BinnedPath,
    shift_samples: int | np.integer | Int[np.ndarray, "..."] = 0,
    *,
    units: Sequence[int] | Int[np.ndarray, " unit"] | None = None,
    smoothing_bins: float | None = None,
) -> RateMaps:
    r"""Rate maps of a path, with the activity shifted circularly along it.

    $$ r(x) = \frac{\sum_t K(x - x_t)\, n_{t - s}}{\sum_t K(x - x_t)\, \Delta t_t} $$

    with $n$ the spikes of a sample (or activity times $\Delta t$), $s$ the shift and $K$ a
    Gaussian: sums and time are smoothed separately, so that bins count by the time spent there.

    Args:
        path: from `bin_path`.
        shift_samples: activity of sample i moves to sample i + shift, round the end; one number, or
            one for each unit.
        units: units to draw, default all.
        smoothing_bins: instead of the path's own.

    Returns:
        (unit, y, x) in spikes per second or the unit of the activity; NaN where there was less time
        than the path's min_occupancy_s, or none.

    Source: circular shifts as a null: Langston et al. 2010; Wills et al. 2010.
    """
    chosen = (
        np.arange(path.units) if units is None else np.asarray(units, dtype=np.int64).reshape(-1)
    )
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= path.units):
        raise InputError(f"units must lie between 0 and {path.units - 1}")
    shifts = np.asarray(shift_samples)
    if shifts.dtype.kind not in "iu" or shifts.shape not in ((), (len(chosen),)):
        raise InputError(
            f"shift_samples must be one whole number or one for each of the {len(chosen)} units"
        )
    return _draw(path, _sums(path, shifts, chosen, None), path.occupancy_s, smoothing_bins)


def split_halves(
    path: BinnedPath, *, block_s: float | None = 60.0, smoothing_bins: float | None = None
) -> tuple[RateMaps, RateMaps]:
    """Rate maps of two halves of a recording, for `split_half_stability`.

    Args:
        path: from `bin_path`.
        block_s: the halves are the odd and the even blocks of this many seconds, so that slow drift
            affects both alike. Recordings shorter than eight blocks are cut into eight. None: first
            and second half, where drift lowers stability.
        smoothing_bins: instead of the path's own.

    Returns:
        Two arrays (unit, y, x) as from `rebin`. Time counts without gaps and samples left out.
    """
    if block_s is not None and not block_s > 0:
        raise InputError(f"block_s must be positive, not {block_s}")
    length = path.duration_s / 2 if block_s is None else min(block_s, path.duration_s / 8)
    first = ((np.cumsum(path.seconds) - path.seconds / 2) // length) % 2 == 0
    units, still = np.arange(path.units), np.asarray(0)
    halves = []
    for used in (first, ~first):
        occupancy = np.bincount(
            path.bin_index, path.seconds * used, minlength=path.occupancy_s.size
        ).reshape(path.shape)
        halves.append(_draw(path, _sums(path, still, units, used), occupancy, smoothing_bins))
    return halves[0], halves[1]


@takes_arrays
def speeds(positions_m: Positions, time_s: Times, *, window_s: float = 0.4) -> Times:
    """Speed at each sample over a window, m/s, so that jitter of the tracking is not running."""
    interval = float(np.median(np.diff(time_s))) if len(time_s) > 1 else np.nan
    if not interval > 0:
        raise InputError("time_s must hold two times or more, all known, and increase")
    reach = max(1, round(window_s / 2 / interval))
    at = np.arange(len(time_s))
    before, after = np.maximum(at - reach, 0), np.minimum(at + reach, len(at) - 1)
    distance = np.hypot(*(positions_m[after] - positions_m[before]).T)
    return distance / (time_s[after] - time_s[before])


def _sums(
    path: BinnedPath,
    shifts: np.ndarray,
    units: Int[np.ndarray, " unit"],
    used: Bool[np.ndarray, " time"] | None,
) -> RateMaps:
    """Spikes, or activity times seconds, of each unit in each bin, over the samples in use."""
    n, bins = len(path.bin_index), path.occupancy_s.size
    if path.activity is None:
        starts, counts = path.spike_start[units], np.diff(path.spike_start)[units]
        pieces = [path.spike_sample[a : a + c] for a, c in zip(starts, counts, strict=True)]
        sample = np.concatenate(pieces or [path.spike_sample[:0]])
        to = (sample + (shifts if shifts.ndim == 0 else np.repeat(shifts, counts))) % n
        flat = path.bin_index[to] + np.repeat(np.arange(len(units)) * bins, counts)
        flat = flat if used is None else flat[used[to]]
        total = np.bincount(flat, minlength=len(units) * bins).astype(np.float64)
        return total.reshape(len(units), *path.shape)
    weight = path.seconds if used is None else path.seconds * used
    if shifts.ndim:
        total = np.zeros((len(units), bins))
        for row, u, s in zip(total, units, shifts, strict=True):
            row[:] = np.bincount(
                path.bin_index, weight * np.roll(path.activity[:, u], s), minlength=bins
            )
        return total.reshape(len(units), *path.shape)
    order, start = path.by_bin
    where = sparse.csr_array((weight[order], (order - int(shifts)) % n, start), shape=(bins, n))
    every = np.array_equal(units, np.arange(path.units))
    activity = path.activity if every else path.activity[:, units]
    return np.ascontiguousarray((where @ activity).T).reshape(len(units), *path.shape)


def _draw(
    path: BinnedPath,
    total: RateMaps,
    occupancy_s: Float[np.ndarray, "y x"],
    smoothing_bins: float | None,
) -> RateMaps:
    sigma = path.smoothing_bins if smoothing_bins is None else smoothing_bins
    if not (sigma >= 0 and math.isfinite(sigma)):
        raise InputError(f"smoothing_bins must be 0 or more, not {sigma}")
    visited = (occupancy_s > 0) & (occupancy_s >= path.min_occupancy_s)
    time = occupancy_s
    if sigma > 0:
        down, across = (gaussian_weights(bins, sigma) for bins in path.shape)
        total, time = down @ total @ across, down @ time @ across
    return np.where(visited, total / np.where(visited, time, 1.0), np.nan)


@functools.lru_cache(maxsize=32)
def gaussian_weights(bins: int, sigma: float) -> Float[np.ndarray, "bin bin"]:
    """Gaussian weights between the bins of a line, symmetric."""
    offset = np.subtract.outer(np.arange(bins), np.arange(bins)) / sigma
    weights = np.exp(-0.5 * offset**2)
    weights.flags.writeable = False
    return weights


def _count(notes: list[str], out: Bool[np.ndarray, " time"], what: str) -> None:
    if out.any():
        notes.append(f"{int(out.sum())} of {len(out)} samples left out: {what}")


def _checked(positions_m: np.ndarray, time_s: np.ndarray) -> tuple[Positions, Times]:
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


def _checked_activity(activity: np.ndarray, samples: int) -> Float[np.ndarray, "time unit"]:
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


def _spans(time: Times, interval: float, notes: list[str]) -> tuple[Times, Times]:
    """Begin and end of each sample; longer than four usual intervals between two is a gap."""
    between = np.diff(time)
    gap = between > 4.0 * interval
    if gap.any():
        notes.append(
            f"{int(gap.sum())} gaps in time_s, {between[gap].sum():g} s in all, belong to no bin"
        )
    half = np.where(gap, interval, between) / 2
    return time - np.append(interval / 2, half), time + np.append(half, interval / 2)


def _arena(
    positions: Positions, bin_size_m: float, arena_m: float | Sequence[float] | None
) -> tuple[Float[np.ndarray, " 2"], tuple[int, int]]:
    """Lower left corner of the bins, and (rows, columns)."""
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


def _spike_samples(
    spikes_s: Sequence[np.ndarray],
    left: Times,
    right: Times,
    kept: Bool[np.ndarray, " time"],
    notes: list[str],
) -> tuple[Int[np.ndarray, " spike"], Int[np.ndarray, " start"]]:
    """Among the samples kept, the nearest in time to every spike, and where each unit begins."""
    if not len(spikes_s):
        raise InputError("there are no units")
    each = [spikes.astype(np.float64, copy=False).reshape(-1) for spikes in spikes_s]
    counts, spikes = np.array([len(unit) for unit in each]), np.concatenate(each)
    unit = np.repeat(np.arange(len(each)), counts)
    outside = ~((spikes >= left[0]) & (spikes < right[-1]))
    if len(spikes) and outside.all():
        raise InputError(
            f"none of the {len(spikes)} spikes lies in the recording ({left[0]:g} to "
            f"{right[-1]:g} s): spikes and positions need one clock, in seconds"
        )
    total = len(spikes)
    if outside.any():
        notes.append(
            f"{int(outside.sum())} of {total} spikes left out: before or after the recording"
        )
    spikes, unit = spikes[~outside], unit[~outside]
    nearest = np.clip(np.searchsorted(left, spikes, side="right") - 1, 0, len(left) - 1)
    good = kept[nearest] & (spikes < right[nearest])
    if not good.all():
        notes.append(
            f"{int((~good).sum())} of {total} spikes left out: "
            "at samples left out or in gaps of the path"
        )
    sample = (np.cumsum(kept) - 1)[nearest[good]]
    return sample, np.append(0, np.cumsum(np.bincount(unit[good], minlength=len(each))))
