"""A small picture of a run for the list of runs: the rate maps of its best units."""

import io
from collections.abc import Sequence

import h5py
import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from PIL import Image

from gridcode.analysis.records import Summary
from gridcode.errors import InputError
from gridcode.report.style import fill_isolated_bins
from gridcode.runs.run import Run

UNITS, SIDE, GAP = 3, 40, 3
# Of 256 colours: the palette of rate maps, places that were never visited, between two maps.
LEVELS, UNVISITED, BETWEEN = 254, 254, 255


def best_units(summary: Summary) -> list[int]:
    """Indices of up to three units: the best of each module first, then the next best."""
    rows = [(k, unit) for k, unit in enumerate(summary.units) if unit.grid_score is not None]
    rows.sort(key=lambda row: -(row[1].grid_score or 0.0))
    rank: dict[int, int] = {}
    ranked = []
    for index, unit in rows:
        module = unit.module if unit.module is not None and unit.module >= 0 else -1
        rank[module] = rank.get(module, -1) + 1
        ranked.append((module < 0, rank[module], module, index))
    return [index for *_, index in sorted(ranked)[:UNITS]]


def thumbnail(run: Run, summary: Summary) -> bytes:
    """The best units' rate maps side by side, each from 0 to its peak, as PNG.

    Only these maps are read.

    Raises:
        InputError: there are no maps of these units, or they are damaged.
    """
    units = best_units(summary)
    if summary.headline is None or not units:
        raise InputError("this run has no maps")
    with h5py.File(run.ratemaps_path, "r") as file:
        found = file[summary.headline.group]["rate"]
        if not isinstance(found, h5py.Dataset) or found.ndim != 3:
            raise InputError("its rate maps are damaged")
        rate = np.stack([found[unit] for unit in units])
    return _png(fill_isolated_bins(rate))


def _png(rate: Float[np.ndarray, "unit y x"]) -> bytes:
    picture = np.full((SIDE, len(rate) * (SIDE + GAP) - GAP), BETWEEN, dtype=np.uint8)
    for k, one in enumerate(rate):
        picture[:, k * (SIDE + GAP) : k * (SIDE + GAP) + SIDE] = _levels(one)
    image = Image.fromarray(picture)
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, "png", transparency=BETWEEN, optimize=False)
    return file.getvalue()


def _levels(rate: Float[np.ndarray, "y x"]) -> np.ndarray:
    """Numbers of colours, top row first; every pixel is that of its nearest bin."""
    rows, columns = (_nearest(length) for length in rate.shape)
    shown = rate[::-1][np.ix_(rows, columns)]
    peak = np.nanmax(shown, initial=0.0)
    levels = np.clip(np.nan_to_num(shown) / (peak or 1.0), 0, 1) * (LEVELS - 1)
    return np.where(np.isfinite(shown), levels.round(), UNVISITED).astype(np.uint8)


def _nearest(bins: int) -> np.ndarray:
    return ((np.arange(SIDE) + 0.5) * bins / SIDE).astype(np.int64)


def _palette() -> Sequence[int]:
    colours = mpl.colormaps["viridis"](np.linspace(0, 1, LEVELS), bytes=True)[:, :3]
    ends = np.array([[191, 191, 191], [255, 255, 255]], dtype=np.uint8)
    return np.concatenate([colours, ends]).ravel().tolist()
