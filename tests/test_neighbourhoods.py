"""Local connectivity and the objective of neighbourhoods, against what they are defined as."""

import pytest
import torch

import gridcode
from gridcode.errors import InputError
from gridcode.losses.neighbourhoods import neighbourhood_objective
from gridcode.losses.objective import objective
from gridcode.models.transitions import VelocityTransition, ring_distance
from gridcode.training.batched import BatchedTrainer
from gridcode.training.engine import why_no_kernels
from gridcode.training.step import Trainer
from gridcode.world.permutations import draw_batch


def small(**changes):
    local = {"model.connectivity_radius": 3, "loss.neighbourhood_share": 0.6, "loss.neighbourhood_units": 5, "loss.neighbourhood_states": 40}
    base = {
        "model.units": 16,
        "model.hidden_widths": [8],
        "world.steps": 6,
        "world.trajectories": 6,
        "loss.sampled_states": 30,
        "training.threads": 1,
    }
    return gridcode.load_config("quick").override({**base, **local, **changes})


@pytest.fixture
def batch():
    return draw_batch(steps=6, trajectories=6, max_velocity_m=0.15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def states(units=12, dtype=torch.float64):
    g = torch.rand(7, 6, units, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return torch.nn.functional.normalize(g, dim=-1)


def test_ring_distance_is_the_shorter_way_round():
    distance = ring_distance(7)
    for i in range(7):
        for j in range(7):
            assert distance[i, j] == min((i - j) % 7, (j - i) % 7)


def test_matrices_join_neighbours_only_at_every_velocity_and_after_training():
    trainer = Trainer(small())
    far = ring_distance(16) > 3
    v = 0.3 * torch.rand(20, 2, generator=torch.Generator().manual_seed(2)) - 0.15
    before = trainer.network.transition(v).detach().clone()
    assert (before[:, far] == 0).all() and (before[:, ~far] != 0).all()
    for _ in range(5):
        trainer.advance()
    after = trainer.network.transition(v).detach()
    assert (after[:, far] == 0).all()
    assert not torch.equal(after[:, ~far], before[:, ~far])


def test_what_a_unit_receives_keeps_its_variance():
    def spread(radius):
        transition = VelocityTransition(64, connectivity_radius=radius, generator=torch.Generator().manual_seed(3))
        v = 0.3 * torch.rand(200, 2, generator=torch.Generator().manual_seed(9)) - 0.15
        return transition(v).sub(torch.eye(64)).square().sum(dim=-1).mean().item()

    assert spread(8) == pytest.approx(spread(0), rel=0.15)


def test_all_to_all_is_what_it_was():
    a = VelocityTransition(16, generator=torch.Generator().manual_seed(4))
    assert "_joined" not in dict(a.named_buffers())


def test_neighbourhood_of_all_units_is_the_objective_of_all(batch):
    config = gridcode.load_config("quick").loss.model_copy(
        update={"neighbourhood_units": 12, "neighbourhoods": 1, "neighbourhood_states": 10**6, "neighbourhood_isometry": 0.2}
    )
    whole = config.model_copy(update={"pairs": "all", "isometry": 0.2, "isometry_ramp": (0, 0), "isometry_early_raw": 0.0})
    g = states()
    found = neighbourhood_objective(g, batch, config, generator=torch.Generator().manual_seed(0))
    assert float(found) == pytest.approx(float(objective(g, batch, whole, step=0, generator=torch.Generator()).total), rel=1e-12)


def test_neighbourhoods_are_consecutive_units_round_the_ring(batch):
    config = gridcode.load_config("quick").loss.model_copy(
        update={"neighbourhood_units": 5, "neighbourhoods": 2, "neighbourhood_states": 10**6, "neighbourhood_isometry": 0.0}
    )
    whole = config.model_copy(update={"pairs": "all", "isometry": 0.0, "isometry_early_raw": 0.0})
    g = states()
    by_first = []
    for first in range(12):
        local = torch.nn.functional.normalize(torch.roll(g, -first, dims=-1)[..., :5], dim=-1)
        by_first.append(float(objective(local, batch, whole, step=0, generator=torch.Generator()).total))
    seen = set()
    for seed in range(30):
        found = float(neighbourhood_objective(g, batch, config, generator=torch.Generator().manual_seed(seed)))
        pairs = [(a, b) for a in range(12) for b in range(12) if abs((by_first[a] + by_first[b]) / 2 - found) < 1e-12]
        assert pairs
        seen.update(pairs[0])
    assert len(seen) > 8  # drawn from everywhere, the wrapped ones included


def test_gradient_is_that_of_differences(batch):
    config = gridcode.load_config("quick").loss.model_copy(
        # The scale-free isometry holds its mean constant in the gradient, so its differences are not its gradient.
        update={"neighbourhood_units": 5, "neighbourhoods": 2, "neighbourhood_states": 10**6, "neighbourhood_isometry": 0.0}
    )

    def value(g):
        return neighbourhood_objective(g, batch, config, generator=torch.Generator().manual_seed(5))

    g = states().requires_grad_()
    value(g).backward()
    direction = torch.randn(g.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    h = 1e-6
    slope = (value(g.detach() + h * direction) - value(g.detach() - h * direction)) / (2 * h)
    assert float((g.grad * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


def test_a_silent_neighbourhood_gives_no_nan(batch):
    config = gridcode.load_config("quick").loss.model_copy(update={"neighbourhood_units": 3, "neighbourhoods": 12})
    g = states().clone()
    g[..., :6] = 0
    g.requires_grad_()
    total = neighbourhood_objective(g, batch, config, generator=torch.Generator().manual_seed(7))
    total.backward()
    assert torch.isfinite(total) and torch.isfinite(g.grad).all()


def test_the_reported_loss_is_the_share_of_both():
    result = Trainer(small()).advance()
    values = result.terms.floats()
    loss = small().loss
    whole = loss.separation * values["separation"] + loss.invariance * values["invariance"] + loss.capacity * values["capacity"]
    raw_isometry = values["loss"] - 0.6 * values["neighbourhoods"] - 0.4 * whole
    assert abs(raw_isometry) < 0.4 * loss.isometry_early_raw * 100  # what is left is the early isometry term
    assert "neighbourhoods" not in Trainer(small(**{"loss.neighbourhood_share": 0.0})).advance().terms.floats()


def test_resumed_is_uninterrupted():
    whole, first = Trainer(small()), Trainer(small())
    for _ in range(6):
        whole.advance()
    for _ in range(3):
        first.advance()
    second = Trainer(small())
    second.restore(first.snapshot())
    for _ in range(3):
        second.advance()
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_nonsense_is_named():
    with pytest.raises(InputError, match="connectivity_radius"):
        small(**{"model.connectivity_radius": 8})
    with pytest.raises(InputError, match="connectivity_radius"):
        VelocityTransition(16, connectivity_radius=8, generator=torch.Generator())
    with pytest.raises(InputError, match="neighbourhood_units"):
        small(**{"loss.neighbourhood_units": 17})
    with pytest.raises(InputError, match="one program"):
        BatchedTrainer([small()])
    assert "operation by operation" in str(why_no_kernels(small())) or "Triton" in str(why_no_kernels(small()))
