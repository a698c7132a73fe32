"""Hostile words on the command line: exit code 0, 1 or 2, one line, and nothing left behind.

`ROBUSTNESS_DRAWS=2000 pytest -m slow tests/robustness/test_command_line.py` draws more of them.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from stand_ins import accepted

import gridcode
from gridcode.cli import COMMANDS, main
from gridcode.cli.options import Parser
from gridcode.config import fields
from gridcode.errors import InputError

DEEP = "[" * 3000
WORDS = [
    *("", " ", "-", "--", "=", ",", "nan", "-nan", "inf", "-inf", "1e308", "1e-308", "1e-200"),
    *("1e200", "-1", "0", "-0.0", "1e400", "9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000),
    *(DEEP, DEEP + "1" + "]" * 3000, "[" * 200 + "]" * 200, "[[1]]", "[]", "[1, 2", "{}", "1_0"),
    *("true", "false", "null", "None", "[true]", "[nan]", '["a"]', "'", '"', '"""', "#", "1 # 2"),
    *("{a = 1}", "{a.b.c.d = 1}", "1979-05-27", "07:32:00", "1\n[world]", "1\nx = 2", "0x7f"),
    *("\x1b[31mred", "\r", "é", "漢字", "\U0001f980", "\u202eabc", "caf\udce9", "%s%n", "{0}"),
    *("../..", "/", ".", "/dev/full", "/dev/null", "/dev/zero", "/proc/self/mem"),
    *("a" * 300, "a/" * 3000, "\\", "nul\0"),
    *("0-99999999999999999999", "5-3", "0,0", "1,2,3", "sigma_g=", "=1", "sigma_g=0.3,0.4", "x=1"),
    *("4611686018427387904", "9223372036854775808", "3000000000", "99999999999", "[99999999999]"),
    *("quick", "paper", "run", "maps.npy", "path.npz", "nothing.npz", "text.toml", "\u0663"),
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
    letters = ((rng.randrange(32, 127), rng.randrange(1, 0x2000)) for _ in range(9))
    return "".join(chr(rng.choice(pair)) for pair in letters)


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
FIRST = {
    "train": ["quick", "run", "text.toml"],
    "evaluate": ["run"],
    "report": ["run"],
    "film": ["run"],
    "compare": ["run"],
    "score": ["maps.npy", "path.npz", "maps.npz"],
    "decode": ["maps.npy", "path.npz", "maps.npz"],
    "export": ["maps.npz", "path.npz", "run", "quick-64"],
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
    from gridcode.api import decoding, reports, scoring, verbs
    from gridcode.cli.commands import ablate, pretrained  # noqa: F401
    from gridcode.interop import export
    from gridcode.packaged import networks, picture
    from gridcode.paper.ablation import study, training
    from gridcode.paper.reproduce import fig7, figures
    from gridcode.viewer import serving

    for module, names in {
        verbs: ("train_run", "open_runs", "evaluate_system", "map_training"),
        scoring: ("analyse_population", "shift_significance"),
        decoding: ("decode_path",),
        export: ("gather",),
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
    rng = random.Random(seed)
    return [check(make(rng), place, capsys) for _ in range(count)]


DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "2000"))


@pytest.mark.usefixtures("stubbed")
def test_bad_words(place, capsys, monkeypatch):
    codes = draw_many(60, 1, place, capsys, monkeypatch, words_of)
    assert codes.count(2) > 20


@pytest.mark.slow
@pytest.mark.usefixtures("stubbed")
@pytest.mark.parametrize("seed", range(4))
def test_many_bad_words(seed, place, capsys, monkeypatch):
    codes = draw_many(DRAWS // 4, 100 + seed, place, capsys, monkeypatch, words_of)
    with capsys.disabled():
        print({code: codes.count(code) for code in sorted(set(codes))})


@pytest.mark.usefixtures("stubbed")
@pytest.mark.parametrize(
    "words",
    [
        *(
            ["train", "quick", f"--{name}", value]
            for name, value in [
                ("sigma-g", "1e-200"),
                ("sigma-g", "1e200"),
                ("max-velocity-m", "1e200"),
                ("isometry-range-m", "1e308"),
                ("threads", "4611686018427387904"),
                ("units", "3000000000"),
                ("units", "100000"),
                ("hidden-widths", "[99999999999]"),
                ("bin-size-m", "1e-9"),
                ("arenas-m", "[1e308]"),
                ("samples-per-bin", "1e6"),
                ("hidden-widths", "[true]"),
                ("device", "cuda"),
                ("steps", "9" * 5000),
                ("hidden-widths", DEEP),
            ]
        ),
        ["evaluate", "run", "--arena", "1e308"],
        ["evaluate", "run", "--bin-size-m", "1e-9"],
        ["ablate", "quick", "--arena", "1e300"],
        ["ablate", "quick", "--nulls", "9" * 17],
        [
            "train",
            "quick",
            "--seeds",
            "0-9",
            *["--vary", "units=" + ",".join(map(str, range(8, 99)))],
            *["--vary", "sigma_g=" + ",".join(map(str, range(1, 99)))],
        ],
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_settings_beyond_arithmetic_are_refused_before_a_folder_is_made(
    words, place, capsys, monkeypatch
):
    if "cuda" in words:
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(place)
    assert check(words, place, capsys) == 2


def forbidden(*_args, **_kwargs):
    raise AssertionError("work was begun")


@pytest.mark.parametrize("file", ["maps.npz", "path.npz"])
@pytest.mark.parametrize(
    "options",
    [
        ["--significance", "2"],
        ["--significance", "nan"],
        ["--false-discovery-rate", "5"],
        ["--null", "x"],
        ["--nulls", "3"],
        ["--nulls", "9" * 17],
        ["--state-space", "--shuffles", "1"],
        ["--report", "nowhere/page.html"],
        ["--report", "/dev/null"],
        ["--report", "a" * 250 + ".html"],
        ["--figures", "maps.npy/figures"],
        ["--figures", "a" * 300],
    ],
    ids=" ".join,
)
def test_score_refuses_before_the_work(file, options, place, capsys, monkeypatch):
    from gridcode.api import scoring

    for name in ("analyse_population", "shift_significance", "split_halves"):
        monkeypatch.setattr(scoring, name, forbidden)
    monkeypatch.chdir(place)
    assert check(["score", file, *options], place, capsys) == 2
    assert Path("/dev/null").is_char_device()


def test_levels_are_checked_first_in_python_too(place):
    for bad in ({"significance": 2}, {"false_discovery_rate": 5}, {"null": "x"}, {"nulls": 3}):
        with pytest.raises(InputError, match=next(iter(bad)).split("_")[0][:4]):
            gridcode.score(place / "no such file.npz", **bad)


FLOATS = [key for key, field in fields().items() if field.annotation is float]
BOUNDS = [
    (key, bound)
    for key in FLOATS
    for part in fields()[key].metadata
    for bound in (getattr(part, name, None) for name in ("ge", "gt", "le", "lt"))
    if bound is not None
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("key", "bound"), BOUNDS)
def test_arithmetic_bears_the_bounds(key, bound, place, tmp_path, capsys):
    """What is accepted trains and is evaluated, or says in a line why not."""
    value = {"evaluation.significance": 0.5, "evaluation.false_discovery_rate": 0.5}.get(key, bound)
    value = value or 1e-300
    words = [f"--{key.replace('_', '-')}={value!r}"]
    shutil.copytree(place / "run", tmp_path / "run")
    if key.startswith("evaluation"):
        code = main(["evaluate", str(tmp_path / "run"), "--quiet", *words])
    else:
        tiny = [f"--{name}={value}".replace("'", '"') for name, value in TINY.items()]
        shown = [word.lower() if word.endswith(("True", "False")) else word for word in tiny]
        out = str(tmp_path / "new")
        code = main(["train", "quick", "--out", out, *shown, "--steps=8", "--quiet", *words])
    said = capsys.readouterr().err
    assert code in (0, 1, 2) and "Traceback" not in said and said.count("\n") <= 6, said


# In another process, as another user, with other streams: `main` cannot be tried in this one.
USER = """
import importlib, os, pkgutil
import gridcode
from gridcode.cli import main
# Python itself may be in a folder that the other user may not enter.
for module in pkgutil.walk_packages(gridcode.__path__, "gridcode."):
    if not module.name.endswith("__main__") and ".gpu" not in module.name:
        importlib.import_module(module.name)
os.setegid(65534), os.seteuid(65534)
for words in {commands!r}:
    print(main(words))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to be root")
def test_folders_that_one_may_not_enter(place, tmp_path):
    closed = tmp_path / "closed"
    shutil.copytree(place / "run", closed / "run")
    shutil.copytree(place / "run", tmp_path / "read-only")
    closed.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            with contextlib.suppress(OSError):
                folder.chmod(folder.stat().st_mode | 0o055)
    run, elsewhere = str(closed / "run"), str(closed / "new")
    maps = str(shutil.copy(place / "maps.npz", tmp_path / "maps.npz"))
    commands = [
        *([name, run] for name in ("train", "evaluate", "report", "film", "compare")),
        ["presets", f"{run}/config.toml"],
        ["score", f"{run}/maps.npz"],
        ["score", maps, "--report", f"{elsewhere}.html"],
        ["score", maps, "--figures", elsewhere],
        ["train", "quick", "--out", elsewhere],
        ["train", "quick", "--out", elsewhere, "--seeds", "0-1"],
        ["ablate", "quick", "--out", elsewhere],
        ["reproduce", "fig4", "--out", elsewhere],
        ["reproduce", "fig4", "--runs", run],
        ["pretrained", "quick-64", "--out", elsewhere],
        ["evaluate", str(tmp_path / "read-only")],
    ]
    done = subprocess.run(
        [sys.executable, "-c", USER.format(commands=commands)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MPLCONFIGDIR": str(tmp_path)},
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("gridcode: ")]
    assert done.stdout.split() == ["2"] * len(commands), done.stderr
    assert len(said) == len(commands) and "Traceback" not in done.stderr
    assert sorted(path.name for path in closed.iterdir()) == ["run"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("presets --fields > /dev/full", 1),
        ("--help > /dev/full", 1),
        ("presets >&-", 0),
        ("train quik 2>&-", 2),
        ("train quik 2> /dev/full", 2),
        ("presets <&- >&- 2>&-", 0),
        ("train 'caf\udce9'", 2),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_streams_that_are_full_or_closed(words, code, tmp_path):
    command = f"{sys.executable} -m gridcode {words}"
    done = subprocess.run(
        ["bash", "-c", os.fsencode(command)], capture_output=True, cwd=tmp_path, check=False
    )
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert said.count("\n") <= 1 and "Traceback" not in said and "ignored" not in said
    assert not list(tmp_path.iterdir())


def test_a_working_directory_that_was_deleted(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        "import os; os.rmdir(os.getcwd()); from gridcode.cli import main; print(main(['presets']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path / "gone",
        check=False,
    )
    assert done.stdout == "2\n" and "the working directory cannot be used" in done.stderr


def test_memory_advice_names_what_takes_it():
    from gridcode.training.memory import what_to_lower

    for changes, name in (
        ({"units": 8, "hidden_widths": [10**6]}, "model.hidden_widths"),
        ({"units": 8, "hidden_widths": [10**5, 10**5, 8]}, "model.hidden_widths"),
        ({"units": 10**4}, "model.units"),
        ({"trajectories": 30 * 10**4}, "world.trajectories"),
    ):
        config = gridcode.load_config("quick").override(changes)
        assert what_to_lower(config, 1).startswith(f"lower {name} (now ")
