"""What a figure found, in numbers and words, and the files it is written to."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gridcode.errors import InputError
from gridcode.runs.files import write_atomically

AGREES, IN_PART, NOT, UNKNOWN = "agrees", "agrees in part", "does not agree", "could not be judged"
Table = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Claim:
    """One thing that the paper's figure shows, and in which networks it holds here.

    Attributes:
        text: the claim, with the limits by which it is judged.
        holds: for each network; None where it could not be measured.
        central: the figure stands or falls with it.
    """

    text: str
    holds: tuple[bool | None, ...]
    central: bool = False

    @property
    def decided(self) -> list[bool]:
        """The networks that it could be measured in."""
        return [held for held in self.holds if held is not None]

    def said(self) -> str:
        """Claim and count in words."""
        if not self.decided:
            return f"{self.text}: not measured"
        missing = len(self.holds) - len(self.decided)
        return f"{self.text}: {_holds(sum(self.decided), len(self.decided))}" + (
            f" ({missing} not measured)" if missing else ""
        )


def _holds(yes: int, of: int) -> str:
    if of == 1:
        return "holds" if yes else "does not hold"
    return f"holds in {yes} of {of}"


def judge(claims: Sequence[Claim]) -> str:
    """The verdict that follows from claims.

    `agrees`: every claim holds in every network. `does not agree`: none holds in any, or a central
    one holds in none. `agrees in part`: all else.
    """
    decided = [held for claim in claims for held in claim.decided]
    if not decided:
        return UNKNOWN
    if not any(decided) or any(
        claim.central and claim.decided and not any(claim.decided) for claim in claims
    ):
        return NOT
    return (
        AGREES
        if all(decided) and all(claim.decided and None not in claim.holds for claim in claims)
        else IN_PART
    )


@dataclass(frozen=True)
class Made:
    """A figure before it is written.

    Attributes:
        title: what the figure is about.
        paper: what the paper shows, a sentence.
        found: what was measured here, sentences made from numbers.
        claims: what verdict rests on.
        caveats: what to bear in mind, sentences.
        tables: rows by the name that is added to the file's; "" is the main one. Every number that
            the figure shows is in one of them.
        figure: the picture.
        networks: names of the networks.
    """

    title: str
    paper: str
    found: Sequence[str]
    claims: Sequence[Claim]
    caveats: Sequence[str]
    tables: Mapping[str, Table]
    figure: Figure
    networks: Sequence[str] = ()


@dataclass(frozen=True)
class Reproduction:
    """A figure of the paper, made here.

    Attributes:
        figure: its name.
        verdict: `agrees`, `agrees in part`, `does not agree`, or `could not be judged` where
            nothing could be measured.
        text: one paragraph: what the paper shows, what was found, whether that agrees, what to bear
            in mind.
        claims: what the verdict rests on.
        networks: names of the networks that it was made from.
        tables: rows by name.
        files: what was written.
    """

    figure: str
    verdict: str
    text: str
    claims: tuple[Claim, ...]
    networks: tuple[str, ...]
    tables: Mapping[str, Table] = field(repr=False)
    files: tuple[Path, ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """What `gridcode reproduce --json` prints."""
        return {
            "figure": self.figure,
            "verdict": self.verdict,
            "text": self.text,
            "networks": list(self.networks),
            "claims": [
                {"claim": c.text, "holds": list(c.holds), "central": c.central} for c in self.claims
            ],
            "files": [str(path) for path in self.files],
        }


def paragraph(figure: str, made: Made) -> str:
    """The paragraph of a figure."""
    number = figure.removeprefix("fig")
    held = "; ".join(claim.said() for claim in made.claims)
    sentences = [made.paper, *made.found, f"Judged by: {held}." if held else "", *made.caveats]
    return f"**Figure {number}, {made.title}: {judge(made.claims)}.** " + " ".join(
        s for s in sentences if s
    )


def write(figure: str, made: Made, folder: Path) -> Reproduction:
    """Write picture, tables and paragraph into a folder that exists.

    Raises:
        InputError: they cannot be written.
    """
    text = paragraph(figure, made)
    files: dict[str, bytes | str] = {}
    for kind in ("png", "pdf"):
        drawn = io.BytesIO()
        # Without its date the same numbers give the same file.
        made.figure.savefig(
            drawn, format=kind, dpi=200, metadata={"CreationDate": None} if kind == "pdf" else None
        )
        files[f"{figure}.{kind}"] = drawn.getvalue()
    for name, rows in made.tables.items():
        if not rows:
            continue
        files[f"{figure}_{name}.csv" if name else f"{figure}.csv"] = table_text(rows)
    files[f"{figure}.md"] = text + "\n"
    try:
        for name, data in files.items():
            write_atomically(folder / name, data)
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror or error}") from None
    return Reproduction(
        figure,
        judge(made.claims),
        text,
        tuple(made.claims),
        tuple(made.networks),
        dict(made.tables),
        tuple(folder / name for name in files),
    )


def table_text(rows: Table) -> str:
    """Rows as CSV, six significant digits; what is missing is empty, lists are JSON."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    drawn = io.StringIO()
    writer = csv.writer(drawn, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return drawn.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return ""
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def known(values: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """The values that are numbers."""
    given = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return given[np.isfinite(given)]


def middle(values: Sequence[float | None] | np.ndarray) -> float:
    """Median of what is known, NaN where nothing is."""
    found = known(values)
    return float(np.median(found)) if len(found) else math.nan


def spread(values: Sequence[float | None] | np.ndarray, unit: str = "", digits: int = 2) -> str:
    """Median and range in words, such as `0.82 m (0.79 to 0.85)`; without the range where all are alike."""
    found = known(values)
    if not len(found):
        return "not measured"
    unit = f" {unit}" if unit else ""
    text = f"{np.median(found):.{digits}f}"
    low, high = f"{found.min():.{digits}f}", f"{found.max():.{digits}f}"
    return f"{text}{unit}" if low == high == text else f"{text}{unit} ({low} to {high})"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def within(value: float | None, low: float, high: float) -> bool | None:
    """Whether a value lies in a range; None where it is not known."""
    return bool(low <= value <= high) if value is not None and math.isfinite(value) else None
