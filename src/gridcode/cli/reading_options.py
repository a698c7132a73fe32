"""Options of the commands that read recordings: what files do not say about themselves."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gridcode.errors import InputError

if TYPE_CHECKING:
    from gridcode.recordings.recording import Recording

# Rarely needed, and named by the line that asks for them: help has a few lines on all.
HINT = (
    "docs/recordings.md has more options, such as --order, --position, --interval and --max-speed."
)
METHODS = ("before dividing", "after dividing", "adaptive")
# Option, setting of `recording_from_path`.
PATH_OPTIONS = {
    "arena": "arena_m",
    "min_speed": "min_speed_m_s",
    "max_speed": "max_speed_m_s",
    "interval": "intervals_s",
    "spike_clock": "spike_clock",
    "smoothing_method": "smoothing_method",
}


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what `gridcode.recordings.files.load_recording` may need to be told."""
    option = parser.add_argument
    option("--bin-size", type=float, metavar="METRES", help="[the file's; 0.025 for a path]")
    option("--group", metavar="NAME", help="of an .nc file, such as smooth_4m [its headline's]")
    for name in ("--position", "--activity", "--position-unit", "--order"):
        option(name, help=argparse.SUPPRESS)
    option("--frame-rate", type=float, help=argparse.SUPPRESS)
    option("--arena", type=float, metavar="METRES", help="side, for a path [the box it fills]")
    option("--min-speed", type=float, metavar="M/S", help="of samples to keep, for a path [0]")
    option("--max-speed", type=float, help=argparse.SUPPRESS)
    option("--interval", type=float, nargs=2, action="append", help=argparse.SUPPRESS)
    option("--spike-clock", type=float, nargs=2, help=argparse.SUPPRESS)
    option("--smoothing-method", choices=METHODS, help=argparse.SUPPRESS)
    option("--keep-lost-tracking", action="store_true", help=argparse.SUPPRESS)


def load(arguments: argparse.Namespace, files: Sequence[Path]) -> "Recording":
    """The recording of a session, with the options that were given.

    Raises:
        InputError: the files cannot be read, or an option for a path is given with rate maps.
    """
    from gridcode.recordings.files import load_recording

    given = {option: getattr(arguments, option) for option in PATH_OPTIONS}
    given = {option: value for option, value in given.items() if value is not None}
    recording = load_recording(
        files,
        bin_size_m=arguments.bin_size,
        group=arguments.group,
        position=arguments.position,
        activity=arguments.activity,
        position_unit=arguments.position_unit,
        order=arguments.order,
        frame_rate_hz=arguments.frame_rate,
        check_tracking=not arguments.keep_lost_tracking,
        **{PATH_OPTIONS[option]: value for option, value in given.items()},
    )
    if recording.path is None and given:
        option = "--" + next(iter(given)).replace("_", "-")
        raise InputError(f"{option} applies to a path, but {files[0].name} holds rate maps")
    return recording
