import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from conftest import TINY

import gridcode
from gridcode import cli
from gridcode.analysis.records import OriginRecord
from gridcode.cli import main

OVERRIDES = [f"--{k.replace('_', '-')}={json.dumps(v)}" for k, v in TINY.items()]


def test_train_evaluate_report_and_resume(tmp_path, capsys):
    out = str(tmp_path / "a")
    assert (
        main(["train", "quick", "--out", out, "--seed", "3", "--quiet", "--json", *OVERRIDES]) == 0
    )
    trained = json.loads(capsys.readouterr().out)
    assert trained["manifest"]["seed"] == 3 and trained["last"]["step"] == 30
    assert main(["train", out, "--quiet"]) == 0  # nothing left to do
    assert main(["report", out]) == 2
    assert "has not been evaluated" in capsys.readouterr().err
    assert (
        main(["evaluate", out, "--arena", "1", "1.2", "--json", "--quiet", "--walks", '["smooth"]'])
        == 0
    )
    summary = json.loads(capsys.readouterr().out)
    assert [a["arena_m"] for a in summary["arenas"]] == [1.0, 1.2]
    assert summary["space"] is None and summary["settings"]["nulls"] == 99
    assert (
        main(
            [
                "evaluate",
                out,
                "--space=true",
                "--space-steps=[10, 20]",
                "--space-arenas=[1.5]",
                '--space-walks=["slow"]',
            ]
        )
        == 0
    )
    assert "units are active" in capsys.readouterr().out
    assert main(["report", out]) == 0
    page = (tmp_path / "a" / "report.html").read_text()
    assert 'data-document="runs/a/run"' in page and "units are active" in page
    assert str(tmp_path) not in page
    folder = tmp_path / "a" / "figures"
    assert not {path.name for path in folder.iterdir()} & {"gallery.png", "gallery.pdf"}
    assert main(["report", out, "--figures"]) == 0
    figures = {path.name for path in folder.iterdir()}
    assert {"gallery.png", "gallery.pdf", "space.png", "space.pdf", "training.pdf"} <= figures
    assert (tmp_path / "a" / "report.html").read_text() == page
    run = gridcode.Run(out)
    saved, maps = run.read_evaluation()
    assert set(maps.children) == {"smooth_1m", "uniform_1m"}
    assert maps["smooth_1m"]["rate"].dims == ("unit", "y", "x")
    assert maps["smooth_1m"].attrs["bin_size_m"] == pytest.approx(0.05)
    assert len(saved.units) == 12 and saved.format == 5
    assert [row.walk for row in saved.space] == ["smooth", "smooth", "slow"]
    assert [row.group for row in saved.arena_stability] == ["uniform_1m"]
    (tmp_path / "a" / "evaluation" / "ratemaps.nc").write_bytes(b"nothing")
    assert main(["report", out]) == 2


def test_theory_of_a_network_too_small_for_it(tmp_path, capsys, tiny, monkeypatch):
    gridcode.train(tiny, out=tmp_path / "a")
    run = str(tmp_path / "a")
    assert (
        main(
            ["evaluate", run, "--theory=true", "--shuffles=19", "--walks", '["smooth"]', "--quiet"]
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "Betti numbers" in said or "Not measured" in said
    summary = gridcode.Run(run).read_summary()
    arrays = gridcode.Run(run).read_theory()
    assert OriginRecord.from_attributes(arrays.attrs) == summary.origin
    found = summary.theory
    for part in ("dynamics", "robustness", "mechanism", "coding"):
        assert getattr(found, part) is not None or part in found.reasons
    space = found.state_space
    measured = {row.name for row in (*space.populations, *space.skipped)}
    assert "population" in measured
    assert main(["report", run]) == 0
    page = (tmp_path / "a" / "report.html").read_text()
    assert ('data-document="runs/a/states"' in page) == bool(space.populations)
    arrays = tmp_path / "a" / "evaluation" / "theory.nc"
    arrays.unlink()
    assert main(["report", run]) == 0  # without its pictures
    xr.DataTree.from_dict({"/population": xr.Dataset({"x": ("landmark", [1.0])})}).to_netcdf(
        arrays, engine="h5netcdf"
    )
    capsys.readouterr()
    assert main(["report", run]) == 2
    assert "different evaluations" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(
            xr, "open_datatree", lambda *_args, **_settings: {}["checksum"]
        )  # what h5netcdf raises of damaged metadata
        assert main(["report", run]) == 2
    assert "damaged" in capsys.readouterr().err
    arrays.write_bytes(b"nothing")
    assert main(["report", run]) == 2
    assert "damaged" in capsys.readouterr().err
    assert main(["evaluate", run, "--shuffles=5", "--quiet"]) == 2


def test_a_moved_run_still_works(tmp_path, tiny):
    gridcode.train(tiny, out=tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    gridcode.evaluate(tmp_path / "b")
    assert gridcode.write_report(tmp_path / "b").exists()


def test_presets(capsys):
    assert main(["presets"]) == 0
    assert "paper" in capsys.readouterr().out
    assert main(["presets", "quick"]) == 0
    assert gridcode.Config.from_toml(capsys.readouterr().out) == gridcode.load_config("quick")
    assert main(["presets", "--fields"]) == 0
    assert "loss.sigma_x_m" in capsys.readouterr().out


@pytest.mark.parametrize("command", [None, *cli.COMMANDS])
def test_help_fits_one_screen(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*filter(None, [command]), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "usage: gridcode" in shown and len(shown.splitlines()) <= 40
    assert main([]) == 0


def test_help_shows_a_few_settings_of_the_preset_and_help_all_each(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def shown(*arguments):
        assert main([*arguments]) == 0
        return capsys.readouterr().out

    for preset in ("quick", "dense"):
        config = gridcode.load_config(preset)
        for words in (["train", preset, "--help"], ["train", "--help", preset]):
            text = shown(*words)
            assert f"values of preset {preset}" in text and "--schedule" not in text
            assert f"optimiser steps [{config.training.steps}; 1 or more; at most 1e12]" in text
    everything = shown("train", "dense", "--help-all")
    for key, field in gridcode.config.fields().items():
        name = key.split(".")[1].replace("_", "-")
        assert f"--{name} " in everything or f".{name} " in everything
        assert " ".join(field.description.split())[:40] in " ".join(everything.split())
    assert "{silu,gelu,relu,tanh}" in everything and "[0.0005; above 0; at most 1000]" in everything
    assert "--units" not in shown("evaluate", "--help-all")
    assert "--units" not in shown("demo", "--help")


def modules_after(*lines):
    """What a fresh process has imported after some lines of Python."""
    code = "\n".join(["import json, sys", *lines, "print(json.dumps(list(sys.modules)))"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_what_commands_import(tmp_path):
    heavy = {"numpy", "pydantic", "rich", "torch", "xarray"}
    assert not heavy & modules_after("import gridcode")
    command = "from gridcode.cli import main; assert main({}) == 0"
    for words in (["--help"], ["--version"], ["score", "--help"], ["explore", "--help"]):
        assert not heavy & modules_after(command.format(words))
    settings = modules_after(command.format(["train", "quick", "--help"]))
    assert "pydantic" in settings and not {"numpy", "torch", "xarray"} & settings
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "maps.npz", rate_maps=rng.random((2, 9, 9)), bin_size_m=0.06)
    words = ["score", str(tmp_path / "maps.npz"), "--nulls", "200", "--quiet", "--json"]
    assert "torch" not in modules_after(command.format(words))
    assert "torch" not in modules_after("import gridcode.world.walks, gridcode.runs.history")


def test_the_explorer_loads_no_training_code():
    pytest.importorskip("uvicorn")
    found = modules_after("from gridcode.viewer import serving")
    training = ("torch", "gridcode.training", "gridcode.losses", "gridcode.gpu", "gridcode.models")
    assert not [name for name in found if name.startswith(training)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "quik"], "did you mean 'quick'"),
        (["train", "quick", "--model.unit", "8"], "did you mean 'model.units'"),
        (["train", "quick", "--units", "x"], "valid integer"),
        (["train", "quick", "--sed", "1"], "did you mean 'training.seed'"),
        (["train", "quick", "--trajectories", "81"], "multiple"),
        (["train", "quick", "extra"], "unexpected argument 'extra'"),
        (["train", "."], "no run folder"),
        (["train"], "required: WHAT"),
        (["trian"], "invalid choice"),
        (["evaluate", "nowhere"], "no run folder 'nowhere'"),
        (["evaluate", "nowhere", "--units", "3"], "does not apply"),
        (["report", "nowhere"], "no run folder 'nowhere'"),
        (["presets", "nothing"], "neither a preset nor a file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1 and captured.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report", "maps.npy"], "would overwrite the file"),
        (["--report", ""], "it is a folder"),
        (["--report", "x" * 300 + "/out.html"], "cannot write"),
        (["--seed", "0-7"], "--seed must be a whole number"),
        (["--arena", "2"], "--arena applies to a path"),
        (["--min-speed", "0.1"], "--min-speed applies to a path"),
        (["--shuffles", "19"], "--shuffles applies to --state-space"),
        (["--smoothing", "inf"], "smoothing_bins must be 0 or more"),
        (["--silent-below", "nan"], "silent_below must be a number"),
        (["--bin-size", "1e300"], "bin_size_m must be positive"),
        (["--position", "led1"], "no positions to choose from"),
        (["--position-unit", "cm"], "apply to a path, not to rate maps"),
        (["--order", "up"], "order (--order) must be 'y x'"),
    ],
)
def test_bad_options_of_score(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("maps.npy", np.random.default_rng(0).random((2, 9, 9)))
    words = ["score", "maps.npy", "--bin-size", "0.05", "--order", "y x", "--nulls", "99"]
    assert main([*words, "--quiet", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["maps.npy"]


def test_names_from_a_file_do_not_steer_the_terminal(tmp_path, capsys):
    maps = np.random.default_rng(0).random((3, 9, 9))
    np.savez(
        tmp_path / "maps.npz",
        rate_maps=maps,
        bin_size_m=0.06,
        units=["\x1b[31mred", "two\nlines", "[bold]é"],
    )
    assert main(["score", str(tmp_path / "maps.npz"), "--quiet", "--nulls", "99"]) == 0
    out, error = capsys.readouterr()
    assert "\x1b" not in out and all(name in out for name in ("?[31mred", "two?lines", "[bold]é"))
    np.savez(tmp_path / "other.npz", **{"a\x1b[2J\nb": maps})
    assert main(["score", str(tmp_path / "other.npz")]) == 2
    error = capsys.readouterr().err
    assert "\x1b" not in error and error.count("\n") == 1


def test_a_bad_arena_leaves_the_run_as_it_was(tmp_path, tiny, capsys):
    run = gridcode.train(tiny, out=tmp_path / "a")
    for arena in ("0.2", "x", "-1"):
        assert main(["evaluate", str(run.folder), "--arena", arena]) == 2
    assert not run.summary_path.exists()
    assert main(["train", str(run.folder), "--units", "3"]) == 2
    assert "keeps its settings" in capsys.readouterr().err
