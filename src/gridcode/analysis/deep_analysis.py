"""Deep analysis of a system: state space, dynamics, robustness, mechanism and coding properties."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.coding.codes import Code, code_from_reference
from gridcode.analysis.coding.properties import coding_properties
from gridcode.analysis.dynamics.attractor import describe_dynamics
from gridcode.analysis.dynamics.mechanism import Mechanism, describe_mechanism
from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.navigation.decoding import window_for
from gridcode.analysis.navigation.reference import (
    ReferenceMap,
    build_reference_map,
    nearest_alias_m,
)
from gridcode.analysis.navigation.robustness import noise_robustness
from gridcode.analysis.records import DeepAnalysisRecord
from gridcode.analysis.records.coding import CodingRecord
from gridcode.analysis.records.dynamics import DynamicsRecord, MechanismRecord
from gridcode.analysis.records.navigation import RobustnessRecord
from gridcode.analysis.synthetic import ideal_grid_code, place_code, random_code
from gridcode.analysis.system import System, roll
from gridcode.analysis.topology.state_space import analyse_state_space, lattice_of_the_whole
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError
from gridcode.world.walks import WALKS

WALKERS = 64
# Coding properties are measured in an arena of this side at most and, where lattices of 1 to 1.3 m
# repeat, in one of twice the side.
LARGEST_CODING_ARENA_M = 4.0
ROBUSTNESS_HORIZONS = (1, 10, 100)
# Ideal modules beside the network's own lattice: spacings of rats' successive modules (Stensola et
# al. 2012) differ by about this factor.
SPACING_RATIO = 1.42
IDEAL_MODULES = 3
FEWEST_MODULE_UNITS = 7
DYNAMICS_PARTS = 6


@dataclass(frozen=True)
class Theory:
    """What `analyse_theory` found.

    Attributes:
        summary: the numbers.
        arrays: what figures show: `population`, `module_0`, ... and `mechanism`.
    """

    summary: DeepAnalysisRecord
    arrays: xr.DataTree

    def __repr__(self) -> str:
        parts = [name for name, found in self.summary if found is not None and name != "reasons"]
        missing = ", ".join(self.summary.reasons) or "nothing"
        return f"Theory({', '.join(parts)}; not measured: {missing})"


@takes_arrays
def analyse_theory(
    system: System,
    *,
    arena_m: float,
    modules: Modules,
    phases: Float[np.ndarray, "unit 2"],
    independent: int,
    walk: str = "smooth",
    walk_steps: int = 250,
    sigma_x_m: float = 0.05,
    nulls: int = 99,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Theory:
    """Everything about a path-integrating system that rate maps do not show.

    Each part has its own random stream; a part that cannot be measured is None, with the reason in
    `reasons`.

    Args:
        system: the system. Without `precise` the dynamics are left out, without `matrices` the
            mechanism.
        arena_m: side of the arena that states come from.
        modules: the modules found in it.
        phases: (unit, 2) phases of the units in their modules, NaN for units in none.
        independent: number of modules that are not sub-lattices of one another.
        walk: kind of walk that states are sampled on.
        walk_steps: steps of it.
        sigma_x_m: smallest distance that the code should resolve.
        nulls: shuffles that each topology is compared with.
        seed: of everything random.
        progress: called with (what, done, total).

    Raises:
        InputError: an unknown walk, an arena too small for the steps, or states that are not
            finite.
    """

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng([seed, 30 + stream])

    if walk not in WALKS:
        raise InputError(f"unknown walk '{walk}': choose {', '.join(WALKS)}")
    max_step_m = system.max_step_m
    path = WALKS[walk](
        arena_m=arena_m, steps=walk_steps, walkers=WALKERS, max_step_m=max_step_m, generator=rng(0)
    )
    states = roll(system, path)
    if not np.isfinite(states).all():
        raise InputError("some states are not finite")
    # Walker by walker: neighbours in the list are neighbours in time.
    flat, places = (
        np.swapaxes(a, 0, 1).reshape(-1, a.shape[-1]).astype(np.float64)
        for a in (states, path.positions)
    )
    whole = lattice_of_the_whole(modules.modules, independent)
    space = analyse_state_space(
        flat,
        places,
        modules=modules.modules,
        whole_vectors_m=whole,
        seed=seed,
        nulls=nulls,
        progress=report("topology"),
    )
    arrays = {f"/{name}": group.to_dataset() for name, group in space.arrays.children.items()}
    coding_arena = min(arena_m, LARGEST_CODING_ARENA_M)
    beyond_m = 2 * coding_arena if system.is_defined_in(2 * coding_arena) else coding_arena
    reference = build_reference_map(system, arena_m=beyond_m + max_step_m, generator=rng(2))

    def dynamics() -> DynamicsRecord:
        if system.precise is None:
            raise InputError("no step in double precision was given")
        try:
            return describe_dynamics(
                System(*system.precise, max_step_m),
                generator=rng(1),
                vectors_m=whole,
                progress=_by_number(report("dynamics")),
            )
        finally:
            if progress:
                progress("dynamics", DYNAMICS_PARTS, DYNAMICS_PARTS)

    def robustness() -> tuple[RobustnessRecord, ...]:
        alias = nearest_alias_m(reference, generator=rng(3))
        return noise_robustness(
            system,
            reference,
            WALKS[walk](
                arena_m=coding_arena,
                steps=ROBUSTNESS_HORIZONS[-1],
                walkers=WALKERS,
                max_step_m=max_step_m,
                generator=rng(3),
            ),
            window_m=window_for(alias, max_step_m=max_step_m, bin_size_m=reference.bin_size_m),
            generator=rng(6),
            horizons=ROBUSTNESS_HORIZONS,
            progress=report("robustness"),
        )

    def mechanism() -> MechanismRecord:
        if system.matrices is None:
            raise InputError("no matrices were given")
        found = describe_mechanism(
            system.matrices,
            modules.label,
            phases,
            [m.vectors_m for m in modules.modules],
            max_step_m=max_step_m,
            generator=rng(5),
            states=flat[rng(4).choice(len(flat), size=min(500, len(flat)), replace=False)],
        )
        arrays["/mechanism"] = _mechanism_arrays(found)
        return found.summary

    def coding() -> CodingRecord:
        return _coding(reference, coding_arena, beyond_m, modules, sigma_x_m, rng, report("coding"))

    parts: dict[str, Callable[[], Any]] = {
        "dynamics": dynamics,
        "robustness": robustness,
        "mechanism": mechanism,
        "coding": coding,
    }
    found: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, part in parts.items():
        try:
            found[name] = part()
        except (InputError, np.linalg.LinAlgError) as error:
            reasons[name] = str(error)
    summary = DeepAnalysisRecord(state_space=space.summary, reasons=reasons, **found)
    return Theory(summary, xr.DataTree.from_dict(arrays))


def _by_number(progress: Callable[[int, int], None] | None) -> Callable[[str], None] | None:
    """Progress by the names of parts as progress by their number."""
    if progress is None:
        return None
    begun = itertools.count()
    return lambda _: progress(next(begun), DYNAMICS_PARTS)


def _coding(
    reference: ReferenceMap,
    arena_m: float,
    beyond_m: float,
    modules: Modules,
    sigma_x_m: float,
    rng: Callable[[int], np.random.Generator],
    progress: Callable[[int, int], None] | None,
) -> CodingRecord:
    """Properties of the network's code, and of four codes of as many units in the same arena."""
    units = reference.vectors.shape[-1]
    vectors = np.array([m.vectors_m for m in modules.modules]).reshape(-1, 2, 2)
    own = {"labels": modules.label, "vectors_m": vectors} if len(vectors) else {}
    spacing = max((m.spacing_m for m in modules.modules), default=1.0)
    codes: list[tuple[str, Code, dict[str, Any]]] = [
        ("network", code_from_reference(reference), own)
    ]
    ideal = {
        "one ideal module": [spacing],
        "three ideal modules": [spacing / SPACING_RATIO**k for k in range(IDEAL_MODULES)],
    }
    for name, spacings in ideal.items():
        if units // len(spacings) >= FEWEST_MODULE_UNITS:
            grid = ideal_grid_code(
                spacings, units_per_module=units // len(spacings), generator=rng(7)
            )
            codes.append((name, grid, {"labels": grid.label, "vectors_m": grid.vectors_m}))
    place = place_code(arena_m=arena_m, units=units, width_m=0.75 * arena_m / np.sqrt(units))
    unrelated = random_code(units=units, correlation_m=spacing / 5, generator=rng(8))
    codes += [("place cells", place, {}), ("random", unrelated, {})]
    records = []
    for name, code, lattice in codes:
        records.append(
            coding_properties(
                code,
                arena_m=arena_m,
                generator=rng(9),
                sigma_x_m=sigma_x_m,
                beyond_m=beyond_m,
                name=name,
                **lattice,
            )
        )
        if progress:
            progress(len(records), len(codes))
    return CodingRecord(codes=tuple(records))


def _mechanism_arrays(found: Mechanism) -> xr.Dataset:
    """Sorted weights, eigenvalues of W(v), and mean weight against phase difference."""
    eigenvalues = found.spectra.eigenvalues
    data = xr.Dataset(
        {
            "weights": (("to", "from"), found.weights.astype(np.float32)),
            "order": ("to", found.order),
            "eigenvalues": (
                ("velocity", "eigenvalue", "part"),
                np.stack([eigenvalues.real, eigenvalues.imag], axis=-1).astype(np.float32),
            ),
            "velocities_m": (("velocity", "component"), found.spectra.velocities),
        }
    )
    for number, profile in enumerate(found.profiles):
        data[f"profile_{number}"] = (
            (f"move_{number}", "phase_1", "phase_2"),
            profile.mean.astype(np.float32),
        )
        data[f"profile_{number}_velocities_m"] = (
            (f"move_{number}", "component"),
            profile.velocities,
        )
    return data
