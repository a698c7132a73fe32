"""What all figures have in common: type, colours, numbers in words, one rate map, one autocorrelogram.

One colour code on every page: a colour is a module, grey is a unit in none.
"""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import patheffects, ticker
from matplotlib.axes import Axes

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
# Okabe and Ito's palette without its yellow, which is faint on white: told apart by colour-blind
# readers.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "0.6"
LONGEST_NAME = 14
# Lengths of scale bars, metres.
BARS_M = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
SHORT_TYPES = {"sheared hexagonal": "sheared hex.", "other spatial": "other spatial"}


def module_colour(module: int) -> str:
    """Colour of a module by its number; -1, in none, is grey. Colours repeat after six, so modules are numbered in every figure, too."""
    return INK[module % len(INK)] if module >= 0 else GREY


def number(value: float) -> str:
    """Two decimals, or a dash for what is not known."""
    return f"{value:.2f}" if np.isfinite(value) else "-"


def p_text(value: float) -> str:
    """A p-value in one or two digits, or a dash."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.1g}"


def plain(name: object, *, longest: int = LONGEST_NAME) -> str:
    """A unit's name as matplotlib can set it: short, printable, and never read as a formula."""
    text = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in str(name))
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return text.replace("$", r"\$")


def short_type(kind: object) -> str:
    """A type's name for narrow titles."""
    return SHORT_TYPES.get(str(kind), str(kind))


def extent_m(data: xr.DataArray, x: str, y: str) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of an image with these coordinates, half a bin beyond the outermost middles."""

    def edges(name: str) -> tuple[float, float]:
        middles = data[name].values.astype(np.float64)
        half = (middles[-1] - middles[0]) / (len(middles) - 1) / 2 if len(middles) > 1 else 0.5
        return float(middles[0] - half), float(middles[-1] + half)

    return (*edges(x), *edges(y))


def draw_map(ax: Axes, rate: xr.DataArray, *, scale_bar: bool = True) -> Axes:
    """One rate map (y, x) of any shape, coloured from 0 to its own peak, with a labelled scale bar of about a quarter of its width."""
    values = rate.values.astype(np.float64)
    peak = np.nanmax(values) if np.isfinite(values).any() else 0.0
    left, right, bottom, top = extent_m(rate, "x", "y")
    ax.imshow(
        values,
        origin="lower",
        extent=(left, right, bottom, top),
        cmap=RATE_COLOURS,
        vmin=0,
        vmax=max(peak, 1e-12),
        interpolation="nearest",
    )
    ax.set_axis_off()
    if scale_bar:
        draw_scale_bar(ax, (left, right, bottom, top))
    return ax


def draw_scale_bar(ax: Axes, limits: tuple[float, float, float, float]) -> None:
    """A labelled bar of about a quarter of the picture's width, white with a black rim, in the lower left corner; limits in metres."""
    left, right, bottom, top = limits
    length = next((b for b in BARS_M if b <= 0.3 * (right - left)), BARS_M[-1])
    x, y = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    outline = [patheffects.withStroke(linewidth=4, foreground="black")]
    ax.plot(
        [x, x + length],
        [y, y],
        color="white",
        linewidth=2,
        solid_capstyle="butt",
        path_effects=outline,
    )
    outline = [patheffects.withStroke(linewidth=1.5, foreground="black")]
    ax.annotate(
        f"{length:g} m",
        (x, y),
        (0, 3),
        textcoords="offset points",
        color="white",
        fontsize=6,
        ha="left",
        va="bottom",
        path_effects=outline,
    )
    ax.set(xlim=(left, right), ylim=(bottom, top))


def draw_correlogram(
    ax: Axes, correlogram: xr.DataArray, vectors_m: np.ndarray, *, scale_bar: bool = False
) -> Axes:
    """One autocorrelogram (lag_y, lag_x), blue to red from -1 to 1, with the fitted lattice vectors where there are any."""
    limits = extent_m(correlogram, "lag_x", "lag_y")
    ax.imshow(
        correlogram,
        origin="lower",
        extent=limits,
        cmap=CORRELATION_COLOURS,
        vmin=-1,
        vmax=1,
        interpolation="nearest",
    )
    if np.isfinite(vectors_m).all():
        for x, y in neighbours(vectors_m):
            ax.plot([0, x], [0, y], color="black", linewidth=0.8)
            ax.plot(x, y, "o", color="black", markersize=2.5)
    ax.set(xlim=limits[:2], ylim=limits[2:])
    if scale_bar:
        draw_scale_bar(ax, limits)
    ax.set_axis_off()
    return ax


def neighbours(vectors_m: np.ndarray) -> np.ndarray:
    """The six neighbours (6, 2) of a lattice point, in order of angle, for lattice vectors 60 to 90 degrees apart."""
    a, b = np.asarray(vectors_m, dtype=np.float64)
    if a @ b < 0:
        b = -b
    points = np.stack([a, b, b - a, -a, -b, a - b])
    return points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))]


def frame(ax: Axes, module: int) -> None:
    """A frame in the module's colour around a map, and its number in the corner; a thin grey one for units in no module."""
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=module_colour(module), linewidth=2.2 if module >= 0 else 0.6)
    if module >= 0:
        box = {
            "boxstyle": "square,pad=0.15",
            "facecolor": module_colour(module),
            "edgecolor": "none",
        }
        ax.text(
            0.98,
            0.98,
            str(module),
            transform=ax.transAxes,
            ha="right",
            va="top",
            fontsize=6,
            color="white",
            weight="bold",
            bbox=box,
        )


def metres_on_log_axis(axis: Any) -> None:
    """Ticks at plain numbers on a logarithmic axis, however narrow its range."""
    write: Callable[..., str] = lambda value, _: f"{value:g}"  # noqa: E731 (a formatter is a function of two arguments)
    axis.set_major_locator(
        ticker.LogLocator(subs=(1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0))
    )
    axis.set_major_formatter(ticker.FuncFormatter(write))
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_minor_locator(ticker.NullLocator())
