"""What was found of state space, dynamics and code, in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gridcode.report.style import p_text

Row = Mapping[str, Any]
# What is closer to 0 than this is 0 but for rounding.
ROUNDING = 1e-9


def headline(value: float) -> str:
    """A property's number in two digits; what is 0 but for rounding is 0."""
    if abs(value) < ROUNDING:
        return "0"
    return f"{value:.2g}" if abs(value) < 0.995 else f"{value:.1f}"


def sentences(found: Row) -> list[str]:
    """What was found, in words: topology, dynamics, mechanism, coding.

    Args:
        found: `theory` of the summary.
    """
    said = state_space_sentences(found["state_space"])
    said += [text for text in (_dynamics_sentence(found["dynamics"]), _rest_sentence(found["dynamics"]), _coding_sentence(found["coding"])) if text]
    said += [f"Not measured: {name} ({reason})." for name, reason in found["reasons"].items()]
    if found["dynamics"] and found["dynamics"]["reason"]:
        said.append(f"Dynamics not measured as a whole: {found['dynamics']['reason']}.")
    return said


def state_space_sentences(space: Row) -> list[str]:
    """What was found of state space and topology, in words.

    Args:
        space: `state_space` of the summary.
    """
    said = [_topology_sentence(row) for row in space["populations"] if row["module"] is not None or len(space["populations"]) == 1]
    wrong = [c["name"] for c in space["controls"] if not c["as_expected"]]
    if space["controls"]:
        said.append(
            "Controls of known shape came out as they should."
            if not wrong
            else f"Controls that did not come out as they should: {', '.join(wrong)}. Trust no torus here."
        )
    said += [f"Not measured: {row['name'].replace('_', ' ')} ({row['reason']})." for row in space["skipped"]]
    return said


def _topology_sentence(row: Row) -> str:
    shape, who = row["topology"], f"{'all' if row['module'] is None else ''} {row['n_units']} units".strip()
    who = f"module {row['module']} ({who})" if row["module"] is not None else who
    betti = ", ".join(str(b) for b in shape["betti"])
    if not shape["torus"]:
        return f"The states of {who} were not shown to lie on a torus: Betti numbers {betti}."
    text = f"The states of {who} lie on a torus: Betti numbers {betti}, p = {p_of(shape['torus_p_value'])} against shuffles and shorter bars."
    if row["toroidal"] and row["toroidal"]["correlation"] and None not in row["toroidal"]["correlation"]:
        agree = ", ".join(f"{c:.2f}" for c in row["toroidal"]["correlation"])
        text += f" Coordinates found on it without any position agree with the lattice's phases to a circular correlation of {agree}"
        text += "." if row["toroidal"]["unimodular"] else ", but do not go around its own two loops."
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
        said.append(f"Of a displacement along the manifold {round(100 * left)}% is left after {last['steps']} steps{beside} (medians).")
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
    cell = "" if rest["per_unit_cell"] is None else f", about {rest['per_unit_cell']:.0f} in a unit cell"
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
        still = "" if update["null"] is None else f", {headline(update['null'])} if the state is left as it is"
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
