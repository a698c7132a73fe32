r"""Eigenvectors of the successor representation (Stachenfeld, Botvinick and Gershman 2017).

A random walk on the places of a square room has the transition matrix T. The successor
representation is the expected discounted number of future visits,

$$ M = \sum_{t} \gamma^t T^t = (1 - \gamma T)^{-1}. $$

Its eigenvectors with the largest eigenvalues, without negative parts, are the units. The walls
alone shape them.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.maps import code_of_maps
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Count, Metres


class SuccessorRepresentation(Recipe):
    """Settings of the successor representation."""

    name: ClassVar = "successor"
    title: ClassVar = "successor representation (2017)"
    family: ClassVar = "basis of space"
    source: ClassVar = (
        "Stachenfeld, Botvinick and Gershman 2017, The hippocampus as a predictive map, "
        "Nature Neuroscience"
    )
    put_in: ClassVar = "position (a place is a state), the walls, non-negative activity"
    everywhere: ClassVar = False

    arena_m: Metres = 2.0
    """Side of the room."""
    places: Annotated[int, Field(ge=4, le=80)] = 40
    """Places along a side."""
    discount: Annotated[float, Field(gt=0, lt=1)] = 0.995
    """Discount of a visit one step later."""
    components: Count = 64
    """Leading eigenvectors after the constant one: the units."""

    @property
    @override
    def steps(self) -> int:
        return 1

    @property
    @override
    def units(self) -> int:
        return min(self.components, self.places**2 - 1)

    @property
    @override
    def extent_m(self) -> float:
        return self.arena_m

    @override
    def begin(self, generator: np.random.Generator) -> "Eigenvectors":
        return Eigenvectors(self, {})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> "Eigenvectors":
        return Eigenvectors(self, weights)

    @override
    def system(self, weights: Arrays) -> System:
        code = code_of_maps(weights["maps"], self.arena_m)
        return System.of_positions(code, max_step_m=self.max_step_m, extent_m=self.arena_m)


class Eigenvectors:
    """The eigenvectors, found in one step."""

    def __init__(self, recipe: SuccessorRepresentation, weights: Arrays) -> None:
        self._recipe, self._weights = recipe, weights

    def advance(self, _step: int, generator: np.random.Generator) -> Mapping[str, float]:
        """Find all of them; the generator chooses their signs."""
        recipe = self._recipe
        n = recipe.places
        # The walk stays where it is when it would leave the room, which keeps T symmetric.
        line = np.diag(np.full(n - 1, 0.5), 1)
        line += line.T
        line[0, 0] = line[-1, -1] = 0.5
        transition = (np.kron(line, np.eye(n)) + np.kron(np.eye(n), line)) / 2
        values, vectors = np.linalg.eigh(transition)
        # M has the eigenvectors of T and the order of its eigenvalues: 1 / (1 - discount * value).
        values, vectors = values[::-1], vectors[:, ::-1]
        chosen = vectors[:, 1 : recipe.units + 1] * generator.choice([-1.0, 1.0], recipe.units)
        maps = np.maximum(chosen, 0.0)
        maps /= maps.max(axis=0)
        self._weights = {
            "maps": maps.T.reshape(-1, n, n).astype(np.float32),
            "eigenvalues": (1 / (1 - recipe.discount * values[1 : recipe.units + 1])),
        }
        return {"largest_eigenvalue": float(self._weights["eigenvalues"][0])}

    def weights(self) -> Arrays:
        """Maps, and eigenvalues of the successor representation."""
        return self._weights

    def rest(self) -> Arrays:
        """Nothing more."""
        return {}
