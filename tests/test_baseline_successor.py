import numpy as np
import pytest
from scipy import fft

from gridcode.baselines import load_recipe, making
from gridcode.baselines.making import finish, make, system_of
from gridcode.errors import InputError
from gridcode.runs.run import Run

SMALL = {"places": 12, "components": 20}


def grown(**settings):
    """Weights of a recipe."""
    made = load_recipe("successor", SMALL | settings)
    growth = made.begin(np.random.default_rng(0))
    growth.advance(1, np.random.default_rng(1))
    return growth.weights()


def successor_matrix(n, discount):
    """M from its definition: a walker that would leave the room stays where it is."""
    places = [(y, x) for y in range(n) for x in range(n)]
    transition = np.zeros((n * n, n * n))
    for here, (y, x) in enumerate(places):
        for there in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            transition[here, places.index(there) if there in places else here] += 0.25
    return np.linalg.inv(np.eye(n * n) - discount * transition)


def test_units_are_eigenvectors_of_the_successor_matrix_without_negative_parts():
    weights = grown(discount=0.9)
    matrix = successor_matrix(12, 0.9)
    values = np.linalg.eigvalsh(matrix)[::-1]
    np.testing.assert_allclose(weights["eigenvalues"], values[1:21], rtol=1e-9)
    maps = weights["maps"]
    assert maps.min() == 0
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1)


def test_the_walls_alone_shape_the_maps():
    n = 12
    weights = grown()
    # In a square room the eigenvectors are products of cosines between the walls.
    frequency = np.arange(n)
    value = (np.cos(np.pi * frequency / n)[:, None] + np.cos(np.pi * frequency / n)) / 2
    of_cosines = 1 / (1 - 0.995 * value)
    # A rectified eigenvector has the waves of that eigenvalue before its harmonics.
    for unit, eigenvalue in zip(weights["maps"], weights["eigenvalues"], strict=True):
        power = fft.dctn(unit - unit.mean(), norm="ortho") ** 2
        same = np.isclose(of_cosines, eigenvalue)
        assert power[same].sum() > 0.5 * power.sum()


def test_the_maps_stretch_with_the_room():
    small, large = (load_recipe("successor", SMALL | {"arena_m": side}) for side in (1.0, 3.0))
    weights = grown()
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 2))
    np.testing.assert_allclose(
        small.system(weights).position_code(places),
        large.system(weights).position_code(3 * places),
        atol=1e-6,
    )
    assert np.isnan(small.system(weights).position_code(np.array([[0.6, 0.0]]))).all()


def test_a_resumed_run_is_the_same(tmp_path, monkeypatch):
    tiny = load_recipe("successor", SMALL)
    whole = make(tiny, tmp_path / "whole", seed=3)
    save = making._save

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tiny, tmp_path / "part", seed=3)
    monkeypatch.setattr(making, "_save", save)
    finish(Run.open(tmp_path / "part"))
    assert system_of(whole)[2] == system_of(Run.open(tmp_path / "part"))[2]


@pytest.mark.parametrize(("key", "value"), [("discount", 1.0), ("places", 3), ("arena_m", 0.0)])
def test_bad_settings_are_named(key, value):
    with pytest.raises(InputError, match=f"successor: {key}"):
        load_recipe("successor", {key: value})
