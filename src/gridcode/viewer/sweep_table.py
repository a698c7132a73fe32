"""The table of a sweep, `results.csv`, which grows while the sweep runs."""

import csv
import io
import json
import re
from typing import Any

from gridcode.errors import InputError
from gridcode.viewer.library import Entry, Library, is_inside
from gridcode.viewer.run_status import plain

Document = dict[str, Any]
TABLE = "results.csv"
LONGEST = 100_000_000
UNKNOWN = frozenset({"", "nan", "inf", "-inf"})
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,300})(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,2})?")
# The folders of an absolute path, which the page is not told.
FOLDERS = re.compile(r"(?<![\w./\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+")
# Columns with settings stand between these two, measures from the second on.
BEFORE_SETTINGS, AFTER_SETTINGS = "seed", "step"
NO_MEASURES = frozenset({"step", "steps", "spacings_m", "arena_m", "path_steps", "error"})


def sweep_document(library: Library, sweep_id: str) -> Document | None:
    """A sweep's table: `sweeps/ID`; None where there is no such sweep.

    `columns` are names, `rows` lists of cells (a number, text, or None); `settings` and `measures`
    are names of columns; `runs` are ids of runs by the name in the column `run`.

    Raises:
        InputError: the table is damaged, or leads out of the folder that is shown.
    """
    entry = next((found for found in library.sweeps() if found.id == sweep_id), None)
    if entry is None:
        return None
    columns, rows = _read(entry)
    settings, measures = _kinds(columns, rows)
    runs = entry.path / "runs"
    return {
        "id": entry.id,
        "name": entry.name,
        "folder": entry.folder,
        "columns": columns,
        "rows": rows,
        "settings": settings,
        "measures": measures,
        "runs": {run.name: run.id for run in library.entries() if run.path.parent == runs},
    }


def _read(entry: Entry) -> tuple[list[str], list[list[Any]]]:
    path = entry.path / TABLE
    if not is_inside(entry.root, path):
        raise InputError(f"{TABLE} is a link that leads out of the folder that is shown")
    if not path.is_file() or path.stat().st_size > LONGEST:
        raise InputError(f"{TABLE} is no ordinary file, or too large")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        columns, *lines = csv.reader(io.StringIO(text, newline=""))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{TABLE} cannot be read ({plain(error, entry)})") from None
    rows = [[_cell(cell, entry) for cell in line] for line in lines if len(line) == len(columns)]
    return columns, rows


def _cell(text: str, entry: Entry) -> str | float | None:
    """A number where the cell is one; text without where on the disk files lie."""
    if text.lower() in UNKNOWN:
        return None
    if NUMBER.fullmatch(text):
        number: float = json.loads(text)
        return number
    return FOLDERS.sub("", plain(InputError(text), entry))


def _kinds(columns: list[str], rows: list[list[Any]]) -> tuple[list[str], list[str]]:
    """The names of settings and of measures; those with no number in any row are left out."""
    if BEFORE_SETTINGS not in columns or AFTER_SETTINGS not in columns:
        return [], []
    start, end = columns.index(BEFORE_SETTINGS), columns.index(AFTER_SETTINGS)
    numeric = {
        name
        for k, name in enumerate(columns)
        if any(isinstance(row[k], int | float) for row in rows)
    }
    measures = [name for name in columns[end:] if name in numeric - NO_MEASURES]
    return [*columns[start + 1 : end], BEFORE_SETTINGS], measures
