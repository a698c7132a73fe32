"""HDF5 that is not trusted: no other file is opened, sizes are read before data."""

from typing import Any

import h5py
import numpy as np

from gridcode.errors import InputError
from gridcode.recordings.sizes import check_size


def read(group: h5py.Group, name: str) -> np.ndarray:
    """The values of a dataset.

    Raises:
        InputError: no such dataset, one that lies in another file, or too large.
    """
    dataset = member(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{group.name}/{name} is no dataset")
    return values(dataset)


def values(dataset: h5py.Dataset) -> np.ndarray:
    """As `read`, of a dataset at hand."""
    if dataset.external or dataset.is_virtual:
        raise InputError(f"{dataset.name} lies in another file, which is not opened")
    check_size(dataset.shape or (), str(dataset.name))
    return np.asarray(dataset[()])


def member(group: h5py.Group, name: str) -> Any:
    """A part of a group, by a path below it; None where there is none.

    Raises:
        InputError: it lies in another file.
    """
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            return None
        if isinstance(group.get(part, getlink=True), h5py.ExternalLink):
            raise InputError(f"{group.name}/{part} lies in another file, which is not opened")
        group = group[part]
    return group


def text(value: Any) -> str:
    """An attribute or a value as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def strings(array: np.ndarray) -> np.ndarray:
    """An array of bytes or objects as strings."""
    return np.array([text(each) for each in array.reshape(-1)], dtype=str)
