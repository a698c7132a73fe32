"""The recipes by their names, with their settings."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gridcode.baselines.recipe import Recipe
from gridcode.config import Config, parse_value
from gridcode.errors import InputError

# The file and the class of each recipe, in the order of tables.
RECIPES = {
    "pca": ("nonnegative_pca", "NonnegativePca"),
    "successor": ("successor_representation", "SuccessorRepresentation"),
    "attractor": ("continuous_attractor", "ContinuousAttractor"),
    "peak_selection": ("peak_selection_bump", "PeakSelection"),
    "conformal": ("conformal_isometry", "ConformalIsometry"),
    "basis": ("actionable_representation", "ActionableRepresentation"),
    "feedforward": ("similarity_network", "SimilarityNetwork"),
    "supervised": ("supervised_rnn", "SupervisedRnn"),
    "lstm": ("supervised_lstm", "SupervisedLstm"),
}


def load_recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """A baseline's recipe with some settings.

    Args:
        name: one of `RECIPES`.
        settings: those that differ from the defaults, by name; text is read as it would be in TOML.

    Raises:
        InputError: no such baseline or setting, or a value out of range.
    """
    kind = recipe_class(name)
    try:
        return kind.model_validate({k: parse_value(v) for k, v in (settings or {}).items()})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, kind.model_fields, n=1, cutoff=0.5)
            known = (
                f"did you mean '{near[0]}'?" if near else f"it has {', '.join(kind.model_fields)}"
            )
            raise InputError(f"baseline {name} has no setting '{key}'; {known}") from None
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"baseline {name}: {key}: {message}".replace(": :", ":")) from None


def recipe_class(name: str) -> type[Recipe]:
    """The class of a baseline's recipe.

    Raises:
        InputError: no such baseline.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"they are {', '.join(RECIPES)}"
        raise InputError(f"there is no baseline '{name}'; {hint}")
    file, kind = RECIPES[name]
    found: type[Recipe] = getattr(importlib.import_module(f"gridcode.baselines.{file}"), kind)
    return found


def recipe_of(config: Config) -> Recipe:
    """The recipe that a run's configuration describes.

    Raises:
        InputError: the run is not a baseline's, or its settings are damaged.
    """
    settings = dict(config.baseline)
    if "name" not in settings:
        raise InputError("this run is not a baseline's")
    return load_recipe(str(settings.pop("name")), settings)
