"""What an ablation found, in one paragraph made from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from gridcode.paper.ablation.variants import REFERENCE, VARIANTS
from gridcode.paper.ablation.verdicts import NO_CLAIM, NOT_REPRODUCED, REPRODUCED, UNCLEAR, counted

Row = Mapping[str, Any]
STATUSES = {
    "silent": "ended with all units silent",
    "unbounded": "had activity that grows without bound on the walk",
    "diverged": "diverged in training",
    "failed": "did not come to the end of its training",
}
# Statistic: what it is called, how its values are written.
NAMES = {
    "lattice_share": ("share of lattice cells", "{:.2f}"),
    "spatial_share": ("share of cells that depend on place", "{:.2f}"),
    "stable_place_share": ("share of place-like cells", "{:.2f}"),
    "square_share": ("share of square cells", "{:.2f}"),
    "n_independent": ("independent modules", "{:g}"),
    "axis_ratio_median": ("axis ratio", "{:.2f}"),
    "field_size_m": ("field size", "{:.2f} m"),
}


def paragraph(rows: Sequence[Row], verdicts: Sequence[Row]) -> str:
    """The paragraph: how many networks, which had no usable end, what the paper says, every expectation with its numbers and verdict."""
    names = list(dict.fromkeys(str(row["variant"]) for row in rows))
    seeds = len({row["seed"] for row in rows})
    changed = len(names) - (REFERENCE in names)
    said = [
        f"**Ablations (figure 7).** {counted(len(rows), 'network')}: the reference and {counted(changed, 'variant')}, {counted(seeds, 'seed')} each."
    ]
    for name in names:
        own = [row["status"] for row in rows if row["variant"] == name]
        for status, text in STATUSES.items():
            if status in own:
                said.append(
                    f"{name.capitalize()}: {own.count(status)} of {counted(len(own), 'network')} {text}."
                )
    counts = {
        verdict: sum(row["verdict"] == verdict for row in verdicts)
        for verdict in (REPRODUCED, NOT_REPRODUCED, UNCLEAR)
    }
    if any(counts.values()):
        total = sum(counts.values())
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        said.append(f"Of {counted(total, 'expectation')} {told}.")
    for row in verdicts:
        claim = _paper(str(row["variant"]))
        said += [claim] if claim not in said else []
        said.append(_sentence(row))
    return " ".join(said)


def _paper(variant: str) -> str:
    """What the paper says of a variant, or of all with this beginning of their names."""
    return next(v.paper for v in VARIANTS if v.name.startswith(variant))


def _sentence(row: Row) -> str:
    name, form = NAMES.get(str(row["statistic"]), (str(row["statistic"]), "{:.3g}"))
    medians = [
        form.format(row[key]) if row[key] is not None else "not measured"
        for key in ("variant_median", "reference_median")
    ]
    if row["verdict"] == NO_CLAIM:
        return f"Here, with {row['variant']}, {name} {medians[0]}, reference {medians[1]}."
    claim = row["claim"][0].upper() + row["claim"][1:]
    if row["cliffs_delta"] is None and row["difference"] is None and row["effect"] is not None:
        numbers = f"rank correlation {row['effect']:.2f}, 95% interval {row['interval_low']:.2f} to {row['interval_high']:.2f}"
    else:
        numbers = f"{name} {medians[0]}, reference {medians[1]}"
        if row["p_value"] is not None:
            numbers += f", p = {row['p_value']:.2g}"
    why = f" ({row['reason']})" if row["verdict"] == UNCLEAR else ""
    return f"{claim}: {row['verdict']}{why}; {numbers}."
