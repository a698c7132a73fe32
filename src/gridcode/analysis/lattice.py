"""The lattice of a rate map: fitted from the peaks of its autocorrelogram, whatever its shape."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from gridcode.analysis.autocorrelogram import Correlograms

# A peak lower than this is not read as a field of the lattice, and two lattice vectors must leave
# at least this angle between them (a band's autocorrelogram has peaks along one line only).
MIN_PEAK = 0.1
MIN_ANGLE_DEG = 25.0


@dataclass(frozen=True)
class Lattices:
    """The fitted lattice of every unit. A unit without two independent peaks has NaN everywhere.

    Attributes:
        vectors: (unit, 2, 2) reduced lattice vectors in bins, `vectors[u, k] = (x, y)`, an angle of 60 to 90
            degrees between the two, so that their difference is the third axis of the hexagon nearest to it.
        spacing: (unit,) mean length of the three axes, in bins.
        orientation_deg: (unit,) direction of the axis nearest to the x axis, in [-45, 45].
        axis_ratio: (unit,) short over long axis of the ellipse through the six neighbouring fields; 1 for a
            hexagon, 0.58 for a square.
        to_hexagon: (unit, 2, 2) the area-preserving linear map that takes the lattice to a regular hexagonal one.
    """

    vectors: Float[np.ndarray, "unit 2 2"]
    spacing: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    to_hexagon: Float[np.ndarray, "unit 2 2"]


def peaks(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> tuple[Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """Local maxima of one autocorrelogram with sub-bin positions, nearest to the centre first; the centre is left out.

    Returns:
        Positions (x, y) in bins from the centre, and heights. One of each pair of mirror images is kept.
    """
    filled = np.where(np.isfinite(correlogram), correlogram, -1.0)
    # Unsmoothed maps carry bin-sized bumps; a light blur keeps one maximum per field.
    filled = ndimage.gaussian_filter(filled, 1.0, mode="nearest")
    top = (ndimage.maximum_filter(filled, size=5, mode="nearest") == filled) & (filled > MIN_PEAK)
    top[[0, -1]] = top[:, [0, -1]] = False
    centre = np.array(filled.shape) // 2
    row, column = np.nonzero(top & np.isfinite(correlogram))
    half = (row > centre[0]) | ((row == centre[0]) & (column > centre[1]))
    row, column = row[half], column[half]
    # A parabola through each maximum and its two neighbours, along each axis.
    here = filled[row, column]
    offsets = []
    for before, after in ((filled[row, column - 1], filled[row, column + 1]), (filled[row - 1, column], filled[row + 1, column])):
        curvature = before - 2 * here + after
        offsets.append(np.where(curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, 1.0), 0.0))
    position = np.stack([column - centre[1] + offsets[0], row - centre[0] + offsets[1]], axis=1)
    order = np.argsort(np.hypot(*position.T), kind="stable")
    return position[order], here[order]


def _reduce(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Lagrange-Gauss reduction: the two shortest vectors of the lattice that a and b span, 60 to 90 degrees apart."""
    for _ in range(100):
        if a @ a > b @ b:
            a, b = b, a
        step = np.rint((a @ b) / (a @ a))
        if step == 0:
            break
        b = b - step * a
    return np.stack([a, b if a @ b >= 0 else -b])


def _fit(position: np.ndarray, height: np.ndarray) -> np.ndarray | None:
    """Lattice vectors by least squares on every peak that an integer combination of the first two explains."""
    if len(position) < 2:
        return None
    # Low ripples between the fields of a noisy map are not fields: judge by the strongest near peak.
    length = np.hypot(*position.T)
    near = length < 2.5 * length[0]
    strong = height > 0.5 * height[near].max()
    position, height, length = position[strong], height[strong], length[strong]
    a = position[0]
    sine = np.abs(a[0] * position[:, 1] - a[1] * position[:, 0]) / (length[0] * length)
    independent = np.nonzero(sine > np.sin(np.radians(MIN_ANGLE_DEG)))[0]
    if len(independent) == 0:
        return None
    basis = _reduce(a, position[independent[0]])
    reach = 1.6 * np.hypot(*basis.T).max()
    for _ in range(4):
        whole = np.rint(position @ np.linalg.inv(basis))
        error = np.hypot(*(position - whole @ basis).T)
        used = (length < reach) & (error < 0.2 * np.hypot(*basis[0])) & (np.abs(whole).sum(1) > 0)
        if np.linalg.matrix_rank(whole[used]) < 2:
            return None
        basis = _reduce(*np.linalg.lstsq(whole[used], position[used], rcond=None)[0])
        reach *= 1.5
    sine = abs(np.linalg.det(basis)) / np.prod(np.hypot(*basis.T))
    return basis if sine > np.sin(np.radians(MIN_ANGLE_DEG)) else None


def fit_lattices(correlograms: Correlograms) -> Lattices:
    """Fit the lattice of each autocorrelogram.

    Args:
        correlograms: (unit, lag_y, lag_x), zero lag in the centre, NaN where unknown.

    Source: the six-peak reading of spacing and orientation goes back to Sargolini et al. 2006; the reduced basis
    makes it independent of the lattice's shear (Stensola et al. 2015 report sheared lattices in rats).
    """
    n = len(correlograms)
    vectors = np.full((n, 2, 2), np.nan)
    to_hexagon = np.full((n, 2, 2), np.nan)
    hexagon = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    for u, correlogram in enumerate(correlograms):
        if not np.isfinite(correlogram).any():
            continue
        basis = _fit(*peaks(correlogram))
        if basis is None:
            continue
        if np.linalg.det(basis) < 0:
            basis = basis[::-1]
        vectors[u] = basis
        # Rows map to rows: basis @ A = target. The target has the area of the lattice's own cell, turned so
        # that its first axis stays where it was.
        area = np.linalg.det(basis)
        angle = np.arctan2(basis[0, 1], basis[0, 0])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        target = np.sqrt(area / np.linalg.det(hexagon)) * hexagon @ turn
        to_hexagon[u] = (np.linalg.inv(basis) @ target).T
    third = vectors[:, 1] - vectors[:, 0]
    axes = np.stack([vectors[:, 0], vectors[:, 1], third], axis=1)
    length = np.hypot(axes[..., 0], axes[..., 1])
    angle = (np.degrees(np.arctan2(axes[..., 1], axes[..., 0])) + 90.0) % 180.0 - 90.0
    nearest = np.argmin(np.abs(np.where(np.isfinite(angle), angle, 0.0)), axis=1)
    # The six fields lie on the ellipse that the inverse map makes of the hexagon's circle.
    axis_ratio = np.full(n, np.nan)
    good = np.isfinite(to_hexagon).all(axis=(1, 2))
    if good.any():
        singular = np.linalg.svd(to_hexagon[good], compute_uv=False)
        axis_ratio[good] = singular[:, 1] / singular[:, 0]
    return Lattices(
        vectors=vectors,
        spacing=length.mean(axis=1),
        orientation_deg=np.take_along_axis(angle, nearest[:, None], axis=1)[:, 0],
        axis_ratio=axis_ratio,
        to_hexagon=to_hexagon,
    )
