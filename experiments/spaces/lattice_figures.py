"""Figures of the networks of `lattice_runs.py`: line.png and volume.png.

    python experiments/spaces/lattice_figures.py RUNS

RUNS is the folder of the runs; seed 0 is shown, and the tables of all seeds.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from lattice_measure import STEPS, WALKERS
from lattice_runs import LINE_M
from volume_trained import BINS, similarity

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


SHOWN = {
    "volume-long": "volume, from random weights",
    "volume-fcc": "volume, from a planted lattice",
    "plane-long": "plane, from random weights",
}


def volume_figure(runs):
    """Three units and the similarity of states a row; of volumes the section z = 0."""
    figure, axes = plt.subplots(3, 4, figsize=(7.2, 5.6), layout="constrained")
    for row, (name, title) in zip(axes, SHOWN.items(), strict=True):
        system = gridcode.load_system(runs / f"{name}-seed0")
        dimensions, side = (3 if name.startswith("volume") else 2), system.extent_m
        bins = BINS[dimensions]
        middles = (np.arange(bins) + 0.5) * side / bins - side / 2
        places = np.stack(np.meshgrid(*(middles,) * dimensions, indexing="ij"), axis=-1)
        states = straight_states(system, places.reshape(-1, dimensions))
        maps = states.T.reshape(-1, *(bins,) * dimensions)
        section = maps[..., bins // 2] if dimensions == 3 else maps
        # The units that differ most within the section.
        best = np.argsort(-section.std(axis=(1, 2)))[:3]
        for ax, unit in zip(row[:3], best, strict=True):
            ax.imshow(section[unit].T, origin="lower", extent=(-side / 2, side / 2) * 2)
            ax.set(title=f"unit {unit}", xlabel="x (m)")
        row[0].set_ylabel(f"{title}\n\ny (m)")
        cosine, _, _ = similarity(maps, side_m=side)
        shown = np.fft.fftshift(cosine[..., 0] if dimensions == 3 else cosine)
        image = row[3].imshow(
            shown.T, origin="lower", extent=(-side, side) * 2, cmap="magma", vmin=0.4, vmax=1
        )
        row[3].set(title="cosine of two states", xlabel="displacement (m)")
        row[3].set(xlim=(-0.85 * side, 0.85 * side), ylim=(-0.85 * side, 0.85 * side))
        figure.colorbar(image, ax=row[3])
    figure.savefig(HERE / "volume.png", dpi=130)


def main():
    runs = Path(sys.argv[1])
    plt.style.use("gridcode.report.paper")
    if (runs / "line-3-seed0").is_dir():
        line_figure(runs)
    if all((runs / f"{name}-seed0").is_dir() for name in SHOWN):
        volume_figure(runs)


if __name__ == "__main__":
    main()
