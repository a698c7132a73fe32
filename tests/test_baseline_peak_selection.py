import functools

import numpy as np
import pytest
from scipy import fft
from scipy.special import j0

from gridcode.baselines import load_recipe, making
from gridcode.baselines.making import finish, make, system_of
from gridcode.errors import InputError
from gridcode.runs.run import Run

PHASE = 5 / 8  # phi / 2 pi of inhibition at one distance, on a sheet
SHEET = {"rows": 240, "columns": 60, "fade": 12, "strength": 1.5, "relaxation": 1000}
TINY = {"rows": 40, "columns": 16, "distance": 6.0, "relaxation": 9, "observed": 8}


@functools.cache
def grown(**settings):
    """A recipe and its weights."""
    made = load_recipe("peak_selection", SHEET | settings)
    sheet = made.begin(np.random.default_rng(1))
    for step in range(made.steps):
        sheet.advance(step, np.random.default_rng(step))
    return made, sheet.weights()


def local_peaks(made, weights):
    """Wave number k d / 2 pi of the pattern around rows all along the sheet."""
    rates = np.maximum(weights["inputs"][0], 0)
    rates = rates - rates.mean(axis=1, keepdims=True)
    along, across = fft.fftfreq(512), fft.fftfreq(made.columns)
    wave_number = np.round(16 * made.distance * np.hypot(along[:, None], across)).astype(int)
    found = []
    for middle in range(15, made.rows - 15, 5):
        window = np.exp(-(((np.arange(made.rows) - middle) / 15) ** 2) / 2)
        power = np.abs(fft.fft2(rates * window[:, None], (512, made.columns))) ** 2
        profile = np.bincount(wave_number.ravel(), power.ravel())
        found.append(np.convolve(profile, np.ones(5), "same").argmax() / 16)
    return np.array(found)


def test_periods_jump_between_the_peaks_of_the_fixed_part():
    found = local_peaks(*grown())
    order = np.round(found - PHASE)
    np.testing.assert_allclose(found, order + PHASE, atol=0.2)
    assert set(order) == {3, 2, 1}
    by_order = {m: np.median(found[order == m]) for m in (1, 2, 3)}
    for m in (1, 2):
        ratio = by_order[m + 1] / by_order[m]
        assert ratio == pytest.approx((m + 1 + PHASE) / (m + PHASE), rel=0.06)


def test_without_the_fixed_part_the_period_follows_the_gradient():
    made, weights = grown(fixed=0.0)
    found = local_peaks(made, weights)
    assert np.diff(found).min() > -0.5  # no jump from one peak to the next
    assert len(set(found)) > 8


def test_the_fixed_part_is_a_bessel_function_of_the_wave_number():
    settings = {"rows": 101, "columns": 100, "distance": 20.0, "peaks": (2.0, 2.0)}
    both, graded = (
        load_recipe("peak_selection", settings | {"fixed": fixed}).interaction()
        for fixed in (1.0, 0.0)
    )
    # To the neuron in the middle from all along the axis: the transform at waves across it.
    found = (both - graded)[:, 50].sum(axis=1)
    k = 2 * np.pi * np.arange(len(found)) / 100
    ring = j0(20 * k) * np.exp(-(k**2) / 2)  # a ring one neuron wide
    np.testing.assert_allclose(found, -1.2 * ring, atol=0.02)
    peaks = graded[:, 50].sum(axis=1)
    assert k[peaks.argmax()] == pytest.approx(2 * np.pi * 2 / 20, abs=0.04)
    assert peaks.max() == pytest.approx(1.2, rel=0.01)


def test_the_pattern_follows_the_animal_across_the_axis():
    made, weights = grown()
    system = made.system(weights)
    state = system.start[None]
    for _ in range(10):
        state = system.step(state, np.array([[made.columns / 4 / 10 / made.gain, 0.0]]))
    shape = (made.rows, made.columns)
    before, after = (u[: made.rows * made.columns].reshape(shape) for u in (system.start, state[0]))
    expected = np.roll(before, made.columns // 4, axis=1)
    assert np.corrcoef(after[20:-20].ravel(), expected[20:-20].ravel())[0, 1] > 0.98
    assert system.activity(state).shape == (1, 64)
    assert (system.activity(state) >= 0).all()


def test_a_resumed_run_is_the_same(tmp_path, monkeypatch):
    tiny = load_recipe("peak_selection", TINY)
    whole = make(tiny, tmp_path / "whole", seed=3)

    def stop(progress):
        if progress.step == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(making, "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        make(tiny, tmp_path / "part", seed=3, progress=stop)
    finish(Run.open(tmp_path / "part"))
    assert system_of(whole)[2] == system_of(Run.open(tmp_path / "part"))[2]


@pytest.mark.parametrize(("key", "value"), [("time_step", 0.5), ("strength", 1.0), ("rows", 3)])
def test_bad_settings_are_named(key, value):
    with pytest.raises(InputError, match=f"peak_selection: {key}"):
        load_recipe("peak_selection", {key: value})


def test_a_sheet_smaller_than_its_distance_is_refused():
    with pytest.raises(InputError, match="columns"):
        load_recipe("peak_selection", {"columns": 20, "distance": 26.0})
