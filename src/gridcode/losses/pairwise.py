"""Separation and invariance over all pairs, fast: one pass of small blocks gives values and gradients.

With A_ij = -2 w_sep E_ij / (sigma_g^2 n_far) for far pairs, E_ij = exp(-|g_i - g_j|^2 / 2 sigma_g^2), and
A_ij = 4 w_inv / n_near for near ones, the gradient of the weighted terms is

    dL/dg_i = (sum_j A_ij) g_i - sum_j A_ij g_j,

two products with a symmetric matrix of which one block is in cache at a time and only the upper triangle is computed.
States are sorted along x first, so that near pairs have to be looked for in few blocks only.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.errors import InputError
from gridcode.losses.terms import Reduction, flatten, near_pairs

# 400 x 400 float32 are 0.6 MB: block and operands stay in a second-level cache of 1 MB.
BLOCK = 400


@dataclass(frozen=True)
class PairTerms:
    """Value of the pair terms: `weighted` carries the gradient, the two terms by themselves do not."""

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


def _block_pairs(x: Float[Tensor, "state 2"], sigma_x: float, block: int) -> list[_BlockPair]:
    """Upper-triangle blocks of the states in this order (sorted by x), each with its near pairs."""
    starts = range(0, len(x), block)
    slices = [slice(i, min(i + block, len(x))) for i in starts]
    first = x[[s.start for s in slices], 0].tolist()
    last = x[[s.stop - 1 for s in slices], 0].tolist()
    pairs = []
    for i, rows in enumerate(slices):
        for j in range(i, len(slices)):
            columns = slices[j]
            near = None
            if first[j] - last[i] < sigma_x:
                found = near_pairs(x[rows], x[columns], sigma_x)
                if i == j:
                    found.fill_diagonal_(False)
                near = found.view(-1).nonzero().squeeze(1)
            pairs.append(_BlockPair(rows, columns, near))
    return pairs


class _PairTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, sigma_x: float, sigma_g: float, weights: tuple[float, float], reduction: Reduction, block: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        count, _units = g.shape
        order = x[:, 0].argsort()
        x, g = x[order], g[order]
        blocks = _block_pairs(x, sigma_x, block)
        ordered_near = sum((1 if b.diagonal else 2) * b.near.numel() for b in blocks if b.near is not None)
        ordered_far = count * (count - 1) - ordered_near
        if reduction == "sum":
            per_near = per_far = 1.0
        else:
            per_near, per_far = 1.0 / max(ordered_near, 1), 1.0 / max(ordered_far, 1)
        far_weight = -2 * weights[0] * per_far / sigma_g**2
        near_weight = 4 * weights[1] * per_near

        wants_gradient = ctx.needs_input_grad[0]
        drawn = torch.zeros_like(g) if wants_gradient else g  # sum_j A_ij g_j
        row_sums = g.new_zeros(count)  # sum_j A_ij
        separation = g.new_zeros((), dtype=torch.float64)
        invariance = g.new_zeros((), dtype=torch.float64)
        scaled = g / sigma_g**2
        half = 0.5 * (g * scaled).sum(dim=1)  # |g_i|^2 / 2 sigma_g^2
        store = g.new_empty(min(block, count) ** 2)
        for b in blocks:
            rows, columns = g[b.rows], g[b.columns]
            e = store[: len(rows) * len(columns)].view(len(rows), len(columns))
            # The exponent -|g_i - g_j|^2 / 2 sigma_g^2, with one term added by the product itself.
            torch.addmm(-half[b.columns], scaled[b.rows], columns.T, out=e)
            e.sub_(half[b.rows, None])
            flat = e.view(-1)
            times = 1 if b.diagonal else 2  # the block below the diagonal is this one, mirrored
            if b.near is not None:
                invariance -= times * 2 * sigma_g**2 * flat[b.near].sum()
            e.exp_()
            if b.diagonal:
                e.fill_diagonal_(0)
            if b.near is not None:
                flat.index_fill_(0, b.near, 0.0)
            separation += times * e.sum()
            if wants_gradient:
                e.mul_(far_weight)
                if b.near is not None:
                    flat.index_fill_(0, b.near, near_weight)
                drawn[b.rows].addmm_(e, columns)
                row_sums[b.rows] += e.sum(dim=1)
                if not b.diagonal:
                    drawn[b.columns].addmm_(e.T, rows)
                    row_sums[b.columns] += e.sum(dim=0)
        if wants_gradient:
            gradient = torch.empty_like(g)
            gradient[order] = g.mul(row_sums.unsqueeze(1)).sub_(drawn)
            ctx.save_for_backward(gradient)
        separation, invariance = (separation * per_far).to(g.dtype), (invariance * per_near).to(g.dtype)
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
    """`separation` and `invariance` of `gridcode.losses.terms` with the gradient of their weighted sum, in one pass.

    Args:
        g: states, any leading shape and any norm.
        x: their positions in metres, the same leading shape; no gradient flows to them.
        sigma_x: metres.
        sigma_g: distance between states.
        separation_weight: factor of the separation term in `weighted`.
        invariance_weight: factor of the invariance term in `weighted`.
        reduction: `mean` over each set of ordered pairs, or `sum`.
        block: states compared at once; the result does not depend on it.

    Raises:
        InputError: shapes that do not match, an unknown reduction, or a block below 1.
    """
    g, x = flatten(g, x)
    if reduction not in ("mean", "sum"):
        raise InputError(f"unknown reduction '{reduction}': choose mean or sum")
    if block < 1:
        raise InputError(f"block must be at least 1, not {block}")
    weights = (separation_weight, invariance_weight)
    return PairTerms(*_PairTerms.apply(g, x, sigma_x, sigma_g, weights, reduction, block))


def sample_states(
    g: Float[Tensor, "*states units"], x: Float[Tensor, "*places 2"], *, count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "state units"], Float[Tensor, "state 2"]]:
    """A random subset of states with their positions: its pairs estimate the means over all pairs for a fraction of the cost.

    Args:
        g: states, any leading shape.
        x: their positions in metres, the same leading shape.
        count: size of the subset, drawn without replacement; all states where there are fewer.
        generator: source of the draw.

    Raises:
        InputError: shapes that do not match.
    """
    g, x = flatten(g, x)
    pick = torch.randperm(len(g), generator=generator, device=generator.device)[:count]
    return g.index_select(0, pick), x.index_select(0, pick)
