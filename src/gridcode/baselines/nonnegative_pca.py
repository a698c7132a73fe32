r"""Non-negative principal components of place cells (Dordek, Soudry, Meir and Derdikman 2016).

Place cells tile a torus. Each has a difference of two Gaussians of equal volume around its centre,

$$ r(d) \propto e^{-|d|^2 / 2 \sigma^2} / \sigma^2
    - e^{-|d|^2 / 2 c \sigma^2} / c \sigma^2, $$

so that its mean is zero. A unit weighs the place cells, and the map of its weights g climbs to a
non-negative principal component of their covariance C by projected power iteration,

$$ g \leftarrow \frac{[C g]_+}{\lVert [C g]_+ \rVert}. $$

C is the same everywhere on the torus, so C g is a convolution, and its largest eigenvalue is at the
wave number $k^2 = 2 \ln c / ((c - 1) \sigma^2)$. Three such waves at 60 degrees have the least
negative part, and their lattice has the spacing $4 \pi / \sqrt{3} k$ (Sorscher et al. 2019).

Each unit starts at random and climbs for itself: this is the first component of the publication,
found many times. Its rule for several outputs, which removes from each what earlier ones explain,
is left out.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy import fft
from typing_extensions import override

from gridcode.analysis.system import System
from gridcode.baselines.maps import code_of_maps
from gridcode.baselines.recipe import Arrays, Recipe
from gridcode.config import Count, EvaluationConfig, Metres

Maps = Float[np.ndarray, "unit y x"]


class NonnegativePca(Recipe):
    """Settings of non-negative principal components."""

    name: ClassVar = "pca"
    title: ClassVar = "non-negative PCA of place cells (2016)"
    family: ClassVar = "basis of space"
    source: ClassVar = (
        "Dordek, Soudry, Meir and Derdikman 2016, Extracting grid cell characteristics from place "
        "cell inputs using non-negative principal component analysis, eLife; surround as in "
        "Sorscher et al. 2019"
    )
    put_in: ClassVar = (
        "place cells, whose width and surround set the one spacing; position; non-negative weights"
    )

    sigma_m: Annotated[float, Field(ge=0.02, le=2)] = 0.12
    """Standard deviation of the centre of a place field, metres."""
    surround: Annotated[float, Field(gt=1, le=100)] = 2.0
    """Variance of a place field's surround over that of its centre."""
    torus_m: Metres = 5.2
    """Side of the torus, metres: a longer one lets lattices fit that are nearer to regular."""
    places: Annotated[int, Field(ge=8, le=256)] = 104
    """Places along a side; each has a place cell."""
    components: Annotated[int, Field(ge=1, le=1024)] = 64
    """Units; each has its own random start."""
    iterations: Count = 2000
    """Steps of power iteration."""
    nonnegative: bool = True
    """Whether weights are rectified; without, the waves of the largest eigenvalue remain mixed."""
    shuffled: bool = False
    """Whether the place cells' activity is assigned to other places, by a fixed permutation."""

    @property
    @override
    def steps(self) -> int:
        return self.iterations

    @property
    @override
    def units(self) -> int:
        return self.components

    @property
    @override
    def extent_m(self) -> float:
        return self.torus_m

    @override
    def evaluation(self) -> EvaluationConfig:
        """In one torus: a larger arena would show the same square again."""
        return super().evaluation().model_copy(update={"adapt_arena": False})

    @override
    def begin(self, generator: np.random.Generator) -> "PowerIteration":
        maps = generator.standard_normal((self.components, self.places, self.places))
        order = np.arange(self.places**2)
        if self.shuffled:
            order = generator.permutation(order)
        return PowerIteration(self, {"maps": maps.astype(np.float32), "order": order})

    @override
    def resume(self, weights: Arrays, rest: Arrays) -> "PowerIteration":
        return PowerIteration(self, weights)

    @override
    def system(self, weights: Arrays) -> System:
        maps = weights["maps"] / np.abs(weights["maps"]).max(axis=(1, 2), keepdims=True)
        code = code_of_maps(maps, self.torus_m, periodic=True)
        return System.of_positions(code, max_step_m=self.max_step_m, extent_m=self.torus_m)

    def spectrum(self) -> Float[np.ndarray, "y x"]:
        """Eigenvalues of the covariance at the wave numbers of `scipy.fft.rfft2`, at most 1.

        They are the power of a place field, as place cells are everywhere.
        """
        bin_m = self.torus_m / self.places
        along_y = 2 * np.pi * fft.fftfreq(self.places, bin_m)
        along_x = 2 * np.pi * fft.rfftfreq(self.places, bin_m)
        exponent = (along_y[:, None] ** 2 + along_x**2) * self.sigma_m**2 / 2
        power = (np.exp(-exponent) - np.exp(-self.surround * exponent)) ** 2
        largest: Float[np.ndarray, "y x"] = power / power.max()
        return largest


class PowerIteration:
    """Maps on their way to a principal component."""

    def __init__(self, recipe: NonnegativePca, weights: Arrays) -> None:
        self._recipe, self._weights = recipe, weights
        self._spectrum = recipe.spectrum().astype(np.float32)

    def advance(self, _step: int, _generator: np.random.Generator) -> Mapping[str, float]:
        """Take one step of each unit; the mean eigenvalue that the units have reached."""
        maps, order = self._weights["maps"], self._weights["order"]
        # Place x has the place cells' activity of place order[x]: the covariance is permuted.
        there = np.empty_like(maps)
        _flat(there)[:, order] = _flat(maps)
        explained = fft.irfft2(fft.rfft2(there) * self._spectrum, s=there.shape[1:])
        maps = _flat(explained)[:, order].reshape(maps.shape)
        if self._recipe.nonnegative:
            maps = np.maximum(maps, 0)
        lengths = np.sqrt((maps**2).sum(axis=(1, 2), keepdims=True))
        self._weights["maps"] = maps / lengths
        return {"eigenvalue": float(lengths.mean())}

    def weights(self) -> Arrays:
        """Maps of the units, and whose place cells each place has."""
        return self._weights

    def rest(self) -> Arrays:
        """Nothing more."""
        return {}


def _flat(maps: Maps) -> Float[np.ndarray, "unit place"]:
    return maps.reshape(len(maps), -1)
