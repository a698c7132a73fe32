"""States on the manifold of a system, tangent planes there, and gains of one step.

Everything is measured through the step function, so that it holds for any system. "On the manifold"
means in the plane of those directions (`tangent_plane`), in metres of a move; "off" is what is
orthogonal to it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import pdist

from gridcode.analysis.system import Step, System
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Central differences, as a share of a state's length and in metres: truncation and rounding are
# both near 1e-9 in double precision.
STATE_STEP = 1e-6
VELOCITY_STEP_M = 1e-4
# A plane whose second direction is this much shorter than its first is a line.
LEAST_FLATNESS = 1e-6


@dataclass(frozen=True)
class ManifoldSample:
    """States all over the manifold, by random walks, and the tangent planes there.

    Attributes:
        states: (walker, unit).
        tangent: (walker, unit, 2) change of the state per metre of a move, along x and y.
        positions_m: (walker, 2) sums of the velocities taken.
    """

    states: Float[np.ndarray, "walker unit"]
    tangent: Float[np.ndarray, "walker unit 2"]
    positions_m: Float[np.ndarray, "walker 2"]

    @property
    def unrelated(self) -> float:
        """Median neural distance of two of the states.

        Raises:
            InputError: fewer than two.
        """
        if len(self.states) < 2:
            raise InputError("one state has no distance to unrelated states: take two or more")
        return float(np.median(pdist(self.states)))

    @takes_arrays
    def select(self, index: Int[np.ndarray, " some"]) -> "ManifoldSample":
        """The sample at some of its walkers."""
        return ManifoldSample(self.states[index], self.tangent[index], self.positions_m[index])


@dataclass(frozen=True)
class Gains:
    """How one step stretches small deviations.

    Attributes:
        singular_values: (walker, unit) of the whole Jacobian, descending.
        on: (walker, 2) singular values of the 2 x 2 matrix from displacements before the step to
            displacements after it; 1 keeps them.
        rotation_deg: (walker,) by which it turns them.
        off_largest: (walker,) largest gain from off the manifold to off the manifold.
        off_median: (walker,) median of those gains over directions.
        leak_on: (walker,) displacement that the worst deviation off the manifold becomes in one
            step, over the displacement of equal neural size (along the weaker direction).
        leak_off: (walker,) largest deviation off the manifold that a displacement becomes in one
            step, over its neural size before.
    """

    singular_values: Float[np.ndarray, "walker unit"]
    on: Float[np.ndarray, "walker 2"]
    rotation_deg: Float[np.ndarray, " walker"]
    off_largest: Float[np.ndarray, " walker"]
    off_median: Float[np.ndarray, " walker"]
    leak_on: Float[np.ndarray, " walker"]
    leak_off: Float[np.ndarray, " walker"]


@dataclass(frozen=True)
class Commutator:
    """Whether the order of two moves matters.

    Attributes:
        distance: (walker,) neural distance between the two orders.
        displacement_m: (walker,) its part on the manifold, metres.
        one_move: (walker,) neural distance covered by one of the two moves.
        unrelated: median neural distance of unrelated states.
    """

    distance: Float[np.ndarray, " walker"]
    displacement_m: Float[np.ndarray, " walker"]
    one_move: Float[np.ndarray, " walker"]
    unrelated: float


def random_velocities(
    *shape: int, max_step_m: float, generator: np.random.Generator
) -> Float[np.ndarray, "*shape 2"]:
    """Velocities uniform in a disc, metres per step."""
    angle = generator.uniform(0, 2 * np.pi, shape)
    return (max_step_m * np.sqrt(generator.uniform(0, 1, shape)))[..., None] * np.stack(
        [np.cos(angle), np.sin(angle)], axis=-1
    )


def sample_manifold(
    system: System,
    *,
    walkers: int,
    generator: np.random.Generator,
    steps: tuple[int, int] = (15, 40),
) -> ManifoldSample:
    """States after random walks of random length, with their tangent planes.

    Args:
        system: the system, in double precision.
        walkers: states wanted.
        generator: draws the walks.
        steps: shortest and longest walk.

    Raises:
        InputError: a system in single precision, with noise or with values that are not finite, or
            sizes that are not positive.
    """
    step, max_step_m = system.step, system.max_step_m
    if walkers < 2 or not 1 <= steps[0] <= steps[1] or not 0 < max_step_m < math.inf:
        raise InputError(
            f"{walkers} walkers of {steps[0]} to {steps[1]} steps of up to {max_step_m:g} m "
            "make no sample"
        )
    length = generator.integers(steps[0], steps[1] + 1, walkers)
    velocities = random_velocities(steps[1], walkers, max_step_m=max_step_m, generator=generator)
    state = system.starts(walkers)
    before, last = np.empty(state.shape), np.empty((walkers, 2))
    for t, v in enumerate(velocities, start=1):
        ends = length == t
        before[ends], last[ends] = state[ends], v[ends]
        state = step(state, v)
    if np.asarray(state).dtype != np.float64:
        raise InputError(
            f"derivatives need a system in double precision, not {np.asarray(state).dtype}"
        )
    states = step(before, last)
    if not np.isfinite(states).all():
        raise InputError("the system gives states that are not finite")
    if not np.allclose(step(before, last), states, rtol=0, atol=1e-12 * np.abs(states).max()):
        raise InputError(
            "derivatives need a system without noise: the same step gave two different states"
        )
    taken = np.arange(1, steps[1] + 1)[:, None] <= length
    return ManifoldSample(
        states, tangent_plane(step, before, last), (velocities * taken[..., None]).sum(axis=0)
    )


@takes_arrays
def tangent_plane(
    step: Step, states: Float[np.ndarray, "walker unit"], velocities: Float[np.ndarray, "walker 2"]
) -> Float[np.ndarray, "walker unit 2"]:
    r"""Change of the state by the velocity, $\partial \mathrm{step}(g, v) / \partial v$, per metre.

    The plane is tangent at the state that is reached, step(g, v). Central differences of 0.1 mm.

    Args:
        step: one step of the system.
        states: (walker, unit) before the step.
        velocities: (walker, 2) metres.

    Raises:
        InputError: arrays that do not fit each other, are not finite or in single precision.
    """
    states, velocities = _checked(states, velocities)
    shift = VELOCITY_STEP_M * np.eye(2)
    ahead, behind = (
        step(np.tile(states, (2, 1)), np.concatenate([velocities + sign * s for s in shift]))
        for sign in (1, -1)
    )
    return np.moveaxis((ahead - behind).reshape(2, *states.shape), 0, -1) / (2 * VELOCITY_STEP_M)


@takes_arrays
def directional_derivative(
    step: Step,
    states: Float[np.ndarray, "walker unit"],
    velocities: Float[np.ndarray, "walker 2"],
    directions: Float[np.ndarray, "walker unit direction"],
) -> Float[np.ndarray, "walker unit direction"]:
    """Jacobian by the state, times directions of length about 1, by central differences.

    Units at zero are moved to both sides of it, so the derivative is that of a rectifier's
    argument, not of states kept positive.
    """
    walkers, units, count = directions.shape
    size = STATE_STEP * np.linalg.norm(states, axis=1)
    size = np.where(size > 0, size, STATE_STEP)[:, None, None]
    shift = np.moveaxis(size * directions, -1, 1)
    v = np.repeat(velocities, count, axis=0)
    ahead, behind = (
        step((states[:, None] + sign * shift).reshape(-1, units), v) for sign in (1, -1)
    )
    return np.moveaxis((ahead - behind).reshape(walkers, count, units), 1, -1) / (2 * size)


@takes_arrays
def jacobian(
    step: Step, states: Float[np.ndarray, "walker unit"], velocities: Float[np.ndarray, "walker 2"]
) -> Float[np.ndarray, "walker unit unit"]:
    r"""Jacobian $\partial\, \mathrm{step}(g, v)_i / \partial g_j$ of each walker's step.

    Args:
        step: one step of the system.
        states: (walker, unit) before the step.
        velocities: (walker, 2) metres.

    Raises:
        InputError: arrays that do not fit each other, are not finite or in single precision.
    """
    states, velocities = _checked(states, velocities)
    every = np.broadcast_to(np.eye(states.shape[1]), (*states.shape, states.shape[1]))
    return directional_derivative(step, states, velocities, every)


@takes_arrays
def step_gains(
    step: Step, sample: ManifoldSample, velocities: Float[np.ndarray, "walker 2"]
) -> Gains:
    r"""Gains of one step on and off the manifold.

    With the tangent planes $T$ before and $T'$ after the step, the Jacobian $J$ and orthonormal
    bases $Q'$ of $T'$ and $B$ of what is orthogonal to $T$ (`off_directions`): on the manifold
    $T'^{+} J T$, off it $(1 - Q' Q'^\top) J B$.

    Args:
        step: one step of the system.
        sample: where to measure.
        velocities: (walker, 2) the step to take, metres.

    Raises:
        InputError: arrays that do not fit each other, are not finite or in single precision.
    """
    states, velocities = _checked(sample.states, velocities)
    after, derivative = tangent_plane(step, states, velocities), jacobian(step, states, velocities)
    inverse, basis, free = to_metres(after), np.linalg.qr(after)[0], off_directions(step, sample)
    found = np.full((7, len(states)), np.nan)
    for w in np.flatnonzero(spans_plane(after) & spans_plane(sample.tangent)):
        moved, away = derivative[w] @ sample.tangent[w], derivative[w] @ free[w]
        matrix, off = inverse[w] @ moved, np.eye(states.shape[1]) - basis[w] @ basis[w].T
        turn = math.degrees(math.atan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1]))
        per_size = np.linalg.pinv(np.linalg.qr(sample.tangent[w])[1])
        leak_off = np.linalg.norm(off @ moved @ per_size, ord=2)
        largest = median = leak_on = math.nan
        if away.shape[1]:
            gains = np.linalg.svd(off @ away, compute_uv=False)
            largest, median = gains[0], np.median(gains)
            # Neural size of a displacement in its weakest direction: the same for numerator and
            # denominator.
            weakest = np.linalg.svd(sample.tangent[w], compute_uv=False)[-1]
            leak_on = np.linalg.norm(inverse[w] @ away, ord=2) * weakest
        on = np.linalg.svd(matrix, compute_uv=False)
        found[:, w] = [*on, turn, largest, median, leak_on, leak_off]
    return Gains(np.linalg.svd(derivative, compute_uv=False), found[:2].T, *found[2:])


@takes_arrays
def commutator(
    step: Step,
    sample: ManifoldSample,
    one: Float[np.ndarray, "walker 2"],
    other: Float[np.ndarray, "walker 2"],
) -> Commutator:
    r"""Distance between the ends of two moves in either order, $|W_a W_b g - W_b W_a g|$.

    Args:
        step: one step of the system.
        sample: states to start from.
        one: (walker, 2) the velocity a, metres.
        other: (walker, 2) the velocity b.

    Raises:
        InputError: arrays that do not fit each other, are not finite or in single precision.
    """
    states, a = _checked(sample.states, one)
    _, b = _checked(sample.states, other)
    by_a, by_b = step(states, a), step(states, b)
    difference = step(by_b, a) - step(by_a, b)
    inverse = to_metres((tangent_plane(step, by_b, a) + tangent_plane(step, by_a, b)) / 2)
    displacement = np.linalg.norm(np.einsum("wdu,wu->wd", inverse, difference), axis=1)
    distance, one_move = (np.linalg.norm(d, axis=1) for d in (difference, by_a - states))
    return Commutator(distance, displacement, one_move, sample.unrelated)


def off_directions(step: Step, sample: ManifoldSample) -> list[Float[np.ndarray, "unit direction"]]:
    """Orthonormal directions of active units off the manifold.

    Where the length of a state has no effect, its own direction is left out too.
    """
    states, still = sample.states, np.zeros((len(sample.states), 2))
    radial = directional_derivative(step, states, still, states[:, :, None])[..., 0]
    length = np.maximum(np.linalg.norm(states, axis=1), 1e-300)
    # Truncation leaves 1e-9 or so of a derivative that is zero.
    scale_free = np.median(np.linalg.norm(radial, axis=1) / length) < 1e-6
    found = []
    for g, plane in zip(states, sample.tangent, strict=True):
        silent = np.eye(len(g))[:, g == 0]
        radius = [g[:, None]] if scale_free else []
        taken = np.concatenate([plane / max(np.abs(plane).max(), 1e-300), silent, *radius], axis=1)
        u, s, _ = np.linalg.svd(taken)
        found.append(u[:, int((s > 1e-9).sum()) :])
    return found


@takes_arrays
def spans_plane(tangent: Float[np.ndarray, "walker unit 2"]) -> Bool[np.ndarray, " walker"]:
    """Where the two directions are finite and not on one line."""
    finite = np.isfinite(tangent).all(axis=(1, 2))
    size = np.linalg.svd(np.where(finite[:, None, None], tangent, 0.0), compute_uv=False)
    return (size.shape[1] == 2) & (size[:, -1] > LEAST_FLATNESS * np.maximum(size[:, 0], 1e-9))


@takes_arrays
def to_metres(tangent: Float[np.ndarray, "walker unit 2"]) -> Float[np.ndarray, "walker 2 unit"]:
    r"""Deviations to displacements, $(T^\top T)^{-1} T^\top$; NaN where T spans no plane."""
    plane = spans_plane(tangent)
    inverse = np.full((len(tangent), 2, tangent.shape[1]), np.nan)
    inverse[plane] = np.linalg.pinv(tangent[plane])
    return inverse


@takes_arrays
def plane_overlap(one: Float[np.ndarray, "unit 2"], other: Float[np.ndarray, "unit 2"]) -> float:
    """Mean squared cosine of the principal angles of two planes: 1 the same, 2/units by chance."""
    return float(np.linalg.norm(np.linalg.qr(one)[0].T @ np.linalg.qr(other)[0]) ** 2) / 2


def _checked(
    states: np.ndarray, velocities: np.ndarray
) -> tuple[Float[np.ndarray, "walker unit"], Float[np.ndarray, "walker 2"]]:
    states, velocities = np.asarray(states), np.asarray(velocities)
    if states.ndim != 2 or 0 in states.shape or velocities.shape != (len(states), 2):
        raise InputError(
            f"states {states.shape} and velocities {velocities.shape} "
            "must be (walker, unit) and (walker, 2)"
        )
    if states.dtype != np.float64:
        raise InputError(f"derivatives need a system in double precision, not {states.dtype}")
    if not (np.isfinite(states).all() and np.isfinite(velocities).all()):
        raise InputError("states and velocities must be finite")
    return states, velocities
