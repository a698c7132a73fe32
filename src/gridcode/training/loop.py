"""The training loop: steps, metrics, checkpoints. A killed and resumed run equals a whole one."""

import contextlib
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
from gridcode.runs.files import reason
from gridcode.runs.provenance import PartNames, check_parts
from gridcode.runs.run import Run, checkpoint_step
from gridcode.training import checkpoint
from gridcode.training.memory import keep_freed_memory, out_of_memory, what_to_lower
from gridcode.training.parts import BUILT_IN, Parts
from gridcode.training.step import Snapshot
from gridcode.training.trainer_choice import AnyTrainer, choose_device, choose_trainer

# From here on each of two cores keeps half of the matrices in its own cache.
TWO_THREADS_FROM_UNITS = 96


@dataclass(frozen=True)
class Progress:
    """Progress of a training, for a display.

    Attributes:
        step: optimiser steps done.
        steps: steps in all.
        metrics: the newest logged line, None before the first.
    """

    step: int
    steps: int
    metrics: dict[str, Any] | None


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """So many threads inside each of PyTorch's operations."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(training: TrainingConfig, *, all_pairs: bool, sizes: Sequence[int]) -> int:
    """CPU threads: as configured, else one, or two where a second one gains most.

    Populations are computed side by side: one thread for each, as far as there are cores.

    Args:
        training: the configuration.
        all_pairs: whether all pairs of states are compared.
        sizes: units of each population.
    """
    # OpenMP also takes lists, one number for each level.
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    most = max(2, len(sizes))
    limit = int(wanted) if wanted.isdecimal() and int(wanted) else most
    allowed = min(most, os.cpu_count() or 1, limit)
    gains = all_pairs or len(sizes) > 1 or sizes[0] >= TWO_THREADS_FROM_UNITS
    return training.threads or (allowed if gains else 1)


def pool_threads(threads: int, sizes: Sequence[int]) -> int:
    """Threads for the populations of a network that may use so many cores.

    One for each where all cores may be used: the system then shares two cores evenly among three
    populations, while two threads would leave one idle during the third. Otherwise as many as may
    be used.
    """
    return len(sizes) if threads >= (os.cpu_count() or 1) else min(threads, len(sizes))


def train_run(
    run: Run,
    *,
    parts: Parts = BUILT_IN,
    progress: Callable[[Progress], None] | None = None,
    stop_at: int | None = None,
) -> None:
    """Train a run to its end, from its newest intact checkpoint where there is one.

    Args:
        run: the run; its metrics, checkpoints and manifest are written.
        parts: parts that replace the built-in ones.
        progress: called after every step, on a GPU after every few.
        stop_at: stop (with a checkpoint) at this step instead of the configured one.

    Raises:
        InputError: the device is not there, another process trains this run, or it was trained with
            other parts.
        TrainingError: a loss is not finite, memory or disk is full, or no checkpoint of the run is
            intact.
    """
    train_together([run], parts=parts, progress=progress, stop_at=stop_at)


def train_together(
    runs: Sequence[Run],
    *,
    parts: Parts = BUILT_IN,
    progress: Callable[[Progress], None] | None = None,
    stop_at: int | None = None,
) -> None:
    """Train runs as one program on a GPU; each folder equals that of a run trained alone.

    Args:
        runs: one run on the CPU; on a GPU any number whose configurations have the same `shape_of`
            and whose newest checkpoints are of the same step.
        parts: parts that replace the built-in ones; for one run only.
        progress: called after every step, on a GPU after every few.
        stop_at: stop (with a checkpoint) at this step instead of the configured one.

    Raises:
        InputError: the device is not there, another process trains one of the runs, or they cannot
            train together.
        TrainingError: as in `train_run`; where a loss of some runs is not finite, the others are
            trained to the end first.
    """
    config = runs[0].config
    device = choose_device(config.training.device)
    keep_freed_memory()
    threads = choose_threads(
        config.training, all_pairs=config.loss.pairs == "all", sizes=config.model.sizes
    )
    # Threads compute whole populations side by side, which wait for each other less often than
    # threads inside each operation.
    several = threads > 1 and len(config.model.sizes) > 1 and device.type == "cpu"
    last = min(config.training.steps, stop_at or config.training.steps)
    trainer: AnyTrainer | None = None
    try:
        with contextlib.ExitStack() as stack:
            for run in runs:
                stack.enter_context(run.lock())
                run.prepare_training()
            stack.enter_context(torch_threads(1 if several else threads))
            workers = (
                stack.enter_context(ThreadPoolExecutor(pool_threads(threads, config.model.sizes)))
                if several
                else None
            )
            configs = [run.config for run in runs]
            trainer = choose_trainer(configs, device, parts=parts, workers=workers)
            clock = _Clock(_resume(runs, trainer, parts))
            for run in runs:
                if trainer.step and run.manifest.get("step") != trainer.step:
                    # Missing, damaged, or the process was killed between checkpoint and manifest.
                    _write_manifest(run, trainer.step, len(runs), parts.names(), clock, device)
            logs = [
                stack.enter_context(open(run.metrics_path, "a", encoding="utf-8")) for run in runs
            ]
            _loop(runs, trainer, logs, clock, last, device, progress)
    except OSError as error:
        raise TrainingError(
            f"cannot write to '{runs[0].folder}'{_at(trainer)}: {reason(error)}; "
            f"last good checkpoint: {_kept(runs[0])}"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise TrainingError(
            f"out of memory{_at(trainer)} ({device.type}): {what_to_lower(config, len(runs))}; "
            f"last good checkpoint: {_kept(runs[0])}"
        ) from None


def _at(trainer: AnyTrainer | None) -> str:
    return f" at step {trainer.step}" if trainer else ""


def _kept(run: Run) -> str:
    good = run.checkpoints()
    return f"step {checkpoint_step(good[0])}" if good else "none yet"


class _Clock:
    """Wall and CPU seconds of the run, from its first start on."""

    def __init__(self, before: dict[str, float]) -> None:
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._cpu = before.get("cpu_seconds", 0.0) - time.process_time()

    def read(self) -> dict[str, float]:
        return {
            "wall_seconds": self._wall + time.monotonic(),
            "cpu_seconds": self._cpu + time.process_time(),
        }


def _newest_intact(run: Run, parts: Parts) -> Iterator[tuple[Snapshot, dict[str, Any]]]:
    """Intact checkpoints of a run, newest first; a warning names the damaged ones."""
    intact = 0
    found = run.checkpoints()
    for path in found:
        try:
            loaded = checkpoint.load(path, run.config.training_hash, parts.names())
        except checkpoint.DamagedCheckpointError as error:
            warnings.warn(f"{error}; trying the one before", stacklevel=2)
            continue
        intact += 1
        yield loaded
    if not found:
        try:
            recorded: PartNames = run.read_manifest().get("parts", {})
        except InputError as error:
            raise InputError(
                f"'{run.folder}': {error}, and there is no checkpoint; train into another folder"
            ) from None
        check_parts(recorded, parts.names(), "gridcode.train")
    elif not intact:
        raise TrainingError(
            f"none of the {len(found)} checkpoints in '{run.folder}' is intact; "
            "train again into another folder"
        )


def _resume(runs: Sequence[Run], trainer: AnyTrainer, parts: Parts) -> dict[str, float]:
    """Load the newest checkpoints of one step and rewind the metrics; returns the times so far."""
    newest = [next(_newest_intact(run, parts), None) for run in runs]
    if len({found and found[0].step for found in newest}) == 1:
        choices = [{found[0].step: found} if found else {} for found in newest]
    else:  # The process was killed between the checkpoints of one step.
        choices = [
            {snapshot.step: (snapshot, times) for snapshot, times in _newest_intact(run, parts)}
            for run in runs
        ]
    common = set.intersection(*(set(c) for c in choices))
    if not common and any(choices):
        raise InputError(
            "runs that train together must have a checkpoint of the same step; "
            "train them one by one"
        )
    times: dict[str, float] = {}
    if common:
        step = max(common)
        try:
            trainer.restore([c[step][0] for c in choices])
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            if out_of_memory(error):
                raise
            why = str(error).splitlines()[0]
            files = ", ".join(str(run.checkpoint_path(step)) for run in runs)
            raise TrainingError(
                f"a checkpoint does not fit the network of its run: {files} ({why}); "
                "delete it, or train into another folder"
            ) from None
        times = choices[0][step][1]
    for run in runs:
        run.rewind_metrics(trainer.step)
    return times


def _write_manifest(
    run: Run, step: int, together: int, parts: PartNames, clock: _Clock, device: torch.device
) -> None:
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    run.write_manifest(device=name, step=step, together=together, parts=parts, **clock.read())


def _save(
    runs: Sequence[Run],
    trainer: AnyTrainer,
    logs: Sequence[Any],
    clock: _Clock,
    device: torch.device,
) -> None:
    saved = zip(runs, logs, trainer.snapshots(), strict=True)
    for number, (run, log, snapshot) in enumerate(saved):
        if number in trainer.failures:
            continue
        # Metrics must be on disk before their checkpoint: a resumed run writes only later ones.
        log.flush()
        os.fsync(log.fileno())
        checkpoint.save(snapshot, run.checkpoint_path(snapshot.step), extra=clock.read())
        _write_manifest(run, snapshot.step, len(runs), snapshot.parts, clock, device)
        run.prune_checkpoints()


def _keep_weights(runs: Sequence[Run], trainer: AnyTrainer) -> None:
    """Write the snapshots for films and maps over training."""
    for number, (run, snapshot) in enumerate(zip(runs, trainer.snapshots(), strict=True)):
        if number not in trainer.failures:
            snapshots.save(
                run.snapshot_path(snapshot.step),
                snapshot.weights,
                step=snapshot.step,
                training_hash=snapshot.training_hash,
            )


def _loop(
    runs: Sequence[Run],
    trainer: AnyTrainer,
    logs: Sequence[Any],
    clock: _Clock,
    last: int,
    device: torch.device,
    progress: Callable[[Progress], None] | None,
) -> None:
    training = runs[0].config.training
    row: dict[str, Any] | None = None
    mark = (trainer.step, time.monotonic())
    kept = snapshots.steps_kept(
        training.steps, training.snapshots, first_stage=training.separate_steps
    )
    if trainer.step == 0 and kept:
        _keep_weights(runs, trainer)
    while trainer.step < last:
        stop = min(
            last,
            *(
                (trainer.step // every + 1) * every
                for every in (training.log_every, training.checkpoint_every)
            ),
        )
        stop = min([stop, *(step for step in kept if step > trainer.step)])
        trainer.advance_to(min(stop, trainer.step + trainer.pace) if trainer.pace else stop)
        if len(trainer.failures) == len(runs):
            break
        if trainer.step % training.log_every == 0 or trainer.step == training.steps:
            rate = (trainer.step - mark[0]) / max(time.monotonic() - mark[1], 1e-9)
            mark = (trainer.step, time.monotonic())
            for number, (log, values) in enumerate(zip(logs, trainer.rows(), strict=True)):
                if number not in trainer.failures:
                    row = values | {"steps_per_second": round(rate, 2)}
                    log.write(json.dumps(row) + "\n")
                    log.flush()
        if trainer.step in kept:
            _keep_weights(runs, trainer)
        if trainer.step % training.checkpoint_every == 0 or trainer.step == last:
            _save(runs, trainer, logs, clock, device)
        if progress:
            progress(Progress(step=trainer.step, steps=last, metrics=row))
    if trainer.failures:
        named = {
            i: f"{runs[i].folder}: {text}" if len(runs) > 1 else text
            for i, text in trainer.failures.items()
        }
        raise TrainingError(
            "; ".join(
                f"{text}; last good checkpoint: {_kept(runs[i])}" for i, text in named.items()
            )
        )
