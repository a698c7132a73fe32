"""GPU kernels in Triton, each equal to a plain function elsewhere; nothing here is imported before a GPU asks for it.

This module imports no Triton: the package must load where there is none.
"""

import torch

# With more units, one step's product of the rollout no longer fits the registers of a program
# together with the tile in flight; the compiled pair terms have not been looked at beyond.
MOST_UNITS = 512


def why_not(units: int, dtype: torch.dtype) -> str | None:
    """Why the kernels do not take states of this size and kind, in a few words; None where they do."""
    if dtype != torch.float32:
        return f"{str(dtype).removeprefix('torch.')} states"
    if units > MOST_UNITS:
        return f"{MOST_UNITS} units at most, not {units}"
    return None
