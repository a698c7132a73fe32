"""Head direction, speed and borders: planted cells are found, noise is at its nominal rate."""

import numpy as np
import pytest
from scipy import ndimage, special, stats

import gridcode
from gridcode.analysis.cells.binning import bin_path, rebin
from gridcode.analysis.cells.border import (
    border_p_values_by_phase,
    border_p_values_by_shift,
    border_scores,
)
from gridcode.analysis.cells.direction import (
    SMOOTHING_DEG,
    direction_tuning,
    mean_vectors,
    movement_directions,
)
from gridcode.analysis.cells.shift_tests import AllShifts, p_among, p_in_turn
from gridcode.analysis.cells.speed import speed_tuning
from gridcode.analysis.synthetic import bin_centres, lattice_cell, noise_maps, place_cell
from gridcode.analysis.tuning import tuning_of
from gridcode.errors import InputError
from gridcode.recordings.recording import recording_from_maps, recording_from_path

RATE_HZ, SECONDS = 25.0, 600.0
SAMPLES = int(RATE_HZ * SECONDS)
TIME_S = np.arange(SAMPLES) / RATE_HZ


def smooth_noise(rng, seconds, size=1):
    noise = ndimage.gaussian_filter1d(rng.standard_normal((size, SAMPLES)), seconds * RATE_HZ)
    return noise / noise.std(axis=1, keepdims=True)


class Session:
    """A smooth walk in a box of 1 m, with a head that turns about the direction of movement."""

    def __init__(self, seed=0):
        self.rng = rng = np.random.default_rng(seed)
        along = np.cumsum(0.12 * smooth_noise(rng, 0.8, 2) / RATE_HZ, axis=1) + 0.3
        self.positions = np.abs((along.T % 2.0) - 1.0)
        velocity = np.gradient(self.positions, axis=0) * RATE_HZ
        self.speed = np.hypot(*velocity.T)
        heading = np.degrees(np.arctan2(velocity[:, 1], velocity[:, 0]))
        self.direction = (heading + 40.0 * smooth_noise(rng, 1.0)[0]) % 360.0

    def spikes(self, rate, hz=4.0, bursts=0):
        count = self.rng.poisson(rate / rate.mean() * hz / RATE_HZ / (1 + bursts))
        times = np.repeat(TIME_S, count)
        late = self.rng.exponential(0.05, (bursts, len(times))).cumsum(axis=0)
        return np.concatenate([times, (times + late).ravel()])

    def path(self, spikes, **settings):
        settings = {"head_direction_deg": self.direction, "bin_size_m": 0.05} | settings
        return bin_path(self.positions, TIME_S, spikes_s=spikes, **settings)

    def head(self, kappa, preferred=130.0):
        return np.exp(kappa * np.cos(np.radians(self.direction - preferred)))

    def grid(self, spacing_m=0.45):
        return 0.02 + lattice_cell(self.positions - 0.5, spacing_m=spacing_m, orientation_deg=10)

    def wall(self, width_m=0.08):
        return 0.02 + np.exp(-(self.positions[:, 0] ** 2) / (2 * width_m**2))


@pytest.fixture(scope="module")
def session():
    return Session()


def test_a_head_direction_cell_is_found_with_its_mean_vector(session):
    """The mean vector of a von Mises curve, over that of the smoothing."""
    kappas = np.array([0.5, 1.0, 3.0])
    path = session.path([session.spikes(session.head(k), hz=10.0) for k in kappas])
    found = direction_tuning(path, path.head_direction_deg)
    expected = special.ive(1, kappas) / special.ive(0, kappas)
    expected *= np.exp(-0.5 * np.radians(SMOOTHING_DEG) ** 2)
    np.testing.assert_allclose(found.mean_vector_length, expected, atol=0.03)
    np.testing.assert_allclose(found.preferred_direction_deg, 130.0, atol=5.0)
    assert (found.p_value < 1e-4).all() and found.reason == ("", "", "")
    assert found.curve[0].mean() == pytest.approx(10.0, rel=0.1)


def test_when_all_directions_turn_the_preferred_one_turns(session):
    spikes = [session.spikes(session.head(1.0)), session.spikes(session.grid())]
    path = session.path(spikes)
    one = direction_tuning(path, session.direction)
    two = direction_tuning(path, session.direction + 70.0)
    np.testing.assert_allclose(two.mean_vector_length, one.mean_vector_length, rtol=1e-9)
    np.testing.assert_allclose(two.p_value, one.p_value, rtol=1e-6)
    turn = (two.preferred_direction_deg - one.preferred_direction_deg) % 360.0
    np.testing.assert_allclose(turn, 70.0, atol=1e-6)


def test_a_place_cell_that_is_always_crossed_one_way_has_no_head_direction(session):
    """Round and round in a circle: direction is bound to place, and says nothing beyond it."""
    angle = 2 * np.pi * TIME_S / 9.0
    radius = 0.35 + 0.05 * smooth_noise(session.rng, 2.0)[0]
    positions = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    direction = (np.degrees(angle) + 90.0 + 20.0 * smooth_noise(session.rng, 0.5)[0]) % 360.0
    place = place_cell(positions, centre_m=(0.85, 0.5), width_m=0.1)
    head = np.exp(2.0 * np.cos(np.radians(direction - 90.0)))
    spikes = [session.spikes(place + 1e-3), session.spikes(head)]
    path = bin_path(positions, TIME_S, spikes_s=spikes, bin_size_m=0.05)
    found = direction_tuning(path, direction)
    assert found.mean_vector_length[0] > 0.8 and found.p_value[0] > 0.05
    assert found.p_value[1] < 0.01


def test_movement_stands_in_for_the_head_only_where_the_animal_moves():
    angle = np.radians(np.repeat([30.0, 200.0], 50))
    step = 0.01 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    step[20:40] = 0.0
    found = movement_directions(np.cumsum(step, axis=0), np.arange(100) * 0.1)
    np.testing.assert_allclose(found[[5, 80]], [30.0, 200.0], atol=1e-9)
    assert np.isnan(found[25:35]).all()


@pytest.mark.parametrize(("sign", "name"), [(1, "speed"), (-1, "negative speed")])
def test_a_speed_cell_is_found(session, sign, name):
    rate = np.maximum(1.0 + sign * 4.0 * (session.speed - session.speed.mean()), 0.0)
    path = session.path([session.spikes(rate, hz=10.0), session.spikes(np.ones(SAMPLES))])
    found = speed_tuning(path)
    assert sign * found.score[0] > 0.1 and found.p_value[0] < 0.001 < found.p_value[1]
    tuning = tuning_of(path, rebin(path), ("non-spatial",) * 2, bin_size_m=0.05)
    assert tuning["tuning"].values.tolist() == [name, ""]


def test_the_speed_score_is_a_correlation(session):
    path = session.path([session.spikes(1.0 + session.speed)])
    count = np.bincount(path.spike_sample, minlength=SAMPLES)
    used = path.speed_m_s >= 0.05
    plain = speed_tuning(path, filter_s=0.0, min_speed_m_s=0.05).score[0]
    assert plain == pytest.approx(np.corrcoef(count[used], path.speed_m_s[used])[0, 1])
    rate = ndimage.gaussian_filter1d(count.astype(float), 0.25 * RATE_HZ, mode="wrap", truncate=8)
    smooth = speed_tuning(path, min_speed_m_s=0.05).score[0]
    assert smooth == pytest.approx(np.corrcoef(rate[used], path.speed_m_s[used])[0, 1], abs=1e-5)
    # Activity in another unit, or counted from another zero, is the same cell.
    recorded = [
        bin_path(session.positions, TIME_S, activity=a * rate + b, bin_size_m=0.05)
        for a, b in ((1.0, 0.0), (3.0, -7.0))
    ]
    one, two = (speed_tuning(path, filter_s=0.0) for path in recorded)
    np.testing.assert_allclose([one.score, one.p_value], [two.score, two.p_value], rtol=1e-6)


def test_all_shifts_are_those_of_a_loop(rng):
    activity, weights = rng.random(60), rng.standard_normal((2, 60))
    loop = [(weights * np.roll(activity, s)).sum(axis=1) for s in range(60)]
    found = AllShifts(np.fft.rfft(weights), 60)(activity)
    np.testing.assert_allclose(found.T, loop, atol=1e-12)
    null = rng.random(1000)
    assert p_among(null, 0.7, nulls=499) == pytest.approx((1 + 499 * (null >= 0.7).mean()) / 500)


def test_a_test_in_turn_ends_when_the_answer_is_no():
    null = np.arange(500) * 0.618034 % 1.0
    assert p_in_turn(0.9, lambda a, b: null[a:b], nulls=500) == pytest.approx(0.1, abs=0.01)
    seen = []
    p_in_turn(0.2, lambda a, b: seen.append(b) or null[a:b], nulls=500)
    assert seen == [50]
    assert np.isnan(p_in_turn(np.nan, lambda a, b: null[a:b], nulls=500))


@pytest.mark.parametrize("kind", ["bursts", "place"])
def test_noise_is_as_significant_as_it_should_be(kind):
    """Bursts without tuning: p uniform. Cells that depend on place alone: no more than that."""
    session = Session(seed=3)
    rates = np.exp(smooth_noise(session.rng, 4.0, 150))
    if kind == "place":
        centres = session.rng.random((150, 2))
        rates = [place_cell(session.positions, centre_m=tuple(c)) + 0.01 for c in centres]
    path = session.path([session.spikes(r, hz=2.0, bursts=2) for r in rates])
    for p in (direction_tuning(path, path.head_direction_deg).p_value, speed_tuning(path).p_value):
        assert (p <= 0.05).mean() <= 0.1 and (p <= 0.01).mean() <= 0.04
        assert kind == "place" or stats.kstest(p, "uniform").pvalue > 0.01


def strip(depth, bins=20):
    rate = np.zeros((bins, bins))
    rate[:, :depth] = 2.0
    return rate


def test_the_border_score_of_a_strip_along_a_wall():
    """Coverage 1, and half the depth as mean distance."""
    maps = np.stack([strip(depth) for depth in (1, 2, 4)])
    found = border_scores(maps, bin_size_m=0.05)
    np.testing.assert_allclose(found.coverage, 1.0)
    # In the second strip four bins of the inner column are in corners, nearer to another wall.
    np.testing.assert_allclose(found.distance[:2], [1 / 20, 2 / 20 - 2 / 400])
    assert found.score[0] == pytest.approx(19 / 21)
    assert found.score[1] > found.score[2]
    # Uniform firing: coverage 1, and a third of the way to the middle.
    even = border_scores(np.ones((1, 200, 200)), bin_size_m=0.005)
    assert even.score[0] == pytest.approx(0.5, abs=0.01)


def test_the_border_score_does_not_depend_on_the_wall_or_the_unit(rng):
    maps = noise_maps(5, 24, correlation_bins=3.0, generator=rng) ** 2
    one = border_scores(maps, bin_size_m=0.05).score
    for other in (np.rot90(maps, 1, (1, 2)), maps[:, ::-1], 40.0 * maps):
        np.testing.assert_allclose(border_scores(other, bin_size_m=0.05).score, one)
    # The outermost bins are often not visited: the next ones lie along the wall.
    rim = strip(4)
    rim[0], rim[:, 0] = np.nan, np.nan
    assert border_scores(rim, bin_size_m=0.05).coverage[0] == 1.0


def test_without_known_walls_or_a_field_there_is_no_border_score():
    y, x = np.mgrid[:20, :20] - 9.5
    circle = np.where(np.hypot(x, y) < 10, 1.0, np.nan)
    corner = np.where((x > 0) & (y > 0), np.nan, 1.0)
    speck = np.zeros((20, 20))
    speck[10, 10] = 1.0
    found = border_scores(np.stack([circle, corner, speck, 0 * speck]), bin_size_m=0.05)
    assert np.isnan(found.score).all()
    assert "rectangle" in found.reason[0] and "rectangle" in found.reason[1]
    assert "no field of 0.02 m2" in found.reason[2] and "no activity" in found.reason[3]


def test_a_border_cell_is_told_from_place_cells_and_noise(session):
    rates = [session.wall(), np.ones(SAMPLES), session.grid()]
    rates += [0.01 + place_cell(session.positions, centre_m=c) for c in ((0.05, 0.5), (0.5, 0.5))]
    path = session.path([session.spikes(r) for r in rates])
    p = border_p_values_by_shift(path, nulls=199)
    assert p[0] <= 0.01 < p[1:].min()
    maps = rebin(path)
    by_phase = border_p_values_by_phase(maps, bin_size_m=0.05, seed=0, nulls=199)
    assert by_phase[0] <= 0.01 < by_phase[1:].min()
    # The same alone as among others.
    alone = border_p_values_by_phase(maps[3:4], bin_size_m=0.05, seed=0, nulls=199)
    assert alone[0] == by_phase[3]


@pytest.fixture(scope="module")
def scored():
    session = Session(seed=1)
    rates = {
        "grid": session.grid(),
        "conjunctive": session.grid() * session.head(1.5),
        "head": session.head(2.0),
        "fast": 1.0 + 20.0 * session.speed,
        "wall": session.wall(),
        "even": np.ones(SAMPLES),
    }
    spikes = [session.spikes(rate) for rate in rates.values()]
    return session, {
        "spike_times_s": np.concatenate(spikes),
        "spike_units": np.repeat(list(rates), [len(s) for s in spikes]),
        "units": [*rates, "silent"],
        "bin_size_m": 0.04,
    }


def test_a_session_is_described_whole(scored):
    session, spikes = scored
    recording = recording_from_path(
        session.positions, TIME_S, head_direction_deg=session.direction, **spikes
    )
    population = gridcode.score(recording, nulls=99)
    units = {unit.unit: unit for unit in population.summary.units}
    assert {name: unit.tuning for name, unit in units.items()} == {
        "grid": "grid",
        "conjunctive": "grid + head direction",
        "head": "head direction",
        "fast": "speed",
        "wall": "border",
        "even": "",
        "silent": "",
    }
    assert population.summary.tuning["grid + head direction"] == 1
    assert units["head"].preferred_direction_deg == pytest.approx(130.0, abs=5.0)
    assert units["wall"].border_score > 0.6 and units["fast"].speed_p_value < 0.01
    assert units["silent"].tuning_evidence == "no activity"
    assert "mean vector 0." in units["even"].tuning_evidence
    curve = population.data["direction_curve"]
    assert curve.dims == ("unit", "direction") and curve.attrs["source"] == "head"
    assert float(curve.sel(unit="head").idxmax()) == pytest.approx(130.0, abs=15.0)
    again = type(population.summary).from_json(population.summary.to_json())
    assert again == population.summary


def test_what_a_recording_does_not_have_is_missing_with_a_reason(scored):
    session, spikes = scored
    recording = recording_from_path(session.positions, TIME_S, **spikes)
    types = ("hexagonal",) * 7
    silent = np.arange(7) == 6
    settings = {"bin_size_m": 0.04, "silent": silent, "nulls": 99}
    found = tuning_of(recording.path, recording.maps, types, **settings)
    assert np.isnan(found["mean_vector_length"]).all()
    assert "the recording has no head direction" in str(found["tuning_evidence"].values[0])
    assert found["direction_curve"].attrs["source"] == "none"
    moved = tuning_of(recording.path, recording.maps, types, movement_direction=True, **settings)
    assert moved["direction_curve"].attrs["source"] == "movement"
    assert "movement direction" in str(moved["tuning"].values[2])
    maps = tuning_of(None, recording.maps, types, **settings)
    assert np.isnan(maps["speed_score"]).all() and maps["border_p_value"].values[4] < 0.02
    assert "not known from rate maps alone" in str(maps["tuning_evidence"].values[0])


def test_maps_alone_have_a_border_score(rng):
    centres = bin_centres(1.025, 0.025)  # 41 bins: the last of the larger ones is half a one
    wall = np.exp(-((centres[..., 1] - 0.5) ** 2) / (2 * 0.08**2))
    maps = np.stack([wall, lattice_cell(centres, spacing_m=0.4)]) + 0.05 * rng.random((2, 41, 41))
    population = gridcode.score(recording_from_maps(maps, bin_size_m=0.025), nulls=99)
    first, second = population.summary.units
    assert first.tuning == "border" and "border" not in second.tuning
    assert first.speed_score is None and first.mean_vector_length is None


def test_mean_vectors_of_known_curves():
    even, one = np.ones((1, 36)), np.eye(36)[9:10]
    assert mean_vectors(even)[0][0] == 0.0 and np.isnan(mean_vectors(even)[1][0])
    length, direction = mean_vectors(one)
    assert length[0] == pytest.approx(1.0) and direction[0] == pytest.approx(95.0)
    assert np.isnan(mean_vectors(0 * even)[0][0])


def test_directions_that_were_not_visited_leave_no_mean_vector(session):
    path = session.path([session.spikes(session.head(1.0))])
    found = direction_tuning(path, np.where(session.direction < 90.0, np.nan, session.direction))
    assert np.isnan(found.mean_vector_length[0]) and "27 of 36 directions" in found.reason[0]
    assert np.isnan(found.curve[0, :9]).all() and np.isfinite(found.curve[0, 9:]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: direction_tuning(p, np.zeros(5)), "5 directions do not fit"),
        (lambda p: direction_tuning(p, p.speed_m_s, nulls=3), "3 nulls cannot"),
        (lambda p: speed_tuning(p, filter_s=-1.0), "filter_s must be 0 or more"),
        (lambda p: speed_tuning(p, min_speed_m_s=0.5, max_speed_m_s=0.1), "speeds must range"),
        (lambda _: border_scores(np.ones((5, 5)), bin_size_m=0.0), "bin_size_m must be positive"),
        (
            lambda _: border_scores(np.ones((5, 5)), bin_size_m=1.0, min_field_m2=-1.0),
            "min_field_m2 must be 0",
        ),
        (lambda _: mean_vectors(np.full((1, 36), -1.0)), "rates of 0 or more"),
        (lambda p: tuning_of(p, rebin(p), (), bin_size_m=0.05), "0 types and a path of 1"),
    ],
)
def test_bad_input_is_one_line(session, call, message):
    path = session.path([np.arange(100.0)])
    with pytest.raises(InputError, match=message) as raised:
        call(path)
    assert "\n" not in str(raised.value)


def test_nulls_without_a_score_count_as_lower():
    null = np.where(np.arange(200) % 2, np.nan, np.random.default_rng(0).uniform(0, 0.1, 200))
    p = p_in_turn(0.3, lambda first, last: null[first:last], nulls=200)
    assert 0 < p <= 1 / 201
