"""The comparison of families: its plan, measures on planted codes, verdicts, and the study."""

import functools

import numpy as np
import pytest
import torch

import gridcode
from gridcode.analysis.synthetic import ideal_grid_code, random_code
from gridcode.analysis.system import System
from gridcode.config import EvaluationConfig, load_config
from gridcode.errors import InputError
from gridcode.paper.families import study
from gridcode.paper.families.measure import FamilyRow, lattice_share_beyond
from gridcode.paper.families.members import MODELS, SCALES, Member, plan
from gridcode.paper.families.shortcomings import judge
from gridcode.paper.families.shuffled_places import CELL_M, ShuffledPlaces
from gridcode.world.streams import Stream


def rows_of(model="pca", question="comparison", **columns):
    """A row for each value of the columns."""
    values = zip(*columns.values(), strict=True)
    return [
        FamilyRow(model, seed, question=question, **dict(zip(columns, row, strict=True)))
        for seed, row in enumerate(values)
    ]


def verdict(rows, number):
    return next(v for v in judge(rows) if v.number == number)


def test_plan():
    members = plan(["quick", "pca"], [0, 1])
    assert len({m.name for m in members}) == len(members)
    assert sum(m.question == "comparison" for m in members) == 4
    # The model's own value is in the comparison.
    varied = sum(len(SCALES[model][1]) - 1 for model in ("quick", "pca"))
    assert sum(m.question == "scale" for m in members) == varied
    assert sum(m.question == "shuffled" for m in members) == 4
    assert {m.model for m in plan(MODELS, [0], questions=False)} == set(MODELS)


@pytest.mark.parametrize(
    ("models", "seeds", "message"),
    [
        (["pcs"], [0], "did you mean 'pca'"),
        ([], [0], "at least one model"),
        (["pca"], [], "one seed"),
        (["pca", "pca"], [0], "twice"),
    ],
)
def test_plans_that_make_no_sense(models, seeds, message):
    with pytest.raises(InputError, match=message):
        plan(models, seeds)


def test_slope_of_the_spacing():
    width = np.tile([0.1, 0.15, 0.2], 3)
    bumpy = np.exp(np.random.default_rng(0).normal(0, 0.02, 9))
    cells = {"lattice_share": [1.0] * 3}
    set_by = rows_of(**cells) + rows_of(
        question="scale", value=width, spacing_median_m=5 * width * bumpy
    )
    found = verdict(set_by, 1)
    assert found.verdict == "present" and found.low < 1 < found.high
    free = rows_of(**cells) + rows_of(question="scale", value=width, spacing_median_m=0.7 * bumpy)
    assert verdict(free, 1).verdict == "absent"
    none = rows_of(**cells) + rows_of(question="scale", value=width, spacing_median_m=[None] * 9)
    assert verdict(none, 1).verdict == "unclear"


@pytest.mark.parametrize(
    ("shuffled", "ordered", "expected"),
    [(0.05, 0.9, "present"), (0.8, 0.9, "absent"), (0.0, 0.1, "unclear")],
)
def test_shuffled_targets(shuffled, ordered, expected):
    rows = rows_of(lattice_share=[ordered] * 3)
    rows += rows_of(question="shuffled", lattice_share=[shuffled] * 3)
    assert verdict(rows, 2).verdict == expected


def test_modules_and_what_lies_beyond():
    one = rows_of(n_independent=[1, 1, 1], lattice_share=[0.9] * 3, lattice_share_beyond=[0.8] * 3)
    assert verdict(one, 3).verdict == "present" and verdict(one, 4).verdict == "absent"
    scales = {"n_independent": [3, 2, 3], "lattice_share": [0.9] * 3}
    many = rows_of(**scales, largest_over_smallest=[2.0, 1.5, 1.8])
    assert verdict(many, 3).verdict == "absent"
    one_scale = rows_of(**scales, largest_over_smallest=[1.03, 1.02, 1.05])
    assert verdict(one_scale, 3).verdict == "present"
    assert "not defined" in verdict(many, 4).reason
    # Three modules in a network of three populations are put in.
    assert verdict(rows_of("modules", n_independent=[3] * 3), 3).verdict == "present"
    assert verdict(rows_of(n_independent=[2, 2]), 3).verdict == "unclear"


def test_lattices_beyond_the_trained_square():
    grid = ideal_grid_code([0.6], units_per_module=12, generator=np.random.default_rng(0))
    settings = EvaluationConfig()

    unordered = random_code(units=12, correlation_m=0.15, generator=np.random.default_rng(1))

    def inside_only(positions_m):
        """Outside of the square of 1.5 m a random field."""
        out = np.abs(positions_m).max(axis=-1, keepdims=True) > 0.75
        return np.where(out, unordered(positions_m), grid(positions_m))

    share = functools.partial(lattice_share_beyond, config=settings)
    everywhere = System.of_positions(grid, max_step_m=0.15, extent_m=1.5)
    assert share(everywhere) > 0.9
    assert share(System.of_positions(inside_only, max_step_m=0.15, extent_m=1.5)) < 0.2

    def box(positions_m):
        inside = (np.abs(positions_m) <= 0.75).all(axis=-1, keepdims=True)
        return np.where(inside, grid(positions_m), np.nan)

    assert share(System.of_positions(box, max_step_m=0.15, extent_m=1.5)) is None


def test_shuffled_places_exchange_places():
    world = load_config("quick").world
    batch = ShuffledPlaces(world, 3)(5, Stream(0, 5))
    plain = load_config("quick").world
    assert batch.positions.shape == (plain.steps + 1, plain.trajectories, 2)
    again = ShuffledPlaces(world, 3)(5, Stream(0, 5))
    assert torch.equal(batch.positions, again.positions)
    other = ShuffledPlaces(world, 4)(5, Stream(0, 5))
    assert not torch.equal(batch.positions, other.positions)
    # Paths that end at one place still do.
    assert float(np.ptp(batch.positions[-1].numpy(), axis=0).max()) < 2 * CELL_M


def small(config, _member):
    return config.evaluation.model_copy(
        update={
            **{"theory": False, "space": False, "history": False, "nulls": 99},
            **{"bin_size_m": 0.1, "samples_per_bin": 3.0, "walks": ("smooth",)},
        }
    )


def test_the_study_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study, "_settings", small)
    monkeypatch.setattr(study, "MODELS", ("successor",))
    call = functools.partial(
        gridcode.families, out=tmp_path, models=["successor"], seeds=[0], jobs=1, questions=False
    )
    first = call()
    assert first.rows[0].status == "ok" and first.rows[0].units == 64
    assert first.rows[0].lattice_share_beyond is None
    kept = tmp_path / "beyond" / "successor-seed0.json"
    written = kept.stat().st_mtime_ns
    second = call(progress=lambda *found: print(*found))
    assert second.rows == first.rows and kept.stat().st_mtime_ns == written
    assert "successor-seed0 1 1" in capsys.readouterr().out
    assert {p.name for p in second.files} >= {"families.csv", "families.png", "families.html"}
    assert "successor representation" in (tmp_path / "families.html").read_text()
    # A damaged run is a row that says so, and the page is written.
    for path in (tmp_path / "runs" / "successor-seed0").rglob("*.safetensors"):
        path.write_bytes(b"damaged")
    third = call()
    assert third.rows[0].status == "failed" and "successor-seed0 failed" in third.text


def test_a_run_with_other_settings_is_refused(tmp_path):
    from gridcode.baselines import load_recipe, making

    folder = tmp_path / "runs" / "successor-seed0"
    making.make(load_recipe("successor", {"places": 12, "components": 4}), folder)
    row = study.make_and_measure(Member("successor", 0), tmp_path)
    assert row.status == "failed" and "other settings" in row.note
