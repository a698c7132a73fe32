"""Baselines as such: names, settings, run folders, resuming, and systems given their position."""

import json

import numpy as np
import pytest

import gridcode
from gridcode import baselines, cli
from gridcode.analysis.navigation.decoding import integrate_paths
from gridcode.analysis.navigation.reference import build_reference_map
from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.system import System, roll, roll_rate_maps
from gridcode.baselines import making
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.world.walks import smooth_walk

SMALL = {"places": 12, "components": 12}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recipe = baselines.load_recipe("successor", SMALL)
    return making.make(recipe, tmp_path_factory.mktemp("baselines") / "run", seed=3)


def code(positions_m):
    """Three plane waves, not defined beyond 1 m."""
    waves = np.cos(np.asarray(positions_m) @ np.array([[6.0, 0.0, 3.0], [0.0, 6.0, 5.0]]))
    return np.where((np.abs(positions_m) <= 1.0).all(axis=-1)[..., None], 1 + waves, np.nan)


@pytest.mark.parametrize("name", baselines.RECIPES)
def test_what_every_recipe_says_of_itself(name):
    kind = baselines.recipe_class(name)
    recipe = baselines.load_recipe(name)
    assert kind.name == name
    assert all(field.description for field in kind.model_fields.values())
    assert kind.title and kind.source and kind.put_in and kind.family
    assert recipe.steps >= 1 and recipe.units >= 2 and recipe.extent_m > 4 * recipe.max_step_m
    assert baselines.recipe_of(making.config_of(recipe, 1)) == recipe
    assert max(recipe.evaluation().arenas_m) >= 4 * recipe.max_step_m


def test_a_run_says_what_it_is(run):
    config = gridcode.Run(run.folder).config
    assert config == Config.from_toml(config.to_toml())
    assert config.baseline["name"] == "successor" and config.baseline["places"] == 12
    assert set(config.model_dump()) == {"world", "model", "training", "evaluation", "baseline"}
    assert run.manifest["finished"] and run.manifest["seed"] == 3
    assert "baseline successor" in repr(config)


def test_a_network_has_no_baseline_in_its_configuration():
    assert "baseline" not in gridcode.load_config("quick").model_dump()


def test_evaluation_and_comparison(run, tmp_path):
    small = run.config.override(
        {
            "evaluation.samples_per_bin": 3,
            "evaluation.bin_size_m": 0.1,
            "evaluation.nulls": 99,
            "evaluation.theory": False,
            "evaluation.space_steps": [160, 160],
        }
    ).evaluation
    summary = gridcode.evaluate(run, config=small).summary
    assert summary.origin.step == 1 and len(summary.units) == 12
    assert summary.space[0].reasons["decoding"] == summary.space[0].reasons["invariance"]
    assert "given its position" in summary.space[0].reasons["decoding"]
    assert gridcode.write_report(run).is_file()
    other = making.make(
        baselines.load_recipe("successor", SMALL | {"discount": 0.9}), tmp_path / "b"
    )
    gridcode.evaluate(other, config=small)
    assert gridcode.compare([run, other]).settings["baseline.discount"] == (0.995, 0.9)


def test_a_baseline_by_its_name(tmp_path):
    made = baselines.successor(tmp_path / "a", seed=2, **SMALL)
    assert made.config.baseline["places"] == 12 and made.config.training.seed == 2
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = baselines.nothing


def test_what_needs_a_network_refuses_a_baseline(run):
    with pytest.raises(InputError, match="holds a baseline, not a network"):
        gridcode.load_network(run)
    with pytest.raises(InputError, match="gridcode baseline"):
        gridcode.train(out=run.folder)
    with pytest.raises(InputError, match="no setting of a baseline"):
        run.config.override({"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pcs"], "did you mean 'pca'?"),
        (["successor", "--places", "2"], "places: Input should be greater"),
        (["successor", "--places", "many"], "places: Input should be a valid integer"),
        (["successor", "--room", "2"], "--room"),
        (["conformal", "--scales-per-m", "[7.5, -1]"], "scales_per_m.1: Input should be greater"),
        (["successor", "--seed", "-1"], "--seed"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["baseline", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert not any(tmp_path.iterdir())


def test_settings_are_read_as_toml():
    assert baselines.load_recipe("conformal", {"scales_per_m": "[5, 7.5]"}).scales_per_m == (
        5.0,
        7.5,
    )
    assert baselines.load_recipe("pca", {"shuffled": "true"}).shuffled


def test_the_list_of_models(capsys):
    assert cli.main(["baseline", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(baselines.RECIPES)


def test_a_model_that_is_given_its_position():
    system = System.of_positions(code, max_step_m=0.15, extent_m=2.0)
    generator = np.random.default_rng(0)
    walk = smooth_walk(arena_m=2.0, steps=40, walkers=16, max_step_m=0.15, generator=generator)
    assert np.array_equal(roll(system, walk), code(walk.positions))
    assert system.is_defined_in(2.0) and not system.is_defined_in(2.1)
    with pytest.raises(InputError, match="given its position"):
        system.step(system.starts(2), np.zeros((2, 2)))
    reference = build_reference_map(system, arena_m=2.2, generator=generator)
    middle = len(reference.vectors) // 2
    assert reference.lengths[middle, middle] == pytest.approx(np.linalg.norm(code(np.zeros(2))))
    errors = integrate_paths(system, walk, reference, window_m=0.5, horizons=(10,))
    assert "given its position" in errors.reason and np.isnan(errors.tracked_m).all()


def test_units_may_be_a_part_of_the_state():
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]

    def step(states, velocities):
        return states @ turned.T + velocities.sum(axis=1, keepdims=True)

    whole = System(step, np.ones(5), 0.15)
    part = System(step, np.ones(5), 0.15, observed=np.array([3, 1]))
    walk = smooth_walk(
        arena_m=1.0, steps=20, walkers=16, max_step_m=0.15, generator=np.random.default_rng(1)
    )
    assert np.array_equal(roll(part, walk), roll(whole, walk)[..., [3, 1]])
    maps = [roll_rate_maps(s, walk, bin_size_m=0.25)["rate"].values for s in (part, whole)]
    assert np.array_equal(maps[0], maps[1][[3, 1]], equal_nan=True)


def test_reference_maps_of_one_tree_at_a_time_are_those_of_all_at_once():
    grid = ideal_grid_code([0.6], units_per_module=8, generator=np.random.default_rng(0))

    def step(states, velocities):
        """The place, with an error that depends on the path, then the activity there."""
        place = states[:, :2] + velocities * (1 + 0.02 * np.sin(states[:, :1] * 9))
        return np.concatenate([place, 3 * grid(place)], axis=1)

    start = np.concatenate([np.zeros(2), 3 * grid(np.zeros((1, 2)))[0]])
    maps = [
        build_reference_map(
            System(step, start, 0.15, observed=observed),
            arena_m=1.0,
            generator=np.random.default_rng(1),
        )
        for observed in (None, np.arange(10))
    ]
    # Matrix products of other sizes round differently in the last digit of single precision.
    np.testing.assert_allclose(maps[0].vectors, maps[1].vectors, atol=1e-6)
    np.testing.assert_allclose(maps[0].lengths, maps[1].lengths, rtol=1e-6)
    part = build_reference_map(
        System(step, start, 0.15, observed=np.arange(2, 10)),
        arena_m=1.0,
        generator=np.random.default_rng(1),
    )
    middle = len(part.vectors) // 2
    expected = np.linalg.norm(3 * grid(np.zeros((1, 2))))
    assert part.lengths[middle, middle] == pytest.approx(expected)
