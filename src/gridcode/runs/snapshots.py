"""Snapshots: the weights alone, at steps spread over the training, small enough to keep. Films and maps over training are made of them.

A training goes on from its checkpoints; without its snapshots it is the same training.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.packing import pack_weights, unpack
from gridcode.models.populations import Network, make_network
from gridcode.runs.files import write_atomically


def steps_kept(steps: int, count: int, *, first_stage: int = 0) -> list[int]:
    r"""Steps to keep weights of: $\mathrm{round}(S (k/K)^2)$, since lattices form, and change, early in a stage.

    Args:
        steps: S, steps of the training.
        count: K, how many are kept beside step 0; 0 keeps none at all.
        first_stage: length of the first of two stages; each gets half of the snapshots, spread in
            the same way.
    """
    if not count:
        return []
    if 0 < first_stage < steps and count > 1:
        early = steps_kept(first_stage, count // 2)
        return sorted(
            {
                *early,
                *(
                    first_stage + step
                    for step in steps_kept(steps - first_stage, count - count // 2)
                ),
            }
        )
    return sorted({round(steps * (k / count) ** 2) for k in range(count + 1)})


def save(path: str | os.PathLike[str], weights: Mapping[str, Tensor]) -> None:
    """Write weights, those of the layers behind W(v) rounded to float16 where it can hold them.

    Raises:
        OSError: the file cannot be written.
    """
    Path(path).parent.mkdir(exist_ok=True)
    try:
        data = pack_weights(weights, dtype="float16")
    except InputError:
        try:
            data = pack_weights(weights)
        except InputError:
            return  # Weights that are not finite stop the training, which says so itself.
    write_atomically(path, data)


def load_network(path: str | os.PathLike[str], config: Config) -> Network:
    """The network of a snapshot, on the CPU.

    Args:
        path: a file that `save` wrote.
        config: the configuration of the training.

    Raises:
        InputError: it cannot be read, is damaged, or belongs to another network.
    """
    try:
        weights = unpack(Path(path).read_bytes())
        # Weights are loaded over whatever the network starts with, so take what is quickest to
        # make.
        start = config.model.model_copy(update={"initialisation": "default"})
        network = make_network(start, generator=torch.Generator().manual_seed(0))
        network.load_state_dict(weights)
    except (OSError, RuntimeError, InputError) as error:
        raise InputError(
            f"the snapshot {Path(path).name} cannot be read ({str(error).splitlines()[0]})"
        ) from None
    return network
