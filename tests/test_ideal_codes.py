import math

import numpy as np
import pytest
from planted import one_hot_code, random_code_similarity

from gridcode.analysis.coding.codes import code_from_reference, sample_states, slopes, states_at
from gridcode.analysis.navigation.decoding import integrate_paths
from gridcode.analysis.navigation.invariance import path_invariance
from gridcode.analysis.navigation.reference import ReferenceMap, build_reference_map
from gridcode.analysis.synthetic import bin_centres, ideal_grid_code, place_code, random_code
from gridcode.analysis.system import System
from gridcode.errors import InputError
from gridcode.world.walks import smooth_walk

SPACINGS_M = (0.6, 0.83, 1.17)


def places(rng, count=400, side=4.0):
    return rng.uniform(-side / 2, side / 2, (count, 2))


@pytest.mark.parametrize("units", [7, 8, 9, 10, 16, 25, 64, 101])
def test_tiled_phases_give_one_length_and_one_slope_everywhere(units, rng):
    code = ideal_grid_code(SPACINGS_M, units_per_module=units, generator=rng)
    x = places(rng)
    states = code(x)
    assert states.shape == (len(x), 3 * units)
    assert states.min() >= 0
    for m in range(3):
        np.testing.assert_allclose(
            np.linalg.norm(states[:, code.label == m], axis=1), 1 / math.sqrt(3), atol=1e-12
        )
    slope = slopes(code, x, step_m=1e-5)
    for m, spacing in enumerate(SPACINGS_M):
        singular = np.linalg.svd(slope[:, code.label == m], compute_uv=False)
        # 2 pi k sqrt(3/5 / 3) for |g|^2 = (9/4 + 3/2) n c^2, a slope of |dg|^2 = 3/2 (2 pi k)^2 n
        # c^2 / 2 dx^2 and k = 2 / sqrt(3) spacing.
        np.testing.assert_allclose(
            singular,
            2 * math.pi * 2 / (math.sqrt(3) * spacing) * math.sqrt(0.2) / math.sqrt(3),
            rtol=1e-6,
        )
        assert code.slope_per_m[m] == pytest.approx(singular.mean(), rel=1e-6)
        assert code.cell_area_m2[m] == pytest.approx(math.sqrt(0.75) * spacing**2)


def test_cells_repeat_on_their_lattice_alone(rng):
    code = ideal_grid_code(
        SPACINGS_M, units_per_module=12, generator=rng, angle_deg=75.0, ratio=1.2
    )
    x = places(rng)
    for m in range(3):
        own = code.label == m
        for whole in ((1, 0), (0, 1), (3, -2)):
            np.testing.assert_allclose(
                code(x + whole @ code.vectors_m[m])[:, own], code(x)[:, own], atol=1e-12
            )
        assert (
            np.linalg.norm(
                code(x + 0.5 * code.vectors_m[m, 0])[:, own] - code(x)[:, own], axis=1
            ).min()
            > 0.1
        )
    # A field of each unit is at its phase.
    top = code.phases[:, None, :] @ code.vectors_m[code.label]
    peak = np.diag(code(top[:, 0]))
    assert (peak >= code(places(rng, 2000)).max(axis=0) - 1e-12).all()


@pytest.mark.parametrize("far_m", [1e3, 1e6])
def test_far_from_the_origin_the_code_is_as_good(far_m, rng):
    code = ideal_grid_code([1.0], units_per_module=16, generator=rng, orientations_deg=[20.0])
    x = places(rng)
    away = round(far_m) * code.vectors_m[0, 0]
    # What is left is the rounding of the position itself.
    np.testing.assert_allclose(code(x + away), code(x), atol=1e-15 * far_m + 1e-12)


def test_fields_have_the_width_asked_for(rng):
    for width in (0.1, 0.2):
        code = ideal_grid_code([1.0], units_per_module=64, generator=rng, width=width)
        top = (code.phases[0] @ code.vectors_m[0])[None]
        at, off = (code(top + [[d, 0.0]])[0, 0] for d in (0.0, 0.02))
        assert 0.02 / math.sqrt(2 * math.log(at / off)) == pytest.approx(width, rel=0.02)
        lengths = np.linalg.norm(code(places(rng)), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=0.01)
        singular = np.linalg.svd(slopes(code, places(rng), step_m=1e-4), compute_uv=False)
        assert singular.std() / singular.mean() < 0.02
        assert code.slope_per_m[0] == pytest.approx(singular.mean(), rel=0.01)


def test_a_sheared_lattice_has_the_metric_it_says(rng):
    code = ideal_grid_code(
        [0.7, 1.0], units_per_module=20, generator=rng, angle_deg=80.0, ratio=1.3
    )
    slope = slopes(code, places(rng), step_m=1e-5)
    for m in range(2):
        own = slope[:, code.label == m]
        np.testing.assert_allclose(
            np.einsum("pui,puj->pij", own, own),
            np.broadcast_to(code.metric[m], (400, 2, 2)),
            rtol=1e-4,
            atol=1e-4,
        )


def test_random_phases_have_length_1_on_average_only(rng):
    code = ideal_grid_code([0.9], units_per_module=40, generator=rng, phases="random")
    length = np.linalg.norm(code(places(rng, 4000, 50.0)), axis=1)
    assert (length**2).mean() == pytest.approx(1, rel=0.02)
    assert length.std() > 0.01


@pytest.mark.parametrize("phases", ["tiled", "random"])
@pytest.mark.parametrize("angle_deg", [60.0, 80.0])
def test_as_a_system_it_integrates_exactly(phases, angle_deg, rng):
    code = ideal_grid_code(
        SPACINGS_M, units_per_module=16, generator=rng, phases=phases, angle_deg=angle_deg
    )
    step, start = code.as_system()
    x, v = places(rng), rng.uniform(-0.15, 0.15, (400, 2))
    np.testing.assert_allclose(step(code(x), v), code(x + v), atol=1e-12)
    np.testing.assert_allclose(start, code(np.zeros((1, 2)))[0])
    state, place = np.broadcast_to(start, (5, len(start))), np.zeros((5, 2))
    for _ in range(1000):
        v = rng.uniform(-0.15, 0.15, (5, 2))
        state, place = step(state, v), place + v
    np.testing.assert_allclose(state, code(place), atol=1e-9)


def test_a_state_off_the_manifold_falls_onto_the_nearest_of_it(rng):
    code = ideal_grid_code([1.0], units_per_module=25, generator=rng)
    step, _ = code.as_system()
    x, still = places(rng), np.zeros((400, 2))
    g = code(x)
    slope = slopes(code, x, step_m=1e-5)
    kick = 1e-3 * rng.standard_normal(g.shape)
    along = np.einsum("pui,pu->pi", slope, kick) / code.slope_per_m[0] ** 2
    # On the manifold the part of the kick along it stays, off it all of it goes, within the square
    # of its size.
    np.testing.assert_allclose(step(g + kick, still), code(x + along), atol=3e-5)
    once = step(g + kick, still)
    np.testing.assert_allclose(step(once, still), once, atol=1e-12)


def test_as_a_system_path_integration_and_invariance_are_perfect(rng):
    code = ideal_grid_code(SPACINGS_M, units_per_module=16, generator=rng)
    step, start = code.as_system()
    walk = smooth_walk(arena_m=2.0, steps=100, walkers=40, max_step_m=0.15, generator=rng)
    reference = build_reference_map(System(step, start, 0.15), arena_m=3.0, generator=rng)
    found = integrate_paths(
        System(step, start, 0.15), walk, reference, window_m=0.25, horizons=(1, 100)
    )
    assert found.tracked_m.max() < 0.02 and found.anywhere_m.max() < 0.02
    invariance = path_invariance(
        System(step, start, 0.15), walk.velocities, generator=rng, lengths=(5, 80)
    )
    assert invariance.square.max() < 1e-20


def test_a_place_code_tiles_its_arena_and_is_silent_beyond(rng):
    code = place_code(arena_m=4.0, units=64, width_m=0.4)
    inner = np.linalg.norm(code(places(rng, side=2.4)), axis=1)
    np.testing.assert_allclose(inner, 1, atol=0.01)
    assert np.abs(code(np.array([[8.0, 0.0], [-8.0, 8.0]]))).max() < 1e-8
    assert (code(places(rng, 4000)).argmax(axis=1)[:, None] == np.arange(64)).any(axis=0).all()


def test_a_one_hot_code_has_one_unit_for_a_square():
    code = one_hot_code(arena_m=2.0, units=16)
    centres = bin_centres(2.0, 0.5).reshape(-1, 2)
    np.testing.assert_array_equal(code(centres), np.eye(16))
    assert not code(np.array([[1.01, 0.0], [0.0, -1.01]])).any()
    assert code(np.array([[0.999, -0.999]])).sum() == 1


def test_a_random_code_has_the_similarity_of_its_kernel(rng):
    code = random_code(units=4000, correlation_m=0.3, generator=rng)
    x = places(rng, 600)
    for distance in (0.0, 0.1, 0.3, 0.6, 3.0):
        angle = rng.uniform(0, 2 * np.pi, len(x))
        moved = code(x + distance * np.stack([np.cos(angle), np.sin(angle)], axis=1))
        found = (code(x) * moved).sum(axis=1).mean()
        assert found == pytest.approx(
            random_code_similarity(np.array([distance]), correlation_m=0.3)[0], abs=0.03
        )
    assert code(x).min() == 0


def test_codes_repeat_with_their_seed():
    for make in (
        lambda g: ideal_grid_code(SPACINGS_M, units_per_module=9, generator=g),
        lambda g: random_code(units=20, correlation_m=0.3, generator=g),
    ):
        x = places(np.random.default_rng(5))
        one, again, other = (make(np.random.default_rng(seed))(x) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - other).max() > 0.01


def code_of(maps, bin_size_m):
    return code_from_reference(ReferenceMap(np.moveaxis(maps, 0, -1), bin_size_m))


def test_maps_give_the_code_back(rng):
    code = ideal_grid_code([1.0, 1.4], units_per_module=12, generator=rng)
    maps = np.moveaxis(code(bin_centres(3.0, 0.05).reshape(-1, 2)).reshape(60, 60, -1), -1, 0)
    before = maps.copy()
    again = code_of(maps, 0.05)
    x = places(rng, side=2.9)
    np.testing.assert_allclose(
        again(bin_centres(3.0, 0.05).reshape(-1, 2)),
        code(bin_centres(3.0, 0.05).reshape(-1, 2)),
        atol=1e-12,
    )
    assert np.abs(again(x) - code(x)).max() < 0.02 * code(x).max()
    # A naive bilinear interpolation.
    for place in x[:20]:
        column, row = (place + 1.5) / 0.05 - 0.5
        i, j = int(np.floor(row)), int(np.floor(column))
        a, b = row - i, column - j
        naive = (1 - a) * ((1 - b) * maps[:, i, j] + b * maps[:, i, j + 1]) + a * (
            (1 - b) * maps[:, i + 1, j] + b * maps[:, i + 1, j + 1]
        )
        np.testing.assert_allclose(again(place[None])[0], naive, atol=1e-12)
    assert np.isnan(again(np.array([[1.51, 0.0], [0.0, -2.0]]))).all()
    assert np.isfinite(again(np.array([[1.5, -1.5], [1.49, 1.49]]))).all()
    maps[3, 30, 30] = np.nan
    hole = code_of(maps, 0.05)
    assert (
        np.isnan(states_at(hole, np.array([[0.02, 0.03]]))).all()
        and np.isfinite(hole(np.array([[0.2, 0.3]]))).all()
    )
    np.testing.assert_array_equal(maps[:3], before[:3])


def test_a_reference_map_gives_the_code_back(rng):
    code = ideal_grid_code([1.0, 1.4], units_per_module=12, generator=rng)
    vectors = code(bin_centres(3.0, 0.05).reshape(-1, 2)).reshape(60, 60, -1).astype(np.float32)
    vectors[0, 0] = 0
    again = code_from_reference(ReferenceMap(vectors, 0.05))
    x = places(rng, side=2.8)
    assert np.abs(again(x) - code(x)).max() < 0.02 * code(x).max()
    assert np.isnan(again(np.array([[-1.46, -1.46]]))).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: ideal_grid_code([], units_per_module=9, generator=g), "one positive length"),
        (
            lambda g: ideal_grid_code([1.0, -1.0], units_per_module=9, generator=g),
            "one positive length",
        ),
        (
            lambda g: ideal_grid_code([math.nan], units_per_module=9, generator=g),
            "one positive length",
        ),
        (lambda g: ideal_grid_code([1.0], units_per_module=6, generator=g), "7 units"),
        (
            lambda g: ideal_grid_code(
                [1.0], units_per_module=9, generator=g, orientations_deg=[0.0, 1.0]
            ),
            "must be 1 angles",
        ),
        (
            lambda g: ideal_grid_code([1.0], units_per_module=9, generator=g, angle_deg=180.0),
            "angle_deg must lie",
        ),
        (
            lambda g: ideal_grid_code([1.0], units_per_module=9, generator=g, width=0.0),
            "angle_deg must lie",
        ),
        (
            lambda g: ideal_grid_code(
                [1.0], units_per_module=9, generator=g, width=0.2
            ).as_system(),
            "width=None",
        ),
        (lambda _g: place_code(arena_m=0.0, units=9, width_m=0.1), "must be positive"),
        (lambda g: random_code(units=0, correlation_m=0.1, generator=g), "must be positive"),
        (
            lambda _g: code_from_reference(
                ReferenceMap(np.zeros((4, 4, 3), dtype=np.float32), 0.1)
            ),
            "no bin",
        ),
        (
            lambda _g: states_at(lambda x: np.zeros((3, 4)) + 0 * x.sum(), np.zeros((5, 2))),
            "must give",
        ),
        (
            lambda g: sample_states(
                code_of(np.ones((3, 4, 4)), 0.1), side_m=40.0, places=500, generator=g
            ),
            "have a state",
        ),
        (
            lambda g: sample_states(
                one_hot_code(arena_m=1.0, units=9), side_m=0.0, places=500, generator=g
            ),
            "side of a square",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message, rng):
    with pytest.raises(InputError, match=message):
        call(rng)
