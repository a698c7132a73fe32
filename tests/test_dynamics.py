import math

import numpy as np
import pytest
from planted import MAX_STEP_M, PERIOD_M, Torus, network, relaxing

from gridcode.analysis.dynamics.attractor import describe_dynamics
from gridcode.analysis.system import System
from gridcode.errors import InputError


def test_the_description_is_repeatable():
    system = Torus(relaxing(3, 0.05), units=8)
    vectors = PERIOD_M * np.eye(2)
    said = []

    def describe(seed=0, **settings):
        return describe_dynamics(
            System(system.step, system.start, MAX_STEP_M),
            generator=np.random.default_rng(seed),
            walkers=64,
            **({"vectors_m": vectors} | settings),
        )

    found = describe(progress=said.append)
    assert found.reason == "" and len(said) == 6
    assert found.return_map.distinct == 9
    assert found.return_map.spacing_m == pytest.approx(PERIOD_M / 3, rel=0.03)
    assert all(
        p.visits > 0 and p.moduli[0] == pytest.approx(0.95, abs=1e-4)
        for p in found.return_map.points
    )
    assert [r.steps for r in found.perturbation.rows] == [1, 2, 5, 10, 20, 50, 100]
    assert found.lyapunov.slow == 2
    assert describe() == found
    assert describe(1) != found
    wrong = describe(vectors_m=0.6 * vectors).return_map
    assert "no period" in wrong.reason and wrong.per_unit_cell is None and wrong.distinct == 9
    assert (
        found.return_map.reason == "" and found.return_map.period_error < 0.2 < wrong.period_error
    )
    free = describe(vectors_m=None)
    assert free.return_map.distinct == 9 and free.return_map.per_unit_cell is None


def test_an_untrained_network_is_no_attractor_of_two_dimensions():
    step, start = network(24, seed=3).as_system()
    found = describe_dynamics(
        System(step, start, MAX_STEP_M),
        generator=np.random.default_rng(0),
        walkers=64,
        longest=2_000,
    )
    assert found.lyapunov.slow != 2 or found.lyapunov.alignment[1] < 0.7


@pytest.mark.parametrize(
    "step",
    [lambda g, _v: g + 0.0, lambda g, v: g + v[:, :1] * np.ones(g.shape[1]), lambda g, _v: 0.0 * g],
)
def test_systems_that_velocities_do_not_move_say_so(step):
    found = describe_dynamics(
        System(step, np.ones(5), MAX_STEP_M), generator=np.random.default_rng(0), walkers=32
    )
    assert "do not span a plane" in found.reason
    assert found.gains is None and found.return_map is None


def test_states_that_grow_without_bound_are_left_out_in_one_line():
    def grows(states, velocities):
        return 1.5 * states + np.pad(velocities, ((0, 0), (0, 3)))

    found = describe_dynamics(
        System(grows, np.ones(5), MAX_STEP_M),
        generator=np.random.default_rng(0),
        walkers=32,
        longest=2_000,
    )
    assert found.return_map is None and found.reason.startswith(
        "return map: states grow without bound"
    )
    assert found.gains.on[0][1] == pytest.approx(1.5) and found.lyapunov.exponents[
        0
    ] == pytest.approx(math.log(1.5), abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda _s: describe_dynamics(
                System(lambda g, v: g + v, np.ones(2), 0.1), generator=np.random.default_rng(0)
            ),
            "3 are needed",
        ),
        (
            lambda s: describe_dynamics(
                System(s.step, s.start, 0.1), generator=np.random.default_rng(0), walkers=8
            ),
            "32 walkers",
        ),
        (
            lambda s: describe_dynamics(
                System(s.step, s.start, 0.1),
                generator=np.random.default_rng(0),
                vectors_m=np.ones((2, 2)),
            ),
            "on one line",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(Torus())
