"""Rate maps: mean activity in each bin of an arena, with how often each bin was visited."""

import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from scipy import sparse

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError


class RateMapAccumulator:
    """Adds up activity bin by bin, so that a long walk never has to be held in memory."""

    def __init__(self, *, arena_m: float, bin_size_m: float, units: int) -> None:
        bins = round(arena_m / bin_size_m)
        if bins < 3:
            raise InputError(
                f"an arena of {arena_m} m has fewer than 3 bins of {bin_size_m} m a side"
            )
        self.arena_m = arena_m
        self.bins = bins
        self.total = np.zeros((bins * bins, units))
        self.count = np.zeros(bins * bins, dtype=np.int64)

    @takes_arrays
    def add(
        self,
        positions: Float[np.ndarray, "sample 2"],
        activity: Float[np.ndarray, "observation unit"],
    ) -> None:
        """Add samples at (x, y) metres from the arena's centre; those outside are left out."""
        if len(positions) != len(activity):
            raise InputError(f"{len(positions)} positions but {len(activity)} samples of activity")
        place = np.floor((positions / self.arena_m + 0.5) * self.bins)
        # The far walls belong to the last bins.
        place = np.where(positions == self.arena_m / 2, self.bins - 1, place)
        # Unknown positions are nowhere.
        inside = ((place >= 0) & (place < self.bins)).all(axis=1)
        x, y = place[inside].astype(np.int64).T
        flat = y * self.bins + x
        # One sparse product with a row for each visited bin, whatever the arena's size.
        order = np.argsort(flat, kind="stable")
        visited, first = np.unique(flat[order], return_index=True)
        sample = np.flatnonzero(inside)[order]
        where = sparse.csr_array(
            (np.ones(len(flat)), sample, np.append(first, len(flat))),
            shape=(len(visited), len(positions)),
        )
        self.total[visited] += where @ activity.astype(np.float64, copy=False)
        self.count += np.bincount(flat, minlength=self.bins**2)

    def merge(self, other: "RateMapAccumulator") -> None:
        """Add the counts of another accumulator of the same arena."""
        self.total += other.total
        self.count += other.count

    def dataset(self) -> xr.Dataset:
        """The maps so far, as `rate_maps` describes them."""
        bins, units = self.bins, self.total.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = np.where(self.count[:, None] > 0, self.total / self.count[:, None], np.nan)
        size = self.arena_m / bins
        centres = (np.arange(bins) + 0.5) * size - self.arena_m / 2
        occupancy: Int[np.ndarray, "y x"] = self.count.reshape(bins, bins)
        return xr.Dataset(
            {
                "rate": (("unit", "y", "x"), rate.T.reshape(units, bins, bins).astype(np.float32)),
                "occupancy": (("y", "x"), occupancy.astype(np.int32)),
            },
            coords={
                "unit": np.arange(units),
                "y": ("y", centres, {"units": "m"}),
                "x": ("x", centres, {"units": "m"}),
            },
            attrs={"arena_m": float(self.arena_m), "bin_size_m": float(size)},
        )


@takes_arrays
def rate_maps(
    positions: Float[np.ndarray, "sample 2"],
    activity: Float[np.ndarray, "observation unit"],
    *,
    arena_m: float,
    bin_size_m: float,
) -> xr.Dataset:
    """Mean activity of every unit in every bin of a square arena centred on the origin.

    Args:
        positions: (sample, 2) metres, x then y.
        activity: (sample, unit) in any unit; the maps have the same.
        arena_m: side of the arena.
        bin_size_m: wanted side of a bin; the arena is cut into the nearest whole number of bins.

    Returns:
        `rate` (unit, y, x), NaN where never visited, and `occupancy` (y, x) in samples, with
        coordinates in metres.

    Raises:
        InputError: mismatched lengths, or fewer than 3 bins a side.
    """
    accumulator = RateMapAccumulator(
        arena_m=arena_m, bin_size_m=bin_size_m, units=np.shape(activity)[1]
    )
    accumulator.add(positions, activity)
    return accumulator.dataset()
