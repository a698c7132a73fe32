"""Tables of pandas, in memory and as CSV."""

import numpy as np
import pandas as pd
import pytest
from one_session import Session, same

from gridcode import InputError
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import recording_from_path


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def tables(session):
    """Path and spikes."""
    x, y = session.positions_m.T
    path = pd.DataFrame({"t": session.time_s, "x": x, "y": y})
    trains = session.trains
    spikes = pd.DataFrame(
        {
            "time": np.concatenate(list(trains.values())),
            "unit": np.repeat(list(trains), [len(train) for train in trains.values()]),
        }
    )
    return path, spikes


def test_in_memory(session, tables):
    path, spikes = tables
    wanted = session.with_spikes()
    same(recording_from_path(path, spike_times_s=spikes), wanted)
    same(recording_from_path(path.set_index("t"), spike_times_s=spikes), wanted)
    same(
        recording_from_path(
            path[["x", "y"]].to_numpy(),
            path["t"],
            spike_times_s=spikes["time"],
            spike_units=spikes["unit"],
        ),
        wanted,
    )
    rates = pd.DataFrame(session.activity, columns=["a", "b", "c"])
    wanted = session.with_activity(units=["a", "b", "c"])
    same(recording_from_path(path, activity=rates), wanted)
    same(recording_from_path(pd.concat([path, rates], axis=1)), wanted)
    with pytest.raises(InputError, match="columns t, left; needed are x, y and t"):
        recording_from_path(path[["t", "x"]].rename(columns={"x": "left"}), spike_times_s=spikes)


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_names_of_units(session, tables, dtype):
    path, spikes = tables
    spikes["unit"] = spikes["unit"].map({4: "a", 9: "b"}).astype(dtype)
    found = recording_from_path(path, spike_times_s=spikes)
    np.testing.assert_array_equal(found.maps, session.with_spikes().maps)
    assert found.units == ("a", "b")


@pytest.mark.parametrize("index", [True, False])
def test_csv(tmp_path, session, tables, index):
    for name, table in zip(("path", "spikes"), tables, strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=index)
    found = load_recording([tmp_path / "path.csv", tmp_path / "spikes.csv"])
    same(found, session.with_spikes())
