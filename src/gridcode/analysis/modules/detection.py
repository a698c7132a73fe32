"""Modules: groups of cells that share one lattice, beyond what chance would give."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gridcode import display
from gridcode.analysis.cells.lattice import reduced, shape_of
from gridcode.analysis.modules.lattice_clustering import cluster_lattices
from gridcode.analysis.modules.strain import mean_lattice, strain
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

# Of the arena's side. Longer lattice vectors rest on lags with few common bins, where peaks lie
# along the sides and diagonals of the arena: lattices of smooth noise would agree on them.
LONGEST_VECTOR = 0.7


@dataclass(frozen=True)
class Module:
    """One module.

    Attributes:
        units: (unit,) its cells, as places in the population.
        vectors_m: (2, 2) mean lattice vectors (x, y), metres; right-handed, 60 to 90 degrees apart.
        spacing_m: mean distance of a field's six neighbours on the mean lattice, metres.
        orientation_deg: direction of its axis nearest to the x axis.
        axis_ratio: short over long axis of the ellipse through the six neighbours; 1 hexagonal,
            0.58 square.
        spacing_spread: standard deviation of the cells' log spacing.
        orientation_spread_deg: standard deviation of the cells' orientation about the mean
            lattice's, degrees.
        shear_spread: root mean square shear between a cell's lattice and the mean one.
        p_value: how often independent lattices show a group as large and as tight.
    """

    units: Int[np.ndarray, " unit"]
    vectors_m: Float[np.ndarray, "2 2"]
    spacing_m: float
    orientation_deg: float
    axis_ratio: float
    spacing_spread: float
    orientation_spread_deg: float
    shear_spread: float
    p_value: float

    def __repr__(self) -> str:
        return (
            f"Module({len(self.units)} units, spacing {self.spacing_m:.3f} m, "
            f"orientation {self.orientation_deg:.1f} deg, axis ratio {self.axis_ratio:.2f}, "
            f"p {self.p_value:.2g})"
        )

    @property
    def strain_error(self) -> float:
        """Standard error of the mean lattice, as a strain: rms distance over sqrt(n - 1)."""
        turn = np.radians(self.orientation_spread_deg)
        squares = self.spacing_spread**2 + turn**2 + self.shear_spread**2
        return float(np.sqrt(squares / (len(self.units) - 1)))


@dataclass(frozen=True)
class Modules:
    """The modules of a population, by spacing, smallest first.

    Attributes:
        modules: none where no group of cells is larger and tighter than chance gives.
        label: (unit,) index of each unit's module; -1: in none.
        reason: why a unit is in no module, or "".
        distance: (unit, module) strain between each unit's lattice, candidate or not, and each
            module's; NaN without a lattice.
    """

    modules: tuple[Module, ...]
    label: Int[np.ndarray, " unit"]
    reason: tuple[str, ...]
    distance: Float[np.ndarray, "unit module"]

    def __len__(self) -> int:
        return len(self.modules)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(m.units)} units of {m.spacing_m:.2f} m" for m in self.modules)
        return f"Modules({len(self)} in {len(self.label)} units{': ' + sizes if sizes else ''})"

    def _repr_html_(self) -> str:
        head = ("module", "units", "spacing (m)", "orientation (deg)", "axis ratio", "p")
        rows = [
            (k, len(m.units), f"{m.spacing_m:.3f}", f"{m.orientation_deg:.1f}")
            + (f"{m.axis_ratio:.2f}", f"{m.p_value:.2g}")
            for k, m in enumerate(self.modules)
        ]
        return display.wide_table(f"{len(self)} modules in {len(self.label)} units", head, rows)


@takes_arrays
def find_modules(
    vectors_m: Float[np.ndarray, "unit 2 2"],
    *,
    candidate: Bool[np.ndarray, " unit"],
    arena_m: float,
    generator: np.random.Generator,
    nulls: int = 999,
    significance: float = 0.01,
    min_units: int = 5,
) -> Modules:
    """Groups of units that share a lattice, each tested against independent lattices.

    1. The distance between two units is the strain between their lattices
       (`gridcode.analysis.modules.strain`): log spacing, orientation and shear together.
    2. Average linkage makes a tree of the candidates; its longest-lasting disjoint branches are the
       groups (`gridcode.analysis.modules.lattice_clustering`).
    3. A group is kept if its units crowd together more than units do anywhere in populations of the
       same lattices turned by random angles, in all but a share `significance` of them. Spacing and
       shape are kept, as smooth noise has similar spacings too.
    4. Two groups without a gap between them are joined; if together they are too wide for a module,
       both are given up as a continuum.

    The null is about orientation: cells that agree in spacing alone form no module.

    Args:
        vectors_m: (unit, 2, 2) lattice vectors (x, y) in metres, as `score_maps` gives them; NaN:
            no lattice. Not changed.
        candidate: (unit,) units whose own lattice is significant; only these can be in a module.
        arena_m: side of the arena, of an oblong one the side of a square of the same area. Units
            with a lattice vector longer than 0.7 of it are left out.
        generator: source of randomness of the null populations.
        nulls: null populations; p-values are multiples of 1 / (1 + nulls).
        significance: of each module, for the whole population.
        min_units: smallest module.

    Raises:
        InputError: shapes that do not match, a level that so few null populations cannot reach, or
            min_units below 3.

    Source: modules: Stensola et al. 2012. Branches that last: after Campello et al. 2013 (HDBSCAN).
    The test: the scan statistic of Kulldorff 1997.
    """
    vectors, usable, reason = _checked(
        vectors_m, candidate, arena_m, nulls, significance, min_units
    )
    label = np.full(len(vectors), -1, dtype=np.int64)
    units = np.nonzero(usable)[0]
    clusters = cluster_lattices(
        vectors[units],
        min_units=min_units,
        significance=significance,
        nulls=nulls,
        generator=generator,
    )
    why = [(np.arange(len(units)), "no group of cells has its lattice")]
    continuum = "its lattice is one of a continuum, with no gap to others"
    why += [(group, continuum) for group in clusters.continuum]
    why += [
        (group, f"in a group of {len(group)} that chance would give (p = {p:.2g})")
        for group, p in clusters.chance
    ]
    why += [(group, "") for group, _ in clusters.significant]
    for group, text in why:
        for u in units[group]:
            reason[u] = text
    found = [_describe(units[g], vectors[units[g]], p) for g, p in clusters.significant]
    found.sort(key=lambda module: module.spacing_m)
    known = np.isfinite(vectors).all(axis=(1, 2))
    distance = np.full((len(vectors), len(found)), np.nan)
    for index, module in enumerate(found):
        label[module.units] = index
        distance[known, index] = strain(vectors[known], module.vectors_m).distance
    return Modules(modules=tuple(found), label=label, reason=tuple(reason), distance=distance)


def _checked(
    vectors_m: np.ndarray,
    candidate: np.ndarray,
    arena_m: float,
    nulls: int,
    significance: float,
    min_units: int,
) -> tuple[Float[np.ndarray, "unit 2 2"], Bool[np.ndarray, " unit"], list[str]]:
    """Reduced vectors, which units can be in a module, and why the others cannot."""
    given = np.array(vectors_m, dtype=np.float64)
    candidate = np.asarray(candidate)
    if given.ndim != 3 or given.shape[1:] != (2, 2):
        raise InputError(f"lattice vectors must be (unit, 2, 2), not {np.shape(vectors_m)}")
    if candidate.shape != given.shape[:1] or candidate.dtype != np.bool_:
        raise InputError(
            f"candidate must hold one True or False for each of {len(given)} units, "
            f"not {candidate.dtype} {candidate.shape}"
        )
    if nulls < 99 or not 1 / (1 + nulls) <= significance < 1:
        raise InputError(
            f"{nulls} null populations cannot reach significance {significance}: "
            "take at least 99 and 1 / significance"
        )
    if min_units < 3:
        raise InputError(
            f"min_units must be 3 or more, not {min_units}: any two lattices share something"
        )
    if not arena_m > 0:
        raise InputError(f"arena_m must be positive, not {arena_m}")
    known: Bool[np.ndarray, " unit"] = np.asarray(np.isfinite(given).all(axis=(1, 2)))
    length = np.hypot(given[..., 0], given[..., 1])
    known[known] = np.abs(np.linalg.det(given[known])) > 1e-3 * length[known].prod(axis=1)
    vectors = np.full_like(given, np.nan)
    vectors[known] = reduced(given[known])
    longest = np.hypot(vectors[..., 0], vectors[..., 1]).max(axis=1)
    resolved = known & (longest <= LONGEST_VECTOR * arena_m)
    why = {
        "no lattice": ~known,
        "lattice not significant": ~candidate,
        "larger than the arena resolves": ~resolved,
    }
    reason = np.select([*why.values()], [*why], "").tolist()
    return vectors, resolved & candidate, reason


def _describe(
    units: Int[np.ndarray, " unit"], vectors: Float[np.ndarray, "unit 2 2"], p_value: float
) -> Module:
    mean = reduced(mean_lattice(vectors)[None])
    shape = shape_of(mean)
    apart = strain(mean, vectors)
    return Module(
        units=units,
        vectors_m=mean[0],
        spacing_m=float(shape.spacing[0]),
        orientation_deg=float(shape.orientation_deg[0]),
        axis_ratio=float(shape.axis_ratio[0]),
        spacing_spread=float(apart.scale.std(ddof=1)),
        orientation_spread_deg=float(np.degrees(apart.rotation.std(ddof=1))),
        shear_spread=float(np.sqrt((apart.shear**2).mean())),
        p_value=p_value,
    )
