"""Tasks side by side in processes of this machine, one thread each.

The processes end with this one, however it ends: by Ctrl-C, by SIGTERM or by SIGKILL
(`worker.serve`). One that dies takes only its own task with it, which is begun again. Neither
concurrent.futures nor joblib promises either; both also import the user's script in the children,
which fails for a script without `if __name__ == "__main__"`.
"""

import dataclasses
import functools
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any, TypeVar

from typing_extensions import override

from gridcode.cores import usable_cores
from gridcode.executors.tasks import ATTEMPTS, Executor, Outcome, WorkerDiedError, carry_out_all

Task = TypeVar("Task")
Result = TypeVar("Result")
CHILD = "from gridcode.executors.worker import serve; serve()"


def side_by_side(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int | None = None
) -> Iterator[Result]:
    """Results in the order of the tasks, each made in a process with one thread.

    Args:
        work: what to do; it can be imported by name.
        tasks: what to do it with; each can be pickled.
        jobs: processes at a time; as many as there are cores by default, and none for one.

    Raises:
        WorkerDiedError: a process died with the same task again and again.
        Exception: whatever `work` raised first.
    """
    workers = min(jobs or usable_cores(), len(tasks))
    if workers <= 1:
        yield from map(work, tasks)
        return
    done: dict[int, Result] = {}
    following = 0
    numbered = functools.partial(_numbered, work)
    with closing(Processes(workers)) as executor:
        for outcome in carry_out_all(executor, numbered, list(enumerate(tasks))):
            if outcome.error:
                raise outcome.error
            done[outcome.task[0]] = outcome.result
            while following in done:
                yield done.pop(following)
                following += 1


def _numbered(work: Callable[[Task], Result], task: tuple[int, Task]) -> Result:
    return work(task[1])


class Processes(Executor):
    """Tasks in processes of this machine.

    Args:
        jobs: tasks at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._tasks: dict[Future[Outcome], Any] = {}
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._closed = False
        # A thread for each process: it waits for the answer.
        self._threads = ThreadPoolExecutor(jobs, initializer=_without_interrupts)

    @property
    @override
    def running(self) -> Sequence[Any]:
        return list(self._tasks.values())

    @override
    def slots(self) -> int:
        return self._jobs

    @override
    def submit(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        for task in tasks:
            self._tasks[self._threads.submit(self._carry_out, work, task)] = task

    @override
    def finished(self, timeout_s: float) -> list[Outcome]:
        done, _ = wait(self._tasks, timeout_s, FIRST_COMPLETED)
        return [dataclasses.replace(f.result(), task=self._tasks.pop(f)) for f in done]

    @override
    def close(self) -> None:
        with self._lock:
            self._closed = True
            for worker in self._workers:
                worker.process.terminate()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.end()

    def _carry_out(self, work: Callable[[Any], Any], task: Any) -> Outcome:
        message = pickle.dumps((work, task))
        why = ""
        for _ in range(ATTEMPTS):
            worker = self._my_worker()
            try:
                return worker.ask(message)
            except (EOFError, OSError, pickle.UnpicklingError):
                why = worker.end()
        text = f"the process died {ATTEMPTS} times ({why})"
        return Outcome(task, error=WorkerDiedError(text))

    def _my_worker(self) -> "_Worker":
        """The process of this thread, a new one where it died."""
        found: _Worker | None = getattr(self._mine, "worker", None)
        if found is None or found.process.poll() is not None:
            with self._lock:
                if self._closed:
                    raise CancelledError
                found = self._mine.worker = _Worker(threads=1 if self._jobs > 1 else None)
                self._workers = [w for w in self._workers if w.process.poll() is None] + [found]
        return found


def _without_interrupts() -> None:
    """Ctrl-C is for the main thread: processes begun from this thread do not see it."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


class _Worker:
    """A process that carries out one task after another."""

    def __init__(self, threads: int | None) -> None:
        # A pipe could fill up.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.process = subprocess.Popen(
            # -P keeps the user's folder out of the imports.
            [sys.executable, "-P", "-c", CHILD],
            env=os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def ask(self, message: bytes) -> Outcome:
        """The outcome of a task; EOFError or OSError where the process dies."""
        assert self.process.stdin and self.process.stdout
        pickle.dump(message, self.process.stdin)
        self.process.stdin.flush()
        outcome: Outcome = pickle.load(self.process.stdout)
        return outcome

    def end(self) -> str:
        """End the process; returns what it said last, or its exit code."""
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:  # what was not written yet cannot be written any more
                continue
        if self._errors.closed:
            return ""
        with self._errors as file:
            file.seek(0)
            lines = file.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
