"""Mean activity in the bins of a line or of a volume."""

import numpy as np
from jaxtyping import Float
from scipy import sparse

from gridcode.analysis.system import System, along
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError
from gridcode.world.walks import Walk


class BinnedRates:
    """Adds up activity in the bins of an interval, a square or a cube centred on the origin.

    Args:
        side_m: side of the space, the same along every axis, metres.
        bin_size_m: wanted side of a bin; the side is cut into a whole number of bins.
        dimensions: number of axes.
        units: number of units.

    Raises:
        InputError: fewer than 8 bins a side.
    """

    def __init__(self, *, side_m: float, bin_size_m: float, dimensions: int, units: int) -> None:
        self.bins = round(side_m / bin_size_m) if bin_size_m > 0 else 0
        if self.bins < 8:
            raise InputError(f"{side_m:g} m have fewer than 8 bins of {bin_size_m:g} m")
        self.side_m = side_m
        self.dimensions = dimensions
        self.total = np.zeros((self.bins**dimensions, units))
        self.count = np.zeros(self.bins**dimensions, dtype=np.int64)

    @takes_arrays
    def add(
        self,
        positions: Float[np.ndarray, "sample axis"],
        activity: Float[np.ndarray, "sample unit"],
    ) -> None:
        """Add samples at places in metres; those outside are left out."""
        place = np.floor((positions / self.side_m + 0.5) * self.bins)
        place = np.where(positions == self.side_m / 2, self.bins - 1, place)
        inside = ((place >= 0) & (place < self.bins)).all(axis=1) & np.isfinite(activity).all(
            axis=1
        )
        shape = (self.bins,) * self.dimensions
        flat = np.ravel_multi_index(tuple(place[inside].astype(np.int64).T), shape)
        ones = np.ones(len(flat))
        where = sparse.csr_array(
            (ones, (flat, np.flatnonzero(inside))), shape=(len(self.count), len(positions))
        )
        self.total += where @ np.where(np.isfinite(activity), activity, 0.0).astype(np.float64)
        self.count += np.bincount(flat, minlength=len(self.count))

    def rates(self) -> Float[np.ndarray, "unit _ *more"]:
        """Mean activity, the first axis of space first; NaN in bins that were never visited."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(self.count[:, None] > 0, self.total / self.count[:, None], np.nan)
        return mean.T.reshape(-1, *(self.bins,) * self.dimensions)


def rates_of_walk(
    system: System, walk: Walk, *, bin_size_m: float
) -> tuple[Float[np.ndarray, "unit _ *more"], Float[np.ndarray, " unit"]]:
    """Rates of a system along walks, and how alike those of two halves of the walkers are.

    Args:
        system: a system whose steps have as many axes as the walk.
        walk: walks in a line, a square or a cube.
        bin_size_m: side of a bin, metres.

    Returns:
        (unit, bin, ...) rates, NaN where never visited, and (unit,) the correlation of the two
        halves over bins that both visited; NaN for constant units.

    Raises:
        InputError: fewer than 8 bins a side.
    """
    *_, walkers, axes = walk.positions.shape
    halves = [
        BinnedRates(side_m=walk.arena_m, bin_size_m=bin_size_m, dimensions=axes, units=system.units)
        for _ in range(2)
    ]
    for here, state in zip(walk.positions, along(system, walk), strict=True):
        for one, part in zip(halves, (slice(walkers // 2), slice(walkers // 2, None)), strict=True):
            one.add(here[part], state[part])
    first, second = (one.rates() for one in halves)
    halves[0].total += halves[1].total
    halves[0].count += halves[1].count
    return halves[0].rates(), _alike(first, second)


def _alike(first: np.ndarray, second: np.ndarray) -> Float[np.ndarray, " unit"]:
    a, b = (one.reshape(len(one), -1) for one in (first, second))
    both = np.isfinite(a[0]) & np.isfinite(b[0])
    a, b = (one[:, both] - one[:, both].mean(axis=1, keepdims=True) for one in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(a), np.nan), where=size > 0)


@takes_arrays
def filled(rates: Float[np.ndarray, "unit _ *more"]) -> Float[np.ndarray, "unit _ *more"]:
    """Rates with the unit's mean in bins that were never visited."""
    flat = rates.reshape(len(rates), -1)
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(flat, axis=1, keepdims=True) if flat.size else flat
    return np.where(np.isfinite(flat), flat, mean).reshape(rates.shape)
