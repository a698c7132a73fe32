"""Rate maps the right way round: by their labels, by a named order, or by an assumption said."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcode.arrays import doubles
from gridcode.errors import InputError
from gridcode.recordings.contents import listed
from gridcode.recordings.spike_trains import is_mapping

UNIT_DIMS = ("unit", "units", "cell", "cells", "neuron", "neurons", "roi", "cluster", "id")
X_DIMS, Y_DIMS = ("x", "x_m", "posx", "pos_x", "column"), ("y", "y_m", "posy", "pos_y", "row")
ORDERS = "'y x' (rows rise with y), 'x y' (as pynapple), '-y x' (top row first, as RatInABox)"


@dataclass(frozen=True)
class OrientedMaps:
    """Rate maps as (unit, y, x), with the labels they came with.

    Attributes:
        maps: (unit, y, x) or (y, x).
        x: of the columns, None where unknown.
        y: of the rows.
        occupancy: (y, x), None where unknown.
        units: names, None where unknown.
        notes: what was assumed or done, each in one line.
    """

    maps: np.ndarray
    x: Any
    y: Any
    occupancy: Any
    units: Any
    notes: list[str]


def is_labelled(values: Any) -> bool:
    """Whether something has named dimensions and coordinates, as xarray's arrays do."""
    return hasattr(values, "dims") and hasattr(values, "coords")


def oriented(
    rate_maps: Any, *, x: Any, y: Any, occupancy: Any, units: Any, order: str | None
) -> OrientedMaps:
    """Rate maps as (unit, y, x); arguments as of `recording_from_maps`.

    Raises:
        InputError: dimensions that are not unit, y and x, an order that is none or contradicts
            labels, or maps of different shapes.
    """
    labelled = is_labelled(rate_maps)
    from_pynapple = (
        isinstance(rate_maps, tuple) and len(rate_maps) == 2 and is_mapping(rate_maps[0])
    )
    if (labelled or from_pynapple) and order is not None:
        raise InputError("the maps' labels say their order: leave out order (--order)")
    if labelled:
        return _by_labels(rate_maps, x=x, y=y, occupancy=occupancy, units=units)
    if from_pynapple:  # (maps by unit, [x, y]) of pynapple's compute_2d_tuning_curves
        rate_maps, (x, y) = rate_maps
        order = "x y"
    if is_mapping(rate_maps):
        units = list(rate_maps.keys()) if units is None else units
        each = [doubles(rate_maps[key], f"the map of unit {key}") for key in rate_maps.keys()]  # noqa: SIM118
        if len({one.shape for one in each}) > 1:
            raise InputError("the maps of the units differ in shape")
        rate_maps = np.stack(each) if each else np.zeros((0, 3, 3))
    array = doubles(rate_maps, "rate_maps")
    time = None if occupancy is None else doubles(occupancy, "occupancy")
    if array.ndim not in (2, 3):
        return OrientedMaps(array, x, y, time, units, [])  # refused by its shape
    return _by_order(array, x=x, y=y, occupancy=time, units=units, order=order)


def _by_order(
    array: np.ndarray, *, x: Any, y: Any, occupancy: Any, units: Any, order: str | None
) -> OrientedMaps:
    notes: list[str] = []
    if order is None:
        order = _told_by_lengths(array.shape[-2:], x, y, notes)
    axes = order.replace(",", " ").lower().split()
    if sorted(axis.lstrip("-+") for axis in axes) != ["x", "y"]:
        raise InputError(f"order (--order) must be {ORDERS}, not '{order}'")
    if axes[0].endswith("x"):
        array = array.swapaxes(-1, -2)
        occupancy = None if occupancy is None else occupancy.T
    for axis, (name, values) in enumerate((("x", x), ("y", y))):
        if f"-{name}" not in axes:
            continue
        if values is not None:
            if np.size(values) > 1 and np.ravel(values)[-1] > np.ravel(values)[0]:
                raise InputError(f"order says that {name} falls, but the {name} given rises")
            continue
        array = np.flip(array, axis=-1 - axis)
        occupancy = None if occupancy is None else np.flip(occupancy, axis=-1 - axis)
    return OrientedMaps(array, x, y, occupancy, units, notes)


def _told_by_lengths(shape: tuple[int, ...], x: Any, y: Any, notes: list[str]) -> str:
    """The order that the lengths of x and y tell; else the assumed one, with a note."""
    rows, columns = shape
    known = [(n, np.size(v)) for n, v in (("x", x), ("y", y)) if v is not None]

    def fits(x_bins: int, y_bins: int) -> bool:
        bins = {"x": x_bins, "y": y_bins}
        return all(size in (bins[name], bins[name] + 1) for name, size in known)

    as_usual, swapped = fits(columns, rows), fits(rows, columns)
    if len(known) == 2 and swapped and not as_usual:
        notes.append("x fits the first axis of the maps and y the second: maps transposed")
        return "x y"
    if not swapped or not as_usual:  # told by the lengths, or refused for them
        return "y x"
    rising = "" if y is not None else ", rising upwards"
    notes.append(
        f"the maps name no axes: rows taken as y{rising}, columns as x; "
        f"if not, give order (--order): {ORDERS}"
    )
    return "y x"


def _by_labels(values: Any, *, x: Any, y: Any, occupancy: Any, units: Any) -> OrientedMaps:
    array = _variable(values) if hasattr(values, "data_vars") else values
    unit, row, column = (
        next((dim for dim in array.dims if str(dim).lower() in names), None)
        for names in (UNIT_DIMS, Y_DIMS, X_DIMS)
    )
    wanted = [dim for dim in (unit, row, column) if dim is not None]
    if row is None or column is None or len(wanted) != len(array.dims):
        raise InputError(
            f"rate maps have dimensions {listed(array.dims)}; needed are unit, y, x: rename them"
        )
    found = array.transpose(*wanted)
    labels = {
        name: array.coords[dim].values if dim in array.coords and given is None else given
        for name, dim, given in (("unit", unit, units), ("y", row, y), ("x", column, x))
        if dim is not None
    }
    time = occupancy
    if time is None and hasattr(values, "data_vars") and "occupancy" in values:
        beside = values["occupancy"]
        if set(beside.dims) == {row, column}:
            time = beside.transpose(row, column).values
    if time is None and "occupancy" in array.attrs:  # pynapple: in the order of the array
        own = np.asarray(array.attrs["occupancy"])
        places = [dim for dim in array.dims if dim != unit]
        if own.shape == tuple(array.sizes[dim] for dim in places) and own.dtype.kind in "fiu":
            time = own if places[0] == row else own.T
    return OrientedMaps(found.values, labels["x"], labels["y"], time, labels.get("unit"), [])


def _variable(data: Any) -> Any:
    """The variable with rate maps: `rate`, or the only one with both x and y."""
    if "rate" in data.data_vars:
        return data["rate"]
    maps = maps_in(data)
    if len(maps) != 1:
        raise InputError(
            f"variables {listed(data.data_vars)}: needed is rate (unit, y, x), or one variable "
            "with dimensions x and y"
        )
    return data[maps[0]]


def maps_in(data: Any) -> list[Any]:
    """The variables with dimensions x and y that may be rate maps."""

    def has(dims: Any, names: tuple[str, ...]) -> bool:
        return any(str(dim).lower() in names for dim in dims)

    return [
        name
        for name, values in data.data_vars.items()
        if has(values.dims, X_DIMS) and has(values.dims, Y_DIMS) and name != "occupancy"
    ]
