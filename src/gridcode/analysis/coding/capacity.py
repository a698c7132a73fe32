"""Capacity: the number of places that a code distinguishes under noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats
from scipy.spatial.distance import pdist

from gridcode.analysis.coding.codes import Code, sample_states
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# How often the best observer confuses two places whose states are delta apart.
ERROR_RATE = 0.05
CONFIDENCE = 0.95
BLOCK = 1024
FEWEST_NEAR = 50
# Components of less than this share of a state's variance are rounding.
LEAST_VARIANCE = 1e-13
# Squared lengths over the largest half square that single precision tells apart to a thousandth.
LEAST_SINGLE = 1e-3


@dataclass(frozen=True)
class Capacity:
    """Effective number of distinguishable places.

    Attributes:
        capacity: 1 over the share of pairs that collide; NaN where no pair does.
        low: lower end of its 95% interval; where no pair collides, the one-sided 95% lower bound.
        high: upper end; infinite where no pair collides.
        delta: neural distance under which two places collide, in the unit of the activity.
        collisions: pairs that collide.
        pairs: pairs of places.
        side_m: side of the square that the places come from, metres; NaN where not known.
        units: number of units.
        reason: why the capacity is NaN; empty where it is not.
    """

    capacity: float
    low: float
    high: float
    delta: float
    collisions: int
    pairs: int
    side_m: float
    units: int
    reason: str = ""

    @property
    def log_error(self) -> float:
        """Standard error of the natural logarithm of the capacity; NaN where there is none."""
        if self.reason:
            return math.nan
        return float(math.log(self.high / self.low) / (2 * stats.norm.ppf((1 + CONFIDENCE) / 2)))


def collision_distance(sigma: float, *, error_rate: float = ERROR_RATE) -> float:
    r"""Neural distance $\delta = 2 z \sigma$ below which noise confuses two places.

    With independent Gaussian noise of standard deviation $\sigma$ in every unit the best observer
    takes one state for another at distance d with probability $\Phi(-d / 2 \sigma)$.

    Args:
        sigma: standard deviation of the noise of a unit, in the unit of the activity.
        error_rate: between 0 and 0.5; 0.05 by default, $\delta = 3.29 \sigma$.

    Raises:
        InputError: noise that is not positive, or an error rate out of range.
    """
    if not 0 < sigma < math.inf or not 0 < error_rate < 0.5:
        raise InputError(
            f"noise of {sigma} and an error rate of {error_rate} set no distance: "
            "take positive noise and a rate under 0.5"
        )
    return float(-2 * stats.norm.ppf(error_rate) * sigma)


@takes_arrays
def capacity(
    states: Float[np.ndarray, "place unit"], *, delta: float, side_m: float = math.nan
) -> Capacity:
    r"""Effective number of places that states distinguish, from all pairs of them.

    $$ C = \frac{1}{P[\, |g(x) - g(x')| < \delta \,]} $$

    is the inverse of the probability that two random places collide: K distinguishable places,
    equally likely, give K (the exponential of Renyi's entropy of order 2). The interval is that of
    a mean over pairs: the variance between places (pairs that share a place depend on each other)
    and that of counting, as a gamma distribution of the same mean and variance, which for few
    collisions is Poisson's interval.

    Args:
        states: (place, unit) at uniformly random places.
        delta: distance under which two states collide; see `collision_distance`.
        side_m: side of the square the places come from, kept in the record.

    Returns:
        The capacity, NaN with a lower bound where no pair collides.

    Raises:
        InputError: states that are not (place, unit) or not finite, fewer than two, or a distance
            that is not positive.

    Source: Renyi 1961; variance of a mean over pairs: Hoeffding 1948; Poisson intervals: Garwood
        1936.
    """
    g = np.asarray(states, dtype=np.float64)
    if g.ndim != 2 or len(g) < 2 or g.shape[1] == 0 or not np.isfinite(g).all():
        raise InputError(
            f"states must be (place, unit), finite, of two places or more, not {g.shape}"
        )
    if not 0 < delta < math.inf:
        raise InputError(f"delta must be positive, not {delta}")
    n, units = g.shape
    neighbours = _neighbours(_compressed(g), delta)
    pairs, collisions = n * (n - 1) // 2, int(neighbours.sum()) // 2
    if collisions == 0:
        bound = pairs / -math.log(1 - CONFIDENCE)
        reason = f"no two of {n} places collide: only a lower bound is known"
        return Capacity(math.nan, bound, math.inf, delta, 0, pairs, side_m, units, reason)
    p = collisions / pairs
    between = max(0.0, float((neighbours / (n - 1)).var(ddof=1)) - p * (1 - p) / (n - 1))
    variance = 4 * between / n + p * (1 - p) / pairs
    # As many independent collisions would have the same relative variance; all pairs collide where
    # there is none.
    effective = p**2 / variance if variance > 0 else math.inf
    tail = (1 - CONFIDENCE) / 2
    fewest, most = (
        float(stats.gamma.ppf(q, effective + more)) / effective if variance > 0 else 1.0
        for q, more in ((tail, 0), (1 - tail, 1))
    )
    return Capacity(
        1 / p, max(1.0, 1 / (p * most)), 1 / (p * fewest), delta, collisions, pairs, side_m, units
    )


def _compressed(states: Float[np.ndarray, "place unit"]) -> Float[np.ndarray, "place component"]:
    """Principal components without those that are rounding; distances stay the same."""
    centred = states - states.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    return centred @ axes[:, variance > LEAST_VARIANCE * max(variance.sum(), 1e-300)]


def _neighbours(
    states: Float[np.ndarray, "place component"], delta: float
) -> Int[np.ndarray, " place"]:
    """Other places within delta of each place, one triangle of blocks of pairs at a time."""
    count = np.zeros(len(states), dtype=np.int64)
    half_square = (states**2).sum(axis=1) / 2
    if delta**2 > LEAST_SINGLE * half_square.max():
        states, half_square = states.astype(np.float32), half_square.astype(np.float32)
    for i in range(0, len(states), BLOCK):
        for j in range(i, len(states), BLOCK):
            rows, columns = slice(i, i + BLOCK), slice(j, j + BLOCK)
            # |a - b|^2 < delta^2 as a.b - |a|^2/2 - |b|^2/2 > -delta^2/2.
            near = (
                states[rows] @ states[columns].T - half_square[columns]
                > half_square[rows, None] - delta**2 / 2
            )
            if i == j:
                np.fill_diagonal(near, False)
            else:
                count[columns] += near.sum(axis=0)
            count[rows] += near.sum(axis=1)
    return count


def capacity_against_area(
    code: Code,
    *,
    sides_m: Sequence[float],
    delta: float,
    generator: np.random.Generator,
    places: int = 8000,
) -> tuple[Capacity, ...]:
    """Capacity of squares of several sides around the origin, each from its own random places.

    Args:
        code: the code; places without a state are left out.
        sides_m: sides, metres.
        delta: distance under which two states collide.
        generator: draws the places.
        places: places in each square; capacities beyond about their number squared over 6 are
            bounds.

    Raises:
        InputError: a side that is not positive, or too few places with a state.
    """
    return tuple(
        capacity(
            sample_states(code, side_m=side, places=places, generator=generator)[1],
            delta=delta,
            side_m=float(side),
        )
        for side in sides_m
    )


@takes_arrays
def capacity_against_units(
    states: Float[np.ndarray, "place unit"],
    *,
    subsets: Sequence[Int[np.ndarray, " _"]],
    delta: float,
    side_m: float = math.nan,
) -> tuple[Capacity, ...]:
    """Capacity of subsets of units, at the same noise in every unit; states are not rescaled.

    What random subsets of M independent modules give is known: slopes grow as the square root of
    the units, so that capacity grows as their number to the power of M (to the power of 1 for one
    module, or place cells). Only more modules make it grow exponentially.

    Args:
        states: (place, unit) at uniformly random places.
        subsets: units of each subset.
        delta: distance under which two states collide.
        side_m: side of the square the places come from.

    Raises:
        InputError: a subset that is empty or not of these units.
    """
    for chosen in subsets:
        if len(chosen) == 0 or chosen.min() < 0 or chosen.max() >= states.shape[1]:
            raise InputError(f"each subset must hold one or more of the {states.shape[1]} units")
    return tuple(capacity(states[:, chosen], delta=delta, side_m=side_m) for chosen in subsets)


def area_exponent(larger: Capacity, smaller: Capacity) -> tuple[float, float]:
    r"""Slope of $\log C$ against log area between two squares, and its standard error.

    NaN where either capacity is only a bound.

    1: no new place resembles another; 0: all do, as of a periodic code in squares
    larger than its cell.

    Raises:
        InputError: sides that are not known or not ascending.
    """
    if not 0 < smaller.side_m < larger.side_m:
        raise InputError(
            f"squares of {smaller.side_m} and {larger.side_m} m are not a smaller and a larger one"
        )
    run = 2 * math.log(larger.side_m / smaller.side_m)
    error = math.hypot(larger.log_error, smaller.log_error) / run
    return math.log(larger.capacity / smaller.capacity) / run, error


@takes_arrays
def expected_capacity(
    metric: Float[np.ndarray, "module 2 2"],
    cell_area_m2: Float[np.ndarray, " module"],
    *,
    delta: float,
    area_m2: float = math.inf,
) -> float:
    r"""Capacity of independent modules, for small $\delta$.

    $$ \frac1C = \frac{\pi^M \delta^{2M}}{M! \prod_m \sqrt{\det G_m}\, A_m} + \frac{\pi
    \delta^2}{\sqrt{\det \sum_m G_m}\, A} $$

    The first term is the chance that all phases of unrelated places are alike (the volume of a ball
    in 2M dimensions over that of the torus of all phases), the second that two places are near each
    other in an area A. On a hexagonal lattice $\sqrt{\det G_m}$ is the slope squared.

    Args:
        metric: (module, 2, 2) squared slope of each module's part of the state, activity squared
            per square metre.
        cell_area_m2: (module,) area of each module's unit cell.
        delta: distance under which two states collide.
        area_m2: area that places come from, large against the cells; infinite by default.

    Raises:
        InputError: no modules, or numbers that are not positive.
    """
    metric, area = np.asarray(metric, dtype=np.float64), np.asarray(cell_area_m2, dtype=np.float64)
    if (
        metric.shape != (len(area), 2, 2)
        or len(area) == 0
        or not (np.linalg.det(metric) > 0).all()
        or not (area > 0).all()
    ):
        raise InputError(
            "every module needs a metric and a cell of positive area, "
            f"not {metric.shape} and {area}"
        )
    if not (0 < delta < math.inf and area_m2 > 0):
        raise InputError(f"delta and area must be positive, not {delta} and {area_m2}")
    modules = len(area)
    log_alike = (
        modules * math.log(math.pi * delta**2)
        - math.lgamma(modules + 1)
        - float(np.log(np.sqrt(np.linalg.det(metric)) * area).sum())
    )
    near = math.pi * delta**2 / (math.sqrt(np.linalg.det(metric.sum(axis=0))) * area_m2)
    return 1 / (math.exp(log_alike) + near)


@dataclass(frozen=True)
class IndependentModules:
    """As how many independent modules a code acts.

    Attributes:
        number: half the dimension of the distances of unrelated places; NaN where it cannot be had.
        standard_error: of the number, from the counts of pairs.
        null: the same for units that are independent of each other.
        below: neural distance under which pairs are counted.
        reason: why a number is NaN; empty where none is.
    """

    number: float
    standard_error: float
    null: float
    below: float
    reason: str = ""


@takes_arrays
def independent_modules(
    positions_m: Float[np.ndarray, "place 2"],
    states: Float[np.ndarray, "place unit"],
    *,
    apart_m: float,
    delta: float,
    generator: np.random.Generator,
    share: float = 2e-4,
) -> IndependentModules:
    r"""The number of independent modules as which a code acts.

    States of unrelated places lie in 2 M dimensions.

    The chance that two such states are within r grows as $r^{2M}$ (see `expected_capacity`): of the
    pairs of places `apart_m` apart that are within R, K, and of those that are within $R / \sqrt2$,
    k,

    $$ M = \log_2 (K / k). $$

    R is delta, or where fewer than a `share` of pairs are within it their quantile: distances must
    be larger than the code's own errors at one place, which have as many dimensions
    as units. Lattices of one torus count as one, for any periods.
    A code that does not repeat within the places given has no such dimension: use this only where
    capacity no longer grows with the area.

    Args:
        positions_m: (place, 2) metres, over an area large against the lattices.
        states: (place, unit).
        apart_m: places this far apart are unrelated but for the code's own repeats: more than its
            decorrelation length.
        delta: neural distance under which noise confuses places; see `collision_distance`.
        generator: the null's shuffle.
        share: least share of pairs that count as near.

    Raises:
        InputError: shapes that do not match, values that are not finite, or so few places that
            fewer than 50 pairs are near.

    Source: Grassberger & Procaccia 1983.
    """
    x, g = np.asarray(positions_m, dtype=np.float64), np.asarray(states, dtype=np.float64)
    if g.ndim != 2 or x.shape != (len(g), 2) or not (np.isfinite(x).all() and np.isfinite(g).all()):
        raise InputError(
            "positions must be (place, 2) and states (place, unit), finite, "
            f"not {x.shape} and {g.shape}"
        )
    far = pdist(x) >= apart_m
    if not share * far.sum() >= FEWEST_NEAR:
        raise InputError(
            f"only {far.sum()} pairs of places are {apart_m:g} m apart: take more places"
        )
    number, error, below = _half_dimension(pdist(g)[far], delta, share)
    null, *_ = _half_dimension(pdist(generator.permuted(g, axis=0))[far], delta, share)
    reason = "" if math.isfinite(number) else "no pair of places, or every one, is near"
    return IndependentModules(number, error, null, below, reason)


def _half_dimension(
    distance: Float[np.ndarray, " pair"], delta: float, share: float
) -> tuple[float, float, float]:
    below = max(delta, float(np.quantile(distance, share)))
    near, nearer = (int((distance < r).sum()) for r in (below, below / math.sqrt(2)))
    if nearer == 0 or near == len(distance):
        return math.nan, math.nan, below
    # Of K pairs each is among the nearer ones or not.
    return math.log2(near / nearer), math.sqrt(1 / nearer - 1 / near) / math.log(2), below
