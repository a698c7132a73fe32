"""`gridcode compare`: several runs on one page."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, output_file


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode compare RUN RUN [RUN ...] [--out FILE] [--quiet] [--json]"
    parser.description = (
        "Print which settings of evaluated runs differ, and their headline numbers; write them "
        "with maps and curves side by side as one self-contained page."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, evaluated")
    parser.add_argument(
        "--out",
        type=output_file,
        default=Path("comparison.html"),
        metavar="FILE",
        help="page to write [%(default)s]",
    )
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import working
    from gridcode.cli.terminal import print_comparison
    from gridcode.runs.files import check_writable

    check_writable(arguments.out)  # the default as well
    with working("compare", "runs", quiet=arguments.quiet):
        comparison = gridcode.compare(arguments.runs)
        page = gridcode.write_comparison(comparison, arguments.out)
    if arguments.json:
        print_json(comparison.as_json() | {"page": str(page)})
    else:
        print_comparison(comparison)
        print(f"page: {page}")
