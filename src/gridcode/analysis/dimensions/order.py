"""Local order of firing fields in a volume: are neighbours at a regular distance?

Fields that keep a regular distance to their nearest neighbour, without a lattice, are what was
found in bats that fly (Ginosar et al. 2021); rats that climb showed neither (Grieves et al. 2021).
Two nulls hold as many fields in the same volume:

- **Poisson**: centres anywhere.
- **Hard spheres**: centres anywhere, but no two nearer than a field's diameter, since two fields
  that touch would be seen as one.

The measure is the coefficient of variation of the distance to the nearest neighbour: 0 in a
lattice, about 0.36 in a Poisson process in space. Order is what goes beyond hard spheres.

Source: the measure and shuffles in the spirit of Ginosar et al. 2021.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage, spatial

from gridcode.analysis.cells.significance import check_nulls
from gridcode.arrays import takes_arrays

HEIGHT = 0.5  # of the range of a unit's rates, or a maximum is no field
FEWEST_FIELDS = 6
PLACEMENTS = 64


@dataclass(frozen=True)
class LocalOrder:
    """Nearest-neighbour distances of each unit's fields.

    Attributes:
        fields: (unit,) number of fields.
        diameter_m: (unit,) of a sphere with a field's median volume above half its height.
        distance_m: (unit,) mean distance to the nearest field; NaN for fewer than 6 fields.
        variation: (unit,) standard deviation of that distance over its mean.
        poisson: (unit,) median of the same of Poisson processes.
        hard_spheres: (unit,) median of the same of hard spheres.
        p_poisson: (unit,) share of Poisson processes (one added) that vary as little.
        p_hard_spheres: (unit,) share of hard spheres (one added) that vary as little.
    """

    fields: Int[np.ndarray, " unit"]
    diameter_m: Float[np.ndarray, " unit"]
    distance_m: Float[np.ndarray, " unit"]
    variation: Float[np.ndarray, " unit"]
    poisson: Float[np.ndarray, " unit"]
    hard_spheres: Float[np.ndarray, " unit"]
    p_poisson: Float[np.ndarray, " unit"]
    p_hard_spheres: Float[np.ndarray, " unit"]


@takes_arrays
def local_order(
    volumes: Float[np.ndarray, "unit x y z"], *, side_m: float, nulls: int = 99, seed: int = 0
) -> LocalOrder:
    """Regularity of the distances between neighbouring fields of every unit.

    Args:
        volumes: (unit, x, y, z) rates in a cube, without gaps.
        side_m: side of the cube, metres.
        nulls: null arrangements of each kind a unit.
        seed: of the null arrangements.

    Raises:
        InputError: too few nulls.
    """
    check_nulls(nulls)
    fields = np.zeros(len(volumes), dtype=np.int64)
    numbers = np.full((7, len(volumes)), np.nan)
    for unit, volume in enumerate(volumes):
        centres, diameter = find_fields_3d(volume, side_m=side_m)
        fields[unit], numbers[0, unit] = len(centres), diameter
        if len(centres) < FEWEST_FIELDS:
            continue
        numbers[1:3, unit] = _nearest(centres)
        generator = np.random.default_rng([seed, unit])
        for kind, apart in enumerate((0.0, diameter)):
            every = hard_spheres(
                len(centres), apart, side_m=side_m, arrangements=nulls, generator=generator
            )
            drawn = [_nearest(one)[1] for one in every]
            numbers[3 + kind, unit] = np.median(drawn)
            as_little = int((np.array(drawn) <= numbers[2, unit]).sum())
            numbers[5 + kind, unit] = (1 + as_little) / (1 + nulls)
    return LocalOrder(fields, *numbers)


@takes_arrays
def find_fields_3d(
    volume: Float[np.ndarray, "x y z"], *, side_m: float
) -> tuple[Float[np.ndarray, "field 3"], float]:
    """Centres of the fields of a unit from the middle of the cube, and a field's diameter, metres.

    A field is a local maximum of the smoothed rates in the upper half of their range; its centre is
    that of mass of the bins around it, its volume that of the bins above half its height that are
    nearer to it than to another field.

    Args:
        volume: (x, y, z) rates in a cube, without gaps.
        side_m: side of the cube, metres.

    Returns:
        (field, 3) centres, and the diameter of a sphere of the median volume; NaN without fields.
    """
    smooth = ndimage.gaussian_filter(volume.astype(np.float64), 1.0, mode="nearest")
    low, high = np.quantile(smooth, 0.05), float(smooth.max())
    if not high - low > 1e-6 * max(abs(high), 1e-300):
        return np.zeros((0, 3)), float("nan")
    above = smooth - low
    top = (smooth == ndimage.maximum_filter(smooth, 5, mode="nearest")) & (
        above >= HEIGHT * (high - low)
    )
    at = np.argwhere(top)
    bins = np.argwhere(above >= HEIGHT**2 * (high - low))
    owner: np.ndarray = np.asarray(spatial.KDTree(at).query(bins)[1])
    values = above[tuple(bins.T)]
    inside = values >= HEIGHT * above[tuple(at.T)][owner]
    size = np.bincount(owner[inside], minlength=len(at))
    mass = np.bincount(owner[inside], values[inside], minlength=len(at))
    centre = np.stack(
        [np.bincount(owner[inside], values[inside] * x[inside], minlength=len(at)) for x in bins.T],
        axis=1,
    )
    bin_m = side_m / len(volume)
    centres = (centre / mass[:, None] - (len(volume) - 1) / 2) * bin_m
    return centres, float((6 / np.pi * np.median(size)) ** (1 / 3) * bin_m)


def hard_spheres(
    count: int,
    diameter_m: float,
    *,
    side_m: float,
    arrangements: int,
    generator: np.random.Generator,
) -> Float[np.ndarray, "arrangement sphere 3"]:
    """Centres of spheres that were placed one after the other where there was room.

    Where 64 tries find no room the place furthest from other centres is taken.

    Args:
        count: number of spheres.
        diameter_m: their diameter; 0 places them anywhere.
        side_m: side of the cube that holds the centres, metres.
        arrangements: number of arrangements.
        generator: source of randomness.
    """
    half = side_m / 2
    placed = generator.uniform(-half, half, (arrangements, count, 3))
    for k in range(1, count):
        for some in (4, PLACEMENTS):
            near = ((placed[:, k, None] - placed[:, :k]) ** 2).sum(axis=2).min(axis=1)
            crowded = np.flatnonzero(near < diameter_m**2)
            if not len(crowded):
                break
            tries = generator.uniform(-half, half, (len(crowded), some, 3))
            apart = ((tries[:, :, None] - placed[crowded, None, :k]) ** 2).sum(axis=3).min(axis=2)
            free = apart >= diameter_m**2
            best = np.where(free.any(axis=1), free.argmax(axis=1), apart.argmax(axis=1))
            placed[crowded, k] = np.take_along_axis(tries, best[:, None, None], axis=1)[:, 0]
    return placed


def _nearest(centres: Float[np.ndarray, "field 3"]) -> tuple[float, float]:
    """Mean distance to the nearest centre, and its coefficient of variation."""
    distance = np.asarray(spatial.KDTree(centres).query(centres, k=2)[0])[:, 1]
    mean = float(distance.mean())
    return mean, float(distance.std() / mean) if mean > 0 else float("nan")
