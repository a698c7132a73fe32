"""MATLAB files: paths and spikes of the Moser group, sessions of CMBHOME, and rate maps.

Versions 5 to 7 are read by SciPy, 7.3 (HDF5) by h5py. Names are those of the data of Sargolini et
al. 2006, Science 312, 758 (posx, posy, post, cellTS), and of CMBHOME (`root`: b_x, b_y, b_ts,
b_headdir, spike, spatial_scale).
"""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from gridcode.errors import InputError
from gridcode.reading import reading
from gridcode.recordings.contents import Contents, listed
from gridcode.recordings.formats.matlab73 import is_matlab73, read_matlab73
from gridcode.recordings.formats.named_arrays import contents_of

NEEDED = (
    "posx, posy and post; or cellTS; or a root of CMBHOME as a struct; or one array of rate maps"
)
_MAPS = re.compile(r"map|rate", re.IGNORECASE)
_NO_MAPS = re.compile(r"corr", re.IGNORECASE)


def read_mat(path: Path, *, position_unit: str | float | None = None) -> Contents:
    """A path, spikes or rate maps of a .mat file.

    Args:
        path: the file.
        position_unit: of the positions; default centimetres for posx and b_x.

    Raises:
        InputError: not a readable file, MATLAB objects, or nothing that is known.
    """
    with reading(f"{path.name} is not a readable MATLAB file"):
        found = read_matlab73(path) if is_matlab73(path) else _read_matlab5(path)
    found = {k: v for k, v in found.items() if k and not k.startswith("__")}
    objects = [k for k, v in found.items() if isinstance(v, scipy.io.matlab.MatlabOpaque)]
    # What is looked for may stand in a struct.
    for layer in (found, *(v for v in found.values() if isinstance(v, Mapping))):
        if "b_x" in layer:
            return _cmbhome(path, layer, position_unit)
        plain = {str(k): v for k, v in layer.items() if isinstance(v, np.ndarray | list)}
        try:
            return contents_of(path, plain, position_unit, NEEDED)
        except InputError as error:
            if "needed are" not in str(error):
                raise
    if objects:
        raise InputError(
            f"{path.name} holds MATLAB objects ({listed(objects)}), which only MATLAB reads: "
            "save them as structs, such as root = struct(root)"
        )
    return _rate_maps(path, found)


def _read_matlab5(path: Path) -> dict[str, Any]:
    try:
        return scipy.io.loadmat(path, simplify_cells=True)
    except (scipy.io.matlab.MatReadError, struct.error) as error:
        raise ValueError(str(error)) from None


def _cmbhome(path: Path, root: Mapping[str, Any], position_unit: str | float | None) -> Contents:
    scale = float(np.ravel(root.get("spatial_scale", 1.0))[0]) if "spatial_scale" in root else 1.0
    if not 0 < scale < 1e6:
        raise InputError(f"spatial_scale of {path.name} must be positive cm per pixel, not {scale}")
    columns = {k: root[k] for k in ("b_x", "b_y", "b_ts") if np.size(root.get(k, ()))}
    if len(columns) < 3:
        raise InputError(f"{path.name} holds {listed(root)}; needed are b_x, b_y and b_ts")
    columns |= {k: scale * np.asarray(columns[k], dtype=np.float64) for k in ("b_x", "b_y")}
    if np.size(root.get("b_headdir", ())):
        columns["b_headdir_deg"] = root["b_headdir"]
    contents = contents_of(path, columns, position_unit, NEEDED)
    spikes = {name: cell for name, cell in _cells(root.get("spike")) if np.size(cell)}
    arrays = contents.arrays | ({"spike_times_s": spikes} if spikes else {})
    return Contents(path, arrays, contents.notes, listed(root))


def _cells(spike: Any) -> list[tuple[str, Any]]:
    """Names and spike times of a struct array spike(tetrode, cell) with a field ts."""
    if spike is None:
        return []
    if isinstance(spike, Mapping):
        return [("C1", _times(spike))]
    found = []
    for row, cells in enumerate(spike, 1):
        # A struct array of one row or column has lost which of them it was.
        several = isinstance(cells, list | np.ndarray)
        for column, cell in enumerate(cells if several else [cells], 1):
            found.append((f"T{row}C{column}" if several else f"C{row}", _times(cell)))
    return found


def _times(cell: Any) -> Any:
    # SciPy makes dicts of structs in one dimension, but not in two.
    return np.ravel(cell.get("ts", ()) if isinstance(cell, Mapping) else getattr(cell, "ts", ()))


def _rate_maps(path: Path, found: Mapping[str, Any]) -> Contents:
    maps = {k: m for k, v in found.items() if (m := _as_maps(v)) is not None}
    if len(maps) > 1:
        named = {k: m for k, m in maps.items() if _MAPS.search(k) and not _NO_MAPS.search(k)}
        maps = named if len(named) == 1 else maps
    if len(maps) != 1:
        raise InputError(f"{path.name} holds {listed(found) or 'nothing'}; needed are {NEEDED}")
    (values,) = maps.values()
    arrays: dict[str, Any] = {"rate_maps": values}
    if "bin_size_m" in found:
        arrays["bin_size_m"] = found["bin_size_m"]
    return Contents(path, arrays, holds=listed(found))


def _as_maps(value: Any) -> np.ndarray | None:
    """(unit, rows, columns) of a matrix, a cell array of matrices, or a stack along the third."""
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        each = [np.asarray(one) for one in value]
        alike = len({one.shape for one in each}) == 1
        return np.stack(each) if alike and each[0].ndim == 2 and _is_map(each[0]) else None
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        return None
    if value.ndim == 3 and _is_map(value):
        # MATLAB stacks along the last axis; square maps show where the units are.
        rows, columns, last = value.shape
        return value if rows != columns == last else np.moveaxis(value, 2, 0)
    return value if value.ndim == 2 and _is_map(value) else None


def _is_map(value: np.ndarray) -> bool:
    return value.dtype.kind in "fiu" and min(value.shape[:2]) >= 3
