import os

import numpy as np
import pytest
import torch

# Triton reads this where it is imported first: without a GPU its kernels are run by its
# interpreter.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

import gridcode

# A network small enough to train in a second, with every part of a real one.
TINY = {
    "world.steps": 8,
    "world.trajectories": 16,
    "model.units": 12,
    "model.hidden_widths": [8],
    "loss.sampled_states": 60,
    "loss.isometry_ramp": [5, 10],
    "training.device": "cpu",  # also where there is a GPU; test_gpu.py is for that
    "training.steps": 30,
    "training.warmup_steps": 5,
    "training.log_every": 3,
    "training.checkpoint_every": 7,
    "training.snapshots": 3,
    "evaluation.arenas_m": [1.0],
    "evaluation.adapt_arena": False,
    "evaluation.walk_steps": 60,
    "evaluation.samples_per_bin": 3.0,
    "evaluation.nulls": 99,
    "evaluation.space": False,  # test_cli.py evaluates with it once
    "evaluation.theory": False,  # so is this
}
TIMING = {"steps_per_second"}


@pytest.fixture
def tiny() -> gridcode.Config:
    return gridcode.load_config("quick").override(TINY)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def untimed(rows: list[dict]) -> list[dict]:
    """Metrics without what depends on the clock."""
    return [{k: v for k, v in row.items() if k not in TIMING} for row in rows]
