"""`gridcode decode`: position decoded from the cells of a recording, against chance."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gridcode
from gridcode.cli.messages import print_error, print_json
from gridcode.cli.options import add_quiet_and_json, positive_int, whole_number
from gridcode.cli.reading_options import HINT, add_reading_options, load

if TYPE_CHECKING:
    from gridcode.analysis.position.decoding import Decoding


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode decode FILE ... [--window SECONDS] [--folds N] [--OPTION VALUE ...]"
    parser.description = (
        "Decode the position from recorded cells by Bayes' rule, with rates learnt from other "
        "parts of the session, and compare the error with chance; then, for each module, the place "
        "up to a lattice vector. FILE holds a path with spikes or activity, see `gridcode score "
        "--help`; several files are one session. " + HINT
    )
    files = "a path with spikes or activity, in one file or several"
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help=files)
    add_reading_options(parser)
    option = parser.add_argument
    window = "decoded at a time [0.5, or one sample where samples are longer]"
    option("--window", type=float, metavar="SECONDS", help=window)
    option("--folds", type=positive_int, default=5, metavar="N", help="parts, each decoded [5]")
    shifts = "circular shifts of the activity along the path, for chance [%(default)s]"
    option("--shifts", type=positive_int, default=99, metavar="N", help=shifts)
    option("--units", metavar="NAMES", help="such as 3,5,8 [all]")
    position = "decode the position only: do not score the cells to find modules"
    option("--position-only", action="store_true", help=position)
    option("--seed", type=whole_number, default=0, metavar="N", help="of shifts and nulls [0]")
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar

    recording = load(arguments, arguments.files)
    units = _units(arguments.units, recording.units)
    with progress_bar("decode", quiet=arguments.quiet) as progress:
        position = gridcode.decode(
            recording,
            window_s=arguments.window,
            folds=arguments.folds,
            shifts=arguments.shifts,
            seed=arguments.seed,
            units=units,
            progress=progress,
        )
        modules: tuple[Decoding, ...] = ()
        if not arguments.position_only:
            modules = gridcode.decode(
                recording,
                method="torus",
                window_s=arguments.window,
                folds=arguments.folds,
                shifts=arguments.shifts,
                seed=arguments.seed,
                units=units,
                progress=progress,
            )
    for note in (*recording.notes, *position.notes):
        print_error(note)
    if arguments.json:
        found: dict[str, object] = {"position": position.summary.model_dump(mode="json")}
        if not arguments.position_only:
            found["modules"] = [one.summary.model_dump(mode="json") for one in modules]
        print_json(found | {"notes": list(recording.notes)})
        return
    _print(position, modules, scored=not arguments.position_only)


def _units(text: str | None, names: Sequence[int | str]) -> list[int | str] | None:
    """The units of a list such as 3,5,8: names are numbers or words, as in the file."""
    if text is None:
        return None
    by_text = {str(name): name for name in names}
    return [by_text.get(word.strip(), word.strip()) for word in text.split(",")]


def _print(position: "Decoding", modules: "Sequence[Decoding]", *, scored: bool) -> None:
    from gridcode.analysis import text
    from gridcode.cli.terminal import print_table, wide_console

    rows = [
        (
            "position" if one.module is None else f"phase, module {one.module}",
            str(len(one.units)),
            f"{one.median_error_m:.3f}",
            f"{one.chance_m:.3f}",
            f"{one.constant_m:.3f}",
            text.p_text(one.p_value),
            f"{one.fold_median_m.min():.3f} to {one.fold_median_m.max():.3f}",
        )
        for one in (position, *modules)
    ]
    columns = ("decoded", "units", "median error (m)", "chance (m)", "one guess (m)", "p", "folds")
    console = wide_console()
    print_table(console, columns, rows)
    windows = f"{len(position.error_m)} windows of {position.window_s:g} s"
    none = "; no modules to decode phases of" if scored and not modules else ""
    console.print(f"{windows}{none}", highlight=False)
