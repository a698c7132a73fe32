"""Typed records of everything that is measured: what is written to summary.json, field by field."""

from gridcode.analysis.records.base import Record, quartiles, rounded
from gridcode.analysis.records.cells import (
    ArenaRecord,
    HeadlineRecord,
    MatchRecord,
    ModuleRecord,
    RelationRecord,
    SettingsRecord,
    StabilityRecord,
    UnitRecord,
)
from gridcode.analysis.records.origin import OriginRecord
from gridcode.analysis.records.summary import DeepAnalysisRecord, Summary

__all__ = [
    "ArenaRecord",
    "DeepAnalysisRecord",
    "HeadlineRecord",
    "MatchRecord",
    "ModuleRecord",
    "OriginRecord",
    "Record",
    "RelationRecord",
    "SettingsRecord",
    "StabilityRecord",
    "Summary",
    "UnitRecord",
    "quartiles",
    "rounded",
]
