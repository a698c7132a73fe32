"""Effects with their intervals and p-values, and the verdicts that the rules in `variants` give."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from gridcode.paper.ablation.variants import (
    EXPECTATIONS,
    FEWEST_SEEDS,
    REFERENCE,
    SIGMA_G,
    VARIANTS,
    Expectation,
)

REPRODUCED, NOT_REPRODUCED, UNCLEAR, NO_CLAIM = (
    "reproduced",
    "not reproduced",
    "unclear",
    "no claim",
)
CONFIDENCE = 0.95
RESAMPLES = 9_999
# Up to ten seeds a side every assignment is counted (184,756), beyond that so many are drawn.
MOST_EXACT = 200_000
Row = Mapping[str, Any]


def judge(
    rows: Sequence[Row], *, expectations: Sequence[Expectation] = EXPECTATIONS, seed: int = 0
) -> list[dict[str, Any]]:
    """A row for every expectation about a variant that is in the table.

    Networks without the statistic (trainings that diverged, fields of networks that have none) are
    left out: `n_reference` and `n_variant` count the others.

    Args:
        rows: the table of runs, with `variant` and every statistic.
        expectations: claims and rules.
        seed: of bootstrap and permutations.

    Returns:
        Rows with `variant`, `claim`, `rule`, `statistic`, numbers of networks, medians,
        `difference` (of medians, variant minus reference), `cliffs_delta`, `effect` (what the rule
        is about) and its interval, `p_value` (two-sided permutation test of the ranks, variant
        against reference, or of the rank correlation) and `p_method`, `verdict` and `reason`. What
        cannot be computed is None.
    """
    there = {str(row["variant"]) for row in rows}
    found = []
    for index, expected in enumerate(expectations):
        trend = expected.kind == "trend"
        if expected.variant in there or (
            trend and sum(name.startswith(SIGMA_G) for name in there) > 1
        ):
            found.append(_judge_one(rows, expected, np.random.default_rng([seed, index])))
    return found


def _judge_one(
    rows: Sequence[Row], expected: Expectation, generator: np.random.Generator
) -> dict[str, Any]:
    trend = expected.kind == "trend"
    names = (
        [v.name for v in VARIANTS if v.name.startswith(SIGMA_G)] if trend else [expected.variant]
    )
    reference = _values(rows, [REFERENCE], expected.statistic)
    variant = _values(rows, names, expected.statistic)
    if trend:
        sigma = {v.name: float(v.overrides["loss.sigma_g"]) for v in VARIANTS if v.name in names}
        scale = np.array(
            [
                sigma[str(row["variant"])]
                for row in rows
                if row["variant"] in names and _number(row, expected.statistic) is not None
            ]
        )
        effect, interval, p_value, method = _trend(scale, variant, generator)
        least = (
            min((int((scale == value).sum()) for value in set(scale)), default=0)
            if len(set(scale)) > 1
            else 0
        )
    else:
        effect, interval, p_value, method = _compared(expected, reference, variant, generator)
        least = min(len(reference), len(variant))
    verdict, reason = _verdict(expected, rows, least, effect, interval)
    return {
        "variant": expected.variant,
        "claim": expected.claim,
        "rule": expected.rule,
        "statistic": expected.statistic,
        "n_reference": len(reference),
        "n_variant": len(variant),
        "reference_median": _median(reference),
        "variant_median": _median(variant),
        "difference": None if trend else _difference(reference, variant),
        "cliffs_delta": None if trend else cliffs_delta(reference, variant),
        "effect": effect,
        "interval_low": interval[0],
        "interval_high": interval[1],
        "p_value": p_value,
        "p_method": method,
        "verdict": verdict,
        "reason": reason,
    }


def _verdict(
    expected: Expectation,
    rows: Sequence[Row],
    least: int,
    effect: float | None,
    interval: tuple[float | None, float | None],
) -> tuple[str, str]:
    if expected.kind == "none":
        return NO_CLAIM, "numbers only"
    low, high = interval
    if least < FEWEST_SEEDS or effect is None or low is None or high is None:
        where = "at one value of sigma_g" if expected.kind == "trend" else "on one side"
        return (
            UNCLEAR,
            f"{counted(least, 'network')} with this number {where}, fewer than {FEWEST_SEEDS}",
        )
    if expected.premise is not None:
        column, needed = expected.premise
        held = _median(_values(rows, [REFERENCE], column))
        if held is None or held < needed:
            return (
                UNCLEAR,
                f"the reference's own {column} is {'unknown' if held is None else format(held, '.3g')}, and not {needed:g} or more",
            )
    bottom = -math.inf if expected.least is None else expected.least
    top = math.inf if expected.most is None else expected.most
    said = f"interval {low:.3g} to {high:.3g}"
    if bottom <= low and high <= top:
        return REPRODUCED, f"{said} is within the rule"
    if high < bottom or low > top:
        return NOT_REPRODUCED, f"{said} is outside of the rule"
    return UNCLEAR, f"{said} holds both"


def _compared(
    expected: Expectation,
    reference: Float[np.ndarray, " reference"],
    variant: Float[np.ndarray, " variant"],
    generator: np.random.Generator,
) -> tuple[float | None, tuple[float | None, float | None], float | None, str]:
    """Effect, interval and p-value of a variant beside the reference; networks are independent, since trainings are chaotic."""
    if not len(variant) or (expected.kind != "level" and not len(reference)):
        return None, (None, None), None, ""
    if expected.kind == "level":
        effect = _median(variant)
        samples: tuple[np.ndarray, ...] = (variant,)
    else:
        effect = _difference(reference, variant)
        samples = (variant, reference)

    def statistic(*data: np.ndarray, axis: int = -1) -> np.ndarray:
        middles = [np.median(values, axis=axis) for values in data]
        return middles[0] - middles[1] if len(middles) == 2 else middles[0]

    interval: tuple[float | None, float | None] = (None, None)
    if min(map(len, samples)) > 1:
        drawn = stats.bootstrap(
            samples,
            statistic,
            n_resamples=RESAMPLES,
            vectorized=True,
            axis=-1,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=generator,
        )
        interval = (float(drawn.confidence_interval.low), float(drawn.confidence_interval.high))
    if not len(reference) or len(reference) + len(variant) < 3:
        return effect, interval, None, ""
    exact = math.comb(len(reference) + len(variant), len(variant)) <= MOST_EXACT
    # Of ranks, as Cliff's delta is: medians of counts such as modules hardly change when networks
    # change sides.
    ranks = stats.rankdata(np.concatenate([variant, reference]))
    tested = stats.permutation_test(
        (ranks[: len(variant)], ranks[len(variant) :]),
        lambda a, b, axis=-1: np.mean(a, axis=axis) - np.mean(b, axis=axis),
        vectorized=True,
        axis=-1,
        n_resamples=MOST_EXACT if exact else RESAMPLES,
        batch=10_000,
        rng=generator,
    )
    return effect, interval, float(tested.pvalue), "exact" if exact else f"{RESAMPLES} permutations"


def _trend(
    scale: Float[np.ndarray, " run"],
    values: Float[np.ndarray, " run"],
    generator: np.random.Generator,
) -> tuple[float | None, tuple[float | None, float | None], float | None, str]:
    """Spearman's rank correlation over runs; resampled within each value of the scale, so that none drops out."""
    if len(set(scale)) < 2 or len(set(values)) < 2:
        return None, (None, None), None, ""
    strata = [np.flatnonzero(scale == value) for value in np.unique(scale)]
    drawn = np.concatenate([generator.choice(s, (RESAMPLES, len(s))) for s in strata], axis=1)
    rho = rank_correlation(scale[drawn], values[drawn])
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(rho, [tail, 100 - tail])
    exact = math.factorial(len(values)) <= MOST_EXACT
    tested = stats.permutation_test(
        (values,),
        lambda a, axis=-1: rank_correlation(np.broadcast_to(scale, a.shape), a),  # noqa: ARG005 (SciPy names the axis; it is the last)
        permutation_type="pairings",
        vectorized=True,
        axis=-1,
        n_resamples=MOST_EXACT if exact else RESAMPLES,
        batch=10_000,
        rng=generator,
    )
    effect = float(rank_correlation(scale[None], values[None])[0])
    # Resampled runs are tied with themselves, which ranks count as agreement: the interval is
    # widened to hold the effect.
    return (
        effect,
        (min(float(low), effect), max(float(high), effect)),
        float(tested.pvalue),
        "exact" if exact else f"{RESAMPLES} permutations",
    )


def rank_correlation(
    x: Shaped[np.ndarray, "*sample run"], y: Shaped[np.ndarray, "*sample run"]
) -> Float[np.ndarray, "*sample"]:
    """Spearman's rank correlation along the last axis; 0 where one of the two does not vary."""
    a, b = (stats.rankdata(values, axis=-1) for values in (x, y))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.asarray((a * b).sum(axis=-1) / np.where(scale > 0, scale, 1.0))


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def cliffs_delta(
    reference: Sequence[float] | np.ndarray, variant: Sequence[float] | np.ndarray
) -> float | None:
    """Share of pairs in which the variant's value is the larger minus share in which it is the smaller, -1 to 1; None without pairs.

    Source: Cliff 1993.
    """
    if not len(reference) or not len(variant):
        return None
    return float(np.sign(np.subtract.outer(np.asarray(variant), np.asarray(reference))).mean())


def _number(row: Row, column: str) -> float | None:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _values(rows: Sequence[Row], names: Sequence[str], column: str) -> Float[np.ndarray, " run"]:
    known = [_number(row, column) for row in rows if row["variant"] in names]
    return np.array([value for value in known if value is not None], dtype=np.float64)


def _median(values: Float[np.ndarray, " run"]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _difference(
    reference: Float[np.ndarray, " reference"], variant: Float[np.ndarray, " variant"]
) -> float | None:
    return (
        float(np.median(variant) - np.median(reference))
        if len(reference) and len(variant)
        else None
    )
