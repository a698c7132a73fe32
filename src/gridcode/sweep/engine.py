"""A sweep: the study says what to do, an executor does it, the journal keeps what is known."""

import os
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridcode.config import Config
from gridcode.cores import usable_cores
from gridcode.errors import InputError
from gridcode.executors.processes import Processes
from gridcode.executors.ray_cluster import RayTasks
from gridcode.executors.slurm import SlurmTasks
from gridcode.executors.tasks import POLL_S, Executor, Outcome
from gridcode.reading import first_line, reading
from gridcode.runs.files import check_writable, holding, one_line_errors, write_atomically
from gridcode.sweep.journal import TABLE, Journal
from gridcode.sweep.settings import Sweep
from gridcode.sweep.storage import Storage
from gridcode.sweep.study import Study, Trial, check_known
from gridcode.sweep.trial import Task, run_trial
from gridcode.training.trainer_choice import check_machine

ASKED, RUNS = "sweep.toml", "runs"
# What another command may change of a sweep that was begun.
FREE = ("run.cpus", "run.gpus", "search.points")


@dataclass(frozen=True)
class SweepProgress:
    """Progress of a sweep, for a display.

    Attributes:
        ended: trials that finished, stopped or failed.
        trials: how many there are.
        counts: trials by status.
    """

    ended: int
    trials: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        folder: where everything is.
        rows: a row for each trial, as in `results.csv`; what is not known is None.
    """

    folder: Path
    rows: tuple[Mapping[str, Any], ...] = field(repr=False)

    @property
    def counts(self) -> Mapping[str, int]:
        """Trials by status."""
        return Counter(str(row["status"]) for row in self.rows)

    @property
    def table(self) -> Path:
        """The file of the rows."""
        return self.folder / TABLE

    def as_json(self) -> dict[str, Any]:
        """What `gridcode sweep --json` prints."""
        counts, rows = dict(self.counts), [dict(row) for row in self.rows]
        return {"folder": str(self.folder), "counts": counts, "trials": rows}


def run_sweep(
    sweep: Sweep,
    config: Config,
    *,
    out: str | os.PathLike[str],
    jobs: int | None = None,
    address: str | None = None,
    submitit: Mapping[str, Any] | None = None,
    again: bool = False,
    progress: Callable[[SweepProgress], None] | None = None,
) -> SweepResult:
    """Train and evaluate every trial of a sweep; called again, go on with it.

    Args:
        sweep: what is searched; `load_sweep` reads it from a file, with the configuration.
        config: what all trials begin with.
        out: folder of the sweep, new or one to go on with.
        jobs: trials at a time: of processes, as many as there are cores by default; of SLURM, jobs
            in the queue, 100 by default.
        address: of a Ray cluster; `local` starts a Ray on this machine; None takes processes.
        submitit: settings of SLURM jobs, such as {"partition": "gpu", "timeout_min": 240}.
        again: try trials again that failed.
        progress: called now and then.

    Returns:
        A row for each trial. A trial that fails is a row that says why.

    Raises:
        InputError: the folder holds another sweep or cannot be written, another process works on
            it, a package is missing, or there is no such cluster.
    """
    if address is not None and submitit is not None:
        raise InputError("give a Ray cluster or SLURM, not both")
    if sweep.run.gpus and address is None:
        raise InputError("run.gpus is for Ray: give --address")
    check_writable(out, folder=True)
    if address is None and submitit is None:
        check_machine(config)
    folder = Path(out).absolute()
    with one_line_errors(f"cannot make '{folder}'"):
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    if sweep.run.storage:
        Storage(sweep.run.storage).check()
    with holding(folder / ".lock", f"another process works on the sweep '{out}'"):
        _check_same(folder, sweep, config)
        journal = Journal(folder, sweep, config.training.steps)
        _check_known(folder, sweep, journal.known)
        study = Study(sweep, config, journal.known)
        work = _Work(study, journal, str(folder / RUNS), progress)
        if again:
            work.forget_failures()
        try:
            if work.left():
                with closing(_executor(sweep, folder, jobs, address, submitit)) as executor:
                    work.carry_out(executor)
        finally:
            journal.write_table(study.trials, now=True)
        return SweepResult(Path(out), tuple(journal.row(trial) for trial in study.trials))


def _executor(
    sweep: Sweep,
    folder: Path,
    jobs: int | None,
    address: str | None,
    submitit: Mapping[str, Any] | None,
) -> Executor:
    if address is not None:
        return RayTasks(address, jobs=jobs, cpus=sweep.run.cpus, gpus=sweep.run.gpus)
    if submitit is not None:
        return SlurmTasks(submitit, folder / "submitit", jobs=jobs)
    return Processes(min(jobs or usable_cores(), sweep.n_trials))


def _check_same(folder: Path, sweep: Sweep, config: Config) -> None:
    """Keep what is asked for in the folder; refuse a folder of another sweep."""
    path, text = folder / ASKED, sweep.to_toml(config)
    if path.exists():
        with reading(f"cannot read {path}"):
            old, new = _keys(path.read_text(encoding="utf-8")), _keys(text)
        other = [
            key
            for key in dict.fromkeys((*new, *old))
            if new.get(key) != old.get(key) and key not in FREE
        ]
        if other:
            raise InputError(
                f"'{folder}' holds another sweep already ({', '.join(other[:5])} differ); "
                "choose another --out"
            )
    with one_line_errors(f"cannot write '{folder}'"):
        write_atomically(path, text)


def _check_known(folder: Path, sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Refuse run folders that are not those of the trials that were begun."""
    check_known(sweep, trials)
    others = {path.name for path in (folder / RUNS).iterdir()} - {one.name for one in trials}
    if others:
        raise InputError(f"'{folder / RUNS / min(others)}' is not one of its trials; move it away")


def _keys(text: str) -> dict[str, Any]:
    """The values of a TOML text by dotted key."""
    found: dict[str, Any] = {}

    def visit(data: Mapping[str, Any], place: tuple[str, ...]) -> None:
        for name, value in data.items():
            if isinstance(value, dict):
                visit(value, (*place, name))
            else:
                found[".".join((*place, name))] = value

    visit(tomllib.loads(text), ())
    return found


class _Work:
    """Brings trials to an executor and their outcomes to study and journal."""

    def __init__(
        self,
        study: Study,
        journal: Journal,
        folder: str,
        progress: Callable[[SweepProgress], None] | None,
    ) -> None:
        self._study, self._journal, self._folder = study, journal, folder
        self._progress = progress
        self._waiting = [trial for trial in study.trials if trial.status == "running"]

    def forget_failures(self) -> None:
        """Try trials again that failed."""
        for trial in self._study.trials:
            if trial.status == "failed":
                trial.status, trial.error = "running", ""
                self._waiting.append(trial)

    def left(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting) or len(self._study.trials) < self._study.sweep.n_trials

    def carry_out(self, executor: Executor) -> None:
        """Do all that is left."""
        self._show()
        while True:
            self._fill(executor)
            if not executor.running:
                return
            outcomes = executor.finished(POLL_S)
            for outcome in outcomes:
                self._take(outcome)
            self._journal.write_table(self._study.trials)
            if outcomes:
                self._show()

    def _fill(self, executor: Executor) -> None:
        """Submit as many trials as there is room for."""
        begun, tasks = [], []
        for _ in range(executor.slots() - len(executor.running)):
            while (trial := self._next()) is not None:
                begun.append(trial)
                if task := self._task(trial):
                    tasks.append(task)
                    break
            if trial is None:
                break
        # A trial is in the journal before it runs: its folder is never one that nobody knows.
        self._journal.keep(begun)
        if tasks:
            executor.submit(run_trial, tasks)

    def _next(self) -> Trial | None:
        return self._waiting.pop(0) if self._waiting else self._study.next_trial()

    def _task(self, trial: Trial) -> Task | None:
        """The next task of a trial; None for one whose settings do not go together."""
        options = self._study.sweep.run
        try:
            config = self._study.config_of(trial)
        except InputError as error:
            self._study.record(trial, {"error": first_line(error)}, None)
            return None
        stops_at = self._study.stops_at(trial, config.training.steps)
        return Task(
            trial.number,
            trial.name,
            self._folder,
            config,
            stops_at,
            self._study.evaluates(stops_at),
            options.keep,
            options.storage,
        )

    def _take(self, outcome: Outcome) -> None:
        task: Task = outcome.task
        trial = self._study.trials[task.number]
        found = (
            trial.found | {"error": first_line(outcome.error)} if outcome.error else outcome.result
        )
        self._study.record(trial, found, task.stop_at)
        if trial.status == "running":
            self._waiting.insert(0, trial)  # winners first: their folders are warm
        self._journal.keep([trial])
        for text in outcome.warnings:
            warnings.warn(f"{task.name}: {text}", stacklevel=2)

    def _show(self) -> None:
        if self._progress:
            counts = Counter[str](trial.status for trial in self._study.trials)
            ended = sum(n for status, n in counts.items() if status != "running")
            self._progress(SweepProgress(ended, self._study.sweep.n_trials, counts))
