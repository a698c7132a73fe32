"""Everything that is measured of a system on a line or in a volume."""

import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from gridcode.analysis.dimensions.groups import group_periods, relate_periods
from gridcode.analysis.dimensions.line import find_periods
from gridcode.analysis.dimensions.order import local_order
from gridcode.analysis.dimensions.rates import filled, rates_of_walk
from gridcode.analysis.dimensions.reading import path_errors
from gridcode.analysis.dimensions.shared import shared_lattice, shared_waves
from gridcode.analysis.dimensions.waves import ORDERS, SIGNIFICANCE, find_waves
from gridcode.analysis.records.base import quartiles
from gridcode.analysis.records.dimensions import (
    LineRecord,
    LineUnitRecord,
    PeriodGroupRecord,
    PeriodRatioRecord,
    SharedLatticeRecord,
    VolumeRecord,
    VolumeUnitRecord,
)
from gridcode.analysis.system import System, bounded
from gridcode.world.walks import WALKS, Walk

# Sides in metres where none is given: on a line long enough for three periods of 4 m.
SIDES_M = {1: 12.0, 3: 3.0}
BINS_M = {1: 0.04, 3: 0.1}
# Walks long enough to reach the ends, and walkers that give about five samples a bin or more.
STEPS = {1: 400, 3: 250}
WALKERS = {1: 64, 3: 640}
PLACES = {1: 100, 3: 16}  # along each axis, among which a place is read
PATH_STEPS, PATH_WALKERS = 60, 200
SILENT_BELOW = 1e-3

Progress = Callable[[str, int, int], None]


def evaluate_line(
    system: System,
    *,
    side_m: float = SIDES_M[1],
    bin_size_m: float = BINS_M[1],
    walk: str = "smooth",
    nulls: int = 199,
    seed: int = 0,
    silent_below: float = SILENT_BELOW,
    progress: Progress | None = None,
) -> LineRecord:
    """Periods, groups of periods and path integration of a system whose steps have one axis.

    Args:
        system: the system.
        side_m: length of the line around the origin, metres: three periods or more.
        bin_size_m: length of a bin, metres.
        walk: a walk of one dimension (`gridcode.world.walks.WALKS`).
        nulls: null lines a unit.
        seed: of walks and nulls.
        silent_below: units whose activity never exceeds this are silent.
        progress: called with (what, done, total).

    Raises:
        InputError: an unknown walk, or sizes that make no sense.
    """
    rates, stability = _map(system, 1, side_m, bin_size_m, walk, seed)
    silent = _silent(rates, silent_below)
    periods = find_periods(
        np.where(silent[:, None], 0.0, filled(rates)),
        bin_size_m=bin_size_m,
        nulls=nulls,
        seed=seed,
        progress=progress and functools.partial(progress, "periods"),
    )
    periodic = periods.periodic()
    groups = group_periods(np.where(periodic, periods.period_m, np.nan))
    group_of = {int(u): i for i, group in enumerate(groups) for u in group.units}
    units = tuple(
        LineUnitRecord(
            unit=u,
            silent=silent[u],
            periodic=periodic[u],
            group=group_of.get(u),
            stability=stability[u],
            **{
                name: getattr(periods, name)[u]
                for name in ("period_m", "similarity", "p_value", "fields", "width_m")
            },
        )
        for u in range(len(rates))
    )
    return LineRecord(
        **_settings(side_m, bin_size_m, walk, nulls, seed),
        active=int((~silent).sum()),
        periodic=int(periodic.sum()),
        width_m=quartiles(periods.width_m[~silent]),
        stability=quartiles(stability[~silent]),
        path_error_m=_path_error(system, 1, seed),
        groups=tuple(
            PeriodGroupRecord(period_m=g.period_m, spread=g.spread, units=len(g.units))
            for g in groups
        ),
        ratios=tuple(PeriodRatioRecord.of(ratio) for ratio in relate_periods(groups)),
        units=units,
    )


def evaluate_volume(
    system: System,
    *,
    side_m: float = SIDES_M[3],
    bin_size_m: float = BINS_M[3],
    walk: str = "smooth",
    nulls: int = 99,
    seed: int = 0,
    silent_below: float = SILENT_BELOW,
    progress: Progress | None = None,
) -> VolumeRecord:
    """Global and local order and path integration of a system whose steps have three axes.

    Args:
        system: the system.
        side_m: side of the cube around the origin, metres: three periods or more.
        bin_size_m: side of a bin, metres.
        walk: a walk of three dimensions (`gridcode.world.walks.WALKS`).
        nulls: null volumes a unit, and arrangements of fields; 99 or more.
        seed: of walks and nulls.
        silent_below: units whose activity never exceeds this are silent.
        progress: called with (what, done, total).

    Raises:
        InputError: an unknown walk, or sizes that make no sense.
    """
    rates, stability = _map(system, 3, side_m, bin_size_m, walk, seed)
    silent = _silent(rates, silent_below)
    volumes = np.where(silent[:, None, None, None], 0.0, filled(rates))
    waves = find_waves(
        volumes,
        nulls=nulls,
        seed=seed,
        progress=progress and functools.partial(progress, "waves of the volume"),
    )
    order = local_order(volumes, side_m=side_m, nulls=nulls, seed=seed)
    lattice = shared_lattice(waves, side_m=side_m, generator=np.random.default_rng(seed))
    count = np.bincount(waves.unit, minlength=len(rates))
    kinds = [ORDERS[rank] for rank in waves.rank]
    names = ("fields", "diameter_m", "distance_m", "variation", "hard_spheres")
    units = tuple(
        VolumeUnitRecord(
            unit=u,
            silent=silent[u],
            global_order=kinds[u],
            waves=count[u],
            strongest_wave=waves.height[u],
            stability=stability[u],
            **{name: getattr(order, name)[u] for name in (*names, "p_poisson", "p_hard_spheres")},
        )
        for u in range(len(rates))
    )
    return VolumeRecord(
        **_settings(side_m, bin_size_m, walk, nulls, seed),
        active=int((~silent).sum()),
        lattice=kinds.count("lattice"),
        columns=kinds.count("columns"),
        planes=kinds.count("planes"),
        local_order=int((order.p_hard_spheres <= SIGNIFICANCE).sum()),
        stability=quartiles(stability[~silent]),
        path_error_m=_path_error(system, 3, seed),
        shared_waves=len(shared_waves(waves).units),
        shared_lattice=lattice and SharedLatticeRecord.of(lattice),
        units=units,
    )


def _settings(
    side_m: float, bin_size_m: float, walk: str, nulls: int, seed: int
) -> dict[str, float | int | str]:
    return {
        "side_m": side_m,
        "bin_size_m": bin_size_m,
        "walk": walk,
        "nulls": nulls,
        "seed": seed,
        "path_steps": PATH_STEPS,
    }


def _walk(system: System, dimensions: int, walk: str, side_m: float, **sizes: int) -> Walk:
    return WALKS[walk](
        arena_m=side_m,
        max_step_m=system.max_step_m,
        dimensions=dimensions,
        steps=sizes["steps"],
        walkers=sizes["walkers"],
        generator=np.random.default_rng([sizes["seed"], dimensions, sizes["steps"]]),
    )


def _map(
    system: System, dimensions: int, side_m: float, bin_size_m: float, walk: str, seed: int
) -> tuple[Float[np.ndarray, "unit _ *more"], Float[np.ndarray, " unit"]]:
    path = _walk(
        system,
        dimensions,
        walk,
        side_m,
        steps=STEPS[dimensions],
        walkers=WALKERS[dimensions],
        seed=seed,
    )
    return rates_of_walk(bounded(system), path, bin_size_m=bin_size_m)


def _silent(rates: Float[np.ndarray, "unit _ *more"], below: float) -> Bool[np.ndarray, " unit"]:
    with np.errstate(invalid="ignore"):
        return ~(np.nanmax(np.abs(rates.reshape(len(rates), -1)), axis=1) > below)


def _path_error(system: System, dimensions: int, seed: int) -> float | None:
    """Median distance of the place that is read within the space that training covered."""
    side = system.extent_m
    if side is None:
        return None
    path = _walk(
        system, dimensions, "smooth", side, steps=PATH_STEPS, walkers=PATH_WALKERS, seed=seed
    )
    errors = path_errors(bounded(system), path, side_m=side, bins=PLACES[dimensions])
    return float(np.median(errors)) if len(errors) else None
