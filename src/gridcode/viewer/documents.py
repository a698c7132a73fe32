"""Documents as the explorer sends them: built when asked for, kept until the run's files change, and never half of one."""

import hashlib
import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import HTTPException

from gridcode.errors import InputError
from gridcode.runs.run import Run
from gridcode.viewer import data
from gridcode.viewer.data import Document
from gridcode.viewer.encode import as_json
from gridcode.viewer.figure_cache import MEDIA, Drawings
from gridcode.viewer.library import Entry, Library
from gridcode.viewer.run_status import Condition, condition, plain, signatures
from gridcode.viewer.snapshot_documents import SnapshotMaps

MOST_ANSWERS = 64
MOST_BYTES = 256 * 2**20
# A run that is being written is read again, this often and after so long.
TRIES, PAUSE_S = 3, 0.1
# What reading or digesting a file raises when it is damaged or half written.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
)
BUSY = "this cannot be read just now: the run is being written, or a file of it is damaged"


@dataclass(frozen=True)
class Answer:
    """Bytes to be sent.

    Attributes:
        body: the bytes.
        media: their type.
        tag: changes when they do.
    """

    body: bytes
    media: str
    tag: str


class Answers:
    """The answers asked for last, bounded in number and bytes."""

    def __init__(self, most: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, Answer] = OrderedDict()
        self._bytes = 0

    def get(self, key: Any) -> Answer | None:
        """The answer that was kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: Any, answer: Answer) -> None:
        """Keep an answer; those not asked for longest go first."""
        if len(answer.body) > self._most_bytes:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += len(answer.body) - (len(before.body) if before else 0)
            self._kept[key] = answer
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= len(gone.body)


class Documents:
    """The documents of the runs of a library.

    Every method raises HTTPException: 404 where there is no such thing, 409 where it cannot be
        read.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._answers = Answers()
        self._drawings = Drawings()
        self._snapshots = SnapshotMaps()
        # So that two requests for the same do not build it twice.
        self._building = [threading.Lock() for _ in range(64)]

    def run(self, run_id: str) -> Answer:
        """`runs/ID/run`."""

        def build(entry: Entry, run: Run, now: Condition) -> Document:
            if now.problem is not None:
                run = _Unevaluated(run.folder)
            document = data.run_document(
                run, name=entry.name, identity=entry.id, state=now.state, problem=now.problem
            )
            return document | {"notes": [*document["notes"], *_next_steps(entry, now)]}

        return self._answer(run_id, "run", build)

    def maps(self, run_id: str, group: str) -> Answer:
        """`runs/ID/maps/GROUP`."""
        return self._of_group(run_id, group, "maps", data.maps_document)

    def correlograms(self, run_id: str, group: str) -> Answer:
        """`runs/ID/correlograms/GROUP`."""
        return self._of_group(run_id, group, "correlograms", data.correlograms_document)

    def spectra(self, run_id: str) -> Answer:
        """`runs/ID/spectra`."""
        return self._answer(
            run_id, "spectra", lambda _entry, run, _now: data.spectra_document(run, _summary(run))
        )

    def states(self, run_id: str) -> Answer:
        """`runs/ID/states`."""
        return self._answer(
            run_id, "states", lambda _entry, run, _now: data.states_document(run, _summary(run))
        )

    def metrics(self, run_id: str, after: int) -> Answer:
        """`runs/ID/metrics`, lines of later steps only."""
        return self._answer(
            run_id,
            f"metrics {after}",
            lambda _entry, run, _now: data.metrics_document(run, after=after),
        )

    def history(self, run_id: str) -> Answer:
        """`runs/ID/history`."""
        return self._answer(run_id, "history", lambda _entry, run, _now: data.history_document(run))

    def snapshot(self, run_id: str, step: int) -> Answer:
        """`runs/ID/history/STEP`."""
        return self._answer(
            run_id, f"history {step}", lambda _entry, run, _now: self._snapshots.document(run, step)
        )

    def figures(self, run_id: str) -> Answer:
        """`runs/ID/figures`."""

        def build(_entry: Entry, run: Run, _now: Condition) -> Any:
            names = data.figure_names(run, data.read_summary(run))
            return data.figures_document(
                names, {name: f"api/runs/{run_id}/figures/{name}.png" for name in names}
            )

        return self._answer(run_id, "figures", build)

    def picture(self, run_id: str, file: str) -> Answer:
        """`runs/ID/figures/NAME.png` and `NAME.pdf`."""
        name, _, kind = file.partition(".")
        if name not in data.FIGURES or kind not in MEDIA:
            raise HTTPException(404, "there is no such figure")

        def build(entry: Entry, run: Run, _now: Condition) -> bytes | None:
            if name not in data.figure_names(run, data.read_summary(run)):
                return None
            return self._drawings.picture(
                entry, run, name, kind, (str(entry.path), signatures(entry))
            )

        return self._answer(run_id, f"figure {file}", build, media=MEDIA[kind])

    def _of_group(
        self, run_id: str, group: str, what: str, document: Callable[[Run, str], Document]
    ) -> Answer:
        def build(_entry: Entry, run: Run, _now: Condition) -> Document | None:
            return (
                document(run, group)
                if group in {row["group"] for row in _summary(run)["arenas"]}
                else None
            )

        return self._answer(run_id, f"{what} {group}", build)

    def _answer(
        self,
        run_id: str,
        what: str,
        build: Callable[[Entry, Run, Condition], Any],
        *,
        media: str = "application/json",
    ) -> Answer:
        """What `build` makes of a run; again where the run was written meanwhile."""
        error = HTTPException(409, BUSY)
        for attempt in range(TRIES):
            time.sleep(PAUSE_S if attempt else 0)
            entry = self._library.find(run_id)
            if entry is None:
                raise HTTPException(404, "there is no such run (any more)")
            now, before = condition(entry), signatures(entry)
            if not now.readable:
                error = HTTPException(409, now.problem or BUSY)
            else:
                key = (run_id, what, str(entry.path), before, now.state, now.problem)
                with self._building[hash((run_id, what)) % len(self._building)]:
                    if (kept := self._answers.get(key)) is not None:
                        return kept
                    try:
                        found = build(entry, Run(entry.path), now)
                    except InputError as problem:
                        error = HTTPException(409, plain(str(problem), entry))
                    except UNREADABLE:
                        error = HTTPException(409, BUSY)
                    else:
                        if signatures(entry) == before or attempt == TRIES - 1:
                            if found is None:
                                raise HTTPException(404, "this run has no such document")
                            answer = _encoded(found, media)
                            self._answers.keep(key, answer)
                            return answer
                        continue
            if entry.path.is_dir() and signatures(entry) == before:
                break
        if self._library.find(run_id) is None:
            raise HTTPException(404, "there is no such run (any more)")
        raise error


class _Unevaluated(Run):
    """A run whose evaluation cannot be shown: it appears as one that has none."""

    @property
    def summary_path(self) -> Path:
        return self.folder / "evaluation" / ".none"


def to_json(document: Any) -> bytes:
    """A document as JSON bytes, see `gridcode.viewer.encode.as_json`."""
    return as_json(document).encode()


def _encoded(found: Any, media: str) -> Answer:
    body = found if isinstance(found, bytes) else to_json(found)
    return Answer(body, media, f'"{hashlib.sha256(body).hexdigest()[:24]}"')


def _summary(run: Run) -> dict[str, Any]:
    summary = data.read_summary(run)
    if summary is None:
        raise HTTPException(404, "this run has not been evaluated")
    return summary


def _next_steps(entry: Entry, now: Condition) -> list[str]:
    """What can be done with a run that has no maps yet."""
    folder, step, steps = shlex.quote(entry.folder), now.row["step"] or 0, now.row["steps"]
    if now.state == "training":
        return [
            f"The training is at step {step:,} of {steps:,}. When it has ended, `gridcode evaluate {folder}` draws maps and scores."
        ]
    if now.state == "stopped":
        return [
            f"The training stopped at step {step:,} of {steps:,}; `gridcode train {folder}` goes on with it."
        ]
    if now.state == "trained" and now.problem is None:
        return [
            f"Trained, but not evaluated yet: `gridcode evaluate {folder}` draws maps and scores."
        ]
    return []
