"""Null maps: what a cell without a lattice could look like.

- **Random phases** (`random_phase_maps`, from the map alone): a Gaussian random field with the
  map's radially averaged power spectrum and values. *Is the arrangement more regular than that of a
  cell of the same smoothness, field size and dominant scale?* The full two-dimensional spectrum
  holds the lattice itself: a null drawn from it would keep every lattice.
- **Field shuffle** (`field_shuffled_maps`, from the map alone): the map's own fields in other
  places. *Are these fields, with their shapes and rates, arranged in a lattice?*
- **Circular shift** (`shifts`, for activity along a path): the activity is shifted in time against
  the path. *Is the activity locked to position, beyond its own rhythm?* Any place cell passes.

`gridcode.analysis.cells.significance` compares scores with them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import fft, spatial, special, stats

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, centred
from gridcode.analysis.cells.fields import find_fields
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

PLACEMENTS = 64  # tries to find a place for a field that no other field covers


@dataclass(frozen=True)
class Spectra:
    """What random-phase maps are made from.

    Attributes:
        power: (unit, ring) mean power at each distance from the origin of the Fourier plane, as it
            would be without the arena's edges; 1 on average over the plane.
        values: (unit, visited) sorted values of the map's visited bins, mean 0 and variance 1.
        visited: (y, x) bins that have values.
    """

    power: Float[np.ndarray, "unit ring"]
    values: Float[np.ndarray, "unit visited"]
    visited: Bool[np.ndarray, "y x"]


def _rings(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the origin of the padded Fourier half plane, in rings, and their weights."""
    ky, kx = fft.fftfreq(2 * rows)[:, None], fft.rfftfreq(2 * columns)
    distance = 2 * max(rows, columns) * np.hypot(ky, kx)
    weight = np.broadcast_to(np.where((kx == 0) | (kx == 0.5), 1.0, 2.0), distance.shape)
    return distance, weight


@takes_arrays
def spectra_of(maps: Maps) -> Spectra:
    """Spectra of maps with the same visited bins, ranks made Gaussian (Theiler et al. 1992)."""
    visited = np.isfinite(maps[0])
    rows, columns = visited.shape
    values = maps[:, visited]
    gaussian = np.zeros_like(maps)
    # Values that differ by rounding are equal: a smoothed constant, ranked, would be white noise.
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    level = np.rint((values - low) / np.where(high > low, high - low, 1.0) * 1e9)
    gaussian[:, visited] = special.ndtri((stats.rankdata(level, axis=1) - 0.5) / values.shape[1])
    gaussian = centred(gaussian, np.broadcast_to(visited, maps.shape))
    distance, weight = _rings(rows, columns)
    ring = np.rint(distance).astype(np.intp).ravel()
    plane = np.abs(fft.rfft2(gaussian, (2 * rows, 2 * columns))) ** 2 * weight
    total = np.stack([np.bincount(ring, one.ravel()) for one in plane]).astype(np.float64)
    total = total / np.maximum(total[:, 1:].sum(axis=1, keepdims=True), 1e-300)
    spread = values.std(axis=1, keepdims=True)
    values = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return Spectra(
        power=_without_edges(total / np.bincount(ring, weight.ravel()), visited),
        values=np.sort(values, axis=1),
        visited=visited,
    )


def _without_edges(
    power: Float[np.ndarray, "unit ring"], visited: Bool[np.ndarray, "y x"]
) -> Float[np.ndarray, "unit ring"]:
    """Power of noise that, seen through the visited bins alone, has nearly this power.

    The edges of the arena blur the spectrum of what is seen through it. Noise drawn with a blurred
    spectrum, seen through the same bins, is blurred twice: rougher than the map, and less like a
    lattice. The power is multiplied by itself over what would be seen of it: the first step of an
    iteration whose later steps follow the chance of a single map's spectrum.
    """
    rows, columns = visited.shape
    plane = (2 * rows, 2 * columns)
    distance, weight = _rings(rows, columns)
    ring = np.rint(distance).astype(np.intp).ravel()
    window = fft.rfft2(visited.astype(np.float64), plane)
    overlap = fft.irfft2(np.abs(window) ** 2, plane)
    share = window / visited.sum()
    out = power.copy()
    for one in out:
        one[0] = one[1]  # that of a map's mean, which is taken off
        full = np.interp(distance, np.arange(len(one)), one)
        seen = fft.rfft2(fft.irfft2(full, plane) * overlap).real
        # The same for noise whose mean over the visited bins is taken off.
        cross = fft.rfft2(fft.irfft2(full * window, plane)[:rows, :columns] * visited, plane)
        seen += np.abs(share) ** 2 * cross[0, 0].real - 2 * (share.conj() * cross).real
        total = np.bincount(ring, (np.maximum(seen, 0.0) * weight).ravel())
        by_ring = total / np.bincount(ring, weight.ravel())
        one *= np.divide(one, by_ring, out=np.zeros_like(one), where=by_ring > 0)
        one[0] = one[1]
        one /= max(float(np.interp(distance, np.arange(len(one)), one).mean()), 1e-300)
    return out


@takes_arrays
def draw_random_phases(
    power: Float[np.ndarray, " ring"],
    values: Float[np.ndarray, " bin"],
    visited: Bool[np.ndarray, "y x"],
    count: int,
    generator: np.random.Generator,
) -> Maps:
    """Random-phase maps (count, y, x) from the power of each ring and sorted values of the bins."""
    rows, columns = visited.shape
    distance, _ = _rings(rows, columns)
    amplitude = np.sqrt(np.interp(distance, np.arange(len(power)), power))
    # Of the first and the last column, whose waves come twice, only the real part is kept.
    amplitude[:, [0, -1]] *= np.sqrt(2.0)
    # Noise is drawn as waves on a plane of twice the arena's side, so that no edge joins the
    # opposite one. Two of its quarters, which touch in a corner alone, make two maps.
    planes = -(-count // 2)
    parts = generator.standard_normal((planes, *distance.shape, 2), dtype=np.float32)
    waves = parts.view(np.complex64)[..., 0] * amplitude.astype(np.float32)
    plane = fft.irfft2(waves, (2 * rows, 2 * columns), overwrite_x=True)
    field = np.concatenate([plane[:, :rows, :columns], plane[:, rows:, columns:]])[:count]
    place = np.flatnonzero(visited)
    field = field.reshape(count, -1)
    order = np.argsort(field if len(place) == visited.size else field[:, place], axis=1)
    maps = np.full((count, visited.size), np.nan)
    np.put_along_axis(maps, place[order], values[None], axis=1)
    return maps.reshape(count, rows, columns)


@takes_arrays
def random_phase_maps(rate_map: np.ndarray, count: int, *, generator: np.random.Generator) -> Maps:
    """Maps with the radially averaged power spectrum and the values of a map, and otherwise random.

    Args:
        rate_map: (y, x); NaN marks unvisited bins, which stay unvisited.
        count: number of maps.
        generator: source of randomness.

    Returns:
        (count, y, x). Each holds exactly the values of the map, in other places.

    Raises:
        InputError: wrong shape, infinities, or a map without two different values.

    Source: amplitude-adjusted surrogates (Theiler et al. 1992), the spectrum averaged over
    directions, and amplitudes random as well as phases.
    """
    maps = as_maps(rate_map)
    known = maps[0][np.isfinite(maps[0])]
    if len(maps) != 1:
        raise InputError(f"one map (y, x) at a time, not {len(maps)}")
    if len(known) < 9 or known.min() == known.max():
        raise InputError(
            "a null needs a map with nine visited bins or more that do not all have the same rate"
        )
    spectra = spectra_of(maps)
    return draw_random_phases(spectra.power[0], np.sort(known), spectra.visited, count, generator)


@takes_arrays
def field_shuffled_maps(
    rate_map: np.ndarray, count: int, *, generator: np.random.Generator, smoothing_bins: float = 1.0
) -> Maps:
    """Maps that hold the fields of a map, each with its own shape and rate, in other places.

    Every bin moves with the nearest field. Fields go one after the other to random visited bins, no
    two centres nearer than a field's diameter where there is room; where two meet the higher rate
    stays; the rest is background.

    Args:
        rate_map: (y, x); NaN marks unvisited bins, which stay unvisited.
        count: number of maps.
        generator: source of randomness.
        smoothing_bins: smoothing before fields are looked for.

    Returns:
        (count, y, x).

    Raises:
        InputError: wrong shape, infinities, or a map without fields.

    Source: in the spirit of the field shuffles of Krupic et al. 2012 and Barry and Burgess 2017.
    """
    maps = as_maps(rate_map)
    if len(maps) != 1:
        raise InputError(f"one map (y, x) at a time, not {len(maps)}")
    fields = find_fields(maps, bin_size_m=1.0, smoothing_bins=smoothing_bins)
    if not len(fields.unit):
        raise InputError("a map without fields has none to shuffle")
    rows, columns = maps.shape[1:]
    centre = np.rint(fields.centre_m[:, ::-1] + [(rows - 1) / 2, (columns - 1) / 2]).astype(np.intp)
    visited = np.isfinite(maps[0])
    background = float(np.quantile(maps[0][visited], 0.05))
    place = np.argwhere(visited)
    owner = spatial.KDTree(centre).query(place)[1]
    apart = float(np.sqrt(4 / np.pi * np.median(fields.field_area_m2)))
    # A plane with room for fields that reach beyond the walls: the middle is the arena.
    plane = np.full((count, 3 * rows, 3 * columns), background)
    flat, start = plane.reshape(-1), 9 * rows * columns * np.arange(count)[:, None]
    at = np.full((count, len(centre), 2), np.inf)
    every = np.arange(count)
    for k in generator.permutation(len(centre)):
        here = place[owner == k]
        rates = maps[0][tuple(here.T)]
        tries = place[generator.integers(len(place), size=(count, PLACEMENTS))]
        # The first free place, or the first of all where none is free.
        chosen, looking = np.zeros(count, dtype=np.intp), every
        for first, last in ((0, 4), (4, PLACEMENTS)):
            away = tries[looking, first:last, None] - at[looking, None]
            free = ((away**2).sum(axis=3) >= apart**2).all(axis=2)
            found = free.any(axis=1)
            chosen[looking[found]] = first + free[found].argmax(axis=1)
            looking = looking[~found]
        at[:, k] = tries[every, chosen]
        corner = at[:, k].astype(np.intp) - centre[k] + [rows, columns]
        moved = start + (corner @ [3 * columns, 1])[:, None] + here @ [3 * columns, 1]
        flat[moved] = np.maximum(flat[moved], rates)
    out = plane[:, rows : 2 * rows, columns : 2 * columns]
    return np.where(visited, out, np.nan)


def shifts(
    samples: int, count: int, *, sample_s: float, generator: np.random.Generator
) -> Int[np.ndarray, " shift"]:
    """Random circular shifts in samples, at least 20 s either way or a tenth of the recording.

    Args:
        samples: length of the recording.
        count: number of shifts.
        sample_s: mean duration of a sample, seconds.
        generator: source of randomness.

    Raises:
        InputError: fewer than 20 samples.
    """
    if samples < 20:
        raise InputError(f"a recording of {samples} samples is too short to be shifted")
    # With shorter shifts activity and path stay in step.
    least = max(1, min(round(20.0 / sample_s), samples // 10))
    return generator.integers(least, samples - least + 1, size=count)
