"""The figures of a run, or of anybody's cells, by name; and a figure as PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from gridcode.analysis.cells.spectrum import module_spectrum
from gridcode.analysis.population import Population, population_summary
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.report import deep_analysis_figures as theory
from gridcode.report import figures
from gridcode.report import module_figures as modules
from gridcode.report import state_space_figures as statespace
from gridcode.report.distance_figures import space
from gridcode.report.findings import findings, plateau
from gridcode.report.style import STYLE


def run_figures(
    metrics: Sequence[dict[str, Any]],
    summary: Mapping[str, Any],
    maps: xr.DataTree,
    *,
    config: Config | None = None,
    arrays: xr.DataTree | None = None,
) -> dict[str, Figure]:
    """The figures of a run by file name, without extension.

    Args:
        metrics: its logged lines.
        summary: its evaluation.
        maps: the maps of the evaluation.
        config: the run's configuration, for what its losses predict; None leaves the predictions
            out.
        arrays: of its state space and mechanism; None leaves their pictures out.

    Raises:
        InputError: the evaluation is of another version.
    """
    found = findings(summary)
    data = maps[summary["headline"]["group"]].to_dataset()
    with mpl.rc_context(STYLE):
        drawn = _shared_figures(data, found)
        if summary["space"]:
            loss = config.loss if config else None
            drawn["space"] = space(
                summary["space"],
                sigma_x_m=loss.sigma_x_m if loss else None,
                predicted_plateau=plateau(loss) if loss else None,
            )
        if summary.get("theory") and arrays is not None:
            check_arrays(summary["theory"], arrays)
            drawn |= _theory_figures(summary, arrays)
        drawn["arenas"] = figures.across_arenas(maps, figures.by_score(data)[:8].tolist())
        if metrics:
            drawn["training"] = figures.training_curves(metrics)
    return drawn


def population_figures(
    population: Population, states: StateSpace | None = None
) -> dict[str, Figure]:
    """The figures of any population of cells, and of its state space where that is given, by name."""
    with mpl.rc_context(STYLE):
        drawn = _shared_figures(population.data, population_summary(population))
        if states is not None:
            drawn |= state_space_figures(states.summary.model_dump(mode="json"), states.arrays)
        return drawn


def _shared_figures(data: xr.Dataset, found: Mapping[str, Any]) -> dict[str, Figure]:
    drawn = {
        "best_units": figures.best_units(data),
        "gallery": figures.gallery(data, most=figures.GALLERY),
        "scores": figures.scores(data, found["types"], level=found["settings"]["level"]),
        "modules": modules.lattices(data, found["modules"]),
    }
    if found["modules"]:
        rate, module = data["rate"].values.astype(np.float64), data["module"].values
        size = float(data.attrs["bin_size_m"])
        spectra = [
            module_spectrum(
                rate[module == row["module"]],
                bin_size_m=size,
                vectors_m=np.array(row["vectors_m"], dtype=np.float64),
            )
            for row in found["modules"][: modules.MOST_SPECTRA]
        ]
        drawn["spectra"] = modules.spectra(data, found["modules"], spectra)
    return drawn


def check_arrays(found: Mapping[str, Any], arrays: xr.DataTree) -> None:
    """Arrays are written before the summary: of an evaluation that was cut off between them they are newer.

    Raises:
        InputError: arrays of another evaluation.
    """
    needed = {
        row["name"]: row["topology"]["landmarks"] for row in found["state_space"]["populations"]
    }
    held = {
        name: group.sizes.get("landmark")
        for name, group in arrays.children.items()
        if name != "mechanism"
    }
    if held != needed or ("mechanism" in arrays.children) != bool(found["mechanism"]):
        raise InputError(
            "theory.nc and summary.json are of different evaluations; run `gridcode evaluate` again"
        )


def _theory_figures(summary: Mapping[str, Any], arrays: xr.DataTree) -> dict[str, Figure]:
    found = summary["theory"]
    drawn = state_space_figures(found["state_space"], arrays)
    if found["dynamics"]:
        whole = found["state_space"].get("whole_vectors_m")
        vectors = None if whole is None else np.array(whole, dtype=np.float64)
        drawn["dynamics"] = theory.dynamics(
            found["dynamics"], found["robustness"], vectors_m=vectors
        )
    if found["mechanism"]:
        drawn["mechanism"] = theory.mechanism(
            found["mechanism"], arrays["mechanism"].to_dataset(), summary["modules"]
        )
    if found["coding"]:
        drawn["coding"] = theory.coding(found["coding"]["codes"])
    return drawn


def state_space_figures(space: Mapping[str, Any], arrays: xr.DataTree) -> dict[str, Figure]:
    """The figures of a state space by name, none where nothing was measured.

    Args:
        space: `state_space` of the summary.
        arrays: as `gridcode.analysis.deep_analysis` gives them.
    """
    if not space["populations"]:
        return {}
    with mpl.rc_context(STYLE):
        return {
            "state_space": statespace.state_space(arrays, space["populations"]),
            "topology": statespace.topology(arrays, space["populations"], space["controls"]),
        }


def to_png(figure: Figure) -> bytes:
    """A figure as PNG bytes, in 256 colours of its own: off by a few parts in 255 at most, and a third of the size."""
    drawn, reduced = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format="png")
    with Image.open(drawn) as image:
        palette = image.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    palette.save(reduced, format="png", optimize=True)
    return reduced.getvalue()
