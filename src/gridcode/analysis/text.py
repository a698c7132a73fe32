"""What was found, in words: the one place where page, terminal, notebook and JSON get them from."""

from collections import Counter
from collections.abc import Sequence

from gridcode.analysis.cells.celltypes import JUST_MISSED, LATTICE_TYPES
from gridcode.analysis.records import ModuleRecord, SettingsRecord, Summary, UnitRecord
from gridcode.analysis.records.coding import CodingRecord
from gridcode.analysis.records.dynamics import DynamicsRecord
from gridcode.analysis.records.navigation import DecodingRecord
from gridcode.analysis.records.summary import DeepAnalysisRecord
from gridcode.analysis.records.topology import StateSpaceRecord, StatesRecord

# Path errors are quoted after these steps, or after the last where neither was walked.
QUOTED_STEPS = (100, 1000)
MOST_NAMED = 4  # units in a sentence


# -- cells and modules ------------------------------


def verdict(summary: Summary) -> str:
    """The findings in one sentence: active units, grid cells, modules, path integration."""
    types, settings, units = summary.types, summary.settings, len(summary.units)
    active = units - types["silent"]
    if "states" in summary.reasons:
        return f"There is nothing to measure: {summary.reasons['states']}."
    if not active:
        silent = f"none of the {units} units is active" if units > 1 else "the unit is silent"
        return _sentence(f"{_unfinished(summary)}{silent}.")
    others = [f"{types[kind]} {kind}" for kind in LATTICE_TYPES[1:] if types[kind]]
    beside = f", beside {' and '.join(others)}" if others else ""
    parts = [
        f"{active} of {units} units {_are(active)} active",
        f"{types['hexagonal']} {'is a grid cell' if types['hexagonal'] == 1 else 'are grid cells'} "
        f"(hexagonal{beside}; false-discovery rate {100 * settings.false_discovery_rate:g}%)",
        _modules(summary.modules, summary.n_independent_modules),
    ]
    errors = [f"{_length(d.tracked_m[1])} after {d.steps:,} steps" for d in path_errors(summary)]
    if errors:
        parts.append(
            f"the position decoded from the state is off by {' and '.join(errors)} "
            f"({'medians' if len(errors) > 1 else 'median'})"
        )
    return _sentence(f"{_unfinished(summary)}{'; '.join(parts)}.")


def just_missed(kind: str, q_value: float | None, settings: SettingsRecord) -> bool:
    """Whether a unit without a lattice lies just beyond the false-discovery rate."""
    limit = settings.false_discovery_rate
    return (
        kind not in (*LATTICE_TYPES, "band")
        and q_value is not None
        and limit < q_value <= JUST_MISSED * limit
    )


def _missed(units: Sequence[UnitRecord]) -> str:
    named = [
        f"unit {u.unit} (p = {p_text(u.lattice_p_value)}, q = {p_text(u.q_value)})" for u in units
    ]
    if len(named) > MOST_NAMED:
        return f"{len(named)} units, such as {named[0]}"
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _unfinished(summary: Summary) -> str:
    """A warning before findings in a network whose training has not ended."""
    origin = summary.origin
    if origin is None or origin.step >= origin.steps:
        return ""
    return f"At step {origin.step:,} of {origin.steps:,} of the training: "


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def details(summary: Summary) -> str:
    """What the verdict leaves out: other types, each module, relations, the arena."""
    types = summary.types
    counts = [f"{types[kind]} {kind}" for kind in types if types[kind] and kind != "silent"]
    text = f"Types: {', '.join(counts)}." if counts else "No unit is active."
    if (
        summary.settings.spatial_test == "Moran's I"
        and types["place-like"] + types["other spatial"]
    ):
        text += (
            " Units count as spatial where maps are smoother than the same bins in random order;"
            " maps that were smoothed before always are."
        )
    missed = [u for u in summary.units if just_missed(u.type, u.q_value, summary.settings)]
    if missed:
        text += f" A lattice was just missed by {_missed(missed)}."
    if len(summary.modules) == 1:
        text += f" The module: {_module(summary.modules[0])}."
    elif summary.modules:
        listed = "; ".join(_module(m) for m in summary.modules)
        verdicts = Counter(relation.verdict for relation in summary.relations)
        pairs = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
        spacings = [m.spacing_m for m in summary.modules]
        text += (
            f" The modules: {listed}. Pairs: {pairs}."
            f" The largest spacing is {max(spacings) / min(spacings):.2f} times the smallest."
        )
    texts = [f" Not measured: {name} ({why})." for name, why in summary.reasons.items()]
    text += "".join(texts)
    head = summary.headline
    if head is None:
        return text
    text += f" Measured in a {head.arena_m:g} m arena on the {head.walk} walk."
    if not head.resolved:
        text += (
            " No arena holds enough periods of these lattices, or there are none:"
            " the scores are uncertain."
        )
    return text


def without_theory(summary: Summary) -> list[str]:
    """What to say in the place of topology, dynamics and coding where they were not measured."""
    if "theory" in summary.reasons:
        return [f"They could not be measured: {summary.reasons['theory']}."]
    return [
        "Topology, dynamics and coding have not been measured yet: they take longer than all the "
        "rest. `gridcode evaluate RUN` measures them without repeating the rest; then "
        "`gridcode report RUN` adds them to the report. `gridcode demo` does both by itself."
    ]


def one_line(summary: Summary) -> str:
    """The findings in half a line."""
    units, modules = len(summary.units), len(summary.modules)
    return (
        f"{units - summary.types['silent']} of {units} units active, "
        f"{summary.types['hexagonal']} hexagonal, {modules} module{'' if modules == 1 else 's'}"
    )


def rows(summary: Summary) -> dict[str, str]:
    """The headline numbers by name."""
    units, head = len(summary.units), summary.headline
    found = {
        "active units": f"{units - summary.types['silent']} of {units}",
        "types": ", ".join(f"{count} {kind}" for kind, count in summary.types.items() if count),
        "modules (independent)": f"{summary.n_modules} ({summary.n_independent_modules})",
        "spacings": spacings(summary.modules),
    }
    if head is None:
        settings = summary.settings
        found["null"] = f"{settings.nulls} maps per unit, {settings.null}; level {settings.level:g}"
    else:
        found["measured in"] = f"{head.arena_m:g} m arena, {head.walk} walk"
        others = [arena.group for arena in summary.arenas if arena.group != head.group]
        found["also in"] = ", ".join(others) or "-"
    error = path_error(summary)
    if error is not None:
        found["path error"] = f"{_length(error.tracked_m[1])} after {error.steps:,} steps (median)"
    if summary.theory is not None:
        shapes = [
            f"{row.name.replace('_', ' ')}: {'yes' if row.topology.torus else 'not shown'}"
            for row in summary.theory.state_space.populations
        ]
        found["torus"] = ", ".join(shapes) or "-"
    return found


def spacings(modules: Sequence[ModuleRecord]) -> str:
    """Spacings of modules, such as `0.78, 0.80 m`, or `none`."""
    return ", ".join(f"{m.spacing_m:.2f}" for m in modules) + " m" if modules else "none"


def path_errors(summary: Summary) -> list[DecodingRecord]:
    """Path integration on the first walk at the size of training, after the quoted steps."""
    decoding = summary.space[0].decoding if summary.space else ()
    known = [row for row in decoding if row.tracked_m[1] is not None]
    return [row for row in known if row.steps in QUOTED_STEPS] or known[-1:]


def path_error(summary: Summary) -> DecodingRecord | None:
    """The one path error that tables show: the last of `path_errors`, None where there is none."""
    found = path_errors(summary)
    return found[-1] if found else None


def _modules(modules: Sequence[ModuleRecord], independent: int) -> str:
    if not modules:
        return "there are no modules (no group of units shares a lattice beyond chance)"
    if len(modules) == 1:
        return (
            f"{modules[0].n_units} units form one module with a spacing of "
            f"{modules[0].spacing_m:.2f} m"
        )
    how = {
        1: "which are one lattice and its sub-lattices",
        len(modules): "independent of one another",
    }.get(independent, f"{independent} of them independent of one another")
    ratios = ", ".join(f"{m.ratio_to_next:.2f}" for m in modules if m.ratio_to_next is not None)
    return (
        f"{sum(m.n_units for m in modules)} units form {len(modules)} modules, {how}, "
        f"with spacings of {spacings(modules)} (ratio{'s' if len(modules) > 2 else ''} {ratios})"
    )


def _module(module: ModuleRecord) -> str:
    return (
        f"{module.n_units} units, spacing {module.spacing_m:.2f} m, "
        f"orientation {round(module.orientation_deg)} deg, axis ratio {module.axis_ratio:.2f}"
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _length(metres: float | None) -> str:
    if metres is None:
        return "-"
    if metres >= 1:
        return f"{metres:.1f} m"
    return f"{100 * metres:.1f} cm" if metres < 0.1 else f"{100 * metres:.0f} cm"


# -- state space, dynamics, code ------------------------------


def deep_sentences(found: DeepAnalysisRecord) -> list[str]:
    """Topology, dynamics and code of a network, a paragraph each."""
    texts = [
        *state_space_sentences(found.state_space),
        _perturbations(found.dynamics),
        _rest(found.dynamics),
        _coding(found.coding),
    ]
    texts += [f"Not measured: {name} ({reason})." for name, reason in found.reasons.items()]
    if found.dynamics and found.dynamics.reason:
        texts.append(f"Parts of the dynamics were not measured: {found.dynamics.reason}.")
    return [text for text in texts if text]


def state_space_sentences(space: StateSpaceRecord) -> list[str]:
    """Topology of every module, of the population where there is none, and of the controls."""
    texts = [
        _topology(row)
        for row in space.populations
        if row.module is not None or len(space.populations) == 1
    ]
    wrong = [control.name for control in space.controls if not control.as_expected]
    if wrong:
        texts.append(
            f"Controls of known shape that were not recognised: {', '.join(wrong)}."
            " Do not trust a torus here."
        )
    elif space.controls:
        texts.append("All controls of known shape were recognised.")
    texts += [
        f"Not measured: {row.name.replace('_', ' ')} ({row.reason})." for row in space.skipped
    ]
    return texts


def _topology(row: StatesRecord) -> str:
    shape = row.topology
    units = f"{row.n_units} units"
    who = f"all {units}" if row.module is None else f"module {row.module} ({units})"
    betti = ", ".join(str(b) for b in shape.betti)
    if not shape.torus:
        return f"The states of {who} were not shown to lie on a torus: Betti numbers {betti}."
    text = (
        f"The states of {who} lie on a torus: Betti numbers {betti}, "
        f"p = {p_text(shape.torus_p_value)} against shuffles and shorter bars."
    )
    match = row.toroidal
    if match and match.correlation and None not in match.correlation:
        agree = " and ".join(f"{c:.2f}" for c in match.correlation)
        text += (
            " Circular coordinates decoded without positions agree with the lattice phases"
            f" (circular correlations {agree})"
        )
        text += "." if match.unimodular else ", but do not wind once around each of its loops."
    return text


def _perturbations(found: DynamicsRecord | None) -> str:
    kick = found.perturbation if found else None
    if kick is None or not kick.rows:
        return ""
    last, half = kick.rows[-1], kick.off_half_life_steps
    texts = []
    if half is not None:
        texts.append(f"Perturbations off the manifold decay with a half-life of {half:.1f} steps.")
    on, off = last.on[1], last.off[1]
    if on is not None:
        beside = "" if off is None else f", {round(100 * off)}% of those off it"
        texts.append(
            f"Of perturbations along it {round(100 * on)}% remain after {last.steps} steps"
            f"{beside} (medians)."
        )
    return " ".join(texts)


def _rest(found: DynamicsRecord | None) -> str:
    rest = found.return_map if found else None
    if rest is None or not rest.points or rest.way_m[1] is None:
        return ""
    stopped, started = rest.outcomes["fixed point"], sum(rest.outcomes.values())
    text = (
        f"At zero velocity {'all' if stopped == started else f'{stopped} of'} {started} states"
        f" drift to a fixed point, {100 * rest.way_m[1]:.0f} cm away (median)"
    )
    if rest.distinct == 1:
        return f"{text}, all to the same one: the network holds no position."
    if rest.estimated is None:
        return f"{text}, no two to the same one: there are more than could be counted, or a sheet."
    cell = "" if rest.per_unit_cell is None else f", about {rest.per_unit_cell:.0f} in a unit cell"
    apart = "" if rest.spacing_m is None else f", {100 * rest.spacing_m:.0f} cm apart"
    return (
        f"{text}: {rest.distinct} fixed points were seen{cell}{apart}."
        " On a continuous attractor states would stay where they are."
    )


def _coding(found: CodingRecord | None) -> str:
    if found is None or found.codes[0].properties.capacity.headline is None:
        return ""
    own = found.codes[0]
    capacity, update, phases = (
        own.properties.capacity,
        own.properties.update,
        own.properties.algebraic,
    )
    text = (
        f"In an arena of {own.arena_m:g} m the code distinguishes 2^{capacity.headline:.1f} places"
        f" at noise of {own.noise:.0%} of its length"
    )
    modules = capacity.independent_modules.number if capacity.independent_modules else None
    text += "." if modules is None else f" and acts as {modules:.1f} independent modules."
    if update.headline is not None:
        null = "" if update.null is None else f"; {small(update.null)} for the unchanged state"
        text += f" One linear operator per displacement explains R2 = {update.headline:.2f}{null}."
    if phases.headline is not None:
        null = "" if phases.null is None else f"; {small(phases.null)} by chance"
        text += f" Phases add with a resultant of {phases.headline:.2f} (1: exactly{null})."
    return text


# -- numbers ------------------------------


def small(value: float) -> str:
    """A number in two digits; what is 0 but for rounding is 0."""
    if abs(value) < 1e-9:
        return "0"
    return f"{value:.2g}" if abs(value) < 0.995 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """A share in whole percent, or a dash."""
    return "-" if value is None else f"{value:.0%}"


def p_text(value: float | None) -> str:
    """A p-value in one or two digits, or a dash."""
    if value is None or value != value:
        return "-"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.1g}"
