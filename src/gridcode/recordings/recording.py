"""Recordings from arrays: rate maps, or a path with the spikes or activity along it.

Arrays may be labelled: those of xarray, tables of pandas, and time series of pynapple are taken by
what they offer, and put the right way round by their labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode import display
from gridcode.analysis.cells.autocorrelogram import as_maps
from gridcode.analysis.cells.binning import (
    BinnedPath,
    bin_path,
    check_bin_size,
    rebin,
    without_extremes,
)
from gridcode.analysis.cells.spike_clock import on_position_clock
from gridcode.arrays import doubles
from gridcode.errors import InputError
from gridcode.recordings.along_path import along_path
from gridcode.recordings.checks import check_notes
from gridcode.recordings.labelled import oriented
from gridcode.recordings.sizes import check_size
from gridcode.recordings.spike_trains import Unit, unit_names

DEFAULT_BIN_SIZE_M = 0.025


@dataclass(frozen=True)
class Recording:
    """Rate maps of some units, with the path they come from where it is known.

    Attributes:
        maps: (unit, y, x); spikes per second, or the activity's unit. NaN marks unvisited bins.
        bin_size_m: side of a bin, metres.
        units: name of each unit, as in the file.
        kind: `maps`, or binned here from `activity` or `spikes`.
        centre_m: (x, y) of the maps' centre in the recording's coordinates; (0, 0) if not known.
        occupancy: (y, x) time in each bin, None where not known: seconds for a path, the file's
            unit for maps.
        path: what `rebin` and `split_halves` need; None for maps.
        group: group of an .nc file.
        notes: what was left out or looks odd, each in one line.
        spike_times_s: spike times of each unit on the positions' clock, rising, those outside of
            the maps included; None without spikes.
    """

    maps: Float[np.ndarray, "unit y x"]
    bin_size_m: float
    units: tuple[Unit, ...]
    kind: Literal["maps", "activity", "spikes"] = "maps"
    centre_m: tuple[float, float] = (0.0, 0.0)
    occupancy: Float[np.ndarray, "y x"] | None = None
    path: BinnedPath | None = None
    group: str | None = None
    notes: tuple[str, ...] = ()
    spike_times_s: tuple[Float[np.ndarray, " _"], ...] | None = None

    def __repr__(self) -> str:
        return f"Recording({self._shape()}, {self.kind})"

    def _repr_html_(self) -> str:
        return display.table(
            f"Recording of {self._shape()}",
            {"kind": self.kind, "group": self.group or "-", "notes": "; ".join(self.notes) or "-"},
        )

    def _shape(self) -> str:
        rows, columns = self.maps.shape[1:]
        return f"{len(self.units)} units, {rows} x {columns} bins of {self.bin_size_m:g} m"

    def dataset(self) -> xr.Dataset:
        """The maps as a labelled dataset, as `analyse_population` takes it."""
        rows, columns = self.maps.shape[1:]
        x, y = (
            (np.arange(n) + 0.5 - n / 2) * self.bin_size_m + c
            for n, c in ((columns, self.centre_m[0]), (rows, self.centre_m[1]))
        )
        units = np.array(self.units, dtype=object)
        data = xr.Dataset(
            {"rate": (("unit", "y", "x"), self.maps)},
            coords={"unit": units, "y": ("y", y, {"units": "m"}), "x": ("x", x, {"units": "m"})},
            attrs={"bin_size_m": self.bin_size_m},
        )
        if self.occupancy is not None:
            data["occupancy"] = (("y", "x"), self.occupancy)
        return data

    def unsmoothed(self) -> Float[np.ndarray, "unit y x"]:
        """Maps without our smoothing, as coherence and `spatial_test` need them."""
        return self.maps if self.path is None else rebin(self.path, smoothing_bins=0.0)


def recording_from_maps(
    rate_maps: Any,
    *,
    bin_size_m: float | None = None,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
    occupancy: np.ndarray | None = None,
    units: np.ndarray | Sequence[Unit] | None = None,
    order: str | None = None,
) -> Recording:
    """A recording from rate maps alone.

    Args:
        rate_maps: (unit, y, x) or (y, x), real numbers; NaN or a numpy mask marks unvisited bins.
            Not changed. Or a DataArray or Dataset with dimensions x, y and unit in any order; a
            mapping from unit to map; what pynapple's tuning curve functions return.
        bin_size_m: side of a bin; not needed where x or y is given.
        x: centres or edges of the columns, evenly spaced, metres; a falling axis is turned round.
        y: the same for the rows.
        occupancy: (y, x) time in each bin, any unit.
        units: name of each unit, default 0, 1, ...
        order: of the axes of maps without labels: `y x` (the default, rows rising with y; where
            nothing confirms it, a note says so), `x y` as pynapple, `-y x` with the top row first
            as RatInABox, and so on.

    Raises:
        InputError: labels other than unit, y and x; wrong shape, infinities, nothing but NaN,
            uneven or oblong bins, or no bin size.
    """
    given = oriented(rate_maps, x=x, y=y, occupancy=occupancy, units=units, order=order)
    array = doubles(given.maps, "rate_maps")
    check_size(array.shape, "rate_maps")
    maps = as_maps(array)
    if not len(maps):
        raise InputError("rate maps hold no units")
    if not np.isfinite(maps).any():
        raise InputError("every bin of every rate map is NaN")
    time = None if given.occupancy is None else _occupancy(given.occupancy, maps.shape[1:])
    notes = given.notes
    maps = without_extremes(maps, "rate maps", notes, axis=(1, 2))
    steps, centre = [], [0.0, 0.0]
    for axis, (name, values) in enumerate((("x", given.x), ("y", given.y))):
        if values is None:
            continue
        step, centre[axis] = _step(values, maps.shape[2 - axis], name)
        if step < 0:
            maps = np.flip(maps, axis=2 - axis)
            time = None if time is None else np.flip(time, axis=1 - axis)
            notes.append(f"{name} falls: the maps were turned round along it")
        steps.append(abs(step))
    if len(steps) == 2 and abs(steps[0] - steps[1]) > 0.01 * max(steps):
        raise InputError(f"bins are {steps[0]:g} x {steps[1]:g} m; only square bins can be scored")
    size = agreed_bin_size(steps[0] if steps else None, bin_size_m, "the spacing of the bins")
    if size is None:
        raise InputError("the bin size is not known: give bin_size_m (--bin-size) in metres")
    check_bin_size(size)
    notes += _wide(size, maps.shape[1:], "bin_size_m")
    return Recording(
        maps=np.ascontiguousarray(maps),
        bin_size_m=size,
        units=unit_names(given.units, len(maps)),
        centre_m=(float(centre[0]), float(centre[1])),
        occupancy=time,
        notes=tuple(notes),
    )


def recording_from_path(
    positions_m: Any,
    time_s: Any = None,
    *,
    activity: Any = None,
    activity_time_s: Any = None,
    spike_times_s: Any = None,
    spike_units: Any = None,
    spike_index: Any = None,
    units: Any = None,
    head_direction_deg: Any = None,
    bin_size_m: float = DEFAULT_BIN_SIZE_M,
    arena_m: float | Sequence[float] | None = None,
    smoothing_bins: float = 1.5,
    min_occupancy_s: float = 0.0,
    min_speed_m_s: float = 0.0,
    max_speed_m_s: float | None = None,
    smoothing_method: str = "before dividing",
    intervals_s: np.ndarray | None = None,
    spike_clock: tuple[float, float] | None = None,
    check_tracking: bool = True,
) -> Recording:
    """Rate maps from a path and what units did along it.

    Args:
        positions_m: (time, 2) metres; NaN where tracking was lost. Or a TsdFrame of pynapple, a
            DataFrame or a DataArray with x and y.
        time_s: (time,) seconds; not needed where positions_m carries its times.
        activity: (time, unit); also a TsdFrame, DataFrame or DataArray, whose columns name the
            units. True and False are spikes. Give this, or spikes.
        activity_time_s: (frame,) seconds, where activity has its own times: a sample of the path
            takes the mean of its frames, else the nearest frame.
        spike_times_s: (spike,) seconds, of all units together, in any order; or a mapping from unit
            to times (a dict, a TsGroup of pynapple), a list of arrays, one a unit, or a DataFrame
            with columns time and unit.
        spike_units: (spike,) unit of each spike: whole numbers or names. Default: one unit.
        spike_index: (unit,) number of spikes up to the end of each unit, as in NWB.
        units: names of the units; for spikes all that may occur, silent ones included (default:
            those that have spikes, in order).
        head_direction_deg: (time,) anticlockwise from the x axis, NaN where unknown.
        bin_size_m: side of a bin, metres.
        arena_m: side of a square arena, (width, height) or (x_min, x_max, y_min, y_max); default,
            the box that the path fills.
        smoothing_bins: Gaussian that maps are smoothed with, in bins; 0 for no smoothing.
        min_occupancy_s: bins with less time are NaN, like those without any.
        min_speed_m_s: slower samples are left out.
        max_speed_m_s: faster samples are left out.
        smoothing_method: `before dividing`, `after dividing` or `adaptive`, as for `bin_path`.
        intervals_s: (interval, 2) begin and end of each epoch to use; all by default.
        spike_clock: (offset, rate) where spikes have their own clock: spike_times_s on the
            positions' clock are offset + rate * spike_times_s, such as (0, 0.001) for milliseconds.
        check_tracking: leave out samples at which tracking was lost, though they have a position.

    Raises:
        InputError: as `bin_path`, or spikes that do not fit their units.
    """
    given = along_path(
        positions_m,
        time_s,
        activity=activity,
        activity_time_s=activity_time_s,
        spike_times_s=spike_times_s,
        spike_units=spike_units,
        spike_index=spike_index,
        units=units,
        head_direction=head_direction_deg,
    )
    notes, spikes = given.notes, given.spikes
    if spikes is not None and spike_clock is not None:
        spikes = on_position_clock(spikes, spike_clock)
    path = bin_path(
        given.positions,
        given.time_s,
        activity=given.activity,
        spikes_s=spikes,
        head_direction_deg=given.head_direction,
        bin_size_m=bin_size_m,
        arena_m=arena_m,
        smoothing_bins=smoothing_bins,
        min_occupancy_s=min_occupancy_s,
        min_speed_m_s=min_speed_m_s,
        max_speed_m_s=max_speed_m_s,
        smoothing_method=smoothing_method,
        intervals_s=intervals_s,
        check_tracking=check_tracking,
    )
    check_size((path.units, *path.shape), "the rate maps")
    maps = rebin(path)
    if not np.isfinite(maps[0]).any():
        raise InputError(f"no bin was visited for {min_occupancy_s:g} s")
    names = given.units or unit_names(None, path.units)
    notes += check_notes(maps, path, spikes, names)
    return Recording(
        maps=maps,
        bin_size_m=bin_size_m,
        units=names,
        kind="activity" if spikes is None else "spikes",
        centre_m=path.centre_m,
        occupancy=path.occupancy_s,
        path=path,
        notes=(*notes, *path.notes, *_wide(bin_size_m, path.shape, "positions_m")),
        spike_times_s=None if spikes is None else tuple(np.sort(train) for train in spikes),
    )


def _occupancy(values: np.ndarray, shape: tuple[int, ...]) -> Float[np.ndarray, "y x"]:
    time = doubles(values, "occupancy")
    if time.shape != shape:
        raise InputError(f"occupancy must be (y, x) {shape}, not {time.shape}")
    return time


def _wide(bin_size_m: float, shape: Sequence[int], what: str) -> list[str]:
    """A note where the arena is so wide that it is probably in centimetres."""
    side = max(shape) * bin_size_m
    if bin_size_m <= 1.0 and side <= 50.0:
        return []
    return [f"the arena is {side:g} m wide in bins of {bin_size_m:g} m: {what} must be in metres"]


def agreed_bin_size(own: float | None, given: float | None, what: str) -> float | None:
    """The bin size of a file or the one given, if they agree."""
    if own is not None and given is not None and not abs(own - given) <= 0.01 * abs(own):
        raise InputError(f"{what} is {own:g} m in the data, but bin_size_m was given as {given:g}")
    return own if own is not None else given


def _step(values: np.ndarray, bins: int, name: str) -> tuple[float, float]:
    """Distance between bins along one axis (negative where it falls), and its middle."""
    line = doubles(values, name)
    if line.ndim != 1 or len(line) not in (bins, bins + 1):
        raise InputError(
            f"{name} must hold {bins} centres or {bins + 1} edges of bins, not {line.shape}"
        )
    steps = np.diff(line)
    step = float(steps.mean())
    even = np.isfinite(steps).all() and np.abs(steps - step).max() <= 0.01 * abs(step)
    if step == 0 or not even:
        raise InputError(
            f"the bins along {name} are not evenly spaced ({steps.min():g} to {steps.max():g} m): "
            "bin again on even ones"
        )
    return step, float(line[0] + line[-1]) / 2
