"""Separation and invariance over all pairs of states with their gradient, in linear memory.

With A_ij = -2 w_sep E_ij / (sigma_g^2 n_far) for far pairs, E_ij = exp(-|g_i - g_j|^2 / 2
sigma_g^2), and A_ij = 4 w_inv / n_near for near ones, the gradient of the weighted terms is (see
`gridcode.losses.pairwise`)

    dL/dg_i = (sum_j A_ij) g_i - sum_j A_ij g_j.

As in FlashAttention (Dao, Fu, Ermon, Rudra & Re 2022), a program owns a tile of rows i and loops
over tiles of columns j: one product gives the distances, the tile of A stays in registers, a second
product adds up A_ij g_j. A pass over the positions alone comes first, because A needs the numbers
of pairs. Where few row tiles would leave multiprocessors idle, the columns are split among several
programs, and torch adds their parts in a fixed order.

All products run on tensor cores. For float32 each operand is cut into three bfloat16 numbers of 8
binary digits whose sum it is (Henry, Tang & Heinecke 2019, "Leveraging the bfloat16 artificial
intelligence datatype for higher-precision computations"), and six of the nine products are taken.
Products that round their operands compute everything of the rounded states and the rounded A:
distances stay those of real points, zero for equal ones, and the gradient stays a sum over A_ij
(g_i - g_j) instead of a small difference of large numbers that were rounded differently.
"""

from typing import Any, Literal, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.errors import InputError
from gridcode.gpu import unsupported_reason
from gridcode.losses.terms import Reduction

Products = Literal["float32", "tf32", "bf16"]
# Programs to aim for: two on each of the 132 multiprocessors of an H100.
PROGRAMS = 264
# Rows and columns of a tile, and units of the gradient that a program adds up: with 4 warps, sums
# and A just fit the registers and the operands fit the memory of a multiprocessor twice (98 KB at
# 128 units in float32). The second divides the first.
HEIGHT, WIDTH, DEPTH = 64, 32, 128
# Units multiplied at a time where a tile of all of them would not fit.
CHUNK = 64
# More parts than this cost more to add up than they save.
MOST_PARTS = 8

# Positions of states that only fill up the last tile, in metres: columns at -NOWHERE and rows at
# NOWHERE, so that they are also far from each other. Their squared length is infinite, and so is
# their distance to all states. No mask is needed.
NOWHERE = tl.constexpr(1e18)

# `no_type_check`: the tests' import hook wraps functions in a type checker; Triton needs bare ones.
# `do_not_specialize`: another number of states needs no new compilation.


@triton.jit
@no_type_check
def _rounded(a, products: tl.constexpr):
    """Numbers rounded as the products need them, in float32."""
    if products != "float32":
        # Add half of the dropped part, then drop it: rounds to nearest. NaN stays NaN.
        dropped: tl.constexpr = 65536 if products == "bf16" else 8192
        bits = (a.to(tl.int32, bitcast=True) + dropped // 2) & -dropped
        a = tl.where(a == a, bits.to(tl.float32, bitcast=True), a)
    return a


@triton.jit
@no_type_check
def _pieces(a, products: tl.constexpr):
    """Rounded numbers as operands: three summands, or one number three times."""
    first = a
    second = a
    third = a
    if products == "float32":
        first = (a.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)
        rest = a - first
        second = (rest.to(tl.int32, bitcast=True) & -65536).to(tl.float32, bitcast=True)
        third = rest - second
    if products != "tf32":
        # All are of 8 digits already, so that this conversion is exact.
        first = first.to(tl.bfloat16)
        second = second.to(tl.bfloat16)
        third = third.to(tl.bfloat16)
    return first, second, third


@triton.jit
@no_type_check
def _dot(a, b, total, interpreted: tl.constexpr):
    """The sum of `total` and a @ b."""
    if interpreted:
        # Triton's interpreter multiplies the bit patterns of bfloat16. In float32 the products are
        # the same, and exact.
        a = a.to(tl.float32)
        b = b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="tf32")


@triton.jit
@no_type_check
def _product(
    a,
    a_second,
    a_third,
    b,
    b_second,
    b_third,
    total,
    products: tl.constexpr,
    interpreted: tl.constexpr,
):
    """The same of operands in pieces; the three smallest products are below float32's digits."""
    if products == "float32":
        total = _dot(a_third, b, total, interpreted)
        total = _dot(a, b_third, total, interpreted)
        total = _dot(a_second, b_second, total, interpreted)
        total = _dot(a_second, b, total, interpreted)
        total = _dot(a, b_second, total, interpreted)
    return _dot(a, b, total, interpreted)


@triton.jit
@no_type_check
def _load_pieces(source, size, products: tl.constexpr):
    """Operands in pieces from where `_prepare` put them; `size` elements lie between pieces."""
    first = tl.load(source)
    second = first
    third = first
    if products == "float32":
        second = tl.load(source + size)
        third = tl.load(source + 2 * size)
    return first, second, third


@triton.jit
@no_type_check
def _near(x, y, other_x, other_y, reach):
    """Which pairs of positions are closer than the root of `reach`."""
    # Differences, not |x|^2 + |y|^2 - 2xy: far from the origin that form loses the decisive digits.
    # The fused operation is explicit, so that both kernels round alike and agree on every pair.
    across = x[:, None] - other_x[None, :]
    along = y[:, None] - other_y[None, :]
    return tl.fma(along, along, across * across) < reach


@triton.jit(do_not_specialize=["count", "stored"])
@no_type_check
def _prepare(
    g,
    x,
    sigma_x,
    operands,
    frame,
    near,
    count,
    stored,
    units: tl.constexpr,
    padded: tl.constexpr,
    depth: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
    products: tl.constexpr,
):
    """Near pairs of a tile of rows in one part of the columns; part 0 also prepares its states."""
    tile = tl.program_id(0)
    part = tl.program_id(1)
    parts = tl.num_programs(1)
    network = tl.program_id(2).to(tl.int64)
    x += network * count * 2
    rows = tile * height + tl.arange(0, height)
    present = rows < count
    row_x = tl.load(x + 2 * rows, mask=present, other=NOWHERE)
    row_y = tl.load(x + 2 * rows + 1, mask=present, other=NOWHERE)
    reach = tl.load(sigma_x + network)
    found = tl.zeros((height, width), dtype=tl.int32)
    # Each pair once, from the diagonal on.
    for start in range(tile * height + part * width, count, parts * width):
        columns = start + tl.arange(0, width)
        column_x = tl.load(x + 2 * columns, mask=columns < count, other=-NOWHERE)
        column_y = tl.load(x + 2 * columns + 1, mask=columns < count, other=-NOWHERE)
        close = _near(row_x, row_y, column_x, column_y, reach * reach) & (
            columns[None, :] > rows[:, None]
        )
        found += close.to(tl.int32)
    tl.store(
        near + (network * tl.num_programs(0) + tile) * parts + part,
        2 * tl.sum(tl.sum(found, axis=1), axis=0),
    )
    if part == 0:
        each = tl.num_programs(2).to(tl.int64) * stored
        unit = tl.arange(0, depth)
        row = rows[:, None].to(tl.int64)
        square = tl.zeros((height,), dtype=tl.float32)
        for first_unit in range(0, padded, depth):
            real = present[:, None] & (unit < units - first_unit)[None, :]
            a = tl.load(
                g + (network * count + row) * units + first_unit + unit[None, :],
                mask=real,
                other=0.0,
            )
            a = _rounded(a, products)
            square += tl.sum(a * a, axis=1)
            first, second, third = _pieces(a, products)
            element = (network * stored + row) * padded + first_unit + unit[None, :]
            tl.store(operands + element, first)
            if products == "float32":
                tl.store(operands + each * padded + element, second)
                tl.store(operands + 2 * each * padded + element, third)
        frame += network * stored
        tl.store(frame + rows, tl.where(present, row_x, -NOWHERE))
        tl.store(frame + each + rows, tl.where(present, row_y, -NOWHERE))
        tl.store(frame + 2 * each + rows, tl.where(present, square, float("inf")))


@triton.jit(do_not_specialize=["count", "stored", "columns_of_part"])
@no_type_check
def _pairs(
    g,
    operands,
    frame,
    near,
    sigma_x,
    sigma_g,
    separation_weight,
    invariance_weight,
    sums,
    gradients,
    count,
    stored,
    columns_of_part,
    units: tl.constexpr,
    padded: tl.constexpr,
    depth: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
    chunk: tl.constexpr,
    products: tl.constexpr,
    mean: tl.constexpr,
    wants_gradient: tl.constexpr,
    interpreted: tl.constexpr,
):
    """Sums over a tile of rows and a part of the columns, and `depth` units of the gradient."""
    tile = tl.program_id(0)
    part = tl.program_id(1) // (padded // depth)
    first_unit = tl.program_id(1) % (padded // depth) * depth
    parts = tl.num_programs(1) // (padded // depth)
    network = tl.program_id(2).to(tl.int64)
    # Numbers of pairs and offsets between networks and pieces are 64-bit; 32 bits suffice within a
    # network.
    each = tl.num_programs(2).to(tl.int64) * stored
    near_count = tl.load(near + network)
    states = count.to(tl.int64)
    per_near = 1.0
    per_far = 1.0
    if mean:
        per_near = 1.0 / tl.maximum(near_count, 1).to(tl.float32)
        per_far = 1.0 / tl.maximum(states * (states - 1) - near_count, 1).to(tl.float32)
    reach = tl.load(sigma_x + network)
    scale = tl.load(sigma_g + network)
    separation_weight = tl.load(separation_weight + network)
    invariance_weight = tl.load(invariance_weight + network)
    exponent = -0.7213475204444817 / (scale * scale)  # of 2: -log2(e) / 2 sigma_g^2
    far_weight = -2.0 * separation_weight * per_far / (scale * scale)
    near_weight = 4.0 * invariance_weight * per_near

    operands += network * stored * padded
    frame += network * stored
    rows = tile * height + tl.arange(0, height)
    unit = tl.arange(0, depth)
    few = tl.arange(0, chunk)
    size = each * padded
    mine = operands + tile * height * padded
    element = tl.arange(0, height)[:, None] * padded
    if padded == depth:
        own, own_second, own_third = _load_pieces(mine + (element + unit[None, :]), size, products)
    row_x = tl.load(frame + rows, mask=rows < count, other=NOWHERE)
    row_y = tl.load(frame + each + rows, mask=rows < count, other=NOWHERE)
    square = tl.load(frame + 2 * each + rows)
    separation = tl.zeros((height,), dtype=tl.float32)
    invariance = tl.zeros((height,), dtype=tl.float32)
    row_sum = tl.zeros((height,), dtype=tl.float32)
    drawn = tl.zeros((height, depth), dtype=tl.float32)
    ahead = tl.arange(0, width)
    other_element = ahead[:, None] * padded
    begin = part * columns_of_part
    for start in range(begin, tl.minimum(begin + columns_of_part, stored), width):
        theirs = operands + start * padded
        inner = tl.zeros((height, width), dtype=tl.float32)
        if padded == depth:
            other, other_second, other_third = _load_pieces(
                theirs + (other_element + unit[None, :]), size, products
            )
            inner = _product(
                own,
                own_second,
                own_third,
                tl.trans(other),
                tl.trans(other_second),
                tl.trans(other_third),
                inner,
                products,
                interpreted,
            )
        else:
            # More units than a multiprocessor holds: in chunks, and those of this program's
            # gradient once more.
            for k in range(0, padded, chunk):
                a, a_second, a_third = _load_pieces(
                    mine + (element + k + few[None, :]), size, products
                )
                b, b_second, b_third = _load_pieces(
                    theirs + (other_element + k + few[None, :]), size, products
                )
                inner = _product(
                    a,
                    a_second,
                    a_third,
                    tl.trans(b),
                    tl.trans(b_second),
                    tl.trans(b_third),
                    inner,
                    products,
                    interpreted,
                )
            other, other_second, other_third = _load_pieces(
                theirs + (other_element + first_unit + unit[None, :]), size, products
            )
        columns = start + ahead
        column_x = tl.load(frame + columns)
        column_y = tl.load(frame + each + columns)
        column_square = tl.load(frame + 2 * each + columns)
        distance = square[:, None] + column_square[None, :] - 2.0 * inner
        different = rows[:, None] != columns[None, :]
        close = _near(row_x, row_y, column_x, column_y, reach * reach) & different
        e = tl.where(different, tl.where(close, 0.0, tl.exp2(exponent * distance)), 0.0)
        separation += tl.sum(e, axis=1)
        invariance += tl.sum(tl.where(close, distance, 0.0), axis=1)
        if wants_gradient:
            a = _rounded(tl.where(close, near_weight, far_weight * e), products)
            row_sum += tl.sum(a, axis=1)
            first, second, third = _pieces(a, products)
            drawn = _product(
                first, second, third, other, other_second, other_third, drawn, products, interpreted
            )
    if wants_gradient:
        # Loaded again: kept from above, the states would occupy registers throughout.
        real = (rows < count)[:, None] & (unit < units - first_unit)[None, :]
        at = (network * count + rows[:, None]) * units + first_unit + unit[None, :]
        gradient = (
            row_sum[:, None] * _rounded(tl.load(g + at, mask=real, other=0.0), products) - drawn
        )
        tl.store(
            gradients + part * (tl.num_programs(2).to(tl.int64) * count * units) + at,
            gradient,
            mask=real,
        )
    if first_unit == 0:
        separated = tl.sum(separation, axis=0) * per_far
        spread = tl.sum(invariance, axis=0) * per_near
        programs = tl.num_programs(0) * parts
        sums += network * programs + tile * parts + part
        term = tl.num_programs(2) * programs
        tl.store(sums, separation_weight * separated + invariance_weight * spread)
        tl.store(sums + term, separated)
        tl.store(sums + 2 * term, spread)


def _tiles(units: int) -> dict[str, int]:
    """Units, padded units, units of the gradient in one program, and rows of a tile."""
    padded = max(triton.next_power_of_2(units), 16)
    return {"units": units, "padded": padded, "depth": min(padded, DEPTH), "height": HEIGHT}


class _FusedPairTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        g: Tensor,
        x: Tensor,
        scales: tuple[Tensor, ...],
        reduction: Reduction,
        products: Products,
        wants_gradient: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        networks, count, units = g.shape
        g, x = g.contiguous(), x.contiguous()
        scales = tuple(scale.to(torch.float32).contiguous() for scale in scales)
        tiles = _tiles(units)
        row_tiles, column_tiles = triton.cdiv(count, HEIGHT), triton.cdiv(count, WIDTH)
        stored = row_tiles * HEIGHT
        # The same for one network as for many: results do not depend on the other networks.
        parts = max(1, min(MOST_PARTS, PROGRAMS // row_tiles, column_tiles))
        pieces, kind = {
            "float32": (3, torch.bfloat16),
            "tf32": (1, torch.float32),
            "bf16": (1, torch.bfloat16),
        }[products]
        operands = g.new_empty(pieces, networks, stored, tiles["padded"], dtype=kind)
        frame = g.new_empty(3, networks, stored)
        near = g.new_empty(networks, row_tiles, MOST_PARTS, dtype=torch.int32)
        common = {**tiles, "products": products, "num_warps": 4, "enable_fp_fusion": True}
        _prepare[row_tiles, MOST_PARTS, networks](
            g, x, scales[0], operands, frame, near, count, stored, **common, width=64, num_stages=1
        )
        near_count = near.sum(dim=(1, 2), dtype=torch.int64)
        sums = g.new_empty(3, networks, row_tiles * parts)
        gradients = g.new_empty(parts, networks, count, units) if wants_gradient else g
        _pairs[row_tiles, parts * (tiles["padded"] // tiles["depth"]), networks](
            g,
            operands,
            frame,
            near_count,
            *scales,
            sums,
            gradients,
            count,
            stored,
            triton.cdiv(column_tiles, parts) * WIDTH,
            **common,
            width=WIDTH,
            chunk=CHUNK,
            mean=reduction == "mean",
            wants_gradient=wants_gradient,
            interpreted=triton.knobs.runtime.interpret,
            num_stages=2,
        )
        if wants_gradient:
            ctx.save_for_backward(gradients.sum(dim=0) if parts > 1 else gradients[0])
        weighted, separation, invariance = (
            sums.sum(dim=2, dtype=torch.float64).to(torch.float32).unbind()
        )
        ctx.mark_non_differentiable(separation, invariance)
        return weighted, separation, invariance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradients[0][:, None, None] * gradient, None, None, None, None, None


def fused_pair_terms(
    g: Float[Tensor, "network state units"],
    x: Float[Tensor, "network state 2"],
    *,
    sigma_x: Float[Tensor, " network"],
    sigma_g: Float[Tensor, " network"],
    separation_weight: Float[Tensor, " network"],
    invariance_weight: Float[Tensor, " network"],
    reduction: Reduction = "mean",
    products: Products = "float32",
) -> tuple[Float[Tensor, " network"], Float[Tensor, " network"], Float[Tensor, " network"]]:
    """Separation, invariance and their weighted sum, which alone carries a gradient, by network.

    Equal to `gridcode.losses.pairwise.pair_terms` of each network. The gradient is computed in the
    forward pass. Deterministic, and without synchronisation between host and device, so that it can
    be captured in a CUDA graph.

    Args:
        g: (network, state, units) states of any norm, float32.
        x: (network, state, 2) their positions in metres; no gradient flows to them.
        sigma_x: (network,) metres.
        sigma_g: (network,) distance between states.
        separation_weight: (network,) factor of the separation term in the sum.
        invariance_weight: (network,) factor of the invariance term in the sum.
        reduction: `mean` over each set of ordered pairs, or `sum`.
        products: precision of the products, `float32`, or operands rounded to nearest in `tf32` (11
            binary digits) or `bf16` (8), for speed.

    Returns:
        (network,) weighted sum, separation and invariance.

    Raises:
        InputError: a number of units or a dtype that the kernel does not support, an unknown
            reduction or unknown products.
    """
    reason = unsupported_reason(g.shape[-1], g.dtype)
    if reason is not None:
        raise InputError(f"the fused pair terms do not take {reason}")
    if reduction not in ("mean", "sum"):
        raise InputError(f"unknown reduction '{reduction}': choose mean or sum")
    if products not in ("float32", "tf32", "bf16"):
        raise InputError(f"unknown products '{products}': choose float32, tf32 or bf16")
    scales = (sigma_x, sigma_g, separation_weight, invariance_weight)
    wants_gradient = torch.is_grad_enabled() and g.requires_grad
    weighted, separation, invariance = _FusedPairTerms.apply(
        g, x.to(torch.float32), scales, reduction, products, wants_gradient
    )
    return weighted, separation, invariance
