"""Docstrings are Markdown, as they read well in an editor; autodoc expects reStructuredText."""

import re
from textwrap import dedent

from pydantic import BaseModel
from sphinx.application import Sphinx

FORMULA = re.compile(r"^( *)\$\$(.+?)\$\$", re.DOTALL | re.MULTILINE)
# Literals that are right already; code; a formula in a line; what reStructuredText would read.
INLINE = re.compile(r"``.+?``|(?<!:)`([^`]+)`|\$([^$]+)\$|\|", re.DOTALL)


def _block(found: re.Match[str]) -> str:
    indent, formula = found[1], " ".join(dedent(found[2]).split())
    return f"{indent}.. math::\n\n{indent}   {formula}\n\n{indent}"


def _inline(found: re.Match[str]) -> str:
    code, formula = found[1], found[2]
    if code:
        return f"``{' '.join(code.split())}``"
    if formula:
        return f":math:`{' '.join(formula.split())}`"
    return r"\|" if found[0] == "|" else found[0]


def _translate(
    _app: Sphinx, _what: str, _name: str, _of: object, _o: object, lines: list[str]
) -> None:
    parts = re.split(r"( *\.\. math::\n\n.+\n)", FORMULA.sub(_block, "\n".join(lines)))
    text = "".join(part if ".. math::" in part else INLINE.sub(_inline, part) for part in parts)
    lines[:] = text.split("\n")


def _signature(
    _app: Sphinx, what: str, _name: str, of: object, *_: object
) -> tuple[str, None] | None:
    """Records and settings are described field by field, not in one line of all fields."""
    is_model = what == "class" and isinstance(of, type) and issubclass(of, BaseModel)
    return ("", None) if is_model else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Translate before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _translate, priority=400)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
