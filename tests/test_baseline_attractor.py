import numpy as np
import pytest

from gridcode.analysis.evaluate import map_arena
from gridcode.analysis.system import roll
from gridcode.baselines import load_recipe
from gridcode.baselines.making import finish, make, system_of
from gridcode.baselines.neural_sheet import Sheet
from gridcode.config import EvaluationConfig
from gridcode.errors import InputError
from gridcode.runs.run import Run
from gridcode.world.walks import smooth_walk


def settled(**settings):
    made = load_recipe("attractor", settings)
    generator = np.random.default_rng(1)
    growth = made.begin(generator)
    for step in range(1, made.steps + 1):
        growth.advance(step, generator)
    return made, growth.weights()


def test_a_time_step_is_that_of_the_equations(rng):
    """Against the sum over all pairs of neurons and the nearest copies of the torus."""
    n, wavelength, shift, strength, rate = 24, 8.0, 2, 3.0, 0.25
    sheet = Sheet(neurons=n, wavelength=wavelength, shift=shift, strength=strength, rate=rate)
    s, drive = 2 * rng.random((n, n)) * (rng.random((n, n)) < 0.1), np.array([[0.2, -0.1]])
    y, x = np.mgrid[:n, :n]
    east = np.where(y % 2 == 0, np.where(x % 2 == 0, 1, -1), 0)
    north = np.where(y % 2 == 1, np.where(x % 2 == 0, 1, -1), 0)
    beta = 3 / wavelength**2
    total = 1 + drive[0, 0] * east + drive[0, 1] * north
    for j in np.ndindex(n, n):
        for copy in np.ndindex(3, 3):
            up, right = n * (np.array(copy) - 1)
            square = (y - j[0] - shift * north[j] + up) ** 2
            square = square + (x - j[1] - shift * east[j] + right) ** 2
            kernel = np.exp(-1.05 * beta * square) - np.exp(-beta * square)
            total = total + strength * s[j] * kernel
    assert 0.1 < (total > 0).mean() < 0.9
    expected = s + rate * (np.maximum(total, 0) - s)
    found = sheet.by_place(sheet.run(sheet.by_parity(s)[None], drive, 1)[0])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(sheet.by_place(sheet.by_parity(s)), s)


def test_spacing_times_gain_is_constant():
    """Burak and Fiete 2009; and all cells are grid cells of one spacing and orientation."""
    spacings = []
    for gain, steps in ((0.07, 20), (0.14, 40)):
        made, weights = settled(gain=gain, time_steps=steps, cells=16)
        arena = 0.14 / gain
        config = EvaluationConfig(
            arenas_m=(arena,), bin_size_m=arena / 40, samples_per_bin=3, walk_steps=100
        )
        system = made.model_copy(update={"arena_m": arena}).system(weights)
        data = map_arena(system, walk="smooth", arena_m=arena, config=config)
        assert (data["grid_score"] > 0.8).all()
        assert np.ptp(data["orientation_deg"].values) < 5
        spacings.append(float(data["spacing_m"].median()))
    assert spacings[0] == pytest.approx(0.57, abs=0.03)
    assert spacings[1] == pytest.approx(spacings[0] / 2, rel=0.03)


def test_noise_moves_the_pattern_and_is_the_same_again():
    _, weights = settled()
    walk = smooth_walk(
        arena_m=2.0, steps=15, walkers=4, max_step_m=0.15, generator=np.random.default_rng(2)
    )
    quiet, some, much = (
        roll(load_recipe("attractor", {"noise": noise}).system(weights), walk)
        for noise in (0.0, 0.1, 0.3)
    )
    again = roll(load_recipe("attractor", {"noise": 0.3}).system(weights), walk)
    np.testing.assert_array_equal(much, again)
    apart = [np.linalg.norm(x[-1] - quiet[-1], axis=-1).mean() for x in (some, much)]
    assert 0 < apart[0] < apart[1]
    assert not np.array_equal(much[-1, 0] - quiet[-1, 0], much[-1, 1] - quiet[-1, 1])


def test_resumed_is_uninterrupted(tmp_path):
    made = load_recipe("attractor", {"neurons": 24, "cells": 8})
    whole = make(made, tmp_path / "whole", seed=3)

    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == made.steps - 3:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gridcode.baselines.making.CHECKPOINT_EVERY_S", 0.0)
        with pytest.raises(Stop):
            make(made, tmp_path / "cut", seed=3, progress=stop)
    cut = Run(tmp_path / "cut")
    finish(cut)
    one, other = system_of(whole), system_of(cut)
    assert one[1:] == other[1:]
    np.testing.assert_array_equal(one[0].start, other[0].start)
    assert whole.metrics_path.read_text() == cut.metrics_path.read_text()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neurons": 47}, "neurons"),
        ({"dt_ms": 5.0}, "dt_ms 5 is above a quarter of tau_ms 10"),
        ({"wavelenght": 13}, "did you mean 'wavelength'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(InputError, match=message):
        load_recipe("attractor", settings)
