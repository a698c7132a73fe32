"""Significance of scores: p-values of every unit against null maps made from its own map."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import cluster, fft, spatial, stats

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, autocorrelograms, centred, smooth
from gridcode.analysis.cells.binning import BinnedPath, rebin
from gridcode.analysis.cells.gridness import score_correlograms, unscorable
from gridcode.analysis.cells.information import spatial_information
from gridcode.analysis.cells.nulls import (
    Spectra,
    draw_random_phases,
    field_shuffled_maps,
    shifts,
    spectra_of,
)
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

NULLS = ("random phase", "field shuffle")
# Maps are tested at the resolution at which the autocorrelation falls to half within this many bins
# or more, and at no fewer bins a side than the second.
HALF_WIDTH_BINS, FEWEST_BINS = 1.6, 32
# Units whose cumulative spectra and standardised values differ by no more share their null maps.
SPECTRUM_TOLERANCE, VALUE_TOLERANCE = 0.12, 0.5
MOST_SHARED = 3  # times the null maps of a unit, for a group of units
CHUNK_BINS = 2**17  # bins of null maps worked on at once
MOST_UNITS = 2000  # grouped at once: the distances of all pairs are held in memory
FEWEST_NULLS = 19
# p-values beyond all null scores come from their tail, the highest tenth of at least 90.
TAIL_SHARE, FEWEST_FOR_TAIL = 0.1, 90


@dataclass(frozen=True)
class Significance:
    """p-values of each unit against null maps, (1 + nulls at least as high) / (1 + nulls).

    A score above all null scores gets the p-value of an exponential tail fitted to the highest
    tenth of them: without it no unit could stand out among hundreds. (Knijnenburg et al. 2009 fit a
    generalised Pareto tail; for bounded scores the exponential is the cautious choice.)

    Attributes:
        null: `random phase` or `field shuffle`.
        p_value: (unit,) of the hexagonal score, among null maps that have one; NaN without a score.
        lattice_p_value: (unit,) of the shear-corrected score: how often a null map shows any
            lattice as regular; 1 where no lattice was fitted.
        square_p_value: (unit,) of the 90-degree score, as `p_value`.
        band_p_value: (unit,) of the share of the best plane wave.
        null_95: (unit,) 95th percentile of the null's hexagonal score.
        nulls: (unit,) null maps that the unit was compared with.
        group: (unit,) units with the same number shared their null maps.
    """

    null: str
    p_value: Float[np.ndarray, " unit"]
    lattice_p_value: Float[np.ndarray, " unit"]
    square_p_value: Float[np.ndarray, " unit"]
    band_p_value: Float[np.ndarray, " unit"]
    null_95: Float[np.ndarray, " unit"]
    nulls: Int[np.ndarray, " unit"]
    group: Int[np.ndarray, " unit"]


@takes_arrays
def benjamini_hochberg(p_values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    r"""p-values adjusted for the number of units tested; NaN stays NaN and does not count.

    $$ q_{(i)} = \min_{j \ge i} \; p_{(j)} \, n / j $$

    Among units with q at or below a level the expected share of false discoveries is at most that
    level.

    Source: Benjamini and Hochberg 1995.
    """
    out = np.full(np.shape(p_values), np.nan)
    known = np.isfinite(p_values)
    if known.any():
        out[known] = stats.false_discovery_control(np.asarray(p_values)[known], method="bh")
    return out


@takes_arrays
def plane_wave_share(rate_maps: np.ndarray) -> Float[np.ndarray, " unit"]:
    r"""Share of each map's variance that its best plane wave explains.

    $$ \max_k \; 2 |\sum_x z(x) e^{-ikx}|^2 / (n \sum_x z(x)^2), \quad z = r - \bar r $$

    Near 1 for bands, a third for a hexagonal lattice of three waves.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins.
    """
    maps = as_maps(rate_maps)
    known = np.isfinite(maps)
    count = np.maximum(known.sum(axis=(1, 2)), 1)
    z = _unit_height(centred(maps, known))
    rows, columns = maps.shape[1:]
    power = np.abs(fft.rfft2(z.astype(np.float32), (2 * rows, 2 * columns))) ** 2
    # One or two waves across the arena are what any wide field gives.
    ky, kx = fft.fftfreq(2 * rows)[:, None], fft.rfftfreq(2 * columns)
    power[:, np.hypot(ky * rows, kx * columns) < 2.0] = 0
    total = count * (z**2).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, np.minimum(2 * power.max(axis=(1, 2)) / total, 1.0), np.nan)


@takes_arrays
def significance(
    rate_maps: np.ndarray,
    *,
    seed: int,
    nulls: int = 500,
    smoothing_bins: float = 1.0,
    null: str = "random phase",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Significance:
    """p-values of each unit's scores against null maps made from its own map.

    Unit and null are compared at one resolution, at which the unit's fields are still resolved;
    scores reported elsewhere come from the full resolution. With random phases, units of the same
    spectrum and values share their null maps: the null depends on nothing else.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins. Not changed.
        seed: of the null maps; the same seed gives the same p-values, in any order of the units.
        nulls: null maps of a unit; a group of units shares up to three times as many.
        smoothing_bins: smoothing before scoring, in bins, as for the scores.
        null: `random phase` or `field shuffle`.
        workers: threads; as many as there are cores by default.
        progress: called with (units done, units to do).

    Raises:
        InputError: wrong shapes, infinities, an unknown null, or fewer than 19 null maps.
    """
    _check_nulls(nulls)
    if null not in NULLS:
        raise InputError(f"null must be one of {', '.join(NULLS)}, not '{null}'")
    maps = smooth(as_maps(rate_maps), smoothing_bins)
    testable = np.nonzero(_testable(maps))[0]
    groups = list(_groups_of_units(maps, testable, share=null == "random phase"))
    seeds = np.random.SeedSequence(seed).spawn(len(groups))
    names = ("minmax", "corrected", "square", "band", "null_95")
    result = {name: np.full(len(maps), np.nan) for name in names}
    number, group_of = np.zeros(len(maps), dtype=np.int64), np.full(len(maps), -1, dtype=np.int64)

    def test(group: "_Group", seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
        draw = group.random_phases if null == "random phase" else group.field_shuffles
        count = nulls * min(len(group.units), MOST_SHARED)
        observed = _statistics(np.array_split(group.maps, -(-group.maps.size // CHUNK_BINS)))
        return _p_values(observed, _statistics(draw(count, np.random.default_rng(seed))))

    done = 0
    with ThreadPoolExecutor(workers or cores()) as pool:
        tested = zip(groups, pool.map(test, groups, seeds), strict=True)
        for index, (group, found) in enumerate(tested):
            for name in result:
                result[name][group.units] = found[name]
            number[group.units], group_of[group.units] = found["nulls"], index
            done += len(group.units)
            if progress:
                progress(done, len(testable))
    return Significance(
        null=null,
        p_value=result["minmax"],
        lattice_p_value=result["corrected"],
        square_p_value=result["square"],
        band_p_value=result["band"],
        null_95=result["null_95"],
        nulls=number,
        group=group_of,
    )


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
    _check_nulls(nulls)
    # One zero for a unit and all its shifts: activity with negative values, as of calcium, has no
    # information otherwise.
    lowest = 0.0 if path.activity is None else path.activity.min(axis=0, initial=0.0)
    zero = np.broadcast_to(lowest, path.units)[:, None, None]

    def measure(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
        scores = score_correlograms(autocorrelograms(smooth(maps, smoothing_bins)), bin_size_m=1.0)
        raised = np.where(zero < 0, np.maximum(maps - zero, 0.0), maps)
        information = spatial_information(raised, occupancy=path.occupancy_s)
        return information.bits_per_spike, scores.minmax

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
        p[0][u] = min(p[0][u], float(_tail(np.sort(logs[:, u]), log[u : u + 1])[0]))
    return ShiftSignificance(
        information_p_value=p[0],
        grid_p_value=p[1],
        information_null_95=null_95[0],
        grid_null_95=null_95[1],
        shifts=nulls,
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _unit_height(maps: Maps) -> Maps:
    """Maps over their largest absolute value, so that squares neither overflow nor vanish."""
    height = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return maps / np.where(height > 0, height, 1.0)


def _check_nulls(nulls: int) -> None:
    if nulls < FEWEST_NULLS:
        raise InputError(f"{nulls} null maps cannot reach p = 0.05: take {FEWEST_NULLS} or more")


def _testable(maps: Maps) -> np.ndarray:
    varies = np.array([reason == "" for reason in unscorable(maps)], dtype=bool)
    return varies & (np.isfinite(maps).sum(axis=(1, 2)) >= 9)


def _statistics(parts: Iterable[Maps]) -> dict[str, np.ndarray]:
    """Scores to be tested, of maps that come in parts: `minmax`, `corrected`, `square`, `band`."""
    scores = []
    for maps in parts:
        one = score_correlograms(autocorrelograms(maps), bin_size_m=1.0)
        scores.append((one.minmax, one.corrected, one.square, plane_wave_share(maps)))
    names = ("minmax", "corrected", "square", "band")
    return dict(zip(names, (np.concatenate(s) for s in zip(*scores, strict=True)), strict=True))


def _p_values(
    observed: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """p-values of units, the null's 95th percentile and the number of null maps."""
    found = {}
    for name, values in observed.items():
        null = np.sort(drawn[name][np.isfinite(drawn[name])])
        # A lattice is tested against all null maps, also those without one; other scores against
        # those that have one.
        among = len(drawn[name]) if name == "corrected" else len(null)
        # Equal up to rounding is equal.
        above = len(null) - np.searchsorted(null, values - 1e-9)
        p = (1 + above) / (1 + among)
        beyond = np.minimum(p, len(null) / max(among, 1) * _tail(null, values))
        p = np.where(above > 0, p, beyond)
        missing = 1.0 if name == "corrected" else np.nan
        found[name] = np.where(np.isfinite(values) & (among >= FEWEST_NULLS), p, missing)
        if name == "minmax":
            top = np.quantile(null, 0.95) if among >= FEWEST_NULLS else np.nan
            found["nulls"] = np.full(len(values), among)
            found["null_95"] = np.full(len(values), top)
    return found


def _tail(null: Float[np.ndarray, " null"], values: np.ndarray) -> np.ndarray:
    r"""Probability of values beyond all null scores by an exponential tail, $0.1 e^{-(x - t) / e}$.

    With t the 90th percentile and e the mean excess over it. Bounded scores have lighter tails: the
    estimate errs towards large p.
    """
    if len(null) < FEWEST_FOR_TAIL:
        return np.ones(len(values))
    threshold = np.quantile(null, 1 - TAIL_SHARE)
    excess = float((null[null > threshold] - threshold).mean()) if null[-1] > threshold else 0.0
    if not excess > 0:
        return np.ones(len(values))
    beyond = np.maximum(np.nan_to_num(values) - threshold, 0.0)
    return np.where(np.isfinite(values), TAIL_SHARE * np.exp(-beyond / excess), 1.0)


@dataclass(frozen=True)
class _Group:
    """Units that share their null maps.

    Attributes:
        units: (unit,) their places in the population.
        maps: (unit, y, x) at the resolution of the test.
        power: (ring,) mean of the units' spectra.
        values: (visited,) mean of the units' sorted, standardised values.
    """

    units: Int[np.ndarray, " unit"]
    maps: Maps
    power: np.ndarray
    values: np.ndarray

    def random_phases(self, count: int, generator: np.random.Generator) -> Iterator[Maps]:
        visited = np.isfinite(self.maps[0])
        for size in _chunks(count, visited.size):
            yield draw_random_phases(self.power, self.values, visited, size, generator)

    def field_shuffles(self, count: int, generator: np.random.Generator) -> Iterator[Maps]:
        for size in _chunks(count, self.maps[0].size):
            yield field_shuffled_maps(self.maps[0], size, generator=generator, smoothing_bins=0.0)


def _chunks(count: int, bins: int) -> Iterator[int]:
    size = max(1, CHUNK_BINS // bins)
    return (min(size, count - first) for first in range(0, count, size))


def _groups_of_units(maps: Maps, testable: np.ndarray, *, share: bool) -> Iterator[_Group]:
    """Units of one resolution and mask and, to share null maps, alike in spectrum and values."""
    if not len(testable):
        return
    parts = np.array_split(testable, -(-len(testable) // 64))
    factors = np.concatenate([_factors(maps[part]) for part in parts])
    masks = np.packbits(np.isfinite(maps[testable]).reshape(len(testable), -1), axis=1)
    mask = np.unique(masks, axis=0, return_inverse=True)[1]
    for kind in np.unique(np.stack([factors, mask.ravel()], axis=1), axis=0):
        units = testable[(factors == kind[0]) & (mask.ravel() == kind[1])]
        for part in np.array_split(units, -(-len(units) // MOST_UNITS)):
            tested = _coarse(maps[part], int(kind[0]))
            spectra = spectra_of(tested)
            label = _alike(spectra) if share else np.arange(len(part))
            # Values count, too: a map and a nonlinear function of it have the same ranks.
            both = np.concatenate([spectra.values, spectra.cumulative], axis=1)
            means = [both[label == g].mean(axis=0).round(9) for g in range(label.max() + 1)]
            # In an order independent of that of the units, and so the random numbers.
            for g in np.lexsort(np.stack(means).T):
                of = label == g
                power, values = spectra.power[of].mean(axis=0), spectra.values[of].mean(axis=0)
                yield _Group(part[of], tested[of], power, values)


def _alike(spectra: Spectra) -> Int[np.ndarray, " unit"]:
    """Groups of units whose null maps would be alike in power at every scale and in values."""
    if len(spectra.power) == 1:
        return np.zeros(1, dtype=np.int64)
    quantiles = np.quantile(spectra.values, np.linspace(0.02, 0.98, 25), axis=1).T
    spectrum = spectra.cumulative / SPECTRUM_TOLERANCE
    features = np.concatenate([spectrum, quantiles / VALUE_TOLERANCE], axis=1)
    distances = spatial.distance.pdist(features, "chebyshev")
    tree = cluster.hierarchy.linkage(distances, method="complete")
    return cluster.hierarchy.fcluster(tree, 1.0, criterion="distance").astype(np.int64) - 1


def _coarse(maps: Maps, factor: int) -> Maps:
    """Means over the visited bins of blocks; NaN where most are unvisited. Rests are cut off."""
    rows, columns = maps.shape[1] // factor, maps.shape[2] // factor
    split = maps[:, : rows * factor, : columns * factor]
    split = split.reshape(len(maps), rows, factor, columns, factor)
    known = np.isfinite(split)
    count = known.sum(axis=(2, 4))
    mean = np.where(known, split, 0.0).sum(axis=(2, 4)) / np.maximum(count, 1)
    return np.where(2 * count >= factor**2, mean, np.nan)


def _factors(maps: Maps) -> Int[np.ndarray, " unit"]:
    """Bins of each map that make one bin of the test: as many as leave its fields resolved."""
    most = max(1, min(maps.shape[1:]) // FEWEST_BINS)
    z = _unit_height(centred(maps, np.isfinite(maps)))
    rows, columns = maps.shape[1:]
    power = np.abs(fft.rfft2(z, (2 * rows, 2 * columns))) ** 2
    correlation = fft.irfft2(power, (2 * rows, 2 * columns))
    reach = min(rows, columns) // 2
    # The mean over the grid's directions is enough to see where the autocorrelation falls to half.
    line = (correlation[:, 0, :reach] + correlation[:, :reach, 0]) / 2
    low = line < line[:, :1] / 2
    half_width = np.where(low.any(axis=1), low.argmax(axis=1), reach)
    return np.clip((half_width / HALF_WIDTH_BINS).astype(int), 1, most)
