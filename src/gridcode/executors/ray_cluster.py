"""Tasks on a Ray cluster, or on a Ray of this machine that is started for them."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import override

from gridcode.errors import InputError
from gridcode.executors.tasks import ATTEMPTS, Executor, Outcome, WorkerDiedError, carry_out
from gridcode.extras import needed

# Tasks and their results are a few kilobytes: a Ray started here needs no large store.
STORE_BYTES = 80_000_000
RESOURCES_EVERY_S = 5.0


class RayTasks(Executor):
    """Tasks of a Ray cluster; Ray begins a task again where its worker or node dies.

    Args:
        address: of the cluster, such as `auto` or `ray://host:10001`; `local` starts a Ray here.
        jobs: for `local`: cores that it may use; all by default.
        cpus: cores of a task, also a fraction.
        gpus: GPUs of a task, also a fraction.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(
        self, address: str, *, jobs: int | None = None, cpus: float = 1.0, gpus: float = 0.0
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = ray = needed("ray", "scale", "--address")
        options: dict[str, Any] = {"address": address}
        if address == "local":
            options |= {"num_cpus": jobs, "object_store_memory": STORE_BYTES}
            options |= {"include_dashboard": False}
        try:
            ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"there is no Ray cluster at '{address}' ({why})") from None
        self._remote = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_retries=ATTEMPTS - 1, retry_exceptions=False
        )(carry_out)
        self._needs = {"CPU": cpus, "GPU": gpus}
        self._tasks: dict[Any, Any] = {}
        self._slots, self._slots_at = 1, float("-inf")

    @property
    @override
    def running(self) -> Sequence[Any]:
        return list(self._tasks.values())

    @override
    def slots(self) -> int:
        if time.monotonic() > self._slots_at + RESOURCES_EVERY_S:
            there = self._ray.cluster_resources()
            fits = [there.get(kind, 0) / need for kind, need in self._needs.items() if need]
            # Where nothing fits now, one task waits for a node that can hold it.
            self._slots, self._slots_at = max(1, int(min(fits) + 1e-6)), time.monotonic()
        return self._slots

    @override
    def submit(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        for task in tasks:
            self._tasks[self._remote.remote(work, task)] = task

    @override
    def finished(self, timeout_s: float) -> list[Outcome]:
        if not self._tasks:
            return []
        done, rest = self._ray.wait(list(self._tasks), num_returns=1, timeout=timeout_s)
        if done and rest:
            done += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [self._outcome(reference) for reference in done]

    def _outcome(self, reference: Any) -> Outcome:
        task = self._tasks.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            why = str(error).splitlines()[0]
            return Outcome(task, error=WorkerDiedError(f"Ray gave the task up: {why}"))
        return outcome

    @override
    def close(self) -> None:
        self._ray.shutdown()
