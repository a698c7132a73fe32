"""Leading Lyapunov exponents of a system along random walks."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from gridcode.analysis.dynamics.manifold import (
    directional_derivative,
    plane_overlap,
    spans_plane,
    tangent_plane,
)
from gridcode.analysis.system import Step
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Leading Lyapunov exponents along random walks, per step.

    Attributes:
        exponents: (exponent,) means over walkers, descending.
        standard_errors: (exponent,) of the means.
        interval: (2, exponent) 95% intervals (Student's t over walkers).
        alignment: (walker,) mean squared cosine between the plane of the two leading directions at
            the end and the tangent plane there.
    """

    exponents: Float[np.ndarray, " exponent"]
    standard_errors: Float[np.ndarray, " exponent"]
    interval: Float[np.ndarray, "2 exponent"]
    alignment: Float[np.ndarray, " walker"]

    @property
    def slow(self) -> int:
        """Exponents above the widest gap between neighbouring ones."""
        return int(np.diff(self.exponents).argmin()) + 1

    @property
    def neutral(self) -> int:
        """Exponents whose interval includes zero."""
        return int(((self.interval[0] <= 0) & (self.interval[1] >= 0)).sum())


@takes_arrays
def lyapunov_exponents(
    step: Step,
    states: Float[np.ndarray, "walker unit"],
    velocities: Float[np.ndarray, "step walker 2"],
    *,
    generator: np.random.Generator,
    exponents: int = 10,
    transient: int = 50,
) -> LyapunovSpectrum:
    r"""Leading Lyapunov exponents: mean logarithmic growth of orthonormal deviations per step.

    $$ \lambda_i = \frac1n \sum_t \ln R^{(t)}_{ii}, \quad Q^{(t)} R^{(t)} = J_t Q^{(t-1)} $$

    A two-dimensional continuous attractor has two of 0 and the rest below; 1/|exponent| is the
    number of steps in which a deviation fades to 1/e.

    Args:
        step: one step of the system.
        states: (walker, unit) to start from.
        velocities: (step, walker, 2) moves, metres.
        generator: draws the first deviations.
        exponents: how many.
        transient: first steps left out, in which the deviations turn to the leading directions.

    Raises:
        InputError: fewer than two exponents or more than units, fewer than two walkers, or no steps
            after the transient.

    Source: Benettin et al. 1980.
    """
    walkers, units = states.shape
    if not 2 <= exponents <= units or walkers < 2 or len(velocities) <= transient or transient < 0:
        raise InputError(
            f"{exponents} exponents of {units} units need two walkers ({walkers}) "
            f"and more steps ({len(velocities)}) than {transient}"
        )
    q = np.linalg.qr(generator.standard_normal((walkers, units, exponents)))[0]
    growth = np.zeros((walkers, exponents))
    for t, v in enumerate(velocities):
        q, r = np.linalg.qr(directional_derivative(step, states, v, q))
        before, states = states, step(states, v)
        if t >= transient:
            # A deviation that is lost at once counts as shrunk to rounding.
            growth += np.log(np.maximum(np.abs(np.einsum("wii->wi", r)), np.finfo(np.float64).eps))
    each = growth / (len(velocities) - transient)
    each = each[:, np.argsort(-each.mean(axis=0))]
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / math.sqrt(walkers)
    reach = stats.t.ppf(0.975, walkers - 1) * error
    tangent = tangent_plane(step, before, velocities[-1])
    alignment = np.array(
        [
            plane_overlap(a, b) if plane else math.nan
            for a, b, plane in zip(q[:, :, :2], tangent, spans_plane(tangent), strict=True)
        ]
    )
    return LyapunovSpectrum(mean, error, np.stack([mean - reach, mean + reach]), alignment)
