"""Space beyond training: distances, path invariance and path integration in larger arenas and on other walks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gridcode.analysis.navigation.decoding import (
    HORIZONS,
    DeadReckoning,
    PathIntegration,
    integrate_paths,
    matched_dead_reckoning,
    median,
    quartiles,
    window_for,
)
from gridcode.analysis.navigation.invariance import LENGTHS, PathInvariance, path_invariance
from gridcode.analysis.navigation.neural_distance import (
    DistanceBins,
    DistanceCurve,
    distance_curve,
    distance_from_origin,
)
from gridcode.analysis.navigation.reference import ReferenceMap, grow_reference, look_alike_m
from gridcode.analysis.system import Step
from gridcode.errors import InputError
from gridcode.world.walks import WALKS

# States for the distance curve come from the first steps of the walks, as rate maps do.
CURVE_STEPS = 250
# The reference map is this much larger than the largest arena on every side.
MARGIN_M = 1.0
PLACES = 16
# Keeps the reference map's random numbers apart from the walks', and the same when walks are added.
REFERENCE_STREAM = 5


@dataclass(frozen=True)
class Condition:
    """A walk in an arena.

    Attributes:
        walk: one of `WALKS`.
        arena_over_training: side of the arena over the extent of training.
        steps: how far to walk.
    """

    walk: str
    arena_over_training: float = 1.0
    steps: int = 1_000


DEFAULT_CONDITIONS = (
    Condition("smooth", 1.0, 10_000),
    Condition("smooth", 1.5),
    Condition("smooth", 2.0),
    Condition("smooth", 3.0),
    Condition("uniform"),
    Condition("slow"),
    Condition("straight"),
)


def generalise(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    max_step_m: float,
    extent_m: float,
    conditions: Sequence[Condition] = DEFAULT_CONDITIONS,
    walkers: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Neural distances, path invariance and path integration under every condition, always at training speeds.

    One reference map, larger than the largest arena by 1 m on every side, serves all conditions.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) to (walker, unit).
        start: (unit,) state at the origin.
        max_step_m: longest step of the walks, whatever the arena.
        extent_m: side of the square that training covers; see `training_extent_m`.
        conditions: walks and arenas.
        walkers: walkers of each condition.
        seed: seed of reference map and walks.
        progress: called with (done, total), counted in steps of single walkers.

    Returns:
        A row for each condition, ready for JSON (missing values are None): `walk`, `arena_m`,
        `arena_over_training`; `plateau`, `decorrelation_m`, `same_place`, `slope_per_m`; `curve`
        and `origin` with the curves behind them; `unrelated_square` and `invariance`, a row for
        each path length; `window_m`, `look_alike_m`, `noise_m`, `growth_exponent` and `decoding`, a
        row for each horizon with quartiles of the errors; `reasons` for what is missing.

    Raises:
        InputError: no conditions, an unknown walk, or arenas too small for the steps.
    """
    if not conditions:
        raise InputError("no conditions were given")
    for condition in conditions:
        if condition.walk not in WALKS:
            raise InputError(f"unknown walk '{condition.walk}': choose {', '.join(WALKS)}")
    largest = max(c.arena_over_training for c in conditions) * extent_m + 2 * MARGIN_M
    # Known only roughly beforehand: the reference map tells how many steps it took when it is done.
    reference_work = round(4 * (largest / (max_step_m / 3)) ** 2)
    paths = PLACES * 8 * sum(LENGTHS)
    total = reference_work + sum(c.steps * walkers + paths for c in conditions)
    done = 0

    def tick(moved: int) -> None:
        nonlocal done
        done += moved
        if progress:
            progress(min(done, total), total)

    own = np.random.default_rng([seed, REFERENCE_STREAM])
    reference = grow_reference(
        step, start, arena_m=largest, max_step_m=max_step_m, generator=own, progress=tick
    )
    alike = look_alike_m(reference, generator=own)
    window = window_for(alike, max_step_m=max_step_m, bin_size_m=reference.bin_size_m)
    rows = []
    for condition in conditions:
        arena = condition.arena_over_training * extent_m
        generator = np.random.default_rng(
            [seed, round(1000 * arena), list(WALKS).index(condition.walk)]
        )
        rows.append(
            {
                "walk": condition.walk,
                "arena_m": round(arena, 4),
                "arena_over_training": condition.arena_over_training,
                "walkers": walkers,
            }
            | _row(
                step,
                start,
                reference,
                condition,
                arena,
                window,
                max_step_m,
                walkers,
                generator,
                tick,
            )
            | {"window_m": _number(window), "look_alike_m": _number(alike)}
        )
    if progress:
        progress(total, total)
    return rows


def _row(
    step: Step,
    start: Float[np.ndarray, " unit"],
    reference: ReferenceMap,
    condition: Condition,
    arena_m: float,
    window_m: float,
    max_step_m: float,
    walkers: int,
    generator: np.random.Generator,
    tick: Callable[[int], None],
) -> dict[str, Any]:
    steps = max(condition.steps, max(LENGTHS))
    walk = WALKS[condition.walk](
        arena_m=arena_m, steps=steps, walkers=walkers, max_step_m=max_step_m, generator=generator
    )
    # The same number of states from every walker and every part of its walk.
    every = max(1, min(steps, CURVE_STEPS) * walkers // 4000)
    kept: list[tuple[int, np.ndarray]] = []

    def observe(t: int, states: np.ndarray) -> None:
        if t <= CURVE_STEPS and t % every == 0:
            kept.append((t, states.copy()))

    errors = integrate_paths(
        step,
        start,
        walk,
        reference,
        window_m=window_m,
        horizons=HORIZONS,
        observe=observe,
        progress=tick,
    )
    positions = np.concatenate([walk.positions[t] for t, _ in kept])
    activity = np.concatenate([states for _, states in kept])
    group = np.tile(np.arange(walkers), len(kept))
    curve = distance_curve(positions, activity, generator=generator, group=group, longest_m=arena_m)
    origin = distance_from_origin(positions, activity, start)
    invariance = path_invariance(
        step, start, walk.velocities[: max(LENGTHS), :PLACES], generator=generator, progress=tick
    )
    reckoning = matched_dead_reckoning(errors)
    reasons = {
        "curve": curve.reason,
        "invariance": invariance.reason,
        "decoding": errors.reason,
        "dead_reckoning": reckoning.reason,
    }
    return (
        _curve_row(curve, origin)
        | _invariance_row(invariance)
        | _decoding_row(errors, reckoning)
        | {"reasons": {name: reason for name, reason in reasons.items() if reason}}
    )


def _curve_row(curve: DistanceCurve, origin: DistanceBins) -> dict[str, Any]:
    return {
        "plateau": _number(curve.plateau),
        "decorrelation_m": _number(curve.decorrelation_m),
        "same_place": _number(curve.same_place),
        "slope_per_m": _number(curve.slope_per_m),
        "curve": _bins_row(curve.bins),
        "origin": _bins_row(origin),
    }


def _bins_row(bins: DistanceBins) -> dict[str, Any]:
    return {
        "distance_m": [_number(v) for v in bins.distance_m],
        "mean": [_number(v) for v in bins.mean],
        "sd": [_number(v) for v in bins.sd],
        "quartiles": [[_number(v) for v in q] for q in bins.quartiles],
        "pairs": [int(n) for n in bins.pairs],
    }


def _invariance_row(found: PathInvariance) -> dict[str, Any]:
    return {
        "unrelated_square": _number(found.unrelated_square),
        "invariance": [
            {
                "steps": int(n),
                "square": _number(found.square[i]),
                "fraction": _number(found.fraction[i]),
            }
            for i, n in enumerate(found.lengths)
        ],
    }


def _decoding_row(errors: PathIntegration, reckoning: DeadReckoning) -> dict[str, Any]:
    medians = [median(e) for e in errors.tracked_m]
    return {
        "noise_m": _number(reckoning.noise_m),
        "growth_exponent": _number(_growth(errors, medians)),
        "decoding": [
            {
                "steps": int(n),
                "tracked_m": [_number(q) for q in quartiles(errors.tracked_m[i])],
                "anywhere_m": [_number(q) for q in quartiles(errors.anywhere_m[i])],
                "dead_reckoning_m": [
                    _number(reckoning.quantile(int(n), q)) for q in (0.25, 0.5, 0.75)
                ],
                "chance_m": _number(errors.chance_m[i]),
                "match": _number(median(errors.match[i])),
                "common_m": _number(errors.common_m[i]),
                "scatter_m": _number(errors.scatter_m[i]),
                "lost_share": _number(errors.lost[i].mean()),
            }
            for i, n in enumerate(errors.horizons)
        ],
    }


def _growth(errors: PathIntegration, medians: list[float]) -> float:
    """Exponent of the growth of the median error, without the error of reading, from the second horizon to 1,000 steps."""
    pairs = [
        (int(n), e**2 - medians[0] ** 2)
        for n, e in zip(errors.horizons[1:], medians[1:], strict=True)
        if n <= 1_000 and e > medians[0]
    ]
    if len(pairs) < 2:
        return math.nan
    return math.log(pairs[-1][1] / pairs[0][1]) / (2 * math.log(pairs[-1][0] / pairs[0][0]))


def _number(value: float | np.floating) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
