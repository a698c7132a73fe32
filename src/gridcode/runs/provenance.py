"""Where weights come from: the training that made them, and the parts that it replaced."""

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gridcode.errors import InputError

# What is known of each replaced part (objective, transition, batches, optimiser).
PartNames = Mapping[str, Mapping[str, str]]


def read_header(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a checkpoint or snapshot says of itself, such as `step`, `weights`, `training_hash`.

    Neither PyTorch nor the tensors are needed. Empty where the file cannot be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            found = dict(file.metadata() or {})
        return dict(json.loads(found["header"])) if "header" in found else found
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError):
        return {}


def check_training(what: str, header: Mapping[str, str], training_hash: str) -> None:
    """Check that weights are of the training that a configuration describes.

    Args:
        what: names the file in the message.
        header: what the file says of itself.
        training_hash: of the configuration (`Config.training_hash`).

    Raises:
        InputError: they are of another one.
    """
    if header.get("training_hash", training_hash) != training_hash:
        raise InputError(
            f"{what} was made with other settings than this configuration; "
            "train into another folder"
        )


def describe(part: Any) -> dict[str, str]:
    """Name of a function, class or callable object, and a hash of its source.

    Returns:
        `name`, such as `mypackage.my_loss`; `source`, the first 16 hex digits of the SHA-256 of the
        source code, where Python has it; `arguments` of a `functools.partial`, or the fields of a
        dataclass.
    """
    found: dict[str, str] = {}
    if isinstance(part, functools.partial):
        found["arguments"] = ", ".join(
            [*map(_shown, part.args), *(f"{k}={_shown(v)}" for k, v in part.keywords.items())]
        )
        part = part.func
    elif dataclasses.is_dataclass(part) and not isinstance(part, type):
        values = ((f.name, getattr(part, f.name)) for f in dataclasses.fields(part))
        found["arguments"] = ", ".join(f"{name}={_shown(value)}" for name, value in values)
    named = part if hasattr(part, "__qualname__") else type(part)
    module = named.__module__ or "__main__"
    if module == "__main__":  # A script keeps its name when it is imported later.
        module = Path(getattr(sys.modules["__main__"], "__file__", None) or module).stem
    found["name"] = f"{module}.{named.__qualname__}"
    with contextlib.suppress(OSError, TypeError):  # Typed at a prompt, or written in C.
        found["source"] = hashlib.sha256(inspect.getsource(named).encode()).hexdigest()[:16]
    return found


def _shown(argument: Any) -> str:
    """An argument without the memory address that a function's `repr` holds."""
    return describe(argument)["name"] if callable(argument) else repr(argument)


def check_parts(recorded: PartNames, given: PartNames, call: str) -> None:
    """Check that a training is resumed with its own parts.

    Args:
        recorded: the parts that the run was trained with.
        given: the parts given now.
        call: the function to give them to, for the message.

    Raises:
        InputError: a part is missing, or is another one.
    """
    for kind in (*recorded, *(kind for kind in given if kind not in recorded)):
        if kind not in given:
            raise InputError(
                f"this run was trained with {kind} {recorded[kind]['name']}: "
                f"give it again with {call}({kind}=...)"
            )
        now = given[kind]
        before = recorded.get(kind, {"name": f"gridcode's own {kind}"})
        if now["name"] != before["name"]:
            raise InputError(
                f"this run was trained with {before['name']}, not with {kind} {now['name']}; "
                "train into another folder"
            )
        if now != before:
            warnings.warn(
                f"{kind} {now['name']} has changed since this run was trained with it", stacklevel=2
            )
