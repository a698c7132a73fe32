"""Rate maps from .nc files of xarray, NetCDF 3 and 4, by the names of their dimensions."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from gridcode.errors import InputError
from gridcode.reading import UNREADABLE, reading
from gridcode.recordings.contents import Contents
from gridcode.recordings.labelled import maps_in, oriented
from gridcode.recordings.sizes import check_size

CLASSIC = b"CDF"  # how NetCDF 3 files begin


def read_netcdf(path: Path, group: str | None) -> Contents:
    """Rate maps of one group of an .nc file.

    Args:
        path: the file.
        group: which group; None: the headline's in the summary.json beside the file, else the
            largest arena on the smooth walk.

    Raises:
        InputError: not a readable file, no such group, no rate maps in it, or too large.
    """
    with path.open("rb") as file:
        classic = file.read(3) == CLASSIC
    with reading(f"{path.name} is not a readable NetCDF 3 or 4 file"):
        if classic:
            with xr.open_dataset(path, engine="scipy") as data:
                return _contents(path, {"": data} if maps_in(data) else {}, group)
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            groups = {
                node.path.strip("/"): node.to_dataset()
                for node in tree.subtree
                if "rate" in node.data_vars or maps_in(node)
            }
            return _contents(path, groups, group)


def _contents(path: Path, groups: dict[str, xr.Dataset], group: str | None) -> Contents:
    name = _group(path, groups, group)
    data = groups[name]
    for variable in data.data_vars.values():
        check_size(variable.shape, f"{variable.name} in {path.name}")
    found = oriented(data, x=None, y=None, occupancy=None, units=None, order=None)
    arrays = {
        "rate_maps": xr.DataArray(found.maps, dims=("unit", "y", "x")[-found.maps.ndim :]),
        "x": found.x,
        "y": found.y,
        "occupancy": found.occupancy,
        "units": found.units,
        "group": name,
    }
    if "silent" in data and data["silent"].dims == ("unit",):
        arrays["silent"] = data["silent"].values.astype(bool)
    if "bin_size_m" in data.attrs:
        arrays["bin_size_m"] = np.asarray(data.attrs["bin_size_m"])
    return Contents(path, {k: v for k, v in arrays.items() if v is not None}, holds="rate maps")


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
        return name.startswith("smooth"), float(data.attrs.get("arena_m", max(data.sizes.values())))

    return max(groups, key=rank)
