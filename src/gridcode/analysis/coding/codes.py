"""Codes: anything that gives a population vector for a place, whether a formula, rate maps or a network's reference map."""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.navigation.reference import ReferenceMap
from gridcode.errors import InputError

# Positions (place, 2) in metres to states (place, unit); NaN where a place has no state.
Code = Callable[[Float[np.ndarray, "place 2"]], Float[np.ndarray, "place unit"]]

# Fewer places than this say nothing about a code.
FEWEST_PLACES = 100


def code_from_maps(rate: Float[np.ndarray, "unit y x"], *, bin_size_m: float) -> Code:
    """The code that rate maps hold: population vectors between the middles of bins by bilinear interpolation.

    Within the outer half of the outermost bins the vector is that of their edge. Outside of the
    maps, and next to bins in which any unit is NaN, a place has no state (NaN). A bin should be
    much smaller than a field: interpolated vectors are shorter than those at the bins' middles.

    Args:
        rate: (unit, y, x) maps centred on the origin, in any unit; NaN = never visited. Copied.
        bin_size_m: side of a bin, metres.

    Raises:
        InputError: maps of another shape, smaller than 3 bins a side, infinite or nowhere visited,
            or a bin size that is not positive.
    """
    maps = np.asarray(rate, dtype=np.float64)
    if maps.ndim != 3 or len(maps) == 0 or min(maps.shape[1:]) < 3:
        raise InputError(
            f"rate maps must be (unit, y, x) of 3 bins a side or more, not {maps.shape}"
        )
    if not 0 < bin_size_m < math.inf:
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    if np.isinf(maps).any() or not np.isfinite(maps).all(axis=0).any():
        raise InputError("rate maps are infinite somewhere, or no bin was visited in all of them")
    return _interpolated(np.ascontiguousarray(np.moveaxis(maps, 0, -1)), bin_size_m)


def code_from_reference(reference: ReferenceMap) -> Code:
    """The code that a reference map holds, by bilinear interpolation as in `code_from_maps`; NaN next to bins without a vector.

    Raises:
        InputError: a reference map without any vector.
    """
    vectors = reference.vectors.astype(np.float64)
    if not vectors.any():
        raise InputError("no bin of the reference map has a population vector")
    vectors = np.where(vectors.any(axis=-1, keepdims=True), vectors, np.nan)
    return _interpolated(vectors, reference.bin_size_m)


def _interpolated(vectors: Float[np.ndarray, "y x unit"], bin_size_m: float) -> Code:
    bins = np.array([vectors.shape[1], vectors.shape[0]])

    def code(positions_m: np.ndarray) -> np.ndarray:
        place = np.asarray(positions_m, dtype=np.float64) / bin_size_m + (bins - 1) / 2
        # Rounding may leave a place on the wall just outside of it.
        inside: Bool[np.ndarray, " place"] = np.asarray(
            ((place >= -0.5 - 1e-9) & (place <= bins - 0.5 + 1e-9)).all(axis=1)
        )
        place = np.clip(np.where(inside[:, None], place, 0.0), 0, bins - 1)
        low = np.minimum(place.astype(np.int64), bins - 2)
        x, y = low.T
        right, up = (place - low).T[..., None]
        lower = (1 - right) * vectors[y, x] + right * vectors[y, x + 1]
        upper = (1 - right) * vectors[y + 1, x] + right * vectors[y + 1, x + 1]
        return np.where(inside[:, None], (1 - up) * lower + up * upper, np.nan)

    return code


def noisy(code: Code, *, sigma: float, generator: np.random.Generator) -> Code:
    """The code with independent Gaussian noise in every unit, new at every call.

    Args:
        code: the code without it.
        sigma: standard deviation of the noise of a unit, in the unit of the activity.
        generator: source of the noise.

    Raises:
        InputError: a negative or infinite standard deviation.
    """
    if not 0 <= sigma < math.inf:
        raise InputError(f"sigma must be 0 or more, not {sigma}")

    def with_noise(positions_m: np.ndarray) -> np.ndarray:
        states = code(positions_m)
        return states + sigma * generator.standard_normal(states.shape)

    return with_noise


def states_at(
    code: Code, positions_m: Float[np.ndarray, "place 2"]
) -> Float[np.ndarray, "place unit"]:
    """A code's states in double precision, NaN in all units where a place has none.

    Raises:
        InputError: states that are not (place, unit), or infinite.
    """
    states = np.array(code(positions_m), dtype=np.float64)
    if states.ndim != 2 or len(states) != len(positions_m) or states.shape[1] == 0:
        raise InputError(
            f"a code must give (place, unit) for {len(positions_m)} places, not {states.shape}"
        )
    if np.isinf(states).any():
        raise InputError("the code gives infinite states")
    states[np.isnan(states).any(axis=1)] = np.nan
    return states


def sample_states(
    code: Code, *, side_m: float, places: int, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "place 2"], Float[np.ndarray, "place unit"]]:
    """States at uniformly random places of a square around the origin; places without a state are left out.

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
            f"only {known.sum()} of {places} places in a square of {side_m:g} m have a state: {FEWEST_PLACES} are needed"
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


def local_metric(
    code: Code, positions_m: Float[np.ndarray, "place 2"], *, step_m: float
) -> Float[np.ndarray, "place 2 2"]:
    r"""Squared growth of neural distance at each place, $G = J^\top J$ with $J = \partial g / \partial x$, so that $|dg|^2 = dx^\top G\, dx$.

    Args:
        code: the code.
        positions_m: (place, 2) metres.
        step_m: half the distance over which differences are taken; no smaller than half a bin for
            an interpolated code.

    Returns:
        (place, 2, 2) activity squared per square metre; NaN where a neighbouring place has no
        state.

    Raises:
        InputError: a step that is not positive.
    """
    slope = slopes(code, positions_m, step_m=step_m)
    return np.einsum("pui,puj->pij", slope, slope)


def slopes(
    code: Code, positions_m: Float[np.ndarray, "place 2"], *, step_m: float
) -> Float[np.ndarray, "place unit 2"]:
    """Derivatives of every unit by x and y by central differences, activity per metre; arguments as in `local_metric`."""
    if not 0 < step_m < math.inf:
        raise InputError(f"step_m must be positive, not {step_m}")
    shift = step_m * np.eye(2)
    ahead, behind = ([states_at(code, positions_m + sign * v) for v in shift] for sign in (1, -1))
    return np.stack([(a - b) / (2 * step_m) for a, b in zip(ahead, behind, strict=True)], axis=-1)
