"""Cells with and without a lattice, as spikes along a walk in a box of 1 m."""

import numpy as np

from gridcode.analysis.cells.binning import bin_path
from gridcode.analysis.synthetic import noise_maps, scattered_fields

GRID = 80  # true rates are drawn on as many bins a metre
MARGIN = GRID  # and as many beyond each wall, for fields that drift
SAMPLE_S, SESSION_S = 0.04, 1200.0
SPEED_M_S, TURN_S = 0.2, 1.0  # root mean square of the speed; how long a velocity lasts
SMOOTHING_M = 0.0375  # 1.5 bins of 2.5 cm
ROWS = np.sqrt(3) / 2  # distance of two rows of fields over the spacing


def walk(generator):
    """Times (s) and positions (m): a velocity of random turns, mirrored at the walls."""
    steps = round(SESSION_S / SAMPLE_S)
    keep = np.exp(-SAMPLE_S / TURN_S)
    push = generator.standard_normal((steps, 2)) * SPEED_M_S * np.sqrt((1 - keep**2) / 2)
    velocity = np.zeros((steps, 2))
    for t in range(1, steps):
        velocity[t] = keep * velocity[t - 1] + push[t]
    free = generator.uniform(0, 1, 2) + np.cumsum(velocity * SAMPLE_S, axis=0)
    return SAMPLE_S * np.arange(steps), 1 - np.abs(1 - free % 2)


def lattice(generator, *, periods, axis_ratio=1.0, square=False, jitter=0.05, uneven=0.3):
    """Rates (y, x) of one cell, margin included, with fields at random phase and orientation.

    Args:
        generator: source of randomness.
        periods: rows of fields in the arena.
        axis_ratio: short over long axis of the ellipse through six neighbours.
        square: a square lattice with as many fields instead.
        jitter: standard deviation of a field's place, over the spacing.
        uneven: standard deviation of a field's height, over the mean.
    """
    spacing = 1 / (ROWS * periods)
    angles = np.radians([0.0, 90.0 if square else 60.0])
    basis = spacing * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    basis *= np.sqrt(ROWS) if square else 1.0
    stretch = np.diag([axis_ratio**-0.5, axis_ratio**0.5])
    basis = basis @ turn(generator) @ stretch @ turn(generator)
    most = int(4 / spacing) + 2
    index = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 2), axis=-1).reshape(-1, 2)
    centre = (index + generator.uniform(0, 1, 2)) @ basis
    centre += jitter * spacing * generator.standard_normal(centre.shape)
    centre = centre[(np.abs(centre - 0.5) < 1.7).all(axis=1)]
    height = np.maximum(1 + uneven * generator.standard_normal(len(centre)), 0.05)
    line = (np.arange(GRID + 2 * MARGIN) + 0.5 - MARGIN) / GRID
    along = np.exp(-((line - centre[:, :, None]) ** 2) / (2 * (0.17 * spacing) ** 2))
    return np.einsum("f,fy,fx->yx", height, along[:, 1], along[:, 0])


def turn(generator):
    """A rotation by a random angle."""
    a = generator.uniform(0, 2 * np.pi)
    return np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def cut(units, generator):
    """Noise that is not periodic, with mean 0 and variance 1: a quarter of a larger plane."""
    maps = noise_maps(units, 2 * GRID, correlation_bins=4.0, generator=generator)[:, :GRID, :GRID]
    maps = maps - maps.mean(axis=(1, 2), keepdims=True)
    return maps / maps.std(axis=(1, 2), keepdims=True)


def place_cells(units, generator):
    """One field of 5 to 15 cm each."""
    line = (np.arange(GRID) + 0.5) / GRID
    centre, width = generator.uniform(0, 1, (units, 2, 1)), generator.uniform(0.05, 0.15, units)
    along = np.exp(-((line - centre) ** 2) / (2 * width[:, None, None] ** 2))
    return np.einsum("uy,ux->uyx", along[:, 0], along[:, 1])


def border_cells(units, generator):
    """A field of 5 to 10 cm along one wall each."""
    line = (np.arange(GRID) + 0.5) / GRID
    field = np.exp(-line / generator.uniform(0.05, 0.1, (units, 1)))
    maps = np.repeat(field[:, None], GRID, axis=1)
    return np.array([np.rot90(m, k) for m, k in zip(maps, np.arange(units), strict=True)])


# The seven families of experiments/calibration, and two kinds of cells.
FAMILIES = {
    "noise smoothed by 2.5 cm": lambda n, g: noise_maps(n, GRID, correlation_bins=2.0, generator=g),
    "noise smoothed by 5 cm": lambda n, g: noise_maps(n, GRID, correlation_bins=4.0, generator=g),
    "noise smoothed by 7.5 cm": lambda n, g: noise_maps(n, GRID, correlation_bins=6.0, generator=g),
    "the same by 5 cm, rectified": lambda n, g: np.maximum(cut(n, g), 0.0),
    "the same by 5 cm, exponentiated": lambda n, g: np.exp(cut(n, g)),
    "12 fields at random places": lambda n, g: scattered_fields(
        n, GRID, fields=12, width_bins=4.0, generator=g
    ),
    "30 fields at random places": lambda n, g: scattered_fields(
        n, GRID, fields=30, width_bins=4.0, generator=g
    ),
    "place cells": place_cells,
    "border cells": border_cells,
}


def session(rates, spikes, generator, *, bins, background=0.1, drift_m=0.0):
    """A binned path with the spikes of cells along one walk.

    Args:
        rates: (unit, y, x) true rates in any unit, with or without the margin.
        spikes: (unit,) expected number of spikes of each.
        generator: source of randomness.
        bins: of a side of the maps.
        background: share of the spikes that fall anywhere.
        drift_m: how far the fields move through the session, each cell's in its own direction.
    """
    time, position = walk(generator)
    moved = np.linspace(-0.5, 0.5, len(time))[:, None] * drift_m
    margin = (rates.shape[1] - GRID) // 2
    trains = []
    for rate, number in zip(rates, spikes, strict=True):
        at = position + moved * turn(generator)[0]
        x, y = (
            np.clip(at * GRID, 0, GRID - 1e-9).T if not margin else at.T * GRID + margin
        ).astype(int)
        along = rate[y, x] / rate[y, x].mean()
        expected = number * ((1 - background) * along + background) / len(time)
        trains.append(np.repeat(time, generator.poisson(expected)))
    return bin_path(
        position,
        time,
        spikes_s=trains,
        bin_size_m=1 / bins,
        arena_m=(0.0, 1.0, 0.0, 1.0),
        smoothing_bins=SMOOTHING_M * bins,
        check_tracking=False,
    )
