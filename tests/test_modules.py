"""Modules on planted truth: the planted number, none in noise, in any basis, order or rotation."""

import numpy as np
import pytest
from planted import lattice_vectors
from planted import turned as rotation

from gridcode import InputError
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.lattice import (
    fit_lattices,
    orientation_difference,
    reduced,
    shape_of,
    shortest,
)
from gridcode.analysis.modules.detection import find_modules
from gridcode.analysis.modules.lattice_clustering import OrientationScan
from gridcode.analysis.modules.stability import match_modules
from gridcode.analysis.modules.strain import UNIMODULAR, mean_lattice, strain, strains
from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell


def lattice(spacing, orientation=0.0, angle=60.0, stretch=0.0, along=0.0):
    stretched = np.diag([np.exp(stretch), np.exp(-stretch)])
    basis = lattice_vectors(spacing, orientation, angle)
    return basis @ rotation(-along) @ stretched @ rotation(along)


def units_of(rng, spacing, orientation, n, scatter=0.02, **shape):
    """Vectors of n cells of one module; scatter in log spacing and radians."""

    def one():
        scale, turn = np.exp(rng.normal(0, scatter)), np.degrees(rng.normal(0, scatter))
        return lattice(spacing * scale, orientation + turn, **shape)

    return np.stack([one() for _ in range(n)])


def independent(rng, n, spread=0.3, spacing=0.6):
    def one():
        scale, turn = np.exp(rng.normal(0, spread)), rng.uniform(-30, 30)
        return lattice(spacing * scale, turn, 60, abs(rng.normal(0, 0.1)), rng.uniform(0, 180))

    return np.stack([one() for _ in range(n)])


def find(vectors, rng, candidate=None, **options):
    candidate = np.isfinite(vectors).all(axis=(1, 2)) if candidate is None else candidate
    return find_modules(
        vectors, candidate=candidate, generator=rng, **({"arena_m": 4.0, "nulls": 199} | options)
    )


# -- strain ------------------------------


def naive_strain(first, second):
    """Singular values and rotation of the best of all maps, one basis after the other."""
    best = None
    for u in UNIMODULAR:
        change = np.linalg.solve(u @ first, second)  # rows: first @ change = second
        left, stretch, right = np.linalg.svd(change)
        turn = left @ right
        angle = np.arctan2(turn[0, 1], turn[0, 0])
        angle -= np.pi * np.rint(angle / np.pi)
        found = (np.log(stretch).mean(), (np.log(stretch[0]) - np.log(stretch[1])) / 2, angle)
        best = min([found, *([best] if best else [])], key=lambda f: np.hypot(*f[1:]))
    return best


def test_strain_equals_its_definition(rng):
    for _ in range(50):
        a = lattice(rng.uniform(0.3, 1), rng.uniform(-90, 90), rng.uniform(60, 90))
        shear = np.eye(2) + rng.normal(0, 0.05, (2, 2))
        b = a @ rotation(rng.uniform(-15, 15)) @ shear * rng.uniform(0.8, 1.3)
        found = strain(a, b)
        parts = [found.scale, found.shear, found.rotation]
        np.testing.assert_allclose(parts, naive_strain(a, b), atol=1e-9)
        scale, shear, turn = strains(a, b)
        assert np.sqrt(scale**2 + shear**2 + turn**2).min() == pytest.approx(float(found.distance))


def test_strain_is_that_of_a_known_map():
    a = lattice(0.5, 7.0)
    found = strain(a, 1.1 * a @ rotation(4.0))
    parts = [found.scale, found.shear, np.degrees(found.rotation)]
    np.testing.assert_allclose(parts, [np.log(1.1), 0.0, 4.0], atol=1e-6)
    stretched = strain(a, a @ np.diag([np.exp(0.08), np.exp(-0.08)]))
    np.testing.assert_allclose([stretched.scale, stretched.shear], [0.0, 0.08], atol=1e-9)
    # A hexagon looks the same every 60 degrees, a square every 90.
    assert strain(a, a @ rotation(60.0)).distance < 1e-9
    assert strain(lattice(0.5, 0, 90), lattice(0.5, 90, 90)).distance < 1e-9
    assert np.degrees(abs(strain(a, a @ rotation(50.0)).rotation)) == pytest.approx(10.0)


def test_strain_is_symmetric_and_free_of_the_basis(rng):
    vectors = reduced(independent(rng, 30))
    there = strain(vectors[:, None], vectors[None])
    np.testing.assert_allclose(there.distance, there.distance.T, atol=1e-9)
    np.testing.assert_allclose(there.rotation, -there.rotation.T, atol=1e-9)
    # Other bases of the same lattices, reduced again, and both turned alike.
    other = reduced(np.array([[1.0, 2.0], [1.0, 3.0]]) @ vectors @ rotation(33.0))
    again = strain(other[:, None], other[None])
    np.testing.assert_allclose(again.distance, there.distance, atol=1e-9)
    moved = there.change @ vectors[:, None]
    assert np.linalg.det(there.change).round(9) == pytest.approx(1.0)
    near = there.distance < 0.2
    assert np.abs(moved - vectors[None])[near].max() < 0.2 * 1.5


def test_mean_of_lattices_given_in_any_basis(rng):
    vectors = units_of(rng, 0.7, 29.5, 40)  # axes at 29.5 and -30.5: the reduced bases disagree
    other_basis = np.array([[0.0, 1.0], [-1.0, 1.0]]) @ vectors
    mixed = np.where((rng.random(40) < 0.5)[:, None, None], other_basis, vectors)
    assert strain(mean_lattice(reduced(mixed)), lattice(0.7, 29.5)).distance < 0.01


# -- modules ------------------------------


@pytest.mark.parametrize("planted", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("sheared", [False, True])
def test_planted_modules_are_found(planted, sheared, rng):
    for _ in range(3):
        sizes = rng.integers(10, 20, planted)
        shapes = [
            {"stretch": rng.uniform(0, 0.15), "along": rng.uniform(0, 180)} if sheared else {}
            for _ in sizes
        ]
        spacings = 0.3 * 1.3 ** np.arange(planted)
        parts = [
            units_of(rng, s, rng.uniform(-30, 30), n, **k)
            for s, n, k in zip(spacings, sizes, shapes, strict=True)
        ]
        junk = round(0.43 * sizes.sum())
        truth = np.repeat([*range(planted), -1], [*sizes, junk])
        order = rng.permutation(len(truth))
        found = find(np.concatenate([*parts, independent(rng, junk, spread=0.5)])[order], rng)
        truth = truth[order]
        assert len(found) == planted
        assert (found.label[truth >= 0] >= 0).mean() > 0.97
        both = (found.label >= 0) & (truth >= 0)
        np.testing.assert_array_equal(found.label[both], truth[both])
        assert all(m.p_value <= 0.01 for m in found.modules)
        if not sheared:
            np.testing.assert_allclose([m.spacing_m for m in found.modules], spacings, rtol=0.02)


def test_module_describes_its_cells(rng):
    found = find(units_of(rng, 0.6, 12.0, 200, scatter=0.03), rng).modules
    assert len(found) == 1 and len(found[0].units) > 190
    module = found[0]
    assert module.spacing_m == pytest.approx(0.6, rel=0.01)
    assert module.orientation_deg == pytest.approx(12.0, abs=0.6)
    assert module.axis_ratio == pytest.approx(1.0, abs=0.01)
    assert module.spacing_spread == pytest.approx(0.03, rel=0.2)
    assert module.orientation_spread_deg == pytest.approx(np.degrees(0.03), rel=0.2)
    assert module.strain_error == pytest.approx(np.sqrt(2) * 0.03 / np.sqrt(200), rel=0.2)


def test_independent_lattices_make_no_modules(rng):
    # Also where they share their spacing, as the lattices of equally smooth noise do.
    spreads = [0.02] * 15 + [0.3] * 15
    assert sum(len(find(independent(rng, 40, s), rng)) > 0 for s in spreads) <= 2


def test_p_values_are_those_of_chance(rng):
    # The largest crowd of a population of independent lattices is an ordinary member of its own
    # null.
    p_values = []
    for _ in range(60):
        vectors = reduced(independent(rng, 25, 0.05))
        p_values.append(OrientationScan.of(vectors, 39, rng).p_value(np.arange(25)))
    assert 0.35 < np.mean(p_values) < 0.65 and np.mean(np.array(p_values) <= 0.1) < 0.25


def test_lattices_on_a_continuum_are_no_modules(rng):
    # One orientation, every spacing: aligned, but nowhere a gap.
    spacings = 0.35 * np.exp(1.4 * np.linspace(0, 1, 90))
    found = find(np.stack([lattice(s, rng.normal(0, 2)) for s in spacings]), rng)
    assert len(found) == 0 and sum("continuum" in r for r in found.reason) > 45


def test_one_scattered_module_is_not_cut_up(rng):
    for _ in range(5):
        assert len(find(units_of(rng, 0.6, 5.0, 60, scatter=0.05), rng)) == 1


def test_a_large_module_does_not_hide_a_small_one(rng):
    found = find(np.concatenate([units_of(rng, 0.4, 0.0, 100), units_of(rng, 0.55, 17.0, 10)]), rng)
    assert all(len(m.units) > 0.9 * n for m, n in zip(found.modules, (100, 10), strict=True))


def test_only_candidates_are_in_modules(rng):
    vectors = units_of(rng, 0.5, 0.0, 30)
    vectors[3] = np.nan
    vectors[4] = [[0.5, 0.0], [1.0, 0.0]]
    vectors[5] *= 7
    candidate = np.arange(30) > 1
    before = vectors.copy()
    found = find(vectors, rng, candidate=candidate)
    np.testing.assert_array_equal(vectors, before)
    assert len(found) == 1
    assert (found.label[[0, 1, 3, 4, 5]] == -1).all() and (found.label[6:] == 0).mean() > 0.9
    assert found.reason[:2] == ("lattice not significant",) * 2
    assert found.reason[3:6] == ("no lattice", "no lattice", "larger than the arena resolves")
    # What was left out has a distance all the same.
    distance = found.distance[:, 0]
    assert distance[0] < 0.15 and np.isnan(distance[3]) and distance[5] > 1


def test_order_and_rotation_do_not_matter(rng):
    vectors = np.concatenate(
        [units_of(rng, 0.4, 0.0, 15), units_of(rng, 0.6, 20.0, 12), independent(rng, 10)]
    )
    order = rng.permutation(len(vectors))
    one = find(vectors, np.random.default_rng(1))
    other = find(vectors[order] @ rotation(40.0), np.random.default_rng(1))
    np.testing.assert_array_equal(one.label[order], other.label)
    for a, b in zip(one.modules, other.modules, strict=True):
        assert a.spacing_m == pytest.approx(b.spacing_m)
        assert strain(a.vectors_m @ rotation(40.0), b.vectors_m).distance < 1e-9


def test_nothing_to_find(rng):
    few = (independent(rng, 1), independent(rng, 4))
    for vectors in (np.zeros((0, 2, 2)), np.full((7, 2, 2), np.nan), *few):
        found = find(vectors, rng)
        assert len(found) == 0 and found.distance.shape == (len(vectors), 0) and all(found.reason)


def test_identical_lattices(rng):
    found = find(np.repeat(lattice(0.5, 10.0)[None], 12, axis=0), rng)
    assert len(found) == 1 and found.modules[0].spacing_spread == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "bad",
    [
        {"vectors": np.zeros((5, 2, 3))},
        {"candidate": np.ones(3, dtype=bool)},
        {"candidate": np.ones(20)},
        {"arena_m": 0.0},
        {"nulls": 50},
        {"nulls": 99, "significance": 0.001},
        {"min_units": 2},
    ],
)
def test_bad_input(bad, rng):
    options = {"vectors": independent(rng, 20)} | bad
    vectors = options.pop("vectors")
    candidate = options.pop("candidate", np.ones(len(vectors), dtype=bool))
    with pytest.raises((InputError, TypeError)):
        find(vectors, rng, candidate=candidate, **options)


# -- from maps ------------------------------


def test_modules_from_noisy_maps(rng):
    centres = bin_centres(2.5, 0.05)
    modules = [(0.35, 3.0, 60.0), (0.5, -20.0, 72.0), (0.8, 14.0, 60.0)]
    maps = [
        lattice_cell(
            centres,
            spacing_m=spacing,
            orientation_deg=orientation,
            angle_deg=angle,
            phase_m=tuple(rng.uniform(-1, 1, 2)),
        )
        for spacing, orientation, angle in modules
        for _ in range(10)
    ]
    maps += [band_cell(centres, spacing_m=0.6, orientation_deg=float(o)) for o in range(0, 90, 20)]
    maps += [
        place_cell(centres, centre_m=tuple(rng.uniform(-1, 1, 2)), width_m=0.2) for _ in range(4)
    ]
    maps += [*noise_maps(4, 50, correlation_bins=3.0, generator=rng)]
    maps = np.stack(maps) + 0.25 * rng.standard_normal((len(maps), 50, 50))
    scores = score_maps(maps, bin_size_m=0.05)
    found = find(scores.vectors_m, rng, arena_m=2.5)
    assert len(found) == 3
    np.testing.assert_array_equal(found.label[:30], np.repeat([0, 1, 2], 10))
    assert (found.label[30:] == -1).all()


@pytest.mark.parametrize("correlation", [2.0, 4.0, 8.0])
def test_noise_has_no_modules_even_if_every_map_passes(correlation, rng):
    # 8 bins in an arena of 44: few periods, and peaks along the walls and diagonals.
    for bins in (44, 60):
        noise = noise_maps(100, bins, correlation_bins=correlation, generator=rng)
        scores = score_maps(noise, bin_size_m=0.05)
        assert len(find(scores.vectors_m, rng, arena_m=0.05 * bins)) == 0


# -- quality of the fit ------------------------------


def test_fit_reports_its_quality():
    # Peaks of an exact lattice, drawn as an autocorrelogram, and the same with one row displaced.
    lag = np.arange(-40.0, 41.0)
    grid = np.stack(np.meshgrid(lag, lag), axis=-1)
    clean = lattice_cell(grid, spacing_m=12.3, orientation_deg=8.0)
    rng = np.random.default_rng(3)
    noisy = clean + 0.1 * rng.standard_normal(clean.shape)
    fitted = fit_lattices(np.stack([clean, noisy, 0 * clean]))
    assert fitted.peaks_used[0] >= 15 and fitted.peaks_used[2] == 0
    error = strain(lattice(12.3, 8.0), fitted.vectors[1]).distance * 12.3
    assert 0 < fitted.vector_error[1].max() < 0.1 and error < 4 * fitted.vector_error[1].max()
    assert np.isnan(fitted.vector_error[2]).all()


def test_orientation_of_a_square_is_not_decided_by_rounding():
    for turn in (32.0, -20.0, 0.0):
        angles = (90.0, 90.0 - 1e-12, 90.0 + 1e-12, 89.0, 91.0)
        found = shape_of(reduced(np.stack([lattice(1.0, turn, angle) for angle in angles])))
        np.testing.assert_allclose(found.orientation_deg[:3], turn, atol=1e-6)
        np.testing.assert_allclose(found.orientation_deg[3:], turn, atol=1.0)


@pytest.mark.parametrize("first, second, apart", [(26.3, -4.5, 29.2), (0, 60, 0), (-29, 31, 0)])
def test_orientations_of_hexagons_differ_by_thirty_degrees_at_most(first, second, apart):
    assert orientation_difference(first, second) == pytest.approx(apart)
    assert orientation_difference(second, first) == pytest.approx(apart)


def test_orientations_of_squares_differ_by_45_degrees_at_most():
    assert orientation_difference(44.0, -44.0, symmetry_deg=90.0) == pytest.approx(2.0)
    turns = np.random.default_rng(0).uniform(-180, 180, 200)
    assert all(0 <= orientation_difference(t, 0.0) <= 30 for t in turns)


def test_shortest_vectors(rng):
    """As short as any of the lattice's, and a basis of it."""
    whole = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)), axis=-1).reshape(-1, 2)
    whole = whole[whole.any(axis=1)]
    for basis in rng.standard_normal((20, 2, 2)):
        found = shortest(basis[None])[0]
        length = np.hypot(*found.T)
        change = found @ np.linalg.inv(basis)
        np.testing.assert_allclose(change, np.rint(change), atol=1e-6)
        assert abs(np.linalg.det(change)) == pytest.approx(1.0)
        every = whole @ found
        across = every[whole[:, 1] != 0]
        assert length[0] == pytest.approx(np.hypot(*every.T).min())
        assert length[1] == pytest.approx(np.hypot(*across.T).min())


# -- stability ------------------------------


def test_the_same_units_elsewhere(rng):
    planted = np.concatenate(
        [units_of(rng, 0.4, 0.0, 15), units_of(rng, 0.6, 20.0, 12), independent(rng, 10)]
    )
    one = find(planted, rng)
    elsewhere = planted * 1.05 @ rotation(5.0)
    elsewhere[:3] = np.nan
    stability = match_modules(one, find(elsewhere, rng))
    assert stability.rand_index == 1.0 and stability.only_first >= 3
    assert sorted((m.first, m.second) for m in stability.matches) == [(0, 0), (1, 1)]
    for match in stability.matches:
        assert match.spacing_change == pytest.approx(1.05, abs=0.02)
        assert match.rotation_deg == pytest.approx(5.0, abs=1.0)
        assert match.overlap > 0.7
    shuffled = np.concatenate([planted[:27][rng.permutation(27)], planted[27:]])
    assert abs(match_modules(one, find(shuffled, rng)).rand_index) < 0.4
    with pytest.raises(InputError, match="units"):
        match_modules(one, find(planted[:20], rng))
    nothing = match_modules(one, find(np.full((37, 2, 2), np.nan), rng))
    assert np.isnan(nothing.rand_index) and nothing.matches == () and nothing.only_second == 0
