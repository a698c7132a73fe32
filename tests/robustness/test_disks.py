"""Full disks, size limits and read-only folders: one line, nothing lost, resumed bit for bit."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import TINY
from forks import Forks
from test_kills import findings, same_findings, same_training

from gridcode import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts and limits of Linux")

SETTINGS = TINY | {"model.units": 6, "evaluation.bin_size_m": 0.1, "training.snapshots": 2}
OPTIONS = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in SETTINGS.items()]
# On an evaluation that is older than the checkpoint.
NOTES = ("run `gridcode evaluate` again",)


@pytest.fixture(scope="module")
def forks():
    with Forks() as found:
        yield found


@pytest.fixture(scope="module")
def whole(forks, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    ok(forks.run("train", "quick", *OPTIONS, "--out", run, "--quiet"))
    ok(forks.run("evaluate", run, "--quiet"))
    return Run(run)


def ok(found):
    assert found["code"] == 0, found["err"]


def failed(found, *parts, codes=(1, 2)):
    """One line on standard error, beside notes."""
    assert found["code"] in codes, found
    lines = [line for line in found["err"].splitlines() if not line.endswith(NOTES)]
    assert len(lines) == 1 and lines[0].startswith("gridcode: "), found["err"]
    assert all(part in lines[0] for part in parts), lines


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    folder.mkdir()
    options = f"size={kilobytes}k"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def room_for(folder, kilobytes):
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [4, 24, 48])
def test_training_on_a_full_disk_goes_on_when_there_is_room(forks, whole, tmp_path, kilobytes):
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        run = disk / "run"
        found = forks.run("train", "quick", *OPTIONS, "--out", run, "--quiet")
        failed(found, "the disk is full")
        assert not list(run.rglob("*.part"))
        room_for(disk, 4000)
        words = ("train", run) if (run / "config.toml").exists() else None
        ok(forks.run(*(words or ("train", "quick", *OPTIONS, "--out", run)), "--quiet"))
        same_training(Run(run), whole)


def test_evaluation_report_and_film_on_a_full_disk(forks, whole, tmp_path):
    with small_disk(tmp_path / "disk", 4000) as disk:
        run = Run(shutil.copytree(whole.folder, disk / "run"))
        old = findings(run)
        (disk / "filling").write_bytes(b"x" * (used(disk)["free"] - 4096))
        for command in (
            ("evaluate", run.folder, "--evaluation.seed", 1),
            ("film", run.folder, "--size", 240),
        ):
            failed(forks.run(*command, "--quiet"), "the disk is full")
            assert same_findings(findings(run), old)
            assert not run.film_path.exists() and not list(run.folder.rglob("*.part"))
        (disk / "filling").unlink()
        ok(forks.run("evaluate", run.folder, "--evaluation.seed", 1, "--quiet"))
        assert not same_findings(findings(run), old)


def used(folder):
    found = os.statvfs(folder)
    return {"free": found.f_bavail * found.f_frsize}


@pytest.mark.parametrize("size", [1_000, 2_000, 5_000])
def test_files_may_not_grow_beyond_a_limit(forks, whole, tmp_path, size):
    run = tmp_path / "run"
    limits = {"RLIMIT_FSIZE": size}
    words = ("train", "quick", *OPTIONS, "--out", run, "--quiet")
    failed(forks.run(*words, limits=limits), "File too large")
    assert not list(run.rglob("*.part"))
    ok(forks.run(*(("train", run, "--quiet") if (run / "config.toml").exists() else words)))
    same_training(Run(run), whole)


@pytest.mark.parametrize("command", [("film", "--size", 240), ("score", "--nulls", 99)])
def test_results_beyond_a_limit_leave_what_was_there(forks, whole, tmp_path, command):
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    old = findings(run)
    name, *rest = command
    words = (name, run.folder, *rest)
    if name == "score":
        words = (name, run.ratemaps_path, "--report", tmp_path / "page.html", *rest)
    failed(forks.run(*words, "--quiet", limits={"RLIMIT_FSIZE": 4000}))
    assert same_findings(findings(run), old)
    assert not list(tmp_path.rglob("*.part")) and not (tmp_path / "page.html").exists()
    ok(forks.run(*words, "--quiet"))


@contextlib.contextmanager
def read_only(folder):
    """A folder that even root cannot write."""
    done = subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("may not mount a folder read-only here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_read_only_folders_are_one_line(forks, whole, tmp_path):
    run = Run(shutil.copytree(whole.folder, tmp_path / "run"))
    (run.folder / "checkpoints" / "step-00000030.safetensors").unlink()
    old = findings(run)
    commands = (
        ("train", run.folder),
        ("evaluate", run.folder),
        ("film", run.folder, "--size", 240),
        ("train", "quick", *OPTIONS, "--out", run.folder / "new"),
    )
    with read_only(run.folder):
        for command in commands:
            failed(forks.run(*command, "--quiet"), "Read-only file system")
            assert same_findings(findings(run), old)
    ok(forks.run("train", run.folder, "--quiet"))
    same_training(run, whole)
