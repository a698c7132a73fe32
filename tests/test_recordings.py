"""Recordings from files: binned paths, shifts, halves, and one clear line for bad input."""

import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from gridcode import InputError
from gridcode.analysis.cells.binning import bin_path, rebin, speeds, split_halves
from gridcode.analysis.cells.fields import find_fields
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.information import (
    spatial_information,
    spatial_test,
    split_half_stability,
)
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import recording_from_maps, recording_from_path

DATA = Path(os.environ.get("GRIDCODE_DATA", Path(__file__).parents[2] / "shared" / "data"))


BOX = {"bin_size_m": 0.05, "arena_m": 1.0}


def wander(rng, samples, side=1.0, interval=0.02):
    """A smooth path that fills a box, and its times."""
    steps = ndimage.gaussian_filter1d(rng.standard_normal((samples, 2)), 15, axis=0)
    path = np.cumsum(0.01 * steps / steps.std(), axis=0)
    # Folded back at the walls.
    path = np.abs((path + side / 2) % (2 * side) - side) - side / 2
    return path, 3.0 + interval * np.arange(samples)


@pytest.fixture
def walk(rng):
    return wander(rng, 20000)


def naive_maps(path, times, activity, bin_size, bins, smoothing):
    """Sums and time bin by bin, then the ratio of the smoothed."""
    total, spent = np.zeros((bins, bins)), np.zeros((bins, bins))
    seconds = np.gradient(times)
    for (x, y), a, dt in zip(path, activity, seconds, strict=True):
        i, j = (min(int((v + bins * bin_size / 2) / bin_size), bins - 1) for v in (y, x))
        total[i, j] += a * dt
        spent[i, j] += dt
    visited = spent > 0
    if smoothing:
        settings = {"sigma": smoothing, "mode": "constant", "truncate": 12}
        total, spent = (ndimage.gaussian_filter(v, **settings) for v in (total, spent))
    return np.where(visited, total / np.where(visited, spent, 1), np.nan)


@pytest.mark.parametrize("smoothing", [0.0, 1.5])
def test_activity_maps_equal_their_definition(rng, walk, smoothing):
    path, times = walk
    activity = rng.random((len(times), 3))
    before = path.copy(), times.copy(), activity.copy()
    binned = bin_path(path, times, activity=activity, smoothing_bins=smoothing, **BOX)
    maps = rebin(binned)
    assert maps.shape == (3, 20, 20) and binned.centre_m == (0, 0)
    for one, active in zip(maps, activity.T, strict=True):
        expected = naive_maps(path, times, active, 0.05, 20, smoothing)
        np.testing.assert_allclose(one, expected, rtol=1e-9)
    for now, then in zip((path, times, activity), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert binned.occupancy_s.sum() == pytest.approx(len(times) * 0.02)


def test_spikes_are_rates_in_hertz(rng, walk):
    path, times = walk
    counts = rng.poisson(0.1, len(times))
    spikes = np.repeat(times, counts) + rng.uniform(-0.009, 0.009, counts.sum())
    units = [rng.permutation(spikes), spikes[:0]]
    binned = bin_path(path, times, spikes_s=units, smoothing_bins=0, **BOX)
    expected = naive_maps(path, times, counts / 0.02, 0.05, 20, 0)
    np.testing.assert_allclose(rebin(binned)[0], expected, rtol=1e-9)
    np.testing.assert_array_equal(rebin(binned)[1], 0 * binned.occupancy_s)
    assert binned.spikes.tolist() == [counts.sum(), 0]
    np.testing.assert_allclose(np.nansum(rebin(binned)[0] * binned.occupancy_s), counts.sum())


@pytest.mark.parametrize("kind", ["spikes", "activity"])
def test_shifts_move_activity_along_the_path(rng, walk, kind):
    path, times = walk
    activity = rng.poisson(0.2, (len(times), 3)).astype(float)
    order = rng.permutation(activity.sum().astype(int))
    spikes = np.concatenate([np.repeat(times, activity[:, u].astype(int)) for u in range(3)])[order]
    of = np.repeat(np.arange(3), activity.sum(axis=0).astype(int))[order]
    given = {"spikes_s": [spikes[of == u] for u in range(3)]}
    if kind == "activity":
        given = {"activity": activity / 0.02}
    binned = bin_path(path, times, bin_size_m=0.05, **given)
    for shift in (0, 1, np.int64(777), -5, len(times), 10**7):
        moved = np.roll(activity / 0.02, shift, axis=0)
        rolled = rebin(bin_path(path, times, activity=moved, bin_size_m=0.05))
        np.testing.assert_allclose(rebin(binned, shift), rolled, rtol=1e-9)
        np.testing.assert_allclose(rebin(binned, shift, units=[2, 0]), rolled[[2, 0]], rtol=1e-9)
    each = np.array([5, 800, 0])
    expected = np.stack([rebin(binned, int(s))[u] for u, s in enumerate(each)])
    np.testing.assert_allclose(rebin(binned, each), expected, rtol=1e-9)
    assert rebin(binned, units=[]).shape == (0, *binned.shape)
    for bad in (np.array([1, 2]), np.array(1.5)):
        with pytest.raises(InputError, match="shift_samples"):
            rebin(binned, bad)
    with pytest.raises(InputError, match="units"):
        rebin(binned, units=[3])


def test_a_shift_is_fast(rng):
    path, times = wander(rng, 30000)
    binned = bin_path(path, times, spikes_s=[rng.choice(times, 3000)])
    rebin(binned)
    started = time.process_time()
    for shift in range(200):
        rebin(binned, 50 * shift)
    assert time.process_time() - started < 0.4  # 0.02 on an idle core


def test_halves_are_alternating_minutes(rng, walk):
    path, times = walk
    activity = rng.random((len(times), 2))
    binned = bin_path(path, times, activity=activity, smoothing_bins=0, **BOX)
    odd = ((times - times[0] + 0.01) // 25).astype(int) % 2 == 0
    for (a, b), first in (
        (split_halves(binned, block_s=25), odd),
        (split_halves(binned, block_s=None), np.arange(len(times)) < 10000),
    ):
        for maps, used in ((a, first), (b, ~first)):
            total, spent = (np.zeros(400) for _ in range(2))
            np.add.at(total, binned.bin_index[used], activity[used, 1])
            np.add.at(spent, binned.bin_index[used], 1)
            with np.errstate(invalid="ignore"):
                expected = np.where(spent > 0, total / spent, np.nan)
            np.testing.assert_allclose(maps[1].ravel(), expected, rtol=1e-9)
    # Short recordings are cut into eight blocks all the same.
    short = split_halves(binned, block_s=1000.0)
    np.testing.assert_allclose(short[0], split_halves(binned, block_s=50.0)[0])
    with pytest.raises(InputError, match="block_s"):
        split_halves(binned, block_s=0)


def test_a_planted_grid_cell_survives_its_spikes(rng):
    path, times = wander(rng, 60000)
    rate = 15 * lattice_cell(path, spacing_m=0.4, orientation_deg=12)
    counts = rng.poisson(rate * 0.02)
    noise = rng.poisson(0.05, len(times))
    spikes = np.concatenate([np.repeat(times, counts), np.repeat(times, noise)])
    of = np.repeat([7, 3], [counts.sum(), noise.sum()])
    recording = recording_from_path(path, times, spike_times_s=spikes, spike_units=of)
    assert recording.units == (3, 7) and recording.kind == "spikes"
    scores = score_maps(recording.maps, bin_size_m=recording.bin_size_m)
    assert scores.minmax[1] > 1 and scores.spacing_m[1] == pytest.approx(0.4, rel=0.03)
    assert scores.orientation_deg[1] == pytest.approx(12, abs=2)
    stability = split_half_stability(*split_halves(recording.path))
    assert stability[1] > 0.7 > 0.4 > stability[0]
    test = spatial_test(recording.unsmoothed())
    assert test.p_value[1] < 1e-6
    # Smoothing and noise lower the information of the planted rate; without tuning only bias stays.
    bits = spatial_information(recording.maps, occupancy=recording.occupancy).bits_per_spike
    assert bits[1] > 0.6 and bits[0] < 0.1
    assert np.nanmax(recording.maps[1]) == pytest.approx(15, rel=0.3)


def test_a_rectangular_arena_off_the_origin(rng):
    path, times = wander(rng, 20000)
    path = (path + 0.5) * (2.0, 1.0) + (10, -4)
    given = {"activity": path, "bin_size_m": 0.1}
    box = recording_from_path(path, times, smoothing_bins=0, **given)
    assert box.maps.shape == (2, 10, 20)
    np.testing.assert_allclose(box.centre_m, (11, -3.5), atol=0.05)
    # A unit that is active by x or y has maps that rise along it.
    x, y = np.arange(20) * 0.1 + 10.05, np.arange(10) * 0.1 - 3.95
    np.testing.assert_allclose(np.nanmean(box.maps[0], axis=0), x, atol=0.06)
    np.testing.assert_allclose(np.nanmean(box.maps[1], axis=1), y, atol=0.06)
    sides = recording_from_path(path, times, arena_m=(2.0, 1.0), **given)
    edges = recording_from_path(path, times, arena_m=(10, 12, -4, -3), **given)
    assert sides.maps.shape == edges.maps.shape == (2, 10, 20)
    assert edges.centre_m == pytest.approx((11, -3.5))
    part = recording_from_path(path, times, arena_m=(10, 11, -4, -3), **given)
    assert part.maps.shape == (2, 10, 10) and "outside of the arena" in part.notes[0]


def test_stray_positions_do_not_stretch_the_arena(walk):
    path, times = walk
    path = path.copy()
    path[[5, 500]] = 3.0, -80.0
    binned = bin_path(path, times, activity=path)
    assert binned.shape == (40, 40)
    assert binned.notes == ("2 of 20000 samples left out: outside of the arena",)


def test_walls_belong_to_the_last_bins():
    path = np.array([[-0.5, -0.5], [0.5, 0.5], [0.5 + 1e-12, -0.5 - 1e-12], [0.0, 0.0]])
    binned = bin_path(path, np.arange(4.0), activity=np.ones(4), bin_size_m=0.25, arena_m=1.0)
    assert binned.bin_index.tolist() == [0, 15, 3, 10]


def test_lost_positions_gaps_and_slow_samples_are_left_out_and_counted(walk):
    path, times = walk
    path, times = path.copy(), times.copy()
    path[100:150] = np.nan
    path[160, 0] = np.nan
    times[10000:] += 60.0
    elsewhere = [times[9999] + 30, times[0] - 5, times[-1] + 5, np.nan]
    spikes = np.concatenate([times[[50, 120, 160, 12000]], elsewhere])
    recording = recording_from_path(path, times, spike_times_s=spikes)
    assert recording.path.spikes.tolist() == [2]
    assert recording.path.duration_s == pytest.approx((20000 - 51) * 0.02)
    assert recording.notes == (
        "1 of 8 spikes left out: no finite time",
        "1 gaps in time_s, 60.02 s in all, belong to no bin",
        "51 of 20000 samples left out: without a position (tracking lost)",
        "2 of 7 spikes left out: before or after the recording",
        "3 of 7 spikes left out: at samples left out or in gaps of the path",
    )
    activity = np.ones((len(times), 2))
    activity[7, 1] = np.nan
    for unknown in (activity, np.ma.masked_invalid(activity)):
        with_nan = bin_path(path, times, activity=unknown)
        assert "1 of 20000 samples left out: with NaN activity" in with_nan.notes
    still = path.copy()
    still[3000:6000] = path[3000]
    moving = bin_path(still, times, activity=np.ones(len(times)), min_speed_m_s=0.02)
    assert 2900 < 20000 - 51 - len(moving.seconds) < 4000
    assert any("slower than 0.02 m/s" in note for note in moving.notes)
    rare = bin_path(path, times, activity=np.ones(len(times)), min_occupancy_s=0.5)
    np.testing.assert_array_equal(np.isnan(rebin(rare)[0]), rare.occupancy_s < 0.5)


def test_speed_is_distance_over_time():
    times = np.arange(200) * 0.02
    path = np.stack([0.3 * times, 0.4 * times], axis=1)
    np.testing.assert_allclose(speeds(path, times), 0.5)


PATH = {
    "positions_m": np.random.default_rng(1).uniform(-0.5, 0.5, (2000, 2)),
    "time_s": np.arange(2000) * 0.02,
}
SPIKES = {"spike_times_s": np.linspace(0, 39, 50), "spike_units": np.arange(50) % 3}
ACTIVITY = {"activity": np.random.default_rng(2).random((2000, 4))}
MAPS = {"rate_maps": np.random.default_rng(3).random((3, 10, 12)), "bin_size_m": 0.05}


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "file.npz", **arrays)
        return tmp_path / "file.npz"

    return save


def test_npz_of_maps(saved):
    file = saved(**MAPS)
    recording = load_recording(file)
    np.testing.assert_array_equal(recording.maps, MAPS["rate_maps"])
    assert recording.bin_size_m == 0.05 and recording.units == (0, 1, 2)
    assert recording.kind == "maps" and recording.path is None
    assert load_recording(str(file), bin_size_m=0.05).bin_size_m == 0.05
    with pytest.raises(InputError, match=r"0\.05 m in the data, but bin_size_m was given as 0\.02"):
        load_recording(file, bin_size_m=0.02)
    axes = {"x": np.arange(12) * 0.05 + 3, "y": np.arange(11) * 0.05}
    more = {"occupancy": np.ones((10, 12)), "units": ["a", "b", "c"]}
    full = load_recording(saved(**MAPS, **axes, **more))
    assert full.units == ("a", "b", "c") and full.occupancy.shape == (10, 12)
    np.testing.assert_allclose(full.centre_m, (3.275, 0.25))
    derived = load_recording(saved(rate_maps=MAPS["rate_maps"], x=np.arange(12) * 0.05))
    assert derived.bin_size_m == pytest.approx(0.05)
    integers = load_recording(saved(rate_maps=np.arange(60).reshape(2, 5, 6), bin_size_m=[1]))
    assert integers.maps.dtype == np.float64


def test_masks_faint_units_and_doubtful_metres(saved):
    maps = np.ma.masked_less(MAPS["rate_maps"], 0.2)
    found = recording_from_maps(maps, bin_size_m=0.05).maps
    np.testing.assert_array_equal(np.isnan(found), maps.mask)
    faint = MAPS["rate_maps"] * np.array([1.0, 1e-200, 0.0])[:, None, None]
    recording = recording_from_maps(faint, bin_size_m=0.05)
    assert recording.maps[0].any() and not recording.maps[1].any() and faint[1].any()
    assert recording.notes[-1] == "1 units stay below 1e-30 and count as silent"
    activity = recording_from_path(**PATH, activity=ACTIVITY["activity"] * [1.0, 1.0, 1e-200, 0.0])
    assert activity.notes == recording.notes[-1:] and not np.nan_to_num(activity.maps[2]).any()
    centimetres = recording_from_maps(MAPS["rate_maps"], bin_size_m=2.5)
    note = "the arena is 30 m wide in bins of 2.5 m: bin_size_m must be in metres"
    assert centimetres.notes[-1] == note
    wide = PATH | ACTIVITY | {"positions_m": 100 * PATH["positions_m"]}
    path = load_recording(saved(**wide), bin_size_m=0.9)
    assert any("positions_m must be in metres" in note for note in path.notes)
    for size in (1e-9, 1e300):
        with pytest.raises(InputError, match="bin_size_m must be positive"):
            recording_from_maps(MAPS["rate_maps"], bin_size_m=size)
    with pytest.raises(InputError, match="cannot read"):
        load_recording("x" * 300 + ".npz")


def test_falling_axes_are_turned_round():
    maps = np.arange(12.0).reshape(1, 3, 4)
    recording = recording_from_maps(maps, x=np.arange(4), y=-np.arange(3), occupancy=maps[0])
    np.testing.assert_array_equal(recording.maps, maps[:, ::-1])
    np.testing.assert_array_equal(recording.occupancy, maps[0, ::-1])
    assert recording.notes == ("y falls: the maps were turned round along it",)


def test_npy_and_one_map(tmp_path):
    np.save(tmp_path / "maps.npy", MAPS["rate_maps"][0])
    assert load_recording(tmp_path / "maps.npy", bin_size_m=0.1).maps.shape == (1, 10, 12)
    with pytest.raises(InputError, match="--bin-size"):
        load_recording(tmp_path / "maps.npy")


def test_npz_of_a_path(saved):
    recording = load_recording(saved(**PATH, **SPIKES, bin_size_m=0.1))
    assert recording.maps.shape == (3, 10, 10)
    assert recording.units == (0, 1, 2) and recording.bin_size_m == 0.1
    coarser = load_recording(saved(**PATH, **SPIKES, bin_size_m=0.1), bin_size_m=0.2)
    assert coarser.maps.shape == (3, 5, 5)
    activity = load_recording(saved(**PATH, **ACTIVITY))
    assert activity.maps.shape == (4, 40, 40) and activity.kind == "activity"
    assert recording.unsmoothed().shape == recording.maps.shape
    alone = load_recording(saved(**PATH, spike_times_s=SPIKES["spike_times_s"]))
    assert alone.units == (0,)
    three = PATH | {"spike_times_s": np.arange(3.0)}
    named = load_recording(saved(**three, spike_units=["b", "a", "b"], units=["a", "b", "silent"]))
    assert named.units == ("a", "b", "silent") and named.path.spikes.tolist() == [1, 2, 0]
    sparse_ids = load_recording(saved(**three, spike_units=np.array([900.0, -4, 17])))
    assert sparse_ids.units == (-4, 17, 900)
    coarse = load_recording(saved(**PATH | ACTIVITY | {"time_s": 2.0 * np.arange(2000)}))
    assert coarse.notes == ("samples are 2 s apart: time_s must be in seconds",)
    thin = load_recording(saved(**PATH, **ACTIVITY), bin_size_m=0.01)
    assert thin.notes[0].startswith("only 18% of the bins were visited")


@pytest.fixture
def evaluated(tmp_path):
    groups = {}
    for walk, arena in (("smooth", 2.0), ("smooth", 4.0), ("uniform", 6.0)):
        n = round(arena / 0.1)
        centres = bin_centres(arena, 0.1)[0, :, 0]
        rate = np.random.default_rng(n).random((3, n, n)).astype(np.float32)
        groups[f"/{walk}_{arena:g}m"] = xr.Dataset(
            {
                "rate": (("unit", "y", "x"), rate),
                "occupancy": (("y", "x"), np.ones((n, n), dtype=np.int32)),
                "silent": ("unit", [False, True, False]),
            },
            coords={"unit": [0, 1, 2], "y": centres, "x": centres},
            attrs={"arena_m": arena, "bin_size_m": 0.1, "walk": walk},
        )
    xr.DataTree.from_dict(groups).to_netcdf(tmp_path / "ratemaps.nc", engine="h5netcdf")
    return tmp_path / "ratemaps.nc"


def test_nc_of_an_evaluation(evaluated):
    assert load_recording(evaluated).group == "smooth_4m"
    (evaluated.parent / "summary.json").write_text(json.dumps({"headline": {"group": "smooth_2m"}}))
    recording = load_recording(evaluated)
    assert recording.group == "smooth_2m"
    assert recording.maps.shape == (3, 20, 20) and recording.bin_size_m == 0.1
    assert (recording.maps[1] == 0).all()
    assert recording.notes == ("1 of 3 units are silent by the evaluation's threshold",)
    assert recording.occupancy.shape == (20, 20)
    assert load_recording(evaluated, group="uniform_6m").maps.shape == (3, 60, 60)
    with pytest.raises(InputError, match="there are smooth_2m, smooth_4m, uniform_6m"):
        load_recording(evaluated, group="smooth_3m")
    (evaluated.parent / "summary.json").write_text("broken")
    assert load_recording(evaluated).group == "smooth_4m"


def test_nc_of_others(tmp_path):
    file = tmp_path / "others.nc"
    rate = ("x", "unit", "y"), np.random.default_rng(0).random((5, 2, 4))
    xr.Dataset({"rate": rate}, coords={"x": np.arange(5) * 0.1}).to_netcdf(file, engine="h5netcdf")
    recording = load_recording(file)
    assert recording.maps.shape == (2, 4, 5)
    assert recording.group is None and recording.bin_size_m == pytest.approx(0.1)
    others = (
        {"rate": (("unit", "y", "here"), np.zeros((2, 4, 5)))},
        {"speed": ("time", np.zeros(3))},
    )
    messages = "have dimensions unit, y, here", "no variable rate"
    for variables, message in zip(others, messages, strict=True):
        xr.Dataset(variables).to_netcdf(file, engine="h5netcdf")
        with pytest.raises(InputError, match=message):
            load_recording(file)


def maps_with(**changes):
    return MAPS | changes


def activity_with(**changes):
    return PATH | ACTIVITY | changes


def spikes_with(**changes):
    return PATH | SPIKES | changes


RATES, POSITIONS = MAPS["rate_maps"], PATH["positions_m"]
NAN_UNIT = np.stack([np.ones(2000), np.full(2000, np.nan)], axis=1)
ONE = {"positions_m": np.ones((1, 2)), "time_s": np.ones(1), "activity": np.ones((1, 1))}
OBLONG = {"rate_maps": RATES, "x": np.arange(12) * 0.1, "y": np.arange(10) * 0.2}
BACK = np.r_[0:1000, 998:1998] * 0.02
BAD_ARRAYS = [
    ({}, "holds no arrays; needed are rate_maps"),
    ({"a": np.ones(3), "positions_m": np.ones(3)}, "holds a, positions_m; needed are"),
    (PATH, "holds positions_m, time_s; needed are"),
    (PATH | SPIKES | ACTIVITY, "activity and spike_times_s: keep one"),
    (PATH | SPIKES | MAPS, "rate_maps and a path: keep one"),
    ({"rate_maps": RATES}, "--bin-size"),
    (maps_with(bin_size_m=0.0), "must be positive"),
    (maps_with(bin_size_m=np.ones(3)), "must be one number"),
    (maps_with(rate_maps=np.ones(9)), r"must be \(unit, y, x\)"),
    (maps_with(rate_maps=np.ones((3, 2, 9))), "at least 3 bins"),
    (maps_with(rate_maps=np.ones((0, 5, 5))), "no units"),
    (maps_with(rate_maps=np.full((3, 5, 5), np.nan)), "every bin of every rate map is NaN"),
    (maps_with(rate_maps=np.full((3, 5, 5), np.inf)), "infinite"),
    (maps_with(rate_maps=np.ones((3, 5, 5)) * 1j), "real numbers, not complex128"),
    (maps_with(rate_maps=np.full((3, 5, 5), "a")), "real numbers, not <U1"),
    (maps_with(rate_maps=np.full((3, 5, 5), None)), "pickled Python objects"),
    (maps_with(rate_maps=1e300 * RATES), "beyond 1e\\+100: give it in another unit"),
    (maps_with(x=np.arange(12) ** 1.1), "not evenly spaced"),
    (maps_with(x=np.arange(10)), "12 centres or 13 edges"),
    (maps_with(x=np.arange(12)), "spacing of the bins is 1 m"),
    (OBLONG, "only square bins"),
    (maps_with(occupancy=np.ones((12, 10))), "occupancy must be"),
    (maps_with(occupancy=np.full((10, 12), "a")), "occupancy must be real numbers, not <U1"),
    (maps_with(occupancy=np.full((10, 12), 1j)), "occupancy must be real numbers, not complex128"),
    (maps_with(units=[1, 2]), "names 2 units, but there are 3"),
    (maps_with(units=[1, 1, 2]), "twice"),
    (maps_with(units=[0.5, 1, 2]), "units must be whole numbers"),
    (activity_with(positions_m=POSITIONS.T), "transpose it"),
    (activity_with(positions_m=np.ones((2000, 3))), r"must be \(time, 2\)"),
    (activity_with(positions_m=np.full((2000, 2), np.nan)), "all are NaN"),
    (activity_with(positions_m=np.full((2000, 2), np.inf)), "infinite"),
    (activity_with(positions_m=100 * POSITIONS), "are positions_m in metres"),
    (activity_with(positions_m=np.zeros((2000, 2))), "fewer than 3 bins"),
    (activity_with(time_s=np.arange(7)), "2000 samples but time_s has 7"),
    (activity_with(time_s=BACK), "sample 1000 .* does not come after sample 999"),
    (activity_with(time_s=np.full(2000, np.nan)), "2000 NaN or infinite"),
    (ONE, "at least 2 samples"),
    (activity_with(activity=np.ones((4, 2000))), "4 samples but time_s has 2000; transpose it"),
    (activity_with(activity=np.full((2000, 2), 1e200)), "reaches 1e\\+200, beyond 1e\\+100"),
    (activity_with(activity=np.full((2000, 2), np.inf)), "infinite"),
    (activity_with(activity=NAN_UNIT), "unit 1 is NaN throughout"),
    (activity_with(activity=np.ones((2000, 0))), "no units"),
    (spikes_with(spike_times_s=np.arange(50) + 1e3), "none of the 50 spikes lies in the recording"),
    (spikes_with(spike_units=np.zeros(7, dtype=int)), "50 spikes but spike_units has 7"),
    (spikes_with(spike_units=np.full(50, 0.5)), "spike_units must be whole numbers"),
    (spikes_with(units=[0, 1]), "holds 2, which is not among the units"),
    (PATH | {"spike_times_s": np.zeros(0)}, "no spikes"),
    (PATH | {"spike_times_s": np.array(["a", "b"])}, "real numbers"),
]


@pytest.mark.parametrize("arrays, message", BAD_ARRAYS, ids=[m[:40] for _, m in BAD_ARRAYS])
def test_bad_arrays_are_one_clear_line(saved, arrays, message):
    with pytest.raises(InputError, match=message) as raised:
        load_recording(saved(**arrays))
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 250


def test_bad_files_are_one_clear_line(tmp_path, saved):
    good = saved(**MAPS)
    files = {
        "text.npz": b"hello",
        "cut.npz": good.read_bytes()[:200],
        "empty.npy": b"",
        "pickle.npy": b"\x80\x04N.",
        "text.nc": b"hello",
        "empty.nc": b"",
        "data.mat": b"MATLAB",
        "none": b"",
    }
    damaged = bytearray(good.read_bytes())
    damaged[400] ^= 255
    files |= {"damaged.npz": bytes(damaged), "archive.npy": good.read_bytes()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name) as raised:
            load_recording(tmp_path / name, bin_size_m=0.05)
        assert "\n" not in str(raised.value)
    np.save(tmp_path / "objects.npy", np.full((3, 5, 5), None), allow_pickle=True)
    with pytest.raises(InputError, match=r"objects\.npy"):
        load_recording(tmp_path / "objects.npy", bin_size_m=0.05)
    (tmp_path / "run" / "evaluation").mkdir(parents=True)
    (tmp_path / "run" / "evaluation" / "ratemaps.nc").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a folder; give a file, such as .*ratemaps\.nc"):
        load_recording(tmp_path / "run")
    with pytest.raises(InputError, match="there is no file"):
        load_recording(tmp_path / "missing.npz")
    with pytest.raises(InputError, match="has no groups"):
        load_recording(good, group="smooth_2m")


def test_sizes_are_read_before_data(tmp_path):
    # A header that promises terabytes, and no data behind it.
    huge = np.lib.format.header_data_from_array_1_0(np.zeros(1)) | {"shape": (1000, 10000, 10000)}
    with (
        zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive,
        archive.open("rate_maps.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, huge)
    with pytest.raises(InputError, match=r"would take 800 GB; up to 4 GB are read"):
        load_recording(tmp_path / "huge.npz", bin_size_m=0.05)
    path = PATH | {"activity": np.ones((2000, 1000))}
    with pytest.raises(InputError, match=r"the rate maps .* would take"):
        recording_from_path(**path, bin_size_m=0.00101, smoothing_bins=0)


@pytest.mark.parametrize(
    "name, value",
    [
        ("bin_size_m", 0.0),
        ("bin_size_m", np.nan),
        ("smoothing_bins", -1.0),
        ("min_occupancy_s", np.nan),
        ("min_speed_m_s", -1.0),
        ("arena_m", (1, 2, 3)),
        ("arena_m", -1.0),
        ("arena_m", 0.01),
        ("arena_m", (5, 6, 5, 6)),
    ],
)
def test_bad_settings(name, value):
    with pytest.raises(InputError):
        recording_from_path(**PATH, **ACTIVITY, **{name: value})


def test_activity_or_spikes():
    with pytest.raises(InputError, match="either"):
        recording_from_path(**PATH)
    with pytest.raises(InputError, match="either"):
        bin_path(PATH["positions_m"], PATH["time_s"])


@pytest.mark.skipif(
    not (DATA / "10704-07070407_POS.mat").is_file(), reason=f"no recordings in {DATA}"
)
def test_a_real_grid_cell(tmp_path):
    from scipy.io import loadmat

    path = loadmat(DATA / "10704-07070407_POS.mat")
    spikes = loadmat(DATA / "10704-07070407_T2C3.mat")["cellTS"]
    np.savez(
        tmp_path / "cell.npz",
        positions_m=np.hstack([path["posx"], path["posy"]]) / 100,
        time_s=path["post"],
        spike_times_s=spikes,
        spike_units=np.zeros_like(spikes),
    )
    recording = load_recording(tmp_path / "cell.npz")
    assert recording.maps.shape == (1, 40, 40) and recording.notes == ()
    assert recording.path.spikes.tolist() == [2326]
    scores = score_maps(recording.maps, bin_size_m=recording.bin_size_m)
    assert scores.minmax[0] > 1.2 and scores.spacing_m[0] == pytest.approx(0.47, abs=0.01)
    assert spatial_test(recording.unsmoothed()).z[0] > 10
    assert split_half_stability(*split_halves(recording.path))[0] > 0.6
    assert 7 <= find_fields(recording.maps, bin_size_m=recording.bin_size_m).count[0] <= 9
