import math

import numpy as np
import pytest
from planted import ARENA_M, SPACINGS_M, constant, grid, noise_code, one_hot_code, places_of, silent
from scipy.spatial.distance import pdist

from gridcode.analysis.coding.codes import sample_states, slopes
from gridcode.analysis.coding.decoding_error import error_correction
from gridcode.analysis.coding.geometry import correlation_curve, dimensions, equal_norm, separation
from gridcode.analysis.coding.update_operators import (
    code_waves,
    ease_of_update,
    module_updates,
    phase_algebra,
)
from gridcode.analysis.navigation.neural_distance import distance_curve
from gridcode.errors import InputError

# Geometry


def test_separation_of_one_module_is_that_of_its_look_alikes():
    for code, confusable, ratio in (
        (grid((1.0,)), (0.005, 0.012), (0.15, 0.25)),
        (grid(), (0.0, 1e-4), (0.55, 0.75)),
    ):
        x, g = sample_states(code, side_m=ARENA_M, places=2000, generator=np.random.default_rng(0))
        found = separation(x, g, sigma_x_m=0.1, delta=0.16, generator=np.random.default_rng(1))
        assert confusable[0] <= found.confusable <= confusable[1]
        assert ratio[0] < found.ratio < ratio[1] < found.null_ratio
        naive = pdist(g)[pdist(x) >= 0.1]
        assert found.low_quantile == pytest.approx(np.quantile(naive, 0.01))
        assert found.confusable == pytest.approx((naive < 0.16).mean())


def test_states_that_know_no_place_are_separated_as_their_null():
    rng = np.random.default_rng(0)
    x, g = rng.uniform(-2, 2, (2000, 2)), rng.random((2000, 30))
    found = separation(x, g, sigma_x_m=0.1, delta=0.5, generator=rng)
    assert found.ratio == pytest.approx(found.null_ratio, rel=0.03)


def curve_of(code, seed=0, shuffle=False, side=ARENA_M):
    rng = np.random.default_rng(seed)
    x, g = sample_states(code, side_m=side, places=3000, generator=rng)
    if shuffle:
        g = g[rng.permutation(len(g))]
    return correlation_curve(distance_curve(x, g, generator=rng, longest_m=side), g), x, g


def test_the_correlation_curve_is_that_of_centred_vectors():
    found, x, g = curve_of(grid())
    centred = g - g.mean(axis=0)
    products = centred @ centred.T / (centred**2).sum(axis=1).mean()
    i, j = np.triu_indices(len(g), 1)
    physical = np.linalg.norm(x[i] - x[j], axis=1)
    for b in (2, 10, 30, 60):
        near = np.abs(physical - found.distance_m[b]) < 0.025
        assert found.mean[b] == pytest.approx(products[i, j][near].mean(), abs=0.02)
    assert found.reason == "" and found.mean[0] > 0.95
    assert (np.diff(found.quartiles, axis=0) >= 0).all()


def test_decorrelation_is_as_long_as_the_spacing_says_and_repeats():
    near, far = (curve_of(grid((s,)))[0] for s in (0.5, 1.0))
    assert far.length_m == pytest.approx(2 * near.length_m, rel=0.1)
    assert far.far_rms > 20 * curve_of(grid((1.0,)), shuffle=True)[0].far_rms
    noise, _, _ = curve_of(noise_code(units=300))
    assert noise.far_rms < 0.3 * far.far_rms
    shuffled, _, _ = curve_of(grid((1.0,)), shuffle=True)
    assert shuffled.length_m < 0.05 and shuffled.far_rms < 0.01


def test_equal_norm_is_planted_and_its_null_is_what_independent_units_give():
    rng = np.random.default_rng(0)
    _, ideal = sample_states(grid(), side_m=ARENA_M, places=2000, generator=rng)
    found = equal_norm(ideal, generator=rng)
    assert (
        found.variation < 1e-12 and found.note == "by construction" and found.null_variation > 0.05
    )
    planted = equal_norm(ideal * (1 + 0.1 * rng.standard_normal((2000, 1))), generator=rng)
    assert planted.variation == pytest.approx(0.1, rel=0.1) and planted.note == ""
    independent = equal_norm(rng.random((2000, 40)), generator=rng)
    assert independent.variation == pytest.approx(independent.null_variation, rel=0.1)


def test_dimensions_are_six_for_each_module_whatever_the_units():
    for modules, units in ((1, 7), (1, 40), (3, 16)):
        spacings = SPACINGS_M[:modules]
        _, g = sample_states(
            grid(spacings, units=units),
            side_m=200.0,
            places=6000,
            generator=np.random.default_rng(0),
        )
        found = dimensions(g, generator=np.random.default_rng(0))
        assert found.participation == pytest.approx(6 * modules, rel=0.02)
        assert found.share == pytest.approx(6 / units, rel=0.02)
        assert found.null_participation > found.participation


# Displacement


@pytest.mark.parametrize("seed", range(3))
def test_a_displacement_is_one_operator_for_grid_cells_and_none_for_others(seed):
    settings = {"arena_m": ARENA_M, "step_m": 0.15, "sigma": 0.05}
    ideal, place, noise = (
        ease_of_update(c, generator=np.random.default_rng(seed), **settings)
        for c in (grid(), places_of(), noise_code(seed))
    )
    assert ideal.r_square > 0.97 and ideal.null_r_square < 0.01
    assert ideal.step_variation < 1e-9 < 0.05 < ideal.null_step_variation
    assert ideal.step_variation_by_direction < 0.01
    assert place.r_square < 0 < place.persistence_r_square
    assert noise.r_square < noise.persistence_r_square
    # Its units are independent, and so are the changes of its units.
    assert noise.step_variation == pytest.approx(noise.null_step_variation, rel=0.1)


def test_noise_in_the_states_lowers_the_update():
    code = grid()
    found = [
        ease_of_update(
            code, arena_m=ARENA_M, step_m=0.15, sigma=s, generator=np.random.default_rng(0)
        ).r_square
        for s in (0.01, 0.1, 0.3)
    ]
    assert found[0] > 0.999 > found[1] > found[2]


def test_a_stretched_code_is_no_isometry():
    code = grid((1.0,))
    found = ease_of_update(
        lambda x: code(x * [1.0, 0.5]),
        arena_m=ARENA_M,
        step_m=0.1,
        sigma=0.05,
        generator=np.random.default_rng(0),
    )
    assert found.step_variation_by_direction > 0.2
    bent = ease_of_update(
        lambda x: code(x + 0.2 * np.sin(3 * x)),
        arena_m=ARENA_M,
        step_m=0.1,
        sigma=0.05,
        generator=np.random.default_rng(0),
    )
    assert bent.step_variation > 0.3 and bent.r_square < 0.97


@pytest.mark.parametrize("known", [True, False])
def test_phases_of_grid_cells_add_beyond_the_arena(known):
    for seed in range(3):
        code = grid((0.9,), seed=seed)
        waves = code_waves(code, side_m=ARENA_M, vectors_m=code.vectors_m[0] if known else None)
        found = phase_algebra(
            code, waves_per_m=waves, side_m=ARENA_M, generator=np.random.default_rng(seed)
        )
        assert found.resultant.min() > 0.999 and found.null.max() < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_phases_of_other_codes_do_not_add(seed):
    for code in (places_of(), noise_code(seed)):
        for waves in (
            code_waves(code, side_m=ARENA_M),
            code_waves(code, side_m=ARENA_M, vectors_m=grid((1.0,)).vectors_m[0]),
        ):
            resultant, null = phase_algebra(
                code, waves_per_m=waves, side_m=ARENA_M, generator=np.random.default_rng(seed)
            ).headline
            assert resultant < 0.25 and null < 0.1


def test_a_lattice_that_bends_loses_its_algebra():
    code = grid((0.9,))
    waves = code_waves(code, side_m=ARENA_M, vectors_m=code.vectors_m[0])
    found = [
        phase_algebra(
            lambda x, b=bend: code(x + b * np.abs(x) ** 2),
            waves_per_m=waves,
            side_m=ARENA_M,
            generator=np.random.default_rng(0),
        ).headline[0]
        for bend in (0.0, 0.01, 0.1)
    ]
    assert found[0] > 0.999 > found[1] > found[2]
    assert found[2] < 0.3


def test_a_square_too_small_for_its_waves_gives_a_reason():
    code = grid((0.9,))
    waves = code_waves(code, side_m=ARENA_M, vectors_m=code.vectors_m[0])
    found = phase_algebra(code, waves_per_m=waves, side_m=0.3, generator=np.random.default_rng(0))
    assert (
        np.isnan(found.resultant).all()
        and "too small" in found.reason
        and math.isnan(found.headline[0])
    )
    absent = phase_algebra(
        constant, waves_per_m=waves, side_m=4.0, generator=np.random.default_rng(0)
    )
    assert np.isnan(absent.resultant).all() and "amplitude" in absent.reason


def test_modules_move_as_their_spacings_say():
    code = grid()
    found = module_updates(
        code, labels=code.label, arena_m=ARENA_M, step_m=0.02, generator=np.random.default_rng(0)
    )
    expected = 1 / np.array(SPACINGS_M)
    np.testing.assert_allclose(
        found.update / found.update.mean(), expected / expected.mean(), rtol=0.02
    )
    assert found.variation == pytest.approx(expected.std() / expected.mean(), rel=0.02)
    assert found.null_variation < 0.5 * found.variation
    # Amplitudes as the spacings make all modules move alike.
    alike = module_updates(
        lambda x: code(x) * np.array(SPACINGS_M)[code.label],
        labels=code.label,
        arena_m=ARENA_M,
        step_m=0.02,
        generator=np.random.default_rng(0),
    )
    assert alike.variation < 0.01
    alone = module_updates(
        grid((1.0,)),
        labels=np.zeros(16, dtype=int),
        arena_m=ARENA_M,
        step_m=0.1,
        generator=np.random.default_rng(0),
    )
    assert math.isnan(alone.variation) and "two" in alone.reason


# Error correction


def test_local_errors_are_those_of_the_cramer_rao_bound():
    code = grid()
    found = error_correction(
        code,
        arena_m=2.0,
        radius_m=0.19,
        sigmas=(0.005, 0.02, 0.05),
        generator=np.random.default_rng(0),
        places=2000,
    )
    slope = math.sqrt((code.slope_per_m**2).sum())
    np.testing.assert_allclose(
        found.expected_m, math.sqrt(2 * math.log(2)) * found.sigma / slope, rtol=0.02
    )
    np.testing.assert_allclose(found.local_error_m, found.expected_m, rtol=0.1)
    assert found.catastrophic.max() < 0.01 and found.ambiguous == 0
    assert 0.8 < found.chance < 1


def test_modules_give_a_threshold_of_catastrophic_errors():
    found = error_correction(
        grid(),
        arena_m=3.0,
        radius_m=0.19,
        sigmas=(0.02, 0.05, 0.1, 0.2, 0.4, 0.8),
        generator=np.random.default_rng(0),
        places=600,
    )
    assert (np.diff(found.catastrophic) >= 0).all()
    assert found.catastrophic[0] == 0 and found.catastrophic[-1] > 0.85
    assert 0.1 < found.threshold_sigma < 0.4
    # Half of the noise at half of the units' amplitude.
    half = error_correction(
        lambda x: grid()(x) / 2,
        arena_m=3.0,
        radius_m=0.19,
        sigmas=(0.01, 0.025, 0.05, 0.1, 0.2, 0.4),
        generator=np.random.default_rng(0),
        places=600,
    )
    assert half.threshold_sigma == pytest.approx(found.threshold_sigma / 2, rel=0.01)


def test_one_module_is_ambiguous_without_any_noise():
    found = error_correction(
        grid((0.8,)),
        arena_m=3.0,
        radius_m=0.2,
        sigmas=(0.01, 0.1),
        generator=np.random.default_rng(0),
        places=600,
    )
    # 9 m^2 over a cell of 0.55 m^2 hold 16 look-alikes.
    assert found.ambiguous == pytest.approx(1 - 0.554 / 9, abs=0.05)
    assert found.local_error_m[0] == pytest.approx(found.expected_m[0], rel=0.5)


def test_a_code_of_squares_is_read_to_a_square():
    found = error_correction(
        one_hot_code(arena_m=2.0, units=64),
        arena_m=2.0,
        radius_m=0.4,
        sigmas=(0.05,),
        generator=np.random.default_rng(0),
        bin_size_m=0.25,
    )
    assert found.ambiguous == 0 and found.catastrophic[0] == 0
    # The median distance of a random place in a square of 0.25 m from its middle.
    assert found.local_error_m[0] == pytest.approx(0.25 * 0.4, rel=0.1)


# Nothing to measure


@pytest.mark.parametrize("code", [constant, silent])
def test_every_measure_says_why_a_constant_code_has_no_number(code):
    rng = np.random.default_rng(0)
    x, g = sample_states(code, side_m=2.0, places=300, generator=rng)
    assert "everywhere" in separation(x, g, sigma_x_m=0.1, delta=0.1, generator=rng).reason
    assert "everywhere" in correlation_curve(distance_curve(x, g, generator=rng), g).reason
    assert "everywhere" in dimensions(g, generator=rng).reason
    assert (
        "everywhere"
        in ease_of_update(code, arena_m=2.0, step_m=0.1, sigma=0.1, generator=rng).reason
    )
    assert (
        "everywhere"
        in error_correction(code, arena_m=2.0, radius_m=0.2, sigmas=(0.1,), generator=rng).reason
    )
    assert np.isnan(code_waves(code, side_m=2.0)).all()
    labels = np.repeat([0, 1, -1], 3)
    assert (
        "no displacement"
        in module_updates(code, labels=labels, arena_m=2.0, step_m=0.1, generator=rng).reason
    )
    assert np.abs(slopes(code, x, step_m=0.01)).max() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda g: separation(
                np.zeros((50, 2)), np.zeros((50, 3)), sigma_x_m=0.1, delta=0.1, generator=g
            ),
            "too few",
        ),
        (
            lambda g: separation(
                np.zeros((500, 2)), np.zeros((500, 3)), sigma_x_m=-0.1, delta=0.1, generator=g
            ),
            "positive",
        ),
        (lambda g: equal_norm(np.full((500, 3), np.inf), generator=g), "finite"),
        (
            lambda g: ease_of_update(grid(), arena_m=0.5, step_m=0.1, sigma=0.1, generator=g),
            "six times",
        ),
        (
            lambda g: ease_of_update(grid(), arena_m=2.0, step_m=0.1, sigma=0.0, generator=g),
            "sigma",
        ),
        (
            lambda g: phase_algebra(
                grid(), waves_per_m=np.full((3, 2), np.nan), side_m=1.0, generator=g
            ),
            "waves",
        ),
        (
            lambda g: module_updates(
                grid(), labels=np.zeros(3, dtype=int), arena_m=2.0, step_m=0.1, generator=g
            ),
            "labels",
        ),
        (
            lambda g: error_correction(
                grid(), arena_m=2.0, radius_m=3.0, sigmas=(0.1,), generator=g
            ),
            "radius",
        ),
        (
            lambda g: error_correction(
                grid(), arena_m=2.0, radius_m=0.2, sigmas=(0.2, 0.1), generator=g
            ),
            "ascending",
        ),
        (
            lambda g: error_correction(
                grid(), arena_m=200.0, radius_m=0.2, sigmas=(0.1,), generator=g
            ),
            "bins",
        ),
        (lambda _g: slopes(grid(), np.zeros((1, 2)), step_m=0.0), "step_m"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0))
