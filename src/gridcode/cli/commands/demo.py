"""`gridcode demo`: train, evaluate and report, or report on a packaged network."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gridcode
from gridcode.cli.commands.evaluate import run_evaluation
from gridcode.cli.commands.report import write_report
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_quiet_and_json
from gridcode.cli.settings import add_settings, settings_of
from gridcode.config import Config, load_config
from gridcode.errors import InputError

if TYPE_CHECKING:
    from gridcode.analysis.records import Summary
    from gridcode.training.loop import Progress

# Its three modules are what the package is about.
DEFAULT_NETWORK = "modules-192"
# Half of the preset's: as many units are on lattices, in half of the time, but path integration is
# off by twice as much (experiments/speed).
STEPS = 2000


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode demo [--pretrained [NAME]] [--out RUN] [--quiet] [--json]"
    parser.description = (
        f"Train the `quick` preset from scratch for {STEPS:,} steps, evaluate it and write its "
        "report, in a few minutes on two cores. RUN/maps.png shows rate maps within the first "
        "minute. Topology, dynamics and coding come last and are added to the report; Ctrl-C "
        "leaves them out."
    )
    parser.add_argument(
        "--pretrained",
        nargs="?",
        const=DEFAULT_NETWORK,
        metavar="NAME",
        help=f"the report of a network that comes with the package instead, in seconds "
        f"[{DEFAULT_NETWORK}]",
    )
    parser.add_argument(
        "--out", metavar="RUN", help="run folder [the first free of runs/demo, runs/demo-2, ...]"
    )
    add_quiet_and_json(parser)
    # Accepted, but listed by `gridcode train --help` only.
    add_settings(parser, ("world", "model", "loss", "training", "evaluation"))


def run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    if arguments.pretrained:
        if settings:
            raise InputError(f"--pretrained trains nothing: leave out {', '.join(settings)}")
        _show_pretrained(arguments)
    else:
        shorter = load_config("quick").override({"training.steps": STEPS})
        _grow(arguments, shorter.override(settings))


def _grow(arguments: argparse.Namespace, config: Config) -> None:
    from gridcode.cli.terminal import print_summary, print_theory

    quiet, talk = arguments.quiet, not arguments.json
    out = _folder(arguments, "demo")
    if talk:
        about = f"preset quick, {config.training.steps:,} steps, seed {config.training.seed}"
        print(f"growing grid cells from random weights ({about}) in {out}", flush=True)
    run = _train(config, out, quiet=quiet, talk=talk)
    cells = config.evaluation.model_copy(update={"theory": False})
    summary = run_evaluation(run, cells, quiet=quiet)
    page = write_report(run, quiet=quiet)
    if talk:
        print_summary(summary)
        print(f"run folder: {run.folder}\nreport:     {page}", flush=True)
    if config.evaluation.theory:
        if talk:
            print(
                "now topology, dynamics and coding, which take longer than all before; they are "
                "added to the report. Ctrl-C leaves them out.",
                flush=True,
            )
        try:
            summary = run_evaluation(run, config.evaluation, quiet=quiet)
            write_report(run, quiet=quiet)
        except KeyboardInterrupt:
            measure = f"`gridcode evaluate {run.folder}`, then `gridcode report {run.folder}`"
            raise KeyboardInterrupt(
                f"; the report is complete without topology, dynamics and coding: {measure} adds "
                "them"
            ) from None
        if talk:
            print_theory(summary)
            print(f"report:     {page}, complete")
    if arguments.json:
        _print_result(run, summary, page)
    else:
        _print_next(run)


def _train(config: Config, out: Path, *, quiet: bool, talk: bool) -> "gridcode.Run":
    """Train with a progress display, and with pictures on the way."""
    from gridcode.api.first_maps import FirstMaps
    from gridcode.cli.progress import training_bar

    def say(line: str) -> None:
        if talk:
            print(line, flush=True)

    with training_bar(quiet=quiet) as bar, FirstMaps(out, say) as maps:

        def progress(now: "Progress") -> None:
            maps.follow(now)
            if bar:
                bar(now)

        return gridcode.train(config, out=out, progress=progress)


def _show_pretrained(arguments: argparse.Namespace) -> None:
    from gridcode.cli.terminal import print_summary, print_theory

    found = gridcode.pretrained(arguments.pretrained)
    run = found.unpack(_folder(arguments, found.name))
    summary = run.evaluated()
    page = write_report(run, quiet=arguments.quiet)
    if arguments.json:
        _print_result(run, summary, page)
        return
    print_summary(summary)
    print_theory(summary)
    print(f"run folder: {run.folder}\nreport:     {page}")
    _print_next(run)


def _folder(arguments: argparse.Namespace, name: str) -> Path:
    """The folder that was asked for, else the first free one of that name in `runs`."""
    if arguments.out:
        return Path(arguments.out)
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in (Path("runs") / n for n in names) if not folder.exists())


def _print_result(run: "gridcode.Run", summary: "Summary", page: Path) -> None:
    found = summary.model_dump(mode="json", include={"verdict", "types", "modules", "headline"})
    print_json({"run": str(run.folder), "report": str(page)} | found)


def _print_next(run: "gridcode.Run") -> None:
    film = f"gridcode film {run.folder}, or " if len(run.snapshots()) > 1 else ""
    print(f"next: {film}gridcode explore {run.folder.parent}")
