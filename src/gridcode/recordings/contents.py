"""What one file holds, and how the files of a session are joined."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridcode.errors import InputError
from gridcode.recordings.spike_trains import trains

MISSING = {
    "path": "needed are spikes or activity too: give their file as well",
    "units": "needed is a path too: give the file with x, y and t as well",
}


@dataclass(frozen=True)
class Contents:
    """What one file holds: maps, a path, what units did, or the latter two.

    Attributes:
        file: where it comes from.
        arrays: named as the arguments of `recording_from_maps` or `recording_from_path`; with
            `frame_rate_hz` where activity has no times, `group` for an .nc file, and `silent`.
        notes: what was assumed or left out, each in one line.
        holds: what the file has, as errors name it.
    """

    file: Path
    arrays: dict[str, Any]
    notes: tuple[str, ...] = ()
    holds: str = ""

    @property
    def has_path(self) -> bool:
        """Whether there are positions."""
        return "positions_m" in self.arrays

    @property
    def has_units(self) -> bool:
        """Whether there are spikes or activity but no positions."""
        return "activity" in self.arrays or "spike_times_s" in self.arrays

    @property
    def complete(self) -> bool:
        """Whether it can be scored by itself."""
        return "rate_maps" in self.arrays or (self.has_path and self.has_units)


def listed(names: Any) -> str:
    """Names for an error: the first twelve."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")


def join(parts: list[Contents]) -> Contents:
    """The files of one session as one.

    One file holds the path. All others hold spikes, or one of them activity. A file with a single
    spike train names its unit, without the beginning that it shares with the file of the path.

    Raises:
        InputError: no path or several, no units, or spikes beside activity.
    """
    if len(parts) == 1:
        (only,) = parts
        if not only.complete:
            missing = MISSING["path" if only.has_path else "units"]
            raise InputError(f"{only.file.name} holds {only.holds}; {missing}")
        return only
    paths = [part for part in parts if part.has_path]
    names = ", ".join(part.file.name for part in paths) or "none of them"
    if len(paths) != 1:
        raise InputError(f"the files of a session need one path between them; {names} hold one")
    (path,) = paths
    units = [part for part in parts if part.has_units]
    for part in parts:
        if not part.has_path and not part.has_units:
            raise InputError(f"{part.file.name} holds neither spikes nor activity along a path")
    if not units:
        raise InputError(f"{path.file.name} holds a path alone; {MISSING['path']}")
    notes = tuple(note for part in parts for note in part.notes)
    if any("activity" in part.arrays for part in units):
        if len(units) > 1:
            raise InputError(
                f"{' and '.join(part.file.name for part in units[:2])} both hold units: "
                "activity cannot be joined with other units"
            )
        return replace(path, arrays=path.arrays | units[0].arrays, notes=notes)
    spikes: dict[Any, Any] = {}
    for part in units:
        for name, train in _trains_of(part, path, alone=len(units) == 1).items():
            if name in spikes:
                raise InputError(f"unit {name} of {part.file.name} is in another file too")
            spikes[name] = train
    kept = {
        key: value
        for key, value in path.arrays.items()
        if key not in ("spike_units", "spike_index", "units")
    }
    return replace(path, arrays=kept | {"spike_times_s": spikes}, notes=notes)


def _trains_of(part: Contents, path: Contents, *, alone: bool) -> dict[Any, Any]:
    given = {key: part.arrays.get(key) for key in ("spike_units", "spike_index", "units")}
    notes: list[str] = []
    each, names = trains(part.arrays["spike_times_s"], **given, notes=notes)
    if len(names) == 1 and part is not path:
        return {_own_name(part.file, path.file): each[0]}
    if alone:
        return dict(zip(names, each, strict=True))
    return {
        f"{_own_name(part.file, path.file)} {name}": train
        for name, train in zip(names, each, strict=True)
    }


def session_name(file: Path) -> str:
    """The beginning that the files of a session share: up to the last underscore."""
    return file.stem.rpartition("_")[0]


def _own_name(file: Path, path: Path) -> str:
    shared = session_name(path)
    own = file.stem.removeprefix(f"{shared}_") if shared else file.stem
    return own or file.stem
