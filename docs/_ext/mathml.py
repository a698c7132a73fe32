"""Formulas as MathML, which browsers draw themselves: no script, and no network at reading time."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

# What docutils does not know, though plain brackets and dots will do.
BIG, DOTS = re.compile(r"\\[Bb]ig\b\s*"), re.compile(r"\\dots\b")


def _write(writer: HTML5Translator, node: nodes.math | nodes.math_block, *, block: bool) -> None:
    tex = DOTS.sub(r"\\ldots", BIG.sub("", node.astext()))
    try:
        writer.body.append(tex2mathml(tex, as_block=block))
    except MathError as error:
        logging.getLogger(__name__).warning("formula: %s", error, location=node)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer(
        "mathml",
        (lambda writer, node: _write(writer, node, block=False), None),
        (lambda writer, node: _write(writer, node, block=True), None),
    )
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}
