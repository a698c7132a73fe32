"""What takes long comes last, on top of what is complete without it; and the maps of a demo."""

import io
import shutil

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import gridcode
from gridcode.analysis import evaluate as stages
from gridcode.analysis.deep_analysis import Theory
from gridcode.analysis.records import DeepAnalysisRecord
from gridcode.analysis.records.topology import StateSpaceRecord
from gridcode.api import first_maps, verbs
from gridcode.cli import main
from gridcode.report import collection
from gridcode.report.training_maps import before_and_now
from gridcode.runs import evaluation_files
from gridcode.runs.history import kept_history, share_above


@pytest.fixture
def run(tiny, tmp_path):
    return gridcode.train(tiny, out=tmp_path / "run")


@pytest.fixture
def complete(tiny):
    return tiny.override({"evaluation.theory": True, "evaluation.shuffles": 19}).evaluation


@pytest.fixture
def theory(monkeypatch):
    """A theory that says what it was given; calls are counted."""
    calls = []

    def stub(_system, *, modules, phases, independent, arena_m, seed, nulls, **_more):
        calls.append(nulls)
        told = f"{modules!r} {modules.label.tolist()} {independent} {arena_m} {seed} {nulls}"
        state_space = StateSpaceRecord(
            samples=0, nulls=nulls, whole_vectors_m=None, populations=(), skipped=(), controls=()
        )
        arrays = xr.DataTree.from_dict(
            {"/mechanism": xr.Dataset({"phase": (("unit", "component"), phases)})}
        )
        return Theory(DeepAnalysisRecord(state_space=state_space, reasons={"all": told}), arrays)

    monkeypatch.setattr(stages, "analyse_theory", stub)
    return calls


def files_of(run):
    tree = run.read_evaluation()[1]
    return run.read_summary(), {name: group.to_dataset() for name, group in tree.children.items()}


def test_theory_is_added_to_an_evaluation_without_making_the_maps_again(
    run, complete, theory, tmp_path, monkeypatch
):
    at_once = shutil.copytree(run.folder, tmp_path / "at_once")
    whole = gridcode.evaluate(at_once, config=complete).summary
    gridcode.evaluate(run)
    assert run.read_summary().theory is None and run.read_theory() is None
    before = run.read_history()
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "evaluate_system", None)
        assert gridcode.evaluate(run, config=complete).summary == whole
    assert theory == [19, 19]
    assert whole.origin.settings["theory"] and whole.origin.evaluation
    (summary, maps), (other, same) = files_of(run), files_of(gridcode.Run(at_once))
    assert summary == other == whole
    assert all(maps[name].identical(same[name]) for name in maps)
    assert run.read_theory().identical(gridcode.Run(at_once).read_theory())
    assert run.read_history().identical(before)


def test_maps_are_made_again_where_anything_else_differs(run, complete, theory):
    gridcode.evaluate(run)
    made = run.read_summary().origin
    assert verbs._without_theory(run, made.model_copy(update={"evaluation": ""})) is not None
    for change in ({"weights": "0"}, {"step": 1}, {"gridcode": "0"}, {"config_hash": "0"}):
        other = made.model_copy(update={"evaluation": "", **change})
        assert verbs._without_theory(run, other) is None
    settings = made.settings | {"nulls": 199}
    other = made.model_copy(update={"evaluation": "", "settings": settings})
    assert verbs._without_theory(run, other) is None
    run.ratemaps_path.write_bytes(b"damaged")
    assert gridcode.evaluate(run, config=complete).summary.theory is not None
    first = run.read_summary()
    assert gridcode.evaluate(run, config=complete).summary == first  # complete: made again
    assert theory == [19, 19]


def test_a_kill_in_between_leaves_an_evaluation_with_its_page(run, complete, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "analyse_theory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gridcode.evaluate(run, config=complete)
    summary, maps = files_of(run)
    assert summary.theory is None and not summary.origin.settings["theory"] and maps
    assert run.out_of_date(summary) is None
    page = gridcode.write_report(run).read_text()
    assert "have not been measured yet" in page


def test_demo_writes_its_report_before_theory(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        assert (tmp_path / "runs" / "demo-2" / "report.html").is_file()
        raise KeyboardInterrupt

    from test_cli import OVERRIDES

    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    monkeypatch.setattr(stages, "analyse_theory", interrupted)
    words = [word for word in OVERRIDES if "theory" not in word]
    assert main(["demo", "--quiet", *words, "--theory=true"]) == 130
    said = capsys.readouterr()
    assert "the report is complete without topology" in said.err
    assert "`gridcode evaluate runs/demo-2`" in said.err
    run = gridcode.Run("runs/demo-2")
    assert f"{run.maps_picture_path}: rate maps after 30 of 30 steps" in said.out
    with Image.open(run.maps_picture_path) as picture:
        assert picture.format == "PNG"
    assert kept_history(run).sizes["step"] == len(run.snapshots())


def test_maps_beside_a_training_are_those_of_an_evaluation(run, capsys):
    first_maps.map_until_end(run.folder)
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 2 and "after 30 of 30 steps" in lines[-1]
    beside = run.read_history()
    run.history_path.unlink()
    assert gridcode.map_training(run).identical(beside)


def test_first_maps_end_with_a_training_that_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), first_maps.FirstMaps(tmp_path, print) as maps:
        maps.follow(gridcode.training.loop.Progress(1, 10, None))
        process = maps._process
        raise ZeroDivisionError
    assert process.returncode is not None


def test_picture_of_a_training_shows_each_map(rng):
    rate = xr.DataArray(rng.random((5, 8, 8)), dims=("unit", "y", "x"))
    rate[4] = 0.0
    data = xr.Dataset(
        {
            "rate": rate,
            "grid_score": ("unit", [0.1, 0.9, np.nan, 0.5, np.nan]),
            "silent": ("unit", [False] * 4 + [True]),
        }
    )
    figure = before_and_now(data, data, title="both")
    images = [ax.images[0].get_array() for ax in figure.axes]
    assert len(images) == 2 and np.array_equal(*images)
    assert [text.get_text() for text in figure.axes[0].texts][:2] == ["0.90", "0.50"]
    assert share_above(data.expand_dims("step")).tolist() == [0.25]


def test_a_png_shows_what_matplotlib_saves(run):
    gridcode.evaluate(run)
    summary, maps = run.read_evaluation()
    for name in ("scores", "training"):
        plain, fast = (
            collection.run_figures(run.metrics(), summary, maps, only=(name,))[name]
            for _ in range(2)
        )
        saved = io.BytesIO()
        with collection.mpl.rc_context(collection.STYLE):
            plain.savefig(saved, format="png", dpi="figure")
        ours = np.asarray(Image.open(io.BytesIO(collection.to_png(fast))).convert("RGB"), int)
        theirs = np.asarray(Image.open(saved).convert("RGB"), int)
        assert ours.shape == theirs.shape and np.abs(ours - theirs).mean() < 0.5  # 256 colours


def test_variables_that_are_read_alone_are_those_of_the_group(run):
    gridcode.evaluate(run)
    group = run.map_groups()[0]
    whole = run.read_maps(group)
    for names in (["rate", "grid_score"], ["autocorrelogram", "type", "reason", "silent"]):
        assert evaluation_files._read_variables(run.ratemaps_path, group, names).identical(
            whole[names]
        )
