"""Whether a system is a continuous attractor: gains, perturbations, rest, exponents."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from gridcode.analysis.dynamics.fixedpoints import ReturnMap, period_error, return_map
from gridcode.analysis.dynamics.lyapunov import LyapunovSpectrum, lyapunov_exponents
from gridcode.analysis.dynamics.manifold import (
    STATE_STEP,
    Commutator,
    Gains,
    ManifoldSample,
    commutator,
    random_velocities,
    sample_manifold,
    spans_plane,
    step_gains,
)
from gridcode.analysis.dynamics.perturbation import Perturbation, perturb
from gridcode.analysis.records.base import Record, quartiles
from gridcode.analysis.records.dynamics import (
    CommutatorRecord,
    DynamicsRecord,
    FixedPointRecord,
    GainsRecord,
    LyapunovRecord,
    PerturbationRecord,
    PerturbationStepRecord,
    ReturnMapRecord,
)
from gridcode.analysis.system import Step, System
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

HORIZONS = (1, 2, 5, 10, 20, 50, 100)
FEWEST_STATES = 8
# Without a norm states may grow step by step; beyond this their squares would soon overflow.
LARGEST_STATE = 1e100


@takes_arrays
def describe_dynamics(
    system: System,
    *,
    generator: np.random.Generator,
    vectors_m: Float[np.ndarray, "2 2"] | None = None,
    progress: Callable[[str], None] | None = None,
    walkers: int = 256,
    longest: int = 20_000,
) -> DynamicsRecord:
    """Whether a system is a continuous attractor.

    Args:
        system: the system, in double precision.
        generator: source of randomness.
        vectors_m: lattice vectors (x, y) as rows, metres, by which the whole state repeats (of
            commensurate modules the lattice common to all): fixed points are then counted per unit
            cell, unless `period_error` finds that the state does not repeat.
        progress: called with the name of each part as it begins.
        walkers: states to start the return map from; a quarter of them for the other parts.
        longest: most steps of the return map.

    Returns:
        A record; parts that could not be measured are None, and `reason` says why.

    Raises:
        InputError: as in `sample_manifold`; fewer than 32 walkers or 3 units, or lattice vectors on
            one line.
    """
    if walkers < 4 * FEWEST_STATES:
        raise InputError(f"at least {4 * FEWEST_STATES} walkers are needed, not {walkers}")
    units = len(system.start)
    if units < 3:
        raise InputError(f"a system of {units} units has nothing off a plane: 3 are needed")
    if vectors_m is not None and not (
        np.shape(vectors_m) == (2, 2)
        and np.isfinite(vectors_m).all()
        and abs(np.linalg.det(vectors_m)) > 0
    ):
        raise InputError(
            "lattice vectors must be two (x, y) rows in metres that are not on one line"
        )
    notify = progress or (lambda _: None)
    step, max_step_m = _bounded(system.step), system.max_step_m
    notify("states")
    whole = sample_manifold(replace(system, step=step), walkers=walkers, generator=generator)
    keep = np.flatnonzero(spans_plane(whole.tangent) & whole.states.any(axis=1))
    if len(keep) < 4 * FEWEST_STATES:
        lost = f"at {walkers - len(keep)} of {walkers} states velocities do not span a plane"
        return DynamicsRecord(states=len(keep), reason=lost)
    whole, few = whole.select(keep), whole.select(keep[: len(keep) // 4])
    n = len(few.states)

    def draw(*shape: int) -> np.ndarray:
        return random_velocities(*shape, max_step_m=max_step_m, generator=generator)

    def gains() -> GainsRecord:
        return _gains(step_gains(step, few, draw(n)))

    def perturbation() -> PerturbationRecord:
        moves = draw(max(HORIZONS), n)
        found = perturb(step, few, moves, size_m=max_step_m / 10, generator=generator)
        return _perturbation(found)

    def rest() -> ReturnMapRecord:
        found = return_map(step, whole, longest=longest)
        moved = np.median(np.linalg.norm(step(few.states, draw(n)) - few.states, axis=1))
        if vectors_m is None:
            return _return_map(found, whole, None)
        period = period_error(step, few, vectors_m, max_step_m=max_step_m)
        # Moves along a period bring states back to within one step.
        repeats = bool(found.unrelated and period < moved / found.unrelated)
        return _return_map(
            found,
            whole,
            vectors_m if repeats else None,
            period,
            "" if repeats else "the lattice vectors are no period of the states",
        )

    def order() -> CommutatorRecord:
        return _commutator(commutator(step, whole, draw(len(keep)), draw(len(keep))))

    def exponents() -> LyapunovRecord:
        states, moves = few.states[:32], draw(300, min(n, 32))
        count = min(10, units)
        return _lyapunov(
            lyapunov_exponents(step, states, moves, generator=generator, exponents=count)
        )

    parts: dict[str, Callable[[], Record]] = {
        "gains": gains,
        "perturbation": perturbation,
        "return_map": rest,
        "commutator": order,
        "lyapunov": exponents,
    }
    records: dict[str, Record] = {}
    reasons: list[str] = []
    for name, part in parts.items():
        notify(name.replace("_", " "))
        try:
            records[name] = part()
        except InputError as error:
            reasons.append(f"{name.replace('_', ' ')}: {error}")
    return DynamicsRecord(states=len(keep), reason="; ".join(reasons), **records)


def _bounded(step: Step) -> Step:
    """The same step, with an error where states grow out of range."""

    def bounded(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        found = step(states, velocities)
        if not (np.abs(found) < LARGEST_STATE).all():
            raise InputError("states grow without bound, or are not finite")
        return found

    return bounded


def _gains(found: Gains) -> GainsRecord:
    return GainsRecord(
        on=tuple(quartiles(gain) for gain in found.on.T),
        rotation_deg=quartiles(found.rotation_deg),
        off_largest=quartiles(found.off_largest),
        off_median=quartiles(found.off_median),
        leak_on=quartiles(found.leak_on),
        leak_off=quartiles(found.leak_off),
        singular_values=np.median(found.singular_values, axis=0),
    )


def _perturbation(found: Perturbation) -> PerturbationRecord:
    rows = [
        PerturbationStepRecord(
            steps=n,
            on=quartiles(found.on[:, n]),
            on_to_off=quartiles(found.on_to_off[:, n]),
            off=quartiles(found.off[:, n]),
            off_to_on_m=quartiles(found.off_to_on_m[:, n]),
            unrelated=quartiles(found.unrelated[:, n]),
        )
        for n in HORIZONS
    ]
    return PerturbationRecord.of(found, rows=rows, off_half_life_steps=found.off_half_life)


def _return_map(
    found: ReturnMap,
    sample: ManifoldSample,
    vectors_m: np.ndarray | None,
    period_error: float = math.nan,
    reason: str = "",
) -> ReturnMapRecord:
    drift = np.linalg.norm(found.drift_m, axis=-1)
    common = np.linalg.norm(found.drift_m.mean(axis=0), axis=-1)
    area = math.nan if vectors_m is None else abs(float(np.linalg.det(vectors_m)))
    stable = np.abs(found.eigenvalues[:, 0]) < 1 - STATE_STEP
    return ReturnMapRecord.of(
        found,
        moved=quartiles(found.moved),
        moved_over_unrelated=_over(found.moved, found.unrelated),
        drift_first_m=quartiles(drift[:, 0]),
        drift_m=quartiles(np.median(drift, axis=1)),
        drift_common_m=np.median(common),
        outcomes={name: found.outcome.count(name) for name in ("fixed point", "cycle", "drift")},
        distinct=len(found.states),
        per_unit_cell=None if vectors_m is None else found.estimated,
        spacing_m=math.sqrt(area / found.estimated),
        moduli=[quartiles(modulus) for modulus in np.abs(found.eigenvalues.T)],
        stable_share=np.mean(stable) if len(stable) else None,
        alignment=quartiles(found.alignment),
        alignment_by_chance=2 / sample.states.shape[1],
        way_m=quartiles(np.linalg.norm(found.way_m, axis=1)),
        steps=quartiles(found.steps),
        points=[_point(found, sample, vectors_m, point) for point in range(len(found.states))],
        period_error=period_error,
        reason=reason,
    )


def _point(
    found: ReturnMap, sample: ManifoldSample, vectors_m: np.ndarray | None, point: int
) -> FixedPointRecord:
    here = found.label == point
    place, spread = None, math.nan
    if vectors_m is not None:
        ends = (sample.positions_m + found.way_m)[here]
        # Copies of the unit cell are folded onto the first visitor's before averaging.
        ends = ends - np.rint((ends - ends[0]) @ np.linalg.inv(vectors_m)) @ vectors_m
        place = np.median(ends, axis=0)
        spread = float(np.median(np.linalg.norm(ends - place, axis=1)))
    return FixedPointRecord(
        visits=here.sum(),
        position_m=place,
        spread_m=spread,
        moduli=np.abs(found.eigenvalues[point]),
        turn_deg=abs(math.degrees(np.angle(found.eigenvalues[point, 0]))),
        alignment=found.alignment[point],
    )


def _commutator(found: Commutator) -> CommutatorRecord:
    return CommutatorRecord(
        distance=quartiles(found.distance),
        displacement_m=quartiles(found.displacement_m),
        over_one_move=_over(found.distance, float(np.median(found.one_move))),
        over_unrelated=_over(found.distance, found.unrelated),
    )


def _over(values: np.ndarray, whole: float) -> float | None:
    return float(np.median(values)) / whole if whole else None


def _lyapunov(found: LyapunovSpectrum) -> LyapunovRecord:
    return LyapunovRecord.of(
        found,
        gap=found.exponents[found.slow - 1] - found.exponents[found.slow],
        fades_in_steps=[-1 / v if v < 0 else None for v in found.exponents],
        alignment=quartiles(found.alignment),
    )
