"""Reading what a training writes beside its weights: metrics.jsonl and manifest.json.

Either may be damaged: what is intact is used.
"""

import bisect
import functools
import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any

from gridcode.errors import InputError
from gridcode.runs.files import reason

# Values of the manifest that are used, where they are there; the others are only shown.
MANIFEST_TYPES: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "finished": bool,
    "wall_seconds": (int, float),
    "cpu_seconds": (int, float),
    "git_commit": (str, NoneType),
    "parts": dict,
}


def read_manifest(path: Path) -> dict[str, Any]:
    """Version, seed, machine, times and progress of a training; empty without the file.

    Raises:
        InputError: the file is damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        why = reason(error) if isinstance(error, OSError) else error
        raise InputError(f"manifest.json is damaged ({why})") from None
    if not isinstance(data, dict):
        raise InputError("manifest.json is damaged (it holds no table of values)")
    for name, kinds in MANIFEST_TYPES.items():
        if name in data and not _is_a(data[name], kinds):
            raise InputError(f"manifest.json is damaged ({name} = {data[name]!r:.40})")
    for kind, names in data.get("parts", {}).items():
        if not isinstance(names, dict) or not isinstance(names.get("name"), str):
            raise InputError(f"manifest.json is damaged (parts.{kind} has no name)")
    return data


def read_log(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The logged lines in order of their steps, and how many are damaged.

    A last line that was cut short by a kill, or is being written, is left out and does not count.

    Raises:
        OSError: the file cannot be read.
    """
    *lines, rest = path.read_bytes().split(b"\n")
    whole = [line for line in lines if line.strip()]
    rows = _ascending([row for row in map(logged_row, whole) if row is not None])
    damaged = len(whole) - len(rows)
    # A last line without its end is a kill's; with all of its brackets it is whole.
    last = logged_row(rest)
    if last is not None and (not rows or last["step"] > rows[-1]["step"]):
        rows.append(last)
    return rows, damaged


def logged_row(line: bytes) -> dict[str, Any] | None:
    """A line of metrics as a step and numbers; None where it is damaged or something else.

    A value that is missing or not finite is left out.
    """
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError.
        return None
    if not isinstance(row, dict) or not _is_a(row.get("step"), int) or not 0 <= row["step"] < 2**63:
        return None
    if not all(value is None or _is_a(value, (int, float)) for value in row.values()):
        return None
    return {name: value for name, value in row.items() if _is_finite(value)}


def _is_a(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Whether a value from JSON is of a kind; true and false are no numbers."""
    return isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))


def _is_finite(value: float | None) -> bool:
    try:
        return value is not None and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _ascending(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The most rows whose steps ascend: a step with a wrong digit costs its own line only."""
    # Longest increasing subsequence: the last row of the best chain of each length, and before it.
    ends: list[int] = []
    steps: list[int] = []
    before: list[int | None] = []
    for number, row in enumerate(rows):
        length = bisect.bisect_left(steps, row["step"])
        before.append(ends[length - 1] if length else None)
        ends[length : length + 1] = [number]
        steps[length : length + 1] = [row["step"]]
    chain: list[dict[str, Any]] = []
    at = ends[-1] if ends else None
    while at is not None:
        chain.append(rows[at])
        at = before[at]
    return chain[::-1]


@functools.cache
def git_commit() -> str | None:
    """Commit of the source tree that the package runs from, None for an installed one."""
    source = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", source, "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
        tracked = subprocess.run(
            ["git", "-C", source, "ls-files", "--error-unmatch", Path(__file__).name],
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if tracked.returncode == 0 else None
