"""Path integration under state noise, lesions and wrong velocities, beside a perfect integrator."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.navigation.decoding import integrate_paths, quartiles
from gridcode.analysis.navigation.reference import ReferenceMap, unit_length
from gridcode.analysis.records.navigation import RobustnessErrorRecord, RobustnessRecord
from gridcode.analysis.system import NO_STEP, Step, System, roll
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError
from gridcode.world.walks import Walk

HORIZONS = (1, 10, 100)
STATE_NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
LESIONS = (0.0, 0.05, 0.1, 0.2, 0.4)
VELOCITY_GAINS = (0.9, 0.95, 1.0, 1.05, 1.1)
VELOCITY_NOISE_M = (0.0, 0.005, 0.01, 0.02)


@dataclass(frozen=True)
class Disturbance:
    """A disturbed system, and the same disturbance of the reading alone.

    Attributes:
        kind: `state noise`, `lesion`, `velocity gain` or `velocity noise`.
        level: how strong.
        system: the disturbed system.
        reference: what its states are read against.
        read: states of the undisturbed system to what is read of them; None: reading is exact.
    """

    kind: str
    level: float
    system: System
    reference: ReferenceMap
    read: Callable[[Float[np.ndarray, "walker unit"]], Float[np.ndarray, "walker unit"]] | None = (
        None
    )


def with_state_noise(step: Step, *, level: float, generator: np.random.Generator) -> Step:
    r"""The system with white noise added to its state after each step.

    $$ g_t = \mathrm{step}(g_{t-1}, v_t) + \frac{a\, \bar{|g|}}{\sqrt N}\, \xi, \quad \xi \sim
    \mathcal N(0, 1)^N $$

    so that the noise is `level` (a) times as long as a state, for any number of units N.
    """

    def noisy(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return add_noise(step(states, velocities), level=level, generator=generator)

    return noisy


@takes_arrays
def add_noise(
    states: Float[np.ndarray, "walker unit"], *, level: float, generator: np.random.Generator
) -> Float[np.ndarray, "walker unit"]:
    """Add white noise that is `level` times as long as the states are on average."""
    if not level:
        return states
    size = level * float(np.linalg.norm(states, axis=1).mean()) / math.sqrt(states.shape[1])
    return states + size * generator.standard_normal(states.shape)


@takes_arrays
def with_lesion(step: Step, alive: Bool[np.ndarray, " unit"]) -> Step:
    """The system with the other units lesioned: zero after every step."""

    def lesioned(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return np.where(alive, step(np.where(alive, states, 0.0), velocities), 0.0)

    return lesioned


def with_velocity_error(
    step: Step, *, gain: float = 1.0, noise_m: float = 0.0, generator: np.random.Generator
) -> Step:
    """Scale the velocity input by `gain` and add noise of standard deviation `noise_m`."""

    def misled(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return step(
            states, gain * velocities + noise_m * generator.standard_normal(velocities.shape)
        )

    return misled


def manifold_noise_m(reference: ReferenceMap) -> float:
    r"""Displacement per coordinate by white noise as long as the state, in one step, metres.

    It is proportional to the noise where that is small.

    The least squares on the tangent plane $T = \partial g / \partial x$ of states of length 1 turns
    noise of standard deviation $1 / \sqrt N$ per unit into displacements of covariance $(T^\top
    T)^{-1} / N$; half its trace, the median over the map, is the square of the result. Derivatives
    are central differences of fourth order over the bins.

    Args:
        reference: the code; bins within two of one without a vector, or of the edge, are left out.

    Returns:
        NaN where the code does not change with the place along two directions.
    """
    vectors = reference.vectors.astype(np.float64)
    shifts = [slice(2 + d, d - 2 or None) for d in (-2, -1, 0, 1, 2)]
    far_left, left, inner, right, far_right = shifts
    along_x = 8 * (vectors[inner, right] - vectors[inner, left])
    along_x -= vectors[inner, far_right] - vectors[inner, far_left]
    along_y = 8 * (vectors[right, inner] - vectors[left, inner])
    along_y -= vectors[far_right, inner] - vectors[far_left, inner]
    tangent = np.stack([along_x, along_y], axis=-1) / (12 * reference.bin_size_m)
    metric = np.einsum("yxua,yxub->yxab", tangent, tangent)
    filled = np.asarray(vectors.any(axis=-1))
    known = np.all([filled[a, b] for a in shifts for b in shifts], axis=0)
    known &= np.linalg.det(metric) > 1e-12 * np.trace(metric, axis1=2, axis2=3) ** 2
    if not known.any():
        return math.nan
    # The median: where the map is nearly flat along one direction the mean would be that place's.
    variance = np.median(np.trace(np.linalg.inv(metric[known]), axis1=1, axis2=2))
    return math.sqrt(variance / (2 * vectors.shape[2]))


def noise_robustness(
    system: System,
    reference: ReferenceMap,
    walk: Walk,
    *,
    window_m: float,
    generator: np.random.Generator,
    horizons: Sequence[int] = HORIZONS,
    state_noise: Sequence[float] = STATE_NOISE,
    lesions: Sequence[float] = LESIONS,
    velocity_gains: Sequence[float] = VELOCITY_GAINS,
    velocity_noise_m: Sequence[float] = VELOCITY_NOISE_M,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[RobustnessRecord, ...]:
    r"""Error of path integration under each disturbance, beside that of a perfect integrator.

    A perfect integrator errs by $|a - 1|\, |x_t|$ with a velocity gain a, and by a Rayleigh
    distribution of scale $s \sqrt n$ after n steps with velocity noise s. State noise along the
    manifold cannot be distinguished from a move and adds up like velocity noise
    (`manifold_noise_m`); a perfect attractor removes the rest. Lesions have no such prediction. For
    both, `reading_m` is the error of the reading alone: states of the undisturbed system, read with
    the noise or without the units. Lesions are nested: units lost at a small share are lost at
    larger ones. Lesioned states are read against the reference map of the remaining units.

    Args:
        system: the system.
        reference: what positions are read against; see `build_reference_map`.
        walk: where to go; used up to the last horizon.
        window_m: radius of the tracker's window; see `window_for`.
        generator: draws noise and lesions.
        horizons: steps, ascending.
        state_noise: lengths of the noise over the length of the state.
        lesions: shares of the units that are active in the reference map.
        velocity_gains: factors on the velocity; true positions stay.
        velocity_noise_m: standard deviations per coordinate and step, metres.
        progress: called with (done, total) conditions.

    Returns:
        A record for each disturbance and level.

    Raises:
        InputError: levels out of range, another number of units than the reference map's, or as in
            `integrate_paths`.
    """
    if system.position_code is not None:
        raise InputError(NO_STEP)
    if system.observed is not None:
        raise InputError("noise and lesions are for systems whose units are their whole state")
    if reference.vectors.shape[2:] != np.shape(system.start):
        raise InputError(
            f"the reference map has {reference.vectors.shape[2]} units "
            f"and the start state {len(system.start)}"
        )
    if any(not 0 <= v < math.inf for v in (*state_noise, *velocity_noise_m)) or any(
        not 0 <= v < 1 for v in lesions
    ):
        raise InputError("noise must not be negative, and lesions must be shares from 0 to below 1")
    if not all(math.isfinite(v) for v in velocity_gains):
        raise InputError("velocity gains must be finite")
    order = generator.permutation(np.flatnonzero((np.abs(reference.vectors) > 0).any(axis=(0, 1))))
    last = max(horizons, default=0)
    walk = replace(walk, velocities=walk.velocities[:last], positions=walk.positions[: last + 1])

    def stepping(step: Step) -> System:
        return replace(system, step=step)

    step = system.step
    disturbances = [
        Disturbance(
            "state noise",
            level,
            stepping(with_state_noise(step, level=level, generator=generator)),
            reference,
            partial(add_noise, level=level, generator=generator),
        )
        for level in state_noise
    ]
    disturbances += [
        _lesion(system, reference, share, order[: round(share * len(order))]) for share in lesions
    ]
    disturbances += [
        Disturbance(
            "velocity gain",
            gain,
            stepping(with_velocity_error(step, gain=gain, generator=generator)),
            reference,
        )
        for gain in velocity_gains
    ]
    disturbances += [
        Disturbance(
            "velocity noise",
            noise,
            stepping(with_velocity_error(step, noise_m=noise, generator=generator)),
            reference,
        )
        for noise in velocity_noise_m
    ]
    undisturbed = roll(system, walk)
    per_level_m = manifold_noise_m(reference)
    records = []
    for disturbance in disturbances:
        run = partial(
            integrate_paths,
            walk=walk,
            reference=disturbance.reference,
            window_m=window_m,
            horizons=horizons,
        )
        errors, read_only = run(disturbance.system), _read_only(system, undisturbed, disturbance)
        reading = run(read_only) if read_only else None
        records.append(
            RobustnessRecord(
                kind=disturbance.kind,
                level=disturbance.level,
                reason=errors.reason,
                errors=[
                    RobustnessErrorRecord(
                        steps=n,
                        tracked_m=quartiles(errors.tracked_m[i]),
                        anywhere_m=quartiles(errors.anywhere_m[i]),
                        perfect_m=_perfect(disturbance, walk, int(n), per_level_m),
                        reading_m=quartiles(reading.tracked_m[i]) if reading else (None,) * 3,
                        chance_m=errors.chance_m[i],
                        lost_share=errors.lost[i].mean(),
                    )
                    for i, n in enumerate(errors.horizons)
                ],
            )
        )
        if progress:
            progress(len(records), len(disturbances))
    return tuple(records)


def _perfect(disturbance: Disturbance, walk: Walk, steps: int, per_level_m: float) -> list[float]:
    """Quartiles of the error of a perfect integrator, without the error of reading."""
    kind, level = disturbance.kind, disturbance.level
    if kind == "velocity gain":
        moved = np.linalg.norm(walk.positions[steps] - walk.positions[0], axis=1)
        return quartiles(abs(level - 1) * moved)
    noise_m = {"velocity noise": level, "state noise": level * per_level_m}.get(kind, math.nan)
    return [noise_m * math.sqrt(-2 * steps * math.log1p(-q)) for q in (0.25, 0.5, 0.75)]


def _lesion(system: System, reference: ReferenceMap, share: float, lost: np.ndarray) -> Disturbance:
    alive = np.ones(len(system.start), dtype=bool)
    alive[lost] = False
    left = ReferenceMap(unit_length(np.where(alive, reference.vectors, 0.0)), reference.bin_size_m)
    lesioned = replace(
        system, step=with_lesion(system.step, alive), start=np.where(alive, system.start, 0.0)
    )
    return Disturbance("lesion", share, lesioned, left, lambda g: np.where(alive, g, 0.0))


def _read_only(
    system: System, states: Float[np.ndarray, "time walker unit"], disturbance: Disturbance
) -> System | None:
    """The undisturbed system, of which only the reading is disturbed; None where it is not."""
    read = disturbance.read
    if read is None:
        return None
    following = iter(states[1:])

    def step_and_read(_states: np.ndarray, _velocities: np.ndarray) -> np.ndarray:
        return read(next(following))

    return replace(system, step=step_and_read)
