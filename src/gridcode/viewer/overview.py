"""What a page says: the verdict, its numbers, tables and where they come from, as one document; and a run's row in a list of runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from gridcode.analysis.cells.celltypes import LATTICE_TYPES
from gridcode.analysis.population import population_verdict
from gridcode.config import Config
from gridcode.report import tables, words
from gridcode.report.findings import check_format, details, findings, plateau, verdict
from gridcode.report.style import p_text

Row = Mapping[str, Any]
Document = dict[str, Any]


def run_overview(
    *, config: Config, manifest: Row, metrics: Sequence[Row], summary: Row | None
) -> Document:
    """The overview of a run, evaluated or not.

    Args:
        config: its configuration.
        manifest: its provenance; empty before the first checkpoint.
        metrics: its logged lines.
        summary: its evaluation, None where there is none.

    Raises:
        InputError: the evaluation is of another version.
    """
    loss = config.loss
    document: Document = {
        "kind": "run",
        "config_toml": config.to_toml(),
        "config": {
            f"{section}.{key}": value
            for section, fields in config.model_dump(mode="json").items()
            for key, value in fields.items()
        },
        "manifest": dict(manifest),
        "last": dict(metrics[-1]) if metrics else None,
        "sigma_x_m": loss.sigma_x_m,
        "predicted_plateau": plateau(loss),
    }
    if summary is None:
        return document | {"verdict": "", "notes": [], "cards": [], "units": [], "modules": [], "relations": [], "types": {}, "tables": {}} | {
            "settings": {}, "groups": [], "headline_group": None, "space": None, "theory": [],
        }  # fmt: skip
    found, theory, h = findings(summary), summary.get("theory"), summary["headline"]
    kick = theory["dynamics"]["perturbation"] if theory and theory["dynamics"] else None
    document |= _population_parts(found)
    document["tables"]["arenas"] = _table(tables.arena_table(summary["arenas"]))
    if summary["space"]:
        document["tables"]["space"] = _table(tables.space_table(summary["space"]))
    if theory:
        if theory["state_space"]["populations"]:
            document["tables"]["topology"] = _table(tables.topology_table(theory["state_space"]))
        if theory["coding"]:
            document["tables"]["coding"] = _table(tables.coding_table(theory["coding"]["codes"]))
        if theory["robustness"]:
            document["tables"]["robustness"] = _table(tables.robustness_table(theory["robustness"]))
    return document | {
        "verdict": verdict(summary),
        "notes": [details(summary)],
        "cards": _cards(found, h, summary["space"]),
        "groups": [
            {
                "group": a["group"],
                "walk": a["walk"],
                "arena_m": a["arena_m"],
                "headline": a["group"] == h["group"],
            }
            for a in summary["arenas"]
        ],
        "headline_group": h["group"],
        "arena_stability": summary["arena_stability"],
        "space": summary["space"],
        "theory": words.sentences(theory) if theory else [],
        "kick_mm": f"{1000 * kick['size_m']:.0f} mm" if kick else "",
    }


def population_overview(
    summary: Row, *, title: str, source: Row, notes: Sequence[str], space: Row | None
) -> Document:
    """The overview of anybody's scored cells.

    Args:
        summary: as `gridcode.analysis.population.population_summary` gives it.
        title: what was scored, such as a file name.
        source: where the maps come from.
        notes: what was left out or looks odd.
        space: `summary` of its state space; None leaves it out.
    """
    document = _population_parts(summary)
    units, silent = len(summary["units"]), summary["types"]["silent"]
    if space and space["populations"]:
        document["tables"]["topology"] = _table(tables.topology_table(space))
    return document | {
        "kind": "population",
        "title": title,
        "verdict": words.verdict_sentence(summary, units=units, active=units - silent),
        "notes": [*([population_verdict(summary)] if units > silent else []), *notes],
        "cards": _cards(
            summary,
            {"units": units, "active_units": units - silent, "spacing_m_quartiles": None},
            None,
        ),
        "groups": [{"group": "maps", "walk": None, "arena_m": None, "headline": True}],
        "headline_group": "maps",
        "space": None,
        "theory": words.state_space_sentences(space) if space else [],
        "source": dict(source),
        "config": {},
        "config_toml": "",
        "manifest": {},
        "last": None,
        "sigma_x_m": None,
        "predicted_plateau": None,
    }


def run_row(*, config: Config, manifest: Row, last: Row | None, summary: Row | None) -> Document:
    """A run's row in a list of runs; what is not known is None.

    Args:
        config: its configuration.
        manifest: its provenance.
        last: its last logged line.
        summary: its evaluation.

    Raises:
        InputError: the evaluation is of another version.
    """
    row: Document = {
        "units": config.model.units,
        "seed": config.training.seed,
        "step": max(manifest.get("step") or 0, (last or {}).get("step") or 0),
        "steps": config.training.steps,
        "loss": (last or {}).get("loss"),
        "commit": (manifest.get("git_commit") or "")[:7] or None,
    }
    if summary is None:
        return row | dict.fromkeys(
            (
                "active",
                "hexagonal",
                "lattice",
                "band",
                "modules",
                "independent",
                "spacings_m",
                "path_error_m",
                "path_steps",
                "arena_m",
            )
        )
    check_format(summary)
    h = summary["headline"]
    error = _path_error(summary["space"])
    return row | {
        "active": h["active_units"],
        "hexagonal": h["types"]["hexagonal"],
        "lattice": sum(h["types"][kind] for kind in LATTICE_TYPES),
        "band": h["types"]["band"],
        "modules": h["n_modules"],
        "independent": h["n_independent_modules"],
        "spacings_m": [m["spacing_m"] for m in summary["modules"]],
        "path_error_m": error[1] if error else None,
        "path_steps": error[0] if error else None,
        "arena_m": h["arena_m"],
    }


def _population_parts(found: Row) -> Document:
    """What any population has: units, modules, types, tables."""
    return {
        "units": found["units"],
        "modules": found["modules"],
        "relations": [
            dict(relation) | {"text": tables.relation_in_words(relation)}
            for relation in found["relations"]
        ],
        "types": found["types"],
        "settings": found["settings"],
        "tables": {
            "units": _table(tables.unit_table(found["units"])),
            "modules": _table(tables.module_table(found["modules"], found["relations"])),
        },
    }


def _cards(found: Row, h: Row, space: Sequence[Row] | None) -> list[Document]:
    """Headline numbers, in the order a reviewer asks for them."""
    types, settings, modules = found["types"], found["settings"], found["modules"]
    others = [
        f"{types[kind]} {kind}"
        for kind in types
        if types[kind] and kind not in ("hexagonal", "silent")
    ]
    cards = [
        {"label": "active units", "value": f"{h['active_units']}", "detail": f"of {h['units']}"},
        {
            "label": "grid cells",
            "value": f"{types['hexagonal']}",
            "detail": f"hexagonal, p \u2264 {settings['level']:g}, false-discovery rate {100 * settings['false_discovery_rate']:g}%",
        },
        {
            "label": "other types",
            "value": f"{sum(types[k] for k in types if k not in ('hexagonal', 'silent'))}",
            "detail": ", ".join(others) or "none",
        },
        {
            "label": "modules",
            "value": f"{len(modules)}",
            "detail": _modules_detail(modules, found["n_independent_modules"]),
        },
    ]
    if modules:
        ratios = [m["ratio_to_next"] for m in modules if m["ratio_to_next"] is not None]
        detail = (
            f"ratio{'s' if len(ratios) > 1 else ''} {', '.join(f'{r:.2f}' for r in ratios)}"
            if ratios
            else "between neighbouring fields"
        )
        cards.append(
            {
                "label": "spacing (m)",
                "value": " \u00b7 ".join(f"{m['spacing_m']:.2f}" for m in modules),
                "detail": detail,
            }
        )
    if error := _path_error(space):
        cards.append(
            {
                "label": f"path error after {error[0]:,} steps",
                "value": f"{100 * error[1]:.1f} cm",
                "detail": _last_error(space),
            }
        )
    return cards


def _modules_detail(modules: Sequence[Row], independent: int) -> str:
    if not modules:
        return "no group of units shares a lattice beyond chance"
    sizes = " + ".join(str(m["n_units"]) for m in modules) + " units"
    if len(modules) == 1:
        return f"{sizes}, p {p_text(modules[0]['p_value'])}"
    return (
        f"{sizes}; {'independent' if independent == len(modules) else f'{independent} independent'}"
    )


def _path_error(space: Sequence[Row] | None) -> tuple[int, float] | None:
    """Steps and median error (m) of the first condition, after a hundred steps or what is nearest."""
    known = [d for d in space[0]["decoding"] if d["tracked_m"][1] is not None] if space else []
    if not known:
        return None
    chosen = min(known, key=lambda d: abs(d["steps"] - 100))
    return chosen["steps"], chosen["tracked_m"][1]


def _last_error(space: Sequence[Row] | None) -> str:
    known = (
        [d for d in space[0]["decoding"] if d["tracked_m"][1] is not None and d["steps"] > 100]
        if space
        else []
    )
    return ", ".join(
        ["median", *(f"{d['tracked_m'][1]:.2f} m after {d['steps']:,}" for d in known)]
    )


def _table(table: tables.Table) -> Document:
    return {
        "head": list(table.head),
        "rows": [list(row) for row in table.rows],
        "text_columns": sorted(table.text_columns),
    }
