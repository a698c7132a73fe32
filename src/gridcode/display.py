"""How records are shown: in one line of text, or as a small table of HTML in a notebook."""

import html
from collections.abc import Iterable, Mapping, Sequence

MOST_ROWS = 12


def table(headline: str, rows: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """A headline and a table of two columns as HTML."""
    pairs = list(rows.items() if isinstance(rows, Mapping) else rows)
    body = "".join(
        f'<tr><th style="text-align:left">{html.escape(str(name))}</th>'
        f'<td style="text-align:left">{html.escape(str(value))}</td></tr>'
        for name, value in pairs
    )
    return (
        f"<div><strong>{html.escape(headline)}</strong>"
        + (f"<table>{body}</table>" if body else "")
        + "</div>"
    )


def wide_table(headline: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A headline and a table with a header as HTML, cut after `MOST_ROWS` rows."""
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


def printable(text: str) -> str:
    """One line of text that cannot steer a terminal: names come from files."""
    return "".join(c if c.isprintable() else "?" for c in text)
