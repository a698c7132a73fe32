"""Several runs beside one another: which settings differ, and what came out."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcode.analysis.records import Summary
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.runs.files import check_writable, one_line_errors, write_atomically
from gridcode.runs.run import Run

MOST_RUNS = 12


@dataclass(frozen=True)
class Comparison:
    """What differs between runs.

    Attributes:
        names: of the runs, each different.
        settings: values by dotted key, one for each run, of the settings that are not the same in
            all.
        results: headline numbers of each run, see `gridcode.viewer.overview.run_row`.
        runs: the runs with their summaries.
    """

    names: tuple[str, ...]
    settings: Mapping[str, tuple[Any, ...]]
    results: tuple[Mapping[str, Any], ...]
    runs: tuple[tuple[Run, Summary], ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison ready for JSON."""
        return {
            "runs": list(self.names),
            "settings": {key: list(values) for key, values in self.settings.items()},
            "results": [dict(row) for row in self.results],
        }

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.names)}: {len(self.settings)} settings differ)"


def compare(runs: Sequence[Run | str | os.PathLike[str]]) -> Comparison:
    """Which settings of evaluated runs differ, and their headline numbers.

    Args:
        runs: the runs or their folders, two to twelve.

    Raises:
        InputError: fewer or more, the same run twice, no run, or one without an evaluation of its
            own that this version reads or in a world of other than two dimensions.
    """
    from gridcode.viewer.overview import run_row  # it needs matplotlib, which is slow to import

    opened = [Run.open(run) for run in runs]
    if not 2 <= len(opened) <= MOST_RUNS:
        raise InputError(f"a comparison takes 2 to {MOST_RUNS} runs, not {len(opened)}")
    places = [run.folder.resolve() for run in opened]
    found = []
    for place, run in zip(places, opened, strict=True):
        run.check_plane("the comparison")
        if places.count(place) > 1:
            raise InputError(f"'{run.folder}' is given twice")
        summary = run.read_summary()
        if summary is None:
            raise InputError(
                f"'{run.folder}' has not been evaluated; run `gridcode evaluate {run.folder}`"
            )
        run.warn_if_out_of_date(summary)
        found.append((run, summary))
    results = tuple(
        run_row(
            config=run.config,
            manifest=run.manifest,
            last=next(reversed(run.metrics()), None),
            summary=summary,
        )
        for run, summary in found
    )
    return Comparison(
        tuple(_names(places)),
        config_differences([run.config for run in opened]),
        results,
        tuple(found),
    )


def config_differences(configs: Sequence[Config]) -> dict[str, tuple[Any, ...]]:
    """Settings that differ: by dotted key, the value of each configuration; None: it has none."""
    flat = [config.settings for config in configs]
    # A baseline's own settings stand beside "none"; those that it lacks are not listed.
    keys = dict.fromkeys(key for values in flat for key in values)
    keys = {
        key: None
        for key in keys
        if key.startswith("baseline.") or all(key in values for values in flat)
    }
    found = {key: tuple(values.get(key) for values in flat) for key in keys}
    return {key: values for key, values in found.items() if any(v != values[0] for v in values)}


def write_comparison(comparison: Comparison, out: str | os.PathLike[str]) -> Path:
    """Write a comparison as one self-contained page: settings that differ, numbers, maps, curves.

    Raises:
        InputError: it cannot be written, or maps of a run are damaged.
    """
    from gridcode.viewer.page import comparison_page

    check_writable(out)
    text = comparison_page(
        [
            (name, run, summary)
            for name, (run, summary) in zip(comparison.names, comparison.runs, strict=True)
        ]
    )
    with one_line_errors(f"cannot write '{out}'"):
        write_atomically(out, text)
    return Path(out)


def _names(places: Sequence[Path]) -> list[str]:
    """Names of folders, with as many parent folders as it takes to make them unique."""
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]
