"""Commands that train: train, ablate, bench, demo."""

import argparse
from pathlib import Path
from typing import Any

import gridcode
from gridcode import config as configuration
from gridcode.cli.looking import write_report
from gridcode.cli.measuring import run_evaluation
from gridcode.cli.shared import (
    ERRORS,
    counted,
    number_option,
    print_json,
    seeds_of,
    settings_of,
    values_of,
)
from gridcode.cli.terminal import print_case, print_summary
from gridcode.errors import InputError


def train(arguments: argparse.Namespace) -> None:
    """Train one network or many, or go on with a run."""
    if arguments.seeds is not None or arguments.vary:
        if Path(arguments.what).is_dir() and arguments.what not in configuration.preset_names():
            raise InputError(
                f"'{arguments.what}' is a run to resume: --seeds and --vary do not apply"
            )
        _train_many(arguments)
        return
    for name in ("jobs", "at_once"):
        if getattr(arguments, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} applies to many networks: give --seeds or --vary"
            )
    overrides = settings_of(arguments)
    what = arguments.what
    if Path(what).is_dir() and what not in configuration.preset_names():
        if overrides or arguments.out:
            raise InputError(
                f"'{what}' is a run to resume: it keeps its settings and its folder, so --out and overrides do not apply"
            )
        run = run_training(None, Path(what), quiet=arguments.quiet)
    else:
        config = configuration.load_config(what).override(overrides)
        out = (
            Path(arguments.out)
            if arguments.out
            else Path("runs") / f"{Path(what).stem}-seed{config.training.seed}"
        )
        run = run_training(config, out, quiet=arguments.quiet)
    rows = run.metrics()
    if arguments.json:
        print_json(
            {"run": str(run.folder), "manifest": run.manifest, "last": rows[-1] if rows else None}
        )
    else:
        print(f"trained {run.manifest['step']} steps; run folder: {run.folder}")
        print(f"next: gridcode evaluate {run.folder}")


def _train_many(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import many_bar

    what = arguments.what
    config = configuration.load_config(what).override(settings_of(arguments))
    vary: dict[str, list[str]] = {}
    for text in arguments.vary:
        key, equals, values = text.partition("=")
        if not equals:
            raise InputError(
                f"--vary must be SETTING=VALUE,VALUE such as loss.sigma_g=0.3,0.4, not '{text}'"
            )
        key = ".".join(configuration.locate(key.strip()))
        if key in vary:
            raise InputError(f"--vary {key} is given twice; list all its values in one")
        vary[key] = values_of(values)
    for key in [*vary, *(["training.seed"] if arguments.seeds is not None else [])]:
        if key in settings_of(arguments):
            raise InputError(f"{key} is both set and varied; leave one of the two out")
    seeds = seeds_of(arguments.seeds) if arguments.seeds is not None else [config.training.seed]
    configs = gridcode.variants(config, name=Path(what).stem, seeds=seeds, vary=vary)
    jobs, at_once = counted(arguments, "jobs"), counted(arguments, "at_once")
    with many_bar(ERRORS, quiet=arguments.quiet) as progress:
        runs = gridcode.train_many(
            configs, out=arguments.out or "runs", jobs=jobs, at_once=at_once, progress=progress
        )
    if arguments.json:
        print_json(
            [
                {
                    "run": str(run.folder),
                    "manifest": run.manifest,
                    "last": (run.metrics() or [{}])[-1],
                }
                for run in runs
            ]
        )
    else:
        print(f"trained {len(runs)} network{'s' if len(runs) > 1 else ''}; run folders:")
        for run in runs:
            print(f"  {run.folder}")
        print(f"next: gridcode evaluate {runs[0].folder}")


def run_training(config: configuration.Config | None, out: Path, *, quiet: bool) -> gridcode.Run:
    """Train a run, with a bar; None resumes the one that is there."""
    from gridcode.cli.progress import training_bar

    with training_bar(ERRORS, quiet=quiet) as progress:
        return gridcode.train(config, out=out, progress=progress)


def ablate(arguments: argparse.Namespace) -> None:
    """Train and judge ablations."""
    from gridcode.cli.progress import evaluation_bar, many_bar
    from gridcode.paper.ablation.study import ARENA_M, NULLS, check
    from gridcode.paper.ablation.training import plan_runs, train_ablation
    from gridcode.paper.ablation.variants import choose

    config = configuration.load_config(arguments.what).override(settings_of(arguments))
    if "training.seed" in settings_of(arguments):
        raise InputError("give the seeds with --seeds, not --seed")
    seeds, variants = (
        seeds_of(arguments.seeds),
        arguments.variants.split(",") if arguments.variants is not None else None,
    )
    folder = Path(arguments.out) if arguments.out else Path("ablations") / Path(arguments.what).stem
    jobs, arena = counted(arguments, "jobs"), number_option(arguments)("arena")
    options: dict[str, Any] = {
        "arena_m": ARENA_M if arena is None else arena,
        "nulls": counted(arguments, "nulls") or NULLS,
    }
    check(config, **options)
    # One display after the other: first that of the trainings, which are then there.
    with many_bar(ERRORS, quiet=arguments.quiet) as progress:
        planned = plan_runs(config, variants=choose(variants, config), seeds=seeds)
        train_ablation(planned, folder, jobs=jobs, progress=progress)
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="measure") as scoring:
        found = gridcode.ablate(
            config,
            out=folder,
            seeds=seeds,
            variants=variants,
            jobs=jobs,
            scoring=scoring,
            **options,
        )
    if arguments.json:
        print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")


def time_steps(arguments: argparse.Namespace) -> None:
    """Time training steps."""
    from gridcode import bench
    from gridcode.cli.progress import working

    machine = bench.machine()
    cases = []
    if not arguments.json:
        print(
            ", ".join(f"{name}: {value}" for name, value in machine.items() if value is not None),
            flush=True,
        )
    timed, number = bench.run(naive=not arguments.no_naive), bench.number_of_cases()
    for place in range(number):
        # A display for each case: none is in the way when the case is printed.
        with working(
            ERRORS, quiet=arguments.quiet, title="bench", what=f"case {place + 1} of {number}"
        ):
            case = next(timed, None)
        if case is None:
            break
        cases.append(case)
        if not arguments.json:
            print_case(case)
    if arguments.json:
        print_json({"machine": machine, "gridcode": gridcode.__version__, "cases": cases})


def demo(arguments: argparse.Namespace) -> None:
    """Train, evaluate and report."""
    out = Path(arguments.out) if arguments.out else _free_folder(Path("runs/demo"))
    config = configuration.load_config("quick").override(settings_of(arguments))
    if not arguments.json:
        print(
            f"growing grid cells from random weights (preset quick, seed {config.training.seed}) in {out}",
            flush=True,
        )
    run = run_training(config, out, quiet=arguments.quiet)
    summary = run_evaluation(run, config.evaluation, quiet=arguments.quiet)
    page = write_report(run, quiet=arguments.quiet)
    if arguments.json:
        print_json({"run": str(run.folder), "report": str(page), "headline": summary["headline"]})
    else:
        print_summary(summary)
        print(
            f"run folder: {run.folder}\nreport:     {page}\nnext: gridcode film {run.folder}, or gridcode explore {run.folder.parent}"
        )


def _free_folder(base: Path) -> Path:
    candidate, number = base, 1
    while candidate.exists():
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate
