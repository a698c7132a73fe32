import sys

import numpy as np
import pytest

from gridcode.errors import InputError
from gridcode.world.walks import WALKS, WalkFunction, training_extent_m

ALWAYS = ["smooth", "uniform", "slow", "straight"]


def draw(name, *, seed=7, **settings):
    return WALKS[name](
        **({"arena_m": 2.0, "steps": 200, "walkers": 40, "max_step_m": 0.15} | settings),
        generator=np.random.default_rng(seed),
    )


def speeds(walk):
    return np.linalg.norm(walk.velocities, axis=-1)


def check_walk(name, **settings):
    walk = draw(name, **settings)
    assert walk.kind == name
    assert (walk.positions[0] == 0).all()
    assert np.abs(walk.positions).max() <= 1.0
    np.testing.assert_allclose(np.diff(walk.positions, axis=0), walk.velocities, atol=1e-12)
    np.testing.assert_array_equal(draw(name, **settings).positions, walk.positions)
    assert not np.array_equal(draw(name, seed=8, **settings).positions, walk.positions)
    return walk


def test_walks_keep_their_place_in_the_seeds_of_evaluations():
    assert list(WALKS)[:5] == ["smooth", "uniform", "slow", "straight", "rat"]
    assert all(isinstance(f, WalkFunction) for f in WALKS.values())


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        (
            "smooth",
            [
                [-0.263633882085, -0.501060106232],
                [-0.684079032865, -0.282283253541],
                [0.927705388733, -0.030410417161],
            ],
        ),
        (
            "uniform",
            [
                [-0.605791990949, 0.369744533736],
                [0.517526705306, -0.025025020035],
                [0.61439042643, 0.371598246092],
            ],
        ),
    ],
)
def test_the_walks_that_published_numbers_rest_on_stay_as_they_are(name, ends):
    np.testing.assert_allclose(draw(name, steps=50, walkers=3).positions[-1], ends, atol=1e-9)


@pytest.mark.parametrize("name", ALWAYS)
def test_walks_stay_inside_and_start_at_the_centre(name):
    walk = check_walk(name)
    longest = 0.15 * (2**0.5 if name == "uniform" else 1)
    assert speeds(walk).max() <= longest + 1e-12


def test_the_slow_walk_is_four_times_slower_than_the_smooth_one():
    slow, smooth = draw("slow"), draw("smooth")
    assert speeds(slow).max() <= 0.15 / 4 + 1e-12
    assert np.median(speeds(slow)) == pytest.approx(np.median(speeds(smooth)) / 4, rel=0.1)


def test_straight_runs_go_from_wall_to_wall_at_one_speed():
    walk = draw("straight", arena_m=4.0, steps=400)
    at_wall = np.isclose(np.abs(walk.positions[1:]), 2.0, rtol=0, atol=1e-12).any(axis=-1)
    speed = speeds(walk)
    # Only the last step of a run is shorter.
    assert ((speed >= 0.85 * 0.15 - 1e-12) | at_wall).all()
    assert speed.max() <= 0.95 * 0.15 + 1e-12
    direction = walk.velocities / np.maximum(speed, 1e-30)[..., None]
    turn = 1 - (direction[1:] * direction[:-1]).sum(-1)
    inside = ~at_wall[:-1]
    moved = (speed[1:] > 1e-6) & (speed[:-1] > 1e-6)
    assert np.abs(turn[inside & moved]).max() < 1e-6
    assert (turn[at_wall[:-1] & moved] > 0.01).mean() > 0.9
    assert np.mean(at_wall) == pytest.approx(0.135 / 2.6, rel=0.3)
    sides = np.abs(walk.positions[1:])[at_wall]
    assert (np.isclose(sides, 2.0).mean(axis=0) > 0.3).all()


def test_the_extent_of_training_holds_95_percent_of_last_coordinates():
    ends = np.random.default_rng(0).uniform(-0.15, 0.15, (40, 50_000, 2)).sum(axis=0)
    half = training_extent_m(0.15, 40) / 2
    assert training_extent_m(0.15, 40) == pytest.approx(2.147, abs=1e-3)
    assert (np.abs(ends) <= half).mean(axis=0) == pytest.approx([0.95, 0.95], abs=0.004)
    for bad in ((0.0, 40), (-1.0, 40), (0.15, 0), (float("nan"), 3)):
        with pytest.raises(InputError, match="positive"):
            training_extent_m(*bad)


@pytest.mark.parametrize("name", [*ALWAYS, "rat"])
@pytest.mark.parametrize(
    "bad",
    [
        {"arena_m": 0.0},
        {"steps": 0},
        {"walkers": 0},
        {"max_step_m": 1.0},
        {"max_step_m": 0.0},
        {"arena_m": float("nan")},
    ],
)
def test_sizes_that_make_no_sense_are_refused(name, bad):
    with pytest.raises(InputError):
        draw(name, **bad)


def test_without_ratinabox_the_rat_walk_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ratinabox", None)
    with pytest.raises(InputError, match=r"needs ratinabox: pip install 'gridcode\[rats\]'"):
        draw("rat")


@pytest.mark.filterwarnings("ignore")  # RatInABox's own
def test_the_rat_walk_moves_like_a_rat_and_leaves_the_global_generator_alone():
    pytest.importorskip("ratinabox")
    before = np.random.get_state()  # noqa: NPY002
    walk = check_walk("rat", steps=60, walkers=4)
    after = np.random.get_state()  # noqa: NPY002
    assert before[0] == after[0] and (before[1] == after[1]).all() and before[2:] == after[2:]
    assert speeds(walk).max() <= 0.15 + 1e-12
    assert (speeds(walk) > 0.15 - 1e-9).mean() < 0.03
    assert 0.03 < np.median(speeds(walk)) < 0.09
