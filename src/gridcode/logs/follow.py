"""Logs made from metrics.jsonl, while it grows or long after."""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gridcode.errors import InputError
from gridcode.logs.content import Log, evaluation_of
from gridcode.logs.kinds import check_installed, open_log
from gridcode.reading import first_line
from gridcode.runs.files import one_line_errors
from gridcode.runs.run import Run
from gridcode.runs.training_log import read_log

EVERY_S = 2.0
# Of the time of a training, at most this share goes into reading its metrics again.
READING_SHARE = 0.02

P = TypeVar("P")


class Follower:
    """The logs of one run, kept equal to its metrics.

    A training that is resumed cuts its metrics back to its checkpoint and writes the rest again.
    Logs cannot be shortened, so they are then rewritten.

    Args:
        run: the run.
        names: which logs.
    """

    def __init__(self, run: Run, names: Sequence[str]) -> None:
        self._run, self._names = run, names
        self._logs: list[Log] = []
        self._rows: list[dict[str, Any]] = []
        self._seen: tuple[int, int, int] | None = None
        self._held = contextlib.ExitStack()

    def update(self) -> None:
        """Write the lines that the metrics have gained.

        Raises:
            InputError: another process writes logs of this run, or the package of one is missing.
            OSError: metrics cannot be read, or logs cannot be written.
        """
        try:
            found = self._run.metrics_path.stat()
        except FileNotFoundError:
            return
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen == self._seen:
            return
        self._seen = seen
        rows = read_log(self._run.metrics_path)[0]
        if not self._logs or rows[: len(self._rows)] != self._rows:
            self._begin()
        for log in self._logs:
            log.write(rows[len(self._rows) :])
        self._rows = rows

    def finish(self) -> None:
        """Write what is left and what the evaluation found, and close; errors as in `update`."""
        self.update()
        found = evaluation_of(self._run) if self._logs else (None, {})
        self._close(*found)

    def complete(self) -> bool:
        """Whether the last line of the training is written."""
        return bool(self._rows) and self._rows[-1]["step"] >= self._run.config.training.steps

    def _begin(self) -> None:
        self._close(None, {})
        self._held.enter_context(self._run.lock(".logs.lock", "writing logs of"))
        self._rows = []
        for name in self._names:
            self._logs.append(open_log(name, self._run))

    def _close(self, verdict: str | None, numbers: dict[str, float]) -> None:
        logs, self._logs = self._logs, []
        with self._held:
            for log in logs:
                log.finish(verdict, numbers)


class _Group:
    """The followers of runs that train; one that fails is dropped with a warning."""

    def __init__(self, runs: Sequence[Run], names: Sequence[str]) -> None:
        self._followers = [(run, Follower(run, names)) for run in runs]
        self._next = 0.0

    def update(self) -> None:
        """Feed the logs, at most every two seconds."""
        began = time.monotonic()
        if began < self._next:
            return
        for run, follower in list(self._followers):
            self._attempt(run, follower, follower.update)
            if follower.complete():
                self._end(run, follower)
        took = time.monotonic() - began
        self._next = time.monotonic() + max(EVERY_S, took / READING_SHARE)

    def finish(self) -> None:
        """Close all logs."""
        for run, follower in list(self._followers):
            self._end(run, follower)

    def _end(self, run: Run, follower: Follower) -> None:
        self._attempt(run, follower, follower.finish)
        with contextlib.suppress(ValueError):  # dropped when it failed
            self._followers.remove((run, follower))

    def _attempt(self, run: Run, follower: Follower, action: Callable[[], None]) -> None:
        try:
            action()
        # A training goes on whatever becomes of its logs: they can be made from its metrics later.
        except Exception as error:
            self._followers.remove((run, follower))
            warnings.warn(
                f"logs of '{run.folder}' stopped: {first_line(error)}; "
                f"`gridcode log {run.folder}` makes them later",
                stacklevel=3,
            )


@contextlib.contextmanager
def following(
    runs: Sequence[Run], names: Sequence[str], progress: Callable[[P], None] | None
) -> Iterator[Callable[[P], None] | None]:
    """A progress callback that feeds the logs of runs, too, and calls the one given.

    Args:
        runs: the runs that are to be trained.
        names: which logs, installed (`check_installed`); none leaves the callback as it is.
        progress: a callback or None.
    """
    if not names:
        yield progress
        return
    group = _Group(runs, names)

    def show(state: P) -> None:
        if progress:
            progress(state)
        group.update()

    try:
        yield show
    finally:
        group.finish()


def write_logs(
    runs: Sequence[Run | str | os.PathLike[str]], *, to: Sequence[str] = ("tensorboard",)
) -> list[Run]:
    """Make logs of runs from their metrics, settings and evaluations; earlier ones are replaced.

    Args:
        runs: the runs or their folders.
        to: which logs: `tensorboard`, `wandb`.

    Returns:
        The runs.

    Raises:
        InputError: there is no such log or run, a package is not installed, a run has no metrics,
            another process writes its logs, or they cannot be written.
    """
    check_installed(to)
    opened = [Run.open(run) for run in runs]
    for run in opened:
        if not run.metrics():
            raise InputError(f"'{run.folder}' has no metrics: it has not been trained")
    for run in opened:
        with one_line_errors(f"cannot write logs of '{run.folder}'"):
            Follower(run, to).finish()
    return opened
