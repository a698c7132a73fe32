"""The lattice of a rate map: fitted from the peaks of its autocorrelogram, whatever its shape."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from gridcode.analysis.autocorrelogram import Correlograms, blocks

Pairs = Float[np.ndarray, "unit 2 2"]

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
    _, position, height = _peaks(correlogram[None])
    return position, height


def _peaks(correlograms: Correlograms) -> tuple[Int[np.ndarray, " peak"], Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """The peaks of several autocorrelograms, one unit after the other: unit, position and height of each."""
    middle = np.array(correlograms.shape[1:]) // 2
    # Of mirror images the upper one is kept. The window and the blur below reach six rows further down.
    first = max(middle[0] - 6, 0)
    upper = correlograms[:, first:]
    known = np.isfinite(upper)
    # Unsmoothed maps carry bin-sized bumps; a light blur keeps one maximum per field.
    filled = ndimage.gaussian_filter(np.where(known, upper, -1.0), (0, 1, 1), mode="nearest")
    here = filled[:, 1:-1, 1:-1]
    top = known[:, 1:-1, 1:-1] & (here > MIN_PEAK)
    for near in (filled[:, 1:-1, :-2], filled[:, 1:-1, 2:], filled[:, :-2, 1:-1], filled[:, 2:, 1:-1]):
        top &= here >= near
    unit, row, column = np.nonzero(top)
    row, column = row + 1, column + 1
    kept = (row + first > middle[0]) | ((row + first == middle[0]) & (column > middle[1]))
    unit, row, column = unit[kept], row[kept], column[kept]
    # The few that are left must be the maximum of five by five bins.
    height = filled[unit, row, column]
    reach = np.arange(-2, 3)
    rows = np.clip(row + reach[:, None, None], 0, filled.shape[1] - 1)
    columns = np.clip(column + reach[:, None], 0, filled.shape[2] - 1)
    kept = height == filled[unit, rows, columns].max(axis=(0, 1))
    unit, row, column, height = unit[kept], row[kept], column[kept], height[kept]
    # A parabola through each maximum and its two neighbours, along each axis.
    offsets = []
    for before, after in (
        (filled[unit, row, column - 1], filled[unit, row, column + 1]),
        (filled[unit, row - 1, column], filled[unit, row + 1, column]),
    ):
        curvature = before - 2 * height + after
        offsets.append(np.where(curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, 1.0), 0.0))
    position = np.stack([column - middle[1] + offsets[0], row + first - middle[0] + offsets[1]], axis=1)
    order = np.lexsort((np.hypot(*position.T), unit))
    return unit[order], position[order], height[order]


def _by_unit(units: int, unit: np.ndarray, position: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Peaks as (unit, peak, 2) and (unit, peak); where a unit has fewer than another, height is -inf and position 0."""
    count = np.bincount(unit, minlength=units)
    rank = np.arange(len(unit)) - np.repeat(np.cumsum(count) - count, count)
    positions, heights = np.zeros((units, count.max(initial=1), 2)), np.full((units, count.max(initial=1)), -np.inf)
    positions[unit, rank], heights[unit, rank] = position, height
    return positions, heights


def _reduce(basis: Pairs) -> Pairs:
    """Lagrange-Gauss reduction: the two shortest vectors of each lattice, 60 to 90 degrees apart."""
    a, b = basis[:, 0], basis[:, 1]
    for _ in range(100):
        swap = (_dot(a, a) > _dot(b, b))[:, None]
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        step = np.rint(_dot(a, b) / _dot(a, a))
        if not step.any():
            break
        b = b - step[:, None] * a
    return np.stack([a, np.where(_dot(a, b)[:, None] >= 0, b, -b)], axis=1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _fit(position: Float[np.ndarray, "unit peak 2"], height: Float[np.ndarray, "unit peak"]) -> Pairs:
    """Lattice vectors by least squares on every peak that an integer combination of the first two explains; else NaN."""
    fitted = np.full((len(position), 2, 2), np.nan)
    # Low ripples between the fields of a noisy map are not fields: judge by the strongest near peak.
    length = _length(position)
    near = length < 2.5 * length[:, :1]
    strong = height > 0.5 * np.where(near, height, -np.inf).max(axis=1, keepdims=True)
    a = position[np.arange(len(position)), strong.argmax(axis=1)]
    cross = np.abs(a[:, None, 0] * position[..., 1] - a[:, None, 1] * position[..., 0])
    independent = strong & (cross > np.sin(np.radians(MIN_ANGLE_DEG)) * _length(a)[:, None] * length)
    units = np.nonzero(independent.any(axis=1))[0]
    position, length, strong = position[units], length[units], strong[units]
    second = position[np.arange(len(units)), independent[units].argmax(axis=1)]
    basis = _reduce(np.stack([a[units], second], axis=1))
    reach = 1.6 * _length(basis).max(axis=1, keepdims=True)
    good = np.ones(len(units), dtype=bool)
    for _ in range(4):
        whole = np.rint(position @ np.linalg.inv(basis))
        error = _length(position - whole @ basis)
        used = strong & (length < reach) & (error < 0.2 * _length(basis[:, :1])) & whole.any(axis=2)
        whole = np.where(used[..., None], whole, 0.0)
        transposed = whole.transpose(0, 2, 1)
        # Whole numbers: the determinant is 0 where the peaks in use lie on one line, and 1 or more elsewhere.
        normal = transposed @ whole
        good &= np.linalg.det(normal) > 0.5
        normal = np.where(good[:, None, None], normal, np.eye(2))
        basis = _reduce(np.where(good[:, None, None], np.linalg.solve(normal, transposed @ position), basis))
        reach *= 1.5
    sine = np.abs(np.linalg.det(basis)) / _length(basis).prod(axis=1)
    good &= sine > np.sin(np.radians(MIN_ANGLE_DEG))
    fitted[units[good]] = basis[good]
    return fitted


def _to_hexagon(vectors: Pairs) -> Pairs:
    """The area-preserving maps that take each lattice, right-handed, to a hexagonal one with the same first axis."""
    hexagon = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    angle = np.arctan2(vectors[:, 0, 1], vectors[:, 0, 0])
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    size = np.sqrt(np.linalg.det(vectors) / np.linalg.det(hexagon))
    # Rows map to rows: vectors @ A = target, and A stands on the other side of a column.
    return (np.linalg.inv(vectors) @ (size[:, None, None] * hexagon @ turn)).transpose(0, 2, 1)


def fit_lattices(correlograms: Correlograms) -> Lattices:
    """Fit the lattice of each autocorrelogram.

    Args:
        correlograms: (unit, lag_y, lag_x), zero lag in the centre, NaN where unknown.

    Source: the six-peak reading of spacing and orientation goes back to Sargolini et al. 2006; the reduced basis
    makes it independent of the lattice's shear (Stensola et al. 2015 report sheared lattices in rats).
    """
    n = len(correlograms)
    found = [(block.start, _peaks(correlograms[block])) for block in blocks(n, correlograms.shape[1] * correlograms.shape[2])]
    unit = np.concatenate([first + unit for first, (unit, _, _) in found])
    position, height = (np.concatenate([parts[i] for _, parts in found]) for i in (1, 2))
    vectors = _fit(*_by_unit(n, unit, position, height))
    good = np.isfinite(vectors).all(axis=(1, 2))
    left_handed = good.copy()
    left_handed[good] = np.linalg.det(vectors[good]) < 0
    vectors[left_handed] = vectors[left_handed, ::-1]
    to_hexagon = np.full((n, 2, 2), np.nan)
    to_hexagon[good] = _to_hexagon(vectors[good])
    third = vectors[:, 1] - vectors[:, 0]
    axes = np.stack([vectors[:, 0], vectors[:, 1], third], axis=1)
    length = np.hypot(axes[..., 0], axes[..., 1])
    angle = (np.degrees(np.arctan2(axes[..., 1], axes[..., 0])) + 90.0) % 180.0 - 90.0
    nearest = np.argmin(np.abs(np.where(np.isfinite(angle), angle, 0.0)), axis=1)
    # The six fields lie on the ellipse that the inverse map makes of the hexagon's circle.
    axis_ratio = np.full(n, np.nan)
    singular = np.linalg.svd(to_hexagon[good], compute_uv=False)
    axis_ratio[good] = singular[:, 1] / singular[:, 0]
    return Lattices(
        vectors=vectors,
        spacing=length.mean(axis=1),
        orientation_deg=np.take_along_axis(angle, nearest[:, None], axis=1)[:, 0],
        axis_ratio=axis_ratio,
        to_hexagon=to_hexagon,
    )
