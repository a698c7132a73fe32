"""Traces of calcium imaging: folders of suite2p, and HDF5 files of CaImAn."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gridcode.errors import InputError
from gridcode.reading import UNREADABLE, reading
from gridcode.recordings.contents import Contents
from gridcode.recordings.formats import hdf5
from gridcode.recordings.formats.safe_pickle import read_objects
from gridcode.recordings.sizes import check_size

TRACES = ("spks.npy", "F.npy")
NEUROPIL = 0.7  # of the neuropil is taken off, as suite2p does by default


def traces_folder(path: Path) -> Path | None:
    """The folder with suite2p's traces: this one, its only plane, or None.

    Raises:
        InputError: several planes.
    """
    folders = [path, *sorted(path.glob("plane*")), *sorted(path.glob("suite2p/plane*"))]
    found = [folder for folder in folders if any((folder / name).is_file() for name in TRACES)]
    if len(found) > 1 and found[0] != path:
        planes = ", ".join(str(folder.relative_to(path)) for folder in found)
        raise InputError(f"{path} holds several planes ({planes}): give one of them")
    return found[0] if found else None


def read_suite2p(path: Path) -> Contents:
    """Deconvolved activity of the cells of a plane; F - 0.7 Fneu where F.npy is given.

    Args:
        path: the folder of a plane, or its spks.npy or F.npy.

    Raises:
        InputError: no readable traces, or an iscell.npy that does not fit.
    """
    folder = path if path.is_dir() else path.parent
    name = path.name if path.is_file() else next(n for n in TRACES if (folder / n).is_file())
    values = _matrix(folder / name)
    notes = [f"activity is {name} of suite2p"]
    if name == "F.npy" and (folder / "Fneu.npy").is_file():
        neuropil = _matrix(folder / "Fneu.npy")
        if neuropil.shape != values.shape:
            raise InputError(f"Fneu.npy is {neuropil.shape}, but F.npy is {values.shape}")
        values = values - NEUROPIL * neuropil
        notes = [f"activity is F - {NEUROPIL:g} Fneu of suite2p"]
    cells = np.arange(len(values))
    if (folder / "iscell.npy").is_file():
        accepted = _matrix(folder / "iscell.npy")[:, 0] > 0
        if len(accepted) != len(values):
            raise InputError(f"iscell.npy has {len(accepted)} cells, but {name} has {len(values)}")
        cells = np.flatnonzero(accepted)
        notes.append(f"{len(cells)} of {len(values)} regions are cells by iscell.npy")
    arrays: dict[str, Any] = {"activity": values[cells].T, "units": cells}
    rate = _frame_rate(folder / "ops.npy")
    if rate is not None:
        arrays["frame_rate_hz"] = rate
    return Contents(path, arrays, tuple(notes), "traces without a path")


def _matrix(path: Path) -> np.ndarray:
    with reading(f"{path.name} is not a readable .npy array of numbers"):
        array = np.lib.format.open_memmap(path, mode="r")
        check_size(array.shape, path.name)
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise InputError(f"{path.name} must be (cell, frame) numbers, not {array.shape}")
        return np.array(array)


def _frame_rate(path: Path) -> float | None:
    """Frames a second in suite2p's settings; None where they cannot be read."""
    try:
        with path.open("rb") as file:
            rate = float(read_objects(file, path.name)["fs"])
    except (InputError, *UNREADABLE):
        return None
    return rate if 0 < rate < 1e5 else None


def read_caiman(path: Path) -> Contents:
    """Deconvolved activity (S), else F_dff, else C, of the components that CaImAn accepted.

    Raises:
        InputError: not a readable file, or no traces in it.
    """
    with (
        reading(f"{path.name} is not a readable HDF5 file of CaImAn"),
        h5py.File(path, "r") as file,
    ):
        estimates = hdf5.member(file, "estimates")
        names = [n for n in ("S", "F_dff", "C") if _is_matrix(estimates, n)]
        if not names:
            raise InputError(f"{path.name} holds no traces: estimates/S, F_dff or C are needed")
        values = hdf5.read(estimates, names[0]).astype(np.float64)
        cells = np.arange(len(values))
        accepted = hdf5.member(estimates, "idx_components")
        notes = [f"activity is {names[0]} of CaImAn"]
        if (
            isinstance(accepted, h5py.Dataset)
            and accepted.ndim == 1
            and accepted.dtype.kind in "iu"
        ):
            cells = hdf5.values(accepted)
            notes.append(f"{len(cells)} of {len(values)} components are accepted (idx_components)")
        if len(cells) and not (cells.min() >= 0 and cells.max() < len(values)):
            raise InputError(
                f"idx_components of {path.name} points beyond {len(values)} components"
            )
        arrays: dict[str, Any] = {"activity": values[cells].T, "units": cells}
        rate = hdf5.member(file, "params/data/fr")
        if isinstance(rate, h5py.Dataset) and rate.ndim == 0 and rate.dtype.kind in "fiu":
            arrays["frame_rate_hz"] = float(rate[()])
    return Contents(path, arrays, tuple(notes), "traces without a path")


def _is_matrix(group: Any, name: str) -> bool:
    values = hdf5.member(group, name) if isinstance(group, h5py.Group) else None
    return isinstance(values, h5py.Dataset) and values.ndim == 2 and values.dtype.kind in "fiu"
