"""The figure of `roc.py`: curves, and what is found at 1% false positives by condition."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from gridcode.report.style import GREY, INK, STYLE

COLOURS = {
    "lattice": INK[0],
    "grid score": INK[5],
    "opexebo": INK[1],
    "spatial_maps": INK[2],
    "deepmind": INK[3],
    "deepmind_minmax": INK[4],
}
LINES = {"": "-", "shifts": ":", "random phases": "--"}
NAMES = {
    "lattice p": "gridcode: lattice, null maps",
    "grid score p": "gridcode: grid score, null maps",
}


def split(detector):
    """Name of the score, and what it is compared with."""
    name, _, null = detector.partition(", ")
    return name.removesuffix(" p").removesuffix(" z"), null


def draw(curves, rows, path):
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 7.2))
        grid = figure.add_gridspec(2, 3, height_ratios=(1, 0.85))
        titles = list(dict.fromkeys(c["cells"] for c in curves))
        for k, title in enumerate(titles):
            ax = figure.add_subplot(grid[0, k])
            draw_curves(ax, [c for c in curves if c["cells"] == title])
            ax.set(title=title)
            if k == 0:
                ax.set(ylabel="share of grid cells found")
        draw_conditions(figure.add_subplot(grid[1, :]), rows)
        figure.savefig(path)


def draw_curves(ax, curves):
    for detector in dict.fromkeys(c["detector"] for c in curves):
        name, null = split(detector)
        points = [(c["false"], c["found"]) for c in curves if c["detector"] == detector]
        label = NAMES.get(detector, detector)
        width = 2.2 if detector == "lattice p" else 1.1
        ax.plot(
            *np.transpose(points), LINES[null], color=COLOURS[name], linewidth=width, label=label
        )
    ax.axvline(0.01, color=GREY, linewidth=0.6)
    ax.set(xscale="log", xlim=(0.002, 1), ylim=(0, 1.01), xlabel="share of false positives")
    ax.legend(fontsize=5.5, loc="lower right")


def draw_conditions(ax, rows):
    conditions = list(dict.fromkeys(r["condition"] for r in rows))
    detectors = [d for d in dict.fromkeys(r["detector"] for r in rows) if not split(d)[1]]
    for k, detector in enumerate(detectors):
        found = {r["condition"]: r for r in rows if r["detector"] == detector}
        shares = np.array([found[c]["at_0.01"] for c in conditions])
        ends = np.array([(found[c]["low_0.01"], found[c]["high_0.01"]) for c in conditions]).T
        at = np.arange(len(conditions)) + 0.12 * (k - (len(detectors) - 1) / 2)
        ax.errorbar(
            at,
            shares,
            np.abs(ends - shares),
            fmt="o",
            color=COLOURS[split(detector)[0]],
            markersize=5 if k == 0 else 3.5,
            linewidth=0.7,
            label=NAMES.get(detector, detector),
        )
    ax.set_xticks(np.arange(len(conditions)), conditions, rotation=30, ha="right")
    ax.set(ylim=(-0.02, 1.02), ylabel="share found at 1% false positives")
    ax.set_xlim(-0.5, len(conditions) - 0.5)
    ax.legend(fontsize=6, ncols=len(detectors), loc="lower center", bbox_to_anchor=(0.5, 1.0))
