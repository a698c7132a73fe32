"""Formulas as MathML, which browsers draw themselves: no script, and no network at reading time."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator


def _write(writer: HTML5Translator, node: nodes.math | nodes.math_block, display: str) -> None:
    tex = re.sub(r"\\arg\b", r"\\operatorname{arg}", node.astext())  # the one that it does not know
    formula = convert(tex, display=display)
    for unknown in re.findall(r"\\[a-zA-Z]+", formula):
        logging.getLogger(__name__).warning("formula: %s is not known", unknown, location=node)
    writer.body.append(formula)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer(
        "mathml",
        (lambda writer, node: _write(writer, node, "inline"), None),
        (lambda writer, node: _write(writer, node, "block"), None),
    )
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}
