"""The uniform numbers of `gridcode.world.streams`, bit by bit, computed on the device.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
SC'11) turns a 128-bit counter and a 64-bit key into four 32-bit words: here key = seed and counter
= (block, 0, low half, high half of the batch's number), lowest words first. The batch's number
lives on the device, so that a captured CUDA graph draws new numbers each time.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

# Blocks of four numbers that a program draws.
BLOCKS = 256

# `no_type_check`: the tests' import hook wraps functions in a type checker; Triton needs bare ones.


@triton.jit(do_not_specialize=["count", "first_block"])
@no_type_check
def _draw(seeds, batches, uniforms, count, first_block, blocks: tl.constexpr):
    network = tl.program_id(1).to(tl.int64)
    batch = tl.load(batches + network)
    block = tl.program_id(0) * blocks + tl.arange(0, blocks)
    nothing = tl.zeros((blocks,), dtype=tl.uint32)
    # 32-bit words: with 64-bit ones Triton would use another generator, Philox4x64.
    low = nothing + (batch & 0xFFFFFFFF).to(tl.uint32)
    high = nothing + ((batch >> 32) & 0xFFFFFFFF).to(tl.uint32)
    words = tl.philox(
        tl.load(seeds + network), (first_block + block).to(tl.uint32), nothing, low, high
    )
    uniforms += network * count
    for place in tl.static_range(4):
        # float32 holds 24 bits: every number is a multiple of 2^-24 and below 1.
        number = (words[place] >> 8).to(tl.float32) * 5.9604644775390625e-08
        tl.store(uniforms + 4 * block + place, number, mask=4 * block + place < count)


def philox_uniform(
    seeds: Int[Tensor, " network"],
    batch: Int[Tensor, " network"],
    count: int,
    *,
    first_block: int = 0,
) -> Float[Tensor, "network count"]:
    """Uniform numbers in [0, 1), equal to those of `gridcode.world.streams.Stream(seed, batch)`.

    Args:
        seeds: (network,) seed of each network, int64.
        batch: (network,) number of each network's batch, int64, on the same device.
        count: numbers for each network.
        first_block: blocks of four numbers that this batch has drawn before.

    Returns:
        (network, count) float32 on the seeds' device.
    """
    uniforms = torch.empty(len(seeds), count, dtype=torch.float32, device=seeds.device)
    if count:
        programs = triton.cdiv(count, 4 * BLOCKS)
        _draw[programs, len(seeds)](
            seeds.contiguous(),
            batch.contiguous(),
            uniforms,
            count,
            first_block,
            blocks=BLOCKS,
            num_warps=4,
            enable_fp_fusion=True,
        )
    return uniforms
