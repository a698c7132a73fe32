"""Tables of a page as text; a column without any number is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gridcode.analysis.records import ArenaRecord, ModuleRecord, RelationRecord, UnitRecord
from gridcode.analysis.records.coding import CodeRecord, PropertyRecord
from gridcode.analysis.records.navigation import RobustnessRecord, SpaceRecord
from gridcode.analysis.records.topology import StateSpaceRecord, StatesRecord, TopologyRecord
from gridcode.analysis.text import p_text, small
from gridcode.report.deep_analysis_figures import PROPERTIES
from gridcode.report.distance_figures import condition
from gridcode.report.state_space_figures import betti_text, population_name

Row = TypeVar("Row")
MISSING = "-"


@dataclass(frozen=True)
class Table:
    """Headings and rows of cells, all text; `text_columns` are set to the left."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: frozenset[int] = frozenset()


def unit_table(units: Sequence[UnitRecord]) -> Table:
    """Every unit, best hexagonal score first, silent ones last."""
    return _table(
        sorted(units, key=lambda u: (u.silent, -9.0 if u.grid_score is None else -u.grid_score)),
        {
            "unit": lambda u: str(u.unit),
            "type": lambda u: u.type,
            "tuning": lambda u: u.tuning or MISSING,
            "module": lambda u: _number(u.module, "g"),
            "score": lambda u: _number(u.grid_score),
            "score p": lambda u: p_text(u.grid_score_p_value),
            "score of 95% of nulls": lambda u: _number(u.grid_score_null_95),
            "corrected": lambda u: _number(u.corrected),
            "square": lambda u: _number(u.square),
            "lattice z": lambda u: _number(u.lattice_z),
            "lattice p": lambda u: p_text(u.lattice_p_value),
            "lattice q": lambda u: p_text(u.q_value),
            "spacing (m)": lambda u: _number(u.spacing_m, ".3f"),
            "orientation (deg)": lambda u: _number(u.orientation_deg, ".1f"),
            "axis ratio": lambda u: _number(u.axis_ratio),
            "fields": lambda u: _number(u.field_count, "g"),
            "field size (m)": lambda u: _number(u.field_size_m),
            "peak": lambda u: _number(u.peak_rate, ".3f"),
            "bits per spike": lambda u: _number(u.information_bits),
            "stability": lambda u: _number(u.stability),
            "spatial p": lambda u: p_text(u.spatial_p_value),
            "mean vector": lambda u: _number(u.mean_vector_length),
            "direction p": lambda u: p_text(u.direction_p_value),
            "speed score": lambda u: _number(u.speed_score),
            "speed p": lambda u: p_text(u.speed_p_value),
            "border score": lambda u: _number(u.border_score),
            "border p": lambda u: p_text(u.border_p_value),
            "evidence": lambda u: u.evidence or MISSING,
            "note": lambda u: u.reason or MISSING,
        },
        text={"unit", "type", "tuning", "evidence", "note"},
    )


def module_table(modules: Sequence[ModuleRecord], relations: Sequence[RelationRecord]) -> Table:
    """Every module, smallest spacing first, with its relation to the next one."""
    to_next = {relation.modules: relation.verdict for relation in relations}
    return _table(
        modules,
        {
            "module": lambda m: str(m.module),
            "units": lambda m: str(m.n_units),
            "p": lambda m: p_text(m.p_value),
            "spacing (m)": lambda m: _number(m.spacing_m, ".3f"),
            "spread": lambda m: _number(m.spacing_spread, ".1%"),
            "orientation (deg)": lambda m: _number(m.orientation_deg, ".1f"),
            "spread (deg)": lambda m: _number(m.orientation_spread_deg, ".1f"),
            "axis ratio": lambda m: _number(m.axis_ratio),
            "phases uniform: p": lambda m: p_text(m.phase_uniformity_p),
            "largest gap of phases (1: random)": lambda m: _number(m.phase_coverage),
            "ratio to the next": lambda m: _number(m.ratio_to_next),
            "and the next": lambda m: to_next.get((m.module, m.module + 1), MISSING),
        },
        text={"and the next"},
    )


def relation_in_words(relation: RelationRecord) -> str:
    """How the lattices of two modules are related, as a sentence."""
    first, second = relation.modules
    text = f"Modules {first} and {second}: {relation.verdict}."
    error = _number(relation.error, ".1%")
    if relation.verdict == "independent":
        nearest = "" if relation.error is None else f"; the nearest misses by {error}"
        return f"{text} No lattice of a few of their cells is common to both{nearest}."
    if not relation.index:
        return text
    common = "They are the same lattice"
    if relation.index > 1:
        common = f"A lattice with cells of up to {relation.index} of theirs is common to both"
    within = "" if relation.error is None else f" within {error}"
    chance = p_text(relation.chance_p_value)
    return f"{text} {common}{within}; unrelated lattices have one as good with p = {chance}."


def space_table(rows: Sequence[SpaceRecord]) -> Table:
    """Neural distance, path invariance and path integration: a row for each walk and arena."""
    lengths = sorted({i.steps for row in rows for i in row.invariance})
    shown = sorted({lengths[len(lengths) // 2], lengths[-1]}) if lengths else []

    def invariance(steps: int) -> Callable[[SpaceRecord], str]:
        return lambda row: _number(
            next((i.fraction for i in row.invariance if i.steps == steps), None), ".2%"
        )

    def tracked(steps: int) -> Callable[[SpaceRecord], str]:
        return lambda row: _metres(
            next((d.tracked_m[1] for d in row.decoding if d.steps == steps), None)
        )

    def reckoned(steps: int) -> Callable[[SpaceRecord], str]:
        return lambda row: _metres(
            next((d.dead_reckoning_m[1] for d in row.decoding if d.steps == steps), None)
        )

    cells: dict[str, Callable[[SpaceRecord], str]] = {
        "walk, arena": lambda row: f"{condition(row)} ({row.arena_m:.3g} m)",
        "plateau": lambda row: _number(row.plateau),
        "decorrelation (m)": lambda row: _number(row.decorrelation_m),
        "same place": lambda row: _number(row.same_place),
        "slope (1/m)": lambda row: _number(row.slope_per_m),
    }
    cells |= {f"other path, {n} steps": invariance(n) for n in shown}
    for n in sorted({d.steps for row in rows for d in row.decoding}):
        cells |= {f"error after {n:,}": tracked(n), f"dead reckoning {n:,}": reckoned(n)}
    cells |= {
        "error grows as steps to the": lambda row: _number(row.growth_exponent),
        "nearest alias (m)": lambda row: _number(row.nearest_alias_m),
        "missing": lambda row: (
            "; ".join(f"{name}: {why}" for name, why in row.reasons.items()) or MISSING
        ),
    }
    return _table(rows, cells, text={"walk, arena", "missing"})


def topology_table(space: StateSpaceRecord) -> Table:
    """Topology, dimension, rings and circular coordinates of every population and control."""
    populations: list[tuple[str, TopologyRecord, StatesRecord | None]] = [
        (population_name(row), row.topology, row) for row in space.populations
    ]
    controls: list[tuple[str, TopologyRecord, StatesRecord | None]] = [
        (f"control: {control.name}", control, None) for control in space.controls
    ]

    def longest(found: TopologyRecord, dimension: int) -> str:
        return _several(found.longest[dimension][:3])

    return _table(
        populations + controls,
        {
            "population": lambda row: row[0],
            "Betti numbers": lambda row: betti_text(row[1].betti),
            "torus": lambda row: "yes" if row[1].torus else "not shown",
            "p of loops": lambda row: p_text(row[1].p_value[1]),
            "p of voids": lambda row: p_text(row[1].p_value[2]),
            "longest loops": lambda row: longest(row[1], 1),
            "95% of shuffles below": lambda row: _number(row[1].null_95[1]),
            "longest voids": lambda row: longest(row[1], 2),
            # The blank keeps the two names apart and is not shown.
            "95% of shuffles below ": lambda row: _number(row[1].null_95[2]),
            "dimension": lambda row: _number(row[2].dimension, ".1f") if row[2] else MISSING,
            "rings: correlation": lambda row: (
                _several(row[2].rings.correlation) if row[2] and row[2].rings else MISSING
            ),
            "rings: position error (m)": lambda row: (
                _several(row[2].rings.place_error_m, ".3f") if row[2] and row[2].rings else MISSING
            ),
            "circular coordinates: correlation with phases": lambda row: (
                _several(row[2].toroidal.correlation or ())
                if row[2] and row[2].toroidal
                else MISSING
            ),
        },
        text={"population"},
    )


def coding_table(codes: Sequence[CodeRecord]) -> Table:
    """The properties of every code, each with its null or expectation in brackets."""

    def cell(name: str) -> Callable[[CodeRecord], str]:
        def write(code: CodeRecord) -> str:
            found: PropertyRecord = getattr(code.properties, name)
            if found.headline is None:
                return found.reason or MISSING
            beside = found.expected if found.null is None else found.null
            return small(found.headline) + ("" if beside is None else f" ({small(beside)})")

        return write

    cells: dict[str, Callable[[CodeRecord], str]] = {"code": lambda code: code.code}
    for name, title in PROPERTIES.items():
        unit = getattr(codes[0].properties, name).unit
        cells[title if name == "capacity" else f"{title} ({unit})"] = cell(name)
    return _table(codes, cells, text={"code"})


def robustness_table(rows: Sequence[RobustnessRecord]) -> Table:
    """Path errors under every disturbance; those of a perfect integrator in brackets."""

    def error(steps: int) -> Callable[[RobustnessRecord], str]:
        def write(row: RobustnessRecord) -> str:
            found = next((e for e in row.errors if e.steps == steps), None)
            if found is None:
                return MISSING
            perfect = found.perfect_m[1]
            beside = "" if perfect is None else f" ({_metres(perfect)})"
            return _metres(found.tracked_m[1]) + beside

        return write

    cells: dict[str, Callable[[RobustnessRecord], str]] = {
        "disturbance": lambda row: f"{row.kind} {row.level:g}"
    }
    for n in sorted({e.steps for row in rows for e in row.errors}):
        cells[f"error after {n:,} step{'' if n == 1 else 's'} (m)"] = error(n)
    cells["missing"] = lambda row: row.reason or MISSING
    return _table(rows, cells, text={"disturbance", "missing"})


def arena_table(arenas: Sequence[ArenaRecord]) -> Table:
    """Scores in every arena."""

    def median(name: str) -> Callable[[ArenaRecord], str]:
        return lambda arena: _number((getattr(arena, f"{name}_quartiles") or (None,) * 3)[1])

    return _table(
        arenas,
        {
            "walk, arena": lambda a: f"{a.walk}, {a.arena_m:g} m",
            "active": lambda a: str(a.active_units),
            "silent": lambda a: str(a.silent_units),
            "median score": median("grid_score"),
            "median corrected": median("corrected"),
            "median square": median("square"),
            "median spacing (m)": median("spacing_m"),
            "median axis ratio": median("axis_ratio"),
            "visited": lambda a: _number(a.visited_share, ".0%"),
        },
        text={"walk, arena"},
    )


def _table(
    rows: Sequence[Row], cells: Mapping[str, Callable[[Row], str]], *, text: set[str]
) -> Table:
    columns = {name: [cell(row) for row in rows] for name, cell in cells.items()}
    kept = {name: found for name, found in columns.items() if set(found) - {MISSING}}
    return Table(
        head=tuple(name.strip() for name in kept),
        rows=tuple(zip(*kept.values(), strict=True)),
        text_columns=frozenset(k for k, name in enumerate(kept) if name in text),
    )


def _number(value: float | None, form: str = ".2f") -> str:
    return MISSING if value is None else f"{value:{form}}"


def _several(found: Sequence[float | None], form: str = ".2f") -> str:
    return ", ".join(_number(value, form) for value in found) or MISSING


def _metres(value: float | None) -> str:
    return _number(value, ".3f" if value is not None and value < 0.1 else ".2f")
