"""Three ways to reward a place, each as an objective for `gridcode.train`.

The goal is a disc. The network is never told where it is: its input is the velocity of each step.
Only the objective knows the places.
"""

from dataclasses import dataclass

import torch

from gridcode.config import LossConfig
from gridcode.losses.objective import objective
from gridcode.losses.pairwise import choose_states

GOAL_M = (0.6, 0.0)
RADIUS_M = 0.3
# Of a state in the goal against another one, where states are drawn for comparison.
VISIT_WEIGHT = 10.0
# Of the mean separation of pairs with one state in the goal, beside that of all pairs.
SEPARATION_WEIGHT = 1.0
# Places in the goal this far apart are to be told apart; 0.05 m elsewhere.
FINE_SIGMA_X_M = 0.025
# Of the mean separation of pairs in the goal between the fine and the usual scale.
FINE_WEIGHT = 0.3


def in_goal(x):
    """Which places (..., 2), metres, lie in the goal; tensors or arrays."""
    return (x[..., 0] - GOAL_M[0]) ** 2 + (x[..., 1] - GOAL_M[1]) ** 2 < RADIUS_M**2


def _squares(g, h):
    return (g * g).sum(dim=1)[:, None] + (h * h).sum(dim=1)[None] - 2 * g @ h.T


def _mean_where(values, mask):
    return (values * mask).sum() / mask.sum().clamp_min(1)


def _with(terms, name, value, weight):
    return {**vars(terms), "total": terms.total + weight * value, name: value.detach()}


@dataclass(frozen=True)
class Visits:
    """More visits: states in the goal are drawn ten times as likely for the pairs compared."""

    config: LossConfig
    weight: float = VISIT_WEIGHT

    def __call__(self, states, batch, step, generator):
        """All terms by name."""
        x = batch.positions.flatten(0, 1)
        # Draws without replacement in proportion to weights: the smallest exponential times.
        times = -torch.log(generator.uniform(len(x)).clamp_min(1e-12))
        times = torch.where(in_goal(x), times / self.weight, times)
        pick = times.topk(self.config.sampled_states, largest=False, sorted=False).indices
        terms = objective(states, batch, self.config, step=step, pick=pick)
        return {**vars(terms), "goal_share": in_goal(x[pick]).float().mean()}


@dataclass(frozen=True)
class Separation:
    """More separation of each place in the goal from all other places."""

    config: LossConfig
    weight: float = SEPARATION_WEIGHT

    def __call__(self, states, batch, step, generator):
        """All terms by name."""
        pick = _usual_pick(self.config, batch, generator)
        terms = objective(states, batch, self.config, step=step, pick=pick)
        g, x = states.flatten(0, 1)[pick], batch.positions.flatten(0, 1)[pick]
        inside = in_goal(x)
        far = torch.cdist(x[inside], x) >= self.config.sigma_x_m
        closeness = torch.exp(-_squares(g[inside], g) / (2 * self.config.sigma_g**2))
        return _with(terms, "goal_separation", _mean_where(closeness, far), self.weight)


@dataclass(frozen=True)
class Finer:
    """A finer sigma_x in the goal: 0.025 m instead of 0.05 m.

    Pairs of all states of the batch in the goal whose distance lies between the two scales are
    separated; in the usual terms they count as the same place, so their pull is taken off.
    """

    config: LossConfig
    weight: float = FINE_WEIGHT
    sigma_x_m: float = FINE_SIGMA_X_M

    def __call__(self, states, batch, step, generator):
        """All terms by name."""
        pick = _usual_pick(self.config, batch, generator)
        terms = objective(states, batch, self.config, step=step, pick=pick)
        x = batch.positions.flatten(0, 1)
        chosen = torch.zeros(len(x), dtype=torch.bool)
        chosen[pick] = True
        inside = in_goal(x)
        squares, between, both = self._between(states, x, inside, chosen[inside])
        closeness = torch.exp(-squares / (2 * self.config.sigma_g**2))
        apart = torch.cdist(x[pick], x[pick])
        near = int((apart < self.config.sigma_x_m).sum()) - len(pick)
        undone = (squares * both).sum() * (self.config.invariance / max(near, 1))
        found = _with(terms, "goal_fine", _mean_where(closeness, between), self.weight)
        return {**found, "total": found["total"] - undone}

    def _between(self, states, x, inside, chosen):
        """Squared distances of states in the goal; pairs between the scales, all and chosen."""
        g, places = states.flatten(0, 1)[inside], x[inside]
        apart = torch.cdist(places, places)
        between = (apart >= self.sigma_x_m) & (apart < self.config.sigma_x_m)
        return _squares(g, g).clamp_min(0), between, between & chosen[:, None] & chosen[None]


def _usual_pick(config, batch, generator):
    count = batch.positions.shape[0] * batch.positions.shape[1]
    return choose_states(config.sampled_states, of=count, generator=generator)


CONDITIONS = {"visits": Visits, "separation": Separation, "finer": Finer}
