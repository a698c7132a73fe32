"""Tables as CSV, and numbers in words."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from gridcode.errors import InputError

# Dataclasses of one type, a row each.
Table = Sequence[Any]
Row = TypeVar("Row")


class Quartiles(NamedTuple):
    """Quartiles of a sample, None where it is empty; three columns of a table."""

    q25: float | None
    median: float | None
    q75: float | None


def table_text(rows: Table) -> str:
    """Dataclasses as CSV, six significant digits; None and NaN are empty, lists are JSON.

    A field that holds a dictionary or a record becomes a column for each of its entries, with the
    field's name before it where another column has the name already.
    """
    cells = [dict(_cells(vars(row))) for row in rows]
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in cells for name in row))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def _cells(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for name, value in fields.items():
        if isinstance(value, Quartiles):
            cells = _cells({f"{name}_{part}": v for part, v in value._asdict().items()})
        elif isinstance(value, dict):
            cells = _cells(value)
        elif isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
            cells = _cells(vars(value))
        else:
            cells = iter([(name.replace(" ", "_").replace("-", "_"), _cell(value))])
        for column, cell in cells:
            unique = f"{name}_{column}" if column in taken else column
            taken.add(unique)
            yield unique, cell


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}" if math.isfinite(value) else ""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def read_table(text: str, kind: type[Row], *, name: str) -> list[Row]:
    """Read rows that `table_text` wrote; columns that the dataclass lacks are ignored.

    Args:
        text: CSV.
        kind: dataclass of a row.
        name: of the file, for the error message.

    Raises:
        InputError: no rows, or columns that are missing or of another type.
    """
    rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(io.StringIO(text))]
    try:
        found = TypeAdapter(list[kind]).validate_python(rows)  # type: ignore[valid-type]
    except ValidationError as error:
        first = error.errors()[0]
        where = ", ".join(str(part) for part in first["loc"][1:])
        raise InputError(
            f"{name} is no table of `gridcode ablate` ({where}: {first['msg']})"
        ) from None
    if not found:
        raise InputError(f"{name} is no table of `gridcode ablate`: it has no rows")
    return found


def known(values: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """The values that are neither None nor NaN nor infinite."""
    given = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return given[np.isfinite(given)]


def median(values: Sequence[float | None] | np.ndarray) -> float | None:
    """Median of the known values, None without any."""
    found = known(values)
    return float(np.median(found)) if len(found) else None


def quartiles(values: Sequence[float | None] | np.ndarray) -> Quartiles:
    """Quartiles of the known values."""
    found = known(values)
    return Quartiles(*(np.quantile(found, [0.25, 0.5, 0.75]) if len(found) else [None] * 3))


def spread(values: Sequence[float | None] | np.ndarray, unit: str = "", digits: int = 2) -> str:
    """Median and range in words: `0.82 m (0.79 to 0.85)`, or `0.82 m` where all are equal."""
    found = known(values)
    if not len(found):
        return "not measured"
    low, middle, high = (f"{f(found):.{digits}f}" for f in (np.min, np.median, np.max))
    text = f"{middle} {unit}".strip()
    return text if low == high == middle else f"{text} ({low} to {high})"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where needed."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def within(value: float | None, low: float, high: float) -> bool | None:
    """Whether a value lies in a range; None where it is unknown."""
    return bool(low <= value <= high) if value is not None and math.isfinite(value) else None
