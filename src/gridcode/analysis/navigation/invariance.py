"""Path invariance: how much states at one place differ by the path taken to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.distance import pdist

from gridcode.analysis.system import NO_STEP, Progress, System
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

LENGTHS = (5, 10, 20, 40, 80, 160)


@dataclass(frozen=True)
class PathInvariance:
    """Differences between states at the same place, by the length of the paths to it.

    Attributes:
        lengths: (length,) steps of the paths.
        square: (length,) mean of |g_i - g_j|^2 over pairs of paths to the same place.
        quartiles: (3, length) 25, 50 and 75% quantiles over places of a place's mean.
        unrelated_square: mean of |g_i - g_j|^2 over ends at different places; NaN where none are
            far enough apart.
        fraction: (length,) `square` over `unrelated_square`: 0 perfect, 1 no better than chance.
        reason: why a number is NaN; empty where none is.
    """

    lengths: Int[np.ndarray, " length"]
    square: Float[np.ndarray, " length"]
    quartiles: Float[np.ndarray, "3 length"]
    unrelated_square: float
    fraction: Float[np.ndarray, " length"]
    reason: str = ""


@takes_arrays
def path_invariance(
    system: System,
    velocities: Float[np.ndarray, "step place 2"],
    *,
    generator: np.random.Generator,
    lengths: Sequence[int] = LENGTHS,
    paths: int = 8,
    apart_m: float = 0.5,
    progress: Progress | None = None,
) -> PathInvariance:
    r"""Path-invariance error by path length.

    For each length L and each column of velocities, walkers take its first L velocities in
    independently shuffled orders: they end at exactly the same place. Reported is $\langle |g_i -
    g_j|^2 \rangle$ over pairs of paths to the same place, and the same over what it is for places
    further apart than `apart_m`, one path to each, of all lengths together.

    Args:
        system: the system.
        velocities: (step, place, 2) metres per step, at least as many steps as the longest path:
            independent draws for paths as in training, or a walk's own velocities for its
            distribution of speeds (shuffling ends its smoothness).
        generator: shuffles.
        lengths: path lengths, steps.
        paths: paths to each place.
        apart_m: distance from which places count as unrelated, metres.
        progress: called with the number of walkers moved after every step.

    Raises:
        InputError: too few velocities, fewer than two paths, or a length that is not positive.
    """
    velocities = np.asarray(velocities, dtype=np.float64)
    if velocities.ndim != 3 or velocities.shape[2] != 2 or velocities.shape[1] == 0:
        raise InputError(f"velocities must be (step, place, 2), not {velocities.shape}")
    if not lengths or min(lengths) < 1 or max(lengths) > len(velocities):
        raise InputError(
            f"path lengths {tuple(lengths)} must be from 1 "
            f"to the {len(velocities)} velocities given"
        )
    if paths < 2:
        raise InputError(f"at least two paths to each place are needed, not {paths}")
    places = velocities.shape[1]
    if system.position_code is not None:
        unknown = np.full(len(lengths), np.nan)
        spread = np.full((3, len(lengths)), np.nan)
        return PathInvariance(np.array(lengths), unknown, spread, math.nan, unknown, NO_STEP)
    by_place = np.empty((len(lengths), places))
    ends_m, ends = [], []
    for i, length in enumerate(lengths):
        steps = np.broadcast_to(np.arange(length)[:, None, None], (length, places, paths))
        order = generator.permuted(steps, axis=0)[..., None]
        taken = np.take_along_axis(velocities[:length, :, None, :], order, axis=0)
        taken = taken.reshape(length, places * paths, 2)
        state = system.starts(places * paths)
        for v in taken:
            state = system.step(state, v)
            if progress:
                progress(places * paths)
        g = np.asarray(system.activity(state), dtype=np.float64).reshape(places, paths, -1)
        # The mean over ordered pairs i != j of |g_i - g_j|^2 is 2 n / (n - 1) times the mean
        # squared distance from the mean.
        spread = ((g - g.mean(axis=1, keepdims=True)) ** 2).sum(-1).mean(1)
        by_place[i] = 2 * paths / (paths - 1) * spread
        ends.append(g[:, 0])
        ends_m.append(velocities[:length].sum(axis=0))
    reason = ""
    if not (np.isfinite(by_place).all() and np.isfinite(ends).all()):
        reason = "some paths end in states that are not finite"
    far = pdist(np.concatenate(ends_m)) >= apart_m
    apart = pdist(np.concatenate(ends), "sqeuclidean")[far]
    unrelated = float(apart.mean()) if far.any() else math.nan
    if reason:
        pass
    elif math.isnan(unrelated):
        reason = f"no two ends are {apart_m:g} m apart"
    elif unrelated == 0:
        reason = "the states of different places are the same"
    square = by_place.mean(axis=1)
    fraction = np.full(len(lengths), np.nan) if reason else square / unrelated
    spread = np.quantile(by_place, [0.25, 0.5, 0.75], axis=1)
    return PathInvariance(np.array(lengths), square, spread, unrelated, fraction, reason)
