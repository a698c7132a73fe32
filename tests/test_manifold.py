import numpy as np
import pytest
import torch
from planted import PERIOD_M, Torus, moves, network, sampled

from gridcode.analysis.dynamics.manifold import (
    commutator,
    jacobian,
    sample_manifold,
    step_gains,
    tangent_plane,
)
from gridcode.analysis.system import System
from gridcode.errors import InputError

NOISE = np.random.default_rng(0)


class Wrapped:
    """A system whose states are changed by a function after every step."""

    def __init__(self, system, change):
        self.start, self.step = system.start, lambda g, v: change(system.step(g, v))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_derivatives_equal_autograd(seed):
    net = network(seed=seed)
    step, _ = net.as_system()
    rng = np.random.default_rng(seed)
    g = rng.uniform(-0.2, 1, (6, 12)).clip(0)
    g /= np.linalg.norm(g, axis=1, keepdims=True)
    v = moves(6, seed=seed)
    for w in range(6):
        at = torch.tensor(g[w]), torch.tensor(v[w])
        by_state, by_velocity = torch.autograd.functional.jacobian(
            lambda a, b: net.step(a[None], b[None])[0], at
        )
        np.testing.assert_allclose(jacobian(step, g, v)[w], by_state, atol=1e-8)
        np.testing.assert_allclose(tangent_plane(step, g, v)[w], by_velocity, atol=1e-5)


def test_the_sample_covers_the_manifold_and_knows_its_planes():
    system = Torus()
    sample = sampled(system, 200)
    np.testing.assert_allclose(sample.states, system.state(sample.positions_m), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(sample.tangent, axis=1), system.wave, rtol=1e-6)
    cells = np.floor(np.mod(sample.positions_m, PERIOD_M) / PERIOD_M * 3)
    assert len({tuple(c) for c in cells}) == 9


@pytest.mark.parametrize("off", [0.3, 0.7, 1.1])
def test_gains_on_and_off_the_manifold(off):
    system = Torus(off=off, rest=0.5)
    found = step_gains(system.step, sampled(system, 20), moves(20))
    np.testing.assert_allclose(found.on, 1, atol=1e-6)
    np.testing.assert_allclose(found.rotation_deg, 0, atol=1e-5)
    np.testing.assert_allclose(found.off_largest, max(off, 0.5), atol=1e-6)
    np.testing.assert_allclose(found.off_median, 0.5, atol=1e-6)
    assert max(found.leak_on.max(), found.leak_off.max()) < 1e-6
    np.testing.assert_allclose(found.singular_values[:, 0], max(off, 1), atol=1e-6)


def test_gains_see_stretch_and_turn():
    turn = np.radians(10)
    matrix = 0.9 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    system = Torus(lambda x, v: x @ matrix.T + v)
    # Where phases are read they lie within half a period of zero: the map is linear there.
    sample = sample_manifold(
        System(system.step, system.start, 0.1),
        walkers=10,
        generator=np.random.default_rng(0),
        steps=(2, 3),
    )
    found = step_gains(system.step, sample, moves(10))
    np.testing.assert_allclose(found.on, 0.9, atol=1e-6)
    np.testing.assert_allclose(found.rotation_deg, 10, atol=1e-4)


def test_leaks_are_seen():
    # An amplitude error moves the phase, and a displacement changes the amplitude of the other
    # unit.
    system = Torus()
    plain = system.step

    def step(states, velocities):
        y = states @ system.basis
        shift = 0.05 * (np.hypot(y[:, :2], y[:, 2:4]) - 1)
        return plain(states, velocities + shift)

    found = step_gains(step, sampled(system, 10), moves(10))
    np.testing.assert_allclose(found.leak_on, 0.05 * system.wave, rtol=1e-4)
    assert found.leak_off.max() < 1e-6


def test_order_matters_only_where_planted():
    system = Torus()
    assert (
        commutator(system.step, sampled(system, 20), moves(20), moves(20, seed=5)).distance.max()
        < 1e-12
    )
    c, k = 0.4, 2 * np.pi / PERIOD_M

    def shear(x, v):
        return x + np.stack([v[:, 0], v[:, 1] * (1 + c * np.sin(k * x[:, 0]))], axis=1)

    system = Torus(shear)
    sample, a, b = sampled(system, 40), moves(40), moves(40, seed=5)
    found = commutator(system.step, sample, a, b)
    y = sample.states @ system.basis
    x = np.angle(y[:, 0] + 1j * y[:, 2]) / k
    planted = c * (
        b[:, 1] * np.sin(k * x)
        + a[:, 1] * np.sin(k * (x + b[:, 0]))
        - a[:, 1] * np.sin(k * x)
        - b[:, 1] * np.sin(k * (x + a[:, 0]))
    )
    # In metres of a move, which are longer or shorter than metres of phase here.
    gain = 1 + c * (np.sin(k * (x + a[:, 0])) + np.sin(k * (x + b[:, 0]))) / 2
    np.testing.assert_allclose(found.displacement_m, np.abs(planted) / gain, atol=2e-4)
    assert np.median(found.distance) > 0.003


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, m: step_gains(s.step, m, moves(3)), "walker, 2"),
        (lambda s, m: commutator(s.step, m, moves(3), moves(3)), "walker, 2"),
        (lambda s, _m: jacobian(s.step, np.full((2, 12), np.nan), moves(2)), "finite"),
        (
            lambda s, m: jacobian(s.step, m.states.astype(np.float32), moves(len(m.states))),
            "double precision",
        ),
        (
            lambda s, _m: sample_manifold(
                System(s.step, s.start, 0.0), walkers=9, generator=np.random.default_rng(0)
            ),
            "no sample",
        ),
        (lambda s, _m: sampled(s, 1), "no sample"),
        (lambda _s, m: m.select(np.zeros(1, dtype=int)).unrelated, "one state"),
        (lambda s, _m: sampled(Wrapped(s, lambda g: g * np.nan)), "not finite"),
        (lambda s, _m: sampled(Wrapped(s, lambda g: g.astype(np.float32))), "double precision"),
        (
            lambda s, _m: sampled(Wrapped(s, lambda g: g + 1e-3 * NOISE.standard_normal(g.shape))),
            "without noise",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    system = Torus()
    with pytest.raises(InputError, match=message):
        call(system, sampled(system, 6))
