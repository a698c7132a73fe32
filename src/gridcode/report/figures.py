"""Figures of units (rate maps, scores, types) and of a run (training, arenas).

Rate maps: dark is silent, bright is the unit's own peak; grey bins were never visited. The colour
of a unit is that of its module.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from gridcode.analysis.text import p_text
from gridcode.report.style import (
    GREY,
    INK,
    draw_correlogram,
    draw_map,
    frame,
    module_colour,
    number,
    plain,
    short_type,
)

# Units in the gallery of a report.
GALLERY = 128
# Of the vertical axis; loss terms have no unit.
METRIC_LABELS = {
    "loss": "weighted sum of the terms",
    "separation": "loss term",
    "capacity": "loss term",
    "isometry": "loss term",
    "gradient_norm": "L2 norm",
    "silent_units": "units",
    "steps_per_second": "steps per second",
}


def by_score(data: xr.Dataset) -> np.ndarray:
    """Positions of the units in the dataset, best hexagonal score first, silent units last."""
    score = np.where(np.isfinite(data["grid_score"].values), data["grid_score"].values, -9.0)
    return np.argsort(-(score - 100.0 * data["silent"].values), kind="stable")


def best_of_each_module(data: xr.Dataset, count: int) -> np.ndarray:
    """Positions of the best units, module after module, in proportion to the modules' units.

    Args:
        data: an evaluation's headline: `grid_score`, `silent` and `module` of every unit.
        count: how many; all where there are fewer.
    """
    order = by_score(data)
    module = data["module"].values[order]
    queues = [order[module == m] for m in sorted({int(m) for m in module if m >= 0})]
    inside = sum(len(queue) for queue in queues)
    room = min(count, inside)
    share = np.array([len(queue) * room / max(inside, 1) for queue in queues])
    take = np.floor(share).astype(int)
    for k in np.argsort(take - share, kind="stable")[: room - int(take.sum())]:
        take[k] += 1
    rest = order[module < 0][: max(0, count - room)]
    chosen = [*(queue[:n] for queue, n in zip(queues, take, strict=True)), rest]
    return np.concatenate(chosen).astype(np.int64)


def _aspect(data: xr.Dataset) -> float:
    """Height over width of the maps, within what a page can show."""
    return float(np.clip(data.sizes["y"] / data.sizes["x"], 0.4, 2.0))


def gallery_size(data: xr.Dataset, *, count: int, columns: int) -> tuple[float, float]:
    """Width and height in inches of the axes that `draw_gallery` needs."""
    rows = -(-min(count, data.sizes["unit"]) // columns)
    return 1.32 * columns, (1.22 * _aspect(data) + 0.46) * rows


def draw_gallery(ax: Axes, data: xr.Dataset, *, count: int, columns: int = 8) -> None:
    """Rate maps of the `count` best units inside `ax`, framed in the colour of their module.

    Above each: type, grid score, lattice p, spacing and peak.
    """
    ax.set_axis_off()
    units = by_score(data)[:count]
    rows = -(-len(units) // columns)
    wide, tall = 1 / columns, 1 / rows
    share = 1.22 * _aspect(data) / (1.22 * _aspect(data) + 0.46)
    for k, unit in enumerate(units):
        row, column = divmod(k, columns)
        box = (column + 0.04) * wide, 1 - (row + 0.97) * tall, 0.92 * wide, share * tall
        here = data.isel(unit=unit)
        inside = draw_map(ax.inset_axes(box), here["rate"], scale_bar=k == 0)
        frame(inside, int(here["module"]))
        inside.set_title(_caption(here), fontsize=5.8, pad=2, linespacing=1.05)


def _caption(unit: xr.Dataset) -> str:
    name = f"{plain(unit['unit'].item())}: {short_type(unit['type'].item())}"
    if unit["silent"]:
        return name
    score, p = number(float(unit["grid_score"])), p_text(float(unit["lattice_p_value"]))
    spacing, peak = number(float(unit["spacing_m"])), float(unit["peak_rate"])
    return f"{name}\nscore {score}, lattice p {p}\nspacing {spacing} m, peak {peak:.2g}"


def gallery(data: xr.Dataset) -> Figure:
    """The rate maps of the best units, see `draw_gallery`."""
    # Placed by hand: laying out a hundred axes takes longer than drawing them. The engine "none"
    # would last until the first save only.
    by_hand = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = Figure(figsize=gallery_size(data, count=GALLERY, columns=8), layout=by_hand)
    draw_gallery(figure.add_axes((0.0, 0.0, 1.0, 1.0)), data, count=GALLERY)
    return figure


def best_units(data: xr.Dataset) -> Figure:
    """The best units of each module: rate map, and below it the autocorrelogram with lattice."""
    units = best_of_each_module(data, 6)
    figure = Figure(figsize=(2.0 * max(len(units), 2), 0.75 + 2 * 1.85 * _aspect(data)))
    for k, unit in enumerate(units):
        here = data.isel(unit=unit)
        top = draw_map(figure.add_subplot(2, len(units), k + 1), here["rate"])
        frame(top, int(here["module"]))
        top.set_title(
            f"unit {plain(here['unit'].item())}: {here['type'].item()}\n"
            f"score {number(float(here['grid_score']))} "
            f"(p {p_text(float(here['grid_score_p_value']))}), "
            f"corrected {number(float(here['corrected']))}\n"
            f"spacing {number(float(here['spacing_m']))} m, "
            f"lattice p {p_text(float(here['lattice_p_value']))}",
            fontsize=7,
        )
        below = figure.add_subplot(2, len(units), len(units) + k + 1)
        draw_correlogram(below, here["autocorrelogram"], here["vectors_m"].values, scale_bar=k == 0)
    return figure


def scores(data: xr.Dataset, types: Mapping[str, int], *, level: float) -> Figure:
    """Types, scores, scores against each unit's own null, and p-values."""
    figure = Figure(figsize=(12, 2.9))
    axes = [figure.add_subplot(1, 4, k + 1) for k in range(4)]
    _draw_types(axes[0], types)
    draw_score_histogram(axes[1], data)
    draw_scores_against_null(axes[2], data)
    _draw_p_values(axes[3], data, level)
    return figure


def draw_score_histogram(ax: Axes, data: xr.Dataset) -> None:
    """Histograms of hexagonal, corrected and square scores; the last bins hold what lies beyond."""
    active = data.isel(unit=~data["silent"].values)
    bins = np.linspace(-1.5, 2.0, 36).tolist()
    labels = {"grid_score": "hexagonal", "corrected": "corrected", "square": "square"}
    for (name, label), ink in zip(labels.items(), INK, strict=False):
        _histogram(ax, np.clip(active[name].values, -1.5, 2.0), bins, label, ink)
    ax.set(xlabel="grid score", ylabel="units", title="scores")
    ax.legend(loc="upper left", fontsize=6)


def draw_scores_against_null(ax: Axes, data: xr.Dataset) -> None:
    """Hexagonal scores of active units against the 95th percentile of their own null maps."""
    active = data.isel(unit=~data["silent"].values)
    score, null = active["grid_score"].values, active["grid_score_null_95"].values
    known = np.isfinite(score) & np.isfinite(null)
    colours = [module_colour(int(m)) for m in active["module"].values[known]]
    ax.scatter(null[known], score[known], s=10, c=colours, alpha=0.7, linewidths=0)
    ends = [min([-0.5, *score[known], *null[known]]), max([1.0, *score[known], *null[known]])]
    ax.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--")
    ax.set(
        xlabel="95th percentile of the unit's null maps",
        ylabel="hexagonal score",
        title="scores against each unit's own null",
    )


def _draw_p_values(ax: Axes, data: xr.Dataset, level: float) -> None:
    active = data.isel(unit=~data["silent"].values)
    # Bars of a twentieth, so that the first holds what a test at 0.05 would let pass.
    edges = np.linspace(0, 1, 21).tolist()
    _histogram(ax, active["grid_score_p_value"].values, edges, "grid score", INK[0])
    _histogram(ax, active["lattice_p_value"].values, edges, "a lattice of any shape", INK[1])
    flat = active.sizes["unit"] / 20
    ax.axhline(flat, color=GREY, linewidth=0.8, linestyle="--", label="expected by chance")
    ax.axvline(level, color=GREY, linewidth=0.8)
    ax.set(xlabel="p", ylabel="units", title="p-values", xlim=(-0.02, 1.02))
    ax.legend(loc="upper right", fontsize=6)


def _histogram(ax: Axes, values: np.ndarray, bins: list[float], label: str, ink: str) -> None:
    """A histogram of the finite values; only the first is filled, so that it hides no other."""
    first: dict[str, Any] = {"histtype": "stepfilled", "alpha": 0.45}
    style = {"histtype": "step", "linewidth": 1.5} if ax.patches else first
    ax.hist(values[np.isfinite(values)], bins=bins, color=ink, label=label, **style)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))


def _draw_types(ax: Axes, types: Mapping[str, int]) -> None:
    ax.bar_label(ax.barh(list(types), list(types.values()), color=INK[0]), padding=3, fontsize=7)
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set(xlabel="units", title="types", xlim=(0, 1.15 * max([1, *types.values()])))


def training_curves(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss terms, gradient norm and silent units against the step; of other models all they log."""
    singles = ("capacity", "isometry", "gradient_norm", "silent_units")
    panels = [("loss",), ("separation", "invariance"), *((name,) for name in singles)]
    if not any("separation" in row for row in metrics):
        logged = dict.fromkeys(name for row in metrics for name in row)
        panels = [(name,) for name in logged if name not in ("step", "steps_per_second")]
    figure = Figure(figsize=(2 * max(len(panels), 2), 2.8))
    for k, names in enumerate(panels):
        draw_metrics(figure.add_subplot(1, len(panels), k + 1), metrics, names)
    return figure


def draw_metrics(ax: Axes, metrics: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Some columns of the log against the training step."""
    step = [row["step"] for row in metrics]
    for name, ink in zip(names, INK, strict=False):
        logged = [row.get(name, np.nan) for row in metrics]
        ax.plot(step, logged, color=ink, linewidth=1, label=name.replace("_", " "))
    ax.set(
        title=" and ".join(names).replace("_", " "),
        xlabel="training step",
        ylabel=METRIC_LABELS.get(names[0], names[0].replace("_", " ")),
    )
    if names[0] == "silent_units":
        ax.set_ylim(0, max(4, 1.1 * max(row.get("silent_units", 0) for row in metrics)))
        ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if names[0] in ("isometry", "gradient_norm", "separation"):
        ax.set_yscale("log")
    if len(names) > 1:
        ax.legend(fontsize=7)


def across_arenas(maps: xr.DataTree, units: Sequence[int]) -> Figure:
    """The same units, a column each, on every walk and in every arena, a row each.

    Args:
        maps: the maps of an evaluation.
        units: positions of the units in its datasets.
    """
    groups = list(maps.children)
    figure = Figure(figsize=(1.4 * len(units) + 0.8, 1.5 * len(groups)))
    axes = figure.subplots(len(groups), len(units), squeeze=False)
    for group, row in zip(groups, axes, strict=True):
        data = maps[group].to_dataset()
        for unit, ax in zip(units, row, strict=True):
            here = data.isel(unit=unit)
            draw_map(ax, here["rate"], scale_bar=ax is row[0])
            ax.set_title(f"score {number(float(here['grid_score']))}", fontsize=7, pad=2)
        label, at = group.replace("_", "\n"), row[0].transAxes
        row[0].text(-0.08, 0.5, label, transform=at, ha="right", va="center", fontsize=8)
    for unit, ax in zip(units, axes[0], strict=True):
        name = plain(maps[groups[0]].to_dataset()["unit"].values[unit])
        ax.set_title(f"unit {name}\n{ax.get_title()}", fontsize=7, pad=2)
    return figure
