"""Tables of README.md from places.csv and networks.csv.

    python experiments/rewards/summary.py

The unit of replication is the network: mean and range over networks of the goal minus the mean of
the places one lattice vector away (a lattice has no difference), or minus the disc at (-0.6, 0) m.
Then how many networks lie beyond the largest difference at control discs (9 against their aliases,
3 against the opposite ones) in the networks without a goal. Networks whose walkers are lost (median
path error above 0.3 m) have no numbers after long walks.
"""

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONDITIONS = ("control", "visits", "separation", "finer")
NAMES = {
    "control": "no goal",
    "visits": "visits",
    "separation": "separation",
    "finer": "finer sigma_x",
}
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
# Half of the shortest distance between aliases, about: a larger median error is a walker lost.
LOST_M = 0.3
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


def with_their_way(places, networks):
    """Rows of places without those after long paths of networks whose walkers are lost by then."""
    lost = {(r["condition"], r["seed"]) for r in networks if r["error_all_m"] > LOST_M}
    return [r for r in places if r["paths"] == "direct" or (r["condition"], r["seed"]) not in lost]


def by_network(places, condition, measure, planted=0.0, paths="direct"):
    """For each seed the measure of every disc and, with a minus, of its aliases, by angle."""
    found = {}
    for r in places:
        if (r["condition"], r["planted"], r["paths"]) == (condition, planted, paths):
            place = f"{'-' if r['aliases'] else ''}{r['place']:.0f}"
            found.setdefault(int(r["seed"]), {})[place] = r[measure]
    return dict(sorted(found.items()))


def local(discs, angle="0"):
    """A disc minus its aliases."""
    return discs[angle] - discs.get(f"-{angle}", np.nan)


def mirrored(discs, angle="0"):
    """A disc minus the one on the opposite side."""
    return discs[angle] - discs[f"{(int(angle) + 180) % 360}"]


def limit(places, measure, difference, paths="direct"):
    """The largest size of a difference at control discs of networks without a goal."""
    each = by_network(places, "control", measure, paths=paths).values()
    angles = RING if difference is local else ("60", "90", "120")
    values = np.array([difference(d, a) for d in each for a in angles])
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
    """A table for each comparison and kind of paths; a row for each measure.

    The disc on the other side is no control after long walks: all networks walk the same paths.
    """
    for f, paths in ((local, "direct"), (local, "long"), (mirrored, "direct")):
        rows = []
        for name, (factor, title) in MEASURES.items():
            if f is local and name.startswith("aperiodic"):
                continue
            most = limit(places, name, f, paths)
            cells = []
            for c in CONDITIONS:
                each = by_network(places, c, name, paths=paths).values()
                values = np.array([f(d) for d in each])
                outside = int((np.abs(values) > most).sum())
                cells.append(f"{shown(values, factor)}; {outside} of {len(values)}")
            rows.append([title, f"{most * factor:.1f}", *cells])
        print(f"\nGoal minus {'its aliases' if f is local else 'mirrored'}, {paths} paths")
        table(["", "control discs, at most", *NAMES.values()], rows)


def aperiodic_table(places):
    """How far states in the goal are from those one lattice vector away, on both kinds of paths."""
    print("\nDifference of states one lattice vector apart, in the goal (% of unrelated places)")
    rows = []
    for paths in ("direct", "long"):
        each = [by_network(places, c, "aperiodic", paths=paths).values() for c in CONDITIONS]
        rows.append([f"{paths} paths", *(shown([d["0"] for d in e], 100) for e in each)])
    table(["", *NAMES.values()], rows)


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


WHOLE = {
    "on_lattice": ("units on a lattice", 1, 0),
    "grid_score": ("grid score", 1, 2),
    "spacing_m": ("spacing (m)", 1, 3),
    "axis_ratio": ("axis ratio", 1, 2),
    "error_goal_m": ("path error in the goal (cm)", 100, 1),
    "error_mirror_m": ("mirrored (cm)", 100, 1),
    "error_all_m": ("everywhere (cm)", 100, 1),
    "goal_5": ("in the goal, steps 5 to 14 (%)", 100, 0),
    "goal_20": ("20 to 29", 100, 0),
    "goal_50": ("50 to 59", 100, 0),
    "alias_5": ("in its aliases, 5 to 14 (%)", 100, 0),
    "alias_20": ("20 to 29", 100, 0),
    "alias_50": ("50 to 59", 100, 0),
}


def whole_tables(networks):
    """A row for each number of the whole network, a column for each condition."""
    rows = []
    for name, (title, factor, digits) in WHOLE.items():
        each = [[r[name] for r in networks if r["condition"] == c] for c in CONDITIONS]
        rows.append([title, *(shown(v, factor, digits).replace("+", "") for v in each)])
    table(["", *NAMES.values()], rows)


def main():
    networks = read("networks.csv")
    places = with_their_way(read("places.csv"), networks)
    whole_tables(networks)
    local_tables(places)
    aperiodic_table(places)
    planted_table(places)


if __name__ == "__main__":
    main()
