"""Other models of grid cells, each rebuilt from its publication.

Each recipe is a file. `gridcode.baselines.pca(out="runs/pca", seed=1, sigma_m=0.16)`, and likewise
each other name of `RECIPES`, makes a run folder that `evaluate`, `report`, `explore` and `compare`
take like that of a network.
"""

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gridcode.baselines.registry import RECIPES, load_recipe, recipe_class, recipe_of

if TYPE_CHECKING:
    from gridcode.runs.run import Run

__all__ = ["RECIPES", "load_recipe", "make_named", "recipe_class", "recipe_of"]


def make_named(name: str, out: str | os.PathLike[str], *, seed: int = 0, **settings: Any) -> "Run":
    """Make a baseline in a new run folder.

    Args:
        name: one of `RECIPES`.
        out: the run folder; new.
        seed: of everything random.
        settings: those that differ from the defaults.

    Raises:
        InputError: no such setting, a value out of range, or the folder exists already.
        TrainingError: as in `gridcode.baselines.making.make`.
    """
    from gridcode.baselines.making import make  # it needs PyTorch, which is slow to import

    return make(load_recipe(name, settings), out, seed=seed)


def __getattr__(name: str) -> "Callable[..., Run]":
    if name not in RECIPES:
        raise AttributeError(f"module 'gridcode.baselines' has no attribute '{name}'")
    return functools.partial(make_named, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *RECIPES})
