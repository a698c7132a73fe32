"""What a page says: verdict, numbers, tables and provenance; and a run's row in a list of runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gridcode.analysis import text
from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.records import ModuleRecord, Summary
from gridcode.analysis.records.topology import StateSpaceRecord
from gridcode.config import Config
from gridcode.recordings.description import description
from gridcode.recordings.recording import Recording
from gridcode.report import tables
from gridcode.report.collection import plateau
from gridcode.viewer.nearest_preset import nearest_preset
from gridcode.viewer.thumbnail import best_units

Document = dict[str, Any]
# What the page of a run without evaluation shows in the place of findings.
NOT_EVALUATED: Document = {
    "verdict": "",
    "notes": [],
    "cards": [],
    "units": [],
    "modules": [],
    "relations": [],
    "types": {},
    "tables": {},
    "settings": {},
    "origin": {},
    "groups": [],
    "headline_group": None,
    "space": None,
    "theory": [],
}
# Columns of a list of runs that an evaluation fills.
FOUND = [
    *("active", "hexagonal", "lattice", "band", "modules", "independent", "spacings_m"),
    *("path_error_m", "path_steps", "arena_m", "best"),
]


def run_overview(
    *,
    config: Config,
    manifest: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    summary: Summary | None,
) -> Document:
    """The overview of a run, evaluated or not.

    Args:
        config: its configuration.
        manifest: its provenance; empty before the first checkpoint.
        metrics: its logged lines.
        summary: its evaluation, None where there is none.
    """
    loss = config.network_loss
    document: Document = {
        "kind": "run",
        "config_toml": config.to_toml(),
        "config": config.settings,
        "manifest": dict(manifest),
        "last": dict(metrics[-1]) if metrics else None,
        "sigma_x_m": loss.sigma_x_m if loss else None,
        "predicted_plateau": plateau(loss) if loss else None,
    }
    if summary is None:
        return document | NOT_EVALUATED
    assert summary.headline is not None
    theory, group = summary.theory, summary.headline.group
    document |= _cells(summary)
    found = {"arenas": tables.arena_table(summary.arenas)}
    if summary.space:
        found["space"] = tables.space_table(summary.space)
    if theory and theory.state_space.populations:
        found["topology"] = tables.topology_table(theory.state_space)
    if theory and theory.coding:
        found["coding"] = tables.coding_table(theory.coding.codes)
    if theory and theory.robustness:
        found["robustness"] = tables.robustness_table(theory.robustness)
    document["tables"] |= {name: _table(table) for name, table in found.items()}
    kick = theory.dynamics.perturbation if theory and theory.dynamics else None
    dumped = summary.model_dump(mode="json", include={"arena_stability", "space"})
    return document | {
        "groups": [
            {
                "group": arena.group,
                "walk": arena.walk,
                "arena_m": arena.arena_m,
                "headline": arena.group == group,
            }
            for arena in summary.arenas
        ],
        "headline_group": group,
        "origin": _origin(summary),
        "arena_stability": dumped["arena_stability"],
        "space": dumped["space"],
        "theory": text.deep_sentences(theory) if theory else text.without_theory(summary),
        "kick_mm": f"{1000 * kick.size_m:.0f} mm" if kick else "",
    }


def population_overview(
    summary: Summary,
    *,
    title: str,
    source: Mapping[str, Any],
    notes: Sequence[str],
    space: StateSpaceRecord | None,
    recording: Recording | None = None,
) -> Document:
    """The overview of a scored recording.

    Args:
        summary: what was found.
        title: what was scored, such as a file name.
        source: where the maps come from.
        notes: what was left out or looks odd.
        space: its state space; None leaves it out.
        recording: what was recorded; None leaves its description out.
    """
    document = _cells(summary)
    document["notes"] += notes
    document["cards"] += _tuning_cards(document["units"])
    document["recorded"] = description(recording) if recording else None
    document["rate_unit"] = "Hz" if recording and recording.kind == "spikes" else ""
    if space and space.populations:
        document["tables"]["topology"] = _table(tables.topology_table(space))
    return document | {
        "kind": "population",
        "title": title,
        "groups": [{"group": "maps", "walk": None, "arena_m": None, "headline": True}],
        "headline_group": "maps",
        "space": None,
        "theory": text.state_space_sentences(space) if space else [],
        "source": dict(source),
        "config": {},
        "config_toml": "",
        "manifest": {},
        "last": None,
        "sigma_x_m": None,
        "predicted_plateau": None,
    }


def run_row(
    *,
    config: Config,
    manifest: Mapping[str, Any],
    last: Mapping[str, Any] | None,
    summary: Summary | None,
) -> Document:
    """A run's row in a list of runs; unknown values are None.

    Args:
        config: its configuration.
        manifest: its provenance.
        last: its last logged line.
        summary: its evaluation.
    """
    last = last or {}
    preset, changed = nearest_preset(config)
    row: Document = {
        "preset": preset,
        "changed": changed,
        "units": config.model.units,
        "seed": config.training.seed,
        "step": max(manifest.get("step") or 0, last.get("step") or 0),
        "steps": config.training.steps,
        "loss": last.get("loss"),
        "commit": (manifest.get("git_commit") or "")[:7] or None,
    }
    if summary is None:
        return row | dict.fromkeys(FOUND)
    error, types = text.path_error(summary), summary.types
    return row | {
        "active": len(summary.units) - types["silent"],
        "hexagonal": types["hexagonal"],
        "lattice": sum(types[kind] for kind in LATTICE_TYPES),
        "band": types["band"],
        "modules": summary.n_modules,
        "independent": summary.n_independent_modules,
        "spacings_m": [m.spacing_m for m in summary.modules],
        "path_error_m": error.tracked_m[1] if error else None,
        "path_steps": error.steps if error else None,
        "arena_m": summary.headline.arena_m if summary.headline else None,
        "best": best_units(summary),
    }


def _cells(summary: Summary) -> Document:
    """What networks and recordings have: verdict, headline numbers, units, modules, tables."""
    parts = {"units", "modules", "relations", "types", "settings"}
    document: Document = summary.model_dump(mode="json", include=parts)
    for row, relation in zip(document["relations"], summary.relations, strict=True):
        row["text"] = tables.relation_in_words(relation)
    return document | {
        "verdict": text.verdict(summary),
        "notes": [text.details(summary)],
        "cards": _cards(summary),
        "tables": {
            "units": _table(tables.unit_table(summary.units)),
            "modules": _table(tables.module_table(summary.modules, summary.relations)),
        },
    }


def _origin(summary: Summary) -> Document:
    """What the evaluation was made from, a value a line."""
    if summary.origin is None:
        return {}
    found = summary.origin.model_dump(mode="json", exclude={"settings"})
    settings = summary.origin.settings
    return found | {f"evaluation.{name}": str(value) for name, value in settings.items()}


def _cards(summary: Summary) -> list[Document]:
    """Headline numbers, in the order a reviewer asks for them."""
    types, settings, modules = summary.types, summary.settings, summary.modules
    units = len(summary.units)
    others = {k: n for k, n in types.items() if n and k not in ("hexagonal", "silent")}
    cards = [
        _card("active units", f"{units - types['silent']}", f"of {units}"),
        _card(
            "grid cells",
            f"{types['hexagonal']}",
            f"hexagonal, false-discovery rate {100 * settings.false_discovery_rate:g}%",
        ),
        _card(
            "other types",
            f"{sum(others.values())}",
            ", ".join(f"{count} {kind}" for kind, count in others.items()) or "none",
        ),
        _card(
            "modules", f"{len(modules)}", _modules_detail(modules, summary.n_independent_modules)
        ),
    ]
    if modules:
        ratios = [f"{m.ratio_to_next:.2f}" for m in modules if m.ratio_to_next is not None]
        spacings = " \u00b7 ".join(f"{m.spacing_m:.2f}" for m in modules)
        detail = f"ratio{'s' if len(ratios) > 1 else ''} {', '.join(ratios)}"
        cards.append(
            _card("spacing (m)", spacings, detail if ratios else "between neighbouring fields")
        )
    errors = [(d.steps, d.tracked_m[1] or 0.0) for d in text.path_errors(summary)]
    if errors:
        *earlier, (steps, error) = errors
        detail = ", ".join(["median", *(f"{100 * e:.1f} cm after {n:,}" for n, e in earlier)])
        cards.append(_card(f"path error after {steps:,} steps", f"{100 * error:.1f} cm", detail))
    return cards


def _tuning_cards(units: Sequence[Mapping[str, Any]]) -> list[Document]:
    """How many units head direction, speed or borders drive, where any do."""
    tunings = [str(unit.get("tuning") or "").split(" + ") for unit in units]
    counts = Counter(name for names in tunings for name in names if name not in ("", "grid"))
    if not counts:
        return []
    tuned = sum(bool(counts.keys() & set(names)) for names in tunings)
    detail = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return [_card("tuned to more than place", f"{tuned}", detail)]


def _card(label: str, value: str, detail: str) -> Document:
    return {"label": label, "value": value, "detail": detail}


def _modules_detail(modules: Sequence[ModuleRecord], independent: int) -> str:
    if not modules:
        return "no group of units shares a lattice beyond chance"
    sizes = " + ".join(str(m.n_units) for m in modules) + " units"
    if len(modules) == 1:
        return f"{sizes}, p {text.p_text(modules[0].p_value)}"
    how = "independent" if independent == len(modules) else f"{independent} independent"
    return f"{sizes}; {how}"


def _table(table: tables.Table) -> Document:
    return {
        "head": list(table.head),
        "rows": [list(row) for row in table.rows],
        "text_columns": sorted(table.text_columns),
    }
