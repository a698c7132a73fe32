"""The run folder: the only file that knows file names.

Its files::

    config.toml              the configuration, complete
    manifest.json            version, hash, seed, machine, times
    metrics.jsonl            a line per logged step
    checkpoints/             the last two, safetensors
    snapshots/               weights alone, rounded, at two dozen steps, for films and maps
    evaluation/
        summary.json         scores
        ratemaps.nc          rate maps and autocorrelograms, a group per walk and arena
        theory.nc            arrays behind the figures of state space and mechanism
        history.nc           rate maps of the snapshots
    maps.png                 rate maps before and after the training, of a demo
    report.html              all results on one self-contained page
    figures/                 pictures of the page; with `gridcode report --figures` all figures, as
                             PNG and PDF
    film.gif                 the film of the training, if it was made
    metrics.tfevents.000001  the log for TensorBoard, if it was wanted
    wandb/                   the log for Weights and Biases, if it was wanted

A run can be moved, zipped and mailed: nothing in it is an absolute path.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from gridcode import display
from gridcode.analysis import text
from gridcode.analysis.records import Summary
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.reading import is_there, reading
from gridcode.runs import evaluation_files
from gridcode.runs.files import holding, one_line_errors, reason, write_atomically
from gridcode.runs.provenance import PartNames, check_parts, check_training, describe, read_header
from gridcode.runs.training_log import git_commit, read_log, read_manifest
from gridcode.version import __version__

CHECKPOINTS_KEPT = 2
# What killed trainings leave of the files in the run folder itself.
TRAININGS_PARTS = tuple(f".{name}.*.part" for name in ("manifest.json", "metrics.jsonl"))
# In figures/: the SHA-256 of the summary that they show, then their names.
STAMP = "evaluation.sha256"


class Run:
    """A run folder that exists.

    Args:
        folder: the folder.

    Raises:
        InputError: it is no run folder, or its configuration is damaged.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not is_there(self.folder):
            raise InputError(f"there is no run folder '{self.folder}'")
        path = self.folder / "config.toml"
        if not is_there(path) or not path.is_file():
            raise InputError(f"'{self.folder}' is no run folder: it has no config.toml")
        with reading(f"cannot read {path}"):
            toml = path.read_text(encoding="utf-8")
        self.config = Config.from_toml(toml, source=str(path))

    @classmethod
    def open(cls, run: "Run | str | os.PathLike[str]") -> "Run":
        """A run, or the run in a folder; errors as in `Run`."""
        return run if isinstance(run, Run) else cls(run)

    # -- in a notebook ------------------------------

    def __repr__(self) -> str:
        step, steps = self.manifest.get("step", 0), self.config.training.steps
        state = "trained" if step >= steps else f"step {step} of {steps}"
        if self.summary_path.is_file():
            state = "evaluated"
            with contextlib.suppress(InputError):
                if (summary := self.read_summary()) and self.out_of_date(summary):
                    state = "evaluated, out of date"
        return f"Run('{self.folder}': {self._settings()}, {state})"

    def _settings(self) -> str:
        return f"{self.config.model.units} units, seed {self.config.training.seed}"

    def _repr_html_(self) -> str:
        manifest, rows = self.manifest, self.metrics()
        shown: dict[str, object] = {
            "folder": self.folder,
            "step": f"{manifest.get('step', 0)} of {self.config.training.steps}",
        }
        if rows and "loss" in rows[-1]:
            shown["loss"] = f"{rows[-1]['loss']:.4f}"
        try:
            summary = self.read_summary()
            shown |= {"evaluation": "none yet"} if summary is None else text.rows(summary)
            if summary and (problem := self.out_of_date(summary)):
                shown["evaluation"] = problem
        except InputError as error:
            shown["evaluation"] = str(error)
        return display.table(f"Run, {self._settings()}", shown)

    @classmethod
    def create(
        cls, folder: str | os.PathLike[str], config: Config, *, parts: PartNames | None = None
    ) -> "Run":
        """Make a new run folder.

        Args:
            folder: the folder; new or empty.
            config: the configuration.
            parts: names of the parts that replace the built-in ones.

        Raises:
            InputError: the folder is not empty, or cannot be made.
        """
        folder = Path(folder)
        with one_line_errors(f"cannot make the run folder '{folder}'"):
            if folder.exists() and (
                not folder.is_dir() or any(not _left_over(p) for p in folder.iterdir())
            ):
                hint = (
                    f"resume it with `gridcode train {folder}`"
                    if (folder / "config.toml").is_file()
                    else "it is not empty"
                )
                raise InputError(f"'{folder}' exists already ({hint}); choose another --out")
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            if parts:
                write_atomically(folder / "manifest.json", _as_json({"parts": parts}))
            write_atomically(folder / "config.toml", config.to_toml())
        return cls(folder)

    # -- manifest ------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        """As `read_manifest`; empty where it is damaged, too, with a warning."""
        try:
            return self.read_manifest()
        except InputError as error:
            warnings.warn(f"'{self.folder}': {error}; it is left out", stacklevel=1)
            return {}

    def read_manifest(self) -> dict[str, Any]:
        """Version, seed, machine, times and progress of the training; empty before it starts.

        Raises:
            InputError: the file is damaged.
        """
        return read_manifest(self.folder / "manifest.json")

    def write_manifest(
        self,
        *,
        device: str,
        step: int,
        wall_seconds: float,
        cpu_seconds: float,
        together: int = 1,
        parts: PartNames | None = None,
    ) -> None:
        """Record provenance and progress; times are of all networks that trained together."""
        import torch  # Runs are read without it.

        data: dict[str, Any] = {
            "gridcode": __version__,
            "config_hash": self.config.content_hash,
            "seed": self.config.training.seed,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": device,
            "threads": torch.get_num_threads(),
            "networks_together": together,
            "git_commit": git_commit(),
            "step": step,
            "steps": self.config.training.steps,
            "finished": step >= self.config.training.steps,
            "wall_seconds": round(wall_seconds, 3),
            "cpu_seconds": round(cpu_seconds, 3),
        }
        if parts:
            data["parts"] = parts
        write_atomically(self.folder / "manifest.json", _as_json(data))

    def check_transition(self, transition: Any, call: str) -> None:
        """Check that the run's own transition is given, where it was trained with one.

        Args:
            transition: the transition given, or None.
            call: the function to give it to, for the message.

        Raises:
            InputError: it is missing, or another one.
        """
        manifest = self.manifest
        if not manifest:  # Missing or damaged: weights that do not fit are refused anyway.
            return
        recorded: PartNames = manifest.get("parts", {})
        check_parts(
            {kind: names for kind, names in recorded.items() if kind == "transition"},
            {} if transition is None else {"transition": describe(transition)},
            call,
        )

    def check_plane(self, what: str) -> None:
        """Refuse a run in a world of other than two dimensions.

        Args:
            what: what reads maps of a plane, for the message.

        Raises:
            InputError: its world is a line or a volume.
        """
        dimensions = self.config.world.dimensions
        if dimensions != 2:
            raise InputError(
                f"'{self.folder}' was trained with world.dimensions = {dimensions}: "
                f"{what} needs maps of a plane"
            )

    # -- checkpoints ------------------------------

    def checkpoints(self) -> list[Path]:
        """Checkpoint files, newest first."""
        return [path for _, path in reversed(_files_by_step(self.folder / "checkpoints"))]

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step belongs."""
        return self.folder / "checkpoints" / f"step-{step:08d}.safetensors"

    def prune_checkpoints(self) -> None:
        """Delete all but the newest checkpoints."""
        for path in self.checkpoints()[CHECKPOINTS_KEPT:]:
            path.unlink(missing_ok=True)

    def prepare_training(self) -> None:
        """Make the folder of checkpoints if it is missing, and delete what killed trainings left.

        Only the process that holds the `lock` may call it: it deletes files that are being written.

        Raises:
            OSError: the folder cannot be written.
        """
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        for pattern in ("checkpoints/.*.part", "snapshots/.*.part", *TRAININGS_PARTS):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    # -- snapshots ------------------------------

    def snapshots(self) -> list[tuple[int, Path]]:
        """Steps whose weights were kept, with their files, from the first to the last."""
        return _files_by_step(self.folder / "snapshots")

    def snapshot_path(self, step: int) -> Path:
        """Where the weights of a step belong."""
        return self.folder / "snapshots" / f"step-{step:08d}.safetensors"

    # -- metrics ------------------------------

    @property
    def metrics_path(self) -> Path:
        """The metrics file."""
        return self.folder / "metrics.jsonl"

    def metrics(self) -> list[dict[str, Any]]:
        """Logged lines in order of their steps.

        Damaged lines are left out, with a warning that says how many. A last line that was cut
        short by a kill, or is being written, is left out without one. A value that is not finite
        is left out of its line.
        """
        if not self.metrics_path.is_file():
            return []
        try:
            rows, damaged = read_log(self.metrics_path)
        except OSError as error:
            warnings.warn(f"cannot read {self.metrics_path}: {reason(error)}", stacklevel=1)
            return []
        if damaged:
            lines_are = "1 damaged line is" if damaged == 1 else f"{damaged} damaged lines are"
            warnings.warn(f"{self.metrics_path}: {lines_are} left out", stacklevel=1)
        return rows

    def rewind_metrics(self, step: int) -> None:
        """Drop lines after a step: a resumed training writes them again."""
        rows = [row for row in self.metrics() if row["step"] <= step]
        if self.metrics_path.exists():
            write_atomically(self.metrics_path, "".join(json.dumps(row) + "\n" for row in rows))

    # -- logs for other programs ------------------------------

    def event_files(self) -> list[tuple[int, Path]]:
        """TensorBoard's event files with their numbers, in order."""
        found = (
            (re.fullmatch(r"metrics\.tfevents\.(\d+)", path.name), path)
            for path in self.folder.glob("metrics.tfevents.*")
        )
        return sorted((int(match[1]), path) for match, path in found if match)

    def event_path(self, number: int) -> Path:
        """Where an event file belongs: TensorBoard reads them in the order of their names."""
        return self.folder / f"metrics.tfevents.{number:06d}"

    @property
    def wandb_folder(self) -> Path:
        """Where Weights and Biases keeps its files."""
        return self.folder / "wandb"

    # -- evaluation ------------------------------

    def write_evaluation(
        self, summary: Summary, maps: xr.DataTree, theory: xr.DataTree | None = None
    ) -> None:
        """Save an evaluation, whole or not at all."""
        arrays = {self.ratemaps_path: maps, self.theory_path: theory}
        evaluation_files.write_evaluation(self.summary_path, summary, arrays)

    @property
    def summary_path(self) -> Path:
        """The scores."""
        return self.folder / "evaluation" / "summary.json"

    def read_summary(self) -> Summary | None:
        """The results of the evaluation, None where the run has not been evaluated.

        Raises:
            InputError: the file is damaged, or of another version.
        """
        if not self.summary_path.is_file():
            return None
        summary = evaluation_files.read_summary(self.summary_path)
        evaluation_files.settle(summary, (self.ratemaps_path, self.theory_path))
        return summary

    def _summary_if_intact(self) -> Summary | None:
        """The summary, None where it is damaged: arrays are shown without it, too."""
        try:
            return self.read_summary()
        except InputError:
            return None

    def snapshots_digest(self) -> str:
        """First 16 hex digits of the SHA-256 of what the snapshots say of their weights."""
        told = [read_header(path) for _, path in self.snapshots()]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def newest_weights(self) -> dict[str, str]:
        """`step`, `weights` (a digest) and `training_hash` of the newest checkpoint.

        Empty without a checkpoint that can be read.
        """
        return next((found for path in self.checkpoints() if (found := read_header(path))), {})

    def out_of_date(self, summary: Summary) -> str | None:
        """Why an evaluation is not of the run's newest weights, in one line; None where it is.

        Args:
            summary: the evaluation.

        Raises:
            InputError: the evaluation or the newest checkpoint is of another training than the
                run's configuration describes.
        """
        origin, newest = summary.origin, self.newest_weights()
        check_training("the newest checkpoint", newest, self.config.training_hash)
        if origin is None:
            return None
        check_training(
            "the evaluation", {"training_hash": origin.training_hash}, self.config.training_hash
        )
        if newest.get("weights", origin.weights) == origin.weights:
            return None
        step = int(newest["step"])
        now = f"trained to step {step:,}" if step != origin.step else "of other weights by now"
        return (
            f"evaluated at step {origin.step:,} of {origin.steps:,}, but {now}: out of date; "
            "run `gridcode evaluate` again"
        )

    @property
    def ratemaps_path(self) -> Path:
        """The rate maps."""
        return self.folder / "evaluation" / "ratemaps.nc"

    @property
    def theory_path(self) -> Path:
        """The arrays behind the figures of state space and mechanism."""
        return self.folder / "evaluation" / "theory.nc"

    def read_theory(self) -> xr.DataTree | None:
        """Arrays of state space and mechanism, None where the evaluation left them out.

        Raises:
            InputError: the file is damaged, or of another evaluation than the summary.
        """
        summary = self.read_summary()
        if summary is None or not summary.theory or not self.theory_path.is_file():
            return None
        return evaluation_files.read_tree(self.theory_path, summary)

    @property
    def history_path(self) -> Path:
        """Maps over training."""
        return self.folder / "evaluation" / "history.nc"

    def write_history(self, history: xr.Dataset) -> None:
        """Save the maps of the snapshots, replaced as a whole."""
        evaluation_files.write_history(self.history_path, history)

    def read_history(self) -> xr.Dataset | None:
        """Maps of the snapshots as `write_history` saved them, None where there are none.

        Raises:
            InputError: the file is damaged.
        """
        if not self.history_path.is_file():
            return None
        return evaluation_files.read_history(self.history_path)

    def map_groups(self) -> list[str]:
        """Walks and arenas that there are rate maps of; none where the run has no such file.

        Raises:
            InputError: the file is damaged.
        """
        if not self.ratemaps_path.is_file():
            return []
        return evaluation_files.groups_in(self.ratemaps_path)

    def read_maps(self, group: str, names: Sequence[str] | None = None) -> xr.Dataset:
        """One group of rate maps, without reading the others.

        Args:
            group: a walk and an arena, such as `smooth_4m`.
            names: variables to read; None reads all.

        Raises:
            InputError: not evaluated, no such group, damaged, or of another evaluation than the
                summary.
        """
        if not self.ratemaps_path.is_file():
            raise self._not_evaluated()
        summary = self._summary_if_intact()
        return evaluation_files.read_group(self.ratemaps_path, group, names, summary)

    def read_evaluation(self) -> tuple[Summary, xr.DataTree]:
        """Summary and maps as `write_evaluation` saved them.

        Raises:
            InputError: the run has not been evaluated, or its files are damaged or of two
                evaluations.
        """
        summary = self.evaluated()
        return summary, evaluation_files.read_tree(self.ratemaps_path, summary)

    def evaluated(self) -> Summary:
        """The summary of an evaluation whose maps are there.

        Raises:
            InputError: the run has not been evaluated, or the summary is damaged.
        """
        summary = self.read_summary()
        if summary is None or not self.ratemaps_path.is_file():
            raise self._not_evaluated()
        return summary

    def _not_evaluated(self) -> InputError:
        return InputError(
            f"'{self.folder}' has not been evaluated; run `gridcode evaluate {self.folder}`"
        )

    @property
    def maps_picture_path(self) -> Path:
        """Rate maps of the network in training, see `gridcode.api.first_maps`."""
        return self.folder / "maps.png"

    @property
    def film_path(self) -> Path:
        """The film of the training."""
        return self.folder / "film.gif"

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def warn_if_out_of_date(self, summary: Summary) -> None:
        """Warn of an evaluation that is not of the newest weights; errors as in `out_of_date`."""
        if problem := self.out_of_date(summary):
            warnings.warn(f"'{self.folder}': {problem}", stacklevel=3)

    @property
    def figures_folder(self) -> Path:
        """Where figures are."""
        return self.folder / "figures"

    def write_report(self, page: str, files: Mapping[str, bytes]) -> None:
        """Save the page and figures, each replaced as a whole.

        Figures that an earlier report left are deleted where they show another evaluation.

        Args:
            page: the HTML.
            files: PNG or PDF bytes of figures by file name.
        """
        folder = self.figures_folder
        folder.mkdir(exist_ok=True)
        digest, listed = self._stamp()
        (folder / STAMP).unlink(missing_ok=True)
        kept = listed if digest == self._summary_digest() else set()
        for name in listed - kept - files.keys():
            (folder / name).unlink(missing_ok=True)
        for name, data in files.items():
            write_atomically(folder / name, data)
        stamp = [self._summary_digest(), *sorted(kept | files.keys())]
        write_atomically(folder / STAMP, "\n".join(stamp) + "\n")
        write_atomically(self.report_path, page)

    def figure_is_current(self, name: str) -> bool:
        """Whether a file of a figure is there and shows the run's present evaluation."""
        digest, listed = self._stamp()
        return (
            name in listed
            and (self.figures_folder / name).is_file()
            and digest == self._summary_digest()
        )

    def _stamp(self) -> tuple[str, set[str]]:
        """The digest of the summary that figures show, and the names of their files."""
        # A digest, not a date: it survives copying the folder.
        try:
            digest, *names = (self.figures_folder / STAMP).read_text(errors="replace").split()
        except (OSError, ValueError):
            return "", set()
        return digest, {name for name in names if Path(name).name == name}

    def _summary_digest(self) -> str:
        try:
            return hashlib.sha256(self.summary_path.read_bytes()).hexdigest()
        except OSError:
            return ""

    # -- one trainer at a time ------------------------------

    @contextlib.contextmanager
    def lock(self, file: str = ".lock", what: str = "training") -> Iterator[None]:
        """Hold the run for training, or for something else; the lock ends with the process.

        Args:
            file: the lock's file in the run folder.
            what: what another process does that holds it, for the message.

        Raises:
            HeldError: another process holds the lock.
        """
        with holding(self.folder / file, f"another process is {what} '{self.folder}'"):
            yield


def _as_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _left_over(path: Path) -> bool:
    """Whether a file was left by a process that was killed while it made the folder."""
    return path.name.endswith(".part") or (
        path.name == "checkpoints" and path.is_dir() and not any(path.iterdir())
    )


def _files_by_step(folder: Path) -> list[tuple[int, Path]]:
    """Steps and files of a folder whose file names are those of `Run.checkpoint_path`, in order."""
    found = ((re.fullmatch(r"step-(\d+)\.safetensors", p.name), p) for p in folder.glob("step-*"))
    return sorted((int(match[1]), path) for match, path in found if match)


def checkpoint_step(path: Path) -> int:
    """The step in a checkpoint's file name."""
    return int(path.stem.removeprefix("step-"))
