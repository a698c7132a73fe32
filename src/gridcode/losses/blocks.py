"""All pairs of some positions in blocks of the upper triangle, each with its near pairs."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from gridcode.losses.terms import check_places

# 400 x 400 float32 are 0.6 MB: block and operands stay in a second-level cache of 1 MB.
BLOCK = 400


@dataclass(frozen=True)
class BlockPair:
    """A block of the matrix of all pairs.

    Attributes:
        rows: states of its rows.
        columns: states of its columns.
        near: flat indices of near pairs in the block, None without any.
    """

    rows: slice
    columns: slice
    near: Int[Tensor, " pair"] | None

    @property
    def diagonal(self) -> bool:
        """Whether it compares states with themselves."""
        return self.rows == self.columns


@dataclass(frozen=True)
class BlockPairs:
    """The pairs of some positions, for any states at them.

    Attributes:
        blocks: those of the upper triangle, in order, each with its near pairs.
        near: number of unordered near pairs.
        size: rows of a block.
    """

    blocks: list[BlockPair]
    near: int
    size: int


def block_pairs(x: Float[Tensor, "state axis"], sigma_x: float, block: int = BLOCK) -> BlockPairs:
    """The pairs of positions in blocks.

    A tree of positions finds the near pairs: a mask over all pairs would cost more than everything
    else in the blocks of a sampled step.
    """
    check_places(x)
    # The tree includes pairs at exactly this distance, the loss does not.
    pairs = cKDTree(x.cpu().numpy()).query_pairs(np.nextafter(sigma_x, 0), output_type="ndarray")
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
                BlockPair(
                    slice(a * block, min((a + 1) * block, count)),
                    slice(b * block, min((b + 1) * block, count)),
                    near,
                )
            )
    return BlockPairs(found, len(pairs), min(block, count))
