"""Groups of similar lattices, and how often independent lattices would be as similar."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import cluster

from gridcode.analysis.modules.strain import mean_lattice, strain, strains
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Lattices nearer than FINEST (3 % in spacing, 1.7 degrees) always fall together, groups further
# apart on average than COARSEST (20 %, 11 degrees) never; joins beyond FURTHEST_JOIN count as none.
FINEST, COARSEST, FURTHEST_JOIN = 0.03, 0.2, 0.5
# A gap parts two groups whose means are this many standard deviations apart on the line between
# them: two halves of a normal distribution are 2.7 apart, of a uniform one 3.5.
LEAST_GAP = 4.0
# Groups up to this p-value are tested for gaps: also those too small or loose to be significant,
# into which a continuum falls, but not loose handfuls of independent lattices.
LARGEST_P_TO_JOIN = 0.2
# Members further from the mean lattice than this many times the median distance are left out.
OUTLYING = 2.5
# Angles (radians), and differences of spacing and shape, within which units count as neighbours.
RADII = np.geomspace(FINEST, COARSEST, 10)
SHAPE_DIFFERENCES = np.array([0.05, 0.1, 0.2])

Members = Int[np.ndarray, " _"]  # groups differ in size
Vectors = Float[np.ndarray, "unit 2 2"]


@dataclass(frozen=True)
class LatticeClusters:
    """Groups of similar lattices in a population; units as places in it.

    Attributes:
        significant: groups that chance would not give, with their p-values.
        chance: groups that chance would give, with their p-values.
        continuum: groups without a gap to a neighbour, too wide when joined with it.
    """

    significant: list[tuple[Members, float]]
    chance: list[tuple[Members, float]]
    continuum: list[Members]


@takes_arrays
def cluster_lattices(
    vectors: Vectors,
    *,
    min_units: int,
    significance: float,
    nulls: int,
    generator: np.random.Generator,
) -> LatticeClusters:
    """Branches of the average-linkage tree, joined where no gap parts them, tested against chance.

    Args:
        vectors: (unit, 2, 2) reduced right-handed lattice vectors, none NaN.
        min_units: smallest group.
        significance: largest p-value of a group, for the whole population.
        nulls: null populations.
        generator: source of randomness.

    Raises:
        InputError: vectors that are not finite.
    """
    if not np.isfinite(vectors).all():
        raise InputError("lattice vectors must be finite: leave out units without a lattice")
    branches = _prominent_branches(vectors, min_units) if len(vectors) >= max(min_units, 2) else []
    branches = [_without_outliers(vectors, branch) for branch in branches]
    branches = [branch for branch in branches if len(branch) >= min_units]
    if not branches:
        return LatticeClusters([], [], [])
    scan = OrientationScan.of(vectors, nulls, generator)
    tested = [(branch, scan.p_value(branch)) for branch in branches]
    limit = max(LARGEST_P_TO_JOIN, significance)
    joined = _joined(vectors, [branch for branch, p in tested if p <= limit])
    narrow = [float(_pairwise(vectors[group]).mean()) <= COARSEST for group in joined]
    tested = [(branch, p) for branch, p in tested if p > limit]
    tested += [(g, scan.p_value(g)) for g, fits in zip(joined, narrow, strict=True) if fits]
    return LatticeClusters(
        significant=[(group, p) for group, p in tested if p <= significance],
        chance=[(group, p) for group, p in tested if p > significance],
        continuum=[group for group, fits in zip(joined, narrow, strict=True) if not fits],
    )


def _pairwise(vectors: Vectors) -> Float[np.ndarray, " pair"]:
    """Strain between all pairs, in the order of `scipy.spatial.distance.pdist`."""
    # Row by row: ten bases of all pairs of thousands of units would not fit in memory.
    rows = [strain(vectors[i], vectors[i + 1 :]).distance for i in range(len(vectors))]
    return np.concatenate(rows)


def _prominent_branches(vectors: Vectors, min_units: int) -> list[Members]:
    r"""Disjoint branches of the tree that together last longest.

    A branch of n units, complete at height $h$ (FINEST or more) and joined at $h'$ (FURTHEST_JOIN
    or less), counts $n \ln (h' / h)$; of it and its inner branches, those that count more are kept.
    """
    tree = cluster.hierarchy.linkage(_pairwise(vectors), method="average")
    n = len(vectors)
    joins = np.full(2 * n - 1, FURTHEST_JOIN)
    joins[tree[:, :2].astype(np.intp)] = np.minimum(tree[:, 2:3], FURTHEST_JOIN)
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


@takes_arrays
def gap_between(first: Vectors, second: Float[np.ndarray, "other 2 2"]) -> float:
    r"""Distance of two groups' means over their pooled deviation, along the line between them.

    With $c_1, c_2$ the mean lattices and $d$ the strain, a unit stands at $t_u = (d(u, c_1)^2 -
    d(u, c_2)^2) / 2 d(c_1, c_2)$.
    """
    means = mean_lattice(first), mean_lattice(second)
    between = float(strain(*means).distance)
    t = []
    for group in (first, second):
        one, other = (strain(group, mean).distance ** 2 for mean in means)
        t.append((one - other) / (2 * max(between, 1e-12)))
    spare = max(len(first) + len(second) - 2, 1)
    pooled = np.sqrt(sum(((x - x.mean()) ** 2).sum() for x in t) / spare)
    return float((t[1].mean() - t[0].mean()) / max(pooled, 1e-12))


def _joined(vectors: Vectors, groups: list[Members]) -> list[Members]:
    """The groups, the nearest two joined until gaps part all of them."""
    while len(groups) > 1:
        pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
        gaps = [gap_between(vectors[groups[i]], vectors[groups[j]]) for i, j in pairs]
        least, (i, j) = min(zip(gaps, pairs, strict=True))
        if least >= LEAST_GAP:
            break
        groups[j] = np.sort(np.concatenate([groups[i], groups[j]]))
        del groups[i]
    return groups


def _without_outliers(vectors: Vectors, group: Members) -> Members:
    distance = strain(vectors[group], mean_lattice(vectors[group])).distance
    return group[distance <= OUTLYING * max(float(np.median(distance)), FINEST)]


@dataclass(frozen=True)
class OrientationScan:
    r"""How crowded a population is around its units, against the same lattices turned at random.

    Of the m units whose spacing and shape differ from unit i's by at most s, n have an orientation
    within r of its own, where $\lambda = 2 r m / \pi$ are expected if each has any orientation (in
    m a unit counts once for each basis that brings it near i's: hexagons thrice):

    $$ \Lambda = \max_{i, s, r} \; n \ln (n / \lambda) - (n - \lambda) \text{ where } n > \lambda $$

    For a group n counts its own units only, in null populations all. Turning each lattice by a
    random angle leaves spacing, shape and $\lambda$ unchanged: the test is exact for cells with
    independent orientations.

    Attributes:
        centre: (pair,) unit i of every pair and basis with similar spacing and shape.
        other: (pair,) the other unit.
        ring: (pair,) index of the SHAPE_DIFFERENCES that the pair is within.
        turn: (pair,) angle from i's lattice to the other's, radians.
        expected: (unit, difference, radius) lambda.
        null: (null,) largest Lambda of each null population.

    Source: the scan statistic of Kulldorff 1997.
    """

    centre: Int[np.ndarray, " pair"]
    other: Int[np.ndarray, " pair"]
    ring: Int[np.ndarray, " pair"]
    turn: Float[np.ndarray, " pair"]
    expected: Float[np.ndarray, "unit difference radius"]
    null: Float[np.ndarray, " null"]

    @classmethod
    @takes_arrays
    def of(cls, vectors: Vectors, nulls: int, generator: np.random.Generator) -> "OrientationScan":
        """Draw the null populations of reduced right-handed lattice vectors (unit, 2, 2)."""
        centre, other, squared_difference, turn = _similar_pairs(vectors)
        rings = len(SHAPE_DIFFERENCES) + 1
        ring = np.searchsorted(SHAPE_DIFFERENCES, np.sqrt(squared_difference))
        count = np.bincount(centre * rings + ring, minlength=len(vectors) * rings)
        alike = count.reshape(-1, rings)[:, :-1].cumsum(axis=1)
        expected = alike[:, :, None] * (2 * RADII / np.pi)
        scan = cls(centre, other, ring, turn, expected, np.empty(0))
        angles = (generator.uniform(0.0, np.pi, len(vectors)) for _ in range(nulls))
        null = [scan._crowding(turn + a[other] - a[centre]) for a in angles]
        return replace(scan, null=np.array(null))

    def _crowding(
        self, turn: Float[np.ndarray, " pair"], among: Bool[np.ndarray, " pair"] | bool = True
    ) -> float:
        """Lambda for pairs with these turns."""
        turn = np.abs(turn - np.pi * np.rint(turn / np.pi))
        near = np.flatnonzero((turn <= RADII[-1]) & among)
        units, rings, radii = self.expected.shape
        shape = (units, rings + 1, radii)
        at = (self.centre[near], self.ring[near], np.searchsorted(RADII, turn[near]))
        n = np.bincount(np.ravel_multi_index(at, shape), minlength=math.prod(shape)).reshape(shape)
        n = n[:, :-1].cumsum(axis=1).cumsum(axis=2)
        crowded = n > self.expected
        n, expected = n[crowded], self.expected[crowded]
        return float((n * np.log(n / expected) - (n - expected)).max(initial=0.0))

    @takes_arrays
    def p_value(self, group: Members) -> float:
        """How often a null population is as crowded anywhere as this group."""
        member = np.isin(np.arange(len(self.expected)), group)
        crowding = self._crowding(self.turn, member[self.centre] & member[self.other])
        return float((1 + (self.null >= crowding - 1e-9).sum()) / (1 + len(self.null)))


def _similar_pairs(vectors: Vectors) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Units of similar spacing and shape: centre, other, squared scale and shear, rotation."""
    parts = []
    for i in range(len(vectors)):
        scale, shear, rotation = strains(vectors[i], vectors)
        squared = scale**2 + shear**2
        squared[i] = np.inf
        other, basis = np.nonzero(squared < COARSEST**2)
        parts.append((np.full(len(other), i), other, squared[other, basis], rotation[other, basis]))
    centre, other, squared, turn = (np.concatenate(one) for one in zip(*parts, strict=True))
    return centre, other, squared, turn
