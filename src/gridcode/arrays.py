"""The gate for arrays: what a caller gives becomes a plain array, or one clear error.

`takes_arrays` stands on every public function of the analysis that takes arrays. It reads their
annotations, so that a function is guarded by saying what it takes.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import jaxtyping
import numpy as np

from gridcode.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
# (what a caller gave, its name) to the array
Take = Callable[[Any, str], np.ndarray]
# (what a caller gave, its name, sizes of the axes so far) to the array
Gate = Callable[[Any, str, dict[str, tuple[int, str]]], Any]

# Sums of squares of larger values may leave the floats, in single precision beyond the second.
LARGEST_VALUE = 1e100
LARGEST_SINGLE = 1e15
# Beyond it, not every whole number is a float.
LARGEST_WHOLE = 2**53


def takes_arrays(function: Callable[P, R]) -> Callable[P, R]:
    """Pass each argument that is annotated as an array through the gate.

    Annotations are `np.ndarray` (real numbers of any shape) and jaxtyping's `Float`, `Int` and
    `Bool` with a shape, alone, in a `Sequence` or with alternatives such as None. Lists, tensors,
    labelled arrays and any real dtype are taken: `Float` becomes float32 if it was, else float64,
    `Int` becomes int64. Where a numpy mask hides a value, it is NaN. An array that fits is passed
    on itself, so the function must not change it.

    Raises:
        InputError: (from the function) no numbers, complex ones, infinite ones or values beyond
            1e100; fractions where whole numbers are due; masks over whole numbers; a shape that is
            not the annotated one, or axes of one name that differ in size.
    """
    return _guarded(function, floats)


def takes_infinite_arrays(function: Callable[P, R]) -> Callable[P, R]:
    """As `takes_arrays`, where infinite values have a meaning."""
    return _guarded(function, real_numbers)


def _guarded(function: Callable[P, R], take_floats: Take) -> Callable[P, R]:
    signature = inspect.signature(function)
    gates = []
    for place, parameter in enumerate(signature.parameters.values()):
        gate = _gate_of(parameter.annotation, take_floats)
        if gate is not None:
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            gates.append((place, parameter.name, gate, several))
    if not gates:
        raise TypeError(f"{function.__qualname__} takes no arrays")

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        given: list[Any] = list(args)
        sizes: dict[str, tuple[int, str]] = {}
        for place, name, gate, several in gates:
            if several:
                given[place:] = [gate(value, name, sizes) for value in given[place:]]
            elif place < len(given):
                given[place] = gate(given[place], name, sizes)
            elif name in kwargs:
                kwargs[name] = gate(kwargs[name], name, sizes)
        return function(*given, **kwargs)

    guarded.__gates__ = tuple(name for _, name, _, _ in gates)  # type: ignore[attr-defined]
    return guarded


def floats(values: Any, name: str) -> np.ndarray:
    """Real numbers as float32 if they were, else as float64; NaN where masked.

    Args:
        values: any array of real numbers; returned itself if it fits.
        name: what to call it in errors.

    Raises:
        InputError: no numbers, complex or infinite ones, or values beyond 1e100.
    """
    array = real_numbers(values, name)
    top = np.fmax.reduce(array, axis=None, initial=0.0)
    peak = float(max(top, -np.fmin.reduce(array, axis=None, initial=0.0)))
    if peak > LARGEST_SINGLE:
        if peak > LARGEST_VALUE:
            raise InputError(
                f"{name} holds infinite values; mark what is not known with NaN"
                if np.isinf(peak)
                else f"{name} reaches {peak:.3g}, beyond {LARGEST_VALUE:g}: give it in another unit"
            )
        array = array.astype(np.float64, copy=False)
    return array


def doubles(values: Any, name: str) -> np.ndarray:
    """As `floats`, always in double precision."""
    return floats(values, name).astype(np.float64, copy=False)


def real_numbers(values: Any, name: str) -> np.ndarray:
    """As `floats`, of any size and infinite too."""
    array = _plain(values, name)
    # Not equal, too, where the bytes stand in another order.
    if array.dtype != np.float64 and array.dtype != np.float32:
        _expect(array, "fiub", name, "real numbers")
        single = array.dtype.kind == "f" and array.dtype.itemsize == 4
        with np.errstate(over="ignore"):
            array = array.astype(np.float32 if single else np.float64)
    return np.asarray(np.ma.filled(array, np.nan))


def whole_numbers(values: Any, name: str) -> np.ndarray:
    """Whole numbers as int64, also where they come as floats.

    Args:
        values: any array of whole numbers; returned itself if it fits.
        name: what to call it in errors.

    Raises:
        InputError: fractions, NaN, masked values, no numbers, floats beyond 2^53 or others beyond
            2^63 - 1.
    """
    array = _unmasked(values, name)
    if array.dtype == np.int64:
        return array
    _expect(array, "fiu", name, "whole numbers")
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():
        raise InputError(f"{name} must be whole numbers, not fractions or NaN")
    largest = LARGEST_WHOLE if array.dtype.kind == "f" else np.iinfo(np.int64).max
    if array.dtype.kind != "i" and array.size and np.abs(array).max() > largest:
        raise InputError(f"{name} holds numbers beyond {largest}")
    return array.astype(np.int64)


def truths(values: Any, name: str) -> np.ndarray:
    """True or False, also where they come as 1 and 0.

    Args:
        values: any array of them; returned itself if it fits.
        name: what to call it in errors.

    Raises:
        InputError: other values, fractional dtypes, or masked values.
    """
    array = _unmasked(values, name)
    if array.dtype == np.bool_:
        return array
    _expect(array, "iu", name, "True or False")
    if not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} must be True or False, not other numbers")
    return array.astype(np.bool_)


def _plain(values: Any, name: str) -> np.ndarray:
    """An array of numpy's, masked or not; complex numbers without an imaginary part are real."""
    if type(values) is np.ndarray and values.dtype.kind == "f":
        return values
    if hasattr(values, "detach"):  # a tensor of PyTorch
        values = values.detach().cpu()
    try:
        # A list of masked arrays keeps its masks only here.
        listed = isinstance(values, list | tuple)
        array = np.ma.asarray(values) if listed else np.asanyarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is no array of numbers: {error}") from None
    if array.dtype.kind == "c":
        if np.ma.filled(array.imag != 0, False).any():
            raise InputError(f"{name} must be real numbers, not {array.dtype}")
        array = array.real
    return array


def _unmasked(values: Any, name: str) -> np.ndarray:
    array = _plain(values, name)
    if np.ma.is_masked(array):
        raise InputError(f"{name} holds masked values: leave them out")
    return np.asarray(array)


def _expect(array: np.ndarray, kinds: str, name: str, what: str) -> None:
    if array.dtype.kind not in kinds and array.size:
        raise InputError(f"{name} must be {what}, not {array.dtype}")


def _gate_of(annotation: Any, take_floats: Take) -> Gate | None:
    """What checks an argument of this annotation; None where it is no array."""
    if annotation is np.ndarray:
        return lambda values, name, _: take_floats(values, name)
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _gate_of_alternatives(parts, take_floats)
    if origin in (Sequence, list):
        inner = _gate_of(parts[0], take_floats)
        return None if inner is None else _gate_of_each(inner)
    if not (isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray)):
        return None
    if annotation.array_type is not np.ndarray:
        return None
    taken = {"Float": take_floats, "Int": whole_numbers, "Bool": truths}
    take, axes = taken.get(annotation.dtype.__name__), tuple(annotation.dim_str.split())
    if take is None:
        return None

    def gate(values: Any, name: str, sizes: dict[str, tuple[int, str]]) -> np.ndarray:
        array = take(values, name)
        _check_shape(array.shape, axes, name, sizes)
        return array

    return gate


def _gate_of_alternatives(parts: tuple[Any, ...], take_floats: Take) -> Gate | None:
    gates = [_gate_of(part, take_floats) for part in parts]
    inner = next((gate for gate in gates if gate is not None), None)
    others = tuple(
        part
        for part, gate in zip(parts, gates, strict=True)
        if gate is None and isinstance(part, type)
    )
    if inner is None:
        return None
    return lambda values, name, sizes: (
        values if isinstance(values, others) else inner(values, name, sizes)
    )


def _gate_of_each(inner: Gate) -> Gate:
    def gate(values: Any, name: str, _: dict[str, tuple[int, str]]) -> list[np.ndarray]:
        try:
            each = list(values)
        except TypeError:
            raise InputError(f"{name} must be a list of arrays, not {type(values)}") from None
        # Sizes of axes are compared within each array, not between them.
        return [inner(value, name, {}) for value in each]

    return gate


def _check_shape(
    shape: tuple[int, ...], axes: tuple[str, ...], name: str, sizes: dict[str, tuple[int, str]]
) -> None:
    """Compare a shape with jaxtyping's words for it, and with the axes of the other arguments."""
    full = axes
    several = next((i for i, axis in enumerate(axes) if axis == "..." or axis[0] == "*"), None)
    if several is not None:
        full = (*axes[:several], *["_"] * (len(shape) - len(axes) + 1), *axes[several + 1 :])
    if not _fits(shape, full):
        wanted = ", ".join(axes) + ("," if len(axes) == 1 else "")
        hint = "; transpose it" if len(shape) == 2 and _fits(shape[::-1], full) else ""
        raise InputError(f"{name} must be ({wanted}), not {shape}{hint}")
    if 0 in shape[1:]:
        raise InputError(f"{name} {shape} is empty")
    for axis, size in zip(full, shape, strict=True):
        if axis.isidentifier() and axis[0] != "_":
            known, other = sizes.setdefault(axis, (size, name))
            if known != size:
                raise InputError(f"{name} has {size} along {axis}, but {other} has {known}")


def _fits(shape: tuple[int, ...], axes: tuple[str, ...]) -> bool:
    return len(shape) == len(axes) and all(
        not axis.isdigit() or int(axis) == size for axis, size in zip(axes, shape, strict=True)
    )
