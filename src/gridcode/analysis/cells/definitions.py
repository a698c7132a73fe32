r"""Grid scores as other tools compute them, to reproduce published numbers. Not gridcode's own: those are in `gridness`.

All of them turn the autocorrelogram by $\alpha$ and correlate it with itself inside an annulus,
$c_\alpha$. They differ in the autocorrelogram, the annuli, the correlation and in how the
$c_\alpha$ are put together:

- `deepmind`: $(c_{60} + c_{120})/2 - (c_{30} + c_{90} + c_{150})/3$ on ten annuli fixed by the size
  of the map; the highest of the ten.
- `deepmind_minmax`: the same annuli with $\min(c_{60}, c_{120}) - \max(c_{30}, c_{90}, c_{150})$.
- `square`: the same annuli with $c_{90} - (c_{45} + c_{135})/2$.
- `opexebo`, also called `minmax`: $\min(c_{60}, c_{120}) - \max(c_{30}, c_{90}, c_{150})$ on annuli
  that grow bin by bin from the edge of the central field; the highest mean over three neighbouring
  outer radii.
- `spatial_maps`: $\min(c_{60}, c_{120}, c_{180}) - \max(c_{30}, c_{90}, c_{150})$ on one annulus
  that the nearest peaks set.

`gridness.score_maps` has scores called `minmax`, `mean60` and `square` too. They use the same
combinations, but on annuli and an autocorrelogram of gridcode's own, which leave unvisited bins
out: close to these numbers, not equal to them.

Three habits of these tools are kept, because they belong to the numbers: an unvisited bin counts as
a rate of 0, lags without variance count as a correlation of 0, and nothing is smoothed (their users
smooth first).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import fft, ndimage, special

from gridcode.analysis.cells.autocorrelogram import (
    Correlograms,
    Maps,
    as_maps,
    autocorrelograms,
    blocks,
)
from gridcode.analysis.cells.gridness import unscorable
from gridcode.errors import InputError

DEFINITIONS = ("deepmind", "deepmind_minmax", "square", "opexebo", "minmax", "spatial_maps")
ON_SQUARE_MAPS = ("deepmind", "deepmind_minmax", "square")
Scores = Float[np.ndarray, " unit"]
Correlations = dict[int, Float[np.ndarray, "unit annulus"]]

DEEPMIND_INNER = 0.2  # of the side of the map
DEEPMIND_OUTER = np.linspace(0.4, 1.0, 10)
OPEXEBO_CROP = 1.8  # of the side of the map: further lags rest on few bins
OPEXEBO_MIN_FIELD_BINS = 5


def grid_score(rate_maps: np.ndarray, *, definition: str) -> Scores:
    """Score every rate map by a definition of the field's, as listed at the top of this file.

    Args:
        rate_maps: (unit, y, x) or one map (y, x), any unit of activity, already smoothed as the
            definition's users would. NaN marks unvisited bins, which these definitions read as 0.
            All lengths are in bins, so no definition needs the size of one.
        definition: `deepmind`, `deepmind_minmax`, `square`, `opexebo` (also `minmax`) or
            `spatial_maps`.

    Returns:
        (unit,) scores. NaN for maps that were never visited, are silent or constant; with `opexebo`
        also where the central field of the autocorrelogram has fewer than five bins, holes, or no
        annulus beside it; with `spatial_maps` where the autocorrelogram has no second peak.

    Raises:
        InputError: wrong shape, infinities, an unknown definition, or, for the three that use the
            annuli of DeepMind, maps that are not square.

    Source: `deepmind` and `square`: Banino et al. 2018 and its published code; `deepmind_minmax`:
    Schaeffer, Khona and Fiete 2022 and its code; `opexebo`: opexebo 0.7.2 (Ball et al., Moser
    group), after Sargolini et al. 2006 and Langston et al. 2010; `spatial_maps`: spatial-maps 0.2.1
    (Lepperod et al.).
    """
    maps = as_maps(rate_maps)
    if definition not in DEFINITIONS:
        raise InputError(f"unknown definition {definition!r}: take one of {', '.join(DEFINITIONS)}")
    rows, columns = maps.shape[1:]
    if definition in ON_SQUARE_MAPS and rows != columns:
        raise InputError(
            f"the annuli of {definition!r} are defined for square maps, not {rows} by {columns}: take opexebo or spatial_maps"
        )
    scorable = np.array([not reason for reason in unscorable(maps)], dtype=bool)
    scores = np.full(len(maps), np.nan)
    filled = np.nan_to_num(maps[scorable])
    found = [_score(filled[block], definition) for block in blocks(len(filled), 4 * rows * columns)]
    scores[scorable] = np.concatenate(found)
    return scores


def _score(maps: Maps, definition: str) -> Scores:
    if definition == "spatial_maps":
        return np.array([_spatial_maps(c) for c in _raw_correlograms(maps)], dtype=np.float64)
    correlograms = np.nan_to_num(autocorrelograms(maps, min_overlap_bins=1))
    if definition in ("opexebo", "minmax"):
        return _opexebo(_cropped(correlograms))
    return _deepmind(
        correlograms,
        {"deepmind": _mean60, "deepmind_minmax": _minmax, "square": _square}[definition],
    )


def _mean60(c: Correlations) -> np.ndarray:
    return (c[60] + c[120]) / 2 - (c[30] + c[90] + c[150]) / 3


def _minmax(c: Correlations) -> np.ndarray:
    return np.minimum(c[60], c[120]) - np.maximum(np.maximum(c[30], c[90]), c[150])


def _square(c: Correlations) -> np.ndarray:
    return c[90] - (c[45] + c[135]) / 2


class _Annuli:
    """Sums over annuli of autocorrelograms and of turned ones.

    An autocorrelogram is its own mirror image at the centre, and so are the annuli: half of the
    bins are enough. They are sorted by distance, so that the sum over an annulus is the difference
    of two cumulative sums.

    Attributes:
        distance: (bin,) distances from the centre, ascending, of the bins of a half disc.
        still: (unit, bin) the autocorrelograms there.
    """

    def __init__(self, correlograms: Correlograms, radius: float, order: Literal[1, 3]) -> None:
        self.centre = (np.array(correlograms.shape[1:])[:, None] - 1) / 2
        y, x = np.indices(correlograms.shape[1:]).reshape(2, -1) - self.centre.astype(int)
        half = (np.hypot(y, x) <= radius) & ((y > 0) | ((y == 0) & (x > 0)))
        distance = np.sqrt(x[half] ** 2 + y[half] ** 2)
        order_by_distance = np.argsort(distance, kind="stable")
        self.distance = distance[order_by_distance]
        self.points = np.stack([y[half], x[half]])[:, order_by_distance]
        at = self.points + self.centre.astype(int)
        self.still = correlograms[:, at[0], at[1]]
        self.order: Literal[1, 3] = order
        self.coefficients = _spline_coefficients(correlograms) if order == 3 else correlograms

    def turned(self, degrees: int) -> Float[np.ndarray, "unit bin"]:
        """The autocorrelograms turned about their centre, by spline interpolation of the given order; 0 outside."""
        cos, sin = special.cosdg(degrees), special.sindg(degrees)
        at = np.array([[cos, sin], [-sin, cos]]) @ self.points + self.centre
        turned = np.empty_like(self.still)
        for image, out in zip(self.coefficients, turned, strict=True):
            ndimage.map_coordinates(image, at, output=out, order=self.order, prefilter=False)
        return turned

    def sums(
        self,
        values: Float[np.ndarray, "unit bin"],
        inner: Int[np.ndarray, "#unit 1"],
        outer: Int[np.ndarray, " annulus"],
    ) -> np.ndarray:
        """Sums over the bins from number `inner` to before number `outer`, (unit, annulus)."""
        total = np.zeros((len(values), values.shape[1] + 1))
        np.cumsum(values, axis=1, out=total[:, 1:])
        return total[:, outer] - np.take_along_axis(
            total, np.broadcast_to(inner, (len(values), 1)), axis=1
        )


def _spline_coefficients(images: np.ndarray) -> np.ndarray:
    """Cubic spline coefficients of each image, as `ndimage.rotate` finds them."""
    return ndimage.spline_filter1d(ndimage.spline_filter1d(images, 3, axis=-1), 3, axis=-2)


def _deepmind(correlograms: Correlograms, combine: Callable[[Correlations], np.ndarray]) -> Scores:
    """Highest score of ten annuli; the correlation takes mean and variance from the annulus that is not turned."""
    side = (correlograms.shape[1] + 1) // 2
    annuli = _Annuli(correlograms, side, order=3)
    inner = np.searchsorted(annuli.distance, [[DEEPMIND_INNER * side]], side="right")
    outer = np.searchsorted(annuli.distance, DEEPMIND_OUTER * side, side="right")
    # A map of few bins may have none in its innermost annuli.
    outer = outer[outer > inner[0, 0]]
    n, still = outer - inner, annuli.still
    mean = annuli.sums(still, inner, outer) / n
    variance = annuli.sums(still**2, inner, outer) / n - mean**2 + 1e-5
    correlations = {}
    for degrees in (30, 45, 60, 90, 120, 135, 150):
        turned = annuli.turned(degrees)
        # sum of (still - mean)(turned - mean), where the sum of still - mean is zero
        product = annuli.sums(still * turned, inner, outer) - mean * annuli.sums(
            turned, inner, outer
        )
        correlations[degrees] = product / n / variance
    return combine(correlations).max(axis=1)


def _cropped(correlograms: Correlograms) -> Float[np.ndarray, "unit near_y near_x"]:
    """The middle of each autocorrelogram, an odd number of bins near 1.8 times the side of the map."""
    keep = []
    for size in correlograms.shape[1:]:
        wanted = round(OPEXEBO_CROP * (size + 1) / 2)
        wanted -= wanted % 2 == 0
        keep.append(slice((size - wanted) // 2, (size + wanted) // 2))
    return correlograms[:, keep[0], keep[1]]


def _opexebo(correlograms: Correlograms) -> Scores:
    """Highest mean over three outer radii of the min-max score on annuli around the central field."""
    largest = min(correlograms.shape[1:]) // 2
    annuli = _Annuli(correlograms, largest, order=1)
    field = np.array([_central_radius(c) for c in correlograms])
    inner = np.searchsorted(annuli.distance, field[:, None], side="right")
    outer = np.searchsorted(annuli.distance, np.arange(largest + 1), side="left")
    n, still = outer - inner, annuli.still
    mean, square = annuli.sums(still, inner, outer), annuli.sums(still**2, inner, outer)
    correlations = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for degrees in (30, 60, 90, 120, 150):
            turned = annuli.turned(degrees)
            total, power = annuli.sums(turned, inner, outer), annuli.sums(turned**2, inner, outer)
            variance = (n * square - mean**2) * (n * power - total**2)
            covariance = n * annuli.sums(still * turned, inner, outer) - mean * total
            correlations[degrees] = np.where(
                (n > 1) & (variance > 1e-20), covariance / np.sqrt(variance), np.nan
            )
    return np.array(
        [
            _opexebo_best(s, int(f), largest)
            for s, f in zip(_minmax(correlations), field, strict=True)
        ],
        dtype=np.float64,
    )


def _opexebo_best(by_radius: Float[np.ndarray, " radius"], field: int, largest: int) -> float:
    """The best mean of three; with five radii or more the last window is left out, with four or fewer all are averaged."""
    count = largest - field
    if field < 1 or count < 1 or largest < 3:
        return np.nan
    # Where the field's radius is one bin, the steps are a little under a bin and one radius comes
    # twice.
    score = by_radius[np.linspace(max(3, field + 1), largest, count).astype(int)]
    windows = [score] if count <= 4 else [score[i : i + 3] for i in range(count - 3)]
    means = [np.mean(known) for w in windows if len(known := w[np.isfinite(w)])]
    return float(max(means, default=np.nan))


def _central_radius(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> int:
    """Radius of the circle that is as large as the central field, in whole bins; 0 where there is no field.

    The field is the region around the centre above a level, which falls in steps of 0.02 from 0.95
    to 0.2 of the lowest of the centre's four neighbours. It stops before the region closes around a
    hole or grows in one step three times as much as in the first.
    """
    row, column = np.array(correlogram.shape) // 2
    top = min(
        correlogram[row - 1, column],
        correlogram[row + 1, column],
        correlogram[row, column - 1],
        correlogram[row, column + 1],
    )
    if top <= 0:
        return 0
    # All that lies above the lowest level is all that is ever looked at.
    labels = ndimage.label(correlogram >= 0.2 * top)[0]
    inside = labels == labels[row, column]
    ys, xs = ndimage.find_objects(inside.astype(int))[0]
    part = np.pad(np.where(inside, correlogram, -np.inf)[ys, xs], 1, constant_values=-np.inf)
    row, column = row - ys.start + 1, column - xs.start + 1

    def area(level: float) -> int:
        """Bins of the region, 0 where it has a hole."""
        found = ndimage.label(part >= level * top)[0]
        region = found == found[row, column]
        return 0 if ndimage.label(~region)[1] > 1 else int(region.sum())

    # Where the region has a hole at the first levels, higher ones are tried.
    levels = [
        (0.95, 0.93, 0.95),
        *((high, high - 0.01, high - 0.01) for high in np.linspace(0.96, 1.0, 4)),
    ]
    tried = ((area(high), area(low), start) for high, low, start in levels)
    first, last, start = next((found for found in tried if found[0] and found[1]), (0, 0, 0.0))
    if not first:
        return 0
    growth_at_first, kept, same, shrunk = last / first, 0, 0, 0
    for level in np.round(np.linspace(start, 0.2, int((start - 0.2) / 0.02) + 1), 2):
        size = area(level)
        growth = size / last
        shrunk = shrunk + 1 if growth < 1 else 0
        same = same + 1 if growth == 1 else 0
        if size == 0 or np.floor(growth / growth_at_first) > 2 or shrunk > 2 or same > 9:
            break
        kept = last = size
    return int(np.sqrt(kept / np.pi)) if kept >= OPEXEBO_MIN_FIELD_BINS else 0


def _raw_correlograms(maps: Maps) -> Correlograms:
    """Sums of products of each map, less its mean, with itself at every lag: not divided by the number of bins, so falling outwards."""
    padded = [2 * size - 1 for size in maps.shape[1:]]
    spectrum = fft.rfft2(maps - maps.mean(axis=(1, 2), keepdims=True), padded)
    power = spectrum.real**2 + spectrum.imag**2
    return fft.fftshift(fft.irfft2(power, padded), axes=(1, 2))


def _spatial_maps(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> float:
    """Min-max score on the annulus from half the distance of the nearest peak to that plus the distance of the sixth."""
    distances = np.append(_peak_distances(correlogram), [np.inf] * 7)
    limit = min(correlogram.shape) / 2
    outer = min(distances[1] / 2 + distances[6], limit)
    inner = min(distances[1] / 2, outer)
    if not inner < outer:
        return np.nan
    # Cut out from the middle of the array, half a bin from the bin of zero lag: part of the
    # definition, as is the mask below.
    middle = np.array(correlogram.shape) / 2
    first, last = (middle - outer).astype(int), (middle + outer).astype(int)
    part = correlogram[first[0] : last[0], first[1] : last[1]]
    y, x = np.meshgrid(
        *(np.linspace(-size / 2, size / 2, size) for size in part.shape), indexing="ij"
    )
    distance = np.hypot(x, y)
    inside = (distance >= inner) & (distance <= outer)
    still, coefficients = part[inside], _spline_coefficients(part)
    if len(still) < 3:
        return np.nan
    correlation = {}
    for degrees in (30, 60, 90, 120, 150, 180):
        turned = ndimage.rotate(coefficients, degrees, reshape=False, prefilter=False)[inside]
        correlation[degrees] = np.corrcoef(still, turned)[0, 1]
    return float(
        min(correlation[60], correlation[120], correlation[180])
        - max(correlation[30], correlation[90], correlation[150])
    )


def _peak_distances(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> Float[np.ndarray, " peak"]:
    """Distances from the centre of the local maxima, the centre's own included, ascending; in bins."""
    top = correlogram == ndimage.maximum_filter(correlogram, 3)
    labels = ndimage.label(top)[0][top]
    at = np.argwhere(top)[np.unique(labels, return_index=True)[1]]
    return np.sort(np.hypot(*(at - (np.array(correlogram.shape) - 1) / 2).T))
