r"""How strongly a map follows a lattice, from the plane waves that a lattice is made of.

$$ a(k) = \frac{|\sum_x z(x) e^{-ikx}|}{\sqrt{n \sum_x z(x)^2}}, \quad z = r - \bar r $$

is measured over the visited bins, on a polar grid of wave vectors $k$. A hexagonal lattice has
three waves 60 degrees apart whose crests meet in its fields. So each form of lattice has a
strength, the largest sum of the amplitudes of its waves over all scales and directions:

- hexagonal: $\cos(\delta/3) (a_1 + a_2 + a_3)$, waves at 0, 60 and 120 degrees. $\delta$ is the
  phase by which the crests of the three waves miss one another.
- sheared: $a_1 + a_2 + a_3$, where each wave may lie up to one step of the grid nearer or further
  and two steps to either side.
- square: $a_1 + a_2$, waves at 0 and 90 degrees, each up to one step away.

A fourth number is for bands: the share of the variance that the strongest wave explains.

The whole map counts, so that a lattice of two periods, whose autocorrelogram has no full ring of
peaks, can be told from chance. The strengths of noise depend on its spectrum: compare them with
those of null maps (`gridcode.analysis.cells.significance`).

Source: spectra of grid cells: Krupic et al. 2012; the sum of amplitudes is the matched filter of
waves of equal height (Kay 1998), the triple phase is that of the bispectrum.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, blocks
from gridcode.arrays import takes_arrays

FORMS = ("hexagonal", "sheared", "square")
# Wave vectors: from one wave across the shorter side to a wave of four bins. A wave of an arena is
# blurred by about one cycle a side, so that smaller steps would find nothing more.
FEWEST_CYCLES, LARGEST_CYCLES_PER_BIN, STEP_CYCLES, STEP_DEG = 1.0, 0.25, 0.35, 5
# Fewer waves across the arena are what any wide field gives.
FEWEST_CYCLES_OF_A_BAND = 2.0


@dataclass(frozen=True)
class Strengths:
    """Strengths of each map; NaN for maps without variance.

    Attributes:
        hexagonal: (unit,) amplitude of three waves 60 degrees apart that meet; 1.2 at most.
        sheared: (unit,) the same for waves that need not be quite 60 degrees apart.
        square: (unit,) of two waves 90 degrees apart; 1 at most.
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
    parts = [_strengths(maps[block], grid) for block in blocks(len(maps), 4 * grid.cos.shape[1])]
    return Strengths(*np.concatenate(parts, axis=1))


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
    phase = (along_y[:, None] + along_x[None]).reshape(rows * columns, -1)
    phase = phase[: -(-rows * columns // 2)]
    return _Grid(cycles, np.cos(phase).astype(np.float32), np.sin(phase).astype(np.float32))


def _strengths(maps: Maps, grid: _Grid) -> Float[np.ndarray, "form unit"]:
    flat = maps.reshape(len(maps), -1)
    known = np.isfinite(flat)
    z = np.where(known, flat, 0.0)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    z = np.where(known, z - z.sum(axis=1, keepdims=True) / count, 0.0)
    height = np.abs(z).max(axis=1, keepdims=True)
    z /= np.where(height > 0, height, 1.0)  # squares neither overflow nor vanish
    norm = np.sqrt(count * (z**2).sum(axis=1, keepdims=True))
    z = (z / np.where(norm > 0, norm, 1.0)).astype(np.float32)
    half = len(grid.cos)
    here, opposite = z[:, :half], z[:, ::-1][:, :half]
    even = here + opposite
    if z.shape[1] % 2:  # the bin in the middle is its own opposite
        even[:, -1] = here[:, -1]
    shape = (len(maps), len(grid.cycles), 180 // STEP_DEG)
    real = (even @ grid.cos).reshape(shape)
    imaginary = ((here - opposite) @ grid.sin).reshape(shape)
    amplitude = np.sqrt(real**2 + imaginary**2)

    third = shape[2] // 3
    first, second, last = (slice(n * third, (n + 1) * third) for n in range(3))
    # The wave at 60 degrees is the sum of those at 0 and at 120 degrees.
    turn = (real[..., first] + 1j * imaginary[..., first]) * (
        real[..., last] + 1j * imaginary[..., last]
    )
    miss = np.angle(turn * (real[..., second] - 1j * imaginary[..., second]))
    three = amplitude[..., first] + amplitude[..., second] + amplitude[..., last]
    near = _highest_near(amplitude, 1)
    wider = np.maximum(np.maximum(np.roll(near, 1, axis=2), np.roll(near, -1, axis=2)), near)
    right_angle = shape[2] // 2
    bands = amplitude[:, grid.cycles >= FEWEST_CYCLES_OF_A_BAND]
    found = np.stack(
        [
            _largest(three * np.cos(miss / 3)),
            _largest(wider[..., first] + wider[..., second] + wider[..., last]),
            _largest(near[..., :right_angle] + near[..., right_angle:]),
            2 * _largest(bands) ** 2 if bands.size else np.zeros(len(maps)),
        ]
    ).astype(np.float64)
    return np.where(norm[:, 0] > 0, found, np.nan)


def _largest(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1).max(axis=1)


def _highest_near(amplitude: np.ndarray, reach: int) -> np.ndarray:
    """Highest amplitude within one step of the grid; opposite waves are the same wave."""
    out = amplitude.copy()
    np.maximum(out[:, :-reach], amplitude[:, reach:], out=out[:, :-reach])
    np.maximum(out[:, reach:], amplitude[:, :-reach], out=out[:, reach:])
    return np.maximum(np.maximum(np.roll(out, reach, axis=2), np.roll(out, -reach, axis=2)), out)
