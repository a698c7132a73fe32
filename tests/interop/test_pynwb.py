"""Files that pynwb writes."""

from datetime import UTC, datetime

import numpy as np
import pynwb
import pytest
from one_session import Session, same
from pynwb.behavior import CompassDirection, Position, SpatialSeries

from gridcode import InputError
from gridcode.recordings.files import load_recording


@pytest.fixture
def session():
    return Session()


def written(path, session, *, spikes=True, positions=("place",), **series):
    file = pynwb.NWBFile("a session", "id", datetime(2020, 1, 1, tzinfo=UTC))
    behavior = file.create_processing_module("behavior", "of a mouse")
    settings = {"data": session.positions_m, "reference_frame": "box", "unit": "meters"}
    settings |= {"timestamps": session.time_s} | series
    places = [SpatialSeries(name=name, **settings) for name in positions]
    behavior.add(Position(spatial_series=places))
    head = SpatialSeries(
        name="head",
        data=session.head_direction_deg,
        timestamps=session.time_s,
        reference_frame="box",
        unit="degrees",
    )
    behavior.add(CompassDirection(spatial_series=head))
    if spikes:
        for name, train in session.trains.items():
            file.add_unit(spike_times=train, id=name)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def test_position_direction_and_units(tmp_path, session):
    found = load_recording(written(tmp_path / "a.nwb", session))
    same(found, session.with_spikes(head_direction_deg=session.head_direction_deg))
    assert found.notes == ()


def test_rate_conversion_and_offset(tmp_path, session):
    stored = np.round(1000 * session.positions_m).astype(np.int16)
    session.positions_m = stored * 0.1 * 0.01
    scaled = {"data": stored, "conversion": 0.1, "unit": "cm"}
    clock = {"timestamps": None, "starting_time": 3.0, "rate": 50.0}
    session.time_s = 3.0 + np.arange(3000) / 50.0
    found = load_recording(written(tmp_path / "a.nwb", session, **scaled, **clock))
    same(found, session.with_spikes(head_direction_deg=session.head_direction_deg))


def test_several_positions(tmp_path, session):
    file = written(tmp_path / "a.nwb", session, positions=("led1", "led2"))
    with pytest.raises(InputError, match="Position/led1, processing/behavior/Position/led2"):
        load_recording(file)
    wanted = session.with_spikes(head_direction_deg=session.head_direction_deg)
    same(load_recording(file, position="led2"), wanted)


def test_pixels(tmp_path, session):
    with pytest.raises(InputError, match="is in 'pixels'"):
        load_recording(written(tmp_path / "a.nwb", session, unit="pixels"))


def test_traces(tmp_path, session):
    from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel

    path = written(tmp_path / "a.nwb", session, spikes=False)
    with pynwb.NWBHDF5IO(path, "a") as io:
        file = io.read()
        device = file.create_device("microscope")
        channel = OpticalChannel(name="green", description="green", emission_lambda=500.0)
        plane = file.create_imaging_plane(
            name="plane",
            optical_channel=channel,
            description="plane",
            device=device,
            excitation_lambda=900.0,
            indicator="GCaMP",
            location="MEC",
        )
        segments = ImageSegmentation().create_plane_segmentation("cells", plane, "cells")
        for _ in range(3):
            segments.add_roi(image_mask=np.ones((4, 4)))
        ophys = file.create_processing_module("ophys", "traces")
        ophys.add(segments.parent)
        ophys.add(DfOverF())
        ophys["DfOverF"].create_roi_response_series(
            name="traces",
            data=session.activity,
            rois=segments.create_roi_table_region("all", region=[0, 1, 2]),
            unit="n.a.",
            timestamps=session.time_s,
        )
        io.write(file)
    found = load_recording(path)
    same(found, session.with_activity(head_direction_deg=session.head_direction_deg))
