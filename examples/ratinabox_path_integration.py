"""Path integration in RatInABox: cells get velocity alone, position is decoded from their rates.

Four agents forage for five minutes in a box of 1 m. Each has the cells of one trained network three
times: corrected once a minute, never corrected, and with a network step at every update.
Writes docs/images/ratinabox_path_integration.png. Two minutes. Needs RatInABox:
`pip install 'gridcode[rats]'`.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot as plt
from ratinabox import Agent, Environment

from gridcode.analysis.navigation.decoding import Tracker, window_for
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.interop.ratinabox import GridNeurons
from gridcode.interop.sources import system_from

AGENTS, SECONDS, DT = 4, 300.0, 0.1
GAIN = 2.0  # halves the grids' spacings: they fit into the box several times
KINDS = {
    "corrected once a minute": ("#2a9d8f", {"correct_every": 60.0}),
    "never corrected": ("#264653", {}),
    "never, a step at every update": ("#e76f51", {"step_m": 0.0}),
}
SHOWN = "never corrected"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/ratinabox_path_integration.png")

np.random.seed(0)  # noqa: NPY002 (RatInABox draws from it)
system = system_from("modules-192")
box = Environment({"scale": 1.0})
agents, cells = [], []
for _ in range(AGENTS):
    agent = Agent(box, {"dt": DT})
    agent.pos = np.array([0.5, 0.5])
    agents.append(agent)
    shared = {"network": system, "gain": GAIN, "max_fr": 20.0}
    cells.append([GridNeurons(agent, shared | more) for _, more in KINDS.values()])
    for _ in range(round(SECONDS / DT)):
        agent.update()
        for neurons in cells[-1]:
            neurons.update()

# Decode: the place whose population vector is nearest, followed from one moment to the next.
rng = np.random.default_rng(0)
reference = build_reference_map(system, arena_m=1.6 * GAIN, generator=rng)
window_m = window_for(
    nearest_alias_m(reference, generator=rng),
    max_step_m=system.max_step_m,
    bin_size_m=reference.bin_size_m,
)
time_s = np.array(agents[0].history["t"])
true = np.stack([agent.history["pos"] for agent in agents], axis=1)  # (time, agent, 2) metres
decoded, errors_m = {}, {}
for kind, one_each in zip(KINDS, zip(*cells, strict=True), strict=True):
    rates = np.stack([neurons.history["firingrate"] for neurons in one_each], axis=1)
    tracker = Tracker(reference, walkers=AGENTS, window_m=window_m)
    places = []
    for now in rates:
        tracker.follow(now)
        places.append(tracker.read(now) / GAIN + 0.5)
    decoded[kind] = np.stack(places)
    errors_m[kind] = np.linalg.norm(decoded[kind] - true, axis=2)

chance_m = np.median(np.linalg.norm(true - np.roll(true, 1, axis=1), axis=2))
print(f"median error of {AGENTS} agents, cm; a guess: {100 * chance_m:.0f}")
for kind, error in errors_m.items():
    marks = [f"{s:g} s: {100 * np.median(error[round(s / DT) - 1]):.1f}" for s in (1, 10, 60, 300)]
    print(f"  {kind}: {', '.join(marks)}; largest {100 * error.max():.0f}")

figure = plt.figure(figsize=(10, 6.2), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.25])
shown = cells[0][list(KINDS).index(SHOWN)]
maps = shown.get_state(evaluate_at="all").reshape(system.units, *box.discrete_coords.shape[:2])
# Two cells of each population, those with the highest rates.
peaks = maps.max(axis=(1, 2)).reshape(3, -1)
chosen = (np.argsort(-peaks, axis=1)[:, :2] + 64 * np.arange(3)[:, None]).ravel()
axes = top.subplots(1, 6)
for axis, unit in zip(axes, chosen, strict=True):
    axis.imshow(maps[unit], extent=(0, 1, 0, 1), vmin=0, cmap="inferno")
    axis.set(xticks=[], yticks=[], title=f"cell {unit}: {maps[unit].max():.0f} Hz")
top.suptitle("Rate maps in the 1 m box (peak rate)", x=0.01, ha="left", weight="bold")
path_axis, error_axis = bottom.subplots(1, 2, width_ratios=[1, 1.7])
last = slice(-round(30 / DT), None)
path_axis.plot(*true[last, 0].T, color="0.6", lw=4, label="agent")
path_axis.plot(*decoded[SHOWN][last, 0].T, color="#264653", lw=1.2, label="decoded")
path_axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="x (m)", ylabel="y (m)")
path_axis.set_title("Last 30 s of 300 s", loc="left", weight="bold")
path_axis.legend(loc="best", frameon=False)
for kind, (color, _) in KINDS.items():
    error_axis.plot(time_s, 100 * errors_m[kind], color=color, lw=0.5, alpha=0.35)
    error_axis.plot(time_s, 100 * np.median(errors_m[kind], axis=1), color=color, lw=2, label=kind)
error_axis.axhline(100 * chance_m, color="0.5", ls="--", lw=1)
error_axis.text(time_s[-1], 105 * chance_m, "guess", color="0.4", ha="right", va="bottom")
error_axis.set(yscale="log", xlabel="time (s)", ylabel="error (cm)", xlim=(0, SECONDS))
error_axis.set_ylim(0.05, 700)
error_axis.set_title(f"Error of the decoded position, {AGENTS} agents", loc="left", weight="bold")
error_axis.legend(
    loc="upper left", frameon=False, ncols=3, fontsize=8, columnspacing=0.8, handlelength=1.2
)
for axis in (path_axis, error_axis):
    axis.spines[["top", "right"]].set_visible(False)
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=130)
print(out)
