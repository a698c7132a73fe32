import functools

import matplotlib as mpl
import numpy as np
import pytest

from gridcode.analysis.deep_analysis import analyse_theory
from gridcode.analysis.modules.detection import Module, Modules
from gridcode.analysis.records import DeepAnalysisRecord, ModuleRecord
from gridcode.analysis.synthetic import ideal_grid_code
from gridcode.analysis.system import System
from gridcode.analysis.text import deep_sentences
from gridcode.errors import InputError
from gridcode.report import deep_analysis_figures as drawn
from gridcode.report import state_space_figures as statespace
from gridcode.report.collection import to_png
from gridcode.report.style import STYLE
from gridcode.report.tables import coding_table, robustness_table, topology_table

PARTS = ("state_space", "dynamics", "robustness", "mechanism", "coding")


def modules_of(code):
    """The planted modules, as if they had been found."""
    found = [
        Module(
            units=np.flatnonzero(code.label == m),
            vectors_m=code.vectors_m[m],
            spacing_m=float(np.hypot(*code.vectors_m[m, 0])),
            orientation_deg=0.0,
            axis_ratio=1.0,
            spacing_spread=0.01,
            orientation_spread_deg=0.1,
            shear_spread=0.01,
            p_value=0.001,
        )
        for m in range(len(code.vectors_m))
    ]
    return Modules(
        tuple(found), code.label, ("",) * len(code.label), np.zeros((len(code.label), len(found)))
    )


def analysed(spacings, units, **settings):
    code = ideal_grid_code(
        spacings, units_per_module=units, phases="random", generator=np.random.default_rng(3)
    )
    step, start = code.as_system()

    def matrices(velocities):
        # The system reads and writes phases, which no matrix does; a bump moved by its velocity
        # stands in for one.
        shift = velocities @ np.linalg.inv(code.vectors_m[0])
        difference = code.phases[:, None] - code.phases[None] - shift[:, None, None]
        return np.cos(2 * np.pi * difference).sum(-1) / len(code.phases)

    return analyse_theory(
        System(step, start, 0.15, precise=(step, start), matrices=matrices),
        arena_m=4.0,
        modules=modules_of(code),
        phases=code.phases,
        independent=len(spacings),
        walk_steps=60,
        nulls=19,
        **settings,
    )


@functools.cache
def one_module():
    seen = []
    found = analysed([1.0], 24, progress=lambda what, done, total: seen.append((what, done, total)))
    return found, seen


def test_an_ideal_module_is_a_torus_a_perfect_attractor_and_an_ideal_code():
    summary = one_module()[0].summary
    assert summary.reasons == {} and all(getattr(summary, part) for part in PARTS)
    whole, module = summary.state_space.populations
    assert whole.topology.torus and module.topology.torus
    assert module.rings.correlation == pytest.approx([1, 1, 1], abs=1e-6)
    assert min(module.toroidal.correlation) > 0.98 and module.toroidal.unimodular
    assert [c.expected_torus for c in summary.state_space.controls] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert all(c.as_expected for c in summary.state_space.controls)
    kick = summary.dynamics.perturbation.rows[-1]
    assert kick.on[1] == pytest.approx(1, abs=0.01) and kick.off[1] < 1e-3
    assert summary.dynamics.return_map.drift_m[1] == pytest.approx(0, abs=1e-6)
    undisturbed = next(
        row for row in summary.robustness if row.kind == "state noise" and row.level == 0
    )
    assert undisturbed.errors[-1].tracked_m[1] < 0.01
    codes = {c.code: c.properties for c in summary.coding.codes}
    assert list(codes) == [
        "network",
        "one ideal module",
        "three ideal modules",
        "place cells",
        "random",
    ]
    assert codes["network"].capacity.headline == pytest.approx(
        codes["one ideal module"].capacity.headline, abs=0.5
    )
    assert (
        codes["network"].algebraic.headline > 0.97 > 0.3 > codes["place cells"].algebraic.headline
    )
    profile = summary.mechanism.profiles[0]
    assert profile.slope == pytest.approx(1, abs=0.05)


def test_progress_is_told_of_every_part_and_ends():
    _, seen = one_module()
    for part in ("topology", "dynamics", "robustness", "coding"):
        steps = [(done, total) for what, done, total in seen if what == part]
        assert steps and all(0 <= done <= total for done, total in steps)
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        assert steps[-1][0] == steps[-1][1]


def test_pictures_tables_and_sentences_show_it():
    found, _ = one_module()
    summary, space = found.summary, found.summary.state_space
    vectors = ((1.0, 0.0), (0.5, 0.87))
    with mpl.rc_context(STYLE):
        for figure in (
            statespace.state_space(found.arrays, space.populations),
            statespace.topology(found.arrays, space.populations, space.controls),
            drawn.dynamics(summary.dynamics, summary.robustness, vectors_m=np.eye(2)),
            drawn.mechanism(
                summary.mechanism,
                found.arrays["mechanism"].to_dataset(),
                [ModuleRecord.model_construct(module=0, vectors_m=vectors)],
            ),
            drawn.coding(summary.coding.codes),
        ):
            assert to_png(figure).startswith(b"\x89PNG")
    words = " ".join(deep_sentences(summary))
    assert "no two to the same one" in words and "-0%" not in words
    assert "lie on a torus" in words and "All controls of known shape were recognised" in words
    assert "not measured" not in words.lower()
    table = topology_table(space)
    assert [row[0] for row in table.rows][:2] == ["all 24 units", "module 0 (24 units)"]
    assert len(table.rows) == 7 and len(coding_table(summary.coding.codes).rows) == 5
    disturbances = {row[0] for row in robustness_table(summary.robustness).rows}
    assert disturbances >= {"lesion 0.4", "velocity noise 0.02"}


def test_sentences_claim_no_more_than_the_numbers():
    found = one_module()[0].summary.model_dump(mode="json")
    kick, rest = found["dynamics"]["perturbation"], found["dynamics"]["return_map"]
    kick["off_half_life_steps"], kick["rows"][-1]["on"][1] = None, -0.002
    outcomes = {"fixed point": 20, "cycle": 0, "drift": 44}
    rest |= {"distinct": 1, "estimated": 1.0, "outcomes": outcomes}
    found["dynamics"]["reason"] = "lyapunov: states grow without bound"
    module = found["state_space"]["populations"][1]
    module["toroidal"] |= {"correlation": [0.1, 0.2], "unimodular": False}
    properties = found["coding"]["codes"][0]["properties"]
    properties["update"] |= {"headline": -30.3, "null": None}
    properties["algebraic"] |= {"headline": 0.2, "null": None}
    words = " ".join(deep_sentences(DeepAnalysisRecord.model_validate(found)))
    assert "half-life" not in words and "Of perturbations along it 0% remain" in words
    assert "20 of 64 states" in words and "all to the same one" in words
    assert "continuous attractor" not in words and "grow without bound" in words
    assert "0.10 and 0.20), but do not wind once around each of its loops" in words
    assert "R2 = -30.30." in words and "resultant of 0.20 (1: exactly)" in words
    kick["rows"][-1]["on"][1] = None
    module["toroidal"]["correlation"] = [None, 0.5]
    for point in rest["points"]:
        point["position_m"] = None
    record = DeepAnalysisRecord.model_validate(found)
    at_rest = drawn.dynamics(record.dynamics, None, vectors_m=None).axes[2]
    shown = [text.get_text() for text in at_rest.texts]
    assert shown == ["no lattice common to all units to place them in"]
    words = " ".join(deep_sentences(record))
    assert "perturbations along" not in words and "Circular coordinates" not in words


def test_a_system_that_knows_no_place_is_said_to_be_one():
    modules = Modules((), np.full(12, -1), ("",) * 12, np.zeros((12, 0)))
    start = np.full(12, 12**-0.5)
    settings = {
        "arena_m": 2.0,
        "modules": modules,
        "phases": np.full((12, 2), np.nan),
        "independent": 0,
    }

    def still(states, _):
        return states

    system = System(still, start, 0.15)
    found = analyse_theory(system, walk_steps=20, nulls=19, **settings).summary
    assert (
        found.state_space.populations == ()
        and "too much alike" in found.state_space.skipped[0].reason
    )
    assert found.dynamics is None and "double precision" in found.reasons["dynamics"]
    assert found.mechanism is None and "matrices" in found.reasons["mechanism"]
    assert found.coding.codes[0].properties.capacity.headline is None
    words = " ".join(deep_sentences(found))
    assert "torus" not in words and "Not measured: population" in words
    with mpl.rc_context(STYLE):
        assert to_png(drawn.coding(found.coding.codes)).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="unknown walk"):
        analyse_theory(system, walk="swimming", **settings)
