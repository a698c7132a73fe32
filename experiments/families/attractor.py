"""The continuous attractor: spacing against gain, and drift against size and noise.

    python experiments/families/attractor.py > experiments/families/attractor.csv

Spacing: median over the cells as `gridcode evaluate` fits it, in an arena of four periods; the time
steps of a step grow with the gain, so that the velocity input is the same. Drift: 16 smooth walks
of 1,000 steps in an arena of 2 m. The position is the displacement of the pattern on the sheet, by
the phases of its two strongest waves. Metres come from a linear fit to 16 other walks of 20 steps
without noise. Errors are medians with quartiles over walks.
"""

import csv
import sys

import numpy as np

from gridcode.analysis.evaluate import map_arena
from gridcode.baselines.continuous_attractor import ContinuousAttractor
from gridcode.config import EvaluationConfig
from gridcode.world.walks import smooth_walk

GAINS = (0.035, 0.05, 0.07, 0.1, 0.14)
SIZES = (40, 48, 64)
NOISES = (0.0, 0.125, 0.25, 0.5, 1.0)
SEED = 1


def settled(**settings):
    """Recipe, weights and system after settling."""
    recipe = ContinuousAttractor(**settings)
    generator = np.random.default_rng(SEED)
    growth = recipe.begin(generator)
    for step in range(1, recipe.steps + 1):
        growth.advance(step, generator)
    return recipe, growth.weights(), recipe.system(growth.weights())


def strongest_waves(activity):
    """(2, 2) wave vectors (x, y) of the two strongest waves, in cycles a sheet."""
    n = len(activity)
    power = np.abs(np.fft.fft2(activity - activity.mean()))
    power[:, n // 2 :] = 0
    power[n // 2 :, 0] = 0  # half of the plane: the other has the same waves
    first, *others = np.argsort(power.ravel())[::-1][:9]
    waves = [np.array([i % n, (i // n + n // 2) % n - n // 2]) for i in (first, *others)]
    second = next(w for w in waves[1:] if waves[0][0] * w[1] != waves[0][1] * w[0])
    return np.array([waves[0], second])


def positions_on_sheet(recipe, system, waves, walk, metres_to_turns=None):
    """(time, walker, 2) turns of the waves, unwrapped along the walks."""
    n = recipe.neurons
    sheet = recipe.sheet()
    y, x = sheet.order[:, None], sheet.order
    detectors = np.stack([np.exp(2j * np.pi * (w[0] * x + w[1] * y) / n).ravel() for w in waves], 1)
    states = np.array(system.starts(walk.velocities.shape[1]))
    turns = [np.angle(states @ detectors) / (2 * np.pi)]
    for v in walk.velocities:
        states = system.step(states, v)
        moved = np.angle(states @ detectors) / (2 * np.pi) - turns[-1]
        expected = 0.0 if metres_to_turns is None else v @ metres_to_turns
        turns.append(turns[-1] + expected + (moved - expected + 0.5) % 1 - 0.5)
    return np.array(turns) - turns[0]


def walks(steps, seed):
    return smooth_walk(
        arena_m=2.0, steps=steps, walkers=16, max_step_m=0.15, generator=np.random.default_rng(seed)
    )


def main():
    table = csv.writer(sys.stdout, lineterminator="\n")
    columns = ["measure", "neurons", "gain", "noise", "steps", "lower", "median", "upper", "unit"]
    table.writerow(columns)

    def row(*values):
        table.writerow(values)
        sys.stdout.flush()

    spacings = []
    for gain in GAINS:
        recipe, _weights, system = settled(gain=gain, time_steps=round(20 * gain / 0.07), cells=32)
        arena = round(max(1.0, 2.0 * 0.07 / gain), 1)
        config = EvaluationConfig(
            arenas_m=(arena,), samples_per_bin=4, bin_size_m=0.05 if gain < 0.1 else 0.025
        )
        data = map_arena(system, walk="smooth", arena_m=arena, config=config)
        quartiles = np.nanquantile(data["spacing_m"].values, [0.25, 0.5, 0.75])
        spacings.append(quartiles[1])
        row("spacing", 48, gain, 0, "", *quartiles.round(4), "m")
    slope = np.polyfit(np.log(GAINS), np.log(spacings), 1)[0]
    row("slope of log spacing", 48, "", 0, "", "", round(slope, 4), "", "")

    for n in SIZES:
        recipe, weights, quiet = settled(neurons=n)
        waves = strongest_waves(weights["activity"])
        short = walks(20, 7)
        turns = positions_on_sheet(recipe, quiet, waves, short)
        places = short.positions.reshape(-1, 2)
        metres_to_turns = np.linalg.lstsq(places, turns.reshape(-1, 2), rcond=None)[0]
        long = walks(1000, 8)
        for noise in NOISES:
            system = recipe.model_copy(update={"noise": noise}).system(weights)
            turns = positions_on_sheet(recipe, system, waves, long, metres_to_turns)
            errors = np.linalg.norm(
                turns @ np.linalg.inv(metres_to_turns) - long.positions, axis=-1
            )
            for steps in (100, 1000):
                quartiles = np.quantile(errors[steps], [0.25, 0.5, 0.75])
                row("error", n, recipe.gain, noise, steps, *quartiles.round(5), "m")


if __name__ == "__main__":
    main()
