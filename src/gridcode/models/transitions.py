"""From a velocity to the recurrent matrix W(v)."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from gridcode.errors import InputError

ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh}


class VelocityTransition(nn.Module):
    """W(v) = MLP(v / scale), an N x N matrix for each velocity (paper, section 5.2).

    Args:
        units: N.
        hidden_widths: widths of the hidden layers.
        activation: `silu`, `gelu`, `relu` or `tanh`. Smooth ones integrate paths far better than ReLU.
        velocity_scale_m: velocities are divided by this first, metres per step.
        initialisation: `identity` halves the last layer's weights and sets its bias to the identity, so that
            the untrained network already keeps its state; `default` leaves PyTorch's initialisation.
        connectivity_radius: units lie on a ring and W joins those at most this many places apart; all other entries of W
            are and stay zero for every velocity. 0 joins all.
        generator: source of the initial weights.
        dtype: floating-point type of the weights.

    Raises:
        InputError: an unknown activation or initialisation.
    """

    _joined: Tensor

    def __init__(
        self,
        units: int,
        *,
        hidden_widths: Sequence[int] = (64, 64),
        activation: str = "silu",
        velocity_scale_m: float = 0.15,
        initialisation: str = "identity",
        connectivity_radius: int = 0,
        generator: Generator,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise InputError(f"unknown activation '{activation}': choose {', '.join(ACTIVATIONS)}")
        if initialisation not in ("identity", "default"):
            raise InputError(f"unknown initialisation '{initialisation}': choose identity or default")
        if not 0 <= 2 * connectivity_radius < units:
            raise InputError(f"connectivity_radius must be below half of {units} units and not negative, not {connectivity_radius}")
        self.units = units
        self.velocity_scale_m = velocity_scale_m
        widths = [2, *hidden_widths]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [_linear(before, after, generator, dtype), ACTIVATIONS[activation]()]
        last = _linear(widths[-1], units * units, generator, dtype)
        if initialisation == "identity":
            with torch.no_grad():
                last.weight.mul_(0.5)
                last.bias.copy_(torch.eye(units, dtype=dtype).flatten())
        self.mlp = nn.Sequential(*layers, last)
        if connectivity_radius:
            self._restrict(last, connectivity_radius)

    def _restrict(self, last: nn.Linear, radius: int) -> None:
        """Zero the weights between units further apart, and keep them so: their gradient is zero, and so are AdamW's moments."""
        joined = ring_distance(self.units) <= radius
        mask = joined.flatten().to(last.weight.dtype)
        with torch.no_grad():
            last.bias.mul_(mask)
            # What a unit receives keeps its variance although it comes from fewer units.
            last.weight.mul_(mask.unsqueeze(1) * (self.units / joined.sum(dim=1)[0]) ** 0.5)
        self.register_buffer("_joined", mask, persistent=False)
        last.weight.register_hook(lambda gradient: gradient * self._joined.unsqueeze(1))
        last.bias.register_hook(lambda gradient: gradient * self._joined)

    def forward(self, velocities: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch units units"]:
        """Matrices W, `W[..., i, j]` from unit j to unit i, for velocities in metres per step."""
        flat: Tensor = self.mlp(velocities / self.velocity_scale_m)
        return flat.view(*velocities.shape[:-1], self.units, self.units)


def ring_distance(units: int) -> Int[Tensor, "units units"]:
    """Places between two units on a ring of units, along the shorter way."""
    place = torch.arange(units)
    apart = (place.unsqueeze(1) - place).abs()
    return torch.minimum(apart, units - apart)


def _linear(inputs: int, outputs: int, generator: Generator, dtype: torch.dtype) -> nn.Linear:
    # The distribution of nn.Linear's own initialisation, from an explicit generator.
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=dtype)
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            parameter.copy_((2 * torch.rand(parameter.shape, generator=generator, dtype=torch.float64) - 1) * bound)
    return layer
