"""A path-integrating system evaluated: rate maps in several arenas and everything about them."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gridcode import display
from gridcode.analysis import text
from gridcode.analysis.deep_analysis import analyse_theory
from gridcode.analysis.modules.detection import find_modules
from gridcode.analysis.modules.stability import match_modules
from gridcode.analysis.navigation.out_of_distribution import WalkCondition, generalise
from gridcode.analysis.population import (
    SCORES,
    Population,
    analyse_population,
    modules_of,
    score_dataset,
)
from gridcode.analysis.records import (
    ArenaRecord,
    HeadlineRecord,
    MatchRecord,
    OriginRecord,
    StabilityRecord,
    Summary,
    quartiles,
)
from gridcode.analysis.records.navigation import SpaceRecord
from gridcode.analysis.system import LARGEST_ACTIVITY, System, bounded, roll_rate_maps
from gridcode.config import EvaluationConfig
from gridcode.errors import InputError
from gridcode.world.walks import WALKS

# Arenas are not grown beyond this side: lattices that need more are reported as unresolved.
LARGEST_ARENA_M = 12.0
# The arena must hold enough periods of this share of the units on lattices.
WIDEST_SHARE = 0.9


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate_system` found.

    Attributes:
        summary: everything in numbers and words.
        maps: one group per walk and arena, named like `smooth_4m`, with `rate` (unit, y, x),
            `occupancy` (y, x), `autocorrelogram` (unit, lag_y, lag_x) and the scores of each unit.
        theory: what pictures of state space and mechanism show, see
            `gridcode.analysis.deep_analysis`; None where that was left out.
    """

    summary: Summary
    maps: xr.DataTree
    theory: xr.DataTree | None = None

    def __repr__(self) -> str:
        return f"Evaluation({text.one_line(self.summary)})"

    def _repr_html_(self) -> str:
        return display.table("Evaluation", text.rows(self.summary))

    def with_origin(self, origin: OriginRecord) -> "Evaluation":
        """The same, with what it was made from in the summary and in every group of arrays.

        Args:
            origin: the origin; its id of the evaluation is filled in.
        """
        origin = origin.model_copy(update={"evaluation": ""})
        found = self.summary.model_copy(update={"origin": origin})
        found = found.model_copy(update={"verdict": text.verdict(found)})
        digest = hashlib.sha256(found.to_json().encode()).hexdigest()[:16]
        origin = origin.model_copy(update={"evaluation": digest})
        return Evaluation(
            found.model_copy(update={"origin": origin}),
            _stamped(self.maps, origin),
            None if self.theory is None else _stamped(self.theory, origin),
        )

    def headline(self) -> xr.Dataset:
        """Maps and scores of the arena that the headline numbers come from."""
        assert self.summary.headline is not None
        return self.maps[self.summary.headline.group].to_dataset()


def _stamped(tree: xr.DataTree, origin: OriginRecord) -> xr.DataTree:
    return tree.map_over_datasets(lambda data: data.assign_attrs(origin.attributes()))


def group_name(walk: str, arena_m: float) -> str:
    """Name of the group of a walk and an arena, such as `smooth_4m` or `uniform_2.5m`."""
    return f"{walk}_{arena_m:g}m"


def period_of(spacing_m: float) -> float:
    """Distance between rows of fields of a hexagonal lattice: sqrt(3)/2 of its spacing, metres."""
    return math.sqrt(0.75) * spacing_m


def map_arena(
    system: System,
    *,
    walk: str,
    arena_m: float,
    config: EvaluationConfig,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Rate maps, autocorrelograms and scores of every unit in one arena.

    Args:
        system: the system; its start is the arena's centre.
        walk: `smooth`, `uniform` or another of `gridcode.world.walks.WALKS`.
        arena_m: side of the arena, metres.
        config: bins, samples, smoothing, seed.
        progress: called with 1 after each step of the walk.
    """
    bins = round(arena_m / config.bin_size_m)
    walkers = max(16, math.ceil(config.samples_per_bin * bins**2 / config.walk_steps))
    path = WALKS[walk](
        arena_m=arena_m,
        steps=config.walk_steps,
        walkers=walkers,
        max_step_m=system.max_step_m,
        generator=np.random.default_rng(
            [config.seed, round(1000 * arena_m), list(WALKS).index(walk)]
        ),
    )
    data = roll_rate_maps(system, path, bin_size_m=config.bin_size_m, progress=progress)
    return score_dataset(
        data, smoothing_bins=config.smoothing_bins, silent_below=config.silent_below
    )


def evaluate_system(
    system: System,
    *,
    config: EvaluationConfig,
    sigma_x_m: float = 0.05,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Rate maps and scores in every arena and on every walk, and everything else in one arena.

    Where the largest arena does not hold enough periods of the cells, one that does is added. The
    headline comes from the first walk and the smallest arena that holds enough periods; a period is
    the distance between rows of fields. There units are compared with null maps, modules are
    looked for, and topology, dynamics and coding are measured. Other arenas have scores only.

    Args:
        system: the system. Without `extent_m` neural distance and path integration are left out,
            without `precise` the dynamics, without `matrices` the mechanism.
        config: arenas, walks, bins, levels.
        sigma_x_m: positions this far apart should be distinguished, for the coding properties.
        progress: called with (what, done, total) as walks and tests proceed.

    Raises:
        InputError: an arena too small for its bins or steps.
    """
    system = bounded(system)
    smallest = 4 * system.max_step_m
    for arena in config.arenas_m:
        if arena < smallest:
            raise InputError(
                f"an arena of {arena:g} m is too small for steps of up to "
                f"{system.max_step_m:g} m: take {smallest:g} m or more"
            )
    groups: dict[str, xr.Dataset] = {}

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    def run(walk: str, arena: float) -> xr.Dataset:
        name = group_name(walk, arena)
        done, show = 0, report(name)

        def tick(n: int) -> None:
            nonlocal done
            done += n
            if show:
                show(done, config.walk_steps)

        groups[name] = map_arena(system, walk=walk, arena_m=arena, config=config, progress=tick)
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

    fits = [a for a in arenas if 0 < _arena_needed(groups[group_name(first, a)], config) <= a]
    headline = group_name(first, fits[0] if fits else arenas[-1])
    population = analyse_population(
        groups[headline],
        smoothing_bins=config.smoothing_bins,
        silent_below=config.silent_below,
        nulls=config.nulls,
        null=config.null,
        level=config.significance,
        false_discovery_rate=config.false_discovery_rate,
        seed=config.seed,
        progress=report("null maps"),
    )
    groups[headline] = population.data
    reasons = _diverged(groups)

    def navigation() -> tuple[SpaceRecord, ...]:
        conditions = [
            WalkCondition(first, 1.0, config.space_steps[-1]),
            *(
                WalkCondition(first, float(over), config.space_steps[0])
                for over in config.space_arenas
            ),
        ]
        conditions += [
            WalkCondition(walk, 1.0, config.space_steps[0]) for walk in config.space_walks
        ]
        return generalise(system, conditions=conditions, seed=config.seed, progress=report("space"))

    space = None
    if config.space and system.extent_m is not None:
        try:
            if nothing := _nothing_to_measure(reasons, population.data):
                raise InputError(nothing)
            space = navigation()
        except (InputError, np.linalg.LinAlgError) as error:
            reasons["space"] = str(error)
    evaluation = Evaluation(
        summary=_summary(
            groups, headline, population, config, resolved=bool(fits), space=space, reasons=reasons
        ),
        maps=xr.DataTree.from_dict({f"/{k}": v for k, v in groups.items()}),
    )
    if not config.theory:
        return evaluation
    return add_theory(evaluation, system, config=config, sigma_x_m=sigma_x_m, progress=progress)


def add_theory(
    evaluation: Evaluation,
    system: System,
    *,
    config: EvaluationConfig,
    sigma_x_m: float = 0.05,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """An evaluation with topology, dynamics and coding, which take longer than all the rest.

    Args:
        evaluation: one without them, of the same system and settings; fresh or from its files.
        system: the system.
        config: as in `evaluate_system`, like the following.
        sigma_x_m: positions this far apart should be distinguished.
        progress: called with (what, done, total).

    Returns:
        What `evaluate_system` finds with them.
    """
    summary, data = evaluation.summary, evaluation.headline()
    reasons, theory = dict(summary.reasons), None
    try:
        if nothing := _nothing_to_measure(reasons, data):
            raise InputError(nothing)
        theory = analyse_theory(
            bounded(system),
            arena_m=data.attrs["arena_m"],
            modules=modules_of(data, level=config.significance, seed=config.seed),
            phases=data["phase"].values,
            independent=summary.n_independent_modules,
            walk=config.walks[0],
            walk_steps=config.walk_steps,
            sigma_x_m=sigma_x_m,
            nulls=config.shuffles,
            seed=config.seed,
            progress=progress,
        )
    except (InputError, np.linalg.LinAlgError) as error:
        reasons["theory"] = str(error)
    found = summary.model_copy(
        update={"theory": theory.summary if theory else None, "reasons": reasons}
    )
    found = found.model_copy(update={"verdict": text.verdict(found)})
    return Evaluation(found, evaluation.maps, theory.arrays if theory else None)


def _nothing_to_measure(reasons: Mapping[str, str], data: xr.Dataset) -> str:
    """Why there are no states to measure; "" where there are."""
    return reasons.get("states") or ("no unit is active" if data["silent"].values.all() else "")


def _diverged(groups: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """The reason `states` where states in any arena are not finite, or far too large."""
    shares = {name: float(data.attrs["diverged_share"]) for name, data in groups.items()}
    worst = max(shares, key=shares.__getitem__)
    if not shares[worst]:
        return {}
    share = f"{100 * shares[worst]:.2g}%" if shares[worst] < 1 else "all"
    return {
        "states": f"the system diverges: {share} of its states in {worst} are not finite "
        f"or above {LARGEST_ACTIVITY:g}"
    }


def _arena_needed(data: xr.Dataset, config: EvaluationConfig) -> float:
    """Side of the arena that holds enough periods of nearly all lattices; 0: there are none."""
    spacing = data["spacing_m"].values
    fitted = np.isfinite(spacing) & ~data["silent"].values
    # Fits to bands and noise have any spacing: they count only where no unit is on a lattice.
    on_lattice = fitted & (np.nan_to_num(data["corrected"].values) > config.score_threshold)
    known = spacing[on_lattice if on_lattice.any() else fitted]
    if not len(known):
        return 0.0
    return config.periods * period_of(float(np.quantile(known, WIDEST_SHARE)))


def _summary(
    groups: dict[str, xr.Dataset],
    headline: str,
    population: Population,
    config: EvaluationConfig,
    *,
    resolved: bool,
    space: tuple[SpaceRecord, ...] | None,
    reasons: dict[str, str],
) -> Summary:
    arenas = {
        name: summarise(data, name, threshold=config.score_threshold)
        for name, data in groups.items()
    }
    found = population.summary.model_copy(
        update={
            "headline": HeadlineRecord.of(
                arenas[headline], resolved=resolved, score_threshold=config.score_threshold
            ),
            "arena_stability": _arena_stability(groups, headline, population, config),
            "arenas": tuple(arenas.values()),
            "space": space,
            "reasons": reasons,
        }
    )
    return found.model_copy(update={"verdict": text.verdict(found)})


def _arena_stability(
    groups: dict[str, xr.Dataset], headline: str, population: Population, config: EvaluationConfig
) -> tuple[StabilityRecord, ...]:
    """Whether the headline's cells form the same modules in other arenas and on other walks."""
    records = []
    for name, data in groups.items():
        if name == headline:
            continue
        here = find_modules(
            data["vectors_m"].values,
            candidate=population.data["periodic"].values,
            arena_m=data.attrs["arena_m"],
            generator=np.random.default_rng([config.seed, 1]),
            # No p-value is reported from here: enough to tell one below the level from one above.
            nulls=min(999, max(199, math.ceil(1 / config.significance))),
            significance=config.significance,
        )
        same = match_modules(population.modules, here)
        matches = [MatchRecord.of(m, modules=(m.first, m.second)) for m in same.matches]
        records.append(StabilityRecord.of(same, group=name, n_modules=len(here), matches=matches))
    return tuple(records)


def summarise(data: xr.Dataset, group: str, *, threshold: float) -> ArenaRecord:
    """Counts, shares above the threshold and quartiles over active units, of one arena."""
    active = ~data["silent"].values
    scores = {name: data[name].values[active] for name in (*SCORES, "stability")}

    def share(name: str) -> float | None:
        # A unit whose score cannot be computed is not above the threshold.
        known = np.nan_to_num(scores[name], nan=-np.inf)
        return float(np.mean(known > threshold)) if active.any() else None

    return ArenaRecord(
        group=group,
        walk=data.attrs["walk"],
        arena_m=data.attrs["arena_m"],
        bin_size_m=data.attrs["bin_size_m"],
        visited_share=float((data["occupancy"].values > 0).mean()),
        samples_per_bin=float(data["occupancy"].values.mean()),
        units=len(active),
        active_units=int(active.sum()),
        silent_units=int((~active).sum()),
        hexagonal_share=share("grid_score"),
        lattice_share=share("corrected"),
        square_share=share("square"),
        **{
            f"{name}_quartiles": quartiles(values) if np.isfinite(values).any() else None
            for name, values in scores.items()
        },
    )
