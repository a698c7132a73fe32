"""Fourier spectra: planted waves, shares and phases are found."""

import numpy as np
import pytest
from planted import BIN_M, SHAPES, lattice_maps
from planted import lattice_vectors as vectors

from gridcode.analysis.cells.phases import spatial_phases, wave_vectors
from gridcode.analysis.cells.spectrum import module_spectrum, power_at
from gridcode.analysis.synthetic import bin_centres, noise_maps
from gridcode.errors import InputError


def planted(phases, **shape):
    return lattice_maps(phases, positions=bin_centres(2.2, BIN_M), **shape)


def power_everywhere(maps):
    """Power and wave numbers on the grid of `module_spectrum`."""
    waves = module_spectrum(maps, bin_size_m=BIN_M).wave_numbers_per_m
    return power_at(maps, bin_size_m=BIN_M, wave_numbers_per_m=waves), waves


def degrees_apart(first, second):
    return np.abs((first - second + 180.0) % 360.0 - 180.0)


def distance_to_nearest(wave, peaks):
    """A wave and its opposite are the same."""
    return np.hypot(*(np.concatenate([peaks, -peaks]) - wave).T).min()


def test_power_adds_up_to_the_variance(rng):
    maps = rng.normal(size=(3, 30, 24)) + 5.0
    maps[1, :9, :9] = np.nan
    power, waves = power_everywhere(maps)
    # White noise: the same variance whatever the window.
    assert power.mean(axis=(1, 2)) == pytest.approx(np.nanvar(maps, axis=(1, 2)), rel=0.15)
    assert np.allclose(power, power[:, ::-1, ::-1])
    assert np.allclose(waves, -waves[::-1])
    # Constant offsets do not show, factors do as squares.
    assert np.allclose(power_everywhere(3.0 * maps + 7.0)[0], 9 * power)
    # The module's is the mean of its cells', each with a sum of 1.
    expected = (power / power.sum(axis=(1, 2), keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(module_spectrum(maps, bin_size_m=BIN_M).power, expected, atol=1e-12)
    silent = power_at(np.zeros((1, 9, 9)), bin_size_m=BIN_M, wave_numbers_per_m=waves)
    assert np.isnan(silent).all()


def test_a_plane_wave_is_where_it_should_be():
    wave = np.array([1.3, -2.1])
    rate = np.cos(2 * np.pi * bin_centres(2.0, BIN_M) @ wave + 0.4)
    power, waves = power_everywhere(rate[None])
    row, column = np.unravel_index(power[0].argmax(), power[0].shape)
    found = np.array([waves[column], waves[row]])
    step = waves[1] - waves[0]
    assert np.abs(found * np.sign(found[0]) - wave).max() <= step / 2 + 1e-9
    assert step <= 1 / (4 * 2.0)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_planted_lattices(rng, shape, given):
    angle, ratio = SHAPES[shape]
    basis, phases = vectors(0.5, 13.0, angle, ratio), rng.random((12, 2))
    maps = planted(phases, angle_deg=angle, ratio=ratio)
    found = module_spectrum(maps, bin_size_m=BIN_M, vectors_m=basis if given else None)
    waves = wave_vectors(basis)
    # A square lattice has two diagonals that are alike.
    for wave in waves[: 2 if shape == "square" else 3]:
        assert distance_to_nearest(wave, found.peaks_per_m) < 0.002 * np.hypot(*wave)
    assert np.allclose(found.lengths_per_m, np.hypot(*found.peaks_per_m.T))
    assert np.allclose(found.waves_per_m[2], found.waves_per_m[:2].sum(axis=0))
    assert found.angles_deg.sum() == pytest.approx(180.0)
    if shape == "hexagonal":
        assert found.lengths_per_m == pytest.approx(np.full(3, 2 / (np.sqrt(3) * 0.5)), rel=0.002)
        assert found.angles_deg == pytest.approx(np.full(3, 60.0), abs=0.2)
    assert found.power.sum() == pytest.approx(1.0)
    assert (found.tiling_p_value > 1e-3).all()
    assert np.abs(found.triple_phase_deg).max() < 5.0
    # The first ring has most of the variance of fields this wide.
    assert (found.power_share.sum(axis=1) > 0.75).all()
    assert (found.power_share.sum(axis=1) < 1.01).all()


def test_phases_are_those_of_the_fields(rng):
    basis, phases = vectors(0.5, 13.0), rng.random((12, 2))
    maps = planted(phases)
    found = module_spectrum(maps, bin_size_m=BIN_M, vectors_m=basis)
    expected = 360 * np.stack([phases[:, 0], phases[:, 1], phases.sum(axis=1)], axis=1)
    assert degrees_apart(found.phase_deg, expected).max() < 3.0
    spatial = 360 * spatial_phases(maps, bin_size_m=BIN_M, vectors_m=basis)
    assert degrees_apart(found.phase_deg[:, :2], spatial).max() < 3.0
    assert ((found.phase_deg >= 0) & (found.phase_deg < 360)).all()


def test_holes_on_a_lattice_have_the_opposite_triple_phase(rng):
    found = module_spectrum(1.0 - planted(rng.random((5, 2))), bin_size_m=BIN_M)
    assert degrees_apart(found.triple_phase_deg, 180.0).max() < 5.0


def test_clustered_phases_do_not_tile(rng):
    # Along the first vector they are alike, along the second not.
    phases = np.stack([0.4 + 0.03 * rng.normal(size=20), rng.random(20)], axis=1)
    found = module_spectrum(planted(phases), bin_size_m=BIN_M, vectors_m=vectors(0.5, 13.0))
    assert found.tiling_p_value[0] < 1e-6
    assert (found.tiling_p_value[1:] > 1e-3).all()


def test_turning_the_maps_turns_the_waves(rng):
    maps = planted(rng.random((5, 2)))
    first, turned = (
        module_spectrum(m, bin_size_m=BIN_M) for m in (maps, np.rot90(maps, k=-1, axes=(1, 2)))
    )
    # Rows go up with y: rot90 with k = -1 turns x into y.
    for wave in first.peaks_per_m @ np.array([[0.0, 1.0], [-1.0, 0.0]]):
        assert distance_to_nearest(wave, turned.peaks_per_m) < 1e-6
    assert np.allclose(np.sort(first.lengths_per_m), np.sort(turned.lengths_per_m))
    order = rng.permutation(5)
    again = module_spectrum(maps[order], bin_size_m=BIN_M)
    assert np.allclose(again.phase_deg, first.phase_deg[order])


def test_unvisited_bins_noise_and_silent_units(rng):
    phases = rng.random((15, 2))
    maps = planted(phases)
    maps = maps + rng.normal(0, 0.3, maps.shape)
    maps[:, :15, :12] = np.nan
    maps[2], maps[3] = 0.0, np.nan
    before = maps.copy()
    found = module_spectrum(maps, bin_size_m=BIN_M)
    assert np.array_equal(maps, before, equal_nan=True)
    for wave in wave_vectors(vectors(0.5, 13.0)):
        assert distance_to_nearest(wave, found.peaks_per_m) < 0.02 * np.hypot(*wave)
    assert np.isnan(found.phase_deg[2:4]).all()
    assert np.isfinite(np.delete(found.phase_deg, [2, 3], axis=0)).all()
    assert np.isfinite(found.tiling_p_value).all()


def test_noise_has_no_lattice(rng):
    """Peaks of noise, where there are any, explain little of any cell."""
    noise = noise_maps(30, 44, correlation_bins=2.0, generator=rng)
    found = module_spectrum(noise, bin_size_m=BIN_M, vectors_m=vectors())
    assert found.power.sum() == pytest.approx(1.0)
    assert np.mean(found.power_share) < 0.05


def test_nothing_to_see():
    nothing = np.stack([np.zeros((20, 20)), np.full((20, 20), np.nan)])
    found = module_spectrum(nothing, bin_size_m=BIN_M)
    names = ("power", "peaks_per_m", "waves_per_m", "phase_deg", "tiling_p_value", "power_share")
    assert all(np.isnan(getattr(found, name)).all() for name in names)
    # One broad field: no wave has a period in the arena.
    broad = np.exp(-(bin_centres(1.0, BIN_M) ** 2).sum(-1) / 0.1)[None]
    assert np.isnan(module_spectrum(broad, bin_size_m=BIN_M).phase_deg).all()
    none = module_spectrum(np.empty((0, 20, 20)), bin_size_m=BIN_M, vectors_m=vectors(0.3))
    assert none.phase_deg.shape == (0, 3)
    assert np.isnan(none.tiling_p_value).all()


@pytest.mark.parametrize("maps", [np.ones(4), np.full((1, 9, 9), np.inf), np.ones((1, 2, 2))])
def test_bad_maps(maps):
    for measure in (power_at, module_spectrum):
        more = {"wave_numbers_per_m": np.ones(1)} if measure is power_at else {}
        with pytest.raises(InputError):
            measure(maps, bin_size_m=BIN_M, **more)


def test_bad_settings():
    for size in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError):
            power_at(np.ones((1, 9, 9)), bin_size_m=size, wave_numbers_per_m=np.ones(1))
    with pytest.raises(InputError):
        module_spectrum(np.ones((1, 9, 9)), bin_size_m=BIN_M, vectors_m=np.zeros((2, 2)))
