"""`gridcode score`: types, p-values and modules of rate maps or of a recording."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gridcode
from gridcode.cli.messages import print_error, print_json, warn_of_few_nulls
from gridcode.cli.options import (
    add_quiet_and_json,
    output_file,
    output_folder,
    positive_int,
    whole_number,
)
from gridcode.cli.reading_options import HINT, add_reading_options, reading_settings
from gridcode.display import printable
from gridcode.errors import InputError

if TYPE_CHECKING:
    from gridcode.analysis.records import Summary
    from gridcode.analysis.topology.state_space import StateSpace
    from gridcode.recordings.recording import Recording


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = (
        "gridcode score FILE [--bin-size METRES] [--report OUT.html] [--OPTION VALUE ...]"
    )
    parser.description = (
        "Score cells. FILE is NWB, .mat, .csv, .npz, .npy, .nc, .hdf5 or a folder of suite2p: rate "
        "maps, or a path with spikes or activity. "
        "`gridcode score example` scores 29 grid cells of mice. " + HINT
    )
    parser.add_argument(
        "file", metavar="FILE", help="rate maps, or a path with spikes or activity; or: example"
    )

    add_reading_options(parser)
    option = parser.add_argument
    option("--arena", type=float, metavar="METRES", help="side, for a path [the box it fills]")
    option("--min-speed", type=float, metavar="M/S", help="of samples to keep, for a path [0]")
    smoothing = "Gaussian before scoring [1; 0 for a path, whose maps are smoothed by 1.5 bins]"
    option("--smoothing", type=float, metavar="BINS", help=smoothing)
    silent = "units that never exceed this are silent [%(default)g]"
    option("--silent-below", type=float, default=0.0, metavar="RATE", help=silent)
    nulls = "null maps of each unit, and circular shifts of a path [%(default)s]"
    option("--nulls", type=positive_int, default=500, metavar="N", help=nulls)
    null = "what null maps keep: the spectrum or the fields [%(default)s]"
    kinds = ("random phase", "field shuffle")
    option("--null", choices=kinds, default=kinds[0], help=null)
    level = "largest p-value of a unit or module that counts [%(default)s]"
    option("--significance", type=float, default=0.01, metavar="P", help=level)
    rate = "largest expected share of false discoveries among units that count [%(default)s]"
    option("--false-discovery-rate", type=float, default=0.05, metavar="Q", help=rate)
    option("--seed", type=whole_number, default=0, metavar="N", help="of the nulls [%(default)s]")
    torus = "test rings and topology: do the states of a module lie on a torus?"
    option("--state-space", action="store_true", help=torus)
    option("--shuffles", type=positive_int, metavar="N", help="with --state-space: shuffles [99]")
    option("--report", type=output_file, metavar="OUT.html", help="write everything as one page")
    option(
        "--figures",
        type=output_folder,
        metavar="DIR",
        help="write the figures as PNG and PDF into this folder",
    )
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar, working

    recording = _load(arguments)
    with progress_bar("score", quiet=arguments.quiet) as progress:
        population = gridcode.score(
            recording,
            smoothing_bins=arguments.smoothing,
            silent_below=arguments.silent_below,
            nulls=arguments.nulls,
            null=arguments.null,
            significance=arguments.significance,
            false_discovery_rate=arguments.false_discovery_rate,
            seed=arguments.seed,
            progress=progress,
        )
        states = None
        if arguments.state_space:
            states = gridcode.state_space(
                recording,
                population,
                nulls=arguments.shuffles or 99,
                seed=arguments.seed,
                progress=progress,
            )
    summary = population.summary
    warn_of_few_nulls(summary.settings.nulls, summary.settings.level)
    if arguments.report is not None:
        with working("score", "report", quiet=arguments.quiet):
            gridcode.write_score_report(
                population,
                arguments.report,
                recording=recording,
                title=printable(Path(arguments.file).name),
                states=states,
            )
    if arguments.figures is not None:
        with working("score", "figures", quiet=arguments.quiet):
            gridcode.write_score_figures(population, arguments.figures, states=states)
    if arguments.json:
        found = {"state_space": states.summary.model_dump(mode="json")} if states else {}
        source = {"file": Path(arguments.file).name, "notes": list(recording.notes)}
        print_json(summary.model_dump(mode="json") | found | source)
        return
    _print(summary, states)
    for name in ("report", "figures"):
        if getattr(arguments, name) is not None:
            print(f"{name}: {getattr(arguments, name)}")


def _load(arguments: argparse.Namespace) -> "Recording":
    """The recording, after a check of the options that go with it."""
    from gridcode.analysis.topology.state_space import check_shuffles
    from gridcode.recordings.examples import EXAMPLE
    from gridcode.recordings.files import load_recording

    report = arguments.report
    file = EXAMPLE if arguments.file == "example" else Path(arguments.file)
    if report is not None and report.exists() and file.exists() and report.samefile(file):
        raise InputError(f"--report {report} would overwrite the file to be scored")
    if arguments.shuffles is not None and not arguments.state_space:
        raise InputError("--shuffles applies to --state-space")
    if arguments.shuffles is not None:
        check_shuffles(arguments.shuffles)  # not after the null maps
    recording = load_recording(
        file,
        **reading_settings(arguments),
        arena_m=arguments.arena,
        min_speed_m_s=arguments.min_speed or 0.0,
    )
    for option, value in (("--arena", arguments.arena), ("--min-speed", arguments.min_speed)):
        if recording.path is None and value is not None:
            raise InputError(f"{option} applies to a path, but {file.name} holds rate maps")
    for note in recording.notes:
        print_error(note)
    return recording


def _print(summary: "Summary", states: "StateSpace | None") -> None:
    from rich.markup import escape

    from gridcode.analysis import text
    from gridcode.cli.terminal import print_modules, print_units, wide_console

    console = wide_console()
    print_units(console, summary)
    print_modules(console, summary)
    console.print(escape(summary.verdict), highlight=False)
    console.print(escape(text.details(summary)), highlight=False)
    if states is not None:
        console.print(escape(" ".join(text.state_space_sentences(states.summary))), highlight=False)
