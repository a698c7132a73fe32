"""Firing fields: how many, where, how large."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from gridcode.analysis.cells.autocorrelogram import Maps, as_maps, blocks, shared_mask, smooth
from gridcode.analysis.cells.gridness import unscorable
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# A bump is a field only where it rises this many standard deviations of the map's own noise.
NOISE_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Fields:
    """Firing fields of every unit, listed unit after unit, the highest of each first.

    Attributes:
        count: number of fields, those cut by the border included; 0 for silent and constant units,
            NaN if never visited.
        whole_count: number of fields that the border does not cut.
        area_m2: median area of a unit's whole fields, each above half its height; square metres,
            NaN without whole fields.
        diameter_m: of a circle of that area; for round Gaussian fields their full width at half
            maximum.
        reason: why `area_m2` and `diameter_m` (and, never visited, `count`) are missing, or "".
        unit: row of the map that each field belongs to.
        centre_m: (field, 2) x and y of each field from the map's centre; biased inwards where the
            border cuts it.
        peak: height of each field in the smoothed map, in the map's unit.
        field_area_m2: area of each field, or of the part inside the border.
        cut: whether the border of the visited arena cuts the field.
        labels: (unit, y, x) number of the field that a bin belongs to, 1 for the unit's highest; 0
            outside of fields.
    """

    count: Float[np.ndarray, " unit"]
    whole_count: Float[np.ndarray, " unit"]
    area_m2: Float[np.ndarray, " unit"]
    diameter_m: Float[np.ndarray, " unit"]
    reason: tuple[str, ...]
    unit: Int[np.ndarray, " field"]
    centre_m: Float[np.ndarray, "field 2"]
    peak: Float[np.ndarray, " field"]
    field_area_m2: Float[np.ndarray, " field"]
    cut: Bool[np.ndarray, " field"]
    labels: Int[np.ndarray, "unit y x"]


@takes_arrays
def find_fields(
    rate_maps: np.ndarray,
    *,
    bin_size_m: float,
    smoothing_bins: float = 1.0,
    min_prominence: float = 0.25,
    min_area_bins: float | None = None,
) -> Fields:
    r"""Find the firing fields of every rate map.

    The bins that climb to one local maximum of the smoothed map are its basin (a watershed). A
    maximum is a field if it rises far enough above the highest saddle to a higher one,

    $$ r_{peak} - r_{saddle} \ge \max(\text{min\_prominence} \cdot (\max r - b), 4 \sigma) $$

    with $\sigma$ the noise from bin to bin after smoothing and background $b$ the 5th percentile of
    the visited bins; a lower one joins its neighbour. The field is the part of its basin above $b +
    (r_{peak} - b) / 2$.

    Args:
        rate_maps: (unit, y, x), any unit of activity, offsets and negative values included; NaN
            marks unvisited bins.
        bin_size_m: side of a bin, metres.
        smoothing_bins: Gaussian smoothing first, in bins; 0 for maps that are smooth already. It
            makes a Gaussian field larger by 2 pi ln 2 smoothing_bins^2 bins, 4.4 at the default.
        min_prominence: least prominence, of the map's height above its background.
        min_area_bins: smaller fields are left out. Default: one active bin after smoothing.

    Returns:
        Fields. They are no test: noise has bumps too, so ask first whether a unit is spatial.

    Raises:
        InputError: wrong shape, infinities, or a setting out of its range.

    Source: fields as connected regions of raised rate: Muller, Kubie & Ranck 1987; fields of grid
    cells one by one: Ismakov et al. 2017. Prominence instead of a threshold on the map's peak keeps
    weak fields, fields that touch and fields on a raised background apart.
    """
    if not (bin_size_m > 0 and math.isfinite(bin_size_m)):
        raise InputError(f"bin_size_m must be positive, not {bin_size_m}")
    if not 0 < min_prominence < 1:
        raise InputError(f"min_prominence must lie between 0 and 1, not {min_prominence}")
    if not (smoothing_bins >= 0 and math.isfinite(smoothing_bins)):
        raise InputError(f"smoothing_bins must be 0 or more, not {smoothing_bins}")
    maps = as_maps(rate_maps)
    reasons = unscorable(maps)
    smoothed = smooth(maps, smoothing_bins)
    varies = np.array([reason == "" for reason in reasons], dtype=bool)
    least = _spot_bins(smoothing_bins) + 1 if min_area_bins is None else min_area_bins
    noise = NOISE_DEVIATIONS * _bin_noise(maps, smoothing_bins)
    found = []
    for part in blocks(len(maps), maps.shape[1] * maps.shape[2]):
        unit, *rest = _find(smoothed[part], varies[part], min_prominence, noise[part], least)
        found.append((part.start + unit, *rest))
    unit, column, row, peak, area, cut, labels = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    middle = (np.array(maps.shape[:0:-1]) - 1) / 2
    centre = (np.stack([column, row], axis=1) - middle) * bin_size_m
    area = area * bin_size_m**2
    visited = np.array([reason != "no visited bin" for reason in reasons], dtype=bool)
    whole = np.bincount(unit[~cut], minlength=len(maps)).astype(np.float64)
    median = np.array(
        [np.median(area[(unit == u) & ~cut]) if whole[u] else np.nan for u in range(len(maps))]
    )
    return Fields(
        count=np.where(visited, np.bincount(unit, minlength=len(maps)), np.nan),
        whole_count=np.where(visited, whole, np.nan),
        area_m2=median,
        diameter_m=2 * np.sqrt(median / np.pi),
        reason=tuple(
            r or ("" if n else "no field that the border leaves whole")
            for r, n in zip(reasons, whole, strict=True)
        ),
        unit=unit,
        centre_m=centre,
        peak=peak,
        field_area_m2=area,
        cut=cut,
        labels=labels,
    )


def _spot_bins(smoothing_bins: float) -> int:
    """Bins above half height of one active bin after smoothing."""
    reach = np.arange(-int(3 * smoothing_bins) - 1, int(3 * smoothing_bins) + 2)
    squared = reach[:, None] ** 2 + reach**2
    return int((squared <= 2 * math.log(2) * smoothing_bins**2).sum())


def _bin_noise(maps: Maps, smoothing_bins: float) -> Float[np.ndarray, " unit"]:
    """Standard deviation that noise independent from bin to bin leaves in the smoothed map.

    Fields are smooth and hardly show in second differences; few bins hardly change their median.
    """
    if not len(maps):
        return np.zeros(0)
    second = maps[:, :, :-2] - 2 * maps[:, :, 1:-1] + maps[:, :, 2:]
    known = np.isfinite(second)
    size = np.sort(np.where(known, np.abs(second), np.inf).reshape(len(maps), -1), axis=1)
    count = known.sum(axis=(1, 2))
    middle = size[np.arange(len(maps)), count // 2]
    # The second difference of white noise has six times its variance; 0.6745 is the median of |z|.
    sd = np.where((count > 0) & np.isfinite(middle), middle, 0.0) / (0.6745 * math.sqrt(6.0))
    # A Gaussian kernel of s bins averages over 2 sqrt(pi) s bins' worth of deviation.
    return sd / max(1.0, 2 * math.sqrt(math.pi) * smoothing_bins)


def _background(maps: Maps) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    """Background and highest value of each map; where nothing was visited, 0 and 0."""
    visited = np.isfinite(maps)
    count = visited.sum(axis=(1, 2))
    shape = (len(maps), maps.shape[1] * maps.shape[2])
    ordered = np.sort(np.where(visited, maps, np.inf).reshape(shape), axis=1)
    # Not the minimum, which is an extreme of the noise.
    low = ordered[np.arange(len(maps)), (0.05 * np.maximum(count - 1, 0)).astype(np.intp)]
    high = np.where(visited, maps, -np.inf).max(axis=(1, 2), initial=-np.inf)
    return np.where(count > 0, low, 0.0), np.where(count > 0, high, 0.0)


def _find(
    maps: Maps,
    varies: Bool[np.ndarray, " unit"],
    min_prominence: float,
    noise: Float[np.ndarray, " unit"],
    min_area: float,
) -> tuple[np.ndarray, ...]:
    """Unit, column, row, peak, area (bins), cut of each field, and the labels, of some units."""
    shape = maps.shape
    background, high = _background(maps)
    # A rim of unvisited bins: no neighbour then lies in another row or map.
    height = np.where(np.isfinite(maps) & varies[:, None, None], maps, -np.inf)
    height = np.pad(height, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rim_shape, height = height.shape, height.ravel()
    visited = np.flatnonzero(height > -np.inf)
    summits, basin = _basins(height, visited, rim_shape[2])
    owner = summits // (rim_shape[1] * rim_shape[2])
    enough = np.maximum(min_prominence * (high - background), noise)
    field = _merge(height[summits], enough[owner], *_saddles(height, visited, basin, rim_shape[2]))

    # The bins of each field, above half of its own height.
    top, floor = height[summits], background[owner]
    number = field[basin[visited]]
    inside = height[visited] > ((top + floor) / 2)[number]
    bins, number = visited[inside], number[inside]
    weight = height[bins] - ((top + floor) / 2)[number]
    n = len(summits)
    area = np.bincount(number, minlength=n).astype(np.float64)
    mass = np.maximum(np.bincount(number, weight, minlength=n), 1e-300)
    row, column = bins // rim_shape[2] % rim_shape[1] - 1, bins % rim_shape[2] - 1
    rows, columns = (np.bincount(number, weight * at, minlength=n) / mass for at in (row, column))
    edge = _border(np.isfinite(maps))[bins // (rim_shape[1] * rim_shape[2]), row, column]
    cut = np.bincount(number, edge, minlength=n) > 0

    stands_out = (top - floor >= enough[owner]) & (field == np.arange(n))
    kept = np.flatnonzero((area >= min_area) & stands_out)
    kept = kept[np.lexsort((-top[kept], owner[kept]))]
    rank = np.zeros(n, dtype=np.int32)
    each = np.bincount(owner[kept], minlength=shape[0])
    rank[kept] = np.arange(len(kept)) - np.repeat(np.cumsum(each) - each, each) + 1
    labels = np.zeros(rim_shape, dtype=np.int32)
    labels.ravel()[bins] = rank[number]
    return (
        owner[kept],
        columns[kept],
        rows[kept],
        top[kept],
        area[kept],
        cut[kept],
        labels[:, 1:-1, 1:-1],
    )


def _basins(height: np.ndarray, visited: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima as places in the flat array, and for every place the number of its maximum.

    Of equal neighbours the last counts as higher, so that nothing climbs in circles on a plateau.
    """
    steps = (-width - 1, -width, -width + 1, -1, 0, 1, width - 1, width, width + 1)
    best = height[visited + steps[0]]
    up = visited + steps[0]
    for step in steps[1:]:
        there = height[visited + step]
        higher = there >= best
        np.copyto(best, there, where=higher)
        np.copyto(up, visited + step, where=higher)
    target = np.arange(len(height))
    target[visited] = up
    while True:
        # Every step doubles the length of the climb.
        further = target[target[visited]]
        if np.array_equal(further, target[visited]):
            break
        target[visited] = further
    summits = visited[target[visited] == visited]
    number = np.full(len(height), -1)
    number[summits] = np.arange(len(summits))
    return summits, number[target]


def _saddles(
    height: np.ndarray, visited: np.ndarray, basin: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of neighbouring basins with the height of their highest pass, highest first."""
    ones, others, heights = [], [], []
    for step in (1, width - 1, width, width + 1):
        a, b = basin[visited], basin[visited + step]
        at = np.flatnonzero((a != b) & (b >= 0))
        ones.append(np.minimum(a[at], b[at]))
        others.append(np.maximum(a[at], b[at]))
        heights.append(np.minimum(height[visited[at]], height[visited[at] + step]))
    one, other, passes = np.concatenate(ones), np.concatenate(others), np.concatenate(heights)
    order = np.argsort(-passes, kind="stable")
    _, highest = np.unique((one * (basin.max(initial=0) + 1) + other)[order], return_index=True)
    order = order[np.sort(highest)]
    return one[order], other[order], passes[order]


def _merge(
    top: np.ndarray, enough: np.ndarray, one: np.ndarray, other: np.ndarray, passes: np.ndarray
) -> Int[np.ndarray, " summit"]:
    """The field that each summit belongs to: itself, or the one it does not stand out from.

    Water falls from above the highest summit: at each pass two islands become one, and the lower
    summit's prominence is its height above that pass.
    """
    island, field = list(range(len(top))), list(range(len(top)))
    tops, needed = top.tolist(), enough.tolist()

    def root(parent: list[int], i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b, level in zip(one.tolist(), other.tolist(), passes.tolist(), strict=True):
        high, low = root(island, a), root(island, b)
        if high == low:
            continue
        beside = a
        if (tops[high], high) < (tops[low], low):
            high, low, beside = low, high, b
        island[low] = high
        if tops[low] - level < needed[low]:
            # All of so low an island goes to the neighbour across the pass.
            field[low] = root(field, beside)
    return np.array([root(field, i) for i in range(len(top))], dtype=np.intp)


def _border(visited: Bool[np.ndarray, "unit y x"]) -> Bool[np.ndarray, "unit y x"]:
    """Bins on the outer edge of the visited arena; a hole inside it is no border."""
    shared = shared_mask(visited)
    edge = np.empty(shared.shape, dtype=bool)
    for mask, out in zip(shared, edge, strict=True):
        filled = ndimage.binary_fill_holes(mask)
        out[:] = filled & ~ndimage.binary_erosion(filled)
    return np.broadcast_to(edge, visited.shape)
