"""Arrays from .npy and .npz files that are not trusted: sizes before data, no code."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gridcode.errors import InputError
from gridcode.reading import reading
from gridcode.recordings.contents import Contents, listed
from gridcode.recordings.formats.named_arrays import contents_of
from gridcode.recordings.formats.safe_pickle import read_objects
from gridcode.recordings.sizes import check_size

ACCEPTED = (
    "rate_maps and bin_size_m; or positions_m, time_s and activity; "
    "or positions_m, time_s, spike_times_s and spike_units"
)
# Far more than the header of an array of numbers takes: a longer one is not unpacked.
LONGEST_HEADER = 65_536
OF_MAPS: tuple[str, ...] = ("rate_maps", "x", "y", "occupancy", "order")
OF_PATHS: tuple[str, ...] = (
    "positions_m",
    "time_s",
    "activity",
    "activity_time_s",
    "spike_times_s",
    "spike_units",
)
OF_PATHS += ("spike_index", "head_direction_deg")
OF_PYNAPPLE: tuple[str, ...] = ("t", "d", "index", "keys", "columns")
OF_BOTH = ("bin_size_m", "units")

Headers = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


def read_npy(path: Path, *, position_unit: str | float | None = None) -> Contents:
    """Rate maps, or a dict of arrays, from an .npy file.

    Raises:
        InputError: no readable array of numbers.
    """
    with reading(f"{path.name} is not a readable .npy array of numbers"):
        with path.open("rb") as file:
            shape, dtype = _read_header(io.BytesIO(file.read(LONGEST_HEADER)))
            if dtype.hasobject:
                check_size((path.stat().st_size // 8,), path.name)
                file.seek(0)
                found = read_objects(file, path.name)
                if not isinstance(found, dict):
                    raise InputError(f"{path.name} holds objects; needed are {ACCEPTED}")
                return contents_of(path, found, position_unit, ACCEPTED)
        # np.load would also open an archive with this name. Mapped: the size is checked first.
        array = np.lib.format.open_memmap(path, mode="r")
        return Contents(path, {"rate_maps": array}, holds=f"an array {shape}")


def read_npz(path: Path, *, position_unit: str | float | None = None) -> Contents:
    """The arrays of a recording in an .npz file, read after the headers of all are checked.

    Args:
        path: the file: arrays named as the arguments of `recording_from_maps` or
            `recording_from_path`, a file of pynapple, or arrays with usual names.
        position_unit: of positions whose name does not say it.

    Raises:
        InputError: not a readable archive, no complete set of arrays, objects that are not read,
            or too large.
    """
    with reading(f"{path.name} is not a readable .npz archive"), zipfile.ZipFile(path) as archive:
        files = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        sizes = {info.filename[:-4]: info.file_size for info in files}
        headers = {info.filename[:-4]: _header(archive, info) for info in files}
    kind = _pynapple_kind(path, headers)
    if kind is not None:
        wanted: list[str] = [k for k in OF_PYNAPPLE if k in headers]
        arrays = _arrays(path, headers, sizes, wanted)
        return _of_pynapple(path, kind, arrays, position_unit)
    if "rate_maps" in headers or {"positions_m", "time_s"} <= set(headers):
        wanted = _wanted(path.name, headers)
        arrays = _arrays(path, headers, sizes, wanted)
        if "order" in arrays:
            arrays["order"] = " ".join(map(str, np.ravel(arrays["order"])))
        return Contents(path, arrays, holds=listed(sorted(headers)))
    arrays = _arrays(path, headers, sizes, list(headers))
    return contents_of(path, arrays, position_unit, ACCEPTED)


def _arrays(
    path: Path, headers: Headers, sizes: dict[str, int], wanted: list[str]
) -> dict[str, Any]:
    for key in wanted:
        shape, dtype = headers[key]
        check_size((sizes[key] // 8,) if dtype.hasobject else shape, f"{key} in {path.name}")
    found: dict[str, Any] = {}
    with (
        reading(f"{path.name} is damaged"),
        np.load(path, allow_pickle=False) as arrays,
        zipfile.ZipFile(path) as archive,
    ):
        for key in wanted:
            if headers[key][1].hasobject:
                with archive.open(f"{key}.npy") as file:
                    found[key] = read_objects(file, f"{key} in {path.name}")
            else:
                found[key] = arrays[key]
    return found


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    # NumPy writes these two only, and other decompressors raise errors that nothing here catches.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that NumPy does not use")
    with archive.open(info) as file:
        return _read_header(io.BytesIO(file.read(LONGEST_HEADER)))


def _read_header(start: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    first = np.lib.format.read_magic(start) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(start)
    _check_shape(shape)
    return shape, dtype


def _check_shape(shape: tuple[Any, ...]) -> None:
    # NumPy takes True for 1, and negative sizes, from a header.
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {shape}")


def _wanted(name: str, keys: Headers) -> list[str]:
    """Which arrays to read: a complete set, and what goes with it."""
    activity = {"activity", "spike_times_s"} & set(keys)
    path = {"positions_m", "time_s"} <= set(keys) and bool(activity)
    if "rate_maps" in keys:
        names, both = OF_MAPS, "rate_maps and a path" if path else ""
    else:
        names, both = OF_PATHS, "activity and spike_times_s" if len(activity) == 2 else ""
    if both:
        raise InputError(f"{name} holds both {both}: keep one, so that it is clear what is scored")
    return [key for key in (*names, *OF_BOTH) if key in keys]


def _pynapple_kind(path: Path, headers: Headers) -> str | None:
    """Ts, Tsd, TsdFrame or TsGroup; None for other files."""
    if not {"type", "t", "start", "end"} <= set(headers) or headers["type"][1].kind != "U":
        return None
    with reading(f"{path.name} is damaged"), np.load(path, allow_pickle=False) as archive:
        return str(np.ravel(archive["type"])[0])


def _of_pynapple(
    path: Path, kind: str, arrays: dict[str, Any], position_unit: str | float | None
) -> Contents:
    holds = f"a {kind} of pynapple"
    time = arrays["t"]
    if kind == "TsGroup" and "index" in arrays:
        units = arrays.get("keys")
        found = {"spike_times_s": time, "spike_units": arrays["index"]}
        return Contents(path, found | ({} if units is None else {"units": units}), holds=holds)
    if kind == "Ts":
        return Contents(path, {"spike_times_s": {path.stem: time}}, holds=holds)
    if kind == "TsdFrame" and {"d", "columns"} <= set(arrays):
        names = [str(name) for name in np.ravel(arrays["columns"])]
        low = [name.lower() for name in names]
        values = arrays["d"]
        if "x" in low and "y" in low and "t" not in low:
            columns = dict(zip(names, values.T, strict=True)) | {"t": time}
            return contents_of(path, columns, position_unit, "a TsdFrame with columns x and y")
        if values.ndim == 2 and values.shape[1] == 2:
            raise InputError(
                f"the columns of {path.name} are {listed(names)}: name them x and y if it is the "
                "path"
            )
        arrays = {"activity": values, "activity_time_s": time, "units": names}
        return Contents(path, arrays, holds=holds)
    if kind == "Tsd" and "d" in arrays:
        found = {"activity": arrays["d"][:, None], "activity_time_s": time, "units": [path.stem]}
        return Contents(path, found, holds=holds)
    raise InputError(f"{path.name} holds {holds}; needed are TsGroup, TsdFrame, Tsd or Ts")
