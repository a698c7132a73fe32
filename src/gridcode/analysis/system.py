"""Any system (network, other model, formula) and its activity along walks.

A system integrates its path, or it is given its position at every step and has no path to integrate
(`position_code`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from gridcode.analysis.cells.information import split_half_stability
from gridcode.analysis.cells.ratemaps import RateMapAccumulator
from gridcode.arrays import takes_infinite_arrays
from gridcode.errors import InputError
from gridcode.world.walks import Walk

# Larger activities overflow where they are squared and added up in single precision.
LARGEST_ACTIVITY = 1e15

SAMPLES_TOGETHER = 4096  # states that are added to rate maps at once

# One step of a system: states (walker, unit) and velocities (walker, axis) in metres to the next
# states.
Step = Callable[
    [Float[np.ndarray, "walker unit"], Float[np.ndarray, "walker axis"]],
    Float[np.ndarray, "walker unit"],
]
# Velocities (velocity, axis) in metres to matrices, W[k, i, j] from unit j to unit i.
Matrices = Callable[[Float[np.ndarray, "velocity axis"]], Float[np.ndarray, "velocity unit unit"]]
# Positions (place, 2) in metres to activity (place, unit); NaN where the code is not defined.
PositionCode = Callable[[Float[np.ndarray, "place 2"]], Float[np.ndarray, "place unit"]]
Progress = Callable[[int], None]
NO_STEP = "the model is given its position: there is no path integration"


@dataclass(frozen=True)
class System:
    """A system that moves through space.

    Attributes:
        step: states (walker, variable) and velocities (walker, axis) in metres to the next states.
        start: (variable,) state at the origin.
        max_step_m: longest step of walks; the longest that the system was trained on.
        extent_m: side of the square that training covered, metres; None: not known.
        precise: (step, start) in double precision, needed for derivatives; None: not available.
        matrices: velocities to W(v), the matrix of each step; None: it has none.
        observed: (unit,) which variables of the state are the units that are analysed; None: all.
        position_code: activity at each place, of a model that is given its position; None: it
            integrates its path by `step`.
    """

    step: Step
    start: Float[np.ndarray, " variable"]
    max_step_m: float
    extent_m: float | None = None
    precise: tuple[Step, Float[np.ndarray, " variable"]] | None = None
    matrices: Matrices | None = None
    observed: Int[np.ndarray, " unit"] | None = None
    position_code: PositionCode | None = None

    @classmethod
    def of_positions(
        cls, code: PositionCode, *, max_step_m: float, extent_m: float | None = None
    ) -> "System":
        """A model that is given its position.

        Args:
            code: activity at each place.
            max_step_m: longest step of walks.
            extent_m: as in the class.
        """

        def step(*_: np.ndarray) -> Float[np.ndarray, "walker unit"]:
            raise InputError(NO_STEP)

        start = code(np.zeros((1, 2)))[0]
        return cls(step, start, max_step_m, extent_m=extent_m, position_code=code)

    @property
    def units(self) -> int:
        """How many units are analysed."""
        return len(self.start if self.observed is None else self.observed)

    def is_defined_in(self, side_m: float) -> bool:
        """Whether it has activity all over a square of this side, as far as its edges tell."""
        if self.position_code is None:
            return True
        half = side_m / 2
        edges = np.array([[half, 0.0], [0.0, half], [half, half], [-half, -half]])
        return bool(np.isfinite(self.position_code(edges)).all())

    @takes_infinite_arrays
    def activity(
        self, states: Float[np.ndarray, "*shape variable"]
    ) -> Float[np.ndarray, "*shape unit"]:
        """The activity of the units in these states; a state that diverged may be infinite."""
        return states if self.observed is None else states[..., self.observed]

    def starts(self, walkers: int) -> Float[np.ndarray, "walker variable"]:
        """The start state of so many walkers."""
        return np.broadcast_to(self.start, (walkers, len(self.start)))


def bounded(system: System) -> System:
    """The same system, with NaN for every unit where a state is not finite or far too large.

    So a system that diverges gives maps and errors that are NaN, and no overflow further on.
    """
    if system.position_code is not None:
        return system

    def step(
        states: Float[np.ndarray, "walker unit"], velocities: Float[np.ndarray, "walker axis"]
    ) -> Float[np.ndarray, "walker unit"]:
        after = system.step(states, velocities)
        good = (np.abs(after) <= LARGEST_ACTIVITY).all(axis=1, keepdims=True)  # False for NaN
        return after if good.all() else np.where(good, after, np.nan)

    return replace(system, step=step)


def along(system: System, walk: Walk) -> Iterator[Float[np.ndarray, "walker unit"]]:
    """Activity of the units at the start of every walk and after each step."""
    if system.position_code is not None:
        for here in walk.positions:
            yield system.position_code(here)
        return
    state = system.starts(walk.velocities.shape[1])
    yield system.activity(state)
    for v in walk.velocities:
        state = system.step(state, v)
        yield system.activity(state)


def roll(system: System, walk: Walk) -> Float[np.ndarray, "time walker unit"]:
    """Activity of the units along every walk, the start included."""
    return np.stack(list(along(system, walk)))


def roll_rate_maps(
    system: System, walk: Walk, *, bin_size_m: float, progress: Progress | None = None
) -> xr.Dataset:
    """Rate maps along walks, without keeping the states.

    Args:
        system: the system.
        walk: where to go.
        bin_size_m: side of a bin.
        progress: called with 1 after each step.

    Returns:
        As `rate_maps`, and the `stability` of each unit: the correlation of the maps of the first
        and of the second half of the walkers. The attribute `diverged_share` is the share of states
        with a value that is not finite; bins that they fall into are NaN.
    """
    walkers = walk.velocities.shape[1]
    first, second = (
        RateMapAccumulator(arena_m=walk.arena_m, bin_size_m=bin_size_m, units=system.units)
        for _ in range(2)
    )
    diverged = 0
    waiting: list[Float[np.ndarray, "walker unit"]] = []
    half = walkers // 2
    activity = along(system, walk)
    next(activity)  # the start has no occupancy
    for t, state in enumerate(activity, start=1):
        diverged += walkers - int(np.isfinite(state).all(axis=1).sum())
        waiting.append(state)
        # Bins are sorted once for many steps.
        if len(waiting) * walkers >= SAMPLES_TOGETHER or t == len(walk.velocities):
            states, places = np.stack(waiting), walk.positions[t + 1 - len(waiting) : t + 1]
            waiting = []
            for maps, part in ((first, slice(half)), (second, slice(half, None))):
                here = places[:, part].reshape(-1, 2)
                maps.add(here, states[:, part].reshape(len(here), -1))
        if progress:
            progress(1)
    halves = [maps.dataset()["rate"].values for maps in (first, second)]
    first.merge(second)
    data = first.dataset()
    data["stability"] = ("unit", split_half_stability(*halves))
    data.attrs["walk"] = walk.kind
    data.attrs["diverged_share"] = diverged / (len(walk.velocities) * walkers)
    return data
