"""The state of a run folder, from a few small files that are read again only when they change."""

import contextlib
import functools
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import h5py

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.runs.run import Run, checkpoint_step
from gridcode.runs.training_log import logged_row
from gridcode.viewer import overview
from gridcode.viewer.library import MOST_RUNS, Entry, Signature, is_inside, signature

# A training that writes nothing for longer is shown as stopped, until it writes again.
RECENT_S = 60.0
# What the first answer with the list of runs, and each later one, spends on runs that were not read
# before, and how many of them it reads however long that takes.
READING_S, READING_ON_S, READ_AT_LEAST = 0.3, 1.5, 20
# The end of metrics.jsonl that is read for the list of runs: some thousand lines.
TAIL_BYTES = 1_000_000
# A row of the list of runs in which nothing is known.
UNKNOWN = dict.fromkeys(overview.run_row(config=Config(), manifest={}, last=None, summary=None))
CONFIG, MANIFEST, METRICS = "config.toml", "manifest.json", "metrics.jsonl"
SUMMARY, RATEMAPS = "evaluation/summary.json", "evaluation/ratemaps.nc"
THEORY, HISTORY = "evaluation/theory.nc", "evaluation/history.nc"
FILES = (CONFIG, MANIFEST, METRICS, SUMMARY, RATEMAPS, THEORY, HISTORY)
FOLDERS = ("checkpoints", "snapshots", "figures")
T = TypeVar("T")


@dataclass(frozen=True)
class RunStatus:
    """What is known of a run without reading its arrays.

    Attributes:
        state: `damaged`, `training`, `stopped`, `trained` or `evaluated`.
        problem: what is wrong, in one line, None where nothing is.
        row: its columns in the list of runs; None where one is not known.
        readable: whether its configuration is, so that there is something to show.
        finished: whether the training has reached its last step.
        evaluate: whether it is trained and its evaluation is missing, damaged or out of date.
        updated: when it changed last, seconds since 1970.
        damaged: its files that cannot be used; what the others hold is shown.
    """

    state: str
    problem: str | None
    row: dict[str, Any]
    readable: bool = True
    finished: bool = False
    evaluate: bool = False
    updated: float | None = None
    damaged: frozenset[str] = frozenset()


def run_status(entry: Entry) -> RunStatus:
    """The state of a run now; that of a run that cannot be looked at is `damaged`."""
    try:
        why = refused(entry)
        return _status_now(entry) if why is None else _unreadable(why)
    except Exception as error:  # whatever it is, the other runs are shown
        return _unreadable(plain(error, entry))


def _unreadable(why: str) -> RunStatus:
    return RunStatus("damaged", why, UNKNOWN, readable=False)


def _status_now(entry: Entry) -> RunStatus:
    found = signatures(entry, (*FILES, "checkpoints", "snapshots"))
    status = _status_on_disk(entry, found)
    if status.readable and not status.finished:
        written = [key[0] for key in (found[2], found[-2]) if key]
        recent = bool(written) and time.time() - max(written) / 1e9 < RECENT_S
        if recent or is_locked(entry):
            return replace(status, state="training", evaluate=False)
    return status


def run_row(entry: Entry) -> dict[str, Any]:
    """A row of the list of runs."""
    now = run_status(entry)
    named = {"id": entry.id, "name": entry.name, "folder": entry.folder}
    found = {"state": now.state, "problem": now.problem} | now.row | {"updated": now.updated}
    return named | found | {"evaluate": entry.command("evaluate") if now.evaluate else None}


def run_rows(entries: Sequence[Entry], read: set[Entry]) -> list[dict[str, Any]]:
    """Rows of the list of runs, without waiting for all of many runs that are new.

    Reading a run for the first time takes some 20 ms, more with many units. Once that has taken
    `READING_S`, other new runs have the state `reading`, and are read when the list is next asked
    for.

    Args:
        entries: the runs, in the order of the list.
        read: the runs that were read before; those read now are added.
    """
    left, new, rows = READING_ON_S if read else READING_S, 0, []
    for entry in entries:
        if entry in read:
            rows.append(run_row(entry))
        elif left > 0 or new < READ_AT_LEAST:
            new += 1
            began = time.monotonic()
            rows.append(run_row(entry))
            left -= time.monotonic() - began
            read.add(entry)
        else:
            named = {"id": entry.id, "name": entry.name, "folder": entry.folder}
            state = {"state": "reading", "problem": None}
            rows.append(named | state | UNKNOWN | {"updated": None, "evaluate": None})
    return rows


def signatures(entry: Entry, names: tuple[str, ...]) -> tuple[Signature | None, ...]:
    """The signatures of some files of a run, or of its folders, by name."""
    own = f"{entry.path}{os.sep}"  # joining paths takes longer than asking the system
    return tuple(signature(own + name) for name in names)


def plain(error: Exception, entry: Entry) -> str:
    """An error in one line, without where on the disk the run lies."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or 'a file'} cannot be read ({error.strerror})"
    else:
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
    if not is_inside(entry.root, entry.path):
        return _leads_out(".")
    own = f"{entry.path}{os.sep}"
    for name in ("evaluation", *FILES, *_names_in_folders(own)):
        try:
            mode = os.lstat(own + name).st_mode
            if stat.S_ISLNK(mode):  # Following names that are no links takes long.
                if not is_inside(entry.root, Path(own + name)):
                    return _leads_out(name)
                mode = os.stat(own + name).st_mode  # noqa: PTH116
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(mode) and not (stat.S_ISDIR(mode) and name not in FILES):
            return f"{name} is not an ordinary file"
    return None


def _leads_out(name: str) -> str:
    return f"{name} is a link that leads out of the folder that is shown; it is not read"


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


def _names_in_folders(run: str) -> Iterator[str]:
    for folder in FOLDERS:
        yield folder
        with contextlib.suppress(OSError), os.scandir(run + folder) as items:
            yield from (
                f"{folder}/{item.name}" for item in items if not item.is_file(follow_symlinks=False)
            )


@functools.lru_cache(MOST_RUNS)
def _status_on_disk(entry: Entry, found: tuple[Signature | None, ...]) -> RunStatus:
    """The state of a run whose files have these signatures, if nothing is training it."""
    times = [key[0] for key in found if key]
    updated = max(times) / 1e9 if times else None
    try:
        run = Run(entry.path)
    except Exception as error:
        return replace(_unreadable(plain(error, entry)), updated=updated)
    damage: dict[str, str] = {}

    def part(name: str, read: Callable[[], T], otherwise: T) -> T:
        """What is read of a file, or what to use in its place where it is damaged."""
        try:
            return read()
        except Exception as error:
            why = plain(error, entry)
            if not isinstance(error, InputError):
                why = f"{name} is damaged ({why})"
            damage.setdefault(name, why)
            return otherwise

    unknown: tuple[dict[str, Any] | None, str | None] = (None, None)
    last, note = part(METRICS, lambda: _log(run.metrics_path), unknown)
    manifest = part(MANIFEST, lambda: _manifest(run), dict[str, Any]())
    if MANIFEST in damage:  # A name tells the step, too.
        manifest = {"step": next(map(checkpoint_step, run.checkpoints()), 0)}
    row = partial(overview.run_row, config=run.config, manifest=manifest, last=last)
    summary = part(SUMMARY, run.read_summary, None)
    shown = part(SUMMARY, lambda: row(summary=summary), None) or row(summary=None)
    if run.summary_path.is_file():
        part(RATEMAPS, lambda: _check_arrays(run.ratemaps_path), None)
    for name in (THEORY, HISTORY):
        if (run.folder / name).is_file():
            part(name, partial(_check_arrays, run.folder / name), None)
    out_of_date = part("checkpoints", lambda: run.out_of_date(summary) if summary else None, None)
    finished = bool(manifest.get("finished")) or (manifest.get("step") or 0) >= shown["steps"]
    state = "trained" if finished else "stopped"
    if summary is not None:
        state = "evaluated"
    # An evaluation of another version is not shown, but it is not damaged.
    damaged = frozenset(n for n, why in damage.items() if not why.startswith("evaluated by"))
    problems = [*damage.values(), *filter(None, (note, out_of_date))]
    again = bool(out_of_date) or not damage.keys().isdisjoint((SUMMARY, RATEMAPS, THEORY))
    return RunStatus(
        "damaged" if damaged else state,
        "; ".join(problems) or None,
        shown,
        finished=finished,
        evaluate=again or (finished and summary is None),
        updated=updated,
        damaged=damaged,
    )


def _manifest(run: Run) -> dict[str, Any]:
    manifest = run.read_manifest()
    step = manifest.get("step") or 0
    if not isinstance(step, int):
        raise InputError(f"manifest.json is damaged (its step is {step!r:.40})")
    overview.run_row(config=run.config, manifest=manifest, last=None, summary=None)
    return manifest


def _log(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The last line of the metrics, and word of damaged lines near their end.

    One without its end is just being written, or was cut short by a kill: it is left out.
    """
    if not path.exists():
        return None, None
    with open(path, "rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES)
        file.seek(start)
        *lines, rest = file.read().split(b"\n")
    lines = [line for line in lines[bool(start) :] if line.strip()]
    rows = [row for row in map(logged_row, lines) if row]
    last = logged_row(rest) or next(reversed(rows), None)
    lost = len(lines) - len(rows)
    return (
        last,
        f"metrics.jsonl: {lost} of its last {len(lines)} lines are damaged" if lost else None,
    )


def _check_arrays(path: Path) -> None:
    """Raise where a file of arrays is missing or cut short; its arrays are not read."""
    name = f"evaluation/{path.name}"
    if not path.is_file():
        raise InputError(f"{name} is missing; run `gridcode evaluate` again")
    try:
        h5py.File(path, "r").close()
    except (OSError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{name} is damaged ({why}); run `gridcode evaluate` again") from None
