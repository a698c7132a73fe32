"""Phases on a lattice: planted ones are found; uniform, clustered and tiled ones are separated."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from planted import BIN_M, SHAPES, lattice_maps
from planted import lattice_vectors as vectors
from scipy import stats

from gridcode.analysis.cells.phases import (
    phase_coverage,
    phase_uniformity,
    spatial_phases,
    wave_components,
    wave_vectors,
)
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.errors import InputError


def apart(first, second, basis):
    """Distance on the torus, over the first vector's length."""
    difference = first - second
    return np.hypot(*((difference - np.rint(difference)) @ basis).T) / np.hypot(*basis[0])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing_m", [0.3, 0.5, 0.8])
def test_planted_phases_are_found(rng, shape, spacing_m):
    angle, ratio = SHAPES[shape]
    phases, basis = rng.random((20, 2)), vectors(spacing_m, 13.0, angle, ratio)
    maps = lattice_maps(phases, spacing_m=spacing_m, angle_deg=angle, ratio=ratio)
    found = spatial_phases(maps, bin_size_m=BIN_M, vectors_m=basis)
    assert apart(found, phases, basis).max() < 0.02
    noisy = spatial_phases(maps + rng.normal(0, 0.5, maps.shape), bin_size_m=BIN_M, vectors_m=basis)
    assert np.median(apart(noisy, phases, basis)) < 0.04
    assert ((found >= 0) & (found < 1)).all()


def test_the_convention():
    """A field at `phase @ vectors_m` from the centre, x along columns, also in oblong maps."""
    basis = vectors(0.4, 20.0)
    positions = bin_centres(2.0, BIN_M)[:30]
    centre = positions.reshape(-1, 2).mean(axis=0)
    field = np.array([0.07, -0.11])
    shape = {"spacing_m": 0.4, "orientation_deg": 20.0}
    rate = lattice_cell(positions, phase_m=tuple(centre + field), **shape)
    found = spatial_phases(rate[None], bin_size_m=BIN_M, vectors_m=basis)
    assert apart(found, (field @ np.linalg.inv(basis))[None], basis)[0] < 0.005
    # And in another basis of the same lattice it is the same place.
    other = np.array([[1, 0], [2, 1]]) @ basis
    again = spatial_phases(rate[None], bin_size_m=BIN_M, vectors_m=other)
    assert apart(again @ other @ np.linalg.inv(basis), found, basis)[0] < 1e-9


def test_unvisited_bins_are_left_out(rng):
    phases, basis = rng.random((10, 2)), vectors(0.5, 13.0)
    maps = lattice_maps(phases)
    full = spatial_phases(maps, bin_size_m=BIN_M, vectors_m=basis)
    some = maps.copy()
    some[:, :12, :14] = np.nan
    some[3:, rng.random(maps.shape[1:]) < 0.3] = np.nan
    before = some.copy()
    found = spatial_phases(some, bin_size_m=BIN_M, vectors_m=basis)
    assert apart(found, phases, basis).max() < 0.02
    assert apart(found, full, basis).max() < 0.02
    assert np.array_equal(some, before, equal_nan=True)
    # Filling what was not visited with zeros would be worse.
    filled = spatial_phases(np.nan_to_num(some), bin_size_m=BIN_M, vectors_m=basis)
    assert apart(filled, phases, basis).max() > 2 * apart(found, phases, basis).max()


def test_scale_offset_and_order_of_units_change_nothing(rng):
    maps, basis = lattice_maps(rng.random((6, 2))), vectors(0.5, 13.0)
    found = spatial_phases(maps, bin_size_m=BIN_M, vectors_m=basis)
    assert np.allclose(spatial_phases(3.0 * maps + 7.0, bin_size_m=BIN_M, vectors_m=basis), found)
    order = rng.permutation(6)
    assert np.allclose(spatial_phases(maps[order], bin_size_m=BIN_M, vectors_m=basis), found[order])


def test_the_fitted_waves_are_the_planted_ones(rng):
    """Waves that do not fit the arena, on a third of the bins: least squares has them exactly."""
    waves = np.array([[1.1, 0.3], [-0.4, 1.7], [0.7, 2.0]])
    amplitude = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    positions = bin_centres(1.5, BIN_M)
    maps = 2.0 + np.einsum("uk,yxk->uyx", amplitude, np.exp(2j * np.pi * positions @ waves.T)).real
    maps[:, rng.random(maps.shape[1:]) < 0.6] = np.nan
    found, share = wave_components(maps, bin_size_m=BIN_M, waves=waves)
    assert np.allclose(found, amplitude)
    variance = np.nanvar(maps, axis=(1, 2))
    assert np.allclose(share, np.abs(amplitude) ** 2 / 2 / variance[:, None])


def test_wave_vectors_of_a_hexagon():
    waves = wave_vectors(vectors(0.6, 10.0))
    assert np.hypot(*waves.T) == pytest.approx(2 / (np.sqrt(3) * 0.6))
    assert waves[:2] @ vectors(0.6, 10.0).T == pytest.approx(np.eye(2), abs=1e-12)


def test_maps_without_phase(rng):
    basis = vectors(0.5)
    one = lattice_maps(np.array([[0.2, 0.3]]))
    maps = np.stack([np.zeros((30, 30)), np.full((30, 30), 2.0), np.full((30, 30), np.nan), *one])
    maps[2, 4, 4:9] = rng.random(5)
    found = spatial_phases(maps, bin_size_m=BIN_M, vectors_m=basis)
    assert np.isnan(found[:3]).all()
    assert np.isfinite(found[3]).all()
    # A map far smaller than the lattice holds no phase of it.
    small = spatial_phases(rng.random((2, 10, 10)), bin_size_m=BIN_M, vectors_m=vectors(5.0))
    assert np.isnan(small).all()
    assert spatial_phases(np.empty((0, 30, 30)), bin_size_m=BIN_M, vectors_m=basis).shape == (0, 2)


@pytest.mark.parametrize(
    ("maps", "bin_size_m", "basis"),
    [
        (np.ones(4), 0.05, vectors(0.5)),
        (np.full((1, 9, 9), np.inf), 0.05, vectors(0.5)),
        (np.ones((1, 9, 9)), 0.0, vectors(0.5)),
        (np.ones((1, 9, 9)), 0.05, np.array([[1.0, 0.0], [2.0, 0.0]])),
        (np.ones((1, 9, 9)), 0.05, np.full((2, 2), np.nan)),
    ],
)
def test_bad_maps(maps, bin_size_m, basis):
    with pytest.raises(InputError):
        spatial_phases(maps, bin_size_m=bin_size_m, vectors_m=basis)


@pytest.mark.parametrize("units", [3, 10, 40])
def test_p_is_uniform_for_uniform_phases(rng, units):
    p = [phase_uniformity(rng.random((units, 2)), generator=rng, nulls=99) for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.005


def test_p_of_clustered_and_even_phases(rng):
    clustered = np.array([0.3, 0.95]) + 0.12 * rng.normal(size=(15, 2))
    assert phase_uniformity(clustered, generator=rng) <= 0.002
    # Along any of the three waves.
    for free in ((1.0, 0.0), (0.0, 1.0), (1.0, -1.0)):
        line = rng.random((30, 1)) * free + 0.08 * rng.normal(size=(30, 2))
        assert phase_uniformity(line, generator=rng) < 0.01
    even = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 2) / 4
    assert phase_uniformity(even, generator=rng) > 0.99


def test_p_does_not_depend_on_where_the_map_is_centred(rng):
    phases = rng.random((12, 2))
    moved = (phases + [0.31, 0.77])[::-1] % 1
    first, moved = (
        phase_uniformity(p, generator=np.random.default_rng(0)) for p in (phases, moved)
    )
    assert first == pytest.approx(moved, abs=0.002)


def test_few_phases(rng):
    missing = np.full((3, 2), np.nan)
    assert np.isnan(phase_uniformity(missing, generator=rng))
    assert np.isnan(phase_uniformity(np.array([[0.1, 0.2]]), generator=rng))
    assert np.isnan(phase_coverage(missing, vectors_m=vectors(0.5)))
    one = phase_coverage(np.array([[0.1, 0.2]]), vectors_m=vectors(0.5))
    assert one == pytest.approx(1.0, abs=0.01)
    # In tests shapes are checked as the annotations say, before the function sees them.
    for bad in (np.zeros(4), np.zeros((4, 3)), np.full((4, 2), np.inf)):
        with pytest.raises((InputError, TypeCheckError)):
            phase_uniformity(bad, generator=rng)
        with pytest.raises((InputError, TypeCheckError)):
            phase_coverage(bad, vectors_m=vectors(0.5))
    with pytest.raises(InputError):
        phase_uniformity(np.zeros((4, 2)), generator=rng, nulls=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("units", [4, 15, 60])
def test_coverage_of_random_phases_is_1_on_average(rng, shape, units):
    basis = vectors(0.5, 0.0, *SHAPES[shape])
    draws = 40
    coverage = [phase_coverage(rng.random((units, 2)), vectors_m=basis) for _ in range(draws)]
    assert np.mean(coverage) == pytest.approx(1.0, abs=0.02 + 3 * 0.11 / np.sqrt(draws))
    assert np.std(coverage) < 0.2


def test_coverage_of_many_phases(rng):
    coverage = [phase_coverage(rng.random((400, 2)), vectors_m=vectors(0.5)) for _ in range(5)]
    assert np.mean(coverage) == pytest.approx(1.0, abs=0.1)


def test_coverage_against_a_fine_grid(rng):
    """Distance to the nearest of the phases' copies at every place of a grid, by brute force."""
    basis, phases = vectors(0.5, 10.0, 75.0, 1.1), rng.random((9, 2))
    line = np.arange(150) / 150
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 1, 2)
    difference = grid - phases
    difference -= np.rint(difference)
    shifts = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 1, 1, 2)
    radius = np.sqrt((((difference + shifts) @ basis) ** 2).sum(-1)).min(axis=(0, 2)).max()
    found = phase_coverage(phases, vectors_m=basis)
    area = abs(np.linalg.det(basis))
    expected = np.interp(np.log(9), np.log([8, 12]), [1.084, 1.157])
    assert found == pytest.approx(radius / (expected * np.sqrt(area / 9)), rel=0.01)
    # In another basis of the same lattice the same.
    change = np.array([[1, 0], [1, 1]])
    again = phase_coverage(phases @ np.linalg.inv(change), vectors_m=change @ basis)
    assert again == pytest.approx(found)


def test_holes_and_even_tilings(rng):
    basis = vectors(0.5)
    half = rng.random((80, 2)) * [0.5, 1.0]
    assert phase_coverage(half, vectors_m=basis) > 1.4
    even = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2) / 6
    assert phase_coverage(even, vectors_m=basis) < 0.6
    # Cells that share a phase are cells all the same.
    assert phase_coverage(np.repeat(even, 2, axis=0), vectors_m=basis) < 0.8
