"""Units that are probably one cell twice: they share spikes, or activity that place leaves open."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from gridcode.analysis.cells.autocorrelogram import as_maps, centred
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FEWEST_SPIKES = 50
# Activity that place explains up to this share has too little noise to compare.
LEAST_UNEXPLAINED = 0.2
MOST_SAMPLES = 5000
# Times that differ by less are one time, whatever they were computed from.
SAME_TIME_S = 1e-6


@takes_arrays
def shared_spikes(
    spikes_s: Sequence[np.ndarray], *, window_s: float = 0.001
) -> Float[np.ndarray, "unit unit"]:
    r"""Share of the smaller unit's spikes that coincide with one of the other, beyond chance.

    $$ (c - 2 w n_u n_v / T) / \min(n_u, n_v) $$

    with $c$ the coincidences within the window $w$, $n$ the numbers of spikes and $T$ the time from
    the first to the last spike.

    Args:
        spikes_s: spike times of each unit, in any order.
        window_s: largest difference of two spikes that coincide.

    Returns:
        (unit, unit) symmetric; NaN on the diagonal, for units of fewer than 50 spikes, and
        throughout where times are coarser than the window, so that coincidence means nothing.

    Raises:
        InputError: a window that is not positive.
    """
    if not window_s > 0:
        raise InputError(f"window_s must be positive, not {window_s}")
    spikes_s = [np.ravel(spikes) for spikes in spikes_s]
    units = len(spikes_s)
    number = np.array([len(spikes) for spikes in spikes_s], dtype=np.int64)
    share = np.full((units, units), np.nan)
    time = np.concatenate(spikes_s) if units else np.zeros(0)
    order = np.argsort(time, kind="stable")
    time, unit = time[order].astype(np.float64), np.repeat(np.arange(units), number)[order]
    steps = np.diff(time)
    if not ((steps > SAME_TIME_S) & (steps < window_s)).any():
        return share
    pairs = np.zeros(units * units)
    for apart in range(1, len(time)):
        near = np.flatnonzero(time[apart:] - time[:-apart] <= window_s)
        if not len(near):
            break
        pairs += np.bincount(unit[near] * units + unit[near + apart], minlength=units * units)
    together = pairs.reshape(units, units)
    together = together + together.T
    chance = 2 * window_s * np.outer(number, number) / (time[-1] - time[0])
    enough = number >= FEWEST_SPIKES
    known = np.outer(enough, enough) & ~np.eye(units, dtype=bool)
    smaller = np.minimum.outer(number, number)
    share[known] = ((together - chance)[known] / smaller[known]).clip(-1.0, 1.0)
    return share


@takes_arrays
def unexplained_correlation(
    activity: Float[np.ndarray, "time unit"], bin_index: Int[np.ndarray, " time"]
) -> Float[np.ndarray, "unit unit"]:
    """Correlation of activity beyond what place explains: minus its mean in the sample's bin.

    Cells of one field have one rate map, but not one noise.

    Args:
        activity: along a path, without NaN.
        bin_index: (time,) bin of each sample, from 0.

    Returns:
        (unit, unit) symmetric; NaN on the diagonal, and for units of which place explains more than
        80%, as in simulations without noise.

    Raises:
        InputError: shapes that do not match, or negative bins.
    """
    samples, units = activity.shape
    if samples == 0 or bin_index.min(initial=0) < 0:
        raise InputError("bin_index must name a bin, from 0, for each of one sample or more")
    bins = int(bin_index.max()) + 1
    where = sparse.csr_array((np.ones(samples), (bin_index, np.arange(samples))), (bins, samples))
    mean = (where @ activity) / np.maximum(np.bincount(bin_index, minlength=bins), 1)[:, None]
    some = np.arange(0, samples, -(-samples // MOST_SAMPLES))
    rest = activity[some] - mean[bin_index[some]]
    rest = rest - rest.mean(axis=0)
    variance, whole = (rest**2).mean(axis=0), activity[some].var(axis=0)
    noisy = (variance > 0) & (variance >= LEAST_UNEXPLAINED * whole)
    z = np.where(noisy, rest / np.sqrt(np.where(noisy, variance, 1.0)), 0.0)
    known = np.outer(noisy, noisy) & ~np.eye(units, dtype=bool)
    return np.where(known, z.T @ z / len(some), np.nan)


@takes_arrays
def same_maps(rate_maps: np.ndarray) -> Bool[np.ndarray, "unit unit"]:
    """Pairs of units whose maps are one map, up to a factor; never of constant maps.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins.

    Raises:
        InputError: as `as_maps`.
    """
    maps = as_maps(rate_maps)
    known = np.isfinite(maps)
    z = centred(maps, known)
    height = np.abs(z).max(axis=(1, 2), keepdims=True)
    level = np.abs(np.where(known, maps, 0.0)).max(axis=(1, 2), keepdims=True)
    varies = (height > 1e-9 * level)[:, 0, 0]
    shape = np.where(known, np.round(z / np.where(height > 0, height, 1.0), 6) + 0.0, np.inf)
    of = np.unique(shape.reshape(len(maps), -1), axis=0, return_inverse=True)[1].ravel()
    same: Bool[np.ndarray, "unit unit"] = of[:, None] == of
    return same & varies & varies[:, None] & ~np.eye(len(maps), dtype=bool)
