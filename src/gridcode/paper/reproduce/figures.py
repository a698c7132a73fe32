"""Which figures there are, and the one function that makes any of them."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from gridcode.errors import InputError
from gridcode.paper.claims import Made, Reproduction, write
from gridcode.paper.reproduce import fig4, fig5, fig6, fig7, fig9
from gridcode.paper.reproduce.evaluated import Probe
from gridcode.paper.reproduce.sources import open_sources
from gridcode.report.style import STYLE
from gridcode.runs.run import Run

Progress = Callable[[str, int, int], None]

FROM_NETWORKS: dict[str, Callable[[Sequence[Probe]], Made]] = {
    "fig4": fig4.make,
    "fig5": fig5.make,
    "fig6": fig6.make,
    "fig9": fig9.make,
}
# Of the packaged networks, whose order means nothing, the one with most independent modules is
# drawn.
DRAWN_BY_MODULES = ("fig4", "fig9")
FIGURES = {
    "fig4": "several modules in one network",
    "fig5": "tuning under other input statistics, in larger arenas, and neural distance",
    "fig6": "one module: spectrum, phases, state space, topology",
    "fig7": "ablations, from the folder that `gridcode ablate` wrote",
    "fig9": "the rate maps of all units",
}


def reproduce(
    figure: str,
    runs: Sequence[Run | str | os.PathLike[str]] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Make a figure of the paper from trained networks: picture, tables, paragraph, verdict.

    Args:
        figure: one of `FIGURES`.
        runs: run folders, several for distributions (maps are drawn of the first); for `fig7` the
            folder of an ablation. None: the packaged networks, for `fig7` the packaged table.
            Nothing is written into them.
        out: folder to write into, made where needed; `reproduced/FIGURE` by default.
        progress: called with (what, done, total).

    Returns:
        What was found, and the files.

    Raises:
        InputError: an unknown figure, a folder that is no run, no packaged networks, nothing that
            could be drawn, or a folder that cannot be written.
    """
    if figure not in FIGURES:
        raise InputError(f"there is no '{figure}' to reproduce: choose {', '.join(FIGURES)}")
    folder = Path(out) if out is not None else Path("reproduced") / figure
    # Made first: whoever waits minutes for an evaluation should not learn afterwards that there is
    # no place for it.
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror or error}") from None
    options: Any = STYLE | {"figure.dpi": 150, "pdf.fonttype": 42}
    with mpl.rc_context(options):
        if figure == "fig7":
            if runs is not None and len(runs) != 1:
                raise InputError(
                    f"fig7 takes one folder, that of `gridcode ablate`, not {len(runs)}"
                )
            made = fig7.make(
                None
                if runs is None
                else Path(runs[0].folder if isinstance(runs[0], Run) else runs[0]),
                progress,
            )
        else:
            probes = [Probe(source, progress) for source in open_sources(runs)]
            if runs is None and figure in DRAWN_BY_MODULES:
                probes.sort(key=lambda probe: -probe.summary["headline"]["n_independent_modules"])
            made = FROM_NETWORKS[figure](probes)
            if runs is None and figure in DRAWN_BY_MODULES and len(probes) > 1:
                made = dataclasses.replace(
                    made,
                    caveats=[
                        *made.caveats,
                        "Of the packaged networks that with most independent modules is drawn.",
                    ],
                )
        return write(figure, made, folder)
