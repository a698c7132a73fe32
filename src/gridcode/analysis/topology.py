r"""Which shape a population's states make: persistent homology with a null, so that a torus is a finding and not an impression.

The states of one module of grid cells lie on a torus, since its cells repeat along two directions: one piece, two loops that cannot be
drawn together, one enclosed void; Betti numbers (1, 2, 1). Two modules together make a product of two tori, place cells a sheet, bands
a ring.

Source: Gardner et al. 2022, "Toroidal topology of population activity in grid cells", Nature 602; persistent homology: Edelsbrunner,
Letscher and Zomorodian 2002; edge collapse: Boissonnat and Pritam 2020, as in GUDHI.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import gudhi
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from gridcode.errors import InputError

TORUS = (1, 2, 1)
DIMENSIONS = 2
# Coefficients from a field of odd characteristic: over it a Klein bottle, (1, 1, 0), is not taken for a torus.
FIELD = 47
# Beyond this many bars of a dimension no gap is looked for.
MOST_BARS = 8
# Shorter bars that a gap is compared with.
TAIL_BARS, FEWEST_TAIL_BARS = 20, 4
FEWEST_UNITS = 3
FEWEST_NULLS = 19
# Of the median distance between landmarks: all loops and voids of a torus have closed here, and almost none of shuffled states is left at the second.
THRESHOLD = 0.9
NULL_THRESHOLD = 0.75
# More leave fewer edges, which pays at high thresholds and costs little at low ones.
COLLAPSES = 4
# Variance of a component below this share of the first is rounding.
LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class Diagram:
    """A persistence diagram: when features of each dimension appear and vanish as states within a growing distance are joined.

    Attributes:
        intervals: for each dimension (bar, 2) births and deaths as distances, longest bar first; death is infinite for features alive at
            the threshold.
        threshold: longest distance that was joined.
        scale: median distance between the points.
    """

    intervals: tuple[Float[np.ndarray, "_bar 2"], ...]
    threshold: float
    scale: float

    def lifetimes(self, dimension: int) -> Float[np.ndarray, " bar"]:
        """Lengths of the bars over `scale`, longest first; a bar alive at the threshold is as long as was seen of it.

        Of dimension 0 the one bar that never dies, that of the whole, is left out.
        """
        bars = self.intervals[dimension]
        length = np.sort(np.minimum(bars[:, 1], self.threshold) - bars[:, 0])[::-1] / self.scale
        return length[1:] if dimension == 0 else length


@dataclass(frozen=True)
class Topology:
    """The shape of a population's states.

    Attributes:
        betti: Betti numbers b0, b1, b2 (pieces, loops, voids), each counted up to the largest gap between lifetimes where that
            gap and the bars above it are longer than in shuffled states.
        by_gap: the same of loops and voids without regard to the null.
        p_value: (dimension,) p-value of each count: the largest one of the gap's and its shortest bar's among shuffled states, and of the gap's
            among shorter bars.
        torus: whether the states make a torus: Betti numbers (1, 2, 1), with all four features alive at one distance.
        torus_p_value: larger one of the p-values of loops and voids where `by_gap` is (1, 2, 1), otherwise 1.
        window: distances between which all counted features are alive and no more pieces than were counted, NaN without loops and voids.
        diagram: persistence diagram of the landmarks.
        null_longest: (null, dimension) longest lifetime in shuffled states.
        null_gap: (null, dimension) largest gap there.
        points: (landmark, component) the landmarks: principal components of the states, denoised.
        samples: (landmark,) the sample that each landmark is nearest to.
    """

    betti: tuple[int, int, int]
    by_gap: tuple[int, int, int]
    p_value: Float[np.ndarray, " dimension"]
    torus: bool
    torus_p_value: float
    window: tuple[float, float]
    diagram: Diagram
    null_longest: Float[np.ndarray, "null dimension"]
    null_gap: Float[np.ndarray, "null dimension"]
    points: Float[np.ndarray, "landmark component"]
    samples: Int[np.ndarray, " landmark"]


def principal_components(states: Float[np.ndarray, "sample unit"], *, components: int = 6) -> Float[np.ndarray, "sample component"]:
    """The states on their first principal components, centred; fewer than asked for where the states do not vary in as many directions.

    Distances stay those of the population itself: components are not scaled.
    """
    centred = states - states.mean(axis=0)
    variance, direction = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = np.flatnonzero(variance[::-1] > LEAST_VARIANCE * max(variance[-1], 0.0))[:components]
    return np.asarray(centred @ direction[:, ::-1][:, kept])


def choose_landmarks(
    points: Float[np.ndarray, "sample component"], *, count: int = 300, neighbours: int | None = None, sparsest: float = 0.02
) -> tuple[Float[np.ndarray, "landmark component"], Int[np.ndarray, " landmark"]]:
    """A few points that cover a cloud evenly, after denoising by density.

    Every point is replaced by the mean of its nearest neighbours, which cancels noise across the manifold and moves little along it;
    the `sparsest` share of points (largest distance to the last of the neighbours) is left out; of the others landmarks are chosen greedily,
    each as far as possible from those before it (max-min), beginning with the densest place.

    Args:
        points: (sample, component).
        count: landmarks; fewer where there are fewer distinct points.
        neighbours: neighbours that are averaged; by default 0.5% of the samples, 5 or more.
        sparsest: share of samples left out as outliers.

    Returns:
        The landmarks and the samples that they were made from.

    Raises:
        InputError: points that are not finite or have no component, fewer than 4 landmarks, or samples that do not suffice for the neighbours.
    """
    if points.ndim != 2 or points.shape[1] < 1 or not np.isfinite(points).all():
        raise InputError(f"points must be (sample, component) and finite, not of shape {points.shape}")
    k = max(5, round(0.005 * len(points))) if neighbours is None else neighbours
    if not 1 <= k < len(points) or count < 4 or not 0 <= sparsest < 1:
        raise InputError(f"{len(points)} samples do not suffice for {count} landmarks of {k} neighbours each, {sparsest:g} of them left out")
    distance, nearest = (np.asarray(found) for found in KDTree(points).query(points, k=k + 1))
    radius = distance[:, -1]
    kept = np.flatnonzero(radius <= np.quantile(radius, 1 - sparsest))
    smooth = points[nearest[kept]].mean(axis=1)
    chosen = _max_min(smooth, min(count, len(kept)), first=int(radius[kept].argmin()))
    return smooth[chosen], kept[chosen]


def _max_min(points: Float[np.ndarray, "sample component"], count: int, *, first: int) -> Int[np.ndarray, " landmark"]:
    """Greedy furthest points; ends early where all that is left repeats a point already chosen."""
    # Far from the origin the product formula for distances below would lose them to rounding.
    points = points - points.mean(axis=0)
    square = (points**2).sum(axis=1)
    nearest = np.full(len(points), np.inf)
    chosen = [first]
    # Squared distances by the product formula are off by rounding of the squares.
    smallest = 1e-12 * float(square.max(initial=0.0))
    while len(chosen) < count:
        last = chosen[-1]
        np.minimum(nearest, square + square[last] - 2 * (points @ points[last]), out=nearest)
        further = int(nearest.argmax())
        if nearest[further] <= smallest:
            break
        chosen.append(further)
    return np.array(chosen)


def persistence(points: Float[np.ndarray, "point component"], *, threshold: float = THRESHOLD, dimensions: int = DIMENSIONS) -> Diagram:
    """Persistent homology of the Vietoris-Rips complex of some points, up to a dimension, with edge collapse.

    Args:
        points: (point, component), compared by Euclidean distance.
        threshold: longest edge, over the median distance. Cost grows steeply with it.
        dimensions: highest dimension.

    Raises:
        InputError: fewer than four points, points that are all the same, or not finite, or a threshold that is not positive.
    """
    if points.ndim != 2 or len(points) < 4 or not np.isfinite(points).all():
        raise InputError(f"persistence needs four points or more (point, component), all finite, not {np.shape(points)}")
    distances = pdist(points)
    scale = float(np.median(distances))
    if not scale > 0 or not threshold > 0:
        raise InputError(
            "most points are the same: there is no shape to measure" if scale <= 0 else f"the threshold must be positive, not {threshold}"
        )
    tree = gudhi.RipsComplex(distance_matrix=squareform(distances), max_edge_length=threshold * scale).create_simplex_tree(max_dimension=1)
    tree.collapse_edges(nb_iterations=COLLAPSES)
    tree.expansion(dimensions + 1)
    # The collapsed complex may have no simplex above the highest dimension asked for, and GUDHI leaves out the homology of a complex's own highest
    # dimension unless told otherwise: a torus would lose its void.
    tree.compute_persistence(homology_coeff_field=FIELD, min_persistence=0, persistence_dim_max=True)
    found = []
    for dimension in range(dimensions + 1):
        bars = np.asarray(tree.persistence_intervals_in_dimension(dimension), dtype=np.float64).reshape(-1, 2)
        found.append(bars[np.argsort(-(np.minimum(bars[:, 1], threshold * scale) - bars[:, 0]), kind="stable")])
    return Diagram(tuple(found), threshold * scale, scale)


def count_by_gap(lifetimes: Float[np.ndarray, " bar"]) -> tuple[int, float, float]:
    """Number of bars before the largest gap between successive lifetimes, the gap, and the shortest lifetime before it."""
    longest = np.append(np.sort(lifetimes)[::-1][:MOST_BARS], 0.0)
    if len(longest) < 2:
        return 0, 0.0, 0.0
    # The last bar's distance from 0 is a gap only where no shorter bar was cut off.
    gaps = -np.diff(longest if len(lifetimes) < MOST_BARS else longest[:-1])
    count = int(gaps.argmax()) + 1
    return count, float(gaps[count - 1]), float(longest[count - 1])


def gap_p_value(lifetimes: Float[np.ndarray, " bar"], count: int) -> float:
    r"""How often as large a gap would part bars that are all noise of one kind, from the shorter bars of the same diagram.

    If lifetimes had an exponential tail, the gaps after its j-th, (j+1)-th, ... longest times j, j+1, ... would be exponential with one mean, and
    independent (Renyi's representation of order statistics). The gap after the j-th is compared with the mean $\bar e$ of the m that follow,
    up to 19; the ratio follows the F distribution with 2 and 2m degrees of freedom. Corrected for eight gaps looked at (Sidak):

    $$ p = 1 - \left( 1 - \left( 1 + \frac{j (l_j - l_{j+1})}{m \bar e} \right)^{-m} \right)^8, \quad
        \bar e = \frac{1}{m} \sum_{k=j+1}^{j+m} k \, (l_k - l_{k+1}) $$

    Noise bars have lighter tails, so that this errs towards large p. Shuffled states alone are too weak a null: states that do depend on
    place, on no torus, have longer noise bars than shuffled ones. 0 where fewer than four shorter bars are left to compare with, or all of them are
    equally long: then the shuffles decide.

    Args:
        lifetimes: (bar,) of one dimension.
        count: bars before the gap, j.

    Source: Renyi 1953.
    """
    longest = np.sort(lifetimes)[::-1]
    noise = longest[count : count + TAIL_BARS]
    if count < 1 or len(noise) < FEWEST_TAIL_BARS:
        return 0.0 if count else 1.0
    gap, terms = float(longest[count - 1] - longest[count]), len(noise) - 1
    mean = float((np.arange(count + 1, count + 1 + terms) * -np.diff(noise)).mean())
    if not gap > 0:
        return 1.0
    if not mean > 0:
        return 0.0
    of_one_gap = (1 + count * gap / (terms * mean)) ** -terms
    return float(-math.expm1(MOST_BARS * math.log1p(-of_one_gap)))


def shuffled(states: Float[np.ndarray, "sample unit"], generator: np.random.Generator) -> Float[np.ndarray, "sample unit"]:
    """The states with every unit's activity shifted around by an amount of its own: each unit as before, no common state."""
    shift = generator.integers(len(states), size=states.shape[1])
    rows = (np.arange(len(states))[:, None] - shift) % len(states)
    return np.take_along_axis(states, rows, axis=0)


def measure_topology(
    states: Float[np.ndarray, "sample unit"],
    *,
    generator: np.random.Generator,
    nulls: int = 99,
    level: float = 0.05,
    landmarks: int = 300,
    components: int = 6,
    neighbours: int | None = None,
    sparsest: float = 0.02,
    most_samples: int = 5000,
    progress: Callable[[int, int], None] | None = None,
) -> Topology:
    r"""Betti numbers of the manifold that a population's states lie on, each against a shuffle null, and whether it is a torus.

    States are projected on their principal components (distances stay the population's own), denoised by density and thinned to landmarks
    (`choose_landmarks`); `persistence` gives lifetimes $l_1 \ge l_2 \ge \dots$ of pieces, loops and voids, over the median distance of the landmarks.
    The count b is the place of the largest gap, $b = \operatorname{argmax}_j (l_j - l_{j+1})$. The null shifts every unit's activity by a random
    number of samples and goes the same way; with its longest lifetime $L$ and largest gap $G$

    $$ p = \max \left( \frac{1 + \#\{G \ge l_b - l_{b+1}\}}{1 + \#\text{nulls}}, \;
        \frac{1 + \#\{L \ge l_b\}}{1 + \#\text{nulls}}, \; p_\text{gap} \right) $$

    where $p_\text{gap}$ compares the gap with the shorter bars of the same diagram (`gap_p_value`). The count stands where p is at most
    `level`, else it is 0 (pieces: 1). A torus is claimed where the counts are 1, 2, 1 and all of the features are alive at one distance, at
    which the landmarks are in one piece. Find modules first: two modules together are no torus, unless the arena is too small for their phases to
    part.

    Args:
        states: (sample, unit) activity of any unit; the order of samples matters only to the null: consecutive samples in time
            keep each unit's course in it. Not row by row over the bins of maps: there a shift moves a map, and moved maps of one
            module are cells of one module again; see `gridcode.analysis.structure.map_states`.
        generator: draws samples and shifts.
        nulls: shuffles.
        level: largest p-value that counts.
        landmarks: points that homology is computed of.
        components: principal components kept; a hexagonal torus needs six, four lose it.
        neighbours: see `choose_landmarks`.
        sparsest: see `choose_landmarks`.
        most_samples: a random subset of this size is taken of more samples.
        progress: called with (shuffles done, shuffles).

    Raises:
        InputError: states that are not finite, fewer than 3 units, 40 samples or 20 landmarks, units of which fewer than 3 vary, states of
            which fewer than 40 differ, no components, or fewer nulls than `level` needs.
    """
    given = np.asarray(states, dtype=np.float64)
    chosen = _checked(given, generator, most_samples, landmarks)
    if components < 1:
        raise InputError(f"{components} components hold no shape")
    if nulls < FEWEST_NULLS or not 1 / (1 + nulls) <= level < 1:
        raise InputError(f"{nulls} shuffles cannot reach a level of {level:g}: take at least {FEWEST_NULLS} and 1 / level - 1")
    given = given[chosen]

    def cloud(activity: Float[np.ndarray, "sample unit"]) -> tuple[Float[np.ndarray, "landmark component"], Int[np.ndarray, " landmark"]]:
        found = principal_components(activity, components=components)
        return choose_landmarks(found, count=landmarks, neighbours=neighbours, sparsest=sparsest)

    points, samples = cloud(given)
    diagram = persistence(points)
    null_longest, null_gap = (np.zeros((nulls, DIMENSIONS + 1)) for _ in range(2))
    for i in range(nulls):
        of_null = _null_diagram(cloud(shuffled(given, generator))[0])
        for dimension in range(DIMENSIONS + 1):
            lifetimes = of_null.lifetimes(dimension)
            null_longest[i, dimension] = lifetimes.max(initial=0.0)
            null_gap[i, dimension] = count_by_gap(lifetimes)[1]
        if progress:
            progress(i + 1, nulls)
    counts = [count_by_gap(diagram.lifetimes(dimension)) for dimension in range(DIMENSIONS + 1)]
    p_value = np.ones(DIMENSIONS + 1)
    for d, (count, gap, shortest) in enumerate(counts):
        if count:
            above = max(int((null_gap[:, d] >= gap).sum()), int((null_longest[:, d] >= shortest).sum()))
            p_value[d] = max((1 + above) / (1 + nulls), gap_p_value(diagram.lifetimes(d), count))
    significant: Bool[np.ndarray, " dimension"] = p_value <= level
    # Dimension 0 counts the gaps between pieces: one more piece than that, and one where there is no gap.
    by_gap = (1 + counts[0][0] * bool(significant[0]), counts[1][0], counts[2][0])
    betti = (by_gap[0], counts[1][0] * int(significant[1]), counts[2][0] * int(significant[2]))
    window = _window(diagram, betti)
    return Topology(
        betti=betti,
        by_gap=by_gap,
        p_value=p_value,
        torus=betti == TORUS and window[0] < window[1],
        torus_p_value=float(p_value[1:].max()) if by_gap == TORUS else 1.0,
        window=window,
        diagram=diagram,
        null_longest=null_longest,
        null_gap=null_gap,
        points=points,
        samples=chosen[samples],
    )


def _null_diagram(points: Float[np.ndarray, "landmark component"]) -> Diagram:
    """Of shuffled states: at a lower threshold, which is cheaper, and again at the full one where a feature is still alive there."""
    diagram = persistence(points, threshold=NULL_THRESHOLD)
    if any(np.isinf(bars[:, 1]).sum() > (dimension == 0) for dimension, bars in enumerate(diagram.intervals)):
        return persistence(points)
    return diagram


def _window(diagram: Diagram, betti: tuple[int, int, int]) -> tuple[float, float]:
    """Distances between which all counted loops and voids are alive, and no more pieces than were counted."""
    found = np.concatenate([diagram.intervals[dimension][: betti[dimension]] for dimension in (1, 2)])
    if not len(found):
        return math.nan, math.nan
    joined = float(diagram.intervals[0][betti[0] :, 1].max(initial=0.0))
    return max(joined, float(found[:, 0].max())), float(np.minimum(found[:, 1], diagram.threshold).min())


def _checked(given: np.ndarray, generator: np.random.Generator, most_samples: int, landmarks: int) -> Int[np.ndarray, " sample"]:
    """Places of the samples to use, in order."""
    fewest = 40
    if given.ndim != 2 or not np.isfinite(given).all():
        raise InputError(
            f"states must be (sample, unit) and finite, not of shape {given.shape}" + ("" if given.ndim != 2 else " with NaN or infinities")
        )
    if len(given) < fewest or given.shape[1] < FEWEST_UNITS or most_samples < fewest or landmarks < fewest // 2:
        raise InputError(
            f"{len(given)} samples of {given.shape[1]} units, {most_samples} of them used at most, with {landmarks} landmarks have no shape to "
            "measure: "
            f"{fewest} samples, {FEWEST_UNITS} units and {fewest // 2} landmarks are the least"
        )
    if int((np.ptp(given, axis=0) > 0).sum()) < FEWEST_UNITS:
        raise InputError(f"fewer than {FEWEST_UNITS} units vary: there is no shape to measure")
    chosen = np.sort(generator.choice(len(given), size=min(most_samples, len(given)), replace=False))
    different = len(np.unique(given[chosen], axis=0))
    if different < fewest:
        raise InputError(f"only {different} of {len(chosen)} states differ: there is no shape to measure")
    return chosen
