r"""A continuous attractor network that integrates its velocity (Burak and Fiete 2009).

The dynamics are those of `gridcode.baselines.neural_sheet`. The pattern forms from small random
activity as in the publication: first with an envelope on the input, then without it, then while it
is moved in three directions, which heals its defects, and then at rest. There is no noise meanwhile
and nothing is learned.

One step of a walk lasts `time_steps` time steps, in which the pattern moves by an amount that is
proportional to `gain` and to the displacement. So the spacing of all cells is proportional to
1 / `gain`, and the sheet sets their common orientation.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.neural_sheet import Sheet
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Count, EvaluationConfig, Metres

# How the pattern forms: phases in time constants, and what moves it (alpha v, radians).
STEP = 5.0
HEALING_DRIVE = 0.1
HEALING = (0.0, math.pi / 5, math.pi / 2 - math.pi / 5)
ENVELOPE_STEPS, UNIFORM_STEPS, HEALING_STEPS, REST_STEPS = 8, 4, 5, 8
START = 1e-3  # largest activity of a neuron at the start


class ContinuousAttractor(Recipe):
    """Settings of the continuous attractor network."""

    name: ClassVar = "attractor"
    title: ClassVar = "continuous attractor (2009)"
    family: ClassVar = "attractor"
    source: ClassVar = (
        "Burak and Fiete 2009, Accurate path integration in continuous attractor network models "
        "of grid cells, PLoS Computational Biology"
    )
    put_in: ClassVar = (
        "the connectivity, its shifts along preferred directions, the torus, the gain (one spacing "
        "and one orientation a network)"
    )
    integrates: ClassVar = True

    neurons: Annotated[int, Field(ge=16, le=256, multiple_of=2)] = 48
    """Neurons along a side of the sheet."""
    wavelength: Annotated[float, Field(ge=4, le=64)] = 13.0
    """lambda: sets the width of the inhibition, neurons."""
    shift: Annotated[int, Field(ge=1, le=8)] = 2
    """l: how far the connections of a neuron are shifted along its direction, neurons."""
    strength: Annotated[float, Field(ge=1.5, le=10)] = 3.0
    """g: factor of all connections."""
    tau_ms: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """Time constant of the neurons, ms."""
    dt_ms: Annotated[float, Field(gt=0, le=1000)] = 2.5
    """Time step, ms; at most a quarter of the time constant."""
    time_steps: Count = 20
    """Time steps in a step of a walk. Gain times speed should not exceed 0.3: beyond it the pattern
    is too slow."""
    gain: Annotated[float, Field(gt=0, le=10)] = 0.07
    """alpha: velocity input for each m/s, s/m."""
    noise: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Coefficient of variation of the spikes: 0 for rates, 1 for Poisson spikes. The noise of a
    step is drawn from the states and velocities at its start, which makes the step a function."""
    cells: Count = 100
    """Neurons that are analysed, a random sample by the seed."""
    arena_m: Metres = 2.0
    """Side of the square that it is tested in; nothing is trained."""

    @model_validator(mode="after")
    def _can_be_computed(self) -> "ContinuousAttractor":
        if self.dt_ms > self.tau_ms / 4:
            raise ValueError(
                f"dt_ms {self.dt_ms:g} is above a quarter of tau_ms {self.tau_ms:g}: "
                "the time steps would not be stable"
            )
        return self

    @property
    @override
    def steps(self) -> int:
        return ENVELOPE_STEPS + UNIFORM_STEPS + len(HEALING) * HEALING_STEPS + REST_STEPS

    @property
    @override
    def units(self) -> int:
        return min(self.cells, self.neurons**2)

    @property
    @override
    def extent_m(self) -> float:
        return self.arena_m

    @override
    def evaluation(self) -> EvaluationConfig:
        # A step costs about 0.2 ms for each walker: fewer and shorter walks than of others.
        return EvaluationConfig(
            arenas_m=(self.extent_m,), walks=("smooth",), space_walks=(), space_steps=(200, 1000)
        )

    def sheet(self, noise: float = 0.0) -> Sheet:
        """The sheet with these settings, and with noise."""
        return Sheet(
            neurons=self.neurons,
            wavelength=self.wavelength,
            shift=self.shift,
            strength=self.strength,
            rate=self.dt_ms / self.tau_ms,
            noise=noise,
        )

    @property
    @override
    def modules_put_in(self) -> int:
        return 1

    @override
    def begin(self, generator: np.random.Generator) -> "Settling":
        side = self.neurons
        start: Arrays = {
            "activity": START * generator.random((side, side), dtype=np.float32),
            "cells": np.sort(generator.choice(side**2, self.units, replace=False)),
            "noise_key": generator.integers(2**63, size=1),
        }
        return Settling(self, start)

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> "Settling":
        return Settling(self, weights)

    @override
    def system(self, weights: Arrays) -> System:
        sheet, side = self.sheet(self.noise), self.neurons
        step_s = self.time_steps * self.dt_ms / 1000
        key = weights["noise_key"].tobytes()

        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            now = np.ascontiguousarray(states, dtype=np.float32)
            drive = self.gain / step_s * np.asarray(velocities, dtype=np.float64)
            generator = None
            if self.noise:
                content = key + now.tobytes() + drive.tobytes()
                digest = hashlib.blake2b(content, digest_size=16).digest()
                generator = np.random.default_rng(int.from_bytes(digest, "little"))
            after = sheet.run(
                now.reshape(-1, side, side), drive, self.time_steps, generator=generator
            )
            return after.reshape(len(now), -1)

        return System(
            step,
            sheet.by_parity(weights["activity"]).ravel(),
            self.max_step_m,
            extent_m=self.extent_m,
            observed=weights["cells"],
        )


class Settling:
    """The pattern while it forms: `activity` (y, x) in the order of places."""

    def __init__(self, recipe: ContinuousAttractor, weights: Arrays) -> None:
        self._recipe, self._weights, self._sheet = recipe, dict(weights), recipe.sheet()

    def advance(self, step: int, _generator: np.random.Generator) -> Mapping[str, float]:
        """Five time constants; logs the mean activity and how much it changes, relative."""
        side = self._recipe.neurons
        before = self._weights["activity"]
        envelope = None
        if step <= ENVELOPE_STEPS:
            line = (np.arange(side) - side / 2) / (side / 2)
            envelope = np.exp(-4 * (line[:, None] ** 2 + line**2)) - 1
        healing = (step - 1 - ENVELOPE_STEPS - UNIFORM_STEPS) // HEALING_STEPS
        drive = np.zeros((1, 2))
        if 0 <= healing < len(HEALING):
            angle = HEALING[healing]
            drive = HEALING_DRIVE * np.array([[math.cos(angle), math.sin(angle)]])
        after = self._sheet.run(
            self._sheet.by_parity(before)[None],
            drive,
            math.ceil(STEP / self._sheet.rate),
            envelope=None if envelope is None else self._sheet.by_parity(envelope),
        )
        activity = self._sheet.by_place(after[0])
        self._weights["activity"] = activity
        change = float(np.abs(activity - before).mean() / activity.mean())
        return {"mean_activity": float(activity.mean()), "change": change}

    def weights(self) -> Arrays:
        """The activity of the sheet, which neurons are analysed, and what the noise is drawn by."""
        return dict(self._weights)

    def rest(self) -> Arrays:
        """Nothing more."""
        return {}
