"""Run any path-integrating system along walks: a trained network, another model, a synthetic code."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.cells.information import split_half_stability
from gridcode.analysis.cells.ratemaps import RateMapAccumulator
from gridcode.world.walks import Walk

# One step of a system: states (walker, unit) and velocities (walker, 2) in metres to the next
# states.
Step = Callable[
    [Float[np.ndarray, "walker unit"], Float[np.ndarray, "walker 2"]],
    Float[np.ndarray, "walker unit"],
]
Progress = Callable[[int], None]


def roll(
    step: Step, start: Float[np.ndarray, " unit"], walk: Walk
) -> Float[np.ndarray, "time walker unit"]:
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


def roll_rate_maps(
    step: Step,
    start: Float[np.ndarray, " unit"],
    walk: Walk,
    *,
    bin_size_m: float,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Rate maps along walks, without keeping the states.

    Arguments as in `roll`; `bin_size_m` in metres; `progress` is called with 1 after each step.

    Returns:
        As `rate_maps`, and the `stability` of each unit: the correlation of the maps of the first
        and of the second half of the walkers.
    """
    walkers = walk.velocities.shape[1]
    first = RateMapAccumulator(arena_m=walk.arena_m, bin_size_m=bin_size_m, units=len(start))
    second = RateMapAccumulator(arena_m=walk.arena_m, bin_size_m=bin_size_m, units=len(start))
    state = np.broadcast_to(start, (walkers, len(start)))
    for t, v in enumerate(walk.velocities):
        state = step(state, v)
        for maps, part in ((first, slice(0, walkers // 2)), (second, slice(walkers // 2, None))):
            maps.add(walk.positions[t + 1, part], state[part])
        if progress:
            progress(1)
    halves = [maps.dataset()["rate"].values for maps in (first, second)]
    first.merge(second)
    data = first.dataset()
    data["stability"] = ("unit", split_half_stability(*halves))
    data.attrs["walk"] = walk.kind
    return data
