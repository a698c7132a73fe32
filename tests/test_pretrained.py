import copy
import json
import shlex
import time

import measure_packaged
import network_scores
import numpy as np
import pytest
import torch
from export_network import export, training_command
from low_rank import factor, factored

import gridcode
from gridcode import cli
from gridcode.analysis.records import (
    HeadlineRecord,
    ModuleRecord,
    SettingsRecord,
    Summary,
    UnitRecord,
)
from gridcode.analysis.records.navigation import DecodingRecord, SpaceRecord
from gridcode.models.network import GridNetwork
from gridcode.models.packing import pack_weights, unpack
from gridcode.models.populations import make_network
from gridcode.packaged.evaluations import unpack_evaluation

NAMES = gridcode.pretrained_names()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from conftest import TINY

    config = gridcode.load_config("quick").override(
        TINY | {"training.steps": 20, "evaluation.space_steps": [100, 100]}
    )
    trained = gridcode.train(config, out=tmp_path_factory.mktemp("pretrained") / "run")
    gridcode.evaluate(trained, config=config.override({"evaluation.space": False}).evaluation)
    return trained


@pytest.fixture(scope="module")
def library(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    export(run, "whole", folder=folder, command="gridcode train quick --units 12")
    return folder


@pytest.fixture
def network():
    config = gridcode.Config().override({"model.units": 40, "model.hidden_widths": [48, 48]}).model
    return GridNetwork.from_config(config, generator=torch.Generator().manual_seed(0))


def test_loads_what_was_exported(run, library):
    found = gridcode.pretrained("whole", folder=library)
    assert gridcode.pretrained_names(library) == ["whole"]
    assert (found.details.seed, found.details.command) == (0, "gridcode train quick --units 12")
    assert found.config == run.config
    assert found.network.start.dtype == torch.float32
    assert repr(found) == "Pretrained('whole': 12 units, modules: none, seed 0)"
    velocities = np.random.default_rng(0).uniform(-0.15, 0.15, (50, 2))
    (step, start), (own_step, own_start) = found.as_system(), gridcode.load_network(run).as_system()
    assert np.array_equal(start, own_start)
    states = np.tile(start, (50, 1))
    assert np.abs(step(states, velocities) - own_step(states, velocities)).max() < 1e-3


def test_says_how_it_was_made(run, library):
    details = json.loads((library / "whole.json").read_text())
    assert details["manifest"] == run.manifest
    assert details["dtype"] == "float16" and details["rank"] is None
    assert details["comparison"]["changes"]["too_far"] == []
    assert details["bytes"] == (library / "whole.safetensors").stat().st_size
    assert sum(details["scores"]["types"].values()) == 12
    assert [e["steps"] for e in details["scores"]["path_integration"]["errors"]][-1] == 100
    assert details["small_scores"] == network_scores.small_scores(
        gridcode.pretrained("whole", folder=library).network, run.config
    )


def test_unpacks_into_a_run(run, library, tmp_path):
    found = gridcode.pretrained("whole", folder=library)
    unpacked = found.unpack(tmp_path / "run")
    assert unpacked.config == run.config
    assert unpacked.manifest == run.manifest | {"pretrained": "whole"}
    assert [row["step"] for row in unpacked.metrics()] == [row["step"] for row in run.metrics()]
    weights = found.network.state_dict()
    assert all(
        torch.equal(value, weights[name])
        for name, value in gridcode.load_network(unpacked).state_dict().items()
    )
    gridcode.train(out=unpacked.folder)  # at its end already: nothing is trained
    summary = gridcode.evaluate(unpacked, config=run.config.evaluation).summary
    assert summary.types == found.scores.types
    assert gridcode.write_report(unpacked).is_file()
    with pytest.raises(gridcode.InputError, match="exists already"):
        found.unpack(tmp_path / "run")


def test_comes_with_its_evaluation(run, tmp_path):
    export(run, "whole", folder=tmp_path)
    found = gridcode.pretrained("whole", folder=tmp_path)
    evaluated = found.unpack(tmp_path / "evaluated")
    evaluation = gridcode.evaluate(evaluated, config=run.config.evaluation)
    measure_packaged.write(found, evaluation, tmp_path)
    found = gridcode.pretrained("whole", folder=tmp_path)
    details = found.details.evaluation
    assert details["largest_change"]["rate_share"] <= 0.004
    unpacked = found.unpack(tmp_path / "unpacked")
    summary, maps = unpacked.read_evaluation()
    assert summary == evaluation.summary and unpacked.out_of_date(summary) is None
    assert unpacked.map_groups() == [summary.headline.group] == list(maps.children)
    assert "rounded" in unpacked.manifest["maps"]
    before, after = evaluation.headline(), maps[summary.headline.group].to_dataset()
    assert set(before.variables) == set(after.variables)
    exact = before.variables.keys() - {"rate", "autocorrelogram"}
    assert all(before[name].equals(after[name]) for name in exact)
    peak = before["rate"].max(("y", "x"))
    assert float((abs(after["rate"] - before["rate"]) / peak).max()) <= 0.004
    assert 'data-document="runs/unpacked/run"' in gridcode.write_report(unpacked).read_text()
    assert gridcode.evaluate(unpacked, config=run.config.evaluation).summary == summary
    assert len(unpacked.map_groups()) == 2  # all arenas again
    assert found.unpack(tmp_path / "bare", evaluated=False).read_summary() is None
    path = tmp_path / "whole.evaluation.zip"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(gridcode.InputError, match="SHA-256"):
        found.unpack(tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()
    with pytest.raises(gridcode.InputError, match=r"cannot read whole.evaluation.zip"):
        unpack_evaluation(path.read_bytes(), path.name)


def test_unknown_and_damaged(library, tmp_path):
    with pytest.raises(gridcode.InputError, match="did you mean 'whole'"):
        gridcode.pretrained("hole", folder=library)
    with pytest.raises(gridcode.InputError, match="there are none"):
        gridcode.pretrained("hole", folder=tmp_path)
    with pytest.raises(gridcode.InputError, match=r"no pretrained network '\.\./whole'"):
        gridcode.pretrained("../whole", folder=library)
    weights, text = (
        (library / "whole.safetensors").read_bytes(),
        (library / "whole.json").read_text(),
    )
    for data, said, message in (
        (weights[:-1] + bytes([weights[-1] ^ 1]), text, "SHA-256"),
        (weights, text[: len(text) // 2], "damaged"),
        (
            weights,
            text.replace('"units": 12,\n   "populations', '"units": 13,\n   "populations'),
            "damaged",
        ),
        (weights, text.replace('"norm": true', '"norms": true'), "does not read .model.norms"),
        (weights, text.replace('"format": 1', '"format": 99'), "format 99"),
    ):
        assert (data, said) != (weights, text)
        (tmp_path / "whole.safetensors").write_bytes(data)
        (tmp_path / "whole.json").write_text(said)
        with pytest.raises(gridcode.InputError, match=message):
            gridcode.pretrained("whole", folder=tmp_path)


def test_export_refuses(run, tmp_path):
    with pytest.raises(gridcode.InputError, match="lower-case"):
        export(run, "../Bad", folder=tmp_path)
    with pytest.raises(gridcode.InputError, match="no folder"):
        export(run, "good", folder=tmp_path / "nowhere")
    with pytest.raises(gridcode.InputError, match="has not been evaluated"):
        export(gridcode.train(run.config, out=tmp_path / "new"), "good", folder=tmp_path)
    with pytest.raises(
        gridcode.InputError,
        match=r"does not fit in 1000 bytes .*float16: \d+ bytes are more than 1000; float32",
    ):
        export(run, "good", folder=tmp_path, limit_bytes=1000)
    assert not list(tmp_path.glob("good.*"))


def test_keeps_float32_where_rounding_changes_the_scores(run, tmp_path, monkeypatch):
    monkeypatch.setitem(network_scores.TOLERANCE, "path_error_m", -1.0)
    monkeypatch.setitem(network_scores.TOLERANCE, "path_error_share", -1.0)
    details = export(run, "exact", folder=tmp_path)
    assert details["dtype"] == "float32"
    assert "path_error_m" in details["comparison"]["not_taken"][0]["reason"]
    exact = gridcode.pretrained("exact", folder=tmp_path).network.state_dict()
    assert all(
        torch.equal(value, exact[name])
        for name, value in gridcode.load_network(run).state_dict().items()
    )


def test_packing_keeps_the_weights(network):
    whole = unpack(pack_weights(network.state_dict()))
    assert all(torch.equal(value, whole[name]) for name, value in network.state_dict().items())
    half = unpack(pack_weights(network.state_dict(), dtype="float16"))
    large = "transition.mlp.4.weight"
    assert torch.equal(half[large], network.state_dict()[large].half().float())
    assert all(
        torch.equal(value, half[name])
        for name, value in network.state_dict().items()
        if name != large
    )
    with torch.no_grad():
        network.transition.mlp[-1].weight[0] = 1e6
    with pytest.raises(gridcode.InputError, match="not finite in float16"):
        pack_weights(network.state_dict(), dtype="float16")


def test_layers_of_all_populations_are_rounded_or_factored():
    config = gridcode.Config().override({"populations": [40, 24, 40], "hidden_widths": [48, 48]})
    several = make_network(config.model, generator=torch.Generator().manual_seed(0))
    half = unpack(pack_weights(several.state_dict(), dtype="float16"))
    assert half.keys() == several.state_dict().keys()
    changed = {
        name for name, value in several.state_dict().items() if not torch.equal(value, half[name])
    }
    assert changed == {f"populations.{k}.transition.mlp.4.weight" for k in range(3)}
    factors = factor(several, max_velocity_m=0.15, tolerance=1e-3)
    assert factors.keys() == changed
    data = pack_weights(factored(several.state_dict(), factors))
    assert len(data) < len(pack_weights(several.state_dict())) / 2
    back = unpack(data)
    for name in changed:
        assert (back[name] - several.state_dict()[name]).norm() < several.state_dict()[name].norm()
        assert back[name].shape == several.state_dict()[name].shape


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_low_rank_keeps_the_matrices(network, tolerance):
    factors = factor(network, max_velocity_m=0.15, tolerance=tolerance)
    other = copy.deepcopy(network)
    data = pack_weights(factored(network.state_dict(), factors))
    other.load_state_dict(unpack(data))
    velocities = torch.rand(500, 2, generator=torch.Generator().manual_seed(2)) * 0.3 - 0.15
    with torch.no_grad():
        mine, theirs = network.transition(velocities), other.transition(velocities)
    error = float((mine - theirs).norm() / mine.norm())
    ((name, own),) = factors.items()
    assert (
        name == "transition.mlp.4.weight"
        and error < 1.5 * own.error + 1e-6
        and own.error <= tolerance
    )
    assert len(data) < len(pack_weights(network.state_dict())) / 2
    less = factor(network, max_velocity_m=0.15, tolerance=10 * tolerance)
    assert less[name].left.shape[1] < own.left.shape[1]
    assert factor(network, max_velocity_m=0.15, tolerance=0) == {}


def test_damaged_weights_are_named():
    with pytest.raises(gridcode.InputError, match="damaged"):
        unpack(b"nothing of the kind")


def _summary(module=(), error=0.2, others=0, **counts):
    one = {
        "n_units": 8,
        "spacing_m": 1.0,
        "orientation_deg": 59.9,
        "axis_ratio": 1.0,
        "p_value": 0.001,
        "units": tuple(range(8)),
    }
    decoding = DecodingRecord.model_construct(
        steps=100, tracked_m=(0.1, error, 0.3), lost_share=0.0
    )
    space = SpaceRecord.model_construct(walk="smooth", arena_m=2.0, decoding=(decoding,))
    head = HeadlineRecord.model_construct(
        walk="smooth", arena_m=4.0, units=10, active_units=10, grid_score_quartiles=(1.0, 1.1, 1.2)
    )
    kinds = ["band" if unit < others else "hexagonal" for unit in range(10)]
    return Summary.model_construct(
        **{"n_modules": 1, "n_independent_modules": 1} | counts,
        types={},
        settings=SettingsRecord.model_construct(),
        modules=(ModuleRecord.model_construct(**one | dict(module)),),
        relations=(),
        headline=head,
        space=(space,),
        units=tuple(UnitRecord.model_construct(type=kind) for kind in kinds),
    )


@pytest.mark.parametrize(
    ("changed", "too_far"),
    [
        ({}, []),
        ({"module": {"orientation_deg": 0.2}}, []),  # 0.3 degrees: lattices repeat after 60.
        ({"module": {"orientation_deg": 58.0}}, ["orientation_deg"]),
        ({"module": {"spacing_m": 1.004}}, []),
        ({"module": {"spacing_m": 1.006}}, ["spacing_share"]),
        ({"error": 0.219}, []),
        ({"error": 0.221}, ["path_error_m"]),
        ({"error": None}, ["path_error_m"]),
        ({"others": 1}, []),
        ({"others": 2}, ["units_of_other_type"]),
        ({"n_modules": 2}, ["modules"]),
        ({"n_independent_modules": 0}, ["independent_modules"]),
    ],
)
def test_what_counts_as_changed(changed, too_far):
    assert network_scores.changes(_summary(), _summary(**changed))["too_far"] == too_far


def test_training_command_trains_the_same(run):
    assert training_command(gridcode.load_config("modules")) == "gridcode train modules --seed 0"
    words = shlex.split(training_command(run.config))
    options = dict(zip(words[3::2], words[4::2], strict=True))
    again = gridcode.load_config(words[2]).override(
        {key.removeprefix("--"): value for key, value in options.items()}
    )
    assert again.training_hash == run.config.training_hash


def test_on_the_command_line(tmp_path, capsys):
    assert cli.main(["pretrained", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == NAMES
    assert cli.main(["pretrained"]) == 0
    assert all(name in capsys.readouterr().out for name in NAMES[:1])
    assert cli.main(["pretrained", "no-such-network"]) == 2
    assert cli.main(["pretrained", "--out", str(tmp_path / "run")]) == 2
    capsys.readouterr()
    for name in NAMES[:1]:
        assert cli.main(["pretrained", name]) == 0
        assert "command:" in capsys.readouterr().out
        assert cli.main(["pretrained", name, "--out", str(tmp_path / "run"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["run"] == str(tmp_path / "run")
        assert len(gridcode.load_network(tmp_path / "run").g0) == rows[0]["scores"]["units"]


@pytest.mark.parametrize("name", NAMES)
def test_packaged_network_is_what_it_is_said_to_be(name):
    begun = time.process_time()
    found = gridcode.pretrained(name)
    assert time.process_time() - begun < 1
    assert found.details.bytes <= 2_000_000
    recorded = found.details.small_scores
    now = network_scores.small_scores(found.network, found.config)
    assert now.keys() == recorded.keys()
    for key, value in recorded.items():
        if isinstance(value, str):
            assert now[key] == value
        else:  # Products round differently on other machines.
            assert np.allclose(
                np.array(now[key], dtype=float), np.array(value, dtype=float), rtol=0.02, atol=0.03
            ), key
