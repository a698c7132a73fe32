"""Files as labs have them, read to the last digit; the right way round by their labels."""

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import xarray as xr

from gridcode import InputError
from gridcode.recordings.files import load_recording, sessions_of
from gridcode.recordings.recording import recording_from_maps, recording_from_path

DATA = Path(os.environ.get("GRIDCODE_DATA", Path(__file__).parents[2] / "shared" / "data"))
INPUTS = DATA / "inputs"
needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason=f"no recordings in {DATA}")

N = 2000
TIME = 5.0 + 0.02 * np.arange(N)
PLACES = np.random.default_rng(1).uniform(0, 1, (N, 2))
TRAINS = {
    "a": np.sort(np.random.default_rng(2).uniform(5, 45, 300)),
    "b": np.sort(np.random.default_rng(3).uniform(5, 45, 80)),
}
ALL = np.concatenate(list(TRAINS.values()))
OF = np.repeat(["a", "b"], [300, 80])
FLAT = {"spike_times_s": ALL, "spike_units": OF}
# Rises along x in one unit and along y in the other.
MAPS = np.stack([np.tile(np.arange(9.0), (9, 1)), np.tile(np.arange(9.0), (9, 1)).T])
AXIS = 0.05 * np.arange(9)


def expected():
    return recording_from_path(PLACES, TIME, **FLAT)


def same(found, wanted=None, units=("a", "b")):
    wanted = expected() if wanted is None else wanted
    np.testing.assert_array_equal(found.maps, wanted.maps)
    assert found.units == units and found.bin_size_m == wanted.bin_size_m
    return found


# Spike trains.


@pytest.mark.parametrize(
    "spikes",
    [
        {"spike_times_s": TRAINS},
        {"spike_times_s": list(TRAINS.values()), "units": ["a", "b"]},
        {"spike_times_s": tuple(map(list, TRAINS.values())), "units": ["a", "b"]},
        {"spike_times_s": np.array(list(TRAINS.values()), dtype=object), "units": ["a", "b"]},
        {"spike_times_s": ALL, "spike_index": [300, 380], "units": ["a", "b"]},
        {"spike_times_s": ALL, "spike_units": OF.astype(object)},
        {"spike_times_s": ALL, "spike_units": OF.astype("S1")},
    ],
)
def test_spike_trains_in_any_form(spikes):
    same(recording_from_path(PLACES, TIME, **spikes))


@pytest.mark.parametrize(
    "spikes, message",
    [
        ({"spike_times_s": ALL, "spike_index": [300, 381]}, "must rise to the 380 spikes"),
        ({"spike_times_s": ALL, "spike_index": [300, 200, 380]}, "must rise"),
        ({"spike_times_s": TRAINS, "spike_units": OF}, "leave out spike_units"),
        (
            {"spike_times_s": list(TRAINS.values()), "units": ["a"]},
            "names 1 units, but there are 2",
        ),
        ({"spike_times_s": {}}, "no units"),
        ({"spike_times_s": {"a": []}}, "no spikes"),
        ({"spike_times_s": {"a": ["x"]}}, "real numbers"),
        ({"spike_times_s": {0.5: ALL}}, "whole numbers"),
    ],
)
def test_spike_trains_that_do_not_fit(spikes, message):
    with pytest.raises(InputError, match=message):
        recording_from_path(PLACES, TIME, **spikes)


def test_silent_units_of_a_dict_stay():
    found = recording_from_path(PLACES, TIME, spike_times_s=TRAINS | {"quiet": []})
    assert found.units == ("a", "b", "quiet") and found.path.spikes.tolist() == [300, 80, 0]


def test_activity_that_is_true_or_false_is_spikes():
    flags = np.random.default_rng(0).random((N, 2)) < 0.1
    found = recording_from_path(PLACES, TIME, activity=flags)
    wanted = recording_from_path(PLACES, TIME, spike_times_s=[TIME[f] for f in flags.T])
    same(found, wanted, (0, 1))
    assert found.kind == "spikes"


def test_activity_on_its_own_clock():
    slow = TIME[::4]
    activity = np.random.default_rng(0).random((len(slow), 2))
    found = recording_from_path(PLACES, TIME, activity=activity, activity_time_s=slow)
    # Held until half way to the next frame.
    each = np.clip(np.searchsorted((slow[1:] + slow[:-1]) / 2, TIME), 0, len(slow) - 1)
    same(found, recording_from_path(PLACES, TIME, activity=activity[each]), (0, 1))
    fast = TIME[0] + 0.002 + 0.01 * np.arange(2 * N - 1)
    quick = np.random.default_rng(0).random((len(fast), 1))
    found = recording_from_path(PLACES, TIME, activity=quick, activity_time_s=fast)
    middle = found.path.activity[1:-1, 0]
    pairs = (quick[1:-3:2, 0] + quick[2:-2:2, 0]) / 2
    np.testing.assert_allclose(middle, pairs, atol=1e-12)
    with pytest.raises(InputError, match="one clock"):
        recording_from_path(PLACES, TIME, activity=quick, activity_time_s=fast + 1e4)
    with pytest.raises(InputError, match="3999 samples but 3998 times"):
        recording_from_path(PLACES, TIME, activity=quick, activity_time_s=fast[1:])
    with pytest.raises(InputError, match="must increase"):
        recording_from_path(PLACES, TIME, activity=quick, activity_time_s=fast[::-1])


# Maps and their labels.


@pytest.mark.parametrize("dims", [("unit", "x", "y"), ("y", "unit", "x"), ("x", "y", "cell")])
@pytest.mark.parametrize("falling", [False, True])
def test_labelled_maps_are_put_the_right_way_round(dims, falling):
    names = {"unit": "unit", "cell": "unit"}
    array = xr.DataArray(MAPS, {"unit": ["a", "b"], "x": AXIS, "y": AXIS}, ("unit", "y", "x"))
    if falling:
        array = array.isel(y=slice(None, None, -1))
    array = array.transpose(*(names.get(dim, dim) for dim in dims))
    for given in (array, array.to_dataset(name="tuning")):
        found = recording_from_maps(given)
        np.testing.assert_array_equal(found.maps, MAPS)
        assert found.units == ("a", "b") and found.bin_size_m == pytest.approx(0.05)
        assert len(found.notes) == falling


def test_labels_that_are_not_known_are_refused():
    array = xr.DataArray(MAPS, dims=("unit", "row0", "col0"))
    with pytest.raises(
        InputError, match=r"have dimensions unit, row0, col0; needed are unit, y, x"
    ):
        recording_from_maps(array, bin_size_m=0.05)
    labelled = xr.DataArray(MAPS, dims=("unit", "y", "x"))
    with pytest.raises(InputError, match="leave out order"):
        recording_from_maps(labelled, bin_size_m=0.05, order="x y")
    with pytest.raises(InputError, match="needed is rate"):
        recording_from_maps(xr.Dataset({"a": labelled, "b": labelled}), bin_size_m=0.05)


@pytest.mark.parametrize(
    "order, given",
    [
        ("y x", MAPS),
        ("x y", MAPS.swapaxes(1, 2)),
        ("-y x", MAPS[:, ::-1]),
        ("x,-y", MAPS[:, ::-1].swapaxes(1, 2)),
        ("-x -y", MAPS[:, ::-1, ::-1].swapaxes(1, 2)),
    ],
)
def test_maps_without_labels_in_a_named_order(order, given):
    time = given[1]
    found = recording_from_maps(given, bin_size_m=0.05, order=order, occupancy=time)
    np.testing.assert_array_equal(found.maps, MAPS)
    np.testing.assert_array_equal(found.occupancy, MAPS[1])
    assert found.notes == ()


def test_what_is_assumed_of_maps_without_labels_is_said():
    (note,) = recording_from_maps(MAPS, bin_size_m=0.05).notes
    assert "name no axes: rows taken as y, rising upwards, columns as x" in note
    (note,) = recording_from_maps(MAPS, x=AXIS, y=AXIS).notes
    assert "rows taken as y, columns as x; if not, give order" in note
    for bad in ("x", "y z", "unit y x", "top"):
        with pytest.raises(InputError, match=f"not '{bad}'"):
            recording_from_maps(MAPS, bin_size_m=0.05, order=bad)
    with pytest.raises(InputError, match="y falls, but the y given rises"):
        recording_from_maps(MAPS, x=AXIS, y=AXIS, order="-y x")
    # Axes of different lengths tell.
    wide = np.zeros((1, 5, 9)) + np.arange(9.0)
    assert recording_from_maps(wide, x=AXIS, y=AXIS[:5]).notes == ()
    found = recording_from_maps(wide.swapaxes(1, 2), x=AXIS, y=AXIS[:5])
    np.testing.assert_array_equal(found.maps, wide)
    assert found.notes == ("x fits the first axis of the maps and y the second: maps transposed",)


def test_maps_of_a_dict():
    found = recording_from_maps({3: MAPS[0], 7: MAPS[1]}, bin_size_m=0.05, order="y x")
    np.testing.assert_array_equal(found.maps, MAPS)
    assert found.units == (3, 7)
    with pytest.raises(InputError, match="differ in shape"):
        recording_from_maps({3: MAPS[0], 7: MAPS[1][:5]}, bin_size_m=0.05)


@pytest.mark.parametrize("engine", ["scipy", "h5netcdf"])
def test_netcdf_3_and_4(tmp_path, engine):
    coords = {"unit": [4, 8], "x": AXIS, "y": AXIS}
    array = xr.DataArray(MAPS.swapaxes(1, 2), coords, ("unit", "x", "y"))
    array.to_netcdf(tmp_path / "tuning.nc", engine=engine)
    found = load_recording(tmp_path / "tuning.nc")
    np.testing.assert_array_equal(found.maps, MAPS)
    assert found.units == (4, 8) and found.notes == ()


def test_npz_that_names_its_order(tmp_path):
    np.savez(tmp_path / "maps.npz", rate_maps=MAPS[:, ::-1], bin_size_m=0.05, order="-y x")
    found = load_recording(tmp_path / "maps.npz")
    np.testing.assert_array_equal(found.maps, MAPS)
    assert found.notes == () and load_recording(tmp_path / "maps.npz", order="-y x").notes == ()
    with pytest.raises(InputError, match="its order is '-y x'"):
        load_recording(tmp_path / "maps.npz", order="x y")


# NumPy.


def test_npz_with_usual_names(tmp_path):
    file = tmp_path / "session.npz"
    for spikes in (
        {"spikes_mod1": np.array(TRAINS, dtype=object)},
        {"spikes_mod1": np.array(list(TRAINS.values()), dtype=object), "units": ["a", "b"]},
        {"spikes": ALL, "spike_clusters": OF.astype(object)},
        {"spike_times": ALL, "spike_times_index": [300, 380], "units": ["a", "b"]},
    ):
        np.savez(file, x=PLACES[:, 0], y=PLACES[:, 1], t=TIME, **spikes)
        found = load_recording(file)
        same(found)
        assert "positions taken as m" in found.notes[0]
    two = {f"spikes_mod{m}": np.array({0: t}, dtype=object) for m, t in enumerate(TRAINS.values())}
    np.savez(file, x_cm=100 * PLACES[:, 0], y_cm=100 * PLACES[:, 1], t=TIME, **two)
    found = load_recording(file)
    np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-12)
    assert found.units == ("spikes_mod0 0", "spikes_mod1 0") and found.notes == ()


def test_pickled_code_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "run"),))

    for i, value in enumerate((Evil(), {"a": Evil()}, [Evil()])):
        array = np.empty((), dtype=object)
        array[()] = value
        file = tmp_path / f"{i}.npz"
        np.savez(file, spikes=array, x=PLACES[:, 0], y=PLACES[:, 1], t=TIME)
        with pytest.raises(InputError):
            load_recording(file)
    assert not (tmp_path / "run").exists()
    assert pickle.loads(pickle.dumps(1)) == 1  # the same would have made the folder


# Tables.


def table(path, columns, delimiter=","):
    rows = zip(*columns.values(), strict=True)
    text = "\n".join(delimiter.join(map(str, row)) for row in [list(columns), *rows])
    path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("ending, delimiter", [("csv", ","), ("tsv", "\t"), ("csv", ";")])
def test_tables(tmp_path, ending, delimiter):
    where = {"t": TIME, "x_m": PLACES[:, 0], "y_m": PLACES[:, 1]}
    path = table(tmp_path / f"path.{ending}", where, delimiter)
    spikes = table(tmp_path / f"spikes.{ending}", {"time": ALL, "unit": OF}, delimiter)
    assert same(load_recording([spikes, path])).notes == ()
    table(spikes, {"spike_time_ms": 1000 * ALL, "cell": OF}, delimiter)
    np.testing.assert_allclose(load_recording([spikes, path]).maps, expected().maps)
    activity = np.random.default_rng(0).random((N, 2))
    more = {"speed": TIME, "c1": activity[:, 0], "c2": activity[:, 1], "hd": 360 * PLACES[:, 0]}
    found = load_recording(table(tmp_path / f"all.{ending}", where | more, delimiter))
    same(found, recording_from_path(PLACES, TIME, activity=activity), ("c1", "c2"))
    np.testing.assert_allclose(found.path.head_direction_deg, 360 * PLACES[:, 0])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("1,2,3\n4,5,6\n", "first row of bad.csv holds numbers"),
        ("t,x,y\n1,2\n", "row 2 of bad.csv has 2 values, but there are 3 columns"),
        ("t,t\n1,2\n", "a column twice"),
        ("a,b\n1,2\n", "holds a, b; needed are columns t, x, y"),
        ("t,x,y\n1,2,3\n2,3,4\n", "needed are spikes or activity too"),
        ("t,x,y,who\n1,2,3,me\n2,3,4,me\n", "the column who of bad.csv holds words"),
        ("t,x_px,y_px,c\n1,200,300,1\n2,3,4,1\n", "x_px is in 'px'; needed are m, cm or mm"),
        ("t,x,y,c\n1,200,300,1\n2,3,4,1\n", r"spans .* give position_unit \(--position-unit\)"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        load_recording(tmp_path / "bad.csv")
    assert "\n" not in str(raised.value)


def test_the_unit_of_positions(tmp_path):
    columns = {"t": TIME, "x": 100 * PLACES[:, 0], "y": 100 * PLACES[:, 1], "c": PLACES[:, 0]}
    file = table(tmp_path / "cm.csv", columns)
    wanted = recording_from_path(PLACES, TIME, activity=PLACES[:, :1])
    for unit in ("cm", "centimeters", 0.01, "0.01"):
        found = load_recording(file, position_unit=unit)
        np.testing.assert_allclose(found.maps, wanted.maps, rtol=1e-9)
    for unit in ("pixels", 0, "nan"):
        with pytest.raises(InputError, match="needed are m, cm or mm"):
            load_recording(file, position_unit=unit)


# MATLAB.


def moser(scale=100.0, **more):
    x, y = scale * PLACES.T[:, :, None]
    return {"posx": x, "posy": y, "post": TIME[:, None]} | more


def save73(path, variables):
    """As MATLAB writes version 7.3: transposed, cells and struct arrays as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def cells(group, name, values, kind=None):
            links = np.empty((len(values), 1), dtype=h5py.ref_dtype)
            for i, value in enumerate(values):
                links[i, 0] = refs.create_dataset(f"{len(refs)}", data=np.atleast_2d(value)).ref
            data = group.create_dataset(name, data=links, dtype=h5py.ref_dtype)
            if kind:
                data.attrs["MATLAB_class"] = np.bytes_(kind)

        def save(group, name, value):
            if isinstance(value, dict):
                for key, part in value.items():
                    save(group.require_group(name), key, part)
            elif isinstance(value, list) and isinstance(value[0], dict):
                for key in value[0]:
                    cells(group.require_group(name), key, [one[key] for one in value])
            elif isinstance(value, list):
                cells(group, name, value, "cell")
            else:
                data = group.create_dataset(name, data=np.atleast_2d(value).T)
                data.attrs["MATLAB_class"] = np.bytes_("double")

        for name, value in variables.items():
            save(file, name, value)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))


def save5(path, variables):
    scipy.io.savemat(path, variables)


@pytest.mark.parametrize("save", [save5, save73])
def test_mat_of_the_moser_group(tmp_path, save):
    save(tmp_path / "rat_POS.mat", moser(posx2=np.zeros((0, 0)), posy2=np.zeros((0, 0))))
    for name, train in TRAINS.items():
        save(tmp_path / f"rat_{name}.mat", {"cellTS": train[:, None]})
    files = [tmp_path / f"rat_{name}.mat" for name in ("a", "POS", "b")]
    found = load_recording(files)
    np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-9)
    assert found.units == ("a", "b")
    assert found.notes == ("positions taken as cm, the unit of posx not being named",)
    assert sessions_of(files) == [(files[1], files[0], files[2])]
    save(tmp_path / "all.mat", moser(cellTS=[TRAINS["a"], TRAINS["b"]]))
    np.testing.assert_array_equal(load_recording(tmp_path / "all.mat").maps, found.maps)


def test_two_leds_give_the_middle_and_the_direction(tmp_path):
    turn = np.linspace(0, 4, N)
    ahead = 0.02 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    first, second = 100 * (PLACES + ahead), 100 * (PLACES - ahead)
    leds = {"posx": first[:, 0], "posy": first[:, 1], "posx2": second[:, 0], "posy2": second[:, 1]}
    save5(tmp_path / "leds.mat", leds | {"post": TIME, "cellTS": ALL})
    found = load_recording(tmp_path / "leds.mat", bin_size_m=0.05)
    np.testing.assert_allclose(found.path.positions_m, PLACES, atol=1e-12)
    np.testing.assert_allclose(found.path.head_direction_deg, np.degrees(turn), atol=1e-6)
    assert any("two LEDs" in note for note in found.notes)


@pytest.mark.parametrize("save", [save5, save73])
def test_mat_of_cmbhome(tmp_path, save):
    x, y = 200 * PLACES.T  # half a centimetre a pixel
    root = {"b_x": x, "b_y": y, "b_ts": TIME, "b_headdir": np.linspace(-180, 180, N)}
    root |= {"spatial_scale": 0.5, "spike": [{"ts": TRAINS["a"]}, {"ts": TRAINS["b"]}]}
    save(tmp_path / "session.mat", {"root": root})
    found = load_recording(tmp_path / "session.mat")
    np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-9)
    assert found.units == ("C1", "C2")
    np.testing.assert_allclose(found.path.head_direction_deg[1000:], root["b_headdir"][1000:] % 360)


def test_mat_of_cmbhome_with_tetrodes(tmp_path):
    spike = np.zeros((2, 2), dtype=[("ts", object)])
    for i, train in enumerate([TRAINS["a"], np.zeros(0), TRAINS["b"], np.zeros(0)]):
        spike["ts"].flat[i] = train
    x, y = 100 * PLACES.T
    root = {"b_x": x, "b_y": y, "b_ts": TIME, "spike": spike}
    scipy.io.savemat(tmp_path / "session.mat", {"root": root})
    found = load_recording(tmp_path / "session.mat")
    np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-9)
    assert found.units == ("T1C1", "T2C1")


def test_rate_maps_of_a_mat(tmp_path):
    file = tmp_path / "maps.mat"
    cell = np.empty(2, dtype=object)
    cell[:] = list(MAPS)
    for values in (MAPS[0], np.moveaxis(MAPS, 0, 2), cell):
        save5(file, {"rateMaps": values, "aCorrs": values, "comment": "x"})
        found = load_recording(file, bin_size_m=0.05, order="y x")
        np.testing.assert_array_equal(found.maps, MAPS[: len(found.maps)])
    save5(file, {"one": MAPS[0], "other": MAPS[1]})
    with pytest.raises(InputError, match=r"maps.mat holds one, other; needed are posx"):
        load_recording(file, bin_size_m=0.05)
    save5(file, moser(scale=1.0, cellTS=ALL))
    with pytest.raises(InputError, match=r"cm would make an arena of 0.00"):
        load_recording(file)


# NWB.


@pytest.fixture
def nwb(tmp_path):
    """A small NWB file, opened for more."""
    path = tmp_path / "session.nwb"
    with h5py.File(path, "w") as file:
        spatial(file, "processing/behavior/Position/place", 100 * PLACES, unit="cm")
        units = file.create_group("units")
        units["spike_times"], units["spike_times_index"] = ALL, [300, 380]
        units["id"] = [11, 12]
    return path


def spatial(file, name, data, *, unit="meters", kind="Position", time=TIME, **scale):
    series = file.create_group(name)
    series.parent.attrs["neurodata_type"] = kind
    series.attrs["neurodata_type"] = "SpatialSeries"
    series["data"] = data
    series["data"].attrs.update({"unit": unit, "conversion": 1.0} | scale)
    series["timestamps"] = time
    return series


def test_nwb(nwb):
    found = load_recording(nwb)
    np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-9)
    assert found.units == (11, 12) and found.notes == ()
    with h5py.File(nwb, "a") as file:
        file["units/unit_name"] = ["a", "b"]
        compass = "processing/behavior/CompassDirection/head"
        angles = np.linspace(0, 3, N // 2)
        half = {"kind": "CompassDirection", "time": TIME[::2]}
        spatial(file, compass, angles, unit="radians", **half)
        eye = "processing/behavior/EyeTracking/eye"
        spatial(file, eye, PLACES, unit="pixels", kind="EyeTracking")
    found = load_recording(nwb)
    assert found.units == ("a", "b")
    np.testing.assert_allclose(found.path.head_direction_deg[::2], np.degrees(angles))


def test_nwb_with_several_positions(nwb):
    with h5py.File(nwb, "a") as file:
        scaled = {"unit": "meters", "conversion": 1e-3, "offset": -1.0}
        other = spatial(file, "acquisition/led", 1000 * (PLACES + 1), **scaled)
        del other["timestamps"]
        other["starting_time"] = TIME[0]
        other["starting_time"].attrs["rate"] = 50.0
    both = "acquisition/led, processing/behavior/Position/place"
    with pytest.raises(InputError, match=f"{both}; name one as position"):
        load_recording(nwb)
    with pytest.raises(InputError, match="'nose' names not one of them"):
        load_recording(nwb, position="nose")
    for name in ("led", "acquisition/led", "Position/place"):
        found = load_recording(nwb, position=name)
        np.testing.assert_allclose(found.maps, expected().maps, rtol=1e-6)


def test_nwb_in_pixels_is_refused(nwb):
    with h5py.File(nwb, "a") as file:
        file["processing/behavior/Position/place/data"].attrs["unit"] = "pixels"
    with pytest.raises(InputError, match="is in 'pixels'; needed are m, cm or mm"):
        load_recording(nwb)
    found = load_recording(nwb, position_unit=0.01)
    assert found.notes == ("position unit 'pixels' of the file replaced by '0.01'",)


def test_nwb_that_lacks_a_part(nwb):
    with h5py.File(nwb, "a") as file:
        del file["units"]
    with pytest.raises(InputError, match="holds a path; needed are spikes or activity too"):
        load_recording(nwb)
    with h5py.File(nwb, "a") as file:
        del file["processing"]
    with pytest.raises(InputError, match="no position"):
        load_recording(nwb)
    (nwb.parent / "text.nwb").write_text("hello")
    with pytest.raises(InputError, match=r"text\.nwb is not a readable NWB file"):
        load_recording(nwb.parent / "text.nwb")


def test_nwb_opens_no_other_file(nwb):
    with h5py.File(nwb, "a") as file:
        del file["units/spike_times"]
        file["units/spike_times"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(InputError, match="lies in another file"):
        load_recording(nwb)


def test_nwb_traces(nwb):
    traces = np.random.default_rng(0).random((N, 3))
    with h5py.File(nwb, "a") as file:
        del file["units"]
        for name in ("Fluorescence", "DfOverF"):
            series = file.create_group(f"processing/ophys/{name}/plane")
            series.parent.attrs["neurodata_type"] = name
            series.attrs["neurodata_type"] = "RoiResponseSeries"
            series["data"] = traces + (name == "Fluorescence")
            series["timestamps"] = TIME
    found = load_recording(nwb)
    assert found.notes == ("activity is processing/ophys/DfOverF/plane",)
    np.testing.assert_array_equal(found.path.activity, traces)
    found = load_recording(nwb, activity="Fluorescence/plane")
    np.testing.assert_array_equal(found.path.activity, traces + 1)


# Calcium.


@pytest.fixture
def track(tmp_path):
    return table(tmp_path / "path.csv", {"t": TIME, "x_m": PLACES[:, 0], "y_m": PLACES[:, 1]})


def test_suite2p(tmp_path, track):
    plane = tmp_path / "suite2p" / "plane0"
    plane.mkdir(parents=True)
    rng = np.random.default_rng(0)
    spks, fluorescence, neuropil = rng.random((3, 4, N))
    np.save(plane / "spks.npy", spks)
    np.save(plane / "F.npy", fluorescence)
    np.save(plane / "Fneu.npy", neuropil)
    np.save(plane / "iscell.npy", [[1, 0.9], [0, 0.1], [1, 0.8], [1, 0.7]])
    cells = [0, 2, 3]
    for given, values in ((plane, spks), (plane / "F.npy", fluorescence - 0.7 * neuropil)):
        found = load_recording([track, given])
        same(found, recording_from_path(PLACES, TIME, activity=values[cells].T), (0, 2, 3))
        assert "3 of 4 regions are cells by iscell.npy" in found.notes
    same(
        load_recording([tmp_path, track]),
        recording_from_path(PLACES, TIME, activity=spks[cells].T),
        (0, 2, 3),
    )
    np.save(plane / "spks.npy", spks[:, : N // 2])
    with pytest.raises(InputError, match="1000 samples but time_s has 2000; give frame_rate_hz"):
        load_recording([track, plane])
    found = load_recording([track, plane], frame_rate_hz=25.0)
    assert "1000 frames at 25 Hz from the first sample of the path (5 s)" in found.notes
    np.save(plane / "ops.npy", {"fs": 25.0, "folder": Path("x")})
    same(load_recording([track, plane]), found, (0, 2, 3))
    with pytest.raises(InputError, match="needed is a path too"):
        load_recording(plane)


def test_caiman(tmp_path, track):
    traces = np.random.default_rng(0).random((4, N))
    with h5py.File(tmp_path / "cnmf.hdf5", "w") as file:
        file["estimates/C"], file["estimates/S"] = traces, traces + 1
        file["estimates/F_dff"] = b"NoneType"
        file["estimates/idx_components"] = [0, 3]
    found = load_recording([tmp_path / "cnmf.hdf5", track])
    wanted = recording_from_path(PLACES, TIME, activity=(traces + 1)[[0, 3]].T)
    same(found, wanted, (0, 3))
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(InputError, match="holds no traces"):
        load_recording([tmp_path / "empty.h5", track])


# Files of a session.


def test_files_find_their_session(tmp_path):
    for rat in ("r1", "r2"):
        save5(tmp_path / f"{rat}_POS.mat", moser())
        save5(tmp_path / f"{rat}_T1C1.mat", {"cellTS": ALL})
    np.savez(tmp_path / "maps.npz", rate_maps=MAPS, bin_size_m=0.05)
    names = ["r2_T1C1.mat", "maps.npz", "r1_POS.mat", "r2_POS.mat", "r1_T1C1.mat"]
    found = sessions_of([tmp_path / name for name in names])
    assert [tuple(path.name for path in files) for files in found] == [
        ("r2_POS.mat", "r2_T1C1.mat"),
        ("maps.npz",),
        ("r1_POS.mat", "r1_T1C1.mat"),
    ]
    save5(tmp_path / "stray.mat", {"cellTS": ALL})
    with pytest.raises(InputError, match=r"stray\.mat holds cellTS but no path, and none of the"):
        sessions_of([tmp_path / name for name in [*names, "stray.mat"]])
    with pytest.raises(InputError, match=r"r1_POS\.mat, r2_POS\.mat hold one"):
        load_recording([tmp_path / "r1_POS.mat", tmp_path / "r2_POS.mat"])
    with pytest.raises(InputError, match="neither spikes nor activity"):
        load_recording([tmp_path / "r1_POS.mat", tmp_path / "maps.npz"])
    np.savez(tmp_path / "more.npz", positions_m=PLACES, time_s=TIME, activity=PLACES)
    with pytest.raises(InputError, match="both hold units"):
        load_recording([tmp_path / "more.npz", tmp_path / "r1_T1C1.mat"])


def test_options_that_do_not_apply(tmp_path):
    file = tmp_path / "maps.npz"
    np.savez(file, rate_maps=MAPS, bin_size_m=0.05)
    for option in ({"position": "a"}, {"activity": "a"}, {"group": "a"}, {"position_unit": "cm"}):
        with pytest.raises(InputError, match=next(iter(option))):
            load_recording(file, **option)
    np.savez(file, positions_m=PLACES, time_s=TIME, activity=PLACES)
    for option in ({"order": "x y"}, {"frame_rate_hz": 5.0}):
        with pytest.raises(InputError, match=next(iter(option))):
            load_recording(file, **option)
    with pytest.raises(InputError, match="no files"):
        load_recording([])


# The inputs folder.


@needs_inputs
@pytest.mark.parametrize(
    "name, options, degrees",
    [
        ("pynapple_order_unit_x_y.npz", {"order": "x y"}, 25.0),
        ("ratinabox_maps_rows_top_down.npz", {"order": "-y x"}, -24.0),
        ("gardner_style_dict.npz", {}, 15.0),
        ("unit_names_object_strings.npz", {}, 15.0),
        ("pynapple_tuning_curves.nc", {}, 15.0),
        ("rate_map.mat", {"bin_size_m": 0.03}, -29.3),
    ],
)
def test_inputs_have_the_orientation_they_were_made_with(name, options, degrees):
    from gridcode.analysis.cells.gridness import score_maps

    recording = load_recording(INPUTS / name, **options)
    scores = score_maps(recording.maps, bin_size_m=recording.bin_size_m)
    assert scores.orientation_deg[0] == pytest.approx(degrees, abs=1.5)


@pytest.mark.skipif(
    not (DATA / "10704-07070407_POS.mat").is_file(), reason=f"no recordings in {DATA}"
)
def test_the_moser_files_as_they_are():
    files = [DATA / f"10704-07070407_{part}.mat" for part in ("POS", "T2C3")]
    assert sessions_of(files) == [tuple(files)]
    found = load_recording(files)
    assert found.units == ("T2C3",) and found.path.spikes.tolist() == [2326]
