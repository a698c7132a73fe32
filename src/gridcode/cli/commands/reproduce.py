"""`gridcode reproduce`: draw a figure of the paper."""

import argparse
from collections.abc import Sequence

from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, output_folder


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode reproduce FIGURE [--runs RUN ...] [--out DIR] [--quiet] [--json]"
    parser.description = (
        "Draw a figure of the paper from run folders, or from the networks in the package: "
        "FIGURE.png, FIGURE.pdf, tables (FIGURE*.csv) and a paragraph (FIGURE.md) on what the "
        "paper shows, what was found and whether the two agree."
    )
    parser.add_argument(
        "figure",
        metavar="FIGURE",
        help="fig4 modules, fig5 walks and arenas, fig6 torus, fig7 ablations, fig9 all units",
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        metavar="RUN",
        help="run folders: numbers over all, maps of the first; for fig7 the folder of "
        "`gridcode ablate` [the networks in the package]",
    )
    where = "folder to write into [reproduced/FIGURE]"
    parser.add_argument("--out", type=output_folder, metavar="DIR", help=where)
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar
    from gridcode.paper.reproduce import reproduce

    with progress_bar("reproduce", quiet=arguments.quiet) as progress:
        found = reproduce(arguments.figure, arguments.runs, arguments.out, progress)
    if arguments.json:
        print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")
