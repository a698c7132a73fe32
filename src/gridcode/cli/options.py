"""The parser, and converters from text to values that raise argparse's own error."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from gridcode.errors import InputError

MOST_NETWORKS = 10_000


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors as InputError: one line, exit code 2."""

    def __init__(self, **options: Any) -> None:
        # A shortened option must not pass for another setting than the one meant.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:  # noqa: D102 - argparse documents it
        text = message.removeprefix("argument ").replace(": must be", " must be", 1)
        raise InputError(f"{text} (see `{self.prog} --help`)")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # argparse of Python 3.11 makes an empty list of `--option=--`.
        if action.option_strings and arg_strings == ["--"]:
            raise argparse.ArgumentError(action, "expected one argument")
        return super()._get_values(action, arg_strings)

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own says nothing where help cannot be written, as on a full disk.
        print(message, end="", file=file)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_quiet_and_json(parser: argparse.ArgumentParser) -> None:
    """Add --quiet and --json."""
    parser.add_argument("--quiet", action="store_true", help="no progress display")
    add_json(parser)


def add_log(parser: argparse.ArgumentParser) -> None:
    """Add --log."""
    parser.add_argument(
        "--log",
        type=logs,
        default=(),
        metavar="LOGS",
        help="a log for tensorboard, wandb, or both (with a comma)",
    )


def logs(text: str) -> tuple[str, ...]:
    """Names of logs, such as `tensorboard,wandb`."""
    from gridcode.logs.kinds import log_names

    try:
        return log_names([name.strip() for name in text.split(",")])
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole_number(text: str, *, least: int = 0) -> int:
    """A whole number, 0 or more."""
    # Longer ones overflow an array's shape, and Python refuses to read thousands of digits.
    if not text.isdecimal() or len(text) > 18 or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more, not '{text}'")
    return int(text)


def positive_int(text: str) -> int:
    """A whole number, 1 or more."""
    return whole_number(text, least=1)


def output_file(text: str) -> Path:
    """A file to be written, checked before minutes are spent on what goes into it."""
    return _output(text, folder=False)


def output_folder(text: str) -> Path:
    """The same for a folder, which may be missing."""
    if not text:
        raise argparse.ArgumentTypeError("must be a folder, not ''")
    return _output(text, folder=True)


def _output(text: str, *, folder: bool) -> Path:
    from gridcode.runs.files import check_writable

    try:
        check_writable(text, folder=folder)
    except InputError as error:  # argparse would say "invalid value" of any other error
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def seeds(text: str) -> list[int]:
    """Seeds from text such as `0-7` or `0,3,5`."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            known = first.isdecimal() and (last.isdecimal() or not dash)
            low, high = (int(first), int(last or first)) if known else (0, -1)
        except ValueError:  # thousands of digits
            low, high = 0, -1
        if low > high:
            raise argparse.ArgumentTypeError(f"must be such as 0-7 or 0,3,5, not '{text}'")
        if high - low >= MOST_NETWORKS:
            raise argparse.ArgumentTypeError(f"{text} is more than {MOST_NETWORKS} networks")
        found += range(low, high + 1)
    return found


def setting_values(text: str) -> tuple[str, list[str]]:
    """A setting and values from text such as `sigma_g=0.3,0.4`; a list such as [64, 64] is one."""
    key, equals, rest = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be such as sigma_g=0.3,0.4, not '{text}'")
    depth, values = 0, [""]
    for character in rest:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    return key.strip(), [value.strip() for value in values if value.strip()]
