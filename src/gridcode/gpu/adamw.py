"""AdamW (Loshchilov & Hutter 2019) for many networks in one launch, each with its own rate.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,
    w = (1 - r d) w - r m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)

with g divided by the network's clipping factor first. PyTorch's fused AdamW takes one rate for all
parameters, and one call for each of many small networks would cost more than the rest of the step.
"""

import math
from typing import no_type_check

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

# Weights that a program updates.
BLOCK = 1024


# `no_type_check`: the tests' import hook wraps functions in a type checker; Triton needs bare ones.
@triton.jit(do_not_specialize=["size"])
@no_type_check
def _update(
    weights,
    gradients,
    first_moments,
    second_moments,
    steps,
    rates,
    scales,
    failed,
    size,
    beta1: tl.constexpr,
    beta2: tl.constexpr,
    log_beta1: tl.constexpr,
    log_beta2: tl.constexpr,
    epsilon: tl.constexpr,
    decay: tl.constexpr,
    block: tl.constexpr,
):
    network = tl.program_id(1).to(tl.int64)
    if tl.load(failed + network) == 0.0:
        place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
        inside = place < size
        place += network * size
        # 1 - b^t loses its digits in float32 while t is small.
        t = tl.load(steps + network).to(tl.float64) + 1.0
        correction1 = (1.0 - tl.exp(t * log_beta1)).to(tl.float32)
        correction2 = (1.0 - tl.exp(t * log_beta2)).to(tl.float32)
        rate = tl.load(rates + network)
        g = tl.load(gradients + place, mask=inside, other=0.0) / tl.load(scales + network)
        m = tl.load(first_moments + place, mask=inside, other=0.0)
        v = tl.load(second_moments + place, mask=inside, other=0.0)
        w = tl.load(weights + place, mask=inside, other=0.0)
        m += (1.0 - beta1) * (g - m)
        v = beta2 * v + (1.0 - beta2) * g * g
        w = w - rate * decay * w
        w -= rate / correction1 * m / (tl.sqrt(v) / tl.sqrt(correction2) + epsilon)
        tl.store(first_moments + place, m, mask=inside)
        tl.store(second_moments + place, v, mask=inside)
        tl.store(weights + place, w, mask=inside)


def adamw_step(
    weights: Float[Tensor, "network weight"],
    gradients: Float[Tensor, "network weight"],
    first_moments: Float[Tensor, "network weight"],
    second_moments: Float[Tensor, "network weight"],
    steps: Float[Tensor, " network"],
    *,
    rates: Float[Tensor, " network"],
    scales: Float[Tensor, " network"],
    failed: Float[Tensor, " network"],
    betas: tuple[float, float],
    weight_decay: float,
    epsilon: float = 1e-8,
) -> None:
    """One step of every network that has not failed, in place.

    All arrays are float32, contiguous and on one device.

    Args:
        weights: (network, weight).
        gradients: the same shape.
        first_moments: running means of the gradients.
        second_moments: running means of their squares.
        steps: (network,) steps taken before; raised by one.
        rates: (network,) learning rates.
        scales: (network,) the gradients are divided by these.
        failed: (network,) 1 leaves a network unchanged, whatever its gradients.
        betas: decay rates of the two moments.
        weight_decay: decoupled.
        epsilon: added to the root of the second moment.
    """
    size = weights.shape[1]
    _update[triton.cdiv(size, BLOCK), len(weights)](
        weights,
        gradients,
        first_moments,
        second_moments,
        steps,
        rates.contiguous(),
        scales.contiguous(),
        failed,
        size,
        beta1=betas[0],
        beta2=betas[1],
        log_beta1=math.log(max(betas[0], 1e-300)),  # 0 is allowed: no memory, no correction
        log_beta2=math.log(max(betas[1], 1e-300)),
        epsilon=epsilon,
        decay=weight_decay,
        block=BLOCK,
        num_warps=4,
        enable_fp_fusion=True,
    )
    steps += 1.0 - failed
