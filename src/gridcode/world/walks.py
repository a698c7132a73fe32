"""Walks for evaluation: bounded paths in a square arena, all from its centre, the origin.

In a world of one dimension the arena is a line of the same length, in one of three a cube.

Units are metres and network steps: a velocity is the displacement of one step, as in training.
"""

import dataclasses
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.world.lines_and_volumes import walk_smoothly


@dataclass(frozen=True)
class Walk:
    """Bounded walks through an arena.

    Attributes:
        velocities: (step, walker, axis) metres per step.
        positions: (step + 1, walker, axis) metres, starting at the origin unless told otherwise.
        arena_m: side of the square arena, centred on the origin.
        kind: name of the walk.
    """

    velocities: Float[np.ndarray, "step walker axis"]
    positions: Float[np.ndarray, "time walker axis"]
    arena_m: float
    kind: str

    def __repr__(self) -> str:
        steps, walkers, axes = self.velocities.shape
        what = {1: "line", 2: "arena", 3: "cube"}[axes]
        return f"Walk({self.kind}: {walkers} walkers, {steps} steps, {self.arena_m:g} m {what})"


@runtime_checkable
class WalkFunction(Protocol):
    """A kind of walk: what every value of `WALKS` can be called with."""

    def __call__(
        self,
        *,
        arena_m: float,
        steps: int,
        walkers: int,
        max_step_m: float,
        generator: np.random.Generator,
        dimensions: int = 2,
    ) -> Walk:
        """Arguments, result and errors as in `smooth_walk`."""


def _check(
    arena_m: float, steps: int, walkers: int, max_step_m: float, dimensions: int = 2
) -> None:
    if dimensions not in (1, 2, 3):
        raise InputError(f"a world has 1, 2 or 3 dimensions, not {dimensions}")
    if not arena_m > 0:
        raise InputError(f"the arena must be wider than 0 m, not {arena_m}")
    if steps < 1 or walkers < 1:
        raise InputError(
            f"a walk needs at least one step and one walker, not {steps} and {walkers}"
        )
    if not 0 < max_step_m < arena_m / 2:
        raise InputError(
            f"the longest step ({max_step_m} m) must be positive and less than half the arena "
            f"({arena_m} m)"
        )


def _only_in_plane(walk: str, dimensions: int) -> None:
    if dimensions != 2:
        raise InputError(
            f"the walk '{walk}' is one of two dimensions: in a world of {dimensions} "
            "choose smooth, uniform or slow"
        )


def smooth_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    dimensions: int = 2,
    turn_deg: float = 12.0,
    starts_m: Float[np.ndarray, "walker axis"] | None = None,
) -> Walk:
    """A smooth random walk: the heading diffuses, the speed drifts, walls are avoided.

    Args:
        arena_m: side of the square arena.
        steps: steps of each walk.
        walkers: independent walks, all from the origin with random headings.
        max_step_m: no step is longer; keep it inside the training range.
        generator: source of randomness.
        turn_deg: standard deviation of the change of heading in one step.
        dimensions: axes of the world, 1 to 3. On a line the heading turns round at random, so often
            that it is forgotten as fast as in the plane.
        starts_m: (walker, axis) where walks start, inside the arena; None: at the origin.

    Returns:
        A walk whose positions never leave the arena.

    Raises:
        InputError: a size that is not positive, or steps too long for the arena.

    Source: heading diffusion with wall avoidance is the walk of the field's simulations (Banino et
        al. 2018; RatInABox).
    """
    _check(arena_m, steps, walkers, max_step_m, dimensions)
    half = arena_m / 2
    # Within this distance of a wall a walker turns; a turn at full speed needs about this space.
    margin = min(max_step_m, half / 4)
    velocities = np.empty((steps, walkers, dimensions))
    positions = np.zeros((steps + 1, walkers, dimensions))
    if starts_m is not None:
        positions[0] = starts_m
    if dimensions != 2:
        walk_smoothly(
            velocities,
            positions,
            half_m=half,
            margin_m=margin,
            max_step_m=max_step_m,
            turn=np.radians(turn_deg),
            generator=generator,
        )
        return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="smooth")
    heading = generator.uniform(0, 2 * np.pi, walkers)
    speed = generator.uniform(0.2, 1.0, walkers)
    turns = np.radians(turn_deg) * generator.standard_normal((steps, walkers))
    changes = 0.15 * generator.standard_normal((steps, walkers))
    for t in range(steps):
        heading = heading + turns[t]
        # Speeds drift between a fifth of the longest step and all of it, reflected at both ends.
        speed = speed + changes[t]
        speed = np.clip(
            np.where(speed > 1, 2 - speed, np.where(speed < 0.2, 0.4 - speed, speed)), 0.2, 1.0
        )
        here = positions[t]
        direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        # Near a wall the outward part of the heading is turned along the wall, then a little
        # inwards.
        outward = (np.abs(here) > half - margin) & (direction * here > 0)
        depth = np.clip((np.abs(here) - (half - margin)) / margin, 0, 1)
        direction = np.where(
            outward, direction * (1 - depth) - 0.15 * depth * np.sign(here), direction
        )
        length = np.hypot(direction[:, 0], direction[:, 1])
        heading = np.where(
            length > 1e-9, np.arctan2(direction[:, 1], direction[:, 0]), heading + np.pi
        )
        step = (speed * max_step_m)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        # Steps that would still cross a wall (in a corner, at high speed) are cut at it.
        positions[t + 1] = np.clip(here + step, -half, half)
        velocities[t] = positions[t + 1] - here
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="smooth")


def uniform_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    dimensions: int = 2,
) -> Walk:
    """The walk of the training: velocities uniform in a square, reflected at the walls.

    The square (interval, cube) has half-side `max_step_m`.
    Arguments, result and errors as in `smooth_walk`.
    """
    _check(arena_m, steps, walkers, max_step_m, dimensions)
    half = arena_m / 2
    velocities = generator.uniform(-max_step_m, max_step_m, (steps, walkers, dimensions))
    positions = np.zeros((steps + 1, walkers, dimensions))
    for t in range(steps):
        leaves = np.abs(positions[t] + velocities[t]) > half
        velocities[t] = np.where(leaves, -velocities[t], velocities[t])
        positions[t + 1] = positions[t] + velocities[t]
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="uniform")


def slow_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    dimensions: int = 2,
) -> Walk:
    """The smooth walk at a quarter of its speed, with the same turns in each step.

    No step is longer than `max_step_m / 4`.
    Arguments, result and errors as in `smooth_walk`.
    """
    _check(arena_m, steps, walkers, max_step_m)
    walk = smooth_walk(
        arena_m=arena_m,
        steps=steps,
        walkers=walkers,
        max_step_m=max_step_m / 4,
        generator=generator,
        dimensions=dimensions,
    )
    return dataclasses.replace(walk, kind="slow")


def straight_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    dimensions: int = 2,
) -> Walk:
    """Straight runs from wall to wall at nearly constant speed, with turns only at the walls.

    Each run goes to a uniformly drawn point of another wall at 0.85 to 0.95 of the longest step,
    and ends exactly there, which shortens its last step. Arguments, result and errors as in
    `smooth_walk`; two dimensions only.
    """
    _only_in_plane("straight", dimensions)
    _check(arena_m, steps, walkers, max_step_m)
    half = arena_m / 2
    everyone = np.arange(walkers)

    def points(wall: np.ndarray, along: np.ndarray) -> np.ndarray:
        # Walls 0 and 1 are at +x and -x, walls 2 and 3 at +y and -y.
        place = np.empty((len(wall), 2))
        which, across = everyone[: len(wall)], wall // 2
        place[which, across] = np.where(wall % 2 == 0, half, -half)
        place[which, 1 - across] = along
        return place

    wall = generator.integers(4, size=walkers)
    target = points(wall, generator.uniform(-half, half, walkers))
    speeds = max_step_m * generator.uniform(0.85, 0.95, (steps, walkers))
    velocities = np.empty((steps, walkers, 2))
    positions = np.zeros((steps + 1, walkers, 2))
    for t in range(steps):
        way = target - positions[t]
        left = np.hypot(way[:, 0], way[:, 1])
        arrives = left <= speeds[t]
        ahead = way * (speeds[t] / np.where(arrives, 1.0, left))[:, None]
        positions[t + 1] = np.where(
            arrives[:, None], target, np.clip(positions[t] + ahead, -half, half)
        )
        velocities[t] = positions[t + 1] - positions[t]
        # One of the three other walls.
        wall = np.where(arrives, (wall + generator.integers(1, 4, size=walkers)) % 4, wall)
        target = np.where(
            arrives[:, None], points(wall, generator.uniform(-half, half, walkers)), target
        )
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="straight")


# RatInABox moves in seconds. Its own time step, well under the 0.08 s over which its rats turn and
# 0.7 s over which they change speed.
_RAT_SECONDS = 0.05
# Its speeds follow a Rayleigh distribution; this many times the scale is passed by exp(-3^2 / 2) =
# 1.1% of them.
_RAT_FASTEST = 3.0


def rat_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    dimensions: int = 2,
) -> Walk:
    """Rat-like motion of RatInABox (optional extra `rats`).

    Its speeds and turns were fitted to rats foraging in a box.
    A network step lasts as long as a rat takes for `max_step_m` at three times the scale of its
    speeds: about 0.6 s for 0.15 m. The rare faster moves are cut to `max_step_m` and made up for
    afterwards. RatInABox takes its own steps of 0.05 s, about 4 ms for each step of each walker.
    Arguments and result as in `smooth_walk`.

    Raises:
        InputError: as `smooth_walk`, other than two dimensions, or RatInABox is not installed.

    Source: George et al. 2024, "RatInABox, a toolkit for modelling locomotion and neuronal activity
        in continuous environments", eLife; motion fitted to Sargolini et al. 2006.
    """
    _only_in_plane("rat", dimensions)
    _check(arena_m, steps, walkers, max_step_m)
    ratinabox = needed("ratinabox", "rats", "the walk 'rat'")
    half = arena_m / 2
    scale = float(ratinabox.Agent.default_params["speed_mean"])
    every = max(1, round(max_step_m / (_RAT_FASTEST * scale) / _RAT_SECONDS))
    seconds = max_step_m / (_RAT_FASTEST * scale) / every
    targets = np.empty((steps, walkers, 2))
    # RatInABox draws from NumPy's global generator; it is given back as it was.
    before = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(int(generator.integers(2**32)))  # noqa: NPY002
        environment = ratinabox.Environment(params={"scale": arena_m})
        for walker in range(walkers):
            agent = ratinabox.Agent(environment, params={"dt": seconds, "save_history": False})
            agent.pos = np.array([half, half])
            for t in range(steps * every):
                agent.update()
                if t % every == every - 1:
                    targets[t // every, walker] = agent.pos - half
    finally:
        np.random.set_state(before)  # noqa: NPY002
    velocities = np.empty((steps, walkers, 2))
    positions = np.zeros((steps + 1, walkers, 2))
    for t in range(steps):
        way = np.clip(targets[t], -half, half) - positions[t]
        length = np.hypot(way[:, 0], way[:, 1])
        positions[t + 1] = (
            positions[t] + way * (max_step_m / np.maximum(length, max_step_m))[:, None]
        )
        velocities[t] = positions[t + 1] - positions[t]
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="rat")


# Keep this order: evaluations use the number of a walk in their seeds.
WALKS: dict[str, WalkFunction] = {
    "smooth": smooth_walk,
    "uniform": uniform_walk,
    "slow": slow_walk,
    "straight": straight_walk,
    "rat": rat_walk,
}


def training_extent_m(max_velocity_m: float, steps: int) -> float:
    r"""Side of the square that training covers.

    Each coordinate of 95% of the final positions lies within it:

    $$ 2 \cdot 1.96 \, \frac{v}{\sqrt 3} \sqrt{T} $$

    The same for velocities from the disc, which has the square's variance.

    Args:
        max_velocity_m: v, half-side of the square that velocities are drawn from, metres per step.
        steps: T, steps of a training trajectory.

    Raises:
        InputError: a number that is not positive.
    """
    if not max_velocity_m > 0 or steps < 1:
        raise InputError(f"velocities ({max_velocity_m} m) and steps ({steps}) must be positive")
    return 3.92 * max_velocity_m * (steps / 3) ** 0.5


def samples(walk: Walk) -> Float[np.ndarray, "sample axis"]:
    """All positions after the start, step by step, (steps * walkers, axis) metres."""
    return walk.positions[1:].reshape(-1, walk.positions.shape[-1])
