"""Figure 9: the rate maps of all units in a 2 m box, of a network as published and of one trained without the capacity loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from gridcode.paper.claims import Claim, Made, counted, spread, within
from gridcode.paper.reproduce.evaluated import Probe
from gridcode.paper.unit_selection import by_module
from gridcode.report.style import draw_map, frame, number, short_type

PAPER = (
    "The paper shows all 128 rate maps in a 2 m box: (a) of the network of its Figure 4, with units of three modules, and (b) of the network trained "
    "without the capacity loss, with a single module."
)
BOX_M = 2.0
COLUMNS = 16
MOST_UNITS = 256
MOST_OF_ALL = 0.5
CELL, TITLE, HEAD = 0.74, 0.19, 0.32


def make(probes: Sequence[Probe]) -> Made:
    """All maps of the first network with a capacity loss, and below them those of the first without; numbers of all."""
    with_loss = [p for p in probes if p.config.loss.capacity > 0]
    without = [p for p in probes if p.config.loss.capacity == 0]
    drawn = [
        ("a" if k == 0 else "b", group[0]) for k, group in enumerate((with_loss, without)) if group
    ]
    rows = [_row(p) for p in probes]
    return Made(
        title="rate maps of all units",
        paper=PAPER,
        found=_found(
            [r for r in rows if r["capacity"] > 0], [r for r in rows if r["capacity"] == 0]
        ),
        claims=_claims(rows),
        caveats=_caveats(drawn, bool(with_loss), bool(without)),
        tables={"": rows, "units": [r for letter, p in drawn for r in _unit_rows(letter, p)]},
        figure=_draw(drawn),
        networks=[p.name for p in probes],
    )


def _row(probe: Probe) -> dict[str, Any]:
    head = probe.summary["headline"]
    active = head["active_units"]
    return {
        "network": probe.name,
        "capacity": probe.config.loss.capacity,
        "units": head["units"],
        "active_units": active,
        "lattice_units": len(probe.lattice_units),
        "lattice_share_of_active": len(probe.lattice_units) / active if active else None,
        "modules": head["n_modules"],
        "independent_modules": head["n_independent_modules"],
    } | {kind.replace(" ", "_").replace("-", "_"): n for kind, n in head["types"].items()}


def _unit_rows(letter: str, probe: Probe) -> list[dict[str, Any]]:
    data, box = probe.headline, probe.maps("smooth", BOX_M)
    return [
        {
            "panel": letter,
            "network": probe.name,
            "place": place,
            "unit": int(data["unit"].values[u]),
            "module": int(data["module"].values[u]) if data["module"].values[u] >= 0 else None,
            "type": str(data["type"].values[u]),
            "spacing_m": float(data["spacing_m"].values[u]),
            "grid_score": float(data["minmax"].values[u]),
            "grid_score_in_box": float(box["minmax"].values[u]),
            "peak_in_box": float(np.nanmax(box["rate"].values[u])),
        }
        for place, u in enumerate(by_module(data))
    ]


def _claims(rows: Sequence[Mapping[str, Any]]) -> list[Claim]:
    usual, ablated = ([r for r in rows if (r["capacity"] > 0) == has] for has in (True, False))
    claims = []
    if usual:
        claims = [
            Claim(
                f"with the capacity loss, {100 * MOST_OF_ALL:.0f}% of the active units or more have a lattice",
                tuple(within(r["lattice_share_of_active"], MOST_OF_ALL, 1.0) for r in usual),
            ),
            Claim(
                "with it, two or more independent modules",
                tuple(r["independent_modules"] >= 2 for r in usual),
            ),
        ]
    return [
        *claims,
        Claim(
            "without it, one independent module",
            tuple(r["independent_modules"] == 1 for r in ablated),
        ),
    ]


def _found(usual: Sequence[Mapping[str, Any]], ablated: Sequence[Mapping[str, Any]]) -> list[str]:
    text: list[str] = []
    for rows, name in ((usual, "with the capacity loss"), (ablated, "without it")):
        if rows:
            text.append(
                f"{'Here, ' if not text else ''}{name}, {counted(len(rows), 'network')} ({', '.join(r['network'] for r in rows)}): "
                f"{spread([r['lattice_units'] for r in rows], digits=0)} of {spread([r['active_units'] for r in rows], digits=0)} active units have "
                f"a significant lattice, modules {spread([r['modules'] for r in rows], digits=0)}, independent ones "
                f"{spread([r['independent_modules'] for r in rows], digits=0)}."
            )
    return [sentence[0].upper() + sentence[1:] for sentence in text]


def _caveats(drawn: Sequence[tuple[str, Probe]], usual: bool, ablated: bool) -> list[str]:
    text = [
        f"Types, modules and p-values are those of the larger arena, since {BOX_M:g} m holds too few periods; each map is coloured to its own peak."
    ]
    if not ablated:
        text.append("No network without the capacity loss was given, so part (b) is missing.")
    if not usual:
        text.append("No network with the capacity loss was given, so part (a) is missing.")
    cut = [p.name for _, p in drawn if p.headline.sizes["unit"] > MOST_UNITS]
    if cut:
        text.append(
            f"The picture stops at {MOST_UNITS} units of {', '.join(cut)}; the table has all."
        )
    return text


def _draw(drawn: Sequence[tuple[str, Probe]]) -> Figure:
    counts = [min(p.headline.sizes["unit"], MOST_UNITS) for _, p in drawn]
    lines = [-(-n // COLUMNS) for n in counts]
    row = CELL + TITLE
    width, height = COLUMNS * (CELL + 0.04) + 0.1, sum(HEAD + n * row for n in lines)
    # Placed by hand: laying out hundreds of axes takes matplotlib longer than drawing them.
    figure = Figure(
        figsize=(width, height),
        layout=PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True),
    )
    top = height
    for (letter, probe), count, block in zip(drawn, counts, lines, strict=True):
        data, box = probe.headline, probe.maps("smooth", BOX_M)
        loss = probe.config.loss.capacity
        trained = "without the capacity loss" if loss == 0 else f"capacity loss {loss:g}"
        title = f"({letter}) {probe.name}, {trained}: {BOX_M:g} m box, sorted by module (frames)"
        title += f", then by grid score in the {data.attrs['arena_m']:g} m arena (titles: unit and score, or type where it is in no module)"
        figure.text(0.05 / width, (top - 0.2) / height, title, fontsize=9, va="center")
        for place, unit in enumerate(by_module(data)[:count]):
            line, column = divmod(place, COLUMNS)
            left, bottom = (
                0.05 + column * (CELL + 0.04),
                top - HEAD - line * row - TITLE - CELL + 0.06,
            )
            ax = figure.add_axes((left / width, bottom / height, CELL / width, CELL / height))
            # A silent unit's traces, coloured to their own peak, would look like a map.
            draw_map(
                ax,
                box["rate"].isel(unit=unit) * (0.0 if data["silent"].values[unit] else 1.0),
                scale_bar=place == 0,
            )
            frame(ax, int(data["module"].values[unit]))
            score = data["minmax"].values[unit]
            name = (
                number(float(score))
                if data["module"].values[unit] >= 0
                else short_type(data["type"].values[unit])
            )
            ax.set_title(f"{int(data['unit'].values[unit])}: {name}", fontsize=5.4, pad=1.5)
        top -= HEAD + block * row
    return figure
