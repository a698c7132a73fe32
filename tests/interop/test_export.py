"""What goes out to other tools: NWB, pynapple, tables, NetCDF; and what comes back from it."""

import csv
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pynapple as nap
import pynwb
import pytest
import xarray as xr
from nwbinspector import Importance, inspect_nwbfile, load_config

import gridcode
from gridcode import InputError
from gridcode.analysis.records import UnitRecord
from gridcode.analysis.records.measures import MEASURES
from gridcode.analysis.synthetic import lattice_cell
from gridcode.analysis.system import System
from gridcode.api.sessions import unit_rows
from gridcode.cli import main
from gridcode.interop import nwb, pynapple
from gridcode.interop.cells import cells_of_recording
from gridcode.interop.export import export, gather
from gridcode.interop.metadata import Metadata, SubjectData, load_metadata
from gridcode.interop.simulation import PAUSE, poisson_spikes, walk_session
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import recording_from_maps, recording_from_path
from gridcode.world.walks import smooth_walk

PHASES_M = (0.0, 0.08, 0.16, 0.24, 0.32)
# Few null maps leave larger p-values.
QUICK = {"nulls": 99, "significance": 0.05}
ANIMAL = SubjectData(subject_id="r1", species="Rattus norvegicus", sex="M", age="P90D")
SESSION = Metadata(session_start_time=datetime(2024, 5, 6, 10, tzinfo=UTC), subject=ANIMAL)


@pytest.fixture(scope="module")
def recording():
    """Five grid cells and a cell that fires anywhere, 10 minutes; spikes to a tenth of a ms."""
    rng = np.random.default_rng(2)
    walk = smooth_walk(arena_m=1.2, steps=12000, walkers=1, max_step_m=0.03, generator=rng)
    where, time = walk.positions[1:, 0], 5.0 + np.arange(12000) * 0.05
    rates = [2.0 * lattice_cell(where, spacing_m=0.4, phase_m=(d, 0.0)) for d in PHASES_M]
    counts = [rng.poisson(rate) for rate in (*rates, np.full(12000, 0.05))]
    trains = [
        np.round(np.repeat(time, count) + rng.uniform(-0.02, 0.02, count.sum()), 4)
        for count in counts
    ]
    head = rng.uniform(0, 360, 12000)
    return recording_from_path(
        where,
        time,
        spike_times_s=dict(zip("abcdef", trains, strict=True)),
        head_direction_deg=head,
        bin_size_m=0.04,
    )


@pytest.fixture(scope="module")
def recorded(recording):
    return cells_of_recording(recording, gridcode.score(recording, **QUICK), "session")


@pytest.fixture(scope="module")
def network():
    return gather("quick-64", minutes=6.0)


def violations(path):
    """What keeps a file out of DANDI, and bad practice; suggestions are left out."""
    return [
        (message.importance.name, message.check_function_name, message.message)
        for message in inspect_nwbfile(nwbfile_path=path, config=load_config("dandi"))
        if message.importance is not Importance.BEST_PRACTICE_SUGGESTION
    ]


def verdicts(summary):
    units = {unit.unit: unit.type for unit in summary.units}
    modules = [(m.units, f"{m.spacing_m:.5f} {m.orientation_deg:.3f}") for m in summary.modules]
    return units, modules


# -- NWB ------------------------------


def test_a_recording_written_and_read_again_has_the_same_verdicts(tmp_path, recording, recorded):
    file = nwb.write(recorded, tmp_path / "session.nwb", metadata=SESSION)
    assert violations(file) == []
    again = load_recording(file)  # with the size of its bins
    # Regular times are written as a rate.
    np.testing.assert_allclose(again.maps, recording.maps, rtol=1e-11)
    assert again.units == recording.units
    np.testing.assert_allclose(
        again.path.head_direction_deg, recording.path.head_direction_deg, rtol=0, atol=1e-9
    )
    found = gridcode.score(again, **QUICK).summary
    assert verdicts(found) == verdicts(recorded.summary)
    assert found.modules[0].n_units == 5


def test_the_maps_of_a_network_come_back_with_the_same_verdicts(tmp_path, network):
    file = nwb.write(network, tmp_path / "network.nwb")
    assert violations(file) == []
    maps = load_recording(file, activity="rate_maps")
    np.testing.assert_array_equal(maps.maps, network.data["rate"].values)
    assert maps.units == network.units and maps.path is None
    walk = load_recording(file)
    assert walk.units == network.units and walk.kind == "activity"
    assert walk.path.bin_size_m == 0.05
    with pynwb.NWBHDF5IO(file, "r") as io:
        read = io.read()
        assert read.processing["misc"]["activity"].rate == pytest.approx(0.24 / 0.15)
        table = read.processing["misc"]["units"].to_dataframe()
        origin = read.processing["misc"]["provenance"].to_dataframe()
        assert "No animal" in read.subject.description
    assert table["type"].tolist() == [unit.type for unit in network.summary.units]
    assert table["module"].tolist() == [
        -1 if unit.module is None else unit.module for unit in network.summary.units
    ]
    assert np.shape(table["vectors_m"].iloc[0]) == (2, 2)
    values = dict(zip(origin["setting"], origin["value"], strict=True))
    assert values["weights"] == network.summary.origin.weights
    assert values["config.model.units"] == "64" and values["evaluation_settings.nulls"] == "500"


@pytest.mark.slow
def test_a_network_walked_for_an_hour_has_the_same_verdicts(tmp_path):
    export("quick-64", tmp_path / "a.nwb")
    before = gridcode.pretrained("quick-64").read_evaluation().summary
    for settings in ({}, {"activity": "rate_maps"}):
        after = gridcode.score(load_recording(tmp_path / "a.nwb", **settings)).summary
        assert [u.type for u in after.units] == [u.type for u in before.units]
        assert after.modules[0].spacing_m == pytest.approx(before.modules[0].spacing_m, rel=0.01)


def test_spikes_of_a_network(tmp_path):
    cells = gather("quick-64", minutes=6.0, spikes_hz=20.0)
    file = nwb.write(cells, tmp_path / "spikes.nwb")
    assert violations(file) == []
    again = load_recording(file)
    assert again.kind == "spikes" and again.units == cells.units
    with pynwb.NWBHDF5IO(file, "r") as io:
        units = io.read().units
        assert units.resolution == pytest.approx(1e-4)
        assert units["grid_score"].description.startswith("grid score")
        np.testing.assert_array_equal(units["spike_times"][3], cells.session.spike_times_s[3])


def test_maps_alone(tmp_path):
    recording = recording_from_maps(np.random.default_rng(0).random((1, 12, 10)), bin_size_m=0.1)
    cells = cells_of_recording(recording, gridcode.score(recording, **QUICK), "maps")
    file = nwb.write(cells, tmp_path / "maps.nwb", metadata=SESSION)
    assert violations(file) == []
    again = load_recording(file)
    np.testing.assert_array_equal(again.maps, recording.maps)
    assert again.units == recording.units and again.bin_size_m == 0.1


def test_uneven_times_are_written_as_they_are(tmp_path):
    rng = np.random.default_rng(1)
    time = np.cumsum(rng.uniform(0.01, 0.03, 2000))
    places = 0.5 + 0.4 * np.stack([np.sin(time), np.cos(1.7 * time)], axis=1)
    recording = recording_from_path(places, time, activity=rng.random((2000, 1)), bin_size_m=0.1)
    cells = cells_of_recording(recording, gridcode.score(recording, **QUICK), "uneven")
    file = nwb.write(cells, tmp_path / "uneven.nwb", metadata=SESSION)
    assert violations(file) == []
    np.testing.assert_array_equal(load_recording(file).maps, recording.maps)


# -- pynapple, tables, NetCDF ------------------------------


def test_pynapple(recording, recorded, network):
    units = pynapple.tsgroup(recorded)
    assert isinstance(units, nap.TsGroup) and len(units) == 6
    np.testing.assert_allclose(units[0].t, recording.spike_times_s[0], rtol=0, atol=1e-9)
    assert units["unit_name"].tolist() == list("abcdef")
    assert units["type"].tolist() == [unit.type for unit in recorded.summary.units]
    assert units[units.module == 0].index.tolist() == [0, 1, 2, 3, 4]
    place = pynapple.position(recorded)
    np.testing.assert_array_equal(place["x"].d, recording.path.positions_m[:, 0])
    activity = pynapple.tsdframe(network)
    assert activity.shape == network.session.activity.shape
    assert activity.metadata["spacing_m"].iloc[0] == network.summary.units[0].spacing_m
    with pytest.raises(InputError, match="has activity, not spikes"):
        pynapple.tsgroup(network)
    with pytest.raises(InputError, match="has spikes, not activity"):
        pynapple.tsdframe(recorded)


def test_tables_have_the_columns_of_every_other_table_of_units(tmp_path, recording, recorded):
    population = gridcode.score(recording, **QUICK)
    wanted = list(unit_rows("recording", recorded.summary))
    export(recording, tmp_path / "a.csv", population=population)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(wanted[0])
    assert [row["type"] for row in rows] == [row["type"] for row in wanted]
    export(recording, tmp_path / "a.parquet", population=population, to="parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == wanted


def test_netcdf(tmp_path, recording, recorded):
    export(recording, tmp_path / "a.nc", population=gridcode.score(recording, **QUICK))
    data = xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf")
    np.testing.assert_array_equal(data["rate"], recording.maps)
    assert data["type"].values.tolist() == [unit.type for unit in recorded.summary.units]
    assert data["spacing_m"].attrs == {"long_name": "spacing of the lattice", "units": "m"}
    assert data["x"].attrs["units"] == "m"
    assert load_recording(tmp_path / "a.nc").units == recording.units


def test_every_measure_is_described():
    names = set(UnitRecord.model_fields) - {"scores"}
    assert names <= set(MEASURES)


# -- simulation ------------------------------


def test_trials_start_at_the_centre_and_follow_the_network():
    start, rate = np.array([0.0, 0.0]), 1 / 0.5

    def step(states, velocities):
        return states + velocities

    system = System(step, start, max_step_m=0.1)
    session = walk_session(system, arena_m=2.0, minutes=1.0, steps=50, step_s=0.5, seed=4)
    assert session.rate_hz() == pytest.approx(rate)
    assert len(session.trials_s) == 3  # of 25 s each
    length = 50 + PAUSE
    assert len(session.time_s) == 3 * length - PAUSE
    # The state of this system is its position.
    np.testing.assert_allclose(session.activity, session.positions_m, atol=1e-12)
    for trial, (begin, end) in enumerate(session.trials_s):
        inside = (session.time_s > begin) & (session.time_s < end)
        assert inside.sum() == 50 and np.isfinite(session.positions_m[inside]).all()
        assert np.hypot(*session.positions_m[trial * length]) <= 0.1 + 1e-12
    assert np.isnan(session.positions_m[50:length]).all()
    again = walk_session(system, arena_m=2.0, minutes=1.0, steps=50, step_s=0.5, seed=4)
    np.testing.assert_array_equal(again.positions_m, session.positions_m)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"minutes": 1e9}, "minutes must be positive and below"),
        ({"minutes": 9e5, "step_s": 1e-3}, "take fewer minutes"),
        ({"step_s": 0.0}, "step_s must be positive"),
        ({"spikes_hz": float("nan")}, "spikes_hz must be positive"),
    ],
)
def test_walks_that_make_no_sense(settings, match):
    system = System(lambda states, _: states, np.zeros(2), max_step_m=0.1)
    with pytest.raises(InputError, match=match):
        walk_session(system, **{"arena_m": 2.0, "minutes": 1.0, "steps": 50} | settings)


def test_poisson_spikes_have_the_rate_of_the_activity():
    time = 0.1 * np.arange(1, 20001)
    activity = np.stack([np.where(np.arange(20000) % 2, 3.0, 1.5), -np.ones(20000)], axis=1)
    activity[:100] = np.nan
    busy, never = poisson_spikes(activity, time, 0.1, peak_hz=10.0, seed=0)
    assert len(never) == 0
    expected = 0.1 * (9950 * 10 + 9950 * 5)
    assert abs(len(busy) - expected) < 4 * np.sqrt(expected)
    assert (np.diff(busy) >= 0).all() and busy.min() > time[100] - 0.05
    odd = (np.round(busy / 0.1).astype(int) - 1) % 2 == 1
    assert odd.mean() == pytest.approx(2 / 3, abs=0.02)


# -- what is refused ------------------------------


def refused(words, match, capsys):
    assert main(["export", *map(str, words)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and match in said[0], said


def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("maps.npy", np.random.default_rng(0).random((2, 9, 9)))
    (tmp_path / "bad.toml").write_text('species = "Rattus norvegicus"\n')
    (tmp_path / "naive.toml").write_text("session_start_time = 2024-05-06T10:00:00\n")
    maps = ["maps.npy", "--bin-size", "0.1"]
    network = ["quick-64", "--to", "nwb"]
    for words, match in (
        (["nothing", "--to", "csv"], "no run folder, file or packaged network 'nothing'"),
        (["nothing.npz", "--to", "csv"], "nothing.npz"),
        ([*maps], "give --to"),
        ([*maps, "--out", "a.txt"], "must end in"),
        ([*maps, "--to", "csv", "--out", "a.nwb"], "must end in .csv"),
        ([*maps, "--to", "nwb"], "says when the session began"),
        ([*maps, "--to", "nwb", "--metadata", "none.toml"], "cannot read none.toml"),
        ([*maps, "--to", "nwb", "--metadata", "bad.toml"], "species: not known; known are"),
        ([*maps, "--to", "nwb", "--metadata", "naive.toml"], "give its time zone"),
        ([*maps, "--to", "csv", "--metadata", "bad.toml"], "--metadata is of an NWB file"),
        ([*maps, "--to", "csv", "--minutes", "3"], "--minutes does not apply to recordings"),
        (["quick-64", "--to", "csv", "--spikes", "3"], "--spikes is of a walk"),
        ([*network, "--bin-size", "1"], "--bin-size does not apply to networks"),
        ([*network, "--minutes", "-1"], "minutes must be 0 or more"),
        ([*network, "--minutes", "nan"], "minutes must be 0 or more"),
        ([*network, "--minutes", "0", "--spikes", "5"], "give minutes above 0"),
        ([*network, "--out", "none/a.nwb"], "there is no folder 'none'"),
    ):
        refused([*words, "--quiet"], match, capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bad.toml",
        "maps.npy",
        "naive.toml",
    ]


def test_metadata_that_nwb_refuses(tmp_path, recorded):
    path = tmp_path / "a.toml"
    path.write_text('session_start_time = 2024-05-06T10:00:00Z\n[subject]\nsex = "M"\nage = "old"')
    about = load_metadata(path)
    assert about.subject.sex == "M"
    path.write_text('session_start_time = 2024-05-06T10:00:00Z\n[subject]\nhair = "brown"')
    with pytest.raises(InputError, match="hair: not known; known are subject_id"):
        nwb.write(recorded, tmp_path / "a.nwb", metadata=path)
    assert not (tmp_path / "a.nwb").exists()


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "quick-64", "--to", "csv", "--quiet"]) == 0
    assert capsys.readouterr().out == "csv: quick-64.csv\n"
    assert len((tmp_path / "quick-64.csv").read_text().splitlines()) == 65
    # What is there is replaced, but never what is exported.
    assert main(["export", "quick-64.csv", "--out", "quick-64.csv"]) == 2
    assert "would overwrite" in capsys.readouterr().err
