"""The one HTML shell around the front end, filled for a self-contained file or for the explorer."""

import base64
import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from gridcode.viewer.encode import as_json

STATIC = resources.files("gridcode.viewer") / "static"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("gridcode.viewer", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def scripts() -> dict[str, str]:
    """The front end's modules by file name."""
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(STATIC.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".js")
    }


@cache
def style() -> str:
    """The front end's style sheet."""
    return (STATIC / "style.css").read_text(encoding="utf-8")


@cache
def plotly_packed() -> str:
    """plotly.js, compressed, as text: 2 MB instead of 4.8."""
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode()


def render_shell(
    *,
    mode: str,
    title: str,
    verdict: str = "",
    documents: Mapping[str, Any] | None = None,
    self_contained: bool = True,
    plotly: bool = True,
) -> str:
    """The page as HTML.

    Args:
        mode: `report`, `compare` or `explorer`.
        title: of the window.
        verdict: what a reader without JavaScript sees.
        documents: what the page holds, by name.
        self_contained: with all scripts inside, for a file; else they are fetched from `static/`.
        plotly: whether a self-contained page has anything that needs plotly.js.
    """
    if self_contained:
        imports = {f"gridcode/{name}": _as_url(text) for name, text in scripts().items()}
    else:
        imports = {f"gridcode/{name}": f"./static/{name}" for name in scripts()}
    return _ENVIRONMENT.get_template("shell.html.j2").render(
        mode=mode,
        title=title,
        verdict=verdict,
        importmap=_in_script(json.dumps({"imports": imports})),
        style=Markup(style()),
        documents=[
            (name, _in_script(as_json(document))) for name, document in (documents or {}).items()
        ],
        plotly=Markup(plotly_packed()) if self_contained and plotly else "",
    )


def _in_script(text: str) -> Markup:
    """JSON that cannot end the script element around it: these characters only occur in strings."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e"))


def _as_url(text: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
