"""The condition of a run folder: damaged, training, stopped, trained or evaluated; read from a few small files, again only when they change."""

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from gridcode.errors import InputError
from gridcode.runs.run import Run
from gridcode.viewer import data
from gridcode.viewer.library import Entry, Signature, is_inside, signature

Row = dict[str, Any]
# A training that writes nothing for longer has ended, or is shown as such until it writes again.
RECENT_S = 60.0
# The end of metrics.jsonl that surely holds a whole line.
TAIL_BYTES = 16_384
KEPT = 4096
COLUMNS = (
    "units", "seed", "step", "steps", "loss", "active", "hexagonal", "lattice", "band", "modules", "independent", "spacings_m", "path_error_m",
    "path_steps", "arena_m", "commit",
)  # fmt: skip
SINGLE_FILES = (
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
class Condition:
    """What is known of a run without reading its arrays.

    Attributes:
        state: `damaged`, `training`, `stopped`, `trained` or `evaluated`.
        problem: what is wrong, in one line, None where nothing is.
        row: its columns in the list of runs; None where one is not known.
        updated: when it changed last, seconds since 1970.
        readable: whether its configuration is, so that there is something to show.
    """

    state: str
    problem: str | None
    row: Row
    updated: float | None
    readable: bool


class FileCache:
    """Results of reading a file, kept until the file changes; errors are results, too."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Any, Any]] = OrderedDict()

    def get(self, what: str, path: Path, key: Any, read: Callable[[], Any]) -> Any:
        """What `read` returned when the file's signature was `key`; raises what it raised then."""
        name = (what, str(path))
        with self._lock:
            found = self._kept.get(name)
            if found is not None:
                self._kept.move_to_end(name)
        if found is None or found[0] != key:
            try:
                value = read()
            except InputError as error:
                value = error
            found = (key, value)
            with self._lock:
                self._kept[name] = found
                self._kept.move_to_end(name)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        if isinstance(found[1], InputError):
            raise InputError(str(found[1]))
        return found[1]


_CACHE = FileCache()


def refused(entry: Entry) -> str | None:
    """Why a run must not be read at all, in one line: a link out of the folder that is shown, or something that is no file; None where it may be."""
    if not is_inside(entry.root, entry.path):
        return _outside("the run's folder")
    for name in SINGLE_FILES:
        path = entry.path / name
        if not os.path.lexists(path):
            continue
        if not is_inside(entry.root, path):
            return _outside(name)
        # Reading a pipe would wait for ever.
        if path.exists() and not path.is_file():
            return f"{name} is not an ordinary file"
    for name in FOLDERS:
        folder = entry.path / name
        if not os.path.lexists(folder):
            continue
        if not is_inside(entry.root, folder):
            return _outside(name)
        try:
            with os.scandir(folder) as items:
                links = [item.name for item in items if item.is_symlink()]
        except OSError:
            continue
        for link in links:
            if not is_inside(entry.root, folder / link):
                return _outside(f"{name}/{link}")
    return None


def _outside(name: str) -> str:
    return f"{name} is a link that leads out of the folder that is shown; it is not read"


def signatures(entry: Entry) -> tuple[Signature | None, ...]:
    """The signatures of all files that documents are made of: what changes when a document may."""
    return tuple(
        signature(entry.path / name) for name in (*SINGLE_FILES, "checkpoints", "snapshots")
    )


def plain(text: str, entry: Entry) -> str:
    """One line for people who need not know where on the disk the run lies."""
    for path, name in (
        (entry.path, entry.name),
        (entry.root, entry.root.name),
        (Path.cwd(), "."),
        (Path.home(), "~"),
    ):
        if len(path.parts) > 1:
            text = text.replace(
                str(path) + os.sep, "" if path == entry.path else f"{name}/"
            ).replace(str(path), name)
    return " ".join(text.split())


def condition(entry: Entry) -> Condition:
    """The condition of a run now."""
    nothing = dict.fromkeys(COLUMNS)
    if (why := refused(entry)) is not None:
        return Condition("damaged", why, nothing, None, readable=False)
    found = dict(zip((*SINGLE_FILES, "checkpoints", "snapshots"), signatures(entry), strict=True))
    times = [s[0] for name, s in found.items() if s is not None]
    updated = max(times) / 1e9 if times else None
    try:
        run: Run = _CACHE.get("run", entry.path, found["config.toml"], lambda: Run(entry.path))
    except InputError as error:
        return Condition("damaged", plain(str(error), entry), nothing, updated, readable=False)
    manifest = _CACHE.get("manifest", entry.path, found["manifest.json"], lambda: _manifest(run))
    last = _CACHE.get(
        "last", entry.path, found["metrics.jsonl"], lambda: _last_line(run.metrics_path)
    )
    finished = (
        bool(manifest.get("finished")) or _number(manifest.get("step")) >= run.config.training.steps
    )
    evaluated, problem, broken = False, None, False
    key: tuple[Signature | None, ...] = (
        found["config.toml"],
        found["manifest.json"],
        found["metrics.jsonl"],
    )
    try:
        row = _CACHE.get("trained", entry.path, key, lambda: _row(run, None, last))
    except InputError as error:
        return Condition("damaged", plain(str(error), entry), nothing, updated, readable=False)
    if found["evaluation/summary.json"] is not None:
        try:
            key = (*key, found["evaluation/summary.json"])
            row = _CACHE.get("evaluated", entry.path, key, lambda: _evaluated_row(run, last))
            _CACHE.get(
                "maps", entry.path, found["evaluation/ratemaps.nc"], lambda: _check_maps(run)
            )
            evaluated = True
        except InputError as error:
            problem = plain(str(error), entry)
            broken = not problem.startswith("evaluated by")  # another version
    if broken:
        state = "damaged"
    elif not finished and (is_locked(entry) or _is_recent(found)):
        state = "training"
    elif evaluated:
        state = "evaluated"
    else:
        state = "trained" if finished else "stopped"
    return Condition(state, problem, row, updated, readable=True)


def run_row(entry: Entry) -> Row:
    """A row of the list of runs."""
    now = condition(entry)
    return {
        "id": entry.id,
        "name": entry.name,
        "folder": entry.folder,
        "state": now.state,
        "problem": now.problem,
        **now.row,
        "updated": now.updated,
    }


def is_locked(entry: Entry) -> bool:
    """Whether another process holds the run for training; asks without making the lock file."""
    try:
        import fcntl
    except ImportError:
        return False
    path = entry.path / ".lock"
    try:
        if not is_inside(entry.root, path):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _is_recent(found: dict[str, Signature | None]) -> bool:
    written = [s[0] for name in ("metrics.jsonl", "checkpoints") if (s := found[name]) is not None]
    return bool(written) and time.time() - max(written) / 1e9 < RECENT_S


def _manifest(run: Run) -> dict[str, Any]:
    manifest = run.manifest
    return manifest if isinstance(manifest, dict) else {}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else -1


def _last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of the metrics; one that is just being written is left out."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            return row
    return None


def _row(run: Run, summary: dict[str, Any] | None, last: dict[str, Any] | None) -> Row:
    try:
        row = data.row_document(run, summary=summary, last=last)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        which = (
            "evaluation/summary.json" if summary is not None else "manifest.json or metrics.jsonl"
        )
        raise InputError(
            f"{which} lacks what this version writes ({type(error).__name__}: {error}); run `gridcode evaluate` again"
        ) from None
    return {name: row.get(name) for name in COLUMNS}


def _evaluated_row(run: Run, last: dict[str, Any] | None) -> Row:
    return _row(run, data.read_summary(run), last)


def _check_maps(run: Run) -> None:
    """Raise where the file of the rate maps is missing or cut short; its arrays are not read."""
    if not run.ratemaps_path.is_file():
        raise InputError("evaluation/ratemaps.nc is missing; run `gridcode evaluate` again")
    try:
        with h5py.File(run.ratemaps_path, "r") as file:
            file.keys()
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(
            f"evaluation/ratemaps.nc is damaged ({str(error).splitlines()[0]}); run `gridcode evaluate` again"
        ) from None
