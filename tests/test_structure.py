import math

import numpy as np
import pytest

from gridcode.analysis.modules.detection import Module
from gridcode.analysis.synthetic import bin_centres, ideal_grid_code
from gridcode.analysis.topology import state_space as structure
from gridcode.analysis.topology.betti import TORUS, measure_topology
from gridcode.analysis.topology.known_shapes import (
    KNOWN_SHAPES,
    known_shape_states,
    measure_known_shapes,
)
from gridcode.analysis.topology.state_space import analyse_state_space, map_states
from gridcode.errors import InputError

SAMPLES = 700
SPACINGS_M = (0.6, 0.426)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer landmarks and pictures: a tenth of the time."""
    monkeypatch.setattr(
        structure,
        "measure_topology",
        lambda states, **settings: measure_topology(states, landmarks=100, **settings),
    )
    monkeypatch.setattr(
        structure,
        "measure_known_shapes",
        lambda *given, **settings: measure_known_shapes(*given, landmarks=100, **settings),
    )
    monkeypatch.setattr(structure, "SHOWN_SAMPLES", 150)


def as_module(code, m, units):
    return Module(
        np.asarray(units),
        code.vectors_m[m],
        SPACINGS_M[m],
        [0.0, 17.0][m],
        1.0,
        0.01,
        0.5,
        0.01,
        0.001,
    )


def population(rng, samples=SAMPLES, noise=0.1):
    """Two modules of 16, a few cells of a third group, and a silent unit."""
    code = ideal_grid_code(SPACINGS_M, units_per_module=16, orientations_deg=[0, 17], generator=rng)
    x = rng.uniform(-2, 2, (samples, 2))
    states = code(x)
    states += noise * states.std() * rng.standard_normal(states.shape)
    states = np.concatenate([states, np.zeros((samples, 1))], axis=1)
    return (
        states,
        x,
        [
            as_module(code, 0, range(16)),
            as_module(code, 1, range(16, 32)),
            as_module(code, 1, range(20, 29)),
        ],
    )


def analysed(states, x, modules, **settings):
    return analyse_state_space(
        states, x, modules=modules, **({"nulls": 19, "controls": False} | settings)
    )


def test_a_population_of_two_modules(rng):
    states, x, modules = population(rng)
    before = states.copy()
    seen = []
    found = analysed(
        states, x, modules, controls=True, progress=lambda done, total: seen.append((done, total))
    )
    np.testing.assert_array_equal(states, before)
    summary = found.summary
    assert summary.samples == SAMPLES and summary.nulls == 19
    whole, first, second = summary.populations
    assert [row.name for row in (whole, first, second)] == ["population", "module_0", "module_1"]
    assert [row.module for row in (whole, first, second)] == [None, 0, 1]
    assert not whole.topology.torus and whole.rings is whole.toroidal is None
    for row in (first, second):
        assert row.topology.torus and row.topology.betti == TORUS
        assert row.n_units == 16
        assert min(row.rings.correlation) > 0.98 > 0.2 > max(row.rings.chance_95)
        assert max(row.rings.place_error_m) < 0.03
        assert row.toroidal.unimodular and min(row.toroidal.correlation) > 0.95
        assert 5 < row.dimension < row.shuffled_dimension < 16.5
    assert len(whole.explained) == 10
    (third,) = summary.skipped
    assert (third.name, third.n_units) == ("module_2", 9)
    assert third.reason == "9 units: fewer than 10"
    # Controls beside the largest module.
    assert [c.name for c in summary.controls] == list(KNOWN_SHAPES)
    assert [c.expected_torus for c in summary.controls] == list(KNOWN_SHAPES.values())
    assert all(c.as_expected == (c.torus == c.expected_torus) for c in summary.controls)
    assert all(c.as_expected for c in summary.controls[1:])
    done, totals = zip(*seen, strict=True)
    assert done == tuple(range(1, 8 * 19 + 1)) and set(totals) == {8 * 19}

    assert set(found.arrays.children) == {"population", "module_0", "module_1"}
    data = found.arrays["module_0"].to_dataset()
    for name in (
        "bars",
        "null_longest",
        "landmarks",
        "landmark_positions_m",
        "spectral",
        "isomap",
        "spectral_positions_m",
        "isomap_positions_m",
    ):
        assert (
            np.isfinite(data[name].values[:, :2]).all()
            and name in found.arrays["population"].to_dataset()
        )
    assert data.landmarks.shape == (100, 6) and data.toroidal.shape == (100, 2)
    assert data.rings.shape == (150, 3, 2) and data.rings_positions_m.shape == (150, 2)
    assert data.spectral.shape == (150, 3) and data.null_longest.shape == (19, 3)
    np.testing.assert_allclose(data.attrs["vectors_m"], modules[0].vectors_m.ravel())
    assert "toroidal" not in found.arrays["population"].to_dataset()


def test_each_population_has_numbers_of_its_own(rng):
    states, x, modules = population(rng, samples=300)
    two = analysed(states, x, modules[:2]).summary.populations
    one = analysed(states, x, modules[:1]).summary.populations
    assert two[:2] == one
    assert analysed(states, x, modules[:1], seed=1).summary.populations != one
    lattice = analysed(states, x, [], whole_vectors_m=modules[0].vectors_m).summary.populations[0]
    assert (
        lattice.toroidal.matrix is None and "not shown to make a torus" in lattice.toroidal.reason
    )
    assert len(lattice.rings.correlation) == 3


def test_what_cannot_be_measured_is_skipped_with_a_reason(rng):
    states, x, modules = population(rng, samples=200)
    states[:, :16] = 0.3
    found = analysed(states, x, modules[:2], controls=True)
    (skipped,) = found.summary.skipped
    assert (skipped.name == "module_0" and "vary" in skipped.reason) or "alike" in skipped["reason"]
    assert "module_0" not in found.arrays.children
    # Few samples, and a walker that never moved: nothing but reasons.
    still = analysed(states[:30], x[:30], modules[:2], controls=True)
    assert still.summary.populations == () == still.summary.controls
    assert {row.name for row in still.summary.skipped} == {"population", "module_0", "module_1"}
    fixed = analysed(states, 0 * x, modules[1:2], controls=True)
    row = fixed.summary.populations[1]
    assert [(s.name, "must be positive" in s.reason) for s in fixed.summary.skipped] == [
        ("controls", True)
    ]
    assert row.rings is None and "period" in row.rings_reason and row.topology.landmarks > 0
    for result in (found, still, fixed):
        result.summary.model_dump_json()


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda g, x: (np.where(np.arange(len(g))[:, None] == 3, np.nan, g), x), {}, "finite"),
        (lambda g, x: (np.where(np.arange(len(g))[:, None] == 3, np.inf, g), x), {}, "finite"),
        (lambda g, x: (g, np.where(np.arange(len(g))[:, None] == 3, np.nan, x)), {}, "finite"),
        (lambda g, x: (g[:, :20], x), {}, "other units"),
        (lambda g, x: (g, x), {"nulls": 18}, "18 shuffles"),
        (lambda g, x: (g, x), {"nulls": 0}, "0 shuffles"),
    ],
)
def test_bad_input_is_refused(change, settings, message, rng):
    states, x, modules = population(rng, samples=60)
    with pytest.raises(InputError, match=message) as raised:
        analysed(*change(states, x), modules, **settings)
    assert "\n" not in str(raised.value)


def test_maps_as_states(rng):
    rate = rng.random((5, 6, 8))
    rate[2, 0, 3] = rate[:, 5, 7] = np.nan
    states, x, bins = map_states(rate, bin_size_m=0.1, generator=rng)
    assert states.shape == (46, 5) and np.isfinite(states).all()
    assert sorted(bins) == [b for b in range(48) if b not in (3, 47)]
    np.testing.assert_array_equal(states, rate.reshape(5, -1)[:, bins].T)
    # y by rows and x by columns, from the middle.
    np.testing.assert_allclose(x, np.stack([bins % 8 - 3.5, bins // 8 - 2.5], axis=1) * 0.1)
    few, _, chosen = map_states(rate, bin_size_m=0.1, most=10, generator=rng)
    assert len(few) == len(np.unique(chosen)) == 10
    assert (np.diff(chosen) < 0).any()


def test_maps_in_random_order_keep_their_torus():
    """Row by row, a shift moves a map, and moved maps of a module are a module: a torus."""
    rng = np.random.default_rng(0)
    x = bin_centres(2.0, 0.05)
    code = ideal_grid_code(
        [0.5], units_per_module=32, orientations_deg=[0.0], angle_deg=90.0, generator=rng
    )
    rate = code(x.reshape(-1, 2)).T.reshape(32, 40, 40)
    states, _, bins = map_states(rate, bin_size_m=0.05, generator=rng)
    assert measure_topology(states, generator=rng, nulls=19, landmarks=100).torus
    rows = measure_topology(states[np.argsort(bins)], generator=rng, nulls=19, landmarks=100)
    assert rows.by_gap == TORUS and not rows.torus


@pytest.mark.parametrize(
    ("rate", "settings", "message"),
    [
        (np.full((3, 4, 4), np.nan), {}, "no bin"),
        (np.where(np.eye(4, dtype=bool)[:, :, None], np.nan, np.ones((4, 4, 4))), {}, "no bin"),
        (np.zeros((0, 4, 4)), {}, "rate maps must be"),
        (np.ones((3, 4, 4)), {"bin_size_m": 0.0}, "bins of 0.0"),
        (np.ones((3, 4, 4)), {"bin_size_m": math.nan}, "bins of nan"),
        (np.ones((3, 4, 4)), {"most": 0}, "0 states"),
    ],
)
def test_maps_without_states_are_refused(rate, settings, message, rng):
    with pytest.raises(InputError, match=message):
        map_states(rate, **({"bin_size_m": 0.1, "generator": rng} | settings))


def test_controls_are_what_they_are_called(rng):
    x = rng.uniform(-2, 2, (1500, 2)) + 5.0
    found = measure_known_shapes(
        rng.standard_normal((1500, 32)),
        x,
        spacing_m=0.6,
        orientation_deg=10.0,
        generator=rng,
        nulls=19,
        landmarks=150,
    )
    assert [c.name for c in found] == list(KNOWN_SHAPES)
    assert all(c.as_expected for c in found)
    assert [c.topology.betti[1] for c in found] == [2, 0, 0, 1, 0]
    for name in list(KNOWN_SHAPES)[:-1]:
        states = known_shape_states(
            name, x, units=31, spacing_m=0.6, orientation_deg=10.0, generator=rng, noise=0.0
        )
        assert states.shape == (1500, 31) and states.min() >= 0
        assert (np.ptp(states, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("name", "x", "settings", "message"),
    [
        ("sphere", np.eye(2), {}, "choose one module, two modules, place cells, bands$"),
        ("shuffled", np.eye(2), {}, "unknown control"),
        ("one module", np.zeros((0, 2)), {}, "positions"),
        ("one module", np.full((3, 2), np.nan), {}, "finite"),
        ("one module", np.eye(2), {"units": 6}, "6 units"),
        ("two modules", np.eye(2), {"units": 12}, "7 units"),
        ("bands", np.eye(2), {"spacing_m": 0.0}, "0.0 m"),
        ("bands", np.eye(2), {"orientation_deg": math.nan}, "nan degrees"),
        ("bands", np.eye(2), {"noise": -1.0}, "noise -1.0"),
        ("place cells", np.ones((3, 2)), {}, "must be positive"),
    ],
)
def test_controls_that_make_no_sense_are_refused(name, x, settings, message, rng):
    with pytest.raises(InputError, match=message):
        known_shape_states(
            name,
            x,
            **(
                {"units": 20, "spacing_m": 0.5, "orientation_deg": 0.0, "generator": rng} | settings
            ),
        )
