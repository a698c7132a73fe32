"""Where results come from: the weights, settings and version behind an evaluation."""

import json
from typing import Any

from gridcode.analysis.records.base import Record


class OriginRecord(Record):
    """What an evaluation was made from; its files carry it in full.

    Attributes:
        evaluation: id of the evaluation, common to all its files: 16 hex digits of the SHA-256 of
            what it found and of the rest of this record.
        weights: 16 hex digits of the SHA-256 of the weights.
        step: of the training, at which the network had these weights.
        steps: of the whole training.
        training_hash: of the settings that determine the weights (`Config.training_hash`).
        config_hash: of the whole configuration (`Config.content_hash`).
        seed: of the training.
        settings: of the evaluation (`EvaluationConfig`); its seed is among them.
        gridcode: version of the package.
    """

    evaluation: str = ""
    weights: str
    step: int
    steps: int
    training_hash: str
    config_hash: str
    seed: int
    settings: dict[str, Any]
    gridcode: str

    def __str__(self) -> str:
        return (
            f"gridcode {self.gridcode}, evaluation {self.evaluation}, weights {self.weights}, "
            f"step {self.step} of {self.steps}, seed {self.seed}, "
            f"configuration {self.config_hash}, seed of the evaluation {self.settings.get('seed')}"
        )

    def attributes(self) -> dict[str, str]:
        """The record as an attribute of a NetCDF file."""
        return {"origin": self.model_dump_json()}

    @classmethod
    def from_attributes(cls, attributes: Any) -> "OriginRecord | None":
        """The record that `attributes` wrote, None where there is none that can be read."""
        try:
            return cls.model_validate(json.loads(attributes["origin"]))
        except (KeyError, TypeError, ValueError, RecursionError):
            return None
