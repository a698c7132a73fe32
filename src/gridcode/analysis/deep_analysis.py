"""State space, dynamics, robustness, mechanism and coding properties of a path-integrating system, all together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.coding.codes import Code, code_from_reference
from gridcode.analysis.coding.properties import coding_properties
from gridcode.analysis.dynamics.attractor import describe_dynamics
from gridcode.analysis.dynamics.generators import Matrices
from gridcode.analysis.dynamics.mechanism import Mechanism, describe_mechanism
from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.navigation.decoding import window_for
from gridcode.analysis.navigation.reference import ReferenceMap, grow_reference, look_alike_m
from gridcode.analysis.navigation.robustness import noise_robustness
from gridcode.analysis.synthetic import ideal_grid_code, place_code, random_code
from gridcode.analysis.system import Step, roll
from gridcode.analysis.topology.state_space import analyse_state_space, lattice_of_the_whole
from gridcode.errors import InputError
from gridcode.world.walks import WALKS

WALKERS = 64
# Coding properties are measured in an arena of this side at most, and beyond it in twice as much:
# what lattices of 1 to 1.3 m repeat in.
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
        summary: `state_space`, `dynamics`, `robustness`, `mechanism` and `coding`, ready for JSON;
            None for what was left out, with a line in `reasons`.
        arrays: what pictures show: `population`, `module_0`, ... and `mechanism`.
    """

    summary: dict[str, Any]
    arrays: xr.DataTree

    def __repr__(self) -> str:
        parts = [
            name for name, found in self.summary.items() if found is not None and name != "reasons"
        ]
        return f"Theory({', '.join(parts)}; not measured: {', '.join(self.summary['reasons']) or 'nothing'})"


def analyse_theory(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    max_step_m: float,
    arena_m: float,
    modules: Modules,
    phases: Float[np.ndarray, "unit 2"],
    independent: int,
    precise: tuple[Step, Float[np.ndarray, " unit"]] | None = None,
    matrices: Matrices | None = None,
    walk: str = "smooth",
    walk_steps: int = 250,
    sigma_x_m: float = 0.05,
    nulls: int = 99,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Theory:
    """Everything about a path-integrating system that rate maps do not show.

    Each part has random numbers of its own; a part that cannot be measured is None, with the reason
    in `reasons`.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) to (walker, unit).
        start: (unit,) state at the origin.
        max_step_m: longest step.
        arena_m: side of the arena that states come from.
        modules: the modules found in it.
        phases: (unit, 2) phases of the units in their modules, NaN for units in none.
        independent: how many modules are no sub-lattices of one another.
        precise: (step, start) in double precision, which derivatives need; None leaves the dynamics
            out.
        matrices: velocities to the system's matrices W(v); None leaves the mechanism out.
        walk: kind of walk that states are sampled on.
        walk_steps: steps of it.
        sigma_x_m: places this far apart should be told apart.
        nulls: shuffles that each topology is compared with.
        seed: of everything random.
        progress: called with (what, done, total).

    Raises:
        InputError: an unknown walk, or arenas that make no sense.
    """

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng([seed, 30 + stream])

    if walk not in WALKS:
        raise InputError(f"unknown walk '{walk}': choose {', '.join(WALKS)}")
    path = WALKS[walk](
        arena_m=arena_m, steps=walk_steps, walkers=WALKERS, max_step_m=max_step_m, generator=rng(0)
    )
    states = roll(step, start, path)
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

    summary: dict[str, Any] = {
        "state_space": space.summary,
        "dynamics": None,
        "robustness": None,
        "mechanism": None,
        "coding": None,
    }
    reasons: dict[str, str] = {}

    def attempt(name: str, part: Callable[[], Any]) -> None:
        try:
            summary[name] = part()
        except InputError as error:
            reasons[name] = str(error)

    if precise is None:
        reasons["dynamics"] = "no step in double precision was given"
    else:
        attempt(
            "dynamics",
            lambda: describe_dynamics(
                *precise,
                max_step_m=max_step_m,
                generator=rng(1),
                vectors_m=whole,
                progress=_counted(report("dynamics")),
            ),
        )
        if progress:
            progress("dynamics", DYNAMICS_PARTS, DYNAMICS_PARTS)
    coding_arena = min(arena_m, LARGEST_CODING_ARENA_M)
    reference = grow_reference(
        step, start, arena_m=2 * coding_arena + max_step_m, max_step_m=max_step_m, generator=rng(2)
    )
    attempt(
        "robustness",
        lambda: _robustness(
            step, start, reference, walk, coding_arena, max_step_m, rng, report("robustness")
        ),
    )
    if matrices is None:
        reasons["mechanism"] = "no matrices were given"
    else:
        sample = flat[rng(4).choice(len(flat), size=min(500, len(flat)), replace=False)]
        try:
            found = describe_mechanism(
                matrices,
                modules.label,
                phases,
                [m.vectors_m for m in modules.modules],
                max_step_m=max_step_m,
                generator=rng(5),
                states=sample,
            )
        except InputError as error:
            reasons["mechanism"] = str(error)
        else:
            summary["mechanism"] = found.summary
            arrays["/mechanism"] = _mechanism_arrays(found)
    attempt(
        "coding",
        lambda: _coding(reference, coding_arena, modules, sigma_x_m, rng, report("coding")),
    )
    return Theory(summary | {"reasons": reasons}, xr.DataTree.from_dict(arrays))


def _counted(progress: Callable[[int, int], None] | None) -> Callable[[str], None] | None:
    """Progress by the names of parts as progress by their number."""
    if progress is None:
        return None
    begun = 0

    def show(_: str) -> None:
        nonlocal begun
        progress(min(begun, DYNAMICS_PARTS), DYNAMICS_PARTS)
        begun += 1

    return show


def _robustness(
    step: Step,
    start: Float[np.ndarray, " unit"],
    reference: ReferenceMap,
    walk: str,
    arena_m: float,
    max_step_m: float,
    rng: Callable[[int], np.random.Generator],
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:
    path = WALKS[walk](
        arena_m=arena_m,
        steps=ROBUSTNESS_HORIZONS[-1],
        walkers=WALKERS,
        max_step_m=max_step_m,
        generator=rng(3),
    )
    alike = look_alike_m(reference, generator=rng(3))
    window = window_for(alike, max_step_m=max_step_m, bin_size_m=reference.bin_size_m)
    return noise_robustness(
        step,
        start,
        reference,
        path,
        window_m=window,
        generator=rng(6),
        horizons=ROBUSTNESS_HORIZONS,
        progress=progress,
    )


def _coding(
    reference: ReferenceMap,
    arena_m: float,
    modules: Modules,
    sigma_x_m: float,
    rng: Callable[[int], np.random.Generator],
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
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
    codes.append(
        (
            "place cells",
            place_code(arena_m=arena_m, units=units, width_m=0.75 * arena_m / np.sqrt(units)),
            {},
        )
    )
    codes.append(
        ("random", random_code(units=units, correlation_m=spacing / 5, generator=rng(8)), {})
    )
    rows = []
    for number, (name, code, lattice) in enumerate(codes):
        found = coding_properties(
            code,
            arena_m=arena_m,
            generator=rng(9),
            sigma_x_m=sigma_x_m,
            beyond_m=2 * arena_m,
            **lattice,
        )
        rows.append({"code": name} | found)
        if progress:
            progress(number + 1, len(codes))
    return {"codes": rows}


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
