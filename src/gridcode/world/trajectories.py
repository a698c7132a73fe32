"""Walks to evaluate on: bounded paths in a square arena centred on the origin, where every walk starts.

Units are metres and network steps: a velocity is the displacement of one step, as in training.
"""

import numpy as np
from jaxtyping import Float

from gridcode.errors import InputError
from gridcode.records import Walk


def _check(arena_m: float, steps: int, walkers: int, max_step_m: float) -> None:
    if not arena_m > 0:
        raise InputError(f"the arena must be wider than 0 m, not {arena_m}")
    if steps < 1 or walkers < 1:
        raise InputError(f"a walk needs at least one step and one walker, not {steps} and {walkers}")
    if not 0 < max_step_m < arena_m / 2:
        raise InputError(f"the longest step ({max_step_m} m) must be positive and under half the arena ({arena_m} m)")


def smooth_walk(
    *,
    arena_m: float,
    steps: int,
    walkers: int,
    max_step_m: float,
    generator: np.random.Generator,
    turn_deg: float = 12.0,
) -> Walk:
    """A smooth bounded random walk: the heading diffuses, the speed drifts, walls are steered away from.

    Args:
        arena_m: side of the square arena.
        steps: steps of each walk.
        walkers: independent walks, all from the origin with random headings.
        max_step_m: no step is longer; keep it inside the training range.
        generator: source of randomness.
        turn_deg: standard deviation of the change of heading in one step.

    Returns:
        A walk whose positions never leave the arena.

    Raises:
        InputError: a size that is not positive, or steps too long for the arena.

    Source: heading diffusion with wall avoidance is the walk of the field's simulations (Banino et al. 2018; RatInABox).
    """
    _check(arena_m, steps, walkers, max_step_m)
    half = arena_m / 2
    # Within this distance of a wall a walker turns; a turn at full speed needs about this much room.
    margin = min(max_step_m, half / 4)
    velocities = np.empty((steps, walkers, 2))
    positions = np.zeros((steps + 1, walkers, 2))
    heading = generator.uniform(0, 2 * np.pi, walkers)
    speed = generator.uniform(0.2, 1.0, walkers)
    turns = np.radians(turn_deg) * generator.standard_normal((steps, walkers))
    changes = 0.15 * generator.standard_normal((steps, walkers))
    for t in range(steps):
        heading = heading + turns[t]
        # Speeds drift between a fifth of the longest step and all of it, reflected at both ends.
        speed = speed + changes[t]
        speed = np.clip(np.where(speed > 1, 2 - speed, np.where(speed < 0.2, 0.4 - speed, speed)), 0.2, 1.0)
        here = positions[t]
        direction = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        # Near a wall the outward part of the heading is turned along the wall, then a little inwards.
        outward = (np.abs(here) > half - margin) & (direction * here > 0)
        depth = np.clip((np.abs(here) - (half - margin)) / margin, 0, 1)
        direction = np.where(outward, direction * (1 - depth) - 0.15 * depth * np.sign(here), direction)
        length = np.hypot(direction[:, 0], direction[:, 1])
        heading = np.where(length > 1e-9, np.arctan2(direction[:, 1], direction[:, 0]), heading + np.pi)
        step = (speed * max_step_m)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        # What the steering leaves over (a corner, a fast glance) is cut at the wall, which only shortens the step.
        positions[t + 1] = np.clip(here + step, -half, half)
        velocities[t] = positions[t + 1] - here
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="smooth")


def uniform_walk(*, arena_m: float, steps: int, walkers: int, max_step_m: float, generator: np.random.Generator) -> Walk:
    """The training-like walk: every velocity uniform in a square of half-side `max_step_m`, reflected at the walls.

    Arguments, result and errors as in `smooth_walk`.
    """
    _check(arena_m, steps, walkers, max_step_m)
    half = arena_m / 2
    velocities = generator.uniform(-max_step_m, max_step_m, (steps, walkers, 2))
    positions = np.zeros((steps + 1, walkers, 2))
    for t in range(steps):
        leaves = np.abs(positions[t] + velocities[t]) > half
        velocities[t] = np.where(leaves, -velocities[t], velocities[t])
        positions[t + 1] = positions[t] + velocities[t]
    return Walk(velocities=velocities, positions=positions, arena_m=arena_m, kind="uniform")


WALKS = {"smooth": smooth_walk, "uniform": uniform_walk}


def samples(walk: Walk) -> Float[np.ndarray, "sample 2"]:
    """All positions after the start, walk after walk joined per step, (steps * walkers, 2) metres."""
    return walk.positions[1:].reshape(-1, 2)
