"""`gridcode presets`: list the presets and settings."""

import argparse
import json
from collections.abc import Sequence
from typing import Any

from gridcode import config
from gridcode.cli.messages import print_json
from gridcode.cli.options import add_json


def add_options(parser: argparse.ArgumentParser, _words: Sequence[str]) -> None:
    parser.description = "List the presets, show one as TOML, or list all settings."
    parser.add_argument("name", nargs="?", metavar="PRESET", help="show this preset, complete")
    parser.add_argument(
        "--fields", action="store_true", help="list every setting with its default and meaning"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.fields:
        rows: Any = [
            {"key": key, "default": field.get_default(), "meaning": field.description}
            for key, field in config.fields().items()
        ]
        lines = [f"{r['key']} = {json.dumps(r['default'])}\n    {r['meaning']}" for r in rows]
    elif arguments.name:
        preset = config.load_config(arguments.name)
        rows, lines = preset.model_dump(mode="json"), [preset.to_toml().rstrip()]
    else:
        rows = [
            {"preset": name, "summary": config.preset_summary(name)}
            for name in config.preset_names()
        ]
        lines = [f"{row['preset']:8s} {row['summary']}" for row in rows]
    if arguments.json:
        print_json(rows)
    else:
        print("\n".join(lines))
