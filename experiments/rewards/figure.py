"""Draw rewards.png from places.csv, networks.csv and maps.csv.

python experiments/rewards/figure.py
"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from goals import GOAL_M, RADIUS_M
from summary import CONDITIONS, by_network, limit, local, read

from gridcode.report.style import GREY, INK, PAGE_WIDTH, STYLE

OUT = Path(__file__).with_name("rewards.png")
MOST = 12.0  # of the colours of maps, percent
MAPPED = (("control", 0.0), ("control", 0.1), *((c, 0.0) for c in CONDITIONS[1:]))
NAMES = {
    "control": "no goal",
    "visits": "visits",
    "separation": "separation",
    "finer": "finer σₓ",
    "cue": "separation,\ncue",
}


def mean_map(rows, condition, planted):
    """Mean local density (y, x) over networks, percent, and half of its side."""
    own = [r for r in rows if r["condition"] == condition and r["planted"] == planted]
    xs = sorted({r["x_m"] for r in own})
    total = np.zeros((len(xs), len(xs)))
    for r in own:
        total[xs.index(r["y_m"]), xs.index(r["x_m"])] += r["density"]
    return 100 * total / max(len({r["seed"] for r in own}), 1), max(xs) + (xs[1] - xs[0]) / 2


def draw_map(ax, rows, condition, planted):
    """One map with the goal."""
    values, half = mean_map(rows, condition, planted)
    shown = ax.imshow(
        values, origin="lower", extent=(-half, half) * 2, vmin=-MOST, vmax=MOST, cmap="RdBu_r"
    )
    dashed = "--" if condition == "control" and not planted else "-"
    ax.add_patch(plt.Circle(GOAL_M, RADIUS_M, fill=False, color="k", lw=0.8, ls=dashed))
    ax.set_title("10% planted" if planted else NAMES[condition])
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1], [])
    ax.set_xlabel("x (m)")
    return shown


def draw_local(ax, places):
    """Goal minus aliases of each network, and what was planted."""
    most = 100 * limit(places, "density", local)
    ax.axhspan(-most, most, color="0.9", lw=0)
    labels = []
    rows = [("control", p) for p in (0.0, 0.025, 0.05, 0.1)] + [(c, 0.0) for c in CONDITIONS[1:]]
    for k, (condition, planted) in enumerate(rows):
        values = [local(d) for d in by_network(places, condition, "density", planted).values()]
        colour = INK[k - 3] if k > 3 else GREY
        ax.plot(np.full(len(values), k), 100 * np.array(values), "o", ms=3, color=colour)
        labels.append(f"{100 * planted:g}%\nplanted" if planted else NAMES[condition])
    ax.set_xticks(range(len(rows)), labels, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_ylabel("local density of fields,\ngoal - aliases (%)")
    ax.axhline(0, color="k", lw=0.5)


def draw_aliases(ax, places):
    """Fields in the goal against fields in its aliases."""
    for k, c in enumerate(CONDITIONS):
        discs = by_network(places, c, "fields").values()
        xy = 100 * np.array([(d.get("-0", np.nan), d["0"]) for d in discs])
        if len(xy):
            colour = INK[k] if k else GREY
            ax.plot(*xy.T, "o", ms=3, color=colour, label=NAMES[c].replace("\n", " "))
    ax.axline((0, 0), slope=1, color="k", lw=0.5)
    ax.set_xlabel("fields in the aliases of the goal (%)")
    ax.set_ylabel("fields in the goal (%)")
    ax.legend(fontsize=6, loc="upper left")


def draw_spacing(ax, networks):
    """Spacing of the module of each network."""
    for k, c in enumerate(CONDITIONS):
        values = [r["spacing_m"] for r in networks if r["condition"] == c]
        ax.plot(np.full(len(values), k), values, "o", ms=3, color=INK[k] if k else GREY)
    names = [NAMES[c] for c in CONDITIONS]
    ax.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    ax.set_ylabel("spacing everywhere (m)")


def main():
    mpl.rcParams.update(STYLE)
    places, networks, maps = (read(f"{n}.csv") for n in ("places", "networks", "maps"))
    figure = plt.figure(figsize=(PAGE_WIDTH, 4.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.4])
    axes = above.subplots(1, len(MAPPED))
    for ax, (condition, planted) in zip(axes, MAPPED, strict=True):
        shown = draw_map(ax, maps, condition, planted)
    axes[0].set_yticks([-1, 0, 1], ["-1", "0", "1"])
    axes[0].set_ylabel("y (m)")
    above.colorbar(shown, ax=axes, label="density of fields (%)", shrink=0.9)
    left, middle, right = below.subplots(1, 3, width_ratios=[1.3, 1.1, 0.8])
    draw_local(left, places)
    draw_aliases(middle, places)
    draw_spacing(right, networks)
    figure.savefig(OUT, dpi=180)


if __name__ == "__main__":
    main()
