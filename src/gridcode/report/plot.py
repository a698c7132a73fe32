"""Single plots of a run or an evaluation: `gridcode.plot(run).rate_map(3)`, as in the report."""

import functools
import os
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from gridcode.analysis.cells.spectrum import module_spectrum
from gridcode.analysis.evaluate import Evaluation
from gridcode.analysis.records import ModuleRecord, Summary
from gridcode.analysis.records.navigation import SpaceRecord
from gridcode.analysis.records.topology import StatesRecord
from gridcode.analysis.text import p_text
from gridcode.config import LossConfig
from gridcode.errors import InputError
from gridcode.report import distance_figures, figures, module_figures, state_space_figures
from gridcode.report.collection import plateau
from gridcode.report.style import STYLE, draw_correlogram, draw_map, frame, number, plain, values
from gridcode.runs.run import Run

Found = tuple[Summary, xr.DataTree, xr.DataTree | None]


def plot(found: Run | Evaluation | str | os.PathLike[str]) -> "RunPlot":
    """Plots of a run or an evaluation, such as `gridcode.plot(run).rate_map(3)`.

    The evaluation of a run is read with the first plot that needs it.

    Args:
        found: a run, its folder, or what `gridcode.evaluate` returned.

    Raises:
        InputError: no run.
    """
    if isinstance(found, Evaluation):
        return RunPlot(lambda: (found.summary, found.maps, found.theory))
    run = Run.open(found)
    return RunPlot(
        lambda: _read(run), metrics=run.metrics, loss=run.config.network_loss, name=str(run.folder)
    )


def _read(run: Run) -> Found:
    summary, maps = run.read_evaluation()
    run.warn_if_out_of_date(summary)
    return summary, maps, run.read_theory()


class RunPlot:
    """The plots of a run or an evaluation.

    Every method draws into `ax`, or into a new figure of pyplot's where that is None, which a
    notebook shows by itself; and returns the axes. A unit is given by its name (its number, in a
    network), a module by its number, an arena by its side in metres or as `uniform_4m`. All but
    `training` raise InputError where the run has not been evaluated.

    Args:
        evaluation: gives summary, rate maps, and arrays of state space (None where those were not
            measured); called with the first plot.
        metrics: gives the logged lines of the training; None: there are none.
        loss: settings of the losses, for what they predict; None leaves the predictions out.
        name: what error messages call the run.
    """

    def __init__(
        self,
        evaluation: Callable[[], Found],
        *,
        metrics: Callable[[], list[dict[str, Any]]] | None = None,
        loss: LossConfig | None = None,
        name: str = "",
    ) -> None:
        self._evaluation, self._metrics, self._loss, self._name = evaluation, metrics, loss, name

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"RunPlot({self._name + ': ' if self._name else ''}{', '.join(names)})"

    # -- units ------------------------------

    def rate_map(
        self, unit: int | str, arena: float | str | None = None, *, ax: Axes | None = None
    ) -> Axes:
        """Rate map of a unit, from 0 to its own peak, with its type and scores.

        Args:
            unit: its name.
            arena: side in metres on the walk of the headline, or a group such as `uniform_4m`;
                None: where the headline comes from.
            ax: where to draw.

        Raises:
            InputError: no such unit or arena.
        """
        data = self._group(arena)
        here = data.isel(unit=self._place(data, unit))
        with mpl.rc_context(STYLE):
            ax = draw_map(_axes(ax, (3.0, 3.3)), here["rate"])
            if "module" in here:
                frame(ax, int(here["module"]))
            kind = f": {here['type'].item()}" if "type" in here else ""
            ax.set_title(
                f"unit {plain(here['unit'].item())}{kind}\n"
                f"score {number(float(here['grid_score']))}, "
                f"spacing {number(float(here['spacing_m']))} m"
            )
            return ax

    def autocorrelogram(self, unit: int | str, *, ax: Axes | None = None) -> Axes:
        """Autocorrelogram of a unit, blue to red from -1 to 1, with the fitted lattice.

        Raises:
            InputError: no such unit.
        """
        data = self._group(None)
        here = data.isel(unit=self._place(data, unit))
        with mpl.rc_context(STYLE):
            ax = draw_correlogram(
                _axes(ax, (3.0, 3.3)),
                here["autocorrelogram"],
                here["vectors_m"].values,
                scale_bar=True,
            )
            p = p_text(float(here["lattice_p_value"]))
            ax.set_title(
                f"unit {plain(here['unit'].item())}: autocorrelogram\n"
                f"axis ratio {number(float(here['axis_ratio']))}, lattice p {p}"
            )
            return ax

    def gallery(self, count: int = 24, *, columns: int = 8, ax: Axes | None = None) -> Axes:
        """Rate maps of the best units, framed in the colour of their module.

        Raises:
            InputError: a number below 1.
        """
        if count < 1 or columns < 1:
            raise InputError(f"count and columns must be at least 1, not {count} and {columns}")
        data = self._group(None)
        columns = min(columns, count, data.sizes["unit"])
        with mpl.rc_context(STYLE):
            ax = _axes(ax, figures.gallery_size(data, count=count, columns=columns))
            figures.draw_gallery(ax, data, count=count, columns=columns)
            return ax

    # -- modules ------------------------------

    def spacing_orientation(self, *, ax: Axes | None = None) -> Axes:
        """Spacing against orientation of every unit with a lattice, in its module's colour."""
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (4.6, 3.6))
            module_figures.draw_spacing_orientation(ax, self._group(None), self._summary.modules)
            return ax

    def spectrum(self, module: int, *, ax: Axes | None = None) -> Axes:
        """Mean Fourier power of a module's maps with its three waves.

        Raises:
            InputError: no such module.
        """
        row, data = self._module(module), self._group(None)
        rate = data["rate"].values[data["module"].values == module].astype(np.float64)
        found = module_spectrum(
            rate, bin_size_m=float(data.attrs["bin_size_m"]), vectors_m=values(row.vectors_m)
        )
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (3.3, 3.5))
            module_figures.draw_power(ax, row, found)
            return ax

    def phases(self, module: int, *, ax: Axes | None = None) -> Axes:
        """Where the fields of a module's units lie in the unit cell, in metres.

        Raises:
            InputError: no such module.
        """
        row, data = self._module(module), self._group(None)
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (3.6, 3.3))
            mine = data["module"].values == module
            module_figures.draw_phases(ax, row, data["phase"].values[mine])
            return ax

    # -- scores ------------------------------

    def scores_against_null(self, *, ax: Axes | None = None) -> Axes:
        """Hexagonal scores against the 95th percentile of each unit's own null maps."""
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (4.0, 3.4))
            figures.draw_scores_against_null(ax, self._group(None))
            return ax

    def score_histogram(self, *, ax: Axes | None = None) -> Axes:
        """Histograms of the hexagonal, corrected and square scores of active units."""
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (4.0, 3.2))
            figures.draw_score_histogram(ax, self._group(None))
            return ax

    # -- training and space ------------------------------

    def training(self, what: str = "loss", *, ax: Axes | None = None) -> Axes:
        """A column of the training's log against the step, such as `loss` or `invariance`.

        Raises:
            InputError: nothing logged, or no such column.
        """
        rows = self._metrics() if self._metrics else []
        if not rows:
            raise InputError(f"{self._who()} has no log of a training")
        names = [name for name in rows[0] if name != "step"]
        if what not in names:
            raise InputError(f"'{what}' was not logged; choose one of {', '.join(names)}")
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (4.2, 3.0))
            figures.draw_metrics(ax, rows, (what,))
            return ax

    def neural_distance(self, *, ax: Axes | None = None) -> Axes:
        """Neural against physical distance with its spread, on the first walk.

        Raises:
            InputError: without the test of space.
        """
        loss = self._loss
        with mpl.rc_context(STYLE):
            row = self._space()[0]
            ax = _axes(ax, (4.6, 3.4))
            distance_figures.draw_neural_distance(
                ax,
                row,
                sigma_x_m=loss.sigma_x_m if loss else None,
                predicted_plateau=plateau(loss) if loss else None,
            )
            return ax

    def path_error(self, *, ax: Axes | None = None) -> Axes:
        """Error of the decoded position against the steps walked, beside dead reckoning.

        Raises:
            InputError: without the test of space.
        """
        with mpl.rc_context(STYLE):
            rows = self._space()
            ax = _axes(ax, (4.8, 3.6))
            distance_figures.draw_path_error(ax, rows, named=True)
            return ax

    # -- state space ------------------------------

    def ring(self, module: int, wave: int = 0, *, ax: Axes | None = None) -> Axes:
        """States projected on the plane of one of the lattice's three waves, coloured by phase.

        Raises:
            InputError: no such module or wave, or state space was not measured.
        """
        if wave not in (0, 1, 2):
            raise InputError(f"wave must be 0, 1 or 2, not {wave}")
        row, data = self._states(module)
        if row.rings is None:
            raise InputError(f"the rings of module {module} could not be measured")
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (3.3, 3.5))
            state_space_figures.draw_ring(ax, data, row, wave)
            return ax

    def persistence(self, module: int | None, *, ax: Axes | None = None) -> Axes:
        """Persistence diagram of a module's states (None: of all units) beside shuffles.

        Raises:
            InputError: no such module, or state space was not measured.
        """
        row, data = self._states(module)
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (3.8, 3.6))
            state_space_figures.draw_diagram(ax, data, row)
            return ax

    def torus(self, module: int | None, *, phase: int = 0, ax: Axes | None = None) -> Axes:
        """States of a module (None: of all units) in three dimensions by Isomap.

        Args:
            module: its number.
            phase: 0 or 1, the phase that colours the states.
            ax: axes with projection `3d`.

        Raises:
            InputError: no such module or phase, axes of two dimensions, or state space was not
                measured.
        """
        if phase not in (0, 1):
            raise InputError(f"phase must be 0 or 1, not {phase}")
        if ax is not None and ax.name != "3d":
            raise InputError(
                "a torus needs axes of three dimensions: "
                "plt.subplots(subplot_kw={'projection': '3d'})"
            )
        row, data = self._states(module)
        with mpl.rc_context(STYLE):
            ax = _axes(ax, (4.0, 4.0), projection="3d")
            state_space_figures.draw_embedding(
                ax, data, phase, state_space_figures.population_name(row)
            )
            return ax

    # -- what was found ------------------------------

    @functools.cached_property
    def _found(self) -> Found:
        return self._evaluation()

    @property
    def _summary(self) -> Summary:
        return self._found[0]

    def _who(self) -> str:
        return f"'{self._name}'" if self._name else "this evaluation"

    def _group(self, arena: float | str | None) -> xr.Dataset:
        headline, maps = self._summary.headline, self._found[1]
        assert headline is not None
        name = headline.group
        if arena is not None:
            name = arena if isinstance(arena, str) else f"{headline.walk}_{arena:g}m"
        if name not in maps.children:
            raise InputError(
                f"there are no maps '{name}' in {self._who()}; there are {', '.join(maps.children)}"
            )
        return maps[name].to_dataset()

    def _place(self, data: xr.Dataset, unit: int | str) -> int:
        names = data["unit"].values.tolist()
        if unit not in names:
            raise InputError(
                f"there is no unit {unit!r} in {self._who()}; "
                f"there are {len(names)}, from {names[0]!r} to {names[-1]!r}"
            )
        return names.index(unit)

    def _module(self, module: int) -> ModuleRecord:
        rows = self._summary.modules
        for row in rows:
            if row.module == module:
                return row
        there = (
            f"there are {', '.join(str(row.module) for row in rows)}" if rows else "there is none"
        )
        raise InputError(f"there is no module {module!r} in {self._who()}; {there}")

    def _space(self) -> tuple[SpaceRecord, ...]:
        if not self._summary.space:
            raise InputError(
                f"{self._who()} was evaluated without the test of space (setting evaluation.space)"
            )
        return self._summary.space

    def _states(self, module: int | None) -> tuple[StatesRecord, xr.Dataset]:
        """Record and arrays of a population's state space."""
        if module is not None:
            self._module(module)
        theory, arrays = self._summary.theory, self._found[2]
        if theory is None or arrays is None:
            raise InputError(
                f"{self._who()} was evaluated without state space and topology "
                "(setting evaluation.theory)"
            )
        name = "population" if module is None else f"module_{module}"
        for row in theory.state_space.populations:
            if row.name == name and name in arrays.children:
                return row, arrays[name].to_dataset()
        reasons = [row.reason for row in theory.state_space.skipped if row.name == name]
        who = "all units" if module is None else f"module {module}"
        why = f": {reasons[0]}" if reasons else ""
        raise InputError(f"the state space of {who} was not measured{why}")


def _axes(ax: Axes | None, size: tuple[float, float], *, projection: str | None = None) -> Axes:
    if ax is not None:
        return ax
    made: Axes = plt.subplots(figsize=size, subplot_kw={"projection": projection})[1]
    return made
