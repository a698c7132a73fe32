"""Options for the settings of a run, made from the fields of the configuration."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from gridcode.config import Config, fields, load_config, preset_names

LIMITS = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
PREFIX = "setting:"


def add_settings(
    parser: argparse.ArgumentParser,
    sections: Sequence[str],
    words: Sequence[str] = (),
    *,
    few: Mapping[str, str] | None = None,
) -> None:
    """Add an option for each setting.

    Args:
        parser: the command's.
        sections: which sections of the configuration.
        words: the command line; a preset in it has its values shown, `--help-all` all settings.
        few: settings that `--help` lists, with a help text each; None lists none of them.
    """
    everything = few is not None and "--help-all" in words
    if few is not None:
        parser.add_argument("--help-all", action="help", help="show this help with all settings")
    preset = next((word for word in words if word in preset_names()), None)
    values = (load_config(preset) if preset else Config()).model_dump(mode="json")
    source = f"preset {preset}" if preset else "a file that leaves them out"
    groups: dict[str, Any] = {}
    names = [key.split(".")[1] for key in fields()]
    for key, field in fields().items():
        section, name = key.split(".")
        if section not in sections:
            continue
        # Where only one section has a setting, its name will do; seed and steps are the training's.
        short = names.count(name) == 1 or section == "training" or len(sections) == 1
        flags = [f"--{text.replace('_', '-')}" for text in ([name] if short else []) + [key]]
        listed = everything or key in (few or {})
        for position, flag in enumerate(flags):
            option: dict[str, Any] = {"dest": PREFIX + key, "help": argparse.SUPPRESS}
            group: Any = parser
            if listed and position == 0:
                title = f"{section} settings" if everything else "settings"
                if title not in groups:
                    groups[title] = parser.add_argument_group(
                        title, f"In brackets: values of {source}, and limits."
                    )
                group = groups[title]
                text = field.description if everything else (few or {})[key]
                about = "; ".join([_as_text(values[section][name]), *limits(field)])
                option["metavar"] = value_kind(field.annotation)
                option["help"] = f"{text} [{about}]".replace("%", "%%")
            group.add_argument(flag, **option)


def settings_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings that were given, as text by dotted key."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in vars(arguments).items()
        if name.startswith(PREFIX) and value is not None
    }


def value_kind(annotation: Any) -> str:
    """What a setting takes, in a word: {a,b}, {true,false}, N, X or LIST."""
    if get_origin(annotation) is Literal:
        return "{" + ",".join(annotation.__args__) + "}"
    return {bool: "{true,false}", int: "N", float: "X"}.get(annotation, "LIST")


def limits(field: Any) -> list[str]:
    """The limits of a setting in words, such as `above 0`; of a list those of its values."""
    kinds = [field, *get_args(field.annotation)]
    parts = [part for kind in kinds for part in _metadata(kind)]
    bounds = ((text, getattr(part, name, None)) for part in parts for name, text in LIMITS.items())
    found = [text.format(_as_number(bound)) for text, bound in bounds if bound is not None]
    return list(dict.fromkeys(found))


def _as_number(bound: float) -> str:
    """Such as 0.05, 100000 or 1e12."""
    if 1e-3 <= bound < 1e6:
        return f"{bound:g}"
    return f"{bound:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")


def _metadata(kind: Any) -> list[Any]:
    """What an annotation says of values: pydantic nests it."""
    found: list[Any] = []
    for part in getattr(kind, "metadata", getattr(kind, "__metadata__", ())):
        found += getattr(part, "metadata", None) or [part]
    return found


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip("[]") or "none"
