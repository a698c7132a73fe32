"""Any path-integrating system (network, other model, formula) and its states along walks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.cells.information import split_half_stability
from gridcode.analysis.cells.ratemaps import RateMapAccumulator
from gridcode.world.walks import Walk

# Larger activities overflow where they are squared and added up in single precision.
LARGEST_ACTIVITY = 1e15

SAMPLES_TOGETHER = 4096  # states that are added to rate maps at once

# One step of a system: states (walker, unit) and velocities (walker, 2) in metres to the next
# states.
Step = Callable[
    [Float[np.ndarray, "walker unit"], Float[np.ndarray, "walker 2"]],
    Float[np.ndarray, "walker unit"],
]
# Velocities (velocity, 2) in metres to matrices, W[k, i, j] from unit j to unit i.
Matrices = Callable[[Float[np.ndarray, "velocity 2"]], Float[np.ndarray, "velocity unit unit"]]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class System:
    """A path-integrating system.

    Attributes:
        step: states (walker, unit) and velocities (walker, 2) in metres to the next states.
        start: (unit,) state at the origin.
        max_step_m: longest step of walks; the longest that the system was trained on.
        extent_m: side of the square that training covered, metres; None: not known.
        precise: (step, start) in double precision, needed for derivatives; None: not available.
        matrices: velocities to W(v), the matrix of each step; None: it has none.
    """

    step: Step
    start: Float[np.ndarray, " unit"]
    max_step_m: float
    extent_m: float | None = None
    precise: tuple[Step, Float[np.ndarray, " unit"]] | None = None
    matrices: Matrices | None = None

    def starts(self, walkers: int) -> Float[np.ndarray, "walker unit"]:
        """The start state of so many walkers."""
        return np.broadcast_to(self.start, (walkers, len(self.start)))


def bounded(system: System) -> System:
    """The same system, with NaN for every unit where a state is not finite or far too large.

    So a system that diverges gives maps and errors that are NaN, and no overflow further on.
    """

    def step(
        states: Float[np.ndarray, "walker unit"], velocities: Float[np.ndarray, "walker 2"]
    ) -> Float[np.ndarray, "walker unit"]:
        after = system.step(states, velocities)
        good = (np.abs(after) <= LARGEST_ACTIVITY).all(axis=1, keepdims=True)  # False for NaN
        return after if good.all() else np.where(good, after, np.nan)

    return replace(system, step=step)


def roll(system: System, walk: Walk) -> Float[np.ndarray, "time walker unit"]:
    """States along every walk, the start included."""
    states = [system.starts(walk.velocities.shape[1])]
    for v in walk.velocities:
        states.append(system.step(states[-1], v))
    return np.stack(states)


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
        RateMapAccumulator(arena_m=walk.arena_m, bin_size_m=bin_size_m, units=len(system.start))
        for _ in range(2)
    )
    state = system.starts(walkers)
    diverged = 0
    waiting: list[Float[np.ndarray, "walker unit"]] = []
    half = walkers // 2
    for t, v in enumerate(walk.velocities, start=1):
        state = system.step(state, v)
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
