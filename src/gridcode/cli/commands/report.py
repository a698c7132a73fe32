"""`gridcode report`: write a run's report.html and figures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.description = "Write RUN/report.html from the run's evaluation."
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--figures", action="store_true", help="write all figures as PNG and PDF into RUN/figures"
    )
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    run = gridcode.Run(arguments.run)
    page = write_report(run, quiet=arguments.quiet, figures=arguments.figures)
    if arguments.json:
        print_json({"run": arguments.run, "report": str(page)})
    else:
        print(f"report: {page}")
        if arguments.figures:
            print(f"figures: {run.figures_folder}")


def write_report(run: "gridcode.Run", *, quiet: bool, figures: bool = False) -> Path:
    """Write the report of a run with a progress display, and return its path."""
    from gridcode.cli.progress import progress_bar

    with progress_bar("report", quiet=quiet) as progress:
        return gridcode.write_report(run, figures=figures, progress=progress)
