"""Scores on planted truth: perfect, noisy, sheared, square, band, place and noise maps."""

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.autocorrelogram import autocorrelograms, smooth
from gridcode.analysis.gridness import score_maps
from gridcode.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell

BIN = 0.05
ARENA = bin_centres(4.0, BIN)


def score(*maps, **options):
    return score_maps(np.stack(maps), bin_size_m=BIN, **options)


def naive_correlogram(a, min_overlap=20):
    n, m = a.shape
    out = np.full((2 * n - 1, 2 * m - 1), np.nan)
    for dy in range(-n + 1, n):
        for dx in range(-m + 1, m):
            one = a[max(dy, 0) : n + min(dy, 0), max(dx, 0) : m + min(dx, 0)]
            two = a[max(-dy, 0) : n + min(-dy, 0), max(-dx, 0) : m + min(-dx, 0)]
            both = np.isfinite(one) & np.isfinite(two)
            if both.sum() >= min_overlap and min(one[both].std(), two[both].std()) > 1e-6:
                out[dy + n - 1, dx + m - 1] = np.corrcoef(one[both], two[both])[0, 1]
    return out


def test_autocorrelogram_equals_its_definition(rng):
    maps = 5 + noise_maps(2, 14, correlation_bins=1.5, generator=rng)
    maps[0, 3, 4:9] = np.nan
    maps[1, :, 0] = np.nan
    before = maps.copy()
    got = autocorrelograms(maps)
    np.testing.assert_array_equal(maps, before)
    for one, fast in zip(maps, got, strict=True):
        np.testing.assert_allclose(fast, naive_correlogram(one), atol=1e-9)


def test_smoothing_keeps_constants_and_holes():
    maps = np.full((1, 10, 12), 3.0)
    maps[0, 2:4, 5] = np.nan
    np.testing.assert_allclose(smooth(maps, 2.0), maps)


@pytest.mark.parametrize("spacing", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("orientation", [-25.0, 0.0, 10.0])
def test_hexagonal_cell(spacing, orientation, rng):
    clean = lattice_cell(ARENA, spacing_m=spacing, orientation_deg=orientation, phase_m=(0.13, 0.29))
    s = score(clean, clean + 0.3 * rng.standard_normal(clean.shape))
    assert (s.minmax > 1.2).all() and (s.mean60 > 1.2).all() and (s.corrected > 1.2).all()
    assert (s.square < 0.5).all()
    np.testing.assert_allclose(s.spacing_m, spacing, rtol=0.02)
    np.testing.assert_allclose(s.orientation_deg, orientation, atol=1.0)
    np.testing.assert_allclose(s.axis_ratio, 1.0, atol=0.04)


def test_square_cell_is_no_hexagon_until_its_shear_is_undone():
    s = score(lattice_cell(ARENA, spacing_m=0.8, angle_deg=90, orientation_deg=12))
    assert s.minmax[0] < -0.5 and s.square[0] > 1.0 and s.corrected[0] > 1.0
    assert s.axis_ratio[0] == pytest.approx(1 / np.sqrt(3), abs=0.02)
    np.testing.assert_allclose(np.hypot(*s.vectors_m[0].T), 0.8, rtol=0.02)


def test_sheared_cell_recovers_its_lattice_vectors():
    s = score(lattice_cell(ARENA, spacing_m=0.9, angle_deg=75, ratio=1.1, orientation_deg=-20))
    assert s.corrected[0] > 1.0 and s.corrected[0] > s.minmax[0] + 0.5
    length = np.sort(np.hypot(*s.vectors_m[0].T))
    np.testing.assert_allclose(length, [0.9, 0.99], rtol=0.02)
    assert np.degrees(np.arccos(s.vectors_m[0, 0] @ s.vectors_m[0, 1] / np.prod(length))) == pytest.approx(75, abs=1)
    assert s.orientation_deg[0] == pytest.approx(-20, abs=1)


def test_band_and_place_cells_are_no_lattices(rng):
    noise = 0.05 * rng.standard_normal((2, *ARENA.shape[:2]))
    s = score(band_cell(ARENA, spacing_m=0.7, orientation_deg=20) + noise[0], place_cell(ARENA, centre_m=(0.4, -0.3), width_m=0.25) + noise[1])
    assert s.minmax[0] < 0.5 and s.corrected[0] < 0.5
    assert not s.minmax[1] > 0.5


@pytest.mark.parametrize("correlation", [2.0, 4.0])
def test_noise_rarely_passes_the_conventional_threshold(correlation, rng):
    s = score_maps(noise_maps(200, 80, correlation_bins=correlation, generator=rng), bin_size_m=BIN)
    assert np.mean(s.minmax > 0.5) < 0.12
    assert np.nanmedian(s.minmax) < 0.2


def test_scores_do_not_depend_on_phase_scale_or_offset():
    maps = [lattice_cell(ARENA, spacing_m=0.8, phase_m=p) for p in ((0, 0), (0.3, 0.1), (-0.2, 0.35))]
    s = score(*maps, 40 * maps[0] + 7)
    np.testing.assert_allclose(s.minmax, s.minmax[0], atol=0.08)
    assert s.minmax[3] == pytest.approx(s.minmax[0])


def test_mirrored_and_turned_maps_keep_their_score():
    cell = lattice_cell(ARENA, spacing_m=0.8, orientation_deg=8, angle_deg=66, phase_m=(0.1, 0.2))
    s = score(cell, np.rot90(cell), cell[::-1], cell.T)
    np.testing.assert_allclose(s.minmax, s.minmax[0], atol=0.03)
    np.testing.assert_allclose(s.spacing_m, s.spacing_m[0], rtol=0.01)


def test_missing_scores_are_nan_with_a_reason():
    holes = np.full((80, 80), np.nan)
    s = score(np.zeros((80, 80)), np.ones((80, 80)), holes)
    assert np.isnan(s.minmax).all() and np.isnan(s.spacing_m).all()
    assert s.reason == ("silent", "constant map", "no visited bin")


def test_unvisited_bins_and_integers_are_fine():
    cell = lattice_cell(ARENA, spacing_m=0.8)
    holed = cell.copy()
    holed[10:14, 30:60] = np.nan
    counts = np.rint(20 * cell).astype(np.int64)
    s = score(cell, holed, counts)
    np.testing.assert_allclose(s.minmax, s.minmax[0], atol=0.1)


def test_non_square_arena():
    s = score_maps(lattice_cell(bin_centres(4.0, BIN)[:60], spacing_m=0.6)[None], bin_size_m=BIN)
    assert s.minmax[0] > 1.0


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((2, 2, 2, 2)), np.zeros((2, 2)), np.full((5, 5), np.inf)])
def test_bad_maps(bad):
    with pytest.raises(InputError):
        score_maps(bad, bin_size_m=BIN)
    with pytest.raises(InputError, match="bin_size_m"):
        score_maps(np.zeros((9, 9)), bin_size_m=0.0)
