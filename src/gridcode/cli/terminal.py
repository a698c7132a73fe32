"""Tables on the terminal: what the commands print for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridcode.analysis import text
from gridcode.analysis.records import Summary
from gridcode.analysis.records.base import Quartiles
from gridcode.api.comparison import Comparison
from gridcode.api.sessions import session_table
from gridcode.display import printable

WIDEST_TABLE = 150


def wide_console() -> Console:
    """Standard output, wide enough that no column of a table is cut."""
    console = Console(soft_wrap=True)
    console.width = max(console.width, WIDEST_TABLE)
    return console


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    text: str | None = None,
) -> None:
    """Print a table; the first columns (`left` of them) and `text` are flush left."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left or column == text else "right")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    console.print(table, highlight=False)


def print_summary(summary: Summary) -> None:
    """Print an evaluation: scores by arena, modules, and what was found in words."""
    console = wide_console()
    print_table(
        console,
        ("walk, arena", "active", "median score", "spacing (m)", "stability", "visited"),
        [
            (
                f"{arena.walk}, {arena.arena_m:g} m",
                f"{arena.active_units}/{arena.units}",
                _median(arena.grid_score_quartiles),
                _median(arena.spacing_m_quartiles),
                _median(arena.stability_quartiles),
                text.percent(arena.visited_share),
            )
            for arena in summary.arenas
        ],
    )
    print_modules(console, summary)
    console.print(escape(summary.verdict), highlight=False)
    console.print(escape(text.details(summary)), highlight=False)


def print_theory(summary: Summary) -> None:
    """Print what was found of topology, dynamics and coding, nothing where they were left out."""
    if summary.theory:
        sentences = " ".join(text.deep_sentences(summary.theory))
        wide_console().print(escape(sentences), highlight=False)


def print_units(console: Console, summary: Summary) -> None:
    """Print a row for every unit of a scored population."""
    columns = (
        *("unit", "type", "module", "grid score", "lattice p", "q", "spacing (m)"),
        *("orientation (deg)", "axis ratio", "fields", "bits", "stability"),
    )
    rows = [
        (
            str(unit.unit),
            unit.type,
            "-" if unit.module is None else str(unit.module),
            _fixed(unit.grid_score),
            text.p_text(unit.lattice_p_value),
            text.p_text(unit.q_value),
            _fixed(unit.spacing_m, 3),
            _fixed(unit.orientation_deg),
            _fixed(unit.axis_ratio),
            _fixed(unit.field_count, 0),
            _fixed(unit.information_bits),
            _fixed(unit.stability),
        )
        for unit in summary.units
    ]
    print_table(console, columns, rows, left=2)


def print_modules(console: Console, summary: Summary) -> None:
    """Print a row for every module, nothing where there is none."""
    rows = [
        (
            str(module.module),
            str(module.n_units),
            _fixed(module.spacing_m, 3),
            _fixed(module.orientation_deg, 1),
            _fixed(module.axis_ratio),
            text.p_text(module.p_value),
            text.p_text(module.phase_uniformity_p),
        )
        for module in summary.modules
    ]
    columns = ("module", "units", "spacing (m)", "orientation (deg)", "axis ratio", "p")
    if rows:
        print_table(console, (*columns, "phases uniform, p"), rows, left=0)


def print_sessions(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a row for every session, as `session_table` gives them."""
    head, cells = session_table(rows)
    console = wide_console()
    console.width = max(console.width, 4 * len(head) + sum(_widest(head, cells)))
    print_table(console, head, cells, text="not scored")


def _widest(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(head, *rows, strict=True)]


def print_comparison(comparison: Comparison) -> None:
    """Print what differs between runs: settings, then headline numbers; a column for each run."""
    results = comparison.results
    settings = [
        (key, *(_setting(value) for value in values)) for key, values in comparison.settings.items()
    ]
    numbers = {
        "active units": [f"{row['active']}/{row['units']}" for row in results],
        "hexagonal": [f"{row['hexagonal']}" for row in results],
        "on any lattice": [f"{row['lattice']}" for row in results],
        "modules (independent)": [f"{row['modules']} ({row['independent']})" for row in results],
        "spacings (m)": [
            ", ".join(f"{s:.2f}" for s in row["spacings_m"]) or "-" for row in results
        ],
        "path error": [
            "-"
            if row["path_error_m"] is None
            else f"{row['path_error_m']:.3f} m, {row['path_steps']} steps"
            for row in results
        ],
        "loss": ["-" if row["loss"] is None else f"{row['loss']:.4f}" for row in results],
    }
    console = wide_console()
    wanted = 26 + sum(max(22, len(name) + 2) for name in comparison.names)
    console.width = max(console.width, wanted)
    if settings:
        print_table(console, ("settings that differ", *comparison.names), settings)
    else:
        console.print("all settings are the same", highlight=False)
    console.print()
    rows = [(name, *cells) for name, cells in numbers.items()]
    print_table(console, ("results", *comparison.names), rows)


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _median(quartiles: Quartiles | None) -> str:
    return "-" if quartiles is None else _fixed(quartiles[1])


def _fixed(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
