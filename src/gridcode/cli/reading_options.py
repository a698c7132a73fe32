"""Options of the commands that read recordings: what files do not say about themselves."""

import argparse
from typing import Any


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what `gridcode.recordings.files.load_recording` may need to be told."""
    option = parser.add_argument
    option("--bin-size", type=float, metavar="METRES", help="[the file's; 0.025 for a path]")
    option("--group", metavar="NAME", help="of an .nc file, such as smooth_4m [its headline's]")
    option("--position", metavar="NAME", help="which position of an NWB file [its only one]")
    option("--activity", metavar="NAME", help="traces of an NWB file [spikes, where there are any]")
    unit = "of positions whose unit the file does not name: m, cm, mm or metres a unit"
    option("--position-unit", metavar="UNIT", help=unit)
    order = "axes of maps without labels: 'y x', 'x y' (pynapple), '-y x' (top row first) [y x]"
    option("--order", metavar="AXES", help=order)
    rate = "frames a second of traces that come without times [the file's]"
    option("--frame-rate", type=float, metavar="HZ", help=rate)


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
