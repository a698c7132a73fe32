"""What each ablation changes, what the paper claims of it, and the rule that judges the claim.

The rules were fixed before any network was trained: statistic, direction, and the smallest effect
that matters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from gridcode.config import Config, fields
from gridcode.errors import InputError

REFERENCE = "reference"
SIGMA_G = "sigma_g"
# Weights of all terms that ask for an isometry; without an isometry all of them are 0.
ISOMETRY_WEIGHTS = tuple(
    key
    for key, field in fields().items()
    if key.startswith("loss.")
    and "isometry" in key
    and field.annotation is float
    and any(getattr(m, "ge", None) == 0 for m in field.metadata)
)
# With fewer networks on either side nothing is decided.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Variant:
    """One part of the recipe changed.

    Attributes:
        name: as in tables and figures.
        overrides: settings by dotted key.
        paper: what the paper shows of it (figure 7), or that it says nothing.
    """

    name: str
    overrides: Mapping[str, Any]
    paper: str

    @property
    def slug(self) -> str:
        """The name in folder names and on the command line."""
        return re.sub(r"[^\w.]+", "-", self.name.replace(f"{SIGMA_G} ", f"{SIGMA_G}-").lower())

    def unsupported_reason(self, config: Config) -> str:
        """Why it does not differ from a reference with these settings; "" where it does."""
        held = config.model_dump(mode="json")
        now = {key: held[key.split(".")[0]][key.split(".")[1]] for key in self.overrides}
        if self.overrides and now == dict(self.overrides):
            same = ", ".join(f"{key} = {value}" for key, value in now.items())
            return f"it changes nothing: the reference has {same}"
        if self.name.startswith(SIGMA_G) and self.overrides["loss.sigma_g"] >= config.loss.sigma_g:
            return f"its sigma_g is not smaller than the reference's {config.loss.sigma_g:g}"
        return ""


_PLACE_LIKE = (
    "The paper shows that a smaller sigma_g gives place-like cells, "
    "whose fields are the smaller the larger sigma_g is."
)
_LOST = "The paper shows that without {} spatial tuning is lost."
_SILENT = "The paper makes no claim about {}."
_ONE_STAGE = {"training.separate_steps": 0, "world.joint_steps": 0, "world.joint_trajectories": 0}

VARIANTS: tuple[Variant, ...] = (
    Variant(REFERENCE, {}, "The recipe as it is, which all others are compared with."),
    Variant(
        "no capacity",
        {"loss.capacity": 0.0},
        "The paper shows that without the capacity loss one module is left.",
    ),
    *(
        Variant(f"{SIGMA_G} {value:g}", {"loss.sigma_g": value}, _PLACE_LIKE)
        for value in (0.3, 0.2, 0.1)
    ),
    Variant("no separation", {"loss.separation": 0.0}, _LOST.format("the separation loss")),
    Variant("no invariance", {"loss.invariance": 0.0}, _LOST.format("the path-invariance loss")),
    Variant("no permutation", {"world.orders": "identity"}, _LOST.format("permuted trajectories")),
    Variant(
        "no isometry",
        dict.fromkeys(ISOMETRY_WEIGHTS, 0.0),
        "The paper shows that without the conformal isometry several modules remain, "
        "with lattices more sheared and more square.",
    ),
    Variant(
        "no norm",
        {"model.norm": False},
        _SILENT.format("states that are not divided by their norm"),
    ),
    Variant(
        "fixed start",
        {"model.start": "fixed"},
        _SILENT.format("a state at the origin that is not trained"),
    ),
    Variant("no first stage", _ONE_STAGE, _SILENT.format("stages: its own training has one")),
    Variant(
        "all connected",
        {"model.populations": [], **_ONE_STAGE},
        _SILENT.format("populations: its own units are all connected"),
    ),
)


@dataclass(frozen=True)
class Expectation:
    """A claim with the rule that decides it.

    The effect is measured with its 95% bootstrap interval over seeds. `reproduced`: the whole
    interval reaches the smallest effect that matters. `not reproduced`: none of it does. `unclear`:
    it holds both, there are fewer than three networks on a side, or the premise fails.

    Attributes:
        variant: name of the variant; `sigma_g` for all of its values together.
        claim: what is expected, a clause.
        statistic: column of the table of runs.
        kind: `difference` of medians, variant minus reference; `level`, the variant's own median;
            `trend`, Spearman's rank correlation of sigma_g and the statistic over the variants with
            smaller sigma_g; `none`, numbers without a claim.
        least: the effect reaches this or more; None for no lower end.
        most: the effect reaches this or less; None for no upper end.
        premise: what the reference must show for the claim to mean anything: column, and least
            median.
    """

    variant: str
    claim: str
    statistic: str
    kind: Literal["difference", "level", "trend", "none"] = "difference"
    least: float | None = None
    most: float | None = None
    premise: tuple[str, float] | None = None

    @property
    def rule(self) -> str:
        """The rule in words."""
        if self.kind == "none":
            return "no claim, no rule"
        what, form = {
            "difference": ("variant minus reference", "+g"),
            "level": ("the variant's median", "g"),
            "trend": ("rank correlation with sigma_g", "+g"),
        }[self.kind]
        limits = [
            f"{value:{form}} or {word}"
            for value, word in ((self.least, "more"), (self.most, "less"))
            if value is not None
        ]
        return f"{self.statistic}: {what} is {' and '.join(limits)}"


# What the reference must show for a claim to mean anything.
_SEVERAL = ("n_independent", 2.0)
_LATTICES = ("lattice_share", 0.25)

_capacity = partial(Expectation, "no capacity", premise=_SEVERAL)
_isometry = partial(Expectation, "no isometry", premise=_LATTICES)


def _lost(variant: str, what: str) -> tuple[Expectation, Expectation]:
    lost = partial(Expectation, variant, most=-0.5)
    lattice, spatial = "lattice_share", "spatial_share"
    return (
        lost(f"without {what} lattices are lost", lattice, premise=(lattice, 0.5)),
        lost(
            f"without {what} activity no longer depends on place", spatial, premise=(spatial, 0.5)
        ),
    )


EXPECTATIONS: tuple[Expectation, ...] = (
    _capacity(
        "without the capacity loss one module is left",
        "n_independent",
        "level",
        least=0.5,
        most=1.5,
    ),
    _capacity("without the capacity loss there are fewer modules", "n_independent", most=-1.0),
    *(
        Expectation(
            f"{SIGMA_G} {value:g}",
            f"with sigma_g {value:g} cells become place-like",
            "stable_place_share",
            least=0.25,
            premise=_LATTICES,
        )
        for value in (0.3, 0.2, 0.1)
    ),
    Expectation(
        SIGMA_G, "fields are the smaller the larger sigma_g is", "field_size_m", "trend", most=-0.5
    ),
    *_lost("no separation", "the separation loss"),
    *_lost("no invariance", "the path-invariance loss"),
    *_lost("no permutation", "permuted trajectories"),
    _isometry(
        "without the isometry several modules remain",
        "n_independent",
        "level",
        least=1.5,
        premise=_SEVERAL,
    ),
    _isometry("without the isometry lattices are more sheared", "axis_ratio_median", most=-0.05),
    _isometry("without the isometry more lattices are square", "square_share", least=0.1),
    Expectation(
        "no norm", "the paper makes no claim about states without norm", "lattice_share", "none"
    ),
    Expectation(
        "fixed start", "the paper makes no claim about a fixed start", "lattice_share", "none"
    ),
    Expectation("no first stage", "the paper's training has one stage", "n_independent", "none"),
    Expectation("all connected", "the paper's units are all connected", "n_independent", "none"),
)


def choose(names: Sequence[str] | None, config: Config) -> list[Variant]:
    """The variants of an ablation, the reference first.

    Args:
        names: names or slugs, `sigma_g` for all of its values; None: all that differ from this
            reference.
        config: the reference.

    Raises:
        InputError: an unknown variant, or one that changes nothing.
    """
    suitable = [v for v in VARIANTS if not v.unsupported_reason(config)]
    if names is None:
        return suitable
    asked = {Variant(name.strip(), {}, "").slug for name in names}
    slugs = [v.slug for v in VARIANTS]
    if unknown := sorted(asked - {*slugs, SIGMA_G}):
        raise InputError(
            f"unknown variant '{unknown[0]}': choose {', '.join(slugs)}, "
            f"or {SIGMA_G} for all of its values"
        )
    for variant in VARIANTS:
        if variant.slug in asked and (reason := variant.unsupported_reason(config)):
            raise InputError(f"variant '{variant.slug}': {reason}")
    sigma = SIGMA_G in asked
    return [
        v
        for v in suitable
        if v.name == REFERENCE or v.slug in asked or (sigma and v.name.startswith(SIGMA_G))
    ]
