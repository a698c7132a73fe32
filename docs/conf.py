"""The documentation site: `make docs` builds it into docs/_build.

pydata-sphinx-theme, since NumPy, SciPy, xarray and pynapple use it: scientists know where it keeps
things, and its bar at the top has every part of the docs one click away.

The source folder is the root of the repository, so that a link such as ../experiments/noise.csv
works here as on a code host: a Markdown page becomes a page, any other file a download.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent / "src")]

from gridcode.version import __version__  # noqa: E402 - the path comes first

project = "gridcode"
copyright = "the gridcode developers"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "docstrings",
    "built_links",
    "mathml",
    "package_tables",
]

root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "experiments/**/*.md",
    "benchmarks/**/*.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [
    ".*",
    "src",
    "tests",
    "runs",
    "docs/_*",
    "docs/paper.md",
]  # the paper has its journal's own syntax
templates_path = [str(HERE / "_templates")]

myst_enable_extensions = ["dollarmath", "attrs_inline", "colon_fence", "html_image"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may start below the first level

autosummary_generate = True
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
maximum_signature_line_length = 70
add_module_names = False
python_use_unqualified_type_names = True

napoleon_use_ivar = True
napoleon_attr_annotations = False
# Every reference must lead somewhere, but for types: many are other packages', or private.
nitpicky = True
nitpick_ignore_regex = [("py:(class|obj|exc|data)", r"(?!gridcode\.[a-z_]+$).*")]

html_theme = "pydata_sphinx_theme"
html_title = "gridcode"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_root"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "gridcode"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "show_toc_level": 2,
    # Wide tables take the whole width.
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "docs/index": [],
        "docs/reference/settings": [],
    },
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"docs/index": []}
