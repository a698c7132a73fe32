r"""Persistent homology of a cloud of states: landmarks, and the features that live long.

Source: persistent homology: Edelsbrunner, Letscher and Zomorodian 2002; edge collapse: Boissonnat
and Pritam 2020, as in GUDHI; components and landmarks in the manner of Gardner et al. 2022.
"""

import itertools
import math
from dataclasses import dataclass

import gudhi
import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

DIMENSIONS = 2
# Coefficients from a field of odd characteristic: over it a Klein bottle, (1, 1, 0), is not taken
# for a torus.
FIELD = 47
# Of the median distance between landmarks: all loops and voids of a torus have closed here.
THRESHOLD = 0.9
# More leave fewer edges, which pays at high thresholds and costs little at low ones.
COLLAPSES = 4
# Variance of a component below this share of the first is rounding.
LEAST_VARIANCE = 1e-10
# Samples that landmarks are chosen from, at least so many for each landmark.
MOST_CANDIDATES, CANDIDATES_PER_LANDMARK = 2500, 5
# A graph joins points up to this part of the way through the window in which its loops are all
# there is: late enough to be dense, early enough to be cheap.
INTO_WINDOW = 0.4


@dataclass(frozen=True)
class Diagram:
    """Birth and death of features of each dimension as points within a growing distance are joined.

    Attributes:
        intervals: for each dimension (bar, 2) births and deaths as distances, longest bar first;
            death is infinite for features alive at the threshold.
        threshold: longest distance that was joined.
        scale: median distance between the points.
    """

    intervals: tuple[Float[np.ndarray, "_bar 2"], ...]
    threshold: float
    scale: float

    def lifetimes(self, dimension: int) -> Float[np.ndarray, " bar"]:
        """Lengths of the bars over `scale`, longest first; cut at the threshold.

        Of dimension 0 the one bar that never dies, that of the whole, is left out.
        """
        bars = self.intervals[dimension]
        length = np.sort(np.minimum(bars[:, 1], self.threshold) - bars[:, 0])[::-1] / self.scale
        return length[1:] if dimension == 0 else length


@takes_arrays
def principal_components(
    states: Float[np.ndarray, "sample unit"], *, components: int = 6
) -> Float[np.ndarray, "sample component"]:
    """Centred states on their first principal components, not scaled.

    There are fewer where the states vary in fewer directions.

    Distances stay those of the population itself: components are not scaled.

    Raises:
        InputError: states that are not finite, or none.
    """
    if not (states.size and np.isfinite(states).all()):
        raise InputError("states must be finite, and there must be some")
    centred = states - states.mean(axis=0)
    variance, direction = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = np.flatnonzero(variance[::-1] > LEAST_VARIANCE * max(variance[-1], 0.0))[:components]
    return np.asarray(centred @ direction[:, ::-1][:, kept])


@takes_arrays
def choose_landmarks(
    points: Float[np.ndarray, "sample component"],
    *,
    count: int = 300,
    neighbours: int | None = None,
    sparsest: float = 0.02,
) -> tuple[Float[np.ndarray, "landmark component"], Int[np.ndarray, " landmark"]]:
    """A few points that cover a cloud evenly, after denoising by density.

    Of the samples 2,500 (5 for each landmark where that is more) are candidates, evenly spaced in
    their order. Every candidate is replaced by the mean of its nearest neighbours among all
    samples, which cancels noise across the manifold and moves little along it; the `sparsest` share
    of candidates (largest distance to the last of the neighbours) is left out; of the others
    landmarks are chosen greedily, each as far as possible from those before it (max-min), beginning
    with the densest place.

    Args:
        points: (sample, component).
        count: landmarks; fewer where there are fewer distinct points.
        neighbours: neighbours that are averaged; by default 0.5% of the samples, 5 or more.
        sparsest: share of candidates left out as outliers.

    Returns:
        The landmarks and the samples that they were made from.

    Raises:
        InputError: points that are not finite or have no component, fewer than 4 landmarks, or
            samples that do not suffice for the neighbours.
    """
    if points.ndim != 2 or points.shape[1] < 1 or not np.isfinite(points).all():
        raise InputError(
            f"points must be (sample, component) and finite, not of shape {points.shape}"
        )
    k = max(5, round(0.005 * len(points))) if neighbours is None else neighbours
    if not 1 <= k < len(points) or count < 4 or not 0 <= sparsest < 1:
        raise InputError(
            f"{len(points)} samples do not suffice for {count} landmarks "
            f"of {k} neighbours each, {sparsest:g} of them left out"
        )
    candidates = min(len(points), max(MOST_CANDIDATES, CANDIDATES_PER_LANDMARK * count))
    tried = np.arange(candidates) * len(points) // candidates
    distance, nearest = (
        np.asarray(found) for found in KDTree(points).query(points[tried], k=k + 1)
    )
    radius = distance[:, -1]
    kept = np.flatnonzero(radius <= np.quantile(radius, 1 - sparsest))
    smooth = points[nearest[kept]].mean(axis=1)
    chosen = _max_min(smooth, min(count, len(kept)), first=int(radius[kept].argmin()))
    return smooth[chosen], tried[kept[chosen]]


def _max_min(
    points: Float[np.ndarray, "sample component"], count: int, *, first: int
) -> Int[np.ndarray, " landmark"]:
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


@takes_arrays
def persistence(
    points: Float[np.ndarray, "point component"],
    *,
    threshold: float = THRESHOLD,
    dimensions: int = DIMENSIONS,
) -> Diagram:
    """Persistent homology of the Vietoris-Rips complex of points, with edge collapse.

    Args:
        points: (point, component), compared by Euclidean distance.
        threshold: longest edge, over the median distance. Cost grows steeply with it.
        dimensions: highest dimension.

    Raises:
        InputError: fewer than four points, points that are all the same, or not finite, or a
            threshold that is not positive.
    """
    if points.ndim != 2 or len(points) < 4 or not np.isfinite(points).all():
        raise InputError(
            "persistence needs four points or more (point, component), all finite, "
            f"not {np.shape(points)}"
        )
    distances = pdist(points)
    scale = float(np.median(distances))
    if not threshold > 0:
        raise InputError(f"the threshold must be positive, not {threshold}")
    if not scale > 0:
        raise InputError("most points are the same: there is no shape to measure")
    tree = gudhi.SimplexTree.create_from_array(
        squareform(distances), max_filtration=threshold * scale
    )
    tree.collapse_edges(nb_iterations=COLLAPSES)
    tree.expansion(dimensions + 1)
    # The collapsed complex may have no simplex above the highest dimension asked for, and GUDHI
    # leaves out the homology of a complex's own highest dimension by default: a torus
    # would lose its void.
    tree.compute_persistence(
        homology_coeff_field=FIELD, min_persistence=0, persistence_dim_max=True
    )
    found = []
    for dimension in range(dimensions + 1):
        bars = np.asarray(tree.persistence_intervals_in_dimension(dimension), dtype=np.float64)
        bars = bars.reshape(-1, 2)
        length = np.minimum(bars[:, 1], threshold * scale) - bars[:, 0]
        found.append(bars[np.argsort(-length, kind="stable")])
    return Diagram(tuple(found), threshold * scale, scale)


def loop_scale(diagram: Diagram, *, loops: int = 2, after: float = 0.0) -> float:
    """Distance at which the longest loops are alive and no others; NaN where there is none.

    It lies 0.4 into the window of such distances.

    Args:
        diagram: of the points.
        loops: how many.
        after: only distances beyond this one, such as that at which a torus's void has appeared.
    """
    bars = diagram.intervals[1]
    if not 1 <= loops <= len(bars):
        return math.nan
    born = max(float(bars[:loops, 0].max()), after)
    closed = min(float(bars[:loops, 1].min()), diagram.threshold)
    if not born < closed:
        return math.nan
    others = bars[loops:]
    # Distances at which no shorter loop is alive: the widest such stretch of the window.
    edges = np.unique(np.concatenate([[born, closed], np.clip(others.ravel(), born, closed)]))
    free = [
        (a, b)
        for a, b in itertools.pairwise(edges)
        if not ((others[:, 0] < b) & (others[:, 1] > a)).any()
    ]
    if not free:
        return math.nan
    start, end = max(free, key=lambda stretch: stretch[1] - stretch[0])
    return float(start + INTO_WINDOW * (end - start))
