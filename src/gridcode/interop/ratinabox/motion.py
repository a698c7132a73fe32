"""The motion of RatInABox agents as training batches and as walks for evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from gridcode.errors import InputError
from gridcode.world.permutations import Batch, draw_orders, positions_of
from gridcode.world.streams import UniformSource
from gridcode.world.walks import Walk


def agent_displacements(
    agents: Sequence[Any], *, max_step_m: float, gain: float = 1.0
) -> Float[np.ndarray, "step agent 2"]:
    """Displacements of agents in equal times, the longest for which none exceeds `max_step_m`.

    Args:
        agents: agents of one environment with histories of the same length.
        max_step_m: longest displacement, metres of the network; its longest step.
        gain: metres of the network for each metre of the agents.

    Raises:
        InputError: histories that are missing, not of two dimensions or differ in length; or an
            agent that is faster than `max_step_m` in a single update.
    """
    paths = [np.asarray(agent.history["pos"], dtype=np.float64) for agent in agents]
    if not paths or len({path.shape for path in paths}) > 1 or paths[0].ndim != 2:
        raise InputError("agents must have histories of positions, all of the same length")
    path = gain * np.stack(paths, axis=1)
    if len(path) < 2 or path.shape[2] != 2 or not np.isfinite(path).all():
        raise InputError("positions must be two or more of (x, y), without gaps")
    found = None
    for every in range(1, len(path)):
        steps = np.diff(path[::every], axis=0)
        if np.linalg.norm(steps, axis=2).max() > max_step_m:
            break
        found = steps
    if found is None:
        raise InputError(
            f"an agent moves more than {max_step_m:g} m in one update: give it a shorter dt"
        )
    return found


def agent_walk(agents: Sequence[Any], *, max_step_m: float, gain: float = 1.0) -> Walk:
    """The paths of agents, to evaluate a network along them.

    The origin is the middle of the environment. Each walker first goes straight from there to where
    its agent started.

    Args:
        agents: as in `agent_displacements`, as are the other arguments and the errors.
        max_step_m: longest step.
        gain: metres of the network for each metre of the agents.
    """
    steps = agent_displacements(agents, max_step_m=max_step_m, gain=gain)
    left, right, bottom, top = np.asarray(agents[0].Environment.extent, dtype=np.float64)
    middle = np.array([left + right, bottom + top]) / 2
    starts = gain * (np.stack([np.asarray(a.history["pos"][0]) for a in agents]) - middle)
    before = max(1, int(np.ceil(np.linalg.norm(starts, axis=1).max() / max_step_m)))
    velocities = np.concatenate([np.broadcast_to(starts / before, (before, *starts.shape)), steps])
    positions = np.concatenate([np.zeros((1, *starts.shape)), velocities.cumsum(axis=0)])
    arena_m = gain * max(right - left, top - bottom)
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="agent")


class AgentBatches:
    """Training batches of an agent's motion, for `gridcode.train(..., batches=...)`.

    The velocities of a batch are successive displacements of the agent from a random time on; the
    trajectories take them in shuffled orders, as in the built-in batches. A run is resumed exactly
    if it gets the same displacements again.

    Args:
        displacements_m: (step, 2) metres, one after the other: `agent_displacements(...)[:, 0]`.
        steps: T, of each trajectory.
        trajectories: B, a multiple of T.

    Raises:
        InputError: fewer displacements than steps, or of another shape.

    Source: the orders are those of `gridcode.world.permutations`.
    """

    def __init__(
        self,
        displacements_m: Float[np.ndarray, "displacement 2"],
        *,
        steps: int = 40,
        trajectories: int = 80,
    ) -> None:
        if displacements_m.ndim != 2 or displacements_m.shape[1] != 2:
            raise InputError(f"displacements must be (step, 2), not {displacements_m.shape}")
        if not 0 < steps <= len(displacements_m):
            raise InputError(
                f"steps must be 1 to {len(displacements_m)}, the number of displacements, "
                f"not {steps}"
            )
        self._displacements = torch.tensor(displacements_m, dtype=torch.float32)
        self._steps, self._trajectories = steps, trajectories

    def __call__(self, _step: int, generator: UniformSource) -> Batch:
        """The batch of a step (`gridcode.training.parts.Batches`)."""
        starts = len(self._displacements) - self._steps + 1
        first = int(generator.uniform(1) * starts)
        velocities = self._displacements[first : first + self._steps]
        orders = draw_orders(self._trajectories, self._steps, generator=generator)
        return Batch(velocities, orders, positions_of(velocities, orders))
