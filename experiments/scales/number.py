"""Is there a best number of populations for 128 units? Networks of `modules` as rows of a table.

    gridcode train modules --seeds 30-34 --snapshots 0 --out runs/number --vary \
        'populations=[128],[64,64],[43,43,42],[32,32,32,32],[22,22,21,21,21,21]'
    export OMP_NUM_THREADS=1
    python experiments/scales/number.py experiments/scales/number.csv runs/number/*
    python experiments/scales/number.py experiments/scales/number.csv    # the table alone

A row a network: the published objective (capacity, separation, invariance at the weights of the
preset, no isometry) on `BATCHES` batches that no training drew, the same for all networks, with
paths of each of `PATHS` steps; then modules and path integration as in measure.py.

Expected, written before any of these networks was trained: the objective falls from one population
to three, by about 0.015, and stays within 0.002 of it at four; six are worse, since 21 units are
too few for a lattice of many fields and for exact moves. If the area sets the best number, the gain
of more populations grows with the steps of the paths on which the objective is measured.
"""

import multiprocessing
import sys

import pandas as pd
import torch
from measure import measure, write_rows

import gridcode
from gridcode.losses.objective import objective
from gridcode.world.permutations import draw_batch
from gridcode.world.streams import Stream

BATCHES = 40
PATHS = {30: 90, 60: 60, 120: 120}  # steps: trajectories of a batch
SHOWN = (
    *("total_30", "total_60", "total_120", "separation_60", "invariance_60", "capacity_60"),
    *("hexagonal", "n_modules", "n_independent", "largest_over_smallest"),
    *("tracked_60_m", "tracked_1000_m", "lost_1000"),
)
TERMS = ("total", "separation", "invariance", "capacity")


@torch.no_grad()
def held_out(network, config, *, steps):
    """Mean terms of the objective without isometry on paths of so many steps."""
    config = config.override({"loss.isometry": 0.0, "loss.isometry_early_raw": 0.0})
    found = []
    for number in range(BATCHES):
        stream = Stream(99, number)
        batch = draw_batch(
            steps=steps,
            trajectories=PATHS[steps],
            max_velocity_m=config.world.max_velocity_m,
            distribution=config.world.velocities,
            kind=config.world.orders,
            generator=stream,
        )
        # The schedule of the objective is over by the last step.
        terms = objective(
            network(batch), batch, config.loss, step=config.training.steps, generator=stream
        )
        found.append([getattr(terms, name).item() for name in TERMS])
    return dict(zip(TERMS, torch.tensor(found).mean(dim=0).tolist(), strict=True))


def row_of(folder):
    """What the table has of a run."""
    torch.set_num_threads(1)
    run = gridcode.Run(folder)
    network, config = gridcode.load_network(run), run.config
    row = {"populations": len(config.model.sizes), "seed": config.training.seed}
    for steps in PATHS:
        terms = held_out(network, config, steps=steps)
        row |= {f"{name}_{steps}": round(value, 5) for name, value in terms.items()}
    return row | measure(network, config) | {"train_cpu_s": round(run.manifest["cpu_seconds"])}


def table(path):
    """Medians and ranges over networks for each number of populations, as Markdown."""
    rows = pd.read_csv(path)
    lines = ["| populations | " + " | ".join(SHOWN) + " |", "| --- " * (len(SHOWN) + 1) + "|"]
    for number, group in rows.groupby("populations"):
        cells = [
            f"{group[name].median():.4g} ({group[name].min():.4g} to {group[name].max():.4g})"
            for name in SHOWN
        ]
        lines.append(f"| {number} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    out, *folders = sys.argv[1:]
    if folders:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            write_rows(out, pool.imap(row_of, folders))
    print(table(out))


if __name__ == "__main__":
    main()
