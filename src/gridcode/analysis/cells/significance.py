"""Significance of scores: p-values of every unit against null maps of its own."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import cluster, fft, spatial, stats

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, autocorrelograms, smooth
from gridcode.analysis.cells.binning import BinnedPath, rebin
from gridcode.analysis.cells.gridness import score_correlograms
from gridcode.analysis.cells.information import spatial_information
from gridcode.analysis.cells.nulls import (
    Spectra,
    centred,
    draw_random_phases,
    field_shuffled_maps,
    shifts,
    spectra_of,
)
from gridcode.errors import InputError

NULLS = ("random phase", "field shuffle")
# Maps are tested at the resolution at which the autocorrelation falls to half within 1.6 bins or
# more, and at no fewer bins a side than this.
HALF_WIDTH_BINS = 1.6
FEWEST_BINS = 32
# Units whose cumulative spectra and standardised values differ by no more than this share their
# null maps.
SPECTRUM_TOLERANCE = 0.12
VALUE_TOLERANCE = 0.5
MOST_SHARED = 3  # times the null maps of a unit, for a group of units
CHUNK_BINS = 2**17  # bins of null maps worked on at once
MOST_UNITS = 2000  # grouped at once: the distances of all pairs are held in memory
FEWEST_NULLS = 19
# Beyond the highest null score p follows from the tail, the highest tenth of at least this many
# scores.
TAIL_SHARE = 0.1
FEWEST_FOR_TAIL = 90
FEWEST_WAVES = 2.0  # across the arena, of a band


@dataclass(frozen=True)
class Significance:
    """p-values of each unit against null maps, (1 + nulls at least as high) / (1 + nulls).

    A score above all null scores gets the p-value of an exponential tail fitted to the highest
    tenth of them: without that, no unit could stand out among hundreds. (After Knijnenburg et al.
    2009, who fit a generalised Pareto tail; scores are bounded, so the exponential is the cautious
    choice.)

    Attributes:
        null: `random phase` or `field shuffle`.
        p_value: (unit,) of the hexagonal score, among null maps that have one; NaN where the unit
            has none.
        lattice_p_value: (unit,) of the shear-corrected score: how often a null map shows any
            lattice as regular as the unit's; 1 where no lattice was fitted.
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


def benjamini_hochberg(p_values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    r"""p-values adjusted for the number of units tested; NaN stays NaN and does not count.

    $$ q_{(i)} = \min_{j \ge i} \; p_{(j)} \\, n / j $$

    Units with q at or below a level are those whose expected share of false discoveries is at most
    that level.

    Source: Benjamini and Hochberg 1995.
    """
    out = np.full(np.shape(p_values), np.nan)
    known = np.isfinite(p_values)
    if known.any():
        out[known] = stats.false_discovery_control(np.asarray(p_values)[known], method="bh")
    return out


def plane_wave_share(maps: Maps) -> Float[np.ndarray, " unit"]:
    r"""Share of each map's variance that its best plane wave explains: near 1 for bands, a third for a hexagonal lattice of waves.

    $$ \max_k \; 2 |\sum_x z(x) e^{-ikx}|^2 / (n \sum_x z(x)^2), \quad z = r - \bar r $$

    Args:
        maps: (unit, y, x); NaN marks unvisited bins.
    """
    known = np.isfinite(maps)
    count = np.maximum(known.sum(axis=(1, 2)), 1)
    z = _unit_height(centred(maps, known))
    rows, columns = maps.shape[1:]
    power = np.abs(fft.rfft2(z.astype(np.float32), (2 * rows, 2 * columns))) ** 2
    # One or two waves across the arena are what any wide field gives.
    ky, kx = fft.fftfreq(2 * rows)[:, None], fft.rfftfreq(2 * columns)
    power[:, np.hypot(ky * rows, kx * columns) < FEWEST_WAVES] = 0
    total = count * (z**2).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, np.minimum(2 * power.max(axis=(1, 2)) / total, 1.0), np.nan)


def grid_statistics(maps: Maps) -> dict[str, Float[np.ndarray, " unit"]]:
    """The statistics that are tested by default: `minmax`, `corrected`, `square`, `band`."""
    scores = score_correlograms(autocorrelograms(maps), bin_size_m=1.0)
    return {
        "minmax": scores.minmax,
        "corrected": scores.corrected,
        "square": scores.square,
        "band": plane_wave_share(maps),
    }


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
    """p-value of each unit's scores against null maps of its own.

    Unit and null are compared at the same resolution, one at which the unit's fields are still
    resolved; scores reported elsewhere come from the full resolution. With random phases, units of
    the same spectrum and the same values share
    their null maps: the null depends on nothing else.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins. Not changed.
        seed: of the null maps; the same seed gives the same p-values, in whatever order the units
            come.
        nulls: null maps of a unit; a group of units shares up to three times as many.
        smoothing_bins: smoothing before scoring, in bins, as for the scores.
        null: `random phase` or `field shuffle`.
        workers: threads; as many as there are cores by default.
        progress: called with (units done, units to do).

    Raises:
        InputError: wrong shapes, infinities, an unknown null, or fewer than 19 null maps.
    """
    if nulls < FEWEST_NULLS:
        raise InputError(
            f"{nulls} null maps cannot tell p = 0.05 from chance: take {FEWEST_NULLS} or more"
        )
    if null not in NULLS:
        raise InputError(f"null must be one of {', '.join(NULLS)}, not '{null}'")
    maps = smooth(as_maps(rate_maps), smoothing_bins)
    testable = np.nonzero(_varies(maps))[0]
    groups = list(_groups_of_units(maps, testable, share=null == "random phase"))
    seeds = np.random.SeedSequence(seed).spawn(len(groups))
    result = {
        name: np.full(len(maps), np.nan)
        for name in ("minmax", "corrected", "square", "band", "null_95")
    }
    number, group_of = np.zeros(len(maps), dtype=np.int64), np.full(len(maps), -1, dtype=np.int64)

    def test(group: "_Group", seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
        draw = group.random_phases if null == "random phase" else group.field_shuffles
        drawn = _statistics(
            draw(nulls * min(len(group.units), MOST_SHARED), np.random.default_rng(seed))
        )
        return _p_values(
            _statistics(np.array_split(group.maps, -(-group.maps.size // CHUNK_BINS))), drawn
        )

    done = 0
    with ThreadPoolExecutor(workers or cores()) as pool:
        for index, (group, found) in enumerate(
            zip(groups, pool.map(test, groups, seeds), strict=True)
        ):
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
        information_p_value: (unit,) of the Skaggs information of the maps, activity with negative
            values counted from its lowest; NaN for units whose activity is constant. Information
            above that of all shifts gets the p-value of a Pareto tail (an exponential one of its
            logarithm) fitted to the highest tenth of at least 90 shifts: without that, one spatial
            unit among hundreds could not stand out.
        grid_p_value: (unit,) of the hexagonal score. Shifted maps without a score count as lower:
            here, unlike under random phases, the null asks what the activity would show if it were
            not locked to place.
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
        nulls: how many shifts, the same ones for all units.
        smoothing_bins: smoothing before scoring besides the path's own, as for the scores it is
            compared with.
        progress: called with (shifts done, shifts).

    Raises:
        InputError: fewer than 19 shifts, or a recording of fewer than 20 samples.

    Source: Langston et al. 2010; Wills et al. 2010. Tail: Hill 1975; information of bursts has
        heavier tails than scores, which are bounded.
    """
    if nulls < FEWEST_NULLS:
        raise InputError(
            f"{nulls} shifts cannot tell p = 0.05 from chance: take {FEWEST_NULLS} or more"
        )

    # One zero for a unit and all its shifts: activity with negative values, as of calcium, has no
    # information otherwise.
    lowest = (
        np.zeros(path.units) if path.activity is None else path.activity.min(axis=0, initial=0.0)
    )
    zero = lowest[:, None, None]

    def measure(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
        scores = score_correlograms(autocorrelograms(smooth(maps, smoothing_bins)), bin_size_m=1.0)
        counted = np.where(zero < 0, np.maximum(maps - zero, 0.0), maps)
        return spatial_information(
            counted, occupancy=path.occupancy_s
        ).bits_per_spike, scores.minmax

    samples = len(path.bin_index)
    drawn = shifts(
        samples,
        nulls,
        sample_s=path.duration_s / max(samples, 1),
        generator=np.random.default_rng(seed),
    )
    observed = measure(rebin(path))
    null = np.empty((2, nulls, path.units))
    for k, shift in enumerate(drawn):
        null[:, k] = measure(rebin(path, int(shift)))
        if progress:
            progress(k + 1, nulls)
    p, null_95 = [], []
    for values, found in zip(observed, np.where(np.isfinite(null), null, -np.inf), strict=True):
        p.append(
            np.where(
                np.isfinite(values),
                (1 + (found >= values - 1e-12).sum(axis=0)) / (1 + nulls),
                np.nan,
            )
        )
        top = np.quantile(found, 0.95, axis=0, method="higher")
        null_95.append(np.where(np.isfinite(top), top, np.nan))
    # Zero information has no logarithm; it is never above all shifts.
    logs = np.log(np.maximum(np.where(np.isfinite(null[0]), null[0], 0.0), 1e-300))
    for u in np.flatnonzero(np.isfinite(observed[0]) & (p[0] <= 1 / (1 + nulls))):
        p[0][u] = min(
            p[0][u],
            float(
                _tail(np.sort(logs[:, u]), np.log(np.maximum(observed[0][u : u + 1], 1e-300)))[0]
            ),
        )
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
    """Maps over their largest absolute value: squares of what is left neither overflow nor vanish, whatever the unit of activity."""
    height = np.abs(maps).max(axis=(1, 2), keepdims=True)
    return maps / np.where(height > 0, height, 1.0)


def _varies(maps: Maps) -> np.ndarray:
    known = np.isfinite(maps)
    low = np.where(known, maps, np.inf).min(axis=(1, 2))
    high = np.where(known, maps, -np.inf).max(axis=(1, 2))
    return (known.sum(axis=(1, 2)) >= 9) & (
        high - low > 1e-9 * np.maximum(np.abs(low), np.abs(high))
    )


def _statistics(parts: Iterable[Maps]) -> dict[str, np.ndarray]:
    """The statistics of maps that come in parts."""
    scores = [grid_statistics(part) for part in parts]
    return {name: np.concatenate([one[name] for one in scores]) for name in scores[0]}


def _p_values(
    observed: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """p-values of units from the scores of their null maps, with the null's 95th percentile and the number of null maps."""
    found = {}
    for name, values in observed.items():
        null = np.sort(drawn[name][np.isfinite(drawn[name])])
        # A lattice counts against all null maps, also against those that show none; other scores
        # against those that have one.
        among = len(drawn[name]) if name == "corrected" else len(null)
        # Equal up to rounding is equal.
        above = len(null) - np.searchsorted(null, values - 1e-9)
        counted = (1 + above) / (1 + among)
        p = np.where(
            above > 0, counted, np.minimum(counted, len(null) / max(among, 1) * _tail(null, values))
        )
        missing = 1.0 if name == "corrected" else np.nan
        found[name] = np.where(np.isfinite(values) & (among >= FEWEST_NULLS), p, missing)
        if name == "minmax":
            found["nulls"] = np.full(len(values), among)
            found["null_95"] = np.full(
                len(values), np.quantile(null, 0.95) if among >= FEWEST_NULLS else np.nan
            )
    return found


def _tail(null: Float[np.ndarray, " null"], values: np.ndarray) -> np.ndarray:
    r"""Probability of values beyond all null scores, $0.1 \, e^{-(x - t) / \bar e}$ with t the 90th percentile and e the mean excess over it.

    Scores are bounded, so that their tails are lighter than an exponential one: the estimate errs
        towards large p.
    """
    if len(null) < FEWEST_FOR_TAIL:
        return np.ones(len(values))
    threshold = np.quantile(null, 1 - TAIL_SHARE)
    excess = float((null[null > threshold] - threshold).mean()) if null[-1] > threshold else 0.0
    if not excess > 0:
        return np.ones(len(values))
    return np.where(
        np.isfinite(values),
        TAIL_SHARE * np.exp(-np.maximum(np.nan_to_num(values) - threshold, 0.0) / excess),
        1.0,
    )


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
        for size in _chunks(count, self.maps[0].size):
            yield draw_random_phases(
                self.power, self.values, np.isfinite(self.maps[0]), size, generator
            )

    def field_shuffles(self, count: int, generator: np.random.Generator) -> Iterator[Maps]:
        for size in _chunks(count, self.maps[0].size):
            yield field_shuffled_maps(self.maps[0], size, generator=generator, smoothing_bins=0.0)


def _chunks(count: int, bins: int) -> Iterator[int]:
    size = max(1, CHUNK_BINS // bins)
    return (min(size, count - first) for first in range(0, count, size))


def _groups_of_units(maps: Maps, testable: np.ndarray, *, share: bool) -> Iterator[_Group]:
    """The units in groups of one resolution, one set of visited bins and, to share null maps, alike in spectrum and values."""
    if not len(testable):
        return
    factors = np.concatenate(
        [_factors(maps[part]) for part in np.array_split(testable, -(-len(testable) // 64))]
    )
    _, mask = np.unique(
        np.packbits(np.isfinite(maps[testable]).reshape(len(testable), -1), axis=1),
        axis=0,
        return_inverse=True,
    )
    for kind in np.unique(np.stack([factors, mask.ravel()], axis=1), axis=0):
        units = testable[(factors == kind[0]) & (mask.ravel() == kind[1])]
        for part in np.array_split(units, -(-len(units) // MOST_UNITS)):
            tested = _coarse(maps[part], int(kind[0]))
            spectra = spectra_of(tested)
            label = _alike(spectra) if share else np.arange(len(part))
            # Values count, too: a map and what a nonlinearity makes of it have the same ranks, so
            # the same spectrum.
            both = np.concatenate([spectra.values, spectra.cumulative], axis=1)
            means = np.stack(
                [both[label == g].mean(axis=0).round(9) for g in range(label.max() + 1)]
            )
            # In an order that does not depend on that of the units, so that neither do the random
            # numbers.
            for g in np.lexsort(means.T):
                of = label == g
                yield _Group(
                    part[of],
                    tested[of],
                    spectra.power[of].mean(axis=0),
                    spectra.values[of].mean(axis=0),
                )


def _alike(spectra: Spectra) -> Int[np.ndarray, " unit"]:
    """Groups of units whose null maps would be alike: the same share of power at every scale and the same distribution of values."""
    if len(spectra.power) == 1:
        return np.zeros(1, dtype=np.int64)
    quantiles = np.quantile(spectra.values, np.linspace(0.02, 0.98, 25), axis=1).T
    features = np.concatenate(
        [spectra.cumulative / SPECTRUM_TOLERANCE, quantiles / VALUE_TOLERANCE], axis=1
    )
    tree = cluster.hierarchy.linkage(
        spatial.distance.pdist(features, "chebyshev"), method="complete"
    )
    return cluster.hierarchy.fcluster(tree, 1.0, criterion="distance").astype(np.int64) - 1


# -- resolution of the test ------------------------------


def _coarse(maps: Maps, factor: int) -> Maps:
    """Means over blocks of bins, of those visited; a block that was mostly unvisited is unvisited. Rows and columns left over are cut off."""
    units, rows, columns = maps.shape
    rows, columns = rows // factor * factor, columns // factor * factor
    split = maps[:, :rows, :columns].reshape(
        units, rows // factor, factor, columns // factor, factor
    )
    known = np.isfinite(split)
    count = known.sum(axis=(2, 4))
    mean = np.where(known, split, 0.0).sum(axis=(2, 4)) / np.maximum(count, 1)
    return np.where(2 * count >= factor**2, mean, np.nan)


def _factors(maps: Maps) -> Int[np.ndarray, " unit"]:
    """How many bins of each map make one bin of the test: as many as leave its fields resolved."""
    most = max(1, min(maps.shape[1:]) // FEWEST_BINS)
    z = _unit_height(centred(maps, np.isfinite(maps)))
    rows, columns = maps.shape[1:]
    power = np.abs(fft.rfft2(z, (2 * rows, 2 * columns))) ** 2
    correlation = fft.irfft2(power, (2 * rows, 2 * columns))
    reach = min(rows, columns) // 2
    # The mean over the four directions of the grid is enough to tell where the autocorrelation
    # falls to half.
    line = (correlation[:, 0, :reach] + correlation[:, :reach, 0]) / 2
    low = line < line[:, :1] / 2
    half_width = np.where(low.any(axis=1), low.argmax(axis=1), reach)
    return np.clip((half_width / HALF_WIDTH_BINS).astype(int), 1, most)
