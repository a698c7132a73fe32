"""Real recordings against published scores; skipped where the recordings are missing.

They are not part of the package: name their folder in GRIDCODE_DATA. Sargolini et al. 2006 (one
grid cell of a rat and its path) and ten rate maps of mouse cells with their published scores, from
the history of the opexebo repository.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import io, ndimage, stats

from gridcode.analysis.cells.autocorrelogram import autocorrelograms
from gridcode.analysis.cells.definitions import _cropped, grid_score
from gridcode.analysis.cells.gridness import score_maps
from gridcode.analysis.cells.nulls import shifts
from gridcode.analysis.cells.significance import significance
from gridcode.analysis.tuning import tuning_of
from gridcode.recordings.recording import recording_from_path

FOLDER = Path(os.environ.get("GRIDCODE_DATA") or Path(__file__).parents[2] / "shared" / "data")
BIN_M, BINS, SAMPLE_S = 0.025, 40, 0.02


def load(name):
    if not (FOLDER / name).is_file():
        pytest.skip(f"{name} is not in {FOLDER}: name its folder in GRIDCODE_DATA")
    return io.loadmat(FOLDER / name, squeeze_me=True)


@pytest.fixture(scope="module")
def recording():
    """Positions (time, 2) in metres and spikes in each sample of 20 ms."""
    path, spike_times = load("10704-07070407_POS.mat"), load("10704-07070407_T2C3.mat")["cellTS"]
    positions = np.stack([path["posx"], path["posy"]], axis=1) / 100
    edges = np.append(path["post"] - SAMPLE_S / 2, path["post"][-1] + SAMPLE_S / 2)
    return positions, np.histogram(spike_times, edges)[0]


def rate_map(positions, spikes, smoothing_bins=1.5):
    """Spikes per second in bins of 2.5 cm, smoothed; NaN where the rat never was."""
    edges = np.linspace(-BINS * BIN_M / 2, BINS * BIN_M / 2, BINS + 1)
    time_s, count = (
        np.histogram2d(*positions[:, ::-1].T, (edges, edges), weights=w)[0]
        for w in (np.full(len(spikes), SAMPLE_S), spikes)
    )
    total, spent = (
        ndimage.gaussian_filter(a, smoothing_bins, mode="constant") for a in (count, time_s)
    )
    return np.where(time_s > 0, total / np.maximum(spent, 1e-12), np.nan)


def test_recorded_grid_cell_is_one(recording):
    rate = rate_map(*recording)
    scores = score_maps(rate, bin_size_m=BIN_M, smoothing_bins=0)
    assert 1.2 < scores.grid_score[0] < 1.5
    assert 1.2 < scores.corrected[0] < 1.6
    assert scores.spacing_m[0] == pytest.approx(0.47, abs=0.015)
    for definition in ("deepmind", "deepmind_minmax", "opexebo", "spatial_maps"):
        assert 1.0 < grid_score(rate, definition=definition)[0] < 1.5
    assert abs(grid_score(rate, definition="square")[0]) < 0.3


@pytest.mark.parametrize("null", ["random phase", "field shuffle"])
def test_recorded_grid_cell_is_none_by_chance(null, recording):
    found = significance(rate_map(*recording), seed=1, nulls=300, smoothing_bins=0, null=null)
    assert found.lattice_p_value[0] < 0.01
    # Of 100 null maps, not all of which have a grid score.
    assert found.grid_score_p_value[0] < 0.02


def test_recorded_grid_cell_beats_its_shifted_spikes(recording):
    positions, spikes = recording
    moved = shifts(len(spikes), 200, sample_s=SAMPLE_S, generator=np.random.default_rng(3))
    maps = np.stack([rate_map(positions, np.roll(spikes, m)) for m in (0, *moved)])
    for scores in (
        grid_score(maps, definition="opexebo"),
        score_maps(maps, bin_size_m=BIN_M, smoothing_bins=0).grid_score,
    ):
        # A shifted map without a score is no better than the cell.
        assert (1 + np.sum(scores[1:] >= scores[0])) / 201 < 0.01
        assert 0.2 < np.nanquantile(scores[1:], 0.95) < 0.7


@pytest.fixture(scope="module")
def mouse():
    data = load("mouse_grids.mat")
    maps, correlograms = (np.stack(list(data[name])) for name in ("rateMaps", "aCorrs"))
    return maps, correlograms, data["gridScores"], data["gridScoresNew"]


def rank_correlation(ours, theirs):
    both = np.isfinite(ours) & np.isfinite(theirs)
    return stats.spearmanr(ours[both], theirs[both])[0]


def test_published_autocorrelograms(mouse):
    maps, correlograms, _, _ = mouse
    ours = _cropped(np.nan_to_num(autocorrelograms(np.nan_to_num(maps), min_overlap_bins=1)))
    np.testing.assert_allclose(ours, correlograms, atol=1e-9)


# The scores beside the maps are those of earlier versions of opexebo: some are equal to those of
# 0.7.2, others near.
@pytest.mark.parametrize(
    ("definition", "least"),
    [("opexebo", 0.95), ("deepmind", 0.7), ("deepmind_minmax", 0.75), ("spatial_maps", 0.6)],
)
def test_published_scores(definition, least, mouse):
    maps, _, earlier, later = mouse
    scores = grid_score(maps, definition=definition)
    assert rank_correlation(scores, earlier) >= least - 0.005
    assert rank_correlation(scores, later) >= least - 0.005
    if definition == "opexebo":
        assert np.sum(np.abs(scores - later) < 1e-7) == 4


def test_own_scores_rank_as_the_published(mouse):
    maps, _, _, later = mouse
    # The maps are smoothed already. They hold one or two fields across: those too wide for an
    # annulus have no score.
    own = score_maps(maps, bin_size_m=0.05, smoothing_bins=0).grid_score
    scored = np.isfinite(own)
    assert scored.sum() >= 4
    assert rank_correlation(own, later) >= 0.6
    assert np.all(own[scored & (later > 0.7)] > 0.5) and np.all(own[scored & (later < 0)] < 0)


def test_the_recorded_grid_cell_is_no_border_cell_and_has_no_speed_score():
    path, spikes = load("10704-07070407_POS.mat"), load("10704-07070407_T2C3.mat")["cellTS"]
    positions = np.stack([path["posx"], path["posy"]], axis=1) / 100
    recording = recording_from_path(positions, path["post"], spike_times_s=spikes)
    found = tuning_of(
        recording.path,
        recording.maps,
        ["hexagonal"],
        bin_size_m=recording.bin_size_m,
        movement_direction=True,
    )
    # opexebo 0.7.2, which smooths the speed as well, gives 0.088 with the same filter and range.
    assert found["speed_score"].values[0] == pytest.approx(0.06, abs=0.01)
    assert found["speed_p_value"].values[0] > 0.05
    assert -0.5 < found["border_score"].values[0] < 0 < 0.05 < found["border_p_value"].values[0]
    assert found["mean_vector_length"].values[0] < 0.1
    assert found["tuning"].values.tolist() == ["grid"]
