"""Replace one part of a training: objective, transition, batches or optimiser. Ten seconds."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch

import gridcode
from gridcode import losses
from gridcode.world.permutations import Batch, draw_orders, positions_of

folder = Path(tempfile.mkdtemp(prefix="gridcode-"))
# Shortened so that the example takes seconds; leave "steps" out for real lattices.
config = gridcode.load_config("quick").override({"steps": 40, "snapshots": 0})


# An objective: states (time, trajectory, unit) and where they belong, to the number to minimise.
# Returned by name, the other terms are logged too. Signatures: gridcode.training.parts.
def without_capacity(states, batch, step, generator):
    g, x = losses.sample_states(states, batch.positions, count=400, generator=generator)
    pairs = losses.pair_terms(g, x, sigma_x=0.05, sigma_g=0.4, invariance_weight=0.3)
    return {"total": pairs.weighted, "separation": pairs.separation, "invariance": pairs.invariance}


run = gridcode.train(config, out=folder / "objective", objective=without_capacity)
print(run.manifest["parts"]["objective"]["name"], "loss", run.metrics()[-1]["loss"])


# A transition: a module from velocities (..., 2) to matrices (..., units, units).
class LinearTransition(torch.nn.Module):
    """W(v) = I + v_x A + v_y B."""

    def __init__(self, units, generator):
        super().__init__()
        self.slopes = torch.nn.Parameter(0.1 * torch.randn(2, units, units, generator=generator))

    def forward(self, velocities):
        identity = torch.eye(self.slopes.shape[1], dtype=velocities.dtype)
        return identity + torch.einsum("...k,kij->...ij", velocities, self.slopes)


run = gridcode.train(config, out=folder / "transition", transition=LinearTransition)
network = gridcode.load_network(run, transition=LinearTransition)
print("own transition", tuple(network.as_matrices()(np.array([[0.0, 0.1]])).shape))


# Batches: here velocities of one direction more often than of others. Random numbers come from the
# generator, so that the run can be resumed exactly.
def mostly_east(step, generator):
    velocities = 0.15 * (2 * generator.uniform(40, 2) - 1) * torch.tensor([1.0, 0.5])
    orders = draw_orders(80, 40, generator=generator)
    return Batch(velocities, orders, positions_of(velocities, orders))


run = gridcode.train(config, out=folder / "batches", batches=mostly_east)
print("own batches: loss", run.metrics()[-1]["loss"])

# An optimiser: any class of torch.optim; its learning rate follows the configured schedule.
sgd = functools.partial(torch.optim.SGD, momentum=0.9)
run = gridcode.train(config.override({"learning_rate": 0.1}), out=folder / "sgd", optimiser=sgd)
print(run.manifest["parts"]["optimiser"])

# A run is resumed, and evaluated, with the parts it was trained with.
try:
    gridcode.train(out=folder / "objective")
except gridcode.InputError as error:
    print(error)
