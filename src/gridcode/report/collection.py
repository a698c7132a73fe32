"""The figures of a run, or of a scored recording, by name; and a figure as PNG."""

import io
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gridcode.analysis.cells.spectrum import module_spectrum
from gridcode.analysis.navigation.neural_distance import predicted_plateau
from gridcode.analysis.population import Population
from gridcode.analysis.records import Summary
from gridcode.analysis.records.topology import StateSpaceRecord
from gridcode.analysis.topology.state_space import StateSpace
from gridcode.config import Config, LossConfig
from gridcode.report import deep_analysis_figures, figures, state_space_figures
from gridcode.report import module_figures as modules
from gridcode.report.distance_figures import space as draw_space
from gridcode.report.style import STYLE, values

# How to draw each figure, by name.
Drawings = dict[str, Callable[[], Figure]]


def run_figures(
    metrics: Sequence[Mapping[str, Any]],
    summary: Summary,
    maps: xr.DataTree,
    *,
    config: Config | None = None,
    arrays: xr.DataTree | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Figure]:
    """The figures of a run by file name, without extension.

    Args:
        metrics: its logged lines.
        summary: its evaluation.
        maps: the maps of the evaluation.
        config: the run's configuration, for what its losses predict; None leaves the predictions
            out.
        arrays: of its state space and mechanism; None leaves their pictures out.
        only: names of the figures to draw; None draws all.
    """
    assert summary.headline is not None
    data = maps[summary.headline.group].to_dataset()
    drawings = _cell_drawings(data, summary)
    if space := summary.space:
        loss = config.network_loss if config else None
        drawings["space"] = lambda: draw_space(
            space,
            sigma_x_m=loss.sigma_x_m if loss else None,
            predicted_plateau=plateau(loss) if loss else None,
        )
    drawings |= _deep_drawings(summary, arrays)
    drawings["arenas"] = lambda: figures.across_arenas(maps, figures.by_score(data)[:8].tolist())
    if metrics:
        drawings["training"] = lambda: figures.training_curves(metrics)
    return _drawn(drawings, only)


def deep_figures(
    summary: Summary, arrays: xr.DataTree | None, only: Collection[str] | None = None
) -> dict[str, Figure]:
    """Those of `run_figures` that show state space, dynamics, mechanism and coding.

    Args:
        summary: the evaluation.
        arrays: of its state space and mechanism; None: there are none of these figures.
        only: names of the figures to draw; None draws all.
    """
    return _drawn(_deep_drawings(summary, arrays), only)


def _drawn(drawings: Drawings, only: Collection[str] | None = None) -> dict[str, Figure]:
    with mpl.rc_context(STYLE):
        return {name: draw() for name, draw in drawings.items() if only is None or name in only}


def plateau(loss: LossConfig) -> float:
    """Neural distance at which separation and capacity of this loss balance."""
    return predicted_plateau(
        sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
    )


def population_figures(
    population: Population, states: StateSpace | None = None
) -> dict[str, Figure]:
    """The figures of a scored population, and of its state space where that is given, by name."""
    drawings = _cell_drawings(population.data, population.summary)
    if states is not None:
        drawings |= _states_drawings(states.summary, states.arrays)
    return _drawn(drawings)


def _cell_drawings(data: xr.Dataset, summary: Summary) -> Drawings:
    drawings: Drawings = {
        "best_units": lambda: figures.best_units(data),
        "gallery": lambda: figures.gallery(data),
        "scores": lambda: figures.scores(data, summary.types, level=summary.settings.level),
        "modules": lambda: modules.lattices(data, summary.modules),
    }
    if summary.modules:
        drawings["spectra"] = lambda: _spectra(data, summary)
    return drawings


def _spectra(data: xr.Dataset, summary: Summary) -> Figure:
    rate, module = data["rate"].values.astype(float), data["module"].values
    spectra = [
        module_spectrum(
            rate[module == row.module],
            bin_size_m=float(data.attrs["bin_size_m"]),
            vectors_m=values(row.vectors_m),
        )
        for row in summary.modules[: modules.MOST_SPECTRA]
    ]
    return modules.spectra(data, summary.modules, spectra)


def _deep_drawings(summary: Summary, arrays: xr.DataTree | None) -> Drawings:
    found = summary.theory
    if found is None or arrays is None:
        return {}
    drawings = _states_drawings(found.state_space, arrays)
    if dynamics := found.dynamics:
        whole = found.state_space.whole_vectors_m
        drawings["dynamics"] = lambda: deep_analysis_figures.dynamics(
            dynamics, found.robustness, vectors_m=None if whole is None else values(whole)
        )
    if mechanism := found.mechanism:
        drawings["mechanism"] = lambda: deep_analysis_figures.mechanism(
            mechanism, arrays["mechanism"].to_dataset(), summary.modules
        )
    if coding := found.coding:
        drawings["coding"] = lambda: deep_analysis_figures.coding(coding.codes)
    return drawings


def states_figures(space: StateSpaceRecord, arrays: xr.DataTree) -> dict[str, Figure]:
    """The figures of a state space by name, none where nothing was measured.

    Args:
        space: the state space.
        arrays: as `gridcode.analysis.deep_analysis` gives them.
    """
    return _drawn(_states_drawings(space, arrays))


def _states_drawings(space: StateSpaceRecord, arrays: xr.DataTree) -> Drawings:
    if not space.populations:
        return {}
    return {
        "state_space": lambda: state_space_figures.state_space(arrays, space.populations),
        "topology": lambda: state_space_figures.topology(arrays, space.populations, space.controls),
    }


def to_png(figure: Figure, *, source: str = "") -> bytes:
    """A figure as PNG bytes, reduced to 256 colours: a third of the size, hardly a difference.

    Args:
        figure: the figure.
        source: where it comes from; written into the file as text, under `Source`.
    """
    reduced, canvas = io.BytesIO(), FigureCanvasAgg(figure)
    with mpl.rc_context(STYLE):
        canvas.draw()  # `savefig` would draw twice: once to lay the figure out
    palette = (
        Image.fromarray(np.asarray(canvas.buffer_rgba()))
        .convert("RGB")
        .quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    about = PngInfo()
    if source:
        about.add_text("Source", source)
    palette.save(reduced, format="png", optimize=True, pnginfo=about)
    return reduced.getvalue()
