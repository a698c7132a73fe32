"""What all figures share: style, colours, numbers as text, one rate map, one autocorrelogram.

One colour code on every page: a colour is a module, grey is a unit in none.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import patheffects, rc_params_from_file, ticker
from matplotlib.axes import Axes
from scipy.ndimage import convolve

# Of every figure: reports, the paper's figures, PDF; `plt.style.use("gridcode.report.paper")`.
SHEET = Path(__file__).with_name("paper.mplstyle")
STYLE: Any = dict(rc_params_from_file(SHEET, use_default_template=False))
RATE_COLOURS = mpl.colormaps["viridis"].with_extremes(bad="0.75")
CORRELATION_COLOURS = mpl.colormaps["RdBu_r"].with_extremes(bad="0.75")
# Okabe and Ito's palette without its yellow, as in the style sheet.
INK: tuple[str, ...] = tuple(STYLE["axes.prop_cycle"].by_key()["color"])
GREY = "0.6"
# Width of a journal's page, inches.
PAGE_WIDTH = 7.2
# Lengths of scale bars, metres.
BARS_M = (10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


def module_colour(module: int) -> str:
    """Colour of a module by its number, repeating after six; -1, in no module, is grey."""
    return INK[module % len(INK)] if module >= 0 else GREY


def number(value: float | None) -> str:
    """Two decimals, or a dash where the value is missing."""
    return "-" if value is None or not np.isfinite(value) else f"{value:.2f}"


def values(numbers: Any) -> np.ndarray:
    """Numbers of a record, nested or not, as an array: None becomes NaN."""
    return np.array(numbers, dtype=np.float64)


def plain(name: object) -> str:
    """A unit's name as matplotlib can set it: at most 14 characters, printable, no formula."""
    text = "".join(c if c.isprintable() and ord(c) < 0x250 else "?" for c in str(name))
    if len(text) > 14:
        text = text[:13] + "…"
    return text.replace("$", r"\$")


def short_type(kind: object) -> str:
    """A type's name for narrow titles."""
    return str(kind).replace("sheared hexagonal", "sheared hex.")


def extent_m(data: xr.DataArray, x: str, y: str) -> tuple[float, float, float, float]:
    """Left, right, lower and upper edge of an image whose coordinates are the centres of bins."""

    def edges(name: str) -> tuple[float, float]:
        middles = data[name].values.astype(np.float64)
        half = (middles[-1] - middles[0]) / (len(middles) - 1) / 2 if len(middles) > 1 else 0.5
        return float(middles[0] - half), float(middles[-1] + half)

    return (*edges(x), *edges(y))


def fill_isolated_bins(rate: np.ndarray) -> np.ndarray:
    """Maps for display: unvisited bins get the mean of their visited neighbours.

    Only bins that lie alone or in pairs are filled. Larger unvisited areas stay NaN.

    Args:
        rate: (..., y, x), NaN where never visited.
    """
    unvisited = np.isnan(rate)
    if not unvisited.any():
        return rate
    around = np.ones((1,) * (rate.ndim - 2) + (3, 3))

    def add(values: np.ndarray) -> np.ndarray:
        found: np.ndarray = convolve(values.astype(np.float64), around, mode="constant")
        return found

    in_large_areas = unvisited & (add(unvisited) > 2)
    isolated = unvisited & (add(in_large_areas) == 0)
    mean = add(np.where(unvisited, 0.0, rate)) / np.maximum(add(~unvisited), 1)
    return np.where(isolated, mean, rate).astype(rate.dtype)


def draw_map(ax: Axes, rate: xr.DataArray, *, scale_bar: bool = True) -> Axes:
    """Draw one rate map (y, x), y upwards, coloured from 0 to its own peak.

    Isolated unvisited bins are filled, see `fill_isolated_bins`; larger unvisited areas are grey.
    A labelled scale bar spans about a quarter of the width.
    """
    shown = fill_isolated_bins(rate.values.astype(np.float64))
    limits = extent_m(rate, "x", "y")
    ax.imshow(
        shown,
        origin="lower",
        extent=limits,
        cmap=RATE_COLOURS,
        vmin=0,
        vmax=peak_of(shown),
        interpolation="nearest",
    )
    ax.set_axis_off()
    if scale_bar:
        draw_scale_bar(ax, limits)
    return ax


def peak_of(rate: np.ndarray) -> float:
    """The largest rate of a map, as the upper end of its colours: above 0, also of silent maps."""
    return float(np.fmax.reduce(rate, axis=None, initial=1e-12))


def draw_scale_bar(ax: Axes, limits: tuple[float, float, float, float]) -> None:
    """A labelled bar in the lower left corner, white with a black rim; limits in metres."""
    left, right, bottom, top = limits
    length = next((b for b in BARS_M if b <= 0.3 * (right - left)), BARS_M[-1])
    x, y = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    rim = [patheffects.withStroke(linewidth=4, foreground="black")]
    bar: Any = {"color": "white", "linewidth": 2, "solid_capstyle": "butt", "path_effects": rim}
    ax.plot([x, x + length], [y, y], **bar)
    ax.annotate(
        f"{length:g} m",
        (x, y),
        (0, 3),
        textcoords="offset points",
        color="white",
        fontsize=6,
        path_effects=[patheffects.withStroke(linewidth=1.5, foreground="black")],
    )
    ax.set(xlim=(left, right), ylim=(bottom, top))


def draw_correlogram(
    ax: Axes, correlogram: xr.DataArray, vectors_m: np.ndarray, *, scale_bar: bool = False
) -> Axes:
    """Draw one autocorrelogram (lag_y, lag_x), blue to red from -1 to 1, with its lattice."""
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
    """The six neighbours (6, 2) of a lattice point, by angle, of vectors 60 to 90 deg apart."""
    a, b = np.asarray(vectors_m, dtype=np.float64)
    if a @ b < 0:
        b = -b
    points = np.stack([a, b, b - a, -a, -b, a - b])
    return points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))]


def frame(ax: Axes, module: int) -> None:
    """Frame a map in its module's colour, the number in a corner; thin and grey for no module."""
    ax.set_axis_on()
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color=module_colour(module), linewidth=2.2 if module >= 0 else 0.6)
    if module >= 0:
        box = {"boxstyle": "square,pad=0.15", "fc": module_colour(module), "ec": "none"}
        at: Any = {"transform": ax.transAxes, "ha": "right", "va": "top", "bbox": box}
        ax.text(0.98, 0.98, str(module), fontsize=6, color="white", weight="bold", **at)


def missing(ax: Axes, text: str = "could not be measured") -> None:
    """A text in the middle of axes that have nothing to show."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", color="0.35")


def metres_on_log_axis(axis: Any) -> None:
    """Ticks at plain numbers on a logarithmic axis, however narrow its range."""
    axis.set_major_locator(
        ticker.LogLocator(subs=(1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0))
    )
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())
    axis.set_minor_locator(ticker.NullLocator())
