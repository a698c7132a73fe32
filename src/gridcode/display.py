"""How names and records show themselves: one line of text, a small table of HTML in a notebook."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_ROWS = 12


def table(headline: str, rows: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """A headline and a table of two columns as HTML, every text escaped."""
    pairs = list(rows.items() if isinstance(rows, Mapping) else rows)
    body = "".join(
        f'<tr><th style="text-align:left">{html.escape(str(name))}</th><td style="text-align:left">{html.escape(str(value))}</td></tr>'
        for name, value in pairs
    )
    return (
        f"<div><strong>{html.escape(headline)}</strong>"
        + (f"<table>{body}</table>" if body else "")
        + "</div>"
    )


def wide_table(headline: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A headline and a table with a row of names as HTML, every text escaped; long ones are cut, and say so."""
    shown = rows[:MOST_ROWS]
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in shown
    )
    more = f"<div>and {len(rows) - len(shown)} more</div>" if len(rows) > len(shown) else ""
    return (
        f"<div><strong>{html.escape(headline)}</strong>"
        + (f"<table><tr>{top}</tr>{body}</table>{more}" if rows else "")
        + "</div>"
    )


def metres(values: Iterable[float]) -> str:
    """Lengths in words, such as `0.78, 0.80 m`, or `none`."""
    found = [f"{value:.2f}" for value in values]
    return f"{', '.join(found)} m" if found else "none"


def summary_line(summary: Mapping[str, Any]) -> str:
    """An evaluation in one line."""
    h = summary["headline"]
    found = f"{h['types']['hexagonal']} hexagonal, " if "types" in h else ""
    modules = f"{len(summary['modules'])} module{'' if len(summary['modules']) == 1 else 's'}"
    return f"{h['active_units']} of {h['units']} units active, {found}{modules}, {h['walk']} walk, {h['arena_m']:g} m arena"


def summary_rows(summary: Mapping[str, Any]) -> dict[str, object]:
    """The headline numbers of an evaluation by name."""
    h = summary["headline"]
    rows: dict[str, object] = {
        "units active": f"{h['active_units']} of {h['units']}",
        "types": ", ".join(f"{count} {kind}" for kind, count in h["types"].items() if count),
        "modules (independent)": f"{h['n_modules']} ({h['n_independent_modules']})",
        "spacings": metres(row["spacing_m"] for row in summary["modules"]),
        "measured in": f"{h['arena_m']:g} m arena, {h['walk']} walk",
        "also in": ", ".join(
            row["group"] for row in summary["arenas"] if row["group"] != h["group"]
        )
        or "-",
    }
    at = (summary.get("space") or [{}])[0].get("decoding") or []
    if at and at[-1]["tracked_m"][1] is not None:
        rows["path integration"] = (
            f"{at[-1]['tracked_m'][1]:.3f} m off after {at[-1]['steps']} steps (median)"
        )
    theory = summary.get("theory")
    if theory:
        shapes = theory["state_space"]["populations"]
        rows["torus"] = (
            ", ".join(
                f"{row['name']}: {'yes' if row['topology']['torus'] else 'not shown'}"
                for row in shapes
            )
            or "-"
        )
    return rows


def printable(text: str) -> str:
    """One line of text that cannot steer a terminal: names come from files."""
    return "".join(c if c.isprintable() else "?" for c in text)
