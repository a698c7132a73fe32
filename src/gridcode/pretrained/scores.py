"""What a packaged network is scored on, and whether rounding its weights has changed that."""

from collections.abc import Callable, Mapping
from typing import Any

from gridcode.analysis.evaluate import evaluate_system, map_arena, summarise
from gridcode.analysis.system import System
from gridcode.config import Config, EvaluationConfig
from gridcode.models.populations import Network
from gridcode.world.walks import training_extent_m

SMALL_ARENA_M = 2.0
# How far scores may move: more than a rounding of weights should do, less than anybody would call
# another network.
TOLERANCE = {
    "units_of_other_type_share": 0.02,
    "spacing_share": 0.005,
    "orientation_deg": 0.5,
    "path_error_share": 0.1,
    "path_error_m": 0.005,
}


def measuring(config: EvaluationConfig, summary: Mapping[str, Any]) -> EvaluationConfig:
    """The evaluation of the arena that a summary's headline comes from, with one test of path integration and without theory."""
    head = summary["headline"]
    changes = {
        "arenas_m": [head["arena_m"]], "adapt_arena": False, "walks": [head["walk"]],
        "space": True, "space_arenas": [], "space_walks": [], "theory": False,
    }  # fmt: skip
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
) -> dict[str, Any]:
    """The summary of a network's evaluation (`evaluate_system`).

    Args:
        network: the network.
        config: what it was trained on.
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


def headline_scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The few numbers of an evaluation that say what a network is: cell types, modules, path integration; ready for JSON."""
    head, space = summary["headline"], summary.get("space")
    module_keys = ("n_units", "spacing_m", "orientation_deg", "axis_ratio", "p_value")
    return {
        **{
            key: head[key]
            for key in (
                "walk",
                "arena_m",
                "units",
                "active_units",
                "types",
                "n_modules",
                "n_independent_modules",
            )
        },
        "median_grid_score": (head["minmax_quartiles"] or [None, None])[1],
        "modules": [{key: module[key] for key in module_keys} for module in summary["modules"]],
        "relations": [
            {key: relation[key] for key in ("modules", "verdict", "index")}
            for relation in summary["relations"]
        ],
        "path_integration": _path_integration(space[0]) if space else None,
        "settings": head["settings"],
    }


def _path_integration(row: Mapping[str, Any]) -> dict[str, Any]:
    """Median errors of the first condition, metres, by the number of steps."""
    errors = [
        {"steps": r["steps"], "median_m": r["tracked_m"][1], "lost_share": r["lost_share"]}
        for r in row["decoding"]
    ]
    return {"walk": row["walk"], "arena_m": row["arena_m"], "errors": errors}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """How far the scores of two evaluations of a network lie apart.

    Args:
        before: summary of the one.
        after: summary of the other, in the same arena and with the same seeds.

    Returns:
        `units_of_other_type`, `modules`, `independent_modules` (differences in number);
        `spacing_share`, `orientation_deg`, `path_error_m` (largest differences over modules and
        horizons; None where there is nothing to compare); `too_far`, the names of those beyond
        `TOLERANCE`.
    """
    first, second = headline_scores(before), headline_scores(after)
    found: dict[str, Any] = {
        "units_of_other_type": sum(a["type"] != b["type"] for a, b in zip(before["units"], after["units"], strict=True)),
        "modules": second["n_modules"] - first["n_modules"],
        "independent_modules": second["n_independent_modules"] - first["n_independent_modules"],
        "spacing_share": None, "orientation_deg": None, "path_error_m": None,
    }  # fmt: skip
    too_far = [name for name in ("modules", "independent_modules") if found[name]]
    if found["units_of_other_type"] > max(
        1, TOLERANCE["units_of_other_type_share"] * first["units"]
    ):
        too_far.append("units_of_other_type")
    if first["modules"] and second["modules"]:
        pairs = [
            (m, max(after["modules"], key=lambda other: len({*m["units"]} & {*other["units"]})))
            for m in before["modules"]
        ]
        found["spacing_share"] = _short(
            max(abs(b["spacing_m"] / a["spacing_m"] - 1) for a, b in pairs)
        )
        found["orientation_deg"] = _short(
            max(_turn(a["orientation_deg"], b["orientation_deg"]) for a, b in pairs)
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
    """Angle between two orientations; hexagonal lattices come back after 60 degrees, square ones after 90."""
    apart = abs(first_deg - second_deg)
    return min(abs(apart - turn) for turn in (0.0, 60.0, 90.0))


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def small_scores(network: Network, config: Config) -> dict[str, Any]:
    """Scores of all units in a small arena, in a second or two: a quick check that a network is what it is said to be.

    Args:
        network: the network.
        config: what it was trained on and is evaluated with.
    """
    longest = config.world.max_velocity_m
    step, start = network.as_system()
    arena, walk = max(SMALL_ARENA_M, 4 * longest), config.evaluation.walks[0]
    data = map_arena(
        System(step, start, longest), walk=walk, arena_m=arena, config=config.evaluation
    )
    row = summarise(data, threshold=config.evaluation.score_threshold)
    names = (
        "walk",
        "arena_m",
        "active_units",
        "hexagonal_share",
        "lattice_share",
        "minmax_quartiles",
        "spacing_m_quartiles",
        "stability_quartiles",
    )
    return {name: row[name] for name in names}
