"""What is known of the trials on disk: a journal that grows by lines, and the table made of it.

The journal is the truth: a line is added whenever something is known, which costs the same for the
first trial and for the last. The table is for people; writing it takes time in proportion to its
length, so it is written the less often the longer it takes.
"""

import csv
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gridcode.errors import InputError
from gridcode.runs.files import one_line_errors, write_atomically
from gridcode.sweep.settings import TRAINING_METRICS, Sweep
from gridcode.sweep.study import Trial

JOURNAL, TABLE = "trials.jsonl", "results.csv"
EVALUATION_COLUMNS = (
    *("active", "hexagonal", "lattice", "band", "modules", "independent"),
    *("spacings_m", "path_error_m", "path_steps", "arena_m"),
)
# The table is written at most so often, and takes at most this share of the time.
TABLE_EVERY_S = 2.0
TABLE_SHARE = 0.05


class Journal:
    """The files of a sweep's trials.

    Args:
        folder: of the sweep; it exists.
        sweep: what is searched: the columns follow from it.
        steps: that a training has, where they are not searched.

    Raises:
        InputError: the journal is damaged, or cannot be written.
    """

    def __init__(self, folder: Path, sweep: Sweep, steps: int) -> None:
        self._folder, self._sweep, self._steps = folder, sweep, steps
        self._path = folder / JOURNAL
        self.known = self._read()
        self._next_table = float("-inf")

    def _read(self) -> list[Trial]:
        """The trials, in order; a last line that a kill cut short is dropped."""
        if not self._path.exists():
            return []
        with one_line_errors(f"cannot read {self._path}"):
            text = self._path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            if whole != text:
                write_atomically(self._path, whole)
        found: dict[int, Trial] = {}
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                trial = Trial.from_json(json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError):
                raise InputError(f"{self._path}: line {number} is damaged") from None
            found[trial.number] = trial
        return [found[number] for number in sorted(found)]

    def keep(self, trials: Sequence[Trial]) -> None:
        """Add lines that say what is known of trials now."""
        lines = "".join(json.dumps(trial.as_json()) + "\n" for trial in trials)
        with (
            one_line_errors(f"cannot write {self._path}"),
            open(self._path, "a", encoding="utf-8") as file,
        ):
            file.write(lines)

    def write_table(self, trials: Sequence[Trial], *, now: bool = False) -> None:
        """Write the table, where it is time for it or `now`."""
        began = time.monotonic()
        if not now and began < self._next_table:
            return
        text = io.StringIO(newline="")
        rows = [self.row(trial) for trial in trials]
        writer = csv.DictWriter(text, self.columns(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        with one_line_errors(f"cannot write '{self._folder}'"):
            write_atomically(self._folder / TABLE, text.getvalue())
        end = time.monotonic()
        self._next_table = end + max(TABLE_EVERY_S, (end - began) / TABLE_SHARE)

    def columns(self) -> list[str]:
        """Names of the columns."""
        first = ["trial", "run", "status", "seed", *self._sweep.search.values, "step", "steps"]
        return [*first, *TRAINING_METRICS, *EVALUATION_COLUMNS, "cpu_seconds", "error"]

    def row(self, trial: Trial) -> dict[str, Any]:
        """A row of the table; what is not known is None."""
        found = trial.found
        return {
            "trial": trial.number,
            "run": trial.name,
            "status": trial.status,
            "seed": trial.seed,
            **trial.changes,
            "step": found.get("step", 0),
            "steps": trial.changes.get("training.steps", self._steps),
            **{name: found.get(name) for name in (*TRAINING_METRICS, *EVALUATION_COLUMNS)},
            "cpu_seconds": trial.cpu_seconds,
            "error": trial.error or None,
        }


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        numbers = all(isinstance(one, float) for one in value)
        return " ".join(f"{one:.4g}" for one in value) if numbers else json.dumps(value)
    return value
