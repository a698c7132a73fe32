"""Figures of modules: where their cells lie in spacing, orientation and shape, their lattices, their power spectra and their cells' phases."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.spectrum import ModuleSpectrum
from gridcode.report.style import GREY, metres_on_log_axis, module_colour, neighbours, p_text

MOST_SPECTRA = 6
SQUARE_AXIS_RATIO = 1 / np.sqrt(3)


def lattices(data: xr.Dataset, modules: Sequence[Mapping[str, Any]]) -> Figure:
    """Spacing against orientation and axis ratio of every unit with a lattice, and the mean lattice of each module.

    Args:
        data: units with `spacing_m`, `orientation_deg`, `axis_ratio`, `periodic` and `module`.
        modules: rows of the summary.
    """
    figure = Figure(figsize=(12, 3.9))
    by_orientation, by_shape, drawn = (figure.add_subplot(1, 3, k + 1) for k in range(3))
    draw_spacing_orientation(by_orientation, data, modules)
    _draw_spacing(by_shape, data, modules, "axis_ratio", "short over long axis (ratio)")
    by_shape.set(xlim=(0, 1.05), title="spacing and shape")
    by_shape.set_xticks(
        [0, 0.25, SQUARE_AXIS_RATIO, 0.8, 1.0], ["0", "0.25", "0.58\nsquare", "0.8", "1\nhexagon"]
    )
    for value in (SQUARE_AXIS_RATIO, 1.0):
        by_shape.axvline(value, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    _draw_lattices(drawn, modules)
    return figure


def draw_spacing_orientation(
    ax: Axes, data: xr.Dataset, modules: Sequence[Mapping[str, Any]]
) -> None:
    """Spacing against orientation of every active unit with a lattice, in its module's colour; arguments as in `lattices`."""
    if _draw_spacing(ax, data, modules, "orientation_deg", "orientation (deg)"):
        ax.legend(fontsize=6, loc="best", frameon=True, framealpha=0.7, edgecolor="none")
    else:
        ax.text(
            0.5, 0.5, "no unit has a lattice", transform=ax.transAxes, ha="center", color="0.35"
        )
    ax.set(xlim=(-46, 46), title="spacing and orientation")


def _draw_spacing(
    ax: Axes, data: xr.Dataset, modules: Sequence[Mapping[str, Any]], name: str, label: str
) -> int:
    """Spacing against another number of a lattice; how many units have one."""
    known = ~data["silent"].values & np.isfinite(data["spacing_m"].values)
    spacing, across, module = (
        data[variable].values[known] for variable in ("spacing_m", name, "module")
    )
    periodic = data["periodic"].values[known].astype(bool)
    none, single = ~periodic, periodic & (module < 0)
    if none.any():
        ax.scatter(
            across[none],
            spacing[none],
            s=12,
            facecolors="none",
            edgecolors=GREY,
            linewidths=0.6,
            label="no significant lattice",
        )
    if single.any():
        ax.scatter(
            across[single], spacing[single], s=14, color=GREY, linewidths=0, label="in no module"
        )
    for row in modules:
        mine = module == row["module"]
        colour = module_colour(row["module"])
        ax.scatter(
            across[mine],
            spacing[mine],
            s=16,
            color=colour,
            alpha=0.75,
            linewidths=0,
            label=f"module {row['module']} ({row['n_units']})",
        )
    ax.set(xlabel=label, ylabel="spacing (m)")
    ax.set_yscale("log")
    low, high = (float(spacing.min()), float(spacing.max())) if len(spacing) else (0.5, 1.0)
    ax.set_ylim(low / 1.1, high * 1.1)
    metres_on_log_axis(ax.yaxis)
    return len(spacing)


def _draw_lattices(ax: Axes, modules: Sequence[Mapping[str, Any]]) -> None:
    ax.set_title("each module's lattice: a field, its six neighbours, two vectors")
    if not modules:
        ax.text(0.5, 0.5, "no modules", transform=ax.transAxes, ha="center", color="0.35")
        ax.set_axis_off()
        return
    for row in modules:
        colour = module_colour(row["module"])
        vectors = np.array(row["vectors_m"], dtype=np.float64)
        ring = neighbours(vectors)
        ax.plot(*np.concatenate([ring, ring[:1]]).T, color=colour, linewidth=0.8, linestyle=":")
        ax.scatter(ring[:, 0], ring[:, 1], s=30, color=colour, linewidths=0)
        for x, y in vectors:
            ax.annotate(
                "",
                (x, y),
                (0, 0),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": colour,
                    "linewidth": 1.2,
                    "shrinkA": 0,
                    "shrinkB": 3,
                },
            )
        ax.annotate(
            str(row["module"]),
            tuple(vectors[0]),
            (5, 3),
            textcoords="offset points",
            color=colour,
            weight="bold",
        )
    ax.plot(0, 0, "o", color="black", markersize=4)
    ax.set_aspect("equal")
    ax.margins(0.12)
    ax.set(xlabel="x (m)", ylabel="y (m)")


def spectra(
    data: xr.Dataset, modules: Sequence[Mapping[str, Any]], found: Sequence[ModuleSpectrum]
) -> Figure:
    """For each module, above, its mean power spectrum with the peaks; below, where its cells' fields lie in the unit cell.

    Args:
        data: units with `phase` and `module`.
        modules: rows of the summary, the first six of which are drawn.
        found: the spectrum of each of those.
    """
    shown = list(zip(modules[:MOST_SPECTRA], found, strict=True))
    figure = Figure(figsize=(2.7 * max(len(shown), 2), 5.4))
    for k, (row, spectrum) in enumerate(shown):
        above, below = (
            figure.add_subplot(2, len(shown), line * len(shown) + k + 1) for line in (0, 1)
        )
        draw_power(above, row, spectrum)
        mine = data["module"].values == row["module"]
        draw_phases(below, row, data["phase"].values[mine])
        if k == 0:
            above.set_ylabel("waves per metre, y")
            below.set_ylabel("y (m)")
    return figure


def draw_power(ax: Axes, row: Mapping[str, Any], spectrum: ModuleSpectrum) -> None:
    """Mean Fourier power of a module with its waves, per metre."""
    k = spectrum.wave_numbers_per_m
    waves = np.hypot(*spectrum.waves_per_m.T)
    limit = (
        min(2.2 * float(waves.max()), float(k[-1])) if np.isfinite(waves).all() else float(k[-1])
    )
    half = (k[1] - k[0]) / 2
    shown = np.abs(k) <= limit + half
    edge = float(k[shown].max() + half)
    ax.imshow(
        spectrum.power[np.ix_(shown, shown)],
        origin="lower",
        extent=(-edge, edge, -edge, edge),
        cmap="magma",
        interpolation="nearest",
    )
    peaks = spectrum.peaks_per_m[np.isfinite(spectrum.peaks_per_m).all(axis=1)]
    for sign in (1, -1):
        ax.scatter(
            sign * peaks[:, 0],
            sign * peaks[:, 1],
            s=70,
            facecolors="none",
            edgecolors="white",
            linewidths=1.1,
        )
    angles = ", ".join("-" if np.isnan(a) else f"{a:.0f}" for a in spectrum.angles_deg)
    ax.set_title(
        f"module {row['module']}, {row['n_units']} units\nangles between peaks {angles} deg",
        color="black",
    )
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="waves per metre, x")


def draw_phases(ax: Axes, row: Mapping[str, Any], phases: np.ndarray) -> None:
    """Phases of a module's units, (unit, 2) in unit cells, over one unit cell in metres."""
    vectors = np.array(row["vectors_m"], dtype=np.float64)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ vectors
    colour = module_colour(row["module"])
    ax.plot(*corners.T, color=GREY, linewidth=1)
    known = phases[np.isfinite(phases).all(axis=1)]
    place = known @ vectors
    ax.scatter(place[:, 0], place[:, 1], s=16, color=colour, alpha=0.8, linewidths=0)
    p = row["phase_uniformity_p"]
    ax.set_title(f"phases of {len(known)} cells, uniform: p {p_text(np.nan if p is None else p)}")
    ax.set_aspect("equal", anchor="N")
    ax.set(xlabel="x (m)")
