"""All models made, evaluated and compared; stopped at any moment, it goes on with the same call."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray as xr

from gridcode.analysis.records import Summary
from gridcode.api.verbs import evaluate, load_system, train
from gridcode.baselines import load_recipe, making
from gridcode.config import Config, EvaluationConfig, load_config
from gridcode.errors import GridcodeError, InputError
from gridcode.executors.processes import side_by_side
from gridcode.paper.families import shortcomings
from gridcode.paper.families.measure import (
    FamilyRow,
    lattice_share_beyond,
    with_cells,
    with_space,
    with_theory,
)
from gridcode.paper.families.members import (
    MAIN,
    MODELS,
    NETWORKS,
    SHUFFLED,
    Member,
    family_of,
    plan,
)
from gridcode.paper.families.shuffled_places import ShuffledPlaces
from gridcode.paper.tables import table_text
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.runs.files import check_writable, one_line_errors, write_atomically
from gridcode.runs.run import Run
from gridcode.version import __version__

RUNS, BEYOND = "runs", "beyond"
TABLE, SHORTCOMINGS, TEXT, PAGE = "families.csv", "shortcomings.csv", "families.md", "families.html"
# Changes with what is measured beyond the trained square: older numbers are measured again.
FORMAT = 1
EXAMPLES = 6
Scoring = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FamiliesResult:
    """What the comparison found.

    Attributes:
        folder: where everything is: `runs`, tables, figure, page.
        rows: a row for each model and seed.
        verdicts: the four shortcomings, for each model that they were measured in.
        text: all of it in words.
        files: what was written.
    """

    folder: Path
    rows: tuple[FamilyRow, ...] = field(repr=False)
    verdicts: tuple[shortcomings.Shortcoming, ...] = field(repr=False)
    text: str = field(repr=False)
    files: tuple[Path, ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """What `gridcode families --json` prints."""
        return {
            "folder": str(self.folder),
            "text": self.text,
            "models": [asdict(row) for row in self.rows],
            "shortcomings": [asdict(row) for row in self.verdicts],
            "files": [str(path) for path in self.files],
        }


def families(
    *,
    out: str | os.PathLike[str],
    models: Sequence[str] = MODELS,
    seeds: Sequence[int] = range(3),
    questions: bool = True,
    jobs: int | None = None,
    progress: Scoring | None = None,
) -> FamiliesResult:
    """Make models of every family, evaluate all of them alike, and compare.

    Each model is an ordinary run folder. It can be stopped at any moment and called again: what is
    made and measured stays. A model that fails is a row that says why.

    Args:
        out: folder of the comparison, new or one to go on with.
        models: names: presets of self-supervised networks, and baselines.
        seeds: seeds of every model.
        questions: also ask what sets the scale, and what shuffled targets do, which takes further
            models.
        jobs: models that are made side by side; as many as there are cores by default.
        progress: called with (what, done, total) as models are finished.

    Raises:
        InputError: models or seeds that make no sense, or a folder that cannot be written.
    """
    members = plan(models, seeds, questions=questions)
    folder = Path(out)
    check_writable(folder, folder=True)
    with one_line_errors(f"cannot write to '{folder}'"):
        for name in (RUNS, BEYOND):
            (folder / name).mkdir(parents=True, exist_ok=True)
    work = functools.partial(make_and_measure, folder=folder)
    rows = []
    for member, row in zip(members, side_by_side(work, members, jobs), strict=True):
        rows.append(row)
        if progress:
            progress(member.name, len(rows), len(members))
    verdicts = shortcomings.judge(rows)
    text = shortcomings.in_words(rows, verdicts)
    files = _write(folder, rows, verdicts)
    return FamiliesResult(folder, tuple(rows), tuple(verdicts), text, tuple(files))


def make_and_measure(member: Member, folder: Path) -> FamilyRow:
    """One model: made or resumed, evaluated where that was not done, measured."""
    row = FamilyRow(
        model=member.model,
        seed=member.seed,
        family=family_of(member.model),
        question=member.question,
        value=member.value,
        run=member.name,
        gridcode=__version__,
    )
    try:
        run = _made(member, folder / RUNS / member.name)
        settings = _settings(run.config, member)
        summary = _evaluated(run, settings)
        row = replace(
            row,
            parameters=sum(_sizes(run)),
            cpu_seconds=run.manifest.get("cpu_seconds"),
            config_hash=run.config.content_hash,
            weights=run.newest_weights().get("weights", ""),
        )
        assert summary.headline is not None
        row = with_cells(row, summary, run.read_maps(summary.headline.group, ["rate"]))
        if member.question == MAIN:
            row = with_theory(with_space(row, summary.space), summary)
            row = _with_beyond(row, run, folder / BEYOND / f"{member.name}.json")
    except GridcodeError as error:
        return replace(row, status="failed", note=str(error).replace(str(folder), folder.name))
    return row


def _with_beyond(row: FamilyRow, run: Run, path: Path) -> FamilyRow:
    """The row with what lies beyond the trained square, measured or read from the file."""
    settings = run.config.evaluation.model_dump(mode="json")
    parts = [FORMAT, __version__, row.weights, run.config.training_hash, settings]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    found = _read(path)
    if found.get("key") != key:
        system = load_system(run)
        share = lattice_share_beyond(system, run.config.evaluation)
        found = {"key": key, "trained_m": system.extent_m, "lattice_share": share}
        with one_line_errors(f"cannot write '{path}'"):
            write_atomically(path, json.dumps(found, indent=1) + "\n")
    return replace(row, trained_m=found["trained_m"], lattice_share_beyond=found["lattice_share"])


def _made(member: Member, folder: Path) -> Run:
    """The finished run of a member.

    Raises:
        InputError: the folder holds a run with other settings.
    """
    if member.model in NETWORKS:
        config = load_config(member.model)
        config = config.override({**member.changes, "training.seed": member.seed})
    else:
        config = making.config_of(load_recipe(member.model, member.changes), member.seed)
    run = Run(folder) if folder.exists() else None
    if run is not None and run.config.training_hash != config.training_hash:
        raise InputError(f"'{folder}' holds a run with other settings; take another folder")
    if run is not None and run.manifest.get("finished"):
        return run
    if config.baseline:
        run = run or Run.create(folder, config)
        making.finish(run)
        return run
    places = ShuffledPlaces(config.world, member.seed) if member.question == SHUFFLED else None
    return train(None if run else config, out=folder, batches=places)


def _settings(config: Config, member: Member) -> EvaluationConfig:
    """The model's evaluation, without what its row does not show."""
    update: dict[str, Any] = {"history": False, "walks": config.evaluation.walks[:1]}
    if member.question != MAIN:
        update |= {"theory": False, "space": False}
    return config.evaluation.model_copy(update={**update, "space_walks": ()})


def _evaluated(run: Run, settings: EvaluationConfig) -> Summary:
    summary = run.read_summary()
    if (
        summary is not None
        and summary.origin is not None
        and summary.origin.settings == settings.model_dump(mode="json")
        and summary.origin.gridcode == __version__
        and not run.out_of_date(summary)
    ):
        return summary
    return evaluate(run, config=settings).summary


def _sizes(run: Run) -> Iterator[int]:
    """Sizes of the arrays that the model consists of."""
    from gridcode.training import checkpoint

    tensors, _ = checkpoint.read(run.checkpoints()[0])
    for value in checkpoint.network_weights(tensors).values():
        yield value.numel()


def _read(path: Path) -> dict[str, Any]:
    """What was kept; empty where it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if {"key", "trained_m", "lattice_share"} <= set(found) else {}
    except (OSError, ValueError, TypeError):
        return {}


def _write(
    folder: Path, rows: Sequence[FamilyRow], verdicts: Sequence[shortcomings.Shortcoming]
) -> list[Path]:
    import matplotlib as mpl  # slow to import, and not needed by the workers

    from gridcode.paper.families import figure, page
    from gridcode.paper.pictures import write_files
    from gridcode.report.style import STYLE

    with mpl.rc_context(STYLE):
        drawn = figure.draw(rows, _examples(folder, rows))
        texts = {TABLE: table_text(rows), TEXT: page.markdown(rows, verdicts)}
        if verdicts:
            texts[SHORTCOMINGS] = table_text(verdicts)
        files = write_files(folder, "families", drawn, texts)
    html = page.render(rows, verdicts, (folder / "families.png").read_bytes())
    with one_line_errors(f"cannot write to '{folder}'"):
        write_atomically(folder / PAGE, html)
    return [*files, folder / PAGE]


def _examples(folder: Path, rows: Sequence[FamilyRow]) -> dict[str, xr.Dataset | None]:
    """Units of the first seed of each model, evenly spaced by grid score."""
    found: dict[str, xr.Dataset | None] = {}
    for row in rows:
        if row.question != MAIN or found.get(row.model) is not None:
            continue
        found[row.model] = None
        if row.status != "ok":
            continue
        run = Run(folder / RUNS / row.run)
        summary = run.read_summary()
        assert summary is not None and summary.headline is not None
        data = run.read_maps(summary.headline.group, ["rate", "grid_score", "silent"])
        units = evenly_by_score(data, (~data["silent"].values).nonzero()[0], EXAMPLES)
        found[row.model] = data[["rate", "grid_score"]].isel(unit=units)
    return found
