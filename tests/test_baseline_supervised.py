import numpy as np
import pytest
import torch

from gridcode import InputError
from gridcode.analysis.system import roll
from gridcode.baselines import load_recipe, making
from gridcode.baselines.place_cell_targets import PlaceCells, difference
from gridcode.runs.run import Run
from gridcode.training import checkpoint
from gridcode.world.walks import smooth_walk

TINY = {
    "supervised": {"neurons": 48, "place_cells": 100, "rate": 5e-3, "updates": 400},
    "lstm": {"neurons": 32, "linear": 24, "place_cells": 100, "rate": 1e-2, "updates": 250},
}
SHORT = {"arena_m": 0.8, "width_m": 0.12, "sequence": 8, "batch": 40}


def cells(surround=2.0, exchanged=None):
    generator = np.random.default_rng(0)
    centres = torch.from_numpy(generator.uniform(-0.5, 0.5, (50, 2)))
    exchanged = torch.arange(400) if exchanged is None else exchanged
    return PlaceCells(centres, 0.1, surround, 1.0, exchanged)


def some_places():
    return torch.from_numpy(np.random.default_rng(1).uniform(-0.5, 0.5, (20, 2)))


def test_differences_have_zero_mean_and_the_written_values():
    here, those = some_places(), cells()
    found = difference(here, those.centres_m, 0.1, 2.0)
    assert torch.allclose(found.sum(-1), torch.zeros(20, dtype=torch.float64), atol=1e-12)
    square = ((here[3] - those.centres_m) ** 2).sum(-1)
    narrow, wide = (torch.exp(-square / (2 * s * 0.1**2)) for s in (1.0, 2.0))
    assert torch.allclose(found[3], narrow / narrow.sum() - wide / wide.sum())
    for surround in (0.0, 2.0):
        targets = cells(surround).targets(here)
        assert targets.min() >= 0
        assert torch.allclose(targets.sum(-1), torch.ones(20, dtype=torch.float64))


def test_shuffled_targets_are_those_of_other_places():
    exchanged = torch.from_numpy(np.random.default_rng(2).permutation(400))
    here, mixed = some_places(), cells(exchanged=exchanged)
    there = mixed.moved(here)
    assert (there - here).norm(dim=-1).median() > 0.2
    assert torch.allclose(mixed.targets(here), cells().targets(there))
    assert torch.allclose(cells().moved(here), here)
    every = torch.cartesian_prod(*2 * [(torch.arange(20) + 0.5) / 20 - 0.5])
    assert len(torch.unique((mixed.moved(every) * 1000).round().long(), dim=0)) == 400


@pytest.mark.parametrize("name", TINY)
def test_learns_to_integrate_its_path(name, tmp_path):
    chosen = load_recipe(name, {**TINY[name], **SHORT})
    run = making.make(chosen, tmp_path / "run", seed=1)
    log = list(run.metrics())
    first, last = log[0], log[-1]
    assert last["divergence"] < 0.7 * first["divergence"]
    # Chance: the mean distance of two places of a square is 0.52 of its side.
    assert last["path_error_m"] < 0.5 * 0.52 * chosen.arena_m
    system, step, _ = making.system_of(run)
    assert step == chosen.updates
    assert system.units == chosen.units <= 64
    walk = smooth_walk(
        arena_m=0.8, steps=8, walkers=200, max_step_m=0.15, generator=np.random.default_rng(0)
    )
    states = roll(system, walk)
    assert states.shape == (9, 200, system.units)
    # The step of the system is that of the training: activity tells the position.
    known = np.c_[states[-1], np.ones(200)]
    fit = np.linalg.lstsq(known[:120], walk.positions[-1, :120], rcond=None)[0]
    error = np.hypot(*(known[120:] @ fit - walk.positions[-1, 120:]).T).mean()
    assert error < 0.6 * np.hypot(*walk.positions[-1, 120:].T).mean()
    precise, start = system.precise
    for v in walk.velocities[:, :5].astype(np.float32):
        start = precise(np.broadcast_to(start, (5, start.shape[-1])), v)
    assert np.allclose(system.activity(start), states[-1, :5], atol=1e-3)


@pytest.mark.parametrize("name", TINY)
def test_killed_and_resumed_is_uninterrupted(name, tmp_path, monkeypatch):
    chosen = load_recipe(name, {**TINY[name], **SHORT, "updates": 8, "shuffled": True})
    whole = making.make(chosen, tmp_path / "whole", seed=3)
    monkeypatch.setattr(making, "CHECKPOINT_EVERY_S", -1.0)

    def kill(state):
        if state.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        making.make(chosen, tmp_path / "killed", seed=3, progress=kill)
    killed = Run(tmp_path / "killed")
    making.finish(killed)
    one, other = (checkpoint.read(r.checkpoints()[0])[0] for r in (whole, killed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_bad_settings_are_refused_in_a_line():
    with pytest.raises(InputError, match=r"supervised: surround: .* greater than 1"):
        load_recipe("supervised", {"surround": 1.0})
    with pytest.raises(InputError, match=r"lstm: dropout: .* less than 1"):
        load_recipe("lstm", {"dropout": 1.0})
