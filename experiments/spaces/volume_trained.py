"""Networks of the volume inside the cube that their training covered, a row a network.

    python experiments/spaces/volume_trained.py OUT.csv RUN [RUN ...]

Rates on straight paths from the origin, in 20 bins a side of a cube of `extent_m` (95% of training
paths end within it, axis by axis); in the plane 40 bins of a square. Path error: the place read
after so many steps of held-out velocities of the training, median over the walkers of 400 that end
inside, beside the median distance of two random places. `apart_*`: mean squared distance of the
states of two walkers that took the same velocities in different orders, over that of two who ended
in different places. `returns`: how far states become alike again at a distance, see `returns`.
"""

import statistics
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

BINS = {2: 40, 3: 20}
HORIZONS = (10, 15, 30, 60)
ORDERS = (60, 240)
WALKERS = 400
# Displacements that fewer pairs of bins have are left out.
LEAST_OVERLAP = 0.15


def _velocities(steps, world):
    drawn = draw_velocities(
        steps * WALKERS,
        max_velocity_m=world.max_velocity_m,
        distribution=world.velocities,
        dimensions=world.dimensions,
        generator=torch.Generator().manual_seed(steps),
    )
    return drawn.numpy().astype(np.float64).reshape(steps, WALKERS, world.dimensions)


def similarity(maps, *, side_m):
    """Mean cosine of the states of two places by their displacement.

    Args:
        maps: (unit, *bins) states of length 1 over a square or cube.
        side_m: its side, metres.

    Returns:
        The cosine (*displacement), NaN where few bins have a pair; the length of each displacement
        in metres; and the squared length of the mean state, the cosine of unrelated places.
    """
    bins, axes = maps.shape[1], tuple(range(1, maps.ndim))
    shape = (2 * bins,) * len(axes)
    power = np.abs(np.fft.fftn(maps, s=shape, axes=axes)) ** 2
    pairs = np.fft.ifftn(np.abs(np.fft.fftn(np.ones(maps.shape[1:]), s=shape)) ** 2).real
    products = np.fft.ifftn(power.sum(axis=0)).real
    cosine = np.where(
        pairs > LEAST_OVERLAP * pairs.max(), products / np.maximum(pairs, 0.5), np.nan
    )
    moved = np.fft.fftfreq(2 * bins, 1 / (2 * bins)) * side_m / bins
    length = np.sqrt(sum(axis**2 for axis in np.meshgrid(*(moved,) * len(axes))))
    mean = maps.mean(axis=axes)
    return cosine, length, float(mean @ mean)


def returns(cosine, length, unrelated):
    """The largest similarity beyond the field of a place: 0 as of unrelated places, 1 the same.

    The field ends where the mean similarity over directions has fallen to a tenth.
    """
    alike = (cosine - unrelated) / (1 - unrelated)
    known = np.isfinite(alike)
    edges = np.arange(0, length[known].max(), 0.1)
    shells = [known & (length >= r) & (length < r + 0.1) for r in edges]
    ends = next(
        (r for r, shell in zip(edges, shells, strict=True) if alike[shell].mean() < 0.1), None
    )
    if ends is None:
        return float("nan")
    return float(alike[known & (length >= ends)].max())


def apart(system, steps, world):
    """How far two orders of the same velocities lead the states apart, see above."""
    velocities = _velocities(steps, world)
    rng = np.random.default_rng(1)
    order = rng.permuted(np.tile(np.arange(steps)[:, None], WALKERS), axis=0)
    others = np.take_along_axis(velocities, order[..., None], axis=0)
    first, second = (_ends(system, v) for v in (velocities, others))
    same = np.square(first - second).sum(axis=1).mean()
    return float(same / np.square(first - np.roll(second, 1, axis=0)).sum(axis=1).mean())


def _ends(system, velocities):
    state = system.starts(velocities.shape[1])
    for velocity in velocities:
        state = system.step(state, velocity)
    return np.asarray(state, dtype=np.float64)


def row_of(run):
    system, world = gridcode.load_system(run), run.config.world
    side, axes, bins = system.extent_m, world.dimensions, BINS[world.dimensions]
    middles = (np.arange(bins) + 0.5) * side / bins - side / 2
    places = np.stack(np.meshgrid(*(middles,) * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    maps = straight_states(system, places).T.reshape(-1, *(bins,) * axes)
    active = maps[maps.max(axis=tuple(range(1, axes + 1))) > 1e-3]
    found = [find_fields_3d(volume, side_m=side) for volume in active] if axes == 3 else []
    errors = {}
    for steps in HORIZONS:
        velocities = _velocities(steps, world)
        positions = np.concatenate(
            [np.zeros((1, *velocities.shape[1:])), velocities.cumsum(axis=0)]
        )
        walk = Walk(velocities, positions, arena_m=side, kind="as in training")
        off = path_errors(system, walk, side_m=side, bins=16)
        errors[f"error_{steps}_m"] = float(np.median(off))
    rng = np.random.default_rng(0)
    two = rng.uniform(-side / 2, side / 2, (2, 10000, axes))
    counts = np.array([len(centres) for centres, _ in found])
    return {
        "extent_m": side,
        "active": len(active),
        "fields": float(counts.mean()) if found else None,
        "one_field": float((counts == 1).mean()) if found else None,
        "diameter_m": float(np.nanmedian([diameter for _, diameter in found])) if found else None,
        **errors,
        "random_places_m": float(np.median(np.linalg.norm(two[0] - two[1], axis=1))),
        **{f"apart_{steps}": apart(system, steps, world) for steps in ORDERS},
        "returns": returns(*similarity(maps, side_m=side)),
        **objective(run),
    }


def objective(run):
    """Mean terms of the objective, and the whole without isometry, over the logged last steps."""
    loss, last = run.config.loss, run.config.training.steps - 500
    rows = [row for row in run.metrics() if row["step"] > last]
    terms = {
        name: statistics.fmean(row[name] for row in rows)
        for name in ("separation", "invariance", "capacity")
    }
    whole = sum(getattr(loss, name) * value for name, value in terms.items())
    return {**terms, "objective": whole}


def main():
    torch.set_num_threads(1)  # faster than two where the machine has other work
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
