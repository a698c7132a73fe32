"""Commands that show: report, film, compare, explore, presets, pretrained."""

import argparse
import json
from pathlib import Path
from typing import Any

import gridcode
from gridcode import config as configuration
from gridcode.cli.shared import ERRORS, counted, number_option, print_json, say, writable
from gridcode.cli.terminal import print_comparison, wide_console
from gridcode.errors import InputError


def report(arguments: argparse.Namespace) -> None:
    """Write the report of a run."""
    page = write_report(gridcode.Run(arguments.run), quiet=arguments.quiet)
    if arguments.json:
        print_json({"run": arguments.run, "report": str(page)})
    else:
        print(f"report: {page}")


def write_report(run: gridcode.Run, *, quiet: bool) -> Path:
    """Write the report of a run, with a bar; its path."""
    from gridcode.cli.progress import evaluation_bar

    with evaluation_bar(ERRORS, quiet=quiet, title="report") as progress:
        return gridcode.write_report(run, progress=progress)


def film(arguments: argparse.Namespace) -> None:
    """Write the film of a training."""
    from gridcode.cli.progress import evaluation_bar

    given = {name: counted(arguments, name) for name in ("units", "size")} | {
        "seconds": number_option(arguments)("seconds")
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with evaluation_bar(ERRORS, quiet=arguments.quiet, title="film") as progress:
        out = gridcode.film(
            gridcode.Run(arguments.run), arguments.out, progress=progress, **options
        )
    if arguments.json:
        print_json({"run": arguments.run, "film": str(out), "bytes": out.stat().st_size})
    else:
        print(f"film: {out}")


def compare(arguments: argparse.Namespace) -> None:
    """Compare runs: print, and write the page."""
    from gridcode.cli.progress import working

    out = writable("comparison.html" if arguments.out is None else arguments.out)
    with working(ERRORS, quiet=arguments.quiet, title="compare", what="runs"):
        comparison = gridcode.compare(arguments.runs)
        page = gridcode.write_comparison(comparison, out)
    if arguments.json:
        print_json(comparison.as_json() | {"page": str(page)})
    else:
        print_comparison(comparison)
        print(f"page: {page}")


def explore(arguments: argparse.Namespace) -> None:
    """Serve the explorer until interrupted."""
    try:
        from gridcode.viewer import serving
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise InputError(
            "the explorer needs two more packages: pip install 'gridcode[explore]'"
        ) from None

    if arguments.port is not None and not (
        arguments.port.isdecimal() and len(arguments.port) <= 5 and int(arguments.port) <= 65535
    ):
        raise InputError(f"--port must be 0 to 65535, not '{arguments.port}'")

    if "" in arguments.runs:
        raise InputError("there is no folder ''")

    def ready(url: str) -> None:
        if arguments.json:
            print(json.dumps({"url": url}), flush=True)
        elif not arguments.quiet:
            print(f"explorer: {url} (Ctrl-C stops it)", flush=True)

    if not serving.is_loopback(arguments.host):
        say(f"anybody who can reach {arguments.host} can look at these runs: there is no password")
    port = int(arguments.port) if arguments.port is not None else None
    serving.serve(
        arguments.runs,
        host=arguments.host,
        port=port,
        open_browser=not arguments.no_browser,
        ready=ready,
    )
    serving.leave()


def presets(arguments: argparse.Namespace) -> None:
    """List presets and settings."""
    if arguments.fields:
        rows = [
            (key, field.get_default(), field.description)
            for key, field in configuration.fields().items()
        ]
        if arguments.json:
            print_json(
                [
                    {"key": key, "default": default, "meaning": meaning}
                    for key, default, meaning in rows
                ]
            )
            return
        for key, default, meaning in rows:
            print(f"{key} = {json.dumps(default)}\n    {meaning}")
    elif arguments.name:
        config = configuration.load_config(arguments.name)
        if arguments.json:
            print_json(config.model_dump(mode="json"))
        else:
            print(config.to_toml(), end="")
    else:
        rows_of = [
            {"preset": name, "summary": configuration.preset_summary(name)}
            for name in configuration.preset_names()
        ]
        if arguments.json:
            print_json(rows_of)
            return
        for row in rows_of:
            print(f"{row['preset']:8s} {row['summary']}")


def pretrained(arguments: argparse.Namespace) -> None:
    """List the packaged networks, show one, or unpack one."""
    from gridcode.pretrained import table
    from gridcode.pretrained.networks import details_of

    if arguments.name is None:
        if arguments.out:
            raise InputError(
                f"--out needs the NAME of a network: {', '.join(gridcode.pretrained_names())}"
            )
        networks = [details_of(name) for name in gridcode.pretrained_names()]
        if arguments.json:
            print_json([table.row(details) for details in networks])
        else:
            table.print_list(wide_console(), networks)
        return
    details = details_of(arguments.name)
    run = gridcode.pretrained(arguments.name).unpack(arguments.out) if arguments.out else None
    if arguments.json:
        print_json(table.row(details) | ({"run": str(run.folder)} if run else {}))
    elif run:
        print(f"unpacked {arguments.name}; run folder: {run.folder}")
        print(f"next: gridcode evaluate {run.folder}")
    else:
        table.print_one(wide_console(), details)
