"""What was found of state space, dynamics and code, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.report.style import p_text

Row = Mapping[str, Any]
# What is closer to 0 than this is 0 but for rounding.
ROUNDING = 1e-9


def headline(value: float) -> str:
    """A property's number in two digits; what is 0 but for rounding is 0."""
    if abs(value) < ROUNDING:
        return "0"
    return f"{value:.2g}" if abs(value) < 0.995 else f"{value:.1f}"


def verdict_sentence(summary: Row, *, units: int, active: int) -> str:
    """The findings in one sentence: active units, grid cells, modules, spacings, path integration.

    Args:
        summary: of an evaluation or of a scored population.
        units: how many there are.
        active: how many of them fire.
    """
    found = summary.get("headline", summary)
    types, settings, modules = found["types"], found["settings"], summary["modules"]
    if not active:
        return (
            f"None of the {units} units fires anywhere."
            if units != 1
            else "The unit fires nowhere."
        )
    lattices = sum(types[kind] for kind in LATTICE_TYPES)
    others = [f"{types[kind]} {kind}" for kind in LATTICE_TYPES[1:] if types[kind]]
    cells = f"{types['hexagonal']} {'is a grid cell' if types['hexagonal'] == 1 else 'are grid cells'} (hexagonal"
    cells += f", beside {' and '.join(others)}" if others and lattices > types["hexagonal"] else ""
    cells += f"; each p \u2264 {settings['level']:g}, false-discovery rate {100 * settings['false_discovery_rate']:g}%)"
    said = [
        f"{active} of {units} units {'is' if active == 1 else 'are'} active",
        cells,
        _modules_in_short(modules, found["n_independent_modules"]),
    ]
    if summary.get("space") and (error := _path_error_in_short(summary["space"][0]["decoding"])):
        said.append(error)
    return f"{'; '.join(said)}."


def _modules_in_short(modules: Sequence[Row], independent: int) -> str:
    if not modules:
        return "there are no modules (no group of units shares a lattice beyond what chance gives)"
    spacings = ", ".join(f"{m['spacing_m']:.2f}" for m in modules)
    if len(modules) == 1:
        return f"{modules[0]['n_units']} units form one module with a spacing of {spacings} m"
    ratios = ", ".join(f"{m['ratio_to_next']:.2f}" for m in modules[:-1])
    how = {
        1: "which are one lattice and its sub-lattices",
        len(modules): "independent of one another",
    }.get(independent, f"{independent} of them independent of one another")
    together = sum(m["n_units"] for m in modules)
    return f"{together} units form {len(modules)} modules, {how}, with spacings of {spacings} m (ratio{'s' if len(modules) > 2 else ''} {ratios})"


def _path_error_in_short(decoding: Sequence[Row]) -> str:
    """Median errors of the place read from the state after about a hundred and a thousand steps."""
    shown = [
        row for row in decoding if row["steps"] in (100, 1000) and row["tracked_m"][1] is not None
    ] or list(decoding[-1:])
    errors = [
        f"{_length(row['tracked_m'][1])} after {row['steps']:,} steps"
        for row in shown
        if row["tracked_m"][1] is not None
    ]
    median = "medians" if len(errors) > 1 else "median"
    return (
        f"place read from the state alone is off by {' and '.join(errors)} ({median})"
        if errors
        else ""
    )


def _length(metres: float) -> str:
    return (
        f"{100 * metres:.1f} cm"
        if metres < 0.1
        else f"{100 * metres:.0f} cm"
        if metres < 1
        else f"{metres:.1f} m"
    )


def sentences(found: Row) -> list[str]:
    """What was found, in words: topology, dynamics, mechanism, coding.

    Args:
        found: `theory` of the summary.
    """
    said = state_space_sentences(found["state_space"])
    said += [
        text
        for text in (
            _dynamics_sentence(found["dynamics"]),
            _rest_sentence(found["dynamics"]),
            _coding_sentence(found["coding"]),
        )
        if text
    ]
    said += [f"Not measured: {name} ({reason})." for name, reason in found["reasons"].items()]
    if found["dynamics"] and found["dynamics"]["reason"]:
        said.append(f"Dynamics not measured as a whole: {found['dynamics']['reason']}.")
    return said


def state_space_sentences(space: Row) -> list[str]:
    """What was found of state space and topology, in words.

    Args:
        space: `state_space` of the summary.
    """
    said = [
        _topology_sentence(row)
        for row in space["populations"]
        if row["module"] is not None or len(space["populations"]) == 1
    ]
    wrong = [c["name"] for c in space["controls"] if not c["as_expected"]]
    if space["controls"]:
        said.append(
            "Controls of known shape came out as they should."
            if not wrong
            else f"Controls that did not come out as they should: {', '.join(wrong)}. Trust no torus here."
        )
    said += [
        f"Not measured: {row['name'].replace('_', ' ')} ({row['reason']})."
        for row in space["skipped"]
    ]
    return said


def _topology_sentence(row: Row) -> str:
    shape, who = (
        row["topology"],
        f"{'all' if row['module'] is None else ''} {row['n_units']} units".strip(),
    )
    who = f"module {row['module']} ({who})" if row["module"] is not None else who
    betti = ", ".join(str(b) for b in shape["betti"])
    if not shape["torus"]:
        return f"The states of {who} were not shown to lie on a torus: Betti numbers {betti}."
    text = f"The states of {who} lie on a torus: Betti numbers {betti}, p = {p_of(shape['torus_p_value'])} against shuffles and shorter bars."
    if (
        row["toroidal"]
        and row["toroidal"]["correlation"]
        and None not in row["toroidal"]["correlation"]
    ):
        agree = ", ".join(f"{c:.2f}" for c in row["toroidal"]["correlation"])
        text += f" Coordinates found on it without any position agree with the lattice's phases to a circular correlation of {agree}"
        text += (
            "." if row["toroidal"]["unimodular"] else ", but do not go around its own two loops."
        )
    return text


def _dynamics_sentence(found: Row | None) -> str:
    if not found or not found["perturbation"] or not found["perturbation"]["rows"]:
        return ""
    kick = found["perturbation"]
    last = kick["rows"][-1]
    half, left, off = kick["off_half_life_steps"], last["on"][1], last["off"][1]
    said = [] if half is None else [f"Kicks off the manifold halve in {half:.1f} steps."]
    if left is not None:
        beside = "" if off is None else f", of a kick off it {round(100 * off)}%"
        said.append(
            f"Of a displacement along the manifold {round(100 * left)}% is left after {last['steps']} steps{beside} (medians)."
        )
    return " ".join(said)


def _rest_sentence(found: Row | None) -> str:
    rest = found["return_map"] if found else None
    if not rest or not rest["points"] or rest["way_m"][1] is None:
        return ""
    stopped, started = rest["outcomes"]["fixed point"], sum(rest["outcomes"].values())
    share = f"all {started}" if stopped == started else f"{stopped} of {started}"
    text = f"At rest {share} states followed come to a stop, {100 * rest['way_m'][1]:.0f} cm away (median)"
    if rest["distinct"] == 1:
        return f"{text}, all at one fixed point: it keeps no place."
    if rest["estimated"] is None:
        return f"{text}, no two at the same fixed point: on a sheet of them, as on a continuous attractor, or on more than can be counted."
    cell = (
        ""
        if rest["per_unit_cell"] is None
        else f", about {rest['per_unit_cell']:.0f} in a unit cell"
    )
    apart = "" if rest["spacing_m"] is None else f" and {100 * rest['spacing_m']:.0f} cm apart"
    return f"{text}, at separate fixed points: {rest['distinct']} seen{cell}{apart}. On a continuous attractor they would stay where they are."


def _coding_sentence(found: Row | None) -> str:
    if not found:
        return ""
    own = found["codes"][0]
    p = own["properties"]
    if p["capacity"]["headline"] is None:
        return ""
    places = f"2^{p['capacity']['headline']:.1f} places"
    text = f"In an arena of {own['arena_m']:g} m the code tells {places} apart at noise of {own['noise']:.0%} of its length"
    independent = (p["capacity"].get("independent_modules") or {}).get("number")
    text += "." if independent is None else f" and acts as {independent:.1f} independent modules."
    update, phases = p["update"], p["algebraic"]
    if update["headline"] is not None:
        still = (
            ""
            if update["null"] is None
            else f", {headline(update['null'])} if the state is left as it is"
        )
        text += f" One linear operator for each displacement, wherever it is made: R2 {update['headline']:.2f} (1: exactly{still})."
    if phases["headline"] is not None:
        chance = "" if phases["null"] is None else f", {headline(phases['null'])}: chance"
        text += f" Sums of phases: {phases['headline']:.2f} (1: phases add exactly{chance})."
    return text


def percent(value: float | None) -> str:
    """A share in whole percent, or a dash."""
    return "-" if value is None else f"{value:.0%}"


def p_of(value: float | None) -> str:
    """A p-value as it stands in JSON, in one or two digits, or a dash."""
    return p_text(np.nan if value is None else value)
