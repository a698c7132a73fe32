"""`gridcode score`: types, p-values and modules of rate maps or of a recording."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gridcode
from gridcode.cli.messages import print_error, print_json
from gridcode.cli.options import add_quiet_and_json, output_folder, positive_int, whole_number
from gridcode.cli.reading_options import HINT, add_reading_options, load
from gridcode.display import printable
from gridcode.errors import InputError

if TYPE_CHECKING:
    from gridcode.analysis.records import Summary
    from gridcode.analysis.topology.state_space import StateSpace
    from gridcode.api.sessions import UnitTable
    from gridcode.cli.many_sessions import Scored

Files = tuple[Path, ...]


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = (
        "gridcode score FILE ... [--bin-size METRES] [--report OUT.html] [--OPTION VALUE ...]"
    )
    parser.description = (
        "Score cells. FILE is NWB, .mat, .csv, .npz, .npy, .nc, .hdf5 or a folder of suite2p: rate "
        "maps, or a path with spikes or activity. Several sessions: a row for each. "
        "`gridcode score example` scores 29 grid cells of mice. " + HINT
    )
    files = "rate maps, or a path with spikes or activity; or: example"
    parser.add_argument("files", metavar="FILE", nargs="+", help=files)

    add_reading_options(parser)
    option = parser.add_argument
    smoothing = "Gaussian before scoring [1; 0 for a path, whose maps are smoothed by 1.5 bins]"
    option("--smoothing", type=float, metavar="BINS", help=smoothing)
    silent = "units that never exceed this are silent [%(default)g]"
    option("--silent-below", type=float, default=0.0, metavar="RATE", help=silent)
    nulls = "null maps of each unit, and circular shifts of a path [%(default)s]"
    option("--nulls", type=positive_int, default=500, metavar="N", help=nulls)
    null = "what null maps keep: the spectrum or the fields [%(default)s]"
    kinds = ("random phase", "field shuffle")
    option("--null", choices=kinds, default=kinds[0], help=null)
    level = "largest p of a module, and of a spatial unit [%(default)s]"
    option("--significance", type=float, default=0.01, metavar="P", help=level)
    rate = "largest expected share of false discoveries among units of a type [%(default)s]"
    option("--false-discovery-rate", type=float, default=0.05, metavar="Q", help=rate)
    option("--seed", type=whole_number, default=0, metavar="N", help="of the nulls [%(default)s]")
    torus = "test rings and topology: do the states of a module lie on a torus?"
    option("--state-space", action="store_true", help=torus)
    option("--shuffles", type=positive_int, metavar="N", help="with --state-space: shuffles [99]")
    page = "one page of everything; of many files: a folder"
    option("--report", type=Path, metavar="OUT.html", help=page)
    table = "a row for each unit of all files; .csv or .parquet"
    option("--table", type=Path, metavar="OUT.csv", help=table)
    drawn = "the figures as PNG and PDF into this folder"
    option("--figures", type=output_folder, metavar="DIR", help=drawn)
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.api.sessions import UnitTable
    from gridcode.cli.many_sessions import score_all

    sessions = _sessions(arguments.files)
    _check(arguments, sessions)
    table = UnitTable(arguments.table) if arguments.table else None
    if len(sessions) == 1:
        _score_one(arguments, sessions[0], table)
    else:
        score_all(arguments, sessions, _scored, table)


def _sessions(files: Sequence[str]) -> list[Files]:
    """Which files are one session each."""
    from gridcode.recordings.examples import EXAMPLE
    from gridcode.recordings.files import sessions_of

    return sessions_of([EXAMPLE if file == "example" else Path(file) for file in files])


def _check(arguments: argparse.Namespace, sessions: Sequence[Files]) -> None:
    """Refuse, before any work, options that do not go together and outputs over inputs."""
    from gridcode.analysis.population import check_tests
    from gridcode.analysis.topology.state_space import check_shuffles
    from gridcode.runs.files import check_writable

    if arguments.report is not None:
        if len(sessions) > 1 and arguments.report.suffix.lower() in (".html", ".htm"):
            raise InputError(f"--report {arguments.report}: several files need a folder for pages")
        check_writable(arguments.report, folder=len(sessions) > 1)
    for option in ("report", "table"):
        out = getattr(arguments, option)
        for file in (file for files in sessions for file in files):
            if out is not None and out.exists() and file.exists() and out.samefile(file):
                raise InputError(f"--{option} {out} would overwrite the file to be scored")
    if arguments.shuffles is not None and not arguments.state_space:
        raise InputError("--shuffles applies to --state-space")
    if arguments.shuffles is not None:
        check_shuffles(arguments.shuffles)  # not after the null maps
    check_tests(
        nulls=arguments.nulls,
        null=arguments.null,
        level=arguments.significance,
        false_discovery_rate=arguments.false_discovery_rate,
    )


def _score_one(arguments: argparse.Namespace, files: Files, table: "UnitTable | None") -> None:
    from gridcode.cli.progress import working

    scored, name = _scored(arguments, files), printable(files[0].name)
    if arguments.files == ["example"]:
        name = "example"
    summary, states = scored.population.summary, scored.states
    if arguments.report is not None:
        with working("score", "report", quiet=arguments.quiet):
            scored.write_report(arguments.report, name)
    if arguments.figures is not None:
        with working("score", "figures", quiet=arguments.quiet):
            scored.write_figures(arguments.figures)
    if table is not None:
        table.add(name, summary)
    if arguments.json:
        print_json(scored.as_json() | {"file": files[0].name})
        return
    _print(summary, states)
    for option in ("report", "figures", "table"):
        if getattr(arguments, option) is not None:
            print(f"{option}: {getattr(arguments, option)}")


def _scored(arguments: argparse.Namespace, files: Files, name: str = "") -> "Scored":
    """A session, loaded and scored; `name` stands before its notes."""
    from gridcode.cli.many_sessions import Scored
    from gridcode.cli.progress import progress_bar

    recording = load(arguments, files)
    for note in recording.notes:
        print_error(f"{name}: {note}" if name else note)
    with progress_bar(f"score {name}".strip(), quiet=arguments.quiet) as progress:
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
    return Scored(recording, population, states)


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
