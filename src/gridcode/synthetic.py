"""Ground truth: rate maps whose answer is known, to test every score against.

All functions take positions in metres, so the same cells can be drawn on a grid or sampled along a path.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

Positions = Float[np.ndarray, "*points 2"]


def bin_centres(arena_m: float, bin_size_m: float) -> Float[np.ndarray, "y x 2"]:
    """Centres (x, y) of the bins of a square arena centred on the origin, metres."""
    n = round(arena_m / bin_size_m)
    line = (np.arange(n) + 0.5) * bin_size_m - n * bin_size_m / 2
    return np.stack(np.meshgrid(line, line), axis=-1)


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
    basis = spacing_m * np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array([[1.0], [ratio]])
    offset = (np.asarray(positions) - np.asarray(phase_m)) @ np.linalg.inv(basis)
    offset -= np.rint(offset)
    rate = np.zeros(offset.shape[:-1])
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            rate += np.exp(-(((offset + (i, j)) @ basis) ** 2).sum(-1) / (2 * (width * spacing_m) ** 2))
    return rate


def band_cell(positions: Positions, *, spacing_m: float, orientation_deg: float = 0.0, phase_m: float = 0.0) -> Float[np.ndarray, "*points"]:
    """A cell that fires in parallel bands across the direction `orientation_deg`, 0 to 1."""
    angle = np.radians(orientation_deg)
    along = np.asarray(positions) @ np.array([np.cos(angle), np.sin(angle)]) - phase_m
    return 0.5 + 0.5 * np.cos(2 * np.pi * along / spacing_m)


def place_cell(positions: Positions, *, centre_m: tuple[float, float] = (0.0, 0.0), width_m: float = 0.1) -> Float[np.ndarray, "*points"]:
    """A cell with one Gaussian field, 1 at its centre."""
    return np.exp(-((np.asarray(positions) - np.asarray(centre_m)) ** 2).sum(-1) / (2 * width_m**2))


def noise_maps(units: int, bins: int, *, correlation_bins: float, generator: np.random.Generator) -> Float[np.ndarray, "unit y x"]:
    """Smoothed white noise, made non-negative: spatially correlated maps with no lattice in them."""
    white = generator.standard_normal((units, bins, bins))
    maps = ndimage.gaussian_filter(white, (0, correlation_bins, correlation_bins), mode="wrap")
    return maps - maps.min(axis=(1, 2), keepdims=True)


def scattered_fields(units: int, bins: int, *, fields: int, width_bins: float, generator: np.random.Generator) -> Float[np.ndarray, "unit y x"]:
    """Cells with Gaussian fields of random height at independent random places: many fields and no lattice."""
    centre = generator.uniform(0, bins, (units, fields, 2, 1))
    height = generator.uniform(0.5, 1.5, (units, fields))
    along = np.exp(-((np.arange(bins) + 0.5 - centre) ** 2) / (2 * width_bins**2))
    return np.einsum("uf,ufy,ufx->uyx", height, along[:, :, 0], along[:, :, 1])
