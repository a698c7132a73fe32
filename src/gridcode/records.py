"""The frozen records that stages hand to each other, and the one vocabulary of axis names.

Axes: `step` or `time` (network steps), `trajectory` or `walker`, `unit` (a cell), `y`, `x` (metres,
bin centres), `lag_y`, `lag_x` (metres).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """One training batch: every trajectory walks the same velocities, each in its own order, from the same place.

    Several networks that train together each have their own; their batches are stacked on a leading
    axis.

    Attributes:
        velocities: (velocity, 2) metres per step.
        orders: (trajectory, step) which velocity each trajectory takes at each step.
        positions: (step + 1, trajectory, 2) metres, starting at the origin.
    """

    velocities: Float[Tensor, "*network velocity 2"]
    orders: Int[Tensor, "*network trajectory step"]
    positions: Float[Tensor, "*network time trajectory 2"]

    def __repr__(self) -> str:
        *_, times, trajectories, _axes = self.positions.shape
        return f"Batch({self.velocities.shape[-2]} velocities, {trajectories} trajectories of {times - 1} steps, {self.positions.device})"

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on a device."""
        return Batch(self.velocities.to(device), self.orders.to(device), self.positions.to(device))


@dataclass(frozen=True)
class Walk:
    """Bounded walks through an arena.

    Attributes:
        velocities: (step, walker, 2) metres per step.
        positions: (step + 1, walker, 2) metres, starting at the origin.
        arena_m: side of the square arena, centred on the origin.
        kind: name of the walk.
    """

    velocities: Float[np.ndarray, "step walker 2"]
    positions: Float[np.ndarray, "time walker 2"]
    arena_m: float
    kind: str

    def __repr__(self) -> str:
        steps, walkers, _axes = self.velocities.shape
        return f"Walk({self.kind}: {walkers} walkers, {steps} steps, {self.arena_m:g} m arena)"
