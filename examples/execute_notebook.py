"""Run examples/notebook.py; write docs/notebook.md and docs/images/notebook-*.png.

python examples/execute_notebook.py            (a minute of one core; no Jupyter needed)
"""

import ast
import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET, IMAGES = (
    ROOT / "examples" / "notebook.py",
    ROOT / "docs" / "notebook.md",
    ROOT / "docs" / "images",
)
DOTS_PER_INCH = 80


def cells(text: str) -> list[tuple[str, str]]:
    """The cells of a file in the percent format: (kind, text), kind `markdown` or `code`."""
    found = []
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            found.append(
                (
                    "markdown",
                    "\n".join(
                        line.removeprefix("#").removeprefix(" ")
                        for line in body.strip().splitlines()
                    ),
                )
            )
        else:
            found.append(("code", body.strip()))
    return found


def code_in(markdown: str) -> list[str]:
    """The code cells that a page holds."""
    return re.findall(r"^```python\n(.*?)\n```$", markdown, flags=re.MULTILINE | re.DOTALL)


def run_cell(code: str, names: dict[str, Any]) -> tuple[str, Any]:
    """Execute a cell; return the printed text and the value of its last line, if it has one."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, SOURCE.name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), SOURCE.name, "eval"), names)
    return printed.getvalue().rstrip(), value


def shown(printed: str, value: Any) -> list[str]:
    """Printed text and value as Markdown, as in a notebook; axes are shown as their picture."""
    parts = [f"```text\n{printed}\n```"] if printed else []
    if value is not None and not isinstance(value, Axes):
        html = getattr(value, "_repr_html_", None)
        parts.append(html() if html else f"```text\n{value!r}\n```")
    # The temporary folder has another name each time.
    place = re.escape(str(Path(tempfile.gettempdir())))
    return [
        re.sub(place + r"/gridcode-\w+", "TEMPORARY", re.sub(r' style="[^"]*"', "", part))
        for part in parts
    ]


def pictures(number: int) -> list[str]:
    """Save the open figures, in 256 colours, and close them."""
    parts = []
    for figure in map(plt.figure, plt.get_fignums()):
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
        name = f"notebook-{number + len(parts)}.png"
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(
                256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            ).save(IMAGES / name, optimize=True)
        titles = [ax.get_title().splitlines()[0] for ax in figure.axes if ax.get_title()]
        parts.append(f"![{'; '.join(titles) or 'rate maps of the best units'}](images/{name})")
    plt.close("all")
    return parts


def main() -> None:
    """Write the page."""
    names: dict[str, Any] = {"__name__": "__main__"}
    page = [
        "<!-- Written by examples/execute_notebook.py from examples/notebook.py: "
        "change that, and run it again. -->"
    ]
    count = 0
    for kind, text in cells(SOURCE.read_text(encoding="utf-8")):
        if kind == "markdown":
            page.append(text)
            continue
        page.append(f"```python\n{text}\n```")
        page += shown(*run_cell(text, names))
        drawn = pictures(count + 1)
        count += len(drawn)
        page += drawn
    TARGET.write_text("\n\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
