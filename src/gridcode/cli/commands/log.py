"""`gridcode log`: a log of runs for other programs."""

import argparse
from collections.abc import Sequence

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, logs

OPEN_WITH = {
    "tensorboard": "tensorboard --logdir {folder}",
    "wandb": "wandb sync {folder}/wandb/offline-run-* (sends it to the server)",
}


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode log RUN ... [--to LOGS] [--quiet] [--json]"
    parser.description = (
        "Make a log from the metrics, settings and evaluation of trained runs, in their folders. "
        "An earlier log is replaced. Weights and Biases stays offline unless WANDB_MODE is set."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument(
        "--to",
        type=logs,
        default=("tensorboard",),
        metavar="LOGS",
        help="tensorboard, wandb, or both with a comma [tensorboard]",
    )
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar

    with progress_bar("log", quiet=arguments.quiet) as show:
        for number, folder in enumerate(arguments.runs, 1):
            gridcode.write_logs([folder], to=arguments.to)
            if show:
                show("", number, len(arguments.runs))
    if arguments.json:
        print_json({"runs": arguments.runs, "to": list(arguments.to)})
        return
    for name in arguments.to:
        print(f"look at it with: {OPEN_WITH[name].format(folder=arguments.runs[0])}")
