"""The choice of a trainer: one network step by step, or several as one program on a GPU."""

import importlib.util
import warnings
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import torch

from gridcode.config import Config
from gridcode.errors import InputError, TrainingError
from gridcode.gpu import unsupported_reason
from gridcode.training.batched import ONLY_PLANE, BatchedTrainer
from gridcode.training.memory import check_memory
from gridcode.training.parts import BUILT_IN, Parts, as_floats
from gridcode.training.step import Snapshot, StepResult, Trainer


def choose_device(name: str) -> torch.device:
    """The configured device; `auto` is a GPU where there is one.

    Raises:
        InputError: CUDA is configured and not available.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "training.device = 'cuda', but this PyTorch sees no CUDA device; use 'auto' or 'cpu'"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def check_machine(config: Config, *, parts: Parts = BUILT_IN) -> None:
    """Refuse, before a run folder is made, a training that this machine cannot do.

    Raises:
        InputError: CUDA is configured and not available, or it cannot fit into memory.
    """
    # The size of a transition of the user's own is not known.
    if choose_device(config.training.device).type == "cpu" and parts.transition is None:
        check_memory(config)


class OneNetwork:
    """One network, step by step: on a CPU, or on a GPU where the kernels do not run.

    Methods and attributes as in `BatchedTrainer`.
    """

    pace: int | None = 1

    def __init__(
        self,
        config: Config,
        device: torch.device,
        *,
        parts: Parts = BUILT_IN,
        workers: Executor | None = None,
    ) -> None:
        self.trainer = Trainer(config, device=device, parts=parts)
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
        """The numbers of the last step, a line of metrics for each network."""
        assert self._result is not None
        return [
            {
                "step": self.trainer.step,
                **as_floats(self._result.terms),
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
        """Continue from one snapshot for each network."""
        self.trainer.restore(snapshots[0])


AnyTrainer = OneNetwork | BatchedTrainer


def kernels_unsupported_reason(config: Config) -> str | None:
    """Why a configuration cannot train with the GPU's kernels, or None if it can."""
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0):
        return "this GPU is older than compute capability 8.0"
    if config.world.dimensions != 2:
        return ONLY_PLANE
    return unsupported_reason(config.model.units, getattr(torch, config.training.precision))


def choose_trainer(
    configs: Sequence[Config],
    device: torch.device,
    *,
    parts: Parts = BUILT_IN,
    workers: Executor | None = None,
) -> AnyTrainer:
    """The trainer of these configurations; warns where a GPU is used without the kernels.

    Args:
        configs: one for each network.
        device: where to compute.
        parts: parts that replace the built-in ones.
        workers: threads for the populations of one network on a CPU; None computes one after the
            other.

    Raises:
        InputError: several networks, without a GPU and its kernels.
    """
    if device.type == "cuda":
        reason = kernels_unsupported_reason(configs[0])
        if parts != BUILT_IN:
            reason = "the kernels know the built-in parts only"
        if reason is None:
            return BatchedTrainer(configs, device=device, kernels=True, graph=True)
        warnings.warn(
            f"training without the GPU kernels, many times slower: {reason}", stacklevel=2
        )
    if len(configs) > 1:
        raise InputError(
            "several networks train as one program only on a GPU, with its kernels; "
            "train them one by one"
        )
    on_cpu = device.type == "cpu"
    return OneNetwork(configs[0], device, parts=parts, workers=workers if on_cpu else None)
