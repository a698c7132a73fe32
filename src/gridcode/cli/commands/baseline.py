"""`gridcode baseline`: other models of grid cells."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from gridcode.cli.messages import print_json
from gridcode.cli.options import add_log, add_quiet_and_json, whole_number
from gridcode.errors import InputError

PREFIX = "recipe:"


def add_options(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from gridcode.baselines import RECIPES, recipe_class

    parser.usage = "gridcode baseline [NAME|RUN] [--out RUN] [--seed N] [--SETTING VALUE ...]"
    parser.description = (
        "Make a model of grid cells from its publication, as a run folder that `evaluate`, "
        "`report`, `explore` and `compare` take. Without a name the models are listed; "
        "`gridcode baseline NAME --help` lists the settings of one. A run is made to its end."
    )
    parser.add_argument(
        "what", nargs="?", metavar="NAME", help=f"{', '.join(RECIPES)}; or a run to go on with"
    )
    parser.add_argument("--out", metavar="RUN", help="new run folder [runs/NAME-seedN]")
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="of everything random [0]"
    )
    add_log(parser)
    add_quiet_and_json(parser)
    name = next((word for word in words if word in RECIPES), None)
    if name is None:
        return
    kind = recipe_class(name)
    group = parser.add_argument_group("settings", f"{kind.title}. {kind.source}.")
    for key, field in kind.model_fields.items():
        text = f"{field.description} [{field.default}]".replace("%", "%%")
        flag = f"--{key.replace('_', '-')}"
        group.add_argument(flag, dest=PREFIX + key, metavar="X", help=text)


def unknown_option(option: str) -> str:
    """The message about an option that the model does not have."""
    return f"{option.split('=')[0]}: no such option; `gridcode baseline NAME --help` lists them"


def run(arguments: argparse.Namespace) -> None:
    from gridcode.baselines import RECIPES, load_recipe

    name = arguments.what
    if name is None:
        _list(as_json=arguments.json)
        return
    given = {
        key.removeprefix(PREFIX): value
        for key, value in vars(arguments).items()
        if key.startswith(PREFIX) and value is not None
    }
    from gridcode.baselines.making import config_of, finish
    from gridcode.cli.progress import making_bar
    from gridcode.logs.follow import following
    from gridcode.logs.kinds import check_installed
    from gridcode.runs.run import Run

    check_installed(arguments.log)
    if name not in RECIPES and Path(name).is_dir():
        if arguments.out:
            raise InputError(f"'{name}' is a run to go on with: --out does not apply")
        made = Run(name)
    else:
        chosen = load_recipe(name, given)
        out = arguments.out or Path("runs") / f"{name}-seed{arguments.seed}"
        made = Run.create(out, config_of(chosen, arguments.seed))
    with (
        making_bar(quiet=arguments.quiet) as progress,
        following([made], arguments.log, progress) as show,
    ):
        finish(made, progress=show)
    if arguments.json:
        last = next(reversed(made.metrics()), None)
        print_json({"run": str(made.folder), "manifest": made.manifest, "last": last})
        return
    print(f"made {made.config.baseline['name']}; run folder: {made.folder}")
    print(f"next: gridcode evaluate {made.folder}")


def _list(*, as_json: bool) -> None:
    from gridcode.baselines import RECIPES, recipe_class

    kinds = [recipe_class(name) for name in RECIPES]
    if as_json:
        rows = ("name", "title", "family", "source", "put_in", "integrates")
        print_json([{row: getattr(kind, row) for row in rows} for kind in kinds])
        return
    width = max(map(len, RECIPES))
    for kind in kinds:
        print(f"{kind.name:{width}}  {kind.title}; {kind.family}")
