"""Arrays from untrusted files: sizes before data, no pickled objects, errors of one line."""

import json
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gridcode.errors import InputError

# As float64 in memory; scoring takes a few times that.
LARGEST_GB = 4.0
ACCEPTED = (
    "rate_maps and bin_size_m; or positions_m, time_s and activity; "
    "or positions_m, time_s, spike_times_s and spike_units"
)
BAD_FILE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def check_size(shape: Sequence[int], name: str) -> None:
    """Raise an InputError for an array too large to work on."""
    size = 8 * math.prod(shape) / 1e9
    if size > LARGEST_GB:
        raise InputError(
            f"{name} {tuple(shape)} would take {size:.3g} GB; up to {LARGEST_GB:g} GB are read: "
            "score the units in parts"
        )


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file, mapped so that its size can be checked before reading.

    Raises:
        InputError: no readable array of numbers.
    """
    try:
        # np.load would also open an archive with this name.
        return np.lib.format.open_memmap(path, mode="r")
    except BAD_FILE as error:
        raise InputError(
            f"{path.name} is not a readable .npy array of numbers: {_line(error)}"
        ) from error


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a recording in an .npz file, read after the headers of all are checked.

    Raises:
        InputError: not a readable archive, no complete set of arrays, pickled objects, or too
            large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            headers = {name[:-4]: _header(archive, name) for name in names}
    except BAD_FILE as error:
        raise InputError(f"{path.name} is not a readable .npz archive: {_line(error)}") from error
    wanted = _wanted(path.name, headers)
    for key in wanted:
        shape, dtype = headers[key]
        if dtype.hasobject:
            raise InputError(
                f"{key} in {path.name} holds pickled Python objects: save plain numbers instead"
            )
        check_size(shape, f"{key} in {path.name}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in wanted}
    except BAD_FILE as error:
        raise InputError(f"{path.name} is damaged: {_line(error)}") from error


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(name) as file:
        first = np.lib.format.read_magic(file) == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


def _wanted(name: str, keys: dict[str, Any]) -> list[str]:
    """Which arrays to read: a complete set, and what goes with it."""
    activity = {"activity", "spike_times_s"} & set(keys)
    path = {"positions_m", "time_s"} <= set(keys) and bool(activity)
    if "rate_maps" in keys:
        wanted = ["rate_maps", "x", "y", "occupancy"]
        both = "rate_maps and a path" if path else ""
    else:
        wanted = ["positions_m", "time_s", "activity", "spike_times_s", "spike_units"]
        both = "activity and spike_times_s" if len(activity) == 2 else ""
        if not path:
            shown = ", ".join(sorted(keys)[:12]) or "no arrays"
            more = ", ..." if len(keys) > 12 else ""
            raise InputError(f"{name} holds {shown}{more}; needed are {ACCEPTED}")
    if both:
        raise InputError(f"{name} holds both {both}: keep one, so that it is clear what is scored")
    return [key for key in (*wanted, "bin_size_m", "units") if key in keys]


def read_netcdf(path: Path, group: str | None) -> tuple[str, dict[str, Any]]:
    """Name and arrays of one group of an .nc file.

    Args:
        path: the file.
        group: which group; None: the headline's in the summary.json beside the file, else the
            largest arena on the smooth walk.

    Returns:
        The group's name and its `rate` (unit, y, x), with `occupancy` (y, x), `silent` (unit,),
        `x`, `y`, `unit` and `bin_size_m` where it has them.

    Raises:
        InputError: not a readable file, no such group, no rate maps in it, or too large.
    """
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            groups = {
                node.path.strip("/"): node.to_dataset()
                for node in tree.subtree
                if "rate" in node.data_vars
            }
            name = _group(path, groups, group)
            data = groups[name]
            dims = data["rate"].dims
            if set(dims) != {"unit", "y", "x"}:
                raise InputError(
                    f"rate in {path.name} has dimensions {', '.join(map(str, dims))}; "
                    "needed are unit, y, x"
                )
            check_size(data["rate"].shape, f"rate in {path.name}")
            found = {"rate": data["rate"].transpose("unit", "y", "x").values}
            found |= {axis: data[axis].values for axis in ("x", "y", "unit") if axis in data.coords}
            if "occupancy" in data and set(data["occupancy"].dims) == {"y", "x"}:
                found["occupancy"] = data["occupancy"].transpose("y", "x").values
            if "silent" in data and data["silent"].dims == ("unit",):
                found["silent"] = data["silent"].values.astype(bool)
            if "bin_size_m" in data.attrs:
                found["bin_size_m"] = np.asarray(data.attrs["bin_size_m"])
            return name, found
    except InputError:
        raise
    except BAD_FILE as error:
        raise InputError(f"{path.name} is not a readable NetCDF 4 file: {_line(error)}") from error


def _group(path: Path, groups: dict[str, xr.Dataset], group: str | None) -> str:
    if not groups:
        raise InputError(f"{path.name} has no variable rate (unit, y, x) in any of its groups")
    if group is not None and group.strip("/") not in groups:
        raise InputError(
            f"{path.name} has no group {group} with rate maps; there are {', '.join(groups)}"
        )
    if group is not None:
        return group.strip("/")
    try:
        summary = json.loads((path.parent / "summary.json").read_text(encoding="utf-8"))
        headline = summary["headline"]["group"]
        if headline in groups:
            return str(headline)
    except (OSError, ValueError, KeyError, TypeError):
        pass

    def rank(name: str) -> tuple[bool, float]:
        data = groups[name]
        return name.startswith("smooth"), float(data.attrs.get("arena_m", data["rate"].shape[-1]))

    return max(groups, key=rank)


def _line(error: BaseException) -> str:
    """First line of an error, for a message of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
