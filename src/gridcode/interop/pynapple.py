"""Cells as objects of pynapple (extra `pynapple`): units with their measures, and the path."""

from typing import Any

import numpy as np

from gridcode.errors import InputError
from gridcode.extras import needed
from gridcode.interop.cells import Cells, Session, columns_of

USE = "making pynapple objects"


def tsgroup(cells: Cells) -> Any:
    """The spikes of all units as a `pynapple.TsGroup`, with every measure as metadata.

    Lattice vectors and phases are two columns for each pair of numbers, such as `phase_0`. The name
    of each unit is the column `unit_name`; keys are 0, 1, ...

    Args:
        cells: as `gridcode.interop.gather` makes them.

    Raises:
        InputError: pynapple is not installed, or there are no spikes.
    """
    nap = needed("pynapple", "pynapple", USE)
    session = _session(cells)
    if session.spike_times_s is None:
        raise InputError(f"{cells.name} has activity, not spikes: use tsdframe, or give spikes_hz")
    trains = {unit: nap.Ts(t=train) for unit, train in enumerate(session.spike_times_s)}
    return nap.TsGroup(trains, time_support=_support(nap, session), metadata=_metadata(cells))


def tsdframe(cells: Cells) -> Any:
    """The activity of all units as a `pynapple.TsdFrame`, with every measure as metadata.

    Args:
        cells: as `gridcode.interop.gather` makes them.

    Raises:
        InputError: pynapple is not installed, or there is no activity.
    """
    nap = needed("pynapple", "pynapple", USE)
    session = _session(cells)
    if session.activity is None:
        raise InputError(f"{cells.name} has spikes, not activity: use tsgroup")
    return nap.TsdFrame(t=session.time_s, d=session.activity, metadata=_metadata(cells))


def position(cells: Cells) -> Any:
    """The path as a `pynapple.TsdFrame` of x and y, metres.

    Args:
        cells: as `gridcode.interop.gather` makes them.

    Raises:
        InputError: pynapple is not installed, or there is no path.
    """
    nap = needed("pynapple", "pynapple", USE)
    session = _session(cells)
    return nap.TsdFrame(t=session.time_s, d=session.positions_m, columns=["x", "y"])


def _session(cells: Cells) -> Session:
    if cells.session is None:
        raise InputError(f"{cells.name} has rate maps alone, without a path")
    return cells.session


def _support(nap: Any, session: Session) -> Any:
    """The time of the path, half a sample longer at both ends."""
    half = float(np.median(np.diff(session.time_s))) / 2
    return nap.IntervalSet(session.time_s[0] - half, session.time_s[-1] + half)


def _metadata(cells: Cells) -> dict[str, Any]:
    found: dict[str, Any] = {"unit_name": [str(name) for name in cells.units]}
    for name, values in columns_of(cells).items():
        flat = values.reshape(len(values), -1)
        if flat.shape[1] == 1:
            found[name] = flat[:, 0]
        else:
            found |= {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
    return found
