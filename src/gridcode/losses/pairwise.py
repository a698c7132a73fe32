"""Separation and invariance over all pairs with their gradients, in one fast pass of blocks.

With A_ij = -2 w_sep E_ij / (sigma_g^2 n_far) for far pairs, E_ij = exp(-|g_i - g_j|^2 / 2
sigma_g^2), and A_ij = 4 w_inv / n_near for near ones, the gradient of the weighted terms is

    dL/dg_i = (sum_j A_ij) g_i - sum_j A_ij g_j,

two products with a symmetric matrix of which one block is in cache at a time and only the upper
triangle is computed.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.errors import InputError
from gridcode.losses.blocks import BLOCK, BlockPair, BlockPairs, block_pairs
from gridcode.losses.terms import Reduction, check_settings, flatten
from gridcode.world.streams import UniformSource, as_source

# Columns added to the states in the products: 1, half the squared length, and zeros for alignment.
PADDING = 16
# Threads keep all blocks until the last product: so many of 0.6 MB at most.
MOST_BLOCKS_OF_THREADS = 10


@dataclass(frozen=True)
class PairTerms:
    """Values of the pair terms; only `weighted` carries a gradient."""

    weighted: Float[Tensor, ""]
    separation: Float[Tensor, ""]
    invariance: Float[Tensor, ""]


class _Pass:
    """States extended for the products of `pair_pass`, and what they gather.

    One product of extended states gives the exponent -|g_i - g_j|^2 / 2 sigma_g^2 whole, and one
    with a column of ones gives sum_j A_ij beside sum_j A_ij g_j. With A in units of far_weight, no
    pass over the block scales it.
    """

    def __init__(
        self, g: Tensor, *, sigma_g: float, far_weight: float, near_weight: float, gradient: bool
    ) -> None:
        # A is scaled by `unit` to stay O(1), also if one of the weights is zero or tiny.
        self.unit = far_weight if abs(far_weight) > 1e-6 * near_weight else near_weight or 1.0
        self._far, self._near = far_weight / self.unit, near_weight / self.unit
        self._square, self._gradient = 2 * sigma_g**2, gradient
        count, units = g.shape
        half = (g * g).sum(dim=1) / self._square
        self._right, self._left = (g.new_zeros(count, units + PADDING) for _ in range(2))
        self._right[:, :units], self._right[:, units], self._right[:, units + 1] = g, 1.0, half
        torch.mul(g, 1 / sigma_g**2, out=self._left[:, :units])
        self._left[:, units], self._left[:, units + 1] = -half, -1.0
        self.drawn = torch.zeros_like(self._right) if gradient else self._right

    def weigh(self, b: BlockPair, store: Tensor) -> tuple[Tensor, Tensor | float, Tensor]:
        """A of a block, and its sums of squared distances and of exponentials."""
        rows, columns = self._right[b.rows], self._right[b.columns]
        e = store[: len(rows) * len(columns)].view(len(rows), len(columns))
        torch.mm(self._left[b.rows], columns.T, out=e)
        flat = e.view(-1)
        times = 1 if b.diagonal else 2  # The block below the diagonal is its mirror image.
        squares: Tensor | float = 0.0
        if b.near is not None:
            near = b.near.to(e.device)
            squares = -times * self._square * flat.index_select(0, near).sum()
        e.exp_()
        if b.diagonal:
            e.fill_diagonal_(0)
        if b.near is not None:
            flat.index_fill_(0, near, 0.0)
        far = times * e.sum()
        if self._gradient:
            if self._far != 1:
                e.mul_(self._far)
            if b.near is not None:
                flat.index_fill_(0, near, self._near)
        return e, squares, far

    def draw(self, products: Sequence[tuple[slice, Tensor, slice]]) -> None:
        """Add A g of (rows, A, columns), in order."""
        for rows, a, columns in products:
            self.drawn[rows].addmm_(a, self._right[columns])


def _products(b: BlockPair, a: Tensor) -> list[tuple[slice, Tensor, slice]]:
    mirrored = [] if b.diagonal else [(b.columns, a.T, b.rows)]
    return [(b.rows, a, b.columns), *mirrored]


def pair_pass(
    g: Float[Tensor, "state units"],
    x: Float[Tensor, "state axis"],
    *,
    sigma_x: float,
    sigma_g: float,
    weights: tuple[float, float],
    reduction: Reduction,
    block: int = BLOCK,
    wants_gradient: bool = True,
    pairs: BlockPairs | None = None,
    workers: Executor | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "state units"] | None]:
    """Separation, invariance and the gradient of their weighted sum, as in `pair_terms`.

    Args:
        g: states.
        x: their positions; this and the next as in `pair_terms`.
        sigma_x: metres.
        sigma_g: scale of distances between states.
        weights: of separation and invariance.
        reduction: over the pairs.
        block: states compared at once.
        wants_gradient: whether to compute it.
        pairs: those of the positions, where they are known.
        workers: threads to use where there are few blocks; the result is the same.
    """
    count, units = g.shape
    pairs = pairs or block_pairs(x, sigma_x, block)
    ordered_near = 2 * pairs.near
    ordered_far = count * (count - 1) - ordered_near
    if reduction == "sum":
        per_near = per_far = 1.0
    else:
        per_near, per_far = 1.0 / max(ordered_near, 1), 1.0 / max(ordered_far, 1)
    far_weight = -2 * weights[0] * per_far / sigma_g**2
    near_weight = 4 * weights[1] * per_near
    one = _Pass(
        g, sigma_g=sigma_g, far_weight=far_weight, near_weight=near_weight, gradient=wants_gradient
    )
    separation, invariance = (g.new_zeros((), dtype=torch.float64) for _ in range(2))
    if workers is None or len(pairs.blocks) > MOST_BLOCKS_OF_THREADS:
        store = g.new_empty(pairs.size**2)
        for b in pairs.blocks:
            a, squares, far = one.weigh(b, store)
            separation += far
            invariance += squares
            if wants_gradient:
                one.draw(_products(b, a))
    else:
        stores = g.new_empty(len(pairs.blocks), pairs.size**2).unbind()
        into: dict[int, list[tuple[slice, Tensor, slice]]] = {}
        weighed = workers.map(one.weigh, pairs.blocks, stores)
        for b, (a, squares, far) in zip(pairs.blocks, weighed, strict=True):
            separation += far
            invariance += squares
            for product in _products(b, a):
                into.setdefault(product[0].start, []).append(product)
        if wants_gradient:
            list(workers.map(one.draw, into.values()))
    gradient = None
    if wants_gradient:
        drawn = one.drawn
        gradient = torch.addcmul(drawn[:, :units], g, drawn[:, units, None], value=-1)
        gradient.mul_(-one.unit)
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
    x: Float[Tensor, "*places axis"],
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
    x: Float[Tensor, "state axis"],
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
    x: Float[Tensor, "*places axis"],
    *,
    count: int,
    generator: torch.Generator | UniformSource,
) -> tuple[Float[Tensor, "state units"], Float[Tensor, "state axis"]]:
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
