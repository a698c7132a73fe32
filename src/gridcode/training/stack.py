"""Populations of one size of several networks, stacked: operations over all of them at once."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gridcode.config import Config
from gridcode.models.network import GridNetwork
from gridcode.models.recurrence import norm_relu, rollout
from gridcode.models.transition import VelocityTransition
from gridcode.training.update import FusedUpdate, UpdateInTurn, gather_gradients, stack_parameters
from gridcode.world.permutations import Batch


class _Linear(torch.autograd.Function):
    """x W^T + b of every network, without autograd's copy of the weights' transposed gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        (d,) = gradients
        return (
            torch.bmm(d, weight) if ctx.needs_input_grad[0] else None,
            torch.bmm(d.transpose(1, 2), x),
            d.sum(dim=1),
        )


class PopulationStack:
    """The populations of one size of every network; rows are ordered by network, then population.

    Args:
        members: the populations as freshly initialised networks, network by network.
        which: the indices of a network's stacked populations among all of its populations.
        config: the settings common to all networks.
        device: where to compute.
        kernels: use the Triton kernels.

    Attributes:
        which: as given.
        weights: all trained weights, (row, weight).
    """

    def __init__(
        self,
        members: Sequence[GridNetwork],
        which: Sequence[int],
        config: Config,
        *,
        device: torch.device,
        kernels: bool,
    ) -> None:
        self.which = list(which)
        self._config, self._kernels = config.model, kernels
        transition = members[0].transition
        assert isinstance(transition, VelocityTransition)
        self._layers, self._units = transition.mlp, transition.units
        self._stacked, self.weights, self._slices = stack_parameters(members, device)
        self._update = (FusedUpdate if kernels else UpdateInTurn)(
            self.weights, self._slices, config.training
        )

    def each(self, values: Tensor) -> Tensor:
        """Values of every network, (network, ...), as (row, ...)."""
        return values.repeat_interleave(len(self.which), dim=0) if len(self.which) > 1 else values

    def by_network(self, values: Tensor) -> Tensor:
        """Values of every row, (row, ...), as (network, stacked population, ...)."""
        return values.unflatten(0, (-1, len(self.which)))

    def batch(self, batch: Batch) -> Batch:
        """The networks' batches, one for each row."""
        return Batch(
            self.each(batch.velocities), self.each(batch.orders), self.each(batch.positions)
        )

    def _matrices(
        self, velocities: Float[Tensor, "row velocity axis"]
    ) -> Float[Tensor, "row velocity units units"]:
        x = velocities / self._config.velocity_scale_m
        for number, layer in enumerate(self._layers):
            if isinstance(layer, nn.Linear):
                name = f"transition.mlp.{number}"
                x = _Linear.apply(x, self._stacked[f"{name}.weight"], self._stacked[f"{name}.bias"])
            else:
                x = layer(x)
        return x.view(*x.shape[:-1], self._units, self._units)

    def states(self, batch: Batch) -> Float[Tensor, "row time trajectory units"]:
        """States along the trajectories of a batch with the rows on its leading axis."""
        matrices, start = self._matrices(batch.velocities), norm_relu(self._stacked["start"])
        norm = self._config.norm
        if self._kernels:
            from gridcode.gpu.rollout import fused_rollout

            return fused_rollout(matrices, start, batch.orders, norm=norm)
        return torch.stack(
            [
                rollout(w, g, orders, norm=norm)
                for w, g, orders in zip(matrices, start, batch.orders, strict=True)
            ]
        )

    # -- optimisation ------------------------------

    def forget_gradients(self) -> None:
        """Let the backward pass set new gradients instead of adding to the old ones."""
        for parameter in self._stacked.values():
            parameter.grad = None

    def gradient(self) -> Float[Tensor, "row weight"]:
        """Gradients of all weights."""
        return gather_gradients(self._stacked, self._slices)

    def update(
        self,
        gradient: Float[Tensor, "row weight"],
        *,
        rates: Tensor,
        scales: Tensor,
        failed: Tensor,
    ) -> None:
        """One step of AdamW; rates, factors of clipping and failures are (network,)."""
        self._update(
            gradient, rates=self.each(rates), scales=self.each(scales), failed=self.each(failed)
        )

    def tensors(self) -> list[Tensor]:
        """The tensors that a step changes, apart from the weights; some exist after the first."""
        return self._update.tensors()

    def snapshot(self, network: int) -> list[tuple[int, dict[str, Tensor], dict[str, Tensor]]]:
        """Index, weights and AdamW's tensors of a network's stacked populations, on the CPU."""
        found = []
        for number, index in enumerate(self.which):
            row = network * len(self.which) + number
            weights = {name: value.detach()[row].cpu() for name, value in self._stacked.items()}
            state = self._update.state(row)
            found.append((index, weights, {k: v.detach().cpu() for k, v in state.items()}))
        return found

    @torch.no_grad()
    def restore(
        self, network: int, index: int, weights: dict[str, Tensor], optimiser: dict[str, Tensor]
    ) -> None:
        """Return one population to its state in a `snapshot`."""
        row = network * len(self.which) + self.which.index(index)
        for name, stacked in self._stacked.items():
            stacked.detach()[row].copy_(weights[name])
        self._update.restore(row, optimiser)


def stack_populations(
    networks: Sequence[Sequence[GridNetwork]],
    config: Config,
    *,
    device: torch.device,
    kernels: bool,
) -> list[PopulationStack]:
    """A stack for each size of population.

    Args:
        networks: the populations of each network.
        config: the settings common to all networks.
        device: where to compute.
        kernels: use the Triton kernels.
    """
    sizes = config.model.sizes
    stacks = []
    for size in dict.fromkeys(sizes):
        which = [k for k, own in enumerate(sizes) if own == size]
        stacks.append(
            PopulationStack(
                [members[k] for members in networks for k in which],
                which,
                config,
                device=device,
                kernels=kernels,
            )
        )
    return stacks
