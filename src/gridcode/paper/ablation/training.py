"""Training the networks of an ablation; one that diverges is a result, and the others continue."""

import contextlib
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridcode.config import Config
from gridcode.errors import InputError, TrainingError
from gridcode.paper.ablation.variants import Variant
from gridcode.runs.files import write_atomically
from gridcode.runs.run import Run
from gridcode.training import many
from gridcode.training.loop import train_run
from gridcode.training.many import ManyProgress, open_runs

RUNS, FAILURES = "runs", "failures"


@dataclass(frozen=True)
class AblationRun:
    """One network of an ablation, before it is trained.

    Attributes:
        variant: what is changed in it.
        seed: its seed.
        config: its whole configuration.
    """

    variant: Variant
    seed: int
    config: Config

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.variant.slug}-seed{self.seed}"


@dataclass(frozen=True)
class Trained:
    """The outcome of a training.

    Attributes:
        planned: which network.
        run: its run folder.
        failure: why training did not finish; empty where it did.
        diverged: a loss or gradient was not finite: a result, which is kept.
    """

    planned: AblationRun
    run: Run
    failure: str = ""
    diverged: bool = False


def plan_runs(
    config: Config, *, variants: Sequence[Variant], seeds: Sequence[int]
) -> list[AblationRun]:
    """Every variant with every seed, variant by variant.

    Raises:
        InputError: no seeds, one twice, or a variant that does not go with the other settings.
    """
    if not seeds:
        raise InputError("give at least one seed")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"a seed is given twice: {', '.join(map(str, seeds))}")
    return [
        AblationRun(v, int(seed), config.override({**v.overrides, "training.seed": int(seed)}))
        for v in variants
        for seed in seeds
    ]


def train_ablation(
    planned: Sequence[AblationRun],
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Callable[[ManyProgress], None] | None = None,
) -> list[Trained]:
    """Train or resume all networks; a training that is known to diverge is not repeated.

    Args:
        planned: the networks.
        folder: of the ablation; run folders are in its `runs`.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        progress: called now and then.

    Raises:
        InputError: a folder holds a run with other settings, or a device is not there.
    """
    runs = open_runs({p.name: p.config for p in planned}, folder / RUNS)
    failures = [_known_failure(folder, p) for p in planned]
    todo = [run for run, failure in zip(runs, failures, strict=True) if not failure]
    # Failed networks are named once all others have finished; each is then tried again alone, to
    # learn why.
    with contextlib.suppress(TrainingError):
        many.train_many(todo, jobs=jobs, progress=progress)
    return [
        Trained(one, run, failure, diverged=True) if failure else _outcome(one, run, folder)
        for one, run, failure in zip(planned, runs, failures, strict=True)
    ]


def _outcome(planned: AblationRun, run: Run, folder: Path) -> Trained:
    if run.manifest.get("finished"):
        return Trained(planned, run)
    try:
        # From its last checkpoint: steps repeat bit for bit, and so does the failure.
        train_run(run)
    except (TrainingError, InputError) as error:
        text = str(error).replace(str(run.folder), run.folder.name)
        diverged = isinstance(error, TrainingError) and "not finite" in text
        if diverged:
            _keep_failure(folder, planned, text)
        else:
            warnings.warn(f"{planned.name}: {text}", stacklevel=2)
        return Trained(planned, run, text, diverged=diverged)
    return Trained(planned, run)


def _failure_path(folder: Path, planned: AblationRun) -> Path:
    return folder / FAILURES / f"{planned.name}.json"


def _known_failure(folder: Path, planned: AblationRun) -> str:
    """How the same training diverged before; empty where it did not."""
    try:
        held = json.loads(_failure_path(folder, planned).read_text(encoding="utf-8"))
        return str(held["text"]) if held["training_hash"] == planned.config.training_hash else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _keep_failure(folder: Path, planned: AblationRun, text: str) -> None:
    path = _failure_path(folder, planned)
    held = {"training_hash": planned.config.training_hash, "text": text}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(held, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror or error}") from None
