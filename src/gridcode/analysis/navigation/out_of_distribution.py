"""Neural distance, path invariance and path integration beyond the training distribution."""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from gridcode.analysis.navigation.decoding import (
    HORIZONS,
    PathIntegration,
    integrate_paths,
    matched_dead_reckoning,
    median,
    quartiles,
    window_for,
)
from gridcode.analysis.navigation.invariance import LENGTHS, path_invariance
from gridcode.analysis.navigation.neural_distance import distance_curve, distance_from_origin
from gridcode.analysis.navigation.reference import (
    ReferenceMap,
    build_reference_map,
    nearest_alias_m,
)
from gridcode.analysis.records.navigation import (
    CurveRecord,
    DecodingRecord,
    InvarianceRecord,
    SpaceRecord,
)
from gridcode.analysis.system import Progress, System
from gridcode.cores import allowed_cores
from gridcode.errors import InputError
from gridcode.world.walks import WALKS

# States for the distance curve come from the first steps of the walks, as rate maps do.
CURVE_STEPS = 250
CURVE_SAMPLES = 1000  # half a million pairs of them
# The reference map extends this far beyond the largest arena on every side.
MARGIN_M = 1.0
PLACES = 16
# A separate random stream, so that adding walks does not change the reference map.
REFERENCE_STREAM = 5


@dataclass(frozen=True)
class WalkCondition:
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
    WalkCondition("smooth"),
    WalkCondition("smooth", 1.5),
    WalkCondition("smooth", 2.0),
    WalkCondition("smooth", 3.0),
    WalkCondition("uniform"),
    WalkCondition("slow"),
    WalkCondition("straight"),
)


def generalise(
    system: System,
    *,
    conditions: Sequence[WalkCondition] = DEFAULT_CONDITIONS,
    walkers: int = 64,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> tuple[SpaceRecord, ...]:
    """Neural distance, path invariance and path integration under several conditions.

    All walks use the speeds of training. One reference map, 1 m larger than the largest arena on
    every side, serves all conditions.

    Args:
        system: the system; its `extent_m` is the side of the square that training covered.
        conditions: walks and arenas.
        walkers: walkers of each condition.
        seed: of the reference map and the walks.
        progress: called with (done, total), counted in steps of single walkers.
        workers: threads that measure conditions side by side, with the same result for any number;
            by default the cores, at most what `OMP_NUM_THREADS` says.

    Returns:
        A record for each condition, in their order.

    Raises:
        InputError: no extent, no conditions, an unknown walk, or arenas too small for the steps.
    """
    extent_m = system.extent_m
    if extent_m is None:
        raise InputError("the system has no extent_m: give the side of what training covered")
    if not conditions:
        raise InputError("no conditions were given")
    for condition in conditions:
        if condition.walk not in WALKS:
            raise InputError(f"unknown walk '{condition.walk}': choose {', '.join(WALKS)}")
    largest = max(c.arena_over_training for c in conditions) * extent_m + 2 * MARGIN_M
    # An estimate: how many steps the reference map takes is known only when it is done.
    reference_work = round(4 * (largest / (system.max_step_m / 3)) ** 2)
    paths = PLACES * 8 * sum(LENGTHS)
    total = reference_work + sum(c.steps * walkers + paths for c in conditions)
    done, lock = 0, threading.Lock()

    def tick(moved: int) -> None:
        nonlocal done
        with lock:
            done += moved
            if progress:
                progress(min(done, total), total)

    generator = np.random.default_rng([seed, REFERENCE_STREAM])
    reference = build_reference_map(system, arena_m=largest, generator=generator, progress=tick)
    alias = nearest_alias_m(reference, generator=generator)

    def measure(condition: WalkCondition) -> SpaceRecord:
        arena = condition.arena_over_training * extent_m
        stream = [seed, round(1000 * arena), list(WALKS).index(condition.walk)]
        return _measure(
            system,
            reference,
            condition,
            arena_m=arena,
            alias_m=alias,
            walkers=walkers,
            generator=np.random.default_rng(stream),
            tick=tick,
        )

    with ThreadPoolExecutor(workers or allowed_cores()) as pool:
        records = list(pool.map(measure, conditions))
    if progress:
        progress(total, total)
    return tuple(records)


def _measure(
    system: System,
    reference: ReferenceMap,
    condition: WalkCondition,
    *,
    arena_m: float,
    alias_m: float,
    walkers: int,
    generator: np.random.Generator,
    tick: Progress,
) -> SpaceRecord:
    steps = max(condition.steps, max(LENGTHS))
    walk = WALKS[condition.walk](
        arena_m=arena_m,
        steps=steps,
        walkers=walkers,
        max_step_m=system.max_step_m,
        generator=generator,
    )
    # The same number of states from every walker and every part of its walk.
    every = max(1, min(steps, CURVE_STEPS) * walkers // 4000)
    kept: list[tuple[int, np.ndarray]] = []

    def observe(t: int, states: np.ndarray) -> None:
        if t <= CURVE_STEPS and t % every == 0:
            kept.append((t, states.copy()))

    window = window_for(alias_m, max_step_m=system.max_step_m, bin_size_m=reference.bin_size_m)
    errors = integrate_paths(
        system, walk, reference, window_m=window, horizons=HORIZONS, observe=observe, progress=tick
    )
    positions = np.concatenate([walk.positions[t] for t, _ in kept])
    activity = np.concatenate([states for _, states in kept])
    group = np.tile(np.arange(walkers), len(kept))
    curve = distance_curve(
        positions,
        activity,
        generator=generator,
        group=group,
        longest_m=arena_m,
        samples=CURVE_SAMPLES,
    )
    origin = distance_from_origin(positions, activity, system.activity(system.start))
    velocities = walk.velocities[: max(LENGTHS), :PLACES]
    invariance = path_invariance(system, velocities, generator=generator, progress=tick)
    reckoning = matched_dead_reckoning(errors)
    reasons = {
        "curve": curve.reason,
        "invariance": invariance.reason,
        "decoding": errors.reason,
        "dead_reckoning": reckoning.reason,
    }
    return SpaceRecord.of(
        curve,
        walk=condition.walk,
        arena_m=round(arena_m, 4),
        arena_over_training=condition.arena_over_training,
        walkers=walkers,
        curve=CurveRecord.of(curve.bins),
        origin=CurveRecord.of(origin),
        unrelated_square=invariance.unrelated_square,
        invariance=[
            InvarianceRecord(steps=n, square=square, fraction=fraction)
            for n, square, fraction in zip(
                invariance.lengths, invariance.square, invariance.fraction, strict=True
            )
        ],
        noise_m=reckoning.noise_m,
        growth_exponent=_growth(errors),
        decoding=[
            DecodingRecord(
                steps=n,
                tracked_m=quartiles(errors.tracked_m[i]),
                anywhere_m=quartiles(errors.anywhere_m[i]),
                dead_reckoning_m=[reckoning.quantile(int(n), q) for q in (0.25, 0.5, 0.75)],
                chance_m=errors.chance_m[i],
                match=median(errors.match[i]),
                common_m=errors.common_m[i],
                scatter_m=errors.scatter_m[i],
                lost_share=errors.lost[i].mean(),
            )
            for i, n in enumerate(errors.horizons)
        ],
        reasons={name: reason for name, reason in reasons.items() if reason},
        window_m=window,
        nearest_alias_m=alias_m,
    )


def _growth(errors: PathIntegration) -> float:
    """Exponent of the growth of the median error from the second horizon to 1,000 steps.

    The error of reading, that of the first horizon, is left out.
    """
    first, *medians = (median(e) for e in errors.tracked_m)
    pairs = [
        (int(n), e**2 - first**2)
        for n, e in zip(errors.horizons[1:], medians, strict=True)
        if n <= 1_000 and e > first
    ]
    if len(pairs) < 2:
        return math.nan
    return math.log(pairs[-1][1] / pairs[0][1]) / (2 * math.log(pairs[-1][0] / pairs[0][0]))
