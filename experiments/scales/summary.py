"""Tables of `sweep.py` by variant, as Markdown.

    python experiments/scales/summary.py experiments/scales/search.csv [...]

Tables of quick looks: how many networks had which lattice, medians over networks. Other tables:
counts of networks and medians over networks; path errors are tracked medians in metres after 60 and
1,000 steps, `lost` is the mean share of walkers more than 0.3 m off after 1,000. Then how many
networks reach what is asked of `modules`.
"""

import sys

import pandas as pd

from gridcode.analysis.cells.lattice import orientation_difference


def quick_looks(table):
    """A row a variant."""
    groups = table.groupby("variant", sort=False)
    kinds = pd.crosstab(table.variant, table.kind)
    found = pd.DataFrame({"networks": groups.size()})
    for kind in ("hexagonal", "square", "sheared", "none"):
        found[kind] = kinds.get(kind, 0)
    found["axis ratio"] = groups.axis_ratio.median().round(2)
    found["spacing (m)"] = groups.spacing_m.median().round(2)
    found["silent of 64"] = groups.silent.mean().round(1)
    return found.sort_values(["hexagonal", "silent of 64"], ascending=[False, True])


def numbers(column):
    """The lowest and the number of the values in a cell such as "0.62 0.64 1.36"."""
    return column.map(
        lambda cell: (
            min(map(float, str(cell).split()))
            if isinstance(cell, str | float) and str(cell) != "nan"
            else None
        )
    )


def whole(table):
    """A row a variant."""
    table = table.assign(
        ratio=pd.to_numeric(table.largest_over_smallest, errors="coerce"),
        roundest=numbers(table.axis_ratio),
        hexagonal_all=table.population_type.map(
            lambda cell: {t.strip() for t in str(cell).split(",")} == {"hexagonal"}
        ),
    )
    groups = table.groupby("variant", sort=False)
    found = pd.DataFrame({"networks": groups.size()})
    found["3 independent or more"] = groups.n_independent.apply(lambda n: int((n >= 3).sum()))
    found["all populations hexagonal"] = groups.hexagonal_all.sum()
    found["lowest axis ratio"] = groups.roundest.median().round(2)
    found["largest / smallest"] = groups.ratio.median().round(2)
    found["1.5 or more"] = groups.ratio.apply(lambda r: int((r >= 1.5).sum()))
    found["on lattices"] = groups.lattice_share.median().round(2)
    found["silent"] = groups.silent.mean().round(1)
    found["loss"] = groups.loss.mean().round(3)
    found["60 steps"] = groups.tracked_60_m.median().round(3)
    found["1,000 steps"] = groups.tracked_1000_m.median().round(2)
    found["lost"] = groups.lost_1000.mean().round(2) if "lost_1000" in table else None
    return found


def targets(table):
    """How many networks of a variant reach what is asked of `modules`, and their medians."""
    lowest, ratio = (
        numbers(table.axis_ratio),
        pd.to_numeric(table.largest_over_smallest, errors="coerce"),
    )
    hexagonal = table.population_type.map(
        lambda cell: {t.strip() for t in str(cell).split(",")} == {"hexagonal"}
    )
    reached = pd.DataFrame(
        {
            "3 independent": table.n_independent >= 3,
            "3 hexagonal, axis ratio 0.9": hexagonal & (table.n_modules >= 3) & (lowest >= 0.9),
            "largest / smallest 1.5": ratio >= 1.5,
            "silent under 4%": table.silent < 0.04 * (table.active + table.silent),
            "1,000 steps under 15 cm": table.tracked_1000_m < 0.15,
            "no walker lost": table.lost_1000 == 0,
        }
    )
    groups = table.groupby("variant", sort=False)
    found = pd.DataFrame({"networks": groups.size()}).join(
        reached.groupby(table.variant, sort=False).sum()
    )
    found["median: largest / smallest"] = ratio.groupby(table.variant).median().round(2)
    found["1,000 steps (m)"] = groups.tracked_1000_m.median().round(3)
    found["lost"] = groups.lost_1000.median().round(3)
    return found


def relations(table):
    """Ratios of spacing and differences of orientation (0 to 30 degrees) of three modules."""
    rows = []
    for row in table.itertuples():
        spacing, angle, ratio = (
            [float(v) for v in str(cell).split()]
            for cell in (row.spacing_m, row.orientation_deg, row.axis_ratio)
        )
        hexagonal = {t.strip() for t in str(row.population_type).split(",")} == {"hexagonal"}
        # Two fine modules of nearly one spacing, and all three of round lattices.
        if (
            hexagonal
            and len(spacing) == 3
            and min(ratio) >= 0.85
            and spacing[1] < 1.15 * spacing[0]
        ):
            coarse = min(
                orientation_difference(angle[2], angle[0]),
                orientation_difference(angle[2], angle[1]),
            )
            rows.append(
                (
                    spacing[1] / spacing[0],
                    orientation_difference(angle[0], angle[1]),
                    2 * spacing[2] / (spacing[0] + spacing[1]),
                    coarse,
                )
            )
    names = [
        "fine pair: ratio",
        "fine pair: degrees",
        "coarse over fine",
        "coarse to nearer fine: degrees",
    ]
    return len(rows), pd.DataFrame(rows, columns=names).quantile([0.25, 0.5, 0.75]).T.round(2)


def markdown(found):
    """The table as text."""
    lines = [
        "| variant | " + " | ".join(map(str, found.columns)) + " |",
        "| --- " * (len(found.columns) + 1) + "|",
    ]
    for name, row in found.iterrows():
        lines.append(
            f"| {name} | "
            + " | ".join(
                "" if pd.isna(v) else f"{v:g}" if not isinstance(v, str) else v for v in row
            )
            + " |"
        )
    return "\n".join(lines)


def main():
    for path in sys.argv[1:]:
        table = pd.read_csv(path)
        if "variant" not in table:
            table["variant"] = "all"  # of measure.py
        print(f"\n{path}\n\n{markdown(quick_looks(table) if 'kind' in table else whole(table))}")
        if "lost_1000" in table:
            print(f"\n{markdown(targets(table))}")
        if "population_type" in table:
            count, found = relations(table)
            print(f"\n{count} networks with three hexagonal modules: quartiles and median\n")
            print(markdown(found))


if __name__ == "__main__":
    main()
