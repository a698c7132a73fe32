import math

import numpy as np
import pytest
from planted import MAX_STEP_M, PERIOD_M, Torus, relaxing, sampled

from gridcode.analysis.dynamics.fixedpoints import period_error, return_map
from gridcode.analysis.dynamics.manifold import sample_manifold
from gridcode.analysis.system import System
from gridcode.errors import InputError


def test_a_sheet_of_fixed_points_is_none_in_particular():
    system = Torus()
    found = return_map(system.step, sampled(system, 80))
    assert found.moved.max() < 1e-12
    assert np.abs(found.drift_m).max() < 1e-12
    assert set(found.outcome) == {"fixed point"}
    assert len(found.states) == 80 and found.coverage == 0 and math.isnan(found.estimated)
    np.testing.assert_allclose(np.abs(found.eigenvalues), 1, atol=1e-6)
    np.testing.assert_allclose(found.steps, 0)


def test_drift_at_rest_is_drift():
    system = Torus(lambda x, v: x + v + np.array([0.003, -0.001]))
    found = return_map(system.step, sampled(system, 12), longest=300)
    np.testing.assert_allclose(
        found.drift_m, np.broadcast_to([0.003, -0.001], (12, 10, 2)), atol=1e-6
    )
    assert set(found.outcome) == {"drift"}
    assert len(found.states) == 0 and math.isnan(found.coverage)
    assert np.isnan(found.steps).all() and np.isnan(found.way_m).all()


@pytest.mark.parametrize(
    ("n", "rate", "seed"), [(3, 0.05, 1), (3, 0.05, 2), (5, 0.1, 1), (1, 0.02, 3)]
)
def test_planted_fixed_points_are_counted(n, rate, seed):
    system = Torus(relaxing(n, rate))
    sample = sampled(system, 160, seed)
    found = return_map(system.step, sample)
    assert set(found.outcome) == {"fixed point"}
    assert len(found.states) == n**2
    assert found.visits.sum() == 160 and (np.diff(found.visits) <= 0).all()
    assert found.coverage > 0.95
    assert found.estimated == pytest.approx(n**2, abs=0.5)
    np.testing.assert_allclose(np.abs(found.eigenvalues), 1 - rate, atol=1e-6)
    np.testing.assert_allclose(found.alignment, 1, atol=1e-6)
    if n > 1:
        assert np.isclose(found.between, 2 * math.sin(math.pi / n), rtol=1e-3)
        assert found.within < 1e-3 * found.between
    # Reading the start's phase and rounding it to the grid of fixed points gives the way.
    y = sample.states @ system.basis
    own = np.angle(y[:, :2] + 1j * y[:, 2:4]) / system.wave
    way = -(np.mod(own / PERIOD_M * n + 0.5, 1) - 0.5) * PERIOD_M / n
    np.testing.assert_allclose(found.way_m, way, atol=0.06 * PERIOD_M / n)
    assert np.median(found.steps) == pytest.approx(math.log(10) / rate, rel=0.5)


def test_lines_of_fixed_points_are_no_points():
    relax = relaxing(3, 0.05)
    system = Torus(lambda x, v: np.stack([relax(x, v)[:, 0], (x + v)[:, 1]], axis=1))
    found = return_map(system.step, sampled(system, 80))
    assert len(found.states) == 80 and found.coverage == 0
    np.testing.assert_allclose(
        np.abs(found.eigenvalues), np.broadcast_to([1, 0.95], (80, 2)), atol=1e-6
    )


def test_half_of_the_fixed_points_seen_says_so():
    found = return_map(Torus(relaxing(8, 0.2)).step, sampled(Torus(relaxing(8, 0.2)), 64))
    assert 30 < len(found.states) < 55
    assert found.coverage < 0.8
    assert 45 < found.estimated < 110


def test_a_ring_of_cycles_is_no_fixed_point():
    # Three phases visited in turn.
    system = Torus(lambda x, v: relaxing(3, 0.3)(x, v) + PERIOD_M / 3)
    found = return_map(system.step, sampled(system, 12), longest=200)
    assert set(found.outcome) == {"cycle"}
    assert len(found.states) == 0


def test_a_slow_spiral_is_a_fixed_point_and_a_circle_is_not():
    turn = 2 * np.pi / 40
    for size, outcome in ((0.99, "fixed point"), (0.9997, "drift"), (1.0, "cycle")):
        matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        system = Torus(lambda x, v, m=matrix: x @ m.T + v)
        sample = sample_manifold(
            System(system.step, system.start, 0.05),
            walkers=10,
            generator=np.random.default_rng(0),
            steps=(2, 5),
        )
        assert set(return_map(system.step, sample, longest=3_000).outcome) == {outcome}


def test_only_periods_bring_states_back():
    system = Torus()
    sample = sampled(system)
    for vectors, least, most in (
        (np.eye(2), 0, 1e-9),
        (np.array([[1, 1], [2, -1]]), 0, 1e-9),
        (np.diag([1, 0.5]), 0.5, 1.5),
    ):
        assert (
            least
            <= period_error(system.step, sample, PERIOD_M * vectors, max_step_m=MAX_STEP_M)
            <= most
        )


def test_fewer_steps_than_are_reported_are_refused():
    system = Torus()
    with pytest.raises(InputError, match="between 1 and"):
        return_map(system.step, sampled(system, 6), longest=5)
