"""Tasks and their outcomes, and what an executor must do."""

import contextlib
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gridcode.errors import GridcodeError

# So often a task is begun where the process or the node that carries it out dies.
ATTEMPTS = 5
POLL_S = 0.5


class WorkerDiedError(GridcodeError):
    """The process or node of a task died, each time that it was begun."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: the task's argument.
        result: what the function returned; None with an error.
        error: what it raised, or that its worker died.
        warnings: texts of warnings on the way.
    """

    task: Any
    result: Any = None
    error: Exception | None = None
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Executor(Protocol):
    """Carries out tasks somewhere else."""

    @property
    def running(self) -> Sequence[Any]:
        """Arguments of the tasks that were submitted and have not been returned as finished."""

    def slots(self) -> int:
        """How many tasks can run at once; it changes as nodes come and go."""

    def submit(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        """Begin tasks.

        Args:
            work: what to do; it can be imported by name.
            tasks: its arguments, each one can be pickled.
        """

    def finished(self, timeout_s: float) -> list[Outcome]:
        """Outcomes of tasks that have finished since; waits for the first one, so long at most."""

    def close(self) -> None:
        """Stop what runs, and free everything."""


def carry_out(work: Callable[[Any], Any], task: Any) -> Outcome:
    """Do a task here; its error and its warnings are part of the outcome."""
    with warnings.catch_warnings(record=True) as caught:
        result, error = None, None
        try:
            result = work(task)
        except Exception as raised:  # whatever it is: it is told where the task came from
            error = portable(raised)
    return Outcome(task, result, error, tuple(str(one.message) for one in caught))


def portable(error: Exception) -> Exception:
    """An error that can be sent to another process: the same one where that is possible."""
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def carry_out_all(
    executor: Executor,
    work: Callable[[Any], Any],
    tasks: Sequence[Any],
    tick: Callable[[Sequence[Any]], None] | None = None,
) -> Iterator[Outcome]:
    """Outcomes as they finish; each task is submitted when there is room for it.

    Args:
        executor: where.
        work: what to do.
        tasks: with what.
        tick: called now and then with the arguments of the running tasks.
    """
    waiting = list(tasks)
    while waiting or executor.running:
        room = executor.slots() - len(executor.running)
        if waiting and room > 0:
            executor.submit(work, waiting[:room])
            del waiting[:room]
        yield from executor.finished(POLL_S)
        if tick:
            tick(executor.running)
