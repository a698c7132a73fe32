"""Contexts needed to capture a CUDA graph."""

import contextlib
import functools
import gc
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def rounded_products(kind: str) -> Iterator[None]:
    """Set how cuBLAS rounds the operands of products."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind != "float32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@functools.cache
def side_stream(device: int) -> torch.cuda.Stream:
    """One stream to capture on for each device: a stream keeps its workspaces for ever."""
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Collect garbage first, and not inside the block."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
