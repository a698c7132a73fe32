import errno
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gridcode
from gridcode.analysis.synthetic import lattice_cell
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models import packing
from gridcode.models.network import GridNetwork
from gridcode.runs import snapshots
from gridcode.runs.history import kept_history, map_history, map_snapshot, share_above
from gridcode.runs.provenance import read_header
from gridcode.runs.run import Run
from gridcode.training.loop import train_run
from gridcode.viewer import documents


def test_steps_are_denser_early_on_and_hold_the_first_and_the_last():
    steps = snapshots.steps_kept(4000, 24)
    assert steps[0] == 0 and steps[-1] == 4000 and len(steps) == 25
    assert (np.diff(steps, 2) >= -1).all()  # but for rounding each gap is wider than the one before
    assert snapshots.steps_kept(4000, 0) == []
    assert snapshots.steps_kept(3, 24) == [0, 1, 2, 3]


def test_a_training_keeps_its_weights_and_is_the_same_without(tiny, tmp_path):
    run = gridcode.train(tiny.override({"training.snapshots": 4}), out=tmp_path / "kept")
    without = gridcode.train(tiny.override({"training.snapshots": 0}), out=tmp_path / "without")
    steps = tiny.training.steps
    assert [step for step, _ in run.snapshots()] == snapshots.steps_kept(
        steps, 4
    ) and without.snapshots() == []
    trained, kept = (
        gridcode.load_network(without).state_dict(),
        snapshots.load_network(run.snapshots()[-1][1], run.config).state_dict(),
    )
    for name, value in trained.items():
        torch.testing.assert_close(
            kept[name], value, rtol=1e-3, atol=1e-6
        )  # float16 has eleven bits
    fresh = GridNetwork.from_config(
        tiny.model, generator=torch.Generator().manual_seed(tiny.training.seed)
    )
    first = snapshots.load_network(run.snapshots()[0][1], run.config)
    assert not torch.equal(first.start, gridcode.load_network(run).start)
    assert first.start.shape == fresh.start.shape


def test_a_resumed_training_keeps_the_same_weights(tiny, tmp_path):
    config = tiny.override({"training.snapshots": 6})
    whole = gridcode.train(config, out=tmp_path / "whole")
    run = Run.create(tmp_path / "stopped", config)
    train_run(run, stop_at=7)
    gridcode.train(out=run.folder)
    assert [(s, p.read_bytes()) for s, p in run.snapshots()] == [
        (s, p.read_bytes()) for s, p in whole.snapshots()
    ]


def test_how_many_are_kept_does_not_keep_a_run_from_being_resumed(tiny, tmp_path):
    assert tiny.training_hash == tiny.override({"training.snapshots": 3}).training_hash
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=7)
    text = (run.folder / "config.toml").read_text()
    (run.folder / "config.toml").write_text(text.replace("snapshots = 3", "snapshots = 5"))
    gridcode.train(out=run.folder)


def test_weights_that_float16_cannot_hold_are_kept_in_float32(tmp_path):
    weights = {"large": torch.full((300, 4), 1e6), "small": torch.ones(3)}
    snapshots.save(tmp_path / "snapshots" / "a", weights, step=5, training_hash="abc")
    told = read_header(tmp_path / "snapshots" / "a")
    assert (told["step"], told["training_hash"]) == ("5", "abc")
    assert torch.equal(
        packing.unpack((tmp_path / "snapshots" / "a").read_bytes())["large"], weights["large"]
    )
    infinite = {"large": torch.full((3, 2), torch.nan)}
    snapshots.save(tmp_path / "b", infinite, step=5, training_hash="abc")
    assert not (tmp_path / "b").exists()


def test_a_damaged_snapshot_is_one_line(tmp_path):
    (tmp_path / "step-00000001.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        snapshots.load_network(tmp_path / "step-00000001.safetensors", Config())
    with pytest.raises(InputError, match="cannot be read"):
        snapshots.load_network(tmp_path / "none", Config())


def planted(share):
    """A system with its position as state and units with a lattice of it, scaled by `share`."""
    generator = np.random.default_rng(3)
    phases = generator.random((6, 2))

    def activity(places):
        cells = np.stack(
            [
                lattice_cell(places, spacing_m=0.8, orientation_deg=10.0, phase_m=tuple(p))
                for p in phases
            ],
            axis=-1,
        )
        return share * cells

    def step(states, velocities):
        places = states[:, -2:] + velocities
        return np.concatenate([activity(places), places], axis=1)

    start = np.concatenate([activity(np.zeros((1, 2)))[0], [0.0, 0.0]])
    return step, start


def test_maps_over_training_show_a_lattice_when_it_is_there():
    history = map_history([(0, *planted(0.0)), (10, *planted(1.0))], arena_m=4.0, max_step_m=0.15)
    assert history["rate"].dims == ("step", "unit", "y", "x") and history[
        "step"
    ].values.tolist() == [0, 10]
    cells = history.isel(unit=slice(0, 6))
    assert cells["silent"].values[0].all() and (cells["grid_score"].values[1] > 1.0).all()
    assert share_above(cells).tolist() == [0.0, 1.0]
    one = map_snapshot(*planted(1.0), arena_m=4.0, max_step_m=0.15)
    np.testing.assert_array_equal(one["rate"].values, history["rate"].values[1])


def test_maps_over_training_are_kept_in_the_run_and_made_again_when_they_are_stale(
    tiny, tmp_path, monkeypatch
):
    run = gridcode.train(tiny.override({"training.snapshots": 3}), out=tmp_path / "a")
    seen = []
    history = gridcode.map_training(run, progress=lambda *row: seen.append(row))
    assert seen[-1] == ("snapshots", 4, 4) and history.sizes["step"] == 4
    before = run.history_path.read_bytes()
    assert gridcode.map_training(run).equals(history) and run.history_path.read_bytes() == before
    evaluated = SimpleNamespace(headline=SimpleNamespace(arena_m=1.5, walk="smooth"))
    monkeypatch.setattr(Run, "read_summary", lambda _run: evaluated)
    assert gridcode.map_training(run).attrs["arena_m"] == 1.5
    run.history_path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        run.read_history()
    assert gridcode.map_training(run).attrs["arena_m"] == 1.5
    without = gridcode.train(tiny.override({"training.snapshots": 0}), out=tmp_path / "b")
    with pytest.raises(InputError, match="has no snapshots"):
        gridcode.map_training(without)


def test_maps_over_training_of_another_evaluation_are_not_shown(tiny, tmp_path):
    run = gridcode.train(tiny.override({"training.snapshots": 2}), out=tmp_path / "a")
    gridcode.evaluate(run)
    assert (
        kept_history(run).attrs["arena_m"] == 1.0
        and documents.history_document(run, kept_history(run))["rate"] is not None
    )
    gridcode.evaluate(
        run,
        config=run.config.override(
            {"evaluation.arenas_m": [1.2], "evaluation.history": False}
        ).evaluation,
    )
    assert (
        run.read_history() is None
        and documents.history_document(run, kept_history(run))["rate"] is None
    )
    assert gridcode.map_training(run).attrs["arena_m"] == 1.2
    run.snapshots()[1][1].unlink()  # as a training that went on would leave it: other steps
    assert (
        kept_history(run) is None
        and documents.history_document(run, kept_history(run))["rate"] is None
    )
    uniform = run.config.override(
        {"evaluation.walks": ["uniform"], "evaluation.silent_below": 1e3}
    ).evaluation
    gridcode.evaluate(run, config=uniform)
    history = kept_history(run)
    assert history.attrs["walk"] == "uniform" and history["silent"].values.all()


def test_what_keeps_maps_over_training_from_being_made_or_kept_costs_nothing_else(
    tiny, tmp_path, monkeypatch
):
    run = gridcode.train(tiny.override({"training.snapshots": 2}), out=tmp_path / "a")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_history", refuse)
        with pytest.warns(UserWarning, match="the maps over training are not kept"):
            assert gridcode.map_training(run).sizes["step"] == 3
    run.snapshots()[0][1].write_bytes(b"")
    with pytest.warns(
        UserWarning,
        match="the evaluation is saved, but not the maps over training: the snapshot step-00000",
    ):
        gridcode.evaluate(run)
    assert run.read_summary() is not None and run.read_history() is None


def test_a_file_without_parts_of_a_history_is_made_again(tiny, tmp_path):
    run = gridcode.train(tiny.override({"training.snapshots": 2}), out=tmp_path / "a")
    history = gridcode.map_training(run)
    run.write_history(history.drop_vars("silent"))
    with pytest.raises(InputError, match="lacks parts"):
        run.read_history()
    assert gridcode.map_training(run).equals(history)


def test_what_a_killed_writer_left_is_cleared_away(tiny, tmp_path):
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=7)
    (run.folder / "snapshots" / ".step-00000003.safetensors.x.part").write_bytes(b"half")
    gridcode.train(out=run.folder)
    assert not list(run.folder.rglob("*.part"))
    run.write_history(gridcode.map_training(run))
    old, new = (run.history_path.with_name(f".history.nc.{name}.part") for name in ("1", "2"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    run.write_history(gridcode.map_training(run))
    assert not old.exists() and new.exists()
