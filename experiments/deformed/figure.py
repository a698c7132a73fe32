"""The figure of README.md, from the CSV files beside it and the packaged network's maps.

python experiments/deformed/figure.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from tables import SIDE_M, by_network, rescaling, swept
from worlds import familiar_states, follow, landmarks, paths, stretched

from gridcode.analysis.system import System
from gridcode.packaged.networks import pretrained
from gridcode.report.style import INK, RATE_COLOURS, STYLE

HERE = Path(__file__).parent
GAINS = (1.0, 1.4, 0.7)
BIN_M = 0.1


def example_maps(axes: np.ndarray) -> None:
    """One unit of a fine and one of the coarse module in three boxes."""
    packaged = pretrained("modules-192")
    system = System(*packaged.network.as_system(), packaged.config.world.max_velocity_m)
    evaluation = packaged.read_evaluation()
    assert evaluation is not None
    chosen = [evaluation.summary.modules[k] for k in (0, -1)]
    pull = landmarks(familiar_states(system), "place")
    for column, gain in enumerate(GAINS):
        world = stretched(gain)
        q, p, v = paths(world, steps=220, walkers=64, max_step_m=system.max_step_m, seed=5)
        states = follow(system, q, v, pull, 0.3)[60:]
        places = p[60:].reshape(-1, 2)
        edges = [np.linspace(-s, s, round(2 * s / BIN_M) + 1) for s in (gain * SIDE_M / 2, 1.0)]
        visits = np.histogram2d(*places.T, bins=edges)[0]
        for row, module in enumerate(chosen):
            unit = module.units[5]
            total = np.histogram2d(*places.T, bins=edges, weights=states[..., unit].ravel())[0]
            axes[row, column].imshow(
                (total / np.maximum(visits, 1)).T,
                origin="lower",
                cmap=RATE_COLOURS,
                extent=(edges[0][0], edges[0][-1], -1, 1),
            )
            axes[row, column].set(xlim=(-1.45, 1.45), ylim=(-1.05, 1.05))
            axes[row, column].axis("off")
        axes[0, column].set_title(f"{gain * SIDE_M:g} m x {SIDE_M:g} m")
    for row, module in enumerate(chosen):
        axes[row, 0].text(
            -1.2,
            0,
            f"spacing {module.spacing_m:.2f} m",
            rotation=90,
            va="center",
            ha="center",
            fontsize=7,
        )


def followed(axis: Axes) -> None:
    """Scale along x of fine and coarse modules, a line a network."""
    table = swept(rescaling(), "place")
    for colour, (size, part) in zip(INK, table.groupby("size"), strict=False):
        each = by_network(part, ["gain_x"])
        for i, (_, network) in enumerate(each.groupby("network")):
            network = network.sort_values("gain_x")
            axis.plot(
                network.gain_x,
                1 / network.a_xx,
                "-o",
                ms=2,
                lw=0.8,
                color=colour,
                label=None if i else f"{size} modules",
            )
    axis.plot([0.6, 1.6], [0.6, 1.6], "--", color="0.6", lw=0.8, label="follows the box")
    axis.axhline(1, ls=":", color="0.6", lw=0.8, label="keeps its scale")
    axis.set(xlabel="length of the box / familiar length", ylabel="scale of the lattice along x")
    axis.legend(fontsize=6)


def phase_rule(axis: Axes) -> None:
    """Shift between maps after the west and after the east wall against the change of length."""
    table = swept(rescaling(), "ends")
    for colour, (component, x) in zip(INK, (("along x", "x_m"), ("along y", "y_m")), strict=False):
        axis.plot(
            table[f"rest_{x}"] / table.spacing_m,
            table[f"east_west_{x}"] / table.spacing_m,
            "o",
            ms=3,
            color=colour,
            alpha=0.6,
            mec="none",
            label=component,
        )
    axis.plot([-0.55, 0.55], [-0.55, 0.55], color="0.6", lw=0.8)
    axis.set(
        xlabel="change of length modulo the lattice / spacing",
        ylabel="shift, after west against\nafter east wall / spacing",
    )
    axis.legend(fontsize=6)


def relaxing(axis: Axes) -> None:
    """Shear of the lattice after a change of gain."""
    table = pd.read_csv(HERE / "training_on.csv")
    for colour, (variant, part) in zip(INK, table.groupby("variant", sort=False), strict=False):
        for i, (_, seed) in enumerate(part.groupby("seed")):
            axis.plot(
                seed.step, seed.shear, color=colour, lw=1, alpha=0.8, label=None if i else variant
            )
    axis.set(
        xlabel="steps of training after the change",
        ylabel="shear against\nthe lattice before",
        ylim=(0, 0.26),
    )
    axis.legend(fontsize=6, loc="upper right")


def shifts(axis: Axes) -> None:
    """Coherence of the phase shifts between two starts."""
    table = pd.read_csv(HERE / "remapping.csv")
    three = table.network.str.startswith("modules") & (table.relax_steps == 50)
    one = table.network.str.startswith("quick") & (table.relax_steps == 800)
    each = table[three | one].groupby("network", sort=False)
    for i, (_, network) in enumerate(each):
        jitter = np.linspace(-0.25, 0.25, len(network))
        axis.plot(i + jitter, network.coherence, ".", ms=2, color=INK[0])
        axis.plot(i + jitter, network.coherence_null_95, ".", ms=2, color="0.6")
    axis.set(
        xlabel="network",
        ylabel="coherence of phase shifts\nin a module",
        ylim=(0, 1.05),
        xticks=range(len(each)),
        xticklabels=[str(i + 1) for i in range(len(each))],
    )
    axis.plot([], [], ".", color=INK[0], label="20 random starts")
    axis.plot([], [], ".", color="0.6", label="units shuffled (95%)")
    axis.legend(fontsize=6)


def main() -> None:
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(7.2, 4.6), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
        top, bottom = left.subfigures(2, 1, height_ratios=[1.1, 1])
        example_maps(top.subplots(2, 3))
        relax, shift = bottom.subplots(1, 2)
        relaxing(relax)
        shifts(shift)
        upper, lower = right.subplots(2, 1)
        followed(upper)
        phase_rule(lower)
        figure.savefig(HERE / "deformed.png", dpi=160)


if __name__ == "__main__":
    main()
