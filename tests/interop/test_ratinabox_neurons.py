"""A trained network as cells of a RatInABox agent, and agents' motion as walks and batches."""

import importlib
import sys

import numpy as np
import pytest
import torch

pytest.importorskip("ratinabox")
pytestmark = pytest.mark.filterwarnings("ignore")  # RatInABox's own

import matplotlib.pyplot as plt  # noqa: E402
from ratinabox import Agent, Environment  # noqa: E402
from ratinabox.Neurons import FeedForwardLayer  # noqa: E402

import gridcode  # noqa: E402
from gridcode.analysis.system import System, roll  # noqa: E402
from gridcode.interop.ratinabox import (  # noqa: E402
    AgentBatches,
    GridNeurons,
    agent_walk,
    recording_from_ratinabox,
)
from gridcode.interop.ratinabox.motion import agent_displacements  # noqa: E402
from gridcode.interop.sources import system_from  # noqa: E402
from gridcode.training.parts import Batches  # noqa: E402
from gridcode.world.streams import as_source  # noqa: E402

LONGEST = 0.15


def perfect(position):
    """Activity of a system whose state is its position: exact, and easy to read."""
    x, y = position[..., 0], position[..., 1]
    return np.stack([2 + x, 2 - x, 2 + y, 2 - y], axis=-1) / 4


def perfect_step(states, velocities):
    assert (np.linalg.norm(velocities, axis=1) <= LONGEST + 1e-9).all()
    return perfect(position_in(states) + velocities)


def position_in(states):
    return np.stack([states[..., 0] - states[..., 1], states[..., 2] - states[..., 3]], -1) * 2


PERFECT = System(perfect_step, perfect(np.zeros(2)), LONGEST)


def moved(network=PERFECT, updates=60, dt=0.1, environment=None, **params):
    np.random.seed(3)  # noqa: NPY002 (RatInABox draws from it)
    agent = Agent(Environment(environment or {}), {"dt": dt})
    neurons = GridNeurons(agent, {"network": network} | params)
    for _ in range(updates):
        agent.update()
        neurons.update()
    return agent, neurons


@pytest.mark.parametrize("step_m", [None, 0.0, 0.05])
@pytest.mark.parametrize("gain", [1.0, 3.0])
@pytest.mark.parametrize("dt", [0.02, 2.0])  # below and above the time of a step
def test_a_perfect_integrator_stays_at_the_position_of_the_agent(step_m, gain, dt):
    agent, neurons = moved(step_m=step_m, gain=gain, dt=dt)
    at = neurons.get_state(evaluate_at=None, pos=agent.pos)
    np.testing.assert_allclose(neurons.get_state(), at, atol=1e-9)
    np.testing.assert_allclose(neurons.firingrate, at[:, 0], atol=1e-9)
    # Asking does not move it.
    np.testing.assert_array_equal(neurons.get_state(), neurons.get_state())
    read = position_in(neurons.get_state()[:, 0] * neurons._highest)
    np.testing.assert_allclose(read, gain * (agent.pos - 0.5), atol=1e-9)


def test_rates_are_scaled_and_noisy_as_theirs():
    agent, quiet = moved(min_fr=2.0, max_fr=12.0)
    every = quiet.get_state(evaluate_at="all")
    assert every.shape == (4, len(agent.Environment.flattened_discrete_coords))
    assert 11.8 < every.max() <= 12.0 and every.min() > 2.0
    _, noisy = moved(min_fr=2.0, max_fr=12.0, noise_std=1.0)
    # Noise is on the rates; the state does not know it.
    assert np.abs(noisy.firingrate - noisy.get_state()[:, 0]).max() > 0.05


def test_periodic_walls_are_crossed_like_any_other_place():
    agent, neurons = moved(updates=400, environment={"boundary_conditions": "periodic"})
    jumps = np.linalg.norm(np.diff(agent.history["pos"], axis=0), axis=1)
    assert jumps.max() > 0.5
    read = position_in(neurons.get_state()[:, 0] * neurons._highest)
    # In the plane where walls do not count it has gone on: whole boxes away.
    boxes = read - (agent.pos - 0.5)
    np.testing.assert_allclose(boxes, np.round(boxes), atol=1e-6)
    assert np.abs(boxes).max() > 0.5


def test_drift_is_the_networks_and_correction_removes_it():
    def step(states, velocities):
        # One walker is the agent's; many are the places of maps.
        return perfect(position_in(states) + velocities + [0.002 * (len(states) == 1), 0.0])

    drifting = System(step, PERFECT.start, LONGEST)
    agent, neurons = moved(drifting, step_m=0.0)
    off = position_in(neurons.get_state()[:, 0] * neurons._highest) - (agent.pos - 0.5)
    assert off[0] == pytest.approx(0.002 * 60, rel=0.2)
    _, corrected = moved(drifting, step_m=0.0, correct_every=0.5)
    off = position_in(corrected.get_state()[:, 0] * corrected._highest) - (agent.pos - 0.5)
    assert abs(off[0]) < 0.02


def test_a_code_of_positions_has_no_drift():
    code = System.of_positions(perfect, max_step_m=LONGEST)
    agent, neurons = moved(code)
    at = neurons.get_state(evaluate_at=None, pos=agent.pos)
    np.testing.assert_array_equal(neurons.get_state(), at)


def test_a_packaged_network_in_their_plots_layers_and_our_scores():
    agent, neurons = moved("quick-64", updates=200, max_fr=20.0)
    assert neurons.n == 64 and len(neurons.history["firingrate"]) == 200
    layer = FeedForwardLayer(agent, {"n": 2, "input_layers": [neurons]})
    layer.update()
    np.testing.assert_allclose(
        layer.firingrate, layer.inputs["GridNeurons"]["w"] @ neurons.firingrate
    )
    assert layer.get_state(evaluate_at="all").shape == (2, 10_000)
    neurons.plot_rate_map(chosen_neurons="2")
    neurons.plot_rate_map(chosen_neurons="2", method="history", spikes=True)
    neurons.plot_rate_timeseries(chosen_neurons="2", spikes=True)
    plt.close("all")
    # Rates along the path are those of the places, but for a few centimetres of drift.
    there = neurons.get_state(evaluate_at=None, pos=np.array(agent.history["pos"]))
    rates = np.array(neurons.history["firingrate"])
    assert np.corrcoef(there.T.ravel(), rates.ravel())[0, 1] > 0.98
    for use in ("maps", "spikes", "firingrate"):
        settings = {} if use == "maps" else {"bin_size_m": 0.05, "arena_m": 1.0}
        recording = recording_from_ratinabox(agent, neurons, use=use, **settings)
        assert len(recording.maps) == 64
    found = gridcode.score(recording, nulls=99)
    assert found.summary.types["silent"] == 0


def test_agents_motion_as_a_walk_and_as_batches():
    agents = [moved(updates=200)[0] for _ in range(2)]
    steps = agent_displacements(agents, max_step_m=LONGEST)
    length = np.linalg.norm(steps, axis=2)
    assert 0.5 * LONGEST < length.max() <= LONGEST
    walk = agent_walk(agents, max_step_m=LONGEST)
    assert (walk.positions[0] == 0).all() and walk.arena_m == 1.0
    assert np.linalg.norm(walk.velocities, axis=2).max() <= LONGEST + 1e-12
    start = np.array(agents[0].history["pos"][0]) - 0.5
    assert np.abs(walk.positions[:, 0] - start).sum(axis=1).min() < 1e-12
    np.testing.assert_allclose(position_in(roll(PERFECT, walk)), walk.positions, atol=1e-9)
    batches = AgentBatches(steps[:, 0], steps=10, trajectories=20)
    assert isinstance(batches, Batches)
    batch = batches(0, as_source(torch.Generator().manual_seed(0)))
    assert batch.positions.shape == (11, 20, 2) and batch.orders.shape == (20, 10)
    places = np.array(batch.positions)
    np.testing.assert_allclose(places[-1], np.broadcast_to(places[-1, 0], (20, 2)), atol=1e-6)
    rows = [
        np.flatnonzero((np.abs(steps[:, 0] - v) < 1e-6).all(axis=1))
        for v in batch.velocities.numpy()
    ]
    assert (np.diff(np.concatenate(rows)) == 1).all()


def test_training_on_an_agents_motion(tmp_path):
    agent, _ = moved(updates=400)
    steps = agent_displacements([agent], max_step_m=LONGEST)[:, 0]
    config = gridcode.load_config("quick").override({"steps": 3, "snapshots": 0})
    run = gridcode.train(config, out=tmp_path / "run", batches=AgentBatches(steps))
    assert run.manifest["parts"]["batches"]["name"].endswith("AgentBatches")
    assert system_from(run).units == system_from(str(run.folder)).units == 64


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"network": "quick-65"}, "did you mean 'quick-64'"),
        ({"n": 5}, "n is the network's number of units, 4, not 5"),
        ({"gain": 0.0}, "gain must be more than 0"),
        ({"correct_every": float("nan")}, "correct_every must be more than 0"),
        ({"step_m": 0.2}, "step_m must be 0 to 0.15"),
        ({"environment": {"dimensionality": "1D"}}, "two dimensions"),
    ],
)
def test_what_makes_no_sense_is_one_line(params, message):
    with pytest.raises(gridcode.InputError, match=message):
        moved(**params)


def test_positions_and_motion_that_make_no_sense():
    agent, neurons = moved(updates=3)
    for pos in (None, 3.0, np.zeros((2, 3))):
        with pytest.raises(gridcode.InputError, match="pos must be"):
            neurons.get_state(evaluate_at=None, pos=pos)
    with pytest.raises(gridcode.InputError, match="give it a shorter dt"):
        agent_displacements([agent], max_step_m=1e-4)
    with pytest.raises(gridcode.InputError, match="same length"):
        agent_displacements([agent, moved(updates=4)[0]], max_step_m=LONGEST)
    for bad in ({"steps": 4}, {"steps": 0}):
        with pytest.raises(gridcode.InputError, match="steps must be 1 to 3"):
            AgentBatches(np.zeros((3, 2)), **bad)


def test_without_ratinabox_one_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gridcode.interop.ratinabox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ratinabox", None)
    with pytest.raises(
        gridcode.InputError, match=r"needs ratinabox: pip install 'gridcode\[rats\]'"
    ):
        importlib.import_module("gridcode.interop.ratinabox")
