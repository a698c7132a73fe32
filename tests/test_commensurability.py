"""Integer relations between lattices: planted ones are found, chance ones are not."""

import itertools

import numpy as np
import pytest
from planted import lattice_vectors as lattice
from planted import turned

from gridcode.analysis.cells.lattice import reduced, shape_of
from gridcode.analysis.modules.commensurability import _relate, relate_modules
from gridcode.analysis.modules.detection import Module, Modules
from gridcode.analysis.modules.strain import strain
from gridcode.errors import InputError


def relate(a, b, *, generator, tolerance=0.02, nulls=999):
    return _relate(a, b, tolerance, 0.0, generator, nulls)


def sheared(rng, spacing_m, shear):
    along, across = rng.normal(0, shear, 2)
    change = np.array([[1 + along, across], [across, 1 - along]])
    return lattice(spacing_m, rng.uniform(0, 180)) @ change


def module(vectors_m, spread=0.01, units=20):
    vectors_m = reduced(np.asarray(vectors_m)[None])
    shape = shape_of(vectors_m)
    return Module(
        units=np.arange(units),
        vectors_m=vectors_m[0],
        spacing_m=float(shape.spacing[0]),
        orientation_deg=float(shape.orientation_deg[0]),
        axis_ratio=float(shape.axis_ratio[0]),
        spacing_spread=spread,
        orientation_spread_deg=float(np.degrees(spread)),
        shear_spread=spread,
        p_value=0.005,
    )


def modules(*vectors_m, spread=0.01):
    found = tuple(sorted((module(v, spread) for v in vectors_m), key=lambda m: m.spacing_m))
    return Modules(
        modules=found,
        label=np.array([], dtype=np.int64),
        reason=(),
        distance=np.empty((0, len(found))),
    )


OBLIQUE = lattice(0.5, 5, 72, 1.15)
PAIRS = {
    "same": (1, lattice(0.5, 7), lattice(0.5, 67)),
    "root 3, turned by 30 degrees": (3, lattice(1.05 / np.sqrt(3), 35), lattice(1.05, 5)),
    "half the spacing": (4, lattice(0.4, 11), lattice(0.8, 11)),
    "root 7": (7, lattice(0.3), lattice(0.3 * np.sqrt(7), np.degrees(np.arctan(np.sqrt(3) / 5)))),
    "a common sub-lattice": (4, lattice(0.5, 0), lattice(1 / np.sqrt(3), 30)),
    "sheared, index 2": (2, OBLIQUE, np.array([[1, 1], [-1, 1]]) @ OBLIQUE),
    "sheared, index 3": (3, OBLIQUE, np.array([[3, 0], [1, 1]]) @ OBLIQUE),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("error", [0.0, 0.005])
def test_known_relations_are_found(rng, name, error):
    index, a, b = PAIRS[name]
    b = b @ (np.eye(2) + rng.normal(0, error, (2, 2)))
    found = relate(a, b, generator=rng)
    assert (found.verdict, found.index) == ("commensurate", index)
    assert found.chance_p_value <= 0.02
    assert found.error <= 4 * error + 1e-9
    one, two = (np.array(m) for m in found.matrices)
    assert max(abs(round(np.linalg.det(m))) for m in (one, two)) == index
    # Vector by vector, in the bases that were given.
    assert np.allclose(one @ a, two @ b, atol=0.05 * np.abs(two @ b).max() if error else 1e-9)
    if name != "a common sub-lattice":
        assert np.array_equal(two, np.eye(2))


def test_ratio_and_turn(rng):
    found = relate(lattice(0.5, 10), lattice(0.7, 25), generator=rng)
    assert found.spacing_ratio == pytest.approx(1.4)
    assert found.turn_deg == pytest.approx(15.0)
    assert (found.verdict, found.index, found.matrices, found.chance_p_value) == (
        "independent",
        0,
        (),
        1.0,
    )
    assert not found.error < 0.02


@pytest.mark.parametrize(("shear", "tolerance"), [(0.0, 0.02), (0.03, 0.03), (0.1, 0.03)])
def test_unrelated_lattices_are_rarely_commensurate(rng, shear, tolerance):
    verdicts = []
    for _ in range(100):
        a, b = sheared(rng, 0.4, shear), sheared(rng, 0.4 * 1.42, shear)
        verdicts.append(relate(a, b, tolerance=tolerance, generator=rng, nulls=99).verdict)
    assert verdicts.count("commensurate") <= 5
    assert verdicts.count("independent") >= 90


def test_false_alarms_at_any_ratio(rng):
    verdicts = []
    for _ in range(100):
        a = lattice(0.4, rng.uniform(0, 60))
        b = lattice(0.4 * np.exp(rng.uniform(0.2, 1.0)))
        verdicts.append(relate(a, b, tolerance=0.03, generator=rng, nulls=99).verdict)
    # 5 % of 100, and two standard deviations.
    assert verdicts.count("commensurate") <= 9


def test_poor_resolution_decides_nothing(rng):
    a, b = lattice(0.5, 0), lattice(0.5 * np.sqrt(13), 13.9 + 3)
    assert relate(a, b, tolerance=0.08, generator=rng).verdict == "undecided"
    found = relate_modules(modules(a, b, spread=0.5), generator=rng).pairs[0]
    assert found.verdict == "undecided"
    assert found.tolerance > 0.1
    assert np.isnan(found.chance_p_value)


def test_turning_scaling_and_bases_change_nothing(rng):
    index, a, b = PAIRS["sheared, index 3"]
    b = b @ (np.eye(2) + rng.normal(0, 0.004, (2, 2)))
    first = relate(a, b, generator=np.random.default_rng(1))
    turn = turned(40.0)
    other = relate(
        3 * np.array([[2, 1], [1, 1]]) @ a @ turn,
        3 * b[::-1] @ turn,
        generator=np.random.default_rng(1),
    )
    assert (other.verdict, other.index) == (first.verdict, index)
    assert other.error == pytest.approx(first.error)
    assert other.spacing_ratio == pytest.approx(first.spacing_ratio)
    swapped = relate(b, a, generator=np.random.default_rng(1))
    assert (swapped.verdict, swapped.index) == (first.verdict, index)
    assert swapped.error == pytest.approx(first.error, rel=0.1)
    assert swapped.spacing_ratio == pytest.approx(1 / first.spacing_ratio)


def test_the_error_is_the_strain_between_the_common_lattices(rng):
    a, b = lattice(0.3, 0), 1.01 * lattice(0.6, 0)
    found = relate(a, b, generator=rng)
    assert found.error == pytest.approx(np.log(1.01), rel=1e-6)
    one, two = (np.array(m) for m in found.matrices)
    assert strain(reduced((one @ a)[None]), reduced((two @ b)[None])).distance[0] == pytest.approx(
        found.error
    )


def test_modules_of_one_torus_count_once(rng):
    base = lattice(0.3, 8)
    found = relate_modules(
        modules(base, np.sqrt(3) * lattice(0.3, 38), 2 * base, lattice(0.42, 20)), generator=rng
    )
    assert len(found.pairs) == 6
    assert [(p.first, p.second) for p in found.pairs] == list(itertools.combinations(range(4), 2))
    verdicts = {(pair.first, pair.second): pair.verdict for pair in found.pairs}
    assert verdicts[0, 2] == verdicts[0, 3] == verdicts[2, 3] == "commensurate"
    assert verdicts[0, 1] == verdicts[1, 2] == verdicts[1, 3] == "independent"
    assert found.independent == 2
    assert found.spacing_ratios == pytest.approx((1.4, np.sqrt(3) / 1.4, 2 / np.sqrt(3)))


def test_few_modules(rng):
    assert relate_modules(modules(), generator=rng).independent == 0
    one = relate_modules(modules(lattice()), generator=rng)
    assert (one.independent, one.pairs, one.spacing_ratios) == (1, (), ())


def test_the_same_seed_gives_the_same_answer():
    pair = modules(lattice(0.3, 0), lattice(0.52, 29))
    first, second = (relate_modules(pair, generator=np.random.default_rng(3)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.array([[1.0, 0.0], [2.0, 0.0]])]
)
def test_bad_lattices(rng, bad):
    for pair in ((bad, lattice()), (lattice(), bad)):
        with pytest.raises(InputError):
            relate(*pair, generator=rng)


def test_too_few_nulls(rng):
    with pytest.raises(InputError):
        relate_modules(modules(lattice(), lattice(0.7)), generator=rng, nulls=5)


def test_the_lattices_are_not_changed(rng):
    a, b = lattice()[::-1].copy(), lattice(0.7)
    before = a.copy(), b.copy()
    relate(a, b, generator=rng)
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])
