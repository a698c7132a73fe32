"""`gridcode export`: a run, a packaged network or a recording as a file for other tools."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gridcode
from gridcode.cli.messages import print_error, print_json
from gridcode.cli.options import add_quiet_and_json, output_file, positive_int, whole_number
from gridcode.cli.reading_options import HINT, add_reading_options, load
from gridcode.errors import InputError
from gridcode.interop.export import DEFAULT_MINUTES, FORMATS, format_of, is_recording
from gridcode.interop.metadata import metadata_for

# Options that only a network or only a recording takes, and their settings in `gridcode.export`.
OF_NETWORKS = {"minutes": "minutes", "step_seconds": "step_s", "spikes": "spikes_hz"}
OF_RECORDINGS = ("nulls", "bin_size", "group", "arena", "min_speed", "max_speed", "order")


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode export WHAT ... --to FORMAT [--out FILE] [--OPTION VALUE ...]"
    parser.description = (
        "Write cells and what was found of them for other tools. WHAT is an evaluated run, a "
        "packaged network, or a recording as of `gridcode score`, which is scored first. nwb: the "
        "session, maps and all measures; csv, parquet: a row for each unit; netcdf: maps and "
        "measures for xarray. " + HINT
    )
    option = parser.add_argument
    option("what", metavar="WHAT", nargs="+", help="run, packaged network, or files of a session")
    option("--to", choices=tuple(FORMATS), help="format [by the ending of FILE]")
    option("--out", type=output_file, metavar="FILE", help="[WHAT with the format's ending]")
    about = "of an NWB file: start of the session, subject, ... (docs/howto/export.md)"
    option("--metadata", type=Path, metavar="FILE.toml", help=about)
    walk = f"that a network walks, for an NWB file; 0: no walk [{DEFAULT_MINUTES:g}]"
    option("--minutes", type=float, metavar="N", help=walk)
    step = "duration of a network's step [the longest is run at 0.24 m/s]"
    option("--step-seconds", type=float, metavar="S", help=step)
    spikes = "Poisson spikes in place of a network's activity, at its largest"
    option("--spikes", type=float, metavar="HZ", help=spikes)
    option("--nulls", type=positive_int, metavar="N", help="null maps of a recording's units [500]")
    seed = "of walk and spikes, or of null maps [%(default)s]"
    option("--seed", type=whole_number, default=0, metavar="N", help=seed)
    add_reading_options(parser)
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar

    first = Path(arguments.what[0])
    recorded = len(arguments.what) > 1 or is_recording(arguments.what[0])
    out = _out(arguments, first.stem if recorded else first.name)
    kind = format_of(out, arguments.to)
    _check(arguments, recorded=recorded, walks=kind == "nwb")
    for file in map(Path, arguments.what):
        if out.exists() and file.exists() and out.samefile(file):
            raise InputError(f"--out {out} would overwrite what is exported")
    settings: dict[str, Any] = {"seed": arguments.seed}
    if kind == "nwb":  # before a recording is loaded
        settings["metadata"] = metadata_for(arguments.metadata, simulated=not recorded)
    elif arguments.metadata is not None:
        raise InputError(f"--metadata is of an NWB file, not of {out.name}")
    what: Any = arguments.what[0]
    if recorded:
        what, settings["name"] = _recording(arguments), first.stem
        settings["nulls"] = arguments.nulls or 500
    for option, name in OF_NETWORKS.items():
        if (value := getattr(arguments, option)) is not None:
            settings[name] = value
    with progress_bar("export", quiet=arguments.quiet) as progress:
        gridcode.export(what, out, progress=progress, **settings)
    if arguments.json:
        print_json({"file": str(out), "format": kind, "bytes": out.stat().st_size})
    else:
        print(f"{kind}: {out}")


def _out(arguments: argparse.Namespace, name: str) -> Path:
    if arguments.out is not None:
        return Path(arguments.out)
    if arguments.to is None:
        raise InputError(f"give --to, one of {', '.join(FORMATS)}, or --out with its ending")
    return output_file(f"{name or 'cells'}{FORMATS[arguments.to]}")


def _check(arguments: argparse.Namespace, *, recorded: bool, walks: bool) -> None:
    """Refuse options of recordings for networks, and the other way round."""
    whose, others = ("recordings", OF_NETWORKS) if recorded else ("networks", OF_RECORDINGS)
    for option in others:
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option.replace('_', '-')} does not apply to {whose}")
    for option in OF_NETWORKS:
        if getattr(arguments, option) is not None and not walks:
            raise InputError(f"--{option.replace('_', '-')} is of a walk, for an NWB file")


def _recording(arguments: argparse.Namespace) -> Any:
    from gridcode.recordings.examples import EXAMPLE

    files = [EXAMPLE if name == "example" else Path(name) for name in arguments.what]
    recording = load(arguments, files)
    for note in recording.notes:
        print_error(note)
    return recording
