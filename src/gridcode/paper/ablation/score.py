"""The numbers of one network of an ablation and six of its rate maps, cached on disk."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from pydantic import TypeAdapter

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.evaluate import evaluate_system
from gridcode.analysis.navigation.decoding import integrate_paths, median, window_for
from gridcode.analysis.navigation.invariance import path_invariance
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.analysis.records import Summary, UnitRecord, rounded
from gridcode.analysis.system import System
from gridcode.api.verbs import load_network
from gridcode.config import Config, EvaluationConfig
from gridcode.errors import InputError
from gridcode.paper.ablation.rows import RunRow
from gridcode.paper.ablation.training import Trained
from gridcode.paper.tables import known
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.runs.files import write_atomically
from gridcode.version import __version__
from gridcode.world.walks import WALKS, training_extent_m

SCORES = "scores"
# Changes with every change of what a column means: older scores are measured again.
SCORE_FORMAT = 2
EXAMPLES = 6
# A convention: from here on half of the variance of the map of one half of the walkers is in that
# of the other half. Activity that drifts with the path still makes smooth maps, which the test of
# being spatial takes for a dependence on place.
STABLE = 0.7
PATH_STEPS, PATH_WALKERS, PATHS_TO = 60, 64, 32
MARGIN_M = 1.0
LAST_LINES = 5
ROW = TypeAdapter(RunRow)


class _UnboundedError(Exception):
    """A state of the network is not finite."""


@dataclass(frozen=True)
class Score:
    """What was measured of one network.

    Attributes:
        row: its line of the table.
        examples: `rate` (unit, y, x), `grid_score` and `type` of the units that are drawn; None
            where there are no maps.
    """

    row: RunRow
    examples: xr.Dataset | None = None


def score_run(
    trained: Trained,
    folder: Path,
    *,
    arena_m: float,
    nulls: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> Score:
    """Measure a network, or read what was measured of the same weights with the same settings.

    Args:
        trained: the network.
        folder: of the ablation; scores are kept in its `scores`.
        arena_m: side of the arena, metres.
        nulls: null maps of a unit.
        progress: called with (what, done, total).

    Raises:
        InputError: an arena too small for the steps, or a folder that cannot be written.
    """
    planned, run = trained.planned, trained.run
    manifest, metrics = run.manifest, run.metrics()[-LAST_LINES:]

    def last(term: str) -> float | None:
        return rounded(np.mean([line[term] for line in metrics])) if metrics else None

    row = RunRow(
        variant=planned.variant.name,
        seed=planned.seed,
        run=planned.name,
        loss=last("loss"),
        loss_separation=last("separation"),
        loss_invariance=last("invariance"),
        loss_capacity=last("capacity"),
        loss_isometry=last("isometry"),
        steps=manifest.get("step", 0),
        cpu_seconds=manifest.get("cpu_seconds"),
        config_hash=planned.config.content_hash,
        training_hash=planned.config.training_hash,
        weights=trained.run.newest_weights().get("weights", ""),
        gridcode=__version__,
        note=trained.failure,
    )
    if trained.failure:
        return Score(replace(row, status="diverged" if trained.diverged else "failed"))
    settings = planned.config.evaluation.model_copy(
        update={
            "arenas_m": (arena_m,),
            "adapt_arena": False,
            "walks": ("smooth",),
            "theory": False,
            "space": False,
            "nulls": nulls,
        }
    )
    path, key = folder / SCORES / f"{planned.name}.npz", _key(trained, settings)
    if (kept := _read(path, key)) is not None:
        renewed = ("steps", "cpu_seconds", "config_hash", "note")
        now = {name: getattr(row, name) for name in renewed}
        score = replace(kept, row=replace(kept.row, **now))
    else:
        try:
            score = _measure(row, trained, settings, progress)
        except _UnboundedError:
            score = Score(replace(row, status="unbounded"))
        _write(path, key, score)
    return score


def _measure(
    row: RunRow,
    trained: Trained,
    settings: EvaluationConfig,
    progress: Callable[[str, int, int], None] | None,
) -> Score:
    config = trained.planned.config
    network_step, start = load_network(trained.run).as_system()

    def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        after = network_step(states, velocities)
        if not np.isfinite(after).all():
            raise _UnboundedError
        return after

    system = System(step, start, config.world.max_velocity_m)
    found = evaluate_system(system, config=settings, progress=progress)
    row, data = _with_cells(row, found.summary), found.headline()
    active = np.flatnonzero(~data["silent"].values)
    if not len(active):
        return Score(replace(row, status="silent"))
    examples = data[["rate", "grid_score", "type"]].isel(
        unit=evenly_by_score(data, active, EXAMPLES)
    )
    return Score(_with_paths(row, system, config), examples)


def _with_cells(row: RunRow, summary: Summary) -> RunRow:
    """The row with the numbers of the cells; shares are 0 where no unit is active."""
    active = [unit for unit in summary.units if not unit.silent]
    lattice = [unit for unit in active if unit.type in LATTICE_TYPES]
    stable = [u for u in active if u.type != "non-spatial" and (u.stability or 0) >= STABLE]

    def share(number: int) -> float:
        return number / max(len(active), 1)

    def middle(name: str, units: list[UnitRecord]) -> float | None:
        values = known([getattr(unit, name) for unit in units])
        return rounded(np.median(values)) if len(values) else None

    types = summary.types
    return replace(
        row,
        units=len(summary.units),
        active_units=len(active),
        hexagonal_share=share(types["hexagonal"]),
        sheared_share=share(types["sheared hexagonal"]),
        square_share=share(types["square"]),
        band_share=share(types["band"]),
        place_share=share(types["place-like"]),
        other_spatial_share=share(types["other spatial"]),
        non_spatial_share=share(types["non-spatial"]),
        stable_place_share=share(sum(unit.type == "place-like" for unit in stable)),
        lattice_share=share(len(lattice)),
        spatial_share=share(len(stable)),
        stability_median=middle("stability", active),
        information_bits_median=middle("information_bits", active),
        n_modules=summary.n_modules,
        n_independent=summary.n_independent_modules,
        spacings_m=tuple(module.spacing_m for module in summary.modules),
        axis_ratio_median=middle("axis_ratio", lattice),
        grid_score_median=middle("grid_score", active),
        field_size_m=middle("field_size_m", stable),
        field_count=middle("field_count", stable),
    )


def _with_paths(row: RunRow, system: System, config: Config) -> RunRow:
    """The row with path invariance after the steps of training, and decoding after 60 steps."""
    fastest, steps = config.world.max_velocity_m, config.world.longest_steps
    generator = np.random.default_rng([config.evaluation.seed, 31])
    velocities = generator.uniform(-fastest, fastest, (steps, PATHS_TO, 2))
    invariance = path_invariance(system, velocities, generator=generator, lengths=(steps,))
    extent = max(training_extent_m(fastest, steps), 4 * fastest)
    reference = build_reference_map(system, arena_m=extent + 2 * MARGIN_M, generator=generator)
    alias_m = nearest_alias_m(reference, generator=generator)
    window = window_for(alias_m, max_step_m=fastest, bin_size_m=reference.bin_size_m)
    walk = WALKS["smooth"](
        arena_m=extent,
        steps=PATH_STEPS,
        walkers=PATH_WALKERS,
        max_step_m=fastest,
        generator=generator,
    )
    errors = integrate_paths(system, walk, reference, window_m=window, horizons=(PATH_STEPS,))
    return replace(
        row,
        invariance_error=rounded(invariance.fraction[0]),
        path_error_m=rounded(median(errors.tracked_m[0])),
        path_chance_m=rounded(errors.chance_m[0]),
    )


def _key(trained: Trained, settings: EvaluationConfig) -> str:
    """Digest of the weights and of everything else that the numbers depend on."""
    weights = [hashlib.sha256(p.read_bytes()).hexdigest() for p in trained.run.checkpoints()[:1]]
    training = trained.planned.config.training_hash
    parts = [SCORE_FORMAT, weights, training, settings.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path, key: str) -> Score | None:
    """The cached score of this key; None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            row = ROW.validate_json(str(file["row"]))
            if "rate" not in file:
                return Score(row)
            units = {name: ("unit", file[name]) for name in ("grid_score", "type")}
            places = {name: file[name] for name in ("unit", "y", "x")}
            return Score(
                row, xr.Dataset({"rate": (("unit", "y", "x"), file["rate"])} | units, places)
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, key: str, score: Score) -> None:
    arrays: dict[str, np.ndarray] = {}
    if score.examples is not None:
        arrays = {n: score.examples[n].values for n in ("grid_score", "unit", "y", "x")}
        arrays["rate"] = score.examples["rate"].values.astype(np.float32)
        arrays["type"] = score.examples["type"].values.astype(str)
    packed = io.BytesIO()
    row = np.array(ROW.dump_json(score.row).decode())
    np.savez_compressed(packed, key=np.array(key), row=row, **arrays)  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, packed.getvalue())
    except OSError as error:
        raise InputError(f"cannot write to '{path.parent}': {error.strerror or error}") from None
