import contextlib
import io
import json
import shutil
import time

import numpy as np
import pytest
from conftest import TINY
from rich.console import Console
from rich.text import Text

import gridcode
from gridcode import cli
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.cli import progress as display
from gridcode.cli.progress import duration, many_bar, progress_bar, training_bar, working
from gridcode.training.loop import Progress
from gridcode.training.many import ManyProgress

OVERRIDES = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in TINY.items()]
TRAINING = [option for option in OVERRIDES if not option.startswith("--evaluation")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = gridcode.train(
        gridcode.load_config("quick").override(TINY | {"training.snapshots": 3}),
        out=tmp_path_factory.mktemp("runs") / "a",
    )
    gridcode.evaluate(run)
    return run


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    file = tmp_path_factory.mktemp("maps") / "maps.npz"
    cell = lattice_cell(bin_centres(1.2, 0.06), spacing_m=0.4, orientation_deg=5.0)
    np.savez(
        file,
        rate_maps=np.stack([cell, np.random.default_rng(0).random(cell.shape)]),
        bin_size_m=0.06,
    )
    return file


def commands(run, maps, folder):
    """Every command that works for a while, and the name its lines begin with."""
    again = str(folder / "again")
    return {
        "train": (["train", "quick", "--out", str(folder / "train"), *OVERRIDES], "train"),
        "train many": (
            [
                "train",
                "quick",
                "--seeds",
                "0,1",
                "--out",
                str(folder / "many"),
                "--jobs",
                "1",
                *OVERRIDES,
            ],
            "train",
        ),
        "evaluate": (
            [
                "evaluate",
                again,
                "--space=true",
                "--space-steps=[10,20]",
                "--space-arenas=[1.5]",
                '--space-walks=["slow"]',
            ],
            "evaluate",
        ),
        "score": (
            [
                "score",
                str(maps),
                "--order",
                "y x",
                "--nulls",
                "200",
                "--report",
                str(folder / "maps.html"),
            ],
            "score",
        ),
        "report": (["report", str(run.folder)], "report"),
        "film": (
            ["film", str(run.folder), "--out", str(folder / "a.gif"), "--size", "240"],
            "film",
        ),
        "compare": (
            ["compare", str(run.folder), again, "--out", str(folder / "compared.html")],
            "compare",
        ),
        "reproduce": (["reproduce", "fig7", "--out", str(folder / "fig7")], ""),
        "demo": (["demo", "--out", str(folder / "demo"), *OVERRIDES], "train"),
        "pretrained": (["pretrained", "quick-64", "--out", str(folder / "quick-64")], ""),
        "presets": (["presets"], ""),
    }


NAMES = list(
    commands(
        type("Run", (), {"folder": ""}), "", type("Folder", (), {"__truediv__": lambda *_: ""})()
    )
)


def call(arguments, file):
    """Run a command with its standard error in a file: what a log gets to see."""
    with open(file, "w") as error, contextlib.redirect_stderr(error):
        code = cli.main(arguments)
    return code, file.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_log_gets_plain_lines_quiet_none_and_json_stays_pure(name, run, maps, tmp_path, capsys):
    shutil.copytree(run.folder, tmp_path / "again")
    arguments, title = commands(run, maps, tmp_path)[name]
    code, said = call(arguments, tmp_path / "error.txt")
    shown = capsys.readouterr().out
    assert code == 0, said
    assert "\r" not in said and "\x1b" not in said and "\r" not in shown and "\x1b" not in shown
    lines = said.splitlines()
    assert not title or any(line.startswith((f"{title} ", f"{title}:")) for line in lines)
    assert len(set(lines)) == len(lines)
    if name in ("train", "train many", "demo"):
        arguments = ["train", str(tmp_path / "quiet")] if name == "train" else arguments
        gridcode.train(run.config, out=tmp_path / "quiet")
        arguments = (
            ["demo", "--out", str(tmp_path / "demo2"), *OVERRIDES] if name == "demo" else arguments
        )
    if name == "pretrained":
        arguments = ["pretrained", "quick-64", "--out", str(tmp_path / "other")]
    quiet = [] if name in ("pretrained", "presets") else ["--quiet"]
    code, said = call([*arguments, "--json", *quiet], tmp_path / "error.txt")
    assert (code, said) == (0, "")
    assert json.loads(capsys.readouterr().out)


def test_ablate_in_a_log(tmp_path, capsys):
    options = [
        "--seeds",
        "0",
        "--variants",
        "no-capacity",
        "--arena",
        "1",
        "--nulls",
        "99",
        "--jobs",
        "1",
        *TRAINING,
    ]
    code, said = call(
        ["ablate", "quick", "--out", str(tmp_path / "a"), *options, "--json"],
        tmp_path / "error.txt",
    )
    assert code == 0, said
    assert json.loads(capsys.readouterr().out)["verdicts"] is not None
    assert (
        "\r" not in said
        and "\x1b" not in said
        and "train 2 networks: " in said
        and "measure " in said
    )


def test_presets_as_json(capsys):
    assert cli.main(["presets", "--json"]) == 0
    assert {row["preset"] for row in json.loads(capsys.readouterr().out)} == set(
        gridcode.config.preset_names()
    )
    assert cli.main(["presets", "quick", "--json"]) == 0
    assert gridcode.Config.model_validate(
        json.loads(capsys.readouterr().out)
    ) == gridcode.load_config("quick")
    assert cli.main(["presets", "--fields", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["key"] for row in rows} == set(gridcode.config.fields()) and all(
        row["meaning"] for row in rows
    )


METRICS = dict.fromkeys(("separation", "invariance", "capacity", "isometry"), 0.1)
METRICS |= {"loss": 0.123, "silent_units": 0, "steps_per_second": 50.0}


def test_a_log_gets_a_line_for_each_stage_and_signs_of_life(monkeypatch):
    monkeypatch.setattr(display, "SILENT_S", 0.2)
    out = io.StringIO()
    with progress_bar("evaluate", quiet=False, console=Console(file=out, width=40)) as show:
        show("null maps", 25, 100)
        time.sleep(1.1)  # no news: a long computation in one piece
        show("null maps", 100, 100)
        time.sleep(0.3)
        show("[2] of 3", 0, 1)
        show("[2] of 3", 1, 1)
    lines = out.getvalue().splitlines()
    # After 0.2, 0.6 and 1.4 s.
    assert sum(line.startswith("evaluate null maps: 25%, ") for line in lines) == 2
    assert lines[2:] == [
        "evaluate null maps: 1 s",
        "evaluate: at work for 0 s",
        "evaluate [2] of 3: 0 s",
    ]
    time.sleep(0.3)
    assert len(out.getvalue().splitlines()) == 5  # it ends with the work


def test_a_training_in_a_log_is_one_stage_with_a_line_for_each_tenth(monkeypatch):
    monkeypatch.setattr(display, "LINES_EVERY_S", 0.0)
    out = io.StringIO()
    with training_bar(quiet=False, console=Console(file=out)) as show:
        for step in range(1, 1001):
            show(Progress(step=step, steps=1000, metrics=METRICS))
    first, *tenths, last = out.getvalue().splitlines()
    assert first == "train: 1000 steps" and last.startswith("train: 0 s, loss 0.123, separation")
    assert [line[:10] for line in tenths] == [f"train: {10 * k}%" for k in range(1, 10)]
    monkeypatch.setattr(display, "LINES_EVERY_S", 15.0)
    out = io.StringIO()
    with many_bar(quiet=False, console=Console(file=out)) as show:
        for done in range(101):
            show(ManyProgress(done=done, total=100, finished=done // 50, networks=2))
    assert out.getvalue().splitlines() == [
        "train 2 networks: 100 steps",
        "train 2 networks: 0 s, 2 finished",
    ]


def test_80_columns_keep_steps_bar_and_time_left():
    out = io.StringIO()
    settings = {"TERM": "xterm"}
    console = Console(file=out, force_terminal=True, width=80, _environ=settings)
    with training_bar(quiet=False, console=console) as show:
        for step in (11000, 11500):
            show(Progress(step=step, steps=12000, metrics=METRICS))
            time.sleep(0.3)
    shown = Text.from_ansi(out.getvalue()).plain
    assert "train" in shown and "━" in shown and "11500/12000" in shown
    assert " s left " in shown and "loss 0.123" in shown and "0/?" not in shown


def test_work_without_steps():
    out = io.StringIO()
    with working("score", "report [1]", quiet=False, console=Console(file=out)):
        pass
    assert out.getvalue() == "score report [1]: 0 s\n"
    out = io.StringIO()
    with (
        pytest.raises(ValueError, match="broken"),
        working("score", "report", quiet=False, console=Console(file=out)),
    ):
        raise ValueError("broken")
    assert out.getvalue() == ""
    with working("score", "report", quiet=True, console=Console(file=out)):
        pass
    assert out.getvalue() == ""


def test_durations_are_read_at_a_glance():
    assert [duration(s) for s in (0.2, 99, 100, 3725, 7500)] == [
        "0 s",
        "99 s",
        "1 min 40 s",
        "62 min 5 s",
        "2 h 5 min",
    ]


@pytest.mark.parametrize(
    ("settings", "redraws"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "unknown"}, False)],
)
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(settings, redraws):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, _environ=settings)
    with progress_bar("evaluate", quiet=False, console=console) as show:
        show("smooth_6m", 1, 1)
    with training_bar(quiet=False, console=console) as show:
        show(Progress(step=2, steps=2, metrics=None))
    with many_bar(quiet=False, console=console) as show:
        show(ManyProgress(done=4, total=4, finished=2, networks=2))
    text = out.getvalue()
    assert ("\x1b[" in text) == redraws and "smooth_6m" in text and "train 2 networks" in text


def test_quiet_shows_nothing():
    for bar in (training_bar, many_bar):
        with bar(quiet=True) as show:
            assert show is None


def test_no_color_is_honoured_on_a_terminal():
    for settings, coloured in (
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ):
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=120, _environ=settings)
        with progress_bar("evaluate", quiet=False, console=console) as show:
            show("smooth_6m", 1, 2)
            show("smooth_6m", 2, 2)
        assert any(f"\x1b[{code}" in out.getvalue() for code in ("3", "38;", "1;3")) == coloured
