"""Scores of recorded cells: rate maps, or a path with spikes or activity; without PyTorch."""

import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import xarray as xr

from gridcode.analysis.cells.binning import split_halves
from gridcode.analysis.cells.information import split_half_stability
from gridcode.analysis.cells.shift_significance import shift_significance
from gridcode.analysis.population import Population, analyse_population, check_tests, unit_records
from gridcode.analysis.records.measures import described
from gridcode.analysis.topology.state_space import (
    StateSpace,
    analyse_state_space,
    lattice_of_the_whole,
    map_states,
)
from gridcode.analysis.tuning import tuning_of
from gridcode.errors import InputError
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import Recording


def score(
    source: Recording | str | os.PathLike[str],
    *,
    bin_size_m: float | None = None,
    group: str | None = None,
    smoothing_bins: float | None = None,
    silent_below: float = 0.0,
    nulls: int = 500,
    null: str = "random phase",
    significance: float = 0.01,
    false_discovery_rate: float = 0.05,
    movement_direction: bool = False,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Population:
    """Score cells: rate maps, or a path with spikes or activity.

    Args:
        source: a recording, or a file that `gridcode.recordings.files.load_recording` reads.
        bin_size_m: side of a bin, where the file does not say it; for a path, the bins to cut the
            arena into.
        group: group of an .nc file.
        smoothing_bins: Gaussian smoothing before scoring, in bins. Default: 1 for maps, 0 for maps
            drawn from a path, which are smoothed already.
        silent_below: units whose activity never exceeds this, of either sign, are silent.
        nulls: null maps of each unit, and circular shifts where there is a path.
        null: `random phase` or `field shuffle`.
        significance: largest p-value of a module, and of a unit that counts as spatial.
        false_discovery_rate: largest expected share of false discoveries among the units that
            count.
        movement_direction: where a recording has no head direction, test the direction of movement
            instead; it is then called so.
        seed: of the nulls.
        progress: called with (what, done, total).

    Raises:
        InputError: no such file, nothing in it that can be scored, or settings that make no sense.
    """
    check_tests(
        nulls=nulls, null=null, level=significance, false_discovery_rate=false_discovery_rate
    )
    recording = (
        source
        if isinstance(source, Recording)
        else load_recording(source, bin_size_m=bin_size_m, group=group)
    )

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    smoothing = (
        smoothing_bins if smoothing_bins is not None else 1.0 if recording.path is None else 0.0
    )
    bins = max(recording.maps.shape[1:])
    if not 0 <= smoothing <= bins:
        raise InputError(
            f"smoothing_bins must be 0 or more, and at most the {bins} bins of the maps, "
            f"not {smoothing:g}"
        )
    if math.isnan(silent_below):
        raise InputError("silent_below must be a number, not NaN")
    data = recording.dataset()
    shifted = None
    if recording.path is not None:
        data["stability"] = ("unit", split_half_stability(*split_halves(recording.path)))
        shifted = shift_significance(
            recording.path,
            seed=seed,
            nulls=nulls,
            smoothing_bins=smoothing,
            progress=report("circular shifts"),
        )
    population = analyse_population(
        data,
        smoothing_bins=smoothing,
        silent_below=silent_below,
        nulls=nulls,
        null=null,
        level=significance,
        false_discovery_rate=false_discovery_rate,
        seed=seed,
        unsmoothed=recording.unsmoothed(),
        definitions=("deepmind", "deepmind_minmax", "opexebo", "spatial_maps"),
        shifted=shifted,
        progress=report("null maps"),
    )
    tuning = tuning_of(
        recording.path,
        recording.maps,
        tuple(population.data["type"].values.tolist()),
        bin_size_m=recording.bin_size_m,
        silent=population.data["silent"].values,
        smoothing_bins=smoothing,
        movement_direction=movement_direction,
        nulls=nulls,
        false_discovery_rate=false_discovery_rate,
        seed=seed,
        progress=report("borders"),
    )
    return _with_tuning(population, tuning)


def _with_tuning(population: Population, tuning: xr.Dataset) -> Population:
    """The population with the numbers of `tuning_of`, in its records too."""
    data = described(population.data.assign(tuning.data_vars).assign_coords(tuning.coords))
    kinds = Counter(kind for kind in tuning["tuning"].values.tolist() if kind)
    more = {"units": tuple(unit_records(data)), "tuning": dict(kinds.most_common())}
    return replace(population, data=data, summary=population.summary.model_copy(update=more))


def state_space(
    recording: Recording,
    population: Population,
    *,
    nulls: int = 99,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> StateSpace:
    """State space of scored cells: rings, Betti numbers and coordinates on the torus.

    Measured for the population and for each module. States are the activity along the path where
    that was recorded; for spikes and maps the population vectors of the maps' bins, in random
    order.

    Args:
        recording: the cells.
        population: what `score` found of them.
        nulls: shuffles of each population; 19 are the least.
        seed: of samples and shuffles.
        progress: called with (what, done, total).

    Raises:
        InputError: no bin that every active unit has a rate in, or settings that make no sense.
    """
    silent = population.data["silent"].values
    path = recording.path
    if path is not None and path.activity is not None:
        states, columns = path.activity, path.shape[1]
        y, x = np.divmod(path.bin_index, columns)
        places = (np.stack([x, y], axis=1) - (np.array(path.shape[::-1]) - 1) / 2) * path.bin_size_m
        known = np.isfinite(states[:, ~silent]).all(axis=1)
        states, places = states[known], places[known]
    else:
        # Silent units may have no rate anywhere; they add nothing to a state.
        maps = np.where(silent[:, None, None], 0.0, recording.maps)
        states, places, _ = map_states(
            maps, bin_size_m=recording.bin_size_m, generator=np.random.default_rng([seed, 22])
        )
    states = np.where(silent, 0.0, states)
    modules = population.modules.modules
    whole = lattice_of_the_whole(modules, population.relations.independent)
    tick = None if progress is None else lambda done, total: progress("topology", done, total)
    return analyse_state_space(
        states,
        places,
        modules=modules,
        whole_vectors_m=whole,
        seed=seed,
        nulls=nulls,
        progress=tick,
    )
