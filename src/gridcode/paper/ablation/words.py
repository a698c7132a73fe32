"""What an ablation found, in one paragraph made from its numbers."""

from collections.abc import Sequence

from gridcode.paper.ablation.rows import RunRow, Verdict
from gridcode.paper.ablation.variants import REFERENCE, VARIANTS
from gridcode.paper.ablation.verdicts import NO_CLAIM, NOT_REPRODUCED, REPRODUCED, UNCLEAR
from gridcode.paper.tables import counted

STATUSES = {
    "silent": "ended with all units silent",
    "unbounded": "had activity that grows without bound on the walk",
    "diverged": "diverged in training",
    "failed": "did not finish training",
}
# Statistic: its name in words, and the format of its values.
NAMES = {
    "lattice_share": ("share of lattice cells", "{:.2f}"),
    "spatial_share": ("share of cells that depend on place", "{:.2f}"),
    "stable_place_share": ("share of place-like cells", "{:.2f}"),
    "square_share": ("share of square cells", "{:.2f}"),
    "n_independent": ("independent modules", "{:g}"),
    "axis_ratio_median": ("axis ratio", "{:.2f}"),
    "field_size_m": ("field size", "{:.2f} m"),
}


def paragraph(rows: Sequence[RunRow], verdicts: Sequence[Verdict]) -> str:
    """The networks, those that failed, and every expectation with its numbers and verdict."""
    names = list(dict.fromkeys(row.variant for row in rows))
    variants = counted(len(names) - (REFERENCE in names), "variant")
    seeds = counted(len({row.seed for row in rows}), "seed")
    text = [
        f"**Ablations (figure 7).** {counted(len(rows), 'network')}: "
        f"the reference and {variants}, {seeds} each."
    ]
    for name in names:
        statuses = [row.status for row in rows if row.variant == name]
        text += [
            f"{name.capitalize()}: {statuses.count(status)} of "
            f"{counted(len(statuses), 'network')} {words}."
            for status, words in STATUSES.items()
            if status in statuses
        ]
    found = [v.verdict for v in verdicts if v.verdict != NO_CLAIM]
    if found:
        each = (f"{found.count(v)} {v}" for v in (REPRODUCED, NOT_REPRODUCED, UNCLEAR))
        text.append(f"Of {counted(len(found), 'expectation')} {', '.join(each)}.")
    for verdict in verdicts:
        # `sigma_g` stands for all variants whose names begin with it.
        paper = next(v.paper for v in VARIANTS if v.name.startswith(verdict.variant))
        text += [paper] if paper not in text else []
        text.append(_sentence(verdict))
    return " ".join(text)


def _sentence(row: Verdict) -> str:
    name, form = NAMES[row.statistic]
    variant, reference = (
        "not measured" if value is None else form.format(value)
        for value in (row.variant_median, row.reference_median)
    )
    if row.verdict == NO_CLAIM:
        return f"Here, with {row.variant}, {name} {variant}, reference {reference}."
    if row.cliffs_delta is None and row.effect is not None and row.interval_low is not None:
        numbers = f"rank correlation {row.effect:.2f}"
        numbers += f", 95% interval {row.interval_low:.2f} to {row.interval_high:.2f}"
    else:
        numbers = f"{name} {variant}, reference {reference}"
        if row.p_value is not None:
            numbers += f", p = {row.p_value:.2g}"
    why = f" ({row.reason})" if row.verdict == UNCLEAR else ""
    return f"{row.claim[0].upper()}{row.claim[1:]}: {row.verdict}{why}; {numbers}."
