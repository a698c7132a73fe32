"""A path found by the names of its columns, as tables, MATLAB files and archives have them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcode.arrays import real_numbers
from gridcode.errors import InputError

Names = tuple[str, ...]

TIME: Names = ("time", "t", "times", "timestamps", "timestamp", "post", "pos_t", "b_ts")
TIME += ("pos_timestamps", "position_times")
PLACE = ("positions", "position", "pos", "xy")
X, Y = ("x", "posx", "pos_x", "x1", "b_x"), ("y", "posy", "pos_y", "y1", "b_y")
X_SECOND, Y_SECOND = ("posx2", "x2"), ("posy2", "y2")
DIRECTION = ("head_direction", "hd", "headdir", "head_dir", "b_headdir", "azimuth", "heading")
# What stands beside a path and is no activity.
OTHER: Names = ("speed", "velocity", "vel", "vx", "vy", "acceleration", "likelihood", "confidence")
OTHER += ("frame", "index", "sample", "trial", "epoch", "distance_travelled", "rot_vel", "z")
IN_CENTIMETRES = {"posx", "b_x"}  # by the convention of the tools that use these names

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
WORDS = {"meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm"}
WORDS |= {"millimetre": "mm"}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
# Wider arenas are in another unit.
WIDEST_M, NARROWEST_M = 20.0, 0.05
_WITH_UNIT = re.compile(r"(.+?)(?:_| ?[\[(])(m|cm|mm|s|ms|us|deg|rad|px|pixels?)[\])]?")


@dataclass(frozen=True)
class FoundPath:
    """A path among columns.

    Attributes:
        arrays: `positions_m` and `time_s`, and `head_direction_deg` where it is known.
        used: the columns that belong to it, or stand beside it.
        notes: what was assumed, each in one line.
    """

    arrays: dict[str, np.ndarray]
    used: frozenset[str]
    notes: tuple[str, ...]


def metres_per(unit: str | float, what: str) -> float:
    """How many metres a unit of length is: m, cm, mm, their names, or a number of metres.

    Raises:
        InputError: another unit, such as pixels.
    """
    text = str(unit).strip().lower()
    short = WORDS.get(text.removesuffix("s"), text)
    if short in METRES:
        return METRES[short]
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size < 1e6:
        raise InputError(
            f"{what} is in '{unit}'; needed are m, cm or mm: "
            "give the size of a unit in metres as position_unit (--position-unit)"
        )
    return size


def split_unit(name: str) -> tuple[str, str | None]:
    """A column's name in lower case without its unit, and the unit: `x_cm`, `time (ms)`."""
    low = name.strip().lower()
    match = _WITH_UNIT.fullmatch(low)
    return (match[1], match[2]) if match else (low, None)


def find(columns: Mapping[str, Any], names: Names) -> tuple[str, str | None] | None:
    """The column with the first of these names, and the unit in its name; None if there is none."""
    known = {split_unit(name)[0]: name for name in reversed(list(columns))}
    for name in names:
        if name in known and np.size(columns[known[name]]):
            return known[name], split_unit(known[name])[1]
    return None


def seconds(columns: Mapping[str, Any], found: tuple[str, str | None]) -> np.ndarray:
    """Times in seconds of a column that `find` found; ms and us in its name are heeded."""
    name, unit = found
    values = real_numbers(columns[name], name).reshape(-1)
    return values * SECONDS[unit] if unit in SECONDS and unit != "s" else values


def path_of(
    columns: Mapping[str, Any], *, position_unit: str | float | None = None, trusted: bool = False
) -> FoundPath | None:
    """The path among columns, by their names; None where there is none.

    Args:
        columns: arrays by name.
        position_unit: of x and y, where their names do not say it: m, cm, mm, or metres a unit.
        trusted: x and y without a unit are in metres, however far they reach.

    Raises:
        InputError: a unit that is no length, or positions that cannot be in the unit assumed.
    """
    time, place = find(columns, TIME), find(columns, PLACE)
    x, y = find(columns, X), find(columns, Y)
    if time is None or (place is None and (x is None or y is None)):
        return None
    notes: list[str] = []
    used = {time[0]}
    if x is not None and y is not None:
        used |= {x[0], y[0]}
        positions = _pair(columns, x[0], y[0])
        unit, name = x[1], x[0]
        if y[1] != x[1]:
            raise InputError(f"{x[0]} and {y[0]} are in different units")
    else:
        assert place is not None
        used.add(place[0])
        positions = real_numbers(columns[place[0]], place[0])
        unit, name = place[1], place[0]
        if positions.ndim != 2 or positions.shape[1] != 2:
            raise InputError(f"{name} must be (time, 2), not {positions.shape}")
    second = find(columns, X_SECOND), find(columns, Y_SECOND)
    direction = None
    if second[0] is not None and second[1] is not None:
        used |= {second[0][0], second[1][0]}
        other = _pair(columns, second[0][0], second[1][0])
        if len(other) == len(positions):
            direction = _between(positions, other)
            positions = (positions + other) / 2
            notes.append("two LEDs: the path is their middle, the head points to the first")
    size = _size_of(positions, name, unit, position_unit, notes, trusted=trusted)
    found = find(columns, DIRECTION)
    if found is not None:
        used.add(found[0])
        direction = degrees(columns[found[0]], *found, notes)
    used |= {name for name in columns if split_unit(name)[0] in OTHER}
    arrays = {"positions_m": positions * size, "time_s": seconds(columns, time)}
    if direction is not None:
        arrays["head_direction_deg"] = direction
    return FoundPath(arrays, frozenset(used), tuple(notes))


def _pair(columns: Mapping[str, Any], x: str, y: str) -> np.ndarray:
    first, second = (real_numbers(columns[name], name).reshape(-1) for name in (x, y))
    if len(first) != len(second):
        raise InputError(f"{x} has {len(first)} samples but {y} has {len(second)}")
    return np.stack([first, second], axis=1).astype(np.float64)


def _between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Direction from the second LED to the first, degrees anticlockwise from the x axis."""
    dx, dy = (first - second).T
    angle = np.degrees(np.arctan2(dy, dx)) % 360.0
    return np.where((dx == 0) & (dy == 0), np.nan, angle)


def degrees(values: Any, name: str, unit: str | None, notes: list[str]) -> np.ndarray:
    """Directions in degrees, from degrees, radians or vectors (time, 2).

    Args:
        values: (time,) angles, or (time, 2) vectors.
        name: of the values, for the note.
        unit: `deg` or `rad`; None: radians if all lie within one turn of them.
        notes: a line is added that says what was assumed.

    Raises:
        InputError: no numbers.
    """
    angles = real_numbers(values, name).astype(np.float64)
    if angles.ndim == 2 and angles.shape[1] == 2:
        return np.degrees(np.arctan2(angles[:, 1], angles[:, 0])) % 360.0
    angles = angles.reshape(-1)
    if unit not in ("deg", "rad"):
        largest = np.fmax.reduce(np.abs(angles), initial=0.0)
        unit = "rad" if largest <= 2 * np.pi + 1e-3 else "deg"
        notes.append(f"{name} taken as {'radians' if unit == 'rad' else 'degrees'}, by its range")
    return np.degrees(angles) % 360.0 if unit == "rad" else angles % 360.0


def _size_of(
    positions: np.ndarray,
    name: str,
    unit: str | None,
    given: str | float | None,
    notes: list[str],
    *,
    trusted: bool,
) -> float:
    """Metres per unit of the positions."""
    if unit is not None:
        if given is not None and metres_per(given, "position_unit") != metres_per(unit, name):
            raise InputError(f"{name} is in {unit}, but position_unit was given as {given}")
        return metres_per(unit, name)
    if given is not None:
        return metres_per(given, "position_unit")
    if trusted:
        return 1.0
    assumed = "cm" if split_unit(name)[0] in IN_CENTIMETRES else "m"
    known = positions[np.isfinite(positions).all(axis=1)]
    if len(known):
        low, high = np.quantile(known, [0.01, 0.99], axis=0)
        side = float((high - low).max())
        if not NARROWEST_M < side * METRES[assumed] <= WIDEST_M:
            raise InputError(
                f"the path spans {side:.3g} along {name} or beside it, and no unit is named; "
                f"{assumed} would make an arena of {side * METRES[assumed]:.3g} m: "
                "give position_unit (--position-unit), such as cm"
            )
    notes.append(f"positions taken as {assumed}, the unit of {name} not being named")
    return METRES[assumed]
