import csv
import json
import math
from importlib import resources

import numpy as np
import pytest
from conftest import TINY
from scipy import stats

import gridcode
from gridcode import InputError, TrainingError
from gridcode.cli import main
from gridcode.packaged import pretrained
from gridcode.paper.ablation import score, training
from gridcode.paper.ablation.rows import RunRow, Verdict
from gridcode.paper.ablation.training import AblationRun, Trained, plan_runs, train_ablation
from gridcode.paper.ablation.variants import (
    EXPECTATIONS,
    ISOMETRY_WEIGHTS,
    REFERENCE,
    VARIANTS,
    Expectation,
    choose,
)
from gridcode.paper.ablation.verdicts import cliffs_delta, judge_expectations, rank_correlation
from gridcode.paper.ablation.words import paragraph
from gridcode.paper.tables import read_table, table_text
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


def table(*, name, **columns):
    """Rows of the reference and a variant: statistic=(values of the one, values of the other)."""
    both = enumerate((REFERENCE, name))
    return [
        RunRow(variant, seed, **{column: values[which][seed] for column, values in columns.items()})
        for which, variant in both
        for seed in range(len(next(iter(columns.values()))[which]))
    ]


def only(rows, variant, statistic=None):
    found = [
        row
        for row in judge_expectations(rows)
        if row.variant == variant and statistic in (None, row.statistic)
    ]
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
        plan_runs(small, variants=VARIANTS, seeds=[])
    with pytest.raises(InputError, match="given twice"):
        plan_runs(small, variants=VARIANTS, seeds=[1, 1])


def test_planted_effects_get_their_verdicts():
    full, none = [0.9, 0.92, 0.95, 0.97, 0.99], [0.0, 0.0, 0.01, 0.02, 0.05]
    half = [0.1, 0.2, 0.5, 0.8, 0.9]

    def judged(reference, variant):
        rows = table(name="no separation", lattice_share=(reference, variant))
        return only(rows, "no separation", "lattice_share")

    lost = judged(full, none)
    assert lost.verdict == "reproduced" and lost.cliffs_delta == -1
    assert lost.difference == pytest.approx(-0.94)
    assert lost.p_value == pytest.approx(2 / math.comb(10, 5)) and lost.p_method == "exact"
    assert lost.interval_low <= lost.effect <= lost.interval_high
    assert judged(full, full).verdict == "not reproduced"
    assert judged(full, half).verdict == "unclear"
    few = judged(full, none[:2])
    assert few.verdict == "unclear" and "2 networks" in few.reason
    flat = judged(none, none)
    assert flat.verdict == "unclear" and "reference's lattice_share is 0.01" in flat.reason
    # A training that diverged counts on no side.
    bad = judged(full, [0.0, None, math.nan, 0.0, 0.0])
    assert bad.n_variant == 3 and bad.verdict == "reproduced"


def test_one_module_is_a_loss_only_where_there_were_several():
    two, one = [2, 2, 3, 2, 2], [1, 1, 1, 1, 1]
    for reference, verdict in ((two, "reproduced"), (one, "unclear")):
        found = judge_expectations(table(name="no capacity", n_independent=(reference, one)))
        assert [row.verdict for row in found] == [verdict, verdict]
    kept = judge_expectations(table(name="no capacity", n_independent=([2] * 5, [2] * 5)))
    assert [row.verdict for row in kept] == ["not reproduced", "not reproduced"]


def test_field_size_against_sigma_g():
    values = {v.name: v.overrides["loss.sigma_g"] for v in VARIANTS if v.name.startswith("sigma_g")}
    noise = np.random.default_rng(0).normal(0, 0.01, (len(values), 5))

    def rows(slope):
        return [
            RunRow(name, seed, field_size_m=0.5 + slope * sigma_g + float(noise[i, seed]))
            for i, (name, sigma_g) in enumerate(values.items())
            for seed in range(5)
        ]

    falls, rises, flat = (only(rows(slope), "sigma_g") for slope in (-1.0, 1.0, 0.0))
    assert [row.verdict for row in (falls, rises)] == ["reproduced", "not reproduced"]
    assert flat.verdict != "reproduced"
    assert falls.effect < -0.9 and falls.p_value < 0.01
    assert falls.interval_low <= falls.effect <= falls.interval_high
    assert only(rows(-1.0)[::3], "sigma_g").verdict == "unclear"


def test_effect_sizes_against_naive_loops(rng):
    a, b = rng.integers(0, 5, 7), rng.integers(0, 5, 6)
    pairs = [np.sign(y - x) for x in a for y in b]
    assert cliffs_delta(a, b) == pytest.approx(np.mean(pairs)) and cliffs_delta([], b) is None
    assert rank_correlation(a[:6][None], b[None])[0] == pytest.approx(
        stats.spearmanr(a[:6], b).statistic
    )
    assert rank_correlation(np.ones((1, 4)), np.arange(4.0)[None])[0] == 0


def test_verdicts_do_not_depend_on_chance():
    rows = table(
        name="no isometry",
        n_independent=([2] * 4, [2, 3, 2, 2]),
        lattice_share=([0.9] * 4, [0.8] * 4),
        axis_ratio_median=([0.9, 0.91, 0.92, 0.93], [0.6, 0.61, 0.62, 0.7]),
        square_share=([0.0] * 4, [0.5, 0.6, 0.4, 0.3]),
    )
    verdicts = judge_expectations(rows)
    assert verdicts == judge_expectations(rows)
    assert [row.verdict for row in verdicts] == ["reproduced"] * 3
    text = paragraph(rows, verdicts)
    assert "3 expectations 3 reproduced" in text and text.count("The paper shows") == 1
    assert "axis ratio 0.61, reference 0.92" in text
    with_none = table(name="no norm", lattice_share=([0.9] * 3, [None] * 3))
    assert [row.verdict for row in judge_expectations(with_none)] == ["no claim"]


def test_tables_are_read_as_they_were_written():
    rows = [
        RunRow("reference", 0, n_modules=2, spacings_m=(0.5, 0.75), lattice_share=0.9, note="a, b"),
        RunRow("no norm", 1, status="diverged", config_hash="00012"),
    ]
    assert read_table(table_text(rows), RunRow, name="ablation.csv") == rows
    verdicts = judge_expectations(table(name="no norm", lattice_share=([0.5] * 3, [0.25] * 3)))
    assert read_table(table_text(verdicts), Verdict, name="verdicts.csv") == verdicts
    for text in ("variant,seed\n", "variant,seed\nreference,one\n", "a,b\n1,2\n"):
        with pytest.raises(InputError, match=r"ablation.csv is no table of `gridcode ablate`"):
            read_table(text, RunRow, name="ablation.csv")


def test_packaged_verdicts_follow_from_the_packaged_table():
    data = resources.files("gridcode.paper.reproduce").joinpath("data")
    rows = read_table(data.joinpath("ablation.csv").read_text(), RunRow, name="ablation.csv")
    held = read_table(data.joinpath("verdicts.csv").read_text(), Verdict, name="verdicts.csv")
    known = {expected.variant for expected in EXPECTATIONS}
    assert [(v.claim, v.verdict) for v in judge_expectations(rows)] == [
        (v.claim, v.verdict) for v in held if v.variant in known
    ]


def test_rules_in_words():
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
    assert [row["run"] for row in told["runs"]] == ["reference-seed0", "no-norm-seed0"]
    assert told["verdicts"][0]["verdict"] == "no claim"
    reference = told["runs"][0]
    assert reference["status"] == "ok" and reference["active_units"] <= 12
    assert 0 <= reference["spatial_share"] <= 1
    types = ("hexagonal", "sheared", "square", "band", "place", "other_spatial", "non_spatial")
    assert sum(reference[f"{kind}_share"] for kind in types) == pytest.approx(1)
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
        (["--seeds", "3-1"], "--seeds must be such as"),
        (["--walk-steps", "5"], "does not apply"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_trained(tmp_path, capsys, options, message):
    assert main(["ablate", "quick", "--out", str(tmp_path / "a"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error.replace("\n", " ") and not (tmp_path / "a").exists()


def test_a_training_that_diverges_is_a_result_and_is_not_repeated(small, tmp_path, monkeypatch):
    asked = plan_runs(small, variants=choose(["no-norm"], small), seeds=[0])
    tried = []

    def diverge(runs, **_):
        tried.extend(run.folder.name for run in runs)

    def again(run, **_):
        raise TrainingError(
            f"the gradient is not finite at step 3; last good checkpoint: none yet ({run.folder})"
        )

    monkeypatch.setattr(training.many, "train_many", diverge)
    monkeypatch.setattr(training, "train_run", again)
    first = train_ablation(asked, tmp_path)
    assert all(t.diverged for t in first) and tried == ["reference-seed0", "no-norm-seed0"]
    assert str(tmp_path) not in first[0].failure
    second = train_ablation(asked, tmp_path)
    assert [t.failure for t in second] == [t.failure for t in first] and len(tried) == 2
    row = score.score_run(second[1], tmp_path, arena_m=1.0, nulls=99).row
    assert row.status == "diverged" and row.lattice_share is None
    assert "not finite at step 3" in row.note
    result = gridcode.ablate(
        small, out=tmp_path, seeds=[0], variants=["no-norm"], arena_m=1.0, nulls=99
    )
    assert "No norm: 1 of 1 network diverged in training." in result.text and len(result.files) == 5


def test_another_failure_is_told_and_tried_again(small, tmp_path, monkeypatch):
    asked = plan_runs(small, variants=choose(["reference"], small), seeds=[0])
    monkeypatch.setattr(training.many, "train_many", lambda *_, **__: None)

    def full(*_, **__):
        raise TrainingError("the disk is full")

    monkeypatch.setattr(training, "train_run", full)
    for _ in range(2):
        with pytest.warns(UserWarning, match="reference-seed0: the disk is full"):
            found = train_ablation(asked, tmp_path)
        assert (
            found[0].failure
            and not found[0].diverged
            and not (tmp_path / training.FAILURES).exists()
        )


def planted(small, tmp_path, step, monkeypatch):
    """A score of a network that moves its state by `step`."""
    member = AblationRun(VARIANTS[0], 0, small)
    run = gridcode.Run.create(tmp_path / "run", small)

    class System:
        def as_system(self):
            return step, np.full(6, 0.4, dtype=np.float32)

    monkeypatch.setattr(score, "load_network", lambda _: System())
    return score.score_run(Trained(member, run), tmp_path, arena_m=1.0, nulls=99)


def test_networks_that_fall_silent_or_grow_without_bound_are_results(small, tmp_path, monkeypatch):
    silent = planted(small, tmp_path / "silent", lambda g, _: 0.0 * g, monkeypatch)
    assert silent.row.status == "silent" and silent.examples is None
    assert silent.row.lattice_share == 0 and silent.row.n_modules == 0
    assert silent.row.field_size_m is None
    with np.errstate(over="ignore"):
        growing = planted(
            small, tmp_path / "growing", lambda g, _: np.float32(1e4) * g, monkeypatch
        )
    assert growing.row.status == "unbounded" and growing.row.lattice_share is None


def test_scores_are_cached_and_damaged_ones_are_measured_again(small, tmp_path, monkeypatch):
    trained = Trained(AblationRun(VARIANTS[0], 0, small), gridcode.train(small, out=tmp_path / "r"))
    real, measured = score._measure, []

    def measure(*arguments):
        measured.append(1)
        return real(*arguments)

    def scored(arena_m=1.0):
        return score.score_run(trained, tmp_path, arena_m=arena_m, nulls=99)

    monkeypatch.setattr(score, "_measure", measure)
    first, again = scored(), scored()
    assert again.row == first.row and len(measured) == 1
    assert first.examples is not None and again.examples is not None
    assert again.examples["rate"].equals(first.examples["rate"].astype(np.float32))
    (tmp_path / score.SCORES / "reference-seed0.npz").write_bytes(b"PK damaged")
    assert scored().row == first.row and len(measured) == 2
    assert scored(arena_m=1.2).row.units == 12 and len(measured) == 3
    # Other weights, other scores.
    path = trained.run.checkpoints()[0]
    path.write_bytes(path.read_bytes() + b" ")
    network = pretrained("quick-64").network
    monkeypatch.setattr(score, "load_network", lambda _: network)
    assert scored(arena_m=1.2).row.units == 64 and len(measured) == 4
