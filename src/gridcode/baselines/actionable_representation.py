r"""An actionable representation of one module (Dorrell, Latham, Behrens and Whittington 2023).

Translations act linearly on the code, so each unit is a sum of waves,

$$ g(x) = a_0 + \sum_k a_k \cos(k \cdot x) + b_k \sin(k \cdot x), $$

and a step d turns the pair (cos k.x, sin k.x) by the angle k.d. Codes of places are to differ:

$$ \left\langle e^{-|g(x) - g(x')|^2 / 2 \sigma^2}
   \left(1 - e^{-|x - x'|^2 / 2 l^2}\right) \right\rangle_{x, x'} $$

is minimised where no activity is negative and the mean square of each unit is bounded by 1.

The frequencies k are those of one lattice, n_1 k_1 + n_2 k_2. The area of its unit cell is put in;
its shape is learnt, from a sheared and stretched square, together with a and b. Places are drawn in
a disc whose diameter is about one spacing. The shape depends on the size of the disc: it comes out
hexagonal with a disc of 1.02 spacings, and not with one of 0.9, 1.25 or more.

Both constraints are met by construction, as both are tight where the loss is least: a_0 is the
least that keeps activity from being negative, as a constant separates no places, and every unit is
scaled to a mean square of 1, as more activity separates them better.
"""

import math
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
from gridcode.config import Metres, Rate, Scale, StepCount

CELL_AREA = math.sqrt(3) / 2  # of a hexagonal lattice of spacing 1
PHASES = 24  # along each axis of the unit cell, where training looks for the least activity
FINE_PHASES = 96  # the same for the finished code


class ActionableRepresentation(Recipe):
    """Settings of the actionable representation."""

    name: ClassVar = "basis"
    title: ClassVar = "actionable representation (2023)"
    family: ClassVar = "normative"
    source: ClassVar = (
        "Dorrell, Latham, Behrens and Whittington 2023, Actionable neural representations: "
        "grid cells from minimal constraints, ICLR"
    )
    put_in: ClassVar = (
        "translations act linearly on a periodic code, area of its unit cell, places from a disc "
        "one spacing wide, one module, non-negative and bounded activity"
    )
    integrates: ClassVar = True

    arena_m: Metres = 2.2
    """Side of the square in which the code is analysed; it is periodic and defined everywhere."""
    cells: Annotated[int, Field(ge=2, le=1000)] = 64
    """Units; evenly spaced ones are analysed where there are more than 64."""
    spacing_m: Metres = 0.6
    """Spacing of the hexagonal lattice whose unit cell has the area that is put in."""
    harmonics: Annotated[int, Field(ge=1, le=8)] = 4
    """Largest n_1 and n_2 of the frequencies."""
    smoothing: Scale = 0.16
    """Waves are multiplied by a Gaussian of k with this width in space, in units of spacing_m."""
    disc: Scale = 1.02
    """Diameter of the disc of places, in units of spacing_m; the shape depends on it."""
    separation: Scale = 0.28
    """Distance l in space beyond which codes are to differ, in units of spacing_m."""
    sigma_per_unit: Scale = 0.34
    """Sigma, the distance at which codes differ, divided by the square root of cells."""
    batch: Annotated[int, Field(ge=2, le=10**4)] = 200
    """Places in an update, all pairs of which are compared."""
    updates: StepCount = 6000
    """Updates of amplitudes and shape."""
    learning_rate: Rate = 0.01
    """Of Adam; falls to zero over the second half."""

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

    @property
    @override
    def modules_put_in(self) -> int:
        return 1

    @override
    def begin(self, generator: np.random.Generator) -> GradientDescent:
        n = indices(self.harmonics)
        size = 0.1 / (1 + np.tile((n**2).sum(1), 2))[:, None]
        stretch, shear = generator.uniform(-0.2, 0.2, 2)
        arrays = {
            "amplitudes": size * generator.normal(size=(2 * len(n), self.cells)),
            "shape": np.array([stretch, shear, generator.uniform(0, math.pi)]),
        }
        return self.resume(arrays, {})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> GradientDescent:
        def loss(
            parameters: Parameters, _: int, generator: np.random.Generator
        ) -> Mapping[str, Tensor]:
            radius = self.disc / 2 * np.sqrt(generator.random(self.batch))
            angle = 2 * math.pi * generator.random(self.batch)
            places = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
            return {"loss": overlap(self, parameters, torch.from_numpy(places).float())}

        return GradientDescent(
            weights,
            loss,
            torch.optim.Adam,
            rest=rest,
            rate=held_then_falling(self.learning_rate, self.updates),
        )

    @override
    def system(self, weights: Arrays) -> System:
        """The state is the constant 1, the cosines, the sines and the activity."""
        tensors = {name: torch.from_numpy(value).double() for name, value in weights.items()}
        k = frequencies(self, tensors["shape"]).numpy() / self.spacing_m
        least, scaled = (x.numpy() for x in amplitudes(self, tensors, FINE_PHASES))
        readout = np.concatenate([-least[None], scaled])
        waves = len(k)

        def state(turned: Float[np.ndarray, "walker wave"]) -> Float[np.ndarray, "walker variable"]:
            return np.concatenate([turned, turned @ readout], axis=1)

        def step(
            states: Float[np.ndarray, "walker variable"], velocities: Float[np.ndarray, "walker 2"]
        ) -> Float[np.ndarray, "walker variable"]:
            one, c, s, _ = np.split(states, [1, 1 + waves, 1 + 2 * waves], axis=1)
            angle = velocities @ k.T
            cos, sin = np.cos(angle), np.sin(angle)
            return state(np.concatenate([one, c * cos - s * sin, s * cos + c * sin], axis=1))

        start = state(np.concatenate([np.ones((1, 1 + waves)), np.zeros((1, waves))], axis=1))[0]
        analysed = np.linspace(0, self.cells - 1, self.units).round().astype(int)
        return System(
            step,
            start,
            self.max_step_m,
            extent_m=self.arena_m,
            precise=(step, start),
            observed=1 + 2 * waves + analysed,
        )


def indices(harmonics: int) -> Float[np.ndarray, "wave 2"]:
    """The pairs (n_1, n_2) of the frequencies, one of each pair of opposites."""
    line = range(-harmonics, harmonics + 1)
    return np.array([(i, j) for i in line for j in line if (i, j) > (0, 0)], dtype=np.float64)


def unit_cell(shape: Float[Tensor, " 3"]) -> Float[Tensor, "2 2"]:
    """The two vectors (rows) of the lattice, in units of the spacing.

    Args:
        shape: logarithm of the stretch, shear, and orientation in radians; zeros are a square.
    """
    stretch, (_, shear, angle) = shape[0].exp(), shape
    cell = torch.stack([stretch, 0 * shear, shear, 1 / stretch]).reshape(2, 2)
    turn = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()]).reshape(2, 2)
    return math.sqrt(CELL_AREA) * cell @ turn


def frequencies(
    recipe: ActionableRepresentation, shape: Float[Tensor, " 3"]
) -> Float[Tensor, "wave 2"]:
    """The frequencies, in radians per spacing."""
    n = torch.from_numpy(indices(recipe.harmonics)).to(shape)
    return 2 * math.pi * n @ torch.linalg.inv(unit_cell(shape)).T


def amplitudes(
    recipe: ActionableRepresentation, parameters: Parameters, phases: int
) -> tuple[Float[Tensor, " cell"], Float[Tensor, "wave cell"]]:
    """Amplitudes of units that are not negative and whose mean square is 1.

    Args:
        recipe: the settings.
        parameters: amplitudes and shape.
        phases: how many, along each axis of the unit cell, to look for the least activity at.

    Returns:
        The least value of each unit's waves, -a_0, and the amplitudes of its cosines, then sines.
    """
    free = parameters["amplitudes"]
    k = frequencies(recipe, parameters["shape"])
    smooth = torch.exp(-k.square().sum(1) * recipe.smoothing**2 / 2)
    waves = free * torch.cat([smooth, smooth])[:, None]
    line = 2 * math.pi * np.arange(phases) / phases
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    angle = torch.from_numpy(grid @ indices(recipe.harmonics).T).to(free)
    least = (torch.cat([angle.cos(), angle.sin()], dim=1) @ waves).amin(0)
    size = (least.square() + waves.square().sum(0) / 2).sqrt()
    return least / size, waves / size


def overlap(
    recipe: ActionableRepresentation, parameters: Parameters, places: Float[Tensor, "place 2"]
) -> Tensor:
    """The loss at places in units of the spacing."""
    least, waves = amplitudes(recipe, parameters, PHASES)
    angle = places @ frequencies(recipe, parameters["shape"]).T
    activity = torch.cat([angle.cos(), angle.sin()], dim=1) @ waves - least
    sigma2 = recipe.sigma_per_unit**2 * recipe.cells
    alike = torch.exp(-functional.pdist(activity).square() / (2 * sigma2))
    far = 1 - torch.exp(-functional.pdist(places).square() / (2 * recipe.separation**2))
    return (alike * far).mean()
