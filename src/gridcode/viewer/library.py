"""The runs and sweeps that the explorer shows: found in folders, known by ids instead of paths."""

import functools
import hashlib
import os
import re
import shlex
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridcode.config import Config
from gridcode.errors import InputError

DEPTH = 6
RESCAN_S = 1.0
# Of large trees, at most this share of the time goes into looking for runs.
SCANNING_SHARE = 0.1
# What a run folder itself holds; no runs are looked for there.
PARTS = frozenset({"checkpoints", "snapshots", "evaluation", "figures"})
# A folder with one of these beside its config.toml is a run, whatever state it is in.
MARKS = frozenset({"manifest.json", "metrics.jsonl", "checkpoints", "snapshots", "evaluation"})
LONGEST_SLUG = 48
MOST_RUNS = 20_000
# What makes a folder a sweep: what was asked for, and a table of what came out.
SWEEP = frozenset({"sweep.toml", "results.csv"})
# A run's config.toml has a kilobyte or two; those of other programs need not be read.
LONGEST_CONFIG = 1_000_000

Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class Root:
    """A folder that is shown.

    Attributes:
        path: the folder, resolved; no file outside it is read.
        typed: how a person reaches it: as it was given where that was relative, else its name.
        where: from which folder, in words. The page is never told an absolute path.
    """

    path: Path
    typed: str
    where: str

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> "Root":
        """The folder at a path that was given."""
        path, given = Path(folder).resolve(), os.path.normpath(folder)
        if Path(given).is_absolute():
            name = path.name or "/"
            return cls(path, name, f"in the folder that holds {name}")
        return cls(path, given, "in the folder in which gridcode explore was started")


@dataclass(frozen=True)
class Entry:
    """A run folder, or the folder of a sweep, that was found.

    Attributes:
        id: its name in addresses, `[a-z0-9-]+`; unchanged when the shown folder is moved.
        name: the folder's name.
        folder: its place for people: the shown folder, and the way from there.
        path: the folder, resolved.
        shown: the shown folder that it lies in.
    """

    id: str
    name: str
    folder: str
    path: Path
    shown: Root

    @property
    def root(self) -> Path:
        """The shown folder, resolved; no file outside it is read."""
        return self.shown.path

    def command(self, name: str) -> dict[str, str] | None:
        """A command on this folder for people to copy, and where to run it.

        None for a folder whose name holds control characters: pasted, they could do anything.
        """
        relative = self.path.relative_to(self.root).as_posix()
        place = os.path.normpath(f"{self.shown.typed}/{relative}")
        if not place.isprintable():
            return None
        place = f"./{place}" if place.startswith("-") else place
        return {"command": f"gridcode {name} {shlex.quote(place)}", "where": self.shown.where}


class Library:
    """The run folders and sweeps in some folders; looked for again at most once a second.

    Args:
        folders: where to look; a folder may itself be a run.

    Raises:
        InputError: one of them is not a folder.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        roots = []
        for folder in folders:
            try:
                if not Path(folder).is_dir():
                    raise InputError(f"there is no folder '{folder}'")
                roots.append(Root.of(folder))
            except (OSError, ValueError) as error:
                raise InputError(f"cannot read the folder '{folder}' ({error})") from None
        self._roots = list({root.path: root for root in reversed(roots)}.values())[::-1]
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._sweeps: dict[str, Entry] = {}
        self.whole = True  # False where there are more runs than are shown
        self._next_scan = float("-inf")

    @property
    def folders(self) -> list[str]:
        """The names of the shown folders, without where they are."""
        return [root.path.name or "/" for root in self._roots]

    def entries(self) -> list[Entry]:
        """All runs, in the order of the folders and of their names."""
        with self._lock:
            begin = time.monotonic()
            if begin >= self._next_scan:
                found = list(self._scan())
                self._entries = {entry.id: entry for entry, is_run in found if is_run}
                self._sweeps = {entry.id: entry for entry, is_run in found if not is_run}
                end = time.monotonic()
                self._next_scan = end + max(RESCAN_S, (end - begin) / SCANNING_SHARE)
            return list(self._entries.values())

    def sweeps(self) -> list[Entry]:
        """All sweeps, in the same order."""
        self.entries()
        return list(self._sweeps.values())

    def find(self, run_id: str) -> Entry | None:
        """The run of an id, None where there is none or its folder is gone."""
        entry = self._entries.get(run_id)
        if entry is None:
            entry = next((found for found in self.entries() if found.id == run_id), None)
        return entry if entry is not None and entry.path.is_dir() else None

    def _scan(self) -> Iterator[tuple[Entry, bool]]:
        """Runs and sweeps, and which of them are runs."""
        seen: set[tuple[Path, bool]] = set()
        taken: dict[str, int] = {}
        self.whole = True
        for shown in self._roots:
            root = shown.path
            for path, is_run in _folders(root):
                if (path, is_run) in seen:
                    continue
                if len(seen) == MOST_RUNS:
                    self.whole = False
                    return
                seen.add((path, is_run))
                # A folder that is itself a run is known by its own name, so that it can be moved.
                relative = path.relative_to(root).as_posix() if path != root else root.name
                identity = run_id(relative)
                taken[identity] = taken.get(identity, 0) + 1
                if taken[identity] > 1:
                    identity = f"{identity}-{taken[identity]}"
                place = root.name if path == root else f"{root.name}/{relative}"
                yield Entry(identity, path.name, place, path, shown), is_run


def _folders(root: Path) -> Iterator[tuple[Path, bool]]:
    """Runs (True) and sweeps at and below a folder; hidden folders and links are not entered."""
    for place, folders, files in os.walk(root):
        path = Path(place)
        is_run = _is_run(path, {*folders, *files})
        if is_run:
            yield path, True
        if set(files) >= SWEEP:
            yield path, False
        hidden = PARTS if is_run else frozenset()
        folders[:] = sorted(f for f in folders if f not in hidden and not f.startswith("."))
        if len(path.relative_to(root).parts) == DEPTH:
            folders.clear()


def _is_run(folder: Path, names: set[str]) -> bool:
    if "config.toml" not in names:
        return {"manifest.json", "checkpoints"} <= names
    path = folder / "config.toml"
    return bool(names & MARKS) or _is_configuration(path, signature(path))


@functools.lru_cache(MOST_RUNS)
def _is_configuration(path: Path, key: Signature | None) -> bool:
    """Whether a config.toml is that of a run: other programs have files of this name, too."""
    # Links may lead out of the folder, and reading a pipe would wait for ever.
    if key is None or key[1] > LONGEST_CONFIG or path.is_symlink() or not path.is_file():
        return False
    try:
        Config.from_toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def run_id(relative: str) -> str:
    """The id of a run at a place in the shown folder: readable, and unique to the place."""
    slug = re.sub(r"[^a-z0-9]+", "-", relative.lower()).strip("-")[-LONGEST_SLUG:].strip("-")
    digest = hashlib.sha256(relative.encode(errors="surrogateescape")).hexdigest()[:6]
    return f"{slug}-{digest}" if slug else digest


def is_inside(root: Path, path: Path) -> bool:
    """Whether a path, with all links followed, lies in a folder that is resolved."""
    try:
        return Path(os.path.realpath(path)).is_relative_to(root)
    except (OSError, ValueError):
        return False


def signature(path: str | Path) -> Signature | None:
    """What changes with a file: times, size, place on the disk; None where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a list of runs asks for thousands
    except (OSError, ValueError):
        return None
    # The last is new where a permission is, too.
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
