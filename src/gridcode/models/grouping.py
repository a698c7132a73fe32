"""The states of every step sorted by the velocity that they take."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class GroupPlan:
    """The slot of each state when the states of a step are sorted by the velocity they take.

    A step has `velocities * size` slots; `size` is the largest number of trajectories that take one
    velocity at one step. Latin orders fill every slot; other orders leave some empty.

    Attributes:
        size: slots for each velocity.
        slots: slots of a step.
        slot: (step, trajectory) the slot in which a trajectory's step is computed.
        forward: (step, slot) the slot of the step before from which a state comes; any slot at the
            first step.
        backward: (step - 1, slot) the slot of the next step to which it goes; `slots`, one past the
            last, for empty slots.
        occupant: (step, slot) the trajectory in a slot; any trajectory in empty slots.
        filled: (step, slot, 1) 1 where there is one, 0 in empty slots; None where all are filled.
    """

    size: int
    slots: int
    slot: Int[Tensor, "step trajectory"]
    forward: Int[Tensor, "step slot"]
    backward: Int[Tensor, "_ slot"]
    occupant: Int[Tensor, "step slot"]
    filled: Float[Tensor, "step slot 1"] | None

    def rows(self, slot: Int[Tensor, "_ trajectory"], stride: int) -> Int[Tensor, " row"]:
        """Slots of several steps as rows of one array that holds `stride` rows for each step."""
        return (slot + stride * torch.arange(len(slot), device=slot.device).unsqueeze(1)).flatten()


def plan_groups(
    orders: Int[Tensor, "trajectory step"], dtype: torch.dtype = torch.float32
) -> GroupPlan:
    """Sort the states, of a floating-point type, of every step by velocity."""
    trajectories, steps = orders.shape
    velocity, trajectory = orders.T.sort(dim=1, stable=True)
    count = torch.zeros(steps, steps, dtype=torch.int64, device=orders.device)
    count.scatter_add_(1, velocity, torch.ones_like(velocity))
    size = int(count.max())
    slots = steps * size
    first = count.cumsum(dim=1) - count
    rank = torch.arange(trajectories, device=orders.device) - first.gather(1, velocity)
    sorted_slot = velocity * size + rank
    slot = torch.empty_like(sorted_slot).scatter_(1, trajectory, sorted_slot)
    # Results of empty slots are never read: they take trajectory 0's state and pass no gradient on.
    occupant = torch.zeros(steps, slots, dtype=torch.int64, device=orders.device).scatter_(
        1, sorted_slot, trajectory
    )
    backward = torch.full((steps - 1, slots), slots, dtype=torch.int64, device=orders.device)
    filled = None
    if slots != trajectories:
        filled = torch.zeros(steps, slots, 1, dtype=dtype, device=orders.device).scatter_(
            1, sorted_slot.unsqueeze(2), 1.0
        )
    return GroupPlan(
        size=size,
        slots=slots,
        slot=slot,
        forward=torch.cat([slot[:1], slot[:-1]]).gather(1, occupant),
        backward=backward.scatter_(1, slot[:-1], slot[1:]),
        occupant=occupant,
        filled=filled,
    )
