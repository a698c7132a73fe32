"""Geometry of a code's states: distances, correlations, lengths and dimensions."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist

from gridcode.analysis.coding.codes import FEWEST_PLACES
from gridcode.analysis.navigation.neural_distance import DistanceCurve
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

NULL_DRAWS = 5
# All pairs of these are enough for a quantile of 1% of them.
MOST_PLACES = 2000
# Lengths that vary by less are the same by construction: rounding in single precision.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Separation:
    """Are states of different places apart?

    Attributes:
        confusable: share of pairs of places, `sigma_x_m` or more apart, whose states are closer
            than delta.
        null_confusable: the same for shuffled states.
        low_quantile: 1% quantile of the neural distance of these pairs.
        plateau: mean neural distance of pairs further apart than half of the longest distance.
        ratio: `low_quantile` over `plateau`: 1 all pairs equally far apart, 0 at least one in a
            hundred is confused.
        null_ratio: the same for independently shuffled units.
        reason: why a number is NaN; empty where none is.
    """

    confusable: float = math.nan
    null_confusable: float = math.nan
    low_quantile: float = math.nan
    plateau: float = math.nan
    ratio: float = math.nan
    null_ratio: float = math.nan
    reason: str = ""


@takes_arrays
def separation(
    positions_m: Float[np.ndarray, "place 2"],
    states: Float[np.ndarray, "place unit"],
    *,
    sigma_x_m: float,
    delta: float,
    generator: np.random.Generator,
) -> Separation:
    """Neural distances of all pairs of places that are some distance apart, against shuffles.

    Args:
        positions_m: (place, 2) metres; of more than 2,000 a random subset is taken.
        states: (place, unit), finite.
        sigma_x_m: smallest distance that the code should resolve, metres.
        delta: neural distance under which two states are confused; see
            `gridcode.analysis.coding.capacity.collision_distance`.
        generator: draws the subset and the shuffles.

    Raises:
        InputError: shapes that do not match, values that are not finite, fewer than 100 places, or
            lengths that are not positive.

    Source: Schaeffer et al. 2023, section 4.1.
    """
    x, g = _checked(positions_m, states)
    if not (0 < sigma_x_m < math.inf and 0 < delta < math.inf):
        raise InputError(f"sigma_x_m and delta must be positive, not {sigma_x_m} and {delta}")
    if len(x) > MOST_PLACES:
        chosen = generator.choice(len(x), MOST_PLACES, replace=False)
        x, g = x[chosen], g[chosen]
    physical, neural = pdist(x), pdist(g)
    apart = physical >= sigma_x_m
    if not apart.any():
        return Separation(reason=f"no two places are {sigma_x_m:g} m apart")
    far = physical > np.ptp(x, axis=0).max() / 2
    low, plateau = float(np.quantile(neural[apart], 0.01)), float(neural[far].mean())
    confusable = float((neural[apart] < delta).mean())
    # After shuffling, the pairs that are apart are a random draw of all pairs.
    chance = float((neural < delta).mean())
    if not plateau > 0:
        reason = "the activity is the same everywhere"
        return Separation(confusable, chance, low, plateau, reason=reason)
    independent = pdist(generator.permuted(g, axis=0))
    null = float(np.quantile(independent, 0.01) / independent.mean())
    return Separation(confusable, chance, low, plateau, low / plateau, null)


@dataclass(frozen=True)
class Correlation:
    r"""Correlation of population vectors against distance.

    Attributes:
        distance_m: (bin,) metres.
        mean: (bin,) correlation of centred population vectors, 1 at distance 0; NaN with fewer than
            20 pairs.
        quartiles: (3, bin) of pairs' own $1 - |g - g'|^2 / 2V$.
        length_m: where the mean first falls to 1/e, metres.
        far_rms: root mean square of the mean beyond half of the longest distance: 0 for unrelated
            states, large for a code that repeats. For its null deal the states to places at random.
        reason: why a number is NaN; empty where none is.
    """

    distance_m: Float[np.ndarray, " bin"]
    mean: Float[np.ndarray, " bin"]
    quartiles: Float[np.ndarray, "3 bin"]
    length_m: float = math.nan
    far_rms: float = math.nan
    reason: str = ""


@takes_arrays
def correlation_curve(curve: DistanceCurve, states: Float[np.ndarray, "place unit"]) -> Correlation:
    r"""The correlation that a curve of neural distances holds: one is the other, turned over.

    $$ \rho(d) = \frac{\langle (g - \bar g) \cdot (g' - \bar g) \rangle_d}{V} = 1 - \frac{\langle |g
    - g'|^2 \rangle_d}{2 V},
       \quad V = \langle |g - \bar g|^2 \rangle $$

    where places at any distance are a fair sample of all. For states of length 1 that are not
    centred this is $|g - g'|^2 = 2 - 2 \cos$.

    Args:
        curve: from `gridcode.analysis.navigation.neural_distance.distance_curve`.
        states: (place, unit) the states it was made of; their variance V is needed.

    Raises:
        InputError: states that are not (place, unit).
    """
    if np.ndim(states) != 2:
        raise InputError(f"states must be (place, unit), not {np.shape(states)}")
    bins = curve.bins
    variance = float(np.asarray(states, dtype=np.float64).var(axis=0).sum())
    if not variance > 0:
        none, quartiles = (np.full_like(a, np.nan) for a in (bins.mean, bins.quartiles))
        reason = "the activity is the same everywhere"
        return Correlation(bins.distance_m, none, quartiles, reason=reason)
    mean = 1 - (bins.mean**2 + bins.sd**2) / (2 * variance)
    quartiles = 1 - bins.quartiles[::-1] ** 2 / (2 * variance)
    known = np.isfinite(mean)
    distance = np.concatenate([[0.0], bins.distance_m[known]])
    value = np.concatenate([[1.0], mean[known]])
    below = np.flatnonzero(value <= math.exp(-1))
    length, reason = math.nan, "the correlation stays above 1/e"
    if len(below):
        i = below[0]
        share = (value[i - 1] - math.exp(-1)) / (value[i - 1] - value[i])
        length, reason = float(distance[i - 1] + share * (distance[i] - distance[i - 1])), ""
    far = known & (bins.distance_m > np.nanmax(bins.distance_m) / 2) if known.any() else known
    far_rms = (
        float(np.sqrt(np.average(mean[far] ** 2, weights=bins.pairs[far])))
        if far.any()
        else math.nan
    )
    return Correlation(bins.distance_m, mean, quartiles, length, far_rms, reason)


@dataclass(frozen=True)
class EqualNorm:
    """Are states equally long?

    Attributes:
        variation: coefficient of variation of |g| over places; 0 where all are equally long.
        null_variation: the same for units that are independent of each other.
        mean: mean of |g|.
        note: `by construction` where lengths differ by rounding only.
        reason: why a number is NaN; empty where none is.
    """

    variation: float
    null_variation: float
    mean: float
    note: str = ""
    reason: str = ""


@takes_arrays
def equal_norm(
    states: Float[np.ndarray, "place unit"], *, generator: np.random.Generator
) -> EqualNorm:
    """Coefficient of variation of the length of states, against independently shuffled units.

    Args:
        states: (place, unit), finite.
        generator: the shuffles.

    Raises:
        InputError: states that are not (place, unit) or not finite, or fewer than 100 places.

    Source: Schaeffer et al. 2023, section 4.1 ("equinorm").
    """
    _, g = _checked(np.zeros((len(states), 2)), states)
    length = np.linalg.norm(g, axis=1)
    if not length.mean() > 0:
        return EqualNorm(math.nan, math.nan, 0.0, reason="no unit is active anywhere")
    apart = [np.linalg.norm(generator.permuted(g, axis=0), axis=1) for _ in range(NULL_DRAWS)]
    variation = float(length.std() / length.mean())
    null = float(np.mean([one.std() / one.mean() for one in apart]))
    return EqualNorm(
        variation, null, float(length.mean()), "by construction" if variation < ROUNDING else ""
    )


@dataclass(frozen=True)
class Dimensions:
    r"""In how many dimensions states vary, evenly counted.

    Attributes:
        participation: $(\sum \lambda)^2 / \sum \lambda^2$ of the eigenvalues of the covariance: d
            for d equal ones.
        share: of the number of units: 1 white.
        null_participation: the same for units that are independent of each other.
        eigenvalues: (unit,) descending.
        reason: why a number is NaN; empty where none is.
    """

    participation: float
    share: float
    null_participation: float
    eigenvalues: Float[np.ndarray, " unit"]
    reason: str = ""


@takes_arrays
def dimensions(
    states: Float[np.ndarray, "place unit"], *, generator: np.random.Generator
) -> Dimensions:
    """Participation ratio of the covariance of states, against independently shuffled units.

    The ideal code of M modules of equal amplitude has three waves each: 6 M equal eigenvalues,
    for any number of units.

    Args:
        states: (place, unit), finite.
        generator: the shuffle.

    Raises:
        InputError: states that are not (place, unit) or not finite, or fewer than 100 places.

    Source: participation ratio as a dimension: Gao et al. 2017.
    """
    _, g = _checked(np.zeros((len(states), 2)), states)

    def spectrum(s: Float[np.ndarray, "place unit"]) -> Float[np.ndarray, " unit"]:
        return np.maximum(
            np.linalg.eigvalsh(np.cov(s.T, bias=True).reshape(s.shape[1], s.shape[1]))[::-1], 0.0
        )

    values = spectrum(g)
    if not np.ptp(g, axis=0).any():
        return Dimensions(
            math.nan, math.nan, math.nan, values, "the activity is the same everywhere"
        )
    ratio, null = (
        float(v.sum() ** 2 / (v**2).sum())
        for v in (values, spectrum(generator.permuted(g, axis=0)))
    )
    return Dimensions(ratio, ratio / g.shape[1], null, values)


def _checked(
    positions_m: np.ndarray, states: np.ndarray
) -> tuple[Float[np.ndarray, "place 2"], Float[np.ndarray, "place unit"]]:
    x, g = np.asarray(positions_m, dtype=np.float64), np.asarray(states, dtype=np.float64)
    if g.ndim != 2 or g.shape[1] == 0 or x.shape != (len(g), 2):
        raise InputError(
            f"positions must be (place, 2) and states (place, unit), not {x.shape} and {g.shape}"
        )
    if len(g) < FEWEST_PLACES:
        raise InputError(f"{len(g)} places are too few: {FEWEST_PLACES} are needed")
    if not (np.isfinite(x).all() and np.isfinite(g).all()):
        raise InputError("positions and states must be finite: leave out places without a state")
    return x, g
