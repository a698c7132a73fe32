"""Effects with their intervals and p-values, and the verdicts that the rules in `variants` give."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from gridcode.paper.ablation.rows import RunRow, Verdict
from gridcode.paper.ablation.variants import (
    EXPECTATIONS,
    FEWEST_SEEDS,
    REFERENCE,
    SIGMA_G,
    VARIANTS,
    Expectation,
)
from gridcode.paper.tables import counted, known, median

REPRODUCED, NOT_REPRODUCED, UNCLEAR = "reproduced", "not reproduced", "unclear"
NO_CLAIM = "no claim"
CONFIDENCE = 0.95
RESAMPLES = 9_999
# Up to ten seeds a side every assignment is counted (184,756), beyond that so many are drawn.
MOST_EXACT = 200_000


@dataclass(frozen=True)
class _Effect:
    """An effect with its interval and p-value; None where they cannot be computed."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_method: str = ""


def judge_expectations(
    rows: Sequence[RunRow], *, expectations: Sequence[Expectation] = EXPECTATIONS, seed: int = 0
) -> list[Verdict]:
    """A verdict for every expectation about a variant that is in the table.

    Networks without the statistic (trainings that diverged, fields of networks that have none) are
    left out: `n_reference` and `n_variant` count the others.

    Args:
        rows: the table of networks.
        expectations: claims and rules.
        seed: of bootstrap and permutations.
    """
    there = {row.variant for row in rows}
    several = sum(name.startswith(SIGMA_G) for name in there) > 1
    return [
        _judge_one(rows, expected, np.random.default_rng([seed, index]))
        for index, expected in enumerate(expectations)
        if expected.variant in there or (expected.kind == "trend" and several)
    ]


def _judge_one(
    rows: Sequence[RunRow], expected: Expectation, generator: np.random.Generator
) -> Verdict:
    reference = _values(rows, REFERENCE, expected.statistic)
    if expected.kind == "trend":
        smaller = [v for v in VARIANTS if v.name.startswith(SIGMA_G)]
        groups = [_values(rows, v.name, expected.statistic) for v in smaller]
        sigma = [float(v.overrides["loss.sigma_g"]) for v in smaller]
        variant = np.concatenate(groups)
        effect = _trend(np.repeat(sigma, [len(group) for group in groups]), variant, generator)
        sizes = [len(group) for group in groups if len(group)]
        fewest = min(sizes) if len(sizes) > 1 else 0
    else:
        variant = _values(rows, expected.variant, expected.statistic)
        effect = _compared(expected, reference, variant, generator)
        fewest = min(len(reference), len(variant))
    verdict, reason = _verdict(expected, rows, fewest, effect)
    both = expected.kind != "trend" and len(reference) and len(variant)
    return Verdict(
        variant=expected.variant,
        claim=expected.claim,
        rule=expected.rule,
        statistic=expected.statistic,
        n_reference=len(reference),
        n_variant=len(variant),
        reference_median=median(reference),
        variant_median=median(variant),
        difference=float(np.median(variant) - np.median(reference)) if both else None,
        cliffs_delta=cliffs_delta(reference, variant) if both else None,
        effect=effect.value,
        interval_low=effect.low,
        interval_high=effect.high,
        p_value=effect.p_value,
        p_method=effect.p_method,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    expected: Expectation, rows: Sequence[RunRow], fewest: int, effect: _Effect
) -> tuple[str, str]:
    if expected.kind == "none":
        return NO_CLAIM, "numbers only"
    low, high = effect.low, effect.high
    if fewest < FEWEST_SEEDS or low is None or high is None:
        where = "at one value of sigma_g" if expected.kind == "trend" else "on one side"
        networks = counted(fewest, "network")
        return UNCLEAR, f"{networks} with this number {where}, fewer than {FEWEST_SEEDS}"
    if expected.premise is not None:
        column, needed = expected.premise
        held = median(_values(rows, REFERENCE, column))
        if held is None or held < needed:
            value = "unknown" if held is None else f"{held:.3g}"
            return UNCLEAR, f"the reference's {column} is {value}, below {needed:g}"
    bottom = -math.inf if expected.least is None else expected.least
    top = math.inf if expected.most is None else expected.most
    interval = f"interval {low:.3g} to {high:.3g}"
    if bottom <= low and high <= top:
        return REPRODUCED, f"{interval} is within the rule"
    if high < bottom or low > top:
        return NOT_REPRODUCED, f"{interval} is outside of the rule"
    return UNCLEAR, f"{interval} is partly within the rule"


def _compared(
    expected: Expectation,
    reference: Float[np.ndarray, " reference"],
    variant: Float[np.ndarray, " variant"],
    generator: np.random.Generator,
) -> _Effect:
    """A variant beside the reference; networks are independent, since trainings are chaotic."""
    level = expected.kind == "level"
    samples = (variant,) if level else (variant, reference)
    if not all(map(len, samples)):
        return _Effect()

    def difference(*data: np.ndarray, axis: int = -1) -> np.ndarray:
        first, *second = (np.median(values, axis=axis) for values in data)
        return np.asarray(first - second[0] if second else first)

    effect = _Effect(float(difference(*samples)))
    if min(map(len, samples)) > 1:
        interval = stats.bootstrap(
            samples,
            difference,
            n_resamples=RESAMPLES,
            vectorized=True,
            axis=-1,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=generator,
        ).confidence_interval
        effect = replace(effect, low=float(interval.low), high=float(interval.high))
    total = len(reference) + len(variant)
    if not len(reference) or total < 3:
        return effect
    # Of ranks, as Cliff's delta is: medians of counts such as modules hardly change when networks
    # change sides.
    ranks = stats.rankdata(np.concatenate([variant, reference]))
    return _with_p_value(
        effect,
        (ranks[: len(variant)], ranks[len(variant) :]),
        lambda a, b, axis=-1: np.asarray(np.mean(a, axis=axis) - np.mean(b, axis=axis)),
        "independent",
        math.comb(total, len(variant)),
        generator,
    )


def _trend(
    scale: Float[np.ndarray, " run"],
    values: Float[np.ndarray, " run"],
    generator: np.random.Generator,
) -> _Effect:
    """Spearman's rank correlation over networks, resampled within each value of the scale."""
    if len(set(scale)) < 2 or len(set(values)) < 2:
        return _Effect()
    strata = [np.flatnonzero(scale == value) for value in np.unique(scale)]
    drawn = np.concatenate([generator.choice(s, (RESAMPLES, len(s))) for s in strata], axis=1)
    rho = rank_correlation(scale[drawn], values[drawn])
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(rho, [tail, 100 - tail])
    value = float(rank_correlation(scale[None], values[None])[0])
    # Resampled networks are tied with themselves, which ranks count as agreement: the interval is
    # widened to hold the effect.
    return _with_p_value(
        _Effect(value, min(float(low), value), max(float(high), value)),
        (values,),
        lambda a, axis=-1: rank_correlation(np.broadcast_to(scale, a.shape), a),  # noqa: ARG005
        "pairings",
        math.factorial(len(values)),
        generator,
    )


def _with_p_value(
    effect: _Effect,
    samples: tuple[np.ndarray, ...],
    statistic: Callable[..., np.ndarray],
    kind: Literal["independent", "pairings"],
    assignments: int,
    generator: np.random.Generator,
) -> _Effect:
    exact = assignments <= MOST_EXACT
    tested = stats.permutation_test(
        samples,
        statistic,
        permutation_type=kind,
        vectorized=True,
        axis=-1,
        n_resamples=MOST_EXACT if exact else RESAMPLES,
        batch=10_000,
        rng=generator,
    )
    method = "exact" if exact else f"{RESAMPLES} permutations"
    return replace(effect, p_value=float(tested.pvalue), p_method=method)


def rank_correlation(
    x: Shaped[np.ndarray, "*sample run"], y: Shaped[np.ndarray, "*sample run"]
) -> Float[np.ndarray, "*sample"]:
    """Spearman's rank correlation along the last axis; 0 where one of the two does not vary."""
    a, b = (stats.rankdata(values, axis=-1) for values in (x, y))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.asarray((a * b).sum(axis=-1) / np.where(scale > 0, scale, 1.0))


def cliffs_delta(
    reference: Sequence[float] | np.ndarray, variant: Sequence[float] | np.ndarray
) -> float | None:
    """Share of pairs with the larger value in the variant, minus that in the reference.

    From -1 to 1; None without pairs. Source: Cliff 1993.
    """
    if not len(reference) or not len(variant):
        return None
    return float(np.sign(np.subtract.outer(np.asarray(variant), np.asarray(reference))).mean())


def _values(rows: Sequence[RunRow], variant: str, statistic: str) -> Float[np.ndarray, " run"]:
    return known([getattr(row, statistic) for row in rows if row.variant == variant])
