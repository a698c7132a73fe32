"""Perturbations on and off the manifold of a system, followed while it moves."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gridcode.analysis.dynamics.manifold import (
    ManifoldSample,
    off_directions,
    tangent_plane,
    to_metres,
)
from gridcode.analysis.system import Step
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError


@dataclass(frozen=True)
class Perturbation:
    """What becomes of perturbations on and off the manifold while the system moves.

    Attributes:
        on: (walker, time) displacement left of an on-manifold one, along it and over its size; 1
            persists. The first time is before any step.
        on_to_off: (walker, time) what of it is off the manifold, over its neural size; it stays
            near the sine of the angle between the plane of a single move and the one that
            deviations settle in.
        off: (walker, time) off-manifold part of an off-manifold perturbation, over its size.
        off_to_on_m: (walker, time) displacement that it became, metres.
        unrelated: (walker, time) distance of two unrelated states that take the same moves, over
            what it was.
        size_m: size of the displacement; perturbations off the manifold have the same neural size.
        off_half_life: steps until the median of `off` is one half; NaN where it never is.
        reason: why `off_half_life` is NaN.
    """

    on: Float[np.ndarray, "walker time"]
    on_to_off: Float[np.ndarray, "walker time"]
    off: Float[np.ndarray, "walker time"]
    off_to_on_m: Float[np.ndarray, "walker time"]
    unrelated: Float[np.ndarray, "walker time"]
    size_m: float
    off_half_life: float
    reason: str = ""


@takes_arrays
def perturb(
    step: Step,
    sample: ManifoldSample,
    velocities: Float[np.ndarray, "step walker 2"],
    *,
    size_m: float,
    generator: np.random.Generator,
) -> Perturbation:
    r"""Perturb states on and off the manifold by the same neural distance, and follow them.

    A deviation $\delta$ is split by least squares on the tangent plane $T$ of the moving state:
    $T^{+} \delta$ metres on the manifold, $\delta - T T^{+} \delta$ off it. A continuous attractor
    keeps the first and loses the second.

    Args:
        step: one step of the system.
        sample: states to perturb.
        velocities: (step, walker, 2) moves after the perturbation, metres.
        size_m: the displacement; small against the period of the code.
        generator: draws the directions.

    Raises:
        InputError: no steps, or a size that is not positive.
    """
    walkers = len(sample.states)
    if (
        velocities.ndim != 3
        or velocities.shape[1:] != (walkers, 2)
        or len(velocities) < 1
        or not 0 < size_m < math.inf
    ):
        raise InputError(
            f"velocities {velocities.shape} must be (step, {walkers}, 2) "
            f"and the size positive, not {size_m}"
        )
    angle = generator.uniform(0, 2 * np.pi, walkers)
    displacement = size_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kick = np.einsum("wud,wd->wu", sample.tangent, displacement)
    size = np.linalg.norm(kick, axis=1)
    free = off_directions(step, sample)
    random = np.stack(
        [
            b @ generator.standard_normal(b.shape[1]) if b.shape[1] else np.full(len(b), np.nan)
            for b in free
        ]
    )
    # The state itself, the two that are perturbed, and an unrelated one.
    state, tangent = sample.states, sample.tangent
    on, off, other = (
        state + kick,
        state + size[:, None] * random / np.linalg.norm(random, axis=1, keepdims=True),
        np.roll(state, 1, axis=0),
    )
    shape = (walkers, len(velocities) + 1)
    kept, became, apart = np.empty((*shape, 2)), np.empty((*shape, 2)), np.empty(shape)
    on_to_off, off_left = np.empty(shape), np.empty(shape)
    for t in range(shape[1]):
        if t:
            v = velocities[t - 1]
            tangent = tangent_plane(step, state, v)
            on, off, other, state = step(on, v), step(off, v), step(other, v), step(state, v)
        inverse = to_metres(tangent)
        kept[:, t], on_to_off[:, t] = _split(on - state, tangent, inverse)
        became[:, t], off_left[:, t] = _split(off - state, tangent, inverse)
        apart[:, t] = np.linalg.norm(other - state, axis=1)
    off_left = off_left / size[:, None]
    curve = [np.median(known) if (known := c[np.isfinite(c)]).size else np.nan for c in off_left.T]
    half_life, reason = _half_life(np.array(curve))
    return Perturbation(
        on=np.einsum("wtd,wd->wt", kept, displacement) / size_m**2,
        on_to_off=on_to_off / size[:, None],
        off=off_left,
        off_to_on_m=np.linalg.norm(became, axis=-1),
        unrelated=np.divide(
            apart, apart[:, :1], where=apart[:, :1] > 0, out=np.full(shape, np.nan)
        ),
        size_m=size_m,
        off_half_life=half_life,
        reason=reason,
    )


def _split(
    deviation: Float[np.ndarray, "walker unit"],
    tangent: Float[np.ndarray, "walker unit 2"],
    inverse: Float[np.ndarray, "walker 2 unit"],
) -> tuple[Float[np.ndarray, "walker 2"], Float[np.ndarray, " walker"]]:
    """Displacement on the manifold, metres, and neural size of what is off it."""
    on = np.einsum("wdu,wu->wd", inverse, deviation)
    return on, np.linalg.norm(deviation - np.einsum("wud,wd->wu", tangent, on), axis=1)


def _half_life(curve: Float[np.ndarray, " time"]) -> tuple[float, str]:
    """Where a curve that starts at 1 first falls to one half; log-linear between steps."""
    below = np.flatnonzero(curve <= 0.5)
    if not len(below):
        if not np.isfinite(curve).all():
            return math.nan, "there are no directions off the manifold"
        return math.nan, f"more than half is left after {len(curve) - 1} steps"
    i = int(below[0])
    above, under = math.log(curve[i - 1]), math.log(max(curve[i], np.finfo(np.float64).tiny))
    return i - 1 + (above - math.log(0.5)) / (above - under), ""
