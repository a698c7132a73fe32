"""The tables of README.md and the figure, from networks.csv.

python experiments/latent_actions/report.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
LENGTHS = (1, 16, 32, 64, 128)
PANELS = (
    ("any_start", LENGTHS[1:], "states at one pose (rel. distance)"),
    ("knn_place_px", LENGTHS, "error of place (pixels)"),
    ("knn_angle_deg", LENGTHS, "error of angle (degrees)"),
    ("retrieved", LENGTHS, "image found (share)"),
)
TITLES = {
    "frame": "Shifts along the image's axes (commute with turns)",
    "own": "Shifts along the object's axes (do not commute)",
}
STYLES = {
    "SIC, permuted": {"color": "C0"},
    "SIC, independent": {"color": "C5"},
    "SIC as published": {"color": "C0", "linestyle": "--"},
    "SIC, permuted, sums": {"color": "C3"},
    "InfoNCE, independent": {"color": "C1"},
    "InfoNCE, permuted": {"color": "C4"},
    "later images": {"color": "C2"},
    "next image": {"color": "C2", "linestyle": "--"},
    "untrained": {"color": "0.5", "linestyle": ":"},
}
COLUMNS = {
    "same start 16": "same_start_16",
    "any start 16": "any_start_16",
    "128": "any_start_128",
    "place 1 (px)": "knn_place_px_1",
    "16": "knn_place_px_16",
    "128 ": "knn_place_px_128",
    "angle 16 (deg)": "knn_angle_deg_16",
    "128  ": "knn_angle_deg_128",
    "ridge place 16 (px)": "ridge_place_px_16",
    "found 16": "retrieved_16",
    "128   ": "retrieved_128",
}


def span(values):
    """Median and range."""
    digits = 2 if values.max() < 10 else 1
    low, middle, high = (f"{f(values):.{digits}f}" for f in (np.min, np.median, np.max))
    return middle if low == high else f"{middle} ({low} to {high})"


def table(rows, world):
    """One line a method: medians and ranges over seeds."""
    rows = rows[rows.world == world]
    yield "| method | " + " | ".join(name.strip() for name in COLUMNS) + " |"
    yield "| --- |" + " --- |" * len(COLUMNS)
    for method, own in rows.groupby("method", sort=False):
        cells = [span(own[column].to_numpy()) for column in COLUMNS.values()]
        yield f"| {method} ({len(own)}) | " + " | ".join(cells) + " |"


def draw(rows):
    """Measures against the length of the sequence: thin lines networks, thick ones medians."""
    worlds = list(dict.fromkeys(rows.world))
    figure, axes = plt.subplots(
        len(worlds), len(PANELS), figsize=(7.2, 4.6), sharex="col", squeeze=False
    )
    for line, world in zip(axes, worlds, strict=True):
        groups = list(rows[rows.world == world].groupby("method", sort=False))
        for ax, (name, lengths, label) in zip(line, PANELS, strict=True):
            for method, own in groups:
                values = own[[f"{name}_{n}" for n in lengths]].to_numpy().T
                ax.plot(lengths, values, linewidth=0.3, alpha=0.5, **STYLES[method])
                ax.plot(lengths, np.median(values, axis=1), label=method, **STYLES[method])
            ax.set_xscale("log", base=2)
            shown = [n for n in lengths if n in (1, 16, 128)]
            ax.set_xticks(shown, [str(n) for n in shown])
            ax.minorticks_off()
            ax.axvline(16, color="0.8", linewidth=0.6, zorder=0)
            ax.set_ylabel(label)
            ax.set_ylim(bottom=0)
        # Wider than its panel, which it should not widen.
        title = line[0].set_title(TITLES[world], loc="left")
        title.set_in_layout(False)
    for ax in axes[-1]:
        ax.set_xlabel("actions")
    handles = {h.get_label(): h for ax in axes.flat for h in ax.get_legend_handles_labels()[0]}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    figure.savefig(FOLDER / "latent_actions.png", dpi=130)


def main():
    rows = pd.read_csv(FOLDER / "networks.csv")
    for world in dict.fromkeys(rows.world):
        print(f"\nWorld `{world}`\n", *table(rows, world), sep="\n")
    plt.style.use("gridcode.report.paper")
    draw(rows)


if __name__ == "__main__":
    main()
