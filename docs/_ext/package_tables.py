"""Tables made from the package when the docs are built: commands, settings, `summary.json`.

A page says where with a comment such as `<!-- made at build time: commands -->`.
"""

import argparse
import inspect
import json
import re
import types
from typing import Any, Union, get_args, get_origin

from sphinx.application import Sphinx

from gridcode import cli, config
from gridcode.analysis.records import Record, Summary
from gridcode.baselines import RECIPES, recipe_class
from gridcode.cli.options import Parser
from gridcode.cli.settings import limits, value_kind

SETTINGS_PAGE = "[all settings](settings.md)"


def _cell(text: object) -> str:
    """Text that cannot break a table, nor be read as Markdown."""
    return re.sub(r"([|<>*_\[\]])", r"\\\1", " ".join(str(text).split()))


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines), ""]


def commands() -> str:
    """A section for each command, made from its parser."""
    page: list[str] = []
    for name, summary in cli.COMMANDS.items():
        parser = Parser(prog=f"gridcode {name}")
        cli._module(name).add_options(parser, [])
        usage = parser.format_usage().removeprefix("usage: ").strip()
        page += [f"## gridcode {name}", "", _sentence(parser.description or summary), ""]
        page += ["```text", usage, "```", ""]
        shown = [
            action
            for action in parser._actions
            if action.help != argparse.SUPPRESS and action.dest != "help"
        ]
        page += _table(["option", "meaning"], [_option(action) for action in shown])
        if any(action.dest.startswith("setting:") for action in parser._actions):
            page += [f"It also takes {SETTINGS_PAGE} as options, such as `--loss.sigma-g 0.3`.", ""]
    return "\n".join(page)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _option(action: argparse.Action) -> list[str]:
    value = "" if action.nargs == 0 else str(action.metavar or "")
    if action.choices and not value:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    names = ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{value or action.dest}`"
    if action.option_strings and value:
        names += f" `{value}`"
    return [names, _cell((action.help or "").replace("%%", "%"))]


def settings() -> str:
    """A table for each section of the configuration, with the values of all presets."""
    presets = {name: config.load_config(name).model_dump() for name in config.preset_names()}
    page: list[str] = []
    for section, info in config.Config.model_fields.items():
        fields = {k: f for k, f in config.fields().items() if k.startswith(f"{section}.")}
        if not fields:
            continue
        page += [f"## {section}", "", str(info.annotation.__doc__).splitlines()[0], ""]
        rows = []
        for key, field in fields.items():
            name = key.split(".")[1]
            default = _value(field.get_default())
            values = [_value(preset[section][name]) for preset in presets.values()]
            rows.append(
                [f"`{key}`{{#{key.replace('.', '-')}}}", _cell(field.description), _kind(field)]
                + [default, *("" if value == default else value for value in values)]
            )
        page += _table(["setting", "meaning", "type, limits", "default", *presets], rows)
    return "\n".join(page)


def _kind(field: Any) -> str:
    """Type and limits of a setting, in words."""
    kind = value_kind(field.annotation)
    words = {"N": "whole number", "X": "number", "LIST": "list"}.get(kind, kind.strip("{}"))
    return _cell("; ".join([words.replace(",", ", "), *limits(field)]))


def _value(value: Any) -> str:
    return f"`{json.dumps(value)}`"


def baselines() -> str:
    """A table of settings for each of the other models."""
    page: list[str] = []
    for name in RECIPES:
        recipe = recipe_class(name)
        page += [f"### gridcode baseline {name}", "", f"{recipe.title}. {recipe.source}", ""]
        rows = [
            [f"`{key}`", _cell(field.description), _kind(field), _value(field.get_default())]
            for key, field in recipe.model_fields.items()
        ]
        page += _table(["setting", "meaning", "type, limits", "default"], rows)
    return "\n".join(page)


def summary() -> str:
    """A table for each record of `summary.json`, in the order in which they occur."""
    page: list[str] = []
    waiting: list[tuple[str, type[Record]]] = [("summary.json", Summary)]
    done = set()
    while waiting:
        name, record = waiting.pop(0)
        if record in done:
            continue
        done.add(record)
        doc = inspect.getdoc(record) or ""
        meaning = dict(re.findall(r"^ {4}(\w+): ([^\n]+(?:\n {6,}[^\n]+)*)", doc, re.MULTILINE))
        page += [f"### `{name}`", "", doc.split("\n\nAttributes:")[0], ""]
        rows = []
        for key, field in record.model_fields.items():
            rows.append([f"`{key}`", _json_kind(field.annotation), _cell(meaning.get(key, ""))])
            path = key if record is Summary else f"{name}.{key}"
            waiting += [(path, inner) for inner in _records(field.annotation)]
        page += _table(["key", "value", "meaning"], rows)
    return "\n".join(page)


def _records(kind: Any) -> list[type[Record]]:
    if isinstance(kind, type) and issubclass(kind, Record):
        return [kind]
    return [found for inner in get_args(kind) for found in _records(inner)]


NAMES = {float: "number", int: "whole number", str: "text", bool: "true or false", Any: "value"}


def _json_kind(kind: Any) -> str:
    """What JSON holds for an annotation, in words."""
    inner = [part for part in get_args(kind) if part is not Ellipsis]
    origin = get_origin(kind)
    if hasattr(kind, "__metadata__"):
        return _json_kind(inner[0])
    if origin in (Union, types.UnionType):
        known = [_json_kind(part) for part in inner if part is not types.NoneType]
        return " or ".join([*known, *(["null"] if len(known) < len(inner) else [])])
    if origin is tuple:
        listed = list(dict.fromkeys(_json_kind(part) for part in inner))
        count = "" if Ellipsis in get_args(kind) else f"{len(inner)} of "
        return f"list: {count}{', '.join(listed)}"
    if origin is dict:
        return f"object: {_json_kind(inner[1])} by name"
    return NAMES.get(kind, "object")


def _fill(_app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith("experiments/") and not re.search("^# ", source[0], re.MULTILINE):
        source[0] = f"# {page.split('/')[-1]}\n\n{source[0]}"  # written by a command, without title
    made = {f.__name__: f for f in (commands, settings, baselines, summary)}
    source[0] = re.sub(
        r"<!-- made at build time: (\w+) -->", lambda found: made[found[1]](), source[0]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read."""
    app.connect("source-read", _fill)
    return {"parallel_read_safe": True}
