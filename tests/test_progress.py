import contextlib
import io
import json
import shutil
import time

import numpy as np
import pytest
from conftest import TINY
from rich.console import Console

import gridcode
from gridcode import bench, cli
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.cli import progress as display
from gridcode.cli.progress import can_redraw, evaluation_bar, many_bar, training_bar, working
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
            ["score", str(maps), "--nulls", "200", "--report", str(folder / "maps.html")],
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
        "bench": (["bench"], "bench"),
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
def test_a_log_gets_plain_lines_quiet_none_and_json_stays_pure(
    name, run, maps, tmp_path, capsys, monkeypatch
):
    shutil.copytree(run.folder, tmp_path / "again")
    case = {
        "device": "cpu",
        "preset": "quick",
        "shape": {"units": 8, "steps": 4, "trajectories": 4},
        "pairs": "all",
        "floor_ms": 1.0,
        "parts": [],
    }
    case |= {"step_cpu_ms": {"median": 1.0, "min": 1.0, "max": 1.0}, "peak_memory_mb": 1}
    monkeypatch.setattr(bench, "run", lambda **_: iter([case] * bench.number_of_cases()))
    arguments, title = commands(run, maps, tmp_path)[name]
    code, said = call(arguments, tmp_path / "error.txt")
    shown = capsys.readouterr().out
    assert code == 0, said
    assert "\r" not in said and "\x1b" not in said and "\r" not in shown and "\x1b" not in shown
    lines = said.splitlines()
    assert not title or any(line.startswith(title + " ") for line in lines)
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
    # Warnings are no progress.
    assert code == 0 and not [
        line for line in said.splitlines() if not line.startswith("gridcode: with 99 null maps")
    ]
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
        and "train 2 networks" in said
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


def test_long_work_is_spoken_of_now_and_then_with_percent(monkeypatch):
    monkeypatch.setattr(display, "LINES_EVERY_S", 0.2)
    out = io.StringIO()
    with evaluation_bar(Console(file=out, width=200), quiet=False) as tell:
        tell("smooth_6m", 25, 100)
        time.sleep(0.7)  # no news: a long computation in one piece
        tell("smooth_6m", 100, 100)
        time.sleep(0.3)
    lines = out.getvalue().splitlines()
    assert (
        2 <= lines.count("evaluate smooth_6m 25%") <= 4
        and lines.count("evaluate smooth_6m done") == 1
    )
    assert lines.count("evaluate at work") >= 1 and lines.index(
        "evaluate smooth_6m done"
    ) < lines.index("evaluate at work")
    size = len(out.getvalue())
    time.sleep(0.4)
    assert len(out.getvalue()) == size  # it stopped with the work


def test_work_without_steps_says_that_it_goes_on_and_that_it_is_done(monkeypatch):
    monkeypatch.setattr(display, "LINES_EVERY_S", 0.2)
    out = io.StringIO()
    with working(Console(file=out), quiet=False, title="bench", what="case [1] of 3"):
        time.sleep(0.3)
    assert (
        out.getvalue().splitlines()[0] == "bench case [1] of 3 at work"
        and out.getvalue().splitlines()[-1] == "bench case [1] of 3 done"
    )
    out = io.StringIO()
    with (
        pytest.raises(ValueError, match="broken"),
        working(Console(file=out), quiet=False, title="bench", what="case"),
    ):
        raise ValueError("broken")
    assert "done" not in out.getvalue()
    with working(Console(file=out), quiet=True, title="bench", what="case"):
        pass
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("settings", "redraws"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "unknown"}, False)],
)
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(settings, redraws):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, _environ=settings)
    assert can_redraw(console) == redraws
    for bar in (evaluation_bar, training_bar, many_bar):
        with bar(console, quiet=False) as tell:
            if bar is evaluation_bar:
                tell("smooth_6m", 1, 1)
            elif bar is training_bar:
                tell(Progress(step=2, steps=2, metrics=None))
            else:
                tell(ManyProgress(done=4, total=4, finished=2, networks=2))
    text = out.getvalue()
    assert ("\x1b[" in text) == redraws and "smooth_6m" in text and "2/2" in text and "4/4" in text


def test_no_color_is_honoured_on_a_terminal():
    for settings, coloured in (
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ):
        out = io.StringIO()
        with evaluation_bar(
            Console(file=out, force_terminal=True, width=120, _environ=settings), quiet=False
        ) as tell:
            tell("smooth_6m", 1, 2)
            tell("smooth_6m", 2, 2)
        assert any(f"\x1b[{code}" in out.getvalue() for code in ("3", "38;", "1;3")) == coloured
