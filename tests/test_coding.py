import numpy as np
import pytest
from planted import ARENA_M, constant, grid, noise_code, places_of, silent

from gridcode.analysis.coding.codes import code_from_reference
from gridcode.analysis.coding.properties import coding_properties
from gridcode.analysis.navigation.reference import ReferenceMap
from gridcode.analysis.synthetic import bin_centres
from gridcode.errors import InputError


def code_of(maps, bin_size_m):
    return code_from_reference(ReferenceMap(np.moveaxis(maps, 0, -1), bin_size_m))


def properties(code, **settings):
    return coding_properties(
        code,
        generator=np.random.default_rng(1),
        **({"arena_m": ARENA_M, "beyond_m": 2 * ARENA_M} | settings),
    )


@pytest.fixture(scope="module")
def found():
    modules = grid(units=21)
    one = grid((1.0,), units=64)
    return {
        "grid": properties(modules, labels=modules.label, vectors_m=modules.vectors_m),
        "one module": properties(one, beyond_m=50.0, labels=one.label, vectors_m=one.vectors_m),
        "place": properties(places_of()),
        "random": properties(noise_code()),
    }


def headline(found, code, name):
    return getattr(found[code].properties, name).headline


def test_four_codes_compare_as_they_should(found):
    for code, row in found.items():
        for name, p in row.properties:
            assert p.headline is not None, (code, name, p.reason)
            assert p.null is not None or p.expected is not None
    assert (
        headline(found, "grid", "capacity")
        > headline(found, "place", "capacity")
        > headline(found, "one module", "capacity")
    )
    assert headline(found, "grid", "separation") > 2 * headline(found, "one module", "separation")
    assert (
        headline(found, "grid", "equal_norm")
        < 1e-12
        < 0.05
        < headline(found, "place", "equal_norm")
    )
    assert headline(found, "grid", "update") > 0.95 > 0.5 > headline(found, "random", "update")
    assert (
        headline(found, "grid", "algebraic")
        > 0.99
        > 0.3
        > max(headline(found, c, "algebraic") for c in ("place", "random"))
    )
    assert (
        headline(found, "grid", "correction")
        < 0.05
        < 0.9
        < headline(found, "one module", "correction")
    )
    assert found["one module"].properties.whitened.participation == pytest.approx(6, rel=0.03)


def test_capacity_saturates_with_area_for_one_module_only(found):
    for code, exponent in (("grid", 1.0), ("random", 1.0), ("one module", 0.0)):
        p = found[code].properties.capacity
        assert p.area_exponent == pytest.approx(exponent, abs=0.15)
    one, many = (found[c].properties.capacity for c in ("one module", "grid"))
    assert one.independent_modules.number == pytest.approx(1, abs=0.05)
    assert (
        many.independent_modules.number is None and "still grows" in many.independent_modules.reason
    )
    assert one.headline == pytest.approx(one.expected_of_independent_modules, abs=0.2)
    assert many.headline == pytest.approx(many.expected, abs=0.2)
    assert "falls" in found["place"].properties.capacity.independent_modules.reason


def test_noise_is_relative_to_the_states(found):
    one = grid((1.0,), units=64)
    louder = properties(
        lambda x: 50.0 * one(x), beyond_m=50.0, labels=one.label, vectors_m=one.vectors_m
    )
    for name, p in louder.properties:
        assert p.headline == pytest.approx(headline(found, "one module", name), rel=1e-3, abs=1e-6)


def test_maps_of_a_code_have_its_properties(found):
    modules = grid(units=21)
    maps = np.moveaxis(modules(bin_centres(8.0, 0.05).reshape(-1, 2)).reshape(160, 160, -1), -1, 0)
    again = properties(code_of(maps, 0.05), labels=modules.label, vectors_m=modules.vectors_m)
    for name in ("capacity", "separation", "decorrelation", "update", "algebraic", "whitened"):
        assert getattr(again.properties, name).headline == pytest.approx(
            headline(found, "grid", name), rel=0.05
        )
    assert again.properties.equal_norm.headline < 0.02


def test_the_same_generator_gives_the_same_numbers(found):
    assert properties(places_of()) == found["place"]


@pytest.mark.parametrize("code", [constant, silent])
def test_a_code_without_places_has_reasons_and_no_numbers(code):
    row = properties(code)
    assert all(p.headline is None and "the same everywhere" in p.reason for _, p in row.properties)


def test_units_in_no_module_and_places_never_visited_are_left_out():
    code = grid((0.9,), units=20)
    maps = np.moveaxis(code(bin_centres(4.0, 0.1).reshape(-1, 2)).reshape(40, 40, -1), -1, 0)
    maps[:, 5:9, 5:9] = np.nan
    row = properties(
        code_of(maps, 0.1), beyond_m=None, labels=np.full(20, -1), vectors_m=code.vectors_m
    )
    assert row.places < 3000
    p = row.properties
    assert p.capacity.expected_of_independent_modules is None and p.capacity.by_modules == ()
    assert "two of them" in p.whitened.module_reason
    assert p.algebraic.headline > 0.99 and p.update.headline > 0.95


def test_units_that_repeat_each_other_are_no_trouble():
    code = grid((0.9,), units=9)
    row = properties(lambda x: np.repeat(code(x), 3, axis=1))
    assert row.properties.whitened.participation == pytest.approx(6, rel=0.05)
    single = properties(lambda x: code(x)[:, :1])
    single.model_dump_json()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _g: properties(grid(), arena_m=-1.0), "positive"),
        (lambda _g: properties(grid(), arena_m=0.5), "too small"),
        (lambda _g: properties(grid(), beyond_m=1.0), "beyond_m"),
        (lambda _g: properties(grid(), labels=np.zeros(5, dtype=int)), "whole number"),
        (
            lambda _g: properties(grid(), labels=np.full(48, 2), vectors_m=np.ones((1, 2, 2))),
            "labels name module 2",
        ),
        (lambda _g: properties(code_of(np.ones((4, 20, 20)), 0.1)), "have a state|known in half"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.random.default_rng(0))
