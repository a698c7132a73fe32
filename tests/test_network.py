import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridcode import InputError
from gridcode.config import ModelConfig
from gridcode.models import recurrence
from gridcode.models.network import GridNetwork
from gridcode.models.recurrence import norm_relu, rollout, rollout_reference
from gridcode.models.transition import VelocityTransition
from gridcode.world.permutations import draw_batch, draw_orders


def reference(matrices, start, orders, norm=True):
    """The plain loop over the same matrices: a velocity's first component carries its index."""
    index = orders.double().unsqueeze(-1).expand(-1, -1, 2)
    return rollout_reference(lambda v: matrices[v[:, 0].long()], start, index, norm=norm)


@settings(deadline=None, max_examples=40)
@given(
    units=st.integers(2, 9),
    steps=st.integers(1, 7),
    squares=st.integers(1, 3),
    kind=st.sampled_from(["permutation", "latin", "identity"]),
    norm=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_fast_rollout_equals_the_loop_with_gradients(units, steps, squares, kind, norm, seed):
    g = torch.Generator().manual_seed(seed)
    matrices = torch.randn(steps, units, units, generator=g, dtype=torch.float64).requires_grad_()
    start = torch.rand(units, generator=g, dtype=torch.float64).requires_grad_()
    orders = draw_orders(squares * steps, steps, kind=kind, generator=g)
    fast, slow = (
        rollout(matrices, start, orders, norm=norm),
        reference(matrices, start, orders, norm),
    )
    scale = max(1.0, float(slow.detach().abs().max()))
    torch.testing.assert_close(fast, slow, atol=1e-10 * scale, rtol=1e-10)
    weight = torch.randn(fast.shape, generator=g, dtype=torch.float64)
    for a, b in zip(
        *(torch.autograd.grad((s * weight).sum(), (matrices, start)) for s in (fast, slow)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-10 * max(1.0, float(b.abs().max())), rtol=1e-10)


@pytest.mark.parametrize("kind", ["permutation", "latin"])
@pytest.mark.parametrize("norm", [True, False])
def test_gradcheck(kind, norm, generator):
    matrices = torch.eye(4, dtype=torch.float64) + 0.3 * torch.rand(
        3, 4, 4, generator=generator, dtype=torch.float64
    )
    start = 0.1 + torch.rand(4, generator=generator, dtype=torch.float64)
    orders = draw_orders(6, 3, kind=kind, generator=generator)
    assert torch.autograd.gradcheck(
        lambda m, s: rollout(m, s, orders, norm=norm),
        (matrices.requires_grad_(), start.requires_grad_()),
    )


def test_states_lie_on_the_positive_unit_sphere(generator):
    network = GridNetwork.from_config(ModelConfig(units=20), generator=generator)
    states = network(
        draw_batch(steps=10, trajectories=20, max_velocity_m=0.15, generator=generator)
    )
    assert (states >= 0).all()
    torch.testing.assert_close(torch.linalg.vector_norm(states, dim=-1), torch.ones(11, 20))


def test_a_dead_state_stays_zero_without_nan_in_values_or_gradients(generator):
    matrices = (-torch.ones(4, 5, 5, dtype=torch.float64)).requires_grad_()
    start = torch.rand(5, generator=generator, dtype=torch.float64).requires_grad_()
    orders = draw_orders(8, 4, generator=generator)
    for states in (rollout(matrices, start, orders), reference(matrices, start, orders)):
        assert (states[1:] == 0).all()
        for gradient in torch.autograd.grad(states.sum(), (matrices, start)):
            assert torch.isfinite(gradient).all()
    assert (norm_relu(torch.tensor([-1.0, -2.0])) == 0).all()


@pytest.mark.parametrize("norm", [True, False])
def test_the_system_for_analysis_takes_the_networks_steps(norm, generator):
    network = GridNetwork.from_config(
        ModelConfig(units=9, hidden_widths=(5, 4), norm=norm),
        generator=generator,
        dtype=torch.float64,
    )
    step, start = network.as_system(chunk=4)
    states = torch.rand(11, 9, generator=generator, dtype=torch.float64)
    v = 0.2 * torch.rand(11, 2, generator=generator, dtype=torch.float64) - 0.1
    torch.testing.assert_close(
        torch.tensor(step(states.numpy(), v.numpy())),
        network.step(states, v).detach(),
        atol=1e-14,
        rtol=1e-12,
    )
    torch.testing.assert_close(torch.tensor(start), network.g0.detach())
    # Walkers that share a velocity share its matrix, in groups of one size and otherwise.
    for counts in ([11], [5, 6], [2] * 5 + [1]):
        shared = np.repeat(v.numpy()[: len(counts)], counts, axis=0)
        torch.testing.assert_close(
            torch.tensor(step(states.numpy(), shared)),
            network.step(states, torch.tensor(shared)).detach(),
            atol=1e-14,
            rtol=1e-12,
        )
    in_pairs = np.repeat(v.numpy()[:5], 2, axis=0)
    torch.testing.assert_close(
        torch.tensor(step(states[:10].numpy(), in_pairs)),
        network.step(states[:10], torch.tensor(in_pairs)).detach(),
        atol=1e-14,
        rtol=1e-12,
    )


@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_few_directions_of_the_hidden_layer_make_the_same_steps(activation, generator):
    """To single precision, and beyond the velocities of the training too."""
    network = GridNetwork.from_config(
        ModelConfig(units=24, activation=activation), generator=generator
    )
    step, _ = network.as_system()
    states = norm_relu(torch.rand(40, 24, generator=generator))
    v = 0.3 * torch.rand(40, 2, generator=generator) - 0.15
    with torch.no_grad():
        for scale in (1.0, 4.0):
            torch.testing.assert_close(
                torch.tensor(step(states.numpy(), (scale * v).numpy())),
                network.step(states, scale * v),
                atol=3e-6,
                rtol=0.0,
            )


def test_permuting_units_permutes_states(generator):
    matrices = torch.randn(4, 6, 6, generator=generator, dtype=torch.float64)
    start = torch.rand(6, generator=generator, dtype=torch.float64)
    orders = draw_orders(8, 4, generator=generator)
    p = torch.randperm(6, generator=generator)
    torch.testing.assert_close(
        rollout(matrices[:, p][:, :, p], start[p], orders), rollout(matrices, start, orders)[..., p]
    )


def test_identity_initialisation_is_near_the_identity_and_default_is_not(generator):
    v = 0.3 * torch.rand(50, 2, generator=generator) - 0.15
    near, far = (
        VelocityTransition(16, initialisation=i, generator=generator)(v)
        for i in ("identity", "default")
    )
    assert near.shape == (50, 16, 16)
    assert (near - torch.eye(16)).abs().max() < 0.2
    assert (far - torch.eye(16)).abs().mean(0).diagonal().min() > 0.5


@pytest.mark.parametrize("kind", ["permutation", "latin"])
def test_steps_projected_at_once_do_not_change_a_bit(kind, generator, monkeypatch):
    batch = draw_batch(
        steps=9, trajectories=18, max_velocity_m=0.15, kind=kind, generator=generator
    )
    matrices = torch.rand(9, 16, 16, generator=generator)
    found = []
    for size in (1, 5000, 10**9):
        monkeypatch.setattr(recurrence, "PROJECTED_BYTES", size)
        w = matrices.clone().requires_grad_()
        rollout(w, torch.ones(16), batch.orders).square().cumsum(0).sum().backward()
        found.append(w.grad)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_single_steps_equal_the_batched_rollout(generator):
    network = GridNetwork.from_config(
        ModelConfig(units=10), generator=generator, dtype=torch.float64
    )
    batch = draw_batch(
        steps=6, trajectories=12, max_velocity_m=0.15, generator=generator, dtype=torch.float64
    )
    states = network(batch)
    step, start = network.as_system(chunk=5)
    g = torch.as_tensor(start).expand(12, -1).numpy()
    for t in range(6):
        g = step(g, batch.velocities[batch.orders[:, t]].numpy())
    torch.testing.assert_close(torch.as_tensor(g), states[-1].detach())


def test_fixed_start_is_not_trained(generator):
    assert not GridNetwork.from_config(
        ModelConfig(start="fixed"), generator=generator
    ).start.requires_grad
    assert GridNetwork.from_config(ModelConfig(), generator=generator).start.requires_grad


def test_bad_input(generator):
    with pytest.raises(InputError, match="activation"):
        VelocityTransition(4, activation="step", generator=generator)
    with pytest.raises(InputError, match="initialisation"):
        VelocityTransition(4, initialisation="zeros", generator=generator)
