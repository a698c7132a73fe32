"""Figure 5: lattices under other input statistics and in larger arenas, and neural distance."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.navigation.neural_distance import (
    DistanceBins,
    distance_from_origin,
    predicted_plateau,
)
from gridcode.paper.claims import Claim, FigureDraft
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork
from gridcode.paper.tables import Quartiles, counted, known, median, quartiles, spread, within
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.report.style import GREY, INK, draw_map, frame, number

PAPER = (
    "The paper shows that the cells keep their tuning when the velocities have other statistics "
    "and in arenas of 3 m and 4 m although training covers about 2 m, and that |g(0) - g(x)| "
    "saturates at about 0.8 from about 0.3 m on, far beyond training."
)
SHOWN = 6
# A map counts as the same, and a lattice as kept, within these.
LEAST_CORRELATION = 0.5
MOST_SPACING_CHANGE = 0.05
# The paper's plateau and where it begins, read from its figure; half of the tolerated range.
PLATEAU, PLATEAU_MARGIN = 0.8, 0.1
START_M, START_MARGIN_M = 0.3, 0.1
MOST_DRIFT = 0.05
# Saturated is what first reaches this share of the plateau.
SATURATED = 0.9
FAR = 3.0
WALKERS, STEPS = 192, 400
FEWEST_FOR_CORRELATION = 5


@dataclass(frozen=True)
class WalkCondition:
    """A walk in an arena."""

    walk: str
    arena_m: float

    def __str__(self) -> str:
        return f"{self.walk}, {self.arena_m:g} m"


REFERENCE = WalkCondition("smooth", 2.0)
LARGEST = WalkCondition("smooth", 4.0)
OTHERS = (
    WalkCondition("uniform", 2.0),
    WalkCondition("slow", 2.0),
    WalkCondition("straight", 2.0),
    WalkCondition("smooth", 3.0),
    LARGEST,
)


@dataclass(frozen=True)
class UnitRow:
    """One unit under one condition: correlation of its map with the reference's; lattice."""

    network: str
    condition: WalkCondition
    unit: int | str
    correlation: float
    spacing_m: float
    spacing_over_reference: float
    score: float


Tuning = Mapping[tuple[str, WalkCondition], Sequence[UnitRow]]


@dataclass(frozen=True)
class ConditionRow:
    """What is kept of the lattices of one network under one condition."""

    network: str
    condition: WalkCondition
    units: int
    map_correlation: Quartiles
    spacing_over_reference: Quartiles
    grid_score: Quartiles
    spacing_correlation: float
    score_correlation: float


@dataclass(frozen=True)
class DistanceRow:
    """Neural distance from the origin; `saturates_at_m` is where 90% of the plateau is reached."""

    network: str
    training_extent_m: float
    plateau: float | None
    plateau_inside_training: float | None
    plateau_beyond_training: float | None
    saturates_at_m: float | None
    predicted_plateau: float


@dataclass(frozen=True)
class CurveRow:
    """Neural distance from the origin in one bin of physical distance."""

    network: str
    samples: int
    distance_m: float
    q25: float
    median: float
    q75: float
    mean: float


def make(networks: Sequence[EvaluatedNetwork]) -> FigureDraft:
    """Tuning under every condition and distance from the origin; maps are of the first network."""
    tuning = {(n.name, c): _unit_rows(n, c) for n in networks for c in (REFERENCE, *OTHERS)}
    conditions = [_condition_row(n, c, tuning) for n, c in tuning]
    curves = {n.name: _curve(n) for n in networks}
    distances = [_distance_row(n, curves[n.name]) for n in networks]
    return FigureDraft(
        title="tuning under other statistics and beyond training",
        paper=PAPER,
        found=_found(networks, conditions, distances),
        claims=_claims(conditions, distances),
        caveats=_caveats(networks, conditions),
        tables={
            "": conditions,
            "distance": distances,
            "curves": [row for name, curve in curves.items() for row in _curve_rows(name, curve)],
            "units": [row for rows in tuning.values() for row in rows],
        },
        figure=_draw(networks, tuning, curves, distances),
        networks=[n.name for n in networks],
    )


def _chosen(network: EvaluatedNetwork) -> np.ndarray:
    """Units with a lattice; all active ones where there is none."""
    return network.lattice_units if len(network.lattice_units) else network.active


def map_correlation(
    reference: xr.Dataset, other: xr.Dataset, units: np.ndarray
) -> Float[np.ndarray, " chosen"]:
    """Pearson correlation of each unit's two maps over the bins that both visited.

    Bins are those of the square that both maps cover; NaN where fewer than 20 are visited in both.

    Args:
        reference: maps with coordinates in metres.
        other: maps of the same units, in an arena at least as large or smaller.
        units: indices into the datasets.
    """
    limit = min(float(np.abs(data["x"].values).max()) for data in (reference, other)) + 1e-6
    x, y = (v[np.abs(v) <= limit] for v in (reference["x"].values, reference["y"].values))
    one, two = (
        data["rate"]
        .isel(unit=units)
        .sel(x=x, y=y, method="nearest")
        .values.astype(np.float64)
        .reshape(len(units), len(x) * len(y))
        for data in (reference, other)
    )
    return np.array([_correlation(a, b, fewest=20) for a, b in zip(one, two, strict=True)])


def _correlation(first: np.ndarray, second: np.ndarray, *, fewest: int) -> float:
    """Correlation of the pairs that are known; NaN for too few or without any spread."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < fewest or first[both].std() == 0 or second[both].std() == 0:
        return math.nan
    return float(np.corrcoef(first[both], second[both])[0, 1])


def _unit_rows(network: EvaluatedNetwork, condition: WalkCondition) -> list[UnitRow]:
    units = _chosen(network)
    reference = network.maps(REFERENCE.walk, REFERENCE.arena_m)
    other = network.maps(condition.walk, condition.arena_m)
    spacing = other["spacing_m"].values[units]
    columns = (
        network.data["unit"].values[units],
        map_correlation(reference, other, units),
        spacing,
        spacing / reference["spacing_m"].values[units],
        other["grid_score"].values[units],
    )
    values = zip(*(column.tolist() for column in columns), strict=True)
    return [UnitRow(network.name, condition, *row) for row in values]


def _condition_row(network: str, condition: WalkCondition, tuning: Tuning) -> ConditionRow:
    rows, reference = tuning[network, condition], tuning[network, REFERENCE]
    spacing, score = (
        _correlation(np.array(a), np.array(b), fewest=FEWEST_FOR_CORRELATION)
        for a, b in (
            (np.log([u.spacing_m for u in reference]), np.log([u.spacing_m for u in rows])),
            ([u.score for u in reference], [u.score for u in rows]),
        )
    )
    return ConditionRow(
        network=network,
        condition=condition,
        units=len(rows),
        map_correlation=quartiles([u.correlation for u in rows]),
        spacing_over_reference=quartiles([u.spacing_over_reference for u in rows]),
        grid_score=quartiles([u.score for u in rows]),
        spacing_correlation=spacing,
        score_correlation=score,
    )


def _curve(network: EvaluatedNetwork) -> DistanceBins:
    """Neural distance to the state at the origin, in an arena three times as wide as training."""
    arena = FAR * network.extent_m
    states, places = network.states("smooth", arena, walkers=WALKERS, steps=STEPS, stream=5)
    return distance_from_origin(places, states, network.system.start, longest_m=arena / 2)


def _distance_row(network: EvaluatedNetwork, curve: DistanceBins) -> DistanceRow:
    half, loss = network.extent_m / 2, network.config.loss
    where, middle = curve.distance_m, curve.quartiles[1]
    plateau = median(middle[where > half / 2])
    # Beyond the corners of the square that training covers, and well inside of it.
    beyond, inside = where > math.sqrt(2) * half, (where > half / 2) & (where <= half)
    return DistanceRow(
        network=network.name,
        training_extent_m=network.extent_m,
        plateau=plateau,
        plateau_inside_training=median(middle[inside]),
        plateau_beyond_training=median(middle[beyond]),
        saturates_at_m=None if plateau is None else _first_at(where, middle, SATURATED * plateau),
        predicted_plateau=predicted_plateau(
            sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
        ),
    )


def _first_at(where: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """Where a curve that starts at 0 first reaches a level, linear between bins."""
    fine = np.isfinite(where) & np.isfinite(values)
    x, y = np.concatenate([[0.0], where[fine]]), np.concatenate([[0.0], values[fine]])
    above = np.flatnonzero(y >= level)
    if level <= 0 or not len(above):
        return None
    i = above[0]
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))


def _curve_rows(network: str, curve: DistanceBins) -> list[CurveRow]:
    columns = (curve.distance_m, *curve.quartiles, curve.mean)
    return [
        CurveRow(network, int(samples), *map(float, values))
        for samples, *values in zip(curve.pairs, *columns, strict=True)
        if np.isfinite(values[0])
    ]


def _claims(conditions: Sequence[ConditionRow], distances: Sequence[DistanceRow]) -> list[Claim]:
    change, drift = MOST_SPACING_CHANGE, MOST_DRIFT

    def keeps(row: ConditionRow) -> bool | None:
        same = within(row.map_correlation.median, LEAST_CORRELATION, 1.0)
        spacing = within(row.spacing_over_reference.median, 1 - change, 1 + change)
        return None if same is None or spacing is None else same and spacing

    def flat(row: DistanceRow) -> bool | None:
        near, far = row.plateau_inside_training, row.plateau_beyond_training
        return within(far / near, 1 - drift, 1 + drift) if near and far is not None else None

    limits = (
        f" (median map correlation {LEAST_CORRELATION:g} or more, "
        f"median spacing within {100 * change:.0f}%)"
    )
    low, high = PLATEAU - PLATEAU_MARGIN, PLATEAU + PLATEAU_MARGIN
    start, end = START_M - START_MARGIN_M, START_M + START_MARGIN_M
    return [
        *(
            Claim(
                f"tuning kept: {condition}" + (limits if k == 0 else ""),
                tuple(keeps(row) for row in conditions if row.condition == condition),
            )
            for k, condition in enumerate(OTHERS)
        ),
        Claim(
            f"plateau between {low:.1f} and {high:.1f}",
            tuple(within(d.plateau, low, high) for d in distances),
        ),
        Claim(
            f"{100 * SATURATED:.0f}% of it reached between {start:.1f} and {end:.1f} m",
            tuple(within(d.saturates_at_m, start, end) for d in distances),
        ),
        Claim(
            f"the same plateau beyond training, within {100 * drift:.0f}%",
            tuple(map(flat, distances)),
        ),
    ]


def _found(
    networks: Sequence[EvaluatedNetwork],
    conditions: Sequence[ConditionRow],
    distances: Sequence[DistanceRow],
) -> list[str]:
    def scores(rows: Sequence[ConditionRow]) -> str:
        return spread([row.grid_score.median for row in rows])

    def kept(rows: Sequence[ConditionRow]) -> str:
        correlation = spread([row.map_correlation.median for row in rows])
        spacing = spread([row.spacing_over_reference.median for row in rows])
        return f"{correlation} and {spacing}, score {scores(rows)}"

    rows = {c: [row for row in conditions if row.condition == c] for c in (REFERENCE, *OTHERS)}
    several = ", then median and range over networks" if len(networks) > 1 else ""
    return [
        f"Here, in {counted(len(networks), 'network')} ({', '.join(n.name for n in networks)}; "
        f"training covers {spread([n.extent_m for n in networks], 'm')}), maps of "
        f"{spread([len(_chosen(n)) for n in networks], digits=0)} units on the smooth walk in "
        f"{REFERENCE.arena_m:g} m (score {scores(rows[REFERENCE])}) are compared with those of "
        "the same units under other conditions, by correlation over the common area and ratio of "
        f"spacings (medians over units{several}): "
        f"{'; '.join(f'{c}: {kept(rows[c])}' for c in OTHERS)}.",
        f"|g(0) - g(x)| saturates at {spread([d.plateau for d in distances])} "
        f"({spread([d.plateau_beyond_training for d in distances])} beyond training, out to "
        f"{spread([FAR * n.extent_m / 2 for n in networks], 'm')}), reaching "
        f"{100 * SATURATED:.0f}% of that at {spread([d.saturates_at_m for d in distances], 'm')}; "
        "where separation and capacity balance it would be "
        f"{spread([d.predicted_plateau for d in distances])}.",
    ]


def _caveats(networks: Sequence[EvaluatedNetwork], conditions: Sequence[ConditionRow]) -> list[str]:
    shared = spread([r.spacing_correlation for r in conditions if r.condition == LARGEST])
    text = [
        f"Correlations of spacing over units ({shared} between 2 m and 4 m) "
        "say little where all units share one spacing."
    ]
    spacings = [median(n.data["spacing_m"].values[_chosen(n)]) for n in networks]
    narrow = sum(2 * spacing > REFERENCE.arena_m for spacing in spacings if spacing is not None)
    if narrow:
        text.append(
            f"In {counted(narrow, 'network')} a {REFERENCE.arena_m:g} m box holds fewer than "
            "two spacings, so scores there are rough."
        )
    without = [n.name for n in networks if not len(n.lattice_units)]
    if without:
        text.append(
            f"No unit has a lattice in {', '.join(without)}: all active units were compared."
        )
    return text


def _draw(
    networks: Sequence[EvaluatedNetwork],
    tuning: Tuning,
    curves: Mapping[str, DistanceBins],
    distances: Sequence[DistanceRow],
) -> Figure:
    figure = Figure(figsize=(12, 7.4))
    parts: Any = figure.subfigures(1, 2, width_ratios=[1.12, 1])
    left, right = parts
    _draw_maps(left, networks[0])
    correlation, spacing, distance = (right.add_subplot(3, 1, k + 1) for k in range(3))
    names, change = [n.name for n in networks], MOST_SPACING_CHANGE
    correlations = {key: [u.correlation for u in rows] for key, rows in tuning.items()}
    _draw_boxes(correlation, names, correlations, (LEAST_CORRELATION,))
    correlation.set_ylabel(f"map correlation with {REFERENCE}")
    correlation.set_ylim(min(0.0, correlation.get_ylim()[0]), 1.02)
    correlation.set_title(
        "units with a lattice: median, quartiles, 5 to 95%; dashed: limits of the verdict"
    )
    correlation.legend(fontsize=6.5, loc="lower left", ncols=2)
    ratios = {key: [u.spacing_over_reference for u in rows] for key, rows in tuning.items()}
    _draw_boxes(spacing, names, ratios, (1 - change, 1 + change))
    spacing.set_ylabel(f"spacing over that in {REFERENCE}")
    _draw_distance(distance, networks[0], curves, distances[0].predicted_plateau)
    return figure


def _draw_maps(part: Any, network: EvaluatedNetwork) -> None:
    units = evenly_by_score(network.data, _chosen(network), SHOWN)
    part.suptitle(f"{network.name}: the same units (titles: grid score)", fontsize=9)
    conditions = (REFERENCE, *OTHERS)
    for line, condition in enumerate(conditions):
        data = network.maps(condition.walk, condition.arena_m)
        for k, index in enumerate(units):
            ax = part.add_subplot(len(conditions), SHOWN, line * SHOWN + k + 1)
            unit = data.isel(unit=index)
            draw_map(ax, unit["rate"], scale_bar=k == 0)
            frame(ax, int(network.data["module"].values[index]))
            name = f"unit {int(unit['unit'])}:  " if line == 0 else ""
            ax.set_title(name + number(float(unit["grid_score"])), fontsize=7, pad=2)
            if k == 0:
                label = str(condition).replace(", ", "\n")
                ax.set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")


def _draw_boxes(
    ax: Axes,
    names: Sequence[str],
    values: Mapping[tuple[str, WalkCondition], Sequence[float]],
    limits: Sequence[float],
) -> None:
    """A box of units for each network and condition, and the limits of the verdict."""
    width = 0.8 / len(names)
    for (n, name), (c, condition) in itertools.product(enumerate(names), enumerate(OTHERS)):
        found = known(values[name, condition])
        if not len(found):
            continue
        box = {"facecolor": INK[n % len(INK)], "alpha": 0.6, "linewidth": 0.5}
        drawn = ax.boxplot(
            found,
            positions=[c + (n - (len(names) - 1) / 2) * width],
            widths=0.8 * width,
            patch_artist=True,
            showfliers=False,
            whis=(5, 95),
            medianprops={"color": "black", "linewidth": 1.2},
            boxprops=box,
            whiskerprops={"linewidth": 0.6},
            capprops={"linewidth": 0.6},
            manage_ticks=False,
        )
        if c == 0:
            drawn["boxes"][0].set_label(name)
    for value in limits:
        ax.axhline(value, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    ax.set_xticks(range(len(OTHERS)), list(map(str, OTHERS)))
    ax.set_xlim(-0.6, len(OTHERS) - 0.4)


def _draw_distance(
    ax: Axes, first: EvaluatedNetwork, curves: Mapping[str, DistanceBins], predicted: float
) -> None:
    for n, (name, curve) in enumerate(curves.items()):
        ink = INK[n % len(INK)]
        fine = np.isfinite(curve.distance_m)
        x, (low, middle, high) = curve.distance_m[fine], curve.quartiles[:, fine]
        if n == 0:
            label = f"{name}: quartiles"
            ax.fill_between(x, low, high, color=ink, alpha=0.2, linewidth=0, label=label)
        ax.plot(x, middle, color=ink, linewidth=1.4 if n == 0 else 0.9)
    ax.axhline(PLATEAU, color=GREY, linewidth=1, linestyle=":", label=f"paper, about {PLATEAU:g}")
    label = f"separation and capacity balance, {predicted:.2f}"
    ax.axhline(predicted, color="black", linewidth=0.9, linestyle="--", label=label)
    label = "half-side of what training covers"
    ax.axvspan(0, first.extent_m / 2, color="0.93", zorder=-2, linewidth=0, label=label)
    ax.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="|x| (m)",
        ylabel="|g(0) - g(x)|",
        title="neural distance from the origin, median over places",
    )
    ax.legend(fontsize=6.5, loc="lower right")
