import math

import numpy as np
import pytest
from planted import OFF, PERIOD_M, Torus, moves, sampled

from gridcode.analysis.dynamics.lyapunov import lyapunov_exponents
from gridcode.analysis.dynamics.manifold import random_velocities, sample_manifold
from gridcode.analysis.system import System
from gridcode.errors import InputError


@pytest.mark.parametrize(("off", "rest"), [(0.7, 0.5), (0.9, 0.2)])
def test_lyapunov_exponents_of_a_continuous_attractor(off, rest):
    system = Torus(off=off, rest=rest)
    found = lyapunov_exponents(
        system.step,
        sampled(system, 8).states,
        moves(120, 8),
        generator=np.random.default_rng(0),
        exponents=6,
    )
    np.testing.assert_allclose(
        found.exponents, [0, 0, *[math.log(off)] * 2, *[math.log(rest)] * 2], atol=0.02
    )
    assert found.slow == (4 if off == 0.9 else 2)
    np.testing.assert_allclose(found.exponents[:2], 0, atol=1e-3)
    np.testing.assert_allclose(found.alignment, 1, atol=1e-6)


def test_lyapunov_exponents_of_relaxing_and_of_unstable_systems():
    relaxed = Torus(lambda x, v: 0.95 * x + v)
    velocities = random_velocities(150, 8, max_step_m=0.02, generator=np.random.default_rng(0))
    start = sample_manifold(
        System(relaxed.step, relaxed.start, 0.02), walkers=8, generator=np.random.default_rng(0)
    ).states
    found = lyapunov_exponents(
        relaxed.step, start, velocities, generator=np.random.default_rng(0), exponents=3
    )
    np.testing.assert_allclose(found.exponents, [math.log(0.95)] * 2 + [math.log(OFF)], atol=5e-3)
    assert found.neutral == 0 and found.slow == 2
    unstable = Torus(off=1.1)
    states = sampled(unstable, 8).states
    found = lyapunov_exponents(
        unstable.step,
        states,
        moves(180, 8),
        generator=np.random.default_rng(0),
        exponents=5,
        transient=100,
    )
    np.testing.assert_allclose(found.exponents[:4], [math.log(1.1)] * 2 + [0, 0], atol=5e-3)


def warped(strength):
    """Exact integration of a place that is locally stretched: gains cancel over a path."""
    k = 2 * np.pi / PERIOD_M

    def inverse(y):
        x = y.copy()
        for _ in range(60):
            x = x - (x + strength / k * np.sin(k * x) - y) / (1 + strength * np.cos(k * x))
        return x

    return lambda x, v: inverse(x + strength / k * np.sin(k * x) + v)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_intervals_include_zero_where_gains_cancel_along_the_path(seed):
    system = Torus(warped(0.5))
    states, velocities = sampled(system, 24, seed).states, moves(200, 24, seed=seed + 10)
    found = lyapunov_exponents(
        system.step, states, velocities, generator=np.random.default_rng(seed), exponents=4
    )
    assert (found.standard_errors[:2] > 1e-4).all()
    assert found.neutral == found.slow == 2


def test_gains_that_do_not_cancel_contract():
    # The mean of ln(1 + a v cos) is below zero: a gain that depends on the place makes the path
    # forget it.
    k = 2 * np.pi / PERIOD_M
    system = Torus(lambda x, v: x + v * (1 + 0.8 * np.sin(k * x)))
    found = lyapunov_exponents(
        system.step,
        sampled(system, 24).states,
        moves(200, 24),
        generator=np.random.default_rng(0),
        exponents=4,
    )
    assert found.slow == 2 and found.neutral == 0
    assert (found.interval[1, :2] < 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, m: lyapunov_exponents(
                s.step, m.states, moves(60, 6), generator=np.random.default_rng(0), exponents=13
            ),
            "exponents",
        ),
        (
            lambda s, m: lyapunov_exponents(
                s.step, m.states, moves(50, len(m.states)), generator=np.random.default_rng(0)
            ),
            "more steps",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    system = Torus()
    with pytest.raises(InputError, match=message):
        call(system, sampled(system, 6))
