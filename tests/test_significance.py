"""p-values: uniform without a lattice, small with one, the same in any order of units."""

import numpy as np
import pytest
from scipy import stats

from gridcode import InputError
from gridcode.analysis.cells.binning import bin_path
from gridcode.analysis.cells.significance import (
    _tail,
    benjamini_hochberg,
    plane_wave_share,
    shift_significance,
    significance,
)
from gridcode.analysis.synthetic import (
    band_cell,
    bin_centres,
    lattice_cell,
    noise_maps,
    place_cell,
    scattered_fields,
)
from gridcode.world.walks import smooth_walk

ARENA = bin_centres(2.0, 0.05)


def uniform_at(p, level):
    known = p[np.isfinite(p)]
    low, high = stats.binomtest(int((known <= level).sum()), len(known)).proportion_ci(0.999)
    return low <= level <= high


def test_p_values_are_uniform_on_noise(rng):
    found = significance(noise_maps(150, 32, correlation_bins=1.5, generator=rng), seed=1, nulls=99)
    assert np.isfinite(found.p_value).mean() > 0.8
    assert stats.kstest(found.p_value[np.isfinite(found.p_value)], "uniform").pvalue > 1e-3
    for level in (0.01, 0.05, 0.2):
        assert uniform_at(found.p_value, level) and uniform_at(found.lattice_p_value, level)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["smooth", "rectified", "fields"])
def test_false_positives_on_two_thousand_null_maps(kind, rng):
    if kind == "fields":
        maps = scattered_fields(2000, 40, fields=12, width_bins=2.5, generator=rng)
    else:
        maps = noise_maps(2000, 80, correlation_bins=2.5, generator=rng)[:, :40, :40]
        if kind == "rectified":
            maps = np.maximum(maps - maps.mean(axis=(1, 2), keepdims=True), 0)
    found = significance(maps, seed=2)
    for p in (found.p_value, found.lattice_p_value):
        test = stats.binomtest(int((p <= 0.01).sum()), int(np.isfinite(p).sum()))
        low, high = test.proportion_ci(0.99)
        assert low <= 0.01 <= high
    known = found.p_value[np.isfinite(found.p_value)]
    assert stats.kstest(known, "uniform").pvalue > 1e-3


def test_lattices_of_every_shape_are_significant(rng):
    noise = 0.2 * rng.standard_normal((3, *ARENA.shape[:2]))
    maps = noise + [
        lattice_cell(ARENA, spacing_m=0.5, angle_deg=angle, orientation_deg=9)
        for angle in (60, 74, 90)
    ]
    found = significance(maps, seed=0)
    assert found.p_value[0] <= 0.01 and (found.p_value[1:] > 0.01).all()
    assert (found.lattice_p_value <= 0.01).all()
    assert found.square_p_value[2] <= 0.01 < found.square_p_value[0]


def test_p_values_go_below_one_in_the_number_of_nulls_but_with_care():
    found = significance(lattice_cell(ARENA, spacing_m=0.45)[None], seed=0, nulls=300)
    assert 0 < found.p_value[0] < 1 / 301
    null = np.sort(np.random.default_rng(0).uniform(size=1000))
    # A bounded null: the tail that is fitted to it reaches further than the null itself.
    assert _tail(null, np.array([1.0]))[0] > 1e-3
    assert (np.diff(_tail(null, np.linspace(1, 3, 9))) < 0).all()
    assert _tail(null[:50], np.array([9.0]))[0] == 1.0


def test_bands_stand_out_as_bands(rng):
    band = band_cell(ARENA, spacing_m=0.5, orientation_deg=25)
    lattice = lattice_cell(ARENA, spacing_m=0.5)
    maps = np.stack([band, place_cell(ARENA, width_m=0.2), lattice])
    maps += 0.1 * rng.standard_normal(maps.shape)
    share = plane_wave_share(maps)
    assert share[0] > 0.7 and share[2] < 0.5
    found = significance(maps, seed=0, nulls=199)
    assert found.band_p_value[0] <= 0.01 < found.band_p_value[1]


def test_the_order_of_units_does_not_matter(rng):
    noise = noise_maps(3, 40, correlation_bins=2.0, generator=rng)
    maps = np.concatenate([noise, [lattice_cell(ARENA, spacing_m=s) for s in (0.4, 0.6)]])
    order = rng.permutation(len(maps))
    one, two = significance(maps, seed=3, nulls=99), significance(maps[order], seed=3, nulls=99)
    for name in ("p_value", "lattice_p_value", "band_p_value"):
        np.testing.assert_allclose(getattr(one, name)[order], getattr(two, name), rtol=1e-9)
    again = significance(maps, seed=3, nulls=99, workers=1)
    np.testing.assert_array_equal(one.p_value, again.p_value)


def test_circular_shifts_of_negative_and_silent_activity(rng):
    """Slow activity with negative values, as of calcium, passes any test of the map alone."""
    walk = smooth_walk(arena_m=1.0, steps=3000, walkers=1, max_step_m=0.1, generator=rng)
    where = walk.positions[1:, 0]
    grid = lattice_cell(where, spacing_m=0.5) - 0.6
    slow = np.convolve(rng.standard_normal(3040), np.ones(41) / 41, mode="valid")
    activity = np.stack([grid, slow, 0 * slow, 0 * slow - 1], axis=1)
    path = bin_path(where, np.arange(3000) * 0.1, activity=activity, bin_size_m=0.05)
    found = shift_significance(path, seed=0, nulls=99)
    assert found.information_p_value[0] <= 0.01 < found.information_p_value[1]
    np.testing.assert_array_equal(np.isnan(found.information_p_value), [False, False, True, True])


def test_the_unit_of_activity_and_its_zero_do_not_matter(rng):
    """Smoothing leaves an offset constant but for rounding: ranked, that would be white noise."""
    fields = scattered_fields(3, 36, fields=6, width_bins=1.2, generator=rng)
    fields = np.where(fields > 0.01, fields, 0.0)
    scaled = (fields, fields + 0.1, 1e30 * fields, 1e-200 * fields)
    found = [significance(maps, seed=1, nulls=99) for maps in scaled]
    for other in found[1:]:
        for name in ("p_value", "lattice_p_value", "square_p_value", "band_p_value"):
            # Up to a null map or two, in which rounding decides which peak is higher.
            one, two = getattr(found[0], name), getattr(other, name)
            np.testing.assert_allclose(two, one, rtol=0.1, atol=0.02)


def test_the_order_of_units_does_not_matter_where_spectra_are_equal(rng):
    """A map and a power of it have the same ranks and spectrum, and different null maps."""
    noise = noise_maps(1, 32, correlation_bins=1.5, generator=rng)[0] + 0.1
    maps = np.stack([noise, noise**8])
    one, two = (significance(m, seed=3, nulls=99, smoothing_bins=0) for m in (maps, maps[::-1]))
    assert one.group.max() == 1
    np.testing.assert_allclose(one.band_p_value, two.band_p_value[::-1])
    np.testing.assert_allclose(one.null_95, two.null_95[::-1])


def test_units_of_one_module_share_their_null_maps(rng):
    phases = rng.uniform(-1, 1, (8, 2))
    maps = np.stack([lattice_cell(ARENA, spacing_m=0.5, phase_m=tuple(p)) for p in phases])
    found = significance(maps, seed=0, nulls=99)
    assert found.group.max() == 0 and (found.nulls > 200).all()


def test_what_cannot_be_tested_is_missing():
    silent, unvisited, constant = (np.full((40, 40), value) for value in (0.0, np.nan, 3.0))
    maps = np.stack([silent, unvisited, lattice_cell(ARENA, spacing_m=0.5), constant])
    before, seen = maps.copy(), []
    found = significance(maps, seed=0, nulls=99, progress=lambda *done: seen.append(done))
    np.testing.assert_array_equal(maps, before)
    np.testing.assert_array_equal(np.isnan(found.p_value), [True, True, False, True])
    np.testing.assert_array_equal(np.isnan(found.lattice_p_value), [True, True, False, True])
    assert seen[-1] == (1, 1)
    assert np.isnan(significance(np.zeros((2, 9, 9)), seed=0, nulls=99).p_value).all()
    with pytest.raises(InputError, match="19 or more"):
        significance(maps, seed=0, nulls=5)
    with pytest.raises(InputError, match="null must be"):
        significance(maps, seed=0, null="full spectrum")


def test_maps_with_holes_of_their_own_and_rectangles():
    cell = lattice_cell(ARENA, spacing_m=0.4)[:30]
    maps = np.stack([cell, cell])
    maps[1, 5:10, 5:10] = np.nan
    assert (significance(maps, seed=0, nulls=99).p_value <= 0.01).all()


def test_field_shuffle(rng):
    scattered = scattered_fields(1, 40, fields=16, width_bins=2.0, generator=rng)
    maps = np.concatenate([lattice_cell(ARENA, spacing_m=0.45)[None], scattered])
    found = significance(maps, seed=0, nulls=199, null="field shuffle")
    assert found.p_value[0] <= 0.01 < found.p_value[1]


def test_benjamini_hochberg():
    np.testing.assert_allclose(
        benjamini_hochberg(np.array([0.01, np.nan, 0.04, 0.03, 0.9])),
        [0.04, np.nan, 0.16 / 3, 0.16 / 3, 0.9],
    )
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_circular_shifts_separate_spatial_from_temporal(rng):
    walk = smooth_walk(arena_m=2.0, steps=4000, walkers=1, max_step_m=0.1, generator=rng)
    where = walk.positions[1:, 0]
    grid = lattice_cell(where, spacing_m=0.5) + 0.1 * rng.standard_normal(4000)
    # As slow as a cell with fields, but of time alone.
    slow = np.convolve(rng.standard_normal(4040), np.ones(41) / 41, mode="valid")
    activity = np.stack([grid - grid.min(), slow - slow.min()], axis=1)
    path = bin_path(where, np.arange(4000) * 0.1, activity=activity, bin_size_m=0.05)
    found = shift_significance(path, seed=0, nulls=99)
    assert found.information_p_value[0] <= 0.01 and found.grid_p_value[0] <= 0.01
    assert found.information_p_value[1] > 0.01
    # One unit among hundreds must be able to stand out.
    assert 0 < shift_significance(path, seed=0, nulls=100).information_p_value[0] < 1e-4
