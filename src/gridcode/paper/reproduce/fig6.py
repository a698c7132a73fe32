"""Figure 6: the largest module: three waves, phases that tile the unit cell, rings and torus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.phases import DIRECTIONS
from gridcode.analysis.cells.spectrum import ModuleSpectrum, module_spectrum
from gridcode.analysis.records import ModuleRecord
from gridcode.analysis.records.topology import StatesRecord, TopologyRecord
from gridcode.analysis.text import p_text
from gridcode.analysis.topology.state_space import analyse_state_space
from gridcode.errors import InputError
from gridcode.paper.claims import Claim, FigureDraft
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork
from gridcode.paper.tables import Table, counted, spread, within

# The same pictures as in a run's report.
from gridcode.report.module_figures import draw_phases, draw_power
from gridcode.report.state_space_figures import PHASE_COLOURS, betti_text, draw_diagram, draw_ring
from gridcode.report.style import missing

PAPER = (
    "The paper shows of one module that its Fourier power has three peaks of one length "
    "60 degrees apart, that its cells' phases tile the unit cell uniformly, that its states "
    "(principal components to 6 dimensions, spectral embedding to 3) form a torus, and that "
    "along each of the lattice's three directions they form a ring."
)
MOST_ANGLE_DEG = 5.0
MOST_LENGTH_SPREAD = 0.1
LEAST_UNIFORMITY_P = 0.05
TORUS = (1, 2, 1)
WALKERS = 64


@dataclass(frozen=True)
class LargestModule:
    """A network's largest module.

    Attributes:
        network: its network.
        record: the module.
        units: indices of its units.
        spectrum: its waves.
        states: state space and topology; None where they could not be measured.
        arrays: what pictures of these show.
        reason: why they could not be measured.
    """

    network: EvaluatedNetwork
    record: ModuleRecord
    units: np.ndarray
    spectrum: ModuleSpectrum
    states: StatesRecord | None
    arrays: xr.Dataset | None
    reason: str = ""


@dataclass(frozen=True)
class ModuleRow:
    """The largest module of a network with the topology of its states; None without one."""

    network: str
    module: ModuleRecord | None
    length_spread: float | None
    largest_angle_error_deg: float | None
    topology: TopologyRecord | None


@dataclass(frozen=True)
class WaveRow:
    """One of the module's three waves, and the ring of states along its direction.

    `angle_deg` is that between this wave and the next; ring columns are None without rings.
    """

    network: str
    direction: int
    angle_deg: float
    length_per_m: float
    ring_correlation: float | None = None
    ring_chance_95: float | None = None
    ring_place_error_m: float | None = None


@dataclass(frozen=True)
class PointRow:
    """A point of a picture: its numbers by column."""

    numbers: dict[str, Any]


def make(networks: Sequence[EvaluatedNetwork]) -> FigureDraft:
    """Pictures of the largest module of the first network that has one, and numbers of all."""
    modules = [found for network in networks if (found := _largest_module(network)) is not None]
    if not modules:
        names = ", ".join(n.name for n in networks)
        raise InputError(f"no module to look at in {names}: no group of units shares a lattice")
    by_name = {module.network.name: module for module in modules}
    rows = [_module_row(n.name, by_name.get(n.name)) for n in networks]
    waves = [row for module in modules for row in _wave_rows(module)]
    return FigureDraft(
        title="state space of one module",
        paper=PAPER,
        found=_found(rows, waves),
        claims=_claims(rows, waves),
        caveats=_caveats(rows, modules),
        tables={
            "": rows,
            "waves": waves,
            "cells": _cells(modules[0]),
            **_picture_rows(modules[0].arrays),
        },
        figure=_draw(modules[0]),
        networks=[n.name for n in networks],
    )


def _largest_module(network: EvaluatedNetwork) -> LargestModule | None:
    if not network.summary.modules:
        return None
    record = max(network.summary.modules, key=lambda m: m.n_units)
    units = np.flatnonzero(network.data["module"].values == record.module)
    spectrum = module_spectrum(
        network.data["rate"].values[units].astype(np.float64),
        bin_size_m=network.headline.bin_size_m,
        vectors_m=np.array(record.vectors_m, dtype=np.float64),
    )
    states = _kept_states(network, record) or _new_states(network, record, units)
    return LargestModule(network, record, units, spectrum, *states)


def _kept_states(
    network: EvaluatedNetwork, module: ModuleRecord
) -> tuple[StatesRecord, xr.Dataset] | None:
    """State space and topology as the run's own evaluation measured them, if it did."""
    run, theory = network.run, network.summary.theory
    if run is None or theory is None:
        return None
    found = next((p for p in theory.state_space.populations if p.module == module.module), None)
    try:
        arrays = run.read_theory()
    except InputError:  # damaged: measured again
        return None
    if found is None or arrays is None or found.name not in arrays.children:
        return None
    return found, arrays[found.name].to_dataset()


def _new_states(
    network: EvaluatedNetwork, module: ModuleRecord, units: np.ndarray
) -> tuple[StatesRecord | None, xr.Dataset | None, str]:
    config, progress = network.config.evaluation, network.named_progress()
    states, places = network.states(
        "smooth", network.headline.arena_m, walkers=WALKERS, steps=config.walk_steps, stream=6
    )
    # The module's units as a population that repeats by the module's lattice: the rest of the
    # network need not be measured.
    found = analyse_state_space(
        states[:, units],
        places,
        modules=[],
        whole_vectors_m=np.array(module.vectors_m, dtype=np.float64),
        seed=config.seed,
        nulls=config.shuffles,
        controls=False,
        progress=progress and (lambda done, total: progress("topology", done, total)),
    )
    if not found.summary.populations:
        return None, None, found.summary.skipped[0].reason
    return found.summary.populations[0], found.arrays["population"].to_dataset(), ""


def _module_row(name: str, module: LargestModule | None) -> ModuleRow:
    if module is None:
        return ModuleRow(name, None, None, None, None)
    lengths, angles = module.spectrum.lengths_per_m, module.spectrum.angles_deg
    return ModuleRow(
        network=name,
        module=module.record,
        length_spread=float((lengths.max() - lengths.min()) / lengths.mean()),
        largest_angle_error_deg=float(np.abs(angles - 60).max()),
        topology=None if module.states is None else module.states.topology,
    )


def _wave_rows(module: LargestModule) -> list[WaveRow]:
    rings = None if module.states is None else module.states.rings
    return [
        WaveRow(
            network=module.network.name,
            direction=k + 1,
            angle_deg=float(module.spectrum.angles_deg[k]),
            length_per_m=float(module.spectrum.lengths_per_m[k]),
            ring_correlation=rings.correlation[k] if rings else None,
            ring_chance_95=rings.chance_95[k] if rings else None,
            ring_place_error_m=rings.place_error_m[k] if rings else None,
        )
        for k in range(3)
    ]


def _points(columns: Sequence[str], *arrays: np.ndarray) -> list[PointRow]:
    rows = np.concatenate(arrays, axis=1).tolist()
    return [PointRow(dict(zip(columns, row, strict=True))) for row in rows]


def _cells(module: LargestModule) -> list[PointRow]:
    """Phases of the units in the unit cell, and of the three waves."""
    columns = ["phase_1", "phase_2", *(f"wave_{k}_phase_deg" for k in (1, 2, 3))]
    phase = module.network.data["phase"].values[module.units]
    points = _points(columns, phase, module.spectrum.phase_deg)
    names = zip(module.record.units, points, strict=True)
    return [
        PointRow({"network": module.network.name, "unit": unit} | point.numbers)
        for unit, point in names
    ]


def _picture_rows(data: xr.Dataset | None) -> dict[str, Table]:
    """The points of the pictures of the network that is drawn."""
    if data is None:
        return {}
    axes = ("x_m", "y_m", "axis_1", "axis_2", "axis_3")
    tables: dict[str, Table] = {
        "embedding": _points(axes, data["spectral_positions_m"].values, data["spectral"].values),
        "bars": _points(("dimension", "birth", "death"), data["bars"].values),
    }
    if "rings" in data:
        parts = [f"ring_{k}_{part}" for k in (1, 2, 3) for part in ("re", "im")]
        places = data["rings_positions_m"].values
        rings = data["rings"].values.reshape(len(places), -1)
        tables["rings"] = _points(("x_m", "y_m", *parts), places, rings)
    return tables


def _claims(rows: Sequence[ModuleRow], waves: Sequence[WaveRow]) -> list[Claim]:
    def uniform(row: ModuleRow) -> bool | None:
        p = row.module.phase_uniformity_p if row.module else None
        return None if p is None else p > LEAST_UNIFORMITY_P

    def torus(row: ModuleRow) -> bool | None:
        found = row.topology
        return found.torus and found.betti == TORUS if found else None

    def rings(row: ModuleRow) -> bool | None:
        pairs = [(w.ring_correlation, w.ring_chance_95) for w in waves if w.network == row.network]
        beyond = [None if r is None or chance is None else r > chance for r, chance in pairs]
        return None if not beyond or None in beyond else all(beyond)

    return [
        Claim(
            f"three peaks 60 degrees apart (each angle within {MOST_ANGLE_DEG:g})",
            tuple(within(r.largest_angle_error_deg, 0, MOST_ANGLE_DEG) for r in rows),
        ),
        Claim(
            f"peaks of one length (longest and shortest within {100 * MOST_LENGTH_SPREAD:.0f}%)",
            tuple(within(r.length_spread, 0, MOST_LENGTH_SPREAD) for r in rows),
        ),
        Claim(
            f"phases compatible with uniform (p above {LEAST_UNIFORMITY_P:g})",
            tuple(map(uniform, rows)),
        ),
        Claim(
            "a torus: Betti numbers 1, 2, 1, beyond shuffles", tuple(map(torus, rows)), central=True
        ),
        Claim("a ring along each of three directions, beyond chance", tuple(map(rings, rows))),
    ]


def _found(rows: Sequence[ModuleRow], waves: Sequence[WaveRow]) -> list[str]:
    modules = [row.module for row in rows if row.module is not None]
    names = ", ".join(row.network for row in rows if row.module is not None)
    text = [
        f"Here, in the largest module of each of {counted(len(modules), 'network')} "
        f"({names}; {spread([m.n_units for m in modules], digits=0)} "
        f"units, spacing {spread([m.spacing_m for m in modules], 'm')}; medians, and ranges where "
        "they differ): angles between the peaks "
        f"{spread([w.angle_deg for w in waves], 'degrees', 0)}, lengths of the waves apart by a "
        f"share of {spread([r.length_spread for r in rows])}, phases uniform with p "
        f"{spread([m.phase_uniformity_p for m in modules])}."
    ]
    topologies = [row.topology for row in rows if row.topology is not None]
    if topologies:
        bettis = [betti_text(topology.betti) for topology in topologies]
        counts = ", ".join(
            betti + (f" in {bettis.count(betti)} of {len(bettis)}" if len(modules) > 1 else "")
            for betti in dict.fromkeys(bettis)
        )
        known = (t.torus_p_value for t in topologies if t.torus_p_value is not None)
        tested = "; ".join(dict.fromkeys(map(p_text, known)))
        text.append(
            f"Betti numbers {counts}, p against shuffles {tested or 'not known'}; "
            "correlation of the angle on a ring with the place's phase "
            f"{spread([w.ring_correlation for w in waves])}."
        )
    return text


def _caveats(rows: Sequence[ModuleRow], modules: Sequence[LargestModule]) -> list[str]:
    text = [
        "The embedding is a picture, the Betti numbers are the test; p-values have the resolution "
        "of their shuffles."
    ]
    without = [r.network for r in rows if r.module is None]
    if without:
        text.append(f"No module was found in {', '.join(without)}.")
    return text + [
        f"Topology not measured in {m.network.name}: {m.reason}." for m in modules if m.reason
    ]


def _draw(module: LargestModule) -> Figure:
    record, spectrum, network = module.record, module.spectrum, module.network
    figure = Figure(figsize=(10.5, 8.4))
    figure.suptitle(
        f"{network.name}: module {record.module}, {record.n_units} units, "
        f"spacing {record.spacing_m:.2f} m",
        fontsize=9,
    )
    power, phases, diagram = (figure.add_subplot(3, 3, k) for k in (1, 2, 3))
    draw_power(power, record, spectrum)
    angles = power.get_title().split("\n")[-1]
    lengths = ", ".join(f"{v:.2f}" for v in spectrum.lengths_per_m)
    power.set(title=f"{angles}\nlengths {lengths} per metre")
    draw_phases(phases, record, network.data["phase"].values[module.units])
    phases.set_anchor("C")
    if module.states is None or module.arrays is None:
        diagram.set_axis_off()
        missing(diagram, f"topology not measured:\n{module.reason}")
        return figure
    draw_diagram(diagram, module.arrays, module.states)
    for k in range(3):
        _draw_embedding(figure.add_subplot(3, 3, 4 + k, projection="3d"), module.arrays, k)
        ring = figure.add_subplot(3, 3, 7 + k)
        draw_ring(ring, module.arrays, module.states, k)
        ring.set(xlabel="cosine part", ylabel="sine part")
    return figure


def _draw_embedding(ax: Any, data: xr.Dataset, direction: int) -> Axes:
    """Spectral embedding, coloured by the phase along one of the lattice's three directions."""
    waves = DIRECTIONS @ np.linalg.inv(np.reshape(data.attrs["vectors_m"], (2, 2))).T
    phase = np.mod(data["spectral_positions_m"].values @ waves[direction], 1.0)
    points = data["spectral"].values.T
    drawn = ax.scatter(*points, c=phase, cmap=PHASE_COLOURS, vmin=0, vmax=1, s=3, linewidths=0)
    ax.set(xticks=[], yticks=[], zticks=[])
    title = "PCA to 6, spectral embedding to 3\ncoloured by the phase along direction"
    ax.set_title(f"{title} {direction + 1}", fontsize=7)
    ax.set_box_aspect((1, 1, 1), zoom=1.15)
    ax.view_init(elev=25, azim=-60)
    colours = {"ticks": [0, 0.5, 1], "label": "phase (cycles)"}
    ax.figure.colorbar(drawn, ax=ax, shrink=0.6, pad=0.02, **colours)
    return ax
