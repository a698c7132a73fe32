"""Tables of README.md from places.csv and networks.csv.

    python experiments/rewards/summary.py

The unit of replication is the network. `goal - aliases`: the disc minus the mean of the places one
lattice vector away, which a lattice cannot have. `goal - mirror`: minus the disc at (-0.6, 0) m.
`beyond` is the largest such difference at any control disc (of 9 against their aliases, of 3
against the opposite ones) in the networks without a goal.
"""

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONDITIONS = ("control", "visits", "separation", "finer", "cue")
# Columns of places.csv, the factor to the unit shown, and their words.
MEASURES = {
    "density": (100, "local density of the lattice (%)"),
    "towards_m": (100, "displacement towards the goal (cm)"),
    "spacing": (100, "distance of neighbouring fields (%)"),
    "fields": (100, "fields in the disc (%)"),
    "peak": (100, "height of fields (%)"),
    "resolution": (100, "change of the state per metre (%)"),
    "aperiodic": (100, "difference of states one lattice vector apart (% of unrelated)"),
    "aperiodic_rest": (100, "of that in units that are not of the module (%)"),
}
RING = ("60", "90", "120", "150", "180", "210", "240", "270", "300")


def read(name):
    """Rows of a table with numbers where there are numbers."""

    def value(text):
        try:
            return float(text)
        except ValueError:
            return text

    with (HERE / name).open(newline="") as file:
        return [{k: value(v) for k, v in row.items()} for row in csv.DictReader(file)]


def by_network(places, condition, measure, planted=0.0):
    """For each seed the measure of every disc and, with a minus, of its aliases, by angle."""
    found = {}
    for r in places:
        if r["condition"] == condition and r["planted"] == planted:
            place = f"{'-' if r['aliases'] else ''}{r['place']:.0f}"
            found.setdefault(int(r["seed"]), {})[place] = r[measure]
    return dict(sorted(found.items()))


def local(discs, angle="0"):
    """A disc minus its aliases."""
    return discs[angle] - discs.get(f"-{angle}", np.nan)


def mirrored(discs, angle="0"):
    """A disc minus the one on the opposite side."""
    return discs[angle] - discs[f"{(int(angle) + 180) % 360}"]


def limit(places, measure, difference):
    """The largest size of a difference at control discs of networks without a goal."""
    each = by_network(places, "control", measure).values()
    values = [
        difference(d, a)
        for d in each
        for a in (RING if difference is local else ("60", "90", "120"))
    ]
    return float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else np.nan


def shown(values, factor, digits=1):
    """Mean and range of a list."""
    v = np.array(values) * factor
    v = v[np.isfinite(v)]
    if not len(v):
        return "-"
    return f"{v.mean():+.{digits}f} ({v.min():+.{digits}f} to {v.max():+.{digits}f})"


def table(head, rows):
    """Print a table in Markdown."""
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def local_tables(places):
    """A table for each measure."""
    for name, (factor, words) in MEASURES.items():
        rows = []
        for c in CONDITIONS:
            each = by_network(places, c, name).values()
            cells = []
            for f in (local, mirrored):
                most = limit(places, name, f)
                values = np.array([f(d) for d in each])
                outside = int((np.abs(values) > most).sum())
                cells += [shown(values, factor), f"{outside} of {len(values)}"]
            if each:
                rows.append([c, *cells])
        a, b = (limit(places, name, f) * factor for f in (local, mirrored))
        head = ["condition", "goal - aliases", f"beyond {a:.1f}", "goal - mirror"]
        print(f"\n{words}")
        table([*head, f"beyond {b:.1f}"], rows)


def planted_table(places):
    """What the measures make of known changes."""
    print("\nPlanted: fields of the control networks drawn into the goal")
    names = ("density", "towards_m", "spacing", "fields", "peak", "resolution")
    rows = []
    for planted in sorted({r["planted"] for r in places}):
        cells = [f"{100 * planted:g}%"]
        for name in names:
            values = [local(d) for d in by_network(places, "control", name, planted).values()]
            found = sum(abs(v) > limit(places, name, local) for v in values)
            cells.append(f"{shown(values, MEASURES[name][0])}; {found} of {len(values)}")
        rows.append(cells)
    table(["planted density", *(MEASURES[n][1] for n in names)], rows)


def whole_table(networks):
    """One row for each condition."""
    names = ["on_lattice", "grid_score", "spacing_m", "axis_ratio", "error_goal_m"]
    names += [
        "error_mirror_m",
        "error_all_m",
        "told_60",
        "told_200",
        "invariance",
        "separation",
        "capacity",
    ]
    digits = {
        "on_lattice": 0,
        "grid_score": 2,
        "axis_ratio": 2,
        "told_20": 2,
        "told_60": 2,
        "told_200": 2,
    }
    rows = []
    for c in CONDITIONS:
        own = [r for r in networks if r["condition"] == c]
        if own:
            cells = [
                shown([r[n] for r in own], 1, digits.get(n, 3)).replace("+", "") for n in names
            ]
            rows.append([c, str(len(own)), *cells])
    table(["condition", "networks", *names], rows)


def together(places):
    """How well its aliases and the mirrored disc predict the goal, over all networks."""
    print()
    for name in ("density", "fields", "resolution"):
        discs = [d for c in CONDITIONS[:4] for d in by_network(places, c, name).values()]
        goal, alias, mirror = np.array([(d["0"], d.get("-0", np.nan), d["180"]) for d in discs]).T
        known = np.isfinite(alias)
        by_alias = np.corrcoef(goal[known], alias[known])[0, 1]
        by_mirror = np.corrcoef(goal, mirror)[0, 1]
        print(
            f"{MEASURES[name][1]}: goal with its aliases r = {by_alias:.2f}, with the mirrored "
            f"disc r = {by_mirror:.2f} ({known.sum()} networks)"
        )


def main():
    places = read("places.csv")
    whole_table(read("networks.csv"))
    local_tables(places)
    together(places)
    planted_table(places)


if __name__ == "__main__":
    main()
