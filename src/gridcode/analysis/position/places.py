"""What is decoded: bins of the arena, or of the unit cell of a module's lattice."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.lattice import as_basis, reduced
from gridcode.analysis.cells.map_smoothing import gaussian_weights
from gridcode.analysis.cells.phases import wrapped
from gridcode.arrays import takes_arrays

# Bins along each side of the unit cell: a bin's own error is 0.016 of the spacing.
PHASE_BINS = 24
# Width of the Gaussian over the spacing: a third of that of a grid cell's field.
PHASE_SMOOTHING = 0.05

Sums = Float[np.ndarray, "row bin"]


@dataclass(frozen=True)
class Places:
    """The places that can be decoded, with what it takes to learn rates there.

    Attributes:
        sample_bin: (time,) bin of each sample of the path.
        centres_m: (bin, 2) x and y of each bin's centre.
        allowed: (bin,) whether there is enough time in it to be decoded.
        smooth: smooths sums over bins.
        vectors_m: (2, 2) lattice vectors by which places repeat; None: in the arena they do not.
    """

    sample_bin: Int[np.ndarray, " time"]
    centres_m: Float[np.ndarray, "bin 2"]
    allowed: Bool[np.ndarray, " bin"]
    smooth: Callable[[Sums], Sums]
    vectors_m: Float[np.ndarray, "2 2"] | None = None

    @takes_arrays
    def nearest(
        self, decoded: Int[np.ndarray, " point"], positions_m: Float[np.ndarray, "point 2"]
    ) -> Float[np.ndarray, "point 2"]:
        """Centres of bins; where places repeat, of all that are alike the nearest to a position."""
        centre = self.centres_m[decoded]
        if self.vectors_m is None:
            return centre
        return positions_m + shortest_offsets(centre - positions_m, vectors_m=self.vectors_m)


def arena_places(path: BinnedPath) -> Places:
    """The bins of a path's rate maps, with their smoothing."""
    rows, columns = path.shape
    y, x = np.divmod(np.arange(rows * columns), columns)
    from_centre = np.stack([x - (columns - 1) / 2, y - (rows - 1) / 2], axis=1)
    width = path.smoothing_bins

    def smooth(sums: Sums) -> Sums:
        if width == 0:
            return sums
        down, across = (gaussian_weights(bins, width) for bins in path.shape)
        return (down @ sums.reshape(-1, rows, columns) @ across).reshape(sums.shape)

    return Places(
        sample_bin=path.bin_index,
        centres_m=from_centre * path.bin_size_m + np.asarray(path.centre_m),
        allowed=(path.occupancy_s >= path.min_occupancy_s).ravel(),
        smooth=smooth,
    )


@takes_arrays
def unit_cell_places(path: BinnedPath, vectors_m: Float[np.ndarray, "2 2"]) -> Places:
    """Phases in the unit cell of a lattice, 24 x 24, smoothed by 0.05 of the spacing on the torus.

    All parts of the arena that are alike on the lattice are one place.

    Args:
        path: from `bin_path`.
        vectors_m: lattice vectors (x, y) as rows, metres; any basis of the lattice.

    Raises:
        InputError: lattice vectors on one line.
    """
    given = as_basis(vectors_m)
    basis = reduced(given[None])[0]
    index = np.floor(wrapped(path.positions_m @ np.linalg.inv(basis)) * PHASE_BINS)
    phases = np.stack(np.divmod(np.arange(PHASE_BINS**2), PHASE_BINS), axis=1) / PHASE_BINS
    apart = (phases[:, None] - phases).reshape(-1, 2) @ basis
    squared = (shortest_offsets(apart, vectors_m=basis) ** 2).sum(axis=1)
    width = PHASE_SMOOTHING * float(np.linalg.norm(basis, axis=1).mean())
    weights = np.exp(-squared / (2 * width**2)).reshape(len(phases), len(phases))
    return Places(
        sample_bin=(index[:, 0] * PHASE_BINS + index[:, 1]).astype(np.int64),
        centres_m=(phases + 0.5 / PHASE_BINS) @ basis,
        allowed=np.ones(len(phases), dtype=bool),
        smooth=lambda sums: sums @ weights,
        vectors_m=given,
    )


@takes_arrays
def shortest_offsets(
    offsets_m: Float[np.ndarray, "*point 2"], *, vectors_m: Float[np.ndarray, "2 2"]
) -> Float[np.ndarray, "*point 2"]:
    """The shortest vectors that differ from these by a lattice vector.

    Args:
        offsets_m: (..., 2) metres.
        vectors_m: lattice vectors (x, y) as rows, metres; any basis of the lattice.

    Raises:
        InputError: lattice vectors on one line.
    """
    basis = reduced(as_basis(vectors_m)[None])[0]
    share = offsets_m @ np.linalg.inv(basis)
    best = (share - np.rint(share)) @ basis
    within, least = best, (best**2).sum(axis=-1)
    # On a reduced basis the nearest lattice point is a corner of the cell around the offset.
    for corner in np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(9, 2) @ basis:
        other = within - corner
        squared = other[..., 0] ** 2 + other[..., 1] ** 2
        nearer = squared < least
        least = np.where(nearer, squared, least)
        best = np.where(nearer[..., None], other, best)
    return best
