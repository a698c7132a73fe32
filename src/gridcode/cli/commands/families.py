"""`gridcode families`: models of every family, by the same measures."""

import argparse
from collections.abc import Sequence

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, output_folder, positive_int, seeds


def add_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:  # noqa: ARG001
    parser.usage = "gridcode families [--models NAMES] [--seeds SEEDS] [--out DIR] ..."
    parser.description = (
        "Make self-supervised networks and models of other families, evaluate all of them alike, "
        "and compare: a table, a figure and a page. The same command resumes."
    )
    option = parser.add_argument
    option("--models", metavar="NAMES", help="such as quick,pca,attractor [all]")
    option("--seeds", type=seeds, default="0-2", help="such as 0-2 [%(default)s]")
    option(
        "--questions",
        choices=["true", "false"],
        default="true",
        help="also ask what sets the spacing, and what shuffled targets do [%(default)s]",
    )
    option(
        "--out",
        type=output_folder,
        default="families",
        metavar="DIR",
        help="folder of runs and results [%(default)s]",
    )
    option("--jobs", type=positive_int, metavar="N", help="models at a time [the cores]")
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar
    from gridcode.paper.families.members import MODELS

    models = MODELS if arguments.models is None else arguments.models.split(",")
    with progress_bar("families", quiet=arguments.quiet) as progress:
        found = gridcode.families(
            out=arguments.out,
            models=models,
            seeds=arguments.seeds,
            questions=arguments.questions == "true",
            jobs=arguments.jobs,
            progress=progress and (lambda _, done, total: progress("models", done, total)),
        )
    if arguments.json:
        print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")
