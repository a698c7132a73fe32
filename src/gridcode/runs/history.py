"""Maps over the training of a run: the same units in one arena, snapshot after snapshot.

The maps are coarse enough to see all of them; they are kept in the run, so that they are computed
once.
"""

import functools
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.cells.autocorrelogram import autocorrelograms, smooth
from gridcode.analysis.cells.gridness import grid_scores
from gridcode.analysis.population import without_silent
from gridcode.analysis.system import Step, System, bounded, roll_rate_maps
from gridcode.errors import InputError
from gridcode.runs.files import one_line_errors
from gridcode.runs.run import Run
from gridcode.version import __version__
from gridcode.world.walks import WALKS, Walk

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
        `rate` (unit, y, x), `grid_score` (unit,) the hexagonal score, `silent` (unit,).
    """
    path = _path(walk, arena_m, max_step_m, seed)
    system = bounded(System(step, start, max_step_m))
    data = roll_rate_maps(system, path, bin_size_m=arena_m / BINS)
    # The hexagonal score alone: nothing is read from fitted lattices.
    silent, scored = without_silent(data["rate"].values, silent_below)
    scores = grid_scores(autocorrelograms(smooth(scored, 1.0)))
    return data[["rate"]].assign(grid_score=("unit", scores), silent=("unit", silent))


@functools.lru_cache(1)  # the same for every snapshot of a run
def _path(walk: str, arena_m: float, max_step_m: float, seed: int) -> Walk:
    return WALKS[walk](
        arena_m=arena_m,
        steps=WALK_STEPS,
        walkers=max(16, math.ceil(SAMPLES_PER_BIN * BINS**2 / WALK_STEPS)),
        max_step_m=max_step_m,
        generator=np.random.default_rng([seed, round(1000 * arena_m)]),
    )


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
        `rate` (step, unit, y, x), `grid_score` and `silent` (step, unit), with the training step as
        coordinate `step`.
    """
    maps = {}
    for number, step, start in systems:
        maps[number] = map_snapshot(
            step,
            start,
            arena_m=arena_m,
            max_step_m=max_step_m,
            walk=walk,
            silent_below=silent_below,
            seed=seed,
        )
        if progress:
            progress()
    return join_maps(maps)


def join_maps(maps: Mapping[int, xr.Dataset]) -> xr.Dataset:
    """The maps of `map_snapshot` by their step, joined as `map_history` does."""
    steps = sorted(maps)
    joined = xr.concat([maps[step] for step in steps], dim="step", combine_attrs="override")
    return joined.assign_coords(step=steps).transpose("step", "unit", "y", "x")


def share_above(data: xr.Dataset, threshold: float = THRESHOLD) -> Float[np.ndarray, " step"]:
    """Share of active units with a hexagonal score above a threshold, at every step of a history.

    0 where no unit is active.
    """
    active = ~data["silent"].values
    above = (data["grid_score"].values > threshold) & active  # NaN is not above.
    return above.sum(axis=-1) / np.maximum(active.sum(axis=-1), 1)


@dataclass(frozen=True)
class MapSettings:
    """The arena and walk of maps over training.

    Attributes:
        arena_m: side of the arena, metres.
        walk: name of the walk.
    """

    arena_m: float
    walk: str


def map_settings(run: Run) -> MapSettings:
    """Arena and walk of the evaluation's headline, else the settings' middle arena, first walk."""
    try:
        summary = run.read_summary()
    except InputError:
        summary = None
    if summary and summary.headline:
        return MapSettings(summary.headline.arena_m, summary.headline.walk)
    arenas = sorted(run.config.evaluation.arenas_m)
    return MapSettings(arenas[len(arenas) // 2], run.config.evaluation.walks[0])


def kept_history(run: Run) -> xr.Dataset | None:
    """The maps that the run keeps; None without any, or if they do not fit its evaluation.

    They fit if they are of the present snapshots and configuration, and of the arena and walk of
    the evaluation.

    Raises:
        InputError: the file is damaged.
    """
    history = run.read_history()
    if history is None:
        return None
    steps = [step for step, _ in run.snapshots()]
    wanted = vars(map_settings(run)) | {"training_hash": run.config.training_hash}
    # A run that was mailed without its snapshots is shown with the maps it has.
    same_steps = not steps or history["step"].values.tolist() == steps
    same_weights = not steps or history.attrs.get("weights") == run.snapshots_digest()
    same_settings = all(history.attrs.get(name) == value for name, value in wanted.items())
    return history if same_steps and same_weights and same_settings else None


def _system_at(run: Run, path: Path, transition: Any) -> tuple[Step, np.ndarray]:
    from gridcode.runs import snapshots  # PyTorch, which kept maps do without

    run.check_plane("a history of the training")
    run.check_transition(transition, "gridcode.map_training")
    return snapshots.load_network(path, run.config, transition=transition).as_system()


def map_training(
    run: Run | str | os.PathLike[str],
    *,
    silent_below: float | None = None,
    transition: Any = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.Dataset:
    """Coarse rate maps of every unit at every snapshot of a training, kept in the run.

    Args:
        run: the run or its folder.
        silent_below: units whose activity never exceeds this are silent; None takes the setting of
            the run. Maps that are kept stay as they are.
        transition: the run's own transition, where it was trained with one.
        progress: called with (what, done, total).

    Returns:
        `rate` (step, unit, y, x), `grid_score` (step, unit), `silent` (step, unit);
        see `map_history`. Arena and walk are those of `map_settings`.

    Raises:
        InputError: no run, one without snapshots, a snapshot that is damaged, or a world of other
            than two dimensions.
    """
    run = Run.open(run)
    found = run.snapshots()
    if not found:
        raise InputError(
            f"'{run.folder}' has no snapshots: its training kept none (setting training.snapshots)"
        )
    try:
        kept = kept_history(run)
    except InputError:
        kept = None  # Damaged: computed again.
    if kept is not None:
        return kept
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress("snapshots", done, len(found))

    history = map_history(
        ((step, *_system_at(run, path, transition)) for step, path in found),
        **vars(map_settings(run)),
        max_step_m=run.config.world.max_velocity_m,
        silent_below=run.config.evaluation.silent_below if silent_below is None else silent_below,
        seed=run.config.evaluation.seed,
        progress=tick,
    )
    try:
        keep_maps(run, history)
    except InputError as error:
        warnings.warn(f"{error}; the maps over training are not kept", stacklevel=2)
    return history


def keep_maps(run: Run, history: xr.Dataset) -> None:
    """Save maps of all snapshots in the run, with what they were made from.

    Raises:
        InputError: they cannot be written.
    """
    history.attrs |= {
        "weights": run.snapshots_digest(),
        "training_hash": run.config.training_hash,
        "seed": run.config.training.seed,
        "gridcode": __version__,
    }
    with one_line_errors(f"cannot write to '{run.folder}'"):
        run.write_history(history)


def map_step(run: Run, path: Path) -> xr.Dataset:
    """The maps of one snapshot, as in `map_training`.

    Args:
        run: the run.
        path: the snapshot.

    Raises:
        InputError: the snapshot is damaged.
    """
    evaluation = run.config.evaluation
    return map_snapshot(
        *_system_at(run, path, None),
        **vars(map_settings(run)),
        max_step_m=run.config.world.max_velocity_m,
        silent_below=evaluation.silent_below,
        seed=evaluation.seed,
    )
