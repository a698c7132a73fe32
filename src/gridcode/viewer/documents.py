"""The documents of a run, by name: what the page asks for, inside a report or from the explorer.

Each is ready for JSON. Nothing here writes.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import xarray as xr

from gridcode.analysis.records import Summary
from gridcode.errors import InputError
from gridcode.runs.history import THRESHOLD, kept_history, map_step
from gridcode.runs.run import Run
from gridcode.viewer import overview, pictures
from gridcode.viewer.figure_cache import KINDS, figure_file
from gridcode.viewer.library import Entry
from gridcode.viewer.run_status import (
    FILES,
    HISTORY,
    RATEMAPS,
    SUMMARY,
    THEORY,
    RunStatus,
    signatures,
)
from gridcode.viewer.thumbnail import thumbnail

Document = dict[str, Any]
# Title and text alternative of each figure, in the order they are shown.
FIGURES: dict[str, tuple[str, str]] = {
    "best_units": ("Best units", "Rate maps and autocorrelograms of the best units"),
    "gallery": ("Every unit", "Rate maps of all units with scores, types and modules"),
    "scores": (
        "Types, scores and p-values",
        "Counts of types, histograms of scores and p-values, and scores against their nulls",
    ),
    "modules": (
        "Modules",
        "Spacing against orientation and axis ratio of every unit, and each module's lattice",
    ),
    "spectra": (
        "Spectra and phases",
        "Power spectrum of each module and phases of its cells in the unit cell",
    ),
    "space": (
        "Space",
        "Neural against physical distance, path invariance, and path-integration error against "
        "steps, in several arenas and on several walks",
    ),
    "state_space": (
        "Shape of the states",
        "States in three dimensions, rings along three lattice directions, and variance by "
        "principal component",
    ),
    "topology": (
        "Persistence",
        "Persistence diagrams, and longest loops and voids of populations and controls",
    ),
    "dynamics": (
        "Dynamics",
        "Decay of perturbations, Lyapunov exponents, fixed points, and path-integration error "
        "under state noise, lesions and velocity noise",
    ),
    "mechanism": (
        "What was learnt",
        "Eigenvalues of W, W sorted by module and phase, weights against phase difference at rest "
        "and moving, how moves compose",
    ),
    "coding": (
        "Properties of the code",
        "Eight properties of five codes with their nulls, capacity against area, and wrong "
        "readings against noise",
    ),
    "arenas": (
        "The same units in every arena",
        "Rate maps of the best units in each arena and on each walk",
    ),
    "training": (
        "Training",
        "Loss terms, gradient norm and silent units against the training step",
    ),
}
# So that a slider that is moved fast does not take all cores.
_ONE_SNAPSHOT = threading.Lock()


# -- of any run, for reports and the explorer ------------------------------


def run_document(
    run: Run,
    *,
    name: str,
    identity: str,
    state: str,
    problem: str | None = None,
    summary: Summary | None = None,
) -> Document:
    """The overview of a run: `runs/ID/run`.

    Args:
        run: the run.
        name: what people call it, such as its folder's name.
        identity: what the page calls it in addresses.
        state: `training`, `stopped`, `trained` or `evaluated`.
        problem: what is wrong with it, in one line.
        summary: its evaluation; None shows it as one without.
    """
    metrics = run.metrics()
    maps: list[str] = []
    with contextlib.suppress(InputError):  # A damaged file costs its maps alone.
        there = run.map_groups()
        maps = [group for group in _groups(summary) if group in there]
    theory = summary.theory if summary else None
    has_states = bool(theory and theory.state_space.populations) and run.theory_path.is_file()
    return overview.run_overview(
        config=run.config, manifest=run.manifest, metrics=metrics, summary=summary
    ) | {
        "id": identity,
        "name": name,
        "title": name,
        "state": state,
        "problem": problem,
        "has": {
            "maps": maps,
            "correlograms": maps,
            "spectra": bool(maps),
            "states": has_states,
            "metrics": bool(metrics),
            "history": [step for step, _ in run.snapshots()] or None,
            "figures": figure_names(run, summary) if maps else [],
        },
    }


def maps_document(run: Run, group: str, *, most_bins: int | None = None) -> Document:
    """Rate maps of one walk and arena: `runs/ID/maps/GROUP`.

    Raises:
        InputError: not evaluated, no such group, or damaged.
    """
    maps = run.read_maps(group, ["rate", "grid_score"])
    return pictures.maps_document(maps, group, most_bins=most_bins)


def correlograms_document(run: Run, group: str) -> Document:
    """Autocorrelograms of one walk and arena: `runs/ID/correlograms/GROUP`.

    Raises:
        InputError: as in `maps_document`.
    """
    return pictures.correlograms_document(run.read_maps(group, ["autocorrelogram"]), group)


def spectra_document(run: Run, summary: Summary) -> Document:
    """Power spectra of the headline's arena: `runs/ID/spectra`.

    Raises:
        InputError: as in `maps_document`.
    """
    names = ["rate", "silent", "spacing_m", "module"]
    assert summary.headline is not None
    maps = run.read_maps(summary.headline.group, names)
    return pictures.spectra_document(maps, summary.modules)


def states_document(run: Run, summary: Summary) -> Document | None:
    """State space of every population: `runs/ID/states`; None where that was left out.

    Raises:
        InputError: the arrays are damaged, or of another evaluation than the summary.
    """
    arrays, theory = run.read_theory(), summary.theory
    if arrays is None or not theory:
        return None
    return pictures.states_document(theory.state_space, arrays)


def metrics_document(run: Run, *, after: int = -1) -> Document:
    """The training's logged lines as columns: `runs/ID/metrics`; those of later steps only."""
    return pictures.metrics_document(run.metrics(), after=after)


def history_document(run: Run, history: xr.Dataset | None) -> Document | None:
    """Maps over training: `runs/ID/history`; None where the run has no snapshots.

    Args:
        run: the run.
        history: the maps that it keeps; None where it keeps none: only their steps are known.
    """
    steps = [step for step, _ in run.snapshots()]
    complete = bool(run.manifest.get("finished"))
    if history is not None:
        return pictures.history_document(history, complete=complete)
    if not steps:
        return None
    unknown = ("arena_m", "bin_size_m", "rate", "grid_score", "hexagonal_share")
    return {"steps": steps, **dict.fromkeys(unknown), "complete": complete}


def above_document(history: xr.Dataset | None) -> Document:
    """How many units score above `THRESHOLD` at each step of the training: `runs/ID/above`.

    Without steps where the run keeps no maps over training.
    """
    document: Document = {"step": [], "units_above": [], "threshold": THRESHOLD}
    if history is not None:
        above = (history["grid_score"].values > THRESHOLD) & ~history["silent"].values
        document["step"] = history["step"].values.tolist()
        document["units_above"] = above.sum(axis=-1).tolist()
    return document


def figure_names(run: Run, summary: Summary | None) -> list[str]:
    """The figures a run has, in the order of `FIGURES`."""
    if not summary:
        return []
    theory = summary.theory if run.theory_path.is_file() else None
    populations = bool(theory and theory.state_space.populations)
    there = {
        "spectra": bool(summary.modules),
        "space": bool(summary.space),
        "state_space": populations,
        "topology": populations,
        "dynamics": bool(theory and theory.dynamics),
        "mechanism": bool(theory and theory.mechanism),
        "coding": bool(theory and theory.coding),
        "training": bool(run.metrics()),
    }
    return [name for name in FIGURES if there.get(name, True)]


def figures_document(urls: Mapping[str, str]) -> list[Document]:
    """Figures as pictures: `runs/ID/figures`.

    Args:
        urls: where each is, by name.
    """
    return [
        {"name": name, "title": FIGURES[name][0], "text": FIGURES[name][1], "url": url}
        for name, url in urls.items()
    ]


def _groups(summary: Summary | None) -> list[str]:
    return [arena.group for arena in summary.arenas] if summary else []


# -- of a run that the explorer shows ------------------------------


@dataclass(frozen=True)
class ShownRun:
    """A run that the explorer shows: where it is, and its state."""

    entry: Entry
    status: RunStatus

    @cached_property
    def run(self) -> Run:
        """The run, opened."""
        return Run(self.entry.path)

    @cached_property
    def summary(self) -> Summary | None:
        """Its evaluation, None where there is none or it is damaged.

        Raises:
            InputError: it is of another version.
        """
        return None if SUMMARY in self.status.damaged else self.run.read_summary()

    @cached_property
    def groups(self) -> list[str]:
        """Walks and arenas that there are maps of; their file tells where the summary cannot."""
        if RATEMAPS in self.status.damaged:
            return []
        there = self.run.map_groups()
        if SUMMARY in self.status.damaged:
            return there
        return [group for group in _groups(self.summary) if group in there]

    @cached_property
    def history(self) -> xr.Dataset | None:
        """The maps over training that it keeps, None where there are none or they are damaged."""
        return None if HISTORY in self.status.damaged else kept_history(self.run)

    def need(self, file: str) -> None:
        """Raise an InputError where a file is damaged."""
        if file in self.status.damaged:
            raise InputError(self.status.problem or f"{file} is damaged")

    @cached_property
    def figures(self) -> list[str]:
        """The figures it has: none where one of the files that they are drawn from is damaged."""
        if self.status.damaged & {SUMMARY, RATEMAPS, THEORY}:
            return []
        return figure_names(self.run, self.summary)


def _run(shown: ShownRun, _part: str) -> Document:
    entry, status = shown.entry, shown.status
    try:
        summary, groups, figures = shown.summary, shown.groups, shown.figures
    except InputError:  # another version's, as the problem says
        summary, groups, figures = None, [], []
    document = run_document(
        shown.run,
        name=entry.name,
        identity=entry.id,
        state=status.state,
        problem=status.problem,
        summary=summary,
    )
    has = document["has"]
    has |= {"maps": groups, "correlograms": groups, "figures": figures}
    if summary is None:
        unknown = {"walk": None, "arena_m": None, "headline": False}
        document["groups"] = [{"group": group, **unknown} for group in groups]
    for part, file in (("states", THEORY), ("spectra", RATEMAPS)):
        has[part] = has[part] and summary is not None and file not in status.damaged
    document["evaluate"] = entry.command("evaluate") if status.evaluate else None
    return document | {
        "notes": [
            *document["notes"],
            *_next_steps(entry, status, shown.run.config.world.dimensions),
        ]
    }


def _next_steps(entry: Entry, status: RunStatus, dimensions: int) -> list[str]:
    """What can be done with a run that has no maps yet."""
    at = f"at step {status.row['step']:,} of {status.row['steps']:,}"
    evaluate, train = (entry.command(name) for name in ("evaluate", "train"))
    if status.state == "training" and evaluate:
        command = f"`{evaluate['command']}`"
        return [f"The training is {at}. When it has ended, {command} draws maps and scores."]
    if status.state == "stopped" and train:
        return [f"The training stopped {at}; `{train['command']}` goes on with it."]
    if dimensions != 2:
        return [f"A world of dimension {dimensions}: maps and scores are of a plane."]
    if status.state == "trained" and status.problem is None:
        return ["Trained, but not evaluated yet: the evaluation draws maps and scores."]
    return []


def _maps(shown: ShownRun, group: str) -> Document | None:
    shown.need(RATEMAPS)
    return maps_document(shown.run, group) if group in shown.groups else None


def _correlograms(shown: ShownRun, group: str) -> Document | None:
    shown.need(RATEMAPS)
    return correlograms_document(shown.run, group) if group in shown.groups else None


def _spectra(shown: ShownRun, _part: str) -> Document | None:
    shown.need(RATEMAPS)
    return spectra_document(shown.run, shown.summary) if shown.summary else None


def _states(shown: ShownRun, _part: str) -> Document | None:
    shown.need(THEORY)
    return states_document(shown.run, shown.summary) if shown.summary else None


def _metrics(shown: ShownRun, after: str) -> Document:
    return metrics_document(shown.run, after=int(after))


def _history(shown: ShownRun, _part: str) -> Document | None:
    return history_document(shown.run, shown.history)


def _snapshot(shown: ShownRun, step: str) -> Document | None:
    """Maps at one step of the training, None where no weights of that step were kept."""
    run = shown.run
    with _ONE_SNAPSHOT:
        if (history := shown.history) is not None:
            for number, kept in enumerate(history["step"].values.tolist()):
                if str(kept) == step:
                    return pictures.snapshot_document(history.isel(step=number), kept)
        for kept, path in run.snapshots():
            if str(kept) == step:
                return pictures.snapshot_document(map_step(run, path), kept)
    return None


def _figures(shown: ShownRun, _part: str) -> list[Document]:
    folder = f"api/runs/{shown.entry.id}/figures"
    return figures_document({name: f"{folder}/{name}.png" for name in shown.figures})


def _thumbnail(shown: ShownRun, _part: str) -> bytes | None:
    if shown.status.row["best"] is None or RATEMAPS in shown.status.damaged:
        return None
    assert shown.summary is not None
    return thumbnail(shown.run, shown.summary)


def _above(shown: ShownRun, _part: str) -> Document:
    return above_document(shown.history)


def _figure(shown: ShownRun, file: str) -> bytes | None:
    name, _, kind = file.partition(".")
    if kind not in KINDS or name not in shown.figures:
        return None
    return figure_file(shown.run, name, kind, signatures(shown.entry, _FIGURES))


_SCORES = ("config.toml", "evaluation/summary.json")
_MAPS = (*_SCORES, "evaluation/ratemaps.nc")
_FIGURES = (*_MAPS, "evaluation/theory.nc", "metrics.jsonl")
_HISTORY = (*_SCORES, "evaluation/history.nc", "manifest.json", "snapshots")


def _snapshot_files(step: str) -> tuple[str, ...]:
    """Not all snapshots, nor what a training rewrites: one that is there does not change."""
    number = int(step) if re.fullmatch("[0-9]{1,15}", step) else 0
    return (*_SCORES, "evaluation/history.nc", f"snapshots/step-{number:08d}.safetensors")


# The documents of a run by their address below `runs/ID/`: the function that makes one of the run
# and the PART of its address (None where there is none), and the files that it is made of, of which
# a PART may choose.
Files = tuple[str, ...]
DOCUMENTS: dict[str, tuple[Callable[[ShownRun, str], Any], Files | Callable[[str], Files]]] = {
    "run": (_run, (*FILES, "snapshots")),
    "maps/PART": (_maps, _MAPS),
    "correlograms/PART": (_correlograms, _MAPS),
    "spectra": (_spectra, _MAPS),
    "states": (_states, (*_SCORES, "evaluation/theory.nc")),
    "metrics": (_metrics, ("config.toml", "metrics.jsonl")),
    "history": (_history, _HISTORY),
    "history/PART": (_snapshot, _snapshot_files),
    "above": (_above, _HISTORY),
    "thumbnail": (_thumbnail, _MAPS),
    "figures": (_figures, _FIGURES),
    "figures/PART": (_figure, _FIGURES),
}
