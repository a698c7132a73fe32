"""Contents of a file from its arrays, found by their usual names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridcode.errors import InputError
from gridcode.recordings.along_path import SPIKE_TIMES, UNIT_COLUMNS
from gridcode.recordings.columns import find, path_of, seconds, split_unit
from gridcode.recordings.contents import Contents, listed
from gridcode.recordings.spike_trains import is_mapping, is_ragged

TRAINS = ("spike_times", "spikes_s", "spikes", "cellts", "ts", "spk_ts", "spikes_ts", "spiketimes")
OF_SPIKES = ("spike_units", "spike_clusters", "spike_cluster", "spike_ids", *UNIT_COLUMNS)
ENDS = ("spike_index", "spike_times_index")
ACTIVITY = ("activity", "firingrate", "firing_rate", "firing_rates", "rates", "traces")


def contents_of(
    path: Path, arrays: Mapping[str, Any], position_unit: str | float | None, needed: str
) -> Contents:
    """What arrays with usual names hold: a path, units, or both.

    Args:
        path: the file they come from.
        arrays: by name; dicts are spike trains by unit.
        position_unit: of positions whose name does not say it.
        needed: what to ask for where nothing is found.

    Raises:
        InputError: neither a path nor units, or names that contradict each other.
    """
    plain = {str(k): v for k, v in arrays.items() if not is_mapping(v) and not is_ragged(v)}
    found = path_of(plain, position_unit=position_unit)
    holds = listed(sorted(map(str, arrays))) or "no arrays"
    result: dict[str, Any] = {} if found is None else dict(found.arrays)
    notes = () if found is None else found.notes
    used = frozenset() if found is None else found.used
    result |= _units(path, arrays, {k: v for k, v in plain.items() if k not in used})
    if not result:
        raise InputError(f"{path.name} holds {holds}; needed are {needed}")
    for key in ("units", "bin_size_m"):
        if key in plain and ("spike_units" not in result or key != "units"):
            result[key] = plain[key]
    return Contents(path, result, notes, holds)


def _units(path: Path, arrays: Mapping[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    apart = {str(k): v for k, v in arrays.items() if is_mapping(v) or is_ragged(v)}
    apart = {k: v for k, v in apart.items() if _looks_like_spikes(k)}
    if apart:
        # One dict of trains a module, say: the names keep apart what would be the same.
        trains: dict[Any, Any] = {}
        for key, group in apart.items():
            each = group if is_mapping(group) else dict(enumerate(group))
            prefix = f"{key} " if len(apart) > 1 else ""
            trains |= {f"{prefix}{name}" if prefix else name: each[name] for name in each}
        return {"spike_times_s": trains}
    times, of, ends = find(plain, TRAINS), find(plain, OF_SPIKES), find(plain, ENDS)
    if times is not None:
        values = seconds(plain, times)
        if of is not None and np.size(plain[of[0]]) == np.size(values):
            return {"spike_times_s": values, "spike_units": plain[of[0]]}
        if ends is not None:
            return {"spike_times_s": values, "spike_index": plain[ends[0]]}
        return {"spike_times_s": {path.stem: values}}
    active = find(plain, ACTIVITY)
    if active is not None:
        return {"activity": plain[active[0]]}
    # A table of spikes: time and unit.
    times = find(plain, SPIKE_TIMES)
    if times is not None and of is not None and np.size(plain[of[0]]) == np.size(plain[times[0]]):
        return {"spike_times_s": seconds(plain, times), "spike_units": plain[of[0]]}
    return {}


def _looks_like_spikes(name: str) -> bool:
    base = split_unit(name)[0]
    return base in TRAINS or base.startswith(("spike", "spk", "cell", "unit", "ts"))
