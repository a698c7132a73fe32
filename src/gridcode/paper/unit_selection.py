"""Which units are drawn: by a rule, never by looks."""

import numpy as np
import xarray as xr
from jaxtyping import Int


def evenly_by_score(data: xr.Dataset, units: np.ndarray, count: int) -> Int[np.ndarray, " chosen"]:
    """Units evenly spaced in the order of their hexagonal score, best first: the best, the worst and those between.

    Args:
        data: units with `minmax`; one without a score comes last.
        units: places in the dataset to choose from.
        count: how many; all where there are fewer.
    """
    score = np.where(
        np.isfinite(data["minmax"].values[units]), data["minmax"].values[units], -np.inf
    )
    order = np.asarray(units, dtype=np.int64)[np.argsort(-score, kind="stable")]
    if not len(order):
        return order
    return order[
        np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64))
    ]


def by_module(data: xr.Dataset) -> Int[np.ndarray, " unit"]:
    """All units: module by module from the smallest spacing, best scores first in each; then units in none; silent ones last."""
    module, silent = data["module"].values, data["silent"].values
    score = np.where(np.isfinite(data["minmax"].values), data["minmax"].values, -np.inf)
    group = np.where(
        silent, np.iinfo(np.int64).max, np.where(module >= 0, module, np.iinfo(np.int64).max - 1)
    )
    return np.lexsort((np.arange(len(group)), -score, group))
