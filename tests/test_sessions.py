"""The page of a recorded session, and many sessions in one table."""

import csv
import functools
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from test_pages import documents_of

import gridcode
from gridcode.analysis.synthetic import lattice_cell
from gridcode.api import sessions as sessions_module
from gridcode.api.sessions import UnitTable, session_row
from gridcode.cli import main
from gridcode.recordings.recording import recording_from_path
from gridcode.viewer import session as session_page
from gridcode.viewer.encode import decode_array
from gridcode.viewer.page import population_page
from gridcode.viewer.session import session_document
from gridcode.world.walks import smooth_walk


@functools.cache
def planted():
    """Ten minutes in a 1.2 m box with a gap in the tracking: two grid cells and a silent unit."""
    rng = np.random.default_rng(3)
    walk = smooth_walk(arena_m=1.2, steps=12000, walkers=1, max_step_m=0.03, generator=rng)
    where, time = walk.positions[1:, 0].copy(), np.arange(12000) * 0.05
    counts = [
        rng.poisson(0.5 * lattice_cell(where, spacing_m=0.4, orientation_deg=5, phase_m=(d, 0)))
        for d in (0.0, 0.1)
    ]
    where[4000:4100] = np.nan
    return {
        "positions_m": where,
        "time_s": time,
        "spike_times_s": np.concatenate([np.repeat(time, count) for count in counts]),
        "spike_units": np.repeat(["one", "two"], [count.sum() for count in counts]),
        "units": np.array(["one", "two", "none"]),
    }


@functools.cache
def scored():
    """The recording and its population, with head direction: `one` fires towards 90 degrees."""
    recording = recording_from_path(**planted(), bin_size_m=0.04)
    population = gridcode.score(recording, nulls=99, significance=0.05)
    data = population.data.assign_coords(direction=("direction", np.arange(5.0, 360.0, 10.0)))
    curve = np.full((3, 36), np.nan)
    curve[0] = np.where(np.abs(data["direction"] - 90) < 20, 8.0, 1.0)
    data["direction_curve"] = (("unit", "direction"), curve)
    return recording, replace(population, data=data)


@pytest.fixture
def recording():
    return scored()[0]


@pytest.fixture
def population():
    return scored()[1]


# -- the page ------------------------------


def test_the_page_has_the_path_and_every_spike_where_the_animal_was(recording, population):
    document = session_document(recording, population.data)
    assert document["arena_m"] == [1.2, 1.2]
    spikes = decode_array(document["spikes_m"])
    path = recording.path
    corner = np.array(path.centre_m) - 0.6
    for unit, (a, b) in enumerate(zip(path.spike_start[:-1], path.spike_start[1:], strict=True)):
        expected = path.positions_m[path.spike_sample[a:b]] - corner
        assert document["spikes"][unit] == b - a
        assert np.abs(spikes[unit, :, : b - a].T - expected).max(initial=0) <= 1.2 / 254
        assert np.isnan(spikes[unit, :, b - a :]).all()
    x, y = document["path_m"]
    assert 0 < len(x) == len(y) <= session_page.MOST_POINTS + 10
    assert x.count(None) == y.count(None) == 1  # the gap in the tracking is no straight line
    assert min(v for v in x if v is not None) >= 0 and max(v for v in x if v is not None) <= 1.2


def test_long_recordings_are_thinned_out_evenly(recording, population, monkeypatch):
    monkeypatch.setattr(session_page, "MOST_SPIKES", 50)
    monkeypatch.setattr(session_page, "MOST_POINTS", 100)
    document = session_document(recording, population.data)
    assert decode_array(document["spikes_m"]).shape == (3, 2, 50)
    assert document["spikes"][0] > 50 and len(document["path_m"][0]) <= 102


def test_the_page_says_what_was_recorded(recording, population):
    page = population_page(
        population, title="a", source={}, notes=(), figures={}, recording=recording
    )
    found = documents_of(page)
    run, session = found["runs/cells/run"], found["runs/cells/session"]
    spikes = f"{sum(session['spikes']):,}"
    assert run["recorded"] == f"Recorded: 10 min, arena 1.20 x 1.20 m, 3 units, {spikes} spikes."
    assert run["rate_unit"] == "Hz" and run["has"]["session"]
    assert max(session["direction_curve"][0]) == 8 and session["direction_curve"][1][0] is None
    assert session["directions_deg"][0] == 5 and len(session["directions_deg"]) == 36


def test_a_page_of_maps_alone_has_no_session():
    example = gridcode.example_cells()
    part = gridcode.recordings.recording.recording_from_maps(example.maps[:2], bin_size_m=1 / 32)
    found = gridcode.score(part, nulls=99, significance=0.05)
    page = population_page(found, title="a", source={}, notes=(), figures={}, recording=part)
    found = documents_of(page)
    assert not found["runs/cells/run"]["has"]["session"] and "runs/cells/session" not in found
    assert found["runs/cells/run"]["recorded"] == (
        "Rate maps: 2 units, arena 1.00 x 1.00 m, 32 x 32 bins of 3.12 cm."
    )
    assert found["runs/cells/run"]["rate_unit"] == ""


def test_maps_of_hundreds_of_units_are_coarser_on_the_page(population, monkeypatch):
    monkeypatch.setattr("gridcode.viewer.page.RECORDED_BINS", 3 * 15 * 15)
    page = population_page(population, title="a", source={}, notes=(), figures={})
    rate = documents_of(page)["runs/cells/maps/maps"]["rate"]
    assert rate["shape"] == [3, 15, 15]


# -- many sessions ------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("rat.npz", **planted(), bin_size_m=0.04)
    (tmp_path / "broken.npz").write_text("nothing of the kind")
    centres = np.stack(np.meshgrid(*[np.arange(30) * 0.04 - 0.6] * 2), axis=-1)
    maps = [lattice_cell(centres, spacing_m=0.35, phase_m=(d, 0)) for d in (0.0, 0.1)]
    np.savez("maps.npz", rate_maps=np.array(maps), bin_size_m=0.04)
    return tmp_path


def run(*arguments, capsys):
    code = main(["score", *map(str, arguments), "--quiet", "--nulls", "99"])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_many_sessions_are_one_table_and_a_damaged_one_says_why(files, capsys):
    code, out, err = run(
        *("rat.npz", "broken.npz", "maps.npz", "--significance", "0.05"),
        *("--report", "pages", "--table", "units.csv"),
        capsys=capsys,
    )
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 2 and "1 of 3 sessions could not be scored: broken.npz" in err
    assert "not a readable .npz" in lines["broken.npz"]
    assert lines["rat.npz"].split()[1:4] == ["3", "2", "2"]
    assert lines["maps.npz"].split()[1] == "2"
    rows = list(csv.DictReader((files / "units.csv").read_text().splitlines()))
    assert [(row["session"], row["unit"]) for row in rows] == [
        ("rat.npz", "one"),
        ("rat.npz", "two"),
        ("rat.npz", "none"),
        ("maps.npz", "0"),
        ("maps.npz", "1"),
    ]
    assert rows[0]["type"] == "hexagonal" and float(rows[0]["spacing_m"]) == pytest.approx(
        0.4, 0.05
    )
    assert rows[2]["grid_score"] == "" and rows[2]["silent"] == "True"
    assert float(rows[0]["score_opexebo"]) > 0.5 and "vectors_m" not in rows[0]
    assert sorted(path.name for path in (files / "pages").iterdir()) == [
        *("1-rat.html", "3-maps.html", "index.html")
    ]
    index = (files / "pages" / "index.html").read_text()
    assert 'href="1-rat.html"' in index and "not a readable .npz" in index


@pytest.mark.usefixtures("files")
def test_many_sessions_as_json(capsys):
    code, out, _ = run("maps.npz", "broken.npz", "--json", capsys=capsys)
    first, second = json.loads(out)
    assert code == 2 and first["session"] == "maps.npz" and len(first["units"]) == 2
    assert second["session"] == "broken.npz" and "not a readable" in second["error"]


def test_the_table_of_one_session(files, capsys):
    code, out, _ = run("maps.npz", "--table", "units.csv", capsys=capsys)
    assert code == 0 and "table: units.csv" in out
    assert len((files / "units.csv").read_text().splitlines()) == 3


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["maps.npz", "--table", "units.xlsx"], "ends in .csv or .parquet"),
        (["maps.npz", "--table", "nowhere/units.csv"], "no folder"),
        (["maps.npz", "rat.npz", "--report", "page.html"], "need a folder"),
        (["maps.npz", "rat.npz", "--report", "maps.npz"], "is a file"),
        (["maps.npz", "rat.npz", "--nulls", "3"], "99 or more"),
        (["maps.npz", "rat.npz", "--shuffles", "99"], "applies to --state-space"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(arguments, message, capsys):
    code = main(["score", *arguments])
    out = capsys.readouterr()
    assert code == 2 and out.out == "" and message in out.err
    assert len(out.err.strip().splitlines()) == 1


def test_an_input_is_never_overwritten(files, capsys):
    (files / "link.csv").symlink_to(files / "maps.npz")
    code, _, err = run("maps.npz", "--table", "link.csv", capsys=capsys)
    assert code == 2 and "would overwrite" in err


def test_parquet_without_pyarrow_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(gridcode.InputError, match="needs pyarrow"):
        UnitTable(tmp_path / "units.parquet")


def test_parquet_holds_what_csv_holds(population, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = UnitTable(tmp_path / "units.parquet")
    table.add("a", population.summary)
    found = parquet.read_table(tmp_path / "units.parquet").to_pylist()
    assert [row["unit"] for row in found] == ["one", "two", "none"]
    assert found[0]["spacing_m"] == population.summary.units[0].spacing_m


def test_head_direction_and_border_cells_are_counted_where_measured(population):
    assert session_row(population.summary)["grid_cells"] == 2

    def tuned(unit, tuning, length):
        more = {"tuning": tuning, "mean_vector_length": length, "border_score": None}
        return unit.model_copy(update=more)

    one, two, three = population.summary.units
    units = (tuned(one, "grid + head direction", 0.6), tuned(two, "", 0.1), tuned(three, "", None))
    row = session_row(population.summary.model_copy(update={"units": units}))
    assert row["head_direction"] == 1 and row["border"] is None


def test_sessions_of_one_name_keep_apart():
    names = sessions_module.session_names
    assert names([("a/x.npz",), ("b/y.npz",)]) == ["x.npz", "y.npz"]
    assert names([("a/x.npz",), ("b/x.npz",)]) == ["a/x.npz", "b/x.npz"]
    assert names([("x.npz",), ("x.npz",)]) == ["x.npz", "x.npz (2)"]
