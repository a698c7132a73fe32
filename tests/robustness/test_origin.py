"""Results say which weights they are of, and readers notice where that is not the run's network."""

import re
import shutil
import warnings

import pytest
import xarray as xr
from PIL import Image

import gridcode
from gridcode.analysis.records import OriginRecord
from gridcode.cli import main
from gridcode.errors import InputError
from gridcode.report import collection, figures
from gridcode.runs import evaluation_files
from gridcode.runs.files import write_atomically
from gridcode.runs.run import Run
from gridcode.training.loop import train_run
from gridcode.viewer.library import Library
from gridcode.viewer.run_status import run_status


@pytest.fixture(scope="module")
def tiny():
    from conftest import TINY

    return gridcode.load_config("quick").override(
        TINY
        | {
            "training.steps": 20,
            "training.snapshots": 2,
            "training.checkpoint_every": 10,
            "evaluation.walks": ["smooth"],
            "evaluation.history": True,
        }
    )


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """Three runs: trained and evaluated half way; the same, trained to its end; another seed."""
    folder = tmp_path_factory.mktemp("runs")
    half = Run.create(folder / "half", tiny)
    train_run(half, stop_at=10)
    gridcode.evaluate(half)
    shutil.copytree(folder / "half", folder / "whole")
    gridcode.train(out=folder / "whole")
    other = gridcode.train(tiny.override({"seed": 5}), out=folder / "other")
    gridcode.evaluate(other)
    return folder


@pytest.fixture
def runs(made, tmp_path):
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def two_figures(monkeypatch):
    """Reports with two figures: drawing all thirteen takes most of the time of a report."""

    def drawn(metrics, summary, maps, **_more):
        data = maps[summary.headline.group].to_dataset()
        return {
            "best_units": figures.best_units(data),
            "training": figures.training_curves(metrics),
        }

    monkeypatch.setattr(collection, "run_figures", drawn)


def said(function, *arguments):
    """The warnings of a call, joined."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments)
    return " ".join(str(warning.message) for warning in caught)


def test_every_file_of_an_evaluation_carries_its_origin(runs):
    run = Run(runs / "other")
    gridcode.write_report(run, figures=True)
    gridcode.film(run, seconds=1.5, size=240)
    summary, maps = run.read_evaluation()
    origin = summary.origin
    assert (origin.step, origin.steps, origin.seed) == (20, 20, 5)
    assert origin.training_hash == run.config.training_hash
    assert origin.gridcode == gridcode.__version__ and origin.settings["nulls"] == 99
    assert origin.weights == run.newest_weights()["weights"]
    assert all(
        OriginRecord.from_attributes(group.attrs) == origin
        for group in (maps, *maps.children.values())
    )
    assert run.read_history().attrs["weights"] == run.snapshots_digest()
    text = str(origin)
    assert origin.evaluation in text and origin.weights in text
    for name in ("best_units", "training"):
        with Image.open(run.folder / "figures" / f"{name}.png") as picture:
            assert picture.text["Source"] == text
        assert origin.evaluation.encode() in (run.folder / "figures" / f"{name}.pdf").read_bytes()
    with Image.open(run.film_path) as film:
        assert film.info["comment"].decode() == text
    assert origin.evaluation in run.report_path.read_text()


def test_the_same_evaluation_has_the_same_id_and_another_one_has_not(runs):
    run = Run(runs / "other")
    first = run.read_summary().origin
    assert gridcode.evaluate(run).summary.origin == first
    again = run.config.evaluation.model_copy(update={"seed": 1})
    other = gridcode.evaluate(run, config=again).summary.origin
    assert other.evaluation != first.evaluation and other.weights == first.weights


def test_an_unfinished_training_is_in_the_verdict(runs):
    assert Run(runs / "half").read_summary().verdict.startswith("At step 10 of 20 of the training:")
    assert "At step" not in Run(runs / "other").read_summary().verdict
    assert Run(runs / "half").out_of_date(Run(runs / "half").read_summary()) is None


@pytest.mark.filterwarnings("default")
def test_an_evaluation_of_earlier_weights_is_out_of_date_for_every_reader(runs, capsys):
    run = Run(runs / "whole")
    line = "evaluated at step 10 of 20, but trained to step 20: out of date"
    assert line in run.out_of_date(run.read_summary())
    assert "evaluated, out of date" in repr(run) and line in run._repr_html_()
    assert main(["report", str(run.folder), "--quiet"]) == 0
    assert line in capsys.readouterr().err and line in run.report_path.read_text()
    assert line in said(gridcode.film, run, None)
    compared = str(runs / "page.html")
    assert main(["compare", str(run.folder), str(runs / "other"), "--out", compared]) == 0
    assert line in capsys.readouterr().err and line in (runs / "page.html").read_text()
    assert line in said(lambda: gridcode.plot(run).rate_map(0))
    entry = next(e for e in Library([runs]).entries() if e.name == "whole")
    assert line in run_status(entry).problem
    gridcode.evaluate(run)
    assert run.out_of_date(run.read_summary()) is None
    assert said(gridcode.write_report, run) == ""


def test_figures_of_the_paper_are_of_the_present_weights(runs):
    from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork

    old = EvaluatedNetwork.of_run(Run(runs / "whole"), "whole")
    assert "measured again: evaluated at step 10" in said(lambda: old.summary)
    assert said(lambda: EvaluatedNetwork.of_run(Run(runs / "other"), "other").summary) == ""


def test_a_checkpoint_of_another_training_is_refused_everywhere(runs, capsys):
    run, other = Run(runs / "half"), Run(runs / "other")
    newest = other.checkpoints()[0]
    shutil.copy(newest, run.folder / "checkpoints" / newest.name)
    for words in (["train"], ["evaluate"], ["report"], ["film"]):
        assert main([*words, str(run.folder), "--quiet"]) == 2, words
        error = capsys.readouterr().err
        assert "made with other settings than this configuration" in error, words
        assert len(error.splitlines()) == 1 and "checkpoint" in error
    with pytest.raises(InputError, match="step-00000020"):
        gridcode.load_network(run)


def test_an_edited_configuration_is_refused_everywhere(runs, capsys):
    run = Run(runs / "other")
    path = run.folder / "config.toml"
    path.write_text(re.sub(r"learning_rate = .*", "learning_rate = 0.125", path.read_text()))
    for words in (["train"], ["evaluate"], ["report"], ["film"]):
        assert main([*words, str(run.folder), "--quiet"]) == 2, words
        assert "other settings" in capsys.readouterr().err
    for checkpoint in run.checkpoints():
        checkpoint.unlink()
    assert main(["report", str(run.folder), "--quiet"]) == 2
    assert "the evaluation was made with other settings" in capsys.readouterr().err


def test_a_snapshot_of_another_training_is_refused(runs):
    run, other = Run(runs / "half"), Run(runs / "other")
    shutil.copy(other.snapshots()[0][1], run.snapshots()[0][1])
    with pytest.raises(InputError, match=r"snapshot step-0+\.safetensors was made with other"):
        gridcode.map_training(run)


def test_other_snapshots_make_kept_maps_stale(runs, tiny):
    run = Run(runs / "other")
    before = gridcode.map_training(run)
    for other in gridcode.train(tiny, out=runs / "again").snapshots():
        shutil.copy(other[1], run.snapshot_path(other[0]))
    with pytest.raises(InputError, match="other settings"):
        gridcode.map_training(run)
    assert before.attrs["training_hash"] == run.config.training_hash


def test_arrays_of_another_evaluation_are_never_shown_with_a_summary(runs, capsys):
    run, other = Run(runs / "half"), Run(runs / "other")
    shutil.copy(other.ratemaps_path, run.ratemaps_path)
    for read in (run.read_evaluation, lambda: run.read_maps("smooth_1m")):
        with pytest.raises(InputError, match=r"ratemaps\.nc and summary\.json are of different"):
            read()
    assert main(["report", str(run.folder), "--quiet"]) == 2
    shutil.copy(other.summary_path, run.summary_path)
    assert main(["report", str(run.folder), "--quiet"]) == 2
    assert "the evaluation was made with other settings" in capsys.readouterr().err


@pytest.mark.parametrize("moment", ["before the summary", "after the summary"])
def test_an_interrupted_evaluation_leaves_the_old_one_or_the_new_one(runs, monkeypatch, moment):
    run = Run(runs / "whole")
    old, _ = run.read_evaluation()

    def stop(*_arguments):
        raise KeyboardInterrupt

    def arrays_only(path, data):
        return stop() if path == run.summary_path else write_atomically(path, data)

    with monkeypatch.context() as patch:
        if moment == "before the summary":
            patch.setattr(evaluation_files, "write_atomically", arrays_only)
        else:
            patch.setattr(evaluation_files, "settle", stop)
        with pytest.raises(KeyboardInterrupt):
            gridcode.evaluate(run)
    found, maps = Run(run.folder).read_evaluation()
    assert (found == old) == (moment == "before the summary")
    assert OriginRecord.from_attributes(maps.attrs) == found.origin
    gridcode.evaluate(run)
    names = {path.name for path in run.summary_path.parent.iterdir()}
    assert names == {"summary.json", "ratemaps.nc", "history.nc"}


def test_a_run_without_its_checkpoints_is_shown_as_it_is(runs):
    run = Run(runs / "other")
    shutil.rmtree(run.folder / "checkpoints")
    assert said(gridcode.write_report, run) == ""


def test_damaged_attributes_are_no_origin():
    for text in ("", "5", "{", "[" * 100_000, '{"weights": 1}'):
        assert OriginRecord.from_attributes(xr.Dataset(attrs={"origin": text}).attrs) is None
    assert OriginRecord.from_attributes({}) is None
