"""Tables of sphere.md, as Markdown, and the figure.

python experiments/spaces/sphere_summary.py
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from gridcode.report.style import RATE_COLOURS, STYLE

HERE = Path(__file__).parent
ORDER = (
    "sphere",
    "torus",
    "circle",
    "sphere, summed",
    "torus, summed",
    "sphere, one order",
    "torus, one order",
    "sphere, untrained",
    "torus, untrained",
)
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#888888"
COLOURS = {"sphere": BLUE, "torus": ORANGE, "circle": GREY}


def read(name: str) -> list[dict[str, str]]:
    with open(HERE / name, newline="") as file:
        return list(csv.DictReader(file))


def values(rows: Sequence[dict[str, str]], column: str, **wanted: str) -> np.ndarray:
    return np.array(
        [float(r[column]) for r in rows if all(r[key] == value for key, value in wanted.items())]
    )


def shown(found: np.ndarray, digits: int = 2) -> str:
    """Mean and range over networks."""
    if not len(found) or np.isnan(found).all():
        return "-"
    low, high = found.min(), found.max()
    return f"{found.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def batches_table(rows: list[dict[str, str]]) -> str:
    lines = []
    for radius in dict.fromkeys(r["radius_m"] for r in rows):
        line = [f"{float(radius):g}"]
        for space in ("sphere", "torus"):
            share = {
                paths: values(rows, "positive_share", radius_m=radius, space=space, paths=paths)
                for paths in ("shuffled", "independent")
            }
            apart = values(rows, "ends_apart_m", radius_m=radius, space=space, paths="shuffled")
            line += [
                *(shown(100 * s) for s in share.values()),
                f"{(share['shuffled'] / share['independent']).mean():.2f}",
                f"{apart.mean():.2f}",
            ]
        lines.append(line)
    columns = ("shuffled (%)", "independent (%)", "ratio", "ends apart (m)")
    return table(
        ["radius (m)", *(f"{s}: {c}" for s in ("sphere", "torus") for c in columns)], lines
    )


def networks_table(rows: list[dict[str, str]]) -> str:
    columns = {
        "left at one place, 30 steps": "left_30",
        "120 steps": "left_120",
        "place decoded near, 30 steps (m)": "near_m_30",
        "120 steps (m)": "near_m_120",
        "chance (m)": "near_chance_m_30",
        "decoded anywhere, 30 steps (m)": "decoded_m_30",
        "its chance (m)": "chance_m_30",
        "ends of two orders apart (m)": "ends_apart_m",
        "their states apart": "states_apart",
        "correlation": "correlation",
    }
    lines = [
        [name, str(len(values(rows, "seed", condition=name)))]
        + [shown(values(rows, column, condition=name)) for column in columns.values()]
        for name in ORDER
    ]
    return table(["condition", "networks", *columns], lines)


def fields_table(rows: list[dict[str, str]]) -> str:
    columns = {
        "active units": "active",
        "variance explained": "explained",
        "mean wave number (1/m)": "wave_number_per_m",
        "share of the strongest degree": "strongest_share",
        "of random fields": "strongest_share_random",
        "power in even degrees": "even_share",
    }
    lines = [
        [
            name,
            *(
                shown(values(rows, column, condition=name))
                if name.startswith("sphere") or column != "even_share"
                else "-"
                for column in columns.values()
            ),
        ]
        for name in dict.fromkeys(r["condition"] for r in rows)
    ]
    return table(["condition", *columns], lines)


def draw_batches(axes, rows: list[dict[str, str]]) -> None:
    for space in ("sphere", "torus"):
        for paths, style in (("shuffled", "-o"), ("independent", "--o")):
            radii = sorted({float(r["radius_m"]) for r in rows})
            share = [
                100
                * values(rows, "positive_share", radius_m=str(r), space=space, paths=paths).mean()
                for r in radii
            ]
            axes.plot(
                radii, share, style, color=COLOURS[space], label=f"{space}, {paths}", markersize=4
            )
    axes.set(
        xscale="log", xlabel="radius (m)", ylabel="positive pairs (% of pairs)", ylim=(0, None)
    )
    axes.set_xticks(radii, [f"{r:g}" for r in radii])
    axes.minorticks_off()
    axes.set_title("Do shuffled orders still meet?")
    axes.legend(fontsize=7)


def draw_networks(axes, rows: list[dict[str, str]], column: str, title: str, label: str) -> None:
    for place, name in enumerate(ORDER):
        found = values(rows, column, condition=name)
        colour = COLOURS[name.partition(",")[0]]
        axes.plot(found, np.full(len(found), place), "o", color=colour, alpha=0.6, markersize=4)
        axes.plot([found.mean()], [place], "|", color="black", markersize=12)
    axes.set_yticks(range(len(ORDER)), ORDER)
    axes.invert_yaxis()
    axes.set(xlabel=label, xlim=(0, None))
    axes.set_title(title)


def draw_waves(axes, rows: list[dict[str, str]]) -> None:
    degrees = np.arange(1, 11)
    for name, style in (("sphere", "-o"), ("sphere, untrained", ":")):
        shares = np.array(
            [[float(r[f"share_{k}"]) for k in degrees] for r in rows if r["condition"] == name]
        )
        axes.plot(degrees, shares.mean(axis=0), style, color=BLUE, label=name, markersize=4)
        if name == "sphere":
            axes.fill_between(
                degrees, shares.min(axis=0), shares.max(axis=0), color=BLUE, alpha=0.2
            )
    axes.set(xlabel="degree of the harmonic", ylabel="share of power", ylim=(0, None))
    axes.set_xticks(degrees)
    axes.set_title("Fields on the sphere")
    axes.legend(fontsize=7)


def draw_maps(figure) -> None:
    rows = read("sphere_maps.csv")
    shape = len({r["latitude_deg"] for r in rows}), len({r["longitude_deg"] for r in rows})
    latitude, longitude = (
        np.radians([float(r[f"{name}_deg"]) for r in rows]).reshape(shape)
        for name in ("latitude", "longitude")
    )
    for k in range(4):
        axes = figure.add_subplot(3, 4, 9 + k, projection="mollweide")
        rate = np.array([float(r[f"unit_{k + 1}"]) for r in rows]).reshape(shape)
        axes.pcolormesh(longitude, latitude, rate, cmap=RATE_COLOURS, rasterized=True)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"unit {k + 1} of seed 0, on the sphere", fontsize=8)


def main() -> None:
    batches, networks, fields = map(read, ("sphere_batches.csv", "sphere.csv", "sphere_fields.csv"))
    print(batches_table(batches))
    print(networks_table(networks))
    print(fields_table(fields))
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(10, 8.6), layout="constrained")
        axes = np.array([figure.add_subplot(3, 2, k + 1) for k in range(4)]).reshape(2, 2)
        draw_maps(figure)
        draw_batches(axes[0, 0], batches)
        draw_waves(axes[0, 1], fields)
        draw_networks(
            axes[1, 0],
            networks,
            "left_30",
            "Same place by different paths, 30 steps",
            "squared distance of states / that of unrelated places",
        )
        draw_networks(
            axes[1, 1],
            networks,
            "near_m_30",
            "Place decoded near the true one, 30 steps",
            "median error (m); line: chance",
        )
        chance = values(networks, "near_chance_m_30", condition="sphere").mean()
        axes[1, 1].axvline(chance, color=GREY, linestyle=":")
        figure.savefig(HERE / "sphere.png", dpi=110)


if __name__ == "__main__":
    main()
