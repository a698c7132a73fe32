"""Spike trains in the forms that labs keep them in, as one array of times a unit."""

from typing import Any

import numpy as np

from gridcode.arrays import real_numbers, whole_numbers
from gridcode.errors import InputError

Unit = int | str


def trains(
    spike_times_s: Any,
    *,
    spike_units: Any = None,
    spike_index: Any = None,
    units: Any = None,
    notes: list[str],
) -> tuple[list[np.ndarray], tuple[Unit, ...]]:
    """The spike times of each unit, and the units' names.

    Args:
        spike_times_s: seconds; a mapping from unit to times (also a TsGroup of pynapple), a list
            of arrays, one a unit, or one array of all spikes.
        spike_units: for one array: (spike,) unit of each spike.
        spike_index: for one array: (unit,) how many spikes there are up to the end of each unit,
            as NWB's `spike_times_index`.
        units: names of the units; with `spike_units` all that may occur.
        notes: a line is added where spikes have no finite time.

    Raises:
        InputError: no numbers, or spikes that do not fit their units.
    """
    if is_mapping(spike_times_s):
        names = labels(list(spike_times_s.keys()), "unit names")
        each = [spike_times_s[key] for key in spike_times_s.keys()]  # noqa: SIM118 (a TsGroup)
        return _given_apart(each, names, spike_units, spike_index, units, notes)
    if is_ragged(spike_times_s):
        names = np.arange(len(spike_times_s))
        return _given_apart(list(spike_times_s), names, spike_units, spike_index, units, notes)
    times = _numbers(spike_times_s)
    if spike_index is not None:
        if spike_units is not None:
            raise InputError("give either spike_units or spike_index")
        each = _split(times, spike_index)
        return _given_apart(each, np.arange(len(each)), None, None, units, notes)
    return _by_unit(times, spike_units, units, notes)


def is_mapping(values: Any) -> bool:
    """Whether something maps units to values; tables and series of pandas do not."""
    mapping = hasattr(values, "keys") and hasattr(values, "__getitem__")
    return mapping and not hasattr(values, "iloc")


def is_frame(values: Any) -> bool:
    """Whether something is a table as pandas has them."""
    return hasattr(values, "columns") and hasattr(values, "iloc")


def is_ragged(values: Any) -> bool:
    """Whether something is a list with one array a unit, not a list of numbers."""
    if isinstance(values, np.ndarray):
        listed = values.dtype == object and values.ndim == 1
    else:
        listed = isinstance(values, list | tuple)
    return listed and len(values) > 0 and all(np.ndim(_times(each)) == 1 for each in values)


def _times(values: Any) -> Any:
    """The times of a Ts or Tsd of pynapple; anything else as it is."""
    return values.times() if callable(getattr(values, "times", None)) else values


def _numbers(values: Any) -> np.ndarray:
    return real_numbers(_times(values), "spike_times_s").reshape(-1)


def _split(times: np.ndarray, spike_index: Any) -> list[np.ndarray]:
    ends = whole_numbers(spike_index, "spike_index").reshape(-1)
    starts = np.append(0, ends[:-1])
    if not len(ends) or (ends < starts).any() or ends[-1] != len(times):
        last = f"{ends[-1]}" if len(ends) else "nothing"
        raise InputError(
            f"spike_index must rise to the {len(times)} spikes of spike_times_s, but ends at {last}"
        )
    return [times[a:b] for a, b in zip(starts, ends, strict=True)]


def _given_apart(
    each: list[Any],
    names: np.ndarray,
    spike_units: Any,
    spike_index: Any,
    units: Any,
    notes: list[str],
) -> tuple[list[np.ndarray], tuple[Unit, ...]]:
    if spike_units is not None or spike_index is not None:
        raise InputError("spikes are given unit by unit: leave out spike_units and spike_index")
    if not each:
        raise InputError("there are no units")
    found = [_numbers(times) for times in each]
    total = sum(map(len, found))
    finite = [times[np.isfinite(times)] for times in found]
    _note_lost(total - sum(map(len, finite)), total, notes)
    if not total:
        raise InputError("there are no spikes")
    return finite, unit_names(names if units is None else units, len(each))


def _by_unit(
    times: np.ndarray, spike_units: Any, units: Any, notes: list[str]
) -> tuple[list[np.ndarray], tuple[Unit, ...]]:
    of = np.zeros(len(times), dtype=np.int64)
    if spike_units is not None:
        of = labels(spike_units, "spike_units")
    if len(of) != len(times):
        raise InputError(f"spike_times_s has {len(times)} spikes but spike_units has {len(of)}")
    finite = np.isfinite(times)
    _note_lost(int((~finite).sum()), len(times), notes)
    times, of = times[finite], of[finite]
    found = np.unique(of)
    names = found if units is None else labels(units, "units")
    if not len(names):
        raise InputError("there are no spikes")
    unknown = np.setdiff1d(found, names)
    if len(unknown):
        raise InputError(f"spike_units holds {unknown[0]!s}, which is not among the units")
    unit_names(names, len(names))
    # Sorted once, however many units.
    order = np.argsort(of, kind="stable")
    first, last = (np.searchsorted(of[order], names, side=side) for side in ("left", "right"))
    return [times[order[a:b]] for a, b in zip(first, last, strict=True)], tuple(names.tolist())


def _note_lost(lost: int, total: int, notes: list[str]) -> None:
    if lost:
        notes.append(f"{lost} of {total} spikes left out: no finite time")


def labels(values: Any, name: str) -> np.ndarray:
    """Names of units as an array: strings, also those of pandas, or whole numbers of any dtype.

    Raises:
        InputError: neither strings nor whole numbers.
    """
    array = np.asanyarray(values)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "O":
        flat = list(array.reshape(-1))
        if all(isinstance(each, str) for each in flat):
            array = np.array(flat, dtype=str)
        elif all(isinstance(each, int | np.integer) for each in flat):
            array = np.array([int(each) for each in flat])
    elif array.dtype.kind in "UT" and not np.ma.is_masked(array):
        array = np.asarray(array, dtype=str)
    if array.dtype.kind == "U" and not np.ma.is_masked(array):
        return np.asarray(array).reshape(-1)
    return whole_numbers(array, name).reshape(-1)


def unit_names(units: Any, count: int) -> tuple[Unit, ...]:
    """The names of `count` units, 0, 1, ... where none are given.

    Raises:
        InputError: another number of names, or the same name twice.
    """
    if units is None:
        return tuple(range(count))
    names = labels(units, "units").tolist()
    if len(names) != count:
        raise InputError(f"units names {len(names)} units, but there are {count}")
    if len(set(names)) < count:
        raise InputError("units names a unit twice")
    return tuple(names)
