"""Tables of a page as text: units, modules, the test of space, arenas. What a page has no number for in any row gets no column."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridcode.report.deep_analysis_figures import PROPERTIES
from gridcode.report.distance_figures import condition
from gridcode.report.state_space_figures import betti_text, population_name
from gridcode.report.style import p_text
from gridcode.report.words import headline

Row = Mapping[str, Any]
Cell = Callable[[Row], str]
MISSING = "-"


@dataclass(frozen=True)
class Table:
    """Headings and rows of cells, all text; `text_columns` are set to the left."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: frozenset[int] = frozenset()


def unit_table(units: Sequence[Row]) -> Table:
    """Every unit, best hexagonal score first, silent ones last."""
    ordered = sorted(
        units,
        key=lambda u: (u["type"] == "silent", -(u["minmax"] if u["minmax"] is not None else -9.0)),
    )
    return _table(
        ordered,
        {
            "unit": lambda u: str(u["unit"]),
            "type": lambda u: u["type"],
            "module": _plain("module"),
            "score": _fixed("minmax"),
            "hexagonal p": _p("p_value"),
            "score of 95% of nulls": _fixed("null_95"),
            "corrected": _fixed("corrected"),
            "corrected p": _p("lattice_p_value"),
            "square": _fixed("square"),
            "square p": _p("square_p_value"),
            "any lattice p": _p("any_lattice_p_value"),
            "q": _p("q_value"),
            "spacing (m)": _fixed("spacing_m", 3),
            "orientation (deg)": _fixed("orientation_deg", 1),
            "axis ratio": _fixed("axis_ratio"),
            "fields": _plain("field_count"),
            "field size (m)": _fixed("field_size_m"),
            "peak": _fixed("peak_rate", 3),
            "bits per spike": _fixed("information_bits"),
            "stability": _fixed("stability"),
            "spatial p": _p("spatial_p_value"),
            "evidence": lambda u: u["evidence"] or MISSING,
            "note": lambda u: u["reason"] or MISSING,
        },
        text={"unit", "type", "evidence", "note"},
    )


def module_table(modules: Sequence[Row], relations: Sequence[Row]) -> Table:
    """Every module, smallest spacing first, with what it has to do with the next one."""
    to_next = {tuple(r["modules"]): r["verdict"] for r in relations}
    return _table(
        modules,
        {
            "module": _plain("module"),
            "units": _plain("n_units"),
            "p": _p("p_value"),
            "spacing (m)": _fixed("spacing_m", 3),
            "spread": lambda m: (
                MISSING if m["spacing_spread"] is None else f"{m['spacing_spread']:.1%}"
            ),
            "orientation (deg)": _fixed("orientation_deg", 1),
            "spread (deg)": _fixed("orientation_spread_deg", 1),
            "axis ratio": _fixed("axis_ratio"),
            "phases uniform: p": _p("phase_uniformity_p"),
            "largest gap of phases (1: random)": _fixed("phase_coverage"),
            "ratio to the next": _fixed("ratio_to_next"),
            "and the next": lambda m: to_next.get((m["module"], m["module"] + 1), MISSING),
        },
        text={"and the next"},
    )


def relation_in_words(relation: Row) -> str:
    """What two modules have to do with one another, as a sentence."""
    first, second = relation["modules"]
    text = f"Modules {first} and {second}: {relation['verdict']}."
    within = "" if relation["error"] is None else f" within {relation['error']:.1%}"
    chance = MISSING if relation["chance_p_value"] is None else p_text(relation["chance_p_value"])
    index = relation["index"]
    if relation["verdict"] == "independent":
        nearest = (
            "" if relation["error"] is None else f"; the nearest misses by {relation['error']:.1%}"
        )
        return f"{text} No lattice of a few of their cells is common to both{nearest}."
    if not index:
        return text
    common = (
        "They are the same lattice"
        if index == 1
        else f"A lattice with cells of up to {index} of theirs is common to both"
    )
    return f"{text} {common}{within}; unrelated lattices have one as good with p = {chance}."


def space_table(rows: Sequence[Row]) -> Table:
    """The test of space: a row for each walk and arena."""
    horizons = sorted({d["steps"] for row in rows for d in row["decoding"]})
    lengths = sorted({i["steps"] for row in rows for i in row["invariance"]})
    shown = sorted({lengths[len(lengths) // 2], lengths[-1]}) if lengths else []

    def at(row: Row, part: str, steps: int) -> Row:
        return next((r for r in row[part] if r["steps"] == steps), {})

    def error(name: str, steps: int) -> Cell:
        return lambda row: _metres((at(row, "decoding", steps).get(name) or [None] * 3)[1])

    def invariance(steps: int) -> Cell:
        return lambda row: (
            MISSING
            if (value := at(row, "invariance", steps).get("fraction")) is None
            else f"{value:.2%}"
        )

    cells: dict[str, Cell] = {
        "walk, arena": lambda row: f"{condition(row)} ({row['arena_m']:.3g} m)",
        "plateau": _fixed("plateau"),
        "decorrelation (m)": _fixed("decorrelation_m"),
        "same place": _fixed("same_place"),
        "slope (1/m)": _fixed("slope_per_m"),
    }
    cells |= {f"other path, {n} steps": invariance(n) for n in shown}
    for n in horizons:
        cells |= {
            f"error after {n:,}": error("tracked_m", n),
            f"dead reckoning {n:,}": error("dead_reckoning_m", n),
        }
    cells |= {
        "error grows as steps to the": _fixed("growth_exponent"),
        "looks alike after (m)": _fixed("nearest_alias_m"),
        "missing": lambda row: (
            "; ".join(f"{name}: {why}" for name, why in row["reasons"].items()) or MISSING
        ),
    }
    return _table(rows, cells, text={"walk, arena", "missing"})


def topology_table(space: Row) -> Table:
    """Every population and control: Betti numbers, lifetimes, p-values, rings and toroidal coordinates."""
    rows = [
        *(
            {
                "who": population_name(row),
                "rings": row["rings"],
                "toroidal": row["toroidal"],
                "dimension": row["dimension"],
            }
            | row["topology"]
            for row in space["populations"]
        ),
        *(
            {"who": f"control: {c['name']}", "rings": None, "toroidal": None, "dimension": None} | c
            for c in space["controls"]
        ),
    ]

    def longest(dimension: int) -> Cell:
        return lambda row: ", ".join(f"{v:.2f}" for v in row["longest"][dimension][:3]) or MISSING

    def several(part: str, name: str, digits: int = 2) -> Cell:
        return lambda row: (
            MISSING
            if not row[part] or not row[part][name]
            else ", ".join(MISSING if v is None else f"{v:.{digits}f}" for v in row[part][name])
        )

    return _table(
        rows,
        {
            "population": lambda row: row["who"],
            "Betti numbers": lambda row: betti_text(row["betti"]),
            "torus": lambda row: "yes" if row["torus"] else "not shown",
            "p of loops": lambda row: p_text(row["p_value"][1]),
            "p of voids": lambda row: p_text(row["p_value"][2]),
            "longest loops": longest(1),
            "95% of shuffles below": lambda row: f"{row['null_95'][1]:.2f}",
            "longest voids": longest(2),
            "95% of shuffles below ": lambda row: f"{row['null_95'][2]:.2f}",
            "dimension": _fixed("dimension", 1),
            "rings: correlation": several("rings", "correlation"),
            "rings: place error (m)": several("rings", "place_error_m", 3),
            "toroidal coordinates: correlation with phases": several("toroidal", "correlation"),
        },
        text={"population"},
    )


def coding_table(codes: Sequence[Row]) -> Table:
    """The properties of every code, each with its null or expectation in brackets."""

    def cell(name: str) -> Cell:
        def write(code: Row) -> str:
            row = code["properties"][name]
            if row["headline"] is None:
                return row["reason"] or MISSING
            beside = row["null"] if row["null"] is not None else row["expected"]
            return headline(row["headline"]) + ("" if beside is None else f" ({headline(beside)})")

        return write

    units = {name: codes[0]["properties"][name]["unit"] for name in PROPERTIES}
    cells: dict[str, Cell] = {"code": lambda code: code["code"]}
    cells |= {
        title if name == "capacity" else f"{title} ({units[name]})": cell(name)
        for name, title in PROPERTIES.items()
    }
    return _table(codes, cells, text={"code"})


def robustness_table(rows: Sequence[Row]) -> Table:
    """Error of path integration under every disturbance, at every horizon; a perfect integrator's in brackets."""
    horizons = sorted({e["steps"] for row in rows for e in row["errors"]})

    def error(steps: int) -> Cell:
        def write(row: Row) -> str:
            found = next((e for e in row["errors"] if e["steps"] == steps), None)
            if found is None:
                return MISSING
            perfect = found["perfect_m"][1] if found["perfect_m"] else None
            return _metres(found["tracked_m"][1]) + (
                "" if perfect is None else f" ({_metres(perfect)})"
            )

        return write

    cells: dict[str, Cell] = {"disturbance": lambda row: f"{row['kind']} {row['level']:g}"}
    cells |= {
        f"error after {n:,}" + (" step (m)" if n == 1 else " steps (m)"): error(n) for n in horizons
    }
    return _table(
        rows,
        cells | {"missing": lambda row: row["reason"] or MISSING},
        text={"disturbance", "missing"},
    )


def arena_table(arenas: Sequence[Row]) -> Table:
    """Scores in every arena."""

    def median(name: str) -> Cell:
        return lambda a: MISSING if not a[name] else f"{a[name][1]:.2f}"

    return _table(
        arenas,
        {
            "walk, arena": lambda a: f"{a['walk']}, {a['arena_m']:g} m",
            "active": _plain("active_units"),
            "silent": _plain("silent_units"),
            "median score": median("minmax_quartiles"),
            "median corrected": median("corrected_quartiles"),
            "median square": median("square_quartiles"),
            "median spacing (m)": median("spacing_m_quartiles"),
            "median axis ratio": median("axis_ratio_quartiles"),
            "visited": lambda a: f"{a['visited_share']:.0%}",
        },
        text={"walk, arena"},
    )


def _table(rows: Sequence[Row], cells: Mapping[str, Cell], *, text: set[str]) -> Table:
    columns = {name: [cell(row) for row in rows] for name, cell in cells.items()}
    kept = {name: values for name, values in columns.items() if any(v != MISSING for v in values)}
    return Table(
        head=tuple(name.strip() for name in kept),
        rows=tuple(zip(*kept.values(), strict=True)),
        text_columns=frozenset(k for k, name in enumerate(kept) if name in text),
    )


def _plain(name: str) -> Cell:
    return lambda row: MISSING if row[name] is None else f"{row[name]:g}"


def _fixed(name: str, digits: int = 2) -> Cell:
    return lambda row: MISSING if row[name] is None else f"{row[name]:.{digits}f}"


def _p(name: str) -> Cell:
    return lambda row: MISSING if row[name] is None else p_text(row[name])


def _metres(value: float | None) -> str:
    """Metres, in millimetres' detail where it is small."""
    return MISSING if value is None else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
