"""Reference maps: the population vector of each place, to decode positions from states."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from gridcode.analysis.system import Progress, System, bounded
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Population vectors that differ by less than this in every unit count as the same.
LEAST_DIFFERENCE = 1e-5
SMALLEST_LENGTH = 1e-20


@dataclass(frozen=True)
class ReferenceMap:
    """Population vectors of the bins of a square around the origin, to decode positions by.

    Attributes:
        vectors: (y, x, unit) of length 1; zero where a bin has none.
        bin_size_m: side of a bin.
        lengths: (y, x) of the vectors before; None: they were 1.
    """

    vectors: Float[np.ndarray, "y x unit"]
    bin_size_m: float
    lengths: Float[np.ndarray, "y x"] | None = None

    @property
    def arena_m(self) -> float:
        """Side of the square."""
        return len(self.vectors) * self.bin_size_m

    @property
    def informative(self) -> bool:
        """Whether any two bins differ."""
        known = self.vectors[(self.vectors != 0).any(axis=-1)]
        return len(known) > 1 and float(np.ptp(known, axis=0).max()) > LEAST_DIFFERENCE

    def within(self, arena_m: float) -> "ReferenceMap":
        """The bins whose middle lies in a smaller square around the origin."""
        out = math.floor((len(self.vectors) - arena_m / self.bin_size_m) / 2 + 1e-9)
        if out <= 0:
            return self
        inner = slice(out, -out)
        lengths = None if self.lengths is None else self.lengths[inner, inner]
        return ReferenceMap(self.vectors[inner, inner], self.bin_size_m, lengths)

    @takes_arrays
    def position(self, y: np.ndarray, x: np.ndarray) -> Float[np.ndarray, "walker 2"]:
        """Metres from fractional bin numbers; 0 is the centre of the first bin."""
        return (np.stack([x, y], axis=-1) - (len(self.vectors) - 1) / 2) * self.bin_size_m


@takes_arrays
def unit_length(vectors: np.ndarray) -> Float[np.ndarray, "*shape unit"]:
    """Vectors divided by their length, in single precision.

    Those without length are zero, and so are those with a value that is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
        scaled = vectors / np.maximum(length, SMALLEST_LENGTH)
    return np.where(np.isfinite(length), scaled, 0.0).astype(np.float32)


def build_reference_map(
    system: System,
    *,
    arena_m: float,
    generator: np.random.Generator,
    bin_size_m: float | None = None,
    trees: int = 4,
    progress: Progress | None = None,
) -> ReferenceMap:
    """A reference map from nearly straight paths out of the origin to the centre of every bin.

    The paths branch like a tree, so that every bin costs one step: a bin is reached from a bin some
    random step nearer to the origin, with a random turn of up to 20 degrees. Several trees are
    averaged. Paths this short carry the least error a path can have, and every bin's vector belongs
    to its exact centre.

    Args:
        system: the system.
        arena_m: side of the square; cut to the nearest odd number of bins, so that the origin is
            the centre of one.
        generator: draws the steps.
        bin_size_m: side of a bin; a third of the longest step by default.
        trees: paths to each bin.
        progress: called with the number of walkers moved after every step.

    Raises:
        InputError: bins wider than 0.4 of the longest step, or fewer than 3 of them a side.
    """
    system = bounded(system)
    max_step_m = system.max_step_m
    size = max_step_m / 3 if bin_size_m is None else bin_size_m
    half = round((arena_m / size - 1) / 2)
    if not 0 < size <= 0.4 * max_step_m or half < 1:
        raise InputError(
            f"bins of {size:g} m do not suit steps of up to {max_step_m:g} m "
            f"and an arena of {arena_m:g} m"
        )
    side = 2 * half + 1
    line = np.arange(-half, half + 1)
    middle = np.stack(np.meshgrid(line, line), axis=-1).reshape(1, -1, 2).repeat(trees, axis=0)
    if system.position_code is not None:  # no path is needed
        code = system.position_code(middle[0] * size).reshape(side, side, -1)
        return ReferenceMap(unit_length(code), size, _lengths(code[None]))
    radius = np.linalg.norm(middle, axis=-1, keepdims=True)
    # In bins from here on. Rounding to the centre of a bin moves the parent by up to 0.71.
    longest = max_step_m / size - math.sqrt(0.5)
    hop = generator.uniform(longest / 2, longest, radius.shape)
    turn = np.radians(generator.uniform(-20, 20, radius.shape[:2]))
    across = np.stack([-middle[..., 1], middle[..., 0]], axis=-1)
    turned = np.cos(turn)[..., None] * middle + np.sin(turn)[..., None] * across
    nearer = np.clip(np.rint(middle - hop * (turned / np.maximum(radius, 1))), -half, half)
    parent = np.where(radius <= longest, 0, nearer).astype(np.int64)
    tree = np.arange(trees)[:, None] * side**2
    from_bin = (tree + (parent[..., 1] + half) * side + parent[..., 0] + half).ravel()
    velocity = ((middle - parent) * size).reshape(-1, 2)
    origin = (radius == 0).ravel()
    # Where the units are a part of the state, the states of one tree at a time are kept.
    at_once = side**2 * (trees if system.observed is None else 1)
    activity = np.concatenate(
        [
            system.activity(_grown(system, from_bin[t] - t.start, velocity[t], origin[t], progress))
            for t in (slice(k, k + at_once) for k in range(0, trees * side**2, at_once))
        ]
    )
    activity = activity.reshape(trees, side, side, -1)
    vectors = unit_length(unit_length(activity).mean(axis=0))
    return ReferenceMap(vectors, size, _lengths(activity))


def _grown(
    system: System,
    parent: Int[np.ndarray, " place"],
    velocity: Float[np.ndarray, "place 2"],
    origin: Bool[np.ndarray, " place"],
    progress: Progress | None,
) -> Float[np.ndarray, "place variable"]:
    """States at all places, each one step of this velocity from its parent's."""
    states = np.zeros((len(parent), len(system.start)), dtype=np.asarray(system.start).dtype)
    done = origin.copy()
    states[done] = system.start
    while not done.all():
        ready = np.flatnonzero(~done & done[parent])
        states[ready] = system.step(states[parent[ready]], velocity[ready])
        done[ready] = True
        if progress:
            progress(len(ready))
    return states


def _lengths(activity: Float[np.ndarray, "tree y x unit"]) -> Float[np.ndarray, "y x"] | None:
    """Mean length of the activity at each place; None where all lengths are 1."""
    lengths = np.linalg.norm(np.nan_to_num(activity), axis=-1).mean(axis=0)
    return None if np.abs(lengths - 1).max() < LEAST_DIFFERENCE else lengths


def nearest_alias_m(
    reference: ReferenceMap,
    *,
    generator: np.random.Generator,
    places: int = 64,
    longest_m: float = 1.5,
) -> float:
    """Distance to the nearest place with a similar state: the spacing of a periodic code, metres.

    The similarity (cosine) of population vectors as a function of displacement, averaged over
    random places, has its largest value at displacement 0; this is the distance of the nearest
    other peak that rises to half of it or more above the minimum. Infinite where there is none up
    to `longest_m`.
    """
    side = len(reference.vectors)
    reach = min(round(longest_m / reference.bin_size_m), side // 3)
    base = generator.integers(reach, side - reach, size=(places, 2))
    window = np.lib.stride_tricks.sliding_window_view(
        reference.vectors, (2 * reach + 1, 2 * reach + 1), axis=(0, 1)
    )
    similarity = np.zeros((2 * reach + 1, 2 * reach + 1))
    for y, x in base:
        similarity += np.tensordot(reference.vectors[y, x], window[y - reach, x - reach], axes=1)
    lag = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    floor = similarity.min()
    peak = similarity == ndimage.maximum_filter(similarity, size=5)
    peak &= similarity - floor >= 0.5 * (similarity[reach, reach] - floor)
    peak &= (lag > 2.5) & (lag < reach)
    return float(lag[peak].min() * reference.bin_size_m) if peak.any() else math.inf
