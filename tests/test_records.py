"""Records: one rule of rounding, JSON and back, and a clear line for what cannot be read."""

import json
import math

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis import text
from gridcode.analysis.records import Record, SettingsRecord, Summary, UnitRecord, quartiles
from gridcode.analysis.records.base import Number, Numbers
from gridcode.analysis.records.cells import ModuleRecord, RelationRecord

SETTINGS = SettingsRecord(
    null="random phase",
    nulls=500,
    level=0.01,
    false_discovery_rate=0.05,
    null_seed=0,
    spatial_test="circular shift",
)
VECTORS = ((1.0, 0.0), (0.5, 0.866))


class Measured(Record):
    """For these tests."""

    value: Number
    values: Numbers = ()
    count: int = 0


def unit(number, kind):
    names = UnitRecord.model_fields
    given = {"unit": number, "type": kind, "module": None, "silent": kind == "silent"}
    words = {"scores": {}, "evidence": "", "reason": "", "tuning": "", "tuning_evidence": ""}
    return UnitRecord(**(dict.fromkeys(names) | given | words))


def module(number, spacing_m, units):
    return ModuleRecord(
        module=number,
        n_units=units,
        spacing_m=spacing_m,
        orientation_deg=3.0,
        axis_ratio=0.98,
        spacing_spread=0.01,
        orientation_spread_deg=0.5,
        p_value=0.001,
        ratio_to_next=None,
        phase_uniformity_p=0.5,
        phase_coverage=0.7,
        vectors_m=VECTORS,
        units=range(units),
    )


def summary(kinds, modules=(), independent=0, relations=()):
    types = {
        name: kinds.count(name)
        for name in (
            "hexagonal",
            "sheared hexagonal",
            "square",
            "band",
            "place-like",
            "other spatial",
            "non-spatial",
            "silent",
        )
    }
    return Summary(
        n_modules=len(modules),
        n_independent_modules=independent,
        types=types,
        settings=SETTINGS,
        modules=modules,
        relations=relations,
        units=[unit(u, kind) for u, kind in enumerate(kinds)],
    )


def test_numbers_are_rounded_once_and_missing_ones_are_none():
    found = Measured(value=np.float32(1 / 3), values=np.array([1e-9 / 7, np.nan, np.inf, 2.0]))
    assert found.value == pytest.approx(1 / 3, rel=1e-6)
    assert found.values == (1.428571e-10, None, None, 2.0)
    assert Measured(value=math.nan, count=np.int64(3)) == Measured(value=None, count=3)
    assert quartiles([1.0, 2.0, 3.0, np.nan]) == (1.5, 2.0, 2.5)
    assert quartiles([np.nan]) == (None, None, None)


def test_a_record_of_an_object_takes_its_attributes():
    class Found:
        value = 2.0
        count = 5
        other = "left out"

    assert Measured.of(Found()) == Measured(value=2.0, count=5)
    assert Measured.of(Found(), count=7).count == 7
    with pytest.raises(ValueError, match="extra"):
        Measured(value=1.0, unknown=2)


def test_a_summary_survives_json():
    found = summary(["hexagonal"] * 5 + ["band", "silent"], [module(0, 0.5, 5)], 1)
    again = Summary.from_json(found.to_json())
    assert again == found and json.loads(found.to_json())["modules"][0]["spacing_m"] == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "evaluated by an earlier version"),
        ({"format": 99}, "evaluated by a later version"),
        ({"modules": 5}, r"damaged .modules"),
        ({"units": [{"unit": 1}]}, r"damaged .units.0"),
        ({"settings": {"null": "x"}}, r"damaged .settings"),
    ],
)
def test_other_versions_and_damage_are_one_line(change, message):
    data = json.loads(summary(["band"]).to_json()) | change
    with pytest.raises(InputError, match=message) as raised:
        Summary.from_json(json.dumps(data))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["x", [1], {}, 10**400])
def test_what_is_no_number_is_refused(value):
    data = json.loads(summary(["band"]).to_json())
    data["units"][0]["p_value"] = value
    with pytest.raises(InputError, match=r"damaged .units.0.p_value"):
        Summary.from_json(data)


@pytest.mark.parametrize("data", ["", "{", "[]", "5", '{"headline": 5}', "[" * 100_000])
def test_what_is_no_summary_is_refused(data):
    with pytest.raises(InputError, match=r"damaged|earlier"):
        Summary.from_json(data)


def test_the_verdict_in_words():
    none = summary(["silent"] * 3)
    assert text.verdict(none) == "None of the 3 units is active."
    assert "no modules" in text.verdict(summary(["band"] * 3))
    one = summary(["hexagonal"] * 5 + ["square"], [module(0, 0.5, 5)], 1)
    assert "6 of 6 units are active; 5 are grid cells (hexagonal, beside 1 square;" in (
        text.verdict(one)
    )
    assert "5 units form one module with a spacing of 0.50 m" in text.verdict(one)
    modules = [module(0, 0.4, 3), module(1, 0.8, 4)]
    pair = RelationRecord(
        modules=(0, 1), verdict="independent", index=None, error=0.2, chance_p_value=0.4
    )
    two = summary(["hexagonal"] * 7, modules, 2, [pair])
    assert "form 2 modules, independent of one another, with spacings of 0.40, 0.80 m" in (
        text.verdict(two)
    )
    assert "Pairs: 1 independent. The largest spacing is 2.00 times the smallest." in (
        text.details(two)
    )
    assert text.rows(two)["modules (independent)"] == "2 (2)" and text.path_error(two) is None
