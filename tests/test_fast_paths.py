"""Fast ways to a number beside the plain ones."""

import numpy as np
import pytest

from gridcode.analysis.cells.autocorrelogram import autocorrelograms
from gridcode.analysis.cells.ratemaps import rate_maps
from gridcode.analysis.system import System, roll, roll_rate_maps
from gridcode.world.walks import WALKS


def pearson(one, lag_y, lag_x):
    """Correlation of a map with its copy moved by a lag, over what they have in common."""
    rows, columns = one.shape
    a = one[max(lag_y, 0) : rows + min(lag_y, 0), max(lag_x, 0) : columns + min(lag_x, 0)]
    b = one[max(-lag_y, 0) : rows + min(-lag_y, 0), max(-lag_x, 0) : columns + min(-lag_x, 0)]
    both = np.isfinite(a) & np.isfinite(b)
    return np.corrcoef(a[both], b[both])[0, 1]


@pytest.mark.parametrize("holes", [False, True])
def test_autocorrelograms_are_correlations_at_every_lag(holes, rng):
    """Maps without holes take cumulative sums, others transforms of their mask."""
    one = rng.standard_normal((9, 12))
    if holes:
        one[2, 3] = one[7, 0] = np.nan
    found = autocorrelograms(one[None])[0]
    middle = np.array(found.shape) // 2
    known = np.argwhere(np.isfinite(found))
    assert len(known) > 100
    for place in known:
        assert found[tuple(place)] == pytest.approx(pearson(one, *(place - middle)), abs=1e-9)


def test_rate_maps_of_many_steps_at_once_are_those_of_all_states(rng):
    weights = rng.standard_normal((2, 5))

    def step(states, velocities):
        return states + velocities @ weights

    system = System(step, np.zeros(5), 0.1)
    walk = WALKS["smooth"](arena_m=1.0, steps=301, walkers=31, max_step_m=0.1, generator=rng)
    found = roll_rate_maps(system, walk, bin_size_m=0.1)
    plain = rate_maps(
        walk.positions[1:].reshape(-1, 2),
        roll(system, walk)[1:].reshape(-1, 5),
        arena_m=1.0,
        bin_size_m=0.1,
    )
    np.testing.assert_array_equal(found["occupancy"], plain["occupancy"])
    np.testing.assert_allclose(found["rate"], plain["rate"], rtol=1e-5, atol=1e-6)
