import math

import numpy as np
import pytest
from planted import OFF, Torus, moves, sampled

from gridcode.analysis.dynamics.manifold import random_velocities, sample_manifold
from gridcode.analysis.dynamics.perturbation import perturb
from gridcode.analysis.system import System
from gridcode.errors import InputError


def test_perturbations_persist_on_and_fade_off_the_manifold():
    system = Torus(rest=OFF)
    found = perturb(
        system.step,
        sampled(system, 30),
        moves(40, 30),
        size_m=0.01,
        generator=np.random.default_rng(0),
    )
    np.testing.assert_allclose(found.on, 1, atol=2e-3)
    assert found.on_to_off.max() < 0.03
    np.testing.assert_allclose(
        found.off[:, :9], np.broadcast_to(OFF ** np.arange(9), (30, 9)), rtol=0.03
    )
    assert found.off_half_life == pytest.approx(math.log(0.5) / math.log(OFF), rel=0.02)
    assert found.off_to_on_m.max() < 0.02 * found.size_m
    np.testing.assert_allclose(found.unrelated, 1, atol=1e-6)


def test_perturbations_of_an_unstable_system_grow_and_have_no_half_life():
    system = Torus(off=1.05, rest=1.05)
    found = perturb(
        system.step,
        sampled(system, 20),
        moves(20, 20),
        size_m=0.01,
        generator=np.random.default_rng(0),
    )
    np.testing.assert_allclose(np.median(found.off[:, -1]), 1.05**20, rtol=0.05)
    assert math.isnan(found.off_half_life) and "20 steps" in found.reason


def test_a_contracting_system_loses_its_place():
    system = Torus(lambda x, v: 0.8 * x + v)
    sample = sample_manifold(
        System(system.step, system.start, 0.05), walkers=20, generator=np.random.default_rng(0)
    )
    velocities = random_velocities(10, 20, max_step_m=0.05, generator=np.random.default_rng(1))
    found = perturb(
        system.step, sample, velocities, size_m=0.01, generator=np.random.default_rng(0)
    )
    np.testing.assert_allclose(found.on, np.broadcast_to(0.8 ** np.arange(11), (20, 11)), atol=3e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, m: perturb(
                s.step, m, moves(0, len(m.states)), size_m=0.01, generator=np.random.default_rng(0)
            ),
            "positive",
        ),
        (
            lambda s, m: perturb(
                s.step, m, moves(3, len(m.states)), size_m=-0.01, generator=np.random.default_rng(0)
            ),
            "positive",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    system = Torus()
    with pytest.raises(InputError, match=message):
        call(system, sampled(system, 6))
