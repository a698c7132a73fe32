"""The comparison as one self-contained page, and as Markdown."""

import base64
from collections.abc import Callable, Sequence
from importlib import resources

import jinja2

from gridcode.paper.families.measure import FamilyRow
from gridcode.paper.families.members import MAIN, family_of, put_in, source_of, title_of
from gridcode.paper.families.shortcomings import NAMES, Shortcoming
from gridcode.paper.tables import known, spread
from gridcode.viewer.shell import style

Column = tuple[str, Callable[[Sequence[FamilyRow]], str]]


def _spread(name: str, digits: int = 2, scale: float = 1.0) -> Callable[[Sequence[FamilyRow]], str]:
    def text(rows: Sequence[FamilyRow]) -> str:
        found = known([getattr(row, name) for row in rows])
        return spread(found * scale, digits=digits) if len(found) else "-"

    return text


def _tori(rows: Sequence[FamilyRow]) -> str:
    of = sum(row.tori_of or 0 for row in rows)
    return f"{sum(row.tori or 0 for row in rows)} of {of}" if of else "-"


# Two tables: what a reader asks first, and the coding properties.
COLUMNS: tuple[Column, ...] = (
    ("on lattices", _spread("lattice_share")),
    ("hexagonal", _spread("hexagonal_share")),
    ("modules", _spread("n_modules", 0)),
    ("independent", _spread("n_independent", 0)),
    ("largest / smallest spacing", _spread("largest_over_smallest")),
    ("modules with a torus", _tori),
    ("path error, 100 steps (cm)", _spread("path_100_m", 1, 100)),
    ("1,000 steps", _spread("path_1000_m", 0, 100)),
    ("1,000 in 1.5 times", _spread("path_1000_at_1_5", 0, 100)),
    ("in 2 times", _spread("path_1000_at_2", 0, 100)),
    ("in 3 times", _spread("path_1000_at_3", 0, 100)),
    ("on lattices beyond", _spread("lattice_share_beyond")),
    ("parameters", _spread("parameters", 0)),
    ("CPU-s", _spread("cpu_seconds", 0)),
)
CODING: tuple[Column, ...] = (
    ("units", _spread("active_units", 0)),
    ("capacity in 1 m (bits)", _spread("capacity_1m_bits", 1)),
    ("in 2 m", _spread("capacity_2m_bits", 1)),
    ("capacity with area (exponent)", _spread("capacity_area_exponent")),
    ("separation", _spread("separation")),
    ("decorrelation", _spread("decorrelation")),
    ("equal norm", _spread("equal_norm", 3)),
    ("update (R^2)", _spread("update")),
    ("algebraic", _spread("algebraic")),
    ("whitened", _spread("whitened")),
    ("error correction", _spread("correction")),
)


def tables(rows: Sequence[FamilyRow]) -> list[tuple[list[str], list[list[str]]]]:
    """Both tables: heads and lines of text; medians and ranges over seeds."""
    main = [row for row in rows if row.question == MAIN and row.status != "failed"]
    models = list(dict.fromkeys(row.model for row in main))
    found = []
    for columns in (COLUMNS, CODING):
        lines = []
        for model in models:
            here = [row for row in main if row.model == model]
            lines.append([model, *(text(here) for _, text in columns)])
        found.append((["model", *(name for name, _ in columns)], lines))
    return found


def markdown(rows: Sequence[FamilyRow], verdicts: Sequence[Shortcoming]) -> str:
    """Both tables and the four shortcomings as Markdown."""
    parts = [_markdown_table(head, lines) for head, lines in tables(rows)]
    for number, name in NAMES.items():
        found = [[v.model, v.verdict, v.reason] for v in verdicts if v.number == number]
        if found:
            parts.append(f"**({number}) {name}**")
            parts.append(_markdown_table(["model", "verdict", "numbers"], found))
    return "\n\n".join(parts) + "\n"


def _markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def render(rows: Sequence[FamilyRow], verdicts: Sequence[Shortcoming], picture: bytes) -> str:
    """The page as HTML.

    Args:
        rows: the table.
        verdicts: the four shortcomings.
        picture: the figure as PNG.
    """
    models = list(dict.fromkeys(row.model for row in rows))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = resources.files("gridcode.paper.families") / "page.html.j2"
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        style=style(),
        picture=base64.b64encode(picture).decode(),
        tables=tables(rows),
        models=[(m, title_of(m), family_of(m), put_in(m), source_of(m)) for m in models],
        shortcomings=[
            (number, name, [v for v in verdicts if v.number == number])
            for number, name in NAMES.items()
        ],
        failures=[row for row in rows if row.status == "failed"],
    )
