"""Scores of a packaged network, and whether rounding its weights has changed them."""

from collections.abc import Callable, Mapping
from typing import Any

from gridcode.analysis.evaluate import evaluate_system, map_arena, summarise
from gridcode.analysis.records import Summary
from gridcode.analysis.records.navigation import SpaceRecord
from gridcode.analysis.system import System
from gridcode.config import Config, EvaluationConfig
from gridcode.models.populations import Network
from gridcode.world.walks import training_extent_m

SMALL_ARENA_M = 2.0
# Largest changes of the scores: more than rounding the weights should make, and less than what
# would count as another network.
TOLERANCE = {
    "units_of_other_type_share": 0.02,
    "spacing_share": 0.005,
    "orientation_deg": 0.5,
    "path_error_share": 0.1,
    "path_error_m": 0.005,
}


def measuring(config: EvaluationConfig, summary: Summary) -> EvaluationConfig:
    """Settings for an evaluation in the headline's arena, with one test of path integration."""
    assert summary.headline is not None
    changes = {
        "arenas_m": [summary.headline.arena_m],
        "adapt_arena": False,
        "walks": [summary.headline.walk],
        "space": True,
        "space_arenas": [],
        "space_walks": [],
        "theory": False,
    }
    return (
        Config(evaluation=config)
        .override({f"evaluation.{name}": value for name, value in changes.items()})
        .evaluation
    )


def measure(
    network: Network,
    config: Config,
    evaluation: EvaluationConfig,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Summary:
    """The summary of a network's evaluation (`evaluate_system`).

    Args:
        network: the network.
        config: its settings.
        evaluation: how to evaluate it.
        progress: called with (what, done, total).
    """
    step, start = network.as_system()
    world = config.world
    extent = training_extent_m(world.max_velocity_m, world.longest_steps)
    return evaluate_system(
        System(step, start, world.max_velocity_m, extent_m=extent),
        config=evaluation,
        progress=progress,
    ).summary


def headline_scores(summary: Summary) -> dict[str, Any]:
    """The main results of an evaluation, ready for JSON: cell types, modules, path integration."""
    head = summary.headline
    assert head is not None
    module_keys = {"n_units", "spacing_m", "orientation_deg", "axis_ratio", "p_value"}
    return {
        **head.model_dump(include={"walk", "arena_m", "units", "active_units"}),
        **summary.model_dump(include={"types", "n_modules", "n_independent_modules"}),
        "median_grid_score": (head.grid_score_quartiles or (None, None))[1],
        "modules": [module.model_dump(include=module_keys) for module in summary.modules],
        "relations": [
            relation.model_dump(mode="json", include={"modules", "verdict", "index"})
            for relation in summary.relations
        ],
        "path_integration": _path_integration(summary.space[0]) if summary.space else None,
        "settings": summary.settings.model_dump(),
    }


def _path_integration(row: SpaceRecord) -> dict[str, Any]:
    """Median errors of the first condition, metres, by the number of steps."""
    errors = [
        {"steps": r.steps, "median_m": r.tracked_m[1], "lost_share": r.lost_share}
        for r in row.decoding
    ]
    return {"walk": row.walk, "arena_m": row.arena_m, "errors": errors}


def changes(before: Summary, after: Summary) -> dict[str, Any]:
    """Differences between the scores of two evaluations of a network.

    Args:
        before: summary of one.
        after: summary of the other, in the same arena and with the same seeds.

    Returns:
        `units_of_other_type`, `modules`, `independent_modules` (differences in number);
        `spacing_share`, `orientation_deg`, `path_error_m` (largest differences over modules and
        horizons; None where there is nothing to compare); `too_far`, the names of those beyond
        `TOLERANCE`.
    """
    first, second = headline_scores(before), headline_scores(after)
    units = zip(before.units, after.units, strict=True)
    found: dict[str, Any] = {
        "units_of_other_type": sum(a.type != b.type for a, b in units),
        "modules": after.n_modules - before.n_modules,
        "independent_modules": after.n_independent_modules - before.n_independent_modules,
        "spacing_share": None,
        "orientation_deg": None,
        "path_error_m": None,
    }
    too_far = [name for name in ("modules", "independent_modules") if found[name]]
    if found["units_of_other_type"] > max(
        1, TOLERANCE["units_of_other_type_share"] * first["units"]
    ):
        too_far.append("units_of_other_type")
    if before.modules and after.modules:
        pairs = [
            (m, max(after.modules, key=lambda other: len({*m.units} & {*other.units})))
            for m in before.modules
        ]
        found["spacing_share"] = _short(max(abs(b.spacing_m / a.spacing_m - 1) for a, b in pairs))
        found["orientation_deg"] = _short(
            max(_turn(a.orientation_deg, b.orientation_deg) for a, b in pairs)
        )
        too_far += [
            name for name in ("spacing_share", "orientation_deg") if found[name] > TOLERANCE[name]
        ]
    errors = [_errors(scores) for scores in (first, second)]
    if errors[0].keys() != errors[1].keys():
        too_far.append("path_error_m")
    elif errors[0]:
        apart = {steps: abs(errors[1][steps] - error) for steps, error in errors[0].items()}
        found["path_error_m"] = _short(max(apart.values()))
        if any(
            d > max(TOLERANCE["path_error_m"], TOLERANCE["path_error_share"] * errors[0][steps])
            for steps, d in apart.items()
        ):
            too_far.append("path_error_m")
    return found | {"too_far": too_far}


def _errors(scores: Mapping[str, Any]) -> dict[int, float]:
    rows = (scores["path_integration"] or {}).get("errors", [])
    return {row["steps"]: row["median_m"] for row in rows if row["median_m"] is not None}


def _turn(first_deg: float, second_deg: float) -> float:
    """Angle between orientations; lattices repeat after 60 degrees (hexagonal) or 90 (square)."""
    apart = abs(first_deg - second_deg)
    return min(abs(apart - turn) for turn in (0.0, 60.0, 90.0))


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def small_scores(network: Network, config: Config) -> dict[str, Any]:
    """Scores of all units in a small arena, in a second or two: a quick check of a network.

    Args:
        network: the network.
        config: its settings.
    """
    longest = config.world.max_velocity_m
    step, start = network.as_system()
    arena, walk = max(SMALL_ARENA_M, 4 * longest), config.evaluation.walks[0]
    data = map_arena(
        System(step, start, longest), walk=walk, arena_m=arena, config=config.evaluation
    )
    names = {
        "walk",
        "arena_m",
        "active_units",
        "hexagonal_share",
        "lattice_share",
        "grid_score_quartiles",
        "spacing_m_quartiles",
        "stability_quartiles",
    }
    row = summarise(data, "small", threshold=config.evaluation.score_threshold)
    return row.model_dump(mode="json", include=names)
