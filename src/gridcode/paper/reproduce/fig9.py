"""Figure 9: rate maps of all units in a 2 m box, with and without the capacity loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from gridcode.analysis.records import UnitRecord
from gridcode.paper.claims import Claim, FigureDraft
from gridcode.paper.reproduce.evaluated_network import EvaluatedNetwork, NetworkRow
from gridcode.paper.tables import counted, spread, within
from gridcode.paper.unit_selection import by_module
from gridcode.report.style import draw_map, frame, number, short_type

PAPER = (
    "The paper shows all 128 rate maps in a 2 m box: (a) of the network of its Figure 4, with "
    "units of three modules, and (b) of the network trained without the capacity loss, with a "
    "single module."
)
BOX_M = 2.0
COLUMNS = 16
MOST_UNITS = 256
MOST_OF_ALL = 0.5
# Inches: a map with its title, and the heading of a network.
WIDTH, HEIGHT, HEAD = 0.78, 0.93, 0.45


@dataclass(frozen=True)
class UnitRow:
    """One map, with everything that is known of its unit; `place` counts the maps of a panel."""

    panel: str
    network: str
    place: int
    unit: UnitRecord
    grid_score_in_box: float
    peak_in_box: float


def make(networks: Sequence[EvaluatedNetwork]) -> FigureDraft:
    """All maps of the first network with and of the first without a capacity loss."""
    rows = [n.row() for n in networks]
    with_loss = [n for n in networks if n.config.loss.capacity > 0][:1]
    without = [n for n in networks if n.config.loss.capacity == 0][:1]
    drawn = [("a", n) for n in with_loss] + [("b", n) for n in without]
    return FigureDraft(
        title="rate maps of all units",
        paper=PAPER,
        found=_found(rows),
        claims=_claims(rows),
        caveats=_caveats([n for _, n in drawn], bool(with_loss), bool(without)),
        tables={"": rows, "units": [row for panel, n in drawn for row in _unit_rows(panel, n)]},
        figure=_draw(drawn),
        networks=[n.name for n in networks],
    )


def _unit_rows(panel: str, network: EvaluatedNetwork) -> list[UnitRow]:
    units, box = network.summary.units, network.maps("smooth", BOX_M)
    score, peak = box["grid_score"].values, box["rate"].max(("y", "x")).values
    return [
        UnitRow(panel, network.name, place, units[u], float(score[u]), float(peak[u]))
        for place, u in enumerate(by_module(network.data))
    ]


def _claims(rows: Sequence[NetworkRow]) -> list[Claim]:
    usual = [r for r in rows if r.capacity > 0]
    ablated = [r for r in rows if r.capacity == 0]
    claims = [
        Claim(
            f"with the capacity loss, {100 * MOST_OF_ALL:.0f}% of the active units or more have "
            "a lattice",
            tuple(within(r.lattice_share_of_active, MOST_OF_ALL, 1.0) for r in usual),
        ),
        Claim(
            "with it, two or more independent modules",
            tuple(r.independent_modules >= 2 for r in usual),
        ),
    ]
    return [
        *(claims if usual else []),
        Claim(
            "without it, one independent module", tuple(r.independent_modules == 1 for r in ablated)
        ),
    ]


def _found(rows: Sequence[NetworkRow]) -> list[str]:
    text: list[str] = []
    usual = [r for r in rows if r.capacity > 0]
    ablated = [r for r in rows if r.capacity == 0]
    for group, name in ((usual, "with the capacity loss"), (ablated, "without it")):
        if group:
            start = f"Here, {name}" if not text else name.capitalize()
            text.append(
                f"{start}, {counted(len(group), 'network')} "
                f"({', '.join(r.network for r in group)}): "
                f"{spread([r.lattice_units for r in group], digits=0)} of "
                f"{spread([r.active_units for r in group], digits=0)} active units have a "
                f"significant lattice, modules {spread([r.modules for r in group], digits=0)}, "
                f"independent ones {spread([r.independent_modules for r in group], digits=0)}."
            )
    return text


def _caveats(drawn: Sequence[EvaluatedNetwork], usual: bool, ablated: bool) -> list[str]:
    text = [
        f"Types, modules and p-values are those of the larger arena, since {BOX_M:g} m holds too "
        "few periods; each map is coloured to its own peak."
    ]
    missing = "No network {} the capacity loss was given, so part ({}) is missing."
    if not ablated:
        text.append(missing.format("without", "b"))
    if not usual:
        text.append(missing.format("with", "a"))
    cut = [n.name for n in drawn if n.headline.units > MOST_UNITS]
    if cut:
        text.append(
            f"The picture stops at {MOST_UNITS} units of {', '.join(cut)}; the table has all."
        )
    return text


def _draw(drawn: Sequence[tuple[str, EvaluatedNetwork]]) -> Figure:
    lines = [-(-min(n.headline.units, MOST_UNITS) // COLUMNS) for _, n in drawn]
    heights = [HEAD + HEIGHT * n for n in lines]
    # Without a layout engine, which takes longer for hundreds of axes than drawing them.
    figure = Figure(figsize=(COLUMNS * WIDTH + 0.1, sum(heights)))
    figure.set_layout_engine("none")
    blocks: Any = figure.subfigures(len(drawn), 1, height_ratios=heights, squeeze=False)
    for block, (letter, network), height, rows in zip(
        blocks[:, 0], drawn, heights, lines, strict=True
    ):
        data, box = network.data, network.maps("smooth", BOX_M)
        loss = network.config.loss.capacity
        trained = "without the capacity loss" if loss == 0 else f"capacity loss {loss:g}"
        title = (
            f"({letter}) {network.name}, {trained}: {BOX_M:g} m box, sorted by module (frames), "
            f"then by grid score in the {network.headline.arena_m:g} m arena "
            "(titles: unit and score, or type where it is in no module)"
        )
        block.text(0.005, 1 - 0.18 / height, title, fontsize=9, va="center")
        grid = block.add_gridspec(
            rows,
            COLUMNS,
            left=0.005,
            right=0.995,
            bottom=0.06 / height,
            top=1 - HEAD / height,
            wspace=0.05,
            hspace=0.25,
        )
        for place, index in enumerate(by_module(data)[:MOST_UNITS]):
            ax = block.add_subplot(grid[place])
            unit, module = data.isel(unit=index), int(data["module"].values[index])
            # A silent unit's traces, coloured to their own peak, would look like a map.
            rate = box["rate"].isel(unit=index) * (0.0 if unit["silent"] else 1.0)
            draw_map(ax, rate, scale_bar=place == 0)
            frame(ax, module)
            score = number(float(unit["grid_score"]))
            name = score if module >= 0 else short_type(unit["type"].item())
            ax.set_title(f"{int(unit['unit'])}: {name}", fontsize=5.4, pad=1.5)
    return figure
