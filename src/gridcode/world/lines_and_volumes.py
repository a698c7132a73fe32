"""Smooth random walks along a line and through a cube.

In the plane `gridcode.world.walks.smooth_walk` draws angles of headings instead: evaluations of
existing networks rest on its random numbers.
"""

import numpy as np
from jaxtyping import Float

# Speeds drift between a fifth of the longest step and all of it.
SLOWEST = 0.2
SPEED_DRIFT = 0.15


def walk_smoothly(
    velocities: Float[np.ndarray, "step walker axis"],
    positions: Float[np.ndarray, "time walker axis"],
    *,
    half_m: float,
    margin_m: float,
    max_step_m: float,
    turn: float,
    generator: np.random.Generator,
) -> None:
    """Fill in walks that start at `positions[0]`: headings diffuse, walls are avoided.

    Args:
        velocities: filled in, metres per step.
        positions: filled in, metres; their first row is read.
        half_m: distance of the walls from the origin.
        margin_m: within this distance of a wall a walker turns away from it.
        max_step_m: no step is longer.
        turn: radians; standard deviation of a change of heading. On a line the heading turns round
            with the probability that gives its correlation the same decay as in the plane.
        generator: source of randomness.
    """
    steps, walkers, axes = velocities.shape
    heading = _unit(generator.standard_normal((walkers, axes)))
    speed: Float[np.ndarray, " walker"] = generator.uniform(SLOWEST, 1.0, size=(walkers,))
    for t in range(steps):
        heading = _turned(heading, turn, generator)
        speed = _reflected(speed + SPEED_DRIFT * generator.standard_normal(walkers))
        heading = _away_from_walls(heading, positions[t], half_m, margin_m)
        there = positions[t] + (speed * max_step_m)[:, None] * heading
        # Steps that would still cross a wall are cut at it.
        positions[t + 1] = np.clip(there, -half_m, half_m)
        velocities[t] = positions[t + 1] - positions[t]


def _unit(vectors: Float[np.ndarray, "walker axis"]) -> Float[np.ndarray, "walker axis"]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _turned(
    heading: Float[np.ndarray, "walker axis"], turn: float, generator: np.random.Generator
) -> Float[np.ndarray, "walker axis"]:
    walkers, axes = heading.shape
    if axes == 1:
        # In the plane headings a step apart have the mean cosine exp(-turn^2 / 2).
        back = generator.uniform(size=walkers) < (1 - np.exp(-(turn**2) / 2)) / 2
        return np.where(back[:, None], -heading, heading)
    push = turn * generator.standard_normal(heading.shape)
    return _unit(heading + push - (push * heading).sum(axis=1, keepdims=True) * heading)


def _reflected(speed: Float[np.ndarray, " walker"]) -> Float[np.ndarray, " walker"]:
    speed = np.where(speed > 1, 2 - speed, np.where(speed < SLOWEST, 2 * SLOWEST - speed, speed))
    return np.clip(speed, SLOWEST, 1.0)


def _away_from_walls(
    heading: Float[np.ndarray, "walker axis"],
    here: Float[np.ndarray, "walker axis"],
    half_m: float,
    margin_m: float,
) -> Float[np.ndarray, "walker axis"]:
    """Headings whose outward part near a wall is turned along it, then a little inwards."""
    outward = (np.abs(here) > half_m - margin_m) & (heading * here > 0)
    if heading.shape[1] == 1:
        return np.where(outward, -heading, heading)
    depth = np.clip((np.abs(here) - (half_m - margin_m)) / margin_m, 0, 1)
    bent = np.where(outward, heading * (1 - depth) - 0.15 * depth * np.sign(here), heading)
    length = np.linalg.norm(bent, axis=1, keepdims=True)
    return np.where(length > 1e-9, bent / np.maximum(length, 1e-9), -heading)
