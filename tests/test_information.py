"""Information and stability equal their formulas; the spatial test keeps its level."""

import math

import numpy as np
import pytest
from scipy import stats

from gridcode import InputError
from gridcode.analysis.cells.information import (
    spatial_coherence,
    spatial_information,
    spatial_test,
    split_half_stability,
)
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps, place_cell

ARENA = bin_centres(2.0, 0.05)


def naive_information(rate, time):
    known = np.isfinite(rate) & (time > 0)
    total = time[known].sum()
    mean = sum(t / total * r for r, t in zip(rate[known], time[known], strict=True))
    bits = square = 0.0
    for r, t in zip(rate[known], time[known], strict=True):
        if r > 0:
            bits += t / total * r / mean * math.log2(r / mean)
        square += t / total * r**2
    return bits, mean * bits, mean**2 / square, max(rate[known]) / mean


def naive_neighbours(shape, i, j):
    around = [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    return [(a, b) for a, b in around if 0 <= a < shape[0] and 0 <= b < shape[1]]


def naive_coherence(rate):
    here, around = [], []
    for i, j in np.argwhere(np.isfinite(rate)):
        values = [rate[n] for n in naive_neighbours(rate.shape, i, j) if np.isfinite(rate[n])]
        if values:
            here.append(rate[i, j])
            around.append(np.mean(values))
    return np.corrcoef(here, around)[0, 1]


def naive_morans_i(rate):
    places = [tuple(p) for p in np.argwhere(np.isfinite(rate))]
    mean = np.mean([rate[p] for p in places])
    around = {p: naive_neighbours(rate.shape, *p) for p in places}
    pairs = [(p, q) for p in places for q in around[p] if np.isfinite(rate[q])]
    cross = sum((rate[p] - mean) * (rate[q] - mean) for p, q in pairs)
    return len(places) / len(pairs) * cross / sum((rate[p] - mean) ** 2 for p in places)


def test_information_equals_its_formula(rng):
    rates = rng.gamma(0.5, 2.0, (3, 9, 11))
    rates[0, 2:4] = np.nan
    rates[1, 5, 5] = 0.0
    time = rng.exponential(1.0, (9, 11))
    time[0, 0] = 0.0
    before = rates.copy(), time.copy()
    for occupancy in (None, time, np.stack([time, 2 * time, time**2]), np.full((9, 11), 7)):
        got = spatial_information(rates, occupancy=occupancy)
        every = np.ones((9, 11)) if occupancy is None else occupancy
        names = ("bits_per_spike", "bits_per_second", "sparsity", "selectivity")
        for u, spent in enumerate(np.broadcast_to(every, (3, 9, 11))):
            found = [getattr(got, name)[u] for name in names]
            np.testing.assert_allclose(found, naive_information(rates[u], spent), rtol=1e-12)
        assert got.reason == ("", "", "")
    np.testing.assert_array_equal(rates, before[0])
    np.testing.assert_array_equal(time, before[1])


def test_information_of_known_maps():
    # Active in one bin of 64: 6 bits a spike. In half of them: 1 bit. Everywhere alike: none.
    one, half = np.zeros((8, 8)), np.zeros((8, 8))
    one[3, 3], half[:4] = 5.0, 2.0
    got = spatial_information(np.stack([one, half, np.full((8, 8), 3.0)]))
    np.testing.assert_allclose(got.bits_per_spike, [6, 1, 0], atol=1e-12)
    np.testing.assert_allclose(got.sparsity, [1 / 64, 0.5, 1])
    np.testing.assert_allclose(got.selectivity, [64, 2, 1])
    np.testing.assert_allclose(got.bits_per_second, got.bits_per_spike * got.mean_rate)


def test_activity_of_another_scale_has_the_same_information_per_unit_of_activity(rng):
    rates = rng.random((4, 10, 10))
    a, b = spatial_information(rates), spatial_information(1e-3 * rates)
    np.testing.assert_allclose(b.bits_per_spike, a.bits_per_spike)
    np.testing.assert_allclose(b.bits_per_second, 1e-3 * a.bits_per_second)


def test_information_is_missing_with_a_reason():
    maps = np.stack(
        [np.zeros((5, 5)), np.full((5, 5), np.nan), np.linspace(-1, 1, 25).reshape(5, 5), np.eye(5)]
    )
    got = spatial_information(maps)
    assert got.reason == ("silent", "no visited bin", "negative activity", "")
    for values in (got.bits_per_spike, got.bits_per_second, got.sparsity, got.selectivity):
        assert np.isnan(values).tolist() == [True, True, True, False]
    np.testing.assert_array_equal(np.isnan(got.mean_rate), [False, True, False, False])
    never = spatial_information(np.eye(5), occupancy=np.zeros((5, 5)))
    assert never.reason == ("no visited bin",)


def test_bad_occupancy():
    bad = (np.full((5, 5), value) for value in (-1.0, np.nan, np.inf))
    for occupancy in (np.ones((4, 5)), *bad):
        with pytest.raises(InputError, match="occupancy"):
            spatial_information(np.eye(5), occupancy=occupancy)
    maps = np.eye(5)
    maps[0, 0] = np.nan
    expected = spatial_information(maps).bits_per_spike
    mask = np.isnan(maps)
    for unvisited in (np.where(mask, np.nan, 1.0), np.ma.masked_array(np.ones((5, 5)), mask)):
        got = spatial_information(maps, occupancy=unvisited)
        np.testing.assert_allclose(got.bits_per_spike, expected)


def test_information_bias_is_that_of_random_spikes(rng):
    counts = rng.poisson(5.0, (400, 20, 20)).astype(float)
    got = spatial_information(counts).bits_per_spike.mean()
    spikes = counts.sum(axis=(1, 2))
    assert np.mean(399 / (2 * math.log(2) * spikes)) == pytest.approx(got, rel=0.05)


def test_coherence_equals_its_definition(rng):
    maps = noise_maps(4, 12, correlation_bins=1.0, generator=rng) + 50
    maps[1, 3:5, 2:7] = np.nan
    maps[2, :, :-1][rng.random((12, 11)) < 0.6] = np.nan
    before = maps.copy()
    got = spatial_coherence(maps)
    np.testing.assert_allclose(got, [naive_coherence(one) for one in maps], atol=1e-12)
    np.testing.assert_allclose(spatial_coherence(maps, fisher_z=True), np.arctanh(got))
    np.testing.assert_array_equal(maps, before)


def test_coherence_separates_fields_from_noise(rng):
    flat = (np.full((40, 40), value) for value in (0.0, 2.0, np.nan))
    maps = np.stack([place_cell(ARENA, width_m=0.3), rng.standard_normal((40, 40)), *flat])
    got = spatial_coherence(maps)
    assert got[0] > 0.95 and abs(got[1]) < 0.15 and np.isnan(got[2:]).all()


def test_stability_is_the_correlation_over_common_bins(rng):
    a = noise_maps(3, 15, correlation_bins=1.0, generator=rng)
    b = a + 0.1 * rng.standard_normal(a.shape)
    a[0, :5], b[0, :, :4] = np.nan, np.nan
    b[1] = 2 - 3 * a[1]
    a[2] = 0.0
    got = split_half_stability(a, b)
    both = np.isfinite(a[0]) & np.isfinite(b[0])
    assert got[0] == pytest.approx(np.corrcoef(a[0][both], b[0][both])[0, 1])
    assert got[1] == pytest.approx(-1) and math.isnan(got[2])
    few = np.full((1, 5, 5), np.nan)
    few[0, 0] = 1, 2, 3, 4, 5
    assert np.isnan(split_half_stability(few, few)).all()
    with pytest.raises(InputError, match="same units"):
        split_half_stability(a, b[:2])


def test_morans_i_and_its_moments_over_permutations(rng):
    one = rng.gamma(2.0, 1.0, (8, 9))
    one[2, 3:6] = np.nan
    one[7, 0] = np.nan
    got = spatial_test(one)
    assert got.morans_i[0] == pytest.approx(naive_morans_i(one))
    known = np.isfinite(one)
    shuffled = np.full((10000, *one.shape), np.nan)
    shuffled[:, known] = rng.permuted(np.tile(one[known], (10000, 1)), axis=1)
    shuffles = spatial_test(shuffled)
    assert abs(shuffles.z.mean()) < 0.04 and shuffles.z.std() == pytest.approx(1, abs=0.02)
    assert (shuffles.morans_i >= got.morans_i[0]).mean() == pytest.approx(got.p_value[0], abs=0.01)


@pytest.mark.parametrize("kind", ["normal", "poisson 1", "poisson 0.1", "few spikes", "heavy tail"])
def test_level_on_maps_without_order(rng, kind):
    shape = (2000, 25, 25)
    maps = {
        "normal": lambda: rng.standard_normal(shape),
        "poisson 1": lambda: rng.poisson(1.0, shape),
        "poisson 0.1": lambda: rng.poisson(0.1, shape),
        "few spikes": lambda: rng.poisson(0.02, shape),
        "heavy tail": lambda: rng.exponential(1.0, shape) ** 2,
    }[kind]()
    p = spatial_test(maps).p_value
    for level in (0.05, 0.01):
        rejected = int((p < level).sum())
        # Not above the level; and where the p-value is no mere bound, not far below it either.
        assert stats.binomtest(rejected, len(p), level, alternative="greater").pvalue > 1e-3
        if kind != "few spikes":
            assert stats.binomtest(rejected, len(p), level, alternative="less").pvalue > 1e-3


def test_power_on_spatial_maps(rng):
    place, grid = place_cell(ARENA, width_m=0.15), lattice_cell(ARENA, spacing_m=0.5)
    spikes = rng.poisson(0.5 * grid), rng.poisson(0.3 * place)
    got = spatial_test(np.stack([place, grid, *spikes, np.eye(40)]))
    assert (got.p_value < 1e-3).all() and (got.z > 3).all()
    # Smoothing makes noise spatial: documented, and the reason to ask for unsmoothed maps.
    smooth = noise_maps(5, 40, correlation_bins=1.5, generator=rng)
    assert (spatial_test(smooth).p_value < 1e-6).all()


def test_spatial_test_is_missing_with_a_reason():
    few = np.full((4, 4), np.nan)
    few[:2] = np.arange(8).reshape(2, 4)
    got = spatial_test(np.stack([np.zeros((4, 4)), np.ones((4, 4)), np.full((4, 4), np.nan), few]))
    assert got.reason == ("silent", "constant map", "no visited bin", "too few neighbouring bins")
    assert np.isnan(got.p_value).all() and np.isnan(got.z).all() and not got.is_bound.any()
    alone = np.zeros((9, 9))
    alone[4, 4] = 1.0
    single = spatial_test(alone)
    assert single.is_bound[0] and single.p_value[0] > 0.3


def test_units_do_not_see_each_other(rng):
    maps = rng.random((5, 12, 12))
    maps[3, :3] = np.nan
    order = rng.permutation(5)
    measures = {
        "z": lambda m: spatial_test(m).z,
        "coherence": spatial_coherence,
        "bits": lambda m: spatial_information(m).bits_per_spike,
    }
    for measure in measures.values():
        np.testing.assert_allclose(measure(maps)[order], measure(maps[order]))
        assert measure(maps[:0]).shape == (0,)
    turned = np.rot90(maps, axes=(1, 2))
    np.testing.assert_allclose(spatial_test(turned).z, spatial_test(maps).z)
    np.testing.assert_allclose(spatial_coherence(turned), spatial_coherence(maps))
