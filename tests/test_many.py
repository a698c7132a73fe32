import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import TINY, untimed

import gridcode
from gridcode import InputError, Run, TrainingError
from gridcode.cli import main
from gridcode.training import checkpoint, loop, many, trainer_choice
from gridcode.training.batched import BatchedTrainer

SETTINGS = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in TINY.items()]


def weights(run):
    return checkpoint.read(run.checkpoints()[0])[0]


def test_variants_are_all_combinations(tiny):
    found = gridcode.variants(
        tiny, name="tiny", seeds=[0, 3], vary={"sigma_g": ["0.3", "0.4"], "units": [12]}
    )
    assert list(found) == [
        "tiny-sigma_g0.3-units12-seed0",
        "tiny-sigma_g0.3-units12-seed3",
        "tiny-sigma_g0.4-units12-seed0",
        "tiny-sigma_g0.4-units12-seed3",
    ]
    assert found["tiny-sigma_g0.3-units12-seed3"].loss.sigma_g == 0.3
    assert found["tiny-sigma_g0.3-units12-seed3"].training.seed == 3
    with pytest.raises(InputError, match="listed twice"):
        gridcode.variants(tiny, name="tiny", seeds=[1, 1])
    with pytest.raises(InputError, match="unknown setting 'sigma_q'"):
        gridcode.variants(tiny, name="tiny", seeds=[1], vary={"sigma_q": [1]})
    for vary, message in (
        ({"training.seed": [1, 2]}, "give the seeds"),
        ({"arenas_m": [[1.0]]}, "does not change the training"),
        ({"sigma_g": [0.3], "loss.sigma_g": [0.4]}, "varied twice"),
        ({"sigma_g": [0.3, "0.30"]}, "listed twice"),
        ({"sigma_g": "0.3"}, "over a list of values"),
        ({"sigma_g": []}, "at least one value"),
    ):
        with pytest.raises(InputError, match=message):
            gridcode.variants(tiny, name="tiny", seeds=[1], vary=vary)
    assert list(
        gridcode.variants(tiny, name="a b/c", seeds=[1], vary={"hidden_widths": ["[4, 4]"]})
    ) == ["a_b_c-hidden_widths_4_4_-seed1"]
    with pytest.raises(InputError, match="at least one seed"):
        gridcode.variants(tiny, name="tiny", seeds=[])


def test_many_networks_from_the_command_line_equal_each_alone(tiny, tmp_path, capsys):
    command = [
        "train",
        "quick",
        "--seeds",
        "0-2",
        "--out",
        str(tmp_path / "all"),
        "--json",
        *SETTINGS,
    ]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["manifest"]["seed"] for row in told] == [0, 1, 2] and all(
        row["manifest"]["finished"] for row in told
    )
    alone = gridcode.train(tiny.override({"seed": 2}), out=tmp_path / "alone")
    together = Run(tmp_path / "all" / "quick-seed2")
    assert untimed(alone.metrics()) == untimed(together.metrics())
    assert all(
        torch.equal(value, weights(together)[name]) for name, value in weights(alone).items()
    )
    # Asked again, nothing is trained again; one more seed trains only that one.
    before = {
        name: (tmp_path / "all" / f"quick-seed{name}" / "manifest.json").stat().st_mtime_ns
        for name in range(3)
    }
    assert main([*command[:3], "0-3", *command[4:]]) == 0
    assert before == {
        name: (tmp_path / "all" / f"quick-seed{name}" / "manifest.json").stat().st_mtime_ns
        for name in range(3)
    }
    assert Run(tmp_path / "all" / "quick-seed3").manifest["finished"]


def test_values_are_varied_and_a_failed_network_is_named(tmp_path, capsys):
    out = tmp_path / "all"
    assert (
        main(
            [
                "train",
                "quick",
                "--vary",
                "learning_rate=1e-3,1000",
                "--weight-decay=1",
                "--out",
                str(out),
                "--quiet",
                *SETTINGS,
            ]
        )
        == 1
    )
    error = capsys.readouterr().err
    assert (
        "1 of 2 networks failed: quick-learning_rate1000-seed0: the" in error
        and "not finite at step" in error
    )
    assert Run(out / "quick-learning_rate1e-3-seed0").manifest["finished"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "7-3"], "--seeds must be"),
        (["--seeds", "a"], "--seeds must be"),
        (["--seeds", "0,0"], "listed twice"),
        (["--seeds", "²"], "--seeds must be"),
        (["--seeds", "0-99999999999"], "more than 10000 networks"),
        (["--vary", "sigma_g=0.3", "--vary", "loss.sigma_g=0.4"], "given twice"),
        (["--vary", "sigma_g=0.3", "--sigma-g", "0.4"], "both set and varied"),
        (["--seeds", "0-1", "--seed", "7"], "both set and varied"),
        (["--vary", f"hidden_widths=[8],[{','.join(['64'] * 95)}]"], "too long"),
        (["--vary", "device=cpu,cuda"], "sees no CUDA device"),
        (["--vary", "sigma_g"], "--vary must be"),
        (["--vary", "sigma_g="], "at least one value"),
        (["--vary", "sigma_g=-1"], "greater than or equal to 0.000001"),
        (["--seeds", "0-1", "--jobs", "0"], "--jobs must be"),
        (["--jobs", "2"], "--jobs applies to many networks"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, message):
    varied = [
        text.split("=")[0].replace("_", "-")
        for text in arguments[1::2]
        if text.startswith(("hidden", "device"))
    ]
    settings = [s for s in SETTINGS if not any(key in s for key in varied)]
    assert main(["train", "quick", "--out", str(tmp_path / "x"), *arguments, *settings]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_with_other_settings_is_refused_before_anything_is_made(tiny, tmp_path):
    gridcode.train(tiny, out=tmp_path / "tiny-seed1")
    configs = gridcode.variants(tiny.override({"sigma_g": 0.5}), name="tiny", seeds=[0, 1])
    with pytest.raises(InputError, match="with other settings"):
        gridcode.train_many(configs, out=tmp_path)
    assert not (tmp_path / "tiny-seed0").exists()


def test_what_a_kill_leaves_while_folders_are_made_is_used(tiny, tmp_path):
    (tmp_path / "tiny-seed0" / "checkpoints").mkdir(parents=True)
    (tmp_path / "tiny-seed0" / ".config.toml.part").touch()
    (run,) = many.open_runs({"tiny-seed0": tiny}, tmp_path)
    assert run.config == tiny


def test_a_folder_named_like_a_preset_is_a_run(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = gridcode.train_many({"quick": tiny}, out=".")
    assert run.manifest["step"] == 30
    for wrong in ({"jobs": 0}, {"at_once": -1}):
        with pytest.raises(InputError, match="must be at least 1"):
            gridcode.train_many({"quick": tiny}, out=".", **wrong)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ended_from_outside_the_trainings_end_too_and_the_command_goes_on(tmp_path, how):
    out = tmp_path / "all"
    settings = [s for s in SETTINGS if "training.steps" not in s]
    command = [
        sys.executable,
        "-m",
        "gridcode",
        "train",
        "quick",
        "--seeds",
        "0-1",
        "--steps",
        "1200",
        "--quiet",
        "--out",
        str(out),
        *settings,
    ]
    # Started in the background of a script the tests themselves ignore Ctrl-C, and would hand that
    # down.
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(
        (out / f"quick-seed{i}" / "metrics.jsonl").exists() for i in range(2)
    ):
        time.sleep(0.05)
    process.send_signal(how)
    assert process.wait(30) != 0
    # Nobody holds the runs any more.
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0
    assert all(Run(out / f"quick-seed{i}").manifest["finished"] for i in range(2))


@pytest.fixture
def gpu_without_one(monkeypatch):
    """What happens on a GPU, with the program running on the CPU without the kernels."""
    programs = []

    def choose_trainer(configs, _device, **_options):
        programs.append(len(configs))
        return BatchedTrainer(configs)

    monkeypatch.setattr(many, "choose_device", lambda _name: torch.device("cuda"))
    monkeypatch.setattr(loop, "choose_trainer", choose_trainer)
    return programs


def test_on_a_gpu_networks_of_one_shape_train_as_one_program(tiny, tmp_path, gpu_without_one):
    configs = gridcode.variants(tiny, name="t", seeds=[0, 1, 2], vary={"units": [12, 10]})
    seen = []
    runs = gridcode.train_many(configs, out=tmp_path, progress=seen.append)
    assert sorted(gpu_without_one) == [3, 3]
    assert all(run.manifest["finished"] for run in runs)
    assert (seen[-1].done, seen[-1].total, seen[-1].finished, seen[-1].networks) == (180, 180, 6, 6)
    gpu_without_one.clear()
    gridcode.train_many(gridcode.variants(tiny, name="u", seeds=range(5)), out=tmp_path, at_once=2)
    assert gpu_without_one == [2, 2, 1]


def test_on_a_gpu_a_failed_network_does_not_stop_the_others(tiny, tmp_path, gpu_without_one):
    configs = gridcode.variants(
        tiny.override({"weight_decay": 1.0}),
        name="t",
        seeds=[0],
        vary={"learning_rate": [1e-3, 1000.0], "units": [12, 10]},
    )
    seen = []
    with pytest.raises(TrainingError, match=r"2 of 4 networks failed"):
        gridcode.train_many(configs, out=tmp_path, progress=seen.append)
    assert seen[-1].finished == 2 and seen[-1].done < seen[-1].total
    assert sorted(gpu_without_one) == [2, 2]
    assert sum(bool(Run(tmp_path / name).manifest.get("finished")) for name in configs) == 2


def test_shapes_the_kernels_do_not_take_are_named_in_one_warning(tiny, monkeypatch):
    pytest.importorskip("triton")
    plain = trainer_choice.OneNetwork
    monkeypatch.setattr(
        trainer_choice,
        "OneNetwork",
        lambda config, _device, **_options: plain(config, torch.device("cpu")),
    )
    for changes, reason in (
        ({"precision": "float64"}, "float64 states"),
        ({"units": 600}, "512 units at most, not 600"),
    ):
        with pytest.warns(UserWarning, match=f"without the GPU kernels.*{reason}") as caught:
            trainer_choice.choose_trainer([tiny.override(changes)], torch.device("cuda"))
        assert len(caught) == 1
    monkeypatch.setattr(trainer_choice.importlib.util, "find_spec", lambda _name: None)
    with pytest.warns(UserWarning, match="Triton is not installed"):
        trainer_choice.choose_trainer([tiny], torch.device("cuda"))


def test_without_cuda_no_kernel_is_imported(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    lines = (
        "import sys, gridcode, gridcode.training.many",
        "gridcode.train(gridcode.load_config('quick').override({'steps': 1}), out=sys.argv[1])",
        "kernels = {f'gridcode.gpu.{name}' for name in ('adamw', 'pairs', 'rollout', 'uniform')}",
        "assert not kernels & set(sys.modules), kernels & set(sys.modules)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines), str(tmp_path / "a")], check=True)
