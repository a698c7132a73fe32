import pytest
from pydantic import ValidationError

from gridcode import Config, InputError, load_config
from gridcode.config import fields, preset_names, preset_summary


@pytest.mark.parametrize("name", preset_names())
def test_presets_survive_a_round_trip(name):
    config = load_config(name)
    assert Config.from_toml(config.to_toml()) == config
    assert Config.from_toml(config.to_toml()).content_hash == config.content_hash
    assert preset_summary(name).endswith(".")


def test_every_field_is_described():
    assert all(field.description for field in fields().values())


def test_the_published_settings():
    c = load_config("paper")
    assert (c.model.units, c.world.trajectories, c.world.steps, c.world.max_velocity_m) == (
        128,
        130,
        60,
        0.15,
    )
    assert (c.loss.sigma_x_m, c.loss.sigma_g) == (0.05, 0.4)
    assert (c.loss.separation, c.loss.invariance, c.loss.capacity) == (1.0, 0.1, 0.5)
    t = c.training
    assert (t.learning_rate, t.gradient_clip, t.accumulation, t.schedule, t.steps) == (
        2e-5,
        0.1,
        2,
        "plateau",
        2_000_000,
    )
    assert (c.world.velocities, c.world.orders, c.loss.pairs) == ("square", "permutation", "all")


def test_overrides_by_dotted_and_own_name_from_text_and_values():
    c = load_config("quick").override(
        {
            "units": "32",
            "training.learning-rate": "2e-3",
            "model.norm": "false",
            "hidden_widths": [8],
            "seed": 7,
            "steps": 9,
        }
    )
    assert (c.model.units, c.training.learning_rate, c.model.norm, c.model.hidden_widths) == (
        32,
        2e-3,
        False,
        (8,),
    )
    assert (c.training.seed, c.training.steps, c.world.steps) == (7, 9, 30)
    assert c.content_hash != load_config("quick").content_hash


def test_configuration_is_frozen():
    with pytest.raises(ValidationError):
        load_config("quick").training.seed = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.unit": 3}, "did you mean 'model.units'"),
        ({"lerning_rate": 3}, "did you mean 'training.learning_rate'"),
        ({"qqq": 3}, "unknown setting 'qqq'"),
        ({"units": "many"}, "model.units: Input should be a valid integer"),
        ({"units": "1"}, "model.units: Input should be greater than or equal to 2"),
        ({"units": "true"}, "a number or text is needed"),
        ({"learning_rate": "-1"}, "greater than 0"),
        ({"learning_rate": "nan"}, "finite"),
        ({"velocities": "disk"}, "'square' or 'disc'"),
        ({"trajectories": 81}, "must be a multiple of world.steps"),
        ({"isometry_ramp": [9, 2]}, "must not end before it starts"),
        ({"hidden_widths": []}, "at least 1 item"),
    ],
)
def test_bad_values_are_one_clear_line(changes, message):
    with pytest.raises(InputError) as caught:
        load_config("quick").override(changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("[training\n")
    with pytest.raises(InputError, match="not valid TOML"):
        load_config(bad)
    bad.write_text("[training]\nstep = 3\n")
    with pytest.raises(InputError, match=r"did you mean 'training\.steps'"):
        load_config(bad)
    bad.write_text("[trainig]\nsteps = 3\n")
    with pytest.raises(InputError, match="unknown setting 'trainig'"):
        load_config(bad)
    with pytest.raises(InputError, match="did you mean 'quick'"):
        load_config("quik")
    with pytest.raises(InputError, match="neither a preset nor a file"):
        load_config(tmp_path)
