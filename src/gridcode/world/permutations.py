"""Training batches: many orders of the same velocities, all from one place to another (paper, section 5.1).

Every trajectory ends where the others end, and many cross on the way; those crossings are the positive pairs
that self-supervision feeds on.
"""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from gridcode.errors import InputError
from gridcode.records import Batch


def draw_velocities(count: int, *, max_velocity_m: float, distribution: str = "square", generator: Generator) -> Float[Tensor, "velocity 2"]:
    """Independent velocities, metres per step.

    Args:
        count: how many.
        max_velocity_m: half-side of the square.
        distribution: `square`, uniform in [-max, max]^2 (published); `disc`, uniform in the disc of the same variance
            (radius sqrt(4/3) max). The square prefers its diagonals; the disc prefers no direction.
        generator: source of randomness; its device is the result's.

    Raises:
        InputError: an unknown distribution.
    """
    device = generator.device
    uniform = torch.rand(count, 2, generator=generator, device=device)
    if distribution == "square":
        return (2 * uniform - 1) * max_velocity_m
    if distribution == "disc":
        radius = max_velocity_m * (4 / 3) ** 0.5 * uniform[:, 0].sqrt()
        angle = 2 * torch.pi * uniform[:, 1]
        return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    raise InputError(f"unknown velocity distribution '{distribution}': choose square or disc")


def _shuffles(rows: int, length: int, generator: Generator) -> Int[Tensor, "row position"]:
    return torch.rand(rows, length, generator=generator, device=generator.device).argsort(dim=1)


def draw_orders(trajectories: int, steps: int, *, kind: str = "latin", generator: Generator) -> Int[Tensor, "trajectory step"]:
    """In which order each trajectory takes the velocities; every row is a permutation of 0 .. steps - 1.

    Args:
        trajectories: number of rows, B.
        steps: length of each, T.
        kind: `permutation`, independent uniform shuffles; `latin`, rows of random Latin squares, so that at every step
            each velocity is taken exactly B / T times (each row alone is still a uniform permutation); `identity`, all
            rows alike: the ablation without augmentation.
        generator: source of randomness.

    Raises:
        InputError: an unknown kind, or Latin orders whose B is not a multiple of T.
    """
    if kind == "permutation":
        return _shuffles(trajectories, steps, generator)
    if kind == "identity":
        return torch.arange(steps, device=generator.device).repeat(trajectories, 1)
    if kind != "latin":
        raise InputError(f"unknown orders '{kind}': choose permutation, latin or identity")
    squares, rest = divmod(trajectories, steps)
    if rest:
        raise InputError(f"Latin orders need trajectories ({trajectories}) to be a multiple of steps ({steps})")
    # The cyclic square with its symbols, rows and columns shuffled; shuffled symbols make each row uniform.
    symbols, rows, columns = (_shuffles(squares, steps, generator) for _ in range(3))
    cyclic = (rows[:, :, None] + columns[:, None, :]) % steps
    return symbols.gather(1, cyclic.view(squares, -1)).view(trajectories, steps)


def positions_of(velocities: Float[Tensor, "velocity 2"], orders: Int[Tensor, "trajectory step"]) -> Float[Tensor, "time trajectory 2"]:
    """Positions along every trajectory, metres, from the origin: sums of the velocities taken so far."""
    # Summed in float64: two trajectories that took the same velocities then meet within rounding of the result.
    path = velocities.double()[orders.T].cumsum(dim=0)
    return torch.cat([path.new_zeros(1, *path.shape[1:]), path]).to(velocities.dtype)


def draw_batch(
    *,
    steps: int,
    trajectories: int,
    max_velocity_m: float,
    distribution: str = "square",
    kind: str = "latin",
    generator: Generator,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """A training batch; arguments and errors as in `draw_velocities` and `draw_orders`."""
    velocities = draw_velocities(steps, max_velocity_m=max_velocity_m, distribution=distribution, generator=generator).to(dtype)
    orders = draw_orders(trajectories, steps, kind=kind, generator=generator)
    return Batch(velocities=velocities, orders=orders, positions=positions_of(velocities, orders))
