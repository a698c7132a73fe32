"""The run folder: the only file that knows file names.

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
    report.html              all results on one self-contained page
    figures/                 its figures as PNG and PDF
    film.gif                 the film of the training, if it was made

A run can be moved, zipped and mailed: nothing in it is an absolute path.
"""

import bisect
import contextlib
import functools
import hashlib
import json
import math
import os
import platform
import re
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import xarray as xr

from gridcode import display
from gridcode.analysis import text
from gridcode.analysis.records import OriginRecord, Summary
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.reading import UNREADABLE, is_there, reading
from gridcode.runs.files import one_line_errors, reason, write_atomically
from gridcode.runs.provenance import PartNames, check_parts, check_training, describe, read_header
from gridcode.version import __version__

CHECKPOINTS_KEPT = 2
ENGINE: Literal["h5netcdf"] = "h5netcdf"
# What killed trainings leave of the files in the run folder itself.
TRAININGS_PARTS = tuple(f".{name}.*.part" for name in ("manifest.json", "metrics.jsonl"))
# Values of the manifest that are used, where they are there; the others are only shown.
MANIFEST_TYPES: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "finished": bool,
    "wall_seconds": (int, float),
    "cpu_seconds": (int, float),
    "git_commit": (str, NoneType),
    "parts": dict,
}
# In figures/: the SHA-256 of the summary that they show.
STAMP = "evaluation.sha256"
# Correlations need four digits, not seven: scaled 16-bit integers make the file five times smaller.
ENCODING: dict[str, dict[str, Any]] = {
    "rate": {"zlib": True, "complevel": 4, "shuffle": True},
    "autocorrelogram": {
        "dtype": "int16",
        "scale_factor": 1 / 32000,
        "_FillValue": -32768,
        "zlib": True,
        "complevel": 4,
        "shuffle": True,
    },
}


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
        try:
            data = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            why = reason(error) if isinstance(error, OSError) else error
            raise InputError(f"manifest.json is damaged ({why})") from None
        if not isinstance(data, dict):
            raise InputError("manifest.json is damaged (it holds no table of values)")
        for name, kinds in MANIFEST_TYPES.items():
            if name in data and not _is_a(data[name], kinds):
                raise InputError(f"manifest.json is damaged ({name} = {data[name]!r:.40})")
        for kind, names in data.get("parts", {}).items():
            if not isinstance(names, dict) or not isinstance(names.get("name"), str):
                raise InputError(f"manifest.json is damaged (parts.{kind} has no name)")
        return data

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
            "git_commit": _git_commit(),
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
            data = self.metrics_path.read_bytes()
        except OSError as error:
            warnings.warn(f"cannot read {self.metrics_path}: {reason(error)}", stacklevel=1)
            return []
        lines = data.split(b"\n")
        whole = [line for line in lines[:-1] if line.strip()]
        rows = [row for row in map(logged_row, whole) if row is not None]
        rows = _ascending(rows)
        dropped = len(whole) - len(rows)
        # A last line without its end is a kill's; with all of its brackets it is whole.
        last = logged_row(lines[-1])
        if last is not None and (not rows or last["step"] > rows[-1]["step"]):
            rows.append(last)
        if dropped:
            lines_are = "1 damaged line is" if dropped == 1 else f"{dropped} damaged lines are"
            warnings.warn(f"{self.metrics_path}: {lines_are} left out", stacklevel=1)
        return rows

    def rewind_metrics(self, step: int) -> None:
        """Drop lines after a step: a resumed training writes them again."""
        rows = [row for row in self.metrics() if row["step"] <= step]
        if self.metrics_path.exists():
            write_atomically(self.metrics_path, "".join(json.dumps(row) + "\n" for row in rows))

    # -- evaluation ------------------------------

    def write_evaluation(
        self, summary: Summary, maps: xr.DataTree, theory: xr.DataTree | None = None
    ) -> None:
        """Save an evaluation, whole or not at all.

        New arrays wait beside the old ones until the new summary is in its place. After a kill they
        are put in place by the next reader (`_settle`).
        """
        (self.folder / "evaluation").mkdir(exist_ok=True)
        arrays = {self.ratemaps_path: maps, self.theory_path: theory}
        for path in arrays:
            _waiting(path).unlink(missing_ok=True)
        try:
            for path, tree in arrays.items():
                if tree is not None:
                    _write_tree(_waiting(path), tree)
            write_atomically(self.summary_path, summary.to_json())
        except OSError:  # They would take the room of a full disk.
            for path in arrays:
                _waiting(path).unlink(missing_ok=True)
            raise
        self._settle(summary)
        if theory is None:
            self.theory_path.unlink(missing_ok=True)

    def _settle(self, summary: Summary) -> None:
        """Put arrays that wait in their place if they are of this summary's evaluation."""
        for path in (self.ratemaps_path, self.theory_path):
            waiting = _waiting(path)
            # Nothing is lost where this fails: the next reader tries again.
            if waiting.is_file() and _evaluation_in(waiting) == _evaluation_of(summary):
                with contextlib.suppress(OSError):
                    waiting.replace(path)

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
        with one_line_errors(f"cannot read {self.summary_path}"):
            summary = _summary_at(self.summary_path, *_changed(self.summary_path))
        self._settle(summary)
        return summary

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
        with _reading(self.theory_path), xr.open_datatree(self.theory_path, engine=ENGINE) as tree:
            tree.load()
        self._check_one_evaluation(self.theory_path, tree.attrs)
        return tree

    def _check_one_evaluation(self, path: Path, attributes: Mapping[Any, Any]) -> None:
        """Check that arrays are of the evaluation whose summary is in the run.

        Raises:
            InputError: they are not.
        """
        try:
            summary = self.read_summary()
        except InputError:
            return  # Arrays are not lost where their summary is damaged.
        if summary is not None and _id_in(attributes) != _evaluation_of(summary):
            raise InputError(
                f"{path.name} and summary.json are of different evaluations; "
                f"run `gridcode evaluate {self.folder}` again"
            )

    @property
    def history_path(self) -> Path:
        """Maps over training."""
        return self.folder / "evaluation" / "history.nc"

    def write_history(self, history: xr.Dataset) -> None:
        """Save the maps of the snapshots, replaced as a whole."""
        self.history_path.parent.mkdir(exist_ok=True)
        _write_tree(self.history_path, xr.DataTree.from_dict({"/history": history}))

    def read_history(self) -> xr.Dataset | None:
        """Maps of the snapshots as `write_history` saved them, None where there are none.

        Raises:
            InputError: the file is damaged.
        """
        if not self.history_path.is_file():
            return None
        with (
            _reading(self.history_path),
            xr.open_dataset(self.history_path, group="history", engine=ENGINE) as data,
        ):
            needed = {"step", "rate", "minmax", "silent"}
            if "arena_m" not in data.attrs or not needed <= set(data.variables):
                raise ValueError("it lacks parts")
            data.load()
        return data

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
        with (
            reading(f"no maps '{group}' in {self.ratemaps_path}"),
            xr.open_dataset(self.ratemaps_path, group=group, engine=ENGINE) as data,
        ):
            self._check_one_evaluation(self.ratemaps_path, data.attrs)
            return (data if names is None else data[list(names)]).load()

    def read_evaluation(self) -> tuple[Summary, xr.DataTree]:
        """Summary and maps as `write_evaluation` saved them.

        Raises:
            InputError: the run has not been evaluated, or its files are damaged or of two
                evaluations.
        """
        summary = self.read_summary()
        if summary is None or not self.ratemaps_path.is_file():
            raise self._not_evaluated()
        with (
            _reading(self.ratemaps_path),
            xr.open_datatree(self.ratemaps_path, engine=ENGINE) as tree,
        ):
            tree.load()
        self._check_one_evaluation(self.ratemaps_path, tree.attrs)
        return summary, tree

    def _not_evaluated(self) -> InputError:
        return InputError(
            f"'{self.folder}' has not been evaluated; run `gridcode evaluate {self.folder}`"
        )

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

    def write_report(
        self, page: str, pictures: Mapping[str, bytes], documents: Mapping[str, bytes] | None = None
    ) -> None:
        """Save the page and its pictures, each replaced as a whole.

        Args:
            page: the HTML.
            pictures: PNG bytes by name.
            documents: PDF bytes by name.
        """
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        (folder / STAMP).unlink(missing_ok=True)
        for suffix, files in (("png", pictures), ("pdf", documents or {})):
            for name, data in files.items():
                write_atomically(folder / f"{name}.{suffix}", data)
        write_atomically(folder / STAMP, self._summary_digest() + "\n")
        write_atomically(self.report_path, page)

    def figures_are_current(self) -> bool:
        """Whether the pictures show the run's present evaluation."""
        # A digest, not a date: it survives copying the folder.
        try:
            stamp = (self.folder / "figures" / STAMP).read_bytes().decode(errors="replace")
            return stamp.strip() == self._summary_digest()
        except OSError:
            return False

    def _summary_digest(self) -> str:
        return hashlib.sha256(self.summary_path.read_bytes()).hexdigest()

    # -- one trainer at a time ------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for training; the lock ends with the process.

        Raises:
            InputError: another process is training this run.
        """
        try:
            import fcntl
        except ImportError:  # Windows has no flock: the user must avoid two trainings of one run.
            yield
            return
        with open(self.folder / ".lock", "w") as file:
            # The explorer takes the lock for some microseconds to see whether a training holds it:
            # try again before reporting a training.
            for left in (2, 1, 0):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if not left:
                        raise InputError(f"another process is training '{self.folder}'") from None
                    time.sleep(0.02)
            yield


def _reading(name: str | Path) -> contextlib.AbstractContextManager[None]:
    """For files that an evaluation wrote."""
    what = f"cannot read {name}, which may be damaged"
    return reading(what, remedy="run `gridcode evaluate` again")


def _waiting(path: Path) -> Path:
    """Where a file of a new evaluation waits for its summary."""
    return path.with_name(f".{path.name}.new")


def _evaluation_of(summary: Summary) -> str | None:
    return summary.origin.evaluation if summary.origin else None


def _id_in(attributes: Mapping[Any, Any]) -> str | None:
    """The id of the evaluation in the attributes of its arrays."""
    origin = OriginRecord.from_attributes(attributes)
    return origin.evaluation if origin else None


def _evaluation_in(path: Path) -> str | None:
    """The id of the evaluation that a NetCDF file is of."""
    try:
        with xr.open_dataset(path, engine=ENGINE) as data:
            return _id_in(data.attrs)
    except UNREADABLE:
        return None


def _changed(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


# Parsing the summary of a large network takes a tenth of a second, and its arrays are compared with
# it whenever some are read.
@functools.lru_cache(16)
def _summary_at(path: Path, *_changed: int) -> Summary:
    return Summary.from_json(path.read_bytes())


def logged_row(line: bytes) -> dict[str, Any] | None:
    """A line of metrics as a step and numbers; None where it is damaged or something else.

    A value that is missing or not finite is left out.
    """
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError.
        return None
    if not isinstance(row, dict) or not _is_a(row.get("step"), int) or not 0 <= row["step"] < 2**63:
        return None
    if not all(value is None or _is_a(value, (int, float)) for value in row.values()):
        return None
    return {name: value for name, value in row.items() if _is_finite(value)}


def _is_a(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Whether a value from JSON is of a kind; true and false are no numbers."""
    return isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))


def _is_finite(value: float | None) -> bool:
    try:
        return value is not None and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _ascending(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The most rows whose steps ascend: a step with a wrong digit costs its own line only."""
    # Longest increasing subsequence: the last row of the best chain of each length, and before it.
    ends: list[int] = []
    steps: list[int] = []
    before: list[int | None] = []
    for number, row in enumerate(rows):
        length = bisect.bisect_left(steps, row["step"])
        before.append(ends[length - 1] if length else None)
        ends[length : length + 1] = [number]
        steps[length : length + 1] = [row["step"]]
    chain: list[dict[str, Any]] = []
    at = ends[-1] if ends else None
    while at is not None:
        chain.append(rows[at])
        at = before[at]
    return chain[::-1]


def _as_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"


def _write_tree(path: Path, tree: xr.DataTree) -> None:
    encoding = {
        group: {name: ENCODING[name] for name in ENCODING if name in tree[group]}
        for group in tree.groups
        if group != "/"
    }
    # In memory first: HDF5 ends the process with a segmentation fault where the disk fills up.
    data = tree.to_netcdf(engine=ENGINE, format="NETCDF4", encoding=encoding)
    write_atomically(path, bytes(data))


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


@functools.cache
def _git_commit() -> str | None:
    """Commit of the source tree that the package runs from, None for an installed one."""
    source = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", source, "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
        tracked = subprocess.run(
            ["git", "-C", source, "ls-files", "--error-unmatch", Path(__file__).name],
            capture_output=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if tracked.returncode == 0 else None
