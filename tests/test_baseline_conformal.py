"""Conformal isometry: losses on planted codes, unit length, spacing set by the scale, resume."""

import numpy as np
import pytest
import torch

from gridcode.baselines import load_recipe
from gridcode.baselines.conformal_isometry import (
    ConformalIsometry,
    displacements,
    embedding,
    losses,
)
from gridcode.baselines.recipe import Arrays
from gridcode.errors import InputError


def grown(kind: ConformalIsometry, *, seed: int = 1) -> Arrays:
    growth = kind.begin(np.random.default_rng([seed, 0]))
    for step in range(1, kind.steps + 1):
        growth.advance(step, np.random.default_rng([seed, step]))
    return growth.weights()


def flat_torus(kind: ConformalIsometry, scale: float) -> torch.Tensor:
    """Three waves at 60 degrees, a planted table (place, 1, cell) of length 1.

    A wave k of amplitude a adds a^2 |k dx|^2: together (3 / 2) a^2 k^2 |dx|^2 with 3 a^2 = 1.
    """
    line = (np.arange(kind.places) + 0.5) / kind.places * kind.arena_m - kind.arena_m / 2
    x, y = np.meshgrid(line, line)
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    angles = np.arange(3) * np.pi / 3
    waves = scale * np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)])
    phase = places @ waves
    table = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / np.sqrt(3)
    return torch.from_numpy(table[:, None])


def test_planted_flat_torus_is_isometric_at_its_scale_only() -> None:
    kind = ConformalIsometry(cells=6, batch=2000, places=80)
    start = {
        k: torch.from_numpy(v) for k, v in kind.begin(np.random.default_rng(0)).weights().items()
    }

    def isometry(scale: float) -> float:
        weights = {k: v.double() for k, v in start.items()} | {"table": flat_torus(kind, scale)}
        return float(losses(kind, weights, np.random.default_rng(1))["isometry"])

    # Distances bend away from straight only near the longest one, 1.25.
    assert isometry(7.5) < 0.004
    assert min(isometry(5.0), isometry(11.0)) > 0.02


def test_code_between_places_has_length_one_and_is_not_negative() -> None:
    kind = ConformalIsometry(scales_per_m=(6.0, 9.0), updates=5, batch=50, places=12)
    weights = grown(kind)
    places = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    code = embedding(kind, torch.from_numpy(weights["table"]), places).numpy()
    assert code.shape == (100, 2, 24)
    np.testing.assert_allclose(np.linalg.norm(code, axis=2), 1, atol=1e-5)
    assert code.min() >= 0
    assert weights["table"].min() >= 0


def test_no_code_outside_of_the_table() -> None:
    kind = ConformalIsometry(updates=1, batch=50, places=12)
    code = kind.system(grown(kind)).position_code
    assert code is not None
    activity = code(np.array([[0.99, -0.99], [1.01, 0.0]]))
    assert np.isfinite(activity[0]).all()
    assert np.isnan(activity[1]).all()


def test_steps_are_as_long_as_they_may_be() -> None:
    steps = displacements(np.random.default_rng(0), 1000, 0.2)
    assert 0.19 < np.linalg.norm(steps, axis=1).max() <= 0.2


def test_period_shrinks_with_the_scale() -> None:
    """The paper's result at a small size: twice the scale, half the period."""

    def frequency(scale: float) -> float:
        kind = ConformalIsometry(
            scales_per_m=(scale,), places=24, cells=12, batch=200, updates=300, learning_rate=0.01
        )
        maps = grown(kind)["table"].reshape(24, 24, 12)
        power = np.abs(np.fft.fft2(maps - maps.mean((0, 1)), axes=(0, 1))) ** 2
        k = np.fft.fftfreq(24, d=kind.arena_m / 24)
        return float((power.sum(2) * np.hypot(*np.meshgrid(k, k))).sum() / power.sum())

    assert frequency(7.0) / frequency(3.5) == pytest.approx(2, rel=0.25)


def test_resumed_is_the_same() -> None:
    kind = ConformalIsometry(updates=4, batch=50, places=10)
    growth = kind.begin(np.random.default_rng([1, 0]))
    for step in (1, 2):
        growth.advance(step, np.random.default_rng([1, step]))
    again = kind.resume(growth.weights(), growth.rest())
    for step in (3, 4):
        again.advance(step, np.random.default_rng([1, step]))
    for name, value in grown(kind).items():
        np.testing.assert_array_equal(value, again.weights()[name])


def test_bad_setting_is_one_line() -> None:
    with pytest.raises(InputError, match="places"):
        load_recipe("conformal", {"places": 3})
