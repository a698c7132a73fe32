import math

import pytest
import torch

import gridcode
from gridcode import InputError, Run, TrainingError
from gridcode.training import loop
from gridcode.training.batched import BatchedTrainer, shape_of
from gridcode.training.loop import train_together
from gridcode.training.memory import out_of_memory
from gridcode.training.parts import as_floats
from gridcode.training.step import Trainer

DIFFERENT = [
    {"training.seed": 0},
    {
        "training.seed": 5,
        "training.learning_rate": 3e-3,
        "loss.invariance": 0.1,
        "loss.sigma_g": 0.5,
        "loss.isometry_range_m": 0.1,
    },
    {
        "training.seed": 2**40 + 1,
        "training.gradient_clip": 0.01,
        "loss.sigma_x_m": 0.08,
        "world.max_velocity_m": 0.2,
        "loss.isometry": 0.0,
    },
]


def configs(tiny, **shared):
    return [tiny.override({"precision": "float64", **shared, **d}) for d in DIFFERENT]


def alone(config, steps):
    trainer = Trainer(config)
    for _ in range(steps):
        result = trainer.advance()
    return trainer, result


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {
            "loss.pairs": "all",
            "world.orders": "permutation",
            "world.velocities": "square",
            "accumulation": 2,
            "start": "fixed",
            "norm": False,
        },
        {
            "schedule": "plateau",
            "plateau_interval": 3,
            "plateau_patience": 0,
            "isometry_form": "raw",
            "weight_decay": 0.01,
        },
        {
            "populations": [9, 8, 9],
            "separate_steps": 10,
            "isometry_of": "populations",
            "joint_steps": 6,
            "joint_trajectories": 12,
        },
        {
            "populations": [8, 8],
            "separate_steps": 5,
            "schedule": "plateau",
            "plateau_interval": 3,
            "plateau_patience": 0,
        },
        {
            "populations": [8, 8],
            "separate_steps": 4,
            "schedule": "cosine",
            "accumulation": 2,
            "loss.pairs": "all",
        },
        {
            "schedule": "cosine",
            "world.orders": "identity",
            "reduction": "sum",
            "activation": "relu",
            "initialisation": "default",
        },
    ],
)
def test_networks_together_equal_each_alone(tiny, shared):
    together = configs(tiny, **shared)
    batched = BatchedTrainer(together)
    batched.advance_to(7)
    batched.advance_to(14)
    for config, snapshot, row in zip(together, batched.snapshots(), batched.rows(), strict=True):
        trainer, result = alone(config, 14)
        wanted = trainer.snapshot()
        assert (
            snapshot.weights.keys() == wanted.weights.keys()
            and snapshot.optimiser.keys() == wanted.optimiser.keys()
        )
        for name, value in wanted.weights.items():
            torch.testing.assert_close(snapshot.weights[name], value, atol=1e-10, rtol=1e-9)
        terms = (
            as_floats(result.terms)
            | trainer.compared(result)
            | {
                "gradient_norm": float(result.gradient_norm),
                "learning_rate": trainer.optimiser.param_groups[0]["lr"],
            }
        )
        assert {k: row[k] for k in terms} == pytest.approx(terms, rel=1e-8, abs=1e-12)
        assert (row["step"], row["silent_units"], row["zero_states"]) == (
            14,
            result.silent_units(),
            trainer.zero_states,
        )
        assert vars(snapshot.plateau) == pytest.approx(vars(trainer.plateau), rel=1e-9)


def test_a_network_does_not_depend_on_its_company(tiny):
    two = configs(tiny)[:2]
    pair = BatchedTrainer(two)
    single = BatchedTrainer(two[1:])
    pair.advance_to(10)
    single.advance_to(10)
    for name, value in single.snapshots()[0].weights.items():
        torch.testing.assert_close(pair.snapshots()[1].weights[name], value, atol=1e-12, rtol=1e-12)


def test_stopped_and_resumed_equals_never_stopped(tiny):
    whole, first, second = (BatchedTrainer(configs(tiny)) for _ in range(3))
    whole.advance_to(11)
    first.advance_to(4)
    second.restore(first.snapshots())
    second.advance_to(11)
    for a, b in zip(whole.snapshots(), second.snapshots(), strict=True):
        assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)
        assert all(torch.equal(a.optimiser[k], b.optimiser[k]) for k in a.optimiser)


def test_a_snapshot_goes_on_in_the_other_trainer(tiny):
    config = configs(tiny)[1]
    trainer, _ = alone(config, 5)
    batched = BatchedTrainer([config])
    batched.restore([trainer.snapshot()])
    batched.advance_to(9)
    back = Trainer(config)
    back.restore(batched.snapshots()[0])
    back.advance()
    wanted, _ = alone(config, 10)
    torch.testing.assert_close(
        back.snapshot().weights, wanted.snapshot().weights, atol=1e-10, rtol=1e-9
    )


def test_one_network_fails_and_the_others_go_on(tiny):
    batched = BatchedTrainer(configs(tiny))
    batched.advance_to(3)
    before = batched.snapshots()[1]
    batched._settings.capacity[1] = math.nan
    batched.advance_to(6)
    assert set(batched.failures) == {1} and "not finite at step 4" in batched.failures[1]
    after = batched.snapshots()
    assert all(torch.equal(before.weights[k], after[1].weights[k]) for k in before.weights)
    trainer, _ = alone(configs(tiny)[0], 6)
    torch.testing.assert_close(after[0].weights, trainer.snapshot().weights, atol=1e-10, rtol=1e-9)


def test_what_may_differ(tiny):
    assert len({shape_of(c) for c in configs(tiny)}) == 1
    with pytest.raises(InputError, match="may differ only in"):
        BatchedTrainer([tiny, tiny.override({"units": 10})])
    with pytest.raises(InputError, match="needs a CUDA device"):
        BatchedTrainer([tiny], graph=True)


@pytest.fixture
def batched_trainer(monkeypatch):
    """Trains as on a GPU, without one."""
    monkeypatch.setattr(
        loop,
        "choose_trainer",
        lambda configs, device, **_options: BatchedTrainer(configs, device=device),
    )


@pytest.mark.usefixtures("batched_trainer")
def test_run_folders_of_networks_trained_together(tiny, tmp_path):
    together = configs(tiny)
    runs = [Run.create(tmp_path / str(i), c) for i, c in enumerate(together)]
    seen = []
    train_together(runs, progress=lambda p: seen.append(p.step), stop_at=16)
    train_together(runs, progress=lambda p: seen.append(p.step))
    assert seen == sorted(set(seen)) and seen[-1] == 30
    for config, run in zip(together, runs, strict=True):
        trainer, _ = alone(config, 30)
        torch.testing.assert_close(
            dict(gridcode.load_network(run).state_dict()),
            trainer.snapshot().weights,
            atol=1e-9,
            rtol=1e-8,
        )
        assert [r["step"] for r in run.metrics()] == list(range(3, 31, 3))
        assert run.manifest["finished"] and run.manifest["networks_together"] == 3
        assert [p.name for p in run.checkpoints()] == [
            "step-00000030.safetensors",
            "step-00000028.safetensors",
        ]


@pytest.mark.usefixtures("batched_trainer")
def test_runs_a_kill_left_at_different_steps_resume_from_the_step_they_share(tiny, tmp_path):
    together = configs(tiny)
    runs = [Run.create(tmp_path / str(i), c) for i, c in enumerate(together)]
    train_together(runs, stop_at=14)
    for run in runs[1:]:
        run.checkpoints()[0].unlink()  # as if killed after the first run's checkpoint was written
    train_together(runs)
    for config, run in zip(together, runs, strict=True):
        trainer, _ = alone(config, 30)
        torch.testing.assert_close(
            dict(gridcode.load_network(run).state_dict()),
            trainer.snapshot().weights,
            atol=1e-9,
            rtol=1e-8,
        )
        assert [r["step"] for r in run.metrics()] == list(range(3, 31, 3))


@pytest.mark.usefixtures("batched_trainer")
def test_a_failed_run_is_named_and_the_others_are_finished(tiny, tmp_path):
    # Decay multiplies the weights by -999 a step.
    good, bad = configs(tiny.override({"weight_decay": 1.0}))[:2]
    bad = bad.override({"learning_rate": 1000.0})
    runs = [Run.create(tmp_path / name, c) for name, c in (("good", good), ("bad", bad))]
    with pytest.raises(TrainingError, match=r"bad: the .* is not finite at step \d+"):
        train_together(runs)
    assert runs[0].manifest["finished"]
    assert len(runs[1].metrics()) < 10


def test_several_networks_need_the_kernels(tiny, tmp_path):
    runs = [Run.create(tmp_path / str(i), tiny.override({"seed": i})) for i in range(2)]
    with pytest.raises(InputError, match="one by one"):
        train_together(runs)


def test_out_of_memory_names_the_setting_to_lower(tiny, tmp_path, monkeypatch):
    def full(error):
        def advance(_self):
            raise error

        monkeypatch.setattr(Trainer, "advance", advance)

    full(
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 4 bytes"
        )
    )
    with pytest.raises(
        TrainingError,
        match=r"out of memory at step 0 \(cpu\): lower model.units \(now 12:.*"
        r"last good checkpoint: none yet",
    ):
        gridcode.train(tiny.override({"trajectories": 8}), out=tmp_path / "a")
    full(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(TrainingError, match=r"lower world.trajectories \(now 400:"):
        gridcode.train(tiny.override({"trajectories": 400}), out=tmp_path / "b")
    for told in (
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate",
        "Triton Error [CUDA]: out of memory",
    ):
        assert out_of_memory(RuntimeError(told))
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("capture invalidated")
    except RuntimeError as error:
        assert out_of_memory(error)
    full(RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        gridcode.train(tiny, out=tmp_path / "c")


@pytest.mark.parametrize(
    "shared",
    [
        {"units": 17},
        {"populations": [8, 9, 8], "separate_steps": 2},
        {
            "loss.pairs": "all",
            "world.orders": "permutation",
            "accumulation": 2,
            "norm": False,
            "isometry_form": "raw",
        },
    ],
)
def test_the_program_on_the_gpus_kernels_equals_the_one_without(tiny, shared):
    # On the CPU the kernels run in Triton's interpreter (conftest.py).
    pytest.importorskip("triton")
    # Few steps and small: the interpreter takes a second for what a GPU does in a microsecond.
    together = configs(
        tiny,
        **(
            {
                "precision": "float32",
                "steps": 5,
                "world.steps": 4,
                "trajectories": 8,
                "sampled_states": 30,
            }
            | shared
        ),
    )[:2]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plain, fused = BatchedTrainer(together), BatchedTrainer(together, kernels=True, device=device)
    for trainer in (plain, fused):
        trainer.advance_to(3)
    for a, b in zip(plain.rows(), fused.rows(), strict=True):
        assert b == pytest.approx(a, rel=2e-4, abs=1e-6)
    for a, b in zip(plain.snapshots(), fused.snapshots(), strict=True):
        for name, value in a.weights.items():
            # Adam turns a gradient of rounding errors into a full step: compare against the few
            # steps' size.
            assert (b.weights[name] - value).abs().max() < 3 * 3e-3
            assert (b.weights[name] - value).norm() < 1e-3 * value.norm().clamp_min(1e-2)


def test_the_step_never_waits_for_the_device(tiny, monkeypatch):
    """The program on tensors without contents: reading them or mixing devices raises an error."""
    pytest.importorskip("triton")
    from gridcode.gpu import adamw, pairs, rollout, uniform

    class NoLaunch:
        def __getitem__(self, _grid):
            return lambda *_args, **_kwargs: None

    for module, names in (
        (rollout, ("_forward", "_backward")),
        (pairs, ("_prepare", "_pairs")),
        (uniform, ("_draw",)),
        (adamw, ("_update",)),
    ):
        for name in names:
            assert hasattr(module, name)
            monkeypatch.setattr(module, name, NoLaunch())
    odd = {
        "units": 9,
        "hidden_widths": [1, 5],
        "start": "fixed",
        "norm": False,
        "world.orders": "identity",
        "loss.pairs": "all",
    }
    populations = {"populations": [9, 8, 9], "separate_steps": 1}
    for shared in (
        {},
        odd,
        populations,
        {"accumulation": 2, "world.orders": "permutation", "isometry_form": "raw"},
    ):
        together = configs(tiny, **({"precision": "float32"} | shared))
        trainer = BatchedTrainer(together, device="meta", kernels=True)
        for _ in range(2):
            trainer._one_step()
            trainer.step += 1
