"""Figure 4: several modules in one network, and whether they are sub-lattices of one torus."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridcode.analysis.cells.celltypes import LEAST_HEXAGONAL_AXIS_RATIO
from gridcode.analysis.evaluate import period_of
from gridcode.analysis.records import ModuleRecord, RelationRecord, UnitRecord
from gridcode.analysis.text import p_text
from gridcode.paper.claims import Claim, FigureDraft
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork, NetworkRow
from gridcode.paper.tables import counted, known, median, spread
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.report.style import (
    GREY,
    INK,
    draw_correlogram,
    draw_map,
    frame,
    metres_on_log_axis,
    missing,
    module_colour,
    number,
)

PAPER = (
    "The paper shows three modules of periodic cells in one network of 128 units, "
    "their lattices sheared rather than perfectly hexagonal, with periods from about 0.5 m "
    "to more than 1 m, read from a histogram of the units' periods."
)
BOX_M = 2.0
EACH = 3
MOST_MODULES = 4
SMALL_M, LARGE_M = 0.6, 1.0


@dataclass(frozen=True)
class ModuleRow:
    """One module: everything that is known of it, and the distance between rows of fields."""

    network: str
    module: ModuleRecord
    period_m: float
    sub_lattice_relation: str


@dataclass(frozen=True)
class UnitRow:
    """One unit: everything that is known of it, and the distance between rows of its fields."""

    network: str
    unit: UnitRecord
    period_m: float | None


@dataclass(frozen=True)
class RelationRow:
    """Whether two modules are commensurate; the record's fields are columns."""

    network: str
    relation: RelationRecord


@dataclass(frozen=True)
class TrainingRow:
    """Terms of the loss without their weights."""

    step: int
    separation: float
    invariance: float
    capacity: float
    isometry: float


def make(networks: Sequence[EvaluatedNetwork]) -> FigureDraft:
    """Maps of every module's units of the first network, and modules and spacings of all."""
    first = networks[0]
    modules = [_module_row(n, module) for n in networks for module in n.summary.modules]
    counts = [n.row() for n in networks]
    training = _training_rows(first)
    return FigureDraft(
        title="several modules in one network",
        paper=PAPER,
        found=_found(counts, modules),
        claims=_claims(counts, modules),
        caveats=_caveats(networks),
        tables={
            "": counts,
            "modules": modules,
            "units": [row for n in networks for row in _unit_rows(n)],
            "relations": [RelationRow(n.name, r) for n in networks for r in n.summary.relations],
            "training": training,
        },
        figure=_draw(first, counts, modules, training),
        networks=[n.name for n in networks],
    )


def _module_row(network: EvaluatedNetwork, module: ModuleRecord) -> ModuleRow:
    perhaps = {"commensurate": "", "undecided": "perhaps "}
    related = [
        f"{perhaps[r.verdict]}with {sum(r.modules) - module.module}, index {r.index}"
        for r in network.summary.relations
        if module.module in r.modules and r.verdict in perhaps
    ]
    return ModuleRow(network.name, module, period_of(module.spacing_m), "; ".join(related))


def _unit_rows(network: EvaluatedNetwork) -> list[UnitRow]:
    return [
        UnitRow(network.name, u, None if u.spacing_m is None else period_of(u.spacing_m))
        for u in network.summary.units
    ]


def _training_rows(network: EvaluatedNetwork) -> list[TrainingRow]:
    names = TrainingRow.__dataclass_fields__
    return [
        TrainingRow(**{name: row[name] for name in names})
        for row in network.metrics
        if names.keys() <= row.keys()
    ]


def _claims(counts: Sequence[NetworkRow], modules: Sequence[ModuleRow]) -> list[Claim]:
    def sheared(network: NetworkRow) -> bool | None:
        ratio = median([m.module.axis_ratio for m in modules if m.network == network.network])
        return None if ratio is None else ratio < LEAST_HEXAGONAL_AXIS_RATIO

    def spans(network: NetworkRow) -> bool | None:
        low, high = network.smallest_spacing_m, network.largest_spacing_m
        if low is None or high is None:
            return None
        return period_of(low) <= SMALL_M and period_of(high) >= LARGE_M

    return [
        Claim("two or more modules", tuple(row.modules >= 2 for row in counts)),
        Claim(
            "two or more of them independent, no sub-lattices of one another",
            tuple(row.independent_modules >= 2 for row in counts),
            central=True,
        ),
        Claim("three or more independent", tuple(row.independent_modules >= 3 for row in counts)),
        Claim(
            f"module periods reach from {SMALL_M:g} m or less to {LARGE_M:g} m or more",
            tuple(map(spans, counts)),
        ),
        Claim(
            "lattices sheared (median axis ratio of the modules below "
            f"{LEAST_HEXAGONAL_AXIS_RATIO:g})",
            tuple(map(sheared, counts)),
        ),
    ]


def _found(counts: Sequence[NetworkRow], modules: Sequence[ModuleRow]) -> list[str]:
    text = [
        f"In {counted(len(counts), 'network')} of this package "
        f"({', '.join(c.network for c in counts)}; medians, and ranges where they differ) "
        f"the number of modules is {spread([c.modules for c in counts], digits=0)}, "
        f"that of independent ones {spread([c.independent_modules for c in counts], digits=0)}, "
        f"with {spread([c.units_in_modules for c in counts], digits=0)} of "
        f"{spread([c.active_units for c in counts], digits=0)} active units in modules."
    ]
    if modules:
        ratios = known([m.module.ratio_to_next for m in modules])
        text.append(
            f"Over {counted(len(modules), 'module')}: "
            f"spacing {spread([m.module.spacing_m for m in modules], 'm')}, "
            "period (distance between rows of fields) "
            f"{spread([m.period_m for m in modules], 'm')}, "
            f"axis ratio {spread([m.module.axis_ratio for m in modules])} "
            "(1 hexagonal, 0.58 square); "
            + (
                f"spacings of successive modules differ by factors of {spread(ratios)}."
                if len(ratios)
                else "no network has two."
            )
        )
    return text


def _caveats(networks: Sequence[EvaluatedNetwork]) -> list[str]:
    verdicts = [r.verdict for network in networks for r in network.summary.relations]
    test = (
        "A histogram of periods alone cannot tell modules from sub-lattices of one torus, so "
        "whether lattices are integer combinations of one another is tested"
    )
    if verdicts:
        kinds = ("commensurate", "independent", "undecided")
        each = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds)
        test += f": of {counted(len(verdicts), 'pair')} {each}"
    text = [f"{test}."]
    unresolved = sum(not network.headline.resolved for network in networks)
    if unresolved:
        text.append(
            f"In {counted(unresolved, 'network')} no arena held enough periods "
            "for scores to be trusted."
        )
    if len(networks) < 3:
        text.append("So few networks say little about other seeds.")
    return text


def _draw(
    first: EvaluatedNetwork,
    counts: Sequence[NetworkRow],
    modules: Sequence[ModuleRow],
    training: Sequence[TrainingRow],
) -> Figure:
    groups = _groups(first)
    figure = Figure(figsize=(12, 1.5 * len(groups) + 5.0))
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.5 * len(groups) + 0.35, 4.6])
    above, below = parts
    _draw_maps(above, first, groups)
    grid = below.add_gridspec(2, 12, height_ratios=[1, 1])
    _draw_histogram(below.add_subplot(grid[0, :5]), first)
    _draw_table(below.add_subplot(grid[0, 5:]), [m for m in modules if m.network == first.name])
    _draw_training(below.add_subplot(grid[1, :5]), training)
    _draw_counts(below.add_subplot(grid[1, 5:8]), counts)
    _draw_spacings(below.add_subplot(grid[1, 8:]), modules, [c.network for c in counts])
    return figure


def _groups(network: EvaluatedNetwork) -> list[tuple[int, np.ndarray]]:
    """The largest modules with the units drawn of each; without modules, units in none."""
    data = network.data
    rows = sorted(network.summary.modules, key=lambda m: -m.n_units)[:MOST_MODULES]
    if not rows:
        units = network.active if len(network.active) else np.arange(data.sizes["unit"])
        return [(-1, evenly_by_score(data, units, EACH))]
    return [
        (m, evenly_by_score(data, np.flatnonzero(data["module"].values == m), EACH))
        for m in sorted(row.module for row in rows)
    ]


def _draw_maps(
    part: Any, network: EvaluatedNetwork, groups: Sequence[tuple[int, np.ndarray]]
) -> None:
    box, data = network.maps("smooth", BOX_M), network.data
    part.suptitle(
        f"{network.name}: units of each module, evenly spaced in order of their score", fontsize=9
    )
    titles = (
        f"{BOX_M:g} m box, as in the paper",
        f"{network.headline.arena_m:g} m arena",
        "autocorrelograms and fitted lattices",
    )
    blocks: Any = part.subfigures(1, 3, wspace=0.02)
    for which, block in enumerate(blocks):
        block.suptitle(titles[which], fontsize=8, color="0.25")
        for line, (module, units) in enumerate(groups):
            for k, index in enumerate(units):
                ax = block.add_subplot(len(groups), EACH, line * EACH + k + 1)
                unit = (box if which == 0 else data).isel(unit=index)
                if which == 2:
                    draw_correlogram(ax, unit["autocorrelogram"], unit["vectors_m"].values)
                    continue
                draw_map(ax, unit["rate"], scale_bar=k == 0)
                frame(ax, module)
                title = f"unit {int(unit['unit'])}: {number(float(unit['grid_score']))}"
                ax.set_title(title, fontsize=6.5, pad=2)


def _draw_histogram(ax: Axes, network: EvaluatedNetwork) -> None:
    data = network.data.isel(unit=network.lattice_units)
    period = np.array([period_of(s) for s in data["spacing_m"].values])
    shown = np.isfinite(period)
    ax.set(
        xlabel="period of a unit: distance between rows of fields (m)",
        ylabel="units",
        title="periods, coloured by module",
    )
    if not shown.any():
        missing(ax, "no unit has a significant lattice")
        return
    module, period = data["module"].values[shown], period[shown]
    top = max(1.5, 1.05 * float(period.max()))
    numbers = np.unique(module).tolist()
    ax.hist(
        [period[module == m] for m in numbers],
        bins=np.linspace(0, top, round(top / 0.025) + 1).tolist(),
        stacked=True,
        color=[module_colour(m) for m in numbers],
        label=[f"module {m}" if m >= 0 else "in no module" for m in numbers],
    )
    ax.set_xlim(0, top)
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.legend(fontsize=7)


def _draw_table(ax: Axes, rows: Sequence[ModuleRow]) -> None:
    modules = [row.module for row in rows]
    ax.set_axis_off()
    ax.set_title("modules of this network")
    if not rows:
        missing(ax, "none")
        return
    columns = {
        "module": (0.1, [str(m.module) for m in modules]),
        "units": (0.08, [str(m.n_units) for m in modules]),
        "spacing\n(m)": (0.1, [number(m.spacing_m) for m in modules]),
        "period\n(m)": (0.1, [number(m.period_m) for m in rows]),
        "orient.\n(deg)": (0.1, [f"{m.orientation_deg:.0f}" for m in modules]),
        "axis\nratio": (0.1, [number(m.axis_ratio) for m in modules]),
        "p": (0.09, [p_text(m.p_value) for m in modules]),
        "sub-lattice relation": (0.33, [m.sub_lattice_relation or "none" for m in rows]),
    }
    table = ax.table(
        list(zip(*(cells for _, cells in columns.values()), strict=True)),
        colLabels=list(columns),
        loc="upper center",
        cellLoc="center",
        colWidths=[width for width, _ in columns.values()],
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for (line, column), cell in table.get_celld().items():
        cell.set(height=0.2 if line == 0 else min(0.13, 0.75 / len(rows)), linewidth=0.5)
        if line and column == 0:
            cell.set_text_props(color=module_colour(modules[line - 1].module), weight="bold")


def _draw_training(ax: Axes, rows: Sequence[TrainingRow]) -> None:
    ax.set(title="training of this network", xlabel="step", ylabel="loss term, unweighted")
    if not rows:
        missing(ax, "no record of the training")
        return
    columns = {name: [asdict(row)[name] for row in rows] for name in asdict(rows[0])}
    steps = columns.pop("step")
    for (name, column), ink in zip(columns.items(), INK, strict=False):
        # Capacity is negative: its size is drawn, so that all four share a logarithmic axis.
        values = np.abs(column)
        label = "- capacity" if name == "capacity" else name
        ax.plot(steps, np.where(values > 0, values, np.nan), color=ink, linewidth=1.2, label=label)
    ax.set_yscale("log")
    ax.set_ylim(None, 8 * ax.get_ylim()[1])
    ax.legend(fontsize=7, ncols=4, loc="upper center")


def _draw_counts(ax: Axes, counts: Sequence[NetworkRow]) -> None:
    most = max(3, *(c.modules for c in counts))
    places = np.arange(most + 1)
    for shift, label, found, ink in (
        (-0.2, "modules", [c.modules for c in counts], GREY),
        (0.2, "independent", [c.independent_modules for c in counts], INK[0]),
    ):
        heights = np.bincount(found, minlength=most + 1)
        ax.bar(places + shift, heights, width=0.4, color=ink, label=label)
    ax.axvline(3, color=INK[1], linestyle="--", linewidth=0.9, label="paper", zorder=0)
    ax.set(
        xlabel="modules in a network",
        ylabel="networks",
        xticks=places,
        title=counted(len(counts), "network"),
    )
    ax.yaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    ax.set_ylim(0, 1.35 * max(1, len(counts)))
    ax.legend(fontsize=7, loc="upper left", ncols=3, columnspacing=1.0, handlelength=1.2)


def _draw_spacings(ax: Axes, modules: Sequence[ModuleRow], names: Sequence[str]) -> None:
    ax.set(title="spacings of all modules", ylabel="spacing (m)")
    if not modules:
        missing(ax, "no modules")
        return
    for x, name in enumerate(names):
        rows = sorted((m.module for m in modules if m.network == name), key=lambda m: m.spacing_m)
        spacing = [m.spacing_m for m in rows]
        ax.plot([x] * len(rows), spacing, "-", color=GREY, linewidth=0.8, zorder=0)
        sizes = [8 + m.n_units for m in rows]
        colours = [module_colour(m.module) for m in rows]
        ax.scatter([x] * len(rows), spacing, s=sizes, c=colours, linewidths=0)
        for low, high in itertools.pairwise(spacing):
            between: dict[str, Any] = {
                "xytext": (5, 0),
                "textcoords": "offset points",
                "va": "center",
            }
            ax.annotate(f"x {high / low:.2f}", (x, np.sqrt(low * high)), fontsize=7, **between)
    ax.set_yscale("log")
    every = [m.module.spacing_m for m in modules]
    ax.set_ylim(min(0.45, min(every) / 1.1), max(1.6, max(every) * 1.1))
    metres_on_log_axis(ax.yaxis)
    ax.set_xlim(-0.6, len(names) - 0.2)
    many = len(names) > 2
    ax.set_xticks(
        range(len(names)),
        names,
        rotation=30 if many else 0,
        ha="right" if many else "center",
        fontsize=7,
    )
