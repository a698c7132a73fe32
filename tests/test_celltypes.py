"""Planted cells are named for what they are, and nothing is named without evidence."""

import dataclasses

import numpy as np
import pytest

from gridcode import InputError
from gridcode.analysis.cells.celltypes import LATTICE_TYPES, TYPES, Evidence, classify, undecided

HEXAGON = [[1.0, 0.0], [0.5, np.sqrt(0.75)]]
SQUARE = [[1.0, 0.0], [0.0, 1.0]]
NONE = [[np.nan, np.nan], [np.nan, np.nan]]


def evidence(n=1, **changes):
    """A spatial unit with three fields and nothing else to it."""
    one = {
        "silent": False,
        "lattice_p_value": 0.5,
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


LATTICE = {"lattice_p_value": 1e-4}


@pytest.mark.parametrize(
    "kind, changes",
    [
        ("hexagonal", LATTICE | ROUND),
        (
            "sheared hexagonal",
            LATTICE | {"vectors_m": [[1.0, 0.0], [0.3, 0.95]], "axis_ratio": 0.72},
        ),
        ("sheared hexagonal", LATTICE | {"vectors_m": [[1.0, 0.0], [0.0, 1.5]], "axis_ratio": 0.5}),
        ("square", LATTICE | {"vectors_m": SQUARE, "axis_ratio": 0.58}),
        ("band", WAVE | {"band_share": 0.5}),
        ("band", WAVE | LATTICE | {"band_share": 0.8, "vectors_m": SQUARE}),
        ("hexagonal", WAVE | ROUND | LATTICE | {"band_share": 0.4}),
        ("other spatial", WAVE | {"band_share": 0.2}),
        ("band", WAVE | ROUND | {"band_share": 0.4}),
        ("other spatial", {"band_share": 0.4}),
        ("place-like", {"field_count": 1.0}),
        ("place-like", LATTICE | ROUND | {"field_count": 1.0}),
        ("other spatial", LATTICE | ROUND | {"field_count": 2.0}),
        ("other spatial", {}),
        ("non-spatial", {"spatial_p_value": 0.2}),
        ("non-spatial", ROUND | LATTICE | {"spatial_p_value": 0.2}),
        ("hexagonal", ROUND | LATTICE | {"spatial_p_value": np.nan}),
        ("silent", {"silent": True, "lattice_p_value": np.nan, "spatial_p_value": np.nan}),
        ("other spatial", {"lattice_p_value": np.nan}),
        ("other spatial", LATTICE),  # no lattice was fitted
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
    assert classify(dataclasses.replace(many, lattice_p_value=p)).type[0] == "other spatial"
    p[0] = 1e-5
    assert classify(dataclasses.replace(many, lattice_p_value=p)).type[0] == "hexagonal"
    assert classify(evidence(lattice_p_value=0.003, **ROUND)).type[0] == "hexagonal"


def test_one_lattice_among_units_that_are_not_spatial():
    """500 shifts give p = 0.002 at best: among a hundred units no discovery, but the lattice is."""
    p, spatial = np.full(100, 0.5), np.full(100, 0.5)
    p[0], spatial[0] = 1e-5, 0.002
    some = dataclasses.replace(evidence(100, **ROUND), lattice_p_value=p, spatial_p_value=spatial)
    assert classify(some).type[0] == "hexagonal"


def test_silent_units_and_units_without_place_do_not_count_among_those_tested():
    only = np.arange(100) > 0
    p = np.where(only, 0.5, 0.003)
    some = dataclasses.replace(evidence(100, **ROUND), lattice_p_value=p)
    silent = classify(dataclasses.replace(some, silent=only))
    assert silent.type[:2] == ("hexagonal", "silent")
    flat = classify(dataclasses.replace(some, spatial_p_value=np.where(only, 0.5, 1e-4)))
    assert flat.type[:2] == ("hexagonal", "non-spatial")
    for found in (silent, flat):
        np.testing.assert_array_equal(np.isnan(found.q_value), only)
        assert found.q_value[0] == 0.003


@pytest.mark.parametrize("p, said", [(0.049, False), (0.051, True), (0.1, True), (0.11, False)])
def test_a_lattice_just_missed_is_said_in_words(p, said):
    (words,) = classify(evidence(lattice_p_value=p, **ROUND)).evidence
    assert ("a lattice just missed" in words) == said


def interval(*ends, band=(0.4, 0.6)):
    """Lower and upper ends of the intervals of lattice and band, from one pair for each unit."""
    lattice = np.array(ends).T
    both = np.stack([lattice, np.broadcast_to(np.array(band)[:, None], lattice.shape)], axis=1)
    return both[0], both[1]


@pytest.mark.parametrize(
    "ends, expected",
    [
        ([(0.04, 0.06)], [True]),
        ([(0.001, 0.04)], [False]),
        ([(0.06, 0.2)], [False]),
        ([(np.nan, np.nan), (0.04, 0.06)], [False, True]),
        # Two discoveries at most: up to 0.05 / 4 the first, up to 0.1 / 4 the second.
        ([(1e-6, 1e-5), (0.02, 0.03), (0.5, 0.6), (0.5, 0.6)], [False, True, False, False]),
        ([(1e-6, 1e-5), (0.03, 0.2), (0.5, 0.6), (0.5, 0.6)], [False, False, False, False]),
        ([(0.02, 0.03), (0.5, 0.6), (0.5, 0.6), (0.5, 0.6)], [False] * 4),
    ],
)
def test_more_null_maps_are_asked_for_where_a_verdict_is_open(ends, expected):
    low, high = interval(*ends)
    units = len(ends)
    found = undecided(
        low,
        high,
        among=np.full(units, True),
        band_share=np.full(units, 0.2),
        false_discovery_rate=0.05,
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "share, lattice, expected",
    [
        (0.2, (0.5, 0.6), False),  # no band, whatever its p
        (0.4, (0.5, 0.6), True),
        (0.4, (1e-6, 1e-5), False),  # a wave of a lattice
        (0.7, (1e-6, 1e-5), True),
    ],
)
def test_the_p_of_a_band_is_settled_only_where_it_matters(share, lattice, expected):
    low, high = interval(lattice, band=(0.04, 0.06))
    for among in (True, False):
        found = undecided(
            low,
            high,
            among=np.array([among]),
            band_share=np.array([share]),
            false_discovery_rate=0.05,
        )
        assert found[0] == (expected and among)


def test_levels_must_make_sense():
    with pytest.raises(InputError, match="significance"):
        classify(evidence(), significance=0.0)
    with pytest.raises(InputError, match="false_discovery_rate"):
        classify(evidence(), false_discovery_rate=1.5)
