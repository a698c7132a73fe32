"""Training batches: many orders of the same velocities (paper, section 5.1).

All trajectories start and end at the same places, and many cross on the way; these crossings are
the positive pairs of self-supervision.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from gridcode.errors import InputError
from gridcode.world.streams import UniformSource, as_source


@dataclass(frozen=True)
class Batch:
    """One training batch: all trajectories take the same velocities, each in its own order.

    Networks that train together have a batch each, stacked on a leading axis.

    Attributes:
        velocities: (velocity, axis) metres per step.
        orders: (trajectory, step) which velocity each trajectory takes at each step.
        positions: (step + 1, trajectory, coordinate) metres. In a flat world there are as many
            coordinates as axes, and the origin is the start; in another space
            (`gridcode.world.spaces`) there may be more.
    """

    velocities: Float[Tensor, "*network velocity axis"]
    orders: Int[Tensor, "*network trajectory step"]
    positions: Float[Tensor, "*network time trajectory coordinate"]

    def __repr__(self) -> str:
        *_, times, trajectories, _axes = self.positions.shape
        return (
            f"Batch({self.velocities.shape[-2]} velocities, {trajectories} trajectories "
            f"of {times - 1} steps, {self.positions.device})"
        )


def draw_velocities(
    count: int,
    *,
    max_velocity_m: float | Tensor,
    distribution: str = "square",
    dimensions: int = 2,
    generator: Generator | UniformSource,
) -> Float[Tensor, "*network velocity axis"]:
    """Independent velocities, metres per step.

    Args:
        count: how many.
        max_velocity_m: half-side of the square; one number, or one for each network, (network, 1,
            1).
        distribution: `square`, uniform in [-max, max]^2 (published); `disc`, uniform in the disc of
            the same variance (radius sqrt(4/3) max). The square prefers its diagonals; the disc
            has no preferred direction. In three dimensions a cube and a ball (radius sqrt(5/3)
            max), in one the same interval.
        dimensions: axes of a velocity, 1 to 3.
        generator: source of randomness; its device is the result's, its networks are the leading
            axis.

    Raises:
        InputError: an unknown distribution, or another number of dimensions.
    """
    if distribution not in ("square", "disc"):
        raise InputError(f"unknown velocity distribution '{distribution}': choose square or disc")
    if dimensions not in (1, 2, 3):
        raise InputError(f"a world has 1, 2 or 3 dimensions, not {dimensions}")
    uniform = as_source(generator).uniform(count, dimensions)
    if distribution == "square" or dimensions == 1:
        return (2 * uniform - 1) * max_velocity_m
    return (_disc(uniform) if dimensions == 2 else _ball(uniform)) * max_velocity_m


def _disc(uniform: Float[Tensor, "*count 2"]) -> Float[Tensor, "*count 2"]:
    radius = (4 / 3) ** 0.5 * uniform[..., 0].sqrt()
    angle = 2 * torch.pi * uniform[..., 1]
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)


def _ball(uniform: Float[Tensor, "*count 3"]) -> Float[Tensor, "*count 3"]:
    radius = (5 / 3) ** 0.5 * uniform[..., 0] ** (1 / 3)
    height = 2 * uniform[..., 1] - 1
    around = (1 - height**2).sqrt()
    angle = 2 * torch.pi * uniform[..., 2]
    direction = torch.stack([around * angle.cos(), around * angle.sin(), height], dim=-1)
    return radius.unsqueeze(-1) * direction


def _shuffles(
    rows: int, length: int, source: UniformSource
) -> Int[Tensor, "*network row position"]:
    # Stable, so that the rare equal keys give the same order on every device.
    return source.uniform(rows, length).argsort(dim=-1, stable=True)


def draw_orders(
    trajectories: int, steps: int, *, kind: str = "latin", generator: Generator | UniformSource
) -> Int[Tensor, "*network trajectory step"]:
    """The order of velocities in each trajectory; every row is a permutation of 0 .. steps - 1.

    Args:
        trajectories: number of rows, B.
        steps: length of each, T.
        kind: `permutation`, independent uniform shuffles; `latin`, rows of random Latin squares, so
            that at every step each velocity is taken exactly B / T times (each row alone is still a
            uniform permutation); `identity`, all rows alike: the ablation without augmentation.
        generator: source of randomness.

    Raises:
        InputError: an unknown kind, or Latin orders whose B is not a multiple of T.
    """
    source = as_source(generator)
    if kind == "permutation":
        return _shuffles(trajectories, steps, source)
    if kind == "identity":
        alike = source.uniform(1, 1)
        return torch.arange(steps, device=alike.device).expand(
            *alike.shape[:-2], trajectories, steps
        )
    if kind != "latin":
        raise InputError(f"unknown orders '{kind}': choose permutation, latin or identity")
    squares, rest = divmod(trajectories, steps)
    if rest:
        raise InputError(
            f"Latin orders need trajectories ({trajectories}) to be a multiple of steps ({steps})"
        )
    # The cyclic square with its symbols, rows and columns shuffled; shuffled symbols make each row
    # a uniform permutation.
    symbols, rows, columns = _shuffles(3 * squares, steps, source).split(squares, dim=-2)
    cyclic = (rows.unsqueeze(-1) + columns.unsqueeze(-2)) % steps
    return symbols.gather(-1, cyclic.flatten(-2)).view(*symbols.shape[:-2], trajectories, steps)


def positions_of(
    velocities: Float[Tensor, "*network velocity axis"],
    orders: Int[Tensor, "*network trajectory step"],
) -> Float[Tensor, "*network time trajectory axis"]:
    """Positions along every trajectory from the origin, metres: sums of the velocities."""
    # In float64: trajectories that took the same velocities then meet within rounding.
    steps_taken = orders.transpose(-1, -2)
    axes = velocities.shape[-1]
    index = steps_taken.flatten(-2).unsqueeze(-1).expand(*steps_taken.shape[:-2], -1, axes)
    path = (
        velocities.double().gather(-2, index).unflatten(-2, steps_taken.shape[-2:]).cumsum(dim=-3)
    )
    return torch.cat([torch.zeros_like(path[..., :1, :, :]), path], dim=-3).to(velocities.dtype)


def draw_batch(
    *,
    steps: int,
    trajectories: int,
    max_velocity_m: float | Tensor,
    distribution: str = "square",
    kind: str = "latin",
    dimensions: int = 2,
    generator: Generator | UniformSource,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """A training batch; arguments and errors as in `draw_velocities` and `draw_orders`."""
    velocities = draw_velocities(
        steps,
        max_velocity_m=max_velocity_m,
        distribution=distribution,
        dimensions=dimensions,
        generator=generator,
    ).to(dtype)
    orders = draw_orders(trajectories, steps, kind=kind, generator=generator)
    return Batch(velocities=velocities, orders=orders, positions=positions_of(velocities, orders))
