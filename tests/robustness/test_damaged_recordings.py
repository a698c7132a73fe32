"""Damaged files of other tools: one line or a recording, never a traceback.

`ROBUSTNESS_DRAWS=500 pytest -m slow tests/robustness/test_damaged_recordings.py` damages more.
"""

import os
import random
import warnings

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr
from test_damaged_files import flipped

from gridcode import InputError
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import Recording

# h5netcdf and h5py close files once more that they could not open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
DRAWS = int(os.environ.get("ROBUSTNESS_DRAWS", "500"))
NAMES = ["path.csv", "v5.mat", "v73.mat", "session.nwb", "classic.nc", "objects.npz"]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    rng = np.random.default_rng(0)
    time = 0.02 * np.arange(300)
    x, y = 0.5 * np.sin(time), 0.5 * np.cos(1.3 * time)
    rows = [f"{a},{b},{c},{d}" for a, b, c, d in zip(time, x, y, rng.random(300), strict=True)]
    (folder / "path.csv").write_text("\n".join(["t,x_m,y_m,cell", *rows]))
    spikes = rng.uniform(0, 6, 50)
    moser = {"posx": 100 * x, "posy": 100 * y, "post": time, "cellTS": spikes}
    root = {"b_x": x, "b_y": y, "b_ts": time, "spatial_scale": 100.0}
    scipy.io.savemat(folder / "v5.mat", {"root": root | {"spike": [{"ts": spikes}]}})
    with h5py.File(folder / "v73.mat", "w", userblock_size=512) as file:
        for name, values in moser.items():
            file[name] = values[None]
    with (folder / "v73.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    with h5py.File(folder / "session.nwb", "w") as file:
        series = file.create_group("processing/behavior/Position/place")
        series.attrs["neurodata_type"] = "SpatialSeries"
        series["data"], series["timestamps"] = np.stack([x, y], axis=1), time
        series["data"].attrs["unit"] = "meters"
        file["units/spike_times"], file["units/spike_times_index"] = spikes, [20, 50]
        file["units/id"] = [1, 2]
    axis = 0.05 * np.arange(9)
    maps = xr.DataArray(rng.random((2, 9, 9)), {"x": axis, "y": axis}, ("unit", "x", "y"))
    maps.to_netcdf(folder / "classic.nc", engine="scipy")
    trains = {"spikes": np.array({0: spikes}, dtype=object)}
    np.savez(folder / "objects.npz", x_m=x, y_m=y, t=time, **trains)
    return folder


def damage(name, count, seed, originals, tmp_path):
    """How many of the damaged copies were read, and how many refused in one line."""
    rng = random.Random(f"{name} {seed}")
    whole, found = (originals / name).read_bytes(), {"read": 0, "refused": 0}
    for number in range(count):
        (tmp_path / name).write_bytes(flipped(whole, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert isinstance(load_recording(tmp_path / name), Recording)
                found["read"] += 1
            except InputError as error:
                assert "\n" not in str(error), f"{error} ({name}, seed {seed}, draw {number})"
                found["refused"] += 1
            except Exception as error:
                raise AssertionError(f"{name}, seed {seed}, draw {number}") from error
    return found


@pytest.mark.parametrize("name", NAMES)
def test_damaged(name, originals, tmp_path):
    assert damage(name, 1, "whole", originals, tmp_path)
    assert isinstance(load_recording(originals / name), Recording)
    damage(name, 20, 1, originals, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_damaged_many_times(name, originals, tmp_path, capsys):
    found = damage(name, max(1, DRAWS // len(NAMES)), 100, originals, tmp_path)
    with capsys.disabled():
        print(name, found)
