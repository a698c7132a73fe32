"""Growth by gradient descent: named parameters, a PyTorch optimiser and a loss of each step."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from gridcode.baselines.recipe import Arrays

Parameters = dict[str, Tensor]
# (parameters, step, generator of the step) to named values; `loss` is minimised.
Loss = Callable[[Parameters, int, np.random.Generator], Mapping[str, Tensor]]


def held_then_falling(rate: float, updates: int) -> Callable[[int], float]:
    """A learning rate that is held for the first half of all updates and falls to zero after it."""
    return lambda step: rate * min(1.0, 2 * (1 - (step - 1) / updates))


class GradientDescent:
    """A model that is trained by gradient descent.

    Args:
        arrays: the parameters as they are now.
        loss: what to minimise.
        optimiser: from a list of parameters to an optimiser.
        rest: its tensors as `rest` gave them; empty at the start.
        rate: learning rate of each step, from 1; None: the optimiser's own.
        clip: largest norm of the gradient; None does not clip.
        after: called with the parameters after each step, to project them where they belong.
    """

    def __init__(
        self,
        arrays: Arrays,
        loss: Loss,
        optimiser: Callable[[list[Tensor]], Optimizer],
        *,
        rest: Arrays | None = None,
        rate: Callable[[int], float] | None = None,
        clip: float | None = None,
        after: Callable[[Parameters, int], None] | None = None,
    ) -> None:
        self.parameters: Parameters = {
            name: torch.from_numpy(np.array(value, dtype=np.float32)).requires_grad_()
            for name, value in arrays.items()
        }
        self._loss, self._rate, self._clip, self._after = loss, rate, clip, after
        self._optimiser = optimiser(list(self.parameters.values()))
        for key, value in (rest or {}).items():
            name, kind = key.split(".")
            self._optimiser.state[self.parameters[name]][kind] = torch.from_numpy(np.array(value))

    def advance(self, step: int, generator: np.random.Generator) -> Mapping[str, float]:
        """One step of the optimiser; values of the loss before it."""
        self._optimiser.zero_grad(set_to_none=True)
        values = self._loss(self.parameters, step, generator)
        values["loss"].backward()
        if self._clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self._clip)
        if self._rate is not None:
            for group in self._optimiser.param_groups:
                group["lr"] = self._rate(step)
        self._optimiser.step()
        if self._after is not None:
            with torch.no_grad():
                self._after(self.parameters, step)
        return {name: float(value.detach()) for name, value in values.items()}

    def weights(self) -> Arrays:
        """The parameters."""
        return {name: value.detach().numpy().copy() for name, value in self.parameters.items()}

    def rest(self) -> Arrays:
        """The optimiser's tensors by `parameter.kind`."""
        return {
            f"{name}.{kind}": value.detach().numpy().copy()
            for name, parameter in self.parameters.items()
            for kind, value in self._optimiser.state.get(parameter, {}).items()
        }
