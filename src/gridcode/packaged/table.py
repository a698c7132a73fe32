"""The packaged networks on the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gridcode.packaged.networks import Details, PathScores


def row(details: Details) -> dict[str, Any]:
    """One network for JSON."""
    keys = {"name", "seed", "command", "exported", "dtype", "rank", "bytes", "sha256", "scores"}
    manifest = {key: details.manifest[key] for key in ("gridcode", "torch", "cpu_seconds")}
    return details.model_dump(mode="json", include=keys) | manifest


def print_list(console: Console, networks: Sequence[Details]) -> None:
    """Print a line for each packaged network."""
    table = Table(box=None, pad_edge=False)
    table.add_column("name")
    for column in ("units", "active", "modules", "independent", "spacing (m)", "path error (m)"):
        table.add_column(column, justify="right")
    table.add_column("trained (CPU-s)", justify="right")
    table.add_column("kB", justify="right")
    table.add_column("types")
    for details in networks:
        scores = details.scores
        counts = (scores.units, scores.active_units, scores.n_modules, scores.n_independent_modules)
        types = sorted(scores.types.items(), key=lambda item: -item[1])
        table.add_row(
            details.name,
            *map(str, counts),
            ", ".join(f"{module.spacing_m:.2f}" for module in scores.modules) or "-",
            _path_error(scores.path_integration),
            f"{details.manifest['cpu_seconds']:.0f}",
            f"{details.bytes / 1000:.0f}",
            escape(", ".join(f"{count} {kind}" for kind, count in types if count)),
        )
    console.print(table, highlight=False)


def print_one(console: Console, details: Details) -> None:
    """Print what is known of a packaged network."""
    print_list(console, [details])
    manifest, changes = details.manifest, details.comparison["changes"]
    rank = f", layer behind W(v) of rank {details.rank}" if details.rank else ""
    same = "the run's own"
    if changes:
        same = f"{changes['units_of_other_type']} units of another type than with {same}"
    for line in (
        f"command:  {details.command}",
        f"made by:  gridcode {manifest['gridcode']}, torch {manifest['torch']}, "
        f"{manifest['device']}; exported {details.exported}",
        f"weights:  {details.dtype}{rank} ({same}); SHA-256 {details.sha256}",
    ):
        console.print(escape(line), highlight=False)


def _path_error(path: PathScores | None) -> str:
    """Median error after 1,000 steps, or at the longest horizon before that has one."""
    errors = path.errors if path else ()
    known = [(e.median_m, e.steps) for e in errors if e.median_m is not None and e.steps <= 1000]
    return f"{known[-1][0]:.3f} after {known[-1][1]:,} steps" if known else "-"
