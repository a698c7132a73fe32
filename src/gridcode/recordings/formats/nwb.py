"""Neurodata Without Borders, version 2: position, head direction, spikes or traces; rate maps.

Files of `gridcode export` hold rate maps, and activity in a plain TimeSeries: these are read too.
Read with h5py alone. Source: the NWB 2 schema, `core`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from gridcode.errors import InputError
from gridcode.reading import reading
from gridcode.recordings.clocks import nearest
from gridcode.recordings.columns import degrees, metres_per
from gridcode.recordings.contents import Contents, listed
from gridcode.recordings.formats import hdf5

# Containers of spatial series that are no position of the animal.
ELSEWHERE = ("CompassDirection", "EyeTracking", "PupilTracking")
KINDS = ("SpatialSeries", "RoiResponseSeries")
# What `gridcode.interop.nwb` writes.
MAPS, UNITS, ACTIVITY = "processing/misc/rate_maps", "processing/misc/units", "activity"
RANKS = ("deconvolved", "dff", "df_over_f", "fluorescence")


def read_nwb(
    path: Path, *, position: str | None, activity: str | None, position_unit: str | float | None
) -> Contents:
    """A path with spikes or traces of an NWB file.

    Args:
        path: the file.
        position: which position, where it holds several: its path in the file, or its end.
        activity: which traces, the same way, or `rate_maps`; None: spikes where there are any.
        position_unit: in place of the unit that the file names.

    Raises:
        InputError: not a readable file, no position or several, or a unit that is no length.
    """
    with reading(f"{path.name} is not a readable NWB file"), h5py.File(path, "r") as file:
        series = _series(file)
        maps = hdf5.member(file, MAPS)
        alone = position is None and not any(_kind(one) == "SpatialSeries" for one in series)
        if maps is not None and (activity == "rate_maps" or (activity is None and alone)):
            return Contents(path, _maps(file, maps), holds="rate maps")
        places = [
            one
            for one in series
            if _kind(one) == "SpatialSeries" and _kind(one.parent) not in ELSEWHERE and _wide(one)
        ]
        notes: list[str] = []
        arrays: dict[str, Any] = {}
        if places or position is not None:
            place = choose(places, position, f"positions in {path.name}", "position (--position)")
            time = _times(place)
            arrays = {"positions_m": _metres(place, position_unit, notes), "time_s": time}
            compass = [one for one in series if _kind(one.parent) == "CompassDirection"]
            if len(compass) == 1:
                arrays["head_direction_deg"] = _direction(compass[0], time, notes)
            elif compass:
                notes.append(f"{len(compass)} head directions in the file: none is read")
        units = hdf5.member(file, "units")
        if activity is None and units is not None and "spike_times" in units:
            arrays |= _spikes(units)
        else:
            arrays |= _traces(series, activity, path.name, notes)
            arrays |= _names(file, arrays)
        if maps is not None and "positions_m" in arrays:
            arrays["bin_size_m"] = hdf5.read(maps, "bin_size_m")[:1]
    if not arrays:
        raise InputError(f"{path.name} holds no position (SpatialSeries) and no units")
    held = " and ".join(
        word for key, word in (("positions_m", "a path"), ("time_s", "")) if key in arrays and word
    )
    return Contents(path, arrays, tuple(notes), held or "units, but no position (SpatialSeries)")


def choose(found: list[h5py.Group], name: str | None, what: str, option: str) -> h5py.Group:
    """The only candidate, or the one named.

    Raises:
        InputError: several and none named, or no such one.
    """
    names = [str(one.name).lstrip("/") for one in found]
    if name is None and len(found) == 1:
        return found[0]
    if name is not None:
        wanted = name.strip("/")
        fits = [i for i, n in enumerate(names) if n == wanted or n.endswith(f"/{wanted}")]
        if len(fits) == 1:
            return found[fits[0]]
    shown = listed(names) or "none"
    asked = "" if name is None else f", and '{name}' names not one of them"
    raise InputError(f"{what}: {shown}{asked}; name one as {option}")


def _series(file: h5py.File) -> list[h5py.Group]:
    """All spatial and ROI series; links are not followed, so that each is met once."""
    found: list[h5py.Group] = []

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and (_kind(item) in KINDS or _is_activity(item)):
            found.append(item)

    file.visititems(visit)
    return found


def _is_activity(group: h5py.Group) -> bool:
    return _kind(group) == "TimeSeries" and str(group.name).endswith(f"/{ACTIVITY}")


def _kind(group: h5py.Group) -> str:
    return hdf5.text(group.attrs.get("neurodata_type", ""))


def _wide(series: h5py.Group) -> bool:
    data = hdf5.member(series, "data")
    return isinstance(data, h5py.Dataset) and data.ndim == 2 and data.shape[1] in (2, 3)


def _scaled(series: h5py.Group) -> np.ndarray:
    data = series["data"]
    conversion, offset = (
        float(data.attrs.get(k, d)) for k, d in (("conversion", 1), ("offset", 0))
    )
    values = hdf5.read(series, "data").astype(np.float64)
    return values if (conversion, offset) == (1.0, 0.0) else values * conversion + offset


def _metres(series: h5py.Group, position_unit: str | float | None, notes: list[str]) -> np.ndarray:
    unit: str | float = hdf5.text(series["data"].attrs.get("unit", "meters"))
    if position_unit is not None:
        notes.append(f"position unit '{unit}' of the file replaced by '{position_unit}'")
        unit = position_unit
    values = _scaled(series)
    if values.shape[1] == 3:
        notes.append(f"{series.name} has three coordinates: the first two are taken as x and y")
    size = metres_per(unit, f"the position {series.name}")
    return values[:, :2] if size == 1.0 else values[:, :2] * size


def _times(series: h5py.Group) -> np.ndarray:
    if "timestamps" in series:
        return hdf5.read(series, "timestamps").astype(np.float64).reshape(-1)
    if "starting_time" not in series:
        raise InputError(f"{series.name} has neither timestamps nor a starting_time")
    start = float(hdf5.read(series, "starting_time"))
    rate = float(series["starting_time"].attrs.get("rate", 0.0))
    if not rate > 0:
        raise InputError(f"{series.name} has a starting_time without a rate")
    return start + np.arange(series["data"].shape[0]) / rate


def _direction(series: h5py.Group, time: np.ndarray, notes: list[str]) -> np.ndarray:
    unit = hdf5.text(series["data"].attrs.get("unit", "radians")).lower()
    short = {"rad": "rad", "deg": "deg"}.get(unit[:3])
    angles = degrees(_scaled(series), f"head direction in '{unit}'", short, notes)
    theirs = _times(series)
    same = len(theirs) == len(time) and np.array_equal(theirs, time)
    return angles if same else nearest(angles, theirs, time)


def _spikes(units: h5py.Group) -> dict[str, Any]:
    times = hdf5.read(units, "spike_times").astype(np.float64)
    found: dict[str, Any] = {"spike_times_s": times}
    if "spike_times_index" in units:
        found["spike_index"] = hdf5.read(units, "spike_times_index")
    names = _unit_names(units)
    return found if names is None else found | {"units": names}


def _unit_names(units: h5py.Group) -> np.ndarray | None:
    """The names of a table of units, else their numbers."""
    names: np.ndarray | None = None
    if "unit_name" in units:
        names = hdf5.strings(hdf5.read(units, "unit_name"))
    if (names is None or len(set(names.tolist())) < len(names)) and "id" in units:
        names = hdf5.read(units, "id")
    return names


def _names(file: h5py.File, arrays: dict[str, Any]) -> dict[str, Any]:
    """Names for activity whose columns are the rows of a table of units."""
    units = hdf5.member(file, UNITS)
    names = None if units is None or "activity" not in arrays else _unit_names(units)
    fits = names is not None and len(names) == arrays["activity"].shape[1]
    return {"units": names} if fits else {}


def _maps(file: h5py.File, table: h5py.Group) -> dict[str, Any]:
    """Rate maps, their bins and occupancy, and the names of their units."""
    maps = hdf5.read(table, "rate_map")
    size = float(hdf5.read(table, "bin_size_m")[0])
    found: dict[str, Any] = {"rate_maps": xr.DataArray(maps, dims=("unit", "y", "x"))}
    for axis, bins in (("y", maps.shape[1]), ("x", maps.shape[2])):
        centre = float(hdf5.read(table, f"centre_{axis}_m")[0])
        found[axis] = centre + (np.arange(bins) + 0.5 - bins / 2) * size
    units = hdf5.member(file, "units")
    units = hdf5.member(file, UNITS) if units is None else units
    if units is not None:
        found["units"] = _unit_names(units)
        if "silent" in units:
            found["silent"] = hdf5.read(units, "silent").astype(bool)
    occupancy = hdf5.member(file, f"{MAPS.removesuffix('rate_maps')}rate_map_bins/occupancy")
    if occupancy is not None:
        found["occupancy"] = np.asarray(occupancy)
    return found


def _traces(
    series: list[h5py.Group], name: str | None, file: str, notes: list[str]
) -> dict[str, Any]:
    """The traces named, else deconvolved before dF/F before fluorescence."""
    found = [one for one in series if _kind(one) != "SpatialSeries"]
    if not found and name is None:
        return {}

    def rank(one: h5py.Group) -> int:
        path = f"{one.name} {_kind(one.parent)}".lower().replace("dfoverf", "dff")
        return next((i for i, word in enumerate(RANKS) if word in path), len(RANKS))

    best: Callable[[h5py.Group], bool] = lambda one: rank(one) == min(map(rank, found))  # noqa: E731
    if name is None:
        found = [one for one in found if best(one)]
    trace = choose(found, name, f"traces in {file}", "activity (--activity)")
    notes.append(f"activity is {str(trace.name).lstrip('/')}")
    values = _scaled(trace)
    return {
        "activity": values if values.ndim == 2 else values[:, None],
        "activity_time_s": _times(trace),
    }
