"""What kind of cell is each unit? One name, and the numbers that it rests on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.cells.lattice import SQUARE_ANGLE_DEG
from gridcode.analysis.cells.significance import benjamini_hochberg
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Types whose rate maps repeat in two directions.
LATTICE_TYPES = ("hexagonal", "sheared hexagonal", "square")
TYPES = (*LATTICE_TYPES, "band", "place-like", "other spatial", "non-spatial", "silent")
# Below this axis ratio a hexagon is sheared; beyond this length ratio a lattice is not square.
LEAST_HEXAGONAL_AXIS_RATIO = 0.8
MOST_SQUARE_LENGTH_RATIO = 1.2
# One plane wave that explains more of a map than the first is a band, whatever ripples run along
# it; one that explains less than the second is not.
BAND_SHARE, LEAST_BAND_SHARE = 0.6, 0.3


@dataclass(frozen=True)
class Evidence:
    """The numbers that decide types; each (unit,), NaN where it could not be computed.

    Attributes:
        silent: the unit stays at or below the level of silence.
        p_value: of the hexagonal score, against null maps.
        lattice_p_value: of the shear-corrected score, against null maps.
        square_p_value: of the 90-degree score, against null maps.
        band_p_value: of the best plane wave's share, against null maps.
        band_share: that share.
        spatial_p_value: of activity that depends on place, by the best test the data allow.
        vectors_m: (unit, 2, 2) lattice vectors.
        axis_ratio: short over long axis of the ellipse through the six neighbours.
        field_count: number of firing fields.
    """

    silent: Bool[np.ndarray, " unit"]
    p_value: Float[np.ndarray, " unit"]
    lattice_p_value: Float[np.ndarray, " unit"]
    square_p_value: Float[np.ndarray, " unit"]
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
        any_p_value: (unit,) three times the smallest of the three lattice p-values, at most 1.
        q_value: (unit,) the same adjusted for all active units that may be spatial (Benjamini and
            Hochberg); NaN for the others.
    """

    type: tuple[str, ...]
    evidence: tuple[str, ...]
    periodic: Bool[np.ndarray, " unit"]
    any_p_value: Float[np.ndarray, " unit"]
    q_value: Float[np.ndarray, " unit"]


@takes_arrays
def any_lattice_p_value(*p_values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """Smallest of several p-values of each unit, times their number (Bonferroni), at most 1."""
    stacked = np.stack(p_values)
    smallest = np.where(np.isfinite(stacked), stacked, np.inf).min(axis=0)
    return np.where(np.isfinite(smallest), np.minimum(len(stacked) * smallest, 1.0), np.nan)


def check_levels(significance: float, false_discovery_rate: float) -> None:
    """Raise an InputError for levels that are not between 0 and 1."""
    levels = {"significance": significance, "false_discovery_rate": false_discovery_rate}
    for name, level in levels.items():
        if not 0 < level < 1:
            raise InputError(f"{name} must lie between 0 and 1, not {level}")


def classify(
    evidence: Evidence, *, significance: float = 0.01, false_discovery_rate: float = 0.05
) -> CellTypes:
    """Name the type of each unit.

    A finding counts where p is at or below `significance` and the share of false discoveries among
    units with a p as small is at or below `false_discovery_rate`. Bands and lattices are looked for
    among units whose spatial p is at or below `significance`. The first that applies:

    1. silent;
    2. band: one plane wave explains more than 0.6 of the map, significantly;
    3. a lattice (hexagonal, shear-corrected or 90-degree score, p times three): hexagonal if the
       hexagonal score is itself significant and the axis ratio is 0.8 or more, square if the
       vectors stand at 82.5 degrees or more and differ in length by less than a fifth, else
       sheared hexagonal;
    4. band: the share of the best plane wave is significant and above 0.3, and none of the three
       scores has p at or below `significance`;
    5. place-like: spatial with one field; other spatial: with none or several;
    6. non-spatial.

    Args:
        evidence: the numbers of each unit.
        significance: level of each unit by itself.
        false_discovery_rate: over all active units, for lattices and bands those that may be
            spatial.

    Raises:
        InputError: a level that is not between 0 and 1.
    """
    check_levels(significance, false_discovery_rate)

    def passes(p_values: np.ndarray, q_values: np.ndarray) -> np.ndarray:
        return (p_values <= significance) & (q_values <= false_discovery_rate)

    def adjusted(p_values: np.ndarray, among: np.ndarray) -> np.ndarray:
        return benjamini_hochberg(np.where(among & ~evidence.silent, p_values, np.nan))

    e = evidence
    spatial = passes(e.spatial_p_value, adjusted(e.spatial_p_value, np.full(len(e.silent), True)))
    # Maps no smoother than their own bins in random order have no lattice either, and need not
    # count among those tested for one (a filter independent of the test: Bourgon et al. 2010).
    possible = (e.spatial_p_value <= significance) | ~np.isfinite(e.spatial_p_value)
    fitted = np.isfinite(e.vectors_m).all(axis=(1, 2))
    any_p = any_lattice_p_value(e.p_value, e.lattice_p_value, e.square_p_value)
    any_p = np.where(fitted | ~np.isfinite(any_p), any_p, 1.0)
    q = adjusted(any_p, possible)
    lattice = passes(any_p, q)
    wave = passes(e.band_p_value, adjusted(e.band_p_value, possible))
    # The best wave of a hexagon explains a third, too: where a lattice is likely, though not sure,
    # so weak a wave is no band.
    smallest_p = np.fmin(np.fmin(e.p_value, e.lattice_p_value), e.square_p_value)
    likely = fitted & (smallest_p <= significance)
    band = wave & (e.band_share > np.where(lattice | likely, BAND_SHARE, LEAST_BAND_SHARE))
    lattice &= ~band

    length = np.sort(np.hypot(e.vectors_m[..., 0], e.vectors_m[..., 1]), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = length[:, 1] / length[:, 0]
        cosine = (e.vectors_m[:, 0] * e.vectors_m[:, 1]).sum(axis=1) / length.prod(axis=1)
        angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    hexagonal = lattice & (e.p_value <= significance) & (e.axis_ratio >= LEAST_HEXAGONAL_AXIS_RATIO)
    square = lattice & (angle >= SQUARE_ANGLE_DEG) & (ratio <= MOST_SQUARE_LENGTH_RATIO)
    in_order = {
        "silent": e.silent,
        "band": band,
        "hexagonal": hexagonal,
        "square": square,
        "sheared hexagonal": lattice,
        "place-like": spatial & (e.field_count == 1),
        "other spatial": spatial,
    }
    kinds = np.select([*in_order.values()], [*in_order], "non-spatial").tolist()

    def describe(u: int) -> str:
        spatial_p = f"spatial p = {e.spatial_p_value[u]:.2g}"
        lattice_p = f"any lattice p = {any_p[u]:.2g}"
        shape = (
            f"vectors at {angle[u]:.0f} deg, lengths 1 : {ratio[u]:.2f}"
            if fitted[u]
            else "no lattice fitted"
        )
        return {
            "silent": "no activity",
            "band": f"one plane wave explains {e.band_share[u]:.0%} (p = {e.band_p_value[u]:.2g})",
            "place-like": f"one field; {spatial_p}, {lattice_p}",
            "other spatial": f"{e.field_count[u]:.0f} fields; {spatial_p}, {lattice_p}, {shape}",
            "non-spatial": spatial_p,
        }.get(kinds[u], f"{lattice_p} (hexagonal {e.p_value[u]:.2g}), {shape}")

    return CellTypes(
        type=tuple(kinds),
        evidence=tuple(describe(u) for u in range(len(kinds))),
        periodic=lattice & ~e.silent,
        any_p_value=any_p,
        q_value=q,
    )
