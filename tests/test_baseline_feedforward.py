"""Distance-preserving network: the loss, unit length, what it learns, resume."""

import math

import numpy as np
import pytest
import torch

from gridcode.baselines import load_recipe
from gridcode.baselines.similarity_network import SIDE_UNITS, SimilarityNetwork, losses
from gridcode.errors import InputError


def test_loss_is_that_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    r = torch.randn(7, 2, generator=generator, dtype=torch.float64)
    g = torch.rand(7, 5, generator=generator, dtype=torch.float64)
    terms = [
        math.exp(-float((r[i] - r[j]).square().sum()) / (2 * 1.2**2))
        * float((g[i] - g[j]).norm() - (r[i] - r[j]).norm()) ** 2
        for i in range(7)
        for j in range(i)
    ]
    expected = 0.54 * float(np.mean(terms)) - 0.46 * float(g.mean())
    assert float(losses(g, r, sigma=1.2, alpha=0.54)["loss"]) == pytest.approx(expected)


def test_activity_is_defined_everywhere_and_has_length_one() -> None:
    kind = SimilarityNetwork(cells=64, updates=1)
    code = kind.system(kind.begin(np.random.default_rng(0)).weights()).position_code
    assert code is not None
    activity = code(np.random.default_rng(1).uniform(-10, 10, (200, 2)))
    assert activity.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(activity, axis=1), 1, atol=1e-5)


def test_training_makes_near_distances_equal_to_those_in_space() -> None:
    kind = SimilarityNetwork(cells=64, updates=800)
    growth = kind.begin(np.random.default_rng([1, 0]))
    for step in range(1, kind.steps + 1):
        growth.advance(step, np.random.default_rng([1, step]))
    code = kind.system(growth.weights()).position_code
    assert code is not None
    generator = np.random.default_rng(0)
    here = generator.uniform(-0.8, 0.8, (2000, 2))
    apart = generator.uniform(-0.05, 0.05, (2000, 2))
    found = np.linalg.norm(code(here + apart) - code(here), axis=1)
    units = np.linalg.norm(apart, axis=1) * SIDE_UNITS / kind.arena_m
    assert found.mean() / units.mean() == pytest.approx(1, abs=0.35)


def test_sixty_four_units_are_analysed() -> None:
    kind = SimilarityNetwork(updates=1)
    system = kind.system(kind.begin(np.random.default_rng(0)).weights())
    assert system.units == kind.units == 64


def test_resumed_is_the_same():
    kind = SimilarityNetwork(cells=8, updates=4)

    def run(growth, steps):
        for step in steps:
            growth.advance(step, np.random.default_rng([1, step]))
        return growth

    whole = run(kind.begin(np.random.default_rng([1, 0])), range(1, 5))
    half = run(kind.begin(np.random.default_rng([1, 0])), range(1, 3))
    again = run(kind.resume(half.weights(), half.rest()), range(3, 5))
    for name, value in whole.weights().items():
        np.testing.assert_array_equal(value, again.weights()[name])


def test_bad_setting_is_one_line() -> None:
    with pytest.raises(InputError, match="alpha"):
        load_recipe("feedforward", {"alpha": 1.5})
