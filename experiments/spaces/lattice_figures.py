"""Figures of the networks of `lattice_runs.py`: line.png and volume.png.

    python experiments/spaces/lattice_figures.py RUNS

RUNS is the folder of the runs; seed 0 is shown, and the tables of all seeds.
"""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from lattice_measure import STEPS, WALKERS
from lattice_runs import LINE_M

import gridcode
from gridcode.analysis.dimensions.rates import BinnedRates, filled, rates_of_walk
from gridcode.analysis.system import roll
from gridcode.world.spaces import Line
from gridcode.world.walks import Walk, smooth_walk

HERE = Path(__file__).parent


def maps_of(folder, *, dimensions, side_m, bin_m, walkers):
    """Rates of a run along smooth walks."""
    system = gridcode.load_system(folder)
    walk = smooth_walk(
        arena_m=side_m,
        steps=300,
        walkers=walkers,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(0),
        dimensions=dimensions,
    )
    return filled(rates_of_walk(system, walk, bin_size_m=bin_m)[0])


def maps_with_ends(folder):
    """Rates of a run on the line with ends."""
    system = gridcode.load_system(folder)
    velocities = np.random.default_rng(7).uniform(-1, 1, (STEPS, WALKERS, 1)) * system.max_step_m
    positions = Line(LINE_M).path(torch.from_numpy(velocities)).numpy()
    states = roll(system, Walk(velocities, positions, arena_m=LINE_M, kind="line with ends"))
    rates = BinnedRates(side_m=LINE_M, bin_size_m=0.02, dimensions=1, units=states.shape[2])
    rates.add(positions[1:60].reshape(-1, 1), states[1:60].reshape(-1, states.shape[2]))
    return filled(rates.rates())


def draw_line(ax, maps, side_m, title):
    """Rates of all active units, sorted by where they are highest near the origin."""
    maps = maps[maps.max(axis=1) > 1e-3]
    middle = slice(maps.shape[1] // 2 - 25, maps.shape[1] // 2 + 25)
    maps = maps[np.argsort(maps[:, middle].argmax(axis=1), kind="stable")]
    ax.imshow(
        maps / maps.max(axis=1, keepdims=True),
        extent=(-side_m / 2, side_m / 2, len(maps), 0),
        aspect="auto",
        cmap="viridis",
        interpolation="nearest",
    )
    ax.set(title=title, xlabel="position (m)", ylabel="unit")


def line_figure(runs):
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.4), layout="constrained")
    for ax, name, title in zip(
        axes, ("line", "line-3"), ("one population", "three populations"), strict=False
    ):
        maps = maps_of(runs / f"{name}-seed0", dimensions=1, side_m=8.0, bin_m=0.04, walkers=64)
        draw_line(ax, maps, 8.0, f"line, {title}")
    draw_line(axes[2], maps_with_ends(runs / "ends-seed0"), LINE_M, "line with two ends")
    figure.savefig(HERE / "line.png", dpi=150)


def volume_figure(runs):
    maps = maps_of(runs / "volume-seed0", dimensions=3, side_m=3.0, bin_m=0.12, walkers=500)
    active = np.flatnonzero(maps.max(axis=(1, 2, 3)) > 1e-3)
    figure, axes = plt.subplots(2, 4, figsize=(7.2, 3.7), layout="constrained")
    for ax, unit in zip(axes[:, :3].ravel(), active[:: max(1, len(active) // 6)], strict=False):
        ax.imshow(maps[unit, :, :, maps.shape[3] // 2].T, origin="lower", extent=(-1.5, 1.5) * 2)
        ax.set(title=f"unit {unit}, z = 0", xlabel="x (m)", ylabel="y (m)")
    with (HERE / "volume.csv").open() as file:
        rows = list(csv.DictReader(file))
    bottom = np.zeros(len(rows))
    for kind in ("lattice", "columns", "planes"):
        height = np.array([int(row[kind]) / int(row["active"]) for row in rows])
        axes[0, 3].bar([row["seed"] for row in rows], height, bottom=bottom, label=kind)
        bottom += height
    axes[0, 3].set(xlabel="seed", ylabel="share of active units", ylim=(0, 1))
    axes[0, 3].legend(fontsize=6)
    for name, label in (("variation", "fields"), ("hard_spheres", "hard spheres")):
        found = [float(row[name] or "nan") for row in rows]
        axes[1, 3].plot([row["seed"] for row in rows], found, "o", label=label)
    axes[1, 3].set(xlabel="seed", ylabel="variation of the\nnearest distance", ylim=(0, None))
    axes[1, 3].legend(fontsize=6)
    figure.savefig(HERE / "volume.png", dpi=150)


def main():
    runs = Path(sys.argv[1])
    plt.style.use("gridcode.report.paper")
    if (runs / "line-seed0").is_dir():
        line_figure(runs)
    if (runs / "volume-seed0").is_dir():
        volume_figure(runs)


if __name__ == "__main__":
    main()
