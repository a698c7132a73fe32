"""The objective asked of neighbourhoods of units on their own.

The published objective looks at the whole population. One torus meets it nearly as well as several (docs/results.md), and two groups
of units can share the work so that each holds only bands. Asked of a few neighbouring units as well, each neighbourhood
has to be a code of two dimensions by itself; the objective of the whole then pushes neighbourhoods apart, since it gains only where they differ.
Neighbourhoods overlap and have no fixed borders: which units belong together is left to learning.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gridcode.config import LossConfig
from gridcode.errors import InputError
from gridcode.losses.objective import objective
from gridcode.records import Batch
from gridcode.world.streams import Source, as_source

# Keeps a neighbourhood without any activity at zero instead of dividing zero by zero.
SMALLEST_NORM = 1e-30


def neighbourhood_objective(
    states: Float[Tensor, "time trajectory units"], batch: Batch, config: LossConfig, *, generator: Generator | Source
) -> Float[Tensor, ""]:
    """Mean objective of neighbourhoods drawn at random: consecutive units on a ring, their activity divided by its L2 norm.

    Args:
        states: as the network gives them, the start included.
        batch: what was walked.
        config: weights and scales; those of neighbourhoods are their own.
        generator: draws the neighbourhoods, and the states to compare in each.

    Raises:
        InputError: fewer units than a neighbourhood has.
    """
    units = states.shape[-1]
    size = config.neighbourhood_units
    if size > units:
        raise InputError(f"a neighbourhood of {size} units needs as many, not {units}")
    source = as_source(generator)
    first = (source.uniform(config.neighbourhoods) * units).long()
    members = (first.unsqueeze(-1) + torch.arange(size, device=first.device)) % units
    own = config.model_copy(
        update={
            "sampled_states": config.neighbourhood_states,
            "pairs": "sampled",
            "isometry": config.neighbourhood_isometry,
            "isometry_form": "scale_free",
            "isometry_ramp": (0, 0),
            "isometry_early_raw": 0.0,
        }
    )
    total = states.new_zeros(())
    for which in members.to(states.device):
        activity = states.index_select(-1, which)
        local = activity / torch.linalg.vector_norm(activity, dim=-1, keepdim=True).clamp_min(SMALLEST_NORM)
        total = total + objective(local, batch, own, step=0, generator=source).total
    return total / config.neighbourhoods
