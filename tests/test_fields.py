"""Firing fields on planted truth: lattices, a place, bands, noise, silence."""

import math
import time

import numpy as np
import pytest
from planted import lattice_vectors

from gridcode import InputError
from gridcode.analysis.cells.fields import find_fields
from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell

BIN = 0.05
ARENA = bin_centres(4.0, BIN)
FWHM = 2 * math.sqrt(2 * math.log(2))


def fields_of(*maps, **options):
    return find_fields(np.stack(maps), bin_size_m=BIN, **options)


def lattice_points(spacing, orientation, phase):
    whole = np.stack(np.meshgrid(np.arange(-8, 9), np.arange(-8, 9)), axis=-1).reshape(-1, 2)
    return whole @ lattice_vectors(spacing, orientation) + phase


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_lattice_has_a_field_on_every_point_in_the_arena(rng, noise):
    found, inside, outside = 0, 0, 0
    for _ in range(20):
        spacing, orientation = rng.uniform(0.5, 1.0), rng.uniform(0, 60)
        phase = rng.uniform(-0.5, 0.5, 2)
        shape = {"spacing_m": spacing, "orientation_deg": orientation}
        planted = lattice_cell(ARENA, phase_m=tuple(phase), **shape)
        fields = fields_of(planted + noise * rng.standard_normal(planted.shape))
        points = lattice_points(spacing, orientation, phase)
        # Points deep inside have whole fields, those in the arena one each, those a field's width
        # outside may still show.
        depth = 2.0 - np.abs(points).max(axis=1)
        whole = fields.centre_m[~fields.cut]
        distance = np.hypot(*(points[depth > 0.3 * spacing][:, None] - whole).transpose(2, 0, 1))
        assert distance.min(axis=1).max() < (0.01 if noise == 0 else 0.06)
        least, most = (depth > 0).sum(), (depth > -0.3 * spacing).sum()
        assert least - 2 <= fields.count[0] <= most
        found, inside, outside = found + fields.count[0], inside + least, outside + most
        width = math.hypot(0.15 * spacing, BIN)
        assert fields.diameter_m[0] == pytest.approx(FWHM * width, rel=0.1)
    assert inside <= found <= outside


def test_a_place_cell_has_one_field_of_its_size_at_its_place():
    place = 7 * place_cell(ARENA, centre_m=(0.513, -0.322), width_m=0.2)
    fields = fields_of(place, smoothing_bins=0)
    assert fields.count.tolist() == fields.whole_count.tolist() == [1.0]
    np.testing.assert_allclose(fields.centre_m, [[0.513, -0.322]], atol=0.002)
    assert fields.diameter_m[0] == pytest.approx(FWHM * 0.2, rel=0.03)
    assert fields.area_m2[0] == pytest.approx(math.pi * 2 * math.log(2) * 0.04, rel=0.06)
    assert fields.peak[0] == pytest.approx(7, rel=0.05)
    assert fields.field_area_m2[0] == pytest.approx((fields.labels == 1).sum() * BIN**2)


def test_a_field_on_the_wall_is_counted_and_flagged():
    wall = place_cell(ARENA, centre_m=(1.95, 0.0), width_m=0.2)
    fields = fields_of(wall + 0.8 * place_cell(ARENA, centre_m=(-1.0, 1.0), width_m=0.2))
    assert fields.count[0] == 2 and fields.whole_count[0] == 1
    assert fields.cut.tolist() == [True, False]
    only = fields_of(wall)
    assert only.count[0] == 1 and math.isnan(only.area_m2[0])
    assert only.reason == ("no field that the border leaves whole",)


def test_bands_are_fields_that_the_border_cuts(rng):
    band = band_cell(ARENA, spacing_m=1.0, orientation_deg=0.0, phase_m=0.5)
    for one in (band, band + 0.1 * rng.standard_normal(band.shape)):
        fields = fields_of(one)
        assert fields.count[0] == 4 and fields.whole_count[0] == 0


def test_touching_and_unequal_fields_on_a_background_stay_apart():
    # The pass between the two lies above half of the lower one's height: a threshold would merge
    # them.
    left, right = (place_cell(ARENA, centre_m=(x, 0), width_m=0.2) for x in (-0.33, 0.33))
    assert fields_of(5 + left + 0.8 * right).count[0] == 2
    assert fields_of(left + 0.8 * right - 4).count[0] == 2
    bump = 0.1 * place_cell(ARENA, centre_m=(0.45, 0), width_m=0.06)
    assert fields_of(place_cell(ARENA, width_m=0.3) + bump).count[0] == 1


def test_single_bins_are_no_fields_and_noise_has_bumps_only(rng):
    one = np.zeros((80, 80))
    one[40, 40] = 1.0
    assert fields_of(one).count[0] == 0
    assert fields_of(one, min_area_bins=1).count[0] == 1
    fields = find_fields(noise_maps(10, 80, correlation_bins=3, generator=rng), bin_size_m=BIN)
    assert (fields.count > 0).all()


def test_silent_constant_and_unvisited_units():
    flat = (np.full((20, 20), value) for value in (0.0, 3.0, np.nan))
    fields = fields_of(*flat, place_cell(bin_centres(1.0, BIN)))
    np.testing.assert_array_equal(fields.count, [0, 0, np.nan, 1])
    assert np.isnan(fields.area_m2).tolist() == [True, True, True, False]
    assert fields.reason == ("silent", "constant map", "no visited bin", "")
    assert fields.unit.tolist() == [3]


def test_unvisited_bins_and_round_arenas():
    place = place_cell(ARENA, centre_m=(0.5, 0.5), width_m=0.2)
    place[50, 50] = np.nan
    inside = np.hypot(*ARENA.transpose(2, 0, 1)) < 1.9
    hole = np.where(inside, place, np.nan)
    before = hole.copy()
    wall = place_cell(ARENA, centre_m=(1.3, 1.3), width_m=0.2)
    fields = fields_of(hole, np.where(inside, wall, np.nan))
    np.testing.assert_array_equal(hole, before)
    assert fields.count.tolist() == [1, 1]
    # A hole in a field is no border, the wall of a round arena is one.
    assert fields.cut.tolist() == [False, True]
    assert (fields.labels[~np.isfinite(np.stack([hole, hole]))] == 0).all()


def test_laws(rng):
    phases = rng.uniform(-0.3, 0.3, (4, 2))
    maps = np.stack([lattice_cell(ARENA, spacing_m=0.7, phase_m=tuple(p)) for p in phases])
    maps += 0.05 * rng.standard_normal(maps.shape)
    fields = find_fields(maps, bin_size_m=BIN)
    order = rng.permutation(4)
    permuted = find_fields(maps[order], bin_size_m=BIN)
    np.testing.assert_array_equal(permuted.count, fields.count[order])
    np.testing.assert_array_equal(permuted.labels, fields.labels[order])
    scaled = find_fields(100 * maps - 30, bin_size_m=BIN)
    np.testing.assert_array_equal(scaled.labels, fields.labels)
    turned = find_fields(maps.transpose(0, 2, 1)[:, ::-1], bin_size_m=BIN)
    np.testing.assert_array_equal(turned.count, fields.count)
    x, y = fields.centre_m.T
    expected = np.sort(np.stack([y, -x], axis=1), axis=0)
    np.testing.assert_allclose(np.sort(turned.centre_m, axis=0), expected, atol=1e-9)
    wide = find_fields(maps, bin_size_m=2 * BIN)
    np.testing.assert_allclose(wide.area_m2, 4 * fields.area_m2)
    # Each unit's fields are numbered from the highest.
    for u in range(4):
        peaks = fields.peak[fields.unit == u]
        assert (np.diff(peaks) <= 0).all()
        assert fields.labels[u].max() == fields.count[u] == len(peaks)


def test_integers_plateaus_and_one_unit(rng):
    counts = rng.poisson(3 * place_cell(ARENA, width_m=0.3))
    assert fields_of(counts, smoothing_bins=2).count[0] == 1
    block = np.zeros((20, 30), dtype=int)
    block[5:9, 6:12] = 4
    for smoothing in (0, 1):
        fields = find_fields(block, bin_size_m=BIN, smoothing_bins=smoothing)
        assert fields.count[0] == 1
        np.testing.assert_allclose(fields.centre_m[0], [-6 * BIN, -3 * BIN], atol=1e-9)


def test_bad_input():
    bad = [("bin_size_m", 0), ("bin_size_m", np.nan), ("min_prominence", 0), ("min_prominence", 1)]
    for name, value in [*bad, ("smoothing_bins", -1)]:
        with pytest.raises(InputError, match=name):
            find_fields(np.eye(5), **{"bin_size_m": 0.1, name: value})
    for maps in (np.zeros(5), np.zeros((2, 2)), np.full((4, 4), np.inf)):
        with pytest.raises(InputError):
            find_fields(maps, bin_size_m=0.1)
    nothing = find_fields(np.zeros((0, 5, 5)), bin_size_m=0.1)
    assert nothing.count.shape == (0,) and nothing.centre_m.shape == (0, 2)


def test_fast_enough_for_every_evaluation(rng):
    phases = rng.uniform(-0.4, 0.4, (32, 2))
    maps = np.stack([lattice_cell(ARENA, spacing_m=0.8, phase_m=tuple(p)) for p in phases])
    started = time.process_time()
    find_fields(np.tile(maps, (4, 1, 1)), bin_size_m=BIN)
    assert time.process_time() - started < 2.0  # 0.2 on an idle core
