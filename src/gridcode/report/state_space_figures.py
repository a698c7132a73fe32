"""Figures of state space: states in three dimensions, rings, persistence diagrams with their null."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.report.style import GREY, INK, p_text

# A colour circle for phases: 0 and 1 are the same.
PHASE_COLOURS = mpl.colormaps["twilight"]
MOST_POPULATIONS = 4
DIMENSIONS = ("pieces", "loops", "voids")
MARKERS = ("s", "o", "^")
METHODS = {"isomap": "Isomap", "spectral": "spectral embedding"}


def population_name(row: Mapping[str, Any]) -> str:
    """A population in words."""
    return (
        f"all {row['n_units']} units"
        if row["module"] is None
        else f"module {row['module']} ({row['n_units']} units)"
    )


def betti_text(betti: Sequence[int]) -> str:
    """Betti numbers as a tuple."""
    return f"({', '.join(str(b) for b in betti)})"


def state_space(arrays: xr.DataTree, rows: Sequence[Mapping[str, Any]]) -> Figure:
    """For every population a line: Isomap coloured by both phases (or by x and y), rings along the lattice's three directions, variance.

    Args:
        arrays: as `gridcode.analysis.deep_analysis` gives them.
        rows: `populations` of the summary's state space, of which four at most are drawn.
    """
    shown = rows[:MOST_POPULATIONS]
    figure = Figure(figsize=(13, 2.6 * len(shown)))
    for line, row in enumerate(shown):
        data = arrays[row["name"]].to_dataset()
        for k in range(2):
            ax = figure.add_subplot(len(shown), 6, 6 * line + k + 1, projection="3d")
            draw_embedding(ax, data, k, population_name(row) if k == 0 else "")
        for k in range(3):
            draw_ring(figure.add_subplot(len(shown), 6, 6 * line + k + 3), data, row, k)
        _draw_variance(figure.add_subplot(len(shown), 6, 6 * line + 6), row)
    return figure


def colours_of(data: xr.Dataset, positions_m: np.ndarray) -> dict[str, tuple[np.ndarray, str]]:
    """Numbers to colour states by, and their colour map: phases in the unit cell where there is a lattice, places elsewhere."""
    found = {"x (m)": (positions_m[:, 0], "viridis"), "y (m)": (positions_m[:, 1], "viridis")}
    if "vectors_m" not in data.attrs:
        return found
    phase = np.mod(positions_m @ np.linalg.inv(np.reshape(data.attrs["vectors_m"], (2, 2))), 1.0)
    return {
        "first phase": (phase[:, 0], "twilight"),
        "second phase": (phase[:, 1], "twilight"),
    } | found


def draw_embedding(ax: Any, data: xr.Dataset, which: int, title: str) -> None:
    """Isomap of a population's states on axes of three dimensions, coloured by its first or second phase (or by x or y); axes have no unit."""
    points = data["isomap"].values
    label, (value, colours) = list(colours_of(data, data["isomap_positions_m"].values).items())[
        which
    ]
    ax.scatter(*points.T, c=value, cmap=colours, s=2, linewidths=0)
    ax.set(xticks=[], yticks=[], zticks=[])
    ax.set_title(f"{title}\ncoloured by {label}".strip(), fontsize=7)
    ax.set_box_aspect((1, 1, 1), zoom=1.2)
    ax.view_init(elev=25, azim=-60)


def draw_ring(ax: Axes, data: xr.Dataset, row: Mapping[str, Any], wave: int) -> None:
    """States projected on the plane of one wave of the lattice, coloured by its phase."""
    if row["rings"] is None:
        ax.set_axis_off()
        if wave == 1:
            ax.text(
                0.5,
                0.5,
                "rings: see the modules",
                transform=ax.transAxes,
                ha="center",
                color="0.35",
                fontsize=7,
            )
        return
    points = data["rings"].values[:, wave]
    ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.8))
    # The angle that the place asks for, by regression on the waves of the module's lattice.
    vectors = np.reshape(data.attrs["vectors_m"], (2, 2))
    waves = np.linalg.inv(vectors).T
    k = waves[0] + waves[1] if wave == 2 else waves[wave]
    phase = np.mod(data["rings_positions_m"].values @ k, 1.0)
    ax.scatter(points[:, 0], points[:, 1], c=phase, cmap=PHASE_COLOURS, s=2, linewidths=0)
    limit = max(1.4, 1.05 * float(np.quantile(np.abs(points), 0.99)))
    ax.set(
        xlim=(-limit, limit),
        ylim=(-limit, limit),
        xticks=[-1, 0, 1],
        yticks=[-1, 0, 1],
        xlabel="cosine",
        ylabel="sine",
    )
    ax.set_aspect("equal")
    ax.set_title(
        f"direction {wave + 1}: phase correlation {row['rings']['correlation'][wave]:.2f}\nplace error {row['rings']['place_error_m'][wave]:.3f} m",
        fontsize=7,
    )


def _draw_variance(ax: Axes, row: Mapping[str, Any]) -> None:
    share = row["explained"]
    ax.bar(np.arange(1, len(share) + 1), share, color=INK[0])
    ax.set(xlabel="principal component", ylabel="share of variance", xticks=[1, 5, 10])
    ax.set_title(
        f"dimension {row['dimension']:.1f}, shuffled {row['shuffled_dimension']:.1f}", fontsize=7
    )


def topology(
    arrays: xr.DataTree, rows: Sequence[Mapping[str, Any]], controls: Sequence[Mapping[str, Any]]
) -> Figure:
    """Persistence diagrams of every population with the band of the null, and the longest bars of populations and controls.

    Args:
        arrays: as `gridcode.analysis.deep_analysis` gives them.
        rows: `populations` of the summary's state space, of which four at most are drawn.
        controls: its `controls`.
    """
    shown = rows[:MOST_POPULATIONS]
    columns = len(shown) + 1
    figure = Figure(figsize=(3.4 * columns, 3.4))
    for k, row in enumerate(shown):
        draw_diagram(figure.add_subplot(1, columns, k + 1), arrays[row["name"]].to_dataset(), row)
    _draw_longest(figure.add_subplot(1, columns, columns), rows, controls)
    return figure


def draw_diagram(ax: Axes, data: xr.Dataset, row: Mapping[str, Any]) -> None:
    """Persistence diagram of a population beside what shuffles reach."""
    bars, threshold = data["bars"].values, float(data.attrs["threshold"])
    null = row["topology"]["null_95"]
    for dimension in (0, 1, 2):
        birth, death = bars[bars[:, 0] == dimension, 1:].T
        alive = np.isinf(death)
        ax.fill_between(
            [0, threshold],
            [0, threshold],
            np.array([0, threshold]) + null[dimension],
            color=INK[dimension],
            alpha=0.10,
            linewidth=0,
        ) if dimension else None
        label = f"{DIMENSIONS[dimension]}: {row['topology']['betti'][dimension]}"
        ax.scatter(
            birth,
            np.where(alive, threshold, death),
            s=18,
            color=INK[dimension],
            marker=MARKERS[dimension],
            alpha=0.85,
            linewidths=0,
            label=label,
        )
    ax.plot([0, threshold], [0, threshold], color=GREY, linewidth=0.8)
    ax.axhline(threshold, color=GREY, linewidth=0.6, linestyle=":")
    verdict = "torus" if row["topology"]["torus"] else "torus not shown"
    ax.set(
        xlim=(-0.02, threshold),
        ylim=(0, threshold * 1.04),
        xlabel="appears at distance (over median)",
        ylabel="vanishes at distance",
    )
    ax.set_title(
        f"{population_name(row)}: {betti_text(row['topology']['betti'])}, {verdict}\n"
        f"p of loops {p_text(row['topology']['p_value'][1])}, of voids {p_text(row['topology']['p_value'][2])}"
    )
    ax.legend(fontsize=6, loc="lower right")


def _draw_longest(
    ax: Axes, rows: Sequence[Mapping[str, Any]], controls: Sequence[Mapping[str, Any]]
) -> None:
    lines = [(population_name(row), row["topology"]) for row in rows[:MOST_POPULATIONS]] + [
        (f"control: {c['name']}", c) for c in controls
    ]
    for place, (_, found) in enumerate(lines):
        for dimension, shift in ((1, 0.16), (2, -0.16)):
            longest = [v for v in found["longest"][dimension] if v is not None]
            ax.scatter(
                longest,
                np.full(len(longest), -place + shift),
                s=14,
                color=INK[dimension],
                marker=MARKERS[dimension],
                linewidths=0,
            )
            ax.plot(
                [found["null_95"][dimension]] * 2,
                [-place + shift - 0.14, -place + shift + 0.14],
                color=INK[dimension],
                linewidth=1,
            )
    labels = [
        f"{name}\n{betti_text(found['betti'])} {'torus' if found['torus'] else 'not shown'}"
        for name, found in lines
    ]
    ax.set_yticks([-float(k) for k in range(len(lines))], labels, fontsize=6)
    ax.set(
        xlabel="lifetime over median distance",
        xlim=(-0.02, None),
        title="four longest loops (circles) and voids (triangles)\nand what 95% of shuffled states stay below (lines)",
    )
