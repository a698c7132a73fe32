"""The recurrence g_t = Norm(ReLU(W(v_t) g_(t-1))): as a plain loop, and fast for training batches.

In a training batch all trajectories share T velocities, so there are T matrices, not B x T. The fast rollout sorts the
states of each step by the velocity they take next and applies all matrices in one batched product; states move,
matrices never do. Its backward pass is written out: through time only products with W^T are needed, and the gradient of
all matrices is one batched product at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

# Below this length a state counts as zero: it is left at zero instead of being divided by its norm.
SMALLEST_NORM = 1e-8
# The grouped rollout pads groups to equal size; past this many slots per trajectory padding costs more than it saves.
MOST_PADDING = 6


def norm_relu(h: Float[Tensor, "*batch units"], *, norm: bool = True) -> Float[Tensor, "*batch units"]:
    """Norm(ReLU(h)): on the positive part of the unit sphere. A state without a positive entry stays zero.

    Args:
        h: input currents.
        norm: False leaves out the division (ablation).
    """
    rectified = h.relu()
    if not norm:
        return rectified
    return rectified / torch.linalg.vector_norm(rectified, dim=-1, keepdim=True).clamp_min(SMALLEST_NORM)


def rollout_reference(
    transition: Callable[[Tensor], Tensor],
    start: Float[Tensor, " units"],
    velocities: Float[Tensor, "trajectory step 2"],
    *,
    norm: bool = True,
) -> Float[Tensor, "time trajectory units"]:
    """The recurrence as it is written, for any velocities; autograd does the rest.

    Args:
        transition: velocities (trajectory, 2) in metres per step to matrices (trajectory, units, units).
        start: the state g_0, shared by all trajectories.
        velocities: (trajectory, step, 2).
        norm: as in `norm_relu`.

    Returns:
        (step + 1, trajectory, units) states, the start included.
    """
    states = [start.expand(len(velocities), -1)]
    for v in velocities.unbind(dim=1):
        states.append(norm_relu(torch.einsum("bij,bj->bi", transition(v), states[-1]), norm=norm))
    return torch.stack(states)


@dataclass(frozen=True)
class GroupPlan:
    """Where each state sits when states are sorted by the velocity they take, for every step.

    A step has `velocities * size` slots: `size` for each velocity, as many as it is ever taken at one step. Latin orders
    fill every slot; other orders leave some empty.

    Attributes:
        size: slots for each velocity.
        slot: (step, trajectory) the slot in which a trajectory's step is computed.
        occupied: (step, slot, 1) 1 where a trajectory sits, 0 where the slot is empty.
        forward: (step - 1, slot) from which slot of the step before the state in a slot comes.
        backward: (step - 1, slot) to which slot of the next step it goes.
    """

    size: int
    slot: Int[Tensor, "step trajectory"]
    occupied: Float[Tensor, "step slot 1"]
    forward: Int[Tensor, "_ slot"]
    backward: Int[Tensor, "_ slot"]


def plan_groups(orders: Int[Tensor, "trajectory step"], *, dtype: torch.dtype = torch.float32) -> GroupPlan:
    """Sort the states of every step by velocity."""
    trajectories, steps = orders.shape
    velocity, trajectory = orders.T.sort(dim=1, stable=True)
    count = torch.zeros(steps, steps, dtype=torch.int64, device=orders.device)
    count.scatter_add_(1, velocity, torch.ones_like(velocity))
    size = int(count.max())
    first = count.cumsum(dim=1) - count
    rank = torch.arange(trajectories, device=orders.device) - first.gather(1, velocity)
    sorted_slot = velocity * size + rank
    slot = torch.empty_like(sorted_slot).scatter_(1, trajectory, sorted_slot)
    # Empty slots point at trajectory 0: they compute what nobody reads.
    occupant = torch.zeros(steps, steps * size, dtype=torch.int64, device=orders.device).scatter_(1, sorted_slot, trajectory)
    occupied = torch.zeros(steps, steps * size, dtype=dtype, device=orders.device).scatter_(1, sorted_slot, 1.0)
    return GroupPlan(
        size=size,
        slot=slot,
        occupied=occupied.unsqueeze(-1),
        forward=slot[:-1].gather(1, occupant[1:]),
        backward=slot[1:].gather(1, occupant[:-1]),
    )


class _GroupedRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor, start: Tensor, plan: GroupPlan, norm: bool) -> Tensor:
        velocities, units, _ = matrices.shape
        steps, slots, _ = plan.occupied.shape
        grouped = (velocities, plan.size, units)
        inputs = matrices.new_empty(steps, slots, units)
        outputs = matrices.new_empty(steps, slots, units)
        scale = torch.empty_like(plan.occupied)
        transposed = matrices.transpose(1, 2)
        inputs[0] = start
        for t in range(steps):
            if t:
                torch.index_select(outputs[t - 1], 0, plan.forward[t - 1], out=inputs[t])
            h = torch.bmm(inputs[t].view(grouped), transposed, out=outputs[t].view(grouped)).view(slots, units).relu_()
            if norm:
                torch.linalg.vector_norm(h, dim=1, keepdim=True, out=scale[t])
                # Empty slots get scale 0: nothing flows into them or out of them.
                torch.div(plan.occupied[t], scale[t].clamp_min_(SMALLEST_NORM), out=scale[t])
                h.mul_(scale[t])
            else:
                scale[t] = plan.occupied[t]
        ctx.save_for_backward(matrices, inputs, outputs, scale)
        ctx.plan, ctx.norm = plan, norm
        return _to_trajectories(outputs, start, plan)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (d_states,) = gradients
        matrices, inputs, outputs, scale = ctx.saved_tensors
        plan: GroupPlan = ctx.plan
        velocities, units, _ = matrices.shape
        steps, slots, _ = plan.occupied.shape
        grouped = (velocities, plan.size, units)
        # Gradients of the outputs, in slots; the inputs' part is added on the way back through time.
        d_outputs = _to_slots(d_states[1:], plan)
        d_currents = torch.empty_like(outputs)
        d_input = matrices.new_empty(slots, units)
        for t in range(steps - 1, -1, -1):
            g, d = outputs[t], d_outputs[t]
            if t < steps - 1:
                d += d_input[plan.backward[t]]
            if ctx.norm:
                # Norm only passes what is orthogonal to the state.
                d = torch.addcmul(d, g, (d * g).sum(dim=1, keepdim=True), value=-1)
            e = torch.mul(torch.ops.aten.threshold_backward(d, g, 0), scale[t], out=d_currents[t])
            torch.bmm(e.view(grouped), matrices, out=d_input.view(grouped))
        d_start = d_states[0].sum(dim=0) + (d_input * plan.occupied[0]).sum(dim=0)

        def by_velocity(a: Tensor) -> Tensor:
            return a.view(steps, *grouped).transpose(0, 1).reshape(velocities, steps * plan.size, units)

        d_matrices = torch.bmm(by_velocity(d_currents).transpose(1, 2), by_velocity(inputs))
        return d_matrices, d_start, None, None


def _to_trajectories(outputs: Tensor, start: Tensor, plan: GroupPlan) -> Tensor:
    steps, slots, units = outputs.shape
    trajectories = plan.slot.shape[1]
    states = outputs.new_empty(steps + 1, trajectories, units)
    states[0] = start
    index = (plan.slot + slots * torch.arange(steps, device=plan.slot.device).unsqueeze(1)).flatten()
    torch.index_select(outputs.view(-1, units), 0, index, out=states[1:].view(-1, units))
    return states


def _to_slots(d_states: Tensor, plan: GroupPlan) -> Tensor:
    steps, slots, _ = plan.occupied.shape
    units = d_states.shape[-1]
    index = (plan.slot + slots * torch.arange(steps, device=plan.slot.device).unsqueeze(1)).flatten()
    filled = slots == plan.slot.shape[1]
    d_outputs = d_states.new_empty(steps * slots, units) if filled else d_states.new_zeros(steps * slots, units)
    d_outputs.index_copy_(0, index, d_states.reshape(-1, units))
    return d_outputs.view(steps, slots, units)


def rollout(
    matrices: Float[Tensor, "velocity units units"],
    start: Float[Tensor, " units"],
    orders: Int[Tensor, "trajectory step"],
    *,
    norm: bool = True,
) -> Float[Tensor, "time trajectory units"]:
    """The recurrence over a training batch whose trajectories share their velocities.

    Args:
        matrices: (velocity, units, units) W of each velocity of the batch.
        start: (units,) the state g_0.
        orders: (trajectory, step) which velocity each trajectory takes; as many steps as velocities, any orders.
        norm: as in `norm_relu`.

    Returns:
        (step + 1, trajectory, units) states, the start included; equal to `rollout_reference`, gradients included.
    """
    plan = plan_groups(orders, dtype=matrices.dtype)
    if plan.occupied.shape[1] <= MOST_PADDING * len(orders):
        states: Tensor = _GroupedRollout.apply(matrices, start, plan, norm)
        return states
    # Orders as uneven as the identity ablation's, where one velocity serves all trajectories at once.
    states_list = [start.expand(len(orders), -1)]
    for t in range(orders.shape[1]):
        taken, which = orders[:, t].unique(return_inverse=True)
        h = states_list[-1] @ matrices[taken[0]].T if len(taken) == 1 else torch.einsum("bij,bj->bi", matrices[taken][which], states_list[-1])
        states_list.append(norm_relu(h, norm=norm))
    return torch.stack(states_list)
