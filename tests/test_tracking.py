"""What recordings suffer from, planted: lost tracking, wrong clocks, units twice, odd arenas."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import io, ndimage

from gridcode import InputError
from gridcode.analysis.cells.binning import bin_path, rebin, speeds
from gridcode.analysis.cells.duplicates import shared_spikes, unexplained_correlation
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.tracking import lost_tracking
from gridcode.analysis.synthetic import lattice_cell
from gridcode.recordings.files import load_recording
from gridcode.recordings.recording import recording_from_path

FOLDER = Path(os.environ.get("GRIDCODE_DATA") or Path(__file__).parents[2] / "shared" / "data")
INTERVAL_S = 0.02


def needed(name):
    if not (FOLDER / name).is_file():
        pytest.skip(f"{name} is not in {FOLDER}: name its folder in GRIDCODE_DATA")
    return FOLDER / name


def animal(rng, samples=30000, side=1.0):
    """A path of about 0.2 m/s that fills a square box, and its times."""
    steps = ndimage.gaussian_filter1d(rng.standard_normal((samples, 2)), 15, axis=0)
    path = np.cumsum(0.003 * steps / steps.std(), axis=0)
    folded = np.abs((path + side / 2) % (2 * side) - side) - side / 2
    return folded, 5.0 + INTERVAL_S * np.arange(samples)


@pytest.fixture
def path(rng):
    return animal(rng)


def spikes_of(rng, time, rate_hz):
    counts = rng.poisson(rate_hz * INTERVAL_S, len(time))
    return np.sort(np.repeat(time, counts) + rng.uniform(-0.01, 0.01, counts.sum()))


# Lost tracking


@pytest.mark.parametrize("value", [(-1, -1), (0, 0), (1023, 1023), (10.23, 10.23), (-0.01, -0.01)])
@pytest.mark.parametrize("kind", ["single samples", "runs"])
def test_stand_ins_are_found_to_the_last_sample(value, kind, path, rng):
    positions, time = path
    bad = rng.random(len(time)) < 0.1 if kind == "single samples" else np.arange(30000) % 3000 < 300
    positions[bad] = value
    lost, notes = lost_tracking(positions, time)
    np.testing.assert_array_equal(lost, bad)
    assert notes == (
        f"{bad.sum()} of 30000 samples left out: tracking lost, written as "
        f"({value[0]:g}, {value[1]:g})",
    )
    binned = bin_path(positions, time, activity=np.ones(30000))
    assert binned.shape == (40, 40) and len(binned.time_s) == 30000 - bad.sum()
    if value[0] > 100:
        with pytest.raises(InputError, match="metres"):
            bin_path(positions, time, activity=np.ones(30000), check_tracking=False)


def test_two_stand_ins_beside_unknown_positions(path):
    positions, time = path
    positions[1000:1400], positions[1400:1500], positions[1500:2000] = np.nan, -1.0, 0.0
    positions[:300] = -1.0
    lost, notes = lost_tracking(positions, time)
    assert lost.sum() == 300 + 600 and lost[:300].all() and lost[1400:2000].all()
    assert "written as (-1, -1) and (0, 0)" in notes[0] or "(-1, -1), (0, 0)" in notes[0]


def test_strays_are_found_and_the_path_between_them_kept(path, rng):
    positions, time = path
    true = positions.copy()
    bad = rng.random(len(time)) < 0.01
    bad[5:7] = False
    positions[bad] = rng.uniform(-2, 2, (bad.sum(), 2))
    for first in range(500, 30000, 3000):  # a reflection for 0.3 s
        positions[first : first + 15] = true[first] + (0.6, -0.4) + rng.normal(0, 0.003, (15, 2))
        bad[first : first + 15] = True
    lost, notes = lost_tracking(positions, time)
    assert not (lost & ~bad).any()
    off = np.hypot(*(positions - true).T) > 0.2
    assert (off & ~lost).sum() <= 0.03 * off.sum()
    assert "jumps off the path and back" in notes[0]


def resting(path, rng):
    """Nine tenths of the time at one place, with and without jitter of the tracking."""
    positions, time = path
    positions[2000:15000] = positions[2000]
    positions[15000:29000] = positions[15000] + rng.normal(0, 0.0005, (14000, 2))
    return positions, time


def walks(kind, rng):
    """Paths with long steps, restarts or exact repeats, none of which is an error."""
    steps = rng.uniform(-0.15, 0.15, (8000, 2))
    walk, time = np.cumsum(steps, axis=0), np.arange(8000.0)
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2) * 0.05
    trials = np.cumsum(rng.normal(0, 0.03, (100, 80, 2)), axis=1)
    trials[:, 0] = 0.0
    line = np.tile(np.linspace(0, 2, 400), 20)
    return {
        "reflected": np.abs((walk + 1) % 4 - 2) - 1,
        "periodic": (walk + 1) % 2 - 1,
        "trials from the origin": trials.reshape(-1, 2),
        "independent places": rng.uniform(-0.5, 0.5, (8000, 2)),
        "rows of a grid": np.tile(grid, (5, 1)),
        "grid in random order": rng.permutation(np.tile(grid, (5, 1))),
        "laps that start again": np.stack([line, 0 * line], axis=1),
    }[kind], time


@pytest.mark.parametrize(
    "kind",
    [
        "reflected",
        "periodic",
        "trials from the origin",
        "independent places",
        "rows of a grid",
        "grid in random order",
        "laps that start again",
    ],
)
def test_no_sample_of_a_simulated_walk_is_lost(kind, rng):
    lost, notes = lost_tracking(*walks(kind, rng))
    assert not lost.any()
    assert notes == () or (kind.startswith("trials") and notes[0].endswith("kept"))


def test_no_good_sample_of_an_animal_is_lost(path, rng):
    for positions in (
        path[0],
        np.round(path[0] / 0.02) * 0.02,  # pixels: exact repeats, through (0, 0) too
        resting((path[0].copy(), path[1]), rng)[0],
        path[0] + rng.normal(0, 0.005, path[0].shape),
    ):
        assert not lost_tracking(positions, path[1])[0].any()
    coarse = slice(None, None, 25)  # 2 Hz
    assert not lost_tracking(path[0][coarse], path[1][coarse])[0].any()
    assert lost_tracking(path[0][:10], path[1][:10])[1] == ()


def test_a_path_that_jumps_and_stays_is_kept_and_named(path):
    positions, time = path
    positions[15000:] += 3.0
    lost, notes = lost_tracking(positions, time)
    assert not lost.any() and "the path jumps 1 times" in notes[0]


def test_real_paths_lose_nothing():
    path = io.loadmat(needed("10704-07070407_POS.mat"))
    positions = np.hstack([path["posx"], path["posy"]]) / 100
    lost, notes = lost_tracking(positions, path["post"].ravel())
    assert not lost.any() and notes == ()


def test_a_file_with_lost_tracking():
    recording = load_recording(needed("inputs/lost_tracking_minus1.npz"), bin_size_m=0.025)
    assert recording.maps.shape[1:] == (40, 40)
    assert recording.notes[0].endswith("tracking lost, written as (-1, -1)")


def test_speed_is_measured_across_lost_samples(path):
    positions, time = path
    whole = speeds(positions, time)
    gone = positions.copy()
    gone[::10] = np.nan
    gone[1000:2000] = np.nan
    speed = speeds(gone, time)
    np.testing.assert_array_equal(np.isnan(speed), np.isnan(gone[:, 0]))
    known = np.isfinite(speed) & (np.abs(np.arange(30000) - 1500) > 520)
    np.testing.assert_allclose(speed[known], whole[known], atol=0.05)


# Epochs and speed


def test_intervals_and_speed_limits(path, rng):
    positions, time = path
    activity = rng.random((30000, 1))
    parts = [(time[100], time[199]), (time[20000], time[20999])]
    binned = bin_path(positions, time, activity=activity, intervals_s=parts)
    np.testing.assert_array_equal(binned.time_s, np.append(time[100:200], time[20000:21000]))
    assert binned.notes == ("28900 of 30000 samples left out: outside of the intervals",)
    # Lost tracking elsewhere is nobody's business.
    positions[5000:6000] = -1.0
    assert bin_path(positions, time, activity=activity, intervals_s=parts).notes == binned.notes
    slow = bin_path(positions, time, activity=activity, max_speed_m_s=0.2)
    assert slow.speed_m_s.max() <= 0.2 and "faster than 0.2 m/s" in slow.notes[1]
    for bad, message in (
        ({"intervals_s": [1.0, 2.0, 3.0]}, r"\(interval, 2\)"),
        ({"intervals_s": [[9.0, 8.0]]}, "begin before"),
        ({"intervals_s": [[-9.0, -8.0]]}, "no sample"),
        ({"max_speed_m_s": 0.0}, "max_speed_m_s"),
        ({"smoothing_method": "median"}, "smoothing_method must be one of"),
        ({"smoothing_method": "adaptive"}, "counts spikes"),
    ):
        with pytest.raises(InputError, match=message):
            bin_path(positions, time, activity=activity, **bad)


# Clocks


@pytest.mark.parametrize(
    ("factor", "offset", "words"),
    [
        (1e3, 0, "look like milliseconds: divide by 1000"),
        (1e6, 0, "look like microseconds: divide by 1,000,000"),
        (20000, 0, r"look like sample numbers \(at about 20000 Hz\)"),
        (30000, 0, r"look like sample numbers \(at about 30000 Hz\)"),
        (32000, 0, r"look like sample numbers \(at about 32000 Hz\)"),
        (1, 7200, "do the clocks of spikes and positions start at one time"),
        (1e6, 7.2e9, "to [0-9.]+ microseconds, about as long as the recording"),
        (1, 1e7, "do the clocks of spikes and positions start at one time"),
    ],
)
def test_spikes_on_another_clock_are_refused_by_name(factor, offset, words, path, rng):
    positions, time = path
    spikes = spikes_of(rng, time, 5.0) * factor + offset
    with pytest.raises(InputError, match=words) as raised:
        recording_from_path(positions, time, spike_times_s=spikes)
    assert "\n" not in str(raised.value)
    clock = (-offset / factor, 1 / factor)
    right = recording_from_path(positions, time, spike_times_s=spikes, spike_clock=clock)
    assert right.notes == () and right.path.spikes.sum() > 0.999 * len(spikes)
    with pytest.raises(InputError, match="spike_clock"):
        recording_from_path(positions, time, spike_times_s=spikes, spike_clock=(0.0, 0.0))


def test_a_file_with_spikes_in_milliseconds():
    with pytest.raises(InputError, match=r"of 18447 spikes lie outside .* milliseconds"):
        load_recording(needed("inputs/spikes_in_ms.npz"))


def test_silence_at_an_end_is_named(path, rng):
    positions, time = path
    spikes = spikes_of(rng, time, 5.0)
    assert recording_from_path(positions, time, spike_times_s=spikes).notes == ()
    early = recording_from_path(positions, time, spike_times_s=0.9 * spikes)
    assert any(note.startswith("no spikes in the last 60") for note in early.notes)
    sparse = recording_from_path(positions, time, spike_times_s=spikes[:1500:75])
    assert "no spikes in the last" in sparse.notes[0]


# Units twice


def test_units_that_share_spikes_are_named(path, rng):
    positions, time = path
    rates = (4.0, 4.0, 8.0)
    cells = [spikes_of(rng, time, rate) for rate in rates]
    again = cells[1] + rng.uniform(-3e-4, 3e-4, len(cells[1]))
    missed = again[rng.random(len(again)) < 0.8]
    trains = [*cells, missed, cells[0][:10]]
    share = shared_spikes(trains)
    assert share[1, 3] > 0.95 and np.isnan(share[4]).all() and np.isnan(np.diag(share)).all()
    others = share[[0, 0, 0, 1, 2], [1, 2, 3, 2, 3]]
    assert np.abs(others).max() < 0.03
    np.testing.assert_array_equal(share, share.T)
    naive = np.mean([np.abs(cells[1] - t).min() <= 1e-3 for t in missed])
    assert share[1, 3] == pytest.approx(naive, abs=0.03)
    of = np.repeat([7, 3, 5, 9, 1], [len(t) for t in trains])
    recording = recording_from_path(
        positions, time, spike_times_s=np.concatenate(trains), spike_units=of
    )
    (note,) = recording.notes
    assert note.startswith("units 3 and 9 share") and note.endswith("one cell twice?")
    # In bins of 20 ms, coincidence within 1 ms means nothing.
    coarse = [np.round(t / 0.02) * 0.02 for t in trains]
    assert np.isnan(shared_spikes(coarse)).all()


def test_traces_that_share_their_noise_are_named(path, rng):
    positions, time = path
    field = lattice_cell(positions, spacing_m=0.4)
    noise = rng.standard_normal((30000, 4))
    noise[:, 3] = noise[:, 1] + 0.3 * noise[:, 3]
    activity = field[:, None] + noise
    recording = recording_from_path(positions, time, activity=activity, units=["a", "b", "c", "d"])
    (note,) = recording.notes
    assert note.startswith("units b and d are active together beyond place (correlation 0.9")
    quiet = np.stack([field, lattice_cell(positions, spacing_m=0.4, phase_m=(0.01, 0))], axis=1)
    assert recording_from_path(positions, time, activity=quiet).notes == ()
    twice = recording_from_path(positions, time, activity=quiet[:, [0, 1, 0]] * [1, 1, 3])
    assert twice.notes == ("units 0 and 2 have one and the same rate map: one cell twice?",)
    with pytest.raises(InputError, match="bin"):
        unexplained_correlation(activity, np.full(30000, -1))


# Arenas


@pytest.mark.parametrize("shape", ["circle", "L", "wide track", "slanted track"])
def test_arenas_of_any_outline(shape, rng):
    positions, time = animal(rng, 60000, side=1.6 if "track" not in shape else 1.0)
    x, y = positions.T
    if shape == "circle":
        inside = np.hypot(x, y) < 0.8
    elif shape == "L":
        inside = (x < -0.2) | (y < -0.2)
    else:
        inside = np.ones(len(x), dtype=bool)
        positions = positions * (2.2, 0.4)
        positions = positions if shape == "wide track" else positions @ [[0.8, 0.6], [-0.6, 0.8]]
    positions, time = positions[inside], time[inside]
    cell = lattice_cell(positions, spacing_m=0.35, orientation_deg=10)
    recording = recording_from_path(positions, time, activity=cell, bin_size_m=0.025)
    assert not any("visited" in note for note in recording.notes)
    scores = score_maps(recording.maps, bin_size_m=0.025, smoothing_bins=0)
    assert scores.grid_score[0] > 0.9 and scores.spacing_m[0] == pytest.approx(0.35, rel=0.05)
    assert scores.orientation_deg[0] == pytest.approx(10, abs=2.5)


# Smoothing


def test_smoothing_after_dividing_equals_its_definition(path, rng):
    positions, time = path
    spikes = [spikes_of(rng, time, 3.0)]
    given = {"spikes_s": spikes, "smoothing_method": "after dividing", "min_occupancy_s": 0.2}
    binned = bin_path(positions, time, **given)
    raw = rebin(binned, smoothing_bins=0)[0]
    known = np.isfinite(raw)
    total, weight = (
        ndimage.gaussian_filter(a, 1.5, mode="constant", truncate=30)
        for a in (np.where(known, raw, 0.0), known.astype(float))
    )
    expected = np.where(known, total / weight, np.nan)
    np.testing.assert_allclose(rebin(binned)[0], expected, rtol=1e-9)


def naive_adaptive(spikes, time_s):
    """A circle around every bin, one bin wider each time, until it holds enough."""
    y, x = np.indices(time_s.shape)
    out = np.full(time_s.shape, spikes.sum() / time_s.sum())
    for i, j in zip(y.ravel(), x.ravel(), strict=True):
        for r in range(1, 60):
            circle = (y - i) ** 2 + (x - j) ** 2 <= r**2
            n, s = 50 * time_s[circle].sum(), spikes[circle].sum()
            if n * np.sqrt(s) * r >= 200:
                out[i, j] = s / time_s[circle].sum()
                break
    return np.where(time_s > 0, out, np.nan)


@pytest.mark.parametrize("rate_hz", [0.02, 3.0])
def test_adaptive_smoothing_equals_its_definition(rate_hz, rng):
    positions, time = animal(rng, 6000)
    positions = np.abs(positions) * (1.0, 0.7)  # an oblong box
    spikes = [spikes_of(rng, time, rate_hz), np.zeros(0), time[3000:3001]]
    given = {"bin_size_m": 0.025, "smoothing_method": "adaptive"}
    binned = bin_path(positions, time, spikes_s=spikes, **given)
    raw = np.nan_to_num(rebin(binned, smoothing_bins=0) * binned.occupancy_s)
    for smooth, counts in zip(rebin(binned), np.rint(raw), strict=True):
        np.testing.assert_allclose(smooth, naive_adaptive(counts, binned.occupancy_s), rtol=1e-9)
    # Shifted activity is smoothed anew.
    moved = np.roll(np.bincount(binned.spike_sample[: binned.spikes[0]], minlength=6000), 1000)
    counts = np.bincount(binned.bin_index, moved, minlength=binned.occupancy_s.size)
    expected = naive_adaptive(counts.reshape(binned.shape), binned.occupancy_s)
    np.testing.assert_allclose(rebin(binned, 1000)[0], expected, rtol=1e-9)


def test_all_ways_of_smoothing_find_a_grid_cell(path, rng):
    positions, time = path
    rate = 10 * lattice_cell(positions, spacing_m=0.4, orientation_deg=12)
    spikes = spikes_of(rng, time, rate)
    for method in ("before dividing", "after dividing", "adaptive"):
        recording = recording_from_path(
            positions, time, spike_times_s=spikes, smoothing_method=method
        )
        scores = score_maps(recording.maps, bin_size_m=0.025, smoothing_bins=0)
        assert scores.grid_score[0] > 1.0 and scores.spacing_m[0] == pytest.approx(0.4, rel=0.03)
