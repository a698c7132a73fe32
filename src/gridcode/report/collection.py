"""The figures of a run, or of a scored recording, by name; and a figure as PNG."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gridcode.analysis.cells.spectrum import module_spectrum
from gridcode.analysis.navigation.neural_distance import predicted_plateau
from gridcode.analysis.population import Population
from gridcode.analysis.records import DeepAnalysisRecord, Summary
from gridcode.analysis.records.topology import StateSpaceRecord
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.config import Config, LossConfig
from gridcode.report import deep_analysis_figures, figures, state_space_figures
from gridcode.report import module_figures as modules
from gridcode.report.distance_figures import space as draw_space
from gridcode.report.style import STYLE, values


def run_figures(
    metrics: Sequence[Mapping[str, Any]],
    summary: Summary,
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
    """
    assert summary.headline is not None
    data = maps[summary.headline.group].to_dataset()
    with mpl.rc_context(STYLE):
        drawn = _cell_figures(data, summary)
        if summary.space:
            loss = config.loss if config else None
            drawn["space"] = draw_space(
                summary.space,
                sigma_x_m=loss.sigma_x_m if loss else None,
                predicted_plateau=plateau(loss) if loss else None,
            )
        if summary.theory and arrays is not None:
            drawn |= _deep_figures(summary.theory, summary, arrays)
        drawn["arenas"] = figures.across_arenas(maps, figures.by_score(data)[:8].tolist())
        if metrics:
            drawn["training"] = figures.training_curves(metrics)
    return drawn


def plateau(loss: LossConfig) -> float:
    """Neural distance at which separation and capacity of this loss balance."""
    return predicted_plateau(
        sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
    )


def population_figures(
    population: Population, states: StateSpace | None = None
) -> dict[str, Figure]:
    """The figures of a scored population, and of its state space where that is given, by name."""
    with mpl.rc_context(STYLE):
        drawn = _cell_figures(population.data, population.summary)
    if states is not None:
        drawn |= states_figures(states.summary, states.arrays)
    return drawn


def _cell_figures(data: xr.Dataset, summary: Summary) -> dict[str, Figure]:
    drawn = {
        "best_units": figures.best_units(data),
        "gallery": figures.gallery(data),
        "scores": figures.scores(data, summary.types, level=summary.settings.level),
        "modules": modules.lattices(data, summary.modules),
    }
    if summary.modules:
        rate, module = data["rate"].values.astype(float), data["module"].values
        spectra = [
            module_spectrum(
                rate[module == row.module],
                bin_size_m=float(data.attrs["bin_size_m"]),
                vectors_m=values(row.vectors_m),
            )
            for row in summary.modules[: modules.MOST_SPECTRA]
        ]
        drawn["spectra"] = modules.spectra(data, summary.modules, spectra)
    return drawn


def _deep_figures(
    found: DeepAnalysisRecord, summary: Summary, arrays: xr.DataTree
) -> dict[str, Figure]:
    drawn = states_figures(found.state_space, arrays)
    if found.dynamics:
        whole = found.state_space.whole_vectors_m
        drawn["dynamics"] = deep_analysis_figures.dynamics(
            found.dynamics, found.robustness, vectors_m=None if whole is None else values(whole)
        )
    if found.mechanism:
        drawn["mechanism"] = deep_analysis_figures.mechanism(
            found.mechanism, arrays["mechanism"].to_dataset(), summary.modules
        )
    if found.coding:
        drawn["coding"] = deep_analysis_figures.coding(found.coding.codes)
    return drawn


def states_figures(space: StateSpaceRecord, arrays: xr.DataTree) -> dict[str, Figure]:
    """The figures of a state space by name, none where nothing was measured.

    Args:
        space: the state space.
        arrays: as `gridcode.analysis.deep_analysis` gives them.
    """
    if not space.populations:
        return {}
    with mpl.rc_context(STYLE):
        return {
            "state_space": state_space_figures.state_space(arrays, space.populations),
            "topology": state_space_figures.topology(arrays, space.populations, space.controls),
        }


def to_png(figure: Figure, *, source: str = "") -> bytes:
    """A figure as PNG bytes, reduced to 256 colours: a third of the size, hardly a difference.

    Args:
        figure: the figure.
        source: where it comes from; written into the file as text, under `Source`.
    """
    drawn, reduced = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format="png")
    with Image.open(drawn) as image:
        palette = image.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    about = PngInfo()
    if source:
        about.add_text("Source", source)
    palette.save(reduced, format="png", optimize=True, pnginfo=about)
    return reduced.getvalue()
