"""Values that come with their own times, put on the clock of the path."""

import numpy as np
from scipy import sparse

from gridcode.errors import InputError


def same_times(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether times agree within a microsecond."""
    return len(first) == len(second) and np.allclose(first, second, rtol=0, atol=1e-6)


def nearest(values: np.ndarray, from_s: np.ndarray, to_s: np.ndarray) -> np.ndarray:
    """Each sample's nearest value in time; NaN beyond one and a half intervals.

    Args:
        values: (from, ...) any.
        from_s: (from,) their times, increasing.
        to_s: (to,) the times wanted.

    Raises:
        InputError: times that do not increase or do not fit the values.
    """
    _check_times(values, from_s)
    if len(from_s) == 1:
        at = np.zeros(len(to_s), dtype=np.int64)
        reach = np.inf
    else:
        at = np.clip(np.searchsorted((from_s[1:] + from_s[:-1]) / 2, to_s), 0, len(from_s) - 1)
        reach = 1.5 * float(np.median(np.diff(from_s)))
    found = values[at].astype(np.float64)
    found[np.abs(from_s[at] - to_s) > reach] = np.nan
    return found


def resampled(values: np.ndarray, from_s: np.ndarray, to_s: np.ndarray) -> np.ndarray:
    """Activity at the samples of the path: the mean of a sample's frames, else the nearest frame.

    Args:
        values: (frame, unit).
        from_s: (frame,) their times, increasing.
        to_s: (time,) of the path, increasing.

    Raises:
        InputError: times that do not increase or do not fit the values, or clocks without overlap.
    """
    if same_times(from_s, to_s):
        return values
    found = nearest(values, from_s, to_s)
    if np.isnan(found).all():
        raise InputError(
            f"activity runs from {from_s[0]:g} to {from_s[-1]:g} s and the path from {to_s[0]:g} "
            f"to {to_s[-1]:g} s: they need one clock, in seconds"
        )
    middle = (to_s[1:] + to_s[:-1]) / 2
    sample = np.searchsorted(middle, from_s)
    step = float(np.median(np.diff(to_s))) if len(to_s) > 1 else np.inf
    inside = np.abs(from_s - to_s[sample]) <= step
    frames = np.flatnonzero(inside)
    count = np.bincount(sample[inside], minlength=len(to_s))
    if count.max(initial=0) > 1:
        sums = sparse.csr_array(
            (np.ones(len(frames)), (sample[inside], frames)), shape=(len(to_s), len(from_s))
        )
        several = count > 1
        found[several] = (sums @ values)[several] / count[several, None]
    return found


def _check_times(values: np.ndarray, from_s: np.ndarray) -> None:
    if len(values) != len(from_s):
        raise InputError(f"activity has {len(values)} samples but {len(from_s)} times")
    if not len(from_s) or not np.isfinite(from_s).all() or (np.diff(from_s) <= 0).any():
        raise InputError("the times of the activity or the direction must increase")
