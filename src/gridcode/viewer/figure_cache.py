"""A run's figures as files: from its folder where they show its evaluation, otherwise drawn."""

import functools
import threading
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gridcode.report import collection
from gridcode.report.pdf import to_pdf
from gridcode.runs.run import Run

KINDS = ("png", "pdf")
# Runs whose figures are kept; those of a large run hold some 100 MB.
KEPT = 2
# matplotlib's settings are shared by all threads: one figure is drawn at a time.
_LOCK = threading.Lock()


def figure_file(run: Run, name: str, kind: str, key: Any) -> bytes:
    """A figure of an evaluated run as a file.

    Args:
        run: the run.
        name: a figure that it has, see `gridcode.viewer.documents.figure_names`.
        kind: `png` or `pdf`.
        key: what changes when the run does.

    Raises:
        InputError: the evaluation is damaged or of another version.
    """
    saved = run.folder / "figures" / f"{name}.{kind}"
    if saved.is_file() and run.figures_are_current():
        return saved.read_bytes()
    with _LOCK:
        # The PNG comes first: it lays the figure out, and a PDF leaves the figure changed.
        png = _png(run.folder, key, name)
        if kind == "png":
            return png
        figures, source = _figures(run.folder, key)
        return to_pdf(figures[name], source=source)


@functools.lru_cache(KEPT)
def _figures(folder: Path, _key: Any) -> tuple[dict[str, Figure], str]:
    run = Run(folder)
    summary, maps = run.read_evaluation()
    figures = collection.run_figures(
        run.metrics(), summary, maps, config=run.config, arrays=run.read_theory()
    )
    return figures, str(summary.origin or "")


@functools.lru_cache(KEPT * 13)
def _png(folder: Path, key: Any, name: str) -> bytes:
    figures, source = _figures(folder, key)
    return collection.to_png(figures[name], source=source)
