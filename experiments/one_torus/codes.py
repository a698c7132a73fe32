"""How much the objective gains from more than one lattice.

`OMP_NUM_THREADS=1 python codes.py WAVES STEPS_OF_PATHS SEED` adds a row to codes.csv.

A code without any path integration, g(x) = Norm(ReLU(A [cos kx, sin kx] + b)), with A, b and the
wave vectors k free, minimises the objective of the preset `quick` without its isometry, on the same
batches. Three waves can make one lattice with its harmonics; more can make several.
"""

import argparse
import csv
import math
from pathlib import Path

import torch
from torch import Tensor

import gridcode
from gridcode.losses.objective import objective
from gridcode.models.recurrence import norm_relu
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Stream

UNITS, RATE, LAST = 64, 5e-3, 200
# Wave lengths at the start, metres.
SHORTEST_M, LONGEST_M = 0.3, 2.0


def code(x: Tensor, waves: Tensor, weights: Tensor, offset: Tensor) -> Tensor:
    phase = x @ waves.T
    return norm_relu(torch.cat([phase.cos(), phase.sin()], dim=-1) @ weights.T + offset)


def learn(*, waves: int, steps_of_paths: int, seed: int, training_steps: int) -> dict[str, float]:
    """Mean terms of the last 200 steps; wave vectors above a tenth of the largest amplitude."""
    config = gridcode.load_config("quick").override(
        {
            "world.steps": steps_of_paths,
            "world.trajectories": 2 * steps_of_paths,
            "loss.isometry": 0.0,
            "loss.isometry_early_raw": 0.0,
        }
    )
    generator = torch.Generator().manual_seed(seed)
    length = SHORTEST_M * (LONGEST_M / SHORTEST_M) ** torch.rand(waves, generator=generator)
    angle = 2 * math.pi * torch.rand(waves, generator=generator)
    vectors = (
        2 * math.pi / length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    ).requires_grad_()
    weights = (
        0.3 / math.sqrt(waves) * torch.randn(UNITS, 2 * waves, generator=generator)
    ).requires_grad_()
    offset = torch.full((UNITS,), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam(
        [{"params": [weights, offset], "lr": RATE}, {"params": [vectors], "lr": 4 * RATE}],
        betas=(0.9, 0.98),
    )
    logged = []
    for step in range(training_steps):
        stream = Stream(seed, step)
        batch = draw_batch(
            steps=steps_of_paths,
            trajectories=2 * steps_of_paths,
            max_velocity_m=config.world.max_velocity_m,
            distribution=config.world.velocities,
            kind=config.world.orders,
            generator=stream,
        )
        terms = objective(
            code(batch.positions, vectors, weights, offset),
            batch,
            config.loss,
            step=step,
            generator=stream,
        )
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        logged.append(
            [
                value.item()
                for value in (terms.total, terms.separation, terms.invariance, terms.capacity)
            ]
        )
    mean = torch.tensor(logged[-LAST:]).mean(dim=0).tolist()
    amplitude = weights.detach().view(UNITS, 2, waves).square().sum(dim=(0, 1)).sqrt()
    return dict(
        zip(
            ("loss", "separation", "invariance", "capacity"),
            (round(v, 5) for v in mean),
            strict=True,
        )
    ) | {"waves_used": int((amplitude > 0.1 * amplitude.max()).sum())}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("waves", "steps_of_paths", "seed"):
        parser.add_argument(name, type=int)
    parser.add_argument("--training-steps", type=int, default=3000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    row = {
        "waves": arguments.waves,
        "steps_of_paths": arguments.steps_of_paths,
        "seed": arguments.seed,
        "training_steps": arguments.training_steps,
    }
    row |= learn(**row)
    path = Path(__file__).parent / "codes.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row)


if __name__ == "__main__":
    main()
