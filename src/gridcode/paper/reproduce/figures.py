"""Which figures there are, and the one function that makes any of them."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

from gridcode.errors import InputError
from gridcode.paper.claims import FigureDraft, Reproduction, write
from gridcode.paper.reproduce import fig4, fig5, fig6, fig7, fig9
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork, Progress, open_networks
from gridcode.report.style import STYLE
from gridcode.runs.files import check_writable, one_line_errors
from gridcode.runs.run import Run

FROM_NETWORKS: dict[str, Callable[[Sequence[EvaluatedNetwork]], FigureDraft]] = {
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
    # Made first: the evaluation takes minutes, and would be lost.
    with one_line_errors(f"cannot make the folder '{folder}'"):
        folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder, folder=True)
    with mpl.rc_context(STYLE):
        if figure == "fig7":
            return write(figure, fig7.make(_ablation(runs), progress), folder)
        networks = open_networks(runs, progress)
        by_modules = runs is None and figure in DRAWN_BY_MODULES and len(networks) > 1
        if by_modules:
            networks.sort(key=lambda network: -network.summary.n_independent_modules)
        draft = FROM_NETWORKS[figure](networks)
        if by_modules:
            chosen = "Of the packaged networks that with most independent modules is drawn."
            draft = dataclasses.replace(draft, caveats=[*draft.caveats, chosen])
        return write(figure, draft, folder)


def _ablation(runs: Sequence[Run | str | os.PathLike[str]] | None) -> Path | None:
    if runs is None:
        return None
    if len(runs) != 1:
        raise InputError(f"fig7 takes one folder, that of `gridcode ablate`, not {len(runs)}")
    return runs[0].folder if isinstance(runs[0], Run) else Path(runs[0])
