"""Tables of README.md from places.csv and networks.csv.

    python experiments/rewards/summary.py

The unit of replication is the network. `local` is the goal minus the mean of its aliases (one
lattice vector away): what a lattice cannot have. `mirror` is the goal minus the mirrored disc. A
value is outside of the control where it is above or below all of the same differences between
control discs: of 5 networks of the preset, each disc of the ring against the one opposite to it.
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
    "resolution": (100, "change of the state per metre (%)"),
    "aperiodic": (100, "states one lattice vector apart (% of unrelated)"),
}


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
    """For each seed the measure of every disc, by place."""
    found = {}
    for r in places:
        if r["condition"] == condition and r["planted"] == planted:
            place = r["place"] if isinstance(r["place"], str) else f"{r['place']:.0f}"
            found.setdefault(int(r["seed"]), {})[place] = r[measure]
    return dict(sorted(found.items()))


def local(discs):
    """Goal minus its aliases; NaN without aliases in the map."""
    return discs["0"] - discs.get("aliases", np.nan)


def mirrored(discs):
    """Goal minus the mirrored disc."""
    return discs["0"] - discs["180"]


def ring(discs):
    """Goal minus the mean of the control discs."""
    return discs["0"] - np.mean([v for k, v in discs.items() if k not in ("0", "aliases")])


def control_differences(places, measure):
    """Differences of opposite control discs in networks without a goal."""
    pairs = (("60", "240"), ("90", "270"), ("120", "300"))
    each = by_network(places, "control", measure).values()
    return np.array([s * (d[a] - d[b]) for d in each for a, b in pairs for s in (1, -1)])


def shown(values, factor, digits=1):
    """Mean and range of a list."""
    v = np.array(values) * factor
    v = v[np.isfinite(v)]
    if not len(v):
        return "-"
    return f"{v.mean():+.{digits}f} ({v.min():+.{digits}f} to {v.max():+.{digits}f})"


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def local_tables(places):
    for name, (factor, words) in MEASURES.items():
        limit = np.abs(control_differences(places, name)).max() * factor
        print(f"\n{words}; opposite discs of networks without a goal differ by up to {limit:.1f}")
        rows = []
        for c in CONDITIONS:
            each = by_network(places, c, name)
            if each:
                differences = [
                    shown([f(d) for d in each.values()], factor) for f in (local, mirrored, ring)
                ]
                rows.append([c, str(len(each)), *differences])
        table(["condition", "networks", "goal - aliases", "goal - mirror", "goal - ring"], rows)


def planted_table(places):
    print("\nPlanted: fields of the control networks drawn into the goal")
    rows = []
    for planted in sorted({r["planted"] for r in places}):
        cells = [f"{100 * planted:g}%"]
        for name in ("density", "towards_m", "spacing", "fields", "aperiodic"):
            each = by_network(places, "control", name, planted).values()
            outside = np.abs(control_differences(places, name)).max()
            found = sum(abs(mirrored(d)) > outside for d in each)
            shift = shown([local(d) for d in each], MEASURES[name][0])
            cells.append(f"{shift}; {found} of {len(each)}")
        rows.append(cells)
    head = ["planted density", "density", "towards (cm)", "spacing", "fields", "aperiodic"]
    table(head, rows)


def whole_table(networks):
    names = [
        "on_lattice",
        "grid_score",
        "spacing_m",
        "axis_ratio",
        "error_goal_m",
        "error_mirror_m",
        "error_all_m",
        "invariance",
        "separation",
        "capacity",
    ]
    digits = {"on_lattice": 0, "grid_score": 2, "axis_ratio": 2}
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
    """How well the aliases of a goal predict it, over all networks with a goal or without."""
    print()
    for name in ("density", "fields", "resolution"):
        pairs = [
            (d["0"], d["aliases"], d["180"])
            for c in CONDITIONS
            if c != "cue"
            for d in by_network(places, c, name).values()
            if "aliases" in d
        ]
        goal, alias, mirror = np.array(pairs).T
        r_alias, r_mirror = (np.corrcoef(goal, other)[0, 1] for other in (alias, mirror))
        print(
            f"{MEASURES[name][1]}: goal with its aliases r = {r_alias:.2f}, with the mirrored disc "
            f"r = {r_mirror:.2f} ({len(goal)} networks)"
        )


def main():
    places = read("places.csv")
    whole_table(read("networks.csv"))
    local_tables(places)
    together(places)
    planted_table(places)


if __name__ == "__main__":
    main()
