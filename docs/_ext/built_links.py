"""After the build: every link within the site leads somewhere, and no page loads anything else.

Sphinx checks the references that it makes itself; this reads the pages as a browser does.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx
from sphinx.util import logging

LINK = re.compile(r'<(\w+)[^>]*? (?:href|src)="([^"#?]*)[^"#]*(?:#([^"]*))?"')


@cache
def _anchors(page: Path) -> set[str]:
    return set(re.findall(r' (?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))


def _wrong(page: Path, tag: str, target: str, anchor: str) -> bool:
    if re.match(r"\w+:", target):
        return tag != "a" and not target.startswith("data:")
    path = page.parent / unquote(target) if target else page
    if not path.is_file():
        return True
    return bool(anchor) and path.suffix == ".html" and unquote(anchor) not in _anchors(path)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    log, root = logging.getLogger(__name__), Path(app.outdir)
    for page in sorted(set(root.rglob("*.html")) - set((root / "_static").rglob("*.html"))):
        for tag, target, anchor in sorted(set(LINK.findall(page.read_text(encoding="utf-8")))):
            if _wrong(page, tag, target, anchor):
                log.warning("%s: broken link %s#%s", page.relative_to(root), target, anchor)


def setup(app: Sphinx) -> dict[str, bool]:
    """Check when all is written."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
