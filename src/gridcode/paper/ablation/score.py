"""The numbers of one network of an ablation, and six of its rate maps; kept on disk, so that they are measured once."""

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.evaluate import Evaluation, evaluate_system
from gridcode.analysis.navigation.decoding import integrate_paths, median, window_for
from gridcode.analysis.navigation.invariance import path_invariance
from gridcode.analysis.navigation.reference import build_reference_map, nearest_alias_m
from gridcode.analysis.population import number
from gridcode.analysis.system import System
from gridcode.api.verbs import load_network
from gridcode.config import Config, EvaluationConfig
from gridcode.errors import InputError
from gridcode.paper.ablation.training import Trained
from gridcode.runs.files import write_atomically
from gridcode.world.walks import WALKS, training_extent_m

SCORES = "scores"
# Changes with every change of what a column means: older scores are measured again.
SCORE_FORMAT = 1
EXAMPLES = 6
SHARES = {
    "hexagonal": "hexagonal_share",
    "sheared hexagonal": "sheared_share",
    "square": "square_share",
    "band": "band_share",
    "place-like": "place_share",
    "other spatial": "other_spatial_share",
    "non-spatial": "non_spatial_share",
}
# A convention: from here on half of the variance of the map of one half of the walkers is in that
# of the other half. Activity that drifts with the path still makes maps that are smooth, which the
# test of being spatial takes for a dependence on place.
STABLE = 0.7
PATH_STEPS, PATH_WALKERS, PATHS_TO = 60, 64, 32
MARGIN_M = 1.0
LAST_LINES = 5
TERMS = ("loss", "separation", "invariance", "capacity", "isometry")


class _UnboundedError(Exception):
    """A state of the network is not finite."""


@dataclass(frozen=True)
class Score:
    """What was measured of one network.

    Attributes:
        row: its line of the table; missing numbers are None.
        examples: `rate` (unit, y, x), `minmax` and `type` of the units that are drawn; None where
            there are no maps.
    """

    row: dict[str, Any]
    examples: xr.Dataset | None


def score_run(
    trained: Trained,
    folder: Path,
    *,
    arena_m: float,
    nulls: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> Score:
    """Measure a network, or read what was measured of it before with the same settings.

    Args:
        trained: what became of its training.
        folder: of the ablation; scores are kept in its `scores`.
        arena_m: side of the arena, metres.
        nulls: null maps of a unit.
        progress: called with (what, done, total).

    Returns:
        The score. Its `status`: `ok`; `silent`, no unit is active; `unbounded`, states grow beyond
        all numbers on the walk; `diverged`, the training met a loss that is not finite; `failed`,
        the training stopped for another reason.

    Raises:
        InputError: an arena too small for the steps, or a folder that cannot be written.
    """
    member, run = trained.member, trained.run
    head = {"variant": member.variant.name, "seed": member.seed, "run": member.name}
    held = run.manifest
    tail = {
        "steps": held.get("step", 0), "cpu_seconds": held.get("cpu_seconds"), "config_hash": member.config.content_hash,
        "training_hash": member.config.training_hash,
    }  # fmt: skip
    if trained.failure:
        status = "diverged" if trained.diverged else "failed"
        return Score(
            head
            | {"status": status}
            | dict.fromkeys(_COLUMNS)
            | _last_terms(run.metrics())
            | tail
            | {"note": trained.failure},
            None,
        )
    settings = member.config.evaluation.model_copy(
        update={
            "arenas_m": (arena_m,),
            "adapt_arena": False,
            "walks": ("smooth",),
            "theory": False,
            "space": False,
            "nulls": nulls,
        }
    )
    key = _key(member.config, settings, held.get("step", 0))
    kept = _read(folder, member.name, key)
    if kept is None:
        try:
            kept = _measure(trained, settings, progress)
        except _UnboundedError:
            kept = Score({"status": "unbounded"} | dict.fromkeys(_COLUMNS), None)
        _write(folder, member.name, key, kept)
    return Score(head | kept.row | tail | {"note": ""}, kept.examples)


def _measure(
    trained: Trained, settings: EvaluationConfig, progress: Callable[[str, int, int], None] | None
) -> Score:
    config = trained.member.config
    own, start = load_network(trained.run).as_system()

    def step(states: np.ndarray, velocities: np.ndarray) -> np.ndarray:
        after = own(states, velocities)
        if not np.isfinite(after).all():
            raise _UnboundedError
        return after

    found = evaluate_system(
        System(step, start, config.world.max_velocity_m), config=settings, progress=progress
    )
    row: dict[str, Any] = dict.fromkeys(_COLUMNS)
    row |= _cells(found) | _last_terms(trained.run.metrics())
    if row["active_units"]:
        row |= _paths(System(step, start, config.world.max_velocity_m), config)
    return Score(
        {"status": "ok" if row["active_units"] else "silent"} | row, _examples(found.headline())
    )


def _cells(found: Evaluation) -> dict[str, Any]:
    """Numbers of the cells in the arena; shares are of active units, 0 where none is."""
    data, summary = found.headline(), found.summary["headline"]
    active = int((~data["silent"].values).sum())
    spatial = ~np.isin(data["type"].values.astype(str), ("non-spatial", "silent"))
    lattice = np.isin(data["type"].values.astype(str), LATTICE_TYPES)
    stable = spatial & (np.nan_to_num(data["stability"].values) >= STABLE)

    def middle(name: str, of: np.ndarray) -> float | None:
        values = data[name].values[of]
        values = values[np.isfinite(values)]
        return number(np.median(values)) if len(values) else None

    return {
        "units": int(data.sizes["unit"]),
        "active_units": active,
        **{column: summary["types"][kind] / max(active, 1) for kind, column in SHARES.items()},
        "stable_place_share": int(
            (stable & (data["type"].values.astype(str) == "place-like")).sum()
        )
        / max(active, 1),
        "lattice_share": int(lattice.sum()) / max(active, 1),
        "spatial_share": int(stable.sum()) / max(active, 1),
        "stability_median": middle("stability", ~data["silent"].values),
        "information_bits_median": middle("information_bits", ~data["silent"].values),
        "n_modules": summary["n_modules"],
        "n_independent": summary["n_independent_modules"],
        "spacings_m": [module["spacing_m"] for module in found.summary["modules"]],
        "axis_ratio_median": middle("axis_ratio", lattice),
        "grid_score_median": middle("minmax", ~data["silent"].values),
        "field_size_m": middle("field_size_m", stable),
        "field_count": middle("field_count", stable),
    }


def _last_terms(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The loss, and its terms without their weights: means of the last logged lines."""
    rows = metrics[-LAST_LINES:]
    names = {"loss": "loss"} | {term: f"loss_{term}" for term in TERMS[1:]}
    return {
        column: number(np.mean([row[term] for row in rows])) if rows else None
        for term, column in names.items()
    }


def _paths(system: System, config: Config) -> dict[str, Any]:
    """Path invariance after the steps of training, and the error of the place that is read from the state after 60 steps."""
    fastest, steps, seed = (
        config.world.max_velocity_m,
        config.world.longest_steps,
        config.evaluation.seed,
    )
    generator = np.random.default_rng([seed, 31])
    velocities = generator.uniform(-fastest, fastest, (steps, PATHS_TO, 2))
    invariance = path_invariance(system, velocities, generator=generator, lengths=(steps,))
    extent = max(training_extent_m(fastest, steps), 4 * fastest)
    reference = build_reference_map(system, arena_m=extent + 2 * MARGIN_M, generator=generator)
    window = window_for(
        nearest_alias_m(reference, generator=generator),
        max_step_m=fastest,
        bin_size_m=reference.bin_size_m,
    )
    walk = WALKS["smooth"](
        arena_m=extent,
        steps=PATH_STEPS,
        walkers=PATH_WALKERS,
        max_step_m=fastest,
        generator=generator,
    )
    errors = integrate_paths(system, walk, reference, window_m=window, horizons=(PATH_STEPS,))
    return {
        "invariance_error": number(invariance.fraction[0]),
        "path_error_m": number(median(errors.tracked_m[0])),
        "path_chance_m": number(errors.chance_m[0]),
    }


_COLUMNS = (
    *(
        "units",
        "active_units",
        *SHARES.values(),
        "stable_place_share",
        "lattice_share",
        "spatial_share",
        "stability_median",
    ),
    *(
        "information_bits_median",
        "n_modules",
        "n_independent",
        "spacings_m",
        "axis_ratio_median",
        "grid_score_median",
        "field_size_m",
        "field_count",
    ),
    *(
        "loss",
        "loss_separation",
        "loss_invariance",
        "loss_capacity",
        "loss_isometry",
        "invariance_error",
        "path_error_m",
        "path_chance_m",
    ),
)


def _examples(data: xr.Dataset) -> xr.Dataset | None:
    """Active units evenly spaced in the order of their grid score: a rule, so that nobody chooses by looks."""
    from gridcode.paper.unit_selection import (
        evenly_by_score,
    )  # its package draws, and matplotlib is slow to import

    active = np.flatnonzero(~data["silent"].values)
    if not len(active):
        return None
    return data[["rate", "minmax", "type"]].isel(unit=evenly_by_score(data, active, EXAMPLES))


def _key(config: Config, settings: EvaluationConfig, step: int) -> str:
    parts = [SCORE_FORMAT, config.training_hash, step, settings.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _read(folder: Path, name: str, key: str) -> Score | None:
    """What is kept under this key; None where there is nothing that can be read."""
    try:
        held = json.loads((folder / SCORES / f"{name}.json").read_text(encoding="utf-8"))
        if held["key"] != key:
            return None
        examples = None
        if held["examples"]:
            with np.load(folder / SCORES / f"{name}.npz", allow_pickle=False) as file:
                if str(file["key"]) != key:
                    return None
                examples = xr.Dataset(
                    {
                        "rate": (("unit", "y", "x"), file["rate"]),
                        "minmax": ("unit", file["minmax"]),
                        "type": ("unit", file["type"]),
                    },
                    coords={"unit": file["unit"], "y": file["y"], "x": file["x"]},
                )
        return Score(dict(held["row"]), examples)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _write(folder: Path, name: str, key: str, score: Score) -> None:
    try:
        (folder / SCORES).mkdir(parents=True, exist_ok=True)
        if score.examples is not None:
            data, packed = score.examples, io.BytesIO()
            np.savez_compressed(
                packed, key=key, rate=data["rate"].values.astype(np.float32), minmax=data["minmax"].values, type=data["type"].values.astype(str),
                unit=data["unit"].values, y=data["y"].values, x=data["x"].values,
            )  # fmt: skip
            write_atomically(folder / SCORES / f"{name}.npz", packed.getvalue())
        held = {"key": key, "row": _plain(score.row), "examples": score.examples is not None}
        # Last: a score without its maps must not count as kept.
        write_atomically(
            folder / SCORES / f"{name}.json", json.dumps(held, indent=1, allow_nan=False) + "\n"
        )
    except OSError as error:
        raise InputError(f"cannot write to '{folder}': {error.strerror or error}") from None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }
