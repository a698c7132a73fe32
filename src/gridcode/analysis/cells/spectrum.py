"""Fourier spectrum of rate maps: power, a module's waves, and each cell's phase along them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import fft, signal

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, side_bins
from gridcode.analysis.cells.gridness import unscorable
from gridcode.analysis.cells.lattice import MIN_ANGLE_DEG, as_basis, reduced
from gridcode.analysis.cells.phases import wave_components, wave_vectors
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# A peak belongs to a predicted wave within this share of the lattice's smallest wave number.
NEAR = 0.3


@dataclass(frozen=True)
class ModuleSpectrum:
    r"""The spectrum of a group of cells.

    Attributes:
        power: (k_y, k_x) mean power over the cells, each normalised to a sum of 1.
        wave_numbers_per_m: (k,) of either axis of `power`, cycles per metre.
        peaks_per_m: (3, 2) wave vectors (x, y) of the three peaks of the mean power; the third is
            near the sum of the first two. NaN where there is no peak.
        lengths_per_m: (3,) their lengths; 2 / (sqrt(3) s) for a hexagonal lattice of spacing s.
        angles_deg: (3,) angles between first and third, third and second, second and the opposite
            of the first; 60 each for a hexagonal lattice.
        waves_per_m: (3, 2) the waves of the shares and phases below, the third the sum of the
            others: those of the lattice where it was given, else fitted to the peaks.
        power_share: (unit, 3) share of each cell's variance, over visited bins, of each wave.
        phase_deg: (unit, 3) where the crests of each wave lie, degrees in [0, 360) along it from
            the map's centre.
        triple_phase_deg: (unit,) phase 3 - phase 1 - phase 2 in [-180, 180): 0 for fields on a
            lattice, where the three crests meet; 180 for holes on a lattice.
        tiling_p_value: (3,) Rayleigh's test of uniform phases along each wave; small where the
            cells' phases cluster.
    """

    power: Float[np.ndarray, "k_y k_x"]
    wave_numbers_per_m: Float[np.ndarray, " k"]
    peaks_per_m: Float[np.ndarray, "3 2"]
    lengths_per_m: Float[np.ndarray, " 3"]
    angles_deg: Float[np.ndarray, " 3"]
    waves_per_m: Float[np.ndarray, "3 2"]
    power_share: Float[np.ndarray, "unit 3"]
    phase_deg: Float[np.ndarray, "unit 3"]
    triple_phase_deg: Float[np.ndarray, " unit"]
    tiling_p_value: Float[np.ndarray, " 3"]


@takes_arrays
def power_at(
    rate_maps: np.ndarray, *, bin_size_m: float, wave_numbers_per_m: Float[np.ndarray, " k"]
) -> Float[np.ndarray, "unit k_y k_x"]:
    r"""Power of each map at chosen wave vectors.

    $$ P(k) = \frac{\left| \sum_x w(x) (r(x) - \bar r) e^{-2 \pi i k \cdot x} \right|^2}{\sum_x
    w(x)^2}, \quad \bar r = \frac{\sum_x w(x) r(x)}{\sum_x w(x)} $$

    with w a Hann window, zero in unvisited bins. Over all waves of N x N bins, the mean of P is the
    map's variance (weighted by the window squared), in the map's unit squared.

    Args:
        rate_maps: (unit, y, x); NaN marks unvisited bins. Not changed.
        bin_size_m: side of a bin, metres.
        wave_numbers_per_m: (k,) of either axis, cycles per metre.

    Returns:
        Power, NaN for maps that are silent or constant.

    Raises:
        InputError: wrong shapes or a bin size that is not positive.

    Source: windows and leakage: Harris 1978. Spectra of grid cells: Krupic et al. 2012.
    """
    maps = as_maps(rate_maps)
    _points(maps, bin_size_m)
    waves_y, waves_x = (
        np.exp(-2j * np.pi * bin_size_m * np.outer(wave_numbers_per_m, np.arange(n)))
        for n in maps.shape[1:]
    )
    power = np.full((len(maps), len(wave_numbers_per_m), len(wave_numbers_per_m)), np.nan)
    for unit, reason in enumerate(unscorable(maps)):
        if not reason:
            weighted, squares = _windowed(maps[unit])
            power[unit] = np.abs(waves_y @ weighted @ waves_x.T) ** 2 / squares
    return power


def _points(maps: Maps, bin_size_m: float) -> int:
    """Points of a side of the padded map, at steps of a quarter of what the map resolves.

    Odd, so that every wave has its opposite.
    """
    if not 0 < bin_size_m < np.inf:
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    longest = max(maps.shape[1:])
    return max(128, min(4 * longest, 1024), longest) // 2 * 2 + 1


def _power(rate: Float[np.ndarray, "y x"], points: int) -> Float[np.ndarray, "k_y k_x"]:
    weighted, squares = _windowed(rate)
    return np.abs(fft.fftshift(fft.fft2(weighted, (points, points)))) ** 2 / (points**2 * squares)


def _windowed(rate: Float[np.ndarray, "y x"]) -> tuple[Float[np.ndarray, "y x"], float]:
    """The map less its mean under the window, and the sum of the window's squares."""
    visited = np.isfinite(rate)
    weight = np.where(visited, _hann(rate.shape[0])[:, None] * _hann(rate.shape[1]), 0.0)
    filled = np.where(visited, rate, 0.0)
    return weight * (filled - (weight * filled).sum() / weight.sum()), float((weight**2).sum())


def _hann(n: int) -> Float[np.ndarray, " n"]:
    """Hann's window without its two zeros, so that every bin has weight."""
    return signal.windows.hann(n + 2)[1:-1]


@takes_arrays
def module_spectrum(
    rate_maps: np.ndarray, *, bin_size_m: float, vectors_m: Float[np.ndarray, "2 2"] | None = None
) -> ModuleSpectrum:
    """Mean power of a group of cells, its three main waves, and each cell's phase along them.

    Args:
        rate_maps: (unit, y, x) of the cells of one module; NaN marks unvisited bins. Not changed.
        bin_size_m: side of a bin, metres.
        vectors_m: the module's lattice vectors (x, y), metres: peaks are looked for near its waves,
            and phases are those of its waves. None: the two strongest peaks of the mean power that
            are not on one line, and a third near their sum.

    Raises:
        InputError: wrong shapes, lattice vectors on one line, or a bin size that is not positive.
    """
    maps = as_maps(rate_maps)
    waves = None if vectors_m is None else wave_vectors(reduced(as_basis(vectors_m)[None])[0])
    mean, wave_numbers = _mean_power(maps, bin_size_m)
    side_m = bin_size_m * side_bins(maps.shape[1:])
    # Waves with less than one period across the map are drift, not a lattice.
    peaks = _peaks(mean, wave_numbers, 1.0 / side_m, waves)
    if waves is None:
        # Least squares under the constraint that the third is the sum of the others.
        excess = (peaks[2] - peaks[0] - peaks[1]) / 3
        waves = peaks + np.stack([excess, excess, -excess])
    if np.isfinite(waves).all():
        amplitude, share = wave_components(maps, bin_size_m=bin_size_m, waves=waves)
    else:
        amplitude, share = np.full((len(maps), 3), np.nan + 0j), np.full((len(maps), 3), np.nan)
    phase = np.degrees(-np.angle(amplitude))
    first, second, third = np.degrees(np.arctan2(peaks[:, 1], peaks[:, 0]))
    between = np.array([first - third, third - second, second - (first + 180.0)])
    return ModuleSpectrum(
        power=mean,
        wave_numbers_per_m=wave_numbers,
        peaks_per_m=peaks,
        lengths_per_m=np.hypot(*peaks.T),
        angles_deg=np.abs(_signed(between)),
        waves_per_m=waves,
        power_share=share,
        phase_deg=np.mod(phase, 360.0) % 360.0,
        triple_phase_deg=_signed(phase[:, 2] - phase[:, 0] - phase[:, 1]),
        tiling_p_value=np.array([_rayleigh(phase[:, i]) for i in range(3)]),
    )


def _mean_power(
    maps: Maps, bin_size_m: float
) -> tuple[Float[np.ndarray, "k_y k_x"], Float[np.ndarray, " k"]]:
    """Mean power of all scorable maps, each normalised to a sum of 1, and the wave numbers."""
    points = _points(maps, bin_size_m)
    scorable = [rate for rate, reason in zip(maps, unscorable(maps), strict=True) if not reason]
    mean = np.full((points, points), 0.0 if scorable else np.nan)
    # One after the other: spectra are large.
    for rate in scorable:
        power = _power(rate, points)
        mean += power / (power.sum() * len(scorable))
    return mean, fft.fftshift(fft.fftfreq(points, bin_size_m))


def _peaks(
    power: Float[np.ndarray, "k_y k_x"],
    wave_numbers: Float[np.ndarray, " k"],
    least: float,
    near: Float[np.ndarray, "3 2"] | None,
) -> Float[np.ndarray, "3 2"]:
    """Three peaks, the third near the sum of the first two; NaN where there is none."""
    place, height = _local_maxima(power, wave_numbers)
    kept = np.hypot(*place.T) >= least
    place, height = place[kept], height[kept]
    if near is not None:
        reach = NEAR * float(np.hypot(*near.T).min())
        return np.stack([_strongest_near(place, height, wave, reach) for wave in near])
    none = np.full((3, 2), np.nan)
    if not len(place):
        return none
    order = height.argsort()[::-1]
    first = place[order[0]]
    cross = np.abs(first[0] * place[:, 1] - first[1] * place[:, 0])
    sine = cross / (np.hypot(*first) * np.hypot(*place.T))
    across = order[sine[order] > np.sin(np.radians(MIN_ANGLE_DEG))]
    if not len(across):
        return none
    second = place[across[0]]
    # Of a wave and its opposite the one 90 to 120 degrees from the first.
    second = -second if first @ second > 0 else second
    reach = NEAR * float(min(np.hypot(*first), np.hypot(*second)))
    return np.stack([first, second, _strongest_near(place, height, first + second, reach)])


def _local_maxima(
    power: Float[np.ndarray, "k_y k_x"], wave_numbers: Float[np.ndarray, " k"]
) -> tuple[Float[np.ndarray, "peak 2"], Float[np.ndarray, " peak"]]:
    """Wave vectors (x, y) and power of local maxima, refined by a paraboloid through logarithms."""
    if not np.isfinite(power).all():
        return np.empty((0, 2)), np.empty(0)
    rows, columns = power.shape
    near = [power[i : rows - 2 + i, j : columns - 2 + j] for i in range(3) for j in range(3)]
    around = np.stack(near)
    row, column = np.nonzero((around[4] >= around.max(axis=0)) & (around[4] > 1e-6 * power.max()))
    value = np.log(np.maximum(around[:, row, column], 1e-300)).reshape(3, 3, -1)
    slope = np.stack([value[1, 2] - value[1, 0], value[2, 1] - value[0, 1]], axis=-1) / 2
    bend_x = value[1, 2] - 2 * value[1, 1] + value[1, 0]
    bend_y = value[2, 1] - 2 * value[1, 1] + value[0, 1]
    mixed = (value[2, 2] - value[2, 0] - value[0, 2] + value[0, 0]) / 4
    bend = np.stack([bend_x, mixed, mixed, bend_y], axis=-1).reshape(-1, 2, 2)
    peaked = (bend_x < 0) & (np.linalg.det(bend) > 1e-12)
    offset = np.zeros_like(slope)
    offset[peaked] = -np.linalg.solve(bend[peaked], slope[peaked][..., None])[..., 0]
    step = wave_numbers[1] - wave_numbers[0]
    place = np.stack([wave_numbers[column + 1], wave_numbers[row + 1]], axis=1)
    place = place + step * np.clip(offset, -0.5, 0.5)
    return place, power[row + 1, column + 1]


def _strongest_near(
    place: np.ndarray, height: np.ndarray, wave: Float[np.ndarray, " 2"], reach: float
) -> Float[np.ndarray, " 2"]:
    near = np.hypot(*(place - wave).T) <= reach
    return place[np.where(near, height, -np.inf).argmax()] if near.any() else np.full(2, np.nan)


def _signed(angle_deg: np.ndarray) -> np.ndarray:
    return np.mod(angle_deg + 180.0, 360.0) - 180.0


def _rayleigh(phase_deg: Float[np.ndarray, " unit"]) -> float:
    """p-value of Rayleigh's test of uniform angles (Zar 1999, equation 27.4)."""
    known = phase_deg[np.isfinite(phase_deg)]
    n = len(known)
    if n < 2:
        return float("nan")
    length = abs(np.exp(1j * np.radians(known)).sum())
    return float(min(1.0, np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - length**2)) - (1 + 2 * n))))
