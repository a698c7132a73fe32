import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from gridcode.analysis.cells.phases import wave_vectors
from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.topology.embedding import METHODS, embed, explained_variance, lattice_rings
from gridcode.errors import InputError

VECTORS_M = 0.6 * np.array([[1.0, 0.0], [0.5, math.sqrt(0.75)]])
WAVES = wave_vectors(VECTORS_M)


def test_variance_against_singular_values(rng):
    states = rng.standard_normal((200, 7)) @ rng.standard_normal((7, 12)) + 3
    found = explained_variance(states)
    squares = np.linalg.svd(states - states.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.explained, squares / squares.sum(), atol=1e-12)
    assert (np.diff(found.explained) <= 1e-15).all() and found.explained.sum() == pytest.approx(1)
    assert found.dimension == pytest.approx(squares.sum() ** 2 / (squares**2).sum())
    own = states.var(axis=0)
    assert found.shuffled_dimension == pytest.approx(own.sum() ** 2 / (own**2).sum())


@pytest.mark.parametrize(
    ("spectrum", "dimension"),
    [([1, 1, 1, 1], 4.0), ([1, 1, 0, 0], 2.0), ([1, 0, 0, 0], 1.0), ([4, 2, 1, 1], 64 / 22)],
)
def test_the_participation_ratio_of_known_spectra(spectrum, dimension, rng):
    # Orthonormal columns without mean, scaled and turned: the spectrum is exact.
    raw = rng.standard_normal((300, 4))
    columns = np.linalg.qr(raw - raw.mean(axis=0))[0]
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    found = explained_variance(columns * np.sqrt(spectrum) @ turn)
    assert found.dimension == pytest.approx(dimension)
    np.testing.assert_allclose(found.explained, np.array(spectrum) / sum(spectrum), atol=1e-12)
    assert found.dimension <= found.shuffled_dimension * (1 + 1e-9) <= 4 * (1 + 1e-9)


def test_a_module_fills_six_directions(rng):
    code = ideal_grid_code([0.6], units_per_module=64, generator=rng)
    found = explained_variance(code(rng.uniform(-3, 3, (4000, 2))))
    assert found.explained[:6].sum() > 0.99
    assert found.dimension == pytest.approx(6, rel=0.02)
    assert found.shuffled_dimension == pytest.approx(64, rel=0.02)


def waves_of(x, units, rng, noise=0.0, vectors_m=VECTORS_M):
    """Units with one of the three waves each, of random phase, and noise relative to the wave."""
    angle = 2 * np.pi * x @ wave_vectors(vectors_m).T
    return np.cos(
        angle[:, np.arange(units) % 3] - rng.uniform(0, 2 * np.pi, units)
    ) + noise * rng.standard_normal((len(x), units))


def rings(states, x, seed=0, **settings):
    return lattice_rings(
        states, x, waves_per_m=WAVES, generator=np.random.default_rng(seed), **settings
    )


def test_a_module_makes_three_rings(rng):
    x = rng.uniform(-2, 2, (1500, 2))
    code = ideal_grid_code([0.6], units_per_module=32, orientations_deg=[0.0], generator=rng)
    found = rings(code(x), x)
    assert found.correlation.min() > 0.9999
    assert found.radius_spread.max() < 1e-3
    assert found.phase_error.max() < 1e-3
    assert found.chance.max() < 0.1
    np.testing.assert_allclose(found.points, np.exp(2j * np.pi * x @ WAVES.T), atol=1e-3)
    # The size of the activity, and where the origin is, do not matter.
    other = rings(50 * code(x) + 3, x + 7.1)
    np.testing.assert_allclose(other.correlation, found.correlation, atol=1e-3)
    np.testing.assert_allclose(np.abs(other.points), np.abs(found.points), atol=1e-3)


def test_an_error_of_place_is_the_phase_error(rng):
    x = rng.uniform(-2, 2, (3000, 2))
    code = ideal_grid_code([0.6], units_per_module=32, orientations_deg=[0.0], generator=rng)
    for error_m in (0.02, 0.05):
        found = rings(code(x + error_m * rng.standard_normal(x.shape)), x)
        np.testing.assert_allclose(found.phase_error, error_m * np.hypot(*WAVES.T), rtol=0.06)
        np.testing.assert_allclose(
            found.correlation, np.exp(-0.5 * (2 * np.pi * found.phase_error) ** 2), rtol=1e-9
        )


def test_noise_spreads_the_radius_and_does_not_make_a_ring(rng):
    x = rng.uniform(-2, 2, (2000, 2))
    planted, half = rings(waves_of(x, 48, rng), x), rings(waves_of(x, 48, rng, noise=2.0), x)
    assert (half.correlation < planted.correlation).all() and (half.correlation > 0.6).all()
    assert (half.radius_spread > planted.radius_spread + 0.1).all()
    # More units than samples in each half: without cross-validation they would follow any angle.
    few = x[:60]
    noise = rings(rng.standard_normal((60, 400)), few)
    assert (noise.correlation < noise.chance + 0.15).all()
    assert noise.radius_spread == pytest.approx(0.52, abs=0.12)
    # Noise units beside the module's do not help or harm much.
    more = rings(
        np.concatenate([waves_of(x, 48, rng), 0.3 * rng.standard_normal((2000, 200))], axis=1), x
    )
    assert more.correlation.min() > 0.99


def test_a_wrong_lattice_has_no_rings(rng):
    x = rng.uniform(-2, 2, (2000, 2))
    found = rings(
        waves_of(x, 30, rng, vectors_m=0.71 * VECTORS_M @ np.array([[0.96, 0.28], [-0.28, 0.96]])),
        x,
    )
    assert found.correlation.max() < 0.15


@pytest.mark.parametrize("slow", [False, True])
def test_unrelated_states_reach_chance_in_one_of_twenty_cases(slow):
    above, cases, longest = 0, 60, 0.0
    for seed in range(cases):
        rng = np.random.default_rng([seed, slow])
        states = rng.standard_normal((600, 8))
        if slow:
            states, x = (
                gaussian_filter1d(states, 20, axis=0),
                np.cumsum(0.05 * rng.standard_normal((600, 2)), axis=0),
            )
        else:
            x = rng.uniform(-2, 2, (600, 2))
        # One wave of each: three of the same states are not independent cases.
        found = lattice_rings(states, x, waves_per_m=WAVES[:1], generator=rng, nulls=99)
        above += int(found.correlation[0] > found.chance[0])
        longest = max(longest, float(found.correlation[0]))
    # Binomial(60, 0.05) exceeds 8 in 0.3% of cases. With slow states a null that puts places in
    # random order would be exceeded in nearly all of them.
    assert above <= 8
    assert longest > (0.3 if slow else 0.1)


@pytest.mark.parametrize("method", METHODS)
def test_embeddings(method, rng):
    code = ideal_grid_code([0.6], units_per_module=24, generator=rng)
    states = code(rng.uniform(-2, 2, (400, 2)))
    found = embed(states, generator=np.random.default_rng(1), method=method, most_samples=250)
    assert found.points.shape == (250, 3) and found.method == method
    assert (np.diff(found.samples) > 0).all() and found.samples[-1] > 250
    assert np.isfinite(found.points).all()
    assert np.abs(found.points).max() == pytest.approx(1)
    np.testing.assert_allclose(found.points.max(axis=0), -found.points.min(axis=0), atol=1e-9)
    again = embed(states, generator=np.random.default_rng(1), method=method, most_samples=250)
    np.testing.assert_allclose(np.abs(again.points), np.abs(found.points), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_embeddings_of_odd_states_do_not_warn(method, rng):
    apart = np.concatenate([rng.standard_normal((60, 5)), 100 + rng.standard_normal((60, 5))])
    line = np.outer(rng.random(120), np.ones(4))
    few = rng.standard_normal((12, 4))[rng.integers(12, size=120)]
    plane = rng.standard_normal((120, 2)) @ rng.standard_normal((2, 4))
    for states in (
        apart,
        line,
        few,
        plane,
        np.where(np.arange(120)[:, None] < 60, 0.0, rng.standard_normal((120, 4))),
    ):
        found = embed(states, generator=np.random.default_rng(0), method=method, neighbours=8)
        assert found.points.shape == (120, 3) and np.isfinite(found.points).all()
        assert np.abs(found.points).max() <= 1 + 1e-9


def test_a_circle_is_embedded_as_one(rng):
    angle = rng.uniform(0, 2 * np.pi, 300)
    states = np.stack([np.cos(angle - p) for p in rng.uniform(0, 2 * np.pi, 10)], axis=1)
    for method in METHODS:
        points = embed(states, generator=rng, method=method, neighbours=12).points
        radius = np.hypot(*points[:, :2].T)
        assert radius.std() / radius.mean() < 0.3


GOOD = np.random.default_rng(3).standard_normal((60, 5))
PLACES = np.random.default_rng(4).uniform(-2, 2, (60, 2))


def replaced(value, array=GOOD):
    bad = array.copy()
    bad[2, 1] = value
    return bad


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (replaced(np.nan), "NaN"),
        (replaced(-np.inf), "infinit"),
        (GOOD[:39], "39 samples"),
        (GOOD[:, :2], "2 units"),
        (np.ones((60, 5)), "too much alike"),
        (np.zeros((0, 5)), "0 samples"),
        (np.zeros((60, 0)), "is empty"),
    ],
)
def test_states_without_a_space_are_refused(states, message):
    x = np.zeros((len(states), 2))
    for call in (
        lambda: explained_variance(states),
        lambda: embed(states, generator=np.random.default_rng(0), neighbours=5),
        lambda: rings(states, x),
    ):
        with pytest.raises(InputError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("x", "waves", "settings", "message"),
    [
        (replaced(np.nan, PLACES), WAVES, {}, "finite"),
        (PLACES, replaced(np.inf, WAVES), {}, "finite"),
        (np.ones((60, 2)), WAVES, {}, "too little of a period"),
        (0.01 * PLACES, WAVES, {}, "too little of a period"),
        (PLACES, np.zeros((1, 2)), {}, "too little of a period"),
        (PLACES, WAVES[[0, 0]], {}, "too little of a period"),
        (PLACES, WAVES, {"nulls": 0}, "a shift or more"),
    ],
)
def test_places_that_tell_no_waves_apart_are_refused(x, waves, settings, message):
    with pytest.raises(InputError, match=message):
        lattice_rings(GOOD, x, waves_per_m=waves, generator=np.random.default_rng(0), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "tsne"}, "unknown method"),
        ({"neighbours": 60}, "60 neighbours"),
        ({"neighbours": 2}, "2 neighbours"),
    ],
)
def test_embeddings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        embed(GOOD, generator=np.random.default_rng(0), **settings)
