import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.cells.ratemaps import rate_maps
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.records import Summary
from gridcode.analysis.synthetic import lattice_cell
from gridcode.analysis.system import System, roll, roll_rate_maps
from gridcode.config import EvaluationConfig
from gridcode.world.walks import WALKS, samples, smooth_walk, uniform_walk

QUICK = EvaluationConfig(
    arenas_m=(2.0,),
    walks=("smooth",),
    adapt_arena=False,
    samples_per_bin=4.0,
    nulls=99,
    theory=False,  # tests/test_theory.py has it
)


class PerfectGridSystem:
    """A perfect path integrator whose units are lattice cells, and one silent unit."""

    def __init__(self, spacing_m, angle_deg=60.0, units=6, others_m=()):
        self.phases = np.random.default_rng(1).uniform(
            -spacing_m, spacing_m, (units + len(others_m), 2)
        )
        self.spacings_m, self.angle_deg = [spacing_m] * units + list(others_m), angle_deg

    def activity(self, positions):
        cells = [
            lattice_cell(positions, spacing_m=spacing, angle_deg=self.angle_deg, phase_m=tuple(p))
            for spacing, p in zip(self.spacings_m, self.phases, strict=True)
        ]
        return np.stack([*cells, np.zeros(len(positions))], axis=1)

    def system(self):
        where = {}

        def step(states, velocities):
            here = where.get("x", np.zeros((len(velocities), 2)))
            if len(here) != len(velocities) or np.array_equal(
                states, np.broadcast_to(start, states.shape)
            ):
                here = np.zeros((len(velocities), 2))
            where["x"] = here + velocities
            return self.activity(where["x"])

        start = self.activity(np.zeros((1, 2)))[0] + 1e-9
        return step, start


@pytest.mark.parametrize("walk", ["smooth", "uniform", "slow", "straight"])
def test_walks_stay_inside_at_training_speeds_and_start_at_the_centre(walk, rng):
    w = WALKS[walk](arena_m=2.0, steps=200, walkers=50, max_step_m=0.15, generator=rng)
    assert (w.positions[0] == 0).all()
    assert np.abs(w.positions).max() <= 1.0
    assert np.abs(w.velocities).max() <= 0.15 + 1e-12
    np.testing.assert_allclose(np.diff(w.positions, axis=0), w.velocities, atol=1e-12)
    assert samples(w).shape == (200 * 50, 2)


def test_the_smooth_walk_is_smooth_and_covers_the_arena(rng):
    smooth, uniform = (
        f(arena_m=4.0, steps=250, walkers=256, max_step_m=0.15, generator=rng)
        for f in (smooth_walk, uniform_walk)
    )

    def straightness(w):
        v = w.velocities[:60] / np.linalg.norm(w.velocities[:60], axis=-1, keepdims=True)
        return (v[1:] * v[:-1]).sum(-1).mean()

    assert straightness(smooth) > 0.9 > 0.3 > straightness(uniform)
    assert np.linalg.norm(smooth.velocities, axis=-1).max() <= 0.15 + 1e-12
    maps = rate_maps(samples(smooth), np.ones((250 * 256, 1)), arena_m=4.0, bin_size_m=0.05)
    assert (maps["occupancy"] > 0).mean() > 0.98


def test_rate_maps_are_means_in_the_right_bin_with_nan_where_unvisited():
    positions = np.array([[-0.9, -0.9], [-0.9, -0.9], [0.9, -0.9], [1.0, 1.0], [5.0, 0.0]])
    activity = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 1.0], [7.0, 0.0], [100.0, 100.0]])
    maps = rate_maps(positions, activity, arena_m=2.0, bin_size_m=0.5)
    assert maps["rate"].dims == ("unit", "y", "x")
    np.testing.assert_allclose(maps["x"], [-0.75, -0.25, 0.25, 0.75])
    assert maps["rate"].sel(unit=0, y=-0.75, x=-0.75) == 2.0
    assert maps["rate"].sel(unit=1, y=-0.75, x=0.75) == 1.0
    assert maps["rate"].sel(unit=0, y=0.75, x=0.75) == 7.0
    assert maps["occupancy"].sum() == 4
    assert np.isnan(maps["rate"].sel(unit=0, y=0.25, x=0.25))
    assert maps["rate"].sel(unit=1, y=-0.75, x=-0.75) == 0.0


def test_rate_maps_equal_a_loop_over_samples(rng):
    positions = rng.uniform(-1.1, 1.1, (500, 2))
    positions[:3] = [[1.0, 0.3], [-1.0, 1.0], [0.23, 1.0]]
    activity = rng.standard_normal((500, 4)).astype(np.float32)
    total, count = np.zeros((4, 20, 20)), np.zeros((20, 20), dtype=int)
    for (x, y), sample in zip(positions, activity, strict=True):
        if max(abs(x), abs(y)) <= 1.0:
            row, column = min(int((y + 1) / 0.1), 19), min(int((x + 1) / 0.1), 19)
            total[:, row, column] += sample
            count[row, column] += 1
    maps = rate_maps(positions, activity, arena_m=2.0, bin_size_m=0.1)
    np.testing.assert_array_equal(maps["occupancy"], count)
    np.testing.assert_allclose(
        maps["rate"], np.where(count > 0, total / np.maximum(count, 1), np.nan), rtol=1e-6
    )


def test_a_step_outside_the_arena_adds_nothing():
    maps = rate_maps(np.full((3, 2), 9.0), np.full((3, 1), np.nan), arena_m=1.0, bin_size_m=0.1)
    assert maps["occupancy"].sum() == 0 and np.isnan(maps["rate"]).all()


def test_bad_rate_map_input():
    with pytest.raises(InputError, match="samples of activity"):
        rate_maps(np.zeros((3, 2)), np.zeros((4, 1)), arena_m=1.0, bin_size_m=0.1)
    with pytest.raises(InputError, match="fewer than 3 bins"):
        rate_maps(np.zeros((3, 2)), np.zeros((3, 1)), arena_m=1.0, bin_size_m=0.9)
    with pytest.raises(InputError, match="less than half the arena"):
        smooth_walk(
            arena_m=0.2, steps=5, walkers=2, max_step_m=0.15, generator=np.random.default_rng(0)
        )


def test_maps_along_the_way_equal_maps_of_the_whole_rollout(rng):
    step, start = PerfectGridSystem(0.5).system()
    walk = smooth_walk(arena_m=2.0, steps=40, walkers=20, max_step_m=0.15, generator=rng)
    streamed = roll_rate_maps(System(step, start, 0.15), walk, bin_size_m=0.1)
    states = roll(System(step, start, 0.15), walk)
    assert states.shape == (41, 20, 7)
    whole = rate_maps(samples(walk), states[1:].reshape(-1, 7), arena_m=2.0, bin_size_m=0.1)
    np.testing.assert_allclose(streamed["rate"], whole["rate"], rtol=1e-6)


def test_a_perfect_system_is_scored_as_what_it_is():
    step, start = PerfectGridSystem(0.45).system()
    result = evaluate_system(System(step, start, 0.15), config=QUICK)
    headline = result.summary.headline
    assert headline.active_units == 6 and headline.silent_units == 1
    assert headline.hexagonal_share == 1.0 and headline.lattice_share == 1.0
    assert headline.spacing_m_quartiles[1] == pytest.approx(0.45, rel=0.03)
    assert headline.resolved
    assert result.summary.units[6].silent and result.summary.units[6].reason == "silent"
    assert Summary.from_json(result.summary.to_json()) == result.summary
    assert set(result.headline()["rate"].dims) == {"unit", "y", "x"}


def test_a_square_system_is_not_called_hexagonal():
    step, start = PerfectGridSystem(0.45, angle_deg=90.0).system()
    headline = evaluate_system(System(step, start, 0.15), config=QUICK).summary.headline
    assert (
        headline.hexagonal_share == 0.0
        and headline.lattice_share == 1.0
        and headline.square_share == 1.0
    )


def test_the_arena_grows_with_the_cells():
    step, start = PerfectGridSystem(0.8).system()
    summary = evaluate_system(
        System(step, start, 0.15), config=QUICK.model_copy(update={"adapt_arena": True})
    ).summary
    assert [a.arena_m for a in summary.arenas] == [2.0, 3.0]
    assert summary.headline.arena_m == 3.0 and summary.headline.resolved
    small = evaluate_system(System(step, start, 0.15), config=QUICK).summary
    assert not small.headline.resolved


def test_the_arena_holds_enough_periods_of_the_largest_module():
    step, start = PerfectGridSystem(0.45, others_m=(0.8, 0.8)).system()
    summary = evaluate_system(
        System(step, start, 0.15), config=QUICK.model_copy(update={"adapt_arena": True})
    ).summary
    assert summary.headline.arena_m == 3.0 and summary.headline.resolved


def test_no_arena_smaller_than_the_largest_is_added():
    step, start = PerfectGridSystem(0.8).system()
    wide = QUICK.model_copy(
        update={"adapt_arena": True, "arenas_m": (2.0,), "periods": 100.0, "bin_size_m": 0.1}
    )
    assert [
        a.arena_m for a in evaluate_system(System(step, start, 0.15), config=wide).summary.arenas
    ] == [2.0, 12.0]
    huge = wide.model_copy(update={"arenas_m": (13.0,)})
    summary = evaluate_system(System(step, start, 0.15), config=huge).summary
    assert [a.arena_m for a in summary.arenas] == [13.0] and not summary.headline.resolved


def test_all_units_silent():
    summary = evaluate_system(System(lambda g, _v: g, np.zeros(3), 0.15), config=QUICK).summary
    assert summary.headline.active_units == 0 and summary.headline.hexagonal_share is None
    assert Summary.from_json(summary.to_json()) == summary


def test_too_small_an_arena():
    with pytest.raises(InputError, match="too small"):
        evaluate_system(
            System(lambda g, _v: g, np.zeros(3), 0.15),
            config=QUICK.model_copy(update={"arenas_m": (0.3,)}),
        )
