"""Many sessions: each is loaded, scored, written and released; one table at the end."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gridcode
from gridcode.analysis.population import Population
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.api.sessions import UnitTable, session_names, session_row, write_session_index
from gridcode.cli.messages import print_error, print_json
from gridcode.cli.terminal import print_sessions
from gridcode.errors import InputError
from gridcode.recordings.recording import Recording


@dataclass(frozen=True)
class Scored:
    """A session with what was found in it."""

    recording: Recording
    population: Population
    states: StateSpace | None

    def write_report(self, out: Path, title: str) -> None:
        """Write everything as one page."""
        gridcode.write_score_report(
            self.population, out, recording=self.recording, title=title, states=self.states
        )

    def write_figures(self, folder: Path) -> None:
        """Write the figures."""
        gridcode.write_score_figures(self.population, folder, states=self.states)

    def as_json(self) -> dict[str, Any]:
        """Everything in numbers and words."""
        space = self.states.summary.model_dump(mode="json") if self.states else None
        found = {"state_space": space} if space else {}
        notes = {"notes": list(self.recording.notes)}
        return self.population.summary.model_dump(mode="json") | found | notes


def score_all(
    arguments: argparse.Namespace,
    sessions: Sequence[tuple[Path, ...]],
    score: Callable[[argparse.Namespace, tuple[Path, ...], str], Scored],
    table: UnitTable | None,
) -> None:
    """Score sessions one after another, and print a row for each.

    Args:
        arguments: of the command.
        sessions: the files of each.
        score: loads and scores one, given its name.
        table: of the units of all sessions.

    Raises:
        InputError: at the end, where a session could not be scored; the others are.
    """
    names, rows, documents = session_names(sessions), [], []
    for number, (files, name) in enumerate(zip(sessions, names, strict=True), start=1):
        row: dict[str, Any] = {"session": name, "page": None, "problem": None}
        try:
            scored = score(arguments, files, name)
        except InputError as error:
            why = str(error)
            print_error(why if name in why else f"{name}: {why}")
            rows.append(row | {"problem": why})
            documents.append({"session": name, "error": why})
            continue
        row |= session_row(scored.population.summary)
        stem = _file_name(number, name, len(sessions))
        if arguments.report is not None:
            row["page"] = f"{stem}.html"
            _folder(arguments.report)
            scored.write_report(arguments.report / row["page"], name)
        if arguments.figures is not None:
            scored.write_figures(arguments.figures / stem)
        if table is not None:
            table.add(name, scored.population.summary)
        rows.append(row)
        if arguments.json:
            documents.append({"session": name} | scored.as_json())
        del scored  # before the next is loaded
    if arguments.report is not None and any(row["page"] for row in rows):
        write_session_index(arguments.report / "index.html", rows)
    if arguments.json:
        print_json(documents)
    else:
        print_sessions(rows)
        for option in ("report", "figures", "table"):
            if getattr(arguments, option) is not None:
                print(f"{option}: {getattr(arguments, option)}")
    failed = [row["session"] for row in rows if row["problem"]]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(rows)} sessions could not be scored: {', '.join(failed)}"
        )


def _folder(path: Path) -> None:
    from gridcode.runs.files import one_line_errors

    with one_line_errors(f"cannot make '{path}'"):
        path.mkdir(parents=True, exist_ok=True)


def _file_name(number: int, name: str, count: int) -> str:
    """A name that is safe anywhere, in the order of the sessions: `03-rat1`."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem).strip("-")[:60] or "session"
    return f"{number:0{len(str(count))}d}-{stem}"
