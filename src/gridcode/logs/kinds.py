"""The logs that there are, by name."""

from collections.abc import Callable, Sequence
from typing import Any

from gridcode.errors import InputError
from gridcode.logs import tensorboard, weights_and_biases
from gridcode.logs.content import Log
from gridcode.runs.run import Run

KINDS: dict[str, tuple[Callable[[], Any], Callable[[Run], Log]]] = {
    "tensorboard": (tensorboard.load, tensorboard.TensorBoardLog),
    "wandb": (weights_and_biases.load, weights_and_biases.WandbLog),
}
LOG_NAMES = tuple(KINDS)


def log_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises:
        InputError: there is no such log.
    """
    for name in names:
        if name not in KINDS:
            raise InputError(f"there is no log '{name}'; choose from {', '.join(LOG_NAMES)}")
    return tuple(dict.fromkeys(names))


def check_installed(names: Sequence[str]) -> None:
    """Import the package of each log, before minutes are spent on a training.

    Raises:
        InputError: there is no such log, or its package is not installed.
    """
    for name in log_names(names):
        KINDS[name][0]()


def open_log(name: str, run: Run) -> Log:
    """A new log of a run; errors as its class says."""
    return KINDS[name][1](run)
