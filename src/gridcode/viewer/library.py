"""The runs that the explorer shows: found in folders, and known by ids instead of paths."""

import functools
import hashlib
import os
import re
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
# A run's config.toml has a kilobyte or two; those of other programs need not be read.
LONGEST_CONFIG = 1_000_000

Signature = tuple[int, int, int, int]


@dataclass(frozen=True)
class Entry:
    """A run folder that was found.

    Attributes:
        id: its name in addresses, `[a-z0-9-]+`; unchanged when the shown folder is moved.
        name: the folder's name.
        folder: its place for people: the shown folder, and the way from there.
        path: the folder, resolved.
        root: the shown folder, resolved; no file outside it is read.
    """

    id: str
    name: str
    folder: str
    path: Path
    root: Path


class Library:
    """The run folders in some folders; looked for again at most once a second.

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
                roots.append(Path(folder).resolve())
            except (OSError, ValueError) as error:
                raise InputError(f"cannot read the folder '{folder}' ({error})") from None
        self._roots = list(dict.fromkeys(roots))
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self.whole = True  # False where there are more runs than are shown
        self._next_scan = float("-inf")

    @property
    def folders(self) -> list[str]:
        """The names of the shown folders, without where they are."""
        return [root.name or "/" for root in self._roots]

    def entries(self) -> list[Entry]:
        """All runs, in the order of the folders and of their names."""
        with self._lock:
            begin = time.monotonic()
            if begin >= self._next_scan:
                self._entries = {entry.id: entry for entry in self._scan()}
                end = time.monotonic()
                self._next_scan = end + max(RESCAN_S, (end - begin) / SCANNING_SHARE)
            return list(self._entries.values())

    def find(self, run_id: str) -> Entry | None:
        """The run of an id, None where there is none or its folder is gone."""
        entry = self._entries.get(run_id)
        if entry is None:
            entry = next((found for found in self.entries() if found.id == run_id), None)
        return entry if entry is not None and entry.path.is_dir() else None

    def _scan(self) -> Iterator[Entry]:
        seen: set[Path] = set()
        taken: dict[str, int] = {}
        self.whole = True
        for root in self._roots:
            for path in _run_folders(root):
                if path in seen:
                    continue
                if len(seen) == MOST_RUNS:
                    self.whole = False
                    return
                seen.add(path)
                # A folder that is itself a run is known by its own name, so that it can be moved.
                relative = path.relative_to(root).as_posix() if path != root else root.name
                identity = run_id(relative)
                taken[identity] = taken.get(identity, 0) + 1
                if taken[identity] > 1:
                    identity = f"{identity}-{taken[identity]}"
                place = root.name if path == root else f"{root.name}/{relative}"
                yield Entry(id=identity, name=path.name, folder=place, path=path, root=root)


def _run_folders(root: Path) -> Iterator[Path]:
    """Run folders at and below a folder; hidden folders and links are not entered."""
    for place, folders, files in os.walk(root):
        path = Path(place)
        is_run = _is_run(path, {*folders, *files})
        if is_run:
            yield path
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
