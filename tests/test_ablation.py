import csv
import json
import math

import numpy as np
import pytest
from conftest import TINY
from scipy import stats

import gridcode
from gridcode import InputError, TrainingError
from gridcode.cli import main
from gridcode.paper.ablation import score, training
from gridcode.paper.ablation.training import Member, Trained, members, train_members
from gridcode.paper.ablation.variants import (
    EXPECTATIONS,
    ISOMETRY_WEIGHTS,
    REFERENCE,
    VARIANTS,
    Expectation,
    choose,
)
from gridcode.paper.ablation.verdicts import cliffs_delta, judge, rank_correlation
from gridcode.paper.ablation.words import paragraph
from gridcode.training import loop

SMALL = {
    "evaluation.bin_size_m": 0.1,
    "evaluation.walk_steps": 40,
    "training.steps": 10,
    "world.max_velocity_m": 0.15,
}


@pytest.fixture
def small() -> gridcode.Config:
    return gridcode.load_config("quick").override(TINY | SMALL)


@pytest.fixture
def several(small):
    """Populations in two stages, each with paths of its own."""
    return small.override(
        {"populations": [8, 8], "separate_steps": 4, "joint_steps": 4, "joint_trajectories": 8}
    )


def table(**columns):
    """Rows of a reference and other variants: column=(values of the reference, values of the variant); variant by keyword `name`."""
    name = columns.pop("name")
    seeds = [range(len(next(iter(columns.values()))[which])) for which in (0, 1)]
    return [
        {"variant": variant, "seed": seed, "status": "ok"}
        | {column: values[which][seed] for column, values in columns.items()}
        for which, variant in enumerate((REFERENCE, name))
        for seed in seeds[which]
    ]


def only(rows, **about):
    found = [row for row in judge(rows) if all(row[key] == value for key, value in about.items())]
    assert len(found) == 1
    return found[0]


def test_every_variant_changes_what_it_says_and_nothing_else(several):
    for variant in VARIANTS:
        changed = several.override(variant.overrides).model_dump()
        other = {
            f"{s}.{k}"
            for s, held in several.model_dump().items()
            for k in held
            if held[k] != changed[s][k]
        }
        assert other == set(variant.overrides)
        assert variant.paper.endswith(".")
    assert {e.variant for e in EXPECTATIONS} >= {v.name for v in VARIANTS} - {REFERENCE}


def test_without_isometry_every_weight_of_an_isometry_is_zero():
    assert {"loss.isometry", "loss.isometry_early_raw"} <= set(ISOMETRY_WEIGHTS)
    assert not {"loss.isometry_range_m", "loss.isometry_form", "loss.isometry_ramp"} & set(
        ISOMETRY_WEIGHTS
    )
    without = gridcode.load_config("quick").override(
        next(v for v in VARIANTS if v.name == "no isometry").overrides
    )
    assert all(value == 0 for key, value in without.loss if f"loss.{key}" in ISOMETRY_WEIGHTS)


def test_variants_are_chosen_by_name(small, several):
    assert [v.slug for v in choose(["sigma_g"], small)] == [
        "reference",
        "sigma_g-0.3",
        "sigma_g-0.2",
        "sigma_g-0.1",
    ]
    assert [v.name for v in choose(["no-norm", " no capacity"], small)] == [
        "reference",
        "no capacity",
        "no norm",
    ]
    assert len(choose(None, several)) == len(VARIANTS) == 13
    assert [v.name for v in VARIANTS if v not in choose(None, small)] == [
        "no first stage",
        "all connected",
    ]
    fixed = small.override({"model.start": "fixed", "sigma_g": 0.2})
    assert {v.name for v in VARIANTS} - {v.name for v in choose(None, fixed)} == {
        *("fixed start", "sigma_g 0.3", "sigma_g 0.2", "no first stage", "all connected")
    }
    for names, config, message in (
        (["no-sleep"], small, "unknown variant 'no-sleep': choose reference, no-capacity"),
        (["fixed-start"], fixed, "changes nothing: the reference has model.start = fixed"),
        (["sigma_g-0.3"], fixed, "not smaller than the reference's 0.2"),
    ):
        with pytest.raises(InputError, match=message):
            choose(names, config)
    with pytest.raises(InputError, match="at least one seed"):
        members(small, variants=VARIANTS, seeds=[])
    with pytest.raises(InputError, match="given twice"):
        members(small, variants=VARIANTS, seeds=[1, 1])


def test_planted_effects_get_their_verdicts():
    full, none, half = (
        [0.9, 0.92, 0.95, 0.97, 0.99],
        [0.0, 0.0, 0.01, 0.02, 0.05],
        [0.1, 0.2, 0.5, 0.8, 0.9],
    )
    about = {"variant": "no separation", "statistic": "lattice_share"}
    lost = only(table(name="no separation", lattice_share=(full, none)), **about)
    assert (
        lost["verdict"] == "reproduced"
        and lost["cliffs_delta"] == -1
        and lost["difference"] == pytest.approx(-0.94)
    )
    assert lost["p_value"] == pytest.approx(2 / math.comb(10, 5)) and lost["p_method"] == "exact"
    assert lost["interval_low"] <= lost["effect"] <= lost["interval_high"]
    assert (
        only(table(name="no separation", lattice_share=(full, full)), **about)["verdict"]
        == "not reproduced"
    )
    assert (
        only(table(name="no separation", lattice_share=(full, half)), **about)["verdict"]
        == "unclear"
    )
    few = only(table(name="no separation", lattice_share=(full, none[:2])), **about)
    assert few["verdict"] == "unclear" and "2 networks" in few["reason"]
    flat = only(table(name="no separation", lattice_share=(none, none)), **about)
    assert (
        flat["verdict"] == "unclear"
        and "the reference's own lattice_share is 0.01" in flat["reason"]
    )
    # A training that diverged counts on no side.
    bad = only(
        table(name="no separation", lattice_share=(full, [0.0, None, math.nan, 0.0, 0.0])), **about
    )
    assert bad["n_variant"] == 3 and bad["verdict"] == "reproduced"


def test_one_module_is_a_loss_only_where_there_were_several():
    two, one = [2, 2, 3, 2, 2], [1, 1, 1, 1, 1]
    for reference, verdict in ((two, "reproduced"), (one, "unclear")):
        found = judge(table(name="no capacity", n_independent=(reference, one)))
        assert [row["verdict"] for row in found] == [verdict, verdict]
    kept = judge(table(name="no capacity", n_independent=([2] * 5, [2] * 5)))
    assert [row["verdict"] for row in kept] == ["not reproduced", "not reproduced"]


def test_field_size_against_sigma_g():
    def rows(slope):
        values = {
            v.name: v.overrides["loss.sigma_g"] for v in VARIANTS if v.name.startswith("sigma_g")
        }
        noise = np.random.default_rng(0).normal(0, 0.01, 100)
        made = [
            {"variant": n, "seed": s, "field_size_m": 0.5 + slope * x}
            for n, x in values.items()
            for s in range(5)
        ]
        return [
            row | {"field_size_m": row["field_size_m"] + noise[i]} for i, row in enumerate(made)
        ]

    falls, rises, flat = (only(rows(slope), variant="sigma_g") for slope in (-1.0, 1.0, 0.0))
    assert [row["verdict"] for row in (falls, rises)] == ["reproduced", "not reproduced"] and flat[
        "verdict"
    ] != "reproduced"
    assert (
        falls["effect"] < -0.9
        and falls["p_value"] < 0.01
        and falls["interval_low"] <= falls["effect"] <= falls["interval_high"]
    )
    assert only(rows(-1.0)[::3], variant="sigma_g")["verdict"] == "unclear"


def test_effect_sizes_against_naive_loops(rng):
    a, b = rng.integers(0, 5, 7), rng.integers(0, 5, 6)
    pairs = [np.sign(y - x) for x in a for y in b]
    assert cliffs_delta(a, b) == pytest.approx(np.mean(pairs)) and cliffs_delta([], b) is None
    assert rank_correlation(a[:6][None], b[None])[0] == pytest.approx(
        stats.spearmanr(a[:6], b).statistic
    )
    assert rank_correlation(np.ones((1, 4)), np.arange(4.0)[None])[0] == 0


def test_verdicts_do_not_depend_on_chance():
    rows = table(name="no isometry", n_independent=([2] * 4, [2, 3, 2, 2]), lattice_share=([0.9] * 4, [0.8] * 4),
                 axis_ratio_median=([0.9, 0.91, 0.92, 0.93], [0.6, 0.61, 0.62, 0.7]), square_share=([0.0] * 4, [0.5, 0.6, 0.4, 0.3]))  # fmt: skip
    assert judge(rows) == judge(rows)
    assert [row["verdict"] for row in judge(rows)] == ["reproduced"] * 3
    text = paragraph(rows, judge(rows))
    assert (
        "3 expectations 3 reproduced" in text
        and "axis ratio 0.61, reference 0.92" in text
        and text.count("The paper shows") == 1
    )
    with_none = judge(table(name="no norm", lattice_share=([0.9] * 3, [None] * 3)))
    assert [row["verdict"] for row in with_none] == ["no claim"]


def test_rules_are_said_in_words():
    assert (
        Expectation("v", "c", "field_size_m", "trend", most=-0.5).rule
        == "field_size_m: rank correlation with sigma_g is -0.5 or less"
    )
    assert all(
        str(e.least if e.least is not None else e.most).rstrip("0").rstrip(".") in e.rule
        for e in EXPECTATIONS
        if e.kind != "none"
    )


def test_ablation_from_the_command_line_and_again(tmp_path, capsys, monkeypatch):
    # Processes of their own, as test_many.py has them, would take most of the time here.
    monkeypatch.setattr(
        training.many,
        "train_many",
        lambda runs, **_: [loop.train_run(run) for run in runs if not run.manifest],
    )
    settings = [
        f"--{k.replace('_', '-')}={json.dumps(v)}"
        for k, v in (TINY | SMALL).items()
        if not k.startswith("evaluation.")
    ]
    command = [
        "ablate",
        "quick",
        "--seeds",
        "0",
        "--variants",
        "no-norm",
        "--out",
        str(tmp_path / "a"),
        "--nulls",
        "99",
        "--arena",
        "1",
        *settings,
    ]
    assert main([*command, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in told["runs"]] == ["reference-seed0", "no-norm-seed0"] and told[
        "verdicts"
    ][0]["verdict"] == "no claim"
    reference = told["runs"][0]
    assert (
        reference["status"] == "ok"
        and reference["active_units"] <= 12
        and 0 <= reference["spatial_share"] <= 1
    )
    assert sum(reference[column] for column in score.SHARES.values()) == pytest.approx(1)
    made = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir() if path.is_file()}
    assert set(made) == {
        "ablation.csv",
        "verdicts.csv",
        "ablation.md",
        "ablation.png",
        "ablation.pdf",
    }
    assert [row["seed"] for row in csv.DictReader(made["ablation.csv"].decode().splitlines())] == [
        "0",
        "0",
    ]
    assert str(tmp_path) not in made["ablation.csv"].decode()

    def never(*_, **__):
        raise AssertionError("measured or trained again")

    monkeypatch.setattr(score, "_measure", never)
    monkeypatch.setattr(loop, "train_run", never)
    assert main([*command, "--quiet"]) == 0
    assert {
        path.name: path.read_bytes() for path in (tmp_path / "a").iterdir() if path.is_file()
    } == made
    assert main([*command, "--json", "--quiet", "--sigma-g", "0.5"]) == 2
    assert "exists already, with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variants", "no-sleep"], "unknown variant"),
        (["--seed", "3"], "give the seeds with --seeds"),
        (["--arena", "0.3"], "does not suit steps"),
        (["--arena", "nan"], "does not suit steps"),
        (["--nulls", "5"], "take 99 or more"),
        (["--seeds", "3-1"], "--seeds: must be such as"),
        (["--walk-steps", "5"], "does not apply"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_trained(tmp_path, capsys, options, message):
    assert main(["ablate", "quick", "--out", str(tmp_path / "a"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error.replace("\n", " ") and not (tmp_path / "a").exists()


def test_a_training_that_diverges_is_a_result_and_is_not_repeated(small, tmp_path, monkeypatch):
    asked = members(small, variants=choose(["no-norm"], small), seeds=[0])
    tried = []

    def diverge(runs, **_):
        tried.extend(run.folder.name for run in runs)

    def again(run, **_):
        raise TrainingError(
            f"the gradient is not finite at step 3; last good checkpoint: none yet ({run.folder})"
        )

    monkeypatch.setattr(training.many, "train_many", diverge)
    monkeypatch.setattr(training, "train_run", again)
    first = train_members(asked, tmp_path)
    assert all(t.diverged for t in first) and tried == ["reference-seed0", "no-norm-seed0"]
    assert str(tmp_path) not in first[0].failure
    second = train_members(asked, tmp_path)
    assert [t.failure for t in second] == [t.failure for t in first] and len(tried) == 2
    row = score.score_run(second[1], tmp_path, arena_m=1.0, nulls=99).row
    assert (
        row["status"] == "diverged"
        and row["lattice_share"] is None
        and "not finite at step 3" in row["note"]
    )
    result = gridcode.ablate(
        small, out=tmp_path, seeds=[0], variants=["no-norm"], arena_m=1.0, nulls=99
    )
    assert "No norm: 1 of 1 network diverged in training." in result.text and len(result.files) == 5


def test_another_failure_is_told_and_tried_again(small, tmp_path, monkeypatch):
    asked = members(small, variants=choose(["reference"], small), seeds=[0])
    monkeypatch.setattr(training.many, "train_many", lambda *_, **__: None)

    def full(*_, **__):
        raise TrainingError("the disk is full")

    monkeypatch.setattr(training, "train_run", full)
    for _ in range(2):
        with pytest.warns(UserWarning, match="reference-seed0: the disk is full"):
            found = train_members(asked, tmp_path)
        assert (
            found[0].failure
            and not found[0].diverged
            and not (tmp_path / training.FAILURES).exists()
        )


def planted(small, tmp_path, step, monkeypatch):
    """A score of a network that moves its state by `step`."""
    member = Member(VARIANTS[0], 0, small)
    run = gridcode.Run.create(tmp_path / "run", small)

    class System:
        def as_system(self):
            return step, np.full(6, 0.4, dtype=np.float32)

    monkeypatch.setattr(score, "load_network", lambda _: System())
    return score.score_run(Trained(member, run), tmp_path, arena_m=1.0, nulls=99)


def test_networks_that_fall_silent_or_grow_without_bound_are_results(small, tmp_path, monkeypatch):
    silent = planted(small, tmp_path / "silent", lambda g, _: 0.0 * g, monkeypatch)
    assert (
        silent.row["status"] == "silent"
        and silent.row["lattice_share"] == 0
        and silent.row["n_modules"] == 0
        and silent.examples is None
    )
    assert silent.row["field_size_m"] is None
    with np.errstate(over="ignore"):
        growing = planted(
            small, tmp_path / "growing", lambda g, _: np.float32(1e4) * g, monkeypatch
        )
    assert growing.row["status"] == "unbounded" and growing.row["lattice_share"] is None


def test_kept_scores_come_back_as_they_were_and_damaged_ones_are_measured_again(
    small, tmp_path, monkeypatch
):
    member = Member(VARIANTS[0], 0, small)
    run = gridcode.train(small, out=tmp_path / "run")
    first = score.score_run(Trained(member, run), tmp_path, arena_m=1.0, nulls=99)
    again = score.score_run(Trained(member, run), tmp_path, arena_m=1.0, nulls=99)
    assert again.row == first.row
    assert (
        first.examples is not None
        and again.examples is not None
        and again.examples["rate"].equals(first.examples["rate"].astype(np.float32))
    )
    for name in ("npz", "json"):
        (tmp_path / score.SCORES / f"reference-seed0.{name}").write_bytes(b"PK damaged")
        measured = []
        real = score._measure
        monkeypatch.setattr(
            score,
            "_measure",
            lambda *a, real=real, measured=measured: measured.append(1) or real(*a),
        )
        assert (
            score.score_run(Trained(member, run), tmp_path, arena_m=1.0, nulls=99).row == first.row
            and measured
        )
        monkeypatch.undo()
    assert score.score_run(Trained(member, run), tmp_path, arena_m=1.2, nulls=99).row["units"] == 12
