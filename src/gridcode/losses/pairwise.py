"""Separation and invariance over all pairs with their gradients, in one fast pass of blocks.

With A_ij = -2 w_sep E_ij / (sigma_g^2 n_far) for far pairs, E_ij = exp(-|g_i - g_j|^2 / 2
sigma_g^2), and A_ij = 4 w_inv / n_near for near ones, the gradient of the weighted terms is

    dL/dg_i = (sum_j A_ij) g_i - sum_j A_ij g_j,

two products with a symmetric matrix of which one block is in cache at a time and only the upper
triangle is computed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.errors import InputError
from gridcode.losses.terms import Reduction, check_places, check_settings, flatten
from gridcode.world.streams import UniformSource, as_source

# 400 x 400 float32 are 0.6 MB: block and operands stay in a second-level cache of 1 MB.
BLOCK = 400
# Columns added to the states in the products: 1, half the squared length, and zeros for alignment.
PADDING = 16


@dataclass(frozen=True)
class PairTerms:
    """Values of the pair terms; only `weighted` carries a gradient."""

    weighted: Float[Tensor, ""]
    separation: Float[Tensor, ""]
    invariance: Float[Tensor, ""]


@dataclass(frozen=True)
class _BlockPair:
    rows: slice
    columns: slice
    near: Int[Tensor, " pair"] | None  # flat indices of near pairs in the block

    @property
    def diagonal(self) -> bool:
        return self.rows == self.columns


def _block_pairs(
    x: Float[Tensor, "state 2"], sigma_x: float, block: int
) -> tuple[list[_BlockPair], int]:
    """Upper-triangle blocks, each with its near pairs, and the number of unordered near pairs.

    A tree of positions finds the near pairs: a mask over all pairs would cost more than everything
    else in the blocks of a sampled step.
    """
    check_places(x)
    # The tree includes pairs at exactly this distance, the loss does not.
    pairs = cKDTree(x.numpy()).query_pairs(np.nextafter(sigma_x, 0), output_type="ndarray")
    count = len(x)
    blocks = -(-count // block)
    i, j = pairs[:, 0], pairs[:, 1]  # i < j
    row, column = i // block, j // block
    # The flat index of a pair in its block; the last blocks are narrower.
    width = np.minimum(block, count - column * block)
    inside = (i - row * block) * width + (j - column * block)
    which = row * blocks + column
    mirrored = row == column
    which, inside = (
        np.concatenate([which, which[mirrored]]),
        np.concatenate([inside, ((j - column * block) * width + (i - row * block))[mirrored]]),
    )
    # Sixteen bits are sorted by digits, five times as fast as by comparisons.
    order = np.argsort(which.astype(np.uint16) if blocks**2 < 2**16 else which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(blocks * blocks + 1))
    inside_by_block = torch.from_numpy(inside[order])
    found = []
    for a in range(blocks):
        for b in range(a, blocks):
            first, last = bounds[a * blocks + b], bounds[a * blocks + b + 1]
            near = inside_by_block[first:last] if last > first else None
            found.append(
                _BlockPair(
                    slice(a * block, min((a + 1) * block, count)),
                    slice(b * block, min((b + 1) * block, count)),
                    near,
                )
            )
    return found, len(pairs)


def pair_pass(
    g: Float[Tensor, "state units"],
    x: Float[Tensor, "state 2"],
    *,
    sigma_x: float,
    sigma_g: float,
    weights: tuple[float, float],
    reduction: Reduction,
    block: int = BLOCK,
    wants_gradient: bool = True,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "state units"] | None]:
    """Separation, invariance and the gradient of their weighted sum, as in `pair_terms`."""
    count, units = g.shape
    blocks, near_pairs = _block_pairs(x.cpu(), sigma_x, block)
    ordered_near = 2 * near_pairs
    ordered_far = count * (count - 1) - ordered_near
    if reduction == "sum":
        per_near = per_far = 1.0
    else:
        per_near, per_far = 1.0 / max(ordered_near, 1), 1.0 / max(ordered_far, 1)
    far_weight = -2 * weights[0] * per_far / sigma_g**2
    near_weight = 4 * weights[1] * per_near

    # A is scaled by `unit` to stay O(1), also if one of the weights is zero or tiny.
    unit = far_weight if abs(far_weight) > 1e-6 * near_weight else near_weight or 1.0
    # One product of extended states gives the exponent -|g_i - g_j|^2 / 2 sigma_g^2 whole, and one
    # with a column of ones gives sum_j A_ij beside sum_j A_ij g_j. With A in units of far_weight,
    # no pass over the block scales it.
    width = units + PADDING
    half = (g * g).sum(dim=1) / (2 * sigma_g**2)
    right = g.new_zeros(count, width)
    right[:, :units], right[:, units], right[:, units + 1] = g, 1.0, half
    left = g.new_zeros(count, width)
    torch.mul(g, 1 / sigma_g**2, out=left[:, :units])
    left[:, units], left[:, units + 1] = -half, -1.0
    drawn = torch.zeros_like(right) if wants_gradient else right
    separation = g.new_zeros((), dtype=torch.float64)
    invariance = g.new_zeros((), dtype=torch.float64)
    store = g.new_empty(min(block, count) ** 2)
    for b in blocks:
        rows, columns = right[b.rows], right[b.columns]
        e = store[: len(rows) * len(columns)].view(len(rows), len(columns))
        torch.mm(left[b.rows], columns.T, out=e)
        flat = e.view(-1)
        times = 1 if b.diagonal else 2  # The block below the diagonal is its mirror image.
        if b.near is not None:
            near = b.near.to(g.device)
            invariance -= times * 2 * sigma_g**2 * flat.index_select(0, near).sum()
        e.exp_()
        if b.diagonal:
            e.fill_diagonal_(0)
        if b.near is not None:
            flat.index_fill_(0, near, 0.0)
        separation += times * e.sum()
        if wants_gradient:
            if far_weight != unit:
                e.mul_(far_weight / unit)
            if b.near is not None:
                flat.index_fill_(0, near, near_weight / unit)
            drawn[b.rows].addmm_(e, columns)
            if not b.diagonal:
                drawn[b.columns].addmm_(e.T, rows)
    gradient = None
    if wants_gradient:
        gradient = torch.addcmul(drawn[:, :units], g, drawn[:, units, None], value=-1).mul_(-unit)
    return (separation * per_far).to(g.dtype), (invariance * per_near).to(g.dtype), gradient


class _PairTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        g: Tensor,
        x: Tensor,
        sigma_x: float,
        sigma_g: float,
        weights: tuple[float, float],
        reduction: Reduction,
        block: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        wants = ctx.needs_input_grad[0]
        separation, invariance, gradient = pair_pass(
            g,
            x,
            sigma_x=sigma_x,
            sigma_g=sigma_g,
            weights=weights,
            reduction=reduction,
            block=block,
            wants_gradient=wants,
        )
        if wants:
            ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(separation, invariance)
        return weights[0] * separation + weights[1] * invariance, separation, invariance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, None, None, None, None, None, None


def pair_terms(
    g: Float[Tensor, "*states units"],
    x: Float[Tensor, "*places 2"],
    *,
    sigma_x: float,
    sigma_g: float,
    separation_weight: float = 1.0,
    invariance_weight: float = 1.0,
    reduction: Reduction = "mean",
    block: int = BLOCK,
) -> PairTerms:
    """Both pair terms of `gridcode.losses.terms`, and their weighted sum, in one pass.

    Args:
        g: states, any leading shape and any norm.
        x: their positions in metres, the same leading shape; no gradient flows to them.
        sigma_x: metres.
        sigma_g: scale of distances between states.
        separation_weight: factor of the separation term in `weighted`, which has the gradient.
        invariance_weight: factor of the invariance term in `weighted`.
        reduction: `mean` over each set of ordered pairs, or `sum`.
        block: states compared at once; the result does not depend on it.

    Raises:
        InputError: shapes that do not match, positions that are not finite, an unknown reduction, a
            block below 1, or scales and weights that a configuration refuses.
    """
    g, x = flatten(g, x)
    if reduction not in ("mean", "sum"):
        raise InputError(f"unknown reduction '{reduction}': choose mean or sum")
    if block < 1:
        raise InputError(f"block must be at least 1, not {block}")
    weights = (separation_weight, invariance_weight)
    check_settings(sigma_x=sigma_x, sigma_g=sigma_g, separation=weights[0], invariance=weights[1])
    return flat_pair_terms(
        g, x, sigma_x=sigma_x, sigma_g=sigma_g, weights=weights, reduction=reduction, block=block
    )


def flat_pair_terms(
    g: Float[Tensor, "state units"],
    x: Float[Tensor, "state 2"],
    *,
    sigma_x: float,
    sigma_g: float,
    weights: tuple[float, float],
    reduction: Reduction,
    block: int = BLOCK,
) -> PairTerms:
    """`pair_terms` with settings that are known to be good."""
    return PairTerms(*_PairTerms.apply(g, x, sigma_x, sigma_g, weights, reduction, block))


def choose_states(
    count: int, *, of: int, generator: torch.Generator | UniformSource
) -> Int[Tensor, "*network state"]:
    """Indices of the states to compare: a random subset without replacement, in any order.

    Args:
        count: size of the subset; all where there are fewer.
        of: number of states.
        generator: source of the draw; its networks are the leading axis.
    """
    return (
        as_source(generator)
        .uniform(of)
        .topk(min(count, of), dim=-1, largest=False, sorted=False)
        .indices
    )


def sample_states(
    g: Float[Tensor, "*states units"],
    x: Float[Tensor, "*places 2"],
    *,
    count: int,
    generator: torch.Generator | UniformSource,
) -> tuple[Float[Tensor, "state units"], Float[Tensor, "state 2"]]:
    """A random subset of states with their positions.

    Its pairs estimate the means over all pairs at a fraction of the cost.

    Args:
        g: states, any leading shape.
        x: their positions in metres, the same leading shape.
        count: size of the subset, drawn without replacement; all states where there are fewer.
        generator: source of the draw.

    Raises:
        InputError: shapes that do not match.
    """
    g, x = flatten(g, x)
    pick = choose_states(count, of=len(g), generator=generator)
    return g.index_select(0, pick), x.index_select(0, pick)
