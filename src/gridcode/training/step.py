"""One optimisation step: batch, rollout, terms, gradients, update. No input or output."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.optim import AdamW

from gridcode.config import Config
from gridcode.errors import TrainingError
from gridcode.losses.neighbourhoods import neighbourhood_objective
from gridcode.losses.objective import Terms, objective
from gridcode.models.network import GridNetwork
from gridcode.records import Batch
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Source, Stream

# A unit that stays at or below this in all states of a batch counts as silent there.
SILENT_BELOW = 1e-6


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step tells.

    Attributes:
        terms: the objective and its terms on the last accumulated batch.
        gradient_norm: before clipping.
        states: (time, trajectory, unit) of the last accumulated batch.
    """

    terms: Terms
    gradient_norm: Tensor
    states: Tensor

    def silent_units(self) -> int:
        """Units that fire nowhere in the batch."""
        return int((self.states.detach().amax(dim=(0, 1)) <= SILENT_BELOW).sum())


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
        step: optimiser steps done.
        zero_states: states without any active unit seen so far; the recurrence cannot leave such a state.
    """

    def __init__(self, config: Config, *, device: torch.device | str = "cpu") -> None:
        training = config.training
        dtype = getattr(torch, training.precision)
        self.config = config
        initial = Generator().manual_seed(training.seed)
        self.network = GridNetwork.from_config(config.model, generator=initial, dtype=dtype).to(device)
        self.optimiser = AdamW(
            [p for p in self.network.parameters() if p.requires_grad],
            lr=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.plateau = Plateau()
        self.step = 0
        self.zero_states = 0

    def draw(self, stream: Source) -> Batch:
        """A training batch from a stream of random numbers."""
        world = self.config.world
        return draw_batch(
            steps=world.steps,
            trajectories=world.trajectories,
            max_velocity_m=world.max_velocity_m,
            distribution=world.velocities,
            kind=world.orders,
            generator=stream,
            dtype=self.network.start.dtype,
        ).to(self.network.start.device)

    def _terms(self, states: Tensor, batch: Batch, stream: Source) -> Terms:
        loss = self.config.loss
        terms = objective(states, batch, loss, step=self.step, generator=stream)
        share = loss.neighbourhood_share
        if not share:
            return terms
        local = neighbourhood_objective(states, batch, loss, generator=stream)
        return dataclasses.replace(terms, total=(1 - share) * terms.total + share * local, neighbourhoods=local.detach())

    def advance(self) -> StepResult:
        """One optimiser step.

        Raises:
            TrainingError: a term or the gradient is not finite; the weights are as they were before the step.
        """
        training = self.config.training
        rate = self.learning_rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        zero = 0
        for part in range(training.accumulation):
            stream = Stream(training.seed, self.step * training.accumulation + part)
            batch = self.draw(stream)
            states = self.network(batch)
            terms = self._terms(states, batch, stream)
            (terms.total / training.accumulation).backward()
            zero += _zero_states(states.detach())
        gradient_norm = torch.nn.utils.get_total_norm([p.grad for p in self.network.parameters() if p.grad is not None])
        if not torch.isfinite(terms.total + gradient_norm):
            raise TrainingError(not_finite(terms.floats(), self.step + 1))
        scale = (gradient_norm / (training.gradient_clip or float("inf"))).clamp_min(1.0)
        if scale.dtype == torch.float32:
            # Clipping: the fused optimiser divides by this as it reads the gradients, which saves a pass over them.
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
        return StepResult(terms=terms, gradient_norm=gradient_norm, states=states)

    def snapshot(self) -> Snapshot:
        """The present state; its tensors are the trainer's own, not copies."""
        names = {id(p): name for name, p in self.network.named_parameters()}
        optimiser = {f"{names[id(parameter)]}.{key}": value for parameter, state in self.optimiser.state.items() for key, value in state.items()}
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
            state = {key.removeprefix(prefix): value for key, value in snapshot.optimiser.items() if key.startswith(prefix)}
            if state:
                # AdamW keeps its step counter where the parameter is when fused.
                self.optimiser.state[parameter] = {key: value.to(parameter.device, copy=True) for key, value in state.items()}
        self.plateau = dataclasses.replace(snapshot.plateau)
        self.step = snapshot.step
        self.zero_states = snapshot.zero_states

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.config.training, self.step, self.plateau)
