"""Which trial comes next, how far it is trained, and who stops: no disk, no clock, no processes."""

import bisect
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.sweep.points import points_of
from gridcode.sweep.settings import TRAINING_METRICS, Stop, Sweep

Status = Literal["running", "finished", "stopped", "failed"]


@dataclass
class Trial:
    """One training of a sweep.

    Attributes:
        number: from 0 on; its point and its seed follow from it.
        seed: of the training.
        changes: values of the searched settings.
        status: running, also where it waits; finished; stopped at a rung; failed.
        found: numbers by name, see `trial.run_trial`.
        rungs: the metric of `Stop` by step.
        cpu_seconds: of all that was done for it.
        error: why it failed, in one line.
    """

    number: int
    seed: int
    changes: dict[str, Any]
    status: Status = "running"
    found: dict[str, Any] = field(default_factory=dict)
    rungs: dict[int, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    error: str = ""

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.number:05d}-seed{self.seed}"

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Trial":
        """As the journal has it."""
        rungs = {int(step): value for step, value in data["rungs"].items()}
        return cls(**(data | {"rungs": rungs}))


def goes_on(better: int, reached: int, factor: int) -> bool:
    """The rule of ASHA: among the best 1 / factor of all that have reached a rung, or the best.

    Args:
        better: trials with a better metric there.
        reached: trials that have reached the rung so far, this one included.
        factor: see `Stop`.
    """
    return better < max(1, reached // factor)


class Study:
    """The trials of a sweep, and what is known of them.

    Args:
        sweep: what is searched.
        config: what all trials begin with.
        trials: those that an earlier command began, in order.

    Raises:
        InputError: a package is missing.
    """

    def __init__(self, sweep: Sweep, config: Config, trials: Sequence[Trial] = ()) -> None:
        self.sweep, self.config = sweep, config
        self.trials = list(trials)
        self._points = points_of(sweep.search)
        # By step of the rung: metrics of all trials there, the best first, small is good.
        self._at_rung: dict[int, list[float]] = {}
        seeds = len(sweep.seed_list)
        for trial in self.trials:
            if trial.number % seeds == 0:
                self._points.set_known(trial.number // seeds, trial.changes)
            for step, value in trial.rungs.items():
                bisect.insort(self._at_rung.setdefault(step, []), self._badness(value))
        for trial in self.trials:
            if trial.number % seeds == seeds - 1:
                self._tell(trial)

    def next_trial(self) -> Trial | None:
        """The next trial, None after the last."""
        number, seeds = len(self.trials), self.sweep.seed_list
        if number >= self.sweep.n_trials:
            return None
        first = number - number % len(seeds)
        changes = (
            dict(self.trials[first].changes)
            if first < number
            else self._points.point(first // len(seeds))
        )
        trial = Trial(number, seeds[number % len(seeds)], changes)
        self.trials.append(trial)
        return trial

    def config_of(self, trial: Trial) -> Config:
        """The whole configuration of a trial.

        Raises:
            InputError: values that do not go together.
        """
        return self.config.override({**trial.changes, "training.seed": trial.seed})

    def stops_at(self, trial: Trial, steps: int) -> int | None:
        """The next rung of a trial of so many steps, None where only its end is left."""
        stop = self.sweep.stop
        return next((s for s in (stop.rungs(steps) if stop else ()) if s not in trial.rungs), None)

    def evaluates(self, stops_at: int | None) -> bool:
        """Whether a network is evaluated where it stops."""
        stop = self.sweep.stop
        judged = stops_at is not None and stop is not None and stop.metric not in TRAINING_METRICS
        return self.sweep.run.evaluate and (stops_at is None or judged)

    def record(self, trial: Trial, found: dict[str, Any], stops_at: int | None) -> None:
        """Take what a trial found, and decide whether it goes on.

        Args:
            trial: the trial.
            found: what `trial.run_trial` returned.
            stops_at: where it was to stop; None for its end.
        """
        numbers = dict(found)
        trial.error = numbers.pop("error")
        trial.cpu_seconds = round(trial.cpu_seconds + numbers.pop("cpu_seconds", 0.0), 3)
        trial.found = numbers
        if trial.error:
            trial.status = "failed"
        elif stops_at is None:
            trial.status = "finished"
        else:
            self._judge(trial, stops_at)
        if trial.status != "running":
            self._tell(trial)

    def _judge(self, trial: Trial, step: int) -> None:
        stop = self.sweep.stop
        assert stop
        value = _metric(trial, stop)
        trial.rungs[step] = value
        there = self._at_rung.setdefault(step, [])
        better = bisect.bisect_left(there, self._badness(value))
        there.insert(better, self._badness(value))
        if not goes_on(better, len(there), stop.factor):
            trial.status = "stopped"

    def _badness(self, value: float) -> float:
        stop = self.sweep.stop
        return -value if stop and stop.direction == "maximize" else value

    def _tell(self, trial: Trial) -> None:
        """Tell what became of the point of a trial, once all of its seeds have ended."""
        seeds = len(self.sweep.seed_list)
        first = trial.number - trial.number % seeds
        members = self.trials[first : first + seeds]
        if len(members) < seeds or any(one.status == "running" for one in members):
            return
        ended = [one for one in members if one.status != "failed"]
        values = [one.found.get(self.sweep.search.metric) for one in ended]
        known = [float(value) for value in values if value is not None]
        self._points.tell(
            first // seeds,
            min((one.found.get("step", 0) for one in ended), default=0),
            sum(known) / len(known) if known else None,
            whole=all(one.status == "finished" for one in ended),
        )


def _metric(trial: Trial, stop: Stop) -> float:
    value = trial.found.get(stop.metric)
    # Without a number, such as no decoded position, it is worse than all others.
    worst = math.inf if stop.direction == "minimize" else -math.inf
    return worst if value is None else float(value)


def check_known(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Refuse trials that are not those of a sweep.

    Raises:
        InputError: a seed or a setting that the sweep has not, or more trials than it has.
    """
    seeds = sweep.seed_list
    for number, trial in enumerate(trials):
        fits = trial.number == number and trial.seed == seeds[number % len(seeds)]
        if not fits or set(trial.changes) != set(sweep.search.values):
            raise InputError("the trials in the folder are not those of this sweep")
