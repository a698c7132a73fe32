"""Probe a path-integrating system: walks, rate maps and grid scores in several arenas."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from gridcode.analysis.autocorrelogram import autocorrelograms, smooth
from gridcode.analysis.gridness import score_correlograms, unscorable
from gridcode.analysis.rollout import Step, roll_rate_maps
from gridcode.config import EvaluationConfig
from gridcode.errors import InputError
from gridcode.world.trajectories import WALKS

# Arenas are not grown beyond this side: lattices that need more are reported as unresolved.
LARGEST_ARENA_M = 12.0
SCORES = ("minmax", "mean60", "square", "corrected", "spacing_m", "orientation_deg", "axis_ratio")


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate_system` found.

    Attributes:
        summary: scores by arena and by unit, ready for JSON (missing values are None).
        maps: one group per walk and arena, named like `smooth_4m`, with `rate` (unit, y, x), `occupancy` (y, x),
            `autocorrelogram` (unit, lag_y, lag_x) and the scores of each unit.
    """

    summary: dict[str, Any]
    maps: xr.DataTree

    def headline(self) -> xr.Dataset:
        """Maps and scores of the arena that the headline numbers come from."""
        return self.maps[self.summary["headline"]["group"]].to_dataset()


def group_name(walk: str, arena_m: float) -> str:
    """Name of the group of a walk and an arena, such as `smooth_4m` or `uniform_2.5m`."""
    return f"{walk}_{arena_m:g}m"


def period_of(spacing_m: float) -> float:
    """Distance between neighbouring rows of fields of a hexagonal lattice, sqrt(3)/2 of its spacing; metres."""
    return math.sqrt(0.75) * spacing_m


def map_arena(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    walk: str,
    arena_m: float,
    max_step_m: float,
    config: EvaluationConfig,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Rate maps, autocorrelograms and scores of every unit in one arena.

    Args:
        step: one step of the system, (walker, unit) and (walker, 2) to (walker, unit).
        start: (unit,) state at the origin, the arena's centre.
        walk: `smooth` or `uniform`.
        arena_m: side of the arena.
        max_step_m: longest step; keep it inside what the system was trained on, whatever the arena.
        config: bins, samples, smoothing, seed.
        progress: called with 1 after each step of the walk.
    """
    bins = round(arena_m / config.bin_size_m)
    walkers = max(16, math.ceil(config.samples_per_bin * bins**2 / config.walk_steps))
    path = WALKS[walk](
        arena_m=arena_m,
        steps=config.walk_steps,
        walkers=walkers,
        max_step_m=max_step_m,
        generator=np.random.default_rng([config.seed, round(1000 * arena_m), sorted(WALKS).index(walk)]),
    )
    data = roll_rate_maps(step, start, path, bin_size_m=config.bin_size_m, progress=progress)
    return score_dataset(data, smoothing_bins=config.smoothing_bins, silent_below=config.silent_below)


def score_dataset(data: xr.Dataset, *, smoothing_bins: float, silent_below: float) -> xr.Dataset:
    """Add autocorrelograms, scores and `silent` to a dataset of rate maps.

    Args:
        data: `rate` (unit, y, x) with attributes `bin_size_m` and `arena_m`, as `rate_maps` makes it.
        smoothing_bins: Gaussian smoothing before scoring, in bins; the stored rate stays as it is.
        silent_below: units that stay at or below this rate are silent and get no scores.
    """
    rate = data["rate"].values.astype(np.float64)
    peak = np.where(np.isfinite(rate), rate, -np.inf).max(axis=(1, 2))
    silent = peak <= silent_below
    scored = np.where(silent[:, None, None], 0.0 * rate, rate)
    size = data.attrs["bin_size_m"]
    correlograms = autocorrelograms(smooth(scored, smoothing_bins))
    scores = score_correlograms(correlograms, bin_size_m=size, reasons=unscorable(scored))
    lags = [(np.arange(n) - n // 2) * size for n in correlograms.shape[1:]]
    data = data.assign_coords(lag_y=("lag_y", lags[0], {"units": "m"}), lag_x=("lag_x", lags[1], {"units": "m"}))
    data["autocorrelogram"] = (("unit", "lag_y", "lag_x"), correlograms.astype(np.float32))
    data["silent"] = ("unit", silent)
    for name in SCORES:
        data[name] = ("unit", getattr(scores, name))
    data["vectors_m"] = (("unit", "vector", "component"), scores.vectors_m)
    data["reason"] = ("unit", np.array(scores.reason, dtype=object))
    return data


def evaluate_system(
    step: Step,
    start: Float[np.ndarray, " unit"],
    *,
    max_step_m: float,
    config: EvaluationConfig,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Rate maps and scores in every arena and on every walk of the configuration.

    Where the largest arena does not hold enough periods of the cells, one that does is added. The headline comes from
    the first walk and the smallest arena that holds enough periods; a period is the distance between rows of
    fields. Scores in smaller arenas are kept but rest on too few fields.

    Args:
        step: one step of the system, (walker, unit) states and (walker, 2) metres to (walker, unit) states.
        start: (unit,) state at the origin.
        max_step_m: longest step of the walks.
        config: arenas, walks, bins.
        progress: called with (what, done, total) as walks proceed.

    Raises:
        InputError: an arena too small for its bins or steps.
    """
    for arena in config.arenas_m:
        if arena < 4 * max_step_m:
            raise InputError(f"an arena of {arena:g} m is too small for steps of up to {max_step_m:g} m: take {4 * max_step_m:g} m or more")
    groups: dict[str, xr.Dataset] = {}

    def run(walk: str, arena: float) -> xr.Dataset:
        name = group_name(walk, arena)
        done = 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            if progress:
                progress(name, done, config.walk_steps)

        groups[name] = map_arena(step, start, walk=walk, arena_m=arena, max_step_m=max_step_m, config=config, progress=tick)
        return groups[name]

    first, *others = config.walks
    arenas = sorted(set(config.arenas_m))
    for arena in arenas:
        run(first, arena)
    needed = _arena_needed(groups[group_name(first, arenas[-1])], config)
    if config.adapt_arena and arenas[-1] < min(needed, LARGEST_ARENA_M):
        arenas.append(min(math.ceil(needed), LARGEST_ARENA_M))
        run(first, arenas[-1])
    for walk in others:
        for arena in arenas:
            run(walk, arena)
    return Evaluation(summary=_summary(groups, arenas, config), maps=xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()}))


def _arena_needed(data: xr.Dataset, config: EvaluationConfig) -> float:
    """Side of the arena that holds enough periods of the median cell; 0 where no lattice was fitted."""
    spacing = data["spacing_m"].values[~data["silent"].values]
    spacing = spacing[np.isfinite(spacing)]
    return config.periods * period_of(float(np.median(spacing))) if len(spacing) else 0.0


def _summary(groups: dict[str, xr.Dataset], arenas: list[float], config: EvaluationConfig) -> dict[str, Any]:
    first = config.walks[0]
    by_arena = [summarise(data, threshold=config.score_threshold) | {"group": name} for name, data in groups.items()]
    fits = [a for a in arenas if 0 < _arena_needed(groups[group_name(first, a)], config) <= a]
    headline = group_name(first, fits[0] if fits else arenas[-1])
    data = groups[headline]
    peaks = np.fmax.reduce(data["rate"].values, axis=(1, 2))
    silent, reasons = data["silent"].values, data["reason"].values
    scores = {name: data[name].values for name in SCORES}
    units = [
        {"unit": u, "silent": bool(silent[u]), "peak_rate": _number(peaks[u])}
        | {name: _number(values[u]) for name, values in scores.items()}
        | {"reason": str(reasons[u])}
        for u in range(data.sizes["unit"])
    ]
    chosen = next(a for a in by_arena if a["group"] == headline)
    return {
        "format": 1,
        "headline": chosen | {"resolved": bool(fits), "score_threshold": config.score_threshold},
        "arenas": by_arena,
        "units": units,
    }


def summarise(data: xr.Dataset, *, threshold: float) -> dict[str, Any]:
    """Headline numbers of one arena: counts, shares above the threshold and medians over active units."""
    active = ~data["silent"].values
    scores = {name: data[name].values[active] for name in SCORES}

    def share(name: str) -> float | None:
        # A unit whose score cannot be computed is not above the threshold.
        return float(np.mean(np.nan_to_num(scores[name], nan=-np.inf) > threshold)) if active.any() else None

    def quartiles(values: np.ndarray) -> list[float] | None:
        values = values[np.isfinite(values)]
        return [round(float(q), 4) for q in np.quantile(values, [0.25, 0.5, 0.75])] if len(values) else None

    return {
        "walk": data.attrs["walk"],
        "arena_m": data.attrs["arena_m"],
        "bin_size_m": data.attrs["bin_size_m"],
        "visited_share": round(float((data["occupancy"].values > 0).mean()), 4),
        "samples_per_bin": round(float(data["occupancy"].values.mean()), 2),
        "units": len(active),
        "active_units": int(active.sum()),
        "silent_units": int((~active).sum()),
        "hexagonal_share": share("minmax"),
        "lattice_share": share("corrected"),
        "square_share": share("square"),
    } | {f"{name}_quartiles": quartiles(scores[name]) for name in SCORES}


def _number(value: float | np.floating) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
