import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcode import InputError
from gridcode.config import LossConfig
from gridcode.losses import (
    capacity,
    conformal_isometry,
    invariance,
    objective,
    pair_terms,
    sample_states,
    separation,
)
from gridcode.losses.objective import isometry_weights
from gridcode.losses.pairwise import pair_pass
from gridcode.models.recurrence import rollout
from gridcode.world.permutations import draw_batch


def loop_terms(g, x, sigma_x, sigma_g):
    """Separation and invariance as a loop over ordered pairs, straight from the paper."""
    far, near = [], []
    for i in range(len(g)):
        for j in range(len(g)):
            if i == j:
                continue
            distance = ((g[i] - g[j]) ** 2).sum()
            if ((x[i] - x[j]) ** 2).sum() < sigma_x**2:
                near.append(distance)
            else:
                far.append(torch.exp(-distance / (2 * sigma_g**2)))
    return far, near


def states(count, units, seed, spread=0.1):
    generator = torch.Generator().manual_seed(seed)
    g = torch.rand(count, units, generator=generator, dtype=torch.float64).requires_grad_()
    return g, spread * torch.randn(count, 2, generator=generator, dtype=torch.float64)


def test_hand_computed_values():
    # Three states on a line: 0 and 1 share a place, 2 is elsewhere.
    g = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    x = torch.tensor([[0.0, 0.0], [0.03, 0.0], [1.0, 0.0]], dtype=torch.float64)
    far = math.exp(-2 / (2 * 0.4**2))
    assert separation(g, x, sigma_x=0.05, sigma_g=0.4).item() == pytest.approx((far + 1) / 2)
    assert separation(g, x, sigma_x=0.05, sigma_g=0.4, reduction="sum").item() == pytest.approx(
        2 * (far + 1)
    )
    assert invariance(g, x, sigma_x=0.05).item() == pytest.approx(2.0)
    assert invariance(g, x, sigma_x=0.05, reduction="sum").item() == pytest.approx(4.0)
    assert capacity(g).item() == pytest.approx(-(4 / 9 + 1 / 9))
    before, after = (
        torch.zeros(3, 2, dtype=torch.float64),
        torch.tensor([[0.1, 0.0], [0.0, 0.3], [9.0, 9.0]], dtype=torch.float64),
    )
    v = torch.tensor(
        [[0.02, 0.0], [0.0, 0.03], [0.2, 0.0]], dtype=torch.float64
    )  # ratios 5 and 10; the last step is too long
    assert conformal_isometry(before, after, v, sigma_x=0.05).item() == pytest.approx(12.5)
    assert conformal_isometry(
        before, after, v, sigma_x=0.05, form="scale_free"
    ).item() == pytest.approx(12.5 / 7.5**2)


def test_an_isometric_code_has_no_isometry_loss(generator):
    v = 0.02 * torch.randn(100, 2, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(6, 2, generator=generator, dtype=torch.float64)).Q
    g = torch.randn(100, 6, generator=generator, dtype=torch.float64)
    assert conformal_isometry(g, g + 3 * v @ basis.T, v, sigma_x=0.05).item() == pytest.approx(
        0, abs=1e-6
    )


@settings(deadline=None, max_examples=25)
@given(
    count=st.integers(2, 30),
    units=st.integers(1, 6),
    seed=st.integers(0, 1000),
    reduction=st.sampled_from(["mean", "sum"]),
)
def test_naive_terms_equal_a_loop_over_pairs(count, units, seed, reduction):
    g, x = states(count, units, seed)
    far, near = loop_terms(g, x, 0.05, 0.4)

    def expected(values):
        total = sum(values, start=torch.zeros((), dtype=torch.float64))
        return total / max(len(values), 1) if reduction == "mean" else total

    torch.testing.assert_close(
        separation(g, x, sigma_x=0.05, sigma_g=0.4, reduction=reduction), expected(far)
    )
    torch.testing.assert_close(invariance(g, x, sigma_x=0.05, reduction=reduction), expected(near))


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 150),
    units=st.integers(1, 7),
    seed=st.integers(0, 1000),
    block=st.sampled_from([1, 7, 32, 64, 512]),
    spread=st.sampled_from([0.0, 0.05, 0.3, 3.0]),
    reduction=st.sampled_from(["mean", "sum"]),
)
def test_fast_pass_equals_the_naive_terms_with_gradients(
    count, units, seed, block, spread, reduction
):
    g, x = states(count, units, seed, spread)
    scales = {"sigma_x": 0.05, "reduction": reduction}
    fast = pair_terms(
        g, x, sigma_g=0.4, separation_weight=1.3, invariance_weight=0.7, block=block, **scales
    )
    s, i = separation(g, x, sigma_g=0.4, **scales), invariance(g, x, **scales)
    torch.testing.assert_close(fast.separation, s.detach(), atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(fast.invariance, i.detach(), atol=1e-10, rtol=1e-10)
    wanted, got = (
        torch.autograd.grad(1.3 * s + 0.7 * i, g)[0],
        torch.autograd.grad(fast.weighted, g)[0],
    )
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("count", [30, 170])
def test_threads_do_not_change_a_bit_of_the_fast_pass(count, generator):
    g = torch.rand(count, 20, generator=generator)
    x = torch.rand(count, 2, generator=generator) * 0.2
    with ThreadPoolExecutor(3) as pool:
        alone, threaded = (
            pair_pass(
                *(g, x),
                **{"sigma_x": 0.05, "sigma_g": 0.4, "weights": (1.0, 0.3), "reduction": "mean"},
                block=50,
                workers=workers,
            )
            for workers in (None, pool)
        )
    assert all(torch.equal(a, b) for a, b in zip(alone, threaded, strict=True))


def test_gradcheck_of_the_fast_pass():
    g, x = states(12, 3, 0)
    assert torch.autograd.gradcheck(
        lambda g: pair_terms(g, x, sigma_x=0.05, sigma_g=0.4, block=5).weighted, (g,)
    )


def test_terms_do_not_depend_on_where_or_which_way_the_world_lies():
    g, x = states(60, 5, 3)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    moved = pair_terms(g, x @ turn.T + torch.tensor([3.0, -2.0]), sigma_x=0.05, sigma_g=0.4)
    here = pair_terms(g, x, sigma_x=0.05, sigma_g=0.4)
    torch.testing.assert_close(moved.separation, here.separation)
    torch.testing.assert_close(moved.invariance, here.invariance)


def test_leading_axes_are_flattened():
    g, x = states(24, 4, 1)
    folded = pair_terms(g.view(2, 3, 4, 4), x.view(2, 3, 4, 2), sigma_x=0.05, sigma_g=0.4)
    torch.testing.assert_close(
        folded.weighted, pair_terms(g, x, sigma_x=0.05, sigma_g=0.4).weighted
    )


def test_sampled_pairs_estimate_the_mean_over_all(generator):
    g, x = states(400, 5, 2, spread=0.2)
    g = g.detach()
    whole = pair_terms(g, x, sigma_x=0.05, sigma_g=0.4)
    draws = [
        pair_terms(*sample_states(g, x, count=100, generator=generator), sigma_x=0.05, sigma_g=0.4)
        for _ in range(200)
    ]
    for name in ("separation", "invariance"):
        values = torch.stack([getattr(d, name) for d in draws])
        error = values.std() / len(values) ** 0.5
        assert abs(values.mean() - getattr(whole, name)) < 4 * error


@pytest.mark.parametrize("pairs", ["all", "sampled"])
@pytest.mark.parametrize("form", ["raw", "scale_free"])
def test_objective_is_the_weighted_sum_of_the_naive_terms(pairs, form, generator):
    batch = draw_batch(
        steps=6, trajectories=12, max_velocity_m=0.1, generator=generator, dtype=torch.float64
    )
    matrices = torch.eye(5, dtype=torch.float64) + 0.5 * torch.rand(
        6, 5, 5, generator=generator, dtype=torch.float64
    )
    g = rollout(
        matrices.requires_grad_(),
        torch.rand(5, dtype=torch.float64, generator=generator),
        batch.orders,
    )
    config = LossConfig(
        pairs=pairs, isometry_form=form, isometry_range_m=0.08, sampled_states=10_000
    )
    got = objective(g, batch, config, step=5000, generator=generator)
    v = batch.velocities[batch.orders.T]
    wanted = {
        "separation": separation(g, batch.positions, sigma_x=0.05, sigma_g=0.4),
        "invariance": invariance(g, batch.positions, sigma_x=0.05),
        "capacity": capacity(g),
        "isometry": conformal_isometry(g[:-1], g[1:], v, sigma_x=0.08, form=form),
    }
    for name, value in wanted.items():
        torch.testing.assert_close(
            getattr(got, name).detach(), value.detach(), atol=1e-10, rtol=1e-8
        )
    total = (
        wanted["separation"]
        + 0.3 * wanted["invariance"]
        + 0.5 * wanted["capacity"]
        + 0.3 * wanted["isometry"]
    )
    torch.testing.assert_close(got.total, total, atol=1e-9, rtol=1e-8)
    one, two = (torch.autograd.grad(t, matrices, retain_graph=True)[0] for t in (got.total, total))
    torch.testing.assert_close(one, two, atol=1e-9, rtol=1e-8)


def test_the_gradient_of_an_objective_is_given_once(generator):
    batch = draw_batch(steps=4, trajectories=8, max_velocity_m=0.1, generator=generator)
    g = torch.rand(5, 8, 6, generator=generator).requires_grad_()
    # A view that is not contiguous, and a scaled total.
    total = objective(
        g.transpose(1, 2).transpose(1, 2), batch, LossConfig(), step=5000, generator=generator
    ).total
    (3 * total).backward(retain_graph=True)
    assert g.grad.abs().sum() > 0
    with pytest.raises(RuntimeError, match="used already"):
        total.backward()


@pytest.mark.parametrize("separation_weight", [0.0, 1e-44, 1e-12, 1.0])
@pytest.mark.parametrize("invariance_weight", [0.0, 1e-44, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_of_any_size(separation_weight, invariance_weight, reduction):
    g, x = states(40, 4, 0, spread=0.1)
    options = {"sigma_x": 0.05, "reduction": reduction}
    naive = separation_weight * separation(
        g, x, sigma_g=0.4, **options
    ) + invariance_weight * invariance(g, x, **options)
    (wanted,) = torch.autograd.grad(naive, g)
    single = g.detach().float().requires_grad_()
    weights = {"separation_weight": separation_weight, "invariance_weight": invariance_weight}
    for own, tolerance in ((g, 1e-9), (single, 1e-4)):
        (got,) = torch.autograd.grad(
            pair_terms(own, x.to(own.dtype), sigma_g=0.4, **options, **weights).weighted, own
        )
        assert torch.isfinite(got).all()
        assert (got.double() - wanted).abs().max() <= tolerance * wanted.abs().max() + 1e-40


def test_isometry_ramp():
    config = LossConfig(isometry=0.3, isometry_ramp=(800, 1800), isometry_early_raw=0.01)
    assert isometry_weights(config, 0) == (0.0, 0.01)
    assert isometry_weights(config, 1300) == (pytest.approx(0.15), 0.0)
    assert isometry_weights(config, 5000) == (0.3, 0.0)
    assert isometry_weights(LossConfig(isometry_ramp=(0, 0)), 0) == (0.3, 0.0)


def test_bad_input():
    g, x = states(5, 3, 0)
    for call in (
        lambda: separation(g, x[:3], sigma_x=0.05, sigma_g=0.4),
        lambda: pair_terms(g, x[:3], sigma_x=0.05, sigma_g=0.4),
        lambda: pair_terms(g, x, sigma_x=0.05, sigma_g=0.4, block=0),
        lambda: pair_terms(g, x, sigma_x=-1.0, sigma_g=0.4),
        lambda: conformal_isometry(g, g[:3], x, sigma_x=0.05),
    ):
        with pytest.raises(InputError):
            call()
