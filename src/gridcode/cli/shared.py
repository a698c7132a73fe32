"""What the commands share: reading numbers and lists, messages on standard error, JSON on standard output."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from gridcode import config as configuration
from gridcode.display import printable
from gridcode.errors import InputError

MOST_NETWORKS = 10_000
ENOUGH_NULLS = 200
# Digits; Python itself refuses to read numbers of thousands of them.
LONGEST_NUMBER = 18
ERRORS = Console(stderr=True, soft_wrap=True)


def say(text: str) -> None:
    """A line on standard error."""
    ERRORS.print(f"gridcode: {escape(printable(text))}", highlight=False)


def say_of_few_nulls(settings: Mapping[str, Any]) -> None:
    """A unit's best of three p-values counts three times, and too few scores have no tail to go beyond the highest of them."""
    nulls, level = settings.nulls, settings.level
    if nulls < ENOUGH_NULLS and 3 / (1 + nulls) > level:
        say(
            f"with {nulls} null maps a unit by itself may be unable to reach p = {level:g}, and lattices be missed: take {ENOUGH_NULLS} or more"
        )


def unknown_option(option: str) -> str:
    """What to say of an option that a command does not have; raises where it is no setting either."""
    name = option.split("=")[0]
    if not name.startswith("--"):
        return f"unexpected argument '{option}'"
    section, field = configuration.locate(
        name.removeprefix("--")
    )  # names the nearest setting where there is none
    return f"{name} does not apply to this command ({section}.{field} is a setting of the training)"


def print_json(data: Any) -> None:
    """A result for scripts."""
    print(json.dumps(data, indent=1))


def settings_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings that were overridden, as text by dotted key."""
    return {
        name.removeprefix("set:"): value
        for name, value in vars(arguments).items()
        if name.startswith("set:") and value is not None
    }


def counted(arguments: argparse.Namespace, name: str) -> int | None:
    """A whole number from 1 on, None where the option was not given."""
    text = getattr(arguments, name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > LONGEST_NUMBER or int(text) < 1:
        raise InputError(
            f"--{name.replace('_', '-')} must be a whole number from 1 on, not '{text}'"
        )
    return int(text)


def number_option(arguments: argparse.Namespace) -> Callable[[str], float | None]:
    """A reader of numbers: from the name of an option to its value, None where it was not given."""

    def number(name: str) -> float | None:
        text = getattr(arguments, name)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            raise InputError(f"--{name.replace('_', '-')} must be a number, not '{text}'") from None

    return number


def writable(text: str) -> Path:
    """A file to be written, checked before minutes are spent on what goes into it.

    Raises:
        InputError: a folder, or a file in one that is not there.
    """
    path = Path(text)
    try:
        if not text or path.is_dir() or not path.absolute().parent.is_dir():
            raise InputError(
                f"cannot write '{text}': "
                + ("it is a folder" if path.is_dir() else f"there is no folder '{path.parent}'")
            )
    except OSError as error:
        raise InputError(f"cannot write '{text}': {error.strerror}") from None
    return path


def seeds_of(text: str) -> list[int]:
    """Seeds from text such as `0-7` or `0,3,5`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if (
            not first.isdecimal()
            or (dash and not last.isdecimal())
            or int(last or first) < int(first)
        ):
            raise InputError(
                f"--seeds must be numbers and ranges such as 0-7 or 0,3,5, not '{text}'"
            )
        if int(last or first) - int(first) >= MOST_NETWORKS:
            raise InputError(f"--seeds {text} asks for more than {MOST_NETWORKS} networks at once")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def values_of(text: str) -> list[str]:
    """Values separated by commas; lists such as [64, 64] are one value."""
    depth, values = 0, [""]
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    return [value.strip() for value in values if value.strip()]
