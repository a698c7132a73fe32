"""Arrays from untrusted files: sizes before data, no pickled objects, errors of one line."""

import io
import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gridcode.errors import InputError
from gridcode.reading import UNREADABLE, reading

# As float64 in memory; scoring takes a few times that.
LARGEST_GB = 4.0
ACCEPTED = (
    "rate_maps and bin_size_m; or positions_m, time_s and activity; "
    "or positions_m, time_s, spike_times_s and spike_units"
)
# Far more than the header of an array of numbers takes: a longer one is not unpacked.
LONGEST_HEADER = 65_536


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
    with reading(f"{path.name} is not a readable .npy array of numbers"):
        # np.load would also open an archive with this name.
        array = np.lib.format.open_memmap(path, mode="r")
        _check_shape(array.shape)
        return array


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a recording in an .npz file, read after the headers of all are checked.

    Raises:
        InputError: not a readable archive, no complete set of arrays, pickled objects, or too
            large.
    """
    with reading(f"{path.name} is not a readable .npz archive"), zipfile.ZipFile(path) as archive:
        files = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        headers = {info.filename[:-4]: _header(archive, info) for info in files}
    wanted = _wanted(path.name, headers)
    for key in wanted:
        shape, dtype = headers[key]
        if dtype.hasobject:
            raise InputError(
                f"{key} in {path.name} holds pickled Python objects: save plain numbers instead"
            )
        check_size(shape, f"{key} in {path.name}")
    with reading(f"{path.name} is damaged"), np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in wanted}


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    # NumPy writes these two only, and other decompressors raise errors that nothing here catches.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that NumPy does not use")
    with archive.open(info) as file:
        start = io.BytesIO(file.read(LONGEST_HEADER))
    first = np.lib.format.read_magic(start) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(start)
    _check_shape(shape)
    return shape, dtype


def _check_shape(shape: tuple[Any, ...]) -> None:
    # NumPy takes True for 1, and negative sizes, from a header.
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {shape}")


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
    with (
        reading(f"{path.name} is not a readable NetCDF 4 file"),
        xr.open_datatree(path, engine="h5netcdf") as tree,
    ):
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
    except UNREADABLE:
        pass

    def rank(name: str) -> tuple[bool, float]:
        data = groups[name]
        return name.startswith("smooth"), float(data.attrs.get("arena_m", data["rate"].shape[-1]))

    return max(groups, key=rank)
