"""The options of every command, made from the configuration's own fields where they are settings."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from gridcode import config as configuration
from gridcode.errors import InputError
from gridcode.version import __version__


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are the user's to read: one line, exit code 2."""

    def __init__(self, **options: Any) -> None:
        # A shortened option must not pass for another setting than the one meant.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:  # noqa: D102 - argparse documents it
        raise InputError(f"{message} (see `{self.prog} --help`)")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog="gridcode", description="Grow grid cells by self-supervision, and study them."
    )
    parser.add_argument("--version", action="version", version=f"gridcode {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    all_sections = ("world", "model", "loss", "training", "evaluation")

    train = commands.add_parser(
        "train",
        usage="gridcode train WHAT [--out RUN] [--seeds SEEDS] [--vary SETTING=VALUES] [--jobs N] [--at-once N] [--quiet] [--json] [--SETTING VALUE]",
        help="train a network from a preset or file, or resume a run",
        description="Train a network. WHAT is a preset (see `gridcode presets`), a TOML file, or a run folder to resume. "
        "Any setting can be overridden; lists are written like '[64, 64]'. Defaults in brackets are those of a file that leaves the setting out; "
        "presets set some of them otherwise.",
    )
    train.add_argument("what", metavar="WHAT", help="preset, TOML file, or run folder to resume")
    train.add_argument(
        "--out",
        metavar="RUN",
        help="new run folder [runs/NAME-seedN]; with --seeds or --vary the folder of the run folders [runs]",
    )
    train.add_argument(
        "--seeds",
        metavar="SEEDS",
        help="train a network for each seed, such as 0-7 or 0,3,5; again to go on after a stop",
    )
    vary = "with --seeds, or alone: train a network for each value, such as loss.sigma_g=0.3,0.4; several times for all combinations"
    train.add_argument("--vary", action="append", default=[], metavar="SETTING=VALUES", help=vary)
    train.add_argument(
        "--jobs",
        metavar="N",
        help="of many networks, how many train side by side on a CPU [the number of cores]",
    )
    train.add_argument(
        "--at-once",
        metavar="N",
        help="of many networks, how many train as one program on a GPU [all]",
    )
    _quiet_and_json(train)
    _add_overrides(train, all_sections)

    evaluate = commands.add_parser(
        "evaluate",
        usage="gridcode evaluate RUN [--arena METRES ...] [--quiet] [--json] [--SETTING VALUE ...]",
        help="rate maps and grid scores of a run",
        description="Walk a trained network through arenas; save rate maps and scores in RUN/evaluation.",
    )
    evaluate.add_argument("run", metavar="RUN", help="run folder")
    evaluate.add_argument(
        "--arena",
        nargs="+",
        metavar="METRES",
        help="sides of the square arenas, such as 2 4 6 [the run's own]",
    )
    _quiet_and_json(evaluate)
    _add_overrides(evaluate, ("evaluation",))

    score = commands.add_parser(
        "score",
        usage="gridcode score FILE [--bin-size METRES] [--group NAME] [--report OUT.html] [--quiet] [--json] [--OPTION VALUE ...]",
        help="grid scores, p-values, cell types and modules of any rate maps or recording",
        description="Score anybody's cells. FILE is .npz with rate_maps (unit, y, x) and bin_size_m; .npy of maps with --bin-size; .nc as written by "
        "`gridcode evaluate`; or .npz with positions_m (time, 2), time_s and either activity (time, unit) or spike_times_s and spike_units.",
    )
    score.add_argument("file", metavar="FILE", help="rate maps, or a path with spikes or activity")
    score.add_argument(
        "--bin-size", metavar="METRES", help="side of a bin [the file's; 0.025 for a path]"
    )
    score.add_argument(
        "--group",
        metavar="NAME",
        help="group of an .nc file, such as smooth_4m [that of its headline]",
    )
    score.add_argument(
        "--arena",
        metavar="METRES",
        help="for a path: side of the square arena [the box that the path fills]",
    )
    score.add_argument(
        "--min-speed", metavar="M/S", help="for a path: leave slower samples out [0]"
    )
    score.add_argument(
        "--smoothing",
        metavar="BINS",
        help="Gaussian smoothing before scoring [1; 0 for maps drawn from a path, smoothed by 1.5 there]",
    )
    score.add_argument(
        "--silent-below",
        metavar="RATE",
        help="units whose activity never exceeds this are silent [0]",
    )
    score.add_argument(
        "--nulls", metavar="N", help="null maps of each unit, and circular shifts of a path [500]"
    )
    score.add_argument(
        "--null", metavar="NULL", help="'random phase' or 'field shuffle' [random phase]"
    )
    score.add_argument(
        "--significance", metavar="P", help="largest p-value of a unit or module that counts [0.01]"
    )
    score.add_argument(
        "--false-discovery-rate",
        metavar="Q",
        help="largest expected share of false discoveries among units that count [0.05]",
    )
    score.add_argument("--seed", metavar="N", help="seed of the nulls [0]")
    score.add_argument(
        "--state-space",
        action="store_true",
        help="measure rings and topology as well: do the states of a module lie on a torus?",
    )
    score.add_argument(
        "--shuffles", metavar="N", help="with --state-space: shuffles of each population [99]"
    )
    score.add_argument("--report", metavar="OUT.html", help="write everything as one page")
    score.add_argument(
        "--figures", metavar="DIR", help="write the figures as PNG and PDF into this folder"
    )
    _quiet_and_json(score)

    report = commands.add_parser(
        "report",
        help="write a run's report.html",
        description="Write RUN/report.html and RUN/figures from the run's evaluation.",
    )
    report.add_argument("run", metavar="RUN", help="run folder")
    _quiet_and_json(report)

    film = commands.add_parser(
        "film",
        usage="gridcode film RUN [--out FILE] [--units N] [--seconds S] [--size PIXELS] [--quiet] [--json]",
        help="the film of a training: how grid cells grow",
        description="Write a film of an evaluated run: rate maps of its best units at every snapshot of the training, with the loss and the number "
        "of hexagonal units. FILE ends in .gif, .webp, or .mp4 (which needs ffmpeg).",
    )
    film.add_argument("run", metavar="RUN", help="run folder")
    film.add_argument("--out", metavar="FILE", help="film to write [RUN/film.gif]")
    film.add_argument("--units", metavar="N", help="how many units, the best of each module [24]")
    film.add_argument(
        "--seconds", metavar="S", help="length, a second on the last frame included [8]"
    )
    film.add_argument("--size", metavar="PIXELS", help="side of the square picture [720]")
    _quiet_and_json(film)

    compare = commands.add_parser(
        "compare",
        usage="gridcode compare RUN RUN [RUN ...] [--out FILE] [--quiet] [--json]",
        help="several runs on one page: settings that differ first",
        description="Print which settings of evaluated runs differ, and their headline numbers; write them with maps and curves side by side as one "
        "self-contained page.",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="run folders, evaluated")
    compare.add_argument("--out", metavar="FILE", help="page to write [comparison.html]")
    _quiet_and_json(compare)

    presets = commands.add_parser(
        "presets",
        help="list the presets, or show one",
        description="List the presets, show one as TOML, or list all settings.",
    )
    presets.add_argument("name", nargs="?", metavar="PRESET", help="show this preset, complete")
    presets.add_argument(
        "--fields", action="store_true", help="list every setting with its default and meaning"
    )
    presets.add_argument(
        "--json", action="store_true", help="print the result as JSON on standard output"
    )

    pretrained = commands.add_parser(
        "pretrained",
        usage="gridcode pretrained [NAME] [--out RUN] [--json]",
        help="list the trained networks in the package, or unpack one into a run folder",
        description="List the trained networks that come with the package, show one, or unpack one into an ordinary run folder, for "
        "`gridcode evaluate` and all that reads one.",
    )
    pretrained.add_argument("name", nargs="?", metavar="NAME", help="show this network")
    pretrained.add_argument("--out", metavar="RUN", help="unpack it into this new run folder")
    pretrained.add_argument(
        "--json", action="store_true", help="print the result as JSON on standard output"
    )

    reproduce = commands.add_parser(
        "reproduce",
        usage="gridcode reproduce FIGURE [--runs RUN ...] [--out DIR] [--quiet] [--json]",
        help="draw a figure of the paper from trained networks, with its numbers and a verdict",
        description="Draw a figure of the paper from run folders, or from the networks in the package: FIGURE.png, FIGURE.pdf, tables (FIGURE*.csv) "
        "and a paragraph (FIGURE.md) on what the paper shows, what was found and whether that agrees. FIGURE is one of fig4, fig5, fig6, fig7, fig9.",
    )
    reproduce.add_argument(
        "figure",
        metavar="FIGURE",
        help="fig4 modules, fig5 other walks and arenas, fig6 torus, fig7 ablations, fig9 all units",
    )
    runs = "run folders: numbers over all, maps of the first; for fig7 the folder of `gridcode ablate` [what the package holds]"
    reproduce.add_argument("--runs", nargs="+", metavar="RUN", help=runs)
    reproduce.add_argument("--out", metavar="DIR", help="folder to write into [reproduced/FIGURE]")
    _quiet_and_json(reproduce)

    ablate = commands.add_parser(
        "ablate",
        usage="gridcode ablate [PRESET] [--seeds SEEDS] [--variants NAMES] [--out DIR] [--jobs N] [--quiet] [--json] [--SETTING VALUE ...]",
        help="the paper's ablations: train without each part of the recipe, measure, judge",
        description="Train a reference and every variant that lacks a part of the recipe, with several seeds each; measure all networks, and judge "
        "what the paper says of them by rules written down beforehand. Again, with the same --out, to go on after a stop. Any setting of the "
        "training can be overridden; it then holds for the reference and all variants.",
    )
    ablate.add_argument(
        "what",
        metavar="PRESET",
        nargs="?",
        default="quick",
        help="preset or TOML file of the reference [quick]",
    )
    ablate.add_argument(
        "--seeds",
        metavar="SEEDS",
        default="0-4",
        help="seeds of every variant, such as 0-7; fewer than 3 decide nothing [0-4]",
    )
    ablate.add_argument(
        "--variants",
        metavar="NAMES",
        help="variants beside the reference, such as no-capacity,sigma_g [all]",
    )
    ablate.add_argument(
        "--out", metavar="DIR", help="folder of runs, tables and figure [ablations/NAME]"
    )
    ablate.add_argument(
        "--jobs",
        metavar="N",
        help="how many networks train side by side on a CPU [the number of cores]",
    )
    ablate.add_argument(
        "--arena", metavar="METRES", help="side of the arena that networks are measured in [4]"
    )
    ablate.add_argument("--nulls", metavar="N", help="null maps of each unit [200]")
    _quiet_and_json(ablate)
    _add_overrides(ablate, ("world", "model", "loss", "training"))

    explore = commands.add_parser(
        "explore",
        usage="gridcode explore [RUNS ...] [--port N] [--host ADDRESS] [--no-browser] [--quiet] [--json]",
        help="look at runs in the browser, also while they train",
        description="Serve a page on this machine that lists the runs in RUNS and shows each of them; Ctrl-C stops it. Nothing is written.",
    )
    explore.add_argument(
        "runs",
        nargs="*",
        metavar="RUNS",
        default=["runs"],
        help="folders of run folders, or run folders [runs]",
    )
    explore.add_argument(
        "--port", metavar="N", help="port to serve at [8765, or the next that is free]"
    )
    explore.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to serve at; others than 127.0.0.1 open it to the network",
    )
    explore.add_argument("--no-browser", action="store_true", help="do not open the page")
    explore.add_argument("--quiet", action="store_true", help="do not say where the page is")
    explore.add_argument(
        "--json", action="store_true", help="print the address as JSON on standard output"
    )

    bench = commands.add_parser(
        "bench",
        help="time training steps on this machine",
        description="Time one training step of each preset beside the naive step and beside its floor, on the CPU and on a GPU where there "
        "is one; a minute or two. Close other programs first.",
    )
    bench.add_argument(
        "--no-naive",
        action="store_true",
        help="leave out the naive step (it needs gigabytes of memory)",
    )
    _quiet_and_json(bench)

    demo = commands.add_parser(
        "demo",
        usage="gridcode demo [--out RUN] [--quiet] [--json] [--SETTING VALUE ...]",
        help="grow grid cells now: train, evaluate, report",
        description="Train the `quick` preset from scratch, evaluate it and write its report; a few minutes on two cores.",
    )
    demo.add_argument(
        "--out", metavar="RUN", help="run folder [the first free of runs/demo, runs/demo-2, ...]"
    )
    _quiet_and_json(demo)
    _add_overrides(demo, all_sections)
    return parser


def _add_overrides(parser: argparse.ArgumentParser, sections: Sequence[str]) -> None:
    groups: dict[str, Any] = {}
    names = [key.split(".")[1] for key in configuration.fields()]
    for key, field in configuration.fields().items():
        section, name = key.split(".")
        if section not in sections:
            continue
        # A setting may be given by its own name where only one section has it; --seed and --steps
        # are the training's.
        own = names.count(name) == 1 or section == "training" or sections == ("evaluation",)
        if section not in groups:
            groups[section] = parser.add_argument_group(f"settings: {section}")
        flags = [f"--{key.replace('_', '-')}"] + ([f"--{name.replace('_', '-')}"] if own else [])
        default = field.get_default()
        text = f"{(field.description or '').replace('%', '%%')} [{default}]"
        groups[section].add_argument(*flags, dest=f"set:{key}", metavar="VALUE", help=text)


def _quiet_and_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress display")
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON on standard output"
    )
