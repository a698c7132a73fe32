"""Up is up, right is right, turns are counter-clockwise; lengths in metres, information in bits."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from PIL import Image

import gridcode
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.information import spatial_information
from gridcode.analysis.cells.phases import spatial_phases
from gridcode.analysis.synthetic import bin_centres, lattice_cell
from gridcode.recordings.recording import recording_from_path
from gridcode.report.style import draw_map


def test_a_field_at_the_top_right_is_drawn_at_the_top_right():
    rate = np.zeros((20, 20))
    rate[16, 14] = 1.0  # y = 1.65 m, x = 1.45 m
    middles = np.arange(20) * 0.1 + 0.05
    figure, ax = plt.subplots(figsize=(2, 2))
    ax.set_position((0, 0, 1, 1))
    draw_map(ax, xr.DataArray(rate, {"y": middles, "x": middles}, ("y", "x")), scale_bar=False)
    file = io.BytesIO()
    figure.savefig(file, dpi=100)
    plt.close(figure)
    picture = np.asarray(Image.open(file).convert("RGB")).astype(int)
    row, column = np.argwhere(np.abs(picture - picture[100, 20]).sum(axis=2) > 100).mean(axis=0)
    assert column / picture.shape[1] == pytest.approx(14.5 / 20, abs=0.02)
    assert 1 - row / picture.shape[0] == pytest.approx(16.5 / 20, abs=0.02)


def test_the_state_space_of_a_recorded_path_has_x_first(rng):
    """An arena twice as wide as high: positions of states spread twice as far along x."""
    time_s = np.arange(3000) / 30
    positions = np.stack([rng.uniform(0, 2, 3000), rng.uniform(0, 1, 3000)], axis=1)
    waves = rng.uniform(2, 4, (12, 2))
    activity = np.exp(np.cos(2 * np.pi * positions @ waves.T / 2))
    recording = recording_from_path(positions, time_s, activity=activity, bin_size_m=0.05)
    found = gridcode.state_space(recording, gridcode.score(recording, nulls=99), nulls=19)
    places = found.arrays["population"]["landmark_positions_m"].values
    across, along = np.ptp(places, axis=0)
    assert across == pytest.approx(2.0, abs=0.2) and along == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("angle", [-20.0, 5.0, 20.0])
def test_orientation_is_counter_clockwise_and_spacing_in_metres(angle):
    centres = bin_centres(3.0, 0.05)
    rate = lattice_cell(centres, spacing_m=0.6, orientation_deg=angle)
    found = score_maps(rate[None], bin_size_m=0.05)
    assert found.orientation_deg[0] == pytest.approx(angle, abs=0.5)
    assert found.spacing_m[0] == pytest.approx(0.6, rel=0.01)


def test_phases_move_with_the_field():
    """A lattice moved by a fifth of its first vector has a phase larger by a fifth."""
    centres = bin_centres(3.0, 0.05)
    vectors = np.array([[0.6, 0.0], [0.3, 0.3 * np.sqrt(3)]])
    rates = np.stack(
        [lattice_cell(centres, spacing_m=0.6, phase_m=(at, 0.0)) for at in (0.0, 0.12)]
    )
    first, second = spatial_phases(rates, bin_size_m=0.05, vectors_m=vectors)
    moved = (second - first + 0.5) % 1 - 0.5
    np.testing.assert_allclose(moved, [0.2, 0.0], atol=0.01)


def test_a_cell_that_fires_in_one_bin_of_sixteen_carries_four_bits_a_spike():
    rate = np.zeros((1, 4, 4))
    rate[0, 0, 0] = 5.0
    assert spatial_information(rate).bits_per_spike[0] == pytest.approx(4.0)
