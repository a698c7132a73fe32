"""Figures of units: rate maps, scores, types; and of a run: training, arenas. They draw what analysis and metrics hold and compute nothing.

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
from matplotlib.patches import Rectangle

from gridcode.report.style import (
    GREY,
    INK,
    RATE_COLOURS,
    STYLE,
    draw_correlogram,
    draw_map,
    draw_scale_bar,
    frame,
    module_colour,
    number,
    p_text,
    plain,
    short_type,
)

__all__ = [
    "INK",
    "STYLE",
    "across_arenas",
    "best_units",
    "by_score",
    "draw_map",
    "gallery",
    "scores",
    "training_curves",
]

GALLERY = 128
# Bars of p-values: a twentieth each, so that the first holds what a test at 0.05 would let pass.
P_BINS = 20
# Of the vertical axis; loss terms have no unit.
METRIC_LABELS = {
    "loss": "weighted sum of the terms", "separation": "loss term", "capacity": "loss term", "isometry": "loss term", "gradient_norm": "L2 norm",
    "silent_units": "units", "steps_per_second": "steps per second",
}  # fmt: skip


def by_score(data: xr.Dataset) -> np.ndarray:
    """Units, as places in the dataset, from the best to the worst hexagonal score, unscored ones after them, silent ones last."""
    score = np.where(np.isfinite(data["minmax"].values), data["minmax"].values, -9.0)
    return np.argsort(-(score - 100.0 * data["silent"].values), kind="stable")


def _aspect(data: xr.Dataset, *, least: float = 0.4, most: float = 2.0) -> float:
    """Height over width of the maps, within what a page can show."""
    return float(np.clip(data.sizes["y"] / data.sizes["x"], least, most))


def gallery(data: xr.Dataset, *, most: int, columns: int = 8) -> Figure:
    """The rate maps of the `most` best units, titled `unit: hexagonal / corrected score` and type with p; the frame is the module's colour."""
    units = by_score(data)[:most]
    rows = -(-len(units) // columns)
    width, titles = 1.32, 0.34
    height = (width - 0.1) * _aspect(data) + titles
    # Placed by hand: laying out a hundred axes takes matplotlib longer than drawing them. ("none"
    # would last until the first save only.)
    by_hand = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = Figure(figsize=(columns * width, rows * height), layout=by_hand)
    for k, unit in enumerate(units):
        row, column = divmod(k, columns)
        left, bottom = (
            (column * width + 0.05) / (columns * width),
            1 - ((row + 1) * height - 0.04) / (rows * height),
        )
        ax = figure.add_axes(
            (left, bottom, (width - 0.1) / (columns * width), (height - titles) / (rows * height))
        )
        here = data.isel(unit=unit)
        draw_map(ax, here["rate"], scale_bar=k == 0)
        frame(ax, int(here["module"]))
        name = plain(here["unit"].item())
        silent = bool(here["silent"])
        title = (
            f"{name}"
            if silent
            else f"{name}: {number(float(here['minmax']))} / {number(float(here['corrected']))}"
        )
        second = (
            "silent"
            if silent
            else f"{short_type(here['type'].item())}, p {p_text(float(here['any_lattice_p_value']))}"
        )
        ax.set_title(f"{title}\n{second}", fontsize=6.2, pad=2.5, linespacing=1.05)
    return figure


def draw_mosaic(ax: Axes, data: xr.Dataset, *, count: int, columns: int) -> None:
    """The best units' rate maps in one picture, each from 0 to its own peak, framed in the colour of its module; one scale bar for all."""
    units = by_score(data)[:count]
    rows = -(-len(units) // columns)
    tall, wide, size = data.sizes["y"], data.sizes["x"], float(data.attrs["bin_size_m"])
    gap = max(2, round(0.15 * wide))  # room for the names
    picture = np.ones((rows * (tall + gap) - gap, columns * (wide + gap) - gap, 4))
    for k, unit in enumerate(units):
        row, column = divmod(k, columns)
        bottom, left = (rows - 1 - row) * (tall + gap), column * (wide + gap)
        rate, module = (
            data["rate"].values[unit].astype(np.float64),
            int(data["module"].values[unit]),
        )
        peak = np.nanmax(rate) if np.isfinite(rate).any() else 0.0
        picture[bottom : bottom + tall, left : left + wide] = RATE_COLOURS(
            np.ma.masked_invalid(np.clip(rate / max(peak, 1e-12), 0, 1))
        )
        width, corner = 1.6 if module >= 0 else 0.6, (left * size, bottom * size)
        ax.add_patch(
            Rectangle(
                corner,
                wide * size,
                tall * size,
                fill=False,
                edgecolor=module_colour(module),
                linewidth=width,
            )
        )
        ax.text(
            left * size,
            (bottom + tall + 0.15 * gap) * size,
            plain(data["unit"].values[unit]),
            fontsize=5,
            color="0.25",
            va="bottom",
        )
    height, length = (n * size for n in picture.shape[:2])
    ax.imshow(picture, origin="lower", extent=(0.0, length, 0.0, height), interpolation="nearest")
    first = (rows - 1) * (tall + gap) * size
    draw_scale_bar(ax, (0.0, wide * size, first, first + tall * size))
    ax.set(
        xlim=(-0.5 * gap * size, length + 0.5 * gap * size),
        ylim=(-0.5 * gap * size, height + gap * size),
    )
    ax.set_axis_off()


def best_units(data: xr.Dataset, *, count: int = 6) -> Figure:
    """The best units large: rate map above, autocorrelogram with the fitted lattice below."""
    units = by_score(data)[:count]
    figure = Figure(figsize=(2.0 * max(len(units), 2), 0.75 + 2 * 1.85 * _aspect(data)))
    for k, unit in enumerate(units):
        here = data.isel(unit=unit)
        top = draw_map(figure.add_subplot(2, len(units), k + 1), here["rate"])
        frame(top, int(here["module"]))
        top.set_title(
            f"unit {plain(here['unit'].item())}: {here['type'].item()}\n"
            f"score {number(float(here['minmax']))} (p {p_text(float(here['p_value']))}), corrected {number(float(here['corrected']))}\n"
            f"spacing {number(float(here['spacing_m']))} m, lattice p {p_text(float(here['any_lattice_p_value']))}",
            fontsize=7,
        )
        below = figure.add_subplot(2, len(units), len(units) + k + 1)
        draw_correlogram(below, here["autocorrelogram"], here["vectors_m"].values, scale_bar=k == 0)
    return figure


def scores(data: xr.Dataset, types: Mapping[str, int], *, level: float) -> Figure:
    """Types, scores, each unit's score against its own null's 95th percentile, and p-values."""
    figure = Figure(figsize=(12, 2.9))
    axes = [figure.add_subplot(1, 4, k + 1) for k in range(4)]
    active = data.isel(unit=~data["silent"].values)
    _types(axes[0], types)
    draw_score_histogram(axes[1], data)
    draw_scores_against_null(axes[2], data)

    edges = np.linspace(0, 1, P_BINS + 1).tolist()
    for name, label, ink in (
        ("p_value", "hexagonal", INK[0]),
        ("any_lattice_p_value", "a lattice of any shape", INK[1]),
    ):
        _histogram(axes[3], active[name].values, edges, label, ink)
    flat = active.sizes["unit"] / P_BINS
    axes[3].axhline(flat, color=GREY, linewidth=0.8, linestyle="--")
    axes[3].annotate(
        "if nothing were there",
        (1, flat),
        (0, 2),
        textcoords="offset points",
        ha="right",
        fontsize=6,
        color="0.35",
    )
    axes[3].axvline(level, color=GREY, linewidth=0.8)
    axes[3].set(xlabel="p", ylabel="units", title="p-values", xlim=(-0.02, 1.02))
    axes[3].legend(loc="upper right", fontsize=6)
    return figure


def draw_score_histogram(ax: Axes, data: xr.Dataset) -> None:
    """How many active units have which hexagonal, corrected and square score; scores beyond the ends are counted in the last bins."""
    active = data.isel(unit=~data["silent"].values)
    bins = np.linspace(-1.5, 2.0, 36).tolist()
    for name, label, ink in (
        ("minmax", "hexagonal", INK[0]),
        ("corrected", "corrected", INK[1]),
        ("square", "square", INK[2]),
    ):
        _histogram(ax, np.clip(active[name].values, -1.5, 2.0), bins, label, ink)
    ax.set(xlabel="grid score", ylabel="units", title="scores")
    ax.legend(loc="upper left", fontsize=6)


def draw_scores_against_null(ax: Axes, data: xr.Dataset) -> None:
    """Each active unit's hexagonal score against what 95% of its own null maps stay below, in its module's colour."""
    active = data.isel(unit=~data["silent"].values)
    score, null = active["minmax"].values, active["null_95"].values
    known = np.isfinite(score) & np.isfinite(null)
    colours = [module_colour(int(m)) for m in active["module"].values[known]]
    ax.scatter(null[known], score[known], s=10, c=colours, alpha=0.7, linewidths=0)
    ends = [min([-0.5, *score[known], *null[known]]), max([1.0, *score[known], *null[known]])]
    ax.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--")
    ax.set(
        xlabel="95% of the unit's null maps score less",
        ylabel="hexagonal score",
        title="scores against each unit's own null",
    )


def _histogram(ax: Axes, values: np.ndarray, bins: list[float], label: str, ink: str) -> None:
    """Counts of what is known; the first of several is filled, so that the others do not hide it."""
    filled = not ax.patches
    style: dict[str, Any] = (
        {"histtype": "stepfilled", "alpha": 0.45}
        if filled
        else {"histtype": "step", "linewidth": 1.5}
    )
    ax.hist(values[np.isfinite(values)], bins=bins, color=ink, label=label, **style)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))


def _types(ax: Axes, types: Mapping[str, int]) -> None:
    names = list(types)
    counts = [types[name] for name in names]
    ax.barh(names, counts, color=INK[0])
    for place, count in enumerate(counts):
        ax.annotate(
            str(count), (count, place), (3, 0), textcoords="offset points", va="center", fontsize=7
        )
    ax.invert_yaxis()
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set(xlabel="units", title="types", xlim=(0, 1.15 * max([1, *counts])))


def training_curves(metrics: Sequence[dict[str, Any]]) -> Figure:
    """Loss terms, gradient norm and silent units against the step."""
    figure = Figure(figsize=(12, 2.8))
    panels = (
        ("loss",),
        ("separation", "invariance"),
        ("capacity",),
        ("isometry",),
        ("gradient_norm",),
        ("silent_units",),
    )
    for k, names in enumerate(panels):
        draw_metrics(figure.add_subplot(1, len(panels), k + 1), metrics, names)
    return figure


def draw_metrics(ax: Axes, metrics: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Some columns of the logged lines against the step."""
    step = [row["step"] for row in metrics]
    for name, ink in zip(names, INK, strict=False):
        ax.plot(
            step,
            [row.get(name, np.nan) for row in metrics],
            color=ink,
            linewidth=1,
            label=name.replace("_", " "),
        )
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
    """The same units (places in the datasets), a column each, on every walk and in every arena, a row each."""
    groups = list(maps.children)
    figure = Figure(figsize=(1.4 * len(units) + 0.8, 1.5 * len(groups)))
    for r, group in enumerate(groups):
        data = maps[group].to_dataset()
        for c, unit in enumerate(units):
            here = data.isel(unit=unit)
            ax = draw_map(
                figure.add_subplot(len(groups), len(units), r * len(units) + c + 1),
                here["rate"],
                scale_bar=c == 0,
            )
            ax.set_title(
                (f"unit {plain(here['unit'].item())}:   " if r == 0 else "")
                + number(float(here["minmax"])),
                fontsize=7,
                pad=2,
            )
            if c == 0:
                ax.text(
                    -0.08,
                    0.5,
                    group.replace("_", "\n"),
                    transform=ax.transAxes,
                    ha="right",
                    va="center",
                    fontsize=8,
                )
    return figure
