"""A sweep: what a file may say, which trials follow, who stops, and what a kill leaves."""

import csv
import json
import os
import random
import subprocess
import sys
import time

import pytest
import tomli_w
import torch
from conftest import TINY, untimed
from dying import die_once

import gridcode
from gridcode import InputError, Run
from gridcode.cli import main
from gridcode.executors import tasks as executor_tasks
from gridcode.executors.processes import Processes, side_by_side
from gridcode.executors.tasks import WorkerDiedError, carry_out_all
from gridcode.sweep import engine, trial
from gridcode.sweep.journal import Journal
from gridcode.sweep.points import points_of
from gridcode.sweep.settings import Search, Stop, Sweep
from gridcode.sweep.storage import Storage
from gridcode.sweep.study import Study, goes_on
from gridcode.training import checkpoint

LEARNING_RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
GRID = {"search": {"values": {"sigma_g": [0.3, 0.4]}}, "seeds": [0, 1]}


def write(folder, **sections):
    """A sweep file of tiny trainings."""
    path = folder / "sweep.toml"
    path.write_text(tomli_w.dumps({"settings": TINY, "run": {"evaluate": False}} | sections))
    return path


def here(executor):
    """Trials in this process, one at a time: without the seconds that an import takes."""

    class Here:
        running = ()

        def slots(self):
            return 1

        def submit(self, _work, tasks):
            self.running = tasks

        def finished(self, _timeout_s):
            tasks, self.running = self.running, ()
            return [executor_tasks.carry_out(executor, task) for task in tasks]

        def close(self):
            pass

    return lambda *_: Here()


@pytest.fixture
def at_home(monkeypatch):
    monkeypatch.setattr(engine, "_executor", here(trial.run_trial))


def swept(path, out, **options):
    return gridcode.run_sweep(*gridcode.load_sweep(path), out=out, **options)


def table(out):
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def same_training(a, b):
    ours, theirs = (checkpoint.read(run.checkpoints()[0])[0] for run in (a, b))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert untimed(a.metrics()) == untimed(b.metrics())


# -- the file ------------------------------


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"searches": {}}, "unknown key 'searches'"),
        ({"search": {"values": {"sigma_q": [1]}}}, "unknown setting 'sigma_q'"),
        ({"search": {"values": {"sigma_g": [-1.0]}}}, "search.values: loss.sigma_g"),
        ({"search": {"values": {"seed": [1, 2]}}}, "give seeds"),
        ({"search": {"values": {"arenas_m": [[1.0]]}}}, "does not change the training"),
        ({"search": {"values": {"units": [12]}}}, "both set and searched"),
        ({"search": {"values": {"sigma_g": {"low": 0.1, "high": 1.0}}}}, "not a range"),
        ({"search": {"kind": "random", "values": LEARNING_RATES}}, "needs search.points"),
        ({"search": {"points": 3, "values": {"sigma_g": [0.3]}}}, "leave search.points out"),
        ({"search": {"kind": "bayes"}}, "search.kind"),
        ({"search": {"kind": "random", "points": 2, "values": {"sigma_g": {"low": 2, "high": 1}}}},
         "low must be below high"),
        ({"seeds": [1, 1]}, "a seed is given twice"),
        ({"seeds": 0}, "seeds"),
        ({"stop": {"first_step": 3, "metric": "beauty"}}, "stop.metric"),
        ({"stop": {"first_step": 3, "metric": "modules"}}, "set run.evaluate = true"),
        ({"settings": {"seed": 3}}, "give seeds"),
        ({"base": "nothing"}, "neither a preset nor a file"),
        ({"run": {"storage": "teleport://x"}}, "cannot use the storage"),
        ({"run": {"gpus": 0.5}}, "give --address"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line(tmp_path, capsys, sections, message):
    path = write(tmp_path, **sections)
    assert main(["sweep", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not list(tmp_path.glob("out/runs/*"))


def test_settings_can_be_written_by_section(tmp_path):
    sweep, config = gridcode.load_sweep(
        write(tmp_path, settings={"loss": {"sigma_g": 0.3}, "steps": 7}, seeds=3)
    )
    assert (config.loss.sigma_g, config.training.steps) == (0.3, 7)
    assert sweep.seed_list == (0, 1, 2) and sweep.n_trials == 3
    (tmp_path / "mine.toml").write_text(config.to_toml())
    assert gridcode.load_sweep(write(tmp_path, base="mine.toml", settings={}))[1] == config


# -- which trials ------------------------------


def test_a_grid_is_all_combinations():
    points = points_of(Search(values={"sigma_g": [0.3, 0.4], "units": [8, 16, 32]}))
    found = [tuple(points.point(number).values()) for number in range(6)]
    assert found == [(s, n) for s in (0.3, 0.4) for n in (8, 16, 32)]


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_random_points_follow_from_seed_and_number(kind):
    values = {"sigma_g": {"low": 0.1, "high": 10.0, "log": True},
              "units": {"low": 8, "high": 10}, "activation": ["relu", "tanh"]}  # fmt: skip
    search = Search(kind=kind, points=300, seed=1, values=values)
    drawn = [points_of(search).point(number) for number in range(300)]
    assert drawn[7] == points_of(search).point(7) != drawn[8]
    assert {p["model.units"] for p in drawn} == {8, 9, 10}
    assert {p["model.activation"] for p in drawn} == {"relu", "tanh"}
    below = sum(p["loss.sigma_g"] < 1 for p in drawn)  # half of a logarithmic range
    assert all(0.1 <= p["loss.sigma_g"] <= 10 for p in drawn) and 120 < below < 180


def study_of(kind, trials=(), points=14, **search):
    values = {"sigma_g": {"low": 0.1, "high": 1.0}, "units": [8, 16]}
    search = Search(kind=kind, points=points, values=values, **search)
    return Study(Sweep(search=search), gridcode.load_config("quick"), trials)


def parabola(changes):
    """A loss that is smallest at sigma_g = 0.5 with 16 units."""
    loss = (changes["loss.sigma_g"] - 0.5) ** 2 + (changes["model.units"] == 8)
    return {"loss": loss, "step": 30, "error": "", "cpu_seconds": 1.0}


def work_on(study, trials):
    for _ in range(trials):
        one = study.next_trial()
        study.record(one, parabola(one.changes), None)
    return [one.changes for one in study.trials]


@pytest.mark.parametrize("kind", ["sobol", "tpe", "gp"])
def test_a_sampler_that_is_killed_goes_on_as_if_it_had_not_been(kind):
    pytest.importorskip("optuna")
    points = 8 if kind == "gp" else 14
    whole = work_on(study_of(kind, points=points), points)
    begun = study_of(kind, points=points)
    work_on(begun, points - 4)
    journal = [type(one).from_json(json.loads(json.dumps(one.as_json()))) for one in begun.trials]
    assert work_on(study_of(kind, journal, points=points), 4) == whole
    assert len({json.dumps(changes) for changes in whole}) == points


def test_tpe_finds_the_minimum():
    pytest.importorskip("optuna")
    found = work_on(study_of("tpe", points=40), 40)
    late = [parabola(changes)["loss"] for changes in found[30:]]
    assert sorted(late)[5] < 0.02


def test_without_optuna_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"a tpe search needs optuna: pip install"):
        study_of("tpe")


def test_optuna_is_told_the_mean_over_seeds_and_what_failed():
    pytest.importorskip("optuna")
    search = Search(kind="tpe", points=3, values={"sigma_g": {"low": 0.1, "high": 1.0}})
    study = Study(Sweep(search=search, seeds=2), gridcode.load_config("quick"))
    for number, found in enumerate(
        [{"loss": 1.0, "error": ""}, {"loss": 3.0, "error": ""}, {"error": "x"}, {"error": "y"}]
    ):
        one = study.next_trial()
        assert (one.number, one.seed) == (number, number % 2)
        study.record(one, found, None)
    told = study._points._study.trials
    assert [t.value for t in told] == [2.0, None] and told[1].state.name == "FAIL"
    assert study.trials[0].changes == study.trials[1].changes != study.trials[2].changes


def test_asha_keeps_one_in_so_many():
    assert Stop(first_step=100).rungs(4000) == [100, 300, 900, 2700]
    assert Stop(first_step=100, factor=2).rungs(800) == [100, 200, 400]
    assert Stop(first_step=100).rungs(100) == []
    assert [goes_on(better, 9, 3) for better in range(4)] == [True, True, True, False]
    assert goes_on(0, 1, 3) and goes_on(0, 2, 3) and not goes_on(1, 2, 3)
    # Trials from bad to good all go on, from good to bad only the first.
    for direction, losses, expected in (
        ("minimize", range(9), 1),
        ("minimize", range(9, 0, -1), 9),
        ("maximize", range(9, 0, -1), 1),
    ):
        sweep = Sweep(seeds=9, stop=Stop(first_step=10, direction=direction))
        study = Study(sweep, gridcode.load_config("quick"))
        for loss in losses:
            one = study.next_trial()
            step = study.stops_at(one, 30)
            assert step == 10
            study.record(one, {"loss": float(loss), "error": "", "step": 10}, step)
        going = [one for one in study.trials if one.status == "running"]
        assert len(going) == expected and study.stops_at(going[0], 30) is None
        again = Study(sweep, study.config, study.trials)
        assert again._at_rung == study._at_rung


# -- a whole sweep ------------------------------


@pytest.mark.usefixtures("at_home")
def test_each_trial_equals_a_training_alone(tmp_path, tiny):
    out = tmp_path / "out"
    path = write(tmp_path, stop={"first_step": 10}, run={"keep": "numbers"}, **GRID)
    found = swept(path, out)
    rows = table(out)
    assert [row["status"] for row in rows].count("finished") >= 1
    assert dict(found.counts)["stopped"] >= 1
    assert [(row["seed"], row["loss.sigma_g"]) for row in rows] == [
        ("0", "0.3"), ("1", "0.3"), ("0", "0.4"), ("1", "0.4")]  # fmt: skip
    for row in rows:
        run = Run(out / "runs" / row["run"])
        changes = {"sigma_g": float(row["loss.sigma_g"]), "seed": int(row["seed"])}
        alone = gridcode.train(tiny.override(changes), out=tmp_path / "alone" / row["run"])
        if row["status"] == "finished":
            same_training(run, alone)
            assert float(row["loss"]) == alone.metrics()[-1]["loss"]
            assert row["active"] == "12" and row["arena_m"] == "1.0"
            assert len(run.checkpoints()) == 1 and not run.snapshots()
            assert run.read_summary() is not None and not run.ratemaps_path.exists()
        else:
            assert row["step"] == "10" and row["active"] == ""
            before = [line for line in untimed(alone.metrics()) if line["step"] <= 10]
            assert untimed(run.metrics()) == before
    # Once more: nothing is done again. Other settings are refused, more points are not.
    before = (out / "trials.jsonl").read_bytes()
    assert [dict(row) for row in swept(path, out).rows] == [dict(row) for row in found.rows]
    assert (out / "trials.jsonl").read_bytes() == before
    other = write(tmp_path, stop={"first_step": 10}, run={"keep": "numbers"}, **GRID | {"seeds": 3})
    with pytest.raises(InputError, match=r"another sweep already \(seeds differ\)"):
        swept(other, out)


@pytest.mark.usefixtures("at_home")
def test_a_failing_trial_is_a_row_and_the_others_go_on(tmp_path, capsys):
    path = write(
        tmp_path,
        settings={k: v for k, v in TINY.items() if "ramp" not in k} | {"weight_decay": 1.0},
        search={"values": {"learning_rate": [1000.0, 1e-3], "isometry_ramp": [[5, 10], [10, 5]]}},
    )
    out = tmp_path / "out"
    assert main(["sweep", str(path), "--out", str(out), "--quiet", "--json"]) == 0
    said = capsys.readouterr()
    assert "3 of 4 trials failed" in said.err
    assert json.loads(said.out)["counts"] == {"failed": 3, "finished": 1}
    errors = [row["error"] for row in table(out)]
    assert "not finite at step" in errors[0] and str(tmp_path) not in errors[0]
    assert "must not end before it starts" in errors[1] and errors[2] == "" and errors[3]
    # They are tried again when asked for.
    assert main(["sweep", str(path), "--out", str(out), "--quiet"]) == 0
    assert len((out / "trials.jsonl").read_text().splitlines()) == 6
    assert main(["sweep", str(path), "--out", str(out), "--quiet", "--again"]) == 0
    assert len((out / "trials.jsonl").read_text().splitlines()) > 6
    assert "3 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("at_home")
def test_a_run_of_other_settings_is_refused(tmp_path, tiny):
    gridcode.train(tiny.override({"units": 10}), out=tmp_path / "out" / "runs" / "00000-seed0")
    with pytest.raises(InputError, match=r"00000-seed0.* not one of its trials"):
        swept(write(tmp_path, **GRID), tmp_path / "out")


@pytest.mark.usefixtures("at_home")
def test_a_journal_that_a_kill_cut_short(tmp_path):
    path, out = write(tmp_path, **GRID), tmp_path / "out"
    swept(path, out)
    lines = (out / "trials.jsonl").read_bytes()
    (out / "trials.jsonl").write_bytes(lines[:-20])
    assert dict(swept(path, out).counts) == {"finished": 4}
    (out / "trials.jsonl").write_bytes(b"{}\n" + lines)
    with pytest.raises(InputError, match="line 1 is damaged"):
        swept(path, out)


@pytest.mark.parametrize("url", ["memory://sweep-test", "file"])
def test_run_folders_on_remote_storage(tmp_path, tiny, url, monkeypatch):
    url = f"file://{tmp_path / 'store'}" if url == "file" else url
    Storage(url).check()
    alone = gridcode.train(tiny, out=tmp_path / "alone")
    task = trial.Task(0, "one", str(tmp_path), tiny, 10, evaluate=False, storage=url)
    assert trial.run_trial(task)["step"] == 10
    monkeypatch.setattr(trial, "UPLOAD_EVERY_S", 0.0)
    uploads = []
    keep = Storage.keep
    monkeypatch.setattr(Storage, "keep", lambda *a: (uploads.append(a), keep(*a)))
    task = trial.Task(0, "one", str(tmp_path), tiny, None, evaluate=False, storage=url)
    assert trial.run_trial(task)["step"] == 30
    assert len(uploads) == 4  # checkpoints of steps 14, 21 and 28, and the end
    assert not (tmp_path / "one").exists()
    assert Storage(url).fetch("one", tmp_path / "fetched")
    same_training(Run(tmp_path / "fetched"), alone)
    assert not Storage(url).fetch("two", tmp_path / "two")


def test_a_trial_waits_for_whoever_trains_its_run(tmp_path, tiny, monkeypatch):
    run = Run.create(tmp_path / "one", tiny)
    held = run.lock()
    held.__enter__()
    monkeypatch.setattr(trial.time, "sleep", lambda _s: held.__exit__(None, None, None))
    task = trial.Task(0, "one", str(tmp_path), tiny, evaluate=False)
    assert trial.run_trial(task)["step"] == 30


def test_the_table_is_not_written_for_every_row(tmp_path):
    sweep = Sweep(seeds=1)
    journal = Journal(tmp_path, sweep, 30)
    study = Study(sweep, gridcode.load_config("quick"))
    study.next_trial()
    journal.write_table(study.trials)
    (tmp_path / "results.csv").unlink()
    journal.write_table(study.trials)
    assert not (tmp_path / "results.csv").exists()
    journal.write_table(study.trials, now=True)
    assert len(table(tmp_path)) == 1


# -- processes ------------------------------


def test_a_worker_that_dies_takes_only_its_task(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    nowhere = str(tmp_path / "missing" / "b")
    executor = Processes(2)
    try:
        results = {
            str(o.task): o.result or o.error
            for o in carry_out_all(executor, die_once, [str(tmp_path / "a"), nowhere])
        }
    finally:
        executor.close()
    assert results[str(tmp_path / "a")] == "lived"
    assert isinstance(results[nowhere], FileNotFoundError)
    executor = Processes(1)
    try:
        (outcome,) = carry_out_all(executor, os._exit, [3])
    finally:
        executor.close()
    assert isinstance(outcome.error, WorkerDiedError) and "exit code 3" in str(outcome.error)
    assert list(side_by_side(abs, [-1, -2, -3], jobs=2)) == [1, 2, 3]


@pytest.mark.usefixtures("at_home")
def test_killed_and_resumed(tmp_path):
    """SIGKILL of the command: its processes end too, and the same command goes on."""
    settings = TINY | {"training.steps": 200, "training.log_every": 20, "training.snapshots": 0}
    path = write(tmp_path, settings=settings, seeds=2)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "gridcode", "sweep", str(path), "--out", str(out)]
    command += ["--jobs", "1", "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(out.glob("runs/00000*/checkpoints/step*")):
        time.sleep(random.uniform(0.02, 0.1))
    process.kill()
    process.wait()
    for folder in out.glob("runs/*"):
        while True:
            try:
                with Run(folder).lock():
                    break
            except InputError:
                assert time.monotonic() < deadline, "a training goes on alone"
                time.sleep(0.05)
    swept(path, out)
    assert [row["status"] for row in table(out)] == ["finished"] * 2
    config = gridcode.load_config("quick").override(settings)
    same_training(Run(out / "runs" / "00000-seed0"), gridcode.train(config, out=tmp_path / "alone"))
