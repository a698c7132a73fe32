"""Spatial autocorrelograms: where does a rate map repeat itself?"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft, ndimage

from gridcode.errors import InputError

Maps = Float[np.ndarray, "unit y x"]
Correlograms = Float[np.ndarray, "unit lag_y lag_x"]


def as_maps(rate_maps: np.ndarray) -> Maps:
    """Rate maps as a float64 copy of shape (unit, y, x); NaN marks unvisited bins.

    Args:
        rate_maps: one map (y, x) or several (unit, y, x), any real dtype. Not changed.

    Raises:
        InputError: the array has another number of axes, fewer than 3 bins a side, or infinities.
    """
    maps = np.array(rate_maps, dtype=np.float64)
    if maps.ndim == 2:
        maps = maps[None]
    if maps.ndim != 3 or min(maps.shape[1:]) < 3:
        raise InputError(f"rate maps must be (unit, y, x) with at least 3 bins a side, not {np.shape(rate_maps)}")
    if np.isinf(maps).any():
        raise InputError("rate maps hold infinite values; mark unvisited bins with NaN")
    return maps


def smooth(rate_maps: np.ndarray, sigma_bins: float) -> Maps:
    """Gaussian smoothing that neither fills unvisited (NaN) bins nor lets them dilute their neighbours.

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
    weight = ndimage.gaussian_filter(visited.astype(np.float64), sigma, mode="constant")
    return np.where(visited, total / np.maximum(weight, 1e-12), np.nan)


def autocorrelograms(rate_maps: np.ndarray, *, min_overlap_bins: int = 20) -> Correlograms:
    r"""Pearson correlation of each map with itself at every lag, over the bins that both copies visited.

    $$ r(\tau) = \frac{n \sum ab - \sum a \sum b}{\sqrt{(n \sum a^2 - (\sum a)^2)(n \sum b^2 - (\sum b)^2)}} $$

    with $a$ the map, $b$ the map shifted by $\tau$, and $n$ the number of bins visited in both.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins.
        min_overlap_bins: lags with fewer common bins are NaN.

    Returns:
        (unit, 2y - 1, 2x - 1), zero lag in the centre. A lag is NaN where too few bins overlap or where
        one copy does not vary; a constant or unvisited map is NaN throughout.

    Source: Sargolini et al. 2006 (the definition every grid score starts from), computed by FFT.
    """
    maps = as_maps(rate_maps)
    visited = np.isfinite(maps)
    count = visited.sum(axis=(1, 2), keepdims=True)
    filled = np.where(visited, maps, 0.0)
    # Centring and scaling first keeps the differences of large sums below accurate.
    filled = np.where(visited, filled - filled.sum(axis=(1, 2), keepdims=True) / np.maximum(count, 1), 0.0)
    scale = np.abs(filled).max(axis=(1, 2), keepdims=True)
    level = np.nanmax(np.abs(np.where(visited, maps, 0.0)), axis=(1, 2), keepdims=True)
    varies = scale > 1e-9 * level
    filled = np.where(varies, filled / np.where(varies, scale, 1.0), 0.0)

    shape = tuple(2 * n - 1 for n in maps.shape[1:])
    padded = tuple(fft.next_fast_len(n, real=True) for n in shape)

    def spectrum(a: np.ndarray) -> np.ndarray:
        return fft.rfft2(a, s=padded)

    def back(a: np.ndarray) -> Correlograms:
        full = fft.irfft2(a, s=padded)
        return np.roll(full, (maps.shape[1] - 1, maps.shape[2] - 1), axis=(1, 2))[:, : shape[0], : shape[1]]

    f, f2, m = spectrum(filled), spectrum(filled**2), spectrum(visited.astype(np.float64))
    n = np.rint(back(np.abs(m) ** 2))
    ab = back(np.abs(f) ** 2)
    a, aa = back(f * m.conj()), back(f2 * m.conj())
    # The sums over the other copy are the same sums at the opposite lag.
    b, bb = a[:, ::-1, ::-1], aa[:, ::-1, ::-1]
    variance_a, variance_b = n * aa - a * a, n * bb - b * b
    usable: Bool[np.ndarray, "unit lag_y lag_x"] = (n >= min_overlap_bins) & (np.minimum(variance_a, variance_b) > 1e-9 * n * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (n * ab - a * b) / np.sqrt(variance_a * variance_b)
    return np.where(usable & varies, np.clip(r, -1.0, 1.0), np.nan)
