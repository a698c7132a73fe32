"""A system at rest: drift, cycles and fixed points at velocity zero."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform

from gridcode.analysis.dynamics.manifold import (
    ManifoldSample,
    jacobian,
    plane_overlap,
    spans_plane,
    tangent_plane,
    to_metres,
)
from gridcode.analysis.system import Step
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# A state is at rest where its remaining path (a geometric series from its last two moves) is below
# this share of the distance of unrelated states.
AT_REST = 1e-6
# Moves this small, as a share of a state's length, are rounding.
ROUNDING = 1e-13
# More steps along a lattice vector would take hours.
MOST_STEPS = 10**6
# After how many steps, and again at the end, states that still move are checked for cycles, and the
# longest cycle.
CYCLES_FROM = 2_000
CYCLE_STEPS = 1_000


@dataclass(frozen=True)
class ReturnMap:
    """Where states of the manifold go when a velocity of zero is applied again and again.

    Attributes:
        moved: (walker,) neural distance between a state and the next one.
        drift_m: (walker, step, 2) displacement in each of the first steps.
        outcome: (walker,) `fixed point`, `cycle` or `drift` (neither at the end).
        label: (walker,) number of the fixed point reached; -1 where none is.
        states: (point, unit) the fixed points, the most visited first.
        eigenvalues: (point, 2) the two largest ones of the Jacobian there, by modulus.
        alignment: (point,) mean squared cosine between the plane of their eigenvectors and the
            tangent plane: 1 the same, 2/units by chance.
        way_m: (walker, 2) displacement from the start to the fixed point; NaN without one.
        steps: (walker,) steps until the state stays within a tenth of the neural distance to its
            fixed point, to about a fifth; NaN without one.
        within: largest distance between end states counted as one fixed point.
        between: smallest distance between two fixed points; NaN with fewer than two.
        unrelated: median neural distance of the states started from.
    """

    moved: Float[np.ndarray, " walker"]
    drift_m: Float[np.ndarray, "walker step 2"]
    outcome: tuple[str, ...]
    label: Int[np.ndarray, " walker"]
    states: Float[np.ndarray, "point unit"]
    eigenvalues: Complex[np.ndarray, "point 2"]
    alignment: Float[np.ndarray, " point"]
    way_m: Float[np.ndarray, "walker 2"]
    steps: Float[np.ndarray, " walker"]
    within: float
    between: float
    unrelated: float

    @property
    def visits(self) -> Int[np.ndarray, " point"]:
        """Walkers that ended at each fixed point."""
        return np.bincount(self.label[self.label >= 0], minlength=len(self.states))

    @property
    def coverage(self) -> float:
        """Good and Turing's estimate of the share of starts that lead to a known fixed point.

        0 for a sheet of fixed points, 1 when all are known.
        """
        visits = self.visits
        return float(1 - (visits == 1).sum() / visits.sum()) if len(visits) else math.nan

    @property
    def estimated(self) -> float:
        """Chao's bias-corrected estimate of the number of fixed points.

        NaN where every walker has its own.
        """
        visits = self.visits
        once, twice = int((visits == 1).sum()), int((visits == 2).sum())
        return (
            len(visits) + once * (once - 1) / (2 * (twice + 1)) if once < visits.sum() else math.nan
        )


def return_map(
    step: Step, sample: ManifoldSample, *, longest: int = 20_000, first: int = 10
) -> ReturnMap:
    r"""Apply a velocity of zero again and again: drift, and the fixed points that states end at.

    A perfect integrator stays where it is, at any of a sheet of fixed points. End states are joined
    into fixed points by single linkage, cut in the widest gap of the logarithms of its distances
    between the tolerance of being at rest and the distance of unrelated states.

    Args:
        step: one step of the system.
        sample: states to start from.
        longest: steps after which a state that still moves is given up.
        first: steps whose drift is reported one by one.

    Raises:
        InputError: fewer steps than are to be reported.
    """
    if not 1 <= first <= longest:
        raise InputError(f"{first} steps to report do not lie between 1 and the {longest} to take")
    walkers, unrelated = len(sample.states), sample.unrelated
    state = sample.states.copy()
    moving, cycle = np.ones(walkers, dtype=bool), np.zeros(walkers, dtype=bool)
    checkpoints = _checkpoints(first, longest)
    watched = {longest, next((t for t in checkpoints if t >= CYCLES_FROM), longest)}
    kept = [state.copy()]
    move = np.full(walkers, np.inf)
    for t in range(1, longest + 1):
        index = np.flatnonzero(moving)
        now = step(state[index], np.zeros((len(index), 2)))
        before, move[index] = move[index], np.linalg.norm(now - state[index], axis=1)
        state[index] = now
        if t in checkpoints:
            kept.append(state.copy())
            if t >= first:
                moving[index] = ~_at_rest(before, move[index], now, unrelated)
            if moving.any() and t in watched:
                index = np.flatnonzero(moving)
                cycle[index] = _cycles(step, state[index])
                moving &= ~cycle
        if not moving.any():
            break
    tangent = [sample.tangent] + [tangent_plane(step, s, np.zeros((walkers, 2))) for s in kept[:-1]]
    middle = [to_metres((a + b) / 2) for a, b in itertools.pairwise(tangent)]
    moves = (b - a for a, b in itertools.pairwise(kept))
    ways = np.stack([np.einsum("wdu,wu->wd", *pair) for pair in zip(middle, moves, strict=True)])
    rested = ~(moving | cycle)
    reached, within, between = _fixed_points(state[rested], unrelated)
    label = np.full(walkers, -1)
    label[rested] = reached
    points = state[rested][np.unique(reached, return_index=True)[1]]
    eigenvalues, alignment = _stability(step, points)
    far = np.stack([np.linalg.norm(s - state, axis=1) for s in kept])
    outside = far > np.maximum(0.1 * far[0], AT_REST * unrelated)
    # The checkpoint after the last one outside.
    settled = np.array([0.0, *checkpoints])[
        np.where(outside.any(axis=0), len(kept) - outside[::-1].argmax(axis=0), 0)
    ]
    return ReturnMap(
        moved=np.linalg.norm(kept[1] - kept[0], axis=1),
        drift_m=np.moveaxis(ways[:first], 0, 1),
        outcome=tuple(np.where(cycle, "cycle", np.where(moving, "drift", "fixed point")).tolist()),
        label=label,
        states=points,
        eigenvalues=eigenvalues,
        alignment=alignment,
        way_m=np.where(rested[:, None], ways.sum(axis=0), np.nan),
        steps=np.where(rested, settled, np.nan),
        within=within,
        between=between,
        unrelated=unrelated,
    )


@takes_arrays
def period_error(
    step: Step, sample: ManifoldSample, vectors_m: Float[np.ndarray, "2 2"], *, max_step_m: float
) -> float:
    """Whether a code repeats along lattice vectors: median neural distance over unrelated states'.

    Near 0 for a period (what is left is the error of integration), near 1 for other vectors; NaN
    where all states are one.

    Args:
        step: one step of the system.
        sample: states to start from.
        vectors_m: lattice vectors (x, y) as rows, metres.
        max_step_m: longest step.

    Raises:
        InputError: vectors that are not known, or longer than a million steps.
    """
    if not np.hypot(*vectors_m.T).max() <= MOST_STEPS * max_step_m:
        raise InputError(f"lattice vectors of {vectors_m.tolist()} m cannot be walked along")
    found, unrelated = [], sample.unrelated
    for vector in vectors_m:
        steps = math.ceil(float(np.hypot(*vector)) / (0.7 * max_step_m))
        state = sample.states
        for _ in range(steps):
            state = step(state, np.tile(vector / steps, (len(state), 1)))
        found.append(float(np.median(np.linalg.norm(state - sample.states, axis=1))))
    return max(found) / unrelated if unrelated > 0 else math.nan


def _checkpoints(first: int, longest: int) -> list[int]:
    """Every one of the first steps, then steps a fifth apart, and the last."""
    at = list(range(1, first + 1))
    while at[-1] < longest:
        at.append(min(longest, max(at[-1] + 1, int(1.2 * at[-1]))))
    return at


def _at_rest(
    before: Float[np.ndarray, " walker"],
    move: Float[np.ndarray, " walker"],
    states: Float[np.ndarray, "walker unit"],
    unrelated: float,
) -> Bool[np.ndarray, " walker"]:
    ratio = np.divide(move, before, where=before > 0, out=np.zeros_like(move))
    left = np.divide(move * ratio, 1 - ratio, where=ratio < 1, out=np.full_like(move, np.inf))
    return (left < AT_REST * unrelated) | (move <= ROUNDING * np.linalg.norm(states, axis=1))


def _cycles(step: Step, states: Float[np.ndarray, "walker unit"]) -> Bool[np.ndarray, " walker"]:
    """Whether states return to within one move after leaving by ten, without slowing down."""
    now, back = states, np.zeros(len(states), dtype=bool)
    move, away, early, late = np.zeros((4, len(states)))
    for t in range(CYCLE_STEPS):
        before, now = now, step(now, np.zeros((len(now), 2)))
        distance, moved = np.linalg.norm(now - states, axis=1), np.linalg.norm(now - before, axis=1)
        move = move if t else moved
        away = np.maximum(away, distance)
        early = np.maximum(early, moved) if t < CYCLE_STEPS // 4 else early
        late = np.maximum(late, moved) if t >= 3 * CYCLE_STEPS // 4 else late
        # Cycles of a few steps never get ten moves away, but come back exactly.
        back |= (distance < 1e-3 * move) | ((distance < move) & (away > 10 * move))
    return back & (late > 0.9 * early)


def _fixed_points(
    ends: Float[np.ndarray, "walker unit"], unrelated: float
) -> tuple[Int[np.ndarray, " walker"], float, float]:
    """The fixed point of each end state, the most visited first, and two distances.

    These are the largest within one fixed point and the smallest between two.
    """
    if len(ends) < 2:
        return np.zeros(len(ends), dtype=np.int64), 0.0 if len(ends) else math.nan, math.nan
    tree, cut = linkage(ends, "single"), 0.0
    if unrelated > 0:
        low = AT_REST * unrelated
        heights = np.array([low, *np.clip(tree[:, 2], low, unrelated), unrelated])
        gap = int(np.diff(np.log(heights)).argmax())
        cut = math.sqrt(heights[gap] * heights[gap + 1])
    raw = fcluster(tree, cut, criterion="distance") - 1
    label = np.argsort(np.argsort(-np.bincount(raw), kind="stable"))[raw]
    distance = squareform(pdist(ends))
    same = label[:, None] == label
    between = float(distance[~same].min()) if not same.all() else math.nan
    return label, float(distance[same].max()), between


def _stability(
    step: Step, points: Float[np.ndarray, "point unit"]
) -> tuple[Complex[np.ndarray, "point 2"], Float[np.ndarray, " point"]]:
    """Two leading eigenvalues of each fixed point, and their plane's overlap with the tangent."""
    if not len(points):
        return np.empty((0, 2), dtype=np.complex128), np.empty(0)
    rest = np.zeros((len(points), 2))
    values, vectors = np.linalg.eig(jacobian(step, points, rest))
    tangent = tangent_plane(step, points, rest)
    order = np.argsort(-np.abs(values), axis=1)[:, :2]
    leading = np.take_along_axis(values, order, axis=1).astype(np.complex128)
    alignment = np.full(len(points), np.nan)
    for i in np.flatnonzero(spans_plane(tangent)):
        pair = vectors[i][:, order[i]]
        complex_pair = abs(leading[i, 0].imag) > 1e-12
        second = pair[:, 0].imag if complex_pair else pair[:, 1].real
        alignment[i] = plane_overlap(np.stack([pair[:, 0].real, second], axis=1), tangent[i])
    return leading, alignment
