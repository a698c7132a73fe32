"""The recurrence g_t = Norm(ReLU(W(v_t) g_(t-1))): as a plain loop, and fast for training batches.

In a training batch all trajectories share T velocities, so there are T matrices, not B x T. The
fast rollout sorts the states of each step by the velocity they take next and applies all matrices
in one batched product; states move, matrices never do.

Products and ReLU commute with positive factors, so the norm need not be taken at every step: the
rollout carries states of any length and divides all of them at the end. For the same reason the
gradient of a later state has no component along an earlier one: it is enough to project each
state's own gradient, once, before going back through time, which then needs only products with W^T;
the gradient of all matrices is one batched product at the end.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.models.grouping import GroupPlan, plan_groups

# A state without a positive entry stays zero: zero is not divided by zero.
SMALLEST_NORM = 1e-30
# Steps between divisions by the length: few enough that states neither overflow nor vanish.
RESCALE_EVERY = 4
# The grouped rollout pads groups to equal size; past this many slots per trajectory padding costs
# more than it saves.
MOST_PADDING = 6
# Bytes of matrices multiplied in one call: half of a second-level cache of 2 MB.
PART_BYTES = 1_000_000
# Bytes of gradients projected in one call: the fewest calls with rows that stay in a cache.
PROJECTED_BYTES = 250_000


def norm_relu(
    h: Float[Tensor, "*batch units"], *, norm: bool = True
) -> Float[Tensor, "*batch units"]:
    """Norm(ReLU(h)), on the positive part of the unit sphere.

    Args:
        h: input currents; without a positive entry the state is zero.
        norm: False leaves out the division (ablation).
    """
    rectified = h.relu()
    if not norm:
        return rectified
    return rectified / torch.linalg.vector_norm(rectified, dim=-1, keepdim=True).clamp_min(
        SMALLEST_NORM
    )


def rollout_reference(
    transition: Callable[[Tensor], Tensor],
    start: Float[Tensor, " units"],
    velocities: Float[Tensor, "trajectory step axis"],
    *,
    norm: bool = True,
) -> Float[Tensor, "time trajectory units"]:
    """The recurrence as it is defined, for any velocities, differentiated by autograd.

    Args:
        transition: velocities (trajectory, axis) in metres per step to matrices (trajectory, units,
            units).
        start: the state g_0, shared by all trajectories.
        velocities: (trajectory, step, axis).
        norm: as in `norm_relu`.

    Returns:
        (step + 1, trajectory, units) states, the start included.
    """
    states = [start.expand(len(velocities), -1)]
    for v in velocities.unbind(dim=1):
        states.append(norm_relu(torch.einsum("bij,bj->bi", transition(v), states[-1]), norm=norm))
    return torch.stack(states)


def _parts(matrices: Float[Tensor, "velocity units units"]) -> list[slice]:
    """Groups of matrices to multiply at once.

    Steps go through the groups there and back: the matrices used last in one step are used first in
    the next, while they are still in the second-level cache. All in one call, each step would read
    all of them from further away.
    """
    velocities = len(matrices)
    parts = min(velocities, round(matrices.numel() * matrices.element_size() / PART_BYTES) or 1)
    bounds = [velocities * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def _projected(
    gradient: Float[Tensor, "state units"],
    rows: Int[Tensor, " slot"],
    outputs: Float[Tensor, "slot units"],
    length: Float[Tensor, "slot 1"] | None,
) -> Float[Tensor, "slot units"]:
    """Gradients of states, sorted into slots, as gradients of their outputs before the norm."""
    d = gradient.index_select(0, rows)
    if length is None:
        return d
    # Only the component orthogonal to the state passes the norm.
    along = torch.linalg.vecdot(d, outputs).unsqueeze_(1).div_(length).div_(length)
    return d.addcmul_(outputs, along, value=-1).div_(length)


class _GroupedRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor, start: Tensor, plan: GroupPlan, norm: bool) -> Tensor:
        velocities, units, _ = matrices.shape
        steps, trajectories = plan.slot.shape
        # Outputs of every step, the start first: inputs of step t are rows of outputs[t].
        outputs = matrices.new_empty(steps + 1, plan.slots, units)
        outputs[0] = start
        rescaled = matrices.new_empty(steps // RESCALE_EVERY, plan.slots, 1)
        # One step's inputs, sorted by velocity; reused, so that it stays in the cache.
        inputs = matrices.new_empty(plan.slots, units)
        group_input = inputs.view(velocities, plan.size, units)
        group_output = outputs[1:].view(steps, velocities, plan.size, units)
        # Views are made once: in the loop they would take as long as the arithmetic.
        each_output, sources, forward = (
            outputs[1:].unbind(),
            outputs[:-1].unbind(),
            plan.forward.unbind(),
        )
        transposed = matrices.transpose(1, 2)
        there = [
            (group_input[part], transposed[part], group_output[:, part].unbind())
            for part in _parts(matrices)
        ]
        there_and_back = (there, there[::-1])
        for t in range(steps):
            torch.index_select(sources[t], 0, forward[t], out=inputs)
            for g_in, w, h in there_and_back[t % 2]:
                torch.bmm(g_in, w, out=h[t])
            each_output[t].relu_()
            if norm and (t + 1) % RESCALE_EVERY == 0:
                torch.linalg.vector_norm(
                    each_output[t], dim=1, keepdim=True, out=rescaled[t // RESCALE_EVERY]
                )
                each_output[t].div_(rescaled[t // RESCALE_EVERY].clamp_min_(SMALLEST_NORM))
        states = matrices.new_empty(steps + 1, trajectories, units)
        states[0] = start
        g = states[1:].view(-1, units)
        rows = plan.rows(plan.slot, plan.slots)
        torch.index_select(outputs[1:].view(-1, units), 0, rows, out=g)
        length = None
        if norm:
            length = torch.linalg.vector_norm(outputs[1:], dim=2, keepdim=True).clamp_min_(
                SMALLEST_NORM
            )
            g.div_(length.view(-1, 1).index_select(0, rows))
        ctx.save_for_backward(matrices, outputs, rescaled, length)
        ctx.plan = plan
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (d_states,) = gradients
        matrices, outputs, rescaled, length = ctx.saved_tensors
        plan: GroupPlan = ctx.plan
        velocities, units, _ = matrices.shape
        steps = len(plan.slot)
        # Sorted by velocity first, as needed by the product for the matrices' gradient.
        d_currents = outputs.new_empty(velocities, steps, plan.size, units)
        # Gradients of a step's inputs, with a last row of zeros that empty slots read from.
        d_inputs = outputs.new_zeros(plan.slots + 1, units)
        grouped = (velocities, plan.size, units)
        group_input, group_current = d_inputs[:-1].view(grouped), d_currents.unbind(1)
        there = [
            (d_currents[part].unbind(1), matrices[part], group_input[part])
            for part in _parts(matrices)
        ]
        there_and_back = (there, there[::-1])
        u, back = outputs[1:].view(steps, *grouped).unbind(), plan.backward.unbind()
        rows = plan.rows(plan.occupant, plan.slot.shape[1])
        most = max(1, PROJECTED_BYTES // (outputs[0].numel() * outputs.element_size()))
        for stop in range(steps, 0, -most):
            first = max(0, stop - most)
            own = _projected(
                d_states[1:].flatten(0, 1),
                rows[first * plan.slots : stop * plan.slots],
                outputs[first + 1 : stop + 1].flatten(0, 1),
                None if length is None else length[first:stop].flatten(0, 1),
            ).view(stop - first, plan.slots, units)
            if plan.filled is not None:
                own.mul_(plan.filled[first:stop])
            each, each_grouped = own.unbind(), own.view(-1, *grouped).unbind()
            for t in range(stop - 1, first - 1, -1):
                d = each[t - first]
                if t < steps - 1:
                    d.add_(d_inputs.index_select(0, back[t]))
                if length is not None and (t + 1) % RESCALE_EVERY == 0:
                    d.div_(rescaled[t // RESCALE_EVERY])
                torch.ops.aten.threshold_backward.grad_input(
                    each_grouped[t - first], u[t], 0, grad_input=group_current[t]
                )
                for dh, w, d_in in there_and_back[t % 2]:
                    torch.bmm(dh[t], w, out=d_in)
        d_start = d_states[0].sum(dim=0) + d_inputs.sum(dim=0)
        # A step's inputs are the outputs of the step before, rearranged.
        rows = (
            plan.rows(plan.forward, plan.slots)
            .view(steps, velocities, plan.size)
            .transpose(0, 1)
            .flatten()
        )
        inputs = outputs.view(-1, units).index_select(0, rows)
        by_velocity = (velocities, steps * plan.size, units)
        d_matrices = torch.bmm(
            d_currents.view(by_velocity).transpose(1, 2), inputs.view(by_velocity)
        )
        return d_matrices, d_start, None, None


def rollout(
    matrices: Float[Tensor, "velocity units units"],
    start: Float[Tensor, " units"],
    orders: Int[Tensor, "trajectory step"],
    *,
    norm: bool = True,
) -> Float[Tensor, "time trajectory units"]:
    """The recurrence over a training batch; fast where all trajectories share a few velocities.

    Args:
        matrices: (velocity, units, units) W of each velocity of the batch.
        start: (units,) the state g_0.
        orders: (trajectory, step) which velocity each trajectory takes, in any order.
        norm: as in `norm_relu`.

    Returns:
        (step + 1, trajectory, units) states, the start included; equal to `rollout_reference`,
        gradients included.
    """
    if len(matrices) == orders.shape[1]:
        plan = plan_groups(orders, matrices.dtype)
        if plan.slots <= MOST_PADDING * len(orders):
            states: Tensor = _GroupedRollout.apply(matrices, start, plan, norm)
            return states
    # Other numbers of velocities, or orders as uneven as in the identity ablation, where all
    # trajectories take one velocity at once.
    states_list = [start.expand(len(orders), -1)]
    for t in range(orders.shape[1]):
        taken, which = orders[:, t].unique(return_inverse=True)
        h = (
            states_list[-1] @ matrices[taken[0]].T
            if len(taken) == 1
            else torch.einsum("bij,bj->bi", matrices[taken][which], states_list[-1])
        )
        states_list.append(norm_relu(h, norm=norm))
    return torch.stack(states_list)
