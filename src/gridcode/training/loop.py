"""The training loop: steps, metrics, checkpoints. Kill it at any moment; the resumed run is the same run."""

import contextlib
import errno
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gridcode.config import TrainingConfig
from gridcode.errors import InputError, TrainingError
from gridcode.runs import Run, checkpoint_step
from gridcode.training import checkpoint
from gridcode.training.memory import keep_freed_memory
from gridcode.training.step import StepResult, Trainer


@dataclass(frozen=True)
class Progress:
    """What a progress display is told after every step.

    Attributes:
        step: optimiser steps done.
        steps: steps in all.
        metrics: the newest logged line, None before the first.
    """

    step: int
    steps: int
    metrics: dict[str, Any] | None


def choose_device(name: str) -> torch.device:
    """The device a configuration asks for; `auto` is a GPU where there is one.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device = 'cuda', but this PyTorch sees no CUDA device; use 'auto' or 'cpu'")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(training: TrainingConfig, *, all_pairs: bool) -> int:
    """CPU threads: as configured; otherwise one, or two for exact pairs, where a second thread gains most (docs/performance.md)."""
    return training.threads or (min(2, os.cpu_count() or 1) if all_pairs else 1)


def train_run(run: Run, *, progress: Callable[[Progress], None] | None = None, stop_at: int | None = None) -> None:
    """Train a run to its end, from its newest intact checkpoint where there is one.

    Args:
        run: the run; its metrics, checkpoints and manifest are written.
        progress: called after every step.
        stop_at: stop (with a checkpoint) at this step instead of the configured one.

    Raises:
        InputError: the device is not there, or another process trains this run.
        TrainingError: a loss is not finite, the disk is full, or no checkpoint of the run is intact.
    """
    config = run.config
    device = choose_device(config.training.device)
    keep_freed_memory()
    threads = choose_threads(config.training, all_pairs=config.loss.pairs == "all")
    last = min(config.training.steps, stop_at or config.training.steps)
    trainer: Trainer | None = None
    try:
        with run.lock(), _threads(threads):
            trainer = Trainer(config, device=device)
            clock = _Clock(_resume(run, trainer))
            with open(run.metrics_path, "a", encoding="utf-8") as log:
                _loop(run, trainer, log, clock, last, progress)
    except OSError as error:
        good = run.checkpoints()
        kept = f"step {checkpoint_step(good[0])}" if good else "none yet"
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error.strerror or error)
        at = f" at step {trainer.step}" if trainer else ""
        raise TrainingError(f"cannot write to '{run.folder}'{at}: {what}; last good checkpoint: {kept}") from error


class _Clock:
    """Wall and CPU seconds of the run over all its sittings."""

    def __init__(self, before: dict[str, float]) -> None:
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._cpu = before.get("cpu_seconds", 0.0) - time.process_time()

    def read(self) -> dict[str, float]:
        return {"wall_seconds": self._wall + time.monotonic(), "cpu_seconds": self._cpu + time.process_time()}


def _resume(run: Run, trainer: Trainer) -> dict[str, float]:
    """Load the newest intact checkpoint, naming damaged ones; rewind the metrics to it."""
    found = run.checkpoints()
    for path in found:
        try:
            times = checkpoint.restore(trainer, path)
        except checkpoint.DamagedCheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=4)
            continue
        run.rewind_metrics(trainer.step)
        return times
    if found:
        raise TrainingError(f"none of the {len(found)} checkpoints in '{run.folder}' is intact; train again into another folder")
    run.rewind_metrics(0)
    return {}


def _save(run: Run, trainer: Trainer, log: Any, clock: _Clock) -> None:
    # The metrics up to a checkpoint must be on disk before it: a resumed run only writes what comes after.
    log.flush()
    os.fsync(log.fileno())
    checkpoint.save(trainer, run.checkpoint_path(trainer.step), extra=clock.read())
    device = trainer.network.start.device
    run.write_manifest(device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type, step=trainer.step, **clock.read())
    run.prune_checkpoints()


def _loop(run: Run, trainer: Trainer, log: Any, clock: _Clock, last: int, progress: Callable[[Progress], None] | None) -> None:
    training = run.config.training
    row: dict[str, Any] | None = None
    mark = (trainer.step, time.monotonic())
    saved = trainer.step if run.checkpoints() else -1
    while trainer.step < last:
        try:
            result = trainer.advance()
        except TrainingError as error:
            kept = f"step {saved}" if saved >= 0 else "none yet"
            raise TrainingError(f"{error}; last good checkpoint: {kept}") from None
        if trainer.step % training.log_every == 0 or trainer.step == training.steps:
            rate = (trainer.step - mark[0]) / max(time.monotonic() - mark[1], 1e-9)
            mark = (trainer.step, time.monotonic())
            row = _row(trainer, result, rate)
            log.write(json.dumps(row) + "\n")
            log.flush()
        if trainer.step % training.checkpoint_every == 0 or trainer.step == last:
            _save(run, trainer, log, clock)
            saved = trainer.step
        if progress:
            progress(Progress(step=trainer.step, steps=last, metrics=row))


def _row(trainer: Trainer, result: StepResult, rate: float) -> dict[str, Any]:
    return {
        "step": trainer.step,
        **result.terms.floats(),
        "gradient_norm": float(result.gradient_norm),
        "learning_rate": trainer.optimiser.param_groups[0]["lr"],
        "silent_units": result.silent_units(),
        "zero_states": trainer.zero_states,
        "steps_per_second": round(rate, 2),
    }
