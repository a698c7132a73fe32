"""Objects in NumPy files: arrays, dicts and strings, and never code of the file."""

import pickle
from io import BufferedIOBase
from typing import IO, Any

import numpy as np

from gridcode.errors import InputError

_NUMPY = {("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer")}
_LATIN = "_codecs", "encode"
_PLAIN = {"set", "frozenset", "complex", "bytearray", "slice", "range", "int", "float", "str"}


class Unknown:
    """Stands for an object of a class that is not read; whatever the file does to it is ignored."""

    def __new__(cls, *_: Any, **__: Any) -> "Unknown":
        """One more."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Ignored."""

    def append(self, item: Any) -> None:
        """Ignored, as lists of other classes are filled so."""

    def extend(self, items: Any) -> None:
        """Ignored."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignored, as mappings of other classes are filled so."""


class _Unpickler(pickle.Unpickler):
    """Finds the functions that rebuild NumPy's arrays; all else becomes `Unknown`."""

    def find_class(self, module: str, name: str) -> Any:
        parts = module.split(".")
        numpys = parts[0] == "numpy" and len(parts) == 3 and parts[1] in ("core", "_core")
        known = numpys and (parts[2], name) in _NUMPY
        known |= module == "numpy" and name in ("ndarray", "dtype")
        known |= (module, name) == _LATIN
        known |= module in ("builtins", "__builtin__") and name in _PLAIN
        return super().find_class(module, name) if known else Unknown


def read_objects(file: BufferedIOBase | IO[bytes], what: str) -> Any:
    """What an .npy stream of Python objects holds: a dict, or an array of strings or of arrays.

    Args:
        file: at the beginning of the .npy data.
        what: name of the array, for the error.

    Raises:
        InputError: other objects than dicts, lists, strings, numbers and arrays of NumPy.
    """
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    if not dtype.hasobject:
        raise ValueError(f"{what} holds no objects")
    try:
        found = _Unpickler(file, encoding="latin1").load()
    except pickle.PickleError as error:
        raise ValueError(str(error)) from None
    if isinstance(found, np.ndarray):
        found = found.reshape(shape)
        found = found.item() if found.shape == () else _strings(found)
    if isinstance(found, dict):
        return found
    if isinstance(found, np.ndarray) and found.dtype != object:
        return found
    one_axis = isinstance(found, list) or (isinstance(found, np.ndarray) and found.ndim == 1)
    if one_axis and all(isinstance(each, np.ndarray | list | dict) for each in found):
        return found
    raise InputError(
        f"{what} holds pickled Python objects other than dicts and arrays of numbers or names: "
        "save plain numbers instead"
    )


def _strings(values: np.ndarray) -> np.ndarray:
    """An array of strings, or of whole numbers, that was kept as objects."""
    flat = list(values.reshape(-1))
    if flat and all(isinstance(each, str) for each in flat):
        return np.array(flat, dtype=str).reshape(values.shape)
    if flat and all(isinstance(each, int | float | np.number) for each in flat):
        return np.array(flat).reshape(values.shape)
    return values
