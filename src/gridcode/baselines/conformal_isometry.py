r"""Conformal isometry of a position embedding (Xu et al. 2025).

The code of a module is a table v(x) over the places of a square, bilinear between them, without
negative parts and of length 1. A step is a recurrent network, R the rectifier,

$$ F(v, \Delta x) = R\left((A + |\Delta x| B(\theta)) v + b\right) / |\cdot|, $$

with a matrix B for each direction theta. Two losses are minimised. Transformation: the network
gives the table's v(x + dx) from v(x), for steps of up to 3 bins of the table. Isometry: distances
in the code are those in space, times a scale s that is put in,

$$ \left(|v(x + \Delta x) - v(x)| - s |\Delta x|\right)^2, \quad s |\Delta x| \le 1.25. $$

The spacing of the hexagons is proportional to 1/s. The network learns single steps. Over many steps
it drifts, so the table is what is analysed, and there is no code outside of it.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.gradient import GradientDescent, Parameters, held_then_falling
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Metres, Rate, Scale, StepCount, Weight

HARMONICS = 4  # of B(theta)
LARGEST_DISTANCE = 1.25  # up to which the code keeps distances
REACH_BINS = 3  # longest step of the transformation


class ConformalIsometry(Recipe):
    """Settings of conformal isometry."""

    name: ClassVar = "conformal"
    title: ClassVar = "conformal isometry (2025)"
    family: ClassVar = "normative"
    source: ClassVar = (
        "Xu, Gao, Zhang, Wei and Wu 2025, On conformal isometry of grid cells: learning "
        "distance-preserving position embedding, ICLR"
    )
    put_in: ClassVar = (
        "position (a table of places), number of modules and the scale of each, "
        "non-negative activity of length 1"
    )
    everywhere: ClassVar = False

    arena_m: Metres = 2.0
    """Side of the square that the table covers."""
    places: Annotated[int, Field(ge=8, le=200)] = 40
    """Places of the table along a side."""
    cells: Annotated[int, Field(ge=3, le=1000)] = 24
    """Cells of a module."""
    scales_per_m: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=20)] = (7.5,)
    """Of each module: length of code for a metre, s."""
    isometry_weight: Weight = 10.0
    """Weight of the isometry, where the transformation has weight 1."""
    batch: Annotated[int, Field(ge=1, le=10**5)] = 1000
    """Pairs of places for each loss in an update."""
    updates: StepCount = 6000
    """Updates of the weights; the published number is 20,000, with a batch of 4,000."""
    learning_rate: Rate = 0.006
    """Of Adam; falls to zero over the second half."""

    @property
    @override
    def steps(self) -> int:
        return self.updates

    @property
    @override
    def units(self) -> int:
        return self.cells * len(self.scales_per_m)

    @property
    @override
    def extent_m(self) -> float:
        return self.arena_m

    @property
    def reach_m(self) -> float:
        """Longest step of the transformation, metres."""
        return REACH_BINS * self.arena_m / self.places

    @property
    @override
    def modules_put_in(self) -> int:
        return len(self.scales_per_m)

    @override
    def begin(self, generator: np.random.Generator) -> GradientDescent:
        modules, cells = len(self.scales_per_m), self.cells

        def small(*shape: int) -> Float[np.ndarray, "..."]:
            return generator.uniform(-0.001, 0.001, shape)

        table = unit(torch.from_numpy(generator.random((self.places**2, modules, cells)))).numpy()
        arrays = {
            "table": table,
            "recurrent": np.eye(cells) + small(modules, cells, cells),
            "motion": small(modules, cells, (2 * HARMONICS + 1) * cells),
            "bias": np.zeros((modules, 1, cells)),
        }
        return self.resume(arrays, {})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> GradientDescent:
        def loss(
            parameters: Parameters, _step: int, generator: np.random.Generator
        ) -> Mapping[str, Tensor]:
            return losses(self, parameters, generator)

        rate = held_then_falling(self.learning_rate, self.updates)

        def project(parameters: Parameters, _: int) -> None:
            table = parameters["table"]
            table.copy_(unit(table.clamp_(min=0)))

        return GradientDescent(weights, loss, torch.optim.Adam, rest=rest, rate=rate, after=project)

    @override
    def system(self, weights: Arrays) -> System:
        table = torch.from_numpy(weights["table"])
        half = self.arena_m / 2

        def code(positions_m: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, "place unit"]:
            activity = embedding(self, table, positions_m).flatten(1).numpy()
            inside = (np.abs(positions_m) <= half + 1e-9).all(axis=1)
            return np.where(inside[:, None], activity, np.nan)

        return System.of_positions(code, max_step_m=self.max_step_m, extent_m=self.arena_m)


def unit(v: Tensor) -> Tensor:
    """Of length 1 in each module; the last axis is cells."""
    return functional.normalize(v, dim=-1)


def embedding(
    recipe: ConformalIsometry, table: Tensor, positions_m: Float[np.ndarray, "place 2"]
) -> Tensor:
    """The code (place, module, cell) of places, from the four around each."""
    n = recipe.places
    bins = (np.asarray(positions_m) / recipe.arena_m + 0.5) * n - 0.5
    bins = np.clip(bins, 0, n - 1 - 1e-9)
    low = np.minimum(np.floor(bins).astype(np.int64), n - 2)
    x, y = (bins - low).T
    rows = low[:, 1] * n + low[:, 0]
    around = torch.from_numpy(np.stack([rows, rows + 1, rows + n, rows + n + 1], axis=1))
    shares = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
    flat = table.reshape(n * n, -1)
    mixed = functional.embedding_bag(
        around, flat, per_sample_weights=torch.from_numpy(shares).to(flat), mode="sum"
    )
    return unit(mixed.reshape(-1, *table.shape[1:]))


def moved(
    recipe: ConformalIsometry, weights: Parameters, v: Tensor, step_m: Float[np.ndarray, "place 2"]
) -> Tensor:
    """The code (place, module, cell) after steps, F(v, step)."""
    length = np.linalg.norm(step_m, axis=1) / recipe.reach_m
    angle = np.arctan2(step_m[:, 1], step_m[:, 0])
    waves = [f(k * angle) for k in range(1, HARMONICS + 1) for f in (np.cos, np.sin)]
    series = torch.from_numpy(length * np.stack([np.ones_like(angle), *waves])).to(v)
    v = v.transpose(0, 1)
    modules, places, cells = v.shape
    parts = torch.bmm(v, weights["motion"]).reshape(modules, places, len(series), cells)
    moving = (parts * series.T[None, :, :, None]).sum(2)
    drive = torch.bmm(v, weights["recurrent"].transpose(1, 2)) + moving + weights["bias"]
    return unit(drive.relu().transpose(0, 1))


def losses(
    recipe: ConformalIsometry, weights: Parameters, generator: np.random.Generator
) -> dict[str, Tensor]:
    """Mean squared errors of transformation and isometry, summed over modules."""
    inside = (recipe.arena_m - recipe.arena_m / recipe.places) / 2
    # Pairs of places for the transformation, then for the isometry of each module.
    reaches = [recipe.reach_m, *(LARGEST_DISTANCE / s for s in recipe.scales_per_m)]
    steps = np.stack([displacements(generator, recipe.batch, reach) for reach in reaches])
    first = generator.uniform(-1, 1, steps.shape) * (inside - np.abs(steps) / 2) - steps / 2
    places = np.stack([first, first + steps], axis=1).reshape(-1, 2)
    codes = embedding(recipe, weights["table"], places)
    codes = codes.unflatten(0, (len(reaches), 2, recipe.batch))
    after = moved(recipe, weights, codes[0, 0], steps[0])
    transformation = (after - codes[0, 1]).square().sum((1, 2)).mean()
    terms = []
    for k, s in enumerate(recipe.scales_per_m):
        distance = (codes[k + 1, 1, :, k] - codes[k + 1, 0, :, k]).norm(dim=1)
        aim = torch.from_numpy(s * np.linalg.norm(steps[k + 1], axis=1)).to(codes)
        terms.append((distance - aim).square().mean())
    isometry = torch.stack(terms).sum()
    total = transformation + recipe.isometry_weight * isometry
    return {"loss": total, "transformation": transformation, "isometry": isometry}


def displacements(
    generator: np.random.Generator, number: int, longest_m: float
) -> Float[np.ndarray, "number 2"]:
    """Random displacements, uniform in length and direction."""
    length, angle = generator.random((2, number)) * [[longest_m], [2 * np.pi]]
    return np.stack([length * np.cos(angle), length * np.sin(angle)], axis=-1)
