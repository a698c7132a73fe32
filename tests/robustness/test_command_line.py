"""Hostile words on the command line: exit code 0, 1 or 2, one line, and nothing left behind.

`ROBUSTNESS_DRAWS=2000 pytest -m slow tests/robustness/test_command_line.py` draws more of them.
"""

import contextlib
import os
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY

import gridcode
from gridcode.cli import COMMANDS, main
from gridcode.cli.options import Parser
from gridcode.config import Config, EvaluationConfig, fields
from gridcode.errors import InputError, TrainingError

SECTIONS = ("world", "model", "loss", "training", "evaluation")
WORDS = [
    *("", " ", "-", "--", "=", ",", "nan", "-nan", "inf", "-inf", "1e308", "1e-308", "1e-200"),
    *("1e200", "-1", "0", "-0.0", "1e400", "9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000),
    *("[" * 3000, "[" * 3000 + "1" + "]" * 3000, "[" * 200 + "]" * 200, "[[1]]", "[]", "[1, 2", "{}"),
    *("true", "false", "null", "None", "[true]", "[nan]", '["a"]', "'", '"', '"""', "\\", "#", "1 # 2"),
    *("{a = 1}", "{a.b.c.d = 1}", "1979-05-27", "07:32:00", "1\n[world]", "1\nx = 2", "0x7f", "1_0"),
    *("\x1b[31mred", "\r", "é", "漢字", "\U0001f980", "\u202eabc", "caf\udce9", "%s%n", "{0}"),
    *("../..", "/", ".", "/dev/full", "/dev/null", "/dev/zero", "/proc/self/mem", "a" * 300, "a/" * 3000),
    *("0-99999999999999999999", "5-3", "0,0", "1,2,3", "sigma_g=", "=1", "sigma_g=0.3,0.4", "x=1"),
    *("4611686018427387904", "9223372036854775808", "3000000000", "99999999999", "[99999999999]"),
    *("quick", "paper", "run", "maps.npy", "path.npz", "nothing.npz", "text.toml", "٣", "１２"),
]


def drawn(rng):
    """A value that makes no sense for most options."""
    kind = rng.randrange(6)
    if kind < 3:
        return rng.choice(WORDS)
    if kind == 3:
        return repr(rng.choice([-1, 1]) * 10 ** rng.uniform(-320, 308))
    if kind == 4:
        return str(rng.choice([-1, 1]) * int(10 ** rng.uniform(0, 40)))
    return "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(1, 0x2000)])) for _ in range(9))


def options_of(command):
    """The options of a command, by their last name, and whether they take a value."""
    parser = Parser()
    gridcode.cli._module(command).add_options(parser, [])
    return [
        (action.option_strings[-1], action.nargs != 0)
        for action in parser._actions
        if action.option_strings
    ]


OPTIONS = {name: options_of(name) for name in COMMANDS}
SETTINGS = [f"--{key.replace('_', '-')}" for key in fields()]
FIRST = {
    "train": ["quick", "run", "text.toml"],
    "evaluate": ["run"],
    "report": ["run"],
    "film": ["run"],
    "compare": ["run"],
    "score": ["maps.npy", "path.npz", "maps.npz"],
    "presets": ["quick"],
    "pretrained": ["quick-64"],
    "reproduce": ["fig4", "fig7"],
    "ablate": ["quick"],
}


def words_of(rng):
    """A command line of one command with bad values, and now and then a good one."""
    command = rng.choice(list(COMMANDS))
    words = [command]
    if rng.random() < 0.9 and command in FIRST:
        words.append(rng.choice(FIRST[command]))
    elif rng.random() < 0.7:
        words.append(drawn(rng))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        flag, valued = rng.choice(OPTIONS[command] or [("--json", False)])
        value = drawn(rng)
        words += [f"{flag}={value}"] if valued and rng.random() < 0.8 else [flag, value]
        if not valued and rng.random() < 0.8:
            words.pop()
    return words


class Accepted(TrainingError):
    """What the command line let through: the work itself is not done here."""


def accepted(*_args, **_kwargs):
    raise Accepted("accepted")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a trained run, maps, a path and a text."""
    folder = tmp_path_factory.mktemp("place")
    config = gridcode.load_config("quick").override(
        TINY | {"training.steps": 3, "training.checkpoint_every": 3}
    )
    gridcode.train(config, out=folder / "run")
    rng = np.random.default_rng(0)
    np.save(folder / "maps.npy", rng.random((2, 9, 9)))
    np.savez(folder / "maps.npz", rate_maps=rng.random((2, 9, 9)), bin_size_m=0.05)
    time = np.arange(400) * 0.02
    places = 0.5 * np.stack([np.sin(time), np.cos(1.3 * time)], axis=1)
    np.savez(folder / "path.npz", positions_m=places, time_s=time, activity=rng.random((400, 2)))
    (folder / "text.toml").write_text("[model]\nunits = 12\n")
    return folder


@pytest.fixture
def stubbed(monkeypatch):
    """No work: what was accepted ends at once."""
    pytest.importorskip("uvicorn")
    from gridcode.api import reports, scoring, verbs
    from gridcode.cli.commands import ablate, pretrained  # noqa: F401
    from gridcode.packaged import networks, picture
    from gridcode.paper.ablation import study, training
    from gridcode.paper.reproduce import fig7, figures
    from gridcode.viewer import serving

    for module, names in {
        verbs: ("train_run", "open_runs", "evaluate_system", "map_training"),
        scoring: ("analyse_population", "shift_significance"),
        reports: ("map_training",),
        study: ("train_ablation",),
        training: ("train_ablation",),
        figures: ("open_networks",),
        fig7: ("make",),
        picture: ("write_picture",),
        networks: ("unpack",),
        serving: ("serve",),
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, accepted)
    monkeypatch.setenv("COLUMNS", "100")


def listing(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def check(words, place, capsys):
    """Run a command line, and hold it to the rules; returns its exit code."""
    before = listing(place)
    shown = " ".join(word if len(word) < 60 else f"{word[:60]}..." for word in words)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            code = main(words)
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__} escaped: gridcode {shown!r}") from error
    said = capsys.readouterr()
    assert code in (0, 1, 2), f"exit code {code}: {shown!r}"
    assert "Traceback" not in said.err, f"traceback: {shown!r}"
    assert said.err.count("\n") <= 4 and len(said.err) < 5000, f"{said.err!r}: {shown!r}"
    if code:
        assert said.err.startswith("gridcode: "), f"{said.err!r}: {shown!r}"
    after = listing(place)
    if code == 2:
        assert after == before, f"left behind {set(after) ^ set(before)}: {shown!r}"
    for path in set(after) - set(before):
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            Path(path).unlink()
    return code


def draw_many(count, seed, place, capsys, monkeypatch, make):
    monkeypatch.chdir(place)
    rng, codes = random.Random(seed), []
    for _ in range(count):
        codes.append(check(make(rng), place, capsys))
    return codes


DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "2000"))


def test_bad_words(place, stubbed, capsys, monkeypatch):
    codes = draw_many(60, 1, place, capsys, monkeypatch, words_of)
    assert codes.count(2) > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_many_bad_words(seed, place, stubbed, capsys, monkeypatch):
    codes = draw_many(DRAWS // 4, 100 + seed, place, capsys, monkeypatch, words_of)
    with capsys.disabled():
        print({code: codes.count(code) for code in sorted(set(codes))})
