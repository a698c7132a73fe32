"""Self-contained pages that open offline: the front end with its documents inside.

Of a run, of several runs, or of a scored recording.
"""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from gridcode.analysis.population import Population
from gridcode.analysis.records import Summary
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.errors import InputError
from gridcode.recordings.recording import Recording
from gridcode.runs.history import kept_history
from gridcode.runs.run import Run
from gridcode.viewer import overview, pictures
from gridcode.viewer.documents import (
    above_document,
    figures_document,
    maps_document,
    metrics_document,
    run_document,
    spectra_document,
    states_document,
)
from gridcode.viewer.session import session_document
from gridcode.viewer.shell import render_shell

Documents = dict[str, Any]
# A page of 128 units is to stay below 10 MB, one of 512 below 15: arenas that no verdict rests on,
# lags and steps are shown more coarsely than they are kept.
OTHER_ARENA_BINS, LAGS, MAPS_OVER_TRAINING = 48, 100, 1540
COMPARED_BINS = 60
# Bins of all maps of a recording together: 300 units of 90 x 90.
RECORDED_BINS = 2_500_000
# Of all maps of a run: of the headline's arena, of each other, and of all autocorrelograms.
HEADLINE_BINS_OF_ALL, OTHER_BINS_OF_ALL, LAGS_OF_ALL = 3_500_000, 1_000_000, 2_500_000
# Figures that the front end does not draw itself, and what it prints in place of 3-D states.
PICTURES = ("dynamics", "mechanism", "coding", "state_space")


def run_page(run: Run, summary: Summary, figures: Mapping[str, bytes]) -> str:
    """The report of a run as HTML.

    Args:
        run: the run, evaluated.
        summary: its evaluation.
        figures: PNG bytes by the names of `gridcode.report.collection.run_figures`; those that the
            page does not draw itself are put into it.

    Raises:
        InputError: files of the evaluation are damaged.
    """
    name = run.folder.absolute().name
    # Files that are saved from the page are named after it.
    identity = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    units = len(summary.units)
    most = _bins_a_side(HEADLINE_BINS_OF_ALL, units)
    documents = _run_documents(run, identity, name, summary, most_bins=most)
    document = documents[f"runs/{identity}/run"]
    for group in document["has"]["maps"]:
        if group != document["headline_group"]:
            documents[f"runs/{identity}/maps/{group}"] = maps_document(
                run, group, most_bins=min(OTHER_ARENA_BINS, _bins_a_side(OTHER_BINS_OF_ALL, units))
            )
    documents[f"runs/{identity}/spectra"] = spectra_document(run, summary)
    if states := states_document(run, summary):
        documents[f"runs/{identity}/states"] = states
    history = _thinned_history(run)
    document["has"]["history"] = history["steps"] if history else None
    if history:
        documents[f"runs/{identity}/history"] = history
    documents[f"runs/{identity}/figures"] = _figures(document, figures)
    return render_shell(
        mode="report", title=f"{name}: report", verdict=document["verdict"], documents=documents
    )


def comparison_page(runs: Sequence[tuple[str, Run, Summary]]) -> str:
    """Several runs on one page, as HTML.

    Args:
        runs: name, run and summary of each; two or more.

    Raises:
        InputError: fewer than two, or files of an evaluation are damaged.
    """
    if len(runs) < 2:
        raise InputError("a comparison needs two runs or more")
    documents: Documents = {"palettes": pictures.palettes()}
    rows = []
    for number, (name, run, summary) in enumerate(runs):
        identity = f"run-{number + 1}"
        documents |= _run_documents(run, identity, name, summary, most_bins=COMPARED_BINS)
        document = documents[f"runs/{identity}/run"]
        document["has"] |= {
            "maps": document["has"]["correlograms"],
            "spectra": False,
            "states": False,
            "history": None,
            "figures": [],
        }
        rows.append(_row(run, identity, name, summary))
    documents["runs"] = {"runs": rows, "folders": []}
    names = " and ".join([", ".join(name for name, _, _ in runs[:-1]), runs[-1][0]])
    verdict = " ".join(
        f"{name}: {documents[f'runs/run-{k + 1}/run']['verdict']}"
        for k, (name, _, _) in enumerate(runs)
    )
    return render_shell(
        mode="compare", title=f"{names}: comparison", verdict=verdict, documents=documents
    )


def population_page(
    population: Population,
    *,
    title: str,
    source: Mapping[str, Any],
    notes: Sequence[str],
    figures: Mapping[str, bytes],
    states: StateSpace | None = None,
    recording: Recording | None = None,
) -> str:
    """The report of a scored recording as HTML.

    Args:
        population: the cells, scored.
        title: what was scored, such as a file name.
        source: where the maps come from, a line each.
        notes: what was left out or looks odd.
        figures: PNG bytes by the names of `gridcode.report.collection.population_figures`.
        states: their state space; None leaves it out.
        recording: the recording, for the path with spikes and what was recorded; None leaves them
            out.
    """
    summary, cells = population.summary, population.data
    space = states.summary if states else None
    document = overview.population_overview(
        summary, title=title, source=source, notes=notes, space=space, recording=recording
    )
    session = session_document(recording, cells) if recording else None
    document |= {"id": "cells", "name": title, "state": "evaluated", "problem": None}
    document["has"] = {
        "maps": ["maps"],
        "correlograms": ["maps"],
        "spectra": True,
        "states": bool(space and space.populations),
        "session": session is not None,
        "metrics": False,
        "history": None,
    }
    document["has"]["figures"] = [name for name in PICTURES if name in figures]
    documents: Documents = {
        "palettes": pictures.palettes(),
        "runs/cells/run": document,
        "runs/cells/maps/maps": pictures.maps_document(
            cells, "maps", most_bins=_bins_a_side(RECORDED_BINS, len(summary.units))
        ),
        "runs/cells/correlograms/maps": pictures.correlograms_document(
            _thinned_lags(cells), "maps"
        ),
        "runs/cells/spectra": pictures.spectra_document(cells, summary.modules),
        "runs/cells/figures": _figures(document, figures),
    }
    if states and space and space.populations:
        documents["runs/cells/states"] = pictures.states_document(space, states.arrays)
    if session is not None:
        documents["runs/cells/session"] = session
    return render_shell(
        mode="report", title=f"{title}: scores", verdict=document["verdict"], documents=documents
    )


def _run_documents(
    run: Run, identity: str, name: str, summary: Summary, *, most_bins: int | None
) -> Documents:
    """What a report and a comparison share: overview, maps of the headline's arena, metrics."""
    document = run_document(
        run,
        name=name,
        identity=identity,
        state="evaluated",
        problem=run.out_of_date(summary),
        summary=summary,
    )
    group = document["headline_group"]
    cells = run.read_maps(group, ["rate", "grid_score", "autocorrelogram"])
    document["has"]["correlograms"] = [group]
    return {
        "palettes": pictures.palettes(),
        f"runs/{identity}/run": document,
        f"runs/{identity}/maps/{group}": pictures.maps_document(cells, group, most_bins=most_bins),
        f"runs/{identity}/correlograms/{group}": pictures.correlograms_document(
            _thinned_lags(cells), group
        ),
        f"runs/{identity}/metrics": metrics_document(run),
        f"runs/{identity}/above": above_document(kept_history(run)),
    }


def _row(run: Run, identity: str, name: str, summary: Summary) -> dict[str, Any]:
    last = next(reversed(run.metrics()), None)
    return {
        "id": identity,
        "name": name,
        "folder": name,
        "state": "evaluated",
        "problem": run.out_of_date(summary),
        "updated": None,
    } | overview.run_row(config=run.config, manifest=run.manifest, last=last, summary=summary)


def _bins_a_side(of_all: int, units: int) -> int:
    """Bins a side of each map, of so many bins of all maps together."""
    return max(8, math.isqrt(of_all // max(units, 1)))


def _thinned_lags(cells: xr.Dataset) -> xr.Dataset:
    """Autocorrelograms at every second lag, or third, ... if there are too many; lag 0 is kept."""
    longest = max(cells.sizes["lag_y"], cells.sizes["lag_x"])
    step = -(-longest // min(LAGS, _bins_a_side(LAGS_OF_ALL, cells.sizes["unit"])))
    if step == 1:
        return cells
    offsets = {name: (cells.sizes[name] // 2) % step for name in ("lag_y", "lag_x")}
    thinned = cells.isel({name: slice(offset, None, step) for name, offset in offsets.items()})
    return thinned.assign_attrs(bin_size_m=cells.attrs["bin_size_m"] * step)


def _thinned_history(run: Run) -> dict[str, Any] | None:
    """Maps over training, at fewer steps for many units; the first and the last are kept."""
    history = kept_history(run)
    if history is None:
        return None
    steps = history.sizes["step"]
    most = max(2, MAPS_OVER_TRAINING // max(history.sizes["unit"], 1))
    if steps > most:
        # Snapshots are spread over the training already: take them evenly.
        kept = sorted({round(k * (steps - 1) / (most - 1)) for k in range(most)})
        history = history.isel(step=kept)
    return pictures.history_document(history, complete=bool(run.manifest.get("finished")))


def _figures(document: Mapping[str, Any], figures: Mapping[str, bytes]) -> list[dict[str, Any]]:
    names = [name for name in PICTURES if name in figures and name in document["has"]["figures"]]
    document["has"]["figures"][:] = names
    return figures_document(
        {
            name: "data:image/png;base64," + base64.b64encode(figures[name]).decode()
            for name in names
        }
    )
