"""Positive control: a network that is told at every step whether it starts in the goal.

W(v, cue) = MLP(v / 0.15, cue). A velocity with the cue on is written as v + (10, 0) m, so that the
batches and the recurrence of the package serve as they are.
"""

import itertools

import numpy as np
import torch
from goals import in_goal

import gridcode
from gridcode.analysis.system import System
from gridcode.world.permutations import Batch, draw_orders, draw_velocities, positions_of

CUE_M = 10.0
# Every trajectory takes each of 15 velocities twice, so that with the cue there are 30, as many as
# steps: what the fast rollout needs.
VELOCITIES, TRAJECTORIES = 15, 90


class CuedTransition(torch.nn.Module):
    """W of a velocity and a cue, with the widths and the initial weights of the preset."""

    def __init__(self, units, generator):
        super().__init__()
        self.units = units
        widths = (3, 64, 64)
        layers = []
        for before, after in itertools.pairwise(widths):
            layers += [torch.nn.Linear(before, after), torch.nn.SiLU()]
        last = torch.nn.Linear(widths[-1], units * units)
        with torch.no_grad():
            last.weight.mul_(0.5)
            last.bias.copy_(torch.eye(units).flatten())
        self.mlp = torch.nn.Sequential(*layers, last)
        del generator  # PyTorch's own generator is seeded from it.

    def forward(self, velocities):
        """Matrices (..., unit, unit)."""
        cue = (velocities[..., :1] > CUE_M / 2).to(velocities.dtype)
        moved = velocities - CUE_M * torch.cat([cue, torch.zeros_like(cue)], dim=-1)
        flat = self.mlp(torch.cat([moved / 0.15, cue], dim=-1))
        return flat.view(*velocities.shape[:-1], self.units, self.units)


def cued_batch(_step, generator):
    """The batches of the preset, each velocity taken twice, with the cue where a step starts."""
    velocities = draw_velocities(
        VELOCITIES, max_velocity_m=0.15, distribution="disc", generator=generator
    )
    halves = [draw_orders(TRAJECTORIES, VELOCITIES, generator=generator) for _ in range(2)]
    orders = torch.cat(halves, dim=1)
    positions = positions_of(velocities, orders)
    cued = in_goal(positions[:-1]).T
    told = velocities + velocities.new_tensor([CUE_M, 0.0])
    return Batch(torch.cat([velocities, told]), orders + VELOCITIES * cued, positions)


def cued_system(folder):
    """The trained network with its position in the state, which gives the cue."""
    network = gridcode.load_network(folder, transition=CuedTransition)
    step, start = network.as_system()

    def cued_step(states, velocities):
        place = states[:, -2:]
        told = velocities + CUE_M * np.stack([in_goal(place), np.zeros(len(place))], axis=1)
        return np.concatenate([step(states[:, :-2], told), place + velocities], axis=1)

    begin = np.concatenate([start, np.zeros(2)])
    return System(cued_step, begin, 0.15, observed=np.arange(len(start)))
