import math

import numpy as np
import pytest
from planted import HEXAGONAL, SHEARED, VELOCITIES, Bump, random_matrices

from gridcode.analysis.dynamics.connectivity import phase_profile
from gridcode.errors import InputError


def profile(planted, seed=0, velocities=VELOCITIES, **settings):
    return phase_profile(
        planted(velocities),
        velocities,
        planted.phases,
        planted.vectors_m,
        generator=np.random.default_rng(seed),
        **({"nulls": 49} | settings),
    )


@pytest.mark.parametrize("vectors", [HEXAGONAL, SHEARED, np.diag([0.8, 1.1])])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_bump_is_found_and_shifts_with_the_velocity(vectors, seed):
    found = profile(Bump(vectors, seed=seed))
    assert found.explained.min() > 0.97
    assert found.p_value == pytest.approx(0.02) and found.shift_p_value == pytest.approx(0.02)
    assert found.slope_with_self == pytest.approx(1, abs=0.05)
    assert found.slope == pytest.approx(1, abs=0.02)
    assert abs(found.turn_deg) < 1
    assert found.isotropy > 0.97 and found.r2 > 0.999
    np.testing.assert_allclose(found.shift_m, VELOCITIES, atol=0.006)
    # The mean profile is largest where phases agree.
    assert np.nanargmax(found.mean[0]) == 0


def test_a_profile_that_moves_too_far_aside_or_unevenly_is_seen():
    turn = np.radians(20)
    found = profile(
        Bump(gain=1.5 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]))
    )
    assert found.slope == pytest.approx(1.5 * np.cos(turn), rel=0.02)
    assert found.turn_deg == pytest.approx(20, abs=1)
    uneven = profile(Bump(gain=np.diag([1.0, 0.5])))
    np.testing.assert_allclose(uneven.matrix, np.diag([1.0, 0.5]), atol=0.02)
    assert uneven.isotropy == pytest.approx(0.5, abs=0.02)
    still = profile(Bump(gain=np.zeros((2, 2))))
    assert np.abs(still.shift_m).max() < 1e-6
    assert abs(still.slope) < 1e-5


def test_self_weights_hold_the_whole_profile_back_but_not_that_between_cells():
    planted = Bump()
    held = profile(planted)
    planted.noise = planted.noise + 2 * np.eye(30)
    found = profile(planted)
    assert found.slope == pytest.approx(held.slope, abs=1e-9)
    assert found.slope_with_self < 0.8 * held.slope_with_self


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_explained_variance_falls_with_noise_as_planted(noise):
    planted = Bump(noise=noise, units=60)
    found = profile(planted)
    off = ~np.eye(60, dtype=bool)
    total = planted(np.zeros((1, 2)))[0][off].var()
    assert found.explained[0] == pytest.approx(1 - noise**2 / total, abs=0.04)
    assert found.p_value == pytest.approx(0.02)


def test_random_weights_have_no_profile():
    p, slopes = [], []
    for seed in range(12):
        planted = Bump(seed=seed)
        found = phase_profile(
            random_matrices(30, seed)(VELOCITIES),
            VELOCITIES,
            planted.phases,
            HEXAGONAL,
            generator=np.random.default_rng(seed),
            nulls=49,
        )
        assert found.explained[0] < 0.05
        p.append(found.p_value)
        slopes.append(found.shift_p_value)
    # Uniform: the mean of twelve lies within 0.25 of one half but once in 400.
    assert 0.25 < np.mean(p) < 0.75 and 0.25 < np.mean(slopes) < 0.75
    assert min(p) > 0.02 or np.mean(np.array(p) < 0.05) < 0.3


def test_shuffled_phases_undo_the_profile():
    planted = Bump()
    planted_weights = planted(VELOCITIES)
    mixed = np.random.default_rng(0).permutation(planted.phases)
    found = phase_profile(
        planted_weights, VELOCITIES, mixed, HEXAGONAL, generator=np.random.default_rng(0), nulls=49
    )
    assert found.explained[0] < 0.1 and found.p_value > 0.02


def test_the_profile_does_not_depend_on_the_origin_of_phases_or_the_basis():
    planted = Bump(noise=0.05)
    first = profile(planted)
    moved = phase_profile(
        planted(VELOCITIES),
        VELOCITIES,
        (planted.phases + [0.3, 0.8]) % 1,
        HEXAGONAL,
        generator=np.random.default_rng(0),
        nulls=9,
    )
    np.testing.assert_allclose(moved.explained, first.explained, atol=1e-9)
    np.testing.assert_allclose(moved.shift_m, first.shift_m, atol=1e-9)
    # Another basis of the same lattice: (a + b, b).
    basis = np.array([[1, 1], [0, 1]])
    phases = (planted.phases @ np.linalg.inv(basis)) % 1
    other = phase_profile(
        planted(VELOCITIES),
        VELOCITIES,
        phases,
        basis @ HEXAGONAL,
        generator=np.random.default_rng(0),
        nulls=9,
    )
    np.testing.assert_allclose(other.shift_m, first.shift_m, atol=1e-6)
    np.testing.assert_allclose(other.explained, first.explained, atol=1e-6)


@pytest.mark.parametrize("units", [1, 2, 7])
def test_too_few_cells_have_no_profile(units):
    found = profile(Bump(units=units))
    assert "too few cells" in found.reason
    assert np.isnan(found.explained).all() and math.isnan(found.slope)


def test_weights_of_no_cells_are_refused():
    with pytest.raises(InputError, match="is empty"):
        profile(Bump(units=0))


def test_constant_weights_have_no_profile():
    found = phase_profile(
        np.ones((25, 20, 20)),
        VELOCITIES,
        Bump(units=20).phases,
        HEXAGONAL,
        generator=np.random.default_rng(0),
    )
    assert "all the same" in found.reason and math.isnan(found.slope)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: profile(b, velocities=VELOCITIES[1:]), "first velocity"),
        (lambda b: profile(b, nulls=0), "shuffles"),
        (
            lambda b: phase_profile(
                b(VELOCITIES),
                VELOCITIES,
                b.phases * np.nan,
                HEXAGONAL,
                generator=np.random.default_rng(0),
            ),
            "finite",
        ),
        (
            lambda b: phase_profile(
                b(VELOCITIES),
                VELOCITIES,
                b.phases,
                np.ones((2, 2)),
                generator=np.random.default_rng(0),
            ),
            "on one line",
        ),
        (
            lambda b: phase_profile(
                b(VELOCITIES),
                VELOCITIES,
                b.phases[:5],
                HEXAGONAL,
                generator=np.random.default_rng(0),
            ),
            "do not match",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(Bump())
