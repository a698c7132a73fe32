import math

import numpy as np
import pytest
from scipy import fft

from gridcode.analysis.cells.gridness import score_maps
from gridcode.baselines import load_recipe, making
from gridcode.baselines.making import finish, make, system_of
from gridcode.errors import InputError
from gridcode.runs.run import Run

SMALL = {"torus_m": 4.8, "places": 48, "components": 8, "iterations": 600}


def grown(seed=1, **settings):
    """Maps (unit, y, x) of a recipe."""
    made = load_recipe("pca", SMALL | settings)
    growth = made.begin(np.random.default_rng(seed))
    for step in range(made.steps):
        growth.advance(step, np.random.default_rng(step))
    return growth.weights()["maps"]


def scores(maps, side_m):
    return score_maps(maps, bin_size_m=side_m / maps.shape[1])


def test_the_width_of_place_cells_sets_the_one_spacing():
    widths = np.array([0.12, 0.16, 0.2])
    found = [scores(grown(sigma_m=sigma), 4.8) for sigma in widths]
    assert all(np.median(of_width.grid_score) > 1 for of_width in found)
    spacings = [np.median(of_width.spacing_m) for of_width in found]
    # The torus lets only some lattices fit.
    expected = 4 * np.pi / np.sqrt(3) * widths / np.sqrt(2 * np.log(2))
    np.testing.assert_allclose(spacings, expected, rtol=0.08)


def test_the_largest_eigenvalue_is_where_theory_has_it():
    made = load_recipe("pca", {"torus_m": 20.0, "places": 200, "sigma_m": 0.4, "surround": 3.0})
    row, column = np.unravel_index(made.spectrum().argmax(), made.spectrum().shape)
    k = 2 * np.pi / 20 * math.hypot(min(row, 200 - row), column)
    assert k == pytest.approx(math.sqrt(2 * math.log(3) / (2 * 0.4**2)), rel=0.03)


def test_without_rectification_there_are_no_hexagons():
    maps = grown(nonnegative=False)
    assert maps.min() < 0
    assert np.median(scores(maps, 4.8).grid_score) < 0.5


def test_shuffled_place_cells_give_the_same_units_at_other_places():
    made = load_recipe("pca", SMALL | {"shuffled": True, "iterations": 5})
    growth = made.begin(np.random.default_rng(0))
    order = growth.weights()["order"]
    start = growth.weights()["maps"].reshape(8, -1)
    plain = load_recipe("pca", SMALL).begin(np.random.default_rng(0))
    there = np.empty_like(start)
    there[:, order] = start
    plain.weights()["maps"][:] = there.reshape(8, 48, 48)
    for step in range(5):
        growth.advance(step, np.random.default_rng(step))
        plain.advance(step, np.random.default_rng(step))
    expected = plain.weights()["maps"].reshape(8, -1)[:, order]
    np.testing.assert_allclose(growth.weights()["maps"].reshape(8, -1), expected, atol=1e-7)
    assert np.median(scores(growth.weights()["maps"], 4.8).grid_score) < 0.3


def test_the_step_is_that_of_a_dense_covariance(rng):
    made = load_recipe("pca", {"torus_m": 1.0, "places": 10, "components": 3, "shuffled": True})
    growth = made.begin(rng)
    maps, order = growth.weights()["maps"].astype(float), growth.weights()["order"]
    # Place cells at each place, as on a torus, from their definition.
    y, x = np.divmod(np.arange(100), 10)
    apart = np.stack([y[:, None] - y, x[:, None] - x]) % 10
    field = fft.irfft2(np.sqrt(made.spectrum()), s=(10, 10))
    activity = field[apart[0], apart[1]][order]  # (place, cell)
    expected = np.maximum(activity @ activity.T @ maps.reshape(3, -1).T, 0).T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    growth.advance(1, rng)
    np.testing.assert_allclose(growth.weights()["maps"].reshape(3, -1), expected, atol=1e-5)


def test_a_resumed_run_is_the_same(tmp_path, monkeypatch):
    tiny = load_recipe("pca", {"places": 16, "components": 4, "iterations": 9, "shuffled": True})
    whole = make(tiny, tmp_path / "whole", seed=3)

    def stop(progress):
        if progress.step == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(making, "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        make(tiny, tmp_path / "part", seed=3, progress=stop)
    finish(Run.open(tmp_path / "part"))
    assert system_of(whole)[2] == system_of(Run.open(tmp_path / "part"))[2]


def test_the_code_goes_round_the_torus(tmp_path):
    run = make(
        load_recipe("pca", {"places": 16, "components": 4, "iterations": 3}), tmp_path / "run"
    )
    code = system_of(run)[0].position_code
    place = np.array([[0.3, -0.7]])
    np.testing.assert_allclose(code(place), code(place + [5.2, -10.4]), atol=1e-6)


@pytest.mark.parametrize(("key", "value"), [("sigma_m", 0.0), ("surround", 1.0), ("places", 4)])
def test_bad_settings_are_named(key, value):
    with pytest.raises(InputError, match=f"pca: {key}"):
        load_recipe("pca", {key: value})
