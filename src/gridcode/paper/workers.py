"""Work side by side in processes of one thread each."""

import concurrent.futures
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

Task = TypeVar("Task")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int | None = None
) -> Iterator[Result]:
    """Results in the order of the tasks, each made in a process with one thread.

    Args:
        work: what to do; it can be pickled.
        tasks: what to do it with.
        jobs: processes at a time; as many as there are cores by default, and none for one.
    """
    workers = min(jobs or os.cpu_count() or 1, len(tasks))
    if workers == 1:
        yield from map(work, tasks)
        return
    # A fresh interpreter a worker: PyTorch's threads do not survive a fork.
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    ) as pool:
        yield from pool.map(work, tasks)


def _begin_worker() -> None:
    """Take one thread, and end with the command, however that ends."""
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
