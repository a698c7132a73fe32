import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcode import InputError
from gridcode.world.permutations import draw_batch, draw_orders, draw_velocities, positions_of


@pytest.mark.parametrize("kind", ["permutation", "latin", "identity"])
def test_every_row_is_a_permutation_and_all_trajectories_end_together(kind, generator):
    batch = draw_batch(
        steps=12,
        trajectories=36,
        max_velocity_m=0.15,
        kind=kind,
        generator=generator,
        dtype=torch.float64,
    )
    assert torch.equal(batch.orders.sort(dim=1).values, torch.arange(12).expand(36, -1))
    assert batch.positions.shape == (13, 36, 2)
    assert (batch.positions[0] == 0).all()
    torch.testing.assert_close(
        batch.positions[-1], batch.velocities.sum(0).expand(36, 2), atol=1e-15, rtol=0
    )
    torch.testing.assert_close(batch.positions.diff(dim=0), batch.velocities[batch.orders.T])


@settings(deadline=None, max_examples=30)
@given(steps=st.integers(1, 15), squares=st.integers(1, 4), seed=st.integers(0, 1000))
def test_latin_orders_take_each_velocity_equally_often_at_every_step(steps, squares, seed):
    orders = draw_orders(
        squares * steps, steps, kind="latin", generator=torch.Generator().manual_seed(seed)
    )
    for column in orders.T:
        assert (column.bincount(minlength=steps) == squares).all()


def test_each_latin_row_alone_is_a_uniform_permutation(generator):
    # All 6 permutations of 3 symbols, equally often in the first row: chi-squared with 5 degrees of
    # freedom.
    rows = torch.stack(
        [draw_orders(3, 3, kind="latin", generator=generator)[0] for _ in range(6000)]
    )
    counts = (rows * torch.tensor([9, 3, 1])).sum(1).bincount()
    counts = counts[counts > 0]
    assert len(counts) == 6
    assert ((counts - 1000.0) ** 2 / 1000).sum() < 20.5  # p = 0.001


def test_identity_orders_are_all_alike(generator):
    assert (draw_orders(5, 7, kind="identity", generator=generator) == torch.arange(7)).all()


def test_rotated_velocities_give_rotated_positions(generator):
    batch = draw_batch(
        steps=9, trajectories=18, max_velocity_m=0.15, generator=generator, dtype=torch.float64
    )
    c, s = math.cos(0.7), math.sin(0.7)
    turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    torch.testing.assert_close(
        positions_of(batch.velocities @ turn.T, batch.orders), batch.positions @ turn.T
    )


def test_disc_has_the_variance_of_the_square_and_no_preferred_direction(generator):
    square = draw_velocities(
        200_000, max_velocity_m=0.15, distribution="square", generator=generator
    )
    disc = draw_velocities(200_000, max_velocity_m=0.15, distribution="disc", generator=generator)
    assert square.abs().max() <= 0.15
    assert torch.linalg.vector_norm(disc, dim=1).max() <= 0.15 * (4 / 3) ** 0.5
    torch.testing.assert_close(disc.var(0), square.var(0), rtol=0.02, atol=0)

    def four_fold(v):
        angle = torch.atan2(v[:, 1], v[:, 0])
        weight = v.norm(dim=1) ** 4
        return ((4 * angle).cos() * weight).mean() / weight.mean()

    assert abs(four_fold(disc)) < 0.02
    assert four_fold(square) < -0.1


def test_same_seed_same_batch_and_the_stream_moves_on():
    one, two = (torch.Generator().manual_seed(4) for _ in range(2))
    a, b = (
        draw_batch(steps=5, trajectories=10, max_velocity_m=0.1, generator=g) for g in (one, two)
    )
    assert torch.equal(a.positions, b.positions)
    c = draw_batch(steps=5, trajectories=10, max_velocity_m=0.1, generator=one)
    assert not torch.equal(a.positions, c.positions)


def test_bad_input(generator):
    with pytest.raises(InputError, match="multiple"):
        draw_orders(7, 3, kind="latin", generator=generator)
    with pytest.raises(InputError, match="unknown orders"):
        draw_orders(6, 3, kind="shuffled", generator=generator)
    with pytest.raises(InputError, match="unknown velocity distribution"):
        draw_velocities(3, max_velocity_m=0.1, distribution="cube", generator=generator)
