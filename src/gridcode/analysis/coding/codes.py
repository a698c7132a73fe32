"""Codes: functions from places to population vectors."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import RegularGridInterpolator

from gridcode.analysis.navigation.reference import ReferenceMap
from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

# Positions (place, 2) in metres to states (place, unit); NaN where a place has no state.
Code = Callable[[Float[np.ndarray, "place 2"]], Float[np.ndarray, "place unit"]]

# Fewer places do not suffice to measure a code.
FEWEST_PLACES = 100


def code_from_reference(reference: ReferenceMap) -> Code:
    """The code that a reference map holds, by bilinear interpolation.

    Within the outer half of the outermost bins the vector is that of their edge. Outside of the
    map, and next to bins without a vector, a place has no state (NaN). A bin should be much smaller
    than a field: interpolated vectors are shorter than those at the centres of bins.

    Raises:
        InputError: a reference map without any vector.
    """
    vectors = reference.vectors.astype(np.float64)
    if reference.lengths is not None:
        vectors = vectors * reference.lengths[..., None]
    if not vectors.any():
        raise InputError("no bin of the reference map has a population vector")
    vectors = np.where(vectors.any(axis=-1, keepdims=True), vectors, np.nan)
    side = len(vectors)
    interpolated = RegularGridInterpolator((np.arange(side), np.arange(side)), vectors)

    @takes_arrays
    def code(positions_m: Float[np.ndarray, "place 2"]) -> np.ndarray:
        place = np.asarray(positions_m, dtype=np.float64) / reference.bin_size_m + (side - 1) / 2
        # Rounding may leave a place on the wall just outside of it.
        inside: Bool[np.ndarray, " place"] = np.asarray(
            ((place >= -0.5 - 1e-9) & (place <= side - 0.5 + 1e-9)).all(axis=1)
        )
        place = np.clip(np.where(inside[:, None], place, 0.0), 0, side - 1)
        return np.where(inside[:, None], interpolated(place[:, ::-1]), np.nan)

    return code


@takes_arrays
def states_at(
    code: Code, positions_m: Float[np.ndarray, "place 2"]
) -> Float[np.ndarray, "place unit"]:
    """A code's states in double precision, NaN in all units where a place has none.

    Raises:
        InputError: states that are not (place, unit), or infinite.
    """
    states = np.array(doubles(code(positions_m), "states of the code"))
    if states.ndim != 2 or len(states) != len(positions_m) or states.shape[1] == 0:
        raise InputError(
            f"a code must give (place, unit) for {len(positions_m)} places, not {states.shape}"
        )
    states[np.isnan(states).any(axis=1)] = np.nan
    return states


def sample_states(
    code: Code, *, side_m: float, places: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "place 2"], Float[np.ndarray, "place unit"]]:
    """States at uniformly random places of a square; places without a state are left out.

    Args:
        code: the code.
        side_m: side of the square, metres.
        places: how many are drawn.
        generator: draws them.

    Raises:
        InputError: a side that is not positive, or fewer than 100 places with a state.
    """
    positions = random_places(side_m, places, generator)
    states = states_at(code, positions)
    known: Bool[np.ndarray, " place"] = np.asarray(np.isfinite(states).all(axis=1))
    if known.sum() < FEWEST_PLACES:
        raise InputError(
            f"only {known.sum()} of {places} places in a square of {side_m:g} m have a state: "
            f"{FEWEST_PLACES} are needed"
        )
    return positions[known], states[known]


def random_places(
    side_m: float, places: int, generator: np.random.Generator
) -> Float[np.ndarray, "place 2"]:
    """Uniformly random places in a square around the origin.

    Raises:
        InputError: a side that is not positive, or no places.
    """
    if not 0 < side_m < math.inf:
        raise InputError(f"the side of a square must be positive, not {side_m} m")
    if places < 1:
        raise InputError(f"at least one place is needed, not {places}")
    return generator.uniform(-side_m / 2, side_m / 2, (places, 2))


@takes_arrays
def slopes(
    code: Code, positions_m: Float[np.ndarray, "place 2"], *, step_m: float
) -> Float[np.ndarray, "place unit 2"]:
    """Derivatives of every unit by x and y by central differences, activity per metre.

    Args:
        code: the code.
        positions_m: (place, 2) metres.
        step_m: half the distance over which differences are taken; no smaller than half a bin for
            an interpolated code.

    Returns:
        NaN where a neighbouring place has no state.

    Raises:
        InputError: a step that is not positive.
    """
    if not 0 < step_m < math.inf:
        raise InputError(f"step_m must be positive, not {step_m}")
    shift = step_m * np.eye(2)
    ahead, behind = ([states_at(code, positions_m + sign * v) for v in shift] for sign in (1, -1))
    return np.stack([(a - b) / (2 * step_m) for a, b in zip(ahead, behind, strict=True)], axis=-1)
