"""The parts of a training that can be replaced, each a callable given to `gridcode.train`.

A part is named in the run's manifest and in its checkpoints (module, name and a hash of its
source), never stored: no code is read from a run. To resume the run, or to evaluate one with an own
transition, give the same part again.

Own parts train one network, step by step. The same seed gives the same run, and a resumed run
equals an uninterrupted one bit for bit, if a part keeps no state between steps and draws its random
numbers from the `generator` it gets.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gridcode.config import LossConfig, WorldConfig
from gridcode.errors import InputError
from gridcode.losses.objective import choose_compared, objective
from gridcode.runs.provenance import describe
from gridcode.world.permutations import Batch, draw_batch
from gridcode.world.streams import UniformSource


@runtime_checkable
class Objective(Protocol):
    """What training minimises: (states, batch, step, generator) to terms."""

    def __call__(
        self,
        states: Float[Tensor, "time trajectory units"],
        batch: Batch,
        step: int,
        generator: UniformSource,
        /,
    ) -> Tensor | Mapping[str, Tensor]:
        """The objective on one training batch.

        Args:
            states: states of length 1 along every trajectory, the start included. With populations:
                of each one by itself in the first stage, of all units in the second.
            batch: the velocities and positions (metres) that belong to them.
            step: optimiser steps done before.
            generator: random numbers of this batch, for sampling.

        Returns:
            A scalar tensor, or scalars by name. `total` is minimised; the others are logged.
        """


@runtime_checkable
class Transition(Protocol):
    """A new module that maps velocities to matrices; a class of such modules is one."""

    def __call__(self, units: int, /, *, generator: Generator) -> nn.Module:
        """A module from velocities (..., axis), metres per step, to matrices (..., units, units).

        Args:
            units: number of units; with populations it is called for each.
            generator: for the initial weights. PyTorch's global generator is seeded from it too, so
                that layers initialised as usual also depend on the run's seed alone.
        """


@runtime_checkable
class Batches(Protocol):
    """Training batches: (step, generator) to a batch."""

    def __call__(self, step: int, generator: UniformSource, /) -> Batch:
        """The batch of a step.

        Args:
            step: optimiser steps done before.
            generator: random numbers; `generator.uniform(3, 2)` gives a (3, 2) tensor in [0, 1).
        """


@runtime_checkable
class Optimiser(Protocol):
    """Parameters to a PyTorch optimiser; the classes of `torch.optim` are such callables."""

    def __call__(self, params: Iterable[nn.Parameter], /, *, lr: float) -> torch.optim.Optimizer:
        """An optimiser of these parameters that keeps all its state in tensors.

        Args:
            params: the trained parameters.
            lr: the configured learning rate; the configured schedule sets it before every step.
        """


@runtime_checkable
class TermsOn(Protocol):
    """The terms of states on a certain batch, by name."""

    def __call__(self, states: Tensor, workers: Executor | None = None, /) -> Mapping[str, Tensor]:
        """The terms of (time, trajectory, unit); `workers` are threads that may be used."""


@dataclass(frozen=True)
class StandardObjective:
    """The built-in objective (`gridcode.losses.objective`).

    Attributes:
        config: weights and scales.
        populations: sizes of the populations.
    """

    config: LossConfig
    populations: tuple[int, ...] = ()

    def __call__(
        self,
        states: Float[Tensor, "time trajectory units"],
        batch: Batch,
        step: int,
        generator: UniformSource,
    ) -> dict[str, Tensor]:
        """All terms by name."""
        return dict(self.on(batch, step, generator)(states))

    def on(self, batch: Batch, step: int, generator: UniformSource) -> TermsOn:
        """The terms of any states on a batch: what does not depend on them is computed once."""
        compared = choose_compared(batch, self.config, generator=generator)

        def terms(states: Tensor, workers: Executor | None = None, /) -> dict[str, Tensor]:
            joined = states.shape[-1] == sum(self.populations)
            found = objective(
                states,
                batch,
                self.config,
                step=step,
                populations=self.populations if joined else (),
                compared=compared,
                workers=workers,
            )
            return vars(found)

        return terms


@dataclass(frozen=True)
class StandardBatches:
    """The built-in batches: shuffled orders of the same velocities (`draw_batch`).

    Attributes:
        config: their settings.
        separate_steps: length of the first stage.
        dtype: floating-point type.
    """

    config: WorldConfig
    separate_steps: int = 0
    dtype: torch.dtype = torch.float32

    def __call__(self, step: int, generator: UniformSource) -> Batch:
        """The batch of a step."""
        steps, trajectories = self.config.stage(joint=step >= self.separate_steps)
        return draw_batch(
            steps=steps,
            trajectories=trajectories,
            max_velocity_m=self.config.max_velocity_m,
            distribution=self.config.velocities,
            kind=self.config.orders,
            dimensions=self.config.dimensions,
            generator=generator,
            dtype=self.dtype,
        )


@dataclass(frozen=True)
class Parts:
    """The parts given for a training; None stands for the built-in one."""

    objective: Objective | None = None
    transition: Transition | None = None
    batches: Batches | None = None
    optimiser: Optimiser | None = None

    def names(self) -> dict[str, dict[str, str]]:
        """Names of the given parts (`gridcode.runs.provenance.describe`)."""
        return {kind: describe(part) for kind, part in vars(self).items() if part is not None}


BUILT_IN = Parts()


def named_terms(terms: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What an objective returned, as scalars by name with `total` among them.

    Raises:
        InputError: anything else.
    """
    named = {"total": terms} if isinstance(terms, Tensor) else dict(terms)
    if "total" not in named or any(value.numel() != 1 for value in named.values()):
        raise InputError(
            "an objective returns one number, or numbers by name with `total` among them"
        )
    return named


def as_floats(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """The values by name, the total as `loss`."""
    return {
        "loss" if name == "total" else name: float(value.detach()) for name, value in terms.items()
    }


def checked_batch(batch: Batch, dimensions: int = 2) -> Batch:
    """A batch whose parts fit together.

    Args:
        batch: positions may have any number of coordinates.
        dimensions: axes of its velocities (`world.dimensions`).

    Raises:
        InputError: they do not.
    """
    trajectories, steps = batch.orders.shape
    times, walkers, *coordinates = batch.positions.shape
    fits = (times, walkers) == (steps + 1, trajectories) and len(coordinates) == 1
    if not fits or batch.velocities.shape[1:] != (dimensions,):
        raise InputError(
            f"a batch of {trajectories} trajectories of {steps} steps in a world of {dimensions} "
            f"dimensions needs velocities (velocity, {dimensions}) and positions ({steps + 1}, "
            f"{trajectories}, coordinates), not {tuple(batch.velocities.shape)} and "
            f"{tuple(batch.positions.shape)}"
        )
    return batch
