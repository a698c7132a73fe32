"""MATLAB files of version 7.3, which are HDF5."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gridcode.errors import InputError
from gridcode.recordings.formats import hdf5

DEEPEST = 4  # structs within structs


def is_matlab73(path: Path) -> bool:
    """Whether the header says version 7.3."""
    with path.open("rb") as file:
        return file.read(10) == b"MATLAB 7.3"


def read_matlab73(path: Path) -> dict[str, Any]:
    """Variables by name, as `scipy.io.loadmat` gives them with `simplify_cells`.

    Structs are dicts, cell arrays and struct arrays are lists, vectors have one dimension.

    Raises:
        InputError: variables too large, or nested too deep.
    """
    with h5py.File(path, "r") as file:
        # #refs# and #subsystem# hold what variables point to.
        return {name: _value(file, name, 0) for name in file if not name.startswith("#")}


def _value(group: h5py.Group, name: str, depth: int) -> Any:
    return _content(hdf5.member(group, name), depth)


def _content(item: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise InputError("structs are nested too deep")
    if isinstance(item, h5py.Group):
        parts = {name: _value(item, name, depth + 1) for name in item}
        return _struct_array(item, parts)
    if not isinstance(item, h5py.Dataset):
        return None
    if item.attrs.get("MATLAB_empty", 0):
        return np.zeros(0)
    values = hdf5.values(item).T
    if values.dtype.kind == "O" and h5py.check_ref_dtype(item.dtype) is h5py.Reference:
        cells = [
            [_content(item.file[ref], depth + 1) for ref in row] for row in np.atleast_2d(values)
        ]
        if min(values.shape) == 1:
            return [cell for row in cells for cell in row]
        return cells
    return np.squeeze(values)


def _struct_array(item: h5py.Group, parts: dict[str, Any]) -> Any:
    """A struct array keeps a table of references a field; turned into a table of structs."""
    tables = {
        name
        for name in parts
        if isinstance(item[name], h5py.Dataset)
        and h5py.check_ref_dtype(item[name].dtype) is h5py.Reference
        and "MATLAB_class" not in item[name].attrs
    }
    if not tables or tables != set(parts):
        return parts
    first = next(iter(parts.values()))
    if first and isinstance(first[0], list):
        return [
            [{name: parts[name][i][j] for name in parts} for j in range(len(row))]
            for i, row in enumerate(first)
        ]
    return [{name: parts[name][i] for name in parts} for i in range(len(first))]
