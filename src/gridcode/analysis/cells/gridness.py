"""Grid scores: how far an autocorrelogram repeats when turned by 60 degrees, and not by 30.

All scores read one table of rotation correlations: the autocorrelogram is sampled once in polar
coordinates, where a rotation is a shift, and the Pearson correlations of all annuli follow from
cumulative sums.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from gridcode.analysis.cells.autocorrelogram import (
    Correlograms,
    Maps,
    as_maps,
    autocorrelograms,
    blocks,
    side_bins,
    smooth,
)
from gridcode.analysis.cells.lattice import fit_lattices
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

ANGLE_STEP_DEG = 3  # divides every rotation in use
# Of the arena's side, which for an oblong arena is that of a square of the same area: further lags
# rest on few common bins.
OUTER_LIMIT = 0.7
# Of the arena, for maps whose central peak is so wide that the first ring lies beyond the limit.
FURTHEST = 0.95


@dataclass(frozen=True)
class GridScores:
    """Scores and lattice of each unit; NaN where it cannot be computed, with the reason.

    Attributes:
        grid_score: min(c60, c120) - max(c30, c90, c150); above 0 only for six-fold symmetry. A
            perfect lattice of narrow fields scores about 1.4.
        mean60: mean(c60, c120) - mean(c30, c90, c150), after Banino et al. 2018, on our annuli.
        square: c90 - mean(c45, c135); high for square lattices.
        corrected: grid_score after the fitted lattice's shear is undone: high for an orderly
            lattice of any shape.
        spacing_m: mean distance of a field's six neighbours, metres.
        orientation_deg: direction of the lattice axis nearest to the x axis, degrees.
        axis_ratio: short over long axis of the ellipse through the six neighbours (1 hexagonal,
            0.58 square).
        ellipse_deg: direction of its long axis, degrees from the x axis, in [0, 180).
        vectors_m: (unit, 2, 2) the two lattice vectors (x, y) in metres.
        spacing_error_m: standard error of the spacing, from the residuals of the fit, metres.
        orientation_error_deg: standard error of the orientation, degrees.
        peaks_used: peaks the lattice rests on, mirror images counted once.
        reason: why a unit's scores are missing, or "".
    """

    grid_score: Float[np.ndarray, " unit"]
    mean60: Float[np.ndarray, " unit"]
    square: Float[np.ndarray, " unit"]
    corrected: Float[np.ndarray, " unit"]
    spacing_m: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    ellipse_deg: Float[np.ndarray, " unit"]
    vectors_m: Float[np.ndarray, "unit 2 2"]
    spacing_error_m: Float[np.ndarray, " unit"]
    orientation_error_deg: Float[np.ndarray, " unit"]
    peaks_used: Int[np.ndarray, " unit"]
    reason: tuple[str, ...]


def _bilinear(images: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Each image (unit, y, x) at (unit or 1, ...) positions in pixels; NaN outside and near NaN."""
    rows, columns = images.shape[1:]
    inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    # The last pixel is the right end of the last interval, not the left end of another.
    left, lower = (np.minimum(v.astype(np.intp), n - 2) for v, n in ((x, columns), (y, rows)))
    x, y = x - left, y - lower
    image = rows * columns * np.arange(len(images)).reshape(-1, *[1] * (x.ndim - 1))
    corner = lower * columns + left + image
    before, after = (
        images.take(corner + row) * (1 - x) + images.take(corner + row + 1) * x
        for row in (0, columns)
    )
    return np.where(inside, before * (1 - y) + after * y, np.nan)


def _polar(
    correlograms: Correlograms, radii: np.ndarray, to_hexagon: np.ndarray | None
) -> Float[np.ndarray, "unit radius angle"]:
    """Sample half of each autocorrelogram at (radius, angle); the other half mirrors it.

    With `to_hexagon` the samples are those of the autocorrelogram after that linear map: what
    stands at p comes from the inverse map of p. Next to an unknown lag a sample is NaN.
    """
    angle = np.radians(np.arange(0, 180, ANGLE_STEP_DEG))
    points = np.stack([np.outer(radii, np.cos(angle)), np.outer(radii, np.sin(angle))])[None]
    if to_hexagon is not None:
        back = np.full_like(to_hexagon, np.nan)
        known = np.isfinite(to_hexagon).all(axis=(1, 2))
        back[known] = np.linalg.inv(to_hexagon[known])
        points = np.einsum("uij,jra->uira", back, points[0])
    centre = (np.array(correlograms.shape[1:]) - 1) / 2
    return _bilinear(correlograms, points[:, 0] + centre[1], points[:, 1] + centre[0])


def _rotation_correlations(
    polar: np.ndarray, radii: np.ndarray, inner: np.ndarray, turns_deg: tuple[int, ...]
) -> dict[int, Float[np.ndarray, "unit outer"]]:
    """Pearson correlation of each annulus with itself turned, for every outer radius.

    Args:
        polar: (unit, radius, angle) samples over 180 degrees, NaN where unknown.
        radii: (radius,) in bins; each sample weighs as much as the area it stands for.
        inner: (unit,) inner radius of the annulus, in bins.
        turns_deg: multiples of ANGLE_STEP_DEG.
    """
    known = np.isfinite(polar)
    angles = polar.shape[2]
    weight = np.where(radii >= inner[:, None], radii, 0.0)
    # Each ring twice, so that the turned samples are a view.
    a, one = np.tile(np.where(known, polar, 0.0), 2), np.tile(known.astype(np.float64), 2)
    aa = a * a

    def total(still: np.ndarray, turned: np.ndarray, shift: int) -> np.ndarray:
        """Sum over each annulus of one quantity times another that is turned."""
        moved = turned[..., angles - shift : 2 * angles - shift]
        ring = np.einsum("ura,ura->ur", still[..., :angles], moved)
        return np.cumsum(weight * ring, axis=1)

    def moments(shift: int) -> list[np.ndarray]:
        """Count, sums and sums of squares over the samples that are known both still and turned."""
        pairs = ((one, one), (a, one), (one, a), (aa, one), (one, aa))
        return [total(still, turned, shift) for still, turned in pairs]

    # Where every sample is known these are the same for every turn.
    whole = moments(0) if known.all() else None
    correlations = {}
    for turn in turns_deg:
        shift = turn // ANGLE_STEP_DEG % angles
        n, sa, sb, saa, sbb = whole or moments(shift)
        covariance = n * total(a, a, shift) - sa * sb
        variance = (n * saa - sa**2) * (n * sbb - sb**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            correlations[turn] = np.where(variance > 1e-20, covariance / np.sqrt(variance), np.nan)
    return correlations


def _inner_radius(polar: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Where the central peak ends: the first minimum of the mean over angles, (unit,) in bins."""
    known = np.isfinite(polar)
    profile = np.where(known, polar, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    profile = ndimage.uniform_filter1d(profile, 3, axis=1, mode="nearest")
    rising = np.diff(profile, axis=1) > 0
    first = np.where(rising.any(axis=1), rising.argmax(axis=1), len(radii) // 4)
    return radii[first]


def _best_annulus(
    score: np.ndarray, radii: np.ndarray, inner: np.ndarray, limit: float
) -> np.ndarray:
    """Maximum over outer radii of the mean of three neighbours, so that no thin ring decides.

    The annulus must be at least as wide as the central peak's radius: it then holds the first ring
    of fields. It ends at `limit` (bins), or where it is just wide enough.
    """
    smooth_score = (score[:, :-2] + score[:, 1:-1] + score[:, 2:]) / 3
    outer, least = radii[None, 1:-1], 2 * inner[:, None]
    usable = (outer >= least) & (outer <= np.maximum(limit, least + 2)) & np.isfinite(smooth_score)
    best = np.where(usable, smooth_score, -np.inf).max(axis=1)
    return np.where(usable.any(axis=1), best, np.nan)


def _scores(
    correlograms: Correlograms,
    radii: np.ndarray,
    limit: float,
    to_hexagon: np.ndarray | None,
    *,
    only_grid_score: bool = False,
) -> dict[str, np.ndarray]:
    polar = _polar(correlograms, radii, to_hexagon)
    inner = _inner_radius(polar, radii)
    turns = (30, 60, 90, 120, 150) if only_grid_score else (30, 45, 60, 90, 120, 135, 150)
    c = _rotation_correlations(polar, radii, inner, turns)
    combined = {
        "grid_score": np.minimum(c[60], c[120]) - np.maximum(np.maximum(c[30], c[90]), c[150])
    }
    if not only_grid_score:
        combined["mean60"] = (c[60] + c[120]) / 2 - (c[30] + c[90] + c[150]) / 3
        combined["square"] = c[90] - (c[45] + c[135]) / 2
    return {name: _best_annulus(score, radii, inner, limit) for name, score in combined.items()}


def _radii(correlograms: Correlograms) -> tuple[np.ndarray, float]:
    """Outer radii to try, and the largest that is free of the widest central peaks; bins."""
    # A wide track has no long lags across, but its long lags along it hold a lattice.
    n = side_bins((correlograms.shape[1] // 2 + 1, correlograms.shape[2] // 2 + 1))
    # The best of three neighbouring outer radii is named after the middle one.
    limit = math.ceil(max(OUTER_LIMIT * n, 5.0)) - 2
    return np.arange(1.0, max(FURTHEST * n, 5.0), 1.0), limit


@takes_arrays
def grid_scores(correlograms: Correlograms) -> Float[np.ndarray, " unit"]:
    """The grid score alone, `grid_score` of `score_correlograms`, of each autocorrelogram."""
    radii, limit = _radii(correlograms)
    return np.concatenate(
        [
            _scores(correlograms[block], radii, limit, None, only_grid_score=True)["grid_score"]
            for block in blocks(len(correlograms), len(radii) * 180 // ANGLE_STEP_DEG)
        ]
    )


@takes_arrays
def score_maps(
    rate_maps: np.ndarray, *, bin_size_m: float, smoothing_bins: float = 1.0
) -> GridScores:
    """Score every rate map and fit its lattice.

    Args:
        rate_maps: (unit, y, x), any unit of activity; NaN marks unvisited bins.
        bin_size_m: side of a bin, metres.
        smoothing_bins: Gaussian smoothing before the autocorrelogram, in bins.

    Raises:
        InputError: wrong shape, infinities, or a bin size that is not positive.

    A maximum over annuli is positively biased on noise: compare scores with those of null maps.
    """
    if not bin_size_m > 0:
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    maps = as_maps(rate_maps)
    correlograms = autocorrelograms(smooth(maps, smoothing_bins))
    return score_correlograms(correlograms, bin_size_m=bin_size_m, reasons=unscorable(maps))


@takes_arrays
def unscorable(maps: Maps) -> tuple[str, ...]:
    """Why each map has no score: silent, constant or never visited; "" where it can have one."""
    known = np.isfinite(maps)
    low = np.where(known, maps, np.inf).min(axis=(1, 2))
    high = np.where(known, maps, -np.inf).max(axis=(1, 2))
    largest = np.maximum(np.abs(low), np.abs(high))
    reasons = np.select(
        [high < low, high - low > 1e-9 * largest, largest > 0],
        ["no visited bin", "", "constant map"],
        "silent",
    )
    return tuple(reasons.tolist())


@takes_arrays
def score_correlograms(
    correlograms: Correlograms, *, bin_size_m: float, reasons: tuple[str, ...] | None = None
) -> GridScores:
    """The same as `score_maps` from autocorrelograms (unit, lag_y, lag_x)."""
    radii, limit = _radii(correlograms)
    lattices = fit_lattices(correlograms)
    parts = [
        (
            _scores(correlograms[block], radii, limit, None),
            _scores(correlograms[block], radii, limit, lattices.to_hexagon[block]),
        )
        for block in blocks(len(correlograms), len(radii) * 180 // ANGLE_STEP_DEG)
    ]
    grid_score, mean60, square = (
        np.concatenate([plain[name] for plain, _ in parts])
        for name in ("grid_score", "mean60", "square")
    )
    corrected = np.concatenate([sheared["grid_score"] for _, sheared in parts])
    unknown = [
        "" if np.isfinite(m) else "autocorrelogram too small or undefined" for m in grid_score
    ]
    # Mean error of a component: along a vector one of length, across it one of direction.
    error = np.sqrt((lattices.vector_error**2).mean(axis=1))
    return GridScores(
        grid_score=grid_score,
        mean60=mean60,
        square=square,
        corrected=np.where(np.isfinite(lattices.spacing), corrected, np.nan),
        spacing_m=lattices.spacing * bin_size_m,
        orientation_deg=lattices.orientation_deg,
        axis_ratio=lattices.axis_ratio,
        ellipse_deg=long_axis_deg(lattices.to_hexagon),
        vectors_m=lattices.vectors * bin_size_m,
        spacing_error_m=error * bin_size_m,
        orientation_error_deg=np.degrees(error / lattices.spacing),
        peaks_used=lattices.peaks_used,
        reason=tuple(r or u for r, u in zip(reasons or unknown, unknown, strict=True)),
    )


@takes_arrays
def long_axis_deg(to_hexagon: Float[np.ndarray, "unit 2 2"]) -> Float[np.ndarray, " unit"]:
    """Long axis of the ellipse through the six neighbours: to a hexagon it shrinks most."""
    angle = np.full(len(to_hexagon), np.nan)
    known = np.isfinite(to_hexagon).all(axis=(1, 2))
    shortened = np.linalg.svd(to_hexagon[known])[2][:, 1]
    angle[known] = np.degrees(np.arctan2(shortened[:, 1], shortened[:, 0])) % 180.0
    return angle
