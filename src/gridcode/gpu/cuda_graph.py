"""What capturing a CUDA graph needs around it."""

import contextlib
import functools
import gc
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def rounded_products(kind: str) -> Iterator[None]:
    """How cuBLAS rounds the operands of the products around the kernels."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind != "float32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@functools.cache
def side_stream(device: int) -> torch.cuda.Stream:
    """One stream to capture on for each device: the libraries' workspaces stay with a stream for ever."""
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Collect garbage now and not in between."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
