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
    if run.figure_is_current(f"{name}.{kind}"):
        return (run.figures_folder / f"{name}.{kind}").read_bytes()
    with _LOCK:
        # The PNG comes first: it lays the figure out, and a PDF leaves the figure changed.
        figure, png, source = _drawn(run.folder, key, name)
        return png if kind == "png" else to_pdf(figure, source=source)


@functools.lru_cache(KEPT)
def _read(folder: Path, _key: Any) -> dict[str, Any]:
    run = Run(folder)
    summary, maps = run.read_evaluation()
    return {
        "metrics": run.metrics(),
        "summary": summary,
        "maps": maps,
        "config": run.config,
        "arrays": run.read_theory(),
    }


@functools.lru_cache(KEPT * 13)
def _drawn(folder: Path, key: Any, name: str) -> tuple[Figure, bytes, str]:
    read = _read(folder, key)
    figure = collection.run_figures(**read, only=(name,))[name]
    source = str(read["summary"].origin or "")
    return figure, collection.to_png(figure, source=source), source
