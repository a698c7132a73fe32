"""Figures of modules: spacings, orientations, shapes, lattices, power spectra and phases."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.spectrum import ModuleSpectrum
from gridcode.analysis.records import ModuleRecord
from gridcode.analysis.text import p_text
from gridcode.report.style import (
    GREY,
    metres_on_log_axis,
    missing,
    module_colour,
    neighbours,
    values,
)

MOST_SPECTRA = 6
SQUARE_AXIS_RATIO = 1 / np.sqrt(3)


def lattices(data: xr.Dataset, modules: Sequence[ModuleRecord]) -> Figure:
    """Spacings, orientations and shapes of every unit with a lattice, and each module's lattice.

    Args:
        data: units with `spacing_m`, `orientation_deg`, `axis_ratio`, `periodic` and `module`.
        modules: the modules.
    """
    figure = Figure(figsize=(13, 3.6))
    counts, by_orientation, by_shape, drawn = (figure.add_subplot(1, 4, k + 1) for k in range(4))
    _draw_spacing_histogram(counts, data, modules)
    draw_spacing_orientation(by_orientation, data, modules)
    _draw_spacing(by_shape, data, modules, "axis_ratio", "short over long axis (ratio)")
    by_shape.set(xlim=(0, 1.05), title="spacing and shape")
    ticks = {0: "0", 0.25: "0.25", SQUARE_AXIS_RATIO: "0.58\nsquare", 1.0: "1\nhexagon"}
    by_shape.set_xticks(list(ticks), list(ticks.values()))
    for value in (SQUARE_AXIS_RATIO, 1.0):
        by_shape.axvline(value, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    _draw_lattices(drawn, modules)
    return figure


def _with_lattice(data: xr.Dataset) -> xr.Dataset:
    return data.isel(unit=~data["silent"].values & np.isfinite(data["spacing_m"].values))


def _groups(
    data: xr.Dataset, modules: Sequence[ModuleRecord]
) -> list[tuple[np.ndarray, str, str, bool]]:
    """Of units with a lattice: a mask, a colour, a label, and whether it is significant."""
    module, periodic = data["module"].values, data["periodic"].values.astype(bool)
    groups = [
        (~periodic, GREY, "no significant lattice", False),
        (periodic & (module < 0), GREY, "in no module", True),
    ]
    for row in modules:
        label = f"module {row.module} ({row.n_units})"
        groups.append((module == row.module, module_colour(row.module), label, True))
    return [group for group in groups if group[0].any()]


def _draw_spacing_histogram(ax: Axes, data: xr.Dataset, modules: Sequence[ModuleRecord]) -> None:
    ax.set_title("spacings")
    data = _with_lattice(data)
    spacing = data["spacing_m"].values
    groups = [group for group in _groups(data, modules) if group[3]]
    if not groups:
        missing(ax, "no unit has a significant lattice")
        return
    known = np.concatenate([spacing[mask] for mask, *_ in groups])
    low, high = float(known.min()), float(known.max())
    pad = max(0.02 * high, 0.05 * (high - low))
    ax.hist(
        [spacing[mask] for mask, *_ in groups],
        bins=np.linspace(low - pad, high + pad, 41).tolist(),
        color=[colour for _, colour, *_ in groups],
        label=[label for *_, label, _ in groups],
        stacked=True,
    )
    ax.set(xlabel="spacing (m)", ylabel="units")
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))


def draw_spacing_orientation(ax: Axes, data: xr.Dataset, modules: Sequence[ModuleRecord]) -> None:
    """Spacing against orientation of every active unit with a lattice, see `lattices`."""
    if _draw_spacing(ax, data, modules, "orientation_deg", "orientation (deg)"):
        ax.legend(fontsize=6, loc="best", frameon=True, framealpha=0.7, edgecolor="none")
    else:
        missing(ax, "no unit has a lattice")
    ax.set(xlim=(-46, 46), title="spacing and orientation")


def _draw_spacing(
    ax: Axes, data: xr.Dataset, modules: Sequence[ModuleRecord], name: str, label: str
) -> int:
    """Draw spacing against another number of a lattice; return how many units have one."""
    data = _with_lattice(data)
    spacing, across = data["spacing_m"].values, data[name].values
    for mask, colour, group, significant in _groups(data, modules):
        face = colour if significant else "none"
        ax.scatter(
            across[mask],
            spacing[mask],
            s=15,
            alpha=0.75,
            facecolors=face,
            edgecolors=colour,
            linewidths=0 if significant else 0.6,
            label=group,
        )
    ax.set(xlabel=label, ylabel="spacing (m)")
    ax.set_yscale("log")
    if len(spacing):
        ax.set_ylim(float(spacing.min()) / 1.1, float(spacing.max()) * 1.1)
    metres_on_log_axis(ax.yaxis)
    return len(spacing)


def _draw_lattices(ax: Axes, modules: Sequence[ModuleRecord]) -> None:
    ax.set_title("lattices: a field and its six neighbours")
    if not modules:
        missing(ax, "no modules")
        ax.set_axis_off()
        return
    for row in modules:
        colour, vectors = module_colour(row.module), values(row.vectors_m)
        ring = neighbours(vectors)
        ax.plot(*np.concatenate([ring, ring[:1]]).T, color=colour, linewidth=0.8, linestyle=":")
        ax.scatter(ring[:, 0], ring[:, 1], s=30, color=colour, linewidths=0)
        for x, y in vectors:
            arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 3}
            ax.annotate("", (x, y), (0, 0), arrowprops=arrow)
        ax.annotate(
            str(row.module),
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
    data: xr.Dataset, modules: Sequence[ModuleRecord], found: Sequence[ModuleSpectrum]
) -> Figure:
    """For each module its mean power spectrum with the peaks, and the phases of its units.

    Args:
        data: units with `phase` and `module`.
        modules: the modules, the first six of which are drawn.
        found: the spectrum of each of those.
    """
    columns = len(found)
    figure = Figure(figsize=(2.7 * max(columns, 2), 5.4))
    for k, (row, spectrum) in enumerate(zip(modules[:MOST_SPECTRA], found, strict=True)):
        above = figure.add_subplot(2, columns, k + 1)
        below = figure.add_subplot(2, columns, columns + k + 1)
        draw_power(above, row, spectrum)
        draw_phases(below, row, data["phase"].values[data["module"].values == row.module])
        if k:
            above.set_ylabel("")
            below.set_ylabel("")
    return figure


def draw_power(ax: Axes, row: ModuleRecord, spectrum: ModuleSpectrum) -> None:
    """Mean Fourier power of a module with its waves, per metre."""
    k = spectrum.wave_numbers_per_m
    waves = np.hypot(*spectrum.waves_per_m.T)
    limit = float(k[-1])
    if np.isfinite(waves).all():
        limit = min(2.2 * float(waves.max()), limit)
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
    x, y = spectrum.peaks_per_m[np.isfinite(spectrum.peaks_per_m).all(axis=1)].T
    for sign in (1, -1):
        ax.scatter(sign * x, sign * y, s=70, facecolors="none", edgecolors="white", linewidths=1.1)
    angles = ", ".join("-" if np.isnan(a) else f"{a:.0f}" for a in spectrum.angles_deg)
    ax.set_title(f"module {row.module}, {row.n_units} units\nangles between peaks {angles} deg")
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    ax.set(xlabel="waves per metre, x", ylabel="waves per metre, y")


def draw_phases(ax: Axes, row: ModuleRecord, phases: np.ndarray) -> None:
    """Phases of a module's units, (unit, 2) in unit cells, over one unit cell in metres."""
    vectors = values(row.vectors_m)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ vectors
    ax.plot(*corners.T, color=GREY, linewidth=1)
    known = phases[np.isfinite(phases).all(axis=1)]
    x, y = (known @ vectors).T
    ax.scatter(x, y, s=16, color=module_colour(row.module), alpha=0.8, linewidths=0)
    ax.set_title(f"phases of {len(known)} cells, uniform: p {p_text(row.phase_uniformity_p)}")
    ax.set_aspect("equal", anchor="N")
    ax.set(xlabel="x (m)", ylabel="y (m)")
