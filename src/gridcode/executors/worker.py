"""The other side of `processes`: a process that carries out tasks and ends with its parent."""

import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from gridcode.executors.tasks import Outcome, carry_out


def serve() -> None:
    """Carry out tasks from standard input, and answer on standard output, until the input ends.

    The parent holds the other end of the input. The system closes it when the parent is gone,
    however it went, and this process ends at once, as after SIGKILL.
    Pickle is safe here: this package is at both ends of the pipe.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints must not mix with the answers.
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, tasks.put), daemon=True).start()
    while True:
        pickle.dump(_answer(tasks.get()), answers)
        answers.flush()


def end_with_parent() -> None:
    """End this process as soon as its standard input ends: nothing is ever written to it."""
    threading.Thread(target=_read, args=(sys.stdin.buffer, lambda _: None), daemon=True).start()


def _read(source: BinaryIO, put: Callable[[bytes], None]) -> None:
    while True:
        try:
            put(pickle.load(source))
        except EOFError:
            os._exit(1)


def _answer(message: bytes) -> Outcome:
    unpacked = carry_out(pickle.loads, message)  # imports the modules of function and argument
    return unpacked if unpacked.error else carry_out(*unpacked.result)
