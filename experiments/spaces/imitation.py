"""An objective that first has a network imitate a code, and then is the published one alone."""

import math
from dataclasses import dataclass

import torch
from lattice_planted import BCC, FCC

from gridcode.config import LossConfig
from gridcode.losses.objective import objective

LATTICES = {"fcc": FCC, "bcc": BCC, "cubic": torch.eye(3).numpy()}
# The control, which does not repeat: one field a unit, tiling a cube a little larger than the one
# that paths of 40 steps cover (2.15 m), of the width that gives the variance of a lattice.
PLACES = "places"
PLANTED = (*LATTICES, PLACES)
PLACES_M, WIDTH_M = 2.6, 0.75
# Of waves over training paths of 40 steps: what free codes choose for 80 (volume_codes.py), in
# proportion to the root of the steps.
WAVE_M = 1.1
# Mean of the cosines plus this, where it is positive: a field fills about a third of the volume.
OFFSET = 0.2
WEIGHT = 3.0


def planted_states(positions, *, code, units):
    """States of units with all phases of a lattice: (..., 3) metres to (..., unit), of length 1."""
    drawn = torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(units)
    if code == PLACES:
        away = positions[..., None, :] - PLACES_M * (drawn - 0.5)
        rates = torch.exp(-away.square().sum(dim=-1) / (2 * WIDTH_M**2))
        return rates / rates.norm(dim=-1, keepdim=True)
    vectors = torch.as_tensor(LATTICES[code], dtype=torch.float32)
    vectors = 2 * math.pi / WAVE_M * vectors / vectors.norm(dim=1, keepdim=True)
    phases = 8 * WAVE_M * drawn
    rates = torch.cos((positions[..., None, :] - phases) @ vectors.T).mean(dim=-1)
    rates = torch.relu(rates + OFFSET)
    return rates / rates.norm(dim=-1, keepdim=True)


@dataclass(frozen=True)
class Imitation:
    """Squared distance from the planted states for the first steps, then the objective."""

    config: LossConfig
    code: str
    steps: int

    def __call__(self, states, batch, step, generator):
        """All terms by name; `planted` is that distance."""
        terms = objective(states, batch, self.config, step=step, generator=generator)
        planted = planted_states(batch.positions, code=self.code, units=states.shape[-1])
        off = (states - planted).square().sum(dim=-1).mean()
        total = WEIGHT * off if step < self.steps else terms.total
        return {**vars(terms), "total": total, "planted": off.detach()}
