"""Is a system a continuous attractor? Gains, perturbations, rest, order of moves and Lyapunov exponents in one table, ready for JSON."""

import math
from collections.abc import Callable
from typing import Any

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
from gridcode.analysis.population import number
from gridcode.analysis.system import Step
from gridcode.errors import InputError

HORIZONS = (1, 2, 5, 10, 20, 50, 100)
FEWEST_STATES = 8
# Without a norm states may grow step by step; beyond this their squares would soon leave the range
# of numbers.
LARGEST_STATE = 1e100
PARTS = ("gains", "perturbation", "return_map", "commutator", "lyapunov")


def describe_dynamics(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    max_step_m: float,
    generator: np.random.Generator,
    vectors_m: Float[np.ndarray, "2 2"] | None = None,
    progress: Callable[[str], None] | None = None,
    walkers: int = 256,
    longest: int = 20_000,
) -> dict[str, Any]:
    """Whether a system is a continuous attractor, ready for JSON; missing values are None and `reason` says why.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) metres to (walker, unit), in
            double precision.
        start: (unit,) state at the origin.
        max_step_m: longest step of the random walks; that of training.
        generator: source of randomness.
        vectors_m: lattice vectors (x, y) as rows, metres, on which the whole state repeats (of
            commensurate modules the lattice common to all): fixed points are then counted per unit
            cell, unless `period_error` finds that the state does not repeat.
        progress: called with the name of each part as it begins.
        walkers: states to start the return map from; a quarter of them for the other parts.
        longest: most steps of the return map.

    Returns:
        `gains`, `perturbation`, `return_map`, `commutator`, `lyapunov`, `states` (how many were
        used) and `reason`. Lists of three are quartiles over states. In `return_map`:
        `drift_first_m` and `drift_m` are metres per step at the first step and the median of the
        first ten, `drift_common_m` the length of the mean over states; `distinct` fixed points were
        seen, `estimated` is how many there are, `spacing_m` the side of a square as large as the
        part of the unit cell that each has; `moduli` are those of the two leading eigenvalues,
        `stable_share` the fixed points with both below 1; `way_m` and `steps` lead from a state to
        its fixed point; `points` has one row for each.

    Raises:
        InputError: as in `sample_manifold`; fewer than 32 walkers or 3 units, or lattice vectors on
            one line.
    """
    if walkers < 4 * FEWEST_STATES:
        raise InputError(f"at least {4 * FEWEST_STATES} walkers are needed, not {walkers}")
    if len(start) < 3:
        raise InputError(
            f"a system of {len(start)} units has nothing off a plane: at least 3 are needed"
        )
    if vectors_m is not None and not (
        np.shape(vectors_m) == (2, 2)
        and np.isfinite(vectors_m).all()
        and abs(np.linalg.det(vectors_m)) > 0
    ):
        raise InputError(
            "lattice vectors must be two (x, y) rows in metres that are not on one line"
        )
    tell = progress or (lambda _: None)
    step = _bounded(step)
    tell("states")
    whole = sample_manifold(
        step, start, max_step_m=max_step_m, walkers=walkers, generator=generator
    )
    keep = np.flatnonzero(spans_plane(whole.tangent) & whole.states.any(axis=1))
    if len(keep) < 4 * FEWEST_STATES:
        return dict.fromkeys(PARTS) | {
            "states": len(keep),
            "reason": f"at {walkers - len(keep)} of {walkers} states velocities do not span a plane",
        }
    whole, few = whole.select(keep), whole.select(keep[: len(keep) // 4])
    n = len(few.states)

    def draw(*shape: int) -> np.ndarray:
        return random_velocities(*shape, max_step_m=max_step_m, generator=generator)

    def rest() -> dict[str, Any]:
        found = return_map(step, whole, longest=longest)
        period = (
            math.nan
            if vectors_m is None
            else period_error(step, few, vectors_m, max_step_m=max_step_m)
        )
        # A period brings states back to within one step; other vectors count and place nothing.
        one_step = (
            np.median(np.linalg.norm(step(few.states, draw(n)) - few.states, axis=1))
            / found.unrelated
            if found.unrelated
            else math.nan
        )
        repeats = vectors_m if period < one_step else None
        reason = (
            None
            if vectors_m is None or repeats is not None
            else "the lattice vectors are no period of the states"
        )
        return _return_row(found, whole, repeats) | {
            "period_error": number(period),
            "reason": reason,
        }

    count = min(10, len(start))
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "gains": lambda: _gains_row(step_gains(step, few, draw(n))),
        "perturbation": lambda: _perturbation_row(
            perturb(step, few, draw(max(HORIZONS), n), size_m=max_step_m / 10, generator=generator)
        ),
        "return_map": rest,
        "commutator": lambda: _commutator_row(
            commutator(step, whole, draw(len(keep)), draw(len(keep)))
        ),
        "lyapunov": lambda: _lyapunov_row(
            lyapunov_exponents(
                step, few.states[:32], draw(300, min(n, 32)), generator=generator, exponents=count
            )
        ),
    }
    rows: dict[str, Any] = dict.fromkeys(parts)
    reasons: list[str] = []
    for name, part in parts.items():
        tell(name.replace("_", " "))
        try:
            rows[name] = part()
        except InputError as error:
            reasons.append(f"{name.replace('_', ' ')}: {error}")
    return rows | {"states": len(keep), "reason": "; ".join(reasons) or None}


def _bounded(step: Step) -> Step:
    """The system, which refuses to go on where its states grow out of range."""

    def bounded(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        found = step(states, velocities)
        if not (np.abs(found) < LARGEST_STATE).all():
            raise InputError("states grow without bound, or are not finite")
        return found

    return bounded


def _quartiles(values: np.ndarray) -> list[float | None]:
    known = values[np.isfinite(values)]
    return [number(q) for q in np.quantile(known, (0.25, 0.5, 0.75))] if known.size else [None] * 3


def _gains_row(found: Gains) -> dict[str, Any]:
    return {
        "on": [_quartiles(gain) for gain in found.on.T],
        **{
            name: _quartiles(getattr(found, name))
            for name in ("rotation_deg", "off_largest", "off_median", "leak_on", "leak_off")
        },
        "singular_values": [number(v) for v in np.median(found.singular_values, axis=0)],
    }


def _perturbation_row(found: Perturbation) -> dict[str, Any]:
    names = ("on", "on_to_off", "off", "off_to_on_m", "unrelated")
    rows = [
        {"steps": n} | {name: _quartiles(getattr(found, name)[:, n]) for name in names}
        for n in HORIZONS
    ]
    return {
        "size_m": found.size_m,
        "rows": rows,
        "off_half_life_steps": number(found.off_half_life),
        "reason": found.reason or None,
    }


def _return_row(
    found: ReturnMap, sample: ManifoldSample, vectors_m: np.ndarray | None
) -> dict[str, Any]:
    drift = np.linalg.norm(found.drift_m, axis=-1)
    common = np.linalg.norm(found.drift_m.mean(axis=0), axis=-1)
    area = math.nan if vectors_m is None else abs(float(np.linalg.det(vectors_m)))
    return {
        "moved": _quartiles(found.moved),
        "moved_over_unrelated": _over(found.moved, found.unrelated),
        "drift_first_m": _quartiles(drift[:, 0]),
        "drift_m": _quartiles(np.median(drift, axis=1)),
        "drift_common_m": number(np.median(common)),
        "outcomes": {name: found.outcome.count(name) for name in ("fixed point", "cycle", "drift")},
        "distinct": len(found.states),
        "coverage": number(found.coverage),
        "estimated": number(found.estimated),
        "per_unit_cell": None if vectors_m is None else number(found.estimated),
        "spacing_m": number(math.sqrt(area / found.estimated)),
        "within": number(found.within),
        "between": number(found.between),
        "moduli": [_quartiles(modulus) for modulus in np.abs(found.eigenvalues.T)],
        "stable_share": number(np.mean(np.abs(found.eigenvalues[:, 0]) < 1 - STATE_STEP))
        if len(found.states)
        else None,
        "alignment": _quartiles(found.alignment),
        "alignment_by_chance": number(2 / sample.states.shape[1]),
        "way_m": _quartiles(np.linalg.norm(found.way_m, axis=1)),
        "steps": _quartiles(found.steps),
        "points": [
            _point_row(found, sample, vectors_m, point) for point in range(len(found.states))
        ],
    }


def _point_row(
    found: ReturnMap, sample: ManifoldSample, vectors_m: np.ndarray | None, point: int
) -> dict[str, Any]:
    here = found.label == point
    row: dict[str, Any] = {"visits": int(here.sum()), "position_m": None, "spread_m": None}
    if vectors_m is not None:
        ends = (sample.positions_m + found.way_m)[here]
        # Copies of the unit cell are folded onto the first visitor's before averaging.
        ends = ends - np.rint((ends - ends[0]) @ np.linalg.inv(vectors_m)) @ vectors_m
        place = np.median(ends, axis=0)
        row |= {
            "position_m": [number(p) for p in place],
            "spread_m": number(np.median(np.linalg.norm(ends - place, axis=1))),
        }
    return row | {
        "moduli": [number(abs(e)) for e in found.eigenvalues[point]],
        "turn_deg": number(abs(math.degrees(np.angle(found.eigenvalues[point, 0])))),
        "alignment": number(found.alignment[point]),
    }


def _commutator_row(found: Commutator) -> dict[str, Any]:
    return {
        "distance": _quartiles(found.distance),
        "displacement_m": _quartiles(found.displacement_m),
        "over_one_move": _over(found.distance, float(np.median(found.one_move))),
        "over_unrelated": _over(found.distance, found.unrelated),
    }


def _over(values: np.ndarray, whole: float) -> float | None:
    return number(np.median(values) / whole) if whole else None


def _lyapunov_row(found: LyapunovSpectrum) -> dict[str, Any]:
    return {
        "exponents": [number(v) for v in found.exponents],
        "standard_errors": [number(v) for v in found.standard_errors],
        "interval": [[number(v) for v in row] for row in found.interval],
        "neutral": found.neutral,
        "slow": found.slow,
        "gap": number(found.exponents[found.slow - 1] - found.exponents[found.slow]),
        "fades_in_steps": [number(-1 / v) if v < 0 else None for v in found.exponents],
        "alignment": _quartiles(found.alignment),
    }
