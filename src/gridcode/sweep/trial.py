"""One trial, or a part of it: train a run folder to a step, evaluate it, return its numbers.

A task can be carried out anywhere and again: what is trained and evaluated already stays.
"""

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcode.api.comparison import config_differences
from gridcode.api.verbs import evaluate
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.reading import first_line
from gridcode.runs.files import HeldError, one_line_errors
from gridcode.runs.run import Run
from gridcode.sweep.settings import TRAINING_METRICS
from gridcode.sweep.storage import Storage
from gridcode.training.loop import Progress, train_run

# A job whose sweep was killed may still train the run.
HELD_EVERY_S = 1.0
# A long training is brought to remote storage so often.
UPLOAD_EVERY_S = 300.0


@dataclass(frozen=True)
class Task:
    """What to do for a trial.

    Attributes:
        number: of the trial.
        name: of its run folder.
        folder: the folder of the run folders, an absolute path.
        config: the whole configuration.
        stop_at: step to train to; None trains to the end.
        evaluate: whether the network is evaluated then.
        keep: what is kept of a trial at its end (`RunOptions.keep`).
        storage: URL of the storage that the run folder comes from and goes to; empty for none.
    """

    number: int
    name: str
    folder: str
    config: Config
    stop_at: int | None = None
    evaluate: bool = True
    keep: str = "all"
    storage: str = ""


def run_trial(task: Task) -> dict[str, Any]:
    """Carry out a task.

    Returns:
        Numbers by name: `step`, the newest logged metrics, headline numbers of the evaluation,
        `cpu_seconds` of this call, and `error`, in one line, empty where all went well.
    """
    began = time.process_time()
    row: dict[str, Any] = {"error": ""}
    try:
        with _run_of(task) as (run, keep_remote):
            try:
                _train(run, task, keep_remote)
                if task.evaluate:
                    _evaluate(run)
                if task.keep != "all" and task.stop_at is None:
                    _slim(run, maps=task.keep == "last")
            finally:
                row |= _found(run)
    except Exception as error:  # of any kind: it is the trial's, and others go on
        row["error"] = first_line(error).replace(f"{task.folder}/", "")
    return row | {"cpu_seconds": round(time.process_time() - began, 3)}


@contextlib.contextmanager
def _run_of(task: Task) -> Iterator[tuple[Run, Callable[[], None]]]:
    """The run folder of a task, here, and how to bring it to where it belongs."""
    if not task.storage:
        yield _opened(Path(task.folder) / task.name, task.config), lambda: None
        return
    storage = Storage(task.storage)
    with tempfile.TemporaryDirectory(prefix="gridcode-") as place:
        folder = Path(place) / task.name
        storage.fetch(task.name, folder)
        run = _opened(folder, task.config)
        try:
            yield run, lambda: storage.keep(task.name, folder)
        finally:
            storage.keep(task.name, folder)


def _opened(folder: Path, config: Config) -> Run:
    if not (folder / "config.toml").exists():
        return Run.create(folder, config)
    run = Run(folder)
    if run.config != config:
        other = ", ".join(config_differences([config, run.config]))
        raise InputError(f"the run folder exists already, with other settings ({other})")
    return run


def _train(run: Run, task: Task, keep_remote: Callable[[], None]) -> None:
    every = run.config.training.checkpoint_every
    kept_at = time.monotonic()

    def keep(progress: Progress) -> None:
        nonlocal kept_at
        if progress.step % every == 0 and time.monotonic() > kept_at + UPLOAD_EVERY_S:
            keep_remote()
            kept_at = time.monotonic()

    while run.manifest.get("step", 0) < (task.stop_at or run.config.training.steps):
        try:
            train_run(run, stop_at=task.stop_at, progress=keep)
        except HeldError:
            time.sleep(HELD_EVERY_S)


def _evaluate(run: Run) -> None:
    with contextlib.suppress(InputError):  # damaged: made again
        summary = run.read_summary()
        settings = run.config.evaluation.model_dump(mode="json")
        origin = summary and summary.origin
        if summary and origin and origin.settings == settings and not run.out_of_date(summary):
            return
    evaluate(run)


def _slim(run: Run, *, maps: bool) -> None:
    """Delete all weights but the last, maps over training, and without `maps` the rate maps."""
    others = [*run.checkpoints()[1:], *(path for _, path in run.snapshots()), run.history_path]
    others += [] if maps else [run.ratemaps_path, run.theory_path]
    with one_line_errors(f"cannot write to '{run.folder}'"):
        for path in others:
            path.unlink(missing_ok=True)


def _found(run: Run) -> dict[str, Any]:
    """The numbers of a run folder: unknown ones are left out."""
    from gridcode.viewer.overview import FOUND, run_row  # matplotlib is slow to import

    last: dict[str, Any] = next(reversed(run.metrics()), {})
    summary = None
    with contextlib.suppress(InputError):  # another version's
        summary = run.read_summary()
    if summary and run.out_of_date(summary):
        summary = None
    row = run_row(config=run.config, manifest=run.manifest, last=last, summary=summary)
    found = {"step": run.manifest.get("step", 0)} | {
        name: last.get(name) for name in TRAINING_METRICS
    }
    found |= {name: row[name] for name in FOUND}
    return {name: value for name, value in found.items() if _known(value)}


def _known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
