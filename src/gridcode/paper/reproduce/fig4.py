"""Figure 4: several modules in one network, and whether they are more than sub-lattices of one torus."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.celltypes import LEAST_HEXAGONAL_AXIS_RATIO
from gridcode.analysis.evaluate import period_of
from gridcode.paper.claims import Claim, Made, counted, spread
from gridcode.paper.reproduce.evaluated import Probe
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.report.style import (
    GREY,
    INK,
    draw_correlogram,
    draw_map,
    frame,
    metres_on_log_axis,
    module_colour,
    number,
    p_text,
)

PAPER = (
    "The paper shows three modules of periodic cells in one network of 128 units, their lattices sheared rather than perfectly hexagonal, with "
    "periods from about 0.5 m to more than 1 m, read from a histogram of the units' periods."
)
BOX_M = 2.0
EACH = 3
MOST_MODULES = 4
SMALL_M, LARGE_M = 0.6, 1.0
TERMS = ("separation", "invariance", "capacity", "isometry")


def make(probes: Sequence[Probe]) -> Made:
    """Maps and autocorrelograms of every module's units, spacings, module table, training, and counts over all networks; maps are of the first."""
    first = probes[0]
    modules = [row for probe in probes for row in _module_rows(probe)]
    counts = [_count_row(probe) for probe in probes]
    units = [row for probe in probes for row in _unit_rows(probe)]
    training = [
        {"step": r["step"]} | {t: r[t] for t in TERMS}
        for r in first.source.metrics
        if {"step", *TERMS} <= set(r)
    ]
    tables = {
        "": counts,
        "modules": modules,
        "units": units,
        "relations": [r for p in probes for r in _relation_rows(p)],
    }
    if training:
        tables["training"] = training
    return Made(
        title="several modules in one network",
        paper=PAPER,
        found=_found(counts, modules),
        claims=_claims(counts, modules, [p.name for p in probes]),
        caveats=_caveats(probes),
        tables=tables,
        figure=_draw(first, counts, modules, training),
        networks=[p.name for p in probes],
    )


def _module_rows(probe: Probe) -> list[dict[str, Any]]:
    relations = probe.summary["relations"]

    def relatives(index: int) -> str:
        linked = [r for r in relations if index in r["modules"] and r["verdict"] != "independent"]
        said = {"commensurate": "", "undecided": "perhaps "}
        return "; ".join(
            f"{said[r['verdict']]}with {sum(r['modules']) - index}, index {r['index']}"
            for r in linked
        )

    return [
        {
            "network": probe.name,
            "module": row["module"],
            "units": row["n_units"],
            "spacing_m": row["spacing_m"],
            "period_m": period_of(row["spacing_m"]),
            "orientation_deg": row["orientation_deg"],
            "axis_ratio": row["axis_ratio"],
            "p_value": row["p_value"],
            "ratio_to_next": row["ratio_to_next"],
            "sub_lattice_relation": relatives(row["module"]),
        }
        for row in probe.summary["modules"]
    ]


def _relation_rows(probe: Probe) -> list[dict[str, Any]]:
    return [
        {"network": probe.name}
        | {k: r[k] for k in ("modules", "verdict", "index", "error", "chance_p_value")}
        for r in probe.summary["relations"]
    ]


def _unit_rows(probe: Probe) -> list[dict[str, Any]]:
    keys = (
        "unit",
        "type",
        "module",
        "minmax",
        "any_lattice_p_value",
        "spacing_m",
        "orientation_deg",
        "axis_ratio",
    )
    return [
        {"network": probe.name}
        | {k: row[k] for k in keys}
        | {"period_m": None if row["spacing_m"] is None else period_of(row["spacing_m"])}
        for row in probe.summary["units"]
    ]


def _count_row(probe: Probe) -> dict[str, Any]:
    head, spacing = probe.summary["headline"], [m["spacing_m"] for m in probe.summary["modules"]]
    return {
        "network": probe.name,
        "seed": probe.config.training.seed,
        "units": head["units"],
        "active_units": head["active_units"],
        "units_in_modules": sum(m["n_units"] for m in probe.summary["modules"]),
        "arena_m": head["arena_m"],
        "modules": head["n_modules"],
        "independent_modules": head["n_independent_modules"],
        "smallest_spacing_m": min(spacing, default=None),
        "largest_spacing_m": max(spacing, default=None),
    } | {
        kind.replace(" ", "_").replace("-", "_"): n
        for kind, n in head["types"].items()
        if kind != "silent"
    }


def _claims(
    counts: Sequence[Mapping[str, Any]], modules: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[Claim]:
    def sheared(name: str) -> bool | None:
        own = [m["axis_ratio"] for m in modules if m["network"] == name]
        return bool(np.median(own) < LEAST_HEXAGONAL_AXIS_RATIO) if own else None

    def spans(row: Mapping[str, Any]) -> bool | None:
        low, high = row["smallest_spacing_m"], row["largest_spacing_m"]
        return (
            None if low is None else bool(period_of(low) <= SMALL_M and period_of(high) >= LARGE_M)
        )

    return [
        Claim("two or more modules", tuple(row["modules"] >= 2 for row in counts)),
        Claim(
            "two or more of them independent, no sub-lattices of one another",
            tuple(row["independent_modules"] >= 2 for row in counts),
            central=True,
        ),
        Claim(
            "three or more independent", tuple(row["independent_modules"] >= 3 for row in counts)
        ),
        Claim(
            f"module periods reach from {SMALL_M:g} m or less to {LARGE_M:g} m or more",
            tuple(spans(row) for row in counts),
        ),
        Claim(
            f"lattices sheared (median axis ratio of the modules below {LEAST_HEXAGONAL_AXIS_RATIO:g})",
            tuple(sheared(name) for name in names),
        ),
    ]


def _found(counts: Sequence[Mapping[str, Any]], modules: Sequence[Mapping[str, Any]]) -> list[str]:
    text = [
        f"In {counted(len(counts), 'network')} of this package ({', '.join(c['network'] for c in counts)}; medians, and ranges where they differ) "
        f"the number of modules is {spread([c['modules'] for c in counts], digits=0)}, that of independent ones "
        f"{spread([c['independent_modules'] for c in counts], digits=0)}, with {spread([c['units_in_modules'] for c in counts], digits=0)} of "
        f"{spread([c['active_units'] for c in counts], digits=0)} active units in modules."
    ]
    if modules:
        ratios = [m["ratio_to_next"] for m in modules if m["ratio_to_next"] is not None]
        text.append(
            f"Over {counted(len(modules), 'module')}: spacing {spread([m['spacing_m'] for m in modules], 'm')}, period (distance between rows "
            f"of fields) {spread([m['period_m'] for m in modules], 'm')}, axis ratio {spread([m['axis_ratio'] for m in modules])} "
            "(1 hexagonal, 0.58 square)"
            + (
                f"; spacings of successive modules differ by factors of {spread(ratios)}."
                if ratios
                else "; no network has two."
            )
        )
    return text


def _caveats(probes: Sequence[Probe]) -> list[str]:
    related = [r["verdict"] for probe in probes for r in probe.summary["relations"]]
    told = (
        "A histogram of periods alone cannot tell modules from sub-lattices of one torus, so whether lattices are integer combinations of one "
        "another is tested"
    )
    if related:
        n = {kind: related.count(kind) for kind in ("commensurate", "independent", "undecided")}
        told += f": of {counted(len(related), 'pair')} {n['commensurate']} commensurate, {n['independent']} independent, {n['undecided']} undecided"
    unresolved = sum(not p.summary["headline"]["resolved"] for p in probes)
    text = [told + "."]
    if unresolved:
        text.append(
            f"In {counted(unresolved, 'network')} no arena held enough periods for scores to be trusted."
        )
    if len(probes) < 3:
        text.append("So few networks say little about other seeds.")
    return text


def _draw(
    first: Probe,
    counts: Sequence[Mapping[str, Any]],
    modules: Sequence[Mapping[str, Any]],
    training: Sequence[Mapping[str, Any]],
) -> Figure:
    groups = _groups(first)
    figure = Figure(figsize=(12, 1.5 * len(groups) + 5.0))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.5 * len(groups) + 0.35, 4.6])
    above, below = parts
    _draw_maps(above, first, groups)
    grid = below.add_gridspec(2, 12, height_ratios=[1, 1])
    _histogram(below.add_subplot(grid[0, :5]), first)
    _table(below.add_subplot(grid[0, 5:]), [m for m in modules if m["network"] == first.name])
    _training(below.add_subplot(grid[1, :5]), training)
    _counts(below.add_subplot(grid[1, 5:8]), counts)
    _ratios(below.add_subplot(grid[1, 8:]), modules, [c["network"] for c in counts])
    return figure


def _groups(probe: Probe) -> list[tuple[int, np.ndarray]]:
    """Modules, largest first where there are more than fit, with the units drawn of each; units in none where there is no module."""
    data = probe.headline
    rows = sorted(probe.summary["modules"], key=lambda m: -m["n_units"])[:MOST_MODULES]
    found = [
        (m, evenly_by_score(data, np.flatnonzero(data["module"].values == m), EACH))
        for m in sorted(row["module"] for row in rows)
    ]
    return found or [
        (
            -1,
            evenly_by_score(
                data, probe.active if len(probe.active) else np.arange(data.sizes["unit"]), EACH
            ),
        )
    ]


def _draw_maps(part: Any, probe: Probe, groups: Sequence[tuple[int, np.ndarray]]) -> None:
    box, head = probe.maps("smooth", BOX_M), probe.headline
    part.suptitle(
        f"{probe.name}: units of each module, evenly spaced in order of their score", fontsize=9
    )
    titles = (
        f"{BOX_M:g} m box, as in the paper",
        f"{head.attrs['arena_m']:g} m arena",
        "autocorrelograms and fitted lattices",
    )
    blocks: Any = part.subfigures(1, 3, wspace=0.02)
    for which, block in enumerate(blocks):
        block.suptitle(titles[which], fontsize=8, color="0.25")
        for line, (module, units) in enumerate(groups):
            for k, unit in enumerate(units):
                ax = block.add_subplot(len(groups), EACH, line * EACH + k + 1)
                here = (box if which == 0 else head).isel(unit=unit)
                if which == 2:
                    draw_correlogram(ax, here["autocorrelogram"], here["vectors_m"].values)
                    continue
                draw_map(ax, here["rate"], scale_bar=k == 0)
                frame(ax, module)
                ax.set_title(
                    f"unit {int(here['unit'])}: {number(float(here['minmax']))}",
                    fontsize=6.5,
                    pad=2,
                )


def _histogram(ax: Axes, probe: Probe) -> None:
    data = probe.headline
    module = data["module"].values
    period = np.array([period_of(s) for s in data["spacing_m"].values])
    shown = np.isfinite(period) & np.isin(np.arange(len(period)), probe.lattice_units)
    ax.set(
        xlabel="period of a unit: distance between rows of fields (m)",
        ylabel="units",
        title="periods, coloured by module",
    )
    if not shown.any():
        ax.text(
            0.5,
            0.5,
            "no unit has a significant lattice",
            transform=ax.transAxes,
            ha="center",
            color="0.35",
        )
        return
    top = max(1.5, 1.05 * float(period[shown].max()))
    bins = np.linspace(0, top, round(top / 0.025) + 1)
    numbers = np.unique(module[shown]).tolist()
    ax.hist(
        [period[shown & (module == m)] for m in numbers], bins=bins.tolist(), stacked=True, color=[module_colour(m) for m in numbers],
        label=[f"module {m}" if m >= 0 else "in no module" for m in numbers],
    )  # fmt: skip
    ax.set_xlim(0, top)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.legend(fontsize=7)


def _table(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    ax.set_axis_off()
    ax.set_title("modules of this network")
    if not rows:
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", color="0.35")
        return
    cells = [
        [
            str(m["module"]), str(m["units"]), *(number(m[name]) for name in ("spacing_m", "period_m")), f"{m['orientation_deg']:.0f}",
            number(m["axis_ratio"]), p_text(m["p_value"]), m["sub_lattice_relation"] or "none",
        ]
        for m in rows
    ]  # fmt: skip
    labels = [
        "module",
        "units",
        "spacing\n(m)",
        "period\n(m)",
        "orient.\n(deg)",
        "axis\nratio",
        "p",
        "sub-lattice relation",
    ]
    table = ax.table(
        cells,
        colLabels=labels,
        loc="upper center",
        cellLoc="center",
        colWidths=[0.1, 0.08, 0.1, 0.1, 0.1, 0.1, 0.09, 0.33],
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (line, column), cell in table.get_celld().items():
        cell.set(height=0.2 if line == 0 else min(0.13, 0.75 / len(rows)), linewidth=0.5)
        if line and column == 0:
            cell.set_text_props(color=module_colour(rows[line - 1]["module"]), weight="bold")


def _training(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    ax.set(title="training of this network", xlabel="step", ylabel="loss term, unweighted")
    if not rows:
        ax.text(
            0.5, 0.5, "no record of the training", transform=ax.transAxes, ha="center", color="0.35"
        )
        return
    steps = [r["step"] for r in rows]
    for name, ink in zip(TERMS, INK, strict=False):
        # Capacity is negative: its size is drawn, so that all four share a logarithmic axis.
        values = np.abs([r[name] for r in rows])
        ax.plot(
            steps,
            np.where(values > 0, values, np.nan),
            color=ink,
            linewidth=1.2,
            label="- capacity" if name == "capacity" else name,
        )
    ax.set_yscale("log")
    ax.set_ylim(None, 8 * ax.get_ylim()[1])
    ax.legend(fontsize=7, ncols=4, loc="upper center")


def _counts(ax: Axes, counts: Sequence[Mapping[str, Any]]) -> None:
    most = max(3, *(c["modules"] for c in counts))
    for shift, name, ink in ((-0.2, "modules", GREY), (0.2, "independent_modules", INK[0])):
        heights = [sum(c[name] == n for c in counts) for n in range(most + 1)]
        ax.bar(
            np.arange(most + 1) + shift,
            heights,
            width=0.4,
            color=ink,
            label=name.replace("_modules", ""),
        )
    ax.axvline(3, color=INK[1], linestyle="--", linewidth=0.9, label="paper", zorder=0)
    ax.set(
        xlabel="modules in a network",
        ylabel="networks",
        xticks=range(most + 1),
        title=f"{counted(len(counts), 'network')}",
    )
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set_ylim(0, 1.35 * max(1, len(counts)))
    ax.legend(fontsize=7, loc="upper left", ncols=3, columnspacing=1.0, handlelength=1.2)


def _ratios(ax: Axes, modules: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    ax.set(title="spacings of all modules", ylabel="spacing (m)")
    if not modules:
        ax.text(0.5, 0.5, "no modules", transform=ax.transAxes, ha="center", color="0.35")
        return
    for place, name in enumerate(names):
        own = sorted((m for m in modules if m["network"] == name), key=lambda m: m["spacing_m"])
        spacing = [m["spacing_m"] for m in own]
        ax.plot([place] * len(own), spacing, "-", color=GREY, linewidth=0.8, zorder=0)
        ax.scatter(
            [place] * len(own),
            spacing,
            s=[8 + m["units"] for m in own],
            c=[module_colour(m["module"]) for m in own],
            linewidths=0,
        )
        for low, high in itertools.pairwise(own):
            middle = np.sqrt(low["spacing_m"] * high["spacing_m"])
            ax.annotate(
                f"x {low['ratio_to_next']:.2f}",
                (place, middle),
                (5, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
            )
    ax.set_yscale("log")
    every = [m["spacing_m"] for m in modules]
    ax.set_ylim(min(0.45, min(every) / 1.1), max(1.6, max(every) * 1.1))
    metres_on_log_axis(ax.yaxis)
    ax.set_xlim(-0.6, len(names) - 0.2)
    ax.set_xticks(
        range(len(names)),
        names,
        rotation=30 if len(names) > 2 else 0,
        ha="right" if len(names) > 2 else "center",
        fontsize=7,
    )
