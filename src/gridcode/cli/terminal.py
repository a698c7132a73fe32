"""Tables on the terminal: what the commands print for people."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridcode.analysis import text
from gridcode.analysis.records import Summary
from gridcode.api.comparison import Comparison
from gridcode.display import printable

WIDEST_TABLE = 150


def wide_console() -> Console:
    """Standard output, wide enough that no column of a table is cut."""
    console = Console(soft_wrap=True)
    console.width = max(console.width, WIDEST_TABLE)
    return console


def print_summary(summary: Summary) -> None:
    """Print an evaluation: scores by arena, modules, and what was found in words."""
    table = Table(box=None, pad_edge=False)
    for column in (
        "walk, arena",
        "active",
        "score > 0.5",
        "any lattice > 0.5",
        "median score",
        "spacing (m)",
        "stability",
        "visited",
    ):
        table.add_column(column, justify="left" if column == "walk, arena" else "right")
    for row in summary["arenas"]:
        table.add_row(
            f"{row['walk']}, {row['arena_m']:g} m",
            f"{row['active_units']}/{row['units']}",
            _percent(row["hexagonal_share"]),
            _percent(row["lattice_share"]),
            *(
                f"{row[name][1]:.2f}" if row[name] else "-"
                for name in ("minmax_quartiles", "spacing_m_quartiles", "stability_quartiles")
            ),
            _percent(row["visited_share"]),
        )
    console = wide_console()
    console.print(table, highlight=False)
    print_modules(console, summary)
    console.print(escape(text.verdict(summary)), highlight=False)
    console.print(escape(text.details(summary)), highlight=False)
    if summary.theory:
        console.print(escape(" ".join(text.deep_sentences(summary.theory))), highlight=False)


def print_units(console: Console, summary: dict[str, Any]) -> None:
    """Print a row for every unit of a scored population."""
    table = Table(box=None, pad_edge=False)
    columns = {
        "unit": "unit", "type": "type", "module": "module", "grid score": "grid_score", "p": "p_value", "any lattice p": "any_lattice_p_value",
        "spacing (m)": "spacing_m", "orientation (deg)": "orientation_deg", "axis ratio": "axis_ratio", "fields": "field_count",
        "bits": "information_bits", "stability": "stability",
    }  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in ("unit", "type") else "right")
    for row in summary["units"]:
        cells = []
        for key in columns.values():
            value = row[key]
            if value is None:
                cells.append("-")
            elif isinstance(value, str):
                cells.append(escape(printable(value)))
            elif key in ("unit", "module", "field_count"):
                cells.append(f"{value:.0f}")
            else:
                cells.append(
                    f"{value:.2g}"
                    if key.endswith("p_value")
                    else f"{value:.3f}"
                    if key == "spacing_m"
                    else f"{value:.2f}"
                )
        table.add_row(*cells)
    console.print(table, highlight=False)


def print_modules(console: Console, summary: dict[str, Any]) -> None:
    """Print a row for every module, nothing where there is none."""
    if not summary["modules"]:
        return
    table = Table(box=None, pad_edge=False)
    for column in (
        "module",
        "units",
        "spacing (m)",
        "orientation (deg)",
        "axis ratio",
        "p",
        "phases uniform, p",
    ):
        table.add_column(column, justify="right")
    for row in summary["modules"]:
        numbers = (
            f"{row['spacing_m']:.3f}",
            f"{row['orientation_deg']:.1f}",
            f"{row['axis_ratio']:.2f}",
        )
        table.add_row(
            str(row["module"]),
            str(row["n_units"]),
            *numbers,
            _short(row["p_value"]),
            _short(row["phase_uniformity_p"]),
        )
    console.print(table, highlight=False)


def print_comparison(comparison: Comparison) -> None:
    """Print what differs between runs: settings first, then headline numbers; a column for each run."""
    results = comparison.results
    lines: list[tuple[str, list[str]]] = [
        (key, [_as_setting(value) for value in values])
        for key, values in comparison.settings.items()
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
    console.width = max(
        console.width, 26 + sum(max(22, len(name) + 2) for name in comparison.names)
    )
    for title, rows in (("settings that differ", lines), ("results", list(numbers.items()))):
        if not rows:
            console.print("all settings are the same", highlight=False)
            continue
        table = Table(box=None, pad_edge=False)
        table.add_column(title)
        for name in comparison.names:
            table.add_column(escape(printable(name)), justify="right")
        for name, cells in rows:
            table.add_row(name, *(escape(printable(cell)) for cell in cells))
        console.print(table, highlight=False)
        console.print()


def _as_setting(value: Any) -> str:
    return json.dumps(value) if not isinstance(value, str) else value


def print_case(case: dict[str, Any]) -> None:
    """Print the times of one case of the benchmark."""
    shape = case["shape"]
    pairs = "all pairs" if case["pairs"] == "all" else f"pairs of {case['pairs']} states"
    title = f"{case['preset']} ({case['device']}): N={shape['units']} T={shape['steps']} B={shape['trajectories']}, {pairs}"
    if case["device"] == "gpu":
        print(
            f"\n{title}\n  {case['steps_per_second']} steps/s, {case['step_ms']} ms, floor {case['floor_ms']} ms, {case['peak_memory_mb']} MB"
        )
        return
    step = case["step_cpu_ms"]
    print(
        f"\n{title}\n  step {step['median']} CPU-ms ({step['min']} to {step['max']}), floor {case['floor_ms']} ms, peak {case['peak_memory_mb']} MB"
    )
    if "naive_cpu_ms" in case:
        print(
            f"  naive step {case['naive_cpu_ms']} CPU-ms: {case['naive_over_fast']} times as much"
        )
    if "two_threads_speedup" in case:
        print(f"  two threads: {case['two_threads_speedup']} times as fast as one (wall time)")
    table = Table(box=None, pad_edge=False)
    for column in ("  part", "floor (ms)", "measured (CPU-ms)", "floor / measured"):
        table.add_column(column, justify="left" if column == "  part" else "right")
    for row in case["parts"]:
        table.add_row(
            f"  {row['part']}",
            *(
                "-" if row[key] is None else f"{row[key]:.2f}"
                for key in ("floor_ms", "ms", "share")
            ),
        )
    Console(soft_wrap=True).print(table, highlight=False)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
