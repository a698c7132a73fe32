"""Logs are read back with the other programs' own readers and compared with metrics.jsonl."""

import json
import os
import struct

import numpy as np
import pytest
from conftest import TINY

import gridcode
from gridcode import InputError, Run
from gridcode.cli import main
from gridcode.logs import follow, kinds
from gridcode.logs.follow import Follower

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
SETTINGS = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in TINY.items()]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Logs are fed after every step."""
    monkeypatch.setattr(follow, "EVERY_S", 0.0)
    monkeypatch.setattr(follow, "READING_SHARE", 1e9)
    monkeypatch.delenv("WANDB_MODE", raising=False)


def read_events(folder):
    return accumulator.EventAccumulator(str(folder), {"scalars": 0}).Reload()


def scalars(events):
    """Steps and values by name."""
    found = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    return {name: ([r.step for r in rows], [r.value for r in rows]) for name, rows in found.items()}


def assert_equals_metrics(events, run):
    found, rows = scalars(events), run.metrics()
    assert rows
    for name in rows[-1].keys() - {"step"}:
        steps, values = found[f"training/{name}"]
        expected = [(row["step"], row[name]) for row in rows if name in row]
        assert steps == [step for step, _ in expected]
        np.testing.assert_allclose(values, [value for _, value in expected], rtol=1e-6)


def read_wandb(path):
    """Records of an offline file: a log in LevelDB's format, blocks of 32 KiB."""
    from wandb.proto import wandb_internal_pb2

    data, at, part = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            part = b""
            yield record


def wandb_records(run):
    (file,) = run.wandb_folder.glob("offline-run-*/*.wandb")
    records = list(read_wandb(file))
    assert str(run.folder) not in file.read_bytes().decode(errors="replace")
    (head,) = [record.run for record in records if record.HasField("run")]
    rows = [
        {
            item.key or item.nested_key[0]: json.loads(item.value_json)
            for item in record.history.item
        }
        for record in records
        if record.HasField("history")
    ]
    summary = {
        item.key or item.nested_key[0]: json.loads(item.value_json)
        for record in records
        if record.HasField("summary")
        for item in record.summary.update
    }
    return head, rows, summary


def assert_wandb_equals_metrics(run):
    head, rows, summary = wandb_records(run)
    expected = [
        {f"training/{k}": v for k, v in row.items() if k != "step"} for row in run.metrics()
    ]
    assert [{k: v for k, v in row.items() if k[0] != "_"} for row in rows] == expected
    assert [row["_step"] for row in rows] == [row["step"] for row in run.metrics()]
    return head, summary


def test_a_training_with_logs(tmp_path, capsys):
    out = tmp_path / "runs" / "a"
    command = ["train", "quick", "--out", str(out), "--log", "tensorboard,wandb", "--quiet"]
    assert main([*command, *SETTINGS]) == 0
    run = Run(out)
    events = read_events(out)
    assert_equals_metrics(events, run)
    assert "_hparams_/session_start_info" in events.Tags()["tensors"]
    head, _ = assert_wandb_equals_metrics(run)
    assert (head.project, head.display_name, head.host) == ("gridcode", "a", "")
    config = {item.key: json.loads(item.value_json) for item in head.config.update}
    assert config["model.units"] == 12 and config["loss.sigma_g"] == run.config.loss.sigma_g

    # Replayed after an evaluation: its headline is there, and the same run goes on.
    gridcode.evaluate(run)
    assert main(["log", str(out), "--to", "tensorboard,wandb", "--quiet"]) == 0
    assert f"tensorboard --logdir {out}" in capsys.readouterr().out
    events = read_events(out)
    assert_equals_metrics(events, run)
    active = len(run.read_summary().units) - run.read_summary().types["silent"]
    assert scalars(events)["evaluation/active"] == ([30], [active])
    assert "evaluation/verdict" in events.Tags()["tensors"]
    again, summary = assert_wandb_equals_metrics(run)
    assert again.run_id == head.run_id
    assert summary["evaluation/active"] == active
    assert summary["evaluation/verdict"] == run.read_summary().verdict


class KilledError(Exception):
    pass


def interrupted(tiny, folder, at):
    """A training that ended between two checkpoints, after lines that its resumption cuts."""

    def stop(progress):
        if progress.step >= at:
            raise KilledError

    config = tiny.override({"log_every": 2, "checkpoint_every": 10, "snapshots": 0})
    with pytest.raises(KilledError):
        gridcode.train(config, out=folder, log=["tensorboard"], progress=stop)
    run = Run(folder)
    assert run.metrics()[-1]["step"] == at
    return run


@pytest.mark.parametrize("damage", [0, 1, 500], ids=["whole", "cut", "cut deep"])
def test_a_resumed_training_leaves_no_gap_and_no_double(tiny, tmp_path, damage):
    run = interrupted(tiny, tmp_path / "a", at=18)
    ((_, path),) = run.event_files()
    path.write_bytes(path.read_bytes()[: -damage or None])  # as a kill leaves it
    gridcode.train(None, out=run.folder, log=["tensorboard"])
    assert [row["step"] for row in run.metrics()] == list(range(2, 31, 2))
    assert_equals_metrics(read_events(run.folder), run)


def test_resumed_without_a_log_and_logged_later(tiny, tmp_path):
    run = interrupted(tiny, tmp_path / "a", at=18)
    gridcode.train(None, out=run.folder)
    gridcode.write_logs([run])
    assert_equals_metrics(read_events(run.folder), run)


def test_metrics_that_are_cut_while_they_are_followed(tiny, tmp_path):
    """As where another process trains; a TensorBoard that is open forgets what was cut."""
    run = interrupted(tiny, tmp_path / "a", at=18)
    follower = Follower(run, ["tensorboard"])
    follower.update()
    events = read_events(run.folder)
    assert_equals_metrics(events, run)
    run.rewind_metrics(10)
    with open(run.metrics_path, "a", encoding="utf-8") as file:
        file.write('{"step": 12, "loss": 7.0}\n{"step": 14, "lo')
    follower.update()
    assert_equals_metrics(events.Reload(), run)
    with open(run.metrics_path, "a", encoding="utf-8") as file:
        file.write('ss": 6.0}\n')
    follower.finish()
    assert scalars(events.Reload())["training/loss"][0] == [2, 4, 6, 8, 10, 12, 14]
    assert_equals_metrics(events, run)


def test_an_event_file_that_a_kill_left_beside_the_new_one(tiny, tmp_path, monkeypatch):
    run = interrupted(tiny, tmp_path / "a", at=18)
    with monkeypatch.context() as patch:
        patch.setattr(os, "truncate", lambda *_arguments: None)
        gridcode.write_logs([run])
    assert all(path.stat().st_size for _, path in run.event_files())
    assert_equals_metrics(read_events(run.folder), run)
    gridcode.write_logs([run])
    sizes = [path.stat().st_size for _, path in run.event_files()]
    assert sizes[0] == 0 < sizes[1] and len(sizes) == 2


def test_many_networks_and_baselines(tmp_path):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    runs, log = tmp_path / "runs", ["--log", "tensorboard", "--quiet"]
    assert main(["train", "quick", "--seeds", "1", "--out", str(runs), *log, *SETTINGS]) == 0
    small = ["--places", "12", "--components", "20"]
    assert main(["baseline", "successor", "--out", str(runs / "sr"), *small, *log]) == 0
    shown = EventMultiplexer().AddRunsFromDirectory(str(runs)).Reload()
    assert set(shown.Runs()) == {"quick-seed1", "sr"}
    for name in shown.Runs():
        assert_equals_metrics(read_events(runs / name), Run(runs / name))


def test_a_log_that_fails_does_not_stop_the_training(tiny, tmp_path, monkeypatch):
    class FullDisk:
        def __init__(self, run):
            self.run = run

        def write(self, _rows):
            raise OSError(28, "No space left on device")

        def finish(self, verdict, numbers):
            pass

    monkeypatch.setitem(kinds.KINDS, "tensorboard", (lambda: None, FullDisk))
    with pytest.warns(UserWarning, match="stopped: No space left.*`gridcode log"):
        run = gridcode.train(tiny, out=tmp_path / "a", log=["tensorboard"])
    assert run.manifest["finished"]
    with pytest.raises(InputError, match=r"cannot write logs of .*: the disk is full"):
        gridcode.write_logs([run])


def test_bad_input_is_one_line(tiny, tmp_path, monkeypatch, capsys):
    for command in (["train", "quick", "--log", "mlflow"], ["log", "x", "--to", "tensorboard,"]):
        assert main(command) == 2
        assert "there is no log" in capsys.readouterr().err
    with pytest.raises(
        InputError, match="there is no log 'mlflow'; choose from tensorboard, wandb"
    ):
        gridcode.train(tiny, out=tmp_path / "a", log=["mlflow"])
    run = Run.create(tmp_path / "b", tiny)
    with pytest.raises(InputError, match="has no metrics"):
        gridcode.write_logs([run])
    run.metrics_path.write_text('{"step": 1, "loss": 1.0}\n')
    with (
        run.lock(".logs.lock", "writing logs of"),
        pytest.raises(InputError, match="another process is writing logs of"),
    ):
        gridcode.write_logs([run])
    # Without the package nothing is trained and no folder is made.
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    assert main(["train", "quick", "--out", str(tmp_path / "c"), "--log", "tensorboard"]) == 2
    assert "pip install 'gridcode[logs]'" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_an_evaluation_of_other_weights_is_left_out(tiny, tmp_path):
    run = interrupted(tiny, tmp_path / "a", at=18)
    gridcode.evaluate(run)
    gridcode.train(None, out=run.folder)
    with pytest.warns(UserWarning, match="left out of the log: evaluated at step 10 of"):
        gridcode.write_logs([run])
    assert not [name for name in scalars(read_events(run.folder)) if name.startswith("eval")]
