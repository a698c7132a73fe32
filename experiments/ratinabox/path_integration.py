"""Errors of `GridNeurons` along a RatInABox agent's path, and of its rates at given places.

    OMP_NUM_THREADS=1 python experiments/ratinabox/path_integration.py NETWORK OUT.csv

Ten agents start in the middle of a 1 m box (dt 0.05 s, gain 1, seed 0). Positions are read by
tracking on a reference map, at every fifth update. A row of kind `path` is the error in metres
after so many seconds (median and largest of ten); of kind `place`, that of 600 random places within
so many metres of the origin (larger coordinate), decoded alone.
"""

import csv
import sys
import warnings

import numpy as np
from ratinabox.Agent import Agent
from ratinabox.Environment import Environment

from gridcode.analysis.navigation.decoding import Tracker, decode, window_for
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.interop.ratinabox import GridNeurons

AGENTS, DT, EVERY, SECONDS = 10, 0.05, 5, (1, 10, 60, 200)
RINGS_M = ((0.0, 0.5), (0.5, 1.0), (1.0, 1.3))


def reference_of(system):
    reference = build_reference_map(system, arena_m=3.0, generator=np.random.default_rng(0))
    alias_m = nearest_alias_m(reference, generator=np.random.default_rng(0))
    size_m = reference.bin_size_m
    return reference, window_for(alias_m, max_step_m=system.max_step_m, bin_size_m=size_m)


def along_paths(network):
    np.random.seed(0)  # noqa: NPY002 - RatInABox draws from it
    agents = []
    for _ in range(AGENTS):
        agent = Agent(Environment(), {"dt": DT})
        agent.pos = np.array([0.5, 0.5])
        agents.append(agent)
    kinds = {"longest": None, "every update": 0.0}
    cells = {
        kind: [GridNeurons(a, {"network": network, "step_m": step}) for a in agents]
        for kind, step in kinds.items()
    }
    reference, window_m = reference_of(cells["longest"][0].system)
    trackers = {kind: Tracker(reference, walkers=AGENTS, window_m=window_m) for kind in kinds}
    for update in range(1, round(SECONDS[-1] / DT) + 1):
        for agent in agents:
            agent.update()
        for kind, each in cells.items():
            rates = np.stack([neurons.get_state()[:, 0] for neurons in each])
            if update % EVERY == 0:
                trackers[kind].follow(rates)
            if update * DT in SECONDS:
                true = np.stack([agent.pos for agent in agents]) - 0.5
                error = np.linalg.norm(trackers[kind].read(rates) - true, axis=1)
                yield "path", kind, update * DT, np.median(error), error.max()


def at_places(network):
    agent = Agent(Environment(), {"dt": DT})
    cells = GridNeurons(agent, {"network": network})
    generator = np.random.default_rng(0)
    reference = build_reference_map(cells.system, arena_m=3.0, generator=generator, trees=8)
    places = np.random.default_rng(1).uniform(-1.3, 1.3, (600, 2))
    rates = cells.get_state(evaluate_at=None, pos=places + 0.5).T
    error = np.linalg.norm(decode(reference, rates)[0] - places, axis=1)
    ring = np.abs(places).max(axis=1)
    for near, far in RINGS_M:
        here = error[(ring >= near) & (ring < far)]
        yield "place", f"{near:g} to {far:g} m", far, np.median(here), here.max()


warnings.filterwarnings("ignore")
network, out = sys.argv[1:]
with open(out, "w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["network", "kind", "steps_or_ring", "at", "median_m", "largest_m"])
    for found in (*at_places(network), *along_paths(network)):
        row = [network, *found[:3], *(f"{value:.4f}" for value in found[3:])]
        print(*row, flush=True)
        table.writerow(row)
