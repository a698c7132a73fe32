"""The log as a run of Weights and Biases, offline unless WANDB_MODE says otherwise."""

import os
import shutil
from typing import Any

from gridcode.extras import needed
from gridcode.logs.content import metrics_in, settings_of
from gridcode.runs.run import Run


def load() -> Any:
    """The package.

    Raises:
        InputError: it is not installed.
    """
    # Some versions report their own errors to their makers, offline too.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    return needed("wandb", "logs", "a log for Weights and Biases")


class WandbLog:
    """A run of Weights and Biases whose files are in the run folder, in `wandb/`.

    A run keeps its id. Offline, an earlier log is deleted: the new one is complete. Online, steps
    that the server has are left out.

    Args:
        run: the run.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, run: Run) -> None:
        wandb = load()
        mode = os.environ.get("WANDB_MODE") or "offline"
        earlier = sorted(run.wandb_folder.glob("*run-*-*"))
        for old in earlier:
            if old.name.startswith("offline-") and mode != "disabled":
                shutil.rmtree(old, ignore_errors=True)
        self._log = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "gridcode",
            name=run.folder.resolve().name,
            id=earlier[-1].name.split("-")[-1] if earlier else None,
            resume=None if mode == "offline" else "allow",
            dir=run.wandb_folder.parent,
            config=settings_of(run),
            mode=mode,
            reinit="create_new",  # runs that train side by side have a log each
            settings=wandb.Settings(
                # Neither the terminal's text nor anything about the machine and its code.
                console="off",
                silent=True,
                host="",
                disable_code=True,
                disable_git=True,
                disable_job_creation=True,
                symlink=False,
                x_disable_machine_info=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        self._first_step = self._log.step

    def write(self, rows: list[dict[str, Any]]) -> None:
        """See `Log`."""
        for row in rows:
            if row["step"] >= self._first_step:
                self._log.log(metrics_in(row), step=row["step"])

    def finish(self, verdict: str | None, numbers: dict[str, float]) -> None:
        """See `Log`."""
        self._log.summary.update(numbers | ({"evaluation/verdict": verdict} if verdict else {}))
        self._log.finish()
