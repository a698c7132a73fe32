r"""A recurrent network supervised by place cells (Sorscher, Mel, Ganguli and Ocko 2019).

$$ g_t = \mathrm{ReLU}(J g_{t-1} + M v_t), \qquad g_0 = E \, p(x_0), \qquad
   \hat p_t = \mathrm{softmax}(D g_t). $$

The targets p are differences of softmaxes of the position (`place_cell_targets`). The loss is
their cross-entropy with the read-out, and a penalty on the squares of J.
"""

from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from gridcode.analysis.system import Step, System
from gridcode.baselines.gradient import Parameters
from gridcode.baselines.recipe import Arrays
from gridcode.baselines.supervised_training import Batch, SupervisedRecipe
from gridcode.config import Rate, Weight


class SupervisedRnn(SupervisedRecipe):
    """Settings of the supervised recurrent network."""

    name: ClassVar = "supervised"
    title: ClassVar = "supervised RNN (2019)"
    source: ClassVar = (
        "Sorscher, Mel, Ganguli and Ocko 2019, A unified theory for the origin of grid cells "
        "through the lens of pattern formation, NeurIPS"
    )
    put_in: ClassVar = (
        "position as the target, the width and the surround of the place cells, the walls, "
        "non-negative activity"
    )

    neurons: Annotated[int, Field(ge=2, le=8192)] = 256
    """Recurrent units."""
    surround: Annotated[float, Field(gt=1, le=100)] = 2.0
    """Ratio of the variances of the place cells' surround and centre."""
    rate: Rate = 3e-3
    """Learning rate of Adam at the start; it falls to zero as a cosine."""
    decay: Weight = 1e-4
    """Weight of the sum of the squares of J; with 1e-5 no unit is on a lattice."""

    @property
    @override
    def units(self) -> int:
        return min(self.analysed, self.neurons)

    @property
    @override
    def surround_ratio(self) -> float:
        return self.surround

    @override
    def network(self, generator: np.random.Generator) -> Arrays:
        n, cells = self.neurons, self.place_cells

        def uniform(rows: int, columns: int, fan: int) -> np.ndarray:
            return generator.uniform(-1, 1, (rows, columns)) / fan**0.5

        return {
            # Half of a state stays for a step: from small random weights alone, learning to
            # remember takes most of the updates.
            "J": 0.5 * np.eye(n) + 0.2 * uniform(n, n, n),
            "M": uniform(n, 2, n),
            "E": uniform(n, cells, cells),
            "D": uniform(cells, n, n),
        }

    @override
    def outputs(
        self, parameters: Parameters, batch: Batch, generator: np.random.Generator
    ) -> tuple[Float[Tensor, "step walk cell"], Tensor]:
        recurrent = parameters["J"]
        state = batch.start @ parameters["E"].T
        states = []
        for driven in batch.velocities @ parameters["M"].T:
            state = torch.relu(torch.addmm(driven, state, recurrent.T))
            states.append(state)
        return torch.stack(states) @ parameters["D"].T, self.decay * (recurrent**2).sum()

    @override
    def system(self, weights: Arrays) -> System:
        start = weights["E"] @ self.origin(weights)
        return System(
            self._step(weights, np.float32),
            start,
            self.max_step_m,
            extent_m=self.arena_m,
            precise=(self._step(weights, np.float64), start.astype(np.float64)),
            observed=np.arange(self.units),
        )

    def _step(self, weights: Arrays, kind: type[np.floating]) -> Step:
        recurrent = weights["J"].T.astype(kind)
        driven = (weights["M"].T / self.max_step_m).astype(kind)

        def step(
            states: Float[np.ndarray, "walker unit"], velocities: Float[np.ndarray, "walker 2"]
        ) -> Float[np.ndarray, "walker unit"]:
            return np.maximum(states @ recurrent + velocities.astype(kind) @ driven, 0)

        return step
