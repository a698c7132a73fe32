"""Commands that measure: evaluate, score, reproduce."""

import argparse
from pathlib import Path
from typing import Any

from rich.markup import escape

import gridcode
from gridcode import config as configuration
from gridcode.analysis import text
from gridcode.cli.shared import (
    ERRORS,
    counted,
    number_option,
    print_json,
    say,
    say_of_few_nulls,
    settings_of,
    writable,
)
from gridcode.cli.terminal import print_modules, print_summary, print_units, wide_console
from gridcode.display import printable
from gridcode.errors import InputError


def evaluate(arguments: argparse.Namespace) -> None:
    """Evaluate a run."""
    run = gridcode.Run(arguments.run)
    overrides: dict[str, Any] = settings_of(arguments)
    if arguments.arena:
        overrides["evaluation.arenas_m"] = f"[{', '.join(arguments.arena)}]"
    config = run.config.override(overrides).evaluation
    summary = run_evaluation(run, config, quiet=arguments.quiet)
    if arguments.json:
        print_json(summary.model_dump(mode="json"))
    else:
        print_summary(summary)
        print(f"next: gridcode report {run.folder}")


def run_evaluation(
    run: gridcode.Run, config: configuration.EvaluationConfig, *, quiet: bool
) -> dict[str, Any]:
    """Evaluate a run, with a bar; its summary."""
    from gridcode.cli.progress import evaluation_bar

    with evaluation_bar(ERRORS, quiet=quiet) as progress:
        summary = gridcode.evaluate(run, config=config, progress=progress).summary
    say_of_few_nulls(summary["headline"]["settings"])
    return summary


def score(arguments: argparse.Namespace) -> None:
    """Score anybody's cells."""
    from gridcode.analysis.population import population_summary, population_verdict
    from gridcode.cli.progress import evaluation_bar, working
    from gridcode.recordings.recording import load_recording

    number = number_option(arguments)
    out = _report_path(arguments)
    if arguments.figures is not None and (
        not arguments.figures
        or (Path(arguments.figures).exists() and not Path(arguments.figures).is_dir())
    ):
        raise InputError(f"--figures must be a folder, not '{arguments.figures}'")
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
            raise InputError(
                f"--{name.replace('_', '-')} applies to a path, but {Path(arguments.file).name} holds rate maps"
            )
    for note in recording.notes:
        say(note)
    options = {
        "smoothing_bins": number("smoothing"),
        "silent_below": number("silent_below"),
        "nulls": counted(arguments, "nulls"),
        "null": arguments.null,
        "significance": number("significance"),
        "false_discovery_rate": number("false_discovery_rate"),
        "seed": int(arguments.seed) if arguments.seed is not None else None,
    }
    shuffles = counted(arguments, "shuffles") or 99
    if arguments.shuffles is not None and not arguments.state_space:
        raise InputError("--shuffles applies to --state-space")
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="score") as progress:
        population = gridcode.score(
            recording,
            progress=progress,
            **{name: value for name, value in options.items() if value is not None},
        )
        states = None
        if arguments.state_space:
            seed = options["seed"] or 0
            states = gridcode.state_space(
                recording, population, nulls=shuffles, seed=seed, progress=progress
            )
    summary = population_summary(population)
    say_of_few_nulls(summary["settings"])
    if out is not None:
        with working(ERRORS, quiet=arguments.quiet, title="score", what="report"):
            gridcode.write_score_report(
                population,
                out,
                recording=recording,
                title=printable(Path(arguments.file).name),
                states=states,
            )
    if arguments.figures is not None:
        with working(ERRORS, quiet=arguments.quiet, title="score", what="figures"):
            gridcode.write_score_figures(population, arguments.figures, states=states)
    if arguments.json:
        found = {"state_space": states.summary.model_dump(mode="json")} if states else {}
        print_json(
            summary.model_dump(mode="json")
            | found
            | {"file": Path(arguments.file).name, "notes": list(recording.notes)}
        )
        return
    console = wide_console()
    print_units(console, summary)
    print_modules(console, summary)
    console.print(escape(population_verdict(summary)), highlight=False)
    if states is not None:
        sentences = text.state_space_sentences(states.summary)
        console.print(escape(" ".join(sentences)), highlight=False)
    if out is not None:
        print(f"report: {out}")
    if arguments.figures is not None:
        print(f"figures: {arguments.figures}")


def _report_path(arguments: argparse.Namespace) -> Path | None:
    """Where the report goes, checked before minutes are spent on what it shows."""
    if arguments.report is None:
        return None
    out, file = writable(arguments.report), Path(arguments.file)
    try:
        same = out.exists() and file.exists() and out.samefile(file)
    except OSError as error:
        raise InputError(f"cannot write '{out}': {error.strerror}") from None
    if same:
        raise InputError(f"--report {out} would overwrite the file to be scored")
    return out


def reproduce_figure(arguments: argparse.Namespace) -> None:
    """Draw a figure of the paper."""
    from gridcode.cli.progress import evaluation_bar
    from gridcode.paper.reproduce import reproduce

    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="reproduce") as progress:
        found = reproduce(arguments.figure, arguments.runs, arguments.out, progress)
    if arguments.json:
        print_json(found.as_json())
        return
    print(found.text)
    for path in found.files:
        print(f"  {path}")
