"""Figure 7: the cells of networks that lack a part of the recipe, from `gridcode ablate`."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import xarray as xr

from gridcode.errors import InputError
from gridcode.paper.ablation import figure
from gridcode.paper.ablation.rows import RunRow, Verdict
from gridcode.paper.ablation.score import EXAMPLES
from gridcode.paper.ablation.study import ARENA_M, TABLE, VERDICTS
from gridcode.paper.ablation.training import RUNS
from gridcode.paper.ablation.verdicts import NO_CLAIM, NOT_REPRODUCED, REPRODUCED, UNCLEAR
from gridcode.paper.claims import Claim, FigureDraft
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork, Progress
from gridcode.paper.tables import counted, read_table, spread
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.runs.run import Run

PAPER = (
    "The paper shows that without the capacity loss one module is left, that a smaller sigma_g "
    "gives place-like cells whose fields are the smaller the larger sigma_g is, that without "
    "separation, without path invariance, and without permuted trajectories spatial tuning is "
    "lost, and that without the conformal isometry several modules remain, with lattices more "
    "sheared and more square."
)
OUTCOMES = {REPRODUCED: True, NOT_REPRODUCED: False, UNCLEAR: None}


def make(folder: Path | None, progress: Progress | None = None) -> FigureDraft:
    """Example maps where there are run folders, a dot per network, and every verdict.

    Args:
        folder: what `gridcode ablate` wrote; None takes the tables in the package.
        progress: called with (what, done, total).

    Raises:
        InputError: a table is missing or is none of `gridcode ablate`.
    """
    rows = read_table(_text(folder, TABLE), RunRow, name=TABLE)
    verdicts = read_table(_text(folder, VERDICTS), Verdict, name=VERDICTS)
    first = {row.variant: row for row in reversed(rows)}
    examples = {
        name: None if folder is None else _examples(folder / RUNS / row.run, name, progress)
        for name, row in first.items()
    }
    return FigureDraft(
        title="ablations",
        paper=PAPER,
        found=[_found(rows)],
        claims=[
            Claim(_claim(v), (OUTCOMES[v.verdict],)) for v in verdicts if v.verdict in OUTCOMES
        ],
        caveats=_caveats(rows, verdicts),
        tables={"": rows, "verdicts": verdicts},
        figure=figure.draw(rows, examples),
        networks=[f"{row.variant} seed {row.seed}" for row in rows],
    )


def _text(folder: Path | None, name: str) -> str:
    if folder is None:
        data = resources.files("gridcode.paper.reproduce").joinpath("data")
        return data.joinpath(name).read_text(encoding="utf-8")
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}'")
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = f"make it with `gridcode ablate --out {folder}`"
        raise InputError(f"'{folder}' has no {name}: {hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read '{folder / name}': {error}") from None


def _examples(path: Path, variant: str, progress: Progress | None) -> xr.Dataset | None:
    """Maps of units evenly spaced in order of their score; None without run or weights."""
    try:
        network = EvaluatedNetwork.of_run(Run(path), variant, progress)
    except InputError:  # a training that diverged at once has no checkpoint: its row says so
        return None
    data = network.maps("smooth", ARENA_M)
    active = np.flatnonzero(~data["silent"].values)
    if not len(active):
        return None
    return data.isel(unit=evenly_by_score(data, active, EXAMPLES))


def _claim(verdict: Verdict) -> str:
    known = verdict.variant.lower() in verdict.claim.lower()
    return verdict.claim if known else f"{verdict.variant}: {verdict.claim}"


def _found(rows: Sequence[RunRow]) -> str:
    """Two numbers of every variant; the others are in the table."""
    text = []
    for variant in dict.fromkeys(row.variant for row in rows):
        runs = [row for row in rows if row.variant == variant]
        lattice = spread([row.lattice_share for row in runs])
        modules = spread([row.n_independent for row in runs], digits=0)
        text.append(f"{variant} ({counted(len(runs), 'run')}), {lattice}, {modules}")
    return (
        "Here, share of active units with a lattice and independent modules (medians, and ranges "
        f"where seeds differ) of {counted(len(rows), 'run')}: {'; '.join(text)}."
    )


def _caveats(rows: Sequence[RunRow], verdicts: Sequence[Verdict]) -> list[str]:
    text = []
    if silent := sum(v.verdict == NO_CLAIM for v in verdicts):
        text.append(
            f"Of {counted(silent, 'variant')} the paper claims nothing; only numbers are given."
        )
    if unclear := sum(v.verdict == UNCLEAR for v in verdicts):
        text.append(
            f"With this number of seeds {counted(unclear, 'expectation')} stayed unclear, "
            "counted as not measured."
        )
    variants = [row.variant for row in rows]
    fewest = min(map(variants.count, variants))
    if fewest < 3:
        text.append(f"Some variants have only {counted(fewest, 'run')}.")
    bad = [f"{row.variant} seed {row.seed} ({row.status})" for row in rows if row.status != "ok"]
    if bad:
        text.append(f"Not trained to a usable end: {', '.join(bad)}.")
    return text
