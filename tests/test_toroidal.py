import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from gridcode.analysis.synthetic import band_cell, ideal_grid_code
from gridcode.analysis.topology.betti import measure_topology
from gridcode.analysis.topology.circular_coordinates import (
    circular_correlation,
    coordinates_of,
    extend_coordinates,
    match_phases,
    toroidal_coordinates,
)
from gridcode.analysis.topology.cocycles import (
    _integer_kernel,
    cup_product,
    find_loops,
    integer_cocycles,
    triangles_of,
)
from gridcode.analysis.topology.persistence import (
    Diagram,
    choose_landmarks,
    loop_scale,
    persistence,
    principal_components,
)
from gridcode.errors import InputError


def pairs(*edges):
    return np.array(sorted(tuple(sorted(e)) for e in edges))


def cycle(n, first=0):
    return [(first + i, first + (i + 1) % n) for i in range(n)]


def of_triangles(triangles):
    return pairs(*{tuple(sorted(e)) for t in triangles for e in itertools.combinations(t, 2)})


def grid_torus(side, twisted=False):
    """A square grid with diagonals, its sides glued; turned round on one side: a Klein bottle."""

    def point(i, j):
        if i == side:
            i, j = 0, -j if twisted else j
        return i * side + j % side

    steps = [[(i, j), (i + 1, j), (i + 1, j + 1)] for i in range(side) for j in range(side)]
    steps += [[(i, j), (i, j + 1), (i + 1, j + 1)] for i in range(side) for j in range(side)]
    return of_triangles([[point(*p) for p in t] for t in steps])


# The icosahedron with opposite points made one. Its graph is complete: subdivided, so that only its
# own triangles are filled.
SIX_POINTS = [
    (0, 1, 2),
    (0, 2, 3),
    (0, 3, 4),
    (0, 4, 5),
    (0, 1, 5),
    (1, 2, 4),
    (2, 3, 5),
    (1, 3, 4),
    (2, 4, 5),
    (1, 3, 5),
]


def subdivided(triangles):
    """Barycentric subdivision: its three-cycles of edges are its triangles alone."""
    cells = sorted(
        {c for t in triangles for k in (1, 2, 3) for c in itertools.combinations(sorted(t), k)},
        key=lambda c: (len(c), c),
    )
    number = {c: i for i, c in enumerate(cells)}
    return len(cells), pairs(
        *((number[a], number[b]) for a, b in itertools.combinations(cells, 2) if set(a) < set(b))
    )


PLANE_POINTS, PLANE = subdivided(SIX_POINTS)


@pytest.mark.parametrize(
    ("points", "edges", "loops"),
    [
        (4, pairs(*cycle(4)), 1),
        (9, pairs(*cycle(9)), 1),
        (3, pairs(*cycle(3)), 0),
        (4, pairs(*itertools.combinations(range(4), 2)), 0),
        (2, pairs((0, 1)), 0),
        (7, pairs(*cycle(4), (0, 4), (4, 5), (5, 6), (0, 6)), 2),
        (8, pairs(*cycle(4), *cycle(4, 4), (0, 4)), 2),
        (8, pairs(*cycle(4), *cycle(4, 4), *((i, i + 4) for i in range(4))), 5),
        (
            6,
            of_triangles(
                [
                    (0, 2, 4),
                    (0, 2, 5),
                    (0, 3, 4),
                    (0, 3, 5),
                    (1, 2, 4),
                    (1, 2, 5),
                    (1, 3, 4),
                    (1, 3, 5),
                ]
            ),
            0,
        ),
        (49, grid_torus(7), 2),
        (100, grid_torus(10), 2),
        (81, grid_torus(9, twisted=True), 1),
        (PLANE_POINTS, PLANE, 0),
    ],
)
def test_first_cohomology_of_known_graphs(points, edges, loops, rng):
    for _ in range(3):
        label = rng.permutation(points)
        renamed = pairs(*label[edges].tolist())
        found = integer_cocycles(renamed, points)
        assert found.shape == (loops, len(edges))
        value = {tuple(e): v for e, v in zip(renamed.tolist(), found.T, strict=True)}
        near = {p: {b for a, b in value if a == p} for p in range(points)}
        for i, j in value:
            for k in near[i] & near[j]:
                assert not (value[i, j] + value[j, k] - value[i, k]).any()
        # Independent, and no coboundaries among them: with the differences of points they have full
        # rank.
        difference = np.zeros((len(edges), points))
        difference[np.arange(len(edges)), renamed[:, 0]] = -1
        difference[np.arange(len(edges)), renamed[:, 1]] = 1
        assert (
            np.linalg.matrix_rank(np.concatenate([difference, found.T], axis=1))
            == points - 1 + loops
        )


def test_a_loop_is_counted_once_whatever_its_length():
    for n in (4, 5, 30):
        edges = pairs(*cycle(n))
        (value,) = integer_cocycles(edges, n)
        along = {tuple(e): v for e, v in zip(edges.tolist(), value, strict=True)}
        assert abs(sum(along.get((a, b), 0) - along.get((b, a), 0) for a, b in cycle(n))) == 1


@pytest.mark.parametrize(
    ("edges", "points", "message"),
    [
        (pairs((0, 1), (2, 3)), 4, "connected"),
        (pairs((0, 1)), 3, "connected"),
        (np.array([[1, 0]]), 2, "smaller number first"),
        (np.array([[0, 0]]), 2, "smaller number first"),
        (np.array([[0, 2]]), 2, "0 to 1"),
        (np.zeros((0, 2), dtype=int), 1, "pairs of points"),
        (np.array([[0, 1], [0, 1]]), 2, "once each"),
        (pairs(*((a, b) for a in range(9) for b in range(9, 18))), 18, "60 loops"),
    ],
)
def test_graphs_that_make_no_sense_are_refused(edges, points, message):
    with pytest.raises(InputError, match=message):
        integer_cocycles(edges, points)


def test_integer_kernels_against_all_small_solutions(rng):
    for _ in range(30):
        rows, n = rng.integers(0, 4), rng.integers(1, 5)
        conditions = rng.integers(-3, 4, (rows, n))
        found = _integer_kernel(conditions)
        assert not (conditions @ found.T).any()
        assert len(found) == n - (np.linalg.matrix_rank(conditions) if rows else 0)
        # Every solution is a whole-number combination of the basis.
        every = np.array(list(itertools.product(range(-2, 3), repeat=int(n))))
        every = every[~(every @ conditions.T).any(axis=1)]
        if len(found):
            weights = np.linalg.lstsq(found.T.astype(float), every.T.astype(float), rcond=None)[0]
            np.testing.assert_allclose(weights, np.rint(weights), atol=1e-8)
    assert _integer_kernel(np.array([[2**40, 3**25], [0, 0]])).tolist() in (
        [[-(3**25), 2**40]],
        [[3**25, -(2**40)]],
    )


def diagram(loops, threshold=10.0):
    return Diagram(
        (np.zeros((1, 2)), np.array(loops, dtype=float).reshape(-1, 2), np.zeros((0, 2))),
        threshold,
        1.0,
    )


def test_the_scale_lies_where_two_loops_are_alone():
    assert loop_scale(diagram([[1, 9], [2, 8]])) == pytest.approx(2 + 0.4 * 6)
    assert loop_scale(diagram([[1, np.inf], [2, np.inf]])) == pytest.approx(2 + 0.4 * 8)
    # Others are alive from 2 to 3 and 4 to 4.5: the widest free stretch is from 4.5 to 8.
    assert loop_scale(diagram([[1, 9], [2, 8], [1.5, 3], [4, 4.5]])) == pytest.approx(
        4.5 + 0.4 * 3.5
    )
    assert loop_scale(diagram([[1, 9]]), loops=1) == pytest.approx(1 + 0.4 * 8)
    for none in ([], [[1, 9]], [[1, 4], [5, 8]], [[1, 5], [5, 8]], [[1, 9], [2, 8], [1.5, 8]]):
        assert math.isnan(loop_scale(diagram(none)))
    assert math.isnan(loop_scale(diagram([[1, 9]]), loops=0))


def turns(rng, count, loops=2):
    return rng.random((count, loops))


def flat_torus(phases, small=1.0):
    a, b = 2 * np.pi * phases.T
    return np.stack([np.cos(a), np.sin(a), small * np.cos(b), small * np.sin(b)], axis=1)


def grid(side):
    return np.stack(np.meshgrid(np.arange(side) / side, np.arange(side) / side), axis=-1).reshape(
        -1, 2
    )


def test_coordinates_of_a_regular_torus_are_exact():
    phases = grid(12)
    points = flat_torus(phases)
    found = toroidal_coordinates(points, scale=0.8)
    assert ((found >= 0) & (found < 1)).all()
    match = match_phases(found, phases)
    assert match.unimodular and np.abs(match.matrix).sum() == 2
    off = np.exp(2j * np.pi * (found - phases @ match.matrix.T))
    np.testing.assert_allclose(off, np.broadcast_to(off[0], off.shape), atol=1e-9)
    np.testing.assert_allclose(np.abs(match.correlation), 1)


@pytest.mark.parametrize("lattice", [{}, {"angle_deg": 90.0}, {"angle_deg": 75.0, "ratio": 1.15}])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_coordinates_are_the_phases_of_the_lattice(lattice, seed):
    rng = np.random.default_rng(seed)
    code = ideal_grid_code([0.9], units_per_module=32, generator=rng, **lattice)
    x = rng.uniform(-2, 2, (2500, 2))
    states = code(x)
    states += 0.1 * states.std() * rng.standard_normal(states.shape)
    points, samples = choose_landmarks(principal_components(states), count=200)
    found = toroidal_coordinates(points, scale=loop_scale(persistence(points)))
    phases = code.module_phases(x)[:, 0]
    match = match_phases(found, phases[samples])
    assert match.unimodular
    assert np.abs(match.correlation).min() > 0.98
    # Two coordinates, not one twice.
    assert abs(circular_correlation(*found.T)) < 0.7
    everywhere = extend_coordinates(points, found, principal_components(states))
    assert np.abs(match_phases(everywhere, phases).correlation).min() > 0.97
    # Places do not matter, nor in which directions states lie, nor their size.
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    again = toroidal_coordinates(1e3 * points @ turn, scale=1e3 * loop_scale(persistence(points)))
    assert np.abs(match_phases(again, found).correlation).min() > 0.98


def test_coordinates_belong_to_a_torus_only(rng):
    x = rng.uniform(-2, 2, (1000, 2))
    cells = np.stack(
        [band_cell(x, spacing_m=0.8, phase_m=float(p)) for p in rng.uniform(0, 0.8, 16)], axis=1
    )
    found = measure_topology(
        cells + 0.05 * rng.standard_normal(cells.shape), generator=rng, nulls=19, landmarks=80
    )
    with pytest.raises(InputError, match="not shown to make a torus"):
        coordinates_of(found)
    code = ideal_grid_code([0.9], units_per_module=24, generator=rng)
    torus = measure_topology(code(x), generator=rng, nulls=19, landmarks=100)
    match = match_phases(coordinates_of(torus), code.module_phases(x)[torus.samples, 0])
    assert match.unimodular and np.abs(match.correlation).min() > 0.98


CIRCLE = np.stack(
    [np.cos(2 * np.pi * np.arange(30) / 30), np.sin(2 * np.pi * np.arange(30) / 30)], axis=1
)


@pytest.mark.parametrize(
    ("points", "scale", "message"),
    [
        (CIRCLE, 0.3, "1 independent loops"),
        (CIRCLE, 3.0, "0 independent loops"),
        (CIRCLE, 0.1, "30 pieces"),
        (CIRCLE, 0.0, "30 pieces"),
        (CIRCLE, math.nan, "30 pieces"),
        (np.full((9, 2), np.nan), 1.0, "finite"),
        (np.ones((9, 2)), 1.0, "0 independent loops"),
        (CIRCLE[:3], 1.0, "four points"),
    ],
)
def test_points_that_make_no_torus_are_refused(points, scale, message):
    with pytest.raises(InputError, match=message):
        toroidal_coordinates(points, scale=scale)


def test_uneven_and_repeated_points_do_not_break_the_least_squares(rng):
    # Two loops of four points with one in common: fewer points than neighbours that weights ask
    # for.
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    eight = np.concatenate([square, -square[1:]])
    assert np.isfinite(toroidal_coordinates(eight, scale=1.1)).all()
    phases = np.concatenate(
        [
            grid(12),
            np.repeat(grid(12)[:3], 12, axis=0),
            grid(12)[:40] + 1e-9 * rng.standard_normal((40, 2)),
        ]
    )
    found = toroidal_coordinates(flat_torus(phases), scale=0.8)
    assert np.abs(match_phases(found, phases).correlation).min() > 0.95


def test_extended_coordinates_agree_with_their_points(rng):
    phases = turns(rng, 1500)
    points = flat_torus(phases)
    at = turns(rng, 200)
    for neighbours in (1, 6):
        found = extend_coordinates(points, phases, flat_torus(at), neighbours=neighbours)
        assert ((found >= 0) & (found < 1)).all()
        off = np.abs(found - at - np.rint(found - at))
        assert np.median(off) < 0.02 and off.max() < 0.08
    np.testing.assert_allclose(
        extend_coordinates(points, phases, points[:9], neighbours=1), phases[:9], rtol=1e-12
    )
    # Many points at one place: their circular mean.
    same = extend_coordinates(
        np.ones((6, 2)), np.array([[0.9, 0.4], [0.1, 0.6]] * 3), np.ones((1, 2))
    )
    np.testing.assert_allclose(np.exp(2j * np.pi * same), [[1, -1]], atol=1e-9)


@pytest.mark.parametrize(
    ("points", "coordinates", "at", "settings", "message"),
    [
        (np.ones((5, 3)), np.ones((5, 2)), np.ones((4, 3)), {}, "not 6"),
        (np.ones((9, 3)), np.ones((9, 2)), np.ones((4, 3)), {"neighbours": 0}, "not 0"),
        (np.full((9, 3), np.nan), np.ones((9, 2)), np.ones((4, 3)), {}, "finite"),
        (np.ones((9, 3)), np.full((9, 2), np.inf), np.ones((4, 3)), {}, "finite"),
        (np.ones((9, 3)), np.ones((9, 2)), np.full((4, 3), np.nan), {}, "finite"),
    ],
)
def test_coordinates_are_not_extended_from_nothing(points, coordinates, at, settings, message):
    with pytest.raises(InputError, match=message):
        extend_coordinates(points, coordinates, at, **settings)


def naive_circular_correlation(first, second):
    a, b = (2 * np.pi * x for x in (first, second))
    i, j = np.triu_indices(len(a), 1)
    x, y = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    return (x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum())


def test_circular_correlation_is_that_of_all_pairs(rng):
    for spread in (1.0, 0.1):
        a = spread * rng.random(60)
        for b in (spread * rng.random(60), a + 0.1 * rng.random(60), -a):
            assert circular_correlation(a, b) == pytest.approx(
                naive_circular_correlation(a, b), abs=1e-9
            )
    assert circular_correlation(a, a + 0.3) == pytest.approx(1)
    assert circular_correlation(a, 5.2 - a) == pytest.approx(-1)
    assert abs(circular_correlation(rng.random(20_000), rng.random(20_000))) < 0.03


def test_circular_correlation_with_a_constant_is_missing(rng):
    a = rng.random(30)
    for constant in (np.full(30, 0.1), 7.0 + np.arange(30.0), 0.2 + 0.5 * (np.arange(30) % 2)):
        assert math.isnan(circular_correlation(a, constant))
        assert math.isnan(circular_correlation(constant, a))
    assert math.isnan(circular_correlation(np.array([]), np.array([])))
    assert math.isnan(circular_correlation(a[:1], a[:1]))


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0], [0, 1]],
        [[0, -1], [1, 1]],
        [[1, 1], [1, 2]],
        [[2, 1], [0, 1]],
        [[1, 2], [2, -1]],
        [[1, 1], [1, 1]],
    ],
)
def test_a_planted_matrix_is_recovered(matrix, rng):
    phases = turns(rng, 400)
    coordinates = np.mod(
        phases @ np.array(matrix).T + [0.3, 0.8] + 0.03 * rng.standard_normal((400, 2)), 1
    )
    found = match_phases(coordinates, phases)
    assert found.matrix.tolist() == matrix
    assert found.unimodular == (abs(round(np.linalg.det(matrix))) == 1)
    assert found.correlation.min() > 0.95
    assert match_phases(turns(rng, 400), phases).correlation.max() < 0.3


@pytest.mark.parametrize(
    ("coordinates", "phases", "message"),
    [
        (np.zeros((0, 2)), np.zeros((0, 2)), "must both"),
        (np.full((5, 2), np.nan), np.zeros((5, 2)), "finite"),
        (np.zeros((5, 2)), np.full((5, 2), np.inf), "finite"),
    ],
)
def test_nothing_is_not_matched(coordinates, phases, message):
    with pytest.raises(InputError, match=message):
        match_phases(coordinates, phases)


def test_two_lattices_of_points_have_their_own_loops():
    # A coarse torus of 49 points: at the scale of one step and its diagonal the graph is the grid
    # with both diagonals.
    points = flat_torus(grid(7))
    distances = squareform(pdist(points))
    edges = np.argwhere(np.triu(distances <= 1.3, k=1))
    assert len(integer_cocycles(edges, 49)) == 2


def sphere_with_two_rings(rng):
    """Betti numbers 1, 2, 1, and no torus."""
    sphere = rng.standard_normal((2000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    around = 2 * np.pi * rng.random(1000)
    rings = [np.stack([2 + np.cos(around), 0 * around, 0 * around, np.sin(around)], axis=1)]
    rings.append(rings[0][:, [1, 0, 2, 3]])
    return np.concatenate([np.pad(sphere, ((0, 0), (0, 1))), *rings])


@pytest.mark.parametrize("seed", range(3))
def test_the_product_of_its_loops_tells_a_torus_from_a_sphere_with_two_rings(seed):
    rng = np.random.default_rng(seed)
    points, _ = choose_landmarks(
        sphere_with_two_rings(rng) + 0.01 * rng.standard_normal((4000, 4)), count=200
    )
    diagram = persistence(points)
    assert (diagram.lifetimes(1)[:3] > 0.4).tolist() == [True, True, False]
    assert (diagram.lifetimes(2) > 0.4).sum() == 1
    assert cup_product(find_loops(points, scale=loop_scale(diagram))) < 1e-6
    code = ideal_grid_code([1.0], units_per_module=32, phases="random", generator=rng)
    points, _ = choose_landmarks(
        principal_components(code(rng.uniform(-2, 2, (2000, 2)))), count=200
    )
    assert cup_product(find_loops(points, scale=loop_scale(persistence(points)))) > 0.3


def test_a_sphere_with_two_rings_is_not_called_a_torus(rng):
    found = measure_topology(sphere_with_two_rings(rng), generator=rng, nulls=19, landmarks=200)
    assert found.betti == (1, 2, 1) and found.product < 1e-6 and not found.torus


def test_a_product_needs_two_loops(rng):
    around = 2 * np.pi * rng.random(200)
    loops = find_loops(np.stack([np.cos(around), np.sin(around)], axis=1), scale=0.5)
    assert len(loops.change) == 1
    with pytest.raises(InputError, match="two loops"):
        cup_product(loops)


def test_triangles_are_those_of_the_naive_loop(rng):
    edges = np.argwhere(np.triu(rng.random((14, 14)) < 0.5, k=1))
    at = {tuple(edge): i for i, edge in enumerate(edges.tolist())}
    naive = [
        (at[i, j], at[j, k], at[i, k])
        for i, j, k in itertools.combinations(range(14), 3)
        if {(i, j), (j, k), (i, k)} <= set(at)
    ]
    np.testing.assert_array_equal(triangles_of(edges, 14), naive)
    assert triangles_of(edges[:1], 14).shape == (0, 3)
