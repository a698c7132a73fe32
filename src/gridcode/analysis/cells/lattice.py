"""The lattice of a rate map, of any shape: fitted from the peaks of its autocorrelogram."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from gridcode.analysis.cells.autocorrelogram import Correlograms, blocks
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

Pairs = Float[np.ndarray, "unit 2 2"]

# Lower peaks are not fields of the lattice; two lattice vectors leave at least this angle (the
# autocorrelogram of a band has peaks along one line only).
MIN_PEAK = 0.1
MIN_ANGLE_DEG = 25.0
# From this angle on the two vectors alone give the orientation: which diagonal of a near-square is
# the shorter one is decided by noise.
SQUARE_ANGLE_DEG = 82.5


@dataclass(frozen=True)
class Shapes:
    """Spacing, orientation and shear of lattices; NaN where there is none.

    Attributes:
        spacing: (unit,) mean length of the three axes, in the unit of the vectors.
        orientation_deg: (unit,) direction of the axis nearest to the x axis, in [-45, 45]; of the
            two vectors alone where they are at 82.5 degrees or more (a square has two axes).
        axis_ratio: (unit,) short over long axis of the ellipse through the six neighbouring fields;
            1 for a hexagon, 0.58 for a square.
        to_hexagon: (unit, 2, 2) the area-preserving linear map that takes the lattice to a regular
            hexagonal one.
    """

    spacing: Float[np.ndarray, " unit"]
    orientation_deg: Float[np.ndarray, " unit"]
    axis_ratio: Float[np.ndarray, " unit"]
    to_hexagon: Float[np.ndarray, "unit 2 2"]


@dataclass(frozen=True)
class Lattices(Shapes):
    """The fitted lattice of every unit, in bins; NaN for a unit without two independent peaks.

    Attributes:
        vectors: (unit, 2, 2) reduced lattice vectors, `vectors[u, k] = (x, y)`, 60 to 90 degrees
            apart, so that their difference is the third axis of the nearest hexagon.
        peaks_used: (unit,) peaks the fit rests on, mirror images counted once; 0 without a fit.
        vector_error: (unit, 2) standard error of each vector's components, from the residuals; NaN
            also where there are only two peaks.
    """

    vectors: Float[np.ndarray, "unit 2 2"]
    peaks_used: Int[np.ndarray, " unit"]
    vector_error: Float[np.ndarray, "unit 2"]


def _peaks(
    correlograms: Correlograms,
) -> tuple[Int[np.ndarray, " peak"], Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """Local maxima of autocorrelograms, without the centre and one of each mirror pair.

    Unit, position (x, y) in bins from the centre, and height; by unit, nearest first.
    """
    middle = np.array(correlograms.shape[1:]) // 2
    # Of mirror images the upper one is kept; the window and the blur reach six rows further down.
    first = max(middle[0] - 6, 0)
    upper = correlograms[:, first:]
    known = np.isfinite(upper)
    # Unsmoothed maps carry bin-sized bumps; a light blur keeps one maximum per field.
    filled = ndimage.gaussian_filter(np.where(known, upper, -1.0), (0, 1, 1), mode="nearest")
    here = filled[:, 1:-1, 1:-1]
    top = known[:, 1:-1, 1:-1] & (here > MIN_PEAK)
    top &= (here >= filled[:, 1:-1, :-2]) & (here >= filled[:, 1:-1, 2:])
    top &= (here >= filled[:, :-2, 1:-1]) & (here >= filled[:, 2:, 1:-1])
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

    def offset(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Where a parabola through a maximum and its two neighbours along one axis peaks."""
        bend = before - 2 * height + after
        return np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)

    dx = offset(filled[unit, row, column - 1], filled[unit, row, column + 1])
    dy = offset(filled[unit, row - 1, column], filled[unit, row + 1, column])
    position = np.stack([column - middle[1] + dx, row + first - middle[0] + dy], axis=1)
    order = np.lexsort((np.hypot(*position.T), unit))
    return unit[order], position[order], height[order]


def _by_unit(
    units: int, unit: np.ndarray, position: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Peaks as (unit, peak, 2) and (unit, peak), filled up with position 0 and height -inf."""
    count = np.bincount(unit, minlength=units)
    rank = np.arange(len(unit)) - np.repeat(np.cumsum(count) - count, count)
    shape = (units, count.max(initial=1))
    positions, heights = np.zeros((*shape, 2)), np.full(shape, -np.inf)
    positions[unit, rank], heights[unit, rank] = position, height
    return positions, heights


@takes_arrays
def shortest(basis: Pairs) -> Pairs:
    """Lagrange's reduction: two shortest independent vectors of each lattice, the shorter first.

    Args:
        basis: (unit, 2, 2) two independent vectors each, as rows; none NaN.
    """
    a, b = basis[:, 0], basis[:, 1]
    for _ in range(100):
        swap = (_dot(a, a) > _dot(b, b))[:, None]
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        step = np.rint(_dot(a, b) / _dot(a, a))
        if not step.any():
            break
        b = b - step[:, None] * a
    return np.stack([a, b], axis=1)


def _acute(basis: Pairs) -> Pairs:
    """The shortest vectors, 60 to 90 degrees apart."""
    a, b = shortest(basis).transpose(1, 0, 2)
    # Smaller cosines are rounding: a right angle.
    acute = _dot(a, b) >= -1e-9 * _dot(a, a)
    return np.stack([a, np.where(acute[:, None], b, -b)], axis=1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=-1)


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _fit(
    position: Float[np.ndarray, "unit peak 2"], height: Float[np.ndarray, "unit peak"]
) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """Lattice vectors by least squares on every peak that the first two explain, else NaN.

    With them the number of peaks used and the error of the vectors, as in `Lattices`.
    """
    fitted = np.full((len(position), 2, 2), np.nan)
    vector_error = np.full((len(position), 2), np.nan)
    peaks_used = np.zeros(len(position), dtype=np.int64)
    # Low ripples between the fields of a noisy map are not fields: judge by the strongest near one.
    length = _length(position)
    near = length < 2.5 * length[:, :1]
    strong = height > 0.5 * np.where(near, height, -np.inf).max(axis=1, keepdims=True)
    a = position[np.arange(len(position)), strong.argmax(axis=1)]
    cross = np.abs(a[:, None, 0] * position[..., 1] - a[:, None, 1] * position[..., 0])
    least_sine = np.sin(np.radians(MIN_ANGLE_DEG))
    independent = strong & (cross > least_sine * _length(a)[:, None] * length)
    units = np.nonzero(independent.any(axis=1))[0]
    position, length, strong = position[units], length[units], strong[units]
    second = position[np.arange(len(units)), independent[units].argmax(axis=1)]
    basis = _acute(np.stack([a[units], second], axis=1))
    reach = 1.6 * _length(basis).max(axis=1, keepdims=True)
    good = np.ones(len(units), dtype=bool)
    for _ in range(4):
        whole = np.rint(position @ np.linalg.inv(basis))
        error = _length(position - whole @ basis)
        used = strong & (length < reach) & (error < 0.2 * _length(basis[:, :1])) & whole.any(axis=2)
        whole = np.where(used[..., None], whole, 0.0)
        transposed = whole.transpose(0, 2, 1)
        # Whole numbers: the determinant is 0 where the peaks in use lie on one line, else >= 1.
        normal = transposed @ whole
        good &= np.linalg.det(normal) > 0.5
        normal = np.where(good[:, None, None], normal, np.eye(2))
        refined = np.linalg.solve(normal, transposed @ position)
        solved = np.where(good[:, None, None], refined, basis)
        basis = _acute(solved)
        reach *= 1.5
    good &= np.abs(np.linalg.det(basis)) / _length(basis).prod(axis=1) > least_sine
    fitted[units[good]] = basis[good]
    # Judged by the peaks of the last round, in terms of the basis as it is returned.
    used, position, basis, whole = used[good], position[good], basis[good], whole[good]
    count = used.sum(axis=1)
    whole = np.rint(whole @ solved[good] @ np.linalg.inv(basis))
    squares = (np.where(used[..., None], position - whole @ basis, 0.0) ** 2).sum(axis=(1, 2))
    peaks_used[units[good]] = count
    spare = 2 * count - 4
    variance = np.where(spare > 0, squares / np.maximum(spare, 1), np.nan)
    inverse = np.linalg.inv(whole.transpose(0, 2, 1) @ whole)
    vector_error[units[good]] = np.sqrt(variance[:, None] * np.diagonal(inverse, axis1=1, axis2=2))
    return fitted, peaks_used, vector_error


@takes_arrays
def turns(angle: Float[np.ndarray, " unit"]) -> Pairs:
    """Matrices that turn vectors given as rows by these angles, radians anticlockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)


def _to_hexagon(vectors: Pairs) -> Pairs:
    """Area-preserving maps of right-handed lattices to hexagonal ones with the same first axis."""
    hexagon = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    turn = turns(np.arctan2(vectors[:, 0, 1], vectors[:, 0, 0]))
    size = np.sqrt(np.linalg.det(vectors) / np.linalg.det(hexagon))
    # Rows map to rows: vectors @ A = target, and A stands on the other side of a column.
    return (np.linalg.inv(vectors) @ (size[:, None, None] * hexagon @ turn)).transpose(0, 2, 1)


@takes_arrays
def fit_lattices(correlograms: Correlograms) -> Lattices:
    """Fit the lattice of each autocorrelogram.

    Args:
        correlograms: (unit, lag_y, lag_x), zero lag in the centre, NaN where unknown.

    Source: spacing and orientation from the six nearest peaks: Sargolini et al. 2006; the reduced
    basis makes it independent of shear (Stensola et al. 2015 report sheared lattices in rats).
    """
    n = len(correlograms)
    parts = list(blocks(n, correlograms.shape[1] * correlograms.shape[2]))
    found = [_peaks(correlograms[block]) for block in parts]
    unit = np.concatenate([block.start + f[0] for block, f in zip(parts, found, strict=True)])
    position, height = (np.concatenate([f[i] for f in found]) for i in (1, 2))
    vectors, peaks_used, vector_error = _fit(*_by_unit(n, unit, position, height))
    vectors, left_handed = _right_handed(vectors)
    vector_error[left_handed] = vector_error[left_handed, ::-1]
    return Lattices(
        **vars(shape_of(vectors)), vectors=vectors, peaks_used=peaks_used, vector_error=vector_error
    )


def _right_handed(vectors: Pairs) -> tuple[Pairs, Bool[np.ndarray, " unit"]]:
    """Each pair with the first vector clockwise of the second, and which pairs were exchanged."""
    left_handed = np.isfinite(vectors).all(axis=(1, 2))
    left_handed[left_handed] = np.linalg.det(vectors[left_handed]) < 0
    return np.where(left_handed[:, None, None], vectors[:, ::-1], vectors), left_handed


@takes_arrays
def reduced(vectors: Pairs) -> Pairs:
    """The reduced right-handed basis of each lattice, as in `Lattices.vectors`.

    Args:
        vectors: (unit, 2, 2) any two independent lattice vectors each, none NaN.
    """
    return _right_handed(_acute(np.asarray(vectors, dtype=np.float64)))[0]


@takes_arrays
def as_basis(vectors_m: np.ndarray) -> Float[np.ndarray, "2 2"]:
    """Two lattice vectors (x, y) as rows, float64.

    Raises:
        InputError: another shape, values that are not finite, or vectors on one line.
    """
    vectors = np.asarray(vectors_m, dtype=np.float64)
    if vectors.shape != (2, 2) or not np.isfinite(vectors).all():
        raise InputError(f"lattice vectors must be two finite (x, y), not of shape {vectors.shape}")
    if abs(np.linalg.det(vectors)) <= 1e-3 * np.hypot(*vectors.T).prod():
        raise InputError("lattice vectors lie on one line")
    return vectors


@takes_arrays
def shape_of(vectors: Pairs) -> Shapes:
    """Spacing, orientation and shear of lattices given by reduced right-handed bases."""
    n = len(vectors)
    good = np.isfinite(vectors).all(axis=(1, 2))
    to_hexagon = np.full((n, 2, 2), np.nan)
    to_hexagon[good] = _to_hexagon(vectors[good])
    axes = np.stack([vectors[:, 0], vectors[:, 1], vectors[:, 1] - vectors[:, 0]], axis=1)
    length = _length(axes)
    angle = (np.degrees(np.arctan2(axes[..., 1], axes[..., 0])) + 90.0) % 180.0 - 90.0
    from_x = np.abs(np.where(np.isfinite(angle), angle, 0.0))
    largest_cosine = np.cos(np.radians(SQUARE_ANGLE_DEG))
    square = np.abs(_dot(axes[:, 0], axes[:, 1])) < largest_cosine * length[:, 0] * length[:, 1]
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


def orientation_difference(
    first_deg: float, second_deg: float, *, symmetry_deg: float = 60.0
) -> float:
    """Angle between two orientations, at most half of the angle at which the lattice repeats.

    Args:
        first_deg: orientation of one lattice, degrees.
        second_deg: orientation of the other.
        symmetry_deg: 60 for hexagonal lattices, 90 for square ones, 180 for others.
    """
    return abs((first_deg - second_deg + symmetry_deg / 2) % symmetry_deg - symmetry_deg / 2)
