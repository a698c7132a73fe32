import math

import numpy as np
import pytest
import torch
from planted import HEXAGONAL, MAX_STEP_M, SHEARED, VELOCITIES, Bump, rotations
from scipy.linalg import block_diag

from gridcode.analysis.dynamics.mechanism import block_structure, describe_mechanism, spectra
from gridcode.config import ModelConfig
from gridcode.errors import InputError
from gridcode.models.network import GridNetwork


def two_modules(leak=0.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1, -1], [14, 10, 6]))
    same = (labels[:, None] == labels) & (labels >= 0)
    return np.where(same, 1.0, leak) * rng.standard_normal((30, 30)), labels


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_modules_are_blocks(seed):
    weights, labels = two_modules(seed=seed)
    found = block_structure(weights, labels, generator=np.random.default_rng(0), nulls=199)
    assert found.within == pytest.approx(1)
    assert found.p_value == pytest.approx(1 / 200)
    assert found.expected == pytest.approx((14 * 13 + 10 * 9) / (30 * 29), abs=0.02)
    assert found.groups.tolist() == [0, 1, -1]
    np.testing.assert_allclose(found.coupling[~np.eye(3, dtype=bool)], 0)
    leaky = block_structure(
        two_modules(0.5, seed)[0], labels, generator=np.random.default_rng(0), nulls=199
    )
    within = 272 / (272 + 0.25 * (870 - 272))
    assert leaky.within == pytest.approx(within, abs=0.05) and leaky.p_value < 0.01


def test_random_weights_have_no_blocks():
    p = [
        block_structure(
            *two_modules(1.0, seed), generator=np.random.default_rng(seed), nulls=99
        ).p_value
        for seed in range(20)
    ]
    assert 0.3 < np.mean(p) < 0.7
    assert np.mean(np.array(p) <= 0.1) <= 0.3


def test_blocks_equal_the_loop_and_leave_the_diagonal_out():
    weights, labels = two_modules(0.4)
    found = block_structure(
        weights + 100 * np.eye(30), labels, generator=np.random.default_rng(0), nulls=9
    )
    inside = sum(
        weights[i, j] ** 2
        for i in range(30)
        for j in range(30)
        if i != j and labels[i] == labels[j] >= 0
    )
    assert found.within == pytest.approx(
        inside / sum(weights[i, j] ** 2 for i in range(30) for j in range(30) if i != j)
    )
    assert found.with_diagonal > found.within
    same = block_structure(
        np.stack([weights, weights]), labels, generator=np.random.default_rng(0), nulls=9
    )
    assert same.within == pytest.approx(found.within)


@pytest.mark.parametrize("label", [0, -1])
def test_one_group_has_nothing_to_compare_with(label):
    found = block_structure(np.ones((5, 5)), np.full(5, label), generator=np.random.default_rng(0))
    assert math.isnan(found.p_value) and "one group" in found.reason
    assert (
        "no weights"
        in block_structure(
            np.eye(5), np.array([0, 0, 1, 1, 1]), generator=np.random.default_rng(0)
        ).reason
    )


def test_spectra_of_rotations_lie_on_the_circle():
    found = spectra(rotations(), VELOCITIES[:4])
    np.testing.assert_allclose(np.abs(found.eigenvalues), 1, atol=1e-9)
    np.testing.assert_allclose(found.singular_values, 1, atol=1e-9)
    scaled = spectra(lambda v: 2 * rotations()(v), VELOCITIES[:2])
    np.testing.assert_allclose(np.abs(scaled.eigenvalues), 2, atol=1e-9)


def test_the_networks_matrices_take_its_steps():
    generator = torch.Generator().manual_seed(0)
    network = GridNetwork.from_config(
        ModelConfig(units=9, hidden_widths=[5]), generator=generator, dtype=torch.float64
    )
    v = np.random.default_rng(0).uniform(-0.1, 0.1, (7, 2))
    g = np.random.default_rng(1).uniform(0, 1, (7, 9))
    matrices = network.as_matrices()(v)
    assert (
        isinstance(matrices, np.ndarray)
        and matrices.shape == (7, 9, 9)
        and matrices.dtype == np.float64
    )
    driven = np.maximum(np.einsum("vij,vj->vi", matrices, g), 0)
    np.testing.assert_allclose(
        driven / np.linalg.norm(driven, axis=1, keepdims=True),
        network.as_system()[0](g, v),
        atol=1e-12,
    )


def mechanism(seed=0, **settings):
    """Two modules, each a moving bump, and three silent units."""
    modules = [Bump(HEXAGONAL, units=24, seed=1), Bump(SHEARED, units=20, seed=2)]
    order = np.random.default_rng(5).permutation(47)
    labels = np.repeat([0, 1, -1], [24, 20, 3])[order]
    phases = np.concatenate([*(m.phases for m in modules), np.full((3, 2), np.nan)])[order]

    def matrices(v):
        return np.stack(
            [
                block_diag(a, b, np.zeros((3, 3)))[np.ix_(order, order)]
                for a, b in zip(*(m(v) for m in modules), strict=True)
            ]
        )

    return describe_mechanism(
        matrices,
        labels,
        phases,
        [HEXAGONAL, SHEARED],
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(seed),
        **({"nulls": 19} | settings),
    )


def test_the_description_is_repeatable():
    found = mechanism(states=np.abs(np.random.default_rng(0).standard_normal((9, 47))))
    assert found.summary.blocks.within == pytest.approx(1)
    assert [p.module for p in found.summary.profiles] == [0, 1]
    assert all(
        p.slope == pytest.approx(1, abs=0.06) and p.explained_at_rest > 0.9
        for p in found.summary.profiles
    )
    assert found.summary.spectrum.active_units == 47
    # Sorted by module, with the silent ones last: what lies outside the blocks is zero.
    assert np.abs(found.weights[:24, 24:]).max() == np.abs(found.weights[44:]).max() == 0
    assert mechanism().summary == mechanism().summary
    assert mechanism(1).summary != mechanism().summary
    assert mechanism().summary.spectrum.gain is None


def test_an_untrained_network_has_no_mechanism():
    generator = torch.Generator().manual_seed(1)
    network = GridNetwork.from_config(
        ModelConfig(units=32, hidden_widths=[16, 16]), generator=generator, dtype=torch.float64
    )
    rng = np.random.default_rng(0)
    found = describe_mechanism(
        network.as_matrices(),
        np.repeat([0, -1], [28, 4]),
        rng.random((32, 2)),
        [HEXAGONAL],
        max_step_m=MAX_STEP_M,
        generator=rng,
        nulls=99,
    )
    assert found.summary.profiles[0].p_value > 0.02
    assert found.summary.profiles[0].explained_at_rest < 0.05
    assert found.summary.blocks.p_value > 0.02


def described(planted, *, labels=None, phases=None):
    return describe_mechanism(
        planted,
        np.zeros(30, dtype=int) if labels is None else labels,
        planted.phases if phases is None else phases,
        [HEXAGONAL],
        max_step_m=MAX_STEP_M,
        generator=np.random.default_rng(0),
        nulls=9,
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _b: spectra(lambda _v: np.ones((1, 2, 3)), VELOCITIES[:1]), "unit, unit"),
        (lambda _b: spectra(lambda _v: np.full((1, 2, 2), np.nan), VELOCITIES[:1]), "not finite"),
        (lambda _b: spectra(lambda _v: np.ones((2, 2, 2)), VELOCITIES[:1]), "unit, unit"),
        (
            lambda _b: block_structure(
                np.eye(3), np.zeros(2, dtype=int), generator=np.random.default_rng(0)
            ),
            "label each",
        ),
        (
            lambda _b: block_structure(
                np.zeros((3, 3)), np.zeros(3, dtype=int), generator=np.random.default_rng(0)
            ),
            "all zero",
        ),
        (
            lambda _b: block_structure(
                np.full((3, 3), np.inf), np.zeros(3, dtype=int), generator=np.random.default_rng(0)
            ),
            "finite",
        ),
        (lambda b: described(b, labels=np.zeros(5, dtype=int)), "do not match"),
        (lambda b: described(b, labels=np.full(30, 1)), "labels must be"),
        (lambda b: described(b, phases=np.full((30, 2), np.nan)), "needs a phase"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(Bump())
