"""The runs that an explorer shows: found in folders, named by ids, never by a path that a request spells."""

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
# A folder with one of these beside (or instead of) its config.toml is a run, whatever state it is
# in.
MARKS = frozenset({"manifest.json", "metrics.jsonl", "checkpoints", "snapshots", "evaluation"})
LONGEST_SLUG = 48
MOST_RUNS = 5000
# Anybody's config.toml is read to see whether it is a run's; a run's has a kilobyte or two.
LONGEST_CONFIG = 1_000_000

Signature = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """A run folder that was found.

    Attributes:
        id: its name in addresses, `[a-z0-9-]+`; the same as long as the run keeps its place in the
            folder that is shown.
        name: the folder's name.
        folder: its place for people: the folder that is shown, and the way from there.
        path: the folder, resolved.
        root: the folder that is shown, resolved; no file outside it is read.
    """

    id: str
    name: str
    folder: str
    path: Path
    root: Path


class Library:
    """The run folders in some folders, looked for again when asked, but at most once a second; less often where that takes long.

    Args:
        folders: where to look; a folder may itself be a run.

    Raises:
        InputError: one of them is no folder.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        roots = []
        for folder in folders:
            if not Path(folder).is_dir():
                raise InputError(f"there is no folder '{folder}'")
            roots.append(Path(folder).resolve())
        self._roots = list(dict.fromkeys(roots))
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._next_scan = float("-inf")
        self._foreign: dict[tuple[str, Signature], bool] = {}

    @property
    def folders(self) -> list[str]:
        """The names of the folders that are shown, without where they are."""
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
        """The run of an id, None where there is none, or where it is gone."""
        with self._lock:
            entry = self._entries.get(run_id)
        if entry is None:
            entry = next((found for found in self.entries() if found.id == run_id), None)
        return entry if entry is not None and entry.path.is_dir() else None

    def _scan(self) -> Iterator[Entry]:
        seen: set[Path] = set()
        taken: dict[str, int] = {}
        for root in self._roots:
            for path in self._walk(root, root, DEPTH, seen):
                if len(seen) > MOST_RUNS:
                    return
                # A folder that is itself a run is known by its own name, so that it can be moved.
                relative = path.relative_to(root).as_posix() if path != root else root.name
                identity = run_id(relative)
                taken[identity] = taken.get(identity, 0) + 1
                if taken[identity] > 1:
                    identity = f"{identity}-{taken[identity]}"
                place = root.name if path == root else f"{root.name}/{relative}"
                yield Entry(id=identity, name=path.name, folder=place, path=path, root=root)

    def _walk(self, folder: Path, root: Path, depth: int, seen: set[Path]) -> Iterator[Path]:
        """Run folders at and below a folder, each once; hidden folders and those that lead out of the root are not entered."""
        try:
            with os.scandir(folder) as found:
                items = sorted(found, key=lambda item: item.name)
        except OSError:
            return
        names = {item.name for item in items}
        is_run = self._is_run(folder, names)
        if is_run:
            if folder in seen:
                return
            seen.add(folder)
            yield folder
        if depth == 0:
            return
        for item in items:
            if item.name.startswith(".") or (is_run and item.name in PARTS):
                continue
            try:
                if not item.is_dir():
                    continue
                # A link to a folder inside shows nothing that its target does not, and may go in
                # circles.
                if not item.is_symlink():
                    yield from self._walk(folder / item.name, root, depth - 1, seen)
            except OSError:
                continue

    def _is_run(self, folder: Path, names: set[str]) -> bool:
        if "config.toml" not in names:
            return {"manifest.json", "checkpoints"} <= names
        if names & MARKS:
            return True
        # Many programs have a config.toml: by itself it makes a run only if it is one of ours.
        path = folder / "config.toml"
        key = signature(path)
        if key is None or key[1] > LONGEST_CONFIG or not is_inside(self._roots, path):
            return False
        known = self._foreign.get((str(path), key))
        if known is None:
            try:
                Config.from_toml(path.read_text(encoding="utf-8"))
                known = True
            except (OSError, UnicodeDecodeError, InputError):
                known = False
            self._foreign[str(path), key] = known
        return known


def run_id(relative: str) -> str:
    """The id of a run at a place in the folder that is shown: readable, and different for different places."""
    slug = re.sub(r"[^a-z0-9]+", "-", relative.lower()).strip("-")[-LONGEST_SLUG:].strip("-")
    digest = hashlib.sha256(relative.encode(errors="surrogateescape")).hexdigest()[:6]
    return f"{slug}-{digest}" if slug else digest


def is_inside(roots: Path | Sequence[Path], path: Path) -> bool:
    """Whether a path, with all links followed, lies in a folder (or in one of several); both as they are now."""
    try:
        resolved = Path(os.path.realpath(path))
    except (OSError, ValueError):
        return False
    return any(
        resolved.is_relative_to(root) for root in ([roots] if isinstance(roots, Path) else roots)
    )


def signature(path: Path) -> Signature | None:
    """What changes when a file is written or replaced: time of change, size and place on the disk; None where there is no file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
