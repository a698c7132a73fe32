r"""Circular coordinates: two angles of every state on a torus, from its shape alone.

Each class of loops gives a coordinate that goes once around along it. It is found as an integer
cocycle: a whole number on every edge of the neighbourhood graph that sums to zero around every
triangle, and to the number of turns around every loop. The smoothest function of the points whose
differences are these numbers, up to whole turns, is the coordinate.

Source: de Silva, Morozov and Vejdemo-Johansson 2011, "Persistent cohomology and circular
coordinates"; lattice-reduced pairs of coordinates: Scoccola, Gakhar, Bush, Schonsheck, Rask, Zhou
and Perea 2023, "Toroidal coordinates: decorrelating circular coordinates with lattice reduction".
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from gridcode.analysis.cells.lattice import shortest
from gridcode.analysis.cells.phases import wrapped
from gridcode.analysis.topology.betti import Topology
from gridcode.analysis.topology.cocycles import find_loops
from gridcode.analysis.topology.persistence import loop_scale
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Coefficients of coordinates that are tried for each lattice phase; reduced coordinates need no
# larger ones.
LARGEST_COEFFICIENT = 2


@dataclass(frozen=True)
class PhaseMatch:
    """How toroidal coordinates agree with the phases of a known lattice.

    Attributes:
        matrix: (2, 2) whole numbers: coordinates are `matrix @ phases` plus a constant, modulo 1;
            determinant +-1 where they are the lattice's own torus.
        correlation: (2,) circular correlation of each coordinate with its combination of phases,
            Fisher and Lee's; 1 equal up to a constant.
        unimodular: whether the determinant is +-1, so that either can be computed from the other.
    """

    matrix: Int[np.ndarray, "2 2"]
    correlation: Float[np.ndarray, " 2"]
    unimodular: bool


@takes_arrays
def toroidal_coordinates(
    points: Float[np.ndarray, "point component"], *, scale: float
) -> Float[np.ndarray, "point 2"]:
    r"""Two circular coordinates of points on a torus, in turns from 0 to 1.

    Each of the two loops of the points (`gridcode.analysis.topology.cocycles.find_loops`) gives the
    coordinate $\theta = \tau \bmod 1$, with $\tau$ its smoothest potential. Of all pairs of
    whole-number combinations of the two the one with the least sum of squared changes is taken
    (Lagrange's reduction), so that the coordinates go around the shortest loops.

    Args:
        points: (point, component), such as `Topology.points`.
        scale: distance up to which points are joined; at it the graph must have exactly two loops,
            see `loop_scale`.

    Raises:
        InputError: points that are not finite, or a scale at which they are in pieces or have
            another number of loops than two.
    """
    loops = find_loops(points, scale=scale)
    if len(loops.change) != 2:
        raise InputError(
            f"at a scale of {scale:g} the points have {len(loops.change)} independent loops: "
            "toroidal coordinates need two"
        )
    # Vectors with the same inner products as the two loops.
    try:
        vectors = np.linalg.cholesky((loops.change * loops.weight) @ loops.change.T)
    except np.linalg.LinAlgError:
        raise InputError(f"the two loops are not independent at a scale of {scale:g}") from None
    basis = np.rint(shortest(vectors[None])[0] @ np.linalg.inv(vectors))
    return wrapped((basis @ loops.potential).T)


def coordinates_of(topology: Topology) -> Float[np.ndarray, "landmark 2"]:
    """Toroidal coordinates of the landmarks of a population whose states make a torus.

    Raises:
        InputError: they do not.
    """
    if not topology.torus:
        raise InputError(
            f"the states were not shown to make a torus (Betti numbers {topology.betti})"
        )
    return toroidal_coordinates(
        topology.points, scale=loop_scale(topology.diagram, after=topology.window[0])
    )


@takes_arrays
def extend_coordinates(
    points: Float[np.ndarray, "point component"],
    coordinates: Float[np.ndarray, "point 2"],
    at: Float[np.ndarray, "sample component"],
    *,
    neighbours: int = 6,
) -> Float[np.ndarray, "sample 2"]:
    """Coordinates of any samples: weighted circular means of their nearest points' coordinates.

    Args:
        points: (point, component) points with coordinates.
        coordinates: theirs, in turns.
        at: (sample, component) where to.
        neighbours: how many points.

    Raises:
        InputError: fewer points than neighbours, shapes that do not match, or values that are not
            finite.
    """
    if not 1 <= neighbours <= len(points):
        raise InputError(f"1 to {len(points)} neighbours are possible, not {neighbours}")
    if coordinates.shape != (len(points), 2) or at.ndim != 2 or at.shape[1] != points.shape[1]:
        raise InputError(
            f"points {points.shape}, coordinates {coordinates.shape} and samples {at.shape} "
            "do not match"
        )
    if not all(np.isfinite(x).all() for x in (points, coordinates, at)):
        raise InputError("points, coordinates and samples must be finite")
    # A list of ranks, so that one neighbour is a column too.
    distance, nearest = (
        np.asarray(found) for found in KDTree(points).query(at, k=list(range(1, neighbours + 1)))
    )
    width = distance[:, -1:] + np.finfo(np.float64).tiny
    weight = np.exp(-2 * (distance / width) ** 2)
    mean = np.einsum("sk,skc->sc", weight, np.exp(2j * np.pi * coordinates[nearest]))
    return wrapped(np.angle(mean) / (2 * np.pi))


@takes_arrays
def circular_correlation(
    first: Float[np.ndarray, " sample"], second: Float[np.ndarray, " sample"]
) -> float:
    r"""Correlation of two angles, in turns.

    1 where they differ by a constant, -1 where their sum is constant, 0 where they are unrelated.

    $$ \rho = \frac{\sum_{i<j} \sin(a_i - a_j) \sin(b_i - b_j)}{\sqrt{\sum_{i<j} \sin^2(a_i - a_j)
    \, \sum_{i<j} \sin^2(b_i - b_j)}} $$

    which unlike correlations about mean directions is defined for uniform angles. NaN where either
    is constant.

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
    squares = [
        float(np.linalg.det(np.stack([np.cos(x), np.sin(x)]) @ np.stack([np.cos(x), np.sin(x)]).T))
        for x in (a, b)
    ]
    smallest = 1e-12 * len(a) ** 2
    return product / math.sqrt(squares[0] * squares[1]) if min(squares) > smallest else math.nan


@takes_arrays
def match_phases(
    coordinates: Float[np.ndarray, "sample 2"], phases: Float[np.ndarray, "sample 2"]
) -> PhaseMatch:
    """How toroidal coordinates agree with the phases of a lattice at the same samples.

    For each coordinate the whole-number combination of the two phases is sought that it follows
    best.

    Args:
        coordinates: (sample, 2) in turns.
        phases: (sample, 2) in turns: positions in the unit cell of the lattice.

    Raises:
        InputError: shapes that do not match, no samples, or values that are not finite.
    """
    if (
        coordinates.shape != phases.shape
        or coordinates.ndim != 2
        or coordinates.shape[1] != 2
        or not len(coordinates)
    ):
        raise InputError(
            "coordinates and phases must both be (sample, 2), "
            f"not {coordinates.shape} and {phases.shape}"
        )
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
    pairs = zip(coordinates.T, matrix, strict=True)
    correlation = np.array([circular_correlation(c, phases @ row) for c, row in pairs])
    return PhaseMatch(matrix, correlation, bool(abs(round(float(np.linalg.det(matrix)))) == 1))
