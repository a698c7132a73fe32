"""One optimisation step: batch, rollout, terms, gradients, update. No input or output."""

import copy
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
from gridcode.errors import InputError, TrainingError
from gridcode.models.network import GridNetwork
from gridcode.models.populations import join, make_network, members_of
from gridcode.runs.provenance import PartNames
from gridcode.training.parts import (
    BUILT_IN,
    Parts,
    StandardBatches,
    StandardObjective,
    TermsOn,
    as_floats,
    checked_batch,
    named_terms,
)
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.world.permutations import Batch
from gridcode.world.streams import Stream

# A unit that stays at or below this in all states of a batch counts as silent there.
SILENT_BELOW = 1e-6
# Numbers of batches from here on are streams that no training draws batches from.
COMPARED = 2**62


@dataclass(frozen=True)
class StepResult:
    """The outcome of one optimiser step.

    Attributes:
        terms: the objective's terms by name, `total` among them, on the last accumulated batch.
        gradient_norm: before clipping.
        states: (time, trajectory, unit) of each population in the last accumulated batch.
        batch: that batch.
    """

    terms: dict[str, Tensor]
    gradient_norm: Tensor
    states: list[Tensor]
    batch: Batch

    def silent_units(self) -> int:
        """Units that fire nowhere in the batch."""
        return sum(int((own.amax(dim=(0, 1)) <= SILENT_BELOW).sum()) for own in self.states)


@dataclass(frozen=True)
class Snapshot:
    """All that a training needs to continue exactly; batches follow from the seed and the step.

    Attributes:
        weights: the network's tensors by name.
        optimiser: the optimiser's tensors by `parameter.key`.
        step: optimiser steps done.
        zero_states: as in `Trainer`.
        plateau: state of the plateau schedule.
        training_hash: of the configuration.
        parts: names of the parts that replaced the built-in ones.
    """

    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    step: int
    zero_states: int
    plateau: Plateau
    training_hash: str
    parts: PartNames = dataclasses.field(default_factory=dict)


def population_prefix(model: ModelConfig, index: int) -> str:
    """Beginning of the names of a population's tensors among those of its network."""
    return f"populations.{index}." if model.populations else ""


def not_finite(terms: Mapping[str, float], step: int) -> str:
    """Error text where a term, their sum `loss` or the gradient is not finite at a step."""
    wrong = [name for name, value in terms.items() if not math.isfinite(value)]
    # The sum is not finite if any term is not: it is named only if it is the only one.
    wrong = [name for name in wrong if name != "loss"] or wrong
    named = "loss term " + ", ".join(wrong) if wrong else "gradient"
    return f"the {named} is not finite at step {step}"


def _zero_states(states: Float[Tensor, "time trajectory unit"]) -> int:
    """Number of states without an active unit."""
    # The recurrence cannot leave such a state: if no last state is one, there is none.
    if (states[-1].amax(dim=-1) > 0).all():
        return 0
    return int((states.amax(dim=-1) <= 0).sum())


def _minimisable(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not terms["total"].requires_grad:
        raise InputError("the objective does not depend on the states: it cannot be minimised")
    return dict(terms)


class Trainer:
    """A network with its optimiser, schedule and random stream, trained step by step.

    Args:
        config: the run.
        device: where to compute.
        parts: parts that replace the built-in ones.

    Attributes:
        network: the network.
        workers: threads in which populations are computed side by side; None computes one after the
            other, with the same result.
        step: optimiser steps done.
        zero_states: states without an active unit so far; the recurrence cannot leave such a state.

    Raises:
        InputError: a transition that does not give matrices of this size.
    """

    def __init__(
        self, config: Config, *, device: torch.device | str = "cpu", parts: Parts = BUILT_IN
    ) -> None:
        training = config.training
        self._dtype, self._device = getattr(torch, training.precision), torch.device(device)
        self.config = config
        self.part_names = parts.names()
        initial = Generator().manual_seed(training.seed)
        self.network = make_network(
            config.model,
            generator=initial,
            dtype=self._dtype,
            transition=parts.transition,
            dimensions=config.world.dimensions,
        ).to(device)
        self._objective = parts.objective or StandardObjective(config.loss, config.model.sizes)
        self._batches = parts.batches or StandardBatches(
            config.world, training.separate_steps, self._dtype
        )
        make_optimiser = parts.optimiser or functools.partial(
            AdamW, betas=training.betas, weight_decay=training.weight_decay, fused=True
        )
        self.optimiser = make_optimiser(
            [p for p in self.network.parameters() if p.requires_grad], lr=training.learning_rate
        )
        self.plateau = Plateau()
        self.workers: Executor | None = None
        self.step = 0
        self.zero_states = 0

    def draw(self, stream: Stream) -> Batch:
        """A training batch from a stream of random numbers."""
        batch = checked_batch(self._batches(self.step, stream), self.config.world.dimensions)
        return Batch(
            batch.velocities.to(self._device, self._dtype),
            batch.orders.to(self._device),
            batch.positions.to(self._device, self._dtype),
        )

    def _terms_on(self, batch: Batch, step: int, stream: Stream) -> TermsOn:
        """The terms of any states on a batch, all computed with the same random numbers."""
        given = self._objective
        if isinstance(given, StandardObjective):
            return given.on(batch, step, stream)
        return lambda states, _workers=None: named_terms(
            given(states, batch, step, copy.copy(stream))
        )

    def _separately(
        self, batch: Batch, terms_of: Callable[[], TermsOn]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Populations forward and back, each by itself; the means of their terms are minimised."""
        members = members_of(self.network)

        def through(member: GridNetwork) -> tuple[Tensor, dict[str, Tensor]]:
            rolled = member(batch)
            states = rolled.detach().requires_grad_()
            terms = _minimisable(terms_of()(states))
            one = torch.ones_like(terms["total"]) / self.config.training.accumulation
            terms["total"].backward(one / len(members))
            torch.autograd.backward(rolled, states.grad)
            return states, terms

        done = self._side_by_side([functools.partial(through, member) for member in members])
        each = [terms for _, terms in done]
        return [states for states, _ in done], {
            name: torch.stack([own[name] for own in each]).mean() for name in each[0]
        }

    def _together(
        self, batch: Batch, terms_of: Callable[[], TermsOn]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """All units forward and back; the terms of their joint state are minimised."""
        # The objective is cut off from the rollouts, so that populations go forward and back side
        # by side.
        rolled = self._side_by_side(
            [functools.partial(member, batch) for member in members_of(self.network)]
        )
        states = [own.detach().requires_grad_() for own in rolled]
        terms = _minimisable(terms_of()(join(states), self.workers))
        (terms["total"] / self.config.training.accumulation).backward()
        self._side_by_side(
            [
                functools.partial(torch.autograd.backward, own, cut.grad)
                for own, cut in zip(rolled, states, strict=True)
            ]
        )
        return states, terms

    def advance(self) -> StepResult:
        """One optimiser step.

        Raises:
            TrainingError: a term or the gradient is not finite; the weights are as they were before
                the step.
            InputError: a part that does not return the right kind of value.
        """
        training = self.config.training
        rate = self.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        zero = 0
        go = self._separately if self.step < training.separate_steps else self._together
        for part in range(training.accumulation):
            stream = Stream(training.seed, self.step * training.accumulation + part)
            batch = self.draw(stream)
            states, terms = go(
                batch, self._begin(functools.partial(self._terms_on, batch, self.step, stream))
            )
            zero += sum(_zero_states(own.detach()) for own in states)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        gradient_norm = torch.nn.utils.get_total_norm(gradients)
        if not torch.isfinite(terms["total"] + gradient_norm):
            raise TrainingError(not_finite(as_floats(terms), self.step + 1))
        if training.gradient_clip and gradient_norm > training.gradient_clip:
            scale = gradient_norm / training.gradient_clip
            for gradient in gradients:
                gradient.div_(scale)
        self.optimiser.step()
        self.step += 1
        self.zero_states += zero
        if training.schedule == "plateau":
            self.plateau.observe(training, float(terms["total"].detach()))
        if self.step == training.separate_steps:
            self.plateau = Plateau()  # The second stage minimises something else.
        return StepResult(
            terms=terms,
            gradient_norm=gradient_norm,
            states=[own.detach() for own in states],
            batch=batch,
        )

    def _side_by_side(self, tasks: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run independent tasks, in threads if there are several of both."""
        if len(tasks) == 1 or self.workers is None:
            return [task() for task in tasks]
        return list(self.workers.map(lambda task: task(), tasks))

    def _begin(self, task: Callable[[], TermsOn]) -> Callable[[], TermsOn]:
        """Run a task, in a thread if there are several; returns what gives its result."""
        if self.workers is None:
            return functools.partial(lambda value: value, task())
        return self.workers.submit(task).result

    def compared(self, result: StepResult) -> dict[str, float]:
        """Terms of all units and of each population on one batch, comparable between the stages.

        Args:
            result: the last step.

        Returns:
            `loss`, `separation`, ... of all units, and `loss_k`, ... of population k, counted from
            1. Empty with one population.
        """
        if len(result.states) == 1:
            return {}
        step = self.step - 1  # The step that these states were computed in.
        # A separate stream: the training batch has already drawn from its own.
        stream = Stream(self.config.training.seed, COMPARED + self.step)
        terms_of = self._terms_on(result.batch, step, stream)
        each = self._side_by_side([functools.partial(terms_of, own) for own in result.states])
        values = as_floats(terms_of(join(result.states), self.workers))
        for k, terms in enumerate(each, start=1):
            values |= {f"{name}_{k}": value for name, value in as_floats(terms).items()}
        return values

    def snapshot(self) -> Snapshot:
        """The present state; its tensors are the trainer's own, not copies.

        Raises:
            InputError: an optimiser whose state is not in tensors.
        """
        names = {id(p): name for name, p in self.network.named_parameters()}
        optimiser = {
            f"{names[id(parameter)]}.{key}": value
            for parameter, state in self.optimiser.state.items()
            for key, value in state.items()
            if value is not None
        }
        if not all(isinstance(value, Tensor) for value in optimiser.values()):
            raise InputError(
                f"the state of {type(self.optimiser).__name__} is not all in tensors: its training "
                "could not be resumed; choose another optimiser"
            )
        return Snapshot(
            weights=dict(self.network.state_dict()),
            optimiser=optimiser,
            step=self.step,
            zero_states=self.zero_states,
            plateau=self.plateau,
            training_hash=self.config.training_hash,
            parts=self.part_names,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot.

        Raises:
            RuntimeError: tensors of another network.
        """
        self.network.load_state_dict(snapshot.weights)
        for name, parameter in self.network.named_parameters():
            prefix = f"{name}."
            state = {
                key.removeprefix(prefix): value.to(parameter.device, copy=True)
                for key, value in snapshot.optimiser.items()
                if key.startswith(prefix)
            }
            if state:
                self.optimiser.state[parameter] = state
        self.plateau = dataclasses.replace(snapshot.plateau)
        self.step = snapshot.step
        self.zero_states = snapshot.zero_states

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.config.training, self.step, self.plateau)
