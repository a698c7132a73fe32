"""The training loop: steps, metrics, checkpoints. Kill it at any moment; the resumed run is the same run."""

import contextlib
import errno
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from gridcode.config import TrainingConfig
from gridcode.errors import InputError, TrainingError
from gridcode.runs import snapshots
from gridcode.runs.run import Run, checkpoint_step
from gridcode.training import checkpoint
from gridcode.training.memory import keep_freed_memory, out_of_memory, what_to_lower
from gridcode.training.step import Snapshot
from gridcode.training.trainer_choice import Engine, OneNetwork, choose_device, make_engine

# From here on each of two cores keeps half of the matrices in its own cache.
TWO_THREADS_FROM_UNITS = 96


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


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(training: TrainingConfig, *, all_pairs: bool, sizes: Sequence[int]) -> int:
    """CPU threads: as configured; otherwise one, or two where a second gains most: several populations, exact pairs, many units."""
    # OpenMP takes lists too, one number for each level.
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    allowed = min(2, os.cpu_count() or 1, int(told) if told.isdecimal() and int(told) else 2)
    return training.threads or (
        allowed if all_pairs or len(sizes) > 1 or sizes[0] >= TWO_THREADS_FROM_UNITS else 1
    )


def train_run(
    run: Run, *, progress: Callable[[Progress], None] | None = None, stop_at: int | None = None
) -> None:
    """Train a run to its end, from its newest intact checkpoint where there is one.

    Args:
        run: the run; its metrics, checkpoints and manifest are written.
        progress: called after every step, on a GPU after every few.
        stop_at: stop (with a checkpoint) at this step instead of the configured one.

    Raises:
        InputError: the device is not there, or another process trains this run.
        TrainingError: a loss is not finite, memory or disk is full, or no checkpoint of the run is
            intact.
    """
    train_together([run], progress=progress, stop_at=stop_at)


def train_together(
    runs: Sequence[Run],
    *,
    progress: Callable[[Progress], None] | None = None,
    stop_at: int | None = None,
) -> None:
    """Train runs as one program on a GPU (`BatchedTrainer`); each folder comes out as if trained alone.

    Args:
        runs: one run on the CPU; on a GPU as many as have the same `shape_of` their configurations
            and are at the same step.
        progress: called after every step, on a GPU after every few.
        stop_at: stop (with a checkpoint) at this step instead of the configured one.

    Raises:
        InputError: the device is not there, another process trains one of the runs, or they cannot
            train together.
        TrainingError: as in `train_run`; where a loss of some runs is not finite, the others are
            trained to their end first.
    """
    config = runs[0].config
    device = choose_device(config.training.device)
    keep_freed_memory()
    threads = choose_threads(
        config.training, all_pairs=config.loss.pairs == "all", sizes=config.model.sizes
    )
    # Threads go to populations, which need not wait for each other, rather than into each
    # operation.
    several = threads > 1 and len(config.model.sizes) > 1 and device.type == "cpu"
    last = min(config.training.steps, stop_at or config.training.steps)
    engine: Engine | None = None
    try:
        with contextlib.ExitStack() as stack:
            for run in runs:
                stack.enter_context(run.lock())
            stack.enter_context(_threads(1 if several else threads))
            workers = stack.enter_context(ThreadPoolExecutor(threads)) if several else None
            engine = make_engine([run.config for run in runs], device, workers=workers)
            if isinstance(engine, OneNetwork) and len(runs) > 1:
                raise InputError(
                    "several networks train as one program only on a GPU, with its kernels; train them one by one"
                )
            clock = _Clock(_resume(runs, engine))
            logs = [
                stack.enter_context(open(run.metrics_path, "a", encoding="utf-8")) for run in runs
            ]
            _loop(runs, engine, logs, clock, last, progress)
    except OSError as error:
        raise TrainingError(
            f"cannot write to '{runs[0].folder}'{_at(engine)}: {_what(error)}; last good checkpoint: {_kept(runs[0])}"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        where = f"out of memory{_at(engine)} ({device.type})"
        raise TrainingError(
            f"{where}: {what_to_lower(config, len(runs))}; last good checkpoint: {_kept(runs[0])}"
        ) from None


def _at(engine: Engine | None) -> str:
    return f" at step {engine.step}" if engine else ""


def _what(error: OSError) -> str:
    return (
        "the disk is full"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else str(error.strerror or error)
    )


def _kept(run: Run) -> str:
    good = run.checkpoints()
    return f"step {checkpoint_step(good[0])}" if good else "none yet"


class _Clock:
    """Wall and CPU seconds of the run over all its sittings."""

    def __init__(self, before: dict[str, float]) -> None:
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._cpu = before.get("cpu_seconds", 0.0) - time.process_time()

    def read(self) -> dict[str, float]:
        return {
            "wall_seconds": self._wall + time.monotonic(),
            "cpu_seconds": self._cpu + time.process_time(),
        }


def newest_intact(run: Run) -> Iterator[tuple[Snapshot, dict[str, Any]]]:
    """Intact checkpoints of a run, newest first; damaged ones are named in a warning.

    Raises:
        TrainingError: there are checkpoints, none of them intact.
    """
    intact = 0
    found = run.checkpoints()
    for path in found:
        try:
            loaded = checkpoint.load(path, run.config.training_hash)
        except checkpoint.DamagedCheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=2)
            continue
        intact += 1
        yield loaded
    if found and not intact:
        raise TrainingError(
            f"none of the {len(found)} checkpoints in '{run.folder}' is intact; train again into another folder"
        )


def _resume(runs: Sequence[Run], engine: Engine) -> dict[str, float]:
    """Load the newest checkpoints, all of one step; rewind the metrics to it. Returns the times spent before."""
    newest = [next(newest_intact(run), None) for run in runs]
    if len({found and found[0].step for found in newest}) == 1:
        choices = [{found[0].step: found} if found else {} for found in newest]
    else:  # a kill came between the checkpoints of one step
        choices = [
            {snapshot.step: (snapshot, times) for snapshot, times in newest_intact(run)}
            for run in runs
        ]
    common = set.intersection(*(set(c) for c in choices))
    if not common and any(choices):
        raise InputError(
            "runs that train together must have a checkpoint of the same step; train them one by one"
        )
    times: dict[str, float] = {}
    if common:
        step = max(common)
        try:
            engine.restore([c[step][0] for c in choices])
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            if out_of_memory(error):
                raise
            raise TrainingError(
                f"the checkpoints of step {step} do not fit their run ({str(error).splitlines()[0]})"
            ) from None
        times = choices[0][step][1]
    for run in runs:
        run.rewind_metrics(engine.step)
    return times


def _save(
    runs: Sequence[Run], engine: Engine, logs: Sequence[Any], clock: _Clock, device: str
) -> None:
    for number, (run, log, snapshot) in enumerate(zip(runs, logs, engine.snapshots(), strict=True)):
        if number in engine.failures:
            continue
        # The metrics up to a checkpoint must be on disk before it: a resumed run only writes what
        # comes after.
        log.flush()
        os.fsync(log.fileno())
        checkpoint.save(snapshot, run.checkpoint_path(snapshot.step), extra=clock.read())
        run.write_manifest(device=device, step=snapshot.step, together=len(runs), **clock.read())
        run.prune_checkpoints()


def _keep_weights(runs: Sequence[Run], engine: Engine) -> None:
    """Write what films are made of; unlike a checkpoint it is not needed to go on."""
    for number, (run, snapshot) in enumerate(zip(runs, engine.snapshots(), strict=True)):
        if number not in engine.failures:
            snapshots.save(run.snapshot_path(snapshot.step), snapshot.weights)


def _loop(
    runs: Sequence[Run],
    engine: Engine,
    logs: Sequence[Any],
    clock: _Clock,
    last: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    training = runs[0].config.training
    device = (
        torch.cuda.get_device_name() if choose_device(training.device).type == "cuda" else "cpu"
    )
    row: dict[str, Any] | None = None
    mark = (engine.step, time.monotonic())
    kept = snapshots.steps_kept(
        training.steps, training.snapshots, first_stage=training.separate_steps
    )
    if engine.step == 0 and kept:
        _keep_weights(runs, engine)
    while engine.step < last:
        stop = min(
            last,
            *(
                (engine.step // every + 1) * every
                for every in (training.log_every, training.checkpoint_every)
            ),
        )
        stop = min([stop, *(step for step in kept if step > engine.step)])
        engine.advance_to(min(stop, engine.step + engine.pace) if engine.pace else stop)
        if len(engine.failures) == len(runs):
            break
        if engine.step % training.log_every == 0 or engine.step == training.steps:
            rate = (engine.step - mark[0]) / max(time.monotonic() - mark[1], 1e-9)
            mark = (engine.step, time.monotonic())
            for number, (log, values) in enumerate(zip(logs, engine.rows(), strict=True)):
                if number not in engine.failures:
                    row = values | {"steps_per_second": round(rate, 2)}
                    log.write(json.dumps(row) + "\n")
                    log.flush()
        if engine.step in kept:
            _keep_weights(runs, engine)
        if engine.step % training.checkpoint_every == 0 or engine.step == last:
            _save(runs, engine, logs, clock, device)
        if progress:
            progress(Progress(step=engine.step, steps=last, metrics=row))
    if engine.failures:
        named = {
            i: f"{runs[i].folder}: {text}" if len(runs) > 1 else text
            for i, text in engine.failures.items()
        }
        raise TrainingError(
            "; ".join(
                f"{text}; last good checkpoint: {_kept(runs[i])}" for i, text in named.items()
            )
        )
