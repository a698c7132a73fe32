"""How a code moves: linear operators of displacements, sums of phases, modules in step."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gridcode.analysis.cells.phases import LEAST_CONDITION, fit_waves, wave_vectors
from gridcode.analysis.cells.spectrum import module_spectrum
from gridcode.analysis.coding.codes import (
    FEWEST_PLACES,
    Code,
    random_places,
    sample_states,
    states_at,
)
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Directions of displacements: a hexagonal lattice's own symmetries do not hold for all of them.
DIRECTIONS = 8
MAP_BINS = 64
NULL_DRAWS = 20
# Waves of a smaller share of the squared mean are rounding.
LEAST_POWER = 1e-12


@dataclass(frozen=True)
class Update:
    """How well a displacement acts as one operator at all places.

    Attributes:
        step_m: length of the displacements, metres.
        r_square: share of the variance of the displaced states that the operator predicts at places
            far from those it was fitted to; 1 perfect, 0 or less no better than the mean. Mean over
            displacements.
        null_r_square: the same for an operator fitted to displaced states of other places.
        persistence_r_square: the same for the state itself, drawn towards the mean: what any smooth
            code gives for a short displacement.
        step_variation: coefficient of variation over places of $|g(x + v) - g(x)|$ at fixed v, mean
            over displacements: 0 for an isometry.
        step_variation_by_direction: coefficient of variation over directions of its mean over
            places.
        null_step_variation: `step_variation` where each unit's changes come from other places.
        reason: why a number is NaN; empty where none is.
    """

    step_m: float
    r_square: float = math.nan
    null_r_square: float = math.nan
    persistence_r_square: float = math.nan
    step_variation: float = math.nan
    step_variation_by_direction: float = math.nan
    null_step_variation: float = math.nan
    reason: str = ""


def ease_of_update(
    code: Code,
    *,
    arena_m: float,
    step_m: float,
    sigma: float,
    generator: np.random.Generator,
    places: int = 2000,
) -> Update:
    r"""Fit a linear operator for each displacement in one half of the arena, test it in the other.

    $$ W_v = \arg\min_W \sum_{x \in \mathrm{left}} |g(x + v) - W g(x)|^2 + n \sigma^2 |W|^2, \quad
       R^2 = 1 - \frac{\sum_{x \in \mathrm{right}} |g(x + v) - W_v g(x)|^2}{\sum_{x \in
       \mathrm{right}} |g(x + v) - \bar g|^2} $$

    over eight directions. The ridge is what noise $\sigma$ in every unit would do. Units that are
    silent in the left half, as place cells of the right half are, cannot be predicted. For the null
    the places of the displaced states are shuffled before the fit.

    Args:
        code: the code; places without a state are left out.
        arena_m: side of the square arena around the origin, metres.
        step_m: length of the displacements; at most twice the period of the code.
        sigma: standard deviation of the noise of a unit, in the unit of the activity.
        generator: draws places, the first direction and the shuffles.
        places: in each half.

    Returns:
        NaN with a reason where the activity does not depend on the place.

    Raises:
        InputError: an arena too small for the displacements, noise that is not positive, or too few
            places with a state.

    Source: Schaeffer et al. 2023, section 4.1; operators that are the same everywhere: Gao et al.
        2021.
    """
    room = (arena_m - 2 * step_m) / 2 - 2 * step_m
    if not (0 < step_m < math.inf and room > 0):
        raise InputError(
            f"an arena of {arena_m:g} m is too small for displacements of {step_m:g} m: "
            "take more than six times as much"
        )
    if not 0 < sigma < math.inf:
        raise InputError(f"sigma must be positive, not {sigma}")
    height = arena_m - 2 * step_m
    # Two strips, all of whose displaced places stay on their own side.
    corner = (arena_m / 2 - step_m, height / 2)
    left = generator.uniform(0, 1, (places, 2)) * (room, height) - corner
    right = generator.uniform(0, 1, (places, 2)) * (room, height) + (2 * step_m, -height / 2)
    here = [states_at(code, x) for x in (left, right)]
    first = generator.uniform(0, 2 * math.pi)
    fits, variations, means, nulls = [], [], [], []
    for k in range(DIRECTIONS):
        angle = first + 2 * math.pi * k / DIRECTIONS
        v = step_m * np.array([math.cos(angle), math.sin(angle)])
        there = [states_at(code, x + v) for x in (left, right)]
        known = [
            np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
            for a, b in zip(here, there, strict=True)
        ]
        if min(k.sum() for k in known) < FEWEST_PLACES:
            raise InputError(
                f"fewer than {FEWEST_PLACES} places of a half of the arena "
                "have a state before and after a step"
            )
        (g, test), (moved, moved_test) = (
            [s[k] for s, k in zip(pair, known, strict=True)] for pair in (here, there)
        )
        if not (np.ptp(g, axis=0).any() and np.ptp(test, axis=0).any()):
            return Update(step_m, reason="the activity is the same everywhere")
        shuffled = moved[generator.permutation(len(moved))]
        ridge = [_predicted(g, target, test, sigma) for target in (moved, shuffled)]
        fits.append(
            [_r_square(moved_test, guess) for guess in (*ridge, _persisted(g, moved, test))]
        )
        change = np.concatenate([moved - g, moved_test - test])
        length = np.linalg.norm(change, axis=1)
        if length.mean() > 0:
            variations.append(length.std() / length.mean())
            means.append(length.mean())
            apart = np.linalg.norm(generator.permuted(change, axis=0), axis=1)
            nulls.append(apart.std() / apart.mean())
    r_square, null, persistence = (float(r) for r in np.mean(fits, axis=0))
    if not variations:
        reason = "no displacement changes the state"
        return Update(step_m, r_square, null, persistence, reason=reason)
    by_direction = float(np.std(means) / np.mean(means))
    variation, null_variation = float(np.mean(variations)), float(np.mean(nulls))
    return Update(step_m, r_square, null, persistence, variation, by_direction, null_variation)


def _predicted(
    g: Float[np.ndarray, "train unit"],
    moved: Float[np.ndarray, "train unit"],
    test: Float[np.ndarray, "test unit"],
    sigma: float,
) -> Float[np.ndarray, "test unit"]:
    return test @ np.linalg.solve(g.T @ g + len(g) * sigma**2 * np.eye(g.shape[1]), g.T @ moved)


def _persisted(
    g: Float[np.ndarray, "train unit"],
    moved: Float[np.ndarray, "train unit"],
    test: Float[np.ndarray, "test unit"],
) -> np.ndarray:
    before, after = g - g.mean(axis=0), moved - moved.mean(axis=0)
    return moved.mean(axis=0) + (before * after).sum() / (before**2).sum() * (test - g.mean(axis=0))


def _r_square(
    moved: Float[np.ndarray, "test unit"], guess: Float[np.ndarray, "test unit"]
) -> float:
    total = ((moved - moved.mean(axis=0)) ** 2).sum()
    return float(1 - ((moved - guess) ** 2).sum() / total) if total > 0 else math.nan


@dataclass(frozen=True)
class PhaseAlgebra:
    """Whether the phases of a code's own waves add as places do.

    Attributes:
        resultant: (wave,) |mean exp 2 pi i (phi(x + y) - phi(x) - phi(y) + phi(0))|: 1 perfect, 0
            chance; NaN for a wave without amplitude.
        null: (wave,) the same with y of other pairs.
        power: (wave,) sum over units of the squared amplitude of each wave.
        waves_per_m: (wave, 2) the waves (x, y), cycles per metre.
        side_m: side of the square that x and y come from and phases are defined in, metres; x + y
            lies outside of it.
        reason: why a number is NaN; empty where none is.
    """

    resultant: Float[np.ndarray, " wave"]
    null: Float[np.ndarray, " wave"]
    power: Float[np.ndarray, " wave"]
    waves_per_m: Float[np.ndarray, "wave 2"]
    side_m: float
    reason: str = ""

    @property
    def headline(self) -> tuple[float, float]:
        """Means of `resultant` and `null` weighted by power; NaN where no wave has any."""
        total = float(self.power.sum())
        if not total > 0:
            return math.nan, math.nan
        resultant, null = (self.power @ np.nan_to_num(r) for r in (self.resultant, self.null))
        return float(resultant) / total, float(null) / total


@takes_arrays
def phase_algebra(
    code: Code,
    *,
    waves_per_m: Float[np.ndarray, "wave 2"],
    side_m: float,
    generator: np.random.Generator,
    places: int = 2000,
) -> PhaseAlgebra:
    r"""Whether phases add: is the phase at x + y known from those at x and y?

    $$ R_j = \left| \left\langle e^{2 \pi i (\varphi_j(x+y) - \varphi_j(x) - \varphi_j(y) +
    \varphi_j(0))} \right\rangle \right|, \quad
       2 \pi \varphi_j(x) = \arg z_j, \quad z = \operatorname*{argmin}_z \sum_u \Big( g_u(x) - \bar
       g_u - \sum_j \operatorname{Re}(\bar c_{uj} z_j) \Big)^2 $$

    with $c_{uj}$ the amplitude of wave j in unit u, by least squares over random places of a square
    around the origin. x and y are random places of the square, in pairs whose sum lies outside: any
    smooth code lets phases be read where they were defined, only an algebraic one elsewhere.

    Args:
        code: the code, defined in a square of twice the side; sums without a state are left out.
        waves_per_m: waves (x, y), cycles per metre; see `code_waves`.
        side_m: side of the square, metres.
        generator: draws places.
        places: places the waves are fitted to, and pairs.

    Raises:
        InputError: waves that are not (wave, 2) and finite, a side that is not positive, or too few
            places with a state.

    Source: the property: Schaeffer et al. 2023, section 4.1; Fiete, Burak & Brookings 2008.
    """
    waves = np.asarray(waves_per_m, dtype=np.float64)
    if waves.ndim != 2 or waves.shape[1] != 2 or len(waves) == 0 or not np.isfinite(waves).all():
        raise InputError(f"waves must be (wave, 2), finite, not {waves.shape}")
    fitted, states = sample_states(code, side_m=side_m, places=places, generator=generator)
    angle = 2 * np.pi * fitted @ waves.T
    reader, condition = fit_waves(states, angle)
    if condition < LEAST_CONDITION:
        none, reason = np.full(len(waves), np.nan), "the square is too small to separate the waves"
        return PhaseAlgebra(none, none, np.zeros(len(waves)), waves, side_m, reason)

    def wave(x: Float[np.ndarray, "place 2"]) -> np.ndarray:
        return reader(states_at(code, x))

    # 7 in 16 sums lie outside.
    x, y = (random_places(side_m, 2 * places, generator) for _ in range(2))
    outside = (np.abs(x + y) > side_m / 2).any(axis=1)
    x, y = x[outside], y[outside]
    parts = [wave(p) for p in (x + y, x, y)]
    known = np.all([np.isfinite(z).all(axis=1) for z in parts], axis=0)
    if known.sum() < FEWEST_PLACES:
        raise InputError(
            f"only {known.sum()} sums of places have a state: "
            f"the code must be known in a square of {2 * side_m:g} m"
        )
    total, one, other = (_direction(z[known]) for z in parts)
    origin = _direction(wave(np.zeros((1, 2))))
    origin = np.where(np.isfinite(origin), origin, 1.0)
    resultant = np.abs((total * one.conj() * other.conj() * origin).mean(axis=0))
    null = np.abs(
        (total * one.conj() * other[generator.permutation(len(other))].conj() * origin).mean(axis=0)
    )
    power = (reader.cosine**2 + reader.sine**2).sum(axis=1)
    dead = power <= LEAST_POWER * max(float((reader.mean**2).sum()), 1e-300)
    power[dead], resultant[dead], null[dead] = 0.0, np.nan, np.nan
    reason = "a wave has no amplitude in the code" if dead.any() else ""
    return PhaseAlgebra(resultant, null, power, waves, side_m, reason)


def _direction(z: np.ndarray) -> np.ndarray:
    """Complex numbers divided by their length; 0 stays 0, and counts as no agreement."""
    length = np.abs(z)
    return z / np.where(length > 0, length, 1.0)


@takes_arrays
def code_waves(
    code: Code, *, side_m: float, vectors_m: Float[np.ndarray, "2 2"] | None = None
) -> Float[np.ndarray, "3 2"]:
    """Three waves of a code, cycles per metre: its lattice's, or the strongest of its spectrum.

    A code without peaks in its spectrum is given three waves of its
    scale, the root mean square wave number of its power, 60 degrees apart.

    Args:
        code: the code.
        side_m: side of the square, metres.
        vectors_m: lattice vectors (x, y) as rows, metres; None: from the spectrum.

    Returns:
        (3, 2) waves; NaN for a code that is the same everywhere.
    """
    if vectors_m is not None:
        return wave_vectors(vectors_m)
    line = (np.arange(MAP_BINS) + 0.5) * side_m / MAP_BINS - side_m / 2
    states = states_at(code, np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    found = module_spectrum(states.T.reshape(-1, MAP_BINS, MAP_BINS), bin_size_m=side_m / MAP_BINS)
    if np.isfinite(found.waves_per_m).all() or not np.isfinite(found.power).all():
        return found.waves_per_m
    square = found.wave_numbers_per_m[:, None] ** 2 + found.wave_numbers_per_m**2
    length = max(math.sqrt(float((found.power * square).sum() / found.power.sum())), 1 / side_m)
    angle = np.pi / 3 * np.arange(3)
    return length * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@dataclass(frozen=True)
class ModuleUpdates:
    """How much each module's part of the state changes with a displacement.

    Attributes:
        update: (module,) mean over places and directions of $|g_m(x + v) - g_m(x)|$ over the square
            root of the module's units.
        variation: coefficient of variation of it over modules: 0 where all modules move alike.
        null_variation: the same for randomly assigned modules, mean over draws.
        reason: why a number is NaN; empty where none is.
    """

    update: Float[np.ndarray, " module"]
    variation: float
    null_variation: float
    reason: str = ""


@takes_arrays
def module_updates(
    code: Code,
    *,
    labels: Int[np.ndarray, " unit"],
    arena_m: float,
    step_m: float,
    generator: np.random.Generator,
    places: int = 1000,
) -> ModuleUpdates:
    """Compare what a displacement does to each module's part of the state.

    Modules of equal amplitude move as the inverse of their spacing; the null assigns units to
    modules at random.

    Args:
        code: the code.
        labels: (unit,) module of each unit; -1: in none.
        arena_m: side of the square that places come from, metres.
        step_m: length of the displacements.
        generator: draws places, directions and the null.
        places: places.

    Raises:
        InputError: another number of labels than of units, a length that is not positive, or too
            few places with a state.
    """
    if not 0 < step_m < arena_m / 2:
        raise InputError(f"displacements of {step_m} m do not suit an arena of {arena_m} m")
    x, g = sample_states(code, side_m=arena_m - 2 * step_m, places=places, generator=generator)
    if np.shape(labels) != g.shape[1:]:
        raise InputError(
            f"labels must be one for each of {g.shape[1]} units, not of shape {np.shape(labels)}"
        )
    angle = generator.uniform(0, 2 * math.pi, len(x))
    change = states_at(code, x + step_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)) - g
    square = change[np.isfinite(change).all(axis=1)] ** 2
    modules = np.unique(labels[labels >= 0])
    update = _updates(square, [labels == m for m in modules])
    if len(modules) < 2:
        return ModuleUpdates(update, math.nan, math.nan, "comparing modules needs two of them")
    if not update.mean() > 0:
        return ModuleUpdates(update, math.nan, math.nan, "no displacement changes the state")
    drawn = []
    for _ in range(NULL_DRAWS):
        mixed = labels.copy()
        mixed[labels >= 0] = generator.permutation(labels[labels >= 0])
        drawn.append(_updates(square, [mixed == m for m in modules]))
    nulls = [u.std() / u.mean() for u in drawn if u.mean() > 0]
    return ModuleUpdates(update, float(update.std() / update.mean()), float(np.mean(nulls)))


def _updates(
    square: Float[np.ndarray, "place unit"], members: list[Bool[np.ndarray, " unit"]]
) -> Float[np.ndarray, " module"]:
    return np.array([np.sqrt(square[:, own].mean(axis=1)).mean() for own in members])
