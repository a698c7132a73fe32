"""Networks of the volume inside the cube that their training covered, a row a network.

    python experiments/spaces/volume_trained.py OUT.csv RUN [RUN ...]

Rates on straight paths from the origin, in 20 bins a side of a cube of `extent_m` (95% of training
paths end within it, axis by axis). Path error: the place read after so many steps of
held-out velocities of the training, median over the walkers of 400 that end inside the cube, beside
the median distance of two random places.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from lattice_measure import has, write

import gridcode
from gridcode.analysis.dimensions.order import find_fields_3d
from gridcode.analysis.dimensions.reading import path_errors, straight_states
from gridcode.world.permutations import draw_velocities
from gridcode.world.walks import Walk

BINS = 20
HORIZONS = (10, 15, 30, 60)
WALKERS = 400


def _velocities(steps, world):
    drawn = draw_velocities(
        steps * WALKERS,
        max_velocity_m=world.max_velocity_m,
        distribution=world.velocities,
        dimensions=3,
        generator=torch.Generator().manual_seed(steps),
    )
    return drawn.numpy().astype(np.float64).reshape(steps, WALKERS, 3)


def row_of(run):
    system = gridcode.load_system(run)
    side = system.extent_m
    middles = (np.arange(BINS) + 0.5) * side / BINS - side / 2
    places = np.stack(np.meshgrid(*(middles,) * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    volumes = straight_states(system, places).T.reshape(-1, BINS, BINS, BINS)
    active = volumes[volumes.max(axis=(1, 2, 3)) > 1e-3]
    found = [find_fields_3d(volume, side_m=side) for volume in active]
    errors = {}
    for steps in HORIZONS:
        velocities = _velocities(steps, run.config.world)
        positions = np.concatenate(
            [np.zeros((1, *velocities.shape[1:])), velocities.cumsum(axis=0)]
        )
        walk = Walk(velocities, positions, arena_m=side, kind="as in training")
        off = path_errors(system, walk, side_m=side, bins=16)
        errors[f"error_{steps}_m"] = float(np.median(off))
    rng = np.random.default_rng(0)
    apart = np.linalg.norm(np.diff(rng.uniform(-side / 2, side / 2, (2, 10000, 3)), axis=0), axis=2)
    counts = [len(centres) for centres, _ in found]
    return {
        "extent_m": side,
        "active": len(active),
        "fields": float(np.mean(counts)),
        "one_field": float(np.mean(np.array(counts) == 1)),
        "diameter_m": float(np.nanmedian([diameter for _, diameter in found])),
        **errors,
        "random_places_m": float(np.median(apart)),
        "invariance": float(run.metrics()[-1]["invariance"]),
    }


def main():
    out, *folders = map(Path, sys.argv[1:])
    for folder in folders:
        if has(out, folder.name):
            continue
        began = time.process_time()
        run = gridcode.Run(folder)
        condition, seed = folder.name.rsplit("-seed", 1)
        row = {"network": folder.name, "condition": condition, "seed": seed} | row_of(run)
        write(out, row | {"cpu_s": round(time.process_time() - began, 1)})
        print(row, flush=True)


if __name__ == "__main__":
    main()
