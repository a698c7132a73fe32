"""Neurodata Without Borders: cells, their measures and maps, and the session, as a file.

Written by pynwb (extra `nwb`). Spiking units are in the file's units table. Units with activity
alone, or with maps alone, are in a table of the same columns under `processing/misc`: a units
table is of spike times by definition.
"""

import contextlib
import os
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from gridcode.analysis.records.measures import measure_of
from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.interop.cells import Cells, Session, columns_of
from gridcode.interop.metadata import Metadata, metadata_for, no_animal
from gridcode.runs.files import check_writable, one_line_errors, replacing
from gridcode.version import __version__

USE = "writing NWB"


def write(
    cells: Cells,
    out: str | os.PathLike[str],
    *,
    metadata: Metadata | str | os.PathLike[str] | None = None,
) -> Path:
    """Write cells as an NWB file, and return its path.

    The file holds a table of the units with every measure, rate maps, occupancy, what everything
    was made from (`processing/misc/provenance`) and, where there is one, the session: position,
    head direction, spikes or activity, trials. `gridcode score` reads it.

    Args:
        cells: as `gridcode.interop.gather` makes them.
        out: the file; one that is there is replaced.
        metadata: of the experiment, or a TOML file of it. NWB needs `session_start_time`; for a
            simulation it is the time of writing.

    Raises:
        InputError: pynwb is not installed, the file cannot be written, or the metadata lack the
            start of a recording or make no sense.
    """
    pynwb = needed("pynwb", "nwb", USE)
    check_writable(out)
    about = metadata_for(metadata, simulated=cells.simulated)
    with _one_line():
        file = _new_file(pynwb, cells, about)
    _add_units(pynwb, file, cells, about.spike_resolution_s)
    _add_maps(pynwb, file, cells)
    if cells.session is not None:
        _add_session(pynwb, file, cells.session)
    _add_provenance(pynwb, file, cells)
    with (
        one_line_errors(f"cannot write '{out}'"),
        replacing(out) as temporary,
        # The temporary file does not end in .nwb: pynwb would warn of that.
        h5py.File(temporary, "w") as store,
        pynwb.NWBHDF5IO(file=store, mode="w") as io,
    ):
        io.write(file)
    return Path(out)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """What pynwb refuses of the metadata, such as a weight without unit, as one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            yield
    except (UserWarning, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"NWB does not take this: {str(error).splitlines()[0]}") from None


def _new_file(pynwb: Any, cells: Cells, about: Metadata) -> Any:
    subject = about.subject
    if subject is None and cells.simulated:
        subject = no_animal(cells.name, cells.origin.get("weights", "unknown"))
    kind = "Simulated neural network" if cells.simulated else "Recorded cells"
    words = f"{kind} '{cells.name}', analysed by gridcode {__version__}"
    given = about.model_dump(exclude_none=True, exclude={"subject", "spike_resolution_s"})
    values: dict[str, Any] = {
        "session_description": words,
        "experiment_description": f"{words}: {cells.summary.verdict}",
        "identifier": str(uuid.uuid4()),
        "session_start_time": datetime.now(UTC),
        "keywords": ("grid cells", "rate maps", *(["simulation"] if cells.simulated else [])),
        "was_generated_by": [["gridcode", __version__]],
        **given,
    }
    if subject is not None:
        values["subject"] = pynwb.file.Subject(**subject.model_dump(exclude_none=True))
    return pynwb.NWBFile(**values)


def _misc(file: Any) -> Any:
    if "misc" in file.processing:
        return file.processing["misc"]
    return file.create_processing_module("misc", "what gridcode found of the units, and from what")


def _units(file: Any) -> Any:
    return file.units if file.units is not None else _misc(file)["units"]


def _add_units(pynwb: Any, file: Any, cells: Cells, resolution_s: float | None) -> None:
    session, names, columns = cells.session, list(cells.units), []
    what = "units and what gridcode measured of each"
    # Numbers are the ids of the rows; words cannot be.
    numbered = all(isinstance(name, int) and name >= 0 for name in names)
    ids = names if numbered else list(range(len(names)))
    if not numbered:
        words = [str(name) for name in names]
        columns.append(
            pynwb.core.VectorData(name="unit_name", description="as in the source", data=words)
        )
    for name, values in columns_of(cells).items():
        what_it_is, unit = measure_of(name)
        what_it_is += f"; unit: {unit}" if unit not in ("", "1") else ""
        data = list(values) if values.dtype == object else values
        columns.append(pynwb.core.VectorData(name=name, description=what_it_is, data=data))
    if session is None or session.spike_times_s is None:
        table = pynwb.core.DynamicTable(name="units", description=what, id=ids, columns=columns)
        _misc(file).add(table)
        return
    resolution = resolution_s or session.spike_resolution_s()
    file.units = pynwb.misc.Units(name="units", description=what, resolution=resolution)
    for number, train in zip(ids, session.spike_times_s, strict=True):
        file.add_unit(spike_times=train, id=number)
    for column in columns:
        file.units.add_column(name=column.name, description=column.description, data=column.data)


def _add_maps(pynwb: Any, file: Any, cells: Cells) -> None:
    data = cells.data
    size = float(data.attrs["bin_size_m"])
    maps = data["rate"].values
    packed = pynwb.H5DataIO(maps, compression="gzip", chunks=(1, *maps.shape[1:]))
    columns = [
        pynwb.core.DynamicTableRegion(
            name="unit",
            data=list(range(len(maps))),
            description="row of the table of units",
            table=_units(file),
        )
    ]
    for name, words, values in (
        ("rate_map", "(y, x) map of the unit", packed),
        ("bin_size_m", "side of a bin, metres", np.full(len(maps), size)),
        ("centre_x_m", "x of the map's centre, metres", _middle(data, "x")),
        ("centre_y_m", "y of the map's centre, metres", _middle(data, "y")),
    ):
        columns.append(pynwb.core.VectorData(name=name, description=words, data=values))
    table = pynwb.core.DynamicTable(
        name="rate_maps",
        description=(
            f"rate map of each unit: rows rise with y, columns with x; bins of {size:g} m; NaN in "
            "bins that were not visited; maps are of activity where units have no spikes"
        ),
        columns=columns,
    )
    _misc(file).add(table)
    if "occupancy" in data:
        image = pynwb.image.GrayscaleImage(
            name="occupancy",
            data=data["occupancy"].values,
            resolution=0.01 / size,
            description="time in each bin; rows rise with y, columns with x",
        )
        words = "time in each bin of the rate maps"
        _misc(file).add(pynwb.base.Images(name="rate_map_bins", images=[image], description=words))


def _middle(data: xr.Dataset, axis: str) -> np.ndarray:
    """The middle of an axis of the maps, once for each unit."""
    return np.full(data.sizes["unit"], float(data[axis].values.mean()))


def _add_session(pynwb: Any, file: Any, session: Session) -> None:
    behavior = file.create_processing_module("behavior", session.description)
    rate = session.rate_hz()
    clock: dict[str, Any] = {"timestamps": session.time_s}
    if rate is not None:
        clock = {"rate": rate, "starting_time": float(session.time_s[0])}
    place = pynwb.behavior.SpatialSeries(
        name="position",
        data=_packed(pynwb, session.positions_m),
        unit="meters",
        reference_frame="x to the right, y upwards, as in the rate maps",
        description=session.description,
        **clock,
    )
    behavior.add(pynwb.behavior.Position(spatial_series=place))
    shared = clock if rate is not None else {"timestamps": place}
    if session.head_direction_deg is not None:
        head = pynwb.behavior.SpatialSeries(
            name="head_direction",
            data=_packed(pynwb, np.radians(session.head_direction_deg % 360.0)),
            unit="radians",
            reference_frame="0 along x, anticlockwise",
            description="direction of the head",
            **shared,
        )
        behavior.add(pynwb.behavior.CompassDirection(spatial_series=head))
    if session.activity is not None:
        words = "activity of every unit: column k is row k of the table of units"
        series = pynwb.TimeSeries(
            name="activity",
            data=_packed(pynwb, session.activity),
            unit="a.u.",
            description=words,
            **shared,
        )
        _misc(file).add(series)
    for begin, end in session.trials_s if session.trials_s is not None else ():
        file.add_trial(start_time=float(begin), stop_time=float(end))


def _packed(pynwb: Any, values: np.ndarray) -> Any:
    return pynwb.H5DataIO(values, compression="gzip", shuffle=True)


def _add_provenance(pynwb: Any, file: Any, cells: Cells) -> None:
    lines = {**cells.origin, **{f"note {i}": text for i, text in enumerate(cells.notes, start=1)}}
    columns = [
        pynwb.core.VectorData(name=name, description=words, data=list(data))
        for name, words, data in (
            ("setting", "name of a setting, digest or version", lines.keys()),
            ("value", "its value", lines.values()),
        )
    ]
    table = pynwb.core.DynamicTable(
        name="provenance", description="what the units and measures were made from", columns=columns
    )
    _misc(file).add(table)
