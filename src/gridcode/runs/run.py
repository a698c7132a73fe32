"""The run folder: the only file that knows file names.

    config.toml              the configuration, complete
    manifest.json            version, hash, seed, machine, times
    metrics.jsonl            a line per logged step
    checkpoints/             the last two, safetensors
    snapshots/               weights alone, rounded, at two dozen steps of the training: what its
    film is made of evaluation/summary.json  scores evaluation/ratemaps.nc   rate maps and
    autocorrelograms, a group per walk and arena evaluation/theory.nc     what pictures of state
    space and mechanism show evaluation/history.nc    rate maps of the snapshots report.html
    all that was found on one self-contained page figures/                 the same as pictures, PNG
    and PDF film.gif                 the film of the training, where it was asked for

A run can be moved, zipped and mailed: nothing in it is an absolute path.
"""

import contextlib
import errno
import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from gridcode import display
from gridcode.analysis import text
from gridcode.analysis.records import Summary
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.runs.files import write_atomically
from gridcode.version import __version__

CHECKPOINTS_KEPT = 2
# A temporary file older than this belongs to a writer that was killed.
LEFT_OVER_S = 3600.0
# In figures/: the SHA-256 of the summary that they show.
STAMP = "evaluation.sha256"
# Correlations need four digits, not seven: as scaled 16-bit integers the file is a fifth of the
# size.
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
        if not self.folder.exists():
            raise InputError(f"there is no run folder '{self.folder}'")
        path = self.folder / "config.toml"
        if not path.is_file():
            raise InputError(f"'{self.folder}' is no run folder: it has no config.toml")
        try:
            toml = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {path}: {error}") from None
        self.config = Config.from_toml(toml, source=str(path))

    # -- in a notebook ------------------------------

    def __repr__(self) -> str:
        step, steps = self.manifest.get("step", 0), self.config.training.steps
        state = (
            "evaluated"
            if self.summary_path.is_file()
            else "trained"
            if step >= steps
            else f"step {step} of {steps}"
        )
        return f"Run('{self.folder}': {self.config.model.units} units, seed {self.config.training.seed}, {state})"

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
        except InputError as error:
            shown["evaluation"] = str(error)
        return display.table(
            f"Run, {self.config.model.units} units, seed {self.config.training.seed}", shown
        )

    @classmethod
    def create(cls, folder: str | os.PathLike[str], config: Config) -> "Run":
        """Make a new run folder.

        Raises:
            InputError: there is something already, or the folder cannot be made.
        """
        folder = Path(folder)
        try:
            if folder.exists() and (
                not folder.is_dir() or any(not _left_over(p) for p in folder.iterdir())
            ):
                hint = (
                    f"resume it with `gridcode train {folder}`"
                    if (folder / "config.toml").is_file()
                    else "it is not empty"
                )
                raise InputError(f"'{folder}' exists already ({hint}); choose another --out")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "checkpoints").mkdir(exist_ok=True)
            write_atomically(folder / "config.toml", config.to_toml())
        except OSError as error:
            raise InputError(f"cannot make the run folder '{folder}': {error.strerror}") from None
        return cls(folder)

    # -- manifest ------------------------------

    @property
    def manifest(self) -> dict[str, Any]:
        """What is known about how the run was made; empty before the first checkpoint."""
        try:
            data: dict[str, Any] = json.loads(
                (self.folder / "manifest.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def write_manifest(
        self, *, device: str, step: int, wall_seconds: float, cpu_seconds: float, together: int = 1
    ) -> None:
        """Record provenance and progress; times are those of all the networks that trained together."""
        import torch  # Runs are read without it.

        data = {
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
        write_atomically(self.folder / "manifest.json", json.dumps(data, indent=2) + "\n")

    # -- checkpoints ------------------------------

    def checkpoints(self) -> list[Path]:
        """Checkpoint files, newest first."""
        found = (self.folder / "checkpoints").glob("step-*.safetensors")
        return sorted(
            (p for p in found if re.fullmatch(r"step-\d+\.safetensors", p.name)),
            key=checkpoint_step,
            reverse=True,
        )

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step belongs."""
        return self.folder / "checkpoints" / f"step-{step:08d}.safetensors"

    def prune_checkpoints(self) -> None:
        """Delete all but the newest checkpoints, and what killed writers left behind."""
        for path in self.checkpoints()[CHECKPOINTS_KEPT:]:
            path.unlink(missing_ok=True)
        for folder in ("checkpoints", "snapshots"):
            for path in (self.folder / folder).glob(".*.part"):
                path.unlink(missing_ok=True)

    # -- snapshots ------------------------------

    def snapshots(self) -> list[tuple[int, Path]]:
        """Steps whose weights were kept, with their files, from the first to the last."""
        found = (
            (re.fullmatch(r"step-(\d+)\.safetensors", p.name), p)
            for p in (self.folder / "snapshots").glob("step-*.safetensors")
        )
        return sorted((int(match[1]), path) for match, path in found if match)

    def snapshot_path(self, step: int) -> Path:
        """Where the weights of a step belong."""
        return self.folder / "snapshots" / f"step-{step:08d}.safetensors"

    # -- metrics ------------------------------

    @property
    def metrics_path(self) -> Path:
        """The metrics file."""
        return self.folder / "metrics.jsonl"

    def metrics(self) -> list[dict[str, Any]]:
        """Logged lines in order; a last line cut short by a kill is left out."""
        try:
            lines = self.metrics_path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        rows = []
        for line in lines:
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and "step" in row:
                    rows.append(row)
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
        """Save an evaluation; each file is replaced as a whole, the summary last."""
        (self.folder / "evaluation").mkdir(exist_ok=True)
        _write_tree(self.ratemaps_path, maps)
        if theory is None:
            self.theory_path.unlink(missing_ok=True)
        else:
            _write_tree(self.theory_path, theory)
        write_atomically(self.summary_path, summary.to_json())

    @property
    def summary_path(self) -> Path:
        """The scores."""
        return self.folder / "evaluation" / "summary.json"

    def read_summary(self) -> Summary | None:
        """What the evaluation found, None where the run has not been evaluated.

        Raises:
            InputError: the file is damaged, or of another version.
        """
        if not self.summary_path.is_file():
            return None
        try:
            return Summary.from_json(self.summary_path.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {self.summary_path}: {error.strerror}") from None

    @property
    def ratemaps_path(self) -> Path:
        """The rate maps."""
        return self.folder / "evaluation" / "ratemaps.nc"

    @property
    def theory_path(self) -> Path:
        """What pictures of state space and mechanism show."""
        return self.folder / "evaluation" / "theory.nc"

    def read_theory(self) -> xr.DataTree | None:
        """Arrays of state space and mechanism as `write_evaluation` saved them, None where they were left out.

        Raises:
            InputError: the file is damaged.
        """
        if not self.theory_path.is_file():
            return None
        try:
            with xr.open_datatree(self.theory_path, engine="h5netcdf") as tree:
                return tree.load()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.theory_path} is damaged ({error}); run `gridcode evaluate` again"
            ) from None

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
        try:
            with xr.open_dataset(self.history_path, group="history", engine="h5netcdf") as data:
                if "arena_m" not in data.attrs or not {"step", "rate", "minmax", "silent"} <= set(
                    data.variables
                ):
                    raise ValueError("it lacks parts")
                return data.load()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.history_path} is damaged ({error}); run `gridcode evaluate` again"
            ) from None

    def read_maps(self, group: str, names: Sequence[str] | None = None) -> xr.Dataset:
        """One group of rate maps, without reading the others.

        Args:
            group: a walk and an arena, such as `smooth_4m`.
            names: variables to read; None reads all.

        Raises:
            InputError: not evaluated, no such group, or damaged.
        """
        if not self.ratemaps_path.is_file():
            raise InputError(
                f"'{self.folder}' has not been evaluated; run `gridcode evaluate {self.folder}`"
            )
        try:
            with xr.open_dataset(self.ratemaps_path, group=group, engine="h5netcdf") as data:
                return (data if names is None else data[list(names)]).load()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"no maps '{group}' in {self.ratemaps_path} ({str(error).splitlines()[0]})"
            ) from None

    def read_evaluation(self) -> tuple[Summary, xr.DataTree]:
        """Summary and maps as `write_evaluation` saved them.

        Raises:
            InputError: the run has not been evaluated, or its files are damaged.
        """
        summary = self.read_summary()
        if summary is None or not self.ratemaps_path.is_file():
            raise InputError(
                f"'{self.folder}' has not been evaluated; run `gridcode evaluate {self.folder}`"
            )
        try:
            with xr.open_datatree(self.ratemaps_path, engine="h5netcdf") as tree:
                return summary, tree.load()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{self.ratemaps_path} is damaged ({error}); run `gridcode evaluate` again"
            ) from None

    @property
    def film_path(self) -> Path:
        """The film of the training."""
        return self.folder / "film.gif"

    @property
    def report_path(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def write_report(
        self, page: str, pictures: Mapping[str, bytes], documents: Mapping[str, bytes] | None = None
    ) -> None:
        """Save the page and its pictures (PNG bytes by name, and PDF bytes where there are any), each replaced as a whole."""
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        (folder / STAMP).unlink(missing_ok=True)
        for suffix, files in (("png", pictures), ("pdf", documents or {})):
            for name, data in files.items():
                write_atomically(folder / f"{name}.{suffix}", data)
        write_atomically(folder / STAMP, self._summary_digest() + "\n")
        write_atomically(self.report_path, page)

    def figures_are_current(self) -> bool:
        """Whether the pictures are of the evaluation that the run has now, wherever the folder was copied since."""
        try:
            return (self.folder / "figures" / STAMP).read_text(
                encoding="utf-8"
            ).strip() == self._summary_digest()
        except (OSError, UnicodeDecodeError):
            return False

    def _summary_digest(self) -> str:
        return hashlib.sha256(self.summary_path.read_bytes()).hexdigest()

    # -- one trainer at a time ------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for training; the lock goes with the process, however it ends.

        Raises:
            InputError: another process is training this run.
        """
        try:
            import fcntl
        except (
            ImportError
        ):  # Windows has no flock; two trainings of one folder are then the user's to avoid.
            yield
            return
        with open(self.folder / ".lock", "w") as file:
            # The explorer looks at the lock for some microseconds to see who trains; that must not
            # pass for a training.
            for left in (2, 1, 0):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if not left:
                        raise InputError(f"another process is training '{self.folder}'") from None
                    time.sleep(0.02)
            yield


@contextlib.contextmanager
def writing(run: Run) -> Iterator[None]:
    """Whatever keeps a run from being written to is one line.

    Raises:
        InputError: a disk that is full, a folder that is read-only, or the like.
    """
    try:
        yield
    except OSError as error:
        # HDF5 tells of a full disk in the middle of a long text.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or f"errno = {errno.ENOSPC}" in str(
            error
        )
        raise InputError(
            f"cannot write to '{run.folder}': {'the disk is full' if full else error.strerror or str(error).splitlines()[0]}"
        ) from None


def _write_tree(path: Path, tree: xr.DataTree) -> None:
    # Two processes may write the same file, one after the other: each has a temporary one of its
    # own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    for left in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_OVER_S:
                left.unlink()
    try:
        encoding = {
            group: {name: ENCODING[name] for name in ENCODING if name in tree[group]}
            for group in tree.groups
            if group != "/"
        }
        tree.to_netcdf(temporary, engine="h5netcdf", format="NETCDF4", encoding=encoding)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _left_over(path: Path) -> bool:
    """Whether a file is what a run killed while it was being made has left."""
    return path.name.endswith(".part") or (
        path.name == "checkpoints" and path.is_dir() and not any(path.iterdir())
    )


def checkpoint_step(path: Path) -> int:
    """The step in a checkpoint's file name."""
    return int(path.stem.removeprefix("step-"))


@functools.cache
def _git_commit() -> str | None:
    """Commit of the source tree the package runs from, None for an installed one."""
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
