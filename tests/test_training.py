import dataclasses
import errno
import json
import math
import os
import warnings

import pytest
import torch
from conftest import untimed

import gridcode
from gridcode import InputError, Run, TrainingError
from gridcode.config import TrainingConfig
from gridcode.training import checkpoint
from gridcode.training.loop import choose_threads, pool_threads, train_run
from gridcode.training.schedule import Plateau, learning_rate
from gridcode.training.step import Trainer
from gridcode.training.trainer_choice import choose_device
from gridcode.world.streams import Stream


def weights(run):
    return checkpoint.read(run.checkpoints()[0])[0]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_same_seed_same_run_and_another_seed_another(tiny, tmp_path):
    a, b = (gridcode.train(tiny, out=tmp_path / name) for name in "ab")
    c = gridcode.train(tiny.override({"seed": 1}), out=tmp_path / "c")
    assert same(weights(a), weights(b))
    assert untimed(a.metrics()) == untimed(b.metrics())
    assert not same(weights(a), weights(c))


def test_a_step_lowers_the_loss_and_metrics_are_complete(tiny, tmp_path):
    run = gridcode.train(tiny.override({"steps": 150, "learning_rate": 3e-3}), out=tmp_path / "a")
    rows = run.metrics()
    assert [r["step"] for r in rows] == list(range(3, 151, 3))
    assert sum(r["loss"] for r in rows[-5:]) < sum(r["loss"] for r in rows[:5])
    terms = "loss separation invariance capacity isometry"
    others = "step gradient_norm learning_rate silent_units zero_states steps_per_second"
    assert set(rows[0]) == {*terms.split(), *others.split()}
    manifest = run.manifest
    assert (
        manifest["finished"]
        and manifest["step"] == 150
        and manifest["config_hash"] == run.config.content_hash
    )
    assert str(tmp_path) not in json.dumps(manifest)


@pytest.mark.parametrize("stop", [1, 7, 16])
@pytest.mark.parametrize("schedule", ["inverse", "plateau"])
def test_stopped_and_resumed_equals_never_stopped(tiny, tmp_path, stop, schedule):
    config = tiny.override(
        {"schedule": schedule, "plateau_interval": 2, "plateau_patience": 0, "accumulation": 2}
    )
    whole = gridcode.train(config, out=tmp_path / "whole")
    broken = Run.create(tmp_path / "broken", config)
    train_run(broken, stop_at=stop)
    gridcode.train(out=tmp_path / "broken")
    assert same(weights(whole), weights(broken))
    assert untimed(whole.metrics()) == untimed(broken.metrics())


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tiny, tmp_path):
    whole = gridcode.train(tiny, out=tmp_path / "whole")
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=21)
    newest = run.checkpoints()[0]
    raw = bytearray(newest.read_bytes())
    raw[-3] ^= 1
    newest.write_bytes(raw)
    with pytest.warns(UserWarning, match=f"{newest.name} is damaged"):
        gridcode.train(out=run.folder)
    assert same(weights(whole), weights(run))
    assert untimed(whole.metrics()) == untimed(run.metrics())
    for path in run.checkpoints():
        path.write_bytes(path.read_bytes()[:100])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TrainingError, match="none of the 2 checkpoints"):
            gridcode.train(out=run.folder)
        with pytest.raises(InputError, match="no intact checkpoint"):
            gridcode.load_network(run)


def test_a_damaged_older_checkpoint_does_not_matter(tiny, tmp_path):
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=21)
    run.checkpoints()[1].write_bytes(b"damaged")
    gridcode.train(out=run.folder)  # warnings are errors here
    assert run.manifest["finished"]


def test_threads_are_bounded_by_openmps_variable(monkeypatch):
    for told, wanted in (("1", 1), ("4,2", 2), ("", 2), ("nonsense", 2), ("0", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert choose_threads(TrainingConfig(), all_pairs=True, sizes=(64,)) == min(
            wanted, os.cpu_count()
        )
    assert choose_threads(TrainingConfig(), all_pairs=False, sizes=(64,)) == 1
    assert choose_threads(TrainingConfig(), all_pairs=False, sizes=(16, 16)) == min(
        wanted, os.cpu_count()
    )
    assert choose_threads(TrainingConfig(threads=5), all_pairs=False, sizes=(64,)) == 5


def test_populations_have_a_thread_each_where_all_cores_may_be_used(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for cores, chosen, threads in ((1, 1, 3), (2, 2, 3), (4, 3, 3)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert choose_threads(TrainingConfig(), all_pairs=False, sizes=(8, 8, 8)) == chosen
        assert pool_threads(chosen, (8, 8, 8)) == threads
    assert pool_threads(2, (8, 8, 8)) == 2  # of four cores


def test_only_the_last_two_checkpoints_are_kept(tiny, tmp_path):
    run = gridcode.train(tiny, out=tmp_path / "a")
    assert [checkpoint.read(p)[1]["step"] for p in run.checkpoints()] == ["30", "28"]


def test_a_foreign_or_altered_file_is_no_checkpoint(tiny, tmp_path):
    path = tmp_path / "x.safetensors"
    for content in (b"", b"not one", b"\x80\x04\x95" + b"pickle" * 20):
        path.write_bytes(content)
        with pytest.raises(checkpoint.DamagedCheckpointError, match=r"x\.safetensors"):
            checkpoint.read(path)
    checkpoint.save(Trainer(tiny).snapshot(), path)
    other = Trainer(tiny.override({"units": 10}))
    with pytest.raises(InputError, match="made with other settings"):
        checkpoint.load(path, other.config.training_hash)


def test_a_changed_configuration_is_not_resumed(tiny, tmp_path):
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=7)
    text = (run.folder / "config.toml").read_text()
    (run.folder / "config.toml").write_text(
        text.replace("learning_rate = 0.001", "learning_rate = 0.002")
    )
    with pytest.raises(InputError, match="other settings"):
        gridcode.train(out=run.folder)
    (run.folder / "config.toml").write_text(text.replace("walk_steps = 60", "walk_steps = 61"))
    gridcode.train(out=run.folder)  # how it is evaluated does not change what is trained


def test_a_full_disk_is_one_line_and_the_last_checkpoint_survives(tiny, tmp_path, monkeypatch):
    whole = gridcode.train(tiny, out=tmp_path / "whole")
    run = Run.create(tmp_path / "a", tiny.override({"training.snapshots": 0}))
    real, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            TrainingError, match=r"the disk is full; last good checkpoint: step \d+"
        ):
            train_run(run)
    assert not list(run.folder.rglob("*.part"))
    gridcode.train(out=run.folder)
    assert same(weights(whole), weights(run))


def test_a_read_only_folder_is_one_line(tiny, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=7)
    before = weights(run)
    real = open

    def refuse(path, mode="r", *rest, **options):
        if any(m in mode for m in "wa+"):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, mode, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        with pytest.raises(
            TrainingError,
            match=r"cannot write to .*: Read-only file system; last good checkpoint: step 7",
        ):
            train_run(run)
    assert same(before, weights(run))


def test_a_non_finite_loss_stops_with_step_term_and_checkpoint(tiny, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "a", tiny)
    train_run(run, stop_at=14)
    real = Trainer.draw

    def poisoned(self, stream):
        batch = real(self, stream)
        return (
            dataclasses.replace(batch, velocities=batch.velocities * math.nan)
            if self.step == 17
            else batch
        )

    monkeypatch.setattr(Trainer, "draw", poisoned)
    with pytest.raises(
        TrainingError,
        match=r"loss term .*invariance.* not finite at step 18; last good checkpoint: step 14",
    ):
        gridcode.train(out=run.folder)


def test_zero_states_are_counted(tiny):
    trainer = Trainer(tiny)
    with torch.no_grad():
        trainer.network.transition.mlp[-1].bias.fill_(-1.0)
    result = trainer.advance()
    assert trainer.zero_states == 8 * 16  # every state but the start
    assert result.silent_units() < 12  # the start state still fires
    assert math.isfinite(float(result.gradient_norm))


def test_accumulation_averages_gradients(tiny):
    twice = Trainer(tiny.override({"accumulation": 2, "loss.pairs": "all", "gradient_clip": 0}))
    once = Trainer(tiny.override({"loss.pairs": "all", "gradient_clip": 0}))
    batches = [once.draw(Stream(0, number)) for number in range(2)]
    gradients = []
    for batch in batches:
        trainer = Trainer(tiny.override({"loss.pairs": "all", "gradient_clip": 0}))
        trainer.draw = lambda _stream, batch=batch: batch
        trainer.advance()
        gradients.append(trainer.network.start.grad.clone())
    draws = iter(batches)
    twice.draw = lambda _stream: next(draws)
    twice.advance()
    torch.testing.assert_close(twice.network.start.grad, (gradients[0] + gradients[1]) / 2)


def test_learning_rate_schedules():
    t = TrainingConfig(learning_rate=1.0, steps=1000, warmup_steps=100, final_fraction=0.05)
    assert learning_rate(t, 0, Plateau()) == pytest.approx(0.01)
    assert learning_rate(t, 99, Plateau()) == pytest.approx(1.0, abs=0.03)
    assert learning_rate(t, 1000, Plateau()) == pytest.approx(0.05)
    t = TrainingConfig(learning_rate=1.0, schedule="inverse", hold_steps=400, warmup_steps=200)
    assert [learning_rate(t, s, Plateau()) for s in (99, 300, 400, 800, 4000)] == pytest.approx(
        [0.5, 1.0, 1.0, 0.5, 0.1]
    )
    p = Plateau()
    t = TrainingConfig(
        learning_rate=1.0,
        schedule="plateau",
        plateau_interval=1,
        plateau_patience=2,
        plateau_factor=0.5,
        warmup_steps=0,
    )
    for loss in (-1.0, -1.1, -1.1, -1.1, -1.1):
        p.observe(t, loss)
    assert learning_rate(t, 0, p) == 0.5


def test_two_trainings_of_one_run_are_refused(tiny, tmp_path):
    run = Run.create(tmp_path / "a", tiny)
    with run.lock(), pytest.raises(InputError, match="another process"):
        train_run(run)


def test_cuda_is_refused_where_there_is_none():
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
    else:
        with pytest.raises(InputError, match="sees no CUDA"):
            choose_device("cuda")
        assert choose_device("auto").type == "cpu"


def test_run_folders_are_not_overwritten_and_foreign_folders_refused(tiny, tmp_path):
    gridcode.train(tiny, out=tmp_path / "a")
    with pytest.raises(InputError, match="exists already"):
        gridcode.train(tiny, out=tmp_path / "a")
    with pytest.raises(InputError, match="no run folder"):
        gridcode.train(out=tmp_path)
    with pytest.raises(InputError, match="there is no run folder"):
        gridcode.evaluate(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        gridcode.train(tiny, out=tmp_path / "file")
    with pytest.raises(InputError):
        gridcode.train(tiny, out=tmp_path / "file" / "below")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_trains_like_the_cpu(tiny):
    cpu, gpu = Trainer(tiny, device="cpu"), Trainer(tiny, device="cuda")
    batch = cpu.draw()
    moved = dataclasses.replace(
        batch, **{f.name: getattr(batch, f.name).cuda() for f in dataclasses.fields(batch)}
    )
    torch.testing.assert_close(gpu.network(moved).cpu(), cpu.network(batch), atol=1e-4, rtol=1e-3)
    for _ in range(5):
        gpu.advance()
    assert gpu.step == 5
