"""A run's figures as pictures: from its folder where they are of the evaluation that it has, otherwise drawn now and kept in memory."""

import threading
from collections import OrderedDict
from typing import Any

from matplotlib.figure import Figure

from gridcode.report import collection
from gridcode.report.pdf import to_pdf
from gridcode.runs.run import Run
from gridcode.viewer.library import Entry, is_inside

# Runs whose figures are kept, ready to be saved; those of a large run hold some 100 MB.
KEPT = 2
MEDIA = {"png": "image/png", "pdf": "application/pdf"}


class Drawings:
    """Draws one figure at a time: matplotlib's settings are shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, dict[str, Figure]] = OrderedDict()
        self._pngs: dict[tuple[Any, str], bytes] = {}

    def picture(self, entry: Entry, run: Run, name: str, kind: str, key: Any) -> bytes | None:
        """A figure as a file, None where the run has no such figure.

        Args:
            entry: where the run is.
            run: the run, evaluated.
            name: a figure of `gridcode.viewer.data.FIGURES`.
            kind: `png` or `pdf`.
            key: what changes when the run does.

        Raises:
            InputError: the evaluation is damaged or of another version.
        """
        saved = run.folder / "figures" / f"{name}.{kind}"
        if saved.is_file() and is_inside(entry.root, saved) and run.figures_are_current():
            return saved.read_bytes()
        with self._lock:
            figures = self._figures(run, key)
            if name not in figures:
                return None
            # The PNG comes first and is kept: it lays the figure out, and a PDF leaves the figure
            # other than it was.
            if (key, name) not in self._pngs:
                self._pngs[key, name] = collection.to_png(figures[name])
            return self._pngs[key, name] if kind == "png" else to_pdf(figures[name])

    def _figures(self, run: Run, key: Any) -> dict[str, Figure]:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        summary, maps = run.read_evaluation()
        figures = collection.run_figures(
            run.metrics(), summary, maps, config=run.config, arrays=run.read_theory()
        )
        self._kept[key] = figures
        while len(self._kept) > KEPT:
            gone, _ = self._kept.popitem(last=False)
            self._pngs = {at: png for at, png in self._pngs.items() if at[0] != gone}
        return figures
