"""Figures of neural distance, path invariance and path integration."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.records.navigation import SpaceRecord
from gridcode.report.style import GREY, INK, missing, values


def space(
    rows: Sequence[SpaceRecord],
    *,
    sigma_x_m: float | None = None,
    predicted_plateau: float | None = None,
) -> Figure:
    """Neural distance with its spread and in every condition, path invariance, decoding error.

    Args:
        rows: the conditions; the spread is that of the first.
        sigma_x_m: distance beyond which training separated places; drawn where known.
        predicted_plateau: neural distance at which separation and capacity balance; drawn where
            known.
    """
    figure = Figure(figsize=(12, 7))
    spread, curves, invariance, errors = (figure.add_subplot(2, 2, k + 1) for k in range(4))
    draw_neural_distance(spread, rows[0], sigma_x_m=sigma_x_m, predicted_plateau=predicted_plateau)
    for row, colour in zip(rows, _colours(rows), strict=True):
        distance, mean = values(row.curve.distance_m), values(row.curve.mean)
        curves.plot(distance, mean, color=colour, linewidth=1.2, label=condition(row))
        fraction = [i.fraction for i in row.invariance]
        _draw_line(invariance, [i.steps for i in row.invariance], fraction, colour)
    curves.set(
        xlabel="distance (m)",
        ylabel="neural distance",
        ylim=(0, None),
        title="neural distance, every condition",
    )
    invariance.set(
        xlabel="length of the paths (steps)",
        ylabel="difference over that of unrelated places",
        title="same place by different paths (squared difference)",
    )
    _logarithmic(invariance)
    draw_path_error(errors, rows)
    figure.legend(
        *curves.get_legend_handles_labels(), loc="outside lower center", ncols=len(rows), fontsize=7
    )
    return figure


def draw_path_error(ax: Axes, rows: Sequence[SpaceRecord], *, named: bool = False) -> None:
    """Median error of the decoded position against the steps walked, with dead reckoning.

    Args:
        ax: where to draw.
        rows: the conditions.
        named: put the conditions in the legend.
    """
    for row, colour in zip(rows, _colours(rows), strict=True):
        steps = [d.steps for d in row.decoding]
        label = condition(row) if named else None
        _draw_line(ax, steps, [d.tracked_m[1] for d in row.decoding], colour, label=label)
        reckoned = _positive([d.dead_reckoning_m[1] for d in row.decoding])
        ax.plot(steps, reckoned, "--", color=colour, linewidth=0.8, alpha=0.8)
    ax.set(
        xlabel="steps without correction",
        ylabel="median error (m)",
        title="path integration: error of the decoded position",
    )
    _logarithmic(ax)
    label = "dead reckoning, matched over steps 1 to 10"
    ax.plot([], [], "--", color="0.25", linewidth=0.8, label=label)
    ax.legend(fontsize=6, loc="upper left")


def condition(row: SpaceRecord) -> str:
    """A walk and an arena in words, such as `smooth, 1.5x`."""
    return f"{row.walk}, {row.arena_over_training:g}x"


def draw_neural_distance(
    ax: Axes,
    row: SpaceRecord,
    *,
    sigma_x_m: float | None = None,
    predicted_plateau: float | None = None,
) -> None:
    """Neural against physical distance in one condition; arguments as in `space`."""
    curve = row.curve
    distance, mean, sd = values(curve.distance_m), values(curve.mean), values(curve.sd)
    ax.fill_between(
        distance,
        mean - sd,
        mean + sd,
        color=INK[0],
        alpha=0.18,
        linewidth=0,
        label="mean and standard deviation",
    )
    ax.plot(distance, mean, color=INK[0], linewidth=1.5)
    median = values(curve.quartiles[1])
    ax.plot(distance, median, color=INK[0], linewidth=0.9, linestyle=":", label="median")
    for level, name, ink, dashes in (
        (row.plateau, "plateau", INK[0], "-."),
        (predicted_plateau, "predicted plateau", INK[1], "--"),
    ):
        if level is not None:
            label = f"{name} {level:.2f}"
            ax.axhline(level, color=ink, linewidth=0.9, linestyle=dashes, label=label)
    for length, name, ink in (
        (row.decorrelation_m, "decorrelation", INK[2]),
        (sigma_x_m, "sigma_x", INK[3]),
    ):
        if length is not None:
            ax.axvline(length, color=ink, linewidth=0.9, label=f"{name} {length:.2f} m")
    ax.set(
        xlabel="distance (m)",
        ylabel="neural distance",
        ylim=(0, None),
        xlim=(0, None),
        title=f"neural against physical distance ({condition(row)})",
    )
    ax.legend(fontsize=6, loc="lower right")


def _colours(rows: Sequence[SpaceRecord]) -> list[Any]:
    """Arenas of the first walk from dark to light; another colour for each further walk."""
    first = rows[0].walk
    arenas = sum(row.walk == first for row in rows)
    shades = iter(mpl.colormaps["Blues"](np.linspace(1.0, 0.4, arenas)))
    inks = iter([*INK[1:], GREY] * len(rows))
    return [next(shades) if row.walk == first else next(inks) for row in rows]


def _draw_line(
    ax: Axes,
    steps: Sequence[int],
    found: Sequence[float | None],
    colour: Any,
    *,
    label: str | None = None,
) -> None:
    style: Any = {"color": colour, "markersize": 3, "linewidth": 1.2}
    ax.plot(steps, _positive(found), "o-", label=label, **style)


def _positive(found: Sequence[float | None]) -> np.ndarray:
    """Values for a logarithmic axis, NaN for 0."""
    return np.where(values(found) > 0, values(found), np.nan)


def _logarithmic(ax: Axes) -> None:
    """Logarithmic axes where anything is drawn: matplotlib warns of empty ones."""
    lines = [values(line.get_ydata()) for line in ax.get_lines()]
    if any(np.isfinite(line).any() for line in lines):
        ax.set(xscale="log", yscale="log")
        ax.grid(color="0.92", linewidth=0.6)
    else:
        missing(ax)
