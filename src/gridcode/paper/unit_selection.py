"""Which units are drawn: by a fixed rule, so that examples are not hand-picked."""

import numpy as np
import xarray as xr
from jaxtyping import Int


def evenly_by_score(data: xr.Dataset, units: np.ndarray, count: int) -> Int[np.ndarray, " chosen"]:
    """Units evenly spaced in the order of their hexagonal score: best, worst and some between.

    Args:
        data: units with `grid_score`; one without a score comes last.
        units: indices to choose from.
        count: how many; all where there are fewer.
    """
    order = np.asarray(units, dtype=np.int64)[np.argsort(-_score(data)[units], kind="stable")]
    if not len(order):
        return order
    places = np.linspace(0, len(order) - 1, min(count, len(order)))
    return order[np.unique(places.round().astype(np.int64))]


def by_module(data: xr.Dataset) -> Int[np.ndarray, " unit"]:
    """All units by module (smallest spacing first) and score; then those in none, then silent."""
    module, silent = data["module"].values.astype(np.int64), data["silent"].values
    last = np.iinfo(np.int64).max
    group = np.where(silent, last, np.where(module >= 0, module, last - 1))
    return np.lexsort((np.arange(len(group)), -_score(data), group))


def _score(data: xr.Dataset) -> np.ndarray:
    score = data["grid_score"].values
    return np.where(np.isfinite(score), score, -np.inf)
