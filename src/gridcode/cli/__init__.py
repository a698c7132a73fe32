"""The command line: parse, call, print. Bad input is one line on standard error and exit code 2.

Each command is a file in `commands/` with `add_options` and `run`. Only the file of the command
that was given is imported, so that help and light commands are quick.
"""

import argparse
import errno
import importlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from gridcode.cli.messages import print_error
from gridcode.cli.options import Parser
from gridcode.errors import GridcodeError, InputError
from gridcode.version import __version__

# Errors of a path that was given, not of the work.
BAD_PATH = {
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
}

COMMANDS = {
    "demo": "grow grid cells now: train, evaluate, report",
    "train": "train a network from a preset or file, or resume a run",
    "sweep": "many trainings from one file: grids, random draws, Optuna; Ray and SLURM",
    "evaluate": "rate maps, grid scores and path integration of a run",
    "report": "write a run's report.html",
    "film": "film of a training: how grid cells form",
    "explore": "look at runs in the browser, also while they train",
    "log": "a log of runs for TensorBoard or Weights and Biases",
    "compare": "several runs on one page: settings that differ first",
    "score": "grid scores, p-values, cell types and modules of your own cells",
    "export": "cells and measures as NWB, CSV, parquet or NetCDF, for other tools",
    "decode": "position decoded from recorded cells, against chance",
    "presets": "list the presets and settings",
    "pretrained": "list the trained networks in the package, or unpack one",
    "reproduce": "draw a figure of the paper from trained networks, with a verdict",
    "baseline": "other models of grid cells, made from their publications",
    "families": "models of every family by the same measures",
    "ablate": "the paper's ablations: train without each part, measure, judge",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 for a failure, 2 for bad input, 130 when interrupted."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Only --help and --version can precede the command, and they take no value.
    name = next((word for word in words if not word.startswith("-")), None)
    warnings.showwarning = lambda message, *_, **__: print_error(str(message))
    try:
        _check_folder()
        if any("\0" in word for word in words):  # no system takes one, in names or numbers
            raise InputError("a NUL character makes no sense on the command line")
        command = _module(name) if name in COMMANDS else None
        parser = _parser(command, words)
        try:
            parsed, unknown = parser.parse_known_args(words)
        except SystemExit as stop:  # --help and --version
            _flush()
            return int(stop.code or 0)
        if unknown:
            tell = getattr(command, "unknown_option", _unknown_option)
            raise InputError(tell(unknown[0]))
        if command is None:
            parser.print_help()
        else:
            command.run(parsed)
        _flush()  # while its errors can be told
        return 0
    except GridcodeError as error:
        print_error(str(error))
        return error.exit_code
    except MemoryError:
        print_error("not enough memory; take fewer units, larger bins or fewer null maps")
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:  # such as a folder that this user may not enter
        why = error.strerror or type(error).__name__
        where = "cannot write" if error.errno == errno.ENOSPC else ""
        print_error(": ".join(str(part) for part in (error.filename or where, why) if part))
        return 2 if error.errno in BAD_PATH else 1
    except KeyboardInterrupt as stop:
        resume = {
            "train": "; `gridcode train RUN` resumes from the last checkpoint",
            "demo": "; `gridcode train RUN` resumes from the last checkpoint",
            "ablate": "; the same command resumes",
            "families": "; the same command resumes",
            "sweep": "; the same command resumes",
            "baseline": "; `gridcode baseline RUN` resumes from the last checkpoint",
        }
        print_error("interrupted" + (str(stop) or resume.get(name or "", "")))
        return 130


def entry() -> None:
    """Console-script entry point."""
    # A file that is opened must not become standard output or error where those were closed.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.unraisablehook = _ignored
    # Names from files can hold letters that a terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Exit as after Ctrl-C, so that trainings in other processes end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code = main()
    try:
        _flush()
    except OSError:  # told by main; Python would try again on its way out, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _ignored(what: "sys.UnraisableHookArgs") -> None:
    """Stay silent where h5netcdf closes a damaged file that it could not open."""
    if not str(getattr(what.object, "__module__", "")).startswith("h5netcdf"):
        sys.__unraisablehook__(what)


def _flush() -> None:
    if sys.stdout is not None:  # None where it was closed
        sys.stdout.flush()


def _check_folder() -> None:
    """Refuse a working directory that was deleted: libraries end the process there."""
    try:
        Path.cwd()
    except OSError as error:
        raise InputError(f"the working directory cannot be used: {error.strerror}") from None


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"gridcode.cli.commands.{name}")


def _parser(command: ModuleType | None, words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows the names of all commands and the options of one."""
    parser = Parser(
        prog="gridcode",
        usage="gridcode COMMAND [OPTION ...]",
        description="Grow grid cells by self-supervision, and study them.",
        epilog="`gridcode COMMAND --help` lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"gridcode {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", prog="gridcode", parser_class=Parser
    )
    for name, summary in COMMANDS.items():
        own = commands.add_parser(name, help=summary)
        if command is not None and command.__name__.endswith(f".{name}"):
            command.add_options(own, words)
    return parser


def _unknown_option(option: str) -> str:
    from gridcode.config import locate

    name = option.split("=")[0]
    if not name.startswith("--"):
        return f"unexpected argument '{option}'"
    section, field = locate(name.removeprefix("--"))  # raises with the nearest setting
    return f"{name} does not apply to this command ({section}.{field} is a setting of the training)"
