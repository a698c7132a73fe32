"""Memory: keeping it between steps, and advice when there is too little."""

import ctypes
import itertools
import os
import platform

import torch

from gridcode.config import Config
from gridcode.errors import InputError

# Numbers of mallopt's parameters in glibc's malloc.h, and the largest values it takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER_TRIM, _LARGEST_MMAP_THRESHOLD = 2**31 - 1, 2**25


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory; returns whether it does (only glibc can).

    Every step allocates and frees the same few megabytes. Returned to the system, they would cost
    thousands of page faults a step: 10 of 70 CPU-ms at 128 units. The process keeps the memory of
    its peak.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)) and bool(
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    )


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, means that memory ran out."""
    while error is not None:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return True
        # Most libraries only have a message.
        words = ("not enough memory", "can't allocate memory", "out of memory", "alloc_failed")
        if any(word in str(error).lower() for word in words):
            return True
        error = error.__context__
    return False


def step_bytes(config: Config) -> dict[str, int]:
    """Approximate memory of a training step of one network, by the setting that determines it.

    The MLP's layers (weights, gradient, two moments), the matrices with their gradient, and the
    states with their copies for the backward pass; measured peaks are in docs/performance.md.
    """
    size = 8 if config.training.precision == "float64" else 4
    square = sum(n**2 for n in config.model.sizes)
    steps, trajectories = (
        max(both)
        for both in zip(*(config.world.stage(joint=joint) for joint in (False, True)), strict=True)
    )
    widths = (config.world.dimensions, *config.model.hidden_widths)
    hidden = sum((first + 1) * second for first, second in itertools.pairwise(widths))
    needs = {
        "model.units": 3 * size * steps * square,
        "model.hidden_widths": 4 * size * hidden * len(config.model.sizes),
        "world.trajectories": size * (steps + 1) * trajectories * config.model.units * 6,
    }
    # The last layer has units^2 outputs of `width` inputs: the larger of the two is to blame.
    last, wide = 4 * size * square * (widths[-1] + 1), widths[-1] > max(config.model.sizes)
    needs["model.hidden_widths" if wide else "model.units"] += last
    return needs


def check_memory(config: Config) -> None:
    """Refuse a network whose training step cannot fit into this machine's memory.

    Linux would promise the memory, and end the process without a word when it is used.

    Raises:
        InputError: it needs more than all that there is.
    """
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return
    if sum(step_bytes(config).values()) > there > 0:
        raise InputError(
            f"this training does not fit into the {there / 2**30:.1f} GiB of this machine: "
            f"{what_to_lower(config, 1)}"
        )


def what_to_lower(config: Config, networks: int) -> str:
    """Advice to lower the setting that takes most memory."""
    needs = step_bytes(config)
    setting = max(needs, key=lambda name: needs[name])
    section, field = setting.split(".")
    value = getattr(getattr(config, section), field)
    value = list(value) if isinstance(value, tuple) else value
    size, whole = networks * needs[setting] / 2**30, networks * sum(needs.values()) / 2**30
    fewer = f", or train fewer than {networks} networks at once (--at-once)" if networks > 1 else ""
    return f"lower {setting} (now {value}: about {size:.1f} GiB of {whole:.1f}){fewer}"
