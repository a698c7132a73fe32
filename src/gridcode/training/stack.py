"""Populations of one size of several networks, stacked: their weights, matrices, states and AdamW in operations over all of them."""

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
    """x W^T + b of every network; autograd's own would make the weights' gradient transposed and copy it."""

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
    """The populations of one size of every network: rows of the stack go through networks, and within each through its populations.

    Args:
        members: the populations as freshly initialised networks, network by network.
        which: the place of each of a network's stacked populations among all of its populations.
        config: what all networks share.
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
        self._stacked, self.weights, self._places = stack_parameters(members, device)
        self._update = (FusedUpdate if kernels else UpdateInTurn)(
            self.weights, self._places, config.training
        )

    def each(self, values: Tensor) -> Tensor:
        """Something of every network, (network, ...), as (row, ...)."""
        return values.repeat_interleave(len(self.which), dim=0) if len(self.which) > 1 else values

    def by_network(self, values: Tensor) -> Tensor:
        """Something of every row, (row, ...), as (network, stacked population, ...)."""
        return values.unflatten(0, (-1, len(self.which)))

    def batch(self, batch: Batch) -> Batch:
        """The networks' batches, one for each row."""
        return Batch(
            self.each(batch.velocities), self.each(batch.orders), self.each(batch.positions)
        )

    def _matrices(
        self, velocities: Float[Tensor, "row velocity 2"]
    ) -> Float[Tensor, "row velocity units units"]:
        x = velocities / self._config.velocity_scale_m
        for place, layer in enumerate(self._layers):
            if isinstance(layer, nn.Linear):
                name = f"transition.mlp.{place}"
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
        """So that backward keeps the gradients it makes instead of adding to old ones."""
        for parameter in self._stacked.values():
            parameter.grad = None

    def gradient(self) -> Float[Tensor, "row weight"]:
        """Gradients of all weights."""
        return gather_gradients(self._stacked, self._places)

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
        """What a step changes besides the weights; AdamW's may come to be in the first step."""
        return self._update.tensors()

    def snapshot(self, network: int) -> list[tuple[int, dict[str, Tensor], dict[str, Tensor]]]:
        """Of each of a network's stacked populations its place, weights and AdamW's tensors, on the CPU."""
        found = []
        for number, place in enumerate(self.which):
            row = network * len(self.which) + number
            weights = {name: value.detach()[row].cpu() for name, value in self._stacked.items()}
            found.append(
                (
                    place,
                    weights,
                    {name: value.detach().cpu() for name, value in self._update.state(row).items()},
                )
            )
        return found

    @torch.no_grad()
    def restore(
        self, network: int, place: int, weights: dict[str, Tensor], optimiser: dict[str, Tensor]
    ) -> None:
        """Put one population where `snapshot` found it."""
        row = network * len(self.which) + self.which.index(place)
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
        config: what all networks share.
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
