"""`gridcode report`: write a run's report.html and figures."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.description = "Write RUN/report.html and RUN/figures from the run's evaluation."
    parser.add_argument("run", metavar="RUN", help="run folder")
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    page = write_report(gridcode.Run(arguments.run), quiet=arguments.quiet)
    if arguments.json:
        print_json({"run": arguments.run, "report": str(page)})
    else:
        print(f"report: {page}")


def write_report(run: "gridcode.Run", *, quiet: bool) -> Path:
    """Write the report of a run with a progress display, and return its path."""
    from gridcode.cli.progress import progress_bar

    with progress_bar("report", quiet=quiet) as progress:
        return gridcode.write_report(run, progress=progress)
