"""From spikes and time in each bin to a smooth rate map, by one of three named methods."""

import functools
import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import fft

from gridcode.analysis.cells.autocorrelogram import blocks
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

Sums = Float[np.ndarray, "unit y x"]
Time = Float[np.ndarray, "y x"]
Visited = Bool[np.ndarray, "y x"]

METHODS = ("before dividing", "after dividing", "adaptive")

# Adaptive smoothing: the circle's radius in bins times its samples (20 ms each) times the root of
# its spikes reaches this.
ALPHA, SAMPLES_PER_S = 200.0, 50.0


def check_method(method: str) -> None:
    """Raise an InputError for a method that does not exist."""
    if method not in METHODS:
        raise InputError(f"smoothing_method must be one of {', '.join(METHODS)}, not '{method}'")


@takes_arrays
def rates(total: Sums, time_s: Time, visited: Visited, *, sigma_bins: float, method: str) -> Sums:
    """Rate maps of spikes (or activity times seconds) over time; NaN in bins not visited.

    Args:
        total: (unit, y, x) in each bin.
        time_s: (y, x).
        visited: (y, x) bins that get a rate.
        sigma_bins: width of the Gaussian; 0 for no smoothing, whatever the method.
        method: `before dividing`, `after dividing` or `adaptive`.
    """
    if sigma_bins > 0 and method == "adaptive":
        smooth = _adaptive(total, time_s, visited)
        return np.where(visited, smooth, np.nan)
    if sigma_bins > 0:
        if method == "after dividing":
            total = np.where(visited, total / np.where(visited, time_s, 1.0), 0.0)
            time_s = visited.astype(np.float64)
        down, across = (gaussian_weights(n, sigma_bins) for n in time_s.shape)
        total, time_s = down @ total @ across, down @ time_s @ across
    return np.where(visited, total / np.where(visited, time_s, 1.0), np.nan)


@functools.lru_cache(maxsize=32)
def gaussian_weights(bins: int, sigma: float) -> Float[np.ndarray, "bin bin"]:
    """Gaussian weights between the bins of a line, symmetric."""
    offset = np.subtract.outer(np.arange(bins), np.arange(bins)) / sigma
    weights = np.exp(-0.5 * offset**2)
    weights.flags.writeable = False
    return weights


def _adaptive(spikes: Sums, time_s: Time, visited: Visited) -> Sums:
    r"""Spikes over time in a circle that grows, bin by bin, until it holds enough of both.

    $$ r \ge \alpha / (n \sqrt{s}) $$

    with r the radius in bins, n the time in samples of 20 ms and s the spikes in the circle. A bin
    that never reaches it gets the mean rate.

    Source: Skaggs et al. 1996.
    """
    rows, columns = time_s.shape
    size = tuple(fft.next_fast_len(2 * n - 1, real=True) for n in (rows, columns))
    time_spectrum = fft.rfft2(time_s, size)
    smooth = np.broadcast_to(
        spikes.sum(axis=(1, 2), keepdims=True) / time_s.sum(), spikes.shape
    ).copy()
    active = np.flatnonzero(spikes.any(axis=(1, 2)))
    for block in blocks(len(active), 2 * size[0] * size[1]):
        units = active[block]
        spectra = fft.rfft2(spikes[units], size)
        open_ = np.broadcast_to(visited, (len(units), rows, columns)).copy()
        for radius in range(1, math.ceil(math.hypot(rows, columns))):
            if not open_.any():
                break
            disc = _disc(size, radius)
            time = fft.irfft2(time_spectrum * disc, size)[:rows, :columns]
            count = np.rint(fft.irfft2(spectra * disc, size)[:, :rows, :columns])
            enough = radius * SAMPLES_PER_S * time * np.sqrt(np.maximum(count, 0.0)) >= ALPHA
            now = enough & open_
            unit, y, x = np.nonzero(now)
            smooth[units[unit], y, x] = count[now] / time[y, x]
            open_ &= ~now
            going = open_.any(axis=(1, 2))
            units, spectra, open_ = units[going], spectra[going], open_[going]
    return smooth


@functools.lru_cache(maxsize=64)
def _disc(size: tuple[int, int], radius: int) -> np.ndarray:
    """Spectrum of a circle around bin (0, 0), its other side at the far ends."""
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in size)
    spectrum: np.ndarray = fft.rfft2((y[:, None] ** 2 + x**2 <= radius**2).astype(np.float64))
    spectrum.flags.writeable = False
    return spectrum
