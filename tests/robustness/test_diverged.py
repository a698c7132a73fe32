"""Systems that diverged, fell silent or do nothing: words instead of errors, and maps are kept."""

import numpy as np
import pytest
import torch
from conftest import TINY

import gridcode
from gridcode import Run
from gridcode.analysis import text
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.navigation.decoding import Tracker, decode
from gridcode.analysis.navigation.reference import ReferenceMap, build_reference_map
from gridcode.analysis.system import System
from gridcode.cli import main
from gridcode.errors import InputError
from gridcode.training import checkpoint
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

UNITS = 12
EVALUATION = {
    "evaluation.space": True,
    "evaluation.space_steps": [200, 200],
    "evaluation.space_walks": [],
    "evaluation.space_arenas": [],
    "evaluation.theory": True,
    "evaluation.shuffles": 19,
    "evaluation.walks": ["smooth"],
}
RNG = np.random.default_rng(0)
TO_UNITS = RNG.normal(size=(2, UNITS)).astype(np.float32)
START = np.abs(RNG.normal(size=UNITS)).astype(np.float32)


def growing(factor):
    return lambda g, v: np.maximum(g * g.dtype.type(factor) + v.astype(g.dtype) @ TO_UNITS, 0)


def constant(state):
    return lambda g, _v: np.broadcast_to(state, g.shape).astype(g.dtype)


DIVERGED = {
    "NaN": lambda g, _v: g * np.nan,
    "infinite": lambda g, _v: g + np.inf,
    "growing": growing(1e3),
    "huge": constant(START * np.float32(1e30)),
    "NaN for some": lambda g, v: np.where(v[:, :1] > 0.14, np.nan, g).astype(g.dtype),
    "one unit NaN": lambda g, _v: np.concatenate([g[:, :-1], g[:, -1:] * np.nan], axis=1),
    "NaN after 20 steps": lambda g, _v: np.where(g[:, :1] > 20, np.nan, g + 1).astype(g.dtype),
}
SILENT = {"silent": lambda g, _v: g * 0, "tiny": constant(START * 1e-40)}


def evaluated(step, **settings):
    config = gridcode.load_config("quick").override(TINY | EVALUATION | settings).evaluation
    matrices = lambda v: np.broadcast_to(np.eye(UNITS), (len(v), UNITS, UNITS)).copy()  # noqa: E731
    system = System(
        step, START, 0.15, extent_m=1.0, precise=(step, START.astype(np.float64)), matrices=matrices
    )
    return evaluate_system(system, config=config)  # warnings are errors


@pytest.mark.parametrize("name", [*DIVERGED, *SILENT])
def test_there_is_nothing_to_measure_and_the_maps_are_kept(name):
    found = evaluated((DIVERGED | SILENT)[name])
    summary = found.summary
    assert set(summary.reasons) == {"space", "theory"} | ({"states"} if name in DIVERGED else set())
    if name in DIVERGED:
        assert summary.verdict.startswith("There is nothing to measure: the system diverges: ")
    else:
        assert summary.verdict == "None of the 12 units is active."
    assert summary.space is None and summary.theory is None
    assert "Not measured: space (" in text.details(summary)
    rate = found.headline()["rate"]
    assert rate.shape == (UNITS, 20, 20) and not np.isinf(rate).any()
    assert type(summary).from_json(summary.to_json()) == summary


@pytest.mark.slow
def test_a_constant_state_has_a_reason_for_everything():
    found = evaluated(constant(START)).summary
    (space,) = found.space
    assert set(space.reasons) == {"curve", "invariance", "decoding", "dead_reckoning"}
    assert not found.theory.state_space.populations
    assert [row.name for row in found.theory.state_space.skipped] == ["population"]
    for name in ("dynamics", "robustness", "mechanism", "coding"):
        part = getattr(found.theory, name)
        assert (part is None) == (name in found.theory.reasons), name


def test_a_system_that_diverges_on_longer_walks_only_is_measured_before():
    late = lambda g, _v: np.where(g[:, :1] > 70, np.nan, g + 1).astype(g.dtype)  # noqa: E731
    found = evaluated(late, **{"evaluation.theory": False}).summary
    (space,) = found.space
    assert "invariance" in space.reasons and "not finite" in space.reasons["invariance"]
    assert space.decoding[-1].tracked_m[1] is None and space.decoding[-1].lost_share == 1


def test_positions_are_lost_where_the_reference_map_has_no_vectors(rng):
    vectors = np.zeros((9, 9, 5), dtype=np.float32)
    vectors[3:6, 3:6] = rng.random((3, 3, 5))
    reference = ReferenceMap(vectors, 0.05)
    tracker = Tracker(reference, walkers=3, window_m=0.2)
    for _ in range(20):
        tracker.follow(-rng.random((3, 5)))
        tracker.read(-rng.random((3, 5)))
    assert tracker.lost.all()
    states = rng.random((4, 5))
    states[1] = np.nan
    states[2, 0] = np.nan
    positions, match = decode(reference, states)
    assert np.isfinite(match).tolist() == [True, False, False, True]
    assert np.isnan(positions[1:3]).all()
    states[2, 0] = np.inf
    with pytest.raises(InputError, match="infinite"):
        decode(reference, states)


def test_a_reference_map_of_states_that_are_not_finite_is_empty(rng):
    system = System(DIVERGED["infinite"], START, 0.15)
    reference = build_reference_map(system, arena_m=1.0, generator=rng)
    middle = len(reference.vectors) // 2
    known = reference.vectors.any(axis=-1)
    assert known[middle, middle] and known.sum() == 1 and not reference.informative


def run_with(tiny, folder, change):
    """A run that finished with weights of one's own."""
    run = gridcode.train(tiny.override({"training.steps": 2}), out=folder)
    weights = gridcode.load_network(run).state_dict()
    change(weights)
    snapshot = Snapshot(weights, {}, 2, 0, Plateau(), run.config.training_hash)
    checkpoint.save(snapshot, run.checkpoint_path(2))
    return run


@pytest.mark.parametrize("value", [pytest.param(1e3, marks=pytest.mark.slow), np.nan, np.inf])
def test_commands_on_a_diverged_network(tiny, tmp_path, capsys, value):
    config = tiny.override(EVALUATION | {"model.norm": False})
    run = run_with(config, tmp_path / "run", lambda w: w["start"].fill_(value))
    # A start that explodes: its growth by W(v) overflows, or it is not finite at once.
    assert main(["evaluate", str(run.folder), "--quiet"]) in (0, 1)
    said = capsys.readouterr()
    assert "Traceback" not in said.err and "RuntimeWarning" not in said.err
    assert run.read_summary() is not None and run.ratemaps_path.is_file()
    if not np.isfinite(value):
        assert "There is nothing to measure" in run.read_summary().verdict
    if np.isinf(value):  # One of them is enough.
        return
    for command in ("report", "film"):
        assert main([command, str(run.folder), "--quiet"]) in (0, 2)
        assert capsys.readouterr().err.count("\n") <= 2
    assert (run.folder / "report.html").is_file()


@pytest.mark.slow
def test_a_network_that_trained_with_too_large_steps(tiny, tmp_path, capsys):
    config = tiny.override(
        EVALUATION
        | {
            "model.norm": False,
            "training.learning_rate": 0.5,
            "model.units": 6,
            "training.steps": 2,
        }
    )
    run = gridcode.train(config, out=tmp_path / "run")
    assert main(["evaluate", str(run.folder), "--quiet"]) == 0
    assert "Traceback" not in capsys.readouterr().err
    assert isinstance(run, Run) and torch.isfinite(gridcode.load_network(run).start).all()
    assert main(["report", str(run.folder), "--quiet"]) == 0
