"""What each ablation changes, what the paper says becomes of the cells, and the rule by which that is judged here.

The rules are part of the program and older than any number: statistic, direction, and the smallest
effect that matters are written down before a network is trained.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gridcode.config import Config, fields
from gridcode.errors import InputError

REFERENCE = "reference"
SIGMA_G = "sigma_g"
# Every weight of a term that asks for an isometry, whatever terms there are: numbers that may be 0.
# All are 0 where it is taken out.
ISOMETRY_WEIGHTS = tuple(
    key for key, field in fields().items()
    if key.startswith("loss.") and "isometry" in key and field.annotation is float and any(getattr(m, "ge", None) == 0 for m in field.metadata)
)  # fmt: skip
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
        """The name as it stands in names of folders and on the command line."""
        return re.sub(r"[^\w.]+", "-", self.name.replace(f"{SIGMA_G} ", f"{SIGMA_G}-").lower())

    def why_not(self, config: Config) -> str:
        """Why the variant says nothing beside a reference of these settings; empty where it does."""
        held = config.model_dump(mode="json")
        now = {key: held[key.split(".")[0]][key.split(".")[1]] for key in self.overrides}
        if self.overrides and now == dict(self.overrides):
            return "it changes nothing: the reference has " + ", ".join(
                f"{key} = {value}" for key, value in now.items()
            )
        if self.name.startswith(SIGMA_G) and self.overrides["loss.sigma_g"] >= config.loss.sigma_g:
            return f"its sigma_g is not smaller than the reference's {config.loss.sigma_g:g}"
        return ""


_PLACE_LIKE = "The paper shows that a smaller sigma_g gives place-like cells, whose fields are the smaller the larger sigma_g is."
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
        "The paper shows that without the conformal isometry several modules remain, with lattices more sheared and more square.",
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
    kind: Literal["difference", "level", "trend", "none"]
    least: float | None = None
    most: float | None = None
    premise: tuple[str, float] | None = None

    @property
    def rule(self) -> str:
        """The rule in words."""
        if self.kind == "none":
            return "no claim, no rule"
        what = {
            "difference": "variant minus reference",
            "level": "the variant's median",
            "trend": "rank correlation with sigma_g",
        }[self.kind]
        limits = [
            f"{value:+g} or {word}"
            for value, word in ((self.least, "more"), (self.most, "less"))
            if value is not None
        ]
        limits = [limit.replace("+", "") for limit in limits] if self.kind == "level" else limits
        return f"{self.statistic}: {what} is {' and '.join(limits)}"


_SEVERAL = ("n_independent", 2.0)
_TUNED = ("lattice_share", 0.5)
_SPATIAL = ("spatial_share", 0.5)
_LATTICES = ("lattice_share", 0.25)


def _lost(variant: str, what: str) -> tuple[Expectation, Expectation]:
    return (
        Expectation(
            variant,
            f"without {what} lattices are lost",
            "lattice_share",
            "difference",
            most=-0.5,
            premise=_TUNED,
        ),
        Expectation(
            variant,
            f"without {what} activity no longer depends on place",
            "spatial_share",
            "difference",
            most=-0.5,
            premise=_SPATIAL,
        ),
    )


EXPECTATIONS: tuple[Expectation, ...] = (
    Expectation(
        "no capacity",
        "without the capacity loss one module is left",
        "n_independent",
        "level",
        least=0.5,
        most=1.5,
        premise=_SEVERAL,
    ),
    Expectation(
        "no capacity",
        "without the capacity loss there are fewer modules",
        "n_independent",
        "difference",
        most=-1.0,
        premise=_SEVERAL,
    ),
    *(
        Expectation(
            f"{SIGMA_G} {value:g}",
            f"with sigma_g {value:g} cells become place-like",
            "stable_place_share",
            "difference",
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
    Expectation(
        "no isometry",
        "without the isometry several modules remain",
        "n_independent",
        "level",
        least=1.5,
        premise=_SEVERAL,
    ),
    Expectation(
        "no isometry",
        "without the isometry lattices are more sheared",
        "axis_ratio_median",
        "difference",
        most=-0.05,
        premise=_LATTICES,
    ),
    Expectation(
        "no isometry",
        "without the isometry more lattices are square",
        "square_share",
        "difference",
        least=0.1,
        premise=_LATTICES,
    ),
    Expectation(
        "no norm", "the paper makes no claim about states without norm", "lattice_share", "none"
    ),
    Expectation(
        "fixed start", "the paper makes no claim about a fixed start", "lattice_share", "none"
    ),
    Expectation("no first stage", "the paper's training has one stage", "n_independent", "none"),
    Expectation("all connected", "the paper's units are all connected", "n_independent", "none"),
)


def slugs() -> list[str]:
    """Names of all variants as the command line takes them."""
    return [variant.slug for variant in VARIANTS]


def choose(names: Sequence[str] | None, config: Config) -> list[Variant]:
    """The variants of an ablation, the reference first.

    Args:
        names: names or slugs, `sigma_g` for all of its values; None: all that say anything beside
            this reference.
        config: the reference.

    Raises:
        InputError: an unknown variant, or one that changes nothing.
    """
    if names is None:
        return [v for v in VARIANTS if not v.why_not(config)]
    asked = {Variant(name.strip(), {}, "").slug for name in names}
    known = {v.slug for v in VARIANTS} | {SIGMA_G}
    if unknown := sorted(asked - known):
        raise InputError(
            f"unknown variant '{unknown[0]}': choose {', '.join(slugs())}, or {SIGMA_G} for all of its values"
        )
    chosen = [v for v in VARIANTS if v.name == REFERENCE or v.slug in asked]
    for variant in chosen:
        if why := variant.why_not(config):
            raise InputError(f"variant '{variant.slug}': {why}")
    if SIGMA_G in asked:
        chosen = [
            v
            for v in VARIANTS
            if v in chosen or (v.name.startswith(SIGMA_G) and not v.why_not(config))
        ]
    return chosen
