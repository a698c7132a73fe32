"""From a velocity to the recurrent matrix W(v)."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gridcode.errors import InputError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


class VelocityTransition(nn.Module):
    """W(v) = MLP(v / scale), an N x N matrix for each velocity (paper, section 5.2).

    Args:
        units: N.
        hidden_widths: widths of the hidden layers.
        activation: `silu`, `gelu`, `relu` or `tanh`. Smooth ones integrate paths far better than
            ReLU.
        velocity_scale_m: velocities are divided by this first, metres per step.
        dimensions: axes of a velocity.
        initialisation: `identity` halves the last layer's weights and sets its bias to the
            identity, so that the untrained network already keeps its state; `default` leaves
            PyTorch's initialisation.
        generator: source of the initial weights.
        dtype: floating-point type of the weights.

    Raises:
        InputError: an unknown activation or initialisation.
    """

    def __init__(
        self,
        units: int,
        *,
        hidden_widths: Sequence[int] = (64, 64),
        activation: str = "silu",
        velocity_scale_m: float = 0.15,
        dimensions: int = 2,
        initialisation: str = "identity",
        generator: Generator,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise InputError(f"unknown activation '{activation}': choose {', '.join(ACTIVATIONS)}")
        if initialisation not in ("identity", "default"):
            raise InputError(
                f"unknown initialisation '{initialisation}': choose identity or default"
            )
        self.units = units
        self.velocity_scale_m = velocity_scale_m
        self.dimensions = dimensions
        widths = [dimensions, *hidden_widths]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [_linear(before, after, generator, dtype), ACTIVATIONS[activation]()]
        last = _linear(widths[-1], units * units, generator, dtype)
        if initialisation == "identity":
            with torch.no_grad():
                last.weight.mul_(0.5)
                last.bias.copy_(torch.eye(units, dtype=dtype).flatten())
        self.mlp = nn.Sequential(*layers, last)

    def forward(
        self, velocities: Float[Tensor, "*batch axis"]
    ) -> Float[Tensor, "*batch units units"]:
        """Matrices W, `W[..., i, j]` from unit j to unit i, for velocities in metres per step."""
        flat: Tensor = self.mlp(velocities / self.velocity_scale_m)
        return flat.view(*velocities.shape[:-1], self.units, self.units)


def _linear(inputs: int, outputs: int, generator: Generator, dtype: torch.dtype) -> nn.Linear:
    # The distribution of nn.Linear's own initialisation, from an explicit generator.
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=dtype)
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            parameter.copy_(
                (2 * torch.rand(parameter.shape, generator=generator, dtype=torch.float64) - 1)
                * bound
            )
    return layer
