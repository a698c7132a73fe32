r"""Grid scores as other tools compute them, to reproduce published numbers; our own: `gridness`.

All of them turn the autocorrelogram by $\alpha$ and correlate it with itself inside an annulus,
$c_\alpha$. They differ in the autocorrelogram, the annuli, the correlation and the combination:

- `deepmind`: $(c_{60} + c_{120})/2 - (c_{30} + c_{90} + c_{150})/3$ on ten annuli fixed by the size
  of the map; the highest of the ten.
- `deepmind_minmax`: the same annuli with $\min(c_{60}, c_{120}) - \max(c_{30}, c_{90}, c_{150})$.
- `square`: the same annuli with $c_{90} - (c_{45} + c_{135})/2$.
- `opexebo`, also called `minmax`: $\min(c_{60}, c_{120}) - \max(c_{30}, c_{90}, c_{150})$ on annuli
  that grow bin by bin from the edge of the central field; the highest mean over three neighbouring
  outer radii.
- `spatial_maps`: $\min(c_{60}, c_{120}, c_{180}) - \max(c_{30}, c_{90}, c_{150})$ on one annulus
  that the nearest peaks set.

The scores `minmax`, `mean60` and `square` of `gridness.score_maps` are combined alike, but on other
annuli and without unvisited bins: close to these numbers, not equal.

Three habits of these tools are kept: an unvisited bin is a rate of 0, a lag without variance a
correlation of 0, and nothing is smoothed (their users smooth first).
"""

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
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

DEFINITIONS = ("deepmind", "deepmind_minmax", "square", "opexebo", "minmax", "spatial_maps")
ON_SQUARE_MAPS = ("deepmind", "deepmind_minmax", "square")
Scores = Float[np.ndarray, " unit"]
Correlations = dict[int, Float[np.ndarray, "unit annulus"]]

OPEXEBO_CROP = 1.8  # of the side of the map: further lags rest on few bins


@takes_arrays
def grid_score(rate_maps: np.ndarray, *, definition: str) -> Scores:
    """Score every rate map by a definition listed at the top of this file.

    Args:
        rate_maps: (unit, y, x) or one map (y, x), any unit of activity, already smoothed as the
            definition's users would. NaN marks unvisited bins, which these definitions read as 0.
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
            f"the annuli of {definition!r} are defined for square maps, not {rows} by {columns}: "
            "take opexebo or spatial_maps"
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
    return _deepmind(correlograms, definition)


def _minmax(c: Correlations) -> np.ndarray:
    return np.minimum(c[60], c[120]) - np.maximum(np.maximum(c[30], c[90]), c[150])


class _Annuli:
    """Sums over annuli of autocorrelograms and of turned ones.

    An autocorrelogram is its own mirror image, and so are the annuli: half of the bins are enough.
    Sorted by distance, the sum over an annulus is the difference of two cumulative sums.

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
        """The autocorrelograms turned about their centre, by splines of the given order."""
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
        start = np.broadcast_to(inner, (len(values), 1))
        return total[:, outer] - np.take_along_axis(total, start, axis=1)


def _spline_coefficients(images: np.ndarray) -> np.ndarray:
    """Cubic spline coefficients of each image, as `ndimage.rotate` finds them."""
    return ndimage.spline_filter1d(ndimage.spline_filter1d(images, 3, axis=-1), 3, axis=-2)


def _deepmind(correlograms: Correlograms, definition: str) -> Scores:
    """Highest score of ten annuli; mean and variance of the annulus before turning."""
    side = (correlograms.shape[1] + 1) // 2
    annuli = _Annuli(correlograms, side, order=3)
    inner = np.searchsorted(annuli.distance, [[0.2 * side]], side="right")
    outer = np.searchsorted(annuli.distance, np.linspace(0.4, 1.0, 10) * side, side="right")
    # A map of few bins may have none in its innermost annuli.
    outer = outer[outer > inner[0, 0]]
    n, still = outer - inner, annuli.still
    mean = annuli.sums(still, inner, outer) / n
    variance = annuli.sums(still**2, inner, outer) / n - mean**2 + 1e-5
    c = {}
    for degrees in (30, 45, 60, 90, 120, 135, 150):
        turned = annuli.turned(degrees)
        # sum of (still - mean)(turned - mean), where the sum of still - mean is zero
        total = annuli.sums(turned, inner, outer)
        c[degrees] = (annuli.sums(still * turned, inner, outer) - mean * total) / n / variance
    if definition == "deepmind":
        score = (c[60] + c[120]) / 2 - (c[30] + c[90] + c[150]) / 3
    else:
        score = _minmax(c) if definition == "deepmind_minmax" else c[90] - (c[45] + c[135]) / 2
    return score.max(axis=1)


def _cropped(correlograms: Correlograms) -> Float[np.ndarray, "unit near_y near_x"]:
    """The middle of each autocorrelogram, an odd number of bins near 1.8 times the map's side."""
    keep = []
    for size in correlograms.shape[1:]:
        wanted = round(OPEXEBO_CROP * (size + 1) / 2)
        wanted -= wanted % 2 == 0
        keep.append(slice((size - wanted) // 2, (size + wanted) // 2))
    return correlograms[:, keep[0], keep[1]]


def _opexebo(correlograms: Correlograms) -> Scores:
    """Highest mean over three outer radii of the min-max score around the central field."""
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
    scores = zip(_minmax(correlations), field.tolist(), strict=True)
    return np.array([_opexebo_best(s, f, largest) for s, f in scores], dtype=np.float64)


def _opexebo_best(by_radius: Float[np.ndarray, " radius"], field: int, largest: int) -> float:
    """Best mean of three radii without the last window; of four radii or fewer the mean."""
    count = largest - field
    if field < 1 or count < 1 or largest < 3:
        return np.nan
    # Where the field's radius is one bin, one radius comes twice.
    score = by_radius[np.linspace(max(3, field + 1), largest, count).astype(int)]
    windows = [score] if count <= 4 else [score[i : i + 3] for i in range(count - 3)]
    means = [np.mean(known) for w in windows if len(known := w[np.isfinite(w)])]
    return float(max(means, default=np.nan))


def _central_radius(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> int:
    """Radius of the circle as large as the central field, in whole bins; 0 without a field.

    The field is the region around the centre above a level, which falls in steps of 0.02 from 0.95
    to 0.2 of the lowest of the centre's four neighbours. It stops before the region closes around a
    hole or grows in one step three times as much as in the first.
    """
    row, column = np.array(correlogram.shape) // 2
    top = min(correlogram[row + i, column + j] for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)))
    if top <= 0:
        return 0
    # Only what lies above the lowest level matters.
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
    higher = [(high, high - 0.01, high - 0.01) for high in np.linspace(0.96, 1.0, 4)]
    levels = [(0.95, 0.93, 0.95), *higher]
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
    return int(np.sqrt(kept / np.pi)) if kept >= 5 else 0


def _raw_correlograms(maps: Maps) -> Correlograms:
    """Sums of products of each map, less its mean, with itself: not divided by numbers of bins."""
    padded = [2 * size - 1 for size in maps.shape[1:]]
    spectrum = fft.rfft2(maps - maps.mean(axis=(1, 2), keepdims=True), padded)
    power = spectrum.real**2 + spectrum.imag**2
    return fft.fftshift(fft.irfft2(power, padded), axes=(1, 2))


def _spatial_maps(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> float:
    """Min-max score from half the distance d of the nearest peak to d / 2 + that of the sixth."""
    distances = np.append(_peak_distances(correlogram), [np.inf] * 7)
    limit = min(correlogram.shape) / 2
    outer = min(distances[1] / 2 + distances[6], limit)
    inner = min(distances[1] / 2, outer)
    if not inner < outer:
        return np.nan
    # The definition cuts half a bin off the bin of zero lag, and masks as below.
    middle = np.array(correlogram.shape) / 2
    first, last = (middle - outer).astype(int), (middle + outer).astype(int)
    part = correlogram[first[0] : last[0], first[1] : last[1]]
    y, x = (np.linspace(-size / 2, size / 2, size) for size in part.shape)
    distance = np.hypot(x, y[:, None])
    inside = (distance >= inner) & (distance <= outer)
    still, coefficients = part[inside], _spline_coefficients(part)
    if len(still) < 3:
        return np.nan
    c = {}
    for degrees in (30, 60, 90, 120, 150, 180):
        turned = ndimage.rotate(coefficients, degrees, reshape=False, prefilter=False)[inside]
        c[degrees] = np.corrcoef(still, turned)[0, 1]
    return float(min(c[60], c[120], c[180]) - max(c[30], c[90], c[150]))


def _peak_distances(correlogram: Float[np.ndarray, "lag_y lag_x"]) -> Float[np.ndarray, " peak"]:
    """Distances of the local maxima from the centre, which is one of them; ascending, in bins."""
    top = correlogram == ndimage.maximum_filter(correlogram, 3)
    labels = ndimage.label(top)[0][top]
    at = np.argwhere(top)[np.unique(labels, return_index=True)[1]]
    return np.sort(np.hypot(*(at - (np.array(correlogram.shape) - 1) / 2).T))
