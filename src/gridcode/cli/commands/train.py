"""`gridcode train`: one network or many, or resume a run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_log, add_quiet_and_json, positive_int, seeds, setting_values
from gridcode.cli.settings import add_settings, settings_of
from gridcode.config import Config, load_config, locate, preset_names
from gridcode.errors import InputError

# The settings that `--help` lists.
SETTINGS = {
    "training.seed": "of the weights and of every batch",
    "training.steps": "optimiser steps",
    "model.units": "number of units",
    "model.populations": "their sizes, for --units in several parts",
    "world.steps": "steps of a trajectory",
    "world.trajectories": "trajectories in a batch",
    "training.learning_rate": "of AdamW, at its peak",
    "loss.sigma_g": "distance between separate states",
    "loss.invariance": "weight of path invariance",
    "loss.capacity": "weight of capacity",
    "loss.isometry": "weight of conformal isometry",
    "training.device": "where to train",
}


def add_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.usage = "gridcode train WHAT [--out RUN] [--SETTING VALUE ...] [--seeds SEEDS] ..."
    parser.description = "Train a network, or one for each seed and value; or resume a run."
    parser.add_argument(
        "what", metavar="WHAT", help="preset (see `gridcode presets`), TOML file, or run"
    )
    parser.add_argument(
        "--out", metavar="RUN", help="new run folder [runs/NAME-seedN]; of many: folder"
    )
    parser.add_argument("--seeds", type=seeds, help="train many: seeds such as 0-7 or 0,3,5")
    parser.add_argument(
        "--vary",
        type=setting_values,
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="train many: values such as sigma_g=0.3,0.4; repeatable",
    )
    parser.add_argument(
        "--jobs", type=positive_int, metavar="N", help="of many: at a time on a CPU [its cores]"
    )
    parser.add_argument(
        "--at-once", type=positive_int, metavar="N", help="of many: in one program on a GPU [all]"
    )
    add_log(parser)
    add_quiet_and_json(parser)
    sections = ("world", "model", "loss", "training", "evaluation")
    add_settings(parser, sections, words, few=SETTINGS)


def run(arguments: argparse.Namespace) -> None:
    what, overrides = arguments.what, settings_of(arguments)
    resumed = Path(what).is_dir() and what not in preset_names()
    if arguments.seeds is not None or arguments.vary:
        if resumed:
            raise InputError(f"'{what}' is a run to resume: --seeds and --vary do not apply")
        _train_many(arguments)
        return
    for option, value in (("--jobs", arguments.jobs), ("--at-once", arguments.at_once)):
        if value is not None:
            raise InputError(f"{option} applies to many networks: give --seeds or --vary")
    if resumed:
        if overrides or arguments.out:
            raise InputError(
                f"'{what}' is a run to resume: it keeps its settings and its folder, "
                "so --out and overrides do not apply"
            )
        run = run_training(None, Path(what), quiet=arguments.quiet, log=arguments.log)
    else:
        config = load_config(what).override(overrides)
        out = arguments.out or Path("runs") / f"{Path(what).stem}-seed{config.training.seed}"
        run = run_training(config, Path(out), quiet=arguments.quiet, log=arguments.log)
    if arguments.json:
        print_json(_result(run))
    else:
        print(f"trained {run.manifest['step']} steps; run folder: {run.folder}")
        print(f"next: gridcode evaluate {run.folder}")


def run_training(
    config: Config | None, out: Path, *, quiet: bool, log: Sequence[str]
) -> "gridcode.Run":
    """Train a run with a progress display; None resumes the run in `out`."""
    from gridcode.cli.progress import training_bar

    with training_bar(quiet=quiet) as progress:
        return gridcode.train(config, out=out, log=log, progress=progress)


def _train_many(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import many_bar

    overrides = settings_of(arguments)
    config = load_config(arguments.what).override(overrides)
    vary: dict[str, list[str]] = {}
    for name, values in arguments.vary:
        key = ".".join(locate(name))
        if key in vary:
            raise InputError(f"--vary {key} is given twice; list all its values in one")
        vary[key] = values
    for key in [*vary, *(["training.seed"] if arguments.seeds is not None else [])]:
        if key in overrides:
            raise InputError(f"{key} is both set and varied; leave one of the two out")
    seeds = [config.training.seed] if arguments.seeds is None else arguments.seeds
    configs = gridcode.variants(config, name=Path(arguments.what).stem, seeds=seeds, vary=vary)
    with many_bar(quiet=arguments.quiet) as progress:
        runs = gridcode.train_many(
            configs,
            out=arguments.out or "runs",
            jobs=arguments.jobs,
            at_once=arguments.at_once,
            log=arguments.log,
            progress=progress,
        )
    if arguments.json:
        print_json([_result(run) for run in runs])
        return
    print(f"trained {len(runs)} network{'s' if len(runs) > 1 else ''}; run folders:")
    for run in runs:
        print(f"  {run.folder}")
    print(f"next: gridcode evaluate {runs[0].folder}")


def _result(run: "gridcode.Run") -> dict[str, object]:
    last = next(reversed(run.metrics()), None)
    return {"run": str(run.folder), "manifest": run.manifest, "last": last}
