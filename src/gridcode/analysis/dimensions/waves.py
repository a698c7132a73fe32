r"""Plane waves in the rates of a volume: planes, columns or a lattice?

$$ a(k)^2 = \frac{|\sum_x w(x) z(x) e^{-ikx}|^2}{\sum_x w(x)^2 z(x)^2}, \quad z = r - \bar r $$

with the Hann window w along every axis. A unit's waves are the local maxima of this power that
exceed the highest power of 99 of 100 null volumes: Gaussian random fields with the unit's values
and its power spectrum averaged over directions (`gridcode.analysis.cells.nulls` in the plane). So
a unit whose fields have a typical distance, but no lattice, has no waves.

The number of independent directions of its waves tells what global order a unit has: one is a stack
of planes, two are columns, three a lattice in space.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import fft, ndimage

from gridcode.analysis.cells.significance import check_nulls
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

FEWEST_CYCLES = 2.0  # a wave of fewer cycles in the volume is what any wide field gives
LARGEST_CYCLES_PER_BIN = 0.25
BETWEEN_WAVES = 2.0  # cycles that the window cannot tell apart
WEAKEST = 0.1  # of the power of a unit's strongest wave
LEAST_ANGLE = np.sin(np.radians(15.0))  # out of the line or plane of the other waves
SIGNIFICANCE = 0.01
PADDING = 2
CORRECTIONS, CORRECTED = 3, 8  # of the nulls' power, and fields that are drawn for each

ORDERS = ("none", "planes", "columns", "lattice")


@dataclass(frozen=True)
class Waves:
    """Waves of each unit beyond its null volumes.

    Attributes:
        rank: (unit,) number of independent directions, 0 to 3.
        unit: (wave,) which unit a wave belongs to, the strongest of each unit first.
        cycles: (wave, 3) wave vectors, cycles in the side of the volume; one of each opposite pair.
        power: (wave,) power over that of the strongest wave of the unit.
        height: (unit,) highest power over the highest of the null volumes (their 99th percentile).
    """

    rank: Int[np.ndarray, " unit"]
    unit: Int[np.ndarray, " wave"]
    cycles: Float[np.ndarray, "wave 3"]
    power: Float[np.ndarray, " wave"]
    height: Float[np.ndarray, " unit"]


@takes_arrays
def find_waves(
    volumes: Float[np.ndarray, "unit x y z"],
    *,
    nulls: int = 99,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Waves:
    """Waves of every unit beyond random fields of the same spectrum.

    Args:
        volumes: (unit, x, y, z) rates in a cube, without gaps.
        nulls: null volumes a unit; 99 or more.
        seed: of the null volumes.
        progress: called with units done and all units.

    Raises:
        InputError: too few nulls, no cube, or fewer than 10 bins a side.
    """
    check_nulls(nulls)
    if nulls < 1 / SIGNIFICANCE - 1:
        raise InputError(f"waves at the level of {SIGNIFICANCE} need 99 nulls, not {nulls}")
    side = volumes.shape[1]
    if side < 10 or len(set(volumes.shape[1:])) > 1:
        raise InputError(f"waves need a cube of 10 bins a side or more, not {volumes.shape[1:]}")
    rows: list[tuple[int, np.ndarray, float]] = []
    rank = np.zeros(len(volumes), dtype=np.int64)
    height = np.full(len(volumes), np.nan)
    for unit, volume in enumerate(volumes):
        if progress:
            progress(unit, len(volumes))
        if not volume.std() > 1e-9 * max(abs(float(volume.mean())), 1e-300):
            continue
        plane = _power(volume)
        drawn = random_phase_volumes(volume, nulls, generator=np.random.default_rng([seed, unit]))
        highest = np.sort([_power(one).max() for one in drawn])
        # The same rank as p <= 0.01: with 99 nulls the highest of all.
        limit = float(highest[-max(1, int(SIGNIFICANCE * (nulls + 1)))])
        height[unit] = plane.max() / limit
        waves, power = _peaks(plane, side, limit)
        rank[unit] = independent(waves)
        rows += [(unit, k, p / power[0]) for k, p in zip(waves, power, strict=True)]
    return Waves(
        rank,
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows]).reshape(-1, 3),
        np.array([row[2] for row in rows]),
        height,
    )


@takes_arrays
def random_phase_volumes(
    volume: Float[np.ndarray, "x y z"], count: int, *, generator: np.random.Generator
) -> Float[np.ndarray, "volume x y z"]:
    """Volumes with the values of one and its power averaged over directions, otherwise random.

    The power is compared through a Hann window.

    Args:
        volume: (x, y, z) rates in a cube, without gaps.
        count: number of volumes.
        generator: source of randomness.
    """
    values = np.sort(volume.ravel())
    seen = power = _by_shell(volume)
    # The window blurs a spectrum, and unequal values change it: the power is divided by what would
    # be seen of it.
    for _ in range(CORRECTIONS):
        drawn = [_by_shell(one) for one in _fields(values, power, CORRECTED, generator)]
        power = power * seen / np.maximum(np.mean(drawn, axis=0), 1e-12 * seen.max())
    return _fields(values, power, count, generator)


def _by_shell(volume: Float[np.ndarray, "x y z"]) -> Float[np.ndarray, " shell"]:
    """Mean power at each whole number of cycles, seen through the window."""
    shell = np.rint(_distance(len(volume))).astype(np.intp).ravel()
    power = np.abs(fft.rfftn(_windowed(volume))) ** 2
    return np.bincount(shell, power.ravel()) / np.bincount(shell)


def _fields(
    values: Float[np.ndarray, " bin"],
    power: Float[np.ndarray, " shell"],
    count: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "volume x y z"]:
    """Gaussian random fields of this power, given these sorted values."""
    shape = (round(len(values) ** (1 / 3)),) * 3
    amplitude = np.sqrt(np.interp(_distance(shape[0]), np.arange(len(power)), power))
    amplitude[0, 0, 0] = 0.0
    out = np.empty((count, len(values)))
    for one in out:
        noise = fft.rfftn(generator.standard_normal(shape, dtype=np.float32))
        one[np.argsort(fft.irfftn(noise * amplitude, shape), axis=None)] = values
    return out.reshape(count, *shape)


@takes_arrays
def independent(waves: Float[np.ndarray, "wave 3"]) -> int:
    """Number of independent directions of wave vectors, none within 15 degrees of the others'."""
    basis = np.zeros((0, 3))
    for wave in waves:
        rest = wave - basis.T @ (basis @ wave)
        if np.linalg.norm(rest) >= LEAST_ANGLE * np.linalg.norm(wave):
            basis = np.concatenate([basis, rest[None] / np.linalg.norm(rest)])
    return len(basis)


def _distance(side: int, padding: int = 1) -> Float[np.ndarray, "kx ky kz"]:
    """Cycles in the side of the volume at every point of the Fourier half space."""
    size = padding * side
    k, half = side * fft.fftfreq(size), side * fft.rfftfreq(size)
    return np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + half**2)


def _windowed(volume: Float[np.ndarray, "x y z"]) -> Float[np.ndarray, "x y z"]:
    """Deviations from the mean under a window, of power 1 in all."""
    hann = np.sin(np.pi * (np.arange(len(volume)) + 0.5) / len(volume)) ** 2
    window = hann[:, None, None] * hann[:, None] * hann
    z = window * (volume - (window * volume).sum() / window.sum())
    return z / np.sqrt((z**2).sum())


def _power(volume: Float[np.ndarray, "x y z"]) -> Float[np.ndarray, "kx ky kz"]:
    """Power at every wave vector that counts; 0 at the others."""
    side = len(volume)
    padded = fft.rfftn(_windowed(volume).astype(np.float32), (PADDING * side,) * 3)
    power = padded.real**2 + padded.imag**2
    distance = _distance(side, PADDING)
    power[(distance < FEWEST_CYCLES) | (distance > LARGEST_CYCLES_PER_BIN * side)] = 0.0
    return power


def _peaks(
    power: Float[np.ndarray, "kx ky kz"], side: int, limit: float
) -> tuple[Float[np.ndarray, "wave 3"], Float[np.ndarray, " wave"]]:
    """Local maxima above the limit, strongest first, none within the window's blur of another."""
    near = ndimage.maximum_filter(power, 3, mode=("wrap", "wrap", "nearest"))
    at = np.argwhere((power == near) & (power > max(limit, WEAKEST * power.max())))
    height = power[tuple(at.T)]
    at, height = (one[np.argsort(-height, kind="stable")] for one in (at, height))
    size = PADDING * side
    k = side * fft.fftfreq(size)
    kept: list[int] = []
    waves = np.array([_refined(power, one, k) for one in at]).reshape(-1, 3)
    for i, wave in enumerate(waves):
        others = waves[kept]
        apart = [np.linalg.norm(sign * others - wave, axis=1) for sign in (1, -1)]
        if not kept or np.concatenate(apart).min() >= BETWEEN_WAVES:
            kept.append(i)
    return waves[kept], height[kept]


def _refined(
    power: Float[np.ndarray, "kx ky kz"], at: Int[np.ndarray, " 3"], k: Float[np.ndarray, " k"]
) -> Float[np.ndarray, " 3"]:
    """The top of the parabola through the logarithms of a maximum and its neighbours."""
    step = k[1]
    found = np.array([k[at[0]], k[at[1]], at[2] * step])
    for axis in range(3):
        around = []
        for shift in (-1, 0, 1):
            there = at.copy()
            there[axis] += shift
            if axis == 2:
                there[2] = min(abs(there[2]), power.shape[2] - 1)
            around.append(float(power[tuple(there[:2] % power.shape[0]) + (int(there[2]),)]))
        if min(around) > 0:
            low, mid, high = np.log(around)
            bend = low - 2 * mid + high
            if bend < 0:
                found[axis] += step * float(np.clip((low - high) / (2 * bend), -0.5, 0.5))
    return found
