"""Position decoded from recorded cells: the error on held-out data, against chance."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gridcode import display
from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.nulls import shifts
from gridcode.analysis.position.places import Places, arena_places, unit_cell_places
from gridcode.analysis.position.readout import lay, most_probable_bins
from gridcode.analysis.position.windows import Windows, cut_windows
from gridcode.analysis.records.position import PositionRecord
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FEWEST_SHIFTS, MOST_SHIFTS = 19, 10**6
# Distances held at once while the best constant place is sought.
BLOCK = 2**20


@dataclass(frozen=True, repr=False)
class Decoding:
    """Positions decoded from cells, each with rates learnt from other parts of the session.

    For a module (`vectors_m`) the place is decoded up to a lattice vector: `decoded_m` is the place
    of the decoded phase nearest to the true position, and the error is at most about 0.58 of the
    spacing.

    Attributes:
        time_s: (window,) mean time of each window.
        positions_m: (window, 2) true position, mean over the window.
        decoded_m: (window, 2) the most probable place.
        error_m: (window,) distance between the two.
        fold: (window,) fold of each window; its rates come from the other folds.
        fold_median_m: (fold,) median error of each fold.
        constant_m: median error of always guessing one place, the best for these windows.
        shifted_m: (shift,) median error when the activity is shifted circularly along the path, and
            all is learnt and decoded again.
        units: the units used.
        window_s: length of a window.
        kind: `spikes` or `activity`.
        vectors_m: (2, 2) lattice vectors of the module, metres; None: decoded in the arena.
        module: index of the module, None for the arena.
        notes: what was left out, each in one line.
    """

    time_s: Float[np.ndarray, " window"]
    positions_m: Float[np.ndarray, "window 2"]
    decoded_m: Float[np.ndarray, "window 2"]
    error_m: Float[np.ndarray, " window"]
    fold: Int[np.ndarray, " window"]
    fold_median_m: Float[np.ndarray, " fold"]
    constant_m: float
    shifted_m: Float[np.ndarray, " shift"]
    units: tuple[int | str, ...]
    window_s: float
    kind: str
    vectors_m: Float[np.ndarray, "2 2"] | None = None
    module: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def median_error_m(self) -> float:
        """Median error over windows, metres."""
        return float(np.median(self.error_m))

    @property
    def chance_m(self) -> float:
        """Median over shifts of the median error, metres."""
        return float(np.median(self.shifted_m))

    @property
    def p_value(self) -> float:
        """Share of shifts, this session counted in, whose median error is as small or smaller."""
        as_small = int((self.shifted_m <= self.median_error_m + 1e-12).sum())
        return (1 + as_small) / (1 + len(self.shifted_m))

    @property
    def summary(self) -> PositionRecord:
        """The numbers, ready for JSON."""
        low, high = np.quantile(self.shifted_m, [0.05, 0.95])
        return PositionRecord.of(self, windows=len(self.error_m), chance_5_95_m=(low, high))

    def __repr__(self) -> str:
        what = "Decoding" if self.module is None else f"Decoding of module {self.module}"
        return (
            f"{what}({len(self.units)} units, {len(self.error_m)} windows of {self.window_s:g} s: "
            f"median error {self.median_error_m:.3f} m, chance {self.chance_m:.3f} m, "
            f"p {self.p_value:.2g})"
        )

    def _repr_html_(self) -> str:
        place = "position" if self.module is None else f"phase in module {self.module}"
        rows = {
            "median error": f"{self.median_error_m:.3f} m",
            "chance (activity shifted)": f"{self.chance_m:.3f} m",
            "one constant guess": f"{self.constant_m:.3f} m",
            "p": f"{self.p_value:.2g}",
            "by fold": ", ".join(f"{m:.3f}" for m in self.fold_median_m) + " m",
            "windows": f"{len(self.error_m)} of {self.window_s:g} s",
            "units": f"{len(self.units)}, {self.kind}",
            "notes": "; ".join(self.notes) or "-",
        }
        return display.table(f"Decoded {place}", rows)


@takes_arrays
def decode_path(
    path: BinnedPath,
    *,
    units: Int[np.ndarray, " unit"],
    names: tuple[int | str, ...],
    vectors_m: Float[np.ndarray, "2 2"] | None = None,
    module: int | None = None,
    window_s: float | None = None,
    folds: int = 5,
    null_shifts: int = 99,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Decoding:
    """Decode the position of every window from units, by rates learnt from the other folds.

    Args:
        path: from `bin_path`, with spikes or activity.
        units: units to decode from, as places in the path.
        names: names of these units.
        vectors_m: decode the phase on this lattice; None: the place in the arena.
        module: index of the module whose lattice it is.
        window_s: length of a window; None: 0.5 s, or one sample where samples are longer.
        folds: number of folds.
        null_shifts: circular shifts of the activity against the path, for chance.
        seed: of the shifts.
        progress: called with (decodings done, decodings).

    Raises:
        InputError: no units or activity, too short a session, or settings that make no sense.
    """
    if not FEWEST_SHIFTS <= null_shifts <= MOST_SHIFTS or null_shifts % 1:
        raise InputError(
            f"chance needs {FEWEST_SHIFTS} to {MOST_SHIFTS} circular shifts, not {null_shifts}"
        )
    if not len(units) or units.min() < 0 or units.max() >= path.units:
        raise InputError(f"units must be some of the {path.units} units of the path")
    windows = cut_windows(path, window_s=window_s, folds=folds)
    places = arena_places(path) if vectors_m is None else unit_cell_places(path, vectors_m)
    laid = lay(path, units)
    notes = [*windows.notes, *_silent(path, units)]
    samples = len(path.time_s)
    drawn = shifts(
        samples,
        null_shifts,
        sample_s=path.duration_s / samples,
        generator=np.random.default_rng([seed, 31]),
    )

    def decoded(shift: int) -> Float[np.ndarray, "window 2"]:
        found = most_probable_bins(laid.shifted(shift) if shift else laid, places, windows)
        return places.nearest(found, windows.positions_m)

    best = decoded(0)
    error = _distance(best, windows)
    shifted = np.empty(null_shifts)
    for k, shift in enumerate(drawn):
        if progress:
            progress(k + 1, null_shifts + 1)
        shifted[k] = np.median(_distance(decoded(int(shift)), windows))
    if progress:
        progress(null_shifts + 1, null_shifts + 1)
    return Decoding(
        time_s=windows.time_s,
        positions_m=windows.positions_m,
        decoded_m=best,
        error_m=error,
        fold=windows.fold,
        fold_median_m=np.array([np.median(error[windows.fold == f]) for f in range(folds)]),
        constant_m=_best_constant(places, windows),
        shifted_m=shifted,
        units=names,
        window_s=windows.window_s,
        kind="spikes" if path.activity is None else "activity",
        vectors_m=places.vectors_m,
        module=module,
        notes=tuple(notes),
    )


def _silent(path: BinnedPath, units: Int[np.ndarray, " unit"]) -> list[str]:
    """A note of the units that say nothing; an error where none says anything."""
    if path.activity is None:
        silent = np.diff(path.spike_start)[units] == 0
        what = "without spikes on the path"
    else:
        silent = np.ptp(path.activity[:, units], axis=0) == 0
        what = "of constant activity"
    if silent.all():
        raise InputError(f"there is nothing to decode from: all {len(units)} units are {what}")
    count = int(silent.sum())
    return [f"{count} of {len(units)} units are {what} and say nothing"] if count else []


def _distance(decoded: Float[np.ndarray, "window 2"], windows: Windows) -> np.ndarray:
    return np.hypot(*(decoded - windows.positions_m).T)


def _best_constant(places: Places, windows: Windows) -> float:
    """The least median error of one guess, among the bins that can be decoded."""
    visited = np.unique(places.sample_bin)
    least, count = math.inf, len(windows)
    step = max(1, BLOCK // count)
    for i in range(0, len(visited), step):
        guess = np.repeat(visited[i : i + step], count)
        true = np.tile(windows.positions_m, (len(visited[i : i + step]), 1))
        error = np.hypot(*(places.nearest(guess, true) - true).T).reshape(-1, count)
        least = min(least, float(np.median(error, axis=1).min()))
    return least
