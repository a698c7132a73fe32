"""`gridcode ablate`: the paper's ablations."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gridcode
from gridcode.cli.commands import train
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, output_folder, positive_int, seeds
from gridcode.cli.settings import add_settings, settings_of
from gridcode.config import load_config
from gridcode.errors import InputError

# The seeds of an ablation are given with --seeds.
SETTINGS = {key: text for key, text in train.SETTINGS.items() if key != "training.seed"}


def add_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.usage = (
        "gridcode ablate [PRESET] [--seeds SEEDS] [--variants NAMES] [--out DIR] "
        "[--SETTING VALUE ...] ..."
    )
    parser.description = (
        "Train a reference and variants that each lack a part of the recipe; measure them, and "
        "judge the paper's claims by fixed rules. The same command resumes. Settings of the "
        "training hold for all networks."
    )
    option = parser.add_argument
    option(
        "what",
        nargs="?",
        default="quick",
        metavar="PRESET",
        help="preset or TOML file of the reference [%(default)s]",
    )
    option(
        "--seeds",
        type=seeds,
        default="0-4",
        help="such as 0-7; fewer than 3 decide nothing [%(default)s]",
    )
    option("--variants", metavar="NAMES", help="such as no-capacity,sigma_g [all]")
    option(
        "--out",
        type=output_folder,
        metavar="DIR",
        help="folder of runs and results [ablations/NAME]",
    )
    option("--jobs", type=positive_int, metavar="N", help="networks at a time on a CPU [its cores]")
    option("--arena", type=float, metavar="METRES", help="side of the arena to measure in [4]")
    option("--nulls", type=positive_int, metavar="N", help="null maps of each unit [200]")
    add_quiet_and_json(parser)
    add_settings(parser, ("world", "model", "loss", "training"), [*words, "quick"], few=SETTINGS)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import many_bar, progress_bar
    from gridcode.paper.ablation.study import ARENA_M, NULLS, check
    from gridcode.paper.ablation.training import plan_runs, train_ablation
    from gridcode.paper.ablation.variants import choose

    overrides = settings_of(arguments)
    config = load_config(arguments.what).override(overrides)
    if "training.seed" in overrides:
        raise InputError("give the seeds with --seeds, not --seed")
    variants = arguments.variants.split(",") if arguments.variants is not None else None
    folder = Path(arguments.out or Path("ablations") / Path(arguments.what).stem)
    arena_m = ARENA_M if arguments.arena is None else arguments.arena
    nulls = arguments.nulls or NULLS
    check(config, arena_m=arena_m, nulls=nulls)
    # Trained here, so that one display follows the other; `ablate` finds the trained runs.
    with many_bar(quiet=arguments.quiet) as progress:
        planned = plan_runs(config, variants=choose(variants, config), seeds=arguments.seeds)
        train_ablation(planned, folder, jobs=arguments.jobs, progress=progress)
    with progress_bar("measure", quiet=arguments.quiet) as scoring:
        found = gridcode.ablate(
            config,
            out=folder,
            seeds=arguments.seeds,
            variants=variants,
            jobs=arguments.jobs,
            scoring=scoring,
            arena_m=arena_m,
            nulls=nulls,
        )
    if arguments.json:
        print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")
