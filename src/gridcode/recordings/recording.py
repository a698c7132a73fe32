"""Rate maps from files, or binned from a path with spikes or activity.

    maps.npz      rate_maps (unit, y, x), bin_size_m; optional: x, y, occupancy, units
    path.npz      positions_m (time, 2), time_s, activity (time, unit); optional: bin_size_m, units
    path.npz      positions_m (time, 2), time_s, spike_times_s, spike_units; optional: the same
    maps.npy      (unit, y, x) or (y, x), with the bin size given
    ratemaps.nc   one group of what `gridcode evaluate` writes

Files are not trusted: pickled objects are refused, and sizes are read before data.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

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
from gridcode.arrays import doubles, real_numbers, whole_numbers
from gridcode.errors import InputError
from gridcode.reading import is_there
from gridcode.recordings.checks import check_notes
from gridcode.recordings.readers import check_size, read_netcdf, read_npy, read_npz

Unit = int | str

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


def load_recording(
    file: str | os.PathLike[str],
    *,
    bin_size_m: float | None = None,
    group: str | None = None,
    arena_m: float | Sequence[float] | None = None,
    smoothing_bins: float = 1.5,
    min_occupancy_s: float = 0.0,
    min_speed_m_s: float = 0.0,
) -> Recording:
    """Read rate maps, or a path with activity or spikes, from a file.

    Args:
        file: .npz, .npy or .nc, see the top of this file.
        bin_size_m: side of a bin. For maps it must agree with the file's, if there is one; for a
            path the default is the file's, else 0.025.
        group: group of an .nc file, such as `smooth_4m`. Default: the headline's in the
            `summary.json` beside the file, else the largest arena on the smooth walk.
        arena_m: for a path: side of a square arena, (width, height) or (x_min, x_max, y_min,
            y_max); default, the box that the path fills.
        smoothing_bins: for a path: Gaussian that sums and time are smoothed with, in bins.
        min_occupancy_s: for a path: bins with less time are NaN, like those without any.
        min_speed_m_s: for a path: slower samples are left out.

    Raises:
        InputError: the file cannot be read, or its content cannot be scored.
    """
    path = Path(file)
    exists = is_there(path)
    if path.is_dir():
        inner = path / "evaluation" / "ratemaps.nc"
        hint = f", such as {inner}" if inner.is_file() else ""
        raise InputError(f"{path} is a folder; give a file{hint}")
    if not exists:
        raise InputError(f"there is no file {path}")
    if not path.is_file():  # a pipe would be waited for, and a device has no end
        raise InputError(f"{path} is no ordinary file")
    ending = path.suffix.lower()
    if group is not None and ending != ".nc":
        raise InputError(f"{path.name} has no groups; a group belongs to an .nc file")
    if ending == ".npy":
        return recording_from_maps(read_npy(path), bin_size_m=bin_size_m)
    if ending == ".nc":
        return _from_netcdf(path, bin_size_m, group)
    if ending != ".npz":
        raise InputError(f"{path.name}: give an .npz, .npy or .nc file, not '{ending}'")
    arrays = read_npz(path)
    own_size = _scalar(arrays["bin_size_m"], "bin_size_m") if "bin_size_m" in arrays else None
    if "rate_maps" in arrays:
        more = {name: arrays.get(name) for name in ("x", "y", "occupancy", "units")}
        size = _agreed(own_size, bin_size_m, "bin_size_m")
        return recording_from_maps(arrays["rate_maps"], bin_size_m=size, **more)
    if bin_size_m is None:
        bin_size_m = DEFAULT_BIN_SIZE_M if own_size is None else own_size
    return recording_from_path(
        arrays["positions_m"],
        arrays["time_s"],
        activity=arrays.get("activity"),
        spike_times_s=arrays.get("spike_times_s"),
        spike_units=arrays.get("spike_units"),
        units=arrays.get("units"),
        bin_size_m=bin_size_m,
        arena_m=arena_m,
        smoothing_bins=smoothing_bins,
        min_occupancy_s=min_occupancy_s,
        min_speed_m_s=min_speed_m_s,
    )


def recording_from_maps(
    rate_maps: np.ndarray,
    *,
    bin_size_m: float | None = None,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
    occupancy: np.ndarray | None = None,
    units: np.ndarray | Sequence[Unit] | None = None,
) -> Recording:
    """A recording from rate maps alone.

    Args:
        rate_maps: (unit, y, x) or (y, x), real numbers; NaN or a numpy mask marks unvisited bins.
            Not changed.
        bin_size_m: side of a bin; not needed where x or y is given.
        x: centres or edges of the columns, evenly spaced, metres; a falling axis is turned round.
        y: the same for the rows.
        occupancy: (y, x) time in each bin, any unit.
        units: name of each unit, default 0, 1, ...

    Raises:
        InputError: wrong shape, infinities, nothing but NaN, uneven or oblong bins, or no bin size.
    """
    array = doubles(rate_maps, "rate_maps")
    check_size(array.shape, "rate_maps")
    maps = as_maps(array)
    if not len(maps):
        raise InputError("rate maps hold no units")
    if not np.isfinite(maps).any():
        raise InputError("every bin of every rate map is NaN")
    time = None if occupancy is None else _occupancy(occupancy, maps.shape[1:])
    notes: list[str] = []
    maps = without_extremes(maps, "rate maps", notes, axis=(1, 2))
    steps, centre = [], [0.0, 0.0]
    for axis, (name, values) in enumerate((("x", x), ("y", y))):
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
    size = _agreed(steps[0] if steps else None, bin_size_m, "the spacing of the bins")
    if size is None:
        raise InputError("the bin size is not known: give bin_size_m (--bin-size) in metres")
    check_bin_size(size)
    notes += _wide(size, maps.shape[1:], "bin_size_m")
    return Recording(
        maps=np.ascontiguousarray(maps),
        bin_size_m=size,
        units=_names(units, len(maps)),
        centre_m=(float(centre[0]), float(centre[1])),
        occupancy=time,
        notes=tuple(notes),
    )


def recording_from_path(
    positions_m: np.ndarray,
    time_s: np.ndarray,
    *,
    activity: np.ndarray | None = None,
    spike_times_s: np.ndarray | None = None,
    spike_units: np.ndarray | None = None,
    units: np.ndarray | Sequence[Unit] | None = None,
    head_direction_deg: np.ndarray | None = None,
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
        positions_m: (time, 2) metres; NaN where tracking was lost.
        time_s: (time,) seconds.
        activity: (time, unit). Give this, or spikes.
        spike_times_s: (spike,) seconds, of all units together, in any order.
        spike_units: (spike,) unit of each spike: whole numbers or names. Default: one unit.
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
        spike_clock: (offset, rate) where spikes have a clock of their own: spike_times_s on the
            positions' clock are offset + rate * spike_times_s, such as (0, 0.001) for milliseconds.
        check_tracking: leave out samples at which tracking was lost, though they have a position.

    Raises:
        InputError: as `bin_path`, or spikes that do not fit their units.
    """
    if (activity is None) == (spike_times_s is None):
        raise InputError("give either activity or spike_times_s")
    spikes: list[np.ndarray] | None = None
    names: tuple[Unit, ...] = ()
    notes: list[str] = []
    if spike_times_s is not None:
        spikes, names = _by_unit(spike_times_s, spike_units, units, notes)
        if spike_clock is not None:
            spikes = on_position_clock(spikes, spike_clock)
    path = bin_path(
        positions_m,
        time_s,
        activity=activity,
        spikes_s=spikes,
        head_direction_deg=(
            None
            if head_direction_deg is None
            else real_numbers(head_direction_deg, "head_direction_deg")
        ),
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
    names = names if activity is None else _names(units, path.units)
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
    )


def _by_unit(
    spike_times_s: np.ndarray,
    spike_units: np.ndarray | None,
    units: np.ndarray | Sequence[Unit] | None,
    notes: list[str],
) -> tuple[list[np.ndarray], tuple[Unit, ...]]:
    """The spike times of each unit, and the units' names."""
    times = real_numbers(spike_times_s, "spike_times_s").reshape(-1)
    of = np.zeros(len(times), dtype=np.int64)
    if spike_units is not None:
        of = _labels(spike_units, "spike_units")
    if len(of) != len(times):
        raise InputError(f"spike_times_s has {len(times)} spikes but spike_units has {len(of)}")
    finite = np.isfinite(times)
    if not finite.all():
        notes.append(f"{int((~finite).sum())} of {len(times)} spikes left out: no finite time")
        times, of = times[finite], of[finite]
    found = np.unique(of)
    names = found if units is None else _labels(units, "units")
    if not len(names):
        raise InputError("there are no spikes")
    unknown = np.setdiff1d(found, names)
    if len(unknown):
        raise InputError(f"spike_units holds {unknown[0]!s}, which is not among the units")
    _names(names, len(names))
    # Sorted once, however many units.
    order = np.argsort(of, kind="stable")
    first, last = (np.searchsorted(of[order], names, side=side) for side in ("left", "right"))
    return [times[order[a:b]] for a, b in zip(first, last, strict=True)], tuple(names.tolist())


def _labels(values: np.ndarray | Sequence[Unit], name: str) -> np.ndarray:
    """Names of units: strings, or whole numbers of any dtype."""
    array = np.asanyarray(values)
    if array.dtype.kind == "U" and not np.ma.is_masked(array):
        return np.asarray(array).reshape(-1)
    return whole_numbers(values, name).reshape(-1)


def _names(units: np.ndarray | Sequence[Unit] | None, count: int) -> tuple[Unit, ...]:
    if units is None:
        return tuple(range(count))
    names = _labels(units, "units").tolist()
    if len(names) != count:
        raise InputError(f"units names {len(names)} units, but there are {count}")
    if len(set(names)) < count:
        raise InputError("units names a unit twice")
    return tuple(names)


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


def _scalar(value: np.ndarray, name: str) -> float:
    array = doubles(value, name)
    if array.size != 1:
        raise InputError(f"{name} must be one number, not an array {array.shape}")
    return float(array.reshape(-1)[0])


def _agreed(own: float | None, given: float | None, what: str) -> float | None:
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


def _from_netcdf(path: Path, bin_size_m: float | None, group: str | None) -> Recording:
    name, data = read_netcdf(path, group)
    silent, units = data.pop("silent", None), data.pop("unit", None)
    if "bin_size_m" in data:
        own_size = _scalar(data.pop("bin_size_m"), "bin_size_m")
        bin_size_m = _agreed(own_size, bin_size_m, "bin_size_m")
    recording = recording_from_maps(data.pop("rate"), bin_size_m=bin_size_m, units=units, **data)
    if silent is None or not silent.any():
        return replace(recording, group=name or None)
    # Activity too weak for the evaluation must not be scored here either.
    maps = np.where(silent[:, None, None], 0.0 * recording.maps, recording.maps)
    note = f"{int(silent.sum())} of {len(silent)} units are silent by the evaluation's threshold"
    return replace(recording, maps=maps, group=name or None, notes=(*recording.notes, note))
