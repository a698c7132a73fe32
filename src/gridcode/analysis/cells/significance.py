"""Significance of scores: p-values of every unit against null maps made from its own map."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import fft, stats

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, autocorrelograms, centred, smooth
from gridcode.analysis.cells.gridness import grid_scores, unscorable
from gridcode.analysis.cells.nulls import (
    Spectra,
    draw_random_phases,
    field_shuffled_maps,
    spectra_of,
)
from gridcode.analysis.cells.waves import strengths
from gridcode.arrays import takes_arrays
from gridcode.cores import allowed_cores
from gridcode.errors import InputError

NULLS = ("random phase", "field shuffle")
# Maps are tested at the resolution at which the autocorrelation falls to half within this many bins
# or more, and at no fewer bins a side than the second.
HALF_WIDTH_BINS, FEWEST_BINS = 1.6, 32
CHUNK_BINS = 2**18  # bins of null maps worked on at once
FEWEST_NULLS = 19
# A unit that so many of the first null maps reach is far from significant and needs no more; nor
# does one whose p-value, by the upper end of what their tail allows, is at most the last.
FIRST_NULLS, ENOUGH_ABOVE, SMALL_ENOUGH = 100, 20, 0.005
# One plane wave that explains more of a map than the first is a band, whatever ripples run along
# it; one that explains less than the second is not.
BAND_SHARE, LEAST_BAND_SHARE = 0.6, 0.3
# The grid score, which decides nothing, is compared with no more null maps than this.
GRID_SCORE_NULLS = 100
# Where a verdict hangs on chance up to so many times as many null maps are drawn.
MOST_TIMES = 8
# Chance that the p-value of infinitely many null maps lies outside of the interval.
INTERVAL_MISS = 1e-3
# p-values beyond all null scores come from their tail, the highest tenth of at least 90.
TAIL_SHARE, FEWEST_FOR_TAIL = 0.1, 90

# Takes the lower and the upper ends of the intervals of the lattice's and of the band's p-values,
# (2, unit) each, and tells which units' verdicts they leave open.
Undecided = Callable[
    [Float[np.ndarray, "2 unit"], Float[np.ndarray, "2 unit"]], Bool[np.ndarray, " unit"]
]


@dataclass(frozen=True)
class Significance:
    r"""p-values of each unit against null maps, (1 + nulls at least as high) / (1 + nulls).

    NaN for units that vary too little to be tested. A unit above all its null maps gets the p-value
    of an exponential tail fitted to the highest tenth of them: without it no unit could stand out
    among hundreds. (Knijnenburg et al. 2009 fit a generalised Pareto tail; for bounded numbers the
    exponential is the cautious choice.)

    Attributes:
        null: `random phase` or `field shuffle`.
        lattice_p_value: (unit,) of a lattice of any shape, from `lattice_z`.
        lattice_z: (unit,) of the strengths of a hexagonal, a sheared and a square lattice
            (`gridcode.analysis.cells.waves`), each in standard deviations z above the mean of the
            null, $(\sum z^4)^{1/4}$ over those above: nearly the largest. Null maps are measured
            alike, so that p needs no correction for three forms.
        band_p_value: (unit,) of the share of the strongest wave.
        grid_score_p_value: (unit,) of the grid score, among null maps that have one.
        grid_score_null_95: (unit,) 95th percentile of the null's grid score.
        nulls: (unit,) null maps that the unit was compared with.
    """

    null: str
    lattice_p_value: Float[np.ndarray, " unit"]
    lattice_z: Float[np.ndarray, " unit"]
    band_p_value: Float[np.ndarray, " unit"]
    grid_score_p_value: Float[np.ndarray, " unit"]
    grid_score_null_95: Float[np.ndarray, " unit"]
    nulls: Int[np.ndarray, " unit"]


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
    return np.minimum(strengths(rate_maps).wave_share, 1.0)


@takes_arrays
def significance(
    rate_maps: np.ndarray,
    *,
    seed: int,
    nulls: int = 500,
    smoothing_bins: float = 1.0,
    null: str = "random phase",
    undecided: Undecided | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Significance:
    """p-values of each unit against null maps made from its own map.

    Unit and null are compared at one resolution, at which the unit's fields are still resolved;
    scores reported elsewhere come from the full resolution. A unit's null maps depend on its own
    map and the seed alone, so that its p-values do not change with the units beside it.

    A unit gets 100 null maps, all `nulls` unless it is far from significant by then or so far
    above them that no more are needed, and more, up to 8 times `nulls`, as long as `undecided` says
    that its verdict could still turn.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins. Not changed.
        seed: of the null maps.
        nulls: null maps of a unit.
        smoothing_bins: smoothing before the grid score, in bins. The strengths of lattices are
            measured without: the null has the spectrum of the map, whatever it is.
        null: `random phase` or `field shuffle`.
        undecided: given the ends of the intervals, (2, unit) each, in which the lattice's and the
            band's p-values lie, which units need more null maps. None: no unit does.
        workers: threads; as many as there are cores by default.
        progress: called with (units done, units to do).

    Raises:
        InputError: wrong shapes, infinities, an unknown null, or fewer than 19 null maps.

    Source: sequential p-values: Besag and Clifford 1991.
    """
    check_nulls(nulls)
    if null not in NULLS:
        raise InputError(f"null must be one of {', '.join(NULLS)}, not '{null}'")
    maps = as_maps(rate_maps)
    testable = np.nonzero(_testable(maps))[0]
    found = np.full((5, len(maps)), np.nan)
    number = np.zeros(len(maps), dtype=np.int64)
    units: dict[int, _Tested] = {}

    def begin(u: int) -> _Tested:
        unit = _Tested.of(maps[u], null=null, seed=seed, smoothing_bins=smoothing_bins)
        unit.draw(min(FIRST_NULLS, nulls))
        if not unit.clear():
            unit.draw(nulls - unit.count)
        return unit

    with ThreadPoolExecutor(workers or allowed_cores()) as pool:
        for u, unit in zip(testable.tolist(), pool.map(begin, testable.tolist()), strict=True):
            units[u] = unit
            if progress:
                progress(len(units), len(testable))
        open_ = list(units)
        while undecided is not None and open_:
            low, high = np.full((2, 2, len(maps)), np.nan)
            for u, unit in units.items():
                low[:, u], high[:, u] = unit.interval()
            more = undecided(low, high)
            most = MOST_TIMES * nulls
            open_ = [u for u, unit in units.items() if more[u] and unit.count < most]
            doubled = [(units[u], min(units[u].count, most - units[u].count)) for u in open_]
            list(pool.map(lambda one: one[0].draw(one[1]), doubled))
    for u, unit in units.items():
        found[:, u], number[u] = unit.result(), unit.count
    lattice, z, band, score, top = found
    return Significance(null, lattice, z, band, score, top, number)


def check_nulls(nulls: int) -> None:
    """Raise an InputError for too few null maps."""
    if nulls < FEWEST_NULLS:
        raise InputError(f"{nulls} nulls cannot reach p = 0.05: take {FEWEST_NULLS} or more")


@takes_arrays
def tail(
    null: Float[np.ndarray, " null"], values: Float[np.ndarray, " value"], *, miss: float = 0.5
) -> Float[np.ndarray, " value"]:
    r"""Probability of values beyond all null scores by an exponential tail, $0.1 e^{-(x - t) / e}$.

    With t the 90th percentile and e the mean excess over it. Bounded scores have lighter tails: the
    estimate errs towards large p.

    Args:
        null: null scores, sorted.
        values: of units.
        miss: chance that the true probability is higher, for the few excesses that there are: the
            mean of n exponential numbers has a gamma distribution. 0.5: the estimate itself.
    """
    if len(null) < FEWEST_FOR_TAIL:
        return np.ones(len(values))
    threshold = np.quantile(null, 1 - TAIL_SHARE)
    above = null[null > threshold] - threshold
    excess = float(above.mean()) if len(above) else 0.0
    if not excess > 0:
        return np.ones(len(values))
    if miss < 0.5:
        excess *= len(above) / float(stats.gamma.ppf(miss, len(above)))
    beyond = np.maximum(np.nan_to_num(values) - threshold, 0.0)
    return np.where(np.isfinite(values), TAIL_SHARE * np.exp(-beyond / excess), 1.0)


def _testable(maps: Maps) -> np.ndarray:
    varies = np.array([reason == "" for reason in unscorable(maps)], dtype=bool)
    return varies & (np.isfinite(maps).sum(axis=(1, 2)) >= 9)


@dataclass
class _Tested:
    """One unit, and what was measured of the null maps drawn so far.

    Attributes:
        map: (1, y, x) at the resolution of the test.
        smoothing_bins: before the grid score, at that resolution.
        spectra: of the map, to draw random phases; None to shuffle fields.
        generator: of the null maps.
        observed: (4,) strengths of the three forms and the share of the strongest wave.
        grid_score: of the map.
        drawn: (null, 4) the same of null maps.
        null_scores: grid scores of the first null maps.
    """

    map: Maps
    smoothing_bins: float
    spectra: Spectra | None
    generator: np.random.Generator
    observed: Float[np.ndarray, " 4"]
    grid_score: float
    drawn: Float[np.ndarray, "null 4"]
    null_scores: list[float] = field(default_factory=list)

    @classmethod
    def of(
        cls, rate_map: Float[np.ndarray, "y x"], *, null: str, seed: int, smoothing_bins: float
    ) -> "_Tested":
        factor = _factor(smooth(rate_map, smoothing_bins)[0])
        coarse, smoothing = _coarse(rate_map[None], factor), smoothing_bins / factor
        # The same unit has the same null maps, whatever stands beside it, in any unit of activity.
        low, high = np.nanmin(coarse), np.nanmax(coarse)
        level = np.rint((coarse - low) / (high - low if high > low else 1.0) * 1e6)
        digest = hashlib.sha256(np.nan_to_num(level, nan=-1).astype(np.int32).tobytes()).digest()
        return cls(
            map=coarse,
            smoothing_bins=smoothing,
            spectra=spectra_of(coarse) if null == "random phase" else None,
            generator=np.random.default_rng([seed, int.from_bytes(digest[:8], "big")]),
            observed=_measured(coarse)[0],
            grid_score=float(grid_scores(autocorrelograms(smooth(coarse, smoothing)))[0]),
            drawn=np.empty((0, 4)),
        )

    @property
    def count(self) -> int:
        return len(self.drawn)

    def draw(self, count: int) -> None:
        """Add null maps."""
        parts = [self.drawn]
        for maps in self._null_maps(count):
            parts.append(_measured(maps))
            scored = maps[: max(GRID_SCORE_NULLS - len(self.null_scores), 0)]
            if len(scored):
                scored = smooth(scored, self.smoothing_bins)
                self.null_scores += grid_scores(autocorrelograms(scored)).tolist()
        self.drawn = np.concatenate(parts)

    def _null_maps(self, count: int) -> Iterator[Maps]:
        size = max(1, CHUNK_BINS // self.map.size)
        for chunk in (min(size, count - first) for first in range(0, count, size)):
            if self.spectra is None:
                yield field_shuffled_maps(
                    self.map[0], chunk, generator=self.generator, smoothing_bins=self.smoothing_bins
                )
            else:
                power, values = self.spectra.power[0], self.spectra.values[0]
                yield draw_random_phases(power, values, self.spectra.visited, chunk, self.generator)

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """`lattice_z` and the share of a wave: of the unit (2,), of its null maps (2, null)."""
        forms = self.drawn[:, :3]
        mean, spread = forms.mean(axis=0), forms.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        z = _together((self.observed[:3] - mean) / spread)
        null_z = _together((forms - mean) / spread)
        return np.array([z, self.observed[3]]), np.stack([null_z, self.drawn[:, 3]])

    def above(self) -> Int[np.ndarray, " 2"]:
        """Null maps that are at least as high; equal up to rounding is equal."""
        observed, null = self.statistics()
        return np.asarray((null >= observed[:, None] - 1e-6).sum(axis=1))

    def p_values(self) -> Float[np.ndarray, " 2"]:
        p = (1 + self.above()) / (1 + self.count)
        return np.where(self.above() > 0, p, np.minimum(p, self._tails()))

    def _tails(self, miss: float = 0.5) -> Float[np.ndarray, " 2"]:
        each = zip(*self.statistics(), strict=True)
        return np.array([float(tail(np.sort(n), o[None], miss=miss)[0]) for o, n in each])

    def clear(self) -> bool:
        """Whether more null maps would not turn the verdict on the unit.

        A wave that explains too little to be called a band, or no more than a lattice's, needs no
        verdict.
        """
        above = self.above()
        small = (above == 0) & (self._tails(INTERVAL_MISS / 2) <= SMALL_ENOUGH)
        lattice, band = small | (above >= ENOUGH_ABOVE)
        needed = self.observed[3] > (BAND_SHARE if small[0] else LEAST_BAND_SHARE)
        return bool(lattice and (band or not needed))

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Clopper and Pearson's interval of the share of all null maps that are as high."""
        k, n = self.above(), self.count
        low = stats.beta.ppf(INTERVAL_MISS / 2, np.maximum(k, 1), n - k + 1)
        high = stats.beta.ppf(1 - INTERVAL_MISS / 2, k + 1, np.maximum(n - k, 1))
        # Beyond all null maps the tail says more than the count.
        high = np.where(k == 0, np.minimum(high, self._tails(INTERVAL_MISS / 2)), high)
        return np.where(k > 0, low, 0.0), high

    def result(self) -> Float[np.ndarray, " 5"]:
        """In the order of the fields of `Significance`."""
        lattice, band = self.p_values()
        null = np.sort([s for s in self.null_scores if np.isfinite(s)])
        score_p = top = np.nan
        if np.isfinite(self.grid_score) and len(null) >= FEWEST_NULLS:
            above = int((null >= self.grid_score - 1e-9).sum())
            score_p = (1 + above) / (1 + len(null))
            if above == 0:
                score_p = min(score_p, float(tail(null, np.array([self.grid_score]))[0]))
        if len(null) >= FEWEST_NULLS:
            top = float(np.quantile(null, 0.95))
        return np.array([lattice, self.statistics()[0][0], band, score_p, top])


def _together(z: Float[np.ndarray, "*nulls form"]) -> Float[np.ndarray, "*nulls"]:
    """Nearly the largest of the forms, and more where two agree: the 4-norm of what is positive."""
    largest = z.max(axis=-1)
    return np.where(largest > 0, (np.maximum(z, 0.0) ** 4).sum(axis=-1) ** 0.25, largest)


def _measured(maps: Maps) -> Float[np.ndarray, "unit 4"]:
    found = strengths(maps)
    return np.vstack([found.forms(), found.wave_share]).T


def _coarse(maps: Maps, factor: int) -> Float[np.ndarray, "unit coarse_y coarse_x"]:
    """Means over the visited bins of blocks; NaN where most are unvisited. Rests are cut off."""
    rows, columns = maps.shape[1] // factor, maps.shape[2] // factor
    split = maps[:, : rows * factor, : columns * factor]
    split = split.reshape(len(maps), rows, factor, columns, factor)
    known = np.isfinite(split)
    count = known.sum(axis=(2, 4))
    mean = np.where(known, split, 0.0).sum(axis=(2, 4)) / np.maximum(count, 1)
    return np.where(2 * count >= factor**2, mean, np.nan)


def _factor(rate_map: Float[np.ndarray, "y x"]) -> int:
    """Bins of a map that make one bin of the test: as many as leave its fields resolved."""
    most = max(1, min(rate_map.shape) // FEWEST_BINS)
    z = centred(rate_map[None], np.isfinite(rate_map)[None])
    z = z / max(float(np.abs(z).max()), 1e-300)  # squares neither overflow nor vanish
    rows, columns = rate_map.shape
    power = np.abs(fft.rfft2(z[0], (2 * rows, 2 * columns))) ** 2
    correlation = fft.irfft2(power, (2 * rows, 2 * columns))
    reach = min(rows, columns) // 2
    # The mean over the grid's directions is enough to see where the autocorrelation falls to half.
    line = (correlation[0, :reach] + correlation[:reach, 0]) / 2
    low = line < line[0] / 2
    half_width = int(low.argmax()) if low.any() else reach
    return int(np.clip(int(half_width / HALF_WIDTH_BINS), 1, most))
