"""State space and topology of a population and of each module: numbers, and arrays for figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from gridcode import display
from gridcode.analysis.cells.phases import wave_vectors
from gridcode.analysis.modules.detection import Module
from gridcode.analysis.records.topology import (
    CircularCoordinatesRecord,
    KnownShapeRecord,
    RingsRecord,
    SkippedRecord,
    StateSpaceRecord,
    StatesRecord,
    TopologyRecord,
)
from gridcode.analysis.topology.betti import FEWEST_NULLS, Topology, measure_topology
from gridcode.analysis.topology.circular_coordinates import coordinates_of, match_phases
from gridcode.analysis.topology.embedding import METHODS, embed, explained_variance, lattice_rings
from gridcode.analysis.topology.known_shapes import measure_known_shapes
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FEWEST_UNITS = 10
# Components in the record, bars and samples in figures.
SHOWN_COMPONENTS, SHOWN_BARS, SHOWN_SAMPLES = 10, 60, 1000
CONTROL_NULLS = FEWEST_NULLS
MOST_NULLS = 10**6


@dataclass(frozen=True)
class StateSpace:
    """State space and topology of a population.

    Attributes:
        summary: the numbers, see docs/theory.md.
        arrays: what figures show: a group for the whole population (`population`) and for each
            module (`module_0`, ...).
    """

    summary: StateSpaceRecord
    arrays: xr.DataTree

    def __repr__(self) -> str:
        shapes = (f"{p.name} {p.topology.betti}" for p in self.summary.populations)
        return f"StateSpace(Betti numbers: {', '.join(shapes) or 'none measured'})"

    def _repr_html_(self) -> str:
        rows = [
            (p.name, p.n_units, p.topology.betti, "yes" if p.topology.torus else "not shown")
            for p in self.summary.populations
        ]
        return display.wide_table(
            "State space", ("population", "units", "Betti numbers", "torus"), rows
        )


def check_shuffles(count: int) -> None:
    """Refuse fewer shuffles than can tell a topology from chance, or too many to wait for.

    Raises:
        InputError: fewer than 19, or more than a million.
    """
    if not FEWEST_NULLS <= count <= MOST_NULLS:
        raise InputError(f"{count} shuffles: {FEWEST_NULLS} to {MOST_NULLS} are needed")


@takes_arrays
def analyse_state_space(
    states: Float[np.ndarray, "sample unit"],
    positions_m: Float[np.ndarray, "sample 2"],
    *,
    modules: Sequence[Module],
    whole_vectors_m: Float[np.ndarray, "2 2"] | None = None,
    seed: int = 0,
    nulls: int = 39,
    controls: bool = True,
    fewest_units: int = FEWEST_UNITS,
    progress: Callable[[int, int], None] | None = None,
) -> StateSpace:
    """Variance, embeddings, rings, Betti numbers and toroidal coordinates.

    Of the whole population and of every module.

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
        nulls: shuffles of each population, at most (`measure_topology`); controls have 19.
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
            f"states {given.shape} and positions {places.shape} "
            "must be (sample, unit) and (sample, 2), all finite"
        )
    check_shuffles(nulls)
    units = np.concatenate([module.units for module in modules]) if modules else np.empty(0)
    if len(units) and not 0 <= units.min() <= units.max() < given.shape[1]:
        raise InputError(f"the modules have other units than the {given.shape[1]} of the states")
    measured = [m for m, module in enumerate(modules) if len(module.units) >= fewest_units]
    control_nulls = min(nulls, CONTROL_NULLS)
    total = (1 + len(measured)) * nulls + (5 * control_nulls if controls and measured else 0)
    done = 0

    def tick(now: int, _: int) -> None:
        if progress:
            progress(done + now, total)

    # A random stream for each population, so that none changes when another is added.
    rng = np.random.default_rng
    populations: list[StatesRecord] = []
    skipped: list[SkippedRecord] = []
    groups: dict[str, xr.Dataset] = {}

    def skip(name: str, n_units: int, reason: str) -> None:
        skipped.append(SkippedRecord(name=name, n_units=n_units, reason=reason))

    for name, m in [("population", None), *((f"module_{m}", m) for m in range(len(modules)))]:
        units = np.arange(given.shape[1]) if m is None else modules[m].units
        if len(units) < fewest_units:
            skip(name, len(units), f"{len(units)} units: fewer than {fewest_units}")
            continue
        try:
            record, groups[name] = _measure(
                name,
                m,
                given[:, units],
                places,
                whole_vectors_m if m is None else modules[m].vectors_m,
                generator=rng([seed, 20, 0 if m is None else m + 1]),
                nulls=nulls,
                tick=tick,
            )
        except InputError as error:
            skip(name, len(units), str(error))
        else:
            populations.append(record)
        done += nulls
    shapes: list[KnownShapeRecord] = []
    held = [p.module for p in populations if p.module is not None]
    if controls and held:
        largest = max(held, key=lambda m: len(modules[m].units))
        module = modules[largest]
        try:
            found = measure_known_shapes(
                given[:, module.units],
                places,
                spacing_m=module.spacing_m,
                orientation_deg=module.orientation_deg,
                generator=rng([seed, 21]),
                nulls=control_nulls,
                progress=tick,
            )
        except InputError as error:
            skip("controls", len(module.units), str(error))
        else:
            shapes = [
                KnownShapeRecord.of(
                    _topology(c.topology),
                    name=c.name,
                    of_module=largest,
                    expected_torus=c.expected,
                    as_expected=c.as_expected,
                )
                for c in found
            ]
    summary = StateSpaceRecord(
        samples=len(given),
        nulls=nulls,
        whole_vectors_m=whole_vectors_m,
        populations=tuple(populations),
        skipped=tuple(skipped),
        controls=tuple(shapes),
    )
    return StateSpace(
        summary, xr.DataTree.from_dict({f"/{name}": data for name, data in groups.items()})
    )


def _measure(
    name: str,
    module: int | None,
    states: Float[np.ndarray, "sample unit"],
    places: Float[np.ndarray, "sample 2"],
    vectors_m: Float[np.ndarray, "2 2"] | None,
    *,
    generator: np.random.Generator,
    nulls: int,
    tick: Callable[[int, int], None],
) -> tuple[StatesRecord, xr.Dataset]:
    """Numbers and arrays of one population; rings and lattice phases where it has a lattice."""
    variance = explained_variance(states)
    topology = measure_topology(states, generator=generator, nulls=nulls, progress=tick)
    arrays = _topology_arrays(topology, places)
    shown = min(SHOWN_SAMPLES, len(states))
    for method in METHODS:
        found = embed(
            states,
            generator=generator,
            method=method,
            most_samples=shown,
            neighbours=min(30, len(states) // 4),
        )
        arrays[method] = ((f"{method}_sample", "axis"), found.points.astype(np.float32))
        arrays[f"{method}_positions_m"] = (
            (f"{method}_sample", "component"),
            places[found.samples].astype(np.float32),
        )
    coordinates, reason = None, ""
    try:
        coordinates = coordinates_of(topology)
    except InputError as error:
        reason = str(error)
    else:
        arrays["toroidal"] = (("landmark", "coordinate"), coordinates.astype(np.float32))
    rings, rings_reason, toroidal = None, "", None
    if vectors_m is not None:
        waves = wave_vectors(vectors_m)
        arrays.attrs["vectors_m"] = np.asarray(vectors_m, dtype=np.float64).ravel()
        try:
            on_rings = lattice_rings(states, places, waves_per_m=waves, generator=generator)
        except InputError as error:
            rings_reason = str(error)
        else:
            rings = RingsRecord.of(
                on_rings,
                chance_95=on_rings.chance,
                place_error_m=on_rings.phase_error / np.hypot(*waves.T),
            )
            some = np.sort(generator.choice(len(states), size=shown, replace=False))
            points = np.stack([on_rings.points.real, on_rings.points.imag], axis=-1)[some]
            arrays["rings"] = (("ring_sample", "wave", "part"), points.astype(np.float32))
            arrays["rings_positions_m"] = (
                ("ring_sample", "component"),
                places[some].astype(np.float32),
            )
        toroidal = CircularCoordinatesRecord(
            matrix=None, correlation=None, unimodular=None, reason=reason
        )
        if coordinates is not None:
            phases = np.mod(places[topology.samples] @ np.linalg.inv(vectors_m), 1.0)
            match = match_phases(coordinates, phases)
            toroidal = CircularCoordinatesRecord.of(match, correlation=np.abs(match.correlation))
    record = StatesRecord.of(
        variance,
        name=name,
        module=module,
        n_units=states.shape[1],
        explained=variance.explained[:SHOWN_COMPONENTS],
        topology=_topology(topology),
        rings=rings,
        rings_reason=rings_reason,
        toroidal=toroidal,
    )
    return record, arrays


def _topology(found: Topology) -> TopologyRecord:
    return TopologyRecord.of(
        found,
        longest=[found.diagram.lifetimes(d)[:4] for d in range(3)],
        null_95=np.quantile(found.null_longest, 0.95, axis=0),
        alive_between=[w / found.diagram.scale for w in found.window],
        landmarks=len(found.points),
    )


def _topology_arrays(found: Topology, places: Float[np.ndarray, "sample 2"]) -> xr.Dataset:
    """Bars and the null's longest bars over the scale of the landmarks; and the landmarks."""
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


def lattice_of_the_whole(
    modules: Sequence[Module], independent: int
) -> Float[np.ndarray, "2 2"] | None:
    """Vectors by which the whole state should repeat; None where modules are independent.

    Where all are related, these are the largest module's.

    Where the others repeat on a sub-lattice of these only, `describe_dynamics` finds that they are
    no period.

    Args:
        modules: the modules.
        independent: how many of them are no relatives of one another.
    """
    return max(modules, key=lambda m: m.spacing_m).vectors_m if independent == 1 else None


@takes_arrays
def map_states(
    rate: Float[np.ndarray, "unit y x"],
    *,
    bin_size_m: float,
    generator: np.random.Generator,
    most: int = 20_000,
) -> tuple[
    Float[np.ndarray, "sample unit"], Float[np.ndarray, "sample 2"], Int[np.ndarray, " sample"]
]:
    """Population vectors of rate maps as states: one for each bin with a rate of every unit.

    They come in random order.

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
