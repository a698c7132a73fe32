"""What stands in a log beside the metrics: settings, and headline numbers of the evaluation."""

import warnings
from typing import Any, Protocol, runtime_checkable

from gridcode.errors import InputError
from gridcode.runs.run import Run


@runtime_checkable
class Log(Protocol):
    """A log of one run that is being written; making one deletes the run's earlier log."""

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Add lines of metrics, each with its `step`."""

    def finish(self, verdict: str | None, numbers: dict[str, float]) -> None:
        """Add what the evaluation found, and close; None and nothing without an evaluation."""


def settings_of(run: Run) -> dict[str, bool | int | float | str]:
    """Settings by dotted key; lists as text."""
    return {
        key: value if isinstance(value, bool | int | float | str) else str(value)
        for key, value in run.config.settings.items()
        if value is not None
    }


def metrics_in(row: dict[str, Any]) -> dict[str, float]:
    """A line of metrics by the names that a log gives them, without the step."""
    return {f"training/{name}": value for name, value in row.items() if name != "step"}


def evaluation_of(run: Run) -> tuple[str | None, dict[str, float]]:
    """Verdict and headline numbers of the run's evaluation, by the names that a log gives them.

    None and nothing where there is no evaluation of the newest weights; a warning says why.
    """
    try:
        summary = run.read_summary()
        problem = summary and run.out_of_date(summary)
    except InputError as error:
        summary, problem = None, str(error)
    if problem:
        warnings.warn(f"'{run.folder}': evaluation left out of the log: {problem}", stacklevel=2)
    if summary is None or problem:
        return None, {}
    # It needs matplotlib, which is slow to import.
    from gridcode.viewer.overview import FOUND, run_row

    row = run_row(config=run.config, manifest={}, last=None, summary=summary)
    found = {name: row[name] for name in FOUND if isinstance(row[name], int | float)}
    spacings = {f"spacing_m/{module}": value for module, value in enumerate(row["spacings_m"])}
    return summary.verdict, {f"evaluation/{k}": v for k, v in (found | spacings).items()}
