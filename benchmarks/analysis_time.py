"""CPU time of the analysis of 128 units in one arena, stage by stage.

    OMP_NUM_THREADS=1 python benchmarks/analysis_time.py [--run RUN] [--json]

The arena has the default evaluation: 4 m, bins of 5 cm (80 x 80), smooth walks of 250 steps, 10
samples a bin. The activity is that of lattice cells with noise along these walks; with --run it is
that of a trained network, whose rollout is timed beside and does not count. Medians of CPU-seconds
with the range, over runs of all stages in turn.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

import gridcode
from gridcode.analysis.cells.autocorrelogram import autocorrelograms, smooth
from gridcode.analysis.cells.gridness import score_correlograms, unscorable
from gridcode.analysis.cells.lattice import fit_lattices
from gridcode.analysis.cells.ratemaps import RateMapAccumulator
from gridcode.analysis.population import score_dataset
from gridcode.analysis.synthetic import lattice_cell
from gridcode.analysis.system import System, roll
from gridcode.config import EvaluationConfig
from gridcode.world.walks import Walk, smooth_walk

UNITS, ARENA_M, MAX_STEP_M = 128, 4.0, 0.15
TARGET_S = 2.0
TOTAL = "total, as an evaluation runs them"

T = TypeVar("T")


def walk_of(config: EvaluationConfig) -> Walk:
    bins = round(ARENA_M / config.bin_size_m)
    walkers = math.ceil(config.samples_per_bin * bins**2 / config.walk_steps)
    generator = np.random.default_rng(0)
    return smooth_walk(
        arena_m=ARENA_M,
        steps=config.walk_steps,
        walkers=walkers,
        max_step_m=MAX_STEP_M,
        generator=generator,
    )


def synthetic_activity(walk: Walk) -> np.ndarray:
    """Noisy lattice cells of many spacings, directions and shears, (step, walker, unit)."""
    rng = np.random.default_rng(1)
    activity = np.empty((*walk.velocities.shape[:2], UNITS), dtype=np.float32)
    for u in range(UNITS):
        spacing, direction, angle, *phase = rng.uniform(
            [0.5, -30, 60, -0.5, -0.5], [1.1, 30, 90, 0.5, 0.5]
        )
        activity[..., u] = lattice_cell(
            walk.positions[1:],
            spacing_m=spacing,
            orientation_deg=direction,
            angle_deg=angle,
            phase_m=(phase[0], phase[1]),
        )
    return np.maximum(activity + 0.1 * rng.standard_normal(activity.shape, dtype=np.float32), 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", help="folder of a trained run to take the activity from")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = EvaluationConfig()
    walk = walk_of(config)
    taken: dict[str, list[float]] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        result = work()
        taken.setdefault(stage, []).append(time.process_time() - began)
        return result

    if options.run:
        system = System(*gridcode.load_network(options.run).as_system(), 0.15)
        states = [
            timed("rollout of the network (not in the total)", lambda: roll(system, walk))
            for _ in range(options.repeats)
        ]
        activity = states[0][1:]
    else:
        activity = synthetic_activity(walk)

    def maps() -> Any:
        accumulator = RateMapAccumulator(
            arena_m=ARENA_M, bin_size_m=config.bin_size_m, units=activity.shape[2]
        )
        for positions, states in zip(walk.positions[1:], activity, strict=True):
            accumulator.add(positions, states)
        return accumulator.dataset()

    for repeat in range(options.repeats + 1):
        if repeat == 1:  # the first round warms up
            taken = {
                stage: seconds for stage, seconds in taken.items() if stage.startswith("rollout")
            }
        rate = timed("rate maps", maps)["rate"].values.astype(np.float64)
        correlograms = timed(
            "smoothing and autocorrelograms",
            lambda rate=rate: autocorrelograms(smooth(rate, config.smoothing_bins)),
        )
        timed("lattice", lambda c=correlograms: fit_lattices(c))
        timed(
            "lattice and scores",
            lambda c=correlograms, r=rate: score_correlograms(
                c, bin_size_m=config.bin_size_m, reasons=unscorable(r)
            ),
        )
        timed(
            TOTAL,
            lambda: score_dataset(
                maps(), smoothing_bins=config.smoothing_bins, silent_below=config.silent_below
            ),
        )

    taken["scores"] = [
        a - b for a, b in zip(taken.pop("lattice and scores"), taken["lattice"], strict=True)
    ]
    taken[TOTAL] = taken.pop(TOTAL)
    stages = [
        {"stage": stage}
        | {
            f"cpu_ms_{name}": round(1000 * f(s), 1)
            for name, f in (("median", statistics.median), ("min", min), ("max", max))
        }
        for stage, s in taken.items()
    ]
    result = {
        "units": activity.shape[2],
        "bins": [round(ARENA_M / config.bin_size_m)] * 2,
        "samples": activity.shape[0] * activity.shape[1],
        "activity": "network" if options.run else "synthetic",
        "stages": stages,
        "total_cpu_s": round(statistics.median(taken[TOTAL]), 3),
        "target_cpu_s": TARGET_S,
    }
    for row in stages:
        target = f"   target {1000 * TARGET_S:.0f}" if row["stage"] == TOTAL else ""
        print(
            f"{row['stage']:44s} {row['cpu_ms_median']:7.1f} CPU-ms "
            f"({row['cpu_ms_min']} to {row['cpu_ms_max']}){target}",
            file=sys.stderr,
        )
    if options.json:
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
