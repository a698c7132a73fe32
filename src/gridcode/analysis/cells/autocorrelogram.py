"""Spatial autocorrelograms: where does a rate map repeat itself?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft, ndimage

from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

Maps = Float[np.ndarray, "unit y x"]
Correlograms = Float[np.ndarray, "unit lag_y lag_x"]
Visited = Bool[np.ndarray, "unit y x"]

# A block of units is about this many numbers, half a megabyte: temporaries fit a core's L2 cache.
CACHED_FLOATS = 2**16


@takes_arrays
def as_maps(rate_maps: np.ndarray) -> Maps:
    """Rate maps as a float64 copy of shape (unit, y, x); NaN marks unvisited bins.

    Args:
        rate_maps: one map (y, x) or several (unit, y, x), any real dtype. NaN or a numpy mask marks
            unvisited bins. Not changed.

    Raises:
        InputError: the array has another number of axes, fewer than 3 bins a side, or values that
            are no real numbers within 1e100.
    """
    maps = np.array(rate_maps, dtype=np.float64)
    if maps.ndim == 2:
        maps = maps[None]
    if maps.ndim != 3 or min(maps.shape[1:]) < 3:
        raise InputError(
            f"rate maps must be (unit, y, x) with at least 3 bins a side, not {np.shape(rate_maps)}"
        )
    return maps


def side_bins(shape: Sequence[int]) -> float:
    """Side of the square that has as many bins as a map of this shape (rows, columns)."""
    rows, columns = shape
    return math.sqrt(rows * columns)


def blocks(units: int, floats_per_unit: int) -> Iterator[slice]:
    """Slices of units, each of about CACHED_FLOATS numbers; one empty slice for no units."""
    size = max(1, CACHED_FLOATS // floats_per_unit)
    return (slice(i, i + size) for i in range(0, max(units, 1), size))


@takes_arrays
def shared_mask(visited: Visited) -> Bool[np.ndarray, "#unit y x"]:
    """One mask (1, y, x) where all units have the same; otherwise all masks."""
    return visited[:1] if (visited == visited[:1]).all() else visited


@takes_arrays
def smooth(rate_maps: np.ndarray, sigma_bins: float) -> Maps:
    """Gaussian smoothing over visited bins; unvisited (NaN) bins stay NaN and do not dilute others.

    Args:
        rate_maps: (unit, y, x).
        sigma_bins: width of the kernel in bins; 0 returns a copy.
    """
    maps = as_maps(rate_maps)
    if sigma_bins == 0:
        return maps
    visited = np.isfinite(maps)
    sigma = (0, sigma_bins, sigma_bins)
    total = ndimage.gaussian_filter(np.where(visited, maps, 0.0), sigma, mode="constant")
    weight = ndimage.gaussian_filter(
        shared_mask(visited).astype(np.float64), sigma, mode="constant"
    )
    return np.where(visited, total / np.maximum(weight, 1e-12), np.nan)


@takes_arrays
def autocorrelograms(rate_maps: np.ndarray, *, min_overlap_bins: int = 20) -> Correlograms:
    r"""Pearson correlation of each map with itself at every lag, over bins visited in both copies.

    $$ r(\tau) = \frac{n \sum ab - \sum a \sum b}{\sqrt{(n \sum a^2 - (\sum a)^2)(n \sum b^2 - (\sum
    b)^2)}} $$

    with $a$ the map, $b$ the map shifted by $\tau$, and $n$ the number of bins visited in both.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins.
        min_overlap_bins: lags with fewer common bins are NaN.

    Returns:
        (unit, 2y - 1, 2x - 1), zero lag in the centre. A lag is NaN where too few bins overlap or
        one copy does not vary; a constant or unvisited map is NaN throughout.

    Source: Sargolini et al. 2006 (the basis of every grid score), computed by FFT.
    """
    maps = as_maps(rate_maps)
    rows, columns = maps.shape[1:]
    lags = _Lags(rows, columns)
    visited = np.isfinite(maps)
    masks = shared_mask(visited)
    overlap = _Overlap.of(masks, lags) if len(masks) == 1 else None
    out = np.empty((len(maps), 2 * rows - 1, 2 * columns - 1))
    for block in blocks(len(maps), out.shape[1] * out.shape[2]):
        both = overlap or _Overlap.of(masks[block], lags)
        half = _half_correlograms(maps[block], visited[block], both, lags, min_overlap_bins)
        # r(-tau) = r(tau): the other half is the mirror image.
        out[block, rows - 1 :] = half
        out[block, : rows - 1] = half[:, :0:-1, ::-1]
    return out


def _half_correlograms(
    maps: Maps, visited: Visited, overlap: "_Overlap", lags: "_Lags", min_overlap_bins: int
) -> Correlograms:
    """Autocorrelograms at lag_y >= 0 only."""
    level = np.abs(np.where(visited, maps, 0.0)).max(axis=(1, 2), keepdims=True)
    # Centring and scaling first keeps the differences of large sums below accurate.
    filled = centred(maps, visited)
    scale = np.abs(filled).max(axis=(1, 2), keepdims=True)
    varies = scale > 1e-9 * level
    filled = np.where(varies, filled / np.where(varies, scale, 1.0), 0.0)

    f = lags.spectrum(filled)
    ab = lags.upper_half((f.real**2 + f.imag**2) * lags.move_x)
    n = overlap.count[:, lags.rows - 1 :]
    if overlap.whole:
        (a, b), (aa, bb) = _rectangle_sums(filled), _rectangle_sums(filled**2)
    else:
        every = lags.correlations(f * overlap.conjugate)
        squares = lags.correlations(lags.spectrum(filled**2) * overlap.conjugate)
        # The sums over the other copy are the same sums at the opposite lag.
        y = lags.rows - 1
        (a, b), (aa, bb) = ((c[:, y:], c[:, y::-1, ::-1]) for c in (every, squares))
    variance_a, variance_b = n * aa - a * a, n * bb - b * b
    usable = (n >= min_overlap_bins) & (np.minimum(variance_a, variance_b) > 1e-9 * n * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (n * ab - a * b) / np.sqrt(variance_a * variance_b)
    return np.where(usable & varies, np.clip(r, -1.0, 1.0), np.nan)


def _rectangle_sums(values: Maps) -> tuple[Correlograms, Correlograms]:
    """Sums over what the two copies of a map without holes have in common, at lag_y >= 0.

    Every common part is a rectangle in a corner of the map, whose sum is a cumulative sum.
    """
    below = values[:, ::-1].cumsum(axis=1)[:, ::-1]
    above = values.cumsum(axis=1)[:, ::-1]
    left, right = below.cumsum(axis=2), below[..., ::-1].cumsum(axis=2)[..., ::-1]
    one = np.concatenate([left[..., :-1], right], axis=2)
    left, right = above.cumsum(axis=2), above[..., ::-1].cumsum(axis=2)[..., ::-1]
    return one, np.concatenate([right[..., :0:-1], left[..., ::-1]], axis=2)


@takes_arrays
def centred(maps: Maps, visited: Visited) -> Maps:
    """Maps minus their mean over visited bins, 0 elsewhere."""
    filled = np.where(visited, maps, 0.0)
    count = np.maximum(visited.sum(axis=(1, 2), keepdims=True), 1)
    return np.where(visited, filled - filled.sum(axis=(1, 2), keepdims=True) / count, 0.0)


class _Lags:
    """Correlations of maps (unit, y, x) at every lag by FFT, padded so that lags do not wrap round.

    A product of spectra comes back with zero lag in the corner; `move` and `move_x`, the spectra of
    an impulse at the far corner and at the end of the first row, move it to the centre and to the
    middle of the first row.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.padded = [fft.next_fast_len(2 * n - 1, real=True) for n in (rows, columns)]
        impulse = np.zeros((2, rows, columns))
        impulse[0, -1, -1] = impulse[1, 0, -1] = 1.0
        self.move, self.move_x = self.spectrum(impulse)

    def spectrum(self, a: Maps) -> np.ndarray:
        # Row by row first: the rows of padding are not transformed.
        return fft.fft(fft.rfft(a, self.padded[1], axis=2), self.padded[0], axis=1)

    def _back(self, product: np.ndarray, rows: int) -> Correlograms:
        by_row = fft.ifft(product, axis=1, overwrite_x=True)[:, :rows]
        return fft.irfft(by_row, self.padded[1], axis=2)[:, :, : 2 * self.columns - 1]

    def correlations(self, product: np.ndarray) -> Correlograms:
        """All lags, from a product of spectra with `move`."""
        return self._back(product, 2 * self.rows - 1)

    def upper_half(self, product: np.ndarray) -> Correlograms:
        """Lags with lag_y >= 0, from a product of spectra with `move_x`."""
        return self._back(product, self.rows)


@dataclass(frozen=True)
class _Overlap:
    """The bins that masks and their shifted copies have in common.

    Attributes:
        conjugate: conjugate spectrum of the mask, times `move`.
        count: number of common bins at every lag.
        whole: whether there is no hole in any mask.
    """

    conjugate: np.ndarray
    count: Correlograms
    whole: bool

    @classmethod
    def of(cls, visited: Visited, lags: _Lags) -> "_Overlap":
        mask = lags.spectrum(visited.astype(np.float64))
        conjugate = mask.conj() * lags.move
        count = np.rint(lags.correlations(mask * conjugate))
        return cls(conjugate, count, bool(visited.all()))
