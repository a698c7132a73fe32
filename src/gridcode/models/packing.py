"""Weights in little room: rounding, and products of low rank, in one safetensors file.

Nearly all numbers of a network are the weights A of the layer that gives W(v) = A h(v) + b, N^2
rows with a column for each hidden unit (for every population where there are several). Only they
are rounded or factored; all other tensors stay in float32.
"""

import hashlib
import json
import re
from collections.abc import Mapping

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from gridcode.errors import InputError

LEFT, RIGHT = ":left", ":right"
ROUNDED = {"float16": torch.float16, "float32": torch.float32}


def layers_behind_matrices(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that give W(v): the largest of each population."""
    largest: dict[str, str] = {}
    for name, value in weights.items():
        head = re.match(r"(populations\.\d+\.)?", name)
        assert head is not None
        if head[0] not in largest or value.numel() > weights[largest[head[0]]].numel():
            largest[head[0]] = name
    return list(largest.values())


def _in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """First 16 hex digits of the SHA-256 of weights by name, with types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def pack_weights(
    weights: Mapping[str, Tensor],
    *,
    dtype: str = "float32",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Weights as a safetensors file.

    Args:
        weights: the network's tensors by name; A may be given as its factors `NAME:left` and
            `NAME:right`, whose product it is.
        dtype: floating-point type of the layers behind W(v), or of their left factors: `float16` or
            `float32`.
        metadata: written into the file's header, as JSON.

    Raises:
        InputError: a weight that this dtype cannot hold.
    """
    packed = _in_float32({name: value.detach().cpu() for name, value in weights.items()})
    rounded = layers_behind_matrices(packed)
    for name in rounded:
        packed[name] = packed[name].to(ROUNDED[dtype])
    for name, value in packed.items():
        if value.is_floating_point() and not value.isfinite().all():
            kind = dtype if name in rounded else "float32"
            raise InputError(f"{name} has weights that are not finite in {kind}")
    tensors = {name: packed[name].contiguous() for name in sorted(packed)}
    # One entry, because safetensors writes several in any order: the same weights, the same bytes.
    header = {"header": json.dumps(metadata, sort_keys=True)} if metadata else None
    return safetensors.torch.save(tensors, header)


def unpack(data: bytes) -> dict[str, Tensor]:
    """The weights by name, float32, from a file of `pack_weights`.

    Raises:
        InputError: it is damaged.
    """
    try:
        tensors = _in_float32(safetensors.torch.load(data))
        for name in [name for name in tensors if name.endswith(LEFT)]:
            whole = name.removesuffix(LEFT)
            tensors[whole] = tensors.pop(name) @ tensors.pop(whole + RIGHT)
    except (SafetensorError, KeyError, ValueError, IndexError, RuntimeError) as error:
        raise InputError(f"the weights are damaged ({str(error).splitlines()[0]})") from None
    return tensors
