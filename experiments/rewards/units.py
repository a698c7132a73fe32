"""Draw units.png: rate maps of the units that differ most between the goal and its aliases.

python experiments/rewards/units.py RUN
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from figure import save
from goals import GOAL_M, RADIUS_M
from local import HEXAGON, Code, Phases, largest_module, read
from measure import ARENA_M, BIN_M, near, walked

import gridcode
from gridcode.analysis.navigation.reference import build_reference_map
from gridcode.report.style import PAGE_WIDTH, STYLE

OUT = Path(__file__).with_name("units.png")
SHOWN = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    system = gridcode.load_system(parser.parse_args().run)
    reference = build_reference_map(
        system, arena_m=ARENA_M, bin_size_m=BIN_M, generator=np.random.default_rng(0)
    )
    code, after = Code(reference.vectors, BIN_M), walked(system)
    lattice, _ = largest_module(code)
    goal = code.places[near(code.places, np.array(GOAL_M))]
    aliases = goal[:, None] + HEXAGON @ Phases(code, lattice).vectors_m
    inside = (np.abs(aliases) < ARENA_M / 2).all(axis=-1)
    apart = read(code, goal).mean(axis=0) - read(code, aliases[inside]).mean(axis=0)
    units = np.argsort(-np.abs(apart))[:SHOWN]
    mpl.rcParams.update(STYLE)
    figure, axes = plt.subplots(2, SHOWN, figsize=(PAGE_WIDTH, 2.1), layout="constrained")
    for row, (name, c) in zip(axes, (("direct", code), ("long", after)), strict=True):
        for ax, u in zip(row, units, strict=True):
            edges = (-ARENA_M / 2, ARENA_M / 2) * 2
            most = float(code.states[..., u].max())
            ax.imshow(c.states[..., u], origin="lower", extent=edges, vmin=0, vmax=most)
            ax.add_patch(plt.Circle(GOAL_M, RADIUS_M, fill=False, color="w", lw=0.7))
            ax.set_xticks([])
            ax.set_yticks([])
            if c is code:
                ax.set_title(f"unit {u}\nmax {most:.2f}")
        row[0].set_ylabel(f"{name} paths,\n4 m")
    save(figure, OUT)


if __name__ == "__main__":
    main()
