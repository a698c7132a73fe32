"""`gridcode evaluate`: rate maps, grid scores and path integration of a run."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json
from gridcode.cli.settings import add_settings, settings_of
from gridcode.config import EvaluationConfig

if TYPE_CHECKING:
    from gridcode.analysis.records import Summary

SETTINGS = {
    "evaluation.walks": "walks through the arenas; verdicts rest on the first",
    "evaluation.bin_size_m": "side of a bin of the rate maps, metres",
    "evaluation.nulls": "null maps that each unit is compared with",
    "evaluation.significance": "largest p of a module, and of a spatial unit",
    "evaluation.space": "test path integration",
    "evaluation.theory": "measure topology, dynamics and the code",
    "evaluation.history": "map the snapshots of the training",
    "evaluation.seed": "of walks and nulls",
}


def add_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    parser.usage = (
        "gridcode evaluate RUN [--arena METRES ...] [--SETTING VALUE ...] [--quiet] [--json]"
    )
    parser.description = (
        "Walk a trained network through arenas; save rate maps and scores in RUN/evaluation. "
        "Topology, dynamics and coding come last; they alone are measured where the rest is there. "
        "Settings that are not given are the run's. Of a run on a line or in a volume "
        "(world.dimensions) periods or lattices are measured."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--arena",
        nargs="+",
        metavar="METRES",
        help="sides of the square arenas, such as 2 4 6 [the run's]; one for a line or a volume",
    )
    add_quiet_and_json(parser)
    add_settings(parser, ("evaluation",), words, few=SETTINGS)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.terminal import print_summary, print_theory

    run = gridcode.Run(arguments.run)
    overrides: dict[str, Any] = settings_of(arguments)
    if run.config.world.dimensions != 2:
        _run_dimensions(run, overrides, arguments)
        return
    if arguments.arena:
        overrides["evaluation.arenas_m"] = f"[{', '.join(arguments.arena)}]"
    config = run.config.override(overrides).evaluation
    summary = run_evaluation(run, config, quiet=arguments.quiet)
    if arguments.json:
        print_json(summary.model_dump(mode="json"))
    else:
        print_summary(summary)
        print_theory(summary)
        print(f"next: gridcode report {run.folder}")


def _run_dimensions(
    run: "gridcode.Run", overrides: dict[str, Any], arguments: argparse.Namespace
) -> None:
    """Evaluate a run on a line or in a volume."""
    from gridcode.analysis.dimensions.text import paragraph
    from gridcode.cli.progress import progress_bar

    known = {"evaluation.nulls", "evaluation.seed"}
    if other := sorted(overrides.keys() - known):
        raise gridcode.InputError(
            f"{other[0]} is of arenas in the plane: a run of {run.config.world.dimensions} "
            "dimension(s) takes --arena, --nulls and --evaluation.seed"
        )
    if arguments.arena and len(arguments.arena) > 1:
        raise gridcode.InputError("give one --arena: a line or a volume is evaluated in one size")
    if arguments.arena:
        overrides["evaluation.arenas_m"] = f"[{arguments.arena[0]}]"
    config = run.config.override(overrides).evaluation
    with progress_bar("evaluate", quiet=arguments.quiet) as progress:
        found = gridcode.evaluate_dimensions(
            run,
            side_m=config.arenas_m[0] if arguments.arena else None,
            nulls=config.nulls if "evaluation.nulls" in overrides else None,
            seed=config.seed,
            progress=progress,
        )
    if arguments.json:
        print_json(found.model_dump(mode="json"))
    else:
        print(paragraph(found))
        print(f"one row for each unit: {run.folder / 'evaluation' / 'dimensions.csv'}")


def run_evaluation(run: "gridcode.Run", config: EvaluationConfig, *, quiet: bool) -> "Summary":
    """Evaluate a run with a progress display, and return its summary."""
    from gridcode.cli.progress import progress_bar

    with progress_bar("evaluate", quiet=quiet) as progress:
        return gridcode.evaluate(run, config=config, progress=progress).summary
