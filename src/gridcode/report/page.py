"""`report.html`: one self-contained page with the verdict, the pictures, the settings and where they came from."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import matplotlib as mpl
import xarray as xr
from matplotlib.figure import Figure

from gridcode.config import Config
from gridcode.report import figures

_TEMPLATES = jinja2.Environment(loader=jinja2.PackageLoader("gridcode.report", "."), autoescape=True, undefined=jinja2.StrictUndefined)


def verdict(summary: Mapping[str, Any]) -> str:
    """The headline numbers as one paragraph."""
    h = summary["headline"]
    if not h["active_units"]:
        return f"None of the {h['units']} units fires anywhere in the {h['arena_m']:g} m arena."
    hexagonal, lattice = (round(h[k] * h["active_units"]) for k in ("hexagonal_share", "lattice_share"))
    text = (
        f"{h['active_units']} of {h['units']} units are active. Of these {hexagonal} ({h['hexagonal_share']:.0%}) score above "
        f"{h['score_threshold']:g} on hexagonal symmetry and {lattice} ({h['lattice_share']:.0%}) on an orderly lattice of any shape, "
        f"in a {h['arena_m']:g} m arena on the {h['walk']} walk."
    )
    if h["spacing_m_quartiles"]:
        text += f" Median spacing of fields: {h['spacing_m_quartiles'][1]:.2f} m."
    if h["minmax_quartiles"]:
        text += f" Median hexagonal score: {h['minmax_quartiles'][1]:.2f}."
    if not h["resolved"]:
        text += " No arena holds enough periods of these cells (or they have none): read the scores with care."
    return text


def run_figures(metrics: Sequence[dict[str, Any]], summary: Mapping[str, Any], maps: xr.DataTree) -> dict[str, Figure]:
    """The figures of a run by file name, without extension."""
    data = maps[summary["headline"]["group"]].to_dataset()
    with mpl.rc_context(figures.STYLE):
        drawn = {
            "best_units": figures.best_units(data),
            "gallery": figures.gallery(data),
            "histograms": figures.histograms(data, threshold=summary["headline"]["score_threshold"]),
            "arenas": figures.across_arenas(maps, [int(u) for u in figures.by_score(data)[:8]]),
        }
        if metrics:
            drawn["training"] = figures.training_curves(metrics)
    return drawn


def to_png(figure: Figure) -> bytes:
    """A figure as PNG bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context(figures.STYLE):
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def render(
    *,
    config: Config,
    manifest: Mapping[str, Any],
    metrics: Sequence[dict[str, Any]],
    summary: Mapping[str, Any],
    pictures: Mapping[str, bytes],
) -> str:
    """The page as HTML.

    Args:
        config: the run's configuration.
        manifest: its provenance.
        metrics: its logged lines.
        summary: its evaluation.
        pictures: PNG bytes by the names of `run_figures`.
    """
    return _TEMPLATES.get_template("page.html.j2").render(
        verdict=verdict(summary),
        summary=summary,
        pictures={name: base64.b64encode(data).decode() for name, data in pictures.items()},
        manifest=manifest,
        config_toml=config.to_toml(),
        last=metrics[-1] if metrics else {},
        units=sorted(summary["units"], key=lambda u: (u["silent"], -(u["minmax"] if u["minmax"] is not None else -9))),
    )
