r"""Integer cocycles: the independent loops of a graph whose triangles are filled.

Source: de Silva, Morozov and Vejdemo-Johansson 2011, "Persistent cohomology and circular
coordinates".
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csgraph, csr_matrix
from scipy.sparse.linalg import lsmr, spsolve
from scipy.spatial.distance import pdist, squareform

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

MOST_GENERATORS = 60
RADIUS_NEIGHBOUR = 8
LEAST_SCALED = 0.25
# Edges much longer than those around them still hold the graph together.
LEAST_KERNEL = 1e-9


@dataclass(frozen=True)
class Loops:
    r"""The independent loops of points joined up to a distance, as functions that count turns.

    Attributes:
        edges: (edge, 2) points that are joined.
        weight: (edge,) weight of each in least squares.
        potential: (loop, point) the smoothest function of the points, in turns, whose differences
            are whole numbers off a closed form that counts turns around each loop.
        change: (loop, edge) that closed form: change along each edge; sums to zero around
            triangles, to a whole number around loops.
    """

    edges: Int[np.ndarray, "edge 2"]
    weight: Float[np.ndarray, " edge"]
    potential: Float[np.ndarray, "loop point"]
    change: Float[np.ndarray, "loop edge"]


@takes_arrays
def find_loops(points: Float[np.ndarray, "point component"], *, scale: float) -> Loops:
    r"""The independent loops of points that are joined up to a distance, with all triangles filled.

    The integer cocycles $\alpha$ (functions of edges that sum to 0 around triangles) modulo those
    that only re-label points are $\mathbb Z^n$ for n loops (`integer_cocycles`). For each of a
    basis $\tau$ minimises

    $$ \sum_{ij} w_{ij} (\tau_j - \tau_i - \alpha_{ij})^2, \quad
        w_{ij} = \frac{k_{ij}}{q_i q_j}, \quad k_{ij} = e^{-d_{ij}^2 / r_i r_j}, \quad q_i = 1 +
        \sum_j k_{ij} $$

    with $r_i$ the distance from i to its eighth neighbour: divided by the density q, the sum does
    not depend on how densely points lie. Here distances are taken between components scaled to
    equal variance (those of less than a quarter of the largest variance are scaled alike), which
    makes up for loops of unequal size where few units have uneven phases.

    Args:
        points: (point, component), such as `Topology.points`.
        scale: distance up to which points are joined, see `loop_scale`.

    Raises:
        InputError: points that are not finite, or a scale at which they are in pieces or have too
            many loops.
    """
    if points.ndim != 2 or len(points) < 4 or not np.isfinite(points).all():
        raise InputError(
            f"loops need four points or more (point, component), all finite, not {points.shape}"
        )
    edges = (
        np.argwhere(np.triu(squareform(pdist(points)) <= scale, k=1))
        if scale > 0
        else np.empty((0, 2), dtype=np.int64)
    )
    n = len(points)
    pieces = _pieces(csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n)))
    if pieces != 1:
        raise InputError(
            f"at a scale of {scale:g} the points are in {pieces} pieces: loops need one"
        )
    weight = _weights(points, edges)
    potential, left = _smoothest(edges, integer_cocycles(edges, n), weight, n)
    return Loops(edges, weight, potential, left)


def cup_product(loops: Loops) -> float:
    r"""Whether two loops span a surface together, as those of a torus do: 0 where they do not.

    $$ (\alpha \cup \beta)_{ijk} = \alpha_{ij} \beta_{jk}, \qquad \min_\gamma |\alpha \cup \beta -
    \delta \gamma| \, / \, |\alpha \cup \beta| $$

    over triangles i < j < k, $(\delta \gamma)_{ijk} = \gamma_{ij} + \gamma_{jk} - \gamma_{ik}$:
    what of the product no function of edges explains. Betti numbers (1, 2, 1) alone can be those of
    a sphere with two rings attached, whose product is explained up to rounding; on a torus about
    half is left.

    Raises:
        InputError: another number of loops than two.

    Source: Hatcher 2002, Algebraic Topology, section 3.2.
    """
    if len(loops.change) != 2:
        raise InputError(f"a product needs two loops, not {len(loops.change)}")
    triangles = triangles_of(loops.edges, loops.potential.shape[1])
    product = loops.change[0][triangles[:, 0]] * loops.change[1][triangles[:, 1]]
    size = float(np.linalg.norm(product))
    if not size > 0:
        return 0.0
    count = len(triangles)
    ends = (np.tile(np.arange(count), 3), triangles.T.ravel())
    boundary = coo_matrix(
        (np.repeat([1.0, 1.0, -1.0], count), ends), shape=(count, len(loops.edges))
    ).tocsr()
    explained = boundary @ lsmr(boundary, product, atol=1e-10, btol=1e-10, maxiter=3000)[0]
    return float(np.linalg.norm(product - explained) / size)


def _pieces(graph: csr_matrix) -> int:
    return int(csgraph.connected_components(graph, directed=False)[0])


def _weights(
    points: Float[np.ndarray, "point component"], edges: Int[np.ndarray, "edge 2"]
) -> Float[np.ndarray, " edge"]:
    """Weights of the edges in the least squares."""
    variance = points.var(axis=0)
    scale = np.sqrt(np.maximum(variance, LEAST_SCALED * variance.max()))
    # Points that are all the same have no scale, and no distances.
    distances = squareform(pdist(points / np.where(scale > 0, scale, 1.0)))
    first, second = edges.T
    near = min(RADIUS_NEIGHBOUR, len(points) - 1)
    radius = np.partition(distances, near, axis=1)[:, near]
    # Points that repeat have no distance to their neighbours.
    radius = np.maximum(
        radius, max(LEAST_KERNEL * float(distances.max()), np.finfo(np.float64).tiny ** 0.5)
    )
    kernel = np.maximum(
        np.exp(-(distances[first, second] ** 2) / (radius[first] * radius[second])), LEAST_KERNEL
    )
    density = 1 + np.bincount(first, kernel, len(points)) + np.bincount(second, kernel, len(points))
    return np.asarray(kernel / (density[first] * density[second]))


@takes_arrays
def integer_cocycles(edges: Int[np.ndarray, "edge 2"], points: int) -> Int[np.ndarray, "loop edge"]:
    """A basis of the integer cocycles of a connected graph, modulo coboundaries.

    Triangles are filled; there is one cocycle for each independent loop.

    Edges of a spanning tree are given 0. In a triangle two edges give the third; where that no
    longer helps, an edge becomes a free generator and the others go on as integer combinations of
    generators. In the end every triangle is a linear condition on the generators; the whole-number
    solutions are the basis.

    Args:
        edges: (edge, 2) points joined, each pair once with the smaller number first.
        points: number of points.

    Raises:
        InputError: edges that are not of that form, a graph in pieces, or too many generators: the
            graph is far from a manifold.
    """
    count = len(edges)
    if (
        edges.ndim != 2
        or not count
        or edges.min() < 0
        or edges.max() >= points
        or not (edges[:, 0] < edges[:, 1]).all()
    ):
        raise InputError(
            f"edges must be pairs of points 0 to {points - 1}, the smaller number first"
        )
    graph = csr_matrix((np.ones(count), (edges[:, 0], edges[:, 1])), shape=(points, points))
    if graph.nnz != count or _pieces(graph) != 1:
        raise InputError("edges must be there once each and make one connected graph")
    number = _numbered(edges, points)
    triangles = triangles_of(edges, points)
    value, known = np.zeros((count, 0), dtype=np.int64), np.zeros(count, dtype=bool)
    # A breadth-first tree: what is near its root is soon known.
    order, parent = csgraph.breadth_first_order(
        graph, int(np.bincount(edges.ravel(), minlength=points).argmax()), directed=False
    )
    child = order[1:]
    known[
        _edge_numbers(number, np.minimum(child, parent[child]), np.maximum(child, parent[child]))
    ] = True
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
            raise InputError(
                f"more than {MOST_GENERATORS} loops: "
                "the points do not lie densely on a surface at this scale"
            )
        value = np.concatenate([value, np.zeros((count, 1), dtype=np.int64)], axis=1)
        value[unknown[0], -1] = 1
        known[unknown[0]] = True
    conditions = (
        np.unique((sign[None, :, None] * value[triangles]).sum(axis=1), axis=0)
        if len(triangles)
        else np.zeros((0, value.shape[1]), dtype=np.int64)
    )
    return np.asarray(_integer_kernel(conditions) @ value.T, dtype=np.int64)


def _numbered(edges: Int[np.ndarray, "edge 2"], points: int) -> csr_matrix:
    """The number of each edge, counted from 1, where its two points meet."""
    return csr_matrix(
        (np.arange(1, len(edges) + 1), (edges[:, 0], edges[:, 1])), shape=(points, points)
    )


def _edge_numbers(
    number: csr_matrix, first: np.ndarray, second: np.ndarray
) -> Int[np.ndarray, " edge"]:
    return np.asarray(number[first, second]).ravel().astype(np.int64) - 1


@takes_arrays
def triangles_of(edges: Int[np.ndarray, "edge 2"], points: int) -> Int[np.ndarray, "triangle 3"]:
    """Numbers of the edges ij, jk, ik of all triangles i < j < k of a graph."""
    number = np.full((points, points), -1)
    number[edges[:, 0], edges[:, 1]] = np.arange(len(edges))
    found = [np.empty((0, 3), dtype=np.int64)]
    for row in number:
        later = np.flatnonzero(row >= 0)
        between = number[np.ix_(later, later)]
        j, k = np.nonzero(between >= 0)
        found.append(np.stack([row[later[j]], between[j, k], row[later[k]]], axis=1))
    return np.concatenate(found)


def _integer_kernel(
    conditions: Int[np.ndarray, "condition generator"],
) -> Int[np.ndarray, "solution generator"]:
    """A basis of all whole-number solutions, by Euclid's algorithm on columns."""
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
    return np.array(
        [[made[i][c] for i in range(n)] for c in range(done, n)], dtype=np.int64
    ).reshape(n - done, n)


def _smoothest(
    edges: Int[np.ndarray, "edge 2"],
    cocycles: Int[np.ndarray, "loop edge"],
    weight: Float[np.ndarray, " edge"],
    points: int,
) -> tuple[Float[np.ndarray, "loop point"], Float[np.ndarray, "loop edge"]]:
    """The potential of each cocycle by weighted least squares, and the residual on each edge."""
    rows = np.arange(len(edges))
    difference = coo_matrix(
        (np.repeat([-1.0, 1.0], len(edges)), (np.tile(rows, 2), edges.T.ravel())),
        shape=(len(edges), points),
    ).tocsr()
    laplacian = (difference.T @ difference.multiply(weight[:, None])).tocsc()
    right = difference.T @ (weight * cocycles).T
    potential = np.zeros((len(cocycles), points))
    # The potential is known up to a constant: the first point's is 0.
    potential[:, 1:] = np.atleast_2d(spsolve(laplacian[1:, 1:], right[1:]).T)
    return potential, np.asarray((difference @ potential.T).T) - cocycles
