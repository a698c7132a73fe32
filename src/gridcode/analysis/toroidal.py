r"""Coordinates on a torus from its shape alone: where on each of its two loops every state lies, without knowing any position.

Each class of loops gives a coordinate that goes once around along it. It is found as an integer cocycle: a whole number on every edge of the
neighbourhood graph that sums to zero around every triangle, and to the number of turns around every loop. The smoothest function of the points
whose differences are these numbers, up to whole turns, is the coordinate.

Source: de Silva, Morozov and Vejdemo-Johansson 2011, "Persistent cohomology and circular coordinates"; lattice-reduced pairs of coordinates:
Scoccola, Gakhar, Bush, Schonsheck, Rask, Zhou and Perea 2023, "Toroidal coordinates: decorrelating circular coordinates with lattice reduction".
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csgraph, csr_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist, squareform

from gridcode.analysis.topology import Diagram, Topology
from gridcode.errors import InputError

LOOPS = 2
# The graph joins points up to this part of the way through the window in which the two loops are all there is: late enough to be dense, early
# enough to be cheap.
INTO_WINDOW = 0.4
MOST_GENERATORS = 60
RADIUS_NEIGHBOUR = 8
LEAST_SCALED = 0.25
# Edges much longer than those around them still hold the graph together.
LEAST_KERNEL = 1e-9
# Coefficients of coordinates that are tried for each lattice phase; reduced coordinates need no larger ones.
LARGEST_COEFFICIENT = 2


@dataclass(frozen=True)
class PhaseMatch:
    """How toroidal coordinates agree with the phases of a known lattice.

    Attributes:
        matrix: (2, 2) whole numbers: coordinates are `matrix @ phases` plus a constant, modulo 1; determinant +-1 where they are the lattice's
            own torus.
        correlation: (2,) circular correlation of each coordinate with its combination of phases, Fisher and Lee's; 1 equal up to a constant.
        unimodular: whether the determinant is +-1, so that either can be computed from the other.
    """

    matrix: Int[np.ndarray, "2 2"]
    correlation: Float[np.ndarray, " 2"]
    unimodular: bool


def loop_scale(diagram: Diagram, *, loops: int = LOOPS) -> float:
    """Distance at which the `loops` longest loops are alive and no others, 0.4 into the window of such distances; NaN where there is none.

    Args:
        diagram: of the points.
        loops: how many.
    """
    bars = diagram.intervals[1]
    if not 1 <= loops <= len(bars):
        return math.nan
    born, closed = bars[:loops, 0].max(), min(float(bars[:loops, 1].min()), diagram.threshold)
    if not born < closed:
        return math.nan
    others = bars[loops:]
    # Distances at which no shorter loop is alive: the widest such stretch of the window.
    edges = np.unique(np.concatenate([[born, closed], np.clip(others.ravel(), born, closed)]))
    free = [(a, b) for a, b in itertools.pairwise(edges) if not ((others[:, 0] < b) & (others[:, 1] > a)).any()]
    if not free:
        return math.nan
    start, end = max(free, key=lambda stretch: stretch[1] - stretch[0])
    return float(start + INTO_WINDOW * (end - start))


def toroidal_coordinates(points: Float[np.ndarray, "point component"], *, scale: float) -> Float[np.ndarray, "point 2"]:
    r"""Two circular coordinates of points on a torus, in turns from 0 to 1.

    On the graph of points closer than `scale`, with its triangles filled, the integer cocycles $\alpha$ (functions of edges that sum to 0 around
    triangles) modulo those that only re-label points are $\mathbb Z^2$ for a torus. For each of two generators the coordinate is
    $\theta = \tau \bmod 1$ with $\tau$ minimising

    $$ \sum_{ij} w_{ij} (\tau_j - \tau_i - \alpha_{ij})^2, \quad
        w_{ij} = \frac{k_{ij}}{q_i q_j}, \quad k_{ij} = e^{-d_{ij}^2 / r_i r_j}, \quad q_i = 1 + \sum_j k_{ij} $$

    with $r_i$ the distance from i to its eighth neighbour: divided by the density q, the sum does not depend on how densely the torus is
    sampled. Here distances are taken between components scaled to equal variance (those of less than a quarter of the largest variance are scaled
    alike), which makes up for loops of unequal size where few units have uneven phases. Of all pairs of generators the one with the least sum of
    squared changes is taken (Lagrange's reduction), so that the coordinates go around the shortest loops.

    Args:
        points: (point, component), such as `Topology.points`.
        scale: distance up to which points are joined; at it the graph must have exactly two loops, see `loop_scale`.

    Raises:
        InputError: points that are not finite, or a scale at which the graph is in pieces or has another number of loops than two.
    """
    if points.ndim != 2 or len(points) < 4 or not np.isfinite(points).all():
        raise InputError(f"toroidal coordinates need four points or more (point, component), all finite, not {points.shape}")
    distances = squareform(pdist(points))
    edges = np.argwhere(np.triu(distances <= scale, k=1)) if scale > 0 else np.empty((0, 2), dtype=np.int64)
    n = len(points)
    graph = csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    pieces = _pieces(graph)
    if pieces != 1:
        raise InputError(f"at a scale of {scale:g} the points are in {pieces} pieces: toroidal coordinates need one")
    cocycles = integer_cocycles(edges, n)
    if len(cocycles) != LOOPS:
        raise InputError(f"at a scale of {scale:g} the points have {len(cocycles)} independent loops: toroidal coordinates need two")
    weight = _weights(points, edges)
    potential, left = _smoothest(edges, cocycles, weight, n)
    gram = (left * weight) @ left.T
    basis = _reduced_basis(gram)
    theta = (basis @ potential).T
    return theta - np.floor(theta)


def _pieces(graph: csr_matrix) -> int:
    return int(csgraph.connected_components(graph, directed=False)[0])


def _weights(points: Float[np.ndarray, "point component"], edges: Int[np.ndarray, "edge 2"]) -> Float[np.ndarray, " edge"]:
    """Weights of the edges in the least squares."""
    variance = points.var(axis=0)
    distances = squareform(pdist(points / np.sqrt(np.maximum(variance, LEAST_SCALED * variance.max()))))
    first, second = edges.T
    near = min(RADIUS_NEIGHBOUR, len(points) - 1)
    radius = np.partition(distances, near, axis=1)[:, near]
    # Points that repeat have no distance to their neighbours.
    radius = np.maximum(radius, LEAST_KERNEL * distances.max())
    kernel = np.maximum(np.exp(-(distances[first, second] ** 2) / (radius[first] * radius[second])), LEAST_KERNEL)
    density = 1 + np.bincount(first, kernel, len(points)) + np.bincount(second, kernel, len(points))
    return np.asarray(kernel / (density[first] * density[second]))


def integer_cocycles(edges: Int[np.ndarray, "edge 2"], points: int) -> Int[np.ndarray, "loop edge"]:
    """A basis of the integer cocycles of a connected graph whose triangles are filled, modulo coboundaries: one for each independent loop.

    Edges of a spanning tree are given 0. In a triangle two edges give the third; where that no longer helps, an edge becomes a free generator and
    the others go on as integer combinations of generators. In the end every triangle is a linear condition on the generators; the whole-number
    solutions are the basis.

    Args:
        edges: (edge, 2) points joined, each pair once with the smaller number first.
        points: number of points.

    Raises:
        InputError: edges that are not of that form, a graph in pieces, or too many generators: the graph is far from a manifold.
    """
    count = len(edges)
    if edges.ndim != 2 or not count or edges.min() < 0 or edges.max() >= points or not (edges[:, 0] < edges[:, 1]).all():
        raise InputError(f"edges must be pairs of points 0 to {points - 1}, the smaller number first")
    graph = csr_matrix((np.ones(count), (edges[:, 0], edges[:, 1])), shape=(points, points))
    if graph.nnz != count or _pieces(graph) != 1:
        raise InputError("edges must be there once each and make one connected graph")
    number = csr_matrix((np.arange(1, count + 1), (edges[:, 0], edges[:, 1])), shape=(points, points))
    triangles = _triangles(edges, number)
    value, known = np.zeros((count, 0), dtype=np.int64), np.zeros(count, dtype=bool)
    # A breadth-first tree: what is near its root is soon known.
    order, parent = csgraph.breadth_first_order(graph, int(np.bincount(edges.ravel(), minlength=points).argmax()), directed=False)
    child = order[1:]
    known[_edge_numbers(number, np.minimum(child, parent[child]), np.maximum(child, parent[child]))] = True
    depth = np.empty(points, dtype=np.int64)
    depth[order] = np.arange(len(order))
    near = np.argsort(depth[edges].max(axis=1), kind="stable")
    # Around a triangle i < j < k: a(ij) + a(jk) - a(ik) = 0.
    sign = np.array([1, 1, -1])
    while True:
        while True:
            state = known[triangles]
            ready = triangles[state.sum(axis=1) == 2]
            if not len(ready):
                break
            missing = (~known[ready]).argmax(axis=1)
            target, first = np.unique(ready[np.arange(len(ready)), missing], return_index=True)
            row, place = ready[first], missing[first]
            total = (sign[None, :, None] * value[row] * known[row][:, :, None]).sum(axis=1)
            value[target] = -total * sign[place][:, None]
            known[target] = True
        unknown = near[~known[near]]
        if not len(unknown):
            break
        if value.shape[1] == MOST_GENERATORS:
            raise InputError(f"more than {MOST_GENERATORS} loops to tell apart: the points do not lie densely on a surface at this scale")
        value = np.concatenate([value, np.zeros((count, 1), dtype=np.int64)], axis=1)
        value[unknown[0], -1] = 1
        known[unknown[0]] = True
    conditions = (
        np.unique((sign[None, :, None] * value[triangles]).sum(axis=1), axis=0) if len(triangles) else np.zeros((0, value.shape[1]), dtype=np.int64)
    )
    return np.asarray(_integer_kernel(conditions) @ value.T, dtype=np.int64)


def _edge_numbers(number: csr_matrix, first: np.ndarray, second: np.ndarray) -> Int[np.ndarray, " edge"]:
    return np.asarray(number[first, second]).ravel().astype(np.int64) - 1


def _triangles(edges: Int[np.ndarray, "edge 2"], number: csr_matrix) -> Int[np.ndarray, "triangle 3"]:
    """Numbers of the edges ij, jk, ik of all triangles i < j < k."""
    later = [number.indices[number.indptr[i] : number.indptr[i + 1]] for i in range(number.shape[0])]
    found = []
    for i, j in edges:
        common = np.intersect1d(later[i], later[j], assume_unique=True)
        if len(common):
            found.append(np.stack([np.full(len(common), i), np.full(len(common), j), common], axis=1))
    if not found:
        return np.empty((0, 3), dtype=np.int64)
    i, j, k = np.concatenate(found).T
    return np.stack([_edge_numbers(number, i, j), _edge_numbers(number, j, k), _edge_numbers(number, i, k)], axis=1)


def _integer_kernel(conditions: Int[np.ndarray, "condition generator"]) -> Int[np.ndarray, "solution generator"]:
    """A basis of all whole-number solutions: columns are reduced by Euclid's algorithm, and what made the zero columns is the kernel."""
    rows, n = conditions.shape
    # Python's integers: entries may grow.
    a = [[int(x) for x in row] for row in conditions]
    made = [[int(i == j) for j in range(n)] for i in range(n)]
    done = 0
    for row in range(rows):
        while True:
            live = [c for c in range(done, n) if a[row][c]]
            if not live:
                break
            pivot = min(live, key=lambda c: abs(a[row][c]))
            for c in live:
                if c != pivot:
                    factor = a[row][c] // a[row][pivot]
                    for table in (a, made):
                        for line in table:
                            line[c] -= factor * line[pivot]
            if len(live) == 1:
                for table in (a, made):
                    for line in table:
                        line[done], line[pivot] = line[pivot], line[done]
                done += 1
                break
    return np.array([[made[i][c] for i in range(n)] for c in range(done, n)], dtype=np.int64).reshape(n - done, n)


def _smoothest(
    edges: Int[np.ndarray, "edge 2"], cocycles: Int[np.ndarray, "loop edge"], weight: Float[np.ndarray, " edge"], points: int
) -> tuple[Float[np.ndarray, "loop point"], Float[np.ndarray, "loop edge"]]:
    """The potential of each cocycle by weighted least squares, and the change that is left on each edge, cocycle taken into account."""
    rows = np.arange(len(edges))
    difference = coo_matrix((np.repeat([-1.0, 1.0], len(edges)), (np.tile(rows, 2), edges.T.ravel())), shape=(len(edges), points)).tocsr()
    laplacian = (difference.T @ difference.multiply(weight[:, None])).tocsc()
    right = difference.T @ (weight * cocycles).T
    potential = np.zeros((len(cocycles), points))
    # The potential is known up to a constant: the first point's is 0.
    potential[:, 1:] = np.atleast_2d(spsolve(laplacian[1:, 1:], right[1:]).T)
    return potential, np.asarray((difference @ potential.T).T) - cocycles


def _reduced_basis(gram: Float[np.ndarray, "2 2"]) -> Int[np.ndarray, "2 2"]:
    """Lagrange's reduction of two generators with these inner products: the two shortest independent whole-number combinations."""
    basis = np.eye(2, dtype=np.int64)
    while True:
        g = basis @ gram @ basis.T
        if g[1, 1] < g[0, 0]:
            basis, g = basis[::-1], g[::-1, ::-1]
        times = round(g[0, 1] / g[0, 0])
        if times == 0:
            return np.asarray(basis)
        basis = np.stack([basis[0], basis[1] - times * basis[0]])


def coordinates_of(topology: Topology) -> Float[np.ndarray, "landmark 2"]:
    """Toroidal coordinates of the landmarks of a population whose states make a torus.

    Raises:
        InputError: they do not, or no distance shows its two loops alone.
    """
    if not topology.torus:
        raise InputError(f"the states make no torus (Betti numbers {topology.betti})")
    scale = loop_scale(topology.diagram)
    if math.isnan(scale):
        raise InputError("no distance shows the two loops of the torus without others")
    return toroidal_coordinates(topology.points, scale=scale)


def extend_coordinates(
    points: Float[np.ndarray, "point component"],
    coordinates: Float[np.ndarray, "point 2"],
    at: Float[np.ndarray, "sample component"],
    *,
    neighbours: int = 6,
) -> Float[np.ndarray, "sample 2"]:
    """Coordinates of any samples: circular means of their nearest points' coordinates, nearer ones counting more.

    Args:
        points: (point, component) points with coordinates.
        coordinates: theirs, in turns.
        at: (sample, component) where to.
        neighbours: how many points.

    Raises:
        InputError: fewer points than neighbours, shapes that do not match, or values that are not finite.
    """
    if not 1 <= neighbours <= len(points):
        raise InputError(f"1 to {len(points)} neighbours are possible, not {neighbours}: there are no more points")
    if coordinates.shape != (len(points), 2) or at.ndim != 2 or at.shape[1] != points.shape[1]:
        raise InputError(f"points {points.shape}, coordinates {coordinates.shape} and samples {at.shape} do not match")
    if not all(np.isfinite(x).all() for x in (points, coordinates, at)):
        raise InputError("points, coordinates and samples must be finite")
    # A list of ranks, so that one neighbour is a column too.
    distance, nearest = (np.asarray(found) for found in KDTree(points).query(at, k=list(range(1, neighbours + 1))))
    width = distance[:, -1:] + np.finfo(np.float64).tiny
    weight = np.exp(-2 * (distance / width) ** 2)
    mean = np.einsum("sk,skc->sc", weight, np.exp(2j * np.pi * coordinates[nearest]))
    turn = np.angle(mean) / (2 * np.pi)
    return turn - np.floor(turn)


def circular_correlation(first: Float[np.ndarray, " sample"], second: Float[np.ndarray, " sample"]) -> float:
    r"""Correlation of two angles, in turns: 1 where they differ by a constant, -1 where their sum is constant, 0 where they are unrelated.

    $$ \rho = \frac{\sum_{i<j} \sin(a_i - a_j) \sin(b_i - b_j)}{\sqrt{\sum_{i<j} \sin^2(a_i - a_j) \, \sum_{i<j} \sin^2(b_i - b_j)}} $$

    which unlike correlations about mean directions is defined for uniform angles. NaN where either is constant.

    Raises:
        InputError: different numbers of angles.

    Source: Fisher and Lee 1983.
    """
    if first.shape != second.shape:
        raise InputError(f"{len(first)} angles cannot be correlated with {len(second)}")
    a, b = 2 * np.pi * first, 2 * np.pi * second
    # sum over pairs of sin(a_i - a_j) sin(b_i - b_j), by products of sums.
    table = np.stack([np.cos(a), np.sin(a)]) @ np.stack([np.cos(b), np.sin(b)]).T
    product = float(np.linalg.det(table))
    squares = [float(np.linalg.det(np.stack([np.cos(x), np.sin(x)]) @ np.stack([np.cos(x), np.sin(x)]).T)) for x in (a, b)]
    smallest = 1e-12 * len(a) ** 2
    return product / math.sqrt(squares[0] * squares[1]) if min(squares) > smallest else math.nan


def match_phases(coordinates: Float[np.ndarray, "sample 2"], phases: Float[np.ndarray, "sample 2"]) -> PhaseMatch:
    """How toroidal coordinates agree with the phases of a lattice at the same samples, by whatever pair of its loops they go around.

    For each coordinate the whole-number combination of the two phases is sought that it follows best.

    Args:
        coordinates: (sample, 2) in turns.
        phases: (sample, 2) in turns: positions in the unit cell of the lattice.

    Raises:
        InputError: shapes that do not match, no samples, or values that are not finite.
    """
    if coordinates.shape != phases.shape or coordinates.ndim != 2 or coordinates.shape[1] != 2 or not len(coordinates):
        raise InputError(f"coordinates and phases must both be (sample, 2), not {coordinates.shape} and {phases.shape}")
    if not (np.isfinite(coordinates).all() and np.isfinite(phases).all()):
        raise InputError("coordinates and phases must be finite")
    tried = range(-LARGEST_COEFFICIENT, LARGEST_COEFFICIENT + 1)
    combinations = np.array([c for c in itertools.product(tried, tried) if any(c)])
    turns = phases @ combinations.T
    rows = []
    for coordinate in coordinates.T:
        resultant = np.abs(np.exp(2j * np.pi * (coordinate[:, None] - turns)).mean(axis=0))
        rows.append(combinations[int(resultant.argmax())])
    matrix = np.stack(rows)
    correlation = np.array([circular_correlation(c, phases @ row) for c, row in zip(coordinates.T, matrix, strict=True)])
    return PhaseMatch(matrix, correlation, bool(abs(round(float(np.linalg.det(matrix)))) == 1))
