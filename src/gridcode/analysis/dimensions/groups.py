"""Groups of cells of one period on a line, and how their periods relate."""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int

from gridcode.arrays import takes_arrays

GAP = 0.05  # periods further apart than this share are of two groups
LARGEST_TERM = 4  # of a rational ratio; larger terms come near any number


@dataclass(frozen=True)
class PeriodGroup:
    """Cells of one period.

    Attributes:
        units: their numbers.
        period_m: median of their periods, metres.
        spread: standard deviation of the logarithm of their periods.
    """

    units: Int[np.ndarray, " member"]
    period_m: float
    spread: float


@dataclass(frozen=True)
class PeriodRatio:
    """The ratio of two groups' periods and the simplest ratio near it.

    Attributes:
        first: number of the group of the shorter period.
        second: number of the other group.
        ratio: longer over shorter period.
        numerator: of the nearest ratio of whole numbers up to 4.
        denominator: of that ratio.
        miss: share by which the ratio misses it.
        chance: probability that a ratio drawn between 1 and 4, evenly on a logarithmic scale,
            misses its nearest ratio by as little.
    """

    first: int
    second: int
    ratio: float
    numerator: int
    denominator: int
    miss: float
    chance: float


@takes_arrays
def group_periods(
    period_m: Float[np.ndarray, " unit"], *, fewest: int = 4
) -> tuple[PeriodGroup, ...]:
    """Groups of cells whose sorted periods follow one another without a gap of 5%.

    Args:
        period_m: period of each unit, metres; NaN for units without one.
        fewest: cells of a group.

    Returns:
        Groups from the shortest period on.
    """
    known = np.flatnonzero(np.isfinite(period_m))
    order = known[np.argsort(period_m[known], kind="stable")]
    logs = np.log(period_m[order])
    parts = np.split(order, np.flatnonzero(np.diff(logs) > GAP) + 1)
    return tuple(
        PeriodGroup(
            np.sort(part), float(np.median(period_m[part])), float(np.log(period_m[part]).std())
        )
        for part in parts
        if len(part) >= fewest
    )


def relate_periods(groups: tuple[PeriodGroup, ...]) -> tuple[PeriodRatio, ...]:
    """The ratio of every pair of groups, compared with ratios of small whole numbers."""
    simple = _simple_ratios()
    logs = np.log([float(one) for one in simple])
    grid = np.linspace(0, math.log(LARGEST_TERM), 4001)
    misses = np.abs(grid[:, None] - logs).min(axis=1)
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(groups), 2):
        ratio = b.period_m / a.period_m
        apart = np.abs(math.log(ratio) - logs)
        nearest = simple[int(apart.argmin())]
        miss = float(apart.min())
        found.append(
            PeriodRatio(
                i,
                j,
                ratio,
                nearest.numerator,
                nearest.denominator,
                miss,
                float((misses <= miss).mean()),
            )
        )
    return tuple(found)


def _simple_ratios() -> list[Fraction]:
    terms = range(1, LARGEST_TERM + 1)
    return sorted({Fraction(a, b) for a in terms for b in terms if a >= b})
