"""What only a recorded session has: the path, where the animal was at each spike, direction curves.

Made small: the path and the spikes are thinned out evenly, and places of spikes take a byte.
"""

from typing import Any

import numpy as np
import xarray as xr

from gridcode.analysis.cells.binning import BinnedPath
from gridcode.recordings.recording import Recording
from gridcode.viewer.encode import encode_array, numbers

Document = dict[str, Any]
# Points of the path, and spikes of a unit and of all units, that are drawn at most.
MOST_POINTS, MOST_SPIKES, MOST_SPIKES_OF_ALL = 12_000, 2_000, 300_000
# A longer time between two points of the path is drawn as a gap.
LONGEST_STEP_S = 1.0


def session_document(recording: Recording, cells: xr.Dataset) -> Document | None:
    """Path, places of spikes and direction curves: `runs/ID/session`; None where there are none.

    Args:
        recording: what was recorded. Maps alone have no path, and activity no spikes.
        cells: the scored units, with `direction_curve` (unit, direction) in Hz and the coordinate
            `direction` (degrees) where head direction was measured.
    """
    document: Document = {}
    if recording.path is not None:
        document |= _path(recording.path)
    if "direction_curve" in cells and np.isfinite(cells["direction_curve"].values).any():
        document["directions_deg"] = numbers(cells["direction"].values, 2)
        document["direction_curve"] = numbers(cells["direction_curve"].values, 3)
    return document or None


def _path(path: BinnedPath) -> Document:
    size = np.array(path.shape[::-1]) * path.bin_size_m
    corner = np.array(path.centre_m) - size / 2
    places = path.positions_m - corner
    document: Document = {
        "arena_m": numbers(size, 4),
        "path_m": numbers(_thinned_path(places, path.time_s).T),
    }
    if path.spikes is None:
        return document
    most = max(1, min(MOST_SPIKES, MOST_SPIKES_OF_ALL // max(path.units, 1)))
    pairs = zip(path.spike_start[:-1], path.spike_start[1:], strict=True)
    samples = [_evenly(path.spike_sample[a:b], most) for a, b in pairs]
    longest = max([1, *(len(sample) for sample in samples)])
    drawn = np.full((path.units, 2, longest), np.nan, dtype=np.float32)
    for unit, sample in enumerate(samples):
        drawn[unit, :, : len(sample)] = places[sample].T
    return document | {
        "spikes_m": encode_array(drawn, low=0.0, high=float(size.max())),
        "spikes": path.spikes.tolist(),
    }


def _thinned_path(places: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Points of the path, with NaN where it was interrupted."""
    step = -(-len(places) // MOST_POINTS)
    points, time = places[::step].copy(), time_s[::step]
    usual = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    gaps = np.flatnonzero(np.diff(time) > max(LONGEST_STEP_S, 4 * usual)) + 1
    return np.insert(points, gaps, np.nan, axis=0)


def _evenly(samples: np.ndarray, most: int) -> np.ndarray:
    if len(samples) <= most:
        return samples
    return samples[np.linspace(0, len(samples) - 1, most).round().astype(np.int64)]
