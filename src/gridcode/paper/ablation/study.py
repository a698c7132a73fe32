"""The paper's ablations as one resumable study: train, score, judge, draw."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from gridcode.analysis.population import FEWEST_NULLS
from gridcode.config import Config
from gridcode.errors import InputError
from gridcode.executors.processes import side_by_side
from gridcode.paper.ablation.rows import RunRow, Verdict
from gridcode.paper.ablation.score import Score, score_run
from gridcode.paper.ablation.training import Trained, plan_runs, train_ablation
from gridcode.paper.ablation.variants import choose
from gridcode.paper.ablation.verdicts import judge_expectations
from gridcode.paper.ablation.words import paragraph
from gridcode.paper.tables import table_text
from gridcode.runs.files import check_writable
from gridcode.training.many import ManyProgress

TABLE, VERDICTS, TEXT, FIGURE = "ablation.csv", "verdicts.csv", "ablation.md", "ablation"
ARENA_M, NULLS = 4.0, 200
Scoring = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AblationResult:
    """What an ablation found.

    Attributes:
        folder: where everything is: `runs`, `scores`, tables, figure, paragraph.
        rows: a row for each network; see docs/ablations.md.
        verdicts: a row for each expectation.
        text: the paragraph.
        files: what was written.
    """

    folder: Path
    rows: tuple[RunRow, ...] = field(repr=False)
    verdicts: tuple[Verdict, ...] = field(repr=False)
    text: str = field(repr=False)
    files: tuple[Path, ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """What `gridcode ablate --json` prints."""
        return {
            "folder": str(self.folder),
            "text": self.text,
            "verdicts": [dataclasses.asdict(row) for row in self.verdicts],
            "runs": [dataclasses.asdict(row) for row in self.rows],
            "files": [str(p) for p in self.files],
        }


def check(config: Config, *, arena_m: float, nulls: int) -> None:
    """Refuse, before hours are spent on training, settings that networks cannot be measured with.

    Raises:
        InputError: an arena too small for the steps, or too few null maps.
    """
    step = config.world.max_velocity_m
    if not (math.isfinite(arena_m) and arena_m >= 4 * step):
        raise InputError(f"an arena of {arena_m:g} m does not suit steps of up to {step:g} m")
    if nulls < FEWEST_NULLS:
        raise InputError(
            f"{nulls} null maps are too few for small p-values: take {FEWEST_NULLS} or more"
        )
    config.override({"evaluation.arenas_m": [arena_m], "evaluation.nulls": nulls})  # the limits


def ablate(
    config: Config,
    *,
    out: str | os.PathLike[str],
    seeds: Sequence[int] = range(5),
    variants: Sequence[str] | None = None,
    jobs: int | None = None,
    arena_m: float = ARENA_M,
    nulls: int = NULLS,
    progress: Callable[[ManyProgress], None] | None = None,
    scoring: Scoring | None = None,
) -> AblationResult:
    """Train every variant with every seed, measure all networks, and judge the paper's claims.

    It can be stopped at any moment and called again: what is trained and measured stays. A training
    that diverges is a result and is not repeated.

    Args:
        config: the reference.
        out: folder of the study, new or one to go on with.
        seeds: seeds of every variant.
        variants: names of variants; the reference is always there. None: all that differ from this
            reference.
        jobs: on a CPU, networks that train side by side; as many as there are cores by default.
        arena_m: side of the arena that networks are measured in, metres.
        nulls: null maps of a unit.
        progress: called now and then as networks train.
        scoring: called with (what, done, total) as networks are measured.

    Returns:
        Tables, verdicts, paragraph and files. The tables hold what this call asked for.

    Raises:
        InputError: variants, seeds, arena or null maps that make no sense, or a folder that holds
            something else or cannot be written.
    """
    planned = plan_runs(config, variants=choose(variants, config), seeds=seeds)
    check(config, arena_m=arena_m, nulls=nulls)
    folder = Path(out)
    check_writable(folder, folder=True)
    trained = train_ablation(planned, folder, jobs=jobs, progress=progress)
    measure = functools.partial(score_run, folder=folder, arena_m=arena_m, nulls=nulls)
    scores = _score_all(trained, measure, jobs, scoring)
    rows = [score.row for score in scores]
    verdicts = judge_expectations(rows)
    text = paragraph(rows, verdicts)
    examples: dict[str, xr.Dataset | None] = {}
    for score in scores:  # of the first seed
        examples.setdefault(score.row.variant, score.examples)
    texts = {TABLE: table_text(rows), VERDICTS: table_text(verdicts), TEXT: text + "\n"}
    files = _write(folder, rows, examples, texts)
    return AblationResult(folder, tuple(rows), tuple(verdicts), text, tuple(files))


def _score_all(
    trained: Sequence[Trained],
    measure: Callable[[Trained], Score],
    jobs: int | None,
    scoring: Scoring | None,
) -> list[Score]:
    scores = []
    for one, score in zip(trained, side_by_side(measure, trained, jobs), strict=True):
        scores.append(score)
        if scoring:
            name = one.planned.variant.name
            same = [t for t in trained if t.planned.variant.name == name]
            scoring(name, same.index(one) + 1, len(same))
    return scores


def _write(
    folder: Path,
    rows: Sequence[RunRow],
    examples: dict[str, xr.Dataset | None],
    texts: dict[str, str],
) -> list[Path]:
    import matplotlib as mpl  # slow to import, and not needed by the workers

    from gridcode.paper.ablation import figure
    from gridcode.paper.pictures import write_files
    from gridcode.report.style import STYLE

    with mpl.rc_context(STYLE):
        return write_files(folder, FIGURE, figure.draw(rows, examples), texts)
