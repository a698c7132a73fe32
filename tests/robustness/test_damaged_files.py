"""Damaged files of runs and recordings: a line or a result, never a traceback.

`ROBUSTNESS_DRAWS=500 pytest -m slow tests/robustness/test_damaged_files.py` damages more of them.
"""

import os
import random
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import xarray as xr
from conftest import TINY
from stand_ins import accepted

import gridcode
from gridcode.cli import main

# h5netcdf closes files once more that it could not open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "500"))
RUN_FILES = [
    "config.toml",
    "manifest.json",
    "metrics.jsonl",
    "checkpoints/step-00000006.safetensors",
    "snapshots/step-00000006.safetensors",
    "evaluation/summary.json",
    "evaluation/ratemaps.nc",
    "evaluation/theory.nc",
    "evaluation/history.nc",
]
RECORDINGS = ["maps.npy", "maps.npz", "packed.npz", "path.npz", "spikes.npz", "maps.nc"]


def flipped(data, rng):
    """One bit or many, a piece cut off, swapped or overwritten, or something else altogether."""
    found = bytearray(data)
    kind = rng.randrange(8)
    if kind < 4:
        for _ in range(rng.choice([1, 1, 4, 40])):
            # Headers are short and matter most.
            end = len(found) if rng.random() < 0.5 else min(len(found), 600)
            found[rng.randrange(end)] ^= 1 << rng.randrange(8)
    elif kind == 4:
        del found[rng.randrange(len(found)) :]
    elif kind == 5:
        start = rng.randrange(len(found))
        size = rng.choice([1, 4, 16, 200])
        found[start : start + size] = rng.choice([b"\0", b"\xff", b"9", b"["]) * size
    elif kind == 6:
        start = rng.randrange(len(found))
        del found[start : start + rng.choice([1, 8, 64])]
    else:
        found = bytearray(rng.choice([b"", b"nothing", bytes(rng.randbytes(300)), b"[" * 5000]))
    return bytes(found)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A whole run, and recordings of every kind."""
    folder = tmp_path_factory.mktemp("originals")
    config = gridcode.load_config("quick").override(
        TINY
        | {"training.steps": 6, "training.checkpoint_every": 3}
        | {"evaluation.walks": ["smooth"]}
    )
    run = gridcode.train(config, out=folder / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gridcode.evaluate(run)
    # Arrays of some kind: what is read of them is a figure's business.
    shutil.copy(run.ratemaps_path, run.theory_path)
    shutil.copytree(folder / "run", folder / "other")
    rng = np.random.default_rng(0)
    maps = rng.random((2, 9, 9))
    np.save(folder / "maps.npy", maps)
    np.savez(folder / "maps.npz", rate_maps=maps, bin_size_m=0.05, units=["a", "b"])
    np.savez_compressed(folder / "packed.npz", rate_maps=maps, bin_size_m=0.05, x=np.arange(9) / 20)
    time = np.arange(400) * 0.02
    places = 0.5 * np.stack([np.sin(time), np.cos(1.3 * time)], axis=1)
    np.savez(folder / "path.npz", positions_m=places, time_s=time, activity=rng.random((400, 2)))
    np.savez_compressed(
        folder / "spikes.npz",
        positions_m=places,
        time_s=time,
        spike_times_s=rng.uniform(0, 8, 50),
        spike_units=rng.integers(0, 3, 50),
    )
    data = xr.Dataset(
        {"rate": (("unit", "y", "x"), maps)},
        coords={"x": np.arange(9) / 20, "y": np.arange(9) / 20},
        attrs={"bin_size_m": 0.05},
    )
    xr.DataTree.from_dict({"/here": data}).to_netcdf(folder / "maps.nc", engine="h5netcdf")
    return folder


@pytest.fixture
def stubbed(monkeypatch):
    """All is read; nothing is computed or drawn."""
    from gridcode.api import scoring, verbs
    from gridcode.report import animation, collection
    from gridcode.runs import history
    from gridcode.training import loop

    monkeypatch.setattr(verbs, "evaluate_system", accepted)
    monkeypatch.setattr(loop, "_loop", accepted)
    monkeypatch.setattr(scoring, "analyse_population", accepted)
    monkeypatch.setattr(scoring, "shift_significance", accepted)
    monkeypatch.setattr(scoring, "split_half_stability", lambda *_: np.zeros(len(_[0])))
    monkeypatch.setattr(collection, "run_figures", lambda *_args, **_settings: {})
    monkeypatch.setattr(animation, "encode", accepted)
    monkeypatch.setattr(history, "map_history", accepted)


READERS = [["report", "run"], ["film", "run"], ["compare", "run", "other"]]
COMMANDS = {
    "config.toml": [
        *(["train", "run"], ["evaluate", "run"], ["report", "run"]),
        ["train", "run/config.toml", "--out", "new"],
    ],
    "checkpoints": [["train", "run"], ["evaluate", "run"]],
    "snapshots": [["film", "run"], ["evaluate", "run"]],
    "evaluation": READERS,
    "ratemaps.nc": [*READERS, ["score", "run/evaluation/ratemaps.nc"]],
    "manifest.json": [["train", "run"], *READERS],
    "metrics.jsonl": [["train", "run"], *READERS],
}


def commands_for(file):
    for part in (file.split("/")[-1], file.split("/")[0]):
        if part in COMMANDS:
            return COMMANDS[part]
    return [["score", file] + (["--bin-size", "0.05"] if file.endswith(".npy") else [])]


def check(words, shown, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            code = main([*words, *(["--quiet"] if words[0] != "presets" else [])])
        except BaseException as error:
            raise AssertionError(f"{type(error).__name__} escaped: {shown}") from error
    said = capsys.readouterr()
    assert code in (0, 1, 2), f"exit code {code}: {shown}"
    assert "Traceback" not in said.err and said.err.count("\n") <= 8, f"{said.err!r}: {shown}"
    return code


def damage(file, count, seed, originals, tmp_path, capsys, monkeypatch):
    """Damage one file again and again, each time from the original."""
    rng = random.Random(f"{file} {seed}")
    whole = (originals / file).read_bytes()
    codes = []
    for number in range(count):
        here = tmp_path / str(number)
        shutil.copytree(originals, here)
        monkeypatch.chdir(here)
        (here / file).write_bytes(flipped(whole, rng))
        shown = f"{file}, seed {seed}, draw {number}"
        words = rng.choice(commands_for(file.removeprefix("run/")))
        codes.append(check(words, f"{' '.join(words)} with {shown}", capsys))
    return codes


FILES = [*(f"run/{name}" for name in RUN_FILES), *RECORDINGS]


@pytest.mark.usefixtures("stubbed")
@pytest.mark.parametrize("file", FILES)
def test_damaged(file, originals, tmp_path, capsys, monkeypatch):
    damage(file, 2, 1, originals, tmp_path, capsys, monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("stubbed")
@pytest.mark.parametrize("file", FILES)
def test_damaged_many_times(file, originals, tmp_path, capsys, monkeypatch):
    count = max(1, DRAWS // len(FILES))
    codes = damage(file, count, 100, originals, tmp_path, capsys, monkeypatch)
    with capsys.disabled():
        print(file, {code: codes.count(code) for code in sorted(set(codes))})


@pytest.mark.parametrize(
    "text",
    [
        b"[training]\nsteps = " + b"9" * 5000,
        b"[model]\nhidden_widths = " + b"[" * 5000,
        b"[model]\nhidden_widths = " + b"[" * 200 + b"]" * 200,
        b"x = {" + b"a = {" * 3000,
        b"[model]\nunits = 12\0",
        b"# caf\xe9",
        b"model = 3",
        b"[training]\nseed = 1e400",
        b"[training]\nseed = 1979-05-27",
    ],
    ids=lambda text: repr(text[:30]),
)
def test_texts_that_are_no_configuration(text, tmp_path, capsys):
    (tmp_path / "config.toml").write_bytes(text)
    file = str(tmp_path / "config.toml")
    for words in (["presets", file], ["train", file, "--out", str(tmp_path / "a")]):
        assert check(words, file, capsys) == 2
    assert check(["evaluate", str(tmp_path)], file, capsys) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def headed(header):
    """An .npy file of 24 x 24 numbers with a header of one's own."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8 * 24 * 24)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 24, 24), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 24, 24), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999, 99999999, 9), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 24, 24",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1, 24, 24), }",
        "{'descr': '<f8', 'fortran_order': 'x', 'shape': 'y', }",
        "(" * 100,
        "'" * 7 + "\\",
    ],
)
def test_headers_of_arrays(header, tmp_path, capsys):
    (tmp_path / "maps.npy").write_bytes(headed(header))
    with zipfile.ZipFile(tmp_path / "maps.npz", "w") as archive:
        archive.writestr("rate_maps.npy", headed(header))
    for name in ("maps.npy", "maps.npz"):
        words = ["score", str(tmp_path / name), "--bin-size", "0.05"]
        assert check(words, header, capsys) == 2


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_of_other_methods(method, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "maps.npz", "w", method) as archive:
        archive.writestr("rate_maps.npy", headed("{}"))
    assert check(["score", str(tmp_path / "maps.npz")], "another method", capsys) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_are_not_waited_for(tmp_path, capsys):
    for name in ("maps.npz", "a.toml", "config.toml"):
        os.mkfifo(tmp_path / name)
    for words in (
        ["score", str(tmp_path / "maps.npz")],
        ["presets", str(tmp_path / "a.toml")],
        ["report", str(tmp_path)],
        ["score", "example", "--report", str(tmp_path / "a.toml")],
    ):
        assert check(words, "a pipe", capsys) == 2
