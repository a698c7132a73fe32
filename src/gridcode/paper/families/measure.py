"""A finished model to a row of the table, by the measures of `gridcode evaluate`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.population import analyse_population, score_dataset
from gridcode.analysis.records import Summary, rounded
from gridcode.analysis.records.coding import CapacityProperty, PropertiesRecord
from gridcode.analysis.records.navigation import DecodingRecord, SpaceRecord
from gridcode.analysis.system import System, roll_rate_maps
from gridcode.config import EvaluationConfig
from gridcode.paper.ablation.rows import Listed, Number
from gridcode.paper.tables import known
from gridcode.world.walks import WALKS

HORIZONS = (100, 1000)
# The test beyond the trained square: an arena of so many sides, of so many bins a side.
BEYOND, BEYOND_BINS, BEYOND_STEPS, BEYOND_SAMPLES, BEYOND_NULLS = 3, 90, 250, 4.0, 200
PROPERTIES = (
    *("separation", "decorrelation", "equal_norm", "update"),
    *("algebraic", "whitened", "correction"),
)
Progress = Callable[[str, int, int], None] | None


@dataclass(frozen=True)
class FamilyRow:
    """One model; None where a number does not apply or could not be measured.

    Shares are of active units, lengths in metres, path errors medians over walkers, by the better
    of two readings. `path_..._at_2` is in an arena of twice the side of the trained square.
    docs/families.md says how to read them.
    """

    model: str
    seed: int
    family: str = ""
    question: str = ""
    value: Number = None
    run: str = ""
    status: str = "ok"
    parameters: int | None = None
    cpu_seconds: Number = None
    units: int | None = None
    active_units: int | None = None
    lattice_share: Number = None
    hexagonal_share: Number = None
    n_modules: int | None = None
    n_independent: int | None = None
    spacings_m: Listed | None = None
    spacing_median_m: Number = None
    largest_over_smallest: Number = None
    tori: int | None = None
    tori_of: int | None = None
    path_100_m: Number = None
    path_1000_m: Number = None
    chance_1000_m: Number = None
    lost_1000: Number = None
    path_100_at_1_5: Number = None
    path_100_at_2: Number = None
    path_100_at_3: Number = None
    path_1000_at_1_5: Number = None
    path_1000_at_2: Number = None
    path_1000_at_3: Number = None
    lost_1000_at_3: Number = None
    lattice_share_beyond: Number = None
    capacity_1m_bits: Number = None
    capacity_2m_bits: Number = None
    capacity_area_exponent: Number = None
    separation: Number = None
    decorrelation: Number = None
    equal_norm: Number = None
    update: Number = None
    algebraic: Number = None
    whitened: Number = None
    correction: Number = None
    arena_m: Number = None
    trained_m: Number = None
    config_hash: str = ""
    weights: str = ""
    gridcode: str = ""
    note: str = ""

    @property
    def variant(self) -> str:
        """The line of the figure that it belongs to."""
        return self.model


def with_cells(row: FamilyRow, summary: Summary, data: xr.Dataset) -> FamilyRow:
    """The row with the numbers of cells and modules.

    Args:
        row: the row so far.
        summary: the evaluation.
        data: maps and scores of the headline's arena.
    """
    types, active = summary.types, len(summary.units) - summary.types["silent"]
    lattice = [unit for unit in summary.units if unit.type in LATTICE_TYPES]
    spacings = [module.spacing_m for module in summary.modules]
    found = known([unit.spacing_m for unit in lattice])
    return replace(
        row,
        status="ok" if active else "silent",
        units=len(summary.units),
        active_units=active,
        lattice_share=rounded(len(lattice) / active) if active else None,
        hexagonal_share=rounded(types["hexagonal"] / active) if active else None,
        n_modules=summary.n_modules,
        n_independent=summary.n_independent_modules,
        spacings_m=tuple(spacings),
        spacing_median_m=rounded(np.median(found)) if len(found) else None,
        largest_over_smallest=rounded(max(spacings) / min(spacings)) if spacings else None,
        arena_m=data.attrs["arena_m"],
        note="; ".join(f"{name}: {why}" for name, why in summary.reasons.items()),
    )


def with_space(row: FamilyRow, space: tuple[SpaceRecord, ...] | None) -> FamilyRow:
    """The row with path errors on the first walk, in arenas of 1 to 3 times the trained side.

    Position is read in two ways, near the last reading and anywhere in the arena. A periodic code
    needs the first; a code of places is better read by the second, since the first can be led out
    of its box. The smaller median counts.
    """
    found: dict[str, Any] = {}
    for record in space or ():
        first = (space or ())[0]
        if record is not first and (
            record.walk != first.walk or record.arena_over_training == first.arena_over_training
        ):
            continue
        sides = f"{record.arena_over_training:g}".replace(".", "_")
        at = "" if record.arena_over_training == 1 else f"_at_{sides}"
        for reading in record.decoding:
            if reading.steps not in HORIZONS:
                continue
            name = f"path_{reading.steps}_m" if not at else f"path_{reading.steps}{at}"
            found[name] = _better(reading)
            if reading.steps == HORIZONS[-1] and not record.reasons.get("decoding"):
                found[f"lost_{reading.steps}{at}"] = reading.lost_share
                found[f"chance_{reading.steps}_m{at}"] = reading.chance_m
    return replace(row, **{name: v for name, v in found.items() if hasattr(row, name)})


def _better(reading: DecodingRecord) -> float | None:
    """The smaller median of both readings; None where both are lost."""
    known_m = [m for m in (reading.tracked_m[1], reading.anywhere_m[1]) if m is not None]
    return min(known_m, default=None)


def with_theory(row: FamilyRow, summary: Summary) -> FamilyRow:
    """The row with topology and coding properties."""
    theory = summary.theory
    if theory is None:
        return row
    modules = [p for p in theory.state_space.populations if p.module is not None]
    row = replace(row, tori=sum(p.topology.torus for p in modules), tori_of=len(modules))
    if theory.coding is None:
        return row
    properties: PropertiesRecord = theory.coding.codes[0].properties
    return replace(
        row,
        capacity_1m_bits=_bits(properties.capacity, 1.0),
        capacity_2m_bits=_bits(properties.capacity, 2.0),
        capacity_area_exponent=properties.capacity.area_exponent,
        **{name: getattr(properties, name).headline for name in PROPERTIES},
    )


def _bits(capacity: CapacityProperty, side_m: float) -> float | None:
    """Places told apart in a square of this side, bits, between the sides that were measured."""
    found = [(r.side_m, r.capacity) for r in capacity.by_area if r.side_m and r.capacity]
    sides, places = np.array(found or [(np.nan, np.nan)]).T
    if not sides[0] <= side_m * 1.001 or not side_m <= sides[-1] * 1.001:
        return None
    return rounded(np.interp(np.log(side_m), np.log(sides), np.log2(places)))


def lattice_share_beyond(
    system: System, config: EvaluationConfig, progress: Progress = None
) -> float | None:
    """Share of active units on lattices outside of the trained square.

    Maps are drawn in an arena of three times its side. The bins of the trained square itself are
    left out, so that a lattice must go on in the frame around it.

    Args:
        system: the model, with `extent_m`.
        config: smoothing, levels and seed.
        progress: called with (what, done, total).

    Returns:
        The share; None where the model is not defined out there or no unit is active.
    """
    extent = system.extent_m
    if extent is None:
        return None
    if not system.is_defined_in(BEYOND * extent):
        return None
    arena = BEYOND * extent
    walkers = max(16, round(BEYOND_SAMPLES * BEYOND_BINS**2 / BEYOND_STEPS))
    walk = WALKS["smooth"](
        arena_m=arena,
        steps=BEYOND_STEPS,
        walkers=walkers,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng([config.seed, 43]),
    )
    show = None if progress is None else lambda done, total: progress("beyond", done, total)
    data = roll_rate_maps(system, walk, bin_size_m=arena / BEYOND_BINS)
    x, y = (np.abs(data[axis].values) < extent / 2 for axis in ("x", "y"))
    inside = y[:, None] & x
    data["rate"] = data["rate"].where(~xr.DataArray(inside, dims=("y", "x")))
    scored = score_dataset(
        data, smoothing_bins=config.smoothing_bins, silent_below=config.silent_below
    )
    found = analyse_population(
        scored,
        smoothing_bins=config.smoothing_bins,
        silent_below=config.silent_below,
        nulls=BEYOND_NULLS,
        level=config.significance,
        false_discovery_rate=config.false_discovery_rate,
        seed=config.seed,
        progress=show,
    ).summary.types
    active = sum(found.values()) - found["silent"]
    return float(sum(found[kind] for kind in LATTICE_TYPES) / active) if active else None
