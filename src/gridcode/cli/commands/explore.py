"""`gridcode explore`: look at runs in the browser."""

import argparse
import json
from collections.abc import Sequence

from gridcode.cli.messages import print_error
from gridcode.cli.options import whole_number
from gridcode.errors import InputError
from gridcode.extras import needed


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = (
        "gridcode explore [RUNS ...] [--port N] [--host ADDRESS] [--no-browser] [--quiet] [--json]"
    )
    parser.description = (
        "Serve a page on this machine that lists the runs in RUNS and shows each of them; "
        "Ctrl-C stops it. Nothing is written."
    )
    option = parser.add_argument
    option(
        "runs",
        nargs="*",
        default=["runs"],
        metavar="RUNS",
        help="folders of run folders, or run folders [runs]",
    )
    option("--port", type=_port, metavar="N", help="port to serve at [8765, or the next free one]")
    option(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to serve at; others than 127.0.0.1 open it to the network",
    )
    option("--no-browser", action="store_true", help="do not open the page")
    option("--quiet", action="store_true", help="do not print where the page is")
    option("--json", action="store_true", help="print the address as JSON")


def run(arguments: argparse.Namespace) -> None:
    for package in ("starlette", "uvicorn"):
        needed(package, "explore", "the explorer")
    from gridcode.viewer import serving

    if "" in arguments.runs:
        raise InputError("there is no folder ''")

    def ready(url: str) -> None:
        if arguments.json:
            print(json.dumps({"url": url}), flush=True)
        elif not arguments.quiet:
            print(f"explorer: {url} (Ctrl-C stops it)", flush=True)

    if not serving.is_loopback(arguments.host):
        where = serving.reached_at(arguments.host)
        print_error(
            f"anyone on the network who reaches {where} can read these runs: there is no password"
        )
    serving.serve(
        arguments.runs,
        host=arguments.host,
        port=arguments.port,
        open_browser=not arguments.no_browser,
        ready=ready,
    )
    serving.leave()


def _port(text: str) -> int:
    if whole_number(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, not '{text}'")
    return int(text)
