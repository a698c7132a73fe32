"""Training the networks of an ablation; one that diverges is a result, and the rest goes on."""

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
class Member:
    """One network of an ablation.

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
    """What became of a training.

    Attributes:
        member: which.
        run: its run folder.
        failure: why it did not come to its end; empty where it did.
        diverged: a loss or gradient was not finite: a result, which is kept.
    """

    member: Member
    run: Run
    failure: str = ""
    diverged: bool = False


def members(config: Config, *, variants: Sequence[Variant], seeds: Sequence[int]) -> list[Member]:
    """Every variant with every seed.

    Raises:
        InputError: no seeds, one twice, or a variant that does not go with the other settings.
    """
    if not seeds:
        raise InputError("give at least one seed")
    if len(set(seeds)) < len(seeds):
        raise InputError(f"a seed is given twice: {', '.join(map(str, seeds))}")
    return [
        Member(v, int(seed), config.override({**v.overrides, "training.seed": int(seed)}))
        for v in variants
        for seed in seeds
    ]


def train_members(
    asked: Sequence[Member],
    folder: Path,
    *,
    jobs: int | None = None,
    progress: Callable[[ManyProgress], None] | None = None,
) -> list[Trained]:
    """Train all, or go on with them; a training that is known to diverge is not repeated.

    Args:
        asked: the networks.
        folder: of the ablation; run folders are in its `runs`.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        progress: called now and then.

    Raises:
        InputError: a folder holds a run with other settings, or a device is not there.
    """
    runs = open_runs({m.name: m.config for m in asked}, folder / RUNS)
    known = {m.name: _known_failure(folder, m) for m in asked}
    todo = [run for run in runs if not known[run.folder.name]]
    # Networks that fail are named once all others are at their end; each then says by itself why.
    with contextlib.suppress(TrainingError):
        many.train_many(todo, jobs=jobs, progress=progress)
    return [
        _outcome(member, run, known[member.name], folder)
        for member, run in zip(asked, runs, strict=True)
    ]


def _outcome(member: Member, run: Run, known: str, folder: Path) -> Trained:
    if known:
        return Trained(member, run, known, diverged=True)
    if run.manifest.get("finished"):
        return Trained(member, run)
    try:
        # From its last checkpoint: steps repeat bit for bit, and so does the failure.
        train_run(run)
    except (TrainingError, InputError) as error:
        text = str(error).replace(str(run.folder), run.folder.name)
        diverged = isinstance(error, TrainingError) and "not finite" in text
        if diverged:
            _keep_failure(folder, member, text)
        else:
            warnings.warn(f"{member.name}: {text}", stacklevel=2)
        return Trained(member, run, text, diverged=diverged)
    return Trained(member, run)


def _failure_path(folder: Path, member: Member) -> Path:
    return folder / FAILURES / f"{member.name}.json"


def _known_failure(folder: Path, member: Member) -> str:
    """How the same training diverged before, or nothing."""
    try:
        held = json.loads(_failure_path(folder, member).read_text(encoding="utf-8"))
        return str(held["text"]) if held["training_hash"] == member.config.training_hash else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _keep_failure(folder: Path, member: Member, text: str) -> None:
    path = _failure_path(folder, member)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(
            path,
            json.dumps({"training_hash": member.config.training_hash, "text": text}, indent=1)
            + "\n",
        )
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror or error}") from None
