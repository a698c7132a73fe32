"""Tables of text: a path with x, y and t, with activity by unit; or spikes with time and unit."""

import csv
from pathlib import Path

import numpy as np

from gridcode.errors import InputError
from gridcode.reading import reading
from gridcode.recordings.columns import path_of
from gridcode.recordings.contents import Contents, listed
from gridcode.recordings.formats.named_arrays import contents_of
from gridcode.recordings.sizes import check_size

NEEDED = (
    "columns t, x, y and one for the activity of each unit; or t, x, y; or the time and unit of "
    "spikes"
)


def read_table(path: Path, *, position_unit: str | float | None = None) -> Contents:
    """A path, activity along it, or spikes from a .csv or .tsv file with named columns.

    Raises:
        InputError: no readable table, no names in its first row, or columns that are not known.
    """
    columns = _columns(path)
    found = path_of(columns, position_unit=position_unit)
    rest = {} if found is None else {k: v for k, v in columns.items() if k not in found.used}
    if found is None or not rest:
        return contents_of(path, columns, position_unit, NEEDED)
    words = [name for name, values in rest.items() if values.dtype.kind != "f"]
    if words:
        raise InputError(f"the column {words[0]} of {path.name} holds words beside a path")
    arrays = found.arrays | {"activity": np.stack(list(rest.values()), axis=1), "units": list(rest)}
    return Contents(path, arrays, found.notes, listed(columns))


def _columns(path: Path) -> dict[str, np.ndarray]:
    check_size((path.stat().st_size,), path.name)
    with reading(f"{path.name} is not a readable table"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max("\t;,", key=first.count)
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
        if not rows:
            raise InputError(f"{path.name} is empty")
        names = [name.strip() for name in rows[0]]
        lengths = {len(row) for row in rows}
        if len(lengths) > 1:
            bad = next(i for i, row in enumerate(rows, 1) if len(row) != len(names))
            raise InputError(
                f"row {bad} of {path.name} has {len(rows[bad - 1])} values, but there are "
                f"{len(names)} columns"
            )
        columns = [_values(column) for column in zip(*rows[1:], strict=True)]
    if all(_number(name) for name in names):
        raise InputError(f"the first row of {path.name} holds numbers; needed there: {NEEDED}")
    if len(set(names)) < len(names):
        raise InputError(f"{path.name} names a column twice")
    # The first column of pandas' to_csv, the index, has no name.
    return {name: v for name, v in zip(names, columns, strict=False) if name}


def _values(column: tuple[str, ...]) -> np.ndarray:
    """Numbers, NaN where there is nothing; else words."""
    try:
        return np.array([value if value.strip() else "nan" for value in column], dtype=np.float64)
    except ValueError:
        return np.array(column, dtype=str)


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
