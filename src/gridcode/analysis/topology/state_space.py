"""State space and topology of a population and of each of its modules: numbers for a summary, arrays for pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from gridcode import display
from gridcode.analysis.cells.phases import wave_vectors
from gridcode.analysis.modules.detection import Module
from gridcode.analysis.population import number
from gridcode.analysis.topology.betti import FEWEST_NULLS, Topology, measure_topology
from gridcode.analysis.topology.circular_coordinates import PhaseMatch, coordinates_of, match_phases
from gridcode.analysis.topology.embedding import (
    METHODS,
    Rings,
    embed,
    explained_variance,
    lattice_rings,
)
from gridcode.analysis.topology.known_shapes import Control, run_controls
from gridcode.errors import InputError

FEWEST_UNITS = 10
# Of each, in JSON and in pictures.
SHOWN_COMPONENTS, SHOWN_BARS, SHOWN_SAMPLES = 10, 60, 1500
CONTROL_NULLS = 39
DIMENSIONS = ("pieces", "loops", "voids")


@dataclass(frozen=True)
class StateSpace:
    """State space and topology of a population.

    Attributes:
        summary: numbers ready for JSON, see docs/theory.md.
        arrays: a group for the whole population (`population`) and for each module (`module_0`,
            ...), with what pictures show.
    """

    summary: dict[str, Any]
    arrays: xr.DataTree

    def __repr__(self) -> str:
        shapes = (
            f"{row['name']} {tuple(row['topology']['betti'])}"
            for row in self.summary["populations"]
        )
        return f"StateSpace(Betti numbers: {', '.join(shapes) or 'none measured'})"

    def _repr_html_(self) -> str:
        rows = [
            (
                row["name"],
                row["n_units"],
                tuple(row["topology"]["betti"]),
                "yes" if row["topology"]["torus"] else "not shown",
            )
            for row in self.summary["populations"]
        ]
        return display.wide_table(
            "State space", ("population", "units", "Betti numbers", "torus"), rows
        )


def analyse_state_space(
    states: Float[np.ndarray, "sample unit"],
    positions_m: Float[np.ndarray, "sample 2"],
    *,
    modules: Sequence[Module],
    whole_vectors_m: Float[np.ndarray, "2 2"] | None = None,
    seed: int = 0,
    nulls: int = 99,
    controls: bool = True,
    fewest_units: int = FEWEST_UNITS,
    progress: Callable[[int, int], None] | None = None,
) -> StateSpace:
    """Variance, pictures in three dimensions, rings, Betti numbers and toroidal coordinates, of the population and of every module.

    Populations smaller than `fewest_units`, and what cannot be measured, are skipped, and the
    reason is given. Beside the largest module the same topology is measured of controls of known
    shape (`gridcode.analysis.topology.known_shapes`), at the same places.

    Args:
        states: (sample, unit) activity of any unit, all finite; samples in the order of time, or in
            random order (`map_states`).
        positions_m: (sample, 2) metres.
        modules: the modules, with `units` as columns of `states`.
        whole_vectors_m: lattice vectors (x, y) as rows by which the whole population repeats; None
            where it does not, as with independent modules.
        seed: of samples and shuffles.
        nulls: shuffles of each population; controls have 39 at most.
        controls: whether to measure controls.
        fewest_units: smallest population that is measured.
        progress: called with (shuffles done, shuffles).

    Raises:
        InputError: shapes that do not match, values that are not finite, fewer than 19 shuffles, or
            modules of other units.
    """
    given, places = np.asarray(states, dtype=np.float64), np.asarray(positions_m, dtype=np.float64)
    if (
        given.ndim != 2
        or places.shape != (len(given), 2)
        or not (np.isfinite(given).all() and np.isfinite(places).all())
    ):
        raise InputError(
            f"states {given.shape} and positions {places.shape} must be (sample, unit) and (sample, 2), all finite"
        )
    if nulls < FEWEST_NULLS:
        raise InputError(f"{nulls} shuffles are too few: {FEWEST_NULLS} are the least")
    if any(
        len(module.units) and not 0 <= module.units.min() <= module.units.max() < given.shape[1]
        for module in modules
    ):
        raise InputError(f"the modules have other units than the {given.shape[1]} of the states")
    measured = [m for m, module in enumerate(modules) if len(module.units) >= fewest_units]
    control_nulls = min(nulls, CONTROL_NULLS)
    total = (1 + len(measured)) * nulls + (5 * control_nulls if controls and measured else 0)
    done = 0

    def tick(now: int, _: int) -> None:
        if progress:
            progress(done + now, total)

    # A stream for each population: none changes when another is added.
    rng = np.random.default_rng
    rows: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    groups: dict[str, xr.Dataset] = {}
    everyone = np.arange(given.shape[1])
    for name, m in [("population", -1), *((f"module_{m}", m) for m in range(len(modules)))]:
        units = everyone if m < 0 else modules[m].units
        if len(units) < fewest_units:
            skipped.append(
                {
                    "name": name,
                    "n_units": len(units),
                    "reason": f"{len(units)} units: fewer than {fewest_units}",
                }
            )
            continue
        try:
            row, arrays = _measure(
                given[:, units],
                places,
                whole_vectors_m if m < 0 else modules[m].vectors_m,
                generator=rng([seed, 20, m + 1]),
                nulls=nulls,
                tick=tick,
            )
        except InputError as error:
            skipped.append({"name": name, "n_units": len(units), "reason": str(error)})
        else:
            rows.append({"name": name, "module": None if m < 0 else m, "n_units": len(units)} | row)
            groups[name] = arrays
        done += nulls
    found: tuple[Control, ...] = ()
    held = [row["module"] for row in rows if row["module"] is not None]
    largest = max(held, key=lambda m: len(modules[m].units)) if controls and held else None
    if largest is not None:
        module = modules[largest]
        try:
            found = run_controls(
                given[:, module.units], places, spacing_m=module.spacing_m, orientation_deg=module.orientation_deg,
                generator=rng([seed, 21]), nulls=control_nulls, progress=tick,
            )  # fmt: skip
        except InputError as error:
            skipped.append({"name": "controls", "n_units": len(module.units), "reason": str(error)})
    summary = {
        "samples": len(given),
        "nulls": nulls,
        "whole_vectors_m": None
        if whole_vectors_m is None
        else [[number(x) for x in vector] for vector in whole_vectors_m],
        "populations": rows,
        "skipped": skipped,
        "controls": [
            {
                "name": c.name,
                "of_module": largest,
                "expected_torus": c.expected,
                "as_expected": c.as_expected,
            }
            | _topology_row(c.topology)
            for c in found
        ],
    }
    return StateSpace(
        summary, xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    )


def _measure(
    states: Float[np.ndarray, "sample unit"],
    places: Float[np.ndarray, "sample 2"],
    vectors_m: Float[np.ndarray, "2 2"] | None,
    *,
    generator: np.random.Generator,
    nulls: int,
    tick: Callable[[int, int], None],
) -> tuple[dict[str, Any], xr.Dataset]:
    """Numbers and arrays of one population; phases, rings and the match of coordinates where it has a lattice."""
    variance = explained_variance(states)
    topology = measure_topology(states, generator=generator, nulls=nulls, progress=tick)
    arrays = _topology_arrays(topology, places)
    row: dict[str, Any] = {
        "explained": [number(v) for v in variance.explained[:SHOWN_COMPONENTS]],
        "dimension": number(variance.dimension),
        "shuffled_dimension": number(variance.shuffled_dimension),
        "topology": _topology_row(topology),
        "rings": None,
        "rings_reason": "",
        "toroidal": None,
    }
    for method in METHODS:
        found = embed(
            states,
            generator=generator,
            method=method,
            most_samples=min(SHOWN_SAMPLES, len(states)),
            neighbours=min(30, len(states) // 4),
        )
        arrays[f"{method}"] = ((f"{method}_sample", "axis"), found.points.astype(np.float32))
        arrays[f"{method}_positions_m"] = (
            (f"{method}_sample", "component"),
            places[found.samples].astype(np.float32),
        )
    coordinates, reason = None, ""
    try:
        coordinates = coordinates_of(topology)
    except InputError as error:
        reason = str(error)
    if coordinates is not None:
        arrays["toroidal"] = (("landmark", "coordinate"), coordinates.astype(np.float32))
    if vectors_m is not None:
        waves = wave_vectors(vectors_m)
        arrays.attrs["vectors_m"] = np.asarray(vectors_m, dtype=np.float64).ravel()
        try:
            rings = lattice_rings(states, places, waves_per_m=waves, generator=generator)
        except InputError as error:
            row["rings_reason"] = str(error)
        else:
            row["rings"] = _rings_row(rings, waves)
            shown = np.sort(
                generator.choice(len(states), size=min(SHOWN_SAMPLES, len(states)), replace=False)
            )
            arrays["rings"] = (
                ("ring_sample", "wave", "part"),
                np.stack([rings.points.real, rings.points.imag], axis=-1)[shown].astype(np.float32),
            )
            arrays["rings_positions_m"] = (
                ("ring_sample", "component"),
                places[shown].astype(np.float32),
            )
        match = (
            match_phases(
                coordinates, np.mod(places[topology.samples] @ np.linalg.inv(vectors_m), 1.0)
            )
            if coordinates is not None
            else None
        )
        row["toroidal"] = _match_row(match, reason)
    return row, arrays


def _topology_row(found: Topology) -> dict[str, Any]:
    return {
        "betti": list(found.betti),
        "by_gap": list(found.by_gap),
        "p_value": [number(p) for p in found.p_value],
        "torus": found.torus,
        "torus_p_value": number(found.torus_p_value),
        "product": number(found.product),
        "longest": [
            [number(v) for v in found.diagram.lifetimes(d)[:4]] for d in range(len(DIMENSIONS))
        ],
        "null_95": [number(v) for v in np.quantile(found.null_longest, 0.95, axis=0)],
        "alive_between": [number(w / found.diagram.scale) for w in found.window],
        "landmarks": len(found.points),
    }


def _topology_arrays(found: Topology, places: Float[np.ndarray, "sample 2"]) -> xr.Dataset:
    """Bars over the scale of the landmarks, what the null's longest bars are, and where the landmarks are."""
    bars = [
        (d, *bar)
        for d, intervals in enumerate(found.diagram.intervals)
        for bar in intervals[:SHOWN_BARS] / found.diagram.scale
    ]
    return xr.Dataset(
        {
            "bars": (("bar", "dimension_birth_death"), np.array(bars, dtype=np.float32)),
            "null_longest": (("null", "dimension"), found.null_longest.astype(np.float32)),
            "landmarks": (("landmark", "principal_component"), found.points.astype(np.float32)),
            "landmark_positions_m": (
                ("landmark", "component"),
                places[found.samples].astype(np.float32),
            ),
        },
        attrs={"threshold": found.diagram.threshold / found.diagram.scale},
    )


def _rings_row(found: Rings, waves: Float[np.ndarray, "wave 2"]) -> dict[str, Any]:
    return {
        "correlation": [number(v) for v in found.correlation],
        "chance_95": [number(v) for v in found.chance],
        "place_error_m": [number(v) for v in found.phase_error / np.hypot(*waves.T)],
        "radius_spread": [number(v) for v in found.radius_spread],
    }


def _match_row(found: PhaseMatch | None, reason: str) -> dict[str, Any]:
    if found is None:
        return {"matrix": None, "correlation": None, "unimodular": None, "reason": reason}
    return {
        "matrix": found.matrix.tolist(),
        "correlation": [number(v) for v in np.abs(found.correlation)],
        "unimodular": found.unimodular,
        "reason": "",
    }


def lattice_of_the_whole(
    modules: Sequence[Module], independent: int
) -> Float[np.ndarray, "2 2"] | None:
    """Vectors by which the whole state should repeat: the largest module's where all are related, none where modules are independent.

    Where the others repeat on a sub-lattice of these only, `describe_dynamics` finds that they are
    no period.

    Args:
        modules: the modules.
        independent: how many of them are no relatives of one another.
    """
    return max(modules, key=lambda m: m.spacing_m).vectors_m if independent == 1 else None


def map_states(
    rate: Float[np.ndarray, "unit y x"],
    *,
    bin_size_m: float,
    generator: np.random.Generator,
    most: int = 20_000,
) -> tuple[
    Float[np.ndarray, "sample unit"], Float[np.ndarray, "sample 2"], Int[np.ndarray, " sample"]
]:
    """Population vectors of rate maps as states: one for every bin that all units have a rate in, in random order.

    Row by row, the null that shifts each unit by a number of samples would move its map, and moved
    maps of one module are a module again.

    Args:
        rate: (unit, y, x); NaN marks unvisited bins.
        bin_size_m: side of a bin, metres.
        generator: draws the order, and the bins where there are more than `most`.
        most: largest number of states.

    Returns:
        States, positions (metres from the maps' centre), and the number of each bin.

    Raises:
        InputError: a wrong shape, a bin size or a number of states that is not positive, or no bin
            that all units have a rate in.
    """
    maps = np.asarray(rate, dtype=np.float64)
    if maps.ndim != 3 or not len(maps):
        raise InputError(f"rate maps must be (unit, y, x), not {maps.shape}")
    if not 0 < bin_size_m < np.inf or most < 1:
        raise InputError(f"bins of {bin_size_m} m and {most} states at most hold nothing")
    flat = maps.reshape(len(maps), -1)
    known = np.flatnonzero(np.isfinite(flat).all(axis=0))
    if not len(known):
        raise InputError("no bin of the maps has a rate of every unit")
    known = generator.permutation(known)[:most]
    y, x = np.divmod(known, maps.shape[2])
    places = (np.stack([x, y], axis=1) - (np.array(maps.shape[:0:-1]) - 1) / 2) * bin_size_m
    return flat[:, known].T, places, known
