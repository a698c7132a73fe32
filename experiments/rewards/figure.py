"""Draw rewards.png from places.csv, networks.csv and maps.csv.

python experiments/rewards/figure.py
"""

import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from goals import GOAL_M, RADIUS_M
from PIL import Image
from summary import CONDITIONS, by_network, limit, local, read, with_their_way

from gridcode.report.style import GREY, INK, PAGE_WIDTH, STYLE

OUT = Path(__file__).with_name("rewards.png")
# Condition, paths and planted density of each column of maps.
MAPPED = (
    ("control", "direct", 0.0),
    ("control", "direct", 0.1),
    ("visits", "direct", 0.0),
    ("finer", "direct", 0.0),
    ("separation", "direct", 0.0),
    ("separation", "long", 0.0),
)
ROWS = (
    ("density", "RdBu_r", -12, 12, "fields per area (%)"),
    ("aperiodic", "viridis", 0, 100, "not periodic (%)"),
)
NAMES = {
    "control": "no goal",
    "visits": "visits",
    "separation": "separation",
    "finer": "finer $\\sigma_x$",
}
COLOURS = dict(zip(CONDITIONS, (GREY, *INK), strict=False))


def mean_map(rows, key, name):
    """Mean of a column (y, x) over networks, percent, and half of the map's side."""
    own = [r for r in rows if (r["condition"], r["paths"], r["planted"]) == key]
    xs = sorted({r["x_m"] for r in own})
    total = np.zeros((len(xs), len(xs)))
    for r in own:
        total[xs.index(r["y_m"]), xs.index(r["x_m"])] += r[name]
    return 100 * total / max(len({r["seed"] for r in own}), 1), max(xs) + (xs[1] - xs[0]) / 2


def draw_maps(figure, maps):
    """Mean maps of each condition, a row for each measure."""
    axes = figure.subplots(len(ROWS), len(MAPPED))
    for i, (name, colours, low, high, label) in enumerate(ROWS):
        for k, (condition, paths, planted) in enumerate(MAPPED):
            ax = axes[i, k]
            values, half = mean_map(maps, (condition, paths, planted), name)
            edges = (-half, half, -half, half)
            shown = ax.imshow(
                values, origin="lower", extent=edges, vmin=low, vmax=high, cmap=colours
            )
            style = ":" if condition == "control" and not planted else "-"
            colour = "k" if name == "density" else "w"
            ax.add_patch(plt.Circle(GOAL_M, RADIUS_M, fill=False, color=colour, lw=0.8, ls=style))
            ax.set_xticks([-1, 0, 1], None if i else [])
            ax.set_yticks([-1, 0, 1], [] if k else None)
            if i == 0:
                title = "10% planted" if planted else NAMES[condition]
                ax.set_title(title + (",\nlong paths" if paths == "long" else ""))
            else:
                ax.set_xlabel("x (m)")
        axes[i, 0].set_ylabel("y (m)")
        figure.colorbar(shown, ax=axes[i], label=label, shrink=0.9)


def strip(ax, places, name, factor, label):
    """Goal minus aliases of each network on direct (full) and long (open) paths."""
    most = factor * limit(places, name, local)
    ax.axhspan(-most, most, color="0.9", lw=0)
    for k, c in enumerate(CONDITIONS):
        for shift, paths in ((-0.15, "direct"), (0.15, "long")):
            each = by_network(places, c, name, paths=paths).values()
            values = factor * np.array([local(d) for d in each])
            filled = COLOURS[c] if paths == "direct" else "none"
            at = np.full(len(values), k + shift)
            ax.plot(at, values, "o", ms=3.5, color=COLOURS[c], mfc=filled)
    ax.axhline(0, color="k", lw=0.5)
    names = [NAMES[c] for c in CONDITIONS]
    ax.set_xticks(range(len(names)), names, rotation=50, ha="right", rotation_mode="anchor")
    ax.set_ylabel(label)


def draw_memory(ax, networks):
    """Share of walkers in the goal whose state is that of the goal, by steps."""
    steps = (5, 20, 50)
    for c in CONDITIONS:
        own = [r for r in networks if r["condition"] == c]
        shares = 100 * np.array([[r[f"goal_{s}"] for s in steps] for r in own])
        for k, values in enumerate(shares):
            label = NAMES[c] if k == 0 else None
            at = np.array(steps) + 4.5
            ax.plot(at, values, "-o", ms=2.5, lw=0.7, color=COLOURS[c], label=label)
    ax.axhline(50, color="k", lw=0.5, ls=":")
    ax.set_xlabel("steps from the origin")
    ax.set_ylabel("walkers in the goal with\nthe state of the goal (%)")
    ax.legend(fontsize=5.5, loc="upper right", frameon=True)


def save(figure, path):
    """Save a figure with few colours: a third of the size."""
    file = io.BytesIO()
    figure.savefig(file, dpi=150)
    picture = Image.open(file).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main():
    mpl.rcParams.update(STYLE)
    places, networks, maps = (read(f"{n}.csv") for n in ("places", "networks", "maps"))
    places = with_their_way(places, networks)
    figure = plt.figure(figsize=(PAGE_WIDTH, 5.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    draw_maps(above, maps)
    left, middle, right = below.subplots(1, 3)
    strip(left, places, "density", 100, "fields per area,\ngoal - aliases (%)")
    strip(middle, places, "peak", 100, "height of fields,\ngoal - aliases (%)")
    draw_memory(right, networks)
    save(figure, OUT)


if __name__ == "__main__":
    main()
