"""GPU kernels in Triton, each equal to a plain function elsewhere; imported only for a GPU.

This module itself imports no Triton: the package must also load without it.
"""

import torch

# With more units, one step's product of the rollout and the tile in flight do not fit the registers
# of a program. The compiled pair terms were not tested beyond.
MOST_UNITS = 512


def unsupported_reason(units: int, dtype: torch.dtype) -> str | None:
    """Why the kernels cannot compute states of this size and type, or None if they can."""
    if dtype != torch.float32:
        return f"{str(dtype).removeprefix('torch.')} states"
    if units > MOST_UNITS:
        return f"{MOST_UNITS} units at most, not {units}"
    return None
