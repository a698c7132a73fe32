"""Training batches whose places are shuffled: velocities no longer tell where a path ends."""

from dataclasses import dataclass

import numpy as np
import torch

from gridcode.config import WorldConfig
from gridcode.training.parts import StandardBatches
from gridcode.world.permutations import Batch
from gridcode.world.streams import UniformSource
from gridcode.world.walks import training_extent_m

CELL_M = 0.05


@dataclass(frozen=True)
class ShuffledPlaces:
    """The built-in batches, with every place of a grid exchanged for another one.

    Space is cut into squares of 5 cm, which repeat with the side of the trained square. A fixed
    permutation exchanges them. The objective asks for the same state where two paths end at the
    same place, as before, and for other states at places that are far apart after the exchange.

    Attributes:
        world: settings of the batches.
        seed: of the permutation.
    """

    world: WorldConfig
    seed: int

    def __call__(self, step: int, generator: UniformSource, /) -> Batch:
        """The batch of a step."""
        batch = StandardBatches(self.world)(step, generator)
        extent = training_extent_m(self.world.max_velocity_m, self.world.steps)
        side = round(extent / CELL_M)
        order = np.random.default_rng([self.seed, 41]).permutation(side**2)
        moved = torch.from_numpy(order)
        cell = torch.floor(batch.positions / CELL_M)
        x, y = (cell[..., axis].long() % side for axis in (0, 1))
        there = moved[y * side + x]
        within = batch.positions - cell * CELL_M
        new = torch.stack([there % side, there // side], dim=-1) * CELL_M + within
        return Batch(batch.velocities, batch.orders, new.to(batch.positions.dtype))
