import itertools
import math

import gudhi
import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from gridcode.analysis.synthetic import band_cell, ideal_grid_code, place_code, random_code
from gridcode.analysis.topology import betti as topology
from gridcode.analysis.topology import persistence as homology
from gridcode.analysis.topology.betti import (
    LOW_THRESHOLD,
    MOST_BARS,
    TORUS,
    count_by_gap,
    gap_p_value,
    measure_topology,
    shuffled,
)
from gridcode.analysis.topology.persistence import (
    FIELD,
    choose_landmarks,
    persistence,
    principal_components,
)
from gridcode.errors import InputError

SAMPLES = 1000


def turns(rng, count, loops=1):
    return rng.uniform(0, 2 * np.pi, (loops, count))


def circle(rng, count):
    (a,) = turns(rng, count)
    return np.stack([np.cos(a), np.sin(a), 0 * a], axis=1)


def sphere(rng, count):
    x = rng.standard_normal((count, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def disc(rng, count):
    return circle(rng, count) * np.sqrt(rng.random((count, 1)))


def flat_torus(rng, count, small=1.0):
    a, b = turns(rng, count, 2)
    return np.stack([np.cos(a), np.sin(a), small * np.cos(b), small * np.sin(b)], axis=1)


def klein_in_4(rng, count):
    a, b = turns(rng, count, 2)
    return np.stack(
        [
            (1 + 0.5 * np.cos(b)) * np.cos(a),
            (1 + 0.5 * np.cos(b)) * np.sin(a),
            np.sin(b) * np.cos(a / 2),
            np.sin(b) * np.sin(a / 2),
        ],
        axis=1,
    )


def klein_in_5(rng, count):
    a, b = turns(rng, count, 2)
    return np.stack(
        [np.cos(a), np.sin(a), np.cos(b), np.sin(b) * np.cos(a / 2), np.sin(b) * np.sin(a / 2)],
        axis=1,
    )


def projective_plane(rng, count):
    x, y, z = sphere(rng, count).T
    return np.stack([x * y, x * z, (y**2 - z**2) / 2, y * z], axis=1)


def three_torus(rng, count):
    a = turns(rng, count, 3)
    return np.concatenate([np.cos(a), np.sin(a)]).T


def noisy(states, rng, noise=0.1):
    return states + noise * states.std() * rng.standard_normal(states.shape)


def places(rng, count=SAMPLES, side=4.0):
    return rng.uniform(-side / 2, side / 2, (count, 2))


def module(rng, units, *, noise=0.1, **settings):
    code = ideal_grid_code([1.0], units_per_module=units, generator=rng, **settings)
    return noisy(code(places(rng)), rng, noise)


def two_modules(rng):
    code = ideal_grid_code(
        [1.0, 0.71], units_per_module=16, orientations_deg=[0, 17], generator=rng
    )
    return noisy(code(places(rng)), rng)


def bands(rng, directions=(0.0,)):
    x = places(rng)
    cells = [
        band_cell(x, spacing_m=0.8, orientation_deg=d, phase_m=float(rng.uniform(0, 0.8)))
        for d in directions
        for _ in range(16)
    ]
    return noisy(np.stack(cells, axis=1), rng)


def measured(states, seed=0, **settings):
    return measure_topology(
        states,
        generator=np.random.default_rng(seed),
        **({"nulls": 19, "landmarks": 100} | settings),
    )


@pytest.mark.parametrize(
    ("shape", "betti"),
    [
        (circle, (1, 1, 0)),
        (sphere, (1, 0, 1)),
        (disc, None),
        (flat_torus, TORUS),
        (klein_in_4, None),
        (klein_in_5, None),
        (projective_plane, (1, 0, 0)),
        (three_torus, None),
        (lambda rng, count: rng.standard_normal((count, 6)), (1, 0, 0)),
        (lambda rng, count: rng.random((count, 4)), (1, 0, 0)),
    ],
)
def test_known_shapes(shape, betti):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        found = measured(noisy(shape(rng, 2 * SAMPLES), rng, 0.05), seed)
        assert betti is None or found.betti == betti
        assert found.torus == (betti == TORUS)
        assert not found.torus or found.torus_p_value == 0.05
        assert (found.p_value >= 1 / 20).all() and (found.p_value <= 1).all()


def test_a_klein_bottle_is_a_torus_only_to_coefficients_mod_2(rng, monkeypatch):
    points = choose_landmarks(klein_in_5(rng, 4000), count=300)[0]
    long = {}
    for field in (FIELD, 2):
        monkeypatch.setattr(homology, "FIELD", field)
        diagram = persistence(points)
        long[field] = [int((diagram.lifetimes(d) > 0.2).sum()) for d in (1, 2)]
    assert long == {FIELD: [1, 0], 2: [2, 1]}


def test_separate_clusters_are_pieces(rng):
    for pieces in (2, 3):
        centres = rng.standard_normal((pieces, 30))
        found = measured(
            centres[rng.integers(pieces, size=SAMPLES)] + 0.1 * rng.standard_normal((SAMPLES, 30))
        )
        assert found.betti == (pieces, 0, 0)
    # A gap in one unit alone is in the shuffles too: no finding.
    two = circle(rng, SAMPLES) + np.array([0, 0, 4.0]) * rng.integers(2, size=(SAMPLES, 1))
    assert measured(noisy(two, rng, 0.02)).betti == (1, 2, 0)


def test_a_torus_and_something_apart_is_no_torus(rng):
    away = np.array([0, 0, 0, 0, 6.0]) + 0.2 * rng.standard_normal((200, 5))
    states = np.concatenate([np.pad(flat_torus(rng, SAMPLES), ((0, 0), (0, 1))), away])[
        rng.permutation(SAMPLES + 200)
    ]
    found = measured(noisy(states, rng, 0.02))
    assert found.betti[1:] == (2, 1)
    assert not found.torus


@pytest.mark.parametrize("lattice", [{}, {"angle_deg": 90.0}, {"angle_deg": 75.0, "ratio": 1.15}])
@pytest.mark.parametrize("units", [16, 32, 64])
def test_one_module_is_a_torus(lattice, units):
    found = measured(module(np.random.default_rng(units), units, **lattice))
    assert found.torus and found.betti == found.by_gap == TORUS
    assert found.torus_p_value == 0.05
    start, end = found.window
    assert 0 < start < end <= found.diagram.threshold
    assert found.diagram.lifetimes(2)[0] > 1.5 * found.null_longest[:, 2].max()


def test_a_product_that_cannot_be_computed_claims_no_torus(rng, monkeypatch):
    monkeypatch.setattr("gridcode.analysis.topology.cocycles.MOST_GENERATORS", 0)
    found = measured(flat_torus(rng, SAMPLES))
    assert found.betti == TORUS and np.isnan(found.product) and not found.torus


def test_noise_larger_than_the_code_hides_the_torus():
    for seed in range(2):
        assert not measured(module(np.random.default_rng(seed), 16, noise=8.0), seed).torus
    assert measured(module(np.random.default_rng(0), 32, noise=0.5)).torus


@pytest.mark.parametrize(
    "population",
    [
        two_modules,
        bands,
        lambda rng: noisy(place_code(arena_m=4.0, units=36, width_m=0.4)(places(rng)), rng),
        lambda rng: noisy(place_code(arena_m=4.0, units=36, width_m=0.8)(places(rng)), rng),
        lambda rng: random_code(units=24, correlation_m=0.8, generator=rng)(places(rng)),
        lambda rng: shuffled(module(rng, 32), rng),
        lambda rng: bands(rng, (0.0, 50.0, 110.0)),
    ],
)
def test_other_populations_are_no_torus(population):
    for seed in range(2):
        rng = np.random.default_rng([seed, 5])
        found = measured(population(rng), seed)
        assert not found.torus
        assert found.betti[0] == 1


def test_bands_are_a_ring_and_bands_in_two_directions_a_torus(rng):
    # Two independent phases: what a square lattice of grid cells has too.
    assert measured(bands(rng)).betti == (1, 1, 0)
    assert measured(bands(rng, (0.0, 90.0))).torus


def test_what_is_only_seen_of_the_population_does_not_change(rng):
    states = module(rng, 24)
    plain = measured(states)
    turn = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    for other, factor in (
        (states[:, rng.permutation(24)], 1.0),
        (1e-6 * states, 1e-6),
        (1e6 * states, 1e6),
        (states + 100.0, 1.0),
    ):
        found = measured(other)
        assert found.betti == plain.betti
        for dimension in range(3):
            np.testing.assert_allclose(
                found.diagram.intervals[dimension],
                factor * plain.diagram.intervals[dimension],
                rtol=1e-6,
                atol=1e-9 * factor,
            )
    # Turned states mix units, so that their shuffles are others; the diagram is the same.
    a, b = (
        persistence(choose_landmarks(principal_components(s), count=200)[0])
        for s in (states, states @ turn)
    )
    for dimension in range(3):
        np.testing.assert_allclose(a.lifetimes(dimension), b.lifetimes(dimension), atol=1e-9)


def test_the_void_of_a_torus_needs_the_highest_dimension_asked_for(rng, monkeypatch):
    """GUDHI leaves out the homology of the complex's own dimension unless asked for it."""
    line = 2 * np.pi * np.arange(7) / 7
    a, b = (x.ravel() for x in np.meshgrid(line, line))
    points = np.stack(
        [np.cos(a), np.sin(a), np.cos(b), np.sin(b)], axis=1
    ) + 1e-3 * rng.standard_normal((49, 4))
    assert persistence(points, threshold=0.75).lifetimes(2).max(initial=0.0) > 0.1
    assert persistence(points, threshold=0.75, dimensions=1).lifetimes(1)[:2].min() > 0.3
    collapsed, whole = [], gudhi.SimplexTree.compute_persistence

    def without(tree, **settings):
        collapsed.append(tree.dimension())
        return whole(tree, **(settings | {"persistence_dim_max": False}))

    monkeypatch.setattr(gudhi.SimplexTree, "compute_persistence", without)
    assert not len(persistence(points, threshold=0.75).intervals[2])
    assert collapsed == [2]


def naive_rips(points, threshold, dimensions=2):
    """All simplices, no collapse, one dimension more than is asked for."""
    tree = gudhi.RipsComplex(points=points, max_edge_length=threshold).create_simplex_tree(
        max_dimension=dimensions + 1
    )
    tree.compute_persistence(
        homology_coeff_field=FIELD, min_persistence=0, persistence_dim_max=True
    )
    return [
        np.asarray(tree.persistence_intervals_in_dimension(d)).reshape(-1, 2)
        for d in range(dimensions + 1)
    ]


@pytest.mark.parametrize(
    "shape", [flat_torus, klein_in_5, sphere, lambda rng, count: rng.standard_normal((count, 3))]
)
def test_edge_collapse_gives_the_bars_of_the_whole_complex(shape, rng):
    for count, threshold in ((12, 2.0), (60, 0.9), (90, 0.75)):
        points = shape(rng, count)
        found = persistence(points, threshold=threshold)
        assert found.scale == pytest.approx(np.median(pdist(points)))
        for ours, theirs in zip(
            found.intervals, naive_rips(points, threshold * found.scale), strict=True
        ):
            order = [x[np.lexsort(x.T)] for x in (ours, theirs)]
            np.testing.assert_allclose(*order, rtol=1e-9)


def test_a_square_has_one_loop_from_side_to_diagonal():
    found = persistence(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), threshold=2.0)
    np.testing.assert_allclose(found.intervals[1], [[1, math.sqrt(2)]])
    assert sorted(found.intervals[0][:, 1]) == [1, 1, 1, np.inf]
    np.testing.assert_allclose(found.lifetimes(0), 1)
    octahedron = np.concatenate([np.eye(3), -np.eye(3)])
    np.testing.assert_allclose(
        persistence(octahedron, threshold=2.0).intervals[2], [[math.sqrt(2), 2]]
    )
    # What is alive at the threshold is as long as was seen of it.
    cut = persistence(octahedron, threshold=1.2)
    np.testing.assert_allclose(cut.intervals[2], [[math.sqrt(2), np.inf]])
    np.testing.assert_allclose(cut.lifetimes(2), 1.2 - 1)


def test_many_landmarks_are_cheap(rng):
    points = choose_landmarks(
        flat_torus(rng, 6000) + 0.15 * rng.standard_normal((6000, 4)), count=1200
    )[0]
    assert len(points) == 1200
    distances = squareform(pdist(points))
    # What is joined and not collapsed decides; without collapse this would be millions of
    # tetrahedra.
    assert (distances < LOW_THRESHOLD * np.median(distances)).sum() > 300_000
    found = persistence(points, threshold=LOW_THRESHOLD)
    assert [count_by_gap(found.lifetimes(d))[0] for d in (1, 2)] == [2, 1]


def naive_max_min(points, count, first):
    chosen = [first]
    while len(chosen) < count:
        gap = np.array([min(((p - points[c]) ** 2).sum() for c in chosen) for p in points])
        chosen.append(int(gap.argmax()))
    return chosen


def test_landmarks_are_those_of_the_naive_loop(rng):
    points = rng.standard_normal((120, 3)) + 1e4
    assert homology._max_min(points, 20, first=7).tolist() == naive_max_min(points, 20, 7)
    chosen, samples = choose_landmarks(points, count=15, neighbours=1, sparsest=0.0)
    # One neighbour: each point is averaged with the nearest other one.
    other = np.where(np.eye(120, dtype=bool), np.inf, squareform(pdist(points))).argmin(axis=1)
    np.testing.assert_allclose(chosen, (points[samples] + points[other[samples]]) / 2)
    # Every point is nearer to a landmark than any two landmarks are to each other.
    smooth = (points + points[other]) / 2
    apart = pdist(chosen).min()
    assert np.linalg.norm(smooth[:, None] - chosen, axis=2).min(axis=1).max() <= apart * (1 + 1e-9)


def test_landmarks_are_denoised_and_leave_outliers_out(rng):
    ring = circle(rng, 3000)
    points = ring + 0.08 * rng.standard_normal(ring.shape)
    points[:20] = rng.uniform(3, 6, (20, 3))
    found, samples = choose_landmarks(points, count=100, neighbours=80)
    assert samples.min() >= 20

    def off(x):
        return np.hypot(np.hypot(*x[:, :2].T) - 1, x[:, 2])

    # Landmarks are the outermost of the averages: the samples that they stand for are further out
    # than most.
    assert off(found).mean() < 0.4 * off(points[samples]).mean()
    assert off(found).max() < 0.5 * off(points[samples]).max()


def test_landmarks_of_many_samples_come_from_evenly_spaced_ones(rng, monkeypatch):
    points = np.concatenate([circle(rng, 3000), rng.uniform(3, 6, (7, 3))])
    found, samples = choose_landmarks(points, count=50)
    assert set(samples) <= set(np.arange(2500) * len(points) // 2500)
    monkeypatch.setattr(homology, "MOST_CANDIDATES", len(points))
    plain, _ = choose_landmarks(points, count=50)
    # Both cover the ring: no landmark of one is far from those of the other.
    apart = np.linalg.norm(found[:, None] - plain, axis=2)
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 2 * pdist(plain).min()


def test_landmarks_are_all_different(rng):
    few = rng.standard_normal((10, 3))
    found, samples = choose_landmarks(few[rng.integers(10, size=1000)], count=50, sparsest=0.0)
    assert len(found) == len(samples) == 10
    assert pdist(found).min() > 0.1
    assert len(choose_landmarks(np.ones((100, 2)), count=20)[0]) == 1


def test_principal_components_keep_distances(rng):
    states = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 10)) + 5
    found = principal_components(states)
    assert found.shape == (200, 3)
    np.testing.assert_allclose(pdist(found), pdist(states), rtol=1e-9)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    assert principal_components(np.ones((50, 4))).shape == (50, 0)


def naive_count(lifetimes):
    longest = sorted(lifetimes, reverse=True)
    if len(longest) < MOST_BARS:
        longest.append(0.0)
    best = (0, 0.0, 0.0)
    for j in range(1, min(len(longest), MOST_BARS)):
        gap = longest[j - 1] - longest[j]
        if best[0] == 0 or gap > best[1]:
            best = (j, gap, longest[j - 1])
    return best


def test_the_largest_gap_against_the_loop(rng):
    for bars in (0, 1, 2, 5, 7, 8, 9, 40):
        for _ in range(5):
            lifetimes = rng.exponential(size=bars)
            assert count_by_gap(lifetimes) == pytest.approx(naive_count(lifetimes))
    assert count_by_gap(np.array([5.0, 1.0, 4.9, 0.9])) == (2, pytest.approx(3.9), 4.9)
    assert count_by_gap(np.array([3.0])) == (1, 3.0, 3.0)
    assert count_by_gap(np.array([])) == (0, 0.0, 0.0)


def test_the_p_value_of_a_gap_by_hand():
    # Gaps of 1 after the 3rd to 6th longest: 3 + 4 + 5 + 6 over four terms; a gap of 5 after the
    # second.
    lifetimes = np.array([10.0, 10.0, 5, 4, 3, 2, 1])
    assert gap_p_value(lifetimes, 2) == pytest.approx(1 - (1 - (1 + 2 * 5 / 18) ** -4) ** 8)
    assert gap_p_value(lifetimes, 0) == 1.0
    assert gap_p_value(lifetimes, 1) == 1.0
    assert gap_p_value(lifetimes[:5], 2) == 0.0
    assert gap_p_value(np.array([9.0, 1, 1, 1, 1, 1]), 1) == 0.0
    assert gap_p_value(np.ones(30), 3) == 1.0


@pytest.mark.parametrize("bars", [6, 12, 30, 200])
def test_the_p_value_of_a_gap_keeps_its_level_on_exponential_bars(bars):
    rng = np.random.default_rng(bars)
    trials = 4000
    # The largest gap is chosen, as in the measurement; also each single gap, uncorrected, is
    # exactly F.
    p = np.array([gap_p_value(x, count_by_gap(x)[0]) for x in rng.exponential(size=(trials, bars))])
    p = p[p > 0]
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).sum() <= trials * level + 3 * math.sqrt(trials * level)
    if bars >= 12:
        single = np.array(
            [1 - (1 - gap_p_value(x, 2)) ** (1 / 8) for x in rng.exponential(size=(trials, bars))]
        )
        for level in (0.05, 0.3):
            assert (single <= level).mean() == pytest.approx(
                level, abs=3 * math.sqrt(level / trials)
            )


def test_the_p_value_of_a_gap_errs_towards_large_p_on_lighter_tails(rng):
    for draw in (lambda: rng.random(60), lambda: np.abs(rng.standard_normal(60))):
        p = np.array([gap_p_value(x, count_by_gap(x)[0]) for x in (draw() for _ in range(1000))])
        assert (p <= 0.05).mean() < 0.05


def test_shuffles_keep_units_and_destroy_their_common_state(rng):
    states = module(rng, 24)
    found = shuffled(states, rng)
    np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(states, axis=0))
    # Each column is its own one, moved around.
    for before, after in zip(states.T, found.T, strict=True):
        moved = np.flatnonzero(before == after[0])
        assert any((np.roll(before, -m) == after).all() for m in moved)
    assert np.abs(np.corrcoef(states.T)[np.triu_indices(24, 1)]).mean() > 0.2
    assert np.abs(np.corrcoef(found.T)[np.triu_indices(24, 1)]).mean() < 0.04


def test_shuffled_populations_have_uniform_p_values_or_larger():
    # Loops and voids of states without a common shape: false rate at 0.05 of 24 populations, two
    # numbers each.
    hits = []
    for seed in range(24):
        rng = np.random.default_rng([seed, 3])
        states = np.maximum(rng.standard_normal((300, 5)), 0)
        hits.append((measured(states, seed, landmarks=60).p_value[1:] <= 0.05).sum())
    # Binomial(48, 0.05) exceeds 6 in 1.4% of cases.
    assert sum(hits) <= 6


def test_progress_subset_and_seeds(rng):
    states = module(rng, 16)
    seen = []
    found = measured(
        states,
        landmarks=60,
        most_samples=300,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(i + 1, 19) for i in range(19)]
    assert found.points.shape == (60, 6)
    assert len(np.unique(found.samples)) == 60 and found.samples.max() > 300
    again = measured(states, landmarks=60, most_samples=300)
    np.testing.assert_array_equal(found.null_gap, again.null_gap)
    np.testing.assert_array_equal(found.points, again.points)
    assert found.null_longest.shape == found.null_gap.shape == (19, 3)
    assert (found.null_gap <= found.null_longest).all()


@pytest.mark.parametrize("population", ["module", "noise"])
def test_shuffles_end_when_the_verdict_stands_with_the_counts_of_all(population, rng, monkeypatch):
    states = module(rng, 24) if population == "module" else rng.standard_normal((300, 8))
    settings = {"landmarks": 60, "nulls": 59}
    found = measured(states, workers=1, **settings)
    by_two = measured(states, workers=2, **settings)
    np.testing.assert_array_equal(found.null_gap, by_two.null_gap)
    np.testing.assert_array_equal(found.p_value, by_two.p_value)
    monkeypatch.setattr(topology, "FEWEST_NULLS", 59)
    whole = measured(states, workers=1, **settings)
    assert len(whole.null_gap) == 59
    assert len(found.null_gap) == (59 if population == "module" else 19)
    np.testing.assert_array_equal(found.null_gap, whole.null_gap[: len(found.null_gap)])
    assert found.betti == whole.betti and found.torus == whole.torus == (population == "module")


def test_windows_and_verdicts_follow_from_the_diagram(rng):
    found = measured(rng.standard_normal((400, 5)), landmarks=60)
    assert found.betti == (1, 0, 0) and np.isnan(found.window).all() and found.torus_p_value == 1.0
    torus = measured(flat_torus(rng, SAMPLES))
    bars = np.concatenate([torus.diagram.intervals[1][:2], torus.diagram.intervals[2][:1]])
    last = torus.diagram.intervals[0][1:, 1].max()
    assert torus.window == (
        max(last, bars[:, 0].max()),
        np.minimum(bars[:, 1], torus.diagram.threshold).min(),
    )


def test_a_thin_torus_is_one_while_its_small_loop_shows(rng):
    assert measured(noisy(flat_torus(rng, SAMPLES, small=0.7), rng, 0.02)).torus
    assert not measured(noisy(flat_torus(rng, SAMPLES, small=0.05), rng, 0.02)).torus


GOOD = np.random.default_rng(8).standard_normal((60, 5))


def replaced(value):
    bad = GOOD.copy()
    bad[3, 2] = value
    return bad


@pytest.mark.parametrize(
    ("states", "settings", "message"),
    [
        (replaced(np.nan), {}, "NaN"),
        (replaced(np.inf), {}, "infinit"),
        (np.zeros((0, 5)), {}, "are needed"),
        (GOOD[:39], {}, "39 samples"),
        (GOOD[:, :2], {}, "2 units"),
        (np.ones((60, 5)), {}, "units vary"),
        (np.concatenate([GOOD[:, :2], np.ones((60, 8))], axis=1), {}, "units vary"),
        (GOOD[np.arange(60) % 20], {}, "20 of 60 states differ"),
        (GOOD, {"landmarks": 10}, "10 landmarks"),
        (GOOD, {"most_samples": 20}, "20 of them"),
        (GOOD, {"nulls": 9}, "9 shuffles"),
        (GOOD, {"nulls": 19, "level": 0.01}, "level of 0.01"),
        (GOOD, {"level": math.nan}, "level"),
        (GOOD, {"components": 0}, "0 components"),
        (GOOD, {"neighbours": 60}, "60 neighbours"),
        (GOOD, {"neighbours": 0}, "0 neighbours"),
        (GOOD, {"sparsest": 1.0}, "left out"),
    ],
)
def test_bad_input_is_refused(states, settings, message):
    with pytest.raises(InputError, match=message) as raised:
        measured(states, **({"landmarks": 40} | settings))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("points", "settings", "message"),
    [
        (GOOD[:3], {}, "four points"),
        (replaced(np.nan), {}, "finite"),
        (np.ones((9, 2)), {}, "the same"),
        (GOOD, {"threshold": 0.0}, "positive"),
        (GOOD, {"threshold": math.nan}, "positive"),
    ],
)
def test_points_without_a_shape_are_refused(points, settings, message):
    with pytest.raises(InputError, match=message):
        persistence(points, **settings)
    if "four" not in message and not settings and "same" not in message:
        with pytest.raises(InputError, match="finite"):
            choose_landmarks(points)


def test_degenerate_populations_are_measured_without_a_torus(rng):
    line = np.outer(rng.random(300), np.ones(4))
    for states in (
        line,
        line + 1e-13 * rng.standard_normal(line.shape),
        np.concatenate([rng.standard_normal((300, 3)), np.zeros((300, 7))], axis=1),
        GOOD[rng.integers(45, size=600)],
        np.concatenate([np.zeros((400, 4)), rng.standard_normal((200, 4))]),
        rng.integers(3, size=(500, 6)).astype(float),
        np.concatenate([rng.standard_normal((200, 4)), [[1e8] * 4]]),
        1e-150 * rng.standard_normal((100, 4)),
        1e150 * rng.standard_normal((100, 4)),
    ):
        try:
            found = measured(states, landmarks=60)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert not found.torus


def test_every_pair_of_shuffles_and_level_that_is_allowed_can_reach_it():
    for nulls, level in itertools.product((19, 39, 99), (0.05, 0.02)):
        if 1 / (1 + nulls) <= level:
            assert measured(GOOD, nulls=nulls, level=level, landmarks=20).p_value.min() >= 1 / (
                1 + nulls
            )


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_clouds_joined_until_they_close_are_as_joined_to_the_end(seed):
    rng = np.random.default_rng(seed)
    code = ideal_grid_code(
        [1.0], units_per_module=(64, 12)[seed % 2], phases="random", generator=rng
    )
    states = shuffled(code(rng.uniform(-2, 2, (1500, 2))), rng)
    points, _ = choose_landmarks(principal_components(states), count=200)
    early, whole = topology._null_diagram(points, 0.9), persistence(points, threshold=0.9)
    assert early.threshold < 0.9 * early.scale
    for dimension in range(3):
        one, other = early.lifetimes(dimension), whole.lifetimes(dimension)
        assert one.max(initial=0) == pytest.approx(other.max(initial=0), abs=1e-9)
        assert count_by_gap(one) == pytest.approx(count_by_gap(other), abs=1e-9)


def test_many_landmarks_are_joined_less_far_and_keep_their_torus(rng, monkeypatch):
    monkeypatch.setattr(topology, "MANY_LANDMARKS", 100)
    code = ideal_grid_code([1.0], units_per_module=32, generator=rng)
    found = measure_topology(
        code(rng.uniform(-2, 2, (2000, 2))), generator=rng, nulls=19, landmarks=150
    )
    assert found.diagram.threshold == pytest.approx(LOW_THRESHOLD * found.diagram.scale)
    assert found.torus
