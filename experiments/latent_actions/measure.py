"""Measures of a network on images and action sequences that it was not trained on."""

import math

import torch
from network import UNITS
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors
from world import PERIODS, draw_actions, draw_poses, poses_along, render, starts_for, wrapped

LENGTHS = (1, 16, 32, 64, 128)  # actions; trained: 16
QUERIES, BANK, ENDS, ORDERS = 256, 4096, 32, 8


def after(network, starts, actions):
    """States (sequence, unit) after actions (time, sequence, 3) from images of the starts."""
    states = network.encode(render(starts))
    for taken in actions:
        states = network.step(states, taken)
    return states


class Decoder:
    """Poses from vectors: by the nearest neighbours, or linear in sines and cosines."""

    def __init__(self, vectors, poses, kind):
        self._kind = kind
        targets = _circular(poses)
        if kind == "ridge":
            self._ridge = RidgeCV(alphas=torch.logspace(-4, 2, 7).numpy()).fit(vectors, targets)
        else:
            self._near = NearestNeighbors(n_neighbors=5).fit(vectors)
            self._targets = torch.as_tensor(targets)

    def __call__(self, vectors):
        """Poses (vector, 3)."""
        if self._kind == "ridge":
            found = torch.as_tensor(self._ridge.predict(vectors))
        else:
            found = self._targets[self._near.kneighbors(vectors, return_distance=False)].mean(dim=1)
        return torch.atan2(found[:, 3:], found[:, :3]) * PERIODS / (2 * math.pi)


def _circular(poses):
    angle = poses * (2 * math.pi) / PERIODS
    return torch.cat([angle.cos(), angle.sin()], dim=1).numpy()


def errors(found, poses):
    """Median errors of place (pixels) and angle (degrees)."""
    away = wrapped(found - poses, PERIODS)
    return {
        "place_px": float(away[:, :2].norm(dim=1).median()),
        "angle_deg": float(away[:, 2].abs().median() * 180 / math.pi),
    }


def decoding(network, world, generator, lengths=LENGTHS):
    """Errors of the pose read after sequences of each length, and of the image found by the state.

    Decoders are fitted to states of images, none of them in a tested sequence, and know nothing of
    sequences. `retrieved` is the share of sequences whose state is nearer to the state of the image
    that is then seen than to those of 1,000 other images.
    """
    bank = draw_poses(BANK, generator)
    seen = network.encode(render(bank)).numpy()
    readers = {kind: Decoder(seen, bank, kind) for kind in ("knn", "ridge")}
    others = torch.as_tensor(seen[:1000])
    found = {}
    for steps in lengths:
        starts = draw_poses(QUERIES, generator)
        actions = draw_actions(steps, QUERIES, generator=generator)
        ends = poses_along(starts, actions, world)[-1]
        states = after(network, starts, actions)
        for kind, reader in readers.items():
            for name, error in errors(reader(states.numpy()), ends).items():
                found[f"{kind}_{name}_{steps}"] = error
        own = (states * network.encode(render(ends))).sum(dim=1)
        found[f"retrieved_{steps}"] = float((own > (states @ others.T).amax(dim=1)).float().mean())
    return found


def pixel_decoding(generator):
    """The same readers on the pixels of the image that is seen."""
    bank, ends = draw_poses(BANK, generator), draw_poses(QUERIES, generator)
    found = {}
    for kind in ("knn", "ridge"):
        reader = Decoder(render(bank).numpy(), bank, kind)
        for name, error in errors(reader(render(ends).numpy()), ends).items():
            found[f"{kind}_{name}_0"] = error
    return found


def path_invariance(network, world, generator):
    """Mean distance of states at one pose over mean distance of states at random poses.

    `same_start`: from one image by the same actions in other orders. In the world `own` turns keep
    their place in the sequence, and shifts change places between two turns only: these orders end
    at one pose. `any_start`: by other actions from other images. `image`: predicted state against
    the state of the image seen at the end.
    """
    found = {}
    for steps in LENGTHS[1:]:
        starts = draw_poses(ENDS, generator).repeat_interleave(ORDERS, dim=0)
        actions = _reordered(steps, world, generator)
        states = after(network, starts, actions).view(ENDS, ORDERS, UNITS)
        found[f"same_start_{steps}"] = _within(states) / _between(states)
        ends = draw_poses(ENDS, generator).repeat_interleave(ORDERS, dim=0)
        actions = draw_actions(steps, ENDS * ORDERS, generator=generator)
        states = after(network, starts_for(ends, actions, world), actions)
        grouped = states.view(ENDS, ORDERS, UNITS)
        found[f"any_start_{steps}"] = _within(grouped) / _between(grouped)
        off = (states - network.encode(render(ends))).norm(dim=1).mean()
        found[f"image_{steps}"] = float(off) / _between(grouped)
    return found


def _reordered(steps, world, generator):
    """Actions (time, end x order, 3); every end's orders lead to one pose."""
    drawn = draw_actions(steps, ENDS, generator=generator)
    if world == "own":
        # A turn alone, then three shifts alone, and so on.
        turns = torch.arange(steps) % 4 == 0
        drawn[turns, :, :2] = 0
        drawn[~turns, :, 2] = 0
        blocks = [torch.arange(i, min(i + 3, steps)) for i in range(1, steps, 4)]
    else:
        blocks = [torch.arange(steps)]
    orders = torch.arange(steps).repeat(ENDS * ORDERS, 1)
    for row in orders:
        for block in blocks:
            row[block] = block[torch.randperm(len(block), generator=generator)]
    which = torch.arange(ENDS).repeat_interleave(ORDERS)
    return drawn[orders.T, which]


def _within(states):
    return float(_mean_distance(states).mean())


def _between(states):
    return float(_mean_distance(states.transpose(0, 1)).mean())


def _mean_distance(states):
    count = states.shape[1]
    return torch.cdist(states, states).sum(dim=(1, 2)) / (count * (count - 1))
