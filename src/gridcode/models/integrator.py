"""The recurrence g_t = Norm(ReLU(W(v_t) g_(t-1))): as a plain loop, and fast for training batches.

In a training batch all trajectories share T velocities, so there are T matrices, not B x T. The fast rollout sorts the
states of each step by the velocity they take next and applies all matrices in one batched product; states move,
matrices never do.

Products and ReLU commute with positive factors, so the norm need not be taken at every step: the rollout carries
states of any length and divides all of them at the end. For the same reason the gradient of a later state has no
component along an earlier one: it is enough to project each state's own gradient, once, before going back through time,
which then needs only products with W^T; the gradient of all matrices is one batched product at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

# Keeps a state without any positive entry at zero instead of dividing zero by zero.
SMALLEST_NORM = 1e-30
# Steps between divisions by the length, so that no gain of the matrices overflows or vanishes in between.
RESCALE_EVERY = 4
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
        slots: slots of a step.
        slot: (step, trajectory) the slot in which a trajectory's step is computed.
        forward: (step - 1, slot) from which slot of the step before the state in a slot comes.
        backward: (step - 1, slot) to which slot of the next step it goes; `slots`, one past the last, for empty slots.
    """

    size: int
    slots: int
    slot: Int[Tensor, "step trajectory"]
    forward: Int[Tensor, "_ slot"]
    backward: Int[Tensor, "_ slot"]

    def rows(self, slot: Int[Tensor, "_ trajectory"], stride: int) -> Int[Tensor, " row"]:
        """Slots of several steps as rows of one array that holds `stride` rows for each step."""
        return (slot + stride * torch.arange(len(slot), device=slot.device).unsqueeze(1)).flatten()


def plan_groups(orders: Int[Tensor, "trajectory step"]) -> GroupPlan:
    """Sort the states of every step by velocity."""
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
    # Empty slots compute what nobody reads: they take trajectory 0's state and pass no gradient on.
    occupant = torch.zeros(steps, slots, dtype=torch.int64, device=orders.device).scatter_(1, sorted_slot, trajectory)
    backward = torch.full((steps - 1, slots), slots, dtype=torch.int64, device=orders.device)
    return GroupPlan(
        size=size,
        slots=slots,
        slot=slot,
        forward=slot[:-1].gather(1, occupant[1:]),
        backward=backward.scatter_(1, slot[:-1], slot[1:]),
    )


class _GroupedRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor, start: Tensor, plan: GroupPlan, norm: bool) -> Tensor:
        velocities, units, _ = matrices.shape
        steps, trajectories = plan.slot.shape
        inputs = matrices.new_empty(steps, plan.slots, units)
        outputs = matrices.new_empty(steps, plan.slots, units)
        rescaled = matrices.new_empty(steps // RESCALE_EVERY, plan.slots, 1)
        # Views made once: in the loop they would cost as much as the arithmetic.
        grouped = (steps, velocities, plan.size, units)
        each_input, each_output = inputs.unbind(), outputs.unbind()
        group_input, group_output = inputs.view(grouped).unbind(), outputs.view(grouped).unbind()
        forward = plan.forward.unbind()
        transposed = matrices.transpose(1, 2)
        inputs[0] = start
        for t in range(steps):
            if t:
                torch.index_select(each_output[t - 1], 0, forward[t - 1], out=each_input[t])
            torch.bmm(group_input[t], transposed, out=group_output[t])
            each_output[t].relu_()
            if norm and (t + 1) % RESCALE_EVERY == 0:
                torch.linalg.vector_norm(each_output[t], dim=1, keepdim=True, out=rescaled[t // RESCALE_EVERY])
                each_output[t].div_(rescaled[t // RESCALE_EVERY].clamp_min_(SMALLEST_NORM))
        states = matrices.new_empty(steps + 1, trajectories, units)
        states[0] = start
        g = states[1:].view(-1, units)
        torch.index_select(outputs.view(-1, units), 0, plan.rows(plan.slot, plan.slots), out=g)
        length = torch.linalg.vector_norm(g, dim=1, keepdim=True).clamp_min_(SMALLEST_NORM) if norm else None
        if length is not None:
            g.div_(length)
        ctx.save_for_backward(matrices, inputs, outputs, rescaled, states, length)
        ctx.plan = plan
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (d_states,) = gradients
        matrices, inputs, outputs, rescaled, states, length = ctx.saved_tensors
        plan: GroupPlan = ctx.plan
        velocities, units, _ = matrices.shape
        steps, _ = plan.slot.shape
        own = d_states[1:].reshape(-1, units)
        if length is not None:
            # The norm passes only what is orthogonal to the state.
            g = states[1:].view(-1, units)
            own = torch.addcmul(own, g, (own * g).sum(dim=1, keepdim=True), value=-1).div_(length)
        # Each state's own gradient in the slot where the state was computed, zero in empty slots.
        filled = plan.slots == plan.slot.shape[1]
        d_outputs = own.new_empty(steps, plan.slots, units) if filled else own.new_zeros(steps, plan.slots, units)
        d_outputs.view(-1, units).index_copy_(0, plan.rows(plan.slot, plan.slots), own)
        d_currents = torch.empty_like(outputs)
        # What comes back through a step, with a last row of zeros that empty slots read from.
        d_inputs = own.new_zeros(plan.slots + 1, units)
        grouped = (velocities, plan.size, units)
        group_input = d_inputs[:-1].view(grouped)
        group_currents = d_currents.view(steps, *grouped).unbind()
        d_each, each_current, u, back = d_outputs.unbind(), d_currents.unbind(), outputs.unbind(), plan.backward.unbind()
        for t in range(steps - 1, -1, -1):
            if t < steps - 1:
                d_each[t].add_(d_inputs.index_select(0, back[t]))
            torch.ops.aten.threshold_backward.grad_input(d_each[t], u[t], 0, grad_input=each_current[t])
            if length is not None and (t + 1) % RESCALE_EVERY == 0:
                each_current[t].div_(rescaled[t // RESCALE_EVERY])
            torch.bmm(group_currents[t], matrices, out=group_input)
        d_start = d_states[0].sum(dim=0) + d_inputs.sum(dim=0)

        def by_velocity(a: Tensor) -> Tensor:
            return a.view(steps, *grouped).transpose(0, 1).reshape(velocities, steps * plan.size, units)

        d_matrices = torch.bmm(by_velocity(d_currents).transpose(1, 2), by_velocity(inputs))
        return d_matrices, d_start, None, None


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
    plan = plan_groups(orders)
    if plan.slots <= MOST_PADDING * len(orders):
        states: Tensor = _GroupedRollout.apply(matrices, start, plan, norm)
        return states
    # Orders as uneven as the identity ablation's, where one velocity serves all trajectories at once.
    states_list = [start.expand(len(orders), -1)]
    for t in range(orders.shape[1]):
        taken, which = orders[:, t].unique(return_inverse=True)
        h = states_list[-1] @ matrices[taken[0]].T if len(taken) == 1 else torch.einsum("bij,bj->bi", matrices[taken][which], states_list[-1])
        states_list.append(norm_relu(h, norm=norm))
    return torch.stack(states_list)
