"""One optimisation step: batch, rollout, terms, gradients, update. No input or output."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.optim import AdamW

from gridcode.config import Config
from gridcode.errors import TrainingError
from gridcode.losses.objective import Terms, objective
from gridcode.models.network import GridNetwork
from gridcode.records import Batch
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.world.permutations import draw_batch

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
        # Batches have a stream of their own: the same data whatever the network's size.
        self.generator = Generator(device=device).manual_seed(training.seed ^ 0x5EED)
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

    def draw(self) -> Batch:
        """The next training batch."""
        world = self.config.world
        return draw_batch(
            steps=world.steps,
            trajectories=world.trajectories,
            max_velocity_m=world.max_velocity_m,
            distribution=world.velocities,
            kind=world.orders,
            generator=self.generator,
            dtype=self.network.start.dtype,
        )

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
        for _ in range(training.accumulation):
            batch = self.draw()
            states = self.network(batch)
            terms = objective(states, batch, self.config.loss, step=self.step, generator=self.generator)
            (terms.total / training.accumulation).backward()
            zero += int((states.detach().amax(dim=-1) <= 0).sum())
        limit = training.gradient_clip or float("inf")
        gradient_norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit)
        if not torch.isfinite(terms.total + gradient_norm):
            wrong = [name for name, value in terms.floats().items() if not torch.isfinite(torch.tensor(value))]
            named = "loss term " + ", ".join(n for n in wrong if n != "loss" or wrong == ["loss"]) if wrong else "gradient"
            raise TrainingError(f"the {named} is not finite at step {self.step + 1}")
        self.optimiser.step()
        self.step += 1
        self.zero_states += zero
        if training.schedule == "plateau":
            self.plateau.observe(training, float(terms.total.detach()))
        return StepResult(terms=terms, gradient_norm=gradient_norm, states=states)

    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return learning_rate(self.config.training, self.step, self.plateau)
