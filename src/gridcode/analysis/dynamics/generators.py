"""Generators of moves: how nearly they commute, and whether W(v) is their exponential."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from gridcode.analysis.dynamics.manifold import VELOCITY_STEP_M
from gridcode.analysis.system import Matrices
from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

DIRECTIONS = 8
SPEEDS = (1 / 3, 2 / 3, 1.0)
# Generators are dW/dv times the inverse of W(0), where that is known to six digits or so.
WORST_CONDITION = 1e6


@dataclass(frozen=True)
class MoveGenerators:
    r"""Generators of moves, and how nearly they commute.

    Attributes:
        derivative: (2, unit, unit) dW/dv at v = 0 along x and y, per metre.
        speeds_m: (speed,) speeds of the predictions below.
        exponential: (speed,) mean of $|e^{v \cdot G} W(0) - W(v)|_F / |W(v) - W(0)|_F$ over
            directions; 1 is no better than W(0).
        linear: (speed,) the same for $W(0) + v \cdot A$.
        changed: (speed,) mean of $|W(v) - W(0)|_F / |W(v)|_F$.
        commutator: $|[A_x, A_y]|_F / |A_x|_F |A_y|_F$ of the derivatives; 0 if they commute.
        permuted: median of the same with the units of one of them permuted.
        rotated: median of the same with one of them turned by a random orthogonal matrix.
        p_value: of a value as low as `commutator` with permuted units.
        group_commutator: the same as `commutator` of $G = A\, W(0)^{-1}$; NaN where W(0) is close
            to singular.
        on_states: median over states of $|[A_x, A_y] g| / (|A_x A_y g| + |A_y A_x g|)$, 1 at most;
            NaN without states.
        on_states_permuted: the same with the units of one of them permuted.
        reason: why numbers are NaN.
    """

    derivative: Float[np.ndarray, "2 unit unit"]
    speeds_m: Float[np.ndarray, " speed"]
    exponential: Float[np.ndarray, " speed"]
    linear: Float[np.ndarray, " speed"]
    changed: Float[np.ndarray, " speed"]
    commutator: float = math.nan
    permuted: float = math.nan
    rotated: float = math.nan
    p_value: float = math.nan
    group_commutator: float = math.nan
    on_states: float = math.nan
    on_states_permuted: float = math.nan
    reason: str = ""


def probe_velocities(max_step_m: float) -> Float[np.ndarray, "velocity 2"]:
    """Zero, then eight directions at one third, two thirds and all of the longest step, metres."""
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate([np.zeros((1, 2)), *(share * max_step_m * ring for share in SPEEDS)])


@takes_arrays
def evaluate_matrices(
    matrices: Matrices, velocities: Float[np.ndarray, "velocity 2"]
) -> Float[np.ndarray, "velocity unit unit"]:
    """W(v) at velocities in metres, in double precision.

    Raises:
        InputError: matrices of another shape, or with values that are not finite.
    """
    weights = doubles(matrices(velocities), "matrices")
    if (
        weights.ndim != 3
        or len(weights) != len(velocities)
        or weights.shape[1] != weights.shape[2]
        or weights.shape[1] < 2
    ):
        raise InputError(
            f"matrices must be ({len(velocities)}, unit, unit) of two units or more, "
            f"not {weights.shape}"
        )
    if not np.isfinite(weights).all():
        raise InputError("the matrices hold values that are not finite")
    return weights


@takes_arrays
def move_generators(
    matrices: Matrices,
    *,
    max_step_m: float,
    generator: np.random.Generator,
    states: Float[np.ndarray, "state unit"] | None = None,
    nulls: int = 199,
) -> MoveGenerators:
    r"""How nearly moves along x and y commute, and how far W(v) is a one-parameter group.

    With $A_x, A_y = \partial W / \partial v$ at 0: exact integration by matrices alone, $W(v) =
    e^{v \cdot G} W(0)$ with $G = A\, W(0)^{-1}$, needs $[G_x, G_y] = 0$. The null permutes the
    units of one of the two: same eigenvalues, same kind of matrix, nothing in common.

    Args:
        matrices: velocities to matrices.
        max_step_m: longest step.
        generator: permutations and rotations.
        states: (state, unit) of the manifold, to let the commutator act on.
        nulls: permutations, and as many rotations.

    Raises:
        InputError: matrices of another shape or not finite, states with another number of units, or
            no nulls.
    """
    if not 0 < max_step_m < math.inf or nulls < 1:
        raise InputError(
            f"the longest step ({max_step_m} m) must be positive, and nulls ({nulls}) one or more"
        )
    rest, *sides = evaluate_matrices(
        matrices,
        np.concatenate(
            [np.zeros((1, 2)), VELOCITY_STEP_M * np.eye(2), -VELOCITY_STEP_M * np.eye(2)]
        ),
    )
    units = len(rest)
    if states is not None and states.shape[1] != units:
        raise InputError(f"states have {states.shape[1]} units and the matrices {units}")
    a = (np.stack(sides[:2]) - np.stack(sides[2:])) / (2 * VELOCITY_STEP_M)
    speeds = np.array(SPEEDS) * max_step_m
    velocities = probe_velocities(max_step_m)[1:]
    weights = evaluate_matrices(matrices, velocities)
    change = np.linalg.norm(weights - rest, axis=(1, 2))
    nothing = np.full(len(speeds), np.nan)
    least = 1e-9 * max(float(np.linalg.norm(rest)), 1e-300) / max_step_m
    if (np.linalg.norm(a, axis=(1, 2)) <= least).any() or not change.all():
        reason = "the matrices do not depend on the velocity"
        return MoveGenerators(a, speeds, nothing, nothing, nothing, reason=reason)

    def by_speed(errors: np.ndarray) -> Float[np.ndarray, " speed"]:
        return errors.reshape(len(SPEEDS), DIRECTIONS).mean(axis=1)

    def against(predicted: np.ndarray) -> Float[np.ndarray, " speed"]:
        return by_speed(np.linalg.norm(predicted - weights, axis=(1, 2)) / change)

    permuted, rotated, acting = np.empty((3, nulls))
    for i in range(nulls):
        order = generator.permutation(units)
        mixed = a[1][np.ix_(order, order)]
        permuted[i] = _commutator(a[0], mixed)
        turn = np.linalg.qr(generator.standard_normal((units, units)))[0]
        rotated[i] = _commutator(a[0], turn @ a[1] @ turn.T)
        acting[i] = _on_states(a[0], mixed, states)
    found = _commutator(*a)
    group, exponential, reason = math.nan, nothing, ""
    if np.linalg.cond(rest) < WORST_CONDITION:
        g = a @ np.linalg.inv(rest)
        group = _commutator(*g)
        exponential = against(expm(np.einsum("vd,dij->vij", velocities, g)) @ rest)
    else:
        reason = "W(0) is close to singular: it has no generators"
    return MoveGenerators(
        derivative=a,
        speeds_m=speeds,
        exponential=exponential,
        linear=against(rest + np.einsum("vd,dij->vij", velocities, a)),
        changed=by_speed(change / np.linalg.norm(weights, axis=(1, 2))),
        commutator=found,
        permuted=float(np.median(permuted)),
        rotated=float(np.median(rotated)),
        p_value=(1 + int((permuted <= found).sum())) / (1 + nulls),
        group_commutator=group,
        on_states=_on_states(a[0], a[1], states),
        on_states_permuted=float(np.median(acting)),
        reason=reason,
    )


def _commutator(
    one: Float[np.ndarray, "unit unit"], other: Float[np.ndarray, "unit unit"]
) -> float:
    return float(
        np.linalg.norm(one @ other - other @ one) / (np.linalg.norm(one) * np.linalg.norm(other))
    )


def _on_states(
    one: Float[np.ndarray, "unit unit"],
    other: Float[np.ndarray, "unit unit"],
    states: np.ndarray | None,
) -> float:
    if states is None:
        return math.nan
    ab, ba = states @ (one @ other).T, states @ (other @ one).T
    size = np.linalg.norm(ab, axis=1) + np.linalg.norm(ba, axis=1)
    known = size > 0
    if not known.any():
        return math.nan
    return float(np.median(np.linalg.norm(ab - ba, axis=1)[known] / size[known]))
