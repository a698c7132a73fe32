"""Everything about a population of cells from its rate maps: scores, p-values, types, modules.

The one path that `gridcode evaluate` and `gridcode score` share; it needs maps and nothing of where
they come from.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from gridcode import display
from gridcode.analysis import text
from gridcode.analysis.cells.autocorrelogram import (
    Maps,
    as_maps,
    autocorrelograms,
    side_bins,
    smooth,
)
from gridcode.analysis.cells.celltypes import (
    FEWEST_LATTICE_FIELDS,
    TYPES,
    Evidence,
    check_levels,
    classify,
    possibly_spatial,
    undecided,
)
from gridcode.analysis.cells.definitions import ON_SQUARE_MAPS, grid_score
from gridcode.analysis.cells.fields import find_fields
from gridcode.analysis.cells.gridness import long_axis_deg, score_correlograms, unscorable
from gridcode.analysis.cells.information import spatial_coherence, spatial_information, spatial_test
from gridcode.analysis.cells.lattice import shape_of
from gridcode.analysis.cells.phases import phase_coverage, phase_uniformity, spatial_phases
from gridcode.analysis.cells.shift_significance import ShiftSignificance
from gridcode.analysis.cells.significance import MOST_TIMES, NULLS, plane_wave_share, significance
from gridcode.analysis.cells.waves import lattices_from_waves
from gridcode.analysis.modules.commensurability import Relations, relate_modules
from gridcode.analysis.modules.detection import Modules, find_modules
from gridcode.analysis.records import (
    ModuleRecord,
    RelationRecord,
    SettingsRecord,
    Summary,
    UnitRecord,
)
from gridcode.analysis.records.measures import described
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

SCORES = (
    "grid_score",
    "mean60",
    "square",
    "corrected",
    "spacing_m",
    "orientation_deg",
    "axis_ratio",
)
LATTICE = ("ellipse_deg", "spacing_error_m", "orientation_error_deg", "peaks_used")
SMALLEST_P = 1e-12
FEWEST_NULLS, MOST_NULLS = 99, 10**6
LEAST_LEVEL = 0.001


def check_tests(
    *, nulls: int, null: str = NULLS[0], level: float, false_discovery_rate: float
) -> None:
    """Refuse, before any work, settings of the tests that make no sense.

    Arguments as of `analyse_population`.

    Raises:
        InputError: too few or too many null maps, an unknown null, or levels out of range.
    """
    check_levels(level, false_discovery_rate)
    if level < LEAST_LEVEL:
        raise InputError(
            f"significance must be {LEAST_LEVEL} or more, not {level}: "
            "modules are compared with 999 null populations"
        )
    if nulls < FEWEST_NULLS:
        raise InputError(
            f"with {nulls} null maps no unit could be told from chance: take {FEWEST_NULLS} or more"
        )
    if nulls > MOST_NULLS:
        raise InputError(f"{nulls} null maps would take for ever: take {MOST_NULLS} at most")
    if null not in NULLS:
        raise InputError(f"null must be one of {', '.join(NULLS)}, not '{null}'")


@takes_arrays
def without_silent(
    rate_maps: np.ndarray, silent_below: float
) -> tuple[Bool[np.ndarray, " unit"], Maps]:
    """Which units are silent, and the maps with zeros for those.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins. Not changed.
        silent_below: units whose activity never exceeds this, of either sign, are silent.
    """
    rate = as_maps(rate_maps)
    # Activations may be negative throughout and yet depend on place.
    peak = np.where(np.isfinite(rate), np.abs(rate), -np.inf).max(axis=(1, 2))
    silent = peak <= silent_below
    return silent, np.where(silent[:, None, None], 0.0 * rate, rate)


def score_dataset(data: xr.Dataset, *, smoothing_bins: float, silent_below: float) -> xr.Dataset:
    """Add autocorrelograms, scores and `silent` to a dataset of rate maps.

    Args:
        data: `rate` (unit, y, x) with attribute `bin_size_m`, as `rate_maps` makes it.
        smoothing_bins: Gaussian smoothing before scoring, in bins; the stored rate stays as it is.
        silent_below: units whose activity never exceeds this, of either sign, are silent and get no
            scores.
    """
    silent, scored = without_silent(data["rate"].values, silent_below)
    size = data.attrs["bin_size_m"]
    correlograms = autocorrelograms(smooth(scored, smoothing_bins))
    scores = score_correlograms(correlograms, bin_size_m=size, reasons=unscorable(scored))
    lags = [(np.arange(n) - n // 2) * size for n in correlograms.shape[1:]]
    data = data.assign_coords(
        lag_y=("lag_y", lags[0], {"units": "m"}), lag_x=("lag_x", lags[1], {"units": "m"})
    )
    data["autocorrelogram"] = (("unit", "lag_y", "lag_x"), correlograms.astype(np.float32))
    data["silent"] = ("unit", silent)
    for name in (*SCORES, *LATTICE):
        data[name] = ("unit", getattr(scores, name))
    data["vectors_m"] = (("unit", "vector", "component"), scores.vectors_m)
    data["reason"] = ("unit", np.array(scores.reason, dtype=object))
    return data


@dataclass(frozen=True)
class Population:
    """What is known of a population of cells.

    Attributes:
        data: rate maps, autocorrelograms and every number that a unit has, by `unit`; each says
            what it is in its attributes `long_name` and `units`; see docs/metrics.md.
        modules: the modules.
        relations: which pairs of modules are commensurate.
        phases: for each module (unit of the module, 2), where its cells' fields lie in the unit
            cell, in [0, 1).
        summary: everything in numbers and words, ready for JSON.
    """

    data: xr.Dataset
    modules: Modules
    relations: Relations
    phases: tuple[Float[np.ndarray, "unit 2"], ...]
    summary: Summary

    def __repr__(self) -> str:
        return f"Population({text.one_line(self.summary)})"

    def _repr_html_(self) -> str:
        return display.table("Population", text.rows(self.summary))


@takes_arrays
def analyse_population(
    data: xr.Dataset,
    *,
    smoothing_bins: float = 1.0,
    silent_below: float = 0.0,
    nulls: int = 500,
    null: str = "random phase",
    level: float = 0.01,
    false_discovery_rate: float = 0.05,
    seed: int = 0,
    unsmoothed: Float[np.ndarray, "unit y x"] | None = None,
    shifted: ShiftSignificance | None = None,
    definitions: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Population:
    """Scores, p-values, types, fields, information and modules of every unit.

    Args:
        data: `rate` (unit, y, x), NaN marks unvisited bins; attribute `bin_size_m`; `occupancy` (y,
            x) and `stability` (unit,) where known. Scores that are there already are kept.
        smoothing_bins: Gaussian smoothing before scoring, in bins.
        silent_below: units whose activity never exceeds this, of either sign, are silent.
        nulls: null maps of a unit.
        null: which null, see `gridcode.analysis.cells.nulls`.
        level: largest p-value of a module, and of a unit that counts as spatial.
        false_discovery_rate: largest expected share of false discoveries among the units that do.
        seed: of the null maps.
        unsmoothed: the maps before any smoothing, for coherence, information and the test of being
            spatial; None: `rate` as it is.
        shifted: significance against circular shifts, where there is a path: its information
            decides whether a unit is spatial. None or NaN: Moran's I of the map does.
        definitions: grid scores of other tools to compute as well, see
            `gridcode.analysis.cells.definitions`; missing where they do not exist (some are defined
            for square maps only).
        workers: threads; as many as there are cores by default.
        progress: called with (units tested, units to test).

    Raises:
        InputError: wrong shapes, infinities, or levels that make no sense.
    """
    check_tests(nulls=nulls, null=null, level=level, false_discovery_rate=false_discovery_rate)
    if unsmoothed is not None and np.shape(unsmoothed) != data["rate"].shape:
        raise InputError(
            f"the unsmoothed maps must be {data['rate'].shape} like the maps, "
            f"not {np.shape(unsmoothed)}"
        )
    if "grid_score" not in data:
        data = score_dataset(data, smoothing_bins=smoothing_bins, silent_below=silent_below)
    data = data.copy()
    size = float(data.attrs["bin_size_m"])
    silent = data["silent"].values
    rate = np.where(silent[:, None, None], 0.0 * data["rate"].values, data["rate"].values).astype(
        np.float64
    )
    raw = (
        rate
        if unsmoothed is None
        else np.where(silent[:, None, None], 0.0 * unsmoothed, unsmoothed).astype(np.float64)
    )

    fields = find_fields(rate, bin_size_m=size, smoothing_bins=smoothing_bins)
    occupancy = data["occupancy"].values.astype(np.float64) if "occupancy" in data else None
    information = spatial_information(raw, occupancy=occupancy)
    spatial = spatial_test(raw).p_value
    missing = np.full(len(rate), np.nan)
    by_shift = shifted.information_p_value if shifted else missing
    # No test is as sure as the far tail of its distribution says.
    spatial = np.maximum(np.where(np.isfinite(by_shift), by_shift, spatial), SMALLEST_P)
    possible = possibly_spatial(silent, spatial, significance=level)
    smoothed = smooth(rate, smoothing_bins)
    share = plane_wave_share(smoothed)
    # Of a lattice, a band.
    tested_for = np.stack([fields.count >= FEWEST_LATTICE_FIELDS, np.full(len(rate), True)])
    tested = significance(
        rate,
        seed=seed,
        nulls=nulls,
        smoothing_bins=smoothing_bins,
        null=null,
        undecided=lambda low, high: undecided(
            np.where(tested_for, low, np.nan),
            high,
            among=possible,
            band_share=share,
            false_discovery_rate=false_discovery_rate,
        ),
        workers=workers,
        progress=progress,
    )
    lost = np.isnan(data["vectors_m"].values).any(axis=(1, 2))
    data = _lattices_from_waves(
        data, smoothed, np.flatnonzero(lost & (tested.lattice_p_value <= false_discovery_rate))
    )
    found = classify(
        Evidence(
            silent=silent,
            lattice_p_value=tested.lattice_p_value,
            band_p_value=tested.band_p_value,
            band_share=share,
            spatial_p_value=spatial,
            vectors_m=data["vectors_m"].values,
            axis_ratio=data["axis_ratio"].values,
            field_count=fields.count,
        ),
        significance=level,
        false_discovery_rate=false_discovery_rate,
    )
    # More null maps would not settle these in any bearable time.
    border = f"; at the border of significance after {MOST_TIMES * nulls:,} null maps"
    evidence = [
        words + border * (number >= MOST_TIMES * nulls)
        for words, number in zip(found.evidence, tested.nulls.tolist(), strict=True)
    ]
    per_unit = {
        "type": np.array(found.type, dtype=object),
        "evidence": np.array(evidence, dtype=object),
        "periodic": found.periodic,
        "lattice_z": tested.lattice_z,
        "lattice_p_value": tested.lattice_p_value,
        "q_value": found.q_value,
        "band_p_value": tested.band_p_value,
        "grid_score_p_value": tested.grid_score_p_value,
        "grid_score_null_95": tested.grid_score_null_95,
        "null_maps": tested.nulls,
        "spatial_p_value": spatial,
        "shift_p_value": shifted.grid_p_value if shifted else missing,
        "field_count": fields.count,
        "field_size_m": fields.diameter_m,
        "peak_rate": np.fmax.reduce(rate, axis=(1, 2), initial=-np.inf),
        "mean_rate": information.mean_rate,
        "information_bits": information.bits_per_spike,
        "information_bits_per_s": information.bits_per_second,
        "sparsity": information.sparsity,
        "coherence": spatial_coherence(raw),
        "stability": data["stability"].values if "stability" in data else missing,
    }
    for name in definitions:
        defined = name not in ON_SQUARE_MAPS or rate.shape[1] == rate.shape[2]
        per_unit[f"score_{name}"] = grid_score(smoothed, definition=name) if defined else missing
    for name, values in per_unit.items():
        data[name] = ("unit", values)

    modules = modules_of(data, level=level, seed=seed)
    data["module"] = ("unit", modules.label)
    data["module_reason"] = ("unit", np.array(modules.reason, dtype=object))
    phases = tuple(
        spatial_phases(rate[m.units], bin_size_m=size, vectors_m=m.vectors_m)
        for m in modules.modules
    )
    data["phase"] = (("unit", "component"), np.full((len(rate), 2), np.nan))
    for module, phase in zip(modules.modules, phases, strict=True):
        data["phase"].values[module.units] = phase
    relations = relate_modules(modules, generator=np.random.default_rng([seed, 2]))
    settings = SettingsRecord(
        null=null,
        nulls=nulls,
        level=level,
        false_discovery_rate=false_discovery_rate,
        null_seed=seed,
        # Maps that were smoothed before they came here pass the second test, whatever the cell.
        spatial_test="circular shift" if shifted else "Moran's I",
    )
    summary = _summary(data, modules, relations, phases, settings)
    return Population(described(data), modules, relations, phases, summary)


def modules_of(data: xr.Dataset, *, level: float, seed: int) -> Modules:
    """The modules of a scored population; the same seed finds the same ones again.

    Args:
        data: `vectors_m` (unit, vector, component), `periodic` (unit) and `rate` (unit, y, x), with
            attribute `bin_size_m`.
        level: largest p-value of a module.
        seed: of the null populations.
    """
    side = side_bins((data.sizes["y"], data.sizes["x"]))
    return find_modules(
        data["vectors_m"].values,
        candidate=data["periodic"].values.astype(bool),
        arena_m=float(data.attrs["bin_size_m"]) * side,
        generator=np.random.default_rng([seed, 1]),
        significance=level,
    )


def _lattices_from_waves(
    data: xr.Dataset, smoothed: Maps, units: Int[np.ndarray, " lost"]
) -> xr.Dataset:
    """Give units that have a lattice, but too few peaks to fit one, the lattice of their waves."""
    if not len(units):
        return data
    vectors = lattices_from_waves(smoothed[units]) * float(data.attrs["bin_size_m"])
    shape = shape_of(vectors)
    values = {
        "vectors_m": vectors,
        "spacing_m": shape.spacing,
        "orientation_deg": shape.orientation_deg,
        "axis_ratio": shape.axis_ratio,
        "ellipse_deg": long_axis_deg(shape.to_hexagon),
        "reason": "lattice from the map's waves: too few peaks in the autocorrelogram",
    }
    for name, found in values.items():
        changed = data[name].values.copy()
        changed[units] = found
        data[name] = (data[name].dims, changed)
    return data


def _summary(
    data: xr.Dataset,
    modules: Modules,
    relations: Relations,
    phases: tuple[Float[np.ndarray, "unit 2"], ...],
    settings: SettingsRecord,
) -> Summary:
    counts = Counter(str(kind) for kind in data["type"].values)
    found = Summary(
        n_modules=len(modules),
        n_independent_modules=relations.independent,
        types={kind: counts[kind] for kind in TYPES},
        settings=settings,
        modules=[
            _module_record(data, modules, relations, phases, index) for index in range(len(modules))
        ],
        relations=[
            RelationRecord.of(pair, modules=(pair.first, pair.second), index=pair.index or None)
            for pair in relations.pairs
        ],
        units=unit_records(data),
    )
    return found.model_copy(update={"verdict": text.verdict(found)})


def unit_records(data: xr.Dataset) -> list[UnitRecord]:
    """A record for every unit of an analysed dataset."""
    columns = {
        str(name): values.values for name, values in data.items() if values.dims[:1] == ("unit",)
    }
    plain = [name for name in UnitRecord.model_fields if name in columns]
    scores = [name for name in columns if name.startswith("score_")]
    special = {"type", "module", "silent", "vectors_m", "phase", "evidence", "reason"}
    records = []
    for u, name in enumerate(data["unit"].values.tolist()):
        kind, module = str(columns["type"][u]), int(columns["module"][u])
        vectors, phase = columns["vectors_m"][u], columns["phase"][u]
        records.append(
            UnitRecord(
                unit=name,
                type=kind,
                module=module if module >= 0 else None,
                silent=kind == "silent",
                vectors_m=vectors if np.isfinite(vectors).all() else None,
                phase=phase if np.isfinite(phase).all() else None,
                scores={key.removeprefix("score_"): columns[key][u] for key in scores},
                evidence=str(columns["evidence"][u]),
                reason=str(columns["reason"][u]),
                **{key: columns[key][u] for key in plain if key not in special},
            )
        )
    return records


def _module_record(
    data: xr.Dataset,
    modules: Modules,
    relations: Relations,
    phases: tuple[Float[np.ndarray, "unit 2"], ...],
    index: int,
) -> ModuleRecord:
    module = modules.modules[index]
    known = phases[index][np.isfinite(phases[index]).all(axis=1)]
    names, ratios = data["unit"].values.tolist(), relations.spacing_ratios
    uniformity = coverage = None
    if len(known) > 1:
        uniformity = phase_uniformity(known, generator=np.random.default_rng(index))
        coverage = phase_coverage(known, vectors_m=module.vectors_m)
    return ModuleRecord.of(
        module,
        module=index,
        n_units=len(module.units),
        ratio_to_next=ratios[index] if index < len(ratios) else None,
        phase_uniformity_p=uniformity,
        phase_coverage=coverage,
        units=[names[u] for u in module.units],
    )
