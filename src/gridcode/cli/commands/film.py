"""`gridcode film`: the film of a training."""

import argparse
from collections.abc import Sequence

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json, output_file, positive_int


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode film RUN [--out FILE] [--units N] [--seconds S] [--size PIXELS] ..."
    parser.description = (
        "Write a film of an evaluated run: rate maps of its best units at every snapshot of the "
        "training, with the loss and the number of hexagonal units. FILE ends in .gif, .webp, or "
        ".mp4 (which needs ffmpeg)."
    )
    option = parser.add_argument
    option("run", metavar="RUN", help="run folder")
    option("--out", type=output_file, metavar="FILE", help="film to write [RUN/film.gif]")
    units = "how many units, the best of each module [%(default)s]"
    option("--units", type=positive_int, default=24, metavar="N", help=units)
    length = "length, with a second on the last frame [%(default)g]"
    option("--seconds", type=float, default=8.0, metavar="S", help=length)
    size = "side of the square picture [%(default)s]"
    option("--size", type=positive_int, default=720, metavar="PIXELS", help=size)
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar

    with progress_bar("film", quiet=arguments.quiet) as progress:
        out = gridcode.film(
            arguments.run,
            arguments.out,
            units=arguments.units,
            seconds=arguments.seconds,
            size=arguments.size,
            progress=progress,
        )
    if arguments.json:
        print_json({"run": arguments.run, "film": str(out), "bytes": out.stat().st_size})
    else:
        print(f"film: {out}")
