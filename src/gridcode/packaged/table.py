"""The packaged networks on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def row(details: Mapping[str, Any]) -> dict[str, Any]:
    """What a list of networks says of each; ready for JSON."""
    manifest = details["manifest"]
    keys = ("name", "seed", "command", "exported", "dtype", "rank", "bytes", "sha256", "scores")
    return {key: details[key] for key in keys} | {
        "gridcode": manifest["gridcode"],
        "torch": manifest["torch"],
        "cpu_seconds": manifest["cpu_seconds"],
    }


def print_list(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each packaged network."""
    table = Table(box=None, pad_edge=False)
    columns = (
        "name",
        "units",
        "active",
        "modules",
        "independent",
        "spacing (m)",
        "path error (m)",
        "trained (CPU-s)",
        "kB",
        "types",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in ("name", "types") else "right")
    for each in rows:
        scores = each["scores"]
        table.add_row(
            each["name"],
            str(scores["units"]),
            str(scores["active_units"]),
            str(scores["n_modules"]),
            str(scores["n_independent_modules"]),
            ", ".join(f"{module['spacing_m']:.2f}" for module in scores["modules"]) or "-",
            path_in_words(scores["path_integration"]),
            f"{each['cpu_seconds']:.0f}",
            f"{each['bytes'] / 1000:.0f}",
            escape(types_in_words(scores["types"])),
        )
    console.print(table, highlight=False)


def print_one(console: Console, details: Mapping[str, Any]) -> None:
    """Print what is known of a packaged network."""
    print_list(console, [row(details)])
    manifest, apart = details["manifest"], details["comparison"]["changes"]
    console.print(escape(f"command:  {details['command']}"), highlight=False)
    made = f"gridcode {manifest['gridcode']}, torch {manifest['torch']}, {manifest['device']}; exported {details['exported']}"
    console.print(escape(f"made by:  {made}"), highlight=False)
    rank = f", layer behind W(v) of rank {details['rank']}" if details["rank"] else ""
    same = (
        f"{apart['units_of_other_type']} units of another type than with the run's own"
        if apart
        else "the run's own"
    )
    console.print(
        escape(f"weights:  {details['dtype']}{rank} ({same}); SHA-256 {details['sha256']}"),
        highlight=False,
    )


def types_in_words(types: Mapping[str, int]) -> str:
    """Cell types that occur, most units first."""
    return ", ".join(
        f"{count} {kind}"
        for kind, count in sorted(types.items(), key=lambda item: -item[1])
        if count
    )


def path_in_words(found: Mapping[str, Any] | None) -> str:
    """Median error after 1,000 steps, or at the longest horizon before that has one."""
    known = [
        e
        for e in (found or {}).get("errors", [])
        if e["median_m"] is not None and e["steps"] <= 1000
    ]
    return f"{known[-1]['median_m']:.3f} after {known[-1]['steps']:,} steps" if known else "-"
