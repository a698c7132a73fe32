"""One self-contained page of HTML with the verdict, the pictures, the numbers and where they came from: of a run, or of anybody's cells."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import markupsafe
import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image
from plotly.offline import get_plotlyjs

from gridcode.analysis.evaluate import SUMMARY_FORMAT
from gridcode.analysis.population import Population, population_summary, population_verdict
from gridcode.analysis.space import predicted_plateau
from gridcode.analysis.spectrum import module_spectrum
from gridcode.analysis.structure import StateSpace
from gridcode.config import Config, LossConfig
from gridcode.errors import InputError
from gridcode.report import figures, modules, statespace, tables, theory, words
from gridcode.report.space import space
from gridcode.report.style import STYLE, p_text

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gridcode.report", "templates"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
_TEMPLATES.filters["p"] = lambda value: "-" if value is None else p_text(value)
_TEMPLATES.filters["num"] = lambda value, digits=2: "-" if value is None else f"{value:.{digits}f}"


def verdict(summary: Mapping[str, Any]) -> str:
    """The findings of an evaluation as one paragraph: types, modules, arena.

    Raises:
        InputError: the evaluation is of another version.
    """
    found, h = _findings(summary), summary["headline"]
    where = f"{h['arena_m']:g} m arena"
    if not h["active_units"]:
        return f"None of the {h['units']} units fires anywhere in the {where}."
    text = f"{population_verdict(found)} Measured in a {where} on the {h['walk']} walk."
    if h["spacing_m_quartiles"]:
        text += f" Median spacing of fields: {h['spacing_m_quartiles'][1]:.2f} m."
    if not h["resolved"]:
        text += " No arena holds enough periods of these cells (or they have none): read the scores with care."
    return text


def run_figures(
    metrics: Sequence[dict[str, Any]],
    summary: Mapping[str, Any],
    maps: xr.DataTree,
    *,
    config: Config | None = None,
    arrays: xr.DataTree | None = None,
) -> dict[str, Figure]:
    """The figures of a run by file name, without extension.

    Args:
        metrics: its logged lines.
        summary: its evaluation.
        maps: the maps of the evaluation.
        config: the run's configuration, for what its losses predict; None leaves the predictions out.
        arrays: of its state space and mechanism; None leaves their pictures out.

    Raises:
        InputError: the evaluation is of another version.
    """
    found = _findings(summary)
    data = maps[summary["headline"]["group"]].to_dataset()
    with mpl.rc_context(STYLE):
        drawn = _shared_figures(data, found)
        if summary["space"]:
            loss = config.loss if config else None
            drawn["space"] = space(
                summary["space"], sigma_x_m=loss.sigma_x_m if loss else None, predicted_plateau=_predicted_plateau(loss) if loss else None
            )
        if summary.get("theory") and arrays is not None:
            _check_arrays(summary["theory"], arrays)
            drawn |= _theory_figures(summary, arrays)
        drawn["arenas"] = figures.across_arenas(maps, figures.by_score(data)[:8].tolist())
        if metrics:
            drawn["training"] = figures.training_curves(metrics)
    return drawn


def population_figures(population: Population, states: StateSpace | None = None) -> dict[str, Figure]:
    """The figures of any population of cells, and of its state space where that is given, by name."""
    with mpl.rc_context(STYLE):
        drawn = _shared_figures(population.data, population_summary(population))
        if states is not None:
            drawn |= _state_space_figures(states.summary, states.arrays)
        return drawn


def _shared_figures(data: xr.Dataset, found: Mapping[str, Any]) -> dict[str, Figure]:
    drawn = {
        "best_units": figures.best_units(data),
        "gallery": figures.gallery(data, most=figures.GALLERY),
        "scores": figures.scores(data, found["types"], level=found["settings"]["level"]),
        "modules": modules.lattices(data, found["modules"]),
    }
    if found["modules"]:
        rate, module = data["rate"].values.astype(np.float64), data["module"].values
        size = float(data.attrs["bin_size_m"])
        spectra = [
            module_spectrum(rate[module == row["module"]], bin_size_m=size, vectors_m=np.array(row["vectors_m"], dtype=np.float64))
            for row in found["modules"][: modules.MOST_SPECTRA]
        ]
        drawn["spectra"] = modules.spectra(data, found["modules"], spectra)
    return drawn


def _check_arrays(found: Mapping[str, Any], arrays: xr.DataTree) -> None:
    """Arrays are written before the summary: of an evaluation that was cut off between them they are newer.

    Raises:
        InputError: arrays of another evaluation.
    """
    needed = {row["name"]: row["topology"]["landmarks"] for row in found["state_space"]["populations"]}
    held = {name: group.sizes.get("landmark") for name, group in arrays.children.items() if name != "mechanism"}
    if held != needed or ("mechanism" in arrays.children) != bool(found["mechanism"]):
        raise InputError("theory.nc and summary.json are of different evaluations; run `gridcode evaluate` again")


def _theory_figures(summary: Mapping[str, Any], arrays: xr.DataTree) -> dict[str, Figure]:
    found = summary["theory"]
    drawn = _state_space_figures(found["state_space"], arrays)
    if found["dynamics"]:
        whole = found["state_space"]["whole_vectors_m"]
        vectors = None if whole is None else np.array(whole, dtype=np.float64)
        drawn["dynamics"] = theory.dynamics(found["dynamics"], found["robustness"], vectors_m=vectors)
    if found["mechanism"]:
        drawn["mechanism"] = theory.mechanism(found["mechanism"], arrays["mechanism"].to_dataset(), summary["modules"])
    if found["coding"]:
        drawn["coding"] = theory.coding(found["coding"]["codes"])
    return drawn


def _state_space_figures(space: Mapping[str, Any], arrays: xr.DataTree) -> dict[str, Figure]:
    if not space["populations"]:
        return {}
    return {
        "state_space": statespace.state_space(arrays, space["populations"]),
        "topology": statespace.topology(arrays, space["populations"], space["controls"]),
    }


def to_png(figure: Figure) -> bytes:
    """A figure as PNG bytes, in 256 colours of its own: off by a few parts in 255 at most, and a third of the size."""
    drawn, reduced = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format="png")
    with Image.open(drawn) as image:
        palette = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(reduced, format="png", optimize=True)
    return reduced.getvalue()


def render(
    *,
    config: Config,
    manifest: Mapping[str, Any],
    metrics: Sequence[dict[str, Any]],
    summary: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    arrays: xr.DataTree | None = None,
) -> str:
    """The page of a run as HTML.

    Args:
        config: the run's configuration.
        manifest: its provenance.
        metrics: its logged lines.
        summary: its evaluation.
        pictures: PNG bytes by the names of `run_figures`.
        arrays: of its state space, for the picture that turns under the mouse; None leaves it out.

    Raises:
        InputError: the evaluation is of another version.
    """
    found = summary.get("theory")
    kick = found["dynamics"]["perturbation"] if found and found["dynamics"] else None
    return _TEMPLATES.get_template("run.html.j2").render(
        theory=words.sentences(found) if found else [],
        kick_mm=f"{1000 * kick['size_m']:.0f} mm" if kick else "",
        robustness=tables.robustness_table(found["robustness"]) if found and found["robustness"] else None,
        coding=tables.coding_table(found["coding"]["codes"]) if found and found["coding"] else None,
        **_shared(verdict(summary), _findings(summary), pictures),
        **_shape(found["state_space"] if found else None, arrays),
        arenas=tables.arena_table(summary["arenas"]),
        space=tables.space_table(summary["space"]) if summary["space"] else None,
        predicted_plateau=_predicted_plateau(config.loss),
        sigma_x_m=config.loss.sigma_x_m,
        manifest=manifest,
        config_toml=config.to_toml(),
        last=metrics[-1] if metrics else {},
    )


def render_population(
    *,
    title: str,
    source: Mapping[str, Any],
    notes: Sequence[str],
    summary: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    states: StateSpace | None = None,
) -> str:
    """The page of any population of cells as HTML.

    Args:
        title: what was scored, such as a file name.
        source: where the maps come from, a line each.
        notes: what was left out or looks odd.
        summary: as `population_summary` gives it.
        pictures: PNG bytes by the names of `population_figures`.
        states: its state space; None leaves it out.
    """
    return _TEMPLATES.get_template("population.html.j2").render(
        **_shared(population_verdict(summary), summary, pictures),
        **_shape(states.summary if states else None, states.arrays if states else None),
        said=words.state_space_sentences(states.summary) if states else [],
        title=title,
        source=source,
        notes=notes,
    )


def _shape(space: Mapping[str, Any] | None, arrays: xr.DataTree | None) -> dict[str, Any]:
    """What the section on the shape of the states needs; plotly.js, of 5 MB, only on pages that have something to turn."""
    if not space or not space["populations"]:
        return {"topology": None, "turning": "", "plotly": ""}
    turning = markupsafe.Markup(statespace.turning_torus(arrays, space["populations"])) if arrays is not None else ""
    return {"topology": tables.topology_table(space), "turning": turning, "plotly": markupsafe.Markup(get_plotlyjs()) if turning else ""}


def _shared(text: str, found: Mapping[str, Any], pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """What the base template needs."""
    return {
        "verdict": text,
        "settings": found["settings"],
        "modules": tables.module_table(found["modules"], found["relations"]),
        "relations": [tables.relation_in_words(relation) for relation in found["relations"]],
        "units": tables.unit_table(found["units"]),
        "gallery_most": figures.GALLERY,
        "spectra_most": modules.MOST_SPECTRA,
        "pictures": {name: base64.b64encode(data).decode() for name, data in pictures.items()},
    }


def _findings(summary: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation's summary in the form of `population_summary`, which keeps at the top what an evaluation keeps in its headline."""
    if summary.get("format") != SUMMARY_FORMAT:
        which = "an earlier" if summary.get("format", 0) < SUMMARY_FORMAT else "a later"
        raise InputError(f"evaluated by {which} version; run `gridcode evaluate` again")
    h = summary["headline"]
    return {name: h[name] for name in ("n_modules", "n_independent_modules", "types", "settings")} | {
        name: summary[name] for name in ("modules", "relations", "units")
    }


def _predicted_plateau(loss: LossConfig) -> float:
    return predicted_plateau(sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation)
