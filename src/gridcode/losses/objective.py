"""The weighted sum of the four terms, each under its name."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable

from gridcode.config import LossConfig
from gridcode.losses.blocks import BlockPairs, block_pairs
from gridcode.losses.pairwise import choose_states, pair_pass
from gridcode.losses.terms import SHORTEST_STEP, SMALLEST_SQUARE, IsometryForm, flatten
from gridcode.world.permutations import Batch
from gridcode.world.streams import UniformSource


@dataclass(frozen=True)
class Terms:
    """The objective and its terms, unweighted; `total` alone is meant to be differentiated."""

    total: Float[Tensor, ""]
    separation: Float[Tensor, ""]
    invariance: Float[Tensor, ""]
    capacity: Float[Tensor, ""]
    isometry: Float[Tensor, ""]


def isometry_weights(config: LossConfig, step: int) -> tuple[float, float]:
    """Weights of (the form in use, the early raw form) at a step.

    The early raw form holds until the ramp starts; the form in use then rises linearly to its full
    weight.
    """
    begin, end = config.isometry_ramp
    if step < begin:
        return 0.0, config.isometry_early_raw
    rise = 1.0 if step >= end else (step - begin) / (end - begin)
    return config.isometry * rise, 0.0


class _Objective(torch.autograd.Function):
    """All terms and, in the same pass, the gradient of their weighted sum."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        batch: Batch,
        config: LossConfig,
        compared: "Compared",
        weights: tuple[float, float],
        sizes: tuple[int, ...],
        workers: Executor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        wants = ctx.needs_input_grad[0]
        g, x = flatten(states, batch.positions)
        pick = compared.pick
        separation, invariance, from_pairs = pair_pass(
            g if pick is None else g.index_select(0, pick),
            x if pick is None else x.index_select(0, pick),
            sigma_x=config.sigma_x_m,
            sigma_g=config.sigma_g,
            weights=(config.separation, config.invariance),
            reduction=config.reduction,
            wants_gradient=wants,
            pairs=compared.pairs,
            workers=workers,
        )
        mean = g.mean(dim=0)
        mean_state = -(mean * mean).sum()
        scale = len(sizes) ** 0.5
        parts = states.split(sizes, dim=-1) if len(sizes) > 1 else (states,)
        steps = [_Moves.of(part, compared.short, scale) for part in parts]
        # The form in use is reported at all steps, so that its curve does not jump where the early
        # form ends.
        isometry = _mean([s.term(config.isometry_form) for s in steps])
        total = (
            config.separation * separation
            + config.invariance * invariance
            + config.capacity * mean_state
        )
        for weight, form in zip(weights, (config.isometry_form, "raw"), strict=True):
            if weight:
                total = total + weight * _mean([s.term(form) for s in steps])
        if from_pairs is not None:
            if pick is None:
                gradient = from_pairs.add_(mean, alpha=-2 * config.capacity / len(g))
            else:
                gradient = (mean * (-2 * config.capacity / len(g))).repeat(len(g), 1)
                gradient.index_add_(0, pick, from_pairs)
            for weight, form in zip(weights, (config.isometry_form, "raw"), strict=True):
                if weight:
                    for own, part in zip(steps, gradient.split(sizes, dim=1), strict=True):
                        own.add_gradient(part, form, weight * scale / len(sizes))
            ctx.gradient = gradient.view_as(states)
        ctx.mark_non_differentiable(separation, invariance, mean_state, isometry)
        return total, separation, invariance, mean_state, isometry

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        # It is used once: in place saves a pass over all states.
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            raise RuntimeError(
                "the gradient of this objective was used already; call objective(...) again"
            )
        (factor, *_) = gradients
        # On a GPU, looking at the factor would wait for the device.
        if factor.device.type != "cpu" or float(factor) != 1.0:
            gradient.mul_(factor)
        return gradient, None, None, None, None, None, None


def _mean(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).mean()


@dataclass(frozen=True)
class _ShortSteps:
    """The short steps of a batch, about one in ten: all that the isometry loss looks at."""

    before: Int[Tensor, " step"]  # rows of the flattened states
    after: Int[Tensor, " step"]
    speed: Float[Tensor, " step"]

    @classmethod
    def of(cls, batch: Batch, range_m: float) -> "_ShortSteps":
        speed = torch.linalg.vector_norm(batch.velocities, dim=1)
        short = (speed > 0) & (speed < range_m)
        step, trajectory = short[batch.orders.T].nonzero(as_tuple=True)
        before = step * len(batch.orders) + trajectory
        floor = SHORTEST_STEP * range_m
        taken = speed[batch.orders.T[step, trajectory]].clamp_min(floor)
        return cls(before, before + len(batch.orders), taken)


@dataclass(frozen=True)
class Compared:
    """What of a batch enters the objective, for any states on it: populations share it.

    Attributes:
        pick: the states whose pairs are compared; None for all.
        pairs: their pairs.
        short: the short steps.
    """

    pick: Int[Tensor, " state"] | None
    pairs: BlockPairs
    short: _ShortSteps


def choose_compared(
    batch: Batch,
    config: LossConfig,
    *,
    generator: Generator | UniformSource | None = None,
    pick: Int[Tensor, " state"] | None = None,
) -> Compared:
    """What the objective looks at; arguments as in `objective`."""
    x = batch.positions.flatten(0, 1)
    if pick is None and config.pairs == "sampled":
        assert generator is not None
        pick = choose_states(config.sampled_states, of=len(x), generator=generator).to(x.device)
    places = x if pick is None else x.index_select(0, pick)
    return Compared(
        pick, block_pairs(places, config.sigma_x_m), _ShortSteps.of(batch, config.isometry_range_m)
    )


@dataclass(frozen=True)
class _Moves:
    """How far states move in short steps.

    The term and its gradient are in closed form: with r = |dg| / |v| over n steps, d Var(r) / dr =
    2 (r - mean) / (n - 1) and dr / d(dg) = dg / (|dg| |v|).
    """

    short: _ShortSteps
    moved: Float[Tensor, "step units"]
    length: Float[Tensor, " step"]

    @classmethod
    def of(cls, states: Tensor, short: _ShortSteps, scale: float) -> "_Moves":
        flat = states.reshape(-1, states.shape[-1])
        moved = flat.index_select(0, short.after) - flat.index_select(0, short.before)
        if scale != 1:
            moved *= scale
        return cls(short, moved, ((moved * moved).sum(dim=1) + SMALLEST_SQUARE).sqrt())

    def _variance(self) -> tuple[Tensor, Tensor, Tensor]:
        ratio = self.length / self.short.speed
        mean = ratio.mean()
        return ratio, mean, ratio.var()

    def term(self, form: IsometryForm) -> Float[Tensor, ""]:
        if len(self.length) < 2:
            return self.moved.new_zeros(())
        _, mean, variance = self._variance()
        return variance if form == "raw" else variance / mean.clamp_min(SMALLEST_SQUARE) ** 2

    def add_gradient(
        self, gradient: Float[Tensor, "state units"], form: IsometryForm, weight: float
    ) -> None:
        if len(self.length) < 2:
            return
        ratio, mean, _ = self._variance()
        factor = 2 * weight / (len(ratio) - 1) * (ratio - mean) / (self.length * self.short.speed)
        if form == "scale_free":
            factor = factor / mean.clamp_min(SMALLEST_SQUARE) ** 2
        pull = self.moved * factor.unsqueeze(1)
        gradient.index_add_(0, self.short.after, pull)
        gradient.index_add_(0, self.short.before, pull, alpha=-1)


def objective(
    states: Float[Tensor, "time trajectory units"],
    batch: Batch,
    config: LossConfig,
    *,
    step: int,
    generator: Generator | UniformSource | None = None,
    pick: Int[Tensor, " state"] | None = None,
    populations: Sequence[int] = (),
    compared: Compared | None = None,
    workers: Executor | None = None,
) -> Terms:
    """All terms on the states of a training batch.

    The gradient is computed together with the terms, and can be used only once.

    Args:
        states: states of the network, the start included.
        batch: their velocities, orders and positions.
        config: weights and scales.
        step: the optimiser step, for the isometry ramp.
        generator: draws the states to compare, where pairs are sampled.
        pick: the states to compare, from `choose_states`, instead of drawing them.
        populations: sizes of the populations joined in the states, where isometry is asked of each:
            its mean over them, with states of length 1.
        compared: the result of `choose_compared`, where it is known.
        workers: threads in which blocks of pairs are compared; the result is the same.

    Raises:
        InputError: states and positions of different leading shapes.
        RuntimeError: from a second backward pass through the result.
    """
    flatten(states, batch.positions)  # Before anything is drawn: their shapes must fit.
    if compared is None:
        compared = choose_compared(batch, config, generator=generator, pick=pick)
    sizes = (
        tuple(populations)
        if populations and config.isometry_of == "populations"
        else (states.shape[-1],)
    )
    return Terms(
        *_Objective.apply(
            states, batch, config, compared, isometry_weights(config, step), sizes, workers
        )
    )
