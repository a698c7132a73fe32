"""Tasks as jobs of SLURM, by submitit; its local executor runs them here."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from gridcode.errors import InputError
from gridcode.executors.tasks import ATTEMPTS, Executor, Outcome, WorkerDiedError, carry_out
from gridcode.extras import needed

JOBS = 100
POLL_S = 0.1
# What submitit calls the same for every cluster; all others are settings of sbatch.
COMMON = frozenset(
    {
        *("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node"),
        *("name", "stderr_to_stdout"),
    }
)


class SlurmTasks(Executor):
    """A job for each task, as arrays; a job that ends without a result is submitted again.

    Jobs go on where this process is killed: a task must be able to wait for its earlier job.

    Args:
        settings: such as {"partition": "gpu", "timeout_min": 240}; names are those of sbatch, or
            common ones of submitit. `cluster`: "slurm" or "local"; by default SLURM where it is.
        folder: for the files of submitit, on storage that all nodes share.
        jobs: jobs in the queue at a time, at most.

    Raises:
        InputError: submitit is not installed, there is no SLURM, or a setting that it has not.
    """

    def __init__(
        self, settings: Mapping[str, Any], folder: Path, *, jobs: int | None = None
    ) -> None:
        submitit = needed("submitit", "slurm", "--submitit")
        others = {key: value for key, value in settings.items() if key != "cluster"}
        named = {
            (k if k in COMMON else f"slurm_{k.removeprefix('slurm_')}"): others[k] for k in others
        }
        cluster = settings.get("cluster", "slurm")
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster)
            self._executor.update_parameters(**named)
        except (RuntimeError, ValueError, TypeError, NameError, AssertionError) as error:
            raise InputError(f"--submitit: {str(error).splitlines()[0]}") from None
        self._jobs = jobs or JOBS
        self._tasks: dict[Any, tuple[Callable[[Any], Any], Any, int]] = {}

    @property
    @override
    def running(self) -> Sequence[Any]:
        return [task for _, task, _ in self._tasks.values()]

    @override
    def slots(self) -> int:
        return self._jobs

    @override
    def submit(self, work: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        self._submit(work, tasks, attempt=1)

    def _submit(self, work: Callable[[Any], Any], tasks: Sequence[Any], *, attempt: int) -> None:
        jobs = self._executor.map_array(carry_out, [work] * len(tasks), tasks)
        for job, task in zip(jobs, tasks, strict=True):
            self._tasks[job] = (work, task, attempt)

    @override
    def finished(self, timeout_s: float) -> list[Outcome]:
        deadline = time.monotonic() + timeout_s
        while True:
            done = [job for job in self._tasks if job.done()]
            if done or not self._tasks or time.monotonic() > deadline:
                found = [self._outcome(job) for job in done]
                return [outcome for outcome in found if outcome]
            time.sleep(min(POLL_S, timeout_s))

    def _outcome(self, job: Any) -> Outcome | None:
        """None where the job died and its task is submitted again."""
        work, task, attempt = self._tasks.pop(job)
        error = job.exception()
        if error is None:
            outcome: Outcome = job.result()
            return outcome
        if attempt < ATTEMPTS:
            self._submit(work, [task], attempt=attempt + 1)
            return None
        why = f"the job {job.job_id} ended without a result ({job.state})"
        return Outcome(task, error=WorkerDiedError(why))

    @override
    def close(self) -> None:
        for job in self._tasks:
            job.cancel()
        self._tasks.clear()
