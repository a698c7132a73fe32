"""Significance of information and grid scores against activity shifted along the path."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gridcode.analysis.cells.autocorrelogram import Maps, autocorrelograms, smooth
from gridcode.analysis.cells.binning import BinnedPath, rebin
from gridcode.analysis.cells.gridness import grid_scores
from gridcode.analysis.cells.information import spatial_information
from gridcode.analysis.cells.nulls import shifts
from gridcode.analysis.cells.significance import check_nulls, tail


@dataclass(frozen=True)
class ShiftSignificance:
    """p-values of each unit against its own activity shifted along the path.

    Attributes:
        information_p_value: (unit,) of the Skaggs information, activity with negative values
            measured from its lowest; NaN for constant activity. Above all shifts, p comes from a
            Pareto tail (an exponential one of the logarithm) fitted to the highest tenth of at
            least 90 shifts: without it one spatial unit among hundreds could not stand out.
        grid_p_value: (unit,) of the hexagonal score. Shifted maps without a score count as lower:
            the null asks what the activity would show if it were not locked to place.
        information_null_95: (unit,) 95th percentile of the information over shifts.
        grid_null_95: (unit,) 95th percentile of the hexagonal score over shifts.
        shifts: number of shifts.
    """

    information_p_value: Float[np.ndarray, " unit"]
    grid_p_value: Float[np.ndarray, " unit"]
    information_null_95: Float[np.ndarray, " unit"]
    grid_null_95: Float[np.ndarray, " unit"]
    shifts: int


def shift_significance(
    path: BinnedPath,
    *,
    seed: int,
    nulls: int = 500,
    smoothing_bins: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> ShiftSignificance:
    """Compare each unit's map with maps of its activity shifted circularly along the path.

    Args:
        path: from `bin_path`, with spikes or activity.
        seed: of the shifts.
        nulls: number of shifts, the same for all units.
        smoothing_bins: smoothing before scoring besides the path's own, as for the scores.
        progress: called with (shifts done, shifts).

    Raises:
        InputError: fewer than 19 shifts, or a recording of fewer than 20 samples.

    Source: Langston et al. 2010; Wills et al. 2010. Tail: Hill 1975; unlike scores, information is
        not bounded.
    """
    check_nulls(nulls)
    # One zero for a unit and all its shifts: activity with negative values, as of calcium, has no
    # information otherwise.
    lowest = 0.0 if path.activity is None else path.activity.min(axis=0, initial=0.0)
    zero = np.broadcast_to(lowest, path.units)[:, None, None]

    def measure(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
        scores = grid_scores(autocorrelograms(smooth(maps, smoothing_bins)))
        raised = np.where(zero < 0, np.maximum(maps - zero, 0.0), maps)
        information = spatial_information(raised, occupancy=path.occupancy_s)
        return information.bits_per_spike, scores

    samples = len(path.bin_index)
    sample_s = path.duration_s / max(samples, 1)
    drawn = shifts(samples, nulls, sample_s=sample_s, generator=np.random.default_rng(seed))
    observed = measure(rebin(path))
    null = np.empty((2, nulls, path.units))
    for k, shift in enumerate(drawn):
        null[:, k] = measure(rebin(path, int(shift)))
        if progress:
            progress(k + 1, nulls)
    p, null_95 = [], []
    for values, found in zip(observed, np.where(np.isfinite(null), null, -np.inf), strict=True):
        above = (found >= values - 1e-12).sum(axis=0)
        p.append(np.where(np.isfinite(values), (1 + above) / (1 + nulls), np.nan))
        top = np.quantile(found, 0.95, axis=0, method="higher")
        null_95.append(np.where(np.isfinite(top), top, np.nan))
    # Zero information has no logarithm; it is never above all shifts.
    log, logs = (np.log(np.maximum(np.nan_to_num(x), 1e-300)) for x in (observed[0], null[0]))
    for u in np.flatnonzero(np.isfinite(observed[0]) & (p[0] <= 1 / (1 + nulls))):
        p[0][u] = min(p[0][u], float(tail(np.sort(logs[:, u]), log[u : u + 1])[0]))
    return ShiftSignificance(
        information_p_value=p[0],
        grid_p_value=p[1],
        information_null_95=null_95[0],
        grid_null_95=null_95[1],
        shifts=nulls,
    )
