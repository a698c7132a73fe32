"""What two trained networks side by side gain over either.

`OMP_NUM_THREADS=1 python joint.py RUN RUN [RUN ...]` writes joint.csv beside this file.

The states of all, each divided by the square root of their number so that the whole has length 1,
are scored by the objective of the preset `quick` without its isometry, on the same 20 batches; T is
the number of steps of their paths.
"""

import csv
import itertools
import math
import sys
from pathlib import Path

import torch

import gridcode
from gridcode.losses.objective import objective
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Stream

BATCHES = 20
# The schedule of the objective is over by then.
STEP = 5000


@torch.no_grad()
def score(networks, steps_of_paths: int) -> dict[str, float]:
    config = gridcode.load_config("quick").override(
        {
            "world.steps": steps_of_paths,
            "world.trajectories": 2 * steps_of_paths,
            "loss.isometry": 0.0,
            "loss.isometry_early_raw": 0.0,
        }
    )
    found = []
    for number in range(BATCHES):
        stream = Stream(99, number)
        batch = draw_batch(
            steps=steps_of_paths,
            trajectories=2 * steps_of_paths,
            max_velocity_m=config.world.max_velocity_m,
            distribution=config.world.velocities,
            kind=config.world.orders,
            generator=stream,
        )
        states = torch.cat([network(batch) for network in networks], dim=-1) / math.sqrt(
            len(networks)
        )
        terms = objective(states, batch, config.loss, step=STEP, generator=stream)
        found.append(
            [
                value.item()
                for value in (terms.total, terms.separation, terms.invariance, terms.capacity)
            ]
        )
    mean = torch.tensor(found).mean(dim=0).tolist()
    return dict(
        zip(
            ("loss", "separation", "invariance", "capacity"),
            (round(v, 5) for v in mean),
            strict=True,
        )
    )


def main(folders: list[str]) -> None:
    networks = {Path(folder).name: gridcode.load_network(folder) for folder in folders}
    rows = []
    for steps_of_paths in (40, 160):
        for count in (1, 2):
            for names in itertools.combinations(networks, count):
                rows.append(
                    {"steps_of_paths": steps_of_paths, "networks": " ".join(names)}
                    | score([networks[n] for n in names], steps_of_paths)
                )
                print(rows[-1], flush=True)
    with (Path(__file__).parent / "joint.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
