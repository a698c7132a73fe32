"""The command line: parses, calls, prints. Bad input is one line on standard error and exit code 2.

The options are made from the configuration's own fields (argparse), so that help, TOML and the command line never
disagree and every mistake is reported by the same validation.
"""

import argparse
import io
import json
import signal
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape

import gridcode
from gridcode import config as configuration
from gridcode.errors import GridcodeError, InputError
from gridcode.terminal import print_case, print_comparison, print_modules, print_summary, print_units, printable, wide_console

MOST_NETWORKS = 10_000
ENOUGH_NULLS = 200
ERRORS = Console(stderr=True, soft_wrap=True)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # A shortened option must not pass for another setting than the one meant.
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see `{self.prog} --help`)")


def _add_overrides(parser: argparse.ArgumentParser, sections: Sequence[str]) -> None:
    groups: dict[str, Any] = {}
    names = [key.split(".")[1] for key in configuration.fields()]
    for key, field in configuration.fields().items():
        section, name = key.split(".")
        if section not in sections:
            continue
        # A setting may be given by its own name where only one section has it; --seed and --steps are the training's.
        own = names.count(name) == 1 or section == "training" or sections == ("evaluation",)
        if section not in groups:
            groups[section] = parser.add_argument_group(f"settings: {section}")
        flags = [f"--{key.replace('_', '-')}"] + ([f"--{name.replace('_', '-')}"] if own else [])
        default = field.get_default()
        text = f"{(field.description or '').replace('%', '%%')} [{default}]"
        groups[section].add_argument(*flags, dest=f"set:{key}", metavar="VALUE", help=text)


def _overrides(arguments: argparse.Namespace) -> dict[str, str]:
    return {name.removeprefix("set:"): value for name, value in vars(arguments).items() if name.startswith("set:") and value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gridcode", description="Grow grid cells by self-supervision, and study them.")
    parser.add_argument("--version", action="version", version=f"gridcode {gridcode.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
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
    train.add_argument("--out", metavar="RUN", help="new run folder [runs/NAME-seedN]; with --seeds or --vary the folder of the run folders [runs]")
    train.add_argument("--seeds", metavar="SEEDS", help="train a network for each seed, such as 0-7 or 0,3,5; again to go on after a stop")
    vary = "with --seeds, or alone: train a network for each value, such as loss.sigma_g=0.3,0.4; several times for all combinations"
    train.add_argument("--vary", action="append", default=[], metavar="SETTING=VALUES", help=vary)
    train.add_argument("--jobs", metavar="N", help="of many networks, how many train side by side on a CPU [the number of cores]")
    train.add_argument("--at-once", metavar="N", help="of many networks, how many train as one program on a GPU [all]")
    _quiet_and_json(train)
    _add_overrides(train, all_sections)

    evaluate = commands.add_parser(
        "evaluate",
        usage="gridcode evaluate RUN [--arena METRES ...] [--quiet] [--json] [--SETTING VALUE ...]",
        help="rate maps and grid scores of a run",
        description="Walk a trained network through arenas; save rate maps and scores in RUN/evaluation.",
    )
    evaluate.add_argument("run", metavar="RUN", help="run folder")
    evaluate.add_argument("--arena", nargs="+", metavar="METRES", help="sides of the square arenas, such as 2 4 6 [the run's own]")
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
    score.add_argument("--bin-size", metavar="METRES", help="side of a bin [the file's; 0.025 for a path]")
    score.add_argument("--group", metavar="NAME", help="group of an .nc file, such as smooth_4m [that of its headline]")
    score.add_argument("--arena", metavar="METRES", help="for a path: side of the square arena [the box that the path fills]")
    score.add_argument("--min-speed", metavar="M/S", help="for a path: leave slower samples out [0]")
    score.add_argument(
        "--smoothing", metavar="BINS", help="Gaussian smoothing before scoring [1; 0 for maps drawn from a path, smoothed by 1.5 there]"
    )
    score.add_argument("--silent-below", metavar="RATE", help="units whose activity never exceeds this are silent [0]")
    score.add_argument("--nulls", metavar="N", help="null maps of each unit, and circular shifts of a path [500]")
    score.add_argument("--null", metavar="NULL", help="'random phase' or 'field shuffle' [random phase]")
    score.add_argument("--significance", metavar="P", help="largest p-value of a unit or module that counts [0.01]")
    score.add_argument("--false-discovery-rate", metavar="Q", help="largest expected share of false discoveries among units that count [0.05]")
    score.add_argument("--seed", metavar="N", help="seed of the nulls [0]")
    score.add_argument("--state-space", action="store_true", help="measure rings and topology as well: do the states of a module lie on a torus?")
    score.add_argument("--shuffles", metavar="N", help="with --state-space: shuffles of each population [99]")
    score.add_argument("--report", metavar="OUT.html", help="write everything as one page")
    score.add_argument("--figures", metavar="DIR", help="write the figures as PNG and PDF into this folder")
    _quiet_and_json(score)

    report = commands.add_parser(
        "report", help="write a run's report.html", description="Write RUN/report.html and RUN/figures from the run's evaluation."
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
    film.add_argument("--seconds", metavar="S", help="length, a second on the last frame included [8]")
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
        "presets", help="list the presets, or show one", description="List the presets, show one as TOML, or list all settings."
    )
    presets.add_argument("name", nargs="?", metavar="PRESET", help="show this preset, complete")
    presets.add_argument("--fields", action="store_true", help="list every setting with its default and meaning")
    presets.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    pretrained = commands.add_parser(
        "pretrained",
        usage="gridcode pretrained [NAME] [--out RUN] [--json]",
        help="list the trained networks in the package, or unpack one into a run folder",
        description="List the trained networks that come with the package, show one, or unpack one into an ordinary run folder, for "
        "`gridcode evaluate` and all that reads one.",
    )
    pretrained.add_argument("name", nargs="?", metavar="NAME", help="show this network")
    pretrained.add_argument("--out", metavar="RUN", help="unpack it into this new run folder")
    pretrained.add_argument("--json", action="store_true", help="print the result as JSON on standard output")

    reproduce = commands.add_parser(
        "reproduce",
        usage="gridcode reproduce FIGURE [--runs RUN ...] [--out DIR] [--quiet] [--json]",
        help="draw a figure of the paper from trained networks, with its numbers and a verdict",
        description="Draw a figure of the paper from run folders, or from the networks in the package: FIGURE.png, FIGURE.pdf, tables (FIGURE*.csv) "
        "and a paragraph (FIGURE.md) on what the paper shows, what was found and whether that agrees. FIGURE is one of fig4, fig5, fig6, fig7, fig9.",
    )
    reproduce.add_argument("figure", metavar="FIGURE", help="fig4 modules, fig5 other walks and arenas, fig6 torus, fig7 ablations, fig9 all units")
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
    ablate.add_argument("what", metavar="PRESET", nargs="?", default="quick", help="preset or TOML file of the reference [quick]")
    ablate.add_argument("--seeds", metavar="SEEDS", default="0-4", help="seeds of every variant, such as 0-7; fewer than 3 decide nothing [0-4]")
    ablate.add_argument("--variants", metavar="NAMES", help="variants beside the reference, such as no-capacity,sigma_g [all]")
    ablate.add_argument("--out", metavar="DIR", help="folder of runs, tables and figure [ablations/NAME]")
    ablate.add_argument("--jobs", metavar="N", help="how many networks train side by side on a CPU [the number of cores]")
    ablate.add_argument("--arena", metavar="METRES", help="side of the arena that networks are measured in [4]")
    ablate.add_argument("--nulls", metavar="N", help="null maps of each unit [200]")
    _quiet_and_json(ablate)
    _add_overrides(ablate, ("world", "model", "loss", "training"))

    explore = commands.add_parser(
        "explore",
        usage="gridcode explore [RUNS ...] [--port N] [--host ADDRESS] [--no-browser] [--quiet] [--json]",
        help="look at runs in the browser, also while they train",
        description="Serve a page on this machine that lists the runs in RUNS and shows each of them; Ctrl-C stops it. Nothing is written.",
    )
    explore.add_argument("runs", nargs="*", metavar="RUNS", default=["runs"], help="folders of run folders, or run folders [runs]")
    explore.add_argument("--port", metavar="N", help="port to serve at [8765, or the next that is free]")
    explore.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="address to serve at; others than 127.0.0.1 open it to the network")
    explore.add_argument("--no-browser", action="store_true", help="do not open the page")
    explore.add_argument("--quiet", action="store_true", help="do not say where the page is")
    explore.add_argument("--json", action="store_true", help="print the address as JSON on standard output")

    bench = commands.add_parser(
        "bench",
        help="time training steps on this machine",
        description="Time one training step of each preset beside the naive step and beside its floor, on the CPU and on a GPU where there "
        "is one; a minute or two. Close other programs first.",
    )
    bench.add_argument("--no-naive", action="store_true", help="leave out the naive step (it needs gigabytes of memory)")
    _quiet_and_json(bench)

    demo = commands.add_parser(
        "demo",
        usage="gridcode demo [--out RUN] [--quiet] [--json] [--SETTING VALUE ...]",
        help="grow grid cells now: train, evaluate, report",
        description="Train the `quick` preset from scratch, evaluate it and write its report; a few minutes on two cores.",
    )
    demo.add_argument("--out", metavar="RUN", help="run folder [the first free of runs/demo, runs/demo-2, ...]")
    _quiet_and_json(demo)
    _add_overrides(demo, all_sections)
    return parser


def _quiet_and_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress display")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, 1 for a failure, 2 for bad input, 130 when interrupted."""
    warnings.showwarning = lambda message, *_, **__: _say(str(message))
    parser = _parser()
    parsed = argparse.Namespace(command=None)
    try:
        try:
            parsed, unknown = parser.parse_known_args(arguments)
        except SystemExit as stop:  # --help and --version
            return int(stop.code or 0)
        if unknown:
            raise InputError(_unknown_option(unknown[0]))
        if parsed.command is None:
            parser.print_help()
            return 0
        commands = {
            "train": _train, "evaluate": _evaluate, "score": _score, "report": _report, "presets": _presets, "demo": _demo, "bench": _bench,
            "film": _film, "compare": _compare,
            "pretrained": _pretrained, "reproduce": _reproduce, "ablate": _ablate, "explore": _explore,
        }  # fmt: skip
        commands[parsed.command](parsed)
        return 0
    except GridcodeError as error:
        _say(str(error))
        return error.exit_code
    except MemoryError:
        _say("not enough memory; take fewer units, larger bins or fewer null maps at once")
        return 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        goes_on = "; a training goes on from its last checkpoint with `gridcode train RUN`" if parsed.command in ("train", "demo") else ""
        _say("interrupted" + ("; the same command goes on from there" if parsed.command == "ablate" else goes_on))
        return 130


def _say(text: str) -> None:
    ERRORS.print(f"gridcode: {escape(printable(text))}", highlight=False)


def _say_of_few_nulls(settings: Mapping[str, Any]) -> None:
    """A unit's best of three p-values counts three times, and too few scores have no tail to go beyond the highest of them."""
    nulls, level = settings["nulls"], settings["level"]
    if nulls < ENOUGH_NULLS and 3 / (1 + nulls) > level:
        _say(f"with {nulls} null maps a unit by itself may be unable to reach p = {level:g}, and lattices be missed: take {ENOUGH_NULLS} or more")


def _unknown_option(option: str) -> str:
    name = option.split("=")[0]
    if not name.startswith("--"):
        return f"unexpected argument '{option}'"
    section, field = configuration.locate(name.removeprefix("--"))  # names the nearest setting where there is none
    return f"{name} does not apply to this command ({section}.{field} is a setting of the training)"


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1))


def _run_training(config: configuration.Config | None, out: Path, *, quiet: bool) -> gridcode.Run:
    from gridcode.display import training_bar

    with training_bar(ERRORS, quiet=quiet) as progress:
        return gridcode.train(config, out=out, progress=progress)


def _counted(arguments: argparse.Namespace, name: str) -> int | None:
    text = getattr(arguments, name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--{name.replace('_', '-')} must be a whole number from 1 on, not '{text}'")
    return int(text)


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) < int(first):
            raise InputError(f"--seeds must be numbers and ranges such as 0-7 or 0,3,5, not '{text}'")
        if int(last or first) - int(first) >= MOST_NETWORKS:
            raise InputError(f"--seeds {text} asks for more than {MOST_NETWORKS} networks at once")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _values(text: str) -> list[str]:
    """Values separated by commas; lists such as [64, 64] are one value."""
    depth, values = 0, [""]
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            values.append("")
        else:
            values[-1] += character
    return [value.strip() for value in values if value.strip()]


def _train_many(arguments: argparse.Namespace) -> None:
    from gridcode.display import many_bar

    what = arguments.what
    config = configuration.load_config(what).override(_overrides(arguments))
    vary: dict[str, list[str]] = {}
    for text in arguments.vary:
        key, equals, values = text.partition("=")
        if not equals:
            raise InputError(f"--vary must be SETTING=VALUE,VALUE such as loss.sigma_g=0.3,0.4, not '{text}'")
        key = ".".join(configuration.locate(key.strip()))
        if key in vary:
            raise InputError(f"--vary {key} is given twice; list all its values in one")
        vary[key] = _values(values)
    for key in [*vary, *(["training.seed"] if arguments.seeds is not None else [])]:
        if key in _overrides(arguments):
            raise InputError(f"{key} is both set and varied; leave one of the two out")
    seeds = _seeds(arguments.seeds) if arguments.seeds is not None else [config.training.seed]
    configs = gridcode.variants(config, name=Path(what).stem, seeds=seeds, vary=vary)
    jobs, at_once = _counted(arguments, "jobs"), _counted(arguments, "at_once")
    with many_bar(ERRORS, quiet=arguments.quiet) as progress:
        runs = gridcode.train_many(configs, out=arguments.out or "runs", jobs=jobs, at_once=at_once, progress=progress)
    if arguments.json:
        _print_json([{"run": str(run.folder), "manifest": run.manifest, "last": (run.metrics() or [{}])[-1]} for run in runs])
    else:
        print(f"trained {len(runs)} network{'s' if len(runs) > 1 else ''}; run folders:")
        for run in runs:
            print(f"  {run.folder}")
        print(f"next: gridcode evaluate {runs[0].folder}")


def _train(arguments: argparse.Namespace) -> None:
    if arguments.seeds is not None or arguments.vary:
        if Path(arguments.what).is_dir() and arguments.what not in configuration.preset_names():
            raise InputError(f"'{arguments.what}' is a run to resume: --seeds and --vary do not apply")
        _train_many(arguments)
        return
    for name in ("jobs", "at_once"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} applies to many networks: give --seeds or --vary")
    overrides = _overrides(arguments)
    what = arguments.what
    if Path(what).is_dir() and what not in configuration.preset_names():
        if overrides or arguments.out:
            raise InputError(f"'{what}' is a run to resume: it keeps its settings and its folder, so --out and overrides do not apply")
        run = _run_training(None, Path(what), quiet=arguments.quiet)
    else:
        config = configuration.load_config(what).override(overrides)
        out = Path(arguments.out) if arguments.out else Path("runs") / f"{Path(what).stem}-seed{config.training.seed}"
        run = _run_training(config, out, quiet=arguments.quiet)
    rows = run.metrics()
    if arguments.json:
        _print_json({"run": str(run.folder), "manifest": run.manifest, "last": rows[-1] if rows else None})
    else:
        print(f"trained {run.manifest['step']} steps; run folder: {run.folder}")
        print(f"next: gridcode evaluate {run.folder}")


def _run_evaluation(run: gridcode.Run, config: configuration.EvaluationConfig, *, quiet: bool) -> dict[str, Any]:
    from gridcode.display import evaluation_bar

    with evaluation_bar(ERRORS, quiet=quiet) as progress:
        summary = gridcode.evaluate(run, config=config, progress=progress).summary
    _say_of_few_nulls(summary["headline"]["settings"])
    return summary


def _evaluate(arguments: argparse.Namespace) -> None:
    run = gridcode.Run(arguments.run)
    overrides: dict[str, Any] = _overrides(arguments)
    if arguments.arena:
        overrides["evaluation.arenas_m"] = f"[{', '.join(arguments.arena)}]"
    config = run.config.override(overrides).evaluation
    summary = _run_evaluation(run, config, quiet=arguments.quiet)
    if arguments.json:
        _print_json(summary)
    else:
        print_summary(summary)
        print(f"next: gridcode report {run.folder}")


def _score(arguments: argparse.Namespace) -> None:
    from gridcode.analysis.population import population_summary, population_verdict
    from gridcode.display import evaluation_bar, working
    from gridcode.recordings import load_recording

    number = _number_option(arguments)
    out = _report_path(arguments)
    if arguments.seed is not None and not arguments.seed.isdecimal():
        raise InputError(f"--seed must be a whole number from 0 on, not '{arguments.seed}'")
    path_options = {"arena_m": number("arena"), "min_speed_m_s": number("min_speed")}
    recording = load_recording(
        arguments.file,
        bin_size_m=number("bin_size"),
        group=arguments.group,
        **{name: value for name, value in path_options.items() if value is not None},
    )
    for name in ("arena", "min_speed"):
        if recording.path is None and getattr(arguments, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} applies to a path, but {Path(arguments.file).name} holds rate maps")
    for note in recording.notes:
        _say(note)
    options = {
        "smoothing_bins": number("smoothing"),
        "silent_below": number("silent_below"),
        "nulls": _counted(arguments, "nulls"),
        "null": arguments.null,
        "significance": number("significance"),
        "false_discovery_rate": number("false_discovery_rate"),
        "seed": int(arguments.seed) if arguments.seed is not None else None,
    }
    shuffles = _counted(arguments, "shuffles") or 99
    if arguments.shuffles is not None and not arguments.state_space:
        raise InputError("--shuffles applies to --state-space")
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="score") as progress:
        population = gridcode.score(recording, progress=progress, **{name: value for name, value in options.items() if value is not None})
        states = None
        if arguments.state_space:
            seed = options["seed"] or 0
            states = gridcode.state_space(recording, population, nulls=shuffles, seed=seed, progress=progress)
    summary = population_summary(population)
    _say_of_few_nulls(summary["settings"])
    if out is not None:
        with working(ERRORS, quiet=arguments.quiet, title="score", what="report"):
            gridcode.write_score_report(population, out, recording=recording, title=printable(Path(arguments.file).name), states=states)
    if arguments.figures is not None:
        with working(ERRORS, quiet=arguments.quiet, title="score", what="figures"):
            gridcode.write_score_figures(population, arguments.figures, states=states)
    if arguments.json:
        found = {"state_space": states.summary} if states else {}
        _print_json(summary | found | {"file": Path(arguments.file).name, "notes": list(recording.notes)})
        return
    console = wide_console()
    print_units(console, summary)
    print_modules(console, summary)
    console.print(escape(population_verdict(summary)), highlight=False)
    if states is not None:
        from gridcode.report.words import state_space_sentences

        console.print(escape(" ".join(state_space_sentences(states.summary))), highlight=False)
    if out is not None:
        print(f"report: {out}")
    if arguments.figures is not None:
        print(f"figures: {arguments.figures}")


def _report_path(arguments: argparse.Namespace) -> Path | None:
    """Where the report goes, checked before minutes are spent on what it shows."""
    if arguments.report is None:
        return None
    out, file = Path(arguments.report), Path(arguments.file)
    try:
        if out.is_dir() or not out.absolute().parent.is_dir():
            raise InputError(f"cannot write '{out}': " + ("it is a folder" if out.is_dir() else f"there is no folder '{out.parent}'"))
        if out.exists() and file.exists() and out.samefile(file):
            raise InputError(f"--report {out} would overwrite the file to be scored")
    except OSError as error:
        raise InputError(f"cannot write '{out}': {error.strerror}") from None
    return out


def _number_option(arguments: argparse.Namespace) -> Callable[[str], float | None]:
    def number(name: str) -> float | None:
        text = getattr(arguments, name)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            raise InputError(f"--{name.replace('_', '-')} must be a number, not '{text}'") from None

    return number


def _report(arguments: argparse.Namespace) -> None:
    page = _write_report(gridcode.Run(arguments.run), quiet=arguments.quiet)
    if arguments.json:
        _print_json({"run": arguments.run, "report": str(page)})
    else:
        print(f"report: {page}")


def _write_report(run: gridcode.Run, *, quiet: bool) -> Path:
    from gridcode.display import evaluation_bar

    with evaluation_bar(ERRORS, quiet=quiet, title="report") as progress:
        return gridcode.write_report(run, progress=progress)


def _film(arguments: argparse.Namespace) -> None:
    from gridcode.display import evaluation_bar

    counted = {name: _counted(arguments, name) for name in ("units", "size")} | {"seconds": _number_option(arguments)("seconds")}
    options: dict[str, Any] = {name: value for name, value in counted.items() if value is not None}
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="film") as progress:
        out = gridcode.film(gridcode.Run(arguments.run), arguments.out, progress=progress, **options)
    if arguments.json:
        _print_json({"run": arguments.run, "film": str(out), "bytes": out.stat().st_size})
    else:
        print(f"film: {out}")


def _compare(arguments: argparse.Namespace) -> None:
    from gridcode.display import working

    with working(ERRORS, quiet=arguments.quiet, title="compare", what="runs"):
        comparison = gridcode.compare(arguments.runs)
        page = gridcode.write_comparison(comparison, arguments.out or "comparison.html")
    if arguments.json:
        _print_json(comparison.as_json() | {"page": str(page)})
    else:
        print_comparison(comparison)
        print(f"page: {page}")


def _presets(arguments: argparse.Namespace) -> None:
    if arguments.fields:
        rows = [(key, field.get_default(), field.description) for key, field in configuration.fields().items()]
        if arguments.json:
            _print_json([{"key": key, "default": default, "meaning": meaning} for key, default, meaning in rows])
            return
        for key, default, meaning in rows:
            print(f"{key} = {json.dumps(default)}\n    {meaning}")
    elif arguments.name:
        config = configuration.load_config(arguments.name)
        if arguments.json:
            _print_json(config.model_dump(mode="json"))
        else:
            print(config.to_toml(), end="")
    else:
        rows_of = [{"preset": name, "summary": configuration.preset_summary(name)} for name in configuration.preset_names()]
        if arguments.json:
            _print_json(rows_of)
            return
        for row in rows_of:
            print(f"{row['preset']:8s} {row['summary']}")


def _pretrained(arguments: argparse.Namespace) -> None:
    from gridcode.pretrained import table
    from gridcode.pretrained.library import details_of

    if arguments.name is None:
        if arguments.out:
            raise InputError(f"--out needs the NAME of a network: {', '.join(gridcode.pretrained_names())}")
        rows = [table.row(details_of(name)) for name in gridcode.pretrained_names()]
        if arguments.json:
            _print_json(rows)
        else:
            table.print_list(wide_console(), rows)
        return
    details = details_of(arguments.name)
    run = gridcode.pretrained(arguments.name).unpack(arguments.out) if arguments.out else None
    if arguments.json:
        _print_json(table.row(details) | ({"run": str(run.folder)} if run else {}))
    elif run:
        print(f"unpacked {arguments.name}; run folder: {run.folder}")
        print(f"next: gridcode evaluate {run.folder}")
    else:
        table.print_one(wide_console(), details)


def _reproduce(arguments: argparse.Namespace) -> None:
    from gridcode.display import evaluation_bar
    from gridcode.reproduce import reproduce

    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="reproduce") as progress:
        found = reproduce(arguments.figure, arguments.runs, arguments.out, progress)
    if arguments.json:
        _print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")


def _ablate(arguments: argparse.Namespace) -> None:
    from gridcode.ablation.study import ARENA_M, NULLS, check, plan
    from gridcode.ablation.training import train_members
    from gridcode.display import evaluation_bar, many_bar

    config = configuration.load_config(arguments.what).override(_overrides(arguments))
    if "training.seed" in _overrides(arguments):
        raise InputError("give the seeds with --seeds, not --seed")
    seeds, variants = _seeds(arguments.seeds), arguments.variants.split(",") if arguments.variants is not None else None
    folder = Path(arguments.out) if arguments.out else Path("ablations") / Path(arguments.what).stem
    jobs, arena = _counted(arguments, "jobs"), _number_option(arguments)("arena")
    options: dict[str, Any] = {"arena_m": ARENA_M if arena is None else arena, "nulls": _counted(arguments, "nulls") or NULLS}
    check(config, **options)
    # One display after the other: first that of the trainings, which are then there.
    with many_bar(ERRORS, quiet=arguments.quiet) as progress:
        train_members(plan(config, seeds=seeds, variants=variants), folder, jobs=jobs, progress=progress)
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="measure") as scoring:
        found = gridcode.ablate(config, out=folder, seeds=seeds, variants=variants, jobs=jobs, scoring=scoring, **options)
    if arguments.json:
        _print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")


def _explore(arguments: argparse.Namespace) -> None:
    try:
        from gridcode.viewer import serving
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("fastapi", "starlette", "uvicorn"):
            raise
        raise InputError("the explorer needs two more packages: pip install 'gridcode[explore]'") from None

    if arguments.port is not None and not (arguments.port.isdecimal() and int(arguments.port) <= 65535):
        raise InputError(f"--port must be 0 to 65535, not '{arguments.port}'")

    def ready(url: str) -> None:
        if arguments.json:
            print(json.dumps({"url": url}), flush=True)
        elif not arguments.quiet:
            print(f"explorer: {url} (Ctrl-C stops it)", flush=True)

    if not serving.is_loopback(arguments.host):
        _say(f"anybody who can reach {arguments.host} can look at these runs: there is no password")
    port = int(arguments.port) if arguments.port is not None else None
    serving.serve(arguments.runs, host=arguments.host, port=port, open_browser=not arguments.no_browser, ready=ready)
    serving.leave()


def _bench(arguments: argparse.Namespace) -> None:
    from gridcode import bench
    from gridcode.display import working

    machine = bench.machine()
    cases = []
    if not arguments.json:
        print(", ".join(f"{name}: {value}" for name, value in machine.items() if value is not None), flush=True)
    timed, number = bench.run(naive=not arguments.no_naive), bench.number_of_cases()
    for place in range(number):
        # A display for each case: none is in the way when the case is printed.
        with working(ERRORS, quiet=arguments.quiet, title="bench", what=f"case {place + 1} of {number}"):
            case = next(timed, None)
        if case is None:
            break
        cases.append(case)
        if not arguments.json:
            print_case(case)
    if arguments.json:
        _print_json({"machine": machine, "gridcode": gridcode.__version__, "cases": cases})


def _demo(arguments: argparse.Namespace) -> None:
    out = Path(arguments.out) if arguments.out else _free_folder(Path("runs/demo"))
    config = configuration.load_config("quick").override(_overrides(arguments))
    if not arguments.json:
        print(f"growing grid cells from random weights (preset quick, seed {config.training.seed}) in {out}", flush=True)
    run = _run_training(config, out, quiet=arguments.quiet)
    summary = _run_evaluation(run, config.evaluation, quiet=arguments.quiet)
    page = _write_report(run, quiet=arguments.quiet)
    if arguments.json:
        _print_json({"run": str(run.folder), "report": str(page), "headline": summary["headline"]})
    else:
        print_summary(summary)
        print(f"run folder: {run.folder}\nreport:     {page}")


def _free_folder(base: Path) -> Path:
    candidate, number = base, 1
    while candidate.exists():
        number += 1
        candidate = base.with_name(f"{base.name}-{number}")
    return candidate


def entry() -> None:
    """Console-script entry point."""
    # Names from files can hold letters that a terminal's encoding lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # As Ctrl-C does: trainings in other processes are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
