"""A plain page that lists scored sessions, with a link to the page of each; no script."""

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from gridcode.viewer.shell import style

TITLE = "Scored sessions"


def index_page(
    head: Sequence[str], rows: Sequence[Sequence[str]], pages: Sequence[str | None]
) -> str:
    """The table as HTML.

    Args:
        head: headings.
        rows: cells of each session, its name first.
        pages: file of each session's page, None where it has none.
    """
    top = "".join(f"<th{_left(k)}>{escape(name)}</th>" for k, name in enumerate(head))
    body = "\n".join(_row(cells, page) for cells, page in zip(rows, pages, strict=True))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{TITLE}</title>\n<style>{style()}</style>\n</head>\n<body>\n<main>"
        f'<div class="page"><h2>{TITLE}</h2>\n<div class="scroll"><table>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div></div></main>\n"
        "</body>\n</html>\n"
    )


def _row(cells: Sequence[str], page: str | None) -> str:
    first, *others = (escape(cell) for cell in cells)
    if page:
        first = f'<a href="{quote(page)}">{first}</a>'
    tail = "".join(f"<td>{cell}</td>" for cell in others)
    return f'<tr><td class="text">{first}</td>{tail}</tr>'


def _left(column: int) -> str:
    return ' class="text"' if column == 0 else ""
