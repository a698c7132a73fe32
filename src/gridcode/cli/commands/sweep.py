"""`gridcode sweep`: many trainings from one file, here, on a Ray cluster or by SLURM."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcode.cli.messages import print_error, print_json
from gridcode.cli.options import add_quiet_and_json, positive_int
from gridcode.config import parse_value
from gridcode.errors import TrainingError

if TYPE_CHECKING:
    from gridcode.sweep import Sweep, SweepResult

BEST_SHOWN = 10


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode sweep SWEEP.toml [--out DIR] [--jobs N] [--address ADDRESS] ..."
    parser.description = (
        "Train and evaluate many networks: grids, random draws or Optuna's samplers over any "
        "setting, with seeds. One table of results grows as it runs. The same command resumes."
    )
    option = parser.add_argument
    option("file", metavar="SWEEP.toml", help="what is searched; see docs/howto/sweep.md")
    option("--out", metavar="DIR", help="folder of runs and results [runs/NAME of the file]")
    option("--jobs", type=positive_int, metavar="N", help="trials at a time [the cores]")
    option("--address", help="Ray cluster, such as auto; `local` starts a Ray on this machine")
    option(
        "--submitit",
        type=_submitit,
        metavar="SETTINGS",
        help="SLURM jobs, such as partition=gpu,timeout_min=240",
    )
    option("--again", action="store_true", help="try trials again that failed")
    add_quiet_and_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.progress import progress_bar
    from gridcode.sweep import load_sweep, run_sweep

    sweep, config = load_sweep(arguments.file)
    with progress_bar("sweep", quiet=arguments.quiet, tenths=True) as show:
        found = run_sweep(
            sweep,
            config,
            out=arguments.out or Path("runs") / Path(arguments.file).stem,
            jobs=arguments.jobs,
            address=arguments.address,
            submitit=arguments.submitit,
            again=arguments.again,
            progress=show and (lambda p: show("", p.ended, p.trials, _counted(p.counts))),
        )
    if arguments.json:
        print_json(found.as_json())
    else:
        _print(found, sweep)
    failed = found.counts.get("failed", 0)
    if failed == len(found.rows):
        raise TrainingError(f"all {failed} trials failed: {found.rows[0]['error']}")
    if failed:
        print_error(f"{failed} of {len(found.rows)} trials failed; {found.table} says why")


def _print(found: "SweepResult", sweep: "Sweep") -> None:
    """Print the best trials and where everything is."""
    from gridcode.cli.terminal import print_table, wide_console

    metric, sign = sweep.search.metric, 1 if sweep.search.direction == "minimize" else -1
    ended = [row for row in found.rows if row["status"] == "finished" and row[metric] is not None]
    best = sorted(ended, key=lambda row: sign * row[metric])[:BEST_SHOWN]
    columns = ["run", *sweep.search.values, "seed", "loss", "hexagonal", "modules"]
    columns += [metric] if metric not in columns else []
    print_table(wide_console(), columns, [[_text(row[name]) for name in columns] for row in best])
    print(f"{_counted(found.counts)}; by {metric}, the best first; all: {found.table}")
    print(f"next: gridcode explore {found.folder}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _submitit(text: str) -> dict[str, Any]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise argparse.ArgumentTypeError(
            f"must be such as partition=gpu,timeout_min=240, not '{text}'"
        )
    return {name.strip(): parse_value(value.strip()) for name, _, value in pairs}
