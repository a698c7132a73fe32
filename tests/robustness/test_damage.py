"""Damaged files of a run: what is intact is used, and what was dropped is said."""

import json
import os
import shutil
import warnings

import numpy as np
import pytest
import torch
from conftest import untimed

import gridcode
from gridcode import Run, TrainingError
from gridcode.cli import main
from gridcode.training import checkpoint
from gridcode.training.loop import train_run

DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "0"))
NESTED = b"[" * 100_000


def weights(run):
    return checkpoint.read(run.checkpoints()[0])[0]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run trained without a disturbance, and one that stopped at step 21 of 30."""
    from conftest import TINY

    config = gridcode.load_config("quick").override(TINY)
    folder = tmp_path_factory.mktemp("damage")
    done = gridcode.train(config, out=folder / "whole")
    train_run(Run.create(folder / "stopped", config), stop_at=21)
    return done


@pytest.fixture
def stopped(whole, tmp_path):
    return Run(shutil.copytree(whole.folder.parent / "stopped", tmp_path / "run"))


def resumed(run):
    """Resume, and return what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gridcode.train(out=run.folder)
    assert run.read_manifest()["finished"]
    return {str(w.message) for w in caught}


LINES = {
    "a bit": lambda line: bytes([line[0], line[1] ^ 0x80]) + line[2:],
    "a word for a step": lambda line: line.replace(b'"step": 6', b'"step": "six"'),
    "no step": lambda line: line.replace(b'"step"', b'"stop"'),
    "NaN for a step": lambda line: line.replace(b'"step": 6', b'"step": NaN'),
    "true for a step": lambda line: line.replace(b'"step": 6', b'"step": true'),
    "a step below 0": lambda line: line.replace(b'"step": 6', b'"step": -6'),
    "a step of its neighbour": lambda line: line.replace(b'"step": 6', b'"step": 9'),
    "a step far ahead": lambda line: line.replace(b'"step": 6', b'"step": 96'),
    "a step of 5,000 digits": lambda line: line.replace(b'"step": 6', b'"step": ' + b"6" * 5000),
    "a word for a loss": lambda line: line.replace(b'"loss": ', b'"loss": "a", "x": '),
    "nested": lambda _: NESTED,
    "cut": lambda line: line[:20],
    "zeros": lambda line: b"\0" * len(line),
}


@pytest.mark.parametrize("damage", LINES)
def test_a_damaged_line_of_the_log_is_left_out(whole, stopped, damage):
    lines = stopped.metrics_path.read_bytes().splitlines()
    lines[1] = LINES[damage](lines[1])
    stopped.metrics_path.write_bytes(b"\n".join([*lines, b""]))
    assert resumed(stopped) == {f"{stopped.metrics_path}: 1 damaged line is left out"}
    assert same(weights(whole), weights(stopped))
    rows = untimed(whole.metrics())
    assert untimed(stopped.metrics()) == rows[:1] + rows[2:]


def test_numbers_that_are_not_finite_are_missing(stopped):
    text = stopped.metrics_path.read_text().splitlines()
    row = json.loads(text[1]) | {"loss": float("nan"), "gradient_norm": 10**400}
    text[1] = json.dumps(row)
    stopped.metrics_path.write_text("\n".join([*text, ""]))
    assert set(row) - set(stopped.metrics()[1]) == {"loss", "gradient_norm"}
    assert resumed(stopped) == set()


def test_the_end_of_the_log_may_be_cut_anywhere(stopped):
    data, rows = stopped.metrics_path.read_bytes(), stopped.metrics()
    for length in range(len(data) - 300, len(data), 3):
        stopped.metrics_path.write_bytes(data[:length])
        found = stopped.metrics()  # warnings are errors
        assert found == rows[: len(found)] and len(found) >= len(rows) - 2


def flip_bits(path, rng, count):
    raw = np.frombuffer(path.read_bytes(), np.uint8).copy()
    raw[rng.integers(0, len(raw), count)] ^= (1 << rng.integers(0, 8, count)).astype(np.uint8)
    path.write_bytes(raw.tobytes())


def check_flipped_bits(whole, stopped, draws, seed):
    kept = stopped.metrics_path.read_bytes(), (stopped.folder / "manifest.json").read_bytes()
    rows = [row["step"] for row in whole.metrics() if row["step"] <= 21]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for draw in range(draws):
            rng = np.random.default_rng([seed, draw])
            for path, data in zip(
                (stopped.metrics_path, stopped.folder / "manifest.json"), kept, strict=True
            ):
                path.write_bytes(data)
                flip_bits(path, rng, int(rng.integers(1, 20)))
            found = [row["step"] for row in stopped.metrics()]
            assert found == sorted(set(found)), (seed, draw)
            assert len(set(found) - set(rows)) <= 2, (seed, draw)
            stopped.rewind_metrics(21)
            assert isinstance(repr(stopped), str) and isinstance(stopped._repr_html_(), str)
            stopped.check_transition(None, "x")


def test_flipped_bits_in_log_and_manifest(whole, stopped):
    check_flipped_bits(whole, stopped, 100, 0)


@pytest.mark.slow
def test_many_flipped_bits_in_log_and_manifest(whole, stopped):
    check_flipped_bits(whole, stopped, DRAWS or 5000, 1)


MANIFESTS = {
    "empty": b"",
    "zeros": b"\0" * 400,
    "no text": b'{"step": "\xff"}',
    "nested": NESTED,
    "a list": b"[1, 2]",
    "a word for a step": b'{"step": "many", "finished": false}',
    "a word for the end": b'{"step": 21, "finished": "yes"}',
    "parts": b'{"parts": 5}',
    "parts without names": b'{"parts": {"objective": {}}}',
    "5,000 digits": b'{"step": ' + b"1" * 5000 + b"}",
}


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_damaged_manifest_is_written_again(whole, stopped, damage):
    (stopped.folder / "manifest.json").write_bytes(MANIFESTS[damage])
    (said,) = resumed(stopped)
    assert "manifest.json is damaged" in said and "it is left out" in said
    assert same(weights(whole), weights(stopped))
    assert set(stopped.read_manifest()) == set(whole.read_manifest())


def test_without_a_checkpoint_a_damaged_manifest_is_one_line(stopped, capsys):
    (stopped.folder / "manifest.json").write_text("{")
    shutil.rmtree(stopped.folder / "checkpoints")
    assert main(["train", str(stopped.folder)]) == 2
    error = capsys.readouterr().err
    assert "damaged" in error and "no checkpoint" in error and error.count("\n") == 1


@pytest.mark.parametrize("step", [None, 28])
def test_a_finished_run_whose_manifest_is_missing_or_behind_gets_it(whole, tmp_path, capsys, step):
    # Behind: killed between the last checkpoint and the manifest.
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    path = run.folder / "manifest.json"
    if step is None:
        path.unlink()
    else:
        path.write_text(json.dumps(run.manifest | {"step": step, "finished": False}))
    assert main(["train", str(run.folder), "--quiet"]) == 0
    assert "trained 30 steps" in capsys.readouterr().out
    now, then = run.read_manifest(), whole.read_manifest()
    assert now["finished"] and set(now) == set(then)
    assert now["cpu_seconds"] == pytest.approx(then["cpu_seconds"], abs=1)
    assert same(weights(whole), weights(run))


def test_missing_folders_are_made_again(whole, stopped):
    shutil.rmtree(stopped.folder / "checkpoints")
    shutil.rmtree(stopped.folder / "snapshots")
    assert resumed(stopped) == set()
    assert same(weights(whole), weights(stopped))
    assert [step for step, _ in stopped.snapshots()] == [step for step, _ in whole.snapshots()]
    assert untimed(whole.metrics()) == untimed(stopped.metrics())


def test_what_killed_trainings_left_is_cleaned(stopped):
    left = [
        stopped.folder / name
        for name in (
            ".manifest.json.1a2b3c4d.part",
            ".metrics.jsonl.1a2b3c4d.part",
            "checkpoints/.step-00000028.safetensors.1a2b3c4d.part",
            "snapshots/.step-00000013.safetensors.1a2b3c4d.part",
        )
    ]
    for path in left:
        path.write_bytes(b"half")
    assert resumed(stopped) == set()
    assert not list(stopped.folder.rglob(".*.part"))


def test_a_checkpoint_that_does_not_fit_is_named_with_its_file(stopped, tiny):
    newest = stopped.checkpoints()[0]
    snapshot, _ = checkpoint.load(newest, tiny.training_hash)
    snapshot.weights["start"] = snapshot.weights["start"][:3]
    checkpoint.save(snapshot, newest)
    with pytest.raises(TrainingError, match=f"does not fit .*{newest}"):
        gridcode.train(out=stopped.folder)


def test_a_damaged_evaluation_does_not_stop_the_training(whole, stopped):
    (stopped.folder / "evaluation").mkdir()
    stopped.summary_path.write_bytes(NESTED)
    stopped.ratemaps_path.write_bytes(b"\x89HDF" + b"\0" * 50)
    assert resumed(stopped) == set()
    assert same(weights(whole), weights(stopped))


@pytest.mark.parametrize("name", ["metrics.jsonl", "manifest.json", "checkpoints", "snapshots"])
def test_a_folder_or_file_in_the_wrong_place_is_one_line(stopped, name, capsys):
    path = stopped.folder / name
    if path.is_dir():
        shutil.rmtree(path)
        path.write_text("a file")
    else:
        path.unlink()
        path.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["train", str(stopped.folder), "--quiet"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "cannot write to" in lines[-1] and len(lines) == 1 + (name == "manifest.json")
