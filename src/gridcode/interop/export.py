"""`gridcode.export`: a run, a packaged network or a recording to a file that other tools read."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gridcode.analysis.population import Population
from gridcode.api.sessions import UnitTable
from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.interop import nwb
from gridcode.interop.cells import Cells, cells_of_recording
from gridcode.interop.metadata import Metadata, metadata_for
from gridcode.recordings.examples import EXAMPLE
from gridcode.recordings.formats.calcium import traces_folder
from gridcode.recordings.recording import Recording
from gridcode.runs.files import check_writable, one_line_errors, replacing

FORMATS = {"nwb": ".nwb", "csv": ".csv", "parquet": ".parquet", "netcdf": ".nc"}
# Endings of recordings, so that one that is not there is not taken for a run.
READ = (".npz", ".npy", ".nc", ".nwb", ".mat", ".csv", ".tsv", ".txt", ".h5", ".hdf5")
DEFAULT_MINUTES = 60.0
Progress = Callable[[str, int, int], None]
Source = Any  # Run, Pretrained, Recording, or the name or file of one


def format_of(out: str | os.PathLike[str], to: str | None = None) -> str:
    """The format of a file, by its ending.

    Args:
        out: the file.
        to: the format, where the ending must agree with it.

    Raises:
        InputError: an unknown format, or an ending of another one.
    """
    ending = Path(out).suffix.lower()
    found = next((name for name, suffix in FORMATS.items() if suffix == ending), None)
    if to is not None and to not in FORMATS:
        raise InputError(f"to must be one of {', '.join(FORMATS)}, not '{to}'")
    if found is None or to not in (None, found):
        endings = FORMATS[to] if to else ", ".join(FORMATS.values())
        raise InputError(f"'{out}' must end in {endings}")
    return found


def export(
    what: Source,
    out: str | os.PathLike[str],
    *,
    to: str | None = None,
    metadata: Metadata | str | os.PathLike[str] | None = None,
    minutes: float = DEFAULT_MINUTES,
    **settings: Any,
) -> Path:
    """Write cells and what was found of them as a file for other tools; return its path.

    Args:
        what: an evaluated run or its folder, a packaged network or its name, a recording, or a
            file that `gridcode.score` reads.
        out: the file: .nwb, .csv or .parquet (a row for each unit), or .nc (maps and measures).
        to: the format, where the ending shall be checked: `nwb`, `csv`, `parquet`, `netcdf`.
        metadata: of an NWB file, see `gridcode.interop.nwb.write`.
        minutes: that a network walks for an NWB file; 0: no walk.
        settings: further ones of `gather`.

    Raises:
        InputError: no such thing, one that is not evaluated or cannot be scored, a file that
            cannot be written, or a package that is not installed.
    """
    kind = format_of(out, to)
    check_writable(out)
    if kind != "nwb" and metadata is not None:
        raise InputError(f"metadata go into an NWB file, not into {Path(out).name}")
    # What would stop the writing stops it before minutes of work.
    if kind == "nwb":
        needed("pynwb", "nwb", nwb.USE)
        metadata = metadata_for(metadata, simulated=not is_recording(what))
        return nwb.write(gather(what, minutes=minutes, **settings), out, metadata=metadata)
    if kind == "netcdf":
        return write_netcdf(gather(what, **settings), out)
    table = UnitTable(Path(out))
    cells = gather(what, **settings)
    table.add(cells.name, cells.summary)
    return Path(out)


def gather(
    what: Source,
    *,
    population: Population | None = None,
    minutes: float = 0.0,
    step_s: float | None = None,
    spikes_hz: float | None = None,
    seed: int = 0,
    nulls: int = 500,
    name: str | None = None,
    progress: Progress | None = None,
) -> Cells:
    """Cells with what was found of them, as files and objects for other tools are made of them.

    Args:
        what: as of `export`.
        population: what `gridcode.score` found of a recording; None: it is scored now.
        minutes: that a network walks; 0: no walk.
        step_s: duration of a network's step, seconds; default: the longest is run at 0.24 m/s.
        spikes_hz: Poisson spikes in place of a network's activity, spikes/s at its largest.
        seed: of the walk and spikes of a network, or of the null maps of a recording.
        nulls: null maps of each unit of a recording that is scored now.
        name: of a recording; default: its file's.
        progress: called with (what, done, total).

    Raises:
        InputError: as in `export`.
    """
    if not minutes >= 0:
        raise InputError(f"minutes must be 0 or more, not {minutes:g}")
    if not minutes and (step_s, spikes_hz) != (None, None):
        raise InputError("step_s and spikes_hz are of a walk: give minutes above 0")
    if is_recording(what):
        return _recorded(what, population, name, nulls=nulls, seed=seed, progress=progress)
    from gridcode.interop.networks import cells_of_network

    return cells_of_network(what, minutes=minutes, step_s=step_s, spikes_hz=spikes_hz, seed=seed)


def is_recording(what: Source) -> bool:
    """Whether it is a recording or names one: `example`, a file, or a folder of suite2p."""
    if not isinstance(what, str | os.PathLike):
        return isinstance(what, Recording)
    path = Path(what)
    if str(what) == "example" or path.suffix.lower() in READ or path.is_file():
        return True
    return path.is_dir() and traces_folder(path) is not None


def _recorded(
    what: Source,
    population: Population | None,
    name: str | None,
    *,
    nulls: int,
    seed: int,
    progress: Progress | None,
) -> Cells:
    from gridcode.api.scoring import score
    from gridcode.recordings.files import load_recording

    if isinstance(what, Recording):
        recording, own = what, "recording"
    else:
        path = EXAMPLE if str(what) == "example" else Path(what)
        recording, own = load_recording(path), path.stem
    if population is None:
        population = score(recording, nulls=nulls, seed=seed, progress=progress)
    return cells_of_recording(recording, population, name or own)


def write_netcdf(cells: Cells, out: str | os.PathLike[str]) -> Path:
    """Write maps and measures as one NetCDF 4 file, which xarray opens; return its path.

    Args:
        cells: as `gather` makes them.
        out: the file.

    Raises:
        InputError: it cannot be written.
    """
    data = cells.data.assign_attrs(cells.data.attrs | dict(cells.origin) | {"title": cells.name})
    for name, values in data.variables.items():
        if values.dtype == bool:
            data[name] = values.astype(np.int8)
        elif values.dtype == object:
            data[name] = (values.dims, values.values.astype(str), values.attrs)
    with one_line_errors(f"cannot write '{out}'"), replacing(out) as temporary:
        data.to_netcdf(temporary, engine="h5netcdf", format="NETCDF4")
    return Path(out)
