"""The state of a run folder, from a few small files that are read again only when they change."""

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.runs.run import Run, logged_row
from gridcode.viewer import overview
from gridcode.viewer.library import MOST_RUNS, Entry, Signature, is_inside, signature

# A training that writes nothing for longer is shown as stopped, until it writes again.
RECENT_S = 60.0
# The end of metrics.jsonl that surely holds a whole line.
TAIL_BYTES = 16_384
# A row of the list of runs in which nothing is known.
UNKNOWN = dict.fromkeys(overview.run_row(config=Config(), manifest={}, last=None, summary=None))
FILES = (
    "config.toml",
    "manifest.json",
    "metrics.jsonl",
    "evaluation/summary.json",
    "evaluation/ratemaps.nc",
    "evaluation/theory.nc",
    "evaluation/history.nc",
)
FOLDERS = ("checkpoints", "snapshots", "figures")


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run without reading its arrays.

    Attributes:
        state: `damaged`, `training`, `stopped`, `trained` or `evaluated`.
        problem: what is wrong, in one line, None where nothing is.
        row: its columns in the list of runs; None where one is not known.
        readable: whether its configuration is, so that there is something to show.
        finished: whether the training has reached its last step.
        updated: when it changed last, seconds since 1970.
    """

    state: str
    problem: str | None
    row: dict[str, Any]
    readable: bool = True
    finished: bool = False
    updated: float | None = None


def run_status(entry: Entry) -> RunStatus:
    """The state of a run now."""
    try:
        why = refused(entry)
    except OSError as error:  # a link to where one may not look
        why = plain(error, entry)
    if why is not None:
        return RunStatus("damaged", why, UNKNOWN, readable=False)
    found = signatures(entry, (*FILES, "checkpoints", "snapshots"))
    status = _status_on_disk(entry, found)
    if status.state in ("stopped", "evaluated") and not status.finished:
        written = [key[0] for key in (found[2], found[-2]) if key]
        recent = bool(written) and time.time() - max(written) / 1e9 < RECENT_S
        if recent or is_locked(entry):
            return replace(status, state="training")
    return status


def run_row(entry: Entry) -> dict[str, Any]:
    """A row of the list of runs."""
    now = run_status(entry)
    named = {"id": entry.id, "name": entry.name, "folder": entry.folder}
    return named | {"state": now.state, "problem": now.problem} | now.row | {"updated": now.updated}


def signatures(entry: Entry, names: tuple[str, ...]) -> tuple[Signature | None, ...]:
    """The signatures of some files of a run, or of its folders, by name."""
    return tuple(signature(entry.path / name) for name in names)


def plain(error: Exception, entry: Entry) -> str:
    """An error in one line, without where on the disk the run lies."""
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    text = text.replace(f"{entry.path}{os.sep}", "").replace(str(entry.path), entry.name)
    if len(entry.root.parts) > 1:
        text = text.replace(str(entry.root), entry.root.name)
    return " ".join(text.split())


def refused(entry: Entry) -> str | None:
    """Why a run must not be read at all, in one line; None where it may be.

    Links that lead out of the shown folder must not be followed, and reading a pipe would wait for
    ever.
    """
    for name in (".", *FILES, *_names_in_folders(entry.path)):
        path = entry.path / name
        if not os.path.lexists(path):
            continue
        if not is_inside(entry.root, path):
            return f"{name} is a link that leads out of the folder that is shown; it is not read"
        is_folder = path.is_dir() and name not in FILES
        if path.exists() and not is_folder and not path.is_file():
            return f"{name} is not an ordinary file"
    return None


def is_locked(entry: Entry) -> bool:
    """Whether another process holds the run for training; asks without making the lock file."""
    try:
        import fcntl
    except ImportError:
        return False
    path = entry.path / ".lock"
    if not is_inside(entry.root, path):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


def _names_in_folders(run: Path) -> Iterator[str]:
    for folder in FOLDERS:
        yield folder
        with contextlib.suppress(OSError), os.scandir(run / folder) as items:
            yield from (
                f"{folder}/{item.name}" for item in items if not item.is_file(follow_symlinks=False)
            )


@functools.lru_cache(MOST_RUNS)
def _status_on_disk(entry: Entry, found: tuple[Signature | None, ...]) -> RunStatus:
    """The state of a run whose files have these signatures, if nothing is training it."""
    row: dict[str, Any] = dict(UNKNOWN)
    times = [key[0] for key in found if key]
    updated = max(times) / 1e9 if times else None
    # Any file may be damaged in any way; that must not take the list of runs down.
    try:
        run = Run(entry.path)
        manifest, last = run.read_manifest(), _last_line(run.metrics_path)
        row |= overview.run_row(config=run.config, manifest=manifest, last=last, summary=None)
        finished = bool(manifest.get("finished")) or (manifest.get("step") or 0) >= row["steps"]
    except Exception as error:
        why = plain(error, entry)
        if not isinstance(error, InputError):
            why = f"config.toml, manifest.json or metrics.jsonl is damaged ({why})"
        return RunStatus("damaged", why, row, readable=False, updated=updated)
    state = "trained" if finished else "stopped"
    problem: str | None = None
    if run.summary_path.is_file():
        try:
            summary = run.read_summary()
            row |= overview.run_row(
                config=run.config, manifest=manifest, last=last, summary=summary
            )
            _check_maps(run)
            problem = run.out_of_date(summary) if summary else None
            state = "evaluated"
        except Exception as error:
            problem = plain(error, entry)
            if not problem.startswith("evaluated by"):  # another version
                state = "damaged"
    return RunStatus(state, problem, row, finished=finished, updated=updated)


def _last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of the metrics; one that is just being written is left out."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    return next(filter(None, map(logged_row, reversed(lines))), None)


def _check_maps(run: Run) -> None:
    """Raise where the file of the rate maps is missing or cut short; its arrays are not read."""
    if not run.ratemaps_path.is_file():
        raise InputError("evaluation/ratemaps.nc is missing; run `gridcode evaluate` again")
    try:
        h5py.File(run.ratemaps_path, "r").close()
    except (OSError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"evaluation/ratemaps.nc is damaged ({why}); run `gridcode evaluate` again"
        ) from None
