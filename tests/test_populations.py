"""Populations without common connections equal networks side by side."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import untimed

import gridcode
from gridcode import InputError, Run
from gridcode.config import LossConfig, ModelConfig
from gridcode.losses import capacity, conformal_isometry, invariance, objective, separation
from gridcode.models.network import GridNetwork
from gridcode.models.populations import Populations, join, make_network
from gridcode.models.recurrence import rollout_reference
from gridcode.training.loop import train_run
from gridcode.training.step import Trainer
from gridcode.world.permutations import draw_batch

SIZES = (8, 9, 11)
DOUBLE = torch.float64


@pytest.fixture
def network(generator):
    return make_network(
        ModelConfig(populations=SIZES, hidden_widths=(7,)), generator=generator, dtype=DOUBLE
    )


@pytest.fixture
def batch(generator):
    return draw_batch(
        steps=6, trajectories=12, max_velocity_m=0.15, generator=generator, dtype=DOUBLE
    )


@pytest.fixture
def two_stages(tiny):
    return tiny.override(
        {
            "populations": [8, 9],
            "separate_steps": 12,
            "isometry_of": "populations",
            "joint_steps": 12,
            "joint_trajectories": 12,
        }
    )


def test_populations_equal_the_plain_loop_over_one_block_diagonal_matrix(network, batch):
    """As defined: whole matrices with zeros, states of all units, the norm of each population."""
    ends = np.cumsum(SIZES)
    slices = [slice(end - size, end) for size, end in zip(SIZES, ends, strict=True)]

    def whole(v):
        return torch.stack(
            [torch.block_diag(*(m.transition(one) for m in network.members)) for one in v]
        )

    states = [network.g0.expand(12, -1)]
    for v in batch.velocities[batch.orders].unbind(dim=1):
        h = torch.einsum("bij,bj->bi", whole(v), states[-1]).relu()
        states.append(
            torch.cat(
                [h[:, s] / torch.linalg.vector_norm(h[:, s], dim=1, keepdim=True) for s in slices],
                dim=1,
            )
            / math.sqrt(3)
        )
    slow, fast = torch.stack(states), network(batch)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(
        torch.linalg.vector_norm(fast, dim=-1), torch.ones(7, 12, dtype=DOUBLE)
    )
    weight = torch.rand_like(slow)
    parameters = list(network.parameters())
    for a, b in zip(
        *(torch.autograd.grad((s * weight).sum(), parameters) for s in (fast, slow)), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_each_population_is_the_network_it_would_be_alone(network, batch):
    for member, part in zip(network.members, network(batch).split(SIZES, dim=-1), strict=True):
        alone = rollout_reference(member.transition, member.g0, batch.velocities[batch.orders])
        torch.testing.assert_close(part * math.sqrt(3), alone, atol=1e-12, rtol=1e-10)


def test_as_system_and_as_matrices_agree_with_the_network(network, batch):
    step, start = network.as_system(chunk=5)
    v = batch.velocities[batch.orders]
    states = np.repeat(start[None], 12, axis=0)
    for one in v.unbind(dim=1):
        torch.testing.assert_close(
            torch.tensor(step(states, one.numpy())), network.step(torch.tensor(states), one)
        )
        states = step(states, one.numpy())
    np.testing.assert_allclose(states, network(batch)[-1].detach().numpy(), atol=1e-12)
    matrices = network.as_matrices()(batch.velocities.numpy())
    blocks = torch.stack(
        [
            torch.block_diag(*(m.transition(one) for m in network.members))
            for one in batch.velocities
        ]
    )
    np.testing.assert_allclose(matrices, blocks.detach().numpy(), atol=1e-14)
    assert (matrices[:, :8, 8:] == 0).all()


def test_no_zeros_are_stored(network):
    largest = [m.transition.mlp[-1].weight.shape for m in network.members]
    assert largest == [(n * n, 7) for n in SIZES]
    assert sum(p.numel() for p in network.parameters()) < 1.2 * sum(8 * n * n for n in SIZES)


def test_one_population_is_the_network_without_populations():
    config = ModelConfig(units=12, hidden_widths=(5,))
    one, reference = (
        make(config, generator=torch.Generator().manual_seed(3))
        for make in (make_network, GridNetwork.from_config)
    )
    assert isinstance(one, GridNetwork) and one.state_dict().keys() == reference.state_dict().keys()
    assert all(
        torch.equal(value, reference.state_dict()[name]) for name, value in one.state_dict().items()
    )
    assert isinstance(
        make_network(ModelConfig(populations=(8, 8)), generator=torch.Generator()), Populations
    )


@pytest.mark.parametrize("scope", ["whole", "populations"])
@pytest.mark.parametrize("form", ["raw", "scale_free"])
def test_the_objective_of_the_whole_equals_its_definition(network, batch, scope, form):
    loss = LossConfig(
        pairs="all",
        isometry_of=scope,
        isometry_form=form,
        isometry_ramp=(0, 0),
        isometry_range_m=0.12,
        isometry=0.3,
    )
    states = network(batch).detach().requires_grad_()
    fast = objective(states, batch, loss, step=5, populations=SIZES)
    g, x = states.flatten(0, 1), batch.positions.flatten(0, 1)
    v = batch.velocities[batch.orders].transpose(0, 1)
    parts = (
        [p * math.sqrt(3) for p in states.split(SIZES, dim=-1)]
        if scope == "populations"
        else [states]
    )
    iso = sum(conformal_isometry(p[:-1], p[1:], v, sigma_x=0.12, form=form) for p in parts) / len(
        parts
    )
    slow = (
        separation(g, x, sigma_x=0.05, sigma_g=0.4)
        + 0.3 * invariance(g, x, sigma_x=0.05)
        + 0.5 * capacity(states)
        + 0.3 * iso
    )
    torch.testing.assert_close(fast.total, slow, atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(fast.isometry, iso.detach(), atol=1e-12, rtol=1e-9)
    (a,), (b,) = (torch.autograd.grad(total, states) for total in (fast.total, slow))
    torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-8)


def test_the_first_stage_trains_every_population_on_the_objective_by_itself(two_stages):
    config = two_stages.override(
        {"precision": "float64", "gradient_clip": 0.0, "loss.pairs": "all"}
    )
    trainer = Trainer(config)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    result = trainer.advance()
    gradients = {name: p.grad.clone() for name, p in trainer.network.named_parameters()}
    losses = []
    for k, units in enumerate((8, 9)):
        alone = GridNetwork.from_config(
            config.model.model_copy(update={"populations": (), "units": units}),
            generator=torch.Generator(),
            dtype=DOUBLE,
        )
        prefix = f"populations.{k}."
        alone.load_state_dict(
            {name.removeprefix(prefix): v for name, v in before.items() if name.startswith(prefix)}
        )
        terms = objective(alone(result.batch), result.batch, config.loss, step=0)
        losses.append(float(terms.total.detach()))
        terms.total.backward()
        for name, p in alone.named_parameters():
            torch.testing.assert_close(gradients[prefix + name], p.grad / 2, atol=1e-10, rtol=1e-8)
    assert float(result.terms["total"].detach()) == pytest.approx(np.mean(losses), abs=1e-12)


def test_the_second_stage_trains_them_on_the_objective_of_the_whole(two_stages):
    config = two_stages.override(
        {
            "precision": "float64",
            "separate_steps": 0,
            "joint_steps": 0,
            "joint_trajectories": 0,
            "gradient_clip": 0.0,
            "loss.pairs": "all",
        }
    )
    trainer = Trainer(config)
    network = make_network(config.model, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    result = trainer.advance()
    terms = objective(network(result.batch), result.batch, config.loss, step=0, populations=(8, 9))
    terms.total.backward()
    for (name, mine), theirs in zip(
        trainer.network.named_parameters(), network.parameters(), strict=True
    ):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-10, rtol=1e-8, msg=name)
    torch.testing.assert_close(
        join([own.detach() for own in result.states]),
        network(result.batch).detach(),
        atol=1e-12,
        rtol=1e-10,
    )


def test_the_rate_starts_again_at_the_second_stage(two_stages):
    trainer = Trainer(
        two_stages.override({"joint_learning_rate": 2e-4, "warmup_steps": 4, "hold_steps": 3})
    )
    rates = []
    for _ in range(20):
        rates.append(trainer.learning_rate())
        trainer.step += 1
    assert rates[:4] == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3]) and rates[11] == pytest.approx(
        1e-3 * 3 / 11
    )
    assert rates[12:16] == pytest.approx([5e-5, 1e-4, 1.5e-4, 2e-4]) and rates[19] == pytest.approx(
        2e-4 * 3 / 7
    )


def test_threads_do_not_change_the_result(two_stages):
    alone, threaded = Trainer(two_stages), Trainer(two_stages)
    with ThreadPoolExecutor(2) as pool:
        threaded.workers = pool
        for _ in range(16):
            one, two = alone.advance(), threaded.advance()
            assert alone.compared(one) == threaded.compared(two)
    for name, value in alone.network.state_dict().items():
        assert torch.equal(value, threaded.network.state_dict()[name]), name


@pytest.mark.parametrize("stop", [[5], [12], [13], [9, 12, 20]])
def test_resumed_in_either_stage_and_across_the_border_is_the_same_run(two_stages, tmp_path, stop):
    whole = gridcode.train(two_stages, out=tmp_path / "whole")
    broken = Run.create(tmp_path / "broken", two_stages)
    for step in stop:
        train_run(broken, stop_at=step)
    train_run(broken)
    a, b = (gridcode.load_network(run).state_dict() for run in (whole, broken))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert untimed(whole.metrics()) == untimed(broken.metrics())
    last = whole.metrics()[-1]
    assert {
        "loss",
        "loss_1",
        "loss_2",
        "separation_1",
        "invariance_2",
        "isometry_1",
        "capacity_2",
    } <= last.keys()
    assert 12 in [step for step, _ in whole.snapshots()]


def test_a_population_can_be_silent_without_harm(two_stages):
    trainer = Trainer(two_stages)
    with torch.no_grad():
        trainer.network.members[0].start.fill_(-1.0)
    for _ in range(3):
        result = trainer.advance()
    assert (
        result.silent_units() >= 8
        and math.isfinite(float(result.terms["total"].detach()))
        and trainer.zero_states > 0
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"populations": [64, 7]}, "greater than or equal to 8"),
        ({"populations": [64, 64], "units": 100}, "have 128 units, not 100"),
        ({"joint_steps": 45}, "are for a second stage: set training.separate_steps"),
        (
            {"populations": [64, 64], "separate_steps": 10, "joint_steps": 60},
            r"trajectories \(90\) must be a multiple of world.steps \(60\)",
        ),
        ({"separate_steps": 10}, r"needs model.populations, such as \[64, 64, 64\]"),
        ({"populations": [64, 64], "separate_steps": 5000}, "must not exceed training.steps"),
        ({"populations": "three"}, "populations"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        gridcode.load_config("quick").override(changes)
    assert "\n" not in str(caught.value)


def test_units_are_the_sum_of_populations():
    config = gridcode.load_config("quick").override({"populations": [43, 43, 42]})
    assert config.model.units == 128 and config.model.sizes == (43, 43, 42)
    assert gridcode.Config.from_toml("[model]\npopulations = [16, 8]").model.units == 24
    assert config.override({"populations": []}).model.sizes == (128,)
    assert gridcode.Config.from_toml(config.to_toml()) == config


@pytest.mark.slow
def test_one_seed_of_the_preset_modules_grows_three_independent_modules_of_different_scale(
    tmp_path,
):
    """A whole training, some minutes on two cores; one in six has no such third module."""
    config = gridcode.load_config("modules").override({"seed": 17, "snapshots": 0})
    run = gridcode.train(config, out=tmp_path / "run")
    few = {
        "arenas_m": [6.0],
        "adapt_arena": False,
        "walks": ["smooth"],
        "nulls": 99,
        "space": False,
        "evaluation.theory": False,
        "history": False,
    }
    summary = gridcode.evaluate(run, config=config.override(few).evaluation).summary
    spacings = [module.spacing_m for module in summary.modules]
    assert summary.n_independent_modules == 3
    assert max(spacings) > 1.5 * min(spacings)
    assert all(module.axis_ratio > 0.85 for module in summary.modules)
