"""The summary: everything that an evaluation or a scored recording found."""

import json
from typing import Any

from pydantic import Field, ValidationError

from gridcode.analysis.records.base import AS_WRITTEN, Record
from gridcode.analysis.records.cells import (
    ArenaRecord,
    HeadlineRecord,
    ModuleRecord,
    RelationRecord,
    SettingsRecord,
    StabilityRecord,
    UnitRecord,
)
from gridcode.analysis.records.coding import CodingRecord
from gridcode.analysis.records.dynamics import DynamicsRecord, MechanismRecord
from gridcode.analysis.records.navigation import RobustnessRecord, SpaceRecord
from gridcode.analysis.records.origin import OriginRecord
from gridcode.analysis.records.topology import StateSpaceRecord
from gridcode.errors import InputError

# 5: types rest on one test of a lattice of any shape.
FORMAT = 5


class DeepAnalysisRecord(Record):
    """What rate maps do not show; parts that were not measured are None, with a reason by name."""

    state_space: StateSpaceRecord
    dynamics: DynamicsRecord | None = None
    robustness: tuple[RobustnessRecord, ...] | None = None
    mechanism: MechanismRecord | None = None
    coding: CodingRecord | None = None
    reasons: dict[str, str] = Field(default_factory=dict)


class Summary(Record):
    """Everything that was found, ready for JSON: `to_json` and `from_json`.

    `origin`, `headline`, `arenas`, `arena_stability`, `space` and `theory` are of networks alone.

    Attributes:
        format: of this record.
        verdict: what was found, in one sentence.
        n_modules: modules found.
        n_independent_modules: modules that are not sub-lattices of one another.
        origin: what a run was evaluated from; None for recordings and for systems without a run.
        types: number of units by type.
        tuning: of recordings: number of units by tuning, such as "grid + head direction".
        settings: what the verdicts rest on.
        modules: the modules.
        relations: every pair of modules.
        headline: the arena that all of this comes from.
        arena_stability: whether modules are the same in other arenas.
        arenas: scores in every arena and on every walk.
        space: neural distances and path integration; None where they were left out.
        theory: state space, dynamics, mechanism and coding; None where they were left out.
        reasons: why `space` or `theory` could not be measured; `states`: how a system diverged.
        units: every unit.
    """

    format: int = FORMAT
    verdict: str = ""
    n_modules: int
    n_independent_modules: int
    origin: OriginRecord | None = None
    types: dict[str, int]
    tuning: dict[str, int] = Field(default_factory=dict)
    settings: SettingsRecord
    modules: tuple[ModuleRecord, ...]
    relations: tuple[RelationRecord, ...]
    headline: HeadlineRecord | None = None
    arena_stability: tuple[StabilityRecord, ...] = ()
    arenas: tuple[ArenaRecord, ...] = ()
    space: tuple[SpaceRecord, ...] | None = None
    theory: DeepAnalysisRecord | None = None
    reasons: dict[str, str] = Field(default_factory=dict)
    units: tuple[UnitRecord, ...]

    def to_json(self) -> str:
        """As text, one value a line."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes | dict[str, Any]) -> "Summary":
        """Read what `to_json` wrote.

        Raises:
            InputError: another version's, or damaged.
        """
        try:
            data = json.loads(text) if isinstance(text, str | bytes) else text
        except (ValueError, RecursionError) as error:
            raise InputError(f"the evaluation's summary is damaged ({error})") from None
        found = data.get("format") if isinstance(data, dict) else None
        if isinstance(found, int) and found != FORMAT:
            which = "an earlier" if found < FORMAT else "a later"
            raise InputError(f"evaluated by {which} version; run `gridcode evaluate` again")
        try:
            return cls.model_validate(data, context=AS_WRITTEN)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "summary"
            raise InputError(
                f"the evaluation's summary is damaged ({where}: {first['msg']}); "
                "run `gridcode evaluate` again"
            ) from None
