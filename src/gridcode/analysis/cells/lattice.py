"""The lattice of a rate map: fitted from the peaks of its autocorrelogram, whatever its shape."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from gridcode.analysis.cells.autocorrelogram import Correlograms, blocks

Pairs = Float[np.ndarray, "unit 2 2"]

# A peak lower than this is not read as a field of the lattice, and two lattice vectors must leave
# at least this angle between them (a band's autocorrelogram has peaks along one line only).
MIN_PEAK = 0.1
MIN_ANGLE_DEG = 25.0
# From this angle between its two vectors on, a lattice is oriented by them alone: the diagonal of a
# near-square is no axis, and which of the two diagonals is the shorter one is decided by noise.
SQUARE_ANGLE_DEG = 82.5
# Cosines below this are rounding: the two vectors are at right angles.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Lattices:
    """The fitted lattice of every unit. A unit without two independent peaks has NaN everywhere.

    Attributes:
        vectors: (unit, 2, 2) reduced lattice vectors in bins, `vectors[u, k] = (x, y)`, an angle of
            60 to 90 degrees between the two, so that their difference is the third axis of the
            hexagon nearest to it.
        spacing: (unit,) mean length of the three axes, in bins.
        orientation_deg: (unit,) direction of the axis nearest to the x axis, in [-45, 45]; of the
            two vectors alone where they are at 82.5 degrees or more (a square has two axes, not
            three).
        axis_ratio: (unit,) short over long axis of the ellipse through the six neighbouring fields;
            1 for a hexagon, 0.58 for a square.
        to_hexagon: (unit, 2, 2) the area-preserving linear map that takes the lattice to a regular
            hexagonal one.
        residual: (unit,) root mean square distance of the peaks in use from the fitted lattice, in
            bins.
        peaks_used: (unit,) peaks the fit rests on, mirror images counted once; 0 where there is no
            fit.
        vector_error: (unit, 2) standard error of each vector's components, in bins, from the
            residuals; NaN also where two peaks leave nothing to judge by.
    """

    vectors: Float[np.ndarray, "unit 2 2"]
    spacing: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    to_hexagon: Float[np.ndarray, "unit 2 2"]
    residual: Float[np.ndarray, " unit"]
    peaks_used: Int[np.ndarray, " unit"]
    vector_error: Float[np.ndarray, "unit 2"]


def peaks(
    correlogram: Float[np.ndarray, "lag_y lag_x"],
) -> tuple[Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """Local maxima of one autocorrelogram with sub-bin positions, nearest to the centre first; the centre is left out.

    Returns:
        Positions (x, y) in bins from the centre, and heights. One of each pair of mirror images is
        kept.
    """
    _, position, height = _peaks(correlogram[None])
    return position, height


def _peaks(
    correlograms: Correlograms,
) -> tuple[Int[np.ndarray, " peak"], Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """The peaks of several autocorrelograms, one unit after the other: unit, position and height of each."""
    middle = np.array(correlograms.shape[1:]) // 2
    # Of mirror images the upper one is kept. The window and the blur below reach six rows further
    # down.
    first = max(middle[0] - 6, 0)
    upper = correlograms[:, first:]
    known = np.isfinite(upper)
    # Unsmoothed maps carry bin-sized bumps; a light blur keeps one maximum per field.
    filled = ndimage.gaussian_filter(np.where(known, upper, -1.0), (0, 1, 1), mode="nearest")
    here = filled[:, 1:-1, 1:-1]
    top = known[:, 1:-1, 1:-1] & (here > MIN_PEAK)
    for near in (
        filled[:, 1:-1, :-2],
        filled[:, 1:-1, 2:],
        filled[:, :-2, 1:-1],
        filled[:, 2:, 1:-1],
    ):
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
        offsets.append(
            np.where(
                curvature < 0, 0.5 * (before - after) / np.where(curvature < 0, curvature, 1.0), 0.0
            )
        )
    position = np.stack(
        [column - middle[1] + offsets[0], row + first - middle[0] + offsets[1]], axis=1
    )
    order = np.lexsort((np.hypot(*position.T), unit))
    return unit[order], position[order], height[order]


def _by_unit(
    units: int, unit: np.ndarray, position: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Peaks as (unit, peak, 2) and (unit, peak); where a unit has fewer than another, height is -inf and position 0."""
    count = np.bincount(unit, minlength=units)
    rank = np.arange(len(unit)) - np.repeat(np.cumsum(count) - count, count)
    positions, heights = (
        np.zeros((units, count.max(initial=1), 2)),
        np.full((units, count.max(initial=1)), -np.inf),
    )
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
    acute = _dot(a, b) >= -ROUNDING * _dot(a, a)
    return np.stack([a, np.where(acute[:, None], b, -b)], axis=1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _fit(
    position: Float[np.ndarray, "unit peak 2"], height: Float[np.ndarray, "unit peak"]
) -> tuple[Pairs, np.ndarray, np.ndarray, np.ndarray]:
    """Lattice vectors by least squares on every peak that an integer combination of the first two explains; else NaN.

    With them the quality of the fit as in `Lattices`: residual, peaks used, error of the vectors.
    """
    fitted = np.full((len(position), 2, 2), np.nan)
    residual, vector_error = np.full(len(position), np.nan), np.full((len(position), 2), np.nan)
    peaks_used = np.zeros(len(position), dtype=np.int64)
    # Low ripples between the fields of a noisy map are not fields: judge by the strongest near
    # peak.
    length = _length(position)
    near = length < 2.5 * length[:, :1]
    strong = height > 0.5 * np.where(near, height, -np.inf).max(axis=1, keepdims=True)
    a = position[np.arange(len(position)), strong.argmax(axis=1)]
    cross = np.abs(a[:, None, 0] * position[..., 1] - a[:, None, 1] * position[..., 0])
    independent = strong & (
        cross > np.sin(np.radians(MIN_ANGLE_DEG)) * _length(a)[:, None] * length
    )
    units = np.nonzero(independent.any(axis=1))[0]
    position, length, strong = position[units], length[units], strong[units]
    second = position[np.arange(len(units)), independent[units].argmax(axis=1)]
    basis = _reduce(np.stack([a[units], second], axis=1))
    reach = 1.6 * _length(basis).max(axis=1, keepdims=True)
    good = np.ones(len(units), dtype=bool)
    solved = basis
    for _ in range(4):
        whole = np.rint(position @ np.linalg.inv(basis))
        error = _length(position - whole @ basis)
        used = strong & (length < reach) & (error < 0.2 * _length(basis[:, :1])) & whole.any(axis=2)
        whole = np.where(used[..., None], whole, 0.0)
        transposed = whole.transpose(0, 2, 1)
        # Whole numbers: the determinant is 0 where the peaks in use lie on one line, and 1 or more
        # elsewhere.
        normal = transposed @ whole
        good &= np.linalg.det(normal) > 0.5
        normal = np.where(good[:, None, None], normal, np.eye(2))
        solved = np.where(
            good[:, None, None], np.linalg.solve(normal, transposed @ position), basis
        )
        basis = _reduce(solved)
        reach *= 1.5
    sine = np.abs(np.linalg.det(basis)) / _length(basis).prod(axis=1)
    good &= sine > np.sin(np.radians(MIN_ANGLE_DEG))
    fitted[units[good]] = basis[good]
    # Judged by the peaks of the last round, in terms of the basis as it is returned.
    used, position, basis, whole = used[good], position[good], basis[good], whole[good]
    count = used.sum(axis=1)
    whole = np.rint(whole @ solved[good] @ np.linalg.inv(basis))
    squares = (np.where(used[..., None], position - whole @ basis, 0.0) ** 2).sum(axis=(1, 2))
    residual[units[good]], peaks_used[units[good]] = np.sqrt(squares / np.maximum(count, 1)), count
    spare = 2 * count - 4
    variance = np.where(spare > 0, squares / np.maximum(spare, 1), np.nan)
    inverse = np.linalg.inv(whole.transpose(0, 2, 1) @ whole)
    vector_error[units[good]] = np.sqrt(variance[:, None] * np.diagonal(inverse, axis1=1, axis2=2))
    return fitted, residual, peaks_used, vector_error


def _to_hexagon(vectors: Pairs) -> Pairs:
    """The area-preserving maps that take each lattice, right-handed, to a hexagonal one with the same first axis."""
    hexagon = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    angle = np.arctan2(vectors[:, 0, 1], vectors[:, 0, 0])
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=1).reshape(
        -1, 2, 2
    )
    size = np.sqrt(np.linalg.det(vectors) / np.linalg.det(hexagon))
    # Rows map to rows: vectors @ A = target, and A stands on the other side of a column.
    return (np.linalg.inv(vectors) @ (size[:, None, None] * hexagon @ turn)).transpose(0, 2, 1)


def fit_lattices(correlograms: Correlograms) -> Lattices:
    """Fit the lattice of each autocorrelogram.

    Args:
        correlograms: (unit, lag_y, lag_x), zero lag in the centre, NaN where unknown.

    Source: the six-peak reading of spacing and orientation goes back to Sargolini et al. 2006; the
    reduced basis makes it independent of the lattice's shear (Stensola et al. 2015 report sheared
    lattices in rats).
    """
    n = len(correlograms)
    found = [
        (block.start, _peaks(correlograms[block]))
        for block in blocks(n, correlograms.shape[1] * correlograms.shape[2])
    ]
    unit = np.concatenate([first + unit for first, (unit, _, _) in found])
    position, height = (np.concatenate([parts[i] for _, parts in found]) for i in (1, 2))
    vectors, residual, peaks_used, vector_error = _fit(*_by_unit(n, unit, position, height))
    vectors, left_handed = _right_handed(vectors)
    vector_error[left_handed] = vector_error[left_handed, ::-1]
    shapes = shape_of(vectors)
    return Lattices(
        vectors=vectors,
        spacing=shapes.spacing,
        orientation_deg=shapes.orientation_deg,
        axis_ratio=shapes.axis_ratio,
        to_hexagon=shapes.to_hexagon,
        residual=residual,
        peaks_used=peaks_used,
        vector_error=vector_error,
    )


def _right_handed(vectors: Pairs) -> tuple[Pairs, Bool[np.ndarray, " unit"]]:
    """Each pair with the first vector clockwise of the second, and which pairs were exchanged for it."""
    good = np.isfinite(vectors).all(axis=(1, 2))
    left_handed = good.copy()
    left_handed[good] = np.linalg.det(vectors[good]) < 0
    return np.where(left_handed[:, None, None], vectors[:, ::-1], vectors), left_handed


def reduced(vectors: Pairs) -> Pairs:
    """The reduced right-handed basis of each lattice, as in `Lattices.vectors`.

    Args:
        vectors: (unit, 2, 2) any two independent lattice vectors each, none NaN.
    """
    return _right_handed(_reduce(np.asarray(vectors, dtype=np.float64)))[0]


@dataclass(frozen=True)
class Shapes:
    """Spacing, orientation and shear of lattices, as in `Lattices`."""

    spacing: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    to_hexagon: Float[np.ndarray, "unit 2 2"]


def shape_of(vectors: Pairs) -> Shapes:
    """Spacing, orientation and shear of lattices given by reduced right-handed bases, in the unit of the vectors; NaN where they are."""
    n = len(vectors)
    good = np.isfinite(vectors).all(axis=(1, 2))
    to_hexagon = np.full((n, 2, 2), np.nan)
    to_hexagon[good] = _to_hexagon(vectors[good])
    third = vectors[:, 1] - vectors[:, 0]
    axes = np.stack([vectors[:, 0], vectors[:, 1], third], axis=1)
    length = _length(axes)
    angle = (np.degrees(np.arctan2(axes[..., 1], axes[..., 0])) + 90.0) % 180.0 - 90.0
    from_x = np.abs(np.where(np.isfinite(angle), angle, 0.0))
    square = (
        np.abs(_dot(axes[:, 0], axes[:, 1]))
        < np.cos(np.radians(SQUARE_ANGLE_DEG)) * length[:, 0] * length[:, 1]
    )
    from_x[square, 2] = np.inf
    nearest = np.argmin(from_x, axis=1)
    # The six fields lie on the ellipse that the inverse map makes of the hexagon's circle.
    axis_ratio = np.full(n, np.nan)
    singular = np.linalg.svd(to_hexagon[good], compute_uv=False)
    axis_ratio[good] = singular[:, 1] / singular[:, 0]
    return Shapes(
        spacing=length.mean(axis=1),
        orientation_deg=np.take_along_axis(angle, nearest[:, None], axis=1)[:, 0],
        axis_ratio=axis_ratio,
        to_hexagon=to_hexagon,
    )
