import math

import numpy as np
import pytest
from planted import MAX_STEP_M, Bump, rotations

from gridcode.analysis.dynamics.generators import move_generators
from gridcode.errors import InputError


def test_commuting_generators_are_told_from_others():
    commuting = move_generators(
        rotations(), max_step_m=MAX_STEP_M, generator=np.random.default_rng(0), nulls=99
    )
    assert commuting.commutator < 1e-4 and commuting.group_commutator < 1e-4
    assert commuting.p_value == pytest.approx(0.01)
    assert commuting.permuted > 0.1 and commuting.rotated > 0.1
    assert commuting.exponential.max() < 1e-4 < commuting.linear.min()
    p = []
    for seed in range(12):
        found = move_generators(
            rotations(seed=seed, commuting=False),
            max_step_m=MAX_STEP_M,
            generator=np.random.default_rng(seed),
            nulls=49,
        )
        assert found.commutator == pytest.approx(found.rotated, rel=0.2)
        assert found.exponential[0] < 1e-4
        p.append(found.p_value)
    assert 0.2 < np.mean(p) < 0.8


def test_states_feel_the_commutator():
    rng = np.random.default_rng(0)
    states = rng.standard_normal((30, 20))
    commuting, other = (
        move_generators(
            rotations(commuting=c), max_step_m=MAX_STEP_M, generator=rng, states=states, nulls=19
        )
        for c in (True, False)
    )
    assert commuting.on_states < 1e-4 < 0.3 < commuting.on_states_permuted
    assert other.on_states == pytest.approx(other.on_states_permuted, rel=0.3)
    none = move_generators(rotations(), max_step_m=MAX_STEP_M, generator=rng, nulls=9)
    assert math.isnan(none.on_states) and math.isnan(none.on_states_permuted)


def test_matrices_without_generators_say_so():
    units = 8
    fixed = move_generators(
        lambda v: np.tile(np.eye(units), (len(v), 1, 1)),
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(0),
    )
    assert "do not depend" in fixed.reason and math.isnan(fixed.commutator)
    flat = np.zeros((units, units))
    flat[0, 0] = 1
    full = np.random.default_rng(0).standard_normal((2, units, units))
    singular = move_generators(
        lambda v: flat + np.einsum("vd,dij->vij", v, full),
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(0),
    )
    assert "singular" in singular.reason and np.isnan(singular.exponential).all()
    np.testing.assert_allclose(singular.linear, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda b: move_generators(b, max_step_m=0.0, generator=np.random.default_rng(0)),
            "positive",
        ),
        (
            lambda b: move_generators(
                b, max_step_m=0.1, states=np.ones((2, 3)), generator=np.random.default_rng(0)
            ),
            "3 units",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(Bump())
