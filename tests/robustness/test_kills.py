"""SIGKILL at random moments: the same command again ends as if nothing had happened.

After a kill what is there is whole, and old or new; nothing half, nothing mixed, nothing stale.
"""

import csv
import json
import os
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from conftest import TINY, untimed
from forks import Forks

from gridcode import InputError, Run
from gridcode.training import checkpoint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the CPU clock of a process")

# Of the slow test, which draws so many kills of each command.
KILLS = {
    "train": 110,
    "evaluate": 45,
    "score": 15,
    "film": 15,
    "report": 6,
    "seeds": 6,
    "ablate": 3,
}
SETTINGS = TINY | {"model.units": 6, "evaluation.bin_size_m": 0.1, "training.snapshots": 2}
OPTIONS = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in SETTINGS.items()]
TRAINING = [option for option in OPTIONS if not option.startswith("--evaluation")]
FILM = ("--size", 240, "--units", 2)
SCORE = ("score", "--nulls", 99)


def weights(run):
    return checkpoint.read(run.checkpoints()[0])[0]


def same_training(a, b):
    assert weights(a).keys() == weights(b).keys()
    assert all(torch.equal(weights(a)[name], value) for name, value in weights(b).items())
    assert untimed(a.metrics()) == untimed(b.metrics())  # warnings are errors
    kept = [{step: path.read_bytes() for step, path in run.snapshots()} for run in (a, b)]
    assert kept[0] == kept[1]
    assert a.read_manifest()["finished"]
    for folder in (a.folder / "checkpoints", a.folder / "snapshots"):
        assert not list(folder.glob(".*"))


def findings(run):
    """Summary and maps, or None where the run says in one line that there are none."""
    try:
        summary, maps = run.read_evaluation()
    except InputError as error:
        assert "\n" not in str(error)
        return None
    # Which evaluation it was differs, what it found does not.
    return summary.model_dump(mode="json", exclude={"origin"}), maps["smooth_1m"].to_dataset()


def same_findings(a, b):
    return (
        a[0] == b[0]
        and a[1]["rate"].equals(b[1]["rate"])
        and a[1]["grid_score"].equals(b[1]["grid_score"])
    )


class Commands:
    """Each command undisturbed, once: its results and its time; and how to kill it."""

    def __init__(self, forks, folder):
        self.forks, self.folder, self.seconds = forks, folder, {}
        self.said = Counter()
        self.whole = folder / "whole" / "run"
        self.old = folder / "old" / "run"  # evaluated with another seed
        self.time("train", "train", "quick", *OPTIONS, "--out", self.whole)
        shutil.copytree(self.whole, self.old)
        self.time("train", "train", "quick", *OPTIONS, "--out", folder / "again")
        self.time("evaluate", "evaluate", self.old, "--evaluation.seed", 1)
        self.time("evaluate", "evaluate", self.whole)
        self.before, self.after = (findings(Run(run)) for run in (self.old, self.whole))
        assert not same_findings(self.before, self.after)

    def time(self, name, *words):
        found = self.forks.run(*words, "--quiet")
        assert found["code"] == 0, found["err"]
        # The first time it imports what later ones have.
        self.seconds[name] = found["seconds"]

    def killed(self, chance, name, *words):
        """Run a command and kill it somewhere; returns whether it was killed."""
        at = chance.uniform(0, 1.05 * self.seconds[name])
        found = self.forks.run(*words, "--quiet", kill_after=at)
        assert found["code"] in (None, 0), found["err"]
        self.said[name, "killed" if found["code"] is None else "finished before"] += 1
        return found["code"] is None

    def again(self, *words):
        found = self.forks.run(*words, "--quiet")
        assert found["code"] == 0, found["err"]
        assert "Traceback" not in found["err"]

    # -- one kill of each ------------------------------

    def train(self, chance, folder):
        run, new = folder / "run", ("train", "quick", *OPTIONS, "--out", folder / "run")
        for _ in range(chance.choice([1, 1, 2, 3])):
            resume = ("train", run) if (run / "config.toml").exists() else new
            self.killed(chance, "train", *resume)
            if (run / "config.toml").exists():
                for row in Run(run).metrics():  # whole lines of the same training
                    assert row["step"] <= 30
        self.again(*(("train", run) if (run / "config.toml").exists() else new))
        same_training(Run(run), Run(self.whole))

    def evaluate(self, chance, folder):
        start = chance.choice([self.whole.parent / "trained", self.old])
        if not start.exists():
            shutil.copytree(self.whole, start, ignore=shutil.ignore_patterns("evaluation"))
        run = Run(shutil.copytree(start, folder / "run"))
        self.killed(chance, "evaluate", "evaluate", run.folder)
        found = findings(run)
        if found is not None:
            kinds = [k for k in (self.before, self.after) if same_findings(found, k)]
            assert kinds, "scores of one evaluation beside maps of another"
            self.said["evaluate", "old" if kinds[0] is self.before else "new"] += 1
        else:
            self.said["evaluate", "refused"] += 1
        self.again("evaluate", run.folder)
        assert same_findings(findings(run), self.after)

    def score(self, chance, folder):
        out = folder / "out.html"
        words = (*SCORE, self.whole / "evaluation" / "ratemaps.nc", "--report", out)
        if "score" not in self.seconds:
            for _ in range(2):
                self.time("score", *words)
            self.page = out.read_bytes()
            out.write_text("an old page")
        if chance.random() < 0.5:
            out.write_text("an old page")
        self.killed(chance, "score", *words)
        assert not out.exists() or out.read_bytes() in (self.page, b"an old page")
        self.again(*words)
        assert out.read_bytes() == self.page

    def film(self, chance, folder):
        if "film" not in self.seconds:
            reference = shutil.copytree(self.whole, folder / "reference" / "run")
            for _ in range(2):
                self.time("film", "film", reference, *FILM)
            self.pictures = (reference / "film.gif").read_bytes()
        run = shutil.copytree(self.whole, folder / "run")
        shutil.rmtree(run / "figures", ignore_errors=True)
        (run / "evaluation" / "history.nc").unlink(missing_ok=True)
        self.killed(chance, "film", "film", run, *FILM)
        film = run / "film.gif"
        assert not film.exists() or film.read_bytes() == self.pictures
        self.again("film", run, *FILM)
        assert film.read_bytes() == self.pictures

    def report(self, chance, folder):
        if "report" not in self.seconds:
            reference = shutil.copytree(self.whole, folder / "reference" / "run")
            for _ in range(2):
                self.time("report", "report", reference)
            self.figures = {p.name: p.read_bytes() for p in (reference / "figures").glob("*.png")}
        run = Run(shutil.copytree(self.whole, folder / "run"))
        self.killed(chance, "report", "report", run.folder)
        if (run.folder / "figures").exists() and run.figures_are_current():
            assert self.shown(run) == self.figures
        if run.report_path.exists():
            assert run.report_path.read_text().rstrip().endswith("</html>")
        self.again("report", run.folder)
        assert run.figures_are_current() and self.shown(run) == self.figures

    def shown(self, run):
        return {path.name: path.read_bytes() for path in (run.folder / "figures").glob("*.png")}

    def seeds(self, chance, folder):
        words = ("train", "quick", *OPTIONS, "--steps", 300, "--seeds", "0-1", "--out", folder)
        words = [word for word in words if "training.steps" not in str(word)]
        runs = [folder / f"quick-seed{seed}" for seed in (0, 1)]
        found = self.forks.run(
            *words, "--quiet", kill_once=chance.choice(runs) / chance.choice(MOMENTS)
        )
        self.said["seeds", "killed" if found["code"] is None else "finished before"] += 1
        # The trainings end with it, which frees their runs.
        deadline = time.monotonic() + 20
        for run in map(Run, filter(Path.exists, runs)):
            while True:
                try:
                    with run.lock():
                        break
                except InputError:
                    assert time.monotonic() < deadline, "a training goes on alone"
                    time.sleep(0.05)
        assert not trainings_in(folder)
        self.again(*words)
        if "seeds" not in self.seconds:
            self.time("seeds", *words[:-4], "--seed", 0, "--out", self.folder / "alone")
        same_training(Run(runs[0]), Run(self.folder / "alone"))

    def ablate(self, chance, folder):
        words = ("ablate", "quick", *TRAINING, "--seeds", 0, "--variants", "no-norm", "--arena", 1)
        words = (*words, "--nulls", 99, "--jobs", chance.choice([1, 2]), "--out")
        if "ablate" not in self.seconds:
            self.time("ablate", *words, folder / "reference")
            self.table = table(folder / "reference")
        out = folder / "out"
        once = out / chance.choice(
            ["runs/reference-seed0/metrics.jsonl", "runs/reference-seed0/manifest.json", "scores"]
        )
        found = self.forks.run(*words, out, "--quiet", kill_once=once)
        self.said["ablate", "killed" if found["code"] is None else "finished before"] += 1
        deadline = time.monotonic() + 30
        while trainings_in(out):
            assert time.monotonic() < deadline, "a process goes on alone"
            time.sleep(0.05)
        self.again(*words, out)
        assert table(out) == self.table


MOMENTS = ["metrics.jsonl", "manifest.json", "checkpoints/step-00000070.safetensors"]


def table(folder):
    rows = list(csv.DictReader((folder / "ablation.csv").read_text().splitlines()))
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in rows]


def trainings_in(folder):
    """Processes that name a folder on their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words:
            found.append(words)
    return found


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    with Forks() as forks:
        yield Commands(forks, tmp_path_factory.mktemp("kills"))


def kill(commands, name, times, folder, seed):
    for number in range(times):
        chance = random.Random(f"{name} {seed} {number}")
        one = folder / f"{name}-{number}"
        one.mkdir()
        try:
            getattr(commands, name)(chance, one)
        except BaseException as error:
            error.add_note(f"kill {number} of {name}, seed {seed}")
            raise
        shutil.rmtree(one)


@pytest.mark.parametrize(("name", "times"), [("train", 5), ("evaluate", 2)])
def test_killed_and_done_again_equals_never_killed(commands, tmp_path, name, times):
    kill(commands, name, times, tmp_path, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLS)
def test_killed_at_two_hundred_moments(commands, tmp_path, name):
    share = int(os.environ.get("ROBUSTNESS_DRAWS", "200")) / 200
    kill(commands, name, max(1, round(share * KILLS[name])), tmp_path, 1)
    told = {what: count for (which, what), count in commands.said.items() if which == name}
    print(f"{name}: {told}")
