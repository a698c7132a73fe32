"""Strengths of plane waves: equal to sums written out, and lattices of few periods found."""

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.cells.lattice import shape_of
from gridcode.analysis.cells.waves import (
    FEWEST_CYCLES,
    FEWEST_CYCLES_OF_A_BAND,
    LARGEST_CYCLES_PER_BIN,
    STEP_CYCLES,
    STEP_DEG,
    lattices_from_waves,
    strengths,
)
from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell

ARENA = bin_centres(1.2, 0.03)


def written_out(rate_map):
    """The definitions in loops over waves, each a sum over the visited bins."""
    rows, columns = rate_map.shape
    y, x = (index.astype(float) for index in np.indices(rate_map.shape))
    known = np.isfinite(rate_map)
    z = rate_map[known] - rate_map[known].mean()
    side, count = min(rows, columns), known.sum()
    # Phases are told from the middle of the map.
    y, x = y[known] - (rows - 1) / 2, x[known] - (columns - 1) / 2
    cycles = np.arange(FEWEST_CYCLES, LARGEST_CYCLES_PER_BIN * side, STEP_CYCLES)
    steps = 180 // STEP_DEG
    turn = {degrees: degrees // STEP_DEG for degrees in (60, 90, 120)}
    a = np.empty((len(cycles), steps), dtype=complex)
    for r, k in enumerate(2 * np.pi / side * cycles):
        for t in range(steps):
            angle = np.radians(t * STEP_DEG)
            wave = np.exp(-1j * k * (x * np.cos(angle) + y * np.sin(angle)))
            a[r, t] = (z * wave).sum() / np.sqrt(count * (z**2).sum())

    def highest(r, t):
        radii = range(max(r - 1, 0), min(r + 2, len(cycles)))
        return max(abs(a[i, (t + j) % steps]) for i in radii for j in (-1, 0, 1))

    hexagonal = sheared = square = -np.inf
    share = 0.0
    for r in range(len(cycles)):
        ring = np.mean([abs(a[r, t]) for t in range(steps)])
        near = np.mean([highest(r, t) for t in range(steps)])
        for t in range(turn[60]):
            one, two, three = (a[r, t + d] for d in (0, turn[60], turn[120]))
            miss = np.angle(one * three * np.conj(two))
            together = np.cbrt(abs(one * two * three)) * np.cos(miss / 3)
            hexagonal = max(hexagonal, 3 * (together - ring))
            places = (t, t + turn[60], t + turn[120])
            sheared = max(sheared, 3 * (np.cbrt(np.prod([highest(r, p) for p in places])) - near))
        for t in range(turn[90]):
            both = np.sqrt(highest(r, t) * highest(r, t + turn[90]))
            square = max(square, 2 * (both - near))
        if cycles[r] >= FEWEST_CYCLES_OF_A_BAND:
            share = max(share, 2 * (np.abs(a[r]) ** 2).max())
    return [hexagonal, sheared, square, share]


@pytest.mark.parametrize("shape", [(20, 20), (19, 21), (15, 15), (12, 31)])
@pytest.mark.parametrize("holed", [False, True])
def test_strengths_are_the_sums_written_out(shape, holed, rng):
    maps = rng.standard_normal((3, *shape))
    if holed:
        maps[:, 2:5, 3:7] = np.nan
        maps[1, -4:] = np.nan
    found = strengths(maps)
    expected = np.array([written_out(one) for one in maps]).T
    np.testing.assert_allclose(found.forms(), expected[:3], rtol=1e-4)
    np.testing.assert_allclose(found.wave_share, expected[3], rtol=1e-4)


def test_strengths_tell_the_forms_apart():
    maps = [lattice_cell(ARENA, spacing_m=0.35, angle_deg=a, orientation_deg=8) for a in (60, 90)]
    hexagonal, square = strengths(np.stack(maps)).forms().T
    band = strengths(band_cell(ARENA, spacing_m=0.3, orientation_deg=25)[None])
    assert hexagonal[0] > 1.3 * square[0] and square[2] > hexagonal[2]
    assert band.wave_share[0] > 0.9 > 0.4 > strengths(np.stack(maps)).wave_share.max()


def test_neither_scale_nor_offset_nor_half_a_turn_matters(rng):
    maps = rng.standard_normal((2, 17, 24))
    one = strengths(maps).forms()
    for other in (1e30 * maps, 1e-200 * maps, maps + 5, maps[:, ::-1, ::-1]):
        np.testing.assert_allclose(strengths(other).forms(), one, rtol=1e-3)


def test_maps_without_variance_have_no_strength():
    flat = np.stack([np.full((20, 20), v) for v in (0.0, 3.0, np.nan)])
    found = strengths(flat)
    assert np.isnan(found.forms()).all() and np.isnan(found.wave_share).all()
    assert np.isnan(lattices_from_waves(flat)).all()
    with pytest.raises(InputError, match="infinit"):
        strengths(np.full((1, 20, 20), np.inf))


@pytest.mark.parametrize("periods", [1.4, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("orientation_deg", [10.0, 40.0])
def test_lattices_of_few_periods_are_read_from_their_waves(periods, orientation_deg, rng):
    """1.2 m over the spacing: few periods blur into one another, many do not."""
    spacing_m = 1.2 / periods
    cell = lattice_cell(
        ARENA, spacing_m=spacing_m, orientation_deg=orientation_deg, phase_m=(0.1, 0.05)
    )
    maps = cell + 0.05 * rng.standard_normal((1, *cell.shape))
    found = shape_of(0.03 * lattices_from_waves(maps))
    wide = periods < 2
    assert found.spacing[0] == pytest.approx(spacing_m, rel=0.12 if wide else 0.04)
    off = (found.orientation_deg[0] - orientation_deg + 30) % 60 - 30
    assert abs(off) < (8 if wide else 3)
    assert found.axis_ratio[0] > 0.8
