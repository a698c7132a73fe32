"""The figure of an ablation: example maps of every variant, and a dot per network for every number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from gridcode.paper.ablation.score import EXAMPLES
from gridcode.paper.ablation.variants import REFERENCE
from gridcode.report.style import GREY, INK, draw_map, number

# Column, label, lower end of the axis and upper (None: whatever fits), counted in whole numbers.
PANELS: tuple[tuple[str, str, float, float | None, bool], ...] = (
    ("lattice_share", "lattice cells\n(share of active)", 0.0, 1.0, False),
    ("n_modules", "modules", 0.0, 3.0, True),
    ("n_independent", "independent\nmodules", 0.0, 3.0, True),
    ("axis_ratio_median", "axis ratio of lattices\n(1 hexagon, 0.58 square)", 0.4, 1.0, False),
    ("field_size_m", "field size (m)", 0.0, None, False),
)
# Inches.
MAP, GAP, NAMES, STRIP, BETWEEN, TOP, BOTTOM = 0.74, 0.05, 1.3, 1.25, 0.16, 0.32, 0.62
DOT, BAR = 0.26, 0.34
NO_MAPS = {
    "diverged": "diverged in training",
    "failed": "training failed",
    "unbounded": "activity grows without bound",
    "silent": "all units silent",
}


def draw(rows: Sequence[Mapping[str, Any]], examples: Mapping[str, xr.Dataset | None]) -> Figure:
    """A line for each variant, in the order of the table.

    Args:
        rows: the table of runs.
        examples: for each variant `rate`, `minmax` and `type` of the units of its first seed that
            are drawn; None where there are none.
    """
    variants = list(dict.fromkeys(str(row["variant"]) for row in rows))
    left = NAMES + EXAMPLES * MAP + 0.2
    width = left + len(PANELS) * (STRIP + BETWEEN)
    height = TOP + len(variants) * MAP + BOTTOM
    # Placed by hand, so that maps and dots of a variant stand in one line.
    figure = Figure(
        figsize=(width, height),
        layout=PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True),
    )
    first = {
        variant: next(row for row in rows if row["variant"] == variant) for variant in variants
    }
    for line, variant in enumerate(variants):
        bottom = height - TOP - (line + 1) * MAP
        middle = (bottom + MAP / 2) / height
        weight = "bold" if variant == REFERENCE else "normal"
        figure.text(
            (NAMES - 0.1) / width,
            middle,
            variant,
            ha="right",
            va="center",
            fontsize=8,
            weight=weight,
        )
        data = examples.get(variant)
        if data is None:
            text = NO_MAPS.get(str(first[variant]["status"]), "no maps")
            figure.text(
                (NAMES + EXAMPLES * MAP / 2) / width,
                middle,
                text,
                ha="center",
                va="center",
                fontsize=7,
                color="0.45",
                style="italic",
            )
            continue
        for place in range(data.sizes["unit"]):
            unit = data.isel(unit=place)
            side = MAP - GAP - 0.12
            box = (NAMES + place * MAP, bottom + 0.02, side, side)
            ax = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
            draw_map(ax, unit["rate"], scale_bar=line == 0 and place == 0)
            ax.set_title(number(float(unit["minmax"])), fontsize=6, pad=1.5)
    shown = next(
        (
            f", {data.sizes['x'] * _bin_m(data):g} m arena"
            for data in examples.values()
            if data is not None
        ),
        "",
    )
    head = (height - 0.14) / height
    figure.text(
        NAMES / width,
        head,
        f"units of the first seed, evenly spaced by grid score{shown}",
        fontsize=7,
        va="center",
        color="0.3",
    )
    seeds = max(sum(row["variant"] == variant for row in rows) for variant in variants)
    bar = f" ({seeds} seeds), each bar a median" if seeds > 1 else ""
    dots = f"each dot is a network{bar}; dashed: the reference"
    figure.text(left / width, head, dots, fontsize=7, va="center", color="0.3")
    for k, (column, label, low, high, whole) in enumerate(PANELS):
        box = (left + k * (STRIP + BETWEEN), BOTTOM, STRIP, len(variants) * MAP)
        ax = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        _strip(ax, rows, variants, column, (low, high), whole=whole)
        ax.set_xlabel(label, fontsize=7)
    return figure


def _strip(
    ax: Axes,
    rows: Sequence[Mapping[str, Any]],
    variants: Sequence[str],
    column: str,
    limits: tuple[float, float | None],
    *,
    whole: bool,
) -> None:
    everything = []
    for line, variant in enumerate(variants):
        known = [row[column] for row in rows if row["variant"] == variant]
        values = np.array(
            [v for v in known if isinstance(v, int | float) and math.isfinite(v)], dtype=np.float64
        )
        everything += values.tolist()
        if not len(values):
            ax.text(
                0.5,
                line,
                "none",
                transform=ax.get_yaxis_transform(),
                ha="center",
                va="center",
                fontsize=6,
                color="0.6",
                style="italic",
            )
            continue
        ink = GREY if variant == REFERENCE else INK[0]
        # Spread in the order of the seeds, so that equal values are all seen.
        ax.scatter(
            values,
            line + np.linspace(-DOT, DOT, len(values) + 2)[1:-1],
            s=13,
            color=ink,
            alpha=0.85,
            linewidths=0,
            zorder=2,
        )
        if len(values) > 1:
            ax.plot(
                [np.median(values)] * 2,
                [line - BAR, line + BAR],
                color="black",
                linewidth=1.3,
                zorder=1,
            )
        if variant == REFERENCE:
            ax.axvline(
                float(np.median(values)), color=GREY, linewidth=0.8, linestyle="--", zorder=0
            )
    low = min([limits[0], *everything])
    high = max([limits[1] if limits[1] is not None else 0.0, *everything]) or 1.0
    pad = 0.07 * (high - low)
    ax.set(ylim=(len(variants) - 0.5, -0.5), yticks=[], xlim=(low - pad, high + pad))
    ax.xaxis.set_major_locator(
        ticker.MaxNLocator(nbins=4, integer=True) if whole else ticker.MaxNLocator(nbins=3)
    )
    ax.tick_params(axis="x", labelsize=7)
    ax.spines["left"].set_visible(False)
    for line in range(1, len(variants)):
        ax.axhline(line - 0.5, color="0.92", linewidth=0.6, zorder=-1)


def _bin_m(data: xr.Dataset) -> float:
    return round(float(data["x"].values[1] - data["x"].values[0]), 6)
