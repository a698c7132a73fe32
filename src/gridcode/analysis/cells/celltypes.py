"""What kind of cell is each unit? One name, and the numbers that it rests on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.cells.lattice import SQUARE_ANGLE_DEG
from gridcode.analysis.cells.significance import BAND_SHARE, LEAST_BAND_SHARE, benjamini_hochberg
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Types whose rate maps repeat in two directions.
LATTICE_TYPES = ("hexagonal", "sheared hexagonal", "square")
TYPES = (*LATTICE_TYPES, "band", "place-like", "other spatial", "non-spatial", "silent")
# Below this axis ratio a hexagon is sheared; beyond this length ratio a lattice is not square.
LEAST_HEXAGONAL_AXIS_RATIO = 0.8
MOST_SQUARE_LENGTH_RATIO = 1.2
# So many fields set two lattice vectors. Random phases make no map of one or two round fields, in
# which all waves meet: against those null maps every place cell would be a lattice.
FEWEST_LATTICE_FIELDS = 3
# A q-value up to so many times the false-discovery rate is called just missed.
JUST_MISSED = 2


@dataclass(frozen=True)
class Evidence:
    """The numbers that decide types; each (unit,), NaN where it could not be computed.

    Attributes:
        silent: the unit stays at or below the level of silence.
        lattice_p_value: of a lattice of any shape, against null maps.
        band_p_value: of the strongest wave's share, against null maps.
        band_share: that share.
        spatial_p_value: of activity that depends on place, by the best test the data allow.
        vectors_m: (unit, 2, 2) lattice vectors.
        axis_ratio: short over long axis of the ellipse through the six neighbours.
        field_count: number of firing fields.
    """

    silent: Bool[np.ndarray, " unit"]
    lattice_p_value: Float[np.ndarray, " unit"]
    band_p_value: Float[np.ndarray, " unit"]
    band_share: Float[np.ndarray, " unit"]
    spatial_p_value: Float[np.ndarray, " unit"]
    vectors_m: Float[np.ndarray, "unit 2 2"]
    axis_ratio: Float[np.ndarray, " unit"]
    field_count: Float[np.ndarray, " unit"]


@dataclass(frozen=True)
class CellTypes:
    """Type of each unit.

    Attributes:
        type: (unit,) one of TYPES.
        evidence: (unit,) the deciding numbers, in words.
        periodic: (unit,) a lattice of any shape is significant: the unit may belong to a module.
        q_value: (unit,) p of a lattice adjusted for all active units that may be spatial and have
            three fields or more (Benjamini and Hochberg); NaN for the others.
    """

    type: tuple[str, ...]
    evidence: tuple[str, ...]
    periodic: Bool[np.ndarray, " unit"]
    q_value: Float[np.ndarray, " unit"]


def check_levels(significance: float, false_discovery_rate: float) -> None:
    """Raise an InputError for levels that are not between 0 and 1."""
    levels = {"significance": significance, "false_discovery_rate": false_discovery_rate}
    for name, level in levels.items():
        if not 0 < level < 1:
            raise InputError(f"{name} must lie between 0 and 1, not {level}")


@takes_arrays
def possibly_spatial(
    silent: Bool[np.ndarray, " unit"],
    spatial_p_value: Float[np.ndarray, " unit"],
    *,
    significance: float,
) -> Bool[np.ndarray, " unit"]:
    """Units among which lattices and bands are looked for.

    Maps no smoother than their own bins in random order have no lattice either, and need not count
    among those tested for one (a filter independent of the test: Bourgon et al. 2010).
    """
    return ~silent & ((spatial_p_value <= significance) | ~np.isfinite(spatial_p_value))


@takes_arrays
def undecided(
    low: Float[np.ndarray, "2 unit"],
    high: Float[np.ndarray, "2 unit"],
    *,
    among: Bool[np.ndarray, " unit"],
    band_share: Float[np.ndarray, " unit"],
    false_discovery_rate: float,
) -> Bool[np.ndarray, " unit"]:
    """Units whose type hangs on where in its interval a p-value lies.

    Args:
        low: lower ends of the intervals of the p-values of a lattice and of a band.
        high: upper ends.
        among: units that are tested.
        band_share: as for `classify`.
        false_discovery_rate: as for `classify`.
    """

    def borders(row: int) -> tuple[float, float]:
        """Smallest and largest p that may still be a discovery, as the others' p-values stand."""
        tested = among & np.isfinite(low[row])
        n = max(int(tested.sum()), 1)

        def discoveries(p_values: np.ndarray) -> int:
            q = benjamini_hochberg(np.where(tested, p_values, np.nan))
            return int((q <= false_discovery_rate).sum())

        fewest, most = min(discoveries(high[row]) + 1, n), max(discoveries(low[row]), 1)
        first, last = sorted((fewest, most))
        return false_discovery_rate * first / n, false_discovery_rate * last / n

    def open_(row: int) -> Bool[np.ndarray, " unit"]:
        first, last = borders(row)
        return among & (low[row] <= last) & (high[row] >= first)

    # A band that is no more than a wave of a lattice needs no decision.
    sure = high[0] < borders(0)[0]
    matters = band_share > np.where(sure, BAND_SHARE, LEAST_BAND_SHARE)
    return open_(0) | (matters & open_(1))


def classify(
    evidence: Evidence, *, significance: float = 0.01, false_discovery_rate: float = 0.05
) -> CellTypes:
    """Name the type of each unit.

    A lattice or a band is found where the share of false discoveries among units with a p as small
    is at or below `false_discovery_rate`, among units whose spatial p is at or below
    `significance`; a lattice among those of three fields or more. The first that applies:

    1. silent;
    2. band: one plane wave explains more than 0.6 of the map, and a band is found;
    3. a lattice is found: square if the vectors stand at 82.5 degrees or more and differ in length
       by less than a fifth, hexagonal if the axis ratio is 0.8 or more, else sheared hexagonal;
    4. band: one plane wave explains more than 0.3, and a band is found;
    5. place-like: spatial with one field; other spatial: with none or several;
    6. non-spatial.

    Args:
        evidence: the numbers of each unit.
        significance: largest p of being spatial.
        false_discovery_rate: of lattices, of bands and of spatial units.

    Raises:
        InputError: a level that is not between 0 and 1.
    """
    check_levels(significance, false_discovery_rate)

    def adjusted(p_values: np.ndarray, among: np.ndarray) -> np.ndarray:
        return benjamini_hochberg(np.where(among & ~evidence.silent, p_values, np.nan))

    e = evidence
    every = np.full(len(e.silent), True)
    spatial = (e.spatial_p_value <= significance) & (
        adjusted(e.spatial_p_value, every) <= false_discovery_rate
    )
    possible = possibly_spatial(e.silent, e.spatial_p_value, significance=significance)
    fitted = np.isfinite(e.vectors_m).all(axis=(1, 2))
    enough = e.field_count >= FEWEST_LATTICE_FIELDS
    q = adjusted(e.lattice_p_value, possible & enough)
    lattice = fitted & (q <= false_discovery_rate)
    wave = adjusted(e.band_p_value, possible) <= false_discovery_rate
    # The best wave of a hexagon explains a third, too.
    band = wave & (e.band_share > np.where(lattice, BAND_SHARE, LEAST_BAND_SHARE))
    lattice &= ~band

    length = np.sort(np.hypot(e.vectors_m[..., 0], e.vectors_m[..., 1]), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = length[:, 1] / length[:, 0]
        cosine = (e.vectors_m[:, 0] * e.vectors_m[:, 1]).sum(axis=1) / length.prod(axis=1)
        angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    square = lattice & (angle >= SQUARE_ANGLE_DEG) & (ratio <= MOST_SQUARE_LENGTH_RATIO)
    in_order = {
        "silent": e.silent,
        "band": band,
        "square": square,
        "hexagonal": lattice & (e.axis_ratio >= LEAST_HEXAGONAL_AXIS_RATIO),
        "sheared hexagonal": lattice,
        "place-like": spatial & (e.field_count == 1),
        "other spatial": spatial,
    }
    kinds = np.select([*in_order.values()], [*in_order], "non-spatial").tolist()

    def describe(u: int) -> str:
        spatial_p = f"spatial p = {e.spatial_p_value[u]:.2g}"
        lattice_p = (
            f"lattice p = {e.lattice_p_value[u]:.2g}, q = {q[u]:.2g}"
            if enough[u]
            else "too few fields for a lattice"
        )
        shape = (
            f"vectors at {angle[u]:.0f} deg, lengths 1 : {ratio[u]:.2f}"
            if fitted[u]
            else "no lattice fitted"
        )
        if not lattice[u] and false_discovery_rate < q[u] <= JUST_MISSED * false_discovery_rate:
            lattice_p += ": a lattice just missed"
        return {
            "silent": "no activity",
            "band": f"one plane wave explains {e.band_share[u]:.0%} (p = {e.band_p_value[u]:.2g})",
            "place-like": f"one field; {spatial_p}, {lattice_p}",
            "other spatial": f"{e.field_count[u]:.0f} fields; {spatial_p}, {lattice_p}, {shape}",
            "non-spatial": spatial_p,
        }.get(kinds[u], f"{lattice_p}, {shape}")

    return CellTypes(
        type=tuple(kinds),
        evidence=tuple(describe(u) for u in range(len(kinds))),
        periodic=lattice & ~e.silent,
        q_value=q,
    )
