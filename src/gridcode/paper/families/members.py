"""The models that are compared, with the settings that answer each question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridcode.baselines import RECIPES, load_recipe, recipe_class
from gridcode.config import load_config
from gridcode.errors import InputError

# Self-supervised networks, by the name of their preset.
NETWORKS = {
    "quick": "self-supervised, one population (2023)",
    "modules": "self-supervised, three populations",
}
MODELS = (*NETWORKS, *RECIPES)
SELF_SUPERVISED = "self-supervised"
SOURCE_OF_NETWORKS = (
    "Schaeffer, Khona, Ma, Eyzaguirre, Koyejo and Fiete 2023, Self-supervised learning of "
    "representations for space generates multi-modular grid cells, NeurIPS"
)
PUT_IN_OF_NETWORKS = {
    "quick": "distances at which states are told apart (sigma_x, sigma_g), the size of the space",
    "modules": "the same, and the number of populations without connections between them",
}

MAIN, SCALE, SHUFFLED = "comparison", "scale", "shuffled"
# What may set the spacing in each model: its setting and the values. Targets where there are any.
SCALES: dict[str, tuple[str, tuple[float, ...]]] = {
    "pca": ("sigma_m", (0.08, 0.12, 0.16, 0.2)),
    "supervised": ("width_m", (0.12, 0.2)),
    "conformal": ("scales_per_m", (6.0, 7.5, 9.0)),
    "quick": ("world.max_velocity_m", (0.1, 0.15, 0.2)),
}
# Models whose targets, or whose places, can be shuffled.
SHUFFLES = ("pca", "supervised", "quick")


@dataclass(frozen=True)
class Member:
    """One model to be made.

    Attributes:
        model: one of `MODELS`.
        seed: its seed.
        question: `comparison`, `scale` or `shuffled`.
        changes: settings that differ from the model's defaults.
        value: of the setting that is varied; None where none is.
    """

    model: str
    seed: int
    question: str = MAIN
    changes: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None

    @property
    def name(self) -> str:
        """Name of its run folder."""
        label = "" if self.question == MAIN else f"-{self.question}"
        value = "" if self.value is None else f"-{self.value:g}"
        return f"{self.model}{label}{value}-seed{self.seed}"


def plan(models: Sequence[str], seeds: Sequence[int], *, questions: bool = True) -> list[Member]:
    """Every model with every seed, then those that the four questions need.

    What sets the scale is asked with other values for the first seed alone.

    Args:
        models: names.
        seeds: seeds of each.
        questions: whether to ask what sets the scale, and what shuffled targets do.

    Raises:
        InputError: an unknown model, no seeds, or one twice.
    """
    for model in models:
        if model not in NETWORKS:
            recipe_class_or_error(model)
    if not models or not seeds:
        raise InputError("give at least one model and one seed")
    if len(set(seeds)) < len(seeds) or len(set(models)) < len(models):
        raise InputError("a model or a seed is given twice")
    members = [Member(model, seed) for model in models for seed in seeds]
    if not questions:
        return members
    for model, (setting, values) in SCALES.items():
        if model in models:
            members += [
                Member(model, seed, SCALE, {setting: _as_set(model, value)}, value)
                for value in values
                if value != default_scale(model)  # in the comparison already, with all seeds
                for seed in seeds[:1]
            ]
    members += [
        Member(model, seed, SHUFFLED, {} if model in NETWORKS else {"shuffled": True})
        for model in SHUFFLES
        if model in models
        for seed in seeds
    ]
    return members


def default_scale(model: str) -> float:
    """The model's own value of the setting that is varied in `SCALES`."""
    own = _own_scale(model)
    return float(own[0] if isinstance(own, tuple) else own)


def _own_scale(model: str) -> float | tuple[float, ...]:
    *section, name = SCALES[model][0].split(".")
    settings = getattr(load_config(model), section[0]) if section else load_recipe(model)
    own: float | tuple[float, ...] = getattr(settings, name)
    return own


def _as_set(model: str, value: float) -> float | tuple[float, ...]:
    """The value as the model's setting takes it: one module where it takes a list."""
    return (value,) if isinstance(_own_scale(model), tuple) else value


def recipe_class_or_error(model: str) -> None:
    """Refuse what is neither a network nor a baseline.

    Raises:
        InputError: it is unknown; the nearest name is in the message.
    """
    try:
        recipe_class(model)
    except InputError as error:
        raise InputError(f"{error}, and networks are {', '.join(NETWORKS)}") from None


def family_of(model: str) -> str:
    """Its family."""
    return SELF_SUPERVISED if model in NETWORKS else recipe_class(model).family


def title_of(model: str) -> str:
    """Its name in tables."""
    return NETWORKS[model] if model in NETWORKS else recipe_class(model).title


def put_in(model: str) -> str:
    """What is put in by hand."""
    return PUT_IN_OF_NETWORKS[model] if model in NETWORKS else recipe_class(model).put_in


def source_of(model: str) -> str:
    """The publication."""
    return SOURCE_OF_NETWORKS if model in NETWORKS else recipe_class(model).source


def inserted_modules(model: str) -> int:
    """How many modules are put in by hand."""
    if model in NETWORKS:
        return len(load_config(model).model.sizes)
    return load_recipe(model).modules_put_in
