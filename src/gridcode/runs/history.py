"""Maps over the training of a run: in which arena, whether those that were kept still fit, and making them."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from gridcode.errors import InputError
from gridcode.runs.map_history import map_history, map_snapshot
from gridcode.runs.run import Run, writing


@dataclass(frozen=True)
class Place:
    """Where maps over training are drawn.

    Attributes:
        arena_m: side of the arena, metres.
        walk: which walk.
    """

    arena_m: float
    walk: str


def place_of(run: Run) -> Place:
    """The arena and walk of the evaluation's headline; without an evaluation the middle arena and the first walk of the settings."""
    try:
        headline = (run.read_summary() or {})["headline"]
        return Place(float(headline["arena_m"]), str(headline["walk"]))
    except (InputError, KeyError, TypeError, ValueError):
        arenas = sorted(run.config.evaluation.arenas_m)
        return Place(arenas[len(arenas) // 2], run.config.evaluation.walks[0])


def kept_history(run: Run) -> xr.Dataset | None:
    """The maps that the run keeps, None where there are none, or where they are of other snapshots or of another arena than the evaluation.

    Raises:
        InputError: the file is damaged.
    """
    history = run.read_history()
    if history is None:
        return None
    steps, place = [step for step, _ in run.snapshots()], place_of(run)
    # A run that was mailed without its snapshots is shown with the maps it has.
    same_steps = not steps or history["step"].values.tolist() == steps
    same_place = (
        history.attrs.get("arena_m") == place.arena_m and history.attrs.get("walk") == place.walk
    )
    return history if same_steps and same_place else None


def map_training(
    run: Run | str | os.PathLike[str],
    *,
    silent_below: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.Dataset:
    """Coarse rate maps of every unit at every snapshot of a training; kept in the run, so that they are computed once.

    Args:
        run: the run or its folder.
        silent_below: units whose activity never exceeds this are silent; None takes the setting of
            the run. Maps that are kept stay as they are.
        progress: called with (what, done, total).

    Returns:
        `rate` (step, unit, y, x), `minmax` (step, unit) the hexagonal score, `silent` (step, unit);
        see `gridcode.runs.map_history`. Arena and walk are those of the headline of the evaluation,
        else the middle arena and the first walk of the settings.

    Raises:
        InputError: no run, one without snapshots, or a snapshot that is damaged.
    """
    run = run if isinstance(run, Run) else Run(run)
    found = run.snapshots()
    if not found:
        raise InputError(
            f"'{run.folder}' has no snapshots: its training kept none (setting training.snapshots)"
        )
    try:
        kept = kept_history(run)
    except InputError:
        kept = None  # made again
    if kept is not None:
        return kept
    from gridcode.runs import snapshots  # PyTorch, which kept maps do without

    done, place = 0, place_of(run)

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress("snapshots", done, len(found))

    history = map_history(
        ((step, *snapshots.load_network(path, run.config).as_system()) for step, path in found),
        arena_m=place.arena_m,
        walk=place.walk,
        max_step_m=run.config.world.max_velocity_m,
        silent_below=run.config.evaluation.silent_below if silent_below is None else silent_below,
        seed=run.config.evaluation.seed,
        progress=tick,
    )
    try:
        with writing(run):
            run.write_history(history)
    except InputError as error:
        warnings.warn(f"{error}; the maps over training are not kept", stacklevel=2)
    return history


def map_step(run: Run, path: Path) -> xr.Dataset:
    """The maps of one snapshot, as `map_training` makes them.

    Args:
        run: the run.
        path: the snapshot.

    Raises:
        InputError: the snapshot is damaged.
    """
    from gridcode.runs import snapshots  # PyTorch

    place, evaluation = place_of(run), run.config.evaluation
    system = snapshots.load_network(path, run.config).as_system()
    return map_snapshot(
        *system,
        arena_m=place.arena_m,
        walk=place.walk,
        max_step_m=run.config.world.max_velocity_m,
        silent_below=evaluation.silent_below,
        seed=evaluation.seed,
    )
