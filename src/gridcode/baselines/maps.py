"""Maps on a grid of places as a code of any position."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import RegularGridInterpolator

from gridcode.analysis.system import PositionCode


def code_of_maps(
    maps: Float[np.ndarray, "unit y x"], side_m: float, *, periodic: bool = False
) -> PositionCode:
    """Activity at any place of a square around the origin, bilinear between the centres of bins.

    Args:
        maps: (unit, y, x) activity at the centres of bins.
        side_m: side of the square, metres.
        periodic: whether the maps go on periodically; without, there is no activity outside (NaN).
    """
    bins = maps.shape[1]
    centres = (np.arange(bins) + 0.5) * (side_m / bins) - side_m / 2
    values = np.moveaxis(maps, 0, -1)
    if periodic:
        values = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="wrap")
        step = side_m / bins
        centres = np.concatenate([[centres[0] - step], centres, [centres[-1] + step]])
    interpolated = RegularGridInterpolator((centres, centres), values)

    def code(positions_m: Float[np.ndarray, "place 2"]) -> Float[np.ndarray, "place unit"]:
        places = np.asarray(positions_m, dtype=np.float64)
        if periodic:
            places = (places + side_m / 2) % side_m - side_m / 2
        inside = np.asarray((np.abs(places) <= side_m / 2 + 1e-9).all(axis=-1))
        activity = interpolated(np.clip(places, centres[0], centres[-1])[..., ::-1])
        return np.where(inside[..., None], activity, np.nan)

    return code
