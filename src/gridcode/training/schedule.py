"""The schedule of the learning rate."""

import math
from dataclasses import dataclass

from gridcode.config import TrainingConfig


def warmup(training: TrainingConfig, step: int) -> float:
    """Factor of the linear warm-up at a step of a stage (counted from 0), 0 to 1."""
    return min(1.0, (step + 1) / max(training.warmup_steps, 1))


def cosine(training: TrainingConfig, step: int, steps: int) -> float:
    """Factor of the cosine schedule at a step of a stage, 1 to `final_fraction`."""
    done = min(1.0, step / steps)
    return training.final_fraction + (1 - training.final_fraction) * 0.5 * (
        1 + math.cos(math.pi * done)
    )


def inverse(training: TrainingConfig, step: int) -> float:
    """Factor of the inverse-time decay: 1 up to `hold_steps`, then `hold_steps` / step."""
    return min(1.0, training.hold_steps / max(step, 1))


@dataclass
class Plateau:
    """Lowers the rate when the loss has stopped falling, as PyTorch's ReduceLROnPlateau.

    The loss of a single batch is noisy, so one observation is the mean of `plateau_interval` steps.
    A loss is better if it is lower by a ten-thousandth of the best one's size (PyTorch's relative
    threshold; for negative losses PyTorch's form accepts a slightly higher loss as better).

    Attributes:
        factor: present rate over the peak.
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
        """Add the loss of a step, or the sum over several steps of one interval."""
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
    """Learning rate of a step, counted from 0; each stage has its own warm-up and schedule."""
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
