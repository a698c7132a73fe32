"""The files of an evaluation: a summary, and arrays as NetCDF that carry the same id.

An evaluation is put in place whole or not at all, and files of two evaluations are never read as
one.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import h5netcdf
import h5py
import xarray as xr

from gridcode.analysis.records import OriginRecord, Summary
from gridcode.errors import InputError
from gridcode.reading import UNREADABLE, reading
from gridcode.runs.files import one_line_errors, write_atomically

ENGINE: Literal["h5netcdf"] = "h5netcdf"
AGAIN = "run `gridcode evaluate` again"
HISTORY_GROUP = "history"
# Variables without which maps over training cannot be shown.
HISTORY_NEEDS = {"step", "rate", "grid_score", "silent"}
# Correlations need four digits, not seven: scaled 16-bit integers make the file five times smaller.
# A higher level of compression takes four times as long for a few percent.
ENCODING: dict[str, dict[str, Any]] = {
    "rate": {"zlib": True, "complevel": 1, "shuffle": True},
    "autocorrelogram": {
        "dtype": "int16",
        "scale_factor": 1 / 32000,
        "_FillValue": -32768,
        "zlib": True,
        "complevel": 1,
        "shuffle": True,
    },
}


def write_evaluation(
    summary_path: Path, summary: Summary, arrays: Mapping[Path, xr.DataTree | None]
) -> None:
    """Write an evaluation, whole or not at all.

    New arrays wait beside the old ones until the new summary is in its place. After a kill the next
    reader puts them in theirs (`settle`).

    Args:
        summary_path: the file of the summary.
        summary: the summary.
        arrays: the arrays by their file; None deletes the file.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old evaluation is intact.
    """
    summary_path.parent.mkdir(exist_ok=True)
    for path in arrays:
        _waiting(path).unlink(missing_ok=True)
    try:
        for path, tree in arrays.items():
            if tree is not None:
                write_tree(_waiting(path), tree)
        write_atomically(summary_path, summary.to_json())
    except OSError:  # They would take the room of a full disk.
        for path in arrays:
            _waiting(path).unlink(missing_ok=True)
        raise
    settle(summary, arrays)
    for path, tree in arrays.items():
        if tree is None:
            path.unlink(missing_ok=True)


def settle(summary: Summary, paths: Sequence[Path] | Mapping[Path, Any]) -> None:
    """Put arrays that wait in their place if they are of this summary's evaluation."""
    for path in paths:
        waiting = _waiting(path)
        if waiting.is_file() and _id_in_file(waiting) == _id_of(summary):
            # Nothing is lost where this fails: the next reader tries again.
            with contextlib.suppress(OSError):
                waiting.replace(path)


def read_summary(path: Path) -> Summary:
    """The summary in a file; read again only when the file has changed.

    Raises:
        InputError: the file is damaged, or of another version.
    """
    with one_line_errors(f"cannot read {path}"):
        found = path.stat()
        return _summary_at(path, found.st_mtime_ns, found.st_size, found.st_ino)


def read_tree(path: Path, summary: Summary | None) -> xr.DataTree:
    """All arrays of a file.

    Args:
        path: the file.
        summary: the summary whose arrays they must be; None takes any.

    Raises:
        InputError: the file is damaged, or of another evaluation than the summary.
    """
    with _reading(path), xr.open_datatree(path, engine=ENGINE) as tree:
        tree.load()
    _check_one_evaluation(path, tree.attrs, summary)
    return tree


def read_group(
    path: Path, group: str, names: Sequence[str] | None, summary: Summary | None
) -> xr.Dataset:
    """One group of a file, without the others.

    Args:
        path: the file.
        group: the group.
        names: variables to read; None reads all.
        summary: the summary whose arrays they must be; None takes any.

    Raises:
        InputError: there is no such group, or as in `read_tree`.
    """
    with reading(f"no maps '{group}' in {path}"):
        if names is not None:
            data = _read_variables(path, group, names)
        else:
            with xr.open_dataset(path, group=group, engine=ENGINE) as opened:
                data = opened.load()
    _check_one_evaluation(path, data.attrs, summary)
    return data


def _read_variables(path: Path, group: str, names: Sequence[str]) -> xr.Dataset:
    """Variables of a group with their coordinates; xarray would look into all the others, too."""
    with h5netcdf.File(path, "r", decode_vlen_strings=True) as file:
        found = file[group]
        dimensions = [name for key in names for name in found.variables[key].dimensions]
        wanted = dict.fromkeys([*names, *(n for n in dimensions if n in found.variables)])
        variables = {
            name: (variable.dimensions, variable[...], dict(variable.attrs))
            for name, variable in ((name, found.variables[name]) for name in wanted)
        }
        return xr.decode_cf(xr.Dataset(variables, attrs=dict(found.attrs)))


def groups_in(path: Path) -> list[str]:
    """Names of the groups of a file.

    Raises:
        InputError: the file is damaged.
    """
    with _reading(path), h5py.File(path, "r") as file:
        return [name for name, found in file.items() if isinstance(found, h5py.Group)]


def read_history(path: Path) -> xr.Dataset:
    """Maps over training.

    Raises:
        InputError: the file is damaged.
    """
    with _reading(path), xr.open_dataset(path, group=HISTORY_GROUP, engine=ENGINE) as data:
        if "arena_m" not in data.attrs or not set(data.variables) >= HISTORY_NEEDS:
            raise ValueError("it lacks parts")
        data.load()
    return data


def write_history(path: Path, history: xr.Dataset) -> None:
    """Write maps over training, replaced as a whole."""
    path.parent.mkdir(exist_ok=True)
    write_tree(path, xr.DataTree.from_dict({f"/{HISTORY_GROUP}": history}))


def write_tree(path: Path, tree: xr.DataTree) -> None:
    """Write arrays, replaced as a whole."""
    encoding = {
        group: {name: ENCODING[name] for name in ENCODING if name in tree[group]}
        for group in tree.groups
        if group != "/"
    }
    # In memory first: HDF5 ends the process with a segmentation fault where the disk fills up.
    data = tree.to_netcdf(engine=ENGINE, format="NETCDF4", encoding=encoding)
    write_atomically(path, bytes(data))


def _check_one_evaluation(
    path: Path, attributes: Mapping[Any, Any], summary: Summary | None
) -> None:
    if summary is not None and _id_in(attributes) != _id_of(summary):
        raise InputError(f"{path.name} and summary.json are of different evaluations; {AGAIN}")


def _reading(path: Path) -> contextlib.AbstractContextManager[None]:
    return reading(f"cannot read {path}, which may be damaged", remedy=AGAIN)


def _waiting(path: Path) -> Path:
    """Where a file of a new evaluation waits for its summary."""
    return path.with_name(f".{path.name}.new")


def _id_of(summary: Summary) -> str | None:
    return summary.origin.evaluation if summary.origin else None


def _id_in(attributes: Mapping[Any, Any]) -> str | None:
    origin = OriginRecord.from_attributes(attributes)
    return origin.evaluation if origin else None


def _id_in_file(path: Path) -> str | None:
    try:
        with xr.open_dataset(path, engine=ENGINE) as data:
            return _id_in(data.attrs)
    except UNREADABLE:
        return None


# Parsing the summary of a large network takes a tenth of a second, and its arrays are compared with
# it whenever some are read.
@functools.lru_cache(16)
def _summary_at(path: Path, *_changed: int) -> Summary:
    return Summary.from_json(path.read_bytes())
