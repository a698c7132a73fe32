"""Figures of dynamics, learnt mechanism and coding properties."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from gridcode.report.style import GREY, INK, module_colour
from gridcode.report.words import headline, p_of, percent

Row = Mapping[str, Any]
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


def dynamics(
    found: Row, robustness: Sequence[Row] | None, *, vectors_m: np.ndarray | None
) -> Figure:
    """Decay of perturbations, Lyapunov exponents, fixed points at rest, and the error of path integration under disturbances.

    Args:
        found: `dynamics` of the summary.
        robustness: its `robustness`, None where that was not measured.
        vectors_m: lattice vectors (x, y) as rows by which the whole state repeats, None where it
            does not.
    """
    figure = Figure(figsize=(13, 6.2))
    axes = [figure.add_subplot(2, 3, k + 1) for k in range(6)]
    _decay(axes[0], found["perturbation"])
    _lyapunov(axes[1], found["lyapunov"])
    _fixed_points(axes[2], found["return_map"], vectors_m)
    for ax, (kind, label, note) in zip(
        axes[3:],
        (
            ("state noise", "noise over length of the state", "state noise in every step"),
            ("lesion", "share of active units silenced", "lesions"),
            ("velocity noise", "velocity noise (m per coordinate and step)", "velocity noise"),
        ),
        strict=True,
    ):
        _errors(ax, robustness, kind, label, note)
    return figure


def _decay(ax: Axes, found: Row | None) -> None:
    ax.set_title("kicks along the manifold and off it")
    if not found or not found["rows"]:
        _missing(ax)
        return
    steps = [row["steps"] for row in found["rows"]]
    for name, label, ink in (
        ("on", "along the manifold: displacement left", INK[0]),
        ("off", "off the manifold: deviation left", INK[1]),
    ):
        low, middle, high = _columns([row[name] for row in found["rows"]])
        ax.fill_between(steps, low, high, color=ink, alpha=0.18, linewidth=0)
        ax.plot(steps, middle, "o-", color=ink, markersize=3, label=label)
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    ax.set_xscale("log")
    half = found["off_half_life_steps"]
    # The legend goes above the curves.
    ax.set(
        xlabel="steps",
        ylabel="what is left of it (median, quartiles)",
        ylim=(0, 1.25 * ax.get_ylim()[1]),
    )
    ax.legend(
        fontsize=6,
        loc="upper left",
        title=None if half is None else f"half-life off the manifold {half:.1f} steps",
        title_fontsize=6,
    )


def _lyapunov(ax: Axes, found: Row | None) -> None:
    ax.set_title("Lyapunov exponents while moving")
    if not found or not found["exponents"]:
        _missing(ax)
        return
    values, errors = _values(found["exponents"]), _values(found["standard_errors"])
    ax.bar(
        np.arange(1, len(values) + 1),
        values,
        yerr=1.96 * np.nan_to_num(errors),
        color=[INK[0] if k < found["slow"] else INK[1] for k in range(len(values))],
    )
    ax.axhline(0, color="0.2", linewidth=0.8)
    ax.set(xlabel="exponent", ylabel="growth per step")
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if found["gap"] is not None:
        ax.text(
            0.04,
            0.06,
            f"{found['slow']} slow,\nthen a gap of {found['gap']:.2f}",
            transform=ax.transAxes,
            fontsize=7,
        )


def _fixed_points(ax: Axes, found: Row | None, vectors_m: np.ndarray | None) -> None:
    ax.set_title("at rest: where states come to a stop")
    if not found or not found["points"]:
        _missing(ax)
        return
    places = np.array(
        [
            p["position_m"] if p["position_m"] is not None else [np.nan, np.nan]
            for p in found["points"]
        ],
        dtype=np.float64,
    )
    modulus = np.array(
        [np.nan if p["moduli"][0] is None else p["moduli"][0] for p in found["points"]],
        dtype=np.float64,
    )
    count = found["per_unit_cell"]
    text = f"{found['distinct']} fixed points seen" + (
        "" if count is None else f", about {count:.0f} in a unit cell"
    )
    ax.set_title(f"at rest: where states come to a stop\n{text}")
    if not np.isfinite(places).any():
        _missing(ax, "no lattice common to all units to place them in")
        return
    if vectors_m is not None:
        phase = np.mod(places @ np.linalg.inv(vectors_m), 1.0)
        places = phase @ vectors_m
        ax.add_patch(
            Polygon(
                np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) @ vectors_m,
                fill=False,
                color=GREY,
                linewidth=1,
            )
        )
    drawn = ax.scatter(places[:, 0], places[:, 1], c=modulus, s=22, cmap="viridis", linewidths=0)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="leading eigenvalue's modulus")
    ax.set_aspect("equal")
    ax.set(xlabel="x (m)", ylabel="y (m)")


def _errors(ax: Axes, rows: Sequence[Row] | None, kind: str, label: str, note: str) -> None:
    chosen = [row for row in rows or () if row["kind"] == kind and row["errors"]]
    if not chosen:
        ax.set_title(note)
        _missing(ax)
        return
    steps = chosen[0]["errors"][-1]["steps"]
    last = [next(e for e in row["errors"] if e["steps"] == steps) for row in chosen]
    level = [row["level"] for row in chosen]
    low, middle, high = _columns([e["tracked_m"] for e in last])
    ax.fill_between(level, low, high, color=INK[0], alpha=0.18, linewidth=0)
    ax.plot(level, middle, "o-", color=INK[0], markersize=3, label="network (median, quartiles)")
    perfect = _values([e["perfect_m"][1] if e["perfect_m"] else None for e in last])
    if np.isfinite(perfect).any():
        ax.plot(level, perfect, "--", color=INK[2], linewidth=1, label="perfect integrator")
    reading = _values([e["reading_m"][1] if e["reading_m"] else None for e in last])
    if kind != "velocity noise" and np.isfinite(reading).any():
        ax.plot(level, reading, ":", color=INK[1], linewidth=1.2, label="reading alone")
    highest = 1.1 * float(np.nanmax([*high, *perfect, 0.05]))
    if last[0]["chance_m"] < highest:
        ax.axhline(last[0]["chance_m"], color=GREY, linewidth=0.8, linestyle="-.", label="a guess")
    ax.set(
        xlabel=label,
        ylabel=f"error after {steps} steps (m)",
        ylim=(0, highest),
        title=f"{note} (a guess: {last[0]['chance_m']:.1f} m)",
    )
    ax.xaxis.set_major_locator(ticker.MaxNLocator(5))
    ax.legend(fontsize=6, loc="upper left")


def mechanism(found: Row, arrays: xr.Dataset, modules: Sequence[Row]) -> Figure:
    """Spectrum of W(v), its blocks, weights against phase difference at rest and in motion, the shift of that profile, and how moves compose.

    Args:
        found: `mechanism` of the summary.
        arrays: group `mechanism` of its arrays.
        modules: rows of the summary, for lattice vectors.
    """
    figure = Figure(figsize=(13, 6.2))
    axes = [figure.add_subplot(2, 3, k + 1) for k in range(6)]
    _spectrum(axes[0], arrays)
    _blocks(axes[1], arrays, found["blocks"])
    profiles = [(k, p) for k, p in enumerate(found["profiles"]) if f"profile_{k}" in arrays]
    best = min(
        profiles,
        key=lambda kp: (
            kp[1]["p_value"] is None,
            kp[1]["p_value"] or 0,
            -(kp[1]["explained_at_rest"] or 0),
        ),
        default=None,
    )
    if best is None:
        for ax, title in zip(
            axes[2:5],
            ("weights by phase difference, at rest", "the same, moving", "shift of the profile"),
            strict=True,
        ):
            ax.set_title(title)
            _missing(ax, "no module")
    else:
        k, row = best
        vectors = np.array(modules[row["module"]]["vectors_m"], dtype=np.float64)
        mean, moves = arrays[f"profile_{k}"].values, arrays[f"profile_{k}_velocities_m"].values
        fastest = int(np.hypot(*moves.T).argmax())
        share = f"{percent(row['explained_at_rest'])} of their variance, p {p_of(row['p_value'])}"
        both = np.abs(mean[[0, fastest]])
        limit = float(np.nanquantile(both, 0.98)) if np.isfinite(both).any() else 1.0
        _profile(
            axes[2],
            mean[0],
            vectors,
            limit,
            f"module {row['module']}: weights by phase difference, at rest\n{share}",
        )
        _profile(
            axes[3],
            mean[fastest],
            vectors,
            limit,
            f"the same, moving by ({moves[fastest][0]:.2f}, {moves[fastest][1]:.2f}) m",
        )
        _shift(axes[4], row, moves)
    _composition(axes[5], found["generators"])
    return figure


def _spectrum(ax: Axes, arrays: xr.Dataset) -> None:
    values, moves = arrays["eigenvalues"].values, arrays["velocities_m"].values
    ax.add_patch(Circle((0, 0), 1, fill=False, color=GREY, linewidth=0.8))
    shown = [k for k in (0, int(np.argmax(moves[:, 0]))) if k < len(moves)]
    for ink, k in zip(INK, dict.fromkeys(shown), strict=False):
        ax.scatter(
            values[k, :, 0],
            values[k, :, 1],
            s=9,
            color=ink,
            alpha=0.75,
            linewidths=0,
            label=f"W at v = ({moves[k][0]:.2f}, {moves[k][1]:.2f}) m",
        )
    ax.axhline(0, color="0.9", linewidth=0.6, zorder=0)
    ax.axvline(0, color="0.9", linewidth=0.6, zorder=0)
    ax.set(xlabel="real part", ylabel="imaginary part", title="eigenvalues of W(v), unit circle")
    ax.legend(fontsize=6, loc="lower left")
    ax.set_aspect("equal", adjustable="datalim")


def _blocks(ax: Axes, arrays: xr.Dataset, found: Row) -> None:
    weights = arrays["weights"].values
    limit = float(np.quantile(np.abs(weights), 0.995)) or 1.0
    drawn = ax.imshow(weights, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="weight")
    text = (
        ""
        if found["within"] is None
        else f"\nwithin groups {percent(found['within'])} of squared weights, {percent(found['expected'])} by size, p {p_of(found['p_value'])}"
    )
    ax.set(xlabel="from unit", ylabel="to unit", title=f"W(0), units by module and phase{text}")


def _profile(ax: Axes, mean: np.ndarray, vectors: np.ndarray, limit: float, title: str) -> None:
    """Mean weight over the unit cell, the same phase in the middle, drawn as the parallelogram it is."""
    side = len(mean)
    # Bins are centred on multiples of 1 / side, the first on no difference at all.
    edge = (np.arange(side + 1) - side // 2 - 0.5) / side
    corner = np.stack(np.meshgrid(edge, edge, indexing="ij"), axis=-1) @ vectors
    centred = np.roll(mean, (side // 2, side // 2), axis=(0, 1))
    drawn = ax.pcolormesh(
        corner[..., 0], corner[..., 1], centred, cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="mean weight")
    ax.plot(0, 0, "+", color="black", markersize=6)
    ax.set_aspect("equal")
    ax.set(xlabel="x (m)", ylabel="y (m)", title=title)


def _shift(ax: Axes, row: Row, moves: np.ndarray) -> None:
    shift = np.array(
        [
            [np.nan if s is None else s for s in pair] if pair else [np.nan, np.nan]
            for pair in row["shift_m"] or []
        ],
        dtype=np.float64,
    )
    ax.set_title("shift of the profile against the move")
    if not np.isfinite(shift).any():
        _missing(ax)
        return
    for component, name in enumerate("xy"):
        ax.scatter(
            moves[:, component],
            shift[:, component],
            s=14,
            color=INK[component],
            linewidths=0,
            label=name,
        )
    ends = np.array([-1, 1]) * float(np.abs(moves).max())
    ax.plot(ends, ends, color=GREY, linewidth=0.8, linestyle="--", label="as far as the animal")
    if row["slope"] is not None:
        ax.plot(
            ends, row["slope"] * ends, color="0.3", linewidth=0.8, label=f"slope {row['slope']:.2f}"
        )
    ax.set(xlabel="move (m)", ylabel="shift (m)")
    ax.legend(fontsize=6)


def _composition(ax: Axes, found: Row) -> None:
    ax.set_title("W(v) from W(0)")
    if found["reason"] or not found["speeds_m"]:
        _missing(ax)
        return
    for name, label, ink in (
        ("exponential", "exp(v G) W(0), the generator", INK[1]),
        ("linear", "W(0) + v A, the derivative", INK[0]),
    ):
        ax.plot(found["speeds_m"], _values(found[name]), "o-", color=ink, markersize=3, label=label)
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle="--", label="W(0), no change at all")
    ax.set(xlabel="speed (m per step)", ylabel="error of W(v) over its change", ylim=(0, None))
    ax.set_title(
        f"W(v) from W(0); commutator of the generators {found['commutator']:.3f}\n(permuted {found['permuted']:.3f}, p {p_of(found['p_value'])})"
    )
    ax.legend(fontsize=6)


def coding(codes: Sequence[Row]) -> Figure:
    """The properties of a grid code for every code: a bar each, a tick for its null; capacity against area, reading error against noise.

    Args:
        codes: `codes` of the summary's coding properties.
    """
    figure = Figure(figsize=(13, 6.4))
    names = [SHORT_CODES.get(str(c["code"]), str(c["code"])) for c in codes]
    for k, (key, title) in enumerate(PROPERTIES.items()):
        _property(
            figure.add_subplot(2, 5, k + 1 + (k >= 4)), codes, names, key, title, labels=k % 4 == 0
        )
    area, noise = figure.add_subplot(2, 5, 5), figure.add_subplot(2, 5, 10)
    for j, (code, name) in enumerate(zip(codes, names, strict=True)):
        found = code["properties"]
        rows = [r for r in found["capacity"].get("by_area") or [] if r["capacity"] is not None]
        area.plot(
            [r["side_m"] ** 2 for r in rows],
            [r["capacity"] for r in rows],
            "o-",
            markersize=2.5,
            linewidth=1,
            color=module_colour(j),
            label=name,
        )
        sigma, wrong = (
            _values(found["correction"].get("sigma") or []),
            _values(found["correction"].get("catastrophic") or []),
        )
        if len(sigma):
            noise.plot(
                sigma / code["rms_length"],
                wrong,
                "o-",
                markersize=2.5,
                linewidth=1,
                color=module_colour(j),
            )
    area.set(
        xlabel="area (m²)",
        ylabel="places told apart",
        xscale="log",
        yscale="log",
        title="capacity against area",
    )
    area.legend(fontsize=6)
    noise.set(
        xlabel="noise over length of the state",
        ylabel="share of readings",
        xscale="log",
        ylim=(-0.02, 1.02),
        title="readings wrong altogether",
    )
    noise.set_xticks([0.02, 0.05, 0.1, 0.2])
    noise.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    noise.xaxis.set_minor_formatter(ticker.NullFormatter())
    return figure


def _property(
    ax: Axes, codes: Sequence[Row], names: Sequence[str], key: str, title: str, *, labels: bool
) -> None:
    rows = [code["properties"][key] for code in codes]
    values = _values([row["headline"] for row in rows])
    ax.barh(
        np.arange(len(rows)),
        np.nan_to_num(values),
        color=[module_colour(j) for j in range(len(rows))],
        height=0.62,
    )
    for place, row in enumerate(rows):
        for name, style in (("null", "-"), ("expected", ":")):
            if row[name] is not None:
                ax.plot(
                    [row[name]] * 2,
                    [place - 0.42, place + 0.42],
                    color="0.15",
                    linewidth=1.3,
                    linestyle=style,
                )
        text = "not known" if row["headline"] is None else headline(row["headline"])
        # On white, so that a line beneath does not strike it through.
        ax.annotate(
            text, (max(0.0, np.nan_to_num(values[place])), place), (3, 0), textcoords="offset points", va="center", fontsize=6.5,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},
        )  # fmt: skip
    ax.set_yticks(np.arange(len(rows)), names if labels else [""] * len(rows), fontsize=7)
    ax.invert_yaxis()
    ax.margins(x=0.18)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(4))
    ax.set_title(f"{title} ({rows[0]['better']} is good)")


def _columns(rows: Sequence[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, middle, high = np.array(
        [[np.nan if v is None else v for v in row] for row in rows], dtype=np.float64
    ).T
    return low, middle, high


def _values(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _missing(ax: Axes, text: str = "could not be measured") -> None:
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", color="0.35")
