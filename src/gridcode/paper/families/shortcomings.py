"""The four shortcomings that the paper sees in supervised networks, measured in every family.

The rules were fixed before any model was made. A shortcoming is `present`, `absent`, or `unclear`;
`reason` gives the numbers. Section 4 of the paper names them: (1) the representation is set by the
targets; (2) position is given; (3) modules are absent or inserted; (4) failure beyond the training
arena.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from gridcode.paper.ablation.rows import Number
from gridcode.paper.families.measure import FamilyRow
from gridcode.paper.families.members import (
    MAIN,
    NETWORKS,
    SCALE,
    SCALES,
    SHUFFLED,
    default_scale,
    inserted_modules,
    title_of,
)
from gridcode.paper.tables import counted, known, median, spread

PRESENT, ABSENT, UNCLEAR = "present", "absent", "unclear"
FEWEST_SEEDS = 3
# Of log spacing on log setting: beyond it on either side the setting sets the spacing.
LEAST_SLOPE = 0.25
# A share below this part of the other one is a loss, and a share this small is none to lose.
HALF, LEAST_SHARE = 0.5, 0.2
# Modules are scales: with less between the largest and the smallest spacing they are orientations.
LEAST_RATIO = 1.2
NAMES = {
    1: "spacing set by a length chosen by hand",
    2: "position is given",
    3: "modules absent or put in",
    4: "failure beyond the trained square",
}


@dataclass(frozen=True)
class Shortcoming:
    """One shortcoming of one model.

    Attributes:
        number: 1 to 4.
        model: name of the model.
        name: the shortcoming.
        models: how many models the numbers are from.
        value: the number that the verdict rests on: slope, share, modules, share.
        low: lower end of its 95% interval, or smallest value over seeds.
        high: upper end, or largest value.
        compared_with: what it is compared with, where there is something.
        verdict: `present`, `absent` or `unclear`.
        reason: the numbers in words.
    """

    number: int
    model: str
    name: str
    models: int
    value: Number = None
    low: Number = None
    high: Number = None
    compared_with: Number = None
    verdict: str = UNCLEAR
    reason: str = ""


def judge(rows: Sequence[FamilyRow]) -> list[Shortcoming]:
    """The four shortcomings of every model in the table, in its order."""
    models = list(dict.fromkeys(row.model for row in rows))
    parts: tuple[Callable[[str, Sequence[FamilyRow]], Shortcoming | None], ...] = (
        _scale,
        _position,
        _modules,
        _beyond,
    )
    found = [
        part(model, [r for r in rows if r.model == model]) for part in parts for model in models
    ]
    return [one for one in found if one is not None]


def _of(rows: Sequence[FamilyRow], question: str) -> list[FamilyRow]:
    return [row for row in rows if row.question == question and row.status != "failed"]


def _scale(model: str, rows: Sequence[FamilyRow]) -> Shortcoming | None:
    """Slope of log spacing on the log of the setting that may set it."""
    if model not in SCALES or not _of(rows, SCALE):
        return None
    own = [replace(r, value=default_scale(model)) for r in _of(rows, MAIN)]
    varied = [r for r in (*own, *_of(rows, SCALE)) if r.spacing_median_m and r.value]
    setting = SCALES[model][0].split(".")[-1]
    if len({r.value for r in varied}) < 2 or len(varied) < FEWEST_SEEDS:
        reason = f"lattices in {counted(len(varied), 'model')} only"
        return Shortcoming(1, model, NAMES[1], len(varied), reason=reason)
    x, y = (np.log([getattr(r, name) for r in varied]) for name in ("value", "spacing_median_m"))
    fit = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, len(varied) - 2)) * float(fit.stderr) if len(varied) > 2 else 0
    slope = float(fit.slope)
    low, high = slope - half, slope + half
    verdict = UNCLEAR
    if min(abs(low), abs(high)) > LEAST_SLOPE and low * high > 0:
        verdict = PRESENT
    elif max(abs(low), abs(high)) < LEAST_SLOPE:
        verdict = ABSENT
    medians = [
        f"{value:g}: {median([r.spacing_median_m for r in varied if r.value == value]):.2f} m"
        for value in sorted({r.value for r in varied if r.value is not None})
    ]
    what = "no targets; the size of the space covered" if model in NETWORKS else "the setting"
    reason = (
        f"spacing grows as the power {slope:.2f} ({low:.2f} to {high:.2f}) of {setting} "
        f"({what}): {', '.join(medians)}"
    )
    return Shortcoming(1, model, NAMES[1], len(varied), slope, low, high, None, verdict, reason)


def _position(model: str, rows: Sequence[FamilyRow]) -> Shortcoming | None:
    """Share of units on lattices where places are shuffled, and where they are not."""
    shuffled = [r.lattice_share or 0.0 for r in _of(rows, SHUFFLED)]
    if not shuffled:
        return None
    ordered = median([r.lattice_share or 0.0 for r in _of(rows, MAIN)])
    now, low, high = median(shuffled), min(shuffled), max(shuffled)
    assert now is not None
    verdict = UNCLEAR
    if len(shuffled) >= FEWEST_SEEDS and ordered is not None and ordered >= LEAST_SHARE:
        verdict = PRESENT if now < HALF * ordered else ABSENT
    before = "not measured" if ordered is None else f"{ordered:.2f}"
    whose = "places in the objective" if model in NETWORKS else "targets"
    reason = (
        f"with shuffled {whose} {spread(shuffled)} of the active units are on lattices, "
        f"{before} without"
    )
    return Shortcoming(2, model, NAMES[2], len(shuffled), now, low, high, ordered, verdict, reason)


def _modules(model: str, rows: Sequence[FamilyRow]) -> Shortcoming | None:
    """Independent modules, against those that are put in."""
    found = [r.n_independent for r in _of(rows, MAIN) if r.n_independent is not None]
    if not found:
        return None
    put_in, now = inserted_modules(model), float(np.median(found))
    ratios = known([r.largest_over_smallest for r in _of(rows, MAIN)])
    several = f", largest over smallest spacing {spread(ratios)}" if now > 1 else ""
    scales = now > max(1, put_in) and len(ratios) and np.median(ratios) >= LEAST_RATIO
    verdict = ABSENT if scales else PRESENT
    if len(found) < FEWEST_SEEDS:
        verdict = UNCLEAR
    how = f"{put_in} put in" if put_in else "none put in"
    reason = f"{spread(found, digits=0)} independent, {how}{several}"
    low, high = float(min(found)), float(max(found))
    return Shortcoming(3, model, NAMES[3], len(found), now, low, high, put_in, verdict, reason)


def _beyond(model: str, rows: Sequence[FamilyRow]) -> Shortcoming | None:
    """Share of units on lattices around the trained square, and path errors there."""
    here = _of(rows, MAIN)
    inside = median([r.lattice_share for r in here])
    if not here or inside is None:
        return None
    shares = known([r.lattice_share_beyond for r in here])
    errors = []
    for sides, name, walked in (
        ("the trained square", "path_1000_m", "lost_1000"),
        ("three times its side", "path_1000_at_3", "lost_1000_at_3"),
    ):
        if any(getattr(r, walked) is not None for r in here):
            error = median([getattr(r, name) for r in here])
            errors.append(f"{'lost' if error is None else f'{100 * error:.0f} cm'} in {sides}")
    path = f"; after 1,000 steps off by {' and '.join(errors)}" if errors else ""
    if not len(shares):
        reason = f"not defined outside of the trained square{path}"
        verdict = PRESENT if len(here) >= FEWEST_SEEDS else UNCLEAR
        return Shortcoming(4, model, NAMES[4], len(here), None, None, None, inside, verdict, reason)
    now = float(np.median(shares))
    verdict = UNCLEAR
    if len(shares) >= FEWEST_SEEDS and inside >= LEAST_SHARE:
        verdict = PRESENT if now < HALF * inside else ABSENT
    reason = (
        f"{spread(shares)} of the active units are on lattices around the trained square, "
        f"{inside:.2f} in the arena of the evaluation{path}"
    )
    low, high = float(shares.min()), float(shares.max())
    return Shortcoming(4, model, NAMES[4], len(shares), now, low, high, inside, verdict, reason)


def in_words(rows: Sequence[FamilyRow], verdicts: Sequence[Shortcoming]) -> str:
    """The table and the verdicts as text, a line for each model and shortcoming."""
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        here = _of([r for r in rows if r.model == model], MAIN)
        failed = [r for r in rows if r.model == model and r.status == "failed"]
        if here:
            lines.append(f"{title_of(model)}: {_one_line(here)}.")
        lines += [f"{row.run} failed: {row.note}" for row in failed]
    for number, name in NAMES.items():
        of = [v for v in verdicts if v.number == number]
        if of:
            lines += ["", f"({number}) {name}:"]
            lines += [f"  {v.model}: {v.verdict}; {v.reason}" for v in of]
    return "\n".join(lines)


def _one_line(rows: Sequence[FamilyRow]) -> str:
    shares = spread([r.lattice_share for r in rows])
    independent = spread([r.n_independent for r in rows], digits=0)
    error = median([r.path_1000_m for r in rows])
    path = "" if error is None or math.isnan(error) else f", {100 * error:.0f} cm after 1,000 steps"
    return (
        f"{shares} of active units on lattices, {independent} independent modules{path} "
        f"({counted(len(rows), 'seed')})"
    )
