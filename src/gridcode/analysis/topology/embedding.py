r"""Pictures of a population's state space: variance, embeddings in 3D, rings of a lattice.

Source: Schaeffer et al. 2023, Fig. 6 and appendix D: principal components to six dimensions, then
spectral embedding (or Isomap) to three; projections on the three directions of a module's lattice
are rings.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy.sparse import SparseEfficiencyWarning
from sklearn.manifold import Isomap, SpectralEmbedding

from gridcode.analysis.cells.phases import fit_waves
from gridcode.analysis.topology.betti import FEWEST_UNITS
from gridcode.analysis.topology.persistence import principal_components
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

METHODS = ("spectral", "isomap")
FEWEST_SAMPLES = 40
# In turns; a uniform phase has a standard deviation of 0.29.
TURN = 2 * np.pi
MOST_NULL_SAMPLES = 4000
# Of a regression on waves: where it is worse, the samples do not separate them.
MOST_CONDITION = 1e3


@dataclass(frozen=True)
class Variance:
    """How a population's variance is spread over directions of its state space.

    Attributes:
        explained: (component,) share of the variance along each principal component, largest first.
        dimension: participation ratio, (sum of variances)^2 / sum of squares: how many directions
            carry the variance.
        shuffled_dimension: the same if units varied independently: participation ratio of the
            units' own variances.
    """

    explained: Float[np.ndarray, " component"]
    dimension: float
    shuffled_dimension: float


@dataclass(frozen=True)
class Embedding:
    """States in a few dimensions.

    Attributes:
        points: (sample, 3) without unit, each axis from -1 to 1 over the largest extent.
        samples: (sample,) which of the states given.
        method: how.
    """

    points: Float[np.ndarray, "sample 3"]
    samples: Int[np.ndarray, " sample"]
    method: str


@dataclass(frozen=True)
class Rings:
    r"""A population's states on the planes of a lattice's waves.

    Attributes:
        points: (sample, wave) complex; on a perfect code $e^{2 \pi i k \cdot x}$, on the unit
            circle.
        phase_error: (wave,) circular standard deviation between the angle and $k \cdot x$ in turns,
            about 0.29 or more by chance.
        correlation: (wave,) length of the mean of the unit vectors of that difference: 1 the angle
            is the place's phase, 0 unrelated.
        radius_spread: (wave,) standard deviation of the radius over its mean: 0 a circle, 0.52 a
            Gaussian cloud.
        chance: (wave,) correlation reached in 5% of cases where the places are shifted against the
            states by a random number of samples.
    """

    points: Complex[np.ndarray, "sample wave"]
    phase_error: Float[np.ndarray, " wave"]
    correlation: Float[np.ndarray, " wave"]
    radius_spread: Float[np.ndarray, " wave"]
    chance: Float[np.ndarray, " wave"]


@takes_arrays
def explained_variance(states: Float[np.ndarray, "sample unit"]) -> Variance:
    """Variance along principal components, and how many directions carry it.

    Args:
        states: (sample, unit).

    Raises:
        InputError: states that are not finite, too few or all the same.
    """
    given = checked_states(states)
    variance = np.clip(np.linalg.eigvalsh(np.cov(given.T))[::-1], 0, None)
    own = given.var(axis=0, ddof=1)
    return Variance(
        variance / variance.sum(),
        float(variance.sum() ** 2 / (variance**2).sum()),
        float(own.sum() ** 2 / (own**2).sum()),
    )


@takes_arrays
def embed(
    states: Float[np.ndarray, "sample unit"],
    *,
    generator: np.random.Generator,
    method: str = "spectral",
    components: int = 6,
    neighbours: int = 30,
    most_samples: int = 1500,
) -> Embedding:
    """States in three dimensions: principal components first, then spectral embedding or Isomap.

    A picture and no measurement: any cloud has some shape in three dimensions;
        `gridcode.analysis.topology.betti` measures which shapes are there.

    Args:
        states: (sample, unit) activity.
        generator: draws the samples.
        method: `spectral` (as published) or `isomap`.
        components: principal components kept first.
        neighbours: nearest neighbours that are joined.
        most_samples: a random subset of this size is embedded of more samples.

    Raises:
        InputError: an unknown method, states that are not finite, too few or all the same, or not
            more samples than neighbours.
    """
    given = checked_states(states)
    if method not in METHODS:
        raise InputError(f"unknown method '{method}': choose {' or '.join(METHODS)}")
    chosen = np.sort(
        generator.choice(len(given), size=min(most_samples, len(given)), replace=False)
    )
    if not 3 <= neighbours < len(chosen):
        raise InputError(f"{len(chosen)} samples cannot each be joined to {neighbours} neighbours")
    reduced = principal_components(given[chosen], components=components)
    if method == "spectral":
        seed = int(generator.integers(2**31))
        joined = {"affinity": "nearest_neighbors", "n_neighbors": neighbours}
        found = SpectralEmbedding(3, **joined, random_state=seed, eigen_solver="arpack")
    else:
        found = Isomap(n_neighbors=neighbours, n_components=3)
    with warnings.catch_warnings():
        # States in several pieces are embedded all the same; that is what the picture then shows.
        warnings.filterwarnings("ignore", message=".*(not fully connected|connected components).*")
        warnings.simplefilter("ignore", SparseEfficiencyWarning)
        points = np.asarray(found.fit_transform(reduced), dtype=np.float64)
    points -= (points.max(axis=0) + points.min(axis=0)) / 2
    largest = max(float(np.abs(points).max()), np.finfo(np.float64).tiny)
    return Embedding(points / largest, chosen, method)


@takes_arrays
def lattice_rings(
    states: Float[np.ndarray, "sample unit"],
    positions_m: Float[np.ndarray, "sample 2"],
    *,
    waves_per_m: Float[np.ndarray, "wave 2"],
    generator: np.random.Generator,
    nulls: int = 100,
) -> Rings:
    r"""Project states on the planes in which they go around once for every period of a wave.

    The plane of wave k is spanned by the units' own components at k, by regression on one half of
    the samples, and the other half is projected on it (and the other way round), so that noise does
    not make a ring:

    $$ g_u(x) \approx \bar g_u + \sum_k \operatorname{Re} \left( \overline{c_{ku}} e^{2 \pi i k
    \cdot x} \right), \quad
       z(t) = \operatorname*{argmin}_z \sum_u \Big( g_u(t) - \bar g_u - \sum_k \operatorname{Re} (
       \overline{c_{ku}} z_k ) \Big)^2 $$

    The null goes the same way with the places moved around by a random number of samples, a tenth
    of all or more: states and places that both change slowly agree by chance more often than
    independent samples would.

    Args:
        states: (sample, unit) activity; samples in the order of time, or in random order, but not
            row by row over a map.
        positions_m: (sample, 2) metres.
        waves_per_m: (wave, 2) wave vectors, cycles per metre, such as
            `gridcode.analysis.cells.phases.wave_vectors` gives for a module's lattice.
        generator: splits the samples and shifts them.
        nulls: shifts of the places.

    Raises:
        InputError: shapes that do not match, states that are not finite, too few or all the same,
            no shifts, or places that do not separate the waves.
    """
    given = checked_states(states)
    places, waves = (np.asarray(a, dtype=np.float64) for a in (positions_m, waves_per_m))
    if (
        places.shape != (len(given), 2)
        or waves.ndim != 2
        or waves.shape[1] != 2
        or not (np.isfinite(places).all() and np.isfinite(waves).all())
    ):
        raise InputError(
            f"positions {places.shape} and waves {waves.shape} must be ({len(given)}, 2) "
            "and (wave, 2), all finite"
        )
    if nulls < 1:
        raise InputError(f"the null needs a shift or more, not {nulls}")
    half = generator.permutation(len(given)) < len(given) // 2
    angle = TURN * places @ waves.T
    if min(fit_waves(given[part], angle[part])[1] for part in (half, ~half)) < 1 / MOST_CONDITION:
        raise InputError("the places do not separate the waves: they cover too little of a period")
    points = _project(given, angle, half)
    mean = _agreement(points, angle)
    least = len(given) // 10
    # Of many samples some are enough; fewer agree better by chance, which errs on the safe side.
    some = slice(None, None, -(-len(given) // MOST_NULL_SAMPLES))
    null = np.empty((nulls, len(waves)))
    for i, shift in enumerate(generator.integers(least, len(given) - least, size=nulls)):
        moved = np.roll(angle, shift, axis=0)[some]
        null[i] = np.abs(_agreement(_project(given[some], moved, half[some]), moved))
    tiny, radius = np.finfo(np.float64).tiny, np.abs(points)
    return Rings(
        points=points,
        phase_error=np.sqrt(-2 * np.log(np.clip(np.abs(mean), tiny, 1.0))) / TURN,
        correlation=np.abs(mean),
        radius_spread=radius.std(axis=0) / np.maximum(radius.mean(axis=0), tiny),
        chance=np.quantile(null, 0.95, axis=0),
    )


def _project(
    states: Float[np.ndarray, "sample unit"],
    angle: Float[np.ndarray, "sample wave"],
    half: Bool[np.ndarray, " sample"],
) -> Complex[np.ndarray, "sample wave"]:
    """Each half of the states on the planes of the waves that the other half gives."""
    points = np.empty(angle.shape, dtype=np.complex128)
    for fitted, projected in ((half, ~half), (~half, half)):
        points[projected] = fit_waves(states[fitted], angle[fitted])[0](states[projected])
    return points


def _agreement(
    points: Complex[np.ndarray, "sample wave"], angle: Float[np.ndarray, "sample wave"]
) -> Complex[np.ndarray, " wave"]:
    """Mean of the unit vectors of the difference between a point's angle and its place's."""
    return np.asarray(np.exp(1j * (np.angle(points) - angle)).mean(axis=0))


@takes_arrays
def checked_states(states: np.ndarray) -> Float[np.ndarray, "sample unit"]:
    """States as float64, if there is a space that they span.

    Raises:
        InputError: a wrong shape, values that are not finite, fewer than 40 samples or 3 units that
            vary.
    """
    given = np.asarray(states, dtype=np.float64)
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InputError(
            f"states {given.shape} must be (sample, unit) and finite, without NaN or infinities"
        )
    if len(given) < FEWEST_SAMPLES or int((np.ptp(given, axis=0) > 0).sum()) < FEWEST_UNITS:
        raise InputError(
            f"{len(given)} samples of {given.shape[1]} units are too few or too much alike: "
            f"{FEWEST_SAMPLES} samples and {FEWEST_UNITS} varying units are needed"
        )
    return given
