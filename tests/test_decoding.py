import math

import numpy as np
import pytest

from gridcode.analysis.navigation.decoding import (
    PathIntegration,
    Tracker,
    decode,
    integrate_paths,
    matched_dead_reckoning,
    median,
    quartiles,
    window_for,
)
from gridcode.analysis.navigation.out_of_distribution import WalkCondition, generalise
from gridcode.analysis.navigation.reference import (
    ReferenceMap,
    build_reference_map,
    nearest_alias_m,
    unit_length,
)
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.analysis.system import System
from gridcode.errors import InputError
from gridcode.world.walks import smooth_walk

MAX_STEP_M = 0.15
HORIZONS = (1, 10, 100, 300)


class Planted:
    """Lattice cells of some modules, and two tiny units that carry the place: it integrates."""

    def __init__(
        self, spacings_m=(0.7, 0.95, 1.3), *, units=20, noise_m=0.0, bias_m=(0.0, 0.0), seed=0
    ):
        self.rng = np.random.default_rng(seed)
        self.noise_m, self.bias_m = noise_m, np.array(bias_m)
        waves = []
        for i, spacing in enumerate(spacings_m):
            angle = np.radians(np.array([0, 60, 120]) + 17 * i)
            waves.append(
                2 * np.pi / (spacing * math.sqrt(0.75)) * np.stack([np.cos(angle), np.sin(angle)])
            )
        self.wave = np.stack(waves)
        phases = self.rng.uniform(-2, 2, (len(spacings_m), units, 2))
        self.phase = phases @ self.wave
        self.start = self.state(np.zeros((1, 2)))[0]

    def cells(self, x):
        # Three plane waves for every cell: (walker, module, wave) minus (module, unit, wave).
        angle = np.einsum("wd,mdk->wmk", x, self.wave)[:, :, None, :] - self.phase
        return np.exp(np.cos(angle).sum(-1)).reshape(len(x), -1)

    def state(self, x):
        return np.concatenate([self.cells(x), 1e-6 * x], axis=1)

    def step(self, states, velocities):
        x = 1e6 * states[:, -2:] + velocities + self.bias_m
        return self.state(x + self.noise_m * self.rng.standard_normal(x.shape))


def reference_of(system, side=4.0, **settings):
    return build_reference_map(
        System(system.step, system.start, MAX_STEP_M),
        arena_m=side,
        generator=np.random.default_rng(3),
        **({"trees": 2} | settings),
    )


@pytest.fixture(scope="module")
def perfect():
    system = Planted()
    return system, reference_of(system)


def walk_of(steps=300, walkers=100, arena=2.0):
    return smooth_walk(
        arena_m=arena,
        steps=steps,
        walkers=walkers,
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(5),
    )


def integrate(system, reference, walk, **settings):
    return integrate_paths(
        System(system.step, system.start, MAX_STEP_M),
        walk,
        reference,
        **({"window_m": 0.25, "horizons": HORIZONS} | settings),
    )


def test_a_perfect_integrator_stays_at_the_error_of_reading(perfect):
    system, reference = perfect
    walk = walk_of()
    velocities = walk.velocities.copy()
    found = integrate(system, reference, walk)
    assert found.horizons.tolist() == list(HORIZONS)
    for errors in (found.tracked_m, found.anywhere_m):
        # The error of reading between bins of 0.05 m.
        assert np.quantile(errors, 0.99, axis=1).max() < 0.02
        assert np.median(errors, axis=1).max() < 0.008
    assert found.match.min() > 0.95
    assert found.common_m.max() < 0.002
    assert not found.lost.any()
    assert found.reason == ""
    np.testing.assert_array_equal(walk.velocities, velocities)
    reckoning = matched_dead_reckoning(found)
    assert reckoning.reason == "" or "still that of reading" in reckoning.reason
    assert math.isnan(reckoning.noise_m) or reckoning.noise_m < 5e-4


def test_planted_velocity_noise_is_found_and_dead_reckoning_coincides(perfect):
    noise = 0.006
    walk = walk_of(walkers=300)
    found = integrate(Planted(noise_m=noise), perfect[1], walk)
    reckoning = matched_dead_reckoning(found)
    assert reckoning.noise_m == pytest.approx(noise, rel=0.15)
    for i, steps in enumerate(HORIZONS[1:], start=1):
        for share, quantile in zip((0.25, 0.5, 0.75), quartiles(found.tracked_m[i]), strict=True):
            assert quantile == pytest.approx(reckoning.quantile(steps, share), rel=0.2)
            assert quantile == pytest.approx(
                noise * math.sqrt(-2 * steps * math.log1p(-share)), rel=0.2
            )
    assert found.scatter_m[-1] > 5 * found.common_m[-1]


def test_a_planted_bias_is_told_from_noise(perfect):
    found = integrate(Planted(bias_m=(0.002, -0.001)), perfect[1], walk_of())
    np.testing.assert_allclose(
        found.common_m[1:], np.array(HORIZONS[1:]) * math.hypot(0.002, 0.001), rtol=0.05, atol=2e-3
    )
    assert found.scatter_m.max() < 0.01
    reckoning = matched_dead_reckoning(found)
    assert median(found.tracked_m[-1]) > 3 * reckoning.quantile(HORIZONS[-1], 0.5)


def test_a_state_that_does_not_integrate_is_no_better_than_a_guess():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((2, 40)) * 20

    def step(_states, velocities):
        return np.abs(np.sin(velocities @ mixing + 1))

    start = np.abs(np.sin(np.ones(40)))
    reference = build_reference_map(
        System(step, start, MAX_STEP_M), arena_m=4.0, generator=rng, trees=1
    )
    found = integrate_paths(
        System(step, start, MAX_STEP_M), walk_of(), reference, window_m=0.25, horizons=HORIZONS
    )
    late = [median(found.anywhere_m[i]) / found.chance_m[i] for i in (2, 3)]
    assert all(0.6 < ratio < 1.4 for ratio in late)
    # Saturated: no growth between the last two horizons.
    assert median(found.anywhere_m[3]) == pytest.approx(median(found.anywhere_m[2]), rel=0.25)


def test_a_constant_state_has_no_position():
    start = np.ones(6)

    def step(states, _velocities):
        return states + 0.0

    reference = build_reference_map(
        System(step, start, MAX_STEP_M), arena_m=3.0, generator=np.random.default_rng(0)
    )
    found = integrate_paths(
        System(step, start, MAX_STEP_M),
        walk_of(walkers=5),
        reference,
        window_m=0.25,
        horizons=HORIZONS,
    )
    assert np.isnan(found.tracked_m).all() and np.isnan(found.anywhere_m).all()
    assert "same everywhere" in found.reason
    reckoning = matched_dead_reckoning(found)
    assert math.isnan(reckoning.noise_m) and reckoning.reason == found.reason
    assert all(math.isnan(q) for q in quartiles(found.tracked_m[0]))


def test_one_module_is_ambiguous_in_the_arena_but_can_be_followed():
    system = Planted((0.6,), units=30)
    reference = reference_of(system)
    alike = nearest_alias_m(reference, generator=np.random.default_rng(0))
    assert alike == pytest.approx(0.6, abs=0.05)
    window = window_for(alike, max_step_m=MAX_STEP_M, bin_size_m=reference.bin_size_m)
    assert MAX_STEP_M < window < 0.3
    found = integrate(system, reference, walk_of(), window_m=window)
    assert median(found.anywhere_m[-1]) > 0.3
    assert np.quantile(found.tracked_m[-1], 0.9) < 0.02


def test_several_modules_look_alike_nowhere_near(perfect):
    assert nearest_alias_m(perfect[1], generator=np.random.default_rng(0), longest_m=1.0) > 0.65
    assert window_for(math.inf, max_step_m=0.15, bin_size_m=0.05) == 0.5
    assert window_for(0.3, max_step_m=0.15, bin_size_m=0.05) == pytest.approx(0.262, abs=1e-3)


def test_what_drifts_off_the_reference_map_is_lost_not_wrong(perfect):
    found = integrate(Planted(bias_m=(0.02, 0.0)), perfect[1].within(2.2), walk_of(walkers=20))
    assert found.lost[-1].all() and not found.lost[0].any()
    assert np.isinf(found.tracked_m[-1]).all()
    assert math.isnan(median(found.tracked_m[-1]))
    assert np.isnan(found.common_m[-1]) and np.isnan(found.scatter_m[-1])


def test_a_periodic_code_can_be_followed_beyond_the_reference_map():
    system = Planted((0.6,), units=30, bias_m=(0.02, 0.01))
    found = integrate(system, reference_of(Planted((0.6,), units=30), 3.0), walk_of(walkers=30))
    assert not found.lost.any()
    np.testing.assert_allclose(
        found.common_m[1:], np.array(HORIZONS[1:]) * math.hypot(0.02, 0.01), rtol=0.02
    )
    assert found.scatter_m[-1] < 0.05


def test_shuffled_units_change_nothing(perfect):
    system, reference = perfect
    order = np.random.default_rng(1).permutation(len(system.start))
    back = np.argsort(order)

    def step(states, velocities):
        return system.step(states[:, back], velocities)[:, order]

    shuffled = integrate_paths(
        System(step, system.start[order], MAX_STEP_M),
        walk_of(100, 20),
        ReferenceMap(reference.vectors[..., order], 0.05),
        window_m=0.25,
    )
    plain = integrate(system, reference, walk_of(100, 20), horizons=(1, 10, 100, 1_000, 10_000))
    np.testing.assert_allclose(shuffled.tracked_m, plain.tracked_m, atol=1e-4)
    assert plain.horizons.tolist() == [1, 10, 100]


def test_rate_maps_of_any_source_serve_as_reference(rng):
    centres = bin_centres(2.0, 0.05)
    maps = np.stack(
        [
            lattice_cell(centres, spacing_m=s, phase_m=tuple(rng.uniform(-1, 1, 2)))
            for s in (0.4, 0.55, 0.8)
            for _ in range(10)
        ]
    )
    maps[:, :5] = 0
    reference = ReferenceMap(unit_length(np.moveaxis(maps, 0, -1)), 0.05)
    assert reference.arena_m == pytest.approx(2.0)
    position, match = decode(reference, 7.0 * maps[:, 5:, :].reshape(30, -1).T)
    true = centres[5:].reshape(-1, 2)
    assert np.linalg.norm(position - true, axis=1).max() < 0.04
    np.testing.assert_allclose(match, 1, atol=1e-5)
    assert reference.within(1.0).vectors.shape == (20, 20, 30)
    assert reference.within(5.0) is reference


def test_states_without_activity_have_no_position(perfect):
    system, reference = perfect
    states = system.state(np.array([[0.3, -0.2], [0.0, 0.0], [0.0, 0.0]]))
    states[1] = 0.0
    states[2, 4] = np.nan
    position, match = decode(reference, states)
    np.testing.assert_allclose(position[0], [0.3, -0.2], atol=0.01)
    assert np.isnan(position[1:]).all() and np.isnan(match[1:]).all()
    tracker = Tracker(reference, walkers=3, window_m=0.5)
    tracker.follow(states)
    np.testing.assert_allclose(tracker.read(states)[0], [0.3, -0.2], atol=0.01)
    assert tracker.lost.tolist() == [False, True, True]


def test_the_reference_map_holds_the_state_of_every_bins_middle(perfect):
    system, reference = perfect
    side = len(reference.vectors)
    assert side == 81
    line = (np.arange(side) - side // 2) * reference.bin_size_m
    exact = system.state(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2))
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(reference.vectors.reshape(side**2, -1), exact, atol=1e-5)


def test_the_reference_map_takes_no_step_longer_than_asked():
    longest = []

    def step(states, velocities):
        longest.append(np.linalg.norm(velocities, axis=1).max())
        return states + velocities @ np.ones((2, 3))

    moved = []
    build_reference_map(
        System(step, np.zeros(3), 0.12),
        arena_m=3.0,
        bin_size_m=0.045,
        generator=np.random.default_rng(0),
        trees=3,
        progress=moved.append,
    )
    assert max(longest) <= 0.12 + 1e-12
    assert sum(moved) == 3 * (67**2 - 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, _r: reference_of(s, bin_size_m=0.1), "do not suit"),
        (lambda s, _r: reference_of(s, side=0.05), "do not suit"),
        (lambda _s, r: decode(r, np.zeros((3, 5))), "as in the reference map"),
        (lambda s, r: integrate(s, r, walk_of(20, 3), horizons=(100,)), "no horizon"),
        (lambda s, r: integrate(s, r, walk_of(20, 3), window_m=0.05), "longest step"),
        (lambda s, r: integrate(s, r.within(1.0), walk_of(20, 3)), "does not cover"),
        (
            lambda s, _r: generalise(System(s.step, s.start, 0.15, extent_m=2.0), conditions=()),
            "no conditions",
        ),
        (
            lambda s, _r: generalise(
                System(s.step, s.start, 0.15, extent_m=2.0), conditions=[WalkCondition("swim")]
            ),
            "unknown walk 'swim'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message, perfect):
    with pytest.raises(InputError, match=message):
        call(*perfect)


def test_quartiles_count_the_lost_as_furthest():
    assert quartiles(np.array([3.0, 1.0, np.inf, 2.0, np.inf]))[:2] == [2.0, 3.0]
    assert math.isnan(quartiles(np.array([3.0, 1.0, np.inf, 2.0, np.inf]))[2])
    empty = PathIntegration(
        np.array([5]),
        np.zeros((1, 2, 2)),
        np.zeros((1, 2)),
        np.ones((1, 2)),
        np.zeros((1, 2), dtype=bool),
        np.ones(1),
        0.3,
    )
    assert "one horizon" in matched_dead_reckoning(empty).reason


def test_generalisation_gives_a_record_for_each_condition():
    conditions = [WalkCondition("smooth", 1.0, 200), WalkCondition("straight", 1.5, 120)]
    system = Planted((0.9,), units=16, noise_m=0.006)
    seen = []
    rows = generalise(
        System(system.step, system.start, MAX_STEP_M, extent_m=1.2),
        conditions=conditions,
        walkers=24,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(r.walk, r.arena_m) for r in rows] == [("smooth", 1.2), ("straight", 1.8)]
    assert [d.steps for d in rows[0].decoding] == [1, 10, 100]
    assert rows[0].noise_m == pytest.approx(0.006, rel=0.4)
    assert rows[0].growth_exponent == pytest.approx(0.5, abs=0.2)
    assert [i.steps for i in rows[0].invariance] == [5, 10, 20, 40, 80, 160]
    assert rows[0].invariance[-1].fraction > rows[0].invariance[0].fraction
    done = [d for d, _ in seen]
    assert done == sorted(done) and seen[-1][0] == seen[-1][1]


def test_generalisation_is_reproducible_and_its_seed_matters():
    system = Planted((0.9,), units=4)
    settings = {"conditions": [WalkCondition("uniform", 1.0, 20)], "walkers": 8}
    first, again, other = (
        generalise(System(system.step, system.start, MAX_STEP_M, 1.2), **settings, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_generalisation_of_a_constant_system_gives_reasons_not_numbers():
    rows = generalise(
        System(lambda g, _v: g + 0.0, np.ones(4), 0.15, extent_m=1.6),
        conditions=[WalkCondition("smooth", 1.0, 30)],
        walkers=8,
    )
    assert (
        rows[0].decorrelation_m is None
        and rows[0].noise_m is None
        and rows[0].growth_exponent is None
    )
    assert rows[0].decoding[0].tracked_m == (None, None, None)
    assert set(rows[0].reasons) == {"curve", "invariance", "decoding", "dead_reckoning"}
