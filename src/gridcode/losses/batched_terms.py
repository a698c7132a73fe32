"""The objective of several networks at once, each with its own weights and scales.

Nothing here waits for the device and no shape depends on values, so a CUDA graph can hold it: steps
too long for the isometry loss are masked, not left out. Equal to `gridcode.losses.objective` of
each network alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from gridcode.config import LossConfig
from gridcode.losses.pairwise import flat_pair_terms
from gridcode.losses.terms import SHORTEST_STEP, SMALLEST_SQUARE, IsometryForm, Reduction
from gridcode.world.permutations import Batch

# (g, x, *, sigma_x, sigma_g, separation_weight, invariance_weight, reduction) -> (weighted,
# separation, invariance)
PairTermsOfNetworks = Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class LossSettings:
    """The numbers of a `LossConfig` that may differ between networks, each (network,)."""

    sigma_x: Float[Tensor, " network"]
    sigma_g: Float[Tensor, " network"]
    separation: Float[Tensor, " network"]
    invariance: Float[Tensor, " network"]
    capacity: Float[Tensor, " network"]
    isometry_range: Float[Tensor, " network"]

    @classmethod
    def of(
        cls, configs: list[LossConfig], *, dtype: torch.dtype, device: torch.device | str
    ) -> "LossSettings":
        """The settings of several configurations."""

        def column(name: str) -> Tensor:
            return torch.tensor([getattr(c, name) for c in configs], dtype=dtype, device=device)

        names = ("sigma_x_m", "sigma_g", "separation", "invariance", "capacity", "isometry_range_m")
        return cls(*(column(name) for name in names))

    def map(self, change: Callable[[Tensor], Tensor]) -> "LossSettings":
        """The settings, each changed."""
        return LossSettings(*(change(value) for value in vars(self).values()))


@dataclass(frozen=True)
class BatchedTerms:
    """`Terms` of several networks, each (network,)."""

    total: Float[Tensor, " network"]
    separation: Float[Tensor, " network"]
    invariance: Float[Tensor, " network"]
    capacity: Float[Tensor, " network"]
    isometry: Float[Tensor, " network"]


def pair_terms_in_turn(
    g: Float[Tensor, "network state units"],
    x: Float[Tensor, "network state axis"],
    *,
    sigma_x: Float[Tensor, " network"],
    sigma_g: Float[Tensor, " network"],
    separation_weight: Float[Tensor, " network"],
    invariance_weight: Float[Tensor, " network"],
    reduction: Reduction,
) -> tuple[Float[Tensor, " network"], Float[Tensor, " network"], Float[Tensor, " network"]]:
    """`pair_terms` of one network after the other, used without the GPU's kernels."""
    settings = zip(
        *(s.tolist() for s in (sigma_x, sigma_g, separation_weight, invariance_weight)), strict=True
    )
    terms = [
        flat_pair_terms(one, places, sigma_x=a, sigma_g=b, weights=(c, d), reduction=reduction)
        for one, places, (a, b, c, d) in zip(g, x, settings, strict=True)
    ]
    return (
        torch.stack([t.weighted for t in terms]),
        torch.stack([t.separation for t in terms]),
        torch.stack([t.invariance for t in terms]),
    )


class _Isometry(torch.autograd.Function):
    """Weighted isometry terms of every network, with the gradient in closed form.

    With r = |dg| / |v| over n steps, d Var(r) / dr = 2 (r - mean) / (n - 1) and dr / d(dg) = dg /
    (|dg| |v|).
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        speed: Tensor,
        counts: Tensor,
        reach: Tensor,
        form: IsometryForm,
        weight: Tensor,
        raw_weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        moved = states[:, 1:] - states[:, :-1]
        length = ((moved * moved).sum(dim=-1) + SMALLEST_SQUARE).sqrt()
        bounded = torch.maximum(speed, SHORTEST_STEP * reach[:, None, None])
        n = counts.sum(dim=(1, 2))
        enough = n > 1
        ratio = length / bounded
        mean = (ratio * counts).sum(dim=(1, 2)) / n.clamp_min(1)
        off = (ratio - mean[:, None, None]) * counts
        raw = torch.where(enough, (off * off).sum(dim=(1, 2)) / (n - 1).clamp_min(1), 0.0)
        per_square = mean.clamp_min(SMALLEST_SQUARE) ** -2
        shown = raw * per_square if form == "scale_free" else raw
        in_all = weight * (per_square if form == "scale_free" else 1.0) + raw_weight
        factor = torch.where(enough, 2 * in_all / (n - 1).clamp_min(1), 0.0)
        ctx.save_for_backward(moved, factor[:, None, None] * off / (length * bounded))
        ctx.mark_non_differentiable(shown)
        ctx.set_materialize_grads(False)  # `shown` gets no gradient.
        return raw * in_all, shown

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        moved, factor = ctx.saved_tensors
        assert gradients[0] is not None
        pull = moved * (factor * gradients[0][:, None, None]).unsqueeze(-1)
        d_states = torch.nn.functional.pad(pull, (0, 0, 0, 0, 1, 0))
        d_states[:, :-1] -= pull
        return d_states, None, None, None, None, None, None


def batched_isometry(
    states: Float[Tensor, "network time trajectory units"],
    batch: Batch,
    config: LossConfig,
    settings: LossSettings,
    *,
    weight: Float[Tensor, " network"],
    early_raw_weight: Float[Tensor, " network"],
) -> tuple[Float[Tensor, " network"], Float[Tensor, " network"]]:
    """The weighted isometry terms, and the unweighted form in use.

    Args:
        states: states of the networks, the starts included.
        batch: their velocities and orders, the networks on the leading axis.
        config: settings common to all networks: the form.
        settings: those of each network.
        weight: weight of the form in use at this step (`isometry_weights`).
        early_raw_weight: weight of the early raw form at this step.
    """
    taken = batch.orders.transpose(1, 2)  # (network, step, trajectory)
    speed = torch.linalg.vector_norm(batch.velocities, dim=-1)
    speed = speed.gather(1, taken.flatten(1)).view(taken.shape)
    counts = ((speed > 0) & (speed < settings.isometry_range[:, None, None])).to(states.dtype)
    weighted, shown = _Isometry.apply(
        states,
        speed,
        counts,
        settings.isometry_range,
        config.isometry_form,
        weight,
        early_raw_weight,
    )
    return weighted, shown.detach()


def batched_objective(
    states: Float[Tensor, "network time trajectory units"],
    batch: Batch,
    config: LossConfig,
    settings: LossSettings,
    *,
    pick: Int[Tensor, "network picked"] | None,
    isometry: tuple[Float[Tensor, " network"], Float[Tensor, " network"]],
    pair_terms_of_networks: PairTermsOfNetworks = pair_terms_in_turn,
) -> BatchedTerms:
    """All terms on the states of the networks' training batches.

    Args:
        states: states of the networks, the starts included.
        batch: their positions, the networks on the leading axis.
        config: settings common to all networks: the reduction.
        settings: those of each network.
        pick: the states to compare, from `choose_states`; None compares all.
        isometry: the result of `batched_isometry`, of these states or of populations of them.
        pair_terms_of_networks: computes the pair terms.
    """
    g, x = states.flatten(1, 2), batch.positions.flatten(1, 2)
    mean = g.mean(dim=1)
    mean_state = -(mean * mean).sum(dim=1)
    compared = (
        (g, x)
        if pick is None
        else tuple(a.gather(1, pick.unsqueeze(-1).expand(-1, -1, a.shape[-1])) for a in (g, x))
    )
    weighted, separation, invariance = pair_terms_of_networks(
        *compared,
        sigma_x=settings.sigma_x,
        sigma_g=settings.sigma_g,
        separation_weight=settings.separation,
        invariance_weight=settings.invariance,
        reduction=config.reduction,
    )
    total = weighted + settings.capacity * mean_state + isometry[0]
    return BatchedTerms(
        total, separation.detach(), invariance.detach(), mean_state.detach(), isometry[1]
    )
