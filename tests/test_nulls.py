"""Null maps keep values, spectrum or fields of a map, and no lattice."""

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.cells.autocorrelogram import autocorrelograms
from gridcode.analysis.cells.gridness import score_correlograms
from gridcode.analysis.cells.nulls import field_shuffled_maps, random_phase_maps, shifts
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps, place_cell

ARENA = bin_centres(2.0, 0.05)
CELL = lattice_cell(ARENA, spacing_m=0.5, orientation_deg=10, phase_m=(0.1, 0.05))


def scores(maps):
    return score_correlograms(autocorrelograms(maps), bin_size_m=1.0).grid_score


def radial_power(maps):
    """Mean power by distance from the origin of the Fourier plane, mean rates taken off."""
    n = maps.shape[1]
    power = np.abs(np.fft.fft2(maps - maps.mean(axis=(1, 2), keepdims=True))) ** 2
    frequency = n * np.fft.fftfreq(n)
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(int).ravel()
    total = np.array([np.bincount(ring, p.ravel()) for p in power])
    return (total / np.bincount(ring))[:, : n // 2]


def test_random_phases_keep_the_values_and_the_radial_spectrum_but_no_lattice(rng):
    before = CELL.copy()
    maps = random_phase_maps(CELL, 200, generator=rng)
    np.testing.assert_array_equal(CELL, before)
    values = np.broadcast_to(np.sort(CELL.ravel()), (200, CELL.size))
    np.testing.assert_allclose(np.sort(maps.reshape(200, -1)), values, atol=1e-12)
    own, drawn = radial_power(CELL[None])[0], radial_power(maps).mean(axis=0)
    ring = np.argmax(own)
    assert abs(int(np.argmax(drawn)) - int(ring)) <= 1
    # The power around the peak, in spite of edges and remapped values.
    near = slice(ring - 1, ring + 2)
    assert drawn[near].sum() == pytest.approx(own[near].sum(), rel=0.35)
    assert scores(CELL[None])[0] > np.nanquantile(scores(maps), 0.99)


def test_the_full_spectrum_would_keep_the_lattice(rng):
    """Why the spectrum is averaged over directions: all amplitudes would keep the lattice."""
    phase = np.angle(np.fft.rfft2(rng.standard_normal((40, *CELL.shape))))
    kept = np.fft.irfft2(np.abs(np.fft.rfft2(CELL)) * np.exp(1j * phase), CELL.shape)
    drawn = random_phase_maps(CELL, 40, generator=rng)
    assert np.nanmedian(scores(kept)) > 0.8 > 0.4 > np.nanmedian(scores(drawn))


def test_unvisited_bins_stay_unvisited(rng):
    holed = CELL.copy()
    holed[3:9, 10:20] = np.nan
    for draw in (random_phase_maps, field_shuffled_maps):
        maps = draw(holed, 5, generator=rng)
        np.testing.assert_array_equal(np.isnan(maps), np.isnan(holed)[None].repeat(5, 0))


def test_shuffled_fields_are_the_map_s_own(rng):
    field = place_cell(ARENA, centre_m=(0.3, -0.2), width_m=0.15)
    maps = field_shuffled_maps(field, 60, generator=rng)
    peak = np.array([np.unravel_index(m.argmax(), m.shape) for m in maps])
    assert len(np.unique(peak, axis=0)) > 50
    np.testing.assert_allclose(maps.max(axis=(1, 2)), field.max())
    inside = (np.abs(peak - 20) < 12).all(axis=1)
    np.testing.assert_allclose(maps[inside].sum(axis=(1, 2)), field.sum(), rtol=0.05)
    shuffled = scores(field_shuffled_maps(CELL, 60, generator=rng))
    assert np.nanquantile(shuffled, 0.95) < scores(CELL[None])[0]


def test_rectangular_maps(rng):
    assert random_phase_maps(CELL[:25], 3, generator=rng).shape == (3, 25, 40)
    assert field_shuffled_maps(CELL[:, :30], 3, generator=rng).shape == (3, 40, 30)


def test_shifts_are_long(rng):
    found = shifts(30000, 500, sample_s=0.02, generator=rng)
    assert found.min() >= 1000 and found.max() <= 29000 and len(np.unique(found)) > 450
    assert shifts(100, 50, sample_s=1.0, generator=rng).min() >= 10
    with pytest.raises(InputError, match="too short"):
        shifts(10, 5, sample_s=1.0, generator=rng)


@pytest.mark.parametrize("draw", [random_phase_maps, field_shuffled_maps])
def test_bad_maps(draw, rng):
    flat = (np.full((9, 9), value) for value in (0.0, np.nan, np.inf))
    for bad in (np.zeros((2, 9, 9)), *flat):
        with pytest.raises(InputError):
            draw(bad, 3, generator=rng)


def test_noise_is_its_own_null(rng):
    noise = noise_maps(1, 40, correlation_bins=2.0, generator=rng)[0]
    drawn = scores(random_phase_maps(noise, 100, generator=rng))
    fresh = scores(noise_maps(100, 40, correlation_bins=2.0, generator=rng))
    assert abs(np.nanmedian(drawn) - np.nanmedian(fresh)) < 0.15
