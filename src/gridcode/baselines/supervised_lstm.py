r"""An LSTM supervised by place cells and head-direction cells (Banino et al. 2018).

$$ (i, f, o, a) = W_v v_t + W_h h_{t-1} + b, \qquad
   c_t = \sigma(f) c_{t-1} + \sigma(i) \tanh(a), \qquad h_t = \sigma(o) \tanh(c_t), $$

$$ g_t = G h_t, \qquad \hat p_t = \mathrm{softmax}(D g_t + d), \qquad
   \hat q_t = \mathrm{softmax}(Q g_t + e). $$

In training half of g, drawn at random, is dropped. The state at the start is linear in the place
cells there. The linear layer g holds the units that are analysed. Place cells are Gaussian; walks
and place cells are otherwise those of `supervised`. The velocity is given along the axes of the
box, so the direction of movement, which head-direction cells tell, need not be integrated.
"""

from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import log_softmax
from typing_extensions import override

from gridcode.analysis.system import Step, System
from gridcode.baselines.gradient import Parameters
from gridcode.baselines.recipe import Arrays
from gridcode.baselines.supervised_training import Batch, SupervisedRecipe
from gridcode.config import StepCount, Weight

HEAD_DIRECTIONS = 12  # cells, as in the paper
CONCENTRATION = 20.0  # of their von Mises tuning, as in the paper


class SupervisedLstm(SupervisedRecipe):
    """Settings of the supervised LSTM."""

    name: ClassVar = "lstm"
    title: ClassVar = "supervised LSTM (2018)"
    source: ClassVar = (
        "Banino et al. 2018, Vector-based navigation using grid-like representations in "
        "artificial agents, Nature"
    )
    put_in: ClassVar = (
        "position as the target, the width of the place cells, head direction as a target, the "
        "walls, dropout"
    )

    neurons: Annotated[int, Field(ge=2, le=4096)] = 128
    """LSTM units."""
    linear: Annotated[int, Field(ge=2, le=4096)] = 128
    """Units of the linear layer."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the linear layer that is dropped in training."""
    surround: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Ratio of the variances of the place cells' surround and centre; 0: no surround."""
    updates: StepCount = 2000
    """Updates."""
    decay: Weight = 1e-5
    """Weight of the sum of the squares of G, D and Q."""

    @property
    @override
    def units(self) -> int:
        return min(self.analysed, self.linear)

    @property
    @override
    def surround_ratio(self) -> float:
        return self.surround

    @override
    def network(self, generator: np.random.Generator) -> Arrays:
        n, g, cells = self.neurons, self.linear, self.place_cells

        def uniform(rows: int, columns: int) -> np.ndarray:
            return generator.uniform(-1, 1, (rows, columns)) / columns**0.5

        bias = np.zeros(4 * n)
        bias[n : 2 * n] = 1.0  # of the forget gates: memory is kept at first
        return {
            "Wv": uniform(4 * n, 2),
            "Wh": uniform(4 * n, n),
            "b": bias,
            "H0": uniform(n, cells),
            "C0": uniform(n, cells),
            "G": uniform(g, n),
            "D": uniform(cells, g),
            "d": np.zeros(cells),
            "Q": uniform(HEAD_DIRECTIONS, g),
            "e": np.zeros(HEAD_DIRECTIONS),
        }

    @override
    def outputs(
        self, parameters: Parameters, batch: Batch, generator: np.random.Generator
    ) -> tuple[Float[Tensor, "step walk cell"], Tensor]:
        hidden = batch.start @ parameters["H0"].T
        cell = batch.start @ parameters["C0"].T
        outputs = []
        for driven in batch.velocities @ parameters["Wv"].T + parameters["b"]:
            i, f, o, a = torch.addmm(driven, hidden, parameters["Wh"].T).chunk(4, dim=-1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(a)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
        linear = torch.stack(outputs) @ parameters["G"].T
        kept = generator.random(linear.shape, dtype=np.float32) >= self.dropout
        linear = linear * torch.from_numpy(kept) / (1 - self.dropout)
        told = log_softmax(linear @ parameters["Q"].T + parameters["e"], dim=-1)
        directions = -(head_directions(batch.velocities) * told).sum(dim=-1).mean()
        squares = torch.stack([(parameters[name] ** 2).sum() for name in ("G", "D", "Q")]).sum()
        logits = linear @ parameters["D"].T + parameters["d"]
        return logits, directions + self.decay * squares

    @override
    def system(self, weights: Arrays) -> System:
        place = self.origin(weights)
        hidden, cell = weights["H0"] @ place, weights["C0"] @ place
        start = np.concatenate([hidden, cell, weights["G"] @ hidden])
        return System(
            self._step(weights, np.float32),
            start,
            self.max_step_m,
            extent_m=self.arena_m,
            precise=(self._step(weights, np.float64), start.astype(np.float64)),
            observed=2 * self.neurons + np.arange(self.units),
        )

    def _step(self, weights: Arrays, kind: type[np.floating]) -> Step:
        n = self.neurons
        by_velocity = (weights["Wv"].T / self.max_step_m).astype(kind)
        by_state, out = weights["Wh"].T.astype(kind), weights["G"].T.astype(kind)
        bias = weights["b"].astype(kind)

        def step(
            states: Float[np.ndarray, "walker variable"], velocities: Float[np.ndarray, "walker 2"]
        ) -> Float[np.ndarray, "walker variable"]:
            drive = velocities.astype(kind) @ by_velocity + states[:, :n] @ by_state + bias
            i, f, o, a = np.split(drive, 4, axis=1)
            cell = expit(f) * states[:, n : 2 * n] + expit(i) * np.tanh(a)
            hidden = expit(o) * np.tanh(cell)
            return np.concatenate([hidden, cell, hidden @ out], axis=1)

        return step


def head_directions(velocities: Float[Tensor, "*shape 2"]) -> Float[Tensor, "*shape direction"]:
    """Head-direction cells of these movements, a distribution over cells."""
    preferred = torch.arange(HEAD_DIRECTIONS) * (2 * torch.pi / HEAD_DIRECTIONS)
    angle = torch.atan2(velocities[..., 1], velocities[..., 0])
    return torch.softmax(CONCENTRATION * torch.cos(angle[..., None] - preferred), dim=-1)
