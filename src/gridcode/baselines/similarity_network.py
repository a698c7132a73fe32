r"""A feed-forward network that keeps distances (Pettersen, Schøyen, Malthe-Sørenssen and Lepperød).

A network of two hidden layers (rectified) maps positions r to activity g that is rectified and of
length 1. It minimises, over pairs of places,

$$ \alpha \left\langle e^{-d^2 / 2 \sigma^2} (|g - g'| - d)^2 \right\rangle
   - (1 - \alpha) \langle g_i \rangle, \quad d = |r - r'|: $$

distances in space are kept over the length sigma, and activity is spread over many units (the
capacity). Positions are in units of length, in a square of 4 pi units a side.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.gradient import GradientDescent, Parameters
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import EvaluationConfig, Metres, Rate, Scale, StepCount

SIDE_UNITS = 4 * math.pi
HIDDEN = (64, 128)


class SimilarityNetwork(Recipe):
    """Settings of the feed-forward network."""

    name: ClassVar = "feedforward"
    title: ClassVar = "distance-preserving network (2024)"
    family: ClassVar = "normative"
    source: ClassVar = (
        "Pettersen, Schøyen, Malthe-Sørenssen and Lepperød 2024, Self-supervised grid cells "
        "without path integration, bioRxiv 2024.05.30.596577"
    )
    put_in: ClassVar = (
        "position (the input), the length over which distances are kept, "
        "non-negative activity of length 1"
    )

    arena_m: Metres = 2.2
    """Side of the square; 4 pi of the publication's units."""
    cells: Annotated[int, Field(ge=2, le=10**5)] = 256
    """Units of the last layer; evenly spaced ones are analysed where there are more than 64."""
    sigma: Scale = 1.2
    """Length over which distances are kept, in units of arena_m / 4 pi."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.54
    """Weight of distances; the rest is that of the capacity."""
    batch: Annotated[int, Field(ge=2, le=10**4)] = 64
    """Places in an update, all pairs of which are compared."""
    updates: StepCount = 50_000
    """Updates of the weights; the published number is 100,000."""
    learning_rate: Rate = 0.001
    """Of Adam."""

    @property
    @override
    def steps(self) -> int:
        return self.updates

    @property
    @override
    def units(self) -> int:
        return min(self.cells, 64)

    @property
    @override
    def extent_m(self) -> float:
        return self.arena_m

    @override
    def evaluation(self) -> EvaluationConfig:
        # The code is not periodic beyond the square, so a larger arena has no lattice to measure.
        return super().evaluation().model_copy(update={"adapt_arena": False})

    @override
    def begin(self, generator: np.random.Generator) -> GradientDescent:
        arrays = {}
        for k, (n, m) in enumerate(pairwise((2, *HIDDEN, self.cells))):
            arrays[f"weight{k}"] = generator.uniform(-1, 1, (m, n)) / math.sqrt(n)
            arrays[f"bias{k}"] = generator.uniform(-1, 1, m) / math.sqrt(n)
        return self.resume(arrays, {})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> GradientDescent:
        def loss(
            parameters: Parameters, _: int, generator: np.random.Generator
        ) -> Mapping[str, Tensor]:
            places = (generator.random((self.batch, 2), dtype=np.float32) - 0.5) * SIDE_UNITS
            r = torch.from_numpy(places)
            return losses(network(parameters, r), r, sigma=self.sigma, alpha=self.alpha)

        rate = self.learning_rate
        return GradientDescent(
            weights, loss, lambda p: torch.optim.Adam(p, lr=rate, fused=True), rest=rest
        )

    @override
    def system(self, weights: Arrays) -> System:
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        analysed = np.linspace(0, self.cells - 1, self.units).round().astype(int)

        def code(positions_m: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, "place unit"]:
            places = np.asarray(positions_m, dtype=np.float32) * (SIDE_UNITS / self.arena_m)
            return network(tensors, torch.from_numpy(places)).numpy()[:, analysed]

        return System.of_positions(code, max_step_m=self.max_step_m, extent_m=self.arena_m)


def network(
    weights: Parameters, positions: Float[Tensor, "place 2"]
) -> Float[Tensor, "place unit"]:
    """Activity at places in units of length: not negative and of length 1."""
    layer = positions
    for k in range(len(HIDDEN) + 1):
        layer = functional.linear(layer, weights[f"weight{k}"], weights[f"bias{k}"]).relu()
    return functional.normalize(layer, dim=1)


def losses(
    activity: Float[Tensor, "place unit"],
    positions: Float[Tensor, "place 2"],
    *,
    sigma: float,
    alpha: float,
) -> dict[str, Tensor]:
    """Loss of distances, with the capacity, and their weighted sum."""
    apart, found = functional.pdist(positions), functional.pdist(activity)
    near = torch.exp(-apart.square() / (2 * sigma**2))
    distance = (near * (found - apart).square()).mean()
    capacity = activity.mean()
    return {
        "loss": alpha * distance - (1 - alpha) * capacity,
        "distance": distance,
        "capacity": capacity,
    }
