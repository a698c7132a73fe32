"""Memory: keeping it between steps, and advice when there is too little."""

import ctypes
import platform

import torch

from gridcode.config import Config

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

    The MLP's last layer (weights, gradient, two moments), the matrices with their gradient, and the
    states with their copies for the backward pass; measured peaks are in docs/performance.md.
    """
    size = 8 if config.training.precision == "float64" else 4
    square = sum(n**2 for n in config.model.sizes)
    steps, trajectories = (
        max(both)
        for both in zip(*(config.world.stage(joint=joint) for joint in (False, True)), strict=True)
    )
    return {
        "model.units": size * square * (4 * (config.model.hidden_widths[-1] + 1) + 3 * steps),
        "world.trajectories": size * (steps + 1) * trajectories * config.model.units * 6,
    }


def what_to_lower(config: Config, networks: int) -> str:
    """Advice to lower the setting that takes most memory."""
    needs = step_bytes(config)
    setting = max(needs, key=lambda name: needs[name])
    section, field = setting.split(".")
    value = getattr(getattr(config, section), field)
    size, whole = networks * needs[setting] / 2**30, networks * sum(needs.values()) / 2**30
    fewer = f", or train fewer than {networks} networks at once (--at-once)" if networks > 1 else ""
    return f"lower {setting} (now {value}: about {size:.1f} GiB of {whole:.1f}){fewer}"
