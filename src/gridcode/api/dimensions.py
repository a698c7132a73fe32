"""Evaluation of runs whose world is a line or a volume."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from typing import Any

from gridcode.analysis.dimensions.evaluate import evaluate_line, evaluate_volume
from gridcode.analysis.records.base import Record
from gridcode.analysis.records.dimensions import LineRecord, VolumeRecord
from gridcode.analysis.records.origin import OriginRecord
from gridcode.api.verbs import newest_system
from gridcode.errors import InputError
from gridcode.runs.files import check_writable, one_line_errors, write_atomically
from gridcode.runs.run import Run
from gridcode.training.loop import torch_threads
from gridcode.training.parts import Transition
from gridcode.version import __version__

OWN_SPACES = "gridcode.world.spaces"


@torch_threads(1)
def evaluate_dimensions(
    run: Run | str | os.PathLike[str],
    *,
    side_m: float | None = None,
    nulls: int | None = None,
    seed: int | None = None,
    transition: Transition | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> LineRecord | VolumeRecord:
    """Evaluate a network of one or three dimensions, and save what was found in its run.

    `evaluation/dimensions.json` holds the record, `evaluation/dimensions.csv` a row for each unit.

    Args:
        run: the run or its folder.
        side_m: length of the line (12 by default) or side of the cube (3), metres.
        nulls: nulls a unit; 199 on a line by default, 99 in a volume.
        seed: of walks and nulls; the run's `evaluation.seed` by default.
        transition: the run's own transition, where it was trained with one.
        progress: called with (what, done, total).

    Raises:
        InputError: no run, no checkpoint, a run of two dimensions (`gridcode.evaluate`), or one
            that was trained in another space, such as a sphere.
    """
    run = Run.open(run)
    dimensions = run.config.world.dimensions
    if dimensions == 2:
        raise InputError(f"'{run.folder}' is of two dimensions: use gridcode.evaluate")
    batches = run.read_manifest().get("parts", {}).get("batches", {})
    if batches.get("name", "").startswith(OWN_SPACES):
        raise InputError(
            f"'{run.folder}' was trained in a space of {OWN_SPACES}: this evaluation is of a line "
            "or a volume without ends; use the functions of gridcode.analysis.dimensions"
        )
    run.check_transition(transition, "evaluate_dimensions")
    check_writable(run.folder / "evaluation", folder=True)
    system, at_step, digest = newest_system(run, transition)
    settings: dict[str, Any] = {
        "seed": run.config.evaluation.seed if seed is None else seed,
        "silent_below": run.config.evaluation.silent_below,
        **({} if side_m is None else {"side_m": side_m}),
        **({} if nulls is None else {"nulls": nulls}),
    }
    measure = evaluate_line if dimensions == 1 else evaluate_volume
    found = measure(system, progress=progress, **settings)
    origin = OriginRecord(
        weights=digest,
        step=at_step,
        steps=run.config.training.steps,
        training_hash=run.config.training_hash,
        config_hash=run.config.content_hash,
        seed=run.config.training.seed,
        settings=settings,
        gridcode=__version__,
    )
    found = found.model_copy(update={"origin": origin})
    folder = run.folder / "evaluation"
    with one_line_errors(f"cannot write to '{run.folder}'"):
        folder.mkdir(exist_ok=True)
        write_atomically(folder / "dimensions.csv", _table(found.units))
        write_atomically(folder / "dimensions.json", found.model_dump_json(indent=2) + "\n")
    return found


def _table(units: Sequence[Record]) -> str:
    text = io.StringIO()
    rows = [unit.model_dump() for unit in units]
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
