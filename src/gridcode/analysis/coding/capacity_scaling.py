"""How capacity grows with the units of one design: exponentially, as a power, or no longer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from gridcode.analysis.coding.capacity import CONFIDENCE, Capacity
from gridcode.arrays import doubles
from gridcode.errors import InputError

FEWEST_SIZES = 4


@dataclass(frozen=True)
class CapacityScaling:
    r"""How capacity grows with the number of units, or with another size.

    Attributes:
        verdict: `exponential`, `linear`, `power law`, `saturated` or `undecided`.
        rate: b of $\log C = a + b N + p \log N$: e-folds per unit beyond a power law; with its 95%
            interval.
        rate_interval: its ends.
        exponent: slope of log C against log N alone: 1 linear; with its 95% interval.
        exponent_interval: its ends.
        last_exponent_interval: the same between the two largest sizes.
        exponential_rate: slope of log C against N alone.
        exponential_error: root mean square error of log C of the fit against N alone, natural
            logarithm.
        power_error: the same of the fit against log N.
        reason: why the verdict is `undecided`; empty where it is not.
    """

    verdict: str
    rate: float = math.nan
    rate_interval: tuple[float, float] = (math.nan, math.nan)
    exponent: float = math.nan
    exponent_interval: tuple[float, float] = (math.nan, math.nan)
    last_exponent_interval: tuple[float, float] = (math.nan, math.nan)
    exponential_rate: float = math.nan
    exponential_error: float = math.nan
    power_error: float = math.nan
    reason: str = ""


def capacity_scaling(
    found: Sequence[Capacity], *, sizes: Sequence[float] | None = None
) -> CapacityScaling:
    r"""Fit how capacity grows with the number of units: exponentially, as a power, or no longer.

    Least squares of $\log C = a + b N + p \log N$, weighted by the capacities' own errors;
    intervals are t intervals, widened where the fit is worse than these errors allow. `saturated`:
    between the two largest sizes the exponent's interval holds 0 and not 1. Else `exponential`: b
    is above 0. Else, where p is above 0, a power law, `linear` if 1 is in the interval of the
    exponent alone. Else `undecided`.

    Compare codes of one design, such as more and more modules, or places tiled with more and more
    cells. Random subsets of one code's units are
    not that: where they leave places silent, capacity jumps as the last gaps are filled.

    Args:
        found: capacities of four or more sizes; those that are only bounds are left out.
        sizes: N of each; by default the number of units.

    Raises:
        InputError: sizes that are not positive, or not one for each capacity.
    """
    given = doubles([c.units for c in found] if sizes is None else sizes, "sizes")
    if given.shape != (len(found),) or not ((given > 0) & np.isfinite(given)).all():
        raise InputError(f"growth needs one positive size for each of {len(found)} capacities")
    known = np.array([not c.reason for c in found], dtype=bool)
    order = np.flatnonzero(known)[np.argsort(given[known], kind="stable")]
    n = given[order]
    if len(np.unique(n)) < FEWEST_SIZES:
        few = f"capacity is known for {len(np.unique(n))} sizes: {FEWEST_SIZES} are needed"
        return CapacityScaling("undecided", reason=few)
    log_c = np.log([found[i].capacity for i in order])
    error = np.maximum([found[i].log_error for i in order], 1e-6)
    one, linear, log = np.ones_like(n), n, np.log(n)
    both, both_interval, _ = _fit(np.stack([one, linear, log], axis=1), log_c, error)
    exponential, _, exponential_error = _fit(np.stack([one, linear], axis=1), log_c, error)
    power, power_interval, power_error = _fit(np.stack([one, log], axis=1), log_c, error)
    last, before = n == n[-1], n == np.unique(n)[-2]
    run = math.log(n[-1] / n[before][0])
    rise = (log_c[last].mean() - log_c[before].mean()) / run
    reach = (
        stats.norm.ppf((1 + CONFIDENCE) / 2)
        * math.hypot(*(float(np.sqrt((error[i] ** 2).sum()) / i.sum()) for i in (last, before)))
        / run
    )
    ends, reason = (float(rise - reach), float(rise + reach)), ""
    if ends[0] <= 0 and ends[1] < 1:
        verdict = "saturated"
    elif both_interval[1][0] > 0:
        verdict = "exponential"
    elif both_interval[2][0] > 0:
        verdict = "linear" if power_interval[1][0] <= 1 <= power_interval[1][1] else "power law"
    else:
        verdict, reason = "undecided", "neither a rate nor an exponent differs from 0"
    return CapacityScaling(
        verdict,
        both[1],
        both_interval[1],
        power[1],
        power_interval[1],
        ends,
        exponential[1],
        exponential_error,
        power_error,
        reason,
    )


def _fit(
    design: Float[np.ndarray, "size term"],
    log_c: Float[np.ndarray, " size"],
    error: Float[np.ndarray, " size"],
) -> tuple[list[float], list[tuple[float, float]], float]:
    """Coefficients, intervals and unweighted root mean square error of weighted least squares."""
    scaled = design / error[:, None]
    inverse = np.linalg.pinv(scaled.T @ scaled, hermitian=True)
    coefficient = inverse @ scaled.T @ (log_c / error)
    residual = log_c - design @ coefficient
    spare = len(log_c) - design.shape[1]
    inflation = max(1.0, float(((residual / error) ** 2).sum()) / spare)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, spare) * np.sqrt(inflation * np.diag(inverse))
    ends = [(float(c - r), float(c + r)) for c, r in zip(coefficient, reach, strict=True)]
    return [float(c) for c in coefficient], ends, float(np.sqrt((residual**2).mean()))
