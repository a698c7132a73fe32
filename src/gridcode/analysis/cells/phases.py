"""Where in its module's unit cell does each cell fire, and do the cells cover it evenly?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import spatial

from gridcode.analysis.cells.autocorrelogram import as_maps
from gridcode.analysis.cells.gridness import unscorable
from gridcode.analysis.cells.lattice import as_basis, reduced
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# The three longest waves: the reciprocal vectors of a reduced basis (60 to 90 degrees) are 90 to
# 120 degrees apart, and their sum is the third.
DIRECTIONS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
# Below this ratio of singular values a map is too small to separate the waves by regression.
LEAST_CONDITION = 0.05
START_GRID = 16
# Radius of the largest empty disc over sqrt(area / n) for n uniformly random points on a torus:
# means of 500 to 1,500 simulations each, to 0.5 %; from two points on independent of the lattice.
EMPTY_DISC_POINTS = np.array([1, 2, 3, 5, 8, 12, 20, 50, 200])
EMPTY_DISC_RADIUS = np.array([0.620, 0.791, 0.898, 1.001, 1.084, 1.157, 1.242, 1.374, 1.554])


@takes_arrays
def wave_vectors(vectors_m: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "3 2"]:
    r"""The three longest waves of a lattice, cycles per metre.

    $$ k_1, k_2, k_3 = k_1 + k_2, \quad k_i \cdot v_j = \delta_{ij} $$

    Args:
        vectors_m: reduced lattice vectors (x, y) as rows, metres.

    Raises:
        InputError: vectors that are not numbers or lie on one line.
    """
    return DIRECTIONS @ np.linalg.inv(as_basis(vectors_m)).T


@takes_arrays
def wave_components(
    rate_maps: np.ndarray, *, bin_size_m: float, waves: Float[np.ndarray, "wave 2"]
) -> tuple[Complex[np.ndarray, "unit wave"], Float[np.ndarray, "unit wave"]]:
    r"""Amplitude and phase of plane waves in each map, by least squares on its visited bins.

    $$ r(x) \approx c_0 + \sum_j \operatorname{Re} \left( c_j e^{2 \pi i k_j \cdot x} \right) $$

    with $x$ the place from the map's centre. Unlike the Fourier transform, regression needs no
    values in unvisited bins, and waves do not leak into one another in maps of broken periods.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins. Not changed.
        bin_size_m: side of a bin, metres.
        waves: wave vectors (x, y), cycles per metre.

    Returns:
        Complex amplitudes $c_j$, and the share of the map's variance of each wave by itself,
        $|c_j|^2 / 2 \operatorname{var}(r)$. NaN for maps that are silent, constant or too small.

    Raises:
        InputError: wrong shapes or a bin size that is not positive.
    """
    maps = as_maps(rate_maps)
    waves = np.asarray(waves, dtype=np.float64)
    if not 0 < bin_size_m < np.inf:
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    if waves.ndim != 2 or waves.shape[1] != 2 or not np.isfinite(waves).all():
        raise InputError(f"wave vectors must be (wave, 2) and finite, not of shape {waves.shape}")
    amplitude = np.full((len(maps), len(waves)), np.nan, dtype=np.complex128)
    share = np.full((len(maps), len(waves)), np.nan)
    scorable = np.array([not reason for reason in unscorable(maps)], dtype=bool)
    for visited, units in _by_mask(np.isfinite(maps), scorable):
        design = _design(visited, bin_size_m, waves)
        if len(design) <= design.shape[1] or np.linalg.cond(design) > 1 / LEAST_CONDITION:
            continue
        values = maps[units][:, visited]
        deviation = (values - values.mean(axis=1, keepdims=True)).T
        solved = np.linalg.lstsq(design, deviation, rcond=None)[0][1:].T
        amplitude[units] = solved[:, : len(waves)] - 1j * solved[:, len(waves) :]
        share[units] = np.abs(amplitude[units]) ** 2 / (2 * values.var(axis=1, keepdims=True))
    return amplitude, share


@dataclass(frozen=True)
class WaveReader:
    r"""Reads the phases of waves from states: each wave has a plane in which states go around.

    Attributes:
        mean: (unit,) mean activity.
        cosine: (wave, unit) components of each unit along $\cos 2 \pi k \cdot x$.
        sine: (wave, unit) along $\sin 2 \pi k \cdot x$.
    """

    mean: Float[np.ndarray, " unit"]
    cosine: Float[np.ndarray, "wave unit"]
    sine: Float[np.ndarray, "wave unit"]

    @takes_arrays
    def __call__(
        self, states: Float[np.ndarray, "sample unit"]
    ) -> Complex[np.ndarray, "sample wave"]:
        r"""States on the planes, $e^{2 \pi i k \cdot x}$ on a perfect code.

        Planes of few units, or of uneven phases, are not orthogonal: all are solved for at once, by
        least squares, without waves that the units hardly carry.
        """
        planes = np.concatenate([self.cosine, self.sine])
        along = (states - self.mean) @ np.linalg.pinv(planes, rcond=1e-6)
        return along[:, : len(self.cosine)] + 1j * along[:, len(self.cosine) :]


@takes_arrays
def fit_waves(
    states: Float[np.ndarray, "sample unit"], angle: Float[np.ndarray, "sample wave"]
) -> tuple[WaveReader, float]:
    """The components of each unit at some waves, by least squares over samples.

    Args:
        states: (sample, unit) activity.
        angle: (sample, wave) wave vector times place, in radians.

    Returns:
        The reader of waves, and the smallest over the largest singular value of the regression:
        near 0 where the places cannot separate the waves.

    Raises:
        InputError: values that are not finite, or nothing to fit.
    """
    if not (angle.size and states.size and np.isfinite(angle).all() and np.isfinite(states).all()):
        raise InputError("states and angles must be finite, and there must be some")
    design = wave_columns(angle)
    solved, _, _, singular = np.linalg.lstsq(design, states, rcond=None)
    waves = angle.shape[1]
    reader = WaveReader(solved[0], solved[1 : 1 + waves], solved[1 + waves :])
    return reader, float(singular[-1] / singular[0])


@takes_arrays
def wave_columns(angle: Float[np.ndarray, "sample wave"]) -> Float[np.ndarray, "sample column"]:
    """Columns 1, cos and sin of every wave, for regression."""
    return np.concatenate([np.ones((len(angle), 1)), np.cos(angle), np.sin(angle)], axis=1)


def _by_mask(
    visited: Bool[np.ndarray, "unit y x"], scorable: Bool[np.ndarray, " unit"]
) -> list[tuple[Bool[np.ndarray, "y x"], np.ndarray]]:
    """The scorable units grouped by their visited bins; in most data all are in one group."""
    groups: dict[bytes, list[int]] = {}
    for unit in np.nonzero(scorable)[0]:
        groups.setdefault(visited[unit].tobytes(), []).append(int(unit))
    return [(visited[units[0]], np.array(units)) for units in groups.values()]


def _design(
    visited: Bool[np.ndarray, "y x"], bin_size_m: float, waves: Float[np.ndarray, "wave 2"]
) -> Float[np.ndarray, "bin column"]:
    """`wave_columns` at the visited bins, with places from the map's centre."""
    rows, columns = visited.shape
    y, x = np.nonzero(visited)
    place = np.stack([x - (columns - 1) / 2, y - (rows - 1) / 2], axis=1) * bin_size_m
    return wave_columns(2 * np.pi * place @ waves.T)


@takes_arrays
def spatial_phases(
    rate_maps: np.ndarray, *, bin_size_m: float, vectors_m: Float[np.ndarray, "2 2"]
) -> Float[np.ndarray, "unit 2"]:
    r"""Where on a lattice each unit's fields lie: at `phase @ vectors_m` from the map's centre.

    $$ \varphi = \operatorname*{argmax}_p \; \sum_{m} \operatorname{Re} \left( c_m e^{2 \pi i m
    \cdot p} \right),
       \quad m = (1, 0), (0, 1), (1, 1) $$

    with $c_m$ the map's components at the lattice's three longest waves (`wave_components`): the
    peak of the sum of the waves. In a map of fields all three have a crest there; in a map of holes
    it is one of the two peaks around a hole.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins. Not changed.
        bin_size_m: side of a bin, metres.
        vectors_m: lattice vectors (x, y) as rows, metres; any basis of the lattice.

    Returns:
        (unit, 2) in [0, 1): the share of each of the two vectors. NaN for maps that are silent,
        constant or too small.

    Raises:
        InputError: wrong shapes, lattice vectors on one line, or a bin size that is not positive.

    Source: phase as the offset from a common lattice: Hafting et al. 2005; Yoon et al. 2013.
    """
    given = as_basis(vectors_m)
    basis = reduced(given[None])[0]
    amplitude, share = wave_components(rate_maps, bin_size_m=bin_size_m, waves=wave_vectors(basis))
    phase = np.full((len(amplitude), 2), np.nan)
    # Smaller shares are rounding.
    known = np.nan_to_num(share).max(axis=1, initial=0.0) > 1e-12
    phase[known] = _peaks(amplitude[known]) @ basis @ np.linalg.inv(given)
    return wrapped(phase)


def _peaks(amplitude: Complex[np.ndarray, "unit 3"]) -> Float[np.ndarray, "unit 2"]:
    """Where in the unit cell the sum of three waves peaks: best of a grid, then Newton's method."""
    line = np.arange(START_GRID) / START_GRID
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    height = np.real(amplitude @ np.exp(2j * np.pi * DIRECTIONS @ grid.T))
    phase = grid[height.argmax(axis=1)]
    size = np.abs(amplitude)
    for _ in range(20):
        wave = amplitude * np.exp(2j * np.pi * phase @ DIRECTIONS.T)
        slope = -wave.imag @ DIRECTIONS
        # The curvature is kept positive past a wave's inflection, so that each step goes uphill.
        bend = np.maximum(wave.real, 0.1 * size + 1e-9 * size.max(axis=1, keepdims=True))
        curvature = np.einsum("uj,ja,jb->uab", bend, DIRECTIONS, DIRECTIONS)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0] / (2 * np.pi)
        phase = phase + np.clip(step, -0.5 / START_GRID, 0.5 / START_GRID)
    return phase


@takes_arrays
def phase_uniformity(
    phases: Float[np.ndarray, "unit 2"], *, generator: np.random.Generator, nulls: int = 999
) -> float:
    r"""p-value of phases as uneven as these in the unit cell, if they were uniformly random.

    $$ T = n \sum_{m} \left| \frac1n \sum_u e^{2 \pi i m \cdot \varphi_u} \right|^2, \quad m = (1,
    0), (0, 1), (1, 1) $$

    is Rayleigh's statistic on the torus, along the three waves of a hexagonal lattice; large if the
    phases cluster. The null draws n phases `nulls` times, so that p is right for few units as well.
    Phases more even than random (tiled like a lattice) have p near 1.

    Args:
        phases: (unit, 2) as from `spatial_phases`; units with NaN are left out.
        generator: source of randomness of the null.
        nulls: null draws; p is a multiple of 1 / (1 + nulls).

    Returns:
        p, or NaN for fewer than two phases.

    Raises:
        InputError: phases of another shape, or no nulls.

    Source: Rayleigh's test (Mardia & Jupp 2000, section 6.3), on the torus.
    """
    known = _known_phases(phases)
    if nulls < 1:
        raise InputError(f"nulls must be 1 or more, not {nulls}")
    n = len(known)
    if n < 2:
        return float("nan")
    observed = _unevenness(known[None])[0]
    size = max(1, 2**18 // n)
    counts = (min(size, nulls - start) for start in range(0, nulls, size))
    # Ties by rounding count as the null's.
    above = sum(
        int((_unevenness(generator.random((count, n, 2))) >= observed * (1 - 1e-9)).sum())
        for count in counts
    )
    return (1 + above) / (1 + nulls)


def _unevenness(phases: Float[np.ndarray, "draw unit 2"]) -> Float[np.ndarray, " draw"]:
    first, second = (np.exp(2j * np.pi * phases[..., i]) for i in (0, 1))
    resultants = np.stack([wave.mean(axis=1) for wave in (first, second, first * second)])
    return phases.shape[1] * (np.abs(resultants) ** 2).sum(axis=0)


@takes_arrays
def phase_coverage(
    phases: Float[np.ndarray, "unit 2"], *, vectors_m: Float[np.ndarray, "2 2"]
) -> float:
    r"""Radius of the largest empty disc in the unit cell, over that of as many random phases.

    $$ R / \left( \rho_n \sqrt{A / n} \right), \quad R = \max_x \min_u |x - \varphi_u V| $$

    with distances on the torus, $A$ the area of the unit cell and $\rho_n$ from simulations (beyond
    200 points the asymptotic form). 1: as random, with a standard deviation of 0.1; above 1: a
    hole; below 1: more even than random.

    Args:
        phases: (unit, 2) as from `spatial_phases`; units with NaN are left out.
        vectors_m: lattice vectors (x, y) as rows, metres.

    Returns:
        The ratio, or NaN without phases.

    Raises:
        InputError: phases of another shape, or lattice vectors on one line.

    Source: largest empty disc: Shamos & Hoey 1975; how it grows with n: Janson 1986.
    """
    given = as_basis(vectors_m)
    known = _known_phases(phases)
    if not len(known):
        return float("nan")
    basis = reduced(given[None])[0]
    radius = _largest_empty_disc(wrapped(known @ given @ np.linalg.inv(basis)), basis)
    scale = np.sqrt(abs(np.linalg.det(basis)) / len(known))
    return float(radius / (_expected_empty_disc(len(known)) * scale))


def _expected_empty_disc(n: int) -> float:
    """Mean radius over sqrt(area / n) for n uniformly random points."""
    if n <= EMPTY_DISC_POINTS[-1]:
        return float(np.interp(np.log(n), np.log(EMPTY_DISC_POINTS), EMPTY_DISC_RADIUS))
    # pi r^2 n grows as ln n + ln ln n + constant; the constant is that of the table's end.
    return float(np.sqrt((np.log(n) + np.log(np.log(n)) + 0.63) / np.pi))


def _largest_empty_disc(
    phases: Float[np.ndarray, "unit 2"], basis: Float[np.ndarray, "2 2"]
) -> float:
    """Radius: its centre is a corner of the Voronoi diagram of the phases and their copies."""
    # No place is further from a phase than the longer vector of a reduced basis: two rows of copies
    # all round are enough.
    shift = np.stack(np.meshgrid(np.arange(-2, 3), np.arange(-2, 3)), axis=-1).reshape(-1, 1, 2)
    points = (np.unique(phases, axis=0) + shift).reshape(-1, 2) @ basis
    corners = spatial.Voronoi(points).vertices
    within = corners @ np.linalg.inv(basis)
    inside = corners[((within > -1e-6) & (within < 1 + 1e-6)).all(axis=1)]
    return float(np.max(spatial.KDTree(points).query(inside)[0]))


@takes_arrays
def wrapped(phase: Float[np.ndarray, "*point 2"]) -> Float[np.ndarray, "*point 2"]:
    """Phases in [0, 1): the remainder of a number just below 0 would round to 1."""
    phase = phase - np.floor(phase)
    return np.where(phase >= 1.0, 0.0, phase)


def _known_phases(phases: np.ndarray) -> Float[np.ndarray, "known 2"]:
    given = np.asarray(phases, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] != 2 or np.isinf(given).any():
        raise InputError(
            f"phases must be (unit, 2) and not infinite, not of shape {np.shape(phases)}"
        )
    return given[np.isfinite(given).all(axis=1)]
