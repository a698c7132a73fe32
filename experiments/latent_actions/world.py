"""Images of one object under shifts and turns, and training batches of action sequences.

A pose is (x, y, angle): pixels, pixels, radians. The frame wraps round, so that every action can be
taken from every pose. An action is (shift x, shift y, turn). World `frame`: shifts are along the
axes of the image, and all actions commute. World `own`: shifts are along the axes of the object,
as it is turned before the action; shifts and turns do not commute.
"""

import math
from dataclasses import dataclass

import torch

from gridcode.world.permutations import draw_orders

SIZE = 16  # pixels, width and height of an image
PERIODS = torch.tensor([SIZE, SIZE, 2 * math.pi])  # of a pose
LONGEST_SHIFT = 2.0  # pixels along each axis
LONGEST_TURN = 0.6  # radians
STEPS, STARTS, ROWS = 16, 4, 16  # T actions, start images a batch, sequences from each
WORLDS = ("frame", "own")
# Blobs along the strokes of a letter F, pixels: no turn or shift maps it onto itself.
_STROKES = [(-2, y) for y in (-4.0, -2.4, -0.8, 0.8, 2.4, 4.0)]
_STROKES += [(x, 4.0) for x in (-0.4, 1.2, 2.8)] + [(x, 0.8) for x in (-0.4, 1.0)]
_BLOBS = torch.tensor(_STROKES) - torch.tensor(_STROKES).mean(dim=0)
# Smooth enough that sampling at pixels loses nothing: shifts by parts of a pixel are exact.
_BLOB_SD = 1.0
# Root mean square distance of the blobs from the centre: a turn moves the object by this times it.
RADIUS = float(_BLOBS.square().sum(dim=1).mean().sqrt())


def render(poses):
    """Images (..., 256) of poses (..., 3), brightest pixel about 1."""
    flat = poses.reshape(-1, 3)
    cos, sin = flat[:, 2:].cos(), flat[:, 2:].sin()
    x = flat[:, :1] + cos * _BLOBS[:, 0] - sin * _BLOBS[:, 1]
    y = flat[:, 1:2] + sin * _BLOBS[:, 0] + cos * _BLOBS[:, 1]
    images = torch.bmm(_profile(y).transpose(1, 2), _profile(x)) / 2
    return images.reshape(*poses.shape[:-1], SIZE * SIZE)


def _profile(centres):
    away = wrapped(torch.arange(SIZE) - centres.unsqueeze(-1), SIZE)
    return torch.exp(-away.square() / (2 * _BLOB_SD**2))


def wrapped(difference, period):
    """Differences on a circle, from -period / 2 to period / 2."""
    return difference - period * torch.round(difference / period)


def poses_along(starts, actions, world):
    """Poses (time + 1, sequence, 3) from starts (sequence, 3) by actions (time, sequence, 3)."""
    angle = torch.cat([starts[None, :, 2], actions[..., 2]]).cumsum(dim=0)
    shift = actions[..., :2]
    if world == "own":
        shift = turned(shift, angle[:-1])
    place = torch.cat([starts[None, :, :2], shift]).cumsum(dim=0)
    return torch.cat([place, angle.unsqueeze(-1)], dim=-1)


def turned(shift, angle):
    """Shifts (..., 2) turned by angles (...)."""
    cos, sin = angle.cos(), angle.sin()
    x, y = shift.unbind(-1)
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


def starts_for(ends, actions, world):
    """The starts from which sequences of actions lead to given ends (sequence, 3)."""
    reached = poses_along(torch.zeros_like(ends), actions, world)[-1]
    angle = ends[:, 2] - reached[:, 2]
    moved = turned(reached[:, :2], angle) if world == "own" else reached[:, :2]
    return torch.cat([ends[:, :2] - moved, angle.unsqueeze(-1)], dim=1)


def square_distances(p, q):
    """Squared distances in pixels of all pairs of poses; a turn counts RADIUS pixels a radian."""
    # One coordinate after the other: no array of all pairs and coordinates.
    x, y, angle = (
        wrapped(a.unsqueeze(-1) - b.unsqueeze(-2), period)
        for a, b, period in zip(p.unbind(-1), q.unbind(-1), PERIODS.tolist(), strict=True)
    )
    return x * x + y * y + angle * angle * RADIUS**2


def draw_actions(*shape, generator):
    """Actions, uniform in a box."""
    longest = torch.tensor([LONGEST_SHIFT, LONGEST_SHIFT, LONGEST_TURN])
    return (2 * torch.rand(*shape, 3, generator=generator) - 1) * longest


def draw_poses(count, generator):
    """Uniform poses."""
    return torch.rand(count, 3, generator=generator) * PERIODS


@dataclass(frozen=True)
class Sequences:
    """Sequences of actions in groups with one start.

    Attributes:
        actions: (group x T, 3), T of each group.
        orders: (sequence, step) which action each sequence takes.
        poses: (time, sequence, 3), true ones.
        claimed: poses that the objective believes in, from the actions; only differences within a
            group are used.
        groups: number of starts.
    """

    actions: torch.Tensor
    orders: torch.Tensor
    poses: torch.Tensor
    claimed: torch.Tensor
    groups: int


def draw_sequences(world, orders, generator, *, sums=False):
    """A training batch.

    Args:
        world: `frame` or `own`.
        orders: `permuted`, in each group every sequence takes the same actions in another order
            (Latin squares); `independent`, each draws T of the group's T actions with
            replacement.
        generator: source of randomness.
        sums: claim that poses are sums of actions, which is wrong in the world `own`.
    """
    actions = draw_actions(STARTS * STEPS, generator=generator)
    if orders == "permuted":
        taken = draw_orders(STARTS * ROWS, STEPS, kind="latin", generator=generator)
    else:
        # In each group and at each step a shuffle: drawn anew, and every action as often.
        keys = torch.rand(STARTS, STEPS, ROWS, generator=generator)
        taken = (keys.argsort(dim=2) % STEPS).transpose(1, 2).flatten(0, 1)
    taken = taken + STEPS * torch.arange(STARTS).repeat_interleave(ROWS).unsqueeze(1)
    starts = draw_poses(STARTS, generator).repeat_interleave(ROWS, dim=0)
    along = actions[taken.T]
    poses = poses_along(starts, along, world)
    claimed = poses_along(starts, along, "frame") if sums else poses
    return Sequences(actions, taken, poses, claimed, STARTS)
