"""Does the objective prefer a lattice in a volume? Codes without path integration, a row each.

    OMP_NUM_THREADS=1 python experiments/spaces/volume_codes.py experiments/spaces/volume_codes.csv

g(x) = Norm(ReLU(A [cos kx, sin kx] + b)) of 64 units minimises the objective of `plane-long` or
`volume-long` without its isometry, on the places of the same paths; A and b are free. The wave
vectors k are free one by one (`free 24`, `free 96`: nothing need repeat), or all sums and
differences of as many free ones as there are dimensions (`lattice`: everything repeats, and its
shape and period are free). They start with wave lengths of 0.6 to 4 times v sqrt(T).

Expected, written before the first row: in the plane a lattice is within 0.005 of free waves, as for
the preset `quick` (experiments/one_torus); in the volume either it is as close, or the objective
itself prefers codes that do not repeat, which would explain why none grows.
"""

import itertools
import math
import sys
import time
from pathlib import Path

import torch
from lattice_measure import has, write
from lattice_runs import CONDITIONS

import gridcode
from gridcode.losses.objective import objective
from gridcode.models.recurrence import norm_relu
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Stream

UNITS, RATE, STEPS, LAST = 64, 5e-3, 1500, 200
SEEDS = range(3)
FREE = (24, 96)
WORLDS = {2: "plane-long", 3: "volume-long"}
TERMS = ("total", "separation", "invariance", "capacity")


def sums(dimensions):
    """Whole numbers from -1 to 1, (wave, dimension), one of each pair of opposite waves."""
    every = itertools.product((-1, 0, 1), repeat=dimensions)
    return torch.tensor([n for n in every if n > (0,) * dimensions], dtype=torch.float32)


def learn(dimensions, kind, seed):
    """Mean terms of the last steps, and the wave lengths of a lattice's basis, metres."""
    config = gridcode.load_config("quick").override(
        {**CONDITIONS[WORLDS[dimensions]], "isometry": 0.0, "isometry_early_raw": 0.0}
    )
    world = config.world
    generator = torch.Generator().manual_seed(seed)
    mixed = sums(dimensions) if kind == "lattice" else torch.eye(int(kind.split()[1]))
    room = world.max_velocity_m * math.sqrt(world.joint_steps)
    length = 0.6 * room * (4 / 0.6) ** torch.rand(mixed.shape[1], 1, generator=generator)
    direction = torch.randn(mixed.shape[1], dimensions, generator=generator)
    direction = direction / direction.norm(dim=1, keepdim=True)
    basis = (2 * math.pi / length * direction).requires_grad_()
    weights = 0.3 / math.sqrt(len(mixed)) * torch.randn(UNITS, 2 * len(mixed), generator=generator)
    weights.requires_grad_()
    offset = torch.full((UNITS,), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam(
        [{"params": [weights, offset], "lr": RATE}, {"params": [basis], "lr": 4 * RATE}],
        betas=(0.9, 0.98),
    )
    logged = []
    for step in range(STEPS):
        stream = Stream(seed, step)
        batch = draw_batch(
            steps=world.joint_steps,
            trajectories=world.joint_trajectories,
            max_velocity_m=world.max_velocity_m,
            distribution=world.velocities,
            kind=world.orders,
            dimensions=dimensions,
            generator=stream,
        )
        phase = batch.positions @ (mixed @ basis).T
        waves = torch.cat([phase.cos(), phase.sin()], dim=-1)
        states = norm_relu(waves @ weights.T + offset)
        terms = objective(states, batch, config.loss, step=step, generator=stream)
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        logged.append([getattr(terms, name).item() for name in TERMS])
    mean = torch.tensor(logged[-LAST:]).mean(dim=0).tolist()
    lengths = 2 * math.pi / basis.detach().norm(dim=1) if kind == "lattice" else ()
    return dict(zip(TERMS, (round(v, 5) for v in mean), strict=True)) | {
        "waves_m": " ".join(f"{v:.2f}" for v in lengths)
    }


def main():
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for seed, dimensions in itertools.product(SEEDS, WORLDS):
        for kind in ("lattice", *(f"free {count}" for count in FREE)):
            name = f"{dimensions}-D, {kind}, seed {seed}".replace(", ", " ")
            if has(out, name):
                continue
            began = time.process_time()
            row = {"code": name, "dimensions": dimensions, "kind": kind, "seed": seed}
            row |= learn(dimensions, kind, seed)
            write(out, row | {"cpu_s": round(time.process_time() - began, 1)})
            print(row, flush=True)


if __name__ == "__main__":
    main()
