"""Path integration: positions decoded from a system's own state.

Nothing corrects the state on the way. Position is read from the state alone, by the best match
among the population vectors of a reference map. A periodic code looks the same at several places,
so there are two readings: the best match anywhere in the arena, and the best match near the last
reading, which follows the state from one period into the next.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gridcode.analysis.navigation.reference import ReferenceMap, unit_length
from gridcode.analysis.system import NO_STEP, Progress, System, along
from gridcode.arrays import takes_arrays, takes_infinite_arrays
from gridcode.errors import InputError
from gridcode.world.walks import Walk

HORIZONS = (1, 10, 100, 1_000, 10_000)
# Tracking looks this share of the distance to the nearest alias around the last reading, and
# never further than the bound.
WINDOW_SHARE = 0.45
WIDEST_WINDOW_M = 0.5
# A place whose population vector has this cosine with another's can stand in for it: 0.2 apart on
# the unit sphere.
STAND_IN = 0.98


@takes_arrays
def decode(
    reference: ReferenceMap, states: Float[np.ndarray, "walker unit"]
) -> tuple[Float[np.ndarray, "walker 2"], Float[np.ndarray, " walker"]]:
    """The best match anywhere on the reference map.

    Args:
        reference: where which population vector belongs.
        states: (walker, unit) of any length; a state without activity, or with a value that is not
            finite, has no position.

    Returns:
        (walker, 2) metres, refined between bins, and the cosine of each match; NaN where there is
        none.

    Raises:
        InputError: another number of units than the reference map's.
    """
    side, _, units = reference.vectors.shape
    g = _states(states, units)
    best = (g @ reference.vectors.reshape(-1, units).T).argmax(axis=1)
    return _refined(reference, g, best // side, best % side)


def _states(states: np.ndarray, units: int) -> Float[np.ndarray, "walker unit"]:
    states = np.asarray(states)
    if states.ndim != 2 or states.shape[1] != units:
        raise InputError(
            f"states must be (walker, {units}) as in the reference map, not {states.shape}"
        )
    return unit_length(states)


def _refined(
    reference: ReferenceMap,
    g: Float[np.ndarray, "walker unit"],
    y: Int[np.ndarray, " walker"],
    x: Int[np.ndarray, " walker"],
) -> tuple[Float[np.ndarray, "walker 2"], Float[np.ndarray, " walker"]]:
    """Positions between bins, by the top of a parabola through the best bin and its neighbours."""
    last = len(reference.vectors) - 1
    y_in, x_in = np.clip(y, 1, last - 1), np.clip(x, 1, last - 1)
    dy, dx = np.mgrid[-1:2, -1:2]
    around = reference.vectors[y_in[:, None, None] + dy, x_in[:, None, None] + dx]
    s = np.einsum("wyxu,wu->yxw", around, g, dtype=np.float64)
    slope_x, slope_y = (s[1, 2] - s[1, 0]) / 2, (s[2, 1] - s[0, 1]) / 2
    bend_x, bend_y = s[1, 2] - 2 * s[1, 1] + s[1, 0], s[2, 1] - 2 * s[1, 1] + s[0, 1]
    twist = (s[2, 2] - s[2, 0] - s[0, 2] + s[0, 0]) / 4
    top = bend_x * bend_y - twist**2
    # No top at the edge of the map, beside bins that have no vector, or where the surface is no
    # hill.
    hill = (y == y_in) & (x == x_in) & (bend_x < 0) & (top > 0)
    hill &= around.any(axis=-1).all(axis=(1, 2))
    divisor = np.where(hill, top, 1.0)
    offset_x = np.where(hill, np.clip((twist * slope_y - bend_y * slope_x) / divisor, -1, 1), 0.0)
    offset_y = np.where(hill, np.clip((twist * slope_x - bend_x * slope_y) / divisor, -1, 1), 0.0)
    position = reference.position(y + offset_y, x + offset_x)
    match = np.einsum("wu,wu->w", reference.vectors[y, x], g, dtype=np.float64)
    lost = ~g.any(axis=1)
    position[lost], match[lost] = np.nan, np.nan
    return position, match


class Tracker:
    """Decode position step after step, by the best match near the last reading.

    A reading that reaches the edge of the reference map continues from an alias nearer to its
    centre, and the jump is added from then on. Where there is none (a cosine below 0.98), it is
    lost.

    Args:
        reference: where which population vector belongs; best larger than the arena, since what is
            read may drift out of it.
        walkers: how many are followed, all from the origin.
        window_m: radius of the window. It must hold a step, and be less than half the distance
            between aliases.

    Attributes:
        lost: (walker,) whether a reading ever left the reference map, or a state had no
            activity.
    """

    def __init__(self, reference: ReferenceMap, *, walkers: int, window_m: float) -> None:
        self.reference = reference
        side, _, self._units = reference.vectors.shape
        reach = max(1, math.floor(window_m / reference.bin_size_m))
        dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        # Every other bin first, then the neighbours of the best: a quarter of the products.
        coarse = (np.hypot(dy, dx) <= reach) & (dy % 2 == 0) & (dx % 2 == 0)
        self._coarse = np.stack([dy[coarse], dx[coarse]])
        self._fine = np.stack([f.ravel() for f in np.mgrid[-1:2, -1:2]])
        self._flat = reference.vectors.reshape(-1, self._units)
        self._last = side - 1
        self._yx = np.full((2, walkers), side // 2)
        self._jumped_m = np.zeros((walkers, 2))
        self.lost = np.zeros(walkers, dtype=bool)

    @takes_arrays
    def follow(self, states: Float[np.ndarray, "walker unit"]) -> None:
        """Move every reading to the best match near it."""
        g = self._vectors(states)
        every = np.arange(len(g))
        for dy, dx in (self._coarse, self._fine):
            y = np.clip(self._yx[0][:, None] + dy, 0, self._last)
            x = np.clip(self._yx[1][:, None] + dx, 0, self._last)
            near = self._flat.take(y * (self._last + 1) + x, axis=0)
            best = np.matmul(near, g[:, :, None])[..., 0].argmax(axis=1)
            self._yx = np.stack([y[every, best], x[every, best]])
        self.lost |= ~g.any(axis=1)
        edge = np.flatnonzero(((self._yx == 0) | (self._yx == self._last)).any(axis=0) & ~self.lost)
        if len(edge):
            self._go_on_elsewhere(edge)

    def _go_on_elsewhere(self, walkers: Int[np.ndarray, " some"]) -> None:
        here_y, here_x = self._yx[:, walkers]
        inner = self.reference.within(self.reference.arena_m / 2)
        there, match = decode(inner, self.reference.vectors[here_y, here_x])
        found = match >= STAND_IN  # NaN, of a bin without a vector, is none.
        self.lost[walkers[~found]] = True
        jump = self.reference.position(here_y, here_x) - there
        self._jumped_m[walkers[found]] += jump[found]
        xy = np.rint(there[found] / self.reference.bin_size_m + self._last / 2).astype(np.int64)
        self._yx[:, walkers[found]] = xy.T[::-1]

    @takes_arrays
    def read(self, states: Float[np.ndarray, "walker unit"]) -> Float[np.ndarray, "walker 2"]:
        """The readings, refined between bins, metres; NaN for states without activity."""
        return _refined(self.reference, self._vectors(states), *self._yx)[0] + self._jumped_m

    def _vectors(self, states: np.ndarray) -> Float[np.ndarray, "walker unit"]:
        if len(states) != len(self.lost):
            raise InputError(
                f"{len(states)} states do not fit the {len(self.lost)} walkers followed"
            )
        return _states(states, self._units)


@dataclass(frozen=True)
class PathIntegration:
    """Errors of the decoded position, for every walker, at several horizons.

    Attributes:
        horizons: (horizon,) steps from the origin.
        offset_m: (horizon, walker, 2) tracked reading minus true position, metres.
        anywhere_m: (horizon, walker) distance of the best match in the arena from the true
            position.
        match: (horizon, walker) cosine of that match: 1 where the state is one of the reference
            map's.
        lost: (horizon, walker) whether the reading left the reference map at or before the horizon.
        chance_m: (horizon,) median distance between the positions of two walkers: the error of a
            guess.
        window_m: radius of the tracker's window.
        reason: why all errors are NaN; empty where they are not.
    """

    horizons: Int[np.ndarray, " horizon"]
    offset_m: Float[np.ndarray, "horizon walker 2"]
    anywhere_m: Float[np.ndarray, "horizon walker"]
    match: Float[np.ndarray, "horizon walker"]
    lost: Bool[np.ndarray, "horizon walker"]
    chance_m: Float[np.ndarray, " horizon"]
    window_m: float
    reason: str = ""

    @property
    def tracked_m(self) -> Float[np.ndarray, "horizon walker"]:
        """Distance of the tracked reading from the true position; infinite once lost."""
        return np.where(self.lost, np.inf, np.linalg.norm(self.offset_m, axis=-1))

    @property
    def common_m(self) -> Float[np.ndarray, " horizon"]:
        """Length of the mean offset: drift common to all walkers; NaN where any is lost."""
        offset = np.where(self.lost[..., None], np.nan, self.offset_m)
        return np.linalg.norm(offset.mean(axis=1), axis=-1)

    @property
    def scatter_m(self) -> Float[np.ndarray, " horizon"]:
        """Median distance of the offsets from their mean: drift by path; NaN where any is lost."""
        offset = np.where(self.lost[..., None], np.nan, self.offset_m)
        spread = offset - offset.mean(axis=1, keepdims=True)
        return np.median(np.linalg.norm(spread, axis=-1), axis=1)


def integrate_paths(
    system: System,
    walk: Walk,
    reference: ReferenceMap,
    *,
    window_m: float,
    horizons: Sequence[int] = HORIZONS,
    observe: Callable[[int, Float[np.ndarray, "walker unit"]], None] | None = None,
    progress: Progress | None = None,
) -> PathIntegration:
    """Walk without correction and read position from the state at each horizon.

    Args:
        system: the system.
        walk: where to go.
        reference: larger than the walk's arena by what the state may drift; the best match anywhere
            is sought in the arena.
        window_m: radius of the tracker's window; see `window_for`.
        horizons: steps, ascending; those beyond the walk's end are left out.
        observe: called with (steps taken, states) after every step.
        progress: called with the number of walkers moved after every step.

    Raises:
        InputError: no horizon within the walk, a window that is no wider than a step, or a
            reference map smaller than the arena.
    """
    steps, walkers, _ = walk.velocities.shape
    at = sorted({h for h in horizons if 1 <= h <= steps})
    if not at:
        raise InputError(
            f"no horizon of {tuple(horizons)} lies within the {steps} steps of the walk"
        )
    if window_m < np.hypot(*np.moveaxis(walk.velocities, -1, 0)).max():
        raise InputError(f"a window of {window_m:g} m does not hold the longest step of the walk")
    if reference.arena_m + reference.bin_size_m < walk.arena_m:
        raise InputError(
            f"a reference map of {reference.arena_m:g} m does not cover "
            f"the arena of {walk.arena_m:g} m"
        )
    readable = reference.informative and system.position_code is None
    # One more bin on every side, so that places at the walls are refined like all others.
    arena = reference.within(walk.arena_m + 2 * reference.bin_size_m)
    tracker = Tracker(reference, walkers=walkers, window_m=window_m)
    offset = np.full((len(at), walkers, 2), np.nan)
    anywhere, match = np.full((len(at), walkers), np.nan), np.full((len(at), walkers), np.nan)
    lost = np.zeros((len(at), walkers), dtype=bool)
    for t, state in enumerate(along(system, walk)):
        if t == 0:
            continue
        if observe:
            observe(t, state)
        if readable and t <= at[-1]:
            tracker.follow(state)
        if readable and t in at:
            i, true = at.index(t), walk.positions[t]
            offset[i], lost[i] = tracker.read(state) - true, tracker.lost
            position, match[i] = decode(arena, state)
            anywhere[i] = np.linalg.norm(position - true, axis=1)
        if progress:
            progress(walkers)
    # Each walker against the next one: unrelated positions.
    apart = walk.positions[at] - np.roll(walk.positions[at], 1, axis=1)
    chance = np.median(np.linalg.norm(apart, axis=-1), axis=1)
    reason = "" if readable else "the reference map is the same everywhere"
    if system.position_code is not None:
        reason = NO_STEP
    return PathIntegration(np.array(at), offset, anywhere, match, lost, chance, window_m, reason)


def window_for(alias_m: float, *, max_step_m: float, bin_size_m: float) -> float:
    """Radius of a tracker's window: 0.45 of the distance to the nearest alias, at most 0.5 m.

    It is never smaller than a step.
    """
    # Steps along a diagonal are longer by sqrt(2) where velocities come from a square.
    return max(min(WIDEST_WINDOW_M, WINDOW_SHARE * alias_m), math.sqrt(2) * max_step_m + bin_size_m)


@dataclass(frozen=True)
class DeadReckoning:
    """What independent velocity errors of a given size would do.

    Attributes:
        noise_m: standard deviation of each coordinate of the error of one step, metres; NaN where
            it cannot be matched.
        floor_m: median error of reading, present at any horizon.
        reason: why `noise_m` is NaN; empty where it is not.
    """

    noise_m: float
    floor_m: float
    reason: str = ""

    def quantile(self, steps: int, share: float) -> float:
        r"""Quantile of the error after some steps, metres.

        Independent errors of standard deviation s in both coordinates add up to a Rayleigh
        distribution of scale $s \sqrt{n}$, whose quantiles are $s \sqrt{n} \sqrt{-2 \ln(1 - q)}$;
        the error of reading is added in squares.
        """
        return math.hypot(self.floor_m, self.noise_m * math.sqrt(-2 * steps * math.log1p(-share)))


def matched_dead_reckoning(errors: PathIntegration) -> DeadReckoning:
    r"""Dead reckoning whose error is the system's own at the shortest horizon beyond the first.

    With the median error $e_1$ at the first horizon (after one step: the error of reading) and
    $e_h$ at the next, of h steps, $s = \sqrt{(e_h^2 - e_1^2) / (2 h \ln 2)}$. From there on it can
    only grow as the square root of the steps. A system that grows faster repeats its errors; one
    that grows slower corrects them or has nowhere to go.
    """
    if len(errors.horizons) < 2:
        return DeadReckoning(math.nan, math.nan, "there is only one horizon")
    if errors.reason:
        return DeadReckoning(math.nan, math.nan, errors.reason)
    first, second = median(errors.tracked_m[0]), median(errors.tracked_m[1])
    if not math.isfinite(second):
        return DeadReckoning(math.nan, first, "most walkers are lost at the horizon to match")
    steps = errors.horizons[1]
    if second <= first:
        reason = f"after {steps} steps the error is still that of reading"
        return DeadReckoning(math.nan, first, reason)
    return DeadReckoning(math.sqrt((second**2 - first**2) / (2 * steps * math.log(2))), first)


@takes_infinite_arrays
def quartiles(errors_m: Float[np.ndarray, " walker"]) -> list[float]:
    """Quartiles over walkers; the error of a lost walker is larger than any other.

    NaN where the quartile is that of a lost walker.
    """
    known = np.where(np.isnan(errors_m), np.inf, errors_m)
    found = np.quantile(known, [0.25, 0.5, 0.75], method="higher")
    return [float(q) if math.isfinite(q) else math.nan for q in found]


@takes_infinite_arrays
def median(errors_m: Float[np.ndarray, " walker"]) -> float:
    """Median over walkers, as in `quartiles`."""
    return quartiles(errors_m)[1]
