"""Figure 7: what becomes of the cells when a part of the recipe is taken out, from the tables of `gridcode ablate`."""

import csv
import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine

from gridcode.api.verbs import load_network
from gridcode.errors import InputError
from gridcode.paper.claims import Claim, Made, counted, spread
from gridcode.paper.reproduce.evaluated import Probe
from gridcode.paper.reproduce.sources import Source
from gridcode.paper.unit_selection import evenly_by_score
from gridcode.report.style import GREY, INK, draw_map, number
from gridcode.runs.run import Run

Row = Mapping[str, Any]

PAPER = (
    "The paper shows that without the capacity loss one module is left, that a smaller sigma_g gives place-like cells whose fields are the "
    "smaller the larger sigma_g is, that without separation, without path invariance, and without permuted trajectories spatial tuning is lost, "
    "and that without the conformal isometry several modules remain, with lattices more sheared and more square."
)
TABLE, VERDICTS = "ablation.csv", "verdicts.csv"
REFERENCE = "reference"
ARENA_M = 4.0
SHOWN = 6
# Panels: column of the table, label of the axis, lower end of the axis and upper (None: whatever
# fits).
PANELS: tuple[tuple[tuple[str, ...], str, float, float | None], ...] = (
    (("lattice_share",), "share of active units\nwith a lattice", 0.0, 1.0),
    (("n_modules", "modules"), "modules", 0.0, None),
    (
        ("n_independent", "n_independent_modules", "independent_modules"),
        "independent\nmodules",
        0.0,
        None,
    ),
    (("axis_ratio_median", "axis_ratio"), "axis ratio\n(0.58 square, 1 hexagon)", 0.4, 1.0),
    (
        ("field_size_m", "field_diameter_m", "field_size", "field_size_median_m"),
        "field size (m)",
        0.0,
        None,
    ),
)
SAID = ((PANELS[0][1], 2), (PANELS[2][1], 0))
OUTCOMES = {"reproduced": True, "not reproduced": False, "unclear": None}
CELL, GAP, TOP, BOTTOM, LABELS, PANEL = 0.78, 0.06, 0.55, 0.75, 1.35, 1.3


def make(folder: Path | None, progress: Callable[[str, int, int], None] | None = None) -> Made:
    """Example maps where there are run folders, a dot per seed of every variant, and the verdict on every expectation.

    Args:
        folder: what `gridcode ablate` wrote; None takes the tables in the package.
        progress: called with (what, done, total).

    Raises:
        InputError: a table is missing or is none of `gridcode ablate`.
    """
    rows, verdicts = _tables(folder)
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    maps = (
        {}
        if folder is None
        else {
            v: found
            for v in variants
            if (found := _examples(folder, v, rows, progress)) is not None
        }
    )
    columns = {
        label: column
        for names, label, *_ in PANELS
        if (column := next((n for n in names if n in rows[0]), None)) is not None
    }
    return Made(
        title="ablations",
        paper=PAPER,
        found=_found(rows, variants, columns),
        claims=[
            Claim(_text(v), (OUTCOMES[v["verdict"]],)) for v in verdicts if v["verdict"] in OUTCOMES
        ],
        caveats=_caveats(rows, variants, verdicts),
        tables={"": rows, "verdicts": verdicts},
        figure=_draw(rows, variants, columns, maps),
        networks=[f"{row['variant']} seed {row['seed']}" for row in rows],
    )


def _tables(folder: Path | None) -> tuple[list[Row], list[Row]]:
    if folder is None:
        held = resources.files("gridcode.paper.reproduce").joinpath("data")
        texts = {
            name: held.joinpath(name).read_text(encoding="utf-8")
            if held.joinpath(name).is_file()
            else None
            for name in (TABLE, VERDICTS)
        }
        where, make_it = (
            "the package",
            "make them with `gridcode ablate` and give its folder with --runs",
        )
    else:
        if not folder.is_dir():
            raise InputError(f"there is no folder '{folder}'")
        try:
            texts = {
                n: (folder / n).read_text(encoding="utf-8") if (folder / n).is_file() else None
                for n in (TABLE, VERDICTS)
            }
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the tables in '{folder}': {error}") from None
        where, make_it = f"'{folder}'", f"make them with `gridcode ablate --out {folder}`"
    missing = [name for name, text in texts.items() if text is None]
    if missing:
        raise InputError(f"{where} has no {' and no '.join(missing)}: {make_it}")
    rows, verdicts = (
        _read(texts[name] or "", name, needed)
        for name, needed in ((TABLE, ("variant", "seed")), (VERDICTS, ("verdict",)))
    )
    return rows, verdicts


def _read(text: str, name: str, needed: Sequence[str]) -> list[Row]:
    rows: list[Row] = list(csv.DictReader(text.splitlines()))
    if not rows or any(column not in rows[0] for column in needed):
        raise InputError(
            f"{name} is no table of `gridcode ablate`: it needs rows, and columns {', '.join(needed)}"
        )
    return rows


def _value(row: Row, column: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        return math.nan


def _text(row: Row) -> str:
    text = next(
        (row[name] for name in ("claim", "expectation", "statistic") if row.get(name)),
        "expectation",
    )
    variant = row.get("variant")
    return f"{variant}: {text}" if variant and variant.lower() not in text.lower() else str(text)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


def _examples(
    folder: Path,
    variant: str,
    rows: Sequence[Row],
    progress: Callable[[str, int, int], None] | None,
) -> xr.Dataset | None:
    """Maps of the first seed's units, evenly spaced in order of their score; None where the run is not there or has no weights."""
    seed = next(row["seed"] for row in rows if row["variant"] == variant)
    held = {
        _slug(path.name).replace("_", "-"): path
        for path in sorted((folder / "runs").glob("*"))
        if path.is_dir()
    }
    path = held.get(_slug(f"{variant}-seed{seed}").replace("_", "-"))
    if path is None:
        return None
    try:
        run = Run(path)
        probe = Probe(Source(variant, load_network(run), run.config, run), progress)
    except InputError:  # a training that diverged at once has no checkpoint: its row says so
        return None
    data = probe.maps("smooth", ARENA_M)
    silent = data["silent"].values
    units = np.flatnonzero(~silent) if not silent.all() else np.arange(len(silent))
    return data.isel(unit=evenly_by_score(data, units, SHOWN))


def _found(rows: Sequence[Row], variants: Sequence[str], columns: Mapping[str, str]) -> list[str]:
    """Two numbers of every variant; the others are in the table."""
    shown = [(label, columns[label], digits) for label, digits in SAID if label in columns]
    said = []
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant]
        said.append(
            ", ".join(
                [
                    f"{variant} ({counted(len(own), 'run')})",
                    *(spread([_value(r, c) for r in own], digits=d) for _, c, d in shown),
                ]
            )
        )
    named = " and ".join(" ".join(label.split()) for label, *_ in shown)
    what = f"{named} (medians, and ranges where seeds differ)" if shown else "number of runs"
    return [f"Here, {what} of {counted(len(rows), 'run')}: {'; '.join(said)}."]


def _caveats(rows: Sequence[Row], variants: Sequence[str], verdicts: Sequence[Row]) -> list[str]:
    text = []
    silent = sum(v["verdict"] == "no claim" for v in verdicts)
    if silent:
        text.append(
            f"Of {counted(silent, 'variant')} the paper claims nothing; only numbers are given."
        )
    unclear = sum(v["verdict"] == "unclear" for v in verdicts)
    if unclear:
        text.append(
            f"With this number of seeds {counted(unclear, 'expectation')} stayed unclear, counted as not measured."
        )
    fewest = min(sum(row["variant"] == v for row in rows) for v in variants)
    if fewest < 3:
        text.append(f"Some variants have only {counted(fewest, 'run')}.")
    bad = [
        row
        for row in rows
        if "status" in row and row["status"] not in ("ok", "trained", "finished", "")
    ]
    if bad:
        named = ", ".join(f"{row['variant']} seed {row['seed']} ({row['status']})" for row in bad)
        text.append(f"Not trained to a usable end: {named}.")
    return text


def _draw(
    rows: Sequence[Row],
    variants: Sequence[str],
    columns: Mapping[str, str],
    maps: Mapping[str, xr.Dataset],
) -> Figure:
    left = LABELS + (SHOWN * CELL + 0.25 if maps else 0.0)
    width, tall = left + max(1, len(columns)) * (PANEL + 0.12) + 0.1, CELL + 0.12 if maps else 0.42
    height = TOP + BOTTOM + len(variants) * tall
    # Placed by hand, so that the maps of a variant stand in line with its dots.
    figure = Figure(
        figsize=(width, height),
        layout=PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True),
    )
    for line, variant in enumerate(variants):
        bottom = height - TOP - (line + 1) * tall
        figure.text(
            (LABELS - 0.1) / width,
            (bottom + tall / 2) / height,
            variant,
            ha="right",
            va="center",
            fontsize=8,
        )
        data = maps.get(variant)
        if data is None and maps:
            figure.text(
                (LABELS + 0.1) / width,
                (bottom + tall / 2) / height,
                "no weights to draw maps of",
                va="center",
                fontsize=7,
                color="0.45",
            )
        for k, here in enumerate(
            [] if data is None else [data.isel(unit=k) for k in range(data.sizes["unit"])]
        ):
            ax = figure.add_axes(
                ((LABELS + k * CELL) / width, (bottom + 0.01) / height, (CELL - GAP) / width, (CELL - GAP) / height)
            )  # fmt: skip
            draw_map(ax, here["rate"], scale_bar=k == 0)
            ax.set_title(number(float(here["minmax"])), fontsize=6, pad=1.5)
    if maps:
        figure.text(
            LABELS / width,
            (height - 0.2) / height,
            f"units of the first seed, evenly spaced by grid score, {ARENA_M:g} m",
            fontsize=8,
            va="center",
        )
    panels = [
        (columns[label], label, low, high) for _, label, low, high in PANELS if label in columns
    ]
    for k, (column, label, low, high) in enumerate(panels):
        box = (left + k * (PANEL + 0.12), BOTTOM, PANEL, len(variants) * tall)
        ax = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
        _strip(ax, rows, variants, column, low, high)
        ax.set_xlabel(label)
    seeds = max(sum(row["variant"] == v for row in rows) for v in variants)
    note = f"a dot is a network (up to {counted(seeds, 'seed')} each), a bar the median"
    figure.text(left / width, (height - 0.2) / height, note, fontsize=8, va="center")
    return figure


def _strip(
    ax: Axes,
    rows: Sequence[Row],
    variants: Sequence[str],
    column: str,
    low: float,
    high: float | None,
) -> None:
    every = [_value(row, column) for row in rows]
    for line, variant in enumerate(variants):
        values = np.array([_value(row, column) for row in rows if row["variant"] == variant])
        values = values[np.isfinite(values)]
        ink = GREY if variant == REFERENCE else INK[0]
        if not len(values):
            ax.text(
                0.04,
                line,
                "not measured",
                transform=ax.get_yaxis_transform(),
                fontsize=6,
                va="center",
                color="0.45",
            )
            continue
        # Spread in order of the table, so that equal values are all seen.
        ax.scatter(
            values,
            line + np.linspace(-0.22, 0.22, len(values) + 2)[1:-1],
            s=16,
            color=ink,
            alpha=0.8,
            linewidths=0,
            zorder=2,
        )
        ax.plot(
            [np.median(values)] * 2,
            [line - 0.32, line + 0.32],
            color="black",
            linewidth=1.4,
            zorder=3,
        )
        if variant == REFERENCE:
            ax.axvline(
                float(np.median(values)), color=GREY, linewidth=0.8, linestyle="--", zorder=0
            )
    finite = [v for v in every if math.isfinite(v)]
    top = (
        high
        if high is not None
        else max([1.0, *finite])
        if column.startswith(("n_", "modules", "indep"))
        else max(finite, default=1.0)
    )
    pad = 0.06 * (top - low)
    ax.set(
        ylim=(len(variants) - 0.5, -0.5),
        yticks=[],
        xlim=(min([low, *finite]) - pad, max([top, *finite]) + pad),
    )
    if column.startswith(("n_", "modules", "indep")):
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=4))
    else:
        ax.xaxis.set_major_locator(ticker.MaxNLocator(nbins=3))
        ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    for line in range(1, len(variants)):
        ax.axhline(line - 0.5, color="0.9", linewidth=0.6, zorder=-1)
    ax.spines["left"].set_visible(False)
