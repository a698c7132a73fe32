"""Do the same cells form the same modules in another arena or another half of the recording?"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from gridcode.analysis.modules.detection import Modules
from gridcode.analysis.modules.strain import strain
from gridcode.errors import InputError


@dataclass(frozen=True)
class ModuleMatch:
    """A module of one analysis and its match in another.

    Attributes:
        first: module in the first analysis.
        second: module in the second.
        shared_units: units that are in both.
        overlap: shared units over units in either.
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
        rand_index: adjusted Rand index (Hubert and Arabie 1985) over the units that are in a module
            in both: 1 for the same groups, 0 for chance; NaN with fewer than two such units.
        common_units: those units.
        only_first: units in a module in the first analysis alone.
        only_second: in the second alone.
        matches: modules that share units, matched one to one, most shared units first.
    """

    rand_index: float
    common_units: int
    only_first: int
    only_second: int
    matches: tuple[ModuleMatch, ...]


def match_modules(first: Modules, second: Modules) -> ModuleStability:
    """Whether units that share a module in one analysis share one in another.

    Args:
        first: modules of a population.
        second: modules of the same units, in the same order.

    Raises:
        InputError: different numbers of units.
    """
    from sklearn.metrics import adjusted_rand_score  # takes a second to import

    if len(first.label) != len(second.label):
        raise InputError(
            f"modules can be matched for the same units only, not {len(first.label)} units in one "
            f"analysis and {len(second.label)} in the other"
        )
    both = (first.label >= 0) & (second.label >= 0)
    shared = np.zeros((len(first), len(second)), dtype=np.int64)
    np.add.at(shared, (first.label[both], second.label[both]), 1)
    matches = []
    for i, j in zip(*optimize.linear_sum_assignment(-shared), strict=True):
        if shared[i, j]:
            one, other = first.modules[i], second.modules[j]
            change = strain(one.vectors_m, other.vectors_m)
            either = len(one.units) + len(other.units) - shared[i, j]
            matches.append(
                ModuleMatch(
                    first=int(i),
                    second=int(j),
                    shared_units=int(shared[i, j]),
                    overlap=float(shared[i, j] / either),
                    spacing_change=other.spacing_m / one.spacing_m,
                    rotation_deg=float(np.degrees(change.rotation)),
                    distance=float(change.distance),
                )
            )
    common = int(both.sum())
    labels = first.label[both], second.label[both]
    return ModuleStability(
        rand_index=float(adjusted_rand_score(*labels)) if common > 1 else float("nan"),
        common_units=common,
        only_first=int((first.label >= 0).sum()) - common,
        only_second=int((second.label >= 0).sum()) - common,
        matches=tuple(sorted(matches, key=lambda match: -match.shared_units)),
    )
