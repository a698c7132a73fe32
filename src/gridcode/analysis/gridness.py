"""Grid scores: how far an autocorrelogram looks like itself when turned by 60 degrees, and not by 30.

Every score reads the same table of rotation correlations: the autocorrelogram is sampled once in polar
coordinates, where a rotation is a shift, and the Pearson correlations of all annuli follow from cumulative sums.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from gridcode.analysis.autocorrelogram import Correlograms, Maps, as_maps, autocorrelograms, smooth
from gridcode.analysis.lattice import Lattices, fit_lattices
from gridcode.errors import InputError

ANGLE_STEP_DEG = 3  # divides every rotation in use: 30, 45, 60, 90, 120, 135, 150
OUTER_LIMIT = 0.7  # of the arena: further lags rest on too few common bins


@dataclass(frozen=True)
class GridScores:
    """Scores and lattice of each unit; NaN where it cannot be computed, with the reason.

    Attributes:
        minmax: min(c60, c120) - max(c30, c90, c150); above 0 only for six-fold symmetry. A perfect lattice of
            narrow fields scores about 1.4.
        mean60: mean(c60, c120) - mean(c30, c90, c150), the definition of Banino et al. 2018, on our annuli.
        square: c90 - mean(c45, c135); high for square lattices.
        corrected: minmax after the fitted lattice's shear is undone: high for an orderly lattice of any shape.
        spacing_m: mean distance of a field's six neighbours, metres.
        orientation_deg: direction of the lattice axis nearest to the x axis, degrees.
        axis_ratio: short over long axis of the ellipse through the six neighbours (1 hexagonal, 0.58 square).
        vectors_m: (unit, 2, 2) the two lattice vectors (x, y) in metres.
        reason: why a unit's scores are missing, or "".
    """

    minmax: Float[np.ndarray, " unit"]
    mean60: Float[np.ndarray, " unit"]
    square: Float[np.ndarray, " unit"]
    corrected: Float[np.ndarray, " unit"]
    spacing_m: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    vectors_m: Float[np.ndarray, "unit 2 2"]
    reason: tuple[str, ...]


def _polar(correlograms: Correlograms, radii: np.ndarray, to_hexagon: np.ndarray | None) -> Float[np.ndarray, "unit radius angle"]:
    """Sample half of each autocorrelogram (the other half mirrors it) at (radius, angle), in bins and degrees.

    With `to_hexagon` the samples are those of the autocorrelogram after that linear map: what stands at p comes from
    the inverse map of p.
    """
    angle = np.radians(np.arange(0, 180, ANGLE_STEP_DEG))
    points = np.stack([np.outer(radii, np.cos(angle)), np.outer(radii, np.sin(angle))])  # (2, radius, angle), x then y
    centre = (np.array(correlograms.shape[1:]) - 1) / 2
    out = np.full((len(correlograms), len(radii), len(angle)), np.nan)
    for u, correlogram in enumerate(correlograms):
        x, y = points
        if to_hexagon is not None:
            if not np.isfinite(to_hexagon[u]).all():
                continue
            x, y = np.einsum("ij,jra->ira", np.linalg.inv(to_hexagon[u]), points)
        # A NaN neighbour makes the sample NaN, which is what an unknown lag should do.
        out[u] = ndimage.map_coordinates(correlogram, [y + centre[0], x + centre[1]], order=1, cval=np.nan, prefilter=False)
    return out


def rotation_correlations(polar: np.ndarray, radii: np.ndarray, inner: np.ndarray, degrees: int) -> Float[np.ndarray, "unit outer"]:
    """Pearson correlation of each annulus with itself turned, for every outer radius.

    Args:
        polar: (unit, radius, angle) samples over 180 degrees, NaN where unknown.
        radii: (radius,) in bins; each sample weighs as much as the area it stands for.
        inner: (unit,) inner radius of the annulus, in bins.
        degrees: the turn; a multiple of ANGLE_STEP_DEG.
    """
    turned = np.roll(polar, degrees // ANGLE_STEP_DEG, axis=2)
    known = np.isfinite(polar) & np.isfinite(turned) & (radii[None, :, None] >= inner[:, None, None])
    weight = known * radii[None, :, None]
    a, b = np.where(known, polar, 0.0), np.where(known, turned, 0.0)

    def total(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values.sum(axis=2), axis=1)

    n, sa, sb = total(weight), total(weight * a), total(weight * b)
    covariance = n * total(weight * a * b) - sa * sb
    variance = (n * total(weight * a * a) - sa**2) * (n * total(weight * b * b) - sb**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 1e-20, covariance / np.sqrt(variance), np.nan)


def _inner_radius(polar: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Where the central peak ends: the first minimum of the mean over angles, (unit,) in bins."""
    known = np.isfinite(polar)
    profile = np.where(known, polar, 0.0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
    profile = ndimage.uniform_filter1d(profile, 3, axis=1, mode="nearest")
    rising = np.diff(profile, axis=1) > 0
    first = np.where(rising.any(axis=1), rising.argmax(axis=1), len(radii) // 4)
    return radii[first]


def _best_annulus(score: np.ndarray, radii: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Maximum over outer radii of the mean of three neighbouring ones, so that no thin ring decides.

    The annulus must be at least as wide as the central peak's radius: it then holds the first ring of fields.
    """
    smooth_score = (score[:, :-2] + score[:, 1:-1] + score[:, 2:]) / 3
    wide = radii[None, 1:-1] >= 2 * inner[:, None]
    usable = wide & np.isfinite(smooth_score)
    best = np.where(usable, smooth_score, -np.inf).max(axis=1)
    return np.where(usable.any(axis=1), best, np.nan)


def _scores(polar: np.ndarray, radii: np.ndarray) -> dict[str, np.ndarray]:
    inner = _inner_radius(polar, radii)
    c = {d: rotation_correlations(polar, radii, inner, d) for d in (30, 45, 60, 90, 120, 135, 150)}
    against = np.maximum(np.maximum(c[30], c[90]), c[150])
    return {
        "minmax": _best_annulus(np.minimum(c[60], c[120]) - against, radii, inner),
        "mean60": _best_annulus((c[60] + c[120]) / 2 - (c[30] + c[90] + c[150]) / 3, radii, inner),
        "square": _best_annulus(c[90] - (c[45] + c[135]) / 2, radii, inner),
    }


def score_maps(rate_maps: np.ndarray, *, bin_size_m: float, smoothing_bins: float = 1.0) -> GridScores:
    """Score every rate map and fit its lattice.

    Args:
        rate_maps: (unit, y, x), any unit of activity; NaN marks unvisited bins.
        bin_size_m: side of a bin, metres.
        smoothing_bins: Gaussian smoothing before the autocorrelogram, in bins.

    Raises:
        InputError: wrong shape, infinities, or a bin size that is not positive.

    The scores carry no significance of their own: a maximum over annuli is positively biased on noise, so compare them
    with the scores of null maps.
    """
    if not bin_size_m > 0:
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    maps = as_maps(rate_maps)
    correlograms = autocorrelograms(smooth(maps, smoothing_bins))
    return score_correlograms(correlograms, bin_size_m=bin_size_m, reasons=unscorable(maps))


def unscorable(maps: Maps) -> tuple[str, ...]:
    """Why each map (unit, y, x) can have no score: silent, constant or never visited; "" where it can."""
    reasons = []
    for unit in maps:
        known = unit[np.isfinite(unit)]
        if known.size == 0:
            reasons.append("no visited bin")
        elif np.ptp(known) <= 1e-9 * np.abs(known).max():
            reasons.append("constant map" if known.any() else "silent")
        else:
            reasons.append("")
    return tuple(reasons)


def score_correlograms(correlograms: Correlograms, *, bin_size_m: float, reasons: tuple[str, ...] | None = None) -> GridScores:
    """The same from autocorrelograms (unit, lag_y, lag_x) that are there already."""
    n = min(correlograms.shape[1:]) // 2 + 1
    radii = np.arange(1.0, max(OUTER_LIMIT * n, 5.0), 1.0)
    lattices: Lattices = fit_lattices(correlograms)
    plain = _scores(_polar(correlograms, radii, None), radii)
    corrected = _scores(_polar(correlograms, radii, lattices.to_hexagon), radii)
    reasons = reasons or ("",) * len(correlograms)
    unknown = ~np.isfinite(plain["minmax"])
    return GridScores(
        minmax=plain["minmax"],
        mean60=plain["mean60"],
        square=plain["square"],
        corrected=np.where(np.isfinite(lattices.spacing), corrected["minmax"], np.nan),
        spacing_m=lattices.spacing * bin_size_m,
        orientation_deg=lattices.orientation_deg,
        axis_ratio=lattices.axis_ratio,
        vectors_m=lattices.vectors * bin_size_m,
        reason=tuple(r or ("autocorrelogram too small or undefined" if u else "") for r, u in zip(reasons, unknown, strict=True)),
    )
