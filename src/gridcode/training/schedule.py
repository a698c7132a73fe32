"""The course of the learning rate."""

import math
from dataclasses import dataclass

from gridcode.config import TrainingConfig


def warmup(training: TrainingConfig, step: int) -> float:
    """Factor of the linear warm-up at a step of a stage (counted from 0), 0 to 1."""
    return min(1.0, (step + 1) / max(training.warmup_steps, 1))


def cosine(training: TrainingConfig, step: int, steps: int) -> float:
    """Factor of the cosine from 1 at the start of a stage of `steps` to `final_fraction` at its end."""
    done = min(1.0, step / steps)
    return training.final_fraction + (1 - training.final_fraction) * 0.5 * (
        1 + math.cos(math.pi * done)
    )


def inverse(training: TrainingConfig, step: int) -> float:
    """Factor of the inverse-time decay at a step of a stage: 1 up to `hold_steps`, then `hold_steps` / step."""
    return min(1.0, training.hold_steps / max(step, 1))


@dataclass
class Plateau:
    """Lowers the rate when the loss has stopped falling: PyTorch's ReduceLROnPlateau, fed with means over intervals.

    The loss of a single batch is noisy, so one observation is the mean of `plateau_interval` steps.
    A better loss is one that is lower by a ten-thousandth of itself (PyTorch's relative threshold,
    written so that it also fits negative losses, for which PyTorch's own form accepts a slightly
    higher loss as better).

    Attributes:
        factor: what the rate has come down to, relative to the peak.
        best: best mean loss so far.
        bad: observations since.
        total: sum of losses in the current interval.
        seen: number of them.
    """

    factor: float = 1.0
    best: float = math.inf
    bad: int = 0
    total: float = 0.0
    seen: int = 0

    def observe(self, training: TrainingConfig, loss: float, steps: int = 1) -> None:
        """Take in the loss of one step, or the sum of the losses of several that do not cross the end of an interval."""
        self.total += loss
        self.seen += steps
        if self.seen < training.plateau_interval:
            return
        mean = self.total / self.seen
        self.total, self.seen = 0.0, 0
        if mean < self.best - 1e-4 * abs(self.best if math.isfinite(self.best) else 0.0):
            self.best, self.bad = mean, 0
            return
        self.bad += 1
        if self.bad > training.plateau_patience:
            self.factor *= training.plateau_factor
            self.bad = 0


def learning_rate(training: TrainingConfig, step: int, plateau: Plateau) -> float:
    """Learning rate of a step, counted from 0; with two stages, warm-up and schedule start again at the second."""
    first = training.separate_steps
    peak, steps = training.learning_rate, first or training.steps
    if first and step >= first:
        peak, step, steps = training.joint_learning_rate, step - first, training.steps - first
    factor = {
        "cosine": cosine(training, step, steps),
        "inverse": inverse(training, step),
        "plateau": plateau.factor,
        "constant": 1.0,
    }[training.schedule]
    return peak * warmup(training, step) * factor
