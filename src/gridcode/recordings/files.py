"""Recordings from files of any of the formats, one file or several of a session."""

import inspect
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gridcode.arrays import doubles
from gridcode.errors import InputError
from gridcode.reading import is_there
from gridcode.recordings.contents import Contents, join, session_name
from gridcode.recordings.recording import (
    DEFAULT_BIN_SIZE_M,
    Recording,
    agreed_bin_size,
    recording_from_maps,
    recording_from_path,
)

ENDINGS = ".npz, .npy, .nc, .nwb, .mat, .csv, .tsv or .hdf5"
TABLES = (".csv", ".tsv", ".txt")
HDF5 = (".h5", ".hdf5")
NETCDF = (".nc", ".cdf", ".nc4")

# What a file holds is no setting.
_DATA = {"positions_m", "time_s", "activity", "activity_time_s", "spike_times_s", "spike_units"}
_DATA |= {"spike_index", "units", "head_direction_deg", "bin_size_m"}
PATH_SETTINGS = frozenset(inspect.signature(recording_from_path).parameters) - _DATA

File = str | os.PathLike[str]


def load_recording(
    file: File | Sequence[File],
    *,
    bin_size_m: float | None = None,
    group: str | None = None,
    position: str | None = None,
    activity: str | None = None,
    position_unit: str | float | None = None,
    order: str | None = None,
    frame_rate_hz: float | None = None,
    **path_settings: Any,
) -> Recording:
    """Read rate maps, or a path with activity or spikes, from a file or the files of a session.

    Args:
        file: a file or, for suite2p, a folder; several of one session: one with the path, others
            with spikes or activity. docs/recordings.md lists the formats.
        bin_size_m: side of a bin. For maps it must agree with the file's, if there is one; for a
            path the default is the file's, else 0.025.
        group: group of an .nc file, such as `smooth_4m`. Default: the headline's in the
            `summary.json` beside the file, else the largest arena on the smooth walk.
        position: which position of an NWB file that holds several.
        activity: which traces of an NWB file, in place of its spikes.
        position_unit: `m`, `cm`, `mm`, or metres a unit, where the file does not say it.
        order: of the axes of rate maps without labels: `y x`, `x y`, `-y x` (top row first).
        frame_rate_hz: of traces that have another number of samples than the path. The first frame
            is at the first sample of the path.
        path_settings: for a path: `arena_m`, `smoothing_bins`, `min_occupancy_s`, `min_speed_m_s`
            and the other settings of `recording_from_path`; maps are not changed by them.

    Raises:
        InputError: a file cannot be read, or its content cannot be scored.
    """
    unknown = sorted(set(path_settings) - PATH_SETTINGS)
    if unknown:
        raise TypeError(f"load_recording has no argument {unknown[0]}")
    files = [Path(one) for one in ([file] if isinstance(file, str | os.PathLike) else file)]
    if not files:
        raise InputError("there are no files")
    endings = {path.suffix.lower() for path in files}
    for name, value, needed in (
        ("group", group, NETCDF),
        ("position", position, (".nwb",)),
        ("activity", activity, (".nwb",)),
    ):
        if value is not None and not endings & set(needed):
            raise InputError(
                f"{files[0].name} has no {name}s to choose from; a {name} is named for {needed[0]}"
            )
    whole = join(
        [
            read_contents(
                path, group=group, position=position, activity=activity, position_unit=position_unit
            )
            for path in files
        ]
    )
    arrays = dict(whole.arrays)
    own_size = _scalar(arrays.pop("bin_size_m"), "bin_size_m") if "bin_size_m" in arrays else None
    if "rate_maps" in arrays:
        if position_unit is not None or frame_rate_hz is not None:
            raise InputError("position_unit and frame_rate_hz apply to a path, not to rate maps")
        size = agreed_bin_size(own_size, bin_size_m, "bin_size_m")
        return _from_maps(arrays, size, order, whole.notes)
    if order is not None:
        raise InputError(f"order applies to rate maps, but {files[0].name} holds a path")
    notes = list(whole.notes)
    _give_times(arrays, frame_rate_hz, notes)
    if bin_size_m is None:
        bin_size_m = DEFAULT_BIN_SIZE_M if own_size is None else own_size
    recording = recording_from_path(**arrays, bin_size_m=bin_size_m, **path_settings)
    return replace(recording, notes=(*notes, *recording.notes))


class _Holds(NamedTuple):
    """What a file holds; its arrays are read again when its turn comes."""

    complete: bool
    has_path: bool
    holds: str


def sessions_of(files: Sequence[File]) -> list[tuple[Path, ...]]:
    """Which files belong together, in the order given: a session each.

    A file that can be scored alone is a session. A file with spikes or activity alone joins the
    file with a path: the only one, else the one in its folder whose name has the same beginning
    up to the last underscore. Every group goes to `load_recording`.

    Raises:
        InputError: spikes or activity that belong to no path, or to several.
    """
    paths = [Path(file) for file in files]
    if len(paths) == 1:
        return [(paths[0],)]
    # Of these, each is a session, and reading them twice would take long.
    alone = {path for path in paths if path.suffix.lower() in (".nwb", *NETCDF)}
    parts = {}
    for path in (path for path in paths if path not in alone):
        try:
            contents = read_contents(path)
            parts[path] = _Holds(contents.complete, contents.has_path, contents.holds)
        except InputError:
            alone.add(path)  # `load_recording` says why, and the other sessions are not lost
    tracks = [path for path, part in parts.items() if part.has_path]
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        part = parts.get(path)
        if part is None or part.complete or part.has_path:
            groups.setdefault(path, []).insert(0, path)
            continue
        # A complete session takes no cells of another.
        open_tracks = [track for track in tracks if not parts[track].complete] or tracks
        if len(open_tracks) > 1:
            beside = session_name(path)
            open_tracks = [
                track
                for track in open_tracks
                if track.parent == path.parent and beside and session_name(track) == beside
            ]
        if len(open_tracks) != 1:
            raise InputError(
                f"{path.name} holds {part.holds} but no path, and "
                f"{len(open_tracks) or 'none'} of the files with a path has the name of its session"
            )
        groups.setdefault(open_tracks[0], []).append(path)
    return [tuple(group) for group in groups.values()]


def read_contents(
    path: Path,
    *,
    group: str | None = None,
    position: str | None = None,
    activity: str | None = None,
    position_unit: str | float | None = None,
) -> Contents:
    """What one file holds; arguments as of `load_recording`.

    Raises:
        InputError: no such file, an ending that is not known, or not readable.
    """
    from gridcode.recordings.formats import calcium, matlab, netcdf, numpy_files, nwb, tables

    exists = is_there(path)
    if path.is_dir():
        if calcium.traces_folder(path) is not None:
            return calcium.read_suite2p(calcium.traces_folder(path) or path)
        inner = path / "evaluation" / "ratemaps.nc"
        hint = f", such as {inner}" if inner.is_file() else ""
        raise InputError(f"{path} is a folder; give a file{hint}")
    if not exists:
        raise InputError(f"there is no file {path}")
    if not path.is_file():  # a pipe would be waited for, and a device has no end
        raise InputError(f"{path} is no ordinary file")
    ending = path.suffix.lower()
    if path.name in calcium.TRACES:
        return calcium.read_suite2p(path)
    if ending == ".npy":
        return numpy_files.read_npy(path, position_unit=position_unit)
    if ending == ".npz":
        return numpy_files.read_npz(path, position_unit=position_unit)
    if ending in NETCDF:
        return netcdf.read_netcdf(path, group)
    if ending == ".nwb":
        return nwb.read_nwb(path, position=position, activity=activity, position_unit=position_unit)
    if ending == ".mat":
        return matlab.read_mat(path, position_unit=position_unit)
    if ending in TABLES:
        return tables.read_table(path, position_unit=position_unit)
    if ending in HDF5:
        return calcium.read_caiman(path)
    raise InputError(f"{path.name}: give a file that ends in {ENDINGS}, not '{ending}'")


def _give_times(arrays: dict[str, Any], rate_hz: float | None, notes: list[str]) -> None:
    """Times for activity that has none and another number of samples than the path."""
    own = arrays.pop("frame_rate_hz", None)
    without = "activity" in arrays and "activity_time_s" not in arrays
    if not without or len(arrays["activity"]) == len(arrays["time_s"]):
        if rate_hz is not None:
            raise InputError(
                "frame_rate_hz is for activity without times that has another number of samples "
                "than the path: leave it out"
            )
        return
    rate = own if rate_hz is None else rate_hz
    frames = len(arrays["activity"])
    if rate is None:
        hint = "; transpose it" if arrays["activity"].shape[-1] == len(arrays["time_s"]) else ""
        raise InputError(
            f"activity has {frames} samples but time_s has {len(arrays['time_s'])}"
            f"{hint or '; give frame_rate_hz (--frame-rate)'}"
        )
    if not 0 < rate < 1e6:
        raise InputError(f"frame_rate_hz must be positive, not {rate:g}")
    start = float(np.ravel(arrays["time_s"])[0])
    arrays["activity_time_s"] = start + np.arange(frames) / rate
    notes.append(f"{frames} frames at {rate:g} Hz from the first sample of the path ({start:g} s)")


def _from_maps(
    arrays: dict[str, Any], size: float | None, order: str | None, notes: tuple[str, ...]
) -> Recording:
    silent, group = arrays.pop("silent", None), arrays.pop("group", None)
    own_order = arrays.pop("order", None)
    if own_order is not None and order is not None and own_order != order:
        raise InputError(f"the file says that its order is '{own_order}': leave out order")
    recording = recording_from_maps(**arrays, bin_size_m=size, order=order or own_order)
    recording = replace(recording, group=group or None, notes=(*notes, *recording.notes))
    if silent is None or not silent.any():
        return recording
    # Activity too weak for the evaluation must not be scored here either.
    maps = np.where(silent[:, None, None], 0.0 * recording.maps, recording.maps)
    note = f"{int(silent.sum())} of {len(silent)} units are silent by the evaluation's threshold"
    return replace(recording, maps=maps, notes=(*recording.notes, note))


def _scalar(value: Any, name: str) -> float:
    array = doubles(value, name)
    if array.size != 1:
        raise InputError(f"{name} must be one number, not an array {array.shape}")
    return float(array.reshape(-1)[0])
