"""What canvases and charts draw: maps, autocorrelograms, spectra, states, maps over training.

Every function takes records and arrays and returns a dictionary ready for JSON.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr

from gridcode.analysis.cells.spectrum import module_spectrum, power_at
from gridcode.analysis.records import ModuleRecord
from gridcode.analysis.records.topology import StateSpaceRecord, StatesRecord
from gridcode.report.state_space_figures import METHODS, population_name
from gridcode.report.style import GREY, INK, fill_isolated_bins, values
from gridcode.runs.history import share_above
from gridcode.viewer.encode import encode_array, numbers

Document = dict[str, Any]
# Samples along either axis of a spectrum.
WAVE_NUMBERS = 65


def palettes() -> Document:
    """Colour tables of the page, 256 colours of three bytes, and the colours of modules."""
    names = {"viridis": "viridis", "magma": "magma", "twilight": "twilight", "RdBu": "RdBu_r"}
    tables: Document = {}
    for name, map_name in names.items():
        colours = mpl.colormaps[map_name](np.linspace(0, 1, 256), bytes=True)[:, :3]
        tables[name] = base64.b64encode(colours.tobytes()).decode()
    return tables | {"modules": list(INK), "grey": mpl.colors.to_hex(GREY)}


def maps_document(data: xr.Dataset, group: str, *, most_bins: int | None = None) -> Document:
    """Rate maps of one arena, with isolated unvisited bins filled as in all pictures.

    Args:
        data: `rate` (unit, y, x) and the attribute `bin_size_m`; `grid_score` (unit,), the
            scores there, where they are known.
        group: name of the walk and arena.
        most_bins: maps with more bins a side are averaged over squares of bins, for pages that have
            to be small; None keeps all.
    """
    rate, size = data["rate"].values, float(data.attrs["bin_size_m"])
    # Of the bins as they were measured: squares of bins reach less.
    peak = np.fmax.reduce(rate, axis=(1, 2), initial=-np.inf)
    rate, side = fill_isolated_bins(rate), max(rate.shape[1:])
    if most_bins and side > most_bins:
        factor = -(-side // most_bins)
        rate, size = _block_mean(rate, factor), size * factor
    return {
        "group": group,
        "walk": data.attrs.get("walk"),
        "arena_m": data.attrs.get("arena_m", size * side),
        "bin_size_m": size,
        "rate": _encoded(rate, lead=1),
        "peak": numbers(peak, 6),
        "grid_score": numbers(data["grid_score"].values, 4) if "grid_score" in data else None,
    }


def _encoded(rate: np.ndarray, *, lead: int) -> Document:
    return encode_array(rate, lead=lead, low=None if (rate < 0).any() else 0.0)


def _block_mean(rate: np.ndarray, factor: int) -> np.ndarray:
    """Mean over squares of bins, NaN where never visited; those at the far walls are smaller."""
    rows, columns = (-(-n // factor) * factor for n in rate.shape[1:])
    padded = np.pad(
        rate,
        ((0, 0), (0, rows - rate.shape[1]), (0, columns - rate.shape[2])),
        constant_values=np.nan,
    )
    blocks = padded.reshape(len(rate), rows // factor, factor, columns // factor, factor)
    count = np.isfinite(blocks).sum(axis=(2, 4))
    return np.where(count > 0, np.nansum(blocks, axis=(2, 4)) / np.maximum(count, 1), np.nan)


def correlograms_document(data: xr.Dataset, group: str) -> Document:
    """Autocorrelograms of one arena, -1 to 1: rows from lag 0 upwards, as c(-lag) = c(lag)."""
    correlograms = data["autocorrelogram"].values
    half = correlograms[:, correlograms.shape[1] // 2 :]
    return {
        "group": group,
        "bin_size_m": float(data.attrs["bin_size_m"]),
        "half": encode_array(half, low=-1.0, high=1.0),
    }


def spectra_document(data: xr.Dataset, modules: Sequence[ModuleRecord]) -> Document:
    """Fourier power of every unit and mean power of every module, at the same wave numbers.

    Args:
        data: `rate` (unit, y, x), `module` and `spacing_m` (unit,).
        modules: the modules.
    """
    rate, size = data["rate"].values.astype(np.float64), float(data.attrs["bin_size_m"])
    rate = np.where(data["silent"].values[:, None, None], 0.0 * rate, rate)
    spacing = data["spacing_m"].values[~data["silent"].values]
    spacing = spacing[np.isfinite(spacing)]
    # 2.2 times the waves of the shortest of the usual spacings: one odd unit must not shrink all
    # pictures. 5 per metre for populations without any lattice.
    shortest = float(np.quantile(spacing, 0.1)) if len(spacing) else np.nan
    limit = 2.2 * 2 / np.sqrt(3) / shortest if len(spacing) else 5.0
    waves = np.linspace(-1, 1, WAVE_NUMBERS) * min(limit, 0.5 / size)
    power = power_at(rate, bin_size_m=size, wave_numbers_per_m=waves)
    total = np.nansum(power, axis=(1, 2), keepdims=True)
    share = power / np.where(total > 0, total, 1.0)
    rows = []
    for row in modules:
        mine = data["module"].values == row.module
        found = module_spectrum(rate[mine], bin_size_m=size, vectors_m=values(row.vectors_m))
        rows.append(
            {
                "module": row.module,
                "wave_numbers_per_m": numbers(waves, 5),
                "power": encode_array(share[mine].mean(axis=0), low=0.0),
                "peaks_per_m": numbers(found.peaks_per_m, 4),
                "angles_deg": numbers(found.angles_deg, 1),
                "lengths_per_m": numbers(found.lengths_per_m, 4),
            }
        )
    return {
        "wave_numbers_per_m": numbers(waves, 5),
        "units": encode_array(share, lead=1, low=0.0),
        "modules": rows,
    }


def states_document(space: StateSpaceRecord, arrays: xr.DataTree) -> Document:
    """States in three dimensions, rings and persistence of every population; the controls.

    Args:
        space: the state space.
        arrays: as `gridcode.analysis.deep_analysis` gives them.
    """
    shown = {"name", "betti", "torus", "as_expected", "longest", "null_95", "p_value"}
    return {
        "populations": [
            _population(row, arrays[row.name].to_dataset()) for row in space.populations
        ],
        "controls": [row.model_dump(mode="json", include=shown) for row in space.controls],
    }


def _population(row: StatesRecord, data: xr.Dataset) -> Document:
    bars, vectors = data["bars"].values, data.attrs.get("vectors_m")
    shown = {"name", "module", "n_units", "explained", "dimension", "shuffled_dimension"}
    topology = {"null_95", "longest", "betti", "p_value", "torus", "torus_p_value"}
    document = row.model_dump(mode="json", include=shown)
    document |= row.topology.model_dump(mode="json", include=topology)
    document |= {
        "title": population_name(row),
        "vectors_m": None if vectors is None else numbers(np.reshape(vectors, (2, 2)), 6),
        "samples": {
            method: {
                "points": numbers(data[method].values.T),
                "positions_m": numbers(data[f"{method}_positions_m"].values.T),
            }
            for method in METHODS
        },
        "rings": None,
        "bars": numbers(bars[np.lexsort((bars[:, 1], bars[:, 0]))], 4),
        "threshold": float(data.attrs["threshold"]),
    }
    if row.rings:
        document["rings"] = {
            "points": numbers(data["rings"].values.transpose(1, 2, 0)),
            "positions_m": numbers(data["rings_positions_m"].values.T),
            "correlation": list(row.rings.correlation),
            "place_error_m": list(row.rings.place_error_m),
        }
    return document


def history_document(data: xr.Dataset, *, complete: bool) -> Document:
    """Maps over training.

    Args:
        data: as `gridcode.runs.history` gives it.
        complete: whether the training has ended.
    """
    return {
        "steps": data["step"].values.tolist(),
        "arena_m": float(data.attrs["arena_m"]),
        "bin_size_m": float(data.attrs["bin_size_m"]),
        "rate": _encoded(fill_isolated_bins(data["rate"].values), lead=2),
        "grid_score": numbers(data["grid_score"].values, 4),
        "hexagonal_share": numbers(share_above(data), 4),
        "complete": complete,
    }


def snapshot_document(data: xr.Dataset, step: int) -> Document:
    """Maps at one step of the training, as `gridcode.runs.history.map_snapshot` gives them."""
    return {
        "step": step,
        "arena_m": float(data.attrs["arena_m"]),
        "bin_size_m": float(data.attrs["bin_size_m"]),
        "rate": _encoded(fill_isolated_bins(data["rate"].values), lead=1),
        "grid_score": numbers(data["grid_score"].values, 4),
        "hexagonal_share": float(share_above(data.expand_dims("step"))[0]),
    }


def metrics_document(rows: Sequence[Mapping[str, Any]], *, after: int = -1) -> dict[str, list[Any]]:
    """The logged lines of a training as columns.

    Args:
        rows: the lines, in order.
        after: only lines of later steps.
    """
    shown = [row for row in rows if row.get("step", -1) > after]
    return {
        name: [row.get(name) for row in shown]
        for name in dict.fromkeys(key for row in rows for key in row)
    }
