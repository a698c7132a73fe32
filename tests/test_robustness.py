import math

import numpy as np
import pytest

from gridcode.analysis.navigation.reference import ReferenceMap, build_reference_map
from gridcode.analysis.navigation.robustness import (
    add_noise,
    manifold_noise_m,
    noise_robustness,
    with_lesion,
    with_state_noise,
    with_velocity_error,
)
from gridcode.analysis.system import System
from gridcode.errors import InputError
from gridcode.world.walks import smooth_walk

MAX_STEP_M = 0.15
HORIZONS = (1, 10, 100)


class GridCode:
    """One module that reads phases from all units, moves them, and writes them to all units."""

    def __init__(self, spacing_m=1.0, side=8):
        angle = np.radians([0, 60])
        self.wave = (
            2 * np.pi / (spacing_m * math.sqrt(0.75)) * np.stack([np.cos(angle), np.sin(angle)])
        )
        line = 2 * np.pi * np.arange(side) / side
        self.phase = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        self.start = self.state(np.zeros((1, 2)))[0]

    def cells(self, angle):
        a = angle[:, None] - self.phase
        return np.exp(np.cos(a).sum(-1) + np.cos(a[..., 1] - a[..., 0]))

    def state(self, x):
        return self.cells(x @ self.wave)

    def step(self, states, velocities):
        return self.cells(np.angle(states @ np.exp(1j * self.phase)) + velocities @ self.wave)


class Projecting(GridCode):
    """The same, with phases read by least squares: the state is projected onto the manifold."""

    def step(self, states, velocities):
        angle = np.angle(states @ np.exp(1j * self.phase))
        for _ in range(3):
            tangent = np.stack(
                [(self.cells(angle + d) - self.cells(angle - d)) / 2e-4 for d in 1e-4 * np.eye(2)],
                axis=-1,
            )
            angle = angle + np.einsum(
                "wau,wu->wa", np.linalg.pinv(tangent), states - self.cells(angle)
            )
        return self.cells(angle + velocities @ self.wave)


@pytest.fixture(scope="module")
def planted():
    system = GridCode()
    reference = build_reference_map(
        System(system.step, system.start, MAX_STEP_M),
        arena_m=4.0,
        generator=np.random.default_rng(0),
        trees=1,
    )
    return system, reference


def walk_of(walkers=100, steps=100):
    return smooth_walk(
        arena_m=2.0,
        steps=steps,
        walkers=walkers,
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(5),
    )


def robustness(planted, seed=1, walk=None, **settings):
    system, reference = planted
    none = {"state_noise": (), "lesions": (), "velocity_gains": (), "velocity_noise_m": ()}
    return noise_robustness(
        System(system.step, system.start, MAX_STEP_M),
        reference,
        walk or walk_of(),
        window_m=0.4,
        generator=np.random.default_rng(seed),
        **(none | settings),
    )


def medians(row, name="tracked_m"):
    return np.array([getattr(e, name)[1] for e in row.errors], dtype=float)


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_in_the_state_adds_up_as_planted(planted, seed):
    system, _ = planted
    level = 0.05
    (row,) = robustness(planted, seed, state_noise=(level,))
    # Angle of a sum of N units with noise s: variance s^2 N / 2 |z|^2; positions by the inverse of
    # the two waves.
    states = system.state(np.random.default_rng(0).uniform(-1, 1, (500, 2)))
    noise = add_noise(states, level=level, generator=np.random.default_rng(3))
    before, after = (np.angle(s @ np.exp(1j * system.phase)) for s in (states, noise))
    turned = np.angle(np.exp(1j * (after - before))) @ np.linalg.inv(system.wave).T
    per_step = math.sqrt((turned**2).sum(1).mean() / 2)
    expected = per_step * np.sqrt(np.array(HORIZONS) * 2 * math.log(2))
    np.testing.assert_allclose(medians(row)[1:], expected[1:], rtol=0.25)
    # Reading alone does not add up.
    reading = medians(row, "reading_m")
    assert reading[2] < 1.5 * reading[0] + 0.005
    assert medians(row)[2] > 3 * reading[2]
    # No reading of the phases does better than least squares on the tangent plane; this one weighs
    # the units less well.
    assert 1.5 < medians(row)[2] / medians(row, "perfect_m")[2] < 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_projecting_attractor_is_as_good_as_can_be(planted, seed):
    (row,) = robustness(
        (Projecting(), planted[1]),
        seed,
        state_noise=(0.1,),
        walk=walk_of(400, 40),
        horizons=(10, 40),
    )
    for e in row.errors:
        np.testing.assert_allclose(e.tracked_m, e.perfect_m, rtol=0.2)
        assert e.tracked_m[1] == pytest.approx(e.perfect_m[1], rel=0.12)


def test_more_noise_is_worse_until_chance(planted):
    rows = robustness(planted, state_noise=(0.0, 0.05, 0.2, 2.0))
    last = [medians(r)[-1] for r in rows]
    assert last == sorted(last)
    assert last[0] < 0.01
    assert last[3] > 0.5 * rows[3].errors[-1].chance_m


@pytest.mark.parametrize("seed", [1, 2])
def test_velocity_errors_do_what_they_do_to_a_perfect_integrator(planted, seed):
    rows = robustness(
        planted,
        seed,
        velocity_gains=(0.9, 1.0, 1.1),
        velocity_noise_m=(0.0, 0.01),
        walk=walk_of(200),
    )
    by = {(r.kind, r.level): r for r in rows}
    for key in (("velocity gain", 0.9), ("velocity gain", 1.1), ("velocity noise", 0.01)):
        for e in by[key].errors[1:]:
            np.testing.assert_allclose(e.tracked_m, e.perfect_m, rtol=0.12, atol=0.006)
    for key in (("velocity gain", 1.0), ("velocity noise", 0.0)):
        assert medians(by[key]).max() < 0.01
        assert medians(by[key], "perfect_m").max() == 0


def test_lesions_of_a_redundant_code_cost_little_and_of_a_tiny_one_much(planted):
    rows = robustness(planted, lesions=(0.0, 0.2))
    # The sums over units that are left are uneven: each step's phase is off by a bias that depends
    # on the place.
    assert medians(rows[0]).max() < 0.01 < medians(rows[1])[-1]
    assert medians(rows[1], "reading_m").max() < 0.02
    assert np.isnan(medians(rows[1], "perfect_m")).all()
    tiny = GridCode(side=4)
    reference = build_reference_map(
        System(tiny.step, tiny.start, MAX_STEP_M),
        arena_m=4.0,
        generator=np.random.default_rng(0),
        trees=1,
    )
    (row,) = robustness((tiny, reference), lesions=(0.7,))
    assert medians(row)[1] > 2 * medians(rows[1])[1]


def test_wrappers_are_what_they_say():
    rng = np.random.default_rng(0)

    def step(g, v):
        return g + v.sum(axis=1, keepdims=True)

    g, v = rng.uniform(0, 1, (400, 50)), rng.uniform(-1, 1, (400, 2))
    before = g.copy(), v.copy()
    noise = with_state_noise(step, level=0.1, generator=rng)(g, v) - step(g, v)
    assert np.sqrt((noise**2).sum(1).mean()) == pytest.approx(
        0.1 * np.linalg.norm(step(g, v), axis=1).mean(), rel=0.03
    )
    assert add_noise(g, level=0.0, generator=rng) is g
    alive = np.arange(50) < 30
    found = with_lesion(step, alive)(g, v)
    np.testing.assert_array_equal(found[:, 30:], 0)
    np.testing.assert_array_equal(found[:, :30], step(g, v)[:, :30])
    seen = with_velocity_error(lambda _g, u: u, gain=1.1, noise_m=0.02, generator=rng)(g, v)
    assert (seen - 1.1 * v).std() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_array_equal(g, before[0])
    np.testing.assert_array_equal(v, before[1])


def test_noise_along_the_manifold_is_the_inverse_of_the_metric():
    # Four units (cos kx, sin kx, cos ky, sin ky) / sqrt(2): a metric of k^2 / 2 everywhere.
    line = np.arange(-30, 31) * 0.02
    k = 2 * np.pi
    x, y = np.meshgrid(line, line)
    reference = ReferenceMap(
        np.stack([np.cos(k * x), np.sin(k * x), np.cos(k * y), np.sin(k * y)], axis=-1)
        / math.sqrt(2),
        0.02,
    )
    assert manifold_noise_m(reference) == pytest.approx(math.sqrt(2 / k**2 / 4), rel=0.01)
    assert math.isnan(
        manifold_noise_m(ReferenceMap(reference.vectors[..., :2] * math.sqrt(2), 0.02))
    )


def test_records_are_repeatable(planted):
    said = []
    settings = {
        "walk": walk_of(10, 20),
        "horizons": (1, 10),
        "state_noise": (0.1,),
        "lesions": (0.1,),
        "velocity_gains": (1.1,),
    }
    rows = robustness(
        planted,
        **settings,
        velocity_noise_m=(0.01,),
        progress=lambda done, total: said.append((done, total)),
    )
    assert [r.kind for r in rows] == ["state noise", "lesion", "velocity gain", "velocity noise"]
    assert [e.steps for e in rows[0].errors] == [1, 10]
    assert said == [(i, 4) for i in (1, 2, 3, 4)]
    assert robustness(planted, **settings, velocity_noise_m=(0.01,)) == rows
    assert robustness(planted, seed=2, **settings, velocity_noise_m=(0.01,)) != rows


def test_a_constant_system_gives_a_reason():
    reference = ReferenceMap(np.full((41, 41, 4), 0.5, dtype=np.float32), 0.05)
    rows = noise_robustness(
        System(lambda g, _v: g + 0.0, np.ones(4), MAX_STEP_M),
        reference,
        walk_of(5),
        window_m=0.4,
        generator=np.random.default_rng(0),
    )
    assert all("same everywhere" in r.reason for r in rows)
    assert all(e.tracked_m == (None, None, None) for r in rows for e in r.errors)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"state_noise": (-0.1,)}, "not be negative"),
        ({"state_noise": (math.nan,)}, "not be negative"),
        ({"lesions": (1.0,)}, "shares"),
        ({"velocity_gains": (math.inf,)}, "finite"),
        ({"lesions": (0.1,), "horizons": (200,)}, "no horizon"),
        ({"lesions": (0.1,), "horizons": ()}, "no horizon"),
    ],
)
def test_what_makes_no_sense_is_refused(planted, settings, message):
    with pytest.raises(InputError, match=message):
        robustness(planted, **settings)
    with pytest.raises(InputError, match="64 units and the start state 3"):
        noise_robustness(
            System(planted[0].step, np.ones(3), MAX_STEP_M),
            planted[1],
            walk_of(5),
            window_m=0.4,
            generator=np.random.default_rng(0),
        )
