"""One optimisation step: batch, rollout, terms, gradients, update. No input or output."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.optim import AdamW

from gridcode.config import Config, ModelConfig
from gridcode.errors import TrainingError
from gridcode.losses.objective import Terms, mean_terms, objective
from gridcode.losses.pairwise import choose_states
from gridcode.models.populations import join, make_network, members_of
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.world.permutations import Batch, draw_batch
from gridcode.world.streams import Source, Stream

# A unit that stays at or below this in all states of a batch counts as silent there.
SILENT_BELOW = 1e-6
# Numbers of batches from here on are streams that no training draws batches from.
COMPARED = 2**62


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step tells.

    Attributes:
        terms: the objective and its terms on the last accumulated batch.
        gradient_norm: before clipping.
        states: (time, trajectory, unit) of each population in the last accumulated batch.
        batch: that batch.
    """

    terms: Terms
    gradient_norm: Tensor
    states: list[Tensor]
    batch: Batch

    def silent_units(self) -> int:
        """Units that fire nowhere in the batch."""
        return sum(int((own.amax(dim=(0, 1)) <= SILENT_BELOW).sum()) for own in self.states)


@dataclass(frozen=True)
class Snapshot:
    """All that a training needs to go on as if it had never stopped; batches come from the seed and the step.

    Attributes:
        weights: the network's tensors by name.
        optimiser: AdamW's tensors by `parameter.key`.
        step: optimiser steps done.
        zero_states: as in `Trainer`.
        plateau: state of the plateau schedule.
        training_hash: of the configuration.
    """

    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    step: int
    zero_states: int
    plateau: Plateau
    training_hash: str


def population_prefix(model: ModelConfig, place: int) -> str:
    """What the names of a population's tensors begin with among those of its network."""
    return f"populations.{place}." if model.populations else ""


def not_finite(terms: Mapping[str, float], step: int) -> str:
    """What to say when a term, their sum `loss` or else the gradient is not a finite number at a step."""
    wrong = [name for name, value in terms.items() if not math.isfinite(value)]
    # The sum goes wrong with any term: it is named only where it goes wrong alone.
    wrong = [name for name in wrong if name != "loss"] or wrong
    named = "loss term " + ", ".join(wrong) if wrong else "gradient"
    return f"the {named} is not finite at step {step}"


def _zero_states(states: Float[Tensor, "time trajectory unit"]) -> int:
    """States without any active unit. The recurrence cannot leave one, so the last state of every trajectory tells whether to look."""
    if (states[-1].amax(dim=-1) > 0).all():
        return 0
    return int((states.amax(dim=-1) <= 0).sum())


class Trainer:
    """A network with its optimiser, schedule and random stream: all that changes from step to step.

    Args:
        config: the run.
        device: where to compute.

    Attributes:
        network: the network.
        workers: threads in which populations are computed side by side; None computes one after the
            other, with the same result.
        step: optimiser steps done.
        zero_states: states without any active unit seen so far; the recurrence cannot leave such a
            state.
    """

    def __init__(self, config: Config, *, device: torch.device | str = "cpu") -> None:
        training = config.training
        self._dtype, self._device = getattr(torch, training.precision), torch.device(device)
        self.config = config
        initial = Generator().manual_seed(training.seed)
        self.network = make_network(config.model, generator=initial, dtype=self._dtype).to(device)
        self.optimiser = AdamW(
            [p for p in self.network.parameters() if p.requires_grad],
            lr=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.plateau = Plateau()
        self.workers: Executor | None = None
        self.step = 0
        self.zero_states = 0

    def draw(self, stream: Source) -> Batch:
        """A training batch from a stream of random numbers."""
        world = self.config.world
        steps, trajectories = world.stage(joint=not self.separate)
        return draw_batch(
            steps=steps,
            trajectories=trajectories,
            max_velocity_m=world.max_velocity_m,
            distribution=world.velocities,
            kind=world.orders,
            generator=stream,
            dtype=self._dtype,
        ).to(self._device)

    @property
    def separate(self) -> bool:
        """Whether the next step belongs to the first stage, in which each population is trained by itself."""
        return self.step < self.config.training.separate_steps

    def _terms(self, states: Sequence[Tensor], batch: Batch, stream: Source) -> Terms:
        """What this step minimises: the mean objective of the populations in the first stage, that of the whole afterwards."""
        loss = self.config.loss
        pick = None
        if loss.pairs == "sampled":
            pick = choose_states(
                loss.sampled_states, of=states[0].shape[0] * states[0].shape[1], generator=stream
            ).to(states[0].device)
        if self.separate:
            # Gradients are computed with the terms, so this is nearly all of the work.
            return mean_terms(
                self._side_by_side(
                    [
                        functools.partial(objective, own, batch, loss, step=self.step, pick=pick)
                        for own in states
                    ]
                )
            )
        return objective(
            join(states),
            batch,
            loss,
            step=self.step,
            pick=pick,
            populations=self.config.model.sizes,
        )

    def advance(self) -> StepResult:
        """One optimiser step.

        Raises:
            TrainingError: a term or the gradient is not finite; the weights are as they were before
                the step.
        """
        training = self.config.training
        rate = self.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        zero = 0
        members = members_of(self.network)
        for part in range(training.accumulation):
            stream = Stream(training.seed, self.step * training.accumulation + part)
            batch = self.draw(stream)
            # The objective is cut off from the rollouts, so that populations go forward and back
            # side by side.
            rolled = self._side_by_side([functools.partial(member, batch) for member in members])
            states = [own.detach().requires_grad_() for own in rolled]
            terms = self._terms(states, batch, stream)
            (terms.total / training.accumulation).backward()
            self._side_by_side(
                [
                    functools.partial(torch.autograd.backward, own, cut.grad)
                    for own, cut in zip(rolled, states, strict=True)
                ]
            )
            zero += sum(_zero_states(own.detach()) for own in states)
        gradient_norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.network.parameters() if p.grad is not None]
        )
        if not torch.isfinite(terms.total + gradient_norm):
            raise TrainingError(not_finite(terms.floats(), self.step + 1))
        scale = (gradient_norm / (training.gradient_clip or float("inf"))).clamp_min(1.0)
        if scale.dtype == torch.float32:
            # Clipping: the fused optimiser divides by this as it reads the gradients, which saves a
            # pass over them.
            self.optimiser.grad_scale = scale  # type: ignore[attr-defined]
        else:  # it takes float32 only
            for parameter in self.network.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(scale)
        self.optimiser.step()
        self.step += 1
        self.zero_states += zero
        if training.schedule == "plateau":
            self.plateau.observe(training, float(terms.total.detach()))
        if self.step == training.separate_steps:
            self.plateau = Plateau()  # the second stage minimises something else
        return StepResult(
            terms=terms,
            gradient_norm=gradient_norm,
            states=[own.detach() for own in states],
            batch=batch,
        )

    def _side_by_side(self, tasks: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run what does not depend on each other, in threads where the training has several and there are several populations."""
        if len(tasks) == 1 or self.workers is None:
            return [task() for task in tasks]
        return list(self.workers.map(lambda task: task(), tasks))

    def compared(self, result: StepResult) -> dict[str, float]:
        """Terms of the whole and of each population on the batch of the last step, both for either stage; empty with one population.

        Returns:
            `loss`, `separation`, ... of the whole, and the same of population k as `loss_k`, ...,
            counted from 1.
        """
        if len(result.states) == 1:
            return {}
        loss = self.config.loss
        # A separate stream: the training batch has already drawn from its own.
        pick = None
        if loss.pairs == "sampled":
            times, trajectories, _ = result.states[0].shape
            pick = choose_states(
                loss.sampled_states,
                of=times * trajectories,
                generator=Stream(self.config.training.seed, COMPARED + self.step),
            )
            pick = pick.to(result.states[0].device)
        step = self.step - 1  # of which these are the states
        values = objective(
            join(result.states),
            result.batch,
            loss,
            step=step,
            pick=pick,
            populations=self.config.model.sizes,
        ).floats()
        for k, own in enumerate(result.states, start=1):
            values |= {
                f"{name}_{k}": value
                for name, value in objective(own, result.batch, loss, step=step, pick=pick)
                .floats()
                .items()
            }
        return values

    def snapshot(self) -> Snapshot:
        """The present state; its tensors are the trainer's own, not copies."""
        names = {id(p): name for name, p in self.network.named_parameters()}
        optimiser = {
            f"{names[id(parameter)]}.{key}": value
            for parameter, state in self.optimiser.state.items()
            for key, value in state.items()
        }
        return Snapshot(
            weights=dict(self.network.state_dict()),
            optimiser=optimiser,
            step=self.step,
            zero_states=self.zero_states,
            plateau=self.plateau,
            training_hash=self.config.training_hash,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot.

        Raises:
            RuntimeError: tensors of another network.
        """
        self.network.load_state_dict(snapshot.weights)
        for name, parameter in self.network.named_parameters():
            prefix = f"{name}."
            state = {
                key.removeprefix(prefix): value
                for key, value in snapshot.optimiser.items()
                if key.startswith(prefix)
            }
            if state:
                # AdamW keeps its step counter where the parameter is when fused.
                self.optimiser.state[parameter] = {
                    key: value.to(parameter.device, copy=True) for key, value in state.items()
                }
        self.plateau = dataclasses.replace(snapshot.plateau)
        self.step = snapshot.step
        self.zero_states = snapshot.zero_states

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.config.training, self.step, self.plateau)
