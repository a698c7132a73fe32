"""The packaged networks: their names, loading one, and unpacking it into a run folder."""

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import ValidationError

from gridcode import display
from gridcode.analysis.evaluate import Evaluation
from gridcode.analysis.records import Record, SettingsRecord
from gridcode.analysis.records.base import Number
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.models.packing import unpack
from gridcode.models.populations import Network, load_into_network
from gridcode.packaged.evaluations import KEPT, unpack_evaluation
from gridcode.runs import snapshots
from gridcode.runs.files import write_atomically
from gridcode.runs.run import Run
from gridcode.training import checkpoint
from gridcode.training.schedule import Plateau
from gridcode.training.step import Snapshot

FORMAT = 1
PACKAGE = Path(__file__).parent


class ModuleScores(Record):
    """One module."""

    n_units: int
    spacing_m: float
    orientation_deg: float
    axis_ratio: float
    p_value: Number


class RelationScores(Record):
    """Whether two modules are commensurate."""

    modules: tuple[int, int]
    verdict: str
    index: int | None


class ErrorScores(Record):
    """Median error of path integration after `steps`, and share of walkers that are lost."""

    steps: int
    median_m: Number
    lost_share: Number


class PathScores(Record):
    """Path integration on one walk."""

    walk: str
    arena_m: float
    errors: tuple[ErrorScores, ...]


class Scores(Record):
    """The few numbers of an evaluation that characterise a network."""

    walk: str
    arena_m: float
    units: int
    active_units: int
    types: dict[str, int]
    n_modules: int
    n_independent_modules: int
    median_grid_score: Number
    modules: tuple[ModuleScores, ...]
    relations: tuple[RelationScores, ...]
    path_integration: PathScores | None
    settings: SettingsRecord


class Details(Record):
    """The JSON file of a packaged network.

    Attributes:
        format: of the file.
        name: of the network.
        command: what trained it.
        seed: of its training.
        exported: date.
        sha256: of the file of weights.
        weights: their digest, as in the summary of an evaluation of them.
        bytes: its size.
        dtype: of the weights in it.
        rank: of the layer behind W(v), None where it is whole.
        rank_error: of that factorisation.
        scores: cell types, modules and path integration with the weights as they are in the file.
        small_scores: of a small arena, to check a network in seconds.
        comparison: scores of the unrounded weights, and how they differ.
        manifest: of the run.
        config: settings of the run that differ from the defaults.
        metrics: a hundred logged lines, by name.
        evaluation: of the file beside it with the evaluation: `sha256`, `bytes`, `largest_change`
            that rounding its maps makes, and the `command` that made it; None without one.
    """

    format: int
    name: str
    command: str
    seed: int
    exported: str
    sha256: str
    weights: str
    bytes: int
    dtype: str
    rank: int | None
    rank_error: float | None
    scores: Scores
    small_scores: dict[str, Any]
    comparison: dict[str, Any]
    manifest: dict[str, Any]
    config: dict[str, Any]
    metrics: dict[str, tuple[float | int | None, ...]]
    evaluation: dict[str, Any] | None = None

    def metric_rows(self) -> list[dict[str, Any]]:
        """The logged lines."""
        values = zip(*self.metrics.values(), strict=True)
        return [dict(zip(self.metrics, row, strict=True)) for row in values]


@dataclass(frozen=True, repr=False, eq=False)
class Pretrained:
    """A trained network that comes with the package.

    Attributes:
        network: the network, float32, on the CPU.
        config: what it was trained on.
        details: what its JSON file holds.
        folder: where its files are.
    """

    network: Network
    config: Config
    details: Details
    folder: Path = PACKAGE

    @property
    def name(self) -> str:
        """Its name."""
        return self.details.name

    @property
    def scores(self) -> Scores:
        """Cell types, modules and path integration of these weights."""
        return self.details.scores

    def __repr__(self) -> str:
        spacings = ", ".join(f"{module.spacing_m:.2f} m" for module in self.scores.modules)
        return (
            f"Pretrained('{self.name}': {self.scores.units} units, modules: {spacings or 'none'}, "
            f"seed {self.details.seed})"
        )

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "units": self.scores.units,
            "modules": display.metres(module.spacing_m for module in self.scores.modules),
            "seed": self.details.seed,
            "trained with": self.details.command,
        }
        return display.table(f"Pretrained '{self.name}'", rows)

    def as_system(
        self,
    ) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Float[np.ndarray, " unit"]]:
        """The network as NumPy arrays, (step function, start state), for `gridcode.analysis`."""
        return self.network.as_system()

    def read_evaluation(self) -> Evaluation | None:
        """The evaluation that comes with it, None without one.

        Its rate maps are those of the headline's arena alone, rounded
        (`gridcode.packaged.evaluations`).

        Raises:
            InputError: its file is damaged, or of another version.
        """
        if self.details.evaluation is None:
            return None
        path = evaluation_path(self.name, self.folder)
        data = _read(path)
        if hashlib.sha256(data).hexdigest() != self.details.evaluation.get("sha256"):
            raise InputError(_damaged(path.name, "it does not match its SHA-256"))
        return unpack_evaluation(data, path.name)

    def unpack(self, out: str | os.PathLike[str], *, evaluated: bool = True) -> Run:
        """Make an ordinary run folder of it; its checkpoint is the end of the training.

        Args:
            out: the folder; new.
            evaluated: with its evaluation, where it comes with one.

        Raises:
            InputError: there is something already, or it cannot be written.
        """
        evaluation = self.read_evaluation() if evaluated else None
        run = Run.create(out, self.config)
        manifest = self.details.manifest | {"pretrained": self.name}
        if evaluation:
            manifest["maps"] = KEPT
        step, weights = int(manifest["step"]), self.network.state_dict()
        snapshot = Snapshot(weights, {}, step, 0, Plateau(), self.config.training_hash)
        times = {name: manifest[name] for name in ("wall_seconds", "cpu_seconds")}
        metrics = "".join(json.dumps(row) + "\n" for row in self.details.metric_rows())
        try:
            write_atomically(run.metrics_path, metrics)
            checkpoint.save(snapshot, run.checkpoint_path(step), extra=times)
            # With its weights as a snapshot the explorer shows maps before an evaluation.
            snapshots.save(
                run.snapshot_path(step), weights, step=step, training_hash=self.config.training_hash
            )
            write_atomically(run.folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
            if evaluation:
                run.write_evaluation(evaluation.summary, evaluation.maps, evaluation.theory)
        except OSError as error:
            raise InputError(f"cannot write to '{run.folder}': {error.strerror or error}") from None
        return run


def pretrained_names(folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of the trained networks in the package, or in another folder of such files."""
    return sorted(
        path.stem
        for path in Path(folder or PACKAGE).glob("*.json")
        if path.with_suffix(".safetensors").is_file()
    )


def details_of(name: str, folder: str | os.PathLike[str] | None = None) -> Details:
    """A network's JSON file; its weights are not read.

    Raises:
        InputError: no such network, or its file is damaged or of another version.
    """
    names = pretrained_names(folder)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        known = f"they are {', '.join(names)}" if names else "there are none"
        hint = f"did you mean '{near[0]}'?" if near else known
        raise InputError(f"there is no pretrained network '{name}'; {hint}")
    try:
        data = json.loads((Path(folder or PACKAGE) / f"{name}.json").read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise InputError(
                f"{name}.json is in format {data['format']}, which this version does not read"
            )
        return Details(**data)
    except ValidationError as error:
        raise InputError(_damaged(f"{name}.json", _first(error))) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(_damaged(f"{name}.json", str(error))) from None


def pretrained(name: str, *, folder: str | os.PathLike[str] | None = None) -> Pretrained:
    """A trained network of the package, ready to use.

    Args:
        name: one of `pretrained_names()`.
        folder: another folder of such files (`tools/export_network.py` writes them).

    Raises:
        InputError: no such network, or its files are damaged.
    """
    details = details_of(name, folder)
    file = f"{name}.safetensors"
    where = Path(folder or PACKAGE)
    try:
        data = (where / file).read_bytes()
        if hashlib.sha256(data).hexdigest() != details.sha256:
            raise InputError(_damaged(file, "it does not match its SHA-256"))
        config = Config.model_validate(details.config)
        network = load_into_network(config.model, unpack(data), dimensions=config.world.dimensions)
        return Pretrained(network, config, details, where)
    except ValidationError as error:
        raise InputError(
            f"{name}.json has settings that this version does not read ({_first(error)})"
        ) from None
    except (OSError, KeyError, RuntimeError) as error:
        raise InputError(_damaged(file, str(error).splitlines()[0])) from None


def evaluation_path(name: str, folder: str | os.PathLike[str] = PACKAGE) -> Path:
    """Where the evaluation of a packaged network belongs."""
    return Path(folder) / f"{name}.evaluation.zip"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(_damaged(path.name, error.strerror or str(error))) from None


def _damaged(file: str, reason: str) -> str:
    return f"{file} is damaged ({reason}); install gridcode again"


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
