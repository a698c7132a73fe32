import math

import numpy as np
import pytest
from planted import ARENA_M, SPACINGS_M, grid, one_hot_code
from scipy.spatial.distance import pdist

from gridcode.analysis.coding.capacity import (
    Capacity,
    area_exponent,
    capacity,
    capacity_against_area,
    capacity_against_units,
    collision_distance,
    expected_capacity,
    independent_modules,
)
from gridcode.analysis.coding.capacity_scaling import capacity_scaling
from gridcode.analysis.coding.codes import sample_states
from gridcode.analysis.synthetic import place_code
from gridcode.errors import InputError


def test_capacity_counts_the_places_of_a_code_that_tells_k_apart(rng):
    for k in (4, 9, 100):
        _, states = sample_states(
            one_hot_code(arena_m=1.0, units=k), side_m=1.0, places=4000, generator=rng
        )
        found = capacity(states, delta=0.5)
        assert found.low <= k * 1.01 and found.high >= k * 0.99
        assert found.capacity == pytest.approx(k, rel=0.05)
        assert found.reason == ""


def test_capacity_agrees_with_a_naive_count(rng):
    states = rng.random((1500, 5))
    found = capacity(states, delta=0.3)
    assert found.collisions == int((pdist(states) < 0.3).sum())
    assert found.pairs == 1500 * 1499 // 2
    assert found.capacity == pytest.approx(found.pairs / found.collisions)
    # Neither the order of places or units nor a common offset matters.
    again = capacity(states[::-1, ::-1] + 3.0, delta=0.3)
    assert again.collisions == found.collisions


@pytest.mark.parametrize(
    ("spacings", "delta", "places"),
    [
        ((1.0,), 0.05, 8000),
        ((1.0,), 0.1, 8000),
        ((0.8, 1.13), 0.1, 12000),
        ((0.8, 1.13), 0.07, 12000),
        (SPACINGS_M, 0.13, 16000),
    ],
)
def test_the_ideal_code_has_the_capacity_of_theory(spacings, delta, places):
    for seed in range(3):
        code = grid(spacings, seed=seed)
        found = capacity_against_area(
            code, sides_m=[1e6], delta=delta, generator=np.random.default_rng(seed), places=places
        )[0]
        expected = expected_capacity(code.metric, code.cell_area_m2, delta=delta, area_m2=1e12)
        # Theory is that of small delta: of each module's squared distance d^2 curvature takes a
        # share of 5 M d^2 / 16.
        curvature = 5 * len(spacings) ** 2 * delta**2 / 16
        off = math.log(expected / found.capacity)
        assert -3 * found.log_error < off < 3 * found.log_error + curvature


def test_theory_holds_for_sheared_modules_and_in_a_small_area():
    code = grid((0.7, 1.0), angle_deg=80.0, ratio=1.3)
    far, near = (
        capacity_against_area(
            code, sides_m=[side], delta=0.1, generator=np.random.default_rng(1), places=8000
        )[0]
        for side in (1e5, 1.5)
    )
    for found, area in ((far, 1e10), (near, 1.5**2)):
        assert found.capacity == pytest.approx(
            expected_capacity(code.metric, code.cell_area_m2, delta=0.1, area_m2=area), rel=0.1
        )


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # Squares of unequal size: places depend on each other's pairs, and counting alone would give
    # too narrow an interval.
    share = np.array([0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    true = 1 / (share**2).sum()
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = capacity(np.eye(6)[rng.choice(6, 150, p=share)], delta=0.5)
        hits += found.low <= true <= found.high
    assert 0.92 <= hits / 300 <= 0.98


def test_without_collisions_there_is_a_bound_and_no_number():
    code = grid((0.4, 0.55, 0.75, 1.03))
    found = capacity_against_area(
        code, sides_m=[1e6], delta=0.05, generator=np.random.default_rng(0), places=3000
    )[0]
    assert math.isnan(found.capacity) and "lower bound" in found.reason
    true = expected_capacity(code.metric, code.cell_area_m2, delta=0.05)
    assert found.low < true
    assert found.low == pytest.approx(found.pairs / 3.0, rel=0.01)
    assert math.isinf(found.high) and math.isnan(found.log_error)


def test_all_places_alike_are_one_place():
    found = capacity(np.ones((200, 3)), delta=0.1)
    assert (found.capacity, found.low, found.high) == (1.0, 1.0, 1.0)


def nested(code, *, delta, seed=0, places=10000, side=1e5):
    _, states = sample_states(
        code, side_m=side, places=places, generator=np.random.default_rng(seed)
    )
    modules = range(code.label.max() + 1)
    return capacity_against_units(
        states, subsets=[np.flatnonzero(code.label <= m) for m in modules], delta=delta, side_m=side
    )


@pytest.mark.parametrize("seed", range(3))
def test_capacity_grows_exponentially_with_modules(seed):
    found = nested(
        grid((0.4, 0.5, 0.62, 0.78, 0.97, 1.21), units=7, seed=seed), delta=0.3, seed=seed
    )
    assert [c.units for c in found] == [7, 14, 21, 28, 35, 42]
    growth = capacity_scaling(found)
    assert growth.verdict == "exponential", growth
    assert growth.rate_interval[0] > 0
    assert growth.exponential_error < 0.4 * growth.power_error


@pytest.mark.parametrize("seed", range(3))
def test_capacity_grows_linearly_with_place_cells(seed):
    rng = np.random.default_rng(seed)
    found = []
    for units in (64, 100, 196, 400):
        # Fields as wide as they are apart; states of the same length.
        code = place_code(arena_m=ARENA_M, units=units, width_m=ARENA_M / math.sqrt(units))
        _, states = sample_states(code, side_m=ARENA_M, places=6000, generator=rng)
        found.append(capacity(states, delta=0.15))
    growth = capacity_scaling(found)
    assert growth.verdict in ("linear", "power law"), growth
    # A little more at first: fields that hang over the walls are narrower the more there are.
    assert growth.exponent == pytest.approx(1, abs=0.15)
    assert growth.last_exponent_interval[0] < 1.1
    assert growth.power_error < 0.2 * growth.exponential_error


def test_commensurate_modules_add_no_capacity_that_lasts():
    independent = grid((1.0, 0.64), orientations_deg=(0.0, 30.0))
    sub = grid((1.0, 1 / math.sqrt(3)), orientations_deg=(0.0, 30.0))
    rng = np.random.default_rng(0)
    alone, both, other = (
        capacity_against_area(
            code, sides_m=[3.0, 30.0, 1000.0], delta=0.15, generator=rng, places=8000
        )
        for code in (grid((1.0,)), sub, independent)
    )
    # The sub-lattice makes slopes steeper within one and the same unit cell: it saturates at once,
    # two modules do not.
    assert both[2].capacity == pytest.approx(both[0].capacity, rel=0.1)
    metric = sub.metric.sum(axis=0)[None]
    assert both[2].capacity == pytest.approx(
        expected_capacity(metric, sub.cell_area_m2[:1], delta=0.15), rel=0.1
    )
    assert other[2].capacity > 5 * both[2].capacity
    assert alone[2].capacity < both[2].capacity


def test_the_area_exponent_is_1_for_new_places_and_0_for_repeats():
    rng = np.random.default_rng(0)
    for code, exponent in ((grid((0.5,)), 0.0), (grid(), 1.0)):
        smaller, larger = capacity_against_area(
            code, sides_m=[1.5, 3.0], delta=0.16, generator=rng, places=3000
        )
        found, error = area_exponent(larger, smaller)
        assert found == pytest.approx(exponent, abs=3 * error + 0.05) and error < 0.1
    bound = capacity(np.eye(50), delta=0.1, side_m=10.0)
    assert math.isnan(area_exponent(bound, larger)[0])


@pytest.mark.parametrize("modules", [1, 2, 3])
def test_independent_modules_are_counted(modules):
    code = grid(SPACINGS_M[:modules] if modules > 1 else (1.0,))
    for seed in range(3):
        x, g = sample_states(code, side_m=1e5, places=3000, generator=np.random.default_rng(seed))
        found = independent_modules(
            x, g, apart_m=2.0, delta=0.16, generator=np.random.default_rng(seed)
        )
        assert found.number == pytest.approx(modules, abs=4 * found.standard_error + 0.05)
        assert found.standard_error < 0.2


def test_a_lattice_and_its_sublattice_are_one_module():
    code = grid((1.0, 1 / math.sqrt(3)), orientations_deg=(0.0, 30.0))
    x, g = sample_states(code, side_m=1e5, places=3000, generator=np.random.default_rng(0))
    found = independent_modules(x, g, apart_m=2.0, delta=0.16, generator=np.random.default_rng(0))
    assert found.number == pytest.approx(1, abs=0.1)


def made_up(sizes, values, error=0.05):
    width = math.exp(1.96 * error)
    return [
        Capacity(float(v), float(v / width), float(v * width), 0.1, 10, 100, 1.0, int(n))
        for n, v in zip(sizes, values, strict=True)
    ]


def test_growth_is_told_apart_with_noise():
    rng = np.random.default_rng(0)
    sizes = np.array([8, 12, 16, 24, 32, 48, 64])
    truths = {
        "exponential": np.exp(0.15 * sizes),
        "linear": 3.0 * sizes,
        "power law": 0.1 * sizes**2.0,
        "saturated": 50 * (1 - np.exp(-sizes / 8)),
    }
    for verdict, values in truths.items():
        found = [
            capacity_scaling(made_up(sizes, values * np.exp(0.05 * rng.standard_normal(7)))).verdict
            for _ in range(40)
        ]
        assert found.count(verdict) >= 36, (verdict, found)


def test_growth_needs_four_sizes_that_are_known():
    bound = Capacity(math.nan, 5.0, math.inf, 0.1, 0, 10, 1.0, 40, "only a lower bound")
    growth = capacity_scaling([*made_up([8, 16, 32], [1.0, 2.0, 4.0]), bound])
    assert growth.verdict == "undecided" and "3 sizes" in growth.reason and math.isnan(growth.rate)


def test_the_collision_distance_is_that_of_the_error_rate(rng):
    sigma = 0.2
    delta = collision_distance(sigma, error_rate=0.05)
    one, other = np.zeros(6), np.zeros(6)
    other[:2] = delta / math.sqrt(2)
    shown = one + sigma * rng.standard_normal((200_000, 6))
    wrong = np.linalg.norm(shown - other, axis=1) < np.linalg.norm(shown - one, axis=1)
    assert wrong.mean() == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _g: capacity(np.zeros((1, 3)), delta=0.1), "two places"),
        (lambda _g: capacity(np.full((10, 3), np.nan), delta=0.1), "finite"),
        (lambda _g: capacity(np.zeros((10, 3)), delta=0.0), "delta"),
        (
            lambda _g: capacity_against_units(
                np.zeros((10, 3)), subsets=[np.array([3])], delta=0.1
            ),
            "subset",
        ),
        (lambda g: capacity_against_area(grid(), sides_m=[-1.0], delta=0.1, generator=g), "side"),
        (lambda _g: collision_distance(0.0), "positive noise"),
        (lambda _g: collision_distance(0.1, error_rate=0.6), "under 0.5"),
        (lambda _g: expected_capacity(np.zeros((1, 2, 2)), np.ones(1), delta=0.1), "positive area"),
        (
            lambda _g: area_exponent(
                capacity(np.zeros((9, 3)), delta=0.1), capacity(np.zeros((9, 3)), delta=0.1)
            ),
            "a smaller and a larger",
        ),
        (
            lambda _g: capacity_scaling(made_up([1, 2], [1.0, 2.0]), sizes=[1.0]),
            "one positive size",
        ),
        (
            lambda g: independent_modules(
                np.zeros((50, 2)), np.zeros((50, 3)), apart_m=0.0, delta=0.1, generator=g
            ),
            "more places",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0))
