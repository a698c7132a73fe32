"""`gridcode pretrained`: list the trained networks in the package, show one, or unpack one."""

import argparse
from collections.abc import Sequence

import gridcode
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_json, output_file
from gridcode.errors import InputError


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.usage = "gridcode pretrained [NAME] [--out RUN] [--picture FILE.png] [--json]"
    parser.description = (
        "List the trained networks that come with the package, show one, or unpack one into an "
        "ordinary run folder, with its evaluation, for every command that reads one."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this network")
    parser.add_argument("--out", metavar="RUN", help="unpack it into this new run folder")
    parser.add_argument(
        "--picture", type=output_file, metavar="FILE.png", help="draw rate maps of its best units"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    from gridcode.cli.terminal import wide_console
    from gridcode.packaged import table
    from gridcode.packaged.networks import details_of

    name, out = arguments.name, arguments.out
    if name is None:
        names = gridcode.pretrained_names()
        if out or arguments.picture:
            option = "--out" if out else "--picture"
            raise InputError(f"{option} needs the NAME of a network: {', '.join(names)}")
        networks = [details_of(name) for name in names]
        if arguments.json:
            print_json([table.row(details) for details in networks])
        else:
            table.print_list(wide_console(), networks)
        return
    details = details_of(name)
    files = {}
    if out:
        files["run"] = str(gridcode.pretrained(name).unpack(out).folder)
    if arguments.picture:
        from gridcode.packaged.picture import write_picture

        files["picture"] = str(write_picture(gridcode.pretrained(name), arguments.picture))
    if arguments.json:
        print_json(table.row(details) | files)
    elif files:
        for kind, path in files.items():
            print(f"{kind}: {path}")
        if out:
            print(f"next: gridcode {'report' if details.evaluation else 'evaluate'} {out}")
    else:
        table.print_one(wide_console(), details)
