"""The trained network: transition, start state and rollout together."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gridcode.config import ModelConfig
from gridcode.errors import InputError
from gridcode.models.recurrence import norm_relu, rollout
from gridcode.models.transition import VelocityTransition
from gridcode.world.permutations import Batch

# Velocities of the fast step, in units of the velocity scale: a little more than a walk's longest.
REACH = 1.05
# It looks at about so many velocities, on a grid.
LOOKED_AT = 41**2


class GridNetwork(nn.Module):
    """g_t = Norm(ReLU(W(v_t) g_(t-1))) from a start state (paper, section 5.2).

    Args:
        transition: module from velocities (..., axis), metres per step, to matrices (..., units,
            units).
        start: (units,) raw start state; the state g_0 is Norm(ReLU(start)).
        train_start: whether it is trained.
        norm: False leaves out the division by the norm (ablation).
    """

    def __init__(
        self,
        transition: nn.Module,
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
        cls,
        config: ModelConfig,
        *,
        generator: Generator,
        dtype: torch.dtype = torch.float32,
        transition: Callable[..., nn.Module] | None = None,
        dimensions: int = 2,
    ) -> "GridNetwork":
        """A freshly initialised network; its weights are drawn on the CPU, alike on every device.

        Args:
            config: its settings.
            generator: source of the weights.
            dtype: floating-point type of the weights.
            transition: called with (units, generator=...) to make the module that maps velocities
                to matrices; None makes a `VelocityTransition`.
            dimensions: axes of a velocity (`world.dimensions`).

        Raises:
            InputError: a transition that does not give matrices of this size.
        """
        module: nn.Module
        if transition is None:
            module = VelocityTransition(
                config.units,
                hidden_widths=config.hidden_widths,
                activation=config.activation,
                velocity_scale_m=config.velocity_scale_m,
                dimensions=dimensions,
                initialisation=config.initialisation,
                generator=generator,
                dtype=dtype,
            )
        else:
            module = _own_transition(transition, config.units, dimensions, generator).to(dtype)
        start = torch.rand(config.units, generator=generator, dtype=torch.float64).to(dtype)
        return cls(module, start, train_start=config.start == "trained", norm=config.norm)

    @property
    def units(self) -> int:
        """Number of units."""
        return self.start.numel()

    @property
    def g0(self) -> Float[Tensor, " units"]:
        """The state at the origin; of length 1 also in the ablation without norm."""
        return norm_relu(self.start)

    def forward(self, batch: Batch) -> Float[Tensor, "time trajectory units"]:
        """States along every trajectory of a training batch."""
        return rollout(self.transition(batch.velocities), self.g0, batch.orders, norm=self.norm)

    def step(
        self, states: Float[Tensor, "walker units"], velocities: Float[Tensor, "walker axis"]
    ) -> Float[Tensor, "walker units"]:
        """One step of each walker, with velocities in metres per step."""
        matrices = self.transition(velocities)
        return norm_relu(torch.bmm(matrices, states.unsqueeze(2)).squeeze(2), norm=self.norm)

    def as_system(
        self, *, chunk: int = 128
    ) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], np.ndarray]:
        """The network as NumPy arrays, (step function, start state), for `gridcode.analysis`.

        Where walkers with the same velocity stand side by side in groups of one size, the group
        shares its matrix. Otherwise no matrix serves twice. A `VelocityTransition` is then applied
        without computing W: with the last layer's weights A and the last hidden layer h (and a one
        for the bias), (W g)_i = sum_jk A_ijk g_j h_k, one product of all walkers with one array.
        Over velocities of few axes h has few directions that single precision can tell apart,
        and the others are left out: half of the operations or fewer.

        Args:
            chunk: walkers computed at once; outer products of 128 walkers are 1 MB.
        """
        device, dtype = self.start.device, self.start.dtype
        own_step = (
            self._fast_step() if isinstance(self.transition, VelocityTransition) else self.step
        )

        @torch.inference_mode()
        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            g = torch.tensor(states, device=device, dtype=dtype)
            v = torch.tensor(velocities, device=device, dtype=dtype)
            run = _run_length(v)
            if run > 1:
                groups = zip(
                    g.view(-1, run, g.shape[1]).split(chunk), v[::run].split(chunk), strict=True
                )
                moved = [torch.bmm(part, self.transition(w).transpose(1, 2)) for part, w in groups]
                return norm_relu(torch.cat(moved).flatten(0, 1), norm=self.norm).cpu().numpy()
            parts = zip(g.split(chunk), v.split(chunk), strict=True)
            return torch.cat([own_step(*part) for part in parts]).cpu().numpy()

        return step, self.g0.detach().cpu().numpy()

    def _fast_step(self) -> Callable[[Tensor, Tensor], Tensor]:
        """`step` for a `VelocityTransition`, without computing the matrices."""
        transition, units = self.transition, self.units
        assert isinstance(transition, VelocityTransition)
        *layers, last = transition.mlp
        assert isinstance(last, nn.Linear)
        hidden = nn.Sequential(*layers)
        scale = transition.velocity_scale_m
        with torch.no_grad():
            # (unit to, unit from, hidden and one)
            whole = torch.cat([last.weight, last.bias.unsqueeze(1)], dim=1).view(units, units, -1)
            axes = transition.dimensions
            points = round(LOOKED_AT ** (1 / axes))
            line = torch.linspace(-REACH, REACH, points, device=whole.device, dtype=whole.dtype)
            looked_at = torch.cartesian_prod(*[line] * axes).view(-1, axes)
            basis = _directions(_with_one(hidden(looked_at)))
            every = whole.permute(1, 2, 0).reshape(-1, units)
            few = (whole @ basis).permute(1, 2, 0).reshape(-1, units)

        def step(g: Tensor, v: Tensor) -> Tensor:
            scaled = v / scale
            h = _with_one(hidden(scaled))
            # Beyond the velocities that were looked at h may have other directions.
            near = bool((scaled.abs() <= REACH).all())
            h, weights = (h @ basis, few) if near else (h, every)
            outer = (g.unsqueeze(2) * h.unsqueeze(1)).reshape(len(g), -1)
            return norm_relu(outer @ weights, norm=self.norm)

        return step

    def as_matrices(self) -> Callable[[np.ndarray], np.ndarray]:
        """The matrices W(v) as NumPy arrays, for `gridcode.analysis`.

        From velocities (velocity, axis), metres per step, to matrices (velocity, unit, unit), with
        the weight from unit j to unit i in `[k, i, j]`.
        """
        device, dtype = self.start.device, self.start.dtype

        @torch.inference_mode()
        def matrices(velocities: np.ndarray) -> np.ndarray:
            return (
                self.transition(torch.tensor(velocities, device=device, dtype=dtype)).cpu().numpy()
            )

        return matrices


def _with_one(h: Float[Tensor, "velocity hidden"]) -> Float[Tensor, "velocity _"]:
    return torch.cat([h, h.new_ones(len(h), 1)], dim=1)


def _directions(h: Float[Tensor, "velocity hidden"]) -> Float[Tensor, "hidden _"]:
    """Orthonormal directions that hold these rows but for rounding."""
    _, size, directions = torch.linalg.svd(h.double(), full_matrices=False)
    kept = size > torch.finfo(h.dtype).eps * 20 * size[0]
    return directions[kept].T.to(h.dtype).contiguous()


def _run_length(velocities: Float[Tensor, "walker axis"]) -> int:
    """Size of groups of successive walkers with the same velocity; 1 where sizes differ."""
    if len(velocities) < 2 or not torch.equal(velocities[0], velocities[1]):
        return 1
    if torch.equal(velocities, velocities[:1].expand_as(velocities)):
        return len(velocities)
    _, counts = torch.unique_consecutive(velocities, dim=0, return_counts=True)
    size = int(counts[0])
    return size if bool((counts == size).all()) else 1


def _own_transition(
    make: Callable[..., nn.Module], units: int, dimensions: int, generator: Generator
) -> nn.Module:
    # Layers initialised as usual draw from PyTorch's global generator: seed it from a copy of the
    # run's, which itself stays where it is.
    copied = Generator()
    copied.set_state(generator.get_state())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=copied)))
        module = make(units, generator=generator)
        if not isinstance(module, nn.Module):
            raise InputError(
                "a transition is called with the number of units, and returns a module"
            )
        example = next(module.parameters(), torch.zeros(()))
        with torch.no_grad():
            shape = tuple(module(torch.zeros(3, dimensions, dtype=example.dtype)).shape)
    if shape != (3, units, units):
        raise InputError(
            f"the transition gives {shape} for 3 velocities, where {(3, units, units)} is needed"
        )
    return module
