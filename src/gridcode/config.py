"""The configuration of a run: one frozen, validated object for TOML, command line and manifest.

Lengths are metres, velocities metres per step, angles degrees.
"""

import difflib
import hashlib
import itertools
import json
import os
import reprlib
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from gridcode import display
from gridcode.errors import InputError
from gridcode.reading import is_there, reading

# Limits lie far beyond any experiment. They keep numbers where arithmetic can bear them: squares
# and fourth powers of lengths fit into float32, sizes into an array, and a setting that no machine
# could work with is refused before a folder is made.
MOST_STEPS = 10**12
MOST_BINS = 1000  # a side, as for recordings
MOST_SAMPLES = 3 * 10**8  # of one walk: 10 GB of positions and velocities
Metres = Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e3, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**6)]
StepNumber = Annotated[int, Field(ge=0, le=MOST_STEPS)]
StepCount = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
ConfigType = TypeVar("ConfigType", bound="Config")


class Section(BaseModel):
    """A section of the configuration: frozen, no unknown keys; docstrings describe its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, data: Any) -> Any:
        # pydantic would read `seed = true` as 1.
        for key, value in data.items() if isinstance(data, dict) else ():
            if key not in cls.model_fields or cls.model_fields[key].annotation is bool:
                continue
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, bool):
                    raise ValueError(f"{key}: a number or text is needed, got {one}")
        return data


class WorldConfig(Section):
    """The trajectories that the network is trained on."""

    steps: Annotated[int, Field(ge=1, le=10**5)] = 40
    """Steps of a training trajectory, T: also the number of velocities drawn for each batch."""
    trajectories: Count = 80
    """Trajectories in a batch, B; a multiple of `steps` for Latin orders."""
    dimensions: Annotated[int, Field(ge=1, le=3)] = 2
    """Axes of a velocity: 1, a line; 2, the plane; 3, a volume (or the turns of a sphere)."""
    max_velocity_m: Metres = 0.15
    """Half-side of the square the velocities are drawn from, metres per step."""
    joint_steps: Annotated[int, Field(ge=0, le=10**5)] = 0
    """Steps of a trajectory in the second stage (`training.separate_steps`); 0: as in the first."""
    joint_trajectories: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Trajectories in a batch of the second stage; 0: as in the first."""
    velocities: Literal["square", "disc"] = "square"
    """Uniform in the square (published) or in a disc of equal variance; in 3-D a cube or a ball."""
    orders: Literal["permutation", "latin", "identity"] = "latin"
    """Orders of velocities: independent shuffles, balanced shuffles, or all alike (ablation)."""

    @model_validator(mode="after")
    def _latin_squares_are_whole(self) -> "WorldConfig":
        for steps, trajectories in (self.stage(joint=False), self.stage(joint=True)):
            if self.orders == "latin" and trajectories % steps:
                raise ValueError(
                    f"world.trajectories ({trajectories}) must be a multiple of world.steps "
                    f"({steps}) for world.orders = 'latin'"
                )
        return self

    def stage(self, *, joint: bool) -> tuple[int, int]:
        """Steps and trajectories of a batch, with `joint` in the second stage."""
        if not joint:
            return self.steps, self.trajectories
        return self.joint_steps or self.steps, self.joint_trajectories or self.trajectories

    @property
    def longest_steps(self) -> int:
        """Steps of the longest training trajectories."""
        return max(self.steps, self.joint_steps)


class ModelConfig(Section):
    """The recurrent network g_t = Norm(ReLU(W(v_t) g_(t-1)))."""

    units: Annotated[int, Field(ge=2, le=10**5)] = 64
    """Number of units, N; with `populations` their sum (then the default)."""
    populations: tuple[Annotated[int, Field(ge=8, le=10**5)], ...] = ()
    """Sizes of unconnected populations (W is block diagonal); empty: one population (published)."""
    hidden_widths: Annotated[tuple[Count, ...], Field(min_length=1, max_length=100)] = (64, 64)
    """Widths of the hidden layers of the MLP that maps a velocity to W."""
    activation: Literal["silu", "gelu", "relu", "tanh"] = "silu"
    """Activation of that MLP."""
    velocity_scale_m: Metres = 0.15
    """Velocities are divided by this before they enter the MLP."""
    initialisation: Literal["identity", "default"] = "identity"
    """`identity`: W(v) starts near the identity; `default`: PyTorch's initialisation."""
    start: Literal["trained", "fixed"] = "trained"
    """Whether the state at the origin, g_0, is trained."""
    norm: bool = True
    """Whether states are divided by their L2 norm; False is the ablation."""

    @model_validator(mode="before")
    @classmethod
    def _units_of_populations(cls, data: Any) -> Any:
        sizes = data.get("populations") if isinstance(data, dict) else None
        if (
            sizes
            and "units" not in data
            and isinstance(sizes, list | tuple)
            and all(isinstance(n, int) for n in sizes)
        ):
            return {**data, "units": sum(sizes)}
        return data

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each population; without populations, of the one network."""
        return self.populations or (self.units,)

    @model_validator(mode="after")
    def _populations_fit(self) -> "ModelConfig":
        if self.populations and sum(self.populations) != self.units:
            raise ValueError(
                f"model.populations {list(self.populations)} have {sum(self.populations)} units, "
                f"not {self.units}: set populations alone"
            )
        return self


class LossConfig(Section):
    """The four loss terms, their weights and scales."""

    sigma_x_m: Metres = 0.05
    """Places closer than this should share a state; places further apart should not."""
    sigma_g: Scale = 0.4
    """Scale of distances between states in the separation loss."""
    separation: Weight = 1.0
    """Weight of the separation loss."""
    invariance: Weight = 0.3
    """Weight of the path-invariance loss."""
    capacity: Weight = 0.5
    """Weight of the capacity loss."""
    isometry: Weight = 0.3
    """Weight of the conformal-isometry loss, after its ramp."""
    isometry_form: Literal["scale_free", "raw"] = "scale_free"
    """`raw`: variance of |dg| / |v|; `scale_free`: over its squared mean (detached)."""
    isometry_range_m: Metres = 0.05
    """Steps shorter than this enter the isometry loss; published: sigma_x."""
    isometry_ramp: tuple[StepNumber, StepNumber] = (800, 1800)
    """Steps between which the isometry weight rises from 0 to its value."""
    isometry_early_raw: Weight = 0.01
    """Weight of the raw form before the ramp starts."""
    isometry_of: Literal["whole", "populations"] = "whole"
    """Isometry loss of the state of all units (published) or of the state of each population."""
    reduction: Literal["mean", "sum"] = "mean"
    """Whether pair terms are averaged or summed over their pairs."""
    pairs: Literal["sampled", "all"] = "sampled"
    """Pair terms over a random subset of the batch's states each step, or over all of them."""
    sampled_states: Annotated[int, Field(ge=2, le=10**6)] = 800
    """Size of that subset."""

    @model_validator(mode="after")
    def _ramp_rises(self) -> "LossConfig":
        if self.isometry_ramp[1] < self.isometry_ramp[0]:
            raise ValueError(
                "loss.isometry_ramp must not end before it starts, "
                f"as in {list(self.isometry_ramp)}"
            )
        return self


class TrainingConfig(Section):
    """The optimisation."""

    seed: Seed = 0
    """Seed of the initial weights and of every batch."""
    steps: StepCount = 4000
    """Optimiser steps, both stages together."""
    separate_steps: StepNumber = 0
    """Steps of a first stage that trains each population by itself; then all train together."""
    learning_rate: Rate = 1e-3
    """Peak learning rate of AdamW."""
    joint_learning_rate: Rate = 5e-4
    """Peak learning rate of the second stage; warm-up and schedule start again there."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.98,
    )
    """Decay rates of AdamW's moments."""
    weight_decay: Weight = 0.0
    """Decoupled weight decay."""
    schedule: Literal["cosine", "inverse", "plateau", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""
    hold_steps: StepCount = 400
    """Inverse schedule: the rate stays at its peak up to this step s, then falls as s / step."""
    warmup_steps: StepNumber = 200
    """Steps over which the learning rate rises linearly from 0."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Learning rate at the end of the cosine, as a fraction of the peak."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Plateau schedule: factor applied when the loss stops falling."""
    plateau_patience: StepNumber = 10
    """Plateau schedule: intervals without a better loss before that."""
    plateau_interval: StepCount = 1000
    """Plateau schedule: steps whose mean loss counts as one observation."""
    gradient_clip: Weight = 0.1
    """Largest gradient norm; 0 does not clip."""
    accumulation: Count = 1
    """Batches whose gradients are averaged for one step."""
    precision: Literal["float32", "float64"] = "float32"
    """Floating-point type of weights and states."""
    products: Literal["float32", "tf32", "bf16"] = "float32"
    """Rounding of operands of matrix products on a GPU; the CPU always computes in `precision`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; `auto` takes a GPU where there is one."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads; 0 chooses: one, or two where all pairs of a large batch are compared."""
    log_every: StepCount = 50
    """Steps between lines of metrics.jsonl."""
    checkpoint_every: StepCount = 500
    """Steps between checkpoints."""
    snapshots: Annotated[int, Field(ge=0, le=1000)] = 24
    """Snapshots of the weights for films and maps over training, denser early on; 0 keeps none."""


# Of the trained square: walks in an arena without steps beyond its walls.
SidesOver = Annotated[float, Field(gt=0, le=1000)]
WalkName = Literal["smooth", "uniform", "slow", "straight", "rat"]


class EvaluationConfig(Section):
    """The evaluation of the trained network."""

    arenas_m: Annotated[tuple[Metres, ...], Field(min_length=1, max_length=100)] = (2.0, 4.0, 6.0)
    """Sides of the square arenas."""
    adapt_arena: bool = True
    """Add an arena of `periods` periods of 90% of lattice cells if the largest is too small."""
    periods: Scale = 4.0
    """Periods that an arena must hold for reliable scores."""
    walks: Annotated[tuple[WalkName, ...], Field(min_length=1, max_length=100)] = (
        "smooth",
        "uniform",
    )
    """Walks to evaluate on; verdicts rest on the first."""
    walk_steps: Count = 250
    """Steps of each walk from the origin."""
    samples_per_bin: Scale = 10.0
    """Mean number of samples in a bin; determines the number of walkers."""
    bin_size_m: Metres = 0.05
    """Side of a bin of the rate maps."""
    smoothing_bins: Annotated[float, Field(ge=0, le=MOST_BINS)] = 1.0
    """Gaussian smoothing of rate maps before they are scored, in bins."""
    silent_below: Weight = 1e-3
    """Units whose absolute activity never exceeds this are silent (states have length 1)."""
    score_threshold: Annotated[float, Field(ge=-2, le=2)] = 0.5
    """Score above which a unit counts in the shares of arenas; a convention, not a test."""
    nulls: Annotated[int, Field(ge=99, le=10**6)] = 500
    """Null maps for each unit."""
    null: Literal["random phase", "field shuffle"] = "random phase"
    """What null maps preserve: a unit's spectrum, averaged over directions, or its fields."""
    significance: Annotated[float, Field(ge=0.001, lt=1)] = 0.01
    """Largest p-value of a module, and of a unit that counts as spatial."""
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Largest expected share of false discoveries among the units that count."""
    space: bool = True
    """Test neural distance, path invariance and path integration, also beyond what was trained."""
    space_arenas: Annotated[tuple[SidesOver, ...], Field(max_length=100)] = (1.5, 2.0, 3.0)
    """Further arenas of the test of space, in sides of the trained square; steps as in training."""
    space_walks: Annotated[tuple[WalkName, ...], Field(max_length=100)] = (
        "uniform",
        "slow",
        "straight",
    )
    """Further walks of the test of space; `rat` needs RatInABox."""
    space_steps: tuple[Count, Count] = (1000, 1000)
    """Steps of path integration in the test of space: in each condition, and for the first walk."""
    history: bool = True
    """Also map the snapshots of the training, for the explorer and films."""
    theory: bool = True
    """Also measure state space, topology, dynamics, mechanism and coding properties."""
    shuffles: Annotated[int, Field(ge=19, le=10**6)] = 39
    """Shuffles for the topology of each population, at most; p is 1 / (1 + shuffles) or more."""
    seed: Seed = 0
    """Seed of the walks."""

    @model_validator(mode="after")
    def _maps_can_be_held(self) -> "EvaluationConfig":
        for arena in self.arenas_m:
            bins = arena / self.bin_size_m
            if bins > MOST_BINS:
                raise ValueError(
                    f"an arena of {arena:g} m has {bins:.4g} bins of {self.bin_size_m:g} m a side: "
                    f"up to {MOST_BINS} are mapped"
                )
            if self.samples_per_bin * bins**2 > MOST_SAMPLES:
                raise ValueError(
                    f"{self.samples_per_bin:g} samples in each of {bins:.4g} x {bins:.4g} bins are "
                    f"more than can be held: lower evaluation.samples_per_bin"
                )
        return self


# What the configuration of a baseline says beside its own settings and those of the evaluation.
OF_BASELINES = {"world": ("max_velocity_m",), "model": ("units",), "training": ("steps", "seed")}


class Config(Section):
    """Everything that determines a run."""

    world: WorldConfig = WorldConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    baseline: dict[str, bool | int | float | str | tuple[float, ...]] = {}
    """Of another model: its `name` and settings (`gridcode baseline`); empty for a network."""

    @model_serializer(mode="wrap")
    def _only_what_counts(self, handler: Callable[["Config"], dict[str, Any]]) -> dict[str, Any]:
        """Without settings that mean nothing to a baseline, or without `baseline`."""
        data = handler(self)
        if not self.baseline:
            data.pop("baseline", None)
            return data
        data.pop("loss", None)
        for section, names in OF_BASELINES.items():
            if section in data:
                data[section] = {k: v for k, v in data[section].items() if k in names}
        return data

    @model_validator(mode="after")
    def _baselines_have_a_floor(self) -> "Config":
        if self.baseline and self.world.dimensions != 2:
            raise ValueError("baselines live in two dimensions: world.dimensions must be 2")
        return self

    @model_validator(mode="after")
    def _stages_fit(self) -> "Config":
        training = self.training
        if training.separate_steps and not self.model.populations:
            raise ValueError(
                "training.separate_steps needs model.populations, such as [64, 64, 64]"
            )
        if (
            self.world.joint_steps or self.world.joint_trajectories
        ) and not training.separate_steps:
            raise ValueError(
                "world.joint_steps and world.joint_trajectories are for a second stage: "
                "set training.separate_steps"
            )
        if training.separate_steps > training.steps:
            raise ValueError(
                f"training.separate_steps ({training.separate_steps}) must not exceed "
                f"training.steps ({training.steps})"
            )
        return self

    def __repr__(self) -> str:
        model, world, training = self.model, self.world, self.training
        if self.baseline:
            name = self.baseline["name"]
            return f"Config(baseline {name}, seed {training.seed}, hash {self.content_hash})"
        sizes = f" ({' + '.join(map(str, model.populations))})" if model.populations else ""
        where = "" if world.dimensions == 2 else f" in {world.dimensions}-D"
        return (
            f"Config({model.units} units{sizes}{where}, T={world.steps}, B={world.trajectories}, "
            f"{training.steps} steps, seed {training.seed}, hash {self.content_hash})"
        )

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        default = Config().settings
        own = self.settings.items()
        changed = {key: value for key, value in own if default.get(key) != value}
        return display.table(f"{self!r}; what differs from the defaults:", changed)

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by dotted key, such as `loss.sigma_g`, ready for JSON."""
        return {
            f"{section}.{key}": value
            for section, fields in self.model_dump(mode="json").items()
            for key, value in fields.items()
        }

    @property
    def network_loss(self) -> LossConfig | None:
        """The losses that the model was trained with; None for a baseline, which has others."""
        return None if self.baseline else self.loss

    @property
    def content_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the configuration."""
        return _hash(self.model_dump(mode="json"))

    @property
    def training_hash(self) -> str:
        """The same of the settings that determine the weights (no evaluation, no snapshots)."""
        return _hash(
            self.model_dump(mode="json", exclude={"evaluation": True, "training": {"snapshots"}})
        )

    def to_toml(self) -> str:
        """The configuration as TOML text that `from_toml` reads back to an equal object."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_toml(cls, text: str, *, source: str = "configuration") -> "Config":
        """Parse TOML text; fields left out take their defaults.

        Raises:
            InputError: not TOML, an unknown key, a wrong type, a value out of range; one line that
                names it.
        """
        with reading(f"{source} is not valid TOML"):
            data = tomllib.loads(text)
        return _validated(cls, data, source)

    def override(self, changes: Mapping[str, Any]) -> "Config":
        """A copy with changed fields.

        Args:
            changes: values by dotted key ("training.steps") or by the field's own name where only
                one section has it ("units"); text is read as it would be in TOML or on the command
                line.

        Raises:
            InputError: an unknown or ambiguous key, or a bad value.
        """
        data = self.model_dump(mode="json")
        changed = {locate(key): parse_value(value) for key, value in changes.items()}
        for (section, field), value in changed.items():
            if self.baseline and section != "evaluation":
                raise InputError(f"{section}.{field} is no setting of a baseline")
            data[section][field] = value
        if changed.get(("model", "populations")) and ("model", "units") not in changed:
            del data["model"]["units"]  # their sum
        if changed.get(("model", "populations")) == []:  # one population has one stage
            one = {
                ("training", "separate_steps"): 0,
                ("world", "joint_steps"): 0,
                ("world", "joint_trajectories"): 0,
            }
            for (section, field), value in one.items():
                data[section][field] = changed.get((section, field), value)
        return _validated(type(self), data, "override")


def _hash(data: dict[str, Any]) -> str:
    # The number of dimensions became a setting later: worlds of two keep the hash that they had.
    if data["world"].get("dimensions") == 2:
        data = {**data, "world": {k: v for k, v in data["world"].items() if k != "dimensions"}}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def fields() -> dict[str, Any]:
    """Every field of the configuration, as pydantic describes it, by its dotted key, in order."""
    found = {}
    for section, info in Config.model_fields.items():
        model = info.annotation
        if section == "baseline":  # each has settings of another kind
            continue
        assert isinstance(model, type) and issubclass(model, BaseModel)
        found.update({f"{section}.{name}": field for name, field in model.model_fields.items()})
    return found


def locate(key: str) -> tuple[str, str]:
    """Section and name of a field, from its dotted key or from an unambiguous name.

    Raises:
        InputError: no such field (with the nearest one), or several.
    """
    key = key.replace("-", "_")
    known = list(fields())
    matches = [k for k in known if k == key]
    if not matches and "." not in key:
        matches = [k for k in known if k.split(".")[1] == key]
    if key in ("seed", "steps"):  # `--seed` and `--steps` are those of training.
        matches = [f"training.{key}"]
    if not matches:
        raise InputError(_unknown(key))
    if len(matches) > 1:
        raise InputError(f"'{key}' is ambiguous: write {' or '.join(matches)}")
    section, field = matches[0].split(".")
    return section, field


def _unknown(key: str) -> str:
    known = list(fields())
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:  # Compare the names alone: the section may be wrong or missing.
        names = {
            k.split(".")[1]: k
            for k in reversed(known)
            if k not in ("evaluation.seed", "world.steps")
        }
        near = [
            names[n] for n in difflib.get_close_matches(key.split(".")[-1], names, n=1, cutoff=0.6)
        ]
    return f"unknown setting '{key}'" + (
        f"; did you mean '{near[0]}'?" if near else "; `gridcode presets --fields` lists them all"
    )


def parse_value(value: Any) -> Any:
    """Text read as TOML: numbers, true/false, [lists]; everything else stays as it is."""
    if isinstance(value, str):
        try:
            return tomllib.loads(f"x = {value}")["x"]
        except (ValueError, RecursionError):  # no TOML; thousands of digits; lists in lists in ...
            return value
    return value


def _validated(model: type[ConfigType], data: Mapping[str, Any], source: str) -> ConfigType:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"{source}: {_unknown(key)}") from None
        message = first["msg"].removeprefix("Value error, ")
        at = f"{key}: " if key and first["type"] != "value_error" else ""
        got = (
            "" if first["type"] in ("value_error", "missing") else f", got {_short(first['input'])}"
        )
        raise InputError(f"{source}: {at}{message}{got}") from None


def _short(value: Any) -> str:
    """A value in a few words, however long or deep it is."""
    try:
        return reprlib.repr(value)
    except (ValueError, RecursionError):  # Python does not write numbers of thousands of digits
        return f"a {type(value).__name__} too long to show"


def preset_names() -> list[str]:
    """Names of the presets in the package."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files("gridcode.presets").iterdir()
        if p.name.endswith(".toml")
    )


def preset_summary(name: str) -> str:
    """The purpose of a preset: the comment at the top of its file, on one line."""
    lines = _preset_text(name).splitlines()
    head = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    return " ".join(line.lstrip("# ") for line in head)


def _preset_text(name: str) -> str:
    return resources.files("gridcode.presets").joinpath(f"{name}.toml").read_text(encoding="utf-8")


def load_config(name: str | os.PathLike[str]) -> Config:
    """A preset by name, or a configuration from a TOML file.

    Raises:
        InputError: no such preset or file, or not a valid configuration.
    """
    presets = preset_names()
    if str(name) in presets:
        return Config.from_toml(_preset_text(str(name)), source=f"preset {name}")
    path = Path(name)
    if is_there(path) and path.is_file():
        with reading(f"cannot read {path}"):
            text = path.read_text(encoding="utf-8")
        return Config.from_toml(text, source=str(path))
    near = difflib.get_close_matches(str(name), presets, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else f"; presets are {', '.join(presets)}"
    raise InputError(f"'{name}' is neither a preset nor a file{hint}")
