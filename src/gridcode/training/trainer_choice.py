"""What trains: one network step by step, or several as one program on a GPU; chosen by device, shape and what is installed."""

import importlib.util
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import torch

from gridcode.config import Config
from gridcode.errors import InputError, TrainingError
from gridcode.gpu import why_not
from gridcode.training.batched import BatchedTrainer
from gridcode.training.step import Snapshot, StepResult, Trainer


def choose_device(name: str) -> torch.device:
    """The device a configuration asks for; `auto` is a GPU where there is one.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "training.device = 'cuda', but this PyTorch sees no CUDA device; use 'auto' or 'cpu'"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


class OneNetwork:
    """One network, step by step: what trains on a CPU, and wherever the kernels do not run."""

    pace: int | None = 1

    def __init__(
        self, config: Config, device: torch.device, *, workers: Executor | None = None
    ) -> None:
        self.trainer = Trainer(config, device=device)
        self.trainer.workers = workers
        self.failures: dict[int, str] = {}
        self._result: StepResult | None = None

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return self.trainer.step

    def advance_to(self, step: int) -> None:
        """Train up to a step (counted from the beginning)."""
        try:
            while self.trainer.step < step:
                self._result = self.trainer.advance()
        except TrainingError as error:
            self.failures[0] = str(error)

    def rows(self) -> list[dict[str, Any]]:
        """The last step in numbers, a line of metrics for each network."""
        assert self._result is not None
        return [
            {
                "step": self.trainer.step,
                **self._result.terms.floats(),
                **self.trainer.compared(self._result),
                "gradient_norm": float(self._result.gradient_norm),
                "learning_rate": self.trainer.optimiser.param_groups[0]["lr"],
                "silent_units": self._result.silent_units(),
                "zero_states": self.trainer.zero_states,
            }
        ]

    def snapshots(self) -> list[Snapshot]:
        """The present state of each network."""
        return [self.trainer.snapshot()]

    def restore(self, snapshots: Sequence[Snapshot]) -> None:
        """Go on from one snapshot for each network."""
        self.trainer.restore(snapshots[0])


Engine = OneNetwork | BatchedTrainer


def why_no_kernels(config: Config) -> str | None:
    """Why a configuration does not train on the GPU's kernels, in a few words; None where it does."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0):
        return "this GPU is older than compute capability 8.0"
    return why_not(config.model.units, getattr(torch, config.training.precision))


def make_engine(
    configs: Sequence[Config], device: torch.device, *, workers: Executor | None = None
) -> Engine:
    """What trains these configurations on this device; says in one warning why it is not the kernels on a GPU.

    Args:
        configs: one for each network.
        device: where to compute.
        workers: threads for the populations of one network on a CPU; None computes one after the
            other.
    """
    if device.type == "cuda":
        reason = why_no_kernels(configs[0])
        if reason is None:
            return BatchedTrainer(configs, device=device, kernels=True, graph=True)
        warnings.warn(
            f"training without the GPU kernels, many times slower: {reason}", stacklevel=2
        )
    return OneNetwork(configs[0], device, workers=workers if device.type == "cpu" else None)
