"""Figure of space: how far apart a code keeps places, whether the way there matters, and how long it knows where it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.report.style import GREY, INK

DEAD_RECKONING = "0.25"


def space(
    rows: Sequence[Mapping[str, Any]],
    *,
    sigma_x_m: float | None = None,
    predicted_plateau: float | None = None,
) -> Figure:
    """Neural distance with its spread, the same in every condition, path invariance and decoding error.

    Args:
        rows: as `gridcode.analysis.navigation.out_of_distribution.generalise` gives them; the
            spread is that of the first.
        sigma_x_m: distance beyond which training wanted places apart; drawn where known.
        predicted_plateau: neural distance at which separation and capacity balance; drawn where
            known.
    """
    figure = Figure(figsize=(12, 7))
    axes = [figure.add_subplot(2, 2, k + 1) for k in range(4)]
    labels, colours = [condition(row) for row in rows], _colours(rows)
    draw_neural_distance(axes[0], rows[0], sigma_x_m=sigma_x_m, predicted_plateau=predicted_plateau)
    for row, label, colour in zip(rows, labels, colours, strict=True):
        curve = row["curve"]
        axes[1].plot(
            _values(curve["distance_m"]),
            _values(curve["mean"]),
            color=colour,
            linewidth=1.2,
            label=label,
        )
        lengths = [i["steps"] for i in row["invariance"]]
        axes[2].plot(
            lengths,
            _positive([i["fraction"] for i in row["invariance"]]),
            "o-",
            color=colour,
            markersize=3,
            linewidth=1.2,
        )
    axes[1].set(
        xlabel="distance (m)",
        ylabel="neural distance",
        ylim=(0, None),
        title="neural distance, every condition",
    )
    axes[2].set(title="same place by different paths (squared difference)")
    axes[2].set(
        xlabel="length of the paths (steps)", ylabel="difference over that of unrelated places"
    )
    _logarithmic(axes[2])
    draw_path_error(axes[3], rows)
    figure.legend(
        *axes[1].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(rows),
        fontsize=7,
    )
    return figure


def draw_path_error(ax: Axes, rows: Sequence[Mapping[str, Any]], *, named: bool = False) -> None:
    """Median error of the place read from the state against the steps walked, with matched dead reckoning; rows as in `space`.

    `named` puts the conditions in the legend.
    """
    for row, colour in zip(rows, _colours(rows), strict=True):
        steps, label = [d["steps"] for d in row["decoding"]], condition(row) if named else None
        ax.plot(
            steps,
            _positive([d["tracked_m"][1] for d in row["decoding"]]),
            "o-",
            color=colour,
            markersize=3,
            linewidth=1.2,
            label=label,
        )
        ax.plot(
            steps,
            _positive([d["dead_reckoning_m"][1] for d in row["decoding"]]),
            "--",
            color=colour,
            linewidth=0.8,
            alpha=0.8,
        )
    ax.set(
        xlabel="steps without correction",
        ylabel="median error (m)",
        title="path integration: error of the place read from the state",
    )
    _logarithmic(ax)
    ax.plot(
        [],
        [],
        "--",
        color=DEAD_RECKONING,
        linewidth=0.8,
        label="dead reckoning, matched over steps 1 to 10",
    )
    ax.legend(fontsize=6, loc="upper left")


def condition(row: Mapping[str, Any]) -> str:
    """A walk and an arena in words, such as `smooth, 1.5x`."""
    return f"{row['walk']}, {row['arena_over_training']:g}x"


def draw_neural_distance(
    ax: Axes,
    row: Mapping[str, Any],
    *,
    sigma_x_m: float | None = None,
    predicted_plateau: float | None = None,
) -> None:
    """Neural against physical distance in one condition, with its spread; arguments as in `space`."""
    curve, label = row["curve"], condition(row)
    distance, mean, sd = (_values(curve[name]) for name in ("distance_m", "mean", "sd"))
    quartiles = [_values(q) for q in curve["quartiles"]]
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
    ax.plot(distance, quartiles[1], color=INK[0], linewidth=0.9, linestyle=":", label="median")
    if row["plateau"] is not None:
        ax.axhline(
            row["plateau"],
            color=INK[0],
            linewidth=0.8,
            linestyle="-.",
            label=f"plateau {row['plateau']:.2f}",
        )
    if predicted_plateau is not None:
        ax.axhline(
            predicted_plateau,
            color=INK[1],
            linewidth=0.9,
            linestyle="--",
            label=f"predicted plateau {predicted_plateau:.2f}",
        )
    if row["decorrelation_m"] is not None:
        ax.axvline(
            row["decorrelation_m"],
            color=INK[2],
            linewidth=0.9,
            label=f"decorrelation {row['decorrelation_m']:.2f} m",
        )
    if sigma_x_m is not None:
        ax.axvline(sigma_x_m, color=INK[3], linewidth=0.9, label=f"sigma_x {sigma_x_m:.2f} m")
    ax.set(
        xlabel="distance (m)",
        ylabel="neural distance",
        ylim=(0, None),
        xlim=(0, None),
        title=f"neural against physical distance ({label})",
    )
    ax.legend(fontsize=6, loc="lower right")


def _colours(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Arenas of the first walk from dark to light; another colour for each further walk."""
    first = rows[0]["walk"]
    arenas = sum(row["walk"] == first for row in rows)
    shades = iter(mpl.colormaps["Blues"](np.linspace(1.0, 0.4, max(arenas, 1))))
    inks = iter([*INK[1:], GREY] * len(rows))
    return [next(shades) if row["walk"] == first else next(inks) for row in rows]


def _values(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _positive(values: Sequence[float | None]) -> np.ndarray:
    """Values for a logarithmic axis: what is missing or 0 is left out."""
    found = _values(values)
    return np.where(found > 0, found, np.nan)


def _logarithmic(ax: Axes) -> None:
    """Logarithmic axes where there is anything to show on them: matplotlib warns of empty ones."""
    drawn = [line.get_ydata() for line in ax.get_lines()]
    if any(np.isfinite(np.asarray(y, dtype=np.float64)).any() for y in drawn):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(color="0.92", linewidth=0.6)
    else:
        ax.text(
            0.5, 0.5, "could not be measured", transform=ax.transAxes, ha="center", color="0.35"
        )
