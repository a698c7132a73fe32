"""Many networks: one program on a GPU, processes side by side on a CPU; a run folder for each.

On a CPU every network trains in a process with one thread, as many at a time as there are cores: in
one program their matrices would push each other out of the cache (docs/performance.md). The same
command resumes all of them.
"""

import itertools
import math
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcode.config import Config, locate
from gridcode.cores import usable_cores
from gridcode.errors import InputError, TrainingError
from gridcode.executors.processes import Processes
from gridcode.executors.tasks import carry_out_all
from gridcode.reading import first_line
from gridcode.runs.run import Run, checkpoint_step
from gridcode.training.batched import shape_of
from gridcode.training.loop import Progress, train_run, train_together
from gridcode.training.trainer_choice import (
    check_machine,
    choose_device,
    kernels_unsupported_reason,
)

# Bytes that file systems allow in a file name.
LONGEST_NAME = 255
MOST_NETWORKS = 10_000


@dataclass(frozen=True)
class ManyProgress:
    """Progress of many trainings, for a display.

    Attributes:
        done: optimiser steps done, all networks together.
        total: optimiser steps in all.
        finished: networks trained to the end.
        networks: how many there are.
    """

    done: int
    total: int
    finished: int
    networks: int


def variants(
    config: Config,
    *,
    name: str,
    seeds: Sequence[int],
    vary: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, Config]:
    """Configurations by the name of their run: every seed with every combination of values.

    Args:
        config: the common settings.
        name: beginning of each name.
        seeds: their seeds.
        vary: values by setting, such as {"loss.sigma_g": [0.3, 0.4]}; text is read as on the
            command line.

    Raises:
        InputError: an unknown setting, a bad value, a setting that cannot be varied, no seeds, or
            the same network twice.
    """
    seeds = [int(seed) for seed in seeds]
    values_of: dict[str, list[Any]] = {}
    for name_or_key, values in (vary or {}).items():
        key = ".".join(locate(name_or_key))
        if isinstance(values, str | int | float):
            raise InputError(f"{key} is varied over a list of values, not '{values}'")
        if key == "training.seed" or key.startswith("evaluation."):
            is_seed = key == "training.seed"
            why = "give the seeds" if is_seed else "it does not change the training"
            raise InputError(f"{key} cannot be varied: {why}")
        if key in values_of:
            raise InputError(f"{key} is varied twice; list all its values once")
        values_of[key] = list(values)
    if not seeds or not all(values_of.values()):
        raise InputError(
            "no networks to train: give at least one seed, and at least one value of every varied "
            "setting"
        )
    count = len(seeds) * math.prod(len(values) for values in values_of.values())
    if count > MOST_NETWORKS:
        raise InputError(f"{count} networks are more than {MOST_NETWORKS}: vary fewer values")
    found: dict[str, Config] = {}
    for combination in itertools.product(*values_of.values()):
        changes = dict(zip(values_of, combination, strict=True))
        label = "".join(f"-{key.split('.')[1]}{value}" for key, value in changes.items())
        for seed in seeds:
            # Safe for shells and file systems.
            run = re.sub(r"[^\w.+=-]+", "_", f"{name}{label}-seed{seed}")
            one = config.override({**changes, "training.seed": seed})
            if run in found or one in found.values():
                raise InputError(f"the network {run} is listed twice")
            found[run] = one
    return found


def open_runs(configs: Mapping[str, Config], out: str | os.PathLike[str]) -> list[Run]:
    """The runs of many networks in one folder, new or resumed.

    Raises:
        InputError: a folder exists and holds something else, a device is not there, or a name is
            too long; nothing is created then.
    """
    out = Path(out)
    for name, config in configs.items():
        check_machine(config)
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise InputError(
                f"the name of the run '{name[:40]}...' is too long for a folder; "
                "vary fewer settings at once"
            )
    there = {name: Run(out / name) for name in configs if (out / name / "config.toml").exists()}
    for name, run in there.items():
        if run.config != configs[name]:
            theirs, ours = run.config.settings, configs[name].settings
            other = [key for key in ours if ours[key] != theirs.get(key)]
            raise InputError(
                f"'{run.folder}' exists already, with other settings ({', '.join(other)}); "
                "choose another --out"
            )
    return [there.get(name) or Run.create(out / name, config) for name, config in configs.items()]


def train_many(
    runs: Sequence[Run],
    *,
    jobs: int | None = None,
    at_once: int | None = None,
    progress: Callable[[ManyProgress], None] | None = None,
) -> None:
    """Train runs to the end; finished ones are left alone.

    Args:
        runs: any runs. On a GPU those whose configurations have the same `shape_of` train as one
            program.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        at_once: on a GPU, networks in one program; all by default.
        progress: called now and then.

    Raises:
        InputError: a device that is not there, or fewer than one at a time.
        TrainingError: some runs failed (a loss that is not finite, a run that another process
            trains, ...), each is named; all others are trained to the end first.
    """
    for argument, value in (("jobs", jobs), ("at_once", at_once)):
        if value is not None and value < 1:
            raise InputError(f"{argument} must be at least 1, not {value}")
    todo = [run for run in runs if not run.manifest.get("finished")]
    if not todo:
        return
    watch = _Watch(runs, progress)
    devices = {choose_device(run.config.training.device).type for run in todo}
    on_cpu = devices == {"cpu"}
    failed = (
        _side_by_side(todo, jobs or usable_cores(), watch)
        if on_cpu
        else _one_program(todo, at_once or len(todo), watch)
    )
    watch.notify()
    if failed:
        raise TrainingError(f"{len(failed)} of {len(runs)} networks failed: " + "; ".join(failed))


class _Watch:
    """Adds up the steps of all runs for the display."""

    def __init__(
        self, runs: Sequence[Run], progress: Callable[[ManyProgress], None] | None
    ) -> None:
        self._runs, self._progress = runs, progress
        self._total = sum(run.config.training.steps for run in runs)
        self._steps = {run.folder: int(run.manifest.get("step", 0)) for run in runs}

    def note(self, run: Run, step: int) -> None:
        step = min(step, run.config.training.steps)  # A damaged log may hold any number.
        self._steps[run.folder] = max(step, self._steps[run.folder])

    def settle(self, run: Run) -> None:
        """Take the step on disk: a network that failed is not at the step of the others."""
        self._steps[run.folder] = int(run.manifest.get("step", 0))

    def notify(self) -> None:
        if self._progress:
            finished = sum(
                self._steps[run.folder] >= run.config.training.steps for run in self._runs
            )
            self._progress(
                ManyProgress(sum(self._steps.values()), self._total, finished, len(self._runs))
            )


def _side_by_side(runs: Sequence[Run], jobs: int, watch: _Watch) -> list[str]:
    by_folder = {str(run.folder.absolute()): run for run in runs}
    failed = []

    def tick(running: Sequence[str]) -> None:
        for folder in running:
            watch.note(by_folder[folder], _last_logged(by_folder[folder]))
        watch.notify()

    # If interrupted, the trainings end too; each can be resumed from its last checkpoint.
    with closing(Processes(min(jobs, len(runs)))) as executor:
        for outcome in carry_out_all(executor, _train_folder, list(by_folder), tick):
            run = by_folder[outcome.task]
            for text in outcome.warnings:
                warnings.warn(f"{run.folder.name}: {text}", stacklevel=2)
            if outcome.error:
                failed.append(f"{run.folder.name}: {first_line(outcome.error)}")
                watch.settle(run)
            else:
                watch.note(run, run.config.training.steps)
    return failed


def _train_folder(folder: str) -> None:
    train_run(Run(folder))


def _last_logged(run: Run) -> int:
    """The step of the newest line of metrics, from the end of the file."""
    try:
        with open(run.metrics_path, "rb") as file:
            file.seek(max(0, run.metrics_path.stat().st_size - 4096))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        head, _, _ = line.removeprefix(b'{"step": ').partition(b",")
        if line.startswith(b'{"step": ') and head.isdigit():
            return int(head)
    return 0


def _one_program(runs: Sequence[Run], at_once: int, watch: _Watch) -> list[str]:
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        config = run.config
        # Networks left at different steps train in separate programs, and so do networks that the
        # kernels do not support.
        steps = [checkpoint_step(path) for path in run.checkpoints()]
        alone = run.folder if kernels_unsupported_reason(config) else None
        groups.setdefault((shape_of(config), max(steps, default=0), alone), []).append(run)
    failed = []
    for members in groups.values():
        for first in range(0, len(members), at_once):
            part = members[first : first + at_once]

            def show(p: Progress, part: Sequence[Run] = part) -> None:
                for run in part:
                    watch.note(run, p.step)
                watch.notify()

            try:
                if len(part) > 1:
                    train_together(part, progress=show)
                else:
                    train_run(part[0], progress=show)
            except (TrainingError, InputError) as error:
                failed.append(str(error))
                for run in part:
                    watch.settle(run)
    return failed
