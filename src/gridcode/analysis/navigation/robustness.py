"""Path integration against noise in the state, lost units, and velocities that are wrong; beside each, what a perfect integrator would show."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.navigation.decoding import PathIntegration, integrate_paths, quartiles
from gridcode.analysis.navigation.reference import ReferenceMap, unit_length
from gridcode.analysis.system import Step
from gridcode.errors import InputError
from gridcode.world.walks import Walk

HORIZONS = (1, 10, 100)
STATE_NOISE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
LESIONS = (0.0, 0.05, 0.1, 0.2, 0.4)
VELOCITY_GAINS = (0.9, 0.95, 1.0, 1.05, 1.1)
VELOCITY_NOISE_M = (0.0, 0.005, 0.01, 0.02)
SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Disturbance:
    """A system that is disturbed, and the same disturbance where only reading suffers.

    Attributes:
        step: one step of the disturbed system.
        start: (unit,) its start state.
        reference: what its states are read against.
        read: reads the states of the undisturbed system through the disturbance; None where reading
            is not disturbed.
    """

    step: Step
    start: Float[np.ndarray, " unit"]
    reference: ReferenceMap
    read: Callable[[Float[np.ndarray, "walker unit"]], Float[np.ndarray, "walker unit"]] | None = (
        None
    )


def with_state_noise(step: Step, *, level: float, generator: np.random.Generator) -> Step:
    r"""The system with white noise added to its state after each step.

    $$ g_t = \mathrm{step}(g_{t-1}, v_t) + \frac{a\, \bar{|g|}}{\sqrt N}\, \xi, \quad \xi \sim
    \mathcal N(0, 1)^N $$

    so that the noise is `level` (a) times as long as a state, whatever the number of units N.
    """

    def noisy(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return add_noise(step(states, velocities), level=level, generator=generator)

    return noisy


def add_noise(
    states: Float[np.ndarray, "walker unit"], *, level: float, generator: np.random.Generator
) -> Float[np.ndarray, "walker unit"]:
    """States and white noise that is `level` times as long as they are on average (root mean square)."""
    if not level:
        return states
    size = level * float(np.linalg.norm(states, axis=1).mean()) / math.sqrt(states.shape[1])
    return states + size * generator.standard_normal(states.shape)


def with_lesion(step: Step, alive: Bool[np.ndarray, " unit"]) -> Step:
    """The system with the other units silenced for good: zero after every step."""

    def lesioned(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return np.where(alive, step(np.where(alive, states, 0.0), velocities), 0.0)

    return lesioned


def with_velocity_error(
    step: Step, *, gain: float = 1.0, noise_m: float = 0.0, generator: np.random.Generator
) -> Step:
    """The system told `gain` times its velocity, and noise of standard deviation `noise_m` in each coordinate."""

    def misled(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        return step(
            states, gain * velocities + noise_m * generator.standard_normal(velocities.shape)
        )

    return misled


def manifold_noise_m(reference: ReferenceMap) -> float:
    r"""Displacement per coordinate that white noise as long as the state becomes in one step, metres; in proportion for smaller noise.

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
    inner, left, right, far_left, far_right = (
        slice(2 + d, d - 2 or None) for d in (0, -1, 1, -2, 2)
    )
    along_x = 8 * (vectors[inner, right] - vectors[inner, left]) - (
        vectors[inner, far_right] - vectors[inner, far_left]
    )
    along_y = 8 * (vectors[right, inner] - vectors[left, inner]) - (
        vectors[far_right, inner] - vectors[far_left, inner]
    )
    tangent = np.stack([along_x, along_y], axis=-1) / (12 * reference.bin_size_m)
    metric = np.einsum("yxua,yxub->yxab", tangent, tangent)
    filled = np.asarray(vectors.any(axis=-1))
    around = [
        filled[a, b]
        for a in (left, inner, right, far_left, far_right)
        for b in (left, inner, right, far_left, far_right)
    ]
    known = np.asarray(
        np.all(around, axis=0)
        & (np.linalg.det(metric) > 1e-12 * np.trace(metric, axis1=2, axis2=3) ** 2)
    )
    if not known.any():
        return math.nan
    # The median: where the map is nearly flat along one direction the mean would be that place's.
    return float(
        np.sqrt(
            np.median(np.trace(np.linalg.inv(metric[known]), axis1=1, axis2=2))
            / (2 * vectors.shape[2])
        )
    )


def noise_robustness(
    step: Step,
    start: Float[np.ndarray, " unit"],
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
) -> list[dict[str, Any]]:
    r"""Error of path integration under each disturbance, beside that of a perfect integrator and of a guess.

    A perfect integrator would be wrong by $|a - 1|\, |x_t|$ with a velocity gain a, and by a
    Rayleigh distribution of scale $s \sqrt n$ after n steps with velocity noise s. Noise in the
    state: what of it lies along the manifold cannot be told from a move, and adds up like velocity
    noise (`manifold_noise_m`); a perfect attractor loses the rest. There is no such number for lost
    units. For both there is what they cost the reading alone, measured on states of the undisturbed
    system, read with the noise or without the units. Lesions are
    nested: units lost at a small share are lost at larger ones. Lesioned states are read against
        the reference map of the units left.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) to (walker, unit).
        start: (unit,) state at the origin.
        reference: what positions are read against; see `grow_reference`.
        walk: where to go; as far as the last horizon is used.
        window_m: radius of the tracker's window; see `window_for`.
        generator: draws noise and lesions.
        horizons: steps, ascending.
        state_noise: lengths of the noise over the length of the state.
        lesions: shares of the units that are active in the reference map.
        velocity_gains: factors on the velocity; true positions stay.
        velocity_noise_m: standard deviations per coordinate and step, metres.
        progress: called with (done, total) conditions.

    Returns:
        A row for each condition, ready for JSON (missing values are None): `kind`, `level`,
        `reason`, and `errors`, a row for each horizon with `steps`, quartiles over walkers of
        `tracked_m`, `anywhere_m`, `perfect_m` (a perfect integrator, without the error of reading)
        and `reading_m` (the undisturbed system, read through the disturbance), `chance_m` and
        `lost_share`.

    Raises:
        InputError: levels that make no sense, another number of units than the reference map's, or
            as in `integrate_paths`.
    """
    if reference.vectors.shape[2:] != np.shape(start):
        raise InputError(
            f"the reference map has {reference.vectors.shape[2]} units and the start state {len(start)}"
        )
    if any(not 0 <= v < math.inf for v in (*state_noise, *velocity_noise_m)) or any(
        not 0 <= v < 1 for v in lesions
    ):
        raise InputError("noise must not be negative, and lesions must be shares from 0 to below 1")
    if not all(math.isfinite(v) for v in velocity_gains):
        raise InputError("velocity gains must be finite")
    order = generator.permutation(np.flatnonzero((np.abs(reference.vectors) > 0).any(axis=(0, 1))))
    walk = Walk(
        walk.velocities[: max(horizons, default=0)],
        walk.positions[: max(horizons, default=0) + 1],
        walk.arena_m,
        walk.kind,
    )
    conditions: list[tuple[str, float, Disturbance]] = []
    for level in state_noise:
        noisy = with_state_noise(step, level=level, generator=generator)
        conditions.append(
            (
                "state noise",
                level,
                Disturbance(noisy, start, reference, _noisy_reader(level, generator)),
            )
        )
    conditions += [
        ("lesion", share, _lesion(step, start, reference, order[: round(share * len(order))]))
        for share in lesions
    ]
    for kind, levels, setting in (
        ("velocity gain", velocity_gains, "gain"),
        ("velocity noise", velocity_noise_m, "noise_m"),
    ):
        for level in levels:
            conditions.append(
                (
                    kind,
                    level,
                    Disturbance(
                        with_velocity_error(step, generator=generator, **{setting: level}),
                        start,
                        reference,
                    ),
                )
            )
    per_level_m = manifold_noise_m(reference)
    rows = []
    for kind, level, disturbance in conditions:
        errors = integrate_paths(
            disturbance.step,
            disturbance.start,
            walk,
            disturbance.reference,
            window_m=window_m,
            horizons=horizons,
        )
        steps = [int(n) for n in errors.horizons]
        reading = [[math.nan] * 3 for _ in steps]
        if disturbance.read is not None:
            reading = [
                quartiles(e)
                for e in _read_only(step, start, walk, disturbance, window_m, horizons).tracked_m
            ]
        if kind == "velocity gain":
            perfect = [
                quartiles(
                    abs(level - 1) * np.linalg.norm(walk.positions[n] - walk.positions[0], axis=1)
                )
                for n in steps
            ]
        else:
            noise_m = {"velocity noise": level, "state noise": level * per_level_m}.get(
                kind, math.nan
            )
            perfect = [
                [noise_m * math.sqrt(-2 * n * math.log1p(-q)) for q in SHARES] for n in steps
            ]
        rows.append(
            {
                "kind": kind,
                "level": float(level),
                "reason": errors.reason or None,
                "errors": _rows(errors, perfect, reading),
            }
        )
        if progress:
            progress(len(rows), len(conditions))
    return rows


def _noisy_reader(
    level: float, generator: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda states: add_noise(states, level=level, generator=generator)


def _lesion(
    step: Step, start: np.ndarray, reference: ReferenceMap, lost: np.ndarray
) -> Disturbance:
    alive = np.ones(len(start), dtype=bool)
    alive[lost] = False
    left = ReferenceMap(unit_length(np.where(alive, reference.vectors, 0.0)), reference.bin_size_m)
    return Disturbance(
        with_lesion(step, alive),
        np.where(alive, start, 0.0),
        left,
        lambda states: np.where(alive, states, 0.0),
    )


def _read_only(
    step: Step,
    start: np.ndarray,
    walk: Walk,
    disturbance: Disturbance,
    window_m: float,
    horizons: Sequence[int],
) -> PathIntegration:
    """Errors where the system runs undisturbed, and only what is read of it is disturbed."""
    read = disturbance.read
    assert read is not None
    state = np.broadcast_to(start, (walk.velocities.shape[1], len(start)))

    def step_and_read(_: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        nonlocal state
        state = step(state, velocities)
        return read(state)

    return integrate_paths(
        step_and_read, start, walk, disturbance.reference, window_m=window_m, horizons=horizons
    )


def _rows(
    errors: PathIntegration, perfect: list[list[float]], reading: list[list[float]]
) -> list[dict[str, Any]]:
    return [
        {
            "steps": int(n),
            "tracked_m": [_number(q) for q in quartiles(errors.tracked_m[i])],
            "anywhere_m": [_number(q) for q in quartiles(errors.anywhere_m[i])],
            "perfect_m": [_number(q) for q in perfect[i]],
            "reading_m": [_number(q) for q in reading[i]],
            "chance_m": _number(errors.chance_m[i]),
            "lost_share": _number(errors.lost[i].mean()),
        }
        for i, n in enumerate(errors.horizons)
    ]


def _number(value: float | np.floating) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
