"""Planted codes on a line and in a volume are found, and noise is not."""

import json

import numpy as np
import pytest
from scipy import ndimage

import gridcode
from gridcode import InputError
from gridcode.analysis.dimensions.evaluate import evaluate_line
from gridcode.analysis.dimensions.groups import group_periods, relate_periods
from gridcode.analysis.dimensions.line import find_periods, shuffled_lines
from gridcode.analysis.dimensions.order import find_fields_3d, hard_spheres, local_order
from gridcode.analysis.dimensions.rates import BinnedRates, rates_of_walk
from gridcode.analysis.dimensions.reading import path_errors
from gridcode.analysis.dimensions.shared import shared_lattice, shared_waves
from gridcode.analysis.dimensions.text import line_paragraph
from gridcode.analysis.dimensions.waves import find_waves, independent, random_phase_volumes
from gridcode.analysis.system import System
from gridcode.cli import main
from gridcode.world.walks import smooth_walk

BIN_M = 0.04
LINE = (np.arange(300) + 0.5) * BIN_M - 6.0
SIDE_M = 2.4
MIDDLES = (np.arange(24) + 0.5) * 0.1 - SIDE_M / 2
CUBE = np.stack(np.meshgrid(MIDDLES, MIDDLES, MIDDLES, indexing="ij"), axis=-1)


def ring(period, width, units, rng, noise=0.05):
    away = (LINE - rng.uniform(0, period, (units, 1)) + period / 2) % period - period / 2
    rates = np.exp(-(away**2) / (2 * width**2))
    return rates + noise * rng.standard_normal(rates.shape)


def cells(waves, units, rng, noise=0.1):
    """Cells of cosines with these wave vectors (wave, 3), cycles a metre, in any direction."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    waves = np.asarray(waves) @ turn.T
    phase = rng.uniform(-1, 1, (units, 3))
    sums = np.cos(2 * np.pi * (CUBE - phase[:, None, None, None]) @ waves.T).mean(axis=-1)
    rates = np.exp(3 * sums - 3)
    return rates + noise * rng.standard_normal(rates.shape)


def bumps(centres, width=0.13):
    away = ((CUBE[..., None, :] - centres) ** 2).sum(axis=-1)
    return np.exp(-away / (2 * width**2)).sum(axis=-1)


# -- the line ------------------------------


@pytest.mark.parametrize(("period", "width"), [(0.5, 0.1), (0.9, 0.1), (0.9, 0.25), (3.0, 0.3)])
def test_planted_periods_are_found(period, width, rng):
    found = find_periods(ring(period, width, 20, rng), bin_size_m=BIN_M, nulls=99)
    assert found.periodic().mean() >= 0.85
    np.testing.assert_allclose(found.period_m[found.periodic()], period, rtol=0.03)
    assert np.median(found.fields) == pytest.approx(12 / period, rel=0.15)


def test_noise_has_no_period(rng):
    fields = [
        sum(
            rng.uniform(0.5, 1) * np.exp(-((LINE - at) ** 2) / (2 * 0.15**2))
            for at in rng.uniform(-6, 6, rng.integers(4, 14))
        )
        for _ in range(60)
    ]
    smooth = [
        np.maximum(ndimage.gaussian_filter1d(rng.standard_normal(300), rng.uniform(4, 15)), 0)
        for _ in range(60)
    ]
    ramps = [sign * LINE + rng.standard_normal(300) for sign in rng.choice([-1, 1], 30)]
    single = [np.exp(-((LINE - at) ** 2) / 0.2) for at in rng.uniform(-6, 6, 30)]
    rates = np.array([*fields, *smooth, *ramps, *single])
    found = find_periods(rates, bin_size_m=BIN_M, nulls=99)
    false = found.periodic()
    assert false[:120].sum() <= 5 and not false[120:].any()  # 1.2 expected
    assert np.nanmean(found.p_value[:120] <= 0.1) < 0.2
    assert np.isnan(found.p_value[150:]).all()
    constant = find_periods(np.ones((2, 300)), bin_size_m=BIN_M, nulls=99)
    assert np.isnan(constant.period_m).all() and not constant.periodic().any()


def test_shuffled_lines_keep_the_fields(rng):
    rate = np.maximum(ring(1.5, 0.1, 1, rng, noise=0)[0], 0)
    lines = shuffled_lines(rate, 50, generator=rng)
    assert lines.shape == (50, 300)
    np.testing.assert_allclose(lines.max(axis=1), rate.max(), rtol=1e-6)
    assert np.median(lines.sum(axis=1)) == pytest.approx(rate.sum(), rel=0.1)
    with pytest.raises(InputError, match="none to shuffle"):
        shuffled_lines(np.ones(300), 3, generator=rng)


def test_groups_and_ratios():
    periods = np.array([0.9] * 5 + [1.36] * 6 + [2.5] * 4 + [7.0] * 2 + [np.nan])
    groups = group_periods(periods)
    assert [(len(g.units), g.period_m) for g in groups] == [(5, 0.9), (6, 1.36), (4, 2.5)]
    first, second, third = relate_periods(groups)
    assert (first.numerator, first.denominator) == (3, 2)
    assert first.miss == pytest.approx(np.log(1.36 / 0.9 / 1.5)) and 0 < first.chance < 0.2
    assert (second.first, second.second) == (0, 2) and third.ratio == pytest.approx(2.5 / 1.36)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((2, 20), {}, "30 bins"),
        ((2, 300), {"bin_size_m": 0.0}, "30 bins"),
        ((2, 300), {"nulls": 5}, "5 nulls"),
    ],
)
def test_lines_that_make_no_sense_are_refused(shape, settings, message):
    with pytest.raises(InputError, match=message):
        find_periods(np.ones(shape), **({"bin_size_m": BIN_M} | settings))


# -- the volume ------------------------------

FCC = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / 0.9
HEXAGONAL = np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]]) / 0.55


def test_planted_lattices_columns_and_planes(rng):
    volumes = np.concatenate(
        [cells(FCC, 4, rng), cells(HEXAGONAL, 2, rng), cells(HEXAGONAL[:1], 2, rng)]
    )
    waves = find_waves(volumes)
    assert list(waves.rank) == [3] * 4 + [2] * 2 + [1] * 2
    own = waves.cycles[waves.unit < 4] / SIDE_M
    np.testing.assert_allclose(np.linalg.norm(own, axis=1).min(), 3**0.5 / 0.9, rtol=0.05)
    mine = waves.unit < 4
    kept = type(waves)(
        waves.rank[:4], waves.unit[mine], waves.cycles[mine], waves.power[mine], waves.height[:4]
    )
    lattice = shared_lattice(kept, side_m=SIDE_M, generator=rng)
    # Wave vectors (1, 1, 1) / a are of a face-centred cubic lattice of edge a.
    lengths = np.linalg.norm(lattice.vectors_m, axis=1)
    np.testing.assert_allclose(lengths, 0.9 / 2**0.5, rtol=0.05)
    assert lattice.packing == pytest.approx(0.74, abs=0.06)
    assert lattice.explained > 0.9 > 0.2 > lattice.chance
    assert len(shared_waves(kept).units) >= 4


def test_random_fields_have_no_waves(rng):
    k = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(24, 1 / 24)] * 3)), axis=0)
    shells = np.fft.ifftn(
        np.fft.fftn(rng.standard_normal((4, 24, 24, 24)), axes=(1, 2, 3)) * ((k > 3) & (k < 4)),
        axes=(1, 2, 3),
    ).real
    smooth = ndimage.gaussian_filter(rng.standard_normal((2, 24, 24, 24)), (0, 2, 2, 2))
    waves = find_waves(np.maximum(np.concatenate([shells, smooth]), 0.0))
    assert (waves.rank > 0).sum() <= 1 and waves.rank.max() <= 1
    lattice = shared_lattice(waves, side_m=SIDE_M, generator=rng)
    assert lattice is None
    drawn = random_phase_volumes(smooth[0], 2, generator=rng)
    np.testing.assert_allclose(np.sort(drawn.reshape(2, -1))[1], np.sort(smooth[0].ravel()))


def test_local_order_is_more_than_hard_spheres(rng):
    loose = hard_spheres(30, 0.3, side_m=SIDE_M, arrangements=12, generator=rng)
    tight = hard_spheres(40, 0.56, side_m=SIDE_M, arrangements=4, generator=rng)
    apart = np.linalg.norm(tight[0][:, None] - tight[0], axis=-1)[np.triu_indices(40, 1)]
    assert apart.min() > 0.5
    found = local_order(np.array([bumps(c) for c in (*loose, *tight)]), side_m=SIDE_M)
    assert (found.p_hard_spheres[:12] <= 0.01).sum() <= 1
    assert (found.p_hard_spheres[12:] <= 0.02).all()
    assert (found.variation[12:] < 0.75 * found.hard_spheres[12:]).all()
    centres, diameter = find_fields_3d(
        bumps(np.array([[0.2, -0.5, 0.7], [-0.6, 0.1, 0.0]])), side_m=SIDE_M
    )
    np.testing.assert_allclose(centres[np.argsort(centres[:, 0])][1], [0.2, -0.5, 0.7], atol=0.03)
    assert 0.25 < diameter < 0.6
    empty = local_order(np.zeros((1, 24, 24, 24)), side_m=SIDE_M)
    assert empty.fields[0] == 0 and np.isnan(empty.variation[0])


def test_independent_directions():
    assert independent(np.zeros((0, 3))) == 0
    assert independent(np.array([[1, 0, 0], [2, 0.1, 0]])) == 1
    assert independent(np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0.1]])) == 2


@pytest.mark.parametrize(
    ("shape", "nulls", "message"),
    [((1, 24, 24, 20), 99, "cube"), ((1, 8, 8, 8), 99, "cube"), ((1, 24, 24, 24), 50, "99 nulls")],
)
def test_volumes_that_make_no_sense_are_refused(shape, nulls, message):
    with pytest.raises(InputError, match=message):
        find_waves(np.ones(shape), nulls=nulls)


# -- systems and runs ------------------------------


def ring_system(period=1.5, units=16):
    """An exact ring: the state is the phase on a circle, read by bumps."""
    phases = np.arange(units) / units

    def bumps_at(phase):
        away = (phase - phases + 0.5) % 1 - 0.5
        return np.exp(-(away**2) / 0.01)

    def step(states, velocities):
        vector = states @ np.exp(2j * np.pi * phases)
        phase = np.angle(vector)[:, None] / (2 * np.pi)
        return bumps_at(phase + velocities / period)

    return System(step, bumps_at(np.zeros(1)), 0.15, extent_m=1.2)


def test_a_system_on_a_line(rng):
    system = ring_system()
    found = evaluate_line(system, nulls=99)
    assert found.active == found.periodic == 16
    (group,) = found.groups
    assert group.units == 16 and group.period_m == pytest.approx(1.5, rel=0.02)
    assert found.path_error_m < 0.02
    assert "16 of 16 active units" in line_paragraph(found)
    walk = smooth_walk(
        arena_m=2.0, steps=50, walkers=20, max_step_m=0.15, generator=rng, dimensions=1
    )
    rates, stability = rates_of_walk(system, walk, bin_size_m=0.1)
    assert rates.shape == (16, 20) and np.nanmin(stability) > 0.9
    assert path_errors(system, walk, side_m=2.0, bins=40).max() < 1.6
    with pytest.raises(InputError, match="fewer than 8 bins"):
        BinnedRates(side_m=0.3, bin_size_m=0.1, dimensions=1, units=2)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_evaluate_dispatches_by_dimension(dimensions, tmp_path, capsys):
    config = gridcode.load_config("quick").override(
        {"world.dimensions": dimensions, "units": 8, "steps": 2, "hidden_widths": [8]}
    )
    run = gridcode.train(config, out=tmp_path / "run")
    size = ["--arena", "4" if dimensions == 1 else "2"]
    assert main(["evaluate", str(run.folder), *size, "--nulls", "99", "--quiet"]) == 0
    assert "active units" in capsys.readouterr().out
    found = json.loads((run.folder / "evaluation" / "dimensions.json").read_text())
    assert found["dimensions"] == dimensions and found["origin"]["step"] == 2
    rows = (run.folder / "evaluation" / "dimensions.csv").read_text().splitlines()
    assert len(rows) == 9
    assert main(["evaluate", str(run.folder), "--evaluation.periods", "3"]) == 2
    assert "arenas in the plane" in capsys.readouterr().err
    plane = gridcode.train(config.override({"world.dimensions": 2}), out=tmp_path / "plane")
    with pytest.raises(InputError, match=r"use gridcode\.evaluate"):
        gridcode.evaluate_dimensions(plane)
