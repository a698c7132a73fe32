"""Figures of a run. They draw what evaluation and metrics hold and compute nothing.

Rate maps: dark is silent, bright is the unit's own peak; grey bins were never visited. Every map has a scale bar.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
}
RATE_COLOURS = mpl.colormaps["viridis"].with_extremes(bad="0.75")
CORRELATION_COLOURS = mpl.colormaps["RdBu_r"].with_extremes(bad="0.75")
# Okabe and Ito's palette: told apart by colour-blind readers.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"


def draw_map(ax: Axes, rate: xr.DataArray, *, scale_bar: bool = True) -> Axes:
    """One rate map (y, x), coloured from 0 to its own peak, with a scale bar of 1 m (or a fifth of a small arena)."""
    values = rate.values
    peak = np.nanmax(values) if np.isfinite(values).any() else 0.0
    half = float(rate["x"][-1] - rate["x"][0]) / 2 * len(rate["x"]) / (len(rate["x"]) - 1)
    ax.imshow(values, origin="lower", extent=(-half, half, -half, half), cmap=RATE_COLOURS, vmin=0, vmax=max(peak, 1e-12), interpolation="nearest")
    ax.set_axis_off()
    if scale_bar:
        length = 1.0 if half > 1.2 else 0.2
        ax.plot([-0.92 * half, -0.92 * half + length], [-0.92 * half] * 2, color="white", linewidth=2, solid_capstyle="butt")
    return ax


def draw_correlogram(ax: Axes, data: xr.Dataset, unit: int) -> Axes:
    """One autocorrelogram, blue to red from -1 to 1, with the fitted lattice vectors."""
    values = data["autocorrelogram"].sel(unit=unit)
    limit = float(data["lag_x"][-1])
    ax.imshow(values, origin="lower", extent=(-limit, limit, -limit, limit), cmap=CORRELATION_COLOURS, vmin=-1, vmax=1, interpolation="nearest")
    vectors = data["vectors_m"].sel(unit=unit).values
    if np.isfinite(vectors).all():
        for x, y in (*vectors, *-vectors, vectors[1] - vectors[0], vectors[0] - vectors[1]):
            ax.plot([0, x], [0, y], color="black", linewidth=0.8)
            ax.plot(x, y, "o", color="black", markersize=2.5)
    ax.set_axis_off()
    return ax


def by_score(data: xr.Dataset) -> np.ndarray:
    """Units from the best to the worst hexagonal score, unscored ones after them, silent ones last."""
    score = np.where(np.isfinite(data["minmax"].values), data["minmax"].values, -9.0)
    return np.argsort(-(score - 100.0 * data["silent"].values), kind="stable")


def gallery(data: xr.Dataset, *, columns: int = 8) -> Figure:
    """Every unit's rate map, best score first, titled `unit: hexagonal / corrected score`."""
    units = by_score(data)
    rows = -(-len(units) // columns)
    figure = Figure(figsize=(columns * 1.25, rows * 1.42))
    for k, unit in enumerate(units):
        ax = figure.add_subplot(rows, columns, k + 1)
        draw_map(ax, data["rate"].sel(unit=unit), scale_bar=k == 0)
        here = data.sel(unit=unit)
        title = "silent" if bool(here["silent"]) else f"{_number(float(here['minmax']))} / {_number(float(here['corrected']))}"
        ax.set_title(f"{unit}: {title}", fontsize=7, pad=2)
    return figure


def best_units(data: xr.Dataset, *, count: int = 6) -> Figure:
    """The best units large: rate map above, autocorrelogram with the fitted lattice below."""
    units = by_score(data)[:count]
    figure = Figure(figsize=(2.0 * len(units), 4.4))
    for k, unit in enumerate(units):
        here = data.sel(unit=unit)
        top = draw_map(figure.add_subplot(2, len(units), k + 1), data["rate"].sel(unit=unit))
        top.set_title(f"unit {unit}\nscore {_number(float(here['minmax']))}, spacing {_number(float(here['spacing_m']))} m")
        draw_correlogram(figure.add_subplot(2, len(units), len(units) + k + 1), data, int(unit))
    return figure


def histograms(data: xr.Dataset, *, threshold: float) -> Figure:
    """Scores, spacings and the lattices' shape over active units."""
    active = data.sel(unit=~data["silent"].values)

    def known(name: str) -> np.ndarray:
        values = active[name].values
        return values[np.isfinite(values)]

    figure = Figure(figsize=(12, 2.8))
    axes = [figure.add_subplot(1, 4, k + 1) for k in range(4)]
    bins = np.linspace(-1.5, 2.0, 36).tolist()
    for name, label, ink in (("minmax", "hexagonal", INK[0]), ("corrected", "after undoing shear", INK[1]), ("square", "square", INK[2])):
        axes[0].hist(known(name), bins=bins, histtype="step", linewidth=1.5, color=ink, label=label)
    axes[0].axvline(threshold, color="0.6", linewidth=0.8, linestyle="--")
    axes[0].set(xlabel="grid score", ylabel="units", title="scores")
    axes[0].legend(loc="upper left", fontsize=6)
    spacing = known("spacing_m")
    top = max(1.5, 1.1 * float(spacing.max())) if len(spacing) else 1.5
    axes[1].hist(spacing, bins=np.linspace(0, top, 41).tolist(), color=INK[0])
    axes[1].set(xlabel="spacing (m)", ylabel="units", title="spacing of fields")
    axes[2].scatter(active["orientation_deg"].values, active["spacing_m"].values, s=10, color=INK[0], alpha=0.6, linewidths=0)
    axes[2].set(xlabel="orientation (deg)", ylabel="spacing (m)", xlim=(-46, 46), ylim=(0, top), title="orientation and spacing")
    axes[3].hist(known("axis_ratio"), bins=np.linspace(0, 1, 41).tolist(), color=INK[0])
    for value, name in ((1.0, "hexagon"), (1 / np.sqrt(3), "square")):
        axes[3].axvline(value, color="0.6", linewidth=0.8, linestyle="--")
        axes[3].annotate(name, (value, 0.5), xycoords=("data", "axes fraction"), ha="right", va="center", rotation=90, color="0.4", fontsize=7)
    axes[3].set(xlabel="short over long axis", ylabel="units", title="shape of the lattices", xlim=(0, 1.05))
    return figure


def training_curves(metrics: Sequence[dict[str, Any]]) -> Figure:
    """Loss terms, gradient norm and silent units against the step."""
    figure = Figure(figsize=(12, 2.8))
    step = [row["step"] for row in metrics]
    panels = (("loss",), ("separation", "invariance"), ("capacity",), ("isometry",), ("gradient_norm",), ("silent_units",))
    for k, names in enumerate(panels):
        ax = figure.add_subplot(1, len(panels), k + 1)
        for name, ink in zip(names, INK, strict=False):
            ax.plot(step, [row[name] for row in metrics], color=ink, linewidth=1, label=name)
        ax.set(title=" and ".join(names).replace("_", " "), xlabel="step")
        if names == ("silent_units",):
            ax.set_ylim(0, max(4, 1.1 * max(row["silent_units"] for row in metrics)))
        if names[0] in ("isometry", "gradient_norm", "separation"):
            ax.set_yscale("log")
        if len(names) > 1:
            ax.legend(fontsize=7)
    return figure


def across_arenas(maps: xr.DataTree, units: Sequence[int]) -> Figure:
    """The same units, a column each, on every walk and in every arena, a row each."""
    groups = list(maps.children)
    figure = Figure(figsize=(1.5 * len(units) + 0.8, 1.55 * len(groups)))
    for r, group in enumerate(groups):
        data = maps[group].to_dataset()
        for c, unit in enumerate(units):
            ax = draw_map(figure.add_subplot(len(groups), len(units), r * len(units) + c + 1), data["rate"].sel(unit=unit), scale_bar=c == 0)
            ax.set_title((f"unit {unit}   " if r == 0 else "") + _number(float(data["minmax"].sel(unit=unit))), fontsize=7, pad=2)
            if c == 0:
                ax.text(-0.08, 0.5, group.replace("_", "\n"), transform=ax.transAxes, ha="right", va="center", fontsize=8)
    return figure
