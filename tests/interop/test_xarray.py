"""Labelled arrays of xarray along a path."""

import numpy as np
import pytest
import xarray as xr
from one_session import Session, same

from gridcode.recordings.recording import recording_from_path


@pytest.fixture
def session():
    return Session()


def test_along_a_path(session):
    path = xr.DataArray(
        session.positions_m[:, ::-1].T,
        {"time": session.time_s, "space": ["y", "x"]},
        ("space", "time"),
    )
    activity = xr.DataArray(
        session.activity.T, {"time": session.time_s, "unit": ["a", "b", "c"]}, ("unit", "time")
    )
    found = recording_from_path(path, activity=activity)
    same(found, session.with_activity(units=["a", "b", "c"]))
    assert np.isfinite(found.maps).any()
