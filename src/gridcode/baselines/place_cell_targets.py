r"""What supervised networks are trained on: place cells along walks in a box.

Place cell i at c_i has at the position x the activity

$$ p_i(x) = \mathrm{softmax}_i \left( -\frac{|x - c_i|^2}{2 \sigma^2} \right), $$

and with a surround of ratio s, before it is shifted and scaled to a distribution over cells,

$$ d_i(x) = p_i(x) - \mathrm{softmax}_i \left( -\frac{|x - c_i|^2}{2 s \sigma^2} \right), \qquad
   p_i(x) = \frac{d_i(x) - \min_j d_j(x)}{\sum_k (d_k(x) - \min_j d_j(x))}, $$

Sorscher et al. 2019; Gaussian cells are those of Banino et al. 2018. The box has walls: no cell's
field goes on at the other side.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

BINS_ACROSS = 20  # squares that are exchanged where targets are shuffled
NEAREST = 3  # the position that is read out is the mean of the centres of so many cells


def difference(
    positions_m: Float[Tensor, "*shape 2"],
    centres_m: Float[Tensor, "cell 2"],
    width_m: float,
    surround: float,
) -> Float[Tensor, "*shape cell"]:
    """Difference of softmaxes d; it sums to zero over cells.

    Args:
        positions_m: where.
        centres_m: centres of the cells.
        width_m: sigma, metres.
        surround: s, the ratio of the variances; 0: no surround, only the softmax.
    """
    distance = torch.cdist(positions_m, centres_m) ** 2 / (2 * width_m**2)
    centre = torch.softmax(-distance, dim=-1)
    if surround == 0:
        return centre
    return centre - torch.softmax(-distance / surround, dim=-1)


@dataclass(frozen=True)
class PlaceCells:
    """Place cells of a box.

    Attributes:
        centres_m: (cell, 2) centres.
        width_m: sigma, metres.
        surround: ratio of the variances; 0: none.
        arena_m: side of the box.
        exchanged: (square,) whose target each square of the box has.
    """

    centres_m: Float[Tensor, "cell 2"]
    width_m: float
    surround: float
    arena_m: float
    exchanged: Int[Tensor, " square"]

    def targets(self, positions_m: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape cell"]:
        """Activity at each place, a distribution over cells."""
        d = difference(self.moved(positions_m), self.centres_m, self.width_m, self.surround)
        if self.surround == 0:
            return d
        d = d - d.amin(dim=-1, keepdim=True)
        return d / d.sum(dim=-1, keepdim=True)

    def moved(self, positions_m: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape 2"]:
        """The place whose target each place has."""
        side = self.arena_m / BINS_ACROSS
        along = ((positions_m + self.arena_m / 2) / side).floor().clamp(0, BINS_ACROSS - 1).long()
        other = self.exchanged[along[..., 0] * BINS_ACROSS + along[..., 1]]
        there = torch.stack([other // BINS_ACROSS, other % BINS_ACROSS], dim=-1)
        return positions_m + side * (there - along)

    def positions(self, logits: Float[Tensor, "*shape cell"]) -> Float[Tensor, "*shape 2"]:
        """Position that activity tells, in metres: the mean centre of the most active cells.

        It is coarse: with 256 cells in 2.2 m, exact targets are read 0.08 m from their place.
        """
        return self.centres_m[logits.topk(NEAREST, dim=-1).indices].mean(dim=-2)
