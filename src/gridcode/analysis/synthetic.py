"""Ground truth: cells and codes whose answers are known, to test every measure against.

All take positions in metres, so the same cells can be drawn on a grid or sampled along a path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from scipy.spatial.distance import cdist

from gridcode.analysis.cells.phases import DIRECTIONS, wave_columns
from gridcode.analysis.coding.codes import Code
from gridcode.analysis.system import Step
from gridcode.arrays import doubles, takes_arrays
from gridcode.errors import InputError

Positions = Float[np.ndarray, "*points 2"]


def bin_centres(arena_m: float, bin_size_m: float) -> Float[np.ndarray, "y x 2"]:
    """Centres (x, y) of the bins of a square arena centred on the origin, metres."""
    n = round(arena_m / bin_size_m)
    line = (np.arange(n) + 0.5) * bin_size_m - n * bin_size_m / 2
    return np.stack(np.meshgrid(line, line), axis=-1)


@takes_arrays
def lattice_cell(
    positions: Positions,
    *,
    spacing_m: float,
    orientation_deg: float = 0.0,
    angle_deg: float = 60.0,
    ratio: float = 1.0,
    phase_m: tuple[float, float] = (0.0, 0.0),
    width: float = 0.15,
) -> Float[np.ndarray, "*points"]:
    """A cell with one Gaussian field on every point of a lattice; 1 at a field's centre.

    Args:
        positions: (..., 2) metres.
        spacing_m: length of the first lattice vector.
        orientation_deg: its direction.
        angle_deg: angle between the two lattice vectors: 60 hexagonal, 90 square, others sheared.
        ratio: length of the second vector over the first.
        phase_m: position of one field.
        width: standard deviation of a field over the spacing.
    """
    angles = np.radians([orientation_deg, orientation_deg + angle_deg])
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    basis = spacing_m * directions * np.array([[1.0], [ratio]])
    offset = (positions - doubles(phase_m, "phase_m")) @ np.linalg.inv(basis)
    offset -= np.rint(offset)
    rate = np.zeros(offset.shape[:-1])
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            squared = (((offset + (i, j)) @ basis) ** 2).sum(-1)
            rate += np.exp(-squared / (2 * (width * spacing_m) ** 2))
    return rate


@takes_arrays
def band_cell(
    positions: Positions, *, spacing_m: float, orientation_deg: float = 0.0, phase_m: float = 0.0
) -> Float[np.ndarray, "*points"]:
    """A cell that fires in parallel bands across the direction `orientation_deg`, 0 to 1."""
    angle = np.radians(orientation_deg)
    along = positions @ np.array([np.cos(angle), np.sin(angle)]) - phase_m
    return 0.5 + 0.5 * np.cos(2 * np.pi * along / spacing_m)


@takes_arrays
def place_cell(
    positions: Positions, *, centre_m: tuple[float, float] = (0.0, 0.0), width_m: float = 0.1
) -> Float[np.ndarray, "*points"]:
    """A cell with one Gaussian field, 1 at its centre."""
    return np.exp(-((positions - doubles(centre_m, "centre_m")) ** 2).sum(-1) / (2 * width_m**2))


def noise_maps(
    units: int, bins: int, *, correlation_bins: float, generator: np.random.Generator
) -> Float[np.ndarray, "unit y x"]:
    """Smoothed white noise, made non-negative: maps with spatial correlation and no lattice."""
    white = generator.standard_normal((units, bins, bins))
    maps = ndimage.gaussian_filter(white, (0, correlation_bins, correlation_bins), mode="wrap")
    return maps - maps.min(axis=(1, 2), keepdims=True)


def scattered_fields(
    units: int, bins: int, *, fields: int, width_bins: float, generator: np.random.Generator
) -> Float[np.ndarray, "unit y x"]:
    """Cells with Gaussian fields of random height at random places: many fields and no lattice."""
    centre = generator.uniform(0, bins, (units, fields, 2, 1))
    height = generator.uniform(0.5, 1.5, (units, fields))
    along = np.exp(-((np.arange(bins) + 0.5 - centre) ** 2) / (2 * width_bins**2))
    return np.einsum("uf,ufy,ufx->uyx", height, along[:, :, 0], along[:, :, 1])


# A mean and three waves of two components each.
FEWEST_UNITS = 7
# Shared random waves of the random code: its correlations are exact to about 1 / sqrt(waves).
RANDOM_WAVES = 256


@dataclass(frozen=True)
class IdealGridCode:
    r"""Grid cells whose rates depend on the place through the phases of their module alone.

    $$ g_u(x) = c_m \left( \tfrac32 + \sum_{j=1}^{3} \cos 2 \pi (k_j \cdot x - w_j \cdot \varphi_u)
    \right), \quad w = (1, 0), (0, 1), (1, 1) $$

    with $k_j$ the three longest waves of the lattice of module m. Theory is exact for this tuning:
    with phases that tile the unit cell the states of a module have one length and, on a hexagonal
    lattice, the same slope everywhere and in all directions; a displacement turns the three waves
    and acts as one linear operator. With a `width` the rate is $c_m \exp(\kappa (\sum_j \cos - 3))$
    instead, a bump with $\kappa = 1 / 8 \pi^2 \mathrm{width}^2$.

    Calling it with (place, 2) positions in metres gives (place, unit) states, at any distance.

    Attributes:
        vectors_m: (module, 2, 2) lattice vectors (x, y) as rows, metres.
        label: (unit,) module of each unit.
        phases: (unit, 2) place of a field in the unit cell, in shares of the lattice vectors.
        width: standard deviation of a field over the spacing; None: three cosines.
        scale: (module,) $c_m$: every module's states have length $1 / \sqrt{M}$, as root mean
            square over the unit cell.

    Source: Schaeffer et al. 2023, appendix C; Fiete, Burak & Brookings 2008.
    """

    vectors_m: Float[np.ndarray, "module 2 2"]
    label: Int[np.ndarray, " unit"]
    phases: Float[np.ndarray, "unit 2"]
    width: float | None
    scale: Float[np.ndarray, " module"]

    @takes_arrays
    def __call__(
        self, positions_m: Float[np.ndarray, "place 2"]
    ) -> Float[np.ndarray, "place unit"]:
        """States of (place, 2) positions in metres."""
        return self._rates(self.module_phases(positions_m))

    @takes_arrays
    def module_phases(
        self, positions_m: Float[np.ndarray, "place 2"]
    ) -> Float[np.ndarray, "place module 2"]:
        """Phase of each place in each module's unit cell, in [-0.5, 0.5]."""
        place = np.asarray(positions_m, dtype=np.float64)
        phase = np.einsum("pd,mdk->pmk", place, np.linalg.inv(self.vectors_m))
        return phase - np.rint(phase)

    def _rates(self, phase: Float[np.ndarray, "place module 2"]) -> Float[np.ndarray, "place unit"]:
        waves = (phase[:, self.label] - self.phases) @ DIRECTIONS.T
        return self.scale[self.label] * _bump(np.cos(2 * np.pi * waves).sum(-1), self.width)

    @property
    def cell_area_m2(self) -> Float[np.ndarray, " module"]:
        """Area of each module's unit cell, square metres."""
        return np.abs(np.linalg.det(self.vectors_m))

    @property
    def metric(self) -> Float[np.ndarray, "module 2 2"]:
        r"""Squared slope of each module's part of the state, mean over the unit cell.

        $|dg_m|^2 = dx^\top G_m dx$, in activity squared per m^2.
        """
        phase = _unit_cell(64)
        waves = 2 * np.pi * phase @ DIRECTIONS.T
        tuning = _bump(np.cos(waves).sum(-1), self.width)
        # The derivative of the bump by the sum of its cosines is kappa times the bump itself, or 1.
        slope = 1.0 if self.width is None else _kappa(self.width) * tuning[:, None]
        by_phase = -2 * np.pi * np.sin(waves) @ DIRECTIONS * slope
        square = by_phase.T @ by_phase / len(phase)
        inverse = np.linalg.inv(self.vectors_m)
        weight = (np.bincount(self.label) * self.scale**2)[:, None, None]
        return weight * (inverse @ square @ inverse.transpose(0, 2, 1))

    @property
    def slope_per_m(self) -> Float[np.ndarray, " module"]:
        r"""Growth of each module's neural distance per metre, $(\det G_m)^{1/4}$."""
        return np.linalg.det(self.metric) ** 0.25

    def as_system(self) -> tuple[Step, Float[np.ndarray, " unit"]]:
        """The code as an exact path integrator: (step, start at the origin), see `System`.

        A step reads the phases of each module from the state, by least squares on its three waves,
        moves them by the velocity and gives the state of the new phases. A state off the manifold
        falls onto it within a step, at the nearest phases. A perturbation can move one module
        against another, and that stays.

        Raises:
            InputError: a code with a width, whose phases cannot be read exactly by a linear map.
        """
        if self.width is not None:
            raise InputError("only the code of three cosines (width=None) can be read linearly")
        read = np.zeros((len(self.label), len(self.vectors_m), 3), dtype=np.complex128)
        for m in range(len(self.vectors_m)):
            own = self.label == m
            angle = 2 * np.pi * self.phases[own] @ DIRECTIONS.T
            inverse = np.linalg.pinv(wave_columns(angle))
            read[own, m] = (inverse[1:4] + 1j * inverse[4:]).T

        def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
            waves = np.einsum("pu,umj->pmj", np.asarray(states, dtype=np.float64), read)
            angle = np.angle(waves) / (2 * np.pi)
            # The third wave should be the sum of the others: its excess is shared evenly.
            excess = angle[..., 2] - angle[..., 0] - angle[..., 1]
            phase = angle[..., :2] + ((excess - np.rint(excess)) / 3)[..., None]
            return self._rates(phase + self.module_phases(np.asarray(velocities, dtype=np.float64)))

        return step, self(np.zeros((1, 2)))[0]


def ideal_grid_code(
    spacings_m: Sequence[float],
    *,
    units_per_module: int,
    generator: np.random.Generator,
    orientations_deg: Sequence[float] | None = None,
    phases: Literal["tiled", "random"] = "tiled",
    angle_deg: float = 60.0,
    ratio: float = 1.0,
    width: float | None = None,
) -> IdealGridCode:
    """The ideal grid code: modules of given spacings, phases all over the unit cell.

    States have length 1.

    Args:
        spacings_m: length of the first lattice vector of each module, metres.
        units_per_module: cells of each, 7 or more.
        generator: draws phases or their offset, and orientations that are not given.
        orientations_deg: direction of each module's first lattice vector; random by default.
        phases: `tiled`, a regular lattice of phases; or `random`, uniform and independent, with
            which the state's length varies with the place.
        angle_deg: angle between the lattice vectors: 60 hexagonal, 90 square, others sheared.
        ratio: length of the second vector over the first.
        width: standard deviation of a field over the spacing; None: three cosines, about 0.2.

    Raises:
        InputError: no modules, lengths that are not positive, another number of orientations than
            of spacings, no lattice, or too few units.

    Source: Schaeffer et al. 2023, appendix C.
    """
    spacing = doubles(spacings_m, "spacings_m")
    if spacing.ndim != 1 or len(spacing) == 0 or not ((spacing > 0) & np.isfinite(spacing)).all():
        raise InputError(
            f"spacings_m must be one positive length for each module, not {spacings_m}"
        )
    if units_per_module < FEWEST_UNITS:
        raise InputError(
            f"a module needs {FEWEST_UNITS} units or more for three waves, not {units_per_module}"
        )
    if phases not in ("tiled", "random"):
        raise InputError(f"phases must be 'tiled' or 'random', not '{phases}'")
    if not (0 < angle_deg < 180 and 0 < ratio < np.inf) or (
        width is not None and not 0 < width < np.inf
    ):
        raise InputError(
            "angle_deg must lie between 0 and 180, ratio and width must be positive, "
            f"not {angle_deg}, {ratio} and {width}"
        )
    orientation = (
        generator.uniform(0, 360, len(spacing))
        if orientations_deg is None
        else doubles(orientations_deg, "orientations_deg")
    )
    if orientation.shape != spacing.shape or not np.isfinite(orientation).all():
        raise InputError(f"orientations_deg must be {len(spacing)} angles, not {orientations_deg}")
    angle = np.radians(orientation)[:, None] + np.radians([0.0, angle_deg])
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    vectors = spacing[:, None, None] * directions * np.array([[1.0], [ratio]])
    modules, n = len(spacing), units_per_module
    if phases == "random":
        phase = generator.random((modules, n, 2))
    else:
        tiled = _tiling(n, vectors[0] / spacing[0], DIRECTIONS)
        phase = np.mod(tiled + generator.random((modules, 1, 2)), 1.0)
    waves = np.cos(2 * np.pi * _unit_cell(64) @ DIRECTIONS.T)
    mean_square = float((_bump(waves.sum(-1), width) ** 2).mean())
    return IdealGridCode(
        vectors_m=vectors,
        label=np.repeat(np.arange(modules), n),
        phases=phase.reshape(-1, 2),
        width=width,
        scale=np.full(modules, 1 / np.sqrt(modules * n * mean_square)),
    )


def _kappa(width: float) -> float:
    # Near its top the sum of the three cosines falls as 4 pi^2 r^2 / spacing^2.
    return 1 / (8 * np.pi**2 * width**2)


def _bump(cosines: np.ndarray, width: float | None) -> np.ndarray:
    """Tuning from the sum of the three cosines, which lies between -3/2 and 3."""
    if width is None:
        return np.maximum(1.5 + cosines, 0.0)
    return np.exp(_kappa(width) * (cosines - 3.0))


def _unit_cell(side: int) -> Float[np.ndarray, "point 2"]:
    """A square grid over the unit cell; sums are exact for waves of fewer periods than points."""
    line = np.arange(side) / side
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def _tiling(
    n: int, basis: Float[np.ndarray, "2 2"], waves: Float[np.ndarray, "wave 2"]
) -> Float[np.ndarray, "point 2"]:
    """Points that tile the unit cell like a lattice, as far apart as possible: i (1, h) / n mod 1.

    Sums of `waves` over them are those of an even cover: no two, opposites included, are equal
    modulo n.
    """
    index = np.arange(n)
    around = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 1, 2)
    best, farthest = 1, -1.0
    for h in range(1, n):
        seen = np.mod(np.concatenate([waves @ [1, h], -waves @ [1, h], [0.0]]), n)
        if len(np.unique(seen)) == len(seen):
            other = np.stack([index[1:], np.mod(index[1:] * h, n)], axis=1) / n
            nearest = np.linalg.norm((other - around) @ basis, axis=-1).min()
            if nearest > farthest + 1e-12:
                best, farthest = h, float(nearest)
    return np.stack([index, np.mod(index * best, n)], axis=1) / n


def place_code(*, arena_m: float, units: int, width_m: float) -> Code:
    r"""Place cells whose fields tile a square arena around the origin evenly; silent beyond it.

    $$ g_u(x) = c\, e^{-|x - x_u|^2 / 2 w^2}, \quad c^2 = \frac{A}{n \pi w^2} $$

    States have length 1 where fields overlap well, and less within a width of the walls.

    Args:
        arena_m: side of the arena, metres.
        units: number of cells.
        width_m: standard deviation of a field, metres.

    Raises:
        InputError: sizes that are not positive.
    """
    if not (0 < arena_m < np.inf and 0 < width_m < np.inf and units >= 1):
        raise InputError(
            f"arena_m, units and width_m must be positive, not {arena_m} m, {units} and {width_m} m"
        )
    # The offset keeps the walls, the seam of the tiling, free of points.
    tiled = np.mod(_tiling(units, np.eye(2), np.zeros((0, 2))) + 0.5 / units, 1.0)
    centres = (tiled - 0.5) * arena_m
    height = arena_m / (width_m * np.sqrt(np.pi * units))

    @takes_arrays
    def code(positions_m: Float[np.ndarray, "place 2"]) -> np.ndarray:
        squared = cdist(np.asarray(positions_m, dtype=np.float64), centres, "sqeuclidean")
        return height * np.exp(-squared / (2 * width_m**2))

    return code


def random_code(*, units: int, correlation_m: float, generator: np.random.Generator) -> Code:
    r"""Units with independent smooth random rates: rectified Gaussian random fields.

    $$ g_u(x) = \sqrt{2 / n}\, \max(0, f_u(x)), \quad \langle f_u(x) f_u(x') \rangle = e^{-|x -
    x'|^2 / 2 l^2} $$

    Half of the units are silent at any place, and states have root mean square length 1. Fields are
    sums of random waves. The expected similarity of two places is the arc-cosine kernel (Cho & Saul
    2009) of their correlation.

    Args:
        units: number of units.
        correlation_m: l, metres.
        generator: draws the fields.

    Raises:
        InputError: no units, or a length that is not positive.

    Source: random Fourier features: Rahimi & Recht 2007.
    """
    if units < 1 or not 0 < correlation_m < np.inf:
        raise InputError(
            f"units and correlation_m must be positive, not {units} and {correlation_m} m"
        )
    waves = generator.standard_normal((2, RANDOM_WAVES)) / correlation_m
    weights = generator.standard_normal((2 * RANDOM_WAVES, units))
    weights *= np.sqrt(2 / (units * RANDOM_WAVES))

    @takes_arrays
    def code(positions_m: Float[np.ndarray, "place 2"]) -> np.ndarray:
        angle = np.asarray(positions_m, dtype=np.float64) @ waves
        fields = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) @ weights
        return np.maximum(fields, 0.0)

    return code
