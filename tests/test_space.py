import math

import numpy as np
import pytest

from gridcode.analysis.navigation.invariance import path_invariance
from gridcode.analysis.navigation.neural_distance import (
    bin_distances,
    distance_curve,
    distance_from_origin,
    predicted_plateau,
)
from gridcode.analysis.system import System
from gridcode.errors import InputError

SCALE_M = 0.2


class Planted:
    """A Gaussian kernel, |g(x) - g(x')|^2 = 2 - 2 exp(-d^2 / 2 l^2); two units carry the place."""

    def __init__(self, *, units=600, noise_m=0.0, seed=0):
        self.rng = np.random.default_rng(seed)
        self.wave = self.rng.standard_normal((2, units // 2)) / SCALE_M
        self.noise_m = noise_m
        self.start = self.state(np.zeros((1, 2)))[0]

    def code(self, x):
        angle = x @ self.wave
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1) / math.sqrt(
            self.wave.shape[1]
        )

    def state(self, x):
        return np.concatenate([self.code(x), 1e-6 * x], axis=1)

    def step(self, states, velocities):
        x = 1e6 * states[:, -2:] + velocities
        return self.state(x + self.noise_m * self.rng.standard_normal(x.shape))


def places(rng, count=2000, side=2.0):
    return rng.uniform(-side / 2, side / 2, (count, 2))


def curve_of(activity, x, **settings):
    return distance_curve(
        x, activity, generator=np.random.default_rng(1), **({"samples": 1500} | settings)
    )


def test_a_planted_kernel_gives_its_scale_plateau_and_slope(rng):
    x = places(rng)
    found = curve_of(Planted().code(x), x, longest_m=2.0)
    assert found.reason == ""
    assert found.plateau == pytest.approx(math.sqrt(2), rel=0.02)
    assert found.plateau_square == pytest.approx(2, rel=0.03)
    # 1 - exp(-d^2 / 2 l^2) = (1 - 1/e)^2
    expected = SCALE_M * math.sqrt(-2 * math.log(1 - (1 - math.exp(-1)) ** 2))
    assert found.decorrelation_m == pytest.approx(expected, rel=0.04)
    assert found.slope_per_m == pytest.approx(1 / SCALE_M, rel=0.06)
    assert found.same_place < 0.05
    near = found.bins.distance_m < 1
    np.testing.assert_allclose(
        found.bins.mean[near],
        np.sqrt(2 - 2 * np.exp(-(found.bins.distance_m[near] ** 2) / (2 * SCALE_M**2))),
        atol=0.04,
    )
    low, middle, high = found.bins.quartiles
    assert (low <= middle).all() and (middle <= high).all()


def test_noise_at_the_same_place_is_what_is_left_at_distance_zero(rng):
    x = places(rng)
    clean = Planted().code(x)
    noise = 0.3 / math.sqrt(2 * clean.shape[1])
    found = curve_of(clean + noise * rng.standard_normal(clean.shape), x, longest_m=2.0)
    assert found.same_place == pytest.approx(0.3, rel=0.1)
    assert found.slope_per_m == pytest.approx(1 / SCALE_M, rel=0.1)


def test_rotated_places_and_shuffled_units_give_the_same_curve(rng):
    x = places(rng)
    g = Planted().code(x)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    a, b = (
        curve_of(states, places, longest_m=2.0, samples=600)
        for states, places in ((g, x), (g[:, rng.permutation(g.shape[1])], x @ turn))
    )
    np.testing.assert_allclose(a.bins.mean, b.bins.mean, rtol=1e-6)
    assert a.decorrelation_m == pytest.approx(b.decorrelation_m, rel=1e-6)


def test_pairs_of_one_group_are_left_out(rng):
    x = places(rng, 300)
    walker = np.arange(300) % 3
    g = np.eye(3)[walker]
    assert curve_of(g, x).bins.quartiles[0].min() == 0
    found = curve_of(g, x, group=walker)
    np.testing.assert_allclose(found.bins.mean[found.bins.pairs >= 20], math.sqrt(2))
    assert math.isnan(found.decorrelation_m) and "same place" in found.reason


@pytest.mark.parametrize(
    ("activity", "reason"),
    [
        (lambda x, _rng: np.ones((len(x), 4)), "same everywhere"),
        (lambda x, rng: rng.standard_normal((len(x), 40)), "same place"),
    ],
)
def test_what_has_no_length_says_why(activity, reason, rng):
    x = places(rng, 800)
    found = curve_of(activity(x, rng), x)
    assert math.isnan(found.decorrelation_m)
    assert reason in found.reason


def test_few_or_missing_samples(rng):
    x = places(rng, 300)
    g = Planted(units=40).code(x)
    x[5], g[7, 3] = np.nan, np.nan
    copies = x.copy(), g.copy()
    found = curve_of(g, x)
    assert np.isfinite(found.plateau)
    np.testing.assert_array_equal(x, copies[0])
    np.testing.assert_array_equal(g, copies[1])
    g[7, 3] = np.inf
    with pytest.raises(InputError, match="infinite"):
        curve_of(g, x)
    g[7, 3] = np.nan
    assert "too few pairs" in curve_of(g[:4], x[:4]).reason
    assert np.isnan(curve_of(g[:4], x[:4]).bins.mean).all()
    assert "near" in curve_of(g[8:80], np.arange(144).reshape(72, 2) * 1.0).reason


@pytest.mark.parametrize(
    ("positions", "activity", "settings", "message"),
    [
        (np.zeros((5, 2)), np.zeros((4, 2)), {}, "5 positions but 4"),
        (np.zeros((5, 2)), np.zeros((5, 0)), {}, "is empty"),
        (np.zeros((5, 2)), np.ones((5, 2)), {}, "same place"),
        (np.full((5, 2), np.nan), np.ones((5, 2)), {}, "fewer than two"),
        (np.eye(2), np.ones((2, 2)), {"group": np.zeros(3, dtype=int)}, "one number for each"),
        (np.eye(2), np.ones((2, 2)), {"bin_size_m": 0.0}, "do not fit"),
        (np.eye(2), np.ones((2, 2)), {"longest_m": 0.01}, "do not fit"),
    ],
)
def test_bad_input_is_refused(positions, activity, settings, message):
    with pytest.raises(InputError, match=message):
        curve_of(activity.astype(float), positions.astype(float), **settings)


def test_bins_hold_what_belongs_to_them():
    d = np.repeat([0.02, 0.07, 0.12, 0.9], 30)
    bins = bin_distances(d, np.repeat([1.0, 2.0, 3.0, 9.0], 30), bin_size_m=0.05, longest_m=0.15)
    np.testing.assert_allclose(bins.mean, [1, 2, 3])
    np.testing.assert_allclose(bins.distance_m, [0.02, 0.07, 0.12])
    assert bins.pairs.tolist() == [30, 30, 30]
    np.testing.assert_allclose(bins.sd, 0)


def test_distance_from_the_origin(rng):
    planted = Planted()
    x = places(rng)
    bins = distance_from_origin(x, planted.code(x), planted.start[:-2])
    known = np.isfinite(bins.mean)
    np.testing.assert_allclose(
        bins.mean[known],
        np.sqrt(2 - 2 * np.exp(-(bins.distance_m[known] ** 2) / (2 * SCALE_M**2))),
        atol=0.07,
    )
    assert bins.pairs.sum() == len(x)
    with pytest.raises(InputError, match="600 units"):
        distance_from_origin(x, planted.code(x), planted.start)
    with pytest.raises(InputError, match="away from the origin"):
        distance_from_origin(0 * x, planted.code(x), planted.start[:-2])


def test_the_predicted_plateau_is_the_minimum_of_what_far_states_feel():
    assert predicted_plateau(sigma_g=0.4, capacity=0.5) == pytest.approx(0.899, abs=1e-3)
    d = np.linspace(0, 1.4, 14_001)
    for s, capacity, separation in ((0.4, 0.5, 1.0), (0.3, 0.2, 0.7), (0.6, 2.0, 1.0)):
        felt = separation * np.exp(-(d**2) / (2 * s**2)) + capacity / 2 * d**2
        expected = predicted_plateau(sigma_g=s, capacity=capacity, separation=separation)
        assert d[felt.argmin()] == pytest.approx(expected, abs=2e-4)
    assert predicted_plateau(sigma_g=1.0, capacity=2.0) == 0
    assert predicted_plateau(sigma_g=0.4, capacity=0.5, separation=0.0) == 0
    assert predicted_plateau(sigma_g=0.4, capacity=0.0) == pytest.approx(math.sqrt(2))
    with pytest.raises(InputError, match="positive"):
        predicted_plateau(sigma_g=0.0, capacity=0.5)


def velocities(rng, steps=40, count=24):
    return rng.uniform(-0.15, 0.15, (steps, count, 2))


def invariance_of(planted, v, rng, **settings):
    return path_invariance(
        System(planted.step, planted.start, 0.15),
        v,
        generator=rng,
        **({"lengths": (5, 10, 20, 40)} | settings),
    )


def test_a_perfect_integrator_does_not_care_for_the_path(rng):
    found = invariance_of(Planted(units=100), velocities(rng), rng)
    assert found.square.max() < 1e-12
    assert found.fraction.max() < 1e-12
    assert found.unrelated_square == pytest.approx(2, rel=0.2)
    assert found.lengths.tolist() == [5, 10, 20, 40]


def test_velocity_noise_grows_with_path_length_as_planted(rng):
    noise = 0.004
    found = invariance_of(Planted(noise_m=noise), velocities(rng), rng)
    # Two paths, two coordinates, each with variance L s^2; times the squared slope of the code.
    expected = 4 * found.lengths * noise**2 / SCALE_M**2
    np.testing.assert_allclose(found.square, expected, rtol=0.2)
    np.testing.assert_allclose(found.fraction, found.square / found.unrelated_square)
    assert (found.quartiles[0] < found.quartiles[2]).all()


def test_path_invariance_equals_the_loop_over_pairs(rng):
    ends = []

    def step(states, v):
        ends.append(
            states * 0.9
            + np.abs(v) @ np.ones((2, states.shape[1])) * np.arange(1, states.shape[1] + 1)
        )
        return ends[-1]

    found = path_invariance(
        System(step, np.zeros(3), 0.15), velocities(rng, 6, 4), generator=rng, lengths=(6,), paths=5
    )
    g = ends[-1].reshape(4, 5, 3)
    pairs = [
        ((g[p, i] - g[p, j]) ** 2).sum()
        for p in range(4)
        for i in range(5)
        for j in range(5)
        if i != j
    ]
    assert found.square[0] == pytest.approx(np.mean(pairs))


def test_walkers_end_where_their_velocities_lead(rng):
    v = velocities(rng, 12, 6)
    before = v.copy()
    seen = []

    def step(states, velocity):
        seen.append(velocity)
        return states + velocity

    path_invariance(
        System(step, np.zeros(2), 0.15),
        v,
        generator=rng,
        lengths=(12,),
        paths=4,
        progress=lambda n: seen.append(n) if n != 24 else None,
    )
    np.testing.assert_allclose(
        sum(seen).reshape(6, 4, 2), np.broadcast_to(v.sum(0)[:, None], (6, 4, 2)), atol=1e-12
    )
    assert not np.array_equal(seen[0][::4], seen[0][1::4])
    np.testing.assert_array_equal(v, before)


def test_invariance_of_nothing_says_why(rng):
    start = np.ones(5)
    found = path_invariance(
        System(lambda g, _v: g + 0.0, start, 0.15), velocities(rng), generator=rng, lengths=(5, 40)
    )
    assert np.isnan(found.fraction).all() and "same" in found.reason
    assert found.square.max() == 0
    near = path_invariance(
        System(lambda g, v: g + v.sum(1, keepdims=True), start, 0.15),
        1e-3 * velocities(rng),
        generator=rng,
        lengths=(5,),
    )
    assert np.isnan(near.fraction).all() and "apart" in near.reason


@pytest.mark.parametrize(
    ("v", "settings", "message"),
    [
        (np.zeros((10, 0, 2)), {}, "step, place, 2|is empty"),
        (np.zeros((10, 4, 2)), {"lengths": (20,)}, "from 1 to the 10"),
        (np.zeros((10, 4, 2)), {"lengths": (0, 5)}, "from 1 to the 10"),
        (np.zeros((10, 4, 2)), {"lengths": ()}, "from 1"),
        (np.zeros((10, 4, 2)), {"lengths": (5,), "paths": 1}, "two paths"),
    ],
)
def test_paths_that_make_no_sense_are_refused(v, settings, message, rng):
    with pytest.raises(InputError, match=message):
        invariance_of(Planted(units=10), v, rng, **settings)
