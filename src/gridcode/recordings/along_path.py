"""What `recording_from_path` is given, labelled or not, as plain arrays on one clock."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcode.arrays import real_numbers
from gridcode.errors import InputError
from gridcode.recordings.clocks import nearest, resampled, same_times
from gridcode.recordings.columns import degrees, find, path_of, seconds
from gridcode.recordings.contents import listed
from gridcode.recordings.labelled import UNIT_DIMS, is_labelled
from gridcode.recordings.spike_trains import Unit, is_frame, trains, unit_names

TIME_DIMS = ("time", "t", "time_s", "sample", "samples", "frame")
UNIT_COLUMNS = ("unit", "units", "unit_id", "cell", "neuron", "cluster", "cluster_id", "id")
SPIKE_TIMES = ("spike_times", "spike_time", "time", "t", "times", "timestamps", "timestamp")


@dataclass(frozen=True)
class AlongPath:
    """A path and what units did along it.

    Attributes:
        positions: (time, 2) metres.
        time_s: (time,) seconds.
        activity: (time, unit), or None for spikes.
        spikes: the spike times of each unit, or None for activity.
        units: names; None where activity names none.
        head_direction: (time,) degrees, or None.
        notes: what was assumed or left out, each in one line.
    """

    positions: np.ndarray
    time_s: np.ndarray
    activity: np.ndarray | None
    spikes: list[np.ndarray] | None
    units: tuple[Unit, ...] | None
    head_direction: np.ndarray | None
    notes: list[str]


def along_path(
    positions: Any,
    time_s: Any,
    *,
    activity: Any,
    activity_time_s: Any,
    spike_times_s: Any,
    spike_units: Any,
    spike_index: Any,
    units: Any,
    head_direction: Any,
) -> AlongPath:
    """Plain arrays from what a caller gave; arguments as of `recording_from_path`.

    Raises:
        InputError: labels that name no x and y, no times, or units that do not fit.
    """
    notes: list[str] = []
    places, own_time, own_direction, rest = _path(positions, notes)
    if activity is None and spike_times_s is None and rest is not None:
        activity = rest
    if (activity is None) == (spike_times_s is None):
        raise InputError("give either activity or spike_times_s")
    time = _time(time_s, own_time)
    if head_direction is None:
        head_direction = own_direction
    if head_direction is not None:
        given, theirs = head_direction, own_times(head_direction)
        head_direction = real_numbers(values_of(given), "head_direction_deg").reshape(-1)
        if theirs is not None and not same_times(theirs, time):
            head_direction = nearest(head_direction, theirs, time)
    if activity is not None and values_of(activity).dtype == bool:
        # Whether there was a spike in a sample, as RatInABox says it.
        flags, names = _columns(activity)
        clock = time if activity_time_s is None else np.asarray(activity_time_s).reshape(-1)
        if len(flags) != len(clock):
            raise InputError(f"activity has {len(flags)} samples but there are {len(clock)} times")
        spike_times_s = [clock[flags[:, unit]] for unit in range(flags.shape[1])]
        units = names if units is None else units
        activity = None
    if spike_times_s is not None:
        if is_frame(spike_times_s):
            spike_times_s, spike_units = spikes_of_frame(spike_times_s)
        each, names = trains(
            spike_times_s,
            spike_units=spike_units,
            spike_index=spike_index,
            units=units,
            notes=notes,
        )
        return AlongPath(places, time, None, each, names, head_direction, notes)
    theirs = own_times(activity) if activity_time_s is None else activity_time_s
    values, names = _columns(activity)
    values = real_numbers(values, "activity")
    if theirs is not None:
        values = resampled(values, real_numbers(theirs, "activity_time_s").reshape(-1), time)
    units = names if units is None else units
    named = None if units is None else unit_names(units, values.shape[-1])
    return AlongPath(places, time, values, None, named, head_direction, notes)


def own_times(values: Any) -> np.ndarray | None:
    """The times that a Tsd, a TsdFrame or a labelled array carries; None if it has none."""
    if callable(getattr(values, "times", None)):
        return np.asarray(values.times(), dtype=np.float64)
    if is_labelled(values):
        for dim in values.dims:
            if str(dim).lower() in TIME_DIMS and dim in values.coords:
                return real_numbers(values.coords[dim].values, str(dim))
    return None


def values_of(values: Any) -> np.ndarray:
    """The plain array behind a labelled one; a numpy mask stays."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    found = getattr(values, "values", values)
    return np.asanyarray(found() if callable(found) else found)


def _path(
    positions: Any, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, Any]:
    """Positions, and where they are known times, head directions and the other columns."""
    if is_frame(positions):
        columns = frame_columns(positions)
        path = path_of(columns, trusted=True)
        if path is None:
            raise InputError(
                f"the table has columns {listed(columns)}; needed are x, y and t (or an index of "
                "times)"
            )
        notes += path.notes
        rest = positions[[c for c in positions.columns if str(c) not in path.used]]
        found = path.arrays
        return (
            found["positions_m"],
            found["time_s"],
            found.get("head_direction_deg"),
            rest if rest.shape[1] else None,
        )
    if is_labelled(positions):
        space = [dim for dim in positions.dims if str(dim).lower() not in TIME_DIMS]
        if len(positions.dims) != 2 or len(space) != 1:
            raise InputError(
                f"positions_m has dimensions {listed(positions.dims)}; needed are time and space"
            )
        positions_of = positions.transpose(..., space[0])
        names = positions.coords[space[0]].values.tolist() if space[0] in positions.coords else None
        return _x_and_y(values_of(positions_of), names, notes), own_times(positions), None, None
    if hasattr(positions, "columns") and own_times(positions) is not None:
        names = list(positions.columns)
        direction = None
        # A frame of several behaviours names the direction of the head too.
        table = {str(name): values_of(positions)[:, i] for i, name in enumerate(names)}
        found_direction = find(table, ("head_direction", "hd", "headdir", "head_dir", "azimuth"))
        if found_direction is not None:
            direction = degrees(table[found_direction[0]], *found_direction, notes)
        places = _x_and_y(values_of(positions), names, notes)
        return places, own_times(positions), direction, None
    return real_numbers(positions, "positions_m"), own_times(positions), None, None


def _x_and_y(values: np.ndarray, names: list[Any] | None, notes: list[str]) -> np.ndarray:
    low = [str(name).lower() for name in names] if names is not None else []
    if "x" in low and "y" in low:
        return real_numbers(values[:, [low.index("x"), low.index("y")]], "positions_m")
    if values.ndim == 2 and values.shape[1] == 2 and low in ([], ["0", "1"]):
        notes.append("the two columns of the positions taken as x and y, their names not saying it")
        return real_numbers(values, "positions_m")
    raise InputError(f"the positions have columns {listed(low)}; needed are x and y")


def _time(time_s: Any, own: np.ndarray | None) -> np.ndarray:
    if time_s is None:
        if own is None:
            raise InputError("the times of the positions are not known: give time_s, in seconds")
        return own
    time = real_numbers(values_of(time_s), "time_s").reshape(-1)
    if own is not None and not same_times(time, own):
        raise InputError("time_s differs from the times that the positions carry: leave it out")
    return time


def _columns(activity: Any) -> tuple[np.ndarray, Any]:
    """(time, unit) values and the units' names, None where there are none."""
    names: Any = None
    if is_labelled(activity):
        dims = [str(dim).lower() for dim in activity.dims]
        across = [d for d in activity.dims if str(d).lower() in UNIT_DIMS]
        if len(dims) == 2 and (len(across) != 1 or not set(dims) & set(TIME_DIMS)):
            raise InputError(
                f"activity has dimensions {listed(activity.dims)}; needed are time and unit"
            )
        if across:
            activity = activity.transpose(..., across[0])
            names = activity.coords[across[0]].values if across[0] in activity.coords else None
    elif hasattr(activity, "columns"):
        names = list(activity.columns)
    values = values_of(activity)
    return (values[:, None] if values.ndim == 1 else values), names


def frame_columns(frame: Any) -> dict[str, np.ndarray]:
    """The columns of a table of pandas by name; its index is the time where no column is."""
    columns = {str(name): np.asarray(frame[name]) for name in frame.columns}
    if find(columns, ("time", "t", "times", "timestamps", "timestamp", "post")) is None:
        index = np.asarray(frame.index)
        if index.dtype.kind == "f":
            columns["time"] = index
    return columns


def spikes_of_frame(frame: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Times of spikes, and the unit of each where a column says it.

    Raises:
        InputError: no column of times.
    """
    columns = frame_columns(frame)
    time, unit = find(columns, SPIKE_TIMES), find(columns, UNIT_COLUMNS)
    if time is None:
        raise InputError(
            f"the table of spikes has columns {listed(columns)}; needed are time, unit"
        )
    return seconds(columns, time), None if unit is None else columns[unit[0]]
