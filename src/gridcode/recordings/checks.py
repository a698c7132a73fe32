"""What looks odd in a binned recording, each in one line: holes in the maps, units given twice."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.duplicates import (
    duplicate_notes,
    same_maps,
    shared_spikes,
    unexplained_correlation,
)

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
    return notes + duplicate_notes(names, shared=shared, correlation=correlation, same=same)


def visited_share(visited: Bool[np.ndarray, "y x"]) -> float:
    """Share of the arena's bins that were visited; what lies outside of its walls does not count.

    The arena is taken to be the visited bins and the holes between them, of any outline.
    """
    padded = np.pad(visited, 2 * HOLE_BINS)
    arena = ndimage.binary_closing(padded, np.ones((3, 3), dtype=bool), iterations=HOLE_BINS)
    return float(visited.sum() / max(int(arena.sum()), 1))
