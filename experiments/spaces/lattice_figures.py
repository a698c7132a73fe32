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
from gridcode.analysis.dimensions.reading import straight_states
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
    figure, axes = plt.subplots(2, 4, figsize=(7.2, 3.6), layout="constrained")
    for row, name in zip(axes, ("volume", "volume-short"), strict=True):
        system = gridcode.load_system(runs / f"{name}-seed0")
        half = system.extent_m / 2
        middles = np.linspace(-half, half, 40)
        places = np.stack(np.meshgrid(middles, middles, [0.0], indexing="ij"), axis=-1)
        maps = straight_states(system, places.reshape(-1, 3)).T.reshape(-1, 40, 40)
        active = np.flatnonzero(maps.max(axis=(1, 2)) > 1e-3)
        for ax, unit in zip(row[:3], active[5::20], strict=False):
            ax.imshow(maps[unit].T, origin="lower", extent=(-half, half) * 2)
            ax.set(title=f"{name}, unit {unit}, z = 0", xlabel="x (m)", ylabel="y (m)")
    with (HERE / "volume_trained.csv").open() as file:
        rows = list(csv.DictReader(file))
    for ax, name in zip(axes[:, 3], ("volume", "volume-short"), strict=True):
        mine = [row for row in rows if row["condition"] == name]
        for row in mine:
            ax.plot((10, 15, 30, 60), [float(row[f"error_{t}_m"]) for t in (10, 15, 30, 60)], ".-")
        ax.axhline(float(mine[0]["random_places_m"]), color="0.5", linestyle="--")
        ax.set(title=f"{len(mine)} seeds", xlabel="steps", ylabel="path error (m)", ylim=(0, None))
    figure.savefig(HERE / "volume.png", dpi=130)


def main():
    runs = Path(sys.argv[1])
    plt.style.use("gridcode.report.paper")
    if (runs / "line-3-seed0").is_dir():
        line_figure(runs)
    if (runs / "volume-seed0").is_dir():
        volume_figure(runs)


if __name__ == "__main__":
    main()
