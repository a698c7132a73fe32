"""Spaces beyond the flat one: where displacements lead on a circle, torus, sphere, line with ends.

A space gives training batches: velocities are drawn as in a flat world, and positions follow from
the space. Its coordinates may outnumber the axes of a velocity: a circle lies in a plane. Distances
between positions are straight (chords), which at the scale of sigma_x are as long as arcs.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gridcode.config import WorldConfig
from gridcode.errors import InputError
from gridcode.world.permutations import Batch, draw_orders, draw_velocities
from gridcode.world.streams import UniformSource


class Space(ABC):
    """What displacements mean.

    Attributes:
        axes: numbers in a displacement: `world.dimensions` of its trainings.
    """

    axes: ClassVar[int]

    @abstractmethod
    def path(
        self, displacements: Float[Tensor, "step walker axis"]
    ) -> Float[Tensor, "time walker coordinate"]:
        """Positions along walks from the start of the space.

        Args:
            displacements: (step, walker, axis) metres per step.

        Returns:
            (step + 1, walker, coordinate) metres, the start included.
        """

    def positions(
        self, velocities: Float[Tensor, "velocity axis"], orders: Int[Tensor, "trajectory step"]
    ) -> Float[Tensor, "time trajectory coordinate"]:
        """Positions along the trajectories of a batch.

        Args:
            velocities: (velocity, axis) metres per step.
            orders: (trajectory, step) which velocity each trajectory takes at each step.
        """
        # In float64: trajectories that meet then do so within rounding.
        return self.path(velocities.double()[orders.T]).to(velocities.dtype)

    def batches(
        self, world: WorldConfig, *, separate_steps: int = 0, dtype: torch.dtype = torch.float32
    ) -> "SpaceBatches":
        """Training batches for `gridcode.train(..., batches=)`.

        Args:
            world: how velocities and their orders are drawn.
            separate_steps: length of the first stage (`training.separate_steps`).
            dtype: floating-point type.

        Raises:
            InputError: displacements of another number of axes than `world.dimensions`.
        """
        return SpaceBatches(self, world, separate_steps, dtype)


@dataclass(frozen=True)
class SpaceBatches:
    """Batches in a space: shuffled orders of the same velocities, as in a flat world.

    Attributes:
        space: where they lead.
        world: how they are drawn.
        separate_steps: length of the first stage.
        dtype: floating-point type.

    Raises:
        InputError: displacements of another number of axes than `world.dimensions`.
    """

    space: Space
    world: WorldConfig
    separate_steps: int = 0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.world.dimensions != self.space.axes:
            raise InputError(
                f"displacements in {self.space} have {self.space.axes} axes: "
                f"world.dimensions must be {self.space.axes}, not {self.world.dimensions}"
            )

    def __call__(self, step: int, generator: UniformSource) -> Batch:
        """The batch of a step."""
        steps, trajectories = self.world.stage(joint=step >= self.separate_steps)
        velocities = draw_velocities(
            steps,
            max_velocity_m=self.world.max_velocity_m,
            distribution=self.world.velocities,
            dimensions=self.space.axes,
            generator=generator,
        ).to(self.dtype)
        orders = draw_orders(trajectories, steps, kind=self.world.orders, generator=generator)
        return Batch(velocities, orders, self.space.positions(velocities, orders))


def _positive(**lengths: float) -> None:
    for name, length in lengths.items():
        if not 0 < length < float("inf"):
            raise InputError(f"{name} must be a positive length in metres, not {length}")


def _sums(displacements: Float[Tensor, "step walker axis"]) -> Float[Tensor, "time walker axis"]:
    return torch.cat([torch.zeros_like(displacements[:1]), displacements.cumsum(dim=0)])


def _circle(along: Tensor, circumference_m: float) -> Float[Tensor, "*along 2"]:
    """Points of a circle in the plane, metres, at distances along it."""
    angle = along * (2 * torch.pi / circumference_m)
    return torch.stack([angle.cos(), angle.sin()], dim=-1) * (circumference_m / (2 * torch.pi))


@dataclass(frozen=True)
class Circle(Space):
    """A closed track: one axis, positions (x, y) on a circle in the plane.

    Attributes:
        circumference_m: metres.

    Raises:
        InputError: a length that is not positive.
    """

    circumference_m: float
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _positive(circumference_m=self.circumference_m)

    def path(self, displacements: Float[Tensor, "step walker 1"]) -> Float[Tensor, "time walker 2"]:
        """As in `Space`."""
        return _circle(_sums(displacements)[..., 0], self.circumference_m)


@dataclass(frozen=True)
class Torus(Space):
    """A flat torus: who leaves a rectangle at one side enters it at the other.

    Two axes; positions are the points of two circles, (x, y) of each.

    Attributes:
        sides_m: of the rectangle, metres.

    Raises:
        InputError: a length that is not positive.
    """

    sides_m: tuple[float, float]
    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _positive(width=self.sides_m[0], height=self.sides_m[1])

    def path(self, displacements: Float[Tensor, "step walker 2"]) -> Float[Tensor, "time walker 4"]:
        """As in `Space`."""
        both = zip(_sums(displacements).unbind(dim=-1), self.sides_m, strict=True)
        return torch.cat([_circle(along, side) for along, side in both], dim=-1)


@dataclass(frozen=True)
class Sphere(Space):
    """The surface of a ball, moved by turns: x_t = R(v_t) x_(t-1).

    A displacement v of three numbers turns all points by the angle |v| / radius about the axis v
    fixed in space: no point moves further than |v|, and those on the axis do not move. Turns do not
    commute, so that other orders of the same displacements end elsewhere. Positions are points
    (x, y, z) from the centre; walks start at (0, 0, radius).

    Attributes:
        radius_m: metres.

    Raises:
        InputError: a length that is not positive.
    """

    radius_m: float
    axes: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _positive(radius_m=self.radius_m)

    def path(self, displacements: Float[Tensor, "step walker 3"]) -> Float[Tensor, "time walker 3"]:
        """As in `Space`."""
        turns = displacements / self.radius_m
        x = torch.zeros_like(turns[0])
        x[:, 2] = self.radius_m
        found = [x]
        for turn in turns:
            found.append(turned(found[-1], turn))
        return torch.stack(found)


@dataclass(frozen=True)
class Line(Space):
    """A line with two ends, like a scale of tones: movement beyond an end is lost.

    One axis and one coordinate, from -length / 2 to length / 2.

    Attributes:
        length_m: metres.
        start_m: where walks start.

    Raises:
        InputError: a length that is not positive, or a start beyond an end.

    Source: Aronov, Nevers & Tank 2017, "Mapping of a non-spatial dimension by the
        hippocampal-entorhinal circuit", Nature: rats moved a tone between two frequencies.
    """

    length_m: float
    start_m: float = 0.0
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _positive(length_m=self.length_m)
        if not abs(self.start_m) <= self.length_m / 2:
            raise InputError(
                f"start_m ({self.start_m} m) lies beyond the ends of a line of {self.length_m} m"
            )

    def path(self, displacements: Float[Tensor, "step walker 1"]) -> Float[Tensor, "time walker 1"]:
        """As in `Space`."""
        found = [torch.full_like(displacements[0], self.start_m)]
        for step in displacements:
            found.append((found[-1] + step).clamp(-self.length_m / 2, self.length_m / 2))
        return torch.stack(found)


def turned(
    x: Float[Tensor, "walker 3"], turn: Float[Tensor, "walker 3"]
) -> Float[Tensor, "walker 3"]:
    r"""Points turned about axes through the origin.

    $$ x' = x + \frac{\sin\theta}{\theta}\, w \times x
        + \frac{1 - \cos\theta}{\theta^2}\, w \times (w \times x), \qquad \theta = |w| $$

    Args:
        x: points.
        turn: w, the axis of each turn times its angle in radians.

    Source: Rodrigues 1840, "Des lois géométriques qui régissent les déplacements d'un système
        solide".
    """
    angle = torch.linalg.vector_norm(turn, dim=-1, keepdim=True)
    across = torch.linalg.cross(turn, x)
    # sinc(a) = sin(pi a) / (pi a), and (1 - cos a) / a^2 = (sin(a / 2) / (a / 2))^2 / 2.
    first = torch.sinc(angle / torch.pi)
    second = torch.sinc(angle / (2 * torch.pi)) ** 2 / 2
    return x + first * across + second * torch.linalg.cross(turn, across)
