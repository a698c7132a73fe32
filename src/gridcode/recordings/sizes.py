"""How large an array may be."""

import math
from collections.abc import Sequence

from gridcode.errors import InputError

# As float64 in memory; scoring takes a few times that.
LARGEST_GB = 4.0


def check_size(shape: Sequence[int], name: str) -> None:
    """Raise an InputError for an array too large to work on."""
    size = 8 * math.prod(shape) / 1e9
    if size > LARGEST_GB:
        raise InputError(
            f"{name} {tuple(shape)} would take {size:.3g} GB; up to {LARGEST_GB:g} GB are read: "
            "score the units in parts"
        )
