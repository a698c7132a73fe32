"""Many networks: as one program on a GPU, side by side in processes on a CPU. Each leaves an ordinary run folder.

On a CPU every network is an ordinary `gridcode train` in a process of its own, one thread each, as many at a time as there
are cores: their matrices would push each other out of the cache in one program (docs/performance.md).
"""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcode.config import Config, locate
from gridcode.errors import InputError, TrainingError
from gridcode.runs import Run, checkpoint_step
from gridcode.training.batched import shape_of
from gridcode.training.engine import choose_device, why_no_kernels
from gridcode.training.loop import Progress, train_run, train_together

POLL_S = 0.5


@dataclass(frozen=True)
class ManyProgress:
    """What a progress display is told now and then.

    Attributes:
        done: optimiser steps done, all networks together.
        total: optimiser steps in all.
        finished: networks trained to their end.
        networks: how many there are.
    """

    done: int
    total: int
    finished: int
    networks: int


def variants(config: Config, *, name: str, seeds: Sequence[int], vary: Mapping[str, Sequence[Any]] | None = None) -> dict[str, Config]:
    """Configurations of many networks by the name of their run: every seed with every combination of values.

    Args:
        config: what they share.
        name: beginning of each name.
        seeds: their seeds.
        vary: values by setting, such as {"loss.sigma_g": [0.3, 0.4]}; text is read as on the command line.

    Raises:
        InputError: an unknown setting, a bad value, no seeds, or the same network twice.
    """
    vary = {".".join(locate(key)): values for key, values in (vary or {}).items()}
    if not seeds or any(not len(values) for values in vary.values()):
        raise InputError("no networks to train: give at least one seed, and at least one value of every varied setting")
    found: dict[str, Config] = {}
    for combination in itertools.product(*vary.values()):
        changes = dict(zip(vary, combination, strict=True))
        label = "".join(f"-{key.split('.')[1]}{str(value).replace(' ', '').replace('/', '_')}" for key, value in changes.items())
        for seed in seeds:
            run = f"{name}{label}-seed{seed}"
            if run in found:
                raise InputError(f"the network {run} is asked for twice")
            found[run] = config.override({**changes, "training.seed": seed})
    return found


def open_runs(configs: Mapping[str, Config], out: str | os.PathLike[str]) -> list[Run]:
    """The runs of many networks in one folder, new or to be gone on with.

    Raises:
        InputError: a folder is there already that holds something else; nothing is created then.
    """
    out = Path(out)
    there = {name: Run(out / name) for name in configs if (out / name).exists()}
    for name, run in there.items():
        if run.config.training_hash != configs[name].training_hash:
            raise InputError(f"'{run.folder}' exists already, with other settings; choose another --out")
    return [there.get(name) or Run.create(out / name, config) for name, config in configs.items()]


def train_many(
    runs: Sequence[Run], *, jobs: int | None = None, at_once: int | None = None, progress: Callable[[ManyProgress], None] | None = None
) -> None:
    """Train runs to their end; those that are finished already are left alone.

    Args:
        runs: any runs. On a GPU those whose configurations have the same `shape_of` train as one program.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        at_once: on a GPU, networks in one program; all by default.
        progress: called now and then.

    Raises:
        InputError: a device that is not there, or another process trains one of the runs.
        TrainingError: some runs failed, each is named; all others are trained to their end first.
    """
    todo = [run for run in runs if not run.manifest.get("finished")]
    if not todo:
        return
    watch = _Watch(runs, progress)
    devices = {choose_device(run.config.training.device).type for run in todo}
    on_cpu = devices == {"cpu"}
    failed = _side_by_side(todo, jobs or os.cpu_count() or 1, watch) if on_cpu else _one_program(todo, at_once or len(todo), watch)
    watch.tell()
    if failed:
        raise TrainingError(f"{len(failed)} of {len(runs)} networks failed: " + "; ".join(failed))


class _Watch:
    """Adds up the steps of all runs for the display."""

    def __init__(self, runs: Sequence[Run], progress: Callable[[ManyProgress], None] | None) -> None:
        self._runs, self._progress = runs, progress
        self._total = sum(run.config.training.steps for run in runs)
        self._steps = {run.folder: int(run.manifest.get("step", 0)) for run in runs}

    def note(self, run: Run, step: int) -> None:
        self._steps[run.folder] = max(step, self._steps[run.folder])

    def tell(self) -> None:
        if self._progress:
            finished = sum(self._steps[run.folder] >= run.config.training.steps for run in self._runs)
            self._progress(ManyProgress(sum(self._steps.values()), self._total, finished, len(self._runs)))


def _side_by_side(runs: Sequence[Run], jobs: int, watch: _Watch) -> list[str]:
    waiting = list(runs)
    running: list[tuple[Run, subprocess.Popen[str]]] = []
    failed = []
    environment = os.environ | ({"OMP_NUM_THREADS": "1"} if min(jobs, len(runs)) > 1 else {})
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                command = [sys.executable, "-m", "gridcode", "train", str(run.folder), "--quiet"]
                process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                running.append((run, process))
            time.sleep(POLL_S)
            for run, process in list(running):
                watch.note(run, _last_logged(run))
                if process.poll() is not None:
                    running.remove((run, process))
                    told = process.communicate()[1].strip().rpartition("\n")[2].removeprefix("gridcode: ")
                    if process.returncode:
                        failed.append(f"{run.folder.name}: {told or f'exit code {process.returncode}'}")
                    else:
                        watch.note(run, run.config.training.steps)
            watch.tell()
    finally:
        # Interrupted: the trainings go with us; each resumes from its last checkpoint.
        for _, process in running:
            process.terminate()
        for _, process in running:
            process.communicate()
    return failed


def _last_logged(run: Run) -> int:
    """The step of the newest line of metrics, read from the file's end."""
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
        # Networks that a kill left at different steps train in programs of their own, and so do shapes without kernels.
        found = run.checkpoints()
        steps = tuple(checkpoint_step(path) for path in found)
        alone = run.folder if why_no_kernels(config) else None
        groups.setdefault((shape_of(config), max(steps, default=0), alone), []).append(run)
    failed = []
    for members in groups.values():
        for first in range(0, len(members), at_once):
            part = members[first : first + at_once]

            def show(p: Progress, part: Sequence[Run] = part) -> None:
                for run in part:
                    watch.note(run, p.step)
                watch.tell()

            try:
                if len(part) > 1:
                    train_together(part, progress=show)
                else:
                    train_run(part[0], progress=show)
            except TrainingError as error:
                failed.append(str(error))
    return failed
