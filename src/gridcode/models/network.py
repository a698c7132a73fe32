"""The trained network: transition, start state and rollout together."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gridcode.config import ModelConfig
from gridcode.models.recurrence import norm_relu, rollout
from gridcode.models.transition import VelocityTransition
from gridcode.world.permutations import Batch


class GridNetwork(nn.Module):
    """g_t = Norm(ReLU(W(v_t) g_(t-1))) from a start state of its own (paper, section 5.2).

    Args:
        transition: velocity to matrix.
        start: (units,) raw start state; the state g_0 is Norm(ReLU(start)).
        train_start: whether it is trained.
        norm: False leaves out the division by the norm (ablation).
    """

    def __init__(
        self,
        transition: VelocityTransition,
        start: Float[Tensor, " units"],
        *,
        train_start: bool = True,
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.transition = transition
        self.start = nn.Parameter(start, requires_grad=train_start)
        self.norm = norm

    @classmethod
    def from_config(
        cls, config: ModelConfig, *, generator: Generator, dtype: torch.dtype = torch.float32
    ) -> "GridNetwork":
        """A freshly initialised network; weights are drawn on the CPU, so a seed gives the same ones everywhere."""
        transition = VelocityTransition(
            config.units,
            hidden_widths=config.hidden_widths,
            activation=config.activation,
            velocity_scale_m=config.velocity_scale_m,
            initialisation=config.initialisation,
            generator=generator,
            dtype=dtype,
        )
        start = torch.rand(config.units, generator=generator, dtype=torch.float64).to(dtype)
        return cls(transition, start, train_start=config.start == "trained", norm=config.norm)

    @property
    def g0(self) -> Float[Tensor, " units"]:
        """The state at the origin; of length 1 also in the ablation without norm."""
        return norm_relu(self.start)

    def forward(self, batch: Batch) -> Float[Tensor, "time trajectory units"]:
        """States along every trajectory of a training batch."""
        return rollout(self.transition(batch.velocities), self.g0, batch.orders, norm=self.norm)

    def step(
        self, states: Float[Tensor, "walker units"], velocities: Float[Tensor, "walker 2"]
    ) -> Float[Tensor, "walker units"]:
        """One step of each walker, with velocities in metres per step."""
        matrices = self.transition(velocities)
        return norm_relu(torch.bmm(matrices, states.unsqueeze(2)).squeeze(2), norm=self.norm)

    def as_system(
        self, *, chunk: int = 256
    ) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], np.ndarray]:
        """The network as NumPy arrays, (step function, start state), for `gridcode.analysis`.

        Walkers all have velocities of their own, so no matrix serves twice. W g is then computed
        without W: with the last layer's weights A, (W g)_i = sum_k (sum_j A_ijk g_j) h_k + (b g)_i,
        as many operations, but one product of many walkers with one array instead of a matrix
        written and read for each of them (more than twice as fast).

        Args:
            chunk: walkers computed at once; 256 x 64 x 64 floats are 4 MB.
        """
        device, dtype = self.start.device, self.start.dtype
        units = self.transition.units
        *hidden_layers, last = self.transition.mlp
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            weight = last.weight.view(units, units, -1).transpose(0, 1).reshape(units, -1)
            bias = last.bias.view(units, units).T.clone()

        @torch.inference_mode()
        def chunk_step(g: Tensor, v: Tensor) -> Tensor:
            h = v / self.transition.velocity_scale_m
            for layer in hidden_layers:
                h = layer(h)
            by_hidden = (g @ weight).view(len(g), units, -1)
            return norm_relu(
                torch.baddbmm((g @ bias).unsqueeze(2), by_hidden, h.unsqueeze(2)).squeeze(2),
                norm=self.norm,
            )

        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            g = torch.tensor(states, device=device, dtype=dtype)
            v = torch.tensor(velocities, device=device, dtype=dtype)
            return (
                torch.cat(
                    [chunk_step(*part) for part in zip(g.split(chunk), v.split(chunk), strict=True)]
                )
                .cpu()
                .numpy()
            )

        return step, self.g0.detach().cpu().numpy()

    def as_matrices(self) -> Callable[[np.ndarray], np.ndarray]:
        """The matrices W(v) as NumPy arrays, (velocity, 2) metres to (velocity, unit, unit), for `gridcode.analysis`.

        `W[k, i, j]` leads from unit j to unit i.
        """
        device, dtype = self.start.device, self.start.dtype

        @torch.inference_mode()
        def matrices(velocities: np.ndarray) -> np.ndarray:
            return (
                self.transition(torch.tensor(velocities, device=device, dtype=dtype)).cpu().numpy()
            )

        return matrices
