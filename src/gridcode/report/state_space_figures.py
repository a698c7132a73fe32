"""Figures of state space: states in three dimensions, rings, persistence diagrams."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from gridcode.analysis.records.topology import KnownShapeRecord, StatesRecord, TopologyRecord
from gridcode.analysis.text import p_text
from gridcode.report.style import GREY, INK, missing, number

# A colour circle for phases: 0 and 1 are the same.
PHASE_COLOURS = mpl.colormaps["twilight"]
MOST_POPULATIONS = 4
DIMENSIONS = ("pieces", "loops", "voids")
MARKERS = ("s", "o", "^")
METHODS = {"isomap": "Isomap", "spectral": "spectral embedding"}


def population_name(row: StatesRecord) -> str:
    """A population in words."""
    units = f"{row.n_units} units"
    return f"all {units}" if row.module is None else f"module {row.module} ({units})"


def betti_text(betti: Sequence[int]) -> str:
    """Betti numbers as a tuple."""
    return f"({', '.join(str(b) for b in betti)})"


def state_space(arrays: xr.DataTree, rows: Sequence[StatesRecord]) -> Figure:
    """A line for each population: Isomap by both phases (or x and y), three rings, variance.

    Args:
        arrays: as `gridcode.analysis.deep_analysis` gives them.
        rows: the populations, of which four at most are drawn.
    """
    shown = rows[:MOST_POPULATIONS]
    figure = Figure(figsize=(13, 2.6 * len(shown)))
    for line, row in enumerate(shown):
        data = arrays[row.name].to_dataset()
        for k in range(2):
            ax = figure.add_subplot(len(shown), 6, 6 * line + k + 1, projection="3d")
            draw_embedding(ax, data, k, population_name(row) if k == 0 else "")
        for k in range(3):
            draw_ring(figure.add_subplot(len(shown), 6, 6 * line + k + 3), data, row, k)
        _draw_variance(figure.add_subplot(len(shown), 6, 6 * line + 6), row)
    return figure


def draw_embedding(ax: Any, data: xr.Dataset, which: int, title: str) -> None:
    """Isomap of states on 3-D axes, coloured by phase, or by x or y where there is no lattice.

    Args:
        ax: axes of three dimensions; theirs have no unit.
        data: arrays of a population.
        which: 0 for the first phase or x, 1 for the second or y.
        title: the population in words.
    """
    value, colours, label = data["isomap_positions_m"].values, "viridis", "xy"[which] + " (m)"
    if "vectors_m" in data.attrs:
        inverse = np.linalg.inv(np.reshape(data.attrs["vectors_m"], (2, 2)))
        value, colours = np.mod(value @ inverse, 1.0), "twilight"
        label = ("first phase", "second phase")[which]
    ax.scatter(*data["isomap"].values.T, c=value[:, which], cmap=colours, s=2, linewidths=0)
    ax.set(xticks=[], yticks=[], zticks=[])
    ax.set_title(f"{title}\ncoloured by {label}".strip(), fontsize=7)
    ax.set_box_aspect((1, 1, 1), zoom=1.2)
    ax.view_init(elev=25, azim=-60)


def draw_ring(ax: Axes, data: xr.Dataset, row: StatesRecord, wave: int) -> None:
    """States projected on the plane of one wave of the lattice, coloured by its phase."""
    if row.rings is None:
        ax.set_axis_off()
        if wave == 1:
            missing(ax, "rings: see the modules")
        return
    points = data["rings"].values[:, wave]
    # The phase of the position, by regression on the waves of the module's lattice.
    waves = np.linalg.inv(np.reshape(data.attrs["vectors_m"], (2, 2))).T
    k = waves[0] + waves[1] if wave == 2 else waves[wave]
    phase = np.mod(data["rings_positions_m"].values @ k, 1.0)
    ax.add_patch(Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.8))
    ax.scatter(points[:, 0], points[:, 1], c=phase, cmap=PHASE_COLOURS, s=2, linewidths=0)
    limit = max(1.4, 1.05 * float(np.quantile(np.abs(points), 0.99)))
    ax.set(xlim=(-limit, limit), xticks=[-1, 0, 1], xlabel="cosine")
    ax.set(ylim=(-limit, limit), yticks=[-1, 0, 1], ylabel="sine")
    ax.set_aspect("equal")
    correlation, error = row.rings.correlation[wave], row.rings.place_error_m[wave]
    ax.set_title(
        f"direction {wave + 1}: phase correlation {number(correlation)}\n"
        f"position error {'-' if error is None else f'{error:.3f} m'}",
        fontsize=7,
    )


def _draw_variance(ax: Axes, row: StatesRecord) -> None:
    ax.bar(np.arange(1, len(row.explained) + 1), np.array(row.explained), color=INK[0])
    ax.set(xlabel="principal component", ylabel="share of variance", xticks=[1, 5, 10])
    ax.set_title(
        f"dimension {number(row.dimension)}, shuffled {number(row.shuffled_dimension)}", fontsize=7
    )


def topology(
    arrays: xr.DataTree, rows: Sequence[StatesRecord], controls: Sequence[KnownShapeRecord]
) -> Figure:
    """Persistence diagrams with the band of the null; longest bars of populations and controls.

    Args:
        arrays: as `gridcode.analysis.deep_analysis` gives them.
        rows: the populations, of which four at most are drawn.
        controls: codes of known shape.
    """
    shown = rows[:MOST_POPULATIONS]
    columns = len(shown) + 1
    figure = Figure(figsize=(3.4 * columns, 3.4))
    for k, row in enumerate(shown):
        draw_diagram(figure.add_subplot(1, columns, k + 1), arrays[row.name].to_dataset(), row)
    lines: dict[str, TopologyRecord] = {population_name(row): row.topology for row in shown}
    lines |= {f"control: {control.name}": control for control in controls}
    _draw_longest(figure.add_subplot(1, columns, columns), lines)
    return figure


def draw_diagram(ax: Axes, data: xr.Dataset, row: StatesRecord) -> None:
    """Persistence diagram of a population; bands hold 95% of the shuffled states."""
    bars, threshold, shape = data["bars"].values, float(data.attrs["threshold"]), row.topology
    ends = np.array([0, threshold])
    for dimension, (name, ink, marker) in enumerate(zip(DIMENSIONS, INK, MARKERS, strict=False)):
        birth, death = bars[bars[:, 0] == dimension, 1:].T
        if dimension:
            upper = ends + (shape.null_95[dimension] or 0.0)
            ax.fill_between(ends, ends, upper, color=ink, alpha=0.10, linewidth=0)
        ax.scatter(
            birth,
            np.where(np.isinf(death), threshold, death),
            s=18,
            color=ink,
            marker=marker,
            alpha=0.85,
            linewidths=0,
            label=f"{name}: {shape.betti[dimension]}",
        )
    ax.plot(ends, ends, color=GREY, linewidth=0.8)
    ax.axhline(threshold, color=GREY, linewidth=0.6, linestyle=":")
    ax.set(xlim=(-0.02, threshold), xlabel="appears at distance (over median)")
    ax.set(ylim=(0, threshold * 1.04), ylabel="vanishes at distance")
    ax.set_title(
        f"{population_name(row)}: {betti_text(shape.betti)}, "
        f"{'torus' if shape.torus else 'torus not shown'}\n"
        f"p of loops {p_text(shape.p_value[1])}, of voids {p_text(shape.p_value[2])}"
    )
    ax.legend(fontsize=6, loc="lower right")


def _draw_longest(ax: Axes, lines: dict[str, TopologyRecord]) -> None:
    labels = []
    for place, (name, found) in enumerate(lines.items()):
        for dimension, shift in ((1, 0.16), (2, -0.16)):
            ink, y = INK[dimension], shift - place
            longest = [v for v in found.longest[dimension] if v is not None]
            marker = MARKERS[dimension]
            ax.scatter(longest, [y] * len(longest), s=14, color=ink, marker=marker, linewidths=0)
            null = found.null_95[dimension]
            if null is not None:
                ax.plot([null, null], [y - 0.14, y + 0.14], color=ink, linewidth=1)
        labels.append(
            f"{name}\n{betti_text(found.betti)} {'torus' if found.torus else 'not shown'}"
        )
    ax.set_yticks([-float(k) for k in range(len(lines))], labels, fontsize=6)
    ax.set(xlabel="lifetime over median distance", xlim=(-0.02, None))
    ax.set_title(
        "four longest loops (circles) and voids (triangles);\n"
        "lines: 95th percentile of shuffled states"
    )
