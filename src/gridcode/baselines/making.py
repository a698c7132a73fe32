"""Make a baseline in a run folder: steps, log, checkpoints; a killed one goes on where it was."""

import json
import os
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from gridcode.analysis.system import System
from gridcode.baselines.recipe import Arrays, Growth, Recipe
from gridcode.baselines.registry import recipe_of
from gridcode.config import Config
from gridcode.errors import InputError, TrainingError
from gridcode.models.packing import weights_digest
from gridcode.runs.files import reason
from gridcode.runs.run import Run
from gridcode.training import checkpoint
from gridcode.training.loop import Progress, torch_threads
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

LOGGED_LINES = 200
CHECKPOINT_EVERY_S = 20.0


def config_of(recipe: Recipe, seed: int) -> Config:
    """The configuration of a baseline's run."""
    return Config.model_validate(
        {
            "baseline": {"name": recipe.name, **recipe.model_dump(mode="json")},
            "world": {"max_velocity_m": recipe.max_step_m},
            "model": {"units": recipe.units},
            "training": {"steps": recipe.steps, "seed": seed},
            "evaluation": recipe.evaluation().model_dump(mode="json"),
        }
    )


def make(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Make a baseline from scratch, in a new run folder.

    Args:
        recipe: which model, with its settings.
        out: the run folder; new.
        seed: of everything random.
        progress: called after every step.

    Raises:
        InputError: the folder exists already.
        TrainingError: a value is not finite, or the disk is full.
    """
    run = Run.create(out, config_of(recipe, seed))
    finish(run, progress=progress)
    return run


@torch_threads(1)
def finish(run: Run, *, progress: Callable[[Progress], None] | None = None) -> None:
    """Make a baseline to its end, from its newest checkpoint where there is one.

    Raises:
        InputError: not a baseline's run, or another process is making it.
        TrainingError: as in `make`.
    """
    recipe, training = recipe_of(run.config), run.config.training
    try:
        with run.lock():
            run.prepare_training()
            growth, step, before = _resumed(run, recipe)
            run.rewind_metrics(step)
            clock = (time.monotonic() - before.get("wall", 0), time.process_time() - before["cpu"])
            every = max(1, training.steps // LOGGED_LINES)
            saved, row = time.monotonic(), None
            with open(run.metrics_path, "a", encoding="utf-8") as log:
                while step < training.steps:
                    step += 1
                    values = dict(growth.advance(step, _generator(training.seed, step)))
                    if not np.isfinite(list(values.values())).all():
                        raise TrainingError(f"'{run.folder}': {values} at step {step}")
                    if step % every == 0 or step == training.steps:
                        row = {"step": step, **values}
                        log.write(json.dumps(row) + "\n")
                    if step == training.steps or time.monotonic() > saved + CHECKPOINT_EVERY_S:
                        log.flush()
                        _save(run, growth, step, clock)
                        saved = time.monotonic()
                    if progress:
                        progress(Progress(step, training.steps, row))
    except OSError as error:
        raise TrainingError(f"cannot write to '{run.folder}': {reason(error)}") from error


def system_of(run: Run) -> tuple[System, int, str]:
    """The system of a baseline's newest intact checkpoint, its step and the digest of its weights.

    Raises:
        InputError: no checkpoint of a finished baseline.
    """
    found = _newest(run)
    if found is None or found[0].step < run.config.training.steps:
        raise InputError(
            f"'{run.folder}' is not finished; go on with `gridcode baseline {run.folder}`"
        )
    weights = found[0].weights
    return recipe_of(run.config).system(_arrays(weights)), found[0].step, weights_digest(weights)


def _generator(seed: int, step: int) -> np.random.Generator:
    return np.random.default_rng([seed, step])


def _newest(run: Run) -> tuple[Snapshot, dict[str, float]] | None:
    for path in run.checkpoints():
        try:
            return checkpoint.load(path, run.config.training_hash)
        except checkpoint.DamagedCheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=3)
    return None


def _resumed(run: Run, recipe: Recipe) -> tuple[Growth, int, dict[str, float]]:
    found = _newest(run)
    if found is None:
        return recipe.begin(_generator(run.config.training.seed, 0)), 0, {"wall": 0.0, "cpu": 0.0}
    snapshot, times = found
    growth = recipe.resume(_arrays(snapshot.weights), _arrays(snapshot.optimiser))
    return growth, snapshot.step, {"wall": times["wall_seconds"], "cpu": times["cpu_seconds"]}


def _save(run: Run, growth: Growth, step: int, clock: tuple[float, float]) -> None:
    times = {
        "wall_seconds": time.monotonic() - clock[0],
        "cpu_seconds": time.process_time() - clock[1],
    }
    snapshot = Snapshot(
        _tensors(growth.weights()),
        _tensors(growth.rest()),
        step,
        0,
        Plateau(),
        run.config.training_hash,
    )
    checkpoint.save(snapshot, run.checkpoint_path(step), extra=times)
    wall, cpu = times["wall_seconds"], times["cpu_seconds"]
    run.write_manifest(device="cpu", step=step, wall_seconds=wall, cpu_seconds=cpu)
    run.prune_checkpoints()


def _tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}


def _arrays(tensors: dict[str, torch.Tensor]) -> Arrays:
    return {name: value.numpy() for name, value in tensors.items()}
