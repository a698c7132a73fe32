"""Options of the commands that read recordings: what files do not say about themselves."""

import argparse
from typing import Any

# Rarely needed, and named by the line that asks for them: help has one line on all.
HINT = (
    "Where a file leaves something open, --position NAME, --activity NAME, --position-unit UNIT, "
    "--order AXES or --frame-rate HZ settles it (docs/recordings.md)."
)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what `gridcode.recordings.files.load_recording` may need to be told."""
    option = parser.add_argument
    option("--bin-size", type=float, metavar="METRES", help="[the file's; 0.025 for a path]")
    option("--group", metavar="NAME", help="of an .nc file, such as smooth_4m [its headline's]")
    for name in ("--position", "--activity", "--position-unit", "--order"):
        option(name, help=argparse.SUPPRESS)
    option("--frame-rate", type=float, help=argparse.SUPPRESS)


def reading_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `load_recording` that were given."""
    return {
        "bin_size_m": arguments.bin_size,
        "group": arguments.group,
        "position": arguments.position,
        "activity": arguments.activity,
        "position_unit": arguments.position_unit,
        "order": arguments.order,
        "frame_rate_hz": arguments.frame_rate,
    }
