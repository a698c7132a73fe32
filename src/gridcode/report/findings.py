"""What an evaluation found: in one sentence, in more words, and in the form that figures and tables take."""

from collections.abc import Mapping
from typing import Any

from gridcode.analysis.evaluate import SUMMARY_FORMAT
from gridcode.analysis.navigation.neural_distance import predicted_plateau
from gridcode.analysis.population import population_verdict
from gridcode.config import LossConfig
from gridcode.errors import InputError
from gridcode.report import words

Row = Mapping[str, Any]
PARTS = {
    "headline",
    "modules",
    "relations",
    "arena_stability",
    "arenas",
    "space",
    "theory",
    "units",
}
HEADLINE = {
    "types",
    "settings",
    "n_modules",
    "n_independent_modules",
    "group",
    "walk",
    "arena_m",
    "units",
    "active_units",
    "score_threshold",
}


def check_format(summary: Row) -> None:
    return


def _check_format(summary: Row) -> None:
    """Raise where an evaluation is of another version, or lacks parts.

    Raises:
        InputError: it is.
    """
    known = summary.get("format", 0)
    if known != SUMMARY_FORMAT:
        earlier = not isinstance(known, int) or known < SUMMARY_FORMAT
        raise InputError(
            f"evaluated by {'an earlier' if earlier else 'a later'} version; run `gridcode evaluate` again"
        )
    if not set(summary) >= PARTS or not set(summary["headline"] or ()) >= HEADLINE:
        raise InputError(
            "evaluation/summary.json is damaged (it lacks parts); run `gridcode evaluate` again"
        )


def findings(summary: Row) -> dict[str, Any]:
    """An evaluation's summary in the form of `population_summary`, which keeps at the top what an evaluation keeps in its headline.

    Raises:
        InputError: the evaluation is of another version.
    """
    check_format(summary)
    h = summary["headline"]
    return {
        name: h[name] for name in ("n_modules", "n_independent_modules", "types", "settings")
    } | {name: summary[name] for name in ("modules", "relations", "units")}


def verdict(summary: Row) -> str:
    """The findings of an evaluation in one sentence; errors as in `findings`."""
    check_format(summary)
    h = summary["headline"]
    return str(summary["verdict"])


def details(summary: Row) -> str:
    """What the one sentence leaves out: types, modules, the arena; errors as in `findings`."""
    found, h = findings(summary), summary["headline"]
    where = f"{h['arena_m']:g} m arena"
    if not h["active_units"]:
        return f"None of the {h['units']} units fires anywhere in the {where}."
    text = f"{population_verdict(found)} Measured in a {where} on the {h['walk']} walk."
    if h["spacing_m_quartiles"]:
        text += f" Median spacing of fields: {h['spacing_m_quartiles'][1]:.2f} m."
    if not h["resolved"]:
        text += " No arena holds enough periods of these cells (or they have none): read the scores with care."
    return text


def plateau(loss: LossConfig) -> float:
    """Neural distance at which separation and capacity of this loss balance."""
    return predicted_plateau(
        sigma_g=loss.sigma_g, capacity=loss.capacity, separation=loss.separation
    )
