"""p-values: uniform without a lattice, small with one, the same in any order of units."""

import numpy as np
import pytest
from scipy import stats

from gridcode import InputError
from gridcode.analysis.cells.binning import bin_path
from gridcode.analysis.cells.shift_significance import shift_significance
from gridcode.analysis.cells.significance import (
    MOST_TIMES,
    benjamini_hochberg,
    plane_wave_share,
    significance,
    tail,
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


FIELDS = ("lattice_p_value", "lattice_z", "band_p_value", "grid_score_p_value")


def cut(units, width_bins, rng, bins=40):
    """Noise that is not periodic: a quarter of a larger plane, mean 0 and variance 1."""
    maps = noise_maps(units, 2 * bins, correlation_bins=width_bins, generator=rng)[:, :bins, :bins]
    maps = maps - maps.mean(axis=(1, 2), keepdims=True)
    return maps / maps.std(axis=(1, 2), keepdims=True)


FAMILIES = {
    "smoothed by 1 bin": lambda n, g: cut(n, 1.0, g),
    "smoothed by 2 bins": lambda n, g: cut(n, 2.0, g),
    "smoothed by 3 bins": lambda n, g: cut(n, 3.0, g),
    "rectified": lambda n, g: np.maximum(cut(n, 2.0, g), 0.0),
    "exponentiated": lambda n, g: np.exp(cut(n, 2.0, g)),
    "12 fields": lambda n, g: scattered_fields(n, 40, fields=12, width_bins=2.0, generator=g),
    "30 fields": lambda n, g: scattered_fields(n, 40, fields=30, width_bins=2.0, generator=g),
}


def no_more_than(p, level, confidence=0.999):
    """Whether a share of small p-values agrees with `level` or less."""
    known = p[np.isfinite(p)]
    small = int((known <= level).sum())
    return stats.binomtest(small, len(known), level, "greater").pvalue > 1 - confidence


def test_few_maps_without_a_lattice_have_small_p_values(rng):
    maps = np.concatenate([family(15, rng) for family in FAMILIES.values()])
    found = significance(maps, seed=1, nulls=99)
    assert np.isfinite(found.lattice_p_value).all() and np.isfinite(found.band_p_value).all()
    for p in (found.lattice_p_value, found.band_p_value, found.grid_score_p_value):
        assert all(no_more_than(p, level) for level in (0.01, 0.05, 0.2))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_small_p_values_on_a_thousand_maps_without_a_lattice(family, rng):
    found = significance(FAMILIES[family](1000, rng), seed=2, nulls=199)
    for p in (found.lattice_p_value, found.band_p_value):
        assert np.mean(p <= 0.01) <= 0.02 and np.mean(p <= 0.05) <= 0.08


@pytest.mark.parametrize("shape", [(16, 88), (24, 60)])
def test_small_p_values_are_few_on_oblong_maps(shape, rng):
    rows, columns = shape
    maps = np.concatenate([cut(30, w, rng, columns)[:, :rows] for w in (1.5, 3.0)])
    found = significance(maps, seed=1, nulls=99)
    for p in (found.lattice_p_value, found.band_p_value):
        assert no_more_than(p, 0.05) and no_more_than(p, 0.2)


def test_lattices_of_every_shape_are_significant(rng):
    noise = 0.2 * rng.standard_normal((3, *ARENA.shape[:2]))
    maps = noise + [
        lattice_cell(ARENA, spacing_m=0.5, angle_deg=angle, orientation_deg=9)
        for angle in (60, 74, 90)
    ]
    found = significance(maps, seed=0, nulls=199)
    assert (found.lattice_p_value <= 0.01).all() and (found.lattice_z > 3).all()
    assert found.grid_score_p_value[0] <= 0.02 < found.grid_score_p_value[2]


def test_p_values_go_below_one_in_the_number_of_nulls_but_with_care():
    found = significance(lattice_cell(ARENA, spacing_m=0.45)[None], seed=0, nulls=300)
    assert 0 < found.lattice_p_value[0] < 1 / 301
    null = np.sort(np.random.default_rng(0).uniform(size=1000))
    # A bounded null: the tail that is fitted to it reaches further than the null itself.
    assert tail(null, np.array([1.0]))[0] > 1e-3
    assert (np.diff(tail(null, np.linspace(1, 3, 9))) < 0).all()
    assert tail(null[:50], np.array([9.0]))[0] == 1.0


def test_bands_stand_out_as_bands(rng):
    band = band_cell(ARENA, spacing_m=0.5, orientation_deg=25)
    lattice = lattice_cell(ARENA, spacing_m=0.5)
    maps = np.stack([band, place_cell(ARENA, width_m=0.2), lattice])
    maps += 0.1 * rng.standard_normal(maps.shape)
    share = plane_wave_share(maps)
    assert share[0] > 0.7 and share[2] < 0.5
    found = significance(maps, seed=0, nulls=199)
    assert found.band_p_value[0] <= 0.01 < found.band_p_value[1]


def test_a_unit_s_p_values_are_its_own(rng):
    """To the last digit: alone, among others, in any order, on any number of threads."""
    noise = noise_maps(3, 40, correlation_bins=2.0, generator=rng)
    maps = np.concatenate([noise, [lattice_cell(ARENA, spacing_m=s) for s in (0.4, 0.6)]])
    order = rng.permutation(len(maps))
    one, two = significance(maps, seed=3, nulls=99), significance(maps[order], seed=3, nulls=99)
    again = significance(maps, seed=3, nulls=99, workers=1)
    alone = [significance(m[None], seed=3, nulls=99) for m in maps]
    for name in FIELDS:
        values = getattr(one, name)
        np.testing.assert_array_equal(values[order], getattr(two, name))
        np.testing.assert_array_equal(values, getattr(again, name))
        np.testing.assert_array_equal(values, [getattr(a, name)[0] for a in alone])
    other = significance(maps, seed=4, nulls=99)
    assert (other.lattice_p_value != one.lattice_p_value).any()


def test_null_maps_are_as_many_as_a_verdict_needs(rng):
    """100 where the verdict is clear, all where it is not, more where they are asked for."""
    noise = noise_maps(3, 20, correlation_bins=2.0, generator=rng)
    weak = lattice_cell(ARENA[:20, :20], spacing_m=0.3) + 0.8 * noise[0] / noise[0].std()
    maps = np.concatenate([noise, weak[None], lattice_cell(ARENA, spacing_m=0.4)[None, :20, :20]])
    seen = []

    def second_is_open(low, high):
        seen.append((low, high))
        return np.array([False, True, False, False, False])

    found = significance(maps, seed=3, nulls=100)
    all_of_them = significance(maps, seed=3, nulls=300).nulls
    assert (found.nulls == 100).all() and set(all_of_them) == {100, 300}
    more = significance(maps, seed=3, nulls=100, undecided=second_is_open)
    others = [0, 2, 3, 4]
    np.testing.assert_array_equal(more.nulls[others], found.nulls[others])
    np.testing.assert_array_equal(more.lattice_p_value[others], found.lattice_p_value[others])
    assert more.nulls[1] == MOST_TIMES * 100
    # Intervals hold the p-value and get narrower.
    (first_low, first_high), (last_low, last_high) = seen[0], seen[-1]
    assert first_low[0, 1] <= more.lattice_p_value[1] <= first_high[0, 1]
    assert (last_high - last_low)[0, 1] < 0.6 * (first_high - first_low)[0, 1]


def test_a_clear_lattice_needs_few_null_maps(rng):
    clear = lattice_cell(ARENA, spacing_m=0.45) + 0.1 * rng.standard_normal(ARENA.shape[:2])
    found = significance(np.stack([clear]), seed=0, nulls=500)
    assert found.nulls[0] == 100 and found.lattice_p_value[0] < 1e-3


def test_the_upper_end_of_a_tail_is_above_the_truth_nearly_always(rng):
    """Of exponential scores, whose tail is what is fitted, beyond all of 100 null maps."""
    beyond = np.array([12.0])
    high = [tail(np.sort(rng.exponential(size=100)), beyond, miss=0.05)[0] for _ in range(300)]
    assert 0.02 <= np.mean(np.array(high) < np.exp(-12.0)) <= 0.15


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
        for name in ("lattice_p_value", "band_p_value", "grid_score_p_value"):
            # Up to a null map or two, in which rounding decides which peak is higher.
            one, two = getattr(found[0], name), getattr(other, name)
            np.testing.assert_allclose(two, one, rtol=0.1, atol=0.02)


def test_what_cannot_be_tested_is_missing():
    silent, unvisited, constant = (np.full((40, 40), value) for value in (0.0, np.nan, 3.0))
    maps = np.stack([silent, unvisited, lattice_cell(ARENA, spacing_m=0.5), constant])
    before, seen = maps.copy(), []
    found = significance(maps, seed=0, nulls=99, progress=lambda *done: seen.append(done))
    np.testing.assert_array_equal(maps, before)
    np.testing.assert_array_equal(np.isnan(found.band_p_value), [True, True, False, True])
    np.testing.assert_array_equal(np.isnan(found.lattice_p_value), [True, True, False, True])
    np.testing.assert_array_equal(found.nulls > 0, [False, False, True, False])
    assert seen[-1] == (1, 1)
    assert np.isnan(significance(np.zeros((2, 9, 9)), seed=0, nulls=99).lattice_p_value).all()
    with pytest.raises(InputError, match="19 or more"):
        significance(maps, seed=0, nulls=5)
    with pytest.raises(InputError, match="null must be"):
        significance(maps, seed=0, null="full spectrum")


def test_maps_with_holes_of_their_own_and_rectangles():
    cell = lattice_cell(ARENA, spacing_m=0.4)[:30]
    maps = np.stack([cell, cell])
    maps[1, 5:10, 5:10] = np.nan
    assert (significance(maps, seed=0, nulls=99).lattice_p_value <= 0.01).all()


def test_field_shuffle(rng):
    scattered = scattered_fields(1, 40, fields=16, width_bins=2.0, generator=rng)
    maps = np.concatenate([lattice_cell(ARENA, spacing_m=0.45)[None], scattered])
    found = significance(maps, seed=0, nulls=199, null="field shuffle")
    assert found.lattice_p_value[0] <= 0.01 < found.lattice_p_value[1]


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
