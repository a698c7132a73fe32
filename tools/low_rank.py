"""Low-rank factors of the layers that give W(v) = A h(v) + b, to pack a network in less room.

Nearly all numbers of a network are these weights A, of N^2 rows with a column for each hidden unit
(for every population where there are several).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gridcode.models.network import GridNetwork
from gridcode.models.packing import LEFT, RIGHT, layers_behind_matrices
from gridcode.models.populations import Network, members_of
from gridcode.models.transition import VelocityTransition

# An eighth of the change of W(v) by rounding to float16 (measured: 1.3e-4 to 1.6e-4).
TOLERANCE = 2e-5
SAMPLES = 4000


@dataclass(frozen=True)
class Factors:
    """A = left right, of low rank.

    Attributes:
        left: (row, rank), the largest entry of each column is 1.
        right: (rank, hidden).
        error: root mean square of the change of W(v) over that of W(v) itself.
    """

    left: Float[Tensor, "row rank"]
    right: Float[Tensor, "rank hidden"]
    error: float


def factor(
    network: Network, *, max_velocity_m: float, tolerance: float = TOLERANCE
) -> dict[str, Factors]:
    """Factors of the layers behind W(v), by the name of their weights.

    Arguments as in `factor_population`, for every population. Layers that this would make less than
    a tenth smaller are left out.
    """
    found = {}
    names = layers_behind_matrices(network.state_dict())
    for member, name in zip(members_of(network), names, strict=True):
        factors = factor_population(member, max_velocity_m=max_velocity_m, tolerance=tolerance)
        if factors:
            found[name] = factors
    return found


@torch.no_grad()
def factor_population(
    network: GridNetwork, *, max_velocity_m: float, tolerance: float = TOLERANCE
) -> Factors | None:
    r"""The layer behind W(v) in the lowest rank that keeps W(v).

    h(v) is a smooth function of two numbers and stays near a space of few dimensions, so A may lose
    what no velocity excites. With C = E[h h'] over velocities, the best A of rank r is U U'A, where
    U are the first r left singular vectors of A C^(1/2).

    Args:
        network: the network.
        max_velocity_m: W(v) is kept for velocities up to sqrt(2) times this, the corners of the
            square of training velocities.
        tolerance: largest `error`.

    Returns:
        The factors; None where they would save less than a tenth of the numbers.
    """
    transition = network.transition
    assert isinstance(transition, VelocityTransition)
    *hidden_layers, last = transition.mlp
    assert isinstance(last, nn.Linear)
    generator = torch.Generator().manual_seed(0)
    radius, angle = torch.rand(2, SAMPLES, generator=generator, dtype=torch.float64)
    radius, angle = math.sqrt(2) * max_velocity_m * radius.sqrt(), 2 * math.pi * angle
    hidden = (
        torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1).to(last.weight.dtype)
        / transition.velocity_scale_m
    )
    for layer in hidden_layers:
        hidden = layer(hidden)
    h, weight, bias = hidden.double(), last.weight.double(), last.bias.double()
    values, vectors = torch.linalg.eigh(h.T @ h / len(h))
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    gram = weight.T @ weight
    squares, right = torch.linalg.eigh(root @ gram @ root)
    squares, right = squares.flip(0).clamp_min(0), right.flip(1)
    mean = h.mean(dim=0)
    whole = squares.sum() + 2 * bias @ (weight @ mean) + bias @ bias  # E |W(v)|^2
    lost = (
        torch.cat([squares.flip(0).cumsum(0).flip(0), squares.new_zeros(1)]) / whole
    )  # By the rank that is kept.
    rank = max(1, int((lost.sqrt() <= tolerance).nonzero()[0]))
    if rank * (len(weight) + len(gram)) > 0.9 * weight.numel():
        return None
    left = weight @ root @ right[:, :rank] / squares[:rank].sqrt()
    scale = left.abs().amax(dim=0)
    return Factors(
        (left / scale).float(),
        (scale[:, None] * (left.T @ weight)).float(),
        float(lost[rank].sqrt()),
    )


def factored(weights: Mapping[str, Tensor], factors: Mapping[str, Factors]) -> dict[str, Tensor]:
    """Weights with factors in place of the layers that have them, for `pack_weights`."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name in factors:
            found |= {name + LEFT: factors[name].left, name + RIGHT: factors[name].right}
        else:
            found[name] = value
    return found
