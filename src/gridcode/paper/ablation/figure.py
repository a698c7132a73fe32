"""The figure of an ablation: example maps of every variant, and a dot per network and number."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.paper.ablation.variants import REFERENCE
from gridcode.paper.tables import counted, known
from gridcode.report.style import GREY, INK, PAGE_WIDTH, draw_map, number

# Statistic, label, lower end of the axis and upper (None: whatever fits), whole numbers.
Panel = tuple[str, str, float, float | None, bool]


@runtime_checkable
class Line(Protocol):
    """A row of a table that the figure shows."""

    @property
    def variant(self) -> str:
        """Which line it belongs to."""

    @property
    def status(self) -> str:
        """`ok`, or why there are no maps."""


PANELS: tuple[Panel, ...] = (
    ("lattice_share", "lattice cells\n(share of active)", 0.0, 1.0, False),
    ("n_modules", "modules", 0.0, 3.0, True),
    ("n_independent", "independent\nmodules", 0.0, 3.0, True),
    ("axis_ratio_median", "axis ratio\n(1 hexagon,\n0.58 square)", 0.4, 1.0, False),
    ("field_size_m", "field size (m)", 0.0, None, False),
)
# Inches.
NAMES, MAP, LINE, NARROWEST, TOP, BOTTOM = 1.3, 0.66, 0.3, 0.9, 0.4, 0.75
# Gap between maps, as a share of their height; the axes of dots end with the outermost maps.
GAP = 0.25
EDGE = 0.5 / (1 + GAP)
# A dot's and a median's reach beside the middle of their line.
DOT, BAR = 0.26, 0.34
NO_MAPS = {
    "diverged": "diverged in training",
    "failed": "training failed",
    "unbounded": "activity grows without bound",
    "silent": "all units silent",
}


def draw(
    rows: Sequence[Line],
    examples: Mapping[str, xr.Dataset | None],
    *,
    panels: Sequence[Panel] = PANELS,
    reference: str = REFERENCE,
    names_width: float = NAMES,
) -> Figure:
    """A line for each variant, in the order of the table.

    Args:
        rows: the table of networks.
        examples: for each variant `rate` and `grid_score` of the units of its first seed that are
            drawn; None where there are none. Empty: no maps are drawn.
        panels: which numbers are drawn.
        reference: the variant that others are compared with.
        names_width: room for the names, inches.
    """
    first = {row.variant: row for row in reversed(rows)}
    variants = list(dict.fromkeys(row.variant for row in rows))
    shown = [data for data in examples.values() if data is not None]
    columns = max((data.sizes["unit"] for data in shown), default=0)
    arenas = sorted({_side_m(data) for data in shown})
    row = MAP if shown else LINE
    gaps = 0.2 * (1 + columns + len(panels))
    # As wide as a page of a journal, but strips must stay readable.
    left_over = PAGE_WIDTH - names_width - columns * MAP - gaps
    strip = max(NARROWEST, left_over / len(panels))
    widths = [names_width, *columns * [MAP], *len(panels) * [strip]]
    width = sum(widths) + gaps
    height = TOP + len(variants) * (1 + GAP) * row + BOTTOM
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("none")
    # Maps and dots of a variant stand in one line.
    grid = figure.add_gridspec(
        len(variants),
        len(widths),
        width_ratios=widths,
        left=0,
        right=0.99,
        bottom=BOTTOM / height,
        top=1 - TOP / height,
        wspace=0.15,
        hspace=GAP,
    )
    names = figure.add_subplot(grid[:, 0])
    names.set(xlim=(0, 1), ylim=(len(variants) - 1 + EDGE, -EDGE))
    names.set_axis_off()
    for line, variant in enumerate(variants):
        weight = "bold" if variant == reference else "normal"
        names.text(0.92, line, variant, ha="right", va="center", fontsize=8, weight=weight)
        data = examples.get(variant)
        if data is None and shown:
            text = NO_MAPS.get(first[variant].status, "no maps")
            grey: dict[str, Any] = {"color": "0.45", "style": "italic"}
            names.text(1.1, line, text, va="center", fontsize=7, **grey)
        units = [] if data is None else [data.isel(unit=k) for k in range(data.sizes["unit"])]
        for k, unit in enumerate(units):
            ax = figure.add_subplot(grid[line, 1 + k])
            draw_map(ax, unit["rate"], scale_bar=k == 0 and (line == 0 or len(arenas) > 1))
            ax.set_title(number(float(unit["grid_score"])), fontsize=6, pad=1.5)
    small: dict[str, Any] = {"fontsize": 7, "va": "center", "color": "0.3"}
    if shown:
        arena = f"{' to '.join(f'{side:g}' for side in sorted({arenas[0], arenas[-1]}))} m arena"
        text = f"units of the first seed, evenly spaced by grid score, {arena}"
        figure.text(grid[0, 1].get_position(figure).x0, 1 - 0.14 / height, text, **small)
    seeds = max(sum(row.variant == variant for row in rows) for variant in variants)
    bar = f" ({counted(seeds, 'seed')}), each bar a median" if seeds > 1 else ""
    text = f"each dot is a network{bar}; dashed: the reference"
    left = grid[0, 1 + columns].get_position(figure).x0
    figure.text(left, 1 - 0.14 / height, text, **small)
    for k, (statistic, label, low, high, whole) in enumerate(panels):
        ax = figure.add_subplot(grid[:, 1 + columns + k])
        values = [
            known([getattr(row, statistic) for row in rows if row.variant == variant])
            for variant in variants
        ]
        _draw_strip(ax, values, variants, low, high, whole=whole, reference=reference)
        ax.set_xlabel(label, fontsize=7)
    return figure


def _side_m(data: xr.Dataset) -> float:
    x = data["x"].values
    return len(x) * round(float(x[1] - x[0]), 6)


def _draw_strip(
    ax: Axes,
    values: Sequence[np.ndarray],
    variants: Sequence[str],
    low: float,
    high: float | None,
    *,
    whole: bool,
    reference: str,
) -> None:
    for line, (variant, found) in enumerate(zip(variants, values, strict=True)):
        if not len(found):
            grey: dict[str, Any] = {"fontsize": 6, "color": "0.6", "style": "italic"}
            middle = ax.get_yaxis_transform()
            ax.text(0.5, line, "none", transform=middle, ha="center", va="center", **grey)
            continue
        ink = GREY if variant == reference else INK[0]
        # Spread in the order of the seeds, so that equal values are all seen.
        y = line + np.linspace(-DOT, DOT, len(found) + 2)[1:-1]
        ax.scatter(found, y, s=13, color=ink, alpha=0.85, linewidths=0, zorder=2)
        centre = float(np.median(found))
        if len(found) > 1:
            ax.plot([centre] * 2, [line - BAR, line + BAR], color="black", linewidth=1.3, zorder=1)
        if variant == reference:
            ax.axvline(centre, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    every = np.concatenate(values)
    bottom = min([low, *every])
    top = max([high or 0.0, *every]) or 1.0
    pad = 0.07 * (top - bottom)
    ax.set(ylim=(len(variants) - 1 + EDGE, -EDGE), yticks=[], xlim=(bottom - pad, top + pad))
    ax.xaxis.set_major_locator(ticker.MaxNLocator(nbins=4 if whole else 3, integer=whole))
    ax.tick_params(axis="x", labelsize=7)
    ax.spines["left"].set_visible(False)
    for line in range(1, len(variants)):
        ax.axhline(line - 0.5, color="0.92", linewidth=0.6, zorder=-1)
