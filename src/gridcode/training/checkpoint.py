"""Checkpoints: everything that a training needs to be resumed exactly, in one safetensors file.

A file is written beside its place, flushed to disk and renamed, so that a reader never sees half of
it. Its digest reveals damage. Loading never runs code from the file.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from gridcode.errors import GridcodeError
from gridcode.models.packing import weights_digest
from gridcode.runs.files import write_atomically
from gridcode.runs.provenance import PartNames, check_parts, check_training
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

FORMAT = "gridcode-checkpoint-2"


class DamagedCheckpointError(GridcodeError):
    """A checkpoint that cannot be read or whose digest is wrong."""


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous().cpu()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().reshape(-1).view(np.uint8).tobytes())
    return digest.hexdigest()


def save(
    snapshot: Snapshot, path: str | os.PathLike[str], *, extra: dict[str, Any] | None = None
) -> None:
    """Write the whole state of a training.

    Args:
        snapshot: what to save (`Trainer.snapshot`).
        path: the file; replaced as a whole where it exists.
        extra: small JSON values to keep beside it.

    Raises:
        OSError: the disk is full or the folder cannot be written; an earlier file is intact.
    """
    tensors = {f"network.{name}": value for name, value in snapshot.weights.items()}
    tensors |= {f"optimiser.{name}": value for name, value in snapshot.optimiser.items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {
        "format": FORMAT,
        "step": str(snapshot.step),
        "zero_states": str(snapshot.zero_states),
        "plateau": json.dumps(dataclasses.asdict(snapshot.plateau)),
        "training_hash": snapshot.training_hash,
        "weights": weights_digest(snapshot.weights),
        "extra": json.dumps(extra or {}),
    }
    if snapshot.parts:
        metadata["parts"] = json.dumps(snapshot.parts)
    metadata["sha256"] = _digest(tensors, metadata)
    write_atomically(path, safetensors.torch.save(tensors, metadata))


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a checkpoint.

    Raises:
        DamagedCheckpointError: truncated, altered, or something else altogether.
    """
    name = Path(path).name
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedCheckpointError(f"checkpoint {name} is damaged ({error})") from None
    expected = metadata.pop("sha256", None)
    if metadata.get("format") != FORMAT:
        raise DamagedCheckpointError(f"checkpoint {name} is not one of gridcode's")
    if _digest(tensors, metadata) != expected:
        raise DamagedCheckpointError(
            f"checkpoint {name} is damaged (its contents do not match its checksum)"
        )
    return tensors, metadata


def network_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's part of a checkpoint's tensors."""
    return {
        name.removeprefix("network."): value
        for name, value in tensors.items()
        if name.startswith("network.")
    }


def load(
    path: str | os.PathLike[str], training_hash: str, parts: PartNames | None = None
) -> tuple[Snapshot, dict[str, Any]]:
    """The state that `save` wrote, and its `extra`.

    Args:
        path: the file.
        training_hash: of the configuration to continue with (`Config.training_hash`).
        parts: names of the parts to continue with.

    Raises:
        DamagedCheckpointError: as in `read`.
        InputError: the checkpoint was made with other settings or other parts.
    """
    tensors, metadata = read(path)
    check_training(f"checkpoint {Path(path).name}", metadata, training_hash)
    try:
        snapshot = Snapshot(
            weights=network_weights(tensors),
            optimiser={
                name.removeprefix("optimiser."): value
                for name, value in tensors.items()
                if name.startswith("optimiser.")
            },
            step=int(metadata["step"]),
            zero_states=int(metadata["zero_states"]),
            plateau=Plateau(**json.loads(metadata["plateau"])),
            training_hash=training_hash,
            parts=json.loads(metadata.get("parts", "{}")),
        )
        extra: dict[str, Any] = json.loads(metadata["extra"])
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedCheckpointError(
            f"checkpoint {Path(path).name} is incomplete ({error})"
        ) from None
    check_parts(snapshot.parts, parts or {}, "gridcode.train")
    return snapshot, extra
