"""What looks odd in a binned recording, each in one line: holes in the maps, units given twice."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.duplicates import same_maps, shared_spikes, unexplained_correlation

# Pairs of units with a larger share of common spikes, or a higher correlation, are named.
MOST_SHARED, HIGHEST_CORRELATION = 0.5, 0.8
# Bins this far from a visited one on both sides lie in the arena.
HOLE_BINS = 2
LEAST_VISITED = 0.5


def check_notes(
    maps: Float[np.ndarray, "unit y x"],
    path: BinnedPath,
    spikes_s: Sequence[np.ndarray] | None,
    names: Sequence[object],
) -> list[str]:
    """Notes on a recording's coverage and on units that are probably one cell.

    Args:
        maps: of all units.
        path: that they were drawn from.
        spikes_s: spike times of each unit, None for activity.
        names: of the units.
    """
    notes = []
    share = visited_share(np.isfinite(maps[0]))
    if share < LEAST_VISITED:
        notes.append(
            f"only {share:.0%} of the arena's bins were visited: take larger bins than "
            f"{path.bin_size_m:g} m"
        )
    shared = correlation = None
    if spikes_s is not None:
        shared = shared_spikes(spikes_s)
    elif path.activity is not None:
        correlation = unexplained_correlation(path.activity, path.bin_index)
    same = same_maps(maps)
    for stronger in (shared, correlation):
        if stronger is not None:
            same &= np.isnan(stronger)
    return notes + _duplicate_notes(names, shared=shared, correlation=correlation, same=same)


def visited_share(visited: Bool[np.ndarray, "y x"]) -> float:
    """Share of the arena's bins that were visited; what lies outside of its walls does not count.

    The arena is taken to be the visited bins and the holes between them, of any outline.
    """
    padded = np.pad(visited, 2 * HOLE_BINS)
    arena = ndimage.binary_closing(padded, np.ones((3, 3), dtype=bool), iterations=HOLE_BINS)
    return float(visited.sum() / max(int(arena.sum()), 1))


def _duplicate_notes(
    names: Sequence[object],
    *,
    shared: Float[np.ndarray, "unit unit"] | None = None,
    correlation: Float[np.ndarray, "unit unit"] | None = None,
    same: Bool[np.ndarray, "unit unit"] | None = None,
) -> list[str]:
    """What to say of pairs of units that are probably one cell; at most one line of each kind.

    Args:
        names: of the units.
        shared: from `shared_spikes`.
        correlation: from `unexplained_correlation`.
        same: from `same_maps`.
    """
    notes = []
    for values, limit, words in (
        (shared, MOST_SHARED, "share {:.0%} of their spikes (within 1 ms)"),
        (correlation, HIGHEST_CORRELATION, "are active together beyond place (correlation {:.2f})"),
        (same, 0.5, "have one and the same rate map"),
    ):
        if values is None:
            continue
        upper = np.triu(np.nan_to_num(values.astype(np.float64)), 1)
        pairs = np.argwhere(upper > limit)
        if len(pairs):
            a, b = divmod(int(np.argmax(upper)), len(upper))
            more = f"; so do {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
            found = words.format(upper[a, b])
            notes.append(f"units {names[a]} and {names[b]} {found}: one cell twice?{more}")
    return notes
