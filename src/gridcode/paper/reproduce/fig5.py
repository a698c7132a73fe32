"""Figure 5: the same lattices under other input statistics and in larger arenas, and how neural distance saturates."""

import itertools
import math
from collections.abc import Mapping, Sequence
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
from gridcode.paper.claims import Claim, Made, counted, known, middle, spread, within
from gridcode.paper.reproduce.evaluated import Probe
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.report.style import GREY, INK, draw_map, frame, number

PAPER = (
    "The paper shows that the cells keep their tuning when the velocities have other statistics and in arenas of 3 m and 4 m although "
    "training covers about 2 m, and that |g(0) - g(x)| saturates at about 0.8 from about 0.3 m on, far beyond training."
)
REFERENCE = ("smooth", 2.0)
CONDITIONS = (
    REFERENCE,
    ("uniform", 2.0),
    ("slow", 2.0),
    ("straight", 2.0),
    ("smooth", 3.0),
    ("smooth", 4.0),
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


def make(probes: Sequence[Probe]) -> Made:
    """Maps of the first network under every condition, what is kept of each unit's lattice, and distance from the origin."""
    kept = {
        probe.name: {condition: _kept(probe, condition) for condition in CONDITIONS}
        for probe in probes
    }
    conditions = [
        _condition_row(probe.name, c, kept[probe.name][c]) for probe in probes for c in CONDITIONS
    ]
    curves = {probe.name: _curve(probe) for probe in probes}
    distances = [_distance_row(probe, curves[probe.name]) for probe in probes]
    units = [
        row
        for probe in probes
        for c in CONDITIONS
        for row in _unit_rows(probe, c, kept[probe.name][c])
    ]
    return Made(
        title="tuning under other statistics and beyond training",
        paper=PAPER,
        found=_found(probes, conditions, distances),
        claims=_claims(conditions, distances),
        caveats=_caveats(probes, conditions),
        tables={
            "": conditions,
            "distance": distances,
            "curves": _curve_rows(curves),
            "units": units,
        },
        figure=_draw(probes, kept, curves, distances),
        networks=[p.name for p in probes],
    )


def name_of(condition: tuple[str, float]) -> str:
    """A walk and an arena in words."""
    return f"{condition[0]}, {condition[1]:g} m"


def _chosen(probe: Probe) -> np.ndarray:
    """Units with a lattice; all active ones where there is none."""
    return probe.lattice_units if len(probe.lattice_units) else probe.active


def map_correlation(
    reference: xr.Dataset, other: xr.Dataset, units: np.ndarray
) -> Float[np.ndarray, " chosen"]:
    """Pearson correlation of each unit's two maps over the bins that both visited, in the square that both cover; NaN where fewer than 20 are.

    Args:
        reference: maps with coordinates in metres.
        other: maps of the same units, in an arena at least as large or smaller.
        units: places in the datasets.
    """
    limit = min(float(np.abs(data["x"].values).max()) for data in (reference, other)) + 1e-6
    inside = [v[np.abs(v) <= limit] for v in (reference["x"].values, reference["y"].values)]
    one, two = (
        data["rate"]
        .isel(unit=units)
        .sel(x=inside[0], y=inside[1], method="nearest")
        .values.astype(np.float64)
        for data in (reference, other)
    )
    found = np.full(len(units), np.nan)
    for k, (a, b) in enumerate(
        zip(one.reshape(len(units), -1), two.reshape(len(units), -1), strict=True)
    ):
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() >= 20 and a[both].std() > 0 and b[both].std() > 0:
            found[k] = np.corrcoef(a[both], b[both])[0, 1]
    return found


def _kept(probe: Probe, condition: tuple[str, float]) -> dict[str, np.ndarray]:
    reference, other, units = probe.maps(*REFERENCE), probe.maps(*condition), _chosen(probe)
    return {
        "unit": units,
        "correlation": map_correlation(reference, other, units),
        "spacing_m": other["spacing_m"].values[units],
        "spacing_change": other["spacing_m"].values[units] / reference["spacing_m"].values[units],
        "score": other["minmax"].values[units],
        "reference_spacing_m": reference["spacing_m"].values[units],
        "reference_score": reference["minmax"].values[units],
    }


def _across(first: np.ndarray, second: np.ndarray) -> float | None:
    """Correlation over units; None for too few or for no spread at all."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < FEWEST_FOR_CORRELATION or first[both].std() == 0 or second[both].std() == 0:
        return None
    return float(np.corrcoef(first[both], second[both])[0, 1])


def _condition_row(
    network: str, condition: tuple[str, float], kept: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    def quartiles(name: str, values: np.ndarray) -> dict[str, float | None]:
        found = known(values)
        q = np.quantile(found, [0.25, 0.5, 0.75]).tolist() if len(found) else [None] * 3
        return {f"{name}_{part}": v for part, v in zip(("q25", "median", "q75"), q, strict=True)}

    return {
        "network": network,
        "walk": condition[0],
        "arena_m": condition[1],
        "units": len(kept["unit"]),
        **quartiles("map_correlation", kept["correlation"]),
        **quartiles("spacing_over_reference", kept["spacing_change"]),
        **quartiles("grid_score", kept["score"]),
        "spacing_correlation": _across(
            np.log(kept["reference_spacing_m"]), np.log(kept["spacing_m"])
        ),
        "score_correlation": _across(kept["reference_score"], kept["score"]),
    }


def _unit_rows(
    probe: Probe, condition: tuple[str, float], kept: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    names = ("correlation", "spacing_m", "score")
    return [
        {
            "network": probe.name,
            "walk": condition[0],
            "arena_m": condition[1],
            "unit": int(probe.headline["unit"].values[u]),
        }
        | {name: float(kept[name][k]) for name in names}
        for k, u in enumerate(kept["unit"])
    ]


def _curve(probe: Probe) -> DistanceBins:
    """Neural distance to the state at the origin, in an arena three times as wide as training."""
    states, places = probe.states(
        "smooth", FAR * probe.extent_m, walkers=WALKERS, steps=STEPS, stream=5
    )
    return distance_from_origin(places, states, probe.system[1], longest_m=FAR * probe.extent_m / 2)


def _distance_row(probe: Probe, curve: DistanceBins) -> dict[str, Any]:
    half = probe.extent_m / 2
    where, median = curve.distance_m, curve.quartiles[1]
    # Beyond the corners of the square that training covers, and well inside of it.
    beyond, inside = where > math.sqrt(2) * half, (where > half / 2) & (where <= half)
    plateau = middle(median[where > half / 2])
    far, near = middle(median[beyond]), middle(median[inside])
    return {
        "network": probe.name,
        "training_extent_m": probe.extent_m,
        "plateau": plateau,
        "plateau_inside_training": near,
        "plateau_beyond_training": far,
        "saturates_at_m": _first_at(where, median, SATURATED * plateau),
        "predicted_plateau": _predicted(probe),
    }


def _predicted(probe: Probe) -> float:
    loss = probe.config.loss
    return predicted_plateau(
        sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
    )


def _first_at(where: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """Where a curve that starts at 0 first reaches a level, by linear interpolation between bins."""
    fine = np.isfinite(where) & np.isfinite(values)
    x, y = np.concatenate([[0.0], where[fine]]), np.concatenate([[0.0], values[fine]])
    above = np.flatnonzero(y >= level)
    if not math.isfinite(level) or level <= 0 or not len(above):
        return None
    i = above[0]
    return float(x[i - 1] + (level - y[i - 1]) / (y[i] - y[i - 1]) * (x[i] - x[i - 1]))


def _curve_rows(curves: Mapping[str, DistanceBins]) -> list[dict[str, Any]]:
    return [
        {
            "network": name,
            "distance_m": d,
            "q25": low,
            "median": median,
            "q75": high,
            "mean": mean,
            "samples": int(n),
        }
        for name, curve in curves.items()
        for d, mean, n, low, median, high in zip(
            curve.distance_m, curve.mean, curve.pairs, *curve.quartiles, strict=True
        )
        if np.isfinite(d)
    ]


def _claims(
    conditions: Sequence[Mapping[str, Any]], distances: Sequence[Mapping[str, Any]]
) -> list[Claim]:
    def keeps(row: Mapping[str, Any]) -> bool | None:
        same = within(row["map_correlation_median"], LEAST_CORRELATION, 1.0)
        spacing = within(
            row["spacing_over_reference_median"], 1 - MOST_SPACING_CHANGE, 1 + MOST_SPACING_CHANGE
        )
        return None if same is None or spacing is None else same and spacing

    limits = f"(median map correlation {LEAST_CORRELATION:g} or more, median spacing within {100 * MOST_SPACING_CHANGE:.0f}%)"
    claims = []
    for k, condition in enumerate(CONDITIONS[1:]):
        rows = [r for r in conditions if (r["walk"], r["arena_m"]) == condition]
        claims.append(
            Claim(
                f"tuning kept: {name_of(condition)}" + (f" {limits}" if k == 0 else ""),
                tuple(keeps(r) for r in rows),
            )
        )
    low, high = PLATEAU - PLATEAU_MARGIN, PLATEAU + PLATEAU_MARGIN
    drift = [
        within(
            d["plateau_beyond_training"] / d["plateau_inside_training"],
            1 - MOST_DRIFT,
            1 + MOST_DRIFT,
        )
        if d["plateau_inside_training"]
        else None
        for d in distances
    ]
    return [
        *claims,
        Claim(
            f"plateau between {low:.1f} and {high:.1f}",
            tuple(within(d["plateau"], low, high) for d in distances),
        ),
        Claim(
            f"{100 * SATURATED:.0f}% of it reached between {START_M - START_MARGIN_M:.1f} and {START_M + START_MARGIN_M:.1f} m",
            tuple(
                within(d["saturates_at_m"], START_M - START_MARGIN_M, START_M + START_MARGIN_M)
                for d in distances
            ),
        ),
        Claim(f"the same plateau beyond training, within {100 * MOST_DRIFT:.0f}%", tuple(drift)),
    ]


def _found(
    probes: Sequence[Probe],
    conditions: Sequence[Mapping[str, Any]],
    distances: Sequence[Mapping[str, Any]],
) -> list[str]:
    def over(condition: tuple[str, float], key: str, digits: int = 2) -> str:
        return spread(
            [r[key] for r in conditions if (r["walk"], r["arena_m"]) == condition], digits=digits
        )

    each = "; ".join(
        f"{name_of(c)}: {over(c, 'map_correlation_median')} and {over(c, 'spacing_over_reference_median')}, score {over(c, 'grid_score_median')}"
        for c in CONDITIONS[1:]
    )
    units = spread([len(_chosen(p)) for p in probes], digits=0)
    score = over(REFERENCE, "grid_score_median")
    return [
        f"Here, in {counted(len(probes), 'network')} ({', '.join(p.name for p in probes)}; training covers "
        f"{spread([p.extent_m for p in probes], 'm')}), maps of {units} units on the smooth walk in {REFERENCE[1]:g} m "
        f"(score {score}) are compared with those of the same units under other conditions, by correlation over the common "
        f"area and ratio of spacings (medians over units"
        f"{', then median and range over networks' if len(probes) > 1 else ''}): {each}.",
        f"|g(0) - g(x)| saturates at {spread([d['plateau'] for d in distances])} "
        f"({spread([d['plateau_beyond_training'] for d in distances])} beyond training, out to "
        f"{spread([FAR * p.extent_m / 2 for p in probes], 'm')}), reaching {100 * SATURATED:.0f}% of that at "
        f"{spread([d['saturates_at_m'] for d in distances], 'm')}; where separation and capacity "
        f"balance it would be {spread([d['predicted_plateau'] for d in distances])}.",
    ]


def _caveats(probes: Sequence[Probe], conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    shared = [
        r["spacing_correlation"] for r in conditions if (r["walk"], r["arena_m"]) == ("smooth", 4.0)
    ]
    text = [
        f"Correlations of spacing over units ({spread(shared)} between 2 m and 4 m) say little where all units share one spacing."
    ]
    narrow = [
        p for p in probes if 2 * middle(p.headline["spacing_m"].values[_chosen(p)]) > REFERENCE[1]
    ]
    if narrow:
        text.append(
            f"In {counted(len(narrow), 'network')} a {REFERENCE[1]:g} m box holds fewer than two spacings, so scores there are rough."
        )
    without = [p.name for p in probes if not len(p.lattice_units)]
    if without:
        text.append(
            f"No unit has a lattice in {', '.join(without)}: all active units were compared."
        )
    return text


def _draw(
    probes: Sequence[Probe],
    kept: Mapping[str, Mapping[tuple[str, float], Mapping[str, np.ndarray]]],
    curves: Mapping[str, DistanceBins],
    distances: Sequence[Mapping[str, Any]],
) -> Figure:
    first = probes[0]
    units = evenly_by_score(first.headline, _chosen(first), SHOWN)
    figure = Figure(figsize=(12, 7.4))
    parts: Any = figure.subfigures(1, 2, width_ratios=[1.12, 1])
    left, right = parts
    left.suptitle(f"{first.name}: the same units (titles: grid score)", fontsize=9)
    for line, condition in enumerate(CONDITIONS):
        data = first.maps(*condition)
        for k, unit in enumerate(units):
            ax = left.add_subplot(len(CONDITIONS), SHOWN, line * SHOWN + k + 1)
            here = data.isel(unit=unit)
            draw_map(ax, here["rate"], scale_bar=k == 0)
            frame(ax, int(first.headline["module"].values[unit]))
            ax.set_title(
                (f"unit {int(here['unit'])}:  " if line == 0 else "")
                + number(float(here["minmax"])),
                fontsize=7,
                pad=2,
            )
            if k == 0:
                ax.set_ylabel(
                    name_of(condition).replace(", ", "\n"),
                    fontsize=8,
                    rotation=0,
                    ha="right",
                    va="center",
                )
    axes = [right.add_subplot(3, 1, k + 1) for k in range(3)]
    _draw_kept(axes[0], probes, kept, "correlation", "map correlation with smooth, 2 m")
    _draw_kept(axes[1], probes, kept, "spacing_change", "spacing over that in smooth, 2 m")
    _draw_distance(axes[2], probes, curves, distances)
    return figure


def _draw_kept(
    ax: Axes,
    probes: Sequence[Probe],
    kept: Mapping[str, Mapping[tuple[str, float], Mapping[str, np.ndarray]]],
    name: str,
    label: str,
) -> None:
    """A box of units for each network and condition."""
    others = CONDITIONS[1:]
    width = 0.8 / len(probes)
    for (n, probe), (c, condition) in itertools.product(enumerate(probes), enumerate(others)):
        values = known(kept[probe.name][condition][name])
        if not len(values):
            continue
        drawn = ax.boxplot(
            values, positions=[c + (n - (len(probes) - 1) / 2) * width], widths=0.8 * width, patch_artist=True, showfliers=False, whis=(5, 95),
            medianprops={"color": "black", "linewidth": 1.2}, boxprops={"facecolor": INK[n % len(INK)], "alpha": 0.6, "linewidth": 0.5},
            whiskerprops={"linewidth": 0.6}, capprops={"linewidth": 0.6}, manage_ticks=False,
        )  # fmt: skip
        if c == 0:
            drawn["boxes"][0].set_label(probe.name)
    low, high = (
        (LEAST_CORRELATION, None)
        if name == "correlation"
        else (1 - MOST_SPACING_CHANGE, 1 + MOST_SPACING_CHANGE)
    )
    for value in (low, high):
        if value is not None:
            ax.axhline(value, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    ax.set_xticks(range(len(others)), [name_of(c) for c in others])
    ax.set_xlim(-0.6, len(others) - 0.4)
    ax.set(ylabel=label)
    if name == "correlation":
        ax.set_ylim(min(0.0, ax.get_ylim()[0]), 1.02)
        ax.set_title(
            "units with a lattice: median, quartiles, 5 to 95%; dashed: limits of the verdict"
        )
        ax.legend(fontsize=6.5, loc="lower left", ncols=2)


def _draw_distance(
    ax: Axes,
    probes: Sequence[Probe],
    curves: Mapping[str, DistanceBins],
    distances: Sequence[Mapping[str, Any]],
) -> None:
    for n, probe in enumerate(probes):
        curve, ink = curves[probe.name], INK[n % len(INK)]
        fine = np.isfinite(curve.distance_m)
        x, (low, median, high) = curve.distance_m[fine], curve.quartiles[:, fine]
        if n == 0:
            ax.fill_between(
                x, low, high, color=ink, alpha=0.2, linewidth=0, label=f"{probe.name}: quartiles"
            )
        ax.plot(x, median, color=ink, linewidth=1.4 if n == 0 else 0.9)
    ax.axhline(PLATEAU, color=GREY, linewidth=1, linestyle=":", label=f"paper, about {PLATEAU:g}")
    predicted = distances[0]["predicted_plateau"]
    ax.axhline(
        predicted,
        color="black",
        linewidth=0.9,
        linestyle="--",
        label=f"separation and capacity balance, {predicted:.2f}",
    )
    ax.axvspan(
        0,
        probes[0].extent_m / 2,
        color="0.93",
        zorder=-2,
        linewidth=0,
        label="half-side of what training covers",
    )
    ax.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="|x| (m)",
        ylabel="|g(0) - g(x)|",
        title="neural distance from the origin, median over places",
    )
    ax.legend(fontsize=6.5, loc="lower right")
