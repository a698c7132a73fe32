"""Batches on spheres and tori of the same area: where orders end, and how often paths meet.

    python experiments/spaces/sphere_batches.py OUT.csv

No network. For each radius and each seed (batches 0 and 1 of it): 90 paths of 30 steps, either
shuffled orders of the same displacements or independent displacements. A positive pair is two
states of different paths within 0.05 m, from the second step on.
"""

import csv
import sys

import numpy as np
import torch
from scipy.spatial import cKDTree

import gridcode
from gridcode.world.permutations import draw_velocities
from gridcode.world.spaces import Space, Sphere, Torus
from gridcode.world.streams import Stream

RADII_M = (0.25, 0.5, 1.0, 2.0, 4.0)
BATCHES = 2
SIGMA_X_M = 0.05


def spaces(radius_m: float) -> dict[str, Space]:
    side = (4 * np.pi * radius_m**2) ** 0.5
    return {"sphere": Sphere(radius_m), "torus": Torus((side, side))}


def positions(space: Space, paths: str, seed: int, number: int) -> np.ndarray:
    """(time, trajectory, coordinate) of a batch."""
    config = gridcode.load_config("quick").override({"world.dimensions": space.axes})
    stream, world = Stream(seed, number), config.world
    if paths == "shuffled":
        return space.batches(world)(0, stream).positions.numpy()
    velocities = draw_velocities(
        world.steps * world.trajectories,
        max_velocity_m=world.max_velocity_m,
        distribution=world.velocities,
        dimensions=space.axes,
        generator=stream,
    )
    return space.path(velocities.double().view(world.steps, world.trajectories, -1)).numpy()


def positive_share(x: np.ndarray) -> float:
    """Share of near pairs among all pairs of states of different paths, without the first two."""
    times, walkers, coordinates = x[2:].shape
    pairs = cKDTree(x[2:].reshape(-1, coordinates)).query_pairs(SIGMA_X_M, output_type="ndarray")
    walker = pairs % walkers
    return float((walker[:, 0] != walker[:, 1]).sum()) / (times**2 * walkers * (walkers - 1) / 2)


def ends_apart(x: np.ndarray) -> float:
    """Median distance between the ends of two paths, metres."""
    return float(np.median(np.linalg.norm(x[-1, 0::2] - x[-1, 1::2], axis=1)))


def row(radius_m: float, name: str, space: Space, paths: str, seed: int) -> dict[str, object]:
    drawn = [positions(space, paths, seed, number) for number in range(BATCHES)]
    return {
        "radius_m": radius_m,
        "space": name,
        "paths": paths,
        "seed": seed,
        "positive_share": round(float(np.mean([positive_share(x) for x in drawn])), 6),
        "ends_apart_m": round(float(np.mean([ends_apart(x) for x in drawn])), 5),
    }


def main(out: str) -> None:
    torch.set_num_threads(1)
    rows = [
        row(radius, name, space, paths, seed)
        for radius in RADII_M
        for name, space in spaces(radius).items()
        for paths in ("shuffled", "independent")
        for seed in range(5)
    ]
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
