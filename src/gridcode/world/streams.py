"""Random numbers as a function of (seed, batch, position), the same on every device.

A counter-based generator has no state: batch k of a seed is always the same batch, also for
networks trained together and after a training is resumed.
Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
SC'11) turns a 128-bit counter and a 64-bit key into four 32-bit words; the key is the seed, the
counter (block, 0, low and high half of the batch's number).
"""

import math
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt32
from torch import Generator, Tensor

from gridcode.errors import InputError

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
# A call of NumPy costs more than the arithmetic of a few hundred blocks.
_BLOCKS_AT_ONCE = 1024


@runtime_checkable
class UniformSource(Protocol):
    """A source of uniform random numbers in [0, 1)."""

    def uniform(self, *shape: int) -> Tensor:
        """The next numbers, with the networks' axis in front where there are several networks."""


def philox(
    counter: tuple[np.ndarray | int, np.ndarray | int, np.ndarray | int, np.ndarray | int],
    key: tuple[int, int],
) -> UInt32[np.ndarray, "*shape 4"]:
    """Ten rounds of Philox4x32 on every counter.

    Args:
        counter: four 32-bit words, lowest first; arrays are broadcast.
        key: two 32-bit words, lowest first.

    Returns:
        Four random words for each counter.
    """
    # A word that is the same everywhere stays one number until it meets the others.
    a, b, c, d = (np.asarray(word, dtype=np.uint64) for word in counter)
    low, high = key
    for _ in range(_ROUNDS):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (
            (second >> _HALF) ^ b ^ np.uint64(low),
            second & _LOW,
            (first >> _HALF) ^ d ^ np.uint64(high),
            first & _LOW,
        )
        low, high = (low + _WEYL[0]) & 0xFFFFFFFF, (high + _WEYL[1]) & 0xFFFFFFFF
    out = np.empty((*np.broadcast_shapes(a.shape, b.shape, c.shape, d.shape), 4), dtype=np.uint32)
    for place, word in enumerate((a, b, c, d)):
        out[..., place] = word
    return out


class Stream:
    """The random numbers of one batch of one network.

    Args:
        seed: the network's seed, from 0 to 2^63 - 1.
        batch: number of the batch, in the same range.

    Raises:
        InputError: a number out of range.
    """

    def __init__(self, seed: int, batch: int = 0) -> None:
        if not (0 <= seed < 2**63 and 0 <= batch < 2**63):
            raise InputError(
                f"a stream's seed and batch must be from 0 to 2^63 - 1, not {seed} and {batch}"
            )
        self.seed = seed
        self.batch = batch
        self._block = 0
        self._ready = np.empty((0, 4), dtype=np.float32)

    def uniform(self, *shape: int) -> Float[Tensor, "..."]:
        """The next numbers, multiples of 2^-24; each call starts a new block of four."""
        count = math.prod(shape)
        blocks = -(-count // 4)
        if blocks > len(self._ready):
            self._ready = np.concatenate(
                [self._ready, self._make(max(blocks - len(self._ready), _BLOCKS_AT_ONCE))]
            )
        taken, self._ready = self._ready[:blocks], self._ready[blocks:]
        return torch.from_numpy(taken.reshape(-1)[:count]).view(shape)

    def _make(self, blocks: int) -> Float[np.ndarray, "block 4"]:
        first, self._block = self._block, self._block + blocks
        counter = (np.arange(first, self._block), 0, self.batch & 0xFFFFFFFF, self.batch >> 32)
        words = philox(counter, (self.seed & 0xFFFFFFFF, self.seed >> 32))
        return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


class GeneratorSource:
    """PyTorch's own generator as a source, for use outside training.

    Args:
        generator: its device is the numbers' device.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def uniform(self, *shape: int) -> Float[Tensor, "..."]:
        """The next numbers."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)


def as_source(generator: Generator | UniformSource) -> UniformSource:
    """The generator as a source of uniform numbers."""
    return GeneratorSource(generator) if isinstance(generator, Generator) else generator
