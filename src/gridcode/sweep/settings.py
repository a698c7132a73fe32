"""What a sweep file says: the base, what is searched, when losers stop, and what a trial does."""

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import Field, ValidationError, field_validator, model_validator

from gridcode.config import Config, Count, Section, Seed, StepCount, load_config, locate
from gridcode.errors import InputError
from gridcode.reading import is_there, reading

# What trials can be judged by: the last logged line, or the evaluation.
Metric = Literal[
    "loss",
    "separation",
    "invariance",
    "capacity",
    "isometry",
    "silent_units",
    "active",
    "hexagonal",
    "lattice",
    "band",
    "modules",
    "independent",
    "path_error_m",
]
TRAINING_METRICS: tuple[str, ...] = get_args(Metric)[:6]
Direction = Literal["minimize", "maximize"]
MOST_TRIALS = 10**6
# Settings that are no part of a search.
FIXED = ("training.seed", "training.device", "training.threads")


class Range(Section):
    """Values between two ends, both included; whole numbers where both ends are."""

    low: float | int
    """The smallest value."""
    high: float | int
    """The largest value."""
    log: bool = False
    """Whether they are drawn evenly in their logarithm."""

    @model_validator(mode="after")
    def _rises(self) -> "Range":
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, as in {{ low = 0.1, high = {self.high} }}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {self.low}")
        return self

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Values = Range | Annotated[tuple[Any, ...], Field(min_length=1)]


class Search(Section):
    """Which settings are tried."""

    kind: Literal["grid", "random", "sobol", "tpe", "gp"] = "grid"
    """All combinations, random draws, a Sobol sequence, or Optuna's TPE or Gaussian process."""
    values: dict[str, Values] = Field(default_factory=dict)
    """By setting: a list of values, or a range such as {low = 1e-4, high = 1e-2, log = true}."""
    points: Annotated[int, Field(ge=0, le=MOST_TRIALS)] = 0
    """Points drawn, each one trained with every seed; a grid has all of its points."""
    seed: Seed = 0
    """Seed of the draws."""
    metric: Metric = "loss"
    """What a sampler of Optuna optimises: of the last logged line, or of the evaluation."""
    direction: Direction = "minimize"
    """Whether a small or a large metric is good."""

    @field_validator("values", mode="before")
    @classmethod
    def _full_names(cls, data: Any) -> Any:
        return flat(data)

    @model_validator(mode="after")
    def _has_points(self) -> "Search":
        ranges = [key for key, values in self.values.items() if isinstance(values, Range)]
        if self.kind == "grid" and ranges:
            raise ValueError(f"a grid needs a list of values for {ranges[0]}, not a range")
        if self.kind == "grid" and self.points:
            raise ValueError("a grid has all of its points: leave search.points out")
        if self.kind != "grid" and not (self.points and self.values):
            raise ValueError(f"a {self.kind} search needs search.points and search.values")
        return self


class Stop(Section):
    """Asynchronous successive halving (ASHA; Li et al., MLSys 2020): losers stop early.

    A trial that reaches a rung goes on if its metric is among the best 1 / factor of all that have
    reached this rung so far, or is the best one.
    """

    metric: Metric = "loss"
    """What trials are compared by; one of the evaluation has them evaluated at every rung."""
    direction: Direction = "minimize"
    """Whether a small or a large metric is good."""
    first_step: StepCount
    """Step of the first rung."""
    factor: Annotated[int, Field(ge=2, le=100)] = 3
    """Each rung is so many times later than the one before; one trial in so many goes on."""

    def rungs(self, steps: int) -> list[int]:
        """Steps of the rungs of a training of so many steps, its end excluded."""
        found = [self.first_step]
        while found[-1] * self.factor < steps:
            found.append(found[-1] * self.factor)
        return [step for step in found if step < steps]


class RunOptions(Section):
    """What a trial does and keeps, and where."""

    evaluate: bool = True
    """Whether a trained network is evaluated."""
    keep: Literal["all", "last", "numbers"] = "all"
    """`last`: of the weights the last, no maps over training; `numbers`: no rate maps, either."""
    cpus: Annotated[float, Field(gt=0, le=1024)] = 1.0
    """Cores of a trial on Ray, also a fraction."""
    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    """GPUs of a trial on Ray, also a fraction, such as 0.25 for four at a time on one."""
    storage: str = ""
    """Where run folders go: empty for the folder of the sweep, or a URL of fsspec (`s3://...`)."""


class Sweep(Section):
    """A sweep: many trainings that differ in some settings and in their seeds."""

    base: str = "quick"
    """Preset or TOML file, relative to the sweep file, that all trials begin with."""
    seeds: Count | Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Seeds that each point is trained with: a list, or how many, from 0 on."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of all trials that differ from the base."""
    search: Search = Search()
    """Which settings are tried."""
    stop: Stop | None = None
    """When losers stop; without it all are trained to the end."""
    run: RunOptions = RunOptions()
    """What a trial does."""

    @field_validator("settings", mode="before")
    @classmethod
    def _full_names(cls, data: Any) -> Any:
        return flat(data)

    @model_validator(mode="after")
    def _is_consistent(self) -> "Sweep":
        for key in self.search.values:
            if key in FIXED or key.startswith("evaluation."):
                why = "give seeds" if key == "training.seed" else "it does not change the training"
                raise ValueError(f"{key} cannot be searched: {why}")
            if key in self.settings:
                raise ValueError(f"{key} is both set and searched; leave one of the two out")
        if "training.seed" in self.settings:
            raise ValueError("training.seed is set by the sweep: give seeds")
        if len(set(self.seed_list)) < len(self.seed_list):
            raise ValueError("a seed is given twice")
        judged = [self.stop.metric] if self.stop else []
        judged += [self.search.metric] if self.samples else []
        for metric in judged:
            if metric not in TRAINING_METRICS and not self.run.evaluate:
                raise ValueError(f"'{metric}' is found by the evaluation: set run.evaluate = true")
        return self

    @property
    def samples(self) -> bool:
        """Whether a sampler of Optuna chooses the points."""
        return self.search.kind in ("tpe", "gp")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def n_points(self) -> int:
        """Points of the search."""
        if self.search.kind != "grid":
            return self.search.points
        lists = [v for v in self.search.values.values() if isinstance(v, tuple)]
        return math.prod(len(values) for values in lists)

    @property
    def n_trials(self) -> int:
        """Trainings in all."""
        return self.n_points * len(self.seed_list)

    def to_toml(self, config: Config) -> str:
        """The sweep with the whole configuration that it begins with."""
        data = self.model_dump(mode="json", exclude_none=True)
        return tomli_w.dumps(data | {"config": config.model_dump(mode="json")})


def flat(data: Any) -> Any:
    """Values by dotted key; tables of a section, such as [settings.loss], are taken apart.

    Raises:
        InputError: an unknown or ambiguous setting, or one that is given twice.
    """
    if not isinstance(data, Mapping):
        return data
    found: dict[str, Any] = {}
    for name, value in data.items():
        inner = name in Config.model_fields and isinstance(value, Mapping)
        for key, one in (
            {f"{name}.{k}": v for k, v in value.items()} if inner else {name: value}
        ).items():
            full = ".".join(locate(key))
            if full in found:
                raise InputError(f"{full} is given twice")
            found[full] = one
    return found


def load_sweep(path: str | os.PathLike[str]) -> tuple[Sweep, Config]:
    """A sweep from its TOML file, and the configuration that its trials begin with.

    Raises:
        InputError: no such file, not TOML, an unknown key, or a value out of range.
    """
    path = Path(path)
    if not (is_there(path) and path.is_file()):
        raise InputError(f"there is no sweep file '{path}'")
    with reading(f"cannot read {path}"):
        text = path.read_text(encoding="utf-8")
    with reading(f"{path} is not valid TOML"):
        data = tomllib.loads(text)
    try:
        sweep = Sweep.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}") from None
    beside = path.parent / sweep.base
    base = beside if is_there(beside) and beside.is_file() else sweep.base
    return sweep, start(sweep, load_config(base))


def start(sweep: Sweep, base: Config) -> Config:
    """The configuration that all trials begin with; every value of the search is tried on it.

    Raises:
        InputError: a value that its setting does not take, or too many trials.
    """
    if base.baseline:
        raise InputError("a sweep trains networks, not baselines")
    if sweep.n_trials > MOST_TRIALS:
        raise InputError(f"{sweep.n_trials} trials are more than {MOST_TRIALS}: try fewer values")
    config = base.override(sweep.settings)
    for key, values in sweep.search.values.items():
        ends = (values.low, values.high) if isinstance(values, Range) else values
        section, field = key.split(".")
        for value in ends:
            data = config.model_dump(mode="json")[section] | {field: value}
            try:  # alone: whether values go together is known once they are drawn
                type(getattr(config, section)).model_validate(data)
            except ValidationError as error:
                if error.errors()[0]["loc"]:
                    raise InputError(f"search.values: {_first(error, section)}") from None
    return config


def _first(error: ValidationError, within: str = "") -> str:
    """The first error in one line."""
    first = error.errors()[0]
    place = [within, *(str(part) for part in first["loc"])]
    key = ".".join(part for part in place if part)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    return f"{key}: {message}" if key else message
