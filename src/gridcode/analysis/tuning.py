"""What else a recorded cell is tuned to: head direction, speed, borders, and several at once."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from gridcode.analysis.cells.autocorrelogram import as_maps, smooth
from gridcode.analysis.cells.binning import BinnedPath
from gridcode.analysis.cells.border import (
    border_p_values_by_phase,
    border_p_values_by_shift,
    border_scores,
)
from gridcode.analysis.cells.direction import (
    DIRECTION_BINS,
    DIRECTIONS_DEG,
    DirectionTuning,
    direction_tuning,
    movement_directions,
)
from gridcode.analysis.cells.significance import benjamini_hochberg
from gridcode.analysis.cells.speed import SpeedTuning, speed_tuning
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

GRID_TYPES = ("hexagonal", "sheared hexagonal")
# Uniform firing in a square: coverage 1 and a mean distance of a third. A place cell whose field
# touches a wall stays below it.
LEAST_BORDER_SCORE = 0.5
NO_PATH = "not known from rate maps alone"


@takes_arrays
def tuning_of(
    path: BinnedPath | None,
    rate_maps: Float[np.ndarray, "unit y x"],
    types: Sequence[str],
    *,
    bin_size_m: float,
    silent: Bool[np.ndarray, " unit"] | None = None,
    smoothing_bins: float = 0.0,
    movement_direction: bool = False,
    nulls: int = 500,
    false_discovery_rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Head direction, speed and border tuning of every unit, each with its p-value, and in words.

    A unit is tuned where the expected share of false discoveries among units with a p as small is
    at most `false_discovery_rate`; each of the three is adjusted over all active units by itself. A
    border cell also has a border score of 0.5 or more.

    Args:
        path: of the recording; None for maps alone, which have a border score only.
        rate_maps: (unit, y, x), NaN marks unvisited bins.
        types: type of each unit, as `classify` names it.
        bin_size_m: side of a bin, metres.
        silent: units that are not tested.
        smoothing_bins: smoothing before the border score, in bins.
        movement_direction: take the direction of movement where the recording has no head
            direction; it is then called so.
        nulls: circular shifts, or random-phase maps, of each test.
        false_discovery_rate: largest expected share of false discoveries.
        seed: of random-phase maps; the other tests have no randomness.
        progress: called with (units done, units), during the test for borders.

    Returns:
        By `unit`: `mean_vector_length`, `preferred_direction_deg`, `direction_p_value`,
        `direction_curve` (unit, direction; attribute `source`: `head`, `movement` or `none`),
        `speed_score`, `speed_p_value`, `border_score`, `border_p_value`, `tuning`, such as "grid +
        head direction", and `tuning_evidence`, the numbers in words.

    Raises:
        InputError: as `direction_tuning`, `speed_tuning` and `border_scores`.
    """
    maps = smooth(as_maps(rate_maps), smoothing_bins)
    if len(types) != len(maps) or (path is not None and path.units != len(maps)):
        known = "" if path is None else f" and a path of {path.units}"
        raise InputError(f"{len(types)} types{known} do not fit {len(maps)} rate maps")
    active = np.full(len(maps), True) if silent is None else ~silent
    missing = np.full(len(maps), np.nan)
    direction, source = _direction(path, len(maps), movement_direction, nulls)
    speed = (
        SpeedTuning(missing, missing, (NO_PATH,) * len(maps))
        if path is None
        else speed_tuning(path, nulls=nulls)
    )
    border = border_scores(maps, bin_size_m=bin_size_m)
    border_p = (
        border_p_values_by_phase(
            maps, bin_size_m=bin_size_m, seed=seed, nulls=nulls, progress=progress
        )
        if path is None
        else border_p_values_by_shift(path, nulls=nulls, progress=progress)
    )
    # One map may have no field, or no wall, where the merged one has.
    border_p = np.where(np.isfinite(border.score), border_p, np.nan)
    numbers = {
        "mean_vector_length": direction.mean_vector_length,
        "preferred_direction_deg": direction.preferred_direction_deg,
        "direction_p_value": direction.p_value,
        "speed_score": speed.score,
        "speed_p_value": speed.p_value,
        "border_score": border.score,
        "border_p_value": border_p,
    }
    numbers = {name: np.where(active, values, np.nan) for name, values in numbers.items()}
    q = {
        name: benjamini_hochberg(numbers[f"{name}_p_value"])
        for name in ("direction", "speed", "border")
    }
    with np.errstate(invalid="ignore"):
        tuned = {name: values <= false_discovery_rate for name, values in q.items()}
        tuned["border"] &= numbers["border_score"] >= LEAST_BORDER_SCORE
        slower = numbers["speed_score"] < 0

    def words(u: int) -> str:
        named = {
            "grid": types[u] in GRID_TYPES and active[u],
            f"{'head' if source == 'none' else source} direction": tuned["direction"][u],
            "negative speed" if slower[u] else "speed": tuned["speed"][u],
            "border": tuned["border"][u],
        }
        return " + ".join(name for name, holds in named.items() if holds)

    def evidence(u: int) -> str:
        if not active[u]:
            return "no activity"
        found = {name: float(values[u]) for name, values in numbers.items()}
        text = {
            "direction": f"mean vector {found['mean_vector_length']:.2f} towards "
            f"{found['preferred_direction_deg']:.0f} deg, highest rate "
            f"{_contrast(direction.curve[u]):.1f} times the mean",
            "speed": f"speed score {found['speed_score']:.2f}",
            "border": f"border score {found['border_score']:.2f}",
        }
        reasons = {
            "direction": direction.reason[u],
            "speed": speed.reason[u],
            "border": border.reason[u],
        }
        return "; ".join(
            f"{what} (p = {found[f'{name}_p_value']:.2g}, q = {q[name][u]:.2g})"
            if np.isfinite(found[f"{name}_p_value"])
            else f"{name}: {reasons[name] or 'not tested'}"
            for name, what in text.items()
        )

    every = range(len(maps))
    return xr.Dataset(
        {
            **{name: ("unit", values) for name, values in numbers.items()},
            "direction_curve": (("unit", "direction"), direction.curve, {"source": source}),
            "tuning": ("unit", np.array([words(u) for u in every], dtype=object)),
            "tuning_evidence": ("unit", np.array([evidence(u) for u in every], dtype=object)),
        },
        coords={"direction": ("direction", DIRECTIONS_DEG, {"units": "deg"})},
    )


def _direction(
    path: BinnedPath | None, units: int, movement: bool, nulls: int
) -> tuple[DirectionTuning, str]:
    """Tuning to head direction, else to movement if asked for, and which of them it is."""
    reason = NO_PATH if path is None else "the recording has no head direction"
    if path is not None and path.head_direction_deg is not None:
        return direction_tuning(path, path.head_direction_deg, nulls=nulls), "head"
    if path is not None and movement:
        moved = movement_directions(path.positions_m, path.time_s)
        return direction_tuning(path, moved, nulls=nulls), "movement"
    missing, curve = np.full(units, np.nan), np.full((units, DIRECTION_BINS), np.nan)
    return DirectionTuning(curve, missing, missing, missing, (reason,) * units), "none"


def _contrast(curve: Float[np.ndarray, " direction"]) -> float:
    """Highest rate of a tuning curve over its mean."""
    mean = float(curve.mean())
    return float(curve.max()) / mean if mean > 0 else float("nan")
