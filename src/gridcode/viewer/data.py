"""The documents of a run folder, by name: what `static/source.js` asks for, whether a report holds it or the explorer serves it.

Each is a dictionary ready for JSON. Nothing here writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gridcode.analysis.records import Summary
from gridcode.report.collection import check_arrays
from gridcode.runs.history import kept_history
from gridcode.runs.run import Run
from gridcode.viewer import overview, pictures

Document = dict[str, Any]
# Title and text alternative of each figure that comes as a picture, in the order they are shown.
FIGURES: dict[str, tuple[str, str]] = {
    "best_units": ("Best units", "Rate maps and autocorrelograms of the best units"),
    "gallery": ("Every unit", "Rate maps of all units with scores, types and modules"),
    "scores": (
        "Types, scores and p-values",
        "Counts of types, histograms of scores and p-values, and scores against their nulls",
    ),
    "modules": (
        "Modules",
        "Spacing against orientation and axis ratio of every unit, and the lattice of each module",
    ),
    "spectra": (
        "Spectra and phases",
        "Power spectrum of each module and phases of its cells in the unit cell",
    ),
    "space": (
        "Space",
        "Neural against physical distance, path invariance, and path-integration error against steps, in several arenas and on several walks",
    ),
    "state_space": (
        "Shape of the states",
        "States in three dimensions, rings along three lattice directions, and variance by principal component",
    ),
    "topology": (
        "Persistence",
        "Persistence diagrams, and longest loops and voids of populations and controls",
    ),
    "dynamics": (
        "Dynamics",
        "Decay of perturbations, Lyapunov exponents, fixed points, and path-integration error under state noise, lesions and velocity noise",
    ),
    "mechanism": (
        "What was learnt",
        "Eigenvalues of W, W sorted by module and phase, weights against phase difference at rest and moving, how moves compose",
    ),
    "coding": (
        "Properties of the code",
        "Eight properties of five codes with their nulls, capacity against area, and wrong readings against noise",
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


def read_summary(run: Run) -> Summary | None:
    """The evaluation's summary, None where the run has not been evaluated.

    Raises:
        InputError: it is damaged or of another version.
    """
    return run.read_summary()


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
        summary: its summary where that has been read already.

    Raises:
        InputError: the evaluation is damaged or of another version.
    """
    summary = read_summary(run) if summary is None else summary
    metrics = run.metrics()
    groups = [a.group for a in summary.arenas] if summary else []
    has_maps = bool(summary) and run.ratemaps_path.is_file()
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
            "maps": groups if has_maps else [],
            "correlograms": groups if has_maps else [],
            "spectra": has_maps,
            "states": has_states,
            "metrics": bool(metrics),
            "history": [step for step, _ in run.snapshots()] or None,
            "figures": figure_names(run, summary) if has_maps else [],
        },
    }


def row_document(run: Run, *, summary: Summary | None, last: Mapping[str, Any] | None) -> Document:
    """What a list of runs says of one, without its state: see `gridcode.viewer.overview.run_row`."""
    return overview.run_row(config=run.config, manifest=run.manifest, last=last, summary=summary)


def maps_document(run: Run, group: str, *, most_bins: int | None = None) -> Document:
    """Rate maps of one walk and arena: `runs/ID/maps/GROUP`.

    Raises:
        InputError: not evaluated, no such group, or damaged.
    """
    return pictures.maps_document(
        run.read_maps(group, ["rate", "minmax"]), group, most_bins=most_bins
    )


def correlograms_document(run: Run, group: str) -> Document:
    """Autocorrelograms of one walk and arena: `runs/ID/correlograms/GROUP`; errors as in `maps_document`."""
    return pictures.correlograms_document(run.read_maps(group, ["autocorrelogram"]), group)


def spectra_document(run: Run, summary: Summary) -> Document:
    """Power spectra of the headline's arena: `runs/ID/spectra`; errors as in `maps_document`."""
    names = ["rate", "silent", "spacing_m", "module"]
    assert summary.headline is not None
    maps = run.read_maps(summary.headline.group, names)
    return pictures.spectra_document(maps, summary.modules)


def states_document(run: Run, summary: Summary) -> Document | None:
    """State space of every population that was measured: `runs/ID/states`; None where that was left out.

    Raises:
        InputError: the arrays are damaged, or of another evaluation than the summary.
    """
    arrays, theory = run.read_theory(), summary.theory
    if arrays is None or not theory:
        return None
    check_arrays(theory, arrays)
    return pictures.states_document(theory.state_space, arrays)


def metrics_document(run: Run, *, after: int = -1) -> Document:
    """The training's logged lines as columns: `runs/ID/metrics`."""
    return pictures.metrics_document(run.metrics(), after=after)


def history_document(run: Run) -> Document | None:
    """Maps over training: `runs/ID/history`; without `rate` where they were not kept, None where the run has no snapshots.

    Raises:
        InputError: the maps are damaged.
    """
    steps = [step for step, _ in run.snapshots()]
    history = kept_history(run)
    complete = bool(run.manifest.get("finished"))
    if history is not None:
        return pictures.history_document(history, complete=complete)
    if not steps:
        return None
    return {
        "steps": steps,
        "arena_m": None,
        "bin_size_m": None,
        "rate": None,
        "minmax": None,
        "hexagonal_share": None,
        "complete": complete,
    }


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


def figures_document(names: Sequence[str], urls: Mapping[str, str]) -> list[Document]:
    """Figures as pictures: `runs/ID/figures`.

    Args:
        names: which.
        urls: where each is.
    """
    return [
        {"name": name, "title": FIGURES[name][0], "text": FIGURES[name][1], "url": urls[name]}
        for name in names
        if name in urls
    ]
