"""Snapshots: the weights alone at steps spread over the training, for films and maps over it.

They are small enough to keep. A training is resumed from its checkpoints, not from these.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.packing import pack_weights, unpack, weights_digest
from gridcode.models.populations import Network, load_into_network
from gridcode.runs.files import write_atomically
from gridcode.runs.provenance import check_training, read_header


def steps_kept(steps: int, count: int, *, first_stage: int = 0) -> list[int]:
    r"""Steps at which weights are kept: $\mathrm{round}(S (k/K)^2)$.

    They are denser early in a stage, where lattices form and change.

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
        late = steps_kept(steps - first_stage, count - count // 2)
        return sorted({*early, *(first_stage + step for step in late)})
    return sorted({round(steps * (k / count) ** 2) for k in range(count + 1)})


def save(
    path: str | os.PathLike[str], weights: Mapping[str, Tensor], *, step: int, training_hash: str
) -> None:
    """Write weights, those of the layers behind W(v) rounded to float16 where it can hold them.

    Args:
        path: the file.
        weights: the network's tensors by name.
        step: of the training, for the header.
        training_hash: of the configuration (`Config.training_hash`), for the header.

    Raises:
        OSError: the file cannot be written.
    """
    Path(path).parent.mkdir(exist_ok=True)
    header = {"step": str(step), "training_hash": training_hash, "weights": weights_digest(weights)}
    try:
        data = pack_weights(weights, dtype="float16", metadata=header)
    except InputError:
        try:
            data = pack_weights(weights, metadata=header)
        except InputError:
            return  # Weights that are not finite stop the training with an error anyway.
    write_atomically(path, data)


def load_network(
    path: str | os.PathLike[str],
    config: Config,
    *,
    transition: Callable[..., nn.Module] | None = None,
) -> Network:
    """The network of a snapshot, on the CPU.

    Args:
        path: a file that `save` wrote.
        config: the configuration of the training.
        transition: as in `GridNetwork.from_config`.

    Raises:
        InputError: it cannot be read, is damaged, or belongs to another training.
    """
    check_training(f"snapshot {Path(path).name}", read_header(path), config.training_hash)
    try:
        weights = unpack(Path(path).read_bytes())
        return load_into_network(
            config.model, weights, transition=transition, dimensions=config.world.dimensions
        )
    except (OSError, RuntimeError, InputError) as error:
        raise InputError(
            f"the snapshot {Path(path).name} cannot be read ({str(error).splitlines()[0]})"
        ) from None
