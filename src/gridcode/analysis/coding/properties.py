"""Properties of a grid code: one number each, beside chance or theory.

Schaeffer et al. 2023, section 4.1, name seven: exponential capacity, separation, decorrelation,
equal norm, ease of update, algebraic, whitened. Error correction is an eighth.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from gridcode.analysis.coding.capacity import (
    ERROR_RATE,
    Capacity,
    IndependentModules,
    area_exponent,
    capacity,
    capacity_against_area,
    capacity_against_units,
    collision_distance,
    expected_capacity,
    independent_modules,
)
from gridcode.analysis.coding.capacity_scaling import capacity_scaling
from gridcode.analysis.coding.codes import Code, sample_states, slopes
from gridcode.analysis.coding.decoding_error import error_correction
from gridcode.analysis.coding.geometry import correlation_curve, dimensions, equal_norm, separation
from gridcode.analysis.coding.update_operators import (
    ModuleUpdates,
    code_waves,
    ease_of_update,
    module_updates,
    phase_algebra,
)
from gridcode.analysis.navigation.neural_distance import distance_curve
from gridcode.analysis.records.coding import (
    AlgebraicProperty,
    CapacityProperty,
    CapacityRecord,
    CodeRecord,
    CorrectionProperty,
    DecorrelationProperty,
    EqualNormProperty,
    GrowthRecord,
    IndependentModulesRecord,
    PropertiesRecord,
    SeparationProperty,
    UpdateProperty,
    WhitenedProperty,
)
from gridcode.arrays import takes_arrays
from gridcode.errors import InputError

PLACES = 3000
# Displacements are this many times sigma_x: 0.15 m, the longest step, for the published 0.05 m.
STEP_OVER_SIGMA_X = 3.0
# Shares of the units whose capacity is compared, and draws of each.
SUBSETS, DRAWS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0), 3
NOISE_OVER_NOISE = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# Sides of squares up to the arena, as shares of it, and how many beyond it.
SIDES = (1 / 8, 1 / 4, 1 / 2, 1.0)
BEYOND = 3
# Bins per correlation length, at most so many a side, and how many places are decoded.
BINS_PER_LENGTH, MOST_BINS_A_SIDE, READINGS = 4, 160, 600
UNKNOWN = "the activity is the same everywhere"
PROPERTIES = tuple(PropertiesRecord.model_fields)


@takes_arrays
def coding_properties(
    code: Code,
    *,
    arena_m: float,
    generator: np.random.Generator,
    sigma_x_m: float = 0.05,
    noise: float = 0.05,
    labels: Int[np.ndarray, " unit"] | None = None,
    vectors_m: Float[np.ndarray, "module 2 2"] | None = None,
    beyond_m: float | None = None,
    name: str = "",
) -> CodeRecord:
    r"""Eight properties of a code, each with one headline number to compare codes by.

    Noise is relative: its standard deviation in every unit is $\sigma = \mathrm{noise} \cdot
    \sqrt{\langle |g|^2 \rangle}$, so that codes of any unit and any amplitude compare, at the same
    number of units. Two places collide where their states are closer than $\delta = 3.29\, \sigma$.

    Headline numbers, and what is beside them:

    - `capacity`: $\log_2 C$, distinguishable places in the arena, bits. `expected`: a code of the
      same slopes that never repeats. Behind it `by_area`, and `area_exponent`, the slope of log C
      against log area from half the side to the arena (1: no new place resembles another, 0: all
      do); `by_units` for random subsets of units, `by_modules` for the first modules, at the same
      noise; `independent_modules`, the number as which the code acts.
    - `separation`: 1% quantile of neural distance over its plateau, pairs `sigma_x_m` apart; high
      is good. Null: independently shuffled units.
    - `decorrelation`: root mean square of the correlation curve beyond half the arena; low is good.
      Null: shuffled states.
    - `equal_norm`: coefficient of variation of $\lvert g\rvert$; low is good. Null: independently
      shuffled units.
    - `update`: $R^2$ of one linear operator for each displacement, far from the places of its fit.
      Null: the state itself, shrunk towards the mean.
    - `algebraic`: $R$ of sums of phases, beyond the places where phases were defined. Null: y of
      other pairs.
    - `whitened`: participation ratio over the number of units; high is good. Null: independently
      shuffled units.
    - `correction`: share of catastrophic errors under the noise; low is good. Null: random guesses.

    Args:
        code: the code, known in a square of side `arena_m` at least.
        arena_m: side of the square arena around the origin, metres.
        generator: source of all randomness.
        sigma_x_m: smallest distance that the code should resolve, metres; displacements are three
            times as long.
        noise: standard deviation of the noise of a unit over the root mean square length of the
            states.
        labels: (unit,) module of each unit, -1: in none; None: modules are not compared.
        vectors_m: (module, 2, 2) lattice vectors of the modules, in the order of the labels; None:
            waves are looked for in the spectrum.
        beyond_m: side of a larger square in which the code is known too; phases are defined in half
            of it, at most in the arena.
        name: of the code, kept in the record.

    Raises:
        InputError: lengths or noise that are not positive, labels or vectors that do not match, a
            code that is not known in most of the arena.

    Source: Schaeffer et al. 2023, section 4.1 and appendix C.
    """
    if not (0 < arena_m < math.inf and 0 < sigma_x_m < math.inf and 0 < noise < math.inf):
        raise InputError(
            f"arena_m, sigma_x_m and noise must be positive, not {arena_m}, {sigma_x_m} and {noise}"
        )
    if not 6 * STEP_OVER_SIGMA_X * sigma_x_m < arena_m:
        raise InputError(
            f"an arena of {arena_m:g} m is too small for sigma_x of {sigma_x_m:g} m: "
            f"take more than {6 * STEP_OVER_SIGMA_X:g} times as much"
        )
    if beyond_m is not None and not arena_m <= beyond_m < math.inf:
        raise InputError(f"beyond_m must be the arena's {arena_m:g} m or more, not {beyond_m}")
    x, g = sample_states(code, side_m=arena_m, places=PLACES, generator=generator)
    if len(x) < PLACES / 2:
        raise InputError(
            f"only {len(x)} of {PLACES} places of the arena have a state: "
            "the code must be known in half of it"
        )
    _check_modules(g.shape[1], labels, vectors_m)
    rms = float(np.sqrt((g**2).sum(axis=1).mean()))
    largest = arena_m if beyond_m is None else beyond_m
    found = CodeRecord(
        code=name,
        arena_m=arena_m,
        beyond_m=beyond_m,
        units=g.shape[1],
        places=len(x),
        noise=noise,
        error_rate=ERROR_RATE,
        sigma=None,
        delta=None,
        rms_length=rms,
        properties=PropertiesRecord.model_validate({p: {"reason": UNKNOWN} for p in PROPERTIES}),
    )
    # Interpolated states that are the same everywhere differ in the last digit.
    if np.ptp(g, axis=0).max() <= 1e-12 * rms:
        return found
    sigma = noise * rms
    delta, step_m = collision_distance(sigma), STEP_OVER_SIGMA_X * sigma_x_m
    # A random stream for each property, so that none changes when another does.
    streams = dict(zip(PROPERTIES, generator.spawn(len(PROPERTIES)), strict=True))
    stream = streams["decorrelation"]
    shuffled = g[stream.permutation(len(g))]
    correlation, null_correlation = (
        correlation_curve(
            distance_curve(x, s, generator=stream, bin_size_m=sigma_x_m, longest_m=arena_m), s
        )
        for s in (g, shuffled)
    )
    separated = separation(x, g, sigma_x_m=sigma_x_m, delta=delta, generator=streams["separation"])
    norm = equal_norm(g, generator=streams["equal_norm"])
    update = ease_of_update(
        code, arena_m=arena_m, step_m=step_m, sigma=sigma, generator=streams["update"]
    )
    properties = PropertiesRecord(
        capacity=_capacity(
            code,
            x,
            g,
            arena_m,
            largest,
            delta,
            sigma_x_m,
            correlation.length_m,
            labels,
            vectors_m,
            streams["capacity"],
        ),
        separation=SeparationProperty.of(
            separated, headline=separated.ratio, null=separated.null_ratio
        ),
        decorrelation=DecorrelationProperty.of(
            correlation, headline=correlation.far_rms, null=null_correlation.far_rms
        ),
        equal_norm=EqualNormProperty.of(norm, headline=norm.variation, null=norm.null_variation),
        update=UpdateProperty.of(
            update, headline=update.r_square, null=update.persistence_r_square
        ),
        algebraic=_algebraic(
            code, min(arena_m, largest / 2), arena_m, vectors_m, streams["algebraic"]
        ),
        whitened=_whitened(code, g, labels, arena_m, step_m, streams["whitened"]),
        correction=_correction(code, correlation.length_m, arena_m, sigma, streams["correction"]),
    )
    return CodeRecord.of(found, sigma=sigma, delta=delta, properties=properties)


def _check_modules(units: int, labels: np.ndarray | None, vectors_m: np.ndarray | None) -> None:
    if labels is not None and (
        np.shape(labels) != (units,) or not np.issubdtype(np.asarray(labels).dtype, np.integer)
    ):
        raise InputError(
            f"labels must be one whole number for each of {units} units, "
            f"not of shape {np.shape(labels)}"
        )
    if vectors_m is not None and (
        np.ndim(vectors_m) != 3 or np.shape(vectors_m)[1:] != (2, 2) or len(vectors_m) == 0
    ):
        raise InputError(
            f"vectors_m must be (module, 2, 2) with one module or more, not {np.shape(vectors_m)}"
        )
    if labels is not None and vectors_m is not None and labels.max(initial=-1) >= len(vectors_m):
        raise InputError(
            f"labels name module {labels.max()}, but vectors_m holds {len(vectors_m)} modules"
        )


def _capacity(
    code: Code,
    x: Float[np.ndarray, "place 2"],
    g: Float[np.ndarray, "place unit"],
    arena_m: float,
    largest_m: float,
    delta: float,
    sigma_x_m: float,
    length_m: float,
    labels: np.ndarray | None,
    vectors_m: np.ndarray | None,
    generator: np.random.Generator,
) -> CapacityProperty:
    here = capacity(g, delta=delta, side_m=arena_m)
    sides = [share * arena_m for share in SIDES[:-1]]
    if largest_m > arena_m:
        sides += list(np.geomspace(arena_m, largest_m, BEYOND + 1)[1:])
    by_area = capacity_against_area(
        code, sides_m=sides, delta=delta, generator=generator, places=PLACES
    )
    units = g.shape[1]
    sizes = sorted({max(1, round(share * units)) for share in SUBSETS})
    subsets = [
        generator.permutation(units)[:size]
        for size in sizes
        for _ in range(DRAWS if size < units else 1)
    ]
    by_units = capacity_against_units(
        g[: PLACES // 2], subsets=subsets, delta=delta, side_m=arena_m
    )
    label = np.full(units, -1) if labels is None else labels
    present = np.unique(label[label >= 0])
    members = [np.flatnonzero((label >= 0) & (label <= m)) for m in present]
    by_modules = capacity_against_units(g, subsets=members, delta=delta, side_m=arena_m)
    everywhere = sorted((*by_area, here), key=lambda c: c.side_m)
    exponent = area_exponent(here, next(c for c in everywhere if c.side_m == arena_m / 2))
    far_exponent = area_exponent(
        everywhere[-1],
        max((c for c in everywhere if c.side_m <= largest_m / 2), key=lambda c: c.side_m),
    )
    # 0 where all of the code's places have been seen, 1 where none repeats.
    if abs(far_exponent[0]) < 0.5:
        far, states = sample_states(code, side_m=largest_m, places=PLACES, generator=generator)
        apart_m = min(2 * length_m, largest_m / 2) if math.isfinite(length_m) else largest_m / 2
        acts_as = independent_modules(
            far, states, apart_m=apart_m, delta=delta, generator=generator
        )
    else:
        acts_as = _no_modules(far_exponent[0])
    slope = slopes(code, x[: PLACES // 3], step_m=sigma_x_m / 2)
    slope = slope[np.isfinite(slope).all(axis=(1, 2))]
    # Where states do not change with the place, any two places collide.
    inverse = (
        1 / np.sqrt(np.maximum(np.linalg.det(np.einsum("pui,puj->pij", slope, slope)), 1e-300))
        if len(slope)
        else np.array([math.inf])
    )
    limit = arena_m**2 / (math.pi * delta**2 * float(inverse.mean()))
    modules = math.nan
    if vectors_m is not None and len(slope) and len(present):
        own = [slope[:, label == m] for m in present]
        metric = np.stack([np.einsum("pui,puj->ij", s, s) / len(s) for s in own])
        cells = np.abs(np.linalg.det(vectors_m[present]))
        if (np.linalg.det(metric) > 0).all():
            expected = expected_capacity(metric, cells, delta=delta, area_m2=arena_m**2)
            modules = math.log2(expected)
    return CapacityProperty.of(
        here,
        headline=math.nan if here.reason else math.log2(here.capacity),
        expected=math.log2(limit) if limit >= 1 else math.nan,
        expected_of_independent_modules=modules,
        arena=_capacity_record(here),
        by_area=[_capacity_record(c) for c in everywhere],
        area_exponent=exponent[0],
        area_exponent_error=exponent[1],
        by_units=[_capacity_record(c) for c in by_units],
        by_modules=[_capacity_record(c) for c in by_modules],
        growth_with_modules=GrowthRecord.of(capacity_scaling(by_modules)) if by_modules else None,
        independent_modules=IndependentModulesRecord.of(acts_as),
    )


def _no_modules(exponent: float) -> IndependentModules:
    if math.isnan(exponent):
        reason = "capacity is known by a bound only"
    elif exponent > 0:
        reason = "capacity still grows with the area: the code does not repeat within it"
    else:
        reason = "capacity falls with the area: the code does not reach so far"
    return IndependentModules(math.nan, math.nan, math.nan, math.nan, reason)


def _capacity_record(found: Capacity) -> CapacityRecord:
    return CapacityRecord.of(found, at_least=found.low if found.reason else None)


def _algebraic(
    code: Code,
    side_m: float,
    arena_m: float,
    vectors_m: np.ndarray | None,
    generator: np.random.Generator,
) -> AlgebraicProperty:
    lattices: list[np.ndarray | None] = [None] if vectors_m is None else list(vectors_m)
    waves = np.concatenate([code_waves(code, side_m=arena_m, vectors_m=one) for one in lattices])
    if not np.isfinite(waves).all():
        return AlgebraicProperty(reason="the spectrum has no waves")
    found = phase_algebra(code, waves_per_m=waves, side_m=side_m, generator=generator)
    resultant, null = found.headline
    return AlgebraicProperty.of(found, headline=resultant, null=null, null_resultant=found.null)


def _whitened(
    code: Code,
    g: Float[np.ndarray, "place unit"],
    labels: np.ndarray | None,
    arena_m: float,
    step_m: float,
    generator: np.random.Generator,
) -> WhitenedProperty:
    found = dimensions(g, generator=generator)
    updates = (
        ModuleUpdates(np.empty(0), math.nan, math.nan, "modules are not known")
        if labels is None
        else module_updates(
            code, labels=labels, arena_m=arena_m, step_m=step_m, generator=generator
        )
    )
    return WhitenedProperty.of(
        found,
        headline=found.share,
        null=found.null_participation / g.shape[1],
        module_updates=updates.update,
        module_variation=updates.variation,
        null_module_variation=updates.null_variation,
        module_reason=updates.reason,
    )


def _correction(
    code: Code, length_m: float, arena_m: float, sigma: float, generator: np.random.Generator
) -> CorrectionProperty:
    if not length_m < arena_m:
        return CorrectionProperty(reason="states stay alike all over the arena: no error is local")
    bin_size_m = max(length_m / BINS_PER_LENGTH, arena_m / MOST_BINS_A_SIDE)
    if bin_size_m > length_m / 2:
        return CorrectionProperty(
            reason=f"states change within {length_m:.3g} m: "
            "the arena is too large to compare with all of its places"
        )
    found = error_correction(
        code,
        arena_m=arena_m,
        radius_m=length_m,
        sigmas=tuple(sigma * over for over in NOISE_OVER_NOISE),
        generator=generator,
        bin_size_m=bin_size_m,
        places=READINGS,
    )
    return CorrectionProperty.of(
        found,
        headline=found.catastrophic[NOISE_OVER_NOISE.index(1.0)],
        null=found.chance,
        reason="",
        threshold_reason=found.reason,
    )
