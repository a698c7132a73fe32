"""Worlds of one, two and three dimensions, and spaces that are not flat."""

import hashlib
import json

import numpy as np
import pytest
import torch

import gridcode
from gridcode import InputError, cli, losses
from gridcode.models.network import GridNetwork
from gridcode.models.recurrence import rollout_reference
from gridcode.runs.provenance import describe
from gridcode.training.batched import BatchedTrainer
from gridcode.training.step import Trainer
from gridcode.training.trainer_choice import kernels_unsupported_reason
from gridcode.world.permutations import draw_batch, draw_velocities
from gridcode.world.spaces import Circle, Line, Sphere, Torus, turned
from gridcode.world.streams import Stream
from gridcode.world.walks import WALKS

SPACES = [Circle(2.0), Torus((1.0, 2.0)), Sphere(0.5), Line(0.8)]


@pytest.fixture(params=[1, 2, 3])
def dimensions(request):
    return request.param


def test_worlds_of_two_dimensions_keep_their_hashes(tiny):
    before = tiny.model_dump(mode="json")
    del before["world"]["dimensions"]
    digest = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    assert tiny.content_hash == digest[:16]
    hashes = {tiny.override({"dimensions": d}).training_hash for d in (1, 2, 3)}
    assert len(hashes) == 3 and tiny.training_hash in hashes
    with pytest.raises(InputError, match=r"world\.dimensions"):
        tiny.override({"dimensions": 4})


@pytest.mark.parametrize("distribution", ["square", "disc"])
def test_velocities_have_the_same_variance_on_every_axis(dimensions, distribution, generator):
    v = draw_velocities(
        100_000,
        max_velocity_m=0.15,
        distribution=distribution,
        dimensions=dimensions,
        generator=generator,
    )
    assert v.shape == (100_000, dimensions)
    assert torch.allclose(v.var(dim=0), torch.full((dimensions,), 0.15**2 / 3), rtol=0.02)
    assert (torch.cov(v.T).view(dimensions, -1).fill_diagonal_(0).abs() < 2e-4).all()
    if distribution == "disc" and dimensions > 1:
        longest = ((dimensions + 2) / 3) ** 0.5 * 0.15
        assert longest * 0.99 < v.norm(dim=1).max() <= longest * 1.0001


def test_all_orders_end_at_one_place_in_a_flat_world(dimensions, generator):
    batch = draw_batch(
        steps=5, trajectories=10, max_velocity_m=0.1, dimensions=dimensions, generator=generator
    )
    assert batch.positions.shape == (6, 10, dimensions)
    assert torch.allclose(batch.positions[-1], batch.velocities.sum(dim=0), atol=1e-6)


def test_the_network_equals_the_recurrence_as_defined(dimensions, tiny, generator):
    network = GridNetwork.from_config(tiny.model, generator=generator, dimensions=dimensions)
    batch = draw_batch(
        steps=4, trajectories=8, max_velocity_m=0.1, dimensions=dimensions, generator=generator
    )
    taken = batch.velocities[batch.orders]
    expected = rollout_reference(network.transition, network.g0, taken)
    assert torch.allclose(network(batch), expected, atol=1e-6)
    step, start = network.as_system()
    state = np.tile(start, (8, 1))
    for v in taken.unbind(dim=1):
        state = step(state, v.numpy())
    assert np.allclose(state, expected[-1].detach().numpy(), atol=1e-5)


def test_pairs_are_near_by_their_distance_in_all_coordinates(dimensions, generator):
    g = torch.rand(60, 5, generator=generator)
    x = 0.2 * torch.rand(60, dimensions, generator=generator)
    found = losses.pair_terms(g, x, sigma_x=0.05, sigma_g=0.4)
    near = (torch.cdist(x, x) < 0.05).fill_diagonal_(False)
    assert near.any()
    assert torch.allclose(found.invariance, (torch.cdist(g, g) ** 2)[near].mean(), rtol=1e-4)
    assert torch.allclose(
        found.separation, losses.separation(g, x, sigma_x=0.05, sigma_g=0.4), rtol=1e-4
    )


@pytest.mark.parametrize("populations", [[], [8, 9]])
def test_trained_stopped_and_resumed_equals_trained_whole(tiny, tmp_path, dimensions, populations):
    config = tiny.override(
        {"dimensions": dimensions, "populations": populations, "training.steps": 4, "snapshots": 1}
    )
    whole = gridcode.train(config, out=tmp_path / "whole")
    assert gridcode.load_network(whole).step(
        torch.rand(3, config.model.units), torch.zeros(3, dimensions)
    ).shape == (3, config.model.units)
    trainers = Trainer(config), Trainer(config)
    for _ in range(3):
        trainers[0].advance()
    trainers[1].restore(trainers[0].snapshot())
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            *(list(t.network.state_dict().values()) for t in trainers if t.advance()), strict=True
        )
    )


def test_many_networks_train_as_one_on_the_cpu_and_not_in_the_kernels(tiny, dimensions):
    configs = [tiny.override({"dimensions": dimensions, "seed": seed}) for seed in (3, 4)]
    together = BatchedTrainer(configs)
    together.advance_to(2)
    for config, snapshot in zip(configs, together.snapshots(), strict=True):
        alone = Trainer(config)
        alone.advance()
        alone.advance()
        for name, value in alone.network.state_dict().items():
            assert torch.allclose(value, snapshot.weights[name], atol=1e-5), name
    if dimensions != 2:
        assert "two dimensions" in str(kernels_unsupported_reason(configs[0]))
        with pytest.raises(InputError, match="two dimensions only"):
            BatchedTrainer(configs, kernels=True)


@pytest.mark.parametrize("walk", ["smooth", "uniform", "slow"])
def test_walks_cover_a_line_and_a_cube(dimensions, walk, rng):
    w = WALKS[walk](
        arena_m=1.0, steps=600, walkers=60, max_step_m=0.1, generator=rng, dimensions=dimensions
    )
    assert w.positions.shape == (601, 60, dimensions)
    assert np.abs(w.positions).max() <= 0.5
    assert np.allclose(np.diff(w.positions, axis=0), w.velocities)
    bins = np.histogramdd(w.positions[100:].reshape(-1, dimensions), bins=3)[0]
    assert bins.min() > 0.3 * bins.mean()


@pytest.mark.parametrize("walk", ["straight", "rat"])
def test_other_walks_are_of_the_plane(walk, rng):
    with pytest.raises(InputError, match=f"'{walk}' is one of two dimensions"):
        WALKS[walk](arena_m=1.0, steps=5, walkers=2, max_step_m=0.1, generator=rng, dimensions=3)


# -- spaces ------------------------------


def test_turns_are_those_of_rotation_matrices(generator):
    x, w = (torch.randn(20, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    w[0] = 0
    skew = torch.linalg.cross(
        w[:, None].expand(-1, 3, -1), torch.eye(3, dtype=torch.float64).expand(20, -1, -1)
    ).mT
    assert torch.allclose(
        turned(x, w), (torch.linalg.matrix_exp(skew) @ x[:, :, None])[:, :, 0], atol=1e-12
    )


def test_the_sphere_by_hand():
    """A quarter turn about x takes the pole to -y, one about z takes that to x."""
    quarter = torch.pi / 4  # of a circle of radius 0.5 m, in metres
    turns = torch.tensor([[[quarter, 0.0, 0.0]], [[0.0, 0.0, quarter]]], dtype=torch.float64)
    path = Sphere(0.5).path(turns)[:, 0]
    expected = torch.tensor([[0.0, 0.0, 0.5], [0.0, -0.5, 0.0], [0.5, 0.0, 0.0]])
    assert torch.allclose(path, expected.double(), atol=1e-12)
    # In the other order the first turn leaves the pole where it is.
    other = Sphere(0.5).path(turns.flip(0))[-1, 0]
    assert torch.allclose(other, expected[1].double(), atol=1e-12)


def test_going_round_returns():
    one = torch.full((10, 1, 1), 0.2, dtype=torch.float64)
    circle = Circle(2.0).path(one)
    assert torch.allclose(circle[-1], circle[0]) and not torch.allclose(circle[5], circle[0])
    steps = torch.tensor([0.1, 0.2], dtype=torch.float64).expand(10, 1, 2)
    torus = Torus((1.0, 2.0)).path(steps)
    assert torch.allclose(torus[-1], torus[0])
    # Short steps are as long as their chords.
    assert torch.allclose((torus[1] - torus[0]).norm(), torch.tensor(0.05**0.5).double(), rtol=0.02)


def test_movement_beyond_an_end_is_lost():
    steps = torch.tensor([0.3, 0.3, -0.2])[:, None, None]
    assert Line(0.8, start_m=-0.1).path(steps).flatten().tolist() == pytest.approx(
        [-0.1, 0.2, 0.4, 0.2]
    )


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_gives_the_velocities_of_a_flat_world(space, tiny):
    world = tiny.override({"dimensions": space.axes, "max_velocity_m": 0.3}).world
    batch = space.batches(world)(0, Stream(3, 7))
    flat = draw_batch(
        steps=world.steps,
        trajectories=world.trajectories,
        max_velocity_m=world.max_velocity_m,
        distribution=world.velocities,
        kind=world.orders,
        dimensions=space.axes,
        generator=Stream(3, 7),
    )
    assert torch.equal(batch.velocities, flat.velocities) and torch.equal(batch.orders, flat.orders)
    ends = batch.positions[-1]
    alike = torch.allclose(ends, ends[:1].expand_as(ends), atol=1e-6)
    assert alike == isinstance(space, Circle | Torus)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: Circle(0.0), "circumference_m must be a positive length"),
        (lambda _: Torus((1.0, float("inf"))), "height must be a positive length"),
        (lambda _: Sphere(-1.0), "radius_m must be a positive length"),
        (lambda _: Line(1.0, start_m=0.6), "lies beyond the ends of a line of 1.0 m"),
        (lambda world: Sphere(1.0).batches(world), r"world\.dimensions must be 3, not 2"),
    ],
)
def test_a_space_that_makes_no_sense_is_one_line(tiny, make, message):
    with pytest.raises(InputError, match=message) as caught:
        make(tiny.world)
    assert "\n" not in str(caught.value)


def test_a_run_in_a_space_names_it_and_needs_it_again(tiny, tmp_path):
    config = tiny.override({"dimensions": 3, "training.steps": 4})
    batches = Sphere(0.5).batches(config.world)
    run = gridcode.train(config, out=tmp_path / "run", batches=batches)
    named = run.manifest["parts"]["batches"]
    assert named["name"] == "gridcode.world.spaces.SpaceBatches"
    assert "Sphere(radius_m=0.5)" in named["arguments"]
    assert describe(Sphere(0.6).batches(config.world)) != describe(batches)
    with pytest.raises(InputError, match=r"give it again with gridcode\.train\(batches=\.\.\.\)"):
        gridcode.train(out=run.folder)


@pytest.mark.parametrize("command", ["report", "film", "export", "compare"])
def test_what_reads_maps_of_a_plane_says_why_not(tiny, tmp_path, capsys, command):
    config = tiny.override({"dimensions": 1, "training.steps": 4})
    run = gridcode.train(config, out=tmp_path / "line")
    more = {"compare": [str(run.folder)], "export": ["--to", "csv"]}.get(command, [])
    assert cli.main([command, str(run.folder), *more]) == 2
    error = capsys.readouterr().err
    assert "world.dimensions = 1" in error and "needs maps of a plane" in error
    assert error.strip().count("\n") == 0


def test_baselines_live_in_the_plane():
    with pytest.raises(InputError, match="two dimensions"):
        gridcode.Config.from_toml(
            '[baseline]\nname = "pca"\n[world]\ndimensions = 3\n', source="a baseline"
        )
    assert json.loads(gridcode.Config().model_dump_json())["world"]["dimensions"] == 2


def test_the_evaluation_of_a_line_refuses_runs_of_other_spaces(tiny, tmp_path):
    config = tiny.override({"dimensions": 1, "training.steps": 4})
    run = gridcode.train(config, out=tmp_path / "ends", batches=Line(1.0).batches(config.world))
    with pytest.raises(InputError, match="trained in a space"):
        gridcode.evaluate_dimensions(run)
