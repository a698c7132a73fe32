"""Scores on planted truth: perfect, noisy, sheared, square, band, place and noise maps."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from gridcode import InputError
from gridcode.analysis.cells import autocorrelogram
from gridcode.analysis.cells.autocorrelogram import as_maps, autocorrelograms, smooth
from gridcode.analysis.cells.gridness import _bilinear, _rotation_correlations, score_maps
from gridcode.analysis.cells.lattice import MIN_ANGLE_DEG, MIN_PEAK, _peaks, fit_lattices
from gridcode.analysis.synthetic import band_cell, bin_centres, lattice_cell, noise_maps, place_cell

BIN = 0.05
ARENA = bin_centres(4.0, BIN)


def score(*maps, **options):
    return score_maps(np.stack(maps), bin_size_m=BIN, **options)


def naive_correlogram(a, min_overlap=20):
    n, m = a.shape
    out = np.full((2 * n - 1, 2 * m - 1), np.nan)
    for dy in range(-n + 1, n):
        for dx in range(-m + 1, m):
            one = a[max(dy, 0) : n + min(dy, 0), max(dx, 0) : m + min(dx, 0)]
            two = a[max(-dy, 0) : n + min(-dy, 0), max(-dx, 0) : m + min(-dx, 0)]
            both = np.isfinite(one) & np.isfinite(two)
            if both.sum() >= min_overlap and min(one[both].std(), two[both].std()) > 1e-6:
                out[dy + n - 1, dx + m - 1] = np.corrcoef(one[both], two[both])[0, 1]
    return out


def test_autocorrelogram_equals_its_definition(rng):
    maps = 5 + noise_maps(2, 14, correlation_bins=1.5, generator=rng)
    maps[0, 3, 4:9] = np.nan
    maps[1, :, 0] = np.nan
    before = maps.copy()
    got = autocorrelograms(maps)
    np.testing.assert_array_equal(maps, before)
    for one, fast in zip(maps, got, strict=True):
        np.testing.assert_allclose(fast, naive_correlogram(one), atol=1e-9)


def test_autocorrelograms_of_one_arena_equal_their_definition(rng):
    # All units share their unvisited bins, and the arena is not square.
    maps = noise_maps(3, 13, correlation_bins=1.5, generator=rng)[:, :9]
    maps[:, 2, 3:6] = np.nan
    got = autocorrelograms(maps)
    np.testing.assert_allclose(got, got[:, ::-1, ::-1], atol=1e-12)
    for one, fast in zip(maps, got, strict=True):
        np.testing.assert_allclose(fast, naive_correlogram(one), atol=1e-9)


def test_smoothing_keeps_constants_and_holes():
    maps = np.full((1, 10, 12), 3.0)
    maps[0, 2:4, 5] = np.nan
    np.testing.assert_allclose(smooth(maps, 2.0), maps)


def test_smoothing_of_many_maps_equals_that_of_each(rng):
    shared, own = rng.random((2, 3, 12, 10))
    shared[:, 4, 5] = np.nan
    own[rng.random(own.shape) < 0.1] = np.nan
    for maps in (shared, own):
        np.testing.assert_array_equal(
            smooth(maps, 1.3), np.concatenate([smooth(m, 1.3) for m in maps])
        )


def test_samples_between_pixels_equal_those_of_ndimage(rng):
    images = rng.random((3, 9, 7))
    images[1, 2, 3] = images[2, -1, -1] = np.nan
    x, y = rng.uniform(-1, 9, (2, 3, 400))
    # On pixels and corners.
    x[:, :9], y[:, :9] = np.repeat([0.0, 3.0, 6.0], 3), np.tile([0.0, 2.0, 8.0], 3)
    x[:, 9] = np.nan
    for own in (True, False):
        xs, ys = (x, y) if own else (x[:1], y[:1])
        got = _bilinear(images, xs, ys)
        for u, image in enumerate(images):
            at = [np.nan_to_num(c[u if own else 0], nan=-5.0) for c in (ys, xs)]
            expected = ndimage.map_coordinates(image, at, order=1, cval=np.nan, prefilter=False)
            np.testing.assert_allclose(got[u], expected, atol=1e-12)


@pytest.mark.parametrize("unknown", [0.0, 0.1])
def test_rotation_correlations_equal_their_definition(unknown, rng):
    polar, radii = rng.standard_normal((3, 8, 60)), np.arange(1.0, 9.0)
    inner = np.array([1.0, 2.0, 4.0])
    polar[rng.random(polar.shape) < unknown] = np.nan
    turns = (30, 45, 60, 90, 150)
    for degrees, fast in _rotation_correlations(polar, radii, inner, turns).items():
        turned = np.roll(polar, degrees // 3, axis=2)
        for u in range(3):
            for outer in range(8):
                ring = (radii >= inner[u]) & (radii <= radii[outer])
                both = ring[:, None] & np.isfinite(polar[u]) & np.isfinite(turned[u])
                if not ring.any():
                    assert np.isnan(fast[u, outer])
                    continue
                weight = np.broadcast_to(radii[:, None], both.shape)[both]
                covariance = np.cov(polar[u][both], turned[u][both], aweights=weight)
                assert fast[u, outer] == pytest.approx(
                    covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]), abs=1e-9
                )


def naive_peaks(correlogram):
    filled = ndimage.gaussian_filter(
        np.where(np.isfinite(correlogram), correlogram, -1.0), 1.0, mode="nearest"
    )
    highest = ndimage.maximum_filter(filled, size=5, mode="nearest")
    y0, x0 = np.array(filled.shape) // 2
    found = []
    for y in range(1, filled.shape[0] - 1):
        for x in range(1, filled.shape[1] - 1):
            kept = filled[y, x] == highest[y, x] > MIN_PEAK and np.isfinite(correlogram[y, x])
            if kept and (y, x) > (y0, x0):
                sides = [(filled[y, x - 1], filled[y, x + 1]), (filled[y - 1, x], filled[y + 1, x])]
                dx, dy = (
                    0.5 * (a - b) / c if (c := a - 2 * filled[y, x] + b) < 0 else 0.0
                    for a, b in sides
                )
                found.append((x - x0 + dx, y - y0 + dy, filled[y, x]))
    found.sort(key=lambda p: np.hypot(p[0], p[1]))
    return np.array(found).reshape(-1, 3)


def naive_reduction(a, b):
    while True:
        a, b = (b, a) if a @ a > b @ b else (a, b)
        step = np.rint((a @ b) / (a @ a))
        if step == 0:
            return np.stack([a, b if a @ b >= 0 else -b])
        b = b - step * a


def naive_fit(found):
    """One unit's lattice vectors, or None."""
    if len(found) < 2:
        return None
    position, height, length = found[:, :2], found[:, 2], np.hypot(found[:, 0], found[:, 1])
    strong = height > 0.5 * height[length < 2.5 * length[0]].max()
    position, length = position[strong], length[strong]
    (ax, ay), least = position[0], np.sin(np.radians(MIN_ANGLE_DEG))
    others = [
        p
        for p, n in zip(position, length, strict=True)
        if abs(ax * p[1] - ay * p[0]) > least * length[0] * n
    ]
    if not others:
        return None
    basis = naive_reduction(position[0], others[0])
    reach = 1.6 * np.hypot(*basis.T).max()
    for _ in range(4):
        whole = np.rint(position @ np.linalg.inv(basis))
        error = np.hypot(*(position - whole @ basis).T)
        used = (length < reach) & (error < 0.2 * np.hypot(*basis[0])) & whole.any(axis=1)
        if np.linalg.matrix_rank(whole[used]) < 2:
            return None
        basis = naive_reduction(*np.linalg.lstsq(whole[used], position[used], rcond=None)[0])
        reach *= 1.5
    return basis if abs(np.linalg.det(basis)) > least * np.prod(np.hypot(*basis.T)) else None


def maps_of_all_kinds(rng):
    noise = 0.2 * rng.standard_normal((7, *ARENA.shape[:2]))
    planted = [
        lattice_cell(ARENA, spacing_m=0.8, orientation_deg=11, phase_m=(0.1, 0.2)),
        lattice_cell(ARENA, spacing_m=0.55, angle_deg=77, ratio=1.1, orientation_deg=-17),
        lattice_cell(ARENA, spacing_m=0.7, angle_deg=90, orientation_deg=32),
        band_cell(ARENA, spacing_m=0.6, orientation_deg=20),
        place_cell(ARENA, centre_m=(0.3, -0.5)),
        *noise_maps(2, 80, correlation_bins=4.0, generator=rng),
    ]
    empty = [np.zeros((80, 80)), np.ones((80, 80)), np.full((80, 80), np.nan)]
    maps = np.stack([*(np.stack(planted) + noise), noise[0], *empty])
    maps[1, 10:14, 30:60] = maps[5, rng.random((80, 80)) < 0.3] = np.nan
    return maps


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_lattices_of_many_maps_equal_those_fitted_one_by_one(smoothing, rng):
    correlograms = autocorrelograms(smooth(maps_of_all_kinds(rng), smoothing))
    fitted = fit_lattices(correlograms)
    assert np.isfinite(fitted.spacing[:3]).all() and np.isnan(fitted.spacing[-3:]).all()
    for u, correlogram in enumerate(correlograms):
        found = naive_peaks(correlogram)
        _, position, height = _peaks(correlogram[None])
        np.testing.assert_allclose(np.column_stack([position, height]), found, atol=1e-9)
        basis = naive_fit(found)
        if basis is None:
            assert np.isnan(fitted.vectors[u]).all()
        else:
            basis = basis[::-1] if np.linalg.det(basis) < 0 else basis
            np.testing.assert_allclose(fitted.vectors[u], basis, atol=1e-9)


def test_scores_do_not_depend_on_the_units_beside_them(rng, monkeypatch):
    maps = maps_of_all_kinds(rng)
    together = score_maps(maps, bin_size_m=BIN)
    monkeypatch.setattr(autocorrelogram, "CACHED_FLOATS", 1)  # blocks of one unit
    for u, one in enumerate(maps):
        alone = score_maps(one, bin_size_m=BIN)
        for field in dataclasses.fields(alone):
            got, expected = getattr(alone, field.name), getattr(together, field.name)[u : u + 1]
            if field.name == "reason":
                assert got == expected
            else:
                np.testing.assert_allclose(got, expected, atol=1e-9, err_msg=field.name)


def test_no_maps_have_no_scores():
    s = score_maps(np.zeros((0, 9, 9)), bin_size_m=BIN)
    assert s.grid_score.shape == (0,) and s.vectors_m.shape == (0, 2, 2) and s.reason == ()


@pytest.mark.parametrize("spacing", [0.4, 0.7, 1.0])
@pytest.mark.parametrize("orientation", [-25.0, 0.0, 10.0])
def test_hexagonal_cell(spacing, orientation, rng):
    shape = {"spacing_m": spacing, "orientation_deg": orientation}
    clean = lattice_cell(ARENA, phase_m=(0.13, 0.29), **shape)
    s = score(clean, clean + 0.3 * rng.standard_normal(clean.shape))
    assert (s.grid_score > 1.2).all() and (s.mean60 > 1.2).all() and (s.corrected > 1.2).all()
    assert (s.square < 0.5).all()
    np.testing.assert_allclose(s.spacing_m, spacing, rtol=0.02)
    np.testing.assert_allclose(s.orientation_deg, orientation, atol=1.0)
    np.testing.assert_allclose(s.axis_ratio, 1.0, atol=0.04)


def test_square_cell_is_no_hexagon_until_its_shear_is_undone():
    s = score(lattice_cell(ARENA, spacing_m=0.8, angle_deg=90, orientation_deg=12))
    assert s.grid_score[0] < -0.5 and s.square[0] > 1.0 and s.corrected[0] > 1.0
    assert s.axis_ratio[0] == pytest.approx(1 / np.sqrt(3), abs=0.02)
    np.testing.assert_allclose(np.hypot(*s.vectors_m[0].T), 0.8, rtol=0.02)


def test_sheared_cell_recovers_its_lattice_vectors():
    s = score(lattice_cell(ARENA, spacing_m=0.9, angle_deg=75, ratio=1.1, orientation_deg=-20))
    assert s.corrected[0] > 1.0 and s.corrected[0] > s.grid_score[0] + 0.5
    length = np.sort(np.hypot(*s.vectors_m[0].T))
    np.testing.assert_allclose(length, [0.9, 0.99], rtol=0.02)
    cosine = s.vectors_m[0, 0] @ s.vectors_m[0, 1] / np.prod(length)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(75, abs=1)
    assert s.orientation_deg[0] == pytest.approx(-20, abs=1)


def test_band_and_place_cells_are_no_lattices(rng):
    noise = 0.05 * rng.standard_normal((2, *ARENA.shape[:2]))
    s = score(
        band_cell(ARENA, spacing_m=0.7, orientation_deg=20) + noise[0],
        place_cell(ARENA, centre_m=(0.4, -0.3), width_m=0.25) + noise[1],
    )
    assert s.grid_score[0] < 0.5 and s.corrected[0] < 0.5
    assert not s.grid_score[1] > 0.5


@pytest.mark.parametrize("correlation", [2.0, 4.0])
def test_noise_rarely_passes_the_conventional_threshold(correlation, rng):
    s = score_maps(noise_maps(200, 80, correlation_bins=correlation, generator=rng), bin_size_m=BIN)
    assert np.mean(s.grid_score > 0.5) < 0.12
    assert np.nanmedian(s.grid_score) < 0.2


def test_scores_do_not_depend_on_phase_scale_or_offset():
    phases = ((0, 0), (0.3, 0.1), (-0.2, 0.35))
    maps = [lattice_cell(ARENA, spacing_m=0.8, phase_m=p) for p in phases]
    s = score(*maps, 40 * maps[0] + 7)
    np.testing.assert_allclose(s.grid_score, s.grid_score[0], atol=0.08)
    assert s.grid_score[3] == pytest.approx(s.grid_score[0])


def test_mirrored_and_turned_maps_keep_their_score():
    cell = lattice_cell(ARENA, spacing_m=0.8, orientation_deg=8, angle_deg=66, phase_m=(0.1, 0.2))
    s = score(cell, np.rot90(cell), cell[::-1], cell.T)
    np.testing.assert_allclose(s.grid_score, s.grid_score[0], atol=0.03)
    np.testing.assert_allclose(s.spacing_m, s.spacing_m[0], rtol=0.01)


def test_missing_scores_are_nan_with_a_reason():
    holes = np.full((80, 80), np.nan)
    s = score(np.zeros((80, 80)), np.ones((80, 80)), holes)
    assert np.isnan(s.grid_score).all() and np.isnan(s.spacing_m).all()
    assert s.reason == ("silent", "constant map", "no visited bin")


def test_unvisited_bins_and_integers_are_fine():
    cell = lattice_cell(ARENA, spacing_m=0.8)
    holed = cell.copy()
    holed[10:14, 30:60] = np.nan
    counts = np.rint(20 * cell).astype(np.int64)
    s = score(cell, holed, counts)
    np.testing.assert_allclose(s.grid_score, s.grid_score[0], atol=0.1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_masked_bins_are_unvisited(dtype, rng):
    maps = (20 * lattice_cell(ARENA, spacing_m=0.8)[None]).astype(dtype)
    mask = rng.random(maps.shape) < 0.1
    masked = np.ma.masked_array(np.where(mask, 999, maps), mask)
    expected = np.where(mask, np.nan, maps)
    np.testing.assert_array_equal(as_maps(masked), expected)
    assert type(as_maps(masked)) is np.ndarray and masked.data[mask].min() == 999
    one, other = (score_maps(m, bin_size_m=BIN) for m in (masked, expected))
    np.testing.assert_array_equal(one.grid_score, other.grid_score)


def test_non_square_arena():
    s = score_maps(lattice_cell(bin_centres(4.0, BIN)[:60], spacing_m=0.6)[None], bin_size_m=BIN)
    assert s.grid_score[0] > 1.0


@pytest.mark.parametrize("orientation", [-25.0, 10.0, 25.0])
def test_a_wide_track_is_wide_enough_for_a_lattice(orientation):
    # 2.2 x 0.4 m: lags of a spacing and more are known along the track only.
    track = np.stack(np.meshgrid(np.arange(88) * 0.025, np.arange(16) * 0.025), axis=-1)
    cell = lattice_cell(track, spacing_m=0.35, orientation_deg=orientation, phase_m=(0.1, 0.05))
    for maps in (cell, cell.T):
        s = score_maps(maps[None], bin_size_m=0.025)
        assert s.grid_score[0] > 1.2 and s.corrected[0] > 1.2
        assert s.spacing_m[0] == pytest.approx(0.35, rel=0.05)


@pytest.mark.parametrize(
    "bad", [np.zeros(5), np.zeros((2, 2, 2, 2)), np.zeros((2, 2)), np.full((5, 5), np.inf)]
)
def test_bad_maps(bad):
    with pytest.raises(InputError):
        score_maps(bad, bin_size_m=BIN)
    with pytest.raises(InputError, match="bin_size_m"):
        score_maps(np.zeros((9, 9)), bin_size_m=0.0)
