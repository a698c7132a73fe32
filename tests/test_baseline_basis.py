"""Actionable representation: exact action, constraints, a lattice that turns hexagonal, resume."""

import math

import numpy as np
import pytest
import torch

from gridcode.baselines import load_recipe
from gridcode.baselines.actionable_representation import (
    FINE_PHASES,
    ActionableRepresentation,
    amplitudes,
    frequencies,
    overlap,
    unit_cell,
)
from gridcode.baselines.recipe import Arrays
from gridcode.errors import InputError

HEXAGONAL = [math.log(2 / math.sqrt(3)) / 2, math.sqrt(1 / math.sqrt(3) / 2), 0.0]


def grown(kind: ActionableRepresentation, *, seed: int = 1) -> Arrays:
    growth = kind.begin(np.random.default_rng([seed, 0]))
    for step in range(1, kind.steps + 1):
        growth.advance(step, np.random.default_rng([seed, step]))
    return growth.weights()


def shortest(shape: torch.Tensor) -> np.ndarray:
    """Lengths of the three shortest vectors of the lattice, in units of the spacing."""
    n = [(i, j) for i in range(-5, 6) for j in range(-5, 6) if (i, j) > (0, 0)]
    return np.sort(np.linalg.norm(np.array(n) @ unit_cell(shape).numpy(), axis=1))[:3]


def test_shapes_of_the_unit_cell() -> None:
    np.testing.assert_allclose(shortest(torch.tensor(HEXAGONAL)), 1, rtol=1e-5)
    side = math.sqrt(math.sqrt(3) / 2)
    square = shortest(torch.tensor([0.0, 0.0, 0.3]))
    np.testing.assert_allclose(square, [side, side, side * math.sqrt(2)], rtol=1e-5)


def test_steps_act_exactly_on_the_code() -> None:
    kind = ActionableRepresentation(cells=70, updates=3, batch=20)
    weights = grown(kind)
    system = kind.system(weights)
    assert system.units == 64
    tensors = {name: torch.from_numpy(value).double() for name, value in weights.items()}
    k = frequencies(kind, tensors["shape"]).numpy() / kind.spacing_m
    least, waves = (x.numpy() for x in amplitudes(kind, tensors, FINE_PHASES))
    steps = np.random.default_rng(0).uniform(-0.15, 0.15, (300, 5, 2))
    state = system.starts(5)
    for v in steps:
        state = system.step(state, v)
    angle = steps.sum(0) @ k.T
    code = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) @ waves - least
    np.testing.assert_allclose(state[:, -70:], code, atol=1e-10)
    np.testing.assert_allclose(
        system.activity(state), code[:, np.linspace(0, 69, 64).round().astype(int)], atol=1e-10
    )


def test_activity_is_not_negative_and_its_mean_square_is_one() -> None:
    kind = ActionableRepresentation(cells=12, updates=20, batch=30)
    weights = grown(kind)
    system = kind.system(weights)
    shape = torch.from_numpy(weights["shape"])
    # Even in the unit cell, so that the mean is the integral.
    line = (np.arange(50) + 0.5) / 50
    cell = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) @ unit_cell(shape).numpy()
    places = cell * kind.spacing_m
    activity = system.activity(system.step(system.starts(len(places)), places))
    # The least activity is looked for at 96 x 96 phases.
    assert activity.min() > -0.01 * activity.max()
    np.testing.assert_allclose((activity**2).mean(0), 1, rtol=1e-4)


def test_same_places_of_the_lattice_overlap_and_near_ones_do_not_count() -> None:
    kind = ActionableRepresentation(cells=8)
    parameters = {
        name: torch.from_numpy(value)
        for name, value in kind.begin(np.random.default_rng(0)).weights().items()
    }
    vector = unit_cell(parameters["shape"])[0]
    here = torch.tensor([0.1, 0.2])
    far = 1 - math.exp(-float(vector.square().sum()) / (2 * kind.separation**2))
    period = float(overlap(kind, parameters, torch.stack([here, here + vector])))
    assert period == pytest.approx(far, rel=1e-3)
    assert float(overlap(kind, parameters, torch.stack([here, here + 1e-3]))) < 1e-4


def test_the_lattice_becomes_hexagonal() -> None:
    kind = ActionableRepresentation(cells=32, updates=400, batch=100, harmonics=3)
    start = kind.begin(np.random.default_rng([3, 0])).weights()["shape"]
    assert np.ptp(shortest(torch.from_numpy(start))) > 0.2
    assert np.ptp(shortest(torch.from_numpy(grown(kind, seed=3)["shape"]))) < 0.1


def test_resumed_is_the_same() -> None:
    kind = ActionableRepresentation(cells=6, updates=6, batch=20)
    growth = kind.begin(np.random.default_rng([1, 0]))
    for step in (1, 2, 3):
        growth.advance(step, np.random.default_rng([1, step]))
    again = kind.resume(growth.weights(), growth.rest())
    for step in (4, 5, 6):
        again.advance(step, np.random.default_rng([1, step]))
    for name, value in grown(kind).items():
        np.testing.assert_array_equal(value, again.weights()[name])


def test_bad_setting_is_one_line() -> None:
    with pytest.raises(InputError, match="harmonics"):
        load_recipe("basis", {"harmonics": 0})
