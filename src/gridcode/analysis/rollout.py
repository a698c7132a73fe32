"""Run any path-integrating system along walks: a trained network, another model, a synthetic code."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.ratemaps import RateMapAccumulator
from gridcode.records import Walk

# One step of a system: states (walker, unit) and velocities (walker, 2) in metres to the next states.
Step = Callable[[Float[np.ndarray, "walker unit"], Float[np.ndarray, "walker 2"]], Float[np.ndarray, "walker unit"]]
Progress = Callable[[int], None]


def roll(step: Step, start: Float[np.ndarray, " unit"], walk: Walk) -> Float[np.ndarray, "time walker unit"]:
    """States of the system along every walk, the start included.

    Args:
        step: one step of the system, vectorised over walkers.
        start: (unit,) the state at the origin.
        walk: where to go.
    """
    states = [np.broadcast_to(start, (walk.velocities.shape[1], len(start)))]
    for v in walk.velocities:
        states.append(step(states[-1], v))
    return np.stack(states)


def roll_rate_maps(step: Step, start: Float[np.ndarray, " unit"], walk: Walk, *, bin_size_m: float, progress: Progress | None = None) -> xr.Dataset:
    """Rate maps along walks, without keeping the states.

    Arguments as in `roll`; `bin_size_m` in metres; `progress` is called with 1 after each step.
    """
    maps = RateMapAccumulator(arena_m=walk.arena_m, bin_size_m=bin_size_m, units=len(start))
    state = np.broadcast_to(start, (walk.velocities.shape[1], len(start)))
    for t, v in enumerate(walk.velocities):
        state = step(state, v)
        maps.add(walk.positions[t + 1], state)
        if progress:
            progress(1)
    data = maps.dataset()
    data.attrs["walk"] = walk.kind
    return data
