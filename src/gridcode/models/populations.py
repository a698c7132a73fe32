r"""Populations of units that share the velocity but no connections: W(v) is block diagonal.

$$ g = (g^1, \ldots, g^P) / \sqrt{P}, \qquad g^p_t = \mathrm{Norm}(\mathrm{ReLU}(W^p(v_t)
g^p_{t-1})) $$

Each population is stored and computed separately: no zeros are stored or multiplied. States of
populations have length 1, and so has the joint state.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from gridcode.config import ModelConfig
from gridcode.models.network import GridNetwork
from gridcode.world.permutations import Batch


class Populations(nn.Module):
    """Networks side by side, as one network of all their units.

    Args:
        members: the populations, at least two.
    """

    def __init__(self, members: Sequence[GridNetwork]) -> None:
        super().__init__()
        self.populations = nn.ModuleList(members)

    @property
    def members(self) -> tuple[GridNetwork, ...]:
        """The populations in order."""
        return tuple(self.populations)  # type: ignore[arg-type]

    @property
    def g0(self) -> Float[Tensor, " units"]:
        """The joint state at the origin."""
        return join([m.g0 for m in self.members])

    def forward(self, batch: Batch) -> Float[Tensor, "time trajectory units"]:
        """Joint states along every trajectory of a training batch."""
        return join([m(batch) for m in self.members])

    def step(
        self, states: Float[Tensor, "walker units"], velocities: Float[Tensor, "walker axis"]
    ) -> Float[Tensor, "walker units"]:
        """One step of each walker, with velocities in metres per step."""
        parts = states.split([m.units for m in self.members], dim=1)
        scale = len(parts) ** 0.5
        return join(
            [m.step(part * scale, velocities) for m, part in zip(self.members, parts, strict=True)]
        )

    def as_system(
        self, *, chunk: int = 256
    ) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], np.ndarray]:
        """As `GridNetwork.as_system`."""
        systems = [m.as_system(chunk=chunk) for m in self.members]
        scale = len(systems) ** 0.5
        borders = np.cumsum([m.units for m in self.members])[:-1]

        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            parts = zip(systems, np.split(states, borders, axis=1), strict=True)
            moved = [own(part * scale, velocities) for (own, _), part in parts]
            return np.concatenate(moved, axis=1) / scale

        return step, np.concatenate([start for _, start in systems]) / scale

    def as_matrices(self) -> Callable[[np.ndarray], np.ndarray]:
        """As `GridNetwork.as_matrices`: whole matrices, with zeros between populations."""
        blocks = [m.as_matrices() for m in self.members]
        ends = np.cumsum([m.units for m in self.members])

        def matrices(velocities: np.ndarray) -> np.ndarray:
            parts = [block(velocities) for block in blocks]
            whole = np.zeros((len(velocities), ends[-1], ends[-1]), dtype=parts[0].dtype)
            for part, end in zip(parts, ends, strict=True):
                first = end - part.shape[1]
                whole[:, first:end, first:end] = part
            return whole

        return matrices


Network = GridNetwork | Populations


def join(states: Sequence[Float[Tensor, "*batch _"]]) -> Float[Tensor, "*batch units"]:
    """The joint state of populations, divided by the root of their number to keep length 1."""
    return torch.cat(list(states), dim=-1) / len(states) ** 0.5 if len(states) > 1 else states[0]


def make_network(
    config: ModelConfig,
    *,
    generator: Generator,
    dtype: torch.dtype = torch.float32,
    transition: Callable[..., nn.Module] | None = None,
    dimensions: int = 2,
) -> Network:
    """A freshly initialised network; arguments and errors as in `GridNetwork.from_config`."""
    members = [
        GridNetwork.from_config(
            config.model_copy(update={"populations": (), "units": units}),
            generator=generator,
            dtype=dtype,
            transition=transition,
            dimensions=dimensions,
        )
        for units in config.sizes
    ]
    return Populations(members) if config.populations else members[0]


def load_into_network(
    config: ModelConfig,
    weights: Mapping[str, Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    transition: Callable[..., nn.Module] | None = None,
    dimensions: int = 2,
) -> Network:
    """A network with these weights, by name; other arguments as in `GridNetwork.from_config`.

    Raises:
        RuntimeError: weights of another network.
    """
    # The initial weights are replaced: take those that are made quickest.
    start = config.model_copy(update={"initialisation": "default"})
    generator = Generator().manual_seed(0)
    network = make_network(
        start, generator=generator, dtype=dtype, transition=transition, dimensions=dimensions
    )
    network.load_state_dict(weights)
    return network


def members_of(network: Network) -> tuple[GridNetwork, ...]:
    """The populations of a network; one without populations is its own only member."""
    return network.members if isinstance(network, Populations) else (network,)
