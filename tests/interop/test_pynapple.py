"""Time series and tuning curves of pynapple, in memory and as it saves them."""

import numpy as np
import pynapple as nap
import pytest
from one_session import Session, same

from gridcode import InputError
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import recording_from_maps, recording_from_path


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def series(session):
    """The path as a TsdFrame and the spikes as a TsGroup."""
    path = nap.TsdFrame(t=session.time_s, d=session.positions_m, columns=["x", "y"])
    whole = nap.IntervalSet(0, 100)
    trains = {name: nap.Ts(train) for name, train in session.trains.items()}
    return path, nap.TsGroup(trains, time_support=whole)


def test_in_memory(session, series):
    path, spikes = series
    session.time_s = path.t  # pynapple rounds to nanoseconds
    session.trains = {name: spikes[name].t for name in spikes.keys()}  # noqa: SIM118
    wanted = session.with_spikes()
    same(recording_from_path(path, spike_times_s=spikes), wanted)
    same(recording_from_path(session.positions_m, session.time_s, spike_times_s=spikes), wanted)
    same(recording_from_path(path[:, ::-1], path.t, spike_times_s=spikes), wanted)
    activity = nap.TsdFrame(t=path.t, d=session.activity, columns=["a", "b", "c"])
    found = recording_from_path(path, activity=activity)
    same(found, session.with_activity(units=["a", "b", "c"]))
    head = nap.Tsd(t=path.t, d=session.head_direction_deg)
    found = recording_from_path(path, spike_times_s=spikes, head_direction_deg=head)
    same(found, session.with_spikes(head_direction_deg=session.head_direction_deg))
    alone = recording_from_path(path, spike_times_s=spikes[4])
    np.testing.assert_array_equal(alone.maps[0], wanted.maps[0])


def test_times_that_contradict_the_series(series):
    path, spikes = series
    with pytest.raises(InputError, match="differs from the times that the positions carry"):
        recording_from_path(path, path.t + 1.0, spike_times_s=spikes)
    other = nap.TsdFrame(t=path.t, d=path.d, columns=["left", "right"])
    with pytest.raises(InputError, match="have columns left, right; needed are x and y"):
        recording_from_path(other, spike_times_s=spikes)


def test_saved(tmp_path, session, series):
    path, spikes = series
    session.time_s = path.t
    session.trains = {name: spikes[name].t for name in spikes.keys()}  # noqa: SIM118
    path.save(tmp_path / "path.npz")
    spikes.save(tmp_path / "spikes.npz")
    found = load_recording([tmp_path / "path.npz", tmp_path / "spikes.npz"])
    same(found, session.with_spikes())
    frame = nap.TsdFrame(t=path.t, d=session.activity, columns=["a", "b", "c"])
    frame.save(tmp_path / "activity.npz")
    found = load_recording([tmp_path / "path.npz", tmp_path / "activity.npz"])
    same(found, session.with_activity(units=["a", "b", "c"]))


@pytest.mark.filterwarnings("ignore:compute_2d_tuning_curves is deprecated:FutureWarning")
def test_tuning_curves(tmp_path, series):
    path, spikes = series
    curves = nap.compute_tuning_curves(spikes, path, bins=20)
    maps = curves.transpose("unit", "y", "x").values
    found = recording_from_maps(curves)
    np.testing.assert_array_equal(found.maps, maps)
    assert found.units == (4, 9) and found.bin_size_m == pytest.approx(0.05, rel=1e-3)
    np.testing.assert_array_equal(found.occupancy, np.asarray(curves.attrs["occupancy"]).T)
    older = nap.compute_2d_tuning_curves(spikes, path, 20)
    found = recording_from_maps(older)
    np.testing.assert_array_equal(found.maps, maps)
    assert found.units == (4, 9)
    plain = curves.copy()
    plain.attrs = {}
    plain.to_netcdf(tmp_path / "curves.nc", engine="scipy")
    np.testing.assert_array_equal(load_recording(tmp_path / "curves.nc").maps, maps)
