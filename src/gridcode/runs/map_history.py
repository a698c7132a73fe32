"""Maps over training: the same units in one arena, snapshot after snapshot, coarse enough to see them all."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.population import score_dataset
from gridcode.analysis.system import Step, System, roll_rate_maps
from gridcode.world.walks import WALKS

# 40 bins of 0.1 m show a lattice of 0.4 m and take a quarter of the time of an evaluation's bins of
# half that side.
BINS = 40
SAMPLES_PER_BIN = 8.0
WALK_STEPS = 250
# A convention for counting, not a test: no snapshot is compared with null maps.
THRESHOLD = 0.5


def map_snapshot(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    arena_m: float,
    max_step_m: float,
    walk: str = "smooth",
    silent_below: float = 1e-3,
    seed: int = 0,
) -> xr.Dataset:
    """Coarse rate maps of a system and their hexagonal scores.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) to (walker, unit).
        start: (unit,) state at the origin, the arena's centre.
        arena_m: side of the arena, cut into 40 bins.
        max_step_m: longest step of the walk, metres.
        walk: which walk.
        silent_below: units whose activity never exceeds this, of either sign, are silent.
        seed: of the walk; the same walk for every snapshot.

    Returns:
        `rate` (unit, y, x), `minmax` (unit,) the hexagonal score, `silent` (unit,).
    """
    path = WALKS[walk](
        arena_m=arena_m,
        steps=WALK_STEPS,
        walkers=max(16, math.ceil(SAMPLES_PER_BIN * BINS**2 / WALK_STEPS)),
        max_step_m=max_step_m,
        generator=np.random.default_rng([seed, round(1000 * arena_m)]),
    )
    data = roll_rate_maps(System(step, start, max_step_m), path, bin_size_m=arena_m / BINS)
    return score_dataset(data, smoothing_bins=1.0, silent_below=silent_below)[
        ["rate", "minmax", "silent"]
    ]


def map_history(
    systems: Iterable[tuple[int, Step, Float[np.ndarray, " unit"]]],
    *,
    arena_m: float,
    max_step_m: float,
    walk: str = "smooth",
    silent_below: float = 1e-3,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> xr.Dataset:
    """The maps of `map_snapshot` of one network at several steps of its training.

    Args:
        systems: training step, step function and start state of each snapshot, in order; at least
            one.
        arena_m: as in `map_snapshot`, like the following.
        max_step_m: longest step of the walk, metres.
        walk: which walk.
        silent_below: activity of silent units.
        seed: of the walk.
        progress: called after each snapshot.

    Returns:
        `rate` (step, unit, y, x), `minmax` and `silent` (step, unit), with the training step as
        coordinate `step`.
    """
    steps, maps = [], []
    for number, step, start in systems:
        found = map_snapshot(
            step,
            start,
            arena_m=arena_m,
            max_step_m=max_step_m,
            walk=walk,
            silent_below=silent_below,
            seed=seed,
        )
        steps.append(number)
        maps.append(found)
        if progress:
            progress()
    data = xr.concat(maps, dim="step", combine_attrs="override").assign_coords(step=steps)
    return data.transpose("step", "unit", "y", "x")


def share_above(data: xr.Dataset, threshold: float = THRESHOLD) -> Float[np.ndarray, " step"]:
    """Share of the active units whose hexagonal score is above a threshold, at every step of a history; 0 where no unit is active."""
    active = ~data["silent"].values
    above = (np.nan_to_num(data["minmax"].values, nan=-np.inf) > threshold) & active
    return above.sum(axis=-1) / np.maximum(active.sum(axis=-1), 1)
