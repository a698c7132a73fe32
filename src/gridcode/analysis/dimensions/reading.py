"""How far off the place is that is read from a state after a walk, in any number of dimensions."""

import numpy as np
from jaxtyping import Float
from scipy import spatial

from gridcode.analysis.system import System, roll
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError
from gridcode.world.walks import Walk

STRAIGHT_STEP = 0.7  # of the longest step, on the way to a reference place


@takes_arrays
def straight_states(
    system: System, places: Float[np.ndarray, "place axis"]
) -> Float[np.ndarray, "place unit"]:
    """States at places that were reached straight from the origin, in steps of equal length.

    Args:
        system: the system.
        places: (place, axis) metres.

    Raises:
        InputError: a place that is not finite.
    """
    if not np.isfinite(places).all():
        raise InputError("places must be finite")
    longest = float(np.linalg.norm(places, axis=1).max())
    steps = max(1, int(np.ceil(longest / (STRAIGHT_STEP * system.max_step_m))))
    velocities = np.broadcast_to(places / steps, (steps, *places.shape))
    positions = np.arange(steps + 1)[:, None, None] * places / steps
    walk = Walk(velocities, positions, arena_m=2 * longest, kind="straight to every place")
    return roll(system, walk)[-1]


def path_errors(
    system: System, walk: Walk, *, side_m: float, bins: int
) -> Float[np.ndarray, " walker"]:
    """Distance between where a walk ended and the place whose state is nearest to its last.

    Args:
        system: the system.
        walk: walks from the origin.
        side_m: side of the line, square or cube around the origin in which places are compared;
            walkers that end outside are left out.
        bins: places along each axis.

    Returns:
        (walker,) metres, of the walkers that ended inside.
    """
    axes = walk.positions.shape[2]
    middles = (np.arange(bins) + 0.5) * side_m / bins - side_m / 2
    places = np.stack(np.meshgrid(*(middles,) * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    reference = straight_states(system, places)
    inside = (np.abs(walk.positions[-1]) <= side_m / 2).all(axis=1)
    last = roll(system, walk)[-1][inside]
    known = np.isfinite(last).all(axis=1)
    nearest = spatial.distance.cdist(last[known], reference).argmin(axis=1)
    return np.linalg.norm(places[nearest] - walk.positions[-1][inside][known], axis=1)
