"""Figures of dynamics, trained weights and coding properties."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from gridcode.analysis.records import ModuleRecord
from gridcode.analysis.records.coding import CodeRecord, PropertyRecord
from gridcode.analysis.records.dynamics import (
    BlocksRecord,
    DynamicsRecord,
    GeneratorsRecord,
    LyapunovRecord,
    MechanismRecord,
    PerturbationRecord,
    ProfileRecord,
    ReturnMapRecord,
)
from gridcode.analysis.records.navigation import RobustnessErrorRecord, RobustnessRecord
from gridcode.analysis.text import p_text, percent, small
from gridcode.report.style import GREY, INK, missing, module_colour, values

PROPERTIES = {
    "capacity": "capacity (bits)",
    "separation": "separation",
    "decorrelation": "decorrelation",
    "equal_norm": "equal norm",
    "update": "ease of update",
    "algebraic": "algebraic",
    "whitened": "whitened",
    "correction": "catastrophic errors",
}
SHORT_CODES = {"one ideal module": "ideal, 1 module", "three ideal modules": "ideal, 3 modules"}
UNIT_CELL = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def dynamics(
    found: DynamicsRecord,
    robustness: Sequence[RobustnessRecord] | None,
    *,
    vectors_m: np.ndarray | None,
) -> Figure:
    """Perturbations, Lyapunov exponents, fixed points, and path integration under disturbances.

    Args:
        found: the dynamics.
        robustness: errors under disturbances, None where they were not measured.
        vectors_m: lattice vectors (x, y) as rows by which the whole state repeats, None where it
            does not.
    """
    figure = Figure(figsize=(13, 6.2))
    axes = [figure.add_subplot(2, 3, k + 1) for k in range(6)]
    _draw_decay(axes[0], found.perturbation)
    _draw_lyapunov(axes[1], found.lyapunov)
    _draw_fixed_points(axes[2], found.return_map, vectors_m)
    labels = {
        "state noise": "noise over length of the state",
        "lesion": "share of active units silenced",
        "velocity noise": "velocity noise (m per coordinate and step)",
    }
    for ax, (kind, label) in zip(axes[3:], labels.items(), strict=True):
        ax.set(title=kind, xlabel=label)
        _draw_errors(ax, [row for row in robustness or () if row.kind == kind and row.errors])
    return figure


def _draw_decay(ax: Axes, found: PerturbationRecord | None) -> None:
    ax.set_title("perturbations along the manifold and off it")
    if not found or not found.rows:
        missing(ax)
        return
    steps = [row.steps for row in found.rows]
    for name, label, ink in (
        ("on", "along the manifold: displacement left", INK[0]),
        ("off", "off the manifold: deviation left", INK[1]),
    ):
        _draw_band(ax, steps, [getattr(row, name) for row in found.rows], ink, label)
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    # The legend goes above the curves.
    ax.set(xscale="log", xlabel="steps", ylim=(0, 1.25 * ax.get_ylim()[1]))
    ax.set_ylabel("share left (median, quartiles)")
    half = found.off_half_life_steps
    title = None if half is None else f"half-life off the manifold {half:.1f} steps"
    ax.legend(fontsize=6, loc="upper left", title=title, title_fontsize=6)


def _draw_lyapunov(ax: Axes, found: LyapunovRecord | None) -> None:
    ax.set_title("Lyapunov exponents while moving")
    if not found or not found.exponents:
        missing(ax)
        return
    exponents, errors = values(found.exponents), np.nan_to_num(values(found.standard_errors))
    colours = [INK[0] if k < found.slow else INK[1] for k in range(len(exponents))]
    ax.bar(np.arange(1, len(exponents) + 1), exponents, yerr=1.96 * errors, color=colours)
    ax.axhline(0, color="0.2", linewidth=0.8)
    ax.set(xlabel="exponent", ylabel="growth per step")
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if found.gap is not None:
        text = f"{found.slow} slow,\nthen a gap of {found.gap:.2f}"
        ax.text(0.04, 0.06, text, transform=ax.transAxes, fontsize=7)


def _draw_fixed_points(
    ax: Axes, found: ReturnMapRecord | None, vectors_m: np.ndarray | None
) -> None:
    ax.set_title("fixed points at zero velocity")
    if not found or not found.points:
        missing(ax)
        return
    text = f"{found.distinct} seen"
    if found.per_unit_cell is not None:
        text += f", about {found.per_unit_cell:.0f} in a unit cell"
    ax.set_title(f"fixed points at zero velocity\n{text}")
    known = [point for point in found.points if point.position_m is not None]
    if not known:
        missing(ax, "no lattice common to all units to place them in")
        return
    places = values([point.position_m for point in known])
    if vectors_m is not None:
        places = np.mod(places @ np.linalg.inv(vectors_m), 1.0) @ vectors_m
        ax.add_patch(Polygon(UNIT_CELL @ vectors_m, fill=False, color=GREY, linewidth=1))
    modulus = values([point.moduli[0] for point in known])
    drawn = ax.scatter(places[:, 0], places[:, 1], c=modulus, s=22, cmap="viridis", linewidths=0)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="modulus of the leading eigenvalue")
    ax.set_aspect("equal")
    ax.set(xlabel="x (m)", ylabel="y (m)")


def _draw_errors(ax: Axes, rows: Sequence[RobustnessRecord]) -> None:
    if not rows:
        missing(ax)
        return
    steps = rows[0].errors[-1].steps
    last = [next(e for e in row.errors if e.steps == steps) for row in rows]
    level = [row.level for row in rows]
    tracked = [e.tracked_m for e in last]
    _draw_band(ax, level, tracked, INK[0], "network (median, quartiles)")

    def medians(name: str) -> np.ndarray:
        found: list[RobustnessErrorRecord] = last
        return values([getattr(e, name)[1] for e in found])

    perfect, reading = medians("perfect_m"), medians("reading_m")
    if np.isfinite(perfect).any():
        ax.plot(level, perfect, "--", color=INK[2], linewidth=1, label="perfect integrator")
    if rows[0].kind != "velocity noise" and np.isfinite(reading).any():
        ax.plot(level, reading, ":", color=INK[1], linewidth=1.2, label="decoding alone")
    highest = 1.1 * float(np.nanmax([*values(tracked)[:, 2], *perfect, 0.05]))
    chance = last[0].chance_m
    if chance is not None:
        ax.set_title(f"{ax.get_title()} (chance: {chance:.1f} m)")
        if chance < highest:
            ax.axhline(chance, color=GREY, linewidth=0.8, linestyle="-.", label="chance")
    ax.set(ylabel=f"error after {steps} steps (m)", ylim=(0, highest))
    ax.xaxis.set_major_locator(ticker.MaxNLocator(5))
    ax.legend(fontsize=6, loc="upper left")


def _draw_band(
    ax: Axes, x: Sequence[float], quartiles: Sequence[Sequence[float | None]], ink: str, label: str
) -> None:
    """Median and quartiles."""
    low, median, high = values(quartiles).T
    ax.fill_between(x, low, high, color=ink, alpha=0.18, linewidth=0)
    ax.plot(x, median, "o-", color=ink, markersize=3, label=label)


def mechanism(
    found: MechanismRecord, arrays: xr.Dataset, modules: Sequence[ModuleRecord]
) -> Figure:
    """Spectrum and blocks of W(v), weights against phase difference, composition of moves.

    Args:
        found: the mechanism.
        arrays: group `mechanism` of its arrays.
        modules: the modules, for their lattice vectors.
    """
    figure = Figure(figsize=(13, 6.2))
    axes = [figure.add_subplot(2, 3, k + 1) for k in range(6)]
    _draw_spectrum(axes[0], arrays)
    _draw_blocks(axes[1], arrays, found.blocks)
    profiles = [(k, p) for k, p in enumerate(found.profiles) if f"profile_{k}" in arrays]
    if profiles:
        k, best = min(profiles, key=lambda pair: _rank(pair[1]))
        vectors = values(modules[best.module].vectors_m)
        mean, moves = arrays[f"profile_{k}"].values, arrays[f"profile_{k}_velocities_m"].values
        _draw_profiles(axes[2], axes[3], best, mean, moves, vectors)
        _draw_shift(axes[4], best, moves)
    else:
        for ax in axes[2:5]:
            ax.set_title("weights by phase difference")
            missing(ax, "no module")
    _draw_composition(axes[5], found.generators)
    return figure


def _rank(profile: ProfileRecord) -> tuple[bool, float, float]:
    """Most significant first, then the one that explains most."""
    unknown = profile.p_value is None
    return unknown, profile.p_value or 0, -(profile.explained_at_rest or 0)


def _draw_spectrum(ax: Axes, arrays: xr.Dataset) -> None:
    eigenvalues, moves = arrays["eigenvalues"].values, arrays["velocities_m"].values
    ax.add_patch(Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.8))
    for ink, k in zip(INK, dict.fromkeys((0, int(np.argmax(moves[:, 0])))), strict=False):
        label = f"W at v = ({moves[k][0]:.2f}, {moves[k][1]:.2f}) m"
        x, y = eigenvalues[k].T
        ax.scatter(x, y, s=9, color=ink, alpha=0.75, linewidths=0, label=label)
    ax.axhline(0, color="0.9", linewidth=0.6, zorder=0)
    ax.axvline(0, color="0.9", linewidth=0.6, zorder=0)
    ax.set(xlabel="real part", ylabel="imaginary part", title="eigenvalues of W(v), unit circle")
    ax.legend(fontsize=6, loc="lower left")
    ax.set_aspect("equal", adjustable="datalim")


def _draw_blocks(ax: Axes, arrays: xr.Dataset, found: BlocksRecord) -> None:
    weights = arrays["weights"].values
    limit = float(np.quantile(np.abs(weights), 0.995)) or 1.0
    drawn = ax.imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="weight")
    title = "W(0), units by module and phase"
    if found.within is not None:
        title += (
            f"\nwithin groups {percent(found.within)} of squared weights, "
            f"{percent(found.expected)} by size, p {p_text(found.p_value)}"
        )
    ax.set(xlabel="from unit", ylabel="to unit", title=title)


def _draw_profiles(
    at_rest: Axes,
    moving: Axes,
    row: ProfileRecord,
    mean: np.ndarray,
    moves: np.ndarray,
    vectors: np.ndarray,
) -> None:
    """Mean weight against phase difference: zero in the middle of the unit cell."""
    fastest = int(np.hypot(*moves.T).argmax())
    both = np.abs(mean[[0, fastest]])
    limit = float(np.nanquantile(both, 0.98)) if np.isfinite(both).any() else 1.0
    side = mean.shape[1]
    # Bins are centred on multiples of 1 / side, the first on no difference at all.
    edge = (np.arange(side + 1) - side // 2 - 0.5) / side
    corner = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1) @ vectors
    for ax, profile in ((at_rest, mean[0]), (moving, mean[fastest])):
        centred = np.roll(profile, (side // 2, side // 2), axis=(0, 1))
        drawn = ax.pcolormesh(
            corner[..., 0], corner[..., 1], centred, cmap="RdBu_r", vmin=-limit, vmax=limit
        )
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="mean weight")
        ax.plot(0, 0, "+", color="black", markersize=6)
        ax.set_aspect("equal")
        ax.set(xlabel="x (m)", ylabel="y (m)")
    at_rest.set_title(
        f"module {row.module}: weights by phase difference, at rest\n"
        f"{percent(row.explained_at_rest)} of their variance, p {p_text(row.p_value)}"
    )
    x, y = moves[fastest]
    moving.set_title(f"the same, moving by ({x:.2f}, {y:.2f}) m")


def _draw_shift(ax: Axes, row: ProfileRecord, moves: np.ndarray) -> None:
    ax.set_title("shift of the profile against the move")
    shift = values(row.shift_m)
    if not np.isfinite(shift).any():
        missing(ax)
        return
    for component, (name, ink) in enumerate(zip("xy", INK, strict=False)):
        x, y = moves[:, component], shift[:, component]
        ax.scatter(x, y, s=14, color=ink, linewidths=0, label=name)
    ends = np.array([-1, 1]) * float(np.abs(moves).max())
    ax.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--", label="slope 1")
    if row.slope is not None:
        label = f"slope {row.slope:.2f}"
        ax.plot(ends, row.slope * ends, color="0.3", linewidth=0.8, label=label)
    ax.set(xlabel="move (m)", ylabel="shift (m)")
    ax.legend(fontsize=6)


def _draw_composition(ax: Axes, found: GeneratorsRecord) -> None:
    ax.set_title("W(v) from W(0)")
    if found.reason or not found.speeds_m:
        missing(ax)
        return
    speeds = values(found.speeds_m)
    for error, label, ink in (
        (found.exponential, "exp(v G) W(0), the generator", INK[1]),
        (found.linear, "W(0) + v A, the derivative", INK[0]),
    ):
        ax.plot(speeds, values(error), "o-", color=ink, markersize=3, label=label)
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--", label="W(0), no change at all")
    ax.set(xlabel="speed (m per step)", ylabel="error of W(v) over its change", ylim=(0, None))
    ax.set_title(
        f"W(v) from W(0); commutator of the generators {values(found.commutator):.3f}\n"
        f"(permuted {values(found.permuted):.3f}, p {p_text(found.p_value)})"
    )
    ax.legend(fontsize=6)


def coding(codes: Sequence[CodeRecord]) -> Figure:
    """Properties of every code: a bar each, a tick for its null; capacity by area, wrong readings.

    Args:
        codes: the network's code first.
    """
    figure = Figure(figsize=(13, 6.4))
    names = [SHORT_CODES.get(code.code, code.code) for code in codes]
    for k, (key, title) in enumerate(PROPERTIES.items()):
        rows = [getattr(code.properties, key) for code in codes]
        ax = figure.add_subplot(2, 5, k + 1 + (k >= 4))
        _draw_property(ax, rows, names if k % 4 == 0 else [""] * len(names), title)
    area, noise = figure.add_subplot(2, 5, 5), figure.add_subplot(2, 5, 10)
    for j, (code, name) in enumerate(zip(codes, names, strict=True)):
        style: Any = {"markersize": 2.5, "linewidth": 1, "color": module_colour(j)}
        sides = [r for r in code.properties.capacity.by_area if r.capacity is not None]
        squared = values([r.side_m for r in sides]) ** 2
        area.plot(squared, values([r.capacity for r in sides]), "o-", label=name, **style)
        read = code.properties.correction
        relative = values(read.sigma) / values(code.rms_length)
        noise.plot(relative, values(read.catastrophic), "o-", **style)
    area.set(xlabel="area (m²)", ylabel="places distinguished", title="capacity against area")
    area.set(xscale="log", yscale="log")
    area.legend(fontsize=6)
    noise.set(xlabel="noise over length of the state", ylabel="share of readings", xscale="log")
    noise.set(ylim=(-0.02, 1.02), title="readings that are wrong altogether")
    noise.set_xticks([0.02, 0.05, 0.1, 0.2], ["0.02", "0.05", "0.1", "0.2"])
    noise.xaxis.set_minor_formatter(ticker.NullFormatter())
    return figure


def _draw_property(
    ax: Axes, rows: Sequence[PropertyRecord], names: Sequence[str], title: str
) -> None:
    found = np.nan_to_num(values([row.headline for row in rows]))
    colours = [module_colour(j) for j in range(len(rows))]
    ax.barh(np.arange(len(rows)), found, color=colours, height=0.62)
    for place, row in enumerate(rows):
        for beside, dashes in ((row.null, "-"), (row.expected, ":")):
            if beside is not None:
                ends = [place - 0.42, place + 0.42]
                ax.plot([beside] * 2, ends, color="0.15", linewidth=1.3, linestyle=dashes)
        ax.annotate(
            "not known" if row.headline is None else small(row.headline),
            (max(0.0, found[place]), place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            # On white, so that a line beneath does not strike it through.
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},
        )
    ax.set_yticks(np.arange(len(rows)), names, fontsize=7)
    ax.invert_yaxis()
    ax.margins(x=0.18)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(4))
    ax.set_title(f"{title} ({rows[0].better} is good)")
