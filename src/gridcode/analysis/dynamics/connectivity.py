"""Weights within a module against phase difference, and how their profile moves with velocity."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float, Int

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

MOST_HARMONICS = 24
PAIRS_PER_COLUMN = 10
FOLDS = 5
PROFILE_BINS = 8
SHIFT_GRID = 48


@dataclass(frozen=True)
class PhaseProfile:
    r"""Weights between the cells of a module against their phase difference, by velocity.

    Attributes:
        velocities: (velocity, 2) metres per step; the first is zero.
        explained: (velocity,) share of the variance of the weights that the phase difference
            explains, cross-validated; below 0: nothing.
        shift_m: (velocity, 2) shift of the profile against that at velocity zero, metres.
        matrix: (2, 2) M of least squares shift = M v.
        mean: (velocity, bin, bin) mean weight by phase difference, first along the first lattice
            vector; NaN where a bin is empty.
        null_95: 95th percentile of its value at velocity zero with phases shuffled among cells.
        p_value: of `explained` at velocity zero with shuffled phases.
        slope: half the trace of M; 1 if the profile moves as the animal does.
        slope_with_self: the same with what cells give to themselves in the profile, at phase
            difference zero. Self-weights stay where they are: where they keep the bump in place,
            the weights between cells must shift by more than the animal moves (slope above 1), and
            the whole profile by less.
        turn_deg: angle by which M turns.
        isotropy: smaller over larger singular value of M.
        r2: share of the squared shifts that M v explains.
        slope_null_95: 95th percentile of the slope's modulus with shuffled phases.
        shift_p_value: of `slope` times `r2` with shuffled phases.
        reason: why the numbers are NaN.
    """

    velocities: Float[np.ndarray, "velocity 2"]
    explained: Float[np.ndarray, " velocity"]
    shift_m: Float[np.ndarray, "velocity 2"]
    matrix: Float[np.ndarray, "2 2"]
    mean: Float[np.ndarray, "velocity bin bin"]
    null_95: float = math.nan
    p_value: float = math.nan
    slope: float = math.nan
    slope_with_self: float = math.nan
    turn_deg: float = math.nan
    isotropy: float = math.nan
    r2: float = math.nan
    slope_null_95: float = math.nan
    shift_p_value: float = math.nan
    reason: str = ""


@takes_arrays
def phase_profile(
    weights: Float[np.ndarray, "velocity unit unit"],
    velocities: Float[np.ndarray, "move 2"],
    phases: Float[np.ndarray, "cell 2"],
    vectors_m: Float[np.ndarray, "2 2"],
    *,
    generator: np.random.Generator,
    nulls: int = 199,
) -> PhaseProfile:
    r"""Weights against phase difference, and whether their profile is shifted by the velocity.

    A bump of activity that moves with the animal needs a cell at phase $\varphi_i$ to be driven by
    those at $\varphi_i - v$: a profile of $W_{ij}(v)$ over $\Delta = \varphi_i - \varphi_j$ that is
    shifted by v. The profile is a Fourier series on the unit cell (by least squares over all pairs
    of different cells, the 24 longest waves or as many as there are ten pairs for each
    coefficient), its shift the peak of the cross-correlation $\operatorname{Re} \sum_{m \ne 0}
    c_m(v)\, \overline{c_m(0)}\, e^{2 \pi i m \cdot s}$. What a cell gives to itself does not shift
    and is left out.

    Args:
        weights: (velocity, unit, unit) of the cells of one module.
        velocities: (velocity, 2) metres; the first is zero.
        phases: (unit, 2) phase of each cell in [0, 1) along the lattice vectors: one of its fields
            is at `phase @ vectors_m`.
        vectors_m: lattice vectors (x, y) as rows, metres.
        generator: draws the folds and shuffles phases among cells.
        nulls: shuffles.

    Raises:
        InputError: shapes that do not match, phases or vectors that are not finite, or a first
            velocity that is not zero.
    """
    count, units, _ = weights.shape
    if velocities.shape != (count, 2) or phases.shape != (units, 2) or nulls < 1:
        raise InputError(
            f"{count} matrices of {units} units do not match velocities {velocities.shape}, "
            f"phases {phases.shape} or {nulls} shuffles"
        )
    finite = all(np.isfinite(a).all() for a in (phases, vectors_m, weights))
    if not finite or abs(np.linalg.det(vectors_m)) < 1e-12:
        raise InputError(
            "weights, phases and lattice vectors must be finite, and the vectors not on one line"
        )
    if velocities[0].any() or not velocities[1:].any(axis=1).all():
        raise InputError("the first velocity must be zero and no other")
    one, other = np.nonzero(~np.eye(units, dtype=bool))
    target = weights[:, one, other].T
    harmonics = _harmonics((len(one) // PAIRS_PER_COLUMN - 1) // 2, vectors_m)
    reason = ""
    if np.linalg.matrix_rank(harmonics) < 2:
        reason = "too few cells in the module"
    elif (target.std(axis=0) <= 1e-12 * np.abs(target).max()).any():
        reason = "the weights are all the same"
    if reason:
        shapes = ((count,), (count, 2), (2, 2), (count, PROFILE_BINS, PROFILE_BINS))
        explained, shift, matrix, mean = (np.full(n, np.nan) for n in shapes)
        return PhaseProfile(velocities, explained, shift, matrix, mean, reason=reason)
    fold = generator.permutation(units**2) % FOLDS

    def fit(
        by_cell: np.ndarray, *, with_self: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        i, j = np.nonzero(np.ones((units, units), dtype=bool)) if with_self else (one, other)
        explained, coefficients = _regress(
            by_cell[i] - by_cell[j], weights[:, i, j].T, harmonics, fold[: len(i)]
        )
        shift = _shifts(coefficients, harmonics, vectors_m)
        return explained, shift, np.linalg.lstsq(velocities, shift, rcond=None)[0].T

    explained, shift, matrix = fit(phases)
    null_explained, null_slope, null_shift = np.empty((3, nulls))
    for i in range(nulls):
        mixed_explained, mixed_shift, mixed_matrix = fit(generator.permutation(phases))
        null_explained[i], null_slope[i] = mixed_explained[0], np.trace(mixed_matrix) / 2
        null_shift[i] = null_slope[i] * _explained_shift(mixed_shift, velocities, mixed_matrix)
    slope = float(np.trace(matrix)) / 2
    stretch = np.linalg.svd(matrix, compute_uv=False)
    r2 = _explained_shift(shift, velocities, matrix)
    shift_p_value = (1 + int((null_shift >= slope * r2).sum())) / (1 + nulls)
    return PhaseProfile(
        velocities=velocities,
        explained=explained,
        shift_m=shift,
        matrix=matrix,
        mean=_binned(phases[one] - phases[other], target),
        null_95=float(np.quantile(null_explained, 0.95)),
        p_value=(1 + int((null_explained >= explained[0]).sum())) / (1 + nulls),
        slope=slope,
        slope_with_self=float(np.trace(fit(phases, with_self=True)[2])) / 2,
        turn_deg=math.degrees(math.atan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])),
        isotropy=float(stretch[1] / stretch[0]) if stretch[0] > 0 else math.nan,
        r2=r2,
        slope_null_95=float(np.quantile(np.abs(null_slope), 0.95)),
        shift_p_value=shift_p_value if math.isfinite(r2) else math.nan,
    )


def _harmonics(most: int, vectors_m: Float[np.ndarray, "2 2"]) -> Int[np.ndarray, "harmonic 2"]:
    """The longest waves of the lattice, one of each pair m, -m.

    Waves of one length are kept or dropped together, so that the basis does not matter.
    """
    line = np.arange(-8, 9)
    m = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    m = m[(m[:, 0] > 0) | ((m[:, 0] == 0) & (m[:, 1] > 0))]
    size = np.linalg.norm(m @ np.linalg.inv(vectors_m).T, axis=1)
    order = np.argsort(size, kind="stable")
    ends = np.flatnonzero(np.diff(size[order]) > 1e-6 * size[order][:-1]) + 1
    return m[order[: ends[ends <= min(most, MOST_HARMONICS)].max(initial=0)]]


def _regress(
    difference: Float[np.ndarray, "pair 2"],
    target: Float[np.ndarray, "pair velocity"],
    harmonics: Int[np.ndarray, "harmonic 2"],
    fold: np.ndarray,
) -> tuple[Float[np.ndarray, " velocity"], Complex[np.ndarray, "velocity harmonic"]]:
    """Cross-validated share of variance, and the coefficients over all pairs."""
    angle = 2 * np.pi * difference @ harmonics.T
    design = np.concatenate([np.ones((len(angle), 1)), np.cos(angle), np.sin(angle)], axis=1)
    parts = [(design[fold == f], target[fold == f]) for f in range(FOLDS)]
    grams, moments = np.stack([d.T @ d for d, _ in parts]), np.stack([d.T @ t for d, t in parts])
    # Phases on a regular grid make columns that are the same; a trace of ridge splits the
    # coefficient between them.
    ridge = 1e-9 * len(design) * np.eye(design.shape[1])
    left = total = np.zeros(target.shape[1])
    for (d, t), gram, moment in zip(parts, grams, moments, strict=True):
        coefficient = np.linalg.solve(
            grams.sum(axis=0) - gram + ridge, moments.sum(axis=0) - moment
        )
        others = (moments.sum(axis=0) - moment)[0] / (len(design) - len(d))
        left, total = (
            left + ((t - d @ coefficient) ** 2).sum(axis=0),
            total + ((t - others) ** 2).sum(axis=0),
        )
    coefficient = np.linalg.solve(grams.sum(axis=0) + ridge, moments.sum(axis=0))[1:]
    count = len(harmonics)
    return 1 - left / total, (coefficient[:count] - 1j * coefficient[count:]).T


def _shifts(
    coefficients: Complex[np.ndarray, "velocity harmonic"],
    harmonics: Int[np.ndarray, "harmonic 2"],
    vectors_m: Float[np.ndarray, "2 2"],
) -> Float[np.ndarray, "velocity 2"]:
    """Peak of the cross-correlation with the first profile, as the shortest equivalent shift."""
    product = coefficients * np.conj(coefficients[0])
    line = np.arange(SHIFT_GRID) / SHIFT_GRID
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    shift = grid[np.real(product @ np.exp(2j * np.pi * harmonics @ grid.T)).argmax(axis=1)]
    for _ in range(8):
        wave = product * np.exp(2j * np.pi * shift @ harmonics.T)
        slope = -wave.imag @ harmonics
        curvature = np.einsum("vh,ha,hb->vab", wave.real, harmonics, harmonics)
        solvable = np.linalg.det(curvature) > 1e-12 * np.linalg.norm(curvature, axis=(1, 2)) ** 2
        step = np.zeros_like(shift)
        step[solvable] = np.linalg.solve(curvature[solvable], slope[solvable, :, None])[..., 0] / (
            2 * np.pi
        )
        shift = shift + np.clip(step, -0.5 / SHIFT_GRID, 0.5 / SHIFT_GRID)
    shift -= np.rint(shift)
    copies = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
    candidates = (shift[:, None] + copies) @ vectors_m
    return np.take_along_axis(
        candidates, np.linalg.norm(candidates, axis=-1).argmin(axis=1)[:, None, None], axis=1
    )[:, 0]


def _explained_shift(
    shift: Float[np.ndarray, "velocity 2"],
    velocities: Float[np.ndarray, "velocity 2"],
    matrix: Float[np.ndarray, "2 2"],
) -> float:
    moved, left = (float((a**2).sum()) for a in (shift, shift - velocities @ matrix.T))
    return 1 - left / moved if moved > 0 else math.nan


def _binned(
    difference: Float[np.ndarray, "pair 2"], target: Float[np.ndarray, "pair velocity"]
) -> Float[np.ndarray, "velocity bin bin"]:
    """Mean weight in bins of phase difference centred on multiples of 1 / PROFILE_BINS."""
    index = np.mod(np.rint(difference * PROFILE_BINS).astype(np.int64), PROFILE_BINS)
    flat = index[:, 0] * PROFILE_BINS + index[:, 1]
    pairs = np.bincount(flat, minlength=PROFILE_BINS**2)
    sums = np.stack(
        [np.bincount(flat, weights=column, minlength=PROFILE_BINS**2) for column in target.T]
    )
    mean = np.divide(sums, pairs, where=pairs > 0, out=np.full(sums.shape, np.nan))
    return mean.reshape(-1, PROFILE_BINS, PROFILE_BINS)
