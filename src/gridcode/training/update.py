"""The weights of several networks in one array, and AdamW on them: every network with its own rate, clipping and fate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW

from gridcode.config import TrainingConfig
from gridcode.models.network import GridNetwork

# Every parameter begins at a multiple of so many numbers (256 bytes), as if it had memory of its
# own.
ALIGNED = 64


@dataclass(frozen=True)
class Place:
    """Where a parameter lies in a network's row: its numbers from `first` to `last`, then zeros up to `end`."""

    first: int
    last: int
    end: int
    shape: torch.Size

    def of(self, row: Float[Tensor, "*network weight"]) -> Tensor:
        """The parameter, or its moments, as a view of rows."""
        return row[..., self.first : self.last].view(*row.shape[:-1], *self.shape)


def stack_parameters(
    networks: Sequence[GridNetwork], device: torch.device | str
) -> tuple[dict[str, Tensor], Float[Tensor, "network weight"], dict[str, Place]]:
    """Parameters with the network's axis in front; the trained ones are views of one array.

    Args:
        networks: networks of one shape.
        device: where the result lies.

    Returns:
        All parameters by name (trained ones require gradients), the array of the trained ones, and
        their places in it.
    """
    places: dict[str, Place] = {}
    end = 0
    for name, parameter in networks[0].named_parameters():
        if parameter.requires_grad:
            first, last = end, end + parameter.numel()
            end = -(-last // ALIGNED) * ALIGNED
            places[name] = Place(first, last, end, parameter.shape)
    weights = torch.zeros(len(networks), end, dtype=networks[0].start.dtype, device=device)
    stacked = {}
    for name, _ in networks[0].named_parameters():
        values = torch.stack([n.get_parameter(name).detach() for n in networks]).to(device)
        stacked[name] = (
            places[name].of(weights).copy_(values).requires_grad_() if name in places else values
        )
    return stacked, weights, places


def gather_gradients(
    stacked: dict[str, Tensor], places: dict[str, Place]
) -> Float[Tensor, "network weight"]:
    """The parameters' gradients as rows like those of the weights."""
    rows = []
    for name, place in places.items():
        gradient = stacked[name].grad
        assert gradient is not None
        rows.append(gradient.flatten(1))
        if place.end > place.last:
            rows.append(gradient.new_zeros(len(gradient), place.end - place.last))
    return torch.cat(rows, dim=1)


class FusedUpdate:
    """AdamW of all networks in one kernel; float32 only.

    Args:
        weights: the array of weights, changed in place.
        places: what lies where in it.
        training: decay rates and weight decay.
    """

    def __init__(
        self,
        weights: Float[Tensor, "network weight"],
        places: dict[str, Place],
        training: TrainingConfig,
    ) -> None:
        self._weights, self._places, self._training = weights, places, training
        self._moments = [torch.zeros_like(weights) for _ in range(2)]
        self._steps = torch.zeros(len(weights), dtype=torch.float32, device=weights.device)

    def __call__(self, gradients: Tensor, *, rates: Tensor, scales: Tensor, failed: Tensor) -> None:
        """One step with the gradients divided by `scales`; networks with `failed` 1 stay as they are. All (network, ...)."""
        from gridcode.gpu.adamw import adamw_step

        adamw_step(
            self._weights,
            gradients,
            self._moments[0],
            self._moments[1],
            self._steps,
            rates=rates.float(),
            scales=scales,
            failed=failed,
            betas=self._training.betas,
            weight_decay=self._training.weight_decay,
        )

    def tensors(self) -> list[Tensor]:
        """What a step changes besides the weights."""
        return [*self._moments, self._steps]

    def state(self, network: int) -> dict[str, Tensor]:
        """A network's moments and steps, named as PyTorch's AdamW would by `parameter.key`."""
        found: dict[str, Tensor] = {}
        for name, place in self._places.items():
            mean, square = (place.of(m[network]) for m in self._moments)
            found |= {
                f"{name}.step": self._steps[network],
                f"{name}.exp_avg": mean,
                f"{name}.exp_avg_sq": square,
            }
        return found

    def restore(self, network: int, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave; from the beginning where it is empty."""
        for name, place in self._places.items():
            for moment, key in zip(self._moments, ("exp_avg", "exp_avg_sq"), strict=True):
                if f"{name}.{key}" in state:
                    place.of(moment[network]).copy_(state[f"{name}.{key}"])
                    self._steps[network].copy_(state[f"{name}.step"])


class UpdateInTurn:
    """PyTorch's AdamW on one network after the other: what runs where the kernel does not.

    Arguments and methods as in `FusedUpdate`.
    """

    def __init__(
        self,
        weights: Float[Tensor, "network weight"],
        places: dict[str, Place],
        training: TrainingConfig,
    ) -> None:
        self._parameters = [
            {name: nn.Parameter(place.of(row)) for name, place in places.items()} for row in weights
        ]
        self._places = places
        self._optimisers = [
            AdamW(
                own.values(),
                lr=training.learning_rate,
                betas=training.betas,
                weight_decay=training.weight_decay,
                fused=True,
            )
            for own in self._parameters
        ]

    def __call__(self, gradients: Tensor, *, rates: Tensor, scales: Tensor, failed: Tensor) -> None:
        """As in `FusedUpdate`."""
        for own, optimiser, row, rate, scale, bad in zip(
            self._parameters, self._optimisers, gradients, rates, scales, failed, strict=True
        ):
            if bad:
                continue
            in_float32 = row.dtype == torch.float32
            for name, place in self._places.items():
                own[name].grad = place.of(row if in_float32 else row / scale)
            optimiser.param_groups[0]["lr"] = float(rate)
            # The fused update divides by this, but takes float32 only.
            optimiser.grad_scale = scale if in_float32 else None
            optimiser.step()

    def tensors(self) -> list[Tensor]:
        """As in `FusedUpdate`; empty before the first step."""
        return [
            value
            for o in self._optimisers
            for state in o.state.values()
            for value in state.values()
        ]

    def state(self, network: int) -> dict[str, Tensor]:
        """As in `FusedUpdate`."""
        optimiser = self._optimisers[network]
        return {
            f"{name}.{key}": v
            for name, p in self._parameters[network].items()
            for key, v in optimiser.state.get(p, {}).items()
        }

    def restore(self, network: int, state: dict[str, Tensor]) -> None:
        """As in `FusedUpdate`."""
        for name, parameter in self._parameters[network].items():
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in state.items()
                if key.startswith(f"{name}.")
            }
            if own:
                self._optimisers[network].state[parameter] = {
                    k: v.to(parameter.device, copy=True) for k, v in own.items()
                }
