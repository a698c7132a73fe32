"""Weights in little room: rounding and low rank, in one safetensors file.

Nearly all numbers of a network are the weights A of the layer that gives W(v) = A h(v) + b, N^2
rows of as many numbers as there are hidden units (in each population, where there are several).
Only they are rounded or factored; all other tensors stay in float32.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from gridcode.errors import InputError
from gridcode.models.network import GridNetwork
from gridcode.models.populations import Network, members_of

# An eighth of what rounding to float16 does to W(v) (measured: 1.3e-4 to 1.6e-4 of it).
FACTOR_TOLERANCE = 2e-5
SAMPLES = 4000
LEFT, RIGHT = ":left", ":right"
ROUNDED = {"float16": torch.float16, "float32": torch.float32}


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
    network: Network, *, max_velocity_m: float, tolerance: float = FACTOR_TOLERANCE
) -> dict[str, Factors]:
    """The layers behind W(v) in low rank, by the name of their weights; those are left out that this would save less than a tenth of.

    Arguments as in `factor_population`, for every population.
    """
    found = {}
    for member, name in zip(
        members_of(network), _behind_matrices(network.state_dict()), strict=True
    ):
        factors = factor_population(member, max_velocity_m=max_velocity_m, tolerance=tolerance)
        if factors:
            found[name] = factors
    return found


@torch.no_grad()
def factor_population(
    network: GridNetwork, *, max_velocity_m: float, tolerance: float = FACTOR_TOLERANCE
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
    *hidden_layers, last = network.transition.mlp
    assert isinstance(last, nn.Linear)
    generator = torch.Generator().manual_seed(0)
    radius, angle = torch.rand(2, SAMPLES, generator=generator, dtype=torch.float64)
    radius, angle = math.sqrt(2) * max_velocity_m * radius.sqrt(), 2 * math.pi * angle
    hidden = (
        torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1).to(last.weight.dtype)
        / network.transition.velocity_scale_m
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
    )  # by the rank that is kept
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


def _behind_matrices(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that give W(v): the largest of each population."""
    largest: dict[str, str] = {}
    for name, value in weights.items():
        head = re.match(r"(populations\.\d+\.)?", name)
        assert head is not None
        if head[0] not in largest or value.numel() > weights[largest[head[0]]].numel():
            largest[head[0]] = name
    return list(largest.values())


def pack(
    network: Network, *, dtype: str = "float32", factors: Mapping[str, Factors] | None = None
) -> bytes:
    """The weights of a network as a safetensors file; arguments as in `pack_weights`."""
    return pack_weights(network.state_dict(), dtype=dtype, factors=factors)


def pack_weights(
    weights: Mapping[str, Tensor],
    *,
    dtype: str = "float32",
    factors: Mapping[str, Factors] | None = None,
) -> bytes:
    """Weights as a safetensors file.

    Args:
        weights: the network's tensors by name.
        dtype: what the layers behind W(v) are rounded to: `float16` or `float32`.
        factors: those of these layers that are kept in low rank, from `factor`; all others are kept
            whole.

    Raises:
        InputError: a weight that this dtype cannot hold.
    """
    tensors = {name: value.detach().cpu() for name, value in weights.items()}
    tensors = {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    rounded: dict[str, Tensor] = {}
    for large in _behind_matrices(tensors):
        whole = tensors.pop(large)
        if factors and large in factors:
            rounded[large + LEFT] = factors[large].left.to(ROUNDED[dtype])
            tensors[large + RIGHT] = factors[large].right
        else:
            rounded[large] = whole.to(ROUNDED[dtype])
    for name, value in (tensors | rounded).items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(
                f"{name} has weights that are not finite in {dtype if name in rounded else 'float32'}"
            )
    packed = tensors | rounded
    return safetensors.torch.save({name: packed[name].contiguous() for name in sorted(packed)})


def unpack(data: bytes) -> dict[str, Tensor]:
    """The weights by name, float32, from a file that `pack` wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        packed = safetensors.torch.load(data)
        tensors = {
            name: value.float() if value.is_floating_point() else value
            for name, value in packed.items()
        }
        for name in [name for name in tensors if name.endswith(LEFT)]:
            whole = name.removesuffix(LEFT)
            tensors[whole] = tensors.pop(name) @ tensors.pop(whole + RIGHT)
    except (SafetensorError, KeyError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"the weights are damaged ({str(error).splitlines()[0]})") from None
    return tensors
