"""Cells with all that is known of them, as every file and object for other tools is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.population import Population
from gridcode.analysis.records import Summary, UnitRecord
from gridcode.analysis.records.measures import described
from gridcode.recordings.recording import Recording
from gridcode.recordings.spike_trains import Unit
from gridcode.version import __version__

# Each unit has another number of spikes.
Spikes = tuple[Float[np.ndarray, " _"], ...]


@dataclass(frozen=True)
class Session:
    """A path and what units did along it.

    Attributes:
        time_s: (time,) seconds.
        positions_m: (time, 2) x and y, metres; NaN where not known.
        head_direction_deg: (time,) anticlockwise from the x axis; None: not known.
        activity: (time, unit); None: spikes alone.
        spike_times_s: of each unit, rising; None: activity alone.
        trials_s: (trial, 2) begin and end of trials; None: the session is not divided.
        description: where the path comes from, in a sentence.
    """

    time_s: Float[np.ndarray, " time"]
    positions_m: Float[np.ndarray, "time 2"]
    head_direction_deg: Float[np.ndarray, " time"] | None = None
    activity: Float[np.ndarray, "time unit"] | None = None
    spike_times_s: Spikes | None = None
    trials_s: Float[np.ndarray, "trial 2"] | None = None
    description: str = "path of a recording"

    def rate_hz(self) -> float | None:
        """Samples per second where they are evenly spaced, to a nanosecond; else None."""
        steps = np.diff(self.time_s)
        if not len(steps):
            return None
        rate = len(steps) / (self.time_s[-1] - self.time_s[0])
        even = self.time_s[0] + np.arange(len(self.time_s)) / rate
        return float(rate) if np.abs(self.time_s - even).max() < 1e-9 else None

    def spike_resolution_s(self) -> float:
        """Smallest distance of two different spike times, NaN where there are none."""
        pooled = np.unique(np.concatenate(self.spike_times_s or (np.zeros(0),)))
        apart = np.diff(pooled)
        # Closer times are one time, rounded in two ways.
        apart = apart[apart > 1e-7]
        return float(apart.min()) if len(apart) else float("nan")


@dataclass(frozen=True)
class Cells:
    """Cells, scored, with what they come from.

    Attributes:
        name: of the run, network or recording.
        summary: all that was found, in numbers and words.
        data: rate maps and measures by `unit`, each variable with `long_name` and `units`.
        origin: what they were made from, in words, by name.
        session: a path with activity or spikes along it; None: maps alone.
        simulated: whether they are units of a model.
        notes: what was left out of their source or looks odd, each in one line.
    """

    name: str
    summary: Summary
    data: xr.Dataset
    origin: Mapping[str, str]
    session: Session | None = None
    simulated: bool = False
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[Unit, ...]:
        """Names of the units."""
        return tuple(self.data["unit"].values.tolist())

    def __repr__(self) -> str:
        along = "with a path" if self.session else "without a path"
        return f"Cells('{self.name}': {len(self.units)} units, {along})"


def cells_of_recording(recording: Recording, population: Population, name: str) -> Cells:
    """The cells of a recording and what was found of them.

    Args:
        recording: the recording.
        population: what `gridcode.score` found of it.
        name: of the recording.
    """
    session = None
    if (path := recording.path) is not None:
        session = Session(
            path.time_s,
            path.positions_m,
            path.head_direction_deg,
            path.activity,
            recording.spike_times_s,
        )
    origin = {"source": name, "gridcode": __version__}
    origin |= flat("score", population.summary.settings.model_dump(mode="json"))
    return Cells(
        name, population.summary, described(population.data), origin, session, notes=recording.notes
    )


def flat(name: str, values: Any) -> dict[str, str]:
    """Nested settings as lines of text by dotted names."""
    if isinstance(values, Mapping):
        inner = (flat(f"{name}.{key}" if name else str(key), v) for key, v in values.items())
        return {key: text for lines in inner for key, text in lines.items()}
    if isinstance(values, list | tuple):
        return {name: ", ".join(map(str, values))}
    return {} if values is None else {name: str(values)}


def columns_of(cells: Cells) -> dict[str, np.ndarray]:
    """Every number and word of the units, by the names of `UnitRecord`, as arrays over units.

    Missing numbers are NaN, a unit in no module has module -1, and columns without any value are
    left out. Lattice vectors (unit, 2, 2) and phases (unit, 2) are arrays too.
    """
    records, found = cells.summary.units, {}
    for name in UnitRecord.model_fields:
        if name in ("unit", "scores"):
            continue
        values = [getattr(record, name) for record in records]
        if any(value not in (None, "") for value in values):
            found[name] = _column(name, values)
    for name in records[0].scores if records else ():
        found[f"score_{name}"] = _column(name, [record.scores[name] for record in records])
    return found


def _column(name: str, values: list[Any]) -> np.ndarray:
    if name == "module":
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)
    example = next((value for value in values if value is not None), 0.0)
    if isinstance(example, tuple):
        missing = np.full(np.shape(example), np.nan)
        return np.array([missing if value is None else value for value in values], np.float64)
    if isinstance(example, str):
        return np.array(values, dtype=object)
    if isinstance(example, bool):
        return np.array(values, dtype=bool)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
