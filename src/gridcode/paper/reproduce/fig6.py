"""Figure 6: one module, the largest: three waves, phases that tile the unit cell, rings, and the torus of its states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.phases import DIRECTIONS
from gridcode.analysis.cells.spectrum import ModuleSpectrum, module_spectrum
from gridcode.analysis.topology.state_space import analyse_state_space
from gridcode.errors import InputError
from gridcode.paper.claims import Claim, Made, counted, spread, within
from gridcode.paper.reproduce.evaluated import Probe

# The same pictures as in a run's report.
from gridcode.report.module_figures import draw_phases, draw_power
from gridcode.report.state_space_figures import PHASE_COLOURS, betti_text, draw_diagram, draw_ring
from gridcode.report.style import p_text

PAPER = (
    "The paper shows of one module that its Fourier power has three peaks of one length 60 degrees apart, that its cells' phases tile the unit cell "
    "uniformly, that its states (principal components to 6 dimensions, spectral embedding to 3) form a torus, and that along each of the lattice's "
    "three directions they form a ring."
)
MOST_ANGLE_DEG = 5.0
MOST_LENGTH_SPREAD = 0.1
LEAST_UNIFORMITY_P = 0.05
TORUS = [1, 2, 1]
WALKERS = 64


@dataclass(frozen=True)
class Shape:
    """A network's largest module.

    Attributes:
        row: its row of the summary.
        spectrum: its waves.
        space: its numbers of state space and topology; None where they could not be measured.
        arrays: what pictures of these show.
        reason: why they could not be measured.
    """

    row: Mapping[str, Any]
    spectrum: ModuleSpectrum
    space: Mapping[str, Any] | None
    arrays: xr.Dataset | None
    reason: str = ""


def make(probes: Sequence[Probe]) -> Made:
    """Spectrum, phases, embedding, rings and topology of the largest module of the first network that has one; numbers of all."""
    shapes = [_shape(probe) for probe in probes]
    drawn = next((k for k, shape in enumerate(shapes) if shape is not None), None)
    if drawn is None:
        raise InputError(
            f"no module to look at in {', '.join(p.name for p in probes)}: no group of units shares a lattice"
        )
    shape = shapes[drawn]
    assert shape is not None
    rows = [_row(probe, shape) for probe, shape in zip(probes, shapes, strict=True)]
    return Made(
        title="state space of one module",
        paper=PAPER,
        found=_found(rows),
        claims=_claims(rows),
        caveats=_caveats(rows, shapes),
        tables={"": rows, "cells": _cell_rows(probes[drawn], shape)} | _picture_rows(shape),
        figure=_draw(probes[drawn], shape),
        networks=[p.name for p in probes],
    )


def _shape(probe: Probe) -> Shape | None:
    if not probe.summary["modules"]:
        return None
    row = max(probe.summary["modules"], key=lambda m: m["n_units"])
    data = probe.headline
    units = np.flatnonzero(data["module"].values == row["module"])
    rate = data["rate"].values[units].astype(np.float64)
    vectors = np.array(row["vectors_m"], dtype=np.float64)
    spectrum = module_spectrum(rate, bin_size_m=float(data.attrs["bin_size_m"]), vectors_m=vectors)
    held = _held(probe, row)
    return Shape(row, spectrum, *(held or _measured(probe, row, units, vectors)))


def _held(probe: Probe, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], xr.Dataset] | None:
    """State space and topology as the run's own evaluation measured them, if it did."""
    run, theory = probe.source.run, probe.summary.get("theory")
    if run is None or not theory or not theory["state_space"]:
        return None
    found = next(
        (p for p in theory["state_space"]["populations"] if p["module"] == row["module"]), None
    )
    try:
        arrays = run.read_theory()
    except InputError:  # damaged: measured again
        return None
    if found is None or arrays is None or found["name"] not in arrays.children:
        return None
    data = arrays[found["name"]].to_dataset()
    # Written before the summary: of an evaluation that was cut off between them they are another's.
    return (found, data) if data.sizes["landmark"] == found["topology"]["landmarks"] else None


def _measured(
    probe: Probe, row: Mapping[str, Any], units: np.ndarray, vectors: np.ndarray
) -> tuple[Mapping[str, Any] | None, xr.Dataset | None, str]:
    config = probe.config.evaluation
    states, places = probe.states(
        "smooth",
        float(probe.headline.attrs["arena_m"]),
        walkers=WALKERS,
        steps=config.walk_steps,
        stream=6,
    )
    show = probe.report()
    # The module's own units as a population that repeats by the module's lattice: the rest of the
    # network need not be measured.
    found = analyse_state_space(
        states[:, units],
        places,
        modules=[],
        whole_vectors_m=vectors,
        seed=config.seed,
        nulls=config.shuffles,
        controls=False,
        progress=None if show is None else lambda done, total: show("topology", done, total),
    )
    if not found.summary.populations:
        return None, None, found.summary.skipped[0].reason
    return (
        found.summary.populations[0].model_dump(mode="json") | {"module": row["module"]},
        found.arrays["population"].to_dataset(),
        "",
    )


def _row(probe: Probe, shape: Shape | None) -> dict[str, Any]:
    if shape is None:
        return {"network": probe.name, "units": 0}
    spectrum, space = shape.spectrum, shape.space
    lengths = spectrum.lengths_per_m
    found: dict[str, Any] = {
        "network": probe.name,
        "module": shape.row["module"],
        "units": shape.row["n_units"],
        "spacing_m": shape.row["spacing_m"],
        "axis_ratio": shape.row["axis_ratio"],
        **{f"angle_{k + 1}_deg": float(a) for k, a in enumerate(spectrum.angles_deg)},
        **{f"length_{k + 1}_per_m": float(v) for k, v in enumerate(lengths)},
        "length_spread": float((lengths.max() - lengths.min()) / lengths.mean()),
        "largest_angle_error_deg": float(np.abs(spectrum.angles_deg - 60).max()),
        "phase_uniformity_p": shape.row["phase_uniformity_p"],
        "phase_coverage": shape.row["phase_coverage"],
    }
    if space is not None:
        topology, rings = space["topology"], space["rings"]
        found |= {
            "betti": topology["betti"],
            "loops_p": topology["p_value"][1],
            "voids_p": topology["p_value"][2],
        }
        found |= {"torus": topology["torus"], "torus_p": topology["torus_p_value"]}
        for k in range(3 if rings else 0):
            found |= {
                f"ring_{k + 1}_correlation": rings["correlation"][k],
                f"ring_{k + 1}_chance_95": rings["chance_95"][k],
            }
            found |= {f"ring_{k + 1}_place_error_m": rings["place_error_m"][k]}
    return found


def _cell_rows(probe: Probe, shape: Shape) -> list[dict[str, Any]]:
    data = probe.headline
    units = np.flatnonzero(data["module"].values == shape.row["module"])
    return [
        {
            "network": probe.name,
            "unit": int(data["unit"].values[u]),
            "phase_1": float(data["phase"].values[u, 0]),
        }
        | {"phase_2": float(data["phase"].values[u, 1])}
        | {f"wave_{k + 1}_phase_deg": float(shape.spectrum.phase_deg[i, k]) for k in range(3)}
        for i, u in enumerate(units)
    ]


def _picture_rows(shape: Shape) -> dict[str, list[dict[str, Any]]]:
    """The points of the pictures of the network that is drawn."""
    if shape.arrays is None:
        return {}
    data = shape.arrays
    places = data["spectral_positions_m"].values
    embedded = [
        {"x_m": float(x), "y_m": float(y)}
        | dict(zip(("axis_1", "axis_2", "axis_3"), map(float, point), strict=True))
        for (x, y), point in zip(places, data["spectral"].values, strict=True)
    ]
    bars = [
        dict(zip(("dimension", "birth", "death"), map(float, bar), strict=True))
        for bar in data["bars"].values
    ]
    tables = {"embedding": embedded, "bars": bars}
    if "rings" in data:
        tables["rings"] = [
            {"x_m": float(x), "y_m": float(y)}
            | {
                f"ring_{k + 1}_{part}": float(ring[k, i])
                for k in range(3)
                for i, part in enumerate(("re", "im"))
            }
            for (x, y), ring in zip(
                data["rings_positions_m"].values, data["rings"].values, strict=True
            )
        ]
    return tables


def _claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    def rings(row: Mapping[str, Any]) -> bool | None:
        pairs = [
            (row.get(f"ring_{k}_correlation"), row.get(f"ring_{k}_chance_95")) for k in (1, 2, 3)
        ]
        if any(value is None for pair in pairs for value in pair):
            return None
        return all(found > chance for found, chance in pairs)  # type: ignore[operator]

    def uniform(row: Mapping[str, Any]) -> bool | None:
        p = row.get("phase_uniformity_p")
        return None if p is None else bool(p > LEAST_UNIFORMITY_P)

    return [
        Claim(
            f"three peaks 60 degrees apart (each angle within {MOST_ANGLE_DEG:g})",
            tuple(within(r.get("largest_angle_error_deg"), 0, MOST_ANGLE_DEG) for r in rows),
        ),
        Claim(
            f"peaks of one length (longest and shortest within {100 * MOST_LENGTH_SPREAD:.0f}%)",
            tuple(within(r.get("length_spread"), 0, MOST_LENGTH_SPREAD) for r in rows),
        ),
        Claim(
            f"phases not told from uniform (p above {LEAST_UNIFORMITY_P:g})",
            tuple(uniform(r) for r in rows),
        ),
        Claim(
            "a torus: Betti numbers 1, 2, 1, beyond shuffles",
            tuple(r["torus"] and r["betti"] == TORUS if "torus" in r else None for r in rows),
            True,
        ),
        Claim(
            "a ring along each of three directions, beyond chance", tuple(rings(r) for r in rows)
        ),
    ]


def _found(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    have = [r for r in rows if r["units"]]

    def every(prefix: str, suffix: str) -> list[float | None]:
        return [r.get(f"{prefix}_{k}_{suffix}") for r in have for k in (1, 2, 3)]

    bettis = [betti_text(r["betti"]) for r in have if "betti" in r]
    counts = ", ".join(
        f"{b}" + (f" in {bettis.count(b)} of {len(bettis)}" if len(have) > 1 else "")
        for b in dict.fromkeys(bettis)
    )
    text = [
        f"Here, in the largest module of each of {counted(len(have), 'network')} ({', '.join(r['network'] for r in have)}; "
        f"{spread([r['units'] for r in have], digits=0)} units, spacing {spread([r['spacing_m'] for r in have], 'm')}; medians, and ranges "
        f"where they differ): angles between the peaks {spread(every('angle', 'deg'), 'degrees', 0)}, lengths of the waves apart by a share of "
        f"{spread([r['length_spread'] for r in have])}, phases uniform with p {spread([r['phase_uniformity_p'] for r in have])}."
    ]
    tested = dict.fromkeys(p_text(r["torus_p"]) for r in have if r.get("torus_p") is not None)
    if bettis:
        text.append(
            f"Betti numbers {counts}, p against shuffles {'; '.join(tested) or 'not known'}; "
            f"correlation of the angle on a ring with the place's phase {spread(every('ring', 'correlation'))}."
        )
    return text


def _caveats(rows: Sequence[Mapping[str, Any]], shapes: Sequence[Shape | None]) -> list[str]:
    text = [
        "The embedding is a picture, the Betti numbers are the test; p-values have the resolution of their shuffles."
    ]
    without = [r["network"] for r in rows if not r["units"]]
    if without:
        text.append(f"No module was found in {', '.join(without)}.")
    text += [
        f"Topology not measured in {r['network']}: {s.reason}."
        for r, s in zip(rows, shapes, strict=True)
        if s is not None and s.reason
    ]
    return text


def _draw(probe: Probe, shape: Shape) -> Figure:
    figure = Figure(figsize=(10.5, 8.4))
    figure.suptitle(
        f"{probe.name}: module {shape.row['module']}, {shape.row['n_units']} units, spacing {shape.row['spacing_m']:.2f} m",
        fontsize=9,
    )
    power, phases, diagram = (figure.add_subplot(3, 3, k) for k in (1, 2, 3))
    draw_power(power, shape.row, shape.spectrum)
    power.set_title(
        power.get_title().split("\n")[-1]
        + "\n"
        + f"lengths {', '.join(f'{v:.2f}' for v in shape.spectrum.lengths_per_m)} per metre"
    )
    power.set_ylabel("waves per metre, y")
    mine = probe.headline["module"].values == shape.row["module"]
    draw_phases(phases, shape.row, probe.headline["phase"].values[mine])
    phases.set_anchor("C")
    phases.set_ylabel("y (m)")
    if shape.space is None or shape.arrays is None:
        diagram.set_axis_off()
        diagram.text(
            0.5,
            0.5,
            f"topology not measured:\n{shape.reason}",
            transform=diagram.transAxes,
            ha="center",
            color="0.35",
        )
        return figure
    draw_diagram(diagram, shape.arrays, shape.space)
    for k in range(3):
        _draw_embedding(figure.add_subplot(3, 3, 4 + k, projection="3d"), shape.arrays, k)
        ring = figure.add_subplot(3, 3, 7 + k)
        draw_ring(ring, shape.arrays, shape.space, k)
        ring.set(xlabel="cosine part", ylabel="sine part")
    return figure


def _draw_embedding(ax: Any, data: xr.Dataset, direction: int) -> Axes:
    """Spectral embedding of the first six principal components, coloured by the phase along one of the lattice's three directions."""
    waves = DIRECTIONS @ np.linalg.inv(np.reshape(data.attrs["vectors_m"], (2, 2))).T
    phase = np.mod(data["spectral_positions_m"].values @ waves[direction], 1.0)
    drawn = ax.scatter(
        *data["spectral"].values.T, c=phase, cmap=PHASE_COLOURS, vmin=0, vmax=1, s=3, linewidths=0
    )
    ax.set(xticks=[], yticks=[], zticks=[])
    ax.set_title(
        f"PCA to 6, spectral embedding to 3\ncoloured by the phase along direction {direction + 1}",
        fontsize=7,
    )
    ax.set_box_aspect((1, 1, 1), zoom=1.15)
    ax.view_init(elev=25, azim=-60)
    ax.figure.colorbar(
        drawn, ax=ax, shrink=0.6, pad=0.02, ticks=[0, 0.5, 1], label="phase (cycles)"
    )
    return ax
