"""Errors of places decoded from noisy states: local ones and catastrophic ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gridcode.analysis.coding.codes import Code, random_places, sample_states, slopes, states_at
from gridcode.arrays import doubles
from gridcode.errors import InputError

# Steps of least squares from the best bin to the best place.
REFINEMENTS = 2
# The median of the length of a two-dimensional Gaussian vector over its standard deviation in each
# coordinate.
RAYLEIGH_MEDIAN = math.sqrt(2 * math.log(2))
MOST_BINS = 40_000
BLOCK = 256


@dataclass(frozen=True)
class ErrorCorrection:
    """Errors of the best reading of a place from one noisy state, by noise.

    Attributes:
        sigma: (level,) standard deviation of the noise of a unit, in the unit of the activity.
        local_error_m: (level,) median error of readings closer than `radius_m`; NaN where there is
            none.
        expected_m: (level,) the same by the Cramer-Rao bound, from each place's own slope.
        catastrophic: (level,) share of readings further off than `radius_m`.
        chance: that share for random guesses in the arena.
        ambiguous: that share without any noise: places that the code gives the same state.
        threshold_sigma: noise at which `catastrophic` is half way from `ambiguous` to `chance`,
            between levels along their logarithm.
        radius_m: errors up to here are local, metres.
        reason: why a number is NaN; empty where none is.
    """

    sigma: Float[np.ndarray, " level"]
    local_error_m: Float[np.ndarray, " level"]
    expected_m: Float[np.ndarray, " level"]
    catastrophic: Float[np.ndarray, " level"]
    chance: float
    ambiguous: float
    threshold_sigma: float
    radius_m: float
    reason: str = ""


def error_correction(
    code: Code,
    *,
    arena_m: float,
    radius_m: float,
    sigmas: Sequence[float],
    generator: np.random.Generator,
    bin_size_m: float = 0.05,
    places: int = 1000,
) -> ErrorCorrection:
    r"""Decode places from noisy states by the best match over the arena.

    $$ \hat x = \arg\min_x |g(x) - (g(x_0) + \varepsilon)| $$

    The best centre of all bins is refined by a few steps of least squares along the code's
    own slopes, kept within a bin. Independent Gaussian noise of standard deviation $\sigma$ in
    every unit moves the best match by a Gaussian of covariance $\sigma^2 (J^\top J)^{-1}$ with $J =
    \partial g / \partial x$; its median length is about $1.18\, \sigma / s$ for a slope s that is
    the same in all directions. A
    periodic code has aliases: a share `ambiguous` of readings is wrong without any noise.

    Args:
        code: the code; places without a state are neither shown nor read.
        arena_m: side of the square arena around the origin, metres.
        radius_m: errors up to here are local: no further than the code takes to become unlike
            itself, such as its decorrelation length.
        sigmas: standard deviations of the noise, ascending, in the unit of the activity.
        generator: draws places and noise.
        bin_size_m: distance of the places that a state is first compared with; small against the
            fields.
        places: places that are shown.

    Returns:
        Errors by noise; NaN with a reason where the activity does not depend on the place.

    Raises:
        InputError: sizes or noise that are not positive, a radius beyond the arena, too many bins,
            or too few places with a state.

    Source: Fiete, Burak & Brookings 2008; Sreenivasan & Fiete 2011; local error: Cramer-Rao, Seung
        & Sompolinsky 1993.
    """
    levels = doubles(sigmas, "sigmas")
    if (
        levels.ndim != 1
        or len(levels) == 0
        or not ((levels > 0) & np.isfinite(levels)).all()
        or (np.diff(levels) <= 0).any()
    ):
        raise InputError(f"sigmas must be positive and ascending, not {sigmas}")
    if not 0 < radius_m < arena_m:
        raise InputError(
            f"a local radius of {radius_m:g} m does not lie within an arena of {arena_m:g} m"
        )
    if not 0 < bin_size_m <= arena_m / 2 or (arena_m / bin_size_m) ** 2 > MOST_BINS:
        raise InputError(
            f"bins of {bin_size_m:g} m do not suit an arena of {arena_m:g} m: "
            f"take 4 to {MOST_BINS} bins"
        )
    true, states = sample_states(code, side_m=arena_m, places=places, generator=generator)
    count = math.ceil(arena_m / bin_size_m)
    line = (np.arange(count) + 0.5) * arena_m / count - arena_m / 2
    middle = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    known = np.isfinite(candidates := states_at(code, middle)).all(axis=1)
    middle, candidates = middle[known], candidates[known]
    guesses = np.linalg.norm(
        random_places(arena_m, 20_000, generator) - random_places(arena_m, 20_000, generator),
        axis=1,
    )
    chance = float((guesses > radius_m).mean())
    if len(middle) == 0 or not np.ptp(states, axis=0).any():
        none, nan = np.full(len(levels), math.nan), math.nan
        reason = "the activity is the same everywhere"
        return ErrorCorrection(levels, none, none, none, chance, nan, nan, radius_m, reason)
    step = bin_size_m / 2
    expected = _cramer_rao_median(slopes(code, true, step_m=step))
    error, wrong = [], []
    for sigma in (0.0, *levels):
        shown = states + sigma * generator.standard_normal(states.shape)
        off = np.linalg.norm(_read(code, shown, middle, candidates, step_m=step) - true, axis=1)
        local = off <= radius_m
        wrong.append(1 - float(local.mean()))
        error.append(float(np.median(off[local])) if local.any() else math.nan)
    threshold, reason = _threshold(levels, np.array(wrong[1:]), wrong[0], chance)
    return ErrorCorrection(
        levels,
        np.array(error[1:]),
        levels * expected,
        np.array(wrong[1:]),
        chance,
        wrong[0],
        threshold,
        radius_m,
        reason,
    )


def _cramer_rao_median(slope: Float[np.ndarray, "place unit 2"]) -> float:
    """Median over places of the median error per unit of noise.

    Infinite where most places have no slope, NaN where none is known.
    """
    slope = slope[np.isfinite(slope).all(axis=(1, 2))]
    if not len(slope):
        return math.nan
    if slope.shape[1] < 2:
        return math.inf
    singular = np.linalg.svd(slope, compute_uv=False)
    blind = singular[:, 1] <= 1e-9 * max(float(singular.max()), 1e-300)
    inverse = np.where(blind[:, None], math.inf, 1 / np.where(blind[:, None], 1.0, singular))
    # Of a Gaussian with unequal variances, that of the equal one with the same sum.
    return float(np.median(RAYLEIGH_MEDIAN * np.sqrt((inverse**2).sum(axis=1) / 2)))


def _read(
    code: Code,
    shown: Float[np.ndarray, "place unit"],
    middle: Float[np.ndarray, "bin 2"],
    candidates: Float[np.ndarray, "bin unit"],
    *,
    step_m: float,
) -> Float[np.ndarray, "place 2"]:
    half_square = (candidates**2).sum(axis=1) / 2
    best = np.concatenate(
        [
            (shown[i : i + BLOCK] @ candidates.T - half_square).argmax(axis=1)
            for i in range(0, len(shown), BLOCK)
        ]
    )
    place, rest = middle[best], shown - candidates[best]
    offset = np.zeros_like(place)
    for _ in range(REFINEMENTS):
        slope = slopes(code, place + offset, step_m=step_m)
        metric = np.einsum("pui,puj->pij", slope, slope)
        size = np.trace(metric, axis1=1, axis2=2)
        usable = np.isfinite(size) & (
            np.linalg.det(np.nan_to_num(metric)) > 1e-12 * np.nan_to_num(size) ** 2
        )
        move = np.zeros_like(offset)
        move[usable] = np.linalg.solve(
            metric[usable], np.einsum("pui,pu->pi", slope[usable], rest[usable])[..., None]
        )[..., 0]
        tried = np.clip(offset + move, -2 * step_m, 2 * step_m)
        tried_rest = shown - states_at(code, place + tried)
        better = ((tried_rest**2).sum(axis=1) < (rest**2).sum(axis=1))[:, None]
        offset, rest = np.where(better, tried, offset), np.where(better, tried_rest, rest)
    return place + offset


def _threshold(
    levels: Float[np.ndarray, " level"],
    wrong: Float[np.ndarray, " level"],
    ambiguous: float,
    chance: float,
) -> tuple[float, str]:
    half_way = (ambiguous + chance) / 2
    if ambiguous >= chance:
        return math.nan, "no better than chance without any noise"
    above = np.flatnonzero(wrong >= half_way)
    if len(above) == 0:
        return math.nan, "catastrophic errors stay less than half way to chance at all noise levels"
    i = int(above[0])
    if i == 0:
        reason = "catastrophic errors are more than half way to chance at the lowest noise level"
        return math.nan, reason
    share = (half_way - wrong[i - 1]) / (wrong[i] - wrong[i - 1])
    return float(levels[i - 1] * (levels[i] / levels[i - 1]) ** share), ""
