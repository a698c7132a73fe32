"""Training of networks that integrate their path, by gradient descent on place-cell targets.

The walks are those of the evaluation, from uniformly drawn places of the box.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn.functional import log_softmax
from typing_extensions import override

from gridcode.baselines.gradient import GradientDescent, Parameters
from gridcode.baselines.place_cell_targets import BINS_ACROSS, PlaceCells
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Count, EvaluationConfig, Metres, Rate, StepCount
from gridcode.world.walks import smooth_walk


@dataclass(frozen=True)
class Batch:
    """Walks and what is to be told along them.

    Attributes:
        start: (walk, cell) place cells at the start, see `SupervisedRecipe.start_input`.
        velocities: (step, walk, 2) in longest steps.
        targets: (step, walk, cell) place cells after each step, a distribution over cells.
    """

    start: Float[Tensor, "walk cell"]
    velocities: Float[Tensor, "step walk 2"]
    targets: Float[Tensor, "step walk cell"]


class SupervisedRecipe(Recipe):
    """Settings that supervised networks share."""

    family: ClassVar = "supervised"
    integrates: ClassVar = True

    arena_m: Annotated[Metres, Field(ge=0.7)] = 2.2
    """Side of the box, metres; it has walls."""
    place_cells: Annotated[int, Field(ge=4, le=4096)] = 256
    """Place cells, with centres drawn uniformly in the box."""
    width_m: Metres = 0.12
    """Width (sigma) of the place cells, metres."""
    shuffled: bool = False
    """Give every square of a twentieth of the side the targets of another one, drawn at random."""
    sequence: Annotated[int, Field(ge=2, le=1000)] = 20
    """Steps of a walk in training."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Walks of each update."""
    updates: StepCount = 6000
    """Updates."""
    rate: Rate = 2e-3
    """Learning rate of Adam at the start; it falls to zero as a cosine."""
    analysed: Count = 64
    """Units that are analysed, at most: the first ones. All have the same distribution of weights
    at the start, so these are a random sample."""

    @property
    @override
    def steps(self) -> int:
        return self.updates

    @property
    @override
    def extent_m(self) -> float:
        return self.arena_m

    @override
    def evaluation(self) -> EvaluationConfig:
        """In the box of the training, on walks of twice the steps: position drifts on longer ones.

        Maps beyond the box would be of places that were never learnt.
        """
        return EvaluationConfig(
            arenas_m=(self.arena_m,),
            adapt_arena=False,
            walks=("smooth",),
            walk_steps=2 * self.sequence,
        )

    @abstractmethod
    def network(self, generator: np.random.Generator) -> Arrays:
        """Parameters of the network at the start, by name."""

    @abstractmethod
    def outputs(
        self, parameters: Parameters, batch: Batch, generator: np.random.Generator
    ) -> tuple[Float[Tensor, "step walk cell"], Tensor]:
        """What the network tells along walks.

        Args:
            parameters: of `network`.
            batch: the walks.
            generator: random numbers of this update.

        Returns:
            Logits of the place cells, and what is minimised beside their divergence.
        """

    @override
    def begin(self, generator: np.random.Generator) -> GradientDescent:
        half = self.arena_m / 2
        exchanged = np.arange(BINS_ACROSS**2)
        if self.shuffled:
            generator.shuffle(exchanged)
        arrays = {
            "centres_m": generator.uniform(-half, half, (self.place_cells, 2)),
            "exchanged": exchanged,
        }
        return self._growth({**arrays, **self.network(generator)})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> GradientDescent:
        return self._growth(weights, rest)

    def cells(self, parameters: Parameters) -> PlaceCells:
        """The place cells; they do not learn."""
        return PlaceCells(
            parameters["centres_m"].detach(),
            self.width_m,
            self.surround_ratio,
            self.arena_m,
            parameters["exchanged"].detach().long(),
        )

    @property
    @abstractmethod
    def surround_ratio(self) -> float:
        """Ratio of the variances of the place cells' surround and centre; 0: no surround."""

    @staticmethod
    def start_input(targets: Float[Tensor, "*shape cell"]) -> Float[Tensor, "*shape cell"]:
        """Place cells as the encoder of the start gets them: zero on average, of order one."""
        return targets * targets.shape[-1] - 1

    def origin(self, weights: Arrays) -> Float[np.ndarray, " cell"]:
        """What the encoder gets at the origin."""
        parameters = {name: torch.from_numpy(value) for name, value in weights.items()}
        return self.start_input(self.cells(parameters).targets(torch.zeros(1, 2)))[0].numpy()

    def _growth(self, arrays: Arrays, rest: Arrays | None = None) -> GradientDescent:
        def rate(step: int) -> float:
            return self.rate * (1 + math.cos(math.pi * (step - 1) / self.updates)) / 2

        return GradientDescent(arrays, self._loss, torch.optim.Adam, rest=rest, rate=rate)

    def _loss(
        self, parameters: Parameters, _step: int, generator: np.random.Generator
    ) -> Mapping[str, Tensor]:
        """Divergence of the place cells from the targets: cross-entropy less a constant."""
        half = self.arena_m / 2
        walk = smooth_walk(
            arena_m=self.arena_m,
            steps=self.sequence,
            walkers=self.batch,
            max_step_m=self.max_step_m,
            generator=generator,
            starts_m=generator.uniform(-half, half, (self.batch, 2)),
        )
        cells = self.cells(parameters)
        positions = torch.from_numpy(walk.positions.astype(np.float32))
        velocities = torch.from_numpy((walk.velocities / self.max_step_m).astype(np.float32))
        targets = cells.targets(positions)
        batch = Batch(self.start_input(targets[0]), velocities, targets[1:])
        logits, penalty = self.outputs(parameters, batch, generator)
        told = log_softmax(logits, dim=-1)
        divergence = (torch.xlogy(batch.targets, batch.targets) - batch.targets * told).sum(-1)
        error = cells.positions(logits[-1].detach()) - cells.moved(positions[-1])
        return {
            "loss": divergence.mean() + penalty,
            "divergence": divergence.mean(),
            "path_error_m": error.norm(dim=-1).mean(),
        }
