"""Position decoded from recorded cells: planted errors, chance, and nothing learnt from itself."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from planted import lattice_vectors, turned
from scipy import ndimage

import gridcode
from gridcode import InputError, cli
from gridcode.analysis.modules.detection import Module
from gridcode.analysis.position.decoding import decode_path
from gridcode.analysis.position.places import arena_places, shortest_offsets, unit_cell_places
from gridcode.analysis.position.readout import PRIOR_S, lay, most_probable_bins
from gridcode.analysis.position.windows import cut_windows
from gridcode.analysis.synthetic import lattice_cell, place_cell
from gridcode.api import scoring
from gridcode.recordings.recording import recording_from_maps, recording_from_path

INTERVAL_S, PEAK_HZ, WIDTH_M = 0.04, 10.0, 0.1


def wander(rng, seconds, side=1.0, speed_m_s=0.15):
    """A smooth path that fills a box, and its times."""
    n = round(seconds / INTERVAL_S)
    steps = ndimage.gaussian_filter1d(rng.standard_normal((n, 2)), 12, axis=0)
    steps *= speed_m_s * INTERVAL_S / np.hypot(*steps.T).mean()
    path = np.cumsum(steps, axis=0)
    return np.abs((path + side / 2) % (2 * side) - side) - side / 2, INTERVAL_S * np.arange(n)


def fire(rng, rates, times):
    """Poisson spikes: their times and units."""
    count = rng.poisson(rates * INTERVAL_S)
    at, unit = np.nonzero(count)
    count = count[at, unit]
    jitter = rng.uniform(-0.49, 0.49, count.sum()) * INTERVAL_S
    return {
        "spike_times_s": np.repeat(times[at], count) + jitter,
        "spike_units": unit.repeat(count),
    }


def place_rates(rng, path, units=60):
    centres = rng.uniform(-0.6, 0.6, (units, 2))
    cells = [place_cell(path, centre_m=tuple(c), width_m=WIDTH_M) for c in centres]
    return PEAK_HZ * np.stack(cells, axis=1)


def grid_rates(rng, path, units=20, **lattice):
    places = rng.random((units, 2)) @ lattice_vectors(**lattice)
    cells = [lattice_cell(path, phase_m=tuple(p), **lattice) for p in places]
    return PEAK_HZ * np.stack(cells, axis=1)


def recorded(rng, path, times, rates, **settings):
    spikes = fire(rng, rates, times)
    settings = {"bin_size_m": 0.05, "units": np.arange(rates.shape[1])} | settings
    return recording_from_path(path, times, **spikes, **settings)


def scored(recording, *lattices):
    """What `score` would find: modules of these lattices, each of so many units in turn."""
    modules, first = [], 0
    for units, vectors in lattices:
        members = np.arange(first, first + units)
        modules.append(Module(members, vectors, 0.4, 0.0, 1.0, 0.01, 0.5, 0.01, 0.001))
        first += units
    return SimpleNamespace(
        data=recording.dataset(), modules=SimpleNamespace(modules=tuple(modules))
    )


def noise(rng, units=8, seconds=100, hz=4.0, **settings):
    path, times = wander(rng, seconds)
    return recorded(rng, path, times, np.full((len(times), units), hz), **settings)


def test_place_cells_are_decoded_near_the_least_possible_error(rng):
    """Fisher information of tiled Poisson cells: 2 pi density peak T in each direction."""
    path, times = wander(rng, 600)
    rates = place_rates(rng, path)
    away = np.array([3.0, -1.0])
    found = gridcode.decode(recorded(rng, path + away, times, rates, bin_size_m=0.025))
    density = 60 / 1.2**2
    least = math.sqrt(2 * math.log(2) / (2 * math.pi * density * PEAK_HZ * found.window_s))
    assert least < found.median_error_m < 1.6 * least
    assert found.p_value == 0.01 and found.chance_m > 10 * found.median_error_m
    assert found.constant_m == pytest.approx(0.36, abs=0.03)
    assert (found.fold_median_m < 2 * least).all() and len(found.fold_median_m) == 5
    error = np.linalg.norm(found.decoded_m - found.positions_m, axis=1)
    np.testing.assert_allclose(found.error_m, error)
    assert np.abs(found.positions_m - away).max() < 0.6
    at = np.interp(found.time_s, times, path[:, 0] + 3.0)
    np.testing.assert_allclose(found.positions_m[:, 0], at, atol=0.06)


def test_activity_is_decoded_whatever_its_zero_and_sign(rng):
    path, times = wander(rng, 300)
    values = place_rates(rng, path, 30) + 5 * rng.standard_normal((len(times), 30))
    found, same = (
        gridcode.decode(
            recording_from_path(path, times, activity=given, bin_size_m=0.05), shifts=19
        )
        for given in (values, 100 - 3 * values)
    )
    assert found.median_error_m < 0.06 and found.p_value == 0.05 and found.kind == "activity"
    assert same.median_error_m == pytest.approx(found.median_error_m, rel=0.05)


def test_activity_without_noise_and_constant_units(rng):
    """As of a network: exact, and a unit that never changes says nothing."""
    path, times = wander(rng, 300)
    values = np.concatenate([place_rates(rng, path, 30), np.full((len(times), 1), 0.3)], axis=1)
    recording = recording_from_path(path, times, activity=values, bin_size_m=0.05)
    found = gridcode.decode(recording, shifts=19)
    assert found.median_error_m < 0.04
    assert found.notes == ("1 of 31 units are of constant activity and say nothing",)


def test_the_phase_of_each_module_is_decoded_from_its_own_cells(rng):
    path, times = wander(rng, 600)
    spacings = (0.36, 0.5)
    rates = [
        grid_rates(rng, path, 9, spacing_m=s, orientation_deg=o)
        for s, o in zip(spacings, (4.0, 20.0), strict=True)
    ]
    recording = recorded(rng, path, times, np.concatenate(rates, axis=1))
    lattices = (
        lattice_vectors(s, orientation_deg=o) for s, o in zip(spacings, (4.0, 20.0), strict=True)
    )
    population = scored(recording, *((9, vectors) for vectors in lattices))
    found = gridcode.decode(recording, method="torus", population=population, shifts=19)
    assert [one.module for one in found] == [0, 1]
    for one, spacing in zip(found, spacings, strict=True):
        assert one.p_value == 0.05 and one.median_error_m < 0.15 * spacing
        # Half of a hexagonal cell lies within 0.371 of the spacing from its middle.
        assert one.chance_m == pytest.approx(0.371 * spacing, rel=0.1)
        assert one.error_m.max() < spacing / math.sqrt(3) * 1.05
        assert len(one.units) == 9 and "module" in repr(one)
    # The true phase of a decoded place is that of the true position, up to the error.
    one = found[0]
    share = (one.decoded_m - one.positions_m) @ np.linalg.inv(one.vectors_m)
    assert np.abs(share).max() <= 0.7
    fewer = gridcode.decode(
        recording, method="torus", population=population, shifts=19, units=[0, 1, 9, 10, 11]
    )
    assert [one.units for one in fewer] == [(9, 10, 11)]
    with pytest.raises(InputError, match="has 18 units, but the recording has 8"):
        gridcode.decode(noise(rng), method="torus", population=population)


def test_noise_is_decoded_at_chance():
    """Without smoothing each bin's rate is a few spikes, and still nothing is learnt from them."""
    found = [
        gridcode.decode(
            noise(np.random.default_rng(seed), bin_size_m=0.1, smoothing_bins=0.0),
            shifts=19,
            seed=seed,
        )
        for seed in range(20)
    ]
    p = np.array([one.p_value for one in found])
    assert 0.35 < p.mean() < 0.7 and (p <= 0.1).sum() <= 5
    ratio = [one.median_error_m / one.chance_m for one in found]
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.05)


def test_no_window_learns_from_itself(rng):
    """Each unit fires in one window only: whoever learns from that window knows its place."""
    path, times = wander(rng, 100)
    window = np.arange(len(times)) * INTERVAL_S // 0.5
    middle = np.unique(window, return_index=True)[1] + 5
    recording = recording_from_path(
        path,
        times,
        spike_times_s=np.repeat(times[middle], 3),
        spike_units=np.repeat(np.arange(len(middle)), 3),
        bin_size_m=0.05,
    )
    found = gridcode.decode(recording, shifts=19, folds=4)
    for fold in range(4):
        assert len(np.unique(found.decoded_m[found.fold == fold], axis=0)) == 1


def naive_bins(recording, windows, places, units):
    """Loops over folds, windows and bins; maps by loops over samples."""
    path, found = recording.path, []
    fold_of = np.array([windows.fold[w] if w >= 0 else -1 for w in windows.sample_window])
    for w in range(len(windows)):
        here = np.flatnonzero(windows.sample_window == w)
        train = [i for i, f in enumerate(fold_of) if f not in (-1, windows.fold[w])]
        bins = len(places.centres_m)
        time, total = np.zeros(bins), np.zeros((units, bins))
        seen = np.zeros(units)
        for u in range(units):
            count = np.bincount(
                path.spike_sample[path.spike_start[u] : path.spike_start[u + 1]],
                minlength=len(fold_of),
            )
            for i in train:
                total[u, places.sample_bin[i]] += count[i]
            seen[u] = count[here].sum()
        for i in train:
            time[places.sample_bin[i]] += path.seconds[i]
        mean = total.sum(axis=1) / time.sum()
        smooth_time, smooth = places.smooth(time[None])[0], places.smooth(total)
        best, highest = -1, -math.inf
        for b in np.flatnonzero(time > 0):
            rate = (smooth[:, b] + PRIOR_S * mean) / (smooth_time[b] + PRIOR_S)
            log_p = math.log(smooth_time[b])
            log_p += sum(
                n * math.log(r) - windows.seconds[w] * r for n, r in zip(seen, rate, strict=True)
            )
            if log_p > highest:
                best, highest = b, log_p
        found.append(best)
    return np.array(found)


@pytest.mark.parametrize("torus", [False, True])
def test_the_fast_way_equals_its_definition(rng, torus):
    path, times = wander(rng, 30)
    recording = recorded(rng, path, times, place_rates(rng, path, 4), bin_size_m=0.1)
    windows = cut_windows(recording.path, window_s=1.0, folds=3)
    vectors = lattice_vectors(spacing_m=0.4, orientation_deg=11.0)
    places = unit_cell_places(recording.path, vectors) if torus else arena_places(recording.path)
    found = most_probable_bins(lay(recording.path, np.arange(4)), places, windows)
    np.testing.assert_array_equal(found, naive_bins(recording, windows, places, 4))


def test_shortest_offsets_of_any_basis(rng):
    vectors = lattice_vectors(angle_deg=70.0, ratio=1.3) @ turned(12.0)
    offsets = rng.uniform(-3, 3, (50, 2))
    steps = np.stack(np.meshgrid(*[np.arange(-15, 16)] * 2), axis=-1).reshape(-1, 2) @ vectors
    naive = np.linalg.norm(offsets[:, None] - steps, axis=-1).min(axis=1)
    for basis in (vectors, np.array([[1, 0], [3, 1]]) @ vectors):
        found = shortest_offsets(offsets, vectors_m=basis)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), naive)
        whole = (found - offsets) @ np.linalg.inv(vectors)
        np.testing.assert_allclose(whole, np.rint(whole), atol=1e-9)


def test_folds_are_interleaved_blocks_of_equal_size(rng):
    windows = cut_windows(noise(rng, seconds=300).path, window_s=0.5, folds=5)
    assert len(windows) == 600 and windows.sample_window.max() == 599
    blocks = np.flatnonzero(np.diff(windows.fold)) + 1
    assert len(blocks) == 9 and set(np.diff(blocks)) == {60}
    assert set(np.bincount(windows.fold)) == {120}


def test_lost_tracking_and_unvisited_bins(rng):
    """Windows in gaps are left out and named, and no place is decoded where the path never was."""
    path, times = wander(rng, 200)
    path[500:800] = np.nan
    rates = place_rates(rng, np.nan_to_num(path), 20)
    rates[(path[:, 0] > 0) & (path[:, 1] > 0)] = 0.0
    path[(path[:, 0] > 0) & (path[:, 1] > 0)] = np.nan
    recording = recorded(rng, path, times, rates, smoothing_bins=0.5)
    found = gridcode.decode(recording, shifts=19)
    assert found.p_value == 0.05 and np.isfinite(found.decoded_m).all()
    assert any("windows left out" in note for note in found.notes)
    assert not (found.decoded_m > 0.05).all(axis=1).any()


def test_a_single_unit_few_spikes_and_silent_units(rng):
    path, times = wander(rng, 100)
    one = recorded(rng, path, times, place_rates(rng, path, 1))
    assert np.isfinite(gridcode.decode(one, shifts=19).error_m).all()
    few = recording_from_path(
        path,
        times,
        spike_times_s=np.array([5.0, 50.0]),
        spike_units=np.array([0, 2]),
        units=np.arange(3),
    )
    found = gridcode.decode(few, shifts=19)
    assert found.p_value > 0.05
    assert found.notes == ("1 of 3 units are without spikes on the path and say nothing",)
    with pytest.raises(InputError, match="all 1 units are without spikes"):
        gridcode.decode(few, units=[1])


def test_units_seeds_and_how_it_shows_itself(rng):
    recording = noise(rng)
    found = gridcode.decode(recording, shifts=19, units=[5, 2])
    again = gridcode.decode(recording, shifts=19, units=[2, 5])
    other = gridcode.decode(recording, shifts=19, units=[2, 5], seed=1)
    assert found.units == (2, 5)
    np.testing.assert_array_equal(found.shifted_m, again.shifted_m)
    np.testing.assert_array_equal(found.error_m, other.error_m)
    assert (found.shifted_m != other.shifted_m).any()
    assert repr(found).startswith("Decoding(2 units, 200 windows of 0.5 s: median error 0.")
    assert "one constant guess" in found._repr_html_()
    summary = json.loads(found.summary.model_dump_json())
    assert summary["median_error_m"] == pytest.approx(found.median_error_m, rel=1e-6)
    assert summary["windows"] == 200 and summary["module"] is None
    done = []
    gridcode.decode(recording, shifts=19, progress=lambda *news: done.append(news))
    assert done[-1] == ("position", 20, 20)


def test_windows_are_at_least_one_sample(rng):
    path, times = wander(rng, 200)
    recording = recording_from_path(
        path[::25], times[::25], activity=place_rates(rng, path[::25], 20), bin_size_m=0.1
    )
    found = gridcode.decode(recording, shifts=19)
    assert found.window_s == pytest.approx(1.0) and len(found.error_m) == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "svm"}, "must be 'bayes' or 'torus', not 'svm'"),
        ({"window_s": 0.001}, "shorter than the 0.04 s between samples"),
        ({"window_s": 0.0}, "must be positive"),
        ({"window_s": math.nan}, "must be positive"),
        ({"window_s": 10.0}, "fills 10 windows of 10 s; 5 folds need 50 or more"),
        ({"folds": 1}, "whole number of folds, 2 or more, not 1"),
        ({"folds": 500}, "500 folds need 5000 or more"),
        ({"shifts": 3}, "19 to 1000000 circular shifts, not 3"),
        ({"units": ["b"]}, "no unit 'b'"),
        ({"units": []}, "names no unit"),
        ({"method": "torus", "window_s": 10.0}, "fills 10 windows"),
    ],
)
def test_settings_that_make_no_sense_are_refused(rng, settings, message):
    with pytest.raises(InputError, match=message) as raised:
        gridcode.decode(noise(rng), **settings)
    assert "\n" not in str(raised.value)


def test_maps_alone_cannot_be_decoded(rng):
    with pytest.raises(InputError, match="needs a path"):
        gridcode.decode(recording_from_maps(rng.random((2, 9, 9)), bin_size_m=0.1))
    with pytest.raises(InputError, match="some of the 8 units"):
        decode_path(noise(rng).path, units=[8], names=(8,))


def test_the_command(rng, tmp_path, capsys):
    path, times = wander(rng, 100)
    file = tmp_path / "session.npz"
    spikes = fire(rng, place_rates(rng, path, 20), times)
    np.savez(file, positions_m=path, time_s=times, bin_size_m=0.05, **spikes)
    fast = ["decode", str(file), "--shifts", "19", "--quiet", "--position-only"]
    assert cli.main([*fast, "--json", "--units", "3,4,5,6,7", "--window", "1"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["position"]["units"] == [3, 4, 5, 6, 7] and "modules" not in shown
    assert shown["position"]["windows"] == 100 and shown["position"]["p_value"] == 0.05
    assert cli.main(fast) == 0
    shown = capsys.readouterr().out
    assert "median error (m)" in shown and "200 windows of 0.5 s" in shown
    assert cli.main([*fast, "--units", "33"]) == 2
    assert capsys.readouterr().err == "gridcode: there is no unit '33' in the recording\n"
    np.savez(file, rate_maps=rng.random((2, 9, 9)), bin_size_m=0.1)
    assert cli.main(fast) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_scores_the_cells_to_find_modules(rng, tmp_path, capsys, monkeypatch):
    path, times = wander(rng, 100)
    file = tmp_path / "session.npz"
    spikes = fire(rng, grid_rates(rng, path, 6, spacing_m=0.4), times)
    np.savez(file, positions_m=path, time_s=times, bin_size_m=0.05, **spikes)
    words = ["decode", str(file), "--shifts", "19", "--quiet"]
    lattices = [(6, lattice_vectors(0.4))]
    monkeypatch.setattr(scoring, "score", lambda recording, **_: scored(recording, *lattices))
    assert cli.main([*words, "--json"]) == 0
    (module,) = json.loads(capsys.readouterr().out)["modules"]
    assert module["module"] == 0 and module["p_value"] == 0.05
    assert module["median_error_m"] < 0.08 and module["vectors_m"][0] == [0.4, 0.0]
    assert cli.main(words) == 0
    assert "phase, module 0" in capsys.readouterr().out
    lattices.clear()
    assert cli.main(words) == 0
    assert "no modules to decode phases of" in capsys.readouterr().out
