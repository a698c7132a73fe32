"""Planted cells are named for what they are, and nothing is named without evidence."""

import dataclasses

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.cells.celltypes import (
    LATTICE_TYPES,
    TYPES,
    Evidence,
    any_lattice_p_value,
    classify,
)

HEXAGON = [[1.0, 0.0], [0.5, np.sqrt(0.75)]]
SQUARE = [[1.0, 0.0], [0.0, 1.0]]
NONE = [[np.nan, np.nan], [np.nan, np.nan]]


def evidence(n=1, **changes):
    """A spatial unit with three fields and nothing else to it."""
    one = {
        "silent": False,
        "p_value": 0.5,
        "lattice_p_value": 0.5,
        "square_p_value": 0.5,
        "band_p_value": 0.5,
        "band_share": 0.2,
        "spatial_p_value": 1e-4,
        "vectors_m": NONE,
        "axis_ratio": np.nan,
        "field_count": 3.0,
    }
    one = {name: np.array([value] * n) for name, value in (one | changes).items()}
    return Evidence(**one)


ROUND = {"vectors_m": HEXAGON, "axis_ratio": 0.9}
WAVE = {"band_p_value": 1e-4}


@pytest.mark.parametrize(
    "kind, changes",
    [
        ("hexagonal", {"p_value": 1e-4} | ROUND),
        (
            "sheared hexagonal",
            {"lattice_p_value": 1e-4, "vectors_m": [[1.0, 0.0], [0.3, 0.95]], "axis_ratio": 0.72},
        ),
        (
            "sheared hexagonal",
            {"lattice_p_value": 1e-4, "vectors_m": [[1.0, 0.0], [0.0, 1.5]], "axis_ratio": 0.5},
        ),
        ("square", {"square_p_value": 1e-4, "vectors_m": SQUARE, "axis_ratio": 0.58}),
        ("band", WAVE | {"band_share": 0.5}),
        ("band", WAVE | {"band_share": 0.8, "lattice_p_value": 1e-4, "vectors_m": SQUARE}),
        ("hexagonal", WAVE | ROUND | {"band_share": 0.4, "p_value": 1e-4}),
        ("other spatial", WAVE | {"band_share": 0.2}),
        ("other spatial", WAVE | ROUND | {"band_share": 0.4, "p_value": 0.008}),
        ("band", WAVE | ROUND | {"band_share": 0.7, "p_value": 0.008}),
        ("place-like", {"field_count": 1.0}),
        ("other spatial", {}),
        ("non-spatial", {"spatial_p_value": 0.2}),
        ("non-spatial", ROUND | {"spatial_p_value": 0.2, "lattice_p_value": 1e-4}),
        ("hexagonal", ROUND | {"spatial_p_value": np.nan, "p_value": 1e-4}),
        ("silent", {"silent": True, "p_value": np.nan, "spatial_p_value": np.nan}),
        ("other spatial", {"p_value": 1e-4}),  # no lattice was fitted
    ],
)
def test_each_type(kind, changes):
    found = classify(evidence(**changes))
    assert found.type == (kind,) and kind in TYPES
    assert found.periodic[0] == (kind in LATTICE_TYPES)
    assert found.evidence[0]


def test_many_units_need_better_evidence():
    """One unit in a hundred has p = 0.003 by chance: it is significant alone, not among them."""
    p = np.full(100, 0.9)
    p[0] = 0.003
    many = evidence(100, **ROUND)
    assert classify(dataclasses.replace(many, p_value=p)).type[0] == "other spatial"
    p[0] = 1e-5
    assert classify(dataclasses.replace(many, p_value=p)).type[0] == "hexagonal"
    assert classify(evidence(p_value=0.003, **ROUND)).type[0] == "hexagonal"


def test_one_lattice_among_units_that_are_not_spatial():
    """500 shifts give p = 0.002 at best: among a hundred units no discovery, but the lattice is."""
    p, spatial = np.full(100, 0.5), np.full(100, 0.5)
    p[0], spatial[0] = 1e-5, 0.002
    some = dataclasses.replace(evidence(100, **ROUND), p_value=p, spatial_p_value=spatial)
    assert classify(some).type[0] == "hexagonal"


def test_silent_units_do_not_count_among_those_tested():
    silent = np.arange(100) > 0
    p = np.where(silent, np.nan, 0.003)
    other = np.where(silent, np.nan, 0.5)
    tested = {"p_value": p, "lattice_p_value": other, "square_p_value": other}
    some = dataclasses.replace(evidence(100, **ROUND), silent=silent, **tested)
    assert classify(some).type[:2] == ("hexagonal", "silent")


def test_three_looks_cost_a_factor_of_three():
    found = any_lattice_p_value(
        np.array([0.01, np.nan, 0.6]), np.array([0.5, np.nan, 0.9]), np.array([np.nan, np.nan, 0.5])
    )
    np.testing.assert_allclose(found, [0.03, np.nan, 1.0])


def test_levels_must_make_sense():
    with pytest.raises(InputError, match="significance"):
        classify(evidence(), significance=0.0)
    with pytest.raises(InputError, match="false_discovery_rate"):
        classify(evidence(), false_discovery_rate=1.5)
