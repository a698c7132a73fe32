"""Many sessions: a row for each session, and one table with a row for each unit of all of them."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridcode.analysis.records import Summary, UnitRecord
from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.runs.files import check_writable, one_line_errors, write_atomically

MISSING = "-"
ENDINGS = (".csv", ".parquet")
Row = dict[str, Any]


def session_row(summary: Summary) -> Row:
    """What was found in a session, in numbers; None where nothing of the kind was measured."""
    units = summary.units
    tunings = [unit.tuning for unit in units]
    directed = any(unit.mean_vector_length is not None for unit in units)
    walled = any(unit.border_score is not None for unit in units)
    return {
        "units": len(units),
        "active": len(units) - summary.types["silent"],
        "grid_cells": summary.types["hexagonal"],
        "modules": summary.n_modules,
        "spacings_m": [module.spacing_m for module in summary.modules],
        "head_direction": sum("head direction" in t for t in tunings) if directed else None,
        "border": sum("border" in t for t in tunings) if walled else None,
    }


def session_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of a table with a row for each session.

    Args:
        rows: `session`, and either what `session_row` gives or why it could not be scored as
            `problem`.
    """
    head = ["session", "units", "active", "grid cells", "modules", "spacings (m)"]
    head += ["head direction", "border"]
    cells = []
    for row in rows:
        if row["problem"]:
            cells.append([row["session"], *[MISSING] * (len(head) - 1), row["problem"]])
            continue
        spacings = ", ".join(f"{spacing:.2f}" for spacing in row["spacings_m"])
        numbers = [row[name] for name in ("units", "active", "grid_cells", "modules")]
        numbers += [spacings or None, row["head_direction"], row["border"]]
        texts = [MISSING if number is None else str(number) for number in numbers]
        cells.append([row["session"], *texts, ""])
    if any(row["problem"] for row in rows):
        return [*head, "not scored"], cells
    return head, [line[:-1] for line in cells]


def write_session_index(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a page that lists sessions and leads to the page of each.

    Args:
        out: the file.
        rows: as of `session_table`, with `page`, the file beside it, or None.

    Raises:
        InputError: it cannot be written.
    """
    from gridcode.viewer.index_page import index_page

    head, cells = session_table(rows)
    text = index_page(head, cells, [row["page"] for row in rows])
    with one_line_errors(f"cannot write '{out}'"):
        write_atomically(out, text)


def unit_rows(session: str, summary: Summary) -> Iterator[Row]:
    """Every unit of a session: its name and all single numbers and words of its `UnitRecord`.

    The grid scores of other tools are columns `score_NAME`.
    """
    for unit in summary.units:
        yield {"session": session, **_plain(unit)}


def _plain(unit: UnitRecord) -> Row:
    values = unit.model_dump(mode="json")
    scores = {f"score_{name}": value for name, value in values.pop("scores").items()}
    single = {k: v for k, v in values.items() if not isinstance(v, list | dict)}
    # Pairs of numbers, which are null in some units and a list in others.
    return {k: v for k, v in single.items() if k not in ("vectors_m", "phase")} | scores


@dataclass
class UnitTable:
    """A table of the units of many sessions in a .csv or .parquet file.

    Attributes:
        path: the file; its ending says which.
        rows: a row for each unit.

    Raises:
        InputError: another ending, a file that cannot be written, or .parquet without pyarrow.
    """

    path: Path
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.path.suffix.lower() not in ENDINGS:
            raise InputError(f"a table ends in .csv or .parquet, not '{self.path.suffix}'")
        if self.path.suffix.lower() == ".parquet":
            _pyarrow("pyarrow")
        check_writable(self.path)

    def add(self, session: str, summary: Summary) -> None:
        """Add the units of a session, and write the file: what is done is not lost."""
        self.rows.extend(unit_rows(session, summary))
        write = _parquet if self.path.suffix.lower() == ".parquet" else _csv
        with one_line_errors(f"cannot write '{self.path}'"):
            write_atomically(self.path, write(self.rows))


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _parquet(rows: Sequence[Row]) -> bytes:
    columns = {name: [row.get(name) for row in rows] for name in _columns(rows)}
    # Names of units are numbers in one session and words in another.
    columns["unit"] = [str(name) for name in columns["unit"]]
    out = io.BytesIO()
    _pyarrow("pyarrow.parquet").write_table(_pyarrow("pyarrow").table(columns), out)
    return out.getvalue()


def _pyarrow(name: str) -> Any:
    return needed(name, "parquet", "a .parquet table")


def session_names(sessions: Sequence[Sequence[str | os.PathLike[str]]]) -> list[str]:
    """A short name for each session: its first file's, with its folder where two are alike."""
    firsts = [Path(session[0]) for session in sessions]
    names = [first.name for first in firsts]
    if len(set(names)) < len(names):
        names = [str(first) for first in firsts]
    seen: dict[str, int] = {}
    for k, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[k] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return names
