"""Neural distance against physical distance: how fast a code distinguishes places.

All functions take positions and activity of any origin: states of a network along walks, or a
recording.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import pdist

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Bins with fewer pairs are left out.
FEWEST_PAIRS = 20
# Where near states differ by this share of what far states differ by, activity does not depend on
# the place.
LEAST_CONTRAST = 0.95


@dataclass(frozen=True)
class DistanceBins:
    """Neural distances of pairs of states, in bins of the distance between their places.

    Attributes:
        distance_m: (bin,) mean physical distance of the pairs in a bin, metres; NaN as below.
        mean: (bin,) mean neural distance, in the unit of the activity; NaN with fewer than 20
            pairs.
        sd: (bin,) standard deviation over the pairs.
        quartiles: (3, bin) the 25, 50 and 75% quantiles.
        pairs: (bin,) number of pairs.
    """

    distance_m: Float[np.ndarray, " bin"]
    mean: Float[np.ndarray, " bin"]
    sd: Float[np.ndarray, " bin"]
    quartiles: Float[np.ndarray, "3 bin"]
    pairs: Int[np.ndarray, " bin"]


@dataclass(frozen=True)
class DistanceCurve:
    """How neural distance grows with physical distance, and the numbers that summarise it.

    Attributes:
        bins: the curve.
        plateau: mean neural distance of pairs further apart than half of the longest distance.
        plateau_square: mean of its square over the same pairs: what unrelated states differ by.
        decorrelation_m: where the mean first reaches 1 - 1/e of the way from `same_place` to
            `plateau`, metres.
        same_place: neural distance that is left at physical distance 0: noise and path-integration
            error.
        slope_per_m: growth of neural distance per metre at short distances (the scale of a
            conformal code).
        reason: why a number is NaN; empty where none is.
    """

    bins: DistanceBins
    plateau: float
    plateau_square: float
    decorrelation_m: float
    same_place: float
    slope_per_m: float
    reason: str = ""


@takes_arrays
def bin_distances(
    physical_m: Float[np.ndarray, " pair"],
    neural: Float[np.ndarray, " pair"],
    *,
    bin_size_m: float,
    longest_m: float,
) -> DistanceBins:
    """Mean, spread and quartiles of neural distances in bins of physical distance.

    Raises:
        InputError: sizes that are not positive, or fewer than one bin.
    """
    if not (0 < bin_size_m <= longest_m and math.isfinite(longest_m)):
        raise InputError(f"bins of {bin_size_m} m do not fit between 0 and {longest_m} m")
    count = max(1, round(longest_m / bin_size_m))
    # An unknown distance is in no bin, as one beyond the last. Small whole numbers sort fast.
    scaled = np.nan_to_num(physical_m * (count / longest_m), nan=count)
    index = np.minimum(np.floor(scaled), count).astype(np.uint16 if count < 2**16 else np.int64)
    order = np.argsort(index, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=count + 1)[:count])])
    physical_m, neural = physical_m[order], neural[order]
    values = np.full((6, count), np.nan)
    for i in range(count):
        chosen = slice(ends[i], ends[i + 1])
        d = neural[chosen]
        if len(d) >= FEWEST_PAIRS:
            spread = np.quantile(d, [0.25, 0.5, 0.75])
            values[:, i] = [physical_m[chosen].mean(), d.mean(), d.std(), *spread]
    return DistanceBins(values[0], values[1], values[2], values[3:], np.diff(ends))


@takes_arrays
def distance_curve(
    positions_m: Float[np.ndarray, "sample axis"],
    activity: Float[np.ndarray, "observation unit"],
    *,
    generator: np.random.Generator,
    group: Int[np.ndarray, " member"] | None = None,
    bin_size_m: float = 0.05,
    longest_m: float | None = None,
    samples: int = 2000,
) -> DistanceCurve:
    r"""Neural distance |g(x) - g(x')| against physical distance |x - x'|, over pairs of samples.

    The plateau $P$ is the mean over pairs further apart than half of `longest_m`, $P_2$ the mean of
    the squares. At short distances squares of
    a smooth code and of independent errors add up: $\langle |g - g'|^2 \rangle = f^2 + P_2 (1 -
    e^{-k^2 |x - x'|^2 / P_2})$, fitted to pairs closer than two bins, gives what is left at the
    same place, f, and the slope k. The decorrelation length L is where the mean of the curve first
    reaches $f + (1 - 1/e)(P - f)$, between the centres of bins by linear interpolation.

    Args:
        positions_m: (sample, axis) metres.
        activity: (sample, unit) in any unit; samples with a value that is not finite are left out.
        generator: draws the subset.
        group: (sample,) pairs within one group are left out: give the walker, so that both states
            come by different paths and path-integration error is in their distance, or stretches of
            a recording.
        bin_size_m: width of a bin.
        longest_m: largest physical distance; by default the longer side of what the positions
            cover.
        samples: size of the subset.

    Raises:
        InputError: shapes that do not match, fewer than two samples, or places that are all the
            same.

    Source: Schaeffer et al. 2023, Fig. 5, for distances from the origin.
    """
    positions, states = _checked(positions_m, activity)
    groups = None if group is None else np.asarray(group)
    if groups is not None and groups.shape != (len(positions),):
        raise InputError(
            f"group must have one number for each of {len(positions)} samples, "
            f"not shape {groups.shape}"
        )
    usable = np.flatnonzero(np.isfinite(positions).all(axis=1) & np.isfinite(states).all(axis=1))
    if len(usable) < 2:
        raise InputError("fewer than two samples have finite positions and activity")
    chosen = generator.choice(usable, size=min(samples, len(usable)), replace=False)
    extent = float(np.ptp(positions[usable], axis=0).max())
    if longest_m is None and not extent > 0:
        raise InputError("all positions are the same place")
    longest = extent if longest_m is None else longest_m
    physical, neural = pdist(positions[chosen]), pdist(states[chosen])
    if groups is not None:
        one, other = np.triu_indices(len(chosen), k=1)
        across = groups[chosen][one] != groups[chosen][other]
        physical, neural = physical[across], neural[across]
    return _summarise(physical, neural, bin_size_m=bin_size_m, longest_m=longest)


def _summarise(
    physical: Float[np.ndarray, " pair"],
    neural: Float[np.ndarray, " pair"],
    *,
    bin_size_m: float,
    longest_m: float,
) -> DistanceCurve:
    bins = bin_distances(physical, neural, bin_size_m=bin_size_m, longest_m=longest_m)
    far = (physical > longest_m / 2) & (physical <= longest_m)
    plateau = plateau_square = floor = slope = math.nan
    if far.sum() >= FEWEST_PAIRS:
        plateau, plateau_square = float(neural[far].mean()), float((neural[far] ** 2).mean())
    near = physical < 2 * bin_size_m
    if near.sum() >= FEWEST_PAIRS:
        square = physical[near] ** 2
        bent = square
        for _ in range(4):
            design = np.stack([np.ones_like(bent), bent], axis=1)
            (intercept, growth), *_ = np.linalg.lstsq(design, neural[near] ** 2, rcond=None)
            if not (plateau_square > 0 and growth > 0):
                break
            bent = -np.expm1(-growth * square / plateau_square) * plateau_square / growth
        floor, slope = math.sqrt(max(intercept, 0.0)), math.sqrt(max(growth, 0.0))
    length, reason = _decorrelation(bins, plateau=plateau, floor=floor)
    return DistanceCurve(bins, plateau, plateau_square, length, floor, slope, reason)


def _decorrelation(bins: DistanceBins, *, plateau: float, floor: float) -> tuple[float, str]:
    if math.isnan(plateau):
        return math.nan, "too few pairs of far places"
    if plateau == 0:
        return math.nan, "the activity is the same everywhere"
    if math.isnan(floor):
        return math.nan, "too few pairs of near places"
    if floor > LEAST_CONTRAST * plateau:
        return math.nan, "activity differs as much at the same place as between places"
    level = floor + (1 - math.exp(-1)) * (plateau - floor)
    known: Bool[np.ndarray, " bin"] = np.isfinite(bins.mean)
    distance = np.concatenate([[0.0], bins.distance_m[known]])
    mean = np.concatenate([[floor], bins.mean[known]])
    above = np.flatnonzero(mean >= level)
    if len(above) == 0:
        return math.nan, "the curve stays under its plateau"
    i = above[0]
    share = (level - mean[i - 1]) / (mean[i] - mean[i - 1])
    return float(distance[i - 1] + share * (distance[i] - distance[i - 1])), ""


@takes_arrays
def distance_from_origin(
    positions_m: Float[np.ndarray, "sample axis"],
    activity: Float[np.ndarray, "observation unit"],
    origin: Float[np.ndarray, " component"],
    *,
    bin_size_m: float = 0.05,
    longest_m: float | None = None,
) -> DistanceBins:
    """Neural distance |g(x) - g(0)| to one state against the distance |x| from the origin.

    Args:
        positions_m: (sample, axis) metres from the origin.
        activity: (sample, unit); samples with a value that is not finite are left out.
        origin: (unit,) the state at the origin.
        bin_size_m: width of a bin.
        longest_m: largest distance; by default the largest there is.

    Raises:
        InputError: shapes that do not match, or nowhere but the origin.

    Source: Schaeffer et al. 2023, Fig. 5.
    """
    positions, states = _checked(positions_m, activity)
    if np.shape(origin) != states.shape[1:]:
        raise InputError(
            f"the state at the origin must have {states.shape[1]} units, "
            f"not shape {np.shape(origin)}"
        )
    usable = np.isfinite(positions).all(axis=1) & np.isfinite(states).all(axis=1)
    physical = np.hypot.reduce(positions[usable], axis=1)
    neural = np.linalg.norm(states[usable] - np.asarray(origin, dtype=np.float64), axis=1)
    if longest_m is None and not (len(physical) and physical.max() > 0):
        raise InputError("no position is away from the origin")
    # The furthest sample belongs to the last bin.
    longest = float(np.nextafter(physical.max(), np.inf)) if longest_m is None else longest_m
    return bin_distances(physical, neural, bin_size_m=min(bin_size_m, longest), longest_m=longest)


def predicted_plateau(*, sigma_g: float, capacity: float, separation: float = 1.0) -> float:
    r"""Distance between far states at which separation and capacity loss balance.

    With both terms as means over pairs, two far states feel $\lambda_{sep} e^{-d^2 / 2 s^2} +
    \frac{\lambda_{cap}}{2} d^2$, smallest at

    $$ d = \sqrt{-2 s^2 \ln(s^2 \lambda_{cap} / \lambda_{sep})} $$

    0.90 for the published s = 0.4, capacity 0.5, separation 1. States of length 1 without negative
    entries cannot be further apart than sqrt(2).

    Args:
        sigma_g: s, distance between states at which separation is content.
        capacity: weight of the capacity loss.
        separation: weight of the separation loss.

    Raises:
        InputError: sigma_g is not positive, or a weight is negative.
    """
    if not sigma_g > 0 or capacity < 0 or separation < 0:
        raise InputError(
            f"sigma_g ({sigma_g}) must be positive "
            f"and weights ({capacity}, {separation}) not negative"
        )
    if separation == 0 or sigma_g**2 * capacity >= separation:
        return 0.0
    if capacity == 0:
        return math.sqrt(2)
    distance = math.sqrt(-2 * sigma_g**2 * math.log(sigma_g**2 * capacity / separation))
    return min(distance, math.sqrt(2))


def _checked(
    positions_m: np.ndarray, activity: np.ndarray
) -> tuple[Float[np.ndarray, "sample axis"], Float[np.ndarray, "sample unit"]]:
    positions, states = (np.asarray(a, dtype=np.float64) for a in (positions_m, activity))
    if positions.ndim != 2 or states.ndim != 2 or 0 in (positions.shape[1], states.shape[1]):
        raise InputError(
            f"positions {positions.shape} and activity {states.shape} "
            "must be (sample, axis) and (sample, unit)"
        )
    if len(positions) != len(states):
        raise InputError(f"{len(positions)} positions but {len(states)} samples of activity")
    return positions, states
