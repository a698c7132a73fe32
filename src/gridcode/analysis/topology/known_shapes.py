"""Populations of known shape, of as many units and at the same places as one under test."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from gridcode.analysis.synthetic import FEWEST_UNITS, band_cell, ideal_grid_code, place_code
from gridcode.analysis.topology.betti import Topology, measure_topology, shuffled
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# The second module's spacing ratio and turn: no small whole numbers relate it to the first.
SECOND_SPACING, SECOND_TURN_DEG = 0.71, 17.0
PLACE_WIDTH = 0.1
KNOWN_SHAPES = {
    "one module": True,
    "two modules": False,
    "place cells": False,
    "bands": False,
    "shuffled": False,
}


@dataclass(frozen=True)
class KnownShape:
    """A control and what was found.

    Attributes:
        name: one of `KNOWN_SHAPES`.
        expected: whether its states lie on a torus.
        topology: what was measured.
    """

    name: str
    expected: bool
    topology: Topology

    @property
    def as_expected(self) -> bool:
        """Whether a torus was found exactly where there is one."""
        return self.topology.torus == self.expected


@takes_arrays
def known_shape_states(
    name: str,
    positions_m: Float[np.ndarray, "sample 2"],
    *,
    units: int,
    spacing_m: float,
    orientation_deg: float,
    generator: np.random.Generator,
    noise: float = 0.1,
) -> Float[np.ndarray, "sample unit"]:
    """States of a population of known shape at given places.

    - `one module`: ideal grid cells of one lattice, random phases: a torus.
    - `two modules`: half of them on another lattice, of 0.71 times the spacing and turned by 17
      degrees: a product of two tori, no torus.
    - `place cells`: fields that tile the places, a tenth of their extent wide: a sheet.
    - `bands`: bands in one direction, of random phases: a ring.

    Args:
        name: which.
        positions_m: (sample, 2) metres.
        units: how many, 14 or more for two modules of 7, otherwise 7 or more.
        spacing_m: spacing of the lattice, and period of the bands.
        orientation_deg: direction of its first vector, and of the bands.
        generator: draws phases and noise.
        noise: standard deviation of independent noise in every unit, over the standard deviation of
            the units' rates.

    Raises:
        InputError: an unknown name, too few units, positions that are not (sample, 2) and finite,
            or negative noise.
    """
    if (
        positions_m.ndim != 2
        or positions_m.shape[1] != 2
        or not len(positions_m)
        or not np.isfinite(positions_m).all()
    ):
        raise InputError(
            f"positions must be (sample, 2) and finite, not of shape {positions_m.shape}"
        )
    if (
        units < FEWEST_UNITS
        or not 0 <= noise < np.inf
        or not 0 < spacing_m < np.inf
        or not np.isfinite(orientation_deg)
    ):
        raise InputError(
            f"{units} units on a lattice of {spacing_m} m at {orientation_deg} degrees "
            f"with noise {noise} make no population"
        )
    # Around the centre of the places.
    middle = (positions_m.max(axis=0) + positions_m.min(axis=0)) / 2
    places = positions_m - middle
    extent = float(np.ptp(places, axis=0).max())
    if name in ("one module", "two modules"):
        modules = 1 if name == "one module" else 2
        code = ideal_grid_code(
            [spacing_m, SECOND_SPACING * spacing_m][:modules],
            units_per_module=-(-units // modules),
            orientations_deg=[orientation_deg, orientation_deg + SECOND_TURN_DEG][:modules],
            phases="random",
            generator=generator,
        )
        states = code(places)[:, -units:]
    elif name == "place cells":
        states = place_code(arena_m=extent, units=units, width_m=PLACE_WIDTH * extent)(places)
    elif name == "bands":
        band = partial(band_cell, places, spacing_m=spacing_m, orientation_deg=orientation_deg)
        phases = generator.uniform(0, spacing_m, units)
        states = np.stack([band(phase_m=float(p)) for p in phases], axis=1)
    else:
        known = ", ".join(n for n in KNOWN_SHAPES if n != "shuffled")
        raise InputError(f"unknown control '{name}': choose {known}")
    return np.asarray(
        states + noise * float(states.std()) * generator.standard_normal(states.shape)
    )


@takes_arrays
def measure_known_shapes(
    states: Float[np.ndarray, "sample unit"],
    positions_m: Float[np.ndarray, "sample 2"],
    *,
    spacing_m: float,
    orientation_deg: float,
    generator: np.random.Generator,
    nulls: int = 19,
    progress: Callable[[int, int], None] | None = None,
    **settings: int,
) -> tuple[KnownShape, ...]:
    """The same measurement on populations of known shape: only the first is a torus.

    Args:
        states: (sample, unit) of the population under test; also shuffled as one of the controls.
        positions_m: (sample, 2) metres.
        spacing_m: of its lattice.
        orientation_deg: of its lattice.
        generator: source of all randomness.
        nulls: shuffles of each control; at least 19.
        progress: called with (shuffles done, shuffles of all).
        settings: further arguments of `measure_topology`, such as `landmarks`.

    Raises:
        InputError: as `measure_topology` and `known_shape_states`.
    """
    found = []
    for number, (name, expected) in enumerate(KNOWN_SHAPES.items()):
        if name == "shuffled":
            activity = shuffled(states, generator)
        else:
            activity = known_shape_states(
                name,
                positions_m,
                units=max(states.shape[1], 14),
                spacing_m=spacing_m,
                orientation_deg=orientation_deg,
                generator=generator,
            )

        def tick(done: int, _: int, before: int = number * nulls) -> None:
            if progress:
                progress(before + done, nulls * len(KNOWN_SHAPES))

        measured = measure_topology(
            activity, generator=generator, nulls=nulls, progress=tick, **settings
        )
        found.append(KnownShape(name, expected, measured))
    return tuple(found)
