"""States at places: of networks, after short paths and after long walks, and of planted codes."""

import math
from dataclasses import dataclass

import numpy as np

from gridcode.analysis.coding.codes import code_from_reference
from gridcode.analysis.navigation.reference import build_reference_map
from gridcode.analysis.synthetic import ideal_grid_code, random_code

BIN_M = 0.05
WALKS, WALK_STEPS = 800, 60
# Of larger codebooks so many places are drawn.
MOST_PLACES = 3000
UNITS = 64


@dataclass(frozen=True)
class Sampled:
    """A code on the bins of a square, and the states of walks that end at some of them.

    Attributes:
        codebook: (place, unit).
        scattered: (sample, unit) states at random places of the square.
        walked: (walk, unit) after walks; None: no walks.
        ends: (walk,) the place at which each ends.
    """

    codebook: np.ndarray
    scattered: np.ndarray
    walked: np.ndarray | None = None
    ends: np.ndarray | None = None


def bins(side_m, bin_m=BIN_M):
    """Centres of the bins of a square as `build_reference_map` has them, (place, 2), metres."""
    half = round((side_m / bin_m - 1) / 2)
    line = np.arange(-half, half + 1) * bin_m
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def unit(states):
    """States divided by their length."""
    return states / np.maximum(np.linalg.norm(states, axis=-1, keepdims=True), 1e-20)


def of_system(system, side_m, *, walks=True, scattered=4000):
    """The code of a system: means over four short paths to each bin; same places for every one."""
    generator = np.random.default_rng(0)
    reference = build_reference_map(system, arena_m=side_m, generator=generator, bin_size_m=BIN_M)
    codebook = unit(reference.vectors.reshape(-1, system.units).astype(np.float64))
    inside = (len(reference.vectors) - 1) * BIN_M / 2
    spots = generator.uniform(-inside, inside, (scattered, 2))
    states = unit(code_from_reference(reference)(spots))
    if not walks:
        return Sampled(_few(codebook), states)
    ends = generator.integers(len(codebook), size=WALKS)
    return Sampled(codebook, states, walked(system, bins(side_m)[ends], generator), ends)


def _few(codebook):
    if len(codebook) <= MOST_PLACES:
        return codebook
    return codebook[np.random.default_rng(0).choice(len(codebook), MOST_PLACES, replace=False)]


def walked(system, ends_m, generator):
    """States after random walks from the origin to given places.

    Velocities are uniform in a disc of 80% of the longest step, and all of a walk are moved by the
    same small vector so that it ends where it should.
    """
    shape = (WALK_STEPS, len(ends_m))
    angle = generator.uniform(0, 2 * math.pi, shape)
    speed = 0.8 * system.max_step_m * np.sqrt(generator.uniform(0, 1, shape))
    velocities = speed[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    velocities += (ends_m - velocities.sum(axis=0)) / WALK_STEPS
    state = system.starts(len(ends_m))
    for velocity in velocities:
        state = system.step(state, velocity)
    return unit(np.asarray(state, dtype=np.float64))


def of_code(code, side_m, *, scattered=4000):
    """A planted code at the same places."""
    places = bins(side_m)
    half = np.abs(places).max()
    spots = np.random.default_rng(0).uniform(-half, half, (scattered, 2))
    return Sampled(_few(unit(code(places))), unit(code(spots)))


def planted(seed):
    """Codes with known answers by name: one to three independent modules, random fields.

    States of ideal modules have |E g|^2 = 0.6 whatever the number and scale of modules.
    """
    generator = np.random.default_rng(seed)
    scales = {"ideal, 1 module": (0.9,), "ideal, 2 modules": (0.7, 1.0)}
    scales["ideal, 3 modules"] = (0.6, 0.85, 1.2)
    # As many units in each code, or nearly: 64, 2 x 32, 3 x 21.
    found = {
        name: ideal_grid_code(s, units_per_module=UNITS // len(s), generator=generator)
        for name, s in scales.items()
    }
    return found | {
        f"random, {length} m": random_code(units=UNITS, correlation_m=length, generator=generator)
        for length in (0.1, 0.2, 0.4)
    }
