"""The most probable place in each window, by rates learnt from the other folds."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.position.places import Places
from gridcode.analysis.position.windows import Windows
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Each bin counts as if the unit had fired there at its mean rate for this long besides: a bin where
# it happened not to fire is not forbidden for ever.
PRIOR_S = 0.1
# Activity that the place explains to the last digit still has a variance.
LEAST_VARIANCE = 1e-6
# Values held at once while windows are compared with bins.
BLOCK = 2**22


@dataclass(frozen=True)
class Laid:
    """The activity of some units laid along a path, or along the path a shift later.

    Attributes:
        sample: (spike,) sample of every spike.
        unit: (spike,) its unit, counted from 0.
        values: (time, unit) activity, unshifted; None for spikes.
        shift: samples by which the activity is moved.
        seconds: (time,) duration of each sample.
        units: number of units.
    """

    sample: Int[np.ndarray, " spike"]
    unit: Int[np.ndarray, " spike"]
    values: Float[np.ndarray, "time unit"] | None
    shift: int
    seconds: Float[np.ndarray, " time"]
    units: int

    def shifted(self, samples: int) -> "Laid":
        """The activity of sample i at sample i + `samples`, round the end."""
        moved = (self.sample + samples) % len(self.seconds)
        return replace(self, sample=moved, shift=self.shift + samples)

    def _totals(
        self, group: Int[np.ndarray, " time"], count: int
    ) -> Float[np.ndarray, "unit group"]:
        """Spikes, or activity times seconds, in groups of samples; group -1 is left out."""
        if self.values is None:
            of = group[self.sample]
            flat = (self.unit * count + of)[of >= 0]
            total = np.bincount(flat, minlength=self.units * count)
            return total.reshape(self.units, count).astype(np.float64)
        at, n = np.flatnonzero(group >= 0), len(self.seconds)
        entries = (self.seconds[at], (group[at], (at - self.shift) % n))
        where = sparse.csr_array(entries, shape=(count, n))
        return np.ascontiguousarray((where @ self.values).T)


@takes_arrays
def lay(path: BinnedPath, units: Int[np.ndarray, " unit"]) -> Laid:
    """The activity of some units along a path."""
    none = np.zeros(0, dtype=np.int64)
    if path.activity is not None:
        values = np.ascontiguousarray(path.activity[:, units])
        return Laid(none, none, values, 0, path.seconds, len(units))
    starts, counts = path.spike_start[units], np.diff(path.spike_start)[units]
    pieces = [path.spike_sample[a : a + n] for a, n in zip(starts, counts, strict=True)]
    unit = np.repeat(np.arange(len(units)), counts)
    return Laid(np.concatenate([none, *pieces]), unit, None, 0, path.seconds, len(units))


def most_probable_bins(laid: Laid, places: Places, windows: Windows) -> Int[np.ndarray, " window"]:
    r"""The most probable bin in each window, with rates and occupancy learnt from other folds.

    $$ \hat x = \operatorname*{argmax}_x \; \ln p(x) + \sum_u \ln p(n_u \mid x) $$

    Spikes are Poisson: $\ln p(n_u \mid x) = n_u \ln r_u(x) - T r_u(x)$ plus a constant. The mean
    activity of a window is Gaussian, with a variance for each unit: that of the training windows
    about the map. $p(x)$ is the smoothed share of time in the training folds; bins without time
    there are never decoded. Units are independent given the place.

    Source: Zhang et al. 1998.
    """
    data = laid._totals(windows.sample_window, len(windows)).T
    if laid.values is not None:
        data = data / windows.seconds[:, None]
    found = np.zeros(len(windows), dtype=np.int64)
    used = windows.sample_window >= 0
    sample_fold = windows.fold[windows.sample_window]
    for fold in range(windows.folds):
        train, test = used & (sample_fold != fold), windows.fold == fold
        weights, visited = _learn(laid, places, windows, data, train, ~test)
        seen = np.column_stack([data, windows.seconds, np.ones(len(windows))])[test]
        step = max(1, BLOCK // len(visited))
        best = [(seen[i : i + step] @ weights).argmax(axis=1) for i in range(0, len(seen), step)]
        found[test] = visited[np.concatenate(best)]
    return found


def _learn(
    laid: Laid,
    places: Places,
    windows: Windows,
    data: Float[np.ndarray, "window unit"],
    samples: Bool[np.ndarray, " time"],
    train: Bool[np.ndarray, " window"],
) -> tuple[Float[np.ndarray, "row visited"], Int[np.ndarray, " visited"]]:
    """What the training folds say of the bins visited in them, and these bins.

    The weights of the units' data, of the window's seconds and of 1 give the log probability.
    """
    group, bins = np.where(samples, places.sample_bin, -1), len(places.centres_m)
    occupancy = np.bincount(places.sample_bin[samples], laid.seconds[samples], minlength=bins)
    visited = np.flatnonzero((occupancy > 0) & places.allowed)
    if not len(visited):
        raise InputError("no bin has enough time in the training folds: take larger bins")
    time = places.smooth(occupancy[None])[0]
    total = laid._totals(group, bins)
    mean = total.sum(axis=1, keepdims=True) / occupancy.sum()
    maps = (places.smooth(total) + PRIOR_S * mean) / (time + PRIOR_S)
    prior = np.log(time[visited])
    if laid.values is None:
        maps, fires = maps[:, visited], mean[:, 0] > 0
        # A unit that was silent in the training folds says nothing.
        weights = np.zeros_like(maps)
        weights[fires] = np.log(maps[fires])
        return np.vstack([weights, -maps.sum(axis=0), prior]), visited
    rest = data[train] - maps[:, places.sample_bin[windows.middle[train]]].T
    spread = data[train].var(axis=0)
    variance = np.maximum((rest**2).mean(axis=0), LEAST_VARIANCE * spread)
    # A constant unit says nothing. Rounding is no variation.
    known = spread > 1e-20 * (data[train] ** 2).mean(axis=0)
    gain = np.divide(1.0, variance, out=np.zeros_like(variance), where=known)[:, None]
    maps = maps[:, visited]
    base = prior - 0.5 * (gain * maps**2).sum(axis=0)
    return np.vstack([gain * maps, np.zeros(len(visited)), base]), visited
