"""Every part on plain tensors and arrays, without a run folder."""

import numpy as np
import torch

import gridcode
from gridcode import losses
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.models.network import GridNetwork
from gridcode.training.step import Trainer
from gridcode.world.permutations import draw_batch

generator = torch.Generator().manual_seed(0)

# A batch: 40 velocities in 80 orders, positions in metres.
batch = draw_batch(
    steps=40, trajectories=80, max_velocity_m=0.15, kind="latin", generator=generator
)
print("positions", tuple(batch.positions.shape), "all end at", batch.positions[-1].mean(0).tolist())

# A network and its states, (time, trajectory, unit).
config = gridcode.load_config("quick")
network = GridNetwork.from_config(config.model, generator=generator)
states = network(batch).detach()

# The losses, on any states with their positions: naive for small inputs, fast for large ones.
g, x = states[::8, ::8], batch.positions[::8, ::8]
print(
    "separation",
    float(losses.separation(g, x, sigma_x=0.05, sigma_g=0.4)),
    "invariance",
    float(losses.invariance(g, x, sigma_x=0.05)),
)
print(
    "fast, over all",
    states.shape[0] * states.shape[1],
    "states",
    losses.pair_terms(states, batch.positions, sigma_x=0.05, sigma_g=0.4).separation.item(),
)

# A training step without loop or disk.
trainer = Trainer(config)
print("loss of the first step", float(trainer.advance().terms["total"].detach()))

# Grid scores of any rate maps, (unit, y, x), NaN where unvisited.
cell = lattice_cell(bin_centres(3.0, 0.05), spacing_m=0.6, orientation_deg=12.0)
scores = score_maps(np.stack([cell, np.random.default_rng(0).random(cell.shape)]), bin_size_m=0.05)
print(
    "planted lattice and noise: score",
    scores.grid_score.round(2),
    "spacing",
    scores.spacing_m.round(2),
    "m",
)
