"""A recording cut into short windows, and the windows into folds for cross-validation."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.errors import InputError

DEFAULT_WINDOW_S = 0.5
# Long against the time in which an animal forgets where it was, short against drift.
BLOCK_S = 60.0
# Each fold has this many blocks at least, so that no fold is one part of the session.
FEWEST_BLOCKS = 2
FEWEST_WINDOWS = 10


@dataclass(frozen=True)
class Windows:
    """Windows of equal length, and the fold of each.

    Attributes:
        sample_window: (time,) window of each sample of the path; -1 in windows left out.
        seconds: (window,) time in each that the path knows.
        time_s: (window,) mean time.
        positions_m: (window, 2) mean position.
        middle: (window,) the sample in the middle of each.
        fold: (window,) 0 to `folds` - 1.
        folds: number of folds.
        window_s: length of a window.
        notes: what was left out, each in one line.
    """

    sample_window: Int[np.ndarray, " time"]
    seconds: Float[np.ndarray, " window"]
    time_s: Float[np.ndarray, " window"]
    positions_m: Float[np.ndarray, "window 2"]
    middle: Int[np.ndarray, " window"]
    fold: Int[np.ndarray, " window"]
    folds: int
    window_s: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.seconds)


def cut_windows(path: BinnedPath, *, window_s: float | None, folds: int) -> Windows:
    """Cut a path into windows, and the windows into folds that are interleaved in time.

    The session is cut into blocks of about a minute, at least two of each fold, and block i belongs
    to fold i modulo `folds`: each fold samples the whole session, and slow drift is in all alike.
    Windows of which the path knows less than half, as in gaps, are left out.

    Args:
        path: from `bin_path`.
        window_s: length of a window; None: 0.5 s, or one sample where samples are longer.
        folds: number of folds.

    Raises:
        InputError: windows shorter than the samples of the path, fewer than two folds, or a session
            too short for them.
    """
    sample_s = float(np.median(path.seconds))
    length = max(DEFAULT_WINDOW_S, sample_s) if window_s is None else window_s
    if not (length > 0 and math.isfinite(length)):
        raise InputError(f"window_s must be positive, not {length:g}")
    if length < 0.999 * sample_s:
        raise InputError(
            f"windows of {length:g} s are shorter than the {sample_s:g} s between samples"
        )
    if folds < 2 or folds % 1:
        raise InputError(f"cross-validation needs a whole number of folds, 2 or more, not {folds}")
    since_start = path.time_s - path.time_s[0] + path.seconds[0] / 2
    _, window = np.unique(np.floor(since_start / length), return_inverse=True)
    known = np.bincount(window, path.seconds) >= length / 2
    count = int(known.sum())
    if count < folds * FEWEST_WINDOWS:
        raise InputError(
            f"the path fills {count} windows of {length:g} s; {folds} folds need "
            f"{folds * FEWEST_WINDOWS} or more: take a longer session, shorter windows or "
            "fewer folds"
        )
    number = np.where(known, np.cumsum(known) - 1, -1)[window]
    used = number >= 0
    seconds = np.bincount(number[used], path.seconds[used])

    def mean(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, " window"]:
        return np.bincount(number[used], (values * path.seconds)[used]) / seconds

    ends = np.searchsorted(number[used], np.arange(count + 1))
    blocks = folds * max(FEWEST_BLOCKS, round(count * length / BLOCK_S / folds))
    out = len(known) - count
    return Windows(
        sample_window=number,
        seconds=seconds,
        time_s=mean(path.time_s),
        positions_m=np.stack([mean(path.positions_m[:, i]) for i in (0, 1)], axis=1),
        middle=np.flatnonzero(used)[(ends[:-1] + ends[1:]) // 2],
        fold=np.arange(count) * blocks // count % folds,
        folds=folds,
        window_s=length,
        notes=(f"{out} windows left out: less than half of each is known",) if out else (),
    )
