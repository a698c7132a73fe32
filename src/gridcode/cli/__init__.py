"""The command line: parses, calls, prints. Bad input is one line on standard error and exit code 2.

The options are made from the configuration's own fields (argparse), so that help, TOML and the
command line never disagree and every mistake is reported by the same validation.
"""

import argparse
import io
import signal
import sys
import warnings
from collections.abc import Callable, Sequence

from gridcode.cli import looking, measuring, training
from gridcode.cli.options import make_parser
from gridcode.cli.shared import say, unknown_option
from gridcode.errors import GridcodeError, InputError

COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": training.train,
    "evaluate": measuring.evaluate,
    "score": measuring.score,
    "report": looking.report,
    "explore": looking.explore,
    "compare": looking.compare,
    "film": looking.film,
    "presets": looking.presets,
    "pretrained": looking.pretrained,
    "reproduce": measuring.reproduce_figure,
    "ablate": training.ablate,
    "bench": training.time_steps,
    "demo": training.demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for a failure, 2 for bad input, 130 when interrupted."""
    warnings.showwarning = lambda message, *_, **__: say(str(message))
    parser = make_parser()
    parsed = argparse.Namespace(command=None)
    try:
        try:
            parsed, unknown = parser.parse_known_args(arguments)
        except SystemExit as stop:  # --help and --version
            return int(stop.code or 0)
        if unknown:
            raise InputError(unknown_option(unknown[0]))
        if parsed.command is None:
            parser.print_help()
            return 0
        COMMANDS[parsed.command](parsed)
        return 0
    except GridcodeError as error:
        say(str(error))
        return error.exit_code
    except MemoryError:
        say("not enough memory; take fewer units, larger bins or fewer null maps at once")
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        goes_on = (
            "; a training goes on from its last checkpoint with `gridcode train RUN`"
            if parsed.command in ("train", "demo")
            else ""
        )
        say(
            "interrupted"
            + ("; the same command goes on from there" if parsed.command == "ablate" else goes_on)
        )
        return 130


def entry() -> None:
    """Console-script entry point."""
    # Names from files can hold letters that a terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # As Ctrl-C does: trainings in other processes are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
