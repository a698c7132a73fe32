"""The weighted sum of the four terms, each under its name."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gridcode.config import LossConfig
from gridcode.losses.pairwise import pair_terms, sample_states
from gridcode.losses.terms import IsometryForm, capacity, conformal_isometry
from gridcode.records import Batch


@dataclass(frozen=True)
class Terms:
    """The objective and its terms, unweighted; `total` alone is meant to be differentiated."""

    total: Float[Tensor, ""]
    separation: Float[Tensor, ""]
    invariance: Float[Tensor, ""]
    capacity: Float[Tensor, ""]
    isometry: Float[Tensor, ""]

    def floats(self) -> dict[str, float]:
        """The values by name, the objective as `loss`."""
        names = ("total", "separation", "invariance", "capacity", "isometry")
        values = torch.stack([getattr(self, name).detach() for name in names]).tolist()
        return dict(zip(("loss", *names[1:]), values, strict=True))


def isometry_weights(config: LossConfig, step: int) -> tuple[float, float]:
    """Weights of (the form in use, the early raw form) at a step.

    The early raw form holds until the ramp starts; the form in use then rises linearly to its full weight.
    """
    begin, end = config.isometry_ramp
    if step < begin:
        return 0.0, config.isometry_early_raw
    rise = 1.0 if step >= end else (step - begin) / (end - begin)
    return config.isometry * rise, 0.0


def objective(states: Float[Tensor, "time trajectory units"], batch: Batch, config: LossConfig, *, step: int, generator: Generator) -> Terms:
    """All terms on the states of a training batch.

    Args:
        states: as the network gives them, the start included.
        batch: what was walked.
        config: weights and scales.
        step: the optimiser step, for the isometry ramp.
        generator: draws the states to compare, where pairs are sampled.
    """
    g, x = states, batch.positions
    if config.pairs == "sampled":
        g, x = sample_states(g, x, count=config.sampled_states, generator=generator)
    pairs = pair_terms(
        g,
        x,
        sigma_x=config.sigma_x_m,
        sigma_g=config.sigma_g,
        separation_weight=config.separation,
        invariance_weight=config.invariance,
        reduction=config.reduction,
    )
    total = pairs.weighted
    mean_state = capacity(states)
    total = total + config.capacity * mean_state
    weight, raw_weight = isometry_weights(config, step)
    # What is reported is always the form in use, so that a curve does not jump where the early form ends.
    isometry = _isometry(states if weight else states.detach(), batch, config, config.isometry_form)
    if weight:
        total = total + weight * isometry
    if raw_weight:
        total = total + raw_weight * _isometry(states, batch, config, "raw")
    return Terms(total=total, separation=pairs.separation, invariance=pairs.invariance, capacity=mean_state, isometry=isometry)


def _isometry(states: Tensor, batch: Batch, config: LossConfig, form: IsometryForm) -> Float[Tensor, ""]:
    # Only the steps with short velocities are gathered: about one in ten.
    speed = torch.linalg.vector_norm(batch.velocities, dim=1)
    short = ((speed > 0) & (speed < config.isometry_range_m))[batch.orders.T]
    step, trajectory = short.nonzero(as_tuple=True)
    flat = states.view(-1, states.shape[-1])
    index = step * states.shape[1] + trajectory
    return conformal_isometry(
        flat.index_select(0, index),
        flat.index_select(0, index + states.shape[1]),
        batch.velocities[batch.orders.T[step, trajectory]],
        sigma_x=config.isometry_range_m,
        form=form,
    )
