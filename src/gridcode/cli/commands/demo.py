"""`gridcode demo`: train, evaluate and report."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from gridcode.cli.commands.evaluate import run_evaluation
from gridcode.cli.commands.report import write_report
from gridcode.cli.commands.train import run_training
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json
from gridcode.cli.settings import add_settings, settings_of
from gridcode.config import load_config


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode demo [--out RUN] [--quiet] [--json]"
    parser.description = (
        "Train the `quick` preset from scratch, evaluate it and write its report; a few minutes "
        "on two cores."
    )
    parser.add_argument(
        "--out", metavar="RUN", help="run folder [the first free of runs/demo, runs/demo-2, ...]"
    )
    add_quiet_and_json(parser)
    # Accepted, but listed by `gridcode train --help` only.
    add_settings(parser, ("world", "model", "loss", "training", "evaluation"))


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.terminal import print_summary

    names = itertools.chain(["demo"], (f"demo-{number}" for number in itertools.count(2)))
    folders = (Path("runs") / name for name in names)
    out = Path(arguments.out or next(folder for folder in folders if not folder.exists()))
    config = load_config("quick").override(settings_of(arguments))
    if not arguments.json:
        seed = config.training.seed
        about = f"preset quick, seed {seed}"
        print(f"growing grid cells from random weights ({about}) in {out}", flush=True)
    run = run_training(config, out, quiet=arguments.quiet)
    summary = run_evaluation(run, config.evaluation, quiet=arguments.quiet)
    page = write_report(run, quiet=arguments.quiet)
    if arguments.json:
        found = summary.model_dump(mode="json", include={"verdict", "types", "modules", "headline"})
        print_json({"run": str(run.folder), "report": str(page)} | found)
        return
    print_summary(summary)
    print(f"run folder: {run.folder}\nreport:     {page}")
    print(f"next: gridcode film {run.folder}, or gridcode explore {run.folder.parent}")
