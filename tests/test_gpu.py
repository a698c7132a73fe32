"""Tests that need a CUDA device; those of the kernels themselves are in test_kernels.py."""

import pytest
import torch

import gridcode
from gridcode import Run, bench
from gridcode.training.batched import BatchedTrainer
from gridcode.training.loop import train_run
from gridcode.training.parts import as_floats
from gridcode.training.step import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture
def tiny(tiny):
    return tiny.override({"device": "cuda"})


def engine(configs, **options):
    return BatchedTrainer(configs, device="cuda", **({"kernels": True, "graph": True} | options))


@pytest.fixture
def several(tiny):
    return [
        tiny.override({"seed": seed, "learning_rate": rate, "steps": 2000})
        for seed, rate in ((0, 1e-3), (1, 3e-3), (7, 1e-3))
    ]


def test_the_captured_step_equals_the_same_step_launched_one_by_one(several):
    captured, eager = engine(several), engine(several, graph=False)
    for trainer in (captured, eager):
        trainer.advance_to(1500)  # past the first table of rates
    for a, b in zip(captured.snapshots(), eager.snapshots(), strict=True):
        assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
        assert all(torch.equal(a.optimiser[k], b.optimiser[k]) for k in a.optimiser)


def test_the_gpu_trains_like_the_cpu(several):
    trainer = engine(several)
    trainer.advance_to(20)
    for config, row in zip(several, trainer.rows(), strict=True):
        reference = Trainer(config)
        for _ in range(20):
            result = reference.advance()
        wanted = as_floats(result.terms)
        assert {k: row[k] for k in wanted} == pytest.approx(wanted, rel=1e-3, abs=1e-5)


def test_stopped_and_resumed_equals_never_stopped(several):
    whole, first, second = (engine(several) for _ in range(3))
    whole.advance_to(60)
    first.advance_to(25)
    second.restore(first.snapshots())
    second.advance_to(60)
    for a, b in zip(whole.snapshots(), second.snapshots(), strict=True):
        assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)


def test_a_network_does_not_depend_on_its_company(several):
    together, alone = engine(several), engine(several[1:2])
    for trainer in (together, alone):
        trainer.advance_to(30)
    a, b = together.snapshots()[1], alone.snapshots()[0]
    for name, value in a.weights.items():
        torch.testing.assert_close(value, b.weights[name], rtol=1e-3, atol=1e-4)


def test_the_whole_training_runs_on_it(tiny, tmp_path):
    run = gridcode.train(tiny, out=tmp_path / "a")
    assert run.manifest["finished"] and run.manifest["device"] == torch.cuda.get_device_name()
    broken = Run.create(tmp_path / "b", tiny)
    train_run(broken, stop_at=16)
    train_run(broken)
    a, b = (gridcode.load_network(r).state_dict() for r in (run, broken))
    assert all(torch.equal(a[k], b[k]) for k in a)
    runs = gridcode.train_many(gridcode.variants(tiny, name="many", seeds=range(3)), out=tmp_path)
    assert [r.manifest["networks_together"] for r in runs] == [3, 3, 3]


def test_shapes_without_kernels_still_train(tiny, tmp_path):
    with pytest.warns(UserWarning, match="float64 states"):
        run = gridcode.train(tiny.override({"precision": "float64"}), out=tmp_path / "a")
    assert run.manifest["finished"]


def test_the_benchmark_of_the_gpu():
    case = bench.gpu_case("quick", networks=2, seconds=0.5)
    assert case["steps_per_second"] > 0 and case["peak_memory_mb"] > 0
