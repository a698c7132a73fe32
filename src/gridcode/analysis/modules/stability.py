"""Do the same cells form the same modules elsewhere: in another arena, in another half of the recording, from another seed?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize

from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.modules.strain import strain, strains
from gridcode.errors import InputError


@dataclass(frozen=True)
class ModuleMatch:
    """A module of one analysis and the module of another that it is matched with.

    Attributes:
        first: module in the first analysis.
        second: module in the second.
        shared_units: units that are in both; 0 where modules were matched by their lattices.
        overlap: shared units over units in either; NaN where modules were matched by their
            lattices.
        spacing_change: spacing in the second over spacing in the first.
        rotation_deg: turn of the lattice from first to second, modulo its symmetry.
        distance: strain between the two mean lattices, the turn included.
    """

    first: int
    second: int
    shared_units: int
    overlap: float
    spacing_change: float
    rotation_deg: float
    distance: float


@dataclass(frozen=True)
class ModuleStability:
    """How far two analyses of the same units agree.

    Attributes:
        rand_index: adjusted Rand index over the units that are in a module in both: 1 where they
            fall together in the same way, 0 as chance does; NaN with fewer than two such units.
        common_units: those units.
        only_first: units in a module in the first analysis alone.
        only_second: in the second alone.
        matches: modules matched one to one, most shared units first; modules that share no unit are
            not matched.
    """

    rand_index: float
    common_units: int
    only_first: int
    only_second: int
    matches: tuple[ModuleMatch, ...]


def adjusted_rand_index(first: Int[np.ndarray, " unit"], second: Int[np.ndarray, " unit"]) -> float:
    r"""Agreement of two ways to group the same units, corrected for chance.

    $$ \frac{\sum_{ij} \binom{n_{ij}}2 - E}{\tfrac12 (\sum_i \binom{a_i}2 + \sum_j \binom{b_j}2) -
    E}, \quad
       E = \sum_i \binom{a_i}2 \sum_j \binom{b_j}2 \Big/ \binom n2 $$

    Args:
        first: (unit,) labels.
        second: (unit,) labels.

    Returns:
        1 for the same grouping, also where both have one group or only groups of one; NaN with
        fewer than two units.

    Source: Hubert and Arabie 1985.
    """
    if len(first) < 2:
        return float("nan")
    table = _table(first, second)
    together, a, b = (
        float((n * (n - 1) / 2).sum()) for n in (table, table.sum(axis=1), table.sum(axis=0))
    )
    expected = a * b / (len(first) * (len(first) - 1) / 2)
    # Of equal trivial groupings numerator and denominator are both 0.
    return 1.0 if a == b == together else (together - expected) / ((a + b) / 2 - expected)


def _table(
    first: Int[np.ndarray, " unit"], second: Int[np.ndarray, " unit"]
) -> Int[np.ndarray, "one other"]:
    """Units with each pair of labels."""
    one, other = (np.unique(labels, return_inverse=True)[1].ravel() for labels in (first, second))
    table = np.zeros((one.max(initial=-1) + 1, other.max(initial=-1) + 1), dtype=np.int64)
    np.add.at(table, (one, other), 1)
    return table


def match_modules(first: Modules, second: Modules) -> ModuleStability:
    """Whether units that share a module in one analysis share one in another, as of two arenas or two halves of a recording.

    Args:
        first: modules of a population.
        second: modules of the same units, in the same order.

    Raises:
        InputError: different numbers of units.
    """
    if len(first.label) != len(second.label):
        raise InputError(
            f"{len(first.label)} units in one analysis but {len(second.label)} in the other: match_lattices needs no common units"
        )
    both = (first.label >= 0) & (second.label >= 0)
    shared = np.zeros((len(first), len(second)), dtype=np.int64)
    np.add.at(shared, (first.label[both], second.label[both]), 1)
    rows, columns = optimize.linear_sum_assignment(-shared)
    sizes = [
        np.array([len(m.units) for m in modules.modules], dtype=np.int64)
        for modules in (first, second)
    ]
    matches = [
        _match(
            first,
            second,
            i,
            j,
            int(shared[i, j]),
            float(shared[i, j] / (sizes[0][i] + sizes[1][j] - shared[i, j])),
        )
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if shared[i, j]
    ]
    return ModuleStability(
        rand_index=adjusted_rand_index(first.label[both], second.label[both]),
        common_units=int(both.sum()),
        only_first=int(((first.label >= 0) & ~both).sum()),
        only_second=int(((second.label >= 0) & ~both).sum()),
        matches=tuple(sorted(matches, key=lambda match: -match.shared_units)),
    )


def match_lattices(
    first: Modules, second: Modules, *, any_rotation: bool = False, largest_distance: float = 0.2
) -> tuple[ModuleMatch, ...]:
    """Modules of different populations, as of two seeds, matched one to one by their lattices alone; the nearest first.

    Args:
        first: modules of one population.
        second: modules of another.
        any_rotation: leave orientation out: match by spacing and shear. Networks of different seeds
            have no common direction.
        largest_distance: strain beyond which modules are not matched; 0.2 is 20 % in spacing.

    Raises:
        InputError: a largest distance that is not positive.
    """
    if not largest_distance > 0:
        raise InputError(f"largest_distance must be positive, not {largest_distance}")
    cost = _distances(first, second, any_rotation)
    # A pair too far apart costs more than all that are near together, so that it never keeps two
    # near ones from each other.
    rows, columns = optimize.linear_sum_assignment(
        np.where(cost <= largest_distance, cost, 1e6 * largest_distance)
    )
    near = [
        (float(cost[i, j]), i, j)
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if cost[i, j] <= largest_distance
    ]
    return tuple(_match(first, second, i, j, 0, float("nan")) for _, i, j in sorted(near))


def _distances(
    first: Modules, second: Modules, any_rotation: bool
) -> Float[np.ndarray, "module other"]:
    out = np.zeros((len(first), len(second)))
    for i, one in enumerate(first.modules):
        for j, other in enumerate(second.modules):
            out[i, j] = (
                _least_shear(one.vectors_m, other.vectors_m)
                if any_rotation
                else strain(one.vectors_m, other.vectors_m).distance
            )
    return out


def _least_shear(first: Float[np.ndarray, "2 2"], second: Float[np.ndarray, "2 2"]) -> float:
    """Strain between two lattices but for a turn: over all bases the least of scale and shear."""
    scale, shear, _ = strains(first, second)
    return float(np.sqrt(scale**2 + shear**2).min())


def _match(
    first: Modules, second: Modules, i: int, j: int, shared: int, overlap: float
) -> ModuleMatch:
    one, other = first.modules[i], second.modules[j]
    apart = strain(one.vectors_m, other.vectors_m)
    return ModuleMatch(
        first=i,
        second=j,
        shared_units=shared,
        overlap=overlap,
        spacing_change=other.spacing_m / one.spacing_m,
        rotation_deg=float(np.degrees(apart.rotation)),
        distance=float(apart.distance),
    )
