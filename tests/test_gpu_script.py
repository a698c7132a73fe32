"""What benchmarks/gpu.sh runs on a GPU, rehearsed on the CPU in Triton's interpreter."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import gpu_plain
import pytest
import torch
from conftest import untimed

from gridcode.losses.objective import objective
from gridcode.models.recurrence import rollout
from gridcode.runs.run import Run
from gridcode.training.loop import train_run
from gridcode.training.step import Trainer
from gridcode.world.permutations import Batch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "experiments" / "published"))
import published  # noqa: E402


def rehearse(out: Path, **variables: str) -> str:
    command = ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "--rehearse", str(out)]
    own = {"PYTHON": sys.executable, "RESUME": str(out / "none"), **variables}
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rates_and_the_published_training_are_rehearsed(tmp_path):
    rehearse(tmp_path, PARTS="rates published")
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [case["shape_name"] for case in found["cases"]] == ["quick", "modules, second stage"]
    assert all(case["step_ms"] > 0 for case in found["cases"]) and found["ceilings"]["copy_gb_s"]
    assert (tmp_path / "published.tar.xz.aa").is_file()
    assert "published: done after" in (tmp_path / "log.txt").read_text()


@pytest.mark.slow
def test_all_parts_are_rehearsed_and_a_later_call_goes_on(tmp_path):
    said = rehearse(tmp_path)
    for name in ("tests", "rates", "plain", "modules", "modules measured", "published"):
        assert f"\n{name}: done after" in "\n" + (tmp_path / "log.txt").read_text(), said
    assert "passed" in (tmp_path / "tests.txt").read_text()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["plain"][0]["fastest"] == "vmap"
    with open(tmp_path / "modules.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["seed"] == "0" and "n_modules" in row
    assert "published: from step 4" in rehearse(tmp_path, PARTS="published")


def test_a_part_without_time_is_left_out(tmp_path):
    assert "published: no time left" in rehearse(tmp_path, BUDGET_S="12", PARTS="published")


def test_a_packed_training_goes_on_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "PIECE_BYTES", 3000)
    config = published.settings(rehearse=True)
    whole, first = (Run.create(tmp_path / name, config) for name in ("whole", "first"))
    train_run(whole, stop_at=8)
    published.train_slice(first, tmp_path / "pieces", seconds=0)  # to the first checkpoint
    assert len(list((tmp_path / "pieces").iterdir())) > 1
    second = published.unpack(tmp_path / "pieces", tmp_path / "second")
    assert second.manifest["step"] == 4
    published.train_slice(second, tmp_path / "pieces", seconds=60, stop_at=8)
    third = published.unpack(tmp_path / "pieces", tmp_path / "third")
    assert untimed(third.metrics()) == untimed(whole.metrics())
    a, b = (checkpoint_tensors(run) for run in (whole, third))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def checkpoint_tensors(run):
    from gridcode.training.checkpoint import read

    tensors, metadata = read(run.checkpoint_path(8))
    assert int(metadata["step"]) == 8
    return tensors


@pytest.mark.parametrize("orders", ["latin", "permutation"])
@pytest.mark.parametrize("pairs", ["sampled", "all"])
def test_the_plain_alternative_takes_the_same_step(tiny, orders, pairs):
    config = tiny.override(
        {
            "world.orders": orders,
            "loss.pairs": pairs,
            "loss.isometry_ramp": [0, 0],
            "training.precision": "float64",
        }
    )
    step, weights = gpu_plain.plain_step(config, 2, "cpu")
    given = gpu_plain.batches(config, 2, "cpu")
    wanted = []
    for seed in range(2):
        trainer = Trainer(config.override({"seed": seed}))
        network = trainer.network
        velocities, taken, positions, pick = (values[seed] for values in given)
        batch = Batch(velocities, taken, positions)
        states = rollout(network.transition(velocities), network.g0, taken, norm=network.norm)
        pick = pick if pairs == "sampled" else None
        objective(states, batch, config.loss, step=10**6, pick=pick).total.backward()
        wanted.append({f"network.{name}": p.grad for name, p in network.named_parameters()})
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.training.gradient_clip)
    step()
    for name, value in weights.items():
        torch.testing.assert_close(value.grad, torch.stack([w[name] for w in wanted]))
