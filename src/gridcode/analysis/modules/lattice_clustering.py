"""Groups of alike lattices in a population, and how often independent lattices would be as alike."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import cluster

from gridcode.analysis.modules.strain import mean_lattice, strain, strains

# Lattices nearer than FINEST (3 % in spacing, 1.7 degrees) are never told apart; groups further
# apart on average than COARSEST (20 %, 11 degrees) are never one; what joins others only beyond
# APART stands alone. Between them the data decide.
FINEST, COARSEST, APART = 0.03, 0.2, 0.5
# Two groups are told apart where their means are this many standard deviations apart on the line
# between them: two halves of a normal distribution are 2.7 apart and two halves of a uniform one
# 3.5.
SEPARATION = 4.0
# Groups that are asked whether a gap parts them: also those too small or too loose to be
# significant, which are what a continuum falls into, but not the loose handfuls of independent
# lattices.
JOINABLE = 0.2
# Members further from the mean lattice than this many times the median distance are not kept.
OUTLYING = 2.5
# Angles (radians) and differences of spacing and shape within which units are counted around each
# unit.
RADII = np.geomspace(FINEST, COARSEST, 10)
OFF = np.array([0.05, 0.1, 0.2])

Members = Int[np.ndarray, " _"]  # groups differ in size
Lattices2 = Float[np.ndarray, "unit 2 2"]


@dataclass(frozen=True)
class Groups:
    """Groups of alike lattices in a population; units as places in it.

    Attributes:
        found: groups that chance would not give, with their p-values.
        chance: groups that chance would give, with their p-values.
        blurred: groups given up: no gap parts them from a neighbour, and with it they are wider
            than a group may be.
    """

    found: list[tuple[Members, float]]
    chance: list[tuple[Members, float]]
    blurred: list[Members]


def find_groups(
    vectors: Lattices2,
    *,
    min_units: int,
    significance: float,
    nulls: int,
    generator: np.random.Generator,
) -> Groups:
    """Groups of alike lattices: branches of the average-linkage tree that chance would not give, joined again where no gap parts them.

    Args:
        vectors: (unit, 2, 2) reduced right-handed lattice vectors, none NaN.
        min_units: smallest group.
        significance: largest p-value of a group, for the whole population.
        nulls: null populations.
        generator: source of randomness.
    """
    branches = _prominent_branches(vectors, min_units) if len(vectors) >= max(min_units, 2) else []
    branches = [
        kept
        for kept in (_without_outliers(vectors, branch) for branch in branches)
        if len(kept) >= min_units
    ]
    if not branches:
        return Groups([], [], [])
    chance = Chance.of(vectors, nulls, generator)
    tested = [(branch, chance.p_value(branch)) for branch in branches]
    joined = _joined(vectors, [branch for branch, p in tested if p <= max(JOINABLE, significance)])
    narrow = [float(_pairwise(vectors[group]).mean()) <= COARSEST for group in joined]
    tested = [(branch, p) for branch, p in tested if p > max(JOINABLE, significance)]
    tested += [
        (group, chance.p_value(group)) for group, fits in zip(joined, narrow, strict=True) if fits
    ]
    return Groups(
        found=[(group, p) for group, p in tested if p <= significance],
        chance=[(group, p) for group, p in tested if p > significance],
        blurred=[group for group, fits in zip(joined, narrow, strict=True) if not fits],
    )


def _pairwise(vectors: Lattices2) -> Float[np.ndarray, " pair"]:
    """Strain between all pairs, in the order of `scipy.spatial.distance.pdist`."""
    # Row by row: ten bases of all pairs at once would not fit in the cache, nor those of thousands
    # of units in memory.
    return np.concatenate(
        [strain(vectors[i], vectors[i + 1 :]).distance for i in range(len(vectors))]
    )


def _prominent_branches(vectors: Lattices2, min_units: int) -> list[Members]:
    r"""Disjoint branches of the tree that together last longest.

    A branch of n units that is complete at height $h$ and joins another at $h'$ counts $n \ln (h' /
    h)$, with $h$ no less than FINEST and $h'$ no more than APART; of a branch and the branches
    within it, whichever count more are kept.
    """
    tree = cluster.hierarchy.linkage(_pairwise(vectors), method="average")
    n = len(vectors)
    joins = np.full(2 * n - 1, APART)
    joins[tree[:, :2].astype(np.intp)] = np.minimum(tree[:, 2:3], APART)
    members = [np.array([i]) for i in range(n)]
    best: list[tuple[float, list[int]]] = [(0.0, []) for _ in range(n)]
    for node, (left, right, height, size) in enumerate(tree, start=n):
        one, two = int(left), int(right)
        members.append(np.concatenate([members[one], members[two]]))
        within = (best[one][0] + best[two][0], best[one][1] + best[two][1])
        lasts = max(np.log(joins[node] / max(height, FINEST)), 0.0)
        own = size * lasts if size >= min_units and height < COARSEST else 0.0
        best.append((own, [node]) if own > within[0] else within)
    return [np.sort(members[node]) for node in best[-1][1]]


def separation(first: Lattices2, second: Float[np.ndarray, "other 2 2"]) -> float:
    r"""Distance of two groups' means over their pooled standard deviation, along the line between the means.

    With $c_1, c_2$ the mean lattices and $d$ the strain, a unit stands at $t_u = (d(u, c_1)^2 -
    d(u, c_2)^2) / 2 d(c_1, c_2)$.
    """
    means = mean_lattice(first), mean_lattice(second)
    between = float(strain(*means).distance)
    t = [
        (strain(group, means[0]).distance ** 2 - strain(group, means[1]).distance ** 2)
        / (2 * max(between, 1e-12))
        for group in (first, second)
    ]
    spare = max(len(first) + len(second) - 2, 1)
    pooled = np.sqrt(sum(((x - x.mean()) ** 2).sum() for x in t) / spare)
    return float((t[1].mean() - t[0].mean()) / max(pooled, 1e-12))


def _joined(vectors: Lattices2, groups: list[Members]) -> list[Members]:
    """The groups, the least separated two joined until all are separate."""
    groups = list(groups)
    while len(groups) > 1:
        pairs = [
            (separation(vectors[groups[i]], vectors[groups[j]]), i, j)
            for i in range(len(groups))
            for j in range(i)
        ]
        least, i, j = min(pairs)
        if least >= SEPARATION:
            break
        groups[j] = np.sort(np.concatenate([groups[i], groups[j]]))
        del groups[i]
    return groups


def _without_outliers(vectors: Lattices2, group: Members) -> Members:
    distance = strain(vectors[group], mean_lattice(vectors[group])).distance
    return group[distance <= OUTLYING * max(float(np.median(distance)), FINEST)]


@dataclass(frozen=True)
class Chance:
    r"""How crowded a population is around its units, against populations of the same lattices turned by random angles.

    Of the m units whose spacing and shape differ from unit i's by at most s, n have an orientation
    within r of its own, where $\lambda = 2 r m / \pi$ are expected if each has any orientation (in
    m a unit counts once for each basis that brings it near i's: hexagons thrice):

    $$ \Lambda = \max_{i, s, r} \; n \ln (n / \lambda) - (n - \lambda) \text{ where } n > \lambda $$

    For a group n counts its own units only, in null populations all. Null populations keep every
    spacing and shape and turn each lattice by a random angle, which leaves $\lambda$ as it is: the
    test is exact for cells with independent orientations, whatever their spacings.

    Attributes:
        centre: (pair,) unit i of every pair and basis in which only an angle parts two lattices.
        other: (pair,) the other unit.
        ring: (pair,) which of OFF the difference of spacing and shape is within.
        turn: (pair,) angle from i's lattice to the other's, radians.
        expected: (unit, off, radius) lambda.
        null: (null,) largest Lambda of each null population.

    Source: the scan statistic of Kulldorff 1997.
    """

    centre: Int[np.ndarray, " pair"]
    other: Int[np.ndarray, " pair"]
    ring: Int[np.ndarray, " pair"]
    turn: Float[np.ndarray, " pair"]
    expected: Float[np.ndarray, "unit off radius"]
    null: Float[np.ndarray, " null"]

    @classmethod
    def of(cls, vectors: Lattices2, nulls: int, generator: np.random.Generator) -> "Chance":
        """Draw the null populations of reduced right-handed lattice vectors (unit, 2, 2)."""
        centre, other, off, turn = _near_shapes(vectors)
        ring = np.searchsorted(OFF, np.sqrt(off))
        alike = np.bincount(
            centre * (len(OFF) + 1) + ring, minlength=len(vectors) * (len(OFF) + 1)
        ).reshape(len(vectors), -1)
        expected = alike[:, :-1].cumsum(axis=1)[:, :, None] * (2 * RADII / np.pi)
        chance = cls(centre, other, ring, turn, expected, np.empty(0))
        angles = (generator.uniform(0.0, np.pi, len(vectors)) for _ in range(nulls))
        null = [chance._crowding(turn + a[other] - a[centre]) for a in angles]
        return replace(chance, null=np.array(null))

    def _crowding(
        self, rotation: Float[np.ndarray, " pair"], counted: Bool[np.ndarray, " pair"] | None = None
    ) -> float:
        rotation = np.abs(rotation - np.pi * np.rint(rotation / np.pi))
        near = rotation <= RADII[-1]
        near = np.flatnonzero(near if counted is None else near & counted)
        units, offs, radii = self.expected.shape
        cell = (self.centre[near] * (offs + 1) + self.ring[near]) * radii + np.searchsorted(
            RADII, rotation[near]
        )
        n = (
            np.bincount(cell, minlength=units * (offs + 1) * radii)
            .reshape(units, offs + 1, radii)[:, :-1]
            .cumsum(axis=1)
            .cumsum(axis=2)
        )
        crowded = n > self.expected
        n, expected = n[crowded], self.expected[crowded]
        return float((n * np.log(n / expected) - (n - expected)).max(initial=0.0))

    def p_value(self, group: Members) -> float:
        """How often a null population is anywhere as crowded as this group."""
        member = np.isin(np.arange(len(self.expected)), group)
        crowding = self._crowding(self.turn, member[self.centre] & member[self.other])
        return float((1 + (self.null >= crowding - 1e-9).sum()) / (1 + len(self.null)))


def _near_shapes(vectors: Lattices2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of units and bases in which only an angle parts two lattices: centre, other, squared scale and shear, rotation."""
    parts = []
    for i in range(len(vectors)):
        scale, shear, rotation = strains(vectors[i], vectors)
        off = scale**2 + shear**2
        off[i] = np.inf
        other, basis = np.nonzero(off < COARSEST**2)
        parts.append((np.full(len(other), i), other, off[other, basis], rotation[other, basis]))
    centre, other, off, turn = (np.concatenate(one) for one in zip(*parts, strict=True))
    return centre, other, off, turn
