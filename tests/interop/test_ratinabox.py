"""Agents and neurons of RatInABox."""

import numpy as np
import pytest
from one_session import same
from ratinabox.Agent import Agent
from ratinabox.Environment import Environment
from ratinabox.Neurons import GridCells

from gridcode import InputError, score
from gridcode.interop.ratinabox import recording_from_ratinabox
from gridcode.recordings.recording import recording_from_path


@pytest.fixture
def simulated():
    np.random.seed(0)  # noqa: NPY002 (RatInABox draws from it)
    agent = Agent(Environment({"scale": 1.0}), {"dt": 0.1})
    neurons = GridCells(agent, {"n": 3, "gridscale": 0.35, "orientation": 0.4})
    for _ in range(1500):
        agent.update()
        neurons.update()
    return agent, neurons


def test_histories(simulated):
    agent, neurons = simulated
    time, head = (np.array(agent.history[key]) for key in ("t", "head_direction"))
    settings = {"bin_size_m": 0.1, "arena_m": 1.0}
    settings |= {"head_direction_deg": np.degrees(np.arctan2(head[:, 1], head[:, 0])) % 360}
    path = np.array(agent.history["pos"]), time
    rates = recording_from_path(*path, activity=np.array(neurons.history["firingrate"]), **settings)
    fired = np.array(neurons.history["spikes"]).T
    spikes = recording_from_path(*path, spike_times_s=[time[unit] for unit in fired], **settings)
    for use, wanted in (("firingrate", rates), ("spikes", spikes)):
        same(recording_from_ratinabox(agent, neurons, use=use, bin_size_m=0.1, arena_m=1.0), wanted)


def test_maps_are_put_the_right_way_round(simulated):
    agent, neurons = simulated
    found = recording_from_ratinabox(agent, neurons, use="maps")
    assert found.bin_size_m == pytest.approx(0.01) and found.maps.shape == (3, 100, 100)
    # The rate at a place near the top left.
    there = neurons.get_state(evaluate_at=None, pos=np.array([[0.125, 0.875]]))[:, 0]
    np.testing.assert_allclose(found.maps[:, 87, 12], there, rtol=1e-9)


def test_no_history():
    agent = Agent(Environment())
    with pytest.raises(InputError, match="agent must have a history of t and pos"):
        recording_from_ratinabox(agent, GridCells(agent, {"n": 2}))


def test_their_grid_cells_are_found_with_the_spacing_and_orientation_they_were_given():
    agent = Agent(Environment({"scale": 1.5, "dx": 0.03}))
    params = {"n": 3, "gridscale": 0.5, "gridscale_distribution": "delta", "orientation": 0.3}
    neurons = GridCells(agent, params | {"orientation_distribution": "delta"})
    recording = recording_from_ratinabox(agent, neurons, use="maps")
    found = score(recording, nulls=99)
    assert found.summary.types["hexagonal"] == 3
    for unit in found.summary.units:
        # Their scale is the wavelength of the three waves, their orientation that of a wave.
        assert unit.spacing_m == pytest.approx(0.5 * 2 / 3**0.5, rel=0.02)
        assert unit.orientation_deg % 60 == pytest.approx(np.degrees(0.3) + 30, abs=1.0)
