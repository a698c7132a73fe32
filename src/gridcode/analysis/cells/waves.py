r"""How strongly a map follows a lattice, from the plane waves that a lattice is made of.

$$ a(k) = \frac{|\sum_x z(x) e^{-ikx}|}{\sqrt{n \sum_x z(x)^2}}, \quad z = r - \bar r $$

is measured over the visited bins, on a polar grid of wave vectors $k$. A hexagonal lattice has
three waves 60 degrees apart whose crests meet in its fields, and little in other directions. So
each form of lattice has a strength: how far its waves rise above the mean $\bar a$ of their ring,
all waves of that length, at most over all scales and directions:

- hexagonal: $3 (\sqrt[3]{a_1 a_2 a_3} \cos(\delta/3) - \bar a)$, waves at 0, 60 and 120 degrees.
  $\delta$ is the phase by which the crests of the three waves miss one another.
- sheared: $3 (\sqrt[3]{b_1 b_2 b_3} - \bar b)$, with b the highest amplitude within a step of the
  grid in length and direction.
- square: $2 (\sqrt{b_1 b_2} - \bar b)$, waves at 0 and 90 degrees.

A geometric mean is high only if all waves are there: one wave is a band. The mean of the ring is
taken off since a single field has waves in all directions, and all of them meet in it.

A fourth number is for bands: the share of the variance that the strongest wave explains.

The whole map counts, so that a lattice of two periods, whose autocorrelogram has no full ring of
peaks, can be told from chance. The strengths of noise depend on its spectrum: compare them with
those of null maps (`gridcode.analysis.cells.significance`).

Source: spectra of grid cells: Krupic et al. 2012. The phase of three waves is that of the
bispectrum.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import optimize

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps
from gridcode.analysis.cells.lattice import Pairs, reduced
from gridcode.arrays import takes_arrays

FORMS = ("hexagonal", "sheared", "square")
# Wave vectors: from one wave across the shorter side to a wave of four bins. A wave of an arena is
# blurred by about one cycle a side, so that smaller steps would find nothing more.
FEWEST_CYCLES, LARGEST_CYCLES_PER_BIN, STEP_CYCLES, STEP_DEG = 1.0, 0.25, 0.35, 5
# Fewer waves across the arena are what any wide field gives.
FEWEST_CYCLES_OF_A_BAND = 2.0
TOGETHER = 50  # maps measured at once


@dataclass(frozen=True)
class Strengths:
    """Strengths of each map; NaN for maps without variance.

    Attributes:
        hexagonal: (unit,) of three waves 60 degrees apart that meet.
        sheared: (unit,) of three waves that need not be quite 60 degrees apart.
        square: (unit,) of two waves 90 degrees apart.
        wave_share: (unit,) share of the variance that the strongest wave explains.
    """

    hexagonal: Float[np.ndarray, " unit"]
    sheared: Float[np.ndarray, " unit"]
    square: Float[np.ndarray, " unit"]
    wave_share: Float[np.ndarray, " unit"]

    def forms(self) -> Float[np.ndarray, "form unit"]:
        """The strengths of the three forms of lattice."""
        return np.stack([self.hexagonal, self.sheared, self.square])


@takes_arrays
def strengths(rate_maps: np.ndarray) -> Strengths:
    """Strength of each form of lattice in every rate map.

    Args:
        rate_maps: (unit, y, x), any unit of activity; NaN marks unvisited bins.

    Raises:
        InputError: wrong shape or infinities.
    """
    maps = as_maps(rate_maps)
    grid = _grid(*maps.shape[1:])
    # The grid of waves, larger than the maps, is read once for each block.
    size = range(0, max(len(maps), 1), TOGETHER)
    parts = [_strengths(maps[first : first + TOGETHER], grid) for first in size]
    return Strengths(*np.concatenate(parts, axis=1))


@takes_arrays
def lattices_from_waves(rate_maps: np.ndarray) -> Pairs:
    r"""Lattice of each map from its waves, for maps that show too few peaks to fit one.

    From the best hexagonal lattice of the grid on, two wave vectors move until $\cos(\delta/3)
    (a_1 + a_2 + a_3)$ is largest, the third wave being their difference. Over few periods waves
    blur into one another: on planted cells of 1.4 periods spacings are a few percent off.

    Args:
        rate_maps: (unit, y, x), NaN marks unvisited bins.

    Returns:
        (unit, 2, 2) two lattice vectors (x, y) in bins, reduced; NaN for maps without variance.

    Raises:
        InputError: wrong shape or infinities.
    """
    maps = as_maps(rate_maps)
    side = min(maps.shape[1:])
    grid = _grid(*maps.shape[1:])
    angle = np.radians(np.arange(0, 60, STEP_DEG))
    y, x = (np.arange(n) - (n - 1) / 2 for n in maps.shape[1:])
    found = np.full((len(maps), 2, 2), np.nan)
    for u, one in enumerate(maps):
        z, norm = _standardised(one[None])
        if not norm[0] > 0:
            continue
        field = z.reshape(one.shape)

        def misfit(pair: np.ndarray, field: np.ndarray = field) -> float:
            a, b = pair.reshape(2, 2)
            k = 2j * np.pi * np.stack([a, b, b - a])
            # Sums over x first, then over y, of the map times each of the three waves.
            by_row = np.exp(np.multiply.outer(k[:, 0], x)) @ field.T
            f = (by_row * np.exp(np.multiply.outer(k[:, 1], y))).sum(axis=1)
            miss = np.angle(f[0] * f[2] * f[1].conj())
            return -float(np.abs(f).sum() * np.cos(miss / 3))

        real, imaginary = _waves(z, grid)
        amplitude = np.sqrt(real**2 + imaginary**2)
        above = _coherent(real, imaginary, amplitude)[0] - amplitude[0].mean(axis=1, keepdims=True)
        r, t = np.unravel_index(int(above.argmax()), (len(grid.cycles), len(angle)))
        turns = angle[t] + np.radians([0.0, 60.0])
        start = grid.cycles[r] / side * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        fit = optimize.minimize(misfit, start.ravel(), method="Nelder-Mead")
        found[u] = reduced(np.linalg.inv(fit.x.reshape(2, 2)).T[None])[0]
    return found


@dataclass(frozen=True)
class _Grid:
    """Wave vectors on a polar grid: angle fastest, over half of the plane.

    `cos` and `sin` hold the first half of the bins: a bin and the one opposite to it have the same
    cosine, and sines of opposite sign.
    """

    cycles: Float[np.ndarray, " radius"]
    cos: Float[np.ndarray, "bin wave"]
    sin: Float[np.ndarray, "bin wave"]


@functools.lru_cache(maxsize=4)
def _grid(rows: int, columns: int) -> _Grid:
    side = min(rows, columns)
    most = max(LARGEST_CYCLES_PER_BIN * side, FEWEST_CYCLES + STEP_CYCLES)
    cycles = np.arange(FEWEST_CYCLES, most, STEP_CYCLES)
    angle = np.radians(np.arange(0, 180, STEP_DEG))
    k = 2 * np.pi / side * cycles[:, None]
    y, x = (np.arange(n) - (n - 1) / 2 for n in (rows, columns))
    along_x = np.multiply.outer(x, (k * np.cos(angle)).ravel())
    along_y = np.multiply.outer(y, (k * np.sin(angle)).ravel())
    phase = along_y[: rows // 2 + 1, None] + along_x[None]
    phase = phase.reshape(-1, phase.shape[-1])[: -(-rows * columns // 2)]
    return _Grid(cycles, np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32))


def _standardised(maps: Maps) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from the mean (unit, bin), so scaled that amplitudes are sums; and that scale."""
    flat = maps.reshape(len(maps), -1)
    known = np.isfinite(flat)
    z = np.where(known, flat, 0.0)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    z = np.where(known, z - z.sum(axis=1, keepdims=True) / count, 0.0)
    height = np.abs(z).max(axis=1, keepdims=True)
    z /= np.where(height > 0, height, 1.0)  # squares neither overflow nor vanish
    norm = np.sqrt(count * (z**2).sum(axis=1, keepdims=True))
    return (z / np.where(norm > 0, norm, 1.0)).astype(np.float32), norm[:, 0]


def _waves(z: np.ndarray, grid: _Grid) -> tuple[np.ndarray, np.ndarray]:
    """Real and imaginary part of each wave, (unit, radius, angle)."""
    half = len(grid.cos)
    here, opposite = z[:, :half], z[:, ::-1][:, :half]
    even = here + opposite
    if z.shape[1] % 2:  # the bin in the middle is its own opposite
        even[:, -1] = here[:, -1]
    shape = (len(z), len(grid.cycles), 180 // STEP_DEG)
    return (even @ grid.cos).reshape(shape), ((here - opposite) @ grid.sin).reshape(shape)


def _coherent(real: np.ndarray, imaginary: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Geometric mean of three waves 60 degrees apart that meet, (unit, radius, angle below 60)."""
    first, second, last = _thirds(amplitude)
    # The wave at 60 degrees is the sum of those at 0 and at 120 degrees.
    (a, b, c), (ai, bi, ci) = _thirds(real), _thirds(imaginary)
    miss = np.angle((a + 1j * ai) * (c + 1j * ci) * (b - 1j * bi))
    return np.asarray(np.cbrt(first * second * last) * np.cos(miss / 3))


def _thirds(values: np.ndarray) -> list[np.ndarray]:
    return np.split(values, 3, axis=-1)


def _strengths(maps: Maps, grid: _Grid) -> Float[np.ndarray, "form unit"]:
    z, norm = _standardised(maps)
    real, imaginary = _waves(z, grid)
    amplitude = np.sqrt(real**2 + imaginary**2)
    near = _highest_near(amplitude)
    first, second, last = _thirds(near)
    along, across = np.split(near, 2, axis=2)
    ring, ring_near = (a.mean(axis=2, keepdims=True) for a in (amplitude, near))
    bands = amplitude[:, grid.cycles >= FEWEST_CYCLES_OF_A_BAND]
    found = np.stack(
        [
            3 * _largest(_coherent(real, imaginary, amplitude) - ring),
            3 * _largest(np.cbrt(first * second * last) - ring_near),
            2 * _largest(np.sqrt(along * across) - ring_near),
            2 * _largest(bands) ** 2 if bands.size else np.zeros(len(maps)),
        ]
    ).astype(np.float64)
    return np.where(norm > 0, found, np.nan)


def _largest(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).max(axis=1)


def _highest_near(amplitude: np.ndarray) -> np.ndarray:
    """Highest amplitude within one step of the grid; opposite waves are the same wave."""
    out = amplitude.copy()
    np.maximum(out[:, :-1], amplitude[:, 1:], out=out[:, :-1])
    np.maximum(out[:, 1:], amplitude[:, :-1], out=out[:, 1:])
    return np.maximum(np.maximum(np.roll(out, 1, axis=2), np.roll(out, -1, axis=2)), out)
