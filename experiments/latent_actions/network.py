"""An image encoder and the recurrence g_t = Norm(ReLU(W(a_t) g_(t-1))), with four objectives."""

import torch
from torch import nn
from world import LONGEST_SHIFT, LONGEST_TURN, SIZE, render, square_distances

from gridcode.models.recurrence import norm_relu

UNITS, HIDDEN, WIDTH = 64, 64, 128
SIGMA_X, SIGMA_G = 1.0, 0.4  # pixels; distance between states


class ActionNetwork(nn.Module):
    """Encoder of an image to a state, and W(action) = MLP(action), as in `VelocityTransition`."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Linear(SIZE * SIZE, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU()),
            nn.Linear(WIDTH, UNITS),
        )
        last = nn.Linear(HIDDEN, UNITS * UNITS)
        with torch.no_grad():
            last.weight.mul_(0.5)
            last.bias.copy_(torch.eye(UNITS).flatten())
        self.mlp = nn.Sequential(
            *(nn.Linear(3, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU()), last
        )
        # Of the two predictions of pixels alone.
        self.decoder = nn.Sequential(
            nn.Linear(UNITS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, SIZE * SIZE)
        )

    def encode(self, images):
        """States (..., unit) of images (..., pixel)."""
        return norm_relu(self.encoder(images))

    def matrices(self, actions):
        """W (..., unit, unit) of actions (..., 3)."""
        scale = torch.tensor([LONGEST_SHIFT, LONGEST_SHIFT, LONGEST_TURN])
        return self.mlp(actions / scale).unflatten(-1, (UNITS, UNITS))

    def roll(self, states, actions, orders):
        """States (step, sequence, unit) along a training batch, from states (sequence, unit)."""
        matrices = self.matrices(actions).transpose(1, 2)
        # At every step each action is taken by equally many sequences: sorted, one product.
        there = orders.T.argsort(dim=1, stable=True)
        found = []
        for sequence, back in zip(there, there.argsort(dim=1), strict=True):
            sorted_states = states.index_select(0, sequence).unflatten(0, (len(actions), -1))
            moved = torch.bmm(sorted_states, matrices).flatten(0, 1)
            states = norm_relu(moved).index_select(0, back)
            found.append(states)
        return torch.stack(found)

    def step(self, states, actions):
        """States (sequence, unit) after one action each."""
        moved = torch.bmm(self.matrices(actions), states.unsqueeze(2)).squeeze(2)
        return norm_relu(moved)


def by_group(values, groups):
    """(time, sequence, ...) to (group, time x sequence of it, ...)."""
    grouped = values.unflatten(1, (groups, -1)).transpose(0, 1)
    return grouped.flatten(1, 2)


def pick_images(batch, count, generator):
    """Poses (group, image, 3), true and claimed, of images seen on the way; and their places."""
    true, claimed = (by_group(p[1:], batch.groups) for p in (batch.poses, batch.claimed))
    pick = torch.randperm(true.shape[1], generator=generator)[: count // batch.groups]
    return true[:, pick], claimed[:, pick], pick


def predicted(network, batch):
    """States of the start images (group, unit), and predicted ones (group, state, unit)."""
    rows = len(batch.orders) // batch.groups
    first = network.encode(render(batch.poses[0, ::rows]))
    rolled = network.roll(first.repeat_interleave(rows, dim=0), batch.actions, batch.orders)
    return first, by_group(rolled, batch.groups)


def sic(network, batch, generator, *, images, weights, two_views):
    """Separation, invariance and capacity of states on the way and states of images seen there.

    Pairs from one start are compared: there the actions tell how poses differ. Of the predicted
    states those with an image are compared.

    Args:
        network: an `ActionNetwork`.
        batch: its sequences.
        generator: draws the images.
        images: their number.
        weights: of the three terms.
        two_views: compare predicted states with states of images only; otherwise all pairs.
    """
    first, rolled = predicted(network, batch)
    true, claimed, pick = pick_images(batch, images, generator)
    rows = len(batch.orders) // batch.groups
    moved, reached = rolled[:, pick], by_group(batch.claimed[1:], batch.groups)[:, pick]
    seen = torch.cat([first.unsqueeze(1), network.encode(render(true))], dim=1)
    places = torch.cat([batch.claimed[0, ::rows].unsqueeze(1), claimed], dim=1)
    every = torch.cat([moved, seen], dim=1)
    if not two_views:
        moved = seen = every
        reached = places = torch.cat([reached, places], dim=1)
    squares = (2 - 2 * moved @ seen.transpose(1, 2)).clamp_min(0)
    near = (square_distances(reached, places) < SIGMA_X**2).float()
    far = 1 - near
    if not two_views:
        near.diagonal(dim1=1, dim2=2).zero_()
    separation = (torch.exp(-squares / (2 * SIGMA_G**2)) * far).sum() / far.sum()
    invariance = (squares * near).sum() / near.sum()
    capacity = -every.mean(dim=(0, 1)).square().sum()
    return sum(w * t for w, t in zip(weights, (separation, invariance, capacity), strict=True))


def infonce(network, batch, generator, *, images, temperature):
    """The state predicted from the actions should be nearest to that of the image seen there.

    In groups, images of the same pose are no negatives.
    """
    _, rolled = predicted(network, batch)
    true, claimed, pick = pick_images(batch, images, generator)
    seen = network.encode(render(true)).flatten(0, 1)
    alike = torch.block_diag(*(square_distances(claimed, claimed) < SIGMA_X**2)).bool()
    logits = rolled[:, pick].flatten(0, 1) @ seen.T / temperature
    logits = logits.masked_fill(alike & ~torch.eye(len(logits), dtype=torch.bool), -torch.inf)
    target = torch.arange(len(logits))
    cross = nn.functional.cross_entropy
    return (cross(logits, target) + cross(logits.T, target)) / 2


def next_image(network, batch, generator, *, images):
    """Squared error of the next image decoded from the state of the last one and the action."""
    taken = batch.orders.T.flatten()
    # As many with each action: one product.
    of_action = taken.argsort(stable=True).unflatten(0, (len(batch.actions), -1))
    some = torch.randperm(of_action.shape[1], generator=generator)[: images // len(batch.actions)]
    pick = of_action[:, some]
    before = network.encode(render(batch.poses[:-1].flatten(0, 1)[pick]))
    after = norm_relu(torch.bmm(before, network.matrices(batch.actions).transpose(1, 2)))
    error = network.decoder(after) - render(batch.poses[1:].flatten(0, 1)[pick])
    return error.square().mean()


def later_images(network, batch, generator, *, images):
    """Squared error of images on the way decoded from states predicted from the first image."""
    _, rolled = predicted(network, batch)
    true, _, pick = pick_images(batch, images, generator)
    return (network.decoder(rolled[:, pick]) - render(true)).square().mean()
