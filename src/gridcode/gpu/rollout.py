"""The recurrence g_t = Norm(ReLU(W(v_t) g_(t-1))) of many networks in one kernel launch.

One program follows one trajectory of one network through all its steps. Up to 128 units the state
stays in registers, with more it goes through the memory of the result; the matrices of a batch (T
N^2 numbers, 4 MB at N = 128 and T = 60) are read from the second-level cache, where all
trajectories of a network share them. Backward is the same walk in reverse, with

    dh_t = [g_t > 0] (dg_t - g_t (g_t . dg_t)) / |ReLU(h_t)|,      dg_(t-1) += W_t^T dh_t,

after which the gradient of all matrices is one batched product: every velocity is taken exactly
once by every trajectory, so the kernel writes dh and the step's input to row (velocity, trajectory)
and dW[v] = dh[v]^T input[v].

A product is computed from tiles of at most TILE elements of W. Each tile is loaded while the one
before it is used, also across steps: the next matrix is known in advance, only the state is not.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.errors import InputError
from gridcode.gpu import unsupported_reason
from gridcode.models.recurrence import SMALLEST_NORM

# Elements of W that a program holds at a time: 64 KB, as much again in flight, of 256 KB of
# registers.
TILE = 16384
# Consecutive columns of W that a group of eight threads reads: one line of the cache.
LINE = 32


# `no_type_check`: the tests' import hook wraps functions in a type checker; Triton needs bare ones.
# Loops over steps do not use `tl.range(num_stages=...)`: pipelining would fetch a state before it
# is written.


@triton.jit(do_not_specialize=["steps", "trajectories"])
@no_type_check
def _forward(
    matrices,
    start,
    orders,
    states,
    lengths,
    steps,
    trajectories,
    units: tl.constexpr,
    padded: tl.constexpr,
    width: tl.constexpr,
    line: tl.constexpr,
    norm: tl.constexpr,
    smallest: tl.constexpr,
):
    # Offsets between networks, steps and matrices are 64-bit: matrices of many networks exceed 2^31
    # elements.
    trajectory = tl.program_id(0).to(tl.int64)
    network = tl.program_id(1).to(tl.int64)
    matrices += network * steps * units * units
    orders += (network * trajectories + trajectory) * steps
    states += (network * (steps + 1) * trajectories + trajectory) * units
    lengths += network * steps * trajectories + trajectory
    rows = tl.arange(0, padded)
    # A tile holds `width` columns of all rows as (column // line, row, column % line): threads lie
    # along rows and within lines, so that most of the sum over columns happens inside a thread.
    columns = tl.arange(0, width // line)[:, None, None] * line + tl.arange(0, line)[None, None, :]
    element = rows[None, :, None] * units + columns
    inside = rows[None, :, None] < units
    g = tl.load(start + network * units + rows, mask=rows < units, other=0.0)
    tl.store(states + rows, g, mask=rows < units)
    matrix = tl.load(orders) * (units * units)
    tile = tl.load(matrices + matrix + element, mask=inside & (columns < units), other=0.0)
    for t in range(steps):
        # The last step loads its own matrix once more, unused.
        following = tl.load(orders + tl.minimum(t + 1, steps - 1)) * (units * units)
        if width < padded:
            # From here on every thread sees the state written by all threads of the program.
            tl.debug_barrier()
        h = tl.zeros((padded,), dtype=tl.float32)
        for first in range(0, padded, width):
            last = first + width >= padded
            after = tl.where(last, 0, first + width)
            source = tl.where(last, following, matrix) + after
            coming = tl.load(
                matrices + source + element, mask=inside & (columns < units - after), other=0.0
            )
            if width < padded:
                part = tl.load(states + first + columns, mask=columns < units - first, other=0.0)
            else:
                part = tl.reshape(g, (width // line, 1, line))
            h += tl.sum(tl.sum(tile * part, axis=0), axis=1)
            tile = coming
        # In this form a NaN stays NaN.
        g = tl.where(h < 0.0, 0.0, h)
        if norm:
            length = tl.sqrt(tl.sum(g * g, axis=0))
            length = tl.where(length < smallest, smallest, length)
            g = g / length
            tl.store(lengths, length)
            lengths += trajectories
        states += trajectories * units
        tl.store(states + rows, g, mask=rows < units)
        matrix = following


@triton.jit
@no_type_check
def _to_currents(d, g, length, norm: tl.constexpr):
    """The gradient of a state as that of its input currents; zero where the unit is silent."""
    if norm:
        # Only the component orthogonal to the state passes the norm.
        d = (d - g * tl.sum(d * g, axis=0)) / length
    return tl.where(g <= 0.0, 0.0, d)


@triton.jit(do_not_specialize=["steps", "trajectories"])
@no_type_check
def _backward(
    matrices,
    orders,
    states,
    lengths,
    d_states,
    d_currents,
    inputs,
    d_start,
    steps,
    trajectories,
    units: tl.constexpr,
    padded: tl.constexpr,
    height: tl.constexpr,
    norm: tl.constexpr,
):
    trajectory = tl.program_id(0).to(tl.int64)
    network = tl.program_id(1).to(tl.int64)
    matrices += network * steps * units * units
    orders += (network * trajectories + trajectory) * steps
    last_state = ((network * (steps + 1) + steps) * trajectories + trajectory) * units
    states += last_state
    d_states += last_state
    lengths += network * steps * trajectories + trajectory
    by_velocity = (network * steps * trajectories + trajectory) * units
    d_currents += by_velocity
    inputs += by_velocity
    columns = tl.arange(0, padded)
    real = columns < units
    # A tile holds `height` rows of all columns; most of the sum over rows happens inside a thread.
    rows = tl.arange(0, height)
    element = rows[:, None] * units + columns[None, :]
    g = tl.load(states + columns, mask=real, other=0.0)
    d = tl.load(d_states + columns, mask=real, other=0.0)
    velocity = tl.load(orders + steps - 1)
    tile = tl.load(
        matrices + velocity * (units * units) + element,
        mask=real[None, :] & (rows < units)[:, None],
        other=0.0,
    )
    current = _to_currents(d, g, tl.load(lengths + (steps - 1) * trajectories), norm)
    for back in range(steps):
        # Data of the step before this one; the first step loads its own once more, unused.
        earlier = tl.maximum(steps - 2 - back, 0)
        before = tl.load(orders + earlier)
        length = tl.load(lengths + earlier * trajectories)
        states -= trajectories * units
        d_states -= trajectories * units
        g = tl.load(states + columns, mask=real, other=0.0)
        own = tl.load(d_states + columns, mask=real, other=0.0)
        taken = velocity * trajectories * units
        tl.store(d_currents + taken + columns, current, mask=real)
        tl.store(inputs + taken + columns, g, mask=real)
        if height < padded:
            # From here on every thread sees the gradient written by all threads of the program.
            tl.debug_barrier()
        returned = tl.zeros((padded,), dtype=tl.float32)
        for first in range(0, padded, height):
            last = first + height >= padded
            after = tl.where(last, 0, first + height)
            source = tl.where(last, before, velocity) * (units * units) + after * units
            coming = tl.load(
                matrices + source + element,
                mask=real[None, :] & (rows < units - after)[:, None],
                other=0.0,
            )
            part = current
            if height < padded:
                part = tl.load(
                    d_currents + taken + first + rows, mask=rows < units - first, other=0.0
                )
            returned += tl.sum(tile * part[:, None], axis=0)
            tile = coming
        d = own + returned
        current = _to_currents(d, g, length, norm)
        velocity = before
    tl.store(d_start + (network * trajectories + trajectory) * units + columns, d, mask=real)


def _tiles(units: int) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Shapes of the tiles forward and backward, and launch options of both."""
    padded = max(triton.next_power_of_2(units), 16)
    side = min(padded, TILE // padded)
    warps = min(max(padded * side // 1024, 4), 16)
    # One stage: pipelining would fetch a part of the state before the program has written it.
    launch = {"num_warps": warps, "num_stages": 1, "enable_fp_fusion": True}
    return (
        {"padded": padded, "width": side, "line": min(LINE, side)},
        {"padded": padded, "height": side},
        launch,
    )


class _FusedRollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: Tensor, start: Tensor, orders: Tensor, norm: bool) -> Tensor:
        networks, steps, units, _ = matrices.shape
        trajectories = orders.shape[1]
        matrices, start, orders = (
            matrices.contiguous(),
            start.contiguous(),
            orders.to(torch.int64).contiguous(),
        )
        states = matrices.new_empty(networks, steps + 1, trajectories, units)
        lengths = matrices.new_empty(networks, steps, trajectories)
        tiles, _, launch = _tiles(units)
        _forward[trajectories, networks](
            matrices,
            start,
            orders,
            states,
            lengths,
            steps,
            trajectories,
            units=units,
            norm=norm,
            smallest=SMALLEST_NORM,
            **tiles,
            **launch,
        )
        ctx.save_for_backward(matrices, orders, states, lengths)
        ctx.norm = norm
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        matrices, orders, states, lengths = ctx.saved_tensors
        networks, steps, units, _ = matrices.shape
        trajectories = orders.shape[1]
        # Row (velocity, trajectory): the gradient of the currents of the step that takes this
        # velocity, and its input.
        d_currents = matrices.new_empty(networks * steps, trajectories, units)
        inputs = torch.empty_like(d_currents)
        d_start = matrices.new_empty(networks, trajectories, units)
        _, tiles, launch = _tiles(units)
        _backward[trajectories, networks](
            matrices,
            orders,
            states,
            lengths,
            gradients[0].contiguous(),
            d_currents,
            inputs,
            d_start,
            steps,
            trajectories,
            units=units,
            norm=ctx.norm,
            **tiles,
            **launch,
        )
        d_matrices = (
            torch.bmm(d_currents.transpose(1, 2), inputs).view_as(matrices)
            if ctx.needs_input_grad[0]
            else None
        )
        return d_matrices, d_start.sum(dim=1) if ctx.needs_input_grad[1] else None, None, None


def fused_rollout(
    matrices: Float[Tensor, "network velocity units units"],
    start: Float[Tensor, "network units"],
    orders: Int[Tensor, "network trajectory step"],
    *,
    norm: bool = True,
) -> Float[Tensor, "network time trajectory units"]:
    """`gridcode.models.recurrence.rollout` of one training batch of each of several networks.

    g_t = Norm(ReLU(W[orders[b, t]] g_(t-1))); the gradient is that of the plain loop.
    Deterministic, and without synchronisation between host and device, so that it can be captured
    in a CUDA graph.

    Args:
        matrices: (network, velocity, units, units) W of each velocity of the batch, float32.
        start: (network, units) the states g_0.
        orders: (network, trajectory, step) which velocity each trajectory takes. Each row must be a
            permutation of all velocities, as in every training batch: the gradient of the matrices
            relies on it, and nothing checks it.
        norm: False leaves out the division by the length (ablation).

    Returns:
        (network, step + 1, trajectory, units) states, the start included.

    Raises:
        InputError: a number of units or a kind of number that the kernel does not take.
    """
    reason = unsupported_reason(matrices.shape[-1], matrices.dtype)
    if reason is not None:
        raise InputError(f"the fused rollout does not take {reason}")
    states: Tensor = _FusedRollout.apply(matrices, start, orders, norm)
    return states
