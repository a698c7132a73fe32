"""The weights of several networks in one array, and AdamW on them with a rate for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import AdamW

from gridcode.config import TrainingConfig
from gridcode.models.network import GridNetwork

# Every parameter begins at a multiple of so many numbers (256 bytes), as if allocated separately.
ALIGNED = 64


@dataclass(frozen=True)
class ParameterSlice:
    """A parameter's numbers in a network's row, `first` to `last`, then zeros up to `end`."""

    first: int
    last: int
    end: int
    shape: torch.Size

    def of(self, row: Float[Tensor, "*network weight"]) -> Tensor:
        """The parameter, or its moments, as a view of rows."""
        return row[..., self.first : self.last].view(*row.shape[:-1], *self.shape)


def stack_parameters(
    networks: Sequence[GridNetwork], device: torch.device | str
) -> tuple[dict[str, Tensor], Float[Tensor, "network weight"], dict[str, ParameterSlice]]:
    """Parameters with the network's axis in front; the trained ones are views of one array.

    Args:
        networks: networks of one shape.
        device: device of the result.

    Returns:
        All parameters by name (trained ones require gradients), the array of the trained ones, and
        their slices of it.
    """
    slices: dict[str, ParameterSlice] = {}
    end = 0
    for name, parameter in networks[0].named_parameters():
        if parameter.requires_grad:
            first, last = end, end + parameter.numel()
            end = -(-last // ALIGNED) * ALIGNED
            slices[name] = ParameterSlice(first, last, end, parameter.shape)
    weights = torch.zeros(len(networks), end, dtype=networks[0].start.dtype, device=device)
    stacked = {}
    for name, _ in networks[0].named_parameters():
        values = torch.stack([n.get_parameter(name).detach() for n in networks]).to(device)
        stacked[name] = (
            slices[name].of(weights).copy_(values).requires_grad_() if name in slices else values
        )
    return stacked, weights, slices


def gather_gradients(
    stacked: dict[str, Tensor], slices: dict[str, ParameterSlice]
) -> Float[Tensor, "network weight"]:
    """The parameters' gradients as rows like those of the weights."""
    rows = []
    for name, part in slices.items():
        gradient = stacked[name].grad
        assert gradient is not None
        rows.append(gradient.flatten(1))
        if part.end > part.last:
            rows.append(gradient.new_zeros(len(gradient), part.end - part.last))
    return torch.cat(rows, dim=1)


class FusedUpdate:
    """AdamW of all networks in one kernel; float32 only.

    Args:
        weights: the array of weights, changed in place.
        slices: the slices of the parameters.
        training: decay rates and weight decay.
    """

    def __init__(
        self,
        weights: Float[Tensor, "network weight"],
        slices: dict[str, ParameterSlice],
        training: TrainingConfig,
    ) -> None:
        self._weights, self._slices, self._training = weights, slices, training
        self._moments = [torch.zeros_like(weights) for _ in range(2)]
        self._steps = torch.zeros(len(weights), dtype=torch.float32, device=weights.device)

    def __call__(self, gradients: Tensor, *, rates: Tensor, scales: Tensor, failed: Tensor) -> None:
        """One step with gradients / `scales`; networks with `failed` 1 do not change."""
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
        """The tensors that a step changes, apart from the weights."""
        return [*self._moments, self._steps]

    def state(self, network: int) -> dict[str, Tensor]:
        """A network's moments and steps by `parameter.key`, with the keys of PyTorch's AdamW."""
        found: dict[str, Tensor] = {}
        for name, part in self._slices.items():
            mean, square = (part.of(m[network]) for m in self._moments)
            found |= {
                f"{name}.step": self._steps[network],
                f"{name}.exp_avg": mean,
                f"{name}.exp_avg_sq": square,
            }
        return found

    def restore(self, network: int, state: dict[str, Tensor]) -> None:
        """Continue from a result of `state`; from the beginning if it is empty."""
        for name, part in self._slices.items():
            for moment, key in zip(self._moments, ("exp_avg", "exp_avg_sq"), strict=True):
                if f"{name}.{key}" in state:
                    part.of(moment[network]).copy_(state[f"{name}.{key}"])
                    self._steps[network].copy_(state[f"{name}.step"])


class UpdateInTurn:
    """PyTorch's AdamW on one network after the other, used without the kernel.

    Arguments and methods as in `FusedUpdate`.
    """

    def __init__(
        self,
        weights: Float[Tensor, "network weight"],
        slices: dict[str, ParameterSlice],
        training: TrainingConfig,
    ) -> None:
        self._parameters = [
            {name: nn.Parameter(part.of(row)) for name, part in slices.items()} for row in weights
        ]
        self._slices = slices
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
            scaled = row / scale
            for name, part in self._slices.items():
                own[name].grad = part.of(scaled)
            optimiser.param_groups[0]["lr"] = float(rate)
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
