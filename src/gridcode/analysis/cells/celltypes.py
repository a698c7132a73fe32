"""What kind of cell is each unit? One name, and the numbers that it rests on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.cells.lattice import SQUARE_ANGLE_DEG
from gridcode.analysis.cells.significance import benjamini_hochberg
from gridcode.errors import InputError

TYPES = (
    "hexagonal",
    "sheared hexagonal",
    "square",
    "band",
    "place-like",
    "other spatial",
    "non-spatial",
    "silent",
)
# Shapes of a lattice: this far from a hexagon's circle it is sheared; this far from equal vectors
# it is no square.
LEAST_HEXAGONAL_AXIS_RATIO = 0.8
MOST_SQUARE_LENGTH_RATIO = 1.2
# One plane wave that explains more of a map than this is a band, whatever ripples run along it; one
# that explains less than the second is none.
BAND_SHARE, LEAST_BAND_SHARE = 0.6, 0.3


@dataclass(frozen=True)
class Evidence:
    """What types are decided from; each (unit,), NaN where it could not be computed.

    Attributes:
        silent: the unit stays at or below the level of silence.
        p_value: of the hexagonal score, against null maps.
        lattice_p_value: of the shear-corrected score, against null maps.
        square_p_value: of the 90-degree score, against null maps.
        band_p_value: of the best plane wave's share, against null maps.
        band_share: that share.
        spatial_p_value: of activity that depends on place at all, by whatever test the data allow.
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
        evidence: (unit,) the numbers that decided, in words.
        periodic: (unit,) a lattice of any shape is significant: the unit may belong to a module.
        any_p_value: (unit,) smallest of the three lattice p-values times three (Bonferroni), at
            most 1.
        q_value: (unit,) the same adjusted for all units that are active and may be spatial
            (Benjamini and Hochberg); NaN for the others.
    """

    type: tuple[str, ...]
    evidence: tuple[str, ...]
    periodic: Bool[np.ndarray, " unit"]
    any_p_value: Float[np.ndarray, " unit"]
    q_value: Float[np.ndarray, " unit"]


def any_lattice_p_value(*p_values: Float[np.ndarray, " unit"]) -> Float[np.ndarray, " unit"]:
    """Smallest of several p-values of each unit, times their number and at most 1; NaN where all are.

    Which of the scores is high depends on the lattice's shape, and looking at each of them is one
    more chance to be wrong (Bonferroni).
    """
    stacked = np.stack(p_values)
    smallest = np.where(np.isfinite(stacked), stacked, np.inf).min(axis=0)
    return np.where(np.isfinite(smallest), np.minimum(len(stacked) * smallest, 1.0), np.nan)


def check_levels(significance: float, false_discovery_rate: float) -> None:
    """Refuse levels that are not between 0 and 1, with an InputError."""
    for name, level in (
        ("significance", significance),
        ("false_discovery_rate", false_discovery_rate),
    ):
        if not 0 < level < 1:
            raise InputError(f"{name} must lie between 0 and 1, not {level}")


def classify(
    evidence: Evidence, *, significance: float = 0.01, false_discovery_rate: float = 0.05
) -> CellTypes:
    """Name the type of each unit.

    In this order, and each only where p is at or below `significance` and the share of false
    discoveries among units with a p as small at or below `false_discovery_rate`. Bands and lattices
    are looked for among units whose spatial p is at or below `significance`:

    1. silent;
    2. band: one plane wave explains more than 0.6 of the map, significantly;
    3. a lattice (hexagonal, shear-corrected or 90-degree score, p times three): hexagonal if the
    hexagonal score is itself significant and
       the ellipse's axis ratio is 0.8 or more, square if the vectors stand at 82.5 degrees or more
       and differ in length by less than a fifth, else sheared hexagonal, which every other lattice
       is;
    4. band: the share of the best plane wave is significant and above 0.3, and none of the three
    scores has p at or below `significance`;
    5. place-like: spatial with one field; other spatial: with none or several;
    6. non-spatial.

    Args:
        evidence: what is known of each unit.
        significance: of each unit by itself.
        false_discovery_rate: over all units that were asked: active ones, and for lattices and
            bands those that may be spatial.

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
    # A map that is no smoother than its own bins in random order has no lattice either, and need
    # not be counted among those that were asked for one (a filter that is independent of the test:
    # Bourgon et al. 2010). Where it cannot be tested, the lattice speaks for itself.
    possible = (e.spatial_p_value <= significance) | ~np.isfinite(e.spatial_p_value)
    fitted = np.isfinite(e.vectors_m).all(axis=(1, 2))
    any_p = any_lattice_p_value(e.p_value, e.lattice_p_value, e.square_p_value)
    any_p = np.where(fitted | ~np.isfinite(any_p), any_p, 1.0)
    q = adjusted(any_p, possible)
    lattice = passes(any_p, q)
    wave = passes(e.band_p_value, adjusted(e.band_p_value, possible))
    # A hexagon's best wave explains a third, too: where a lattice is likely, though not sure, a
    # wave as weak says nothing.
    likely = fitted & (
        np.fmin(np.fmin(e.p_value, e.lattice_p_value), e.square_p_value) <= significance
    )
    band = wave & (e.band_share > np.where(lattice | likely, BAND_SHARE, LEAST_BAND_SHARE))
    lattice &= ~band

    length = np.sort(np.hypot(e.vectors_m[..., 0], e.vectors_m[..., 1]), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = length[:, 1] / length[:, 0]
        angle = np.degrees(
            np.arccos(
                np.clip(
                    (e.vectors_m[:, 0] * e.vectors_m[:, 1]).sum(axis=1) / length.prod(axis=1),
                    -1.0,
                    1.0,
                )
            )
        )
    hexagonal = lattice & (e.p_value <= significance) & (e.axis_ratio >= LEAST_HEXAGONAL_AXIS_RATIO)
    square = (
        lattice & ~hexagonal & (angle >= SQUARE_ANGLE_DEG) & (ratio <= MOST_SQUARE_LENGTH_RATIO)
    )
    kinds = np.select(
        [e.silent, band, hexagonal, square, lattice, spatial & (e.field_count == 1), spatial],
        [
            "silent",
            "band",
            "hexagonal",
            "square",
            "sheared hexagonal",
            "place-like",
            "other spatial",
        ],
        "non-spatial",
    )

    def say(u: int) -> str:
        shape = (
            f", vectors at {angle[u]:.0f} deg, lengths 1 : {ratio[u]:.2f}"
            if fitted[u]
            else ", no lattice fitted"
        )
        return {
            "silent": "no activity",
            "band": f"one plane wave explains {e.band_share[u]:.0%} (p = {e.band_p_value[u]:.2g})",
            "place-like": f"one field; spatial p = {e.spatial_p_value[u]:.2g}, any lattice p = {any_p[u]:.2g}",
            "other spatial": f"{e.field_count[u]:.0f} fields; spatial p = {e.spatial_p_value[u]:.2g}, any lattice p = {any_p[u]:.2g}{shape}",
            "non-spatial": f"spatial p = {e.spatial_p_value[u]:.2g}",
        }.get(
            str(kinds[u]), f"any lattice p = {any_p[u]:.2g} (hexagonal {e.p_value[u]:.2g}){shape}"
        )

    return CellTypes(
        type=tuple(kinds.tolist()),
        evidence=tuple(say(u) for u in range(len(kinds))),
        periodic=lattice & ~e.silent,
        any_p_value=any_p,
        q_value=q,
    )
