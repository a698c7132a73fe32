import functools
import json
import re
import warnings

import numpy as np
import pytest
import xarray as xr
from test_report import QUICK, ROW, evaluated, population, two_modules

import gridcode
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.synthetic import noise_maps
from gridcode.analysis.system import System
from gridcode.analysis.text import verdict
from gridcode.api.comparison import config_differences
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.runs.history import kept_history
from gridcode.runs.run import Run
from gridcode.viewer import documents, pictures
from gridcode.viewer.encode import decode_array, encode_array, numbers
from gridcode.viewer.page import comparison_page, population_page, run_page


def documents_of(page):
    return {
        name: json.loads(text)
        for name, text in re.findall(r'data-document="([^"]+)"[^>]*>(.*?)</script>', page, re.S)
    }


def cells_page(found, title="maps.npz", notes=()):
    return population_page(found, title=title, source={"file": title}, notes=notes, figures={})


@functools.cache
def two_module_page():
    return cells_page(two_modules(), notes=["2 units were <left> out"])


def run_of(evaluation, folder, *, metrics=(ROW,), config=None):
    run = Run.create(folder, config or Config())
    run.write_evaluation(evaluation.summary, evaluation.maps, evaluation.theory)
    run.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in metrics))
    return run


# -- arrays ------------------------------


def test_arrays_survive_to_a_508th_of_their_range(rng):
    values = rng.normal(size=(3, 4, 5)) * np.array([1.0, 1e-6, 1e6])[:, None, None]
    values[0, 1, 2] = np.nan
    for lead in (0, 1, 2):
        coded = json.loads(json.dumps(encode_array(values, lead=lead)))
        span = values.reshape(int(np.prod(values.shape[:lead])), -1)
        step = (np.nanmax(span, axis=1) - np.nanmin(span, axis=1)) / 508
        error = np.abs(decode_array(coded) - values).reshape(span.shape)
        assert (
            np.nanmax(error, axis=1) <= 1.01 * step + 1e-5 * np.nanmax(np.abs(span), axis=1)
        ).all()
        assert np.isnan(decode_array(coded)).sum() == 1


def test_arrays_without_range_or_values():
    assert (decode_array(encode_array(np.full((2, 3), 7.0), lead=1)) == 7.0).all()
    nothing = encode_array(np.full((2, 3), np.nan), lead=1)
    assert np.isnan(decode_array(nothing)).all() and nothing["low"] == [0.0, 0.0]
    assert decode_array(encode_array(np.array([[-2.0, 0.5, 2.0]]), low=-1.0, high=1.0))[
        0, [0, 2]
    ].tolist() == [-1.0, 1.0]
    assert decode_array(encode_array(np.zeros((0, 3)), lead=1)).shape == (0, 3)
    assert numbers(np.array([[1.23456, np.nan], [np.inf, 2.0]])) == [[1.235, None], [None, 2.0]]


def test_the_same_array_gives_the_same_bytes(rng):
    values = rng.random((4, 9))
    assert encode_array(values) == encode_array(values)


# -- documents ------------------------------


def test_maps_are_averaged_over_squares_of_bins(rng):
    rate = rng.random((2, 50, 50)).astype(np.float32)
    rate[0, :2, :2] = np.nan
    rate[1, 0, 0] = np.nan
    cells = xr.Dataset(
        {"rate": (("unit", "y", "x"), rate)},
        attrs={"bin_size_m": 0.05, "arena_m": 2.5, "walk": "smooth"},
    )
    document = pictures.maps_document(cells, "smooth_2.5m", most_bins=25)
    maps = decode_array(document["rate"])
    assert (
        maps.shape == (2, 25, 25) and document["bin_size_m"] == 0.1 and document["arena_m"] == 2.5
    )
    assert np.isnan(maps[0, 0, 0]) and abs(maps[1, 0, 0] - np.nanmean(rate[1, :2, :2])) < 1 / 254
    assert abs(maps[1, 7, 9] - rate[1, 14:16, 18:20].mean()) < 1 / 254
    assert decode_array(pictures.maps_document(cells, "a", most_bins=17)["rate"]).shape == (
        2,
        17,
        17,
    )  # 16 threes and a rest of 2


def test_half_an_autocorrelogram_is_all_of_it():
    cells = two_modules().data
    document = pictures.correlograms_document(cells, "maps")
    half, whole = decode_array(document["half"]), cells["autocorrelogram"].values
    upper, lower = half[:, 1:], half[:, :0:-1, ::-1]
    again = np.concatenate([lower, half[:, :1], upper], axis=1)
    known = np.isfinite(whole) & np.isfinite(again)
    assert (
        again.shape == whole.shape
        and known.sum() > 0.9 * np.isfinite(whole).sum()
        and np.abs(again - whole)[known].max() < 0.01
    )


def test_spectra_of_units_and_modules():
    found = two_modules()
    document = pictures.spectra_document(found.data, found.summary.modules)
    power = decode_array(document["units"])
    assert (
        power.shape[0] == found.data.sizes["unit"]
        and len(document["modules"]) == len(found.modules) == 2
    )
    for row, module in zip(document["modules"], found.modules.modules, strict=True):
        assert np.hypot(*np.array(row["peaks_per_m"]).T).min() > 0.7 / module.spacing_m
    assert not np.nansum(power[-1])  # silent


# -- pages ------------------------------


@pytest.mark.parametrize("kind", ["all silent", "constant", "one unit"])
def test_a_report_of_degenerate_populations_is_still_a_page(kind, tmp_path):
    evaluation = evaluated(kind)
    run = run_of(evaluation, tmp_path / "a")
    page = run_page(run, evaluation.summary, {"dynamics": b"picture"})
    found = documents_of(page)
    document = found["runs/a/run"]
    assert (
        document["verdict"] == verdict(evaluation.summary)
        and document["verdict"] in page.split("data-document")[0]
    )
    assert (
        document["state"] == "evaluated"
        and document["has"]["figures"] == []
        and document["has"]["history"] is None
    )
    assert {f"runs/a/maps/{group}" for group in document["has"]["maps"]} < set(found)
    assert document["cards"][0]["value"] == (
        "0" if kind == "all silent" else str(evaluation.summary.headline.active_units)
    )


def test_a_run_that_was_never_logged_has_no_training_curves(tmp_path):
    evaluation = evaluated("one unit")
    found = documents_of(
        run_page(run_of(evaluation, tmp_path / "a", metrics=()), evaluation.summary, {})
    )
    assert (
        not found["runs/a/run"]["has"]["metrics"]
        and found["runs/a/metrics"] == {}
        and found["runs/a/run"]["space"] is None
    )


def test_numbers_that_json_has_no_word_for_are_missing(tmp_path):
    evaluation = evaluated("one unit")
    run = run_of(
        evaluation, tmp_path / "a", metrics=(ROW, {**ROW, "step": 2, "loss": float("nan")})
    )
    run.metrics_path.write_text(run.metrics_path.read_text() + "5\n[]\n{}\nhalf a li")
    run.folder.joinpath("manifest.json").write_text("[]")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = documents_of(run_page(run, evaluation.summary, {}))
    assert {str(w.message).partition(": ")[2] for w in said} == {
        "3 damaged lines are left out",
        "manifest.json is damaged (it holds no table of values); it is left out",
    }
    assert found["runs/a/metrics"]["loss"] == [0.1, None] and found["runs/a/run"]["manifest"] == {}


def test_maps_that_were_averaged_keep_their_peaks(rng):
    rate = rng.random((2, 50, 50)).astype(np.float32)
    rate[1] = np.nan
    cells = xr.Dataset({"rate": (("unit", "y", "x"), rate)}, attrs={"bin_size_m": 0.05})
    assert pictures.maps_document(cells, "a", most_bins=10)["peak"] == [
        pytest.approx(rate[0].max(), rel=1e-5),
        None,
    ]


def test_anybodys_cells_get_a_page_with_modules():
    found = documents_of(two_module_page())
    document = found["runs/cells/run"]
    assert "form 2 modules" in document["verdict"] and document["relations"][0]["text"].startswith(
        "Modules 0 and 1: "
    )
    assert document["notes"][-1] == "2 units were <left> out" and len(document["units"]) == 18
    assert (
        decode_array(found["runs/cells/maps/maps"]["rate"]).shape
        == two_modules().data["rate"].shape
    )


def test_on_noise_a_page_says_that_there_are_no_modules():
    noise = noise_maps(6, 24, correlation_bins=2.0, generator=np.random.default_rng(2))
    for maps in (noise, two_modules().data["rate"].values[3:4], np.zeros((2, 20, 30))):
        document = documents_of(cells_page(population(maps)))["runs/cells/run"]
        silent = not maps.any()
        assert ("is active" if silent else "there are no modules") in document[
            "verdict"
        ] and document["modules"] == []


def test_nothing_in_a_file_can_write_into_the_page():
    title = "</script><img src=x onerror=alert(1)>"
    page = cells_page(two_modules(), title=title, notes=[title])
    assert (
        "<img src=x" not in page and "</script><img" not in page and "<script>alert(1)" not in page
    )
    found = documents_of(page)["runs/cells/run"]
    assert found["name"] == title and found["units"][0]["unit"] == "<script>alert(1)</script>"


def test_a_page_needs_no_network():
    page = two_module_page()
    markup = re.sub(r"<script\b.*?</script>", "", page, flags=re.S)
    assert (
        not re.search(r'(src|href)="(?!data:|#)', markup)
        and "@import" not in markup
        and not re.search(r"url\((?!['\"]?data:)", markup)
    )
    imports = json.loads(re.search(r'<script type="importmap"[^>]*>(.*?)</script>', page, re.S)[1])[
        "imports"
    ]
    assert imports and all(
        url.startswith("data:text/javascript;base64,") for url in imports.values()
    )


def test_a_damaged_or_foreign_evaluation_is_one_line(tmp_path):
    evaluation = evaluated("one unit")
    run = run_of(evaluation, tmp_path / "a")
    for text in ("{", "[]", json.dumps({"format": evaluation.summary.format, "headline": {}})):
        run.summary_path.write_text(text)
        with pytest.raises(InputError, match="damaged"):
            run.read_summary()
    with pytest.raises(InputError, match="no maps 'nowhere'"):
        documents.maps_document(run, "nowhere")


def test_a_run_that_is_not_evaluated_has_an_overview(tiny, tmp_path):
    run = gridcode.train(tiny, out=tmp_path / "a")
    document = documents.run_document(run, name="a", identity="a", state="trained")
    assert (
        document["verdict"] == ""
        and document["units"] == []
        and document["has"]["metrics"]
        and document["has"]["maps"] == []
    )
    assert (
        document["has"]["history"] == [step for step, _ in run.snapshots()]
        and documents.history_document(run, kept_history(run))["rate"] is None
    )
    assert documents.metrics_document(run, after=20)["step"][0] > 20
    gridcode.map_training(run)
    history = documents.history_document(run, kept_history(run))
    assert (
        decode_array(history["rate"]).shape[:2] == (len(run.snapshots()), tiny.model.units)
        and history["complete"]
    )


# -- comparisons ------------------------------


def test_a_comparison_names_the_settings_that_differ(tmp_path):
    evaluation = evaluate_system(System(lambda states, _: states, np.ones(5), 0.15), config=QUICK)
    other = Config().override({"training.seed": 4, "loss.sigma_g": 0.3})
    first, second = (
        run_of(evaluation, tmp_path / "x" / "a"),
        run_of(evaluation, tmp_path / "y" / "a", config=other),
    )
    found = gridcode.compare([first.folder, second])
    assert found.names == ("x/a", "y/a") and found.settings == {
        "loss.sigma_g": (0.4, 0.3),
        "training.seed": (0, 4),
    }
    assert found.results[0]["units"] == Config().model.units and "2 settings differ" in repr(found)
    page = gridcode.write_comparison(found, tmp_path / "c.html").read_text()
    inside = documents_of(page)
    assert [row["name"] for row in inside["runs"]["runs"]] == [
        "x/a",
        "y/a",
    ] and "runs/run-2/metrics" in inside
    assert config_differences([other, other]) == {}
    json.dumps(found.as_json())


def test_comparisons_that_make_no_sense(tmp_path):
    run = run_of(evaluated("one unit"), tmp_path / "a")
    for runs, message in (
        ([run], "2 to 12 runs"),
        ([run, tmp_path / "b"], "no run folder"),
        ([run, run.folder / ".." / "a"], "given twice"),
    ):
        with pytest.raises(InputError, match=message):
            gridcode.compare(runs)
    with pytest.raises(InputError, match="has not been evaluated"):
        gridcode.compare([run, Run.create(tmp_path / "c", Config())])
    with pytest.raises(InputError, match="two runs or more"):
        comparison_page([("a", run, evaluated("one unit").summary)])
    with pytest.raises(InputError, match="cannot write"):
        gridcode.write_comparison(
            gridcode.compare([run, run_of(evaluated("one unit"), tmp_path / "d")]),
            tmp_path / "none" / "c.html",
        )
